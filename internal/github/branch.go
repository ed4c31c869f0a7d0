package github

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// HeldTip returns the tip of a branch as it was read last, without a call, if it is held.
func (s *Session) HeldTip(repo change.Repository, branch string) (change.SHA, bool) {
	if _, held := s.held(branchTip(repo, branch)); !held {
		return "", false
	}
	tip, err := s.Tip(context.Background(), repo, branch, time.Time{}) // answered from what is held
	return tip, err == nil
}

func branchTip(repo change.Repository, branch string) address {
	return getRef.of(repo, "heads/"+branch)
}

// Tip reads the commit that a branch points to (git/get-ref, or repos/get-branch where a GitHub has no such ref or no such route). A branch
// that does not exist is a *NotFound, and so is each of a repository without commits.
func (s *Session) Tip(ctx context.Context, repo change.Repository, branch string, since time.Time) (_ change.SHA, err error) {
	defer wrap(&err, "reading the tip of %s in %s", branch, repo)
	var ref github.Reference
	err = s.read(ctx, branchTip(repo, branch), since, &ref, nil)
	name, tip := ref.GetRef(), ref.GetObject().GetSHA()
	var missing *NotFound
	if err = noCommits(err); errors.As(err, &missing) {
		var b github.Branch
		err = s.read(ctx, getBranch.of(repo, branch), since, &b, nil)
		name, tip = "refs/heads/"+b.GetName(), b.GetCommit().GetSHA()
	}
	if err != nil {
		return "", err
	}
	if name != "refs/heads/"+branch || tip == "" { // a prefix of other names, or the new name of a branch that was renamed
		return "", &NotFound{Message: "branch " + branch}
	}
	return change.SHA(tip), nil
}
