package policy

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// PatternError says what is wrong with a pattern and how to mend it.
type PatternError struct {
	Index   int // in the list
	Pattern string
	Message string
	Mend    string
}

// Error says what is wrong and the mend in one line.
func (e *PatternError) Error() string {
	return fmt.Sprintf("pattern %q %s: %s", e.Pattern, e.Message, e.Mend)
}

var (
	driveForm = regexp.MustCompile(`^[A-Za-z]:[/\\]`)
	// escapedName is where a backslash keeps nothing from having a meaning of its own: a path of Windows, or a regular expression. Two in a
	// row are a backslash.
	escapedName = regexp.MustCompile(`^(?:[^\\]|\\[^\pL\pN_])*\\[\pL\pN_]`)
	manyStars   = regexp.MustCompile(`\*{3,}`)
	manySlashes = regexp.MustCompile(`/{2,}`)
)

// checkPattern says why a pattern is refused; Index is left to the caller. It offers no pattern that would be refused in its turn.
func checkPattern(p string, foldCase bool) *PatternError {
	f := patternFault(p, foldCase)
	if f.message == "" {
		return nil
	}
	for _, b := range f.better {
		if !strings.Contains(b, `\`) && patternFault(b, foldCase).message == "" && !slices.ContainsFunc(expandBraces(b), isUnrooted) {
			f.mend += fmt.Sprintf(": write %q", b)
			break
		}
	}
	return &PatternError{Pattern: p, Message: f.message, Mend: f.mend}
}

// fault is what is wrong with a pattern, how to mend it, and patterns that may be meant, the likeliest first.
type fault struct {
	message, mend string
	better        []string
}

var tooManyAlternatives = fmt.Sprintf("keep its braces to %d in all, or split it", maxAlternatives)

// patternFault returns the zero fault for a pattern that can be used.
func patternFault(p string, foldCase bool) fault {
	refuse := func(message, mend string, better ...string) fault { return fault{message, mend, better} }
	switch {
	case p == "":
		return refuse("is empty", "write a path, or ** for every file")
	case len(p) > MaxPatternBytes:
		return refuse(fmt.Sprintf("has %d bytes", len(p)), fmt.Sprintf("keep it under %d, or split it", MaxPatternBytes))
	case !utf8.ValidString(p):
		return refuse("is not UTF-8", "save the file as UTF-8")
	case strings.HasPrefix(p, "!"):
		return refuse("is a negation, which is not supported", `list what should match; write "[!]…" for a name that begins with "!"`)
	case driveForm.MatchString(p):
		return refuse("can never match", "paths start at the repository's root, with no drive before it", slashed(p[len("C:"):]))
	case escapedName.MatchString(p):
		return refuse("has a backslash before a name", "folders are separated by slashes", slashed(p))
	case strings.HasPrefix(p, "/"), strings.HasPrefix(p, "./"):
		bare := strings.TrimPrefix(strings.TrimLeft(p, "/"), "./")
		return refuse("can never match", "paths start at the repository's root without a slash", bare, bare+"**")
	case strings.HasSuffix(p, "/"):
		return refuse("can never match, because it names a folder", "name all that is in it", p+"**")
	case strings.Contains(p, "//"):
		return refuse("can never match", "no path has two slashes in a row: take one away")
	case !doublestar.ValidatePattern(p):
		return refuse("is malformed", `close every "[" and "{", and end no pattern with "\"`)
	}
	alternatives := expandBraces(p)
	if alternatives == nil {
		return refuse("has too many alternatives", tooManyAlternatives)
	}
	for _, a := range alternatives {
		if segments := strings.Split(a, "/"); slices.Contains(segments, ".") || slices.Contains(segments, "..") {
			return refuse("can never match", `no path has a folder "." or ".."`, withoutDots(p))
		}
		if isUnrooted(a) {
			return refuse("can never match in one of its alternatives", "no path begins or ends with a slash, or has two in a row: make patterns of them")
		}
		if strayDoublestar(a) {
			mend, better := apart(p)
			return refuse("has a ** that is not alone between slashes, which matches no more than *", mend, better...)
		}
	}
	if foldCase && mixedRange(p) {
		return refuse("has a range that does not survive ignoring case", "let a range run from a-z or 0-9")
	}
	return fault{}
}

// isUnrooted says whether a pattern without braces has slashes that no path has.
func isUnrooted(p string) bool {
	return strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") || strings.Contains(p, "//")
}

// slashed is a path as Windows writes it, with slashes and from the root.
func slashed(p string) string {
	return strings.TrimLeft(strings.ReplaceAll(p, `\`, "/"), "/")
}

// withoutDots takes "." and ".." out of a pattern; empty where braces are in the way.
func withoutDots(p string) string {
	if strings.Contains(p, "{") {
		return ""
	}
	p = path.Clean(p)
	for strings.HasPrefix(p, "../") {
		p = p[len("../"):]
	}
	return p
}

// apart says how to write a pattern whose ** is not alone between slashes, and what may be meant by it.
func apart(p string) (mend string, better []string) {
	if parts := splitCommas(p); len(parts) > 1 {
		return fmt.Sprintf("a comma separates nothing outside of braces: make %d patterns of it", len(parts)), nil
	}
	two := manyStars.ReplaceAllString(p, "**")
	names := strings.ReplaceAll(strings.ReplaceAll(two, "**", "**/*"), "**/*/", "**/")
	folders := strings.Trim(manySlashes.ReplaceAllString(strings.ReplaceAll(two, "**", "/**/"), "/"), "/")
	return "put a slash on either side of it, as in a/**/b", []string{two, names, folders}
}

// splitCommas divides a valid pattern at its commas outside of braces and classes.
func splitCommas(p string) []string {
	var out []string
	depth, from := 0, 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, p[from:i])
				from = i + 1
			}
		}
	}
	return append(out, p[from:])
}

// strayDoublestar says whether a pattern without braces has two stars in a row that are not a whole segment.
func strayDoublestar(p string) bool {
	ts := globParts(p)
	boundary := func(i int) bool { return i < 0 || i >= len(ts) || ts[i] == globPart{'l', '/'} }
	for i := 0; i+1 < len(ts); i++ {
		if ts[i].kind == '*' && ts[i+1].kind == '*' && !(boundary(i-1) && boundary(i+2)) {
			return true
		}
	}
	return false
}

// mixedRange says whether a class has a range whose ends fold apart from what lies between them.
func mixedRange(p string) bool {
	within := func(lo, hi, a, b byte) bool { return a <= lo && lo <= hi && hi <= b }
	inClass := false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			i++
		case c == '[':
			inClass = true
		case c == ']':
			inClass = false
		case c == '-' && inClass && i > 0 && i+1 < len(p) && p[i-1] != '[' && p[i+1] != ']':
			lo, hi := p[i-1], p[i+1]
			if !within(lo, hi, 'a', 'z') && !within(lo, hi, 'A', 'Z') && !within(lo, hi, '0', '9') {
				return true
			}
		}
	}
	return false
}
