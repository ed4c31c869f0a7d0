package record

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxBody bounds what is read of a description, in bytes: GitHub takes 65,536 characters, of four bytes at most.
const maxBody = 4 * 65_536

// blockParser reads a description's blocks and leaves its prose alone: nobody asks here what is a link, and reading that takes
// most of a Markdown parser's time. It holds no state between parses.
var blockParser = parser.NewParser(parser.WithBlockParsers(
	util.Prioritized(parser.NewSetextHeadingParser(), 100),
	util.Prioritized(parser.NewThematicBreakParser(), 200),
	util.Prioritized(parser.NewListParser(), 300),
	util.Prioritized(parser.NewListItemParser(), 400),
	util.Prioritized(parser.NewCodeBlockParser(), 500),
	util.Prioritized(parser.NewATXHeadingParser(), 600),
	util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
	util.Prioritized(parser.NewBlockquoteParser(), 800),
	util.Prioritized(parser.NewHTMLBlockParser(), 900),
	util.Prioritized(parser.NewParagraphParser(), 1000),
))

var (
	// emojiName is what GitHub shows as an emoji, such as ":warning:".
	emojiName = regexp.MustCompile(`^(?:\s*:[a-z0-9_+-]+:)+|(?:\s:[a-z0-9_+-]+:)+(?:$|\s)`)
	// picture is how GitHub writes a picture that was pasted into a description. It says something in prose, where other tags do not.
	picture = regexp.MustCompile(`(?i)<(img|video)\s[^>]*>`)
)

// nobody is the field of a line that belongs to none.
const nobody = -1

// underBold is the level of a section that a line in bold introduces: below all headings.
const underBold = 7

// reader gathers the answers of one description.
type reader struct {
	body    string
	source  []byte // the same as bytes, for the parser
	fields  []Field
	answers []answer
	current int  // the field whose section we are in
	level   int  // of its heading
	boxed   bool // we are in a list item with a check box
	labels  []label
}

// label is a line "Name: answer" outside of every section, which answers a field of one word that has no section.
type label struct {
	field  int
	answer string
}

// read returns what stands in the sections of each field.
func read(body string, fields []Field) []answer {
	if len(body) > maxBody {
		body = body[:maxBody]
	}
	r := &reader{
		fields:  fields,
		answers: make([]answer, len(fields)),
		current: nobody,
	}
	if strings.TrimSpace(body) == "" {
		return r.answers
	}
	// Old Macs' line ends are none to a Markdown parser, and would hide all headings but the first.
	if strings.Contains(body, "\r") {
		body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	}
	body = withoutAbysses(body)
	r.body, r.source = body, []byte(body)
	document := blockParser.Parse(text.NewReader(r.source))
	for n := document.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			r.heading(h)
			continue
		}
		r.block(n, false)
	}
	r.fillShort()
	return r.answers
}

// maxMarks is how many marks of quotations and lists a line may start with. Nobody nests so deep, and a parser takes time in the
// square of the depth.
const maxMarks = 256

