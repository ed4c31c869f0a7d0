package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// learnOrigin returns the pushes by others than the opener that brought to the branch what the pull request was opened with, and whether all
// of them are known. What the deliveries of pushes do not tell is read from the repository's activity, once for a base branch and once more
// when a delivery that is under way would have arrived; and again when somebody asks for all to be verified. A fork's pushes are told to
// nobody here, so whoever opened a pull request from there stands for them, and whoever owns it; see change.Pull.HeadOwner.
func (r *run) learnOrigin(ctx context.Context, s *subject, content change.Content) (brought []change.Push, known bool, err error) {
	w := &s.work
	p := w.Snapshot
	var opened []change.SHA
	var openers []change.AccountID
	for _, push := range w.Pushes {
		if push.Before == "" {
			opened, openers = append(opened, push.After), append(openers, push.By.ID)
		}
	}
	if p.FromFork() || p.Head.Name == "" || len(opened) == 0 {
		return nil, true, nil
	}
	kept := w.Origin.RootsOf(p.Base.Name)
	branch := slices.Concat(w.Origin.Pushes, w.Branch)
	commits := commitsOf(p.Head.SHA, content, opened)
	found := walkBack(opened, branch, commits.roots(kept))
	// It was rebased since, and how much of what others pushed the base has is not known yet.
	if !commits.all && !content.CommitsCut && !(found.complete && (len(kept) > 0 || found.isBy(openers))) {
		if commits, err = r.commitsThen(ctx, w, content, opened); err != nil {
			return nil, false, err
		}
		found = walkBack(opened, branch, commits.roots(kept))
	}
	var reads []store.OriginRead
	if !found.complete && r.mayReadOrigin(w) {
		read, err := r.activity(ctx, w)
		if err != nil {
			return nil, false, err
		}
		read = slices.DeleteFunc(read, func(push change.Push) bool { return !store.BeforeOpening(push, p) })
		found = walkBack(opened, slices.Concat(branch, read), commits.roots(kept))
		reads = append(reads, store.OriginRead{Base: p.Base.Name, At: r.github.Now()})
	}
	if again := arrivedBy(p); !found.complete && r.github.Now().Before(again) {
		r.originAt = sooner(r.originAt, again)
	}
	if err := r.saveOrigin(ctx, w, found, reads); err != nil {
		return nil, false, err
	}
	for _, push := range found.pushes {
		if !slices.Contains(openers, push.By.ID) {
			push.Before, push.Forced = "", false // it was opened with all of it
			brought = append(brought, push)
		}
	}
	return brought, found.complete, nil
}

// saveOrigin keeps what is not kept yet of where a pull request comes from.
func (r *run) saveOrigin(ctx context.Context, w *store.Work, found trail, read []store.OriginRead) error {
	o := store.Origin{Read: read}
	for _, push := range found.pushes {
		if !slices.ContainsFunc(w.Origin.Pushes, func(kept change.Push) bool { return isSamePush(kept, push) }) {
			o.Pushes = append(o.Pushes, push)
		}
	}
	for _, sha := range found.roots {
		if root := (store.OriginRoot{Base: w.Snapshot.Base.Name, SHA: sha}); !slices.Contains(w.Origin.Roots, root) {
			o.Roots = append(o.Roots, root)
		}
	}
	if len(o.Pushes)+len(o.Roots)+len(o.Read) == 0 {
		return nil
	}
	if err := r.Store.SaveOrigin(ctx, w.Key, o); err != nil {
		return err
	}
	w.Origin.Pushes = append(w.Origin.Pushes, o.Pushes...)
	w.Origin.Roots = append(w.Origin.Roots, o.Roots...)
	w.Origin.Read = append(w.Origin.Read, o.Read...)
	return nil
}

// mayReadOrigin says whether reading the repository's activity may tell more than it told before.
func (r *run) mayReadOrigin(w *store.Work) bool {
	since := time.Time{}
	if by := arrivedBy(w.Snapshot); !r.github.Now().Before(by) {
		since = by
	}
	if w.Concerns.Has(change.ConcernVerify) {
		since = r.github.Began()
	}
	return !slices.ContainsFunc(w.Origin.Read, func(read store.OriginRead) bool {
		return read.Base == w.Snapshot.Base.Name && !read.At.Before(since)
	})
}

