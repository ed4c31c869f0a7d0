//go:build unix

package soak_test

import (
	"net/http"
	"strings"
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

	var struck atomic.Bool
	act := make(chan struct{})
	x.wire.set(func(name string, r *http.Request) (moment, func()) {
		caller := x.replica(name)
		if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/check-runs/") || caller == nil || !struck.CompareAndSwap(false, true) {
			return never, nil
		}
		return late, func() {
			if err := x.Sim.As("dave").RequestChanges(pull, "no"); err != nil {
				t.Error(err)
			}
			caller.signal(syscall.SIGKILL)
			<-act
		}
	})
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
	close(act)
	x.until("the green has come", func() (bool, error) {
		return len(x.written(func(w write) bool { return w.late && !w.ended.IsZero() && strings.Contains(w.body, "success") })) == 1, nil
	})
	x.until("red is shown again", shows("failure"))
	x.settle()
	x.until("red is shown still", shows("failure"))
}
