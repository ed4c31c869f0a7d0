package policy

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/text/unicode/norm"
)

// The limits of a list of patterns. They bound the work of one match, whoever writes the policy and whatever the paths.
const (
	MaxPatterns     = 512 // in one list
	MaxPatternBytes = 512
	maxAlternatives = 256      // of one pattern, when its braces are written out
	maxLiteralBytes = 64 << 10 // to look for, of all alternatives of a list
)

// Globs is a list of path patterns in the order of the policy, with the semantics of doublestar: `*` and `?` stay within a
// segment, `**` between slashes is any number of segments, `[…]` and `{a,b}` as usual. It is immutable and safe for concurrent use.
//
// A match costs one pass over the path however many patterns there are, and then one doublestar match for each pattern
// whose longest literal part occurs in the path.
type Globs struct {
	patterns []string
	folded   []string // what is matched: the patterns, folded where case is ignored
	lines    []int
	fold     bool
	literals *literals
	always   bitset // patterns without a literal part
}

// NewGlobs compiles patterns. FoldCase ignores case as Unicode's simple folding has it, in patterns and in paths, with İ and ı
// taken for i, and composes what is written as a letter and an accent.
//
// Every pattern that cannot mean what its author hopes is refused (see PatternError): a negation, a leading or trailing
// slash, a `**` that is not alone between slashes. The error joins one PatternError for each.
func NewGlobs(patterns []string, foldCase bool) (*Globs, error) {
	if len(patterns) > MaxPatterns {
		return nil, fmt.Errorf("%d patterns in one list: %d at most", len(patterns), MaxPatterns)
	}
	g := &Globs{patterns: patterns, fold: foldCase, folded: patterns}
	if foldCase {
		g.folded = make([]string, len(patterns))
	}
	var (
		problems []error
		keys     []literalKey
	)
	for i, p := range patterns {
		if e := checkPattern(p, foldCase); e != nil {
			e.Index = i
			problems = append(problems, e)
			continue
		}
		if foldCase {
			g.folded[i] = fold(p)
		}
		for _, alternative := range expandBraces(g.folded[i]) {
			literal := longestLiteral(alternative)
			if literal == "" {
				g.always.set(i)
				continue
			}
			keys = append(keys, literalKey{literal, i})
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	total := 0
	for _, k := range keys {
		total += len(k.text)
	}
	if total > maxLiteralBytes {
		return nil, fmt.Errorf("the alternatives of %d patterns have %d bytes: %d at most", len(patterns), total, maxLiteralBytes)
	}
	g.literals = newLiterals(keys)
	return g, nil
}

// Match returns the first pattern in the order of the list that matches the whole path.
func (g *Globs) Match(path string) (pattern string, ok bool) {
	i := g.Find(path)
	if i < 0 {
		return "", false
	}
	return g.patterns[i], true
}

// Find returns the index of the first pattern that matches the whole path, -1 if none does. A nil list matches nothing.
func (g *Globs) Find(path string) int {
	if g == nil {
		return -1
	}
	if g.fold {
		path = fold(path)
	}
	candidates := g.always
	g.literals.find(path, &candidates)
	for w, word := range candidates {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if doublestar.MatchUnvalidated(g.folded[i], path) {
				return i
			}
		}
	}
	return -1
}

// Patterns returns the patterns as the policy writes them; they must not be changed.
func (g *Globs) Patterns() []string {
	if g == nil {
		return nil
	}
	return g.patterns
}

// Pattern returns the pattern of an index that Find returned.
func (g *Globs) Pattern(i int) string { return g.patterns[i] }

// Line returns the line of the policy that holds the pattern of an index, 0 if the list does not come from a file.
func (g *Globs) Line(i int) int {
	if i < 0 || i >= len(g.lines) {
		return 0
	}
	return g.lines[i]
}

// fold maps strings that differ in case only to one string. What it returned it returns again, without allocating.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return foldUnicode(s)
		}
	}
	return strings.ToLower(s)
}

// foldUnicode folds and composes until that changes nothing: what is folded may be what composes, as an iota is a mark below a letter in lower case.
func foldUnicode(s string) string {
	for {
		folded := strings.Map(foldRune, norm.NFC.String(s))
		if folded == s {
			return s
		}
		s = folded
	}
}

// foldRune maps all runes that Unicode's simple folding holds equal to the lower case of the least of them.
func foldRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return unicode.ToLower(r)
	case r == 'İ' || r == 'ı':
		return 'i'
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return unicode.ToLower(least)
}

// globPart is a piece of a pattern without braces.
type globPart struct {
	kind rune // 'l' literal, '*', '?', '[' class
	lit  rune
}

// globParts reads a valid pattern without braces.
func globParts(p string) []globPart {
	var out []globPart
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRuneInString(p[i:])
		i += n
		switch r {
		case '*', '?':
			out = append(out, globPart{kind: r})
		case '[':
			for i < len(p) && p[i] != ']' {
				if p[i] == '\\' {
					i++
				}
				i++
			}
			i++
			out = append(out, globPart{kind: '['})
		case '\\':
			r, n = utf8.DecodeRuneInString(p[i:])
			i += n
			out = append(out, globPart{'l', r})
		default:
			out = append(out, globPart{'l', r})
		}
	}
	return out
}

// longestLiteral returns the longest string that must occur in "/"+path+"/" for the pattern to match path; empty if there is
// none that tells paths apart. The slashes around make a literal segment far rarer than its bare name: "/auth/" is not in
// "authors.go".
func longestLiteral(p string) string {
	var longest, run strings.Builder
	flush := func() {
		if run.Len() > longest.Len() {
			longest.Reset()
			longest.WriteString(run.String())
		}
		run.Reset()
	}
	run.WriteByte('/')
	for _, t := range globParts(p) {
		// A replacement character in a pattern matches any byte that is not UTF-8, so it is no literal.
		if t.kind != 'l' || t.lit == utf8.RuneError {
			flush()
			continue
		}
		run.WriteRune(t.lit)
	}
	run.WriteByte('/')
	flush()
	if longest.Len() < 2 {
		return ""
	}
	return longest.String()
}

// expandBraces returns the patterns without braces that a valid pattern stands for, nil if there are too many.
func expandBraces(p string) []string {
	open, shut, commas := findBraces(p)
	if open < 0 {
		return []string{p}
	}
	var out []string
	from := open + 1
	for _, to := range append(commas, shut) {
		rest := expandBraces(p[:open] + p[from:to] + p[shut+1:])
		if rest == nil || len(out)+len(rest) > maxAlternatives {
			return nil
		}
		out = append(out, rest...)
		from = to + 1
	}
	return out
}

// findBraces returns where the first pair of braces opens and shuts, and its own commas; open is -1 if there is none.
func findBraces(p string) (open, shut int, commas []int) {
	open = -1
	depth := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			for i++; i < len(p) && p[i] != ']'; i++ {
				if p[i] == '\\' {
					i++
				}
			}
		case '{':
			if depth++; depth == 1 {
				open = i
			}
		case ',':
			if depth == 1 {
				commas = append(commas, i)
			}
		case '}':
			if depth--; depth == 0 {
				return open, i, commas
			}
		}
	}
	return -1, -1, nil
}
