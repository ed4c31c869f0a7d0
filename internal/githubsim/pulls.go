package githubsim

import (
	"slices"
	"strings"
	"time"
)

type pull struct {
	id              int64
	draft           bool
	base, baseSHA   string
	headRepo        *repository // nil once it is gone
	headOwner       *account
	headRef, head   string
	merged          bool
	mergedAt        time.Time
	mergedBy        *account
	mergeCommit     string
	landed          []*commit // what merging put on the base
	reviews         []*review
	reviewers       []*account
	teams           []*team
	mergeBase       string
	diff            *diff
	commits         []*commit
	headMoved       bool // the head branch was force-pushed or deleted while the pull request was closed
	maintainersPush bool
}

type review struct {
	id     int64
	author *account
	state  string
	body   string
	sha    string
	at     time.Time
}

// syncContent computes what the pull request would change. The merge base is that with the base as it was at the last push,
// because GitHub does not follow the base branch either.
func (s *Sim) syncContent(i *issue) error {
	p, st := i.pull, i.repo.st
	p.mergeBase = st.mergeBase(p.baseSHA, p.head)
	if p.mergeBase == "" {
		return refuse("The %s branch has no history in common with %s", p.headRef, p.base)
	}
	d, err := st.diff(st.commits[p.mergeBase].tree, st.commits[p.head].tree)
	if err != nil {
		return err
	}
	p.diff = d
	p.commits = st.between(p.baseSHA, p.head)
	in := map[string]bool{}
	for _, c := range p.commits {
		in[c.sha] = true
	}
	i.timeline = slices.DeleteFunc(i.timeline, func(e *event) bool {
		if e.commit == nil {
			return false
		}
		keep := in[e.commit.sha]
		delete(in, e.commit.sha)
		return !keep
	})
	for _, c := range p.commits {
		if in[c.sha] {
			i.timeline = append(i.timeline, &event{id: s.nextID(), kind: "committed", at: s.Now(), commit: c})
		}
	}
	return nil
}

// openPull opens a pull request into a repository from the branch of another, or of its own.
func (s *Sim) openPull(r, head *repository, o PullOptions, by actor) (*issue, error) {
	sha, tip := head.branches[o.Branch], r.branches[o.Base]
	switch {
	case tip == "":
		return nil, refuse("Validation Failed: base %s is invalid", o.Base)
	case sha == "":
		return nil, refuse("Validation Failed: head %s is invalid", o.Branch)
	case len(r.st.between(tip, sha)) == 0:
		return nil, refuse("No commits between %s and %s", o.Base, o.Branch)
	}
	for _, other := range r.issues {
		if p := other.pull; p != nil && other.state == "open" && p.headRepo == head && p.headRef == o.Branch && p.base == o.Base {
			return nil, refuse("A pull request already exists for %s:%s.", head.owner.login, o.Branch)
		}
	}
	i := s.newIssue(r, by, o.Title, o.Body)
	i.pull = &pull{id: s.nextID(), draft: o.Draft, base: o.Base, baseSHA: tip, headRepo: head, headOwner: head.owner, headRef: o.Branch,
		head: sha, maintainersPush: head != r}
	if err := s.syncContent(i); err != nil {
		r.issues = r.issues[:len(r.issues)-1]
		return nil, err
	}
	s.emitPull(i, "opened", by, nil)
	return i, nil
}

// submitReview adds a review of the commit. GitHub takes one after the merge too.
func (s *Sim) submitReview(i *issue, state, body, sha string, by actor) (*review, error) {
	p := i.pull
	if by.account == i.author && state != "COMMENTED" {
		what := map[string]string{"APPROVED": "approve", "CHANGES_REQUESTED": "request changes on"}[state]
		return nil, refuse("Can not %s your own pull request", what)
	}
	if body == "" && state != "APPROVED" {
		return nil, refuse("You need to leave a comment indicating the requested changes.")
	}
	rv := &review{id: s.nextID(), author: by.account, state: state, body: body, sha: sha, at: s.Now()}
	p.reviews = append(p.reviews, rv)
	// Submitting a review answers what was asked of the reviewer, and of the reviewer's teams.
	p.reviewers = slices.DeleteFunc(p.reviewers, func(a *account) bool { return a == by.account })
	p.teams = slices.DeleteFunc(p.teams, func(t *team) bool { return slices.Contains(t.everyone(), by.account) })
	s.record(i, by, event{kind: "reviewed", review: rv})
	s.emitReview(i, rv, "submitted", by, nil)
	return rv, nil
}

