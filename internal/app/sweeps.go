package app

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/reconcile"
	"github.com/changegate/changegate/internal/recovery"
)

const (
	sweepEvery = 5 * time.Minute // how often some of what is known is looked at without an event
	lookEvery  = time.Minute     // how often the log of deliveries is
	// installationsEvery is how often the repositories are that the App has access to.
	installationsEvery = time.Hour
)

// sweeps find what no delivery told of. What they raise and what they read comes after everything that somebody waits for.
type sweeps struct {
	*App
	installations *recovery.Installations
	checks        *reconcile.Sweeper
	pulls         *recovery.Pulls
	landings      *landing.Sweeper
}

func (a *App) newSweeps(clock func() time.Time) *sweeps {
	s := &sweeps{App: a}
	s.installations = &recovery.Installations{
		Installed: a.github.Installations, Known: a.store.Repositories, Spare: a.github.Spare, Deliver: a.queue.Deliver, Clock: clock, Log: a.log,
		Repositories: func(ctx context.Context, id change.InstallationID) ([]github.InstalledRepository, error) {
			session := a.github.Installation(id).Begin()
			return session.Repositories(github.InBackground(ctx), session.Began())
		},
		Reaches: func(ctx context.Context, id change.InstallationID, repo change.RepositoryID) (bool, error) {
			return a.github.Installation(id).Reaches(ctx, repo)
		},
		Remember: a.rememberInstallation, IsOurs: a.hasInstallation,
	}
	s.checks = &reconcile.Sweeper{Open: a.store.OpenPulls, Raise: s.raise}
	s.pulls = &recovery.Pulls{
		Repositories: a.store.Repositories, Known: a.store.Known, Open: a.store.OpenNumbers, Save: a.store.SavePull, Raise: a.queue.RaiseInBackground, Spare: a.github.Spare, Log: a.log,
		List: func(ctx context.Context, repo change.Repository) iter.Seq2[[]change.Pull, error] {
			session := a.github.Installation(repo.Installation).Begin()
			return session.OpenPulls(github.InBackground(ctx), repo, "", session.Began())
		},
	}
	s.landings = &landing.Sweeper{Repositories: a.store.Repositories, Errands: a.store.ErrandsOf, Raise: s.raiseErrands}
	return s
}

// rememberInstallation keeps that an installation is of the App that the server is. It writes only the first time.
func (a *App) rememberInstallation(ctx context.Context, id change.InstallationID) error {
	known, err := a.hasInstallation(ctx, id)
	if err != nil || known {
		return err
	}
	_, err = a.store.RememberIdentity(ctx, "installation", a.appScope(), strconv.FormatInt(int64(id), 10), int64(id))
	return err
}

// hasInstallation says whether rememberInstallation ever kept an installation.
func (a *App) hasInstallation(ctx context.Context, id change.InstallationID) (bool, error) {
	_, known, err := a.store.Identity(ctx, "installation", a.appScope(), strconv.FormatInt(int64(id), 10))
	return known, err
}

func (a *App) appScope() string { return strconv.FormatInt(int64(a.github.AppID()), 10) }

// start has the queue make the sweeps for as long as it runs.
func (s *sweeps) start(deliveries *recovery.Deliveries) {
	every := func(name string, interval time.Duration, sweep func(context.Context) error) {
		if s.sweepEvery > 0 {
			interval = min(interval, s.sweepEvery)
		}
		s.queue.Every(name, interval, sweep)
	}
	every("deliveries", lookEvery, deliveries.Look)
	every("installations", installationsEvery, s.installations.Sweep)
	every("sweep", sweepEvery, s.checks.Sweep)
	every("pulls", sweepEvery, s.pulls.Sweep)
	every("landings", sweepEvery, s.landings.Sweep)
}

// all makes one round of all sweeps at once, for what the log of deliveries cannot tell.
func (s *sweeps) all(ctx context.Context) error {
	if err := s.pulls.All(ctx); err != nil {
		return err
	}
	const batch = 100
	var after change.PullKey
	for {
		pulls, err := s.store.OpenPulls(ctx, after, batch)
		if err != nil {
			return err
		}
		var keys []change.PullKey
		for _, p := range pulls {
			keys = append(keys, p.Key)
		}
		if err := s.queue.RaiseInBackground(ctx, keys, change.ConcernVerify); err != nil {
			return err
		}
		if len(pulls) < batch {
			break
		}
		after = keys[len(keys)-1]
	}
	repos, err := s.store.Repositories(ctx)
	for n := 0; err == nil && n < len(repos); n += landing.SweepRepositories {
		err = s.landings.Sweep(ctx)
	}
	return err
}

// raise raises those pull requests whose installations have calls to spare. The others have their turn again.
func (s *sweeps) raise(ctx context.Context, keys []change.PullKey, concerns change.Concern) error {
	some, err := affordable(ctx, s, keys, func(k change.PullKey) change.RepositoryID { return k.Repository })
	if err != nil {
		return err
	}
	return s.queue.RaiseInBackground(ctx, some, concerns)
}

// raiseErrands is raise for errands.
func (s *sweeps) raiseErrands(ctx context.Context, raised []change.Raised) error {
	some, err := affordable(ctx, s, raised, func(r change.Raised) change.RepositoryID { return r.Errand.Repository })
	if err != nil {
		return err
	}
	return s.queue.RaiseErrandsInBackground(ctx, some)
}

// affordable returns what in a list is of repositories whose installations have calls to spare, asked once for each repository.
func affordable[T any](ctx context.Context, s *sweeps, list []T, in func(T) change.RepositoryID) (some []T, err error) {
	spare := map[change.RepositoryID]bool{}
	for _, one := range list {
		id := in(one)
		if _, asked := spare[id]; !asked {
			repo, err := s.store.Repository(ctx, id)
			if err != nil {
				return nil, err
			}
			spare[id] = s.github.Spare(repo.Installation)
		}
		if spare[id] {
			some = append(some, one)
		}
	}
	return some, nil
}

// urgent tells GitHub's budgets whether anybody waits for a run.
func urgent[S any](run func(context.Context, S) (queue.Result, error)) func(context.Context, S) (queue.Result, error) {
	return func(ctx context.Context, s S) (queue.Result, error) {
		if queue.IsBackground(ctx) {
			ctx = github.InBackground(ctx)
		}
		return run(ctx, s)
	}
}
