package githubsim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// issue is an issue or, with pull set, a pull request: they share their numbers, labels, comments and events.
type issue struct {
	id                       int64
	repo                     *repository
	number                   int
	title, body              string
	author                   *account
	app                      *app
	state, stateReason       string
	labels                   []*label
	assignees                []*account
	created, updated, closed time.Time
	closedBy                 *account
	comments                 []*comment
	timeline                 []*event
	pull                     *pull
}

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
	reviews         []*review
	reviewers       []*account
	teams           []*team
	mergeBase       string
	diff            *diff
	commits         []*commit
	headMoved       bool // the head branch was force-pushed or deleted while the pull request was closed
	maintainersPush bool
}

type comment struct {
	id               int64
	issue            *issue
	author           *account
	app              *app
	body             string
	created, updated time.Time
	deleted          bool
	reactions        []*reaction
}

type reaction struct {
	id      int64
	author  *account
	content string
	at      time.Time
}

type review struct {
	id     int64
	author *account
	state  string
	body   string
	sha    string
	at     time.Time
}

// event is one entry of an issue's history. Comments, reviews and commits are part of the timeline only.
type event struct {
	id          int64
	kind        string
	actor       *account
	app         *app
	at          time.Time
	label       *label
	labelName   string // as it was then
	from, to    string
	sha         string
	review      *review
	reviewState string
	comment     *comment
	commit      *commit
	user        *account
	team        *team
}

func (e *event) timelineOnly() bool {
	return e.kind == "commented" || e.kind == "reviewed" || e.kind == "committed"
}

// actor is who does something: a person, or an App through its bot account.
type actor struct {
	account *account
	app     *app
}

func (s *Sim) record(i *issue, by actor, e event) {
	e.id, e.actor, e.app, e.at = s.nextID(), by.account, by.app, s.Now()
	i.timeline = append(i.timeline, &e)
	i.updated = e.at
}

