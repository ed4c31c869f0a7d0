package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Pull is a pull request as it is held here.
type Pull struct {
	Key change.PullKey
	// Snapshot is the newest that GitHub told, in a payload or in an answer. Its State is empty as long as GitHub told nothing: the
	// pull request was raised by its number alone, and is to be read.
	Snapshot change.Pull
	ReadAt   time.Time // when Snapshot was read from GitHub; zero: it is from a payload
	// Unsure says that the pull request must be read from GitHub: payloads of one second differ and it cannot be told which is the later,
	// or an event that carries no payload of it may have changed it.
	Unsure bool
	Gone   bool // the App has no access any more
	// Decision is the last one that was saved, nil if there is none, with its digest, and when it was saved.
	Decision  *change.Decision
	Digest    string
	DecidedAt time.Time
	Failures  int    // runs that failed since the last one that did not
	Problem   string // why the last run failed, empty if it did not
}

const (
	pullColumns = `p.repository, p.number, coalesce(s.snapshot, ''), p.read_at, p.unsure, p.gone, coalesce(d.decision, ''), p.digest, p.decided_at,
		p.failures, p.problem`
	pullTables = `pulls p
		LEFT JOIN pull_snapshots s ON s.repository = p.repository AND s.number = p.number
		LEFT JOIN pull_decisions d ON d.repository = p.repository AND d.number = p.number`
)

// scanPull reads pullColumns, and into more what the query selects after them.
func scanPull(scan func(...any) error, more ...any) (p Pull, err error) {
	var snapshot, decision string
	var readAt, decidedAt, unsure, gone int64
	err = scan(append([]any{
		&p.Key.Repository, &p.Key.Number, &snapshot, &readAt, &unsure, &gone, &decision, &p.Digest, &decidedAt, &p.Failures, &p.Problem,
	}, more...)...)
	if err != nil {
		return p, err
	}
	p.ReadAt, p.DecidedAt, p.Unsure, p.Gone = fromMicro(readAt), fromMicro(decidedAt), unsure != 0, gone != 0
	p.Snapshot.Number = p.Key.Number
	if snapshot != "" {
		if err := unmarshal(snapshot, &p.Snapshot); err != nil {
			return p, err
		}
	}
	if decision != "" {
		p.Decision = new(change.Decision)
		if err := unmarshal(decision, p.Decision); err != nil {
			return p, err
		}
	}
	return p, nil
}

func queryPulls(ctx context.Context, tx Tx, where string, args ...any) (pulls []Pull, err error) {
	err = tx.Query(ctx, `SELECT `+pullColumns+` FROM `+pullTables+` WHERE `+where, args, func(scan func(...any) error) error {
		p, err := scanPull(scan)
		pulls = append(pulls, p)
		return err
	})
	return pulls, err
}

// Pull returns a pull request, or ErrNotFound.
func (s *Store) Pull(ctx context.Context, key change.PullKey) (p Pull, err error) {
	defer wrap(&err, "look up pull request %s", key)
	var pulls []Pull
	err = s.Read(ctx, func(tx Tx) error {
		pulls, err = queryPulls(ctx, tx, `p.repository = $1 AND p.number = $2`, key.Repository, key.Number)
		return err
	})
	if err == nil && len(pulls) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Pull{}, err
	}
	return pulls[0], nil
}

// PullsWithHead returns the open pull requests that have this head, ordered by number.
func (s *Store) PullsWithHead(ctx context.Context, repo change.RepositoryID, head change.SHA) (pulls []change.PullKey, err error) {
	defer wrap(&err, "look up pull requests of repository %d with head %s", repo, head)
	err = s.Read(ctx, func(tx Tx) error {
		return tx.Query(ctx, `SELECT number FROM pulls WHERE repository = $1 AND head = $2 AND state = 'open' AND gone = 0 ORDER BY number`,
			[]any{repo, string(head)}, func(scan func(...any) error) error {
				p := change.PullKey{Repository: repo}
				err := scan(&p.Number)
				pulls = append(pulls, p)
				return err
			})
	})
	return pulls, err
}

// OpenPulls returns up to limit open pull requests after the given key, ordered by repository and number, for a walk over all of
// them: start with the zero key and go on after the last one returned.
func (s *Store) OpenPulls(ctx context.Context, after change.PullKey, limit int) (pulls []Pull, err error) {
	defer wrap(&err, "list open pull requests after %s", after)
	err = s.Read(ctx, func(tx Tx) error {
		pulls, err = queryPulls(ctx, tx, `(p.repository, p.number) > ($1, $2) AND p.state = 'open' AND p.gone = 0
			ORDER BY p.repository, p.number LIMIT $3`, after.Repository, after.Number, limit)
		return err
	})
	return pulls, err
}

// OpenPullsOf returns up to limit open pull requests of an installation after the given key, in order.
func (s *Store) OpenPullsOf(ctx context.Context, id change.InstallationID, after change.PullKey, limit int) (keys []change.PullKey, err error) {
	defer wrap(&err, "list the open pull requests of installation %d", id)
	err = s.Read(ctx, func(tx Tx) error {
		keys, err = pullKeys(ctx, tx, `state = 'open' AND gone = 0 AND (repository, number) > ($1, $2)
			AND repository IN (SELECT id FROM repositories WHERE installation = $3 AND gone = 0)
			ORDER BY repository, number LIMIT $4`, after.Repository, after.Number, id, limit)
		return err
	})
	return keys, err
}

