package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// trust says how far a load relies on what is held.
type trust int

const (
	// trustHeld: what deliveries and earlier reads told, read anew only where something is missing or was said to have changed. It is
	// enough for yellow and red, which a later event mends.
	trustHeld trust = iota
	// trustVerified: read from GitHub in this run, or revalidated, or immutable by SHA. Only this makes a check green.
	trustVerified
)

// peopleAge is how old a permission or a team's list of members may be when a run begins, for none to be older than a minute when it makes a check
// green.
const peopleAge = time.Minute - queue.RunTimeout

// maxRounds bounds how often a policy's needs are asked for: one answer may raise another question, but not for ever.
const maxRounds = 8

// errMoved says that the pull request is not what the run was about any more. What GitHub says now is saved; the run is repeated.
var errMoved = errors.New("the pull request changed while it was looked at")

// subject is one pull request in a run.
type subject struct {
	work   store.Work
	policy *policy.Policy // nil: it cannot be read, or none governs
	facts  change.Facts
	// decision is the last one made of the facts in this run.
	decision change.Decision
	// rejections are those that commands made or withdrew in this run.
	rejections []change.Rejection
	// left is when the latest was done that the last load left out, because only a delivery told of it; see withTold and withToldChecks.
	left time.Time
	// texts are those of the policy files that were read for it.
	texts map[change.PolicyRef]string
}

func (s *subject) pull() change.Pull { return s.work.Snapshot }

// needed returns what the subject's policy was found to need by an earlier load in this run.
func (s *subject) needed() change.Needs {
	if s.policy == nil {
		return change.Needs{}
	}
	return s.policy.Needs(s.facts)
}

// decide loads what the policy needs, as far as trust says, and decides.
func (r *run) decide(ctx context.Context, s *subject, t trust) error {
	if err := r.loadAndDecide(ctx, s, t); err != nil {
		return &subjectError{s, err}
	}
	d := &s.decision
	d.Base, d.Descriptions = s.pull().Base.Name, len(s.facts.Descriptions)
	if c := s.facts.Content; c.Head == s.pull().Head.SHA {
		d.BaseTip, d.MergeBase = c.BaseTip, c.MergeBase
	}
	if s.policy == nil {
		*d = keepPeople(*d, s.work.Decision)
		return nil
	}
	for _, l := range s.facts.LabelEvents {
		if s.policy.CaresAboutLabel(l.Label) {
			d.Labels = append(d.Labels, l)
		}
	}
	return nil
}

// keepPeople carries the opinions and the declarers of the last decision over to one that looked at none: nobody has changed their mind, and
// that an objector or a declarer held a role is not to be forgotten.
func keepPeople(d change.Decision, before *change.Decision) change.Decision {
	if before != nil {
		d.Opinions, d.Declarers = before.Opinions, before.Declarers
	}
	return d
}

func (r *run) loadAndDecide(ctx context.Context, s *subject, t trust) error {
	f, err := r.basics(ctx, s, t)
	if err != nil {
		return err
	}
	earlier := s.facts
	s.facts = f
	s.facts.People, s.facts.Teams, s.facts.Users = earlier.People, earlier.Teams, earlier.Users
	if f.Content.MergeBase == s.pull().Head.SHA {
		// The base has all of it: it was merged, and the event that says so is on its way. That may have been after this run read that it is
		// open, and what a session was told once it does not ask again.
		fresh := r.Session(s.work.Repository.Installation)
		p, err := fresh.Pull(ctx, s.work.Repository, s.work.Key.Number, fresh.Began())
		if err == nil {
			err = r.accept(ctx, s, p)
		}
		if err != nil {
			return err
		}
	}
	p, problem, err := r.policyOf(ctx, s, t, f.Content.BaseTip)
	if err != nil {
		return err
	}
	s.policy = p
	switch {
	case problem != nil:
		s.decision = *problem
		return nil
	case p == nil:
		s.decision = change.Decision{Pull: s.work.Key, Head: s.pull().Head.SHA}
		return nil
	}
	recent := r.github.Began().Add(-peopleAge)
	// What cannot turn a check green may rest on what was known of people before.
	since := time.Time{}
	switch concerns := s.work.Concerns; {
	case concerns.Has(change.ConcernPeople):
		since = r.github.Began() // GitHub has said that something changed, and anything held may be from before
	case t == trustVerified, concerns.Has(change.ConcernVerify):
		since = recent
	}
	if err := r.satisfy(ctx, s, t, since, p.Needs); err != nil {
		return err
	}
	s.decision = p.Decide(s.facts)
	if since.IsZero() && s.doubtsPeople() {
		if err := r.satisfy(ctx, s, t, recent, p.Needs); err != nil {
			return err
		}
		s.decision = p.Decide(s.facts)
	}
	return nil
}

