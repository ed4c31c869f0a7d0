package errand

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

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

// Speaker tells people something on a repository's issues and pull requests, in a run that holds a lease.
type Speaker struct {
	Store      effect.Store
	GitHub     GitHub
	Repository change.Repository
	Lease      store.Lease
	Log        *zerolog.Logger
}

// Comment posts a comment on an issue or a pull request, once by the intent's key, with a marker of that by which it is found again. It
// returns *effect.Failed if GitHub refuses: the conversation is locked, or gone.
func (s Speaker) Comment(ctx context.Context, n change.Number, in store.Intent, markdown string) error {
	marker := github.Marker(in.Key)
	in.Lease = s.Lease
	_, err := effect.Once(ctx, s.Store, in, effect.Action[int64]{
		Find: func(ctx context.Context, since time.Time) (int64, bool, error) {
			return s.GitHub.FindComment(ctx, s.Repository, n, marker, since)
		},
		Do: func(ctx context.Context) (int64, error) {
			return s.GitHub.Comment(ctx, s.Repository, n, markdown+"\n\n"+marker)
		},
		Refused: github.IsRefusal,
	})
	return err
}

// Answer answers a command that was given in a comment on a pull request or an issue: by a reaction, and by a comment that says what the
// reaction does not; each once, and either may be empty. What GitHub refuses is let be.
func (s Speaker) Answer(ctx context.Context, on change.PullKey, comment int64, r command.Reaction, markdown string) error {
	if r != "" {
		if err := UnlessFailed(s.react(ctx, on, comment, r), s.Log); err != nil {
			return err
		}
	}
	if markdown == "" {
		return nil
	}
	in := store.Intent{Key: fmt.Sprintf("answer:%d", comment), Kind: string(plan.Comment), Pull: on, Body: markdown}
	return UnlessFailed(s.Comment(ctx, on.Number, in, markdown), s.Log)
}

func (s Speaker) react(ctx context.Context, on change.PullKey, comment int64, r command.Reaction) error {
	in := store.Intent{Key: fmt.Sprintf("react:%d", comment), Kind: string(plan.React), Pull: on, Body: r, Lease: s.Lease}
	_, err := effect.Once(ctx, s.Store, in, effect.Action[bool]{
		Do: func(ctx context.Context) (bool, error) {
			return true, s.GitHub.React(ctx, s.Repository, comment, string(r))
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
