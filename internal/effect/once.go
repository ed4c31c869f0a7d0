// Package effect performs an action outside the database at most once (see Once), even if the process dies or an answer is lost. It records, in this
// order, the intent under a unique key, that the request is about to be sent, and the result. An attempt without a result is looked up on
// the other side before it is repeated, and not repeated while it may still take effect (MayActFor). After a restore, everything that is
// not known to have ended is looked up for a while (store.Store.Doubt). Only an action that is harmless to repeat does without the look-up.
package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/fence"
	"github.com/changegate/changegate/internal/store"
)

// ErrUncertain is what an action's Find returns if it cannot be found out whether the action happened. If it is known to have been
// attempted, it is given up, and the record says that it is uncertain.
var ErrUncertain = errors.New("whether it was done cannot be found out")

// Failed says that an effect was given up: it was refused, or whether it was done is uncertain. It is final.
type Failed struct {
	Why       string
	uncertain bool
}

func (e *Failed) Error() string { return e.Why }

// Is says that it is ErrUncertain if it was given up for that just now. A Failed that was read from the record has no more than Why.
func (e *Failed) Is(target error) bool { return e.uncertain && target == ErrUncertain }

// Early says that an earlier attempt was not found but may still take effect, or that it was refused but may not be a little later. Nothing
// failed: Once is to be called again.
type Early struct {
	Until   time.Time
	Refused error // nil: it was not
}

func (e *Early) Error() string {
	if e.Refused != nil {
		return e.Refused.Error() + ", and it is tried again at " + e.Until.Format(time.RFC3339)
	}
	return "an earlier attempt may be acted on until " + e.Until.Format(time.RFC3339)
}

// MayActFor is how long after an attempt GitHub, or another service, may still act on it: GitHub ends requests after ten seconds, and the
// rest is for the way there and for clocks that differ.
const MayActFor = 15 * time.Second

// nothingHappened says whether an error of Do means that certainly nothing was done.
func nothingHappened(err error) bool {
	var e interface{ NothingHappened() bool }
	return errors.As(err, &e) && e.NothingHappened()
}

// refusedAgain is how soon an effect is tried again that is refused for what may pass, until it is given up.
const refusedAgain = 20 * time.Second

// mayPass says whether an error of Do, with which it did nothing for certain, may be a mistake that is over a little later.
func mayPass(err error) bool {
	var e interface{ MayPass() bool }
	return errors.As(err, &e) && e.MayPass() && nothingHappened(err)
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
	// Find looks whether an earlier attempt was done after all; none was made before since. It is called only if there was one, or may have
	// been: a database that was restored from a copy does not know what was done after the copy was made. An action that is harmless to
	// repeat has none.
	Find func(ctx context.Context, since time.Time) (result R, found bool, err error)
	// Do performs the action, with one write at most. An error that has a method NothingHappened which returns true takes the attempt back.
	Do func(ctx context.Context) (R, error)
	// Refused says of an error of Do that trying again would not help; nil: no error is such. One that has a method MayPass which returns true is
	// tried again for a minute all the same, if nothing was done.
	Refused func(error) bool
}

// ClockSkew is how far another's clock may be behind ours when an attempt is looked for.
const ClockSkew = 5 * time.Minute

// Once does what is intended, unless it was done before, and returns the result, whether of now or of then. It returns *Failed if it was
// refused, now or then, or if it is uncertain. Any other error says that it is to be called again with the same intent: *Early, once it can
// be told what became of an earlier attempt, or whether a refusal was a mistake.
func Once[R any](ctx context.Context, s Store, in store.Intent, a Action[R]) (result R, err error) {
	known, _, err := s.Intend(ctx, in)
	if err != nil {
		return result, err
	}
	if known.State == store.EffectDone || known.State == store.EffectFailed {
		return recorded[R](known)
	}
	o := open[R]{s, in, a, known}
	if mayHaveHappened(known) && a.Find != nil {
		result, found, err := o.find(ctx)
		if found || err != nil {
			return result, err
		}
	}
	return o.attempt(ctx)
}

