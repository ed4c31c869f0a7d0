//go:build unix

package store_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

var keep = flag.Bool("keep", false, "keep a dump of each version's schema of which there is none")

// engine is a kind of database, as dumps of it are made and loaded.
type engine struct {
	name   string
	driver string
	empty  func(t *testing.T) (url, dsn string) // of a new database, for store.Open and for sql.Open
	dump   func(t *testing.T, url string, db *sql.DB) string
	// schema describes the tables, columns, indexes and triggers that are there.
	schema string
}

func engines(t *testing.T) []engine {
	server := pgtest.Start(t)
	return []engine{
		{
			name: "sqlite", driver: "sqlite",
			empty: func(t *testing.T) (string, string) {
				path := filepath.Join(t.TempDir(), "test.db")
				return "sqlite:" + path, path
			},
			dump:   func(t *testing.T, _ string, db *sql.DB) string { return dumpSQLite(t, db) },
			schema: `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1`,
		},
		{
			name: "postgres", driver: "pgx",
			empty: func(t *testing.T) (string, string) {
				url := server.Database(t)
				return url, url
			},
			dump: func(t *testing.T, url string, _ *sql.DB) string { return server.Dump(t, url) },
			schema: `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
				FROM information_schema.columns WHERE table_schema = 'public'
				UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
				UNION ALL SELECT event_object_table || ' ' || trigger_name || ' ' || event_manipulation FROM information_schema.triggers ORDER BY 1`,
		},
	}
}

// TestMigrationsForward opens databases as each earlier version left them: testdata keeps a dump of each. What was in them is there still,
// and their schema is that of a new database.
func TestMigrationsForward(t *testing.T) {
	versions, err := store.Versions()
	must(t, err)
	for _, e := range engines(t) {
		for _, version := range versions {
			t.Run(fmt.Sprint(e.name, " ", version), func(t *testing.T) {
				file := filepath.Join("testdata", fmt.Sprintf("%s-%04d.sql", e.name, version))
				text, err := os.ReadFile(file)
				if errors.Is(err, fs.ErrNotExist) && *keep {
					text = []byte(e.make(t, version))
					must(t, os.WriteFile(file, text, 0o644))
				} else if err != nil {
					t.Fatalf("%v: a new migration needs a dump of what it makes: go test ./internal/store -run %s -keep", err, t.Name())
				}
				url, dsn := e.empty(t)
				db := openSQL(t, e.driver, dsn)
				_, err = db.ExecContext(t.Context(), string(text))
				must(t, err)
				must(t, db.Close())

				s := open(t, store.Config{URL: url})
				checkKept(t, s, version)
				newer, newest := e.empty(t)
				open(t, store.Config{URL: newer})
				if diff := cmp.Diff(e.lines(t, newest), e.lines(t, dsn)); diff != "" {
					t.Errorf("the schema (-new +migrated):\n%s", diff)
				}
			})
		}
	}
}

