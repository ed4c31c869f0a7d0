// Package reconcile is the loop: it loads the facts of a pull request, decides, plans the difference to what is on GitHub, applies
// it, and records all of that. It is level-triggered: a run is told which pull request to look at and nothing of why, so that
// lost, doubled and reordered events end in the same state.
//
// A run is cheap until it could turn a check green. Then everything that the green would rest on is read from GitHub in that run or
// revalidated, and decided once more. What GitHub cannot answer delays the run and posts nothing.
package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

const (
	// lookAgain is how soon something is tried again that GitHub refuses to show.
	lookAgain = 10 * time.Minute
	// looksForGone is how many runs in a row must have failed, which takes some minutes, before a pull request that GitHub does not find is taken for
	// gone: a 404 may be a mistake, and nobody looks at what is gone.
	looksForGone = 8
	// tellsLacking is after how many failed runs in a row, which is some seconds, a check says which call GitHub does not answer.
	tellsLacking = 2
	// maxMoves is how often in a row a run begins anew because the pull request has moved on, before others have their turn.
	maxMoves = 3
)

// Config is what a Reconciler needs. All of it is required but DefaultText and Log.
type Config struct {
	Store      Store
	Identities Identities
	// Raise has pull requests looked at; see queue.Queue.
	Raise func(ctx context.Context, keys []change.PullKey, concerns change.Concern) error
	// Session begins a session for an installation.
	Session func(change.InstallationID) GitHub
	// Default is the policy of repositories that have none of their own.
	Default *policy.Policy
	// DefaultText is its text, for the ledger.
	DefaultText string
	// Render makes a check run's text of a decision.
	Render plan.Render
	// Holder names this process in leases.
	Holder string
	Clock  func() time.Time
	Log    zerolog.Logger
}

// Reconciler carries out runs. It is safe for many goroutines.
type Reconciler struct {
	Config
	policies *compiled
}

// New returns a Reconciler.
func New(c Config) *Reconciler { return &Reconciler{Config: c, policies: newCompiled()} }

// run is one run: the state of one Reconcile call.
type run struct {
	*Reconciler
	github GitHub
	log    zerolog.Logger
	main   *subject
	lease  store.Lease
	began  time.Time // by our clock
	// seen are our check runs that GitHub listed in this run, by head.
	seen map[change.SHA][]github.CheckRun
	// lookAt is when to look again whether GitHub shows what a delivery told, or to say that it refused to ask somebody or that it does no more, by
	// GitHub's clock; zero: no need.
	lookAt time.Time
	// unsettled is until when GitHub may still act on a write of which the answer was lost, by our clock; zero: there is none.
	unsettled time.Time
	// originAt is when to look again who brought what a pull request was opened with, by GitHub's clock; zero: no need.
	originAt time.Time
	// peopleAt is when to look again for permissions that GitHub did not tell, by GitHub's clock; zero: no need.
	peopleAt time.Time
	// outcomes has the outcome of each of the main subject's commands, in their order, once they were looked at. It is empty for a command that could
	// not be answered, and unanswered says why; and for one that was carried out and whose answer could not be posted, and unsaid says why.
	outcomes   []string
	unanswered error
	unsaid     error
}

// begin returns a run about a pull request, or about something else that is described as one.
func (rc *Reconciler) begin(ctx context.Context, work store.Work) *run {
	return &run{
		Reconciler: rc, github: rc.Session(work.Repository.Installation),
		log: rc.Log.With().Ctx(ctx).Stringer("pull", work.Key).Logger(), main: &subject{work: work}, began: rc.Clock(),
		seen: map[change.SHA][]github.CheckRun{},
	}
}

// Reconcile makes GitHub agree with what the policy says of a pull request, and of all others that share its head. An error says that
// GitHub or the App failed and not the change: the run is to be repeated. Waiting for a rate limit or for another run on the same
// head is no error but a Result with RetryAt.
func (rc *Reconciler) Reconcile(ctx context.Context, key change.PullKey) (result queue.Result, err error) {
	for range maxMoves {
		result, err = rc.runOnce(ctx, key)
		if !errors.Is(err, errMoved) {
			return result, err
		}
	}
	return queue.Result{RetryAt: rc.Clock()}, nil
}

