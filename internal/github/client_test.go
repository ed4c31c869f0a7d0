package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/prometheus/client_golang/prometheus"
)

const pullCall = "GET /repos/acme/shop/pulls/1"

// read reads pull request 1 in a session of its own.
func read(t *testing.T, c *Client, since func(*Session) time.Time) {
	t.Helper()
	s := c.Begin()
	if _, err := s.Pull(t.Context(), shop, 1, since(s)); err != nil {
		t.Fatal(err)
	}
}

func held(*Session) time.Time       { return time.Time{} }
func verified(s *Session) time.Time { return s.Began() }

func TestFreshness(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(pullCall, 200, m{"number": 1, "title": "one"})

	read(t, c, held)
	calls(t, f, pullCall)
	read(t, c, held)
	calls(t, f) // answered from what is held
	read(t, c, verified)
	calls(t, f, pullCall+" 304") // though the clock stands still: what was read at this very time may have been read before

	f.clock.advance(time.Minute)
	event := f.clock.Now()
	f.clock.advance(time.Second)
	after := func(*Session) time.Time { return event }
	read(t, c, after)
	calls(t, f, pullCall+" 304")
	read(t, c, after)
	calls(t, f) // it was revalidated after the event

	f.json(pullCall, 200, m{"number": 1, "title": "two"})
	s := c.Begin()
	for range 3 {
		p, err := s.Pull(t.Context(), shop, 1, s.Began())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "title", p.Title, "two")
	}
	calls(t, f, pullCall) // once a session
}

func TestMissingIsHeldToo(t *testing.T) {
	f := newFake(t)
	c := f.client()
	for range 2 {
		_, err := c.Begin().Pull(t.Context(), shop, 1, time.Time{})
		var missing *NotFound
		if !errors.As(err, &missing) {
			t.Fatalf("got %v", err)
		}
	}
	calls(t, f, pullCall)
	f.json(pullCall, 200, m{"number": 1})
	read(t, c, verified)
	calls(t, f, pullCall)
}

func TestInstallationsDoNotShareAnswers(t *testing.T) {
	f := newFake(t)
	g := f.github()
	f.json(pullCall, 200, m{"number": 1})
	read(t, g.Installation(5), held)
	read(t, g.Installation(6), held)
	calls(t, f, pullCall, pullCall)
	if one, other := g.Installation(5), g.Installation(5); one != other {
		t.Error("two clients for one installation")
	}
}

func TestManyReadersAskOnce(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(pullCall, 200, m{"number": 1})
	event := f.clock.Now().Add(-time.Second)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Begin().Pull(t.Context(), shop, 1, event); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	calls(t, f, pullCall)
}

func TestAtMostEightInFlight(t *testing.T) {
	f := newFake(t)
	c := f.client()
	var mu sync.Mutex
	now, most := 0, 0
	arrived := make(chan struct{}, 64)
	release := make(chan struct{})
	for i := range 24 {
		f.on(fmt.Sprintf("GET /users/u%d", i), func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			arrived <- struct{}{}
			<-release
			mu.Lock()
			now--
			mu.Unlock()
			answerWith(200, m{"id": i + 1, "login": fmt.Sprintf("u%d", i)})(w, r)
		})
	}
	s := c.Begin()
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			if _, err := s.User(t.Context(), fmt.Sprintf("u%d", i), time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 8 {
		<-arrived
	}
	close(release)
	all.Wait()
	equal(t, "most in flight", most, 8)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	f := newFake(t)
	c := f.client()
	ctx, cancel := context.WithCancel(t.Context())
	f.on(pullCall, func(http.ResponseWriter, *http.Request) { cancel(); panic(connectionCut(false)) })
	_, err := c.Begin().Pull(ctx, shop, 1, time.Time{})
	if !errors.Is(err, context.Canceled) || !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

// TestFullPageWithoutLink covers a list that grew past a page that did not change: its ETag covers the body, and the answer that is
// held has no link to the next page.
func TestFullPageWithoutLink(t *testing.T) {
	f := newFake(t)
	c := f.client()
	label := func(i int) any {
		return m{"event": "labeled", "actor": user(alice), "created_at": "2026-01-02T03:04:05Z", "label": m{"name": fmt.Sprint("l", i)}}
	}
	first := many(100, label)
	f.pages("GET /repos/acme/shop/issues/1/timeline", []any{first}, true)
	s := c.Begin()
	if got, err := s.Timeline(t.Context(), shop, 1, s.Began()); err != nil || len(got.Labels) != 100 {
		t.Fatal(len(got.Labels), err)
	}
	f.took()
	f.pages("GET /repos/acme/shop/issues/1/timeline", []any{first, many(1, label)}, true)
	s = c.Begin()
	got, err := s.Timeline(t.Context(), shop, 1, s.Began())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "labels", len(got.Labels), 101)
	calls(t, f, "GET /repos/acme/shop/issues/1/timeline?page=2&per_page=100", "GET /repos/acme/shop/issues/1/timeline?per_page=100 304")
}

