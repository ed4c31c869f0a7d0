package store

import (
	"context"

	"github.com/changegate/changegate/internal/change"
)

// factUntold is not told either: a review or a label was found on GitHub of which no delivery had told. It is stored: never rename it.
const factUntold = "untold"

// SaveUntold notes that deliveries did not tell all that was done to a pull request, for good: whoever decides is to ask GitHub what was.
func (s *Store) SaveUntold(ctx context.Context, key change.PullKey) (err error) {
	defer wrap(&err, "note that deliveries do not tell all of pull request %s", key)
	now := s.now()
	return s.Write(ctx, func(tx Tx) error {
		return s.insertFacts(ctx, tx, []factRow{{key, factUntold, "timeline", now, true}}, now)
	})
}
