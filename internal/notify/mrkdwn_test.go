package notify

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

func TestMarkup(t *testing.T) {
	words, code, quote := change.Words, change.Code, change.Quote
	login := change.Login(change.Account{ID: 1, Login: "alice-b"})
	tests := map[string]struct {
		text change.Text
		want string // ~ stands for the space of no width
	}{
		"our words":                {change.Say(login, words(" declared it & R < 3.")), "alice-b declared it &amp; R &lt; 3."},
		"a bot":                    {change.Login(change.Account{ID: 2, Login: "dependabot[bot]"}), "dependabot[bot]"},
		"a team":                   {change.Say(words("Ask "), change.TeamName("acme", "security"), words(".")), "Ask `@acme/security`."},
		"a path":                   {change.Say(words("It changes "), code("db/a_b*c.sql")), "It changes `db/a_b*c.sql`"},
		"a path with a backtick":   {code("a`b` <!here>"), "`aˋbˋ &lt;!here&gt;`"},
		"a path with spaces":       {code(" a "), "`␠a␠`"},
		"a path beside words":      {change.Say(words("of"), code("a"), words("b")), "of `a`~b"},
		"two paths":                {change.Say(code("a"), code("b")), "`a` `b`"},
		"nothing to show":          {code(""), ""},
		"a ping of a channel":      {quote("<!channel> <@U012AB> <#C012AB|x> @here"), "&lt;!channel&gt; &lt;@~U012AB&gt; &lt;#~C012AB|x&gt; @~here"},
		"a forged link":            {quote("<https://evil.example|https://acme.example>"), "&lt;https:~//evil.example|https:~//acme.example&gt;"},
		"an escape of one's own":   {quote("&lt;!here&gt;"), "&amp;lt;!here&amp;gt;"},
		"emphasis":                 {quote("*a* _b_ ~c~ `d` snake_case_"), "∗a∗ ˍbˍ ∼c∼ ˋdˋ snake_caseˍ"},
		"a quotation":              {quote("> a\n> b"), "~&gt; a &gt; b"},
		"what turns the direction": {quote("a\u202eb"), "a⟨U+202E⟩b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := &mrkdwn{limit: maxSection}
			m.text(tt.text)
			equal(t, "the markup", strings.ReplaceAll(m.b.String(), breaker, "~"), tt.want)
		})
	}
}

func TestLinks(t *testing.T) {
	tests := map[string]struct{ text, url, want string }{
		"a page":            {"acme/shop#12", "https://github.com/acme/shop/pull/12?a=b&c=d#x", "<https://github.com/acme/shop/pull/12?a=b&amp;c=d#x|acme/shop#~12>"},
		"no text":           {"", "https://github.com/", "<https://github.com/|link>"},
		"a forged text":     {"a> <!here> `b`", "https://h/", "<https://h/|a&gt; &lt;!here&gt; ˋbˋ>"},
		"an address's end":  {"a", "https://h/?q=>|<!here>", "<https://h/?q=%3E%7C%3C!here%3E|a>"},
		"a script":          {"a", "javascript:alert(1)", "a"},
		"a mail":            {"a", "mailto:a@b", "a"},
		"a user":            {"a", "https://github.com@evil.example/", "a"},
		"no host":           {"a", "https:///x", "a"},
		"no address":        {"a", "://", "a"},
		"a space":           {"a", "https://h/?a b", "a"},
		"far too long":      {"a", "https://h/" + strings.Repeat("x", maxURL), "a"},
		"nothing whatever":  {"", "", ""},
		"a mention's shape": {"a", "!here", "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := &mrkdwn{limit: maxSection}
			m.link(change.Link{Text: tt.text, URL: tt.url})
			equal(t, "the markup", strings.ReplaceAll(m.b.String(), breaker, "~"), tt.want)
		})
	}
}

