package effecttest

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/store"
)

// Store is a store as the runs over errands use it. Each write by which a run gets on is a step of the killer.
type Store struct {
	*store.Store
	*Killer
}

// SaveErrand saves what a run leaves. What that raises gets no jobs.
func (s Store) SaveErrand(ctx context.Context, e change.Errand, save store.ErrandSave) error {
	return s.Do(func() error {
		return s.Write(ctx, func(tx store.Tx) error { return s.Store.SaveErrand(ctx, tx, e, save) })
	})
}

// Intend is store.Store's.
func (s Store) Intend(ctx context.Context, in store.Intent) (e store.Effect, fresh bool, err error) {
	err = s.Do(func() (err error) { e, fresh, err = s.Store.Intend(ctx, in); return err })
	return e, fresh, err
}

// Attempt is store.Store's.
func (s Store) Attempt(ctx context.Context, key string, lease store.Lease) error {
	return s.Do(func() error { return s.Store.Attempt(ctx, key, lease) })
}

// Now is so late that no attempt is acted on any more.
func (s Store) Now() time.Time { return s.Store.Now().Add(effect.MayActFor) }

// Complete is store.Store's.
func (s Store) Complete(ctx context.Context, key string, result any) error {
	return s.Do(func() error { return s.Store.Complete(ctx, key, result) })
}

// FailEffect is store.Store's.
func (s Store) FailEffect(ctx context.Context, key, why string) error {
	return s.Do(func() error { return s.Store.FailEffect(ctx, key, why) })
}

// CommandDone is store.Store's.
func (s Store) CommandDone(ctx context.Context, comment int64, outcome string) error {
	return s.Do(func() error { return s.Store.CommandDone(ctx, comment, outcome) })
}
