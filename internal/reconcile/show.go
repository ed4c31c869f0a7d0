package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// soonest is the least time until a run that time alone calls for, whatever the clocks say.
const soonest = 10 * time.Second

// show makes the head's check and the requested reviews agree with the decisions, and records them.
func (r *run) show(ctx context.Context, head change.SHA, subjects []*subject, again bool) (queue.Result, error) {
	for _, s := range subjects {
		if s.decision.Head != head {
			return queue.Result{}, fmt.Errorf("%s was decided at %s, which is to show on %s", s.work.Key, s.decision.Head.Short(), head.Short())
		}
	}
	d := strictest(subjects)
	writes, err := r.settle(ctx, head)
	if err != nil {
		return queue.Result{}, err
	}
	posted, err := r.posted(ctx, head)
	if err != nil {
		return queue.Result{}, err
	}
	if !d.Governed {
		// Nothing is posted for a branch without a policy; a green of an earlier base is taken back.
		if err := r.apply(ctx, plan.Withdrawn(r.main.work.Key, head, posted, writes)); err != nil {
			return queue.Result{}, err
		}
	}
	for _, s := range subjects {
		if err := r.record(ctx, s); err != nil {
			return queue.Result{}, err
		}
	}
	if !d.Governed {
		return queue.Result{}, nil
	}
	asks, asked, err := r.asks(ctx, subjects, again)
	if err != nil {
		return queue.Result{}, err
	}
	effects := plan.Decided(d, asks, plan.Present{Run: posted, Writes: writes, Asked: asked, Again: again, Now: r.github.Now()}, r.Render)
	if err := r.apply(ctx, effects); err != nil {
		return queue.Result{}, err
	}
	return r.recheck(ctx, d, head)
}

// recheck returns when time alone calls for another run: at an edge that the decision names, when GitHub's lists may have caught up with its
// deliveries, or to refresh a check run before GitHub calls it stale. The decision's times are GitHub's; the queue's are ours.
func (r *run) recheck(ctx context.Context, d change.Decision, head change.SHA) (queue.Result, error) {
	at := sooner(d.RecheckAt, r.lookAt)
	posted, err := r.Store.CheckRun(ctx, d.Pull.Repository, head)
	if err != nil {
		return queue.Result{}, err
	}
	if posted != nil {
		at = sooner(at, plan.RefreshAt(posted.Posted))
	}
	return queue.Result{RecheckAt: r.wakeAt(at)}, nil
}

// wakeAt returns a time of GitHub's clock by ours; zero stays zero.
func (r *run) wakeAt(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return r.Clock().Add(max(at.Sub(r.github.Now()), soonest))
}

// record saves the decision on a pull request if it changed, with the evidence of what changed. That no policy governs an open pull
// request is not recorded, unless that ends an emergency.
func (r *run) record(ctx context.Context, s *subject) error {
	d, before := s.decision, s.work.Decision
	if !d.Governed && (d.State != "" || before == nil || before.Declaration == nil) {
		return nil
	}
	digest := plan.Digest(d)
	labels := newLabels(before, d)
	edits := newEdits(before, &s.facts)
	noteEdits(&d, before, edits)
	if before != nil && digest == s.work.Digest && before.State == d.State && before.Base == d.Base && len(labels)+len(edits)+len(s.rejections) == 0 {
		r.doubt(s, s.work.DecidedAt.Add(r.github.Now().Sub(r.Clock())))
		return r.Store.SaveAwaited(ctx, d, r.github.Began())
	}
	r.doubt(s, r.github.Now())
	raise, err := r.concerned(ctx, before, d)
	if err != nil {
		return err
	}
	r.log.Info().Str("head", string(d.Head)).Stringer("category", d.Category).Stringer("verdict", d.Verdict).Msg("decision changed")
	drafts := evidence(before, d, labels)
	describe(drafts, &s.facts)
	texts, err := r.texts(s)
	if err != nil {
		return err
	}
	facts, err := restsOn(s)
	if err != nil {
		return err
	}
	drafts[0].Exhibits = slices.Concat(facts, texts)
	consequences := store.Consequences{
		Lease: r.lease, Since: r.github.Began(), Debts: r.debts(before, d), Rejections: s.rejections, Raise: raise, Policy: inForce(d, texts),
	}
	return r.Store.SaveDecision(ctx, d, digest, consequences, append(drafts, edited(d, edits)...)...)
}
