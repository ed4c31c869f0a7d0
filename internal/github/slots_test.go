package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

// slotQueue has callers wait in the order given, and serves them one after the other.
type slotQueue struct {
	t     *testing.T
	slots *slots
	got   chan string
	free  map[string]func()
	mu    sync.Mutex
	want  int
}

func (q *slotQueue) wait(id change.InstallationID, c class, name string) {
	q.t.Helper()
	waiting := func() int {
		q.slots.mu.Lock()
		defer q.slots.mu.Unlock()
		n := 0
		for _, l := range q.slots.lines {
			n += len(l.waiting)
		}
		return n
	}
	before := waiting()
	go func() {
		free, err := q.slots.take(q.t.Context(), id, c)
		if err != nil {
			return
		}
		q.mu.Lock()
		q.free[name] = free
		q.mu.Unlock()
		q.got <- name
	}()
	for waiting() == before {
		if len(q.got) > 0 {
			return
		}
	}
	q.want++
}

// serve ends a call and returns who has its slot.
func (q *slotQueue) serve(name string) string {
	q.mu.Lock()
	free := q.free[name]
	q.mu.Unlock()
	free()
	return <-q.got
}

func TestInstallationsTakeTurns(t *testing.T) {
	q := &slotQueue{t: t, slots: newSlots(1, 8), got: make(chan string, 100), free: map[string]func(){}}
	q.wait(5, starting, "large 0")
	next := <-q.got
	for n := range 10 {
		q.wait(5, starting, fmt.Sprintf("large %d", n+1))
	}
	q.wait(6, background, "small 1")
	q.wait(6, background, "small 2")
	var order []string
	for range q.want {
		next = q.serve(next)
		order = append(order, next)
	}
	want := []string{
		"large 1", "small 1", "large 2", "small 2", "large 3", "large 4", "large 5", "large 6", "large 7", "large 8", "large 9", "large 10",
	}
	if !slices.Equal(order, want) {
		t.Errorf("got %q", order)
	}
}

func TestTheMoreUrgentGoFirst(t *testing.T) {
	q := &slotQueue{t: t, slots: newSlots(8, 1), got: make(chan string, 100), free: map[string]func(){}}
	q.wait(5, going, "first")
	next := <-q.got
	for _, c := range []class{background, starting, writing, going, background, starting, writing} {
		q.wait(5, c, fmt.Sprintf("%s %d", c, q.want))
	}
	var order []string
	for range q.want {
		next = q.serve(next)
		order = append(order, next)
	}
	want := []string{"write 2", "write 6", "going 3", "starting 1", "starting 5", "background 0", "background 4"}
	if !slices.Equal(order, want) {
		t.Errorf("got %q", order)
	}
	q.free[next]()
	equal(t, "installations remembered", len(q.slots.lines), 0)
	equal(t, "free", q.slots.free, 8)
}

func TestNoSlotIsLost(t *testing.T) {
	s := newSlots(3, 2)
	var wg sync.WaitGroup
	for n := range 300 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if n%3 == 0 {
				go cancel() // at whatever moment
			}
			defer cancel()
			free, err := s.take(ctx, change.InstallationID(n%5), class(n%4))
			if err == nil {
				free()
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	equal(t, "free", s.free, 3)
	equal(t, "lines", len(s.lines), 0)
	equal(t, "turns", len(s.turns), 0)
}
