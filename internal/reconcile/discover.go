package reconcile

import (
	"context"

	"github.com/changegate/changegate/internal/change"
)

// Raiser has pull requests looked at; see queue.Queue.
type Raiser interface {
	Raise(ctx context.Context, keys []change.PullKey, concerns change.Concern) error
}

// OpenPulls lists the open pull requests of a repository; see github.Session.
type OpenPulls func(ctx context.Context, repo change.Repository) ([]change.Pull, error)

// Discover raises the open pull requests of a repository that came to the installation, whose openings no delivery told. Repeating it
// raises them again, which does no harm.
func Discover(ctx context.Context, repo change.Repository, list OpenPulls, s Store, q Raiser) error {
	pulls, err := list(ctx, repo)
	if err != nil {
		return err
	}
	keys := make([]change.PullKey, 0, len(pulls))
	for _, p := range pulls {
		key := change.PullKey{Repository: repo.ID, Number: p.Number}
		if _, err := s.SavePull(ctx, key, p); err != nil {
			return err
		}
		keys = append(keys, key)
	}
	return q.Raise(ctx, keys, change.ConcernVerify)
}
