package queue

import (
	"context"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

type reconcileWorker struct {
	river.WorkerDefaults[reconcileArgs]
	queue *Queue
}

func (w *reconcileWorker) Work(ctx context.Context, job *river.Job[reconcileArgs]) error {
	return w.queue.run(ctx, job.JobRow, job.Args)
}

type errandWorker struct {
	river.WorkerDefaults[errandArgs]
	queue *Queue
}

// Work is one run of an errand. One whose kind nothing here handles is left raised, for a version of the program that does.
func (w *errandWorker) Work(ctx context.Context, job *river.Job[errandArgs]) error {
	if kind := job.Args.ErrandKind; !w.queue.handles(kind) {
		if _, again := w.queue.unhandled.LoadOrStore(kind, true); !again {
			w.queue.Log.Warn().Str("kind", string(kind)).Msg("nothing handles errands of this kind, they are left for later")
		}
		return nil
	}
	return w.queue.run(ctx, job.JobRow, job.Args)
}

type recheckWorker struct {
	river.WorkerDefaults[recheckArgs]
	queue *Queue
}

func (w *recheckWorker) Work(ctx context.Context, job *river.Job[recheckArgs]) error {
	s := reconcileArgs{Repository: job.Args.Repository, Number: job.Args.Number}
	return w.queue.recheck(ctx, job.JobRow, s, time.UnixMicro(job.Args.At))
}

type errandRecheckWorker struct {
	river.WorkerDefaults[errandRecheckArgs]
	queue *Queue
}

func (w *errandRecheckWorker) Work(ctx context.Context, job *river.Job[errandRecheckArgs]) error {
	return w.queue.recheck(ctx, job.JobRow, job.Args.Errand, time.UnixMicro(job.Args.At))
}

// recheck raises a subject because of the time, unless a later run has asked for another time.
func (q *Queue) recheck(ctx context.Context, job *rivertype.JobRow, s subject, at time.Time) error {
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		due, err := s.takeRecheck(ctx, q.Store, tx, at)
		if err != nil {
			return err
		}
		if due {
			if err := s.raise(ctx, q.Store, tx); err != nil {
				return err
			}
			if err := q.insertRuns(ctx, tx, []subject{s}, atOnce); err != nil {
				return err
			}
		}
		return q.engine.complete(ctx, tx, job)
	})
	if err == nil {
		q.engine.wake()
	}
	return err
}

type discoverWorker struct {
	river.WorkerDefaults[discoverArgs]
	queue *Queue
}

func (w *discoverWorker) Timeout(*river.Job[discoverArgs]) time.Duration { return sweepTimeout }

func (w *discoverWorker) Work(ctx context.Context, job *river.Job[discoverArgs]) error {
	q := w.queue
	discover := q.handlers.Load().Discover
	if discover == nil {
		return nil
	}
	ctx = runContext(ctx, job.JobRow)
	err := discover(ctx, job.Args.Repository)
	if err == nil {
		err = q.raiseOwing(ctx, job.Args.Repository) // also what was merged, and is on no list
	}
	if err != nil {
		q.Log.Warn().Ctx(ctx).Int64("repository", int64(job.Args.Repository)).Err(err).Msg("discovery failed, it will be tried again")
		return river.JobSnooze(maxRetry)
	}
	return nil
}

type floorWorker struct {
	river.WorkerDefaults[floorArgs]
	queue *Queue
}

// batch is how many pull requests are raised in one transaction, so that deliveries do not wait long for theirs. A full one tells that
// there are enough of them for the background.
const batch = store.BackgroundFrom

func (w *floorWorker) Timeout(*river.Job[floorArgs]) time.Duration { return sweepTimeout }

// Work raises every open pull request of an installation. It reads nothing from GitHub: the runs do, each in its turn. Where there are
// many, those that are not green are raised in the background. If it is repeated, it raises them again, which does no harm.
func (w *floorWorker) Work(ctx context.Context, job *river.Job[floorArgs]) error {
	q, id := w.queue, job.Args.Installation
	ctx = runContext(ctx, job.JobRow)
	var after change.PullKey
	for {
		keys, err := q.Store.OpenPullsOf(ctx, id, after, batch)
		if err == nil {
			many := len(keys) == batch || after != change.PullKey{}
			err = q.raiseFloor(ctx, keys, many)
		}
		if err != nil {
			q.Log.Warn().Ctx(ctx).Int64("installation", int64(id)).Err(err).Msg("not all that an owner's policy concerns was raised, it will be tried again")
			return river.JobSnooze(maxRetry)
		}
		if len(keys) < batch {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

// raiseFloor raises pull requests whose owner's policy may have changed.
func (q *Queue) raiseFloor(ctx context.Context, keys []change.PullKey, many bool) error {
	if !many {
		return q.Raise(ctx, keys, change.ConcernFloor)
	}
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		// Raising locks the rows, so a run that is under way is followed by another, however it ends.
		if err := q.Store.Raise(ctx, tx, keys, change.ConcernFloor); err != nil {
			return err
		}
		green, err := q.Store.Green(ctx, tx, keys)
		if err != nil {
			return err
		}
		urgent := slices.DeleteFunc(slices.Clone(keys), func(k change.PullKey) bool { return !green[k] })
		rest := slices.DeleteFunc(slices.Clone(keys), func(k change.PullKey) bool { return green[k] })
		if err := q.insertRuns(ctx, tx, pulls(urgent), atOnce); err != nil {
			return err
		}
		return q.insertRuns(ctx, tx, pulls(rest), inBackground)
	})
	if err == nil {
		q.engine.wake()
	}
	return err
}

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]
	queue *Queue
}

func (w *sweepWorker) Timeout(*river.Job[sweepArgs]) time.Duration { return sweepTimeout }

func (w *sweepWorker) Work(ctx context.Context, job *river.Job[sweepArgs]) error {
	q := w.queue
	f := q.sweeps[job.Args.Name]
	if f == nil {
		return nil // of another version of the program
	}
	ctx = withTrace(ctx, newTrace())
	if err := f(ctx); err != nil && ctx.Err() == nil {
		q.Log.Warn().Ctx(ctx).Str("sweep", job.Args.Name).Err(err).Msg("a sweep failed, it will be made again at its next time")
	}
	return nil
}
