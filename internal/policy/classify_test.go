package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// classes is a policy of categories alone: one approval by anyone who may write, and nothing else.
const classes = `
version: 1
roles:
  reviewer: {permission: write}
  lead: {teams: [tech-leads]}
labels: {lowered_by: lead}
categories:
  high-risk:
    approvals: [{role: reviewer}]
    record: []
    when:
      any:
        - {paths: ["**/db/migrate/**", "**/*.tf"], because: schema and infrastructure}
        - {labels: [high-risk]}
        - {changed_lines: "> 1500"}
        - {changed_files: ">= 100"}
        - {expression: 'change.files.exists(f, f.path == "go.mod" && f.deletions > 20)'}
        - {paths: ["**/settings.yml"], unless: {authors: ["renovate[bot]"]}}
  normal: {approvals: [{role: reviewer}], record: []}
  standard:
    approvals: [{role: reviewer}]
    when:
      any:
        - {only_paths: ["**/*.md", "docs/**"]}
        - {labels: [trivial], changed_lines: "< 10"}
        - {authors: ["dependabot[bot]", "renovate[bot]"], only_paths: ["**/go.mod", "**/go.sum"], bumps_only: true}
`

func TestClassification(t *testing.T) {
	bumps := patch("go.mod", " require (", "-\tgithub.com/pkg/errors v0.9.0", "+\tgithub.com/pkg/errors v0.9.1", " )")
	lines := func(n int) edit { return theFile(func(f *change.File) { f.Additions, f.Deletions = n-1, 1 }) }
	play(t, classes, []scenario{
		{name: "what matches none is normal", facts: pullRequest(files("app/cart.rb")), want: []string{"normal, waiting"}, never: []string{"matches"}},
		{name: "a path", facts: pullRequest(files("app/cart.rb", "shop/db/migrate/1.rb")),
			want: []string{"high-risk, waiting", "high-risk: shop/db/migrate/1.rb matches **/db/migrate/**"}},
		{name: "paths that raise ignore case", facts: pullRequest(files("DB/Migrate/1.rb")), want: []string{"high-risk, waiting"}},
		{name: "several files of a rule are counted", facts: pullRequest(files("b.tf", "a.tf", "db/migrate/1.rb")),
			want: []string{"high-risk, waiting", "high-risk: a.tf +2 matches **/*.tf"}},
		{name: "the old name of a rename", facts: pullRequest(rename("infra/a.tf", "notes/a.txt")),
			want: []string{"high-risk, waiting", "infra/a.tf matches **/*.tf"}},
		{name: "the riskiest wins and all are reported", facts: pullRequest(files("docs/a.tf")),
			want: []string{"high-risk, waiting", "high-risk: docs/a.tf matches **/*.tf", "standard: every file (such as docs/a.tf) matches docs/**"}},
		{name: "changed lines", facts: pullRequest(files("a.go"), lines(1501)), want: []string{"high-risk, waiting", "a change of 1,501 lines matches changed_lines: > 1500"}},
		{name: "not enough changed lines", facts: pullRequest(files("a.go"), lines(1500)), want: []string{"normal, waiting"}},
		{name: "an expression", facts: pullRequest(files("go.mod"), theFile(func(f *change.File) { f.Deletions = 21 })),
			want: []string{"high-risk, waiting", `the change matches change.files.exists`}},
		{name: "an expression that errs is a failed check and not a rule that did not match",
			policy: `
version: 1
roles: {reviewer: {permission: write}}
categories:
  high-risk: {when: {any: [{expression: 'change.files[7].path == "x"'}]}}
  normal: {record: []}
`, facts: pullRequest(files("a.go"), approved("bob")),
			want: []string{"normal, failing", "failed Expression on line 5 of the policy"}},

		{name: "only paths", facts: pullRequest(files("README.md", "docs/a.png")), want: []string{"standard, waiting", "standard: every file (such as README.md) matches **/*.md"}},
		{name: "only paths and one other", facts: pullRequest(files("README.md", "a.go")), want: []string{"normal, waiting"}},
		{name: "only paths respects case", facts: pullRequest(files("Docs/a.png")), want: []string{"normal, waiting"}},
		{name: "only paths wants both names of a rename", facts: pullRequest(rename("lib/a.rb", "docs/a.rb")), want: []string{"normal, waiting"}},
		{name: "only paths with both names", facts: pullRequest(rename("docs/b.rb", "docs/a.rb")), want: []string{"standard, waiting"}},
		{name: "only paths never for a symlink", facts: pullRequest(files("docs/a"), mode(change.ModeSymlink)), want: []string{"normal, waiting"}},
		{name: "only paths for a mode that is not known, where the diff shows a line", facts: pullRequest(files("docs/a"), mode("")), want: []string{"standard, waiting"}},
		{name: "only paths never for a mode that nothing tells", facts: pullRequest(patch("docs/a", "+target", `\\ No newline at end of file`), mode("")), want: []string{"normal, waiting"}},
		{name: "only paths for an executable", facts: pullRequest(files("docs/a.sh"), mode(change.ModeExecutable)), want: []string{"standard, waiting"}},
		{name: "only paths for a file that is removed", facts: pullRequest(files("docs/a"), theFile(func(f *change.File) { f.Status, f.Mode = change.FileRemoved, "" })),
			want: []string{"standard, waiting"}},
		{name: "only paths never for a symlink beside files that are none", want: []string{"normal, waiting"}, facts: pullRequest(files("docs/a"), mode(change.ModeSymlink), files("docs/b"), mode(""),
			files("docs/c"), theFile(func(f *change.File) { f.Status, f.Mode = change.FileRemoved, "" }))},
		{name: "an empty diff is normal", facts: pullRequest(), want: []string{"normal, waiting"}},
		{name: "an empty diff with a label that lowers is normal", facts: pullRequest(label("trivial", "lea")), want: []string{"normal, waiting"}},

		{name: "authors", facts: pullRequest(bumps, authoredBy("renovate[bot]")), want: []string{"standard, waiting", "renovate[bot]"}},
		{name: "authors and a new dependency", facts: pullRequest(patch("go.mod", "+require example.com/evil v1.0.0"), authoredBy("renovate[bot]")), want: []string{"normal, waiting"}},
		{name: "authors and a diff that cannot be read", facts: pullRequest(bumps, unreadable, authoredBy("renovate[bot]")), want: []string{"normal, waiting"}},
		{name: "authors and a push by a person", facts: pullRequest(bumps, authoredBy("renovate[bot]"), pushedBy("carol")), want: []string{"normal, waiting"}},
		{name: "authors and a commit by a person", facts: pullRequest(bumps, authoredBy("renovate[bot]"), commit(change.Commit{SHA: oldHead, Author: by("carol"), Committer: by("carol")})),
			want: []string{"normal, waiting"}},
		{name: "authors and a person's commit that one of them committed", facts: pullRequest(bumps, authoredBy("renovate[bot]"), commit(change.Commit{SHA: oldHead, Author: by("carol"), Committer: by("renovate[bot]")})),
			want: []string{"normal, waiting"}},
		{name: "authors and a commit that a person committed", facts: pullRequest(bumps, authoredBy("renovate[bot]"), commit(change.Commit{SHA: oldHead, Author: by("renovate[bot]"), Committer: by("carol")})),
			want: []string{"normal, waiting"}},
		{name: "authors and commits that are not all known", facts: pullRequest(bumps, authoredBy("renovate[bot]"), func(f *change.Facts) { f.Content.CommitsCut = true }), want: []string{"normal, failing"}},
		{name: "authors and pushes that are not known", facts: pullRequest(bumps, authoredBy("renovate[bot]"), func(f *change.Facts) { f.PushesKnown = false }), want: []string{"normal, waiting"}},
		{name: "authors and an account that took the name over", facts: pullRequest(bumps, authoredBy("renovate[bot]"), func(f *change.Facts) { f.Pull.Author.ID = 999 }),
			want: []string{"normal, waiting"}},
		{name: "authors and GitHub's own signed commit", facts: pullRequest(bumps, authoredBy("renovate[bot]"), func(f *change.Facts) {
			f.Content.Commits[0].Committer, f.Content.Commits[0].Verified = by("web-flow"), true
		}), want: []string{"standard, waiting"}},
		{name: "unless takes a rule back", facts: pullRequest(files("a/settings.yml"), authoredBy("renovate[bot]")), want: []string{"normal, waiting"}},
		{name: "unless does not hold", facts: pullRequest(files("a/settings.yml")), want: []string{"high-risk, waiting"}},

		{name: "the record's risk", facts: pullRequest(files("a.go"), body("## Risk\nHigh, it touches everything")),
			want: []string{"high-risk, waiting", "high-risk: the risk that its record states matches high"}},
		{name: "the record's risks disagree", facts: pullRequest(files("docs/a.md"), body("Risk: low\n## Risk\nhigh")), want: []string{"high-risk, waiting"}},

		{name: "the policy is high-risk", facts: pullRequest(files(".github/change-policy.yml")), want: []string{"high-risk, waiting", "high-risk: .github/change-policy.yml matches"}},
		{name: "a policy that is renamed away", facts: pullRequest(rename(".github/change-policy.yml", "docs/old.md")), want: []string{"high-risk, waiting"}},
		{name: "the owner's policy", facts: pullRequest(files("change-policy.yml"), func(f *change.Facts) { f.Repository.Name = ".github" }), want: []string{"high-risk, waiting"}},
		{name: "code owners anywhere", facts: pullRequest(files("docs/CODEOWNERS")), want: []string{"high-risk, waiting"}},
		{name: "attributes anywhere", facts: pullRequest(files("docs/.gitattributes")), want: []string{"high-risk, waiting"}},
		{name: "submodules' file", facts: pullRequest(files(".gitmodules")), want: []string{"high-risk, waiting"}},
		{name: "a submodule by its mode", facts: pullRequest(files("docs/lib"), mode(change.ModeSubmodule)), want: []string{"high-risk, waiting", "high-risk: docs/lib matches a submodule"}},
		{name: "a submodule by its patch", facts: pullRequest(patch("docs/lib", "-Subproject commit aa", "+Subproject commit bb"), mode("")), want: []string{"high-risk, waiting"}},
		{name: "a file that may be a submodule is not green", facts: pullRequest(files("docs/lib"), unreadable, mode(""), approved("bob")),
			want: []string{"normal, waiting", "awaited The whole change [waiting for file modes]"}},
		{name: "many changed lines are no submodule", facts: pullRequest(files("lib"), unreadable, mode(""), lines(9), approved("bob")), want: []string{"normal, satisfied"}},
	})
}

