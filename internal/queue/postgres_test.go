//go:build unix

package queue_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	copied := storetest.Copies(t, pgtest.Start(t))
	suite(t, func(t testing.TB, clock func() time.Time) *store.Store { return openAt(t, copied(t), clock) })
	t.Run("processes are counted", func(t *testing.T) {
		t.Parallel()
		processesAreCounted(t, openAt(t, copied(t), time.Now))
	})
	t.Run("clocks are compared", func(t *testing.T) {
		t.Parallel()
		clocksAreCompared(t, openAt(t, copied(t), time.Now))
	})
	t.Run("a lane that is locked keeps its turn", func(t *testing.T) {
		t.Parallel()
		aLaneThatIsLockedKeepsItsTurn(t, copied(t))
	})
	t.Run("a sleeper leaves its successor's job", func(t *testing.T) {
		t.Parallel()
		aSleeperLeavesItsSuccessorsJob(t, openAt(t, copied(t), time.Now))
	})
}

// clocksAreCompared has a replica warn that its clock is not the database's, and not that it is.
func clocksAreCompared(t *testing.T, s *store.Store) {
	for ahead, want := range map[time.Duration]int{-time.Minute: 1, 0: 0, time.Minute: 1} {
		var log bytes.Buffer
		q, err := queue.New(queue.Config{
			Store: s, Log: zerolog.New(&log).Level(zerolog.WarnLevel), Clock: func() time.Time { return time.Now().Add(ahead) },
		})
		if err != nil {
			t.Fatal(err)
		}
		start(t, q, func(context.Context, change.PullKey) (queue.Result, error) { return queue.Result{}, nil })
		for first, deadline := seen(t, s), time.Now().Add(time.Minute); seen(t, s) == first; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it does not say again that it is alive")
			}
		}
		stop(t, q)
		if n := strings.Count(log.String(), "this machine's clock is not the database's"); n != want {
			t.Errorf("%s ahead: it was said %d times, want %d\n%s", ahead, n, want, log.String())
		}
	}
}

// seen returns when a replica last said that it is alive.
func seen(t *testing.T, s *store.Store) (at string) {
	t.Helper()
	err := s.Read(t.Context(), func(tx store.Tx) error {
		return tx.Query(t.Context(), `SELECT max(seen_at)::text FROM replicas`, nil, func(scan func(...any) error) error { return scan(&at) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func aLaneThatIsLockedKeepsItsTurn(t *testing.T, url string) {
	s := openAt(t, url, time.Now)
	q := newQueueOf(t, s, 1)
	began, goOn := make(chan change.PullKey, 4), make(chan struct{})
	startAlone(t, s, q, stepped(began, goOn))
	next := func(want change.RepositoryID) {
		t.Helper()
		if key := <-began; key.Repository != want {
			t.Errorf("%s began, expected one of %d", key, want)
		}
	}
	raised(t, q, 3, 1)
	next(3)
	raised(t, q, 1, 1)
	raised(t, q, 2, 1)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{`BEGIN`, `SELECT id FROM river_job WHERE queue = 'runs1' FOR UPDATE`} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	goOn <- struct{}{}
	next(2)
	raised(t, q, 3, 2)
	if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	goOn <- struct{}{}
	next(1)
	close(goOn)
	idle(t, q)
}
