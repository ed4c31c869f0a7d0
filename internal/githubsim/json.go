package githubsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
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
		"has_projects": true, "has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": false, "archived": r.archived,
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
