package github

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// maxTrees is how many directories are read one by one where the whole tree is too large for GitHub to give.
const maxTrees = 60

// TreeEntry is a file as a Git tree holds it.
type TreeEntry struct {
	Mode change.Mode
	Blob change.SHA // for a submodule the commit that it points to
}

// Tree reads the entries of paths in a commit's tree (git/get-tree). A path that is no file there is left out. Complete is false where
// GitHub cut the tree and the directories needed are too many (60) to read one by one: then a path left out may exist. A commit that is not found by a
// GitHub that was never seen to have a tree is a *Lacking.
//
// One call for a commit, none once its paths are known. GitHub cuts a tree at 100,000 entries or 7 MB.
func (s *Session) Tree(
	ctx context.Context, repo change.Repository, commit change.SHA, paths []string,
) (entries map[string]TreeEntry, complete bool, err error) {
	defer wrap(&err, "reading the tree of %s in %s", commit.Short(), repo)
	entries = map[string]TreeEntry{}
	var unknown []string
	for _, p := range paths {
		held, ok := s.github.objects.get(s.objectKey("entry", repo, string(commit), p))
		switch e, found := held.(TreeEntry); {
		case !ok:
			unknown = append(unknown, p)
		case found:
			entries[p] = e
		}
	}
	if len(unknown) == 0 {
		return entries, true, nil
	}
	unlock, err := s.asking.lock(ctx, s.objectKey("tree", repo, string(commit)))
	if err != nil {
		return nil, false, &Unavailable{Err: err}
	}
	defer unlock()

	found, complete, err := s.wholeTree(ctx, repo, commit, unknown)
	if err == nil && !complete {
		found, complete, err = s.walkTree(ctx, repo, commit, unknown)
	}
	if s.github.lacks(err, getTree) {
		err = &Lacking{err}
	}
	if err != nil {
		return nil, false, err
	}
	for _, p := range unknown {
		e, ok := found[p]
		if ok {
			entries[p] = e
			s.github.objects.put(s.objectKey("entry", repo, string(commit), p), e, 64)
		} else if complete {
			s.github.objects.put(s.objectKey("entry", repo, string(commit), p), nil, 16)
		}
	}
	return entries, complete, nil
}

// wholeTree reads the tree in one call. It is not held as GitHub gives it, because of its size.
func (s *Session) wholeTree(
	ctx context.Context, repo change.Repository, commit change.SHA, paths []string,
) (found map[string]TreeEntry, complete bool, err error) {
	a, err := s.ask(ctx, &sending{route: getTree}, getTree.of(repo, string(commit)).with(values("recursive", "1")), nil)
	if err != nil {
		return nil, false, noCommits(err)
	}
	var tree github.Tree
	if err := a.open(into(&tree, func() bool { return tree.GetSHA() != "" })); err != nil {
		return nil, false, err
	}
	wanted := map[string]bool{}
	for _, p := range paths {
		wanted[p] = true
	}
	found = map[string]TreeEntry{}
	for _, e := range tree.Entries {
		if wanted[e.GetPath()] && e.GetType() != "tree" {
			found[e.GetPath()] = treeEntry(e)
		}
	}
	return found, !tree.GetTruncated(), nil
}

// walkTree reads the directories on the way to paths, parents first.
func (s *Session) walkTree(
	ctx context.Context, repo change.Repository, commit change.SHA, paths []string,
) (found map[string]TreeEntry, complete bool, err error) {
	found = map[string]TreeEntry{}
	wanted := map[string]bool{}
	dirs := map[string]bool{".": true} // every directory on the way to a path
	for _, p := range paths {
		wanted[p] = true
		for d := path.Dir(p); d != "." && d != "/"; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	order := slices.SortedFunc(maps.Keys(dirs), func(a, b string) int {
		return cmp.Or(cmp.Compare(depth(a), depth(b)), strings.Compare(a, b))
	})
	sha := map[string]string{".": string(commit)}
	for i, dir := range order {
		name, ok := sha[dir]
		if !ok {
			continue // no such directory
		}
		if i >= maxTrees {
			return found, false, nil
		}
		var tree github.Tree
		whole := func() bool { return tree.GetSHA() != "" }
		if err := s.read(ctx, getTree.of(repo, name), time.Time{}, &tree, whole); err != nil {
			return nil, false, noCommits(err)
		}
		if tree.GetTruncated() {
			return found, false, nil
		}
		for _, e := range tree.Entries {
			p := path.Join(dir, e.GetPath())
			switch {
			case e.GetType() == "tree" && dirs[p]:
				sha[p] = e.GetSHA()
			case e.GetType() != "tree" && wanted[p]:
				found[p] = treeEntry(e)
			}
		}
	}
	return found, true, nil
}

func depth(dir string) int {
	if dir == "." {
		return 0
	}
	return strings.Count(dir, "/") + 1
}

func treeEntry(e *github.TreeEntry) TreeEntry {
	return TreeEntry{Mode: change.Mode(e.GetMode()), Blob: change.SHA(e.GetSHA())}
}

// noCommits keeps the answer 409 of a repository without commits from reading as a refusal.
func noCommits(err error) error {
	var rejected *Rejected
	if errors.As(err, &rejected) && rejected.Status == http.StatusConflict {
		return &NotFound{Message: rejected.Message}
	}
	return err
}
