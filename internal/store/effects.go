package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// Intent is something that is about to be done in the world, under a key that is unique for what it achieves.
type Intent struct {
	Key  string
	Kind string
	Pull change.PullKey // zero: about no pull request
	Head change.SHA
	Body any // what is to be done, for the ledger and for whoever finishes it after a crash; encoding/json writes it
	// Lease, if it is not zero, must still be held: Intend returns ErrFenced otherwise.
	Lease Lease
}

// EffectState is how far an effect has come.
type EffectState string

// The states of an effect. Intend makes it intended, Complete done and FailEffect failed; done and failed are final.
const (
	EffectIntended EffectState = "intended" // it may or may not have happened
	EffectDone     EffectState = "done"
	EffectFailed   EffectState = "failed" // it was refused for good
)

// Effect is an effect as it is held here.
type Effect struct {
	Key        string
	Kind       string
	Pull       change.PullKey
	Head       change.SHA
	Body       json.RawMessage
	State      EffectState
	Result     json.RawMessage // of a done one; of a failed one a JSON string that says why; null before
	IntendedAt time.Time
	// AttemptedAt is when it was last about to be sent; zero: it never was, so that it did not happen.
	AttemptedAt time.Time
	EndedAt     time.Time
	// Doubt is since when it may have been done without our knowing; see Store.Doubt. Only Intend sets it, and only of an effect that has
	// not ended.
	Doubt time.Time
}

// Doubt returns since when effects may have been done that the database does not know of, because it was restored from a copy: since the
// last entry in the copy's ledger. Zero: nothing is in doubt. It ends a week after the restore, when no delivery from before the restore
// can come any more.
func (s *Store) Doubt(ctx context.Context) (since time.Time, err error) {
	defer wrap(&err, "look up whether the database was restored")
	err = s.Read(ctx, func(tx Tx) error {
		since, err = s.doubt(ctx, tx)
		return err
	})
	return since, err
}

func (s *Store) doubt(ctx context.Context, tx Tx) (time.Time, error) {
	var since int64
	_, err := one(ctx, tx, `SELECT coalesce(min(since), 0) FROM doubts WHERE until > $1`, []any{micro(s.now())}, &since)
	return fromMicro(since), err
}

// Intend records an intent before it is acted on, here and in the ledger; fresh says that it was not recorded before. What is done or
// failed must not be repeated. What is intended and was never attempted is the caller's to do, who calls Attempt just before, and Complete
// or FailEffect after. If it was attempted, the result was lost: the caller finds out whether it happened and finishes it. Where there is
// Doubt, it may have happened in any case.
func (s *Store) Intend(ctx context.Context, in Intent) (e Effect, fresh bool, err error) {
	defer wrap(&err, "intend %s", in.Key)
	body, err := json.Marshal(in.Body)
	if err != nil {
		return Effect{}, false, err
	}
	err = s.Write(ctx, func(tx Tx) error {
		if err := s.keep(ctx, tx, in.Lease); err != nil {
			return err
		}
		now := s.now()
		n, err := tx.Exec(ctx, `INSERT INTO effects (key, kind, repository, number, sha, body, state, result, intended_at, ended_at)
			VALUES ($1, $2, $3, $4, $5, $6, 'intended', 'null', $7, 0) ON CONFLICT (key) DO NOTHING`,
			in.Key, in.Kind, in.Pull.Repository, in.Pull.Number, string(in.Head), string(body), micro(now))
		if err != nil {
			return err
		}
		if fresh = n == 1; fresh {
			entry := effectEntry{Key: in.Key, Effect: in.Kind, Detail: body}
			if _, err := ledger.Append(ctx, tx, now, entry.draft(ledger.EffectIntended, in.Pull, in.Head)); err != nil {
				return err
			}
		}
		if e, err = effect(ctx, tx, in.Key); err != nil || e.State != EffectIntended {
			return err
		}
		e.Doubt, err = s.doubt(ctx, tx)
		return err
	})
	return e, fresh, err
}

// Attempt records that what was intended is about to be sent; what was never attempted did not happen. The lease, if it is not zero, must
// still be held: ErrFenced otherwise.
func (s *Store) Attempt(ctx context.Context, key string, lease Lease) (err error) {
	defer wrap(&err, "attempt %s", key)
	return s.Write(ctx, func(tx Tx) error {
		if err := s.keep(ctx, tx, lease); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE effects SET attempted_at = $1 WHERE key = $2`, micro(s.now()), key)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// effectEntry is the body of the ledger's entries about effects.
type effectEntry struct {
	Key    string          `json:"key"`
	Effect string          `json:"effect"`
	Detail json.RawMessage `json:"detail"` // what is intended, the result, or why it failed
}

func (e effectEntry) draft(kind ledger.Kind, pull change.PullKey, head change.SHA) ledger.Draft {
	return ledger.Draft{Kind: kind, Body: e, Subject: ledger.Subject{Repository: int64(pull.Repository), Number: int(pull.Number), SHA: string(head)}}
}

// TakeBackAttempt records that the last attempt certainly did nothing; last is when the one before it was made, zero if there was none. The
// lease is that of the attempt: ErrFenced says that another may have made one since.
func (s *Store) TakeBackAttempt(ctx context.Context, key string, lease Lease, last time.Time) (err error) {
	defer wrap(&err, "take back the attempt at %s", key)
	return s.Write(ctx, func(tx Tx) error {
		if err := s.keep(ctx, tx, lease); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE effects SET attempted_at = $1 WHERE key = $2 AND state = 'intended'`, micro(last), key)
		return err
	})
}

