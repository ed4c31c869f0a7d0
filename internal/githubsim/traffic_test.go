package githubsim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

func TestFaults(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	pr := w.open(githubsim.PullOptions{})
	const route = "/repos/{owner}/{repo}/pulls/{pull_number}"
	get := func() (int, error) {
		_, resp, err := w.api.PullRequests.Get(ctx, org, repo, pr.Number)
		if resp == nil {
			return 0, err
		}
		return resp.StatusCode, err
	}

	w.Inject(githubsim.Fault{Route: route, After: 1, Times: 2, Status: 502, Body: "<html>"})
	for _, want := range []int{200, 502, 502, 200} {
		if got, err := get(); got != want {
			t.Errorf("got %d %v, want %d", got, err, want)
		}
	}

	w.Inject(githubsim.Fault{Method: "POST", CutConnection: true})
	create := func() error {
		_, _, err := w.api.Checks.CreateCheckRun(ctx, org, repo, github.CreateCheckRunOptions{Name: "x", HeadSHA: pr.Head})
		return err
	}
	runs := func() int {
		l, _, err := w.api.Checks.ListCheckRunsForRef(ctx, org, repo, pr.Head, &github.ListCheckRunsOptions{Filter: github.String("all")})
		check(t, err)
		return l.GetTotal()
	}
	if err := create(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a connection that ends", err)
	}
	if n := runs(); n != 0 {
		t.Errorf("cut before it acted, and there are %d runs", n)
	}
	w.Inject(githubsim.Fault{Method: "POST", ActThenLose: true})
	if err := create(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a connection that ends", err)
	}
	if n := runs(); n != 1 {
		t.Errorf("acted and lost the answer, and there are %d runs", n)
	}
	if n := w.Calls()["POST /repos/{owner}/{repo}/check-runs"]; n != 2 {
		t.Errorf("%d calls were counted", n)
	}

	w.Inject(githubsim.Fault{Route: route, Latency: time.Hour})
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, _, err := w.api.PullRequests.Get(short, org, repo, pr.Number); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	w.Inject(githubsim.Fault{Match: func(r *http.Request) bool { return r.URL.Query().Get("per_page") == "7" }, Status: 500})
	if _, _, err := w.api.PullRequests.ListFiles(ctx, org, repo, pr.Number, &github.ListOptions{PerPage: 8}); err != nil {
		t.Error(err)
	}
	if _, _, err := w.api.PullRequests.ListFiles(ctx, org, repo, pr.Number, &github.ListOptions{PerPage: 7}); err == nil {
		t.Error("the fault did not strike")
	}

	remove := w.Inject(githubsim.Fault{Method: "GET", Times: -1, Status: 403, Header: http.Header{"Retry-After": {"7"}},
		Body: `{"message":"You have exceeded a secondary rate limit","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`})
	_, err := get()
	var limited *github.AbuseRateLimitError
	if !errors.As(err, &limited) || limited.GetRetryAfter() != 7*time.Second {
		t.Errorf("got %v", err)
	}
	remove()
	if status, _, _ := w.do(w.api, "GET", "/repos/acme/app", nil); status != 200 {
		t.Errorf("after it was removed: %d", status)
	}
}

func TestStale(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	pr := w.open(githubsim.PullOptions{})
	reviews := func(perPage int) (ids []int64, next int) {
		l, resp, err := w.api.PullRequests.ListReviews(ctx, org, repo, pr.Number, &github.ListOptions{PerPage: perPage})
		check(t, err)
		for _, r := range l {
			ids = append(ids, r.GetID())
		}
		return ids, resp.NextPage
	}
	check(t, w.As("bob").Approve(pr))
	heal := w.Inject(githubsim.Fault{Route: "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", Stale: true, Times: -1})
	first, _ := reviews(1)
	check(t, w.As("carol").Approve(pr))
	if again, next := reviews(1); !slices.Equal(again, first) || next != 0 {
		t.Errorf("%v and page %d, want what was answered first, %v", again, next, first)
	}
	if now, _ := reviews(2); len(now) != 2 {
		t.Errorf("%v, want what is there now: nobody asked so before", now)
	}
	heal()
	if now, next := reviews(1); !slices.Equal(now, first) || next != 2 {
		t.Errorf("%v and page %d, want two pages", now, next)
	}
}

func TestMeanwhile(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{})
	w.Inject(githubsim.Fault{Method: "GET", Meanwhile: func() { check(t, w.As("bob").EditTitle(pr, "Meanwhile")) }})
	p, _, err := w.api.PullRequests.Get(context.Background(), org, repo, pr.Number)
	check(t, err)
	if p.GetTitle() != "Meanwhile" {
		t.Errorf("its title is %q", p.GetTitle())
	}
}

func TestUnknownRoutes(t *testing.T) {
	w := start(t)
	resp := must[*http.Response](t)(http.Get(w.base + "/api/graphql"))
	check(t, resp.Body.Close())
	if resp.StatusCode != 404 {
		t.Errorf("GraphQL: %d", resp.StatusCode)
	}
	w.HandlePages(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	resp = must[*http.Response](t)(http.Get(w.base + "/acme/app/pull/1"))
	check(t, resp.Body.Close())
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("pages: %d", resp.StatusCode)
	}
}
