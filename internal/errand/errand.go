// Package errand has what the runs of the queue share, those that look at errands above all:
//
//   - Alone: of all processes one at a time works on an errand, under a lease.
//   - Outcome: a run that has to wait is no failure. It returns when it is to be repeated.
//   - Speaker: what is said to people on GitHub is an effect; see package effect.
//   - Confirm: before a command is carried out, its comment is read from GitHub again; one that is gone or was edited does not stand.
package errand

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

const (
	// LeaseTime is how long a run may write: for as long as the queue lets it last, and a little more.
	LeaseTime = queue.RunTimeout + 10*time.Second
	// HeldElsewhere is how soon a run is tried again that found another at work on its errand, or on its head SHA.
	HeldElsewhere = 200 * time.Millisecond
)

// Store keeps leases; see store.Store.
type Store interface {
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error)
	Release(ctx context.Context, lease store.Lease) error
}

// Alone has something done by the errand's one writer; holder names the process. It returns store.ErrHeld, wrapped, where another is at work.
func Alone(ctx context.Context, s Store, e change.Errand, holder string, do func(store.Lease) (queue.Result, error)) (queue.Result, error) {
	lease, err := s.Acquire(ctx, store.ErrandLease(e), holder+" "+e.String(), LeaseTime)
	if err != nil {
		return queue.Result{}, err
	}
	// Given back even if the run was cancelled; if that fails the lease ends by itself.
	defer func() { _ = s.Release(context.WithoutCancel(ctx), lease) }()
	return do(lease)
}

// Outcome tells waiting from failing: to wait for another run, for a rate limit, or for an effect that is too early is no error
// but a result with RetryAt. All else is returned as it is.
func Outcome(result queue.Result, err error, now time.Time, log *zerolog.Logger) (queue.Result, error) {
	var limited *github.RateLimited
	var early *effect.Early
	switch {
	case errors.Is(err, store.ErrHeld), errors.Is(err, store.ErrFenced):
		return queue.Result{RetryAt: now.Add(HeldElsewhere)}, nil
	case errors.As(err, &limited):
		return queue.Result{RetryAt: github.RetryAt(err, now)}, nil
	case errors.As(err, &early):
		log.Info().Err(err).Msg("an effect is tried again a little later")
		return queue.Result{RetryAt: early.Until}, nil
	default:
		return result, err
	}
}

// UnlessFailed lets pass that an effect was given up, which the record says, for the effects that a run can do without.
func UnlessFailed(err error, log *zerolog.Logger) error {
	var failed *effect.Failed
	if errors.As(err, &failed) {
		log.Warn().Err(err).Msg("GitHub refused")
		return nil
	}
	return err
}
