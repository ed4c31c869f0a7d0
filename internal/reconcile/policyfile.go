package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/policy"
)

// policyOf returns the policy that governs a pull request: the file at the tip of its base branch, beside the owner's where there is one;
// the owner's alone where the repository has none; the server's default where neither has one. It is nil where no policy governs the
// base; where one does, the subject's facts say so. A file that cannot be used is an *unusableError, and never has another policy in its
// stead. An empty tip is looked up, if it matters.
func (r *run) policyOf(ctx context.Context, s *subject, t trust, tip change.SHA) (*policy.Policy, error) {
	w := &s.work
	floor, err := r.floorOf(ctx, s, t)
	if err != nil {
		return nil, err
	}
	if governed, err := r.governed(ctx, s, t, floor); err != nil || !governed {
		return nil, err
	}
	s.facts.Governed = true
	if tip == "" {
		if tip, err = r.github.Tip(ctx, w.Repository, w.Snapshot.Base.Name, r.since(s, t)); err != nil {
			return nil, err
		}
	}
	return r.policyAt(ctx, s, floor, w.Snapshot.Base.Name, tip)
}

// governed says whether the base is a governed branch. Which branches are, besides the default one, is the default branch's to say, and the
// owner's: a branch of one's own gives nothing.
func (r *run) governed(ctx context.Context, s *subject, t trust, floor *policy.Policy) (bool, error) {
	w := &s.work
	base := w.Snapshot.Base.Name
	if base == w.Repository.DefaultBranch {
		return true, nil
	}
	tip, err := r.github.Tip(ctx, w.Repository, w.Repository.DefaultBranch, r.since(s, t))
	var missing *github.NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p, err := r.policyAt(ctx, s, floor, w.Repository.DefaultBranch, tip)
	if err != nil {
		return false, err
	}
	return p.Governs(w.Repository, base), nil
}

// since says how old what is read of a branch may be: as it is held, where nothing says that it moved and no green rests on it.
func (r *run) since(s *subject, t trust) time.Time {
	if t == trustVerified || s.work.Concerns != 0 {
		return r.github.Began()
	}
	return time.Time{}
}

// policyAt returns the policy in a commit of a branch, beside the owner's if that is not nil.
func (r *run) policyAt(ctx context.Context, s *subject, floor *policy.Policy, branch string, commit change.SHA) (*policy.Policy, error) {
	file, err := r.github.PolicyFile(ctx, s.work.Repository, commit, change.PolicyPath)
	if err != nil {
		return nil, err
	}
	if !file.Found {
		return cmp.Or(floor, r.Default), nil
	}
	ref := change.PolicyRef{Source: change.PolicyPath, SHA: file.Blob}
	s.keepText(ref, file)
	p, problems, err := r.compile(floor, change.PolicyPath, file)
	if problems != nil {
		d := policy.Unreadable(ref, branch, s.work.Key, s.pull().Head.SHA, problems)
		if floor != nil {
			d.Floor = floor.Ref
		}
		return nil, &unusableError{d}
	}
	return p, err
}

// floorOf returns the owner's policy, nil if there is none.
func (r *run) floorOf(ctx context.Context, s *subject, t trust) (*policy.Policy, error) {
	file, err := r.ownerPolicy(ctx, s, t)
	if err != nil || !file.Found {
		return nil, err
	}
	ref := change.PolicyRef{Source: s.work.Repository.Owner + "/.github/" + change.OwnerPolicyPath, SHA: file.Blob}
	s.keepText(ref, file)
	p, problems, err := r.compile(nil, ref.Source, file)
	if problems != nil {
		return nil, &unusableError{policy.UnreadableFloor(ref, s.work.Key, s.pull().Head.SHA, problems)}
	}
	return p, err
}

// ownerPolicy reads the owner's policy: anew where a green could rest on it or something says that it changed, and as it was read last
// otherwise, that there is none included.
func (r *run) ownerPolicy(ctx context.Context, s *subject, t trust) (github.PolicyFile, error) {
	since := time.Time{}
	if c := s.work.Concerns; t == trustVerified || c.Has(change.ConcernFloor) || c.Has(change.ConcernVerify) {
		since = r.github.Began()
	}
	return r.github.OwnerPolicy(ctx, s.work.Repository.Owner, change.OwnerPolicyPath, since)
}

