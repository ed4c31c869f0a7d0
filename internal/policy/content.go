package policy

import (
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// fileContent is what is known of one file's changed lines, once for all triggers.
type fileContent struct {
	known    bool
	readable bool
	// candidates are the expressions that may match, by their place in the index.
	candidates bitset
}

// content returns what is known of the i-th file's changed lines.
func (q *inquiry) content(i int) *fileContent {
	if q.contents == nil {
		q.contents = make([]fileContent, len(q.facts.Content.Files))
	}
	c := &q.contents[i]
	if !c.known {
		f := &q.facts.Content.Files[i]
		c.known, c.readable = true, q.readable(f)
		q.policy.Security.index.find(f.Patch, &c.candidates)
	}
	return c
}

// anyContent returns the files whose added or removed lines match, and those whose lines cannot be read, each kind as one
// condition with the first file in the alphabet. Which lines a trigger looks at says nothing of what cannot be read: anything may be in
// it, unless the policy leaves such files unread.
func (q *inquiry) anyContent(t *Trigger) []condition {
	var matched, unread tally
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		looked := q.looksAt(t, f)
		if !looked && q.leavesUnread(f) {
			continue
		}
		c := q.content(i)
		if looked {
			if expression := q.policy.Security.index.match(t, f.Patch, &c.candidates); expression != nil {
				matched.add(f.Path, expression.String())
				continue
			}
		}
		if !c.readable {
			unread.add(f.Path, "")
		}
	}
	var out []condition
	if matched.n > 0 {
		out = append(out, condition{rule: change.Code(matched.rule), subject: change.Code(matched.path), more: matched.n - 1})
	}
	if unread.n > 0 {
		out = append(out, condition{rule: unreadContent, subject: change.Code(unread.path), more: unread.n - 1})
	}
	return out
}

// looksAt says whether a trigger looks at a file's lines: at all but those that the policy leaves unread, unless it names its own. Of a
// file that was renamed, either name is enough.
func (q *inquiry) looksAt(t *Trigger, f *change.File) bool {
	if t.ContentIn == nil {
		return !q.leavesUnread(f)
	}
	return t.ContentIn.Find(f.Path) >= 0 || f.PreviousPath != "" && t.ContentIn.Find(f.PreviousPath) >= 0
}

// leavesUnread says whether the policy lists a file, by both its names, among those whose content says nothing.
func (q *inquiry) leavesUnread(f *change.File) bool {
	unread := q.policy.Security.Unread
	return unread.Find(f.Path) >= 0 && (f.PreviousPath == "" || unread.Find(f.PreviousPath) >= 0)
}

// readable says whether all lines that a file changes are in the facts. Where that depends on a blob that was not read, it is asked
// for.
func (q *inquiry) readable(f *change.File) bool {
	mayBeUnchanged := f.Status == change.FileRenamed || f.Status == change.FileModified // another name or mode, the same content
	if q.questions != nil && f.Patch == "" && mayBeUnchanged && f.Additions+f.Deletions == 0 && f.PreviousBlob == "" {
		q.questions.blobs = true
	}
	return f.HasAllLines()
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

// contentIndex tells which of a policy's regular expressions may match a text, in one pass over it: each expression that cannot match
// without one of some strings is only tried where one of these is. Code that has nothing to do with security, which is most, is
// then looked at once and not once for each expression. Its zero value tries every expression.
type contentIndex struct {
	literals *literals
	first    map[*Trigger]int // the place of a trigger's first expression
	always   bitset           // expressions that may match without any known string
	unicode  bitset           // expressions whose strings say nothing of text beyond ASCII, because of its other upper and lower cases
}

func newContentIndex(triggers []*Trigger) contentIndex {
	x := contentIndex{first: map[*Trigger]int{}}
	var keys []literalKey
	place := 0
	for _, t := range triggers {
		x.first[t] = place
		for _, e := range t.Content {
			if place == MaxPatterns {
				return contentIndex{} // more than a policy may have
			}
			needed := neededBy(e)
			if needed.strings == nil {
				x.always.set(place)
			}
			if needed.folds {
				x.unicode.set(place)
			}
			for _, s := range needed.strings {
				keys = append(keys, literalKey{s, place})
			}
			place++
		}
	}
	x.literals = newLiterals(keys)
	for c := byte('A'); c <= 'Z'; c++ {
		x.literals.class[c] = x.literals.class[c+'a'-'A']
	}
	return x
}

// find sets the expressions that may match somewhere in text.
func (x *contentIndex) find(text string, candidates *bitset) {
	if x.literals == nil {
		return
	}
	*candidates = x.always
	ascii := true
	state := int32(0)
	for i := range len(text) {
		ascii = ascii && text[i] < utf8.RuneSelf
		if len(x.literals.sets) > 0 {
			state = x.literals.step(state, text[i], candidates)
		}
	}
	if !ascii {
		for i, word := range x.unicode {
			candidates[i] |= word
		}
	}
}

// match returns the first of a trigger's expressions, among the candidates, that an added or removed line of a patch matches; nil if
// none does.
func (x *contentIndex) match(t *Trigger, patch string, candidates *bitset) *regexp.Regexp {
	first, indexed := x.first[t]
	for i, e := range t.Content {
		if indexed && !candidates.has(first+i) {
			continue
		}
		for line := range change.ChangedLines(patch) {
			if e.MatchString(line[1:]) {
				return e
			}
		}
	}
	return nil
}

func (b *bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// needed are strings in lower case: every match of an expression contains at least one of them, in whatever case of letters. If there are none, nothing
// is known of the matches.
type needed struct {
	strings []string
	folds   bool // the expression ignores case
}

// maxNeeded bounds the strings of one expression.
const maxNeeded = 64

func neededBy(e *regexp.Regexp) needed {
	tree, err := syntax.Parse(e.String(), syntax.Perl)
	if err != nil {
		return needed{}
	}
	return neededIn(tree.Simplify())
}

func neededIn(tree *syntax.Regexp) needed {
	switch tree.Op {
	case syntax.OpLiteral:
		for _, r := range tree.Rune {
			if r == utf8.RuneError {
				return needed{} // it matches bytes that are not UTF-8
			}
		}
		return needed{[]string{lowerASCII(string(tree.Rune))}, tree.Flags&syntax.FoldCase != 0}
	case syntax.OpCapture, syntax.OpPlus:
		return neededIn(tree.Sub[0])
	case syntax.OpRepeat:
		if tree.Min > 0 {
			return neededIn(tree.Sub[0])
		}
	case syntax.OpConcat:
		var best needed
		for _, sub := range tree.Sub {
			if n := neededIn(sub); better(n, best) {
				best = n
			}
		}
		return best
	case syntax.OpAlternate:
		var all needed
		for _, sub := range tree.Sub {
			n := neededIn(sub)
			if n.strings == nil || len(all.strings)+len(n.strings) > maxNeeded {
				return needed{}
			}
			all.strings = append(all.strings, n.strings...)
			all.folds = all.folds || n.folds
		}
		return all
	}
	return needed{}
}

// better says whether strings tell more texts apart than others: those whose shortest is longer.
func better(a, b needed) bool {
	return a.strings != nil && (b.strings == nil || shortest(a.strings) > shortest(b.strings))
}

func shortest(all []string) int {
	n := len(all[0])
	for _, s := range all {
		n = min(n, len(s))
	}
	return n
}

// lowerASCII is strings.ToLower for ASCII alone, as the index folds a text.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
