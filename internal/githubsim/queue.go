package githubsim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MergeQueue has the pull requests into a branch merged by a queue, which tests each together with all that will be merged before it.
// The zero MergeQueue works: merge commits, one pull request a group, five groups at once, an hour for their checks.
type MergeQueue struct {
	Method MergeMethod // default: MergeCommit
	// HeadGreen merges a group whose own checks failed if those of a group behind it, which contains it, are green. Otherwise
	// (all green) every group needs its own.
	HeadGreen bool
	// MaxGroup is how many pull requests one group holds at most, which share the checks of the group's head; default 1. A group of
	// several that fails is taken apart, to find out who is to blame.
	MaxGroup int
	// MinGroup is how many pull requests a group waits for, but for MinWait at most; defaults 1 and five minutes.
	MinGroup int
	MinWait  time.Duration
	MaxBuild int // how many groups have their checks run at once; default 5
	// CheckTimeout is after how long a group's missing checks count as failed; default one hour. See RunMergeQueues.
	CheckTimeout time.Duration
}

func (m MergeQueue) withDefaults() MergeQueue {
	if m.Method == "" {
		m.Method = MergeCommit
	}
	m.MaxGroup, m.MinGroup = max(m.MaxGroup, 1), max(m.MinGroup, 1)
	if m.MaxBuild == 0 {
		m.MaxBuild = 5
	}
	if m.MinWait == 0 {
		m.MinWait = 5 * time.Minute
	}
	if m.CheckTimeout == 0 {
		m.CheckTimeout = time.Hour
	}
	return m
}

// queuePrefix begins the names of the branches that merge queues make.
const queuePrefix = "gh-readonly-queue/"

// queue is the merge queue of a branch. The entries at its front are in groups, in their order; the others wait.
type queue struct {
	repo    *repository
	branch  string
	entries []*queueEntry
	groups  []*mergeGroup
}

// queueEntry is a pull request in a queue.
type queueEntry struct {
	id         int64
	pull       *issue
	sha        string // the pull request's head when it joined
	by         *account
	at         time.Time
	group      *mergeGroup // nil: it waits
	base, head string      // in a group: head is the commit that brings the pull request in, made on base
	built      bool        // it was in a group before, and waits for nobody
	alone      bool        // it was in a group of several that failed
}

// mergeGroup is pull requests that are tested, and then merged, together.
type mergeGroup struct {
	branch     string // the one that points to its head
	base, head string
	entries    []*queueEntry
	at         time.Time
}

// queueOn returns the branch's queue, an empty one if there was none yet.
func (r *repository) queueOn(branch string) *queue {
	q := r.queues[branch]
	if q == nil {
		q = &queue{repo: r, branch: branch}
		r.queues[branch] = q
	}
	return q
}

// entryOf returns the pull request's entry, or nil.
func (q *queue) entryOf(i *issue) *queueEntry {
	for _, e := range q.entries {
		if e.pull == i {
			return e
		}
	}
	return nil
}

// Enqueue puts the pull request at the end of its base's merge queue: whoever may write, once the pull request's own requirements are
// met. What becomes of its checks afterwards does not take it out again; a push, closing it and retargeting it do.
//
// The queue acts as github-merge-queue[bot], which is the sender of what it causes; a pull request that it merges was merged by whoever
// put it there.
func (p *Person) Enqueue(pr Pull) error { return p.enqueue(pr, false) }

// JumpQueue puts the pull request at the front of the queue, for which all groups are built again.
func (p *Person) JumpQueue(pr Pull) error { return p.enqueue(pr, true) }

func (p *Person) enqueue(pr Pull, first bool) error {
	return p.on(pr, Write, false, "merge", func(i *issue, by actor) error {
		s := p.sim
		switch {
		case i.repo.queueOf(i.pull.base) == nil:
			return refuse("The branch %s has no merge queue.", i.pull.base)
		case i.state != "open":
			return refuse("Pull Request is not mergeable")
		case i.pull.draft:
			return refuse("Pull Request is still a draft")
		}
		if err := s.blocked(i); err != nil {
			return err
		}
		if _, err := s.testMerge(i); err != nil {
			return refuse("Pull Request is not mergeable")
		}
		q := i.repo.queueOn(i.pull.base)
		if q.entryOf(i) != nil {
			return refuse("The pull request is in the merge queue already.")
		}
		at := len(q.entries)
		if first {
			at = 0
		}
		q.entries = slices.Insert(q.entries, at, &queueEntry{id: s.nextID(), pull: i, sha: i.pull.head, by: by.account, at: s.Now()})
		s.record(i, by, event{kind: "added_to_merge_queue"})
		s.emitPull(i, "enqueued", by, nil)
		return nil
	})
}

// Dequeue takes the pull request out of the merge queue.
func (p *Person) Dequeue(pr Pull) error {
	return p.on(pr, Write, true, "change the merge queue", func(i *issue, by actor) error {
		q := i.repo.queueOn(i.pull.base)
		e := q.entryOf(i)
		if e == nil {
			return refuse("The pull request is not in the merge queue.")
		}
		return p.sim.dequeue(q, e, "MANUAL", by)
	})
}

