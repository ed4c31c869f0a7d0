package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// anyNewDependency returns the manifests in which a name appears that was not there before, and those whose diff cannot be read.
func (q *inquiry) anyNewDependency(manifests *Globs) []condition {
	var found, unread tally
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		if manifests.Find(f.Path) < 0 || f.Status == change.FileRemoved {
			continue
		}
		if names := newDependencies(f); len(names) > 0 {
			found.add(f.Path, names[0])
			continue
		}
		if !q.readable(f) {
			unread.add(f.Path, "")
		}
	}
	var out []condition
	if found.n > 0 {
		out = append(out, condition{
			rule:    change.Say(change.Words("a new dependency, "), change.Code(found.rule)),
			subject: change.Code(found.path), more: found.n - 1,
		})
	}
	if unread.n > 0 {
		out = append(out, condition{rule: change.Words("a diff that cannot be read"), subject: change.Code(unread.path), more: unread.n - 1})
	}
	return out
}

// matchBumps says whether the manifests among the files change nothing but versions. Without contents it stays unmeasured.
func (q *inquiry) matchBumps(r *Rule, _ change.Category) (condition, bool) {
	if !r.BumpsOnly {
		return condition{}, true
	}
	if q.measure == Everything {
		for i := range q.facts.Content.Files {
			f := &q.facts.Content.Files[i]
			if manifestKind(f.Path) == nil && manifestKind(f.PreviousPath) == nil || f.Status == change.FileRemoved {
				continue
			}
			if !q.readable(f) || len(newDependencies(f)) > 0 {
				return condition{}, false
			}
		}
	}
	return condition{rule: change.Code("bumps_only"), subject: change.Words("a change of versions")}, true
}

// manifest is a kind of file that lists dependencies: it returns the names on one line of it.
type manifest func(line string, section *string) []string

// manifestKind returns how to read a manifest by its name, nil if it is none that is known.
func manifestKind(path string) manifest {
	name := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	switch name {
	case "go.mod":
		return goMod
	case "package.json", "composer.json", "bower.json", "deno.json":
		return jsonPairs
	case "gemfile", "gems.rb", "podfile", "brewfile", "puppetfile", "cpanfile", "mix.exs":
		return quotedCall
	case "pyproject.toml", "cargo.toml", "pipfile", "libs.versions.toml", "setup.cfg", "environment.yml", "environment.yaml", "pubspec.yaml", "chart.yaml":
		return tomlPairs
	case "pom.xml":
		return mavenArtifact
	case "build.gradle", "build.gradle.kts", "build.sbt", "settings.gradle", "settings.gradle.kts", "setup.py", "package.swift", "deps.edn", "project.clj":
		return quotedCoordinates
	}
	switch {
	case strings.HasPrefix(name, "requirements") && strings.HasSuffix(name, ".txt"), strings.HasPrefix(name, "requirements") && strings.HasSuffix(name, ".in"),
		strings.HasPrefix(name, "constraints") && strings.HasSuffix(name, ".txt"):
		return requirement
	case strings.HasSuffix(name, ".gemspec"), strings.HasSuffix(name, ".podspec"):
		return quotedCall
	case strings.HasSuffix(name, ".csproj"), strings.HasSuffix(name, ".fsproj"), name == "directory.packages.props", name == "packages.config":
		return quotedCoordinates
	}
	return nil
}

// newDependencies returns the names that a change adds to a manifest and does not take away elsewhere in it, in the alphabet's order.
// It reads lines and not the format, because a diff has no more; where a line may name a dependency it does, and where a known one
// may come from a new place that place is a name too. What a manifest of unknown kind adds are its lines' first words.
func newDependencies(f *change.File) []string {
	names := manifestKind(f.Path)
	if names == nil {
		names = firstWord
	}
	var added, removed []string
	section := [2]string{}
	inHunk := false
	for line := range strings.Lines(f.Patch) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "@@") {
			inHunk, section = true, [2]string{}
			continue
		}
		if !inHunk || line == "" {
			continue
		}
		switch line[0] {
		case '+':
			added = append(append(added, names(line[1:], &section[1])...), sources(line[1:])...)
		case '-':
			removed = append(append(removed, names(line[1:], &section[0])...), sources(line[1:])...)
		case ' ':
			names(line[1:], &section[0])
			names(line[1:], &section[1])
		}
	}
	slices.Sort(added)
	return slices.DeleteFunc(slices.Compact(added), func(n string) bool { return slices.Contains(removed, n) })
}

var (
	goModule      = regexp.MustCompile(`^\s*(?:(?:require|tool)\s+)?\(?\s*"?([^\s"()]*[./][^\s"()]*)"?(?:\s+v[0-9]|\s*$)`)
	goReplacement = regexp.MustCompile(`=>\s*"?([^\s"]+)`)
	jsonPair      = regexp.MustCompile(`"((?:[^"\\]|\\.)+)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([{\[]))`)
	quotedFirst   = regexp.MustCompile(`^\s*\{?\s*:?[A-Za-z_.]*\s*\(?\s*["':]([^"',\s}]+)`)
	tomlPair      = regexp.MustCompile(`^\s*-?\s*"?([A-Za-z0-9_.@/-]+)"?\s*[=:]`)
	tomlTable     = regexp.MustCompile(`^\s*\[+\s*([^\]]+?)\s*\]`)
	quotedString  = regexp.MustCompile(`["']([^"'\s]+)[^"']*["']`)
	mavenName     = regexp.MustCompile(`<(?:artifactId|groupId)>\s*([^<\s]+)`)
	sourceURL     = regexp.MustCompile(`((?:[a-z][a-z0-9+.-]*://|git@)[^\s"'<>,;)#]+)`)
	sourceKey     = regexp.MustCompile(`["']?((?:npm|github|gitlab|bitbucket|gist|git|file|link|path|svn|hg)["']?\s*(?::|=>?)\s*["']?[^\s"',:=#@}/][^\s"',#@}]*)`)
	pythonName    = regexp.MustCompile(`^\s*(?:-e\s+|--editable\s+)?([A-Za-z0-9][^\s=<>!~;,\[#]*)`)
)

