package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// checkOn is the event of a check on a head.
func checkOn(id string, head change.SHA, name string, run int64, state change.CheckState) change.Delivery {
	return change.Delivery{
		ID: id, Event: "check_run", Action: "created", ReceivedAt: time.Now(), Head: head, Concerns: change.ConcernChecks,
		Repository: change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main"},
		Check:      &change.Check{Name: name, State: state, App: "github-actions", RunID: run, At: time.Now()},
	}
}

func whatIsToldOfChecksWaitsForTheLastOne(t *testing.T, s *store.Store) {
	const head = change.SHA("8f14e45fceea167a5a36dedd4bea2543ad4b5a0c")
	key := pull(1)
	// The queue is stopped, so that jobs stay as they were inserted.
	q := newQueue(t, s)
	start(t, q, func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil })
	opened := labeled("opened", key)
	opened.Pull = described(key, head, time.Now())
	deliver(t, q, opened)
	quiet(t, q)
	stop(t, q)

	for i, step := range []struct {
		what string
		do   func(id string) error
		wait bool
	}{
		{"one begins", func(id string) error {
			return q.Deliver(t.Context(), []change.Delivery{checkOn(id, head, "build", 1, change.CheckPending)})
		}, true},
		{"another begins and ends", func(id string) error {
			return q.Deliver(t.Context(), []change.Delivery{
				checkOn(id, head, "unit", 2, change.CheckPending), checkOn(id+"b", head, "unit", 2, change.CheckSuccess),
			})
		}, true},
		{"the first ends, and none is pending", func(id string) error {
			return q.Deliver(t.Context(), []change.Delivery{checkOn(id, head, "build", 1, change.CheckSuccess)})
		}, false},
		{"one begins again", func(id string) error {
			if err := queue.DeleteJobs(t.Context(), q); err != nil {
				return err
			}
			return q.Deliver(t.Context(), []change.Delivery{checkOn(id, head, "build", 3, change.CheckPending)})
		}, true},
		{"somebody sets a label", func(id string) error { return q.Deliver(t.Context(), []change.Delivery{labeled(id, key)}) }, false},
		{"one begins while a background run waits, and somebody sets a label", func(id string) error {
			if err := queue.DeleteJobs(t.Context(), q); err != nil {
				return err
			}
			if err := q.RaiseInBackground(t.Context(), []change.PullKey{key}, change.ConcernChecks); err != nil {
				return err
			}
			if err := q.Deliver(t.Context(), []change.Delivery{checkOn(id, head, "build", 5, change.CheckPending)}); err != nil {
				return err
			}
			return q.Deliver(t.Context(), []change.Delivery{labeled(id+"b", key)})
		}, false},
		{"many begin", func(id string) error {
			if err := queue.DeleteJobs(t.Context(), q); err != nil {
				return err
			}
			var many []change.Delivery
			for n := range 4 {
				many = append(many, checkOn(fmt.Sprint(id, n), head, fmt.Sprint("many-", n), int64(10+n), change.CheckPending))
			}
			if err := q.Deliver(t.Context(), many); err != nil {
				return err
			}
			job, err := queue.TheOnlyJob(t.Context(), q)
			if wait := job.Due.Sub(job.Inserted); err == nil && wait < 5*time.Second {
				err = fmt.Errorf("it is put off for %s", wait)
			}
			return err
		}, true},
		{"few are left", func(id string) error {
			return q.Deliver(t.Context(), []change.Delivery{
				checkOn(id, head, "many-0", 10, change.CheckSuccess), checkOn(id+"b", head, "many-1", 11, change.CheckSuccess),
				checkOn(id+"c", head, "many-2", 12, change.CheckSuccess),
			})
		}, false},
		{"one begins where ours is green", func(id string) error {
			err := s.SaveCheckRun(t.Context(), store.CheckRun{
				Repository: key.Repository, Head: head, Number: key.Number, Posted: plan.Posted{RunID: 9, Status: plan.Completed, Conclusion: plan.Success},
			})
			if err != nil {
				return err
			}
			if err := queue.DeleteJobs(t.Context(), q); err != nil {
				return err
			}
			return q.Deliver(t.Context(), []change.Delivery{checkOn(id, head, "build", 4, change.CheckPending)})
		}, false},
	} {
		if err := step.do(fmt.Sprint("check-", i)); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		job, err := queue.TheOnlyJob(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if step.wait && job.Due.Sub(job.Inserted) < time.Second || !step.wait && (job.Background || job.Due.After(time.Now())) {
			t.Fatalf("%s: it is %s, the run is %+v", step.what, time.Now(), job)
		}
	}
}
