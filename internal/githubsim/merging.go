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
	Bypass       bool        // merge without waiting for requirements to be met: administrators may, unless protection binds them too
	DeleteBranch bool
	SHA          string // refuse if the head is another
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

// Merge merges the pull request: whoever may write, once protection is satisfied.
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
		if err := s.blocked(i); err != nil {
			admin := s.role(i.repo, by.account) == Admin && !i.repo.protections[pull.base].EnforceAdmins
			if !o.Bypass || !admin {
				return err
			}
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
