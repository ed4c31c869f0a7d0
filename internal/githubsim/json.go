package githubsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// obj is a JSON object. Once built it is not changed, so that it may be encoded without the lock.
type obj map[string]any

func node(kind string, id any) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s:%v", kind, id))
}

// stamp returns a time as GitHub writes it, null for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only what this package built is encoded
	}
	return b
}

// userJSON returns an account, or null for none. A deleted one is shown as ghost.
func (s *Sim) userJSON(a *account) any {
	if a == nil {
		return nil
	}
	if a.deleted {
		a = s.ghost
	}
	if a.json == nil {
		a.json = encode(s.user(a))
	}
	return a.json
}

// actorJSON is userJSON but for a deleted account, which GitHub shows as null in events and reviews.
func (s *Sim) actorJSON(a *account) any {
	if a == nil || a.deleted {
		return nil
	}
	return s.userJSON(a)
}

func (s *Sim) user(a *account) obj {
	api := s.apiURL("/users/%s", url.PathEscape(a.login))
	html := s.htmlURL("/%s", a.login)
	if a.kind == kindBot {
		html = s.htmlURL("/apps/%s", strings.TrimSuffix(a.login, "[bot]"))
	}
	return obj{
		"login": a.login, "id": a.id, "node_id": node(string(a.kind), a.id), "type": string(a.kind), "site_admin": false,
		"avatar_url": s.htmlURL("/avatars/%d", a.id), "gravatar_id": "", "url": api, "html_url": html, "user_view_type": "public",
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}", "gists_url": api + "/gists{/gist_id}",
		"starred_url": api + "/starred{/owner}{/repo}", "subscriptions_url": api + "/subscriptions",
		"organizations_url": api + "/orgs", "repos_url": api + "/repos", "events_url": api + "/events{/privacy}",
		"received_events_url": api + "/received_events",
	}
}

func (s *Sim) orgJSON(a *account) obj {
	api := s.apiURL("/orgs/%s", a.login)
	return obj{
		"login": a.login, "id": a.id, "node_id": node("Organization", a.id), "url": api, "repos_url": api + "/repos",
		"events_url": api + "/events", "hooks_url": api + "/hooks", "issues_url": api + "/issues",
		"members_url": api + "/members{/member}", "public_members_url": api + "/public_members{/member}",
		"avatar_url": s.htmlURL("/avatars/%d", a.id), "description": nil,
	}
}

// repoJSON returns a repository in full, or null for none.
func (s *Sim) repoJSON(r *repository) any {
	if r == nil {
		return nil
	}
	if r.json == nil {
		r.json = encode(s.repo(r))
	}
	return r.json
}

var repoLinks = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
	"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
	"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}",
}

func (s *Sim) repo(r *repository) obj {
	api, html := s.repoAPI(r), s.htmlURL("/%s", r.fullName())
	open := 0
	for _, i := range r.issues {
		if i.state == "open" {
			open++
		}
	}
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	o := obj{
		"id": r.id, "node_id": node("Repository", r.id), "name": r.name, "full_name": r.fullName(), "owner": s.userJSON(r.owner),
		"private": r.private, "visibility": visibility, "html_url": html, "description": orNull(r.description), "fork": r.parent != nil,
		"url": api, "git_url": html + ".git", "ssh_url": "git@github.invalid:" + r.fullName() + ".git", "clone_url": html + ".git",
		"svn_url": html, "mirror_url": nil, "homepage": nil, "language": nil, "license": nil, "forks_count": 0, "forks": 0,
		"stargazers_count": 0, "watchers_count": 0, "watchers": 0, "size": 1, "default_branch": r.defaultBranch,
		"open_issues_count": open, "open_issues": open, "is_template": false, "topics": []string{}, "has_issues": true,
		"has_projects": true, "has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": false, "archived": false,
		"disabled": false, "pushed_at": stamp(r.pushed), "created_at": stamp(r.created), "updated_at": stamp(r.updated),
		"allow_forking": true, "web_commit_signoff_required": false, "subscribers_count": 0, "network_count": 0,
		"allow_rebase_merge": true, "allow_squash_merge": true, "allow_merge_commit": true, "allow_auto_merge": false,
		"delete_branch_on_merge": false, "custom_properties": obj{},
	}
	for name, link := range repoLinks {
		o[name] = api + link
	}
	return o
}

