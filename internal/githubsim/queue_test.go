package githubsim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

const ours = "Change policy"

// queued is a world whose main branch has a merge queue, and n pull requests that may join it.
type queued struct {
	*world
	pulls []githubsim.Pull
	at    time.Time
}

func startQueue(t *testing.T, m githubsim.MergeQueue, n int) *queued {
	t.Helper()
	q := &queued{at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	q.world = start(t, func(c *githubsim.Config) { c.Clock = func() time.Time { return q.at } })
	check(t, q.Protect("acme/app", "main", githubsim.Protection{Ruleset: true, MergeQueue: &m, Strict: true,
		RequiredChecks: []githubsim.RequiredCheck{{Context: ours, AppID: q.app.ID}, {Context: "ci"}}}))
	for n := range n {
		pr := q.open(githubsim.PullOptions{Branch: fmt.Sprintf("b%d", n+1), Files: map[string]string{fmt.Sprintf("f%d.go", n+1): "package main\n"}})
		q.green(pr.Head)
		q.pulls = append(q.pulls, pr)
	}
	q.flush()
	return q
}

// finish concludes both required checks on the commit.
func (q *queued) finish(sha, conclusion string) {
	q.t.Helper()
	must[int64](q.t)(q.PostCheckRun("acme/app", sha, githubsim.CheckRun{Name: "ci", Conclusion: "success"}))
	q.ok(q.api, "POST", "/repos/acme/app/check-runs", m{"name": ours, "head_sha": sha, "status": "completed", "conclusion": conclusion})
}

func (q *queued) green(sha string) { q.t.Helper(); q.finish(sha, "success") }

func (q *queued) entries() []githubsim.QueueEntry {
	q.t.Helper()
	return must[[]githubsim.QueueEntry](q.t)(q.MergeQueue("acme/app", "main"))
}

func (q *queued) tip() string { q.t.Helper(); return must[string](q.t)(q.Tip("acme/app", "main")) }

func (q *queued) enqueue(which ...int) {
	q.t.Helper()
	for _, n := range which {
		check(q.t, q.As("bob").Enqueue(q.pulls[n]))
	}
}

// told returns what the webhooks said of merge groups, and of joining and leaving the queue since it was asked last.
func (q *queued) told() []string {
	q.t.Helper()
	q.flush()
	q.hooks.mu.Lock()
	defer q.hooks.mu.Unlock()
	var out []string
	for _, h := range q.hooks.got {
		var e struct {
			Action, Reason string
			Number         int
			MergeGroup     struct {
				HeadRef string `json:"head_ref"`
			} `json:"merge_group"`
			PullRequest struct{ Merged bool } `json:"pull_request"`
		}
		check(q.t, json.Unmarshal(h.body, &e))
		what := e.Action
		if e.Reason != "" {
			what += " " + e.Reason
		}
		if h.event == "merge_group" {
			parts := strings.Split(e.MergeGroup.HeadRef, "/")
			out = append(out, "group "+strings.Join(strings.Split(parts[len(parts)-1], "-")[:2], "-")+" "+what)
		}
		if h.event == "pull_request" && slices.Contains([]string{"enqueued", "dequeued", "closed"}, e.Action) {
			out = append(out, fmt.Sprintf("#%d %s", e.Number, what))
		}
	}
	q.hooks.got = nil
	return out
}

func (q *queued) tells(want ...string) {
	q.t.Helper()
	if d := cmp.Diff(want, q.told()); d != "" {
		q.t.Error(d)
	}
}

func TestQueue_EachTestedOnThoseBefore(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{}, 2)
	main := q.tip()
	refused(t, q.As("bob").Merge(q.pulls[0], githubsim.MergeOptions{}), "through the merge queue")
	refused(t, second(q.As("bob").PushBranch("acme/app", "main", githubsim.Commit{})), "expected")
	refused(t, q.As("dave").Enqueue(q.pulls[0]), "write access")
	q.enqueue(0, 1)
	refused(t, q.As("bob").Enqueue(q.pulls[1]), "already")
	e := q.entries()
	if e[0].Base != main || e[1].Base != e[0].Head || e[0].State != "AWAITING_CHECKS" || e[0].Group != e[0].Head {
		t.Fatalf("the queue is %+v", e)
	}
	q.green(e[1].Head)
	if got := q.tip(); got != main {
		t.Error("the second was merged before the first")
	}
	q.green(e[0].Head)
	if got := q.tip(); got != e[1].Head {
		t.Errorf("main is at %s", got)
	}
	q.tells("#1 enqueued", "group pr-1 checks_requested", "#2 enqueued", "group pr-2 checks_requested",
		"#1 dequeued MERGE", "#1 closed", "group pr-1 destroyed merged", "#2 dequeued MERGE", "#2 closed", "group pr-2 destroyed merged")
	for n, pr := range q.pulls {
		got := q.ok(q.api, "GET", fmt.Sprintf("/repos/acme/app/pulls/%d", pr.Number), nil)
		if field(got, "merged") != true || field(got, "merge_commit_sha") != e[n].Head || field(got, "merged_by", "login") != "bob" {
			t.Errorf("#%d: merged %v as %v by %v", pr.Number, field(got, "merged"), field(got, "merge_commit_sha"), field(got, "merged_by", "login"))
		}
		pulls, _ := q.ok(q.api, "GET", "/repos/acme/app/commits/"+e[n].Head+"/pulls", nil).([]any)
		if len(pulls) != 1 || number(field(pulls, 0, "number")) != int64(pr.Number) {
			t.Errorf("%s is said to come from %d pull requests", e[n].Head, len(pulls))
		}
	}
	for _, b := range q.ok(q.api, "GET", "/repos/acme/app/branches?per_page=100", nil).([]any) {
		if name := field(b, "name").(string); strings.HasPrefix(name, "gh-readonly-queue/") {
			t.Errorf("%s is still there", name)
		}
	}
	activity := q.ok(q.api, "GET", "/repos/acme/app/activity?ref=main", nil)
	if field(activity, 0, "activity_type") != "merge_queue_merge" || field(activity, 0, "actor", "login") != "github-merge-queue[bot]" {
		t.Errorf("the activity is %v", field(activity, 0))
	}
}

