package github_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/palantir/go-githubapp/githubapp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/githubsim/openapitest"
	"github.com/changegate/changegate/internal/plan"
)

// Both take long to make, and nothing in them changes.
var (
	spec   = sync.OnceValues(openapitest.Load)
	appKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

const policyText = "version: 1\n"

// world is acme/shop on the embedded GitHub, with every call held to GitHub's own description of its API.
type world struct {
	*githubsim.Sim
	t      *testing.T
	app    *githubsim.App
	github *github.GitHub
	client *github.Client
	repo   change.Repository
	url    string
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func start(t *testing.T) *world {
	w := &world{t: t, Sim: must[*githubsim.Sim](t)(githubsim.New(githubsim.Config{}))}
	t.Cleanup(func() { check(t, w.Close()) })
	checker := must[*openapitest.Spec](t)(spec()).Middleware(w.Sim, "/api/v3")
	server := httptest.NewServer(checker)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		for _, v := range checker.Violations() {
			t.Error(v)
		}
	})
	w.url = server.URL
	w.SetURL(server.URL)
	check(t,
		w.AddUser("alice", "bob", "carol", "erin"),
		w.AddOrganization("acme", "erin"),
		w.AddTeam("acme", "security", "carol"),
		w.AddRepository("acme", "shop", githubsim.RepoOptions{Private: true, Labels: []string{"high-risk"}, Files: map[string]string{
			"README.md": "# shop\n", "main.go": "package main\n", ".github/change-policy.yml": policyText,
		}}),
		w.SetPermission("acme/shop", "alice", githubsim.Write),
		w.SetPermission("acme/shop", "bob", githubsim.Maintain),
		w.SetTeamPermission("acme/shop", "security", githubsim.Triage),
	)
	must[string](t)(w.As("bob").PushBranch("acme/shop", "main", githubsim.Commit{Message: "Note", Files: map[string]string{"NOTES": "by bob\n"}}))
	w.app = must[*githubsim.App](t)(w.RegisterApp(githubsim.AppOptions{
		Slug: "changegate", Key: must[*rsa.PrivateKey](t)(appKey()),
		Permissions: map[string]string{
			"checks": "write", "statuses": "write", "pull_requests": "write", "contents": "read", "issues": "write", "actions": "read", "members": "read", "merge_queues": "read",
			"deployments": "write",
		},
	}))
	installation := change.InstallationID(must[int64](t)(w.app.Install("acme")))

	w.anew()
	w.client = w.github.Installation(installation)
	repos := must[[]github.InstalledRepository](t)(w.client.Begin().Repositories(t.Context(), time.Time{}))
	if len(repos) != 1 || repos[0].String() != "acme/shop" || repos[0].DefaultBranch != "main" || repos[0].OwnerIsUser || repos[0].ID == 0 {
		t.Fatalf("repositories: %+v", repos)
	}
	w.repo = repos[0].Repository
	return w
}

// anew makes a GitHub that holds nothing yet.
func (w *world) anew() {
	w.t.Helper()
	var app githubapp.Config
	app.V3APIURL, app.V4APIURL, app.WebURL = w.url+"/api/v3", w.url+"/api/graphql", w.url
	app.App.IntegrationID, app.App.PrivateKey = w.app.ID, string(w.app.PrivateKey)
	w.github = must[*github.GitHub](w.t)(github.New(github.Config{App: app}))
}

// open has alice open a pull request that bob had a hand in.
func (w *world) open() githubsim.Pull {
	w.t.Helper()
	return must[githubsim.Pull](w.t)(w.As("alice").OpenPull("acme/shop", githubsim.PullOptions{
		Title: "Greet", Body: "Hello", Branch: "feature/hällo", Labels: []string{"high-risk"},
		Commits: []githubsim.Commit{
			{Message: "Greet", Files: map[string]string{"main.go": "package main\n\nfunc main() {}\n"}, Rename: map[string]string{"README.md": "docs/READ ME.md"}, CoAuthors: []string{"bob"}},
			{Message: "Link", Files: map[string]string{"link": "main.go"}, Modes: map[string]string{"link": "120000"}},
		},
	}))
}

// took returns the calls since it was last asked, without exchanges of tokens.
func (w *world) took() map[string]int {
	counts := w.Calls()
	delete(counts, githubsim.TokenRoute)
	w.ResetCalls()
	return counts
}

func total(counts map[string]int) (n int) {
	for _, v := range counts {
		n += v
	}
	return n
}

