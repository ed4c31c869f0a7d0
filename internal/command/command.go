// Package command reads comments that start with /change: the commands that people give where they talk about a change.
//
// A command is the whole comment, on one line, so that nobody gives one by quoting another's or in the course of a longer text:
//
//	/change VERB [ARGUMENT …] ["reason"]
//
// Words are separated by spaces or tabs; verbs are written in lower case. A reason stands in straight quotation marks ("…") or in curly ones
// (“…”, „…“), which is what keyboards of telephones make of them. It has 1 to 500 characters, without the space around them,
// and no control characters. Within it a mark of the same sort is written \" and a backslash \\. Spaces and blank lines after the
// command do not matter. Anything else is refused with a sentence that shows what would have been right.
//
// Which verbs there are, and what each takes, is one table: Verbs.
package command

import (
	"strings"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// Verb is what a command asks for. Verbs are recorded: a verb's name or meaning never changes.
type Verb string

// The verbs.
const (
	Refresh  Verb = "refresh"
	Explain  Verb = "explain"
	Reject   Verb = "reject"
	Withdraw Verb = "withdraw"
	Deploy   Verb = "deploy"
	Deployed Verb = "deployed"
	Accept   Verb = "accept"
	Override Verb = "override"
	Freeze   Verb = "freeze"
	Thaw     Verb = "thaw"
	Verified Verb = "verified"
	Rollback Verb = "rollback"
	Queue    Verb = "queue"
	Hold     Verb = "hold"
	Cancel   Verb = "cancel"
	Start    Verb = "start"
)

// IsAboutDeployments says whether a verb asks for something about what was deployed, or is to be.
func (v Verb) IsAboutDeployments() bool {
	switch v {
	case Deploy, Deployed, Accept, Override, Freeze, Thaw, Verified, Rollback, Queue, Hold, Cancel, Start:
		return true
	}
	return false
}

// Command is a command as it was given.
type Command struct {
	Verb   Verb
	Args   []string // those of the verb's Usage, as far as they were given; its literal words too
	Reason string   // unescaped; empty: none was given
}

// String returns the command as it can be given: Parse of it is the same command.
func (c Command) String() string {
	words := append([]string{"/change", string(c.Verb)}, c.Args...)
	if c.Reason != "" {
		words = append(words, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.Reason)+`"`)
	}
	return strings.Join(words, " ")
}

// Need says whether a verb takes a reason.
type Need int

// What a verb may want of a reason.
const (
	NoReason Need = iota
	MayReason
	MustReason
)

// Usage is a verb with what it takes.
type Usage struct {
	Verb Verb
	// Args tells what each argument is, in capitals; in brackets, [ENVIRONMENT], if it may be left out, after which none follows that may not; in lower
	// case if it is that very word.
	Args   []string
	Reason Need
	Ask    string // what the reason tells, as an example shows it
	Does   string // what it does, in a sentence
}

// Line returns the form of the command, with what may be left out in brackets: /change withdraw ["why not any more"].
func (u Usage) Line() string {
	words := append([]string{"/change", string(u.Verb)}, u.Args...)
	switch u.Reason {
	case MayReason:
		words = append(words, `["`+u.Ask+`"]`)
	case MustReason:
		words = append(words, `"`+u.Ask+`"`)
	}
	return strings.Join(words, " ")
}

const (
	environment         = "ENVIRONMENT"
	optionalEnvironment = "[ENVIRONMENT]"
)

// Verbs returns all that can be asked for, in the order in which people are shown it.
func Verbs() []Usage {
	return []Usage{
		{Verb: Refresh, Does: "Reads everything again, decides, and posts the check run anew."},
		{Verb: Explain, Reason: MustReason, Ask: "why it happened", Does: "Explains what went past the policy, on the issue that asks for it."},
		{Verb: Reject, Reason: MustReason, Ask: "why it must not ship", Does: "Says no to a change, until a holder of the same role withdraws it."},
		{Verb: Withdraw, Reason: MayReason, Ask: "why it may ship after all", Does: "Takes back the rejections of one's role."},
		{Verb: Deploy, Args: []string{environment}, Does: "Says that the change may go to an environment to which it ships by hand."},
		{Verb: Accept, Args: []string{environment}, Does: "Gives a release approval for the change's commit."},
		{Verb: Verified, Args: []string{optionalEnvironment}, Reason: MustReason, Ask: "what was looked at", Does: "Says that what was deployed works, once it was watched for long enough."},
		{Verb: Rollback, Args: []string{optionalEnvironment, "[COMMIT]", "[CLASS]"}, Reason: MustReason, Ask: "what went wrong",
			Does: "Deploys the version that was verified last, or the one with the commit. The class is errors, degradation, security or failed-verification."},
		{Verb: Queue, Args: []string{optionalEnvironment}, Does: "Lists what is deployed, what waits and for what."},
		{Verb: Hold, Args: []string{environment}, Reason: MayReason, Ask: "why it is to wait", Does: "Keeps the change from being deployed; others pass it by."},
		{Verb: Start, Args: []string{environment}, Does: "Lets a change go on that was held, or queues it again after it was cancelled, failed or was rolled back."},
		{Verb: Cancel, Args: []string{environment}, Reason: MayReason, Ask: "why it must not go on", Does: "Takes the change out of the queue, or gives its deployment up."},
		{Verb: Deployed, Args: []string{environment}, Does: "Says that the change was deployed by something that does not tell GitHub."},
		{Verb: Override, Args: []string{environment}, Reason: MustReason, Ask: "why it cannot wait", Does: "Lets the change pass business hours and freezes."},
		{Verb: Freeze, Args: []string{environment, "until", "TIME"}, Reason: MustReason, Ask: "why nothing must change",
			Does: "Freezes an environment until a time: 2026-12-24T17:00, or 2026-12-24 for the beginning of that day, in the time zone of its hours."},
		{Verb: Thaw, Args: []string{environment}, Does: "Ends the freezes of an environment that were declared by command."},
	}
}