func (s *Sim) repoAPI(r *repository) string { return s.apiURL("/repos/%s", r.fullName()) }

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

func (s *Sim) teamJSON(t *team) obj {
	o := s.simpleTeam(t)
	o["parent"] = nil
	if t.parent != nil {
		o["parent"] = s.simpleTeam(t.parent)
	}
	return o
}

func (s *Sim) simpleTeam(t *team) obj {
	api := s.apiURL("/organizations/%d/team/%d", t.org.account.id, t.id)
	return obj{"id": t.id, "node_id": node("Team", t.id), "name": t.name, "slug": t.slug, "description": nil, "privacy": "closed",
		"notification_setting": "notifications_enabled", "permission": "pull", "url": api,
		"html_url":    s.htmlURL("/orgs/%s/teams/%s", t.org.account.login, t.slug),
		"members_url": api + "/members{/member}", "repositories_url": api + "/repos", "type": "organization",
		"organization_id": t.org.account.id}
}

func (s *Sim) usersJSON(accounts []*account) []any {
	out := []any{}
	for _, a := range accounts {
		out = append(out, s.userJSON(a))
	}
	return out
}

func (s *Sim) association(r *repository, a *account) string {
	switch {
	case a == nil || a.deleted:
		return "NONE"
	case r.owner == a:
		return "OWNER"
	}
	if org := s.orgs[r.owner]; org != nil {
		if _, member := org.members[a]; member {
			return "MEMBER"
		}
	}
	if r.collaborators[a] != "" {
		return "COLLABORATOR"
	}
	for _, i := range r.issues {
		if i.pull != nil && i.pull.merged && i.author == a {
			return "CONTRIBUTOR"
		}
	}
	return "NONE"
}

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

func (s *Sim) reviewJSON(i *issue, rv *review) obj {
	html := s.htmlURL("/%s/pull/%d#pullrequestreview-%d", i.repo.fullName(), i.number, rv.id)
	api := fmt.Sprintf("%s/pulls/%d", s.repoAPI(i.repo), i.number)
	return obj{"id": rv.id, "node_id": node("PullRequestReview", rv.id), "user": s.actorJSON(rv.author), "body": rv.body, "state": rv.state,
		"html_url": html, "pull_request_url": api, "_links": obj{"html": obj{"href": html}, "pull_request": obj{"href": api}},
		"commit_id": rv.sha, "submitted_at": stamp(rv.at), "author_association": s.association(i.repo, rv.author)}
}

func (s *Sim) appJSON(a *app) any {
	if a == nil {
		return nil
	}
	return obj{"id": a.id, "slug": a.slug, "node_id": node("App", a.id), "client_id": fmt.Sprintf("Iv1.%016x", a.id),
		"owner": s.userJSON(a.owner), "name": a.name, "description": "", "external_url": s.htmlURL("/%s", a.slug),
		"html_url": s.htmlURL("/apps/%s", a.slug), "created_at": stamp(a.created), "updated_at": stamp(a.created),
		"permissions": copyMap(a.permissions), "events": eventList(a)}
}

func eventList(a *app) []string { return append([]string{}, a.events...) }

func copyMap(m map[string]string) obj {
	o := obj{}
	for k, v := range m {
		o[k] = v
	}
	return o
}

