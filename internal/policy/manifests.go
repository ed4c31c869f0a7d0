package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// manifest reads one line of a file that lists dependencies: it returns the names on it. Section is what it keeps from line to line, empty
// at the start of a hunk.
type manifest func(line string, section *string) []string

// manifestKinds are the manifests that are known, by name in any case of letters. The built-in policy looks at all of them for new
// dependencies.
var manifestKinds = [...]struct {
	pattern  string
	names    manifest
	versions versions
}{
	{"**/go.mod", goMod, versions{bare: bareModule}},
	{"**/package.json", jsonPairs, versions{}},
	{"**/bower.json", jsonPairs, versions{}},
	{"**/deno.json", jsonPairs, versions{}},
	{"**/composer.json", jsonPairs, versions{}},
	{"**/{Gemfile,gems.rb,*.gemspec}", quotedCall, versions{code: true}},
	{"**/{Podfile,*.podspec}", quotedCall, versions{code: true}},
	{"**/Brewfile", quotedCall, versions{code: true}},
	{"**/Puppetfile", quotedCall, versions{code: true}},
	{"**/cpanfile", quotedCall, versions{code: true}},
	{"**/mix.exs", elixirCall, versions{code: true}},
	{"**/pyproject.toml", tomlPairs, versions{}},
	{"**/Pipfile", tomlPairs, versions{}},
	{"**/{*requirements*,requirements/*,constraints*}.{txt,in}", requirement, versions{bare: bareRequirement}},
	{"**/setup.cfg", setupConfig, versions{bare: bareSetting}},
	{"**/setup.py", quotedCoordinates, versions{code: true}},
	{"**/environment.{yml,yaml}", condaList, versions{bare: bareRequirement}},
	{"**/Cargo.toml", tomlPairs, versions{}},
	{"**/libs.versions.toml", versionCatalog, versions{}},
	{"**/{build,settings}.gradle{,.kts}", quotedCoordinates, versions{code: true}},
	{"**/build.sbt", quotedCoordinates, versions{code: true}},
	{"**/pom.xml", mavenArtifact, versions{bare: bareElement}},
	{"**/deps.edn", clojureSymbols, versions{}},
	{"**/project.clj", clojureSymbols, versions{}},
	{"**/Package.swift", quotedCoordinates, versions{code: true}},
	{"**/pubspec.yaml", tomlPairs, versions{bare: bareKey}},
	{"**/Chart.yaml", helmChart, versions{bare: bareKey}},
	{"**/{*.csproj,*.fsproj,Directory.Packages.props,packages.config}", quotedCoordinates, versions{bare: bareElement}},
}

// manifestNames is built on first use.
var manifestNames = sync.OnceValue(func() *Globs {
	patterns := make([]string, len(manifestKinds))
	for i, k := range manifestKinds {
		patterns[i] = k.pattern
	}
	names, err := NewGlobs(patterns, true)
	if err != nil {
		panic(err) // the patterns are those above
	}
	return names
})

// manifestKind returns which of the manifests that are known a file is by its name, -1 if it is none.
func manifestKind(path string) int { return manifestNames().Find(path) }

