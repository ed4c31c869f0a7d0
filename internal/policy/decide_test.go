package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

// whole is a policy with everything in it that a decision can depend on.
const whole = `
version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads], users: [dan]}
  security:  {teams: [security], fallback: admin}
  incident:  {teams: [on-call], permission: admin}
labels: {lowered_by: tech-lead}
dismissals: {by: tech-lead}
bots: ["renovate[bot]"]
emergency: {declared_by: incident}
categories:
  high-risk:
    when: {any: [{paths: ["**/*.tf"]}, {labels: [high-risk]}, {expression: 'change.files.exists(f, f.deletions > 20)'}]}
  normal: {record: [risk]}
  standard:
    when: {any: [{only_paths: ["docs/**"]}, {labels: [trivial]}, {authors: ["renovate[bot]"], bumps_only: true}]}
checks: [{name: build}, {none_failing: "ci/*"}]
security_review:
  role: security
  triggers:
    authentication: {paths: ["**/auth/**"], content: ['(?i)password']}
    dependencies: {new_dependencies: ["**/go.mod"]}
freezes:
  - {name: afternoon, from: "2026-03-02 15:00", until: "2026-03-02 18:00", merging: true}
  - {name: quarter close, every: FREQ=MONTHLY;BYMONTHDAY=-1, lasts: 24h, timezone: Europe/Berlin, merging: true}
`

// anyPullRequest draws a pull request in which anything may have happened.
func anyPullRequest(t *rapid.T) change.Facts {
	login := rapid.SampledFrom(cast)
	sha := rapid.SampledFrom([]change.SHA{head, head, head, oldHead, ""})
	edits := []edit{files("a.go")}
	if rapid.Bool().Draw(t, "author") {
		edits = append(edits, authoredBy(login.Draw(t, "author")))
	}
	for range rapid.IntRange(0, 12).Draw(t, "edits") {
		who := login.Draw(t, "who")
		edits = append(edits, rapid.SampledFrom([]edit{
			files("auth/a.go"), files("infra/a.tf"), files("docs/a.md"), files(".github/change-policy.yml"), rename("a.rb", "b.rb"),
			patch("go.mod", "+\tgithub.com/x/y v1.0.0"), patch("b.go", "+password"), unreadable, mode(""), mode(change.ModeSubmodule),
			label("high-risk", who), label("trivial", who), label("EMERGENCY", who), unlabel("high-risk", who), unlabel("EMERGENCY", who),
			review(change.Approved, who, sha.Draw(t, "sha")), review(change.ChangesRequested, who, sha.Draw(t, "sha")), review(change.Approved, who, head),
			review(change.Commented, who, head), pushedBy(who), commit(change.Commit{SHA: oldHead, Author: by(who), Committer: by("web-flow"), Verified: true}),
			commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by(who), CoAuthors: []change.Signature{by(who)}}),
			commit(change.Commit{SHA: oldHead, Author: change.Signature{Name: "x"}, Committer: by(who)}),
			ran("build", change.CheckSuccess), ran("build", change.CheckFailure), ran("ci/x", change.CheckPending), ran("ci/y", change.CheckSuccess),
			body(""), body("## Risk\nhigh"), body(fullRecord + "## Justification\nAn outage.\n"), draft,
			func(f *change.Facts) {
				if len(f.Reviews) > 0 {
					dismissed(who)(f)
				}
			},
			func(f *change.Facts) { delete(f.People, account(who).ID) },
			func(f *change.Facts) { f.Teams["security"] = change.Team{Slug: "security", Problem: "403"} },
			func(f *change.Facts) { f.Teams["security"] = change.Team{Slug: "security", Missing: true} },
			func(f *change.Facts) {
				f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Partial: true, Absent: []change.AccountID{account(who).ID}}
			},
			func(f *change.Facts) { delete(f.Teams, "on-call") },
			func(f *change.Facts) {
				f.People[account(who).ID] = change.Person{Account: account(who), Permission: change.PermissionAdmin}
			},
			func(f *change.Facts) { f.PushesKnown = false }, func(f *change.Facts) { f.Content.FilesCut = true },
			func(f *change.Facts) { f.ChecksKnown = true },
			rejected(who, "tech-lead", "No."), func(f *change.Facts) {
				if len(f.Rejections) > 0 {
					withdrawn(who)(f)
				}
			},
			owes(who, 12, morning.Add(-time.Hour)), owes(who, 41, due), func(f *change.Facts) {
				if len(f.Debts) > 0 {
					theDebt(func(d *change.Debt) { d.Settled = later(f) })(f)
				}
			},
			merged(who), now(morning.Add(7 * time.Hour)), now(due), now(due.AddDate(0, 0, 28)),
		}).Draw(t, "edit"))
	}
	return pullRequest(edits...)
}

