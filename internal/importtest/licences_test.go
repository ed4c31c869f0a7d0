package importtest

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of licences")

const licencesFile = "../../docs/licences.md"

const licencesHead = `# Licences

changegate is [Apache-2.0](../LICENSE). A program built of it, for Linux, macOS or Windows, links these modules beside Go's own library (BSD-3-Clause). Each licence
is told from all texts in the module, those of its tests' dependencies too, and a test fails when a module is missing here, has another licence than it says here, or has one that asks for more than its
notice be kept or, as MPL-2.0 does, that changes to the module's own files be given away. ` + "`go test ./internal/importtest -update`" + ` writes this list.

| module | version | licence |
|---|---|---|
`

// licences tells a licence by words that are in its text, or in the notice that says it applies, and in no other's. Blanks are folded.
var licences = []struct{ name, words string }{
	{"Apache-2.0", `Apache License,? Version 2\.0`},
	{"BSD-2-Clause", `(?is)Redistributions in binary form must reproduce`},
	{"BSD-3-Clause", `(?is)(?:Neither (?:the )?names? of|The names? of .{0,80} may not be used to endorse)`},
	{"ISC", `Permission to use, copy, modify, and/?(?:or)? distribute this software`},
	{"MIT", `Permission is hereby granted, free of charge, to any person obtaining a copy`},
	{"MPL-2.0", `(?i)Mozilla Public License,? version 2\.0`},
	{"public domain", `dedicated to the public domain by the authors`},
	{"not allowed", `GNU (?:LESSER |LIBRARY |AFFERO )?GENERAL PUBLIC LICENSE|(?i:Server Side Public License|Business Source License|Commons Clause|Elastic License|Functional Source License)`},
}

// licenceFile is the name of a file whose text is read; a picture's licence is not: no picture is linked.
var licenceFile = regexp.MustCompile(`(?i)^(?:licen[cs]e|copying|unlicen[cs]e)`)

type linkedModule struct{ Path, Version, Dir string }

// TestLicences holds the list of licences to what is linked, and what is linked to licences that ask for little.
func TestLicences(t *testing.T) {
	var want strings.Builder
	want.WriteString(licencesHead)
	for _, m := range linked(t) {
		fmt.Fprintf(&want, "| %s | %s | %s |\n", m.Path, m.Version, strings.Join(m.licences(t), ", "))
	}
	if *update {
		if err := os.WriteFile(licencesFile, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(licencesFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want.String() {
		return
	}
	listed := strings.Split(string(got), "\n")
	for line := range strings.Lines(want.String()) {
		if line = strings.TrimSuffix(line, "\n"); !slices.Contains(listed, line) {
			t.Errorf("%s lacks %q", licencesFile, line)
		}
	}
	t.Errorf("%s is not what is linked: look at what changed, and run go test ./internal/importtest -update", licencesFile)
}

// linked lists the modules that are linked into the program on any system that it is built for, by their paths.
func linked(t *testing.T) []linkedModule {
	t.Helper()
	// Read so that a cached result of this test is of these dependencies.
	if _, err := os.ReadFile("../../go.mod"); err != nil {
		t.Fatal(err)
	}
	all := map[string]linkedModule{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-deps", "-json=Module", module+"cmd/changegate")
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH=amd64")
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v", system, err)
		}
		for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
			var p struct {
				Module *struct {
					linkedModule
					Main    bool
					Replace *linkedModule
				}
			}
			if err := dec.Decode(&p); err != nil {
				t.Fatalf("reading go list: %v", err)
			}
			if p.Module == nil || p.Module.Main {
				continue
			}
			if p.Module.Replace != nil {
				t.Fatalf("%s is replaced: say here what its licence is", p.Module.Path)
			}
			all[p.Module.Path] = p.Module.linkedModule
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b linkedModule) int { return strings.Compare(a.Path, b.Path) })
}

// licences tells a module's licences from all its texts. It fails for a text that is none of those that are known and allowed.
func (m linkedModule) licences(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), "-LOGO") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		names := licencesOf(string(text))
		if len(names) == 0 || slices.Contains(names, "not allowed") {
			t.Errorf("%s %s has %s, which is not a licence that may be linked, or not one that is known here", m.Path, m.Version, e.Name())
		}
		all = append(all, names...)
	}
	if len(all) == 0 {
		t.Errorf("%s %s has no licence", m.Path, m.Version)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// licencesOf tells the licences whose texts a text holds.
func licencesOf(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var names []string
	for _, l := range licences {
		if regexp.MustCompile(l.words).MatchString(text) {
			names = append(names, l.name)
		}
	}
	// One text with the third clause holds the first two.
	if slices.Contains(names, "BSD-3-Clause") {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "BSD-2-Clause" })
	}
	return names
}

func TestLicencesAreTold(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Apache License\n   Version 2.0, January 2004", "Apache-2.0"},
		{"Licensed under the Apache License, Version 2.0 (the \"License\")", "Apache-2.0"},
		{"2. Redistributions in binary form must\n   reproduce the above", "BSD-2-Clause"},
		{"* Redistributions in binary form must reproduce the above\n* Neither the name of", "BSD-3-Clause"},
		{"2. Redistributions in binary form must reproduce the above\n3. Neither name of copyright holders", "BSD-3-Clause"},
		{"Permission is hereby granted, free of charge, to any person obtaining\na copy of", "MIT"},
		{"Permission to use, copy, modify, and distribute this software for any", "ISC"},
		{"Mozilla Public License Version 2.0\n1.12. means either the GNU General Public License, Version 2.0", "MPL-2.0"},
		{"                    GNU GENERAL PUBLIC LICENSE\n                       Version 3", "not allowed"},
		{"GNU AFFERO GENERAL PUBLIC LICENSE", "not allowed"},
		{"Permission is hereby granted, free of charge, to any person obtaining a copy … \"Commons Clause\" License Condition", "MIT, not allowed"},
		{"Business Source License 1.1", "not allowed"},
		{"All rights reserved.", ""},
	} {
		if got := strings.Join(licencesOf(tt.text), ", "); got != tt.want {
			t.Errorf("%q is told as %q, want %q", tt.text, got, tt.want)
		}
	}
}
