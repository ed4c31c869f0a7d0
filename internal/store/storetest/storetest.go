// Package storetest says what a store guarantees, as tests that run on every database.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// Open returns an empty store that tells the time by the clock and is closed when the test ends.
type Open func(t testing.TB, clock func() time.Time) *store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, row := range []struct {
		name string
		test func(t *testing.T, f *fixture)
	}{
		{"a delivery is accepted once", deliveredOnce},
		{"a delivery whose transaction failed is accepted when it comes again", deliveredAfterFailure},
		{"a delivery without identifier is refused", deliveryWithoutID},
		{"a large group", largeGroup},
		{"the newest description stands in any order", newestDescription},
		{"descriptions of one second", descriptionsOfOneSecond},
		{"a repository's new name", renamedRepository},
		{"what comes late of a repository's old name", lateOfARenamedRepository},
		{"pushes lead to the head", pushes},
		{"what a pull request was opened with", origins},
		{"label events keep the head they saw", labelEvents},
		{"reviews and their dismissals", reviews},
		{"checks, the newest of each", checks},
		{"checks of other commits are dropped", checksElsewhere},
		{"checks as read from GitHub", checksRead},
		{"what is concerned by a branch or a repository", bases},
		{"what is concerned by a branch with many", wideBases},
		{"going away and coming back", gone},
		{"what comes late of a repository's leaving", lateLeaving},
		{"what comes late from a deleted installation", endedInstallations},
		{"a repository that leaves and one that comes", addedAndRemoved},
		{"what each delivery asks for", causes},
		{"an owner's policy", floors},
		{"an installation that is deleted", installationGone},
		{"commands are handed out until they are answered", commands},
		{"deliveries that are missing", missingDeliveries},
		{"runs and what is raised meanwhile", runs},
		{"runs and checks that are told of meanwhile", runsOfChecks},
		{"a run that failed leaves its business", failedRun},
		{"a run that another took the place of", staleRun},
		{"jobs are known until the next run ends", knownJobs},
		{"rechecks", rechecks},
		{"decisions and the ledger together", decisions},
		{"checks that a decision waits for", awaitedChecks},
		{"which policy is in force", policiesInForce},
		{"open pull requests", openPulls},
		{"check runs", checkRuns},
		{"leases", leases},
		{"effects", effects},
		{"what a restored copy may have forgotten", doubt},
		{"identities", identities},
		{"rate limits of installations", blocks},
		{"errands are raised by deliveries, with notes", errandsDelivered},
		{"runs of errands and what is raised meanwhile", errandRuns},
		{"errands of a repository that is gone", errandsOfARepositoryThatIsGone},
		{"what a run of an errand leaves", errandSaves},
		{"issues of errands and the commands on them", errandIssues},
		{"notes are dealt with once", notesAreDealtWithOnce},
		{"consequences of decisions", consequences},
		{"debts", debts},
		{"what is owed in a repository that comes back", owing},
		{"pruning errands", pruneErrands},
		{"pruning", prune},
		{"the ledger has no gaps", ledgerWithoutGaps},
		{"the ledger is append-only", ledgerAppendOnly},
		{"the ledger's pages", ledgerPages},
		{"a ledger that an earlier version appended to", ledgerOfAnEarlierVersion},
		{"checkpoints of the ledger", checkpoints},
		{"bundles of the ledger", bundles},
		{"exhibits of the ledger", exhibits},
		{"transactions", transactions},
		{"many at the same time", concurrently},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &fixture{now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
			f.Store = open(t, f.clock)
			row.test(t, f)
		})
	}
}

// fixture is a store with a clock that the test sets.
type fixture struct {
	*store.Store
	mu         sync.Mutex
	now        time.Time
	deliveries int
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// at is a time that GitHub tells, so many seconds after the test began.
func at(seconds int) time.Time {
	return time.Date(2026, 1, 5, 9, 0, seconds, 0, time.UTC)
}

var shop = change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 70}

func key(n int) change.PullKey { return change.PullKey{Repository: shop.ID, Number: change.Number(n)} }

func alice() change.Account { return change.Account{ID: 1, Login: "alice", Kind: change.KindUser} }

// about returns a delivery about one pull request that carries nothing yet.
func (f *fixture) about(n int) change.Delivery {
	f.deliveries++
	return change.Delivery{
		ID: fmt.Sprintf("guid-%d", f.deliveries), Event: "pull_request", Action: "edited", Installation: shop.Installation, Repository: shop,
		Sender: alice(), ReceivedAt: f.clock(), Key: key(n), Concerns: change.ConcernPull,
	}
}

// described returns a delivery that describes a pull request as open with a head.
func (f *fixture) described(n int, head change.SHA, updated time.Time) change.Delivery {
	d := f.about(n)
	d.Pull = &change.Pull{
		Number: d.Key.Number, Title: "Add an index", Body: "so that it is fast", State: change.Open, Author: alice(),
		Head:         change.Branch{Repository: shop.ID, Owner: "acme", Name: "topic", SHA: head},
		Base:         change.Branch{Repository: shop.ID, Owner: "acme", Name: "main", SHA: "b0"},
		ChangedFiles: 3, CreatedAt: at(0), UpdatedAt: updated,
	}
	return d
}

// onHead returns a delivery about a commit.
func (f *fixture) onHead(head change.SHA, check change.Check) change.Delivery {
	d := f.about(0)
	d.Event, d.Key, d.Head, d.Concerns, d.Check = "check_run", change.PullKey{}, head, change.ConcernChecks, &check
	return d
}

func (f *fixture) accept(t testing.TB, group ...change.Delivery) store.Accepted {
	t.Helper()
	a := f.acceptBy(t, group...)
	a.By, a.Jobs, a.Background = store.Causes{}, nil, nil // there are tests of them
	return a
}

func (f *fixture) acceptBy(t testing.TB, group ...change.Delivery) store.Accepted {
	t.Helper()
	var a store.Accepted
	err := f.Write(context.Background(), func(tx store.Tx) (err error) {
		a, err = f.Accept(context.Background(), tx, group)
		return err
	})
	must(t, err)
	return a
}

func (f *fixture) begin(t testing.TB, n int) store.Work {
	t.Helper()
	w, err := f.Begin(context.Background(), key(n))
	must(t, err)
	return w
}

// write runs f in a transaction.
func (f *fixture) write(t testing.TB, do func(tx store.Tx) error) {
	t.Helper()
	must(t, f.Write(context.Background(), do))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
