package githubsim

import (
	"errors"
	"fmt"
	"strings"
)

// MergeMethod is how a pull request lands.
type MergeMethod string

// The merge methods.
const (
	MergeCommit MergeMethod = "merge"
	Squash      MergeMethod = "squash"
	Rebase      MergeMethod = "rebase"
)

// MergeOptions say how to merge.
type MergeOptions struct {
	Method       MergeMethod // default: MergeCommit
	Bypass       bool        // merge without waiting for requirements to be met: whoever bypasses the branch's protection may
	DeleteBranch bool
	SHA          string // refuse if the head is another
}

// testMerge returns the tree of a merge of the head into the base's tip, or an error: errConflict if there is one.
func (s *Sim) testMerge(i *issue) (tree string, err error) {
	return s.mergeOnto(i, i.repo.branches[i.pull.base])
}

// mergeOnto is testMerge into any commit.
func (s *Sim) mergeOnto(i *issue, tip string) (tree string, err error) {
	st, p := i.repo.st, i.pull
	base := st.mergeBase(tip, p.head)
	if base == "" {
		return "", errConflict
	}
	return st.merge(st.commits[base].tree, st.commits[tip].tree, st.commits[p.head].tree)
}

// blocked returns why protection keeps the pull request from being merged, or nil.
func (s *Sim) blocked(i *issue) error {
	pr := i.repo.protection(i.pull.base)
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
	if pr.Strict && pr.MergeQueue == nil && !i.repo.st.reaches(i.pull.head, i.repo.branches[i.pull.base]) {
		return refuse("Head branch is out of date. Review and try the merge again.")
	}
	return nil
}

// checksBlock returns why the commit does not have the checks that protection requires, or nil.
func (s *Sim) checksBlock(r *repository, pr *protection, sha string) error {
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

// land makes the commit that brings the pull request onto another by the method, and points no branch to it. It is errConflict if
// the two cannot be merged.
func (s *Sim) land(i *issue, onto string, method MergeMethod, by *account) (*commit, error) {
	r, p := i.repo, i.pull
	tree, err := s.mergeOnto(i, onto)
	if err != nil {
		return nil, err
	}
	switch method {
	case "", MergeCommit:
		message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", i.number, p.headOwner.login, p.headRef, i.title)
		return s.webCommit(r, tree, []string{onto, p.head}, by, message)
	case Squash:
		return s.webCommit(r, tree, []string{onto}, i.author, s.squashMessage(i))
	case Rebase:
		return s.replay(r, onto, p.head, by)
	}
	return nil, refuse("%q is not a merge method", method)
}

func (s *Sim) merge(i *issue, method MergeMethod, by actor) error {
	r, p := i.repo, i.pull
	tip := r.branches[p.base]
	if _, err := s.testMerge(i); errors.Is(err, errConflict) {
		return refuse("Pull Request is not mergeable")
	}
	landed, err := s.land(i, tip, method, by.account)
	if errors.Is(err, errConflict) {
		return refuse("This branch can't be rebased")
	}
	if err != nil {
		return err
	}
	p.landed = r.st.between(tip, landed.sha)
	if err := s.updateBranch(r, p.base, landed.sha, by, byMerge); err != nil {
		return err
	}
	s.markMerged(i, landed.sha, by.account, by)
	s.findMerged(r, p.base, landed.sha, by)
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

// unmergeable returns why protection keeps a person from merging the pull request, or nil.
func (s *Sim) unmergeable(i *issue) error {
	if err := s.blocked(i); err != nil {
		return err
	}
	if i.repo.queueOf(i.pull.base) != nil {
		return refuse("Changes must be made through the merge queue.")
	}
	return nil
}

// Merge merges the pull request: whoever may write, once protection is satisfied. Where a merge queue is required it takes a bypass.
func (p *Person) Merge(pr Pull, o MergeOptions) error {
	return p.on(pr, Write, false, "merge", func(i *issue, by actor) error {
		s, pull := p.sim, i.pull
		switch {
		case pull.merged || i.state != "open":
			return refuse("Pull Request is not mergeable")
		case pull.draft:
			return refuse("Pull Request is still a draft")
		case o.SHA != "" && o.SHA != pull.head:
			return refuse("Head branch was modified. Review and try the merge again.")
		}
		if err := s.unmergeable(i); err != nil && !(o.Bypass && s.bypasses(i.repo, i.repo.protection(pull.base), by.account)) {
			return err
		}
		if err := s.merge(i, o.Method, by); err != nil {
			return err
		}
		if o.DeleteBranch && pull.headRepo != nil && s.role(pull.headRepo, by.account).AtLeast(Write) {
			return s.pushTo(pull.headRepo, pull.headRef, "", by)
		}
		return nil
	})
}

// MergeLocally merges the pull request into its base on the person's own machine, pushes the base as Git would, protection permitting,
// and returns the new tip. GitHub takes the pull request for merged if its head is among what was pushed, which after a merge commit it
// is. After a squash or a rebase it is not, and the pull request stays open.
func (p *Person) MergeLocally(pr Pull, method MergeMethod) (string, error) {
	var tip string
	err := p.on(pr, Write, false, "push", func(i *issue, by actor) error {
		s, base := p.sim, i.pull.base
		onto := i.repo.branches[base]
		c, err := s.land(i, onto, method, by.account)
		if errors.Is(err, errConflict) {
			return refuse("Automatic merge failed; fix conflicts and then commit the result.")
		}
		if err != nil {
			return err
		}
		if method != Rebase { // what Git makes, GitHub neither commits nor signs
			local := *c
			local.author, local.committer, local.signed = s.signature(by.account, s.Now()), s.signature(by.account, s.Now()), false
			if len(c.parents) > 1 {
				local.message = fmt.Sprintf("Merge branch '%s'\n", i.pull.headRef)
			}
			if c, err = i.repo.st.writeCommit(local); err != nil {
				return err
			}
		}
		tip = c.sha
		return s.pushTo(i.repo, base, tip, by)
	})
	return tip, err
}
