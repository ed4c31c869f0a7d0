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

// saveSnapshots keeps the newest description of each pull request; see fold. Their rows are there and locked.
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
	held, err := s.heldPulls(ctx, tx, keys)
	if err != nil {
		return err
	}
	var changed []heldPull
	var left []headKey
	for _, before := range held {
		after, newer := before.foldAll(told[before.key])
		if !newer {
			continue
		}
		changed = append(changed, after)
		if leaves(before.pull, after.pull) {
			left = append(left, headKey{before.key.Repository, before.pull.Head.SHA})
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := s.writePulls(ctx, tx, changed); err != nil {
		return err
	}
	return s.forgetReading(ctx, tx, left)
}

// heldPull is the description of a pull request that is held. Its State is empty where there is none.
type heldPull struct {
	key    change.PullKey
	pull   change.Pull
	unsure bool // see Pull.Unsure
}

// foldAll returns what is held once deliveries have told of it, in the order of their arrival, and whether any of them told something newer.
func (h heldPull) foldAll(deliveries []change.Delivery) (after heldPull, newer bool) {
	for _, d := range deliveries {
		stands, replaces, differs := fold(h.pull, *d.Pull, d.Action == "reopened")
		if !replaces {
			continue
		}
		h.unsure = differs || h.unsure && stands.UpdatedAt.Equal(h.pull.UpdatedAt)
		h.pull, newer = stands, true
	}
	return h, newer
}

// heldPulls reads what is held of pull requests that have rows.
func (s *Store) heldPulls(ctx context.Context, tx Tx, keys []change.PullKey) (list []heldPull, err error) {
	table, arg, err := s.keys(keys)
	if err != nil {
		return nil, err
	}
	err = tx.Query(ctx, `SELECT p.repository, p.number, coalesce(s.snapshot, ''), p.unsure FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.number = told.number
		LEFT JOIN pull_snapshots s ON s.repository = told.repository AND s.number = told.number`, []any{arg}, func(scan func(...any) error) error {
		var h heldPull
		var text string
		var unsure int
		if err := scan(&h.key.Repository, &h.key.Number, &text, &unsure); err != nil {
			return err
		}
		h.unsure = unsure != 0
		if text != "" {
			if err := unmarshal(text, &h.pull); err != nil {
				return err
			}
		}
		list = append(list, h)
		return nil
	})
	return list, err
}

// writePulls writes what is held of pull requests that have rows, none of it read from GitHub.
func (s *Store) writePulls(ctx context.Context, tx Tx, list []heldPull) error {
	values, texts := make([][]any, len(list)), make([][]any, len(list))
	for i, h := range list {
		snapshot, err := json.Marshal(h.pull)
		if err != nil {
			return err
		}
		p := h.pull
		values[i] = []any{h.key.Repository, h.key.Number, p.State, p.Head.SHA, p.Base.Name, micro(p.UpdatedAt), number(h.unsure)}
		texts[i] = []any{h.key.Repository, h.key.Number, string(snapshot)}
	}
	table, arg, err := s.rows(snapshotColumns, values)
	if err != nil {
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
	return err
}

// leaves says whether a pull request had a head, open, that it has no longer.
func leaves(before, after change.Pull) bool {
	return before.State == change.Open && (after.State != change.Open || after.Head.SHA != before.Head.SHA)
}

// forgetReading marks the held checks of these commits as incomplete, because deliveries about commits that are no open head are not kept. If
// another pull request has the head, this costs one extra read.
func (s *Store) forgetReading(ctx context.Context, tx Tx, heads []headKey) error {
	if len(heads) == 0 {
		return nil
	}
	table, arg, err := s.heads(heads)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM checks_read WHERE (repository, sha) IN (SELECT repository, head FROM `+table+` AS gone)`, arg)
	return err
}

// fold says whether a description of a pull request that arrived replaces the one that is held, and returns the one that stands. GitHub's
// updated_at is in whole seconds and deliveries come in any order, so what happened within a second is decided by what can follow what:
// nothing follows a merge, and only a reopening follows a closing; reopened says that the description that arrived tells of one. Where that
// does not decide, the one that arrived stands, and is unsure if the two differ in what counts.
//
// Some payloads leave out the number of changed files; the one that is held is kept as long as neither head nor base has moved.
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