// The order of facts that have none does not show in a decision.
func TestDecisionIsTheSameWhateverTheOrder(t *testing.T) {
	p := mustParse(t, whole)
	rapid.Check(t, func(t *rapid.T) {
		f := anyPullRequest(t)
		want := toJSON(t, p.Decide(f))
		if again := toJSON(t, p.Decide(f)); again != want {
			t.Fatalf("decided twice:\n%s\n%s", want, again)
		}
		shuffled := f
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		shuffled.Content.Files = mixed(r, f.Content.Files)
		shuffled.Checks = mixed(r, f.Checks)
		shuffled.Pull.Labels = mixed(r, f.Pull.Labels)
		shuffled.Reviews = mixed(r, f.Reviews) // their times order them
		shuffled.People, shuffled.Users, shuffled.Teams = maps.Clone(f.People), maps.Clone(f.Users), maps.Clone(f.Teams)
		if got := toJSON(t, p.Decide(shuffled)); got != want {
			t.Fatalf("the order shows:\n%s", cmp.Diff(lines(p.Decide(f)), lines(p.Decide(shuffled))))
		}
		if a, b := fmt.Sprint(p.Needs(f)), fmt.Sprint(p.Needs(shuffled)); a != b {
			t.Fatalf("the order shows in the needs:\n%s\n%s", a, b)
		}
	})
}

func mixed[T any](r *rand.Rand, s []T) []T {
	s = slices.Clone(s)
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	return s
}

// Nothing that takes an approval away, disqualifies somebody or hides a fact turns a decision green; what is about people only does
// not even turn it from red to yellow.
func TestLessNeverTurnsGreener(t *testing.T) {
	p := mustParse(t, whole)
	rapid.Check(t, func(t *rapid.T) {
		f := anyPullRequest(t)
		before := p.Decide(f)
		who := account(rapid.SampledFrom(cast).Draw(t, "less of"))
		for name, less := range map[string]edit{
			"without an approval": func(f *change.Facts) {
				i := slices.IndexFunc(f.Reviews, func(r change.Review) bool { return r.By.ID == who.ID && r.State.Is(change.Approved) })
				// Whoever objected before has that opinion again, and whoever objects after keeps it.
				if i >= 0 {
					f.Reviews = slices.Delete(slices.Clone(f.Reviews), i, i+1)
				}
			},
			"as a co-author": func(f *change.Facts) {
				f.Content.Commits = append(slices.Clone(f.Content.Commits), change.Commit{SHA: "c0", Author: by("alice"), Committer: by("alice"), CoAuthors: []change.Signature{{Account: who}}})
			},
			"as a pusher": func(f *change.Facts) {
				f.Pushes = append(slices.Clone(f.Pushes), change.Push{Before: head, After: head, By: who, At: f.Now})
			},
			"without a permission": func(f *change.Facts) {
				f.People = maps.Clone(f.People)
				delete(f.People, who.ID)
			},
			"without checks":  func(f *change.Facts) { f.ChecksKnown = false },
			"without a team":  func(f *change.Facts) { f.Teams = map[string]change.Team{"security": f.Teams["security"]} },
			"as a draft":      func(f *change.Facts) { f.Pull.Draft = before.Verdict != change.Failing || f.Pull.Draft },
			"at another head": func(f *change.Facts) { f.Pull.Head.SHA = "0000000" },
			"with files cut":  func(f *change.Facts) { f.Content.FilesCut = true },
			"with a policy file": func(f *change.Facts) {
				f.Content.Files = append(slices.Clone(f.Content.Files), change.File{Path: ".github/change-policy.yml", Mode: change.ModeRegular, Patch: "@@ -1 +1 @@\n+x", Additions: 1})
			},
		} {
			g := f
			less(&g)
			about := strings.HasPrefix(name, "as a") || name == "without an approval" || name == "without a permission"
			after := p.Decide(g)
			if before.Declaration != nil && after.Declaration == nil {
				continue // what an emergency lacks (its justification) need not be missing without one
			}
			if after.Verdict < before.Verdict && (after.Verdict == change.Satisfied || about) {
				t.Fatalf("greener %s of %s:\n%s\n\nbefore:\n%s", name, who.Login, lines(after), lines(before))
			}
		}
	})
}

