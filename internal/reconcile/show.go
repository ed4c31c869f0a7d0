package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
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
	asks := map[change.PullKey][]change.Ask{}
	done := map[string]bool{}
	for _, s := range subjects {
		if len(s.decision.Asks) == 0 {
			continue
		}
		asks[s.work.Key] = s.decision.Asks
		effects, err := r.Store.EffectsOf(ctx, s.work.Key)
		if err != nil {
			return queue.Result{}, err
		}
		for _, e := range effects {
			if e.State != store.EffectIntended {
				done[e.Key] = true
			}
		}
	}
	effects := plan.Decided(d, asks, plan.Present{Run: posted, Writes: writes, Done: done, Again: again, Now: r.github.Now()}, r.Render)
	if err := r.apply(ctx, effects); err != nil {
		return queue.Result{}, err
	}
	return r.recheck(ctx, d, head)
}

// recheck returns when time alone calls for another run: at an edge that the decision names, when GitHub's lists may have caught up with its
// deliveries, or to refresh a check run before GitHub calls it stale. The decision's times are GitHub's; the queue's are ours.
func (r *run) recheck(ctx context.Context, d change.Decision, head change.SHA) (queue.Result, error) {
	at := d.RecheckAt
	if !r.lookAt.IsZero() && (at.IsZero() || r.lookAt.Before(at)) {
		at = r.lookAt
	}
	posted, err := r.Store.CheckRun(ctx, d.Pull.Repository, head)
	if err != nil {
		return queue.Result{}, err
	}
	if posted != nil {
		if stale := plan.RefreshAt(posted.Posted); !stale.IsZero() && (at.IsZero() || stale.Before(at)) {
			at = stale
		}
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

// record saves the decision on a pull request if it changed, with the evidence of what changed. That no policy governs an open one is none to be
// recorded, unless it ends an emergency.
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

// closed records how a pull request ended, and follows what is owed after. It finds out what became of writes that were under way. A green on the
// head of one that was closed without a merge is taken back, also one that came late; on a merged one it stays, as evidence of what was decided.
func (r *run) closed(ctx context.Context) (_ queue.Result, err error) {
	w := &r.main.work
	head := w.Snapshot.Head.SHA
	if w.Snapshot.State == change.Closed {
		err = r.withdraw(ctx, head)
	} else {
		_, err = r.settle(ctx, head)
	}
	if err == nil {
		err = r.withdrawOld(ctx, head)
	}
	if err != nil {
		return queue.Result{}, err
	}
	if err := r.end(ctx); err != nil {
		return queue.Result{}, err
	}
	result, err := r.follow(ctx)
	if err != nil {
		return queue.Result{}, err
	}
	return r.soon(result), nil
}

// end records how a pull request ended, once, and what was done to its labels and its description that no decision was made on any more.
func (r *run) end(ctx context.Context) error {
	w := &r.main.work
	isNew := w.Decision == nil || w.Decision.State != w.Snapshot.State
	if isNew {
		if err := r.raiseLeft(ctx, w.Snapshot.Head.SHA); err != nil {
			return err
		}
	}
	if w.Decision == nil {
		return nil
	}
	d, drafts, err := r.undecided(ctx, *w.Decision)
	if err != nil || len(drafts) == 0 && !isNew {
		return err
	}
	consequences := store.Consequences{Lease: r.lease}
	if isNew {
		d, consequences.Debts = r.endedAs(d, w.Snapshot)
		drafts, consequences.Raise = append(drafts, ended(w.Snapshot, d)), change.RaiseLanded(w.Key, w.Snapshot)
	}
	raise, err := r.concerned(ctx, w.Decision, d)
	if err != nil {
		return err
	}
	consequences.Raise = append(raise, consequences.Raise...)
	if err := r.Store.SaveDecision(ctx, d, w.Digest, consequences, drafts...); err != nil {
		return err
	}
	w.Decision = &d
	return nil
}

// undecided returns the evidence of labels of consequence and edits of the description that deliveries told of after the last decision on a pull
// request that has ended, and the decision with a note that the ledger has them.
func (r *run) undecided(ctx context.Context, last change.Decision) (change.Decision, []ledger.Draft, error) {
	w, d := &r.main.work, last
	f := change.Facts{Reviews: slices.Concat(foldReviews(w.Reviews), reviewsOf(last)), Descriptions: editions(w)}
	edits := newEdits(&last, &f)
	noteEdits(&d, &last, edits)
	var news []change.LabelEvent
	for _, l := range newLabels(&last, change.Decision{Labels: w.LabelEvents}) {
		if l.At.After(w.DecidedAt.Add(-longestLag)) { // an older one was listed by then, if under another name
			news = append(news, l)
		}
	}
	if len(news) > 0 {
		p, _, err := r.policyOf(ctx, &subject{work: *w}, trustHeld, last.BaseTip)
		if err != nil && !github.IsRefusal(err) {
			return d, nil, err
		}
		if p != nil { // where it is not known which labels are of consequence, each is
			news = slices.DeleteFunc(news, func(l change.LabelEvent) bool { return !p.CaresAboutLabel(l.Label) })
		}
	}
	d.Labels = slices.Concat(last.Labels, news)
	return d, append(relabelled(d, news), edited(d, edits)...), nil
}

// reviewsOf returns the reviews that a decision had an opinion from.
func reviewsOf(d change.Decision) (reviews []change.Review) {
	for _, o := range d.Opinions {
		reviews = append(reviews, change.Review{ID: o.Review, By: o.By, State: o.State, SHA: o.SHA, At: o.At})
	}
	return reviews
}

// withdrawOld takes back the greens of this pull request's earlier heads that are no open pull request's head any more, once it is known what
// became of the last writes there.
func (r *run) withdrawOld(ctx context.Context, head change.SHA) error {
	w := &r.main.work
	written, err := r.Store.CheckRunsOf(ctx, w.Key)
	if err != nil {
		return err
	}
	var heads []change.SHA
	for _, run := range written {
		heads = append(heads, run.Head)
	}
	for _, p := range w.Pushes {
		heads = append(heads, p.Before, p.After) // others may have written there last
	}
	open, err := r.Store.OpenEffects(ctx, w.Key)
	if err != nil {
		return err
	}
	lost := map[change.SHA]bool{}
	for _, e := range open {
		if writesCheckRun(plan.Kind(e.Kind)) {
			heads, lost[e.Head] = append(heads, e.Head), true
		}
	}
	slices.Sort(heads)
	for _, old := range slices.Compact(heads) {
		if old == head || old == "" {
			continue
		}
		if lost[old] { // it may have become a green, which the store has to know
			if err := r.alone(ctx, old, func() error { return r.settleOld(ctx, old, open) }); err != nil {
				return fmt.Errorf("finding out what became of a write on %s: %w", old.Short(), err)
			}
		}
		posted, err := r.Store.CheckRun(ctx, w.Key.Repository, old)
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

// settleOld is settle for an earlier head, which GitHub may not have any more. Open are the effects of the pull request that have not ended.
func (r *run) settleOld(ctx context.Context, old change.SHA, open []store.Effect) error {
	_, err := r.settle(ctx, old)
	if !github.IsRefusal(err) {
		return err
	}
	for _, e := range open {
		if e.Head == old && writesCheckRun(plan.Kind(e.Kind)) {
			if err := r.Store.FailEffect(ctx, e.Key, "its answer was lost, and GitHub does not show the commit any more: "+err.Error()); err != nil {
				return err
			}
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

func ended(p change.Pull, d change.Decision) ledger.Draft {
	return ledger.Draft{Kind: ledger.PullEnded, Subject: subjectOf(d.Pull, p.Head.SHA), Body: endedBody{
		State: p.State, MergedBy: p.MergedBy, MergedAt: p.MergedAt, MergeCommit: p.MergeCommit, Base: p.Base.Name,
		Category: d.Category, Verdict: d.Verdict, DecidedHead: d.Head, Observing: d.Observing,
	}}
}
