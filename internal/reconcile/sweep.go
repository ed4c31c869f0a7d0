package reconcile

import (
	"context"
	"sync"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// SweepPulls is how many pull requests one sweep has looked at. Each costs some six calls, most of them answered 304; every five minutes
// that is a quarter of an installation's hourly budget at the most, and less where most answers have not changed.
const SweepPulls = 20

// Sweeper has the open pull requests looked at again in turn, a few at a time, because a delivery may never have come. It is safe for many
// goroutines. Where it stands is not kept: after a start it begins anew, with those that waited longest for it.
type Sweeper struct {
	// Open lists open pull requests after a key, in order; see store.Store.
	Open func(ctx context.Context, after change.PullKey, limit int) ([]store.Pull, error)
	// Raise has pull requests looked at; see queue.Queue.
	Raise func(ctx context.Context, keys []change.PullKey, concerns change.Concern) error

	mu    sync.Mutex
	after change.PullKey
}

// Sweep raises the next pull requests. If it fails, the next sweep starts at the same place.
func (s *Sweeper) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pulls, err := s.Open(ctx, s.after, SweepPulls)
	if err != nil {
		return err
	}
	keys := make([]change.PullKey, len(pulls))
	for i, p := range pulls {
		keys[i] = p.Key
	}
	if err := s.Raise(ctx, keys, change.ConcernVerify); err != nil {
		return err
	}
	s.after = change.PullKey{}
	if len(pulls) == SweepPulls {
		s.after = pulls[len(pulls)-1].Key
	}
	return nil
}
