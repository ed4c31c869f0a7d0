package report

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

var (
	alice = change.Account{ID: 1, Login: "alice", Kind: change.KindUser}
	bob   = change.Account{ID: 2, Login: "bob", Kind: change.KindUser}
	noon  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func row(kind change.RequirementKind, state change.RequirementState, name, short string) change.Requirement {
	return change.Requirement{Kind: kind, State: state, Name: change.Words(name), Short: change.Words(short)}
}

// example is the check run that the product's description shows.
func example() change.Decision {
	tenant := func(kind change.RequirementKind, state change.RequirementState, name, short string, found, next change.Text) change.Requirement {
		r := row(kind, state, name, short)
		r.Found, r.Next = found, next
		return r
	}
	return change.Decision{
		Pull: change.PullKey{Repository: 7, Number: 41}, Head: "9e8d7c6b5a", Governed: true,
		Policy:   change.PolicyRef{Source: ".github/change-policy.yml", SHA: "abcdef0123"},
		Category: change.HighRisk, Verdict: change.Failing,
		Requirements: []change.Requirement{
			tenant(change.KindRecord, change.Met, "Risk assessment", "", change.Quote("high"), nil),
			tenant(change.KindRecord, change.Missing, "Rollback plan", "rollback plan missing", change.Words("missing"),
				change.Say(change.Words("add a "), change.Code("## Rollback plan"), change.Words(" section to the description"))),
			tenant(change.KindApprovals, change.Awaited, "2 reviewers", "1 of 2 approvals", change.Login(bob),
				change.Say(change.Words("one more approval from anyone with write access, except "), change.Login(alice), change.Words(" (author)"))),
			tenant(change.KindApprovals, change.Awaited, "Tech lead", "tech lead", nil, change.Say(change.TeamName("acme", "tech-leads"), change.Words(" is asked to review"))),
			tenant(change.KindSecurityReview, change.Awaited, "Security review", "security review", nil, change.Say(change.TeamName("acme", "security"),
				change.Words(" is asked to review, because "), change.Code("internal/auth/token.go"), change.Words(" matches "), change.Quote("authentication"))),
		},
		Matches: []change.Match{{
			Category: change.HighRisk, Rule: change.Code("**/db/migrate/**"), Subject: change.Code("db/migrate/20260102_add_index.rb"), Because: "schema",
			Source: ".github/change-policy.yml", Line: 41,
		}},
		Opinions: []change.Opinion{{By: alice, State: change.Approved, SHA: "9e8d7c6b5a", Why: change.Words("the author cannot approve")}},
		Notes:    []change.Text{change.Say(change.Words("The label "), change.Code("safe"), change.Words(" lowers nothing."))},
	}
}

func TestTitleSaysNothingTwice(t *testing.T) {
	d := example()
	d.Requirements = []change.Requirement{
		row(change.KindChecks, change.Awaited, "Check build", "build running"), row(change.KindChecks, change.Awaited, "Check build", "build running"),
	}
	if got, want := Title(d), "High-risk: build running"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
}

func TestSummarySaysThatThePolicyOnlyObserves(t *testing.T) {
	d := example()
	if s := Summary(d); strings.Contains(s, "observes") {
		t.Error(s)
	}
	d.Observing = true
	if s := Summary(d); !strings.HasPrefix(s, "The policy only observes: nothing below holds up the merge.\n\n| | Requirement |") {
		t.Error(s)
	}
}

func TestSummaryNamesTheOwnersPolicy(t *testing.T) {
	d := example()
	d.Floor = change.PolicyRef{Source: "acme/.github/change-policy.yml", SHA: "fedcba9876"}
	want := "Decided by `.github/change-policy.yml` at `abcdef0` beside the owner's `acme/.github/change-policy.yml` at `fedcba9` for `9e8d7c6`.\n"
	if got := Summary(d); !strings.HasSuffix(got, want) {
		t.Errorf("does not end in %q:\n%s", want, got)
	}
}

func TestSummary(t *testing.T) {
	want := `| | Requirement | State | Next |
|---|---|---|---|
| ✅ | Risk assessment | high |  |
| ❌ | Rollback plan | missing | add a ` + "`## Rollback plan`" + ` section to the description |
| ⏳ | 2 reviewers | bob | one more approval from anyone with write access, except alice (author) |
| ⏳ | Tech lead | – | ` + "`@acme/tech-leads`" + ` is asked to review |
| ⏳ | Security review | – | ` + "`@acme/security` is asked to review, because `internal/auth/token.go`" + ` matches authentication |

**Why high-risk:** ` + "`db/migrate/20260102_add_index.rb` matches `**/db/migrate/**`" + ` (schema), line 41 of the policy.

**Reviews that do not count:**

- alice approved: the author cannot approve

**Notes:**

- The label ` + "`safe`" + ` lowers nothing.

Decided by ` + "`.github/change-policy.yml` at `abcdef0` for `9e8d7c6`" + `.
`
	if diff := cmp.Diff(want, Summary(example())); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestSummaryOfAMergedEmergency(t *testing.T) {
	overdue := row(change.KindApprovals, change.Awaited, "Reviewer", "1 approval")
	overdue.Next, overdue.Due = change.Words("an approval from anyone with write access"), noon
	got := Summary(change.Decision{
		Governed: true, State: change.Merged, Category: change.Emergency, Underlying: change.HighRisk, Requirements: []change.Requirement{overdue},
		Declaration: &change.Declaration{By: alice, At: noon.Add(-24 * time.Hour), Due: noon},
	})
	want := `Declared an emergency by alice on 1 March 2026 at 12:00 UTC. What it owes, and the retrospective in the issue opened for it, is due by 2 March 2026 at 12:00 UTC. It is merged. Without the declaration it would have been high-risk.

| | Requirement | State | Next |
|---|---|---|---|
| ⏳ | Reviewer | – | an approval from anyone with write access; overdue since 2 March 12:00 UTC |

**Why high-risk:** it was when it was merged.

`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestTerminal(t *testing.T) {
	want := `High-risk: 1 of 2 approvals · tech lead · security review · rollback plan missing
pull request 41 at 9e8d7c6 is failing
├─ why
│  └─ high-risk: db/migrate/20260102_add_index.rb matches **/db/migrate/** (schema), line 41 of the policy.
├─ requirements
│  ├─ ✅ Risk assessment: high
│  ├─ ❌ Rollback plan: missing → add a ## Rollback plan section to the description
│  ├─ ⏳ 2 reviewers: bob → one more approval from anyone with write access, except alice (author)
│  ├─ ⏳ Tech lead → @acme/tech-leads is asked to review
│  └─ ⏳ Security review → @acme/security is asked to review, because internal/auth/token.go matches authentication
├─ reviews
│  └─ alice approved at 9e8d7c6, which does not count: the author cannot approve
└─ notes
   └─ The label safe lowers nothing.
`
	if diff := cmp.Diff(want, Terminal(example())); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestTitle(t *testing.T) {
	owed := row(change.KindApprovals, change.Owed, "Reviewer", "1 approval")
	owed.Due = noon.Add(2*time.Hour + 5*time.Minute)
	met := row(change.KindApprovals, change.Met, "Reviewer", "1 of 1 approvals")
	met.By = []change.Account{bob}
	review := row(change.KindSecurityReview, change.Met, "Security review", "security review")
	review.By = []change.Account{alice}
	overdue := owed
	overdue.State = change.Awaited
	declared := &change.Declaration{By: alice, At: owed.Due.Add(-4 * time.Hour), Due: owed.Due}
	objection := row(change.KindChangesRequested, change.Owed, "No changes requested", "what bob asked for")
	objection.Due = owed.Due
	frozen := row(change.KindFreeze, change.Awaited, "No freeze", "merging frozen until Mon 4 Jan 00:00 CET (year end)")
	frozen.Due = owed.Due
	for _, test := range []struct {
		name     string
		decision change.Decision
		want     string
	}{
		{"all that is open, people first", example(), "High-risk: 1 of 2 approvals · tech lead · security review · rollback plan missing"},
		{"approved", change.Decision{Governed: true, Category: change.Normal, Requirements: []change.Requirement{met, review}}, "Normal: approved by bob, alice"},
		{"nothing required", change.Decision{Governed: true, Category: change.Standard}, "Standard: nothing more is needed"},
		{"an emergency's debts", change.Decision{Governed: true, Category: change.Emergency, Declaration: declared, Requirements: []change.Requirement{owed}},
			"Emergency: 1 approval due by 14:05 UTC"},
		{"an emergency's debts on another day", change.Decision{Governed: true, Category: change.Emergency, Requirements: []change.Requirement{owed},
			Declaration: &change.Declaration{At: owed.Due.Add(-24 * time.Hour)}}, "Emergency: 1 approval due by 2 March 14:05 UTC"},
		{"in another zone the day of the declaration is another", change.Decision{Governed: true, Category: change.Emergency, Requirements: []change.Requirement{owed},
			Declaration: &change.Declaration{At: owed.Due.Add(-4 * time.Hour).In(time.FixedZone("", -14*60*60))}}, "Emergency: 1 approval due by 14:05 UTC"},
		{"an overdue debt", change.Decision{Governed: true, Category: change.Emergency, Declaration: declared, Requirements: []change.Requirement{overdue}},
			"Emergency: 1 approval overdue since 2 March 14:05 UTC"},
		{"a merged emergency's objection", change.Decision{Governed: true, State: change.Merged, Category: change.Emergency, Declaration: declared,
			Requirements: []change.Requirement{objection, owed}}, "Emergency: what bob asked for due by 14:05 UTC · 1 approval due by 14:05 UTC"},
		{"a merged emergency that is settled", change.Decision{Governed: true, State: change.Merged, Category: change.Emergency, Declaration: declared,
			Requirements: []change.Requirement{met}}, "Emergency: approved by bob"},
		{"a freeze", change.Decision{Governed: true, Category: change.Normal, Requirements: []change.Requirement{met, frozen}},
			"Normal: merging frozen until Mon 4 Jan 00:00 CET (year end)"},
		{"a rejection before people", change.Decision{Governed: true, Category: change.Normal, Requirements: []change.Requirement{
			row(change.KindApprovals, change.Awaited, "Reviewer", "0 of 1 approvals"), row(change.KindRejection, change.Failed, "No rejection", "rejected by bob")}},
			"Normal: rejected by bob · 0 of 1 approvals"},
		{"observing", change.Decision{Governed: true, Observing: true, Category: change.Normal, Requirements: []change.Requirement{met}}, "Observing: Normal: approved by bob"},
		{"a draft", change.Decision{Governed: true, Category: change.Normal, Requirements: []change.Requirement{
			row(change.KindDraft, change.Awaited, "Ready", "draft"), row(change.KindApprovals, change.Awaited, "Reviewer", "0 of 1 approvals"),
			row(change.KindChecks, change.Awaited, "Check test", "waiting for test")}},
			"Draft, normal: 0 of 1 approvals"},
		{"a broken policy", change.Decision{Governed: true, Requirements: []change.Requirement{row(change.KindPolicy, change.Failed, "Line 3", "line 3 of the policy cannot be read")}},
			"Policy: line 3 of the policy cannot be read"},
		{"not governed", change.Decision{}, "No policy here: this branch is not governed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Title(test.decision); got != test.want {
				t.Errorf("title %q, want %q", got, test.want)
			}
		})
	}
}

func TestEscapes(t *testing.T) {
	for _, test := range []struct {
		name string
		text change.Text
		want string
	}{
		{"a mention", change.Quote("@acme/security please"), "&#64;\u200bacme/security please"},
		{"a reference", change.Quote("#12 and GH-12"), "&#35;\u200b12 and GH&#45;\u200b12"},
		{"an address", change.Quote("https://evil.example"), "https&#58;\u200b//evil&#46;example"},
		{"an address without a scheme", change.Quote("www.evil.example"), "www&#46;\u200bevil&#46;example"},
		{"a bot", change.Login(change.Account{ID: 3, Login: "dependabot[bot]"}), "dependabot&#91;bot&#93;"},
		{"a team", change.TeamName("acme", "security"), "`@acme/security`"},
		{"a bar in code", change.Code("a|b"), "`a\\|b`"},
		{"a backslash and a bar in code", change.Code(`a\|b`), "`a\\\u200b\\|b`"},
		{"backticks in code", change.Code("a`b``c"), "```a`b``c```"},
		{"a backtick at the end of code", change.Code("a`"), "`` a` ``"},
		{"two names side by side", change.Say(change.Code("a"), change.Code("b")), "`a` `b`"},
		{"no name", change.Code(""), ""},
		{"lines", change.Code("a\r\nb"), "`a  b`"},
		{"a turn of direction", change.Code("a\u202egpj.exe"), "`a⟨U+202E⟩gpj.exe`"},
		{"a terminal's escape", change.Quote("\x1b[31m"), "␛&#91;31m"},
		{"not UTF-8", change.Code("a\xff"), "`a\uFFFD`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := markdown(test.text); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// github reads Markdown with the extensions that GitHub has and that matter here.
var github = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Linkify, extension.Strikethrough, extension.TaskList))

// checkInert fails if anything in a page is more than text, code, emphasis of ours, lists and tables, or if there are not as many rows
// as there should be.
func checkInert(t interface{ Fatalf(string, ...any) }, page string, rows, items int) {
	source := []byte(page)
	gotRows, gotItems := 0, 0
	err := ast.Walk(github.Parser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Document, *ast.Paragraph, *ast.TextBlock, *ast.List, *extast.Table, *extast.TableHeader:
		case *ast.CodeSpan:
			return ast.WalkSkipChildren, nil
		case *ast.ListItem:
			gotItems++
		case *extast.TableRow:
			gotRows++
		case *extast.TableCell:
		case *ast.Emphasis:
			if n.Level != 2 {
				t.Fatalf("emphasis in:\n%s", page)
			}
		case *ast.String:
			if strings.Contains(string(n.Value), "@") {
				t.Fatalf("an @ in:\n%s", page)
			}
		case *ast.Text:
			if s := string(n.Segment.Value(source)); strings.ContainsAny(s, "@") {
				t.Fatalf("an @ in %q of:\n%s", s, page)
			}
		default:
			t.Fatalf("a %s in:\n%s", n.Kind(), page)
		}
		return ast.WalkContinue, nil
	})
	if err != nil || gotRows != rows || gotItems != items {
		t.Fatalf("%d rows and %d items, want %d and %d (%v):\n%s", gotRows, gotItems, rows, items, err, page)
	}
	var html strings.Builder
	if err := github.Convert(source, &html); err != nil {
		t.Fatalf("convert: %v", err)
	}
	for _, tag := range []string{"<a ", "<img", "<script", "<em>", "<del>", "<input", "raw HTML"} {
		if strings.Contains(html.String(), tag) {
			t.Fatalf("%s in:\n%s\nof:\n%s", tag, html.String(), page)
		}
	}
}

// hostile is what strangers would write if they could.
var hostile = rapid.OneOf(
	rapid.String(),
	rapid.StringOf(rapid.SampledFrom([]rune("`|\\*_[]()<>@#!&;:/.-~ \n\r\ta1\u202e\u200b"))),
	rapid.SampledFrom([]string{
		"@acme/security", "<img src=x onerror=alert(1)>", "[a](https://b.c)", "![a](b)", "https://a.b/c", "www.a.b", "a@b.c", "#1", "GH-1",
		"|---|---|", "| a | b |", "\\|", "`|`", "\n\n# heading", "\n- item", "1. one", "&#64;alice", "~~a~~", "- [ ] todo", "***", "<!-- x", "a\\",
		"``` ", "\u202eabc", "ftp://a.b", "mailto:a@b.c", "xmpp:a@b.c/d",
	}),
)

func hostileText(t *rapid.T) change.Text {
	var parts []change.Text
	for range rapid.IntRange(0, 4).Draw(t, "parts") {
		s := hostile.Draw(t, "s")
		parts = append(parts, rapid.SampledFrom([]change.Text{
			change.Code(s), change.Quote(s), {{Kind: change.PartLogin, Text: s}}, {{Kind: change.PartTeam, Text: s}}, change.Words(" and "),
		}).Draw(t, "part"))
	}
	return change.Say(parts...)
}

func hostileDecision(t *rapid.T) change.Decision {
	states := []change.RequirementState{change.Met, change.Awaited, change.Missing, change.Failed, change.Blocked, change.Owed}
	d := change.Decision{
		Governed: true, Category: change.HighRisk, Verdict: change.Waiting, Head: change.SHA(hostile.Draw(t, "head")),
		Policy: change.PolicyRef{Source: hostile.Draw(t, "source")},
	}
	for range rapid.IntRange(1, 6).Draw(t, "requirements") {
		d.Requirements = append(d.Requirements, change.Requirement{
			Kind: change.KindChecks, Name: hostileText(t), Short: hostileText(t), Found: hostileText(t), Next: hostileText(t),
			State: rapid.SampledFrom(states).Draw(t, "state"),
		})
	}
	for range rapid.IntRange(2, 4).Draw(t, "matches") {
		d.Matches = append(d.Matches, change.Match{
			Category: change.HighRisk, Rule: hostileText(t), Subject: change.Say(change.Code("x"), hostileText(t)), Because: hostile.Draw(t, "because"),
			Source: hostile.Draw(t, "source"), Line: rapid.IntRange(0, 9).Draw(t, "line"),
		})
	}
	for range rapid.IntRange(1, 3).Draw(t, "opinions") {
		d.Opinions = append(d.Opinions, change.Opinion{
			By: change.Account{ID: 1, Login: "a" + hostile.Draw(t, "login")}, State: change.Approved, SHA: change.SHA(hostile.Draw(t, "sha")),
			Why: change.Say(change.Words("because "), hostileText(t)), Roles: []string{hostile.Draw(t, "role")},
		})
	}
	for range rapid.IntRange(1, 3).Draw(t, "notes") {
		d.Notes = append(d.Notes, change.Say(change.Words("note "), hostileText(t)))
	}
	return d
}

// Whatever strangers write, a page has the rows that it should have and nothing in it links, formats or pings.
func TestStrangersFormatNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := hostileDecision(t)
		checkInert(t, Summary(d), len(d.Requirements), len(d.Matches)+len(d.Opinions)+len(d.Notes))
		checkInert(t, Text(d), len(d.Opinions), len(d.Matches))
		if title := Title(d); len(title) > MaxTitle || strings.ContainsAny(title, "\r\n\x1b\u202e") || !utf8.ValidString(title) {
			t.Fatalf("title %q", title)
		}
		if strings.ContainsAny(Terminal(d), "\r\t\x1b\u202e\u2028") {
			t.Fatalf("terminal %q", Terminal(d))
		}
	})
}

