package reconcile

import (
	"context"
	"errors"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/store"
)

// ErrUnusable says that the policy which governs a branch cannot be used, so that nobody may do anything by it.
var ErrUnusable = errors.New("the policy that governs the branch cannot be used")

// Policy returns the policy at the present tip of a branch, beside the owner's; nil if none governs it, which costs no call as long as the
// default branch's policy is held. It returns ErrUnusable if one does and cannot be used.
func (rc *Reconciler) Policy(ctx context.Context, repo change.Repository, branch string) (*policy.Policy, error) {
	return rc.PolicyAt(ctx, repo, branch, "")
}

// PolicyAt is Policy with the branch's file as it was at a commit. Whether the branch is governed is what is true now all the same.
func (rc *Reconciler) PolicyAt(ctx context.Context, repo change.Repository, branch string, commit change.SHA) (*policy.Policy, error) {
	r := rc.begin(onBranch(repo, branch))
	p, problem, err := r.policyOf(ctx, r.main, held, commit)
	if problem != nil {
		return nil, ErrUnusable
	}
	return p, err
}

// MayCommand says whether somebody may give a command about a branch, by the policy that governs it and what they may do now. It returns
// ErrUnusable if that cannot be used; where none governs the branch, nobody may.
func (rc *Reconciler) MayCommand(ctx context.Context, repo change.Repository, branch, verb string, by change.Account) (policy.Authority, error) {
	r := rc.begin(onBranch(repo, branch))
	return r.authority(ctx, r.main, verb, by)
}

func onBranch(repo change.Repository, branch string) store.Work {
	return store.Work{Repository: repo, Pull: store.Pull{
		Key: change.PullKey{Repository: repo.ID}, Snapshot: change.Pull{State: change.Open, Base: change.Branch{Repository: repo.ID, Owner: repo.Owner, Name: branch}},
	}}
}

// authority says whether somebody may give a command on a pull request, by the policy at the present tip of its base and by what they may do
// now.
func (r *run) authority(ctx context.Context, s *subject, verb string, by change.Account) (policy.Authority, error) {
	// The decision's facts are another matter, and are gathered later.
	asked := &subject{work: s.work}
	asked.facts = change.Facts{Now: r.github.Now(), Repository: s.work.Repository, Pull: s.pull()}
	return r.judge(ctx, asked, func(p *policy.Policy) (needsOf, authorityOf) {
		return func(f change.Facts) change.Needs { return p.NeedsForCommand(verb, f, by) },
			func(f change.Facts) policy.Authority { return p.MayCommand(verb, f, by) }
	})
}

// mayWithdraw says whether somebody may withdraw a rejection, which nobody may who contributed.
func (r *run) mayWithdraw(ctx context.Context, s *subject, k change.Rejection, by change.Account) (policy.Authority, error) {
	asked := &subject{work: s.work}
	f, err := r.basics(ctx, asked, verified)
	if err != nil {
		return policy.Authority{}, err
	}
	asked.facts = f
	return r.judge(ctx, asked, func(p *policy.Policy) (needsOf, authorityOf) {
		return func(f change.Facts) change.Needs { return p.NeedsToWithdraw(k, f, by) },
			func(f change.Facts) policy.Authority { return p.MayWithdraw(k, f, by) }
	})
}

type (
	needsOf     = func(change.Facts) change.Needs
	authorityOf = func(change.Facts) policy.Authority
)

// judge asks the policy of a subject about somebody's authority, once what it needs to know of people was read.
func (r *run) judge(ctx context.Context, s *subject, questions func(*policy.Policy) (needsOf, authorityOf)) (policy.Authority, error) {
	p, problem, err := r.policyOf(ctx, s, verified, "")
	switch {
	case err != nil:
		return policy.Authority{}, err
	case problem != nil:
		return policy.Authority{}, ErrUnusable
	case p == nil:
		return policy.Authority{Who: change.Words("nobody, because no policy governs the branch")}, nil
	}
	needs, authority := questions(p)
	if err := r.satisfy(ctx, s, verified, r.github.Began().Add(-peopleAge), needs); err != nil {
		return policy.Authority{}, err
	}
	return authority(s.facts), nil
}
