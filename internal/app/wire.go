package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/notary"
	"github.com/changegate/changegate/internal/notify"
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

// minSecretLength is the length in characters below which a webhook secret could be found by brute force from a signed delivery; a shorter one is
// warned about.
const minSecretLength = 20

// setup is what the parts are made of.
type setup struct {
	config  *config.Config
	options Options // with a Clock
	secrets *config.Secrets
	log     zerolog.Logger
	metrics *prometheus.Registry
}

func newSetup(c *config.Config, log zerolog.Logger, o Options) *setup {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	log = log.Hook(queue.TraceHook{})
	s := &setup{config: c, options: o, log: log, metrics: prometheus.NewRegistry()}
	s.secrets = config.NewSecrets(c, o.Clock, func(err error) { log.Error().Err(err).Msg("a secret's file cannot be used") })
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), unusableSecrets(s.secrets))
	if len(c.GitHub.App.WebhookSecret.Reveal()) < minSecretLength {
		log.Warn().Msg("the webhook secret is so short that it can be guessed: make one with openssl rand -hex 32, and set it here and in the App's settings")
	}
	return s
}

func (a *App) openStore(ctx context.Context, s *setup) (err error) {
	a.store, err = store.Open(ctx, store.Config{URL: s.config.Database.URL.Reveal(), Clock: s.options.Clock, Log: s.log})
	return err
}

func (a *App) openGitHub(s *setup) (err error) {
	a.github, err = github.New(github.Config{
		App: s.config.GitHubApp(), Key: s.secrets.PrivateKey, CheckName: change.CheckName, Transport: s.options.Transport, Now: s.options.Clock,
		Logger: s.log, Registerer: s.metrics, Limits: a.store,
		Processes: func() int { return a.queue.Processes() }, // nobody calls GitHub before there is a queue
	})
	return err
}

func (a *App) openQueue(s *setup) (err error) {
	a.queue, err = queue.New(queue.Config{
		Store: a.store, Clock: s.options.Clock, Patience: s.options.Patience, Room: a.github.Room, Log: s.log, Metrics: s.metrics,
	})
	return err
}

// openLedger verifies the ledger, and writes into it that this server starts.
func (a *App) openLedger(ctx context.Context, s *setup) error {
	s.metrics.MustRegister(ledgerSize{a.store, s.log})
	key, err := signingKey(s.config, s.log)
	if err != nil {
		return err
	}
	digest, err := s.config.Digest()
	if err != nil {
		return err
	}
	c := s.config.Ledger
	a.notary, err = notary.New(ctx, notary.Config{
		Store: a.store, Key: key, PublishFile: c.PublishFile, PublishRepository: c.PublishRepository, PublishEvery: c.PublishEvery,
		GitHub: a.github, Replica: a.queue.Replica(), Clock: s.options.Clock, Log: s.log, Metrics: s.metrics,
	})
	if err != nil {
		return err
	}
	return a.notary.Start(ctx, ledger.Started{Version: s.options.Version, Configuration: digest, Replica: a.queue.Replica()})
}

// wireShells makes what looks at pull requests and errands.
func (a *App) wireShells(s *setup) error {
	fallback, err := policy.Parse(policies.DefaultSource, policies.Default())
	if err != nil {
		return fmt.Errorf("the built-in default policy: %w", err)
	}
	handlerStore, replica, clock := a.queue.HandlerStore(), a.queue.Replica(), s.options.Clock
	a.reconciler = reconcile.New(reconcile.Config{
		Store: handlerStore, Identities: a.store, Raise: a.queue.Raise, Default: fallback, DefaultText: string(policies.Default()), Render: report.Render,
		Holder: replica, Clock: clock, Log: s.log,
		Session: func(id change.InstallationID) reconcile.GitHub { return a.github.Installation(id).Begin() },
	})
	a.lander = landing.New(landing.Config{
		Store: handlerStore, Policies: rules{a.reconciler}, PolicyPath: change.PolicyPath, CheckName: change.CheckName, Markdown: report.Markdown,
		Holder: replica, Clock: clock, Log: s.log, Settle: settle,
		Session: func(id change.InstallationID) landing.GitHub { return a.github.Installation(id).Begin() },
	})
	a.keeper = emergency.New(emergency.Config{
		Store: handlerStore, Policy: a.reconciler.Policy, Holder: replica, Clock: clock, Log: s.log,
		Session: func(id change.InstallationID) emergency.GitHub { return a.github.Installation(id).Begin() },
	})
	a.deployer = deployment.New(deployment.Config{
		Store: handlerStore, Policies: releases{a.reconciler}, App: a.github.AppID(), Web: s.config.GitHub.WebURL, Markdown: report.Markdown,
		Holder: replica, Clock: clock, Log: s.log,
		Session: func(id change.InstallationID) deployment.GitHub { return a.github.Installation(id).Begin() },
	})
	a.announcer, err = notify.New(notify.Config{
		Store: handlerStore, Save: a.queue.SaveErrand, Token: s.secrets.SlackToken, APIURL: s.config.Slack.APIURL,
		Holder: replica, Clock: clock, Log: s.log, Metrics: s.metrics,
	})
	return err
}

// wireSweeps makes what finds what no delivery told of.
func (a *App) wireSweeps(s *setup) (err error) {
	a.sweeps = a.newSweeps(s.options.Clock)
	a.deliveries, err = recovery.New(recovery.Config{
		Log: a.github, Store: a.store, Clock: s.options.Clock, Reads: webhook.Reads, Behind: a.sweeps.all, Moved: a.sweeps.installations.Sweep, Logger: s.log, Metrics: s.metrics,
	})
	return err
}

// wireHTTP makes what answers GitHub, jobs and operators, and listens.
func (a *App) wireHTTP(s *setup) error {
	c, clock := s.config, s.options.Clock
	asked, err := gate.New(gate.Config{
		Asker: a.deployer, Repositories: gate.Among(a.store.Repositories), Once: gate.ByLease(a.store, clock),
		Audience: c.Gate.Audience, Issuers: c.Gate.Issuers, Tokens: tokens(s.secrets), Now: clock, Log: s.log, Metrics: s.metrics,
	})
	if err != nil {
		return err
	}
	if a.webhook, err = webhook.New(webhook.Config{
		Sink: a.queue, Secrets: s.secrets.Webhook, App: a.github.AppID(), Log: s.log, Metrics: s.metrics, Now: clock,
	}); err != nil {
		return err
	}
	a.server, err = server.New(server.Config{
		Address: c.Server.Address, Hook: a.webhook, Gate: asked, Pages: http.HandlerFunc(home), Metrics: s.metrics, Log: s.log, ShutdownFor: answerTime,
		Ready: []server.Probe{
			{Name: "store", Check: newWritable(a.store, a.queue.Replica()).check},
			{Name: "queue", Check: func(context.Context) error { return a.queue.Ready() }},
			{Name: "ledger", Check: a.notary.Ready},
			{Name: "private key", Check: func(context.Context) error { return usable(s.secrets.PrivateKey()) }},
		},
	})
	return err
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

// usable says why a private key cannot be one.
func usable(key []byte) error {
	if len(key) == 0 {
		return errors.New("there is none")
	}
	_, err := githubapp.NewClientCreator("http://localhost/", "http://localhost/", 1, key).NewAppClient()
	return err
}