func (s *Sim) installationJSON(in *installation) obj {
	selection := "selected"
	if in.all {
		selection = "all"
	}
	html := s.htmlURL("/settings/installations/%d", in.id)
	if in.account.kind == kindOrganization {
		html = s.htmlURL("/organizations/%s/settings/installations/%d", in.account.login, in.id)
	}
	return obj{"id": in.id, "account": s.userJSON(in.account), "repository_selection": selection,
		"access_tokens_url": s.apiURL("/app/installations/%d/access_tokens", in.id),
		"repositories_url":  s.apiURL("/installation/repositories"), "html_url": html, "app_id": in.app.id, "app_slug": in.app.slug,
		"client_id": fmt.Sprintf("Iv1.%016x", in.app.id), "target_id": in.account.id, "target_type": string(in.account.kind),
		"permissions": copyMap(in.permissions), "events": eventList(in.app), "created_at": stamp(in.created), "updated_at": stamp(in.updated),
		"single_file_name": nil, "has_multiple_single_files": false, "single_file_paths": []string{},
		"suspended_by": s.userJSON(in.suspendedBy), "suspended_at": stamp(in.suspended)}
}

func gitSignature(sig signature) obj {
	return obj{"name": sig.name, "email": sig.email, "date": stamp(sig.at)}
}

