package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

const queryCall = "POST /graphql"

// queueClient makes a client of a fake that has GraphQL.
func queueClient(t *testing.T, f *fake) *Client {
	t.Helper()
	config := f.config()
	config.App.V4APIURL = f.server.URL + "/graphql"
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return g.Installation(5)
}

func queued(position int) any {
	sha := func(kind string) m { return m{"oid": fmt.Sprint(kind, position)} }
	return m{"position": position, "state": "AWAITING_CHECKS", "headCommit": sha("h"), "baseCommit": sha("b"),
		"pullRequest": m{"number": 100 + position, "headRefOid": fmt.Sprint("p", position)}}
}

func queuePage(next string, entries ...any) m {
	return m{"data": m{"repository": m{"mergeQueue": m{"entries": m{
		"pageInfo": m{"hasNextPage": next != "", "endCursor": next}, "nodes": entries}}}}}
}

func TestMergeQueue(t *testing.T) {
	f := newFake(t)
	c := queueClient(t, f)
	unbuilt := queued(3).(m)
	unbuilt["headCommit"], unbuilt["baseCommit"], unbuilt["state"] = nil, nil, "QUEUED"
	f.on(queryCall, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Query     string
			Variables m
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !strings.Contains(body.Query, "mergeQueue(branch: $branch)") {
			t.Errorf("query %q, %v", body.Query, err)
		}
		if got := r.Header.Get("Authorization"); got != "token ghs_1" {
			t.Errorf("authorized by %q", got)
		}
		want := m{"owner": "acme", "name": "shop", "branch": "release/1.x", "after": body.Variables["after"]}
		diff(t, body.Variables, want)
		if body.Variables["after"] == nil {
			answerWith(200, queuePage("next", queued(2), queued(1)))(w, r)
			return
		}
		equal[any](t, "cursor", body.Variables["after"], "next")
		answerWith(200, queuePage("", unbuilt))(w, r)
	})
	want := []QueueEntry{
		{Position: 1, Number: 101, PullHead: "p1", Head: "h1", Base: "b1", State: "AWAITING_CHECKS"},
		{Position: 2, Number: 102, PullHead: "p2", Head: "h2", Base: "b2", State: "AWAITING_CHECKS"},
		{Position: 3, Number: 103, PullHead: "p3", State: "QUEUED"},
	}
	s := c.Begin()
	for range 2 { // it is never held
		got, err := s.MergeQueue(t.Context(), shop, "release/1.x")
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
		calls(t, f, queryCall, queryCall)
	}

	f.json(queryCall, 200, m{"data": m{"repository": m{"mergeQueue": nil}}})
	if got, err := c.MergeQueue(t.Context(), shop, "main"); len(got) != 0 || err != nil {
		t.Errorf("a branch without a queue: %v, %v", got, err)
	}
	f.json(queryCall, 200, queuePage("again", queued(1)))
	f.took()
	var rejected *Rejected
	if _, err := c.MergeQueue(t.Context(), shop, "main"); !errors.As(err, &rejected) {
		t.Errorf("a queue without an end: %v", err)
	}
	equal(t, "calls", len(f.took()), maxQueue)
}

func TestGraphQLThatDoesNotTell(t *testing.T) {
	failed := func(e m) http.HandlerFunc {
		return answerWith(200, m{"data": m{"repository": m{"mergeQueue": nil}}, "errors": []m{e}})
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		never  bool // *NoGraphQL; else it is temporary
	}{
		"no GraphQL":              {refuse(404, "Not Found"), true},
		"not for this App":        {refuse(403, "Resource not accessible by integration"), true},
		"a bad query":             {refuse(400, "Problems parsing JSON"), true},
		"forbidden":               {failed(m{"type": "FORBIDDEN", "message": "Resource not accessible by integration"}), true},
		"not shown":               {failed(m{"type": "NOT_FOUND", "message": "Could not resolve to a Repository"}), true},
		"no such field":           {failed(m{"message": "Field 'mergeQueue' doesn't exist on type 'Repository'", "extensions": m{"code": "undefinedField"}}), true},
		"no such field, in words": {failed(m{"message": "Field 'mergeQueue' doesn't exist on type 'Repository'"}), true},
		"a pull request unshown":  {answerWith(200, queuePage("", m{"position": 1, "pullRequest": nil})), true},
		"it went wrong":           {failed(m{"message": "Something went wrong while executing your query."}), false},
		"it says nothing":         {failed(m{}), false},
		"GitHub is down":          {refuse(502, ""), false},
		"the answer is lost":      {func(http.ResponseWriter, *http.Request) { panic(connectionCut(false)) }, false},
		"not JSON":                {answerWith(200, "<html>"), false},
		"nothing":                 {answerWith(200, "{}"), false},
		"no repository":           {answerWith(200, m{"data": m{"repository": nil}}), false},
		"another shape":           {answerWith(200, m{"data": m{"repository": 7}}), false},
		"credentials refused":     {refuse(401, "Bad credentials"), false},
		"redirected to elsewhere": {refuse(302, "", "Location", "https://elsewhere.example/"), false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(queryCall, tt.answer)
			_, err := queueClient(t, f).MergeQueue(t.Context(), shop, "main")
			var none *NoGraphQL
			equal(t, "never", errors.As(err, &none), tt.never)
			equal(t, "temporary", Temporary(err), !tt.never)
			var unavailable *Unavailable
			if errors.As(err, &unavailable) && unavailable.MayHaveHappened {
				t.Error("a read cannot have happened")
			}
		})
	}
	t.Run("not configured", func(t *testing.T) {
		f := newFake(t)
		_, err := f.client().MergeQueue(t.Context(), shop, "main")
		var none *NoGraphQL
		if !errors.As(err, &none) || !strings.Contains(err.Error(), "github.v4_api_url") {
			t.Errorf("got %v", err)
		}
		calls(t, f)
	})
}