// RunMergeQueues does in all merge queues what time alone brings about: groups whose checks took too long fail, and groups that waited
// long enough for more pull requests are built. Everything else the queues do at once.
func (s *Sim) RunMergeQueues() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []error
	for _, r := range s.repos {
		problems = append(problems, s.runQueues(r))
	}
	return errors.Join(problems...)
}

// runQueues has the repository's merge queues do all that is to be done as things stand.
func (s *Sim) runQueues(r *repository) error {
	for _, branch := range sortedKeys(r.queues) {
		for {
			changed, err := s.stepQueue(r.queues[branch])
			if err != nil {
				return fmt.Errorf("merge queue of %s: %w", branch, err)
			}
			if !changed {
				break
			}
		}
	}
	return nil
}

// stepQueue does the first thing that is to be done in the queue, and says whether there was one. Each either shortens the queue, or
// builds a group that its order and the branch's tip ask for, so the steps come to an end.
func (s *Sim) stepQueue(q *queue) (changed bool, err error) {
	by := actor{account: s.mergeQueue}
	for _, e := range q.entries {
		if reason := q.leaves(e); reason != "" {
			return true, s.dequeue(q, e, reason, by)
		}
	}
	if n := q.misbuilt(); n < len(q.groups) {
		return true, s.ungroup(q, n, "invalidated", by)
	}
	pr := q.repo.protection(q.branch)
	if pr == nil || pr.MergeQueue == nil {
		return false, nil
	}
	m := pr.MergeQueue.withDefaults()
	if n := s.greenGroups(q, pr, m); n > 0 {
		return true, s.mergeGroups(q, n, by)
	}
	for n, g := range q.groups {
		reason := s.groupFailure(q.repo, pr, m, g)
		if reason == "" || m.HeadGreen && n < len(q.groups)-1 {
			continue
		}
		if len(g.entries) == 1 {
			return true, s.dequeue(q, g.entries[0], reason, by)
		}
		for _, e := range g.entries {
			e.alone = true
		}
		return true, s.ungroup(q, n, "invalidated", by)
	}
	return s.buildGroup(q, m, by)
}

// leaves returns why the entry cannot stay in the queue, or "".
func (q *queue) leaves(e *queueEntry) string {
	p := e.pull.pull
	switch {
	case q.repo.queueOf(q.branch) == nil:
		return "QUEUE_CLEARED"
	case p.merged:
		return "ALREADY_MERGED"
	case e.pull.state != "open", p.base != q.branch:
		return "MANUAL"
	case p.head != e.sha, p.draft:
		return "BRANCH_PROTECTIONS"
	}
	return ""
}

// misbuilt returns the index of the first group that is not what would be built now: the branch was pushed to, or the order changed.
func (q *queue) misbuilt() int {
	base, left := q.repo.branches[q.branch], q.entries
	for n, g := range q.groups {
		if g.base != base || !slices.Equal(g.entries, left[:min(len(g.entries), len(left))]) {
			return n
		}
		base, left = g.head, left[len(g.entries):]
	}
	return len(q.groups)
}

// greenGroups returns how many groups at the front can be merged.
func (s *Sim) greenGroups(q *queue, pr *protection, m MergeQueue) int {
	for n := range slices.Backward(q.groups) {
		if s.checksBlock(q.repo, pr, q.groups[n].head) == nil && (m.HeadGreen || n == 0) {
			return n + 1
		}
	}
	return 0
}

// groupFailure returns why the group cannot be merged any more, or "".
func (s *Sim) groupFailure(r *repository, pr *protection, m MergeQueue, g *mergeGroup) string {
	for _, need := range pr.RequiredChecks {
		if s.checkState(r, g.head, need) == "failure" {
			return "CI_FAILURE"
		}
	}
	if s.checksBlock(r, pr, g.head) != nil && s.Now().Sub(g.at) >= m.CheckTimeout {
		return "CI_TIMEOUT"
	}
	return ""
}

