// Package app wires the parts: one Config in, one running service out. It decides nothing about a change.
package app

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/deployment"
	"github.com/changegate/changegate/internal/emergency"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/notary"
	"github.com/changegate/changegate/internal/notify"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/reconcile"
	"github.com/changegate/changegate/internal/recovery"
	"github.com/changegate/changegate/internal/server"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/webhook"
)

const (
	stopTime   = 9400 * time.Millisecond // how long the service may take to end what is under way, so that it is gone after ten seconds
	answerTime = 9 * time.Second         // how long requests may take of that
)

// Options are what a test or the demo sets differently. The zero value is a server's.
type Options struct {
	Clock     func() time.Time  // nil: time.Now
	Transport http.RoundTripper // carries the requests to GitHub; nil: one of its own
	// NoSweeps leaves out what is done from time to time without an event, so that whoever counts calls to GitHub sees only those of
	// events.
	NoSweeps bool
	// SweepEvery is how often that is done at least; 0: as often as a server does it, which is once every few minutes.
	SweepEvery time.Duration
	// Patience is how long at most the run of a pull request that waits for checks is put off; 0: as long as in a server.
	Patience time.Duration
	Version  string // of the program, for the ledger
}

// App is a service that listens, and works while Run runs.
type App struct {
	log    zerolog.Logger
	store  *store.Store
	github *github.GitHub
	queue  *queue.Queue
	notary *notary.Notary

	// They look at pull requests and errands.
	reconciler *reconcile.Reconciler
	lander     *landing.Lander
	keeper     *emergency.Keeper
	announcer  *notify.Announcer
	deployer   *deployment.Deployer

	webhook *webhook.Handler
	server  *server.Server

	deliveries *recovery.Deliveries // finds those that GitHub sent and that never came
	sweeps     *sweeps
	noSweeps   bool
	sweepEvery time.Duration // at least; 0: no need
}

// New opens the database, brings its schema up to date, and listens. Nothing is worked on before Run. Its errors name the part, and
// where one is at fault the configuration's key.
func New(ctx context.Context, c *config.Config, log zerolog.Logger, o Options) (_ *App, err error) {
	s := newSetup(c, log, o)
	a := &App{log: s.log, noSweeps: o.NoSweeps, sweepEvery: o.SweepEvery}
	if err := a.openStore(ctx, s); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.store.Close())
		}
	}()
	if err := a.openGitHub(s); err != nil {
		return nil, err
	}
	if err := a.openQueue(s); err != nil {
		return nil, err
	}
	if err := a.openLedger(ctx, s); err != nil {
		return nil, err
	}
	if err := a.wireShells(s); err != nil {
		return nil, err
	}
	if err := a.wireSweeps(s); err != nil {
		return nil, err
	}
	if err := a.wireHTTP(s); err != nil {
		return nil, err
	}
	return a, nil
}

const (
	pruneEvery = time.Hour   // how often what is no longer needed is deleted
	settle     = time.Minute // how long after a push it is looked at what landed
)

// Addr is the address that the service listens on, as HOST:PORT.
func (a *App) Addr() string { return a.server.Addr() }

// Run serves until ctx ends, and then ends within ten seconds: no new deliveries are taken, those that were taken are committed, and
// runs that are under way end. What is left over is there at the next start.
func (a *App) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, a.store.Close()) }()
	a.queue.Every("prune", pruneEvery, a.store.Prune)
	a.queue.Every("checkpoint", a.notary.Tick(), a.notary.PublishWhenDue)
	a.queue.Every("ledger", notary.VerifyEvery, alsoEndingWith(ctx, a.notary.VerifyAll))
	if !a.noSweeps {
		a.sweeps.start(a.deliveries)
	}
	if err := a.queue.Start(ctx, queue.Handlers{Reconcile: urgent(a.reconciler.Reconcile), Discover: a.discover, Errands: a.errands()}); err != nil {
		if ctx.Err() != nil {
			return nil // it was told to end before it had begun, and left nothing behind
		}
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	limit, cancel := after(ctx, stopTime)
	defer cancel()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done() // while requests that are under way are answered: both may need most of the time
		stopped <- a.queue.Stop(limit)
	}()
	served := a.server.Serve(ctx)
	end()
	ended := errors.Join(a.webhook.Close(limit), <-stopped)
	a.notary.PublishAtEnd(limit)
	return errors.Join(served, ended)
}

