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
			if f.Status == change.FileRemoved || !q.isManifest(f.Path) && !q.isManifest(f.PreviousPath) {
				continue
			}
			if becameManifest(f, q.isManifest) || !q.readable(f) || !changesOnlyVersions(f.Patch) {
				return condition{}, false
			}
		}
	}
	return condition{rule: change.Code("bumps_only"), subject: change.Words("a change of versions")}, true
}

// changesOnlyVersions says whether each place that a diff changes has the same lines afterwards, in the same order, but for versions. It
// knows nothing of formats, so that no format hides anything from it: what is not seen to be a version is something else. Only empty lines and
// lines of hashes, of which a version has as many as it has files, may come and go.
func changesOnlyVersions(patch string) bool {
	if strings.Contains(patch, aVersion) {
		return false
	}
	var removed, added []string
	inHunk := false
	for line := range strings.Lines(patch) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "@@"):
			inHunk = true
		case !inHunk || strings.HasPrefix(line, `\`): // no newline at the end
			continue
		case strings.HasPrefix(line, "-"):
			removed = appendWithoutVersions(removed, line[1:])
			continue
		case strings.HasPrefix(line, "+"):
			added = appendWithoutVersions(added, line[1:])
			continue
		}
		if !slices.Equal(removed, added) {
			return false
		}
		removed, added = removed[:0], added[:0]
	}
	return slices.Equal(removed, added)
}

// aVersion stands for any version. No text has it.
const aVersion = "\x00"

var (
	// manifestWord is a word of a line. An address is one, whatever looks like a version in it.
	manifestWord = regexp.MustCompile(`\w[\w+.-]*://[^\s"'<>#]*|[^\s"'=:<>^~!,;|&()\[\]{}@#]+`)
	// manifestVersion is a number with points, and what may follow it: the name of a stage, a count, a commit. A digest is one too.
	manifestVersion = regexp.MustCompile(`(?i)^(?:v?\d+(?:\.(?:\d+|[x*]))*` +
		`(?:[-._+]?(?:(?:alpha|beta|pre|preview|dev|post|canary|next|nightly|snapshot|release|final|ga|jre|android|incompatible|build)[-.]?\d*|(?:a|b|c|m|rc|cr|sp)[-.]?\d+)` +
		`|[-.+]\d+|[-.+]g?[0-9a-f]{7,40})*|[0-9a-f]{40}|[0-9a-f]{64})$`)
	// manifestRange is what a line says of the versions that will do.
	manifestRange = regexp.MustCompile(`(?:[\^~<>=!]*\s*` + aVersion + `[\s,|&-]*)+`)
)

// appendWithoutVersions appends a line as it is but for its versions, unless nothing is left of it.
func appendWithoutVersions(lines []string, line string) []string {
	line = manifestWord.ReplaceAllStringFunc(line, func(word string) string {
		if manifestVersion.MatchString(word) {
			return aVersion
		}
		return word
	})
	line = manifestRange.ReplaceAllString(line, aVersion)
	line = strings.TrimRight(strings.TrimSpace(line), ", ")
	if hash := strings.TrimSpace(strings.TrimSuffix(line, `\`)); hash == "" || hash == "--hash=sha256:"+aVersion {
		return lines
	}
	return append(lines, line)
}
