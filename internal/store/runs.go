package store

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Run is one run over a pull request or an errand, from Start or StartErrand to Finish or Fail.
type Run struct {
	Key    change.PullKey // zero: over an errand
	Errand change.Errand  // zero: over a pull request
	wanted int64          // how often it was raised when the run started
	done   int64          // how many of these an earlier run has dealt with
	number int64          // of the run: a later one takes its place
	due    int64          // the recheck that was asked for when the run started
}

// Next says what is to follow a run.
type Next int

// What follows a run.
const (
	Settled Next = iota // nothing was raised meanwhile
	Again               // something was raised meanwhile
	Stale               // a later run has taken this one's place, and this one counts for nothing
)

// isErrand says whether the run is over an errand.
func (r Run) isErrand() bool { return r.Errand != (change.Errand{}) }

// String names what the run is over.
func (r Run) String() string {
	if r.isErrand() {
		return "errand " + r.Errand.String()
	}
	return "pull request " + r.Key.String()
}

// Empty says that everything that was raised when the run started had been dealt with: its job was inserted while an earlier run was
// ending.
func (r Run) Empty() bool { return r.wanted == r.done }

// RechecksAt says whether a recheck at that time was asked for before the run.
func (r Run) RechecksAt(at time.Time) bool { return !at.IsZero() && r.due == micro(at) }

// Start begins a run: what was raised so far is its business. A run that ends by neither Finish nor Fail, because the process died,
// leaves its business to the next.
func (s *Store) Start(ctx context.Context, key change.PullKey) (run Run, err error) {
	return s.start(ctx, Run{Key: key}, `UPDATE pulls SET taken = taken | concerns, concerns = 0, run = run + 1
		WHERE repository = $1 AND number = $2 RETURNING wanted, done, run, recheck_at`, key.Repository, key.Number)
}

// StartErrand is Start for an errand. ErrNotFound says that it was never raised, or that its repository is not ours now: what was raised
// then waits until it is.
func (s *Store) StartErrand(ctx context.Context, e change.Errand) (run Run, err error) {
	return s.start(ctx, Run{Errand: e}, `UPDATE errands SET run = run + 1
		WHERE repository = $1 AND kind = $2 AND name = $3 AND `+ours+` RETURNING wanted, done, run, recheck_at`, e.Repository, string(e.Kind), e.Name)
}

func (s *Store) start(ctx context.Context, run Run, query string, args ...any) (_ Run, err error) {
	defer wrap(&err, "start a run over %s", run)
	err = s.Write(ctx, func(tx Tx) error {
		found, err := one(ctx, tx, query, args, &run.wanted, &run.done, &run.number, &run.due)
		if err == nil && !found {
			err = ErrNotFound
		}
		return err
	})
	return run, err
}

// Finish ends a run that did its business. recheckAt is when time alone calls for another, zero for never; the caller makes that
// happen in the same transaction.
func (s *Store) Finish(ctx context.Context, tx Tx, run Run, recheckAt time.Time) (next Next, err error) {
	defer wrap(&err, "finish the run over %s", run)
	set := `done = $1, failures = 0, problem = '', recheck_at = $2`
	if !run.isErrand() {
		set += `, taken = 0`
	}
	next, _, err = s.end(ctx, tx, run, set, run.wanted, micro(recheckAt))
	return next, err
}

// Fail ends a run that did not do all of its business, which stays to be done by the next. A problem is why; empty says that the
// run only waits for something and is no failure.
func (s *Store) Fail(ctx context.Context, tx Tx, run Run, problem string) (next Next, failures int, err error) {
	defer wrap(&err, "end the failed run over %s", run)
	return s.end(ctx, tx, run, `failures = failures + $1, problem = $2`, number(problem != ""), problem)
}

// end writes to the row of what a run is over, unless a later run has taken its place. First and second are the arguments $1 and $2 of set.
func (s *Store) end(ctx context.Context, tx Tx, run Run, set string, first, second any) (next Next, failures int, err error) {
	table, where, args := `pulls`, `repository = $4 AND number = $5`, []any{first, second, run.number, run.Key.Repository, run.Key.Number}
	if e := run.Errand; run.isErrand() {
		table, where = `errands`, `repository = $4 AND kind = $5 AND name = $6`
		args = []any{first, second, run.number, e.Repository, string(e.Kind), e.Name}
	} else {
		set += `, job_due = 0, job_trace = ''`
	}
	// The update locks the row, so that intake either raised it before this transaction and is seen here, or raises it after and
	// finds the job ended.
	var wanted int64
	found, err := one(ctx, tx, `UPDATE `+table+` SET `+set+` WHERE run = $3 AND `+where+` RETURNING wanted, failures`, args, &wanted, &failures)
	switch {
	case err != nil:
		return Stale, 0, err
	case !found:
		return Stale, 0, nil
	case wanted != run.wanted:
		return Again, failures, nil
	default:
		return Settled, failures, nil
	}
}

// TakeRecheck says whether the last run asked for a recheck at just this time, and no other run since for another. If so, none is asked for
// from now on: a run that finds that it came too early may ask for the same time again.
func (s *Store) TakeRecheck(ctx context.Context, tx Tx, key change.PullKey, at time.Time) (due bool, err error) {
	defer wrap(&err, "take the recheck of pull request %s", key)
	n, err := tx.Exec(ctx, `UPDATE pulls SET recheck_at = 0 WHERE repository = $1 AND number = $2 AND recheck_at = $3 AND gone = 0`,
		key.Repository, key.Number, micro(at))
	return n > 0, err
}

