package demo

import (
	"context"
	"sync"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

// workflow is the toy that deploys the shop. Its jobs end well unless somebody ends them otherwise. While the story is told they end at
// once; afterwards they take a moment, so that whoever looks sees them run and can have one fail.
type workflow struct {
	mu     sync.Mutex
	looks  int            // at a job in progress before it ends
	looked map[string]int // by environment and commit
}

func newWorkflow() *workflow { return &workflow{looked: map[string]int{}} }

func (w *workflow) slowDown(looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = looks
}

// outcome is a githubsim.Workflow's.
func (w *workflow) outcome(environment, sha string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	job := environment + " " + sha
	if w.looked[job] < w.looks {
		w.looked[job]++
		return ""
	}
	delete(w.looked, job)
	return "success"
}

// run has workflows run by themselves, a step at each tick, until ctx ends.
func (w *workflow) run(ctx context.Context, sim *githubsim.Sim, ticks <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
			if _, err := sim.RunWorkflows(); err != nil {
				return err
			}
		}
	}
}
