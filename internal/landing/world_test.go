package landing

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

const policyPath = ".github/change-policy.yml"

var (
	alice  = change.Account{ID: 1, Login: "alice", Kind: change.KindUser}
	bob    = change.Account{ID: 2, Login: "bob", Kind: change.KindUser}
	carol  = change.Account{ID: 3, Login: "carol", Kind: change.KindUser}
	epoch  = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	shop   = change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 5}
	isMain = "main"
)

// files is a tree, by path.
type files map[string]change.Entry

// git is a repository in memory, with as much of Git as landing something takes.
type git struct {
	commits map[change.SHA]*commit
	n       int
}

type commit struct {
	Commit
	tree  files
	order int
}

func (g *git) commit(tree files, by change.Account, parents ...change.SHA) change.SHA {
	g.n++
	c := &commit{Commit: Commit{SHA: sha("commit", g.n), Parents: parents, By: known(by)}, tree: tree, order: g.n}
	g.commits[c.SHA] = c
	return c.SHA
}

func sha(parts ...any) change.SHA {
	return change.SHA(fmt.Sprintf("%x", sha1.Sum(fmt.Append(nil, parts...))))
}

func blob(content string) change.Entry {
	return change.Entry{Mode: change.ModeRegular, Blob: sha("blob", content)}
}

// with returns the commit's tree with some files changed; the zero Entry takes one away.
func (g *git) with(c change.SHA, changes files) files {
	tree := maps.Clone(g.commits[c].tree)
	for path, e := range changes {
		if tree[path] = e; e == (change.Entry{}) {
			delete(tree, path)
		}
	}
	return tree
}

// reach returns the commits that are reachable from one.
func (g *git) reach(from change.SHA) map[change.SHA]bool {
	seen := map[change.SHA]bool{}
	todo := []change.SHA{from}
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		if seen[c] || g.commits[c] == nil {
			continue
		}
		seen[c] = true
		todo = append(todo, g.commits[c].Parents...)
	}
	return seen
}

func (g *git) mergeBase(a, b change.SHA) change.SHA {
	var best *commit
	other := g.reach(b)
	for c := range g.reach(a) {
		if other[c] && (best == nil || g.commits[c].order > best.order) {
			best = g.commits[c]
		}
	}
	if best == nil {
		return ""
	}
	return best.SHA
}

// between returns the commits that are in head and not in base, oldest first.
func (g *git) between(base, head change.SHA) []*commit {
	var list []*commit
	in := g.reach(base)
	for c := range g.reach(head) {
		if !in[c] {
			list = append(list, g.commits[c])
		}
	}
	slices.SortFunc(list, func(a, b *commit) int { return a.order - b.order })
	return list
}

// changes returns what differs between two trees.
func (g *git) changes(from, to change.SHA) files {
	diff := files{}
	for path, e := range g.commits[to].tree {
		if g.commits[from].tree[path] != e {
			diff[path] = e
		}
	}
	for path := range g.commits[from].tree {
		if _, ok := g.commits[to].tree[path]; !ok {
			diff[path] = change.Entry{}
		}
	}
	return diff
}

func (g *git) seen(v change.View) change.Seen {
	base := change.SHA("")
	if g.commits[v.Head] != nil && g.commits[v.Base] != nil {
		base = g.mergeBase(v.Base, v.Head)
	}
	if base == "" {
		return change.Seen{View: v, Gone: true}
	}
	s := change.Seen{View: v, MergeBase: base, Tree: g.treeOf(v.Head)}
	diff := g.changes(base, v.Head)
	for _, path := range slices.Sorted(maps.Keys(diff)) {
		f := change.File{Path: path, Status: change.FileModified, Blob: diff[path].Blob}
		switch _, before := g.commits[base].tree[path]; {
		case diff[path] == (change.Entry{}):
			f.Status, f.Blob = change.FileRemoved, g.commits[base].tree[path].Blob
		case !before:
			f.Status = change.FileAdded
		}
		s.Files = append(s.Files, f)
	}
	for _, c := range g.between(v.Base, v.Head) {
		s.Commits = append(s.Commits, c.SHA)
	}
	return s
}

func (g *git) treeOf(c change.SHA) change.SHA {
	var b strings.Builder
	tree := g.commits[c].tree
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		fmt.Fprintln(&b, path, tree[path])
	}
	return sha("tree", b.String())
}

// world is a branch, main, with what lands on it.
type world struct {
	git
	now    time.Time
	start  change.SHA // where main was known to be
	tip    change.SHA
	pulls  map[change.Number]*Merged
	brings map[change.SHA][]change.Number // what GitHub associates with a commit
	pushes []Push
}

func newWorld() *world {
	w := &world{git: git{commits: map[change.SHA]*commit{}}, now: epoch, pulls: map[change.Number]*Merged{}, brings: map[change.SHA][]change.Number{}}
	w.tip = w.commit(files{policyPath: blob("policy"), "README.md": blob("readme"), "base.txt": blob("base")}, alice)
	w.start = w.tip
	return w
}

