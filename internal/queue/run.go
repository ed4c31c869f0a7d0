package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/store"
)

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
