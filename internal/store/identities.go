package store

import (
	"context"
)

// Identity returns the numeric id that a name was first resolved to, and whether it ever was: a later bearer of the name is someone else. A name is
// of a kind ("user", "team", "installation") within a scope (an organization's id, for teams; an App's, for installations).
func (s *Store) Identity(ctx context.Context, kind, scope, name string) (id int64, known bool, err error) {
	defer wrap(&err, "look up the %s %q", kind, name)
	err = s.Read(ctx, func(tx Tx) error {
		known, err = one(ctx, tx, `SELECT id FROM identities WHERE kind = $1 AND scope = $2 AND name = $3`, []any{kind, scope, name}, &id)
		return err
	})
	return id, known, err
}

// RememberIdentity keeps the id that a name resolves to, unless one is kept already, and returns the one that is kept.
func (s *Store) RememberIdentity(ctx context.Context, kind, scope, name string, id int64) (kept int64, err error) {
	defer wrap(&err, "remember the %s %q", kind, name)
	err = s.Write(ctx, func(tx Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO identities (kind, scope, name, id, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			kind, scope, name, id, micro(s.now())); err != nil {
			return err
		}
		_, err := one(ctx, tx, `SELECT id FROM identities WHERE kind = $1 AND scope = $2 AND name = $3`, []any{kind, scope, name}, &kept)
		return err
	})
	return kept, err
}
