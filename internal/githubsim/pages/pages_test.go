package pages

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

const shop = "acme/shop"

// world is a repository with a protected branch, and a browser on its pages. The check that main requires is github-actions' own.
type world struct {
	t      *testing.T
	sim    *githubsim.Sim
	client *http.Client
	url    string
	pushed []string      // the heads that CI was told of
	later  time.Duration // by which the time was set forward
}

func newWorld(t *testing.T) *world {
	t.Helper()
	sim, err := githubsim.New(githubsim.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	actions, err := sim.App("github-actions")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		sim.AddUser("olivia", "alice", "bob", "sam"),
		sim.AddBot("dependabot[bot]"),
		sim.AddOrganization("acme", "olivia"),
		sim.AddTeam("acme", "engineers", "alice", "bob"),
		sim.AddRepository("acme", "shop", githubsim.RepoOptions{
			Description: "A shop", Files: map[string]string{"README.md": "# Shop\n", "main.rb": "puts 1\nputs 2\n"}, Labels: []string{"EMERGENCY"},
		}),
		sim.SetTeamPermission(shop, "engineers", githubsim.Write),
		sim.SetPermission(shop, "sam", githubsim.Read),
		sim.SetPermission(shop, "dependabot[bot]", githubsim.Write),
		sim.Protect(shop, "main", githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{{Context: "policy", AppID: actions.ID}}, EnforceAdmins: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, sim: sim}
	server := httptest.NewServer(New(sim, Options{
		Repo: shop, Home: "alice",
		Changes: []Change{
			{ID: "one", Title: "Print three", Note: "A change.", Body: "## Risk\n\nlow\n", Branch: "three", Files: map[string]string{"main.rb": "puts 3\n"}},
			{ID: "bump", Title: "Bump", By: "dependabot[bot]", Branch: "bump", Files: map[string]string{"Gemfile.lock": "puma (6.6.1)\n"}},
			{ID: "same", Title: "Nothing", Branch: "same", Files: map[string]string{"README.md": "# Shop\n"}},
		},
		Edits: []Edit{
			{ID: "note", Title: "Add a note", Commit: func(githubsim.PullView) (githubsim.Commit, bool) {
				return githubsim.Commit{Message: "Add a note", Files: map[string]string{"NOTE.md": "a note\n"}}, true
			}},
			{ID: "never", Title: "Never there", Commit: func(githubsim.PullView) (githubsim.Commit, bool) { return githubsim.Commit{}, false }},
		},
		Pushed: func(p githubsim.Pull) error { w.pushed = append(w.pushed, p.Head); return nil },
		Later:  func(_ context.Context, by time.Duration) error { w.later += by; return nil },
		Server: "http://127.0.0.1:8080", Hosts: []string{"demo.example"},
	}))
	t.Cleanup(server.Close)
	w.url, w.client = server.URL, server.Client()
	if w.client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// open opens a pull request behind the pages' back.
func (w *world) open(who string) githubsim.Pull {
	w.t.Helper()
	p, err := w.sim.As(who).OpenPull(shop, githubsim.PullOptions{Title: "Print one", Body: "Because.", Branch: "one", Files: map[string]string{"main.rb": "puts 1\n"}})
	w.must(err)
	return p
}

func (w *world) view(p githubsim.Pull) githubsim.PullView {
	w.t.Helper()
	v, err := w.sim.PullView(p.Repo, p.Number)
	w.must(err)
	return v
}

// do sends a request and returns the page that it leads to.
func (w *world) do(r *http.Request) (status int, body string) {
	w.t.Helper()
	resp, err := w.client.Do(r)
	w.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp.StatusCode, string(text)
}

func (w *world) get(path string) string {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.url+path, nil)
	w.must(err)
	status, body := w.do(r)
	if status != http.StatusOK {
		w.t.Fatalf("GET %s: %d\n%s", path, status, body)
	}
	return body
}

func (w *world) request(path string, fields ...string) *http.Request {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, w.url+path, strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// post sends a form and returns the page that it leads to.
func (w *world) post(path string, fields ...string) string {
	w.t.Helper()
	status, body := w.do(w.request(path, fields...))
	if status != http.StatusOK {
		w.t.Fatalf("POST %s: %d\n%s", path, status, body)
	}
	return body
}

func (w *world) actAs(login string) {
	w.t.Helper()
	w.post("/acting", "login", login, "back", "/"+shop)
}

func TestForms(t *testing.T) {
	for _, test := range []struct {
		name   string
		setup  func(*world, githubsim.Pull) // after bob opened the pull request
		who    string
		action string
		fields []string
		check  func(githubsim.PullView) any
		want   any
	}{
		{name: "comment", who: "sam", action: "comment", fields: []string{"body", "/change refresh\r\nplease"},
			check: func(v githubsim.PullView) any {
				e := v.Events[len(v.Events)-1]
				return e.Kind + " " + e.Actor + " " + e.Body
			},
			want: "commented sam /change refresh\nplease"},
		{name: "title", who: "bob", action: "title", fields: []string{"title", " Print 1 "},
			check: func(v githubsim.PullView) any { return v.Title }, want: "Print 1"},
		{name: "description", who: "alice", action: "body", fields: []string{"body", "a\r\nb"},
			check: func(v githubsim.PullView) any { return v.Body }, want: "a\nb"},
		{name: "label", who: "alice", action: "label", fields: []string{"label", "EMERGENCY"},
			check: func(v githubsim.PullView) any { return v.Labels }, want: []string{"EMERGENCY"}},
		{name: "unlabel", who: "alice", action: "unlabel", fields: []string{"label", "EMERGENCY"},
			setup: func(w *world, p githubsim.Pull) { w.must(w.sim.As("bob").AddLabel(p, "EMERGENCY")) },
			check: func(v githubsim.PullView) any { return len(v.Labels) }, want: 0},
		{name: "approve", who: "alice", action: "review", fields: []string{"opinion", "approve", "body", "good"}, check: review1, want: "alice APPROVED good"},
		{name: "request changes", who: "alice", action: "review", fields: []string{"opinion", "request", "body", "no"}, check: review1, want: "alice CHANGES_REQUESTED no"},
		{name: "review comment", who: "alice", action: "review", fields: []string{"opinion", "comment", "body", "hm"}, check: review1, want: "alice COMMENTED hm"},
		{name: "dismiss", who: "bob", action: "dismiss", fields: []string{"of", "alice", "message", "old"},
			setup: func(w *world, p githubsim.Pull) { w.must(w.sim.As("alice").Approve(p)) },
			check: func(v githubsim.PullView) any { return v.Reviews[0].State }, want: "DISMISSED"},
		{name: "ask a team", who: "bob", action: "request", fields: []string{"who", "acme/engineers"},
			check: func(v githubsim.PullView) any { return v.RequestedTeams }, want: []string{"acme/engineers"}},
		{name: "ask a person", who: "bob", action: "request", fields: []string{"who", "alice"},
			check: func(v githubsim.PullView) any { return v.RequestedUsers }, want: []string{"alice"}},
		{name: "ask no longer", who: "bob", action: "unrequest", fields: []string{"who", "alice"},
			setup: func(w *world, p githubsim.Pull) { w.must(w.sim.As("bob").RequestReview(p, "alice")) },
			check: func(v githubsim.PullView) any { return len(v.RequestedUsers) }, want: 0},
		{name: "push", who: "alice", action: "push", fields: []string{"edit", "note"},
			check: func(v githubsim.PullView) any { c := v.Commits[1]; return c.Subject + " by " + c.Author }, want: "Add a note by alice"},
		{name: "update the branch", who: "bob", action: "update",
			setup: func(w *world, _ githubsim.Pull) {
				w.must(w.sim.Unprotect(shop, "main"))
				_, err := w.sim.As("alice").PushBranch(shop, "main", githubsim.Commit{Files: map[string]string{"OTHER": "x"}})
				w.must(err)
			},
			check: func(v githubsim.PullView) any { return v.HeadIsBehind }, want: false},
		{name: "draft", who: "bob", action: "draft", check: func(v githubsim.PullView) any { return v.Draft }, want: true},
		{name: "ready", who: "bob", action: "ready", setup: func(w *world, p githubsim.Pull) { w.must(w.sim.As("bob").ConvertToDraft(p)) },
			check: func(v githubsim.PullView) any { return v.Draft }, want: false},
		{name: "close", who: "bob", action: "close", check: func(v githubsim.PullView) any { return v.State }, want: "closed"},
		{name: "reopen", who: "bob", action: "reopen", setup: func(w *world, p githubsim.Pull) { w.must(w.sim.As("bob").Close(p)) },
			check: func(v githubsim.PullView) any { return v.State }, want: "open"},
		{name: "merge", who: "alice", action: "merge", fields: []string{"method", "squash"}, setup: green,
			check: func(v githubsim.PullView) any { return v.State + " by " + v.MergedBy }, want: "merged by alice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.open("bob")
			if test.setup != nil {
				test.setup(w, p)
			}
			w.actAs(test.who)
			page := w.post("/acme/shop/pull/1/"+test.action, test.fields...)
			if strings.Contains(page, "GitHub refused") {
				t.Fatalf("refused:\n%s", page)
			}
			if diff := cmp.Diff(test.want, test.check(w.view(p))); diff != "" {
				t.Errorf("afterwards (-want +got):\n%s", diff)
			}
			if moved := w.view(p).Head != p.Head; moved != (len(w.pushed) == 1) {
				t.Errorf("CI was told of %v; the head moved: %v", w.pushed, moved)
			}
		})
	}
}

func review1(v githubsim.PullView) any {
	e := v.Events[len(v.Events)-1]
	return e.Actor + " " + e.State + " " + e.Body
}

func green(w *world, p githubsim.Pull) {
	_, err := w.sim.PostCheckRun(shop, p.Head, githubsim.CheckRun{Name: "policy", Conclusion: "success", Title: "Fine", Summary: "| a | b |\n|---|---|\n| 1 | 2 |\n"})
	w.must(err)
}

func TestOpen(t *testing.T) {
	w := newWorld(t)
	w.actAs("bob")
	for _, page := range []string{w.get("/acme/shop/new"), w.get("/acme/shop/new?change=one")} {
		if !strings.Contains(page, "Print three") {
			t.Errorf("it does not offer the change:\n%s", page)
		}
	}
	page := w.post("/acme/shop/new", "change", "one", "title", "Print 3", "body", "why\r\nnot", "draft", "yes")
	if !strings.Contains(page, "Print 3") {
		t.Errorf("the pull request is not shown:\n%s", page)
	}
	v := w.view(githubsim.Pull{Repo: shop, Number: 1})
	got := []any{v.Author, v.Title, v.Body, v.Draft, v.Branch, len(v.Files), w.pushed}
	if diff := cmp.Diff([]any{"bob", "Print 3", "why\nnot", true, "three", 1, []string{v.Head}}, got); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}

	w.post("/acme/shop/new", "change", "one")
	if v := w.view(githubsim.Pull{Repo: shop, Number: 2}); v.Branch != "three-2" || v.Title != "Print three" {
		t.Errorf("a second time it is %q on %s", v.Title, v.Branch)
	}
	w.post("/acme/shop/new", "change", "bump")
	if v := w.view(githubsim.Pull{Repo: shop, Number: 3}); v.Author != "dependabot[bot]" {
		t.Errorf("the bot's is by %s", v.Author)
	}
	if page := w.post("/acme/shop/new", "change", "same"); !strings.Contains(page, "main has this change already") {
		t.Errorf("a change that is there already is not refused:\n%s", page)
	}
	w.actAs("sam")
	page = w.post("/acme/shop/new", "change", "one", "body", "my words")
	if !strings.Contains(page, "Permission to acme/shop.git denied to sam.") || !strings.Contains(page, "my words") {
		t.Errorf("a refusal or the words are lost:\n%s", page)
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name, who, action string
		fields            []string
		want              string
	}{
		{"merge too early", "alice", "merge", []string{"method", "merge"}, "Required status check &#34;policy&#34; is expected."},
		{"merge of another head", "alice", "merge", []string{"head", strings.Repeat("0", 40)}, "Head branch was modified."},
		{"one's own approval", "bob", "review", []string{"opinion", "approve", "body", "mine"}, "Can not approve your own pull request"},
		{"label without triage", "sam", "label", []string{"label", "EMERGENCY"}, "Must have triage access"},
		{"changes without a word", "alice", "review", []string{"opinion", "request"}, "You need to leave a comment"},
		{"an empty comment", "alice", "comment", []string{"body", " "}, "Comment can&#39;t be blank."},
		{"an edit that is not there", "alice", "push", []string{"edit", "never"}, "There is nothing to commit."},
		{"push without write", "sam", "push", []string{"edit", "note"}, "Permission to acme/shop.git denied to sam."},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.open("bob")
			before := w.view(p)
			w.actAs(test.who)
			page := w.post("/acme/shop/pull/1/"+test.action, test.fields...)
			if !strings.Contains(page, test.want) || !strings.Contains(page, `role="alert"`) {
				t.Errorf("it does not say %q:\n%s", test.want, page)
			}
			if diff := cmp.Diff(before, w.view(p)); diff != "" {
				t.Errorf("it was refused and changed something:\n%s", diff)
			}
			if strings.Contains(w.get("/acme/shop/pull/1"), `role="alert"`) {
				t.Error("the message is shown twice")
			}
		})
	}
}

