package pathtree_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim/pathtree"
)

func TestFind(t *testing.T) {
	var tree pathtree.Tree[int]
	for _, template := range []string{
		"/repos/{owner}/{repo}", "/repos/{owner}/{repo}/contents/{path}", "/repos/{owner}/{repo}/issues/{issue_number}/events",
		"/repos/{owner}/{repo}/issues/comments/{comment_id}", "/repos/{owner}/{repo}/commits/{ref}", "/repos/{owner}/{repo}/commits/{ref}/status",
	} {
		tree.Add(template)
	}
	for path, want := range map[string]struct {
		template string
		params   map[string]string
	}{
		"/repos/a/b":                      {"/repos/{owner}/{repo}", map[string]string{"owner": "a", "repo": "b"}},
		"/repos/a/b/contents/x/y%20z":     {"/repos/{owner}/{repo}/contents/{path}", map[string]string{"owner": "a", "repo": "b", "path": "x/y z"}},
		"/repos/a/b/contents":             {"/repos/{owner}/{repo}/contents/{path}", map[string]string{"owner": "a", "repo": "b", "path": ""}},
		"/repos/a/b/contents/":            {"/repos/{owner}/{repo}/contents/{path}", map[string]string{"owner": "a", "repo": "b", "path": ""}},
		"/repos/a/b/issues/7/events":      {"/repos/{owner}/{repo}/issues/{issue_number}/events", map[string]string{"owner": "a", "repo": "b", "issue_number": "7"}},
		"/repos/a/b/issues/comments/7":    {"/repos/{owner}/{repo}/issues/comments/{comment_id}", map[string]string{"owner": "a", "repo": "b", "comment_id": "7"}},
		"/repos/a/b/issues/7":             {},
		"/repos/a/b/issues/7/events/x":    {},
		"/repos/a/b/commits/f%2Fx/status": {"/repos/{owner}/{repo}/commits/{ref}/status", map[string]string{"owner": "a", "repo": "b", "ref": "f/x"}},
		"/repos/a/b/commits/f/x":          {"/repos/{owner}/{repo}/commits/{ref}", map[string]string{"owner": "a", "repo": "b", "ref": "f/x"}},
		"/other":                          {},
	} {
		got := tree.Find(path)
		if got == nil {
			if want.template != "" {
				t.Errorf("%s fits nothing", path)
			}
			continue
		}
		if got.Template != want.template {
			t.Errorf("%s fits %s, want %q", path, got.Template, want.template)
		}
		if d := cmp.Diff(want.params, got.Params); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}
