package reconcile

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
)

// decideHead decides every open pull request that has the head, because a check on a SHA speaks for all of them. The main subject comes
// first.
func (r *run) decideHead(ctx context.Context, head change.SHA) ([]*subject, error) {
	w := &r.main.work
	known, err := r.Store.PullsWithHead(ctx, w.Key.Repository, head)
	if err != nil {
		return nil, err
	}
	subjects := []*subject{r.main}
	for _, key := range known {
		if key == w.Key {
			continue
		}
		sibling, err := r.Store.Begin(ctx, key)
		if err != nil {
			return nil, err
		}
		if current := sibling.Snapshot; current.Head.SHA != head || current.State != change.Open {
			continue // it moved between the two looks, and has a run of its own
		}
		subjects = append(subjects, &subject{work: sibling})
	}
	for _, s := range subjects {
		if err := r.decide(ctx, s, trustHeld); err != nil {
			return nil, err
		}
	}
	green, err := r.mustVerify(ctx, head, subjects)
	if green && err == nil {
		if r.mayBeRejected(subjects) {
			return nil, errUnanswered
		}
		subjects, err = r.verify(ctx, head, subjects)
	}
	if err == nil && strictest(subjects).Verdict != change.Satisfied {
		r.lookAt = caughtUp(subjects, r.github.Now())
	}
	return subjects, err
}

// mustVerify says whether what is held would turn the head's check green. A check that is green already and stays so is verified when
// a sweep or a person asks, and not at each event that cannot change it.
func (r *run) mustVerify(ctx context.Context, head change.SHA, subjects []*subject) (bool, error) {
	if verdict := strictest(subjects); verdict.Verdict != change.Satisfied {
		return false, nil
	}
	if r.main.work.Concerns.Has(change.ConcernVerify) {
		return true, nil
	}
	posted, err := r.Store.CheckRun(ctx, r.main.work.Key.Repository, head)
	if err != nil {
		return false, err
	}
	green := posted != nil && posted.IsGreen()
	for _, s := range subjects {
		before := s.work.Decision
		green = green && before != nil && before.Verdict == change.Satisfied && before.Head == head && before.Base == s.decision.Base &&
			before.Policy == s.decision.Policy && before.Floor == s.decision.Floor && before.Category == s.decision.Category
	}
	return !green, nil
}

// verify decides everything once more on facts that were read in this run, the pull requests that GitHub knows of on this head among
// them.
func (r *run) verify(ctx context.Context, head change.SHA, subjects []*subject) ([]*subject, error) {
	repo := r.main.work.Repository
	var listed []change.Pull
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		listed, err = r.github.PullsWithHead(gctx, repo, head, r.github.Began())
		return err
	})
	for _, s := range subjects {
		group.Go(func() error { return r.readAhead(gctx, s) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, s := range subjects {
		i := slices.IndexFunc(listed, func(p change.Pull) bool { return p.Number == s.work.Key.Number })
		if i < 0 {
			// Not listed: from a fork, or no longer so.
			if err := r.readPull(ctx, s); err != nil {
				return nil, err
			}
			continue
		}
		if err := r.accept(ctx, s, listed[i]); err != nil {
			return nil, err
		}
		listed = slices.Delete(listed, i, i+1)
	}
	for _, p := range listed {
		s, err := r.foundOn(ctx, head, p)
		if err != nil {
			return nil, err
		}
		if s != nil {
			subjects = append(subjects, s)
		}
	}
	for _, s := range subjects {
		if err := r.decide(ctx, s, trustVerified); err != nil {
			return nil, err
		}
	}
	return subjects, nil
}

// foundOn returns a pull request that GitHub lists on a head and that no delivery put there. It returns nil if what is held is newer and says that
// it has left the head or has ended: lists lag behind.
func (r *run) foundOn(ctx context.Context, head change.SHA, p change.Pull) (*subject, error) {
	key := change.PullKey{Repository: r.main.work.Key.Repository, Number: p.Number}
	saved, err := r.Store.SavePull(ctx, key, p)
	if err != nil {
		return nil, err
	}
	if saved.Head.SHA != head || saved.State != change.Open {
		return nil, nil
	}
	s := &subject{}
	if s.work, err = r.Store.Begin(ctx, key); err != nil {
		return nil, err
	}
	// Two versions within one second cannot be ordered: ask for the pull request itself. If it has left this head, start over.
	if s.work.Unsure {
		return s, r.readPull(ctx, s)
	}
	if s.pull().Head.SHA != head || s.pull().State != change.Open {
		return nil, errMoved
	}
	return s, nil
}

// strictest returns the decision that the head's check shows.
func strictest(subjects []*subject) change.Decision {
	var governed []change.Decision
	for _, s := range subjects {
		if s.decision.Governed {
			governed = append(governed, s.decision)
		}
	}
	if len(governed) == 0 {
		return change.Decision{Pull: subjects[0].decision.Pull, Head: subjects[0].decision.Head}
	}
	return policy.Strictest(governed)
}

// takeBack takes a green back from a head on which the main subject has not been decided with its present base: the green speaks of others, or of
// another base. It needs nothing from GitHub, so that an outage does not leave the green standing meanwhile. A base known to be ungoverned takes
// nothing back: otherwise anyone who can open a pull request could revoke any green.
func (r *run) takeBack(ctx context.Context, head change.SHA) error {
	w := &r.main.work
	if before := w.Decision; before != nil && before.Head == head && before.Base == w.Snapshot.Base.Name && before.State == "" {
		return nil
	}
	writes, err := r.settle(ctx, head) // the green may be a write whose answer was lost, and so may what took it back
	if err != nil {
		return err
	}
	posted, err := r.Store.CheckRun(ctx, w.Key.Repository, head)
	if err != nil || posted == nil || r.isHeldUngoverned(ctx) {
		return err
	}
	return r.apply(ctx, plan.TakenBack(w.Key, head, &posted.Posted, writes))
}

// isHeldUngoverned says whether no policy governs the main subject's base, by the policies as they are held. If those are out of date, the run
// finds out when it decides.
func (r *run) isHeldUngoverned(ctx context.Context) bool {
	if repo := r.main.work.Repository; !r.holdsTip(repo, repo.DefaultBranch) {
		return false
	}
	s := r.basis(r.main)
	s.work.Concerns = 0
	floor, err := r.floorOf(ctx, s, trustHeld)
	if err != nil {
		return false
	}
	governed, err := r.governed(ctx, s, trustHeld, floor)
	return err == nil && !governed
}

// raiseLeft has the pull requests that still have a head looked at again when the main subject leaves it: the check there may show what
// the main subject lacks.
func (r *run) raiseLeft(ctx context.Context, head change.SHA) error {
	key := r.main.work.Key
	left, err := r.Store.PullsWithHead(ctx, key.Repository, head)
	if err != nil {
		return err
	}
	left = slices.DeleteFunc(left, func(k change.PullKey) bool { return k == key })
	return r.Raise(ctx, left, change.ConcernPull)
}
