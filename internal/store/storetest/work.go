package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

func (f *fixture) start(t testing.TB, n int) store.Run {
	t.Helper()
	run, err := f.Start(context.Background(), key(n))
	must(t, err)
	return run
}

func (f *fixture) finish(t testing.TB, run store.Run, recheckAt time.Time) (next store.Next) {
	t.Helper()
	f.write(t, func(tx store.Tx) (err error) {
		next, err = f.Finish(context.Background(), tx, run, recheckAt)
		return err
	})
	return next
}

func (f *fixture) fail(t testing.TB, run store.Run, problem string) (next store.Next, failures int) {
	t.Helper()
	f.write(t, func(tx store.Tx) (err error) {
		next, failures, err = f.Fail(context.Background(), tx, run, problem)
		return err
	})
	return next, failures
}

func (f *fixture) unsettled(t testing.TB) []change.PullKey {
	t.Helper()
	keys, err := f.Unsettled(context.Background(), change.PullKey{}, 10)
	must(t, err)
	return keys
}

func runs(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	equal(t, "unsettled", f.unsettled(t), []change.PullKey{key(1)})
	run := f.start(t, 1)
	equal(t, "concerns", f.begin(t, 1).Concerns, change.ConcernPull)

	meanwhile := f.about(1)
	meanwhile.Concerns = change.ConcernTimeline
	f.accept(t, meanwhile)
	equal(t, "the first run", f.finish(t, run, time.Time{}), store.Again)
	equal(t, "unsettled", f.unsettled(t), []change.PullKey{key(1)})

	run = f.start(t, 1)
	equal(t, "concerns of the second run", f.begin(t, 1).Concerns, change.ConcernTimeline)
	equal(t, "the second run", f.finish(t, run, time.Time{}), store.Settled)
	equal(t, "unsettled", f.unsettled(t), []change.PullKey(nil))
	equal(t, "concerns afterwards", f.begin(t, 1).Concerns, change.Concern(0))

	f.write(t, func(tx store.Tx) error {
		return f.Raise(t.Context(), tx, []change.PullKey{key(1), key(2)}, change.ConcernVerify)
	})
	equal(t, "unsettled", f.unsettled(t), []change.PullKey{key(1), key(2)})
	after, err := f.Unsettled(t.Context(), key(1), 10)
	must(t, err)
	equal(t, "unsettled after the first", after, []change.PullKey{key(2)})
	w := f.begin(t, 2) // raised by its number alone
	equal(t, "state", w.Snapshot.State, change.PullState(""))
	equal(t, "number", w.Snapshot.Number, change.Number(2))
	f.write(t, func(tx store.Tx) error {
		unsettled, err := f.IsUnsettled(t.Context(), tx, key(2))
		equal(t, "unsettled", unsettled, true)
		return err
	})
	_, err = f.Start(t.Context(), key(99))
	wantError(t, err, store.ErrNotFound)
	_, err = f.Begin(t.Context(), key(99))
	wantError(t, err, store.ErrNotFound)
}

func runsOfChecks(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	f.finish(t, f.start(t, 1), time.Time{})
	told := func() {
		t.Helper()
		check := f.onHead("h1", change.Check{Name: "build", State: change.CheckPending, RunID: 1, At: at(2)})
		equal(t, "raised", f.accept(t, check).Raised, []change.PullKey{key(1)})
	}
	told()
	told()
	run := f.start(t, 1)
	equal(t, "concerns", f.begin(t, 1).Concerns, change.ConcernChecks)
	told()
	told()
	equal(t, "told of during the run", f.finish(t, run, time.Time{}), store.Again)
	run = f.start(t, 1)
	told()
	next, _ := f.fail(t, run, "GitHub answers 502")
	equal(t, "told of during a run that fails", next, store.Again)
	told()
	equal(t, "told of before the last run", f.finish(t, f.start(t, 1), time.Time{}), store.Settled)
	equal(t, "unsettled", f.unsettled(t), []change.PullKey(nil))
}

