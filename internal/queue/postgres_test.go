//go:build unix

package queue_test

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	suite(t, func(t testing.TB, clock func() time.Time) *store.Store { return openAt(t, server.Database(t), clock) })
	t.Run("a sleeper leaves its successor's job", func(t *testing.T) { aSleeperLeavesItsSuccessorsJob(t, openAt(t, server.Database(t), time.Now)) })
}
