package githubsim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

func TestWhatARoleMayDo(t *testing.T) {
	w := start(t)
	check(t, w.SetPermission("acme/app", "mallory", githubsim.Read))
	alice, bob, dave, mallory := w.As("alice"), w.As("bob"), w.As("dave"), w.As("mallory")
	pr := w.open(githubsim.PullOptions{Labels: []string{"bug"}})
	for _, tt := range []struct {
		what string
		err  error
		want string // "" for allowed
	}{
		{"reader labels", mallory.AddLabel(pr, "bug"), "triage access"},
		{"reader closes", mallory.Close(pr), "triage access"},
		{"reader reviews", mallory.Approve(pr), ""},
		{"reader comments", second(mallory.Comment(pr, "x")), ""},
		{"reader pushes", second(mallory.Push(pr, githubsim.Commit{})), "denied to mallory"},
		{"reader opens from the repository", second(mallory.OpenPull("acme/app", githubsim.PullOptions{Files: map[string]string{"x": "y"}})), "denied to mallory"},
		{"triager labels", dave.AddLabel(pr, "documentation"), ""},
		{"triager makes a label", dave.AddLabel(pr, "unheard of"), "does not exist"},
		{"triager requests a review", dave.RequestReview(pr, "bob"), ""},
		{"triager merges", dave.Merge(pr, githubsim.MergeOptions{}), "write access"},
		{"triager dismisses", dave.DismissReview(pr, "mallory", "x"), "write access"},
		{"triager drafts", dave.ConvertToDraft(pr), "write access"},
		{"triager edits", dave.EditTitle(pr, "x"), "write access"},
		{"author approves", alice.Approve(pr), "your own pull request"},
		{"author objects", alice.RequestChanges(pr, "x"), "your own pull request"},
		{"author is asked", dave.RequestReview(pr, "alice"), "from pull request author"},
		{"writer drafts", bob.ConvertToDraft(pr), ""},
		{"writer merges a draft", bob.Merge(pr, githubsim.MergeOptions{}), "still a draft"},
		{"author is ready", alice.ReadyForReview(pr), ""},
		{"objection without a word", bob.RequestChanges(pr, ""), "leave a comment"},
		{"a comment cannot be dismissed", bob.DismissReview(pr, "bob", "x"), "no review to dismiss"},
		{"a stale merge", bob.Merge(pr, githubsim.MergeOptions{SHA: "0123"}), "Head branch was modified"},
		{"a stranger", w.As("nobody").Approve(pr), ""},
		{"someone without access", second(w.As("mallory").OpenPull("acme/none", githubsim.PullOptions{})), ""},
	} {
		if tt.want != "" {
			refused(t, tt.err, tt.want)
		} else if tt.err != nil && !strings.Contains(tt.err.Error(), "there is no") {
			t.Errorf("%s: %v", tt.what, tt.err)
		}
	}
	check(t, w.SetPermission("acme/app", "mallory", githubsim.None))
	refused(t, mallory.Approve(pr), "Not Found")
}

func second[T any](_ T, err error) error { return err }