// TestShortPageWithLink: a page that GitHub did not fill has a next one where it links to it, and still has when it is revalidated.
func TestShortPageWithLink(t *testing.T) {
	const call = "GET /repos/acme/shop/issues/1/timeline"
	label := func(i int) any {
		return m{"event": "labeled", "actor": user(alice), "created_at": "2026-01-02T03:04:05Z", "label": m{"name": fmt.Sprint("l", i)}}
	}
	for _, toLast := range []bool{true, false} { // there may be no link to the last page
		f := newFake(t)
		c := f.client()
		f.on(call, func(w http.ResponseWriter, r *http.Request) {
			answerPage(w, r, []any{many(2, label), many(1, label)}, true)
			if next, _, linked := strings.Cut(w.Header().Get("Link"), ", "); linked && !toLast {
				w.Header().Set("Link", next)
			}
		})
		for range 2 {
			s := c.Begin()
			got, err := s.Timeline(t.Context(), shop, 1, s.Began())
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "labels", len(got.Labels), 3)
		}
		calls(t, f, call+"?page=2&per_page=100", call+"?page=2&per_page=100 304", call+"?per_page=100", call+"?per_page=100 304")
	}
}

// TestAPageThatCannotBeRead: a list is read whole, or not at all.
func TestAPageThatCannotBeRead(t *testing.T) {
	for _, linked := range []bool{true, false} {
		f := newFake(t)
		const call = "GET /orgs/acme/teams/security/members"
		f.json("GET /orgs/acme/teams/security", 200, m{"id": 77})
		full := many(100, func(i int) any { return m{"id": 100 + i, "login": fmt.Sprint("m", i)} })
		f.on(call, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "2" {
				refuse(503, "")(w, r)
				return
			}
			answerPage(w, r, []any{full, full}, linked)
		})
		if got, err := f.client().Begin().Team(t.Context(), shop, "security", nil, time.Time{}); !Temporary(err) {
			t.Errorf("linked %v: got %d members, %v", linked, len(got.Members), err)
		}
	}
}

// TestAListIsAsOldAsItsOldestPage, whichever that is.
func TestAListIsAsOldAsItsOldestPage(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json("GET /orgs/acme/teams/security", 200, m{"id": 77})
	full := many(100, func(i int) any { return m{"id": 100 + i, "login": fmt.Sprint("m", i)} })
	f.on("GET /orgs/acme/teams/security/members", func(w http.ResponseWriter, r *http.Request) {
		f.clock.advance(time.Second)
		answerPage(w, r, []any{full, many(1, func(int) any { return user(bob) })}, false)
	})
	began := f.clock.Now()
	for _, tt := range []struct{ since, want time.Time }{
		{time.Time{}, began},            // the first page, and the second a second later
		{began, began.Add(time.Second)}, // the first anew, and the second as it is held
	} {
		got, err := c.Begin().Team(t.Context(), shop, "security", nil, tt.since)
		if err != nil {
			t.Fatal(err)
		}
		if !got.ReadAt.Equal(tt.want) {
			t.Errorf("since %v: read at %v, want %v", tt.since, got.ReadAt, tt.want)
		}
	}
}

func TestTokenRefusedIsRenewedOnce(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.on(pullCall, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "token ghs_1" {
			answerWith(401, m{"message": "Bad credentials"})(w, r)
			return
		}
		answerWith(200, m{"number": 1})(w, r)
	})
	read(t, c, held)
	equal(t, "tokens", f.tokens, 2)

	f.json(pullCall, 401, m{"message": "Bad credentials"})
	f.took()
	_, err := c.Begin().Pull(t.Context(), shop, 1, f.clock.Now())
	var unauthorized *Unauthorized
	if !errors.As(err, &unauthorized) || !Temporary(err) {
		t.Errorf("got %v", err)
	}
	equal(t, "calls", len(f.took()), 2)
}