var (
	goModule        = regexp.MustCompile(`^\s*(?:(?:require|tool)\s+)?\(?\s*"?([^\s"()]*[./\\][^\s"()]*)"?(?:\s+v[0-9]|\s*$)`)
	goReplacement   = regexp.MustCompile(`=>\s*"?([^\s"]+)`)
	jsonToken       = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"(\s*:)?|//.*|[{}\[\]]`)
	quotedFirst     = regexp.MustCompile(`^\s*\{?\s*:?[A-Za-z_.]*\s*\(?\s*["':]([^"',\s}]+)`)
	callAnywhere    = regexp.MustCompile(`\b(?:gem|pod|brew|cask|tap)\b\s*\(?\s*["']([^"',\s]+)`)
	tupleFirst      = regexp.MustCompile(`\{\s*:(\w+)\s*,`)
	keywordRange    = regexp.MustCompile(`(?:^|[\[,])\s*(\w+):\s*"\s*(?:[~<>=!]|\d)`)
	wordList        = regexp.MustCompile(`%[wWiIqQ]?[\[({<|!]([^\])}>|!]*)`)
	wordBeforeArrow = regexp.MustCompile(`\b(?:\w+_)?(?:requires|recommends|suggests)\s+([\w:]+)\s*=>`)
	tomlPair        = regexp.MustCompile(`^\s*-?\s*"?([A-Za-z0-9_.@/-]+)"?\s*[=:]`)
	tomlTable       = regexp.MustCompile(`^\s*\[+\s*([^\]]+?)\s*\]`)
	tomlQuotedTable = regexp.MustCompile(`^\[\s*["'][^"']+["'](?:\s*\.\s*["']?[\w-]+["']?)+\s*\]`)
	tomlInner       = regexp.MustCompile(`(?:^\{|,)\s*["']?([A-Za-z0-9_.-]+)["']?\s*[=:]`)
	quotedString    = regexp.MustCompile(`["']([^"'\s]+)[^"']*["']`)
	anyString       = regexp.MustCompile(`"([^"]*)"|'([^']*)'`)
	coordinate      = regexp.MustCompile(`^\s*([A-Za-z0-9$\\][^\s=<>!~;,\[#]*)`)
	mavenName       = regexp.MustCompile(`<(?:artifactId|groupId)(?:\s[^<>]*)?>\s*([^<\s]+)`)
	mavenOpen       = regexp.MustCompile(`(<(?:artifactId|groupId)(?:\s[^<>]*)?>?)\s*(?:$|<!)`)
	sourceURL       = regexp.MustCompile(`((?i:[a-z][a-z0-9+.-]*://|[\w.-]+@[\w-]+(?:\.[\w-]+)+:)[^\s"'<>,;)#]+)`)
	sourceKey       = regexp.MustCompile(`["']?((?:npm|jsr|github|gitlab|bitbucket|gist|sourcehut|git|file|link|portal|path|svn|hg)["']?\s*(?::|=>?)\s*["']?@?[^\s"',:=#@}/][^\s"',#@}]*)`)
	gitHubShort     = regexp.MustCompile(`^([\w.-]+/[\w.-]+)(?:#.*)?$`)
	// versionLike is what npm takes for a version: a range, a tag that is common, or a workspace's own.
	versionLike  = regexp.MustCompile(`^(?:[\^~<>=v\s]*\d+(?:\.[\dxX*]+)*(?:[-+].*|\s+[-<>=~^|\d].*)?|\*|x|latest|next|beta|alpha|canary|(?:workspace|catalog):.*)$`)
	codeFile     = regexp.MustCompile(`\.(?:[cm]?[jt]sx?|json|node|css)$`)
	tomlPackage  = regexp.MustCompile(`(?:^|[{,])\s*package\s*=\s*["']([^"']+)`)
	tomlIndex    = regexp.MustCompile(`(?:^|[{,])\s*((?:registry|registry-index|index|source)\s*=\s*["'][^"']+)`)
	catalogName  = regexp.MustCompile(`(?:^|[{,])\s*(?:module|group|name|id)\s*=\s*["']([^"']+)`)
	catalogShort = regexp.MustCompile(`^\s*[\w.-]+\s*=\s*["']([^"'\s]+):[^"':]*["']`)
	yamlKey      = regexp.MustCompile(`^\s*["']?([\w.-]+)["']?\s*:(?:\s+(.*))?$`)
	chartName    = regexp.MustCompile(`(?:^[\s-]+|[{,]\s*)["']?(?:name|repository)["']?\s*:\s*["']?([^"'\s,}#]+)`)
	chartOpen    = regexp.MustCompile(`(?:^[\s-]+|[{,]\s*)["']?((?:name|repository)["']?\s*:)\s*(?:[|>][\d+-]*)?\s*(?:#.*)?$`)
	lispString   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)
	lispPlace    = regexp.MustCompile(`:(?:local/root|git/url)\s+"([^"]+)"`)
	pythonName   = regexp.MustCompile(`^\s*(?:-e\s+|--editable\s+)?([A-Za-z0-9][^\s=<>!~;,\[#]*)`)
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

