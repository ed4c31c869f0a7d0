package queue_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/storetest"
)

// suite says what the queue guarantees, on every database.
func suite(t *testing.T, open func(t testing.TB, clock func() time.Time) *store.Store) {
	for _, row := range []struct {
		name string
		test func(t *testing.T, s *store.Store)
	}{
		{"no event is swallowed", noEventIsSwallowed},
		{"what is raised during a run is followed by another", whatIsRaisedDuringARunIsFollowedByAnother},
		{"what is raised while a run waits is looked at at once", whatIsRaisedWhileARunWaitsIsLookedAtAtOnce},
		{"failures are repeated with all concerns", failuresAreRepeatedWithAllConcerns},
		{"a killed process loses nothing", aKilledProcessLosesNothing},
		{"the leases of a killed process end", theLeasesOfAKilledProcessEnd},
		{"stopping hands over", stoppingHandsOver},
		{"deliveries before the start", deliveriesBeforeTheStart},
		{"a run is followed by its recheck", aRunIsFollowedByItsRecheck},
		{"a job is run when it is urgent", aJobIsRunWhenItIsUrgent},
		{"background runs come after all others", backgroundRunsComeAfterAllOthers},
		{"a background run is waited for from an event on", aBackgroundRunIsWaitedForFromAnEventOn},
		{"a background run waits for room", aBackgroundRunWaitsForRoom},
		{"nobody waits for the many of a branch", nobodyWaitsForTheManyOfABranch},
		{"an installation with many holds up no other", anInstallationWithManyHoldsUpNoOther},
		{"more installations than workers take turns", moreInstallationsThanWorkersTakeTurns},
		{"what an earlier version queued is run", whatAnEarlierVersionQueuedIsRun},
		{"a delivery is followed to what it did", aDeliveryIsFollowedToWhatItDid},
		{"what is told of checks waits for the last one", whatIsToldOfChecksWaitsForTheLastOne},
		{"sweeps and discoveries", sweepsAndDiscoveries},
		{"what is owed comes back with its repository", whatIsOwedComesBackWithItsRepository},
		{"an owner's policy raises every open pull request", anOwnersPolicyRaisesEveryOpenPullRequest},
		{"jobs that were deleted are found missing", jobsThatWereDeletedAreFoundMissing},
		{"a job of what was dealt with is no run", aJobOfWhatWasDealtWithIsNoRun},
		{"no note is swallowed", noNoteIsSwallowed},
		{"an errand that fails or waits is repeated", anErrandThatFailsOrWaitsIsRepeated},
		{"a killed process loses no errand", aKilledProcessLosesNoErrand},
		{"an errand of a kind that nothing handles is left", anErrandOfAKindThatNothingHandlesIsLeft},
		{"an errand of a repository that is gone waits", anErrandOfARepositoryThatIsGoneWaits},
		{"nothing waits for slow errands", nothingWaitsForSlowErrands},
		{"what is saved raises, or nothing is", whatIsSavedRaisesOrNothingIs},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.test(t, open(t, time.Now))
		})
	}
	t.Run("an errand is followed by its recheck", func(t *testing.T) {
		t.Parallel()
		c := &clock{now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
		anErrandIsFollowedByItsRecheck(t, open(t, c.Now), c)
	})
}

func TestMain(m *testing.M) { ramtest.Main(m) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	suite(t, open)
}

func open(t testing.TB, clock func() time.Time) *store.Store {
	return openAt(t, "sqlite:"+storetest.File(t), clock)
}

