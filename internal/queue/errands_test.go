package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// clock is a clock that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type handler = func(ctx context.Context, e change.Errand) (queue.Result, error)

func startErrands(t testing.TB, q *queue.Queue, handlers map[change.ErrandKind]handler) {
	t.Helper()
	reconcile := func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil }
	if err := q.Start(t.Context(), queue.Handlers{Reconcile: reconcile, Errands: handlers}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, q) })
}

func branch(n int) change.Errand {
	return change.Errand{Kind: change.ErrandBranch, Repository: 7, Name: fmt.Sprint("branch-", n)}
}

// pushed returns a delivery that raises errands, with a note for each that is named after the delivery.
func pushed(id string, all ...change.Errand) change.Delivery {
	d := labeled(id, pull(0))
	d.Event, d.Action, d.Key, d.Concerns = "push", "", change.PullKey{}, 0
	for _, e := range all {
		d.Raised = append(d.Raised, change.Raised{Errand: e, Notes: []change.Note{change.NewNote(id, d.ReceivedAt, change.BranchPush{Branch: e.Name})}})
	}
	return d
}

func taken(notes []change.Note) (ids []string) {
	for _, n := range notes {
		ids = append(ids, n.ID)
	}
	return ids
}

func noNoteIsSwallowed(t *testing.T, s *store.Store) {
	const branches, groups, size = 20, 20, 10
	q := newQueue(t, s)
	var mu sync.Mutex
	got := map[change.Errand]map[string]bool{}
	var running sync.Map
	startErrands(t, q, map[change.ErrandKind]handler{change.ErrandBranch: func(ctx context.Context, e change.Errand) (queue.Result, error) {
		if _, busy := running.LoadOrStore(e, true); busy {
			t.Errorf("two runs at a time of %s", e)
		}
		defer running.Delete(e)
		w, err := s.BeginErrand(ctx, e)
		if err != nil {
			return queue.Result{}, err
		}
		mu.Lock()
		for _, n := range w.Notes {
			if got[e] == nil {
				got[e] = map[string]bool{}
			}
			if got[e][n.ID] {
				t.Errorf("%s was given %s again", e, n.ID)
			}
			got[e][n.ID] = true
		}
		mu.Unlock()
		return queue.Result{}, q.SaveErrand(ctx, e, store.ErrandSave{Taken: taken(w.Notes)})
	}})
	for g := range groups {
		group := make([]change.Delivery, size)
		for i := range group {
			group[i] = pushed(fmt.Sprintf("%d-%d", g, i), branch((g+i)%branches), branch((g+i+7)%branches))
		}
		deliver(t, q, group...)
	}
	idle(t, q)
	for n := range branches {
		if notes, want := len(got[branch(n)]), 2*groups*size/branches; notes != want {
			t.Errorf("%s was given %d notes, want %d", branch(n), notes, want)
		}
	}
}

func anErrandThatFailsOrWaitsIsRepeated(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	var runs atomic.Int32
	startErrands(t, q, map[change.ErrandKind]handler{change.ErrandBranch: func(ctx context.Context, e change.Errand) (queue.Result, error) {
		w, err := s.BeginErrand(ctx, e)
		if err != nil {
			return queue.Result{}, err
		}
		switch runs.Add(1) {
		case 1:
			return queue.Result{}, errors.New("GitHub answers 502")
		case 2:
			panic("a mistake of ours")
		case 3:
			return queue.Result{RetryAt: time.Now().Add(time.Hour)}, nil // a minute, in effect
		}
		if len(w.Notes) != 2 {
			t.Errorf("%d notes are left, want those of both deliveries", len(w.Notes))
		}
		return queue.Result{}, nil
	}})
	deliver(t, q, pushed("1", branch(1)))
	waitFor(t, q, func() bool { return runs.Load() == 3 && depth(t, q).Running == 0 })
	if d := depth(t, q); d.Unsettled != 1 {
		t.Errorf("depth is %+v while it waits", d)
	}
	deliver(t, q, pushed("2", branch(1)))
	idle(t, q)
	if runs.Load() != 4 {
		t.Errorf("%d runs, want 4", runs.Load())
	}
}