func verification(c *commit) obj {
	if !c.signed {
		return obj{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
	}
	return obj{"verified": true, "reason": "valid", "signature": simulatedSignature, "payload": "tree " + c.tree, "verified_at": stamp(c.committer.at)}
}

func (s *Sim) commitJSON(r *repository, c *commit) obj {
	api := s.repoAPI(r)
	html := s.htmlURL("/%s/commit/", r.fullName())
	parents := []obj{}
	for _, p := range c.parents {
		parents = append(parents, obj{"sha": p, "url": api + "/commits/" + p, "html_url": html + p})
	}
	return obj{"sha": c.sha, "node_id": node("Commit", c.sha), "url": api + "/commits/" + c.sha, "html_url": html + c.sha,
		"comments_url": api + "/commits/" + c.sha + "/comments", "author": s.userJSON(s.accountOf(c.author)),
		"committer": s.userJSON(s.accountOf(c.committer)), "parents": parents,
		"commit": obj{"url": api + "/git/commits/" + c.sha, "author": gitSignature(c.author), "committer": gitSignature(c.committer),
			"message": strings.TrimRight(c.message, "\n"), "comment_count": 0, "verification": verification(c),
			"tree": obj{"sha": c.tree, "url": api + "/git/trees/" + c.tree}}}
}

func (s *Sim) fileJSON(r *repository, head string, f *diffFile) obj {
	path := escapePath(f.path)
	o := obj{"sha": f.sha, "filename": f.path, "status": f.status, "additions": f.additions, "deletions": f.deletions,
		"changes":      f.additions + f.deletions,
		"blob_url":     s.htmlURL("/%s/blob/%s/%s", r.fullName(), head, path),
		"raw_url":      s.htmlURL("/%s/raw/%s/%s", r.fullName(), head, path),
		"contents_url": s.repoAPI(r) + "/contents/" + path + "?ref=" + head}
	if f.previous != "" {
		o["previous_filename"] = f.previous
	}
	if f.patch != "" {
		o["patch"] = f.patch
	}
	return o
}

func (s *Sim) suiteJSON(cs *checkSuite) obj {
	state, conclusion := cs.state()
	api := fmt.Sprintf("%s/check-suites/%d", s.repoAPI(cs.repo), cs.id)
	return obj{"id": cs.id, "node_id": node("CheckSuite", cs.id), "head_branch": orNull(cs.branch), "head_sha": cs.sha, "status": state,
		"conclusion": orNull(conclusion), "url": api, "before": orNull(cs.before), "after": cs.sha, "pull_requests": s.pullsAt(cs.repo, cs.sha),
		"app": s.appJSON(cs.app), "created_at": stamp(cs.created), "updated_at": stamp(cs.updated), "rerequestable": true,
		"runs_rerequestable": true, "latest_check_runs_count": len(cs.latest()), "check_runs_url": api + "/check-runs",
		"head_commit": s.simpleCommit(cs.repo.st.commits[cs.sha])}
}

func (s *Sim) simpleCommit(c *commit) obj {
	return obj{"id": c.sha, "tree_id": c.tree, "message": strings.TrimRight(c.message, "\n"), "timestamp": stamp(c.committer.at),
		"author":    obj{"name": c.author.name, "email": c.author.email},
		"committer": obj{"name": c.committer.name, "email": c.committer.email}}
}

func text(p *string) any {
	if p == nil {
		return nil
	}
	return *p
}

func (s *Sim) runJSON(run *checkRun) obj {
	cs := run.suite
	api := fmt.Sprintf("%s/check-runs/%d", s.repoAPI(cs.repo), run.id)
	return obj{"id": run.id, "node_id": node("CheckRun", run.id), "head_sha": cs.sha, "external_id": run.externalID, "url": api,
		"html_url": s.htmlURL("/%s/runs/%d", cs.repo.fullName(), run.id), "details_url": run.detailsURL, "status": run.status,
		"conclusion": orNull(run.conclusion), "started_at": stamp(run.started), "completed_at": stamp(run.completed), "name": run.name,
		"output": obj{"title": text(run.title), "summary": text(run.summary), "text": text(run.text),
			"annotations_count": len(run.annotations), "annotations_url": api + "/annotations"},
		"check_suite": obj{"id": cs.id}, "app": s.appJSON(cs.app), "pull_requests": s.pullsAt(cs.repo, cs.sha)}
}

func (s *Sim) statusJSON(r *repository, sha string, st *status) obj {
	o := s.simpleStatus(r, sha, st)
	o["creator"] = s.actorJSON(st.creator)
	return o
}

func (s *Sim) simpleStatus(r *repository, sha string, st *status) obj {
	avatar := any(nil)
	if st.creator != nil {
		avatar = s.htmlURL("/avatars/%d", st.creator.id)
	}
	return obj{"id": st.id, "node_id": node("Status", st.id), "url": s.repoAPI(r) + "/statuses/" + sha, "avatar_url": avatar,
		"state": st.state, "description": text(st.description), "target_url": text(st.url), "context": st.context,
		"created_at": stamp(st.at), "updated_at": stamp(st.at)}
}

func (s *Sim) workflowJSON(w *workflowRun) obj {
	cs, r := w.suite, w.suite.repo
	state, conclusion := cs.state()
	api := fmt.Sprintf("%s/actions/runs/%d", s.repoAPI(r), w.id)
	head := s.simpleCommit(r.st.commits[cs.sha])
	return obj{"id": w.id, "node_id": node("WorkflowRun", w.id), "name": w.name, "path": w.path, "head_branch": orNull(cs.branch), "head_sha": cs.sha,
		"run_number": w.number, "run_attempt": 1, "event": w.event, "status": state, "conclusion": orNull(conclusion),
		"workflow_id": w.workflowID, "check_suite_id": cs.id, "check_suite_node_id": node("CheckSuite", cs.id), "url": api,
		"html_url": s.htmlURL("/%s/actions/runs/%d", r.fullName(), w.id), "pull_requests": s.pullsAt(r, cs.sha),
		"created_at": stamp(w.created), "updated_at": stamp(w.updated), "run_started_at": stamp(w.created), "jobs_url": api + "/jobs",
		"logs_url": api + "/logs", "check_suite_url": fmt.Sprintf("%s/check-suites/%d", s.repoAPI(r), cs.id),
		"artifacts_url": api + "/artifacts", "cancel_url": api + "/cancel", "rerun_url": api + "/rerun", "previous_attempt_url": nil,
		"workflow_url": fmt.Sprintf("%s/actions/workflows/%d", s.repoAPI(r), w.workflowID), "head_commit": head, "repository": s.repoJSON(r),
		"head_repository": s.repoJSON(r), "display_title": head["message"], "actor": s.userJSON(w.actor),
		"triggering_actor": s.userJSON(w.actor), "referenced_workflows": []obj{}}
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

func (s *Sim) committedJSON(r *repository, c *commit) obj {
	o := s.commitJSON(r, c)
	inner := o["commit"].(obj)
	return obj{"event": "committed", "sha": c.sha, "node_id": o["node_id"], "url": s.repoAPI(r) + "/git/commits/" + c.sha,
		"html_url": o["html_url"], "author": inner["author"], "committer": inner["committer"], "tree": inner["tree"],
		"message": inner["message"], "parents": o["parents"], "verification": inner["verification"]}
}