// Complete records that an effect happened, with its result, here and in the ledger. Doing so again changes nothing.
func (s *Store) Complete(ctx context.Context, key string, result any) error {
	return s.endEffect(ctx, key, EffectDone, result, nil)
}

// CompleteCheckRun is Complete for an effect that wrote a check run, and saves that in the same transaction: otherwise, after a crash in
// between, the same run would be written again, or even a second one created.
func (s *Store) CompleteCheckRun(ctx context.Context, key string, result any, run CheckRun) error {
	return s.endEffect(ctx, key, EffectDone, result, &run)
}

// FailEffect records that an effect was refused for good, and why. What may work another time is left as it is: intended.
func (s *Store) FailEffect(ctx context.Context, key, why string) error {
	return s.endEffect(ctx, key, EffectFailed, why, nil)
}

// endEffect makes an effect done or failed, here and in the ledger; detail is its result, or why it failed. Run is the check run that it wrote;
// nil: none.
func (s *Store) endEffect(ctx context.Context, key string, state EffectState, detail any, run *CheckRun) (err error) {
	defer wrap(&err, "note %s as %s", key, state)
	result, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return s.Write(ctx, func(tx Tx) error {
		now := s.now()
		if run != nil {
			if err := s.saveCheckRun(ctx, tx, *run); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `UPDATE effects SET state = $1, result = $2, ended_at = $3 WHERE key = $4 AND state = 'intended'`,
			string(state), string(result), micro(now), key)
		if err != nil {
			return err
		}
		e, err := effect(ctx, tx, key)
		if err != nil {
			return err
		}
		if n == 0 {
			if e.State != state {
				return fmt.Errorf("it is %s already", e.State)
			}
			return nil
		}
		kind := ledger.EffectDone
		if state == EffectFailed {
			kind = ledger.EffectFailed
		}
		entry := effectEntry{Key: key, Effect: e.Kind, Detail: result}
		_, err = ledger.Append(ctx, tx, now, entry.draft(kind, e.Pull, e.Head))
		return err
	})
}

// effect returns an effect by its key, or ErrNotFound.
func effect(ctx context.Context, tx Tx, key string) (Effect, error) {
	list, err := effects(ctx, tx, `key = $1`, key)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Effect{}, err
	}
	return list[0], nil
}

func effects(ctx context.Context, tx Tx, where string, args ...any) (list []Effect, err error) {
	err = tx.Query(ctx, `SELECT key, kind, repository, number, sha, body, state, result, intended_at, attempted_at, ended_at FROM effects WHERE `+where, args,
		func(scan func(...any) error) error {
			var e Effect
			var body, result string
			var intended, attempted, ended int64
			err := scan(&e.Key, &e.Kind, &e.Pull.Repository, &e.Pull.Number, &e.Head, &body, &e.State, &result, &intended, &attempted, &ended)
			e.Body, e.Result = json.RawMessage(body), json.RawMessage(result)
			e.IntendedAt, e.AttemptedAt, e.EndedAt = fromMicro(intended), fromMicro(attempted), fromMicro(ended)
			list = append(list, e)
			return err
		})
	return list, err
}

// EffectsOn returns how many effects of the given kinds on a commit have ended, and those that have not, the oldest first: their
// results were lost in a crash, or with GitHub's answer.
func (s *Store) EffectsOn(ctx context.Context, repo change.RepositoryID, head change.SHA, kinds ...string) (ended int, open []Effect, err error) {
	defer wrap(&err, "list the effects on %s in repository %d", head, repo)
	in, args := among([]any{repo, string(head)}, kinds)
	where := "repository = $1 AND sha = $2 AND kind IN (" + in + ") AND state "
	err = s.Read(ctx, func(tx Tx) error {
		if _, err := one(ctx, tx, `SELECT count(*) FROM effects WHERE `+where+`<> 'intended'`, args, &ended); err != nil {
			return err
		}
		open, err = effects(ctx, tx, where+`= 'intended' ORDER BY intended_at, key`, args...)
		return err
	})
	return ended, open, err
}

// OpenEffects returns the effects of a pull request that have not ended, on whichever commit, the oldest first.
func (s *Store) OpenEffects(ctx context.Context, key change.PullKey) (list []Effect, err error) {
	defer wrap(&err, "list the open effects on pull request %s", key)
	err = s.Read(ctx, func(tx Tx) error {
		list, err = effects(ctx, tx, `repository = $1 AND number = $2 AND state = 'intended' ORDER BY intended_at, key`, key.Repository, key.Number)
		return err
	})
	return list, err
}

// EffectsOf returns the effects of a pull request, the oldest first.
func (s *Store) EffectsOf(ctx context.Context, key change.PullKey) (list []Effect, err error) {
	defer wrap(&err, "list the effects on pull request %s", key)
	err = s.Read(ctx, func(tx Tx) error {
		list, err = effects(ctx, tx, `repository = $1 AND number = $2 ORDER BY intended_at, key`, key.Repository, key.Number)
		return err
	})
	return list, err
}
