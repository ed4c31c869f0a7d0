package githubsim

import (
	"fmt"
	"slices"
)

// pullJSON returns a pull request: in full, or as lists show it.
func (s *Sim) pullJSON(i *issue, full bool) obj {
	p, r := i.pull, i.repo
	api, html := s.repoAPI(r), s.htmlURL("/%s/pull/%d", r.fullName(), i.number)
	self := fmt.Sprintf("%s/pulls/%d", api, i.number)
	issueURL := fmt.Sprintf("%s/issues/%d", api, i.number)
	links := map[string]string{
		"self": self, "html": html, "issue": issueURL, "comments": issueURL + "/comments", "review_comments": self + "/comments",
		"review_comment": api + "/pulls/comments{/number}", "commits": self + "/commits", "statuses": api + "/statuses/" + p.head,
	}
	hrefs := obj{}
	for name, link := range links {
		hrefs[name] = obj{"href": link}
	}
	teams := []obj{}
	for _, t := range p.teams {
		teams = append(teams, s.teamJSON(t))
	}
	assignee := any(nil)
	if len(i.assignees) > 0 {
		assignee = s.userJSON(i.assignees[0])
	}
	o := obj{
		"url": self, "id": p.id, "node_id": node("PullRequest", p.id), "html_url": html, "diff_url": html + ".diff",
		"patch_url": html + ".patch", "issue_url": issueURL, "commits_url": links["commits"], "review_comments_url": links["review_comments"],
		"review_comment_url": links["review_comment"], "comments_url": links["comments"], "statuses_url": links["statuses"],
		"number": i.number, "state": i.state, "locked": false, "active_lock_reason": nil, "title": i.title, "user": s.userJSON(i.author),
		"body": orNull(i.body), "labels": s.labelsJSON(i), "milestone": nil, "created_at": stamp(i.created), "updated_at": stamp(i.updated),
		"closed_at": stamp(i.closed), "merged_at": stamp(p.mergedAt), "merge_commit_sha": orNull(p.mergeCommit), "assignee": assignee,
		"assignees": s.usersJSON(i.assignees), "requested_reviewers": s.usersJSON(p.reviewers), "requested_teams": teams,
		"head": s.endJSON(p.headRepo, p.headOwner, p.headRef, p.head), "base": s.endJSON(r, r.owner, p.base, p.baseSHA),
		"_links": hrefs, "author_association": s.association(r, i.author), "auto_merge": nil, "draft": p.draft,
	}
	var mergeable any
	state := "unknown"
	if !p.merged {
		mergeable, state = s.mergeability(i)
		if mergeable == true {
			o["merge_commit_sha"] = s.testMergeSHA(i)
		}
	}
	if full {
		o["merged"], o["mergeable"], o["mergeable_state"], o["rebaseable"] = p.merged, mergeable, state, mergeable
		o["merged_by"] = s.userJSON(p.mergedBy)
		o["comments"], o["review_comments"], o["maintainer_can_modify"] = len(i.comments), 0, p.maintainersPush
		o["commits"], o["additions"], o["deletions"] = len(p.commits), p.diff.additions, p.diff.deletions
		o["changed_files"] = len(p.diff.files)
	}
	return o
}

func (s *Sim) mergeability(i *issue) (mergeable any, state string) {
	if i.state != "open" {
		return nil, "unknown"
	}
	if _, err := s.testMerge(i); err != nil {
		return false, "dirty"
	}
	switch {
	case i.pull.draft:
		return true, "draft"
	case s.blocked(i) != nil:
		return true, "blocked"
	}
	for _, cs := range i.repo.suites[i.pull.head] {
		for _, run := range cs.latest() {
			if run.status != "completed" || !slices.Contains([]string{"success", "neutral", "skipped"}, run.conclusion) {
				return true, "unstable"
			}
		}
	}
	return true, "clean"
}

// testMergeSHA returns the commit that GitHub makes to test whether the head merges.
func (s *Sim) testMergeSHA(i *issue) any {
	tree, err := s.testMerge(i)
	if err != nil {
		return nil
	}
	tip := i.repo.branches[i.pull.base]
	at := i.repo.st.commits[i.pull.head].committer.at
	c, err := i.repo.st.writeCommit(commit{tree: tree, parents: []string{tip, i.pull.head}, author: s.signature(i.author, at),
		committer: signature{"GitHub", "noreply@github.com", at}, message: fmt.Sprintf("Merge %s into %s\n", i.pull.head, tip), signed: true})
	if err != nil {
		return nil
	}
	return c.sha
}

func (s *Sim) endJSON(r *repository, owner *account, ref, sha string) obj {
	label := ref
	if owner != nil {
		label = owner.login + ":" + ref
	}
	return obj{"label": label, "ref": ref, "sha": sha, "user": s.userJSON(owner), "repo": s.repoJSON(r)}
}

func (s *Sim) minimalPull(i *issue) obj {
	p := i.pull
	end := func(r *repository, ref, sha string) obj {
		return obj{"ref": ref, "sha": sha, "repo": obj{"id": r.id, "url": s.repoAPI(r), "name": r.name}}
	}
	return obj{"id": p.id, "number": i.number, "url": fmt.Sprintf("%s/pulls/%d", s.repoAPI(i.repo), i.number),
		"head": end(p.headRepo, p.headRef, p.head), "base": end(i.repo, p.base, p.baseSHA)}
}

// pullsAt returns the open pull requests of a branch of the repository itself with that head; for a fork's GitHub names none.
func (s *Sim) pullsAt(r *repository, sha string) []obj {
	out := []obj{}
	for _, i := range r.issues {
		if p := i.pull; p != nil && i.state == "open" && p.head == sha && p.headRepo == r {
			out = append(out, s.minimalPull(i))
		}
	}
	return out
}

func (s *Sim) reviewJSON(i *issue, rv *review) obj {
	html := s.htmlURL("/%s/pull/%d#pullrequestreview-%d", i.repo.fullName(), i.number, rv.id)
	api := fmt.Sprintf("%s/pulls/%d", s.repoAPI(i.repo), i.number)
	return obj{"id": rv.id, "node_id": node("PullRequestReview", rv.id), "user": s.actorJSON(rv.author), "body": rv.body, "state": rv.state,
		"html_url": html, "pull_request_url": api, "_links": obj{"html": obj{"href": html}, "pull_request": obj{"href": api}},
		"commit_id": rv.sha, "submitted_at": stamp(rv.at), "author_association": s.association(i.repo, rv.author)}
}
