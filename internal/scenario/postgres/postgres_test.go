//go:build unix

// Package postgres_test has the stories told on PostgreSQL.
package postgres_test

import (
	"testing"

	"github.com/changegate/changegate/internal/scenario/storytest"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store/pgtest"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestMain(m *testing.M) { storytest.Main(m) }

// TestStoriesOnPostgres tells the stories that are told on SQLite too: one server, and for each story a copy of a database that was migrated once.
func TestStoriesOnPostgres(t *testing.T) {
	server := pgtest.Start(t)
	copied := storetest.Copies(t, server)
	storytest.Tell(t, "../testdata", func(t testing.TB) worldtest.Database {
		// Each connection is a process that has to start, and to plan every statement anew.
		return worldtest.Postgres(copied(t) + "&pool_max_conns=4")
	})
}
