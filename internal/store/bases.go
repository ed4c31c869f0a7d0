package store

import (
	"context"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

var baseColumns = []column{{"repository", integer}, {"base", text}}

// BackgroundFrom is the number of pull requests from which an event that concerns them only through their branch is worked off in the
// background, except where our check is green.
const BackgroundFrom = 100

// baseKey is a branch of a repository, or with the name * all of them.
type baseKey struct {
	repository change.RepositoryID
	base       string
}

// addBases adds to raised what concerns all open pull requests into a branch, or of a repository, and says in a which deliveries asked for it
// and which of them nobody waits for.
func (s *Store) addBases(ctx context.Context, tx Tx, group []change.Delivery, raised map[change.PullKey]change.Concern, a *Accepted) error {
	for _, d := range group {
		if d.Base != "" && d.Concerns != 0 {
			if err := markPullsInto(ctx, tx, d); err != nil {
				return err
			}
		}
	}
	bases := gather(group, func(d change.Delivery) (baseKey, bool) { return baseKey{d.Repository.ID, d.Base}, d.Base != "" })
	if len(bases.keys) == 0 {
		return nil
	}
	values := make([][]any, len(bases.keys))
	for i, k := range bases.keys {
		values[i] = []any{k.repository, k.base}
	}
	table, arg, err := s.rows(baseColumns, values)
	if err != nil {
		return err
	}
	var only []change.PullKey // those that nothing else concerns
	err = tx.Query(ctx, `SELECT p.repository, p.number, told.base FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND (told.base = '*' OR p.base = told.base) AND p.state = 'open' AND p.gone = 0`, []any{arg},
		func(scan func(...any) error) error {
			var key change.PullKey
			var base string
			if err := scan(&key.Repository, &key.Number, &base); err != nil {
				return err
			}
			if a.By.Pulls[key] == nil {
				only = append(only, key)
			}
			bases.raise(key, baseKey{key.Repository, base}, raised, a.By.Pulls)
			return nil
		})
	if err != nil || len(only) < BackgroundFrom {
		return err
	}
	green, err := s.Green(ctx, tx, only)
	for _, key := range only {
		if !green[key] {
			a.Background[key] = true
		}
	}
	return err
}

// markPullsInto marks the open pull requests into a delivery's base as ours again, or as unsure, where the delivery gives reason to.
func markPullsInto(ctx context.Context, tx Tx, d change.Delivery) error {
	if d.Base == "*" && d.Concerns.Has(change.ConcernVerify) {
		// The repository may have come back, and its pull requests with it. Those that have not are found to be gone again.
		if _, err := tx.Exec(ctx, `UPDATE pulls SET gone = 0 WHERE repository = $1 AND gone <> 0 AND state = 'open'
				AND EXISTS (SELECT 1 FROM repositories r WHERE r.id = $1 AND r.gone = 0)`, d.Repository.ID); err != nil {
			return err
		}
	}
	if d.Concerns.Has(change.ConcernPull) {
		// No pull request is in the payload to take the place of what is held.
		if _, err := tx.Exec(ctx, `UPDATE pulls SET unsure = 1 WHERE repository = $1 AND state = 'open' AND ($2 = '*' OR base = $2)`,
			d.Repository.ID, d.Base); err != nil {
			return err
		}
	}
	return nil
}

// Green returns those among pull requests on whose heads our check is green.
func (s *Store) Green(ctx context.Context, tx Tx, keys []change.PullKey) (green map[change.PullKey]bool, err error) {
	defer wrap(&err, "look up which of %d pull requests are green", len(keys))
	table, arg, err := s.keys(keys)
	if err != nil {
		return nil, err
	}
	green = map[change.PullKey]bool{}
	err = tx.Query(ctx, `SELECT p.repository, p.number FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.number = told.number
		WHERE EXISTS (SELECT 1 FROM check_runs r WHERE r.repository = p.repository AND r.sha = p.head AND r.conclusion IN ($2, $3))`,
		[]any{arg, string(plan.Success), string(plan.Neutral)}, func(scan func(...any) error) error {
			var key change.PullKey
			err := scan(&key.Repository, &key.Number)
			green[key] = true
			return err
		})
	return green, err
}