// facts are what the test reads of the pull request in a session.
type facts struct {
	pull     change.Pull
	siblings []change.Pull
	content  change.Content
	policy   github.PolicyFile
	timeline github.Timeline
	bob      change.Person
	security change.Team
	checks   []change.Check
	ours     []github.CheckRun
	own      []github.CheckRun
	tree     map[string]github.TreeEntry
	tip      change.SHA
}

func (w *world) read(n int, since func(*github.Session) time.Time) facts {
	w.t.Helper()
	s, ctx, repo := w.client.Begin(), w.t.Context(), w.repo
	at := since(s)
	var f facts
	f.pull = must[change.Pull](w.t)(s.Pull(ctx, repo, change.Number(n), at))
	head := f.pull.Head.SHA
	f.siblings = must[[]change.Pull](w.t)(s.PullsWithHead(ctx, repo, head, at))
	f.content = must[change.Content](w.t)(s.Content(ctx, repo, f.pull, at))
	f.tip = must[change.SHA](w.t)(s.Tip(ctx, repo, "main", at))
	f.policy = must[github.PolicyFile](w.t)(s.PolicyFile(ctx, repo, f.content.BaseTip, ".github/change-policy.yml"))
	f.timeline = must[github.Timeline](w.t)(s.Timeline(ctx, repo, change.Number(n), at))
	f.bob = must[change.Person](w.t)(s.Permission(ctx, repo, must[change.Account](w.t)(s.User(ctx, "bob", at)), at))
	f.security = must[change.Team](w.t)(s.Team(ctx, repo, "security", nil, at))
	var err error
	f.checks, f.ours, err = s.Checks(ctx, repo, head, true, at)
	check(w.t, err)
	f.own = must[[]github.CheckRun](w.t)(s.OwnRuns(ctx, repo, head, at))
	f.tree, _, err = s.Tree(ctx, repo, head, []string{"main.go", "docs/READ ME.md", "link"})
	check(w.t, err)
	return f
}

func held(*github.Session) time.Time       { return time.Time{} }
func verified(s *github.Session) time.Time { return s.Began() }

