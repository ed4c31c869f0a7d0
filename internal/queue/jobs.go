package queue

import (
	"cmp"
	"context"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// The queues: runs over pull requests wait neither for sweeps nor for errands, no errand waits for Slack, and neither timers nor what an
// owner's policy raises wait for a sweep, which may take minutes.
const (
	runQueue          = "runs"
	timerQueue        = "timers"
	sweepQueue        = "sweeps"
	errandQueue       = "errands"
	announcementQueue = "announcements"
)

// maxAttempts is for failures outside our hands: a panic in River, a database that is away. Our own use up none.
const maxAttempts = 10_000

// unfinished are the states of a job in which no other is inserted for the same subject. No state of a job that has ended may be among them: what is
// raised after it would get no job.
func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateScheduled, rivertype.JobStateRetryable,
	}
}

func once(queue string) river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: maxAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished()}}
}

// The arguments of the kinds of job are stored: a member's name or meaning never changes.

// jobArgs say themselves how their job is inserted, and whose it is.
type jobArgs interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
	owner() owner
}

// owner is whose turn a job takes: that of a repository's installation, or of an installation. One of the two is set.
type owner struct {
	repository   change.RepositoryID
	installation change.InstallationID
}

func (a reconcileArgs) owner() owner     { return owner{repository: a.Repository} }
func (a errandArgs) owner() owner        { return owner{repository: a.Repository} }
func (a recheckArgs) owner() owner       { return owner{repository: a.Repository} }
func (a errandRecheckArgs) owner() owner { return owner{repository: a.Errand.Repository} }
func (a discoverArgs) owner() owner      { return owner{repository: a.Repository} }
func (a floorArgs) owner() owner         { return owner{installation: a.Installation} }

// insertion is a job to be inserted.
type insertion struct {
	args     jobArgs
	opts     river.InsertOpts
	urgency  urgency
	patience patience // of a patient one
}

type reconcileArgs struct {
	Repository change.RepositoryID `json:"repository"`
	Number     change.Number       `json:"number"`
}

func (reconcileArgs) Kind() string                 { return "reconcile" }
func (reconcileArgs) InsertOpts() river.InsertOpts { return once(runQueue) }

type errandArgs struct {
	ErrandKind change.ErrandKind   `json:"kind"`
	Repository change.RepositoryID `json:"repository"`
	Name       string              `json:"name"`
}

func (errandArgs) Kind() string { return "errand" }
func (a errandArgs) InsertOpts() river.InsertOpts {
	if a.ErrandKind == change.ErrandAnnouncement {
		return once(announcementQueue)
	}
	return once(errandQueue)
}

type recheckArgs struct {
	Repository change.RepositoryID `json:"repository"`
	Number     change.Number       `json:"number"`
	At         int64               `json:"at"` // microseconds since 1970, by Config.Clock
}

func (recheckArgs) Kind() string                 { return "recheck" }
func (recheckArgs) InsertOpts() river.InsertOpts { return once(timerQueue) }

type errandRecheckArgs struct {
	Errand errandArgs `json:"errand"`
	At     int64      `json:"at"` // microseconds since 1970, by Config.Clock
}

func (errandRecheckArgs) Kind() string                 { return "errand-recheck" }
func (errandRecheckArgs) InsertOpts() river.InsertOpts { return once(timerQueue) }

type discoverArgs struct {
	Repository change.RepositoryID `json:"repository"`
}

func (discoverArgs) Kind() string                 { return "discover" }
func (discoverArgs) InsertOpts() river.InsertOpts { return once(sweepQueue) }

// floorArgs name the delivery besides the installation, so that a change that comes while an earlier one is acted on gets a job of its own:
// the earlier job may have raised pull requests whose runs ended before the change.
type floorArgs struct {
	Installation change.InstallationID `json:"installation"`
	Delivery     string                `json:"delivery"`
}

func (floorArgs) Kind() string                 { return "floor" }
func (floorArgs) InsertOpts() river.InsertOpts { return once(timerQueue) }

type sweepArgs struct {
	Name string `json:"name"`
}

