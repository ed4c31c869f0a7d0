package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/record"
)

// TestProblems reads files whose comments say what is wrong with their lines ("# ! message: mend", several with " ! "): nothing
// else may be reported, and nothing left out.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(file, text)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Parse = %v, want Problems", err)
			}
			want := map[int][]string{}
			for i, line := range strings.Split(string(text), "\n") {
				if _, comment, ok := strings.Cut(line, "# ! "); ok {
					want[i+1] = strings.Split(strings.TrimSpace(comment), " ! ")
				}
			}
			for _, p := range problems {
				said := p.Message + ": " + p.Mend
				found := false
				for i, w := range want[p.Line] {
					if strings.Contains(said, w) {
						want[p.Line] = append(want[p.Line][:i:i], want[p.Line][i+1:]...)
						found = true
						break
					}
				}
				if !found {
					t.Errorf("not expected: %v", p)
				}
				if p.Column < 1 || p.Mend == "" {
					t.Errorf("no column or no mend: %#v", p)
				}
			}
			for line, missing := range want {
				for _, w := range missing {
					t.Errorf("line %d: not reported: %s", line, w)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	rules := func(s string) string { return "version: 1\ncategories: {high-risk: {when: {any: [" + s + "]}}}\n" }
	tests := []struct{ name, policy, want string }{
		{"bytes", "version: 1\n#" + strings.Repeat("x", MaxBytes), "the file has more than 262144 bytes"},
		{"tokens", "version: 1\nbots: [" + many(MaxTokens, "a%d,") + "]", "names, values and marks"},
		{"patterns", rules("{paths: [" + many(MaxPatterns+1, "a%d,") + "]}"), "paths has 513 patterns"},
		{"alternatives", rules("{paths: ['" + strings.Repeat("{a,b}", 9) + "']}"), "too many alternatives"},
		{"all patterns, braces written out", rules(many(2, "{paths: ['"+strings.Repeat("{a,b}", 8)+strings.Repeat("c", 110)+"%d']},") +
			many(1, "{paths: ['"+strings.Repeat("{a,b}", 8)+strings.Repeat("d", 110)+"%d']}")), "come to more than 65536 bytes"},
		{"alternatives of checks", "version: 1\nchecks: [{none_failing: '" + strings.Repeat("{a,aa}", 40) + "b'}]", "too many alternatives"},
		{"the length of a pattern of checks", "version: 1\nchecks: [{none_failing: '" + strings.Repeat("?*", 300) + "'}]", "has 600 bytes"},
		{"branches", "version: 1\nbranches: [" + many(MaxBranches+1, "b%d,") + "]\n", "branches has 51 patterns"},
		{"rules", rules(many(MaxRules+1, "{labels: [a%d]},")), "high-risk has 101 rules"},
		{"environments", "version: 1\nenvironments: {" + many(MaxEnvironments+1, "e%d: {},") + "}", "there are 51 environments"},
		{"windows", "version: 1\nenvironments: {a: {hours: '" + many(MaxWindows, "Mon 09:%02d-10:00,") + "Mon 09:00-10:00'}}", "there are more than 50 times"},
		{"holidays", "version: 1\nenvironments: {a: {holidays: [" + many(MaxHolidays+1, "%d,") + "]}}", "there are 401 holidays"},
		{"freezes", "version: 1\nfreezes: [" + many(MaxFreezes+1, "{name: f%d},") + "]", "there are 51 freezes"},
		{"expressions", rules(many(MaxExpressions+1, "{expression: 'change.number > %d'},")), "more than 50 expressions"},
		{"the length of an expression", rules("{expression: '" + strings.Repeat("true || ", 600) + "true'}"), "has 4804 bytes"},
		{"regular expressions", "version: 1\nsecurity_review: {role: r, triggers: {a: {content: [" + many(MaxRegexps+1, "a%d,") + "]}}}", "more than 200 regular expressions"},
		{"the length of a regular expression", "version: 1\nsecurity_review: {role: r, triggers: {a: {content: [" + strings.Repeat("x", MaxRegexpBytes+1) + "]}}}", "has 1025 bytes"},
		{"the steps of a regular expression", "version: 1\nsecurity_review: {role: r, triggers: {a: {content: ['(x?.?){900}z']}}}", "more than 2000 steps"},
		{"the steps of a regular expression within another", "version: 1\nsecurity_review: {role: r, triggers: {a: {content: ['((x{5}|[yz]w){10}z{2,}){20}']}}}", "more than 2000 steps"},
		{"the steps of all", "version: 1\nsecurity_review: {role: r, triggers: {a: {content: [" + many(14, "'(x?.?){250}%d',") + "]}}}", "come to more than 20000 steps"},
		{"the length of a key", "version: 1\n" + strings.Repeat("x", 101) + ": 1", "not a short text"},
		{"dashes", "version: 1\nbots:\n  " + strings.Repeat("- ", 40) + "a", "nested too deeply"},
		{"not UTF-8", "version: 1\nbots: [\xff]", "not UTF-8"},
		{"a control character", "version: 1\nmode: \x1b[31menforce", "control character (U+001B)"},
		{"nothing", "", "the policy is empty"},
		{"only a comment", "# nothing\n", "the policy is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("test", []byte(tt.policy))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %.300v, want %q", err, tt.want)
			}
		})
	}
}

