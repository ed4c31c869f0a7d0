package store

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// ends says whether a delivery tells that its installation was deleted. That is for good: whoever installs the App again makes another one.
func ends(d change.Delivery) bool {
	return d.Event == "installation" && d.Action == "deleted" && d.Gone && d.Installation != 0
}

// ofTheLiving returns the deliveries, in order, without those of installations that were deleted before: by the group itself, or by an
// earlier one. They come late, and would have the repositories be theirs again.
func (s *Store) ofTheLiving(ctx context.Context, tx Tx, group []change.Delivery) ([]change.Delivery, error) {
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
	living := make([]change.Delivery, 0, len(group))
	for _, d := range group {
		if ended[d.Installation] {
			continue
		}
		living = append(living, d)
		if ends(d) {
			ended[d.Installation] = true
			if _, err := tx.Exec(ctx, `INSERT INTO installations (id, blocked_until, ended) VALUES ($1, 0, 1)
				ON CONFLICT (id) DO UPDATE SET ended = 1`, d.Installation); err != nil {
				return nil, err
			}
		}
	}
	return living, nil
}

// Block says that GitHub takes no calls of an installation before a time. An earlier time than the one held is ignored.
func (s *Store) Block(ctx context.Context, id change.InstallationID, until time.Time) (err error) {
	defer wrap(&err, "note the rate limit of installation %d", id)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO installations (id, blocked_until) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET blocked_until = excluded.blocked_until WHERE excluded.blocked_until > installations.blocked_until`,
			id, micro(until))
		return err
	})
}

// BlockedUntil returns the time before which GitHub takes no calls of an installation; it may have passed, or be zero.
func (s *Store) BlockedUntil(ctx context.Context, id change.InstallationID) (until time.Time, err error) {
	defer wrap(&err, "look up the rate limit of installation %d", id)
	var n int64
	err = s.Read(ctx, func(tx Tx) error {
		_, err := one(ctx, tx, `SELECT blocked_until FROM installations WHERE id = $1`, []any{id}, &n)
		return err
	})
	return fromMicro(n), err
}
