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
// may come from a new place that place is a name too. A line that stays is added where it names something now and did not before, because
// the section that it is in is another one, or no comment any more. Where that may be so of lines that the diff does not show, what the change did to
// them is a name. What a manifest of unknown kind adds are its lines' first words.
func newDependencies(f *change.File) []string {
	names, isXML := manifest(firstWord), false
	if kind := manifestKind(f.Path); kind >= 0 {
		names, isXML = manifestKinds[kind].names, manifestKinds[kind].versions.isXML()
	}
	var added, removed []string
	var section [2]string
	var inComment, begun [2]bool // begun: in a comment that a line of the change began, since the last line that stays
	// sure returns what a line names for sure before the change, or after it: a comment names nothing.
	sure := func(line string, side int) []string {
		if isXML {
			line, _ = withoutComments(line, &inComment[side])
		}
		return names(line, &section[side])
	}
	// A comment that begins or ends around lines that stay hides or uncovers more than the diff may show.
	const comment = "<!--"
	delimits := func(line string, side int) {
		if _, ends := withoutComments(line, &begun[side]); isXML && ends {
			added = append(added, comment)
		}
	}
	stays := func() {
		if isXML && (begun[0] || begun[1]) {
			added = append(added, comment)
		}
		begun = [2]bool{}
	}
	// What is below a hunk may be in another section by it.
	changed, below := "", 0 // the last changed line, and how many that stay follow it
	endHunk := func() {
		if stays(); below >= contextLines && isReadAnew(names, section) {
			added = append(added, changed)
		}
		section, inComment, changed, below = [2]string{}, [2]bool{}, "", 0
	}
	inHunk := false
	for line := range strings.Lines(f.Patch) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "@@") {
			endHunk()
			inHunk = true
			continue
		}
		if !inHunk || line == "" {
			continue
		}
		if line[0] == ' ' {
			stays()
			below++
		} else if line[0] != '\\' {
			changed, below = strings.TrimSpace(line[1:]), 0
		}
		for part := range strings.FieldsFuncSeq(line[1:], endsLine) {
			switch line[0] {
			case '+':
				added = append(append(added, names(part, &section[1])...), sources(part)...)
				withoutComments(part, &inComment[1])
				delimits(part, 1)
			case '-':
				removed = append(append(removed, sure(part, 0)...), sources(part)...)
				delimits(part, 0)
			case ' ':
				isKnown := isKnownBefore(section)
				before, after := sure(part, 0), sure(part, 1)
				if !isKnown {
					before = nil
				}
				if !slices.Equal(before, after) {
					removed, added = append(removed, before...), append(added, after...)
				}
			}
		}
	}
	endHunk()
	slices.Sort(added)
	return slices.DeleteFunc(slices.Compact(added), func(n string) bool { return slices.Contains(removed, n) })
}

// contextLines is how many lines that stay a diff shows below a change, where there are as many.
const contextLines = 3

// isKnownBefore says whether it is known in which section a line was before a change, of the sections before and after it: a hunk may begin anywhere.
func isKnownBefore(section [2]string) bool { return section[0] != "" || section[1] == "" }

// isReadAnew says whether lines in a section may name something after a change that they did not name before it.
func isReadAnew(names manifest, section [2]string) bool {
	if section[0] == section[1] {
		return false
	}
	for _, line := range []string{`"x": "1.0.0",`, `x = "1.0.0"`, `"x>=1.0",`, "    x>=1.0", "- name: x", "\texample.com/x v1.0.0"} {
		was, is := section[0], section[1]
		before, after := names(line, &was), names(line, &is)
		if len(after) > 0 && !(isKnownBefore(section) && slices.Equal(before, after)) {
			return true
		}
	}
	return false
}

// withoutComments returns a line of XML without what is in comments, and keeps whether one is open. Ends says whether one ends that is not known to
// have begun.
func withoutComments(line string, inComment *bool) (_ string, ends bool) {
	var text strings.Builder
	for {
		if *inComment {
			_, after, closes := strings.Cut(line, "-->")
			if !closes {
				return text.String(), ends
			}
			line, *inComment = after, false
		}
		before, after, begins := strings.Cut(line, "<!--")
		text.WriteString(before)
		ends = ends || strings.Contains(before, "-->")
		if !begins {
			return text.String(), ends
		}
		line, *inComment = after, true
	}
}

// endsLine says whether a line ends at a character, for somebody who reads a manifest: Python ends lines at all of these, Git at none.
func endsLine(r rune) bool { return strings.ContainsRune("\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) }
