package emergency

import (
	"context"
	"fmt"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/report"
	"github.com/changegate/changegate/internal/store"
)

// misplaced says of a command on a retrospective's issue, where none means anything, how the retrospective is written.
func misplaced(c change.Command) command.Answer {
	if _, err := command.Parse(c.Body); err != nil {
		return command.Misread(err)
	}
	return command.Misplaced("not on a retrospective's issue",
		change.Words("A retrospective takes no commands: fill in its sections, in the description or in a comment under the same headings, then close the issue."))
}

// answer says what became of a command: how it is answered twice is the same, and it counts as not answered until the end.
func (r *run) answer(ctx context.Context, c change.Command) error {
	a := misplaced(c)
	in := store.Intent{Key: fmt.Sprintf("react:%d", c.Comment), Kind: string(plan.React), Pull: c.Pull, Body: a.Reaction, Lease: r.lease}
	_, err := effect.Once(ctx, r.Store, in, effect.Action[bool]{
		Do: func(ctx context.Context) (bool, error) {
			return true, r.github.React(ctx, r.pull.Repository, c.Comment, string(a.Reaction))
		},
		Refused: github.IsRefusal,
	})
	if err := r.given(err); err != nil {
		return err
	}
	says := &Write{Body: report.Markdown(a.Says)}
	in = store.Intent{Key: fmt.Sprintf("answer:%d", c.Comment), Kind: string(plan.Comment), Pull: c.Pull, Body: says.Body, Lease: r.lease}
	_, err = effect.Once(ctx, r.Store, in, r.comment(c.Pull.Number, says, github.Marker(in.Key)))
	if err := r.given(err); err != nil {
		return err
	}
	return r.Store.CommandDone(ctx, c.Comment, a.Outcome)
}
