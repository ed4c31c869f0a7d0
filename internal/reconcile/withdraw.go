package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// withdrawOld takes back the greens of this pull request's earlier heads that are no open pull request's head any more, once it is known what
// became of the last writes there.
func (r *run) withdrawOld(ctx context.Context, head change.SHA) error {
	heads, lost, err := r.written(ctx)
	if err != nil {
		return err
	}
	for _, old := range heads {
		if old == head || old == "" {
			continue
		}
		if len(lost[old]) > 0 { // one may have become a green, which the store has to know
			if err := r.alone(ctx, old, func() error { return r.settleOld(ctx, old, lost[old]) }); err != nil {
				return fmt.Errorf("finding out what became of a write on %s: %w", old.Short(), err)
			}
		}
		posted, err := r.Store.CheckRun(ctx, r.main.work.Key.Repository, old)
		if err != nil {
			return err
		}
		if posted == nil || !posted.IsGreen() {
			continue
		}
		if err := r.alone(ctx, old, func() error { return r.withdraw(ctx, old) }); err != nil {
			return fmt.Errorf("taking back the green of %s: %w", old.Short(), err)
		}
	}
	return nil
}

// written returns the heads of this pull request that may have a check run of ours, in order, and by head the writes to them of which the result is
// not known.
func (r *run) written(ctx context.Context) (heads []change.SHA, lost map[change.SHA][]store.Effect, err error) {
	w := &r.main.work
	runs, err := r.Store.CheckRunsOf(ctx, w.Key)
	if err != nil {
		return nil, nil, err
	}
	for _, run := range runs {
		heads = append(heads, run.Head)
	}
	for _, p := range w.Pushes {
		heads = append(heads, p.Before, p.After) // others may have written there last
	}
	open, err := r.Store.OpenEffects(ctx, w.Key)
	if err != nil {
		return nil, nil, err
	}
	lost = map[change.SHA][]store.Effect{}
	for _, e := range open {
		if writesCheckRun(plan.Kind(e.Kind)) {
			heads, lost[e.Head] = append(heads, e.Head), append(lost[e.Head], e)
		}
	}
	slices.Sort(heads)
	return slices.Compact(heads), lost, nil
}

// settleOld is settle for an earlier head, which GitHub may not have any more. Lost are the writes there of which the result is not known.
func (r *run) settleOld(ctx context.Context, old change.SHA, lost []store.Effect) error {
	_, err := r.settle(ctx, old)
	if !github.IsRefusal(err) {
		return err
	}
	for _, e := range lost {
		if err := r.Store.FailEffect(ctx, e.Key, "its answer was lost, and GitHub does not show the commit any more: "+err.Error()); err != nil {
			return err
		}
	}
	return nil
}

// alone does something to another head than the run's, under that head's lease.
func (r *run) alone(ctx context.Context, head change.SHA, do func() error) error {
	lease, err := r.Store.Acquire(ctx, store.HeadLease(r.main.work.Key.Repository, head), r.holder(), errand.LeaseTime)
	if err != nil {
		return err
	}
	defer func() { _ = r.Store.Release(context.WithoutCancel(ctx), lease) }()
	mine := r.lease
	r.lease = lease
	defer func() { r.lease = mine }()
	return do()
}

// withdraw takes a green back from a head that no open pull request has. A yellow stays, because nobody can merge by it. The caller holds the
// head's lease.
func (r *run) withdraw(ctx context.Context, head change.SHA) error {
	key := r.main.work.Key
	holders, err := r.Store.PullsWithHead(ctx, key.Repository, head)
	if err != nil || len(holders) > 0 {
		return err
	}
	writes, err := r.settle(ctx, head)
	if err != nil {
		return err
	}
	posted, err := r.posted(ctx, head)
	if err != nil || !posted.IsGreen() {
		return err
	}
	return r.apply(ctx, plan.Withdrawn(key, head, posted, writes))
}
