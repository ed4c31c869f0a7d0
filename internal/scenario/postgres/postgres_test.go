//go:build unix

// Package postgres_test has the stories told on PostgreSQL.
package postgres_test

import (
	"testing"

	"github.com/changegate/changegate/internal/scenario/storytest"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

func TestMain(m *testing.M) { storytest.Main(m) }

// TestStoriesOnPostgres tells the stories that are told on SQLite too: one server, and for each story a copy of a database that was migrated once.
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
	storytest.Tell(t, "../testdata", func(t testing.TB) worldtest.Database { return worldtest.Postgres(server.Copy(t, template)) })
}