func TestRequestsIdentifyThemselves(t *testing.T) {
	f := newFake(t)
	f.token = func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.UserAgent(), "changegate ") {
			t.Errorf("token's user agent %q", r.UserAgent())
		}
		fmt.Fprintf(w, `{"token":"t","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	}
	f.on(pullCall, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.UserAgent(), "changegate ") {
			t.Errorf("user agent %q", r.UserAgent())
		}
		equal(t, "version", r.Header.Get("X-Github-Api-Version"), "2022-11-28")
		answerWith(200, m{"number": 1})(w, r)
	})
	read(t, f.client(), held)
}

func TestRedirects(t *testing.T) {
	redirect := func(status int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }
	}
	t.Run("a renamed repository is followed", func(t *testing.T) {
		f := newFake(t)
		f.on(pullCall, redirect(301, f.server.URL+"/repositories/1/pulls/1"))
		f.json("GET /repositories/1/pulls/1", 200, m{"number": 1, "title": "moved"})
		c := f.client()
		read(t, c, held)
		read(t, c, verified)
		calls(t, f, pullCall, pullCall, "GET /repositories/1/pulls/1", "GET /repositories/1/pulls/1 304")
	})
	t.Run("another host is not called", func(t *testing.T) {
		f := newFake(t)
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.Errorf("called with %q", r.Header.Get("Authorization"))
		}))
		defer other.Close()
		f.on(pullCall, redirect(301, other.URL))
		_, err := f.client().Begin().Pull(t.Context(), shop, 1, time.Time{})
		if err == nil || !strings.Contains(err.Error(), "only the configured GitHub") || !Temporary(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a write does not become a read", func(t *testing.T) {
		f := newFake(t)
		f.on("POST /repos/acme/shop/issues/1/comments", redirect(301, f.server.URL+"/repositories/1/issues/1/comments"))
		_, err := f.client().Comment(t.Context(), shop, 1, "hello")
		var unavailable *Unavailable
		if !errors.As(err, &unavailable) || unavailable.MayHaveHappened {
			t.Errorf("got %v", err)
		}
		calls(t, f, "POST /repos/acme/shop/issues/1/comments")
	})
	t.Run("a write is repeated where GitHub says so", func(t *testing.T) {
		f := newFake(t)
		f.on("POST /repos/acme/shop/issues/1/comments", redirect(307, f.server.URL+"/repositories/1/issues/1/comments"))
		f.json("POST /repositories/1/issues/1/comments", 201, m{"id": 99})
		id, err := f.client().Comment(t.Context(), shop, 1, "hello")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "id", id, 99)
	})
}

func TestClockOfGitHub(t *testing.T) {
	f := newFake(t)
	g := f.github()
	for _, tt := range []struct{ ahead, want time.Duration }{
		{0, 0}, {time.Second, 0}, {-2 * time.Second, 0}, {time.Hour, time.Hour}, {-10 * time.Second, -10 * time.Second}, {0, 0},
	} {
		f.clock.now = f.clock.now.Truncate(time.Second)
		f.on(pullCall, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", f.clock.Now().Add(tt.ahead).UTC().Format(http.TimeFormat))
			answerWith(200, m{"number": 1})(w, r)
		})
		f.token = func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			fmt.Fprintf(w, `{"token":"t","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
		}
		read(t, g.Installation(5), verified)
		equal(t, fmt.Sprint(tt.ahead), g.Now().Sub(f.clock.Now()), tt.want)
	}
}

func TestMetrics(t *testing.T) {
	f := newFake(t)
	registry := prometheus.NewRegistry()
	config := f.config()
	config.Registerer = registry
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	f.on(pullCall, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-RateLimit-Remaining", "4321")
		w.Header().Set("X-RateLimit-Limit", "5000")
		answerWith(200, m{"number": 1})(w, r)
	})
	c := g.Installation(5)
	read(t, c, held)
	read(t, c, verified)
	read(t, c, held)

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, sample := range family.Metric {
			name := family.GetName()
			for _, l := range sample.Label {
				name += " " + l.GetValue()
			}
			got[name] = sample.GetCounter().GetValue() + sample.GetGauge().GetValue()
		}
	}
	route := string(getPull)
	for name, want := range map[string]float64{
		"changegate_github_requests_total " + route + " 200":               1,
		"changegate_github_requests_total " + route + " 304":               1,
		"changegate_github_requests_total " + string(createToken) + " 201": 1,
		"changegate_github_held_answers_total " + route:                    1,
		"changegate_github_rate_remaining 5 core":                          4321,
		"changegate_github_rate_limit 5 core":                              5000,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	if _, err := New(config); err == nil {
		t.Error("metrics were registered twice without an error")
	}
}

func TestConfigIsChecked(t *testing.T) {
	f := newFake(t)
	for name, tt := range map[string]struct {
		change func(*githubapp.Config)
		want   string
	}{
		"no id":                {func(c *githubapp.Config) { c.App.IntegrationID = 0 }, "integration_id"},
		"no key":               {func(c *githubapp.Config) { c.App.PrivateKey = "" }, "private_key"},
		"a broken key":         {func(c *githubapp.Config) { c.App.PrivateKey = "hunter2" }, "private_key"},
		"no address":           {func(c *githubapp.Config) { c.V3APIURL = "github" }, "v3_api_url"},
		"no encryption":        {func(c *githubapp.Config) { c.V3APIURL = "http://github.acme.example/api/v3" }, "use https"},
		"GraphQL in the clear": {func(c *githubapp.Config) { c.V4APIURL = "http://github.acme.example/api/graphql" }, "v4_api_url"},
		"no GraphQL address":   {func(c *githubapp.Config) { c.V4APIURL = "graphql" }, "v4_api_url"},
		"a broken web URL":     {func(c *githubapp.Config) { c.WebURL = "::" }, "web_url"},
	} {
		t.Run(name, func(t *testing.T) {
			config := f.config()
			tt.change(&config.App)
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want it to name %s", err, tt.want)
			}
		})
	}
	config := f.config()
	config.App.V3APIURL, config.App.WebURL, config.Registerer = "", "", nil
	if g, err := New(config); err != nil || g.api.String() != "https://api.github.com/" || g.graphql.String() != "https://api.github.com/graphql" {
		t.Errorf("defaults: %v", err)
	}
}