func TestAgainstEmbeddedGitHub(t *testing.T) {
	w := start(t)
	pr := w.open()
	bob, carol := w.As("bob"), w.As("carol")
	check(t,
		w.As("alice").PostStatus("acme/shop", pr.Head, "ci/jenkins", "failure", "broken"),
		w.As("alice").PostStatus("acme/shop", pr.Head, "ci/jenkins", "success", "mended"),
		bob.Approve(pr), carol.RequestChanges(pr, "no"), w.As("erin").DismissReview(pr, "carol", "yes"), bob.RemoveLabel(pr, "high-risk"),
	)
	must[int64](t)(w.PostCheckRun("acme/shop", pr.Head, githubsim.CheckRun{Name: "build", Conclusion: "success", Workflow: ".github/workflows/ci.yml"}))
	w.took()

	f := w.read(pr.Number, held)
	want := map[string]int{
		"GET /repos/{owner}/{repo}/pulls/{pull_number}":                 1,
		"GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls":          1,
		"GET /repos/{owner}/{repo}/compare/{basehead}":                  1,
		"GET /repos/{owner}/{repo}/git/ref/{ref}":                       1,
		"GET /repos/{owner}/{repo}/commits":                             1, // to find whose a co-author's address is
		"GET /repos/{owner}/{repo}/contents/{path}":                     1,
		"GET /repos/{owner}/{repo}/git/blobs/{file_sha}":                1,
		"GET /repos/{owner}/{repo}/issues/{issue_number}/timeline":      1,
		"GET /users/{username}":                                         1,
		"GET /repos/{owner}/{repo}/collaborators/{username}/permission": 1,
		"GET /orgs/{org}/teams/{team_slug}":                             1,
		"GET /orgs/{org}/teams/{team_slug}/members":                     1,
		"GET /repos/{owner}/{repo}/commits/{ref}/check-runs":            2, // all, and our own
		"GET /repos/{owner}/{repo}/commits/{ref}/statuses":              1,
		"GET /repos/{owner}/{repo}/actions/runs":                        1,
		"GET /repos/{owner}/{repo}/git/trees/{tree_sha}":                1,
	}
	if got := w.took(); !maps.Equal(got, want) {
		t.Errorf("calls: %v", got)
	}

	p := f.pull
	if p.Title != "Greet" || p.Body != "Hello" || p.Author.Login != "alice" || p.State != change.Open || p.Head.Name != "feature/hällo" ||
		p.Base.Name != "main" || p.FromFork() || p.Head.SHA != change.SHA(pr.Head) || p.ChangedFiles != 3 || len(p.Labels) != 0 {
		t.Errorf("pull: %+v", p)
	}
	if len(f.siblings) != 1 || f.siblings[0].Number != p.Number {
		t.Errorf("siblings: %+v", f.siblings)
	}
	c := f.content
	if c.BaseTip != f.tip || c.MergeBase != f.tip || len(c.Files) != 3 || len(c.Commits) != 2 || c.FilesCut || c.CommitsCut {
		t.Errorf("content: %+v", c)
	}
	for _, file := range c.Files {
		if file.Path == "docs/READ ME.md" && (file.PreviousPath != "README.md" || file.Status != change.FileRenamed) {
			t.Errorf("the renamed file: %+v", file)
		}
		if e := f.tree[file.Path]; e.Blob != file.Blob || (e.Mode == change.ModeSymlink) != (file.Path == "link") {
			t.Errorf("%s in the tree: %+v", file.Path, e)
		}
	}
	first := c.Commits[0]
	if first.Author.Account.Login != "alice" || len(first.CoAuthors) != 1 || first.CoAuthors[0].Account.ID != f.bob.Account.ID {
		t.Errorf("the first commit: %+v", first)
	}
	if !f.policy.Found || f.policy.Text != policyText || f.policy.Problem != "" {
		t.Errorf("policy: %+v", f.policy)
	}
	r := f.timeline.Reviews
	if len(r) != 2 || r[0].By.Login != "bob" || r[0].State != change.Approved || r[0].SHA != p.Head.SHA ||
		r[1].By.Login != "carol" || r[1].State != change.Dismissed || r[1].Was != change.ChangesRequested || r[1].DismissedBy.Login != "erin" {
		t.Errorf("reviews: %+v", r)
	}
	l := f.timeline.Labels
	if len(l) != 2 || l[0].Label != "high-risk" || !l[0].Added || l[0].By.Login != "alice" || l[1].Added || l[1].By.Login != "bob" {
		t.Errorf("labels: %+v", l)
	}
	if f.bob.Permission != change.PermissionMaintain || f.bob.Problem != "" {
		t.Errorf("bob: %+v", f.bob)
	}
	if len(f.security.Members) != 1 || f.security.Members[0].Login != "carol" {
		t.Errorf("team: %+v", f.security)
	}
	if len(f.checks) != 2 || f.checks[0].Name != "build" || f.checks[0].App != "github-actions" || f.checks[0].Workflow != ".github/workflows/ci.yml" ||
		f.checks[0].State != change.CheckSuccess || !f.checks[1].Status || f.checks[1].State != change.CheckSuccess || f.checks[1].Creator.Login != "alice" {
		t.Errorf("checks: %+v", f.checks)
	}
	if len(f.ours)+len(f.own) != 0 {
		t.Errorf("ours: %v %v", f.ours, f.own)
	}

	t.Run("what is held costs nothing", func(t *testing.T) {
		w.read(pr.Number, held)
		if got := w.took(); total(got) != 0 {
			t.Errorf("calls: %v", got)
		}
	})
	t.Run("verifying revalidates what is not immutable", func(t *testing.T) {
		w.read(pr.Number, verified)
		for _, call := range w.CallLog() {
			if call.Status != http.StatusNotModified {
				t.Errorf("%s: %d", call.Path, call.Status)
			}
		}
		if got := w.took(); total(got) != total(want)-5 || got["GET /repos/{owner}/{repo}/contents/{path}"] != 0 {
			t.Errorf("calls: %v", got)
		}
	})
	t.Run("a team that is missing", func(t *testing.T) {
		got := must[change.Team](t)(w.client.Begin().Team(t.Context(), w.repo, "nobody", nil, time.Time{}))
		if !got.Missing || got.Problem != "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("other lists", func(t *testing.T) {
		s := w.client.Begin()
		id := must[int64](t)(bob.Comment(pr, "/change refresh"))
		if got := must[[]github.IssueComment](t)(s.Comments(t.Context(), w.repo, p.Number, s.Began())); len(got) != 1 || got[0].ID != id || got[0].By.Login != "bob" {
			t.Errorf("comments: %+v", got)
		}
		var got []change.Pull
		for page, err := range s.OpenPulls(t.Context(), w.repo, "main", s.Began()) {
			got = append(got, must[[]change.Pull](t)(page, err)...)
		}
		if len(got) != 1 || got[0].Number != p.Number {
			t.Errorf("open: %+v", got)
		}
	})
	t.Run("a base that moved", func(t *testing.T) {
		other := must[githubsim.Pull](t)(w.As("erin").OpenPull("acme/shop", githubsim.PullOptions{Title: "Other", Files: map[string]string{"other.go": "package other\n"}}))
		check(t, w.As("erin").Merge(other, githubsim.MergeOptions{}))
		s := w.client.Begin()
		if got := must[change.Content](t)(s.Content(t.Context(), w.repo, p, time.Time{})); got.BaseTip != f.tip {
			t.Errorf("held: %s", got.BaseTip)
		}
		got := must[change.Content](t)(s.Content(t.Context(), w.repo, p, s.Began()))
		if got.BaseTip == f.tip || got.MergeBase != f.tip || len(got.Files) != 3 {
			t.Errorf("verified: %+v", got)
		}
		w.took()
		must[github.PolicyFile](t)(s.PolicyFile(t.Context(), w.repo, got.BaseTip, ".github/change-policy.yml"))
		if got := w.took(); total(got) != 1 {
			t.Errorf("the same policy at another commit: %v", got)
		}
	})
}

