package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

const mergeBase = change.SHA("cccccccccccccccccccccccccccccccccccccccc")

var fix = change.Pull{Number: 1, Base: change.Branch{Name: "main"}, Head: change.Branch{SHA: headSHA}}

// compareCall is the comparison of a base with the head.
func compareCall(base string) string {
	return "GET /repos/acme/shop/compare/" + base + "..." + string(headSHA)
}

func comparison(commits, files []any, total int) m {
	return m{"base_commit": m{"sha": baseSHA}, "merge_base_commit": m{"sha": mergeBase}, "total_commits": total, "commits": commits, "files": files}
}

func commitBy(sha string, author any, message string) m {
	return m{"sha": sha, "parents": []m{{"sha": "p1"}}, "author": author, "committer": m{},
		"commit": m{"message": message, "author": m{"name": "A", "email": "A@acme.example"}, "committer": m{"name": "GitHub", "email": "noreply@github.com"},
			"verification": m{"verified": true}}}
}

func file(i int, head change.SHA) m {
	return m{"filename": fmt.Sprintf("f%04d", i), "sha": "f1", "status": "modified", "additions": 1,
		"contents_url": fmt.Sprintf("https://api.github.com/repos/acme/shop/contents/f%04d?ref=%s", i, head)}
}

func content(t *testing.T, c *Client, p change.Pull, since time.Time) change.Content {
	t.Helper()
	got, err := c.Begin().Content(t.Context(), shop, p, since)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestContent(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(compareCall(string(baseSHA)), 200, comparison(
		[]any{commitBy("c1", user(alice), "Fix\n\nCo-authored-by: Bob <12+bob@users.noreply.github.com>\nco-authored-by: A <a@ACME.example>\nCo-Authored-By: X <x@elsewhere.example>")},
		[]any{
			m{"filename": "new", "previous_filename": "old", "sha": "f1", "status": "renamed", "additions": 1, "deletions": 2, "patch": "@@ -1 +1 @@"},
			m{"filename": "lib", "sha": nil, "status": "added"},
		}, 1))
	want := change.Content{
		Head: headSHA, BaseTip: baseSHA, MergeBase: mergeBase,
		Files: []change.File{
			{Path: "new", PreviousPath: "old", Status: change.FileRenamed, Additions: 1, Deletions: 2, Blob: "f1", Patch: "@@ -1 +1 @@"},
			{Path: "lib", Status: change.FileAdded},
		},
		Commits: []change.Commit{{
			SHA: "c1", Parents: []change.SHA{"p1"}, Verified: true,
			Author:    change.Signature{Name: "A", Email: "A@acme.example", Account: alice},
			Committer: change.Signature{Name: "GitHub", Email: "noreply@github.com"},
			CoAuthors: []change.Signature{
				{Name: "Bob", Email: "12+bob@users.noreply.github.com", Account: bob},
				{Name: "A", Email: "a@ACME.example", Account: alice},
				{Name: "X", Email: "x@elsewhere.example"},
			},
		}},
	}
	diff(t, content(t, c, fix, time.Time{}), want)
	calls(t, f, "GET /repos/acme/shop/commits?author=x%40elsewhere.example&per_page=1", compareCall(string(baseSHA)), tipCall)
	diff(t, content(t, c, fix, time.Time{}), want)
	calls(t, f)
	diff(t, content(t, c, fix, f.clock.Now()), want)
	// Its committer is nobody known, and neither is a co-author, which may change.
	calls(t, f, "GET /repos/acme/shop/commits?author=x%40elsewhere.example&per_page=1", compareCall(string(baseSHA))+" 304", tipCall+" 304")
}

func TestContentOfNothing(t *testing.T) {
	f := newFake(t)
	f.json(compareCall(string(baseSHA)), 200, comparison([]any{}, []any{}, 0))
	got := content(t, f.client(), fix, time.Time{})
	if len(got.Files) != 0 || len(got.Commits) != 0 || got.FilesCut || got.CommitsCut {
		t.Errorf("got %v", got)
	}
	f.json(compareCall(string(baseSHA)), 200, m{"commits": []any{}})
	s := f.client().Begin()
	if _, err := s.Content(t.Context(), shop, fix, s.Began()); !Temporary(err) {
		t.Errorf("a comparison without a base: %v", err)
	}
}

func TestContentOfOddBranches(t *testing.T) {
	for branch, escaped := range map[string]string{
		"release/1.x": "release/1.x",
		"ünï code":    "%C3%BCn%C3%AF%20code",
		"a#b%20?c&d":  "a%23b%2520%3Fc&d",
	} {
		f := newFake(t)
		f.json("GET /repos/acme/shop/git/ref/heads/"+escaped, 200, m{"ref": "refs/heads/" + branch, "object": m{"sha": baseSHA}})
		f.json(compareCall(string(baseSHA)), 200, comparison([]any{}, []any{}, 0))
		p := fix
		p.Base.Name = branch
		content(t, f.client(), p, time.Time{})
	}
}

// TestContentGoesByTheTip covers a base branch that moved since GitHub noted it, a tip that is another ref's, and a head that comes late.
func TestContentGoesByTheTip(t *testing.T) {
	f := newFake(t)
	c := f.client()
	noted := fix
	noted.Base.SHA = "0ld"
	_, err := c.Begin().Content(t.Context(), shop, noted, time.Time{})
	var missing *NotFound
	if !errors.As(err, &missing) {
		t.Errorf("a head that GitHub does not know: %v", err)
	}
	self := fmt.Sprintf("GET /repos/acme/shop/compare/%s...%s", baseSHA, baseSHA)
	calls(t, f, compareCall("0ld"), compareCall(string(baseSHA)), self, tipCall, "GET /repos/acme/shop/pulls/1/files?per_page=100")
	f.json(compareCall(string(baseSHA)), 200, comparison([]any{}, []any{}, 0))
	if got := content(t, c, noted, time.Time{}); got.BaseTip != baseSHA {
		t.Errorf("compared with %s", got.BaseTip)
	}
	calls(t, f, compareCall(string(baseSHA)))

	f.json(tipCall, 200, m{"ref": "refs/heads/main-2", "object": m{"sha": baseSHA}})
	s := c.Begin()
	if _, err := s.Content(t.Context(), shop, noted, s.Began()); !errors.As(err, &missing) {
		t.Errorf("another ref: %v", err)
	}
}

func TestTipWhereRefsHaveNoRoute(t *testing.T) {
	const branchCall = "GET /repos/acme/shop/branches/main"
	f := newFake(t)
	f.on(tipCall, refuse(404, ""))
	s := f.client().Begin()
	var missing *NotFound
	if _, err := s.Tip(t.Context(), shop, "main", s.Began()); !errors.As(err, &missing) {
		t.Errorf("a branch that does not exist: %v", err)
	}
	f.json(branchCall, 200, m{"name": "main", "commit": m{"sha": baseSHA}})
	s = f.client().Begin()
	if tip, err := s.Tip(t.Context(), shop, "main", s.Began()); err != nil || tip != baseSHA {
		t.Errorf("got %s, %v", tip, err)
	}
	f.json(branchCall, 200, m{"name": "trunk", "commit": m{"sha": baseSHA}})
	s = f.client().Begin()
	if _, err := s.Tip(t.Context(), shop, "main", s.Began()); !errors.As(err, &missing) {
		t.Errorf("a branch that was renamed: %v", err)
	}
	f.on(tipCall, refuse(409, "Git Repository is empty."))
	f.on(branchCall, refuse(404, "Branch not found"))
	s = f.client().Begin()
	if _, err := s.Tip(t.Context(), shop, "main", s.Began()); !errors.As(err, &missing) {
		t.Errorf("the branch of a repository without commits: %v", err)
	}
	f.json(tipCall, 200, m{"ref": "refs/heads/main", "object": m{}})
	s = f.client().Begin()
	if tip, err := s.Tip(t.Context(), shop, "main", s.Began()); !errors.As(err, &missing) {
		t.Errorf("a branch without a commit: %q, %v", tip, err)
	}
}

func TestManyFiles(t *testing.T) {
	const filesCall = "GET /repos/acme/shop/pulls/1/files"
	setup := func(t *testing.T, n int, head change.SHA) (*fake, *Client) {
		f := newFake(t)
		f.json(compareCall(string(baseSHA)), 200, comparison([]any{}, many(min(n, 300), func(i int) any { return file(i, headSHA) }), 0))
		var pages []any
		for start := 0; start < min(n, 3000); start += 100 {
			pages = append(pages, many(min(100, n-start), func(i int) any { return file(start+i, head) }))
		}
		f.pages(filesCall, pages, true)
		return f, f.client()
	}
	for _, tt := range []struct {
		files, said int
		want, calls int
		cut         bool
	}{
		{files: 299, want: 299, calls: 1},
		{files: 300, want: 300, calls: 5}, // three full pages, and one more to see that they were all
		{files: 300, said: 300, want: 300, calls: 5},
		{files: 301, said: 300, want: 301, calls: 5}, // it was told of before it had one more
		{files: 450, want: 450, calls: 6},
		{files: 450, said: 450, want: 450, calls: 6},
		{files: 450, said: 451, want: 450, calls: 6, cut: true},
		{files: 3000, want: 3000, calls: 31, cut: true}, // there may be more
		{files: 3000, said: 3000, want: 3000, calls: 31, cut: true},
		{files: 4000, said: 4000, want: 3000, calls: 31, cut: true},
	} {
		t.Run(fmt.Sprintf("%d of %d", tt.files, tt.said), func(t *testing.T) {
			f, c := setup(t, tt.files, headSHA)
			p := fix
			p.ChangedFiles = tt.said
			got := content(t, c, p, time.Time{})
			equal(t, "files", len(got.Files), tt.want)
			equal(t, "cut", got.FilesCut, tt.cut)
			equal(t, "calls besides the tip", len(f.took())-1, tt.calls)
			for i, file := range got.Files {
				if file.Path != fmt.Sprintf("f%04d", i) {
					t.Fatalf("file %d is %s", i, file.Path)
				}
			}
		})
	}
	t.Run("a file is removed", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		all := many(301, func(i int) any { return file(i, headSHA) })
		gone := file(7, mergeBase)
		gone["status"] = "removed"
		all[7] = gone
		f.json(compareCall(string(baseSHA)), 200, comparison([]any{}, all[:300], 0))
		f.pages(filesCall, []any{all[:100], all[100:200], all[200:300], all[300:]}, true)
		got := content(t, c, fix, time.Time{})
		if len(got.Files) != 301 || got.FilesCut || got.Files[7].Status != change.FileRemoved {
			t.Errorf("%d files, cut: %t", len(got.Files), got.FilesCut)
		}
		if at, err := c.Begin().ContentAt(t.Context(), shop, fix, baseSHA); err != nil || len(at.Files) != 301 || at.FilesCut {
			t.Errorf("at a commit: %d files, cut: %t, %v", len(at.Files), at.FilesCut, err)
		}
	})
	t.Run("the pull request moved", func(t *testing.T) {
		_, c := setup(t, 450, baseSHA)
		_, err := c.Begin().Content(t.Context(), shop, fix, time.Time{})
		if !Temporary(err) || !strings.Contains(err.Error(), "moved") {
			t.Errorf("got %v", err)
		}
	})
}