func TestComparisons(t *testing.T) {
	for op, want := range map[string][3]bool{ // of one less, as many, and one more
		"<": {true, false, false}, "<=": {true, true, false}, "=": {false, true, false},
		"!=": {true, false, true}, ">=": {false, true, true}, ">": {false, false, true}, "~": {},
	} {
		c := Comparison{Op: op, Number: 3}
		if got := [3]bool{c.holds(2), c.holds(3), c.holds(4)}; got != want {
			t.Errorf("%s: %v, want %v", c.String(), got, want)
		}
	}
}

func TestLabelAuthority(t *testing.T) {
	small := files("a.go")
	const unlowered = "version: 1\nroles: {reviewer: {permission: write}}\ncategories: {high-risk: {when: {any: [{labels: [high-risk]}]}}}\n"
	play(t, classes, []scenario{
		{name: "a label that raises counts from anyone", facts: pullRequest(small, label("HIGH-risk", "eve")), want: []string{"high-risk, waiting", "a label matches high-risk"}},
		{name: "even from nobody known", facts: pullRequest(small, label("high-risk", "")), want: []string{"high-risk, waiting"}},
		{name: "taken off by who set it", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "eve")), want: []string{"normal, waiting"}, never: []string{"note"}},
		{name: "taken off by a holder", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "lea")), want: []string{"normal, waiting"}},
		{name: "taken off by somebody else", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "alice")),
			want: []string{"high-risk, waiting", "note: The label high-risk still counts: alice removed it, who neither added it nor may lower the risk: only @acme/tech-leads may."}},
		{name: "taken off by somebody else, where nobody may lower", policy: unlowered, facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "alice")),
			want: []string{"high-risk, waiting", "alice removed it, who neither added it nor may lower the risk: the policy names no role under labels that may."}},
		{name: "renamed away, where nobody may lower", policy: unlowered, facts: pullRequest(small, label("high-risk", "eve"), func(f *change.Facts) { f.Pull.Labels = []string{"whatever"} }),
			want: []string{"high-risk, waiting", "added again and removed by whoever added it first."}},
		{name: "taken off by nobody known", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "nobody")), want: []string{"high-risk, waiting"}},
		{name: "renamed to it, and taken off by nobody known", facts: pullRequest(small, unlabel("high-risk", "nobody")), want: []string{"high-risk, waiting"}},
		{name: "set again by somebody who then takes it off", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "alice"), label("high-risk", "alice"), unlabel("high-risk", "alice")),
			want: []string{"high-risk, waiting"}},
		{name: "renamed away", facts: pullRequest(small, label("high-risk", "eve"), func(f *change.Facts) { f.Pull.Labels = []string{"whatever"} }),
			want: []string{"high-risk, waiting", "nobody is known to have removed it. That ends once it is added again and removed by whoever added it first, or by @acme/tech-leads."}},
		{name: "set again, and taken off by a holder", facts: pullRequest(small, label("high-risk", "eve"), label("high-risk", "bob"), unlabel("high-risk", "lea")), want: []string{"normal, waiting"}},
		{name: "a label that lowers counts from a holder", facts: pullRequest(small, label("trivial", "lea")), want: []string{"standard, waiting"}},
		{name: "not from anyone", facts: pullRequest(small, label("trivial", "bob")),
			want: []string{"normal, waiting", "note: The label trivial does not lower the risk: it was added by bob, and counts only once it is removed and added again by @acme/tech-leads."}},
		{name: "not where nobody may lower", policy: "version: 1\nroles: {reviewer: {permission: write}}\ncategories: {standard: {when: {any: [{labels: [trivial]}]}}}\n",
			facts: pullRequest(small, label("trivial", "bob")), want: []string{"normal, waiting", "note: The label trivial does not lower the risk: the policy names no role under labels that may lower the risk."}},
		{name: "not from nobody known", facts: pullRequest(small, label("trivial", "")), want: []string{"normal, waiting", "nobody is known to have added it, and it counts only once it is removed and added again by"}},
		{name: "not from somebody whose team cannot be read", facts: pullRequest(small, label("trivial", "lea"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403"}
		}), want: []string{"normal, waiting", "note: The label trivial does not lower the risk so far: whether lea, who added it, may lower the risk could not be read, because " +
			"@acme/tech-leads cannot be read: 403; let the App read the members of @acme/tech-leads, or name others, on line 5 of the policy."}, never: []string{"counts only once it is removed and added again by"}},
		{name: "nor does a label of risk come off then", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "lea"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403"}
		}), want: []string{"high-risk, waiting", "note: The label high-risk still counts so far: whether lea, who removed it and had not added it, may lower the risk could not be read, because " +
			"@acme/tech-leads cannot be read: 403; let the App read the members of @acme/tech-leads, or name others, on line 5 of the policy."}, never: []string{"lower the risk: only"}},
		{name: "not from somebody who has lost the role since", facts: pullRequest(small, label("trivial", "lea"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Members: []change.Account{account("carol")}}
		}), want: []string{"normal, waiting", "added by lea, and counts only once it is removed and added again by @acme/tech-leads"}},
		{name: "nor does that take a label of risk off", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "lea"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads"}
		}), want: []string{"high-risk, waiting", "lea removed it, who neither added it nor may lower the risk"}},
		{name: "not from a program", facts: pullRequest(small, label("trivial", "renovate[bot]")), want: []string{"normal, waiting", "added by renovate[bot], and counts only once it is removed and added again by"}},
		{name: "but for one that the role names", policy: strings.Replace(classes, "lead: {teams: [tech-leads]}", "lead: {teams: [tech-leads], bots: ['renovate[bot]']}", 1),
			facts: pullRequest(small, label("trivial", "renovate[bot]")), want: []string{"standard, waiting"}},
		{name: "a label of risk counts from a program", facts: pullRequest(small, label("high-risk", "dependabot[bot]")), want: []string{"high-risk, waiting"}},
		{name: "and is not taken off by another", facts: pullRequest(small, label("high-risk", "dependabot[bot]"), unlabel("high-risk", "renovate[bot]")), want: []string{"high-risk, waiting", "renovate[bot] removed it"}},
		{name: "removed, and set again by somebody without the role", facts: pullRequest(small, label("trivial", "lea"), unlabel("trivial", "lea"), label("trivial", "bob")),
			want: []string{"normal, waiting", "it was added by bob"}},
		{name: "removed, and set again by a holder", facts: pullRequest(small, label("trivial", "bob"), unlabel("trivial", "bob"), label("trivial", "lea")), want: []string{"standard, waiting"}},
		{name: "a label of risk that a holder took off and anyone set again", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "lea"), label("high-risk", "bob")),
			want: []string{"high-risk, waiting"}, never: []string{"note"}},
		{name: "then who first set it does not take it off", facts: pullRequest(small, label("high-risk", "eve"), unlabel("high-risk", "lea"), label("high-risk", "bob"), unlabel("high-risk", "eve")),
			want: []string{"high-risk, waiting", "eve removed it"}},
		{name: "another label that was renamed to one that lowers", facts: pullRequest(small, label("bug", "bob"), func(f *change.Facts) { f.Pull.Labels = []string{"trivial"} }),
			want: []string{"normal, waiting", "nobody is known to have added it, and it counts only once it is removed and added again by"}},
		{name: "one that a holder set, renamed and taken off, and another in its place", facts: pullRequest(small, label("bug", "bob"), label("trivial", "lea"), unlabel("was-trivial", "lea"),
			func(f *change.Facts) { f.Pull.Labels = []string{"trivial"} }), want: []string{"normal, waiting", "nobody is known to have added it, and it counts only once it is removed and added again by"}},
		{name: "made anew and set again by a holder", facts: pullRequest(small, label("trivial", "bob"), unlabel("was-trivial", "bob"), label("trivial", "lea")), want: []string{"standard, waiting"}},
		{name: "one that was renamed to one of risk, taken off by who set it under another name", facts: pullRequest(small, label("bug", "bob"), unlabel("high-risk", "bob")),
			want: []string{"high-risk, waiting", "bob removed it, who neither added it nor may lower the risk"}},
		{name: "taken off by a holder", facts: pullRequest(small, label("bug", "bob"), unlabel("high-risk", "lea")), want: []string{"normal, waiting"}},
		{name: "set on a draft: it raises at once", facts: pullRequest(small, draft, label("high-risk", "eve")), want: []string{"high-risk, waiting"}},
		{name: "and lowers", facts: pullRequest(small, draft, label("trivial", "lea")), want: []string{"standard, waiting"}},
		{name: "an expression sees a label that was taken off without authority", policy: `
version: 1
roles: {reviewer: {permission: write}}
categories:
  high-risk: {when: {any: [{expression: '"risky" in change.labels'}]}, approvals: [{role: reviewer}], record: []}
`, facts: pullRequest(small, label("risky", "eve"), unlabel("risky", "alice")), want: []string{"high-risk, waiting"}},
		{name: "an expression that lowers sees no label without authority", policy: `
version: 1
roles: {reviewer: {permission: write}}
categories:
  normal: {record: []}
  standard: {when: {any: [{expression: '"trivial" in change.labels'}]}}
`, facts: pullRequest(small, label("trivial", "bob")), want: []string{"normal, waiting", "note: The label trivial does not lower the risk: the policy names no role under labels"}},
	})
}