func openAt(t testing.TB, url string, clock func() time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type reconcile func(ctx context.Context, key change.PullKey) (queue.Result, error)

func newQueue(t testing.TB, s *store.Store) *queue.Queue { return newQueueOf(t, s, 0) }

func newQueueOf(t testing.TB, s *store.Store, workers int) *queue.Queue {
	t.Helper()
	q, err := queue.New(queue.Config{Store: s, Workers: workers, Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func start(t testing.TB, q *queue.Queue, f reconcile) {
	t.Helper()
	if err := q.Start(t.Context(), queue.Handlers{Reconcile: f}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, q) })
}

func stop(t testing.TB, q *queue.Queue) {
	t.Helper()
	if err := q.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func idle(t testing.TB, q *queue.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := q.Idle(ctx); err != nil {
		t.Fatal(err)
	}
}

func quiet(t testing.TB, q *queue.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := q.Quiet(ctx); err != nil {
		t.Fatal(err)
	}
}

func pull(n int) change.PullKey { return change.PullKey{Repository: 7, Number: change.Number(n)} }

func labeled(id string, key change.PullKey) change.Delivery {
	return change.Delivery{
		ID: id, Event: "pull_request", Action: "labeled", ReceivedAt: time.Now(), Key: key, Concerns: change.ConcernPull,
		Repository: change.Repository{ID: key.Repository, Owner: "acme", Name: "shop", DefaultBranch: "main"},
	}
}

func deliver(t testing.TB, q *queue.Queue, group ...change.Delivery) {
	t.Helper()
	if err := q.Deliver(context.Background(), group); err != nil {
		t.Fatal(err)
	}
}

func noEventIsSwallowed(t *testing.T, s *store.Store) {
	const pulls, groups, size = 200, 100, 200
	q := newQueue(t, s)

	// seen is how many of its deliveries the last run over each pull request found. A run that starts before a delivery is committed
	// does not find it, and must be followed by another.
	var seen [pulls]atomic.Int64
	var running [pulls]atomic.Int32
	var runs atomic.Int64
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		i := int(key.Number) - 1
		if running[i].Add(1) != 1 {
			t.Errorf("two runs at a time over %s", key)
		}
		defer running[i].Add(-1)
		runs.Add(1)
		w, err := s.Begin(ctx, key)
		seen[i].Store(int64(len(w.LabelEvents)))
		return queue.Result{}, err
	})
	for g := range groups {
		group := make([]change.Delivery, size)
		for i := range group {
			n := (g*7 + i) % pulls
			group[i] = labeled(fmt.Sprintf("%d-%d", g, i), pull(n+1))
			group[i].Label = &change.LabelEvent{Label: "urgent", Added: true, At: group[i].ReceivedAt}
		}
		deliver(t, q, group...)
	}
	idle(t, q)
	for i := range pulls {
		if got, want := seen[i].Load(), int64(groups*size/pulls); got != want {
			t.Errorf("the last run over %s found %d deliveries, want %d", pull(i+1), got, want)
		}
	}
	t.Logf("%d deliveries, %d runs", groups*size, runs.Load())
}

func whatIsRaisedDuringARunIsFollowedByAnother(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	entered, leave := make(chan change.Concern, 10), make(chan struct{})
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		w, err := s.Begin(ctx, key)
		if err != nil {
			return queue.Result{}, err
		}
		entered <- w.Concerns
		<-leave
		return queue.Result{}, nil
	})
	deliver(t, q, labeled("1", pull(1)))
	if c := <-entered; c != change.ConcernPull {
		t.Errorf("the first run's concerns are %b", c)
	}
	second := labeled("2", pull(1))
	second.Concerns = change.ConcernTimeline
	deliver(t, q, second)
	leave <- struct{}{}
	if c := <-entered; c != change.ConcernTimeline {
		t.Errorf("the second run's concerns are %b, want only what was raised during the first", c)
	}
	leave <- struct{}{}
	idle(t, q)
	if len(entered) != 0 {
		t.Error("there was a third run")
	}
}

func whatIsRaisedWhileARunWaitsIsLookedAtAtOnce(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	var runs atomic.Int32
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		if runs.Add(1) == 1 {
			return queue.Result{RetryAt: time.Now().Add(time.Hour)}, nil // a minute, in effect
		}
		w, err := s.Begin(ctx, key)
		if want := change.ConcernPull | change.ConcernChecks; w.Concerns != want {
			t.Errorf("concerns are %b, want those of both deliveries, %b", w.Concerns, want)
		}
		return queue.Result{}, err
	})
	deliver(t, q, labeled("1", pull(1)))
	waitFor(t, q, func() bool { d := depth(t, q); return runs.Load() == 1 && d.Running == 0 })
	second := labeled("2", pull(1))
	second.Concerns = change.ConcernChecks
	deliver(t, q, second)
	idle(t, q)
	if runs.Load() != 2 {
		t.Errorf("%d runs, want 2", runs.Load())
	}
}

