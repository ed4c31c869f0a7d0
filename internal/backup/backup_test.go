//go:build unix

package backup_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/changegate/changegate/internal/backup"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a database as a server does.
func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url})
	must(t, err)
	return s
}

func record(t testing.TB, s *store.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		must(t, s.Append(t.Context(), ledger.Draft{Kind: ledger.DecisionChanged, Body: map[string]string{"name": name}}))
	}
}

// recorded returns the names in a database's ledger, as a server that starts on it reads them.
func recorded(t testing.TB, url string) string {
	t.Helper()
	s := open(t, url)
	defer s.Close()
	entries, err := s.Ledger(t.Context(), ledger.Page{Limit: 100})
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(string(e.Body), `{"name":"`), `"}`))
	}
	return strings.Join(names, " ")
}

func TestSQLite(t *testing.T) {
	suite(t, func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "a b?%.db") })
}

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	suite(t, func(t testing.TB) string { return server.Database(t) + "&pool_max_conns=7" })
}

// suite says what holds on every database.
func suite(t *testing.T, database func(testing.TB) string) {
	ctx := context.Background()
	t.Run("a copy of a live database is restored elsewhere, and worked on", func(t *testing.T) {
		from, to, file := database(t), database(t), filepath.Join(t.TempDir(), "copy")
		live := open(t, from)
		defer live.Close()
		record(t, live, "a", "b")
		copied, err := backup.Save(ctx, from, file)
		must(t, err)
		record(t, live, "c") // the server goes on
		info, err := os.Stat(file)
		must(t, err)
		if copied.Entries != 2 || copied.Bytes != info.Size() || info.Mode().Perm() != 0o600 {
			t.Errorf("the copy is %+v, mode %v", copied, info.Mode())
		}
		restored, err := backup.Restore(ctx, to, file, false)
		must(t, err)
		if restored.Entries != 2 || restored.Kind != copied.Kind {
			t.Errorf("restored %+v", restored)
		}
		if got := recorded(t, to); got != "a b" {
			t.Errorf("after the restore: %q", got)
		}
		again := open(t, to)
		entries, err := again.Ledger(ctx, ledger.Page{Limit: 100})
		must(t, err)
		if since, err := again.Doubt(ctx); err != nil || !since.Equal(entries[1].At) {
			t.Errorf("it is in doubt since %v, %v, want since its last entry at %v", since, err, entries[1].At)
		}
		if since, err := live.Doubt(ctx); err != nil || !since.IsZero() {
			t.Errorf("the one that was copied is in doubt since %v, %v", since, err)
		}
		record(t, again, "d")
		must(t, again.Close())
		if got := recorded(t, to); got != "a b d" {
			t.Errorf("after more was done: %q", got)
		}
	})
	t.Run("a ledger is overwritten only if that is said", func(t *testing.T) {
		from, file := database(t), filepath.Join(t.TempDir(), "copy")
		s := open(t, from)
		record(t, s, "a")
		_, err := backup.Save(ctx, from, file)
		must(t, err)
		record(t, s, "b")
		must(t, s.Close())
		var notEmpty *backup.NotEmpty
		if _, err := backup.Restore(ctx, from, file, false); !errors.As(err, &notEmpty) || notEmpty.Entries != 2 {
			t.Errorf("%v, want a refusal because of two entries", err)
		}
		if got := recorded(t, from); got != "a b" {
			t.Errorf("after the refusal: %q", got)
		}
		if _, err := backup.Restore(ctx, from, file, true); err != nil {
			t.Error(err)
		}
		if got := recorded(t, from); got != "a" {
			t.Errorf("after it was said: %q", got)
		}
	})
	t.Run("a database in use is not replaced", func(t *testing.T) {
		from, file := database(t), filepath.Join(t.TempDir(), "copy")
		s := open(t, from)
		defer s.Close()
		record(t, s, "a")
		_, err := backup.Save(ctx, from, file)
		must(t, err)
		var inUse *backup.InUse
		if _, err := backup.Restore(ctx, from, file, true); !errors.As(err, &inUse) {
			t.Errorf("%v, want that it is in use", err)
		}
		record(t, s, "b")
	})
	t.Run("an empty database of a server is replaced", func(t *testing.T) {
		from, to, file := database(t), database(t), filepath.Join(t.TempDir(), "copy")
		s := open(t, from)
		record(t, s, "a")
		must(t, s.Close())
		must(t, open(t, to).Close())
		_, err := backup.Save(ctx, from, file)
		must(t, err)
		_, err = backup.Restore(ctx, to, file, false)
		must(t, err)
		if got := recorded(t, to); got != "a" {
			t.Errorf("%q", got)
		}
	})
	t.Run("a damaged copy leaves all as it was", func(t *testing.T) {
		from, to, file := database(t), database(t), filepath.Join(t.TempDir(), "copy")
		s := open(t, from)
		for i := range 40 {
			much := strings.Builder{} // and none of it can be compressed, so that some of it was restored before the end is missed
			for range 400 {
				much.WriteString(rand.Text())
			}
			record(t, s, fmt.Sprint(i, much.String()))
		}
		must(t, s.Close())
		s = open(t, to)
		record(t, s, "mine")
		must(t, s.Close())
		_, err := backup.Save(ctx, from, file)
		must(t, err)
		text, err := os.ReadFile(file)
		must(t, err)
		must(t, os.WriteFile(file, text[:len(text)*2/3], 0o600))
		_, err = backup.Restore(ctx, to, file, true)
		if err == nil {
			t.Fatal("a copy without its end was restored")
		}
		if said := err.Error(); strings.Contains(said, "drop") || !strings.HasSuffix(said, ": the database is as it was") {
			t.Errorf("it says %q", said)
		}
		if got := recorded(t, to); got != "mine" {
			t.Errorf("%.100q", got)
		}
	})
	t.Run("files that are no place or no copy", func(t *testing.T) {
		url, dir := database(t), t.TempDir()
		must(t, open(t, url).Close())
		there := filepath.Join(dir, "there")
		must(t, os.WriteFile(there, []byte("mine"), 0o600))
		if _, err := backup.Save(ctx, url, there); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("%v", err)
		}
		if _, err := backup.Restore(ctx, url, there, true); err == nil || !strings.Contains(err.Error(), "is no copy") {
			t.Errorf("%v", err)
		}
		if _, err := backup.Restore(ctx, url, filepath.Join(dir, "gone"), true); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
		if _, err := backup.Save(ctx, url, filepath.Join(dir, "no", "where")); err == nil {
			t.Error("a copy in no directory")
		}
		entries, err := os.ReadDir(dir)
		must(t, err)
		if len(entries) != 1 {
			t.Errorf("left behind: %v", entries)
		}
	})
	t.Run("a copy of the other kind", func(t *testing.T) {
		url, file := database(t), filepath.Join(t.TempDir(), "copy")
		start := "PGDMP and so on"
		if !strings.HasPrefix(url, "sqlite:") {
			start = "SQLite format 3\x00 and so on"
		}
		must(t, os.WriteFile(file, []byte(start), 0o600))
		if _, err := backup.Restore(ctx, url, file, false); err == nil || !strings.Contains(err.Error(), "and the configuration names a") {
			t.Errorf("%v", err)
		}
	})
}

func TestADatabaseThatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone.db")
	if _, err := backup.Save(t.Context(), "sqlite:"+path, path+".copy"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was made")
	}
}

// A file that comes while a copy is made, as that of another backup of the same name, stays.
func TestAFileThatCameMeanwhile(t *testing.T) {
	path, file := filepath.Join(t.TempDir(), "test.db"), filepath.Join(t.TempDir(), "copy")
	s := open(t, "sqlite:"+path)
	record(t, s, "a")
	must(t, s.Close())
	// A lock keeps the copy from being made until the other file is there.
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	must(t, err)
	for _, query := range []string{"PRAGMA journal_mode = DELETE", "BEGIN EXCLUSIVE"} {
		_, err := conn.ExecContext(t.Context(), query)
		must(t, err)
	}
	saved := make(chan error, 1)
	go func() {
		_, err := backup.Save(context.Background(), "sqlite:"+path, file)
		saved <- err
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if parts, err := filepath.Glob(file + ".part-*"); err == nil && len(parts) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no copy is begun")
		}
	}
	must(t, os.WriteFile(file, []byte("another's"), 0o600))
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	must(t, err)
	if err := <-saved; err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "another's" {
		t.Errorf("the other file has become %.20q, %v", text, err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A name is taken once, with links and where there are none.
func TestClaim(t *testing.T) {
	for name, claim := range map[string]func(part, file string) error{"with links": backup.Claim, "without links": backup.ClaimWithoutLinks} {
		part, file := filepath.Join(t.TempDir(), "part"), filepath.Join(t.TempDir(), "copy")
		must(t, os.WriteFile(part, []byte("first"), 0o600))
		must(t, claim(part, file))
		must(t, os.RemoveAll(part))
		must(t, os.WriteFile(part, []byte("second"), 0o600))
		if err := claim(part, file); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != "first" {
			t.Errorf("%s: the file has become %q, %v", name, text, err)
		}
	}
}

func TestSomebodyElsesTablesStay(t *testing.T) {
	server := pgtest.Start(t)
	from, to, file := server.Database(t), server.Database(t), filepath.Join(t.TempDir(), "copy")
	must(t, open(t, from).Close())
	_, err := backup.Save(t.Context(), from, file)
	must(t, err)
	execute(t, to, "CREATE TABLE payroll (n int)")
	if _, err := backup.Restore(t.Context(), to, file, true); err == nil || !strings.Contains(err.Error(), "1 tables that are not changegate's") {
		t.Errorf("%v", err)
	}
}

func TestPasswordsAreOnNoCommandLine(t *testing.T) {
	bin, out := t.TempDir(), filepath.Join(t.TempDir(), "said")
	must(t, os.WriteFile(filepath.Join(bin, "pg_dump"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\" \"password $PGPASSWORD\" >"+out+"\nexit 3\n"), 0o700))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	server := pgtest.Start(t)
	url := server.Database(t)
	must(t, open(t, url).Close())
	_, err := backup.Save(t.Context(), url+"&password=hush&sslmode=disable", filepath.Join(t.TempDir(), "copy"))
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
	f, err := os.Open(out)
	must(t, err)
	defer f.Close()
	text, err := io.ReadAll(f)
	must(t, err)
	arguments, password, _ := strings.Cut(string(text), "password ")
	if strings.Contains(arguments, "hush") || !strings.Contains(arguments, "sslmode=disable") || strings.TrimSpace(password) != "hush" {
		t.Errorf("pg_dump was given %s", text)
	}
}

// There is no variable for the password of a client's key, so that it could be on a command line only.
func TestThePasswordOfAKeyIsRefused(t *testing.T) {
	const url = "postgres://changegate@127.0.0.1:1/changegate?sslkey=client.key&sslpassword=hush"
	file := filepath.Join(t.TempDir(), "copy")
	_, saved := backup.Save(t.Context(), url, file)
	must(t, os.WriteFile(file, []byte("PGDMP and so on"), 0o600))
	_, restored := backup.Restore(t.Context(), url, file, false)
	for _, err := range []error{saved, restored} {
		if err == nil || !strings.Contains(err.Error(), "put it into a service file") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v", err)
		}
	}
}

// TestNoErrorShowsThePassword has databases be named by what is no good.
func TestNoErrorShowsThePassword(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://127.0.0.1:1/changegate?password=hush&sslmode=odd":     "sslmode is invalid",
		"postgres://me:hush@127.0.0.1:1/changegate?password=hush&port=no": "invalid syntax",
		"postgres://me:hush/h@127.0.0.1:1/changegate":                     "cannot be read",
		"postgres://me:hush@127.0.0.1:1/changegate":                       "connect",
	} {
		_, err := backup.Save(t.Context(), url, filepath.Join(t.TempDir(), "copy"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestWithoutPostgresPrograms(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	must(t, open(t, url).Close())
	t.Setenv("PATH", t.TempDir())
	if _, err := backup.Save(t.Context(), url, filepath.Join(t.TempDir(), "copy")); err == nil || !strings.Contains(err.Error(), "postgresql-client") {
		t.Errorf("%v", err)
	}
}

func execute(t testing.TB, url, query string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), query)
	must(t, err)
}