func TestDraftSurvivesRefusal(t *testing.T) {
	w := newWorld(t)
	w.open("bob")
	w.actAs("sam")
	if page := w.post("/acme/shop/pull/1/body", "body", "three paragraphs"); !strings.Contains(page, ">three paragraphs</textarea>") {
		t.Errorf("the words are lost:\n%s", page)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	p := w.open("bob")
	green(w, p)
	w.must(w.sim.As("alice").Approve(p))
	before := w.view(p)
	for path, wants := range map[string][]string{
		"/":                              {"Print one", "1 open", "0 closed"},
		"/acme/shop":                     {"Print one", "#1 by bob", "Fine"},
		"/acme/shop?state=closed":        {"Nothing is closed yet."},
		"/acme/shop/people":              {"@acme/engineers", "alice, bob", "admin, owner of acme", "dependabot[bot]"},
		"/acme/shop/pull/1":              {"Because.", "policy</strong> — Fine", "<td>1</td>", "Re-run", "alice</strong> approved", "This can be merged."},
		"/acme/shop/pull/1/files":        {"main.rb", "@@ -1,2 &#43;1 @@", `<span class="sign">-</span>puts 2`},
		"/acme/shop/pull/1/live":         {"policy</strong> — Fine"},
		"/acme/shop/issues":              {"0 open", "No issue is open."},
		"/acme/shop/new":                 {"A change."},
		"/acme/shop/blob/main/README.md": {"# Shop", `id="L1"`},
	} {
		page := w.get(path)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("GET %s lacks %q:\n%s", path, want, page)
			}
		}
	}
	if diff := cmp.Diff(before, w.view(p)); diff != "" {
		t.Errorf("reading changed something:\n%s", diff)
	}
	for _, path := range []string{"/acme/other", "/acme/shop/pull/7", "/acme/shop/pull/x", "/acme/shop/issues/7", "/acme/shop/issues/x", "/acme/shop/issues/1/head", "/acme/shop/blob/main/nope", "/acme/shop/new?change=nope", "/nope"} {
		r, err := http.NewRequest(http.MethodGet, w.url+path, nil)
		w.must(err)
		if status, _ := w.do(r); status != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", path, status)
		}
	}
}

