package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// WaitFor returns when a condition holds that the end of a run makes true.
func WaitFor(ctx context.Context, q *Queue, condition func() bool) error {
	for {
		changed := q.ends()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// InsertJob inserts the job of a pull request that nothing raised.
func InsertJob(ctx context.Context, q *Queue, key change.PullKey) error {
	defer q.engine.wake()
	return q.Store.Write(ctx, func(tx store.Tx) error { return q.insertRuns(ctx, tx, pulls([]change.PullKey{key}), atOnce) })
}

// urgencies are all that there are, by name.
var urgencies = map[string]urgency{"at once": atOnce, "early": early, "patient": patient, "when due": whenDue, "in background": inBackground}

// InsertUrgent inserts the job of a pull request with an urgency, named in words. A patient one can be put off by an hour. It returns when the job is
// due, zero if that is not known, and whether there is more to be run now.
func InsertUrgent(ctx context.Context, q *Queue, key change.PullKey, urgency string, most time.Duration) (due time.Time, more bool, err error) {
	s := pullSubject(key)
	job := insertion{s, s.InsertOpts(), urgencies[urgency], patience{time.Hour, most}}
	err = q.Store.Write(ctx, func(tx store.Tx) error {
		list, err := q.insert(ctx, tx, []insertion{job})
		if err == nil {
			due, more = list[0].due, list[0].more
		}
		return err
	})
	return due, more, err
}

// DeleteJobs deletes all jobs, and has nothing left to do.
func DeleteJobs(ctx context.Context, q *Queue) error {
	return q.Store.Write(ctx, func(tx store.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE pulls SET done = wanted, concerns = 0, taken = 0`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM river_job`)
		return err
	})
}

// OnlyJob is the one run that there is to be.
type OnlyJob struct {
	Inserted, Due time.Time // Inserted is in whole seconds on some databases
	Background    bool
	Raised        time.Time
	Metadata      string
}

// TheOnlyJob returns it, or an error if there is another, or none.
func TheOnlyJob(ctx context.Context, q *Queue) (OnlyJob, error) {
	list, err := q.engine.(interface {
		jobs(context.Context) (*river.JobListResult, error)
	}).jobs(ctx)
	if err != nil {
		return OnlyJob{}, err
	}
	if len(list.Jobs) != 1 || list.Jobs[0].State != rivertype.JobStateAvailable {
		return OnlyJob{}, fmt.Errorf("there are %d jobs, %+v", len(list.Jobs), list.Jobs)
	}
	job := list.Jobs[0]
	return OnlyJob{job.CreatedAt, job.ScheduledAt, isBackground(job), raisedAt(job), string(job.Metadata)}, nil
}

func (e *riverEngine[T]) jobs(ctx context.Context) (*river.JobListResult, error) {
	return e.client.JobList(ctx, river.NewJobListParams().Kinds(reconcileArgs{}.Kind()).States(unfinished()...))
}

// Interrupt stops a queue as Stop does when its runs do not end by themselves.
func Interrupt(ctx context.Context, q *Queue) {
	if err := q.engine.(interface{ interrupt(context.Context) error }).interrupt(ctx); err != nil {
		panic(err)
	}
}

func (e *riverEngine[T]) interrupt(ctx context.Context) error { return e.client.StopAndCancel(ctx) }

// Kill makes a queue look as if its process were gone: nobody hears from it any more. What it was running goes on, unknown to it.
func Kill(ctx context.Context, q *Queue) {
	e, ok := q.engine.(*postgresEngine)
	if !ok {
		return // on SQLite a process that is replaced is gone
	}
	e.quit()
	<-e.done
	err := q.Store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE replicas SET seen_at = now() - interval '1 minute' WHERE id = $1`, e.replica)
		return err
	})
	if err != nil {
		panic(err)
	}
}
