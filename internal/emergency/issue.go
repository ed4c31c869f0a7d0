package emergency

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/record"
	"github.com/changegate/changegate/internal/report"
)

// section is a part of a retrospective that must be written.
type section struct {
	title    string
	headings []string // besides the title
	asks     string   // what the template asks there, in a comment that nobody sees in what is read
}

func sections() []section {
	return []section{
		{"What happened", []string{"What went wrong", "Summary"}, "What broke or threatened to, how was it found, what did this change do about it?"},
		{"Impact", nil, "Who or what was affected, how badly, from when until when?"},
		{"Why the normal process did not serve", []string{"Why the normal process did not work", "Why not the normal process"},
			"What would have taken too long, or stood in the way?"},
		{"Follow-ups", []string{"Followups", "Follow-up", "Action items"}, "What will be done so that this is not needed again: by whom, and by when? Link the issues."},
	}
}

// Empty returns the titles of the sections that none of the texts, the description and comments of an issue, says anything in. A heading, a
// template's comment, a placeholder or "n/a" says nothing.
func Empty(texts ...string) []string {
	all := sections()
	fields := make([]record.Field, len(all))
	for i, s := range all {
		fields[i] = record.Field{Name: s.title, Headings: append([]string{s.title}, s.headings...)}
	}
	written := map[string]bool{}
	for _, t := range texts {
		for _, v := range record.Parse(t, fields) {
			written[v.Field] = written[v.Field] || v.State == record.Present
		}
	}
	var empty []string
	for _, s := range all {
		if !written[s.title] {
			empty = append(empty, s.title)
		}
	}
	return empty
}

// maxTitle is how many characters of a pull request's title an issue's title holds; GitHub takes 256 in all.
const maxTitle = 200

// opening returns the issue as it is opened.
func (l *look) opening() Write {
	var b strings.Builder
	b.WriteString(report.Markdown(change.Say(l.declarer(), words(" declared "+l.number()+" (“"), change.Quote(l.Pull.Title), words("”) an emergency"))))
	if why := l.m.Terms.Justification; why != "" {
		b.WriteString(": " + report.Markdown(change.Quote(why)))
	}
	b.WriteString("\n\n**Due by " + l.due() + ".** Edit this description and fill in the four sections below, then close the issue. " +
		"Whoever cannot edit it comments under the same headings. “n/a” counts as empty. After that time, until this is done, " +
		report.Markdown(l.declarer()) + " cannot declare another emergency.\n")
	b.WriteString("\n## Time line so far\n\n")
	writeTimeline(&b, l.timeline(time.Time{}))
	for _, s := range sections() {
		b.WriteString("\n## " + s.title + "\n\n<!-- " + s.asks + " -->\n")
	}
	return Write{
		Title: "Retrospective: EMERGENCY " + l.number() + " " + plainTitle(l.Pull.Title), Body: b.String(), Assign: l.m.Declaration.By.Login,
		Through: l.Now,
	}
}

// plainTitle returns a pull request's title as plain text, which is what an issue's title is.
func plainTitle(s string) string {
	s = change.Visible(s)
	if utf8.RuneCountInString(s) > maxTitle {
		s = string([]rune(s)[:maxTitle-1]) + "…"
	}
	return s
}

func (l *look) reminder() string {
	body := mention(l.m.Declaration.By) + ", this retrospective " + l.isDue() + ". "
	if len(l.Issue.Empty) == 0 {
		return body + "Its sections are written: close the issue, and it is done."
	}
	return body + "Still empty: " + report.Markdown(titles(l.Issue.Empty)) + ". Fill in what is empty, in the description or in a comment under the same " +
		"headings, then close the issue."
}

// mention pings the one who is asked. A login that GitHub would not give is not made into a mention.
func mention(a change.Account) string {
	login := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, a.Login)
	if !a.Known() || login == "" || login != a.Login {
		return report.Markdown(change.Login(a))
	}
	return "@" + login
}

func (l *look) reopenedComment() string {
	return "Reopened, because these sections say nothing yet: " + report.Markdown(titles(l.Issue.Empty)) + ". Fill them in, in the description or in a " +
		"comment under the same headings, then close the issue again. It " + l.isDue() + ". Closed like this once more it stays closed, " +
		"and counts as not written."
}

func (l *look) withdrawnComment() string {
	if past := l.past(); past != "" {
		return "The emergency is over: " + past + ". No retrospective is owed, so this is closed."
	}
	return "The emergency was withdrawn: nothing of " + l.number() + " went past the normal process. No retrospective is owed, so this is closed. " +
		"If the emergency is declared again, this is reopened."
}

func (l *look) resumedComment() string {
	return report.Markdown(l.declarer()) + " declared the emergency again, so the retrospective is owed after all. The time runs from the first " +
		"declaration: it " + l.isDue() + ". Fill in the four sections, then close the issue."
}

func (l *look) mergedComment() string {
	var b strings.Builder
	b.WriteString("The time line since this was opened:\n\n")
	writeTimeline(&b, l.timeline(l.m.Told))
	return strings.TrimSuffix(b.String(), "\n")
}
