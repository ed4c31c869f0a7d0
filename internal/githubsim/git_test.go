package githubsim_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

func TestChangedFiles(t *testing.T) {
	w := start(t)
	alice := w.As("alice")
	lines := strings.Repeat("one line of a file\n", 20)
	must[string](t)(alice.PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{
		"old name.txt": lines, "moved.txt": "a\n" + lines, "script": "#!/bin/sh\n", "gone": "x\n", "kind": "y\n", "dir/é.txt": "1\n"}}))
	base := must[string](t)(w.Tip("acme/app", "main"))
	pr := must[githubsim.Pull](t)(alice.OpenPull("acme/app", githubsim.PullOptions{Title: "All sorts", Commits: []githubsim.Commit{{
		Files: map[string]string{"new.txt": "1\n2\n", "empty": "", "moved2.txt": "b\n" + lines, "dir/é.txt": "2\nno newline", "bin": "\x00\x01\x02",
			"link": "main.go", "sub": base, "kind": "target"},
		Rename: map[string]string{"old name.txt": "new name.txt", "moved.txt": "moved2.txt"},
		Delete: []string{"gone"},
		Modes:  map[string]string{"script": "100755", "link": "120000", "sub": "160000", "kind": "120000"},
	}}}))
	type file struct {
		Status, Previous     string
		Additions, Deletions int
		Patch                string
	}
	want := map[string]file{
		"new.txt":      {"added", "", 2, 0, "@@ -0,0 +1,2 @@\n+1\n+2"},
		"empty":        {"added", "", 0, 0, ""},
		"new name.txt": {"renamed", "old name.txt", 0, 0, ""},
		"moved2.txt":   {"renamed", "moved.txt", 1, 1, "@@ -1,4 +1,4 @@\n-a\n+b\n one line of a file\n one line of a file\n one line of a file"},
		"dir/é.txt":    {"modified", "", 2, 1, "@@ -1 +1,2 @@\n-1\n+2\n+no newline\n\\ No newline at end of file"},
		"bin":          {"added", "", 0, 0, ""},
		"link":         {"added", "", 1, 0, "@@ -0,0 +1 @@\n+main.go\n\\ No newline at end of file"},
		"sub":          {"added", "", 1, 0, "@@ -0,0 +1 @@\n+Subproject commit " + base},
		"script":       {"modified", "", 0, 0, ""},
		"gone":         {"removed", "", 0, 1, "@@ -1 +0,0 @@\n-x"},
		"kind":         {"changed", "", 1, 1, "@@ -1 +0,0 @@\n-y\n@@ -0,0 +1 @@\n+target\n\\ No newline at end of file"},
	}
	comparison, _, err := w.api.Repositories.CompareCommits(context.Background(), org, repo, "main", pr.Head, nil)
	check(t, err)
	listed, _, err := w.api.PullRequests.ListFiles(context.Background(), org, repo, pr.Number, nil)
	check(t, err)
	for name, files := range map[string][]*github.CommitFile{"compare": comparison.Files, "pull request": listed} {
		got := map[string]file{}
		for _, f := range files {
			got[f.GetFilename()] = file{f.GetStatus(), f.GetPreviousFilename(), f.GetAdditions(), f.GetDeletions(), f.GetPatch()}
			at := pr.Head
			if f.GetStatus() == "removed" {
				at = base
			}
			if !strings.HasSuffix(f.GetContentsURL(), "?ref="+at) {
				t.Errorf("%s: %s is at %s, want it at %s", name, f.GetFilename(), f.GetContentsURL(), at)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	tree, _, err := w.api.Git.GetTree(context.Background(), org, repo, pr.Head, true)
	check(t, err)
	modes := map[string]string{}
	for _, e := range tree.Entries {
		modes[e.GetPath()] = e.GetMode() + " " + e.GetType()
	}
	for path, want := range map[string]string{"script": "100755 blob", "link": "120000 blob", "sub": "160000 commit", "dir": "040000 tree", "dir/é.txt": "100644 blob"} {
		if modes[path] != want {
			t.Errorf("%s is %q in the tree, want %q", path, modes[path], want)
		}
	}
	_, list, _, err := w.api.Repositories.GetContents(context.Background(), org, repo, "", &github.RepositoryContentGetOptions{Ref: pr.Head})
	check(t, err)
	types := map[string]string{}
	for _, e := range list {
		types[e.GetName()] = e.GetType()
	}
	for name, want := range map[string]string{"link": "symlink", "sub": "file", "dir": "dir", "main.go": "file"} {
		if types[name] != want {
			t.Errorf("%s is listed as %q, want %q", name, types[name], want)
		}
	}
	link, _, _, err := w.api.Repositories.GetContents(context.Background(), org, repo, "link", &github.RepositoryContentGetOptions{Ref: pr.Head})
	check(t, err)
	if link.GetType() != "symlink" || link.GetTarget() != "main.go" {
		t.Errorf("the link is %v", link)
	}
	blob, _, err := w.api.Git.GetBlobRaw(context.Background(), org, repo, list[0].GetSHA())
	check(t, err)
	if string(blob) != "# app\n" {
		t.Errorf("the first blob is %q", blob)
	}
	w.SetTreeLimit(3)
	tree, _, err = w.api.Git.GetTree(context.Background(), org, repo, pr.Head, true)
	check(t, err)
	if !tree.GetTruncated() || len(tree.Entries) != 3 {
		t.Errorf("%d entries, truncated %t", len(tree.Entries), tree.GetTruncated())
	}
}

// TestRealGit has Git itself look at a repository, with a configuration of the user that would spoil every diff.
func TestRealGit(t *testing.T) {
	home := t.TempDir()
	config := "[diff]\n\tnoprefix = true\n\texternal = false\n\talgorithm = patience\n\trenames = false\n[core]\n\tquotePath = true\n\tattributesFile = " + home + "/attributes\n[color]\n\tui = always\n"
	check(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o644), os.WriteFile(filepath.Join(home, "attributes"), []byte("* -diff\n"), 0o644))
	t.Setenv("HOME", home)
	t.Setenv("GIT_DIR", "/nowhere")
	dir := t.TempDir()
	w := start(t, func(c *githubsim.Config) { c.Dir = dir })
	alice := w.As("alice")
	pr := w.open(githubsim.PullOptions{Commits: []githubsim.Commit{{Message: "Second\n\nWith a body", Files: map[string]string{"d/e/f": "1\n", "d.x": "2\n", "d/é": "3\n"}, Signed: true}}})
	must[string](t)(alice.PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"elsewhere": "x\n"}}))
	pr = must[githubsim.Pull](t)(alice.UpdateBranch(pr))
	check(t, w.As("bob").Merge(pr, githubsim.MergeOptions{}))
	files, _, err := w.api.PullRequests.ListFiles(context.Background(), org, repo, pr.Number, nil)
	check(t, err)
	if len(files) != 3 || !strings.HasPrefix(files[0].GetPatch(), "@@ ") {
		t.Errorf("got %v", files)
	}
	stores := must[[]string](t)(filepath.Glob(filepath.Join(dir, "*.git")))
	if len(stores) != 1 {
		t.Fatalf("there are %v", stores)
	}
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"--git-dir", stores[0]}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("fsck", "--strict", "--full")
	if tip := must[string](t)(w.Tip("acme/app", "main")); git("rev-parse", "main") != tip {
		t.Errorf("Git has main at %s, GitHub at %s", git("rev-parse", "main"), tip)
	}
	if got := git("log", "--format=%s|%an|%cn", "--first-parent", "main"); got != "Merge pull request #1 from acme/alice-patch-1|bob|GitHub\nUpdate|alice|alice\nInitial commit|acme|acme" {
		t.Errorf("the log is\n%s", got)
	}
	if got := git("merge-base", "main", pr.Head); got != pr.Head {
		t.Errorf("the merge base is %s", got)
	}
}

