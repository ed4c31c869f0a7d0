package change

import "slices"

// FirstParents returns the line that leads to a tip: those of the commits that are reached from it by first parents, oldest first. Of returns
// a commit's name and those of its parents.
func FirstParents[C any](tip SHA, commits []C, of func(C) (SHA, []SHA)) []C {
	by := make(map[SHA]C, len(commits))
	for _, c := range commits {
		sha, _ := of(c)
		by[sha] = c
	}
	var line []C
	for c, ok := by[tip]; ok; {
		line = append(line, c)
		sha, parents := of(c)
		if len(parents) == 0 {
			break
		}
		delete(by, sha) // a loop, which Git knows none of, would be no reason to hang
		c, ok = by[parents[0]]
	}
	slices.Reverse(line)
	return line
}