// TestLabelsInExpressions: who may set or take off which label holds for expressions too, whether they ask that it is there or that it is not.
func TestLabelsInExpressions(t *testing.T) {
	small := files("a.go")
	standard, high := expressionRules("standard"), expressionRules("high-risk")
	const unlessReview, unlessReviewed = `!("needs-review" in change.labels)`, `change.files.exists(f, f.path == "a.go") && !("reviewed" in change.labels)`
	const risky = `"risky" in change.labels && !("reviewed" in change.labels)`
	play(t, "", []scenario{
		{name: "a label that raises takes a change out of standard", policy: standard(unlessReview), facts: pullRequest(small, label("needs-review", "eve")), want: []string{"normal, waiting"}, never: []string{"note"}},
		{name: "without it", policy: standard(unlessReview), facts: pullRequest(small, label("bug", "eve")), want: []string{"standard, waiting"}, never: []string{"note"}},
		{name: "taken off by who set it", policy: standard(unlessReview), facts: pullRequest(small, label("needs-review", "eve"), unlabel("needs-review", "eve")), want: []string{"standard, waiting"}},
		{name: "taken off by somebody else", policy: standard(unlessReview), facts: pullRequest(small, label("needs-review", "eve"), unlabel("needs-review", "alice")),
			want: []string{"normal, waiting", "note: The label needs-review still counts: alice removed it"}},
		{name: "taken off by a holder", policy: standard(unlessReview), facts: pullRequest(small, label("needs-review", "eve"), unlabel("needs-review", "lea")), want: []string{"standard, waiting"}},
		{name: "a label that lowers takes nothing out of high-risk", policy: high(unlessReviewed), facts: pullRequest(small, label("reviewed", "eve")),
			want: []string{"high-risk, waiting", "note: The label reviewed does not lower the risk: it was added by eve, and counts only once it is removed and added again by @acme/tech-leads."}},
		{name: "from a holder it does", policy: high(unlessReviewed), facts: pullRequest(small, label("reviewed", "lea")), want: []string{"normal, waiting"}, never: []string{"note"}},
		{name: "both in one expression", policy: high(risky), facts: pullRequest(small, label("risky", "eve"), label("reviewed", "eve")),
			want: []string{"high-risk, waiting", "note: The label reviewed does not lower the risk"}, never: []string{"label risky"}},
		{name: "only the one", policy: high(risky), facts: pullRequest(small, label("reviewed", "eve")), want: []string{"normal, waiting"}, never: []string{"note"}},
		{name: "one that was taken off in vain, and one that lowers", policy: high(risky), facts: pullRequest(small, label("risky", "eve"), unlabel("risky", "alice"), label("reviewed", "eve")),
			want: []string{"high-risk, waiting", "note: The label reviewed does not lower the risk", "note: The label risky still counts: alice removed it"}},
		{name: "labels that the expression does not name", policy: standard(`change.labels.exists(l, l.startsWith("ok-"))`), facts: pullRequest(small, label("ok-a", "eve"), label("ok-b", "bob")),
			want: []string{"normal, waiting", "note: The label ok-a does not lower the risk", "note: The label ok-b does not lower the risk"}},
		{name: "more labels than are tried", policy: high(`!["a", "b", "c", "d", "e", "f", "g", "h", "i"].all(l, l in change.labels)`), want: []string{"high-risk, waiting"},
			facts: pullRequest(small, label("h", "eve"), label("i", "eve"), label("a", "eve"), label("b", "eve"), label("c", "eve"), label("d", "eve"), label("e", "eve"), label("f", "eve"), label("g", "eve"))},
		{name: "each by itself", policy: high(`change.labels.exists(l, l.startsWith("risk/")) && change.labels.exists(l, l.startsWith("area/"))`),
			facts: pullRequest(small, label("risk/db", "alice"), unlabel("risk/db", "mallory"), label("area/billing", "bob")), want: []string{"high-risk, waiting", "note: The label risk/db still counts"}, never: []string{"area/billing lowers"}},
		{name: "labels that it cannot depend on", policy: high(`!("reviewed" in change.labels) && change.title == "x"`), want: []string{"normal, waiting"}, never: []string{"note"},
			facts: pullRequest(small, label("a", "eve"), label("b", "eve"), label("c", "eve"), label("d", "eve"), label("e", "eve"), label("f", "eve"), label("g", "eve"), label("h", "eve"), label("i", "eve"))},
		{name: "a name that is put together", policy: standard(`!("needs" + "-review" in change.labels)`), facts: pullRequest(small, label("needs-review", "eve"), unlabel("needs-review", "alice")), want: []string{"normal, waiting"}},
		{name: "a label that was renamed to another case", policy: high(`"high-risk" in change.labels`), facts: pullRequest(small, label("high-risk", "lea"), func(f *change.Facts) { f.Pull.Labels = []string{"High-Risk"} }), want: []string{"high-risk, waiting"}},
		{name: "a label that is read another way", policy: standard(`!("needs-review" in dyn(change)["labels"])`), facts: pullRequest(small, label("needs-review", "eve"), unlabel("needs-review", "alice")), want: []string{"normal, waiting"}},
		{name: "one that fails without a label", policy: standard(`change.labels[0] != "x"`), facts: pullRequest(small, label("bug", "eve")), want: []string{"normal, failing"}},
	})
}

