//go:build unix

package scenario_test

import (
	"testing"

	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

// TestStoriesOnPostgres tells the same stories on PostgreSQL: one server, and for each story a copy of a database that was migrated once.
func TestStoriesOnPostgres(t *testing.T) {
	server := pgtest.Start(t)
	template := server.Database(t)
	s, err := store.Open(t.Context(), store.Config{URL: template})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tell(t, func(t testing.TB) worldtest.Database { return worldtest.Postgres(server.Copy(t, template)) })
}
