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
	content, timeline, err := r.readTogether(ctx, s, t, merged)
	if err != nil {
		return f, err
	}
	if err := r.noteUntold(ctx, s, timeline, f.Now); err != nil {
		return f, err
	}

	f.Pull, f.Content = w.Snapshot, content
	brought, known, err := r.learnOrigin(ctx, s, f.Content)
	if err != nil {
		return f, err
	}
	f.Pushes, f.PushesKnown = slices.Concat(brought, w.Pushes), w.PushesKnown && known
	mergeTold(&f, s, timeline, t)
	if merged != nil {
		f.Declared = merged.Declaration
	}
	if w.Decision != nil {
		f.Declarers, f.Voids = w.Decision.Declarers, w.Decision.Voids
	}
	f.Rejections = w.Rejections
	if f.AsksRefused, err = r.asksRefused(ctx, w); err != nil {
		return f, err
	}
	if f.Debts, err = r.debtsOfSetters(ctx, w.Repository, f.LabelEvents); err != nil {
		return f, err
	}
	f.Checks = withWorkflows(change.LatestRuns(w.Checks))
	f.ChecksKnown = !w.ChecksReadAt.IsZero() && r.sinceFor(change.ConcernVerify, s, t).IsZero()
	return f, nil
}

// sinceFor says how old an answer may be that a concern is about: as it is held, unless something says that it changed or a green may rest on it.
func (r *run) sinceFor(c change.Concern, s *subject, t trust) time.Time {
	if concerns := s.work.Concerns; t == trustVerified || concerns.Has(c) || concerns.Has(change.ConcernVerify) {
		return r.github.Began()
	}
	return time.Time{}
}

// readTogether reads the content, and what GitHub tells of reviews and labels; nil where deliveries told all of it. Beside them it reads the
// policies, for the session to answer when they are asked for. Merged is the decision under which an emergency was merged, or nil.
func (r *run) readTogether(
	ctx context.Context, s *subject, t trust, merged *change.Decision,
) (content change.Content, timeline *github.Timeline, err error) {
	w := &s.work
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if merged != nil {
			content, err = r.github.ContentAt(ctx, w.Repository, w.Snapshot, merged.BaseTip)
		} else {
			content, err = r.github.Content(ctx, w.Repository, w.Snapshot, r.sinceFor(change.ConcernContent, s, t))
		}
		return err
	})
	if base := w.Snapshot.Base; t == trustHeld && base.SHA != "" && !r.holdsTip(w.Repository, base.Name) {
		// The base that GitHub noted is most often still its tip. If it is not, the tip's policy is read after.
		group.Go(func() error {
			_, err := r.github.PolicyFile(ctx, w.Repository, base.SHA, change.PolicyPath)
			var missing *github.NotFound
			if errors.As(err, &missing) {
				return nil
			}
			return err
		})
	}
	group.Go(func() error {
		_, err := r.ownerPolicy(ctx, s, t)
		return err
	})
	// Deliveries are enough for a pull request followed from its opening, unless one is known to be missing or the order of its label events
	// is ambiguous; otherwise read the timeline. Where GitHub lists nothing but reviews they have to be enough.
	told := t == trustHeld && w.PushesKnown && !w.Untold && !w.Concerns.Has(change.ConcernVerify) && inOrder(w.LabelEvents)
	if !told {
		group.Go(func() error {
			read, err := r.github.Timeline(ctx, w.Repository, w.Key.Number, r.sinceFor(change.ConcernTimeline, s, t))
			timeline = &read
			if err == nil && !(w.PushesKnown && !w.Untold) {
				err = read.Unlisted
			}
			return err
		})
	}
	err = group.Wait()
	return content, timeline, err
}

// noteUntold notes that a delivery was lost, if the timeline has what none told of a pull request that was followed from its opening. Were it
// not noted, the next decision on what deliveries told would forget what this one found.
func (r *run) noteUntold(ctx context.Context, s *subject, timeline *github.Timeline, now time.Time) error {
	w := &s.work
	if timeline == nil || !w.PushesKnown || w.Untold || !lacks(w, *timeline, now) {
		return nil
	}
	if err := r.Store.SaveUntold(ctx, w.Key); err != nil {
		return err
	}
	w.Untold = true
	return nil
}

// mergeTold puts together what GitHub tells of reviews and labels, nil if it was not asked, what deliveries told, and what is known of both
// from earlier decisions.
func mergeTold(f *change.Facts, s *subject, timeline *github.Timeline, t trust) {
	w := &s.work
	var retargeted time.Time
	switch {
	case timeline == nil:
		f.Reviews, f.LabelEvents = foldReviews(w.Reviews), w.LabelEvents
	case timeline.Unlisted != nil:
		f.Reviews, s.left = withToldReviews(withDismissers(timeline.Reviews, w.Reviews), w.Reviews, t, f.Now)
		f.LabelEvents = withPresent(w.LabelEvents, w.Snapshot)
		retargeted = f.Now // it may have been at any time
	default:
		f.Reviews, f.LabelEvents, s.left = withTold(*timeline, w.Reviews, w.LabelEvents, t, f.Now)
		retargeted = timeline.Retargeted
	}
	recall(f, w, retargeted)
	rememberHeld(f.Reviews, w.Decision)
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

// readAhead reads what a verified decision will ask for, while other things are read; the session answers from then on.
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

// readPull reads what a pull request is now, and keeps it; see accept.
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
