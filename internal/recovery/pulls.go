package recovery

import (
	"context"
	"errors"
	"sync"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

// SweepRepositories is how many repositories one sweep has listed. Each costs a call for each 100 pull requests, most of them answered 304.
const SweepRepositories = 20

// Pulls compares the open pull requests that GitHub lists with those that are known, repository by repository, and has those looked at that
// differ: what was opened, changed, reviewed, closed or merged without a delivery. Checks leave no trace in a list; see reconcile.Sweeper. It
// is safe for many goroutines. Where it stands is not kept: after a start all repositories are listed at once.
type Pulls struct {
	// Repositories lists those that the App has access to, always in the same order; see store.Store.
	Repositories func(ctx context.Context) ([]change.Repository, error)
	// List lists the open pull requests of a repository on GitHub.
	List func(ctx context.Context, repo change.Repository) ([]change.Pull, error)
	// Known lists those that are known, after a key, ordered by repository and number; see store.Store.OpenPulls.
	Known func(ctx context.Context, after change.PullKey, limit int) ([]store.Pull, error)
	// Save keeps one as GitHub listed it; see store.Store.SavePull.
	Save func(ctx context.Context, key change.PullKey, read change.Pull) (held change.Pull, err error)
	// Raise has pull requests looked at; see queue.Queue.
	Raise func(ctx context.Context, keys []change.PullKey, concerns change.Concern) error
	// Spare says whether an installation has calls to spare; its repositories are passed over while it has not.
	Spare func(id change.InstallationID) bool
	Log   zerolog.Logger

	mu    sync.Mutex
	began bool
	next  int // the place of the next repository to list
}

// Sweep lists the next repositories; the first time all, from where an earlier sweep ran out of time.
func (s *Pulls) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	repos, err := s.Repositories(ctx)
	if err != nil {
		return err
	}
	if s.next >= len(repos) {
		s.next = 0
	}
	var failed []error
	for {
		end := min(s.next+SweepRepositories, len(repos))
		failed = append(failed, s.compare(ctx, repos[s.next:end]))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.next = end; s.began || end == len(repos) {
			s.began = true
			return errors.Join(failed...)
		}
	}
}

// All compares all repositories now.
func (s *Pulls) All(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	repos, err := s.Repositories(ctx)
	if err != nil {
		return err
	}
	return s.compare(ctx, repos)
}

// compare compares repositories. One that fails keeps no other from being compared.
func (s *Pulls) compare(ctx context.Context, repos []change.Repository) error {
	var failed []error
	for _, repo := range repos {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !s.Spare(repo.Installation) {
			continue
		}
		err := s.repository(ctx, repo)
		var missing *github.NotFound
		var suspended *github.Suspended
		switch {
		case errors.As(err, &missing), errors.As(err, &suspended), isLimited(err):
			s.Log.Debug().Stringer("repository", repo).Err(err).Msg("its pull requests cannot be listed now")
		case err != nil:
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (s *Pulls) repository(ctx context.Context, repo change.Repository) error {
	listed, err := s.List(ctx, repo)
	if err != nil {
		return err
	}
	known, err := s.known(ctx, repo.ID) // after the list, so that what a delivery told meanwhile is newer than that
	if err != nil {
		return err
	}
	var differ []change.PullKey
	for _, p := range listed {
		key := change.PullKey{Repository: repo.ID, Number: p.Number}
		held, ok := known[p.Number]
		delete(known, p.Number)
		if ok && !isNewer(p, held.Snapshot) {
			continue
		}
		if _, err := s.Save(ctx, key, p); err != nil {
			return err
		}
		differ = append(differ, key)
	}
	for number := range known {
		differ = append(differ, change.PullKey{Repository: repo.ID, Number: number}) // which has ended, or was opened since
	}
	if len(differ) > 0 {
		s.Log.Info().Stringer("repository", repo).Int("pulls", len(differ)).Msg("pull requests differ from what is known of them")
	}
	return s.Raise(ctx, differ, change.ConcernVerify)
}

// isNewer says whether GitHub lists a pull request otherwise than it is held.
func isNewer(listed, held change.Pull) bool {
	if held.State == "" || listed.UpdatedAt.After(held.UpdatedAt) {
		return true
	}
	return listed.Head.SHA != held.Head.SHA && listed.UpdatedAt.Equal(held.UpdatedAt)
}

// known returns the pull requests of a repository that are open as far as is known, by number.
func (s *Pulls) known(ctx context.Context, repo change.RepositoryID) (map[change.Number]store.Pull, error) {
	const batch = 100
	known := map[change.Number]store.Pull{}
	after := change.PullKey{Repository: repo}
	for {
		pulls, err := s.Known(ctx, after, batch)
		if err != nil {
			return nil, err
		}
		for _, p := range pulls {
			if p.Key.Repository != repo {
				return known, nil
			}
			known[p.Key.Number] = p
		}
		if len(pulls) < batch {
			return known, nil
		}
		after = pulls[len(pulls)-1].Key
	}
}