func mustParse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseExample(t *testing.T) {
	text, err := os.ReadFile("testdata/example.yml")
	if err != nil {
		t.Fatal(err)
	}
	p := mustParse(t, string(text))
	if p.Ref.Source != "test" || len(p.Ref.Digest) != 64 || p.Mode != Enforce {
		t.Errorf("ref %v, mode %v", p.Ref, p.Mode)
	}
	if got := p.Roles["incident"]; got.Permission != change.PermissionAdmin || len(got.Teams) != 1 {
		t.Errorf("incident is %+v", got)
	}
	high := p.Categories[change.HighRisk]
	if i, path := 0, "app/DB/migrate/1.rb"; high.When[i].Paths.Find(path) != 0 || high.When[i].Paths.Line(0) != 22 {
		t.Errorf("%s does not match the first pattern of line 22", path)
	}
	if diff := cmp.Diff(&Comparison{">", 1500}, high.When[2].ChangedLines); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Approvals{{"reviewer", 2, 27}, {"tech-lead", 1, 28}}, high.Approvals); diff != "" {
		t.Error(diff)
	}
	if high.Monitor != 2*time.Hour || high.Ships != "by-hand" || !high.SecurityReview || high.Unattributed != "block" {
		t.Errorf("high-risk is %+v", high)
	}
	standard := p.Categories[change.Standard]
	if standard.When[0].OnlyPaths.Find("README.MD") >= 0 || standard.When[0].OnlyPaths.Find("README.md") < 0 {
		t.Error("only_paths does not respect case")
	}
	if diff := cmp.Diff([]CheckRule{
		{Name: "build", App: "github-actions", Workflow: ".github/workflows/ci.yml", Line: 48},
		{NoneFailing: "ci/*", Line: 49},
	}, p.Checks); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, tr := range p.Security.Triggers {
		names = append(names, tr.Name)
	}
	if diff := cmp.Diff([]string{"authentication", "cryptography"}, names); diff != "" {
		t.Error(diff)
	}
	if len(p.Environments) != 2 || p.Environments[1].After != "staging" || p.Environments[1].Hours.Zone.String() != "Europe/Berlin" {
		t.Errorf("environments are %+v", p.Environments)
	}
	year, quarter := p.Freezes[0], p.Freezes[1]
	if want := time.Date(2027, 1, 5, 0, 0, 0, 0, time.UTC); !year.Until.Equal(want) {
		t.Errorf("the year ends at %v, want %v: the last day is frozen too", year.Until, want)
	}
	if quarter.Rule.String() != "FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1" || quarter.Lasts != 24*time.Hour || !quarter.Merging || len(quarter.Environments) != 0 {
		t.Errorf("the quarter is %+v", quarter)
	}
	if want := (Commands{Refresh: "reviewer", Reject: "tech-lead", Explain: "tech-lead", Line: p.Line["commands"]}); p.Commands != want || want.Line == 0 {
		t.Errorf("commands are %+v", p.Commands)
	}
	if len(p.Exceptions.Announce) != 1 || p.Exceptions.Line != p.Line["exceptions"] {
		t.Errorf("exceptions are %+v", p.Exceptions)
	}
	if p.Line["freezes"] == 0 || p.Line["version"] != 1 {
		t.Errorf("lines are %v", p.Line)
	}
}

