// Package docs_test holds what the documents say to what is there.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	span   = regexp.MustCompile("`([^`]+)`")
	isTest = regexp.MustCompile(`^([a-z]+)\.((?:Test|Fuzz)\w+)$`)
	// homes are the packages of tests that are not in a directory of internal of their own.
	homes = map[string]string{"siege": "scenario/siege", "soak": "scenario/soak"}
)

// TestThreatModel holds the threat model to what is there: each threat says what stops it, and names tests and stories that exist.
func TestThreatModel(t *testing.T) {
	_, model, _ := strings.Cut(read(t, "security.md"), "\n## Threat model\n")
	model, _, _ = strings.Cut(model, "\n### ")
	rows := 0
	for line := range strings.Lines(model) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.HasPrefix(cells[1], " **") || cells[1] == " threat " {
			continue
		}
		rows++
		threat, stopped, named := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), span.FindAllStringSubmatch(cells[3], -1)
		if stopped == "" || len(named) == 0 {
			t.Errorf("%s: it is not said what stops it, or what shows that", threat)
		}
		for _, m := range named {
			if !exists(t, m[1]) {
				t.Errorf("%s: there is no test or story %s", threat, m[1])
			}
		}
	}
	if rows < 30 {
		t.Errorf("the table has %d threats: it was not found, or not read", rows)
	}
	for _, m := range span.FindAllStringSubmatch(read(t, "security.md"), -1) {
		if isTest.MatchString(m[1]) && !exists(t, m[1]) {
			t.Errorf("there is no test %s", m[1])
		}
	}
}

// exists says whether there is such a story, or such a test: package.TestX.
func exists(t *testing.T, name string) bool {
	m := isTest.FindStringSubmatch(name)
	if m == nil {
		_, err := os.Stat("../internal/scenario/testdata/" + name + ".txt")
		return err == nil
	}
	dir, ok := homes[m[1]]
	if !ok {
		dir = m[1]
	}
	files, err := filepath.Glob("../internal/" + dir + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		return strings.Contains(read(t, file), "\nfunc "+m[2]+"(")
	})
}

// code is a function, a method or a type, as package.Name or package.Type.Name.
var code = regexp.MustCompile(`^([a-z]+)\.(?:([A-Z]\w+)\.)?(\w+)$`)

// TestDesign holds the design to the packages that there are, and to what it names in them.
func TestDesign(t *testing.T) {
	design := prose(read(t, "design.md"))
	table := regexp.MustCompile("(?m)^\\| (`[^|]+) \\|").FindAllStringSubmatch(design, -1)
	listed := map[string]bool{}
	for _, row := range table {
		for _, m := range span.FindAllStringSubmatch(row[1], -1) {
			if name := m[1]; !strings.HasSuffix(name, "/") {
				listed[name] = true
			}
		}
	}
	dirs, err := filepath.Glob("../internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if !listed[filepath.Base(dir)] {
			t.Errorf("the design does not list the package %s", filepath.Base(dir))
		}
		delete(listed, filepath.Base(dir))
	}
	for name := range listed {
		t.Errorf("the design lists a package %s, which there is not", name)
	}
	found := 0
	for _, m := range span.FindAllStringSubmatch(design, -1) {
		if name := code.FindStringSubmatch(m[1]); name != nil {
			if found++; !declares(t, name[1], name[2], name[3]) {
				t.Errorf("there is no %s", m[1])
			}
		}
	}
	if found < 15 {
		t.Errorf("the design names %d functions: they were not found", found)
	}
}

// declares says whether a package has a function or a type of that name, or a method if its type is given.
func declares(t *testing.T, pkg, receiver, name string) bool {
	files, err := filepath.Glob("../internal/" + pkg + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^(func ` + name + `[(\[]|type ` + name + `\b)`)
	if receiver != "" {
		declaration = regexp.MustCompile(`(?m)^func \(\w+ \*?` + receiver + `\) ` + name + `\(`)
	}
	return slices.ContainsFunc(files, func(file string) bool { return declaration.MatchString(read(t, file)) })
}

// link is [text](target); links out of the repository are not looked at.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows every link between the documents to its file and its heading.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, file := range append(files, top...) {
		for _, m := range link.FindAllStringSubmatch(prose(read(t, file)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			path, anchor, _ := strings.Cut(m[1], "#")
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: the link to %s: %v", file, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s: the link to %s: there is no such heading", file, m[1])
			}
		}
	}
	if followed == 0 {
		t.Error("no link was found")
	}
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// prose is a document without its examples, in which nothing is a link or a heading.
func prose(text string) string { return fenced.ReplaceAllString(text, "") }

// anchors are the names that GitHub gives a document's headings: those that are alike are numbered.
func anchors(text string) []string {
	var all []string
	seen := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(prose(text), -1) {
		name := strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if n := seen[name]; n > 0 {
			all = append(all, name+"-"+strconv.Itoa(n))
		} else {
			all = append(all, name)
		}
		seen[name]++
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
