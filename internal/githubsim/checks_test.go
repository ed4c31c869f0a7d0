package githubsim_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

func (w *world) run(sha, status, conclusion string) *github.CheckRun {
	w.t.Helper()
	o := github.CreateCheckRunOptions{Name: "Change policy", HeadSHA: sha}
	if status != "" {
		o.Status = &status
	}
	if conclusion != "" {
		o.Conclusion = &conclusion
	}
	run, _, err := w.api.Checks.CreateCheckRun(context.Background(), org, repo, o)
	check(w.t, err)
	return run
}

func TestCompletedStaysCompleted(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	pr := w.open(githubsim.PullOptions{})
	first := w.run(pr.Head, "", "failure") // a conclusion completes
	if first.GetStatus() != "completed" || first.GetCompletedAt().IsZero() {
		t.Errorf("got %v", first)
	}
	got, resp, err := w.api.Checks.UpdateCheckRun(ctx, org, repo, first.GetID(), github.UpdateCheckRunOptions{Name: "Change policy", Status: github.String("in_progress")})
	check(t, err)
	if resp.StatusCode != 200 || got.GetStatus() != "completed" || got.GetConclusion() != "failure" {
		t.Errorf("the update was answered %d, and the run is %s %s", resp.StatusCode, got.GetStatus(), got.GetConclusion())
	}
	w.run(pr.Head, "in_progress", "")
	list := func(filter string) int {
		l, _, err := w.api.Checks.ListCheckRunsForRef(ctx, org, repo, pr.Head, &github.ListCheckRunsOptions{AppID: &w.app.ID, CheckName: github.String("Change policy"), Filter: &filter})
		check(t, err)
		return l.GetTotal()
	}
	if list("latest") != 1 || list("all") != 2 {
		t.Errorf("%d latest, %d in all", list("latest"), list("all"))
	}
}

func TestCheckRunRules(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{})
	theirs := must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{Name: "build", Conclusion: "success"}))
	mine := w.run(pr.Head, "in_progress", "").GetID()
	w.wrong = []string{"maximum string length", "maximum number of items"}
	long := strings.Repeat("é", 65_535)
	output := func(summary string) m {
		return m{"name": "x", "head_sha": pr.Head, "output": m{"title": "t", "summary": summary}}
	}
	for _, tt := range []struct {
		what, method, path string
		body               m
		want               int
	}{
		{"another App's run", "PATCH", itoa("/check-runs/", theirs), m{"name": "build", "conclusion": "failure"}, 403},
		{"a run that there is not", "PATCH", "/check-runs/1", m{"name": "x"}, 404},
		{"a commit that there is not", "POST", "/check-runs", m{"name": "x", "head_sha": strings.Repeat("0", 40)}, 422},
		{"the longest summary", "POST", "/check-runs", output(long), 201},
		{"a summary one longer", "POST", "/check-runs", output(long + "é"), 422},
		{"four actions", "PATCH", itoa("/check-runs/", mine), m{"name": "x", "actions": []m{action("a"), action("b"), action("c"), action("d")}}, 422},
		{"an action with a long label", "PATCH", itoa("/check-runs/", mine), m{"name": "x", "actions": []m{action(strings.Repeat("x", 21))}}, 422},
	} {
		if status, answer, _ := w.do(w.api, tt.method, "/repos/acme/app"+tt.path, tt.body); status != tt.want {
			t.Errorf("%s: got %d %v, want %d", tt.what, status, answer, tt.want)
		}
	}
}

func action(label string) m { return m{"label": label, "description": "d", "identifier": "i"} }

func itoa(prefix string, n int64) string { return prefix + strconv.FormatInt(n, 10) }