// jsonPairs returns the keys of pairs that may be a name and a version, and the repositories on GitHub that stand for a version. In objects
// that are known to hold something else, such as the scripts, and in what is inside of them, there are none. Section is what opened returns.
func jsonPairs(line string, section *string) []string {
	var names []string
	key := "" // the last one, as long as its value is to come
	for _, m := range jsonToken.FindAllStringSubmatch(line, -1) {
		switch text, isString, isKey := m[1], strings.HasPrefix(m[0], `"`), m[2] != ""; {
		case isKey:
			key = text
		case isString && key != "":
			names = append(names, jsonNames(*section, key, text)...)
			key = ""
		case m[0] == "{", m[0] == "[":
			*section = opened(*section, key)
			key = ""
		case m[0] == "}", m[0] == "]":
			*section = closed(*section)
		}
	}
	trimmed := strings.TrimSpace(line)
	if key != "" && strings.HasSuffix(trimmed, ":") && !inKnownObject(*section) { // its value is on another line
		names = append(names, key)
	}
	if strings.HasPrefix(trimmed, ":") && !inKnownObject(*section) { // its key is on another line
		names = append(names, trimmed)
	}
	return names
}

// What is kept of the objects and lists that are open, so that each costs the same however many there are: more than anything asks for.
const (
	maxOpen    = 4
	maxOpenKey = 32
)

// opened returns a section with one more object or list: their keys, each with a line end behind it, and how many more are open in these.
func opened(section, key string) string {
	keys, more := splitSection(section)
	if strings.Count(keys, "\n") < maxOpen {
		return keys + change.Shorten(key, maxOpenKey) + "\n"
	}
	return keys + strconv.Itoa(more+1)
}

// closed returns a section without the last that was opened.
func closed(section string) string {
	switch keys, more := splitSection(section); more {
	case 0:
		return keys[:strings.LastIndexByte(strings.TrimSuffix(keys, "\n"), '\n')+1]
	case 1:
		return keys
	default:
		return keys + strconv.Itoa(more-1)
	}
}

func splitSection(section string) (keys string, more int) {
	end := strings.LastIndexByte(section, '\n') + 1
	more, _ = strconv.Atoi(section[end:])
	return section[:end], more
}

// inKnownObject says whether the first of the objects that are open, but for the whole, is known to hold no dependencies. One inside of another
// may be a package of that name.
func inKnownObject(section string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(section, "\n"), "\n")
	switch name {
	case "scripts", "engines", "repository", "bugs", "author", "license", "config", "funding", "files", "exports", "bin", "directories", "publishConfig":
		return true
	}
	return false
}