func failedRun(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	for n := 1; n <= 2; n++ {
		next, failures := f.fail(t, f.start(t, 1), "GitHub answers 502")
		equal(t, "next", next, store.Settled)
		equal(t, "failures", failures, n)
	}
	w := f.begin(t, 1)
	equal(t, "concerns", w.Concerns, change.ConcernPull)
	equal(t, "problem", w.Problem, "GitHub answers 502")
	equal(t, "unsettled", len(f.unsettled(t)), 1)

	run := f.start(t, 1)
	f.accept(t, f.about(1))
	next, failures := f.fail(t, run, "") // it only had to wait
	equal(t, "next", next, store.Again)
	equal(t, "failures", failures, 2)
	f.finish(t, f.start(t, 1), time.Time{})
	equal(t, "failures afterwards", f.begin(t, 1).Failures, 0)
}

func staleRun(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	slept := f.start(t, 1)
	successor := f.start(t, 1)
	equal(t, "concerns of the successor", f.begin(t, 1).Concerns, change.ConcernPull)
	equal(t, "the one that slept", f.finish(t, slept, time.Time{}), store.Stale)
	next, _ := f.fail(t, slept, "late")
	equal(t, "the one that slept, failing", next, store.Stale)
	equal(t, "unsettled", len(f.unsettled(t)), 1)
	equal(t, "the successor", f.finish(t, successor, time.Time{}), store.Settled)
}

func knownJobs(t *testing.T, f *fixture) {
	job := store.Job{Due: at(5), Trace: "guid"}
	jobs := func(group ...change.Delivery) map[change.PullKey]store.Job { return f.acceptBy(t, group...).Jobs }
	note := func() {
		f.write(t, func(tx store.Tx) error { return f.SaveJobs(t.Context(), tx, map[change.PullKey]store.Job{key(1): job}) })
	}
	equal(t, "raised first", jobs(f.described(1, "h1", at(1))), map[change.PullKey]store.Job{key(1): {}})
	equal(t, "before it is noted", jobs(f.about(1)), map[change.PullKey]store.Job{key(1): {}})
	note()
	check := f.onHead("h1", change.Check{Name: "build", State: change.CheckPending, RunID: 1, At: at(2)})
	equal(t, "by its number and by its head", jobs(f.about(1), check, f.about(2)), map[change.PullKey]store.Job{key(1): job, key(2): {}})

	run := f.start(t, 1)
	equal(t, "during a run", jobs(f.about(1)), map[change.PullKey]store.Job{key(1): job})
	equal(t, "next", f.finish(t, run, time.Time{}), store.Again)
	equal(t, "after a run", jobs(f.about(1)), map[change.PullKey]store.Job{key(1): {}})
	note()
	f.fail(t, f.start(t, 1), "GitHub answers 502")
	equal(t, "after one that failed", jobs(f.about(1)), map[change.PullKey]store.Job{key(1): {}})
	note()
	slept := f.start(t, 1)
	successor := f.start(t, 1)
	equal(t, "next", f.finish(t, slept, time.Time{}), store.Stale)
	equal(t, "after one whose place another took", jobs(f.about(1)), map[change.PullKey]store.Job{key(1): job})
	equal(t, "next", f.finish(t, successor, time.Time{}), store.Again)

	// One that is dealt with has no job, even if its row says so.
	f.finish(t, f.start(t, 1), time.Time{})
	note()
	equal(t, "raised anew", jobs(f.about(1), f.about(1)), map[change.PullKey]store.Job{key(1): {}})
	closed := f.about(1)
	closed.Gone = true
	note()
	f.accept(t, closed)
	equal(t, "gone and come back", jobs(f.about(1)), map[change.PullKey]store.Job{key(1): {}})
}

func rechecks(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	f.finish(t, f.start(t, 1), at(100))
	due := func(second int) (due bool) {
		f.write(t, func(tx store.Tx) (err error) {
			due, err = f.TakeRecheck(t.Context(), tx, key(1), at(second))
			return err
		})
		return due
	}
	equal(t, "due", due(100), true)
	equal(t, "due when it was taken", due(100), false)
	f.finish(t, f.start(t, 1), at(200))
	equal(t, "due when another was asked for", due(100), false)
	equal(t, "the other", due(200), true)
	f.finish(t, f.start(t, 1), time.Time{})
	equal(t, "due when none is asked for", due(200), false)
}

