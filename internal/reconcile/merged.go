package reconcile

import (
	"context"
	"strconv"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
)

// mergedAs returns the decision under which a pull request was merged as an emergency; nil where it was not, or is open. One that was
// merged otherwise than it was decided owes nothing under the decision: it is an exception.
func (s *subject) mergedAs() *change.Decision {
	d := s.work.Decision
	if p := s.pull(); p.State != change.Merged || d == nil || d.Declaration == nil || isPast(d, p) {
		return nil
	}
	return d
}

// isPast says whether a pull request was merged otherwise than it was decided: with another head, or into another branch.
func isPast(d *change.Decision, p change.Pull) bool {
	return p.State == change.Merged && (d.Head != p.Head.SHA || d.Base != p.Base.Name)
}

// endedAs returns the last decision as it stands once the pull request has ended, with the debts that this settles. A declaration is bound to the
// content that it saw, and the branch: if other content was merged, or into another branch, that was no emergency. What was closed without a merge
// owes nothing.
func (r *run) endedAs(last change.Decision, p change.Pull) (change.Decision, []change.Debt) {
	owed := reviewDebt(&last)
	last.State = p.State
	past := isPast(&last, p)
	if past {
		last.Declaration = nil
	}
	if owed == nil || !owed.Settled.IsZero() || p.State != change.Closed && !past {
		return last, nil
	}
	owed.Settled = r.github.Now()
	return last, []change.Debt{*owed}
}

// follow decides a merged emergency again, until what it owes is settled: on the content as it was decided before the merge, by the policy
// of that time, and on who approved since. Its check goes on saying what is owed, unless an open pull request has the same head: then
// the check is about that.
func (r *run) follow(ctx context.Context) (queue.Result, error) {
	s := r.main
	if before := s.mergedAs(); before == nil || policy.Settled(*before) {
		return queue.Result{}, nil
	}
	if err := r.decide(ctx, s, trustVerified); err != nil {
		return queue.Result{}, err
	}
	s.decision.State = change.Merged
	if err := r.record(ctx, s); err != nil {
		return queue.Result{}, err
	}
	head := s.pull().Head.SHA
	if open, err := r.Store.PullsWithHead(ctx, s.work.Key.Repository, head); err != nil || len(open) > 0 {
		return queue.Result{RecheckAt: r.wakeAt(s.decision.RecheckAt)}, err
	}
	writes, err := r.settle(ctx, head)
	if err != nil {
		return queue.Result{}, err
	}
	posted, err := r.posted(ctx, head)
	if err != nil {
		return queue.Result{}, err
	}
	// Nobody is asked anew: GitHub takes no requests for reviews of what is merged, and the thread of the emergency reminds.
	present := plan.Present{Run: posted, Writes: writes, Now: r.github.Now()}
	if err := r.apply(ctx, plan.Decided(s.decision, nil, present, r.Render)); err != nil {
		return queue.Result{}, err
	}
	return r.recheck(ctx, s.decision, head)
}

// debts returns what a decision says of the debts of an emergency, if that is not what the one before said. A declaration that ended before
// the merge owes nothing.
func (r *run) debts(before *change.Decision, after change.Decision) []change.Debt {
	if after.Governed && after.Category == change.Uncategorized {
		return nil // nothing could be decided: that settles nothing
	}
	was, is := reviewDebt(before), reviewDebt(&after)
	if is == nil && was != nil {
		d := *was
		is, d.Settled = &d, r.github.Now()
	}
	if is == nil || was != nil && was.Owner == is.Owner && was.Due.Equal(is.Due) && was.Settled.IsZero() == is.Settled.IsZero() {
		return nil
	}
	if !is.Settled.IsZero() {
		is.Settled = r.github.Now()
	}
	return []change.Debt{*is}
}

// reviewDebt returns the debt of an emergency as a decision has it; nil without one. When it was settled is not known here, only that it was.
func reviewDebt(d *change.Decision) *change.Debt {
	if d == nil || d.Declaration == nil {
		return nil
	}
	debt := &change.Debt{Pull: d.Pull, Kind: change.DebtReview, Owner: d.Declaration.By.ID, Due: d.Declaration.Due}
	if policy.Settled(*d) {
		debt.Settled = d.Declaration.Due
	}
	return debt
}

// mayOweRetrospective says whether a change of decision may matter to an emergency's retrospective: it is one or was, its labels of consequence are
// others, or the pull request that has such labels has ended.
func mayOweRetrospective(before *change.Decision, after change.Decision) bool {
	if after.Declaration != nil || before == nil {
		return after.Declaration != nil
	}
	return before.Declaration != nil || len(before.Labels) != len(after.Labels) || len(before.Labels) > 0 && before.State != after.State
}

// concerned returns the errands that a change of decision is to be told to: the emergency's people, and the merge groups that the pull
// request is in.
func (r *run) concerned(ctx context.Context, before *change.Decision, after change.Decision) ([]change.Raised, error) {
	var raised []change.Raised
	if mayOweRetrospective(before, after) {
		raised = append(raised, change.Raised{Errand: change.Errand{
			Kind: change.ErrandRetrospective, Repository: after.Pull.Repository, Name: strconv.Itoa(int(after.Pull.Number)),
		}})
	}
	groups, err := r.openGroupsWith(ctx, after.Pull, after.Head)
	return append(raised, groups...), err
}