// withoutAbysses drops lines that start with more than maxMarks marks.
func withoutAbysses(body string) string {
	var kept strings.Builder
	from, start := 0, 0
	for start < len(body) {
		end := len(body)
		if i := strings.IndexByte(body[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		line := body[start:end]
		if len(line) > maxMarks && strings.Trim(line[:maxMarks], "> \t-*+.)0123456789") == "" {
			kept.WriteString(body[from:start])
			from = end
		}
		start = end
	}
	if from == 0 {
		return body
	}
	kept.WriteString(body[from:])
	return kept.String()
}

// heading starts a section, or ends one.
func (r *reader) heading(h *ast.Heading) {
	title := strings.TrimSpace(r.lines(h))
	if field, rest := r.match(title); field != nobody {
		r.start(field, h.Level, rest)
		return
	}
	if r.current != nobody && h.Level <= r.level {
		r.current = nobody
	}
}

func (r *reader) start(field, level int, rest string) {
	r.current, r.level, r.boxed = field, level, false
	a := &r.answers[field]
	a.seen = true
	a.sections, a.first = append(a.sections, nil), append(a.first, "")
	r.add(rest)
}

func (r *reader) add(line string) {
	if line = strings.TrimSpace(line); line == "" || r.current == nobody {
		return
	}
	a := &r.answers[r.current]
	last := len(a.sections) - 1
	a.sections[last] = append(a.sections[last], line)
	if !r.boxed && a.first[last] == "" && !isPlaceholder(line) {
		a.first[last] = line
	}
}

// block gathers what a block says. Verbatim blocks are what someone quotes: no line in them introduces a field.
func (r *reader) block(n ast.Node, verbatim bool) {
	switch n := n.(type) {
	case *ast.Heading: // a heading inside a quotation or list item
		return
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		for line := range strings.Lines(r.lines(n)) {
			r.add(line)
		}
	case *ast.HTMLBlock:
		html := r.lines(n)
		if n.HasClosure() {
			html += r.segment(n.ClosureLine)
		}
		html = withoutComments(html)
		if r.current != nobody && r.fields[r.current].isProse() {
			html = picture.ReplaceAllString(html, "picture")
		}
		for line := range strings.Lines(withoutTags(html)) {
			r.add(line)
		}
	case *ast.Paragraph, *ast.TextBlock:
		for line := range strings.Lines(withoutComments(r.lines(n))) {
			r.line(strings.TrimSpace(line), verbatim)
		}
	case *ast.ListItem:
		r.item(n, verbatim)
	default:
		_, quoted := n.(*ast.Blockquote)
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			r.block(c, verbatim || quoted)
		}
	}
}

// item gathers a list item: its first line is one of the field's items, with its check box if it has one.
func (r *reader) item(n *ast.ListItem, verbatim bool) {
	head := n.FirstChild()
	if head == nil {
		return
	}
	var words string
	switch head.(type) {
	case *ast.Paragraph, *ast.TextBlock:
		words = strings.TrimSpace(withoutComments(r.lines(head)))
	default:
		r.block(head, verbatim)
	}
	words, mark := cutBox(words)
	defer func(outside bool) { r.boxed = outside }(r.boxed)
	r.boxed = r.boxed || mark != noBox
	first := true
	for line := range strings.Lines(words) {
		line = strings.TrimSpace(line)
		// In a section under a heading, an item that starts in bold is an item; elsewhere it may be a field of a record that is
		// written as a list.
		r.line(line, verbatim || mark != noBox || r.current != nobody && r.level < underBold)
		if first && r.current != nobody && line != "" {
			r.answers[r.current].items = append(r.answers[r.current].items, item{line, mark})
		}
		first = false
	}
	for c := head.NextSibling(); c != nil; c = c.NextSibling() {
		r.block(c, verbatim)
	}
}

// line gathers a line of prose, which starts a section if it starts in bold with a field's heading.
func (r *reader) line(line string, verbatim bool) {
	if !verbatim {
		if bold, rest, ok := cutBold(line); ok {
			if field, more := r.match(bold); field != nobody {
				r.start(field, underBold, more)
				r.add(strings.TrimLeft(rest, ": \t"))
				return
			}
		}
		if name, answer, ok := strings.Cut(line, ":"); ok && r.current == nobody {
			if field, _ := r.match(name); field != nobody {
				r.labels = append(r.labels, label{field, answer})
			}
		}
	}
	r.add(line)
}

// fillShort answers fields of one word that no section answers from lines that say "Risk: high".
func (r *reader) fillShort() {
	if len(r.labels) == 0 {
		return
	}
	bySection := make([]bool, len(r.fields))
	for i, a := range r.answers {
		bySection[i] = a.seen
	}
	for _, l := range r.labels {
		switch r.fields[l.field].Type {
		case Choice, Date, YesNo:
			if !bySection[l.field] {
				r.start(l.field, underBold, l.answer)
			}
		}
	}
}

// match returns the field that a heading introduces, and the answer that follows on the same line, if there is one.
func (r *reader) match(heading string) (field int, rest string) {
	if strings.Contains(heading, "<") {
		heading = withoutTags(withoutComments(heading))
	}
	if strings.Count(heading, ":") > 1 {
		heading = emojiName.ReplaceAllString(heading, " ")
	}
	if i := r.lookup(heading); i != nobody {
		return i, ""
	}
	for _, separator := range [...]string{":", " – ", " — ", " - ", "(", "["} {
		if name, rest, ok := strings.Cut(heading, separator); ok {
			if i := r.lookup(name); i != nobody {
				if separator == "(" || separator == "[" {
					return i, afterRemark(rest) // "Rollback plan (required)"
				}
				return i, strings.Trim(rest, " \t*_")
			}
		}
	}
	return nobody, ""
}

// afterRemark returns the answer that follows a remark in brackets after a heading, as in "Risk (required): low".
func afterRemark(s string) string {
	_, rest, _ := strings.Cut(s, ")")
	if _, after, ok := strings.Cut(s, "]"); ok && len(after) > len(rest) {
		rest = after
	}
	rest = strings.TrimLeft(rest, " \t*_")
	if mark, n := utf8.DecodeRuneInString(rest); rest != "" && strings.ContainsRune(":-–—", mark) {
		return strings.Trim(rest[n:], " \t*_")
	}
	return ""
}

func (r *reader) lookup(heading string) int {
	k := Key(heading)
	if k == "" {
		return nobody
	}
	for i := range r.fields {
		for _, h := range r.fields[i].Headings {
			if hasKey(h, k) {
				return i
			}
		}
	}
	return nobody
}

// lines returns the text of a leaf block.
func (r *reader) lines(n ast.Node) string {
	segments := n.Lines()
	if segments.Len() == 0 {
		return ""
	}
	// Lines that nothing was taken off stand in the source as one.
	whole := true
	for i := range segments.Len() {
		s := segments.At(i)
		whole = whole && s.Padding == 0 && !s.ForceNewline && (i == 0 || s.Start == segments.At(i-1).Stop)
	}
	if whole {
		return r.body[segments.At(0).Start:segments.At(segments.Len()-1).Stop]
	}
	var b strings.Builder
	for i := range segments.Len() {
		b.WriteString(r.segment(segments.At(i)))
	}
	return b.String()
}

func (r *reader) segment(s text.Segment) string {
	if s.Padding == 0 && !s.ForceNewline {
		return r.body[s.Start:s.Stop]
	}
	return string(s.Value(r.source))
}

// Key folds a heading to what tells headings apart: its letters and digits in lower case, words separated by one space, without
// the number that it may start with. Two headings with one key introduce the same section; one whose key is empty introduces none.
func Key(heading string) string {
	var buf [64]byte
	out := buf[:0]
	space := false
	for _, r := range heading {
		if !isOfWord(r, len(out) > 0 && !space) {
			// An apostrophe is in a word, and everything else is between words.
			space = space || r != '\'' && r != '’'
			continue
		}
		if space && len(out) > 0 {
			out = append(out, ' ')
		}
		space = false
		out = utf8.AppendRune(out, unicode.ToLower(r))
	}
	for {
		i := 0
		for i < len(out) && out[i] >= '0' && out[i] <= '9' {
			i++
		}
		if i == 0 || i >= len(out) || out[i] != ' ' {
			return string(out)
		}
		out = out[i+1:]
	}
}

// isOfWord says whether a rune is a letter, a digit or, in a word, a mark on one. What has an emoji shown in color, or a digit as a keycap, is a
// mark on neither.
func isOfWord(r rune, inWord bool) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || inWord && unicode.IsMark(r) && !unicode.Is(unicode.Variation_Selector, r) && !unicode.Is(unicode.Me, r)
}

