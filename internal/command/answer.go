package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// Reaction is what shows at a glance, under the comment, what became of a command: in GitHub's words.
type Reaction string

// The reactions.
const (
	Done     Reaction = "+1"
	Refused  Reaction = "-1"
	Confused Reaction = "confused"
)

// Answer is what becomes of a command.
type Answer struct {
	Reaction Reaction    // empty: the comment is gone
	Says     change.Text // why it was refused, in sentences; empty: it was not
	Outcome  string      // for the record
}

// Obeyed answers a command that was carried out.
func Obeyed(v Verb) Answer { return Answer{Reaction: Done, Outcome: string(v)} }

// Refuse answers a command that is not carried out, with why not.
func Refuse(outcome string, why ...change.Text) Answer {
	return Answer{Refused, change.Say(why...), outcome}
}

// Misplaced answers a command that makes no sense where it was given, with what would.
func Misplaced(outcome string, why ...change.Text) Answer {
	return Answer{Confused, change.Say(why...), outcome}
}

// Gone answers a command whose comment was deleted.
func Gone() Answer { return Answer{Outcome: "its comment was deleted"} }

// IsSettled says whether GitHub's not finding what a command needs is believed at a time: its comment, which was deleted then, or what whoever gave
// it may do. While the command is new that may be a mistake: a rejection must not be lost by it.
func IsSettled(c change.Command, now time.Time) bool { return now.Sub(c.At) >= change.MissedFor }

// NotFound is the error about a command whose comment GitHub does not find and that is not taken for deleted yet.
func NotFound(c change.Command) error {
	return fmt.Errorf("GitHub does not find comment %d, which is new", c.Comment)
}

// NotTold is the error about a command of which nobody can tell whether it is permitted, and that is not refused for that yet.
func NotTold(c change.Command) error {
	return fmt.Errorf("GitHub does not tell whether comment %d, which is new, commands what its author may", c.Comment)
}

// Misread answers what is not a command, by the error of Parse.
func Misread(err error) Answer {
	says := change.Quote(err.Error())
	var problem *Problem
	if errors.As(err, &problem) {
		says = problem.Text
	}
	return Misplaced("not a command", Sentence(says))
}

// Sentence makes a sentence of words that begin small and end without a full stop: the first letter is made a capital where it is a word of
// ours, and a full stop is set unless our own words end the sentence already.
func Sentence(t change.Text) change.Text {
	if t.IsEmpty() {
		return nil
	}
	t = slices.Clone(t)
	if t[0].Kind == change.PartWords {
		first, size := utf8.DecodeRuneInString(t[0].Text)
		t[0].Text = string(unicode.ToUpper(first)) + t[0].Text[size:]
	}
	if last := t[len(t)-1]; last.Kind == change.PartWords && strings.ContainsAny(last.Text[len(last.Text)-1:], ".?!") {
		return t
	}
	return change.Say(t, change.Words("."))
}

// NotPermitted answers whoever may not give a command, with who may.
func NotPermitted(who ...change.Text) Answer {
	return Refuse("not permitted", change.Words("Not permitted: this command is for "), change.Say(who...), change.Words("."))
}

// PermissionUnknown answers a command of which nobody can tell whether it is permitted.
func PermissionUnknown(by change.Account, who ...change.Text) Answer {
	return Refuse("not known whether permitted", change.Words("Whether "), change.Login(by), change.Words(" may give this command could not be read. It is for "),
		change.Say(who...), change.Words(". Try again later."))
}

// Shown is a comment as GitHub shows it now: a github.IssueComment can be converted to it.
type Shown struct {
	ID      int64
	By      change.Account
	Via     change.AppID // the App that it was written through; 0: none
	Body    string
	At      time.Time
	Updated time.Time // when it was last edited; At if it never was
}

// Check compares a command, as the signed delivery carried it, with what its comment shows now. It is refused if the comment was ever
// edited, if it is somebody else's, or if it does not come from a person: an App that acts for one commands nothing.
func Check(c change.Command, now Shown) (refusal Answer, ok bool) {
	switch {
	case now.Body != c.Body || !now.Updated.Equal(now.At) || now.By.ID != c.By.ID:
		return Refuse("its comment was edited", change.Words("This comment was edited after it was sent, so it commands nothing. Write it anew.")), false
	case now.Via != 0 || c.By.IsBot() || !c.By.Known():
		return Refuse("through an App", change.Words("A command is a person's, and cannot come from an App.")), false
	}
	return Answer{}, true
}
