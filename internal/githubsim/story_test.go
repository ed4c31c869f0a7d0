package githubsim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

func readAll(r *http.Request) ([]byte, error) { return io.ReadAll(r.Body) }

const org, repo = "acme", "app"

func (w *world) open(o githubsim.PullOptions) githubsim.Pull {
	w.t.Helper()
	if o.Title == "" {
		o.Title = "Greet"
	}
	if o.Files == nil && o.Commits == nil {
		o.Files = map[string]string{"hello.go": "package main\n\nfunc hello() {}\n"}
	}
	return must[githubsim.Pull](w.t)(w.As("alice").OpenPull("acme/app", o))
}

// refused fails the test unless err is a refusal whose message contains want.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var r *githubsim.Refused
	if !errors.As(err, &r) || !strings.Contains(r.Message, want) {
		t.Errorf("got %v, want a refusal that says %q", err, want)
	}
}

func TestLifeOfAPullRequest(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	check(t, w.Protect("acme/app", "main", githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{{Context: "Change policy", AppID: w.app.ID}}}))
	pr := w.open(githubsim.PullOptions{Body: "Hello", Labels: []string{"enhancement"}, Branch: "feature/hello"})

	got, _, err := w.api.PullRequests.Get(ctx, org, repo, pr.Number)
	check(t, err)
	if got.GetTitle() != "Greet" || got.GetHead().GetSHA() != pr.Head || got.GetChangedFiles() != 1 || got.GetUser().GetLogin() != "alice" {
		t.Errorf("got %v", got)
	}
	run, _, err := w.api.Checks.CreateCheckRun(ctx, org, repo, github.CreateCheckRunOptions{Name: "Change policy", HeadSHA: pr.Head,
		Status: github.String("in_progress"), Output: &github.CheckRunOutput{Title: github.String("Waiting"), Summary: github.String("…")}})
	check(t, err)

	bob := w.As("bob")
	refused(t, w.As("alice").Approve(pr), "your own pull request")
	check(t, bob.RequestChanges(pr, "Say more"), bob.Approve(pr))
	refused(t, bob.Merge(pr, githubsim.MergeOptions{}), `Required status check "Change policy" is in progress`)
	_, _, err = w.api.Checks.UpdateCheckRun(ctx, org, repo, run.GetID(), github.UpdateCheckRunOptions{Name: "Change policy", Conclusion: github.String("success")})
	check(t, err)
	check(t, bob.Merge(pr, githubsim.MergeOptions{DeleteBranch: true}))

	got, _, err = w.api.PullRequests.Get(ctx, org, repo, pr.Number)
	check(t, err)
	if !got.GetMerged() || got.GetMergedBy().GetLogin() != "bob" || got.GetState() != "closed" {
		t.Errorf("got %v", got)
	}
	tip := must[string](t)(w.Tip("acme/app", "main"))
	if got.GetMergeCommitSHA() != tip {
		t.Errorf("merged as %s, and main is at %s", got.GetMergeCommitSHA(), tip)
	}
	pulls, _, err := w.api.PullRequests.ListPullRequestsWithCommit(ctx, org, repo, tip, nil)
	check(t, err)
	if len(pulls) != 1 || pulls[0].GetNumber() != pr.Number {
		t.Errorf("the merge commit belongs to %v", pulls)
	}
}