// hasKey says whether Key(heading) is k. Most headings differ in their first letter, so it makes no string to compare.
func hasKey(heading, k string) bool {
	i, space := 0, false
	for _, r := range heading {
		if !isOfWord(r, i > 0 && !space) {
			space = space || r != '\'' && r != '’'
			continue
		}
		if i == 0 && r >= '0' && r <= '9' {
			return Key(heading) == k
		}
		if space && i > 0 {
			if i >= len(k) || k[i] != ' ' {
				return false
			}
			i++
		}
		space = false
		other, n := utf8.DecodeRuneInString(k[i:])
		if n == 0 || other != unicode.ToLower(r) {
			return false
		}
		i += n
	}
	return i == len(k)
}

// cutBold splits a line that starts in bold.
func cutBold(line string) (bold, rest string, ok bool) {
	for _, mark := range [...]string{"**", "__"} {
		if inner, found := strings.CutPrefix(line, mark); found {
			bold, rest, ok = strings.Cut(inner, mark)
			return bold, rest, ok && bold != ""
		}
	}
	return "", "", false
}

// cutBox splits a list item's text from the check box before it.
func cutBox(s string) (string, box) {
	if len(s) < 3 || s[0] != '[' || s[2] != ']' || len(s) > 3 && s[3] != ' ' && s[3] != '\t' && s[3] != '\n' {
		return s, noBox
	}
	switch s[1] {
	case ' ':
		return strings.TrimSpace(s[3:]), unchecked
	case 'x', 'X':
		return strings.TrimSpace(s[3:]), checked
	}
	return s, noBox
}

// withoutComments drops HTML comments; one that is not closed hides the rest of a block only where Markdown says so, which has
// then made it a block of its own.
func withoutComments(s string) string {
	at := strings.Index(s, "<!--")
	if at < 0 {
		return s
	}
	var b strings.Builder
	for at >= 0 {
		b.WriteString(s[:at])
		end := strings.Index(s[at+4:], "-->")
		if end < 0 {
			return b.String()
		}
		s = s[at+4+end+3:]
		at = strings.Index(s, "<!--")
	}
	b.WriteString(s)
	return b.String()
}

// withoutTags drops HTML tags and leaves what they enclose.
func withoutTags(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "<")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if _, s, found = strings.Cut(after, ">"); !found {
			return b.String()
		}
	}
}
