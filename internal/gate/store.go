package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
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

// Among returns the Repositories of a list, which is that of those that the App has access to now; see store.Store.Repositories.
func Among(list func(context.Context) ([]change.Repository, error)) Repositories { return among(list) }

type among func(context.Context) ([]change.Repository, error)

func (a among) Repository(ctx context.Context, id change.RepositoryID) (change.Repository, bool, error) {
	return a.find(ctx, func(r change.Repository) bool { return r.ID == id })
}

func (a among) RepositoryNamed(ctx context.Context, owner, name string) (change.Repository, bool, error) {
	return a.find(ctx, func(r change.Repository) bool {
		return strings.EqualFold(r.Owner, owner) && strings.EqualFold(r.Name, name)
	})
}

func (a among) find(ctx context.Context, is func(change.Repository) bool) (change.Repository, bool, error) {
	list, err := a(ctx)
	if err != nil {
		return change.Repository{}, false, err
	}
	for _, r := range list {
		if is(r) {
			return r, true, nil
		}
	}
	return change.Repository{}, false, nil
}
