package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// backgroundPriority is River's priority of runs that nobody waits for: they start when no other run is ready.
const backgroundPriority = river.PriorityDefault + 3

type backgroundKey struct{}

// IsBackground says whether a handler's context is of a run that nobody waits for.
func IsBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }

// InBackground returns a context for which IsBackground is true, for callers of handlers that have no queue.
func InBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// runContext returns the context of a job's run.
func runContext(ctx context.Context, job *rivertype.JobRow) context.Context {
	ctx = withTrace(ctx, originOf(job).Trace)
	if !isBackground(job) {
		return ctx
	}
	return InBackground(ctx)
}

func isBackground(job *rivertype.JobRow) bool { return job.Priority >= backgroundPriority }

// RaiseInBackground is Raise for what nobody waits for: its runs come after all others, and can tell by IsBackground. If a delivery, a
// person or time raises the pull request meanwhile, its run is as urgent as any.
func (q *Queue) RaiseInBackground(ctx context.Context, keys []change.PullKey, concerns change.Concern) error {
	if len(keys) == 0 || concerns == 0 {
		return nil
	}
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		if err := q.Store.Raise(ctx, tx, keys, concerns); err != nil {
			return err
		}
		return q.insertRuns(ctx, tx, pulls(keys), inBackground)
	})
	if err != nil {
		return fmt.Errorf("raise %s and others in the background: %w", keys[0], err)
	}
	q.engine.wake()
	return nil
}

// RaiseErrandsInBackground is RaiseInBackground for errands.
func (q *Queue) RaiseErrandsInBackground(ctx context.Context, raised []change.Raised) error {
	if len(raised) == 0 {
		return nil
	}
	err := q.writeAndRaise(ctx, raised, inBackground, func(tx store.Tx) error { return q.Store.RaiseErrands(ctx, tx, raised) })
	if err != nil {
		return fmt.Errorf("raise errand %s and others in the background: %w", raised[0].Errand, err)
	}
	return nil
}

// hasten makes the job of a background run an urgent one, which somebody waits for from now on.
func (q *Queue) hasten(ctx context.Context, tx store.Tx, job *rivertype.JobRow, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE river_job SET priority = $1 WHERE id = $2 AND priority > $1`, river.PriorityDefault, job.ID)
	if err != nil {
		return err
	}
	return q.engine.note(ctx, tx, job.ID, origin{Raised: now.UnixMicro()})
}
