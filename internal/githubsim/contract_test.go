package githubsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

// do calls the API and returns what was answered, decoded into any.
func (w *world) do(c *github.Client, method, path string, body any) (status int, answer any, header http.Header) {
	w.t.Helper()
	return w.call(c, method, "/api/v3"+path, body)
}

// query asks by GraphQL, as the installation.
func (w *world) query(query string, variables m) (status int, answer any, header http.Header) {
	w.t.Helper()
	return w.call(w.api, "POST", "/api/graphql", m{"query": query, "variables": variables})
}

func (w *world) call(c *github.Client, method, path string, body any) (status int, answer any, header http.Header) {
	w.t.Helper()
	var send io.Reader
	if body != nil {
		send = bytes.NewReader(must[[]byte](w.t)(json.Marshal(body)))
	}
	req := must[*http.Request](w.t)(http.NewRequestWithContext(context.Background(), method, w.base+path, send))
	resp := must[*http.Response](w.t)(c.Client().Do(req))
	defer resp.Body.Close()
	raw := must[[]byte](w.t)(io.ReadAll(resp.Body))
	if len(raw) > 0 {
		check(w.t, json.Unmarshal(raw, &answer))
	}
	return resp.StatusCode, answer, resp.Header
}

func (w *world) ok(c *github.Client, method, path string, body any) any {
	w.t.Helper()
	status, answer, _ := w.do(c, method, path, body)
	if status >= 300 {
		w.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

func field(v any, path ...any) any {
	for _, p := range path {
		switch key := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			l, _ := v.([]any)
			if key >= len(l) {
				return nil
			}
			v = l[key]
		}
	}
	return v
}

func number(v any) int64 { f, _ := v.(float64); return int64(f) }

type m = map[string]any

// TestContract calls every operation that is served, with everything in the world that there can be. The world holds all of it to
// GitHub's description when it is done.
func TestContract(t *testing.T) {
	w := start(t)
	alice, bob, erin := w.As("alice"), w.As("bob"), w.As("erin")
	check(t,
		w.AddTeam("acme", "security/crypto", "bob"),
		w.Protect("acme/app", "main", githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{{Context: "Change policy", AppID: w.app.ID}, {Context: "ci"}}, RequiredApprovals: 1}),
		w.AddBot("renovate[bot]"),
	)
	pr := w.open(githubsim.PullOptions{Body: "Hello", Branch: "feature/hello", Commits: []githubsim.Commit{{Message: "First", CoAuthors: []string{"bob"}}},
		Reviewers: []string{"acme/security"}, Labels: []string{"bug"}})
	check(t, alice.AddLabel(pr, "New one"), bob.CommentReview(pr, "hm"), bob.RequestChanges(pr, "no"), erin.DismissReview(pr, "bob", "settled"),
		erin.RequestReview(pr, "bob", "acme/security"), erin.RemoveReviewRequest(pr, "bob"), alice.ConvertToDraft(pr), alice.ReadyForReview(pr),
		alice.EditTitle(pr, "Greet people"), alice.EditBody(pr, "Hello!"), alice.RemoveLabel(pr, "bug"), bob.Approve(pr),
		alice.PostStatus("acme/app", pr.Head, "ci", "pending", "wait"), alice.PostStatus("acme/app", pr.Head, "ci", "success", "done"))
	pr = must[githubsim.Pull](t)(alice.Push(pr, githubsim.Commit{Message: "More", Files: map[string]string{"a b.txt": "x\n"}}))
	pr = must[githubsim.Pull](t)(alice.ForcePush(pr, githubsim.Commit{Message: "All", Signed: true,
		Files: map[string]string{"a b.txt": "x\n", "lib/x.go": "package lib\n", "link": "main.go"},
		Modes: map[string]string{"link": "120000"}, CoAuthors: []string{"Someone <someone@elsewhere.example>"}}))
	id := must[int64](t)(alice.Comment(pr, "/change refresh"))
	check(t, alice.EditComment(pr, id, "/change refresh please"))
	must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{Name: "build", Workflow: ".github/workflows/ci.yml"}))
	must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{Name: "build", Workflow: ".github/workflows/ci.yml", Conclusion: "success"}))
	w.open(githubsim.PullOptions{Title: "Other", Branch: "other"})
	must[string](t)(bob.PushBranch("acme/app", "release/1", githubsim.Commit{Files: map[string]string{"r": "1\n"}}))
	check(t, alice.Retarget(pr, "release/1"), alice.Close(pr), alice.Reopen(pr), alice.Retarget(pr, "main"),
		alice.RenameLabel("acme/app", "enhancement", "feature"), alice.DeleteLabel("acme/app", "documentation"), w.AddLabel("acme/app", "EMERGENCY"))

	r, n := "/repos/acme/app", fmt.Sprint(pr.Number)
	get := func(path string) any { t.Helper(); return w.ok(w.api, "GET", path, nil) }
	for _, path := range []string{"", "/branches", "/branches?protected=true", "/branches/main", "/branches/release/1", "/branches/main/protection", "/branches/feature%2Fhello",
		"/rules/branches/main", "/contents/", "/contents/lib?ref=" + pr.Head, "/contents/lib/x.go?ref=feature/hello", "/contents/link?ref=" + pr.Head, "/contents/a%20b.txt?ref=" + pr.Head,
		"/git/trees/" + pr.Head, "/git/trees/feature%2Fhello?recursive=1", "/git/ref/heads/feature/hello", "/commits", "/commits?sha=" + pr.Head, "/commits/" + pr.Head,
		"/commits/main", "/compare/main...feature%2Fhello", "/compare/main...acme:feature%2Fhello?page=1&per_page=100", "/activity", "/activity?ref=feature/hello&activity_type=force_push",
		"/collaborators/alice/permission", "/collaborators/mallory/permission", "/pulls", "/pulls?state=all&base=main&sort=updated", "/pulls?head=acme:feature/hello",
		"/pulls/" + n, "/pulls/" + n + "/files", "/pulls/" + n + "/commits", "/pulls/" + n + "/reviews", "/pulls/" + n + "/requested_reviewers",
		"/commits/" + pr.Head + "/pulls", "/issues", "/issues/" + n, "/issues/" + n + "/events?per_page=100", "/issues/" + n + "/timeline?per_page=100", "/issues/" + n + "/labels",
		"/issues/" + n + "/comments", "/labels", "/labels/bug", "/commits/" + pr.Head + "/check-runs", "/commits/feature%2Fhello/check-runs?filter=all", "/commits/" + pr.Head + "/check-suites",
		"/commits/" + pr.Head + "/status", "/commits/" + pr.Head + "/statuses", "/actions/runs", "/actions/runs?head_sha=" + pr.Head} {
		get(r + path)
	}
	get(fmt.Sprintf("%s/git/blobs/%v", r, field(get(r+"/contents/main.go"), "sha")))
	get(fmt.Sprintf("%s/actions/runs/%d", r, number(field(get(r+"/actions/runs"), "workflow_runs", 0, "id"))))
	get(fmt.Sprintf("%s/issues/comments/%d", r, id))
	for _, path := range []string{"/orgs/acme/teams", "/orgs/acme/teams/security", "/orgs/acme/teams/crypto", "/orgs/acme/teams/security/members", "/orgs/acme/teams/security/memberships/bob",
		"/orgs/acme/members/erin", "/users/alice", "/users/renovate%5Bbot%5D", "/rate_limit", "/installation/repositories"} {
		get(path)
	}
	get(fmt.Sprintf("/user/%d", number(field(get("/users/alice"), "id"))))
	get("/orgs/acme/teams/tech-leads/repos/acme/app")

	app := func(method, path string) any { t.Helper(); return w.ok(w.appAPI, method, path, nil) }
	app("GET", "/app")
	app("GET", "/app/installations")
	app("GET", fmt.Sprintf("/app/installations/%d", w.install))
	app("GET", "/repos/acme/app/installation")
	app("GET", "/orgs/acme/installation")
	w.ok(w.appAPI, "POST", fmt.Sprintf("/app/installations/%d/access_tokens", w.install), m{"repositories": []string{"app"}, "permissions": m{"checks": "write"}})
	must[int64](t)(w.app.Install("bob"))
	app("GET", "/users/bob/installation")
	w.flush()
	d := app("GET", "/app/hook/deliveries")
	one := number(field(d, 0, "id"))
	app("GET", fmt.Sprintf("/app/hook/deliveries/%d", one))
	app("POST", fmt.Sprintf("/app/hook/deliveries/%d/attempts", one))

	post := func(method, path string, body any) any { t.Helper(); return w.ok(w.api, method, r+path, body) }
	run := number(field(post("POST", "/check-runs", m{"name": "Change policy", "head_sha": pr.Head, "status": "in_progress", "external_id": "1"}), "id"))
	path := fmt.Sprintf("/check-runs/%d", run)
	post("PATCH", path, m{"name": "Change policy", "status": "completed", "conclusion": "success", "output": m{"title": "ok", "summary": "fine",
		"annotations": []m{{"path": "main.go", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "hm"}}},
		"actions": []m{{"label": "Refresh", "description": "Decide again", "identifier": "refresh"}}})
	get(r + path)
	get(r + path + "/annotations")
	post("POST", path+"/rerequest", nil)
	check(t, bob.RerequestCheckRun("acme/app", run), bob.RequestedAction("acme/app", run, "refresh"))
	post("POST", "/statuses/"+pr.Head, m{"state": "success", "context": "change/policy", "description": "ok", "target_url": "https://example.com/x"})
	post("POST", "/pulls/"+n+"/requested_reviewers", m{"reviewers": []string{"bob"}, "team_reviewers": []string{"tech-leads"}})
	post("DELETE", "/pulls/"+n+"/requested_reviewers", m{"reviewers": []string{"bob"}, "team_reviewers": []string{"tech-leads"}})
	issue := fmt.Sprint(number(field(post("POST", "/issues", m{"title": "Retrospective", "body": "Why?", "labels": []string{"bug"}, "assignees": []string{"alice"}}), "number")))
	post("PATCH", "/issues/"+issue, m{"title": "Retrospective of 1", "body": "Why!", "labels": []string{"retrospective"}})
	get(r + "/issues/" + issue + "/timeline")
	post("POST", "/issues/"+issue+"/assignees", m{"assignees": []string{"bob"}})
	post("DELETE", "/issues/"+issue+"/assignees", m{"assignees": []string{"alice"}})
	post("POST", "/issues/"+issue+"/labels", m{"labels": []string{"late"}})
	post("PUT", "/issues/"+issue+"/labels", m{"labels": []string{"late", "bug"}})
	post("DELETE", "/issues/"+issue+"/labels/late", nil)
	comment := number(field(post("POST", "/issues/"+issue+"/comments", m{"body": "Hello"}), "id"))
	get(r + "/issues/comments?sort=updated&direction=desc&since=2026-01-01T00:00:00Z")
	get(r + "/issues?creator=changegate%5Bbot%5D&state=all&sort=updated&direction=asc&labels=bug&since=2026-01-01T00:00:00Z&assignee=*")
	path = fmt.Sprintf("/issues/comments/%d", comment)
	post("PATCH", path, m{"body": "Hello again"})
	post("POST", path+"/reactions", m{"content": "eyes"})
	post("DELETE", path, nil)
	post("PATCH", "/issues/"+issue, m{"state": "closed", "state_reason": "not_planned", "assignees": []string{"alice"}})
	post("POST", "/pulls/"+n+"/reviews", m{"event": "COMMENT", "body": "Looked at", "commit_id": pr.Head})
	get(r + "/issues/" + issue + "/events")
	post("PATCH", "/issues/"+issue, m{"state": "open"})
	post("POST", "/labels", m{"name": "fresh", "color": "ff0000", "description": "new"})
	post("PATCH", "/labels/fresh", m{"new_name": "stale"})
	post("DELETE", "/labels/stale", nil)

	check(t, alice.PostStatus("acme/app", pr.Head, "ci", "success", "done"))
	check(t, bob.Merge(pr, githubsim.MergeOptions{DeleteBranch: true}))
	get(r + "/pulls/" + n)
	get(r + "/issues/" + n + "/timeline?per_page=100")
	get(r + "/issues/" + n + "/events?per_page=100")

	// A merge queue without checks merges at once.
	check(t, w.Protect("acme/app", "release/*", githubsim.Protection{Ruleset: true, MergeQueue: &githubsim.MergeQueue{}}))
	next := w.open(githubsim.PullOptions{Branch: "next", Base: "release/1"})
	check(t, bob.Enqueue(next))
	get(r + "/rules/branches/release%2F1")
	get(fmt.Sprintf("%s/issues/%d/timeline", r, next.Number))
	for _, p := range []githubsim.Protection{{EnforceAdmins: true}, {Ruleset: true, RequiredApprovals: 1, Strict: true},
		{Ruleset: true, AllowDeletions: true, RequiredChecks: []githubsim.RequiredCheck{{Context: "ci"}, {Context: "Change policy", AppID: w.app.ID}}}} {
		check(t, w.Protect("acme/app", "main", p))
		get(r + "/branches/main")
		get(r + "/rules/branches/main")
	}
	check(t, w.Unprotect("acme/app", "main"))

	w.deployAll(get, post)

	// Everything that organizations, teams and installations can tell.
	check(t, w.AddMember("acme", "mallory", false), w.AddToTeam("acme", "tech-leads", "mallory"), w.RemoveFromTeam("acme", "tech-leads", "mallory"),
		w.RemoveMember("acme", "mallory"), w.RenameTeam("acme", "tech-leads", "leads"), w.SetTeamPermission("acme/app", "leads", githubsim.None), w.SetTeamPermission("acme/app", "leads", githubsim.Write), w.RemoveTeam("acme", "leads"),
		w.SetPermission("acme/app", "mallory", githubsim.Read), w.SetPermission("acme/app", "mallory", githubsim.Triage), w.SetPermission("acme/app", "mallory", githubsim.None),
		w.AddRepository("acme", "spare", githubsim.RepoOptions{}), w.RenameRepository("acme/spare", "other"),
		w.SetArchived("acme/other", true), w.SetArchived("acme/other", false), w.app.RemoveRepositories("acme", "other"),
		w.app.AddRepositories("acme", "other"), w.DeleteRepository("acme/other"), w.app.Suspend("acme"), w.app.Unsuspend("acme"),
		w.app.AcceptPermissions("acme", map[string]string{"environments": "read"}), bob.DeleteComment(pr, id), w.app.Uninstall("bob"))
	w.flush()

	checked := w.checker.Operations()
	for _, op := range githubsim.Operations() {
		if checked[op] == 0 {
			t.Errorf("%s was not called", op)
		}
	}
	sent := map[string]bool{}
	missing := missingKeys(t)
	for _, d := range w.app.Deliveries() {
		if lacks := missing(d.Event, d.Action, d.Payload); len(lacks) > 0 && !sent[d.Event+" "+d.Action] {
			t.Errorf("%s %s lacks what GitHub's examples have: %v", d.Event, d.Action, lacks)
		}
		sent[strings.TrimSuffix(d.Event+" "+d.Action, " ")] = true
	}
	for _, want := range []string{"pull_request opened", "pull_request closed", "pull_request reopened", "pull_request synchronize", "pull_request edited", "pull_request labeled",
		"pull_request unlabeled", "pull_request converted_to_draft", "pull_request ready_for_review", "pull_request review_requested", "pull_request review_request_removed",
		"pull_request_review submitted", "pull_request_review dismissed", "issue_comment created", "issue_comment edited", "issue_comment deleted", "issues opened", "issues edited",
		"issues labeled", "issues unlabeled", "issues closed", "issues reopened", "issues assigned", "issues unassigned", "label created", "label edited", "label deleted", "push", "create",
		"delete", "check_run created", "check_run completed", "check_run rerequested", "check_run requested_action", "check_suite requested", "check_suite completed", "status",
		"workflow_run requested", "workflow_run completed", "installation created", "installation deleted", "installation suspend", "installation unsuspend", "installation new_permissions_accepted",
		"installation_repositories added", "installation_repositories removed", "repository created", "repository renamed", "repository archived", "repository unarchived", "repository deleted", "team created", "team edited", "team deleted",
		"team added_to_repository", "team removed_from_repository", "membership added", "membership removed", "member added", "member edited", "member removed", "organization member_added",
		"organization member_removed", "pull_request enqueued", "pull_request dequeued", "merge_group checks_requested", "merge_group destroyed",
		"branch_protection_rule created", "branch_protection_rule edited", "branch_protection_rule deleted", "repository_ruleset created",
		"repository_ruleset edited", "repository_ruleset deleted", "deployment created", "deployment_status created",
		"deployment_protection_rule requested", "workflow_run in_progress"} {
		if !sent[want] {
			t.Errorf("no %s was sent", want)
		}
	}
}