func TestEffectsOnEmbeddedGitHub(t *testing.T) {
	w := start(t)
	pr := w.open()
	ctx, c := t.Context(), w.client
	output := func(status plan.Status, conclusion plan.Conclusion) plan.Output {
		return plan.Output{Status: status, Conclusion: conclusion, Title: "Waiting", Summary: "for people"}
	}
	head := change.SHA(pr.Head)
	run := must[github.CheckRun](t)(c.CreateCheckRun(ctx, w.repo, github.CheckRunWrite{Head: head, ExternalID: "1", Output: output(plan.InProgress, "")}))
	if run.ID == 0 || run.Status != "in_progress" || run.ExternalID != "1" || run.Head != head {
		t.Errorf("created: %+v", run)
	}
	run = must[github.CheckRun](t)(c.UpdateCheckRun(ctx, w.repo, run.ID, github.CheckRunWrite{
		Head: head, ExternalID: "1", Output: output(plan.Completed, plan.Success), At: w.Now(),
	}))
	if run.Status != "completed" || run.Conclusion != "success" {
		t.Errorf("updated: %+v", run)
	}
	// GitHub accepts this and does nothing.
	var completed *github.AlreadyCompleted
	if _, err := c.UpdateCheckRun(ctx, w.repo, run.ID, github.CheckRunWrite{Head: head, Output: output(plan.InProgress, "")}); !errors.As(err, &completed) {
		t.Errorf("a completed run reopened: %v", err)
	}
	next := must[github.CheckRun](t)(c.CreateCheckRun(ctx, w.repo, github.CheckRunWrite{Head: head, ExternalID: "2", Output: output(plan.InProgress, "")}))
	s := c.Begin()
	own := must[[]github.CheckRun](t)(s.OwnRuns(ctx, w.repo, head, s.Began()))
	if len(own) != 2 || own[0].ID != next.ID || own[1].ID != run.ID {
		t.Errorf("own: %+v", own)
	}
	checks, ours, err := s.Checks(ctx, w.repo, head, false, s.Began())
	check(t, err)
	if len(checks) != 0 || len(ours) == 0 || ours[0].ID != next.ID {
		t.Errorf("checks %+v, ours %+v", checks, ours)
	}

	check(t, c.RequestReviewers(ctx, w.repo, change.Number(pr.Number), []string{"security"}, []string{"bob"}))
	p := must[change.Pull](t)(s.Pull(ctx, w.repo, change.Number(pr.Number), s.Began()))
	if !slices.Equal(p.RequestedTeams, []string{"security"}) || len(p.RequestedUsers) != 1 || p.RequestedUsers[0].Login != "bob" {
		t.Errorf("requested: %v %v", p.RequestedTeams, p.RequestedUsers)
	}
	var rejected *github.Rejected
	if err := c.RequestReviewers(ctx, w.repo, change.Number(pr.Number), nil, []string{"alice"}); !errors.As(err, &rejected) {
		t.Errorf("the author as reviewer: %v", err)
	}

	id := must[int64](t)(c.Comment(ctx, w.repo, change.Number(pr.Number), "hello"))
	check(t, c.React(ctx, w.repo, id, "eyes"), c.React(ctx, w.repo, id, "eyes"))
}

