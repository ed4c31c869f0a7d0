package store

import (
	"context"
	"encoding/json"

	"github.com/changegate/changegate/internal/ledger"
)

// Checkpoint signs the ledger's tree as it is now and keeps the checkpoint. If nothing was appended since the last checkpoint that was
// signed with this key, it returns that one.
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

// growLedger builds the tree over what earlier versions appended to the ledger, in transactions short enough not to hold others up. If the
// process ends in between, the next one goes on from there.
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

// Append writes entries to the ledger that go with no other change.
func (s *Store) Append(ctx context.Context, entries ...ledger.Draft) error {
	return s.Write(ctx, func(tx Tx) error {
		_, err := ledger.Append(ctx, tx, s.now(), entries...)
		return err
	})
}

// Ledger returns a part of the ledger.
func (s *Store) Ledger(ctx context.Context, p ledger.Page) (entries []ledger.Entry, err error) {
	err = s.Read(ctx, func(tx Tx) error {
		entries, err = ledger.List(ctx, tx, p)
		return err
	})
	return entries, err
}