func TestLimits(t *testing.T) {
	d := example()
	for len(d.Requirements) < 2000 {
		another := d.Requirements[1]
		another.Short = change.Words("section " + strconv.Itoa(len(d.Requirements)) + " missing")
		d.Requirements = append(d.Requirements, another)
	}
	for len(d.Matches) < 3000 {
		d.Matches = append(d.Matches, d.Matches[0])
	}
	for len(d.Notes) < 1000 {
		d.Notes = append(d.Notes, change.Quote(strings.Repeat("&é@", 5000)))
	}
	for name, page := range map[string]string{"summary": Summary(d), "text": Text(d)} {
		if len(page) > MaxSummary || len(page) < MaxSummary/2 || !utf8.ValidString(page) {
			t.Errorf("%s has %d bytes", name, len(page))
		}
		if !strings.Contains(page, "… and ") {
			t.Errorf("%s does not say what was cut", name)
		}
	}
	if s := Summary(d); !strings.Contains(s, "**Notes:**") || !strings.HasSuffix(s, "for `9e8d7c6`.\n") {
		t.Errorf("the summary lost its end: %q", s[len(s)-200:])
	}
	if title := Title(d); len(title) > MaxTitle || !regexp.MustCompile(` · section \d+ missing · [\d]+ more$`).MatchString(title) {
		t.Errorf("title of %d bytes: %q", len(title), title)
	}
}

func TestListed(t *testing.T) {
	words := []string{"1 of 2 approvals", "tech lead", "risk missing"}
	for _, row := range []struct {
		room int
		want string
	}{
		{45, "1 of 2 approvals · tech lead · risk missing"},
		{44, "1 of 2 approvals · tech lead · 1 more"},
		{30, "1 of 2 approvals · 2 more"},
		{20, "1 of 2 approvals …"},
	} {
		if got := listed(words, row.room); got != row.want {
			t.Errorf("in %d bytes %q, want %q", row.room, got, row.want)
		}
	}
}

func FuzzSummary(f *testing.F) {
	for _, s := range []string{"a|b", "`", "@a", "<a>", "[x](y)", "\\", "#1", "https://x.y"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, code, quote string) {
		d := change.Decision{Governed: true, Category: change.Normal, Requirements: []change.Requirement{{
			Name: change.Quote(quote), Found: change.Say(change.Code(code), change.Quote(quote)), Next: change.Say(change.Quote(quote), change.Code(code)),
			State: change.Missing, Kind: change.KindChecks,
		}}, Notes: []change.Text{change.Say(change.Words("note "), change.Quote(quote), change.Code(code))}}
		checkInert(t, Summary(d), 1, 1)
	})
}