func awaitedChecks(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)), f.described(2, "h2", at(1)))
	clock, runID, since := 1, int64(0), f.clock()
	f.wait(time.Second)
	told := func(head change.SHA, name string, state change.CheckState) change.Delivery {
		if clock++; state == change.CheckPending {
			runID++
		}
		return f.onHead(head, change.Check{Name: name, State: state, App: "github-actions", RunID: runID, At: at(clock)})
	}
	decide := func(head change.SHA, state change.RequirementState, checks ...string) {
		must(t, f.SaveDecision(t.Context(), change.Decision{Pull: key(1), Head: head, Governed: true, Verdict: change.Waiting,
			Requirements: []change.Requirement{{Kind: change.KindChecks, State: state, Checks: checks}, {Kind: change.KindApprovals, State: change.Awaited}},
		}, "digest", store.Consequences{Since: since}))
	}
	waits := func(what string, want *store.Awaited, group ...change.Delivery) {
		t.Helper()
		got, ok := f.accept(t, group...).CanWait[key(1)]
		if want == nil && ok || want != nil && (!ok || got != *want) {
			t.Errorf("%s: it waits: %t, for %+v, want %+v", what, ok, got, want)
		}
	}
	run := f.start(t, 1)
	f.finish(t, run, time.Time{})
	waits("before a decision", nil, told("h1", "build", change.CheckPending))
	decide("h1", change.Awaited, "build", "unit", "lint")
	waits("one begins", &store.Awaited{Left: 3}, told("h1", "build", change.CheckPending))
	waits("one ends", &store.Awaited{Left: 2}, told("h1", "build", change.CheckSuccess))
	late := told("h1", "build", change.CheckPending)
	late.Check.At, late.Check.RunID = at(0), 1
	waits("what came before that comes late", &store.Awaited{Left: 2}, late)
	waits("one fails", &store.Awaited{Left: 1, Failed: true}, told("h1", "unit", change.CheckFailure))
	waits("one that it does not wait for", &store.Awaited{Left: 1, Failed: true}, told("h1", "nightly", change.CheckPending))
	waits("one on another head", nil, told("h2", "lint", change.CheckSuccess))
	waits("all have ended", nil, told("h1", "lint", change.CheckSkipped))
	waits("one begins again", &store.Awaited{Left: 1, Failed: true}, told("h1", "build", change.CheckPending))
	waits("somebody comments as well", nil, told("h1", "build", change.CheckPending), f.about(1))
	f.finish(t, f.start(t, 1), time.Time{})

	// What ended while the decision was made stays so; a failure is known to it.
	waits("build ends", &store.Awaited{Left: 1, Failed: true}, told("h1", "build", change.CheckSuccess), told("h1", "lint", change.CheckPending), told("h1", "unit", change.CheckFailure))
	decide("h1", change.Failed, "build", "unit")
	waits("it is run again", &store.Awaited{Left: 1}, told("h1", "unit", change.CheckPending))
	waits("it passes", nil, told("h1", "unit", change.CheckSuccess))
	f.finish(t, f.start(t, 1), time.Time{})

	decide("h1", change.Met)
	waits("it waits for none", &store.Awaited{}, told("h1", "build", change.CheckPending))
	must(t, f.SaveCheckRun(t.Context(), store.CheckRun{
		Repository: shop.ID, Head: "h1", Number: 1, Posted: plan.Posted{RunID: 9, Status: plan.Completed, Conclusion: plan.Success},
	}))
	waits("ours is green", nil, told("h1", "build", change.CheckPending))

	f.accept(t, f.described(1, "h3", at(2)))
	f.finish(t, f.start(t, 1), time.Time{})
	waits("the decision is on an earlier head", nil, told("h3", "build", change.CheckPending))
	waits("one ends before the decision on its head", nil, told("h3", "build", change.CheckSuccess))
	f.wait(time.Second)
	since = f.clock()
	f.wait(time.Second)
	waits("another does while it is made", nil, told("h3", "lint", change.CheckSuccess))
	decide("h3", change.Awaited, "build", "lint", "unit") // GitHub showed it an earlier build
	waits("one is left that ended before, and one that runs", &store.Awaited{Left: 2}, told("h3", "unit", change.CheckPending))
	waits("one ends", &store.Awaited{Left: 1}, told("h3", "build", change.CheckSuccess))
	waits("all have ended", nil, told("h3", "unit", change.CheckSuccess))
	f.finish(t, f.start(t, 1), time.Time{})
	later := change.Decision{Pull: key(1), Head: "h3", Requirements: []change.Requirement{{Kind: change.KindChecks, State: change.Awaited, Checks: []string{"e2e"}}}}
	f.wait(time.Minute)
	must(t, f.SaveAwaited(t.Context(), later, f.clock()))
	waits("it waits for another", &store.Awaited{Left: 1}, told("h3", "e2e", change.CheckPending))
	waits("which ends", nil, told("h3", "e2e", change.CheckSuccess))

	f.finish(t, f.start(t, 1), time.Time{})
	waits("it begins again", &store.Awaited{Left: 1}, told("h3", "e2e", change.CheckPending))
	f.write(t, func(tx store.Tx) error {
		return f.SaveJobs(t.Context(), tx, map[change.PullKey]store.Job{key(1): {Due: f.clock().Add(time.Second)}})
	})
	waits("it begins again while the run is put off, which brings that no further forward", &store.Awaited{}, told("h3", "e2e", change.CheckPending))
	waits("another ends meanwhile", &store.Awaited{Left: 1}, told("h3", "e2e", change.CheckPending), told("h3", "unit", change.CheckSuccess))
	waits("somebody comments meanwhile", nil, told("h3", "e2e", change.CheckPending), f.about(1))
}

