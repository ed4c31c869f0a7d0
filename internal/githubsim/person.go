package githubsim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Person acts as one account, with what that account may do: everything else is Refused. The methods may be called by many
// goroutines. A bot acts by As too.
type Person struct {
	sim   *Sim
	login string
}

// As returns the account as someone who acts. Whether it exists is seen when it acts.
func (s *Sim) As(login string) *Person { return &Person{s, login} }

// Login returns the account's login.
func (p *Person) Login() string { return p.login }

// Pull names a pull request, or an issue, which labels, comments, edits, closing and reopening take as well.
type Pull struct {
	Repo   string // owner/name
	Number int
	Head   string // the head SHA when the Pull was returned
	Branch string // the head branch
}

// String returns owner/name#number.
func (p Pull) String() string { return fmt.Sprintf("%s#%d", p.Repo, p.Number) }

// PullOptions describe a pull request to open.
type PullOptions struct {
	Title, Body string
	Base        string // default: the default branch
	Branch      string // the head branch; default: a new name. It is made from the base's tip, with Commits on it, if it does not exist
	From        string // the fork that has the branch, as owner/name; default: the repository itself
	Files       map[string]string
	Commits     []Commit // after one that writes Files, if there are any
	Draft       bool
	Labels      []string
	Reviewers   []string // logins, or team slugs as org/slug
}

// act runs f with the lock held, for someone who has at least the role.
func (p *Person) act(repo string, need Role, what string, f func(r *repository, by actor) error) error {
	s := p.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(p.login)
	if err != nil {
		return err
	}
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	have := s.role(r, a)
	if !have.AtLeast(Read) {
		return refuse("Not Found")
	}
	if !have.AtLeast(need) {
		return refuse("Must have %s access to %s to %s: %s has %s.", need, r.fullName(), what, a.login, have)
	}
	// What was done stands even where it was refused halfway, and the merge queues go by what is there.
	return errors.Join(f(r, actor{account: a}), s.runQueues(r))
}

// on is act on a pull request. An author needs only to read where orAuthor is set.
func (p *Person) on(pr Pull, need Role, orAuthor bool, what string, f func(i *issue, by actor) error) error {
	return p.onEither(pr, need, orAuthor, what, func(i *issue, by actor) error {
		if i.pull == nil {
			return refuse("Not Found")
		}
		return f(i, by)
	})
}

// onEither is on for issues as well.
func (p *Person) onEither(pr Pull, need Role, orAuthor bool, what string, f func(i *issue, by actor) error) error {
	return p.act(pr.Repo, Read, what, func(r *repository, by actor) error {
		i := r.issue(pr.Number)
		if i == nil {
			return refuse("Not Found")
		}
		have := p.sim.role(r, by.account)
		if !have.AtLeast(need) && !(orAuthor && i.author == by.account) {
			return refuse("Must have %s access to %s to %s: %s has %s.", need, r.fullName(), what, by.account.login, have)
		}
		return f(i, by)
	})
}

func pullOf(i *issue) Pull {
	if i.pull == nil {
		return Pull{Repo: i.repo.fullName(), Number: i.number}
	}
	return Pull{Repo: i.repo.fullName(), Number: i.number, Head: i.pull.head, Branch: i.pull.headRef}
}

// Fork makes a fork of the repository in the person's account and returns its owner/name.
func (p *Person) Fork(repo string) (string, error) {
	var name string
	err := p.act(repo, Read, "fork", func(r *repository, by actor) error {
		f, err := p.sim.newRepository(by.account, r.name, RepoOptions{Private: r.private, DefaultBranch: r.defaultBranch}, r)
		if err != nil {
			return err
		}
		name = f.fullName()
		return p.sim.writeRef(f, f.defaultBranch, r.branches[r.defaultBranch])
	})
	return name, err
}