func TestMessage(t *testing.T) {
	a := change.Announcement{
		Key: "declared", Subject: "acme/shop#12",
		Text:    change.Say(change.Words("EMERGENCY declared for "), change.Quote("Fix <login>"), change.Words(".")),
		Details: []change.Text{change.Words("1 approval is due by 14:05 UTC."), change.Say(change.Words("It changes "), change.Code("auth.go"))},
		Links:   []change.Link{{Text: "Pull request", URL: "https://github.com/acme/shop/pull/12"}, {Text: "", URL: "ftp://x"}},
		At:      time.Date(2026, 1, 5, 10, 5, 0, 0, time.FixedZone("", 3600)),
	}
	m := render(a, true, "id")
	equal(t, "the fallback", strings.ReplaceAll(m.fallback, breaker, "~"),
		"acme/shop#~12: EMERGENCY declared for Fix &lt;login&gt;.\n1 approval is due by 14:05 UTC.\nIt changes auth.go")
	got, err := json.MarshalIndent(m.blocks, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"block_id": "id"`, `"verbatim": true`, `"type": "context"`, "9:05 UTC", "5 January 2026"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the blocks lack %s:\n%s", want, got)
		}
	}
	equal(t, "texts", texts(m), []string{
		"*acme/shop#" + breaker + "12*\nEMERGENCY declared for Fix &lt;login&gt;.",
		"• 1 approval is due by 14:05 UTC.\n• It changes `auth.go`",
		"<https://github.com/acme/shop/pull/12|Pull request>", "5 January 2026, 09:05 UTC",
	})
	empty := render(change.Announcement{}, true, "id")
	equal(t, "the texts of nothing", append(texts(empty), empty.fallback), []string{"–", "–"})
}

// texts returns the texts of a message's blocks.
func texts(m message) (list []string) {
	for _, b := range m.blocks {
		switch b := b.(type) {
		case *slack.SectionBlock:
			list = append(list, b.Text.Text)
		case *slack.ContextBlock:
			for _, e := range b.ContextElements.Elements {
				list = append(list, e.(*slack.TextBlockObject).Text)
			}
		}
	}
	return list
}

// hostile draws what a stranger may write: pieces of Slack's markup in any order, and anything else.
func hostile() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"<!here>", "<!channel|x>", "<@U1>", "<#C1>", "<https://evil.example|x>", "<", ">", "|", "&lt;", "&", "`", "```", "*", "_", "~", "@here", "@channel",
			"@everyone", "\n", "\r\n> ", " ", "https://evil.example", "www.evil.example", "\u200b", "\u202e", "\xff", "a", "é", ":tada:",
		}),
		rapid.String(),
		rapid.Map(rapid.IntRange(1, 900), func(n int) string { return strings.Repeat("<&`", n) }),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 12), func(pieces []string) string { return strings.Join(pieces, "") })
}

func hostileText() *rapid.Generator[change.Text] {
	return rapid.Custom(func(t *rapid.T) change.Text {
		var all []change.Text
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			s := hostile().Draw(t, "stranger")
			all = append(all, rapid.SampledFrom([]change.Text{
				change.Words(", and"), change.Words(" "), change.Code(s), change.Quote(s), change.TeamName("acme", s), change.Login(change.Account{ID: 1, Login: s}),
			}).Draw(t, "part"))
		}
		return change.Say(all...)
	})
}

var (
	ourLink = regexp.MustCompile(`^<https?://[^<>|` + "`" + ` ]+\|[^<>]*>`)
	span    = regexp.MustCompile("`[^`\n]+`")
	pings   = regexp.MustCompile(`@(here|channel|everyone|U)`)
)

// TestStrangersMeanNothing holds that nothing that a stranger wrote is markup: no link, no mention, no ping, no code span that does not
// end where ours does; and that every limit of Slack's is kept.
func TestStrangersMeanNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := change.Announcement{
			Key: "k", Subject: hostile().Draw(t, "subject"), Text: hostileText().Draw(t, "text"), At: time.Unix(1, 0),
			Details: rapid.SliceOfN(hostileText(), 0, 30).Draw(t, "details"),
		}
		for range rapid.IntRange(0, 12).Draw(t, "links") {
			a.Links = append(a.Links, change.Link{
				Text: hostile().Draw(t, "link"),
				URL:  rapid.SampledFrom([]string{"", "https://github.example/"}).Draw(t, "origin") + hostile().Draw(t, "address"),
			})
		}
		m := render(a, rapid.Bool().Draw(t, "alone"), "id")
		if len(m.blocks) == 0 || len(m.blocks) > 50 || len(m.fallback) == 0 || utf8.RuneCountInString(m.fallback) > 40_000 {
			t.Fatalf("%d blocks, a fallback of %d bytes", len(m.blocks), len(m.fallback))
		}
		if strings.ContainsAny(m.fallback, "<>") || pings.MatchString(m.fallback) || strings.Contains(m.fallback, "://") {
			t.Fatalf("the fallback means something: %q", m.fallback)
		}
		for _, b := range m.blocks {
			if c, ok := b.(*slack.ContextBlock); ok && len(c.ContextElements.Elements) > 10 {
				t.Fatalf("a context of %d elements", len(c.ContextElements.Elements))
			}
		}
		for _, text := range texts(m) {
			checkMarkup(t, text)
		}
	})
}

func checkMarkup(t *rapid.T, text string) {
	if text == "" || utf8.RuneCountInString(text) > 3000 || !utf8.ValidString(text) {
		t.Fatalf("Slack would not take %q", text)
	}
	rest := text
	if link := ourLink.FindString(text); link != "" {
		rest = text[len(link):]
	}
	if strings.ContainsAny(rest, "<>") {
		t.Fatalf("something is a link: %q", text)
	}
	for _, at := range span.FindAllStringIndex(rest, -1) {
		before, _ := utf8.DecodeLastRuneInString(rest[:at[0]])
		after, _ := utf8.DecodeRuneInString(rest[at[1]:])
		if at[0] > 0 && !slices.Contains([]rune(" (\n"), before) || isWord(after) {
			t.Fatalf("a code span is not set apart: %q", text)
		}
	}
	bare := span.ReplaceAllString(rest, "")
	if strings.Contains(bare, "`") {
		t.Fatalf("a code span is broken: %q", text)
	}
	if pings.MatchString(bare) || strings.Contains(bare, "://") {
		t.Fatalf("something is a mention or an address: %q", text)
	}
}
