package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/changegate/changegate/internal/store"
)

// migrated is the file of an empty database of SQLite's with today's schema. To write it is sooner done than to migrate.
var migrated = sync.OnceValues(func() (text []byte, err error) {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "test.db")
	s, err := store.Open(context.Background(), store.Config{URL: "sqlite:" + path})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// WriteFile makes a database of SQLite's that has today's schema and is empty. No file may be there.
func WriteFile(path string) error {
	text, err := migrated()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// File makes such a database for the length of a test and returns its path.
func File(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	if err := WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}
