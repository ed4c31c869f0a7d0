package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// view is what somebody looked at, with the merge base of it where that is known.
type view struct {
	change.View
	mergeBase change.SHA
}

func viewOf(head, base, mergeBase change.SHA) view {
	return view{change.View{Head: head, Base: base}, mergeBase}
}

func viewOfReview(r change.Review) view { return viewOf(r.SHA, r.Base, r.MergeBase) }

// shown is a content in the form that contents are compared in.
type shown struct {
	head, mergeBase, tree change.SHA
	files                 map[string]change.File // by path
	commits               []change.SHA           // those that are in the head and not in the base
	commitsCut            bool
	// unknown says why the content cannot be known for good; nil: it is known.
	unknown change.Text
}

// present returns the content that the decision is about.
func (q *inquiry) present() *shown {
	if q.now == nil {
		c := &q.facts.Content
		q.now = &shown{head: c.Head, mergeBase: c.MergeBase, tree: c.Tree, files: byPath(c.Files), commitsCut: c.CommitsCut}
		for i := range c.Commits {
			q.now.commits = append(q.now.commits, c.Commits[i].SHA)
		}
		if c.FilesCut {
			q.now.unknown = change.Words("and GitHub lists only a part of the present content")
		}
	}
	return q.now
}

func byPath(files []change.File) map[string]change.File {
	m := make(map[string]change.File, len(files))
	for _, f := range files {
		m[f.Path] = f
	}
	return m
}

// look returns what a view shows, or nil if that has yet to be read. A head against a base with which it has the same in common as the
// present one, such as the merge base itself, shows the present content, and costs nothing.
func (q *inquiry) look(v view) *shown {
	c := &q.facts.Content
	if v.Head == c.Head && (v.mergeBase == c.MergeBase || v.Base == c.BaseTip || v.Base != "" && v.Base == c.MergeBase || v.Base == "" && v.mergeBase == "") {
		return q.present()
	}
	if s, ok := q.looked[v.View]; ok {
		return s
	}
	if q.questions != nil {
		note(&q.questions.seen, v.View, true)
	}
	seen, ok := q.facts.SeenIn(v.View)
	if !ok {
		return nil
	}
	s := &shown{
		head: seen.Head, mergeBase: cmp.Or(v.mergeBase, seen.MergeBase), tree: seen.Tree, files: byPath(seen.Files),
		commits: seen.Commits, commitsCut: seen.CommitsCut,
	}
	switch {
	case seen.Gone:
		s.unknown = change.Words("which GitHub no longer has")
	case seen.FilesCut:
		s.unknown = change.Words("of which GitHub lists only a part")
	case v.mergeBase != "" && seen.MergeBase != v.mergeBase:
		s.unknown = change.Words("which now has another merge base")
	case s.head == c.Head && s.mergeBase == c.MergeBase:
		s = q.present()
	}
	note(&q.looked, v.View, s)
	return s
}

// difference is how two contents differ.
type difference struct {
	known bool
	// why says why it cannot be known for good.
	why change.Text
	// paths are those that are not the same in both, ordered. ByBase says of all of them that the change to them is the same and only
	// what is below it differs.
	paths  []string
	byBase bool
}

func (d difference) isNone() bool { return d.known && len(d.paths) == 0 }

// compare compares two contents as approvals are bound to them: the same paths are changed, with the same previous path, mode and blob,
// and none of them is another in what the two are based on. Where the blobs differ no tree is read, unless every path is asked for.
func (q *inquiry) compare(a, b *shown, every bool) difference {
	switch {
	case a == nil || b == nil:
		return difference{}
	case a == b, a.head == b.head && a.mergeBase == b.mergeBase, a.tree != "" && a.tree == b.tree && a.mergeBase != "" && a.mergeBase == b.mergeBase:
		return difference{known: true}
	case a.unknown != nil:
		return difference{why: a.unknown}
	case b.unknown != nil:
		return difference{why: b.unknown}
	}
	differs := map[string]bool{}
	for path, f := range a.files {
		if !sameBlob(f, b.files[path]) { // a file that is not there has no blob
			differs[path] = true
		}
	}
	for path := range b.files {
		if _, ok := a.files[path]; !ok {
			differs[path] = true
		}
	}
	if len(differs) > 0 && !every {
		return difference{known: true, paths: slices.Sorted(maps.Keys(differs))}
	}
	byBlob := len(differs)
	// What GitHub lists of a comparison tells neither modes nor what was there before.
	var heads, bases []string
	for path, f := range a.files {
		if differs[path] {
			continue
		}
		bases = append(bases, f.Paths()...)
		if f.Status != change.FileRemoved {
			heads = append(heads, path)
		}
	}
	byHead := q.differ(a.head, b.head, heads, differs)
	byBase := q.differ(a.mergeBase, b.mergeBase, bases, differs)
	d := difference{known: byHead.known && byBase.known, paths: slices.Sorted(maps.Keys(differs))}
	if len(byHead.why) > 0 {
		d.why = byHead.why
	} else if len(byBase.why) > 0 {
		d.why = byBase.why
	}
	d.byBase = byBlob == 0 && len(byHead.paths) == 0
	return d
}

func sameBlob(f, g change.File) bool {
	return f.Blob != "" && f.Blob == g.Blob && (f.Status == change.FileRemoved) == (g.Status == change.FileRemoved) &&
		cmp.Or(f.PreviousPath, f.Path) == cmp.Or(g.PreviousPath, g.Path)
}

