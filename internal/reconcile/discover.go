package reconcile

import (
	"context"
	"iter"

	"github.com/changegate/changegate/internal/change"
)

// Raiser has pull requests looked at; see queue.Queue.
type Raiser interface {
	Raise(ctx context.Context, keys []change.PullKey, concerns change.Concern) error
}

// OpenPulls lists the open pull requests of a repository, page by page; see github.Session.
type OpenPulls func(ctx context.Context, repo change.Repository) iter.Seq2[[]change.Pull, error]

// Discover raises the open pull requests of a repository that came to the installation, whose openings no delivery told. Repeating it
// raises them again, which does no harm.
func Discover(ctx context.Context, repo change.Repository, list OpenPulls, s Store, q Raiser) error {
	for pulls, err := range list(ctx, repo) {
		if err != nil {
			return err
		}
		keys := make([]change.PullKey, len(pulls))
		for i, p := range pulls {
			keys[i] = change.PullKey{Repository: repo.ID, Number: p.Number}
			if _, err := s.SavePull(ctx, keys[i], p); err != nil {
				return err
			}
		}
		if err := q.Raise(ctx, keys, change.ConcernVerify); err != nil {
			return err
		}
	}
	return nil
}
