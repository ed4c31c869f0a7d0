// Package demo shows changegate at work: the real server beside an embedded GitHub (see package githubsim), with an organization,
// people and a repository, and a story that is played on them step by step. Each step states what the check run must say
// afterwards, so that the demo is a test of the whole as well.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/githubsim/pages"
)

// The addresses that the demo listens on unless told otherwise.
const (
	DefaultAddress       = "127.0.0.1:8080"
	DefaultGitHubAddress = "127.0.0.1:8090"
)

// hookPath is where the server takes deliveries.
const hookPath = "/api/github/hook"

// Options say how the demo runs.
type Options struct {
	Out           io.Writer // the story
	Color         bool      // whether Out shows colours
	Once          bool      // return when the story has been told
	Dir           string    // where a directory is made that is kept; "": a temporary one
	Address       string    // of the server, as HOST:PORT; "": DefaultAddress
	GitHubAddress string    // of the embedded GitHub, as HOST:PORT; "": DefaultGitHubAddress
	Version       string    // of the program, for the ledger
}

// StepError is a step of the story that did not end as expected. Options.Out has been told of it.
type StepError struct {
	Step, Expected, Got string
}

func (e *StepError) Error() string {
	return fmt.Sprintf("step %q: expected %s, got %s", e.Step, e.Expected, e.Got)
}

// Run starts the server and the embedded GitHub and plays the story. Then it returns if that is all that was asked for, and otherwise
// stays until ctx ends, which is no error.
func Run(ctx context.Context, o Options) (err error) {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	if o.GitHubAddress == "" {
		o.GitHubAddress = DefaultGitHubAddress
	}
	dir, remove, err := directory(o.Dir)
	if err != nil {
		return err
	}
	keep := o.Dir != ""
	defer func() {
		var failed *StepError
		if keep || errors.As(err, &failed) {
			fmt.Fprintf(o.Out, "The server's database and log are in %s\n", dir)
			return
		}
		err = errors.Join(err, remove())
	}()

	d, err := start(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()

	began := time.Now()
	fmt.Fprintf(o.Out, "\nThe story of six pull requests in %s, from the first commit to production.\n"+
		"On the right is what changegate says.\nThe story has a clock of its own: it begins on %s.\n\n", repo, d.clock.Now().Format("Monday, 2 January 2006, at 15:04 MST"))
	t := &teller{sim: d.sim, clock: d.clock, elapse: d.app.Elapse, idle: d.app.Idle, story: story(), out: o.Out, color: o.Color}
	if err := t.play(ctx); err != nil {
		if ctx.Err() != nil && !o.Once {
			return nil // somebody has seen enough
		}
		return err
	}
	fmt.Fprintf(o.Out, "Played on a real server in %.1f s, every step as expected.\n", time.Since(began).Seconds())
	if o.Once {
		return nil
	}
	fmt.Fprintf(o.Out, "\nNow try it yourself. It is %s there, and the pages can set the time forward.\n\n", d.clock.Now().Format("Monday, 15:04 MST"))
	for _, place := range []struct{ at, is string }{
		{d.sim.URL() + "/" + repo, "the embedded GitHub: act as any of these people"},
		{d.sim.URL() + "/" + repo + retrospective, "what carol still owes: write it and close it"},
		{d.sim.URL() + "/" + repo + "/deployments", "what runs where: let a deployment fail"},
		{d.serverURL + "/", "the server"},
		{dir, "its database, log and signed checkpoints"},
	} {
		fmt.Fprintf(o.Out, "   %s   %s\n", t.bold(fmt.Sprintf("%-46s", place.at)), place.is)
	}
	fmt.Fprint(o.Out, "\nCtrl-C ends both.\n")
	return d.stay(ctx, o.Out)
}

// What workflows do once the story has been told: a step at each tick, of which the one that deploys takes some.
const (
	tick    = 2 * time.Second
	looking = 3
)

// stay keeps both up, for people to act on the pages, until ctx ends.
func (d *running) stay(ctx context.Context, out io.Writer) error {
	d.workflow.slowDown(looking)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	working, end := context.WithCancel(ctx)
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- d.workflow.run(working, d.sim, ticker.C) }()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\nEnding.")
		return <-ran
	case err := <-ran:
		return fmt.Errorf("run the workflows: %w", err)
	case err := <-d.served:
		d.served <- nil
		return fmt.Errorf("the server has ended: %w", err)
	}
}