// expressionRules returns a policy in which one expression alone makes a change of the category.
func expressionRules(category string) func(expression string) string {
	return func(expression string) string {
		rules := map[string]string{category: ", when: {any: [{expression: '" + expression + "'}]}"}
		return `
version: 1
roles: {reviewer: {permission: write}, lead: {teams: [tech-leads]}}
labels: {lowered_by: lead}
categories:
  high-risk: {approvals: [{role: reviewer}], record: []` + rules["high-risk"] + `}
  normal: {record: []}
  standard: {record: []` + rules["standard"] + `}
`
	}
}

// TestExpressionsAskOfTheLabelsTheyRead: no question and no note is about labels on which no expression depends.
func TestExpressionsAskOfTheLabelsTheyRead(t *testing.T) {
	facts := pullRequest(files("a.go"), label("bug", "bob"), unlabel("old", "carol"))
	for expression, asks := range map[string]bool{
		`change.additions < 10`:                        false,
		`"trivial" in change.labels`:                   false,
		`"bug" in change.labels`:                       true,
		`!("needs-review" in change.labels)`:           true, // whether it was renamed is the timeline's to say
		`change.labels.exists(l, l.startsWith("bug"))`: true,
	} {
		p := mustParse(t, expressionRules("standard")(expression))
		needs := p.Needs(facts)
		if got := len(needs.Teams) > 0; got != asks {
			t.Errorf("%s asks for teams: %v", expression, got)
		}
		if notes := p.Decide(facts).Notes; len(notes) > 0 != strings.Contains(expression, "bug") {
			t.Errorf("%s: %v", expression, notes)
		}
	}
}

