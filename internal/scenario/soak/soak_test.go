//go:build unix

package soak_test

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store/pgtest"
)

var (
	count = flag.Int("lives", 20, "how many pull requests live while there is trouble")
	seed  = flag.Uint64("seed", 0, "what makes their lives; 0: chance")
	logs  = flag.String("logs", "", "a directory to leave the processes' logs in")
)

// TestLives has pull requests live while processes die at random and in the middle of their writes, GitHub fails in its ways and is down for a
// while, the disk is full, and deliveries fail, are lost without a trace, come twice, and come late and in any order; on PostgreSQL the
// database is restarted too.
func TestLives(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel() // these tests wait, most of the time
		x := found(t, nil, 1)
		x.survive(nil)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := pgtest.Start(t)
		x := found(t, worldtest.Postgres(server.Database(t)), 3)
		x.survive(server.Restart)
	})
}

// later is after it is clear that a delivery which failed is not under way.
const later = 5 * time.Minute

// survive has the lives lived in trouble and checks what they have come to.
func (x *town) survive(restart func() error) {
	x.t.Helper()
	stage := x.stages()
	end := x.trouble(restart)
	heads, err := lives(x.World, *seed, *count)
	kills := end()
	must(x.t, err)
	x.until("GitHub acted on all that it acts on late", func() (bool, error) { // soon after is later: then clocks jump
		return len(x.written(func(w write) bool { return w.late && w.ended.IsZero() })) == 0, nil
	})
	stage("they lived")
	// Those who start then look for what they have missed. What was lost without a trace they find in turn, some of it every few minutes, or at
	// once where there is no log of deliveries, as there is not when they look first. One look is over before the next, but for that at deployments:
	// a run that somebody waits for may take its place, and does not look.
	var looks, lists atomic.Int64
	old := x.names()
	x.Sim.Inject(githubsim.Fault{Route: "/app/hook/deliveries", Status: http.StatusNotFound, Match: func(r *http.Request) bool {
		return !slices.Contains(old, r.Header.Get(nameHeader)) && looks.Add(1) == 1
	}})
	x.wire.set(func(name string, r *http.Request) (moment, func()) {
		if !slices.Contains(old, name) && strings.HasSuffix(r.URL.Path, "/deployments") && r.Method == http.MethodGet && !r.URL.Query().Has("sha") {
			lists.Add(1)
		}
		return never, nil
	})
	x.renew(later)
	x.until("the log is there, after it was not", func() (bool, error) { return looks.Load() > 1, nil })
	x.until("deployments were listed", func() (bool, error) { return lists.Load() > 0, nil })
	x.settle()
	stage("what was missed was found")
	x.once(heads)
	x.followed(heads)
	x.ledgerHolds()
	before := x.shown(heads)
	x.verify(heads, before)
	stage("all was decided again")
	x.t.Logf("%d pull requests, %d open in the end; %d processes were killed; %d writes to GitHub", len(heads), len(before), kills, len(x.written(all)))

	// Somebody who knows nothing decides anew.
	must(x.t, x.Gate.Uninstall("acme"))
	x.settle()
	x.stop()
	x.Data = worldtest.SQLite(x.t.TempDir())
	x.open()
	x.fleet = launch(x.t, x.World, 1, later, newVariable+"=yes")
	x.settle()
	x.agree("decided afresh", x.shown(heads), before)
	stage("all was decided afresh")
}

// stages returns what logs how long each stage took, for whoever wonders.
func (x *town) stages() func(what string) {
	begun := time.Now()
	return func(what string) {
		x.t.Logf("after %s %s", time.Since(begun).Round(time.Second), what)
	}
}

// verify has all open pull requests decided on what GitHub says now. Nothing is written, because what is shown is right.
func (x *town) verify(heads map[int][]string, before map[int]face) {
	x.t.Helper()
	v, err := x.Sim.RepositoryView(x.Repo)
	must(x.t, err)
	repo, err := x.store.Repositories(x.t.Context())
	must(x.t, err)
	var keys []change.PullKey
	for _, p := range v.Pulls {
		if p.State == "open" {
			keys = append(keys, change.PullKey{Repository: repo[0].ID, Number: change.Number(p.Number)})
		}
	}
	written := len(x.written(all))
	must(x.t, x.queue.Raise(x.t.Context(), keys, change.ConcernVerify))
	x.settle()
	x.agree("decided again", x.shown(heads), before)
	for _, late := range x.written(all)[written:] {
		x.t.Errorf("decided again, this was written: %s", late)
		for n, of := range heads {
			if slices.ContainsFunc(of, func(head string) bool { return strings.Contains(late.body, head) }) {
				x.t.Errorf("before, #%d showed\n%s\n%s", n, before[n].whole, x.history(n))
			}
		}
	}
	if len(keys) != len(before) {
		x.t.Errorf("%d are open and %d show something", len(keys), len(before))
	}
}