func TestRerun(t *testing.T) {
	w := newWorld(t)
	p := w.open("bob")
	green(w, p)
	actions, err := w.sim.App("github-actions")
	w.must(err)
	_, err = actions.Install("acme")
	w.must(err)
	button := regexp.MustCompile(`name="run" value="(\d+)"`).FindStringSubmatch(w.get("/acme/shop/pull/1"))
	if button == nil {
		t.Fatal("there is no button to run the check again")
	}
	w.post("/acme/shop/pull/1/rerun", "run", button[1])
	w.must(w.sim.Flush(t.Context()))
	if !slices.ContainsFunc(actions.Deliveries(), func(d githubsim.Delivery) bool { return d.Event == "check_run" && d.Action == "rerequested" }) {
		t.Error("the App did not hear of it")
	}
}

func TestLive(t *testing.T) {
	w := newWorld(t)
	p := w.open("bob")
	version := func() string {
		resp, err := w.client.Get(w.url + "/acme/shop/pull/1/live")
		w.must(err)
		defer resp.Body.Close()
		return resp.Header.Get("X-Version")
	}
	first := version()
	if again := version(); again != first || !strings.Contains(w.get("/acme/shop/pull/1"), `data-version="`+first+`"`) {
		t.Errorf("the version is %s and then %s although nothing happened, or not the page's", first, again)
	}
	green(w, p)
	if version() == first {
		t.Error("the version stays although a check came")
	}
}

