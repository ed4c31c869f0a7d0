package scenario_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/githubsim/openapitest"
)

// Both take long to make, and nothing in them changes.
var (
	spec = sync.OnceValues(openapitest.Load)
	key  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

const (
	database      = ".server.db"
	keptDatabase  = ".kept.db"
	checkName     = "Change policy"
	policyPath    = ".github/change-policy.yml"
	webhookSecret = "It's a Secret to Everybody"
	// patience is how long anything may take before a test is given up. Nothing is timed by it.
	patience = 60 * time.Second
	// pace is how much time goes by with each act, so that GitHub's times, which are in seconds, tell one from the next.
	pace = 10 * time.Second
)

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
	}
}

// options say how a world is made.
type options struct {
	dir    string            // for the database and the log
	files  map[string]string // of the repository's first commit, by path
	policy string            // the repository's policy; "": it has none
	spec   bool              // hold all traffic to GitHub's description
}

// world is a GitHub with people and a repository, and the server that serves it.
type world struct {
	dir     string
	sim     *githubsim.Sim
	http    *httptest.Server
	checker *openapitest.Checker // nil: traffic is not checked
	slack   *slackChannel
	gate    *githubsim.App
	repo    string // owner/name that commands without one are about
	ahead   atomic.Int64
	log     log

	server  *app.App // nil while it is stopped
	end     context.CancelFunc
	ended   chan error
	written int // files that were made up, so that no two are equal
	errors  bool
	faults  []func()     // end the faults that were injected
	crashed func() error // whether the crash that was asked for has happened

	observer *githubsim.App // who asks GitHub what it shows; nil until then
}

