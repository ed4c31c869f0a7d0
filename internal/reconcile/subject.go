package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
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

// peopleAge is how old a permission or a team's list of members may be when a run begins, so that none is older than a minute when the run makes a
// check green.
const peopleAge = time.Minute - queue.RunTimeout

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
	// left is the time of the latest thing that the last load left out because only a delivery told of it, or of which GitHub does not say yet
	// which workflow did it; see withTold, withToldChecks and withoutWorkflow.
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
	d.Base = s.pull().Base.Name
	if c := s.facts.Content; c.Head == s.pull().Head.SHA {
		d.BaseTip, d.MergeBase = c.BaseTip, c.MergeBase
	}
	if s.policy == nil {
		*d = keepKnown(*d, s.work.Decision)
	}
	return nil
}

// keepKnown carries the opinions, the declarers, the labels and the rounds of the last decision over to one that looked at none: nobody has changed
// their mind, that an objector or a declarer held a role is not to be forgotten, and a label that was recorded is not new to the decision after it.
func keepKnown(d change.Decision, before *change.Decision) change.Decision {
	if before != nil {
		d.Opinions, d.Declarers, d.Labels, d.Voids = before.Opinions, before.Declarers, before.Labels, before.Voids
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
		// The base has all of it: it was merged, and the event that says so is on its way. This run may have read before the merge that it is open,
		// and its session would answer the same again: another one is asked.
		fresh := r.Session(s.work.Repository.Installation)
		p, err := fresh.Pull(ctx, s.work.Repository, s.work.Key.Number, fresh.Began())
		if err == nil {
			err = r.accept(ctx, s, p)
		}
		if err != nil {
			return err
		}
	}
	p, err := r.policyOf(ctx, s, t, f.Content.BaseTip)
	if unusable := new(unusableError); errors.As(err, &unusable) {
		s.policy, s.decision = nil, unusable.decision
		return r.tellProposed(ctx, s, t, &s.decision)
	}
	if err != nil {
		return err
	}
	if s.policy = p; p == nil {
		s.decision = change.Decision{Pull: s.work.Key, Head: s.pull().Head.SHA, Requirements: []change.Requirement{}, Matches: []change.Match{}}
		return nil
	}
	if s.facts.Unusable, err = r.unusable(ctx, s, t); err != nil {
		return err
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
	s.decide()
	if since.IsZero() && s.doubtsPeople() {
		if err := r.satisfy(ctx, s, t, recent, p.Needs); err != nil {
			return err
		}
		s.decide()
	}
	return nil
}

// doubt has the main subject's decision, which was made at a time by GitHub's clock, looked at again if GitHub did not tell what somebody may do, until
// that was asked once more a while later: not to know somebody may have been GitHub's mistake, and no event would tell. Pull requests that share the
// head have runs of their own.
func (r *run) doubt(s *subject, made time.Time) {
	if s != r.main {
		return
	}
	for _, p := range s.facts.People {
		if p.Problem == "" || !p.ReadAt.Before(made.Add(peopleAge)) {
			continue
		}
		// By then what was read is too old to be held; see satisfy.
		r.peopleAt = later(r.peopleAt, later(made, p.ReadAt).Add(peopleAge))
	}
}

// lacksPeople says whether GitHub did not tell what somebody may do.
func (s *subject) lacksPeople() bool {
	for _, p := range s.facts.People {
		if p.Problem != "" {
			return true
		}
	}
	return false
}

// decide decides on what is known, and keeps with the decision which labels of consequence there were.
func (s *subject) decide() {
	s.decision = s.policy.Decide(s.facts)
	for _, l := range s.facts.LabelEvents {
		if s.policy.CaresAboutLabel(l.Label) {
			s.decision.Labels = append(s.decision.Labels, asTold(l, s.work.LabelEvents))
		}
	}
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
