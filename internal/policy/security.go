package policy

import (
	"regexp"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// needsSecurityReview says whether the category or a trigger asks for it. An emergency owes what the change underneath would need.
func (q *inquiry) needsSecurityReview() bool {
	if len(q.triggered) > 0 {
		return true
	}
	c := q.policy.Categories[q.category]
	return c != nil && c.SecurityReview
}

// findTriggers evaluates every trigger of the security review. All that match are reported: by path, by content and by new
// dependencies.
func (q *inquiry) findTriggers() {
	s := q.policy.Security
	if s == nil {
		return
	}
	start := len(q.matches)
	for _, t := range s.Triggers {
		add := func(c condition) {
			m := change.Match{Rule: c.rule, Subject: c.subject, Because: t.Because, Source: q.policy.Ref.Source, Line: t.Line, More: c.more, Trigger: t.Name}
			if c.line > 0 {
				m.Line = c.line
			}
			q.matches = append(q.matches, m)
		}
		if t.Paths != nil {
			if c, ok := q.anyPath(t.Paths); ok {
				add(c)
			}
		}
		if q.measure == PathsOnly {
			continue
		}
		if len(t.Content) > 0 {
			for _, c := range q.anyContent(t) {
				add(c)
			}
		}
		if t.NewDependencies != nil {
			for _, c := range q.anyNewDependency(t.NewDependencies) {
				add(c)
			}
		}
	}
	q.triggered = q.matches[start:]
}

// anyContent returns the files whose added or removed lines match, and those whose lines cannot be read, each kind as one
// condition with the first file in the alphabet.
func (q *inquiry) anyContent(t *Trigger) []condition {
	var matched, unread tally
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		if !q.hasContentFor(t, f) {
			continue
		}
		if expression := changedLine(f.Patch, t.Content); expression != nil {
			matched.add(f.Path, expression.String())
			continue
		}
		if !q.readable(f) {
			unread.add(f.Path, "")
		}
	}
	var out []condition
	if matched.n > 0 {
		out = append(out, condition{rule: change.Code(matched.rule), subject: change.Code(matched.path), more: matched.n - 1})
	}
	if unread.n > 0 {
		out = append(out, condition{rule: change.Words("a diff that cannot be read"), subject: change.Code(unread.path), more: unread.n - 1})
	}
	return out
}

// hasContentFor says whether a trigger looks at a file's content.
func (q *inquiry) hasContentFor(t *Trigger, f *change.File) bool {
	globs, want := q.policy.Security.Unread, false
	if t.ContentIn != nil {
		globs, want = t.ContentIn, true
	}
	in := globs.Find(f.Path) >= 0
	if f.PreviousPath != "" {
		// A file that was, or becomes, one to look at is looked at.
		was := globs.Find(f.PreviousPath) >= 0
		in = in && was || want && (in || was)
	}
	return in == want
}

// readable says whether all lines that a file changes are in the facts. Where that depends on a blob that was not read, it is asked
// for.
func (q *inquiry) readable(f *change.File) bool {
	if f.Patch == "" && f.Status == change.FileRenamed && f.PreviousBlob == "" {
		if q.notes != nil {
			q.notes.blobs = true
		}
	}
	added, removed, ok := countLines(f.Patch)
	if f.Patch != "" {
		return ok && added == f.Additions && removed == f.Deletions
	}
	_, _, complete := f.Lines()
	return complete
}

// countLines counts the lines that a patch adds and removes, without making copies of them.
func countLines(patch string) (added, removed int, ok bool) {
	for line := range changedLines(patch) {
		if line[0] == '+' {
			added++
		} else {
			removed++
		}
	}
	return added, removed, true
}

// changedLine returns the first expression that an added or removed line of a patch matches, nil if none does.
func changedLine(patch string, expressions []*regexp.Regexp) *regexp.Regexp {
	for line := range changedLines(patch) {
		for _, e := range expressions {
			if e.MatchString(line[1:]) {
				return e
			}
		}
	}
	return nil
}

// changedLines yields the added and removed lines of a patch with the sign before them. It reads a patch as change.File.Lines does.
func changedLines(patch string) func(yield func(line string) bool) {
	return func(yield func(string) bool) {
		inHunk := false
		for line := range strings.Lines(patch) {
			switch {
			case strings.HasPrefix(line, "@@"):
				inHunk = true
			case inHunk && (line[0] == '+' || line[0] == '-'):
				if !yield(strings.TrimSuffix(line, "\n")) {
					return
				}
			}
		}
	}
}

// tally counts files and remembers the first of them in the alphabet.
type tally struct {
	n          int
	path, rule string
}

func (t *tally) add(path, rule string) {
	if t.n++; t.n == 1 || path < t.path {
		t.path, t.rule = path, rule
	}
}
