package report

import (
	"strconv"
	"strings"
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
func ownWords(s string) string { return forCell.Replace(s) }

var forCell = strings.NewReplacer("|", "&#124;", "<", "&lt;", "\n", " ", "\r", " ", "`", "&#96;")

// writeCode writes a code span that shows s, whatever s is.
func writeCode(b *strings.Builder, s string) {
	s = change.Shorten(change.Visible(s), maxPart)
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
	s = change.Shorten(change.Visible(s), maxPart)
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
		b.WriteString(change.Shorten(change.Visible(p.Text), maxPart))
	}
	return b.String()
}
