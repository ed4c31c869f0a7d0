package github

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	gateCall = "POST /repos/acme/shop/actions/runs/34/deployment_protection_rule"
	runCall  = "GET /repos/acme/shop/actions/runs/34"
)

func TestParseCallback(t *testing.T) {
	at := func(api string) *Client {
		t.Helper()
		f := newFake(t)
		config := f.config()
		config.App.V3APIURL = api
		g, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		return g.Installation(5)
	}
	const good = "/repos/acme/shop/actions/runs/34/deployment_protection_rule"
	public, enterprise := at("https://api.github.com/"), at("https://ghe.example:8443/api/v3")
	for callback, tt := range map[string]struct {
		client *Client
		run    int64
	}{
		"https://api.github.com" + good: {public, 34},
		"https://API.GitHub.com/repos/Acme/SHOP/actions/runs/9223372036854775807/deployment_protection_rule": {public, 9223372036854775807},
		"https://ghe.example:8443/api/v3" + good:                         {enterprise, 34},
		"https://ghe.example:8443" + good:                                {enterprise, 0}, // not the API
		"https://ghe.example:8443/api/v4" + good:                         {enterprise, 0},
		"https://ghe.example/api/v3" + good:                              {enterprise, 0}, // another port
		"https://api.github.com/api/v3" + good:                           {public, 0},
		"http://api.github.com" + good:                                   {public, 0},
		"https://api.github.com.evil.example" + good:                     {public, 0},
		"https://evil.example" + good:                                    {public, 0},
		"https://api.github.com@evil.example" + good:                     {public, 0},
		"https://bob:x@api.github.com" + good:                            {public, 0},
		"//api.github.com" + good:                                        {public, 0},
		good:                                                             {public, 0},
		"":                                                               {public, 0},
		"https://api.github.com" + good + "?x=1":                         {public, 0},
		"https://api.github.com" + good + "?":                            {public, 0},
		"https://api.github.com" + good + "#":                            {public, 0},
		"https://api.github.com" + good + "/":                            {public, 0},
		"https://api.github.com/" + good:                                 {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/34/approve": {public, 0},
		"https://api.github.com/repos/acme/other/actions/runs/34/deployment_protection_rule":                 {public, 0},
		"https://api.github.com/repos/mallory/shop/actions/runs/34/deployment_protection_rule":               {public, 0},
		"https://api.github.com/repos/acme/shop/../other/actions/runs/34/deployment_protection_rule":         {public, 0},
		"https://api.github.com/repos/acme/shop%2F..%2Fother/actions/runs/34/deployment_protection_rule":     {public, 0},
		"https://api.github.com/repos/%61cme/shop/actions/runs/34/deployment_protection_rule":                {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/034/deployment_protection_rule":                 {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/+34/deployment_protection_rule":                 {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/-34/deployment_protection_rule":                 {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/0/deployment_protection_rule":                   {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/9223372036854775808/deployment_protection_rule": {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/%33%34/deployment_protection_rule":              {public, 0},
		"https://api.github.com/repos/acme/shop/actions/runs/34\n/deployment_protection_rule":                {public, 0},
		"https:api.github.com" + good: {public, 0},
	} {
		run, err := tt.client.ParseCallback(callback, shop)
		var bad *BadCallback
		if run != tt.run || (err == nil) != (tt.run != 0) || err != nil && !errors.As(err, &bad) {
			t.Errorf("%s: got %d, %v", callback, run, err)
		}
	}

	// Whatever is taken for a callback is the address that is built from what was read of it.
	rapid.Check(t, func(t *rapid.T) {
		part := func(name string, values ...string) string {
			return rapid.OneOf(rapid.Just(values[0]), rapid.SampledFrom(values), rapid.StringN(0, 3, -1)).Draw(t, name)
		}
		callback := part("scheme", "https", "http", "HTTPS") + "://" + part("user", "", "bob@", "bob:x@") + part("host", "api.github.com", "API.github.com", "github.com", "x") +
			part("before", "/", "//", "/api/v3/") + "repos/" + part("owner", "acme", "ACME", "..") + "/" + part("name", "shop", "Shop", "other", "%2e%2e") +
			"/actions/runs/" + part("run", "34", "0", "-1", "٣") + "/deployment_protection_rule" + part("after", "", "/", "?", "#", "?a=b")
		run, err := public.ParseCallback(callback, shop)
		if err == nil && !strings.EqualFold(callback, "https://api.github.com/"+reviewGate.at("acme", "shop", itoa(run))) {
			t.Errorf("%q is run %d's", callback, run)
		}
	})
}

func TestReviewGate(t *testing.T) {
	f := newFake(t)
	review, body := takes(204, "")
	f.on(gateCall, review)
	c := f.client()
	callback := f.server.URL + "/repos/ACME/shop/actions/runs/34/deployment_protection_rule"
	for name, tt := range map[string]struct {
		state   GateState
		comment string
		want    m
	}{
		"approved":            {GateApproved, "Go & <see>", m{"environment_name": "Süd/1", "state": "approved", "comment": "Go & <see>"}},
		"rejected, no reason": {GateRejected, "", m{"environment_name": "Süd/1", "state": "rejected"}},
		"not yet":             {GateProgress, strings.Repeat("ü", 1025), m{"environment_name": "Süd/1", "comment": strings.Repeat("ü", 1023) + "…"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.ReviewGate(t.Context(), shop, callback, "Süd/1", tt.state, tt.comment); err != nil {
				t.Fatal(err)
			}
			diff(t, *body, tt.want)
			calls(t, f, gateCall)
		})
	}

	var bad *BadCallback
	for _, callback := range []string{"https://evil.example" + strings.TrimPrefix(callback, f.server.URL), strings.Replace(callback, "shop", "other", 1)} {
		if err := c.ReviewGate(t.Context(), shop, callback, "production", GateApproved, ""); !errors.As(err, &bad) {
			t.Errorf("%s: %v", callback, err)
		}
	}
	calls(t, f)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
		closed bool
	}{
		"answered before":    {refuse(422, "No pending custom deployment requests to approve or reject"), new(*Rejected), true},
		"answered meanwhile": {refuse(409, "Conflict"), new(*Rejected), true},
		"the run is gone":    {refuse(404, "Not Found"), new(*NotFound), true},
		"not for this App":   {refuse(403, "Resource not accessible by integration"), new(*Forbidden), false},
		"nonsense":           {refuse(400, "Problems parsing JSON"), new(*Rejected), false},
		"an outage":          {refuse(502, ""), new(*Unavailable), false},
		"the answer is lost": {func(http.ResponseWriter, *http.Request) { panic(connectionCut(false)) }, new(*Unavailable), false},
	} {
		t.Run(name, func(t *testing.T) {
			f.on(gateCall, tt.answer)
			err := c.ReviewGate(t.Context(), shop, callback, "production", GateApproved, "")
			var closed *GateClosed
			if !errors.As(err, tt.is) || errors.As(err, &closed) != tt.closed {
				t.Errorf("got %v", err)
			}
			var unavailable *Unavailable
			if errors.As(err, &unavailable) && !unavailable.MayHaveHappened {
				t.Error("it may have happened")
			}
		})
	}
}

func TestWorkflowRun(t *testing.T) {
	run := m{"id": 34, "run_attempt": 2, "head_sha": headSHA, "head_branch": "main", "event": "push", "path": ".github/workflows/deploy.yml@refs/heads/main",
		"status": "completed", "conclusion": "success", "repository": m{"id": 1}, "actor": user(alice), "triggering_actor": user(bob), "html_url": "https://run"}
	want := WorkflowRun{ID: 34, Attempt: 2, Repository: 1, Head: headSHA, Branch: "main", Event: "push", Path: ".github/workflows/deploy.yml",
		Status: "completed", Conclusion: "success", By: bob, URL: "https://run"}
	f := newFake(t)
	f.json(runCall, 200, run)
	s := f.client().Begin()
	for range 2 {
		got, err := s.WorkflowRun(t.Context(), shop, 34, s.Began())
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
	}
	calls(t, f, runCall)
	f.json(runCall, 200, m{"id": 34, "head_sha": headSHA, "status": "waiting", "conclusion": nil, "actor": user(alice), "triggering_actor": nil})
	if got, err := f.client().Begin().WorkflowRun(t.Context(), shop, 34, time.Time{}); err != nil || got.By != alice || got.Conclusion != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	f.json(runCall, 200, m{"id": 35, "head_sha": headSHA})
	if _, err := f.client().Begin().WorkflowRun(t.Context(), shop, 34, time.Time{}); !Temporary(err) {
		t.Errorf("of another run: %v", err)
	}
	var missing *NotFound
	if _, err := s.WorkflowRun(t.Context(), shop, 36, s.Began()); !errors.As(err, &missing) {
		t.Errorf("one that was deleted: %v", err)
	}
}

func TestIsAncestor(t *testing.T) {
	compareCall := "GET /repos/acme/shop/compare/" + string(baseSHA) + "..." + string(headSHA)
	compared := func(status string) m {
		return m{"status": status, "base_commit": m{"sha": baseSHA}, "merge_base_commit": m{"sha": headSHA}, "total_commits": 0, "commits": []m{}, "files": []m{}}
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   bool
		fails  bool
	}{
		"it is":                 {answerWith(200, compared("behind")), true, false},
		"they are one":          {answerWith(200, compared("identical")), true, false},
		"the other way round":   {answerWith(200, compared("ahead")), false, false},
		"on another branch":     {answerWith(200, compared("diverged")), false, false},
		"of another repository": {refuse(404, "No common ancestor"), false, false},
		"nobody says":           {answerWith(200, compared("")), false, true},
		"an outage":             {refuse(502, ""), false, true},
		"other than asked for":  {answerWith(200, m{"status": "behind", "base_commit": m{"sha": "x"}, "merge_base_commit": m{"sha": "x"}, "total_commits": 0, "files": []m{}}), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(compareCall, tt.answer)
			c := f.client()
			for range 2 {
				got, err := c.Begin().IsAncestor(t.Context(), shop, headSHA, baseSHA)
				if got != tt.want || (err != nil) != tt.fails || tt.fails && !Temporary(err) {
					t.Errorf("got %v, %v", got, err)
				}
			}
			if tt.want {
				calls(t, f, compareCall)
			}
		})
	}
}

func TestEditComment(t *testing.T) {
	const editCall, readCall = "PATCH /repos/acme/shop/issues/comments/3", "GET /repos/acme/shop/issues/comments/3"
	f := newFake(t)
	edit, body := takes(200, m{"id": 3, "body": "b", "issue_url": "https://api.github.com/repos/acme/shop/issues/1"})
	f.on(editCall, edit)
	f.json(readCall, 200, m{"id": 3})
	f.json(commentsCall, 200, []any{m{"id": 3}})
	c := f.client()
	read := func() {
		t.Helper()
		s := c.Begin()
		if _, err := s.IssueComment(t.Context(), shop, 3, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Comments(t.Context(), shop, 1, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	read()
	calls(t, f, commentsCall+"?per_page=100", readCall)
	if err := c.EditComment(t.Context(), shop, 3, "a <b> & c"); err != nil {
		t.Fatal(err)
	}
	diff(t, *body, m{"body": "a <b> & c"})
	read()
	calls(t, f, commentsCall+"?per_page=100", readCall, editCall)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
	}{
		"deleted":         {refuse(404, "Not Found"), new(*NotFound)},
		"too long":        {refuse(422, "Body is too long"), new(*Rejected)},
		"another comment": {answerWith(200, m{"id": 4}), new(*Unavailable)},
	} {
		f.on(editCall, tt.answer)
		if err := c.EditComment(t.Context(), shop, 3, "b"); !errors.As(err, tt.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
