//go:build unix

package storetest

import (
	"context"
	"testing"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

// Copies migrates a database of a PostgreSQL server once and returns what makes copies of it, each for the length of a test, and returns the
// copy's URL.
func Copies(t testing.TB, server *pgtest.Server) func(t testing.TB) string {
	t.Helper()
	template := server.Database(t)
	s, err := store.Open(context.Background(), store.Config{URL: template})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return func(t testing.TB) string {
		t.Helper()
		return server.Copy(t, template)
	}
}
