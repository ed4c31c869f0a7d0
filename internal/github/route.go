package github

import (
	"context"
	"maps"
	"net/url"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// route is an operation of GitHub's API as its OpenAPI description writes it: "GET /repos/{owner}/{repo}/pulls/{pull_number}".
// It is also what metrics and logs call it, so that they stay few.
type route string

// The routes that the adapter calls.
const (
	getRepository    route = "GET /repos/{owner}/{repo}"
	getPull          route = "GET /repos/{owner}/{repo}/pulls/{pull_number}"
	listPulls        route = "GET /repos/{owner}/{repo}/pulls"
	listPullsOf      route = "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls"
	listFiles        route = "GET /repos/{owner}/{repo}/pulls/{pull_number}/files"
	listPullCommits  route = "GET /repos/{owner}/{repo}/pulls/{pull_number}/commits"
	listReviews      route = "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews"
	requestReviewers route = "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers"
	compare          route = "GET /repos/{owner}/{repo}/compare/{basehead}"
	listActivity     route = "GET /repos/{owner}/{repo}/activity"
	listCommits      route = "GET /repos/{owner}/{repo}/commits"
	getRef           route = "GET /repos/{owner}/{repo}/git/ref/{ref}"
	getBranch        route = "GET /repos/{owner}/{repo}/branches/{branch}"
	getBranchRules   route = "GET /repos/{owner}/{repo}/rules/branches/{branch}"
	getTree          route = "GET /repos/{owner}/{repo}/git/trees/{tree_sha}"
	getBlob          route = "GET /repos/{owner}/{repo}/git/blobs/{file_sha}"
	getContents      route = "GET /repos/{owner}/{repo}/contents/{path}"
	listTimeline     route = "GET /repos/{owner}/{repo}/issues/{issue_number}/timeline"
	listEvents       route = "GET /repos/{owner}/{repo}/issues/{issue_number}/events"
	listIssues       route = "GET /repos/{owner}/{repo}/issues"
	getIssue         route = "GET /repos/{owner}/{repo}/issues/{issue_number}"
	createIssue      route = "POST /repos/{owner}/{repo}/issues"
	updateIssue      route = "PATCH /repos/{owner}/{repo}/issues/{issue_number}"
	addAssignees     route = "POST /repos/{owner}/{repo}/issues/{issue_number}/assignees"
	listComments     route = "GET /repos/{owner}/{repo}/issues/{issue_number}/comments"
	getComment       route = "GET /repos/{owner}/{repo}/issues/comments/{comment_id}"
	updateComment    route = "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}"
	createComment    route = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
	createReaction   route = "POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions"
	getPermission    route = "GET /repos/{owner}/{repo}/collaborators/{username}/permission"
	getTeam          route = "GET /orgs/{org}/teams/{team_slug}"
	listMembers      route = "GET /orgs/{org}/teams/{team_slug}/members"
	getMembership    route = "GET /orgs/{org}/teams/{team_slug}/memberships/{username}"
	getUser          route = "GET /users/{username}"
	listCheckRuns    route = "GET /repos/{owner}/{repo}/commits/{ref}/check-runs"
	createCheckRun   route = "POST /repos/{owner}/{repo}/check-runs"
	updateCheckRun   route = "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}"
	listStatuses     route = "GET /repos/{owner}/{repo}/commits/{ref}/statuses"
	listWorkflowRuns route = "GET /repos/{owner}/{repo}/actions/runs"
	getWorkflowRun   route = "GET /repos/{owner}/{repo}/actions/runs/{run_id}"
	reviewGate       route = "POST /repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule"
	listDeployments  route = "GET /repos/{owner}/{repo}/deployments"
	getDeployment    route = "GET /repos/{owner}/{repo}/deployments/{deployment_id}"
	createDeployment route = "POST /repos/{owner}/{repo}/deployments"
	listDeployed     route = "GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses"
	createDeployed   route = "POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses"
	getApp           route = "GET /app"
	listInstalled    route = "GET /app/installations"
	getInstalled     route = "GET /repos/{owner}/{repo}/installation"
	listHooked       route = "GET /app/hook/deliveries"
	redeliver        route = "POST /app/hook/deliveries/{delivery_id}/attempts"
	listRepositories route = "GET /installation/repositories"
	createToken      route = "POST /app/installations/{installation_id}/access_tokens"
	queryGraphQL     route = "POST /graphql" // whatever its path is: see Config.App.V4APIURL
)

func (r route) method() string {
	method, _, _ := strings.Cut(string(r), " ")
	return method
}

// writes says whether a call changes something.
func (r route) writes() bool {
	return r != "" && r.method() != "GET" && r != queryGraphQL && r != createToken
}

// notifies says whether a call makes something that GitHub tells people of, for which it has a limit of its own.
func (r route) notifies() bool {
	switch r {
	case createIssue, createComment, requestReviewers, addAssignees:
		return true
	}
	return false
}

// at fills in the route's parameters, in order, each escaped so that nothing in it can reach beyond its place. Slashes stay slashes
// only in the last parameter of a route that takes a path or a ref.
func (r route) at(params ...string) string {
	_, path, _ := strings.Cut(string(r), " ")
	path = strings.TrimPrefix(path, "/")
	var b strings.Builder
	for _, param := range params {
		before, rest, _ := strings.Cut(path, "{")
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(before)
		if name == "path" || (name == "ref" && after == "") {
			parts := strings.Split(param, "/")
			for i, p := range parts {
				parts[i] = escape(p)
			}
			b.WriteString(strings.Join(parts, "/"))
		} else {
			b.WriteString(escape(param))
		}
		path = after
	}
	return b.String() + path
}

// address is a route with its parameters filled in: where a call goes, and with a token of which scope. Its methods return an address
// and change none.
type address struct {
	route route
	path  string // relative to the API's
	query url.Values
	scope scope
}

// of returns the address of a route in a repository, whose first parameters are the repository's. It is called with a token that reaches this
// repository alone. A repository without an id has none that reads anything.
func (r route) of(repo change.Repository, params ...string) address {
	return address{route: r, path: r.at(append([]string{repo.Owner, repo.Name}, params...)...), scope: scope{repository: repo.ID}}
}

// ofTeams returns the address of a route about an organization's teams.
func (r route) ofTeams(params ...string) address {
	return address{route: r, path: r.at(params...), scope: scope{kind: members}}
}

// general returns the address of a route that is about no one repository, and not about teams.
func (r route) general(params ...string) address {
	return address{route: r, path: r.at(params...), scope: scope{kind: knowing}}
}

// scoped returns the address to be called with a token of another scope.
func (a address) scoped(s scope) address {
	a.scope = s
	return a
}

// with returns the address with more in its query.
func (a address) with(query url.Values) address {
	both := url.Values{}
	maps.Copy(both, a.query)
	maps.Copy(both, query)
	a.query = both
	return a
}

// page returns the address of the nth page of a list, from 1.
func (a address) page(n int) address {
	query := values("per_page", itoa(perPage))
	if n > 1 {
		query.Set("page", itoa(n))
	}
	return a.with(query)
}

// String returns the path and the query. Equal queries are written in one way.
func (a address) String() string {
	if len(a.query) == 0 {
		return a.path
	}
	return a.path + "?" + a.query.Encode()
}

// escape escapes one segment of a path. "." and ".." have no escaped form that a URL parser would not undo, so they get one that
// names nothing.
func escape(s string) string {
	if s == "." || s == ".." {
		return "%00"
	}
	return url.PathEscape(s)
}

// sending is one request on its way through the transports.
type sending struct {
	route route
	first bool // of a run
	sent  bool // it was handed to the network
	// tokenFor is the request that a token is asked for, before it is sent itself; nil: this asks for none.
	tokenFor *sending
}

type sendingKey struct{}

func withSending(ctx context.Context, s *sending) context.Context {
	return context.WithValue(ctx, sendingKey{}, s)
}

// sendingOf returns the sending of a request, or an empty one.
func sendingOf(ctx context.Context) *sending {
	if s, ok := ctx.Value(sendingKey{}).(*sending); ok {
		return s
	}
	return new(sending)
}
