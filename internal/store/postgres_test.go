//go:build unix

package store_test

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	storetest.Run(t, func(t testing.TB, clock func() time.Time) *store.Store {
		return open(t, store.Config{URL: server.Database(t), Clock: clock})
	})
	t.Run("several open at once", func(t *testing.T) { severalOpenAtOnce(t, server.Database(t)) })
}
