package githubsim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestHistoryIsGits compares what is computed of a history in memory with what Git says of it.
func TestHistoryIsGits(t *testing.T) {
	st, err := newStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := st.writeTree(nil)
	if err != nil {
		t.Fatal(err)
	}
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		n := rapid.IntRange(1, 12).Draw(t, "commits")
		var made []*commit
		for i := range n {
			who := signature{"x", "x@example.com", time.Unix(int64(1e9+i), 0)}
			c := commit{tree: tree, author: who, committer: who, message: fmt.Sprintf("%d.%d\n", run, i)}
			for range min(i, rapid.IntRange(0, 2).Draw(t, "parents")) {
				p := made[rapid.IntRange(max(0, i-4), i-1).Draw(t, "parent")].sha
				if !slices.Contains(c.parents, p) {
					c.parents = append(c.parents, p)
				}
			}
			w, err := st.writeCommit(c)
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, w)
		}
		a := rapid.SampledFrom(made).Draw(t, "a").sha
		b := rapid.SampledFrom(made).Draw(t, "b").sha
		out, _ := st.git("merge-base", "--all", a, b) // it fails where there is none
		bases := strings.Fields(string(out))
		if got := st.mergeBase(a, b); (got == "") != (len(bases) == 0) || got != "" && !slices.Contains(bases, got) {
			t.Errorf("the merge base is %q, and Git says %v", got, bases)
		}
		out, err := st.git("rev-list", b, "^"+a)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(string(out))
		seen := map[string]bool{}
		for _, c := range st.between(a, b) {
			for _, p := range c.parents {
				if !seen[p] && slices.Contains(want, p) {
					t.Errorf("%s comes before its parent", c.sha)
				}
			}
			seen[c.sha] = true
			if !slices.Contains(want, c.sha) {
				t.Errorf("Git does not list %s", c.sha)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%d commits, and Git lists %d", len(seen), len(want))
		}
	})
}

// TestMergesAreGits merges random trees, and holds the results to Git's own merge.
func TestMergesAreGits(t *testing.T) {
	st, err := newStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"a", "b", "c/d", "c/e"}
	rapid.Check(t, func(t *rapid.T) {
		side := func(name string) string {
			files := map[string]leaf{}
			for _, p := range paths {
				content := rapid.SampledFrom([]string{"", "1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\nx\n", "y\n2\n3\n4\n5\n6\n"}).Draw(t, name+" "+p)
				if content == "" {
					continue
				}
				sha, err := st.writeBlob([]byte(content))
				if err != nil {
					t.Fatal(err)
				}
				files[p] = leaf{modeFile, sha}
			}
			tree, err := st.writeTree(files)
			if err != nil {
				t.Fatal(err)
			}
			return tree
		}
		base, ours, theirs := side("base"), side("ours"), side("theirs")
		got, gotErr := st.mergeTrees(base, ours, theirs)
		want, wantErr := st.mergeByGit(base, ours, theirs)
		if got != want || gotErr != wantErr {
			t.Errorf("got %q %v, and Git says %q %v", got, gotErr, want, wantErr)
		}
	})
}

// TestGitRunsOnce counts runs of Git's binary, which are what a comparison costs: one, and none the next time.
func TestGitRunsOnce(t *testing.T) {
	sim, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	for _, err := range []error{sim.AddUser("alice"), sim.AddRepository("alice", "app", RepoOptions{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	st := sim.repoNames["alice/app"].st
	pr, err := sim.As("alice").OpenPull("alice/app", PullOptions{Files: map[string]string{"a": "1\n", "b/c": "2\n"}})
	if err != nil {
		t.Fatal(err)
	}
	if st.gitRuns != 1 {
		t.Errorf("Git ran %d times to open a pull request", st.gitRuns)
	}
	for range 3 {
		if _, err := sim.PullView("alice/app", pr.Number); err != nil {
			t.Fatal(err)
		}
	}
	if err := sim.As("alice").Merge(pr, MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	if st.gitRuns != 1 {
		t.Errorf("Git ran %d times to look at it and merge it", st.gitRuns)
	}
}
