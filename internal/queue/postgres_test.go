//go:build unix

package queue_test

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	copied := storetest.Copies(t, pgtest.Start(t))
	suite(t, func(t testing.TB, clock func() time.Time) *store.Store { return openAt(t, copied(t), clock) })
	t.Run("processes are counted", func(t *testing.T) {
		t.Parallel()
		processesAreCounted(t, openAt(t, copied(t), time.Now))
	})
	t.Run("a sleeper leaves its successor's job", func(t *testing.T) {
		t.Parallel()
		aSleeperLeavesItsSuccessorsJob(t, openAt(t, copied(t), time.Now))
	})
}
