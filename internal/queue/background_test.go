package queue_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

func backgroundRunsComeAfterAllOthers(t *testing.T, s *store.Store) {
	var mu sync.Mutex
	var order []string
	entered, release := make(chan struct{}), make(chan struct{})
	waited := map[change.Number]bool{}
	q := newQueueOf(t, s, 1)
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		name := key.String()
		if queue.IsBackground(ctx) {
			name += " in the background"
		}
		mu.Lock()
		order = append(order, name)
		first, again := len(order) == 1, key.Number == 2 && !waited[2]
		waited[key.Number] = true
		mu.Unlock()
		if first {
			close(entered)
			<-release
		}
		if again {
			return queue.Result{RetryAt: time.Now()}, nil // as for a limit
		}
		return queue.Result{}, nil
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(q.Raise(t.Context(), []change.PullKey{pull(1)}, change.ConcernPull))
	<-entered
	must(q.RaiseInBackground(t.Context(), []change.PullKey{pull(2), pull(3)}, change.ConcernVerify))
	must(q.Raise(t.Context(), []change.PullKey{pull(4)}, change.ConcernPull))
	must(q.Raise(t.Context(), []change.PullKey{pull(3)}, change.ConcernPull)) // which is waited for from now on
	must(q.RaiseInBackground(t.Context(), []change.PullKey{pull(4)}, change.ConcernVerify))
	close(release)
	idle(t, q)
	name := func(n int, more string) string { return pull(n).String() + more }
	want := []string{
		name(1, ""), name(3, ""), name(4, ""), name(2, " in the background"), name(2, " in the background"),
	}
	slices.Sort(order[1:3]) // of these two either
	if !slices.Equal(order, want) {
		t.Errorf("got %q", order)
	}
}

func aBackgroundRunWaitsForRoom(t *testing.T, s *store.Store) {
	var room atomic.Bool
	q, err := queue.New(queue.Config{Store: s, Room: func(id change.InstallationID) bool { return id != 1 || room.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	raised(t, q, 1, 1)
	raised(t, q, 2, 1)
	if err := queue.DeleteJobs(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	of := func(id change.RepositoryID, n change.Number) change.PullKey {
		return change.PullKey{Repository: id, Number: n}
	}
	if err := q.RaiseInBackground(t.Context(), []change.PullKey{of(1, 1), of(2, 1)}, change.ConcernVerify); err != nil {
		t.Fatal(err)
	}
	began := make(chan change.PullKey, 3)
	start(t, q, func(_ context.Context, key change.PullKey) (queue.Result, error) {
		began <- key
		return queue.Result{}, nil
	})
	if key := <-began; key != of(2, 1) {
		t.Fatalf("%s began first, of whose installation the limit is reached", key)
	}
	if err := q.Raise(t.Context(), []change.PullKey{of(1, 2)}, change.ConcernPull); err != nil {
		t.Fatal(err)
	}
	if key := <-began; key != of(1, 2) {
		t.Fatalf("%s began, and not what is waited for", key)
	}
	room.Store(true)
	idle(t, q)
	if key := <-began; key != of(1, 1) {
		t.Errorf("%s began last", key)
	}
}

func aBackgroundRunIsWaitedForFromAnEventOn(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	if err := q.RaiseInBackground(t.Context(), []change.PullKey{pull(1)}, change.ConcernVerify); err != nil {
		t.Fatal(err)
	}
	// It has been there for long, which is nobody's concern.
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE river_job SET metadata = '{"raised":1,"trace":"a sweep","other":true}'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	deliver(t, q, labeled("labeled", pull(1)))
	job, err := queue.TheOnlyJob(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if job.Background || job.Raised.Before(began.Truncate(time.Microsecond)) {
		t.Errorf("its lag would be counted from %v, want %v at least: %+v", job.Raised, began, job)
	}
	for _, kept := range []string{`"trace": *"a sweep"`, `"other": *true`} {
		if !regexp.MustCompile(kept).MatchString(job.Metadata) {
			t.Errorf("of what was there, %s is not kept: %s", kept, job.Metadata)
		}
	}
}

func nobodyWaitsForTheManyOfABranch(t *testing.T, s *store.Store) {
	const many = 120
	var mu sync.Mutex
	background, urgent := 0, []change.PullKey(nil)
	q := newQueue(t, s)
	var opened []change.Delivery
	for n := range many {
		d := labeled(fmt.Sprint("opened-", n), pull(n+1))
		d.Pull = described(d.Key, change.SHA(fmt.Sprintf("%040x", n)), time.Now())
		opened = append(opened, d)
	}
	deliver(t, q, opened...)
	if err := queue.DeleteJobs(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	moved := labeled("moved", change.PullKey{})
	moved.Event, moved.Action, moved.Base, moved.Concerns = "push", "", "main", change.ConcernContent
	moved.Repository = opened[0].Repository
	deliver(t, q, moved)
	deliver(t, q, labeled("labeled", pull(5)))
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if queue.IsBackground(ctx) {
			background++
		} else {
			urgent = append(urgent, key)
		}
		return queue.Result{}, nil
	})
	idle(t, q)
	if background != many-1 || !slices.Equal(urgent, []change.PullKey{pull(5)}) {
		t.Errorf("%d runs in the background, and of %v", background, urgent)
	}
}
