package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// Quiet returns when nothing is left to do now: everything raised was dealt with, or waits for a later time because it failed or GitHub
// limits it. Unlike Idle it does not wait for the latter, and does wait for discoveries and for what an owner's policy raises. A run that
// gives way to another on the same head is waited for.
func (q *Queue) Quiet(ctx context.Context) error {
	for {
		changed := q.ends()
		// In this order: a run that is repeated soon becomes a ready job, which becomes a running one. If a run ended meanwhile, the one
		// that repeats it may have been seen as neither.
		ended, soon := q.ended.Load(), q.soon.Load()
		n, err := q.ready(ctx)
		if err != nil {
			return err
		}
		if n == 0 && soon == 0 && q.running.Load() == 0 && q.ended.Load() == ended {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond): // a discovery that ended, or a run that is repeated, signals nothing
		case <-ctx.Done():
			return fmt.Errorf("%d jobs are ready or run: %w", n, context.Cause(ctx))
		}
	}
}

// ready counts the jobs on pull requests, errands, repositories and owners that run, or would run at once.
func (q *Queue) ready(ctx context.Context) (n int, err error) {
	err = q.Store.Read(ctx, func(tx store.Tx) error {
		return tx.Query(ctx, `SELECT count(*) FROM river_job WHERE state IN ('available', 'running') AND kind IN ($1, $2, $3, $4)`,
			[]any{reconcileArgs{}.Kind(), errandArgs{}.Kind(), discoverArgs{}.Kind(), floorArgs{}.Kind()}, func(scan func(...any) error) error { return scan(&n) })
	})
	if err != nil {
		return 0, fmt.Errorf("count the jobs that are ready: %w", err)
	}
	return n, nil
}

// Elapse does at once what the passing of time would: it raises what has a recheck due by Config.Clock, and makes available what
// waits after a failure or for a limit. It is for clocks that were set forward, which River's timers know nothing of.
func (q *Queue) Elapse(ctx context.Context) error {
	const all = 1 << 20
	keys, err := q.Store.Unsettled(ctx, change.PullKey{}, all)
	if err != nil {
		return err
	}
	waiting, err := q.Store.UnsettledErrands(ctx, change.Errand{}, all)
	if err != nil {
		return err
	}
	err = q.Store.Write(ctx, func(tx store.Tx) error {
		if err := q.insertRuns(ctx, tx, append(pulls(keys), errands(waiting)...), early); err != nil {
			return err
		}
		overdue, err := q.Store.Overdue(ctx, tx)
		if err != nil {
			return err
		}
		due, err := q.Store.OverdueErrands(ctx, tx)
		if err != nil {
			return err
		}
		subjects := append(pulls(overdue), errands(due)...)
		for _, s := range subjects {
			if err := s.raise(ctx, q.Store, tx); err != nil {
				return err
			}
		}
		return q.insertRuns(ctx, tx, subjects, atOnce)
	})
	if err != nil {
		return fmt.Errorf("act on the time that has passed: %w", err)
	}
	q.engine.wake()
	return nil
}
