package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// matchBumps says whether the manifests among the files change nothing but versions. Without contents it stays unmeasured.
func (q *inquiry) matchBumps(r *Rule, _ change.Category) (condition, bool) {
	if !r.BumpsOnly {
		return condition{}, true
	}
	if q.measure == Everything {
		for i := range q.facts.Content.Files {
			f := &q.facts.Content.Files[i]
			if (q.isManifest(f.Path) || q.isManifest(f.PreviousPath)) && !(q.readable(f) && changesOnlyVersions(f)) {
				return condition{}, false
			}
		}
	}
	return condition{rule: change.Code("bumps_only"), subject: change.Words("a change of versions")}, true
}

// changesOnlyVersions says whether a file keeps its place and its name, and each place that its diff changes has the same lines afterwards, in the
// same order, but for versions. What is not seen to be a version is something else, so that no format hides anything from it. Only empty lines may
// come and go, and lines of hashes, of which a version has as many as it has files: none go without others in their place.
func changesOnlyVersions(f *change.File) bool {
	if f.Status == change.FileRemoved || f.PreviousPath != "" || f.Mode == change.ModeSymlink || strings.Contains(f.Patch, aVersion) {
		return false
	}
	read := versionsIn(f.Path)
	var removed, added []string
	inHunk := false
	for line := range strings.Lines(f.Patch) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "@@"):
			inHunk = true
		case !inHunk || strings.HasPrefix(line, `\`): // no newline at the end
			continue
		case strings.HasPrefix(line, "-"):
			removed = read.appendWithout(removed, line[1:])
			continue
		case strings.HasPrefix(line, "+"):
			added = read.appendWithout(added, line[1:])
			continue
		}
		if !isSameBut(removed, added) {
			return false
		}
		removed, added = removed[:0], added[:0]
	}
	return isSameBut(removed, added)
}

// aVersion stands for any version, and hashes for some lines of hashes one after another. No text has them.
const (
	aVersion = "\x00"
	hashes   = "\x00 hashes"
)

// isSameBut says whether lines are the same as others but for hashes that were added to them.
func isSameBut(removed, added []string) bool {
	for _, line := range added {
		switch {
		case len(removed) > 0 && removed[0] == line:
			removed = removed[1:]
		case line != hashes:
			return false
		}
	}
	return len(removed) == 0
}

// versions is where a manifest has versions: in texts between quotes, and where an expression's first group is, if there is one.
type versions struct {
	bare *regexp.Regexp
	code bool // it is a program, where a number alone may be anything
}

const (
	// stages are what may follow the numbers of a version: the name of a stage, a count, a commit.
	stages = `(?:[-._+]?(?:alpha|beta|pre|preview|dev|post|canary|next|nightly|snapshot|release|final|ga|jre|android|incompatible|build)[-.]?\d*` +
		`|\+sha\d+\.[0-9a-f]+|[-._+]?(?:a|b|c|m|rc|cr|sp)[-.]?\d+|[-.+]g?[0-9a-f]{7,40}|[-.+]\d+)*`
	pointed  = `v?\d+(?:\.(?:\d+|[x*]))+` + stages
	numbered = `v?\d+(?:\.(?:\d+|[x*]))*` + stages
	operator = `(?:[\^~<>=!]+\s*)`
	// ranged is one version or more, with what is said of each.
	ranged = operator + `?` + numbered + `(?:(?:\s*(?:\|\||,)\s*|\s+-\s+|\s+)` + operator + `?` + numbered + `)*`
	// manyPointed is what is a version wherever it stands; other numbers may be a threshold.
	manyPointed = `v?\d+(?:\.(?:\d+|[x*])){2,}` + stages
	// required is what follows the name of a requirement, and compared the same where a mere = makes a setting.
	required = operator + numbered + `(?:\s*,\s*` + operator + numbered + `)*`
	compared = compares + numbered + `(?:\s*,\s*` + compares + numbered + `)*`
	compares = `(?:(?:[~<>=!]=+|[\^~<>])\s*)`
	// requirementName is what a requirement begins with, and the extras that it asks for.
	requirementName = `[A-Za-z0-9][\w.:-]*(?:\[[\w., -]*\])?\s*`
)

var (
	quotedText = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	// quotedRange, quotedPoint, quotedAfter and quotedRequirement are the texts that have versions.
	quotedRange       = regexp.MustCompile(`(?i)^\s*(` + ranged + `)\s*$`)
	quotedPoint       = regexp.MustCompile(`(?i)^\s*(?:` + operator + `?` + pointed + `[\s,|-]*)+$`)
	quotedAfter       = regexp.MustCompile(`(?i)^(?:[^\s:]+:[^\s:]+:|[^\s]*[@#])(` + numbered + `)$`)
	quotedRequirement = regexp.MustCompile(`(?i)^\s*` + requirementName + `(` + compared + `)\s*(?:;.*)?$`)
	oneVersion        = regexp.MustCompile(`(?i)` + numbered)

	bareModule      = regexp.MustCompile(`(?i)^\s*(?:require\s+)?(?:go|[^\s=>]*[./][^\s=>]*)\s+(` + pointed + `)\s*(?://.*)?$`)
	bareRequirement = regexp.MustCompile(`(?i)^\s*(?:-\s+)?["']?` + requirementName + `(` + required + `)["']?\s*(?:[;#\\].*)?$`)
	bareSetting     = regexp.MustCompile(`(?i)^\s*(?:` + requirementName + `(` + compared + `)|[\w.-]*version\s*=\s*(` + pointed + `))\s*(?:[;#].*)?$`)
	bareKey         = regexp.MustCompile(`(?i)^\s*[\w.-]+\s*:\s+(` + operator + `?` + pointed + `)\s*(?:#.*)?$`)
	bareElement     = regexp.MustCompile(`(?i)<[\w.-]+>\s*(` + manyPointed + `)\s*<|<[\w.-]*version[\w.-]*>\s*(` + numbered + `)\s*<`)
	bareWord        = regexp.MustCompile(`(?i)^\S+\s+(` + numbered + `)\s*$`)

	hashLine = regexp.MustCompile(`^\s*(--hash=sha256:[0-9a-f]{64}\s*)?\\?\s*$`)
)

// versionsIn returns where a manifest of a name has versions.
func versionsIn(path string) versions {
	if kind := manifestKind(path); kind >= 0 {
		return manifestKinds[kind].versions
	}
	return versions{bare: bareWord}
}

// isXML says whether they are in elements.
func (v versions) isXML() bool { return v.bare == bareElement }

// appendWithout appends a line as it is but for its versions, unless it is empty. For lines of hashes there is one.
func (v versions) appendWithout(lines []string, line string) []string {
	if m := hashLine.FindStringSubmatch(line); m != nil {
		if m[1] == "" || len(lines) > 0 && lines[len(lines)-1] == hashes {
			return lines
		}
		return append(lines, hashes)
	}
	line = quotedText.ReplaceAllStringFunc(line, func(quoted string) string {
		text := quoted[1 : len(quoted)-1]
		switch {
		case v.code && quotedPoint.MatchString(text), !v.code && quotedRange.MatchString(text):
			text = oneVersion.ReplaceAllLiteralString(text, aVersion)
		case quotedRequirement.MatchString(text):
			text = withoutVersions(quotedRequirement, text)
		case !strings.Contains(text, "://") || strings.Contains(text, "#"):
			text = withoutVersions(quotedAfter, text)
		}
		return quoted[:1] + text + quoted[len(quoted)-1:]
	})
	if v.bare != nil {
		line = withoutVersions(v.bare, line)
	}
	return append(lines, strings.TrimRight(line, " \t"))
}

// withoutVersions replaces each version in what a group of an expression found, and leaves what is around it.
func withoutVersions(e *regexp.Regexp, text string) string {
	found := e.FindAllStringSubmatchIndex(text, -1)
	for _, m := range slices.Backward(found) {
		for group := 2; group < len(m); group += 2 {
			if from, to := m[group], m[group+1]; from >= 0 {
				text = text[:from] + oneVersion.ReplaceAllLiteralString(text[from:to], aVersion) + text[to:]
				break
			}
		}
	}
	return text
}
