package store

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

// CheckRun is the one check run of ours that a commit carries, as we last wrote it.
type CheckRun struct {
	Repository change.RepositoryID
	Head       change.SHA
	Number     change.Number // the pull request whose run wrote it last
	ExternalID string        // what it is found again by on GitHub
	plan.Posted
	UpdatedAt time.Time // when it was last saved here
}

// CheckRun returns the check run of ours on a commit, nil if there is none.
func (s *Store) CheckRun(ctx context.Context, repo change.RepositoryID, head change.SHA) (run *CheckRun, err error) {
	defer wrap(&err, "look up the check run on %s in repository %d", head, repo)
	runs, err := s.checkRuns(ctx, `repository = $1 AND sha = $2`, repo, string(head))
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	return &runs[0], nil
}

// CheckRunsOf returns the check runs that were written for a pull request, on whichever commits, the newest first.
func (s *Store) CheckRunsOf(ctx context.Context, key change.PullKey) (runs []CheckRun, err error) {
	defer wrap(&err, "look up the check runs of pull request %s", key)
	return s.checkRuns(ctx, `repository = $1 AND number = $2 ORDER BY created_at DESC, run_id DESC`, key.Repository, key.Number)
}

func (s *Store) checkRuns(ctx context.Context, where string, args ...any) (runs []CheckRun, err error) {
	err = s.Read(ctx, func(tx Tx) error {
		return tx.Query(ctx, `SELECT repository, sha, number, run_id, status, conclusion, digest, external_id, created_at, updated_at
			FROM check_runs WHERE `+where, args, func(scan func(...any) error) error {
			var r CheckRun
			var created, updated int64
			err := scan(&r.Repository, &r.Head, &r.Number, &r.RunID, &r.Status, &r.Conclusion, &r.Digest, &r.ExternalID, &created, &updated)
			r.CreatedAt, r.UpdatedAt = fromMicro(created), fromMicro(updated)
			runs = append(runs, r)
			return err
		})
	})
	return runs, err
}

// SaveCheckRun keeps a check run as it was just written to GitHub, or found there. A commit has one: a run with another id takes its
// place. UpdatedAt is set by the store.
func (s *Store) SaveCheckRun(ctx context.Context, run CheckRun) (err error) {
	defer wrap(&err, "save the check run on %s in repository %d", run.Head, run.Repository)
	return s.Write(ctx, func(tx Tx) error { return s.saveCheckRun(ctx, tx, run) })
}

func (s *Store) saveCheckRun(ctx context.Context, tx Tx, run CheckRun) error {
	_, err := tx.Exec(ctx, `INSERT INTO check_runs (repository, sha, number, run_id, status, conclusion, digest, external_id, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (repository, sha) DO UPDATE SET number = excluded.number, run_id = excluded.run_id, status = excluded.status,
				conclusion = excluded.conclusion, digest = excluded.digest, external_id = excluded.external_id,
				created_at = excluded.created_at, updated_at = excluded.updated_at`,
		run.Repository, string(run.Head), run.Number, run.RunID, string(run.Status), string(run.Conclusion), run.Digest, run.ExternalID,
		micro(run.CreatedAt), micro(s.now()))
	return err
}
