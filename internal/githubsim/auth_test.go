package githubsim_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

// bearer sends a fixed credential.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b != "" {
		r.Header.Set("Authorization", string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func with(credential string) *github.Client {
	return github.NewClient(&http.Client{Transport: bearer(credential)})
}

func TestJWT(t *testing.T) {
	w := start(t)
	block, _ := pem.Decode(w.app.PrivateKey)
	mine := must[*rsa.PrivateKey](t)(x509.ParsePKCS1PrivateKey(block.Bytes))
	other := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	now := time.Now()
	id := fmt.Sprint(w.app.ID)
	for _, tt := range []struct {
		name       string
		key        *rsa.PrivateKey
		issuer     string
		issued     time.Time
		life       time.Duration
		wantStatus int
		wantText   string
	}{
		{"good", mine, id, now.Add(-time.Minute), 9 * time.Minute, 200, ""},
		{"expired", mine, id, now.Add(-time.Hour), time.Minute, 401, "'exp'"},
		{"too long", mine, id, now, time.Hour, 401, "too far in the future"},
		{"issued in the future", mine, id, now.Add(5 * time.Minute), time.Minute, 401, "'iat'"},
		{"another's key", other, id, now, time.Minute, 401, "could not be decoded"},
		{"unknown app", mine, "7", now, time.Minute, 404, "Integration not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims := jwt.RegisteredClaims{Issuer: tt.issuer, IssuedAt: jwt.NewNumericDate(tt.issued), ExpiresAt: jwt.NewNumericDate(tt.issued.Add(tt.life))}
			signed := must[string](t)(jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(tt.key))
			status, answer, _ := w.do(with("Bearer "+signed), "GET", "/app", nil)
			text, _ := field(answer, "message").(string)
			if status != tt.wantStatus || !strings.Contains(text, tt.wantText) {
				t.Errorf("got %d %q, want %d with %q", status, text, tt.wantStatus, tt.wantText)
			}
		})
	}
	unsigned := must[string](t)(jwt.NewWithClaims(jwt.SigningMethodNone, jwt.RegisteredClaims{Issuer: id, IssuedAt: jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute))}).SignedString(jwt.UnsafeAllowNoneSignatureType))
	for credential, want := range map[string]int{"": 401, "Bearer nonsense": 401, "token nonsense": 401, "Bearer " + unsigned: 401} {
		if status, _, _ := w.do(with(credential), "GET", "/app", nil); status != want {
			t.Errorf("%q: got %d, want %d", credential, status, want)
		}
	}
}

func (w *world) token(ask any) string {
	w.t.Helper()
	answer := w.ok(w.appAPI, "POST", fmt.Sprintf("/app/installations/%d/access_tokens", w.install), ask)
	return field(answer, "token").(string)
}

