package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
