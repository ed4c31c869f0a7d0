//go:build unix

package store_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	copied := storetest.Copies(t, server)
	storetest.Run(t, func(t testing.TB, clock func() time.Time) *store.Store {
		return open(t, store.Config{URL: copied(t), Clock: clock})
	})
	t.Run("several open at once", func(t *testing.T) { severalOpenAtOnce(t, server.Database(t)) })
	t.Run("connections", func(t *testing.T) { theURLSaysHowManyConnections(t, copied(t)) })
	t.Run("too few connections", func(t *testing.T) { oneConnectionIsRefused(t, server.Database(t)) })
	t.Run("another primary", func(t *testing.T) { anotherPrimaryIsFound(t, copied(t)) })
	t.Run("one order of locks", func(t *testing.T) { groupsLockInOneOrder(t, copied(t)) })
	t.Run("checks told beside a reading", func(t *testing.T) { checksToldBesideAReading(t, copied(t)) })
}

func theURLSaysHowManyConnections(t *testing.T, url string) {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	for suffix, want := range map[string]int32{"": 16, separator + "pool_max_conns=3": 3} {
		s := open(t, store.Config{URL: url + suffix})
		if got := s.Native().(*pgxpool.Pool).Config().MaxConns; got != want {
			t.Errorf("%q: %d connections, want %d", suffix, got, want)
		}
	}
}

// A server with one connection would wait for a second one for ever, and keep all others from their start meanwhile.
func oneConnectionIsRefused(t *testing.T, url string) {
	_, err := store.Open(t.Context(), store.Config{URL: url + "&pool_max_conns=1"})
	if want := "database.url: pool_max_conns is 1, a server needs 2 at least"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	open(t, store.Config{URL: url + "&pool_max_conns=2"})
}

// anotherPrimaryIsFound has a server take no writes for a while, as one that became a standby. Once the URL leads to one that takes them, so does the store.
func anotherPrimaryIsFound(t *testing.T, url string) {
	s := open(t, store.Config{URL: url})
	acquire := func() error {
		_, err := s.Acquire(t.Context(), "lease", "me", time.Minute)
		return err
	}
	must(t, acquire())
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.Background())
	run := func(query string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), query)
		must(t, err)
	}
	run(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`)
	run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	for deadline := time.Now().Add(time.Minute); ; {
		err := acquire()
		if err != nil && strings.Contains(err.Error(), "read") { // and not only that its connections were ended
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("on a standby: %v", err)
		}
	}
	readOnly, err := store.OpenExisting(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatalf("to read what is on a standby: %v", err)
	}
	must(t, readOnly.Close())
	run(`SET default_transaction_read_only = off`)
	run(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$`)
	if err := acquire(); err != nil {
		t.Errorf("on another primary: %v", err)
	}
}

