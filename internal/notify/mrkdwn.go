package notify

import (
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/changegate/changegate/internal/change"
)

// Slack's limits, and tighter ones of ours where Slack would show a wall of text. Slack counts characters; we count bytes, of which there
// are never fewer.
const (
	maxSection  = 3000 // the text of one block
	maxDetail   = 1000
	maxSections = 10   // of details; Slack takes 50 blocks
	maxElements = 10   // of a context block
	maxFallback = 3000 // Slack takes 40,000
	maxURL      = 2000
	maxPart     = 400 // of what a stranger wrote
)

// breaker is put into what Slack would otherwise link or ping: it is a space of no width, so that it reads as it was written.
const breaker = "\u200b"

// message is an announcement as Slack takes it.
type message struct {
	fallback string // for notifications and screen readers
	blocks   []slack.Block
}

// render makes a message of an announcement. The subject is shown where no thread says what it is about. The identifier goes along with
// the first block.
func render(a change.Announcement, withSubject bool, id string) message {
	head, fallback := &mrkdwn{limit: maxSection}, &mrkdwn{limit: maxFallback, plain: true}
	if subject := strings.TrimSpace(change.Shorten(change.Visible(a.Subject), maxPart)); withSubject && subject != "" {
		head.put("*")
		head.prose(subject)
		head.put("*\n")
		fallback.prose(subject + ": ")
	}
	head.text(a.Text)
	fallback.text(a.Text)
	if head.b.Len() == 0 {
		head.put("–") // Slack takes no empty text
	}
	blocks := []slack.Block{slack.NewSectionBlock(head.object(), nil, nil, slack.SectionBlockOptionBlockID(id))}

	section := &mrkdwn{limit: maxSection}
	for _, d := range a.Details {
		line := &mrkdwn{limit: maxDetail}
		line.put("• ")
		line.text(d)
		fallback.put("\n")
		fallback.text(d)
		if section.b.Len()+len("\n")+line.b.Len() > maxSection-len("\n…") {
			if len(blocks) == maxSections {
				section.put("\n…")
				break
			}
			blocks = append(blocks, slack.NewSectionBlock(section.object(), nil, nil))
			section = &mrkdwn{limit: maxSection}
		}
		if section.b.Len() > 0 {
			section.put("\n")
		}
		section.put(line.b.String())
	}
	if section.b.Len() > 0 {
		blocks = append(blocks, slack.NewSectionBlock(section.object(), nil, nil))
	}
	if small := footer(a); len(small) > 0 {
		blocks = append(blocks, slack.NewContextBlock("", small...))
	}
	if fallback.b.Len() == 0 {
		fallback.put("–")
	}
	return message{fallback: fallback.b.String(), blocks: blocks}
}

// footer is the links, and when it happened, because the post may come late.
func footer(a change.Announcement) (elements []slack.MixedElement) {
	for _, l := range a.Links {
		m := &mrkdwn{limit: maxSection}
		m.link(l)
		if m.b.Len() > 0 && len(elements) < maxElements-1 {
			elements = append(elements, m.object())
		}
	}
	if !a.At.IsZero() {
		at := &mrkdwn{limit: maxSection}
		at.put(a.At.UTC().Format("2 January 2006, 15:04 ") + time.UTC.String())
		elements = append(elements, at.object())
	}
	return elements
}

// mrkdwn is a text in Slack's markup, in which nothing but put has a meaning: Slack takes <…> for links, mentions and pings of whole
// channels, and knows no escape for the rest of its markup.
type mrkdwn struct {
	b     strings.Builder
	limit int
	plain bool // Slack reads it without markup but for <…>
	full  bool
	code  bool // a code span was just closed
}

// object returns the text for a block. Verbatim: Slack makes no links of its own of what looks like an address, a channel or a name.
func (m *mrkdwn) object() *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, m.b.String(), false, true)
}

// put writes a piece of markup, all of it or, where it does not fit, an ellipsis and nothing more.
func (m *mrkdwn) put(piece string) {
	switch {
	case m.full:
	case m.b.Len()+len(piece)+len("…") > m.limit:
		m.b.WriteString("…")
		m.full = true
	default:
		m.b.WriteString(piece)
	}
	m.code = false
}

// text writes a text of ours with what strangers wrote in it:
//
//   - a name of a thing is a code span, where Slack links and pings nothing;
//   - prose, a login and our own words have nothing in them that Slack would take for markup, a link or a mention;
//   - a team is a code span.
func (m *mrkdwn) text(t change.Text) {
	for _, p := range t {
		switch p.Kind {
		case change.PartWords:
			m.prose(change.Visible(p.Text))
		case change.PartCode:
			m.codeSpan(p.Text)
		case change.PartTeam:
			m.codeSpan("@" + p.Text)
		default:
			m.prose(change.Shorten(change.Visible(p.Text), maxPart))
		}
	}
}

// prose writes a line of text.
func (m *mrkdwn) prose(s string) {
	if m.code && s != "" && !strings.ContainsRune(" .,;:!?)", rune(s[0])) {
		m.put(breaker) // a code span ends at a word's end only
	}
	for i, r := range s {
		if m.isLineStart() && r == '>' {
			m.put(breaker) // else it begins a quotation, escaped or not
		}
		m.put(m.escape(s, i, r))
	}
}

// escape returns a rune of a text so that it is shown and means nothing. What has no escape is replaced by what looks like it.
func (m *mrkdwn) escape(s string, i int, r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '@', '#':
		return string(r) + breaker
	case ':':
		if strings.HasPrefix(s[i+1:], "/") {
			return string(r) + breaker
		}
	}
	if m.plain {
		return string(r)
	}
	switch r {
	case '`':
		return "ˋ"
	case '*':
		return "∗"
	case '~':
		return "∼"
	case '_':
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+1:])
		if !isWord(before) || !isWord(after) {
			return "ˍ"
		}
	}
	return string(r)
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// codeSpan writes a span that shows s, whatever s is.
func (m *mrkdwn) codeSpan(s string) {
	s = change.Shorten(change.Visible(s), maxPart)
	if s == "" {
		return
	}
	if m.plain {
		m.prose(s)
		return
	}
	if trimmed := strings.TrimLeft(s, " "); trimmed != s {
		s = strings.Repeat("␠", len(s)-len(trimmed)) + trimmed
	}
	if trimmed := strings.TrimRight(s, " "); trimmed != s {
		s = trimmed + strings.Repeat("␠", len(s)-len(trimmed))
	}
	if before := m.b.String(); before != "" && !strings.ContainsRune(" \n(", rune(before[len(before)-1])) {
		m.put(" ") // a code span begins at a word's beginning only
	}
	m.put("`" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ").Replace(s) + "`")
	m.code = !m.full
}

// link writes a link, or only its text where its address is not that of a page.
func (m *mrkdwn) link(l change.Link) {
	label := &mrkdwn{limit: maxPart}
	label.prose(change.Shorten(change.Visible(l.Text), maxPart/2))
	if address, ok := address(l.URL); ok {
		if label.b.Len() == 0 {
			label.put("link")
		}
		m.put("<" + address + "|" + label.b.String() + ">")
		return
	}
	m.put(label.b.String())
}

// address returns the address of a page, for a link.
func address(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return "", false
	}
	for _, r := range raw {
		if r <= ' ' || r == 0x7f {
			return "", false
		}
	}
	text := strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C", "`", "%60", `"`, "%22").Replace(u.String())
	return text, len(text) <= maxURL && utf8.ValidString(text)
}

func (m *mrkdwn) isLineStart() bool {
	s := m.b.String()
	return s == "" || s[len(s)-1] == '\n'
}
