package github

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

func rangeOf(status string, commits, files []any, total int) m {
	c := comparison(commits, files, total)
	c["status"] = status
	return c
}

func landed(sha, title string, author, committer any, parents ...m) m {
	return m{"sha": sha, "author": author, "committer": committer, "parents": parents, "commit": m{"message": title, "tree": m{"sha": "t" + sha}}}
}

func TestRange(t *testing.T) {
	call := compareCall(string(baseSHA))
	f := newFake(t)
	c := f.client()
	f.json(call, 200, rangeOf("ahead",
		[]any{
			landed("c1", "Fix\n\nAt last.", user(alice), user(bob), m{"sha": "p1"}),
			landed("c2", " Merge \r\nmore", nil, m{}, m{"sha": "c1"}, m{"sha": "p2"}),
		},
		[]any{m{"filename": "new", "previous_filename": "old", "sha": "f1", "status": "renamed", "patch": "@@ -1 +1 @@", "additions": 1}}, 2))
	want := Range{
		Base: baseSHA, Head: headSHA, MergeBase: mergeBase, Status: RangeAhead,
		Commits: []LandedCommit{
			{SHA: "c1", Parents: []change.SHA{"p1"}, Tree: "tc1", Author: alice, Committer: bob, Title: "Fix"},
			{SHA: "c2", Parents: []change.SHA{"c1", "p2"}, Tree: "tc2", Title: "Merge"},
		},
		Files: []change.File{{Path: "new", PreviousPath: "old", Status: change.FileRenamed, Blob: "f1"}},
	}
	read := func(since time.Time) {
		t.Helper()
		got, err := c.Begin().Range(t.Context(), shop, baseSHA, headSHA, since)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
	}
	read(time.Time{})
	calls(t, f, call)
	f.clock.advance(time.Hour)
	read(time.Time{})
	calls(t, f) // for ever
	read(f.clock.Now())
	calls(t, f, call+" 304")
}

func TestLongRange(t *testing.T) {
	for _, tt := range []struct {
		commits, files, want, calls int
		commitsCut, filesCut        bool
	}{
		{commits: 250, files: 299, want: 250, calls: 1},
		{commits: 251, files: 300, want: 251, calls: 4, filesCut: true},
		{commits: 1000, want: 1000, calls: 11},
		{commits: 1251, want: 1250, calls: 11, commitsCut: true},
	} {
		t.Run(fmt.Sprint(tt.commits), func(t *testing.T) {
			f := newFake(t)
			all := many(tt.commits, func(i int) any { return landed(fmt.Sprint("c", i), "x", user(alice), user(alice)) })
			files := many(tt.files, func(i int) any { return file(i, headSHA) })
			f.on(compareCall(string(baseSHA)), func(w http.ResponseWriter, r *http.Request) {
				answerWith(200, rangeOf("ahead", pageOf(r, all), files, len(all)))(w, r)
			})
			got, err := f.client().Begin().Range(t.Context(), shop, baseSHA, headSHA, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "commits", len(got.Commits), tt.want)
			equal(t, "the first", got.Commits[0].SHA, "c0")
			equal(t, "commits cut", got.CommitsCut, tt.commitsCut)
			equal(t, "files cut", got.FilesCut, tt.filesCut)
			equal(t, "calls", len(f.took()), tt.calls)
		})
	}
}

func TestRangesThatCannotBeRead(t *testing.T) {
	var missing *NotFound
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		gone   bool
		calls  int
	}{
		"a commit that is gone": {refuse(404, "Not Found"), true, 2}, // it is the first comparison: another tells that there are any
		"without a status":      {answerWith(200, comparison([]any{}, []any{}, 0)), false, 1},
		"with another commit":   {answerWith(200, m{"base_commit": m{"sha": "0ther"}, "merge_base_commit": m{"sha": "b"}, "total_commits": 0, "files": []any{}, "status": "ahead"}), false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(compareCall(string(baseSHA)), tt.answer)
			f.json(fmt.Sprintf("GET /repos/acme/shop/compare/%s...%s", headSHA, headSHA), 200, comparison([]any{}, []any{}, 0))
			s := f.client().Begin()
			_, err := s.Range(t.Context(), shop, baseSHA, headSHA, time.Time{})
			var lacking *Lacking
			equal(t, "gone", errors.As(err, &missing) && !errors.As(err, &lacking), tt.gone)
			equal(t, "temporary", Temporary(err), !tt.gone)
			equal(t, "calls", len(f.took()), tt.calls)
		})
	}
	_, err := newFake(t).client().Begin().Range(t.Context(), shop, baseSHA, headSHA, time.Time{})
	var lacking *Lacking
	equal(t, "of a GitHub that compares nothing: lacking", errors.As(err, &lacking), true)
}

func TestCommitPulls(t *testing.T) {
	route := "GET /repos/acme/shop/commits/" + string(headSHA) + "/pulls"
	f := newFake(t)
	f.json(route, 200, []m{
		{"number": 9, "state": "open"}, {"number": 3, "state": "closed", "merged_at": stamp(1), "merge_commit_sha": headSHA, "base": m{"ref": "main"}},
		{"number": 4, "state": "closed"}, {},
	})
	c := f.client()
	read := func(since time.Time) []change.Pull {
		t.Helper()
		got, err := c.Begin().CommitPulls(t.Context(), shop, headSHA, since)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := read(time.Time{})
	if len(got) != 3 || got[0].Number != 3 || got[0].State != change.Merged || got[0].MergeCommit != headSHA || got[0].Base.Name != "main" ||
		got[1].State != change.Closed || got[2].State != change.Open {
		t.Errorf("got %+v", got)
	}
	calls(t, f, route+"?per_page=100")
	if open, err := c.Begin().PullsWithHead(t.Context(), shop, headSHA, time.Time{}); len(open) != 0 || err != nil {
		t.Errorf("open ones with another head: %v, %v", open, err)
	}
	calls(t, f) // one question, asked once
	f.json(route, 422, m{"message": "No commit found for SHA"})
	if got := read(f.clock.Now()); len(got) != 0 {
		t.Errorf("of no commit: %v", got)
	}
}