func decisions(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	d := change.Decision{
		Pull: key(1), Head: "h1", Governed: true, Category: change.HighRisk, Verdict: change.Waiting,
		Requirements: []change.Requirement{{Kind: change.KindApprovals, Name: change.Words("2 reviewers"), State: change.Awaited, Need: 2}},
	}
	entry := ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: 1, SHA: "h1"}, Body: d}
	must(t, f.SaveDecision(t.Context(), d, "digest", store.Consequences{}, entry))
	w := f.begin(t, 1)
	equal(t, "verdict", w.Decision.Verdict, change.Waiting)
	equal(t, "requirements", w.Decision.Requirements, d.Requirements)
	equal(t, "digest", w.Digest, "digest")
	equal(t, "decided at", w.DecidedAt, f.clock())
	entries, err := f.Ledger(t.Context(), ledger.Page{})
	must(t, err)
	equal(t, "entries", len(entries), 1)

	d.Pull = key(99)
	wantError(t, f.SaveDecision(t.Context(), d, "digest", store.Consequences{}, entry), store.ErrNotFound)
	entries, err = f.Ledger(t.Context(), ledger.Page{})
	must(t, err)
	equal(t, "entries after a decision that was not saved", len(entries), 1)
}

func policiesInForce(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	f.accept(t, f.described(2, "h2", at(1)))
	decided := ledger.Draft{Kind: ledger.DecisionChanged}
	for _, row := range []struct {
		name, branch, digest string
		number               int
		new                  bool
	}{
		{"the first decision", "main", "one", 1, true},
		{"the same policy", "main", "one", 1, false},
		{"of another pull request", "main", "one", 2, false},
		{"of another branch", "release", "one", 2, true},
		{"another policy", "main", "two", 2, true},
		{"not on the other branch", "release", "one", 1, false},
		{"the first one again", "main", "one", 1, true},
	} {
		before, err := f.Ledger(t.Context(), ledger.Page{})
		must(t, err)
		drafts := append(make([]ledger.Draft, 0, 5), decided) // with space that is not the store's to use
		p := &store.PolicyInForce{Branch: row.branch, Digest: row.digest, Entry: ledger.Draft{Kind: ledger.PolicyInForce}}
		d := change.Decision{Pull: key(row.number), Head: "h1", Governed: true}
		must(t, f.SaveDecision(t.Context(), d, "digest", store.Consequences{Policy: p}, drafts...))
		after, err := f.Ledger(t.Context(), ledger.Page{})
		must(t, err)
		var kinds []ledger.Kind
		for _, e := range after[len(before):] {
			kinds = append(kinds, e.Kind)
		}
		want := []ledger.Kind{ledger.DecisionChanged}
		if row.new {
			want = []ledger.Kind{ledger.PolicyInForce, ledger.DecisionChanged}
		}
		equal(t, row.name, kinds, want)
	}
}

