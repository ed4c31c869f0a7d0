package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// stepped has each run say that it began, and go on when it is let.
func stepped(began chan change.PullKey, goOn chan struct{}) reconcile {
	return func(_ context.Context, key change.PullKey) (queue.Result, error) {
		began <- key
		<-goOn
		return queue.Result{}, nil
	}
}

// raised delivers for pull requests of a repository of an installation of the same number.
func raised(t testing.TB, q *queue.Queue, id, pulls int) {
	t.Helper()
	group := make([]change.Delivery, pulls)
	for i := range group {
		group[i] = labeled(fmt.Sprint("of ", id, " ", i), change.PullKey{Repository: change.RepositoryID(id), Number: change.Number(i + 1)})
		group[i].Installation = change.InstallationID(id)
	}
	deliver(t, q, group...)
}

// startAlone starts a queue and returns when it has looked for jobs that are missing. It locks those that are there, and whoever waits in a lane
// that is locked is passed over.
func startAlone(t testing.TB, s *store.Store, q *queue.Queue, f reconcile) {
	t.Helper()
	start(t, q, f)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for done := 0; done == 0; {
		err := s.Read(ctx, func(tx store.Tx) error {
			return tx.Query(ctx, `SELECT count(*) FROM river_job WHERE kind = 'sweep' AND state = 'completed'`, nil, func(scan func(...any) error) error { return scan(&done) })
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func anInstallationWithManyHoldsUpNoOther(t *testing.T, s *store.Store) {
	const workers, many = 4, 500
	q := newQueueOf(t, s, workers)
	began, goOn := make(chan change.PullKey, many), make(chan struct{})
	startAlone(t, s, q, stepped(began, goOn))
	raised(t, q, 1, many)
	for range workers {
		if key := <-began; key.Repository != 1 {
			t.Fatalf("%s began, of which nothing was raised yet", key)
		}
	}
	// All workers are busy. The next one is for the other installation, though hundreds were raised before.
	raised(t, q, 2, 1)
	goOn <- struct{}{}
	if key := <-began; key.Repository != 2 {
		t.Errorf("%s began before the only one of an installation that has no worker", key)
	}
	close(goOn)
	idle(t, q)
	if n := workers + 1 + len(began); n != many+1 {
		t.Errorf("%d runs, want one for each of %d", n, many+1)
	}
}

func moreInstallationsThanWorkersTakeTurns(t *testing.T, s *store.Store) {
	const many, each = 5, 20
	q := newQueueOf(t, s, 1)
	began, goOn := make(chan change.PullKey, many*each), make(chan struct{})
	startAlone(t, s, q, stepped(began, goOn))
	for id := range many {
		raised(t, q, id+1, each)
	}
	for range each {
		turn := map[change.RepositoryID]bool{}
		for range many {
			turn[(<-began).Repository] = true
			goOn <- struct{}{}
		}
		if len(turn) != many {
			t.Fatalf("%d runs were of %d installations only", many, len(turn))
		}
	}
	idle(t, q)
}

func whatAnEarlierVersionQueuedIsRun(t *testing.T, s *store.Store) {
	q := newQueueOf(t, s, 1)
	raised(t, q, 1, 3)
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE river_job SET queue = 'runs'`) // where it had no lanes
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	raised(t, q, 2, 3)
	start(t, q, func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil })
	idle(t, q)
}
