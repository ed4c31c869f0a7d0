package backtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/policies"
)

const testPolicy = `version: 1
roles: {reviewer: {permission: write}, security: {teams: [security]}}
bots: ["dependabot[bot]"]
categories:
  high-risk:
    when:
      any:
        - paths:
            - "db/**"
            - "infra/**"
          unless: {authors: ["dependabot[bot]"], only_paths: ["infra/**"]}
          because: schema and infrastructure
        - {changed_lines: "> 100"}
        - {labels: [high-risk]}
    approvals: [{role: reviewer, count: 2}]
  standard:
    when:
      any:
        - {only_paths: ["**/*.md"]}
        - {authors: ["dependabot[bot]"], bumps_only: true, only_paths: ["go.mod", "go.sum", "infra/**"], because: versions}
security_review:
  role: security
  triggers:
    authentication: {paths: ["**/auth/**"], content: [password]}
    dependencies: {new_dependencies: [go.mod]}
`

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pull(number int, bot bool, paths ...string) Pull {
	p := Pull{Repository: "acme/shop", Number: change.Number(number), Title: fmt.Sprintf("Change %d", number), AuthorIsBot: bot}
	for _, path := range paths {
		p.Files = append(p.Files, change.File{Path: path, Status: change.FileModified, Additions: 1})
	}
	return p
}

