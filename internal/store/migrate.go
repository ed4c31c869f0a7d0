package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/rs/zerolog"
)

//go:embed migrations
var migrations embed.FS

func (s *sqlite) migrate(ctx context.Context, log zerolog.Logger) (err error) {
	// SQLite has no lock that spans migrations: where two processes migrate at once, one of them fails on what the other has just
	// done, looks again, and finds less to do.
	return repeat(ctx, func() error { return migrateSQLite(ctx, s.writer, log) })
}

// repeat calls f until it succeeds, a few times at most: two processes that open a database at the same time may make each other fail.
func repeat(ctx context.Context, f func() error) (err error) {
	for try := range 10 {
		if err = f(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(time.Duration(try+1) * 20 * time.Millisecond):
		}
	}
	return err
}

func migrateSQLite(ctx context.Context, db *sql.DB, log zerolog.Logger) error {
	if err := migrateOurs(ctx, db, goose.DialectSQLite3, "migrations/sqlite", log); err != nil {
		return err
	}
	return migrateRiver(ctx, riversqlite.New(db))
}

func (p *postgres) migrate(ctx context.Context, log zerolog.Logger) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	// The lock belongs to the connection: it ends with the process at the latest.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationLock)
	db := stdlib.OpenDBFromPool(p.pool)
	defer db.Close()
	if err := migrateOurs(ctx, db, goose.DialectPostgres, "migrations/postgres", log); err != nil {
		return err
	}
	return migrateRiver(ctx, riverpgxv5.New(p.pool))
}

// migrationLock is the number of the lock that a process of changegate's holds while it migrates.
const migrationLock = 0x6368616e67656761

func migrateOurs(ctx context.Context, db *sql.DB, dialect goose.Dialect, dir string, log zerolog.Logger) error {
	provider, err := newProvider(dialect, db, dir)
	if err != nil {
		return err
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return laterSchema(have, want)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, m := range done {
		log.Info().Int64("version", m.Source.Version).Dur("took", m.Duration).Msg("migrated the database")
	}
	return nil
}

// laterSchema is the error of a program that is older than the database: what it wrote there might be wrong.
func laterSchema(have, want int64) error {
	return fmt.Errorf("the database's schema is of a later version, %d and not %d: use the program of that version", have, want)
}

func newProvider(dialect goose.Dialect, db *sql.DB, dir string) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
}

func migrateRiver[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	river, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("the queue's tables: %w", err)
	}
	return nil
}