// OpenPull pushes a branch, if there is anything to push, and opens a pull request from it.
func (p *Person) OpenPull(repo string, o PullOptions) (Pull, error) {
	var out Pull
	err := p.act(repo, Read, "open a pull request", func(r *repository, by actor) error {
		s := p.sim
		if o.Base == "" {
			o.Base = r.defaultBranch
		}
		head := r
		if o.From != "" {
			var err error
			if head, err = s.repository(o.From); err != nil {
				return err
			}
		}
		if o.Branch == "" {
			o.Branch = fmt.Sprintf("%s-patch-%d", strings.Trim(by.account.login, "[]"), len(r.issues)+1)
			o.Branch = strings.NewReplacer("[", "-", "]", "").Replace(o.Branch)
		}
		commits := o.Commits
		if len(o.Files) > 0 {
			commits = append([]Commit{{Message: o.Title, Files: o.Files}}, commits...)
		}
		if len(commits) > 0 {
			start := head.branches[o.Branch]
			if start == "" {
				start = r.branches[o.Base]
			}
			if start == "" {
				return refuse("Validation Failed: base %s is invalid", o.Base)
			}
			if err := s.push(head, o.Branch, start, commits, by); err != nil {
				return err
			}
		}
		if o.Title == "" {
			o.Title = o.Branch
		}
		i, err := s.openPull(r, head, o, by)
		if err != nil {
			return err
		}
		out = pullOf(i)
		if (len(o.Labels) > 0 || len(o.Reviewers) > 0) && !s.role(r, by.account).AtLeast(Triage) {
			return refuse("Must have triage access to %s to set labels and reviewers.", r.fullName())
		}
		for _, l := range o.Labels {
			s.addLabel(i, l, by)
		}
		for _, who := range o.Reviewers {
			if err := s.requestByName(i, who, by); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// OpenIssue opens an issue.
func (p *Person) OpenIssue(repo, title, body string) (Pull, error) {
	var out Pull
	err := p.act(repo, Read, "open an issue", func(r *repository, by actor) error {
		i := p.sim.newIssue(r, by, title, body)
		p.sim.emitIssue(i, "opened", by, nil)
		out = pullOf(i)
		return nil
	})
	return out, err
}

// pushHead runs f to find the commit that the pull request's branch is to point to, and pushes it.
func (p *Person) pushHead(pr Pull, f func(i *issue, by actor) (string, error)) (Pull, error) {
	out := pr
	err := p.on(pr, Read, false, "push", func(i *issue, by actor) error {
		s, pull := p.sim, i.pull
		if pull.headRepo == nil {
			return refuse("The head repository was deleted.")
		}
		mayMaintain := pull.maintainersPush && s.role(i.repo, by.account).AtLeast(Write)
		if !s.role(pull.headRepo, by.account).AtLeast(Write) && !mayMaintain {
			return refuse("Permission to %s.git denied to %s.", pull.headRepo.fullName(), by.account.login)
		}
		to, err := f(i, by)
		if err != nil {
			return err
		}
		err = s.pushTo(pull.headRepo, pull.headRef, to, by)
		out = pullOf(i)
		return err
	})
	return out, err
}

// Push adds commits to the pull request's branch.
func (p *Person) Push(pr Pull, commits ...Commit) (Pull, error) {
	return p.pushHead(pr, func(i *issue, by actor) (string, error) {
		return p.sim.stack(i.repo, i.pull.headRepo.branches[i.pull.headRef], commits, by)
	})
}

// ForcePush replaces the pull request's commits with these, on top of the merge base.
func (p *Person) ForcePush(pr Pull, commits ...Commit) (Pull, error) {
	return p.pushHead(pr, func(i *issue, by actor) (string, error) {
		return p.sim.stack(i.repo, i.pull.mergeBase, commits, by)
	})
}

// PushSHA points the pull request's branch to a commit that the repository or one of its forks has, forced if need be.
func (p *Person) PushSHA(pr Pull, sha string) (Pull, error) {
	return p.pushHead(pr, func(i *issue, _ actor) (string, error) {
		_, err := i.repo.st.commit(sha)
		return sha, err
	})
}

// Rebase puts the pull request's commits on top of the base's tip, with the person as their committer, and force-pushes them.
func (p *Person) Rebase(pr Pull) (Pull, error) {
	return p.pushHead(pr, func(i *issue, by actor) (string, error) {
		c, err := p.sim.replay(i.repo, i.repo.branches[i.pull.base], i.pull.head, by.account)
		if err != nil {
			return "", err
		}
		return c.sha, nil
	})
}

// UpdateBranch merges the base into the pull request's branch, as GitHub's button does.
func (p *Person) UpdateBranch(pr Pull) (Pull, error) {
	return p.pushHead(pr, func(i *issue, by actor) (string, error) {
		tip := i.repo.branches[i.pull.base]
		if i.repo.st.reaches(i.pull.head, tip) {
			return "", refuse("There are no new commits on the base branch.")
		}
		tree, err := p.sim.testMerge(i)
		if err != nil {
			return "", refuse("merge conflict between base and head")
		}
		message := fmt.Sprintf("Merge branch '%s' into %s", i.pull.base, i.pull.headRef)
		c, err := p.sim.webCommit(i.repo, tree, []string{i.pull.head, tip}, by.account, message)
		if err != nil {
			return "", err
		}
		return c.sha, nil
	})
}

// AddLabel sets a label on the pull request. A label that the repository does not have is made by whoever may write.
func (p *Person) AddLabel(pr Pull, name string) error {
	return p.onEither(pr, Triage, false, "set labels", func(i *issue, by actor) error {
		if i.repo.labels[strings.ToLower(name)] == nil && !p.sim.role(i.repo, by.account).AtLeast(Write) {
			return refuse("Label %q does not exist", name)
		}
		p.sim.addLabel(i, name, by)
		return nil
	})
}

// RemoveLabel takes a label off the pull request.
func (p *Person) RemoveLabel(pr Pull, name string) error {
	return p.onEither(pr, Triage, false, "remove labels", func(i *issue, by actor) error {
		l := i.repo.labels[strings.ToLower(name)]
		if l == nil || !i.hasLabel(l) {
			return refuse("Label does not exist")
		}
		p.sim.removeLabel(i, l, by)
		return nil
	})
}

// Approve submits an approval of the head.
func (p *Person) Approve(pr Pull) error { return p.review(pr, "APPROVED", "") }

// RequestChanges submits a review that asks for changes.
func (p *Person) RequestChanges(pr Pull, body string) error {
	return p.review(pr, "CHANGES_REQUESTED", body)
}

// CommentReview submits a review that is neither.
func (p *Person) CommentReview(pr Pull, body string) error { return p.review(pr, "COMMENTED", body) }

func (p *Person) review(pr Pull, state, body string) error {
	return p.on(pr, Read, false, "review", func(i *issue, by actor) error {
		_, err := p.sim.submitReview(i, state, body, i.pull.head, by)
		return err
	})
}

// DismissReview dismisses the latest approval or request for changes of the account.
func (p *Person) DismissReview(pr Pull, of, message string) error {
	return p.on(pr, Write, false, "dismiss reviews", func(i *issue, by actor) error {
		for _, rv := range slices.Backward(i.pull.reviews) {
			if rv.author != nil && strings.EqualFold(rv.author.login, of) && (rv.state == "APPROVED" || rv.state == "CHANGES_REQUESTED") {
				return p.sim.dismissReview(i, rv, message, by)
			}
		}
		return refuse("%s has no review to dismiss", of)
	})
}

// RequestReview asks accounts (logins) and teams (org/slug) for a review.
func (p *Person) RequestReview(pr Pull, who ...string) error {
	return p.on(pr, Triage, false, "request reviews", func(i *issue, by actor) error {
		for _, name := range who {
			if err := p.sim.requestByName(i, name, by); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveReviewRequest takes such a request back.
func (p *Person) RemoveReviewRequest(pr Pull, who string) error {
	return p.on(pr, Triage, false, "remove review requests", func(i *issue, by actor) error {
		if org, slug, isTeam := strings.Cut(who, "/"); isTeam {
			t, err := p.sim.team(org, slug)
			if err != nil {
				return err
			}
			p.sim.unrequest(i, nil, t, by)
			return nil
		}
		a, err := p.sim.account(who)
		if err != nil {
			return err
		}
		p.sim.unrequest(i, a, nil, by)
		return nil
	})
}

func (s *Sim) requestByName(i *issue, who string, by actor) error {
	if org, slug, isTeam := strings.Cut(who, "/"); isTeam {
		t, err := s.team(org, slug)
		if err != nil {
			return err
		}
		s.requestTeam(i, t, by)
		return nil
	}
	a, err := s.account(who)
	if err != nil {
		return err
	}
	if a == i.author {
		return refuse("Review cannot be requested from pull request author.")
	}
	s.requestUser(i, a, by)
	return nil
}

// Assign assigns the accounts to the pull request or issue, those that can be.
func (p *Person) Assign(pr Pull, logins ...string) error {
	return p.onEither(pr, Triage, false, "assign", func(i *issue, by actor) error {
		p.sim.assign(i, logins, true, by)
		return nil
	})
}

// Unassign ends that the accounts are assigned.
func (p *Person) Unassign(pr Pull, logins ...string) error {
	return p.onEither(pr, Triage, false, "assign", func(i *issue, by actor) error {
		p.sim.assign(i, logins, false, by)
		return nil
	})
}

// Comment writes a comment and returns its id.
func (p *Person) Comment(pr Pull, body string) (int64, error) {
	var id int64
	err := p.act(pr.Repo, Read, "comment", func(r *repository, by actor) error {
		i := r.issue(pr.Number)
		if i == nil {
			return refuse("Not Found")
		}
		id = p.sim.addComment(i, body, by).id
		return nil
	})
	return id, err
}

// EditComment changes a comment: one's own, or with write access anyone's.
func (p *Person) EditComment(pr Pull, id int64, body string) error {
	return p.onComment(pr, id, func(c *comment, by actor) { p.sim.editComment(c, body, by) })
}

// DeleteComment deletes a comment: one's own, or with write access anyone's.
func (p *Person) DeleteComment(pr Pull, id int64) error {
	return p.onComment(pr, id, func(c *comment, by actor) { p.sim.deleteComment(c, by) })
}

func (p *Person) onComment(pr Pull, id int64, f func(c *comment, by actor)) error {
	return p.act(pr.Repo, Read, "comment", func(r *repository, by actor) error {
		c := p.sim.comment(r, id)
		if c == nil {
			return refuse("Not Found")
		}
		if c.author != by.account && !p.sim.role(r, by.account).AtLeast(Write) {
			return refuse("Must have write access to %s to change others' comments.", r.fullName())
		}
		f(c, by)
		return nil
	})
}

// EditTitle changes the title: the author may, and whoever may write.
func (p *Person) EditTitle(pr Pull, title string) error {
	return p.onEither(pr, Write, true, "edit the title", func(i *issue, by actor) error {
		p.sim.editIssue(i, by, &title, nil)
		return nil
	})
}

// EditBody changes the description: the author may, and whoever may write.
func (p *Person) EditBody(pr Pull, body string) error {
	return p.onEither(pr, Write, true, "edit the description", func(i *issue, by actor) error {
		p.sim.editIssue(i, by, nil, &body)
		return nil
	})
}

// Retarget changes the base branch.
func (p *Person) Retarget(pr Pull, base string) error {
	return p.on(pr, Write, true, "change the base", func(i *issue, by actor) error {
		return p.sim.retarget(i, base, by)
	})
}

// Close closes the pull request without merging it, or the issue as completed.
func (p *Person) Close(pr Pull) error {
	return p.onEither(pr, Triage, true, "close", func(i *issue, by actor) error {
		p.sim.closeIssue(i, by, "")
		return nil
	})
}

// Reopen opens a closed pull request again, unless its branch was deleted or force-pushed meanwhile.
func (p *Person) Reopen(pr Pull) error {
	return p.onEither(pr, Triage, true, "reopen", func(i *issue, by actor) error { return p.sim.reopenIssue(i, by) })
}

// ConvertToDraft makes the pull request a draft.
func (p *Person) ConvertToDraft(pr Pull) error {
	return p.on(pr, Write, true, "convert to draft", func(i *issue, by actor) error { return p.sim.setDraft(i, true, by) })
}

// ReadyForReview ends the draft.
func (p *Person) ReadyForReview(pr Pull) error {
	return p.on(pr, Write, true, "mark as ready", func(i *issue, by actor) error { return p.sim.setDraft(i, false, by) })
}

// RenameLabel renames a label of the repository; it stays on what carries it, and nobody is said to have set it.
func (p *Person) RenameLabel(repo, from, to string) error {
	return p.act(repo, Write, "rename labels", func(r *repository, by actor) error {
		l := r.labels[strings.ToLower(from)]
		if l == nil {
			return refuse("Label does not exist")
		}
		return p.sim.editLabel(r, l, to, "", nil, by)
	})
}

// DeleteLabel deletes a label of the repository, off everything that carries it.
func (p *Person) DeleteLabel(repo, name string) error {
	return p.act(repo, Write, "delete labels", func(r *repository, by actor) error {
		l := r.labels[strings.ToLower(name)]
		if l == nil {
			return refuse("Label does not exist")
		}
		p.sim.deleteLabel(r, l, by)
		return nil
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