func TestClassify(t *testing.T) {
	p := parse(t, testPolicy)
	large := pull(1, false, "main.go")
	large.Files[0].Additions = 101
	renamed := pull(1, false, "app/x.go")
	renamed.Files[0].PreviousPath = "db/x.go"
	tests := []struct {
		name     string
		pull     Pull
		category change.Category
		security bool
	}{
		{"code", pull(1, false, "main.go"), change.Normal, false},
		{"schema", pull(1, false, "db/1.sql", "main.go"), change.HighRisk, true},
		{"out of the schema", renamed, change.HighRisk, true},
		{"infrastructure", pull(1, false, "infra/a.tf"), change.HighRisk, true},
		{"infrastructure by a bot", pull(1, true, "infra/a.tf"), change.Standard, false},
		{"infrastructure and code by a bot", pull(1, true, "infra/a.tf", "main.go"), change.HighRisk, true},
		{"large", large, change.HighRisk, true},
		{"documentation", pull(1, false, "README.md", "docs/a.md"), change.Standard, false},
		{"versions by a bot", pull(1, true, "go.mod", "go.sum"), change.Standard, false},
		{"versions by a person", pull(1, false, "go.mod", "go.sum"), change.Normal, false},
		{"authentication", pull(1, false, "lib/auth/a.go"), change.Normal, true},
		{"the policy", pull(1, false, ".github/change-policy.yml"), change.HighRisk, true},
		{"nothing", pull(1, false), change.Normal, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Classify(p, tt.pull)
			if o.Category != tt.category || o.SecurityReview != tt.security {
				t.Errorf("%v, security review %v; want %v, %v (%v)", o.Category, o.SecurityReview, tt.category, tt.security, o.Matches)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	p := parse(t, testPolicy)
	var outcomes []Outcome
	for _, pull := range []Pull{
		pull(1, false, "infra/a.tf", "infra/b.tf"), pull(2, false, "db/a.sql"), pull(3, false, "README.md"), pull(4, true, "go.mod"),
		pull(5, false, "auth/x.go"), pull(6, false, "CODEOWNERS"), {Repository: "acme/api", Number: 7, Files: []change.File{{Path: "x"}}},
	} {
		outcomes = append(outcomes, Classify(p, pull))
	}
	r := Summarize(p, outcomes)
	want := []Count{
		{"acme/api", 1, map[change.Category]int{change.Normal: 1}, 0},
		{"acme/shop", 6, map[change.Category]int{change.HighRisk: 3, change.Normal: 1, change.Standard: 2}, 4},
	}
	if diff := cmp.Diff(want, r.Repositories); diff != "" {
		t.Error(diff)
	}
	if r.Total.Pulls != 7 || r.Total.SecurityReview != 4 {
		t.Errorf("the total is %+v", r.Total)
	}
	var got []string
	for _, f := range r.Rules {
		got = append(got, fmt.Sprintf("%d %v%s %d %s %v", f.Line, f.Category, f.Trigger, f.Count, f.Name, f.Unmeasured))
	}
	// The second pattern's line is another than its rule's, and the rule is found all the same.
	wantRules := []string{
		"0 high-risk 1 who must review []",
		"8 high-risk 2 schema and infrastructure []",
		"13 high-risk 0 changed_lines: > 100 []",
		"14 high-risk 0 labels: high-risk [labels]",
		"19 standard 1 only_paths: **/*.md []",
		"20 standard 1 versions [bumps_only]",
		"24 uncategorizedauthentication 1 authentication [content]",
		"25 uncategorizeddependencies 0 dependencies [new_dependencies]",
	}
	if diff := cmp.Diff(wantRules, got); diff != "" {
		t.Error(diff)
	}
	if e := r.Rules[1].Examples; len(e) != 2 || e[0].Key != "acme/shop#1" || e[0].Match.More != 1 {
		t.Errorf("examples are %+v", e)
	}
}

func TestFailedExpressionsAreReported(t *testing.T) {
	p := parse(t, "version: 1\ncategories: {high-risk: {when: {any: [{expression: 'change.files[3].path == \"x\"'}]}}}")
	r := Summarize(p, []Outcome{Classify(p, pull(1, false, "a"))})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "acme/shop#1") {
		t.Errorf("problems are %q", r.Problems)
	}
}

func TestCompare(t *testing.T) {
	p, other := parse(t, testPolicy), parse(t, strings.Replace(testPolicy, `"db/**"`, `"data/**"`, 1))
	var a, b []Outcome
	for _, pull := range []Pull{pull(1, false, "db/a.sql"), pull(2, false, "main.go"), pull(3, false, "data/a.sql")} {
		a, b = append(a, Classify(p, pull)), append(b, Classify(other, pull))
	}
	d := Compare(a, b)
	if len(d) != 2 || d[0].Number != 1 || d[0].Category != change.HighRisk || d[0].Against.Category != change.Normal ||
		d[1].Number != 3 || d[1].Category != change.Normal || d[1].Against.Category != change.HighRisk {
		t.Errorf("differences are %+v", d)
	}
}

func TestRead(t *testing.T) {
	pulls, err := Read("a.jsonl", strings.NewReader(`{"repository": "acme/shop", "number": 1, "title": "x", "author_is_bot": true, "files": [{"path": "a", "previous_path": "b", "status": "renamed", "additions": 1, "deletions": 2}], "merged_at": "2026-01-01T00:00:00Z"}

not JSON
{"number": 2, "files": []}
{"repository": "acme/shop", "files": []}
{"repository": "acme/shop", "number": 3}
{"repository": "acme/shop", "number": 4, "files": [{"status": "added"}]}
{"repository": "acme/shop", "number": 5, "files": []} trailing
{"repository": "acme/shop", "number": 6, "files": []}`))
	want := []Pull{
		{"acme/shop", 1, "x", true, []change.File{{Path: "a", PreviousPath: "b", Status: change.FileRenamed, Additions: 1, Deletions: 2}}},
		{Repository: "acme/shop", Number: 6, Files: []change.File{}},
	}
	if diff := cmp.Diff(want, pulls); diff != "" {
		t.Error(diff)
	}
	var lines []int
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var le *LineError
		if !errors.As(e, &le) || le.File != "a.jsonl" {
			t.Fatalf("%v is not a LineError", e)
		}
		lines = append(lines, le.Line)
	}
	if diff := cmp.Diff([]int{3, 4, 5, 6, 7, 8}, lines); diff != "" {
		t.Error(diff)
	}
	if _, err := Read("b", strings.NewReader(strings.Repeat("x", maxLine+1))); err == nil || !strings.Contains(err.Error(), "b:1: the line is longer") {
		t.Errorf("a long line: %v", err)
	}
}

func BenchmarkClassify(b *testing.B) {
	p, err := policy.Parse(policies.DefaultSource, policies.Default())
	if err != nil {
		b.Fatal(err)
	}
	pr := pull(1, false, "app/models/user.rb", "config/routes.rb", "db/migrate/1.rb", "README.md")
	b.ReportAllocs()
	for b.Loop() {
		Classify(p, pr)
	}
}