// after returns a context that ends some time after another.
func after(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	limit, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { cancel(context.DeadlineExceeded) }) })
	return limit, func() { cancel(nil) }
}

// alsoEndingWith returns f called with a context that ends also when another does, so that what takes long is not waited for when the service
// ends.
func alsoEndingWith(end context.Context, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer context.AfterFunc(end, cancel)()
		defer cancel()
		err := f(ctx)
		if end.Err() != nil {
			return nil
		}
		return err
	}
}

// errands returns what looks at each kind of errand.
func (a *App) errands() map[change.ErrandKind]func(context.Context, change.Errand) (queue.Result, error) {
	return map[change.ErrandKind]func(context.Context, change.Errand) (queue.Result, error){
		change.ErrandGroup:         urgent(a.reconciler.Group),
		change.ErrandBranch:        urgent(a.lander.Branch),
		change.ErrandException:     urgent(a.lander.Exception),
		change.ErrandProtection:    urgent(a.lander.Protection),
		change.ErrandRetrospective: urgent(a.keeper.Run),
		change.ErrandAnnouncement:  urgent(a.announcer.Run),
		change.ErrandDeployments:   urgent(a.deployer.Run),
	}
}

// Idle waits until nothing that was delivered so far is left to do: for the demo and for tests.
func (a *App) Idle(ctx context.Context) error { return a.queue.Idle(ctx) }

// Quiet waits until nothing is left to do now; what failed, or waits for a limit of GitHub's, may be left. See queue.Queue.Quiet.
func (a *App) Quiet(ctx context.Context) error { return a.queue.Quiet(ctx) }

// Elapse acts at once on the time by which Options.Clock was set forward: for the demo and for tests.
func (a *App) Elapse(ctx context.Context) error { return a.queue.Elapse(ctx) }

// discover raises the open pull requests of a repository that came, or came back. If the App cannot see the repository, it has left again.
func (a *App) discover(ctx context.Context, id change.RepositoryID) error {
	repo, err := a.store.Repository(ctx, id)
	if err != nil {
		return err
	}
	session := a.github.Installation(repo.Installation).Begin()
	list := func(ctx context.Context, repo change.Repository) iter.Seq2[[]change.Pull, error] {
		return session.OpenPulls(ctx, repo, "", session.Began())
	}
	// Held from here on, so that no pull request has to wait for it.
	if _, err := session.OwnerPolicy(ctx, repo.Owner, change.OwnerPolicyPath, time.Time{}); err != nil {
		a.log.Warn().Err(err).Msg("the owner's policy was not read ahead, each decision tries again")
	}
	if repo.DefaultBranch == "" {
		repo, err = a.described(ctx, repo, session)
	}
	if err == nil {
		err = reconcile.Discover(ctx, repo, list, a.queue.HandlerStore(), a.queue)
	}
	var missing *github.NotFound
	switch {
	case errors.As(err, &missing):
		a.log.Info().Int64("repository", int64(id)).Msg("a repository is not there any more")
		return nil
	case err != nil:
		return err
	}
	// GitHub has just answered the App there, whether or not a sweep ever finds the installation in its list.
	if err := a.rememberInstallation(ctx, repo.Installation); err != nil {
		return err
	}
	return a.store.SaveRepository(ctx, repo)
}

// described returns a repository with its default branch, which the delivery that told of a new installation does not name, and saves it:
// without it no pull request into that branch would be governed.
func (a *App) described(ctx context.Context, repo change.Repository, session *github.Session) (change.Repository, error) {
	// Of a hundred that came at once, one reads the list.
	for _, since := range []time.Time{session.Began().Add(-time.Minute), session.Began()} {
		all, err := session.Repositories(ctx, since)
		if err != nil {
			return repo, err
		}
		if i := slices.IndexFunc(all, func(r github.InstalledRepository) bool { return r.ID == repo.ID }); i >= 0 {
			return all[i].Repository, a.store.SaveRepository(ctx, all[i].Repository)
		}
	}
	return repo, &github.NotFound{}
}
