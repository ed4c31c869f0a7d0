package recovery

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// SweepRepositories is how many repositories one sweep has listed. Each costs a call for each 100 pull requests, and one more if it has
// more than 100; most of them are answered 304.
const SweepRepositories = 20

// Pulls compares the open pull requests that GitHub lists with those that are known, repository by repository, and has those looked at that
// differ: what was opened, changed, reviewed, closed or merged without a delivery. Checks leave no trace in a list; see reconcile.Sweeper. It
// is safe for many goroutines. Where it stands is not kept: after a start all repositories are listed at once.
type Pulls struct {
	// Repositories lists those that the App has access to, always in the same order; see store.Store.
	Repositories func(ctx context.Context) ([]change.Repository, error)
	// List lists the open pull requests of a repository on GitHub, page by page.
	List func(ctx context.Context, repo change.Repository) iter.Seq2[[]change.Pull, error]
	// Known tells how pull requests are known, and Open which of a repository are open as far as is known; see store.Store.
	Known func(ctx context.Context, keys []change.PullKey) (map[change.PullKey]store.KnownPull, error)
	Open  func(ctx context.Context, repo change.RepositoryID) ([]change.Number, error)
	// Save keeps one as GitHub listed it; see store.Store.SavePull.
	Save func(ctx context.Context, key change.PullKey, read change.Pull) (held change.Pull, err error)
	// Raise has pull requests looked at; see queue.Queue.
	Raise func(ctx context.Context, keys []change.PullKey, concerns change.Concern) error
	// Spare says whether an installation has calls to spare; its repositories are passed over while it has not.
	Spare func(id change.InstallationID) bool
	Log   zerolog.Logger

	mu    sync.Mutex
	began bool
	next  int // the place of the next repository that Sweep lists
	all   int // the place of the next that All lists
}

// Sweep lists the next repositories; the first time all, from where an earlier sweep ran out of time.
func (s *Pulls) Sweep(ctx context.Context) error {
	if !s.mu.TryLock() {
		return nil // they are being compared
	}
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

// All compares all repositories, from where an earlier call ran out of time. Those that cannot be compared now have their turn in a sweep.
func (s *Pulls) All(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	repos, err := s.Repositories(ctx)
	if err != nil {
		return err
	}
	for s.all < len(repos) {
		end := min(s.all+SweepRepositories, len(repos))
		err := s.compare(ctx, repos[s.all:end])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Log.Warn().Err(err).Msg("pull requests could not be compared")
		}
		s.all = end
	}
	s.all = 0
	return nil
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
		switch {
		case isPassing(err):
			s.Log.Debug().Stringer("repository", repo).Err(err).Msg("its pull requests cannot be listed now")
		case err != nil:
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (s *Pulls) repository(ctx context.Context, repo change.Repository) error {
	listed, differ := map[change.Number]bool{}, 0
	raise := func(keys []change.PullKey) error {
		differ += len(keys)
		return s.Raise(ctx, keys, change.ConcernVerify)
	}
	for pulls, err := range s.List(ctx, repo) {
		if err != nil {
			return err
		}
		for _, p := range pulls {
			listed[p.Number] = true
		}
		differing, err := s.differing(ctx, repo.ID, pulls)
		if err != nil {
			return err
		}
		// Once they are saved, nothing tells them apart any more.
		keys := make([]change.PullKey, len(differing))
		for i, p := range differing {
			keys[i] = change.PullKey{Repository: repo.ID, Number: p.Number}
		}
		if err := raise(keys); err != nil {
			return err
		}
		for i, p := range differing {
			if _, err := s.Save(ctx, keys[i], p); err != nil {
				return err
			}
		}
	}
	open, err := s.Open(ctx, repo.ID)
	if err != nil {
		return err
	}
	var ended []change.PullKey // or opened since
	for _, n := range open {
		if !listed[n] {
			ended = append(ended, change.PullKey{Repository: repo.ID, Number: n})
		}
	}
	if err := raise(ended); err != nil {
		return err
	}
	if differ > 0 {
		s.Log.Info().Stringer("repository", repo).Int("pulls", differ).Msg("pull requests differ from what is known of them")
	}
	return nil
}

// differing returns those of a page that are not known as GitHub lists them.
func (s *Pulls) differing(ctx context.Context, repo change.RepositoryID, pulls []change.Pull) (differ []change.Pull, err error) {
	keys := make([]change.PullKey, len(pulls))
	for i, p := range pulls {
		keys[i] = change.PullKey{Repository: repo, Number: p.Number}
	}
	known, err := s.Known(ctx, keys) // after the page, so that what a delivery told meanwhile is newer than that
	if err != nil {
		return nil, err
	}
	for i, p := range pulls {
		if held, ok := known[keys[i]]; !ok || isNewer(p, held) {
			differ = append(differ, p)
		}
	}
	return differ, nil
}

// isNewer says whether GitHub lists an open pull request otherwise than it is known.
func isNewer(listed change.Pull, known store.KnownPull) bool {
	if known.State != change.Open || listed.UpdatedAt.After(known.UpdatedAt) {
		return true
	}
	return listed.Head.SHA != known.Head && listed.UpdatedAt.Equal(known.UpdatedAt)
}
