package store

import (
	"github.com/changegate/changegate/internal/change"
)

// fold says which of two descriptions of a pull request is the newer, and returns it. GitHub's updated_at has a second's precision
// and deliveries come in any order, so what happened within a second is decided by what may follow what: nothing follows a merge,
// and only a reopening follows a closing. reopened says that the one that arrived tells of a reopening.
//
// Some payloads leave out the number of changed files; it is kept as long as neither end has moved.
func fold(held, arrived change.Pull, reopened bool) (p change.Pull, newer bool) {
	switch {
	case held.State == change.Merged && arrived.State != change.Merged:
		return held, false
	case arrived.UpdatedAt.Before(held.UpdatedAt):
		return held, false
	case arrived.UpdatedAt.Equal(held.UpdatedAt) && held.State == change.Closed && arrived.State == change.Open && !reopened:
		return held, false
	}
	if arrived.ChangedFiles == 0 && arrived.Head.SHA == held.Head.SHA && arrived.Base == held.Base {
		arrived.ChangedFiles = held.ChangedFiles
	}
	return arrived, true
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
