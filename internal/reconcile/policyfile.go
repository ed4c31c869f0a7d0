package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/policy"
)

// PolicyPath is where a repository keeps its policy.
const PolicyPath = ".github/change-policy.yml"

// policyOf returns the policy that governs a pull request: the file at the tip of its base branch, or the server's default where
// there is none. Both results are nil where no policy governs the base; where one does, the subject's facts say so. A file that
// cannot be used gives a decision that says so, and never the default in its stead.
func (r *run) policyOf(ctx context.Context, s *subject, t trust, tip change.SHA) (*policy.Policy, *change.Decision, error) {
	w := &s.work
	base := w.Snapshot.Base.Name
	if base != w.Repository.DefaultBranch {
		// Which other branches are governed is the default branch's to say: a branch of one's own gives nothing.
		since := time.Time{}
		if t == verified || w.Concerns != 0 {
			since = r.github.Began()
		}
		defaultTip, err := r.github.Tip(ctx, w.Repository, w.Repository.DefaultBranch, since)
		var missing *github.NotFound
		if errors.As(err, &missing) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		p, problem, err := r.policyAt(ctx, s, defaultTip)
		if err != nil || problem != nil {
			return nil, problem, err
		}
		if !p.Governs(w.Repository, base) {
			return nil, nil, nil
		}
	}
	s.facts.Governed = true
	return r.policyAt(ctx, s, tip)
}

// policyAt returns the policy in a commit.
func (r *run) policyAt(ctx context.Context, s *subject, commit change.SHA) (*policy.Policy, *change.Decision, error) {
	file, err := r.github.PolicyFile(ctx, s.work.Repository, commit, PolicyPath)
	if err != nil {
		return nil, nil, err
	}
	if !file.Found && file.Problem == "" {
		return r.fallback, nil, nil
	}
	ref := change.PolicyRef{Source: PolicyPath, SHA: file.Blob}
	if file.Problem != "" {
		d := policy.Unreadable(ref, s.work.Key, s.pull().Head.SHA, policy.Problems{{Severity: policy.Error, Message: file.Problem}})
		return nil, &d, nil
	}
	p, err := r.policies.parse(file.Text)
	var problems policy.Problems
	if errors.As(err, &problems) {
		d := policy.Unreadable(ref, s.work.Key, s.pull().Head.SHA, problems)
		return nil, &d, nil
	}
	if err != nil {
		return nil, nil, err
	}
	// The compiled policy is shared by all files of the same text.
	mine := *p
	mine.Ref.SHA = file.Blob
	return &mine, nil, nil
}
