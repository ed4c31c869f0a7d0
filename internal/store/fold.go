package store

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// fold says whether the description of a pull request that arrived takes the place of the one held, and returns the one that
// stands. GitHub's updated_at has a second's precision and deliveries come in any order, so what happened within a second is decided
// by what may follow what: nothing follows a merge, and only a reopening follows a closing. reopened says that the one that arrived
// tells of a reopening. Where that does not decide, the one that arrived stands, and is unsure if they differ in what counts.
//
// Some payloads leave out the number of changed files; it is kept as long as neither end has moved.
func fold(held, arrived change.Pull, reopened bool) (stands change.Pull, newer, unsure bool) {
	tie := held.State != "" && arrived.UpdatedAt.Equal(held.UpdatedAt)
	switch {
	case held.State == change.Merged && arrived.State != change.Merged:
		return held, false, false
	case arrived.UpdatedAt.Before(held.UpdatedAt):
		return held, false, false
	case tie && held.State == change.Closed && arrived.State == change.Open && !reopened:
		return held, false, false
	}
	if arrived.ChangedFiles == 0 && arrived.Head.SHA == held.Head.SHA && arrived.Base == held.Base {
		arrived.ChangedFiles = held.ChangedFiles
	}
	return arrived, true, tie && arrived.State == held.State && !agree(held, arrived)
}

// agree says whether two descriptions are the same in what a decision rests on.
func agree(a, b change.Pull) bool {
	return a.Title == b.Title && a.Body == b.Body && a.Draft == b.Draft && a.Head.SHA == b.Head.SHA && a.Base.Name == b.Base.Name &&
		slices.Equal(slices.Sorted(slices.Values(a.Labels)), slices.Sorted(slices.Values(b.Labels)))
}

// foldCheck says whether a check that arrived replaces one that is held: the later one does, and of two in one second the one
// with the greater id (each telling of a commit status has its own), or of one id the one that has ended.
func foldCheck(held, arrived change.Check) bool {
	if !arrived.At.Equal(held.At) {
		return arrived.At.After(held.At)
	}
	if arrived.RunID != held.RunID {
		return arrived.RunID > held.RunID
	}
	return arrived.State != change.CheckPending || held.State == change.CheckPending
}

// known says whether the pushes lead from an opening to the head without a gap.
func known(pushes []change.Push, head change.SHA) bool {
	if head == "" {
		return false
	}
	next := map[change.SHA][]change.SHA{}
	for _, p := range pushes {
		next[p.Before] = append(next[p.Before], p.After)
	}
	seen := map[change.SHA]bool{}
	for reached := next[""]; len(reached) > 0; {
		sha := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		if sha == head {
			return true
		}
		if !seen[sha] {
			seen[sha] = true
			reached = append(reached, next[sha]...)
		}
	}
	return false
}
