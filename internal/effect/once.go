// Package effect does things in the world at most once, however often the process dies or an answer is lost: the intent is recorded under
// a unique key, then that it is about to be sent, then the result. What became of something that was sent and has no result is found out in the
// world before it is sent again, and that is not before whatever will ever come of the first has come; so is, for a while, what the database does
// not know of because it was restored from a copy.
package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/fence"
	"github.com/changegate/changegate/internal/store"
)

// ErrUncertain is for an action's Find to return: whether it happened cannot be found out. The action is not repeated, and the record says
// that it is uncertain.
var ErrUncertain = errors.New("whether it was done cannot be found out")

// Failed says that an effect was given up: it was refused, or whether it was done is uncertain. It is final.
type Failed struct {
	Why       string
	uncertain bool
}

func (e *Failed) Error() string { return e.Why }

// Is says that it is ErrUncertain when it was given up for that just now. A record of before tells Why and no more.
func (e *Failed) Is(target error) bool { return e.uncertain && target == ErrUncertain }

// Early says that an earlier attempt was not found, but may still be acted on. Nothing failed: it is to be called again.
type Early struct{ Until time.Time }

func (e *Early) Error() string {
	return "an earlier attempt may be acted on until " + e.Until.Format(time.RFC3339)
}

// MayActFor is how long after an attempt GitHub, or another, may still act on it: GitHub ends requests that take ten seconds, and some are
// for the way there and for clocks that differ.
const MayActFor = 15 * time.Second

// nothingHappened says of an error of Do that nothing was done, for certain.
func nothingHappened(err error) bool {
	var e interface{ NothingHappened() bool }
	return errors.As(err, &e) && e.NothingHappened()
}

// Store keeps intents and results; see store.Store.
type Store interface {
	Intend(ctx context.Context, in store.Intent) (e store.Effect, fresh bool, err error)
	Attempt(ctx context.Context, key string, lease store.Lease) error
	TakeBackAttempt(ctx context.Context, key string, lease store.Lease, last time.Time) error
	Now() time.Time // by which attempts are dated
	Check(ctx context.Context, lease store.Lease) error
	Complete(ctx context.Context, key string, result any) error
	FailEffect(ctx context.Context, key, why string) error
}

// Action is one thing to do, with a result that encoding/json writes and reads.
type Action[R any] struct {
	// Find looks whether an earlier attempt was done after all, none of which began before since. It is called only if there was one, or
	// may have been: a database that was restored from a copy does not know what was done after the copy was made. An action that is
	// harmless to repeat has none.
	Find func(ctx context.Context, since time.Time) (result R, found bool, err error)
	// Do does it, with one write at most. An error with a method NothingHappened that says so takes the attempt back.
	Do func(ctx context.Context) (R, error)
	// Refused says of an error of Do that trying again would not help; nil: no error is such.
	Refused func(error) bool
}

// ClockSkew is how far another's clock may be behind ours when an attempt is looked for.
const ClockSkew = 5 * time.Minute

// Once does what is intended, unless it was done before, and returns the result, then or now. It returns *Failed if it was refused, then
// or now, or if it is uncertain. Any other error says that it is to be called again with the same intent: *Early, when it may be told what became
// of an earlier attempt.
func Once[R any](ctx context.Context, s Store, in store.Intent, a Action[R]) (result R, err error) {
	known, _, err := s.Intend(ctx, in)
	if err != nil {
		return result, err
	}
	switch known.State {
	case store.EffectDone:
		if err := json.Unmarshal(known.Result, &result); err != nil {
			return result, fmt.Errorf("reading the result of %s: %w", in.Key, err)
		}
		return result, nil
	case store.EffectFailed:
		why := new(Failed)
		if err := json.Unmarshal(known.Result, &why.Why); err != nil {
			return result, fmt.Errorf("reading why %s failed: %w", in.Key, err)
		}
		return result, why
	}
	if since, before := before(known); before && a.Find != nil {
		looking := ctx
		if in.Lease != (store.Lease{}) { // Find may write too
			looking = fence.With(ctx, func(ctx context.Context) error { return s.Check(ctx, in.Lease) })
		}
		now := s.Now() // what is acted on later it may miss
		result, found, err := a.Find(looking, since)
		switch {
		case errors.Is(err, ErrUncertain) && known.AttemptedAt.IsZero():
			// Nothing is known of an attempt, and most likely there was none.
		case errors.Is(err, ErrUncertain):
			return result, fail(ctx, s, in.Key, err)
		case err != nil:
			return result, err
		case found:
			return result, s.Complete(ctx, in.Key, result)
		}
		if until := known.AttemptedAt.Add(MayActFor); !known.AttemptedAt.IsZero() && now.Before(until) {
			return result, &Early{until}
		}
	}
	// Asked again by whoever sends, just before the bytes leave: Do may have to wait.
	ctx = fence.With(ctx, func(ctx context.Context) error { return s.Attempt(ctx, in.Key, in.Lease) })
	if err := fence.Ask(ctx); err != nil {
		return result, err
	}
	result, err = a.Do(ctx)
	if err != nil && a.Refused != nil && a.Refused(err) {
		return result, fail(ctx, s, in.Key, err)
	}
	if err != nil {
		if nothingHappened(err) {
			// Without the cancellation of a run that ends; should it fail, what was not done is looked for.
			_ = s.TakeBackAttempt(context.WithoutCancel(ctx), in.Key, in.Lease, known.AttemptedAt)
		}
		return result, err
	}
	return result, s.Complete(ctx, in.Key, result)
}

// before says whether there was an attempt, or may have been one, and since when to look for it.
func before(known store.Effect) (since time.Time, before bool) {
	since = known.IntendedAt
	if d := known.Doubt; !d.IsZero() && d.Before(since) {
		since = d
	}
	return since.Add(-ClockSkew), !known.AttemptedAt.IsZero() || !known.Doubt.IsZero()
}

func fail(ctx context.Context, s Store, key string, cause error) error {
	if err := s.FailEffect(ctx, key, cause.Error()); err != nil {
		return err
	}
	return &Failed{Why: cause.Error(), uncertain: errors.Is(cause, ErrUncertain)}
}
