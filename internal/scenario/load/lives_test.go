//go:build linux

package load_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// lifeChecks are required in addition to the approvals.
const lifeChecks = "checks:\n  - {name: \"ci/status-0\"}\n  - {name: run-0}\n  - {name: run-1}\n"

// latency is what every call to GitHub takes longer.
const latency = 50 * time.Millisecond

// BenchmarkLives has two hundred pull requests live at once, while every call to GitHub takes 50 ms: each is opened, labelled, approved by those
// who must, its checks begin and succeed, and as soon as ours is green it is merged. An operation is all of them.
func BenchmarkLives(b *testing.B) {
	const lives = 200
	for b.Loop() {
		b.StopTimer()
		x := found(b, worldtest.OwnPolicy+lifeChecks)
		x.Sim.SetLatency(latency)
		others(b)
		x.Sim.ResetCalls()
		cpu := x.server.cpu()
		b.StartTimer()

		began := time.Now()
		pulls := make([]githubsim.Pull, lives)
		x.all(lives, func(n int) error { return x.live(n, &pulls[n]) })
		last := time.Now()
		x.green(pulls)
		green := time.Now()
		x.all(lives, func(n int) error { return x.Sim.As("dave").Merge(pulls[n], githubsim.MergeOptions{}) })
		merged := time.Now()
		x.settle()
		settled := time.Now()

		b.StopTimer()
		x.mustTakeAll()
		for _, p := range pulls {
			v, err := x.Sim.PullView(p.Repo, p.Number)
			must(b, err)
			if c, _ := worldtest.OurCheck(v); v.State != "merged" || worldtest.Outcome(c) != "success" {
				b.Errorf("%s is %s and its check is %s: %s\n%s", p, v.State, worldtest.Outcome(c), c.Title, c.Summary)
			}
		}
		_, most := x.server.memory()
		b.ReportMetric(last.Sub(began).Seconds(), "events-s")
		b.ReportMetric(green.Sub(last).Seconds(), "green-after-s")
		b.ReportMetric(settled.Sub(merged).Seconds(), "settled-after-merges-s")
		b.ReportMetric(float64(x.calls()), "github-calls")
		b.ReportMetric((x.server.cpu() - cpu).Seconds(), "server-cpu-s")
		b.ReportMetric(most, "server-peak-MB")
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
	others(b)
}

// all does something with each of so many, all at once.
func (x *town) all(n int, do func(n int) error) {
	x.t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := do(i); err != nil {
				x.t.Error(err)
			}
		})
	}
	wg.Wait()
}

// live is a life until all is there that its check waits for.
func (x *town) live(n int, pull *githubsim.Pull) (err error) {
	*pull, err = x.Sim.As("alice").OpenPull(x.Repo, githubsim.PullOptions{
		Title: fmt.Sprint("Change ", n), Body: worldtest.FullRecord, Branch: fmt.Sprint("topic-", n),
		Files: map[string]string{fmt.Sprintf("src/part%d.go", n): "package part\n"},
	})
	if err != nil {
		return err
	}
	if err := x.Sim.As("alice").AddLabel(*pull, "high-risk"); err != nil {
		return err
	}
	for _, job := range []int{0, jobs, jobs + 1} {
		if err := (report{*pull, job, false}).send(x.Sim); err != nil {
			return err
		}
	}
	for _, who := range []string{"bob", "carol", "dave", "sam"} { // with the tech lead and security that the label asks for
		if err := x.Sim.As(who).Approve(*pull); err != nil {
			return err
		}
	}
	for _, job := range []int{0, jobs, jobs + 1} {
		if err := (report{*pull, job, true}).send(x.Sim); err != nil {
			return err
		}
	}
	return nil
}
