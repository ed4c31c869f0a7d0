package app

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/store"
)

// A database that another program has locked makes nobody wait who asks for it: SQLite itself waits for ten seconds, whatever it is told meanwhile.
func TestALockedDatabaseIsSaidInTime(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "locked.db")
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
	must(err)
	defer s.Close()
	db, err := sql.Open("sqlite", file)
	must(err)
	defer db.Close()
	other, err := db.Conn(t.Context())
	must(err)
	defer other.Close()
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(err)

	w := newWritable(s, "test")
	for range 2 { // the second waits for the first, which is still waiting
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		asked := time.Now()
		if w.check(ctx) == nil {
			t.Error("it can be written")
		}
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("it took %s to say so", took)
		}
		cancel()
	}
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	must(err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err := w.check(ctx); err != nil; err = w.check(ctx) {
		must(ctx.Err())
	}
}
