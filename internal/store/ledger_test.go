package store_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func TestOpenExisting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	url := "sqlite:" + path
	if _, err := store.OpenExisting(t.Context(), store.Config{URL: url}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
	s := open(t, store.Config{URL: url})
	again, err := store.OpenExisting(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	for _, row := range []struct{ query, want string }{
		{`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`, "is of a later version, 99 and not "},
		{`DELETE FROM goose_db_version WHERE version_id > 2`, "is of an earlier version, 2 and not "},
		{`DROP TABLE goose_db_version`, "this is no database of changegate's"},
	} {
		err := s.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Exec(t.Context(), row.query)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.OpenExisting(t.Context(), store.Config{URL: url}); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.query, err)
		}
	}
}

// What is read keeps every byte, and nothing is made beside it. A directory has the name of a file that SQLite would make there: that stops also
// whom permissions do not bind.
func TestOpenToRead(t *testing.T) {
	used := filepath.Join(t.TempDir(), "used.db")
	s := open(t, store.Config{URL: "sqlite:" + used})
	must(t, s.Append(t.Context(), ledger.Draft{Kind: ledger.EffectDone, Body: "a body"}))
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			path := copyOf(t, used, mode)
			dir := filepath.Dir(path)
			must(t, os.Mkdir(path+"-shm", 0o500))
			must(t, os.Chmod(path, 0o400))
			must(t, os.Chmod(dir, 0o500))
			t.Cleanup(func() { must(t, os.Chmod(dir, 0o700)) })
			before, err := os.ReadFile(path)
			must(t, err)
			alone := func() {
				if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
					t.Errorf("the file was altered (%v)", err)
				}
				if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
					t.Errorf("%v, %v, want the file and the directory beside it alone", files, err)
				}
			}
			s, err := store.OpenToRead(t.Context(), store.Config{URL: "sqlite:" + path})
			must(t, err)
			t.Cleanup(func() { must(t, s.Close()) })
			wantLen(t, s, 1)
			alone()
			if err := s.Append(t.Context(), ledger.Draft{Kind: ledger.EffectDone}); err == nil || !strings.Contains(err.Error(), "readonly") {
				t.Errorf("an entry was appended: %v", err)
			}
			must(t, s.Close())
			alone()
		})
	}
}

// A database that a server works on is read as it is at that moment.
func TestOpenToReadWhatIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := open(t, store.Config{URL: "sqlite:" + path})
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(path, link))
	reader, err := store.OpenToRead(t.Context(), store.Config{URL: "sqlite:" + link})
	must(t, err)
	t.Cleanup(func() { must(t, reader.Close()) })
	for n := range int64(3) {
		wantLen(t, reader, n)
		must(t, s.Append(t.Context(), ledger.Draft{Kind: ledger.EffectDone, Body: "a body"}))
	}
}

// What is read without locks is not taken for a state of the database once somebody writes to it.
func TestOpenToReadWhatComesIntoUse(t *testing.T) {
	used := filepath.Join(t.TempDir(), "used.db")
	open(t, store.Config{URL: "sqlite:" + used})
	path := copyOf(t, used, "WAL")
	reader, err := store.OpenToRead(t.Context(), store.Config{URL: "sqlite:" + path})
	must(t, err)
	t.Cleanup(func() { must(t, reader.Close()) })
	refuses := func(when string) {
		err := reader.ReadLedger(t.Context(), func(ledger.Tx) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "test.db came into use while it was read: ask again") {
			t.Errorf("%s: %v", when, err)
		}
	}
	s, err := store.OpenExisting(t.Context(), store.Config{URL: "sqlite:" + path})
	must(t, err)
	must(t, s.Append(t.Context(), ledger.Draft{Kind: ledger.EffectDone, Body: strings.Repeat("a long body", 1000)}))
	refuses("while it is open")
	must(t, s.Close())
	refuses("after it was written to")
}

// copyOf makes a copy of a database, alone in a directory.
func copyOf(t *testing.T, from, mode string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "test.db")
	for _, do := range []struct{ file, query string }{{from, "VACUUM INTO '" + path + "'"}, {path, "PRAGMA journal_mode = " + mode}} {
		db, err := sql.Open("sqlite", do.file)
		must(t, err)
		_, err = db.Exec(do.query)
		must(t, err)
		must(t, db.Close())
	}
	return path
}

func wantLen(t *testing.T, s *store.Store, want int64) {
	t.Helper()
	must(t, s.ReadLedger(t.Context(), func(tx ledger.Tx) error {
		n, err := ledger.Len(t.Context(), tx)
		if n != want {
			t.Errorf("%d entries, want %d", n, want)
		}
		return err
	}))
}
