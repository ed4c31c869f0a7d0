package emergency

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// when shows a time to people anywhere, who may read it on another day.
func when(t time.Time) string { return t.UTC().Format("15:04 UTC on 2 January 2006") }

func words(parts ...string) change.Text { return change.Words(strings.Join(parts, "")) }

// number is how GitHub names the pull request.
func (l *look) number() string { return "#" + strconv.Itoa(int(l.Pull.Number)) }

func (l *look) subject() string { return l.number() + " " + l.Pull.Title }

func (l *look) declarer() change.Text { return change.Login(l.m.Declaration.By) }

func (l *look) due() string { return when(l.m.Declaration.Due) }

// isDue says when the retrospective is due, or was.
func (l *look) isDue() string {
	if l.Now.Before(l.m.Declaration.Due) {
		return "is due by " + l.due()
	}
	return "was due by " + l.due()
}

// links lead to the pull request and to the retrospective, where there is one.
func (l *look) links() []change.Link {
	var links []change.Link
	if l.Pull.URL != "" {
		links = append(links, change.Link{Text: "Pull request " + l.number(), URL: l.Pull.URL})
	}
	if l.m.IssueURL != "" {
		links = append(links, change.Link{Text: "Retrospective #" + strconv.Itoa(int(l.m.Issue)), URL: l.m.IssueURL})
	}
	return links
}

func (l *look) declared() change.Announcement {
	a := change.Announcement{Opens: true, Links: l.links()}
	a.Text = change.Say(words("EMERGENCY declared by "), l.declarer(), words(" for ", l.number(), " “"), change.Quote(l.Pull.Title), words("” in "),
		change.Quote(l.Repository.String()))
	if l.m.Terms.Justification == "" {
		a.Text = change.Say(a.Text, words(". The description does not say why yet."))
	} else {
		a.Text = change.Say(a.Text, words(": "), change.Quote(l.m.Terms.Justification))
	}
	a.Details = append(a.Details, l.underlying())
	if held := l.held(); len(held) > 0 {
		a.Details = append(a.Details, change.Say(words("It cannot be merged yet: "), change.Join(", ", held), words(".")))
	} else {
		a.Details = append(a.Details, words("It may be merged now."))
	}
	a.Details = append(a.Details, l.owed())
	for _, r := range l.unmet() {
		if !r.Next.IsEmpty() {
			a.Details = append(a.Details, change.Say(short(r), words(": "), r.Next))
		}
	}
	if l.Pull.URL != "" {
		a.Links = append(a.Links, change.Link{Text: "Its check", URL: l.Pull.URL + "/checks"})
	}
	return a
}

// underlying says what the change would be without the declaration, and why.
func (l *look) underlying() change.Text {
	d := l.Decision
	text := words("Without the declaration it would be ", d.Underlying.String())
	i := slices.IndexFunc(d.Matches, func(m change.Match) bool { return m.Category == d.Underlying && m.Trigger == "" })
	if i < 0 {
		return change.Say(text, words("."))
	}
	m := d.Matches[i]
	if m.Subject.IsEmpty() {
		text = change.Say(text, words(", because of "), m.Rule)
	} else {
		text = change.Say(text, words(", because "), m.Subject, words(" matches "), m.Rule)
	}
	if m.Because != "" {
		text = change.Say(text, words(" ("), change.Quote(m.Because), words(")"))
	}
	return change.Say(text, words("."))
}

// held returns what still keeps it from being merged.
func (l *look) held() []change.Text {
	var held []change.Text
	for _, r := range l.Decision.Requirements {
		switch {
		case r.State == change.Met || r.State == change.Owed:
		case r.Kind == change.KindDraft:
			held = append(held, words("it is a draft"))
		default:
			held = append(held, short(r))
		}
	}
	return held
}

func short(r change.Requirement) change.Text {
	if r.Short.IsEmpty() {
		return r.Name
	}
	return r.Short
}

// shorts lists requirements: "1 approval and security review".
func shorts(list []change.Requirement) change.Text {
	var text change.Text
	for i, r := range list {
		switch {
		case i > 0 && i == len(list)-1:
			text = change.Say(text, words(" and "))
		case i > 0:
			text = change.Say(text, words(", "))
		}
		text = change.Say(text, short(r))
	}
	return text
}

// owed says what is due, and when.
func (l *look) owed() change.Text {
	retrospective := change.Say(words("a retrospective by "), l.declarer())
	if unmet := l.unmet(); len(unmet) > 0 {
		return change.Say(words("Due by ", l.due(), ": "), shorts(unmet), words("; "), retrospective, words("."))
	}
	return change.Say(words("The reviews are in. Due by ", l.due(), ": "), retrospective, words("."))
}

func (l *look) declaredAgain() change.Announcement {
	return change.Announcement{
		Text:    change.Say(words("EMERGENCY declared again, by "), l.declarer(), words(", for ", l.number(), ". Its time runs from the first declaration.")),
		Details: []change.Text{l.owed()}, Links: l.links(),
	}
}