// arrivedBy is when the deliveries of all pushes from before a pull request was opened have arrived, if they are not lost.
func arrivedBy(p change.Pull) time.Time { return p.CreatedAt.Add(underWay) }

// isSamePush says whether two tellings of a push to a branch are of one push, or of one that somebody repeated.
func isSamePush(a, b change.Push) bool {
	return a.Before == b.Before && a.After == b.After && a.By.ID == b.By.ID && a.Forced == b.Forced
}

// commits are a pull request's own: those that its base does not have.
type commits struct {
	own map[change.SHA]bool
	all bool // those of what it was opened with are among them
}

// commitsThen asks GitHub for a pull request's own commits where those of its head do not tell which it was opened with.
func (r *run) commitsThen(ctx context.Context, w *store.Work, content change.Content, opened []change.SHA) (commits, error) {
	c := commitsOf(w.Snapshot.Head.SHA, content, opened)
	c.all = true
	for _, sha := range opened {
		seen, err := r.github.Seen(ctx, w.Repository, change.View{Head: sha, Base: content.BaseTip}, time.Time{})
		if err != nil {
			return c, err
		}
		for _, own := range seen.Commits {
			c.own[own] = true
		}
		c.all = c.all && !seen.Gone && !seen.CommitsCut
	}
	return c, nil
}

// commitsOf returns what the content of a head tells of a pull request's own commits.
func commitsOf(head change.SHA, content change.Content, opened []change.SHA) commits {
	c := commits{map[change.SHA]bool{}, content.Head == head && !content.CommitsCut}
	for i := range content.Commits {
		c.own[content.Commits[i].SHA] = true
	}
	for _, sha := range opened {
		c.all = c.all && (sha == head || c.own[sha])
	}
	return c
}

// roots returns a test of the commits on the branch: whether the base has one, and with it all that came before. Within says that the commit is in
// what the pull request was opened with. Kept are commits that this base was seen to have.
func (c commits) roots(kept []change.SHA) func(sha change.SHA, within bool) bool {
	return func(sha change.SHA, within bool) bool {
		return !c.own[sha] && (c.all && within || slices.Contains(kept, sha))
	}
}

// trail is what a walk back from an opening found.
type trail struct {
	pushes   []change.Push // oldest first
	roots    []change.SHA  // where it ended because the base has the rest
	complete bool          // each way back ended there or where the branch was made
}

// isBy says whether all the pushes that were found are by some of these.
func (t trail) isBy(openers []change.AccountID) bool {
	return !slices.ContainsFunc(t.pushes, func(p change.Push) bool { return !slices.Contains(openers, p.By.ID) })
}

// walkBack finds the pushes that brought to a branch what a pull request was opened with: the push that left the branch there, the one that left it
// where that push began, and so on, back to where the branch was made or to a root.
func walkBack(opened []change.SHA, branch []change.Push, isRoot func(sha change.SHA, within bool) bool) trail {
	type place struct {
		sha    change.SHA
		within bool
	}
	t := trail{complete: true}
	var ahead []place
	for _, sha := range opened {
		ahead = append(ahead, place{sha, true})
	}
	been := map[place]bool{}
	for len(ahead) > 0 {
		at := ahead[0]
		ahead = ahead[1:]
		switch {
		case been[at]:
			continue
		case isRoot(at.sha, at.within):
			t.roots = append(t.roots, at.sha)
			continue
		}
		been[at] = true
		known := false
		for _, push := range branch {
			if push.After != at.sha {
				continue
			}
			known = true
			if !slices.ContainsFunc(t.pushes, func(found change.Push) bool { return isSamePush(found, push) }) {
				t.pushes = append(t.pushes, push)
			}
			if push.Before != "" {
				ahead = append(ahead, place{push.Before, at.within && !push.Forced})
			}
		}
		t.complete = t.complete && known
	}
	slices.SortStableFunc(t.pushes, func(a, b change.Push) int { return a.At.Compare(b.At) })
	return t
}
