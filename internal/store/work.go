package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Work is all that is held here about one pull request when it is looked at.
type Work struct {
	Repository change.Repository
	Pull
	// Concerns are the sources that may have changed since the last run that ended well.
	Concerns change.Concern
	// Pushes are the arrivals of heads, oldest first. PushesKnown says that they lead from the opening to the present head without
	// a gap; if not, someone unknown may have pushed.
	Pushes      []change.Push
	PushesKnown bool
	// ActivityRead says that it was read from GitHub who pushed the present head, which deliveries did not tell.
	ActivityRead bool
	Descriptions []change.Description // as deliveries told them, oldest first
	Compared     []Compared           // oldest first
	LabelEvents  []change.LabelEvent  // as deliveries told them, oldest first
	Reviews      []change.Review      // as deliveries told them, oldest first; a review and its dismissal are two
	// Checks are those that are held of the head, ordered by name. They are all there were when they were last read from GitHub, at
	// ChecksReadAt, and what deliveries told since; if ChecksReadAt is zero there may be others.
	Checks       []change.Check
	ChecksReadAt time.Time
	Commands     []change.Command // not answered yet, oldest first
}

// Compared is what a head was compared with when it was decided. It is stored: members may be added, not renamed.
type Compared struct {
	Head      change.SHA `json:"head"`
	Base      string     `json:"base"` // the base branch
	Tip       change.SHA `json:"tip"`
	MergeBase change.SHA `json:"merge_base"`
	At        time.Time  `json:"at"` // of the first decision on it
}

// Begin returns what is held about a pull request, as of one moment. ErrNotFound says that the pull request or its repository
// was never heard of.
func (s *Store) Begin(ctx context.Context, key change.PullKey) (w Work, err error) {
	defer wrap(&err, "look up the work on pull request %s", key)
	err = s.Read(ctx, func(tx Tx) error {
		w = Work{}
		found, err := scanWork(ctx, tx, key, &w)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if w.Repository, err = repository(ctx, tx, key.Repository); err != nil {
			return fmt.Errorf("its repository: %w", err)
		}
		if err := scanFacts(ctx, tx, key, &w); err != nil {
			return err
		}
		w.PushesKnown = known(w.Pushes, w.Snapshot.Head.SHA)
		if w.Checks, w.ChecksReadAt, err = checks(ctx, tx, key.Repository, w.Snapshot.Head.SHA); err != nil {
			return err
		}
		return tx.Query(ctx, `SELECT body FROM commands WHERE repository = $1 AND number = $2 AND done_at = 0 ORDER BY at, comment`,
			[]any{key.Repository, key.Number}, into(&w.Commands))
	})
	return w, err
}

func scanWork(ctx context.Context, tx Tx, key change.PullKey, w *Work) (found bool, err error) {
	var concerns, taken int64
	err = tx.Query(ctx, `SELECT `+pullColumns+`, p.concerns, p.taken FROM pulls p WHERE p.repository = $1 AND p.number = $2`,
		[]any{key.Repository, key.Number}, func(scan func(...any) error) (err error) {
			found = true
			w.Pull, err = scanPull(scan, &concerns, &taken)
			return err
		})
	// What was raised since the run started is in concerns, and the facts behind it are read here already. It will raise a run of
	// its own all the same.
	w.Concerns = change.Concern(concerns | taken)
	return found, err
}

func scanFacts(ctx context.Context, tx Tx, key change.PullKey, w *Work) error {
	return tx.Query(ctx, `SELECT kind, body FROM facts WHERE repository = $1 AND number = $2 ORDER BY at, arrived, id`,
		[]any{key.Repository, key.Number}, func(scan func(...any) error) error {
			var kind, body string
			if err := scan(&kind, &body); err != nil {
				return err
			}
			switch kind {
			case factPush:
				return appendJSON(&w.Pushes, body)
			case factLabel:
				return appendJSON(&w.LabelEvents, body)
			case factReview:
				return appendJSON(&w.Reviews, body)
			case factDescription:
				return appendJSON(&w.Descriptions, body)
			case factCompared:
				return appendJSON(&w.Compared, body)
			case factActivity:
				var head change.SHA
				err := json.Unmarshal([]byte(body), &head)
				w.ActivityRead = w.ActivityRead || head == w.Snapshot.Head.SHA
				return err
			}
			return nil
		})
}

// into collects rows of one column of JSON.
func into[T any](list *[]T) func(func(...any) error) error {
	return func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		return appendJSON(list, body)
	}
}

