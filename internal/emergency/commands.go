package emergency

import (
	"context"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/report"
)

// misplaced says of a command on a retrospective's issue, where none means anything, how the retrospective is written.
func misplaced(c change.Command) command.Answer {
	if _, err := command.Parse(c.Body); err != nil {
		return command.Misread(err)
	}
	return command.Misplaced("not on a retrospective's issue",
		change.Words("A retrospective takes no commands: fill in its sections, in the description or in a comment under the same headings, then close the issue."))
}

// answer says what became of a command. It counts as not answered until the end; answered twice, it is answered the same.
func (r *run) answer(ctx context.Context, c change.Command) error {
	a := misplaced(c)
	if err := r.speaker().Answer(ctx, c.Pull, c.Comment, a.Reaction, report.Markdown(a.Says)); err != nil {
		return err
	}
	return r.Store.CommandDone(ctx, c.Comment, a.Outcome)
}