// jsonNames returns what a pair in the objects that are open may name.
func jsonNames(section, key, value string) []string {
	if inKnownObject(section) {
		return nil
	}
	if (section == "" || section == "\n") && describes(key, value) {
		return nil
	}
	names := append([]string{key}, submatches(gitHubShort, value)...)
	if strings.Contains(value, `\`) {
		names = append(names, value) // no version needs that, and an address could be written so
	}
	return names
}

// describes says whether a pair outside of any known object is about the package itself: by its key, unless its value could be where a
// dependency of that name comes from.
func describes(key, value string) bool {
	switch key {
	case "version":
		return versionLike.MatchString(value)
	case "main", "module", "types", "typings", "browser":
		return !versionLike.MatchString(value) && !gitHubShort.MatchString(value) || strings.HasPrefix(value, "./") && codeFile.MatchString(value)
	case "name", "description", "license", "type", "homepage", "author", "private", "packageManager", "url", "email":
		return !versionLike.MatchString(value) && !gitHubShort.MatchString(value)
	}
	// A value with a space that is no range of versions is somebody's script.
	value = strings.TrimSpace(value)
	return strings.Contains(value, " ") && !strings.ContainsAny(value, "<>=|^~*") && !versionLike.MatchString(value)
}

// quotedCall returns what the statements of a line begin with after the name of a function: a text, a symbol, or a word before an arrow; and
// what a known function is called with, the first of each tuple and all that a list of words has.
func quotedCall(line string, _ *string) []string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return nil
	}
	names := slices.Concat(submatches(callAnywhere, line), submatches(tupleFirst, line), submatches(wordBeforeArrow, line))
	for statement := range strings.SplitSeq(line, ";") {
		statement = strings.TrimSpace(statement)
		if !strings.HasPrefix(statement, "source") && !strings.HasPrefix(statement, "ruby ") {
			names = append(names, submatches(quotedFirst, statement)...)
		}
	}
	for _, words := range submatches(wordList, line) {
		names = append(names, strings.Fields(words)...)
	}
	return names
}

// elixirCall is quotedCall for Mix, where a keyword with a range is a tuple of the two.
func elixirCall(line string, section *string) []string {
	names := quotedCall(line, section)
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil
	}
	return append(names, submatches(keywordRange, line)...)
}

// tomlPairs returns a table's keys and the names in its lists of strings, and by which other name or from which index they come.
func tomlPairs(line string, section *string) []string {
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "#") {
		return nil
	}
	return slices.Concat(tomlNames(line, trimmed, section), submatches(tomlPackage, line), submatches(tomlIndex, line))
}

func tomlNames(line, trimmed string, section *string) []string {
	isText := strings.HasPrefix(trimmed, `["`) || strings.HasPrefix(trimmed, "['")
	if m := tomlTable.FindStringSubmatch(trimmed); m != nil && (!isText || tomlQuotedTable.MatchString(trimmed)) {
		*section = m[1]
		// [dependencies.name] is a dependency of its own.
		path := strings.Split(*section, ".")
		for i, part := range path[:len(path)-1] {
			if listsDependencies(part) {
				return []string{strings.Trim(path[i+1], `"' `)}
			}
		}
		return nil
	}
	if m := tomlPair.FindStringSubmatch(line); m != nil {
		switch m[1] {
		case "version", "name", "description", "edition", "authors", "readme", "license", "rust-version", "python", "requires-python", "features", "optional", "default-features", "rev", "tag", "branch":
			if !listsDependencies((*section)[strings.LastIndexByte(*section, '.')+1:]) {
				return nil
			}
		}
		switch value := strings.TrimSpace(line[len(m[0]):]); {
		case strings.HasPrefix(value, "{") && listsDependencies(m[1]):
			return submatches(tomlInner, value)
		case !strings.HasPrefix(value, "["):
			return []string{m[1]}
		}
	}
	var names []string
	for _, s := range submatches(quotedString, line) {
		names = append(names, submatches(pythonName, s)...)
	}
	return names
}

// listsDependencies says whether a table of a name has dependencies for keys.
func listsDependencies(table string) bool {
	table = strings.Trim(table, `"' `)
	return strings.HasSuffix(table, "dependencies") || strings.HasSuffix(table, "packages")
}

// versionCatalog is tomlPairs for Gradle, where an alias of one's own stands before what it names.
func versionCatalog(line string, section *string) []string {
	names := tomlPairs(line, section)
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil
	}
	return slices.Concat(names, submatches(catalogName, line), submatches(catalogShort, line))
}

// mavenArtifact returns artifacts and groups. One whose name is on another line, or behind a comment, is a name that is not known.
func mavenArtifact(line string, _ *string) []string {
	return append(submatches(mavenName, line), submatches(mavenOpen, line)...)
}

// quotedCoordinates returns the strings of a line without the version that they may end in, and what stands in a text of many lines.
func quotedCoordinates(line string, section *string) []string {
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "#") {
		return nil
	}
	const inText = "text"
	was := *section
	if n := strings.Count(line, `"""`) + strings.Count(line, "'''"); n%2 == 1 {
		*section = map[string]string{"": inText}[was]
	}
	if was == inText {
		return requirement(strings.Trim(trimmed, `"',`), section)
	}
	var names []string
	for _, m := range anyString.FindAllStringSubmatch(line, -1) {
		for s := range strings.SplitSeq(m[1]+m[2], ";") {
			if parts := strings.Split(s, ":"); len(parts) >= 3 {
				s = strings.Join(parts[:2], ":")
			}
			if name := submatches(coordinate, s); len(name) > 0 && (name[0][0] < '0' || name[0][0] > '9') {
				names = append(names, name...)
			}
		}
	}
	return names
}

// requirement returns the name of a requirement. A line that begins with none is one whose name is not known: a path, or a variable.
func requirement(line string, _ *string) []string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "--hash") {
		return nil
	}
	if strings.HasPrefix(line, "-r") || strings.HasPrefix(line, "-c") || strings.HasPrefix(line, "-i") || strings.HasPrefix(line, "--") && !strings.HasPrefix(line, "--editable") {
		return []string{line} // another file or another index: names from elsewhere
	}
	names := submatches(pythonName, line)
	if len(names) == 0 && strings.Trim(line, `\`) != "" && !versionLike.MatchString(line) {
		return []string{line}
	}
	for i, n := range names {
		names[i] = strings.ToLower(strings.ReplaceAll(n, "_", "-"))
	}
	return names
}

// setupConfig returns the requirements in the sections of setup.cfg that have some, which are indented or behind a key.
func setupConfig(line string, section *string) []string {
	if m := tomlTable.FindStringSubmatch(line); m != nil {
		*section = m[1]
		return nil
	}
	if strings.HasPrefix(line, "#") || !slices.Contains([]string{"", "options", "options.extras_require"}, *section) {
		return nil
	}
	if strings.TrimLeft(line, " \t") != line {
		return requirement(line, section)
	}
	var names []string
	for part := range strings.SplitSeq(line[strings.IndexAny(line, "=:")+1:], ";") {
		if !versionLike.MatchString(strings.TrimSpace(part)) {
			names = append(names, requirement(part, section)...)
		}
	}
	return names
}

// condaList returns the items of lists, channels among them.
func condaList(line string, section *string) []string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
	line = strings.TrimLeft(strings.TrimPrefix(line, "-"), " ")
	if m := yamlKey.FindStringSubmatch(line); m != nil {
		if line = m[2]; !strings.HasPrefix(line, "[") {
			return nil
		}
	}
	var names []string
	for item := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(",[]", r) }) {
		names = append(names, requirement(strings.Trim(item, ` "'`), section)...)
	}
	return names
}

// helmChart returns the names and the repositories of a chart's dependencies.
func helmChart(line string, section *string) []string {
	if m := yamlKey.FindStringSubmatch(line); m != nil && strings.TrimLeft(line, " ") == line {
		*section = m[1]
	}
	if *section != "" && *section != "dependencies" {
		return nil
	}
	return append(submatches(chartName, line), submatches(chartOpen, line)...)
}

// clojureSymbols returns all that is neither a text nor a keyword nor a number, and what takes a library from elsewhere.
func clojureSymbols(line string, _ *string) []string {
	code, _, _ := strings.Cut(lispString.ReplaceAllString(line, " "), ";")
	names := submatches(lispPlace, line)
	for word := range strings.FieldsFuncSeq(code, func(r rune) bool { return strings.ContainsRune(" \t,[](){}", r) }) {
		if first, _ := utf8.DecodeRuneInString(word); unicode.IsLetter(first) {
			names = append(names, word)
		}
	}
	return names
}

// firstWord reads a manifest that is not known.
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
