package landing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// answer is what becomes of a command.
type answer struct {
	reaction string      // in GitHub's words; empty: the comment is gone
	says     change.Text // why it was refused; empty: it was not
	outcome  string      // for the record
}

// command carries out a command on the issue, and answers it. What it achieves is saved before it is answered, and it counts as not answered
// until the end, so that after a crash in between it is answered the same way.
func (r *run) command(ctx context.Context, s *exceptionState, c change.Command) error {
	a, err := r.carryOut(ctx, s, c)
	if err != nil {
		return err
	}
	pull := change.PullKey{Repository: c.Pull.Repository, Number: c.Pull.Number}
	if a.reaction != "" {
		in := store.Intent{Key: fmt.Sprintf("react:%d", c.Comment), Kind: string(plan.React), Pull: pull, Body: a.reaction, Lease: r.lease}
		_, err := effect.Once(ctx, r.Store, in, effect.Action[bool]{
			Do: func(ctx context.Context) (bool, error) {
				return true, r.github.React(ctx, r.work.Repository, c.Comment, a.reaction)
			},
			Refused: refused,
		})
		if err := r.unlessFailed(err); err != nil {
			return err
		}
	}
	if !a.says.IsEmpty() {
		in := store.Intent{Key: fmt.Sprintf("answer:%d", c.Comment), Kind: string(plan.Comment), Pull: pull, Lease: r.lease}
		if err := r.say(ctx, c.Pull.Number, in, r.Markdown(a.says)); err != nil {
			return err
		}
	}
	return r.Store.CommandDone(ctx, c.Comment, a.outcome)
}

// carryOut takes an explanation from whoever may give it: by their role now, and not one of those who merged or pushed. The comment must be
// as the signed delivery carried it, never edited since, and not written by or through an App.
func (r *run) carryOut(ctx context.Context, s *exceptionState, c change.Command) (answer, error) {
	if s.Explained != nil && s.Explained.Comment == c.Comment {
		return answer{reaction: "+1", outcome: string(command.Explain)}, nil
	}
	asked, err := command.Parse(c.Body)
	var problem *command.Problem
	switch {
	case errors.As(err, &problem):
		return answer{"confused", change.Say(problem.Text, change.Words(".")), "not a command"}, nil
	case err != nil:
		return answer{}, err
	case asked.Verb != command.Explain:
		return answer{"confused", howToExplain(), "not on an exception's issue"}, nil
	case s.Explained != nil:
		return answer{"confused", change.Say(change.Words("It was explained by "), change.Login(s.Explained.By), change.Words(" already.")), "explained before"}, nil
	}
	comment, err := r.github.IssueComment(ctx, r.work.Repository, c.Comment, r.github.Began())
	var missing *github.NotFound
	e := s.Exception
	refuse := func(outcome string, why ...change.Text) (answer, error) {
		return answer{"-1", change.Say(why...), outcome}, nil
	}
	switch {
	case errors.As(err, &missing):
		return answer{outcome: "its comment was deleted"}, nil
	case err != nil:
		return answer{}, err
	case comment.Body != c.Body || !comment.Updated.Equal(comment.At) || comment.By.ID != c.By.ID:
		return refuse("its comment was edited", change.Words("This comment was edited after it was sent, so it explains nothing. Write it anew."))
	case comment.Via != 0 || c.By.IsBot() || !c.By.Known():
		return refuse("through an App", change.Words("An explanation is a person's, and cannot come from an App."))
	}
	may, err := r.mayExplain(ctx, e, c.By)
	switch own := slices.ContainsFunc(e.By, func(a change.Account) bool { return a.ID == c.By.ID }); {
	case err != nil:
		return answer{}, err
	case may.Unknown:
		return refuse("not known whether permitted", change.Words("Whether "), change.Login(c.By), change.Words(" may explain this could not be read. It is for "),
			whoMay(may.Who), change.Words("."))
	case own:
		return refuse("their own", change.Login(c.By), change.Words(" did this and cannot be the one who explains it. It is for "), whoMay(may.Who), change.Words("."))
	case !may.May:
		return refuse("not permitted", change.Words("To explain this is for "), whoMay(may.Who), notThem(e), change.Words("."))
	}
	x := explanation{
		Key: e.Key, Kind: e.Kind, By: c.By, Role: may.Role, At: c.At, Text: asked.Reason, Issue: c.Pull.Number, Comment: c.Comment,
	}
	s.Explained = &x
	err = r.save(ctx, store.ErrandSave{
		State: s, Entries: []ledger.Draft{explainedEntry(e, x)}, Raise: r.announce(s, "explained", announceExplained(r.work.Repository, x)),
	})
	return answer{reaction: "+1", outcome: string(command.Explain)}, err
}
