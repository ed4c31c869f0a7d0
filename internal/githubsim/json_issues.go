package githubsim

import (
	"fmt"
	"net/url"
	"strings"
)

func (s *Sim) labelJSON(r *repository, l *label) obj {
	return obj{"id": l.id, "node_id": node("Label", l.id), "url": s.repoAPI(r) + "/labels/" + url.PathEscape(l.name), "name": l.name,
		"color": l.color, "default": false, "description": orNull(l.description)}
}

func (s *Sim) labelsJSON(i *issue) []obj {
	out := []obj{}
	for _, l := range i.labels {
		out = append(out, s.labelJSON(i.repo, l))
	}
	return out
}

func (s *Sim) issueJSON(i *issue) obj {
	api := fmt.Sprintf("%s/issues/%d", s.repoAPI(i.repo), i.number)
	html := s.htmlURL("/%s/issues/%d", i.repo.fullName(), i.number)
	assignee := any(nil)
	if len(i.assignees) > 0 {
		assignee = s.userJSON(i.assignees[0])
	}
	o := obj{
		"id": i.id, "node_id": node("Issue", i.id), "url": api, "repository_url": s.repoAPI(i.repo), "labels_url": api + "/labels{/name}",
		"comments_url": api + "/comments", "events_url": api + "/events", "timeline_url": api + "/timeline", "html_url": html,
		"number": i.number, "state": i.state, "state_reason": orNull(i.stateReason), "title": i.title, "user": s.userJSON(i.author),
		"labels": s.labelsJSON(i), "assignee": assignee, "assignees": s.usersJSON(i.assignees), "milestone": nil, "locked": false,
		"active_lock_reason": nil, "comments": len(i.comments), "closed_at": stamp(i.closed), "created_at": stamp(i.created),
		"updated_at": stamp(i.updated), "body": orNull(i.body), "author_association": s.association(i.repo, i.author),
		"performed_via_github_app": s.appJSON(i.app), "reactions": s.reactionsJSON(api, nil), "closed_by": s.userJSON(i.closedBy),
		"draft": false,
	}
	if p := i.pull; p != nil {
		pullHTML := s.htmlURL("/%s/pull/%d", i.repo.fullName(), i.number)
		o["html_url"], o["draft"] = pullHTML, p.draft
		o["pull_request"] = obj{"url": fmt.Sprintf("%s/pulls/%d", s.repoAPI(i.repo), i.number), "html_url": pullHTML,
			"diff_url": pullHTML + ".diff", "patch_url": pullHTML + ".patch", "merged_at": stamp(p.mergedAt)}
	}
	return o
}

var reactionNames = []string{"+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"}

func (s *Sim) reactionsJSON(api string, reactions []*reaction) obj {
	o := obj{"url": api + "/reactions", "total_count": len(reactions)}
	for _, name := range reactionNames {
		n := 0
		for _, r := range reactions {
			if r.content == name {
				n++
			}
		}
		o[name] = n
	}
	return o
}

func (s *Sim) commentJSON(c *comment) obj {
	api := fmt.Sprintf("%s/issues/comments/%d", s.repoAPI(c.issue.repo), c.id)
	return obj{"id": c.id, "node_id": node("IssueComment", c.id), "url": api, "user": s.userJSON(c.author),
		"html_url":   s.htmlURL("/%s/issues/%d#issuecomment-%d", c.issue.repo.fullName(), c.issue.number, c.id),
		"created_at": stamp(c.created), "updated_at": stamp(c.updated), "body": c.body,
		"issue_url":          fmt.Sprintf("%s/issues/%d", s.repoAPI(c.issue.repo), c.issue.number),
		"author_association": s.association(c.issue.repo, c.author), "performed_via_github_app": s.appJSON(c.app),
		"reactions": s.reactionsJSON(api, c.reactions)}
}

func (s *Sim) reactionJSON(r *reaction) obj {
	return obj{"id": r.id, "node_id": node("Reaction", r.id), "user": s.actorJSON(r.author), "content": r.content, "created_at": stamp(r.at)}
}

// eventJSON returns an entry of an issue's events or timeline.
func (s *Sim) eventJSON(i *issue, e *event) obj {
	switch e.kind {
	case "committed":
		return s.committedJSON(i.repo, e.commit)
	case "commented":
		o := s.commentJSON(e.comment)
		o["event"], o["actor"] = e.kind, s.userJSON(e.comment.author)
		return o
	case "reviewed":
		o := s.reviewJSON(i, e.review)
		o["event"], o["state"] = e.kind, strings.ToLower(e.review.state)
		return o
	}
	o := obj{"id": e.id, "node_id": node("Event", e.id), "url": fmt.Sprintf("%s/issues/events/%d", s.repoAPI(i.repo), e.id),
		"actor": s.actorJSON(e.actor), "event": e.kind, "commit_id": orNull(e.sha), "commit_url": nil, "created_at": stamp(e.at),
		"performed_via_github_app": s.appJSON(e.app)}
	if e.sha != "" {
		o["commit_url"] = s.repoAPI(i.repo) + "/commits/" + e.sha
	}
	switch e.kind {
	case "labeled", "unlabeled":
		o["label"] = obj{"name": e.labelName, "color": e.label.color}
	case "renamed":
		o["rename"] = obj{"from": e.from, "to": e.to}
	case "review_requested", "review_request_removed":
		o["review_requester"] = s.actorJSON(e.actor)
		if e.user != nil {
			o["requested_reviewer"] = s.userJSON(e.user)
		} else {
			o["requested_team"] = s.teamJSON(e.team)
		}
	case "review_dismissed":
		o["dismissed_review"] = obj{"state": e.reviewState, "review_id": e.review.id, "dismissal_message": orNull(e.to)}
	case "closed", "reopened":
		o["state_reason"] = nil
		if i.pull == nil {
			o["state_reason"] = orNull(i.stateReason)
		}
	case "assigned", "unassigned":
		o["assignee"], o["assigner"] = s.userJSON(e.user), s.actorJSON(e.actor)
	}
	return o
}
