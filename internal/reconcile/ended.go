package reconcile

import (
	"context"
	"errors"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

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
		p, err := r.policyOf(ctx, &subject{work: *w}, trustHeld, last.BaseTip)
		if err != nil && !errors.Is(err, ErrUnusable) && !github.IsRefusal(err) {
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

// ended is the evidence of how a pull request ended, with the decision that stood.
func ended(p change.Pull, d change.Decision) ledger.Draft {
	return ledger.Draft{Kind: ledger.PullEnded, Subject: subjectOf(d.Pull, p.Head.SHA), Body: endedBody{
		State: p.State, MergedBy: p.MergedBy, MergedAt: p.MergedAt, MergeCommit: p.MergeCommit, Base: p.Base.Name,
		Category: d.Category, Verdict: d.Verdict, DecidedHead: d.Head, Observing: d.Observing,
	}}
}