func openPulls(t *testing.T, f *fixture) {
	for n := range 5 {
		d := f.described(n+1, "h", at(1))
		if n == 2 {
			d.Pull.State = change.Merged
		}
		f.accept(t, d)
	}
	var got []change.PullKey
	var last change.PullKey
	for {
		page, err := f.OpenPulls(t.Context(), last, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			got, last = append(got, p.Key), p.Key
		}
	}
	equal(t, "open", got, []change.PullKey{key(1), key(2), key(4), key(5)})
	with, err := f.PullsWithHead(t.Context(), shop.ID, "h")
	must(t, err)
	equal(t, "with the head", with, []change.PullKey{key(1), key(2), key(4), key(5)})
	p, err := f.Pull(t.Context(), key(3))
	must(t, err)
	equal(t, "state", p.Snapshot.State, change.Merged)

	gone := f.about(5)
	gone.Gone = true
	f.accept(t, gone)
	numbers, err := f.OpenNumbers(t.Context(), shop.ID)
	must(t, err)
	equal(t, "numbers", numbers, []change.Number{1, 2, 4})
	known, err := f.Known(t.Context(), []change.PullKey{key(2), key(3), key(5), key(6)})
	must(t, err)
	equal(t, "known", known, map[change.PullKey]store.KnownPull{
		key(2): {State: change.Open, Head: "h", UpdatedAt: at(1)}, key(3): {State: change.Merged, Head: "h", UpdatedAt: at(1)},
	})
}

func checkRuns(t *testing.T, f *fixture) {
	none, err := f.CheckRun(t.Context(), shop.ID, "h1")
	must(t, err)
	if none != nil {
		t.Errorf("there is %+v", none)
	}
	run := store.CheckRun{
		Repository: shop.ID, Head: "h1", Number: 1, ExternalID: "7:h1",
		Posted: plan.Posted{RunID: 50, Status: plan.InProgress, Digest: "d1", CreatedAt: at(1)},
	}
	must(t, f.SaveCheckRun(t.Context(), run))
	run.RunID, run.Status, run.Conclusion, run.Digest, run.CreatedAt = 51, plan.Completed, plan.Success, "d2", at(2)
	must(t, f.SaveCheckRun(t.Context(), run))
	run.UpdatedAt = f.clock()
	got, err := f.CheckRun(t.Context(), shop.ID, "h1")
	must(t, err)
	equal(t, "check run", *got, run)

	other := run
	other.Head, other.RunID, other.Status, other.Conclusion, other.CreatedAt = "h2", 52, plan.InProgress, "", at(3)
	must(t, f.SaveCheckRun(t.Context(), other))
	all, err := f.CheckRunsOf(t.Context(), key(1))
	must(t, err)
	equal(t, "of the pull request", all, []store.CheckRun{other, run})

	in := store.Intent{Key: "check:7:h2:1", Kind: "update check run", Pull: key(1), Head: "h2"}
	_, _, err = f.Intend(t.Context(), in)
	must(t, err)
	other.Status, other.Conclusion, other.ExternalID = plan.Completed, plan.Failure, in.Key
	must(t, f.CompleteCheckRun(t.Context(), in.Key, nil, other))
	got, err = f.CheckRun(t.Context(), shop.ID, "h2")
	must(t, err)
	equal(t, "written by an effect", []any{got.Conclusion, got.ExternalID}, []any{plan.Failure, in.Key})
	ended, open, err := f.EffectsOn(t.Context(), shop.ID, "h2", in.Kind)
	must(t, err)
	equal(t, "ended, open", []int{ended, len(open)}, []int{1, 0})
}

