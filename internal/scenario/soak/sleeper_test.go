//go:build unix

package soak_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store/pgtest"
)

// TestSleepers has a replica killed, or stopped past all its leases, in the middle of a run. The others do its work; one that goes on then
// writes nothing of it.
func TestSleepers(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	x := found(t, worldtest.Postgres(server.Database(t)), 3)
	for n, row := range []struct {
		method, path string
		signal       syscall.Signal
	}{
		{http.MethodGet, "/compare/", syscall.SIGSTOP},
		{http.MethodPost, "/check-runs", syscall.SIGSTOP},
		{http.MethodGet, "/compare/", syscall.SIGKILL},
		{http.MethodPost, "/check-runs", syscall.SIGKILL},
	} {
		t.Run(fmt.Sprint(row.signal, " at ", row.method, " ", row.path), func(t *testing.T) { x.sleep(t, n, row.method, row.path, row.signal) })
	}
	x.ledgerHolds()
}

// sleep sends a signal to the first replica that makes such a call.
func (x *town) sleep(t *testing.T, n int, method, path string, signal syscall.Signal) {
	var struck atomic.Pointer[replica]
	var at time.Time
	x.wire.set(func(name string, r *http.Request) (moment, func()) {
		if r.Method != method || !strings.Contains(r.URL.Path, path) {
			return never, nil
		}
		if caller := x.replica(name); caller != nil && struck.CompareAndSwap(nil, caller) {
			at = time.Now()
			x.skip(caller, true)
			caller.signal(signal)
		}
		return never, nil
	})
	pull, err := x.Sim.As("alice").OpenPull(x.Repo, githubsim.PullOptions{
		Title: "Change it", Body: worldtest.FullRecord, Branch: fmt.Sprint("topic-", n), Files: map[string]string{fmt.Sprintf("src/part%d.go", n): "package part\n"},
	})
	must(t, err)
	x.until("another shows what is needed", func() (bool, error) {
		v, err := x.Sim.PullView(x.Repo, pull.Number)
		c, ok := worldtest.OurCheck(v)
		return ok && c.Title == "Normal: 0 of 2 approvals" && struck.Load() != nil && x.queue.Quiet(t.Context()) == nil, err
	})
	victim := struck.Load()
	t.Logf("%s after the signal, all was done", time.Since(at).Round(10*time.Millisecond))
	x.wire.set(nil)

	wrote := func() []write {
		return x.written(func(w write) bool {
			return w.replica == victim.name && (strings.Contains(w.body, pull.Head) || strings.Contains(w.path, fmt.Sprintf("/%d/", pull.Number)))
		})
	}
	before := len(wrote())
	if signal == syscall.SIGSTOP {
		asleep, err := x.logged(victim.name)
		must(t, err)
		victim.signal(syscall.SIGCONT)
		x.until("the sleeper sees that its job is another's", func() (bool, error) {
			log, err := x.logged(victim.name)
			return strings.Contains(log[min(len(asleep), len(log)):], "a run went on after its job was given to another"), err
		})
		x.skip(victim, false)
	}
	x.settle()
	if late := wrote()[before:]; len(late) > 0 {
		t.Errorf("the sleeper wrote %v", late)
	}
	x.once(map[int][]string{pull.Number: {pull.Head}})
	x.followed(map[int][]string{pull.Number: {pull.Head}})
	runs, err := x.CheckRuns(x.Repo, pull.Head)
	must(t, err)
	if len(runs) != 1 {
		t.Errorf("there are %d check runs, want one", len(runs))
	}
	// One that had died does its share again.
	must(t, x.Sim.As("bob").Approve(pull))
	must(t, x.Sim.As("carol").Approve(pull))
	x.settle()
	v, err := x.Sim.PullView(x.Repo, pull.Number)
	must(t, err)
	if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
		t.Errorf("it should be green\n%s", x.Whole(v))
	}
}
