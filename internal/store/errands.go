package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// ErrandWork is all that is held about an errand when it is looked at.
type ErrandWork struct {
	Errand     change.Errand
	Repository change.Repository
	State      json.RawMessage  // as SaveErrand wrote it last; nil: never
	Notes      []change.Note    // not dealt with yet, oldest first
	Issue      change.Number    // the issue that belongs to it; 0: none yet
	Commands   []change.Command // on that issue, not answered yet, oldest first
}

// ErrandSave is what a run of an errand leaves, all of it or nothing.
type ErrandSave struct {
	// Lease must still be held: ErrFenced otherwise. The zero Lease is not looked at.
	Lease Lease
	State any             // encoding/json writes it, and null for nothing to remember; nil leaves what is there
	Taken []string        // the identifiers of the notes that were dealt with
	Issue change.Number   // the issue that belongs to it from now on; 0 leaves what is there
	Debts []change.Debt   // as they stand now; each is one by its pull request and kind
	Raise []change.Raised // other errands that are to be looked at
	// Entries are appended to the ledger.
	Entries []ledger.Draft
}

// BeginErrand returns what is held about an errand, as of one moment. ErrNotFound says that the errand or its repository was never
// heard of.
func (s *Store) BeginErrand(ctx context.Context, e change.Errand) (w ErrandWork, err error) {
	defer wrap(&err, "look up the work on errand %s", e)
	err = s.Read(ctx, func(tx Tx) error {
		list, err := errandWork(ctx, tx, `repository = $1 AND kind = $2 AND name = $3`, e.Repository, string(e.Kind), e.Name)
		if err == nil && len(list) == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		w = list[0]
		if w.Repository, err = repository(ctx, tx, e.Repository); err != nil {
			return fmt.Errorf("its repository: %w", err)
		}
		if w.Issue != 0 {
			if w.Commands, err = commands(ctx, tx, change.PullKey{Repository: e.Repository, Number: w.Issue}); err != nil {
				return err
			}
		}
		return tx.Query(ctx, `SELECT id, at, body FROM errand_notes WHERE repository = $1 AND kind = $2 AND name = $3 AND taken_at = 0
			ORDER BY at, arrived, id`, []any{e.Repository, string(e.Kind), e.Name}, func(scan func(...any) error) error {
			var n change.Note
			var at int64
			var body string
			err := scan(&n.ID, &at, &body)
			n.At, n.Body = fromMicro(at), json.RawMessage(body)
			w.Notes = append(w.Notes, n)
			return err
		})
	})
	return w, err
}

// ErrandsOf returns the errands of a kind in a repository, ordered by name, without notes and commands. ErrNotFound says that the repository
// was never heard of.
func (s *Store) ErrandsOf(ctx context.Context, kind change.ErrandKind, repo change.RepositoryID) (list []ErrandWork, err error) {
	defer wrap(&err, "list the errands of kind %q in repository %d", kind, repo)
	err = s.Read(ctx, func(tx Tx) error {
		r, err := repository(ctx, tx, repo)
		if err != nil {
			return err
		}
		list, err = errandWork(ctx, tx, `repository = $1 AND kind = $2 ORDER BY name`, repo, string(kind))
		for i := range list {
			list[i].Repository = r
		}
		return err
	})
	return list, err
}

func errandWork(ctx context.Context, tx Tx, where string, args ...any) (list []ErrandWork, err error) {
	err = tx.Query(ctx, `SELECT repository, kind, name, state, issue FROM errands WHERE `+where, args, func(scan func(...any) error) error {
		var w ErrandWork
		var state string
		err := scan(&w.Errand.Repository, &w.Errand.Kind, &w.Errand.Name, &state, &w.Issue)
		if state != "" {
			w.State = json.RawMessage(state)
		}
		list = append(list, w)
		return err
	})
	return list, err
}

// SaveErrand keeps what a run of an errand leaves. ErrFenced says that the run's lease was lost, ErrNotFound that the errand was never raised;
// then nothing is kept. The caller sees to it, in the same transaction, that the errands raised by it are worked on.
func (s *Store) SaveErrand(ctx context.Context, tx Tx, e change.Errand, save ErrandSave) (err error) {
	defer wrap(&err, "save errand %s", e)
	if err := s.keep(ctx, tx, save.Lease); err != nil {
		return err
	}
	var state any // NULL leaves what is there
	if save.State != nil {
		body, err := json.Marshal(save.State)
		if err != nil {
			return err
		}
		if state = string(body); state == "null" {
			state = ""
		}
	}
	n, err := tx.Exec(ctx, `UPDATE errands SET state = coalesce($1, state), issue = coalesce(nullif($2, 0), issue)
		WHERE repository = $3 AND kind = $4 AND name = $5`, state, save.Issue, e.Repository, string(e.Kind), e.Name)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := s.takeNotes(ctx, tx, e, save.Taken); err != nil {
		return err
	}
	if err := saveDebts(ctx, tx, save.Debts); err != nil {
		return err
	}
	if err := s.RaiseErrands(ctx, tx, save.Raise); err != nil {
		return err
	}
	_, err = ledger.Append(ctx, tx, s.now(), save.Entries...)
	return err
}

// takeNotes marks notes as dealt with. What they said is not needed any more; their IDs are, so that they are not left again.
func (s *Store) takeNotes(ctx context.Context, tx Tx, e change.Errand, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	values := make([][]any, len(ids))
	for i, id := range ids {
		values[i] = []any{id}
	}
	table, arg, err := s.rows([]column{{"id", text}}, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE errand_notes SET taken_at = $2, body = '' WHERE repository = $3 AND kind = $4 AND name = $5 AND taken_at = 0
		AND id IN (SELECT id FROM `+table+` AS taken)`, arg, micro(s.now()), e.Repository, string(e.Kind), e.Name)
	return err
}
