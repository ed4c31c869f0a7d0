package pages

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

// deploying adds a workflow that deploys, with its file on main, and environments with rules.
func (w *world) deploying() {
	w.t.Helper()
	flow := githubsim.Workflow{OnDeployment: true, Environment: "production"}
	w.must(w.sim.DeployWorkflow(shop, flow))
	w.must(w.sim.Unprotect(shop, "main"))
	_, err := w.sim.As("olivia").PushBranch(shop, "main", githubsim.Commit{Message: "Deploy <it>", Files: map[string]string{githubsim.DeployWorkflowPath: flow.File()}})
	w.must(err)
	w.must(w.sim.Environment(shop, "production", githubsim.EnvironmentOptions{Reviewers: []string{"bob"}, WaitTimer: time.Minute, Branches: []string{"main"}}))
}

func (w *world) newest() githubsim.RunView {
	w.t.Helper()
	runs, err := w.sim.Runs(shop)
	w.must(err)
	if len(runs) == 0 {
		w.t.Fatal("nothing has run")
	}
	return runs[len(runs)-1]
}

func TestDeployments(t *testing.T) {
	w := newWorld(t)
	if page := w.get("/acme/shop/deployments"); !strings.Contains(page, "Nothing has been deployed yet") || !strings.Contains(page, "No workflow that deploys has run yet") {
		t.Errorf("an empty page says\n%s", page)
	}
	w.deploying()
	page := w.post("/acme/shop/deployments/dispatch", "workflow", githubsim.DeployWorkflowPath)
	run := w.newest()
	for _, want := range []string{"Deploy #1", "a review by <strong>bob</strong>", "waits 1 minute", "only from main", "Deploy &lt;it&gt;", "by alice with github-actions", "1 status"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	id := fmt.Sprint(run.ID)
	if page := w.post("/acme/shop/deployments/approve", "run", id); !strings.Contains(page, "GitHub refused") {
		t.Errorf("alice reviewed for bob:\n%s", page)
	}
	w.actAs("bob")
	w.post("/acme/shop/deployments/approve", "run", id)
	w.actAs("olivia")
	w.post("/acme/shop/deployments/bypass", "run", id)
	page = w.post("/acme/shop/deployments/step")
	if got := w.newest().Status; got != "in_progress" || !strings.Contains(page, "Run them one step further") || !strings.Contains(page, "Let it fail") {
		t.Errorf("the run is %s:\n%s", got, page)
	}
	w.post("/acme/shop/deployments/fail", "run", id)
	w.post("/acme/shop/deployments/rerun", "run", id)
	w.post("/acme/shop/deployments/cancel", "run", id)
	if diff := cmp.Diff([]any{"cancelled", 2}, []any{w.newest().Conclusion, w.newest().Attempt}); diff != "" {
		t.Errorf("the next attempt (-want +got):\n%s", diff)
	}
	page = w.get("/acme/shop/deployments")
	for _, want := range []string{"attempt 2", "1 earlier deployment", `href="` + w.sim.URL() + "/acme/shop/actions/runs/" + id} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	if page := w.get("/acme/shop/actions/runs/" + id); !strings.Contains(page, "Workflow runs") {
		t.Errorf("a run's own address leads to\n%s", page)
	}
	if live := w.get("/acme/shop/deployments/live"); strings.Contains(live, "<html") || !strings.Contains(live, "Deploy #1") {
		t.Errorf("the live part is\n%s", live)
	}
	if status, _ := w.do(w.request("/acme/shop/deployments/nothing")); status != http.StatusNotFound {
		t.Errorf("an action that is none: %d", status)
	}
	if status, _ := w.do(w.request("/acme/shop/deployments/cancel", "run", "x")); status != http.StatusBadRequest {
		t.Errorf("a run that is no number: %d", status)
	}
}
