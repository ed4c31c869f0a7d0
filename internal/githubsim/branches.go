package githubsim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tip returns the commit that the branch points to.
func (s *Sim) Tip(repo, branch string) (string, error) {
	return look(s, repo, func(r *repository) (string, error) {
		if sha := r.branches[branch]; sha != "" {
			return sha, nil
		}
		return "", fmt.Errorf("%s has no branch %s", repo, branch)
	})
}

// resolve finds the commit of a branch's name, of a ref (with or without "refs/"), of "" (the default branch), or of a SHA or the
// first seven or more of its characters.
func (r *repository) resolve(ref string) (*commit, error) {
	if ref == "" || ref == "HEAD" {
		ref = r.defaultBranch
	}
	name := strings.TrimPrefix(strings.TrimPrefix(ref, "refs/"), "heads/")
	if sha := r.branches[name]; sha != "" {
		return r.st.commit(sha)
	}
	var number int
	var end string
	if n, _ := fmt.Sscanf(strings.TrimPrefix(ref, "refs/"), "pull/%d/%s", &number, &end); n == 2 && end == "head" {
		if i := r.issue(number); i != nil && i.pull != nil {
			return r.st.commit(i.pull.head)
		}
	}
	if isSHA(ref) {
		return r.st.commit(ref)
	}
	if len(ref) >= 7 && strings.Trim(ref, "0123456789abcdef") == "" {
		for sha, c := range r.st.commits {
			if strings.HasPrefix(sha, ref) {
				return c, nil
			}
		}
	}
	return nil, errNoObject
}

func validBranch(name string) error {
	bad := name == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") ||
		strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") ||
		strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' })
	for _, part := range strings.Split(name, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return fmt.Errorf("%q is not a valid branch name", name)
	}
	return nil
}

// writeRef points a branch to a commit, or deletes it where sha is empty, on disk and in memory, and says nothing to anyone.
func (s *Sim) writeRef(r *repository, branch, sha string) error {
	if err := validBranch(branch); err != nil {
		return err
	}
	dir := filepath.Join(r.st.dir, "refs", "heads")
	if r.parent != nil { // a fork's refs live beside those of the repository whose objects it shares
		dir = filepath.Join(r.st.dir, "refs", "forks", fmt.Sprint(r.id), "heads")
	}
	path := filepath.Join(dir, filepath.FromSlash(branch))
	if sha == "" {
		delete(r.branches, branch)
		return os.Remove(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("branch %s: %w", branch, err)
	}
	if err := os.WriteFile(path, []byte(sha+"\n"), 0o644); err != nil {
		return fmt.Errorf("branch %s: %w", branch, err)
	}
	r.branches[branch] = sha
	return nil
}

// landing is how a commit came to a branch, in the words of the repository's activity.
type landing string

const (
	byPush  landing = "push"
	byMerge landing = "pr_merge"
	byQueue landing = "merge_queue_merge"
)

// updateBranch moves, creates or (to is "") deletes a branch and lets everything follow from it that does on GitHub: events,
// activity, check suites, and the pull requests from and into the branch. After a merge the caller says which were merged.
func (s *Sim) updateBranch(r *repository, branch, to string, by actor, how landing) error {
	before := r.branches[branch]
	if before == to {
		return nil
	}
	if err := s.writeRef(r, branch, to); err != nil {
		return err
	}
	now := s.Now()
	forced := before != "" && to != "" && !r.st.reaches(to, before)
	kind := string(how)
	switch {
	case how != byPush:
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
		s.startPushed(r, branch, to, by)
	}
	if err := s.moveHeads(r, branch, to, forced, by); err != nil {
		return err
	}
	if to == "" {
		s.loseBase(r, branch, by)
		return nil
	}
	if how == byPush {
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
			s.markMerged(i, tip, by.account, by)
		}
	}
}

// markMerged has the pull request be merged by somebody, through whoever acts: for what a merge queue does those are two.
func (s *Sim) markMerged(i *issue, mergeCommit string, mergedBy *account, by actor) {
	p := i.pull
	p.merged, p.mergedAt, p.mergedBy, p.mergeCommit = true, s.Now(), mergedBy, mergeCommit
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

// push makes commits on top of start and points the branch to the last of them.
func (s *Sim) push(r *repository, branch, start string, commits []Commit, by actor) error {
	if !s.role(r, by.account).AtLeast(Write) {
		return refuse("Permission to %s.git denied to %s.", r.fullName(), by.account.login)
	}
	at, err := s.stack(r, start, commits, by)
	if err != nil {
		return err
	}
	return s.pushTo(r, branch, at, by)
}

// pushTo points a branch to a commit as `git push` would, protection permitting.
func (s *Sim) pushTo(r *repository, branch, to string, by actor) error {
	before := r.branches[branch]
	if strings.HasPrefix(branch, queuePrefix) {
		return refuse("GH006: Protected branch update failed for refs/heads/%s. It is the merge queue's.", branch)
	}
	if p := r.protection(branch); p != nil && before != "" {
		if err := s.allowsPush(r, p, branch, before, to, by.account); err != nil {
			return err
		}
	}
	if to == "" && branch == r.defaultBranch {
		return refuse("refusing to delete the current branch: refs/heads/%s", branch)
	}
	return s.updateBranch(r, branch, to, by, byPush)
}

// PushBranch adds commits to a branch of the repository, which it makes from the default branch if it is not there, and returns
// the new tip.
func (p *Person) PushBranch(repo, branch string, commits ...Commit) (string, error) {
	var tip string
	err := p.act(repo, Read, "push", func(r *repository, by actor) error {
		start := r.branches[branch]
		if start == "" {
			start = r.branches[r.defaultBranch]
		}
		err := p.sim.push(r, branch, start, commits, by)
		tip = r.branches[branch]
		return err
	})
	return tip, err
}

// PushRef points a branch to a commit that exists, forced if need be; "" deletes the branch.
func (p *Person) PushRef(repo, branch, sha string) error {
	return p.act(repo, Write, "push", func(r *repository, by actor) error {
		if sha == "" {
			if r.branches[branch] == "" {
				return refuse("Reference does not exist")
			}
		} else if _, err := r.st.commit(sha); err != nil {
			return refuse("Object does not exist")
		}
		return p.sim.pushTo(r, branch, sha, by)
	})
}
