//go:build linux

package load_test

import (
	"math/rand/v2"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// TestCallsOfChecks is BenchmarkChecks with fewer pull requests and in one process: however the events come together, they cost no more than
// eight calls a pull request.
func TestCallsOfChecks(t *testing.T) {
	const pulls, limit = 20, 160
	w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: waiting(), Senders: senders})
	var all []githubsim.Pull
	for n := range pulls {
		all = append(all, open(t, w, n))
	}
	must(t, w.Quiet())
	for _, p := range all {
		w.Forward(worldtest.Pace)
		must(t, w.Sim.As("bob").Approve(p))
		must(t, w.Sim.As("carol").Approve(p))
	}
	must(t, w.Quiet())
	w.Forward(worldtest.Pace)
	w.Sim.ResetCalls()
	for _, r := range reports(rand.New(rand.NewPCG(1, 2)), all) {
		must(t, r.send(w.Sim))
	}
	must(t, w.Quiet())
	calls := w.Calls()
	t.Logf("%d calls", len(calls))
	if len(calls) > limit {
		t.Errorf("%d calls, and %d are the limit", len(calls), limit)
	}
	for _, p := range all {
		v, err := w.Sim.PullView(p.Repo, p.Number)
		must(t, err)
		if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
			t.Fatalf("it should be green\n%s", w.Whole(v))
		}
	}
}