func depth(t testing.TB, q *queue.Queue) queue.Depth {
	t.Helper()
	d, err := q.Depth(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// waitFor returns when a condition holds that the end of a run makes true.
func waitFor(t testing.TB, q *queue.Queue, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := queue.WaitFor(ctx, q, condition); err != nil {
		t.Fatal(err)
	}
}

func failuresAreRepeatedWithAllConcerns(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	var runs atomic.Int32
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		w, err := s.Begin(ctx, key)
		if err != nil || w.Concerns != change.ConcernPull {
			t.Errorf("run %d: concerns %b, %v", runs.Load()+1, w.Concerns, err)
		}
		switch runs.Add(1) {
		case 1:
			return queue.Result{}, fmt.Errorf("GitHub answers 502")
		case 2:
			if w.Failures != 1 || w.Problem != "GitHub answers 502" {
				t.Errorf("the failure was not kept: %d, %q", w.Failures, w.Problem)
			}
			panic("a mistake of ours")
		}
		return queue.Result{}, nil
	})
	deliver(t, q, labeled("1", pull(1)))
	idle(t, q)
	if p, err := s.Pull(t.Context(), pull(1)); err != nil || p.Failures != 0 || p.Problem != "" {
		t.Errorf("after it went well: %+v, %v", p, err)
	}
}

func aKilledProcessLosesNothing(t *testing.T, s *store.Store) {
	const pulls = 5
	dead := newQueueOf(t, s, pulls) // all busy when it is killed, so that it takes nothing more
	entered := make(chan struct{}, pulls)
	hang := make(chan struct{})
	revive := sync.OnceFunc(func() { close(hang) })
	start(t, dead, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		entered <- struct{}{}
		<-hang // never comes back, as far as the next process can tell
		return queue.Result{}, nil
	})
	t.Cleanup(revive)
	for n := range pulls {
		deliver(t, dead, labeled(fmt.Sprint(n), pull(n+1)))
		<-entered
	}
	queue.Kill(t.Context(), dead)

	var mu sync.Mutex
	got := map[change.PullKey]change.Concern{}
	next := newQueue(t, s)
	start(t, next, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		w, err := s.Begin(ctx, key)
		mu.Lock()
		defer mu.Unlock()
		got[key] |= w.Concerns
		return queue.Result{}, err
	})
	// One more of each arrives, which River would swallow if the dead process' jobs were still running.
	for n := range pulls {
		deliver(t, next, labeled(fmt.Sprint("again", n), pull(n+1)))
	}
	idle(t, next)
	mu.Lock()
	for n := range pulls {
		if !got[pull(n+1)].Has(change.ConcernPull) {
			t.Errorf("%s was not looked at by the next process", pull(n+1))
		}
	}
	mu.Unlock()

	// The dead process comes back to life: its runs' ends count for nothing.
	revive()
	stop(t, dead)
	idle(t, next)
	if d := depth(t, next); d.Unsettled != 0 {
		t.Errorf("%d pull requests are unsettled", d.Unsettled)
	}
}

func stoppingHandsOver(t *testing.T, s *store.Store) {
	first := newQueue(t, s)
	entered := make(chan struct{})
	start(t, first, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		w, err := s.Begin(ctx, key)
		if err != nil || w.Concerns != change.ConcernPull {
			t.Errorf("concerns %b, %v", w.Concerns, err)
		}
		close(entered)
		<-ctx.Done() // it obeys, and has not done its business
		return queue.Result{}, ctx.Err()
	})
	deliver(t, first, labeled("1", pull(1)))
	<-entered
	queue.Interrupt(t.Context(), first)

	p, err := s.Pull(t.Context(), pull(1))
	if err != nil || p.Failures != 0 {
		t.Errorf("being stopped counts as a failure: %+v, %v", p, err)
	}
	var runs atomic.Int32
	second := newQueue(t, s)
	start(t, second, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		runs.Add(1)
		w, err := s.Begin(ctx, key)
		if w.Concerns != change.ConcernPull {
			t.Errorf("concerns are %b after the hand-over", w.Concerns)
		}
		return queue.Result{}, err
	})
	idle(t, second)
	if runs.Load() != 1 {
		t.Errorf("%d runs after the hand-over, want 1", runs.Load())
	}
}

