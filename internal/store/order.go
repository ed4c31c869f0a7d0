package store

import (
	"context"
	"slices"
	"sync"
)

type firstKey struct{}

// First returns a context whose write transactions on SQLite go before those already waiting, for callers with a short deadline. Every
// second turn is still the others'.
func First(ctx context.Context) context.Context { return context.WithValue(ctx, firstKey{}, true) }

// order lets one transaction write at a time, in the order in which they came, except for First. The pool of connections would pick one at
// random, and among many one would now and then wait for very long.
type order struct {
	mu      sync.Mutex
	busy    bool
	first   bool // the last turn was that of a context that goes first
	waiting struct{ first, others []chan struct{} }
}

// enter waits for a turn, or for the end of ctx. Whoever has got a turn calls leave.
func (o *order) enter(ctx context.Context) error {
	o.mu.Lock()
	first := ctx.Value(firstKey{}) != nil
	if !o.busy {
		o.busy, o.first = true, first
		o.mu.Unlock()
		return nil
	}
	line := &o.waiting.others
	if first {
		line = &o.waiting.first
	}
	turn := make(chan struct{})
	*line = append(*line, turn)
	o.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	i := slices.Index(*line, turn)
	if i >= 0 {
		*line = slices.Delete(*line, i, i+1)
	}
	o.mu.Unlock()
	if i < 0 { // the turn came at the same moment
		o.leave()
	}
	return context.Cause(ctx)
}

// leave gives the turn to the next.
func (o *order) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := &o.waiting
	o.first = len(w.first) > 0 && (!o.first || len(w.others) == 0)
	line := &w.others
	if o.first {
		line = &w.first
	}
	if len(*line) == 0 {
		o.busy = false
		return
	}
	close((*line)[0])
	*line = slices.Delete(*line, 0, 1)
}
