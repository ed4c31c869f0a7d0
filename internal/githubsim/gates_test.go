package githubsim_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/changegate/changegate/internal/githubsim"
)

// answer answers a run's rule as the App, and returns the status.
func (w *world) answer(run githubsim.Run, body m) int {
	w.t.Helper()
	status, _, _ := w.do(w.api, "POST", fmt.Sprintf("/repos/%s/actions/runs/%d/deployment_protection_rule", run.Repo, run.ID), body)
	return status
}

// production is an environment with rules and a workflow whose job names it.
func (w *world) production(o githubsim.EnvironmentOptions) (sha string) {
	w.t.Helper()
	check(w.t, w.Environment(app, "production", o))
	return w.deploys(githubsim.Workflow{Environment: "Production"})
}

func (w *world) dispatch() githubsim.Run {
	w.t.Helper()
	return must[githubsim.Run](w.t)(w.As("bob").Dispatch(app, githubsim.Dispatch{}))
}

func TestJobs_WaitForTheAppsRule(t *testing.T) {
	w := start(t)
	sha := w.production(githubsim.EnvironmentOptions{Apps: []string{"changegate"}})
	w.flush()
	w.hooks.reset()
	run := w.dispatch()
	w.flush()
	w.same("what the App is told", w.hooks.events(), []string{"workflow_run requested", "check_run created", "deployment",
		"deployment_status created", "deployment_protection_rule requested"})
	var asked any
	all := w.hooks.all()
	check(t, json.Unmarshal(all[len(all)-1].body, &asked))
	id := w.runOf(run.ID).Deployment
	w.same("what it is asked", []any{field(asked, "environment"), field(asked, "event"), field(asked, "sha"), field(asked, "ref"), field(asked, "sender", "login"),
		number(field(asked, "deployment", "id")), field(asked, "deployment_callback_url")},
		[]any{"Production", "workflow_dispatch", sha, "refs/heads/main", "bob", id, fmt.Sprintf("%s/api/v3/repos/acme/app/actions/runs/%d/deployment_protection_rule", w.base, run.ID)})
	w.same("it waits", []any{w.step(), w.runOf(run.ID).Status, w.states(id), w.runOf(run.ID).Asked}, []any{0, "waiting", []string{"waiting bob"}, []string{"changegate"}})
	deployments := must[[]githubsim.DeploymentView](t)(w.Deployments(app))
	w.same("whose it is", []any{deployments[0].Creator, deployments[0].App, deployments[0].Run}, []any{"bob", "github-actions", run.ID})

	for n := range 10 {
		if status := w.answer(run, m{"environment_name": "production", "comment": fmt.Sprintf("Not before %d.", n)}); status != http.StatusNoContent {
			t.Fatalf("report %d: %d", n, status)
		}
	}
	w.wrong = []string{"deployment_protection_rule: request"}
	for what, body := range map[string]m{
		"an eleventh report":  {"environment_name": "production", "comment": "again"},
		"too long":            {"environment_name": "production", "state": "approved", "comment": strings.Repeat("é", 1025)},
		"another state":       {"environment_name": "production", "state": "perhaps"},
		"nothing said":        {"environment_name": "production"},
		"no environment":      {"state": "approved"},
		"another environment": {"environment_name": "staging", "state": "approved"},
	} {
		if status := w.answer(run, body); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status := w.answer(githubsim.Run{Repo: app, ID: run.ID + 1000}, m{"environment_name": "production", "state": "approved"}); status != http.StatusNotFound {
		t.Errorf("another run: %d", status)
	}
	if status := w.answer(run, m{"environment_name": "production", "state": "approved", "comment": strings.Repeat("é", 1024)}); status != http.StatusNoContent {
		t.Errorf("approved: %d", status)
	}
	if status := w.answer(run, m{"environment_name": "production", "state": "rejected"}); status != http.StatusUnprocessableEntity {
		t.Errorf("decided twice: %d", status)
	}
	w.same("it runs and succeeds", []int{w.step(), w.step(), w.step()}, []int{1, 1, 0})
	w.same("GitHub tells of it", w.states(id), []string{"waiting bob", "queued bob", "in_progress bob", "success bob"})
	if v := w.runOf(run.ID); v.Conclusion != "success" || len(v.Comments) != 11 || v.Comments[10].State != "approved" {
		t.Errorf("the run is %+v", v)
	}
}

// TestJobs_HaveTheDeploymentsOfTheirCause holds a job's deployment to the one example of such a thing that GitHub shows.
func TestJobs_HaveTheDeploymentsOfTheirCause(t *testing.T) {
	w := start(t)
	w.deploys(githubsim.Workflow{Environment: "Test"})
	ours := w.ok(w.api, "GET", fmt.Sprintf("/repos/acme/app/deployments/%d", w.runOf(w.dispatch().ID).Deployment), nil)
	seen := false
	for _, event := range examples(t) {
		for _, example := range event.Examples {
			theirs, ok := example["deployment"].(m)
			if event.Name != "workflow_job" || !ok {
				continue
			}
			seen = true
			w.same("the creator", []any{field(ours, "creator", "login"), field(theirs, "creator", "login")}, []any{"bob", field(example, "sender", "login")})
			for name, value := range theirs {
				if _, has := ours.(m)[name]; !has {
					t.Errorf("ours has no %s", name)
				}
				if slices.Contains([]string{"task", "environment", "original_environment", "description", "ref", "transient_environment", "production_environment"}, name) {
					w.same(name, field(ours, name), value)
				}
			}
			w.same("the App", field(ours, "performed_via_github_app", "slug"), field(theirs, "performed_via_github_app", "slug"))
		}
	}
	if !seen {
		t.Error("there is no example of a job with a deployment any more")
	}
}

func TestJobs_FailWhenRejected(t *testing.T) {
	w := start(t)
	w.production(githubsim.EnvironmentOptions{Apps: []string{"changegate"}})
	run := w.dispatch()
	if status := w.answer(run, m{"environment_name": "PRODUCTION", "state": "rejected", "comment": "It is frozen."}); status != http.StatusNoContent {
		t.Errorf("rejected: %d", status)
	}
	v := w.runOf(run.ID)
	w.same("it failed", []any{v.Status, v.Conclusion, w.states(v.Deployment)}, []any{"completed", "failure", []string{"waiting bob", "failure bob"}})
	check(t, w.As("bob").Rerun(run))
	again := w.runOf(run.ID)
	w.same("its next attempt asks again", []any{again.Attempt, again.Status, again.Deployment != v.Deployment}, []any{2, "waiting", true})
	check(t, w.As("bob").CancelRun(run))
	w.same("cancelled, it waits no more", w.answer(run, m{"environment_name": "production", "state": "approved"}), http.StatusUnprocessableEntity)
}

func TestJobs_OnlyTheAppWhoseRuleItIs(t *testing.T) {
	w := start(t)
	other := must[*githubsim.App](t)(w.RegisterApp(githubsim.AppOptions{Slug: "other", Key: must[*rsa.PrivateKey](t)(key()), Permissions: permissions, Events: events}))
	must[int64](t)(other.Install("acme"))
	w.production(githubsim.EnvironmentOptions{Apps: []string{"other"}})
	run := w.dispatch()
	w.flush()
	for _, d := range w.app.Deliveries() {
		if d.Event == "deployment_protection_rule" {
			t.Error("another App's rule is none of this one's business")
		}
	}
	if status := w.answer(run, m{"environment_name": "production", "state": "approved"}); status != http.StatusForbidden {
		t.Errorf("answered for another: %d", status)
	}
}

func TestJobs_WaitForReviewersTimersAndBranches(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	w := start(t, func(c *githubsim.Config) { c.Clock = func() time.Time { return now } })
	sha := w.production(githubsim.EnvironmentOptions{Reviewers: []string{"bob", "acme/tech-leads"}, PreventSelfReview: true, WaitTimer: 30 * time.Minute, Branches: []string{"main", "release/*"}})
	run := w.dispatch()
	refused(t, w.As("bob").ReviewDeployment(run, true), "review your own")
	refused(t, w.As("alice").ReviewDeployment(run, true), "no pending")
	check(t, w.As("carol").ReviewDeployment(run, true))
	refused(t, w.As("carol").ReviewDeployment(run, true), "no pending")
	now = now.Add(29 * time.Minute)
	w.same("the timer still runs", []any{w.step(), w.runOf(run.ID).Until}, []any{0, now.Add(time.Minute)})
	now = now.Add(time.Minute)
	w.same("and has run out", []any{w.step(), w.runOf(run.ID).Status}, []any{1, "queued"})

	no := w.dispatch()
	check(t, w.As("carol").ReviewDeployment(no, false))
	w.same("a reviewer may reject", w.runOf(no.ID).Conclusion, "failure")
	bypassed := w.dispatch()
	refused(t, w.As("bob").BypassRules(bypassed), "admin access")
	check(t, w.As("erin").BypassRules(bypassed))
	w.same("an administrator need not wait", w.runOf(bypassed.ID).Status, "queued")
	check(t, w.Environment(app, "production", githubsim.EnvironmentOptions{Reviewers: []string{"carol"}, NoBypass: true, Branches: []string{"main"}}))
	held := w.dispatch()
	refused(t, w.As("erin").BypassRules(held), "cannot be bypassed")
	now = now.Add(31 * 24 * time.Hour)
	w.step()
	w.same("after 30 days it has failed", w.runOf(held.ID).Conclusion, "failure")

	must[string](t)(w.As("bob").PushBranch(app, "topic", githubsim.Commit{Files: map[string]string{"x": "1\n"}}))
	before := len(must[[]githubsim.DeploymentView](t)(w.Deployments(app)))
	for _, ref := range []string{"topic", sha} {
		run := must[githubsim.Run](t)(w.As("bob").Dispatch(app, githubsim.Dispatch{Ref: ref}))
		w.same(ref+" may not deploy, and GitHub makes no deployment", []any{w.runOf(run.ID).Conclusion, len(must[[]githubsim.DeploymentView](t)(w.Deployments(app)))}, []any{"failure", before})
	}
	_, err := w.As("bob").Dispatch(app, githubsim.Dispatch{Path: "other.yml"})
	refused(t, err, "does not exist")
	_, err = w.As("bob").Dispatch(app, githubsim.Dispatch{Ref: "nowhere"})
	refused(t, err, "No ref found")
}

func TestJobs_RunOnPushAndTimeOut(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	w := start(t, func(c *githubsim.Config) { c.Clock = func() time.Time { return now } })
	w.deploys(githubsim.Workflow{OnPush: true, Environment: "staging", NoDeployment: true, Timeout: time.Hour, Outcome: func(string, string) string { return "" }})
	runs := must[[]githubsim.RunView](t)(w.Runs(app))
	w.same("the push that brings the workflow runs it", []any{len(runs), runs[0].Event, runs[0].Deployment}, []any{1, "push", int64(0)})
	w.step()
	now = now.Add(59 * time.Minute)
	w.same("it runs on", w.step(), 0)
	now = now.Add(time.Minute)
	w.step()
	w.same("and is given up", w.runOf(runs[0].ID).Conclusion, "timed_out")
	w.same("nothing was deployed", len(must[[]githubsim.DeploymentView](t)(w.Deployments(app))), 0)
	refused(t, w.FinishRun(runs[0].Run, "success"), "completed")
	if err := w.FinishRun(runs[0].Run, "skipped"); err == nil {
		t.Error("a job cannot be told to be skipped")
	}
}

// ask sends a GET and decodes the answer.
func ask(t *testing.T, url, bearer string) (int, any) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil))
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	var out any
	check(t, json.Unmarshal(must[[]byte](t)(io.ReadAll(resp.Body)), &out))
	return resp.StatusCode, out
}

