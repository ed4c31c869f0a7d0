//go:build linux

package load_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// jobs is how many statuses, and how many check runs, a pull request waits for. Each is reported twice: that it began, and that it succeeded.
const jobs = 25

// waiting is a policy under which pull requests wait for them all.
func waiting() string {
	var b strings.Builder
	b.WriteString(worldtest.OwnPolicy + "checks:\n")
	for n := range jobs {
		fmt.Fprintf(&b, "  - {name: \"ci/status-%d\"}\n  - {name: \"run-%d\"}\n", n, n)
	}
	return b.String()
}

// report is an event about a check.
type report struct {
	pull githubsim.Pull
	job  int  // statuses first
	over bool // it succeeded
}

// send has GitHub told of it.
func (r report) send(sim *githubsim.Sim) error {
	if r.job < jobs {
		return sim.As("sam").PostStatus(r.pull.Repo, r.pull.Head, fmt.Sprint("ci/status-", r.job), map[bool]string{false: "pending", true: "success"}[r.over], "")
	}
	c := githubsim.CheckRun{Name: fmt.Sprint("run-", r.job-jobs), Status: "in_progress"}
	if r.over {
		c = githubsim.CheckRun{Name: c.Name, Status: "completed", Conclusion: "success"}
	}
	_, err := sim.PostCheckRun(r.pull.Repo, r.pull.Head, c)
	return err
}

// reports are those of all checks of pull requests: those of one in any order in which each begins before it is over, and those of all taking
// turns, so that none is done with before the end.
func reports(r *rand.Rand, pulls []githubsim.Pull) (all []report) {
	of := make([][]report, len(pulls))
	for i, p := range pulls {
		order := r.Perm(4 * jobs) // each job twice
		begun := map[int]bool{}
		for _, n := range order {
			job := n / 2
			of[i] = append(of[i], report{p, job, begun[job]})
			begun[job] = true
		}
	}
	for turn := range 4 * jobs {
		for i := range of {
			all = append(all, of[i][turn])
		}
	}
	return all
}

// BenchmarkChecks has 20,000 statuses and check runs come in, as fast as GitHub can send them, over 200 approved pull requests that
// wait for them. An operation is all of them, from the first event until every check is green.
func BenchmarkChecks(b *testing.B) {
	const pulls = 200
	for b.Loop() {
		b.StopTimer()
		x := found(b, waiting())
		all := x.approved(pulls)
		events := reports(rand.New(rand.NewPCG(1, 2)), all)
		others(b)
		x.Sim.ResetCalls()
		taken, cpu := x.server.metric("changegate_webhook_deliveries_total"), x.server.cpu()
		b.StartTimer()

		began := time.Now()
		for _, r := range events {
			must(b, r.send(x.Sim))
		}
		x.until("all are acknowledged", x.Sim.Idle)
		last := time.Now()
		x.green(all)
		settled := time.Now()

		b.StopTimer()
		x.settle()
		x.mustTakeAll()
		_, most := x.server.memory()
		calls := x.calls()
		taken = x.server.metric("changegate_webhook_deliveries_total") - taken
		if taken < float64(len(events)) {
			b.Errorf("%g of %d events arrived", taken, len(events))
		}
		b.ReportMetric(float64(calls), "github-calls")
		b.ReportMetric((x.server.cpu() - cpu).Seconds(), "server-cpu-s")
		b.ReportMetric(most, "server-peak-MB")
		b.ReportMetric(taken/last.Sub(began).Seconds(), "deliveries/s")
		b.ReportMetric(settled.Sub(last).Seconds(), "settled-s")
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
	others(b)
}

// approved opens pull requests and has them approved by two.
func (x *town) approved(n int) []githubsim.Pull {
	x.t.Helper()
	pulls := make([]githubsim.Pull, n)
	for i := range pulls {
		pulls[i] = open(x.t, x.World, i)
	}
	x.settle()
	for _, p := range pulls {
		must(x.t, x.Sim.As("bob").Approve(p))
		must(x.t, x.Sim.As("carol").Approve(p))
	}
	x.settle()
	return pulls
}
