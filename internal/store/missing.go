package store

import (
	"context"
	"slices"
	"time"
)

// Missing is a delivery that GitHub's log lists and that never reached us.
type Missing struct {
	ID            string // as in its header; all attempts to deliver it have the same
	Attempt       int64  // the newest of these attempts, by which it is asked for
	Event, Action string
	Rank          int       // those of a lower rank are asked for first
	At            time.Time // when GitHub attempted it
	Asked         int       // how often it was asked for
}

// LogPlace is how far GitHub's log of deliveries was read. Its times are GitHub's.
type LogPlace struct {
	LookedTo time.Time // all that is older was looked at
	// Top and Cursor are of a reading that has not come to its end: everything from Top down to Cursor was looked at besides. An empty
	// Cursor: there is no such reading.
	Top    time.Time
	Cursor string
}

// LogPlace returns how far the log of deliveries was read; zero: it never was.
func (s *Store) LogPlace(ctx context.Context) (p LogPlace, err error) {
	defer wrap(&err, "look up how far the log of deliveries was read")
	var to, top int64
	err = s.Read(ctx, func(tx Tx) error {
		_, err := one(ctx, tx, `SELECT looked_to, top, cursor FROM delivery_log`, nil, &to, &top, &p.Cursor)
		return err
	})
	p.LookedTo, p.Top = fromMicro(to), fromMicro(top)
	return p, err
}

var missingColumns = []column{
	{"id", text}, {"attempt", integer}, {"event", text}, {"action", text}, {"rank", integer}, {"delivered_at", integer},
}

// SaveListed keeps how far the log was read and, in the same transaction, which of the listed deliveries were never accepted here. It
// returns how many of these were not known to be missing. No two of the listed have the same ID.
func (s *Store) SaveListed(ctx context.Context, listed []Missing, p LogPlace) (found int, err error) {
	defer wrap(&err, "save how far the log of deliveries was read")
	err = s.Write(ctx, func(tx Tx) error {
		found = 0
		if len(listed) > 0 {
			if err := s.saveMissing(ctx, tx, listed, &found); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE delivery_log SET looked_to = $1, top = $2, cursor = $3`, micro(p.LookedTo), micro(p.Top), p.Cursor)
		return err
	})
	return found, err
}

func (s *Store) saveMissing(ctx context.Context, tx Tx, listed []Missing, found *int) error {
	values := make([][]any, len(listed))
	for i, m := range listed {
		values[i] = []any{m.ID, m.Attempt, m.Event, m.Action, m.Rank, micro(m.At)}
	}
	table, arg, err := s.rows(missingColumns, values)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE missing_deliveries SET attempt = new.attempt FROM `+table+` AS new
		WHERE missing_deliveries.id = new.id AND missing_deliveries.attempt < new.attempt`, arg); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `INSERT INTO missing_deliveries (id, attempt, event, action, rank, delivered_at)
		SELECT id, attempt, event, action, rank, delivered_at FROM `+table+` AS new
		WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = new.id) ON CONFLICT DO NOTHING`, arg)
	*found = int(n)
	return err
}

// Redeliverable returns up to limit missing deliveries that are due to be asked for, the lowest rank first, and within a rank the oldest.
func (s *Store) Redeliverable(ctx context.Context, limit int) (list []Missing, err error) {
	defer wrap(&err, "list missing deliveries")
	err = s.Read(ctx, func(tx Tx) error {
		return tx.Query(ctx, `SELECT id, attempt, event, action, rank, delivered_at, asked FROM missing_deliveries m
			WHERE due_at <= $1 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = m.id)
			ORDER BY rank, delivered_at, attempt LIMIT $2`, []any{micro(s.now()), limit}, func(scan func(...any) error) error {
			var m Missing
			var at int64
			err := scan(&m.ID, &m.Attempt, &m.Event, &m.Action, &m.Rank, &at, &m.Asked)
			m.At = fromMicro(at)
			list = append(list, m)
			return err
		})
	})
	return list, err
}

// Asked keeps how often a missing delivery was asked for, and when it is due to be asked for again if it has not come by then.
func (s *Store) Asked(ctx context.Context, id string, times int, due time.Time) (err error) {
	defer wrap(&err, "note that delivery %s is asked for", id)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE missing_deliveries SET asked = $1, due_at = $2 WHERE id = $3`, times, micro(due), id)
		return err
	})
}

// ForgetMissing forgets the missing deliveries that have come, and those that GitHub attempted before a time, which will never come. It returns the
// events of the former, each once, and the number of the latter. If some have come, deliveries get through again, so those that were asked for
// repeatedly are due at once.
func (s *Store) ForgetMissing(ctx context.Context, before time.Time) (came []string, lost int, err error) {
	defer wrap(&err, "forget deliveries that are missing no more")
	err = s.Write(ctx, func(tx Tx) error {
		came = nil
		err := tx.Query(ctx, `DELETE FROM missing_deliveries WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.id = missing_deliveries.id) RETURNING event`, nil,
			func(scan func(...any) error) error {
				var event string
				err := scan(&event)
				came = append(came, event)
				return err
			})
		if err != nil {
			return err
		}
		if len(came) > 0 {
			if _, err := tx.Exec(ctx, `UPDATE missing_deliveries SET due_at = 0 WHERE asked > 1`); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `DELETE FROM missing_deliveries WHERE delivered_at < $1`, micro(before))
		lost = int(n)
		return err
	})
	slices.Sort(came)
	return slices.Compact(came), lost, err
}

// CountMissing returns how many deliveries are missing.
func (s *Store) CountMissing(ctx context.Context) (n int, err error) {
	defer wrap(&err, "count missing deliveries")
	err = s.Read(ctx, func(tx Tx) error {
		_, err := one(ctx, tx, `SELECT count(*) FROM missing_deliveries m WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = m.id)`, nil, &n)
		return err
	})
	return n, err
}
