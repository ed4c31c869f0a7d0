package app

import (
	"context"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/store"
)

const (
	// writeAgain is how long after a try the database is tried again at the earliest, however often anybody asks.
	writeAgain = time.Second
	// writeFor is how long the lease lasts that is taken as a try. Nothing depends on it.
	writeFor = time.Minute
)

// writable is the probe of the database: a delivery must be written, so that the database can be read is not enough.
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
