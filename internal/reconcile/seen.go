package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

// recall tells of reviews, labels and pushes what their head was compared with at that time, and of the description what it said before
// each edit. Retargeted is when GitHub says that the base branch was last changed; zero where deliveries told all there was.
func recall(f *change.Facts, w *store.Work, retargeted time.Time) {
	f.Retargeted = retargeted
	told := map[int64]change.Review{}
	for _, r := range w.Reviews {
		told[r.ID] = r
	}
	for i := range f.Reviews {
		r := &f.Reviews[i]
		r.Into, r.Base = told[r.ID].Into, told[r.ID].Base
		r.Base, r.MergeBase = comparedAt(w.Compared, r.SHA, r.Into, r.Base, r.At, retargeted)
	}
	f.LabelEvents = slices.Clone(f.LabelEvents)
	for i := range f.LabelEvents {
		l := &f.LabelEvents[i]
		l.Base, l.MergeBase = comparedAt(w.Compared, l.Head, l.Into, l.Base, l.At, retargeted)
	}
	f.Pushes = slices.Clone(f.Pushes)
	for i := range f.Pushes {
		p := &f.Pushes[i]
		for _, c := range w.Compared {
			if c.Head == p.After && !c.At.Before(p.At.Truncate(time.Second)) {
				p.Base, p.MergeBase = c.Tip, c.MergeBase
				break
			}
		}
	}
	f.Descriptions = editions(w)
}

// comparedAt returns what a head was compared with at a time: as it was decided then, or else the commit of the base branch that the
// delivery named. Of what no delivery told, and was done before the base branch was changed, nothing is known.
func comparedAt(all []store.Compared, head change.SHA, into string, base change.SHA, at, retargeted time.Time) (tip, mergeBase change.SHA) {
	if into == "" && !at.After(retargeted) {
		return "", ""
	}
	for _, c := range slices.Backward(all) {
		// GitHub's times are to the second.
		if c.Head == head && (into == "" || c.Base == into) && !c.At.Truncate(time.Second).After(at) {
			return c.Tip, c.MergeBase
		}
	}
	return base, ""
}

// editions returns the descriptions that a pull request has had. What an edit says to have been there before, and nobody told of, was
// written by nobody known.
func editions(w *store.Work) []change.Description {
	var all []change.Description
	at := w.Snapshot.CreatedAt
	for _, d := range w.Descriptions {
		if d.Was != nil && (len(all) == 0 || all[len(all)-1].Body != *d.Was) {
			all = append(all, change.Description{Body: *d.Was, At: at})
		}
		all = append(all, d)
		at = d.At
	}
	return all
}

// readSeen reads what a view shows into the facts.
func (r *run) readSeen(ctx context.Context, s *subject, v change.View, mu *sync.Mutex) error {
	since := time.Time{}
	if s.work.Concerns.Has(change.ConcernVerify) {
		since = r.github.Began()
	}
	asked := v
	if asked.Base == "" {
		asked.Base = s.facts.Content.BaseTip
	}
	seen, err := r.github.Seen(ctx, s.facts.Repository, asked, since)
	if err != nil {
		return err
	}
	seen.View = v
	mu.Lock()
	defer mu.Unlock()
	s.facts.Seen = append(s.facts.Seen, seen)
	return nil
}

// lacksEntries says whether entries that are asked for have not been read.
func lacksEntries(f *change.Facts, l change.TreePaths) bool {
	tree, ok := f.Trees[l.Commit]
	return !ok || !tree.Cut && slices.ContainsFunc(l.Paths, func(path string) bool {
		_, ok := tree.Entries[path]
		return !ok
	})
}

// readEntries reads entries of a tree into the facts.
func (r *run) readEntries(ctx context.Context, f *change.Facts, l change.TreePaths, mu *sync.Mutex) error {
	found, complete, err := r.github.Tree(ctx, f.Repository, l.Commit, l.Paths)
	var missing *github.NotFound
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	tree := change.Tree{Commit: l.Commit, Entries: make(map[string]change.Entry, len(l.Paths)), Cut: !complete || missing != nil}
	for _, path := range l.Paths {
		if e, ok := found[path]; ok || !tree.Cut {
			tree.Entries[path] = change.Entry{Mode: e.Mode, Blob: e.Blob}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if f.Trees == nil {
		f.Trees = map[change.SHA]change.Tree{}
	}
	f.Trees[l.Commit] = tree
	return nil
}
