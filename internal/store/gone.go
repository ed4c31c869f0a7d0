package store

import (
	"context"

	"github.com/changegate/changegate/internal/change"
)

// acceptGone records that pull requests, or the repositories that they are in, are no longer ours. Nothing is left to do for them.
func (s *Store) acceptGone(ctx context.Context, tx Tx, d change.Delivery) error {
	const settled = `gone = 1, done = wanted, concerns = 0, taken = 0`
	if d.Gone && d.Key.Number != 0 {
		_, err := tx.Exec(ctx, `UPDATE pulls SET `+settled+` WHERE repository = $1 AND number = $2`, d.Key.Repository, d.Key.Number)
		return err
	}
	left, err := leaving(ctx, tx, d)
	if err != nil {
		return err
	}
	for _, id := range left {
		if _, err := tx.Exec(ctx, `UPDATE pulls SET `+settled+` WHERE repository = $1 AND gone = 0`, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM checks_read WHERE repository = $1`, id); err != nil {
			return err
		}
	}
	if d.Gone && d.Repository.ID == 0 && d.Installation != 0 {
		if _, err := tx.Exec(ctx, `UPDATE pulls SET `+settled+` WHERE gone = 0 AND repository IN (SELECT id FROM repositories WHERE installation = $1)`,
			d.Installation); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM checks_read WHERE repository IN (SELECT id FROM repositories WHERE installation = $1)`,
			`UPDATE repositories SET gone = 1 WHERE installation = $1`,
		} {
			if _, err := tx.Exec(ctx, query, d.Installation); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaving records that the repositories of a delivery are no longer ours, and returns them. One of which something newer was told since
// stays ours: a late delivery tells of a time when it had left, and nothing would tell again that it is back.
func leaving(ctx context.Context, tx Tx, d change.Delivery) (left []change.RepositoryID, err error) {
	leave := func(id change.RepositoryID, at int64, where string, args ...any) error {
		n, err := tx.Exec(ctx, `UPDATE repositories SET gone = 1, told_at = CASE WHEN told_at < $2 THEN $2 ELSE told_at END WHERE id = $1 AND `+where,
			append([]any{id, at}, args...)...)
		if n > 0 {
			left = append(left, id)
		}
		return err
	}
	for _, id := range d.Removed {
		// The time at which these left is not told. One may be in another installation by now.
		if err := leave(id, 0, `(installation = $3 OR installation = 0)`, d.Installation); err != nil {
			return nil, err
		}
	}
	switch id, at := d.Repository.ID, micro(d.RepositoryAt); {
	case !d.Gone || id == 0:
	case d.Action == "transferred":
		// It is shown as its new owner's, who may have let us in before.
		err = leave(id, at, `(told_at <= $2 OR $2 = 0) AND owner <> $3`, d.Repository.Owner)
	default:
		err = leave(id, at, `(told_at <= $2 OR $2 = 0)`)
	}
	return left, err
}
