package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// owingEvery is how often pull requests are looked for that owe something and are gone though their repository is not. GitHub is asked again that
// often for one that it does not find.
const owingEvery = time.Hour

// raiseOwing raises what owes something in a repository that came back.
func (q *Queue) raiseOwing(ctx context.Context, repo change.RepositoryID) error {
	err := q.raiseDebtors(ctx, func(tx store.Tx) ([]change.PullKey, []change.Raised, error) { return q.Store.OwingIn(ctx, tx, repo) })
	if err != nil {
		return fmt.Errorf("raise what is owed in repository %d: %w", repo, err)
	}
	return nil
}

// raiseForgotten raises what owes something and is gone though its repository is not.
func (q *Queue) raiseForgotten(ctx context.Context) error {
	err := q.raiseDebtors(ctx, func(tx store.Tx) ([]change.PullKey, []change.Raised, error) { return q.Store.OwingAndGone(ctx, tx) })
	if err != nil {
		return fmt.Errorf("raise what is owed by pull requests that are gone: %w", err)
	}
	return nil
}

// raiseDebtors raises pull requests, and the errands that follow what they owe, in the background: it may be due in hours, and nobody waits for it.
func (q *Queue) raiseDebtors(ctx context.Context, list func(tx store.Tx) ([]change.PullKey, []change.Raised, error)) error {
	raised := false
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		keys, followers, err := list(tx)
		if raised = len(keys) > 0; err != nil || !raised {
			return err
		}
		if err := q.Store.Raise(ctx, tx, keys, change.ConcernVerify); err != nil {
			return err
		}
		if err := q.Store.RaiseErrands(ctx, tx, followers); err != nil {
			return err
		}
		subjects := pulls(keys)
		for _, f := range followers {
			subjects = append(subjects, errandSubject(f.Errand))
		}
		return q.insertRuns(ctx, tx, subjects, inBackground)
	})
	if err == nil && raised {
		q.engine.wake()
	}
	return err
}