// comparedCommits is the most commits that a comparison lists when it is not paged, the newest ones; paged it lists them all.
const comparedCommits = 250

// pageOf returns what a comparison shows of its commits.
func pageOf(r *http.Request, all []any) []any {
	if r.URL.Query().Get("per_page") == "" {
		return all[max(0, len(all)-comparedCommits):]
	}
	page := 1
	fmt.Sscan(r.URL.Query().Get("page"), &page)
	from := (page - 1) * perPage
	return all[min(from, len(all)):min(from+perPage, len(all))]
}

func TestManyCommits(t *testing.T) {
	for _, tt := range []struct {
		commits, want, calls int
		cut                  bool
	}{
		{250, 250, 1, false}, {251, 251, 4, false}, {1000, 1000, 11, false}, {1200, 1200, 11, false}, {1251, 1250, 11, true},
	} {
		t.Run(fmt.Sprint(tt.commits), func(t *testing.T) {
			f := newFake(t)
			all := many(tt.commits, func(i int) any { return commitBy(fmt.Sprint("c", i), user(alice), "") })
			f.on(compareCall(string(baseSHA)), func(w http.ResponseWriter, r *http.Request) {
				answerWith(200, comparison(pageOf(r, all), []any{}, len(all)))(w, r)
			})
			got := content(t, f.client(), fix, time.Time{})
			equal(t, "commits", len(got.Commits), tt.want)
			equal(t, "cut", got.CommitsCut, tt.cut)
			equal(t, "calls besides the tip", len(f.took())-1, tt.calls)
		})
	}
	t.Run("whose author gets an account", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		all := many(251, func(i int) any { return commitBy(fmt.Sprint("c", i), user(alice), "") })
		for _, one := range all {
			one.(m)["committer"] = user(alice)
		}
		all[0].(m)["author"] = nil // which the comparison lists on its pages only
		f.on(compareCall(string(baseSHA)), func(w http.ResponseWriter, r *http.Request) {
			answerWith(200, comparison(pageOf(r, all), []any{}, len(all)))(w, r)
		})
		equal(t, "author", content(t, c, fix, time.Time{}).Commits[0].Author.Account, change.Account{})
		all[0].(m)["author"] = user(bob)
		f.took()
		equal(t, "author, as it is held", content(t, c, fix, time.Time{}).Commits[0].Author.Account, change.Account{})
		equal(t, "author, later", content(t, c, fix, f.clock.Now()).Commits[0].Author.Account, bob)
		equal(t, "calls, the tip among them", len(f.took()), 4)
		content(t, c, fix, f.clock.Now())
		calls(t, f, tipCall+" 304")
	})
}