func TestPermissions_FoldedAndTrue(t *testing.T) {
	w := start(t)
	check(t, w.AddTeam("acme", "tech-leads/principals", "mallory"))
	for login, want := range map[string][2]string{"alice": {"write", "write"}, "carol": {"write", "maintain"}, "dave": {"read", "triage"},
		"erin": {"admin", "admin"}, "mallory": {"write", "maintain"}} {
		got, _, err := w.api.Repositories.GetPermissionLevel(context.Background(), org, repo, login)
		check(t, err)
		if got.GetPermission() != want[0] || got.GetUser().GetRoleName() != want[1] {
			t.Errorf("%s has %s, %s", login, got.GetPermission(), got.GetUser().GetRoleName())
		}
	}
	members, _, err := w.api.Teams.ListTeamMembersBySlug(context.Background(), org, "tech-leads", nil)
	check(t, err)
	var logins []string
	for _, m := range members {
		logins = append(logins, m.GetLogin())
	}
	if d := cmp.Diff([]string{"carol", "mallory"}, logins); d != "" {
		t.Errorf("a child's members are the parent's: %s", d)
	}
	if _, resp, err := w.api.Teams.GetTeamMembershipBySlug(context.Background(), org, "tech-leads", "mallory"); err != nil {
		t.Errorf("membership through a child: %d", resp.StatusCode)
	}
	if _, resp, _ := w.api.Teams.GetTeamMembershipBySlug(context.Background(), org, "tech-leads", "alice"); resp.StatusCode != 404 {
		t.Errorf("membership of someone else: %d", resp.StatusCode)
	}
	if _, resp, _ := w.api.Teams.GetTeamBySlug(context.Background(), org, "nobody"); resp.StatusCode != 404 {
		t.Errorf("a team that there is not: %d", resp.StatusCode)
	}
	check(t, w.app.AcceptPermissions("acme", map[string]string{"members": ""}))
	if _, resp, _ := w.api.Teams.GetTeamBySlug(context.Background(), org, "tech-leads"); resp.StatusCode != 403 {
		t.Errorf("a team without the permission: %d", resp.StatusCode)
	}
}

func TestReviewRequests(t *testing.T) {
	w := start(t)
	check(t, w.AddTeam("acme", "elsewhere", "bob"))
	pr := w.open(githubsim.PullOptions{})
	ctx := context.Background()
	ask := func(r github.ReviewersRequest) int {
		_, resp, _ := w.api.PullRequests.RequestReviewers(ctx, org, repo, pr.Number, r)
		return resp.StatusCode
	}
	for _, tt := range []struct {
		what string
		ask  github.ReviewersRequest
		want int
	}{
		{"the author among them", github.ReviewersRequest{Reviewers: []string{"bob", "alice"}}, 422},
		{"someone who is no collaborator", github.ReviewersRequest{Reviewers: []string{"mallory"}}, 422},
		{"a team without access", github.ReviewersRequest{TeamReviewers: []string{"elsewhere"}}, 422},
		{"a team that there is not", github.ReviewersRequest{TeamReviewers: []string{"nothing"}}, 422},
		{"a team", github.ReviewersRequest{TeamReviewers: []string{"security"}}, 201},
		{"a person", github.ReviewersRequest{Reviewers: []string{"bob"}}, 201},
	} {
		if got := ask(tt.ask); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
	}
	requested := func() string {
		got, _, err := w.api.PullRequests.ListReviewers(ctx, org, repo, pr.Number, nil)
		check(t, err)
		return fmt.Sprint(len(got.Users), len(got.Teams))
	}
	if got := requested(); got != "1 1" {
		t.Errorf("asked: %s", got)
	}
	check(t, w.As("dave").CommentReview(pr, "looking"), w.As("bob").Approve(pr))
	if got := requested(); got != "0 0" {
		t.Errorf("asked after they reviewed: %s", got)
	}
}