func TestQueue_OnlyWithItsOwnChecks(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{}, 0)
	pr := q.open(githubsim.PullOptions{})
	refused(t, q.As("bob").Enqueue(pr), `"Change policy" is expected`)
	// The name alone is not enough: the check is pinned to the App.
	must[int64](t)(q.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{Name: ours, Conclusion: "success"}))
	refused(t, q.As("bob").Enqueue(pr), `"Change policy" is expected`)
	q.green(pr.Head)
	check(t, q.As("bob").Enqueue(pr))
	e := q.entries()[0]
	must[int64](t)(q.PostCheckRun("acme/app", e.Head, githubsim.CheckRun{Name: ours, Conclusion: "success"}))
	must[int64](t)(q.PostCheckRun("acme/app", e.Head, githubsim.CheckRun{Name: "ci", Conclusion: "success"}))
	if q.tip() == e.Head {
		t.Error("a check of another App let the group be merged")
	}
}

func TestQueue_AFailureRebuildsWhatIsBehind(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{}, 3)
	q.enqueue(0, 1, 2)
	before := q.entries()
	q.told()
	q.finish(before[1].Head, "failure")
	after := q.entries()
	if len(after) != 2 || after[0].Head != before[0].Head || after[1].Head == before[2].Head || after[1].Base != before[0].Head {
		t.Errorf("after the failure the queue is %+v", after)
	}
	q.tells("#2 dequeued CI_FAILURE", "group pr-3 destroyed invalidated", "group pr-2 destroyed dequeued", "group pr-3 checks_requested")
}

func TestQueue_WhatTakesOut(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		act          func(q *queued) error
	}{
		{"somebody", "MANUAL", func(q *queued) error { return q.As("bob").Dequeue(q.pulls[0]) }},
		{"a push", "BRANCH_PROTECTIONS", func(q *queued) error {
			return second(q.As("alice").Push(q.pulls[0], githubsim.Commit{Files: map[string]string{"x": "y"}}))
		}},
		{"closing", "MANUAL", func(q *queued) error { return q.As("alice").Close(q.pulls[0]) }},
		{"a draft", "BRANCH_PROTECTIONS", func(q *queued) error { return q.As("alice").ConvertToDraft(q.pulls[0]) }},
		{"no queue any more", "QUEUE_CLEARED", func(q *queued) error { return q.Unprotect("acme/app", "main") }},
		{"a merge past the queue", "ALREADY_MERGED", func(q *queued) error {
			return q.As("erin").Merge(q.pulls[0], githubsim.MergeOptions{Bypass: true})
		}},
		{"time", "CI_TIMEOUT", func(q *queued) error { q.at = q.at.Add(time.Hour); return q.RunMergeQueues() }},
		{"a conflict", "MERGE_CONFLICT", func(q *queued) error {
			return second(q.As("erin").PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"f1.go": "package other\n"}}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := startQueue(t, githubsim.MergeQueue{}, 1)
			q.enqueue(0)
			q.told()
			check(t, tt.act(q))
			if left := q.entries(); len(left) != 0 {
				t.Errorf("still in the queue: %+v", left)
			}
			if told := q.told(); !slices.Contains(told, "#1 dequeued "+tt.reason) {
				t.Errorf("GitHub told of %v", told)
			}
		})
	}
}

