package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/changegate/changegate/internal/change"
)

// OwingIn returns the pull requests of a repository that owe something, if the repository is ours, and the errands that follow what they owe. When it
// comes back all of them are to be raised, those that were merged too: their issues may have been closed and their reviews given without a delivery.
func (s *Store) OwingIn(ctx context.Context, tx Tx, repo change.RepositoryID) (keys []change.PullKey, followers []change.Raised, err error) {
	defer wrap(&err, "list what is owed in repository %d", repo)
	return owing(ctx, tx, `d.repository = $1`, repo)
}

// OwingAndGone returns the pull requests that owe something and are gone though their repository is ours, and the errands that follow what they owe.
// They are gone because no delivery told that the repository came back, or because GitHub once did not find them. Nothing else would look at them
// again, while their debts go on counting.
func (s *Store) OwingAndGone(ctx context.Context, tx Tx) (keys []change.PullKey, followers []change.Raised, err error) {
	defer wrap(&err, "list what is owed by pull requests that are gone")
	return owing(ctx, tx, `p.gone <> 0`)
}

// addOwing adds to raised what owes something in a repository that may have come back. It says in a which delivery asked for it, and adds the errands
// that follow it to that delivery in the group.
func (s *Store) addOwing(ctx context.Context, tx Tx, group []change.Delivery, raised map[change.PullKey]change.Concern, a *Accepted) error {
	for i, d := range group {
		if d.Base != "*" || !d.Concerns.Has(change.ConcernVerify) {
			continue
		}
		keys, followers, err := s.OwingIn(ctx, tx, d.Repository.ID)
		if err != nil {
			return err
		}
		for _, key := range keys {
			raised[key] |= change.ConcernVerify
			if !slices.Contains(a.By.Pulls[key], d.ID) {
				addCause(a.By.Pulls, key, d.ID)
			}
		}
		group[i].Raised = slices.Concat(d.Raised, followers)
	}
	return nil
}

func owing(ctx context.Context, tx Tx, where string, args ...any) (keys []change.PullKey, followers []change.Raised, err error) {
	err = tx.Query(ctx, `SELECT DISTINCT d.repository, d.number FROM debts d
		JOIN pulls p ON p.repository = d.repository AND p.number = d.number
		JOIN repositories r ON r.id = d.repository AND r.gone = 0
		WHERE d.settled_at = 0 AND `+where+` ORDER BY d.repository, d.number`, args, func(scan func(...any) error) error {
		var key change.PullKey
		err := scan(&key.Repository, &key.Number)
		keys = append(keys, key)
		followers = append(followers, change.Raised{Errand: change.Errand{
			Kind: change.ErrandRetrospective, Repository: key.Repository, Name: strconv.Itoa(int(key.Number)),
		}})
		return err
	})
	return keys, followers, err
}