func leases(t *testing.T, f *fixture) {
	ctx := t.Context()
	name := store.HeadLease(shop.ID, "h1")
	first, err := f.Acquire(ctx, name, "one", time.Minute)
	must(t, err)
	must(t, f.Check(ctx, first))
	_, err = f.Acquire(ctx, name, "two", time.Minute)
	wantError(t, err, store.ErrHeld)
	elsewhere, err := f.Acquire(ctx, store.HeadLease(shop.ID, "h2"), "two", time.Minute)
	must(t, err)
	must(t, f.Check(ctx, elsewhere))

	// The first sleeps through its end: it may write nothing any more, whether or not there is another holder.
	f.wait(time.Minute)
	wantError(t, f.Check(ctx, first), store.ErrFenced)
	second, err := f.Acquire(ctx, name, "two", time.Minute)
	must(t, err)
	if second.Fence <= first.Fence || second.Fence <= elsewhere.Fence {
		t.Errorf("the fence went from %d and %d to %d", first.Fence, elsewhere.Fence, second.Fence)
	}
	must(t, f.Release(ctx, first)) // takes nothing from the second
	must(t, f.Check(ctx, second))
	_, _, err = f.Intend(ctx, store.Intent{Key: "k", Kind: "create check run", Lease: first})
	wantError(t, err, store.ErrFenced)
	f.accept(t, f.described(1, "h1", at(0)))
	d := change.Decision{Pull: key(1), Head: "h1"}
	wantError(t, f.SaveDecision(ctx, d, "digest", store.Consequences{Lease: first}), store.ErrFenced)
	must(t, f.SaveDecision(ctx, d, "digest", store.Consequences{Lease: second}))

	must(t, f.Release(ctx, second))
	wantError(t, f.Check(ctx, second), store.ErrFenced)
	third, err := f.Acquire(ctx, name, "three", time.Minute)
	must(t, err)
	if third.Fence <= second.Fence {
		t.Errorf("the fence went from %d to %d", second.Fence, third.Fence)
	}
	again, err := f.Acquire(ctx, name, "three", time.Minute)
	must(t, err)
	must(t, f.Check(ctx, again))
	wantError(t, f.Check(ctx, third), store.ErrFenced)
}