// pullKeys returns the keys of those pull requests whose rows meet a condition.
func pullKeys(ctx context.Context, tx Tx, where string, args ...any) (keys []change.PullKey, err error) {
	err = tx.Query(ctx, `SELECT repository, number FROM pulls WHERE `+where, args, func(scan func(...any) error) error {
		var k change.PullKey
		err := scan(&k.Repository, &k.Number)
		keys = append(keys, k)
		return err
	})
	return keys, err
}

// KnownPull is what tells one state of a pull request from another.
type KnownPull struct {
	State     change.PullState // empty: GitHub told nothing yet
	Head      change.SHA
	UpdatedAt time.Time
}

// Known returns how pull requests are known. Those that never were are left out, as are those that the App has no access to any more.
func (s *Store) Known(ctx context.Context, keys []change.PullKey) (known map[change.PullKey]KnownPull, err error) {
	defer wrap(&err, "look up how %d pull requests are known", len(keys))
	known = make(map[change.PullKey]KnownPull, len(keys))
	if len(keys) == 0 {
		return known, nil
	}
	table, arg, err := s.keys(keys)
	if err != nil {
		return nil, err
	}
	err = s.Read(ctx, func(tx Tx) error {
		clear(known)
		return tx.Query(ctx, `SELECT p.repository, p.number, p.state, p.head, p.updated_at FROM `+table+` AS asked
			JOIN pulls p ON p.repository = asked.repository AND p.number = asked.number AND p.gone = 0`, []any{arg}, func(scan func(...any) error) error {
			var key change.PullKey
			var k KnownPull
			var updated int64
			err := scan(&key.Repository, &key.Number, &k.State, &k.Head, &updated)
			k.UpdatedAt = fromMicro(updated)
			known[key] = k
			return err
		})
	})
	return known, err
}

// OpenNumbers returns the numbers of the pull requests of a repository that are open, in order.
func (s *Store) OpenNumbers(ctx context.Context, repo change.RepositoryID) (numbers []change.Number, err error) {
	defer wrap(&err, "list the open pull requests of repository %d", repo)
	err = s.Read(ctx, func(tx Tx) error {
		numbers = nil
		return tx.Query(ctx, `SELECT number FROM pulls WHERE repository = $1 AND state = 'open' AND gone = 0 ORDER BY number`, []any{repo},
			func(scan func(...any) error) error {
				var n change.Number
				err := scan(&n)
				numbers = append(numbers, n)
				return err
			})
	})
	return numbers, err
}

// SavePull keeps a pull request as it was just read from GitHub. It replaces what is held unless a delivery told something newer
// meanwhile, and returns what is held then. A pull request that was gone is ours again.
func (s *Store) SavePull(ctx context.Context, key change.PullKey, read change.Pull) (held change.Pull, err error) {
	defer wrap(&err, "save pull request %s", key)
	err = s.Write(ctx, func(tx Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO pulls (repository, number) VALUES ($1, $2) ON CONFLICT DO NOTHING`, key.Repository, key.Number); err != nil {
			return err
		}
		if err := s.lockPull(ctx, tx, key); err != nil {
			return err
		}
		var before string
		if _, err := one(ctx, tx, `SELECT snapshot FROM pull_snapshots WHERE repository = $1 AND number = $2`,
			[]any{key.Repository, key.Number}, &before); err != nil {
			return err
		}
		held = change.Pull{}
		if before != "" {
			if err := unmarshal(before, &held); err != nil {
				return err
			}
		}
		merged, newer, unsure := fold(held, read, false)
		if !newer {
			return nil
		}
		if leaves(held, merged) {
			if err := s.forgetReading(ctx, tx, []headKey{{key.Repository, held.Head.SHA}}); err != nil {
				return err
			}
		}
		held = merged
		snapshot, err := json.Marshal(merged)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE pulls SET state = $1, head = $2, base = $3, updated_at = $4, read_at = $5, unsure = $6, gone = 0
			WHERE repository = $7 AND number = $8`, string(merged.State), string(merged.Head.SHA), merged.Base.Name, micro(merged.UpdatedAt),
			micro(s.now()), number(unsure), key.Repository, key.Number)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO pull_snapshots (repository, number, snapshot) VALUES ($1, $2, $3)
			ON CONFLICT (repository, number) DO UPDATE SET snapshot = excluded.snapshot`, key.Repository, key.Number, string(snapshot))
		return err
	})
	return held, err
}

// lockPull locks the row of a pull request, if there is one.
func (s *Store) lockPull(ctx context.Context, tx Tx, key change.PullKey) error {
	_, err := one(ctx, tx, `SELECT 1 FROM pulls WHERE repository = $1 AND number = $2`+s.forUpdate(), []any{key.Repository, key.Number}, new(int))
	return err
}

// SaveGone records that the App has no access to a pull request any more: GitHub answers that it, or its repository, is not there.
func (s *Store) SaveGone(ctx context.Context, key change.PullKey) (err error) {
	defer wrap(&err, "mark pull request %s as gone", key)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE pulls SET gone = 1 WHERE repository = $1 AND number = $2`, key.Repository, key.Number)
		return err
	})
}
