package store

import (
	"context"
	"time"
)

// seenFor is how long a delivery is recognised as seen. GitHub redelivers for three days, GitHub Enterprise Server for seven (its
// older versions say thirty).
const seenFor = 35 * 24 * time.Hour

// forgottenAfter is how long an errand is kept that has nothing to do, to wait for or to remember. A push to any branch raises such
// errands.
const forgottenAfter = 14 * 24 * time.Hour

// Prune deletes what can be of no use any more: the identifiers of old deliveries and the pushes to branches that they told of, notes that
// were dealt with long ago, leases that ended, errands that left nothing behind, and the checks of commits that are the head of no open
// pull request. Facts about pull requests, effects and the ledger are kept.
func (s *Store) Prune(ctx context.Context) (err error) {
	defer wrap(&err, "prune the database")
	now := s.now()
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`DELETE FROM deliveries WHERE received_at < $1`, []any{micro(now.Add(-seenFor))}},
		{`DELETE FROM branch_pushes WHERE arrived < $1`, []any{micro(now.Add(-seenFor))}},
		{`DELETE FROM leases WHERE until < $1`, []any{micro(now)}},
		{`DELETE FROM errand_notes WHERE taken_at > 0 AND taken_at < $1`, []any{micro(now.Add(-seenFor))}},
		{`DELETE FROM errands WHERE raised_at < $1 AND wanted = done AND recheck_at = 0 AND state = '' AND issue = 0 AND NOT EXISTS (
			SELECT 1 FROM errand_notes n WHERE n.repository = errands.repository AND n.kind = errands.kind AND n.name = errands.name AND n.taken_at = 0)`,
			[]any{micro(now.Add(-forgottenAfter))}},
		{`DELETE FROM checks WHERE arrived < $1 AND NOT EXISTS (
			SELECT 1 FROM pulls p WHERE p.repository = checks.repository AND p.head = checks.sha AND p.state = 'open' AND p.gone = 0)`,
			[]any{micro(now.Add(-24 * time.Hour))}},
		{`DELETE FROM checks_read WHERE at < $1 AND NOT EXISTS (
			SELECT 1 FROM pulls p WHERE p.repository = checks_read.repository AND p.head = checks_read.sha AND p.state = 'open' AND p.gone = 0)`,
			[]any{micro(now.Add(-24 * time.Hour))}},
	} {
		// One transaction each, so that intake never waits for more than one of them.
		err := s.Write(ctx, func(tx Tx) error {
			_, err := tx.Exec(ctx, step.query, step.args...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
