package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

var raiseColumns = []column{{"repository", integer}, {"number", integer}, {"concerns", integer}, {"raised", integer}}

// raise adds concerns to pull requests, makes rows for those that have none, and locks them all. A pull request that is raised is ours again, even if
// it was gone. What is known of the job of each is added to jobs, unless jobs names it already: zero if nothing is known. A job that is known waits
// or runs.
func (s *Store) raise(ctx context.Context, tx Tx, concerns map[change.PullKey]change.Concern, jobs map[change.PullKey]Job) error {
	if len(concerns) == 0 {
		return nil
	}
	values := make([][]any, 0, len(concerns))
	for _, k := range sortedKeys(concerns) { // in one order everywhere, so that two transactions cannot wait for each other
		values = append(values, []any{k.Repository, k.Number, uint(concerns[k]), number(concerns[k] != 0)})
	}
	table, arg, err := s.rows(raiseColumns, values)
	if err != nil {
		return err
	}
	return tx.Query(ctx, `INSERT INTO pulls (repository, number, concerns, wanted)
		SELECT repository, number, concerns, raised FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, number) DO UPDATE SET
			concerns = pulls.concerns | excluded.concerns, wanted = pulls.wanted + excluded.wanted, gone = 0,
			job_due = CASE pulls.wanted WHEN pulls.done THEN 0 ELSE pulls.job_due END
		RETURNING repository, number, job_due, job_trace`, []any{arg}, func(scan func(...any) error) error {
		var key change.PullKey
		var due int64
		var trace string
		if err := scan(&key.Repository, &key.Number, &due, &trace); err != nil {
			return err
		}
		if concerns[key] != 0 {
			noteJob(jobs, key, jobOf(due, trace))
		}
		return nil
	})
}

// jobOf returns what a pull request's row says of its job.
func jobOf(due int64, trace string) Job {
	if due == 0 {
		return Job{}
	}
	return Job{fromMicro(due), trace}
}

// noteJob adds what is known of the job of a pull request that jobs does not name.
func noteJob(jobs map[change.PullKey]Job, key change.PullKey, job Job) {
	if _, named := jobs[key]; !named {
		jobs[key] = job
	}
}

// Raise records that the sources of pull requests may have changed. The caller sees to it, in the same transaction, that each is worked on.
// A pull request that was never heard of gets a row.
func (s *Store) Raise(ctx context.Context, tx Tx, keys []change.PullKey, concerns change.Concern) (err error) {
	defer wrap(&err, "raise %d pull requests", len(keys))
	bits := make(map[change.PullKey]change.Concern, len(keys))
	for _, k := range keys {
		bits[k] = concerns
	}
	return s.raise(ctx, tx, bits, map[change.PullKey]Job{})
}

// Job is what is known of the job of a pull request that was raised and not yet dealt with.
type Job struct {
	// Due is when the job waits, or waited, for nothing but a worker, by the clock of whoever inserted it; zero: that is not known.
	Due   time.Time
	Trace string // under which it was inserted
}

var jobColumns = []column{{"repository", integer}, {"number", integer}, {"due", integer}, {"trace", text}}

// SaveJobs keeps what is known of the jobs of pull requests until their next runs end, so that whoever raises one meanwhile need not look
// for its job. They were raised in the same transaction.
func (s *Store) SaveJobs(ctx context.Context, tx Tx, jobs map[change.PullKey]Job) (err error) {
	defer wrap(&err, "note the jobs of %d pull requests", len(jobs))
	if len(jobs) == 0 {
		return nil
	}
	values := make([][]any, 0, len(jobs))
	for _, k := range sortedKeys(jobs) {
		values = append(values, []any{k.Repository, k.Number, micro(jobs[k].Due), jobs[k].Trace})
	}
	table, arg, err := s.rows(jobColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE pulls SET job_due = new.due, job_trace = new.trace
		FROM `+table+` AS new WHERE pulls.repository = new.repository AND pulls.number = new.number`, arg)
	return err
}

func sortedKeys[V any](m map[change.PullKey]V) []change.PullKey {
	keys := make([]change.PullKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

func compareKeys(a, b change.PullKey) int {
	return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Number, b.Number))
}

var keyColumns = []column{{"repository", integer}, {"number", integer}}

// keys is rows for pull requests.
func (s *Store) keys(list []change.PullKey) (table string, arg any, err error) {
	values := make([][]any, len(list))
	for i, k := range list {
		values[i] = []any{k.Repository, k.Number}
	}
	return s.rows(keyColumns, values)
}