// TestContentAt covers a pull request that was merged: its base branch has moved on, or is gone, and nobody asks for its tip.
func TestContentAt(t *testing.T) {
	const filesCall = "GET /repos/acme/shop/pulls/1/files"
	at := func(t *testing.T, c *Client) change.Content {
		t.Helper()
		got, err := c.Begin().ContentAt(t.Context(), shop, fix, baseSHA)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	f := newFake(t)
	c := f.client()
	f.json(tipCall, 200, m{"ref": "refs/heads/main", "object": m{"sha": "moved"}})
	f.json(compareCall(string(baseSHA)), 200, comparison([]any{landed("c1", "Fix", user(alice), user(alice))}, many(2, func(i int) any { return file(i, headSHA) }), 1))
	got := at(t, c)
	if got.BaseTip != baseSHA || got.Head != headSHA || got.MergeBase != mergeBase || len(got.Files) != 2 || got.FilesCut || len(got.Commits) != 1 ||
		got.Commits[0].Author.Account != alice {
		t.Errorf("got %+v", got)
	}
	calls(t, f, compareCall(string(baseSHA)))
	at(t, c)
	calls(t, f)

	f.json(compareCall(string(baseSHA)), 200, comparison([]any{landed("c1", "Fix", nil, user(alice))}, []any{}, 1))
	c = f.client()
	at(t, c)
	f.took()
	at(t, c)
	calls(t, f, compareCall(string(baseSHA))+" 304") // somebody nobody knows may be known by now

	for name, tt := range map[string]struct {
		compared int // the first file of the comparison
		cut      bool
	}{"of the same comparison": {0, false}, "of another": {1, true}} {
		t.Run("files listed "+name, func(t *testing.T) {
			f := newFake(t)
			all := many(351, func(i int) any { return file(i, headSHA) })
			f.json(compareCall(string(baseSHA)), 200, comparison([]any{}, all[tt.compared:tt.compared+300], 0))
			listed := all[:350]
			if tt.cut {
				listed = all[2:] // the one that the comparison has first is not among them
			}
			f.pages(filesCall, []any{listed[:100], listed[100:200], listed[200:300], listed[300:]}, true)
			got := at(t, f.client())
			equal(t, "files", len(got.Files), len(listed))
			equal(t, "cut", got.FilesCut, tt.cut)
			equal(t, "calls", len(f.took()), 5)
		})
	}
	t.Run("another base", func(t *testing.T) {
		f := newFake(t)
		f.json(compareCall("0ld"), 200, comparison([]any{}, []any{}, 0)) // which says that it is against the other
		if _, err := f.client().Begin().ContentAt(t.Context(), shop, fix, "0ld"); !Temporary(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a base that is gone", func(t *testing.T) {
		var missing *NotFound
		if _, err := newFake(t).client().Begin().ContentAt(t.Context(), shop, fix, "0ld"); !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCoAuthorsAreLookedUp(t *testing.T) {
	const commitsCall = "GET /repos/acme/shop/commits"
	f := newFake(t)
	f.json("GET /users/bob", 200, user(bob))
	f.on(commitsCall, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("author") {
		case "carol@acme.example":
			c := commitBy("c0", user(carol), "")
			c["commit"].(m)["author"] = m{"email": "Carol@acme.example"}
			answerWith(200, []m{c})(w, r)
		case "other@acme.example":
			answerWith(200, []m{commitBy("c0", user(alice), "")})(w, r) // someone else's, as a server might that cannot filter
		default:
			answerWith(409, m{"message": "Git Repository is empty."})(w, r)
		}
	})
	by := func(email string) string { return "\nCo-authored-by: X <" + email + ">" }
	f.json(compareCall(string(baseSHA)), 200, comparison([]any{
		commitBy("c1", nil, "x\n"+by("bob@users.noreply.github.com")+by("gone@users.noreply.github.com")+by("carol@acme.example")),
		commitBy("c2", nil, "x\n"+by("Bob@users.noreply.github.com")+by("other@acme.example")+by("nobody@acme.example")+by("")),
	}, []any{}, 2))
	c := f.client()
	got := content(t, c, fix, time.Time{})
	var accounts []change.Account
	for _, commit := range got.Commits {
		equal(t, "author", commit.Author.Account, change.Account{})
		for _, sig := range commit.CoAuthors {
			accounts = append(accounts, sig.Account)
		}
	}
	diff(t, accounts, []change.Account{bob, {}, carol, bob, {}, {}, {}})
	calls(t, f, commitsCall+"?author=carol%40acme.example&per_page=1", commitsCall+"?author=nobody%40acme.example&per_page=1",
		commitsCall+"?author=other%40acme.example&per_page=1", compareCall(string(baseSHA)), tipCall, "GET /users/bob", "GET /users/gone")
	// Who was nobody may be somebody by now.
	f.on(commitsCall, func(w http.ResponseWriter, r *http.Request) {
		c := commitBy("c9", user(alice), "")
		c["commit"].(m)["author"] = m{"email": r.URL.Query().Get("author")}
		answerWith(200, []m{c})(w, r)
	})
	f.json("GET /users/gone", 200, user(carol))
	got = content(t, c, fix, time.Time{})
	equal(t, "nobody is asked about who was nobody", got.Commits[0].CoAuthors[1].Account, change.Account{})
	f.took()
	got = content(t, c, fix, f.clock.Now())
	equal(t, "the login that nobody had", got.Commits[0].CoAuthors[1].Account, carol)
	equal(t, "the address that was found", got.Commits[0].CoAuthors[2].Account, carol)
	equal(t, "the address of no commit", got.Commits[1].CoAuthors[1].Account, alice)
	calls(t, f, commitsCall+"?author=other%40acme.example&per_page=1", compareCall(string(baseSHA))+" 304", tipCall+" 304", "GET /users/gone")

	f.on(commitsCall, refuse(502, ""))
	c = f.client()
	if _, err := c.Begin().Content(t.Context(), shop, fix, time.Time{}); !Temporary(err) {
		t.Errorf("GitHub is down: %v", err)
	}

	var many strings.Builder
	for i := range 2 * maxLookups {
		many.WriteString(by(fmt.Sprintf("u%d@acme.example", i)))
	}
	f = newFake(t)
	f.json(commitsCall, 200, []m{})
	f.json(compareCall(string(baseSHA)), 200, comparison([]any{commitBy("c1", nil, "x\n"+many.String())}, []any{}, 1))
	got = content(t, f.client(), fix, time.Time{})
	equal(t, "calls", len(f.took()), 2+maxLookups)
	for i, sig := range got.Commits[0].CoAuthors {
		equal(t, "left unresolved", sig.Unresolved, i >= maxLookups)
	}
}