func (sweepArgs) Kind() string                 { return "sweep" }
func (sweepArgs) InsertOpts() river.InsertOpts { return once(sweepQueue) }

// urgency says what becomes of the job of what was raised, by whether there is one already. Of one that is there for a later time and for the background,
// both columns hold.
//
//	              no job                       a job for later                        a job for the background
//	atOnce        is inserted, to run now      runs now                               becomes urgent
//	early         is inserted, to run now      runs now                               stays one
//	patient       is put off: patience.wait    runs now if later: patience.most       stays one
//	whenDue       is inserted for its time     goes on waiting                        stays one
//	inBackground  is inserted as one           goes on waiting                        stays one
//
// A job that is being run is left alone: at its end it sees what was raised.
type urgency int

const (
	atOnce       urgency = iota // somebody waits for it
	early                       // what it waited for may be over
	patient                     // more is expected to be raised soon
	whenDue                     // there need only be a job
	inBackground                // nobody waits for it
)

// insertRuns sees to it that each subject, which was raised now, has a job, and only one.
func (q *Queue) insertRuns(ctx context.Context, tx store.Tx, subjects []subject, u urgency) error {
	return q.insertRunsOf(ctx, tx, subjects, u, raisedNow(ctx).metadata())
}

// insertRunsOf is insertRuns for what was raised earlier, with the metadata of the job that it was raised for.
func (q *Queue) insertRunsOf(ctx context.Context, tx store.Tx, subjects []subject, u urgency, origin []byte) error {
	if len(subjects) == 0 {
		return nil
	}
	jobs := make([]insertion, len(subjects))
	for i, s := range subjects {
		opts := s.InsertOpts()
		opts.Metadata = origin
		jobs[i] = insertion{s, opts, u, patience{}}
	}
	_, err := q.insert(ctx, tx, jobs)
	return err
}

// insertNext inserts the job that follows a run and can be put off as p says.
func (q *Queue) insertNext(ctx context.Context, tx store.Tx, s subject, p patience) error {
	opts := s.InsertOpts()
	opts.Metadata = raisedNow(ctx).metadata()
	_, err := q.insert(ctx, tx, []insertion{{s, opts, p.urgency(), p}})
	return err
}

// inserted is a job that was inserted, or was there already.
type inserted struct {
	*rivertype.JobRow
	more bool      // there is more to be run now than there was
	due  time.Time // when it waits for nothing but a worker, or is being run; zero: that is not known, or it is a background run's
}

