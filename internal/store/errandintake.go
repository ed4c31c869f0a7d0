package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// raisings gathers errands that are to be raised, each once, with the notes that are left for them.
type raisings map[change.Errand][]change.Note

func (r raisings) add(list []change.Raised) {
	for _, raised := range list {
		r[raised.Errand] = append(r[raised.Errand], raised.Notes...)
	}
}

// errands returns them in one order everywhere, so that two transactions that raise them cannot wait for each other.
func (r raisings) errands() []change.Errand {
	list := make([]change.Errand, 0, len(r))
	for e := range r {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b change.Errand) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// acceptErrands raises the errands that deliveries concern, and keeps the commands.
func (s *Store) acceptErrands(ctx context.Context, tx Tx, group []change.Delivery, by map[change.Errand][]string) ([]change.Errand, error) {
	behind, err := s.behindIssues(ctx, tx, group)
	if err != nil {
		return nil, err
	}
	raised := raisings{}
	for _, d := range group {
		list := slices.Clone(d.Raised)
		for _, e := range behind[change.PullKey{Repository: d.Repository.ID, Number: d.Issue}] {
			list = append(list, change.Raised{Errand: e})
		}
		if d.Command != nil {
			for _, e := range behind[d.Command.Pull] {
				list = append(list, change.Raised{Errand: e})
			}
		}
		raised.add(list)
		for _, r := range list {
			if told := by[r.Errand]; len(told) == 0 || told[len(told)-1] != d.ID {
				addCause(by, r.Errand, d.ID)
			}
		}
	}
	if err := s.saveCommands(ctx, tx, group, behind); err != nil {
		return nil, err
	}
	return raised.errands(), s.raiseErrands(ctx, tx, raised)
}

// behindIssues looks up the errands whose issues deliveries tell of.
func (s *Store) behindIssues(ctx context.Context, tx Tx, group []change.Delivery) (map[change.PullKey][]change.Errand, error) {
	asked := map[change.PullKey]bool{}
	var keys [][]any
	for _, d := range group {
		issues := []change.PullKey{{Repository: d.Repository.ID, Number: d.Issue}}
		if d.Command != nil {
			issues = append(issues, d.Command.Pull)
		}
		for _, k := range issues {
			if k.Number != 0 && !asked[k] {
				asked[k] = true
				keys = append(keys, []any{k.Repository, k.Number})
			}
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	table, arg, err := s.rows(keyColumns, keys)
	if err != nil {
		return nil, err
	}
	behind := map[change.PullKey][]change.Errand{}
	err = tx.Query(ctx, `SELECT e.repository, e.issue, e.kind, e.name FROM `+table+` AS told
		JOIN errands e ON e.repository = told.repository AND e.issue = told.number AND e.issue <> 0`, []any{arg}, func(scan func(...any) error) error {
		var issue change.PullKey
		var e change.Errand
		err := scan(&issue.Repository, &issue.Number, &e.Kind, &e.Name)
		e.Repository = issue.Repository
		behind[issue] = append(behind[issue], e)
		return err
	})
	return behind, err
}

// RaiseErrands records that there may be something to do for errands, and leaves them notes. A note whose ID was left before is not left
// again, even if it was dealt with. The caller sees to it, in the same transaction, that each errand is worked on. An errand that was never
// heard of is created.
func (s *Store) RaiseErrands(ctx context.Context, tx Tx, list []change.Raised) (err error) {
	defer wrap(&err, "raise %d errands", len(list))
	raised := raisings{}
	raised.add(list)
	return s.raiseErrands(ctx, tx, raised)
}

var (
	errandColumns = []column{{"repository", integer}, {"kind", text}, {"name", text}, {"raised_at", integer}}
	noteColumns   = []column{
		{"repository", integer}, {"kind", text}, {"name", text}, {"id", text}, {"at", integer}, {"arrived", integer}, {"body", text},
	}
)

func (s *Store) raiseErrands(ctx context.Context, tx Tx, raised raisings) error {
	if len(raised) == 0 {
		return nil
	}
	now := micro(s.now())
	var rows, notes [][]any
	for _, e := range raised.errands() {
		rows = append(rows, []any{e.Repository, e.Kind, e.Name, now})
		for _, n := range raised[e] {
			// Notes of one time keep the order in which they were left.
			notes = append(notes, []any{e.Repository, e.Kind, e.Name, n.ID, micro(n.At), now + int64(len(notes)), string(n.Body)})
		}
	}
	table, arg, err := s.rows(errandColumns, rows)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO errands (repository, kind, name, wanted, raised_at)
		SELECT repository, kind, name, 1, raised_at FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, kind, name) DO UPDATE SET wanted = errands.wanted + 1, raised_at = excluded.raised_at`, arg)
	if err != nil {
		return err
	}
	return s.insertNew(ctx, tx, `errand_notes`, noteColumns, notes)
}