func doubt(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.accept(t, f.described(1, "h1", at(0)))
	copied := f.clock()
	f.wait(time.Hour)
	f.write(t, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO doubts (since, until) VALUES ($1, $2)`, copied.UnixMicro(), f.clock().Add(time.Hour).UnixMicro())
		return err
	})
	look := func(name string) (e store.Effect, w store.Work, since time.Time) {
		t.Helper()
		e, fresh, err := f.Intend(ctx, store.Intent{Key: name, Kind: "comment", Pull: key(1)})
		must(t, err)
		equal(t, "fresh", fresh, true)
		since, err = f.Doubt(ctx)
		must(t, err)
		return e, f.begin(t, 1), since
	}
	e, w, since := look("comment:1")
	equal(t, "doubt", []time.Time{e.Doubt, w.Doubt, since}, []time.Time{copied, copied, copied})
	must(t, f.Complete(ctx, "comment:1", nil))
	e, _, err := f.Intend(ctx, store.Intent{Key: "comment:1", Kind: "comment", Pull: key(1)})
	must(t, err)
	equal(t, "doubt of what is done", e.Doubt, time.Time{})
	f.wait(time.Hour)
	e, w, since = look("comment:2")
	equal(t, "doubt after its time", []time.Time{e.Doubt, w.Doubt, since}, make([]time.Time, 3))
}

func effects(t *testing.T, f *fixture) {
	ctx := t.Context()
	lease, err := f.Acquire(ctx, store.HeadLease(shop.ID, "h1"), "one", time.Minute)
	must(t, err)
	in := store.Intent{Key: "ask:7#1:security:0", Kind: "request review", Pull: key(1), Head: "h1", Body: map[string]any{"teams": []string{"security"}}, Lease: lease}
	e, fresh, err := f.Intend(ctx, in)
	must(t, err)
	equal(t, "fresh", fresh, true)
	equal(t, "state", e.State, store.EffectIntended)

	// The process dies here. The next one finds it and does not take it for new.
	e, fresh, err = f.Intend(ctx, in)
	must(t, err)
	equal(t, "fresh after a crash", fresh, false)
	equal(t, "state after a crash", e.State, store.EffectIntended)
	equal(t, "body", string(e.Body), `{"teams":["security"]}`)
	equal(t, "attempted at, before it was", e.AttemptedAt, time.Time{})
	f.wait(time.Second)
	must(t, f.Attempt(ctx, in.Key, lease))
	e, _, err = f.Intend(ctx, in)
	must(t, err)
	equal(t, "attempted at", e.AttemptedAt, f.Now())
	must(t, f.TakeBackAttempt(ctx, in.Key, lease, time.Time{}))
	wantError(t, f.TakeBackAttempt(ctx, in.Key, store.Lease{Name: lease.Name, Fence: lease.Fence + 1}, f.Now()), store.ErrFenced)
	e, _, err = f.Intend(ctx, in)
	must(t, err)
	equal(t, "attempted at, when it was taken back", e.AttemptedAt, time.Time{})
	wantError(t, f.Attempt(ctx, in.Key, store.Lease{Name: lease.Name, Fence: lease.Fence + 1}), store.ErrFenced)
	wantError(t, f.Attempt(ctx, "another", lease), store.ErrNotFound)
	ended, open, err := f.EffectsOn(ctx, shop.ID, "h1", "request review", "react")
	must(t, err)
	equal(t, "ended, open", []int{ended, len(open)}, []int{0, 1})

	must(t, f.Complete(ctx, in.Key, map[string]int{"id": 5}))
	must(t, f.Complete(ctx, in.Key, map[string]int{"id": 5}))
	if err := f.FailEffect(ctx, in.Key, "refused"); err == nil {
		t.Error("what is done failed")
	}
	e, fresh, err = f.Intend(ctx, in)
	must(t, err)
	equal(t, "fresh when done", fresh, false)
	equal(t, "state when done", e.State, store.EffectDone)
	equal(t, "result", string(e.Result), `{"id":5}`)
	ended, open, err = f.EffectsOn(ctx, shop.ID, "h1", "request review", "react")
	must(t, err)
	equal(t, "ended, open when done", []int{ended, len(open)}, []int{1, 0})
	ended, open, err = f.EffectsOn(ctx, shop.ID, "h1", "react")
	must(t, err)
	equal(t, "ended, open of another kind", []int{ended, len(open)}, []int{0, 0})

	other := store.Intent{Key: "comment:10", Kind: "comment", Pull: key(1)}
	_, _, err = f.Intend(ctx, other)
	must(t, err)
	open, err = f.OpenEffects(ctx, key(1))
	must(t, err)
	equal(t, "open effects", len(open), 1)
	equal(t, "the open one", open[0].Key, other.Key)
	must(t, f.FailEffect(ctx, other.Key, "the pull request is locked"))
	open, err = f.OpenEffects(ctx, key(1))
	must(t, err)
	equal(t, "open effects at the end", len(open), 0)
	all, err := f.EffectsOf(ctx, key(1))
	must(t, err)
	equal(t, "effects", len(all), 2)
	equal(t, "state", all[1].State, store.EffectFailed)
	equal(t, "why", string(all[1].Result), `"the pull request is locked"`)
	wantError(t, f.Complete(ctx, "unknown", nil), store.ErrNotFound)

	entries, err := f.Ledger(ctx, ledger.Page{Repository: int64(shop.ID), Number: 1})
	must(t, err)
	var kinds []ledger.Kind
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	equal(t, "ledger", kinds, []ledger.Kind{ledger.EffectIntended, ledger.EffectDone, ledger.EffectIntended, ledger.EffectFailed})
	equal(t, "intent", string(entries[0].Body), `{"detail":{"teams":["security"]},"effect":"request review","key":"ask:7#1:security:0"}`)
	equal(t, "result", string(entries[1].Body), `{"detail":{"id":5},"effect":"request review","key":"ask:7#1:security:0"}`)
}

func identities(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, known, err := f.Identity(ctx, "user", "", "octocat")
	must(t, err)
	equal(t, "known", known, false)
	for _, id := range []int64{583231, 999} { // the second has taken over the name
		kept, err := f.RememberIdentity(ctx, "user", "", "octocat", id)
		must(t, err)
		equal(t, "kept", kept, int64(583231))
	}
	kept, err := f.RememberIdentity(ctx, "team", "1", "octocat", 3)
	must(t, err)
	equal(t, "kept of another kind", kept, int64(3))
	id, known, err := f.Identity(ctx, "user", "", "octocat")
	must(t, err)
	equal(t, "known", known, true)
	equal(t, "id", id, int64(583231))
}

func blocks(t *testing.T, f *fixture) {
	ctx := t.Context()
	until, err := f.RateLimitedUntil(ctx, 70)
	must(t, err)
	equal(t, "until", until, time.Time{})
	for _, second := range []int{60, 30} {
		must(t, f.SaveRateLimit(ctx, 70, at(second)))
		until, err = f.RateLimitedUntil(ctx, 70)
		must(t, err)
		equal(t, "until", until, at(60))
	}
}

func prune(t *testing.T, f *fixture) {
	ctx := t.Context()
	open, closed := f.described(1, "h1", at(1)), f.described(2, "h2", at(1))
	f.accept(t, open, closed)
	for _, head := range []change.SHA{"h1", "h2"} {
		f.accept(t, f.onHead(head, change.Check{Name: "build", State: change.CheckSuccess, RunID: 1, At: at(2)}))
		_, err := f.SaveChecks(ctx, shop.ID, head, nil, f.clock(), f.clock())
		must(t, err)
	}
	end := f.described(2, "h2", at(3))
	end.Pull.State = change.Merged
	f.accept(t, end)
	_, err := f.Acquire(ctx, "lease", "one", time.Minute)
	must(t, err)
	must(t, f.Prune(ctx))
	equal(t, "accepted again soon after", f.accept(t, open).New, 0)
	equal(t, "checks of a closed one, soon after", len(f.begin(t, 2).Checks), 1)

	f.wait(100 * 24 * time.Hour)
	must(t, f.Prune(ctx))
	equal(t, "checks of an open one", len(f.begin(t, 1).Checks), 1)
	equal(t, "read of an open one", f.begin(t, 1).ChecksReadAt.IsZero(), false)
	equal(t, "checks of a closed one", len(f.begin(t, 2).Checks), 0)
	equal(t, "accepted again long after", f.accept(t, open).New, 1)
	lease, err := f.Acquire(ctx, "lease", "two", time.Minute)
	must(t, err)
	equal(t, "the next fence", lease.Fence, int64(2))
}

func transactions(t *testing.T, f *fixture) {
	ctx := t.Context()
	boom := errors.New("boom")
	wantError(t, f.Write(ctx, func(tx store.Tx) error {
		must(t, f.Raise(ctx, tx, []change.PullKey{key(1)}, change.ConcernPull))
		return boom
	}), boom)
	equal(t, "unsettled", f.unsettled(t), []change.PullKey(nil))

	// A reader sees what is committed, and does not wait for a writer.
	f.write(t, func(tx store.Tx) error {
		must(t, f.Raise(ctx, tx, []change.PullKey{key(1)}, change.ConcernPull))
		equal(t, "unsettled before the commit", f.unsettled(t), []change.PullKey(nil))
		return nil
	})
	equal(t, "unsettled after the commit", f.unsettled(t), []change.PullKey{key(1)})

	if err := f.Read(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE pulls SET wanted = 99`)
		return err
	}); err == nil {
		t.Error("a reader wrote")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, f.Write(cancelled, func(store.Tx) error { return nil }), context.Canceled)
}
