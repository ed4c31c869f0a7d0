package reconcile

import (
	"context"
	"errors"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/store"
)

// Policy returns the policy at the present tip of a branch, beside the owner's; nil if none governs it, which costs no call as long as the
// default branch's policy is held. It returns ErrUnusable if one does and cannot be used.
func (rc *Reconciler) Policy(ctx context.Context, repo change.Repository, branch string) (*policy.Policy, error) {
	return rc.PolicyAt(ctx, repo, branch, "")
}

// PolicyAt is Policy with the branch's file as it was at a commit. Whether the branch is governed is what is true now all the same.
func (rc *Reconciler) PolicyAt(ctx context.Context, repo change.Repository, branch string, commit change.SHA) (*policy.Policy, error) {
	r := rc.begin(ctx, onBranch(repo, branch))
	return r.policyOf(ctx, r.main, trustHeld, commit)
}

// MayCommand says whether somebody may give a command about a branch, by the policy that governs it and what they may do now. It returns
// ErrUnusable if that cannot be used; where none governs the branch, nobody may.
func (rc *Reconciler) MayCommand(ctx context.Context, repo change.Repository, branch string, verb command.Verb, by change.Account) (policy.Authority, error) {
	r := rc.begin(ctx, onBranch(repo, branch))
	return r.authority(ctx, r.main, verb, by)
}

// MayRelease is MayCommand for a command about an environment; see policy.Policy.MayRelease.
func (rc *Reconciler) MayRelease(
	ctx context.Context, repo change.Repository, branch string, verb command.Verb, environment string, by change.Account,
) (policy.Authority, error) {
	r := rc.begin(ctx, onBranch(repo, branch))
	return permitted(judge(ctx, r, r.basis(r.main), func(p *policy.Policy) policy.Question[policy.Authority] {
		return p.MayRelease(verb, environment, by)
	}))
}

// HeldOf returns those of the roles of the policy that governs a branch which somebody holds now. Unknown says that this could not be read of
// another of the roles. It returns ErrUnusable if the policy cannot be used; where none governs the branch nobody holds any.
func (rc *Reconciler) HeldOf(
	ctx context.Context, repo change.Repository, branch string, roles []string, by change.Account,
) (held []string, unknown bool, err error) {
	r := rc.begin(ctx, onBranch(repo, branch))
	a, err := judge(ctx, r, r.basis(r.main), func(p *policy.Policy) policy.Question[policy.Held] { return p.HeldOf(roles, by) })
	if errors.Is(err, errUngoverned) {
		return nil, false, nil
	}
	return a.Roles, a.Unknown, err
}

func onBranch(repo change.Repository, branch string) store.Work {
	return store.Work{Repository: repo, Pull: store.Pull{
		Key: change.PullKey{Repository: repo.ID}, Snapshot: change.Pull{State: change.Open, Base: change.Branch{Repository: repo.ID, Owner: repo.Owner, Name: branch}},
	}}
}

// authority says whether somebody may give a command on a pull request, by the policy at the present tip of its base and by what they may do
// now.
func (r *run) authority(ctx context.Context, s *subject, verb command.Verb, by change.Account) (policy.Authority, error) {
	return permitted(judge(ctx, r, r.basis(s), func(p *policy.Policy) policy.Question[policy.Authority] { return p.MayCommand(verb, by) }))
}

// mayWithdraw says whether somebody may withdraw a rejection, which nobody may who contributed.
func (r *run) mayWithdraw(ctx context.Context, s *subject, k change.Rejection, by change.Account) (policy.Authority, error) {
	asked := &subject{work: s.work}
	f, err := r.basics(ctx, asked, trustVerified)
	if err != nil {
		return policy.Authority{}, err
	}
	asked.facts = f
	return permitted(judge(ctx, r, asked, func(p *policy.Policy) policy.Question[policy.Authority] { return p.MayWithdraw(k, by) }))
}

// basis returns a subject of its own to ask about people with: the facts that the pull request is decided on are gathered separately.
func (r *run) basis(s *subject) *subject {
	asked := &subject{work: s.work}
	asked.facts = change.Facts{Now: r.github.Now(), Repository: s.work.Repository, Pull: s.pull()}
	return asked
}

// errUngoverned says that no policy governs the branch.
var errUngoverned = errors.New("no policy governs the branch")

// permitted says that nobody may do anything on a branch that no policy governs.
func permitted(a policy.Authority, err error) (policy.Authority, error) {
	if errors.Is(err, errUngoverned) {
		return policy.Authority{Who: change.Words("nobody, because no policy governs the branch")}, nil
	}
	return a, err
}

// judge asks the policy of a subject about people, once what it needs to know of them was read.
func judge[T any](ctx context.Context, r *run, s *subject, about func(*policy.Policy) policy.Question[T]) (answer T, err error) {
	p, err := r.policyOf(ctx, s, trustVerified, "")
	if err != nil {
		return answer, err
	}
	if p == nil {
		return answer, errUngoverned
	}
	question := about(p)
	began := r.github.Began()
	if err := r.satisfy(ctx, s, trustVerified, began.Add(-peopleAge), question.Needs); err != nil {
		return answer, err
	}
	if s.lacksPeople() { // what is held of that may be a mistake of GitHub's: it is asked once more
		if err := r.satisfy(ctx, s, trustVerified, began, question.Needs); err != nil {
			return answer, err
		}
	}
	return question.Answer(s.facts), nil
}