func TestSameStorySameSHAs(t *testing.T) {
	story := func() string {
		w := start(t)
		return w.open(githubsim.PullOptions{}).Head
	}
	if a, b := story(), story(); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func TestCompareLimits(t *testing.T) {
	w := start(t)
	files := map[string]string{}
	for n := range 320 {
		files[fmt.Sprintf("f/%03d", n)] = fmt.Sprintln(n)
	}
	var commits []githubsim.Commit
	for n := range 260 {
		commits = append(commits, githubsim.Commit{Message: fmt.Sprint("commit ", n)})
	}
	pr := w.open(githubsim.PullOptions{Files: files, Commits: commits})
	ctx := context.Background()
	got, _, err := w.api.Repositories.CompareCommits(ctx, org, repo, "main", pr.Head, &github.ListOptions{PerPage: 100})
	check(t, err)
	if len(got.Files) != 300 || len(got.Commits) != 100 || got.GetTotalCommits() != 261 || got.Commits[1].Commit.GetMessage() != "commit 0" {
		t.Errorf("%d files, %d of %d commits", len(got.Files), len(got.Commits), got.GetTotalCommits())
	}
	got, resp, err := w.api.Repositories.CompareCommits(ctx, org, repo, "main", pr.Head, &github.ListOptions{PerPage: 100, Page: 3})
	check(t, err)
	if len(got.Files) != 0 || len(got.Commits) != 61 || resp.NextPage != 0 {
		t.Errorf("the last page has %d files and %d commits", len(got.Files), len(got.Commits))
	}
	got, _, err = w.api.Repositories.CompareCommits(ctx, org, repo, "main", pr.Head, nil)
	check(t, err)
	if len(got.Commits) != 250 {
		t.Errorf("without pages %d commits", len(got.Commits))
	}
	list, resp, err := w.api.PullRequests.ListCommits(ctx, org, repo, pr.Number, &github.ListOptions{PerPage: 100})
	check(t, err)
	if len(list) != 100 || resp.LastPage != 3 {
		t.Errorf("%d commits on the first of %d pages", len(list), resp.LastPage)
	}
}

func TestHugePatchesAreLeftOut(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{Files: map[string]string{"a": strings.Repeat("x\n", 300_000), "b": strings.Repeat("y\n", 15_000), "c": strings.Repeat("z\n", 15_000), "d": "small\n"}})
	files, _, err := w.api.PullRequests.ListFiles(context.Background(), org, repo, pr.Number, nil)
	check(t, err)
	got := map[string]bool{}
	for _, f := range files {
		got[f.GetFilename()] = f.GetPatch() != ""
	}
	if d := cmp.Diff(map[string]bool{"a": false, "b": true, "c": false, "d": true}, got); d != "" {
		t.Error(d)
	}
	if files[0].GetAdditions() != 300_000 {
		t.Errorf("%d additions", files[0].GetAdditions())
	}
}