func appendJSON[T any](list *[]T, body string) error {
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

// Run is one run over a pull request, from Start to Finish or Fail.
type Run struct {
	Key    change.PullKey
	wanted int64 // how often it was raised when the run started
	number int64 // of the run: a later one takes its place
}

// Next says what is to follow a run.
type Next int

// What follows a run.
const (
	Settled Next = iota // nothing was raised meanwhile
	Again               // something was raised meanwhile
	Stale               // a later run has taken this one's place, and this one counts for nothing
)

// Start begins a run: what was raised so far is its business. A run that ends by neither Finish nor Fail, because the process died,
// leaves its business to the next.
func (s *Store) Start(ctx context.Context, key change.PullKey) (run Run, err error) {
	defer wrap(&err, "start a run over pull request %s", key)
	run.Key = key
	err = s.Write(ctx, func(tx Tx) error {
		found, err := one(ctx, tx, `UPDATE pulls SET taken = taken | concerns, concerns = 0, run = run + 1
			WHERE repository = $1 AND number = $2 RETURNING wanted, run`, []any{key.Repository, key.Number}, &run.wanted, &run.number)
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
	defer wrap(&err, "finish the run over pull request %s", run.Key)
	return s.end(ctx, tx, run, `UPDATE pulls SET taken = 0, done = $1, failures = 0, problem = '', recheck_at = $2
		WHERE repository = $3 AND number = $4 AND run = $5 RETURNING wanted`, run.wanted, micro(recheckAt))
}

// Fail ends a run that did not do all of its business, which stays to be done by the next. A problem is why; empty says that the
// run only waits for something and is no failure.
func (s *Store) Fail(ctx context.Context, tx Tx, run Run, problem string) (next Next, failures int, err error) {
	defer wrap(&err, "end the failed run over pull request %s", run.Key)
	failed := 0
	if problem != "" {
		failed = 1
	}
	next, err = s.end(ctx, tx, run, `UPDATE pulls SET failures = failures + $1, problem = $2
		WHERE repository = $3 AND number = $4 AND run = $5 RETURNING wanted`, failed, problem)
	if err != nil || next == Stale {
		return next, 0, err
	}
	_, err = one(ctx, tx, `SELECT failures FROM pulls WHERE repository = $1 AND number = $2`, []any{run.Key.Repository, run.Key.Number}, &failures)
	return next, failures, err
}

func (s *Store) end(ctx context.Context, tx Tx, run Run, query string, first, second any) (Next, error) {
	// The update locks the row, so that intake either raised it before this transaction and is seen here, or raises it after and
	// finds the job ended.
	var wanted int64
	found, err := one(ctx, tx, query, []any{first, second, run.Key.Repository, run.Key.Number, run.number}, &wanted)
	switch {
	case err != nil:
		return Stale, err
	case !found:
		return Stale, nil
	case wanted != run.wanted:
		return Again, nil
	default:
		return Settled, nil
	}
}

// Raise says of pull requests that their sources may have changed. The caller sees to it, in the same transaction, that each is
// worked on. A pull request that was never heard of is one from now on.
func (s *Store) Raise(ctx context.Context, tx Tx, keys []change.PullKey, concerns change.Concern) (err error) {
	defer wrap(&err, "raise %d pull requests", len(keys))
	bits := make(map[change.PullKey]change.Concern, len(keys))
	for _, k := range keys {
		bits[k] = concerns
	}
	return s.raise(ctx, tx, bits)
}

// Due says whether a recheck that was asked for at a time is still the one that the last run asked for.
func (s *Store) Due(ctx context.Context, tx Tx, key change.PullKey, at time.Time) (due bool, err error) {
	defer wrap(&err, "look up the recheck of pull request %s", key)
	return one(ctx, tx, `SELECT 1 FROM pulls WHERE repository = $1 AND number = $2 AND recheck_at = $3 AND gone = 0`,
		[]any{key.Repository, key.Number, micro(at)}, new(int))
}

// Overdue returns the pull requests whose last run asked for a recheck at a time that has come.
func (s *Store) Overdue(ctx context.Context, tx Tx) (keys []change.PullKey, err error) {
	defer wrap(&err, "list the rechecks that are due")
	err = tx.Query(ctx, `SELECT repository, number FROM pulls WHERE recheck_at > 0 AND recheck_at <= $1 AND gone = 0
		ORDER BY repository, number`, []any{micro(s.now())}, func(scan func(...any) error) error {
		var k change.PullKey
		err := scan(&k.Repository, &k.Number)
		keys = append(keys, k)
		return err
	})
	return keys, err
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
		return tx.Query(ctx, `SELECT repository, number FROM pulls WHERE wanted <> done AND (repository, number) > ($1, $2)
			ORDER BY repository, number LIMIT $3`, []any{after.Repository, after.Number, limit}, func(scan func(...any) error) error {
			var k change.PullKey
			err := scan(&k.Repository, &k.Number)
			keys = append(keys, k)
			return err
		})
	})
	return keys, err
}

// OpenPullsOf returns the open pull requests of an installation after one, in their order, limit at most.
func (s *Store) OpenPullsOf(ctx context.Context, id change.InstallationID, after change.PullKey, limit int) (keys []change.PullKey, err error) {
	defer wrap(&err, "list the open pull requests of installation %d", id)
	err = s.Read(ctx, func(tx Tx) error {
		return tx.Query(ctx, `SELECT repository, number FROM pulls WHERE state = 'open' AND gone = 0 AND (repository, number) > ($1, $2)
			AND repository IN (SELECT id FROM repositories WHERE installation = $3 AND gone = 0)
			ORDER BY repository, number LIMIT $4`, []any{after.Repository, after.Number, id, limit}, func(scan func(...any) error) error {
			var k change.PullKey
			err := scan(&k.Repository, &k.Number)
			keys = append(keys, k)
			return err
		})
	})
	return keys, err
}

// CountUnsettled returns how many pull requests were raised and not yet dealt with.
func (s *Store) CountUnsettled(ctx context.Context) (n int, err error) {
	defer wrap(&err, "count what is not yet dealt with")
	err = s.Read(ctx, func(tx Tx) error {
		_, err := one(ctx, tx, `SELECT count(*) FROM pulls WHERE wanted <> done`, nil, &n)
		return err
	})
	return n, err
}