// TestHistory reads who set which label, and all else, from where the App must read it.
func TestHistory(t *testing.T) {
	w := start(t)
	alice, bob, dave := w.As("alice"), w.As("bob"), w.As("dave")
	pr := w.open(githubsim.PullOptions{})
	check(t, dave.AddLabel(pr, "bug"), dave.AddLabel(pr, "BUG"), bob.RemoveLabel(pr, "bug"), alice.EditTitle(pr, "Other"), bob.RequestChanges(pr, "no"), w.As("erin").DismissReview(pr, "bob", "old"),
		alice.ConvertToDraft(pr), alice.ReadyForReview(pr))
	pr = must[githubsim.Pull](t)(alice.ForcePush(pr, githubsim.Commit{Message: "Again", Files: map[string]string{"x": "1"}}))
	must[int64](t)(bob.Comment(pr, "fine"))
	check(t, bob.RenameLabel("acme/app", "enhancement", "EMERGENCY"), alice.Close(pr), alice.Reopen(pr), bob.Merge(pr, githubsim.MergeOptions{}))

	timeline, _, err := w.api.Issues.ListIssueTimeline(context.Background(), org, repo, pr.Number, &github.ListOptions{PerPage: 100})
	check(t, err)
	var got []string
	for _, e := range timeline {
		line := e.GetEvent() + " " + e.GetActor().GetLogin()
		if e.GetEvent() == "reviewed" {
			line = "reviewed " + e.GetUser().GetLogin() + " " + e.GetState()
		}
		if e.Label != nil {
			line += " " + e.GetLabel().GetName()
		}
		if e.GetEvent() == "committed" {
			line = "committed " + e.GetMessage()
		}
		got = append(got, line)
	}
	want := []string{"labeled dave bug", "unlabeled bob bug", "renamed alice", "reviewed bob dismissed", "review_dismissed erin", "convert_to_draft alice",
		"ready_for_review alice", "head_ref_force_pushed alice", "committed Again", "commented bob", "closed alice", "reopened alice", "merged bob", "closed bob"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	events, _, err := w.api.Issues.ListIssueEvents(context.Background(), org, repo, pr.Number, &github.ListOptions{PerPage: 100})
	check(t, err)
	if len(events) != len(want)-3 {
		t.Errorf("%d events, want all but the review, the commit and the comment", len(events))
	}
	for _, e := range events {
		if e.GetEvent() == "review_dismissed" && e.GetDismissedReview().GetState() != "changes_requested" {
			t.Errorf("what was dismissed was %q", e.GetDismissedReview().GetState())
		}
	}
	labels, _, err := w.api.Issues.ListLabels(context.Background(), org, repo, nil)
	check(t, err)
	var names []string
	for _, l := range labels {
		names = append(names, l.GetName())
	}
	if d := cmp.Diff([]string{"bug", "documentation", "EMERGENCY"}, names); d != "" {
		t.Error(d)
	}
}

func TestRenamedAccountsAndRepositories(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	pr := w.open(githubsim.PullOptions{})
	check(t, w.As("bob").Approve(pr))
	before, _, err := w.api.PullRequests.ListReviews(ctx, org, repo, pr.Number, nil)
	check(t, err)
	check(t, w.RenameAccount("bob", "robert"), w.AddUser("bob"), w.RenameRepository("acme/app", "service"))
	after, _, err := w.api.PullRequests.ListReviews(ctx, org, repo, pr.Number, nil) // by the old name, redirected
	check(t, err)
	if after[0].GetUser().GetLogin() != "robert" || after[0].GetUser().GetID() != before[0].GetUser().GetID() {
		t.Errorf("got %v", after[0].GetUser())
	}
	if got := must[githubsim.Role](t)(w.Permission("acme/service", "bob")); got != githubsim.None {
		t.Errorf("the new bob has the old one's %s", got)
	}
	check(t, w.As("robert").Merge(pr, githubsim.MergeOptions{})) // a Pull by the old name still names it
	got, _, err := w.api.PullRequests.Get(ctx, org, "service", pr.Number)
	check(t, err)
	if !got.GetMerged() || got.GetBase().GetRepo().GetFullName() != "acme/service" {
		t.Errorf("got %v", got)
	}
	check(t, w.AddRepository("acme", "app", githubsim.RepoOptions{})) // the old name now is another's
	fresh, _, err := w.api.Repositories.Get(ctx, org, "app")
	check(t, err)
	if fresh.GetID() == got.GetBase().GetRepo().GetID() {
		t.Error("the old name still leads to the old repository")
	}
}

func TestDeletedAccountsAndForks(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	check(t, w.AddRepository("acme", "public", githubsim.RepoOptions{}))
	mallory := w.As("mallory")
	fork := must[string](t)(mallory.Fork("acme/public"))
	pr := must[githubsim.Pull](t)(mallory.OpenPull("acme/public", githubsim.PullOptions{Title: "From afar", From: fork, Branch: "main", Files: map[string]string{"x": "1\n"}}))
	check(t, mallory.CommentReview(pr, "mine"))
	must[int64](t)(mallory.Comment(pr, "hello"))
	got, _, err := w.api.PullRequests.Get(ctx, org, "public", pr.Number)
	check(t, err)
	if !got.GetHead().GetRepo().GetFork() || got.GetHead().GetLabel() != "mallory:main" || got.GetBase().GetRepo().GetFullName() != "acme/public" {
		t.Errorf("the head is %v", got.GetHead())
	}
	run, _, err := w.api.Checks.CreateCheckRun(ctx, org, "public", github.CreateCheckRunOptions{Name: "Change policy", HeadSHA: pr.Head})
	check(t, err)
	if len(run.PullRequests) != 0 {
		t.Error("a fork's run names its pull request")
	}
	comparison, _, err := w.api.Repositories.CompareCommits(ctx, org, "public", "main", "mallory:main", nil)
	check(t, err)
	if len(comparison.Files) != 1 {
		t.Errorf("got %v", comparison.Files)
	}
	check(t, w.SetPermission("acme/public", "bob", githubsim.Write))
	must[githubsim.Pull](t)(w.As("bob").Push(pr, githubsim.Commit{Files: map[string]string{"y": "2\n"}})) // a maintainer may

	check(t, w.DeleteAccount("mallory"))
	got, _, err = w.api.PullRequests.Get(ctx, org, "public", pr.Number)
	check(t, err)
	if got.GetUser().GetLogin() != "ghost" || got.Head.Repo != nil || got.GetHead().GetSHA() == "" {
		t.Errorf("by %s from %v", got.GetUser().GetLogin(), got.Head.Repo)
	}
	reviews, _, err := w.api.PullRequests.ListReviews(ctx, org, "public", pr.Number, nil)
	check(t, err)
	if reviews[0].User != nil {
		t.Errorf("the review is by %v", reviews[0].User)
	}
	commits, _, err := w.api.PullRequests.ListCommits(ctx, org, "public", pr.Number, nil)
	check(t, err)
	if commits[0].Author != nil || commits[0].Commit.GetAuthor().GetEmail() != "mallory@example.com" {
		t.Errorf("the commit is by %v", commits[0].Author)
	}
	check(t, w.As("bob").Merge(pr, githubsim.MergeOptions{}))
}

func TestBranches(t *testing.T) {
	w := start(t)
	alice, bob := w.As("alice"), w.As("bob")
	below := w.open(githubsim.PullOptions{Branch: "below"})
	above := must[githubsim.Pull](t)(bob.OpenPull("acme/app", githubsim.PullOptions{Title: "On top", Base: "below", Branch: "above", Files: map[string]string{"top": "1\n"}}))
	_, err := alice.OpenPull("acme/app", githubsim.PullOptions{Branch: "below"})
	refused(t, err, "already exists")
	_, err = alice.OpenPull("acme/app", githubsim.PullOptions{Branch: "nothing"})
	refused(t, err, "invalid")
	refused(t, bob.Reopen(githubsim.Pull{Repo: "acme/app", Number: 99}), "Not Found")

	// What was stacked on a merged branch goes where that was merged to.
	check(t, bob.Merge(below, githubsim.MergeOptions{DeleteBranch: true}))
	got, _, err := w.api.PullRequests.Get(context.Background(), org, repo, above.Number)
	check(t, err)
	if got.GetState() != "open" || got.GetBase().GetRef() != "main" || got.GetChangedFiles() != 1 {
		t.Errorf("%s into %s with %d files", got.GetState(), got.GetBase().GetRef(), got.GetChangedFiles())
	}

	// One whose commits were pushed to its base is merged, whoever pushed them.
	must[string](t)(w.Tip("acme/app", "main"))
	rebased := must[githubsim.Pull](t)(bob.Rebase(above))
	check(t, alice.PushRef("acme/app", "main", rebased.Head))
	got, _, err = w.api.PullRequests.Get(context.Background(), org, repo, above.Number)
	check(t, err)
	if !got.GetMerged() || got.GetMergedBy().GetLogin() != "alice" || got.GetMergeCommitSHA() != rebased.Head {
		t.Errorf("merged %t by %s as %s", got.GetMerged(), got.GetMergedBy().GetLogin(), got.GetMergeCommitSHA())
	}

	third := w.open(githubsim.PullOptions{Branch: "third", Files: map[string]string{"3": "3\n"}})
	check(t, alice.Close(third))
	must[githubsim.Pull](t)(alice.ForcePush(third, githubsim.Commit{Files: map[string]string{"3": "4\n"}}))
	refused(t, alice.Reopen(third), "force-pushed or recreated")
	fourth := w.open(githubsim.PullOptions{Branch: "fourth", Files: map[string]string{"4": "4\n"}})
	check(t, alice.PushRef("acme/app", "fourth", ""))
	refused(t, alice.Reopen(fourth), "was deleted")
}

func TestProtection(t *testing.T) {
	w := start(t)
	alice, bob, erin := w.As("alice"), w.As("bob"), w.As("erin")
	other := must[*githubsim.App](t)(w.RegisterApp(githubsim.AppOptions{Slug: "impostor", Permissions: map[string]string{"checks": "write"}, Key: must2(key())}))
	must[int64](t)(other.Install("acme"))
	check(t, w.Protect("acme/app", "main", githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{{Context: "Change policy", AppID: w.app.ID}}, Strict: true, RequiredApprovals: 1}))
	pr := w.open(githubsim.PullOptions{})
	merge := func() error { return bob.Merge(pr, githubsim.MergeOptions{}) }
	refused(t, merge(), `Required status check "Change policy" is expected`)
	must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{App: "impostor", Name: "Change policy", Conclusion: "success"}))
	check(t, alice.PostStatus("acme/app", pr.Head, "Change policy", "success", "trust me"))
	refused(t, merge(), `Required status check "Change policy" is expected`)
	for conclusion, want := range map[string]string{"failure": "is failing", "cancelled": "is failing", "action_required": "is failing"} {
		must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{App: "changegate", Name: "Change policy", Conclusion: conclusion}))
		refused(t, merge(), want)
	}
	refused(t, second(bob.PushBranch("acme/app", "main", githubsim.Commit{})), "GH006")
	refused(t, erin.PushRef("acme/app", "main", ""), "Cannot delete")
	must[int64](t)(w.PostCheckRun("acme/app", pr.Head, githubsim.CheckRun{App: "changegate", Name: "Change policy", Conclusion: "neutral"}))
	refused(t, merge(), "approving review is required")
	check(t, bob.Approve(pr))
	must[string](t)(erin.PushBranch("acme/app", "main", githubsim.Commit{Message: "past everyone"})) // administrators may, unless bound
	refused(t, merge(), "out of date")
	refused(t, bob.Merge(pr, githubsim.MergeOptions{Bypass: true}), "out of date")
	check(t, erin.Merge(pr, githubsim.MergeOptions{Bypass: true}))
	check(t, w.Protect("acme/app", "main", githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{{Context: "Change policy", AppID: w.app.ID}}, EnforceAdmins: true}))
	refused(t, second(erin.PushBranch("acme/app", "main", githubsim.Commit{})), "GH006")
	got, _, err := w.api.Repositories.GetBranch(context.Background(), org, repo, "main", 0)
	check(t, err)
	checks := *got.GetProtection().GetRequiredStatusChecks().Checks
	if len(checks) != 1 || checks[0].Context != "Change policy" || *checks[0].AppID != w.app.ID {
		t.Errorf("the branch requires %v", checks)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
