package github

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// activity is an entry of a repository's activity.
type activity struct {
	ID        int64             `json:"id"`
	Before    string            `json:"before"`
	After     string            `json:"after"`
	Timestamp *github.Timestamp `json:"timestamp"`
	Kind      string            `json:"activity_type"`
	Actor     *github.User      `json:"actor"`
}

// Pushes reads who pushed what to a branch of the repository: Moves but for those that deleted it.
func (s *Session) Pushes(ctx context.Context, repo change.Repository, branch string, since time.Time) ([]change.Push, error) {
	moves, err := s.Moves(ctx, repo, branch, since)
	return slices.DeleteFunc(moves, func(p change.Push) bool { return p.After == "" }), err
}

// Moves reads who moved a branch of the repository from where to where (repos/list-activities), oldest first: the latest hundred moves, in
// one call. Before is empty where the branch was made, After where it was deleted. GitHub keeps the activity of its own repositories only, so
// that of a fork's branch nothing is known here.
func (s *Session) Moves(ctx context.Context, repo change.Repository, branch string, since time.Time) (_ []change.Push, err error) {
	defer wrap(&err, "reading who pushed to %s in %s", branch, repo)
	var listed []*activity
	where := listActivity.of(repo).with(values("ref", "refs/heads/"+branch, "per_page", itoa(perPage)))
	if err := s.read(ctx, where, since, &listed, nil); err != nil {
		return nil, err
	}
	listed = present(listed)
	slices.SortStableFunc(listed, func(a, b *activity) int {
		return cmp.Or(at(a.Timestamp).Compare(at(b.Timestamp)), cmp.Compare(a.ID, b.ID))
	})
	var moves []change.Push
	for _, a := range listed {
		p := change.Push{Before: change.SHA(a.Before), After: change.SHA(a.After), By: account(a.Actor), At: at(a.Timestamp), Forced: a.Kind == "force_push"}
		if isNull(a.Before) {
			p.Before = ""
		}
		if isNull(a.After) {
			p.After = ""
		}
		moves = append(moves, p)
	}
	return moves, nil
}

// isNull says whether a name is the one that Git gives to no object.
func isNull(sha string) bool { return strings.Trim(sha, "0") == "" }
