package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// maxPart is how much is shown of one part that a stranger wrote, in bytes; maxParts how many parts of one text. They bound a row, and
// no honest text comes near.
const (
	maxPart  = 400
	maxParts = 80
)

// breaker is put into what GitHub would otherwise link or ping: it is a space of no width, so that it reads as it was written.
const breaker = "\u200b"

// Markdown renders a text for one line of Markdown, such as one of a comment: what strangers wrote has no meaning there, and pings nobody.
func Markdown(t change.Text) string { return markdown(t) }

// markdown renders a text for one line of Markdown, in a table or out of it. Only our own words have meaning there:
//
//   - a name of a thing is a code span, where GitHub links and pings nothing;
//   - prose has its punctuation as character references, and what would become a link, a reference or a mention is broken up;
//   - a login has no @ before it, and a team is a code span.
func markdown(t change.Text) string {
	var b strings.Builder
	for i, p := range t {
		if i == maxParts {
			b.WriteString(" …")
			break
		}
		switch p.Kind {
		case change.PartWords:
			b.WriteString(ownWords(p.Text))
		case change.PartCode:
			writeCode(&b, p.Text)
		case change.PartTeam:
			writeCode(&b, "@"+p.Text)
		default:
			b.WriteString(prose(p.Text))
		}
	}
	return b.String()
}

// ownWords keeps our own words within a table's cell.
func ownWords(s string) string {
	return strings.NewReplacer("|", "&#124;", "<", "&lt;", "\n", " ", "\r", " ", "`", "&#96;").Replace(s)
}

// writeCode writes a code span that shows s, whatever s is.
func writeCode(b *strings.Builder, s string) {
	s = shorten(visible(s), maxPart)
	if s == "" {
		return
	}
	// A code span shows backticks if its fence is longer than any run of them, and drops a space at both ends.
	run, longest := 0, 0
	for i := range len(s) {
		if run++; s[i] != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if strings.Trim(s, " ") != s || s[0] == '`' || s[len(s)-1] == '`' {
		s = " " + s + " "
	}
	// In a table a bar needs a backslash even in code, and parsers differ where there is one before it already.
	s = strings.ReplaceAll(s, `\|`, `\`+breaker+`|`)
	s = strings.ReplaceAll(s, "|", `\|`)
	// Set apart, it can be no part of what stands before it: another code span's fence, or an e-mail address.
	if before := b.String(); before != "" && !strings.ContainsRune(" (", rune(before[len(before)-1])) {
		b.WriteByte(' ')
	}
	b.WriteString(fence + s + fence)
}

// prose escapes what a stranger wrote as text.
func prose(s string) string {
	s = shorten(visible(s), maxPart)
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= utf8.RuneSelf, r == ' ', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			b.WriteRune(r)
		case r == ',' || r == '\'' || r == '(' || r == ')' || r == '?' || r == '/' || r == '%':
			b.WriteRune(r)
		default:
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		}
		if breaks(s, i, r) {
			b.WriteString(breaker)
		}
	}
	return b.String()
}

// breaks says whether something that GitHub would link or ping must be broken up after the rune at i: a mention or an e-mail address,
// a number sign, an address with or without a scheme, a reference as GH-1.
func breaks(s string, i int, r rune) bool {
	rest := s[i+utf8.RuneLen(r):]
	before := s[:i]
	endsIn := func(suffix string) bool {
		return len(before) >= len(suffix) && strings.EqualFold(before[len(before)-len(suffix):], suffix)
	}
	switch r {
	case '@', '#':
		return true
	case ':':
		return strings.HasPrefix(rest, "/")
	case '.':
		return endsIn("www")
	case '-':
		return endsIn("gh")
	}
	return false
}

// plain renders a text for a line of plain text.
func plain(t change.Text) string {
	var b strings.Builder
	for _, p := range t {
		if p.Kind == change.PartTeam {
			b.WriteByte('@')
		}
		b.WriteString(shorten(visible(p.Text), maxPart))
	}
	return b.String()
}

// visible replaces what would not be seen, or would change how its surroundings are seen: control characters, line ends, and Unicode's
// formatting characters, such as those that turn the direction of text.
func visible(s string) string {
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

// shorten cuts s to at most n bytes of UTF-8, with an ellipsis where something was cut.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
