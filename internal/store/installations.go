package store

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// deletesInstallation says whether a delivery tells that its installation was deleted. That is for good: whoever installs the App again
// makes another installation.
func deletesInstallation(d change.Delivery) bool {
	return d.Event == "installation" && d.Action == "deleted" && d.Gone && d.Installation != 0
}

// withoutDeletedInstallations returns the deliveries, in order, without those that follow the deletion of their installation, in this group or
// in an earlier one. Such a delivery comes late, and would give the repositories back to an installation that is gone.
func (s *Store) withoutDeletedInstallations(ctx context.Context, tx Tx, group []change.Delivery) ([]change.Delivery, error) {
	ended := map[change.InstallationID]bool{}
	var values [][]any
	for _, d := range group {
		if _, asked := ended[d.Installation]; !asked && d.Installation != 0 {
			ended[d.Installation] = false
			values = append(values, []any{d.Installation})
		}
	}
	if len(values) == 0 {
		return group, nil
	}
	table, arg, err := s.rows([]column{{"id", integer}}, values)
	if err != nil {
		return nil, err
	}
	err = tx.Query(ctx, `SELECT i.id FROM `+table+` AS told JOIN installations i ON i.id = told.id AND i.ended = 1`, []any{arg},
		func(scan func(...any) error) error {
			var id change.InstallationID
			err := scan(&id)
			ended[id] = true
			return err
		})
	if err != nil {
		return nil, err
	}
	kept := make([]change.Delivery, 0, len(group))
	for _, d := range group {
		if ended[d.Installation] {
			continue
		}
		kept = append(kept, d)
		if deletesInstallation(d) {
			ended[d.Installation] = true
			if _, err := tx.Exec(ctx, `INSERT INTO installations (id, blocked_until, ended) VALUES ($1, 0, 1)
				ON CONFLICT (id) DO UPDATE SET ended = 1`, d.Installation); err != nil {
				return nil, err
			}
		}
	}
	return kept, nil
}

// SaveRateLimit keeps the time before which GitHub takes no calls of an installation. A time that is earlier than the one held is ignored.
func (s *Store) SaveRateLimit(ctx context.Context, id change.InstallationID, until time.Time) (err error) {
	defer wrap(&err, "note the rate limit of installation %d", id)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO installations (id, blocked_until) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET blocked_until = excluded.blocked_until WHERE excluded.blocked_until > installations.blocked_until`,
			id, micro(until))
		return err
	})
}

// RateLimitedUntil returns the time before which GitHub takes no calls of an installation; it may have passed, or be zero.
func (s *Store) RateLimitedUntil(ctx context.Context, id change.InstallationID) (until time.Time, err error) {
	defer wrap(&err, "look up the rate limit of installation %d", id)
	var n int64
	err = s.Read(ctx, func(tx Tx) error {
		_, err := one(ctx, tx, `SELECT blocked_until FROM installations WHERE id = $1`, []any{id}, &n)
		return err
	})
	return fromMicro(n), err
}