// TestTimeline has an open page learn of what was said since.
func TestTimeline(t *testing.T) {
	w := newWorld(t)
	p := w.open("bob")
	version := func() (string, string) {
		resp, err := w.client.Get(w.url + "/acme/shop/pull/1/timeline")
		w.must(err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		w.must(err)
		return resp.Header.Get("X-Version"), string(text)
	}
	first, _ := version()
	if again, _ := version(); again != first || !strings.Contains(w.get("/acme/shop/pull/1"), `data-version="`+first+`"`) {
		t.Errorf("the version is %s and then %s although nothing happened, or not the page's", first, again)
	}
	_, err := w.sim.As("alice").Comment(p, "Does it print?")
	w.must(err)
	if second, text := version(); second == first || !strings.Contains(text, "Does it print?") {
		t.Errorf("the timeline does not grow:\n%s", text)
	}
}

func TestLater(t *testing.T) {
	w := newWorld(t)
	for leap, is := range map[string]func(time.Duration) bool{
		"half":    func(d time.Duration) bool { return d == 30*time.Minute },
		"two":     func(d time.Duration) bool { return d == 2*time.Hour },
		"morning": func(d time.Duration) bool { return d > 0 && d <= 24*time.Hour },
	} {
		w.later = 0
		if page := w.post("/time", "leap", leap, "back", "/acme/shop/people"); !is(w.later) || !strings.Contains(page, "<h1>People and teams</h1>") {
			t.Errorf("%s sets the time forward by %s, and leads to\n%s", leap, w.later, page)
		}
	}
	w.later = 0
	if status, _ := w.do(w.request("/time", "leap", "-1h")); status != http.StatusBadRequest || w.later != 0 {
		t.Errorf("another leap is answered with %d and sets the time forward by %s", status, w.later)
	}
}

func TestNextMorning(t *testing.T) {
	all := leaps()
	for now, want := range map[string]string{
		"2026-11-17T14:25:00Z": "2026-11-18T09:00:00Z", "2026-11-17T08:59:59Z": "2026-11-17T09:00:00Z", "2026-11-30T09:00:00Z": "2026-12-01T09:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := at.Add(all[len(all)-1].by(at)).Format(time.RFC3339); got != want {
			t.Errorf("the morning after %s is %s, want %s", now, got, want)
		}
	}
}

