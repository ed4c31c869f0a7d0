package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/changegate/changegate/internal/store"
)

// Leaser takes leases; see store.Store.
type Leaser interface {
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error)
}

// ByLease returns a Once that notes a key as a lease that nobody gives back. It holds across replicas and restarts, and is forgotten with
// other leases that ended.
func ByLease(s Leaser, now func() time.Time) Once {
	return func(ctx context.Context, key string, until time.Time) (bool, error) {
		// A holder of its own for each call, because the same holder could take the lease again.
		_, err := s.Acquire(ctx, key, rand.Text(), until.Sub(now()))
		if errors.Is(err, store.ErrHeld) {
			return false, nil
		}
		return err == nil, err
	}
}