// Overdue returns the pull requests whose last run asked for a recheck at a time that has come.
func (s *Store) Overdue(ctx context.Context, tx Tx) (keys []change.PullKey, err error) {
	defer wrap(&err, "list the rechecks that are due")
	return pullKeys(ctx, tx, `recheck_at > 0 AND recheck_at <= $1 AND gone = 0 ORDER BY repository, number`, micro(s.now()))
}

// IsUnsettled says whether a pull request was raised and not yet dealt with.
func (s *Store) IsUnsettled(ctx context.Context, tx Tx, key change.PullKey) (unsettled bool, err error) {
	defer wrap(&err, "look up whether pull request %s is dealt with", key)
	return one(ctx, tx, `SELECT 1 FROM pulls WHERE repository = $1 AND number = $2 AND wanted <> done`, []any{key.Repository, key.Number}, new(int))
}

// Unsettled returns up to limit pull requests after the given key that were raised and not yet dealt with.
func (s *Store) Unsettled(ctx context.Context, after change.PullKey, limit int) (keys []change.PullKey, err error) {
	defer wrap(&err, "list what is not yet dealt with")
	err = s.Read(ctx, func(tx Tx) error {
		keys, err = pullKeys(ctx, tx, `wanted <> done AND (repository, number) > ($1, $2) ORDER BY repository, number LIMIT $3`,
			after.Repository, after.Number, limit)
		return err
	})
	return keys, err
}

// CountUnsettled returns how many pull requests were raised and not yet dealt with.
func (s *Store) CountUnsettled(ctx context.Context) (n int, err error) {
	n, _, err = s.CountAllUnsettled(ctx)
	return n, err
}

// CountAllUnsettled returns how many pull requests, and how many errands of each kind, were raised and not yet dealt with, as of one moment.
func (s *Store) CountAllUnsettled(ctx context.Context) (pulls int, errands map[change.ErrandKind]int, err error) {
	defer wrap(&err, "count what is not yet dealt with")
	err = s.Read(ctx, func(tx Tx) error {
		if _, err := one(ctx, tx, `SELECT count(*) FROM pulls WHERE wanted <> done`, nil, &pulls); err != nil {
			return err
		}
		errands = map[change.ErrandKind]int{}
		return tx.Query(ctx, `SELECT kind, count(*) FROM errands WHERE wanted <> done AND `+ours+` GROUP BY kind`, nil, func(scan func(...any) error) error {
			var kind change.ErrandKind
			var n int
			err := scan(&kind, &n)
			errands[kind] = n
			return err
		})
	})
	return pulls, errands, err
}

// ours is true of an errand whose repository the App has access to. Other errands are left as they are, and are not run.
const ours = `EXISTS (SELECT 1 FROM repositories WHERE id = errands.repository AND gone = 0)`

// TakeErrandRecheck is TakeRecheck for an errand.
func (s *Store) TakeErrandRecheck(ctx context.Context, tx Tx, e change.Errand, at time.Time) (due bool, err error) {
	defer wrap(&err, "take the recheck of errand %s", e)
	n, err := tx.Exec(ctx, `UPDATE errands SET recheck_at = 0 WHERE repository = $1 AND kind = $2 AND name = $3 AND recheck_at = $4`,
		e.Repository, string(e.Kind), e.Name, micro(at))
	return n > 0, err
}

// OverdueErrands is Overdue for errands.
func (s *Store) OverdueErrands(ctx context.Context, tx Tx) (list []change.Errand, err error) {
	defer wrap(&err, "list the rechecks of errands that are due")
	return errands(ctx, tx, `recheck_at > 0 AND recheck_at <= $1 ORDER BY repository, kind, name`, micro(s.now()))
}

// IsErrandUnsettled says whether an errand was raised and not yet dealt with. One of a repository that is gone is not to be dealt with.
func (s *Store) IsErrandUnsettled(ctx context.Context, tx Tx, e change.Errand) (unsettled bool, err error) {
	defer wrap(&err, "look up whether errand %s is dealt with", e)
	return one(ctx, tx, `SELECT 1 FROM errands WHERE repository = $1 AND kind = $2 AND name = $3 AND wanted <> done AND `+ours,
		[]any{e.Repository, string(e.Kind), e.Name}, new(int))
}

// UnsettledErrands returns up to limit errands after the given one that were raised and not yet dealt with.
func (s *Store) UnsettledErrands(ctx context.Context, after change.Errand, limit int) (list []change.Errand, err error) {
	defer wrap(&err, "list the errands that are not yet dealt with")
	err = s.Read(ctx, func(tx Tx) error {
		list, err = errands(ctx, tx, `wanted <> done AND (repository, kind, name) > ($1, $2, $3) AND `+ours+` ORDER BY repository, kind, name LIMIT $4`,
			after.Repository, string(after.Kind), after.Name, limit)
		return err
	})
	return list, err
}

func errands(ctx context.Context, tx Tx, where string, args ...any) (list []change.Errand, err error) {
	err = tx.Query(ctx, `SELECT repository, kind, name FROM errands WHERE `+where, args, func(scan func(...any) error) error {
		var e change.Errand
		err := scan(&e.Repository, &e.Kind, &e.Name)
		list = append(list, e)
		return err
	})
	return list, err
}
