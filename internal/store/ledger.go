package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/changegate/changegate/internal/ledger"
)

// Checkpoint signs what the ledger's tree comes to now and keeps the checkpoint. If nothing was appended since the last one that was signed
// with this key, that is returned.
func (s *Store) Checkpoint(ctx context.Context, k *ledger.Key) (c ledger.Checkpoint, err error) {
	defer wrap(&err, "sign a checkpoint of the ledger")
	if err := s.growLedger(ctx); err != nil {
		return ledger.Checkpoint{}, err
	}
	err = s.Write(ctx, func(tx Tx) error {
		c, err = ledger.SignHead(ctx, tx, k, s.now())
		return err
	})
	return c, err
}

// ReadLedger runs f in a transaction that sees one state of the database throughout and writes nothing.
func (s *Store) ReadLedger(ctx context.Context, f func(ledger.Tx) error) error {
	return s.Read(ctx, func(tx Tx) error { return f(tx) })
}

// Exhibit returns what entries of the ledger rest on, by its digest: the canonical text of a JSON value.
func (s *Store) Exhibit(ctx context.Context, digest string) (text json.RawMessage, err error) {
	err = s.Read(ctx, func(tx Tx) error {
		text, err = ledger.Exhibit(ctx, tx, digest)
		return err
	})
	return text, err
}

// growLedger lays the tree over what earlier versions appended to the ledger, in transactions that others need not wait long for. A process
// that ends in between goes on from there when it starts again.
func (s *Store) growLedger(ctx context.Context) error {
	for left := int64(1); left > 0; {
		err := s.Write(ctx, func(tx Tx) (err error) {
			left, err = ledger.Grow(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// OpenExisting opens a database that a server made, as it is: it makes no file, and it is an error if the schema is not of this version.
func OpenExisting(ctx context.Context, c Config) (*Store, error) {
	return openExisting(ctx, c, openSQLite)
}

// OpenToRead is OpenExisting for who writes nothing: Write fails on SQLite. A file of SQLite keeps every byte and may be where nothing can be
// written. If no server has it open and none left its log beside it, nothing is made there, and it is an error if one begins to write to it.
func OpenToRead(ctx context.Context, c Config) (*Store, error) {
	return openExisting(ctx, c, openSQLiteToRead)
}

func openExisting(ctx context.Context, c Config, openFile func(ctx context.Context, path string) (*sqlite, error)) (*Store, error) {
	if path, ok := strings.CutPrefix(c.URL, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("open SQLite database: %w", err)
		}
	}
	s, err := connect(ctx, c, openFile)
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
	if err != nil {
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