// Problem says why a comment is not a command. It is what the person who gave it is shown, so what they wrote is kept apart in it.
type Problem struct {
	Text change.Text // a sentence without a full stop
}

// Error returns the sentence without markup.
func (p *Problem) Error() string { return p.Text.String() }

func problem(parts ...change.Text) error { return &Problem{change.Say(parts...)} }

// Parse reads a comment. The error is a *Problem. It costs no more than reading the body twice.
func Parse(body string) (Command, error) { return parse(Verbs(), body) }

func parse(usages []Usage, body string) (Command, error) {
	line := strings.TrimRight(body, " \t\r\n")
	rest, ok := strings.CutPrefix(line, "/change")
	if !ok || rest != "" && !strings.ContainsAny(rest[:1], " \t\r\n") {
		return Command{}, problem(change.Words("a command starts with "), change.Code("/change"), change.Words(", in small letters and with nothing before it"))
	}
	if strings.ContainsAny(line, "\r\n") {
		return Command{}, problem(change.Words("a command is a comment of its own, on one line: leave the other lines out"))
	}
	if !utf8.ValidString(line) {
		return Command{}, problem(change.Words("the comment is not text in UTF-8"))
	}
	verb, rest := word(rest)
	if verb == "" {
		return Command{}, problem(change.Words("the command is missing: write "), forms(usages))
	}
	for _, u := range usages {
		if string(u.Verb) == verb {
			return u.parse(rest)
		}
	}
	if near := nearest(verb, usages); near != "" {
		return Command{}, problem(change.Words("unknown command "), change.Code(shorten(verb)), change.Words(": did you mean "), change.Code(string(near)), change.Words("?"))
	}
	return Command{}, problem(change.Words("unknown command "), change.Code(shorten(verb)), change.Words(": write "), forms(usages))
}

// parse reads what follows the verb.
func (u Usage) parse(rest string) (Command, error) {
	c := Command{Verb: u.Verb}
	right := change.Say(change.Words(": write "), change.Code(u.Line()))
	for _, name := range u.Args {
		var arg string
		if !startsReason(rest) {
			arg, rest = word(rest)
		}
		switch literal := strings.ToLower(name) == name; {
		case arg == "" && strings.HasPrefix(name, "["):
			continue
		case arg == "":
			return Command{}, problem(change.Code(string(u.Verb)), change.Words(" needs "+name), right)
		case literal && arg != name:
			return Command{}, problem(change.Say(change.Words("after "), change.Code(shorten(c.Args[len(c.Args)-1])), change.Words(" comes "+name)), right)
		}
		if !isArgument(arg) {
			return Command{}, problem(change.Code(shorten(arg)), change.Words(" cannot be "+name), right)
		}
		c.Args = append(c.Args, arg)
	}
	rest = strings.TrimLeft(rest, " \t")
	switch {
	case rest == "" && u.Reason == MustReason:
		return Command{}, problem(change.Code(string(u.Verb)), change.Words(" needs a reason"), right)
	case rest == "":
		return c, nil
	case u.Reason == NoReason:
		return Command{}, problem(change.Words("nothing may follow"), right)
	case !startsReason(rest):
		return Command{}, problem(change.Words("the reason goes in quotation marks"), right)
	}
	reason, err := unquote(rest)
	if err != nil {
		return Command{}, err
	}
	c.Reason = reason
	return c, nil
}

// word cuts the first word off a line.
func word(line string) (first, rest string) {
	line = strings.TrimLeft(line, " \t")
	if end := strings.IndexAny(line, " \t"); end >= 0 {
		return line[:end], line[end:]
	}
	return line, ""
}

// maxArgument is how many bytes an argument may have.
const maxArgument = 100

// isArgument says whether a word can be an argument: the name of an environment, a time, a duration.
func isArgument(s string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/+-"
	return len(s) <= maxArgument && strings.Trim(s, plain) == ""
}

// forms lists all verbs. Whoever writes one of them without what it takes is shown its whole form.
func forms(usages []Usage) change.Text {
	all := make([]change.Text, len(usages))
	for i, u := range usages {
		all[i] = change.Code(string(u.Verb))
	}
	return change.Say(change.Code("/change"), change.Words(" with one of "), change.Join(", ", all))
}
