package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/githubsim"
)

// stepTime is how long a step may take before the demo calls it stuck; usually it is milliseconds.
const stepTime = 30 * time.Second

// teller plays the story on a Sim and tells it.
type teller struct {
	sim    *githubsim.Sim
	clock  *clock
	elapse func(context.Context) error // has the server act on the time that has passed
	idle   func(context.Context) error // waits until the server has
	story  []chapter
	out    io.Writer
	color  bool
}

// play plays the story to its end, or to the first step that does not end as it should: then the error is a *StepError.
func (t *teller) play(ctx context.Context) error {
	shop, err := shopFiles()
	if err != nil {
		return err
	}
	all, err := proposals(shop)
	if err != nil {
		return err
	}
	scenes := map[string]*scene{}
	for _, p := range all {
		scenes[p.ID] = &scene{sim: t.sim, proposal: p}
	}
	for n, c := range t.story {
		s := scenes[c.proposal]
		at := t.clock.Now().Format("(15:04)")
		fmt.Fprintf(t.out, "%s %s %s\n", t.bold(fmt.Sprintf("%d  %s:", n+1, c.title)), s.proposal.Title, t.dim(at))
		for _, step := range c.steps {
			if err := t.step(ctx, s, step); err != nil {
				return err
			}
		}
		fmt.Fprintf(t.out, "%s\n\n", t.dim("   └ "+strings.TrimSpace(wrap(strings.Fields(c.lesson), " ", "     "))))
	}
	return nil
}

// take has a step happen, a minute after the one before. It returns GitHub's message if it is refused.
func (t *teller) take(ctx context.Context, s *scene, st step) (refused string, err error) {
	limit, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	t.clock.forward(st.later)
	t.clock.nextMinute()
	if err := t.elapse(limit); err != nil {
		return "", err
	}
	if st.do != nil {
		if refused, err = refusal(st.do(s)); refused != "" || err != nil {
			return refused, err
		}
	}
	return "", settle(limit, t.sim, t.idle)
}

func (t *teller) step(ctx context.Context, s *scene, st step) error {
	message, err := t.take(ctx, s, st)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := func(expected, got string) error {
		t.line(st, t.paint(red, "!"), got)
		fmt.Fprintf(t.out, "\n%s\n   expected  %s\n   got       %s\n", t.paint(red, "This step did not end as it should: "+st.who+" "+st.what), expected, got)
		return &StepError{Step: st.who + " " + st.what, Expected: expected, Got: got}
	}
	switch {
	case err != nil:
		return failed("no error", err.Error())
	case st.refused != "" && message == "":
		return failed("GitHub to refuse: "+st.refused, "it was not refused")
	case message != st.refused:
		return failed(orNothing(st.refused), "GitHub refuses: "+message)
	case st.refused != "":
		t.line(st, t.paint(red, "✗"), "GitHub: "+message)
		return nil
	case st.look == nil:
		t.line(st, "", "")
		return nil
	}
	v, err := st.look(s)
	if err != nil {
		return err
	}
	if v.state != st.state || !matches(st.says, v.says) {
		return failed(mark(st.state)+" "+st.says, mark(v.state)+" "+v.says)
	}
	t.line(st, t.paint(st.state, mark(st.state)), v.says)
	if st.note != "" {
		if !strings.Contains(unmarked(v.more), st.note) {
			return failed("a note: "+st.note, "none such")
		}
		fmt.Fprintln(t.out, t.dim(wrap(strings.Fields(st.note), " ", strings.Repeat(" ", column))))
	}
	return nil
}

func orNothing(refused string) string {
	if refused == "" {
		return "GitHub not to refuse it"
	}
	return "GitHub to refuse: " + refused
}

// The story is told in two columns: who does what, and from column on what the check says. Lines are no longer than width.
const (
	column = 42
	width  = 100
)

// line tells a step: when, who does what, and what is seen of it.
func (t *teller) line(st step, mark, says string) {
	sep := " "
	if strings.Contains(says, " · ") {
		sep = " · "
	}
	says = strings.TrimSpace(wrap(strings.Split(says, sep), sep, strings.Repeat(" ", column)))
	did := fmt.Sprintf("   %-6s %-28s  %s %s", st.who, st.what, mark, says)
	fmt.Fprintln(t.out, strings.TrimRight(did, " "))
}

// wrap breaks pieces into lines, each with the indent before it. What is between pieces ends the line where it is broken.
func wrap(pieces []string, sep, indent string) string {
	var lines []string
	line := indent + pieces[0]
	for _, piece := range pieces[1:] {
		if utf8.RuneCountInString(line+sep+piece+strings.TrimRight(sep, " ")) > width {
			lines = append(lines, line+strings.TrimRight(sep, " "))
			line = indent + piece
			continue
		}
		line += sep + piece
	}
	return strings.Join(append(lines, line), "\n")
}

func (t *teller) paint(check, s string) string {
	code := map[string]string{green: "32", red: "31", yellow: "33"}[check]
	if !t.color || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *teller) bold(s string) string { return t.styled("1", s) }
func (t *teller) dim(s string) string  { return t.styled("2", s) }

func (t *teller) styled(code, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
