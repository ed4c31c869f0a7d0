package landing

import (
	"context"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// command carries out a command on the issue, and answers it. What it achieves is saved before it is answered, and it counts as not answered
// until the end, so that after a crash in between it is answered the same way.
func (r *run) command(ctx context.Context, s *exceptionState, c change.Command) error {
	a, err := r.carryOut(ctx, s, c)
	if err != nil {
		return err
	}
	pull := change.PullKey{Repository: c.Pull.Repository, Number: c.Pull.Number}
	if err := r.speaker().Answer(ctx, pull, c.Comment, a.Reaction, r.Markdown(a.Says)); err != nil {
		return err
	}
	return r.Store.CommandDone(ctx, c.Comment, a.Outcome)
}

// carryOut takes an explanation from whoever may give it: by their role now, and not one of those who merged or pushed.
func (r *run) carryOut(ctx context.Context, s *exceptionState, c change.Command) (command.Answer, error) {
	if s.Explained != nil && s.Explained.Comment == c.Comment {
		return command.Obeyed(command.Explain), nil
	}
	asked, err := command.Parse(c.Body)
	switch {
	case err != nil:
		return command.Misread(err), nil
	case asked.Verb != command.Explain:
		return command.Misplaced("not on an exception's issue", howToExplain()), nil
	case s.Explained != nil:
		return command.Misplaced("explained before", change.Words("It was explained by "), change.Login(s.Explained.By), change.Words(" already.")), nil
	}
	if refusal, stands, err := errand.Confirm(ctx, r.github, r.work.Repository, c); err != nil || !stands {
		return refusal, err
	}
	e := s.Exception
	may, err := r.mayExplain(ctx, e, c.By)
	switch own := slices.ContainsFunc(e.By, func(a change.Account) bool { return a.ID == c.By.ID }); {
	case err != nil:
		return command.Answer{}, err
	case may.Untold && !command.IsSettled(c, r.github.Now()):
		return command.Answer{}, command.NotTold(c)
	case may.Unknown:
		return command.PermissionUnknown(c.By, whoMay(may.Who)), nil
	case own:
		return command.Refuse("their own", change.Login(c.By), change.Words(" did this and cannot be the one who explains it. It is for "), whoMay(may.Who), change.Words(".")), nil
	case !may.May:
		return command.NotPermitted(whoMay(may.Who), notThem(e)), nil
	}
	x := explanation{
		Key: e.Key, Kind: e.Kind, By: c.By, Role: may.Role, At: c.At, Text: asked.Reason, Issue: c.Pull.Number, Comment: c.Comment,
	}
	s.Explained = &x
	err = r.save(ctx, store.ErrandSave{
		State: s, Entries: []ledger.Draft{evidence(e, ledger.ExceptionExplained, x)},
		Raise: r.announce(s, s.explaining("explained"), announceExplained(r.work.Repository, x)),
	})
	return command.Obeyed(command.Explain), err
}
