// Package worldtest is the world in which tests try the whole service: the real server and a GitHub that is githubsim, over real
// HTTP. There is the organization acme with the repository acme/shop, whose branch main requires the check "Change policy". alice, bob
// and carol may write there, dave maintain, erin administer, frank triage, and mallory and trent only read. dave is in the team tech-leads,
// erin and sam in security, carol and erin in on-call.
package worldtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/githubsim/openapitest"
	"github.com/changegate/changegate/internal/store/storetest"
)

// Both take long to make, and nothing in them changes.
var (
	spec = sync.OnceValues(openapitest.Load)
	key  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

const (
	// CheckName is the name of our check.
	CheckName = "Change policy"
	// PolicyPath is where a repository's policy is.
	PolicyPath = ".github/change-policy.yml"
	// Pace is how much time goes by with each act, so that GitHub's times, which are in seconds, tell one from the next.
	Pace = 10 * time.Second

	// Audience is what tokens of jobs must be for that ask at the gate.
	Audience = "https://changegate.example.com"
	// GateToken lets its bearer ask at the gate about staging of acme/shop.
	GateToken = "a-token-for-staging-that-is-long-enough"

	ledgerKey     = "PRIVATE+KEY+test+9b2ad662+AZUqlfIotgKyN1rWuTm2XWIj36nfB8cWxXkUTCPkZ0Ed" // it signs nothing else
	webhookSecret = "It's a Secret to Everybody"
	// patience is how long anything may take before a test is given up. Nothing is timed by it.
	patience = 60 * time.Second
)

// Key returns the private key of this process's Apps.
func Key() (*rsa.PrivateKey, error) { return key() }

// permissions are those of the App's manifest.
func permissions() map[string]string {
	return map[string]string{
		"checks": "write", "statuses": "write", "pull_requests": "write", "deployments": "write", "contents": "read", "issues": "write",
		"actions": "read", "merge_queues": "read", "metadata": "read", "members": "read", "administration": "read",
	}
}

func events() []string {
	return []string{
		"pull_request", "pull_request_review", "issue_comment", "label", "push", "status", "check_run", "check_suite", "workflow_run",
		"member", "team", "membership", "organization", "repository", "issues", "merge_group", "branch_protection_rule", "repository_ruleset",
		"deployment", "deployment_status", "deployment_protection_rule",
	}
}

// Options say how a world is made.
type Options struct {
	Dir string // for the database and GitHub's objects
	// Database is the server's; nil: SQLite in Dir.
	Database Database
	Files    map[string]string // of the repository's first commit besides two that are always there, by path
	Policy   string            // the repository's policy; "": it has none
	Spec     bool              // hold all traffic to GitHub's OpenAPI description
	Senders  int               // how many webhooks GitHub sends at a time; 0: one, so that they arrive in order
	Calls    int               // how many calls GitHub allows an installation in an hour; 0: any number, but it shows its usual limit
	// Elsewhere says that the server is the test's own business: other processes, with Environment.
	Elsewhere bool
}

// World is a GitHub with people and a repository, and the server that serves it.
type World struct {
	Dir    string
	Sim    *githubsim.Sim
	HTTP   *httptest.Server // serves Sim
	Gate   *githubsim.App   // what the server is to GitHub
	Server *app.App         // nil while it is stopped
	Data   Database         // the server's
	Slack  *Slack
	Log    Log    // the server's
	Repo   string // owner/name that the test is about
	Errors bool   // that the server may log errors
	Sweeps bool   // that the server, once it is started again, looks now and then for what no delivery told

	checker  *openapitest.Checker // nil: traffic is not checked
	observer *githubsim.App       // who asks what GitHub shows; nil until then
	ahead    atomic.Int64
	end      context.CancelFunc
	ended    chan error
}

// Log keeps what the server logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write is for the logger.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines returns the lines of a level, such as "warn".
func (l *Log) Lines(level string) []string {
	var found []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"level":"`+level+`"`) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// Begin makes a world for a test. It fails the test if something was wrong with it in the end, as Close says.
func Begin(t testing.TB, o Options) *World {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range w.Close() {
			t.Error(problem)
		}
	})
	return w
}

// New makes a world and starts its server. The caller closes it.
func New(o Options) (_ *World, err error) {
	w := &World{Dir: o.Dir, Repo: "acme/shop", Slack: newSlack(), Data: o.Database}
	if w.Data == nil {
		file := sqliteIn(o.Dir)
		if err := storetest.WriteFile(string(file)); err != nil {
			return nil, err
		}
		w.Data = file
	}
	if w.Sim, err = githubsim.New(githubsim.Config{
		Clock: w.Now, Dir: filepath.Join(o.Dir, ".github-sim"), DeliveryWorkers: o.Senders, RateLimit: o.Calls,
	}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, errors.Join(w.Close()...))
		}
	}()
	w.HTTP = httptest.NewUnstartedServer(w.Sim)
	if o.Spec {
		s, err := spec()
		if err != nil {
			return nil, err
		}
		w.checker = s.Middleware(w.Sim, "/api/v3")
		w.HTTP.Config.Handler = w.checker
	}
	w.HTTP.Start()
	w.Sim.SetURL(w.HTTP.URL)
	if err := w.settle(o); err != nil {
		return nil, err
	}
	if o.Elsewhere {
		return w, nil
	}
	if err := w.Start(); err != nil {
		return nil, err
	}
	if _, err := w.Gate.Install("acme"); err != nil {
		return nil, err
	}
	return w, w.Quiet()
}

// Environment returns what configures a server of this world that is another process. Whoever runs it installs the App, and says with
// SendWebhooks where it listens.
func (w *World) Environment() []string {
	base := w.HTTP.URL
	return []string{
		"GITHUB_WEB_URL=" + base, "GITHUB_V3_API_URL=" + base + "/api/v3", "GITHUB_V4_API_URL=" + base + "/api/graphql",
		fmt.Sprint("GITHUB_APP_INTEGRATION_ID=", w.Gate.ID), "GITHUB_APP_WEBHOOK_SECRET=" + webhookSecret,
		"GITHUB_APP_PRIVATE_KEY=" + string(w.Gate.PrivateKey), "CHANGEGATE_SERVER_ADDRESS=127.0.0.1:0", "CHANGEGATE_DATABASE_URL=" + w.Data.URL(),
		"CHANGEGATE_LEDGER_KEY=" + ledgerKey, "CHANGEGATE_SLACK_TOKEN=" + slackToken, "CHANGEGATE_SLACK_API_URL=" + w.Slack.url(),
	}
}

// SendWebhooks has the App's webhooks sent to whoever listens at an address.
func (w *World) SendWebhooks(base string) {
	w.Gate.SetWebhook(base+"/api/github/hook", webhookSecret)
}

// settle makes the people, the organization and the repository.
func (w *World) settle(o Options) error {
	sim := w.Sim
	files := map[string]string{"README.md": "# Shop\n\nSells things.\n", "src/app.go": "package shop\n"}
	for path, text := range o.Files {
		files[path] = text
	}
	if o.Policy != "" {
		files[PolicyPath] = o.Policy
	}
	k, err := key()
	if err != nil {
		return err
	}
	err = errors.Join(
		sim.AddUser("alice", "bob", "carol", "dave", "erin", "frank", "mallory", "trent", "sam"),
		sim.AddOrganization("acme", "erin"),
		sim.AddBot("dependabot[bot]"),
		sim.AddBot("helper[bot]"),
	)
	for _, login := range []string{"alice", "bob", "carol", "dave", "frank", "sam"} {
		err = errors.Join(err, sim.AddMember("acme", login, false))
	}
	err = errors.Join(err,
		sim.AddTeam("acme", "tech-leads", "dave"),
		sim.AddTeam("acme", "security", "erin", "sam"),
		sim.AddTeam("acme", "on-call", "carol", "erin"),
	)
	if err != nil {
		return err
	}
	if w.Gate, err = sim.RegisterApp(githubsim.AppOptions{
		Slug: "changegate", Permissions: permissions(), Events: events(), WebhookSecret: webhookSecret, Key: k,
	}); err != nil {
		return err
	}
	return w.AddRepository("acme", "shop", files)
}

// roles are what people may do in a repository of acme.
func roles() map[string]githubsim.Role {
	return map[string]githubsim.Role{
		"alice": githubsim.Write, "bob": githubsim.Write, "carol": githubsim.Write, "dave": githubsim.Maintain, "erin": githubsim.Admin,
		"frank": githubsim.Triage, "sam": githubsim.Write, "dependabot[bot]": githubsim.Write, "helper[bot]": githubsim.Write,
	}
}

// AddRepository adds a repository whose main branch requires our check. One of no files has no commit yet.
func (w *World) AddRepository(owner, name string, files map[string]string) error {
	full := owner + "/" + name
	err := w.Sim.AddRepository(owner, name, githubsim.RepoOptions{Files: files, Empty: len(files) == 0, Labels: []string{"EMERGENCY", "high-risk"}})
	if err != nil {
		return err
	}
	for login, role := range roles() {
		if login != owner {
			err = errors.Join(err, w.Sim.SetPermission(full, login, role))
		}
	}
	if owner == "acme" {
		for _, slug := range []string{"tech-leads", "security", "on-call"} {
			err = errors.Join(err, w.Sim.SetTeamPermission(full, slug, githubsim.Write))
		}
	}
	return errors.Join(err, w.Sim.Protect(full, "main", githubsim.Protection{
		RequiredChecks: []githubsim.RequiredCheck{{Context: CheckName, AppID: w.Gate.ID}},
	}))
}

// Now is the time of this world: it goes on as everybody's, and is set forward by each act.
func (w *World) Now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// Forward sets the time forward.
func (w *World) Forward(d time.Duration) { w.ahead.Add(int64(d)) }

// Start starts the server on the world's database.
func (w *World) Start() error {
	base := w.HTTP.URL
	c := &config.Config{
		GitHub: config.GitHub{
			WebURL: base, V3APIURL: base + "/api/v3", V4APIURL: base + "/api/graphql",
			App: config.App{
				IntegrationID: w.Gate.ID, WebhookSecret: config.NewSecret(webhookSecret), PrivateKey: config.NewSecret(string(w.Gate.PrivateKey)),
			},
		},
		Server: config.Server{Address: "127.0.0.1:0"},
		Gate: config.Gate{Audience: Audience, Issuers: []string{w.Sim.Issuer()}, Tokens: []config.GateToken{
			{Name: "staging", Repository: "acme/shop", Environment: "staging", SHA256: sha256.Sum256([]byte(GateToken))},
		}},
		Slack:    config.Slack{Token: config.NewSecret(slackToken), APIURL: w.Slack.url()},
		Database: config.Database{URL: config.NewSecret(w.Data.URL())},
		Ledger:   config.Ledger{Key: config.NewSecret(ledgerKey), PublishEvery: time.Hour},
	}
	ctx, end := context.WithCancel(context.Background())
	server, err := app.New(ctx, c, zerolog.New(&w.Log), app.Options{Clock: w.Now, NoSweeps: !w.Sweeps, Patience: 100 * time.Millisecond})
	if err != nil {
		end()
		return err
	}
	w.SendWebhooks("http://" + server.Addr())
	w.Server, w.end, w.ended = server, end, make(chan error, 1)
	go func() { w.ended <- server.Run(ctx) }()
	return nil
}

// Stop ends the server in good order.
func (w *World) Stop() error {
	if w.Server == nil {
		return nil
	}
	w.end()
	w.Server = nil
	return <-w.ended
}

// Quiet returns when all webhooks are delivered and nothing is left to do now.
func (w *World) Quiet() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if err := w.Sim.Flush(ctx); err != nil {
			return err
		}
		delivered := len(w.Gate.Deliveries())
		if w.Server != nil {
			if err := w.Server.Quiet(ctx); err != nil {
				return err
			}
		}
		// What the server wrote comes back as webhooks.
		if w.Sim.Idle() && len(w.Gate.Deliveries()) == delivered {
			return nil
		}
	}
}

// Calls returns the calls of the App to GitHub since the last act began, but for the exchange of tokens.
func (w *World) Calls() []githubsim.Call {
	var own []githubsim.Call
	for _, c := range w.Sim.CallLog() {
		if (c.App == w.Gate.Slug || c.Fault) && c.Method+" "+c.Route != githubsim.TokenRoute {
			own = append(own, c)
		}
	}
	return own
}

// Close ends the world and returns what was wrong with it.
func (w *World) Close() []error {
	var problems []error
	if err := w.Stop(); err != nil {
		problems = append(problems, fmt.Errorf("the server ended with %w", err))
	}
	if w.checker != nil {
		for _, v := range w.checker.Violations() {
			problems = append(problems, fmt.Errorf("not as GitHub describes it: %s", v))
		}
	}
	problems = append(problems, w.tokens()...)
	if !w.Errors {
		for _, line := range w.Log.Lines("error") {
			problems = append(problems, fmt.Errorf("the server logged %s", line))
		}
	}
	w.Slack.close()
	for _, secret := range []string{webhookSecret, slackToken, GateToken, "ghs_", "PRIVATE KEY"} {
		if strings.Contains(w.Log.String(), secret) {
			problems = append(problems, fmt.Errorf("the server logged a secret, %q", secret))
		}
	}
	if w.HTTP != nil {
		w.HTTP.CloseClientConnections()
		w.HTTP.Close()
	}
	if err := w.Sim.Close(); err != nil {
		problems = append(problems, err)
	}
	return problems
}