func TestParseDefaults(t *testing.T) {
	p := mustParse(t, "version: 1")
	if p.Mode != Enforce || p.Suggestions != "count" || p.Emergency != nil || p.Security != nil {
		t.Errorf("the policy is %+v", p)
	}
	want := map[change.Category]*Category{
		change.HighRisk: {
			Category: change.HighRisk, Approvals: []Approvals{{Role: "reviewer", Count: 2}, {Role: "tech-lead", Count: 1}},
			Record: []string{"description", "risk", "rollback", "testing", "security"}, Ships: "by-hand", Monitor: 2 * time.Hour, Unattributed: "block",
		},
		change.Normal: {
			Category: change.Normal, Approvals: []Approvals{{Role: "reviewer", Count: 1}},
			Record: []string{"description", "risk", "rollback", "testing"}, Ships: "after-staging", Monitor: 30 * time.Minute, Unattributed: "warn",
		},
		change.Standard: {
			Category: change.Standard, Approvals: []Approvals{{Role: "reviewer", Count: 1}},
			Record: []string{}, Ships: "automatically", Monitor: 30 * time.Minute, Unattributed: "warn",
		},
	}
	if diff := cmp.Diff(want, p.Categories); diff != "" {
		t.Error(diff)
	}
	if p.Roles["reviewer"].Permission != change.PermissionWrite || p.Roles["tech-lead"].Permission != change.PermissionMaintain {
		t.Errorf("roles are %v", p.Roles)
	}
	p = mustParse(t, "version: 1\nroles: {s: {permission: admin}}\nsecurity_review: {role: s}\nemergency: {declared_by: s}")
	if !p.Categories[change.HighRisk].SecurityReview || p.Categories[change.Normal].SecurityReview {
		t.Error("high-risk alone always has a security review")
	}
	e := p.Emergency
	if e.Label != "EMERGENCY" || e.Within != 24*time.Hour || len(e.Approvals) != 1 || len(e.Record) != 1 || e.Line != 4 {
		t.Errorf("emergency is %+v", e)
	}
}

// TestNamedRolesAreDefined: a role that the file names must be defined in it, even where a default would know it.
func TestNamedRolesAreDefined(t *testing.T) {
	if _, err := Parse("test", []byte("version: 1\ncategories: {normal: {approvals: [{role: reviewer}]}}")); err == nil {
		t.Error("an undefined role is accepted")
	}
}

