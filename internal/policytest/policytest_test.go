package policytest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/policy"
)

const policyText = `version: 1
roles: {reviewer: {permission: write}, tech-lead: {permission: maintain}, security: {permission: admin}}
labels: {lowered_by: tech-lead}
categories:
  high-risk: {when: {any: [{paths: ["**/migrations/**"], because: schema}]}, record: [rollback, testing]}
  normal: {record: []}
security_review: {role: security, triggers: {login: {paths: ["**/auth/**"]}}}
`

// shared is the beginning of a file whose tests are about a pull request by alice that bob approved.
const shared = `policy: change-policy.yml
facts:
  now: 2026-03-02T10:00:00Z
  repository: {id: 1, owner: acme, name: shop, default_branch: main}
  pull:
    number: 7
    state: open
    author: &alice {id: 1, login: alice, kind: User}
    head: {repository: 1, name: totals, sha: &head aaaa}
    base: {repository: 1, name: main, sha: bbbb}
  content:
    head: *head
    files: [{path: totals.py, status: modified, additions: 1, deletions: 0, mode: "100644", patch: "@@ -0,0 +1 @@\n+x"}]
    commits: [{sha: *head, author: {account: *alice}, committer: {account: *alice}}]
  pushes: [{after: *head, by: *alice, at: 2026-03-02T09:00:00Z}]
  pushes_known: true
  reviews: [{id: 1, by: &bob {id: 2, login: bob, kind: User}, state: APPROVED, sha: *head, at: 2026-03-02T09:30:00Z}]
  people: {2: {account: *bob, permission: write}}
tests:
`

// one is a file with one test, which has the given keys on its second line and after.
func one(keys string) string {
	return shared + "  - name: it\n" + strings.ReplaceAll("    "+strings.TrimSpace(keys), "\n", "\n    ") + "\n"
}

