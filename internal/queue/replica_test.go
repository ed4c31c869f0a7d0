package queue_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

func theLeasesOfAKilledProcessEnd(t *testing.T, s *store.Store) {
	dead := newQueue(t, s)
	start(t, dead, func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil })
	held, err := s.Acquire(t.Context(), "head", dead.Replica()+" acme/shop#1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Acquire(t.Context(), "errand", dead.Replica(), time.Hour); err != nil {
		t.Fatal(err)
	}
	// What nobody is to do a second time is not a replica's.
	if _, err := s.Acquire(t.Context(), "token", "whoever used it", time.Hour); err != nil {
		t.Fatal(err)
	}
	queue.Kill(t.Context(), dead)

	next := newQueue(t, s)
	start(t, next, func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil })
	for _, name := range []string{"head", "errand"} {
		if _, err := s.Acquire(t.Context(), name, next.Replica(), time.Hour); err != nil {
			t.Errorf("the lease %q: %v", name, err)
		}
	}
	if _, err := s.Acquire(t.Context(), "token", next.Replica(), time.Hour); !errors.Is(err, store.ErrHeld) {
		t.Errorf("what is no replica's: got %v, want that it is held", err)
	}
	if err := s.Check(t.Context(), held); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the dead one's lease: got %v, want that it is lost", err)
	}
}

// aSleeperLeavesItsSuccessorsJob has a replica wake up that was taken for dead. What it then does about the job that it had is not done to
// its successor's.
func aSleeperLeavesItsSuccessorsJob(t *testing.T, s *store.Store) {
	asleep := newQueueOf(t, s, 1)
	entered, hang := make(chan struct{}, 1), make(chan struct{})
	wake := sync.OnceFunc(func() { close(hang) })
	start(t, asleep, func(context.Context, change.PullKey) (queue.Result, error) {
		entered <- struct{}{}
		<-hang
		return queue.Result{}, nil
	})
	t.Cleanup(wake)
	deliver(t, asleep, labeled("1", pull(1)))
	<-entered
	queue.Kill(t.Context(), asleep)

	next := newQueueOf(t, s, 2)
	var running, most, runs atomic.Int32
	took, proceed := make(chan struct{}, 8), make(chan struct{})
	start(t, next, func(context.Context, change.PullKey) (queue.Result, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		runs.Add(1)
		took <- struct{}{}
		<-proceed
		return queue.Result{}, nil
	})
	<-took
	wake()
	stop(t, asleep)
	// Were its job not there any more, this would start another run beside the one that is under way.
	deliver(t, next, labeled("2", pull(1)))
	if d := depth(t, next); d.Running != 1 {
		t.Errorf("%d runs, want the successor's", d.Running)
	}
	if n := jobs(t, s); n != 1 {
		t.Errorf("%d jobs stand for the pull request, want one", n)
	}
	close(proceed)
	idle(t, next)
	if most.Load() != 1 || runs.Load() != 2 {
		t.Errorf("%d runs, %d at a time; want 2, one at a time", runs.Load(), most.Load())
	}
}

// processesAreCounted has a replica know of another as long as that one is there.
func processesAreCounted(t *testing.T, s *store.Store) {
	nothing := func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil }
	one, other := newQueue(t, s), newQueue(t, s)
	wants := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); one.Processes() != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it knows of %d processes, want %d", one.Processes(), want)
			}
		}
	}
	start(t, one, nothing)
	wants(1)
	start(t, other, nothing)
	wants(2)
	stop(t, other)
	wants(1)
}

// jobs counts the jobs over pull requests that are not finished.
func jobs(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	err := s.Read(t.Context(), func(tx store.Tx) error {
		return tx.Query(t.Context(), `SELECT count(*) FROM river_job WHERE kind = 'reconcile' AND state IN ('available', 'running', 'scheduled', 'retryable')`, nil,
			func(scan func(...any) error) error { return scan(&n) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
