package pages

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

// owe opens a pull request, which is number 1, and an issue about it.
func (w *world) owe() githubsim.Pull {
	w.t.Helper()
	w.open("bob")
	i, err := w.sim.As("bob").OpenIssue(shop, "Look back", "Why was #1 so urgent?\n\n## What happened\n")
	w.must(err)
	w.must(w.sim.As("olivia").Assign(i, "alice"))
	w.must(w.sim.As("olivia").AddLabel(i, "EMERGENCY"))
	return i
}

func (w *world) issue(i githubsim.Pull) githubsim.IssueView {
	w.t.Helper()
	v, err := w.sim.IssueView(i.Repo, i.Number)
	w.must(err)
	return v
}

func TestIssuePages(t *testing.T) {
	w := newWorld(t)
	i := w.owe()
	before := w.issue(i)
	for path, wants := range map[string][]string{
		"/acme/shop":                     {`Issues <span class="count">1<`},
		"/acme/shop/issues":              {"1 open", "0 closed", "Look back", "#2 by bob", "for alice", ">EMERGENCY<"},
		"/acme/shop/issues?state=closed": {"Nothing is closed yet."},
		"/acme/shop/issues/2":            {"Look back", `<a href="/acme/shop/issues/1">#1</a>`, "<h2>What happened</h2>", "<li>alice</li>", ">EMERGENCY<", "assigned <strong>alice</strong>"},
		"/acme/shop/issues/2/head":       {">Open<", "<strong>bob</strong> opened it"},
		"/acme/shop/issues/2/timeline":   {"assigned <strong>alice</strong>"},
		"/acme/shop/issues/1":            {"Print one", "wants to merge", "Mentioned in", `<a href="/acme/shop/issues/2">#2 Look back</a>`},
		"/acme/shop/pull/2":              {"Look back", "opened it"},
	} {
		page := w.get(path)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("GET %s lacks %q:\n%s", path, want, page)
			}
		}
	}
	const hint = "explains what went past the policy"
	asks, err := w.sim.As("bob").OpenIssue(shop, "Exception", "Someone explains it:\n\n```\n/change explain \"why it happened\"\n```\n")
	w.must(err)
	if strings.Contains(w.get("/acme/shop/issues/2"), hint) || !strings.Contains(w.get(fmt.Sprintf("/acme/shop/issues/%d", asks.Number)), hint) {
		t.Error("the hint is not where the issue asks for the command, and only there")
	}
	w.must(w.sim.As("bob").Close(asks))
	if diff := cmp.Diff(before, w.issue(i)); diff != "" {
		t.Errorf("reading changed something:\n%s", diff)
	}
	w.must(w.sim.As("alice").Close(i))
	for path, want := range map[string]string{
		"/acme/shop/issues":              "No issue is open.",
		"/acme/shop/issues?state=closed": "Look back",
		"/acme/shop/issues/2":            "<strong>alice</strong> closed it as completed",
	} {
		if page := w.get(path); !strings.Contains(page, want) || strings.Contains(page, `class="count"`) {
			t.Errorf("once it is closed, GET %s lacks %q, or the menu counts it:\n%s", path, want, page)
		}
	}
}

func TestIssueForms(t *testing.T) {
	said := func(v githubsim.IssueView) string {
		var out []string
		for _, c := range v.Comments {
			out = append(out, c.Author+": "+c.Body)
		}
		return v.State + " " + strings.Join(out, ", ")
	}
	closed := func(w *world, i githubsim.Pull) { w.must(w.sim.As("alice").Close(i)) }
	for _, test := range []struct {
		name, who, action string
		setup             func(*world, githubsim.Pull)
		fields            []string
		check             func(githubsim.IssueView) string
		want              string
	}{
		{name: "comment", who: "sam", action: "comment", fields: []string{"body", "/change explain \"x\"\r\nplease"}, check: said, want: "open sam: /change explain \"x\"\nplease"},
		{name: "title", who: "bob", action: "title", fields: []string{"title", " Look "}, check: func(v githubsim.IssueView) string { return v.Title }, want: "Look"},
		{name: "description by who may write", who: "alice", action: "body", fields: []string{"body", "a\r\nb"},
			check: func(v githubsim.IssueView) string { return v.Body }, want: "a\nb"},
		{name: "close", who: "alice", action: "close", fields: []string{"body", " "}, check: said, want: "closed "},
		{name: "close with a comment", who: "bob", action: "close", fields: []string{"body", "All is said."}, check: said, want: "closed bob: All is said."},
		{name: "reopen", who: "alice", action: "reopen", setup: closed, check: said, want: "open "},
		{name: "reopen with a comment", who: "alice", action: "reopen", setup: closed, fields: []string{"body", "Not all."}, check: said, want: "open alice: Not all."},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			i := w.owe()
			if test.setup != nil {
				test.setup(w, i)
			}
			w.actAs(test.who)
			page := w.post("/acme/shop/issues/2/"+test.action, test.fields...)
			if strings.Contains(page, "GitHub refused") {
				t.Fatalf("refused:\n%s", page)
			}
			if got := test.check(w.issue(i)); got != test.want {
				t.Errorf("afterwards it is %q, want %q", got, test.want)
			}
		})
	}
}

