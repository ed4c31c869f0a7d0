package worldtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// Ledger returns the entries about a pull request of the world's repository, in order, as the server's database has them now.
func (w *World) Ledger(number int) (entries []ledger.Entry, err error) {
	ctx := context.Background()
	s, err := store.OpenExisting(ctx, store.Config{URL: w.Data.URL(), Clock: w.Now, Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	known, err := s.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(known, func(r change.Repository) bool { return r.String() == w.Repo })
	if i < 0 {
		return nil, fmt.Errorf("the server does not know %s", w.Repo)
	}
	err = s.ReadLedger(ctx, func(tx ledger.Tx) error {
		entries, err = ledger.List(ctx, tx, ledger.Page{Repository: int64(known[i].ID), Number: number, Limit: 10_000})
		return err
	})
	return entries, err
}
