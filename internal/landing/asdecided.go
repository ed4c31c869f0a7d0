package landing

import (
	"context"
	"errors"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// Content is where it is read what commits hold; see github.Session. What was read once costs nothing any more.
type Content interface {
	Began() time.Time
	Seen(ctx context.Context, repo change.Repository, v change.View, since time.Time) (change.Seen, error)
	Tree(ctx context.Context, repo change.Repository, commit change.SHA, paths []string) (map[string]github.TreeEntry, bool, error)
}

// AsDecided says whether a pull request brought to its branch what was decided of it and nothing else, as the walk of the branch will find: it
// compares the branch before it with the branch after it. What cannot be compared was not decided so. An error is GitHub's or the App's, and
// nothing is known then.
func AsDecided(ctx context.Context, from Content, repo change.Repository, p Merged, before, after change.SHA) (bool, error) {
	view := decidedView(p)
	if before == "" || view.Base == "" {
		return false, nil
	}
	w := &Walk{
		Line: []Commit{{SHA: after, Parents: []change.SHA{before}}},
		Seen: map[change.View]change.Seen{}, Trees: map[change.SHA]change.Tree{},
	}
	needs := Needs{Seen: []change.View{view}}
	for {
		if err := w.readContent(ctx, from, repo, needs); err != nil {
			return false, err
		}
		j := judge{Walk: w}
		same, _, more := j.compare(0, 0, w.Seen[view])
		if more.IsEmpty() {
			return same.isDecided(), nil
		}
		needs = more
	}
}

// readContent reads the views and trees that are needed.
func (w *Walk) readContent(ctx context.Context, from Content, repo change.Repository, needs Needs) error {
	for _, v := range needs.Seen {
		seen, err := from.Seen(ctx, repo, v, from.Began())
		if err != nil {
			return err
		}
		w.Seen[v] = seen
	}
	for _, l := range needs.Trees {
		if err := w.readTree(ctx, from, repo, l); err != nil {
			return err
		}
	}
	return nil
}

func (w *Walk) readTree(ctx context.Context, from Content, repo change.Repository, l change.TreePaths) error {
	entries, complete, err := from.Tree(ctx, repo, l.Commit, l.Paths)
	var missing *github.NotFound
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	tree := w.Trees[l.Commit]
	tree.Commit, tree.Cut = l.Commit, tree.Cut || !complete || missing != nil
	if tree.Entries == nil {
		tree.Entries = map[string]change.Entry{}
	}
	for _, path := range l.Paths {
		if e, ok := entries[path]; ok || complete && missing == nil {
			tree.Entries[path] = change.Entry{Mode: e.Mode, Blob: e.Blob}
		}
	}
	w.Trees[l.Commit] = tree
	return nil
}
