package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// newDependencies returns the names that a change adds to a manifest and does not take away elsewhere in it, in the alphabet's order.
// It reads lines and not the format, because a diff has no more; where a line may name a dependency it does, and where a known one
// may come from a new place that place is a name too. A line that stays is added where it names something now and did not before, because
// the section that it is in is another one, or no comment any more. Where that may be so of lines that the diff does not show, what the change did to
// them is a name. What a manifest of unknown kind adds are its lines' first words.
func newDependencies(f *change.File) []string {
	d := manifestDiff{names: firstWord}
	if kind := manifestKind(f.Path); kind >= 0 {
		d.names, d.isXML = manifestKinds[kind].names, manifestKinds[kind].versions.isXML()
	}
	inHunk := false
	for line := range strings.Lines(f.Patch) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "@@"):
			d.endHunk()
			inHunk = true
		case inHunk && line != "":
			d.line(line[0], line[1:])
		}
	}
	d.endHunk()
	slices.Sort(d.added)
	slices.Sort(d.removed)
	return slices.DeleteFunc(slices.Compact(d.added), func(n string) bool { _, removed := slices.BinarySearch(d.removed, n); return removed })
}

// manifestDiff is the diff of a manifest while it is read, before the change and after it side by side.
type manifestDiff struct {
	names          manifest
	isXML          bool
	added, removed []string

	// Of the hunk that is read.
	before, after manifestSide
	changed       string // the last line that is changed
	below         int    // how many lines that stay follow it
}

// manifestSide is where the reader is, before the change or after it.
type manifestSide struct {
	section   string
	inComment bool
	begun     bool // in a comment that a changed line began, since the last line that stays
}

// contextLines is how many lines that stay a diff shows below a change, where there are as many.
const contextLines = 3

// comment is the name of a comment of XML that begins or ends around lines that stay: it hides or uncovers more than the diff may show.
const comment = "<!--"

// line reads a line of the hunk, by its mark.
func (d *manifestDiff) line(mark byte, text string) {
	switch mark {
	case '+', '-':
		d.changed, d.below = strings.TrimSpace(text), 0
	case ' ':
		d.stays()
		d.below++
	}
	for part := range strings.FieldsFuncSeq(text, endsLine) {
		switch mark {
		case '+':
			d.added = append(append(d.added, d.names(part, &d.after.section)...), sources(part)...)
			withoutComments(part, &d.after.inComment)
			d.delimits(part, &d.after)
		case '-':
			d.removed = append(append(d.removed, d.sure(part, &d.before)...), sources(part)...)
			d.delimits(part, &d.before)
		case ' ':
			isKnown := d.isKnownBefore()
			before, after := d.sure(part, &d.before), d.sure(part, &d.after)
			if !isKnown {
				before = nil
			}
			if !slices.Equal(before, after) {
				d.removed, d.added = append(d.removed, before...), append(d.added, after...)
			}
		}
	}
}

// sure returns what a line names for sure on a side: a comment names nothing.
func (d *manifestDiff) sure(line string, on *manifestSide) []string {
	if d.isXML {
		line, _ = withoutComments(line, &on.inComment)
	}
	return d.names(line, &on.section)
}

// delimits looks at a changed line for an end of a comment that begins with a line that stays.
func (d *manifestDiff) delimits(line string, on *manifestSide) {
	if _, ends := withoutComments(line, &on.begun); d.isXML && ends {
		d.added = append(d.added, comment)
	}
}

// stays looks whether a line that stays, or what is below the hunk, is in a comment that a changed line began.
func (d *manifestDiff) stays() {
	if d.isXML && (d.before.begun || d.after.begun) {
		d.added = append(d.added, comment)
	}
	d.before.begun, d.after.begun = false, false
}

// endHunk looks whether what is below the hunk is in another section by it.
func (d *manifestDiff) endHunk() {
	if d.stays(); d.below >= contextLines && d.isReadAnew() {
		d.added = append(d.added, d.changed)
	}
	d.before, d.after, d.changed, d.below = manifestSide{}, manifestSide{}, "", 0
}

// isKnownBefore says whether it is known in which section a line was before the change: a hunk may begin anywhere.
func (d *manifestDiff) isKnownBefore() bool { return d.before.section != "" || d.after.section == "" }

// isReadAnew says whether lines that come now may name something after the change that they did not name before it.
func (d *manifestDiff) isReadAnew() bool {
	if d.before.section == d.after.section {
		return false
	}
	for _, line := range []string{`"x": "1.0.0",`, `x = "1.0.0"`, `"x>=1.0",`, "    x>=1.0", "- name: x", "\texample.com/x v1.0.0"} {
		was, is := d.before.section, d.after.section
		before, after := d.names(line, &was), d.names(line, &is)
		if len(after) > 0 && !(d.isKnownBefore() && slices.Equal(before, after)) {
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
