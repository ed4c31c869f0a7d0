package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	driverOfSQLite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Open opens the database that the configuration names and brings its schema, and River's, up to date. Several processes may do
// so at once.
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := connect(ctx, c, openSQLite, openPrimary)
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, c.Log); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the database's schema up to date: %w", err), s.Close())
	}
	if err := s.growLedger(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// connect opens a database as it is, one of SQLite by openFile, and one of PostgreSQL by openServer.
func connect(
	ctx context.Context, c Config, openFile func(ctx context.Context, path string) (*sqlite, error), openServer func(ctx context.Context, url string) (*postgres, error),
) (*Store, error) {
	scheme, rest, _ := strings.Cut(c.URL, ":")
	var b backend
	var err error
	switch {
	case scheme == "sqlite" && rest != "":
		b, err = openFile(ctx, rest)
	case scheme == "sqlite":
		return nil, fmt.Errorf(`%q names no file: use "sqlite:PATH"`, c.URL)
	case scheme == "postgres" || scheme == "postgresql":
		b, err = openServer(ctx, c.URL)
	default:
		// The URL may hold a password, so it is not repeated.
		return nil, errors.New(`unknown kind of database: use "sqlite:PATH" or "postgres://…"`)
	}
	if err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return &Store{backend: b, clock: c.Clock}, nil
}

// OpenExisting opens a database that a server made, as it is: it creates no file and migrates nothing, and fails if the schema is not of
// this version.
func OpenExisting(ctx context.Context, c Config) (*Store, error) {
	return openExisting(ctx, c, openSQLite)
}

// OpenToRead is OpenExisting for those who only read: on SQLite Write fails, and the file, which may be where nothing can be written, keeps
// every byte. If no server has it open and none left its log beside it, no file is created beside it either, and reading fails once a
// server begins to write to it.
func OpenToRead(ctx context.Context, c Config) (*Store, error) {
	return openExisting(ctx, c, openSQLiteToRead)
}

func openExisting(ctx context.Context, c Config, openFile func(ctx context.Context, path string) (*sqlite, error)) (*Store, error) {
	if path, ok := strings.CutPrefix(c.URL, "sqlite:"); ok {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("open SQLite database: %w: name the file that a server made, from the directory that this runs in", err)
		case err != nil:
			return nil, fmt.Errorf("open SQLite database: %w", err)
		case info.IsDir():
			return nil, fmt.Errorf("open SQLite database: %s is a directory: name a file in it", path)
		}
	}
	s, err := connect(ctx, c, openFile, openPostgres)
	if err != nil {
		return nil, err
	}
	if err := s.checkSchema(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkSchema says whether the database has been migrated to what this version knows, and no further.
func (s *Store) checkSchema(ctx context.Context) error {
	var have, want int64
	err := s.Read(ctx, func(tx Tx) error {
		_, err := one(ctx, tx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`, nil, &have)
		return err
	})
	var refused *driverOfSQLite.Error
	switch {
	case errors.As(err, &refused) && refused.Code()&0xff == sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("open SQLite database: %w: let the user that this runs as read the file", err)
	case err != nil:
		return fmt.Errorf("this is no database of changegate's: %w", err)
	}
	files, err := fs.Glob(migrations, "migrations/sqlite/*.sql") // both databases have the same
	if err != nil {
		return err
	}
	for _, f := range files {
		version, err := goose.NumericComponent(f)
		if err != nil {
			return err
		}
		want = max(want, version)
	}
	switch {
	case have < want:
		return fmt.Errorf("the database's schema is of an earlier version, %d and not %d: start the server of this version on it first", have, want)
	case have > want:
		return laterSchema(have, want)
	}
	return nil
}