func all(write) bool { return true }

const (
	tick = 400 * time.Millisecond // between two troubles
	down = 6                      // the trouble with which GitHub is down for a while
	full = 30                     // and that with which the disk is full
	// delay is how long GitHub takes to act on a write that it acts on late.
	delay = 3 * time.Second
)

// trouble begins all kinds of it. The function returned ends it, and says how many processes were killed.
func (x *town) trouble(restart func() error) (end func() int64) {
	f := &faults{town: x, r: rand.New(rand.NewPCG(*seed, 1))}
	f.onTheWire()
	f.onWebhooks()
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		f.onTheClock(restart, over)
	}()
	return func() int64 {
		close(over)
		<-done
		x.wire.set(nil)
		x.Sim.Intercept(nil)
		f.release()
		return f.kills.Load()
	}
}

// faults are what goes wrong in a town, by chance.
type faults struct {
	*town
	kills atomic.Int64 // of processes

	mu sync.Mutex // guards r
	r  *rand.Rand
}

// below returns a number from 0 to n-1.
func (f *faults) below(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.r.IntN(n)
}

func (f *faults) oneIn(n int) bool { return f.below(n) == 0 }

func (f *faults) kill(r *replica) {
	f.kills.Add(1)
	r.signal(syscall.SIGKILL)
}

// onTheWire has processes die at their writes to GitHub, at the steps between an intent and its result.
func (f *faults) onTheWire() {
	f.wire.set(func(name string, call *http.Request) (moment, func()) {
		caller := f.replica(name)
		if caller == nil || !isWrite(call) || !f.oneIn(12) {
			return never, nil
		}
		when := before
		switch {
		case f.oneIn(2):
			when = after
		case f.oneIn(2) && strings.Contains(call.URL.Path, "/check-runs"): // what else comes late is waited for, too long for this test
			when = late
		}
		return when, func() {
			f.kill(caller)
			if when == late {
				time.Sleep(delay)
			}
		}
	})
}

// onWebhooks has deliveries fail, get lost without a trace, come twice, or wait until they are released in any order.
func (f *faults) onWebhooks() {
	f.Sim.Intercept(func(githubsim.Delivery) githubsim.Fate {
		switch {
		case f.oneIn(12):
			return githubsim.Fail
		case f.oneIn(24):
			return githubsim.Lose
		case f.oneIn(8):
			return githubsim.Duplicate
		case f.oneIn(6):
			return githubsim.Hold
		}
		return githubsim.Deliver
	})
}

// release lets the deliveries go that were held back, in any order.
func (f *faults) release() {
	held := f.Sim.Held()
	f.mu.Lock()
	f.r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	f.mu.Unlock()
	if len(held) > 0 {
		f.Sim.Release(held...)
	}
}

// onTheClock makes a trouble at each tick until over is closed: GitHub fails in its ways or is down for a while, a process dies, the database
// is restarted if there is a way to, the disk is full.
func (f *faults) onTheClock(restart func() error, over <-chan struct{}) {
	ways := []githubsim.Fault{
		{Status: http.StatusBadGateway, Times: -1},
		{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}, Times: 3},
		{ActThenLose: true, Method: http.MethodPost, Times: 3},
		{ActThenLose: true, Method: http.MethodPatch, Times: 3},
		{CutConnection: true, Times: 5},
	}
	up := down + int(time.Second/tick)
	if *count >= 200 {
		up = down + int(30*time.Second/tick)
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	heal, back, empty := func() {}, func() {}, func() {}
	defer func() { heal(); back(); empty() }()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case <-ticker.C:
		}
		heal()
		heal = func() {}
		if n%3 == 1 {
			heal = f.Sim.Inject(ways[n/3%len(ways)])
		}
		if all := f.replicas(); n%4 == 3 && len(all) > 0 {
			f.kill(all[f.below(len(all))])
		}
		switch {
		case n == 3 && restart != nil:
			if err := restart(); err != nil {
				f.t.Error(err)
			}
		case n == down:
			back = f.Sim.Inject(githubsim.Fault{Status: http.StatusBadGateway, Times: -1})
		case n == up:
			back()
		case n == full:
			empty = f.fillDisk()
		case n == full+5:
			empty()
		}
		if _, err := f.Sim.RunWorkflows(); err != nil {
			f.t.Error(err)
		}
		f.release()
	}
}