// TestHostile shows what strangers can write wherever they can write it.
func TestHostile(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>"'`
	w := newWorld(t)
	p, err := w.sim.As("bob").OpenPull(shop, githubsim.PullOptions{
		Title: evil, Body: evil + "\n\n[click](javascript:alert(3)) <b onclick=alert(4)>", Branch: "<b>",
		Files: map[string]string{`<script>alert(5)</script>.rb`: evil + "\n"},
	})
	w.must(err)
	w.must(w.sim.As("alice").AddLabel(p, evil))
	w.must(w.sim.As("alice").RequestChanges(p, evil))
	w.must(w.sim.As("bob").DismissReview(p, "alice", evil))
	w.must(w.sim.As("bob").EditTitle(p, evil+"2"))
	_, err = w.sim.As("sam").Comment(p, evil)
	w.must(err)
	_, err = w.sim.PostCheckRun(shop, p.Head, githubsim.CheckRun{Name: evil, Conclusion: "failure", Title: evil, Summary: evil})
	w.must(err)
	i, err := w.sim.As("sam").OpenIssue(shop, evil+" #1", evil)
	w.must(err)
	w.must(w.sim.As("alice").AddLabel(i, evil))
	_, err = w.sim.As("sam").Comment(i, evil)
	w.must(err)
	for _, path := range []string{"/acme/shop", "/acme/shop/pull/1", "/acme/shop/pull/1/files", "/acme/shop/pull/1/live", "/acme/shop/people", "/acme/shop/issues", "/acme/shop/issues/2"} {
		page := w.get(path)
		for _, bad := range []string{"<script>a", "<img", "<b onclick", "<b>", `href="javascript:`, `href=javascript:`} {
			if strings.Contains(page, bad) {
				t.Errorf("GET %s shows %q", path, bad)
			}
		}
	}
}

