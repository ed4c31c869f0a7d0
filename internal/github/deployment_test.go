package github

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

const (
	appCall           = "GET /app"
	deploymentsCall   = "GET /repos/acme/shop/deployments"
	deploymentCall    = "GET /repos/acme/shop/deployments/5"
	deployCall        = "POST /repos/acme/shop/deployments"
	statusesCall      = "GET /repos/acme/shop/deployments/5/statuses"
	postStatusCall    = "POST /repos/acme/shop/deployments/5/statuses"
	otherApp          = 8
	listOfCommitQuery = "?per_page=100&sha=" + string(headSHA)
)

// isCalled makes the fake's App one that has a name.
func isCalled(f *fake) *fake {
	f.json(appCall, 200, m{"id": appID, "slug": "changegate"})
	return f
}

// deployed is a deployment as GitHub gives it; an App of 0 is none that GitHub tells.
func deployed(id, minute int, environment string, payload any, by any, app int) m {
	d := made(m{"id": id, "sha": headSHA, "ref": headSHA, "task": "deploy", "environment": environment, "original_environment": environment,
		"payload": payload, "created_at": stamp(minute)}, nil, app)
	d["creator"] = by
	return d
}

func status(id, minute int, state string, by any, app int) m {
	s := made(m{"id": id, "state": state, "environment": "staging", "log_url": "", "target_url": "", "created_at": stamp(minute)}, nil, app)
	s["creator"] = by
	return s
}