// TestGraphQLHasABudgetOfItsOwn covers limits that GitHub tells with status 200, and which calls they stop.
func TestGraphQLHasABudgetOfItsOwn(t *testing.T) {
	reset := func(c *clock) string { return fmt.Sprint(c.Now().Add(10 * time.Minute).Unix()) }
	limitedBy := func(e m, headers func(*clock) []string) func(*fake) http.HandlerFunc {
		return func(f *fake) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				for all := headers(f.clock); len(all) > 0; all = all[2:] {
					w.Header().Set(all[0], all[1])
				}
				answerWith(200, m{"data": m{"repository": m{"mergeQueue": nil}}, "errors": []m{e}})(w, r)
			}
		}
	}
	spent := func(c *clock) []string {
		return []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset(c)}
	}
	left := func(*clock) []string { return []string{"X-RateLimit-Remaining", "4000"} }
	for name, tt := range map[string]struct {
		answer    func(*fake) http.HandlerFunc
		secondary bool
		rest      bool // the REST API is stopped too
	}{
		"the hourly budget":           {limitedBy(m{"type": "RATE_LIMITED", "message": "API rate limit exceeded for installation ID 5."}, spent), false, false},
		"the same, told by a code":    {limitedBy(m{"message": "exceeded", "extensions": m{"code": "graphql_rate_limit"}}, spent), false, false},
		"a burst":                     {limitedBy(m{"message": "You have exceeded a secondary rate limit."}, left), true, true},
		"a burst, with a time":        {limitedBy(m{"message": "You have exceeded a secondary rate limit."}, func(*clock) []string { return []string{"Retry-After", "60"} }), true, true},
		"a burst, told with a status": {func(*fake) http.HandlerFunc { return refuse(403, "You have exceeded a secondary rate limit.") }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c := queueClient(t, f)
			f.json(pullCall, 200, m{"number": 1})
			f.on(queryCall, tt.answer(f))
			for range 2 { // the second is not sent
				_, err := c.MergeQueue(t.Context(), shop, "main")
				var limited *RateLimited
				if !errors.As(err, &limited) || limited.Secondary != tt.secondary || !limited.Until.After(f.clock.Now()) {
					t.Fatalf("got %v", err)
				}
			}
			calls(t, f, queryCall)
			_, err := c.Begin().Pull(t.Context(), shop, 1, time.Time{})
			equal(t, "the REST API is stopped", err != nil, tt.rest)
		})
	}
	t.Run("the last of it", func(t *testing.T) {
		f := newFake(t)
		c := queueClient(t, f)
		f.on(queryCall, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", reset(f.clock))
			answerWith(200, queuePage("", queued(1)))(w, r)
		})
		if got, err := c.MergeQueue(t.Context(), shop, "main"); len(got) != 1 || err != nil {
			t.Fatalf("got %v, %v", got, err)
		}
		var limited *RateLimited
		if _, err := c.MergeQueue(t.Context(), shop, "main"); !errors.As(err, &limited) {
			t.Errorf("got %v", err)
		}
		calls(t, f, queryCall)
		f.clock.advance(11 * time.Minute)
		if _, err := c.MergeQueue(t.Context(), shop, "main"); err != nil {
			t.Errorf("after the reset: %v", err)
		}
	})
	t.Run("an exhausted REST API stops queries too", func(t *testing.T) {
		f := newFake(t)
		c := queueClient(t, f)
		f.on(pullCall, refuse(429, "", "Retry-After", "60"))
		c.Begin().Pull(t.Context(), shop, 1, time.Time{})
		f.took()
		var limited *RateLimited
		if _, err := c.MergeQueue(t.Context(), shop, "main"); !errors.As(err, &limited) {
			t.Errorf("got %v", err)
		}
		calls(t, f)
	})
}

func TestGraphQLOnAHostOfItsOwn(t *testing.T) {
	f := newFake(t)
	other := httptest.NewServer(answerWith(200, queuePage("", queued(1))))
	defer other.Close()
	config := f.config()
	config.App.V4APIURL = other.URL + "/api/graphql"
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Installation(5).MergeQueue(t.Context(), shop, "main")
	if err != nil || len(got) != 1 || got[0].Head != change.SHA("h1") {
		t.Errorf("got %v, %v", got, err)
	}
	calls(t, f)
}
