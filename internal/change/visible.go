package change

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible replaces what would not be seen, or would change how its surroundings are seen: control characters, line ends, and Unicode's
// formatting characters, such as those that turn the direction of text. The result is one line of valid UTF-8.
func Visible(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] >= ' ' && s[i] < 0x7f
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\t', r == '\n', r == '\r':
			b.WriteByte(' ')
		case r < ' ':
			b.WriteRune(0x2400 + r) // Unicode's pictures of control characters
		case r == 0x7f:
			b.WriteRune('␡')
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs), isInvisible(r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isInvisible says whether a rune is shown as nothing although Unicode calls it a letter, a mark or a symbol.
func isInvisible(r rune) bool {
	switch r {
	case 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0:
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r) && r != 0xFE0F
}

// Shorten cuts s to at most n bytes of UTF-8, with an ellipsis where something was cut; n is 3 or more.
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