const emergencies = `
version: 1
roles:
  reviewer: {permission: write}
  incident: {teams: [on-call]}
  security: {teams: [security]}
emergency: {declared_by: incident, within: 24h, checks: [{name: smoke}]}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, record: [rollback]}
checks: [{name: build}]
security_review:
  role: security
  triggers: {authentication: {paths: ["**/auth/**"]}}
`

func TestEmergency(t *testing.T) {
	justified := body("## Justification\nCustomers cannot pay.")
	smoke := ran("smoke", change.CheckSuccess)
	declared := label("EMERGENCY", "olga")
	onCallToo := func(f *change.Facts) {
		f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account("carol"), account("olga")}}
	}
	play(t, emergencies, []scenario{
		{name: "declared by a holder: green with debts", facts: pullRequest(files("a.go"), justified, smoke, declared),
			want: []string{"emergency, satisfied", "owed Reviewer [1 approval]", "met Justification"}, never: []string{"build", "security"}},
		{name: "it keeps what it would have been, and owes its security review", facts: pullRequest(files("a.tf"), justified, smoke, declared),
			want: []string{"emergency, satisfied", "high-risk: a.tf", "owed Security review"}, never: []string{"tech lead", "Rollback"}},
		{name: "a trigger's security review is owed", facts: pullRequest(files("auth/a.go"), justified, smoke, declared),
			want: []string{"emergency, satisfied", "owed Security review [security review] → @acme/security is asked to review, because auth/a.go matches authentication", "ask security of [security]"}},
		{name: "its own checks are waited for", facts: pullRequest(files("a.go"), justified, ran("smoke", change.CheckPending), declared), want: []string{"emergency, waiting"}},
		{name: "a contribution by nobody known holds none up", facts: pullRequest(files("a.tf"), justified, smoke, declared, commit(change.Commit{SHA: oldHead, Author: change.Signature{Name: "Bob"}, Committer: by("alice")})),
			want: []string{"emergency, satisfied", "note: 3f2c1aa was written by Bob"}},
		{name: "no justification", facts: pullRequest(files("a.go"), smoke, declared), want: []string{"emergency, failing", "missing Justification [justification missing]"}},
		{name: "set by somebody who may not", facts: pullRequest(files("a.go"), justified, smoke, label("emergency", "bob")),
			want: []string{"normal, failing", "note: EMERGENCY is ignored: bob added it, and may not declare an emergency. It counts once it is removed and added again by @acme/on-call."}},
		{name: "set by nobody known", facts: pullRequest(files("a.go"), justified, smoke, label("EMERGENCY", "")), want: []string{"normal, failing", "note: EMERGENCY is ignored: nobody is known to have added it. It counts once it is removed and added again by @acme/on-call."}},
		{name: "set by somebody whose team cannot be read", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) {
			f.Teams["on-call"] = change.Team{Slug: "on-call", Problem: "403"}
		}), want: []string{"normal, failing", "could not be read"}},
		{name: "a push ends it", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) { f.LabelEvents[0].Head = oldHead }),
			want: []string{"normal, failing", "note: EMERGENCY has ended: olga declared it, and other content was pushed since."}},
		{name: "the head that it saw follows from the pushes", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) { f.LabelEvents[0].Head = "" }),
			want: []string{"emergency, satisfied"}},
		{name: "a push in the same second may have come after", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) {
			f.LabelEvents[0].Head, f.LabelEvents[0].At = "", morning
		}), want: []string{"normal, failing", "note: EMERGENCY is ignored: which content olga declared it on is not known. It counts again once it is removed and added again by @acme/on-call."}, never: []string{"ended"}},
		{name: "without the pushes nobody knows what it saw", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) {
			f.LabelEvents[0].Head, f.PushesKnown = "", false
		}), want: []string{"normal, failing", "which content olga declared it on is not known"}, never: []string{"ended"}},
		{name: "set before it got another base branch, and nobody knows on which", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) { f.Retargeted = f.Now }),
			want: []string{"normal, failing", "which content olga declared it on is not known"}, never: []string{"ended"}},
		{name: "set by a program", facts: pullRequest(files("a.go"), justified, smoke, label("EMERGENCY", "renovate[bot]")), want: []string{"normal, failing", "renovate[bot] added it, and may not declare an emergency"}},
		{name: "set by somebody who has lost the role since", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) {
			f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account("carol")}}
		}), want: []string{"normal, failing", "olga added it, and may not declare an emergency"}},
		{name: "taken off", facts: pullRequest(files("a.go"), justified, smoke, declared, unlabel("EMERGENCY", "bob")), want: []string{"normal, failing"}, never: []string{"EMERGENCY"}},
		{name: "taken off, and set again by somebody who may not", facts: pullRequest(files("a.go"), justified, smoke, declared, unlabel("EMERGENCY", "bob"), label("EMERGENCY", "bob")),
			want: []string{"normal, failing", "bob added it, and may not"}},
		{name: "another label that was renamed to it", facts: pullRequest(files("a.go"), justified, smoke, label("bug", "olga"), func(f *change.Facts) { f.Pull.Labels = []string{"EMERGENCY"} }),
			want: []string{"normal, failing", "nobody is known to have added it"}},
		{name: "renamed and taken off, and another renamed to it", facts: pullRequest(files("a.go"), justified, smoke, label("bug", "bob"), declared, unlabel("was-emergency", "olga"),
			func(f *change.Facts) { f.Pull.Labels = []string{"EMERGENCY"} }), want: []string{"normal, failing", "nobody is known to have added it"}},
		{name: "other labels come and go", facts: pullRequest(files("a.go"), justified, smoke, label("bug", "bob"), declared, unlabel("bug", "bob")), want: []string{"emergency, satisfied"}},
		{name: "another label is set after it", facts: pullRequest(files("a.go"), justified, smoke, declared, label("bug", "bob")), want: []string{"emergency, satisfied"}},
		{name: "taken off by its name, and another renamed to it", facts: pullRequest(files("a.go"), justified, smoke, declared, unlabel("EMERGENCY", "olga"),
			func(f *change.Facts) { f.Pull.Labels = []string{"EMERGENCY"} }), want: []string{"normal, failing", "nobody is known to have added it"}},
		{name: "the policy is never an emergency", facts: pullRequest(files(".github/change-policy.yml"), justified, smoke, declared), want: []string{"high-risk, failing", "note: EMERGENCY is ignored: a change of the policy"}},
		{name: "nor what may be one, where it is high-risk besides", facts: pullRequest(files("a.tf"), mode(""), unreadable, justified, smoke, declared), want: []string{"emergency, waiting", "waiting for file modes"}},
		{name: "where it is not declared nobody needs to know", facts: pullRequest(files("a.tf"), mode(""), unreadable), want: []string{"high-risk, waiting"}, never: []string{"waiting for file modes"}},
		{name: "neither is a submodule", facts: pullRequest(files("lib"), mode(change.ModeSubmodule), justified, smoke, declared), want: []string{"high-risk, failing"}},
		{name: "nor what may be one", facts: pullRequest(files("lib"), mode(""), unreadable, justified, smoke, declared), want: []string{"emergency, waiting", "waiting for file modes"}},
		{name: "approved", facts: pullRequest(files("a.go"), justified, smoke, declared, approved("bob")), want: []string{"emergency, satisfied", "met Reviewer", "bob counts for reviewer"}},
		{name: "the declarer does not approve", facts: pullRequest(files("a.go"), justified, smoke, declared, approved("olga")),
			want: []string{"emergency, satisfied", "owed Reviewer", "olga does not count: declared the emergency"}},
		{name: "nor does who declared it before", facts: pullRequest(files("a.go"), justified, smoke, onCallToo, label("EMERGENCY", "carol"), unlabel("EMERGENCY", "carol"), declared, approved("carol")),
			want: []string{"emergency, satisfied", "owed Reviewer", "carol does not count: declared the emergency", "carol (declared it)"}},
		{name: "who tried to declare it may approve", facts: pullRequest(files("a.go"), justified, smoke, label("EMERGENCY", "carol"), unlabel("EMERGENCY", "carol"), declared, approved("carol")),
			want: []string{"emergency, satisfied", "met Reviewer"}},
		{name: "nor who may have", facts: pullRequest(files("a.go"), justified, smoke, label("EMERGENCY", "carol"), unlabel("EMERGENCY", "carol"), declared, approved("carol"), func(f *change.Facts) {
			f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account("olga")}, Partial: true}
		}), want: []string{"emergency, satisfied", "owed Reviewer", "carol does not count: declared the emergency"}},
		{name: "who took it off did not declare it", facts: pullRequest(files("a.go"), justified, smoke, onCallToo, declared, unlabel("EMERGENCY", "carol"), label("EMERGENCY", "olga"), approved("carol")),
			want: []string{"emergency, satisfied", "met Reviewer carol"}},
		{name: "once nothing is declared, who declared it reviews like others", facts: pullRequest(files("a.go"), body(fullRecord), ran("build", change.CheckSuccess), onCallToo, label("EMERGENCY", "carol"), unlabel("EMERGENCY", "carol"), approved("carol")),
			want: []string{"normal, satisfied"}},
		{name: "an objection blocks it before the merge", facts: pullRequest(files("a.go"), justified, smoke, declared, objected("bob")), want: []string{"emergency, failing", "changes requested by bob"}},
		{name: "an overdue debt holds it up", facts: pullRequest(files("a.go"), justified, smoke, declared, func(f *change.Facts) { f.Now = morning.Add(48 * time.Hour) }),
			want: []string{"emergency, waiting", "awaited Reviewer [1 approval]"}},
		{name: "a draft waits", facts: pullRequest(files("a.go"), justified, smoke, declared, draft), want: []string{"emergency, waiting"}},
		{name: "declared on a draft: it holds for that content once it is ready", facts: pullRequest(files("a.go"), justified, smoke, draft, declared, func(f *change.Facts) { f.Pull.Draft = false }),
			want: []string{"emergency, satisfied"}},
	})

	t.Run("the deadline runs from the first valid declaration", func(t *testing.T) {
		p := mustParse(t, emergencies)
		f := pullRequest(files("a.go"), justified, smoke, label("EMERGENCY", "bob"), unlabel("EMERGENCY", "bob"), declared, unlabel("EMERGENCY", "olga"), declared)
		d := p.Decide(f).Declaration
		if want := f.LabelEvents[2].At; d == nil || !d.At.Equal(want) || !d.Due.Equal(want.Add(24*time.Hour)) || d.By.Login != "olga" || d.SHA != head {
			t.Errorf("declaration %+v, want one at %s", d, want)
		}
	})
}

