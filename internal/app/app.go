// Package app wires the parts: one Config in, one running service out. It decides nothing.
package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/deployment"
	"github.com/changegate/changegate/internal/emergency"
	"github.com/changegate/changegate/internal/gate"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/notify"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/reconcile"
	"github.com/changegate/changegate/internal/recovery"
	"github.com/changegate/changegate/internal/report"
	"github.com/changegate/changegate/internal/server"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/webhook"
	"github.com/changegate/changegate/policies"
)

const (
	stopTime   = 10 * time.Second // how long the service may take to end what is under way
	answerTime = 9 * time.Second  // how long requests may take of that
)

// Options are what a test or the demo sets differently. The zero value is a server's.
type Options struct {
	Clock     func() time.Time  // nil: time.Now
	Transport http.RoundTripper // carries the requests to GitHub; nil: one of its own
	// NoSweeps leaves out what is done now and then without an event, so that whoever counts calls to GitHub sees those of events only.
	NoSweeps bool
	// SweepEvery is how often that is done at least; 0: as often as a server does it, which is once in some minutes.
	SweepEvery time.Duration
	// Patience is for how long at most a pull request that waits for checks is not looked at while CI reports on; 0: as long as a server has.
	Patience time.Duration
	Version  string // of the program, for the ledger
}

// App is a service that listens, and works while Run runs.
type App struct {
	log    zerolog.Logger
	store  *store.Store
	queue  *queue.Queue
	hook   *webhook.Handler
	server *server.Server
	github *github.GitHub
	loop   *reconcile.Reconciler
	lander *landing.Lander
	keeper *emergency.Keeper
	posts  *notify.Announcer
	ships  *deployment.Deployer
	notary *notary

	missed       *recovery.Deliveries
	sweeps       *sweeps
	noSweeps     bool
	sweepEvery   time.Duration // at least; 0: no need
	publishEvery time.Duration
}

// shortSecret is how many characters a webhook secret has at least that nobody who sees deliveries finds by trying.
const shortSecret = 20

// New opens the database, brings its schema up to date, and listens. Nothing is worked on before Run. Its errors name the part, and
// where one is at fault the configuration's key.
func New(ctx context.Context, c *config.Config, log zerolog.Logger, o Options) (_ *App, err error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	log = log.Hook(queue.TraceHook{})
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	secrets := config.NewSecrets(c, o.Clock, func(err error) { log.Error().Err(err).Msg("a secret's file cannot be used") })
	if len(c.GitHub.App.WebhookSecret.Reveal()) < shortSecret {
		log.Warn().Msg("the webhook secret is so short that it can be guessed: make one with openssl rand -hex 32, and set it here and in the App's settings")
	}

	a := &App{log: log, noSweeps: o.NoSweeps, sweepEvery: o.SweepEvery, publishEvery: c.Ledger.PublishEvery}
	fallback, err := policy.Parse(policies.DefaultSource, policies.Default())
	if err != nil {
		return nil, fmt.Errorf("the built-in default policy: %w", err)
	}
	if a.store, err = store.Open(ctx, store.Config{URL: c.Database.URL.Reveal(), Clock: o.Clock, Log: log}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.store.Close())
		}
	}()
	if a.github, err = github.New(github.Config{
		App: c.GitHubApp(), Key: secrets.PrivateKey, CheckName: plan.CheckRunName, Transport: o.Transport, Now: o.Clock, Logger: log, Registerer: metrics, Limits: a.store,
		Processes: func() int { return a.queue.Processes() }, // nobody calls GitHub before there is a queue
	}); err != nil {
		return nil, err
	}
	metrics.MustRegister(ledgerSize{a.store, log}, unusableSecrets(secrets))
	if a.queue, err = queue.New(queue.Config{Store: a.store, Clock: o.Clock, Patience: o.Patience, Room: a.github.Room, Log: log, Metrics: metrics}); err != nil {
		return nil, err
	}
	if a.notary, err = newNotary(ctx, c, a, o.Clock, metrics); err != nil {
		return nil, err
	}
	if err := a.notary.start(ctx, o.Version, c, a.queue.Replica()); err != nil {
		return nil, err
	}
	a.loop = reconcile.New(reconcile.Config{
		Store: a.queue.HandlerStore(), Identities: a.store, Raise: a.queue.Raise, Default: fallback, DefaultText: string(policies.Default()), Render: report.Render, Holder: a.queue.Replica(), Clock: o.Clock, Log: log,
		GitHub: func(id change.InstallationID) reconcile.GitHub { return a.github.Installation(id).Begin() },
	})
	a.lander = landing.New(landing.Config{
		Store: a.queue.HandlerStore(), Policies: rules{a.loop}, PolicyPath: reconcile.PolicyPath, CheckName: plan.CheckRunName, Markdown: report.Markdown,
		Holder: a.queue.Replica(), Clock: o.Clock, Log: log, Settle: settle,
		GitHub: func(id change.InstallationID) landing.GitHub { return a.github.Installation(id).Begin() },
	})
	a.keeper = emergency.New(emergency.Config{
		Store: a.queue.HandlerStore(), Policy: a.loop.Policy, Holder: a.queue.Replica(), Clock: o.Clock, Log: log,
		GitHub: func(id change.InstallationID) emergency.GitHub { return a.github.Installation(id).Begin() },
	})
	a.ships = deployment.New(deployment.Config{
		Store: a.queue.HandlerStore(), Policies: releases{a.loop}, App: a.github.AppID(), Web: c.GitHub.WebURL, Markdown: report.Markdown,
		Holder: a.queue.Replica(), Clock: o.Clock, Log: log,
		GitHub: func(id change.InstallationID) deployment.GitHub { return a.github.Installation(id).Begin() },
	})
	asked, err := gate.New(gate.Config{
		Asker: a.ships, Repositories: gate.Among(a.store.Repositories), Once: gate.ByLease(a.store, o.Clock),
		Audience: c.Gate.Audience, Issuers: c.Gate.Issuers, Tokens: tokens(secrets), Now: o.Clock, Log: log, Metrics: metrics,
	})
	if err != nil {
		return nil, err
	}
	if a.posts, err = notify.New(notify.Config{
		Store: a.queue.HandlerStore(), Save: a.queue.SaveErrand, Token: secrets.SlackToken, APIURL: c.Slack.APIURL, Holder: a.queue.Replica(), Clock: o.Clock, Log: log, Metrics: metrics,
	}); err != nil {
		return nil, err
	}
	a.sweeps = a.newSweeps(o.Clock)
	if a.missed, err = recovery.New(recovery.Config{
		Log: a.github, Store: a.store, Clock: o.Clock, Reads: webhook.Reads, Behind: a.sweeps.all, Logger: log, Metrics: metrics,
	}); err != nil {
		return nil, err
	}
	if a.hook, err = webhook.New(webhook.Config{
		Sink: a.queue, Secrets: secrets.Webhook, App: a.github.AppID(), Log: log, Metrics: metrics, Now: o.Clock,
	}); err != nil {
		return nil, err
	}
	a.server, err = server.New(server.Config{
		Address: c.Server.Address, Hook: a.hook, Gate: asked, Pages: http.HandlerFunc(home), Metrics: metrics, Log: log, ShutdownFor: answerTime,
		Ready: []server.Probe{
			{Name: "store", Check: newWritable(a.store, a.queue.Replica()).check},
			{Name: "queue", Check: func(context.Context) error { return a.queue.Ready() }},
			{Name: "ledger", Check: a.notary.ready},
			{Name: "private key", Check: func(context.Context) error { return usable(secrets.PrivateKey()) }},
		},
	})
	return a, err
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
	tick, publish := a.notary.regularly(a.publishEvery)
	a.queue.Every("checkpoint", tick, publish)
	a.queue.Every("ledger", verifyEvery, upTo(ctx, a.notary.verifyAll))
	if !a.noSweeps {
		a.sweeps.start(a.missed)
	}
	if err := a.queue.Start(ctx, queue.Handlers{Reconcile: urgent(a.loop.Reconcile), Discover: a.discover, Errands: a.errands()}); err != nil {
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
	ended := errors.Join(a.hook.Close(limit), <-stopped)
	a.notary.publishAtEnd(limit)
	return errors.Join(served, ended)
}