func run(t *testing.T, text string) []Result {
	t.Helper()
	f, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if f.Policy.Name != "change-policy.yml" || f.Policy.Line != 1 {
		t.Errorf("the policy is %+v", f.Policy)
	}
	p, err := policy.Parse(f.Policy.Name, []byte(policyText))
	if err != nil {
		t.Fatal(err)
	}
	results, err := f.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestAbsentByName says by which names something can be said to be absent: a name that means nothing would be absent whatever is asked for.
func TestAbsentByName(t *testing.T) {
	floor, err := policy.Parse("floor.yml", []byte("version: 1\nroles: {release-manager: {permission: admin}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.ParseBeside(floor, "change-policy.yml", []byte(policyText+`record: {data_impact: {type: text}}
checks: [{name: build}, {none_failing: "lint/*"}]
`))
	if err != nil {
		t.Fatal(err)
	}
	const no = "is to be absent, and is no kind of requirement, and no role, field or check of the policy"
	for name, mend := range map[string]string{
		"security-review": "", "freeze": "", "tech-lead": "", "release-manager": "", "Rollback plan": "", "data impact": "", "Check build": "", "No failed check of lint/*": "",
		"securty-review": `did you mean "security-review"?`, "2 reviewers": `did you mean "reviewer"?`, "Security review": `did you mean "security-review"?`,
		"rollback": `did you mean "Rollback plan"?`, "Check biuld": `did you mean "Check build"?`,
	} {
		f, err := Read([]byte(one("expect: {requirements: {" + strconv.Quote(name) + ": absent}}")))
		if err != nil {
			t.Fatal(err)
		}
		want := "<nil>"
		if mend != "" {
			want = fmt.Sprintf("line 21, column 29: %q %s: %s", name, no, mend)
		}
		if _, err := f.Run(p); fmt.Sprint(err) != want {
			t.Errorf("%s: the error is\n%v\nwant\n%s", name, err, want)
		}
	}
}

// TestShownNames: what can be absent by the name that a check run shows is shown by that name.
func TestShownNames(t *testing.T) {
	p, err := policy.Parse("change-policy.yml", []byte(strings.Replace(policyText, "normal: {record: []}", "normal: {record: [rollback]}", 1)+
		"checks: [{name: build}, {none_failing: \"lint/*\"}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read([]byte(one("expect: {requirements: {rollback plan: absent, Check build: absent, \"No failed check of lint/*\": absent}}")))
	if err != nil {
		t.Fatal(err)
	}
	results, err := f.Run(p)
	if err != nil || len(results[0].Differences) != 3 {
		t.Errorf("the results are %+v, %v", results, err)
	}
}

// TestTitlesOfOneField: a section that both policies ask for is meant by what either calls it, by whichever it is shown.
func TestTitlesOfOneField(t *testing.T) {
	floor, err := policy.Parse("floor.yml", []byte("version: 1\nroles: {reviewer: {permission: write}}\nrecord: {rollback: {title: Undo}}\ncategories: {normal: {record: [rollback]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.ParseBeside(floor, "change-policy.yml", []byte("version: 1\ncategories: {normal: {record: [rollback]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read([]byte(one("facts: {pull: {body: \"## Rollback plan\\nRevert it and deploy.\"}}\nexpect: {requirements: {Undo: absent, Rollback plan: absent}}")))
	if err != nil {
		t.Fatal(err)
	}
	results, err := f.Run(p)
	if err != nil || len(results[0].Differences) != 2 {
		t.Errorf("the results are %+v, %v", results, err)
	}
}

// TestExpectations says what each expectation finds otherwise; those without a difference pass.
func TestExpectations(t *testing.T) {
	const migration = "facts: {content: {files: [{path: migrations/1.py, status: added}]}}\n"
	for _, tt := range []struct {
		keys string
		want []string
	}{
		{"expect: {category: normal, verdict: satisfied, governed: yes, observing: no}", nil},
		{"expect: {category: high-risk}", []string{"category: expected high-risk, got normal"}},
		{"expect: {underlying: normal}", []string{"underlying: expected normal, got uncategorized"}},
		{"expect: {governed: no, observing: yes}", []string{"governed: expected no, got yes", "observing: expected yes, got no"}},
		{migration + "expect: {category: high-risk, verdict: failing, says: [(schema), \"1 of 2 approvals\"]}", nil},
		{migration + "expect: {says: [schemata]}", []string{`says: expected "schemata", and no line of the decision says it`}},

		{"facts: {pull: {base: {name: topic}}}\nexpect: {governed: no}", nil},
		{"facts: {pull: {base: {name: topic}}}\nexpect: {verdict: satisfied}", []string{"verdict: expected satisfied, got undecided, as no policy governs the base branch"}},
		{"facts: {pull: {base: {name: topic}}}\nexpect: {requirements: {reviewer: met}}", []string{"reviewer: expected met, and nothing is required"}},

		{migration + "expect: {requirements: {2 reviewers: awaited, tech-lead: awaited, Security Review: awaited, rollback: missing}}",
			[]string{`rollback: expected missing, and there is no such requirement: did you mean "Rollback plan"?`}},
		{migration + "expect: {requirements: {record: missing, approvals: awaited, security: awaited, draft: absent}}", nil},
		{migration + "expect: {requirements: {record: met}}", []string{
			"record: expected met, got Rollback plan missing (add a ## Rollback plan section to the description) and Testing missing (add a ## Testing section to the description)",
		}},
		{migration + "expect: {requirements: {2 reviewers: met}}", []string{
			"2 reviewers: expected met, got awaited (one more approval from anyone with write access, except alice (author))",
		}},
		{"expect: {requirements: {reviewer: absent, security-review: absent}}", []string{"reviewer: expected absent, got met"}},
		{"expect: {requirements: {x: met}}", []string{"x: expected met, and there is no such requirement: use one of Reviewer"}},
	} {
		var got []string
		for _, d := range run(t, one(tt.keys))[0].Differences {
			got = append(got, d.Text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", tt.keys, diff)
		}
	}
}

// TestSharedFacts: mappings are merged, anything else is replaced, and null takes away; the next test has what all have.
func TestSharedFacts(t *testing.T) {
	results := run(t, shared+`  - name: replaced
    facts: {reviews: []}
    expect: {verdict: waiting}
  - name: merged
    facts: {people: {3: {account: {id: 3, login: carol}, permission: admin}}}
    expect: {verdict: satisfied}
  - name: taken away
    facts: {people: {2: null}}
    expect: {verdict: satisfied}
  - name: as all
    expect: {verdict: satisfied}
`)
	want := []string{
		`f.yml:28:14: taken away: verdict: expected satisfied, got waiting`,
		`FAIL  f.yml: 1 of 4 tests failed`,
	}
	if diff := cmp.Diff(want, Lines("f.yml", results, false)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if n := Failed(results); n != 1 {
		t.Errorf("%d failed", n)
	}
}

func TestLines(t *testing.T) {
	results := run(t, one("expect: {category: normal}")+"  - {name: other, expect: {category: standard}}\n")
	lines := strings.Join(Lines("f.yml", results, true), "\n")
	for _, want := range []string{
		"ok    it\n", "f.yml:22:28: other: category: expected standard, got normal\nFAIL  other\n      Normal: approved by bob\n", "\n      └─ ", "\nFAIL  f.yml: 1 of 2 tests failed",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("%q is not in\n%s", want, lines)
		}
	}
	if got := Lines("f.yml", results[:1], false); len(got) != 1 || got[0] != "ok    f.yml: 1 test" {
		t.Errorf("of one that passes: %q", got)
	}
}

// TestReadRefuses says what is refused of a file, with the place and the mend.
func TestReadRefuses(t *testing.T) {
	fact := func(facts string) string { return one("facts: " + facts + "\nexpect: {category: normal}") }
	for _, tt := range []struct{ text, want string }{
		{"", "the file is empty: write `policy`, `facts` and `tests`"},
		{"policy: [", "line 1, column 9: this is not YAML: sequence end token ']' not found: fix the syntax here or on the line before"},
		{"policy: \xff", "the file is not UTF-8: save it as UTF-8"},
		{strings.Repeat("#", MaxBytes+1), "the file has more than 1048576 bytes: split it"},
		{"policy: a\n---\npolicy: b\n", "line 3, column 1: there is more than one document: keep one, and take the --- away"},
		{"policy: " + strings.Repeat("[", 40), "line 1, column 41: the file is nested too deeply: no test needs more than 32 levels"},
		{"policy: " + strings.Repeat("- ", 40), "line 1, column 73: the file is nested too deeply: no test needs more than 32 levels"},
		{"policy: a", "line 1, column 1: the file has no tests: add `tests`, a list of them"},
		{"policy: a\ntests: []", "line 2, column 8: the file has no tests: write one, with `name`, `facts` and `expect`"},
		{"policy: a\ntests:\n", "line 2, column 8: tests is left empty: write a list: [one, two], or a line with a dash for each"},
		{strings.TrimPrefix(one("expect: {category: normal}"), "policy: change-policy.yml\n"),
			"line 1, column 1: the file does not say which policy it tests: name it, from this file's own directory: policy: change-policy.yml"},
		{"polcy: a\n" + one("expect: {category: normal}"), `line 1, column 1: the file has no key "polcy": did you mean "policy"?`},
		{"policy: 1\ntests: 1", "line 1, column 9: policy is a number: write it in quotes: \"1\"\n" +
			"line 2, column 8: tests is a number: write a list: [one, two], or a line with a dash for each"},

		{shared + "  - {expect: {category: normal}}", "line 20, column 5: a test has no name: add `name`, which says what is so"},
		{one("facts: {}"), "line 20, column 5: the test \"it\" expects nothing: add `expect`, with a category or a verdict for example"},
		{one("expect: {}"), "line 21, column 13: nothing is expected: say what: a category or a verdict for example"},
		{one("expects: {category: normal}"), `line 21, column 5: a test has no key "expects": did you mean "expect"?`},
		{one("expect: {category: normal}\nname: again"), `line 22, column 5: "name" is here twice: merge it with line 20`},
		{one("expect: {category: normal}") + "  - {name: it, expect: {category: normal}}", `line 22, column 5: a test is named "it" already, on line 20: name it otherwise`},
		{one("expect: {category: high}"), `line 21, column 24: category is "high": did you mean "high-risk"?`},
		{one("expect: {verdict: green}"), `line 21, column 23: verdict is "green": use one of satisfied, waiting, failing`},
		{one("expect: {observing: maybe}"), `line 21, column 25: observing is a text: write yes or no, or true or false`},
		{one("expect: {requirements: {reviewer: mat}}"), `line 21, column 39: reviewer is "mat": did you mean "met"?`},
		{one("expect: {says: [\" \"]}"), "line 21, column 21: an item of says is empty: write words that a line of the decision is to have"},
		{one("expect: {says: words}"), `line 21, column 20: says is a text: write a list: [one, two], or a line with a dash for each`},

		{fact("{pul: {}}"), `line 21, column 13: facts has no key "pul": did you mean "pull"?`},
		{fact("{pull: {Number: 7}}"), `line 21, column 20: pull has no key "Number": did you mean "number"?`},
		{fact("{pull: {number: seven}}"), `line 21, column 28: number is a text: write a whole number`},
		{fact("{pull: {title: 7}}"), `line 21, column 27: title is a number: write it in quotes: "7"`},
		{fact("{pull: {state: opne}}"), `line 21, column 27: state is "opne": did you mean "open"?`},
		{fact("{pull: {state: Merged}}"), `line 21, column 27: state is "Merged": did you mean "merged"?`},
		{fact("{pull: {author: {id: 5, login: ci, kind: bot}}}"), `line 21, column 53: kind is "bot": did you mean "Bot"?`},
		{fact("{content: {files: [{path: a, status: deleted}]}}"), `line 21, column 49: status is "deleted": use one of added, removed, modified, renamed, copied, changed, unchanged`},
		{fact("{pull: {state:}}"), "line 21, column 26: state is left empty: write a text"},
		{fact("{now: monday}"), `line 21, column 18: now is "monday": write a time: 2026-01-31T12:00:00Z`},
		{fact("{people: {bob: {}}}"), `line 21, column 22: "bob" is no number: write the id of an account`},
		{fact("{people: {2: {permission: wirte}}}"), `line 21, column 38: permission cannot be read: unknown permission "wirte": use one of read, triage, write, maintain, admin`},
		{fact("{pull: {author: *alcie}}"), `line 21, column 28: there is no anchor &alcie: did you mean "alice"?`},
		{fact("{now: null}"), `line 20, column 5: the facts of the test "it" cannot be used: they do not say when it is: add "now": "2026-01-31T12:00:00Z"`},
		{fact("{pull: {author: &alice {id: 3}}}"), "line 21, column 28: there is an anchor &alice already, on line 8: name it otherwise"},
		{fact("{<<: *alice}"), "line 21, column 13: there is a YAML merge: write out what it stands for"},
		{fact("!!map {}"), `line 21, column 12: there is a YAML tag: take it away; put a value that begins with "!" in quotes`},
		{fact("&a {pull: {author: *a}}"), `line 21, column 16: author has no key "pull": use one of id, login, kind`},
	} {
		_, err := Read([]byte(tt.text))
		var problems policy.Problems
		if !errors.As(err, &problems) || problems.Error() != tt.want {
			t.Errorf("%.60q…: the error is\n%v\nwant\n%s", strings.TrimPrefix(tt.text, shared), err, tt.want)
		}
	}
}

// TestAliasesAreBounded: what aliases stand for is read again for each, and no file makes that long.
func TestAliasesAreBounded(t *testing.T) {
	list := "&files [" + strings.Repeat("{path: a},", 4000) + "]"
	text := shared + "  - {name: a, facts: {content: {files: " + list + "}}, expect: {category: normal}}\n"
	for i := range 100 {
		text += "  - {name: b" + strconv.Itoa(i) + ", facts: {content: {files: *files}}, expect: {category: normal}}\n"
	}
	_, err := Read([]byte(text))
	if err == nil || !strings.Contains(err.Error(), "too many values") {
		t.Errorf("the error is %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(one("facts: {pull: {draft: yes}, reviews: null}\nexpect: {verdict: waiting, requirements: {draft: awaited}, says: [draft]}")))
	f.Add([]byte("policy: &a [*a]\ntests: *b"))
	p, err := policy.Parse("change-policy.yml", []byte(policyText))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read(text)
		var problems policy.Problems
		switch {
		case err == nil && len(file.Tests) == 0:
			t.Error("there are no tests, and it is no error")
		case err == nil:
			if results, err := file.Run(p); err == nil {
				Lines("f", results, true)
			} else if !errors.As(err, &problems) {
				t.Errorf("the error is %T %v", err, err)
			}
		case !errors.As(err, &problems) || len(problems) == 0:
			t.Errorf("the error is %T %v", err, err)
		}
	})
}