// groupsLockInOneOrder has another process hold the first of two pull requests that a group of deliveries concerns, or be about to make it. While the
// group waits for that one it must not have the second: the other may want it next, and each would wait for what the other has.
func groupsLockInOneOrder(t *testing.T, url string) {
	repo := change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 1}
	about := func(id string, n change.Number) change.Delivery {
		return change.Delivery{
			ID: id, Event: "pull_request", Repository: repo, Installation: 1, Key: change.PullKey{Repository: 7, Number: n}, Concerns: change.ConcernPull,
		}
	}
	opened := func(id string, n change.Number, head change.SHA) change.Delivery {
		d := about(id, n)
		d.Pull = &change.Pull{Number: n, State: change.Open, Head: change.Branch{SHA: head}, Base: change.Branch{Name: "main"}, UpdatedAt: time.Now()}
		return d
	}
	s := open(t, store.Config{URL: url})
	accept := func(group ...change.Delivery) error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			_, err := s.Accept(t.Context(), tx, group)
			return err
		})
	}
	must(t, accept(opened("opened 1", 1, "aaa"), opened("opened 2", 2, "bbb")))
	other, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer other.Close(context.Background())
	run := func(query string) {
		t.Helper()
		_, err := other.Exec(t.Context(), query)
		must(t, err)
	}
	// Statement is what the other process does before, and later the number of the second.
	inOrder := func(statement, what string, later change.Number, group ...change.Delivery) {
		t.Helper()
		run(`BEGIN`)
		run(statement)
		accepted := make(chan error, 1)
		go func() { accepted <- accept(group...) }()
		waitsForALock(t, other)
		if _, err := other.Exec(t.Context(), `SELECT 1 FROM pulls WHERE repository = 7 AND number = $1 FOR UPDATE NOWAIT`, later); err != nil {
			t.Errorf("%s: the group has pull request %d while it waits for an earlier one: %v", what, later, err)
		}
		run(`ROLLBACK`)
		must(t, <-accepted)
	}
	heldFirst := func(what string, first change.Delivery) {
		t.Helper()
		inOrder(`SELECT 1 FROM pulls WHERE number = 1 FOR UPDATE`, "by "+what, 2, about("about 2, beside "+what, 2), first)
	}
	heldFirst("a head", change.Delivery{ID: "check", Event: "check_suite", Repository: repo, Head: "aaa", Concerns: change.ConcernChecks})
	heldFirst("a base", change.Delivery{ID: "push", Event: "push", Repository: repo, Base: "main", Concerns: change.ConcernContent})
	heldFirst("all of its branch", change.Delivery{ID: "renamed", Event: "repository", Repository: repo, Base: "*", Concerns: change.ConcernPull})
	elsewhere := about("opened elsewhere", 9)
	elsewhere.Repository.ID, elsewhere.Key.Repository = 6, 6
	inOrder(`INSERT INTO pulls (repository, number) VALUES (6, 9)`, "of a new one", 1, elsewhere,
		change.Delivery{ID: "another check", Event: "check_suite", Repository: repo, Head: "aaa", Concerns: change.ConcernChecks})
	run(`UPDATE pulls SET state = 'merged' WHERE number = 1`)
	run(`INSERT INTO debts (repository, number, kind, owner, due_at, settled_at) VALUES (7, 1, 'emergency', 0, 1, 0)`)
	heldFirst("what is owed", change.Delivery{ID: "unarchived", Event: "repository", Repository: repo, Base: "*", Concerns: change.ConcernVerify})
}

// checksToldBesideAReading has another process keep a check that a delivery told of, while what was read of the others is kept and is as it is held.
func checksToldBesideAReading(t *testing.T, url string) {
	s := open(t, store.Config{URL: url})
	began := time.Now().Truncate(time.Second)
	build := change.Check{Name: "build", State: change.CheckSuccess, RunID: 1, At: began}
	test := change.Check{Name: "test", State: change.CheckFailure, RunID: 2, At: began}
	save := func() ([]store.Told, error) {
		return s.SaveChecks(t.Context(), 7, "aaa", []change.Check{build}, began, began.Add(-time.Minute))
	}
	_, err := save()
	must(t, err)
	other, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer other.Close(context.Background())
	run := func(query string, args ...any) {
		t.Helper()
		_, err := other.Exec(t.Context(), query, args...)
		must(t, err)
	}
	run(`BEGIN`)
	run(`SELECT 1 FROM checks FOR UPDATE`)
	saved := make(chan error, 1)
	var told []store.Told
	go func() {
		var err error
		told, err = save()
		saved <- err
	}()
	waitsForALock(t, other)
	body, err := json.Marshal(test)
	must(t, err)
	arrived := began.Add(-time.Second).UnixMicro()
	run(`INSERT INTO checks (repository, sha, name, app, status, run_id, id, pending, at, arrived, body) VALUES (7, 'aaa', 'test', '', 0, 2, 2, 0, $1, $2, $3)`,
		began.UnixMicro(), arrived, string(body))
	run(`COMMIT`)
	must(t, <-saved)
	if len(told) != 1 || told[0].Name != "test" {
		t.Errorf("told beside it were %v, want test", told)
	}
}

// waitsForALock returns once another connection waits for a lock that somebody holds.
func waitsForALock(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	waits := func() (n int) {
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n))
		return n
	}
	for deadline := time.Now().Add(time.Minute); waits() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}
