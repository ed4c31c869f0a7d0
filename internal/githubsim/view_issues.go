package githubsim

import "time"

// IssueView is an issue as its page shows it: a copy, which nothing changes any more.
type IssueView struct {
	Pull
	Title, Body string
	State       string // open or closed
	StateReason string // completed, not_planned, duplicate, reopened or ""
	Author      string
	ClosedBy    string // "" while it is open
	Created     time.Time
	Labels      []string
	Assignees   []string
	Comments    []CommentView // oldest first
	Events      []EventView   // oldest first, the comments among them
}

// CommentView is a comment on an issue or a pull request.
type CommentView struct {
	ID        int64
	Author    string
	Body      string
	Created   time.Time
	Updated   time.Time      // as Created if it was never edited
	Reactions []ReactionView // oldest first
}

// ReactionView is a reaction to a comment.
type ReactionView struct {
	Author, Content string
}

// Issues returns the repository's issues that are not pull requests, by number.
func (s *Sim) Issues(repo string) ([]IssueView, error) {
	return look(s, repo, func(r *repository) ([]IssueView, error) {
		var out []IssueView
		for _, i := range r.issues {
			if i.pull == nil {
				out = append(out, s.issueView(i))
			}
		}
		return out, nil
	})
}

// IssueView returns the issue as it is now. A pull request is none.
func (s *Sim) IssueView(repo string, number int) (IssueView, error) {
	return look(s, repo, func(r *repository) (IssueView, error) {
		i := r.issue(number)
		if i == nil || i.pull != nil {
			return IssueView{}, refuse("Not Found")
		}
		return s.issueView(i), nil
	})
}

// Comments returns the comments on a pull request or an issue, the oldest first.
func (s *Sim) Comments(pr Pull) ([]CommentView, error) {
	return look(s, pr.Repo, func(r *repository) ([]CommentView, error) {
		i := r.issue(pr.Number)
		if i == nil {
			return nil, refuse("Not Found")
		}
		return commentViews(i), nil
	})
}

func (s *Sim) issueView(i *issue) IssueView {
	v := IssueView{Pull: pullOf(i), Title: i.title, Body: i.body, State: i.state, StateReason: i.stateReason, Author: viewName(i.author),
		Created: i.created, Labels: viewLabels(i.labels), Comments: commentViews(i)}
	if i.state == "closed" {
		v.ClosedBy = viewName(i.closedBy)
	}
	for _, a := range i.assignees {
		v.Assignees = append(v.Assignees, viewName(a))
	}
	for _, e := range i.timeline {
		v.Events = append(v.Events, s.eventView(e))
	}
	return v
}

func commentViews(i *issue) []CommentView {
	var out []CommentView
	for _, c := range i.comments {
		out = append(out, CommentView{ID: c.id, Author: viewName(c.author), Body: c.body, Created: c.created, Updated: c.updated, Reactions: reactionViews(c)})
	}
	return out
}

func reactionViews(c *comment) []ReactionView {
	var out []ReactionView
	for _, r := range c.reactions {
		out = append(out, ReactionView{viewName(r.author), r.content})
	}
	return out
}