// after returns a context that ends some time after another.
func after(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	limit, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { cancel(context.DeadlineExceeded) }) })
	return limit, func() { cancel(nil) }
}

// upTo returns what is called with a context that ends also when another does: what takes long is not waited for when the service ends.
func upTo(end context.Context, f func(context.Context) error) func(context.Context) error {
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
		change.ErrandGroup:         urgent(a.loop.Group),
		change.ErrandBranch:        urgent(a.lander.Branch),
		change.ErrandException:     urgent(a.lander.Exception),
		change.ErrandProtection:    urgent(a.lander.Protection),
		change.ErrandRetrospective: urgent(a.keeper.Run),
		change.ErrandAnnouncement:  urgent(a.posts.Run),
		change.ErrandDeployments:   urgent(a.ships.Run),
	}
}

// tokens returns those that may ask at the gate, as their files are now.
func tokens(secrets *config.Secrets) func() []gate.Token {
	return func() (list []gate.Token) {
		for _, t := range secrets.GateTokens() {
			list = append(list, gate.Token{Name: t.Name, Repository: t.Repository, Environment: t.Environment, SHA256: t.SHA256})
		}
		return list
	}
}

// Idle waits until nothing that was delivered so far is left to do: for the demo and for tests.
func (a *App) Idle(ctx context.Context) error { return a.queue.Idle(ctx) }

// Quiet waits until nothing is left to do now; what failed, or waits for a limit of GitHub's, may be left. See queue.Queue.Quiet.
func (a *App) Quiet(ctx context.Context) error { return a.queue.Quiet(ctx) }

// Elapse acts at once on the time by which Options.Clock was set forward: for the demo and for tests.
func (a *App) Elapse(ctx context.Context) error { return a.queue.Elapse(ctx) }

// discover raises the open pull requests of a repository that came, or came back. One that the App cannot see has left again.
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
	if _, err := session.OwnerPolicy(ctx, repo.Owner, reconcile.FloorPath, time.Time{}); err != nil {
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

func usable(key []byte) error {
	if len(key) == 0 {
		return errors.New("there is none")
	}
	_, err := githubapp.NewClientCreator("http://localhost/", "http://localhost/", 1, key).NewAppClient()
	return err
}