// runOnce is one run. It returns errMoved if the pull request was found to be another than was held; what it is now is saved.
func (rc *Reconciler) runOnce(ctx context.Context, key change.PullKey) (queue.Result, error) {
	work, err := rc.Store.Begin(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return queue.Result{}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	if work.Gone {
		return queue.Result{}, nil
	}
	r := rc.begin(ctx, work)
	if err := r.describe(ctx); err != nil {
		return r.outcome(ctx, queue.Result{}, err)
	}
	result, err := r.reconcile(ctx)
	return r.outcome(ctx, result, err)
}

// describe reads what no delivery told of a repository: which installation it is in, and its default branch, without which nobody can say whether a
// branch is governed. That is no reason to take a check away.
func (r *run) describe(ctx context.Context) (err error) {
	repo := &r.main.work.Repository
	if repo.Installation == 0 {
		if repo.Installation, err = r.github.InstallationOf(ctx, *repo); err != nil {
			return err
		}
		r.github = r.Session(repo.Installation)
		if err := r.Store.SaveRepository(ctx, *repo); err != nil {
			return err
		}
	}
	if repo.DefaultBranch != "" {
		return nil
	}
	read, err := r.github.Described(ctx, *repo, r.github.Began())
	if err != nil {
		return err
	}
	*repo = read
	return r.Store.SaveRepository(ctx, read)
}

// outcome tells waiting and the end of a pull request from failures.
func (r *run) outcome(ctx context.Context, result queue.Result, err error) (queue.Result, error) {
	now := r.Clock()
	result, err = errand.Outcome(result, err, now, &r.log)
	var missing *github.NotFound
	switch {
	case errors.Is(err, errUnanswered), errors.Is(err, errNotShown):
		return queue.Result{RetryAt: now.Add(lookSoon)}, nil
	case errors.As(err, &missing):
		return queue.Result{}, r.missing(ctx, err)
	default:
		return result, err
	}
}

// missing deals with a 404 in the middle of a run. If the pull request itself is not found time and again, it is no longer ours. If it is there, it
// has most often moved on, and accept says so; if it has not, the error stands.
func (r *run) missing(ctx context.Context, cause error) error {
	s := r.main
	var about *subjectError
	if errors.As(cause, &about) {
		s = about.subject
	}
	var missing *github.NotFound
	p, err := r.github.Pull(ctx, s.work.Repository, s.work.Key.Number, r.github.Began())
	switch {
	case errors.As(err, &missing) && r.main.work.Failures < looksForGone:
		return err
	case errors.As(err, &missing):
		if err := r.Store.SaveGone(ctx, s.work.Key); err != nil || s == r.main {
			return err
		}
		return errMoved // one of those that shared the head is gone; the others are decided without it
	case err != nil:
		return err
	}
	if err := r.accept(ctx, s, p); err != nil {
		return err
	}
	return cause
}

// subjectError says which pull request of a run an error is about.
type subjectError struct {
	subject *subject
	err     error
}

func (e *subjectError) Error() string { return e.err.Error() }
func (e *subjectError) Unwrap() error { return e.err }

// reconcile carries out the run under the lease of the pull request's head: first the commands, because they change what is decided.
func (r *run) reconcile(ctx context.Context) (queue.Result, error) {
	w := &r.main.work
	if w.Snapshot.State == "" {
		if err := r.readPull(ctx, r.main); err != nil {
			return queue.Result{}, err
		}
	}
	head := w.Snapshot.Head.SHA
	lease, err := r.Store.Acquire(ctx, store.HeadLease(w.Key.Repository, head), r.holder(), errand.LeaseTime)
	if err != nil {
		return queue.Result{}, err
	}
	r.lease = lease
	// Given back even if the run was cancelled; if that fails the lease ends by itself.
	defer func() { _ = r.Store.Release(context.WithoutCancel(ctx), lease) }()

	again, err := r.commands(ctx)
	if err != nil {
		return queue.Result{}, err
	}
	if w.Snapshot.State != change.Open {
		result, err := r.closed(ctx)
		if err != nil {
			return queue.Result{}, err
		}
		return result, r.answered(ctx)
	}
	return r.open(ctx, head, again)
}

// open decides on an open pull request and on all others that share its head, and shows what that comes to. The caller holds the head's lease.
func (r *run) open(ctx context.Context, head change.SHA, again bool) (queue.Result, error) {
	w := &r.main.work
	if err := r.perhapsMerged(ctx); err != nil {
		return queue.Result{}, err
	}
	if before := w.Decision; before != nil && before.Head != head {
		if err := r.raiseLeft(ctx, before.Head); err != nil {
			return queue.Result{}, err
		}
	}
	if err := r.withdrawOld(ctx, head); err != nil {
		return queue.Result{}, err
	}
	if err := r.takeBack(ctx, head); err != nil {
		return queue.Result{}, err
	}
	subjects, err := r.decideHead(ctx, head)
	if d, ok := undecidable(err, w.Key, head); ok {
		r.log.Warn().Err(err).Msg("what a decision needs cannot be read")
		d.Base, d.RecheckAt = w.Snapshot.Base.Name, r.github.Now().Add(lookAgain)
		r.main.decision, subjects, err = keepKnown(d, w.Decision), []*subject{r.main}, nil
	}
	if err != nil {
		if tellErr := r.tellLacking(ctx, head, err, again); tellErr != nil {
			return queue.Result{}, tellErr
		}
		return queue.Result{}, err
	}
	if r.unanswered != nil && strictest(subjects).Verdict == change.Satisfied {
		return queue.Result{}, r.unanswered // it may be a rejection
	}
	result, err := r.show(ctx, head, subjects, again)
	if err != nil {
		return queue.Result{}, err
	}
	return r.soon(result), r.answered(ctx)
}

// soon has the run repeated when it can be found out what became of writes whose answers were lost, who pushed, and what people may do.
func (r *run) soon(result queue.Result) queue.Result {
	for _, at := range [...]time.Time{r.unsettled, r.wakeAt(r.originAt), r.wakeAt(r.peopleAt)} {
		result.RecheckAt = sooner(result.RecheckAt, at)
	}
	return result
}

// perhapsMerged reads a green pull request whose base was pushed to. Most likely the push is its own merge, and the event that says so comes later.
// Compared with the new base nothing would be left of the change, and the decision that it was merged by has to stay as evidence.
func (r *run) perhapsMerged(ctx context.Context) error {
	w := &r.main.work
	if !w.Concerns.Has(change.ConcernContent) || w.Concerns&(change.ConcernPull|change.ConcernVerify) != 0 {
		return nil
	}
	posted, err := r.Store.CheckRun(ctx, w.Key.Repository, w.Snapshot.Head.SHA)
	if err != nil || posted == nil || !posted.IsGreen() {
		return err
	}
	return r.readPull(ctx, r.main)
}

// holder names this run in leases: two runs of one process are two holders.
func (r *run) holder() string { return r.Holder + " " + r.main.work.Key.String() }
