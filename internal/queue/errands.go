package queue

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// RaiseErrands records that there may be something to do for errands, leaves them notes, and has them looked at.
func (q *Queue) RaiseErrands(ctx context.Context, raised []change.Raised) error {
	if len(raised) == 0 {
		return nil
	}
	err := q.writeAndRaise(ctx, raised, atOnce, func(tx store.Tx) error { return q.Store.RaiseErrands(ctx, tx, raised) })
	if err != nil {
		return fmt.Errorf("raise errand %s and others: %w", raised[0].Errand, err)
	}
	return nil
}

// SaveErrand keeps what a run of an errand leaves, in one transaction with the jobs of what it raises; see store.Store.SaveErrand.
func (q *Queue) SaveErrand(ctx context.Context, e change.Errand, save store.ErrandSave) error {
	err := q.writeAndRaise(ctx, save.Raise, atOnce, func(tx store.Tx) error { return q.Store.SaveErrand(ctx, tx, e, save) })
	if err == nil {
		q.metrics.record(save.Entries)
	}
	return err
}

// SaveDecision keeps a decision, in one transaction with the jobs of what it raises; see store.Store.SaveDecision.
func (q *Queue) SaveDecision(ctx context.Context, d change.Decision, digest string, c store.Consequences, entries ...ledger.Draft) error {
	err := q.writeAndRaise(ctx, c.Raise, atOnce, func(tx store.Tx) error { return q.Store.SaveDecisionIn(ctx, tx, d, digest, c, entries...) })
	if err == nil {
		q.metrics.record(entries)
	}
	return err
}

// writeAndRaise runs write, which raises errands, and inserts their jobs in the same transaction.
func (q *Queue) writeAndRaise(ctx context.Context, raised []change.Raised, u urgency, write func(tx store.Tx) error) error {
	all := make([]change.Errand, len(raised))
	for i, r := range raised {
		all[i] = r.Errand
	}
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		return q.insertRuns(ctx, tx, errands(all), u)
	})
	if err == nil && len(raised) > 0 {
		q.engine.wake()
	}
	return err
}

// HandlerStore is the store as handlers use it: what they raise when they save gets its jobs in the same transaction, and the effects that they
// complete or give up are logged.
type HandlerStore struct {
	*store.Store
	queue *Queue
}

// HandlerStore returns the store for handlers.
func (q *Queue) HandlerStore() HandlerStore { return HandlerStore{q.Store, q} }

// RaiseErrands is that of Queue.
func (h HandlerStore) RaiseErrands(ctx context.Context, raised []change.Raised) error {
	return h.queue.RaiseErrands(ctx, raised)
}

// SaveErrand is that of Queue.
func (h HandlerStore) SaveErrand(ctx context.Context, e change.Errand, save store.ErrandSave) error {
	return h.queue.SaveErrand(ctx, e, save)
}

// SaveDecision is that of Queue.
func (h HandlerStore) SaveDecision(ctx context.Context, d change.Decision, digest string, c store.Consequences, entries ...ledger.Draft) error {
	return h.queue.SaveDecision(ctx, d, digest, c, entries...)
}

// Complete is that of store.Store.
func (h HandlerStore) Complete(ctx context.Context, key string, result any) error {
	err := h.Store.Complete(ctx, key, result)
	if err == nil {
		h.effect(ctx, key).Msg("an effect was done")
	}
	return err
}

// CompleteCheckRun is that of store.Store.
func (h HandlerStore) CompleteCheckRun(ctx context.Context, key string, result any, run store.CheckRun) error {
	err := h.Store.CompleteCheckRun(ctx, key, result, run)
	if err == nil {
		h.effect(ctx, key).Str("head", string(run.Head)).Int64("check_run", run.RunID).Str("status", string(run.Status)).
			Str("conclusion", string(run.Conclusion)).Msg("the check run was written")
	}
	return err
}

// FailEffect is that of store.Store.
func (h HandlerStore) FailEffect(ctx context.Context, key, why string) error {
	err := h.Store.FailEffect(ctx, key, why)
	if err == nil {
		h.effect(ctx, key).Str("why", why).Msg("an effect was given up")
	}
	return err
}

func (h HandlerStore) effect(ctx context.Context, key string) *zerolog.Event {
	return h.queue.Log.Info().Ctx(ctx).Str("effect", key)
}

// handles says whether the queue was started with a handler for errands of a kind.
func (q *Queue) handles(kind change.ErrandKind) bool {
	h := q.handlers.Load()
	return h != nil && h.Errands[kind] != nil
}
