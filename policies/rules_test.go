package policies_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReferenceStories holds the table of rules to what is there: every story and every test that it names exists, and it names every
// story.
func TestReferenceStories(t *testing.T) {
	source, err := os.ReadFile("../docs/policy-reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(source), "\n## Every rule and its story\n")
	table, _, _ = strings.Cut(table, "\n## ")
	stories := storiesThere(t)
	unnamed := maps.Clone(stories)
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || !strings.Contains(cells[2], "`") {
			continue
		}
		rows++
		for _, m := range span.FindAllStringSubmatch(cells[2], -1) {
			switch name := m[1]; {
			case isTest.MatchString(name):
				if !testExists(t, name) {
					t.Errorf("there is no test %s", name)
				}
			case stories[name]:
				delete(unnamed, name)
			default:
				t.Errorf("there is no story %s", name)
			}
		}
	}
	if rows == 0 {
		t.Fatal("the table was not found")
	}
	for _, name := range slices.Sorted(maps.Keys(unnamed)) {
		t.Errorf("no row names the story %s", name)
	}
}

var (
	span   = regexp.MustCompile("`([^`]+)`")
	isTest = regexp.MustCompile(`^(?:([a-z]+)\.)?(Test\w+)$`)
)

func storiesThere(t *testing.T) map[string]bool {
	files, err := filepath.Glob("../internal/scenario/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no stories: %v", err)
	}
	all := map[string]bool{}
	for _, file := range files {
		all[strings.TrimSuffix(filepath.Base(file), ".txt")] = true
	}
	return all
}

// testExists says whether there is such a test: TestX of internal/policy, or package.TestX.
func testExists(t *testing.T, name string) bool {
	m := isTest.FindStringSubmatch(name)
	dir := m[1]
	switch dir {
	case "":
		dir = "policy"
	case "siege":
		dir = "scenario/siege"
	}
	files, err := filepath.Glob("../internal/" + dir + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(source), "\nfunc "+m[2]+"(")
	})
}