func TestQueue_LandingPastIt(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{}, 2)
	q.enqueue(0, 1)
	before := q.entries()
	check(t, q.Protect("acme/app", "main", githubsim.Protection{Ruleset: true, MergeQueue: &githubsim.MergeQueue{}, Bypass: []string{"carol"},
		RequiredChecks: []githubsim.RequiredCheck{{Context: ours, AppID: q.app.ID}}}))
	tip := must[string](t)(q.As("carol").PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"hot": "fix\n"}}))
	after := q.entries()
	if len(after) != 2 || after[0].Base != tip || after[0].Head == before[0].Head || after[1].Base != after[0].Head {
		t.Errorf("the queue was not built again: %+v", after)
	}
	check(t, q.As("bob").Dequeue(q.pulls[1]), q.As("bob").JumpQueue(q.pulls[1]))
	if got := q.entries(); got[0].Number != 2 || got[0].Base != tip || got[1].Base != got[0].Head {
		t.Errorf("after the jump the queue is %+v", got)
	}
	refused(t, q.As("bob").PushRef("acme/app", "gh-readonly-queue/main/pr-1-"+tip, tip), "merge queue's")
}

func TestQueue_GroupsOfSeveral(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{Method: githubsim.Squash, MaxGroup: 2, MinGroup: 2}, 3)
	main := q.tip()
	q.enqueue(0)
	if e := q.entries()[0]; e.State != "QUEUED" || e.Head != "" {
		t.Errorf("a group did not wait for a second: %+v", e)
	}
	q.enqueue(1)
	e := q.entries()
	if e[0].Group != e[1].Head || e[0].Base != main || e[1].Base != e[0].Head {
		t.Fatalf("the queue is %+v", e)
	}
	q.tells("#1 enqueued", "#2 enqueued", "group pr-2 checks_requested")
	q.enqueue(2)
	q.at = q.at.Add(5 * time.Minute)
	check(t, q.RunMergeQueues())
	q.tells("#3 enqueued", "group pr-3 checks_requested")
	q.finish(e[1].Head, "failure")
	apart := q.entries()
	if apart[0].Group != apart[0].Head || apart[1].Group != apart[1].Head || apart[0].Head == apart[1].Head {
		t.Errorf("the group was not taken apart: %+v", apart)
	}
	q.green(apart[0].Head)
	q.finish(apart[1].Head, "failure")
	last := q.entries()
	if len(last) != 1 || last[0].Number != 3 || last[0].Base != apart[0].Head || q.tip() != apart[0].Head {
		t.Errorf("the queue is %+v and main at %s", last, q.tip())
	}
	q.green(last[0].Head)
	landed := q.ok(q.api, "GET", "/repos/acme/app/compare/"+main+"..."+q.tip(), nil)
	if n := number(field(landed, "total_commits")); n != 2 {
		t.Errorf("two squashed pull requests are %d commits", n)
	}
}

func TestQueue_HeadGreen(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{Method: githubsim.Rebase, HeadGreen: true}, 2)
	q.enqueue(0, 1)
	e := q.entries()
	q.finish(e[0].Head, "failure")
	if got := q.entries()[0].State; got != "UNMERGEABLE" {
		t.Errorf("the first is %s", got)
	}
	q.green(e[1].Head)
	if q.tip() != e[1].Head || len(q.entries()) != 0 {
		t.Errorf("a green head did not merge what it contains: %+v", q.entries())
	}
}

// graphQL asks as the installation and returns the answer.
func (w *world) graphQL(query string, variables m) any {
	w.t.Helper()
	status, answer, _ := w.query(query, variables)
	if status != 200 {
		w.t.Fatalf("GraphQL: %d %v", status, answer)
	}
	return answer
}

// entriesQuery is written as shurcooL/githubv4 writes it.
const entriesQuery = `query($after:String$branch:String!$first:Int!$name:String!$owner:String!){repository(owner: $owner, name: $name){mergeQueue(branch: $branch){entries(first: $first, after: $after){nodes{position,state,headCommit{oid},baseCommit{oid},pullRequest{number,headRefOid,baseRefName}},pageInfo{endCursor,hasNextPage}}}}}`