func TestGuards(t *testing.T) {
	w := newWorld(t)
	p := w.open("bob")
	before := w.view(p)
	merge := func(change func(*http.Request)) *http.Request {
		r := w.request("/acme/shop/pull/1/comment", "body", "from elsewhere")
		change(r)
		return r
	}
	for _, test := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"another site, as browsers say now", merge(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }), http.StatusForbidden},
		{"another port of this machine", merge(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }), http.StatusForbidden},
		{"another site, as browsers said before", merge(func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://evil.example")
		}), http.StatusForbidden},
		{"a name that somebody pointed here", merge(func(r *http.Request) { r.Host = "evil.example" }), http.StatusMisdirectedRequest},
		{"a name that ends as ours", merge(func(r *http.Request) { r.Host = "localhost.evil.example:80" }), http.StatusMisdirectedRequest},
		{"a form without end", w.request("/acme/shop/pull/1/comment", "body", strings.Repeat("x", maxForm)), http.StatusRequestEntityTooLarge},
		{"somebody unknown", w.request("/acting", "login", "mallory"), http.StatusBadRequest},
		{"a bot", w.request("/acting", "login", "dependabot[bot]"), http.StatusBadRequest},
		{"an action that is none", w.request("/acme/shop/pull/1/delete"), http.StatusNotFound},
		{"an issue's action that is none", w.request("/acme/shop/issues/1/merge"), http.StatusNotFound},
		{"an issue that is a pull request", w.request("/acme/shop/issues/1/close"), http.StatusNotFound},
		{"a check run that is none", w.request("/acme/shop/pull/1/rerun", "run", "x"), http.StatusBadRequest},
	} {
		if status, _ := w.do(test.r); status != test.want {
			t.Errorf("%s: %d, want %d", test.name, status, test.want)
		}
	}
	if diff := cmp.Diff(before, w.view(p)); diff != "" {
		t.Errorf("something was done:\n%s", diff)
	}
	for _, host := range []string{"localhost:8090", "127.0.0.1", "[::1]:8090", "demo.example"} {
		r, err := http.NewRequest(http.MethodGet, w.url+"/acme/shop", nil)
		w.must(err)
		r.Host = host
		if status, _ := w.do(r); status != http.StatusOK {
			t.Errorf("as %s: %d", host, status)
		}
	}
}

// TestBack sends whoever changed who acts back to where they were, and nowhere else.
func TestBack(t *testing.T) {
	w := newWorld(t)
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for back, want := range map[string]string{
		"/acme/shop/pull/1/files?x=1":   "/acme/shop/pull/1/files?x=1",
		"http://evil.example/acme/shop": "/acme/shop",
		"//evil.example/acme/shop":      "/acme/shop",
		"/else":                         "/acme/shop",
		"":                              "/acme/shop",
	} {
		resp, err := w.client.Do(w.request("/acting", "login", "bob", "back", back))
		w.must(err)
		resp.Body.Close()
		if got := resp.Header.Get("Location"); got != want || resp.StatusCode != http.StatusSeeOther {
			t.Errorf("back %q leads to %q, want %q", back, got, want)
		}
	}
}

func TestPatchLines(t *testing.T) {
	got := patchLines("@@ -3,2 +5,3 @@ def x\n same\n-old\n+new\n+more\n\\ No newline at end of file")
	want := []patchLine{
		{"hunk", 0, 0, "@@ -3,2 +5,3 @@ def x"},
		{"same", 3, 5, "same"},
		{"del", 4, 0, "old"},
		{"add", 0, 6, "new"},
		{"add", 0, 7, "more"},
		{"hunk", 0, 0, `\ No newline at end of file`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	long := patchLines("@@ -0,0 +1,999 @@" + strings.Repeat("\n+x", 999))
	if len(long) != shownLines+1 || long[shownLines].Text != "600 more lines are not shown." {
		t.Errorf("%d lines, the last is %v", len(long), long[len(long)-1])
	}
	if patchLines("") != nil {
		t.Error("no patch has lines")
	}
}
