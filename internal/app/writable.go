package app

import (
	"context"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/store"
)

const (
	// writeAgain is how soon after a try the database is tried again, however often anybody asks.
	writeAgain = time.Second
	// writeFor is how long the lease lasts that is taken to try it. Nothing depends on it.
	writeFor = time.Minute
)

// writable is the probe of the database: that it can be read is no use to a delivery, which must be written.
type writable struct {
	store  *store.Store
	holder string
	turn   chan struct{} // holds one
	at     time.Time     // when it was tried last; whoever has the turn may use it
	err    error         // what came of it
}

func newWritable(s *store.Store, replica string) *writable {
	return &writable{store: s, holder: replica + " ready", turn: make(chan struct{}, 1)}
}

// check says whether the database takes a write, now or a moment ago.
func (w *writable) check(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("an earlier look is still waiting: %w", context.Cause(ctx))
	}
	defer func() { <-w.turn }()
	if time.Since(w.at) < writeAgain {
		return w.err
	}
	_, err := w.store.Acquire(ctx, "ready "+w.holder, w.holder, writeFor)
	if ctx.Err() != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // who asked hung up, which says nothing
		return err
	}
	w.at, w.err = time.Now(), err
	return err
}