func (s *Sim) dismissReview(i *issue, rv *review, message string, by actor) error {
	if rv.state != "APPROVED" && rv.state != "CHANGES_REQUESTED" {
		return refuse("Can not dismiss a %s pull request review", strings.ToLower(rv.state))
	}
	was := rv.state
	rv.state = "DISMISSED"
	s.record(i, by, event{kind: "review_dismissed", review: rv, reviewState: strings.ToLower(was), to: message})
	s.emitReview(i, rv, "dismissed", by, nil)
	return nil
}

func (s *Sim) requestUser(i *issue, who *account, by actor) {
	if slices.Contains(i.pull.reviewers, who) {
		return
	}
	i.pull.reviewers = append(i.pull.reviewers, who)
	s.record(i, by, event{kind: "review_requested", user: who})
	s.emitPull(i, "review_requested", by, obj{"requested_reviewer": s.userJSON(who)})
}

func (s *Sim) requestTeam(i *issue, t *team, by actor) {
	if slices.Contains(i.pull.teams, t) {
		return
	}
	i.pull.teams = append(i.pull.teams, t)
	s.record(i, by, event{kind: "review_requested", team: t})
	s.emitPull(i, "review_requested", by, obj{"requested_team": s.teamJSON(t)})
}

func (s *Sim) unrequest(i *issue, who *account, t *team, by actor) {
	p := i.pull
	switch {
	case who != nil && slices.Contains(p.reviewers, who):
		p.reviewers = slices.DeleteFunc(p.reviewers, func(a *account) bool { return a == who })
		s.record(i, by, event{kind: "review_request_removed", user: who})
		s.emitPull(i, "review_request_removed", by, obj{"requested_reviewer": s.userJSON(who)})
	case t != nil && slices.Contains(p.teams, t):
		p.teams = slices.DeleteFunc(p.teams, func(x *team) bool { return x == t })
		s.record(i, by, event{kind: "review_request_removed", team: t})
		s.emitPull(i, "review_request_removed", by, obj{"requested_team": s.teamJSON(t)})
	}
}

func (s *Sim) retarget(i *issue, base string, by actor) error {
	p := i.pull
	tip := i.repo.branches[base]
	if tip == "" {
		return refuse("Proposed base branch '%s' was not found", base)
	}
	if base == p.base {
		return nil
	}
	if len(i.repo.st.between(tip, p.head)) == 0 {
		return refuse("There are no new commits between base branch '%s' and head branch '%s'", base, p.headRef)
	}
	from, fromSHA := p.base, p.baseSHA
	p.base, p.baseSHA = base, tip
	if err := s.syncContent(i); err != nil {
		return err
	}
	s.record(i, by, event{kind: "base_ref_changed", from: from, to: base})
	s.emitPull(i, "edited", by, obj{"changes": obj{"base": obj{"ref": obj{"from": from}, "sha": obj{"from": fromSHA}}}})
	return nil
}

func (s *Sim) setDraft(i *issue, draft bool, by actor) error {
	if i.state != "open" {
		return refuse("The pull request is closed.")
	}
	if i.pull.draft == draft {
		return nil
	}
	i.pull.draft = draft
	if draft {
		s.record(i, by, event{kind: "convert_to_draft"})
		s.emitPull(i, "converted_to_draft", by, nil)
		return nil
	}
	s.record(i, by, event{kind: "ready_for_review"})
	s.emitPull(i, "ready_for_review", by, nil)
	return nil
}