// open is an effect that is not known to have ended.
type open[R any] struct {
	store  Store
	in     store.Intent
	action Action[R]
	known  store.Effect // before this call
}

// recorded returns how an effect ended.
func recorded[R any](known store.Effect) (result R, err error) {
	if known.State == store.EffectDone {
		if err := json.Unmarshal(known.Result, &result); err != nil {
			return result, fmt.Errorf("reading the result of %s: %w", known.Key, err)
		}
		return result, nil
	}
	why := new(Failed)
	if err := json.Unmarshal(known.Result, &why.Why); err != nil {
		return result, fmt.Errorf("reading why %s failed: %w", known.Key, err)
	}
	return result, why
}

// find looks for what earlier attempts did, and completes the effect with it.
func (o open[R]) find(ctx context.Context) (result R, found bool, err error) {
	looking := ctx
	if o.in.Lease != (store.Lease{}) { // Find may write too
		looking = fence.With(ctx, func(ctx context.Context) error { return o.store.Check(ctx, o.in.Lease) })
	}
	now := o.store.Now() // before the look: it may miss what takes effect during it
	result, found, err = o.action.Find(looking, lookSince(o.known))
	switch {
	case errors.Is(err, ErrUncertain) && o.known.AttemptedAt.IsZero():
		// Nothing is known of an attempt, and most likely there was none.
	case errors.Is(err, ErrUncertain):
		return result, false, o.fail(ctx, err)
	case err != nil:
		return result, false, err
	case found:
		return result, true, o.store.Complete(ctx, o.in.Key, result)
	}
	if until := o.known.AttemptedAt.Add(MayActFor); now.Before(until) { // long ago if there was none
		return result, false, &Early{Until: until}
	}
	return result, false, nil
}

// attempt does what is intended, and records what came of it.
func (o open[R]) attempt(ctx context.Context) (result R, err error) {
	// This records the attempt; GitHub's transport does so again just before the bytes leave, because Do may have to wait.
	ctx = fence.With(ctx, func(ctx context.Context) error { return o.store.Attempt(ctx, o.in.Key, o.in.Lease) })
	if err := fence.Ask(ctx); err != nil {
		return result, err
	}
	result, err = o.action.Do(ctx)
	if err == nil {
		return result, o.store.Complete(ctx, o.in.Key, result)
	}
	refused, now := o.action.Refused != nil && o.action.Refused(err), o.store.Now()
	if refused && !(mayPass(err) && now.Before(asked(o.known).Add(change.MissedFor))) {
		return result, o.fail(ctx, err)
	}
	if nothingHappened(err) {
		// Also if the run was cancelled. If this fails, the next call looks for what was not done.
		_ = o.store.TakeBackAttempt(context.WithoutCancel(ctx), o.in.Key, o.in.Lease, o.known.AttemptedAt)
	}
	if refused {
		err = &Early{Until: now.Add(refusedAgain), Refused: err}
	}
	return result, err
}

// asked returns from when on refusals of an effect count: since it was intended, or since it was last attempted and nobody knows with what result.
// An attempt that was refused is taken back, and does not move it.
func asked(known store.Effect) time.Time {
	if known.AttemptedAt.After(known.IntendedAt) {
		return known.AttemptedAt
	}
	return known.IntendedAt
}

// mayHaveHappened says whether there was an attempt, or may have been one.
func mayHaveHappened(known store.Effect) bool {
	return !known.AttemptedAt.IsZero() || !known.Doubt.IsZero()
}

// lookSince returns since when to look for what attempts did.
func lookSince(known store.Effect) time.Time {
	since := known.IntendedAt
	if d := known.Doubt; !d.IsZero() && d.Before(since) {
		since = d
	}
	return since.Add(-ClockSkew)
}

// fail gives the effect up.
func (o open[R]) fail(ctx context.Context, cause error) error {
	if err := o.store.FailEffect(ctx, o.in.Key, cause.Error()); err != nil {
		return err
	}
	return &Failed{Why: cause.Error(), uncertain: errors.Is(cause, ErrUncertain)}
}
