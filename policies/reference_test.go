package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/policytest"
	"github.com/changegate/changegate/internal/report"
	"github.com/changegate/changegate/policies"
)

// block is a fenced block of the policy reference.
type block struct {
	file string // from a comment before it: <!-- file: NAME -->
	info string // what follows the opening fence
	text string
	line int
}

var fileComment = regexp.MustCompile(`^<!-- file: (\S+) -->$`)

// reference returns the policy reference with its blocks.
func reference(t *testing.T) (text string, blocks []block) {
	t.Helper()
	source, err := os.ReadFile("../docs/policy-reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	file := ""
	for i, line := range strings.Split(string(source), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{file: file, info: info, line: i + 1}
			file = ""
		case fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case fileComment.MatchString(line):
			file = fileComment.FindStringSubmatch(line)[1]
		}
	}
	if open != nil {
		t.Fatalf("the block of line %d is not closed", open.line)
	}
	return string(source), blocks
}

// around are the top-level keys that make a whole policy of one that the reference shows in part.
var around = map[string]string{
	"version":         "version: 1\n",
	"roles":           "roles: {reviewer: {permission: write}, tech-lead: {teams: [tech-leads]}, security: {teams: [security]}, incident: {teams: [on-call]}}\n",
	"security_review": "security_review: {role: security}\n",
}

// writtenAt is before what the reference says of days to come.
var writtenAt = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// TestReferencePolicies reads every policy of the reference: whole ones lint without a warning, and parts of one parse.
func TestReferencePolicies(t *testing.T) {
	_, blocks := reference(t)
	whole, parts := 0, 0
	for _, b := range blocks {
		place := fmt.Sprintf("the block of line %d", b.line)
		switch b.info {
		case "yaml policy":
			whole++
			if _, err := policy.Parse(place, []byte(b.text)); err != nil {
				t.Errorf("%s: %v", place, err)
			}
			if problems := policy.Lint(place, []byte(b.text), writtenAt); len(problems) > 0 {
				t.Errorf("%s: %v", place, problems)
			}
		case "yaml":
			parts++
			text := b.text
			for _, key := range slices.Sorted(maps.Keys(around)) {
				if !strings.Contains("\n"+b.text, "\n"+key+":") {
					text += around[key]
				}
			}
			if _, err := policy.Parse(place, []byte(text)); err != nil {
				t.Errorf("%s: %v", place, err)
			}
		case "yaml wrong", "yaml doubtful", "yaml tests", "json", "console", "sh", "":
		default:
			t.Errorf("%s: nobody knows what a block of %q is", place, b.info)
		}
	}
	if whole == 0 || parts == 0 {
		t.Errorf("there are %d whole policies and %d parts", whole, parts)
	}
}

// TestReferenceOutput runs what the reference shows to be typed, on the files that it shows.
func TestReferenceOutput(t *testing.T) {
	_, blocks := reference(t)
	files := map[string]string{}
	for _, b := range blocks {
		if b.file != "" {
			files[b.file] = b.text
		}
	}
	ran := 0
	for _, b := range blocks {
		if b.info != "console" {
			continue
		}
		typed, want, _ := strings.Cut(b.text, "\n")
		args := strings.Fields(strings.TrimPrefix(typed, "$ changegate policy "))
		var got string
		switch {
		case slices.Equal(args, []string{"lint"}):
			got = lint(".github/change-policy.yml", files)
		case len(args) == 2 && args[0] == "lint":
			got = lint(args[1], files)
		case len(args) == 5 && args[0] == "explain" && args[1] == "--facts" && args[3] == "--policy":
			got = explain(t, files[args[2]], args[4], files)
		case slices.Equal(args, []string{"test", "-v"}):
			got = runTests(t, ".github/change-policy_test.yml", files, true)
		case len(args) == 2 && args[0] == "test":
			got = runTests(t, args[1], files, false)
		default:
			t.Errorf("line %d: nobody knows how to run %q", b.line, typed)
			continue
		}
		ran++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("line %d: %s: the reference (-) and the output (+):\n%s", b.line, typed, diff)
		}
	}
	if ran < 5 {
		t.Errorf("%d outputs were found", ran)
	}
}

func lint(file string, files map[string]string) string {
	problems := policy.Lint(file, []byte(files[file]), writtenAt)
	if len(problems) == 0 {
		return file + ": no problems\n"
	}
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s: %s\n", file, p.Line, p.Column, p.Severity, p.Message, p.Mend)
	}
	return b.String()
}

