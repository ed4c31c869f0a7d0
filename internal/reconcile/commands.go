package reconcile

import (
	"context"
	"fmt"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

// command is what a comment that starts with /change asks for.
type command string

// The commands that are known. A comment is one command: its first line, strictly.
const (
	commandRefresh command = "refresh" // look at everything again and post the check run anew
)

// parseCommand reads a comment's body. What is not exactly a known command comes back with ok false, and the words that followed
// /change for the answer.
func parseCommand(body string) (c command, words string, ok bool) {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != "/change" {
		return "", "", false
	}
	words = strings.Join(fields[1:], " ")
	switch command(words) {
	case commandRefresh:
		return command(words), words, true
	default:
		return "", words, false
	}
}

// commands reacts to the commands that were not answered yet, and says whether one of them asks for the check run to be posted anew.
func (r *run) commands(ctx context.Context) (again bool, err error) {
	w := &r.main.work
	again = w.Concerns.Has(change.ConcernAgain)
	for _, c := range w.Commands {
		reaction := "confused"
		if _, _, ok := parseCommand(c.Body); ok {
			reaction = "+1"
			again = true
			w.Concerns |= change.ConcernVerify
		}
		effect := plan.Effect{
			Kind: plan.React, Key: fmt.Sprintf("react:%d", c.Comment), Pull: w.Key, Comment: c.Comment, Body: reaction,
		}
		if err := r.apply(ctx, []plan.Effect{effect}); err != nil {
			return false, err
		}
	}
	return again, nil
}

// answered notes that the commands were carried out. A run that did not come this far leaves them to the next.
func (r *run) answered(ctx context.Context) error {
	for _, c := range r.main.work.Commands {
		outcome := "not a command"
		if known, words, ok := parseCommand(c.Body); ok {
			outcome = string(known)
		} else if words != "" {
			outcome = fmt.Sprintf("unknown command %q", words)
		}
		if err := r.store.CommandDone(ctx, c.Comment, outcome); err != nil {
			return err
		}
	}
	return nil
}
