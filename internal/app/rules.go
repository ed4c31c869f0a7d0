package app

import (
	"context"
	"errors"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/reconcile"
)

// rules tells of the policies that the loop decides by what matters where something lands.
type rules struct{ *reconcile.Reconciler }

// Rules implements landing.Policies.
func (r rules) Rules(ctx context.Context, repo change.Repository, branch string, commit change.SHA) (landing.Rules, error) {
	p, err := r.PolicyAt(ctx, repo, branch, commit)
	switch {
	case errors.Is(err, reconcile.ErrUnusable):
		return landing.Rules{Governed: branch == repo.DefaultBranch, Unusable: true}, nil
	case err != nil || p == nil:
		return landing.Rules{}, err
	}
	// The first layer is the owner's policy where there is one, which alone may say that all is only observed.
	return landing.Rules{Governed: true, Observing: p.Layers()[0].Mode == policy.Observe, Announce: p.AnnounceExceptions()}, nil
}

// MayCommand implements landing.Policies. By a policy that cannot be used nobody may, and nobody knows who.
func (r rules) MayCommand(ctx context.Context, repo change.Repository, branch, verb string, by change.Account) (policy.Authority, error) {
	a, err := r.Reconciler.MayCommand(ctx, repo, branch, verb, by)
	if errors.Is(err, reconcile.ErrUnusable) {
		return policy.Authority{Unknown: true, Who: change.Words("whoever the policy names, once it can be used")}, nil
	}
	return a, err
}