// doubtsPeople says whether something that was done since the last decision may count for less than it should, because what is held
// of people is from before they got a role: a review by someone without one, or a label of consequence.
func (s *subject) doubtsPeople() bool {
	known := map[int64]bool{}
	if before := s.work.Decision; before != nil {
		for _, o := range before.Opinions {
			known[o.Review] = true
		}
	}
	news := func(o change.Opinion) bool { return !known[o.Review] && !o.Held && !o.By.IsBot() }
	return slices.ContainsFunc(s.decision.Opinions, news) || len(newLabels(s.work.Decision, s.decision)) > 0
}

// basics gathers what every policy looks at.
func (r *run) basics(ctx context.Context, s *subject, t trust) (change.Facts, error) {
	w := &s.work
	began := r.github.Began()
	since := func(c change.Concern) time.Time {
		if t == trustVerified || w.Concerns.Has(c) || w.Concerns.Has(change.ConcernVerify) {
			return began
		}
		return time.Time{}
	}
	f := change.Facts{Now: r.github.Now(), Repository: w.Repository}

	if w.Snapshot.State == "" || t == trustHeld && (w.Unsure || w.Concerns.Has(change.ConcernVerify)) {
		if err := r.readPull(ctx, s); err != nil {
			return f, err
		}
	}

	if err := r.learnPushes(ctx, s); err != nil {
		return f, err
	}

	merged := s.mergedAs()
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if merged != nil {
			f.Content, err = r.github.ContentAt(gctx, w.Repository, w.Snapshot, merged.BaseTip)
		} else {
			f.Content, err = r.github.Content(gctx, w.Repository, w.Snapshot, since(change.ConcernContent))
		}
		return err
	})
	if base := w.Snapshot.Base; t == trustHeld && base.SHA != "" && !r.holdsTip(w.Repository, base.Name) {
		// The base that GitHub noted is most often still its tip, so its policy is read beside the tip and the comparison. If it is
		// not, the tip's is read after.
		group.Go(func() error {
			_, err := r.github.PolicyFile(gctx, w.Repository, base.SHA, change.PolicyPath)
			var missing *github.NotFound
			if errors.As(err, &missing) {
				return nil
			}
			return err
		})
	}
	group.Go(func() error {
		// Read beside the others; the session answers when the policy is made of it.
		_, err := r.ownerPolicy(gctx, s, t)
		return err
	})
	var timeline github.Timeline
	// Deliveries tell all there was to a pull request whose life is known from its opening, unless one is known to have been lost, or they
	// leave open in which order labels came and went. Of any other GitHub tells it.
	complete := w.PushesKnown && !w.Untold
	toldAll := complete && t == trustHeld && !w.Concerns.Has(change.ConcernVerify) && inOrder(w.LabelEvents)
	if !toldAll {
		group.Go(func() (err error) {
			timeline, err = r.github.Timeline(gctx, w.Repository, w.Key.Number, since(change.ConcernTimeline))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return f, err
	}
	if complete && !toldAll && lacks(w, timeline, f.Now) {
		// Were it not noted, the next decision on what deliveries told would forget what this one found.
		if err := r.Store.SaveUntold(ctx, w.Key); err != nil {
			return f, err
		}
		w.Untold = true
	}

	f.Pull = w.Snapshot
	brought, known, err := r.learnOrigin(ctx, s, f.Content)
	if err != nil {
		return f, err
	}
	f.Pushes, f.PushesKnown = slices.Concat(brought, w.Pushes), w.PushesKnown && known
	if toldAll {
		f.Reviews, f.LabelEvents = foldReviews(w.Reviews), w.LabelEvents
	} else {
		f.Reviews, f.LabelEvents, s.left = withTold(timeline, w.Reviews, w.LabelEvents, t, f.Now)
	}
	if merged != nil {
		f.Declared = merged.Declaration
	}
	if w.Decision != nil {
		f.Declarers = w.Decision.Declarers
	}
	f.Rejections = w.Rejections
	if f.Debts, err = r.debtsOfSetters(ctx, w.Repository, f.LabelEvents); err != nil {
		return f, err
	}
	recall(&f, w, timeline.Retargeted)
	rememberHeld(f.Reviews, w.Decision)
	f.Checks, f.ChecksKnown = withWorkflows(change.LatestRuns(w.Checks)), !w.ChecksReadAt.IsZero() && since(change.ConcernVerify).IsZero()
	return f, nil
}

// debtsOfSetters returns what those owe who set a label, because whoever owes something overdue cannot declare an emergency.
func (r *run) debtsOfSetters(ctx context.Context, repo change.Repository, events []change.LabelEvent) ([]change.Debt, error) {
	var setters []change.AccountID
	for _, e := range events {
		if e.Added && e.By.Known() && !slices.Contains(setters, e.By.ID) {
			setters = append(setters, e.By.ID)
		}
	}
	if len(setters) == 0 {
		return nil, nil
	}
	return r.Store.Debts(ctx, repo.Installation, setters)
}

// readAhead reads what a verified decision will ask for, beside what else is read before it; the session answers from then on.
func (r *run) readAhead(ctx context.Context, s *subject) error {
	w, began := &s.work, r.github.Began()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := r.github.Content(ctx, w.Repository, w.Snapshot, began)
		return err
	})
	group.Go(func() error {
		_, err := r.github.Timeline(ctx, w.Repository, w.Key.Number, began)
		return err
	})
	group.Go(func() error {
		_, err := r.ownerPolicy(ctx, s, trustVerified)
		return err
	})
	if need := s.needed(); need.Checks {
		group.Go(func() error {
			_, _, err := r.github.Checks(ctx, w.Repository, w.Snapshot.Head.SHA, need.Workflows, began)
			return err
		})
	}
	return group.Wait()
}

