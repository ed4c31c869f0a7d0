package change

import (
	"encoding/json"
	"strings"
)

// PartKind says what a part of a Text is, which decides how it is escaped where it is shown.
type PartKind string

// The kinds of part.
const (
	PartWords PartKind = "words" // our own words: shown as they are
	PartCode  PartKind = "code"  // a path, label, branch or anything else that a stranger wrote: shown as code
	PartQuote PartKind = "quote" // a stranger's prose: shown as text, with all markup escaped
	PartLogin PartKind = "login" // an account: shown without pinging it
	PartTeam  PartKind = "team"  // a team as owner/slug: shown without pinging it
)

// Part is a run of text with one meaning.
type Part struct {
	Kind PartKind `json:"kind"`
	Text string   `json:"text"`
}

// Text is a sentence of a decision in which what strangers wrote is kept apart from our own words, so that every place that
// shows it (Markdown, HTML, Slack, CSV, a terminal) can escape it by its own rules. The zero value is empty.
//
// It is built with Say and the functions named after the kinds of part.
type Text []Part

// Say joins texts.
func Say(texts ...Text) Text {
	n := 0
	for _, t := range texts {
		n += len(t)
	}
	if n == 0 {
		return nil
	}
	out := make(Text, 0, n)
	for _, t := range texts {
		for _, p := range t {
			if p.Text == "" {
				continue
			}
			if n := len(out); n > 0 && p.Kind == PartWords && out[n-1].Kind == PartWords {
				out[n-1].Text += p.Text
				continue
			}
			out = append(out, p)
		}
	}
	return out
}

// Words returns our own words; never pass what a stranger wrote.
func Words(s string) Text { return Text{{PartWords, s}} }

// Code returns a stranger's name of a thing: a path, label, branch, pattern.
func Code(s string) Text { return Text{{PartCode, s}} }

// Quote returns a stranger's prose.
func Quote(s string) Text { return Text{{PartQuote, s}} }

// Login returns an account's name. An unknown account is "someone without a GitHub account".
func Login(a Account) Text {
	if !a.Known() || a.Login == "" {
		return Words("someone without a GitHub account")
	}
	return Text{{PartLogin, a.Login}}
}

// TeamName returns a team's name with its organization.
func TeamName(owner, slug string) Text { return Text{{PartTeam, owner + "/" + slug}} }

// Join puts sep between texts.
func Join(sep string, texts []Text) Text {
	if len(texts) == 0 {
		return nil
	}
	all := make([]Text, 0, 2*len(texts)-1)
	for i, t := range texts {
		if i > 0 {
			all = append(all, Words(sep))
		}
		all = append(all, t)
	}
	return Say(all...)
}

// IsEmpty says whether there is nothing to show.
func (t Text) IsEmpty() bool { return len(t) == 0 }

// String returns the text without markup, for logs and tests: teams carry an @, nothing is escaped.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t {
		if p.Kind == PartTeam {
			b.WriteByte('@')
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

// MarshalJSON writes an empty text as [].
func (t Text) MarshalJSON() ([]byte, error) {
	if t == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]Part(t))
}
