package errand

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// GitHub is where people are told something; see github.Session.
type GitHub interface {
	Comment(ctx context.Context, repo change.Repository, n change.Number, markdown string) (id int64, err error)
	FindComment(ctx context.Context, repo change.Repository, n change.Number, marker string, since time.Time) (id int64, found bool, err error)
	React(ctx context.Context, repo change.Repository, comment int64, content string) error
}

// Comment posts a comment on an issue or a pull request, once by the intent's key, with a marker of that by which it is found again. It
// returns *effect.Failed if GitHub refuses: the conversation is locked, or gone.
func Comment(ctx context.Context, s effect.Store, g GitHub, in store.Intent, repo change.Repository, n change.Number, markdown string) error {
	marker := github.Marker(in.Key)
	_, err := effect.Once(ctx, s, in, effect.Action[int64]{
		Find: func(ctx context.Context, since time.Time) (int64, bool, error) {
			return g.FindComment(ctx, repo, n, marker, since)
		},
		Do: func(ctx context.Context) (int64, error) {
			return g.Comment(ctx, repo, n, markdown+"\n\n"+marker)
		},
		Refused: github.IsRefusal,
	})
	return err
}

// React reacts once to a command, which was given in a comment on a pull request or an issue. It returns *effect.Failed if GitHub refuses.
func React(ctx context.Context, s effect.Store, g GitHub, lease store.Lease, repo change.Repository, on change.PullKey, comment int64, r command.Reaction) error {
	in := store.Intent{Key: fmt.Sprintf("react:%d", comment), Kind: string(plan.React), Pull: on, Body: r, Lease: lease}
	_, err := effect.Once(ctx, s, in, effect.Action[bool]{
		Do: func(ctx context.Context) (bool, error) {
			return true, g.React(ctx, repo, comment, string(r))
		},
		Refused: github.IsRefusal,
	})
	return err
}

// Comments is where the comment of a command is read; see github.Session.
type Comments interface {
	Began() time.Time
	Now() time.Time
	IssueComment(ctx context.Context, repo change.Repository, id int64, since time.Time) (github.IssueComment, error)
}

// Confirm reads the comment of a command anew and says whether the command stands: the comment is there, as it was sent, and by a person. If it does
// not stand, refusal is its answer. That GitHub does not find a comment is an error as long as the command is new; see command.IsSettled.
func Confirm(ctx context.Context, g Comments, repo change.Repository, c change.Command) (refusal command.Answer, stands bool, err error) {
	comment, err := g.IssueComment(ctx, repo, c.Comment, g.Began())
	var missing *github.NotFound
	switch {
	case errors.As(err, &missing) && !command.IsSettled(c, g.Now()):
		return command.Answer{}, false, command.NotFound(c)
	case errors.As(err, &missing):
		return command.Gone(), false, nil
	case err != nil:
		return command.Answer{}, false, err
	}
	refusal, stands = command.Check(c, command.Shown(comment))
	return refusal, stands, nil
}
