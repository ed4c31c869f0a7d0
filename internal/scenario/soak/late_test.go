//go:build unix

package soak_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// TestLateWrite has a process die while GitHub works on its green, which comes to be shown only after the next process has looked for it, has found
// nothing, and has shown the red that is right by then. The green does not stay.
func TestLateWrite(t *testing.T) {
	t.Parallel()
	x := found(t, nil, 1)
	pull, err := x.Sim.As("alice").OpenPull(x.Repo, githubsim.PullOptions{
		Title: "Change it", Body: worldtest.FullRecord, Branch: "topic", Files: map[string]string{"src/part.go": "package part\n"},
	})
	must(t, err)
	must(t, x.Sim.As("bob").Approve(pull))
	x.settle()

	act := x.delay(http.MethodPatch, func() error { return x.Sim.As("dave").RequestChanges(pull, "no") })
	must(t, x.Sim.As("carol").Approve(pull))
	outcome := func() string {
		v, err := x.Sim.PullView(x.Repo, pull.Number)
		must(t, err)
		c, _ := worldtest.OurCheck(v)
		return worldtest.Outcome(c)
	}
	shows := func(want string) func() (bool, error) {
		return func() (bool, error) { return outcome() == want, nil }
	}
	x.until("the next process shows red", shows("failure"))
	act()
	x.until("the green has come", func() (bool, error) {
		return len(x.written(func(w write) bool { return w.late && !w.ended.IsZero() && strings.Contains(w.body, "success") })) == 1, nil
	})
	x.until("red is shown again", shows("failure"))
	x.settle()
	x.until("red is shown still", shows("failure"))
}

// TestLateCheckRun has a process die while GitHub works on its new check run, which comes to be only after the next process has posted another. One
// of the two is ended, as what people see is the other.
func TestLateCheckRun(t *testing.T) {
	t.Parallel()
	x := found(t, nil, 1)
	act := x.delay(http.MethodPost, func() error { return nil })
	pull, err := x.Sim.As("alice").OpenPull(x.Repo, githubsim.PullOptions{
		Title: "Change it", Body: worldtest.FullRecord, Branch: "topic", Files: map[string]string{"src/part.go": "package part\n"},
	})
	must(t, err)
	v, err := x.Sim.PullView(x.Repo, pull.Number)
	must(t, err)
	shown := func(want int) func() (bool, error) {
		return func() (bool, error) {
			runs, err := x.CheckRuns(x.Repo, v.Head)
			return len(runs) == want, err
		}
	}
	x.until("the next process shows another", shown(1))
	act()
	x.until("both have come", shown(2))
	x.until("one is replaced, and the other waits", func() (bool, error) {
		runs, err := x.CheckRuns(x.Repo, v.Head)
		replaced, waits := 0, 0
		for _, r := range runs {
			switch {
			case r.GetConclusion() == "cancelled" && r.GetOutput().GetTitle() == "Replaced":
				replaced++
			case r.GetStatus() == "in_progress":
				waits++
			}
		}
		return replaced == 1 && waits == 1, err
	})
	must(t, x.Sim.As("bob").Approve(pull))
	must(t, x.Sim.As("carol").Approve(pull))
	x.settle()
	runs, err := x.CheckRuns(x.Repo, v.Head)
	must(t, err)
	if len(runs) != 2 {
		t.Errorf("%d check runs are there", len(runs))
	}
	if v, err = x.Sim.PullView(x.Repo, pull.Number); err != nil {
		t.Fatal(err)
	}
	if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
		t.Errorf("the check run people see is %s", worldtest.Outcome(c))
	}
}

// delay has the first process that writes a check run by a method die of it, and GitHub act on that write only when act is called. Meanwhile,
// first of all, something else happens.
func (x *town) delay(method string, meanwhile func() error) (act func()) {
	var struck atomic.Bool
	may := make(chan struct{})
	x.wire.set(func(name string, r *http.Request) (moment, func()) {
		caller := x.replica(name)
		if r.Method != method || !strings.Contains(r.URL.Path, "/check-runs") || caller == nil || !struck.CompareAndSwap(false, true) {
			return never, nil
		}
		return late, func() {
			if err := meanwhile(); err != nil {
				x.t.Error(err)
			}
			caller.signal(syscall.SIGKILL)
			<-may
		}
	})
	act = sync.OnceFunc(func() { close(may) })
	x.t.Cleanup(act)
	return act
}