// withWorkflows tells, in place, the workflow of the checks that deliveries brought, which do not say it, from others of the same suite.
func withWorkflows(checks []change.Check) []change.Check {
	workflow := map[int64]string{}
	for _, c := range checks {
		if c.Workflow != "" {
			workflow[c.Suite] = c.Workflow
		}
	}
	for i := range checks {
		checks[i].Workflow = cmp.Or(checks[i].Workflow, workflow[checks[i].Suite])
	}
	return checks
}

// lacksWorkflow says whether it is not known of some check which workflow posted it.
func lacksWorkflow(checks []change.Check) bool {
	return slices.ContainsFunc(checks, func(c change.Check) bool { return c.App == "github-actions" && c.Workflow == "" })
}

func (r *run) holdsTip(repo change.Repository, branch string) bool {
	_, held := r.github.HeldTip(repo, branch)
	return held
}

// readPull reads a pull request that no delivery described.
func (r *run) readPull(ctx context.Context, s *subject) error {
	p, err := r.github.Pull(ctx, s.work.Repository, s.work.Key.Number, r.github.Began())
	if err != nil {
		return err
	}
	return r.accept(ctx, s, p)
}

// accept keeps a pull request as GitHub described it in this run. It returns errMoved if that is another head or base than the run
// was about.
func (r *run) accept(ctx context.Context, s *subject, p change.Pull) error {
	before := s.work.Snapshot
	saved, err := r.Store.SavePull(ctx, s.work.Key, p)
	if err != nil {
		return err
	}
	s.work.Snapshot = saved
	switch {
	case before.State == "":
		// Its pushes and checks were looked up for no head.
		s.work, err = r.Store.Begin(ctx, s.work.Key)
		return err
	case saved.Head.SHA != before.Head.SHA || saved.Base.Name != before.Base.Name || saved.State != before.State:
		return errMoved
	}
	return nil
}

