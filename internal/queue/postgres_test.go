//go:build unix

package queue_test

import (
	"testing"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

func TestPostgres(t *testing.T) {
	bin, ok := pgtest.Find()
	if !ok {
		t.Log("PostgreSQL is not installed: nothing was tested on it")
		return
	}
	server := pgtest.Start(t, bin)
	suite(t, func(t testing.TB) *store.Store { return openAt(t, server.Database(t)) })
}