func TestBotLogin(t *testing.T) {
	f := isCalled(newFake(t))
	g := f.github()
	for range 2 {
		if got, err := g.Installation(5).BotLogin(t.Context()); err != nil || got != "changegate[bot]" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	calls(t, f, appCall)
	f.json(appCall, 200, m{"slug": "gate"})
	f.clock.advance(time.Hour)
	if got, err := g.BotLogin(t.Context()); err != nil || got != "gate[bot]" {
		t.Errorf("after the App was renamed: %q, %v", got, err)
	}
	calls(t, f, appCall)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
	}{
		"a wrong key": {refuse(401, "A JSON web token could not be decoded"), new(*Unauthorized)},
		"an outage":   {refuse(502, ""), new(*Unavailable)},
		"no name":     {answerWith(200, "{}"), new(*Unavailable)},
		"no JSON":     {answerWith(200, "<html>"), new(*Unavailable)},
	} {
		f := newFake(t)
		f.on(appCall, tt.answer)
		if _, err := f.github().BotLogin(t.Context()); !errors.As(err, tt.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateDeployment(t *testing.T) {
	write := DeploymentWrite{
		SHA: headSHA, Environment: "Produktion/Süd", Payload: json.RawMessage(`{"changegate":"deploy 1","number":12}`),
		Description: strings.Repeat("ü", 141), Production: true,
	}
	f := isCalled(newFake(t))
	create, body := takes(201, deployed(5, 1, "Produktion/Süd", m{"changegate": "deploy 1"}, user(gate), 0))
	f.on(deployCall, create)
	f.json(deploymentsCall, 200, []any{})
	c := f.client()
	s := c.Begin()
	if got, err := s.Deployments(t.Context(), shop, DeploymentFilter{}, s.Began()); err != nil || len(got) != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
	f.took()
	got, err := c.CreateDeployment(t.Context(), shop, write)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, change.Deployment{ID: 5, SHA: headSHA, Ref: string(headSHA), Task: "deploy", Environment: "Produktion/Süd", By: gate, Via: appID,
		Payload: json.RawMessage(`{"changegate":"deploy 1"}`), At: noon.Add(time.Minute)})
	diff(t, *body, m{"ref": string(headSHA), "task": "deploy", "auto_merge": false, "required_contexts": []any{}, "environment": "Produktion/Süd",
		"payload": m{"changegate": "deploy 1", "number": 12.0}, "description": strings.Repeat("ü", 139) + "…",
		"transient_environment": false, "production_environment": true})
	if _, err := c.Begin().Deployments(t.Context(), shop, DeploymentFilter{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	calls(t, f, deploymentsCall+"?per_page=100", deployCall)
	if _, err := c.CreateDeployment(t.Context(), shop, DeploymentWrite{SHA: headSHA, Environment: "staging", Task: "rollback"}); err != nil {
		t.Fatal(err)
	}
	diff(t, *body, m{"ref": string(headSHA), "task": "rollback", "auto_merge": false, "required_contexts": []any{}, "environment": "staging",
		"description": "", "transient_environment": false, "production_environment": false})

	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
		says   string
	}{
		"GitHub merges instead":     {answerWith(202, m{"message": "Auto-merged main into a on deployment."}), new(*Rejected), "merged the default branch and deployed nothing"},
		"a check is in the way":     {refuse(409, "Conflict: Commit status checks failed for a"), new(*Rejected), "409: Conflict: Commit status checks failed"},
		"there is no such commit":   {refuse(422, "No ref found for: a"), new(*Rejected), "No ref found"},
		"not for this App":          {refuse(403, "Resource not accessible by integration"), new(*Forbidden), "not accessible"},
		"the answer is lost":        {func(http.ResponseWriter, *http.Request) { panic(connectionCut(false)) }, new(*Unavailable), ""},
		"an outage":                 {refuse(502, ""), new(*Unavailable), "502"},
		"no id":                     {answerWith(201, "{}"), new(*Unavailable), "names no deployment"},
		"another commit was pushed": {answerWith(201, m{"id": 5, "sha": baseSHA}), new(*Rejected), "deployed " + string(baseSHA) + " instead"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(deployCall, tt.answer)
			_, err := f.client().CreateDeployment(t.Context(), shop, write)
			if !errors.As(err, tt.is) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "deploying aaaaaaa to Produktion/Süd in acme/shop") {
				t.Errorf("got %v", err)
			}
			var unavailable *Unavailable
			if errors.As(err, &unavailable) && !unavailable.MayHaveHappened {
				t.Error("it may have happened")
			}
			calls(t, f, deployCall)
		})
	}
}

func TestDeployments(t *testing.T) {
	f := isCalled(newFake(t))
	f.json(deploymentsCall, 200, []any{
		deployed(9, 9, "PRODUCTION", `{"changegate":"x"}`, user(gate), 0), nil,
		deployed(8, 8, "production", nil, nil, 0),
		deployed(7, 8, "staging", strings.Repeat("x", change.MaxPayload), user(bob), otherApp),
		deployed(6, 7, "production", m{}, user(bob), 0),
	})
	s := f.client().Begin()
	want := []change.Deployment{
		{ID: 6, SHA: headSHA, Ref: string(headSHA), Task: "deploy", Environment: "production", By: bob, Payload: json.RawMessage("{}"), At: noon.Add(7 * time.Minute)},
		{ID: 7, SHA: headSHA, Ref: string(headSHA), Task: "deploy", Environment: "staging", By: bob, Via: otherApp, App: "some-app", At: noon.Add(8 * time.Minute)},
		{ID: 8, SHA: headSHA, Ref: string(headSHA), Task: "deploy", Environment: "production", At: noon.Add(8 * time.Minute)},
		{ID: 9, SHA: headSHA, Ref: string(headSHA), Task: "deploy", Environment: "PRODUCTION", By: gate, Via: appID,
			Payload: json.RawMessage(`"{\"changegate\":\"x\"}"`), At: noon.Add(9 * time.Minute)},
	}
	for name, tt := range map[string]struct {
		filter DeploymentFilter
		want   []change.Deployment
	}{
		"all":                     {DeploymentFilter{}, want},
		"of an environment":       {DeploymentFilter{Environment: "Production"}, []change.Deployment{want[0], want[2], want[3]}},
		"since a time":            {DeploymentFilter{Since: noon.Add(8*time.Minute + time.Millisecond)}, want[1:]},
		"of none, since tomorrow": {DeploymentFilter{Since: noon.Add(24 * time.Hour)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Deployments(t.Context(), shop, tt.filter, s.Began())
			if err != nil {
				t.Fatal(err)
			}
			diff(t, got, tt.want)
		})
	}
	calls(t, f, appCall, deploymentsCall+"?per_page=100")
	if got, err := s.Deployments(t.Context(), shop, DeploymentFilter{SHA: headSHA}, s.Began()); err != nil || len(got) != 4 {
		t.Errorf("got %v, %v", got, err)
	}
	calls(t, f, deploymentsCall+listOfCommitQuery)
}

func TestDeploymentsOfManyPages(t *testing.T) {
	pages := func(n int) (out []any) {
		for p := range n {
			out = append(out, many(100, func(i int) any {
				id := 100*(n-p) - i
				return deployed(id, id/100, "staging", nil, user(bob), 0) // a hundred a minute
			}))
		}
		return out
	}
	for name, tt := range map[string]struct {
		pages, calls int
		since        time.Time
		newest       bool
		want         int // -1: it fails
	}{
		"all":                            {3, 4, time.Time{}, false, 300},
		"those of the first page":        {12, 1, noon.Add(12 * time.Minute), false, 1},
		"those of the first two":         {9, 2, noon.Add(8 * time.Minute), false, 101},
		"more than is sane":              {12, 10, time.Time{}, false, -1},
		"more, where the newest will do": {12, 10, time.Time{}, true, 1000},
		"more, but not since the time":   {12, 10, noon.Add(4 * time.Minute), false, 801},
	} {
		t.Run(name, func(t *testing.T) {
			f := isCalled(newFake(t))
			f.pages(deploymentsCall, pages(tt.pages), true)
			s := f.client().Begin()
			got, err := s.Deployments(t.Context(), shop, DeploymentFilter{Since: tt.since, Newest: tt.newest}, s.Began())
			var rejected *Rejected
			if tt.want < 0 && !errors.As(err, &rejected) || tt.want >= 0 && (err != nil || len(got) != tt.want) {
				t.Errorf("got %d, %v", len(got), err)
			}
			equal(t, "calls", len(f.took()), tt.calls+1)
		})
	}
}

func TestDeployment(t *testing.T) {
	f := isCalled(newFake(t))
	f.json(deploymentCall, 200, deployed(5, 0, "staging", m{"a": 1}, user(bob), 0))
	s := f.client().Begin()
	got, err := s.Deployment(t.Context(), shop, 5, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, change.Deployment{ID: 5, SHA: headSHA, Ref: string(headSHA), Task: "deploy", Environment: "staging", By: bob, Payload: json.RawMessage(`{"a":1}`), At: noon})
	var missing *NotFound
	if _, err := s.Deployment(t.Context(), shop, 6, time.Time{}); !errors.As(err, &missing) {
		t.Errorf("one that was deleted: %v", err)
	}
	f.on(appCall, refuse(502, ""))
	f.clock.advance(2 * time.Hour)
	if _, err := f.client().Begin().Deployment(t.Context(), shop, 5, time.Time{}); !Temporary(err) {
		t.Errorf("without a name: %v", err)
	}
}

func TestFindDeployment(t *testing.T) {
	ours := m{"changegate": "deploy 1", "number": 1}
	moved := deployed(40, 4, "production", ours, user(gate), appID)
	moved["original_environment"] = "Staging"
	f := isCalled(newFake(t))
	f.json(deploymentsCall, 200, []any{
		nil, deployed(50, 5, "staging", `{"changegate":"deploy 1"}`, user(gate), 0), moved,
		deployed(39, 3, "staging", m{"changegate": "deploy 10"}, user(gate), 0), // another key
		deployed(38, 3, "production", ours, user(gate), 0),                      // another environment
		deployed(37, 3, "staging", ours, user(bob), 0),                          // a copy of somebody's
		deployed(36, 3, "staging", ours, user(bob), appID),                      // and through this App
		deployed(35, 3, "staging", ours, nil, 0),                                // and of nobody known
		deployed(34, 3, "staging", ours, user(gate), otherApp),                  // another App of a name that was ours
		deployed(33, 0, "staging", ours, user(gate), 0),                         // before the attempt
	})
	c := f.client()
	for name, tt := range map[string]struct {
		environment, key string
		want             int64
	}{
		"the first that is ours":        {"STAGING", "deploy 1", 40},
		"in another environment":        {"production", "deploy 1", 38},
		"of another key":                {"staging", "deploy 10", 39},
		"none of the key":               {"staging", "deploy 2", 0},
		"none, since no key is no name": {"staging", "", 0},
		"none in such an environment":   {"qa", "deploy 1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, found, err := c.FindDeployment(t.Context(), shop, headSHA, tt.environment, tt.key, noon.Add(90*time.Second))
			if err != nil || found != (tt.want != 0) || got.ID != tt.want || found && got.Via != appID {
				t.Errorf("got %+v, %v, %v", got, found, err)
			}
		})
	}
	f.took()
	if _, found, err := c.FindDeployment(t.Context(), shop, headSHA, "staging", "deploy 1", noon); err != nil || !found {
		t.Errorf("found %v, %v", found, err)
	}
	calls(t, f, deploymentsCall+listOfCommitQuery+" 304")
	f.on(deploymentsCall, refuse(502, ""))
	if _, found, err := c.FindDeployment(t.Context(), shop, headSHA, "staging", "deploy 1", noon); !Temporary(err) || found {
		t.Errorf("got %v", err)
	}
}