func TestMerging(t *testing.T) {
	ctx := context.Background()
	for _, method := range []githubsim.MergeMethod{githubsim.MergeCommit, githubsim.Squash, githubsim.Rebase} {
		t.Run(string(method), func(t *testing.T) {
			w := start(t)
			pr := w.open(githubsim.PullOptions{Title: "Two things", Commits: []githubsim.Commit{
				{Message: "One", Files: map[string]string{"main.go": "package main\n\n// one\n"}},
				{Message: "Two", Files: map[string]string{"two": "2\n"}, Author: &githubsim.Signature{Name: "carol", Email: "carol@example.com"}}}})
			must[string](t)(w.As("bob").PushBranch("acme/app", "main", githubsim.Commit{Message: "Meanwhile", Files: map[string]string{"README.md": "# app\n\nMore\n"}}))
			check(t, w.As("bob").Merge(pr, githubsim.MergeOptions{Method: method}))
			tip := must[string](t)(w.Tip("acme/app", "main"))
			c, _, err := w.api.Repositories.GetCommit(ctx, org, repo, tip, nil)
			check(t, err)
			parents := len(c.Parents)
			verified := c.Commit.GetVerification().GetVerified()
			author := c.GetAuthor().GetLogin()
			switch method {
			case githubsim.MergeCommit:
				if parents != 2 || !verified || author != "bob" || c.GetCommitter().GetLogin() != "web-flow" {
					t.Errorf("got %v", c)
				}
			case githubsim.Squash:
				if parents != 1 || !verified || author != "alice" || c.Commit.GetMessage() != "Two things (#1)\n\n* One\n* Two\n\nCo-authored-by: carol <carol@example.com>" {
					t.Errorf("got %d parents by %s: %q", parents, author, c.Commit.GetMessage())
				}
			case githubsim.Rebase:
				if parents != 1 || verified || author != "carol" || c.GetCommitter().GetLogin() != "bob" {
					t.Errorf("got %v", c)
				}
			}
			for path, want := range map[string]string{"main.go": "package main\n\n// one\n", "two": "2\n", "README.md": "# app\n\nMore\n"} {
				if got := must[string](t)(w.FileAt("acme/app", "main", path)); got != want {
					t.Errorf("%s is %q", path, got)
				}
			}
		})
	}
}

func TestConflictsAndContentMerges(t *testing.T) {
	w := start(t)
	alice, bob := w.As("alice"), w.As("bob")
	text := func(first, last string) string { return first + strings.Repeat("\nmiddle", 10) + "\n" + last + "\n" }
	must[string](t)(alice.PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"f": text("a", "z"), "old": text("o", "o")}}))
	clean := w.open(githubsim.PullOptions{Branch: "clean", Files: map[string]string{"f": text("A", "z"), "old": text("O", "o")}})
	clash := w.open(githubsim.PullOptions{Branch: "clash", Files: map[string]string{"f": text("a", "Y")}})
	must[string](t)(bob.PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"f": text("a", "Z")}, Rename: map[string]string{"old": "new"}}))
	got, _, err := w.api.PullRequests.Get(context.Background(), org, repo, clash.Number)
	check(t, err)
	if got.Mergeable == nil || got.GetMergeable() || got.GetMergeableState() != "dirty" {
		t.Errorf("mergeable %t, %s", got.GetMergeable(), got.GetMergeableState())
	}
	refused(t, bob.Merge(clash, githubsim.MergeOptions{}), "not mergeable")
	_, err = alice.UpdateBranch(clash)
	refused(t, err, "merge conflict")
	check(t, bob.Merge(clean, githubsim.MergeOptions{}))
	if got := must[string](t)(w.FileAt("acme/app", "main", "f")); got != text("A", "Z") {
		t.Errorf("f is %q", got)
	}
	if got := must[string](t)(w.FileAt("acme/app", "main", "new")); got != text("O", "o") {
		t.Errorf("what was renamed is %q", got)
	}
}
