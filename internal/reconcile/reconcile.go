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
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

const (
	// leaseTime is how long a run may write to a head SHA: as long as the queue lets a run last, and a little more.
	leaseTime = 30 * time.Second
	// heldElsewhere is how soon a run is tried again that found another at work on its head SHA.
	heldElsewhere = 200 * time.Millisecond
	// maxMoves is how often in a row a run begins anew because the pull request has moved on, before others have their turn.
	maxMoves = 3
)

// Config is what a Reconciler needs. All of it is required but Log.
type Config struct {
	Store      Store
	Identities Identities
	// GitHub begins a session for an installation.
	GitHub func(change.InstallationID) GitHub
	// Default is the policy of repositories that have none of their own.
	Default *policy.Policy
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
	github     GitHub
	store      Store
	identities Identities
	fallback   *policy.Policy
	log        zerolog.Logger
	main       *subject
	lease      store.Lease
	// seen are our check runs that GitHub listed in this run, by head.
	seen map[change.SHA][]github.CheckRun
}

// Reconcile makes GitHub agree with what the policy says of a pull request, and of all others that share its head. An error says that
// GitHub or the App failed and not the change: the run is to be repeated. Waiting for a rate limit or for another run on the same
// head is no error but a Result with RetryAt.
func (rc *Reconciler) Reconcile(ctx context.Context, key change.PullKey) (result queue.Result, err error) {
	for range maxMoves {
		result, err = rc.once(ctx, key)
		if !errors.Is(err, errMoved) {
			return result, err
		}
	}
	return queue.Result{RetryAt: rc.Clock()}, nil
}

// once is one run. It returns errMoved if the pull request was found to be another than was held; what it is now is saved.
func (rc *Reconciler) once(ctx context.Context, key change.PullKey) (queue.Result, error) {
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
	r := &run{
		Reconciler: rc, github: rc.GitHub(work.Repository.Installation), store: rc.Store, identities: rc.Identities, fallback: rc.Default,
		log: rc.Log.With().Stringer("pull", key).Logger(), main: &subject{work: work}, seen: map[change.SHA][]github.CheckRun{},
	}
	result, err := r.reconcile(ctx)
	return r.outcome(ctx, result, err)
}

// outcome tells waiting and the end of a pull request from failures.
func (r *run) outcome(ctx context.Context, result queue.Result, err error) (queue.Result, error) {
	now := r.Clock()
	var missing *github.NotFound
	var limited *github.RateLimited
	switch {
	case errors.Is(err, store.ErrHeld), errors.Is(err, store.ErrFenced):
		return queue.Result{RetryAt: now.Add(heldElsewhere)}, nil
	case errors.As(err, &limited):
		return queue.Result{RetryAt: github.RetryAt(err, now)}, nil
	case errors.As(err, &missing):
		return queue.Result{}, r.missing(ctx, err)
	default:
		return result, err
	}
}

// missing deals with a 404 in the middle of a run. If the pull request itself is not there any more it is no longer ours; if it is,
// the error stands.
func (r *run) missing(ctx context.Context, cause error) error {
	var missing *github.NotFound
	_, err := r.github.Pull(ctx, r.main.work.Repository, r.main.work.Key.Number, r.github.Began())
	switch {
	case errors.As(err, &missing):
		return r.store.SaveGone(ctx, r.main.work.Key)
	case err != nil:
		return err
	default:
		return cause
	}
}

func (r *run) reconcile(ctx context.Context) (queue.Result, error) {
	w := &r.main.work
	if w.Snapshot.State == "" {
		if err := r.readPull(ctx, r.main); err != nil {
			return queue.Result{}, err
		}
	}
	head := w.Snapshot.Head.SHA
	lease, err := r.store.Acquire(ctx, store.HeadLease(w.Key.Repository, head), r.holder(), leaseTime)
	if err != nil {
		return queue.Result{}, err
	}
	r.lease = lease
	// Given back even if the run was cancelled; if that fails the lease ends by itself.
	defer func() { _ = r.store.Release(context.WithoutCancel(ctx), lease) }()

	if w.Snapshot.State != change.Open {
		return queue.Result{}, r.closed(ctx)
	}
	again, err := r.commands(ctx)
	if err != nil {
		return queue.Result{}, err
	}
	if err := r.perhapsMerged(ctx); err != nil {
		return queue.Result{}, err
	}
	subjects, err := r.decideHead(ctx, head)
	if d, ok := undecidable(err, w.Key, head); ok {
		r.log.Warn().Err(err).Msg("what a decision needs cannot be read")
		r.main.decision, subjects, err = d, []*subject{r.main}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	result, err := r.show(ctx, head, subjects, again)
	if err != nil {
		return queue.Result{}, err
	}
	if err := r.answered(ctx); err != nil {
		return queue.Result{}, err
	}
	return result, r.withdrawOld(ctx, head)
}

// perhapsMerged reads a green pull request whose base was pushed to: most likely the push is its own merge, of which GitHub tells
// in another event that may come later. Compared with such a base nothing would be left of the change, and what was decided of it
// is to stay as evidence.
func (r *run) perhapsMerged(ctx context.Context) error {
	w := &r.main.work
	if !w.Concerns.Has(change.ConcernContent) || w.Concerns&(change.ConcernPull|change.ConcernVerify) != 0 {
		return nil
	}
	posted, err := r.store.CheckRun(ctx, w.Key.Repository, w.Snapshot.Head.SHA)
	if err != nil || posted == nil || !posted.IsGreen() {
		return err
	}
	return r.readPull(ctx, r.main)
}

// holder names this run in leases: two runs of one process are two holders.
func (r *run) holder() string { return r.Holder + " " + r.main.work.Key.String() }

// decideHead decides every open pull request that has the head, because a check on a SHA speaks for all of them. The main subject comes
// first.
func (r *run) decideHead(ctx context.Context, head change.SHA) ([]*subject, error) {
	w := &r.main.work
	known, err := r.store.PullsWithHead(ctx, w.Key.Repository, head)
	if err != nil {
		return nil, err
	}
	subjects := []*subject{r.main}
	for _, p := range known {
		if p.Key == w.Key {
			continue
		}
		sibling, err := r.store.Begin(ctx, p.Key)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, &subject{work: sibling})
	}
	for _, s := range subjects {
		if err := r.decide(ctx, s, held); err != nil {
			return nil, err
		}
	}
	if green, err := r.mustVerify(ctx, head, subjects); err != nil || !green {
		return subjects, err
	}
	return r.verify(ctx, head, subjects)
}

