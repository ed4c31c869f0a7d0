package githubsim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

const app = "acme/app"

// deploys adds a workflow and its file on main, and returns the commit.
func (w *world) deploys(flow githubsim.Workflow) string {
	w.t.Helper()
	path := flow.Path
	if path == "" {
		path = githubsim.DeployWorkflowPath
	}
	check(w.t, w.DeployWorkflow(app, flow))
	return must[string](w.t)(w.As("bob").PushBranch(app, "main", githubsim.Commit{Message: "Deploy", Files: map[string]string{path: flow.File()}}))
}

// create creates a deployment as the App, straight through.
func (w *world) create(sha, environment string) int64 {
	w.t.Helper()
	return number(field(w.ok(w.api, "POST", "/repos/acme/app/deployments", m{"ref": sha, "environment": environment, "auto_merge": false,
		"required_contexts": []string{}, "payload": m{"changes": []int{1}}}), "id"))
}

func (w *world) step() int { w.t.Helper(); return must[int](w.t)(w.RunWorkflows()) }

// states returns the states of a deployment, oldest first, each with who posted it.
func (w *world) states(id int64) []string {
	w.t.Helper()
	var out []string
	for _, d := range must[[]githubsim.DeploymentView](w.t)(w.Deployments(app)) {
		if d.ID == id {
			for _, st := range d.Statuses {
				out = append(out, st.State+" "+st.Creator)
			}
		}
	}
	return out
}

func (w *world) runOf(id int64) githubsim.RunView {
	w.t.Helper()
	for _, r := range must[[]githubsim.RunView](w.t)(w.Runs(app)) {
		if r.ID == id {
			return r
		}
	}
	w.t.Fatalf("there is no run %d", id)
	return githubsim.RunView{}
}

