package githubsim_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/githubsim/openapitest"
)

// Both take long to make, and nothing in them changes.
var (
	spec = sync.OnceValues(openapitest.Load)
	key  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

// world is acme/app with people and teams, and the App installed on it.
type world struct {
	*githubsim.Sim
	t       *testing.T
	app     *githubsim.App
	install int64
	base    string
	checker *openapitest.Checker
	hooks   *hooks
	api     *github.Client // as the installation
	appAPI  *github.Client // as the App
	wrong   []string       // violations that the test provokes contain one of these
}

// hooks is the App's end of the webhooks.
type hooks struct {
	mu   sync.Mutex
	got  []received
	code int
}

type received struct {
	event, guid string
	body        []byte
	header      http.Header
}

func (h *hooks) all() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

func (h *hooks) answer(code int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.code = code
}

func (h *hooks) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = nil
}

const secret = "hush"

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

var permissions = map[string]string{"checks": "write", "statuses": "write", "pull_requests": "write", "deployments": "write",
	"contents": "read", "issues": "write", "actions": "read", "members": "read",
	"administration": "read", "merge_queues": "read"}

var events = []string{"pull_request", "pull_request_review", "issue_comment", "issues", "label", "push", "create", "delete", "check_run",
	"check_suite", "status", "workflow_run", "repository", "team", "membership", "member", "organization",
	"merge_group", "branch_protection_rule", "repository_ruleset", "deployment", "deployment_status", "deployment_protection_rule"}

// start makes the world. A world fails its test if any call or webhook did not fit GitHub's description.
func start(t *testing.T, change ...func(*githubsim.Config)) *world {
	t.Helper()
	var cfg githubsim.Config
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	cfg.Clock = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
	for _, f := range change {
		f(&cfg)
	}
	w := &world{t: t, Sim: must[*githubsim.Sim](t)(githubsim.New(cfg)), hooks: &hooks{code: http.StatusAccepted}}
	t.Cleanup(func() { check(t, w.Close()) })
	w.checker = must[*openapitest.Spec](t)(spec()).Middleware(w.Sim, "/api/v3")
	server := httptest.NewServer(w.checker)
	t.Cleanup(server.Close)
	receiver := httptest.NewServer(w.hooks)
	t.Cleanup(receiver.Close)
	w.base = server.URL
	w.SetURL(server.URL)
	check(t,
		w.AddUser("alice", "bob", "carol", "dave", "erin", "mallory"),
		w.AddOrganization("acme", "erin"),
		w.AddTeam("acme", "tech-leads", "carol"),
		w.AddTeam("acme", "security", "dave"),
		w.AddRepository("acme", "app", githubsim.RepoOptions{Private: true, Files: map[string]string{"README.md": "# app\n", "main.go": "package main\n"}}),
		w.SetPermission("acme/app", "alice", githubsim.Write),
		w.SetPermission("acme/app", "bob", githubsim.Write),
		w.SetTeamPermission("acme/app", "tech-leads", githubsim.Maintain),
		w.SetTeamPermission("acme/app", "security", githubsim.Triage),
	)
	k := must[*rsa.PrivateKey](t)(key())
	w.app = must[*githubsim.App](t)(w.RegisterApp(githubsim.AppOptions{Slug: "changegate", Permissions: permissions, Events: events,
		WebhookURL: receiver.URL, WebhookSecret: secret, Key: k}))
	w.install = must[int64](t)(w.app.Install("acme"))
	w.appAPI = w.client(w.transport(w.app))
	w.api = w.client(ghinstallation.NewFromAppsTransport(w.transport(w.app), w.install))
	t.Cleanup(w.settle)
	return w
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readAll(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, received{r.Header.Get("X-GitHub-Event"), r.Header.Get("X-GitHub-Delivery"), body, r.Header.Clone()})
	w.WriteHeader(h.code)
}

func (w *world) transport(app *githubsim.App) *ghinstallation.AppsTransport {
	w.t.Helper()
	tr := must[*ghinstallation.AppsTransport](w.t)(ghinstallation.NewAppsTransport(http.DefaultTransport, app.ID, app.PrivateKey))
	tr.BaseURL = w.base + "/api/v3"
	return tr
}

func (w *world) client(rt http.RoundTripper) *github.Client {
	w.t.Helper()
	if tr, ok := rt.(*ghinstallation.Transport); ok {
		tr.BaseURL = w.base + "/api/v3"
	}
	c, err := github.NewClient(&http.Client{Transport: rt}).WithEnterpriseURLs(w.base+"/api/v3/", w.base+"/api/v3/")
	check(w.t, err)
	return c
}

func (w *world) flush() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	check(w.t, w.Flush(ctx))
}

// settle holds everything that happened to GitHub's description.
func (w *world) settle() {
	w.flush()
	for _, v := range w.checker.Violations() {
		if !slices.ContainsFunc(w.wrong, func(part string) bool { return strings.Contains(v, part) }) {
			w.t.Error(v)
		}
	}
	s, err := spec()
	check(w.t, err)
	seen := map[string]bool{}
	for _, d := range w.app.Deliveries() {
		if err := s.Webhook(d.Event, d.Action, d.Payload); err != nil && !seen[d.Event+d.Action] {
			seen[d.Event+d.Action] = true
			w.t.Errorf("webhook %s %s: %v", d.Event, d.Action, err)
		}
	}
}