func TestJobs_SayWhoTheyAre(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	signer := must[*rsa.PrivateKey](t)(key())
	w := start(t, func(c *githubsim.Config) { c.Clock, c.TokenKey = func() time.Time { return now }, signer })
	sha := w.deploys(githubsim.Workflow{Environment: "production"})
	run := w.dispatch()
	if _, _, err := w.TokenRequest(run); err == nil {
		t.Error("a job that has not begun asks for nothing")
	}
	w.step()
	url, bearer, err := w.TokenRequest(run)
	check(t, err)
	status, answer := ask(t, url+"&audience=https%3A%2F%2Fgate.example", bearer)
	if status != http.StatusOK {
		t.Fatalf("the issuer answers %d %v", status, answer)
	}
	_, found := ask(t, w.Issuer()+"/.well-known/openid-configuration", "")
	w.same("discovery", []any{field(found, "issuer"), field(found, "id_token_signing_alg_values_supported", 0)}, []any{w.base + "/_services/token", "RS256"})
	_, keys := ask(t, field(found, "jwks_uri").(string), "")
	var claims jwt.MapClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	read := func(token string) error {
		claims = jwt.MapClaims{}
		_, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
			if t.Header["kid"] != field(keys, "keys", 0, "kid") {
				return nil, fmt.Errorf("an unknown key %v", t.Header["kid"])
			}
			return &signer.PublicKey, nil
		})
		return err
	}
	check(t, read(field(answer, "value").(string)))
	first := claims["jti"]
	want := jwt.MapClaims{"iss": w.base + "/_services/token", "aud": "https://gate.example", "sub": "repo:acme/app:environment:production",
		"repository": "acme/app", "repository_owner": "acme", "sha": sha, "ref": "refs/heads/main", "ref_type": "branch", "environment": "production",
		"workflow": "Deploy", "workflow_ref": "acme/app/.github/workflows/deploy.yml@refs/heads/main",
		"job_workflow_ref": "acme/app/.github/workflows/deploy.yml@refs/heads/main", "run_id": fmt.Sprint(run.ID), "run_attempt": "1", "actor": "bob",
		"event_name": "workflow_dispatch", "iat": float64(now.Unix()), "exp": float64(now.Add(5 * time.Minute).Unix()), "nbf": float64(now.Add(-10 * time.Minute).Unix())}
	for name, value := range want {
		if claims[name] != value {
			t.Errorf("%s is %v, not %v", name, claims[name], value)
		}
	}
	for _, name := range []string{"repository_id", "repository_owner_id", "actor_id"} {
		if s, ok := claims[name].(string); !ok || s == "" {
			t.Errorf("%s is %v", name, claims[name])
		}
	}
	_, again := ask(t, url, bearer)
	check(t, read(field(again, "value").(string)))
	w.same("each is another, and for the owner by default", []any{claims["jti"] != first, claims["aud"]}, []any{true, w.base + "/acme"})

	forged := must[string](t)(w.JobToken(run, githubsim.TokenOptions{Key: must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))}))
	if err := read(forged); err == nil {
		t.Error("somebody else's key signs for the issuer")
	}
	check(t, read(must[string](t)(w.JobToken(run, githubsim.TokenOptions{Audience: "a", Claims: m{"environment": nil, "sha": "0"}}))))
	if _, has := claims["environment"]; has || claims["sha"] != "0" || claims["aud"] != "a" {
		t.Errorf("the claims are %v", claims)
	}
	for what, try := range map[string]struct{ url, bearer string }{"no bearer": {url, ""}, "another's": {url, "x"}, "another run": {strings.Replace(url, fmt.Sprintf("/%d/", run.ID), "/1/", 1), bearer}} {
		if status, _ := ask(t, try.url, try.bearer); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, status)
		}
	}
	w.step()
	if status, _ := ask(t, url, bearer); status != http.StatusUnauthorized {
		t.Errorf("a job that has ended: %d", status)
	}
}
