package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// anyNewDependency returns the manifests in which a name appears that was not there before, and those whose diff cannot be read.
func (q *inquiry) anyNewDependency(manifests *Globs) []condition {
	var found, unread tally
	listed := func(path string) bool { return manifests.Find(path) >= 0 }
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		if !listed(f.Path) || f.Status == change.FileRemoved {
			continue
		}
		if names := newDependencies(f); len(names) > 0 {
			found.add(f.Path, names[0])
			continue
		}
		if becameManifest(f, listed) || f.Mode == change.ModeSymlink || !q.readable(f) {
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
		out = append(out, condition{rule: unreadManifest, subject: change.Code(unread.path), more: unread.n - 1})
	}
	return out
}

// isManifest says whether a file lists dependencies: by its name, or because the policy looks for new ones in it.
func (q *inquiry) isManifest(path string) bool {
	if manifestKind(path) >= 0 {
		return true
	}
	s := q.policy.Security
	return s != nil && slices.ContainsFunc(s.Triggers, func(t *Trigger) bool { return t.NewDependencies.Find(path) >= 0 })
}

// becameManifest says whether a file got its name by this change and was no manifest of this kind before, so that all that it lists is new,
// whatever its diff shows.
func becameManifest(f *change.File, isManifest func(path string) bool) bool {
	from := f.PreviousPath
	return from != "" && (f.Status == change.FileCopied || !isManifest(from) || manifestKind(from) != manifestKind(f.Path))
}

// newDependencies returns the names that a change adds to a manifest and does not take away elsewhere in it, in the alphabet's order.
// It reads lines and not the format, because a diff has no more; where a line may name a dependency it does, and where a known one
// may come from a new place that place is a name too. What a manifest of unknown kind adds are its lines' first words.
func newDependencies(f *change.File) []string {
	names := manifest(firstWord)
	if kind := manifestKind(f.Path); kind >= 0 {
		names = manifestKinds[kind].names
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
		for part := range strings.FieldsFuncSeq(line[1:], endsLine) {
			switch line[0] {
			case '+':
				added = append(append(added, names(part, &section[1])...), sources(part)...)
			case '-':
				removed = append(append(removed, names(part, &section[0])...), sources(part)...)
			case ' ':
				names(part, &section[0])
				names(part, &section[1])
			}
		}
	}
	slices.Sort(added)
	return slices.DeleteFunc(slices.Compact(added), func(n string) bool { return slices.Contains(removed, n) })
}

// endsLine says whether a line ends at a character, for somebody who reads a manifest: Python ends lines at all of these, Git at none.
func endsLine(r rune) bool { return strings.ContainsRune("\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) }
