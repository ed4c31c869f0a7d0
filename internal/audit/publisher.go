package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/changegate/changegate/internal/ledger"
)

// Signer is a database whose ledger can be signed; see store.Store.
type Signer interface {
	Source
	// Checkpoint signs what the ledger comes to now, or returns the last checkpoint if nothing was appended since.
	Checkpoint(ctx context.Context, k *ledger.Key) (ledger.Checkpoint, error)
}

// Publisher signs checkpoints of a ledger, publishes them, and holds the ledger to those that were published. Any number of replicas may
// publish to sinks of their own.
type Publisher struct {
	Ledger Signer
	Key    *ledger.Key
	Sinks  []Sink // may be empty: checkpoints are then in the database only
}

// Verify says, at a cost that does not grow with the ledger, whether its end holds and whether it begins with what was published. It is
// for when a server starts: a restored backup, or another database than the one before, shows here. The error is a *Broken if it does not hold,
// even if some sinks cannot be read as well, which it tells too.
func (p Publisher) Verify(ctx context.Context) (ledger.Tree, error) {
	var all []ledger.Checkpoint
	var errs []error
	for _, s := range p.Sinks {
		published, err := p.published(ctx, s)
		errs, all = append(errs, err), append(all, published...)
	}
	head, err := CheckTip(ctx, p.Ledger, all...)
	return head, errors.Join(append([]error{err}, errs...)...)
}

// Publish signs a checkpoint and publishes it to every sink. A sink that the ledger does not bear out gets none, and the others do; errors are
// of all sinks.
func (p Publisher) Publish(ctx context.Context) (ledger.Checkpoint, error) {
	c, err := p.Ledger.Checkpoint(ctx, p.Key)
	if err != nil {
		return c, err
	}
	var errs []error
	for _, s := range p.Sinks {
		errs = append(errs, p.publishTo(ctx, s, c))
	}
	return c, errors.Join(errs...)
}

func (p Publisher) publishTo(ctx context.Context, s Sink, c ledger.Checkpoint) error {
	published, err := p.published(ctx, s)
	if err != nil {
		return err
	}
	if n := len(published); n > 0 {
		if err := CheckSince(ctx, p.Ledger, published[n-1]); err != nil {
			return err
		}
	}
	return s.Publish(ctx, c)
}

// published returns what was published to a sink, signed with the key of now or one that signed before.
func (p Publisher) published(ctx context.Context, s Sink) ([]ledger.Checkpoint, error) {
	texts, err := s.Published(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the published checkpoints: %w", err)
	}
	keys := []string{p.Key.Public()}
	err = p.Ledger.ReadLedger(ctx, func(tx ledger.Tx) error {
		earlier, err := ledger.Keys(ctx, tx)
		keys = append(keys, earlier...)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := OpenCheckpoints(texts, keys...)
	if err != nil {
		return nil, fmt.Errorf("read the published checkpoints: %w", err)
	}
	return list, nil
}
