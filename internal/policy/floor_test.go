package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

const floorSource = "acme/.github/change-policy.yml"

// floorText is an owner's policy that the tables of this file share.
const floorText = `version: 1
roles:
  reviewer: {permission: write}
  lead:     {teams: [tech-leads]}
  security: {teams: [security]}
bots: ["dependabot[bot]"]
labels: {lowered_by: lead}
dismissals: {by: lead}
emergency: {label: EMERGENCY, declared_by: lead}
categories:
  high-risk:
    when: {any: [{paths: ["**/*.tf"], because: infrastructure}, {labels: [danger]}]}
    approvals: [{role: reviewer, count: 2}]
    record: [rollback]
  normal:   {approvals: [{role: reviewer}], record: []}
  standard: {when: {any: [{only_paths: ["docs/**"]}]}, approvals: []}
checks: [{name: build}]
security_review: {role: security, triggers: {login: {paths: ["**/auth/**"]}}}
`

func mustParseBeside(t testing.TB, floor, own string) *Policy {
	t.Helper()
	f, err := Parse(floorSource, []byte(floor))
	if err != nil {
		t.Fatal(err)
	}
	if own == "" {
		return f
	}
	p, err := ParseBeside(f, "repository", []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBesideAFloor(t *testing.T) {
	built := ran("build", change.CheckSuccess)
	const quiet = "categories: {high-risk: {approvals: [], record: []}, normal: {approvals: [], record: []}}\n"
	for _, s := range []struct {
		name  string
		own   string
		facts change.Facts
		want  []string
		never []string
	}{
		{name: "no match is no opinion", own: "version: 1\n" + quiet, facts: pullRequest(files("docs/a.md"), built), want: []string{"standard, satisfied"}},
		{name: "the floor alone", facts: pullRequest(files("a.go"), built, approved("bob")), want: []string{"normal, satisfied"}},
		{name: "the repository's rule raises what the floor calls standard",
			own:   "version: 1\ncategories:\n  high-risk: {when: {any: [{paths: [docs/law.md]}]}, approvals: [{role: lead}], record: []}\n  normal: {approvals: [], record: []}\n",
			facts: pullRequest(files("docs/law.md"), built, approved("bob", "carol")),
			want:  []string{"high-risk, waiting", "met 2 reviewers bob and carol", "awaited Lead [lead]", "ask lead of [tech-leads]"}},
		{name: "the floor's rule raises what the repository finds normal", own: "version: 1\n" + quiet,
			facts: pullRequest(files("a.tf"), built, approved("bob")), want: []string{"high-risk, waiting", "awaited 2 reviewers [1 of 2 approvals]", "met Rollback plan"}},
		{name: "for one role the larger count", own: "version: 1\nroles: {own: {users: [bob, carol]}}\ncategories:\n  high-risk: {approvals: [], record: []}\n  normal: {approvals: [{role: reviewer, count: 3}, {role: own}], record: []}\n",
			facts: pullRequest(files("a.go"), built, approved("bob", "carol", "dan")),
			want:  []string{"normal, waiting", "awaited 3 reviewers [2 of 3 approvals]", "met Own bob"}, never: []string{"3 of 3"}},
		{name: "different people over both", own: "version: 1\nroles: {own: {users: [bob, carol]}}\ncategories:\n  high-risk: {approvals: [], record: []}\n  normal: {approvals: [{role: own}], record: []}\n",
			facts: pullRequest(files("a.go"), built, approved("bob")), want: []string{"normal, waiting", "bob counts for"}},
		{name: "a role of the floor is known by its name", own: "version: 1\ncategories:\n  high-risk: {approvals: [], record: []}\n  normal: {approvals: [{role: lead}], record: []}\n",
			facts: pullRequest(files("a.go"), built, approved("bob", "lea")), want: []string{"normal, satisfied", "lea counts for lead"}},
		{name: "a dismissal that one of the two permits lifts nothing", own: "version: 1\nroles: {lifter: {users: [dan]}}\ndismissals: {by: lifter}\n" + quiet,
			facts: pullRequest(files("a.go"), built, approved("carol"), objected("bob"), dismissed("dan")),
			want:  []string{"normal, failing", "dan dismissed what bob asked for, and may not"}},
		{name: "one who may dismiss is in the role of both", own: "version: 1\nroles: {lifter: {users: [dan]}}\ndismissals: {by: lifter}\n" + quiet,
			facts: pullRequest(files("a.go"), built, approved("carol"), objected("bob")),
			want:  []string{"normal, failing", "or a dismissal by @acme/tech-leads who is also dan who did not contribute"}},
		{name: "nor does one where the other names nobody", own: "version: 1\n" + quiet,
			facts: pullRequest(files("a.go"), built, approved("carol"), objected("bob"), dismissed("lea")), want: []string{"normal, failing"}, never: []string{"or a dismissal"}},
		{name: "a bot that one of the two does not trust", own: "version: 1\n" + quiet,
			facts: pullRequest(files("a.go"), built, authoredBy("dependabot[bot]"), approved("bob")), want: []string{"normal, satisfied", "met Reviewer bob"}},
		{name: "a bot that the repository does not trust, where it asks for more", own: "version: 1\ncategories:\n  high-risk: {approvals: [], record: []}\n  normal: {approvals: [{role: reviewer}], record: []}\n",
			facts: pullRequest(files("a.go"), built, authoredBy("dependabot[bot]"), approved("bob")),
			want:  []string{"normal, waiting", "1 of 2 approvals", "the policy does not trust dependabot[bot]"}},
		{name: "what the floor calls standard owes what the floor says", own: "version: 1\n" + quiet,
			facts: pullRequest(files("docs/a.md"), built, authoredBy("dependabot[bot]")), want: []string{"standard, satisfied"}},
		{name: "an objection of somebody who holds a role of either", own: "version: 1\nroles: {own: {users: [stranger]}}\ncategories:\n  high-risk: {approvals: [{role: own}], record: []}\n  normal: {approvals: [], record: []}\n",
			facts: pullRequest(files("a.go"), built, approved("bob"), objected("stranger")), want: []string{"normal, failing", "stranger objects"}},
		{name: "a label taken off by whom one of the two lets", own: "version: 1\nroles: {lifter: {users: [dan]}}\nlabels: {lowered_by: lifter}\n" + quiet,
			facts: pullRequest(files("a.go"), built, label("danger", "carol"), unlabel("danger", "dan")), want: []string{"high-risk, waiting", "lower the risk: only @acme/tech-leads may."}},
		{name: "checks of both, each once", own: "version: 1\nchecks: [{name: build}, {name: lint}]\n" + quiet,
			facts: pullRequest(files("a.go"), built, approved("bob")), want: []string{"normal, waiting", "met Check build", "awaited Check lint"}},
		{name: "a check of one name that another App is to post is another", own: "version: 1\nchecks: [{name: build, app: jenkins}]\n" + quiet,
			facts: pullRequest(files("a.go"), built, approved("bob")), want: []string{"normal, waiting", "met Check build passed", "awaited Check build [waiting for build] posted by someone other than the policy names → it must come from the App jenkins"}},
		{name: "so is one that another workflow is to", own: "version: 1\nchecks: [{name: build, workflow: .github/workflows/other.yml}]\n" + quiet,
			facts: pullRequest(files("a.go"), built, approved("bob")), want: []string{"normal, waiting", "met Check build passed", "it must come from the workflow .github/workflows/other.yml"}},
		{name: "a section as each of the two defines it", own: "version: 1\nrecord: {rollback: {headings: [Undo]}}\ncategories:\n  high-risk: {approvals: [], record: [rollback]}\n  normal: {approvals: [], record: []}\n",
			facts: pullRequest(files("a.tf"), built, approved("bob", "carol")), want: []string{"high-risk, failing", "missing Rollback plan", "add a ## Undo section"}},
		{name: "security reviews of both", own: "version: 1\nroles: {guild: {users: [carol, dan]}}\nsecurity_review: {role: guild, triggers: {money: {paths: [\"pay/**\"]}}}\n" +
			"categories: {high-risk: {approvals: [], record: []}, normal: {approvals: [], record: []}}\n",
			facts: pullRequest(files("pay/auth/a.go"), built, approved("bob")),
			want:  []string{"normal, waiting", "ask security of [security][]", "ask guild of [][carol dan]", "because pay/auth/a.go matches login", "because pay/auth/a.go matches money"}},
		{name: "the floor's emergency owes what the floor says", own: "version: 1\nroles: {guild: {users: [carol]}}\ncategories:\n  high-risk: {approvals: [], record: []}\n  normal: {approvals: [{role: guild}], record: []}\n",
			facts: pullRequest(files("a.go"), body("## Justification\nShop is down."), label("EMERGENCY", "lea")),
			want:  []string{"emergency, satisfied", "owed Reviewer"}, never: []string{"Guild"}},
		{name: "a contribution by nobody known blocks where one of the two says so", own: "version: 1\ncategories:\n  high-risk: {approvals: [], record: []}\n  normal: {approvals: [], record: [], unattributed: block}\n",
			facts: pullRequest(files("a.go"), built, approved("bob"), commit(change.Commit{SHA: "abc", Author: change.Signature{Name: "N", Email: "n@x"}})),
			want:  []string{"normal, failing", "missing Known contributors"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			got := lines(mustParseBeside(t, floorText, s.own).Decide(s.facts))
			if !strings.HasPrefix(got, s.want[0]+"\n") {
				t.Errorf("want %q:\n%s", s.want[0], got)
			}
			for _, w := range s.want[1:] {
				if !strings.Contains(got, w) {
					t.Errorf("does not say %q:\n%s", w, got)
				}
			}
			for _, n := range s.never {
				if strings.Contains(got, n) {
					t.Errorf("says %q:\n%s", n, got)
				}
			}
		})
	}
}

// What a decision says of a rule is where that rule is written.
func TestReasonsNameTheirPolicy(t *testing.T) {
	p := mustParseBeside(t, floorText, `version: 1
roles:
  nobody: {teams: [ghosts]}
categories:
  high-risk:
    when: {any: [{paths: ["a.*"]}, {expression: "change.files[9].path == ''"}]}
    approvals: [{role: nobody}]
`)
	f := pullRequest(files("a.tf"))
	f.Teams["ghosts"] = change.Team{Slug: "ghosts", Missing: true}
	f.Teams["security"] = change.Team{Slug: "security", Missing: true}
	d := p.Decide(f)
	if d.Policy != p.Ref || d.Floor != p.Floor.Ref {
		t.Errorf("decided by %v and %v", d.Policy, d.Floor)
	}
	where := map[string]bool{}
	for _, m := range d.Matches {
		where[fmt.Sprintf("%s:%d", m.Source, m.Line)] = true
	}
	for _, want := range []string{floorSource + ":12", "repository:6"} {
		if !where[want] {
			t.Errorf("no match is in %s: %v", want, where)
		}
	}
	for _, want := range []string{"Expression on line 6 of the policy", "fix line 6 of repository on main: a pull request's own copy is not read", "on line 3 of the policy", "on line 5 of the owner's policy"} {
		if !strings.Contains(lines(d), want) {
			t.Errorf("does not say %q:\n%s", want, lines(d))
		}
	}
}

func TestReservedForTheFloor(t *testing.T) {
	floor := mustParseBeside(t, floorText, "")
	for _, row := range []struct {
		own, says string
		line      int
	}{
		{"mode: observe\n", "`mode`", 2},
		{"emergency: {declared_by: lead}\n", "`emergency`", 2},
		{"categories:\n  standard: {approvals: []}\n", "`standard`", 3},
		{"categories:\n  normal:\n    ships: automatically\n", "`ships`", 4},
		{"categories:\n  high-risk:\n    ships: automatically\n", "`ships`", 4},
		{"roles:\n  lead: {permission: read}\n", `the role "lead" is that of the owner's policy`, 3},
		{"roles:\n  reviewer: {permission: write}\n", `the role "reviewer" is that of the owner's policy`, 3},
		{"roles:\n  tech-lead: {permission: read}\n", `the role "tech-lead" is that of the owner's policy`, 0},
	} {
		_, err := ParseBeside(floor, "repository", []byte("version: 1\n"+row.own))
		var problems Problems
		if row.line == 0 {
			if err != nil {
				t.Errorf("%q: %v", row.own, err)
			}
			continue
		}
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Line != row.line || !strings.Contains(problems[0].Message, row.says) ||
			!strings.Contains(problems[0].Message, floorSource) || problems[0].Mend == "" {
			t.Errorf("%q: %v", row.own, err)
		}
	}
}

// A role that the floor leaves to a default may be written out, and not be made another one.
func TestImpliedRolesOfTheFloor(t *testing.T) {
	floor, err := Parse(floorSource, []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseBeside(floor, "repository", []byte("version: 1\nroles: {reviewer: {permission: write}}\n")); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"{permission: triage}", "{permission: write, teams: [guests]}", "{permission: write, users: [eve]}", "{permission: write, bots: [\"dependabot[bot]\"]}"} {
		if _, err := ParseBeside(floor, "repository", []byte("version: 1\nroles: {reviewer: "+other+"}\n")); err == nil {
			t.Errorf("the floor's default reviewer was redefined as %s", other)
		}
	}
}

func TestFloorObserves(t *testing.T) {
	p := mustParseBeside(t, strings.Replace(floorText, "bots:", "mode: observe\nbots:", 1), "version: 1\n")
	if d := p.Decide(pullRequest(files("a.go"))); !d.Observing {
		t.Error("the floor's mode is not that of the decision")
	}
	if d := mustParseBeside(t, floorText, "version: 1\n").Decide(pullRequest(files("a.go"))); d.Observing {
		t.Error("nobody said that it only observes")
	}
}

func TestFloorGoverns(t *testing.T) {
	p := mustParseBeside(t, "version: 1\nbranches: [\"release/*\"]\n", "version: 1\nbranches: [hotfix]\n")
	repo := change.Repository{DefaultBranch: "main"}
	for branch, want := range map[string]bool{"main": true, "release/1": true, "hotfix": true, "mine": false} {
		if got := p.Governs(repo, branch); got != want {
			t.Errorf("%s: %v", branch, got)
		}
	}
}

func TestCaresAboutWhatItsFloorDoes(t *testing.T) {
	p := mustParseBeside(t, floorText, "version: 1\n")
	if !p.CaresAboutLabel("danger") || !p.CaresAboutCheck(change.Check{Name: "build", App: "x"}) || p.CaresAboutLabel("other") {
		t.Error("what the floor looks at is not looked at")
	}
}

// policies draws policies whose high-risk asks for all that normal does: then what one of them adds can only raise what is owed.
type policies struct {
	roles []string // of its own, with their definitions
	word  string   // makes its names its own
}

func (g policies) draw(t *rapid.T, what string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	some := func(name string) bool { return rapid.Bool().Draw(t, what+" "+name) }
	line("version: 1")
	line("roles: {%s}", strings.Join(g.roles, ", "))
	var names []string
	for _, r := range g.roles {
		name, _, _ := strings.Cut(r, ":")
		names = append(names, name)
	}
	role := func(name string) string { return rapid.SampledFrom(names).Draw(t, what+" "+name) }
	if some("bots") {
		line(`bots: ["dependabot[bot]"]`)
	}
	if some("lowered") {
		line("labels: {lowered_by: %s}", role("lowered by"))
	}
	if some("dismissed") {
		line("dismissals: {by: %s}", role("dismissed by"))
	}
	if some("suggestions") {
		line("suggestions: allow")
	}
	if some("checks") {
		line("checks: [{name: %s}]", rapid.SampledFrom([]string{"build", "lint"}).Draw(t, what+" check"))
	}
	if some("fields") {
		line("record: {rollback: {na: %v, headings: [%s]}}", some("na"), rapid.SampledFrom([]string{"Rollback plan", "Undo"}).Draw(t, what+" heading"))
	}
	if some("security") {
		line(`security_review: {role: %s, triggers: {t%s: {paths: ["%s"]}}}`, role("security"), g.word, rapid.SampledFrom([]string{"**/*.go", "**/auth/**"}).Draw(t, what+" trigger"))
	}
	line("categories:")
	asked := rapid.SampledFrom(names).Draw(t, what+" asked")
	count := rapid.IntRange(0, 1).Draw(t, what+" count")
	for _, category := range []string{"normal", "high-risk"} {
		line("  %s:", category)
		if category == "high-risk" {
			count++
			line(`    when: {any: [{paths: ["%s"]}, {labels: [danger]}]}`, rapid.SampledFrom([]string{"**/*.tf", "db/**", "**/*.go"}).Draw(t, what+" paths"))
		}
		if count > 0 {
			line("    approvals: [{role: %s, count: %d}]", asked, count)
		} else {
			line("    approvals: []")
		}
		line("    record: [rollback]")
	}
	return b.String()
}

// pulls draws pull requests on which policies can differ.
func pulls(t *rapid.T) change.Facts {
	var edits []edit
	paths := []string{"a.go", "b.tf", "db/1.sql", "docs/a.md", "src/auth/x.go"}
	edits = append(edits, files(rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 0, 3, rapid.ID).Draw(t, "files")...))
	author := rapid.SampledFrom([]string{"alice", "dependabot[bot]", "renovate[bot]"}).Draw(t, "author")
	edits = append(edits, authoredBy(author))
	people := []string{"bob", "carol", "dan", "lea", "sam", "eve", "stranger"}
	for _, kind := range rapid.SliceOfN(rapid.SampledFrom([]string{"approved", "approved", "approved", "objected", "dismissed", "label", "unlabel", "coauthor", "nobody", "pushed"}), 0, 8).Draw(t, "acts") {
		who := rapid.SampledFrom(people).Draw(t, "who")
		switch kind {
		case "approved":
			edits = append(edits, approved(who))
		case "objected":
			edits = append(edits, objected(who))
		case "dismissed":
			edits = append(edits, objected(rapid.SampledFrom(people).Draw(t, "whom")), dismissed(who))
		case "label":
			edits = append(edits, label("danger", who))
		case "unlabel":
			edits = append(edits, unlabel("danger", who))
		case "coauthor":
			edits = append(edits, commit(change.Commit{SHA: "c0a", Author: by("alice"), Committer: by("web-flow"), Verified: true, CoAuthors: []change.Signature{by(who)}}))
		case "nobody":
			edits = append(edits, commit(change.Commit{SHA: "bad", Author: change.Signature{Name: "N"}, Committer: by("alice")}))
		case "pushed":
			edits = append(edits, func(f *change.Facts) {
				f.Pushes = append(f.Pushes, change.Push{Before: head, After: head, By: account(who), At: later(f)})
			})
		}
	}
	for _, check := range []string{"build", "lint"} {
		state := rapid.SampledFrom([]change.CheckState{change.CheckSuccess, change.CheckSuccess, change.CheckFailure, change.CheckPending}).Draw(t, check)
		edits = append(edits, ran(check, state))
	}
	edits = append(edits, body(rapid.SampledFrom([]string{fullRecord, "## Rollback plan\nn/a\n", "## Undo\nRevert.\n## Rollback plan\nRevert.\n", ""}).Draw(t, "body")))
	return pullRequest(edits...)
}

var (
	floors = policies{roles: []string{"reviewer: {permission: write}", "lead: {teams: [tech-leads]}", "both: {teams: [tech-leads], users: [bob]}"}, word: "floor"}
	owns   = policies{roles: []string{"dev: {permission: write}", "guild: {users: [bob, carol]}", "crew: {teams: [security], users: [dan]}"}, word: "own"}
)

// Adding a floor never makes a decision greener, and neither does a repository's policy beside the floor alone.
func TestAFloorLoosensNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor, err := Parse(floorSource, []byte(floors.draw(t, "floor")))
		if err != nil {
			t.Fatal(err)
		}
		text := owns.draw(t, "own")
		alone, err := Parse("repository", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		beside, err := ParseBeside(floor, "repository", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		f := pulls(t)
		both := beside.Decide(f)
		for name, p := range map[string]*Policy{"the floor": floor, "the repository's policy": alone} {
			if d := p.Decide(f); both.Verdict < d.Verdict || both.Category < d.Category {
				t.Fatalf("%s alone is stricter:\n%s\n\nthan both:\n%s\n\nfloor:\n%s", name, lines(d), lines(both), text)
			}
		}
	})
}