// sources returns the places that a line takes dependencies from: addresses, and what package managers write instead of a version.
func sources(line string) []string {
	if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//") {
		return nil
	}
	return append(submatches(sourceURL, line), submatches(sourceKey, line)...)
}

func goMod(line string, _ *string) []string {
	line, _, _ = strings.Cut(line, "//")
	if strings.Contains(line, "=>") {
		return submatches(goReplacement, line)
	}
	switch first, _, _ := strings.Cut(strings.TrimSpace(line), " "); first {
	case "module", "go", "toolchain", "exclude", "retract", "godebug":
		return nil
	}
	return submatches(goModule, line)
}

// jsonPairs returns the keys of pairs that may be a name and a version. In objects that are known to hold something else, such as the
// scripts, there are none.
func jsonPairs(line string, section *string) []string {
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "}") {
		*section = ""
	}
	var names []string
	for _, m := range jsonPair.FindAllStringSubmatch(line, -1) {
		key, value, opens := m[1], m[2], m[3]
		if opens != "" {
			// Only a line that does nothing but open an object says where the next lines are.
			if strings.HasSuffix(trimmed, opens) {
				*section = key
			}
			continue
		}
		switch *section {
		case "scripts", "engines", "repository", "bugs", "author", "license", "config", "funding", "files", "exports", "bin", "directories", "publishConfig":
			continue
		case "":
			switch key {
			case "name", "version", "description", "license", "main", "module", "types", "type", "homepage", "author", "private", "packageManager", "typings", "browser", "url", "email":
				continue
			}
			// Outside of any known object a value with a space that is no range of versions is somebody's script.
			if strings.Contains(value, " ") && !strings.ContainsAny(value, "<>=|^~*") {
				continue
			}
		}
		names = append(names, key)
	}
	return names
}

func quotedCall(line string, _ *string) []string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "source") || strings.HasPrefix(line, "ruby ") {
		return nil
	}
	return submatches(quotedFirst, line)
}

// tomlPairs returns a table's keys, and the names in its lists of strings.
func tomlPairs(line string, section *string) []string {
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "#") {
		return nil
	}
	if m := tomlTable.FindStringSubmatch(trimmed); m != nil && !strings.HasPrefix(trimmed, `["`) && !strings.HasPrefix(trimmed, "['") {
		*section = m[1]
		// [dependencies.name] is a dependency of its own.
		if i := strings.LastIndex(m[1], "dependencies."); i >= 0 {
			return []string{strings.Trim(m[1][i+len("dependencies."):], `"'`)}
		}
		return nil
	}
	if m := tomlPair.FindStringSubmatch(line); m != nil {
		switch m[1] {
		case "version", "name", "description", "edition", "authors", "readme", "license", "rust-version", "python", "requires-python", "features", "optional", "default-features", "rev", "tag", "branch":
			return nil
		}
		if !strings.Contains(line, "[") || strings.Contains(line, "{") {
			return []string{m[1]}
		}
	}
	var names []string
	for _, s := range submatches(quotedString, line) {
		names = append(names, submatches(pythonName, s)...)
	}
	return names
}

func mavenArtifact(line string, _ *string) []string { return submatches(mavenName, line) }

// quotedCoordinates returns the strings of a line without the version that they may end in.
func quotedCoordinates(line string, _ *string) []string {
	if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "#") {
		return nil
	}
	var names []string
	for _, s := range submatches(quotedString, line) {
		if parts := strings.Split(s, ":"); len(parts) >= 3 {
			s = strings.Join(parts[:2], ":")
		}
		if name := submatches(pythonName, s); len(name) > 0 && (name[0][0] < '0' || name[0][0] > '9') {
			names = append(names, name...)
		}
	}
	return names
}

func requirement(line string, _ *string) []string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "--hash") {
		return nil
	}
	if strings.HasPrefix(line, "-r") || strings.HasPrefix(line, "-c") || strings.HasPrefix(line, "-i") || strings.HasPrefix(line, "--") && !strings.HasPrefix(line, "--editable") {
		return []string{line} // another file or another index: names from elsewhere
	}
	names := submatches(pythonName, line)
	for i, n := range names {
		names[i] = strings.ToLower(strings.ReplaceAll(n, "_", "-"))
	}
	return names
}

func firstWord(line string, _ *string) []string {
	fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\"',:=<>(){}[];", r) })
	if len(fields) == 0 || strings.HasPrefix(strings.TrimSpace(line), "#") || strings.HasPrefix(strings.TrimSpace(line), "//") {
		return nil
	}
	return fields[:1]
}

// submatches returns the first group of every match.
func submatches(e *regexp.Regexp, s string) []string {
	var out []string
	for _, m := range e.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}