func TestRunsComeBackAsEvents(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{})
	w.flush()
	w.hooks.reset()
	run := w.run(pr.Head, "in_progress", "")
	_, _, err := w.api.Checks.UpdateCheckRun(context.Background(), org, repo, run.GetID(), github.UpdateCheckRunOptions{Name: "Change policy", Conclusion: github.String("success"),
		Actions: []*github.CheckRunAction{{Label: "Refresh", Description: "Again", Identifier: "refresh"}}})
	check(t, err, w.As("bob").RequestedAction("acme/app", run.GetID(), "refresh"), w.As("bob").RerequestCheckRun("acme/app", run.GetID()),
		w.As("bob").RerequestChecks("acme/app", pr.Head, "changegate"))
	refused(t, w.As("bob").RequestedAction("acme/app", run.GetID(), "other"), "no action")
	refused(t, w.As("dave").RerequestCheckRun("acme/app", run.GetID()), "write access")
	w.flush()
	var got []string
	for _, h := range w.hooks.all() {
		e, err := github.ParseWebHook(h.event, h.body)
		check(t, err)
		switch e := e.(type) {
		case *github.CheckRunEvent:
			got = append(got, "run "+e.GetAction()+" "+e.GetSender().GetLogin())
			if e.GetCheckRun().GetApp().GetID() != w.app.ID || e.GetCheckRun().GetHeadSHA() != pr.Head {
				t.Errorf("the run is %v", e.GetCheckRun())
			}
		case *github.CheckSuiteEvent:
			got = append(got, "suite "+e.GetAction())
		}
	}
	want := "run created changegate[bot], run completed changegate[bot], suite completed, run requested_action bob, run rerequested bob, suite rerequested"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestStatusesAndWorkflows(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	pr := w.open(githubsim.PullOptions{})
	for _, state := range []string{"pending", "failure", "success"} {
		check(t, w.As("bob").PostStatus("acme/app", pr.Head, "ci/build", state, state))
	}
	check(t, w.As("bob").PostStatus("acme/app", pr.Head, "ci/lint", "pending", ""))
	combined, _, err := w.api.Repositories.GetCombinedStatus(ctx, org, repo, pr.Head, nil)
	check(t, err)
	if combined.GetState() != "pending" || len(combined.Statuses) != 2 {
		t.Errorf("got %v", combined)
	}
	all, _, err := w.api.Repositories.ListStatuses(ctx, org, repo, pr.Head, nil)
	check(t, err)
	if len(all) != 4 || all[1].GetState() != "success" || all[1].GetCreator().GetLogin() != "bob" {
		t.Errorf("got %v", all)
	}
	for _, name := range []string{"build", "test"} {
		must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{Name: name, Workflow: ".github/workflows/ci.yml", Conclusion: "success"}))
	}
	must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{Name: "build", Workflow: ".github/workflows/other.yml", Conclusion: "failure"}))
	runs, _, err := w.api.Actions.ListRepositoryWorkflowRuns(ctx, org, repo, &github.ListWorkflowRunsOptions{HeadSHA: pr.Head})
	check(t, err)
	paths := map[int64]string{}
	for _, r := range runs.WorkflowRuns {
		paths[r.GetCheckSuiteID()] = workflowPath(w, r.GetID())
	}
	list, _, err := w.api.Checks.ListCheckRunsForRef(ctx, org, repo, pr.Head, nil)
	check(t, err)
	got := map[string]string{}
	for _, r := range list.CheckRuns {
		got[r.GetName()+" "+paths[r.GetCheckSuite().GetID()]] = r.GetConclusion()
	}
	if len(got) != 3 || got["build .github/workflows/ci.yml"] != "success" || got["build .github/workflows/other.yml"] != "failure" {
		t.Errorf("got %v", got)
	}
}

// workflowPath returns a workflow run's path, which go-github leaves out.
func workflowPath(w *world, id int64) string {
	path, _ := field(w.ok(w.api, "GET", itoa("/repos/acme/app/actions/runs/", id), nil), "path").(string)
	return path
}

func TestStaleAfterFourteenDays(t *testing.T) {
	var late atomic.Bool
	w := start(t, func(c *githubsim.Config) {
		inner := c.Clock
		c.Clock = func() time.Time {
			if late.Load() {
				return inner().Add(15 * 24 * time.Hour)
			}
			return inner()
		}
	})
	pr := w.open(githubsim.PullOptions{})
	run := w.run(pr.Head, "in_progress", "")
	late.Store(true)
	got, _, err := w.api.Checks.GetCheckRun(context.Background(), org, repo, run.GetID())
	check(t, err)
	if got.GetStatus() != "completed" || got.GetConclusion() != "stale" {
		t.Errorf("it is %s %s", got.GetStatus(), got.GetConclusion())
	}
}
