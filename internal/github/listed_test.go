package github

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

const (
	listedFiles   = "GET /repos/acme/shop/pulls/1/files"
	listedCommits = "GET /repos/acme/shop/pulls/1/commits"
)

func commitOn(sha change.SHA, parents ...change.SHA) m {
	on := make([]m, len(parents))
	for i, p := range parents {
		on[i] = m{"sha": p}
	}
	return m{"sha": sha, "parents": on, "author": user(alice), "committer": user(alice), "commit": m{"tree": m{"sha": "tree of " + sha}}}
}

// TestContentWithoutComparisons covers a GitHub that compares no commits.
func TestContentWithoutComparisons(t *testing.T) {
	orphan := func(sha change.SHA) m { c := commitOn(sha); delete(c, "parents"); return c }
	for name, tt := range map[string]struct {
		commits   []m
		files     int
		mergeBase change.SHA // empty: it cannot be told, which is an error
	}{
		"one commit":                             {[]m{commitOn(headSHA, mergeBase)}, 1, mergeBase},
		"several":                                {[]m{commitOn("c1", mergeBase), commitOn("c2", "c1"), commitOn(headSHA, "c2")}, 1, mergeBase},
		"the newest first":                       {[]m{commitOn(headSHA, "c1"), commitOn("c1", mergeBase)}, 1, mergeBase},
		"merged with the tip":                    {[]m{commitOn("c1", mergeBase), commitOn(headSHA, "c1", baseSHA)}, 1, baseSHA},
		"merged with some of the base":           {[]m{commitOn("c1", mergeBase), commitOn(headSHA, "c1", "elsewhere")}, 1, ""},
		"no files, as they took it back":         {[]m{commitOn(headSHA, mergeBase)}, 0, mergeBase},
		"no parents told":                        {[]m{orphan("c1"), orphan(headSHA)}, 1, "noted"},
		"no parents and no files":                {[]m{orphan(headSHA)}, 0, ""},
		"a history of its own joins":             {[]m{commitOn("root"), commitOn(headSHA, "root", mergeBase)}, 1, ""},
		"another head":                           {[]m{commitOn("c1", mergeBase)}, 1, ""},
		"another head after it":                  {[]m{commitOn(headSHA, mergeBase), commitOn("c2", headSHA)}, 1, ""},
		"another head after it, no parents told": {[]m{orphan(headSHA), orphan("c2")}, 1, ""},
		"none":                                   {[]m{}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFake(t), fix
			p.Base.SHA = "noted"
			f.json(listedFiles, 200, many(tt.files, func(i int) any { return file(i, headSHA) }))
			f.json(listedCommits, 200, tt.commits)
			got, err := f.client().Begin().Content(t.Context(), shop, p, time.Time{})
			var unavailable *Unavailable
			if tt.mergeBase == "" {
				if !errors.As(err, &unavailable) {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "merge base", got.MergeBase, tt.mergeBase)
			equal(t, "tree", got.Tree, "tree of "+headSHA)
			equal(t, "head, tip", got.Head+" "+got.BaseTip, headSHA+" "+baseSHA)
			equal(t, "files, commits", fmt.Sprint(len(got.Files), len(got.Commits)), fmt.Sprint(tt.files, len(tt.commits)))
			equal(t, "cut", got.FilesCut || got.CommitsCut, false)
		})
	}
}

// TestContentWithoutComparisonsIsReadAnew covers lists that are not of one content for ever, as a comparison is, and lists that are cut.
func TestContentWithoutComparisonsIsReadAnew(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(listedFiles, 200, []m{file(1, headSHA)})
	f.json(listedCommits, 200, []m{commitOn(headSHA, baseSHA)})
	content(t, c, fix, time.Time{})
	f.json(listedFiles, 200, []m{file(1, headSHA), file(2, headSHA)})
	if got := content(t, c, fix, time.Time{}); len(got.Files) != 2 {
		t.Errorf("got %d files", len(got.Files))
	}
	f.json(listedFiles, 200, []m{file(1, baseSHA)})
	if got, err := c.Begin().Content(t.Context(), shop, fix, time.Time{}); !Temporary(err) {
		t.Errorf("files of another head: %+v, %v", got, err)
	}
	f.pages(listedFiles, many(30, func(n int) any { return many(100, func(i int) any { return file(100*n+i, headSHA) }) }), true)
	chain := many(250, func(i int) any { return commitOn(change.SHA(fmt.Sprint("c", i+1)), change.SHA(fmt.Sprint("c", i))) })
	f.pages(listedCommits, []any{chain[:100], chain[100:200], chain[200:]}, true)
	if got := content(t, c, fix, time.Time{}); !got.FilesCut || !got.CommitsCut {
		t.Errorf("cut: files %t, commits %t", got.FilesCut, got.CommitsCut)
	}
}

// TestComparisonsAreMissedWhereTheyAre covers a GitHub that compares commits: what it does not find is not taken from lists.
func TestComparisonsAreMissedWhereTheyAre(t *testing.T) {
	for _, shows := range []string{string(baseSHA) + "..." + string(baseSHA), "another...commit"} {
		f := newFake(t)
		c := f.client()
		f.json(listedFiles, 200, []m{file(1, headSHA)})
		f.json(listedCommits, 200, []m{commitOn(headSHA, baseSHA)})
		f.json("GET /repos/acme/shop/compare/"+shows, 200, comparison([]any{}, []any{}, 0))
		c.Begin().Seen(t.Context(), shop, change.View{Head: "commit", Base: "another"}, time.Time{})
		var missing *NotFound
		if got, err := c.Begin().Content(t.Context(), shop, fix, time.Time{}); !errors.As(err, &missing) {
			t.Errorf("%s: got %+v, %v", shows, got, err)
		}
	}
}