func TestIssueRefused(t *testing.T) {
	for _, test := range []struct {
		name, action string
		fields       []string
		want         string
	}{
		{"an empty comment", "comment", []string{"body", " "}, "Comment can&#39;t be blank."},
		{"an empty title", "title", []string{"title", " "}, "Title can&#39;t be blank."},
		{"title without write", "title", []string{"title", "x"}, "Must have write access to acme/shop to edit the title: sam has read."},
		{"description without write", "body", []string{"body", "my words"}, "Must have write access to acme/shop to edit the description: sam has read."},
		{"close without triage", "close", nil, "Must have triage access to acme/shop to close: sam has read."},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			i := w.owe()
			before := w.issue(i)
			w.actAs("sam")
			page := w.post("/acme/shop/issues/2/"+test.action, test.fields...)
			if !strings.Contains(page, test.want) || !strings.Contains(page, `role="alert"`) {
				t.Errorf("it does not say %q:\n%s", test.want, page)
			}
			if test.action == "body" && !strings.Contains(page, ">my words</textarea>") {
				t.Errorf("the words are lost:\n%s", page)
			}
			if diff := cmp.Diff(before, w.issue(i)); diff != "" {
				t.Errorf("it was refused and changed something:\n%s", diff)
			}
		})
	}
}

// TestIssueLive has an open page learn of what was done since.
func TestIssueLive(t *testing.T) {
	w := newWorld(t)
	i := w.owe()
	version := func(part string) string {
		resp, err := w.client.Get(w.url + "/acme/shop/issues/2/" + part)
		w.must(err)
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", part, resp.Status)
		}
		return resp.Header.Get("X-Version")
	}
	for _, part := range []string{"head", "timeline"} {
		first := version(part)
		if again := version(part); again != first || !strings.Contains(w.get("/acme/shop/issues/2"), `/`+part+`" data-version="`+first+`"`) {
			t.Errorf("%s: the version is %s and then %s although nothing happened, or not the page's", part, first, again)
		}
		w.must(w.sim.As("alice").Close(i))
		if version(part) == first {
			t.Errorf("%s: the version stays although it was closed", part)
		}
		w.must(w.sim.As("alice").Reopen(i))
	}
}

func TestReferences(t *testing.T) {
	s := &site{Options: Options{Repo: shop}}
	const one = `<a href="/acme/shop/issues/1">#1</a>`
	for source, want := range map[string]template.HTML{
		"#1":                     "<p>" + one + "</p>\n",
		"see (#1), #1.":          "<p>see (" + one + "), " + one + ".</p>\n",
		"**#1**\nand more":       "<p><strong>" + one + "</strong><br>\nand more</p>\n",
		"is #1\nand":             "<p>is " + one + "<br>\nand</p>\n",
		"| a |\n|---|\n| #1 |\n": "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>" + one + "</td>\n</tr>\n</tbody>\n</table>\n",
		"`#1`":                   "<p><code>#1</code></p>\n",
		"[at #1](/there)":        `<p><a href="/there">at #1</a></p>` + "\n",
		"&#49; a#1 /#1 ##1 #1a":  "<p>1 a#1 /#1 ##1 #1a</p>\n",
		`\#1`:                    "<p>#1</p>\n",
		"# 1":                    "<h1>1</h1>\n",
		"    #1":                 "<pre><code>#1\n</code></pre>\n",
	} {
		if got := s.comment(source); got != want {
			t.Errorf("%q is %q, want %q", source, got, want)
		}
	}
	if !refersTo(1, "nothing", "because of #1") || refersTo(1, "#12", "a#1") {
		t.Error("what refers to #1 is not found, or what does not is")
	}
}