// log keeps what the server logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines returns the lines of a level.
func (l *log) lines(level string) []string {
	var found []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"level":"`+level+`"`) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func newWorld(o options) (_ *world, err error) {
	w := &world{dir: o.dir, repo: "acme/shop", slack: newSlackChannel()}
	if w.sim, err = githubsim.New(githubsim.Config{Clock: w.now, Dir: filepath.Join(o.dir, ".github-sim")}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, errors.Join(w.close()...))
		}
	}()
	w.http = httptest.NewUnstartedServer(w.sim)
	if o.spec {
		s, err := spec()
		if err != nil {
			return nil, err
		}
		w.checker = s.Middleware(w.sim, "/api/v3")
		w.http.Config.Handler = w.checker
	}
	w.http.Start()
	w.sim.SetURL(w.http.URL)
	if err := w.settle(o); err != nil {
		return nil, err
	}
	if err := w.start(); err != nil {
		return nil, err
	}
	if _, err := w.gate.Install("acme"); err != nil {
		return nil, err
	}
	return w, w.quiet()
}

// settle makes the people, the organization and the repository.
func (w *world) settle(o options) error {
	sim := w.sim
	files := map[string]string{"README.md": "# Shop\n\nSells things.\n", "src/app.go": "package shop\n"}
	for path, text := range o.files {
		files[path] = text
	}
	if o.policy != "" {
		files[policyPath] = o.policy
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
	if w.gate, err = sim.RegisterApp(githubsim.AppOptions{
		Slug: "changegate", Permissions: permissions(), Events: events(), WebhookSecret: webhookSecret, Key: k,
	}); err != nil {
		return err
	}
	return w.addRepository("acme", "shop", files)
}

// roles are what people may do in a repository of acme.
func roles() map[string]githubsim.Role {
	return map[string]githubsim.Role{
		"alice": githubsim.Write, "bob": githubsim.Write, "carol": githubsim.Write, "dave": githubsim.Maintain, "erin": githubsim.Admin,
		"frank": githubsim.Triage, "sam": githubsim.Write, "dependabot[bot]": githubsim.Write, "helper[bot]": githubsim.Write,
	}
}

// addRepository adds a repository whose main branch requires our check.
func (w *world) addRepository(owner, name string, files map[string]string) error {
	full := owner + "/" + name
	err := w.sim.AddRepository(owner, name, githubsim.RepoOptions{Files: files, Labels: []string{"EMERGENCY", "high-risk"}})
	if err != nil {
		return err
	}
	for login, role := range roles() {
		if login != owner {
			err = errors.Join(err, w.sim.SetPermission(full, login, role))
		}
	}
	if owner == "acme" {
		for _, slug := range []string{"tech-leads", "security", "on-call"} {
			err = errors.Join(err, w.sim.SetTeamPermission(full, slug, githubsim.Write))
		}
	}
	return errors.Join(err, w.sim.Protect(full, "main", githubsim.Protection{
		RequiredChecks: []githubsim.RequiredCheck{{Context: checkName, AppID: w.gate.ID}},
	}))
}

// now is the time of this world: it goes on as everybody's, and is set forward by each act.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) forward(d time.Duration) { w.ahead.Add(int64(d)) }

// start starts the server on the world's database.
func (w *world) start() error {
	base := w.http.URL
	c := &config.Config{
		GitHub: config.GitHub{
			WebURL: base, V3APIURL: base + "/api/v3", V4APIURL: base + "/api/graphql",
			App: config.App{
				IntegrationID: w.gate.ID, WebhookSecret: config.NewSecret(webhookSecret), PrivateKey: config.NewSecret(string(w.gate.PrivateKey)),
			},
		},
		Server:   config.Server{Address: "127.0.0.1:0"},
		Slack:    config.Slack{Token: config.NewSecret(slackToken), APIURL: w.slack.url()},
		Database: config.Database{URL: config.NewSecret("sqlite:" + filepath.Join(w.dir, database))},
	}
	ctx, end := context.WithCancel(context.Background())
	server, err := app.New(ctx, c, zerolog.New(&w.log), app.Options{Clock: w.now, NoSweeps: true})
	if err != nil {
		end()
		return err
	}
	w.gate.SetWebhook("http://"+server.Addr()+"/api/github/hook", webhookSecret)
	w.server, w.end, w.ended = server, end, make(chan error, 1)
	go func() { w.ended <- server.Run(ctx) }()
	return nil
}

// stop ends the server in good order.
func (w *world) stop() error {
	if w.server == nil {
		return nil
	}
	w.end()
	w.server = nil
	return <-w.ended
}

// quiet returns when all webhooks are delivered and nothing is left to do now.
func (w *world) quiet() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if err := w.sim.Flush(ctx); err != nil {
			return err
		}
		delivered := len(w.gate.Deliveries())
		if w.server != nil {
			if err := w.server.Quiet(ctx); err != nil {
				return err
			}
		}
		// What the server wrote comes back as webhooks.
		if w.sim.Idle() && len(w.gate.Deliveries()) == delivered {
			return nil
		}
	}
}

// calls returns the calls of the App to GitHub since the last act began, but for the exchange of tokens.
func (w *world) calls() []githubsim.Call {
	var own []githubsim.Call
	for _, c := range w.sim.CallLog() {
		if (c.App == w.gate.Slug || c.Fault) && c.Method+" "+c.Route != githubsim.TokenRoute {
			own = append(own, c)
		}
	}
	return own
}

// close ends the world and returns what was wrong with it.
func (w *world) close() []error {
	var problems []error
	if err := w.stop(); err != nil {
		problems = append(problems, fmt.Errorf("the server ended with %w", err))
	}
	if w.checker != nil {
		for _, v := range w.checker.Violations() {
			problems = append(problems, fmt.Errorf("not as GitHub describes it: %s", v))
		}
	}
	if !w.errors {
		for _, line := range w.log.lines("error") {
			problems = append(problems, fmt.Errorf("the server logged %s", line))
		}
	}
	w.slack.close()
	for _, secret := range []string{webhookSecret, slackToken, "ghs_", "PRIVATE KEY"} {
		if strings.Contains(w.log.String(), secret) {
			problems = append(problems, fmt.Errorf("the server logged a secret, %q", secret))
		}
	}
	if w.http != nil {
		w.http.CloseClientConnections()
		w.http.Close()
	}
	if err := w.sim.Close(); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// readDir returns the files under a directory by their slash-separated paths; none if there is no such directory.
func readDir(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return filepath.SkipAll
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	return files, err
}

// readFile returns a file's text; none if there is no such file.
func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
