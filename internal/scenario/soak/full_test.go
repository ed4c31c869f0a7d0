//go:build unix

package soak_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store/pgtest"
)

// The signals that tell a process on SQLite that there is no room for its files any more, and that there is.
const (
	noRoom = syscall.SIGUSR1
	room   = syscall.SIGUSR2
)

// runOut has a process find no room for its files when it is told so: it may write no byte of any, which needs nobody's permission, and is to
// SQLite what a full disk is.
func runOut() error {
	signal.Ignore(syscall.SIGXFSZ) // the write fails all the same
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	told := make(chan os.Signal, 10)
	signal.Notify(told, noRoom, room)
	go func() {
		for s := range told {
			now := before
			if s == noRoom {
				now.Cur = 0
			}
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	return nil
}

// fillDisk has the database find no room. The function returned makes room again.
func (x *town) fillDisk() (empty func()) {
	if strings.HasPrefix(x.Data.URL(), "postgres:") {
		must(x.t, eachTable(x.Data.URL(), `CREATE OR REPLACE TRIGGER full_disk BEFORE INSERT OR UPDATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION full_disk()`))
		return func() { must(x.t, eachTable(x.Data.URL(), `DROP TRIGGER IF EXISTS full_disk ON %s`)) }
	}
	tell := func(s syscall.Signal) {
		for _, r := range x.replicas() {
			r.signal(s)
		}
	}
	tell(noRoom)
	return func() { tell(room) }
}

// eachTable does something to each table of a database, as long as others that hold two of them keep it from that. The function full_disk fails
// as what needs room on a full disk does.
func eachTable(url, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience())
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		for {
			_, err := conn.Exec(ctx, fmt.Sprintf(statement, name))
			var refused *pgconn.PgError
			if err == nil {
				break
			}
			if !errors.As(err, &refused) || refused.Code != "40P01" { // a deadlock
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// TestFullDisk has the database's disk be full for a while. No delivery is acknowledged that is not kept, the server says that it is not ready and
// stays, and once there is room all comes right by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { found(t, nil, 1).runsOut() })
	t.Run("postgres", func(t *testing.T) {
		server := pgtest.Start(t)
		found(t, worldtest.Postgres(server.Database(t)), 2).runsOut()
	})
}

func (x *town) runsOut() {
	x.t.Helper()
	open := func(n int) githubsim.Pull {
		pull, err := x.Sim.As("alice").OpenPull(x.Repo, githubsim.PullOptions{
			Title: "Change it", Body: worldtest.FullRecord, Branch: fmt.Sprint("topic-", n), Files: map[string]string{fmt.Sprintf("src/part%d.go", n): "package part\n"},
		})
		must(x.t, err)
		return pull
	}
	approve := func(pull githubsim.Pull) {
		must(x.t, x.Sim.As("bob").Approve(pull))
		must(x.t, x.Sim.As("carol").Approve(pull))
	}
	known := open(1)
	x.settle()
	processes, told := x.names(), len(x.Gate.Deliveries())

	empty := x.fillDisk()
	approve(known)
	unknown := open(2)
	must(x.t, x.Sim.Flush(x.t.Context()))
	refused := 0
	for _, d := range x.Gate.Deliveries()[told:] {
		if refused++; d.StatusCode != http.StatusServiceUnavailable {
			x.t.Errorf("%s %s was answered %d", d.Event, d.Action, d.StatusCode)
		}
	}
	if refused < 3 {
		x.t.Errorf("%d deliveries were sent", refused)
	}
	x.until("all say that they are not ready", func() (bool, error) { return x.ready(http.StatusServiceUnavailable) })
	empty()
	x.until("all say that they are ready", func() (bool, error) { return x.ready(http.StatusOK) })
	approve(unknown)
	x.settle()
	for _, pull := range []githubsim.Pull{known, unknown} {
		v, err := x.Sim.PullView(x.Repo, pull.Number)
		must(x.t, err)
		if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
			x.t.Errorf("it should be green\n%s", x.Whole(v))
		}
	}
	heads := map[int][]string{known.Number: {known.Head}, unknown.Number: {unknown.Head}}
	x.once(heads)
	x.followed(heads)
	x.verify(heads, x.shown(heads))
	x.ledgerHolds()
	if now := x.names(); !slices.Equal(slices.Sorted(slices.Values(now)), slices.Sorted(slices.Values(processes))) {
		x.t.Errorf("the processes were %v, and are %v", processes, now)
	}
}

// ready says whether all processes answer so when they are asked whether they are ready.
func (x *town) ready(status int) (bool, error) {
	for _, r := range x.replicas() {
		resp, err := http.Get("http://" + r.addr + "/readyz")
		if err != nil {
			return false, err
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			return false, fmt.Errorf("%s answers %d", r.name, resp.StatusCode)
		}
	}
	return true, nil
}
