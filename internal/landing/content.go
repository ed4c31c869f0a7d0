package landing

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// sameness says how what landed compares with what was decided.
type sameness int

// isDecided says whether nothing landed but what was decided.
func (s sameness) isDecided() bool { return s == sameContent || s == restContent }

const (
	notCompared  sameness = iota
	sameContent           // it is the same
	restContent           // it is the rest of what was decided: the branch had that on the other paths before
	otherContent          // it is other content
	tooLarge              // GitHub does not list all files of one of the two
	lost                  // GitHub no longer has one of the two
)

// decidedView is what was decided of a pull request: its head against what that had in common with the base then. Where nothing was decided
// of that head it is against the base that GitHub noted.
func decidedView(p Merged) change.View {
	if d := p.Decision; d != nil && d.Head == p.Head.SHA && d.MergeBase != "" {
		return change.View{Head: p.Head.SHA, Base: d.MergeBase}
	}
	return change.View{Head: p.Head.SHA, Base: p.Base.SHA}
}

// compare compares the content that landed with the line from start to end with the content that was decided: no path may have changed
// that was not decided, and each path that was decided must be what it was there, its mode and blob, or be gone as it was there. So it may
// land on a base that changed other paths. Where the base changed the same path, the two are the same only if nothing of that is left: a
// merge of both is content that nobody has seen.
//
// Of other content it returns the paths that differ; of content that was decided, the paths that landed.
func (j *judge) compare(start, end int, decided change.Seen) (same sameness, paths []string, needs Needs) {
	view := change.View{Head: j.Line[end].SHA, Base: j.before(start)}
	if view.Base == "" {
		return lost, nil, Needs{}
	}
	landed, ok := j.Seen[view]
	switch {
	case !ok:
		return 0, nil, Needs{Seen: []change.View{view}}
	case landed.Gone || decided.Gone:
		return lost, nil, Needs{}
	case landed.Tree != "" && landed.Tree == decided.Tree && landed.MergeBase == decided.MergeBase:
		return sameContent, nil, Needs{}
	case landed.FilesCut || decided.FilesCut:
		return tooLarge, nil, Needs{}
	}
	then, now := touched(decided), touched(landed)
	var differing []string
	for _, path := range now {
		if _, ok := slices.BinarySearch(then, path); !ok {
			differing = append(differing, path)
		}
	}
	if len(differing) > 0 {
		return otherContent, differing, Needs{}
	}
	for _, commit := range []change.SHA{view.Head, decided.Head} {
		if tree := j.Trees[commit]; !tree.Cut && slices.ContainsFunc(then, func(p string) bool { return !has(tree, p) }) {
			needs.Trees = append(needs.Trees, change.TreePaths{Commit: commit, Paths: then})
		}
	}
	if !needs.IsEmpty() {
		return 0, nil, needs
	}
	is, was := j.Trees[view.Head], j.Trees[decided.Head]
	for _, path := range then {
		switch {
		case !has(is, path) || !has(was, path):
			return tooLarge, nil, Needs{}
		case is.Entries[path] != was.Entries[path]:
			differing = append(differing, path)
		}
	}
	switch {
	case len(differing) > 0:
		return otherContent, differing, Needs{}
	case len(now) < len(then):
		return restContent, now, Needs{}
	default:
		return sameContent, now, Needs{}
	}
}

func has(tree change.Tree, path string) bool {
	_, ok := tree.Entries[path]
	return ok
}

// touched returns the paths that a comparison changes, in order: both names of a rename.
func touched(s change.Seen) []string {
	var paths []string
	for _, f := range s.Files {
		paths = append(paths, f.Path)
		if f.Status == change.FileRenamed && f.PreviousPath != "" {
			paths = append(paths, f.PreviousPath)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
