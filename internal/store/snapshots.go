package store

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

var (
	snapshotColumns = []column{
		{"repository", integer}, {"number", integer}, {"state", text}, {"head", text}, {"base", text}, {"updated_at", integer}, {"unsure", integer},
	}
	textColumns = []column{{"repository", integer}, {"number", integer}, {"snapshot", text}}
)

// saveSnapshots keeps of each pull request the newest description; see fold. Its row is there and locked.
func (s *Store) saveSnapshots(ctx context.Context, tx Tx, group []change.Delivery) error {
	told := map[change.PullKey][]change.Delivery{}
	var keys []change.PullKey
	for _, d := range group {
		if d.Pull == nil || d.Key.Number == 0 {
			continue
		}
		if told[d.Key] == nil {
			keys = append(keys, d.Key)
		}
		told[d.Key] = append(told[d.Key], d)
	}
	if len(told) == 0 {
		return nil
	}
	table, arg, err := s.keys(keys)
	if err != nil {
		return err
	}
	var values, texts [][]any
	var left []headKey
	err = tx.Query(ctx, `SELECT p.repository, p.number, coalesce(s.snapshot, ''), p.unsure FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.number = told.number
		LEFT JOIN pull_snapshots s ON s.repository = told.repository AND s.number = told.number`, []any{arg}, func(scan func(...any) error) error {
		var key change.PullKey
		var text string
		var unsure int
		if err := scan(&key.Repository, &key.Number, &text, &unsure); err != nil {
			return err
		}
		var held change.Pull
		if text != "" {
			if err := unmarshal(text, &held); err != nil {
				return err
			}
		}
		changed, before := false, held
		for _, d := range told[key] {
			was := held.UpdatedAt
			stands, newer, differs := fold(held, *d.Pull, d.Action == "reopened")
			if !newer {
				continue
			}
			if held, changed = stands, true; !held.UpdatedAt.Equal(was) {
				unsure = 0
			}
			unsure |= number(differs)
		}
		if !changed {
			return nil
		}
		if leaves(before, held) {
			left = append(left, headKey{key.Repository, before.Head.SHA})
		}
		snapshot, err := json.Marshal(held)
		if err != nil {
			return err
		}
		values = append(values, []any{key.Repository, key.Number, held.State, held.Head.SHA, held.Base.Name, micro(held.UpdatedAt), unsure})
		texts = append(texts, []any{key.Repository, key.Number, string(snapshot)})
		return nil
	})
	if err != nil || len(values) == 0 {
		return err
	}
	if table, arg, err = s.rows(snapshotColumns, values); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE pulls SET state = new.state, head = new.head, base = new.base, updated_at = new.updated_at,
			unsure = new.unsure, read_at = 0, gone = 0
		FROM `+table+` AS new WHERE pulls.repository = new.repository AND pulls.number = new.number`, arg)
	if err != nil {
		return err
	}
	if table, arg, err = s.rows(textColumns, texts); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO pull_snapshots (repository, number, snapshot)
		SELECT repository, number, snapshot FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, number) DO UPDATE SET snapshot = excluded.snapshot`, arg)
	if err != nil {
		return err
	}
	return s.forgetReading(ctx, tx, left)
}

// leaves says whether a pull request had a head, open, that it has no longer.
func leaves(before, after change.Pull) bool {
	return before.State == change.Open && (after.State != change.Open || after.Head.SHA != before.Head.SHA)
}

// forgetReading says of commits that deliveries tell of their checks no longer reach us: what was read of them is not all there is
// any more. Where another open pull request has the same head, that costs a reading too many.
func (s *Store) forgetReading(ctx context.Context, tx Tx, heads []headKey) error {
	if len(heads) == 0 {
		return nil
	}
	values := make([][]any, len(heads))
	for i, h := range heads {
		values[i] = []any{h.repository, h.head}
	}
	table, arg, err := s.rows(headColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM checks_read WHERE (repository, sha) IN (SELECT repository, head FROM `+table+` AS gone)`, arg)
	return err
}

// fold says whether the description of a pull request that arrived takes the place of the one held, and returns the one that
// stands. GitHub's updated_at has a second's precision and deliveries come in any order, so what happened within a second is decided
// by what may follow what: nothing follows a merge, and only a reopening follows a closing. reopened says that the one that arrived
// tells of a reopening. Where that does not decide, the one that arrived stands, and is unsure if they differ in what counts.
//
// Some payloads leave out the number of changed files; it is kept as long as neither end has moved.
func fold(held, arrived change.Pull, reopened bool) (stands change.Pull, newer, unsure bool) {
	tie := held.State != "" && arrived.UpdatedAt.Equal(held.UpdatedAt)
	switch {
	case held.State == change.Merged && arrived.State != change.Merged:
		return held, false, false
	case arrived.UpdatedAt.Before(held.UpdatedAt):
		return held, false, false
	case tie && held.State == change.Closed && arrived.State == change.Open && !reopened:
		return held, false, false
	}
	if arrived.ChangedFiles == 0 && arrived.Head.SHA == held.Head.SHA && arrived.Base == held.Base {
		arrived.ChangedFiles = held.ChangedFiles
	}
	return arrived, true, tie && arrived.State == held.State && !agree(held, arrived)
}

// agree says whether two descriptions are the same in what a decision rests on.
func agree(a, b change.Pull) bool {
	return a.Title == b.Title && a.Body == b.Body && a.Draft == b.Draft && a.Head.SHA == b.Head.SHA && a.Base.Name == b.Base.Name &&
		slices.Equal(slices.Sorted(slices.Values(a.Labels)), slices.Sorted(slices.Values(b.Labels)))
}
