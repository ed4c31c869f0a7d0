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
	sim   *githubsim.Sim
	idle  func(context.Context) error
	story []chapter
	out   io.Writer
	color bool
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
	byID := map[string]proposal{}
	for _, p := range all {
		byID[p.ID] = p
	}
	for n, c := range t.story {
		s := &scene{sim: t.sim, proposal: byID[c.proposal]}
		fmt.Fprintf(t.out, "%s %s\n", t.bold(fmt.Sprintf("%d  %s:", n+1, c.title)), s.proposal.Title)
		for _, step := range c.steps {
			if err := t.step(ctx, s, step); err != nil {
				return err
			}
		}
		fmt.Fprintf(t.out, "%s\n\n", t.dim("   └ "+strings.TrimSpace(wrap(strings.Fields(c.lesson), " ", "     "))))
	}
	return nil
}

func (t *teller) step(ctx context.Context, s *scene, st step) error {
	message, err := refusal(st.do(s))
	if err == nil && message == "" {
		limit, cancel := context.WithTimeout(ctx, stepTime)
		err = settle(limit, t.sim, t.idle)
		cancel()
	}
	if ctx.Err() != nil {
		return ctx.Err()
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
	}
	v, err := t.sim.PullView(s.pull.Repo, s.pull.Number)
	if err != nil {
		return err
	}
	if st.merges {
		if v.State != "merged" {
			return failed("the pull request to be merged", "it is "+v.State)
		}
		t.line(st, t.paint(green, "✓"), fmt.Sprintf("merged #%d into %s", v.Number, v.Base))
		return nil
	}
	check := required(v)
	expected := mark(st.check) + " " + st.title
	if check.State() != st.check || !matches(st.title, check.Title) {
		return failed(expected, mark(check.State())+" "+check.Title)
	}
	t.line(st, t.paint(st.check, mark(st.check)), check.Title)
	if st.note != "" {
		if !strings.Contains(unmarked(check.Summary), st.note) {
			return failed("a note in the check run: "+st.note, "none such")
		}
		fmt.Fprintln(t.out, t.dim(wrap(strings.Fields(st.note), " ", strings.Repeat(" ", column))))
	}
	return nil
}

// required returns the check run that protection requires of the pull request.
func required(v githubsim.PullView) checkRun {
	for _, c := range v.Checks {
		if c.Name == checkName && c.Required {
			return checkRun{c}
		}
	}
	return checkRun{}
}

type checkRun struct{ githubsim.CheckView }

// State is the conclusion, or the status while there is none; "missing" where there is no run.
func (c checkRun) State() string {
	switch {
	case c.ID == 0:
		return "missing"
	case c.Conclusion != "":
		return c.Conclusion
	}
	return c.Status
}

// matches says whether a title is the one expected, or starts with it if that ends in an ellipsis.
func matches(expected, title string) bool {
	if start, ok := strings.CutSuffix(expected, "…"); ok {
		return strings.HasPrefix(title, start)
	}
	return title == expected
}

// unmarked takes out what Markdown and our escaping add to a sentence.
func unmarked(markdown string) string {
	return strings.NewReplacer("`", "", "\u200b", "", "&#64;", "@", "&#47;", "/", "&#45;", "-").Replace(markdown)
}

func mark(check string) string {
	switch check {
	case green:
		return "✓"
	case red:
		return "✗"
	case yellow:
		return "●"
	}
	return "(" + check + ")"
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

// line tells a step: who does what, and what the check says.
func (t *teller) line(st step, mark, says string) {
	says = strings.TrimSpace(wrap(strings.Split(says, " · "), " · ", strings.Repeat(" ", column)))
	fmt.Fprintf(t.out, "   %-6s %-28s  %s %s\n", st.who, st.what, mark, says)
}

// wrap breaks pieces into lines, each with the indent before it.
func wrap(pieces []string, sep, indent string) string {
	var lines []string
	line := indent + pieces[0]
	for _, piece := range pieces[1:] {
		if utf8.RuneCountInString(line+sep+piece) > width {
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