func TestPathsOnlyMeasuresPaths(t *testing.T) {
	p := mustParse(t, classes)
	for _, test := range []struct {
		name  string
		facts change.Facts
		want  change.Category
	}{
		{"a path", pullRequest(files("a.tf")), change.HighRisk},
		{"documents, whose modes are not known", pullRequest(files("docs/a.md"), mode("")), change.Standard},
		{"a bot, which stands for every listed one, and manifests whose contents are not known", pullRequest(files("go.mod"), unreadable, mode(""), func(f *change.Facts) {
			f.Pull.Author = change.Account{ID: 99, Login: "bot", Kind: change.KindBot}
		}), change.Standard},
		{"a person", pullRequest(files("go.mod"), unreadable, mode("")), change.Normal},
		{"a record that is not known", pullRequest(files("a.go"), body("## Risk\nhigh")), change.Normal},
	} {
		if got := p.Classify(test.facts, PathsOnly); got.Category != test.want || len(got.Problems) > 0 {
			t.Errorf("%s: %+v, want %s", test.name, got, test.want)
		}
	}
}

func TestGoverned(t *testing.T) {
	p := mustParse(t, "version: 1\nbranches: [\"release/*\"]\nroles: {reviewer: {permission: write}}\n")
	for branch, want := range map[string]bool{"main": true, "release/1": true, "release/1/x": false, "feature": false, "": false} {
		if got := p.Governs(pullRequest().Repository, branch); got != want {
			t.Errorf("%q: governed %v", branch, got)
		}
	}
}

