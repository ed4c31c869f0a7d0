//go:build linux

// Package load_test measures how fast the server is and how large it grows: the real program in a process of its own, with a GitHub that
// is githubsim in the test's. What a benchmark says of time and memory is the server's alone.
//
// Only counts fail anything. The benchmarks fail if a delivery is refused or a check is wrong in the end.
package load_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// patience is how long anything may take before a benchmark is given up. Nothing is timed by it.
const patience = 5 * time.Minute

// senders is how many webhooks GitHub sends at a time.
const senders = 32

// calls is how many GitHub allows an installation in an hour: far more than it does, so that no benchmark measures how the server waits.
const calls = 10_000_000

// town is a world whose server is a process.
type town struct {
	*worldtest.World
	t      testing.TB
	server *process
}

// found makes a world with a policy, starts its server and installs the App.
func found(t testing.TB, policy string) *town {
	t.Helper()
	x := prepare(t, policy)
	x.serve()
	_, err := x.Gate.Install("acme")
	must(t, err)
	x.settle()
	return x
}

// prepare makes a world without a server.
func prepare(t testing.TB, policy string) *town {
	t.Helper()
	return &town{t: t, World: worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: policy, Elsewhere: true, Senders: senders, Calls: calls})}
}

// serve starts the server.
func (x *town) serve() {
	x.t.Helper()
	x.server = start(x.t, program(x.t), []string{"serve"}, x.Environment())
	x.SendWebhooks(x.server.base)
}

// until returns when a condition holds.
func (x *town) until(what string, holds func() bool) {
	x.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			x.t.Fatalf("waited in vain until %s; the server logged:\n%s", what, x.server.tail())
		}
	}
}

// settle returns when all that GitHub told has arrived and was dealt with.
func (x *town) settle() {
	x.t.Helper()
	calm := 0
	x.until("everything is dealt with", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(x.t, x.Sim.Flush(ctx))
		if calm++; x.server.metric("changegate_queue_unsettled")+x.server.metric("changegate_queue_running") > 0 || !x.Sim.Idle() {
			calm = 0
		}
		return calm == 3
	})
}

// refused is how many deliveries the server did not take.
func (x *town) refused() float64 {
	const total = "changegate_webhook_deliveries_total"
	return x.server.metric(total) - x.server.metric(total, `outcome="accepted"`) - x.server.metric(total, `outcome="ignored"`)
}

// mustTakeAll says that every delivery was acknowledged.
func (x *town) mustTakeAll() {
	x.t.Helper()
	if n := x.refused(); n > 0 {
		x.t.Errorf("%g deliveries were refused", n)
	}
	for _, d := range x.Gate.Deliveries() {
		if d.StatusCode != 202 {
			x.t.Fatalf("%s %s was answered %d", d.Event, d.Action, d.StatusCode)
		}
	}
}

// calls is how many calls to GitHub there were since they were last counted, all included.
func (x *town) calls() (n int) {
	for _, c := range x.Sim.Calls() {
		n += c
	}
	return n
}

// outcome is what our check on a pull request says.
func (x *town) outcome(p githubsim.Pull) string {
	x.t.Helper()
	v, err := x.Sim.PullView(p.Repo, p.Number)
	must(x.t, err)
	c, _ := worldtest.OurCheck(v)
	return worldtest.Outcome(c)
}

// green waits until all are green and returns when each was seen to be.
func (x *town) green(pulls []githubsim.Pull) {
	x.t.Helper()
	rest := append([]githubsim.Pull(nil), pulls...)
	x.until("all are green", func() bool {
		for len(rest) > 0 && x.outcome(rest[0]) == "success" {
			rest = rest[1:]
		}
		return len(rest) == 0
	})
}

// open opens a pull request of a file.
func open(t testing.TB, w *worldtest.World, n int) githubsim.Pull {
	t.Helper()
	p, err := w.Sim.As("alice").OpenPull(w.Repo, githubsim.PullOptions{
		Title: fmt.Sprint("Change ", n), Body: worldtest.FullRecord, Branch: fmt.Sprint("topic-", n),
		Files: map[string]string{fmt.Sprintf("src/part%d.go", n): "package part\n"},
	})
	must(t, err)
	return p
}

// others says how busy the machine was besides, so that a result can be judged.
func others(b *testing.B) {
	text, err := os.ReadFile("/proc/loadavg")
	must(b, err)
	b.Logf("load average %s", strings.Join(strings.Fields(string(text))[:3], " "))
}
