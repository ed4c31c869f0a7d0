package app

import (
	"context"
	"errors"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/deployment"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/reconcile"
	"github.com/changegate/changegate/internal/release"
)

// rules tells what the policies that pull requests are decided by say of what lands on a branch.
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
func (r rules) MayCommand(ctx context.Context, repo change.Repository, branch string, verb command.Verb, by change.Account) (policy.Authority, error) {
	a, err := r.Reconciler.MayCommand(ctx, repo, branch, verb, by)
	if errors.Is(err, reconcile.ErrUnusable) {
		return policy.Authority{Unknown: true, Who: change.Words("whoever the policy names, once it can be used")}, nil
	}
	return a, err
}

// releases tells what those policies say of deployments. The default branch's policy speaks for the whole repository.
type releases struct{ reconciler *reconcile.Reconciler }

// Rules implements deployment.Policies.
func (r releases) Rules(ctx context.Context, repo change.Repository) (release.Rules, error) {
	p, err := r.reconciler.Policy(ctx, repo, repo.DefaultBranch)
	if err != nil {
		return release.Rules{}, deploymentError(err)
	}
	if p == nil {
		return release.Rules{Mode: release.Off}, nil
	}
	rules := p.Release()
	rules.Holders = p.Holders(repo)
	return rules, nil
}

// Governed implements deployment.Policies. Which branches are is for the default branch's policy to say, so one that cannot be used governs
// that branch alone. The branch asked about may be gone.
func (r releases) Governed(ctx context.Context, repo change.Repository, branch string) (bool, error) {
	p, err := r.reconciler.Policy(ctx, repo, repo.DefaultBranch)
	if errors.Is(err, reconcile.ErrUnusable) {
		return branch == repo.DefaultBranch, nil
	}
	return p != nil && p.Governs(repo, branch), err
}

// MayRelease implements deployment.Policies.
func (r releases) MayRelease(ctx context.Context, repo change.Repository, verb command.Verb, environment string, by change.Account) (policy.Authority, error) {
	a, err := r.reconciler.MayRelease(ctx, repo, repo.DefaultBranch, verb, environment, by)
	return a, deploymentError(err)
}

// HeldOf implements deployment.Policies.
func (r releases) HeldOf(ctx context.Context, repo change.Repository, roles []string, by change.Account) (held []string, unknown bool, err error) {
	held, unknown, err = r.reconciler.HeldOf(ctx, repo, repo.DefaultBranch, roles, by)
	return held, unknown, deploymentError(err)
}

// deploymentError is the reconciler's error as package deployment knows it.
func deploymentError(err error) error {
	if errors.Is(err, reconcile.ErrUnusable) {
		return deployment.ErrUnusable
	}
	return err
}