func TestFaultsOfEmbeddedGitHub(t *testing.T) {
	w := start(t)
	pr := w.open()
	ctx, number := t.Context(), change.Number(pr.Number)
	pull := func() error {
		s := w.client.Begin()
		_, err := s.Pull(ctx, w.repo, number, s.Began())
		return err
	}
	check(t, pull())

	t.Run("a token that ended early", func(t *testing.T) {
		w.app.RevokeTokens()
		check(t, pull())
	})
	t.Run("an answer that is lost", func(t *testing.T) {
		w.Inject(githubsim.Fault{Method: "POST", Route: "/repos/{owner}/{repo}/check-runs", ActThenLose: true})
		_, err := w.client.CreateCheckRun(ctx, w.repo, github.CheckRunWrite{
			Head: change.SHA(pr.Head), ExternalID: "lost", Output: plan.Output{Status: plan.InProgress, Title: "T", Summary: "S"},
		})
		var unavailable *github.Unavailable
		if !errors.As(err, &unavailable) || !unavailable.MayHaveHappened {
			t.Fatalf("got %v", err)
		}
		s := w.client.Begin()
		if own := must[[]github.CheckRun](t)(s.OwnRuns(ctx, w.repo, change.SHA(pr.Head), s.Began())); len(own) != 1 || own[0].ExternalID != "lost" {
			t.Errorf("found %+v", own)
		}
	})
	t.Run("errors", func(t *testing.T) {
		w.Inject(githubsim.Fault{Route: "/repos/{owner}/{repo}/pulls/{pull_number}", Status: http.StatusBadGateway})
		if err := pull(); !github.Temporary(err) {
			t.Errorf("got %v", err)
		}
		w.Inject(githubsim.Fault{Route: "/repos/{owner}/{repo}/pulls/{pull_number}", CutConnection: true, Times: 3}) // net/http repeats a GET
		if err := pull(); !github.Temporary(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("deleted people", func(t *testing.T) {
		check(t, w.As("carol").CommentReview(pr, "hm"), w.DeleteAccount("carol"))
		s := w.client.Begin()
		timeline := must[github.Timeline](t)(s.Timeline(ctx, w.repo, number, s.Began()))
		if len(timeline.Reviews) != 1 || timeline.Reviews[0].By.IsBot() {
			t.Errorf("reviews: %+v", timeline.Reviews)
		}
	})
	t.Run("a tree that is cut", func(t *testing.T) {
		w.SetTreeLimit(5)
		defer w.SetTreeLimit(0)
		entries, complete, err := w.client.Begin().Tree(ctx, w.repo, change.SHA(pr.Head), []string{"main.go", "docs/READ ME.md", "gone"})
		if err != nil || !complete || len(entries) != 2 {
			t.Errorf("got %v, %v, %v", entries, complete, err)
		}
	})
	t.Run("a renamed repository", func(t *testing.T) {
		check(t, w.RenameRepository("acme/shop", "store"))
		check(t, pull())
	})
	t.Run("a repository that leaves and comes back", func(t *testing.T) {
		check(t, w.app.RemoveRepositories("acme", "store"))
		var missing *github.NotFound
		if err := pull(); !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
		w.app.RevokeTokens()
		if err := pull(); !errors.As(err, &missing) { // now it is the token that there is none of
			t.Errorf("got %v", err)
		}
		check(t, w.app.AddRepositories("acme", "store"))
		check(t, pull())
	})
	t.Run("suspended", func(t *testing.T) {
		check(t, w.app.Suspend("acme"))
		var suspended *github.Suspended
		if err := pull(); !errors.As(err, &suspended) {
			t.Errorf("got %v", err)
		}
		check(t, w.app.Unsuspend("acme"))
		check(t, pull())
	})
	t.Run("rate limited", func(t *testing.T) {
		w.Inject(githubsim.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"120"}}})
		var limited *github.RateLimited
		if err := pull(); !errors.As(err, &limited) || time.Until(limited.Until) > 2*time.Minute {
			t.Fatalf("got %v", err)
		}
		w.took()
		if err := pull(); !errors.As(err, &limited) {
			t.Errorf("got %v", err)
		}
		if got := w.took(); total(got) != 0 {
			t.Errorf("calls while limited: %v", got)
		}
	})
}

func TestUninstalled(t *testing.T) {
	w := start(t)
	check(t, w.app.Uninstall("acme"))
	_, err := w.client.Begin().Pull(context.Background(), w.repo, 1, time.Time{})
	if err == nil || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("got %v", err)
	}
}