// essence is what a decision says, without whom it happened to put into which slot and in which order it says it.
func essence(d change.Decision) []string {
	out := []string{fmt.Sprint(d.Category, d.Verdict, d.Governed, d.Observing)}
	filled := 0
	for _, r := range d.Requirements {
		state := string(r.State)
		if r.Role != "" {
			filled, state = filled+len(r.By), ""
		}
		out = append(out, fmt.Sprint("row ", r.Kind, r.Name, r.Role, r.Need, state))
	}
	out = append(out, fmt.Sprint("filled ", filled))
	for _, m := range d.Matches {
		out = append(out, fmt.Sprint("match ", m.Source, m.Line, m.Rule, m.Subject))
	}
	for _, o := range d.Opinions {
		out = append(out, fmt.Sprint("opinion ", o.Review, o.State, o.Held && o.State.Is(change.ChangesRequested)))
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// Neither of two policies side by side comes first.
func TestOrderOfLayersDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor, err := Parse(floorSource, []byte(floors.draw(t, "floor")))
		if err != nil {
			t.Fatal(err)
		}
		own, err := ParseBeside(floor, "repository", []byte(owns.draw(t, "own")))
		if err != nil {
			t.Fatal(err)
		}
		f := pulls(t)
		one, other := newInquiry(&f, floor, own).decide(), newInquiry(&f, own, floor).decide()
		if a, b := essence(one), essence(other); !slices.Equal(a, b) {
			t.Fatalf("floor first:\n%s\n\nrepository first:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	})
}
