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

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/rs/zerolog"
)

//go:embed migrations
var migrations embed.FS

// migrationTries is how often the schema is brought up to date before giving up. SQLite has no lock that spans migrations: where
// two processes migrate at once, one of them fails on what the other has just done, looks again, and finds less to do.
const migrationTries = 10

func (s *sqlite) migrate(ctx context.Context, log zerolog.Logger) (err error) {
	for try := range migrationTries {
		if err = migrateSQLite(ctx, s.writer, log); err == nil {
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
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, m := range done {
		log.Info().Int64("version", m.Source.Version).Dur("took", m.Duration).Msg("migrated the database")
	}
	river, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("the queue's tables: %w", err)
	}
	return nil
}