// satisfy reads what needs says beyond the basics until that is nothing new. What it says of people was read from GitHub after recent, or
// at any time if that is zero. What an earlier load in this run knew of people says where to begin: with nothing known, every question
// looks as if it mattered.
func (r *run) satisfy(ctx context.Context, s *subject, t trust, recent time.Time, needs func(change.Facts) change.Needs) error {
	f := &s.facts
	need := needs(*f)
	f.People, f.Teams, f.Users = map[change.AccountID]change.Person{}, map[string]change.Team{}, map[string]change.Account{}
	trees := map[change.SHA]bool{}
	checksRead := false
	for round := range maxRounds {
		if round > 0 {
			need = needs(*f)
		}
		var mu sync.Mutex // guards f below
		group, gctx := errgroup.WithContext(ctx)
		// All questions are collected before any is asked: collecting them reads f, and answers write to it.
		var reads []func() error
		ask := func(read func() error) { reads = append(reads, read) }

		for _, a := range need.People {
			if _, ok := f.People[a.ID]; ok {
				continue
			}
			ask(func() error {
				person, err := r.github.Permission(gctx, f.Repository, a, recent)
				mu.Lock()
				defer mu.Unlock()
				f.People[a.ID] = person
				return err
			})
		}
		lookFor := map[string][]change.Account{}
		for _, m := range need.Members {
			if team, ok := f.Teams[m.Team]; ok && !slices.Contains(team.Absent, m.Account.ID) && !team.Has(m.Account.ID) {
				lookFor[m.Team] = append(lookFor[m.Team], m.Account)
			}
		}
		for _, slug := range need.Teams {
			if _, ok := f.Teams[slug]; !ok {
				lookFor[slug] = nil
			}
		}
		for _, slug := range slices.Sorted(maps.Keys(lookFor)) {
			ask(func() error {
				team, err := r.team(gctx, f.Repository, slug, lookFor[slug], recent)
				mu.Lock()
				defer mu.Unlock()
				f.Teams[slug] = team
				return err
			})
		}
		for _, login := range need.Users {
			key := strings.ToLower(login)
			if _, ok := f.Users[key]; ok {
				continue
			}
			ask(func() error {
				account, err := r.resolve(gctx, login)
				mu.Lock()
				defer mu.Unlock()
				f.Users[key] = account
				return err
			})
		}
		if need.Checks && !checksRead && (t == trustVerified || !f.ChecksKnown || need.Workflows && lacksWorkflow(f.Checks)) {
			checksRead = true
			ask(func() error { return r.readChecks(gctx, s, t, need.Workflows, &mu) })
		}
		files := f.Content.Files // as they are before anything is asked
		if head := f.Content.Head; need.Modes && !trees[head] {
			trees[head] = true
			ask(func() error {
				return r.readTree(gctx, f, &mu, head, files, pathAtHead, func(c *change.File, e github.TreeEntry) { c.Mode = e.Mode })
			})
		}
		if base := f.Content.MergeBase; need.Blobs && !trees[base] {
			trees[base] = true
			ask(func() error {
				return r.readTree(gctx, f, &mu, base, files, pathBefore, func(c *change.File, e github.TreeEntry) { c.PreviousBlob = e.Blob })
			})
		}
		for _, v := range need.Seen {
			if _, ok := f.SeenIn(v); !ok {
				ask(func() error { return r.readSeen(gctx, s, v, &mu) })
			}
		}
		for _, l := range need.Trees {
			if lacksEntries(f, l) {
				ask(func() error { return r.readEntries(gctx, f, l, &mu) })
			}
		}
		for _, read := range reads {
			group.Go(read)
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if len(reads) == 0 && round > 0 {
			return nil
		}
	}
	return fmt.Errorf("the policy asks for ever more facts: its needs did not end after %d rounds", maxRounds)
}

// readChecks reads the checks on the head, and keeps them.
func (r *run) readChecks(ctx context.Context, s *subject, t trust, workflows bool, mu *sync.Mutex) error {
	f, began := &s.facts, r.github.Began()
	head := f.Pull.Head.SHA
	listed, ours, err := r.github.Checks(ctx, f.Repository, head, workflows, began)
	if err != nil {
		return err
	}
	told, err := r.Store.SaveChecks(ctx, f.Repository.ID, head, listed, began, began.Add(-longestLag))
	if err != nil {
		return err
	}
	checks, left := withToldChecks(listed, told, t)
	mu.Lock()
	defer mu.Unlock()
	f.Checks, f.ChecksKnown = checks, true
	r.seen[head] = ours
	if left.After(s.left) {
		s.left = left
	}
	return nil
}

// resolve returns the account behind a login that a policy names, as it was first resolved. A name that nobody has, or that someone
// else has by now, is nobody.
func (r *run) resolve(ctx context.Context, login string) (change.Account, error) {
	account, err := r.github.User(ctx, login, r.github.Began().Add(-peopleAge))
	var missing *github.NotFound
	if errors.As(err, &missing) {
		return change.Account{}, nil
	}
	if err != nil {
		return change.Account{}, err
	}
	first, err := r.Identities.RememberIdentity(ctx, "user", "", strings.ToLower(login), int64(account.ID))
	if err != nil {
		return change.Account{}, err
	}
	if first != int64(account.ID) {
		return change.Account{}, nil
	}
	return account, nil
}

// team reads a team that a policy names. One that is another than when it was first seen by this name cannot be read: whoever may make
// teams must not step into the place of a team that was renamed or deleted. What was first seen is forgotten with the installation.
func (r *run) team(ctx context.Context, repo change.Repository, slug string, lookFor []change.Account, since time.Time) (change.Team, error) {
	team, err := r.github.Team(ctx, repo, slug, lookFor, since)
	if err != nil || team.Missing || team.Problem != "" {
		return team, err
	}
	scope := strconv.FormatInt(int64(repo.Installation), 10)
	first, err := r.Identities.RememberIdentity(ctx, "team", scope, strings.ToLower(slug), int64(team.ID))
	if err != nil {
		return change.Team{}, err
	}
	if first != int64(team.ID) {
		return change.Team{ID: team.ID, Slug: slug, ReadAt: team.ReadAt, Replaced: true, Problem: "it is another team than the one first seen by this name"}, nil
	}
	return team, nil
}

// readTree reads what a commit's tree holds of some of the changed files and has set note it. Path is a file's path there; empty: it is
// not asked for.
func (r *run) readTree(
	ctx context.Context, f *change.Facts, mu *sync.Mutex, commit change.SHA, files []change.File,
	path func(change.File) string, set func(*change.File, github.TreeEntry),
) error {
	var paths []string
	for _, file := range files {
		if p := path(file); p != "" {
			paths = append(paths, p)
		}
	}
	entries, _, err := r.github.Tree(ctx, f.Repository, commit, paths)
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	// The files belong to an answer that others hold too.
	f.Content.Files = slices.Clone(f.Content.Files)
	for i := range f.Content.Files {
		if p := path(f.Content.Files[i]); p != "" {
			set(&f.Content.Files[i], entries[p])
		}
	}
	return nil
}

// pathAtHead is where a changed file is at the head; empty if it was removed.
func pathAtHead(f change.File) string {
	if f.Status == change.FileRemoved {
		return ""
	}
	return f.Path
}

// pathBefore is where a changed file without a patch was before; empty if its content there is of no interest.
func pathBefore(f change.File) string {
	if f.Patch != "" || f.Status == change.FileAdded {
		return ""
	}
	return cmp.Or(f.PreviousPath, f.Path)
}

// foldReviews makes one review of a review and its dismissal, which deliveries tell as two.
func foldReviews(told []change.Review) []change.Review {
	var reviews []change.Review
	at := map[int64]int{}
	for _, review := range told {
		i, ok := at[review.ID]
		if !ok {
			at[review.ID] = len(reviews)
			reviews = append(reviews, review)
			continue
		}
		first := reviews[i]
		if first.State.Is(change.Dismissed) {
			continue // told in another order: nothing follows a dismissal
		}
		if review.State.Is(change.Dismissed) {
			review.Was, review.At, review.SHA, review.By = first.State, first.At, first.SHA, first.By
		}
		reviews[i] = review
	}
	slices.SortStableFunc(reviews, func(a, b change.Review) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return reviews
}

// inOrder says whether it is known in which order label events came: GitHub's times are to the second, and deliveries come in any order.
func inOrder(events []change.LabelEvent) bool {
	for i, e := range events {
		for _, later := range events[i+1:] {
			if later.At.Sub(e.At) >= time.Second {
				break
			}
			if change.SameLabel(later.Label, e.Label) {
				return false
			}
		}
	}
	return true
}

// underWay is how long a delivery may take to arrive.
const underWay = time.Minute

// lacks says whether GitHub lists a review, a dismissal or a label event of which no delivery told that would have arrived by now.
func lacks(w *store.Work, listed github.Timeline, now time.Time) bool {
	type opinion struct {
		id        int64
		dismissed bool
	}
	of := func(r change.Review) opinion { return opinion{r.ID, r.State.Is(change.Dismissed)} }
	due := now.Add(-underWay)
	told := map[opinion]bool{}
	for _, r := range w.Reviews {
		told[of(r)] = true
	}
	for _, r := range listed.Reviews {
		if r.At.Before(due) && r.DismissedAt.Before(due) && !told[of(r)] {
			return true
		}
	}
	for _, l := range withHeads(listed.Labels, w.LabelEvents) {
		if l.At.Before(due) && l.Head == "" {
			return true
		}
	}
	return false
}

// rememberHeld marks the reviews whose author was seen to hold a role while they stood.
func rememberHeld(reviews []change.Review, before *change.Decision) {
	if before == nil {
		return
	}
	for _, o := range before.Opinions {
		if !o.Held {
			continue
		}
		for i := range reviews {
			if reviews[i].ID == o.Review {
				reviews[i].Held = true
			}
		}
	}
}

// sameEvent is how far GitHub's time of an event and the time in the delivery that told of it may be apart.
const sameEvent = time.Minute

// withHeads gives each label event that GitHub lists the head that the label saw, which only the signed delivery of that event knows.
// An event without a delivery keeps none, and so declares nothing.
func withHeads(listed, told []change.LabelEvent) []change.LabelEvent {
	same := sameLabelEvents(listed, told)
	listed = slices.Clone(listed)
	for i := range listed {
		if j := same[i]; j >= 0 {
			listed[i].Head, listed[i].Into, listed[i].Base = told[j].Head, told[j].Into, told[j].Base
		}
	}
	return listed
}

// sameLabelEvents returns for each label event that GitHub lists the index of the one that a delivery told of it; -1 for none.
func sameLabelEvents(listed, told []change.LabelEvent) []int {
	same := make([]int, len(listed))
	used := make([]bool, len(told))
	for i, l := range slices.Backward(listed) {
		best := -1
		for j, t := range told {
			if used[j] || t.Added != l.Added || !change.SameLabel(t.Label, l.Label) || t.By.ID != l.By.ID || apart(t.At, l.At) > sameEvent {
				continue
			}
			if best < 0 || apart(t.At, l.At) < apart(told[best].At, l.At) {
				best = j
			}
		}
		if same[i] = best; best >= 0 {
			used[best] = true
		}
	}
	return same
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }
