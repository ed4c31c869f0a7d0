// Package queue decides when a pull request or an errand is looked at. Deliveries, people and time raise them; each that is raised gets
// one River job, however many events there were, and River runs one job of each at a time, across all replicas. Errands have workers of
// their own, so that pull requests do not wait for them.
//
// Nothing that is raised is lost. The job is inserted in the transaction that raises its subject. River ignores an insert of a job that
// exists: if that one is running, its run finds at its end that more was raised and is followed by another; if it is scheduled for later,
// it is made available at once. While a pull request's row says that its job is there and due, deliveries insert none, because River's
// look-up is what costs most.
//
// A run ends in one transaction that compares, completes the job and inserts the one that follows, if any. What a killed process was
// running, and the leases that it held, are freed when the next process starts, and within five seconds by any others that share its
// database.
//
// Where only a pull request's checks were raised, and not all that its decision waits for have ended, the run is put off for some seconds,
// so that it sees what comes meanwhile: CI reports a hundred times, and what it says last is what matters. See patienceOf and
// store.CanWait.
//
// Failures use up no attempts: a run that failed, or that is held up by GitHub's limits, is followed by another within a minute, for as
// long as it takes.
package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// RunTimeout is how long a run over a pull request or an errand may last.
const RunTimeout = 20 * time.Second

// Times that fit one another: a run is cancelled before it counts as stuck, and has ended well before it is given to another.
const (
	rescueAfter  = 30 * time.Second
	endTimeout   = 5 * time.Second        // to write the end of a run, also while the process is stopping
	stopTimeout  = 6 * time.Second        // for runs to end by themselves before they are cancelled
	minRetry     = 100 * time.Millisecond // a time that has passed must not make a run chase itself
	maxRetry     = time.Minute
	minRecheck   = time.Second // likewise for a time that has come by our clock but not by another's
	sweepTimeout = 10 * time.Minute
)

// Result is how a run over a pull request or an errand ended.
type Result struct {
	// RetryAt says that the run did not do all of its business because it has to wait, and is no failure. Its concerns stay, and
	// another run follows at that time or a minute from now, whichever is earlier, or as soon as anything is raised.
	RetryAt time.Time
	// RecheckAt is when time alone may change the decision, or what there is to do; then the errand is raised, or the pull request with
	// ConcernVerify. It replaces the time that an earlier run asked for; zero: never. It may be some seconds late.
	RecheckAt time.Time
}

// Handlers do the work.
type Handlers struct {
	// Reconcile looks at one pull request. Its context ends after 20 seconds, or when the queue stops. If it returns an error, it is
	// called again for the same concerns, after 1, 2, 4 and at last 60 seconds, or as soon as anything is raised.
	Reconcile func(ctx context.Context, key change.PullKey) (Result, error)
	// Discover looks for the open pull requests of a repository that came to the installation, and raises them. It is called
	// again until it returns nil. What owes something there, open or not, is raised after that. Without one, such repositories wait for a sweep.
	Discover func(ctx context.Context, repo change.RepositoryID) error
	// Errands look at one errand each, as Reconcile does at one pull request. Errands of other kinds are left raised, and are not counted.
	Errands map[change.ErrandKind]func(ctx context.Context, e change.Errand) (Result, error)
}

// Config is what a queue needs.
type Config struct {
	Store *store.Store
	// Workers is how many runs over pull requests there are at a time in this process; 0: 16. Those of errands come on top.
	Workers int
	// Clock tells the time that RetryAt and RecheckAt are compared with; nil: time.Now. River keeps to the system's clock, so what
	// is passed to it is how long to wait.
	Clock func() time.Time
	// Patience is how long at most the run of a pull request that waits for checks is put off; 0: 15 seconds.
	Patience time.Duration
	// Room says whether background runs of an installation would get anywhere now. While they would not, none is begun: each of thousands
	// would only find that out for itself. nil: they always would.
	Room func(id change.InstallationID) bool
	Log  zerolog.Logger
	// Metrics is what the queue's metrics are registered with; nil: nothing.
	Metrics prometheus.Registerer
}

// Queue raises pull requests and runs the work on them. Deliver and Raise may be used before Start and after Stop; what they
// raise then waits.
type Queue struct {
	Config
	engine    engine
	replica   string
	metrics   *metrics
	handlers  atomic.Pointer[Handlers] // nil before Start
	sweeps    map[string]func(context.Context) error
	running   atomic.Int64
	soon      atomic.Int64 // runs that gave way to another and are repeated within a second
	ended     atomic.Int64 // counts runs that ended, each before it is taken off running
	unhandled sync.Map     // the kinds of errand of which it was logged that nothing handles them

	mu      sync.Mutex
	started bool
	stopped bool
	changed chan struct{} // closed and replaced when a run ends
}

// New returns a queue that runs nothing yet.
func New(c Config) (*Queue, error) {
	if c.Store == nil {
		return nil, errors.New("queue: no store")
	}
	if c.Workers == 0 {
		c.Workers = 16
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Patience == 0 {
		c.Patience = 15 * time.Second
	}
	q := &Queue{Config: c, replica: newReplica(), sweeps: map[string]func(context.Context) error{}, changed: make(chan struct{})}
	workers := river.NewWorkers()
	river.AddWorker(workers, &reconcileWorker{queue: q})
	river.AddWorker(workers, &recheckWorker{queue: q})
	river.AddWorker(workers, &errandWorker{queue: q})
	river.AddWorker(workers, &errandRecheckWorker{queue: q})
	river.AddWorker(workers, &discoverWorker{queue: q})
	river.AddWorker(workers, &floorWorker{queue: q})
	river.AddWorker(workers, &sweepWorker{queue: q})
	var err error
	if q.engine, err = newEngine(c, workers, q.replica); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	if q.metrics, err = newMetrics(c.Metrics, q); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return q, nil
}

// Every has f called at an interval for as long as the queue runs, first shortly after it starts: by one replica, once at a time, for
// up to ten minutes. Its error is logged, and it is called again at the next interval. Names are unique. Call it before Start.
func (q *Queue) Every(name string, interval time.Duration, f func(ctx context.Context) error) {
	q.sweeps[name] = f
	q.engine.every(sweepArgs{Name: name}, interval)
}

// Start frees what a process that was killed left behind and starts the work. The queue runs until Stop, whatever becomes of ctx.
func (q *Queue) Start(ctx context.Context, h Handlers) error {
	if h.Reconcile == nil {
		return errors.New("start the queue: no handler")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started {
		return errors.New("start the queue: it was started before")
	}
	q.handlers.Store(&h)
	for kind := range h.Errands {
		q.metrics.runs.WithLabelValues(string(kind), "failed") // for the alert on an increase, as those of pull requests
	}
	q.Every("recover", time.Minute, q.recover)
	q.Every("owing", owingEvery, q.raiseForgotten)
	if err := q.engine.free(ctx, q.Store); err != nil {
		return fmt.Errorf("free the jobs of a process that is gone: %w", err)
	}
	if err := errors.Join(q.recover(ctx), q.raiseForgotten(ctx)); err != nil {
		return err
	}
	if err := q.engine.start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	q.started = true
	return nil
}

// Stop starts no more runs and returns when those that run have ended. They have six seconds before they are cancelled; what they
// leave is there for the next process. If ctx ends first, Stop returns its error and the runs go on ending.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	wasStarted := q.started
	q.stopped = true
	q.mu.Unlock()
	if !wasStarted {
		return nil
	}
	if err := q.engine.stop(ctx); err != nil {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return nil
}

// Raise records that the sources of pull requests may have changed, and has them looked at.
func (q *Queue) Raise(ctx context.Context, keys []change.PullKey, concerns change.Concern) error {
	if len(keys) == 0 || concerns == 0 {
		return nil
	}
	err := q.Store.Write(ctx, func(tx store.Tx) error { return q.raise(ctx, tx, keys, concerns) })
	if err != nil {
		return fmt.Errorf("raise %s and others: %w", keys[0], err)
	}
	q.engine.wake()
	return nil
}

func (q *Queue) raise(ctx context.Context, tx store.Tx, keys []change.PullKey, concerns change.Concern) error {
	if err := q.Store.Raise(ctx, tx, keys, concerns); err != nil {
		return err
	}
	return q.insertRuns(ctx, tx, pulls(keys), atOnce)
}

// Depth is how much there is to do.
type Depth struct {
	Unsettled int // pull requests and errands that were raised and not yet dealt with, those of Running among them
	Running   int // runs in this process
}

// Depth returns how much there is to do.
func (q *Queue) Depth(ctx context.Context) (Depth, error) {
	n, err := q.unsettled(ctx)
	return Depth{Unsettled: n, Running: int(q.running.Load())}, err
}

// unsettled counts what was raised and not yet dealt with, without the errands that nothing here handles.
func (q *Queue) unsettled(ctx context.Context) (int, error) {
	n, errands, err := q.Store.CountAllUnsettled(ctx)
	for kind, count := range errands {
		if q.handlers.Load() == nil || q.handles(kind) {
			n += count
		}
	}
	return n, err
}

// Idle returns when everything that was raised so far has been dealt with. What keeps failing keeps it waiting.
func (q *Queue) Idle(ctx context.Context) error {
	for {
		changed := q.ends()
		n, err := q.unsettled(ctx)
		if err != nil {
			return err
		}
		if n == 0 && q.running.Load() == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(time.Second): // a run may have ended in another process
		case <-ctx.Done():
			return fmt.Errorf("%d pull requests and errands are not yet dealt with: %w", n, context.Cause(ctx))
		}
	}
}

// ends returns a channel that is closed when the next run ends.
func (q *Queue) ends() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

func (q *Queue) signal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

// recover inserts the jobs of pull requests and errands that were raised and have none. That happens to errands whose repository is ours
// again, or that were left for a version of the program that handles them. It happens to pull requests only if somebody deletes River's
// rows, as far as is known.
func (q *Queue) recover(ctx context.Context) error {
	if err := recoverJobs(ctx, q, q.Store.Unsettled, pulls); err != nil {
		return err
	}
	return recoverJobs(ctx, q, q.Store.UnsettledErrands, func(all []change.Errand) []subject {
		return errands(slices.DeleteFunc(all, func(e change.Errand) bool { return !q.handles(e.Kind) }))
	})
}

func recoverJobs[K any](ctx context.Context, q *Queue, unsettled func(ctx context.Context, after K, limit int) ([]K, error), subjects func([]K) []subject) error {
	const page = 500
	var after K
	for {
		keys, err := unsettled(ctx, after, page)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		after = keys[len(keys)-1]
		list := subjects(keys)
		err = q.Store.Write(ctx, func(tx store.Tx) error { return q.insertRuns(ctx, tx, list, whenDue) })
		if err != nil {
			return fmt.Errorf("recover jobs: %w", err)
		}
		q.engine.wake()
	}
}
