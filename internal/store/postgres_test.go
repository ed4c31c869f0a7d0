//go:build unix

package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	copied := storetest.Copies(t, server)
	storetest.Run(t, func(t testing.TB, clock func() time.Time) *store.Store {
		return open(t, store.Config{URL: copied(t), Clock: clock})
	})
	t.Run("several open at once", func(t *testing.T) { severalOpenAtOnce(t, server.Database(t)) })
	t.Run("connections", func(t *testing.T) { theURLSaysHowManyConnections(t, copied(t)) })
}

func theURLSaysHowManyConnections(t *testing.T, url string) {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	for suffix, want := range map[string]int32{"": 16, separator + "pool_max_conns=3": 3} {
		s := open(t, store.Config{URL: url + suffix})
		if got := s.Native().(*pgxpool.Pool).Config().MaxConns; got != want {
			t.Errorf("%q: %d connections, want %d", suffix, got, want)
		}
	}
}
