package landing

import (
	"cmp"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Walk is all that is known of what landed on a branch between two looks at it. Judge says what went past the policy, or what must be read
// before that can be said.
type Walk struct {
	Repository change.RepositoryID
	Branch     string
	Now        time.Time // GitHub's clock
	PolicyPath string    // where a repository keeps its policy

	// Line is what landed: from the commit after the last one known to the tip, along first parents, oldest first. What a merge brought is
	// not in it: it landed with the merge.
	Line   []Commit
	Rest   []change.SHA // what follows on the line, and is left for another run
	Pushes []Push       // those that were told of, oldest first
	// Open is what came through no pull request right before the line and may go on with it; nil: nothing.
	Open *change.Exception

	// Pulls are the pull requests merged into the branch that GitHub associates with a commit of the line. A commit that is no key was
	// not asked about.
	Pulls    map[change.SHA][]Merged
	Seen     map[change.View]change.Seen
	Trees    map[change.SHA]change.Tree
	Policies map[change.SHA]change.SHA // by commit, the blob of its policy file; empty: it has none
}

// Commit is a commit of a branch's line.
type Commit struct {
	SHA     change.SHA
	Parents []change.SHA
	By      []change.Account // its author and committer, those who have an account
}

func (c Commit) line() (change.SHA, []change.SHA) { return c.SHA, c.Parents }

// onto is the commit of the branch that it landed on; empty: it began a history of its own.
func (c Commit) onto() change.SHA {
	if len(c.Parents) == 0 {
		return ""
	}
	return c.Parents[0]
}

// Merged is a pull request that was merged into the branch.
type Merged struct {
	change.Pull
	Decision *change.Decision // as it stood at the merge; nil: none did
}

// Needs is what must be read before a walk can be judged. The shell reads it and judges again until nothing is new, because one answer
// may raise another question.
type Needs struct {
	Pulls    []change.SHA
	Seen     []change.View
	Trees    []change.TreePaths
	Policies []change.SHA
}

// IsEmpty says whether nothing more need be read.
func (n Needs) IsEmpty() bool { return len(n.Pulls)+len(n.Seen)+len(n.Trees)+len(n.Policies) == 0 }

// Judge returns the exceptions, in the order in which they landed, and the commits that no pull request is known to have brought, which are
// in exceptions too. If there are needs, it returns nothing else.
//
// The line is taken apart from its tip: each commit is the end of what one merged pull request brought, or came through none.
//
//   - A merge commit is all that its pull request brought: its first parent is the base, and what it changes there is what landed.
//   - A commit that is the pull request's own head, or one of its commits, was pushed after a merge on somebody's machine; all of its
//     commits that follow one another on the line came with it, up to one that another pull request ends with.
//   - Otherwise the pull request was squashed into one commit, or rebased: then it is as many of the last commits as together change what
//     was decided, no more than it had, and none that another pull request ends with. Commits that were pushed to the branch one by one, and
//     that together are just what was decided, are told from a rebase by the pushes, where those are known.
func (w *Walk) Judge() (exceptions []change.Exception, unexplained []change.SHA, needs Needs) {
	j := newJudge(w)
	for i := len(w.Line) - 1; i >= 0; {
		next, needs := j.step(i)
		if !needs.IsEmpty() {
			return nil, nil, needs
		}
		i = next
	}
	j.withoutPull()
	slices.SortStableFunc(j.found, func(a, b change.Exception) int { return cmp.Compare(j.index[a.After], j.index[b.After]) })
	for i, c := range w.Line {
		if !j.through[i] {
			unexplained = append(unexplained, c.SHA)
		}
	}
	return j.found, unexplained, Needs{}
}

// judge is one call of Judge.
type judge struct {
	*Walk
	index   map[change.SHA]int // of the line's commits, the rest's too
	through []bool             // by index: it came through a pull request
	found   []change.Exception
	// doubtful is the exception of a pull request of which it is not known where it begins; nil: none. Earlier commits that GitHub says
	// came with it are its own. They are next to it.
	doubtful *doubt
}

func newJudge(w *Walk) *judge {
	j := &judge{Walk: w, index: make(map[change.SHA]int, len(w.Line)+len(w.Rest)), through: make([]bool, len(w.Line))}
	for i, c := range w.Line {
		j.index[c.SHA] = i
	}
	for i, c := range w.Rest {
		j.index[c] = len(w.Line) + i
	}
	if w.Open != nil {
		j.index[w.Open.After] = -1
	}
	return j
}

type doubt struct {
	number change.Number
	at     int // in found
}

// unit is what one pull request brought: the line from start to end.
type unit struct {
	start, end int
	pull       Merged
	same       sameness
	paths      []string // that differ, where the content is another
}

// before is the commit of the branch that a unit landed on; empty: it began a history of its own.
func (j *judge) before(start int) change.SHA { return j.Line[start].onto() }

// step explains the commit at i, and returns the index of the next one to explain.
func (j *judge) step(i int) (next int, needs Needs) {
	c := j.Line[i]
	pulls, ok := j.Pulls[c.SHA]
	if !ok {
		return 0, Needs{Pulls: []change.SHA{c.SHA}}
	}
	var first *change.Exception
	var of unit
	for _, p := range endingAt(c, pulls) {
		u, needs := j.unit(i, p)
		if !needs.IsEmpty() {
			return 0, needs
		}
		e, needs := j.exception(u)
		if !needs.IsEmpty() {
			return 0, needs
		}
		if e == nil {
			j.take(u)
			return u.start - 1, Needs{}
		}
		if first == nil {
			first, of = e, u
		}
	}
	if first != nil {
		j.take(of)
		if !of.same.isDecided() && len(c.Parents) < 2 {
			j.doubtful = &doubt{of.pull.Number, len(j.found)}
		}
		j.found = append(j.found, *first)
		return of.start - 1, Needs{}
	}
	if d := j.doubtful; d != nil && slices.ContainsFunc(pulls, func(p Merged) bool { return p.Number == d.number }) {
		e := &j.found[d.at]
		e.Commits = slices.Insert(e.Commits, 0, c.SHA)
		e.Before = j.before(i)
		j.through[i] = true
		return i - 1, Needs{}
	}
	j.doubtful = nil
	return i - 1, Needs{}
}

func (j *judge) take(u unit) {
	j.doubtful = nil
	for i := u.start; i <= u.end; i++ {
		j.through[i] = true
	}
}

// endingAt returns those of the pull requests whose last commit on the line is c, those first that GitHub says were merged as it.
func endingAt(c Commit, pulls []Merged) []Merged {
	var ending []Merged
	for _, p := range pulls {
		if p.MergeCommit == c.SHA || p.Head.SHA == c.SHA || len(c.Parents) > 1 && slices.Contains(c.Parents[1:], p.Head.SHA) {
			ending = append(ending, p)
		}
	}
	slices.SortStableFunc(ending, func(a, b Merged) int {
		if a, b := a.MergeCommit == c.SHA, b.MergeCommit == c.SHA; a != b {
			if a {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Number, b.Number)
	})
	return ending
}

// maxSizes is how many lengths are tried of a pull request that was squashed or rebased: one, what was pushed at once, and as many as it had
// commits, or a few less, because a rebase drops merges and what the base has already.
const maxSizes = 10

// unit finds what was brought by a pull request that ends at the commit at i.
func (j *judge) unit(i int, p Merged) (unit, Needs) {
	view := decidedView(p)
	decided, ok := j.Seen[view]
	if !ok {
		return unit{}, Needs{Seen: []change.View{view}}
	}
	starts, needs := j.starts(i, p.Number, decided)
	if !needs.IsEmpty() {
		return unit{}, needs
	}
	best := unit{start: starts[0], end: i, pull: p}
	for n, start := range starts {
		u := unit{start: start, end: i, pull: p}
		if u.same, u.paths, needs = j.compare(start, i, decided); !needs.IsEmpty() {
			return unit{}, needs
		}
		if n > 0 && !u.isLikelier(best) {
			continue
		}
		another, needs := j.swallows(start, i, p.Number)
		if !needs.IsEmpty() {
			return unit{}, needs
		}
		if another {
			continue
		}
		best = u
		if best.same == sameContent {
			break
		}
	}
	return best, Needs{}
}

// isLikelier says whether a unit is more likely what the pull request brought than one with another start: if it is just what was decided, or
// the larger part of that.
func (u unit) isLikelier(than unit) bool {
	switch u.same {
	case sameContent:
		return true
	case restContent:
		return !than.same.isDecided() || len(u.paths) > len(than.paths)
	default:
		return false
	}
}

// starts returns where on the line may begin what a pull request brought that ends at i, the likeliest first; see Judge.
func (j *judge) starts(i int, n change.Number, decided change.Seen) (starts []int, needs Needs) {
	own := func(i int) bool { return slices.Contains(decided.Commits, j.Line[i].SHA) }
	if !own(i) {
		if len(j.Line[i].Parents) > 1 {
			return []int{i}, Needs{}
		}
		return j.startsRewritten(i, decided), Needs{}
	}
	start := i
	for start > 0 && own(start-1) {
		another, needs := j.swallows(start-1, start, n)
		if !needs.IsEmpty() {
			return nil, needs
		}
		if another {
			break
		}
		start--
	}
	return []int{start}, Needs{}
}

// swallows says whether another pull request ends on the line between start and end. Even where what that brought is a part of what was decided
// of this one, it is judged by itself.
func (j *judge) swallows(start, end int, n change.Number) (bool, Needs) {
	for _, c := range j.Line[start:end] {
		pulls, ok := j.Pulls[c.SHA]
		if !ok {
			return false, Needs{Pulls: []change.SHA{c.SHA}}
		}
		if slices.ContainsFunc(endingAt(c, pulls), func(p Merged) bool { return p.Number != n }) {
			return true, Needs{}
		}
	}
	return false, Needs{}
}

// startsRewritten is starts of a pull request that was squashed or rebased. It cannot begin before a push that ended below i.
func (j *judge) startsRewritten(i int, decided change.Seen) []int {
	most := len(decided.Commits)
	if decided.CommitsCut {
		most = len(j.Line)
	}
	lowest, pushed := 0, -1
	for _, push := range j.Pushes {
		after, ok := j.index[push.After]
		switch {
		case !ok:
		case after < i:
			lowest = max(lowest, after+1)
		case after == i:
			if before, ok := j.index[push.Before]; ok {
				pushed = before + 1
			} else if push.Before == j.before(0) {
				pushed = 0
			}
		}
	}
	starts := []int{i}
	add := func(start int) {
		if start >= lowest && i-start < most && len(starts) < maxSizes && !slices.Contains(starts, start) {
			starts = append(starts, start)
		}
	}
	if pushed >= 0 && pushed <= i {
		add(pushed)
	}
	for start := max(lowest, i-most+1); start < i; start++ {
		add(start)
	}
	return starts
}

// withoutPull finds the commits that came through no pull request: one exception for those that follow one another and were pushed together.
func (j *judge) withoutPull() {
	open := j.Open
	if open != nil && (len(j.Line) == 0 || j.through[0] || j.before(0) != open.After) {
		j.found, open = append(j.found, *open), nil // it ended there
	}
	for i := 0; i < len(j.Line); i++ {
		if j.through[i] {
			continue
		}
		push := j.pushOf(i)
		start := i
		for i+1 < len(j.Line) && !j.through[i+1] && j.pushOf(i+1) == push {
			i++
		}
		j.found = append(j.found, j.noPullRequest(start, i, push, open))
		open = nil
	}
}

// pushOf returns the push that brought the commit at i, nil if none is known that did: of those that it was there after, the one that went the
// least beyond it, and of several such the latest.
func (j *judge) pushOf(i int) *Push {
	var of *Push
	sha := j.sha(i)
	least := len(j.index)
	for n := range j.Pushes {
		p := &j.Pushes[n]
		after, ok := j.index[p.After]
		if !ok || after < i {
			if after = i; !slices.Contains(p.Commits, sha) {
				continue
			}
		}
		if after <= least {
			of, least = p, after
		}
	}
	return of
}

// sha is the commit at i, which may be one of the rest.
func (j *judge) sha(i int) change.SHA {
	if i < len(j.Line) {
		return j.Line[i].SHA
	}
	return j.Rest[i-len(j.Line)]
}
