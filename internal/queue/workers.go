package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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

// run is one run over a subject. Whatever it returns has no effect once the run's end is written, because that ended the job.
func (q *Queue) run(ctx context.Context, job *rivertype.JobRow, s subject) error {
	q.running.Add(1)
	defer q.signal()
	defer q.running.Add(-1)
	defer q.ended.Add(1)

	run, err := s.start(ctx, q.Store)
	if errors.Is(err, store.ErrNotFound) {
		return nil // there is nothing to look at
	}
	if err != nil {
		return err
	}
	ctx = runContext(ctx, job)
	began := time.Now()
	o := outcome{done: true, empty: true}
	if !run.Empty() {
		result, err := q.handle(ctx, s)
		o = q.outcome(ctx, s, result, err)
	}

	// The end is written also when the run was cancelled. If it cannot be, the job is still there and will be run again.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	next, err := q.end(end, job, s, run, o)
	if err == nil && !o.empty {
		took := time.Since(began)
		q.metrics.ended(s, job, o, next, took)
		q.Log.Info().Ctx(ctx).Str(s.field()).Str("outcome", o.name(next)).Dur("took", took).Msg("a run ended")
	}
	return err
}

// handle calls the handler. A panic is the run's error: it concerns one subject, and ends nothing else.
func (q *Queue) handle(ctx context.Context, s subject) (r Result, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			q.Log.Error().Ctx(ctx).Str(s.field()).Interface("panic", cause).Bytes("stack", debug.Stack()).Msg("panic during a run")
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return s.handle(ctx, q.handlers.Load())
}

// outcome is how a run ended, as it is recorded.
type outcome struct {
	done      bool
	empty     bool          // there was nothing to do; done as well
	problem   string        // why it failed, if it did
	wait      time.Duration // until the next run, of one that is not done; backoff decides where it failed
	recheckAt time.Time
}

func (q *Queue) outcome(ctx context.Context, s subject, r Result, err error) outcome {
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return outcome{} // the process stops: no failure, and the next process goes on at once
	case err != nil:
		q.Log.Warn().Ctx(ctx).Str(s.field()).Err(err).Msg("a run failed, it will be tried again")
		return outcome{problem: err.Error()}
	case !r.RetryAt.IsZero():
		return outcome{wait: min(max(r.RetryAt.Sub(q.Clock()), minRetry), maxRetry)}
	default:
		at := r.RecheckAt
		if soonest := q.Clock().Add(minRecheck); !at.IsZero() && at.Before(soonest) {
			at = soonest
		}
		return outcome{done: true, recheckAt: wholeSecond(at)}
	}
}

// wholeSecond rounds a time up, so that runs that mean the same time ask for the same. Zero stays zero.
func wholeSecond(at time.Time) time.Time {
	if down := at.Truncate(time.Second); down.Before(at) {
		return down.Add(time.Second)
	}
	return at
}

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	if failures > 6 {
		return maxRetry
	}
	return min(time.Second<<max(failures-1, 0), maxRetry)
}

// end writes the end of a run, completes its job and inserts the one that follows, all or nothing. It returns what is to follow.
func (q *Queue) end(ctx context.Context, job *rivertype.JobRow, s subject, run store.Run, o outcome) (next store.Next, err error) {
	var wait time.Duration
	err = q.Store.Write(ctx, func(tx store.Tx) (err error) {
		next, wait, err = q.endIn(ctx, tx, job, s, run, o)
		return err
	})
	if err != nil {
		q.Log.Error().Ctx(ctx).Str(s.field()).Err(err).Msg("the end of a run was not written, it will be repeated")
		return next, err
	}
	switch {
	case next == store.Stale:
		// River took this run for dead and gave its job to another run, which deals with all that this one did and more.
		q.Log.Warn().Ctx(ctx).Str(s.field()).Msg("a run went on after its job was given to another")
	case next == store.Again, !o.done && wait == 0:
		q.engine.wake()
	case !o.done:
		q.nudgeAfter(wait, s, o.problem == "" && wait <= time.Second)
	}
	return next, nil
}

// endIn is end in a transaction. It returns as well how long to wait before the next run of one that is not done.
func (q *Queue) endIn(
	ctx context.Context, tx store.Tx, job *rivertype.JobRow, s subject, run store.Run, o outcome,
) (next store.Next, wait time.Duration, err error) {
	wait = o.wait
	if o.done && !o.empty {
		next, err = q.Store.Finish(ctx, tx, run, o.recheckAt)
	} else {
		var failures int
		if next, failures, err = q.Store.Fail(ctx, tx, run, o.problem); o.problem != "" {
			wait = backoff(failures)
		}
	}
	if err != nil || next == store.Stale {
		return next, wait, err
	}
	if err := q.engine.complete(ctx, tx, job); err != nil {
		return next, wait, fmt.Errorf("complete the job of %s: %w", run, err)
	}
	// A recheck that was asked for before the run may have come during it.
	if o.done && !o.recheckAt.IsZero() && (next == store.Again || !run.RechecksAt(o.recheckAt)) {
		if err := q.insertRecheck(ctx, tx, s, o.recheckAt); err != nil {
			return next, wait, err
		}
	}
	switch {
	case o.done && next == store.Again:
		var p patience
		if p, err = s.canWait(ctx, q.Store, tx, q.Patience); err == nil {
			err = q.insertNext(ctx, tx, s, p)
		}
	case next == store.Again, !o.done && wait == 0:
		err = q.insertRunsOf(ctx, tx, []subject{s}, atOnce, job.Metadata)
	case !o.done:
		err = q.insertLater(ctx, tx, s, wait, job)
	}
	return next, wait, err
}

// nudgeAfter nudges a subject when its next run is due. River looks every five seconds for what has become due: this only makes it sooner, and
// nothing depends on it. What is due soon is counted until then.
func (q *Queue) nudgeAfter(wait time.Duration, s subject, soon bool) {
	if soon {
		q.soon.Add(1)
	}
	time.AfterFunc(wait, func() {
		q.nudge(s)
		if soon {
			q.soon.Add(-1)
		}
	})
}

// nudge makes the waiting job of a subject available, if there still is something to do.
func (q *Queue) nudge(s subject) {
	q.mu.Lock()
	stopped := q.stopped
	q.mu.Unlock()
	if stopped {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		unsettled, err := s.isUnsettled(ctx, q.Store, tx)
		if err != nil || !unsettled {
			return err
		}
		return q.insertRuns(ctx, tx, []subject{s}, early)
	})
	if err != nil {
		q.Log.Debug().Str(s.field()).Err(err).Msg("a waiting run was not made available early")
		return
	}
	q.engine.wake()
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