// differ compares the entries of two commits' trees and adds the paths at which they differ to all.
func (q *inquiry) differ(a, b change.SHA, paths []string, all map[string]bool) difference {
	d := difference{known: true}
	if a == b || len(paths) == 0 {
		return d
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	for _, commit := range [...]change.SHA{a, b} {
		if commit == "" {
			return difference{why: change.Words("whose merge base is not known")}
		}
		if tree, ok := q.facts.Trees[commit]; !ok || !tree.Cut && !holdsAll(tree, paths) {
			d.known = false
		}
		if q.questions != nil {
			note(&q.questions.trees, commit, slices.Concat(q.questions.trees[commit], paths))
		}
	}
	if !d.known {
		return d
	}
	for _, path := range paths {
		x, inA := q.facts.Trees[a].Entries[path]
		y, inB := q.facts.Trees[b].Entries[path]
		switch {
		case !inA || !inB:
			d.known, d.why = false, change.Words("of whose tree GitHub shows only a part")
		case x != y:
			d.paths = append(d.paths, path)
			all[path] = true
		}
	}
	return d
}

func holdsAll(tree change.Tree, paths []string) bool {
	for _, p := range paths {
		if _, ok := tree.Entries[p]; !ok {
			return false
		}
	}
	return true
}

// sameContent says whether what somebody looked at, which is known, is the present content. It is what binds approvals and declarations.
func (q *inquiry) sameContent(v view) bool {
	return q.compare(q.look(v), q.present(), false).isNone()
}

// isLost says whether a review was submitted before the pull request got its present base branch, and nobody knows against which other one.
func (q *inquiry) isLost(r change.Review) bool {
	return r.Base == "" && r.MergeBase == "" && !r.At.After(q.facts.Retargeted)
}

// staleness says why an approval is not of the present content, and which push took that from it; nil if it is.
func (q *inquiry) staleness(r change.Review) change.Text {
	if r.SHA == "" {
		return change.Words("it was for a commit that is gone")
	}
	saw := change.Say(change.Words("it was for "), change.Code(r.SHA.Short()))
	if q.isLost(r) {
		return change.Say(saw, change.Words(" before the pull request got another base branch"))
	}
	head := q.facts.Pull.Head.SHA
	if merged := q.facts.Pull.MergedAt; q.merged && r.SHA == head && !merged.IsZero() && !r.At.Before(merged) {
		return nil // it saw what was merged: by then the head has everything in common with the base, and a comparison shows nothing
	}
	d := q.compare(q.look(viewOfReview(r)), q.present(), false)
	if d.isNone() {
		return nil
	}
	if d.why != nil {
		saw = change.Say(saw, change.Words(", "), d.why)
	}
	if r.SHA == head {
		return change.Say(saw, change.Words(" against another base"), onPaths(d, " for "))
	}
	push, d, ok := q.voidingPush(r, d)
	if !ok {
		return change.Say(saw, change.Words(", not for the current head "), change.Code(head.Short()))
	}
	say := change.Say(saw, change.Words("; "), change.Login(push.By), change.Words(" has since pushed "), change.Code(push.After.Short()))
	if d.byBase {
		return change.Say(say, onPaths(d, ", on a base that changes "))
	}
	return change.Say(say, onPaths(d, ", which changes "))
}

// onPaths names the first of the paths that differ.
func onPaths(d difference, words string) change.Text {
	if len(d.paths) == 0 {
		return nil
	}
	t := change.Say(change.Words(words), change.Code(d.paths[0]))
	if n := len(d.paths) - 1; n > 0 {
		t = change.Say(t, change.Words(" and "+plural(n, "other file", "other files")))
	}
	return t
}

// maxNamed is how many pushes after an approval are looked at to tell which of them voided it. What they changed was compared when they
// came and costs nothing, but for a server that has forgotten it.
const maxNamed = 3

// voidingPush returns the push after which the content was another than was approved, with how it differed then: the first such since the
// head was last the approved one, or the last push where that is not known. Now is how it differs by now.
func (q *inquiry) voidingPush(r change.Review, now difference) (change.Push, difference, bool) {
	pushes := q.facts.Pushes
	left := -1
	for i, p := range pushes {
		if p.Before == r.SHA && p.After != r.SHA {
			left = i
		}
	}
	if left < 0 {
		return change.Push{}, now, false
	}
	pushes = pushes[left:]
	saw := q.look(viewOfReview(r))
	for _, p := range pushes[:min(len(pushes)-1, maxNamed)] {
		if d := q.compare(saw, q.look(viewOf(p.After, p.Base, p.MergeBase)), false); d.known && !d.isNone() {
			return p, d, true
		}
	}
	return pushes[len(pushes)-1], now, true
}

// orderedPaths returns the entries that are asked for, in a stable order.
func orderedPaths(trees map[change.SHA][]string) []change.TreePaths {
	var asked []change.TreePaths
	for commit, paths := range trees {
		paths = slices.Clone(paths)
		slices.Sort(paths)
		asked = append(asked, change.TreePaths{Commit: commit, Paths: slices.Compact(paths)})
	}
	slices.SortFunc(asked, func(a, b change.TreePaths) int { return strings.Compare(string(a.Commit), string(b.Commit)) })
	return asked
}
