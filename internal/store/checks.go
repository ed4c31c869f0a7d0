package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// checks returns what is held of a commit's checks, ordered by name, and when they were last read from GitHub.
func checks(ctx context.Context, tx Tx, repo change.RepositoryID, sha change.SHA) (list []change.Check, readAt time.Time, err error) {
	err = tx.Query(ctx, `SELECT body FROM checks WHERE repository = $1 AND sha = $2 ORDER BY name, app, status, run_id`,
		[]any{repo, string(sha)}, into(&list))
	if err != nil {
		return nil, time.Time{}, err
	}
	var at int64
	_, err = one(ctx, tx, `SELECT at FROM checks_read WHERE repository = $1 AND sha = $2`, []any{repo, string(sha)}, &at)
	return list, fromMicro(at), err
}

// Told is a check that is held, and when a delivery or a reading last told of it.
type Told struct {
	change.Check
	Arrived time.Time
}

// SaveChecks keeps all checks of a commit as they were read from GitHub, in a reading that began at readAt. GitHub's lists lag behind its
// deliveries: a check of which something newer was told stays as told, and one that the list lacks is forgotten only if nothing was told of it from
// since on. It returns what is held that the list lacks or has in another state, ordered by name.
func (s *Store) SaveChecks(
	ctx context.Context, repo change.RepositoryID, sha change.SHA, list []change.Check, readAt, since time.Time,
) (told []Told, err error) {
	defer wrap(&err, "save the checks of %s in repository %d", sha, repo)
	r := newReading(repo, sha, list, readAt)
	err = s.Write(ctx, func(tx Tx) error {
		told = nil
		held, err := s.holds(ctx, tx, r)
		if err == nil && !held {
			told, err = s.replaceChecks(ctx, tx, r, since)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO checks_read (repository, sha, at) VALUES ($1, $2, $3)
			ON CONFLICT (repository, sha) DO UPDATE SET at = excluded.at`, repo, string(sha), micro(readAt))
		return err
	})
	return told, err
}

// reading is what was read of a commit's checks, in a reading that began at a time.
type reading struct {
	repo   change.RepositoryID
	sha    change.SHA
	at     time.Time
	rows   []checkRow                // as they were listed
	listed map[checkKey]change.Check // the newest report of each
}

func newReading(repo change.RepositoryID, sha change.SHA, list []change.Check, at time.Time) reading {
	r := reading{repo, sha, at, make([]checkRow, len(list)), make(map[checkKey]change.Check, len(list))}
	for i, c := range list {
		r.rows[i] = checkRow{repo, sha, c}
		k := r.rows[i].key()
		if before, ok := r.listed[k]; !ok || foldCheck(before, c) {
			r.listed[k] = c
		}
	}
	return r
}

// holds says whether what is held of a commit's checks is what was read, which is the rule where deliveries told of them all. Then it notes
// when they were read, which costs a small part of what it costs to write them. What is told of beside it and was not compared is not what
// was read.
func (s *Store) holds(ctx context.Context, tx Tx, r reading) (bool, error) {
	bodies := make(map[string]bool, len(r.listed))
	for _, c := range r.listed {
		body, err := json.Marshal(c)
		if err != nil {
			return false, err
		}
		bodies[string(body)] = true
	}
	held, before, same := 0, int64(0), true
	err := tx.Query(ctx, `SELECT body, arrived FROM checks WHERE repository = $1 AND sha = $2`+s.forUpdate(), []any{r.repo, string(r.sha)},
		func(scan func(...any) error) error {
			var body string
			var arrived int64
			err := scan(&body, &arrived)
			if held++; arrived < micro(r.at) {
				before++
			}
			same = same && bodies[body]
			return err
		})
	if err != nil || !same || held != len(r.listed) {
		return false, err
	}
	noted, err := tx.Exec(ctx, `UPDATE checks SET arrived = $3 WHERE repository = $1 AND sha = $2 AND arrived < $3`, r.repo, string(r.sha), micro(r.at))
	return noted == before, err
}

// replaceChecks does what SaveChecks does where what is held is not what was read.
func (s *Store) replaceChecks(ctx context.Context, tx Tx, r reading, since time.Time) (told []Told, err error) {
	_, err = tx.Exec(ctx, `DELETE FROM checks WHERE repository = $1 AND sha = $2 AND arrived < $3`, r.repo, string(r.sha), micro(since))
	if err != nil {
		return nil, err
	}
	if _, err := s.saveChecks(ctx, tx, r.rows, r.at); err != nil {
		return nil, err
	}
	err = tx.Query(ctx, `SELECT body, arrived FROM checks WHERE repository = $1 AND sha = $2 ORDER BY name, app, status, run_id`,
		[]any{r.repo, string(r.sha)}, func(scan func(...any) error) error {
			var body string
			var arrived int64
			var c change.Check
			if err := scan(&body, &arrived); err != nil {
				return err
			}
			if err := unmarshal(body, &c); err != nil {
				return err
			}
			if l, ok := r.listed[checkRow{r.repo, r.sha, c}.key()]; !ok || l.State != c.State {
				told = append(told, Told{c, fromMicro(arrived)})
			}
			return nil
		})
	return told, err
}

type checkRow struct {
	repository change.RepositoryID
	sha        change.SHA
	check      change.Check
}

// checkKey tells whether two reports are of the same check: a check run is known by its id, a commit status by its context, because each
// report of a status has an id of its own.
type checkKey struct {
	repository change.RepositoryID
	sha        change.SHA
	name, app  string
	status     bool
	run        int64
}

func (r checkRow) key() checkKey {
	k := checkKey{repository: r.repository, sha: r.sha, name: r.check.Name, status: r.check.Status}
	if !k.status {
		k.app, k.run = r.check.App, r.check.RunID
	}
	return k
}

var checkColumns = []column{
	{"repository", integer}, {"sha", text}, {"name", text}, {"app", text}, {"status", integer}, {"run_id", integer},
	{"id", integer}, {"pending", integer}, {"at", integer}, {"arrived", integer}, {"body", text},
}

// saveChecks keeps the newest report of each check, see foldCheck, and returns those that were news.
func (s *Store) saveChecks(ctx context.Context, tx Tx, list []checkRow, arrived time.Time) (news []checkRow, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	newest := make(map[checkKey]int, len(list))
	values := make([][]any, 0, len(list))
	for i, row := range list {
		if j, ok := newest[row.key()]; ok && !foldCheck(list[j].check, row.check) {
			continue
		}
		newest[row.key()] = i
	}
	for i, row := range list {
		if newest[row.key()] != i {
			continue
		}
		body, err := json.Marshal(row.check)
		if err != nil {
			return nil, err
		}
		k, c := row.key(), row.check
		values = append(values, []any{
			k.repository, k.sha, k.name, k.app, number(k.status), k.run,
			c.RunID, number(c.State == change.CheckPending), micro(c.At), micro(arrived), string(body),
		})
	}
	table, arg, err := s.rows(checkColumns, values)
	if err != nil {
		return nil, err
	}
	err = tx.Query(ctx, `INSERT INTO checks (repository, sha, name, app, status, run_id, id, pending, at, arrived, body)
		SELECT repository, sha, name, app, status, run_id, id, pending, at, arrived, body FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, sha, name, app, status, run_id) DO UPDATE SET
			id = excluded.id, pending = excluded.pending, at = excluded.at, arrived = excluded.arrived, body = excluded.body
		WHERE excluded.at > checks.at OR (excluded.at = checks.at AND (excluded.id > checks.id
			OR (excluded.id = checks.id AND (excluded.pending = 0 OR checks.pending = 1))))
		RETURNING repository, sha, name, app, status, run_id`, []any{arg}, func(scan func(...any) error) error {
		var k checkKey
		var status int
		err := scan(&k.repository, &k.sha, &k.name, &k.app, &status, &k.run)
		k.status = status != 0
		news = append(news, list[newest[k]])
		return err
	})
	return news, err
}

// foldCheck says whether a check that arrived replaces the one that is held. The later one stands, and of two in the same second the one
// with the greater id (each report of a commit status has its own); with the same id, the one that has ended.
func foldCheck(held, arrived change.Check) bool {
	if !arrived.At.Equal(held.At) {
		return arrived.At.After(held.At)
	}
	if arrived.RunID != held.RunID {
		return arrived.RunID > held.RunID
	}
	return arrived.State != change.CheckPending || held.State == change.CheckPending
}

var headColumns = []column{{"repository", integer}, {"head", text}}

type headKey struct {
	repository change.RepositoryID
	head       change.SHA
}

// heads is rows for heads.
func (s *Store) heads(list []headKey) (table string, arg any, err error) {
	values := make([][]any, len(list))
	for i, h := range list {
		values[i] = []any{h.repository, h.head}
	}
	return s.rows(headColumns, values)
}

// onHeads is what a group of deliveries about commits comes down to.
type onHeads struct {
	raised map[change.PullKey]change.Concern
	// before are those of raised that were raised earlier and are not dealt with yet, with the concerns that have gathered since their last
	// run began. They are locked.
	before map[change.PullKey]change.Concern
	jobs   map[change.PullKey]Job // of before
	news   []toldCheck
}

// acceptChecks keeps the checks on heads of open pull requests and returns what they concern. Most checks in a busy repository are on other
// commits; those cost no more than their part of one look-up.
func (s *Store) acceptChecks(ctx context.Context, tx Tx, group []change.Delivery, by map[change.PullKey][]string) (onHeads, error) {
	heads := gather(group, func(d change.Delivery) (headKey, bool) { return headKey{d.Repository.ID, d.Head}, d.Head != "" })
	on := onHeads{raised: map[change.PullKey]change.Concern{}, before: map[change.PullKey]change.Concern{}, jobs: map[change.PullKey]Job{}}
	if len(heads.keys) == 0 {
		return on, nil
	}
	pulls, err := s.pullsOnHeads(ctx, tx, heads.keys)
	if err != nil {
		return onHeads{}, err
	}
	open := map[headKey][]pullOnHead{}
	for _, p := range pulls {
		k := headKey{p.key.Repository, p.head}
		open[k] = append(open[k], p)
		heads.raise(p.key, k, on.raised, by)
		if p.unsettled {
			on.before[p.key], on.jobs[p.key] = p.gathered, p.job
		}
	}
	var rows []checkRow
	var arrived time.Time
	for _, d := range group {
		if d.Check != nil && open[headKey{d.Repository.ID, d.Head}] != nil {
			rows = append(rows, checkRow{d.Repository.ID, d.Head, *d.Check})
			arrived = d.ReceivedAt
		}
	}
	news, err := s.saveChecks(ctx, tx, rows, arrived)
	for _, row := range news {
		for _, p := range open[headKey{row.repository, row.sha}] {
			if p.decided { // or else the decision will know
				on.news = append(on.news, toldCheck{p.key, row.check.Name, row.check.State})
			}
		}
	}
	return on, err
}

// pullOnHead is an open pull request whose head deliveries told of.
type pullOnHead struct {
	key       change.PullKey
	head      change.SHA
	decided   bool           // its decision is on this head
	unsettled bool           // it was raised and not yet dealt with
	gathered  change.Concern // since its last run began
	job       Job
}

// pullsOnHeads looks up the open pull requests that have one of the heads, and locks them.
func (s *Store) pullsOnHeads(ctx context.Context, tx Tx, heads []headKey) (list []pullOnHead, err error) {
	table, arg, err := s.heads(heads)
	if err != nil {
		return nil, err
	}
	// p is found in the index of open heads alone, its row by its key.
	err = tx.Query(ctx, `SELECT p.repository, p.number, p.head, held.decided_head = p.head, held.concerns, held.wanted <> held.done, held.job_due, held.job_trace FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.head = told.head AND p.state = 'open' AND p.gone = 0
		JOIN pulls held ON held.repository = p.repository AND held.number = p.number
		ORDER BY p.repository + 0, p.number + 0`+s.forUpdate(), []any{arg}, func(scan func(...any) error) error {
		var p pullOnHead
		var trace string
		var due int64
		err := scan(&p.key.Repository, &p.key.Number, &p.head, &p.decided, &p.gathered, &p.unsettled, &due, &trace)
		p.job = jobOf(due, trace)
		list = append(list, p)
		return err
	})
	return list, err
}
