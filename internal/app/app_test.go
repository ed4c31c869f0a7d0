package app_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ramtest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

const secret = "a secret of the tests"

// world is a GitHub with one repository, and the server that serves it.
type world struct {
	sim  *githubsim.Sim
	app  *app.App
	base string
	// github reads what the server wrote, with the App's own credentials.
	github       *github.GitHub
	installation change.InstallationID

	registered *githubsim.App
	database   string // the path of its file
	env        map[string]string
	clock      func() time.Time // the server's; nil: everybody's
	level      zerolog.Level    // of what it logs
	noSweeps   bool
	log        logged
	stop       func() // ends the server
	cutOff     bool   // it cannot end in good order, and is to say so
}

// logged is what the server logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start makes a world, and starts its server.
func start(t *testing.T) *world {
	t.Helper()
	return startAfter(t, func(*githubsim.Sim) {})
}

// startAfter is start, after something was done on GitHub.
func startAfter(t *testing.T, before func(sim *githubsim.Sim)) *world {
	t.Helper()
	w := prepare(t, before)
	w.serve(t)
	return w
}

// prepare makes a world in which something was done, and whose server is not started yet.
func prepare(t *testing.T, before func(sim *githubsim.Sim)) *world {
	t.Helper()
	sim, err := githubsim.New(githubsim.Config{})
	must(t, err)
	t.Cleanup(func() { _ = sim.Close() })
	base, err := sim.Listen("127.0.0.1:0")
	must(t, err)
	must(t, sim.AddUser("alice", "bob"))
	must(t, sim.AddOrganization("acme", "alice"))
	must(t, sim.AddRepository("acme", "shop", githubsim.RepoOptions{}))
	must(t, sim.SetPermission("acme/shop", "bob", githubsim.Write))
	before(sim)
	registered, err := sim.RegisterApp(githubsim.AppOptions{
		Slug: "changegate", WebhookSecret: secret, Events: []string{"pull_request", "pull_request_review", "check_run", "push"},
		Permissions: map[string]string{
			"checks": "write", "pull_requests": "write", "contents": "read", "issues": "write", "statuses": "read", "members": "read", "metadata": "read",
		},
	})
	must(t, err)

	w := &world{sim: sim, registered: registered, level: zerolog.WarnLevel, database: filepath.Join(t.TempDir(), "test.db")}
	w.env = map[string]string{
		"GITHUB_WEB_URL": base, "GITHUB_V3_API_URL": base + "/api/v3/", "GITHUB_V4_API_URL": base + "/api/graphql",
		"GITHUB_APP_INTEGRATION_ID": fmt.Sprint(registered.ID), "GITHUB_APP_WEBHOOK_SECRET": secret,
		"GITHUB_APP_PRIVATE_KEY":    string(registered.PrivateKey),
		"CHANGEGATE_SERVER_ADDRESS": "127.0.0.1:0", "CHANGEGATE_DATABASE_URL": "sqlite:" + w.database,
	}
	return w
}

// serve starts the server; it ends with the test, or when w.stop is called.
func (w *world) serve(t *testing.T) {
	t.Helper()
	c, err := config.Load("", func(k string) (string, bool) { v, ok := w.env[k]; return v, ok })
	must(t, err)
	log := zerolog.New(zerolog.MultiLevelWriter(zerolog.NewTestWriter(t), &w.log)).Level(w.level)
	w.app, err = app.New(context.Background(), c, log, app.Options{Version: "changegate test", Clock: w.clock, NoSweeps: w.noSweeps})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.app.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; (err != nil) != w.cutOff {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(w.stop)
	w.registered.SetWebhook("http://"+w.app.Addr()+"/api/github/hook", secret)
	if w.installation == 0 {
		installation, err := w.registered.Install("acme")
		must(t, err)
		w.installation = change.InstallationID(installation)
	}
	w.github, err = github.New(github.Config{App: c.GitHubApp(), CheckName: change.CheckName})
	must(t, err)
	w.base = "http://" + w.app.Addr()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must(t, w.sim.Flush(ctx))
	must(t, w.app.Quiet(ctx)) // which waits for discoveries too
	must(t, w.app.Idle(ctx))
	must(t, w.sim.Flush(ctx))
}

// shop is the repository as GitHub names it to the App.
func (w *world) shop(t *testing.T) change.Repository {
	t.Helper()
	session := w.github.Installation(w.installation).Begin()
	list, err := session.Repositories(context.Background(), session.Began())
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("the App is installed on %v", list)
	}
	return list[0].Repository
}

// checkRuns reads our check runs as GitHub has them.
func (w *world) checkRuns(t *testing.T, head string) []github.CheckRun {
	t.Helper()
	session := w.github.Installation(w.installation).Begin()
	runs, err := session.OwnRuns(context.Background(), w.shop(t), change.SHA(head), session.Began())
	must(t, err)
	return runs
}

func TestAPullRequestGoesInAndACheckRunComesOut(t *testing.T) {
	w := start(t)
	pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{
		Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"},
	})
	must(t, err)
	w.settle(t)
	before := w.checkRuns(t, pull.Head)
	if len(before) != 1 || before[0].Status != "in_progress" || !strings.HasPrefix(before[0].Title, "Standard") {
		t.Fatalf("after the opening: %+v, want one in progress that says Standard", before)
	}
	must(t, w.sim.As("bob").Approve(pull))
	w.settle(t)
	after := w.checkRuns(t, pull.Head)
	if len(after) != 1 || after[0].Conclusion != "success" || after[0].Title != "Standard: approved by bob" {
		t.Fatalf("after the approval: %+v, want one success that names bob", after)
	}
}

func TestPullRequestsFromBeforeTheInstallation(t *testing.T) {
	var pull githubsim.Pull
	w := startAfter(t, func(sim *githubsim.Sim) {
		var err error
		pull, err = sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"}})
		must(t, err)
	})
	w.settle(t)
	if runs := w.checkRuns(t, pull.Head); len(runs) != 1 || runs[0].Status != "in_progress" || !strings.HasPrefix(runs[0].Title, "Standard") {
		t.Fatalf("after the installation: %+v, want one in progress that says Standard", runs)
	}
}

func TestAServerThatIsToldToEndBeforeItBegan(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	c, err := config.Load("", func(k string) (string, bool) { v, ok := w.env[k]; return v, ok })
	must(t, err)
	a, err := app.New(t.Context(), c, zerolog.Nop(), app.Options{Version: "changegate test"})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestServerAddresses(t *testing.T) {
	w := start(t)
	for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200, "/nothing": 404, "/api/github/hook": 405} {
		response, err := http.Get(w.base + path)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("GET %s answers %d, want %d", path, response.StatusCode, want)
		}
	}
}