// mustVerify says whether what is held would turn the head's check green. A check that is green already and stays so is verified when
// a sweep or a person asks, and not at each event that cannot change it.
func (r *run) mustVerify(ctx context.Context, head change.SHA, subjects []*subject) (bool, error) {
	if verdict := strictest(subjects); verdict.Verdict != change.Satisfied {
		return false, nil
	}
	if r.main.work.Concerns.Has(change.ConcernVerify) {
		return true, nil
	}
	posted, err := r.store.CheckRun(ctx, r.main.work.Key.Repository, head)
	if err != nil {
		return false, err
	}
	green := posted != nil && posted.IsGreen()
	for _, s := range subjects {
		before := s.work.Decision
		green = green && before != nil && before.Head == head && before.Verdict == change.Satisfied && before.Policy == s.decision.Policy &&
			before.Category == s.decision.Category
	}
	return !green, nil
}

// verify decides everything once more on facts that were read in this run, the pull requests that GitHub knows of on this head among
// them.
func (r *run) verify(ctx context.Context, head change.SHA, subjects []*subject) ([]*subject, error) {
	repo := r.main.work.Repository
	var listed []change.Pull
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		listed, err = r.github.PullsWithHead(gctx, repo, head, r.github.Began())
		return err
	})
	for _, s := range subjects {
		group.Go(func() error { return r.readAhead(gctx, s) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, s := range subjects {
		i := slices.IndexFunc(listed, func(p change.Pull) bool { return p.Number == s.work.Key.Number })
		if i < 0 {
			// Not listed: from a fork, or no longer so.
			if err := r.readPull(ctx, s); err != nil {
				return nil, err
			}
			continue
		}
		if err := r.accept(ctx, s, listed[i]); err != nil {
			return nil, err
		}
		listed = slices.Delete(listed, i, i+1)
	}
	for _, p := range listed {
		// No delivery told of it.
		key := change.PullKey{Repository: repo.ID, Number: p.Number}
		if _, err := r.store.SavePull(ctx, key, p); err != nil {
			return nil, err
		}
		work, err := r.store.Begin(ctx, key)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, &subject{work: work})
	}
	for _, s := range subjects {
		if err := r.decide(ctx, s, verified); err != nil {
			return nil, err
		}
	}
	return subjects, nil
}

// strictest returns the decision that the head's check shows.
func strictest(subjects []*subject) change.Decision {
	var governed []change.Decision
	for _, s := range subjects {
		if s.decision.Governed {
			governed = append(governed, s.decision)
		}
	}
	if len(governed) == 0 {
		return change.Decision{Pull: subjects[0].decision.Pull, Head: subjects[0].decision.Head}
	}
	return policy.Strictest(governed)
}

// show makes the head's check and the requested reviews agree with the decisions, and records them.
func (r *run) show(ctx context.Context, head change.SHA, subjects []*subject, again bool) (queue.Result, error) {
	d := strictest(subjects)
	posted, err := r.posted(ctx, head)
	if err != nil {
		return queue.Result{}, err
	}
	if !d.Governed {
		// Nothing is posted for a branch without a policy; a green of an earlier base is taken back.
		return queue.Result{}, r.apply(ctx, plan.Withdrawn(r.main.work.Key, head, posted))
	}
	for _, s := range subjects {
		if err := r.record(ctx, s); err != nil {
			return queue.Result{}, err
		}
	}
	asks := map[change.PullKey][]change.Ask{}
	done := map[string]bool{}
	for _, s := range subjects {
		if len(s.decision.Asks) == 0 {
			continue
		}
		asks[s.work.Key] = s.decision.Asks
		effects, err := r.store.EffectsOf(ctx, s.work.Key)
		if err != nil {
			return queue.Result{}, err
		}
		for _, e := range effects {
			if e.State != store.EffectIntended {
				done[e.Key] = true
			}
		}
	}
	effects := plan.Decided(d, asks, plan.Present{Run: posted, Done: done, Again: again, Now: r.github.Now()}, r.Render)
	if err := r.apply(ctx, effects); err != nil {
		return queue.Result{}, err
	}
	return r.recheck(ctx, d, head)
}

// recheck returns when time alone calls for another run: at an edge that the decision names, or to refresh a check run before GitHub
// calls it stale.
func (r *run) recheck(ctx context.Context, d change.Decision, head change.SHA) (queue.Result, error) {
	result := queue.Result{RecheckAt: d.RecheckAt}
	posted, err := r.store.CheckRun(ctx, d.Pull.Repository, head)
	if err != nil || posted == nil {
		return result, err
	}
	if at := plan.RefreshAt(posted.Posted); !at.IsZero() && (result.RecheckAt.IsZero() || at.Before(result.RecheckAt)) {
		result.RecheckAt = at
	}
	return result, nil
}

// record saves the decision on a pull request if it changed, with the evidence of what changed.
func (r *run) record(ctx context.Context, s *subject) error {
	d, before := s.decision, s.work.Decision
	if !d.Governed {
		return nil
	}
	digest := plan.Digest(d)
	if before != nil && digest == s.work.Digest && before.State == "" {
		return nil
	}
	r.log.Info().Str("head", string(d.Head)).Stringer("category", d.Category).Stringer("verdict", d.Verdict).Msg("decision changed")
	return r.store.SaveDecision(ctx, d, digest, evidence(before, d, s.newLabels())...)
}

// newLabels returns the label events of consequence since the last decision.
func (s *subject) newLabels() []change.LabelEvent {
	if s.policy == nil {
		return nil
	}
	var events []change.LabelEvent
	for _, l := range s.facts.LabelEvents {
		if s.policy.CaresAboutLabel(l.Label) && (s.work.Decision == nil || l.At.After(s.work.DecidedAt)) {
			events = append(events, l)
		}
	}
	return events
}

// closed records how a pull request ended. A green on the head of one that was closed without a merge is taken back; on a merged one
// it stays, as evidence of what was decided.
func (r *run) closed(ctx context.Context) error {
	w := &r.main.work
	head := w.Snapshot.Head.SHA
	if w.Snapshot.State == change.Closed {
		others, err := r.store.PullsWithHead(ctx, w.Key.Repository, head)
		if err != nil {
			return err
		}
		if len(others) == 0 {
			posted, err := r.posted(ctx, head)
			if err != nil {
				return err
			}
			if err := r.apply(ctx, plan.Withdrawn(w.Key, head, posted)); err != nil {
				return err
			}
		}
	}
	if w.Decision == nil || w.Decision.State == w.Snapshot.State {
		return nil
	}
	d := *w.Decision
	d.State = w.Snapshot.State
	return r.store.SaveDecision(ctx, d, w.Digest, ended(w.Snapshot, d))
}

// withdrawOld takes back the greens of this pull request's earlier heads that are no open pull request's head any more.
func (r *run) withdrawOld(ctx context.Context, head change.SHA) error {
	key := r.main.work.Key
	runs, err := r.store.CheckRunsOf(ctx, key)
	if err != nil {
		return err
	}
	for _, old := range runs {
		if old.Head == head || !old.IsGreen() {
			continue
		}
		if err := r.withdraw(ctx, old); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) withdraw(ctx context.Context, old store.CheckRun) error {
	key := r.main.work.Key
	holders, err := r.store.PullsWithHead(ctx, key.Repository, old.Head)
	if err != nil || len(holders) > 0 {
		return err
	}
	lease, err := r.store.Acquire(ctx, store.HeadLease(key.Repository, old.Head), r.holder(), leaseTime)
	if err != nil {
		return err
	}
	defer func() { _ = r.store.Release(context.WithoutCancel(ctx), lease) }()
	mine := r.lease
	r.lease = lease
	defer func() { r.lease = mine }()
	posted := asPosted(&old)
	if err := r.apply(ctx, plan.Withdrawn(key, old.Head, posted)); err != nil {
		return fmt.Errorf("taking back the green of %s: %w", old.Head.Short(), err)
	}
	return nil
}

func ended(p change.Pull, d change.Decision) ledger.Draft {
	return ledger.Draft{Kind: ledger.PullEnded, Subject: subjectOf(d.Pull, p.Head.SHA), Body: endedBody{
		State: p.State, MergedBy: p.MergedBy, MergedAt: p.MergedAt, MergeCommit: p.MergeCommit, Base: p.Base.Name,
		Category: d.Category, Verdict: d.Verdict, DecidedHead: d.Head,
	}}
}
