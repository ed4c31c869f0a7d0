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

// decided has it decided that a pull request waits for checks, of which it has heard nothing.
func decided(t *testing.T, s *store.Store, key change.PullKey, head change.SHA, checks ...string) {
	t.Helper()
	for _, names := range [][]string{nil, checks} {
		d := change.Decision{
			Pull: key, Head: head, Governed: true, Verdict: change.Waiting,
			Requirements: []change.Requirement{{Kind: change.KindChecks, State: change.Awaited, Checks: names}},
		}
		if err := s.SaveDecision(t.Context(), d, "digest", store.Consequences{Since: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
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

	var due time.Time // when the run of the step before is to be
	deliveries, runs := 0, int64(0)
	tell := func(name string, state change.CheckState) change.Delivery {
		deliveries++
		runs++
		return checkOn(fmt.Sprint("check-", deliveries), head, name, runs, state)
	}
	all := func(n int, state change.CheckState) (group []change.Delivery) {
		for i := range n {
			group = append(group, tell(fmt.Sprint("job-", i), state))
		}
		return group
	}
	for _, step := range []struct {
		what   string
		before func() // what happened before, since when nothing is to be done
		told   []change.Delivery
		wait   time.Duration
	}{
		{"one of many begins", func() { decided(t, s, key, head, names(20)...) }, []change.Delivery{tell("job-0", change.CheckPending)}, 15 * time.Second},
		{"few are left", nil, all(17, change.CheckSuccess), 15 * time.Second},
		{"all have ended", nil, all(20, change.CheckSuccess), 0},
		{"one of some begins", func() { decided(t, s, key, head, names(10)...) }, []change.Delivery{tell("job-0", change.CheckPending)}, 6 * time.Second},
		{"one fails", nil, []change.Delivery{tell("job-1", change.CheckFailure)}, 0},
		{"one of few begins", func() { decided(t, s, key, head, names(3)...) }, []change.Delivery{tell("job-0", change.CheckPending)}, 2 * time.Second},
		{"one that it does not wait for ends", nil, []change.Delivery{tell("nightly", change.CheckSuccess)}, 2 * time.Second},
		{"one of many fails", func() { decided(t, s, key, head, names(20)...) }, []change.Delivery{tell("job-0", change.CheckFailure)}, 2 * time.Second},
		{"one that it does not wait for begins", func() { decided(t, s, key, head) }, []change.Delivery{tell("nightly", change.CheckPending)}, 6 * time.Second},
		{"somebody sets a label", nil, []change.Delivery{labeled("label-1", key)}, 0},
		{"one begins while a background run waits", func() {
			if err := q.RaiseInBackground(t.Context(), []change.PullKey{key}, change.ConcernChecks); err != nil {
				t.Fatal(err)
			}
		}, []change.Delivery{tell("job-1", change.CheckPending), labeled("label-2", key)}, 0},
		{"one begins where ours is green", func() {
			err := s.SaveCheckRun(t.Context(), store.CheckRun{
				Repository: key.Repository, Head: head, Number: key.Number, Posted: plan.Posted{RunID: 9, Status: plan.Completed, Conclusion: plan.Success},
			})
			if err != nil {
				t.Fatal(err)
			}
		}, []change.Delivery{tell("job-0", change.CheckPending)}, 0},
	} {
		stands := step.before == nil && step.wait > 0 // the job that there is
		if step.before != nil {
			if err := queue.DeleteJobs(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			step.before()
		}
		began := time.Now()
		if err := q.Deliver(t.Context(), step.told); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		ended := time.Now()
		job, err := queue.TheOnlyJob(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		early, late := began.Add(step.wait-time.Millisecond), ended.Add(step.wait+time.Millisecond) // some databases keep whole milliseconds
		if stands {
			early, late = due, due
		}
		due = job.Due
		if job.Background || job.Due.After(late) || step.wait > 0 && job.Due.Before(early) {
			t.Fatalf("%s: it is put off for %s and not for %s, the run is %+v", step.what, job.Due.Sub(began), step.wait, job)
		}
	}
}

// names returns those of so many checks.
func names(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("job-", i))
	}
	return list
}