// ErrUnusable says that the policy which governs a branch cannot be used, so that nobody may do anything by it.
var ErrUnusable = errors.New("the policy that governs the branch cannot be used")

// unusableError is ErrUnusable with the decision of a pull request that says what is wrong with the file.
type unusableError struct{ decision change.Decision }

func (*unusableError) Error() string { return ErrUnusable.Error() }
func (*unusableError) Unwrap() error { return ErrUnusable }

// compile returns the policy in a file, or why it cannot be used.
func (r *run) compile(floor *policy.Policy, source string, file github.PolicyFile) (*policy.Policy, policy.Problems, error) {
	if file.Problem != "" {
		return nil, policy.Problems{{Severity: policy.Error, Message: file.Problem, Mend: file.Mend}}, nil
	}
	p, err := r.policies.parse(floor, source, file)
	var problems policy.Problems
	if errors.As(err, &problems) {
		return nil, problems, nil
	}
	return p, nil, err
}

// proposal is a policy file as the pull request would leave it, with the problems for which it cannot be used.
type proposal struct {
	path     string
	problems policy.Problems
}

// proposals returns the policy files that a pull request changes, as its head has them. They only inform, so a file that GitHub does not show is
// passed over.
func (r *run) proposals(ctx context.Context, s *subject, t trust) (list []proposal, err error) {
	paths := []string{change.PolicyPath}
	if strings.EqualFold(s.work.Repository.Name, ".github") {
		paths = append(paths, change.OwnerPolicyPath)
	}
	for _, path := range paths {
		if !slices.ContainsFunc(s.facts.Content.Files, func(f change.File) bool { return f.Path == path && f.Status != change.FileRemoved }) {
			continue
		}
		file, err := r.github.PolicyFile(ctx, s.work.Repository, s.facts.Content.Head, path)
		if github.IsRefusal(err) || err == nil && !file.Found {
			continue
		}
		if err != nil {
			return nil, err
		}
		var floor *policy.Policy // beside the owner's there is no other
		if path == change.PolicyPath {
			if floor, err = r.floorOf(ctx, s, t); err != nil && !errors.Is(err, ErrUnusable) {
				return nil, err
			}
		}
		_, problems, err := r.compile(floor, path, file)
		if err != nil {
			return nil, err
		}
		list = append(list, proposal{path, problems.Errors()})
	}
	return list, nil
}

// unusable returns the policy files that a pull request changes and that cannot be used as the head has them.
func (r *run) unusable(ctx context.Context, s *subject, t trust) (list []change.UnusablePolicy, err error) {
	proposals, err := r.proposals(ctx, s, t)
	for _, p := range proposals {
		if p.problems == nil {
			continue
		}
		u := change.UnusablePolicy{Path: p.path}
		for _, problem := range p.problems {
			u.Problems = append(u.Problems, problem.String())
		}
		list = append(list, u)
	}
	return list, err
}

// tellProposed has the decision where a policy cannot be used say of the pull request's own version of that file whether it can be, or that it takes
// the file away. Nothing is decided by it.
func (r *run) tellProposed(ctx context.Context, s *subject, t trust, d *change.Decision) error {
	w := &s.work
	path := change.PolicyPath
	if !s.facts.Governed { // then it is not the file on the pull request's own base
		path = change.OwnerPolicyPath
		if !strings.EqualFold(d.Policy.Source, w.Repository.String()+"/"+path) || w.Snapshot.Base.Name != w.Repository.DefaultBranch {
			return nil
		}
	}
	proposals, err := r.proposals(ctx, s, t)
	takesAway := func(f change.File) bool {
		return f.Status == change.FileRemoved && f.Path == path || f.Status == change.FileRenamed && f.PreviousPath == path
	}
	if i := slices.IndexFunc(proposals, func(p proposal) bool { return p.path == path }); i >= 0 {
		policy.TellProposed(d, path, proposals[i].problems)
	} else if slices.ContainsFunc(s.facts.Content.Files, takesAway) {
		policy.TellRemoved(d, path)
	}
	return err
}
