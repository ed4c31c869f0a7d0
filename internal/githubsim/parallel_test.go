package githubsim_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

// TestManyAtOnce has people and the App act at the same time; the race detector has the last word on it.
func TestManyAtOnce(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			pr, err := w.As("alice").OpenPull("acme/app", githubsim.PullOptions{Branch: fmt.Sprint("branch-", n), Files: map[string]string{fmt.Sprint("file", n): "x\n"}})
			if err != nil {
				t.Error(err)
				return
			}
			bob := w.As("bob")
			for _, err := range []error{bob.AddLabel(pr, "bug"), bob.Approve(pr), bob.Merge(pr, githubsim.MergeOptions{})} {
				if err != nil {
					t.Error(err)
				}
			}
		}()
		go func() {
			defer wg.Done()
			for range 10 {
				if _, _, err := w.api.PullRequests.List(ctx, org, repo, &github.PullRequestListOptions{State: "all"}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	list, _, err := w.api.PullRequests.List(ctx, org, repo, &github.PullRequestListOptions{State: "closed"})
	check(t, err)
	if len(list) != 8 {
		t.Errorf("%d pull requests were merged", len(list))
	}
}