func TestDeploymentStatuses(t *testing.T) {
	linked := status(3, 2, "success", user(gate), 0)
	linked["log_url"], linked["target_url"] = "https://ci/log", "https://ci/old"
	old := status(1, 0, "queued", nil, 0)
	old["target_url"] = "https://ci/old"
	f := isCalled(newFake(t))
	f.json(statusesCall, 200, []any{linked, nil, status(2, 2, "in_progress", user(bob), otherApp), old})
	c := f.client()
	s := c.Begin()
	want := []change.DeploymentStatus{
		{ID: 1, Deployment: change.Deployment{ID: 5, Environment: "staging"}, State: change.DeploymentQueued, LogURL: "https://ci/old", At: noon},
		{ID: 2, Deployment: change.Deployment{ID: 5, Environment: "staging"}, State: change.DeploymentInProgress, By: bob, Via: otherApp, App: "some-app", At: noon.Add(2 * time.Minute)},
		{ID: 3, Deployment: change.Deployment{ID: 5, Environment: "staging"}, State: change.DeploymentSuccess, By: gate, Via: appID, LogURL: "https://ci/log", At: noon.Add(2 * time.Minute)},
	}
	for range 2 {
		got, err := s.DeploymentStatuses(t.Context(), shop, 5, s.Began())
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
	}
	calls(t, f, appCall, statusesCall+"?per_page=100")

	for name, tt := range map[string]struct {
		state change.DeploymentState
		since time.Time
		found bool
	}{
		"ours":               {change.DeploymentSuccess, noon.Add(2*time.Minute + time.Millisecond), true},
		"ours from before":   {change.DeploymentSuccess, noon.Add(3 * time.Minute), false},
		"another's":          {change.DeploymentInProgress, noon, false},
		"nobody's who known": {change.DeploymentQueued, noon, false},
		"none":               {change.DeploymentFailure, noon, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, found, err := c.FindDeploymentStatus(t.Context(), shop, 5, tt.since, func(s change.DeploymentStatus) bool { return s.State == tt.state })
			if err != nil || found != tt.found {
				t.Fatalf("got %v, %v", found, err)
			}
			if found {
				diff(t, got, want[2])
			}
			calls(t, f, statusesCall+"?per_page=100 304")
		})
	}
	var missing *NotFound
	if _, err := s.DeploymentStatuses(t.Context(), shop, 6, s.Began()); !errors.As(err, &missing) {
		t.Errorf("of a deployment that was deleted: %v", err)
	}
}