func deliveriesBeforeTheStart(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	deliver(t, q, labeled("1", pull(1)))
	if err := q.Raise(t.Context(), []change.PullKey{pull(2)}, change.ConcernVerify); err != nil {
		t.Fatal(err)
	}
	if d := depth(t, q); d.Unsettled != 2 || d.Running != 0 {
		t.Errorf("depth is %+v", d)
	}
	var runs atomic.Int32
	start(t, q, func(context.Context, change.PullKey) (queue.Result, error) {
		runs.Add(1)
		return queue.Result{}, nil
	})
	idle(t, q)
	if runs.Load() != 2 {
		t.Errorf("%d runs, want 2", runs.Load())
	}
	if err := q.Start(t.Context(), queue.Handlers{Reconcile: func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil }}); err == nil {
		t.Error("it was started twice")
	}
}

func aRunIsFollowedByItsRecheck(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	var runs atomic.Int32
	verified, soon := make(chan struct{}), time.Now().Add(time.Second).Truncate(time.Second)
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		w, err := s.Begin(ctx, key)
		if err != nil {
			return queue.Result{}, err
		}
		switch runs.Add(1) {
		case 1:
			return queue.Result{RecheckAt: time.Now().Add(time.Hour)}, nil
		case 2:
			return queue.Result{RecheckAt: soon}, nil
		case 3: // by its clock it comes too early
			return queue.Result{RecheckAt: soon}, nil
		}
		if w.Concerns != change.ConcernVerify {
			t.Errorf("the recheck's concerns are %b", w.Concerns)
		}
		close(verified)
		return queue.Result{}, nil
	})
	deliver(t, q, labeled("1", pull(1)))
	idle(t, q)
	deliver(t, q, labeled("2", pull(1)))
	<-verified
	idle(t, q)
	if runs.Load() != 4 {
		t.Errorf("%d runs, want 4: two deliveries, and a recheck which came too early and again", runs.Load())
	}
}

func sweepsAndDiscoveries(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	swept, found := make(chan struct{}, 10), make(chan change.RepositoryID, 10)
	q.Every("sweep", time.Hour, func(context.Context) error {
		swept <- struct{}{}
		return nil
	})
	d := labeled("1", pull(0))
	d.Concerns, d.Added = 0, []change.Repository{{ID: 9, Owner: "acme", Name: "till"}}
	deliver(t, q, d)
	err := q.Start(t.Context(), queue.Handlers{
		Reconcile: func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil },
		Discover: func(_ context.Context, repo change.RepositoryID) error {
			found <- repo
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, q) })
	<-swept
	if id := <-found; id != 9 {
		t.Errorf("repository %d was discovered, want 9", id)
	}
}