// know returns the facts with only what the needs name, as a shell reads them that holds nothing else.
func know(f change.Facts, n change.Needs) change.Facts {
	all := f
	f.People, f.Teams, f.Users = map[change.AccountID]change.Person{}, map[string]change.Team{}, map[string]change.Account{}
	for _, a := range n.People {
		if p, ok := all.People[a.ID]; ok {
			f.People[a.ID] = p
		}
	}
	for _, slug := range n.Teams {
		if team, ok := all.Teams[slug]; ok {
			f.Teams[slug] = team
		}
	}
	for _, login := range n.Users {
		if u, ok := all.Users[login]; ok {
			f.Users[login] = u
		}
	}
	if !n.Timeline {
		f.Reviews, f.LabelEvents = nil, nil
	}
	if !n.Checks {
		f.Checks, f.ChecksKnown = nil, false
	}
	return f
}

// merge adds the needs of one round to those of the rounds before.
func merge(a, b change.Needs) change.Needs {
	a.People = append(a.People, b.People...)
	a.Teams = append(a.Teams, b.Teams...)
	a.Users = append(a.Users, b.Users...)
	a.Timeline = a.Timeline || b.Timeline
	a.Checks = a.Checks || b.Checks
	return a
}

// A shell that reads no more than it is told to comes to the same green, and to no green that is not one, in a few rounds.
func TestNeedsAreEnough(t *testing.T) {
	p := mustParse(t, whole)
	rapid.Check(t, func(t *rapid.T) {
		full := anyPullRequest(t)
		var needs change.Needs
		rounds := 0
		for ; rounds < 6; rounds++ {
			more := merge(needs, p.Needs(know(full, needs)))
			if fmt.Sprint(know(full, more)) == fmt.Sprint(know(full, needs)) {
				break
			}
			needs = more
		}
		if rounds > 4 {
			t.Fatalf("%d rounds", rounds)
		}
		want, got := p.Decide(full), p.Decide(know(full, needs))
		if (want.Verdict == change.Satisfied) != (got.Verdict == change.Satisfied) {
			t.Fatalf("%s with everything, %s with what was needed (%+v):\n%s\n\n%s", want.Verdict, got.Verdict, needs, lines(want), lines(got))
		}
	})
}