// pull opens a pull request of the tip, with a commit for each of the changes, and has it decided: satisfied.
func (w *world) pull(changes ...files) *Merged {
	head := w.tip
	for _, c := range changes {
		head = w.commit(w.with(head, c), alice, head)
	}
	n := change.Number(len(w.pulls) + 1)
	w.pulls[n] = &Merged{
		Pull: change.Pull{
			Number: n, Author: alice, State: change.Open, Head: change.Branch{Repository: shop.ID, Name: fmt.Sprintf("topic-%d", n), SHA: head},
			Base: change.Branch{Repository: shop.ID, Name: isMain, SHA: w.tip},
		},
		Decision: &change.Decision{
			Pull: change.PullKey{Repository: shop.ID, Number: n}, Head: head, Base: isMain, BaseTip: w.tip, MergeBase: w.tip, Governed: true,
			Verdict: change.Satisfied, Policy: change.PolicyRef{Source: policyPath, SHA: w.commits[w.tip].tree[policyPath].Blob},
		},
	}
	return w.pulls[n]
}

// own returns a pull request's commits, oldest first.
func (w *world) own(p *Merged) []*commit { return w.between(p.Base.SHA, p.Head.SHA) }

// onto returns the tip's tree with what a pull request changes.
func (w *world) onto(base change.SHA, p *Merged) files {
	return w.with(base, w.changes(w.mergeBase(p.Base.SHA, p.Head.SHA), p.Head.SHA))
}

// landed says that a pull request was merged as a commit.
func (w *world) landed(p *Merged, as change.SHA) {
	w.now = w.now.Add(time.Minute)
	p.State, p.MergeCommit, p.MergedBy, p.MergedAt = change.Merged, as, bob, w.now
	w.brings[as] = append(w.brings[as], p.Number)
	for _, c := range w.own(p) {
		if c.SHA != as {
			w.brings[c.SHA] = append(w.brings[c.SHA], p.Number)
		}
	}
}

// move pushes a new tip.
func (w *world) move(to change.SHA, by change.Account) {
	w.now = w.now.Add(time.Minute)
	w.pushes = append(w.pushes, Push{change.BranchPush{Branch: isMain, Before: w.tip, After: to, By: by, Forced: !w.reach(to)[w.tip], Pushed: w.now}, w.now})
	w.tip = to
}

// method is a way to merge. Altered changes are made to what lands and not decided.
type method func(w *world, p *Merged, altered files)

func (w *world) merge(p *Merged, altered files) {
	as := w.commit(w.with(w.commit(w.onto(w.tip, p), bob), altered), bob, w.tip, p.Head.SHA)
	w.landed(p, as)
	w.move(as, bob)
}

func (w *world) squash(p *Merged, altered files) {
	as := w.commit(w.with(w.commit(w.onto(w.tip, p), bob), altered), bob, w.tip)
	w.landed(p, as)
	w.move(as, bob)
}

func (w *world) rebase(p *Merged, altered files) {
	at := w.tip
	own := w.own(p)
	for i, c := range own {
		tree := w.with(at, w.changes(c.Parents[0], c.SHA))
		if i == len(own)-1 {
			tree = w.with(w.commit(tree, bob), altered)
		}
		at = w.commit(tree, bob, at)
		if i < len(own)-1 {
			w.brings[at] = append(w.brings[at], p.Number)
		}
	}
	w.landed(p, at)
	w.move(at, bob)
}

// forward pushes the pull request's own commits onto the branch, if that has not moved, and merges otherwise.
func (w *world) forward(p *Merged, altered files) {
	if w.tip != p.Base.SHA || len(altered) > 0 {
		w.merge(p, altered)
		return
	}
	w.landed(p, p.Head.SHA)
	w.move(p.Head.SHA, bob)
}

// direct pushes a commit through no pull request.
func (w *world) direct(changes files) {
	w.move(w.commit(w.with(w.tip, changes), carol, w.tip), carol)
}

var methods = map[string]method{"merge": (*world).merge, "squash": (*world).squash, "rebase": (*world).rebase, "forward": (*world).forward}

// judged judges what landed since the start, answering each need.
func (w *world) judged(pushes []Push) ([]change.Exception, []change.SHA) {
	walk := &Walk{
		Repository: shop.ID, Branch: isMain, Now: w.now, PolicyPath: policyPath, Pushes: pushes,
		Pulls: map[change.SHA][]Merged{}, Seen: map[change.View]change.Seen{}, Trees: map[change.SHA]change.Tree{},
		Policies: map[change.SHA]change.SHA{},
	}
	var commits []Commit
	for _, c := range w.between(w.start, w.tip) {
		commits = append(commits, c.Commit)
	}
	walk.Line = change.FirstParents(w.tip, commits, Commit.line)
	for {
		found, unexplained, needs := walk.Judge()
		if needs.IsEmpty() {
			return found, unexplained
		}
		for _, c := range needs.Pulls {
			walk.Pulls[c] = []Merged{}
			for _, n := range w.brings[c] {
				walk.Pulls[c] = append(walk.Pulls[c], *w.pulls[n])
			}
		}
		for _, v := range needs.Seen {
			walk.Seen[v] = w.seen(v)
		}
		for _, l := range needs.Trees {
			tree := change.Tree{Commit: l.Commit, Entries: map[string]change.Entry{}}
			for _, path := range l.Paths {
				tree.Entries[path] = w.commits[l.Commit].tree[path]
			}
			walk.Trees[l.Commit] = tree
		}
		for _, c := range needs.Policies {
			walk.Policies[c] = w.commits[c].tree[policyPath].Blob
		}
	}
}

// status is how GitHub says that two commits relate.
func (g *git) status(base, head change.SHA) github.RangeStatus {
	ahead, behind := g.reach(head)[base], g.reach(base)[head]
	switch {
	case ahead && behind:
		return github.RangeIdentical
	case ahead:
		return github.RangeAhead
	case behind:
		return github.RangeBehind
	default:
		return github.RangeDiverged
	}
}
