package command

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// maxReason is how many characters a reason may have.
const maxReason = 500

// The sorts of quotation marks. Which curly mark opens and which closes differs between languages.
const (
	straight = `"`
	curly    = "“”„"
)

func startsReason(s string) bool {
	s = strings.TrimLeft(s, " \t")
	first, _ := utf8.DecodeRuneInString(s)
	return strings.ContainsRune(straight+curly, first)
}

// unquote reads a reason, which begins with a quotation mark and must end the line with another of that sort.
func unquote(s string) (string, error) {
	open, size := utf8.DecodeRuneInString(s)
	marks, end := straight, straight
	if strings.ContainsRune(curly, open) {
		marks, end = curly, "”"
	}
	var b strings.Builder
	escaped, closed := false, false
	for _, r := range s[size:] {
		mark := strings.ContainsRune(marks, r)
		switch {
		case closed:
			return "", problem(change.Words("the reason ends at its second quotation mark, and more follows: write a mark within it as "), change.Code(`\`+end))
		case !mayShow(r):
			return "", problem(change.Words(fmt.Sprintf("the reason holds a character that cannot be seen (U+%04X): leave it out", r)))
		case escaped && !mark && r != '\\':
			return "", problem(change.Words("a backslash in the reason is written "), change.Code(`\\`), change.Words(", a quotation mark "), change.Code(`\`+end))
		case escaped:
			escaped = false
			b.WriteRune(r)
		case mark:
			closed = true
		case r == '\\':
			escaped = true
		default:
			b.WriteRune(r)
		}
	}
	reason := strings.TrimSpace(b.String())
	switch {
	case !closed:
		return "", problem(change.Words("the reason is not closed: end it with "), change.Code(end))
	case reason == "":
		return "", problem(change.Words("the reason is empty: say why"))
	case utf8.RuneCountInString(reason) > maxReason:
		return "", problem(change.Words(fmt.Sprintf("the reason has more than %d characters: shorten it, and link to what is longer", maxReason)))
	}
	return reason, nil
}

// mayShow says whether a character of a reason is one that people see as what it is: no control character, and none that turns the
// direction in which the rest is read or that begins a line. What joins emoji may stay.
func mayShow(r rune) bool {
	return !unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