// TestNoWayBack shows that a program leaves alone what a later version made of the database.
func TestNoWayBack(t *testing.T) {
	for _, e := range engines(t) {
		t.Run(e.name, func(t *testing.T) {
			url, dsn := e.empty(t)
			open(t, store.Config{URL: url}).Close()
			_, err := openSQL(t, e.driver, dsn).ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`)
			must(t, err)
			s, err := store.Open(t.Context(), store.Config{URL: url})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "is of a later version, 99 and not ") {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

func openSQL(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	// Several statements at once are for the simple protocol only.
	if driver == "pgx" {
		must(t, db.Close())
		db, err = sql.Open(driver, dsn+"&default_query_exec_mode=simple_protocol")
		must(t, err)
		t.Cleanup(func() { db.Close() })
	}
	return db
}

func (e engine) lines(t *testing.T, dsn string) []string {
	t.Helper()
	return texts(t, openSQL(t, e.driver, dsn), e.schema)
}

func texts(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		must(t, rows.Scan(&text))
		all = append(all, text)
	}
	must(t, rows.Err())
	return all
}

var (
	shop  = change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 70}
	first = change.PullKey{Repository: shop.ID, Number: 1}
	began = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
)

// fill has a store remember something of each kind that every version knew.
func fill(t *testing.T, s *store.Store) {
	ctx := t.Context()
	alice := change.Account{ID: 1, Login: "alice", Kind: change.KindUser}
	about := func(id, action string) change.Delivery {
		return change.Delivery{
			ID: id, Event: "pull_request", Action: action, Installation: shop.Installation, Repository: shop, Sender: alice,
			ReceivedAt: began, Key: first, Concerns: change.ConcernPull,
		}
	}
	opened := about("one", "opened")
	opened.Pull = &change.Pull{
		Number: 1, Title: "It's a title; with\nlines", State: change.Open, Author: alice, CreatedAt: began, UpdatedAt: began,
		Head: change.Branch{Repository: shop.ID, Owner: "acme", Name: "topic", SHA: "h1"},
		Base: change.Branch{Repository: shop.ID, Owner: "acme", Name: "main", SHA: "b0"},
	}
	checked := about("two", "completed")
	checked.Event, checked.Head, checked.Key = "check_run", "h1", change.PullKey{}
	checked.Check = &change.Check{Name: "build", App: "github-actions", RunID: 5, State: change.CheckSuccess}
	must(t, s.Write(ctx, func(tx store.Tx) error {
		_, err := s.Accept(ctx, tx, []change.Delivery{opened, checked})
		return err
	}))
	lease, err := s.Acquire(ctx, store.HeadLease(shop.ID, "h1"), "somebody", time.Minute)
	must(t, err)
	d := change.Decision{Pull: first, Head: "h1", Governed: true}
	must(t, s.SaveDecision(ctx, d, "digest", store.Consequences{}, ledger.Draft{
		Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: 1, SHA: "h1"}, Body: map[string]string{"says": "it's yellow"},
	}))
	_, _, err = s.Intend(ctx, store.Intent{Key: "create:h1", Kind: string(plan.CreateCheckRun), Pull: first, Head: "h1", Body: "it", Lease: lease})
	must(t, err)
	must(t, s.CompleteCheckRun(ctx, "create:h1", "done", store.CheckRun{
		Repository: shop.ID, Head: "h1", Number: 1, ExternalID: "create:h1", Posted: plan.Posted{RunID: 9, Status: plan.InProgress, CreatedAt: began},
	}))
	_, err = s.RememberIdentity(ctx, "team", "acme", "security", 12)
	must(t, err)
	branch := change.Errand{Kind: change.ErrandBranch, Repository: shop.ID, Name: "main"}
	must(t, s.Write(ctx, func(tx store.Tx) error {
		raised := change.Raised{Errand: branch, Notes: []change.Note{{ID: "n1", At: began, Body: json.RawMessage(`{"after":"c1"}`)}}}
		if err := s.RaiseErrands(ctx, tx, []change.Raised{raised}); err != nil {
			return err
		}
		return s.SaveErrand(ctx, tx, branch, store.ErrandSave{State: map[string]string{"tip": "c0"}, Issue: 4})
	}))
}

// checkKept says whether a store remembers what fill had it remember, as far as the version that it comes from knew of it.
func checkKept(t *testing.T, s *store.Store, version int64) {
	t.Helper()
	ctx := t.Context()
	w, err := s.Begin(ctx, first)
	must(t, err)
	if w.Repository.Name != "shop" || w.Snapshot.Title != "It's a title; with\nlines" || w.Decision == nil || w.Digest != "digest" {
		t.Errorf("the pull request is %+v", w)
	}
	if n, err := s.CountUnsettled(ctx); err != nil || n != 1 {
		t.Errorf("%d pull requests are unsettled, %v; want one", n, err)
	}
	if run, err := s.CheckRun(ctx, shop.ID, "h1"); err != nil || run == nil || run.RunID != 9 {
		t.Errorf("the check run is %+v, %v", run, err)
	}
	if ended, open, err := s.EffectsOn(ctx, shop.ID, "h1", string(plan.CreateCheckRun)); err != nil || ended != 1 || len(open) != 0 {
		t.Errorf("%d effects ended, %d are open, %v; want that one ended", ended, len(open), err)
	}
	if id, err := s.RememberIdentity(ctx, "team", "acme", "security", 99); err != nil || id != 12 {
		t.Errorf("the identity is %d, %v; want 12", id, err)
	}
	tree, err := audit.Check(ctx, s)
	if err != nil || tree.Size != 3 {
		t.Errorf("the ledger: %d entries, %v; want three that hold", tree.Size, err)
	}
	must(t, s.Append(ctx, ledger.Draft{Kind: ledger.DecisionChanged, Body: "another"}))
	if tree, err = audit.Check(ctx, s); err != nil || tree.Size != 4 {
		t.Errorf("the ledger, with another: %d entries, %v", tree.Size, err)
	}
	if version < 2 {
		return
	}
	e, err := s.BeginErrand(ctx, change.Errand{Kind: change.ErrandBranch, Repository: shop.ID, Name: "main"})
	must(t, err)
	if string(e.State) != `{"tip":"c0"}` || e.Issue != 4 || len(e.Notes) != 1 {
		t.Errorf("the errand is %+v", e)
	}
}

// make returns a dump of a database that an earlier version might have left: it has what today's program writes, as far as that version
// had tables and columns for it.
func (e engine) make(t *testing.T, version int64) string {
	full := filepath.Join(t.TempDir(), "full.db")
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + full, Clock: func() time.Time { return began }})
	must(t, err)
	fill(t, s)
	must(t, s.Close())
	url, dsn := e.empty(t)
	must(t, store.MakeAsOf(t.Context(), url, version))
	from, to := openSQL(t, "sqlite", full), openSQL(t, e.driver, dsn)
	for _, table := range texts(t, from, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'river_%' AND name NOT LIKE 'goose_%'`) {
		copyRows(t, from, to, table)
	}
	text := e.dump(t, url, to)
	must(t, to.Close())
	return text
}

func copyRows(t *testing.T, from, to *sql.DB, table string) {
	t.Helper()
	there, err := to.QueryContext(t.Context(), "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return // a later version made it
	}
	columns, err := there.Columns()
	must(t, errors.Join(err, there.Close()))
	rows, err := from.QueryContext(t.Context(), "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
	if err != nil {
		return // PostgreSQL's only
	}
	defer rows.Close()
	first := true
	for rows.Next() {
		values, marks := make([]any, len(columns)), make([]string, len(columns))
		for i := range values {
			values[i], marks[i] = new(any), fmt.Sprintf("$%d", i+1)
		}
		must(t, rows.Scan(values...))
		for i, v := range values {
			values[i] = *v.(*any)
		}
		if n := texts(t, to, "SELECT CAST(count(*) AS text) FROM "+table); first && n[0] != "0" {
			_, err := to.ExecContext(t.Context(), "DELETE FROM "+table) // the migration's own row
			must(t, err)
		}
		first = false
		_, err := to.ExecContext(t.Context(), "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...)
		must(t, err)
	}
	must(t, rows.Err())
}

// dumpSQLite returns the statements that make a database: its tables and rows, and then its indexes and triggers.
func dumpSQLite(t *testing.T, db *sql.DB) string {
	t.Helper()
	var b strings.Builder
	for _, table := range texts(t, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`) {
		b.WriteString(texts(t, db, `SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '`+table+`'`)[0] + ";\n")
		columns := texts(t, db, `SELECT name FROM pragma_table_info('`+table+`') ORDER BY cid`)
		quoted := slices.Clone(columns)
		for i, c := range columns {
			quoted[i] = "quote(" + c + ")"
		}
		for _, row := range texts(t, db, "SELECT "+strings.Join(quoted, " || ', ' || ")+" FROM "+table) {
			fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES (%s);\n", table, strings.Join(columns, ", "), row)
		}
	}
	for _, statement := range texts(t, db, `SELECT sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL ORDER BY name`) {
		b.WriteString(statement + ";\n")
	}
	return b.String()
}