// Whether a base is governed is the default branch's to say: the policy at a governed base's own tip need not name it, and one that
// names itself is none the more governed.
func TestABaseDoesNotGovernItself(t *testing.T) {
	for _, branches := range []string{"[]", "[release/1]"} {
		p := mustParse(t, "version: 1\nbranches: "+branches+"\nroles: {reviewer: {permission: write}}\n")
		for _, governed := range []bool{true, false} {
			f := pullRequest(files("a.go"))
			f.Pull.Base.Name, f.Governed = "release/1", governed
			if d := p.Decide(f); d.Governed != governed || (d.Verdict == change.Undecided) == governed {
				t.Errorf("governed %v, and the base names %s: governed %v with verdict %s", governed, branches, d.Governed, d.Verdict)
			}
		}
	}
}

func TestCaresAbout(t *testing.T) {
	p := mustParse(t, emergencies)
	for name, want := range map[string]bool{"emergency": true, "documentation": false} {
		if p.CaresAboutLabel(name) != want {
			t.Errorf("cares about the label %s: %v", name, !want)
		}
	}
	for expression, want := range map[string]bool{`"bug" in change.labels`: true, `change.additions < 10`: false} {
		if mustParse(t, expressionRules("high-risk")(expression)).CaresAboutLabel("bug") != want {
			t.Errorf("cares about a label for %s: %v", expression, !want)
		}
	}
	for _, name := range []string{"HIGH-RISK", "trivial"} {
		if !mustParse(t, classes).CaresAboutLabel(name) {
			t.Errorf("does not care about the label %s", name)
		}
	}
	some := mustParse(t, "version: 1\nemergency: {declared_by: incident, checks: [{name: smoke}]}\nroles: {reviewer: {permission: write}, incident: {permission: admin}}\n"+
		"categories: {high-risk: {checks: [{name: soak}]}}\nchecks: [{name: build}]\n")
	for name, want := range map[string]bool{"build": true, "smoke": true, "soak": true, "lint": false} {
		if some.CaresAboutCheck(change.Check{Name: name}) != want {
			t.Errorf("cares about the check %s: %v", name, !want)
		}
	}
	pinned := mustParse(t, "version: 1\nroles: {reviewer: {permission: write}}\nchecks: [{name: build, app: github-actions}, {none_failing: 'ci/*'}]\n")
	for _, test := range []struct {
		check change.Check
		want  bool
	}{
		{change.Check{Name: "build", App: "github-actions"}, true},
		{change.Check{Name: "build"}, true}, // the App is not known
		{change.Check{Name: "build", App: "other"}, false},
		{change.Check{Name: "build", Status: true}, false},
		{change.Check{Name: "ci/x", Status: true}, true},
		{change.Check{Name: "lint", App: "github-actions"}, false},
	} {
		if got := pinned.CaresAboutCheck(test.check); got != test.want {
			t.Errorf("cares about %+v: %v", test.check, got)
		}
	}
}
