package github_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/githubsim"
)

func TestIssuesOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.client
	marker := github.Marker("exception 1 -> main")
	began := w.Now().Add(-time.Minute)
	write := github.IssueWrite{Title: "Explain", Body: "What happened?\n\n" + marker, Assignees: []string{"alice"}}

	must[githubsim.Pull](t)(w.As("alice").OpenIssue("acme/shop", "A copy", write.Body))
	if _, found, err := c.FindIssue(ctx, w.repo, marker, began); found || err != nil {
		t.Fatalf("a stranger's issue is taken for ours: %v", err)
	}
	w.Inject(githubsim.Fault{Method: "POST", Route: "/repos/{owner}/{repo}/issues", ActThenLose: true})
	var lost *github.Unavailable
	if _, err := c.CreateIssue(ctx, w.repo, write); !errors.As(err, &lost) || !lost.MayHaveHappened {
		t.Fatalf("got %v", err)
	}
	issue, found, err := c.FindIssue(ctx, w.repo, marker, began)
	check(t, err)
	if !found || issue.Title != "Explain" || issue.State != github.IssueOpen || !issue.Author.IsBot() || issue.Via != w.github.AppID() ||
		len(issue.Assignees) != 1 || issue.Assignees[0].Login != "alice" || len(issue.Labels) != 0 || issue.URL == "" {
		t.Errorf("found %v, %+v", found, issue)
	}

	closed := must[github.Issue](t)(c.EditIssue(ctx, w.repo, issue.Number, github.IssueEdit{State: github.IssueClosed, StateReason: "completed"}))
	if closed.State != github.IssueClosed || closed.ClosedAt.IsZero() || !closed.ClosedBy.IsBot() {
		t.Errorf("closed: %+v", closed)
	}
	opened := must[github.Issue](t)(c.EditIssue(ctx, w.repo, issue.Number, github.IssueEdit{State: github.IssueOpen, Body: "Again\n" + marker, AddAssignees: []string{"bob"}}))
	if opened.State != github.IssueOpen || len(opened.Assignees) != 2 || opened.Body != "Again\n"+marker {
		t.Errorf("opened: %+v", opened)
	}
	w.took()
	for range 2 {
		if got := must[github.Issue](t)(c.Begin().Issue(ctx, w.repo, issue.Number, time.Time{})); got.Body != opened.Body || got.State != opened.State {
			t.Errorf("read: %+v", got)
		}
	}
	if got := w.took(); !maps.Equal(got, map[string]int{"GET /repos/{owner}/{repo}/issues/{issue_number}": 1}) {
		t.Errorf("calls: %v", got)
	}

	key := github.Marker("answer 1")
	w.Inject(githubsim.Fault{Method: "POST", Route: "/repos/{owner}/{repo}/issues/{issue_number}/comments", ActThenLose: true})
	if _, err := c.Comment(ctx, w.repo, issue.Number, "Thanks\n\n"+key); !errors.As(err, &lost) || !lost.MayHaveHappened {
		t.Fatalf("got %v", err)
	}
	id, found, err := c.FindComment(ctx, w.repo, issue.Number, key, began)
	check(t, err)
	if !found || id == 0 {
		t.Fatal("our comment is not found")
	}
	comment := must[github.IssueComment](t)(c.Begin().IssueComment(ctx, w.repo, id, time.Time{}))
	if comment.ID != id || !comment.By.IsBot() || comment.Via != w.github.AppID() || !comment.Updated.Equal(comment.At) {
		t.Errorf("comment: %+v", comment)
	}
}

func TestLandingsOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	s := w.client.Begin()
	before := must[change.SHA](t)(s.Tip(ctx, w.repo, "main", s.Began()))
	pr := w.open()
	decided := must[change.Content](t)(s.Content(ctx, w.repo, must[change.Pull](t)(s.Pull(ctx, w.repo, change.Number(pr.Number), s.Began())), s.Began()))
	check(t, w.As("bob").Merge(pr, githubsim.MergeOptions{}))
	must[string](t)(w.As("erin").PushBranch("acme/shop", "main", githubsim.Commit{Message: "Directly\n\nin haste", Files: map[string]string{"haste": "!\n"}}))

	s = w.client.Begin()
	after := must[change.SHA](t)(s.Tip(ctx, w.repo, "main", s.Began()))
	merged := must[change.Pull](t)(s.Pull(ctx, w.repo, change.Number(pr.Number), s.Began()))
	w.took()
	r := must[github.Range](t)(s.Range(ctx, w.repo, before, after, time.Time{}))
	if r.Status != github.RangeAhead || r.MergeBase != before || len(r.Commits) != 4 || r.CommitsCut || len(r.Files) != 4 || r.FilesCut {
		t.Fatalf("range: %+v", r)
	}
	merge, last := r.Commits[2], r.Commits[3]
	if merge.SHA != merged.MergeCommit || len(merge.Parents) != 2 || merge.Tree != decided.Tree {
		t.Errorf("the merge: %+v", merge)
	}
	if last.SHA != after || last.Title != "Directly" || last.Author.Login != "erin" || !slices.Equal(last.Parents, []change.SHA{merge.SHA}) {
		t.Errorf("the push: %+v", last)
	}
	for sha, want := range map[change.SHA]int{merge.SHA: pr.Number, last.SHA: 0} {
		pulls := must[[]change.Pull](t)(s.CommitPulls(ctx, w.repo, sha, time.Time{}))
		if want == 0 && len(pulls) != 0 || want != 0 && (len(pulls) != 1 || pulls[0].Number != change.Number(want) || pulls[0].State != change.Merged) {
			t.Errorf("the pull requests of %s: %+v", sha, pulls)
		}
	}
	back := must[github.Range](t)(s.Range(ctx, w.repo, after, before, time.Time{}))
	if back.Status != github.RangeBehind || len(back.Commits) != 0 {
		t.Errorf("back: %+v", back)
	}
	w.took()
	again := must[change.Content](t)(s.ContentAt(ctx, w.repo, merged, decided.BaseTip))
	if d := cmp.Diff(decided, again); d != "" {
		t.Errorf("-before the merge +after\n%s", d)
	}
	if got := w.took(); total(got) != 0 {
		t.Errorf("calls for what was decided: %v", got)
	}
}

func TestMovesOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	tip := must[change.SHA](t)(w.client.Begin().Tip(ctx, w.repo, "main", time.Time{}))
	erin := w.As("erin")
	check(t, erin.PushRef("acme/shop", "topic", string(tip)))
	pushed := change.SHA(must[string](t)(erin.PushBranch("acme/shop", "topic", githubsim.Commit{Message: "More"})))
	check(t, erin.PushRef("acme/shop", "topic", string(tip)), erin.PushRef("acme/shop", "topic", ""))
	s := w.client.Begin()
	for what, list := range map[string][]change.Push{
		"moves":  must[[]change.Push](t)(s.Moves(ctx, w.repo, "topic", s.Began())),
		"pushes": must[[]change.Push](t)(s.Pushes(ctx, w.repo, "topic", s.Began())),
	} {
		want := []change.Push{{After: tip}, {Before: tip, After: pushed}, {Before: pushed, After: tip, Forced: true}, {Before: tip}}
		if what == "pushes" {
			want = want[:3] // all but the deletion
		}
		for i := range list {
			if p := &list[i]; p.By.Login != "erin" || p.At.IsZero() {
				t.Errorf("%s: by %s at %s", what, p.By.Login, p.At)
			}
			list[i].By, list[i].At = change.Account{}, time.Time{}
		}
		if d := cmp.Diff(want, list); d != "" {
			t.Errorf("%s: -want +got\n%s", what, d)
		}
	}
}

func TestProtectionOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	const name = "Change policy"
	read := func() github.RequiredCheck {
		t.Helper()
		s := w.client.Begin()
		return must[github.RequiredCheck](t)(s.RequiredCheck(t.Context(), w.repo, "main", name, s.Began()))
	}
	if got := read(); got != (github.RequiredCheck{}) {
		t.Errorf("unprotected: %+v", got)
	}
	for _, ruleset := range []bool{true, false} {
		by := github.ByBranchProtection
		if ruleset {
			by = github.ByRuleset
		}
		for app, pinned := range map[int64]bool{0: false, w.app.ID + 1: false, w.app.ID: true} {
			check(t, w.Protect("acme/shop", "main", githubsim.Protection{
				Ruleset: ruleset, RequiredChecks: []githubsim.RequiredCheck{{Context: "build"}, {Context: name, AppID: app}}}))
			if got := read(); got != (github.RequiredCheck{Required: true, Pinned: pinned, By: by}) {
				t.Errorf("by %s, of App %d: %+v", by, app, got)
			}
		}
	}
}

func TestMergeQueueOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.client
	if got := must[[]github.QueueEntry](t)(c.MergeQueue(ctx, w.repo, "main")); len(got) != 0 {
		t.Errorf("without a queue: %+v", got)
	}
	check(t, w.Protect("acme/shop", "main", githubsim.Protection{
		Ruleset: true, MergeQueue: &githubsim.MergeQueue{}, RequiredChecks: []githubsim.RequiredCheck{{Context: "build"}}}))
	first := w.open()
	second := must[githubsim.Pull](t)(w.As("alice").OpenPull("acme/shop", githubsim.PullOptions{Title: "Other", Files: map[string]string{"other.go": "package other\n"}}))
	for _, pr := range []githubsim.Pull{first, second} {
		must[int64](t)(w.PostCheckRun("acme/shop", pr.Head, githubsim.CheckRun{Name: "build", Conclusion: "success"}))
		check(t, w.As("bob").Enqueue(pr))
	}
	s := c.Begin()
	tip := must[change.SHA](t)(s.Tip(ctx, w.repo, "main", s.Began()))
	w.took()
	queue := must[[]github.QueueEntry](t)(s.MergeQueue(ctx, w.repo, "main"))
	if got := w.took(); total(got) != 1 {
		t.Errorf("calls: %v", got)
	}
	if len(queue) != 2 || queue[0].Number != change.Number(first.Number) || queue[0].PullHead != change.SHA(first.Head) || queue[0].Base != tip ||
		queue[1].Position != 2 || queue[1].Base != queue[0].Head || queue[1].Head == "" || queue[1].State == "" {
		t.Errorf("queue: %+v", queue)
	}
	w.NoGraphQL()
	var none *github.NoGraphQL
	if _, err := c.MergeQueue(ctx, w.repo, "main"); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
}