// buildGroup builds the next group, if there is room for one and enough to put into it.
func (s *Sim) buildGroup(q *queue, m MergeQueue, by actor) (built bool, err error) {
	r := q.repo
	g := &mergeGroup{base: r.branches[q.branch], at: s.Now()}
	waiting := q.entries
	if n := len(q.groups); n > 0 {
		g.base = q.groups[n-1].head
		waiting = slices.DeleteFunc(slices.Clone(waiting), func(e *queueEntry) bool { return e.group != nil })
	}
	if len(q.groups) >= m.MaxBuild || len(waiting) == 0 ||
		!waiting[0].built && len(waiting) < m.MinGroup && s.Now().Sub(waiting[0].at) < m.MinWait {
		return false, nil
	}
	g.head = g.base
	for _, e := range waiting[:min(m.MaxGroup, len(waiting))] {
		if len(g.entries) > 0 && (e.alone || g.entries[0].alone) {
			break
		}
		c, err := s.land(e.pull, g.head, m.Method, e.by)
		if errors.Is(err, errConflict) {
			return true, s.dequeue(q, e, "MERGE_CONFLICT", by)
		}
		if err != nil {
			return false, err
		}
		e.base, e.head = g.head, c.sha
		g.head = c.sha
		g.entries = append(g.entries, e)
	}
	for _, e := range g.entries {
		e.group, e.built = g, true
	}
	q.groups = append(q.groups, g)
	// Nobody knows for certain which SHA GitHub puts there. Here it is the commit that the group was built on.
	g.branch = fmt.Sprintf("%s%s/pr-%d-%s", queuePrefix, q.branch, g.entries[len(g.entries)-1].pull.number, g.base)
	if err := s.updateBranch(r, g.branch, g.head, by, byPush); err != nil {
		return false, err
	}
	s.emitMergeGroup(q, g, "checks_requested", nil, by)
	return true, nil
}

// mergeGroups merges the first n groups: the branch goes to the last one's head.
func (s *Sim) mergeGroups(q *queue, n int, by actor) error {
	r, groups := q.repo, q.groups[:n]
	tip := groups[n-1].head
	if err := s.updateBranch(r, q.branch, tip, by, byQueue); err != nil {
		return err
	}
	q.groups = slices.Clone(q.groups[n:])
	for _, g := range groups {
		for _, e := range g.entries {
			e.pull.pull.landed = r.st.between(e.base, e.head)
			s.leave(q, e, "MERGE", by)
			s.markMerged(e.pull, e.head, e.by, by)
		}
		if err := s.destroy(q, g, "merged", by); err != nil {
			return err
		}
	}
	s.findMerged(r, q.branch, tip, by)
	return nil
}

// dequeue takes an entry out of the queue. Its group ends, and so do those behind, which contain it.
func (s *Sim) dequeue(q *queue, e *queueEntry, reason string, by actor) error {
	g := e.group
	s.leave(q, e, reason, by)
	n := slices.Index(q.groups, g)
	if n < 0 {
		return nil
	}
	if err := s.ungroup(q, n+1, "invalidated", by); err != nil {
		return err
	}
	return s.ungroup(q, n, "dequeued", by)
}

func (s *Sim) leave(q *queue, e *queueEntry, reason string, by actor) {
	q.entries = slices.DeleteFunc(q.entries, func(x *queueEntry) bool { return x == e })
	s.record(e.pull, by, event{kind: "removed_from_merge_queue"})
	s.emitPull(e.pull, "dequeued", by, obj{"reason": reason})
}

// ungroup ends the groups from the n-th on. What is left of their entries waits for new ones.
func (s *Sim) ungroup(q *queue, n int, reason string, by actor) error {
	ended := slices.Clone(q.groups[n:])
	q.groups = q.groups[:n]
	for _, g := range ended {
		for _, e := range g.entries {
			e.group, e.base, e.head = nil, "", ""
		}
		if err := s.destroy(q, g, reason, by); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sim) destroy(q *queue, g *mergeGroup, reason string, by actor) error {
	s.emitMergeGroup(q, g, "destroyed", obj{"reason": reason}, by)
	return s.updateBranch(q.repo, g.branch, "", by, byPush)
}

// QueueEntry is a pull request in a merge queue.
type QueueEntry struct {
	Pull
	By         string
	State      string // QUEUED, AWAITING_CHECKS, MERGEABLE or UNMERGEABLE
	Base, Head string // Head is the commit that brings the pull request in, made on Base; "" while it is QUEUED
	Group      string // the head of its group, on which the checks are expected; "" while it is QUEUED
}

// MergeQueue returns what is in the branch's merge queue, the first to be merged first.
func (s *Sim) MergeQueue(repo, branch string) ([]QueueEntry, error) {
	return look(s, repo, func(r *repository) ([]QueueEntry, error) {
		var out []QueueEntry
		for _, e := range r.queueOn(branch).entries {
			v := QueueEntry{Pull: pullOf(e.pull), By: viewName(e.by), State: s.entryState(r.queueOn(branch), e), Base: e.base, Head: e.head}
			if e.group != nil {
				v.Group = e.group.head
			}
			out = append(out, v)
		}
		return out, nil
	})
}

// entryState returns how the entry stands, in GitHub's words.
func (s *Sim) entryState(q *queue, e *queueEntry) string {
	pr := q.repo.protection(q.branch)
	switch {
	case e.group == nil || pr == nil || pr.MergeQueue == nil:
		return "QUEUED"
	case s.checksBlock(q.repo, pr, e.group.head) == nil:
		return "MERGEABLE"
	case s.groupFailure(q.repo, pr, pr.MergeQueue.withDefaults(), e.group) != "":
		return "UNMERGEABLE"
	}
	return "AWAITING_CHECKS"
}