func TestFields(t *testing.T) {
	p := mustParse(t, `version: 1
record:
  rollback: {headings: [Undo], na: true}
  downtime: {type: choice, of: [none, hours], required_in: [high-risk]}
  data_migration: {title: Data}
  Overview: {}
`)
	byName := map[string]*Field{}
	var order []string
	for _, f := range p.Fields {
		byName[f.Name] = f
		order = append(order, f.Name)
	}
	if diff := cmp.Diff([]string{"description", "risk", "rollback", "testing", "security", "justification", "scheduled", "downtime", "data_migration", "Overview"}, order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&Field{Name: "rollback", Title: "Rollback plan", Headings: []string{"Undo"}, Type: FieldText, NA: true, Line: 3}, byName["rollback"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&Field{Name: "downtime", Title: "Downtime", Headings: []string{"Downtime"}, Type: FieldChoice, Of: []string{"none", "hours"},
		RequiredIn: []change.Category{change.HighRisk}, Line: 4}, byName["downtime"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Data", "Data migration"}, byName["data_migration"].Headings); diff != "" {
		t.Error(diff)
	}
	for _, h := range byName["description"].Headings {
		if strings.EqualFold(h, "overview") {
			t.Error("a heading that the file gives to a field of its own still introduces a standard one")
		}
	}
}

// TestStandardHeadings: no heading introduces two of the standard fields.
func TestStandardHeadings(t *testing.T) {
	seen := map[string]string{}
	for _, f := range standardFields() {
		for _, h := range f.Headings {
			if other, ok := seen[record.Key(h)]; ok && other != f.Name {
				t.Errorf("%q introduces %s and %s", h, other, f.Name)
			}
			seen[record.Key(h)] = f.Name
		}
	}
}

// Headings are told apart as they are where a description is read: not by case, punctuation and numbers.
func TestHeadingsOfOnesOwn(t *testing.T) {
	const normal = "categories: {normal: {approvals: [], record: []}}\n"
	play(t, "", []scenario{
		{name: "taken from a built-in field", policy: "version: 1\nrecord: {back_out_plan: {required_in: [normal]}}\n" + normal,
			facts: pullRequest(files("a.go"), body("## Back out plan\nRevert.\n")), want: []string{"normal, satisfied", "met Back out plan present"}},
		{name: "and from one that the file changes otherwise", policy: "version: 1\nrecord: {rollback: {required_in: [normal]}, back_out_plan: {required_in: [normal]}}\n" + normal,
			facts: pullRequest(files("a.go"), body("## 2. Back-out plan:\nRevert.\n")), want: []string{"normal, failing", "met Back out plan present", "missing Rollback plan"}},
	})
	for _, fields := range []string{"Data-migration: {}, Data migration: {}", "a: {headings: [1. Data]}, b: {headings: [data!]}", "a: {headings: [Roll back]}, rollback: {headings: [Roll-back]}"} {
		_, err := Parse("test", []byte("version: 1\nrecord: {"+fields+"}\n"))
		if err == nil || !strings.Contains(err.Error(), "introduces both") {
			t.Errorf("%s: %v", fields, err)
		}
	}
}

func TestParseAcceptsOtherForms(t *testing.T) {
	for _, text := range []string{
		"\ufeffversion: 1\r\nmode: observe\r\n",
		"---\nversion: 1\n",
		"version: 1\ncategories:\n  high-risk:\n    when:\n      any:\n        - expression: |\n            change.draft\n            || change.fork\n",
		"version: 1\nenvironments: {a: {hours: 'Mon-Thu 09:00-17:00, Fri 00:00-24:00'}}\nfreezes: [{name: a, from: 2026-12-18 17:00, until: 2026-12-19T06:00:00+01:00}]",
		`{"version": 1, "mode": "observe"}`,
	} {
		if _, err := Parse("test", []byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"high-risk", "normal", "standard", "changed_lines", "only_paths"}
	for given, want := range map[string]string{
		"high": "high-risk", "nromal": "normal", "changed-lines": "changed_lines", "onlypaths": "only_paths", "Standard": "standard", "zzz": "", "x": "",
	} {
		if got := nearest(given, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", given, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yml", "testdata/problems/*.yml", "../../policies/*.yml", "../../policies/examples/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("fuzz", text)
		var problems Problems
		switch {
		case err == nil:
			for _, c := range []change.Category{change.HighRisk, change.Normal, change.Standard} {
				if p.Categories[c] == nil {
					t.Errorf("no category %v", c)
				}
			}
		case !errors.As(err, &problems) || len(problems) == 0:
			t.Errorf("the error is %T %v", err, err)
		}
		for _, p := range Lint("fuzz", text, lintedAt) {
			if p.Message == "" || p.Mend == "" || strings.Contains(p.Message+p.Mend, "\n") {
				t.Errorf("a problem without words, or of several lines: %#v", p)
			}
		}
	})
}