func TestCreateDeploymentStatus(t *testing.T) {
	f := isCalled(newFake(t))
	create, body := takes(201, status(3, 2, "success", user(gate), 0))
	f.on(postStatusCall, create)
	f.json(statusesCall, 200, []any{})
	c := f.client()
	if _, err := c.Begin().DeploymentStatuses(t.Context(), shop, 5, time.Time{}); err != nil {
		t.Fatal(err)
	}
	f.took()
	got, err := c.CreateDeploymentStatus(t.Context(), shop, 5, DeploymentStatusWrite{
		State: change.DeploymentSuccess, Description: "deployed & <well>", LogURL: "https://gate/log?a=1&b=2", Environment: "staging", EnvironmentURL: "https://shop"})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, change.DeploymentStatus{ID: 3, Deployment: change.Deployment{ID: 5, Environment: "staging"}, State: change.DeploymentSuccess, By: gate, Via: appID, At: noon.Add(2 * time.Minute)})
	diff(t, *body, m{"state": "success", "description": "deployed & <well>", "log_url": "https://gate/log?a=1&b=2", "environment": "staging",
		"environment_url": "https://shop", "auto_inactive": false})
	if _, err := c.Begin().DeploymentStatuses(t.Context(), shop, 5, time.Time{}); err != nil {
		t.Fatal(err)
	}
	calls(t, f, statusesCall+"?per_page=100", postStatusCall)

	if _, err := c.CreateDeploymentStatus(t.Context(), shop, 5, DeploymentStatusWrite{State: change.DeploymentInactive, Description: strings.Repeat("☂", 200)}); err != nil {
		t.Fatal(err)
	}
	if says := (*body)["description"].(string); utf8.RuneCountInString(says) != 140 || !strings.HasSuffix(says, "☂…") {
		t.Errorf("the description: %s", says)
	}
	equal(t, "members", len(*body), 3)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
	}{
		"deleted":            {refuse(404, "Not Found"), new(*NotFound)},
		"refused":            {refuse(422, "Validation Failed"), new(*Rejected)},
		"the answer is lost": {func(http.ResponseWriter, *http.Request) { panic(connectionCut(true)) }, new(*Unavailable)},
		"no id":              {answerWith(201, "{}"), new(*Unavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(postStatusCall, tt.answer)
			_, err := f.client().CreateDeploymentStatus(t.Context(), shop, 5, DeploymentStatusWrite{State: change.DeploymentSuccess})
			var unavailable *Unavailable
			if !errors.As(err, tt.is) || errors.As(err, &unavailable) && !unavailable.MayHaveHappened {
				t.Errorf("got %v", err)
			}
		})
	}
}
