package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// Versions returns the numbers of the migrations, in their order.
func Versions() (versions []int64, err error) {
	files, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	for _, f := range files {
		v, wrong := goose.NumericComponent(path.Base(f))
		versions, err = append(versions, v), errors.Join(err, wrong)
	}
	return versions, err
}

// MakeAsOf gives an empty database the schema of an earlier version, with River's as it is now.
func MakeAsOf(ctx context.Context, url string, version int64) error {
	s, err := connect(ctx, Config{URL: url}, openSQLite, openPostgres)
	if err != nil {
		return err
	}
	defer s.Close()
	var provider *goose.Provider
	switch native := s.Native().(type) {
	case *pgxpool.Pool:
		db := stdlib.OpenDBFromPool(native)
		defer db.Close()
		if err := migrateRiver(ctx, riverpgxv5.New(native)); err != nil {
			return err
		}
		provider, err = newProvider(goose.DialectPostgres, db, "migrations/postgres")
	case *sql.DB:
		if err := migrateRiver(ctx, riversqlite.New(native)); err != nil {
			return err
		}
		provider, err = newProvider(goose.DialectSQLite3, native, "migrations/sqlite")
	}
	if err != nil {
		return err
	}
	_, err = provider.UpTo(ctx, version)
	return err
}

var statements struct {
	mu   sync.Mutex
	seen map[string]bool
}

func init() {
	statements.seen = map[string]bool{}
	preparing = func(query string) {
		statements.mu.Lock()
		defer statements.mu.Unlock()
		statements.seen[query] = true
	}
}

// Prepared returns the statements that were prepared on SQLite so far.
func Prepared() []string {
	statements.mu.Lock()
	defer statements.mu.Unlock()
	return slices.Sorted(maps.Keys(statements.seen))
}
