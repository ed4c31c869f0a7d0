package policy

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

const watched = `
version: 1
roles: {reviewer: {permission: write}, security: {teams: [security]}}
categories:
  normal: {record: []}
  standard: {when: {any: [{authors: ["renovate[bot]"], bumps_only: true}]}}
security_review:
  role: security
  triggers:
    dependencies: {new_dependencies: ["**/package.json", "requirements.txt", "**/*.list"]}
`

// TestManifestsThatAreRenamed: what becomes a manifest by its name lists nothing but new names, of which a diff shows few or none.
func TestManifestsThatAreRenamed(t *testing.T) {
	another := []string{"normal, waiting", "a diff that cannot be read"}
	play(t, watched, []scenario{
		{name: "a text", facts: pullRequest(rename("deps.txt", "requirements.txt"), authoredBy("renovate[bot]")), want: another},
		{name: "a manifest that was put aside", facts: pullRequest(rename("x/package.json.off", "package.json"), authoredBy("renovate[bot]")), want: another},
		{name: "a text of which a line is changed too", facts: pullRequest(patch("requirements.txt", " evil", "-x==1", "+x==2"), authoredBy("renovate[bot]"), theFile(func(f *change.File) {
			f.Status, f.PreviousPath = change.FileRenamed, "deps.txt"
		})), want: another},
		{name: "a manifest of another kind", facts: pullRequest(rename("bower.json", "package.json"), authoredBy("renovate[bot]")), want: another},
		{name: "one that only the policy knows", facts: pullRequest(rename("deps.txt", "deps.list"), authoredBy("renovate[bot]")), want: another},
		{name: "one that the policy does not look at", facts: pullRequest(rename("old/requirements.txt", "requirements.txt"), authoredBy("renovate[bot]")),
			want: []string{"normal, waiting", "a diff that cannot be read"}},
		{name: "a copy", facts: pullRequest(rename("a/package.json", "b/package.json"), authoredBy("renovate[bot]"), theFile(func(f *change.File) { f.Status = change.FileCopied })), want: another},
		{name: "a link", facts: pullRequest(patch("requirements.txt", "-x==1", "+x"), authoredBy("renovate[bot]"), theFile(func(f *change.File) { f.Mode = change.ModeSymlink })), want: another},
		{name: "a manifest in another folder", facts: pullRequest(rename("a/package.json", "b/package.json"), authoredBy("renovate[bot]")), want: []string{"normal, waiting"}, never: []string{"dependencies"}},
	})
}

// TestBumps: whatever is a manifest, to the policy alone too, changes versions only.
func TestBumps(t *testing.T) {
	by := authoredBy("renovate[bot]")
	play(t, watched, []scenario{
		{name: "a version", facts: pullRequest(patch("package.json", `-"x": "1.0.0"`, `+"x": "1.0.1"`), by), want: []string{"standard, waiting"}},
		{name: "a source", facts: pullRequest(patch("package.json", `-"x": "1.0.0"`, `+"x": "evil/x"`), by), want: []string{"normal, waiting"}},
		{name: "a version by an alias", facts: pullRequest(patch("libs.versions.toml", `-foo = "com.acme:foo:1.0"`, `+foo = "com.acme:foo:1.1"`), by), want: []string{"standard, waiting"}},
		{name: "another module by an alias", facts: pullRequest(patch("libs.versions.toml", `-foo = "com.acme:foo:1.0"`, `+foo = "com.evil:foo:1.0"`), by), want: []string{"normal, waiting"}},
		{name: "requirements by another name", facts: pullRequest(patch("dev-requirements.txt", "+evil==1"), by), want: []string{"normal, waiting"}},
		{name: "their version", facts: pullRequest(patch("dev-requirements.txt", "-x==1", "+x==2"), by), want: []string{"standard, waiting"}},
		{name: "in a manifest that only the policy knows", facts: pullRequest(patch("deps.list", "+evil 1"), by), want: []string{"normal, waiting"}},
		{name: "one that goes", facts: pullRequest(patch("constraints.txt", "-x==1"), theFile(func(f *change.File) { f.Status = change.FileRemoved }), by), want: []string{"normal, waiting"}},
		{name: "a lock file is none", facts: pullRequest(patch("go.sum", "+example.com/evil v1.0.0 h1:x="), by), want: []string{"standard, waiting"}},
	})
}

// TestDefaultKnowsManifests: the built-in policy looks for new dependencies in all manifests that are known, and in no others.
func TestDefaultKnowsManifests(t *testing.T) {
	text, err := os.ReadFile("../../policies/default.yml")
	if err != nil {
		t.Fatal(err)
	}
	var patterns []string
	for _, trigger := range mustParse(t, string(text)).Security.Triggers {
		if trigger.NewDependencies != nil {
			patterns = append(patterns, trigger.NewDependencies.Patterns()...)
		}
	}
	listed, err := NewGlobs(patterns, true)
	if err != nil {
		t.Fatal(err)
	}
	// files are names that a pattern matches.
	files := func(pattern string) []string {
		return expandBraces(strings.ReplaceAll(strings.TrimPrefix(pattern, "**/"), "*", "x"))
	}
	for _, kind := range manifestKinds {
		for _, file := range files(kind.pattern) {
			if listed.Find(file) < 0 {
				t.Errorf("the built-in policy does not look for new dependencies in %s", file)
			}
		}
	}
	for _, pattern := range patterns {
		for _, file := range files(pattern) {
			if manifestKind(file) < 0 {
				t.Errorf("the built-in policy looks for new dependencies in %s, which is no manifest that is known", file)
			}
		}
	}
}

// TestNestedManifests reads JSON that nests as no manifest does: what is kept of it stays small, and it is known where its end is.
func TestNestedManifests(t *testing.T) {
	const levels = 100_000
	section := ""
	names := jsonPairs(`{"`+strings.Repeat("k", levels)+`": {"scripts": {`+strings.Repeat(`{"a": [`, levels), &section)
	if len(section) > 200 || len(names) > 0 {
		t.Fatalf("%d bytes are kept of what is open, and %d names", len(section), len(names))
	}
	jsonPairs(strings.Repeat("]}", levels)+"}}", &section)
	if section != "\n" {
		t.Errorf("%q is open where the outermost object is", section)
	}
	for _, row := range []struct{ line, want string }{
		{`"scripts": {`, ""}, {strings.Repeat("[", 9) + `"a": "1.0.0"`, ""}, {strings.Repeat("]", 9), ""}, {`"b": "1.0.0"}`, ""},
		{`"dependencies": {` + strings.Repeat("[", 9) + strings.Repeat("]", 9), ""}, {`"c": "1.0.0"`, "c"},
	} {
		if got := strings.Join(jsonPairs(row.line, &section), " "); got != row.want {
			t.Errorf("%s: %q, want %q", row.line, got, row.want)
		}
	}
}

func BenchmarkManifests(b *testing.B) {
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "+\"a%d\": \"1.0.0\",\n-\"b%d\": \"1.0.0\",\n", i, i)
	}
	for name, lines := range map[string]string{"nested": "+" + strings.Repeat("[", 400_000), "many": many.String()} {
		f := change.File{Path: "package.json", Patch: "@@ -1,1 +1,1 @@\n" + lines}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				newDependencies(&f)
			}
		})
	}
}
