package github

import (
	"context"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// Tip reads the commit that a branch points to (git/get-ref). A branch that does not exist is a *NotFound.
func (s *Session) Tip(ctx context.Context, repo change.Repository, branch string, since time.Time) (_ change.SHA, err error) {
	defer wrap(&err, "reading the tip of %s in %s", branch, repo)
	var ref github.Reference
	if err := s.read(ctx, getRef, getRef.at(repo.Owner, repo.Name, "heads/"+branch), nil, since, &ref, nil); err != nil {
		return "", err
	}
	if ref.GetRef() != "refs/heads/"+branch || ref.GetObject().GetSHA() == "" {
		return "", &NotFound{Message: "branch " + branch}
	}
	return change.SHA(ref.GetObject().GetSHA()), nil
}