// Of those that were merged, which no list of GitHub's has, one owes something and was forgotten while the repository was away.
func whatIsOwedComesBackWithItsRepository(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	merged := labeled("1", pull(1))
	merged.Pull = &change.Pull{Number: 1, State: change.Merged, Head: change.Branch{SHA: "h1"}, UpdatedAt: time.Unix(1, 0)}
	deliver(t, q, merged)
	debt := change.Debt{Pull: pull(1), Kind: change.DebtReview, Owner: 5, Due: time.Unix(2, 0)}
	if err := s.SaveDecision(t.Context(), change.Decision{Pull: pull(1), Head: "h1"}, "digest", store.Consequences{Debts: []change.Debt{debt}}); err != nil {
		t.Fatal(err)
	}
	away := func(id string) {
		left := labeled(id, pull(0))
		left.Key, left.Concerns, left.Removed = change.PullKey{}, 0, []change.RepositoryID{pull(1).Repository}
		left.Repository = change.Repository{}
		deliver(t, q, left)
		if p, err := s.Pull(t.Context(), pull(1)); err != nil || !p.Gone {
			t.Fatalf("it is gone: %t, %v", p.Gone, err)
		}
	}
	looked, followed := make(chan change.PullKey, 10), make(chan change.Errand, 10)
	both := func(when string) {
		t.Helper()
		if key := <-looked; key != pull(1) {
			t.Errorf("%s %s was looked at", when, key)
		}
		if e, want := <-followed, (change.Errand{Kind: change.ErrandRetrospective, Repository: 7, Name: "1"}); e != want {
			t.Errorf("%s %s was looked at, want %s", when, e, want)
		}
		idle(t, q)
		if p, err := s.Pull(t.Context(), pull(1)); err != nil || p.Gone {
			t.Errorf("%s it is gone: %t, %v", when, p.Gone, err)
		}
	}
	away("2")
	unheard := labeled("3", pull(0)) // it is ours again, which nothing told
	unheard.Key, unheard.Concerns = change.PullKey{}, 0
	deliver(t, q, unheard)
	err := q.Start(t.Context(), queue.Handlers{
		Reconcile: func(_ context.Context, key change.PullKey) (queue.Result, error) {
			looked <- key
			return queue.Result{}, nil
		},
		Discover: func(context.Context, change.RepositoryID) error { return nil },
		Errands: map[change.ErrandKind]handler{change.ErrandRetrospective: func(_ context.Context, e change.Errand) (queue.Result, error) {
			followed <- e
			return queue.Result{}, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, q) })
	both("after the start")

	away("4")
	back := labeled("5", pull(0))
	back.Key, back.Concerns, back.Added = change.PullKey{}, 0, []change.Repository{unheard.Repository}
	deliver(t, q, back)
	both("when it was added")
}

func anOwnersPolicyRaisesEveryOpenPullRequest(t *testing.T, s *store.Store) {
	const n = 230 // more than two batches
	q := newQueue(t, s)
	var group []change.Delivery
	for i := range n {
		d := labeled(fmt.Sprint(i), pull(i+1))
		d.Installation = 9
		d.Pull = &change.Pull{Number: d.Key.Number, State: change.Open, Head: change.Branch{SHA: change.SHA(fmt.Sprint("h", i))}, Base: change.Branch{Name: "main"}, UpdatedAt: time.Unix(1, 0)}
		group = append(group, d)
	}
	deliver(t, q, group...)
	var mu sync.Mutex
	seen, urgent := map[change.PullKey]int{}, map[change.Number]bool{}
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		work, err := s.Begin(ctx, key)
		mu.Lock()
		defer mu.Unlock()
		if work.Concerns.Has(change.ConcernFloor) {
			seen[key]++
			if !queue.IsBackground(ctx) {
				urgent[key.Number] = true
			}
		}
		return queue.Result{}, err
	})
	quiet(t, q)
	for _, green := range []int{7, 207} {
		err := s.SaveCheckRun(t.Context(), store.CheckRun{
			Repository: pull(green).Repository, Head: change.SHA(fmt.Sprint("h", green-1)), Number: pull(green).Number,
			Posted: plan.Posted{RunID: int64(green), Status: plan.Completed, Conclusion: plan.Success},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pushed := labeled("pushed", pull(1))
	pushed.Installation, pushed.Key, pushed.Concerns, pushed.Floor = 9, change.PullKey{}, 0, true
	deliver(t, q, pushed)
	quiet(t, q)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != n {
		t.Errorf("%d pull requests were looked at, want %d", len(seen), n)
	}
	if len(urgent) != 2 || !urgent[7] || !urgent[207] {
		t.Errorf("somebody waits for %v, want those that are green", urgent)
	}
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s was looked at %d times", key, times)
		}
	}
}

func jobsThatWereDeletedAreFoundMissing(t *testing.T, s *store.Store) {
	q := newQueue(t, s)
	deliver(t, q, labeled("1", pull(1)))
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM river_job`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, q, func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil })
	idle(t, q)
}

func aJobOfWhatWasDealtWithIsNoRun(t *testing.T, s *store.Store) {
	q, key := newQueue(t, s), pull(1)
	recheck := time.Now().Add(time.Hour).Truncate(time.Second)
	var runs atomic.Int32
	start(t, q, func(context.Context, change.PullKey) (queue.Result, error) {
		runs.Add(1)
		return queue.Result{RecheckAt: recheck}, nil
	})
	deliver(t, q, labeled("1", key))
	quiet(t, q)
	if err := queue.InsertJob(t.Context(), q, key); err != nil {
		t.Fatal(err)
	}
	quiet(t, q)
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
	err := s.Write(t.Context(), func(tx store.Tx) error {
		due, err := s.TakeRecheck(t.Context(), tx, key, recheck)
		if !due {
			t.Error("the recheck was forgotten")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, q, labeled("2", key))
	quiet(t, q)
	if n := runs.Load(); n != 2 {
		t.Errorf("%d runs after another delivery, want 2", n)
	}
}
