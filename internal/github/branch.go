package github

import (
	"context"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// HeldTip returns the tip of a branch as it was read last, without a call, if it is held.
func (s *Session) HeldTip(repo change.Repository, branch string) (change.SHA, bool) {
	if _, held := s.held(tipPath(repo, branch)); !held {
		return "", false
	}
	tip, err := s.Tip(context.Background(), repo, branch, time.Time{}) // answered from what is held
	return tip, err == nil
}

func tipPath(repo change.Repository, branch string) string {
	return getRef.at(repo.Owner, repo.Name, "heads/"+branch)
}

// Tip reads the commit that a branch points to (git/get-ref). A branch that does not exist is a *NotFound.
func (s *Session) Tip(ctx context.Context, repo change.Repository, branch string, since time.Time) (_ change.SHA, err error) {
	defer wrap(&err, "reading the tip of %s in %s", branch, repo)
	var ref github.Reference
	if err := s.read(ctx, getRef, tipPath(repo, branch), nil, since, &ref, nil); err != nil {
		return "", err
	}
	if ref.GetRef() != "refs/heads/"+branch || ref.GetObject().GetSHA() == "" {
		return "", &NotFound{Message: "branch " + branch}
	}
	return change.SHA(ref.GetObject().GetSHA()), nil
}