func (w *world) same(what string, got, want any) {
	w.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// deployAll calls everything that has to do with deployments, for TestContract.
func (w *world) deployAll(get func(string) any, post func(method, path string, body any) any) {
	const r = "/repos/acme/app"
	check(w.t, w.Environment(app, "production", githubsim.EnvironmentOptions{Apps: []string{"changegate"}, Reviewers: []string{"carol", "acme/security"},
		WaitTimer: time.Minute, Branches: []string{"main"}}))
	sha := w.deploys(githubsim.Workflow{OnDeployment: true})
	id := w.create(sha, "staging")
	one := fmt.Sprintf("/deployments/%d", id)
	status := number(field(post("POST", one+"/statuses", m{"state": "success", "log_url": "https://ci.example/1", "description": "Done", "environment_url": "https://staging.example"}), "id"))
	for _, path := range []string{"/deployments", "/deployments?environment=STAGING&task=deploy&sha=" + sha + "&ref=" + sha, one, one + "/statuses", fmt.Sprintf("%s/statuses/%d", one, status),
		"/environments", "/environments/Production", "/environments/production/deployment_protection_rules"} {
		get(r + path)
	}
	run := must[githubsim.Run](w.t)(w.As("bob").Dispatch(app, githubsim.Dispatch{Environment: "production"}))
	waiting := w.runOf(run.ID)
	get(fmt.Sprintf("%s/deployments/%d/statuses", r, waiting.Deployment))
	answer := fmt.Sprintf("/actions/runs/%d/deployment_protection_rule", run.ID)
	post("POST", answer, m{"environment_name": "production", "comment": "Waiting for **Monday**."})
	post("POST", answer, m{"environment_name": "production", "state": "approved", "comment": "Go."})
	get(fmt.Sprintf("%s/actions/runs/%d", r, run.ID))
	check(w.t, w.As("carol").ReviewDeployment(run, true), w.As("erin").BypassRules(run))
	w.step()
	w.step()
	check(w.t, w.As("bob").Rerun(run), w.As("bob").CancelRun(run))
	get(r + "/actions/runs")
	post("POST", one+"/statuses", m{"state": "inactive"})
	post("DELETE", one, nil)
}

func TestDeployments_RunTheWorkflowThatWaitsForThem(t *testing.T) {
	w := start(t)
	var asked []string
	sha := w.deploys(githubsim.Workflow{OnDeployment: true, Outcome: func(environment, sha string) string {
		asked = append(asked, environment+" "+sha[:3])
		return map[string]string{"staging": "success", "broken": "failure"}[environment]
	}})
	good, bad := w.create(sha, "staging"), w.create(sha, "broken")
	w.same("two jobs are queued and then in progress", []int{w.step(), len(w.states(good))}, []int{2, 1})
	w.step()
	w.same("success is the bot's to post", w.states(good), []string{"in_progress github-actions[bot]", "success github-actions[bot]"})
	w.same("failure too", w.states(bad), []string{"in_progress github-actions[bot]", "failure github-actions[bot]"})
	w.same("each was asked about once", asked, []string{"staging " + sha[:3], "broken " + sha[:3]})
	w.same("nothing is left to do", w.step(), 0)

	hung := w.create(sha, "hung")
	w.step()
	w.same("it goes on", w.step(), 0)
	runs := must[[]githubsim.RunView](t)(w.Runs(app))
	last := runs[len(runs)-1]
	check(t, w.As("bob").CancelRun(last.Run))
	w.same("a cancelled script says nothing more", w.states(hung), []string{"in_progress github-actions[bot]"})
	w.same("its run does", w.runOf(last.ID).Conclusion, "cancelled")
	w.same("who caused it", []any{last.Actor, last.Event, last.Trigger}, []any{"changegate[bot]", "deployment", hung})
	refused(t, w.As("bob").CancelRun(last.Run), "completed")
	refused(t, w.As("dave").Rerun(last.Run), "write access")
}

func TestDeployments_StartNoWorkflowWithoutAFileOrByItsOwnToken(t *testing.T) {
	w := start(t)
	before := must[string](t)(w.Tip(app, "main"))
	sha := w.deploys(githubsim.Workflow{OnDeployment: true})
	w.create(before, "staging")
	must[int64](t)(w.As("github-actions[bot]").CreateDeployment(app, githubsim.DeploymentOptions{Environment: "staging"}))
	w.same("neither", w.step(), 0)
	must[int64](t)(w.As("bob").CreateDeployment(app, githubsim.DeploymentOptions{Ref: sha, Environment: "staging", Payload: "by hand"}))
	w.same("a person's does", w.step(), 1)
	_, err := w.As("dave").CreateDeployment(app, githubsim.DeploymentOptions{})
	refused(t, err, "write access")
	refused(t, w.As("mallory").PostDeploymentStatus(app, 1, githubsim.DeploymentStatus{State: "success"}), "Not Found")
}

func TestDeployments_RequireWhatGitHubRequires(t *testing.T) {
	w := start(t)
	sha := must[string](t)(w.Tip(app, "main"))
	ask := func(body m) (int, any) {
		t.Helper()
		status, answer, _ := w.do(w.api, "POST", "/repos/acme/app/deployments", body)
		return status, answer
	}
	if status, answer := ask(m{"ref": "main"}); status != 201 || field(answer, "environment") != "production" || field(answer, "production_environment") != true ||
		field(answer, "task") != "deploy" || field(answer, "sha") != sha || field(answer, "performed_via_github_app", "slug") != "changegate" {
		t.Errorf("with nothing to check: %d %v", status, answer)
	}
	check(t, w.As("bob").PostStatus(app, sha, "ci", "pending", ""))
	if status, answer := ask(m{"ref": "main"}); status != 409 || field(answer, "errors", 0, "contexts", 0, "state") != "pending" {
		t.Errorf("all contexts count: %d %v", status, answer)
	}
	for _, tc := range []struct {
		contexts []string
		want     int
	}{{[]string{}, 201}, {[]string{"ci"}, 409}, {[]string{"other"}, 409}} {
		if status, answer := ask(m{"ref": "main", "required_contexts": tc.contexts}); status != tc.want {
			t.Errorf("%v: %d %v", tc.contexts, status, answer)
		}
	}
	check(t, w.As("bob").PostStatus(app, sha, "ci", "success", ""))
	must[int64](t)(w.PostCheckRun(app, sha, githubsim.CheckRun{Name: "unit"}))
	if status, _ := ask(m{"ref": "main"}); status != 409 {
		t.Errorf("check runs count too: %d", status)
	}
	if status, _ := ask(m{"ref": "main", "required_contexts": []string{"ci"}}); status != 201 {
		t.Errorf("only what is named: %d", status)
	}

	must[string](t)(w.As("bob").PushBranch(app, "topic", githubsim.Commit{Files: map[string]string{"topic": "1\n"}}))
	tip := must[string](t)(w.As("bob").PushBranch(app, "main", githubsim.Commit{Files: map[string]string{"main": "1\n"}}))
	free := m{"ref": "topic", "required_contexts": []string{}}
	if status, answer := ask(free); status != 202 || field(answer, "message") != "Auto-merged main into topic on deployment." {
		t.Errorf("a branch that is behind: %d %v", status, answer)
	}
	if status, answer := ask(free); status != 201 {
		t.Errorf("once it is not: %d %v", status, answer)
	}
	if status, _ := ask(m{"ref": sha, "required_contexts": []string{}}); status != 409 {
		t.Errorf("a commit that is behind cannot be merged into: %d", status)
	}
	if status, _ := ask(m{"ref": sha, "required_contexts": []string{}, "auto_merge": false}); status != 201 {
		t.Errorf("unless nothing is to be merged: %d", status)
	}
	must[string](t)(w.As("bob").PushBranch(app, "clash", githubsim.Commit{Files: map[string]string{"clash": "1\n"}}))
	must[string](t)(w.As("bob").PushBranch(app, "main", githubsim.Commit{Files: map[string]string{"clash": "2\n"}}))
	if status, _ := ask(m{"ref": "clash", "required_contexts": []string{}}); status != 409 {
		t.Errorf("a conflict: %d", status)
	}
	w.wrong = []string{"POST /repos/{owner}/{repo}/deployments: request"}
	for _, body := range []m{{}, {"ref": "nowhere"}, {"ref": tip, "description": strings.Repeat("x", 141)}, {"ref": tip, "payload": []int{1}},
		{"ref": tip, "environment": strings.Repeat("x", 256)}} {
		if status, answer := ask(body); status != 422 {
			t.Errorf("%v: %d %v", body, status, answer)
		}
	}
}

func TestDeploymentStatuses(t *testing.T) {
	w := start(t)
	sha := must[string](t)(w.Tip(app, "main"))
	post := func(id int64, body m) (int, any) {
		t.Helper()
		status, answer, _ := w.do(w.api, "POST", fmt.Sprintf("/repos/acme/app/deployments/%d/statuses", id), body)
		return status, answer
	}
	first, second, elsewhere, production := w.create(sha, "staging"), w.create(sha, "Staging"), w.create(sha, "qa"), w.create(sha, "production")
	next := w.create(sha, "production")
	for _, id := range []int64{first, elsewhere, production} {
		post(id, m{"state": "success"})
	}
	w.flush()
	w.hooks.reset()
	post(second, m{"state": "success", "log_url": "https://ci.example/2"})
	w.flush()
	w.same("of the status that ends another nobody is told", w.hooks.events(), []string{"deployment_status created"})
	w.same("the first in the same environment has ended", w.states(first), []string{"success changegate[bot]", "inactive changegate[bot]"})
	w.same("the one elsewhere has not", len(w.states(elsewhere)), 1)
	post(next, m{"state": "success"})
	w.same("nor does production's", len(w.states(production)), 1)
	post(first, m{"state": "success"})
	w.same("an earlier one ends no later one", len(w.states(second)), 1)
	third := w.create(sha, "staging")
	post(third, m{"state": "success", "auto_inactive": false})
	w.same("unless it is not to", len(w.states(second)), 1)

	_, answer := post(elsewhere, m{"state": "in_progress", "environment": "qa-2", "target_url": "https://ci.example/3"})
	w.same("it may move", []any{field(answer, "environment"), field(answer, "log_url")}, []any{"qa-2", "https://ci.example/3"})
	got := w.ok(w.api, "GET", fmt.Sprintf("/repos/acme/app/deployments/%d", elsewhere), nil)
	w.same("and keeps where it was", []any{field(got, "environment"), field(got, "original_environment"), field(got, "payload", "changes", 0)}, []any{"qa-2", "qa", 1.0})
	var names []string
	for _, e := range must[[]githubsim.EnvironmentView](t)(w.Environments(app)) {
		names = append(names, e.Name)
	}
	w.same("environments come to be as they are named", names, []string{"staging", "qa", "production", "qa-2"})

	w.wrong = []string{"statuses: request"}
	for _, body := range []m{{"state": "done"}, {"state": "success", "description": strings.Repeat("é", 141)}, {"state": "success", "log_url": "ftp://x"}} {
		if status, answer := post(first, body); status != 422 {
			t.Errorf("%v: %d %v", body, status, answer)
		}
	}
	if status, _ := post(first, m{"state": "success", "description": strings.Repeat("é", 140)}); status != 201 {
		t.Error("140 characters are not too long")
	}
	refused(t, w.As("bob").DeleteDeployment(app, second), "cannot delete an active deployment")
	check(t, w.As("bob").PostDeploymentStatus(app, second, githubsim.DeploymentStatus{State: "failure"}), w.As("bob").DeleteDeployment(app, second))
	if status, _ := post(second, m{"state": "success"}); status != 404 {
		t.Error("it is there still")
	}
}

func TestDeployments_NeedPermission(t *testing.T) {
	w := start(t)
	sha := must[string](t)(w.Tip(app, "main"))
	id := w.create(sha, "staging")
	check(t, w.app.AcceptPermissions("acme", map[string]string{"deployments": "read"}))
	for _, tc := range []struct {
		method, path string
		body         any
		want         int
	}{
		{"GET", "/deployments", nil, 200},
		{"POST", "/deployments", m{"ref": sha}, 403},
		{"POST", fmt.Sprintf("/deployments/%d/statuses", id), m{"state": "success"}, 403},
		{"DELETE", fmt.Sprintf("/deployments/%d", id), nil, 403},
		{"POST", "/actions/runs/1/deployment_protection_rule", m{"environment_name": "x", "comment": "x"}, 403},
		{"GET", "/environments", nil, 200},
	} {
		if status, _, _ := w.do(w.api, tc.method, "/repos/acme/app"+tc.path, tc.body); status != tc.want {
			t.Errorf("%s %s: %d, not %d", tc.method, tc.path, status, tc.want)
		}
	}
	check(t, w.app.AcceptPermissions("acme", map[string]string{"deployments": "", "actions": ""}))
	for _, path := range []string{"/deployments", "/environments", "/environments/staging"} {
		if status, _, _ := w.do(w.api, "GET", "/repos/acme/app"+path, nil); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	w.flush()
	w.hooks.reset()
	must[int64](t)(w.As("bob").CreateDeployment(app, githubsim.DeploymentOptions{}))
	w.flush()
	if slices.Contains(w.hooks.events(), "deployment") {
		t.Error("who may not read deployments is told of one")
	}
}