func TestNeeds(t *testing.T) {
	p := mustParse(t, whole)
	checksRan := []edit{ran("build", change.CheckSuccess)}
	record := body(fullRecord)
	names := func(n change.Needs) string {
		var out []string
		for _, a := range n.People {
			out = append(out, a.Login)
		}
		for _, s := range n.Teams {
			out = append(out, "@"+s)
		}
		for _, u := range n.Users {
			out = append(out, "user "+u)
		}
		for _, m := range n.Members {
			out = append(out, m.Account.Login+" in @"+m.Team)
		}
		for _, v := range n.Seen {
			out = append(out, "what "+v.Head.Short()+" shows")
		}
		for _, l := range n.Trees {
			out = append(out, "entries of "+l.Commit.Short())
		}
		for name, on := range map[string]bool{"timeline": n.Timeline, "checks": n.Checks, "workflows": n.Workflows, "modes": n.Modes, "blobs": n.Blobs} {
			if on {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	for _, test := range []struct {
		name   string
		policy string
		edits  []edit
		want   string
	}{
		{name: "a record that is not there: no timeline", edits: []edit{files("a.go"), body(""), ran("build", change.CheckSuccess)}, want: "checks"},
		{name: "checks that have not succeeded: no timeline", edits: []edit{files("a.go"), record}, want: "checks"},
		{name: "nothing but reviews is missing", edits: []edit{files("a.go"), record, checksRan[0]}, want: "checks, timeline"},
		{name: "an approval: that person's permission, no team", edits: []edit{files("a.go"), record, checksRan[0], approved("bob")}, want: "bob, checks, timeline"},
		{name: "a contributor's approval: nobody's", edits: []edit{files("a.go"), record, checksRan[0], approved("alice")}, want: "checks, timeline"},
		{name: "a bot's approval: nobody's", edits: []edit{files("a.go"), record, checksRan[0], approved("dependabot[bot]")}, want: "checks, timeline"},
		{name: "an approval of another head: what it saw, and whether to ask again", edits: []edit{files("a.go"), record, checksRan[0], review(change.Approved, "bob", oldHead)},
			want: "bob, checks, timeline, what 3f2c1aa shows"},
		{name: "an approval more than needed: nobody's", edits: []edit{files("a.go"), record, checksRan[0], approved("bob", "carol")}, want: "bob, checks, timeline"},
		{name: "an objection: whether that person holds a role", edits: []edit{files("a.go"), record, checksRan[0], objected("bob")}, want: "bob, checks, timeline"},
		{name: "high-risk: the teams that are asked", edits: []edit{files("a.tf"), record, checksRan[0]}, want: "@security, @tech-leads, checks, timeline, user dan"},
		{name: "a draft: nobody", edits: []edit{files("a.tf"), record, draft, approved("bob")}, want: ""},
		{name: "documents: modes", edits: []edit{files("docs/a.md"), mode(""), record, checksRan[0]}, want: "checks, modes, timeline"},
		{name: "a rename without a patch: blobs and modes", edits: []edit{rename("a.rb", "b.rb"), theFile(func(f *change.File) { f.PreviousBlob, f.Mode = "", "" }), record, checksRan[0]},
			want: "@security, blobs, checks, modes"},
		{name: "a label that declares: who set it, whatever else is missing", edits: []edit{files("a.go"), body(""), label("EMERGENCY", "olga")}, want: "@on-call, olga, timeline"},
		{name: "a label that an expression may make standard of: who set it", policy: `
version: 1
roles: {reviewer: {permission: write}, lead: {teams: [tech-leads]}}
labels: {lowered_by: lead}
categories: {standard: {when: {any: [{expression: '"trivial" in change.labels'}]}}}
`, edits: []edit{files("a.go"), body(""), label("trivial", "bob")}, want: "@tech-leads, timeline"},
		{name: "a bot as author: whether the policy means it", edits: []edit{files("a.go"), record, authoredBy("renovate[bot]"), body("")}, want: "checks, user renovate[bot]"},
		{name: "a team that was listed in part", edits: []edit{files("a.tf"), record, checksRan[0], approved("lea"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Partial: true}
		}}, want: "@security, @tech-leads, checks, lea, lea in @tech-leads, timeline, user dan"},
		{name: "no checks required: none", policy: fourEyes, edits: []edit{files("a.go")}, want: "timeline"},
		{name: "not governed: nothing", edits: []edit{files("a.go"), func(f *change.Facts) { f.Governed = false }}, want: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p
			if test.policy != "" {
				p = mustParse(t, test.policy)
			}
			if got := names(p.Needs(pullRequest(test.edits...))); got != test.want {
				t.Errorf("needs %s, want %s", got, test.want)
			}
		})
	}
}

func TestUnreadableFloor(t *testing.T) {
	_, err := Parse("", []byte("version: 1\ncategoriez: {}\n"))
	d := UnreadableFloor(change.PolicyRef{Source: floorSource}, change.PullKey{Repository: 7, Number: 41}, head, err.(Problems))
	want := "failed Line 2 of the owner's policy [line 2 of the owner's policy cannot be read]"
	if got := lines(d); !strings.Contains(got, want) || !strings.Contains(got, floorSource) || !strings.Contains(got, "read on the default branch of acme/.github") || d.Verdict != change.Failing || !d.Governed {
		t.Error(got)
	}
}

func TestUnreadable(t *testing.T) {
	_, err := Parse(".github/change-policy.yml", []byte("version: 1\nrolls: {}\n"))
	d := Unreadable(change.PolicyRef{Source: ".github/change-policy.yml"}, "main", change.PullKey{Repository: 7, Number: 41}, head, err.(Problems))
	want := []string{"uncategorized, failing", "failed Line 2 of the policy [line 2 of the policy cannot be read]",
		"note: The file is read on main, so no pull request passes until it is fixed there, not even the one that fixes it"}
	for _, w := range want {
		if got := lines(d); !strings.Contains(got, w) {
			t.Errorf("does not say %q:\n%s", w, got)
		}
	}
	if d := Unreadable(change.PolicyRef{}, "main", change.PullKey{}, head, nil); d.Verdict != change.Failing || !d.Governed {
		t.Errorf("without problems: %s", lines(d))
	}
}

func TestTheProposedFileIsToldOfFirst(t *testing.T) {
	for n, want := range map[int]string{
		0: "This pull request's own change-policy.yml can be used: once that is merged, pull requests are decided again.",
		1: "This pull request's own change-policy.yml cannot be used either: “line 1, column 2: no”. changegate policy lint lists all before it is pushed.",
		7: "“line 5, column 2: no”; and 2 more. changegate policy lint",
	} {
		d := UnreadableFloor(change.PolicyRef{Source: "acme/.github/change-policy.yml"}, change.PullKey{}, head, Problems{{Line: 9, Severity: Error, Message: "no"}})
		before := d
		var problems Problems
		for i := range n {
			problems = append(problems, Problem{Line: i + 1, Column: 2, Severity: Error, Message: "no"})
		}
		TellProposed(&d, change.OwnerPolicyPath, problems)
		if len(d.Notes) != 2 || !strings.Contains(d.Notes[0].String(), want) || strings.Contains(d.Notes[0].String(), "line 6") {
			t.Errorf("with %d problems it says %q, want %q", n, d.Notes, want)
		}
		if d.Verdict != change.Failing || !cmp.Equal(d.Requirements, before.Requirements) {
			t.Errorf("with %d problems it is decided otherwise", n)
		}
	}
}

func TestStrictest(t *testing.T) {
	decision := func(number change.Number, v change.Verdict, observing bool) change.Decision {
		return change.Decision{Pull: change.PullKey{Repository: 7, Number: number}, Governed: true, Verdict: v, Observing: observing, Category: change.Normal}
	}
	ungoverned := change.Decision{Pull: change.PullKey{Number: 9}}
	for _, test := range []struct {
		name string
		in   []change.Decision
		want change.Number
		note string
	}{
		{"one alone", []change.Decision{decision(1, change.Satisfied, false)}, 1, ""},
		{"the red one", []change.Decision{decision(1, change.Satisfied, false), decision(2, change.Failing, false), decision(3, change.Waiting, false)}, 2,
			"Pull request #3 has the same head and is waiting (normal)."},
		{"equals by number", []change.Decision{decision(2, change.Waiting, false), decision(1, change.Waiting, false)}, 1, "#2"},
		{"what only observes holds nothing up", []change.Decision{decision(1, change.Failing, true), decision(2, change.Satisfied, false)}, 2, "#1"},
		{"what is not governed does not count", []change.Decision{ungoverned, decision(2, change.Satisfied, false)}, 2, ""},
		{"nothing governed", []change.Decision{ungoverned}, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Strictest(test.in)
			slices.Reverse(test.in)
			if diff := cmp.Diff(d, Strictest(test.in)); diff != "" {
				t.Errorf("the order shows:\n%s", diff)
			}
			notes := ""
			for _, n := range d.Notes {
				notes += n.String()
			}
			if d.Pull.Number != test.want || !strings.Contains(notes, test.note) || (test.note == "") != (notes == "") {
				t.Errorf("shows #%d with notes %q", d.Pull.Number, notes)
			}
		})
	}
}

func TestStrictestIsDecidedAgainWithTheFirst(t *testing.T) {
	again := func(hours ...time.Duration) (all []change.Decision) {
		for i, h := range hours {
			d := change.Decision{Pull: change.PullKey{Repository: 7, Number: change.Number(i + 1)}, Governed: true, Verdict: change.Waiting}
			if h > 0 {
				d.RecheckAt = morning.Add(h * time.Hour)
			}
			all = append(all, d)
		}
		return all
	}
	for _, test := range []struct {
		in   []change.Decision
		want time.Time
	}{
		{again(0, 0), time.Time{}},
		{again(0, 3), morning.Add(3 * time.Hour)},
		{again(2, 0), morning.Add(2 * time.Hour)},
		{again(2, 3), morning.Add(2 * time.Hour)},
		{again(3, 2), morning.Add(2 * time.Hour)},
	} {
		if d := Strictest(test.in); !d.RecheckAt.Equal(test.want) {
			t.Errorf("again at %s, want %s", d.RecheckAt, test.want)
		}
	}
}
