package landing

import (
	"fmt"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// maxCommits is how many commits an issue names.
const maxCommits = 20

// issueTitle holds our own words only, since what a title may contain nobody promises.
func issueTitle(e change.Exception) string {
	title := "Change policy exception: " + string(e.Kind)
	switch {
	case e.Number != 0:
		return fmt.Sprintf("%s (#%d)", title, e.Number)
	case e.After != "":
		return fmt.Sprintf("%s (%s)", title, e.After.Short())
	default:
		return title
	}
}

// issueBody says what happened and what is asked.
func (r *run) issueBody(e change.Exception, who change.Text) string {
	var b strings.Builder
	b.WriteString(r.Markdown(command.Sentence(e.What)) + "\n\n| | |\n|---|---|\n")
	row := func(name string, value change.Text) {
		if !value.IsEmpty() {
			fmt.Fprintf(&b, "| %s | %s |\n", name, r.Markdown(value))
		}
	}
	if e.Branch != "" {
		row("Branch", change.Code(e.Branch))
	}
	if e.Environment != "" {
		row("Environment", change.Code(e.Environment))
	}
	if e.Number != 0 {
		row("Pull request", change.Words(fmt.Sprintf("#%d", e.Number)))
	}
	var commits []change.Text
	for i, c := range e.Commits {
		if i == maxCommits {
			commits = append(commits, change.Words(fmt.Sprintf("and %d more", len(e.Commits)-maxCommits)))
			break
		}
		commits = append(commits, change.Words(string(c)))
	}
	row("Commits", change.Join(", ", commits))
	if e.Before != "" {
		row("Before", change.Words(string(e.Before)))
	}
	if e.After != "" && len(e.Commits) == 0 {
		row("After", change.Words(string(e.After)))
	}
	row("Who", people(e.By))
	row("When", change.Words(e.At.UTC().Format("2006-01-02 15:04 UTC")))
	b.WriteString("\n" + r.Markdown(change.Say(
		change.Words("**What to do.** Explain why this happened, and whether what it left behind is as it should be. The explanation has to come from "), whoMay(who), notThem(e),
		change.Words(", as a comment of one line here:"))))
	b.WriteString("\n\n```\n/change explain \"why it happened\"\n```\n\nThe issue is then closed, and the explanation is kept in the record. Closing it by hand explains nothing.")
	return b.String()
}

func people(by []change.Account) change.Text {
	if len(by) == 0 {
		return change.Words("not known")
	}
	logins := make([]change.Text, len(by))
	for i, a := range by {
		logins[i] = change.Login(a)
	}
	return change.Join(", ", logins)
}

// whoMay names those who may explain, in a sentence that goes on.
func whoMay(who change.Text) change.Text {
	if who.IsEmpty() {
		return change.Words("whom the policy names")
	}
	return who
}

// notThem leaves out whoever did it.
func notThem(e change.Exception) change.Text {
	if len(e.By) == 0 {
		return nil
	}
	return change.Say(change.Words(", but not "), people(e.By))
}

func howToExplain() change.Text {
	return change.Say(change.Words("To explain it, comment in one line: "), change.Code(`/change explain "why it happened"`), change.Words("."))
}

// announceFound says that something went past the policy.
func announceFound(repo change.Repository, s *exceptionState, who change.Text) change.Announcement {
	e := s.Exception
	a := change.Announcement{
		Text:    change.Say(change.Words("Change policy exception in "), change.Code(repo.String()), change.Words(": "), e.What),
		Details: []change.Text{change.Say(change.Words("Who did it: "), people(e.By))},
		At:      e.At,
		Subject: "exception in " + repo.String(),
		Opens:   true,
	}
	if s.NoIssue != "" {
		a.Details = append(a.Details, change.Say(change.Words("No issue could be opened: "), change.Quote(s.NoIssue)))
	} else {
		a.Details = append(a.Details, change.Say(change.Words("It is to be explained on its issue, by "), whoMay(who), notThem(e)))
	}
	return a
}

func announceExplained(repo change.Repository, x explanation) change.Announcement {
	return change.Announcement{
		Text:    change.Say(change.Words("Explained by "), change.Login(x.By), change.Words(": "), change.Quote(x.Text)),
		At:      x.At,
		Subject: "exception in " + repo.String(),
	}
}

// withdrawal says why an explanation counts no more.
func (n *naming) withdrawal() change.Text {
	return change.Say(change.Login(n.Withdrawn.By), change.Words(" did this, as became known after "), change.Login(n.Withdrawn.By),
		change.Words(" explained it, so that explanation does not count."))
}

// announceWithdrawn says that somebody else is to explain it.
func announceWithdrawn(repo change.Repository, n naming) change.Announcement {
	return change.Announcement{
		Text:    change.Say(n.withdrawal(), change.Words(" Someone else has to explain it.")),
		At:      n.At,
		Subject: "exception in " + repo.String(),
	}
}

// announceLost says that somebody took the question away.
func announceLost(repo change.Repository, at time.Time) change.Announcement {
	return change.Announcement{
		Text:    change.Words("The issue that asks to explain this was deleted or moved. Another is opened within a day."),
		At:      at,
		Subject: "exception in " + repo.String(),
	}
}

// announceAgain says where the explanation is asked for now.
func announceAgain(repo change.Repository, s *exceptionState, at time.Time) change.Announcement {
	text := change.Words(fmt.Sprintf("Issue #%d asks to explain this now.", s.Issue))
	if s.NoIssue != "" {
		text = change.Say(change.Words("No other issue could be opened: "), change.Quote(s.NoIssue))
	}
	return change.Announcement{Text: text, At: at, Subject: "exception in " + repo.String()}
}
