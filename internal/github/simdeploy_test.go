package github_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/githubsim"
)

// noCommit is the name of none.
const noCommit change.SHA = "0123456789012345678901234567890123456789"

// deploys gives main a workflow that deploys, and returns its tip.
func (w *world) deploys(flow githubsim.Workflow) change.SHA {
	w.t.Helper()
	check(w.t, w.DeployWorkflow("acme/shop", flow))
	return change.SHA(must[string](w.t)(w.As("bob").PushBranch("acme/shop", "main", githubsim.Commit{
		Message: "Deploy", Files: map[string]string{githubsim.DeployWorkflowPath: flow.File()}})))
}

func TestDeploymentsOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.client
	sha := w.deploys(githubsim.Workflow{OnDeployment: true})
	began := w.Now().Add(-time.Minute)
	write := github.DeploymentWrite{
		SHA: sha, Environment: "Staging", Payload: json.RawMessage(`{"changegate":"deploy 1","number":1}`), Description: strings.Repeat("ü", 200),
	}
	// Somebody copies what we would deploy.
	copied := githubsim.DeploymentOptions{Ref: string(sha), Environment: "staging", Payload: map[string]any{"changegate": "deploy 1"}}
	must[int64](t)(w.As("alice").CreateDeployment("acme/shop", copied))
	if _, found, err := c.FindDeployment(ctx, w.repo, sha, "staging", "deploy 1", began); found || err != nil {
		t.Fatalf("a stranger's deployment is taken for ours: %v", err)
	}
	w.Inject(githubsim.Fault{Method: "POST", Route: "/repos/{owner}/{repo}/deployments", ActThenLose: true})
	var lost *github.Unavailable
	if _, err := c.CreateDeployment(ctx, w.repo, write); !errors.As(err, &lost) || !lost.MayHaveHappened {
		t.Fatalf("got %v", err)
	}
	d, found, err := c.FindDeployment(ctx, w.repo, sha, "staging", "deploy 1", began)
	check(t, err)
	if !found || d.SHA != sha || d.Environment != "Staging" || d.Via != w.github.AppID() || !d.By.IsBot() || change.PayloadKey(d.Payload) != "deploy 1" {
		t.Fatalf("found %v, %+v", found, d)
	}
	if got := must[change.Deployment](t)(c.Begin().Deployment(ctx, w.repo, d.ID, time.Time{})); string(got.Payload) != string(d.Payload) || got.ID != d.ID || got.Via != d.Via {
		t.Errorf("read: %+v", got)
	}

	for range 2 { // it begins, and ends
		must[int](t)(w.RunWorkflows())
	}
	success := func(s change.DeploymentStatus) bool { return s.State == change.DeploymentSuccess }
	status := github.DeploymentStatusWrite{State: change.DeploymentSuccess, Description: strings.Repeat("☂", 200), LogURL: "https://gate.example/1", EnvironmentURL: "https://staging.example"}
	if _, found, err := c.FindDeploymentStatus(ctx, w.repo, d.ID, began, success); found || err != nil {
		t.Fatalf("the workflow's status is taken for ours: %v", err)
	}
	w.Inject(githubsim.Fault{Method: "POST", Route: "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", ActThenLose: true})
	if _, err := c.CreateDeploymentStatus(ctx, w.repo, d.ID, status); !errors.As(err, &lost) || !lost.MayHaveHappened {
		t.Fatalf("got %v", err)
	}
	posted, found, err := c.FindDeploymentStatus(ctx, w.repo, d.ID, began, success)
	check(t, err)
	if !found || posted.LogURL != "https://gate.example/1" || posted.Via != w.github.AppID() || posted.Deployment.ID != d.ID {
		t.Errorf("found %v, %+v", found, posted)
	}
	must[change.DeploymentStatus](t)(c.CreateDeploymentStatus(ctx, w.repo, d.ID, github.DeploymentStatusWrite{State: change.DeploymentInactive}))
	s := c.Begin()
	var states []change.DeploymentState
	for _, st := range must[[]change.DeploymentStatus](t)(s.DeploymentStatuses(ctx, w.repo, d.ID, s.Began())) {
		states = append(states, st.State)
	}
	if got := fmt.Sprint(states); got != "[in_progress success success inactive]" {
		t.Errorf("statuses: %s", got)
	}
	for filter, want := range map[github.DeploymentFilter]int{
		{}:                              2,
		{SHA: sha}:                      2,
		{SHA: noCommit}:                 0,
		{Environment: "STAGING"}:        2,
		{Environment: "qa"}:             0,
		{Since: w.Now().Add(time.Hour)}: 0,
	} {
		if got := must[[]change.Deployment](t)(s.Deployments(ctx, w.repo, filter, s.Began())); len(got) != want {
			t.Errorf("%+v: %+v", filter, got)
		}
	}
	var rejected *github.Rejected
	write.SHA = noCommit
	if _, err := c.CreateDeployment(ctx, w.repo, write); !errors.As(err, &rejected) {
		t.Errorf("a commit that there is not: %v", err)
	}
}

func TestGatesOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.client
	check(t, w.Environment("acme/shop", "production", githubsim.EnvironmentOptions{Apps: []string{"changegate"}}))
	sha := w.deploys(githubsim.Workflow{Environment: "production"})
	run := must[githubsim.Run](t)(w.As("bob").Dispatch("acme/shop", githubsim.Dispatch{}))
	callback := fmt.Sprintf("%s/api/v3/repos/acme/shop/actions/runs/%d/deployment_protection_rule", w.url, run.ID)
	if got := must[int64](t)(c.ParseCallback(callback, w.repo)); got != run.ID {
		t.Errorf("run %d", got)
	}
	s := c.Begin()
	got := must[github.WorkflowRun](t)(s.WorkflowRun(ctx, w.repo, run.ID, s.Began()))
	if got.Head != sha || got.Repository != w.repo.ID || got.Event != "workflow_dispatch" || got.Attempt != 1 || got.Status != "waiting" || got.By.Login != "bob" ||
		got.Path != githubsim.DeployWorkflowPath || got.Branch != "main" {
		t.Errorf("the run: %+v", got)
	}
	if is := must[bool](t)(s.IsAncestor(ctx, w.repo, sha, must[change.SHA](t)(s.Tip(ctx, w.repo, "main", s.Began())))); !is {
		t.Error("its commit is not on main")
	}
	for n := range 10 {
		check(t, c.ReviewGate(ctx, w.repo, callback, "Production", github.GateProgress, fmt.Sprintf("Not before %d. %s", n, strings.Repeat("é", 2000))))
	}
	var closed *github.GateClosed
	if err := c.ReviewGate(ctx, w.repo, callback, "production", github.GateProgress, "again"); !errors.As(err, &closed) {
		t.Errorf("an eleventh comment: %v", err)
	}
	w.Inject(githubsim.Fault{Method: "POST", Route: "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule", ActThenLose: true})
	var lost *github.Unavailable
	if err := c.ReviewGate(ctx, w.repo, callback, "production", github.GateApproved, "Go."); !errors.As(err, &lost) || !lost.MayHaveHappened {
		t.Errorf("got %v", err)
	}
	if err := c.ReviewGate(ctx, w.repo, callback, "production", github.GateApproved, "Go."); !errors.As(err, &closed) {
		t.Errorf("a second answer: %v", err)
	}
	if err := c.ReviewGate(ctx, w.repo, strings.Replace(callback, fmt.Sprintf("/runs/%d/", run.ID), "/runs/987654321/", 1), "production", github.GateRejected, ""); !errors.As(err, &closed) {
		t.Errorf("no such run: %v", err)
	}
	s = c.Begin()
	jobs := must[[]change.Deployment](t)(s.Deployments(ctx, w.repo, github.DeploymentFilter{Environment: "production"}, s.Began()))
	if len(jobs) != 1 || jobs[0].SHA != sha || jobs[0].By.Login != "bob" || jobs[0].Via == 0 || jobs[0].Via == w.github.AppID() {
		t.Errorf("the job's deployment: %+v", jobs)
	}
}

func TestAncestorsAndEditsOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	s := w.client.Begin()
	before := must[change.SHA](t)(s.Tip(ctx, w.repo, "main", s.Began()))
	pr := w.open()
	after := w.deploys(githubsim.Workflow{})
	for name, tt := range map[string]struct {
		commit, of change.SHA
		want       bool
	}{
		"one before":             {before, after, true},
		"itself":                 {after, after, true},
		"one after":              {after, before, false},
		"on a branch beside":     {change.SHA(pr.Head), after, false},
		"what the branch is on":  {before, change.SHA(pr.Head), true},
		"a commit that is not":   {noCommit, after, false},
		"behind one that is not": {after, noCommit, false},
	} {
		if got := must[bool](t)(s.IsAncestor(ctx, w.repo, tt.commit, tt.of)); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}

	id := must[int64](t)(w.client.Comment(ctx, w.repo, change.Number(pr.Number), "waits"))
	check(t, w.client.EditComment(ctx, w.repo, id, "deployed"))
	if got := must[github.IssueComment](t)(w.client.Begin().IssueComment(ctx, w.repo, id, time.Time{})); got.Body != "deployed" {
		t.Errorf("it says %q", got.Body)
	}
	var missing *github.NotFound
	if err := w.client.EditComment(ctx, w.repo, id+1000, "deployed"); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}