func TestTokenExpires(t *testing.T) {
	var ahead atomic.Int64
	w := start(t, func(c *githubsim.Config) {
		c.WallClock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c := with("token " + w.token(m{}))
	status := func() int { s, _, _ := w.do(c, "GET", "/repos/acme/app", nil); return s }
	if got := status(); got != 200 {
		t.Fatalf("a fresh token: %d", got)
	}
	ahead.Store(int64(61 * time.Minute))
	if got := status(); got != 401 {
		t.Errorf("a token of an hour ago: %d", got)
	}
	ahead.Store(0)
	w.app.RevokeTokens()
	if got := status(); got != 401 {
		t.Errorf("a revoked token: %d", got)
	}
}

func TestPermissions(t *testing.T) {
	w := start(t)
	check(t, w.AddRepository("acme", "second", githubsim.RepoOptions{Private: true}), w.AddRepository("bob", "own", githubsim.RepoOptions{}))
	pr := w.open(githubsim.PullOptions{})
	narrow := with("token " + w.token(m{"permissions": m{"pull_requests": "read"}, "repositories": []string{"app"}}))
	for _, tt := range []struct {
		client       *github.Client
		method, path string
		body         any
		want         int
	}{
		{w.api, "GET", "/repos/acme/second", nil, 200},
		{narrow, "GET", "/repos/acme/app/pulls/1", nil, 200},
		{narrow, "GET", "/repos/acme/second", nil, 404},
		{narrow, "GET", "/repos/acme/app/commits/" + pr.Head + "/check-runs", nil, 403},
		{narrow, "POST", "/repos/acme/app/issues/1/labels", m{"labels": []string{"bug"}}, 403},
		{w.api, "GET", "/repos/bob/own", nil, 404},
		{w.api, "GET", "/repos/acme/nothing", nil, 404},
		{w.api, "GET", "/orgs/bob/teams/x", nil, 404},
		{w.api, "GET", "/app", nil, 401},
		{w.api, "POST", "/repos/acme/app/git/refs", m{"ref": "refs/heads/x", "sha": pr.Head}, 404},
	} {
		if status, answer, _ := w.do(tt.client, tt.method, tt.path, tt.body); status != tt.want {
			t.Errorf("%s %s: got %d %v, want %d", tt.method, tt.path, status, field(answer, "message"), tt.want)
		}
	}
	if status, _, _ := w.do(w.appAPI, "POST", fmt.Sprintf("/app/installations/%d/access_tokens", w.install), m{"permissions": m{"administration": "write"}}); status != 422 {
		t.Errorf("more permissions than the installation has: %d", status)
	}
	if status, _, _ := w.do(w.appAPI, "POST", fmt.Sprintf("/app/installations/%d/access_tokens", w.install), m{"repositories": []string{"none"}}); status != 422 {
		t.Errorf("a repository that there is not: %d", status)
	}

	// What the owner takes away is gone from tokens that are out already.
	check(t, w.app.AcceptPermissions("acme", map[string]string{"checks": ""}))
	if status, _, _ := w.do(w.api, "GET", "/repos/acme/app/commits/"+pr.Head+"/check-runs", nil); status != 403 {
		t.Errorf("after checks was taken away: %d", status)
	}
	check(t, w.app.RemoveRepositories("acme", "second"))
	if status, _, _ := w.do(w.api, "GET", "/repos/acme/second", nil); status != 404 {
		t.Errorf("a repository taken out: %d", status)
	}
	check(t, w.app.Suspend("acme"))
	if status, _, _ := w.do(w.api, "GET", "/repos/acme/app", nil); status != 403 {
		t.Errorf("a suspended installation: %d", status)
	}
	if status, _, _ := w.do(w.appAPI, "POST", fmt.Sprintf("/app/installations/%d/access_tokens", w.install), m{}); status != 403 {
		t.Errorf("a token of a suspended installation: %d", status)
	}
	check(t, w.app.Unsuspend("acme"), w.app.Uninstall("acme"))
	if status, _, _ := w.do(w.api, "GET", "/repos/acme/app", nil); status != 401 {
		t.Errorf("after the App was uninstalled: %d", status)
	}
}

// TestTokensOfSomeRepositories: a token opens what was asked for and no more, then and later.
func TestTokensOfSomeRepositories(t *testing.T) {
	w := start(t)
	check(t, w.AddRepository("acme", "second", githubsim.RepoOptions{}), w.AddRepository("bob", "own", githubsim.RepoOptions{}))
	id := func(repo string) float64 { return field(w.ok(w.api, "GET", "/repos/acme/"+repo, nil), "id").(float64) }
	mint := fmt.Sprintf("/app/installations/%d/access_tokens", w.install)
	one := with("token " + w.token(m{"repository_ids": []any{id("app")}}))
	both := with("token " + w.token(m{"repository_ids": []any{id("app")}, "repositories": []string{"second"}}))
	knows := with("token " + w.token(m{"permissions": m{"metadata": "read"}}))
	for _, tt := range []struct {
		client *github.Client
		path   string
		want   int
	}{
		{one, "/repos/acme/app/contents/main.go", 200}, {one, "/repos/acme/second/contents/", 404}, {one, "/orgs/acme/teams/security", 200},
		{both, "/repos/acme/app", 200}, {both, "/repos/acme/second", 200},
		{knows, "/repos/acme/app/contents/main.go", 403}, {knows, "/installation/repositories", 200}, {knows, "/orgs/acme/teams/security", 403},
	} {
		if status, _, _ := w.do(tt.client, "GET", tt.path, nil); status != tt.want {
			t.Errorf("%s: got %d, want %d", tt.path, status, tt.want)
		}
	}
	for _, ask := range []m{{"repository_ids": []int{1}}, {"repositories": []string{"own"}}, {"permissions": m{"contents": "write"}}} {
		if status, _, _ := w.do(w.appAPI, "POST", mint, ask); status != 422 {
			t.Errorf("%v: got %d, want 422", ask, status)
		}
	}
	check(t, w.app.AcceptPermissions("acme", map[string]string{"members": ""}))
	early := with("token " + w.token(m{"repository_ids": []any{id("app")}}))
	check(t, w.app.AcceptPermissions("acme", map[string]string{"members": "read"}))
	late := with("token " + w.token(m{"repository_ids": []any{id("app")}}))
	for client, want := range map[*github.Client]int{early: 403, late: 200} {
		if status, _, _ := w.do(client, "GET", "/orgs/acme/teams/security", nil); status != want {
			t.Errorf("a permission that came: got %d, want %d", status, want)
		}
	}
	var reach []string
	for _, m := range w.Minted() {
		reach = append(reach, strings.Join(m.Repositories, "+"))
	}
	if want := []string{"", "acme/app", "acme/app+acme/second", "", "acme/app", "acme/app"}; !slices.Equal(reach, want) {
		t.Errorf("minted %q, want %q", reach, want)
	}
}

func TestKeys(t *testing.T) {
	w := start(t)
	block, _ := pem.Decode(w.app.PrivateKey)
	first := must[*rsa.PrivateKey](t)(x509.ParsePKCS1PrivateKey(block.Bytes))
	second := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	status := func(pem []byte) int {
		app := *w.app
		app.PrivateKey = pem
		status, _, _ := w.do(w.client(w.transport(&app)), "GET", "/app", nil)
		return status
	}
	one := w.app.PrivateKey
	other := w.app.AddKey(second)
	if status(one) != 200 || status(other) != 200 {
		t.Errorf("both keys: %d and %d", status(one), status(other))
	}
	w.app.DeleteKey(first)
	if status(one) != 401 || status(other) != 200 {
		t.Errorf("the second key alone: %d and %d", status(one), status(other))
	}
	w.app.DeleteKey(second)
	if status(other) != 401 {
		t.Errorf("no key: %d", status(other))
	}
}

func TestConditionalRequestsAndRateLimit(t *testing.T) {
	w := start(t, func(c *githubsim.Config) { c.RateLimit = 4 })
	pr := w.open(githubsim.PullOptions{})
	get := func(etag string) *http.Response {
		t.Helper()
		req := must[*http.Request](t)(http.NewRequestWithContext(context.Background(), "GET", w.base+"/api/v3/repos/acme/app/pulls/1", nil))
		if etag != "" {
			req.Header.Set("If-None-Match", etag)
		}
		resp := must[*http.Response](t)(w.api.Client().Do(req))
		check(t, resp.Body.Close())
		return resp
	}
	first := get("")
	etag := first.Header.Get("ETag")
	if first.StatusCode != 200 || !strings.HasPrefix(etag, `W/"`) || first.Header.Get("X-RateLimit-Remaining") != "3" {
		t.Fatalf("got %d %v", first.StatusCode, first.Header)
	}
	for range 10 {
		if again := get(etag); again.StatusCode != 304 || again.Header.Get("X-RateLimit-Remaining") != "3" {
			t.Fatalf("got %d with %s calls left, want 304 for free", again.StatusCode, again.Header.Get("X-RateLimit-Remaining"))
		}
	}
	check(t, w.As("alice").EditTitle(pr, "Other"))
	for _, want := range []int{200, 200, 200, 403} {
		if got := get(etag); got.StatusCode != want {
			t.Fatalf("got %d, want %d", got.StatusCode, want)
		}
	}
	_, _, err := w.api.PullRequests.Get(context.Background(), org, repo, 1)
	if _, limited := err.(*github.RateLimitError); !limited {
		t.Errorf("go-github makes %T of it: %v", err, err)
	}
	if n := w.Calls()["GET /repos/{owner}/{repo}/pulls/{pull_number}"]; n != 16 {
		t.Errorf("%d calls were counted, 304s included, want 16", n)
	}
	if n := w.Calls()[githubsim.TokenRoute]; n != 1 {
		t.Errorf("%d token exchanges", n)
	}
	states := map[int]int{}
	for _, c := range w.CallLog() {
		if c.Route == "/repos/{owner}/{repo}/pulls/{pull_number}" {
			states[c.Status]++
		}
	}
	if states[304] != 10 || states[200] != 4 || states[403] != 2 {
		t.Errorf("the log has %v", states)
	}
	w.ResetCalls()
	if len(w.Calls()) != 0 || len(w.CallLog()) != 0 {
		t.Error("the counts were not reset")
	}
}

func TestPagination(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{})
	for n := range 65 {
		must[int64](t)(w.As("bob").Comment(pr, fmt.Sprint("comment ", n)))
	}
	var all []string
	opts := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 20}}
	pages := 0
	for {
		list, resp, err := w.api.Issues.ListComments(context.Background(), org, repo, pr.Number, opts)
		check(t, err)
		pages++
		for _, c := range list {
			all = append(all, c.GetBody())
		}
		if resp.NextPage == 0 {
			break
		}
		if resp.LastPage != 4 {
			t.Errorf("the last page is %d", resp.LastPage)
		}
		opts.Page = resp.NextPage
	}
	if pages != 4 || len(all) != 65 || all[0] != "comment 0" || all[64] != "comment 64" {
		t.Errorf("%d pages with %d comments", pages, len(all))
	}
	list, _, err := w.api.Issues.ListComments(context.Background(), org, repo, pr.Number, nil)
	check(t, err)
	if len(list) != 30 {
		t.Errorf("%d on a page by default, want 30", len(list))
	}
	list, _, err = w.api.Issues.ListComments(context.Background(), org, repo, pr.Number, &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 500}})
	check(t, err)
	if len(list) != 65 {
		t.Errorf("%d on the longest page, want 65", len(list))
	}
}