func aKilledProcessLosesNoErrand(t *testing.T, s *store.Store) {
	dead := newQueue(t, s)
	entered, hang := make(chan struct{}, 10), make(chan struct{})
	revive := sync.OnceFunc(func() { close(hang) })
	startErrands(t, dead, map[change.ErrandKind]handler{change.ErrandGroup: func(context.Context, change.Errand) (queue.Result, error) {
		entered <- struct{}{}
		<-hang // never comes back, as far as the next process can tell
		return queue.Result{}, nil
	}})
	t.Cleanup(revive)
	group := func(n int) change.Errand {
		return change.Errand{Kind: change.ErrandGroup, Repository: 7, Name: fmt.Sprint("sha-", n)}
	}
	const groups = 4 // all busy when it is killed, so that it takes nothing more
	for n := range groups {
		deliver(t, dead, pushed(fmt.Sprint(n), group(n)))
		<-entered
	}
	queue.Kill(t.Context(), dead)

	var mu sync.Mutex
	got := map[string]int{}
	next := newQueue(t, s)
	startErrands(t, next, map[change.ErrandKind]handler{change.ErrandGroup: func(ctx context.Context, e change.Errand) (queue.Result, error) {
		w, err := s.BeginErrand(ctx, e)
		mu.Lock()
		defer mu.Unlock()
		got[e.Name] = len(w.Notes)
		return queue.Result{}, err
	}})
	for n := range groups {
		deliver(t, next, pushed(fmt.Sprint("again", n), group(n)))
	}
	idle(t, next)
	mu.Lock()
	for n := range groups {
		if got[group(n).Name] != 2 {
			t.Errorf("the last run of %s was given %d notes, want both", group(n), got[group(n).Name])
		}
	}
	mu.Unlock()
	revive() // its runs' ends count for nothing
	stop(t, dead)
	idle(t, next)
}

