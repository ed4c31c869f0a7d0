package landing

import (
	"context"
	"sync"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// SweepRepositories is how many repositories one sweep has looked at. Each costs a call for every governed branch, most of them answered 304.
const SweepRepositories = 20

// Sweeper has the governed branches and the deployments looked at again, one repository after the other: a delivery may never have come, and
// none tells that a repository's deployments follow another policy now. It is safe for many goroutines. Where it stands is not kept: after a
// start it begins anew.
type Sweeper struct {
	// Repositories lists those that the App has access to, always in the same order; see store.Store.
	Repositories func(ctx context.Context) ([]change.Repository, error)
	// Errands lists those of a kind in a repository; see store.Store.
	Errands func(ctx context.Context, kind change.ErrandKind, repo change.RepositoryID) ([]store.ErrandWork, error)
	// Raise has errands looked at; see queue.Queue.
	Raise func(ctx context.Context, raised []change.Raised) error

	mu   sync.Mutex
	next int // the place of the next repository to look at
}

// Sweep raises the branches of the next repositories: the default branch first, and those that were looked at before. Of a default branch whose
// protection was never looked at it raises that too; from then on the protection is looked at daily by itself. It also raises the deployments
// of each repository, even where there was none yet: from the first look on, none is missed. If a sweep fails, the next one starts at the same
// place.
func (s *Sweeper) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	repos, err := s.Repositories(ctx)
	if err != nil {
		return err
	}
	if s.next >= len(repos) {
		s.next = 0
	}
	end := min(s.next+SweepRepositories, len(repos))
	var raised []change.Raised
	for _, repo := range repos[s.next:end] {
		of, err := s.of(ctx, repo)
		if err != nil {
			return err
		}
		raised = append(raised, of...)
	}
	if err := s.Raise(ctx, raised); err != nil {
		return err
	}
	s.next = end
	return nil
}

func (s *Sweeper) of(ctx context.Context, repo change.Repository) (raised []change.Raised, err error) {
	raise := func(kind change.ErrandKind, name string) {
		raised = append(raised, change.Raised{Errand: change.Errand{Kind: kind, Repository: repo.ID, Name: name}})
	}
	known, err := s.Errands(ctx, change.ErrandBranch, repo.ID)
	if err != nil {
		return nil, err
	}
	guarded, err := s.Errands(ctx, change.ErrandProtection, repo.ID)
	if err != nil {
		return nil, err
	}
	if repo.DefaultBranch != "" {
		raise(change.ErrandBranch, repo.DefaultBranch)
		raise(change.ErrandDeployments, change.DeploymentsName)
	}
	isGuarded := false
	for _, g := range guarded {
		isGuarded = isGuarded || g.Errand.Name == repo.DefaultBranch
	}
	if repo.DefaultBranch != "" && !isGuarded {
		raise(change.ErrandProtection, repo.DefaultBranch)
	}
	for _, k := range known {
		// A branch that was never governed has nothing to remember.
		if k.Errand.Name != repo.DefaultBranch && k.State != nil {
			raise(change.ErrandBranch, k.Errand.Name)
		}
	}
	return raised, nil
}