// insert inserts jobs, each into the lane of its owner, and returns for each the one that is there now: it, or another that was there
// already.
func (q *Queue) insert(ctx context.Context, tx store.Tx, jobs []insertion) ([]inserted, error) {
	repos := make([]change.RepositoryID, 0, len(jobs))
	for _, j := range jobs {
		if id := j.args.owner().repository; id != 0 {
			repos = append(repos, id)
		}
	}
	installations, err := q.Store.InstallationsOf(ctx, tx, repos)
	if err != nil {
		return nil, err
	}
	params := make([]river.InsertManyParams, len(jobs))
	now := time.Now() // by River's clock
	for i, j := range jobs {
		o := j.args.owner()
		switch j.urgency {
		case patient:
			j.opts.ScheduledAt = now.Add(j.patience.wait)
		case inBackground:
			j.opts.Priority = backgroundPriority
		}
		j.opts.Queue = laneOf(j.opts.Queue, cmp.Or(o.installation, installations[o.repository]))
		params[i] = river.InsertManyParams{Args: j.args, InsertOpts: &j.opts}
	}
	results, err := q.engine.insert(ctx, tx, params)
	if err != nil {
		return nil, err
	}
	list := make([]inserted, len(results))
	for i, r := range results {
		if r.UniqueSkippedAsDuplicate {
			list[i], err = q.hurry(ctx, tx, r.Job, jobs[i], now)
		} else {
			list[i], err = justInserted(ctx, tx, r.Job, jobs[i].urgency, now)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// justInserted returns a job that was not there before, and sees to it that it is taken when its time has come.
func justInserted(ctx context.Context, tx store.Tx, job *rivertype.JobRow, u urgency, now time.Time) (inserted, error) {
	switch u {
	case atOnce, early:
		return inserted{JobRow: job, more: true, due: now}, nil
	case patient:
		return inserted{JobRow: job, due: job.ScheduledAt}, beReady(ctx, tx, job)
	default:
		return inserted{JobRow: job}, nil
	}
}

// hurry returns a job that was there before, and sees to it that it is run as soon as what was raised demands; see urgency.
func (q *Queue) hurry(ctx context.Context, tx store.Tx, job *rivertype.JobRow, j insertion, now time.Time) (inserted, error) {
	there := inserted{JobRow: job}
	if j.urgency == whenDue || j.urgency == inBackground {
		return there, nil
	}
	background := isBackground(job) && job.State != rivertype.JobStateRunning
	if background && j.urgency == atOnce {
		if err := q.hasten(ctx, tx, job, now); err != nil {
			return inserted{}, err
		}
		background = false
	}
	there.due = now
	switch {
	case !waits(job, now):
	case j.urgency == patient && !job.ScheduledAt.After(now.Add(j.patience.most)):
		there.due = job.ScheduledAt
	default:
		if err := q.engine.retry(ctx, tx, job.ID); err != nil {
			return inserted{}, err
		}
		there.more = true
	}
	if background {
		there.due = time.Time{} // it waits for all that is urgent, too
	}
	return there, nil
}

// patience is how long a run can be put off; the zero value: not at all.
type patience struct {
	wait time.Duration // before a job that is inserted now is run
	most time.Duration // a job that was there already goes on waiting if it is for no longer; otherwise it is run now
}

// patienceOf returns how long the run of a pull request that waits for checks can be put off, so that one run sees what would otherwise
// take many; see store.CanWait. Until then its check run lags behind. Where many checks are left, it misses only that some more have
// passed; where few are left, or one has failed, it is put off for less.
func patienceOf(waiting map[change.PullKey]store.Awaited, key change.PullKey, most time.Duration) patience {
	some, soon := most*2/5, most*2/15
	checks, waits := waiting[key]
	switch {
	case !waits:
		return patience{}
	case checks.Failed:
		return patience{soon, soon}
	case checks.Left > 10:
		return patience{most, most}
	case checks.Left > 3, checks.Left == 0:
		return patience{some, most}
	default:
		return patience{soon, most}
	}
}

// urgency returns how urgent a job is that can be put off so long.
func (p patience) urgency() urgency {
	if p.wait > 0 {
		return patient
	}
	return atOnce
}

// beReady makes a job one that is taken as soon as its time has come: for those in the state scheduled River looks only every five seconds.
func beReady(ctx context.Context, tx store.Tx, job *rivertype.JobRow) error {
	_, err := tx.Exec(ctx, `UPDATE river_job SET state = 'available' WHERE id = $1 AND state = 'scheduled'`, job.ID)
	return err
}

// waits says whether a job is there but not run now. A run that is under way will see at its end what was raised.
func waits(job *rivertype.JobRow, now time.Time) bool {
	switch job.State {
	case rivertype.JobStateRunning:
		return false
	case rivertype.JobStateAvailable:
		return job.ScheduledAt.After(now)
	default:
		return true
	}
}

func (q *Queue) insertRecheck(ctx context.Context, tx store.Tx, s subject, at time.Time) error {
	return q.insertLater(ctx, tx, s.recheck(at), at.Sub(q.Clock()), &rivertype.JobRow{})
}

// insertLater inserts a job that is due after a delay, if there is none yet. It takes over the origin and the priority of the job that it
// follows, if that has any.
func (q *Queue) insertLater(ctx context.Context, tx store.Tx, args jobArgs, delay time.Duration, follows *rivertype.JobRow) error {
	opts := args.InsertOpts()
	opts.ScheduledAt, opts.Metadata, opts.Priority = time.Now().Add(delay), follows.Metadata, follows.Priority
	_, err := q.insert(ctx, tx, []insertion{{args, opts, whenDue, patience{}}})
	return err
}
