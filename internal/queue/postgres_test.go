//go:build unix

package queue_test

import (
	"testing"

	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	suite(t, func(t testing.TB) *store.Store { return openAt(t, server.Database(t)) })
}