func explain(t *testing.T, text, file string, files map[string]string) string {
	t.Helper()
	p, err := policy.Parse(file, []byte(files[file]))
	if err != nil {
		t.Fatal(err)
	}
	var facts change.Facts
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&facts); err != nil {
		t.Fatalf("the facts: %v", err)
	}
	facts.Governed = p.Governs(facts.Repository, facts.Pull.Base.Name)
	d := p.Decide(facts)
	var b strings.Builder
	b.WriteString(report.Terminal(d) + "\nWould be done on GitHub:\n")
	for _, e := range plan.Decided(d, map[change.PullKey][]change.Ask{d.Pull: d.Asks}, plan.Present{Now: facts.Now}, report.Render) {
		b.WriteString("  " + e.String() + "\n")
	}
	return b.String()
}

func runTests(t *testing.T, file string, files map[string]string, atLength bool) string {
	t.Helper()
	tests, err := policytest.Read([]byte(files[file]))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	tested := path.Join(path.Dir(file), tests.Policy.Name)
	p, err := policy.Parse(tested, []byte(files[tested]))
	if err != nil {
		t.Fatal(err)
	}
	results, err := tests.Run(p)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return strings.Join(policytest.Lines(file, results, atLength), "\n") + "\n"
}

// TestReferenceIsWhole: the reference names every key that the schema knows, every value that a key can have, and every field of an
// expression.
func TestReferenceIsWhole(t *testing.T) {
	text, _ := reference(t)
	var schema any
	if err := json.Unmarshal(policies.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	collect(schema, names)
	if len(names) < 70 {
		t.Fatalf("the schema has only the keys %v", slices.Sorted(maps.Keys(names)))
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[policy.ExpressionChange](), reflect.TypeFor[policy.ExpressionAuthor](), reflect.TypeFor[policy.ExpressionFile](),
		reflect.TypeFor[policy.ExpressionCommit](),
	} {
		for i := range of.NumField() {
			names[of.Field(i).Tag.Get("cel")] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%q is not mentioned", name)
		}
	}
}

// collect gathers the names of a schema's properties, and the words that they can be.
func collect(schema any, names map[string]bool) {
	switch s := schema.(type) {
	case map[string]any:
		if properties, ok := s["properties"].(map[string]any); ok {
			for name := range properties {
				names[name] = true
			}
		}
		if words, ok := s["enum"].([]any); ok {
			for _, word := range words {
				if word, ok := word.(string); ok {
					names[word] = true
				}
			}
		}
		for _, v := range s {
			collect(v, names)
		}
	case []any:
		for _, v := range s {
			collect(v, names)
		}
	}
}

// TestReferenceLimits holds the table of limits to the code.
func TestReferenceLimits(t *testing.T) {
	text, _ := reference(t)
	for what, most := range map[string]string{
		"Bytes of the file":                     thousands(policy.MaxBytes),
		"Names, values and marks":               thousands(policy.MaxTokens),
		"Rules in one category":                 thousands(policy.MaxRules),
		"Patterns in one list":                  thousands(policy.MaxPatterns),
		"Bytes of one pattern":                  thousands(policy.MaxPatternBytes),
		"Regular expressions":                   thousands(policy.MaxRegexps),
		"Bytes of one regular expression":       thousands(policy.MaxRegexpBytes),
		"Expressions":                           thousands(policy.MaxExpressions),
		"Bytes of one expression":               thousands(policy.MaxExpressionBytes),
		"People of one role in one requirement": thousands(policy.MaxRequiredPeople),
	} {
		if row := fmt.Sprintf("| %s | %s |", what, most); !strings.Contains(text, row) {
			t.Errorf("there is no row %q", row)
		}
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// TestReferenceRecord: the reference lists the built-in sections with all of their headings, in order.
func TestReferenceRecord(t *testing.T) {
	text, _ := reference(t)
	p, err := policy.Parse("nothing", []byte("version: 1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Fields {
		row := regexp.MustCompile(`(?m)^\| ` + "`" + f.Name + "`" + ` \| ` + string(f.Type) + `[^|]*\| [a-z]+ \| ` + regexp.QuoteMeta(strings.Join(f.Headings, ", ")) + ` \|$`)
		if !row.MatchString(text) {
			t.Errorf("there is no row %s", row)
		}
	}
}
