package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// basics gathers what every policy looks at.
func (r *run) basics(ctx context.Context, s *subject, t trust) (change.Facts, error) {
	w := &s.work
	began := r.github.Began()
	since := func(c change.Concern) time.Time {
		if t == trustVerified || w.Concerns.Has(c) || w.Concerns.Has(change.ConcernVerify) {
			return began
		}
		return time.Time{}
	}
	f := change.Facts{Now: r.github.Now(), Repository: w.Repository}

	if w.Snapshot.State == "" || t == trustHeld && (w.Unsure || w.Concerns.Has(change.ConcernVerify)) {
		if err := r.readPull(ctx, s); err != nil {
			return f, err
		}
	}

	if err := r.learnPushes(ctx, s); err != nil {
		return f, err
	}

	merged := s.mergedAs()
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if merged != nil {
			f.Content, err = r.github.ContentAt(gctx, w.Repository, w.Snapshot, merged.BaseTip)
		} else {
			f.Content, err = r.github.Content(gctx, w.Repository, w.Snapshot, since(change.ConcernContent))
		}
		return err
	})
	if base := w.Snapshot.Base; t == trustHeld && base.SHA != "" && !r.holdsTip(w.Repository, base.Name) {
		// The base that GitHub noted is most often still its tip, so its policy is read beside the tip and the comparison. If it is
		// not, the tip's is read after.
		group.Go(func() error {
			_, err := r.github.PolicyFile(gctx, w.Repository, base.SHA, change.PolicyPath)
			var missing *github.NotFound
			if errors.As(err, &missing) {
				return nil
			}
			return err
		})
	}
	group.Go(func() error {
		// Read beside the others; the session answers when the policy is made of it.
		_, err := r.ownerPolicy(gctx, s, t)
		return err
	})
	var timeline github.Timeline
	// Deliveries tell all there was to a pull request whose life is known from its opening, unless one is known to have been lost, or they
	// leave open in which order labels came and went. Of any other GitHub tells it.
	complete := w.PushesKnown && !w.Untold
	toldAll := complete && t == trustHeld && !w.Concerns.Has(change.ConcernVerify) && inOrder(w.LabelEvents)
	if !toldAll {
		group.Go(func() (err error) {
			timeline, err = r.github.Timeline(gctx, w.Repository, w.Key.Number, since(change.ConcernTimeline))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return f, err
	}
	if complete && !toldAll && lacks(w, timeline, f.Now) {
		// Were it not noted, the next decision on what deliveries told would forget what this one found.
		if err := r.Store.SaveUntold(ctx, w.Key); err != nil {
			return f, err
		}
		w.Untold = true
	}

	f.Pull = w.Snapshot
	brought, known, err := r.learnOrigin(ctx, s, f.Content)
	if err != nil {
		return f, err
	}
	f.Pushes, f.PushesKnown = slices.Concat(brought, w.Pushes), w.PushesKnown && known
	if toldAll {
		f.Reviews, f.LabelEvents = foldReviews(w.Reviews), w.LabelEvents
	} else {
		f.Reviews, f.LabelEvents, s.left = withTold(timeline, w.Reviews, w.LabelEvents, t, f.Now)
	}
	if merged != nil {
		f.Declared = merged.Declaration
	}
	if w.Decision != nil {
		f.Declarers = w.Decision.Declarers
	}
	f.Rejections = w.Rejections
	if f.Debts, err = r.debtsOfSetters(ctx, w.Repository, f.LabelEvents); err != nil {
		return f, err
	}
	recall(&f, w, timeline.Retargeted)
	rememberHeld(f.Reviews, w.Decision)
	f.Checks, f.ChecksKnown = withWorkflows(change.LatestRuns(w.Checks)), !w.ChecksReadAt.IsZero() && since(change.ConcernVerify).IsZero()
	return f, nil
}

// debtsOfSetters returns what those owe who set a label, because whoever owes something overdue cannot declare an emergency.
func (r *run) debtsOfSetters(ctx context.Context, repo change.Repository, events []change.LabelEvent) ([]change.Debt, error) {
	var setters []change.AccountID
	for _, e := range events {
		if e.Added && e.By.Known() && !slices.Contains(setters, e.By.ID) {
			setters = append(setters, e.By.ID)
		}
	}
	if len(setters) == 0 {
		return nil, nil
	}
	return r.Store.Debts(ctx, repo.Installation, setters)
}

// readAhead reads what a verified decision will ask for, beside what else is read before it; the session answers from then on.
func (r *run) readAhead(ctx context.Context, s *subject) error {
	w, began := &s.work, r.github.Began()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := r.github.Content(ctx, w.Repository, w.Snapshot, began)
		return err
	})
	group.Go(func() error {
		_, err := r.github.Timeline(ctx, w.Repository, w.Key.Number, began)
		return err
	})
	group.Go(func() error {
		_, err := r.ownerPolicy(ctx, s, trustVerified)
		return err
	})
	if need := s.needed(); need.Checks {
		group.Go(func() error {
			_, _, err := r.github.Checks(ctx, w.Repository, w.Snapshot.Head.SHA, need.Workflows, began)
			return err
		})
	}
	return group.Wait()
}

func (r *run) holdsTip(repo change.Repository, branch string) bool {
	_, held := r.github.HeldTip(repo, branch)
	return held
}

// readPull reads a pull request that no delivery described.
func (r *run) readPull(ctx context.Context, s *subject) error {
	p, err := r.github.Pull(ctx, s.work.Repository, s.work.Key.Number, r.github.Began())
	if err != nil {
		return err
	}
	return r.accept(ctx, s, p)
}

// accept keeps a pull request as GitHub described it in this run. It returns errMoved if that is another head or base than the run
// was about.
func (r *run) accept(ctx context.Context, s *subject, p change.Pull) error {
	before := s.work.Snapshot
	saved, err := r.Store.SavePull(ctx, s.work.Key, p)
	if err != nil {
		return err
	}
	s.work.Snapshot = saved
	switch {
	case before.State == "":
		// Its pushes and checks were looked up for no head.
		s.work, err = r.Store.Begin(ctx, s.work.Key)
		return err
	case saved.Head.SHA != before.Head.SHA || saved.Base.Name != before.Base.Name || saved.State != before.State:
		return errMoved
	}
	return nil
}
