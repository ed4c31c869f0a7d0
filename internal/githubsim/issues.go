package githubsim

import (
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

func (s *Sim) closeIssue(i *issue, by actor, reason string) {
	if i.state == "closed" {
		return
	}
	if i.pull == nil && reason == "" {
		reason = "completed"
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

// assign adds or removes assignees. GitHub passes over those who cannot be assigned without a word.
func (s *Sim) assign(i *issue, logins []string, add bool, by actor) {
	for _, login := range logins {
		a, err := s.account(login)
		if err != nil || add && !s.collaborates(i.repo, a) || slices.Contains(i.assignees, a) == add {
			continue
		}
		kind := "unassigned"
		if add {
			kind = "assigned"
			i.assignees = append(i.assignees, a)
		} else {
			i.assignees = slices.DeleteFunc(i.assignees, func(x *account) bool { return x == a })
		}
		s.record(i, by, event{kind: kind, user: a})
		s.emitEither(i, kind, by, func() obj { return obj{"assignee": s.userJSON(a)} })
	}
}

func (s *Sim) deleteComment(c *comment, by actor) {
	i := c.issue
	i.comments = slices.DeleteFunc(i.comments, func(x *comment) bool { return x == c })
	i.timeline = slices.DeleteFunc(i.timeline, func(e *event) bool { return e.comment == c })
	c.deleted = true
	s.record(i, by, event{kind: "comment_deleted"})
	s.emitComment(c, "deleted", by, nil)
}

func (s *Sim) comment(r *repository, id int64) *comment {
	for _, i := range r.issues {
		for _, c := range i.comments {
			if c.id == id {
				return c
			}
		}
	}
	return nil
}