func TestQueue_GraphQL(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{MaxBuild: 2}, 3)
	q.enqueue(0, 1, 2)
	e := q.entries()
	vars := m{"owner": "acme", "name": "app", "branch": "main", "first": 2, "after": nil}
	entries := func() any { return field(q.graphQL(entriesQuery, vars), "data", "repository", "mergeQueue", "entries") }
	page := entries()
	for n := range 2 {
		got := field(page, "nodes", n)
		want := any(m{"position": float64(n + 1), "state": "AWAITING_CHECKS", "headCommit": m{"oid": e[n].Head}, "baseCommit": m{"oid": e[n].Base},
			"pullRequest": m{"number": float64(e[n].Number), "headRefOid": q.pulls[n].Head, "baseRefName": "main"}})
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	if field(page, "pageInfo", "hasNextPage") != true {
		t.Errorf("the page's end is %v", field(page, "pageInfo"))
	}
	vars["after"] = field(page, "pageInfo", "endCursor")
	page = entries()
	if field(page, "nodes", 0, "state") != "QUEUED" || field(page, "nodes", 0, "headCommit") != nil || field(page, "nodes", 1) != nil ||
		field(page, "pageInfo", "hasNextPage") != false {
		t.Errorf("the second page is %v", page)
	}
	delete(vars, "after")
	for _, none := range []string{"refs/heads/main", "release/1"} {
		vars["branch"] = none
		if got := q.graphQL(entriesQuery, vars); field(got, "data", "repository", "mergeQueue") != nil || field(got, "errors") != nil {
			t.Errorf("%s has a queue: %v", none, got)
		}
	}
	if n := q.Calls()["POST /graphql"]; n != 4 {
		t.Errorf("%d calls were counted", n)
	}
}

func TestGraphQL_Errors(t *testing.T) {
	q := startQueue(t, githubsim.MergeQueue{}, 0)
	vars := m{"owner": "acme", "name": "app", "branch": "main", "first": 101}
	refuses := func(query string, vars m, kind, message string) {
		t.Helper()
		got := q.graphQL(query, vars)
		text, _ := field(got, "errors", 0, "message").(string)
		if k, _ := field(got, "errors", 0, "type").(string); k != kind || !strings.Contains(text, message) {
			t.Errorf("got %v, want %s %q", got, kind, message)
		}
	}
	refuses(entriesQuery, vars, "EXCESSIVE_PAGINATION", "101")
	delete(vars, "first")
	refuses(entriesQuery, vars, "MISSING_PAGINATION_BOUNDARIES", "`first`")
	vars["name"] = "none"
	refuses(entriesQuery, vars, "NOT_FOUND", "'acme/none'")
	refuses(`{ viewer { login } }`, nil, "", "Field 'viewer' doesn't exist on type 'Query'")
	refuses(`{ repository(owner: "acme", name: "app") }`, nil, "", "must have selections")
	refuses(`{ repository(owner: "acme", name: "app") { ...F } }`, nil, "", "Parse error")
	refuses(`query Q($a: String! {`, nil, "", "Parse error")
	refuses(`mutation { x }`, nil, "", "Parse error")
	if got := field(q.graphQL(`query Q { it: repository(owner: "acme", name: "app") { __typename nameWithOwner } }`, nil), "data", "it", "nameWithOwner"); got != "acme/app" {
		t.Errorf("an alias holds %v", got)
	}
	check(t, q.app.AcceptPermissions("acme", map[string]string{"merge_queues": ""}))
	vars["name"], vars["first"] = "app", 1
	refuses(entriesQuery, vars, "FORBIDDEN", "not accessible")
	q.FailGraphQL("Something went wrong while executing your query.")
	refuses(entriesQuery, vars, "", "Something went wrong")
	q.FailGraphQL("")
	q.NoGraphQL()
	if status, _, _ := q.query(entriesQuery, vars); status != 404 {
		t.Errorf("a GitHub without GraphQL answers %d", status)
	}
}

func TestGraphQL_HasALimitOfItsOwn(t *testing.T) {
	w := start(t, func(c *githubsim.Config) { c.RateLimit = 2 })
	for range 2 {
		w.graphQL(`{ __typename }`, nil)
	}
	if got := w.graphQL(`{ __typename }`, nil); field(got, "errors", 0, "type") != "RATE_LIMITED" {
		t.Errorf("past the limit it answers %v", got)
	}
	w.ok(w.api, "GET", "/repos/acme/app", nil)
}