func anErrandOfAKindThatNothingHandlesIsLeft(t *testing.T, s *store.Store) {
	handled := change.Errand{Kind: change.ErrandGroup, Repository: 7, Name: "sha"}
	var log recorder
	first, err := queue.New(queue.Config{Store: s, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	startErrands(t, first, map[change.ErrandKind]handler{handled.Kind: func(context.Context, change.Errand) (queue.Result, error) {
		return queue.Result{}, nil
	}})
	deliver(t, first, pushed("1", branch(1), branch(2), handled))
	quiet(t, first)
	idle(t, first) // it is not waited for
	if n := log.count("nothing handles errands of this kind"); n != 1 {
		t.Errorf("it was logged %d times, want once", n)
	}
	stop(t, first)

	// The next version does.
	var runs atomic.Int32
	second := newQueue(t, s)
	startErrands(t, second, map[change.ErrandKind]handler{change.ErrandBranch: func(context.Context, change.Errand) (queue.Result, error) {
		runs.Add(1)
		return queue.Result{}, nil
	}})
	idle(t, second)
	if runs.Load() != 2 {
		t.Errorf("%d runs, want 2", runs.Load())
	}
}

// recorder keeps what is logged.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(p))
	return len(p), nil
}

func (r *recorder) count(part string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func anErrandOfARepositoryThatIsGoneWaits(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	gone := pushed("1", branch(1))
	left := labeled("2", pull(0))
	left.Key, left.Concerns, left.Gone = change.PullKey{}, 0, true
	deliver(t, q, gone, left)
	var runs atomic.Int32
	startErrands(t, q, map[change.ErrandKind]handler{change.ErrandBranch: func(context.Context, change.Errand) (queue.Result, error) {
		runs.Add(1)
		return queue.Result{}, nil
	}})
	quiet(t, q)
	idle(t, q)
	if runs.Load() != 0 {
		t.Errorf("%d runs while its repository is gone", runs.Load())
	}
	deliver(t, q, pushed("3", branch(2))) // it is ours again
	if err := q.Elapse(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle(t, q)
	if runs.Load() != 2 {
		t.Errorf("%d runs, want one of each errand", runs.Load())
	}
}

func nothingWaitsForSlowErrands(t *testing.T, s *store.Store) {
	q := newQueueOf(t, s, 1)
	hang, done := make(chan struct{}), make(chan change.Errand, 1)
	reconciled := make(chan change.PullKey, 1)
	slow := func(context.Context, change.Errand) (queue.Result, error) {
		<-hang
		return queue.Result{}, nil
	}
	err := q.Start(t.Context(), queue.Handlers{
		Reconcile: func(_ context.Context, key change.PullKey) (queue.Result, error) {
			reconciled <- key
			return queue.Result{}, nil
		},
		Errands: map[change.ErrandKind]handler{
			change.ErrandAnnouncement: slow,
			change.ErrandProtection:   slow,
			change.ErrandGroup: func(_ context.Context, e change.Errand) (queue.Result, error) {
				done <- e
				return queue.Result{}, nil
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, q) })
	release := sync.OnceFunc(func() { close(hang) })
	t.Cleanup(release)
	of := func(kind change.ErrandKind, n int) (all []change.Errand) {
		for i := range n {
			all = append(all, change.Errand{Kind: kind, Repository: 7, Name: fmt.Sprint(i)})
		}
		return all
	}
	deliver(t, q, pushed("slack is down", of(change.ErrandAnnouncement, 20)...))
	deliver(t, q, pushed("a group", of(change.ErrandGroup, 1)...))
	<-done
	deliver(t, q, pushed("GitHub is slow", of(change.ErrandProtection, 20)...))
	deliver(t, q, labeled("a pull request", pull(1)))
	<-reconciled
	release()
	idle(t, q)
}

func whatIsSavedRaisesOrNothingIs(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	var mu sync.Mutex
	got := map[string]int{}
	handle := func(ctx context.Context, e change.Errand) (queue.Result, error) {
		w, err := s.BeginErrand(ctx, e)
		mu.Lock()
		defer mu.Unlock()
		got[e.Name] += len(w.Notes)
		if err != nil {
			return queue.Result{}, err
		}
		return queue.Result{}, q.SaveErrand(ctx, e, store.ErrandSave{Taken: taken(w.Notes)})
	}
	startErrands(t, q, map[change.ErrandKind]handler{change.ErrandAnnouncement: handle, change.ErrandException: handle})
	deliver(t, q, labeled("1", pull(1)))

	note := func(id string) []change.Note {
		return []change.Note{change.NewNote(id, time.Now(), change.Announcement{})}
	}
	raise := func(name, id string) []change.Raised {
		r := change.Raised{Errand: change.Errand{Kind: change.ErrandAnnouncement, Repository: 7, Name: name}, Notes: note(id)}
		return []change.Raised{r, {Errand: r.Errand}}
	}
	memory, exception := q.HandlerStore(), change.Errand{Kind: change.ErrandException, Repository: 7, Name: "k1"}
	for _, err := range []error{
		memory.SaveDecision(t.Context(), change.Decision{Pull: pull(1)}, "d", store.Consequences{Raise: raise("by a decision", "1")}),
		memory.RaiseErrands(t.Context(), append(raise("alone", "1"), change.Raised{Errand: exception})),
		memory.SaveErrand(t.Context(), exception, store.ErrandSave{Raise: raise("by an errand", "1")}),
		memory.RaiseErrands(t.Context(), nil),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	lost := store.ErrandSave{Lease: store.Lease{Name: store.ErrandLease(exception), Fence: 99}, Raise: raise("by an errand", "2")}
	if err := q.SaveErrand(t.Context(), exception, lost); !errors.Is(err, store.ErrFenced) {
		t.Errorf("saved without the lease: %v", err)
	}
	unknown := change.Decision{Pull: pull(99)}
	if err := q.SaveDecision(t.Context(), unknown, "d", store.Consequences{Raise: raise("by a decision", "2")}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("saved for no pull request: %v", err)
	}
	idle(t, q)
	mu.Lock()
	defer mu.Unlock()
	for _, name := range []string{"by a decision", "alone", "by an errand"} {
		if got[name] != 1 {
			t.Errorf("%s: %d notes were seen, want 1", name, got[name])
		}
	}
}

func anErrandIsFollowedByItsRecheck(t *testing.T, s *store.Store, c *clock) {
	q, err := queue.New(queue.Config{Store: s, Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	startErrands(t, q, map[change.ErrandKind]handler{change.ErrandRetrospective: func(context.Context, change.Errand) (queue.Result, error) {
		switch runs.Add(1) {
		case 1, 2:
			return queue.Result{RecheckAt: c.Now().Add(20 * time.Hour)}, nil
		case 3:
			return queue.Result{RecheckAt: c.Now().Add(time.Millisecond)}, nil // River's timer sees to it
		}
		return queue.Result{}, nil
	}})
	elapse := func(d time.Duration, want int32) {
		t.Helper()
		c.advance(d)
		if err := q.Elapse(t.Context()); err != nil {
			t.Fatal(err)
		}
		quiet(t, q)
		if runs.Load() != want {
			t.Errorf("%d runs, want %d", runs.Load(), want)
		}
	}
	deliver(t, q, pushed("1", change.Errand{Kind: change.ErrandRetrospective, Repository: 7, Name: "1"}))
	elapse(0, 1)
	elapse(19*time.Hour, 1)
	elapse(time.Hour, 2)
	elapse(19*time.Hour, 2)
	c.advance(time.Hour)
	if err := q.Elapse(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, q, func() bool { return runs.Load() == 4 })
	idle(t, q)
	elapse(100*time.Hour, 4)
}