// directory makes a directory for this start, in parent if there is one.
func directory(parent string) (dir string, remove func() error, err error) {
	if parent == "" {
		dir, err = os.MkdirTemp("", "changegate-demo-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, fmt.Errorf("the directory of --data: %w", err)
	}
	dir, err = os.MkdirTemp(parent, time.Now().Format("2006-01-02-150405-"))
	if err != nil {
		return "", nil, fmt.Errorf("the directory of --data: %w", err)
	}
	dir, err = filepath.Abs(dir)
	return dir, nil, err
}

// running is the server and the embedded GitHub.
type running struct {
	clock     *clock
	workflow  *workflow
	sim       *githubsim.Sim
	app       *app.App
	serverURL string
	cancel    context.CancelFunc
	served    chan error
	log       *os.File
}

// start starts both and lets them know each other.
func start(ctx context.Context, o Options, dir string) (_ *running, err error) {
	d := &running{clock: newClock(begins), workflow: newWorkflow(), served: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop())
		}
	}()
	if d.log, err = os.Create(filepath.Join(dir, "changegate.log")); err != nil {
		return nil, err
	}
	git := filepath.Join(dir, "git")
	if err := os.Mkdir(git, 0o755); err != nil {
		return nil, err
	}
	if d.sim, err = githubsim.New(githubsim.Config{Clock: d.clock.Now, Dir: git}); err != nil {
		return nil, err
	}
	if _, err := d.sim.Listen(o.GitHubAddress); err != nil {
		return nil, busy(err, o.GitHubAddress, "--github-address")
	}
	d.sim.SetURL(reachable(d.sim.URL()))
	if err := build(d.sim, d.workflow); err != nil {
		return nil, err
	}
	registered, err := register(d.sim)
	if err != nil {
		return nil, err
	}
	secret := rand.Text()
	c, err := configuration(o, dir, d.sim.URL(), registered, secret)
	if err != nil {
		return nil, err
	}
	if d.app, err = app.New(ctx, c, zerolog.New(d.log).Level(c.Log.Level).With().Timestamp().Logger(), app.Options{Clock: d.clock.Now, Patience: 300 * time.Millisecond, Version: o.Version}); err != nil {
		return nil, busy(err, o.Address, "--address")
	}
	// The server outlives ctx for as long as it takes to stop it after the story's last line.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	go func() { d.served <- d.app.Run(serving) }()
	d.serverURL = reachable("http://" + d.app.Addr())

	registered.SetWebhook(d.serverURL+hookPath, secret)
	if err := errors.Join(protect(d.sim, registered), guard(d.sim)); err != nil {
		return nil, err
	}
	if _, err := registered.Install(org); err != nil {
		return nil, err
	}
	handler, err := d.pages()
	if err != nil {
		return nil, err
	}
	d.sim.HandlePages(handler)
	return d, settle(ctx, d.sim, d.app.Idle)
}

// pages returns the embedded GitHub's pages.
func (d *running) pages() (http.Handler, error) {
	shop, err := shopFiles()
	if err != nil {
		return nil, err
	}
	all, err := proposals(shop)
	if err != nil {
		return nil, err
	}
	o := pages.Options{
		Repo: repo, Home: "alice", Edits: edits(), Server: d.serverURL,
		Settle: func(ctx context.Context) error { return settle(ctx, d.sim, d.app.Idle) },
		Pushed: func(p githubsim.Pull) error { return runTests(d.sim, p) },
		Later: func(ctx context.Context, by time.Duration) error {
			d.clock.forward(by)
			return d.app.Elapse(ctx)
		},
	}
	for _, p := range all {
		if !p.story {
			o.Changes = append(o.Changes, p.Change)
		}
	}
	return pages.New(d.sim, o), nil
}

// stop ends both, the server first: what it still writes must find its GitHub.
func (d *running) stop() error {
	var err error
	if d.cancel != nil {
		d.cancel()
		err = <-d.served
	}
	if d.sim != nil {
		err = errors.Join(err, d.sim.Close())
	}
	if d.log != nil {
		err = errors.Join(err, d.log.Close())
	}
	return err
}

// configuration makes the server's configuration as an operator would: from the environment, checked.
func configuration(o Options, dir, gitHub string, a *githubsim.App, secret string) (*config.Config, error) {
	env := map[string]string{
		"GITHUB_WEB_URL":                 gitHub,
		"GITHUB_V3_API_URL":              gitHub + "/api/v3",
		"GITHUB_APP_INTEGRATION_ID":      strconv.FormatInt(a.ID, 10),
		"GITHUB_APP_WEBHOOK_SECRET":      secret,
		"GITHUB_APP_PRIVATE_KEY":         string(a.PrivateKey),
		"CHANGEGATE_SERVER_ADDRESS":      o.Address,
		"CHANGEGATE_DATABASE_URL":        "sqlite:" + filepath.Join(dir, "changegate.db"),
		"CHANGEGATE_LEDGER_PUBLISH_FILE": filepath.Join(dir, "checkpoints"),
	}
	return config.Load("", func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

// reachable returns a URL that leads to a listener: one that listens on every address is reached on this machine's own.
func reachable(url string) string {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return url
}

// busy says how to get round an address that somebody else listens on.
func busy(err error, address, flag string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use, by another demo perhaps; choose another with %s 127.0.0.1:0, which takes a free port", address, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine; choose one that is with %s 127.0.0.1:0, or %[2]s :0 for every interface", address, flag)
	}
	return err
}
