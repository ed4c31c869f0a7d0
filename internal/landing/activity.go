package landing

import (
	"context"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// sameEvent is how far the time of a push in its delivery and in the repository's activity may be apart.
const sameEvent = time.Minute

// Push is a push to the branch.
type Push struct {
	change.BranchPush
	At time.Time // when it was, as GitHub tells, else when we were told of it
}

// isMove says whether it may have taken commits off the branch: it was a forced one, or deleted the branch.
func (p Push) isMove() bool { return p.After == "" || p.Forced && p.Before != "" }

// is says whether a push that was told of is the known one, which the activity shows.
func (p Push) is(known Push) bool {
	return p.Before == known.Before && p.After == known.After && (p.Pushed.IsZero() || p.Pushed.Sub(known.At).Abs() <= sameEvent)
}

// when is the time of a push that was told of: the activity's, where that knows it, so that it is the same whoever tells of the push. A push whose
// delivery does not say when it was keeps the time at which the delivery came, under which what was found of it is kept.
func (p Push) when(activity []Push) time.Time {
	at, least := p.At, sameEvent+1
	for _, known := range activity {
		if p.Pushed.IsZero() || !p.is(known) {
			continue
		}
		if apart := p.Pushed.Sub(known.At).Abs(); apart < least {
			at, least = known.At, apart
		}
	}
	return at
}

// activity reads the latest pushes to a branch, its deletions too, as the repository's activity knows them, oldest first. A GitHub without
// activities, or one that does not show them to us, knows none.
func (r *run) activity(ctx context.Context, branch string) (pushes []Push, err error) {
	listed, err := r.github.Moves(ctx, r.work.Repository, branch, r.github.Began())
	if github.IsRefusal(err) {
		r.log.Warn().Err(err).Msg("who pushed cannot be read")
		return nil, nil
	}
	for _, p := range listed {
		pushes = append(pushes, Push{
			change.BranchPush{Branch: branch, Before: p.Before, After: p.After, By: p.By, Forced: p.Forced, Pushed: p.At}, p.At,
		})
	}
	return pushes, err
}

// since returns the part of an activity that follows the last time at which the branch was at a commit; false: the activity does not show that time.
func since(activity []Push, at change.SHA) ([]Push, bool) {
	if at == "" {
		return nil, false
	}
	for i, p := range slices.Backward(activity) {
		switch at {
		case p.Before:
			return activity[i:], true
		case p.After:
			return activity[i+1:], true
		}
	}
	return nil, false
}

// withActivity returns the pushes that were told of with those that only the activity knows, oldest first.
func withActivity(told, activity []Push) []Push {
	pushes := slices.Clone(told)
	for i, p := range told {
		pushes[i].At = p.when(activity)
	}
	for _, p := range activity {
		if !slices.ContainsFunc(told, func(t Push) bool { return t.is(p) }) {
			pushes = append(pushes, p)
		}
	}
	slices.SortStableFunc(pushes, func(a, b Push) int { return a.At.Compare(b.At) })
	return pushes
}