func (l *look) withdrawn(why string) change.Announcement {
	follows := "Nothing went past the process, and nothing is owed."
	if l.past() != "" {
		follows = "For the emergency nothing is owed."
	}
	return change.Announcement{Text: words("Emergency ", l.number(), " is over: ", why, ". ", follows), Links: l.links()}
}

func (l *look) merged(unmet []change.Requirement) change.Announcement {
	text := words(l.number(), " was merged")
	if l.Pull.MergedBy.Known() {
		text = change.Say(text, words(" by "), change.Login(l.Pull.MergedBy))
	}
	if !l.Pull.MergedAt.IsZero() {
		text = change.Say(text, words(" at ", when(l.Pull.MergedAt)))
	}
	text = change.Say(text, words(" as an emergency."))
	a := change.Announcement{Text: text, Links: l.links()}
	switch {
	case l.m.owes():
		a.Details = []change.Text{l.owed()}
	case len(unmet) > 0:
		a.Details = []change.Text{change.Say(words("Due by ", l.due(), ": "), shorts(unmet), words("."))}
	default:
		a.Details = []change.Text{words("Nothing is owed any more.")}
	}
	return a
}

func (l *look) reviewed() change.Announcement {
	var by []change.Text
	for _, r := range l.Decision.Requirements {
		if r.Due.IsZero() || len(r.By) == 0 {
			continue
		}
		what := "approved by "
		if r.Kind == change.KindSecurityReview {
			what = "security review by "
		}
		var logins []change.Text
		for _, a := range r.By {
			logins = append(logins, change.Login(a))
		}
		by = append(by, change.Say(words(what), change.Join(", ", logins)))
	}
	text := words("Every review that ", l.number(), " owed is in")
	if len(by) > 0 {
		text = change.Say(text, words(": "), change.Join("; ", by))
	}
	return change.Announcement{Text: change.Say(text, words(".")), Links: l.links()}
}

func (l *look) reviewsOverdue(unmet []change.Requirement) change.Announcement {
	return change.Announcement{
		Text:    change.Say(words("OVERDUE: ", l.number(), " was merged as an emergency and still lacks "), shorts(unmet), words(", due by ", l.due(), ".")),
		Details: []change.Text{l.barred("that is settled")}, Links: l.links(), Broadcast: true,
	}
}

func (l *look) overdue() change.Announcement {
	return change.Announcement{
		Text: change.Say(words("OVERDUE: the retrospective of emergency ", l.number(), " was due by ", l.due(), " from "), l.declarer(),
			words(", and is not written.")),
		Details: []change.Text{l.barred("it is written and its issue closed")}, Links: l.links(), Broadcast: true,
	}
}

// barred says what follows from being late.
func (l *look) barred(until string) change.Text {
	return change.Say(l.declarer(), words(" cannot declare another emergency until ", until, "."))
}

func (l *look) closed() change.Announcement {
	text := words("The retrospective of emergency ", l.number(), " is written")
	if by := l.Issue.ClosedBy; by.Known() {
		text = change.Say(text, words(", and was closed by "), change.Login(by))
	}
	if l.m.Settled.After(l.m.Declaration.Due) {
		text = change.Say(text, words(", late: it was due by ", l.due()))
	}
	return change.Announcement{Text: change.Say(text, words(".")), Links: l.links()}
}

func (l *look) closedEmpty() change.Announcement {
	return change.Announcement{
		Text: change.Say(words("The retrospective of emergency ", l.number(), " was closed again without "), titles(l.Issue.Empty),
			words(", and counts as not written.")),
		Details: []change.Text{change.Say(words("It ", l.isDue(), " from "), l.declarer(), words(": fill in what is empty. The issue may stay closed."))},
		Links:   l.links(),
	}
}

func (l *look) lost() change.Announcement {
	return change.Announcement{
		Text:    words("The issue for the retrospective of emergency ", l.number(), " was deleted or moved. Another is opened within a day."),
		Details: []change.Text{change.Say(words("The retrospective ", l.isDue(), " from "), l.declarer(), words(", and stays owed."))},
		Links:   l.links(),
	}
}

func (l *look) refused() change.Announcement {
	return change.Announcement{
		Text: change.Say(words("GitHub refused to open an issue for the retrospective of emergency ", l.number(), ": "), change.Quote(l.m.Refusal)),
		Details: []change.Text{
			change.Say(words("The retrospective ", l.isDue(), " from "), l.declarer(), words(", and stays owed.")),
			words("An admin turns issues on in the repository's settings, or grants the App to write them. It is tried again once a day."),
		},
		Links: l.links(),
	}
}

// titles lists sections: “Impact” and “Follow-ups”.
func titles(sections []string) change.Text {
	var list []change.Requirement
	for _, s := range sections {
		list = append(list, change.Requirement{Short: words("“", s, "”")})
	}
	return shorts(list)
}
