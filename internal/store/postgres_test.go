//go:build unix

package store_test

import (
	"sync"
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
	t.Run("several open at once", func(t *testing.T) {
		url := server.Database(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				s, err := store.Open(t.Context(), store.Config{URL: url})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.CountUnsettled(t.Context()); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}