func (s *Sim) newIssue(r *repository, by actor, title, body string) *issue {
	now := s.Now()
	i := &issue{id: s.nextID(), repo: r, number: len(r.issues) + 1, title: title, body: body, author: by.account, app: by.app,
		state: "open", created: now, updated: now}
	r.issues = append(r.issues, i)
	r.json = nil
	return i
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

func (s *Sim) openPull(r, head *repository, branch, base string, by actor, title, body string, draft bool) (*issue, error) {
	sha, tip := head.branches[branch], r.branches[base]
	switch {
	case tip == "":
		return nil, refuse("Validation Failed: base %s is invalid", base)
	case sha == "":
		return nil, refuse("Validation Failed: head %s is invalid", branch)
	case len(r.st.between(tip, sha)) == 0:
		return nil, refuse("No commits between %s and %s", base, branch)
	}
	for _, other := range r.issues {
		if p := other.pull; p != nil && other.state == "open" && p.headRepo == head && p.headRef == branch && p.base == base {
			return nil, refuse("A pull request already exists for %s:%s.", head.owner.login, branch)
		}
	}
	i := s.newIssue(r, by, title, body)
	i.pull = &pull{id: s.nextID(), draft: draft, base: base, baseSHA: tip, headRepo: head, headOwner: head.owner, headRef: branch,
		head: sha, maintainersPush: head != r}
	if err := s.syncContent(i); err != nil {
		r.issues = r.issues[:len(r.issues)-1]
		return nil, err
	}
	s.emitPull(i, "opened", by, nil)
	return i, nil
}

func (i *issue) hasLabel(l *label) bool { return slices.Contains(i.labels, l) }

func (s *Sim) addLabel(i *issue, name string, by actor) {
	l := i.repo.labels[strings.ToLower(name)]
	if l == nil {
		l = s.newLabel(i.repo, name, "ededed")
		s.emitLabel(i.repo, l, "created", by.account, nil)
	}
	if i.hasLabel(l) {
		return
	}
	i.labels = append(i.labels, l)
	s.record(i, by, event{kind: "labeled", label: l, labelName: l.name})
	s.emitEither(i, "labeled", by, func() obj { return obj{"label": s.labelJSON(i.repo, l)} })
}

func (s *Sim) removeLabel(i *issue, l *label, by actor) {
	if !i.hasLabel(l) {
		return
	}
	i.labels = slices.DeleteFunc(i.labels, func(x *label) bool { return x == l })
	s.record(i, by, event{kind: "unlabeled", label: l, labelName: l.name})
	s.emitEither(i, "unlabeled", by, func() obj { return obj{"label": s.labelJSON(i.repo, l)} })
}

// emitEither sends the event of a pull request or of an issue.
func (s *Sim) emitEither(i *issue, action string, by actor, extra func() obj) {
	var more obj
	if extra != nil {
		more = extra()
	}
	if i.pull != nil {
		s.emitPull(i, action, by, more)
		return
	}
	s.emitIssue(i, action, by, more)
}

func (s *Sim) addComment(i *issue, body string, by actor) *comment {
	now := s.Now()
	c := &comment{id: s.nextID(), issue: i, author: by.account, app: by.app, body: body, created: now, updated: now}
	i.comments = append(i.comments, c)
	s.record(i, by, event{kind: "commented", comment: c})
	s.emitComment(c, "created", by, nil)
	return c
}

func (s *Sim) editComment(c *comment, body string, by actor) {
	old := c.body
	c.body, c.updated = body, s.Now()
	s.emitComment(c, "edited", by, obj{"changes": obj{"body": obj{"from": old}}})
}

func (s *Sim) submitReview(i *issue, state, body string, by actor) (*review, error) {
	p := i.pull
	if by.account == i.author && state != "COMMENTED" {
		what := map[string]string{"APPROVED": "approve", "CHANGES_REQUESTED": "request changes on"}[state]
		return nil, refuse("Can not %s your own pull request", what)
	}
	if body == "" && state != "APPROVED" {
		return nil, refuse("You need to leave a comment indicating the requested changes.")
	}
	rv := &review{id: s.nextID(), author: by.account, state: state, body: body, sha: p.head, at: s.Now()}
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

func (s *Sim) editIssue(i *issue, by actor, title, body *string) {
	changes := obj{}
	if title != nil && *title != i.title {
		changes["title"] = obj{"from": i.title}
		s.record(i, by, event{kind: "renamed", from: i.title, to: *title})
		i.title = *title
	}
	if body != nil && *body != i.body {
		changes["body"] = obj{"from": i.body}
		i.body, i.updated = *body, s.Now()
	}
	if len(changes) > 0 {
		s.emitEither(i, "edited", by, func() obj { return obj{"changes": changes} })
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

func (s *Sim) closeIssue(i *issue, by actor, reason string) {
	if i.state == "closed" {
		return
	}
	i.state, i.stateReason, i.closed, i.closedBy = "closed", reason, s.Now(), by.account
	i.repo.json = nil
	s.record(i, by, event{kind: "closed"})
	s.emitEither(i, "closed", by, nil)
}

func (s *Sim) reopenIssue(i *issue, by actor) error {
	if i.state == "open" {
		return nil
	}
	if p := i.pull; p != nil {
		switch {
		case p.merged:
			return refuse("Validation Failed: a merged pull request cannot be reopened")
		case p.headRepo == nil || p.headRepo.branches[p.headRef] == "":
			return refuse("state cannot be changed. The %s branch was deleted.", p.headRef)
		case p.headMoved:
			return refuse("state cannot be changed. The %s branch was force-pushed or recreated.", p.headRef)
		}
		p.head, p.baseSHA = p.headRepo.branches[p.headRef], i.repo.branches[p.base]
		if err := s.syncContent(i); err != nil {
			return err
		}
	}
	i.state, i.stateReason, i.closed, i.closedBy = "open", "", time.Time{}, nil
	if i.pull == nil {
		i.stateReason = "reopened"
	}
	i.repo.json = nil
	s.record(i, by, event{kind: "reopened"})
	s.emitEither(i, "reopened", by, nil)
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

// updateBranch moves, creates or (to is "") deletes a branch and lets everything follow from it that does on GitHub: events,
// activity, check suites, and the pull requests from and into the branch.
func (s *Sim) updateBranch(r *repository, branch, to string, by actor, mergedPull bool) error {
	before := r.branches[branch]
	if before == to {
		return nil
	}
	if err := s.writeRef(r, branch, to); err != nil {
		return err
	}
	now := s.Now()
	forced := before != "" && to != "" && !r.st.reaches(to, before)
	kind := "push"
	switch {
	case mergedPull:
		kind = "pr_merge"
	case before == "":
		kind = "branch_creation"
	case to == "":
		kind = "branch_deletion"
	case forced:
		kind = "force_push"
	}
	r.activities = append(r.activities, &activity{id: s.nextID(), before: orZero(before), after: orZero(to),
		ref: "refs/heads/" + branch, kind: kind, at: now, actor: by.account})
	r.pushed, r.json = now, nil
	s.emitPush(r, branch, before, to, forced, by)
	if to == "" {
		s.emitRef(r, "delete", branch, by)
	} else {
		if before == "" {
			s.emitRef(r, "create", branch, by)
		}
		s.requestSuites(r, branch, before, to)
	}
	if err := s.moveHeads(r, branch, to, forced, by); err != nil {
		return err
	}
	if to == "" {
		s.loseBase(r, branch, by)
		return nil
	}
	if !mergedPull {
		s.findMerged(r, branch, to, by)
	}
	return nil
}

// loseBase deals with the pull requests into a branch that was deleted: they go where that branch was merged to, or are closed.
func (s *Sim) loseBase(r *repository, branch string, by actor) {
	next := ""
	for _, i := range r.issues {
		if p := i.pull; p != nil && p.merged && p.headRepo == r && p.headRef == branch {
			next = p.base
		}
	}
	for _, i := range r.issues {
		if p := i.pull; p == nil || p.base != branch || i.state != "open" {
			continue
		}
		if next != "" && s.retarget(i, next, by) == nil {
			continue
		}
		s.closeIssue(i, by, "")
	}
}

// moveHeads brings the pull requests from a branch up to it.
func (s *Sim) moveHeads(r *repository, branch, to string, forced bool, by actor) error {
	var problems []error
	for _, base := range s.network(r) {
		for _, i := range base.issues {
			p := i.pull
			if p == nil || p.headRepo != r || p.headRef != branch {
				continue
			}
			if i.state != "open" {
				p.headMoved = p.headMoved || forced || to == ""
				continue
			}
			if to == "" {
				p.headMoved = true
				s.record(i, by, event{kind: "head_ref_deleted"})
				s.closeIssue(i, by, "")
				continue
			}
			before := p.head
			p.head, p.baseSHA = to, base.branches[p.base]
			if forced {
				s.record(i, by, event{kind: "head_ref_force_pushed", sha: to})
			}
			if err := s.syncContent(i); err != nil {
				problems = append(problems, err)
				continue
			}
			i.updated = s.Now()
			s.emitPull(i, "synchronize", by, obj{"before": before, "after": to})
		}
	}
	return errors.Join(problems...)
}

// findMerged marks the pull requests whose head a push brought into their base: GitHub calls them merged.
func (s *Sim) findMerged(r *repository, branch, tip string, by actor) {
	reachable := r.st.ancestors(tip)
	for _, i := range r.issues {
		if p := i.pull; p != nil && i.state == "open" && p.base == branch && reachable[p.head] {
			s.markMerged(i, tip, by)
		}
	}
}

func (s *Sim) markMerged(i *issue, mergeCommit string, by actor) {
	p := i.pull
	p.merged, p.mergedAt, p.mergedBy, p.mergeCommit = true, s.Now(), by.account, mergeCommit
	s.record(i, by, event{kind: "merged", sha: mergeCommit})
	s.closeIssue(i, by, "")
}

// network returns the repositories that share r's objects, in the order of their ids.
func (s *Sim) network(r *repository) []*repository {
	var out []*repository
	for _, other := range s.repos {
		if other.st == r.st {
			out = append(out, other)
		}
	}
	slices.SortFunc(out, func(a, b *repository) int { return int(a.id - b.id) })
	return out
}

const zeroSHA = "0000000000000000000000000000000000000000"

func orZero(sha string) string {
	if sha == "" {
		return zeroSHA
	}
	return sha
}

// testMerge returns the tree of a merge of the head into the base's tip, or an error: errConflict if there is one.
func (s *Sim) testMerge(i *issue) (tree string, err error) {
	st, p := i.repo.st, i.pull
	tip := i.repo.branches[p.base]
	base := st.mergeBase(tip, p.head)
	if base == "" {
		return "", errConflict
	}
	return st.merge(st.commits[base].tree, st.commits[tip].tree, st.commits[p.head].tree)
}

// blocked returns why protection keeps the pull request from being merged, or nil.
func (s *Sim) blocked(i *issue) error {
	pr := i.repo.protections[i.pull.base]
	if pr == nil {
		return nil
	}
	if err := s.checksBlock(i.repo, pr, i.pull.head); err != nil {
		return err
	}
	if pr.RequiredApprovals > 0 {
		approved, objected := 0, false
		latest := map[*account]string{}
		for _, rv := range i.pull.reviews {
			if rv.state != "COMMENTED" {
				latest[rv.author] = rv.state
			}
		}
		for who, state := range latest {
			if !s.role(i.repo, who).AtLeast(Write) {
				continue
			}
			approved += map[string]int{"APPROVED": 1}[state]
			objected = objected || state == "CHANGES_REQUESTED"
		}
		if objected {
			return refuse("Changes have been requested.")
		}
		if approved < pr.RequiredApprovals {
			return refuse("At least %d approving review is required by reviewers with write access.", pr.RequiredApprovals)
		}
	}
	if pr.Strict && !i.repo.st.reaches(i.pull.head, i.repo.branches[i.pull.base]) {
		return refuse("Head branch is out of date. Review and try the merge again.")
	}
	return nil
}

// checksBlock returns why the commit does not have the checks that protection requires, or nil.
func (s *Sim) checksBlock(r *repository, pr *Protection, sha string) error {
	for _, need := range pr.RequiredChecks {
		switch s.checkState(r, sha, need) {
		case "success":
		case "failure":
			return refuse("Required status check \"%s\" is failing.", need.Context)
		case "pending":
			return refuse("Required status check \"%s\" is in progress.", need.Context)
		default:
			return refuse("Required status check \"%s\" is expected.", need.Context)
		}
	}
	return nil
}

// MergeMethod is how a pull request lands.
type MergeMethod string

// The merge methods.
const (
	MergeCommit MergeMethod = "merge"
	Squash      MergeMethod = "squash"
	Rebase      MergeMethod = "rebase"
)

func (s *Sim) merge(i *issue, method MergeMethod, by actor) error {
	r, p, st := i.repo, i.pull, i.repo.st
	tip := r.branches[p.base]
	tree, err := s.testMerge(i)
	if errors.Is(err, errConflict) {
		return refuse("Pull Request is not mergeable")
	}
	if err != nil {
		return err
	}
	var landed *commit
	switch method {
	case "", MergeCommit:
		message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", i.number, p.headOwner.login, p.headRef, i.title)
		landed, err = s.webCommit(r, tree, []string{tip, p.head}, by.account, message)
	case Squash:
		landed, err = s.webCommit(r, tree, []string{tip}, i.author, s.squashMessage(i))
	case Rebase:
		landed, err = s.replay(r, tip, p.head, by.account)
	default:
		return refuse("%q is not a merge method", method)
	}
	if errors.Is(err, errConflict) {
		return refuse("This branch can't be rebased")
	}
	if err != nil {
		return err
	}
	if err := s.updateBranch(r, p.base, landed.sha, by, true); err != nil {
		return err
	}
	s.markMerged(i, landed.sha, by)
	s.findMerged(r, p.base, st.commits[landed.sha].sha, by)
	return nil
}

func (s *Sim) squashMessage(i *issue) string {
	message := fmt.Sprintf("%s (#%d)", i.title, i.number)
	trailers := map[string]bool{}
	for n, c := range i.pull.commits {
		if n == 0 {
			message += "\n"
		}
		subject, _, _ := strings.Cut(c.message, "\n")
		message += "\n* " + subject
		if who := s.accountOf(c.author); who != i.author {
			trailers[fmt.Sprintf("Co-authored-by: %s <%s>", c.author.name, c.author.email)] = true
		}
		for _, line := range strings.Split(c.message, "\n") {
			if strings.HasPrefix(strings.ToLower(line), "co-authored-by:") {
				trailers[line] = true
			}
		}
	}
	for n, t := range sortedKeys(trailers) {
		if n == 0 {
			message += "\n"
		}
		message += "\n" + t
	}
	return message
}

// replay puts the commits of head that onto does not have on top of onto, one by one, leaving merges out, as a rebase does.
func (s *Sim) replay(r *repository, onto, head string, by *account) (*commit, error) {
	st := r.st
	at := st.commits[onto]
	for _, c := range st.between(onto, head) {
		if len(c.parents) != 1 {
			continue
		}
		tree, err := st.merge(st.commits[c.parents[0]].tree, at.tree, c.tree)
		if err != nil {
			return nil, err
		}
		if at, err = st.writeCommit(commit{tree: tree, parents: []string{at.sha}, author: c.author,
			committer: s.signature(by, s.Now()), message: c.message}); err != nil {
			return nil, err
		}
	}
	return at, nil
}
