package landing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

func TestJudge(t *testing.T) {
	one := files{"a.txt": blob("a1")}
	two := []files{{"a.txt": blob("a1")}, {"b.txt": blob("b1")}}
	type want struct {
		kind  change.ExceptionKind
		pull  change.Number
		by    string
		n     int    // commits
		words string // in what it says
	}
	for _, row := range []struct {
		name string
		land func(w *world)
		want []want
	}{
		{"nothing", func(w *world) {}, nil},
		{"a merge", func(w *world) { w.merge(w.pull(two...), nil) }, nil},
		{"a squash", func(w *world) { w.squash(w.pull(two...), nil) }, nil},
		{"a rebase", func(w *world) { w.rebase(w.pull(two...), nil) }, nil},
		{"a merge on somebody's machine, pushed", func(w *world) { w.forward(w.pull(two...), nil) }, nil},
		{"a rebase that dropped a commit the base had already", func(w *world) {
			p := w.pull(two...)
			w.squash(w.pull(files{"a.txt": blob("a1")}), nil)
			at := w.commit(w.with(w.tip, two[1]), bob, w.tip)
			w.landed(p, at)
			w.move(at, bob)
		}, nil},
		{"what holds all of another one that is not green", func(w *world) {
			p, q := w.pull(two...), w.pull(two[0])
			q.Decision.Verdict = change.Failing
			w.squash(q, nil)
			at := w.commit(w.with(w.tip, two[1]), bob, w.tip)
			w.landed(p, at)
			w.tip, w.pushes = at, nil
		}, []want{{change.MergedWithoutGreen, 2, "bob", 1, "failing"}}},
		{"one on top of another, pushed together", func(w *world) {
			p := w.pull(two[0])
			q := w.pull(two...)
			q.Head.SHA = w.commit(w.with(p.Head.SHA, two[1]), alice, p.Head.SHA)
			q.Decision.Head = q.Head.SHA
			w.landed(p, p.Head.SHA)
			w.landed(q, q.Head.SHA)
			w.move(q.Head.SHA, bob)
		}, nil},
		{"one on top of another that is not green, pushed together", func(w *world) {
			p := w.pull(two[0])
			p.Decision = nil
			q := w.pull(two...)
			q.Head.SHA = w.commit(w.with(p.Head.SHA, two[1]), alice, p.Head.SHA)
			q.Decision.Head = q.Head.SHA
			w.landed(p, p.Head.SHA)
			w.landed(q, q.Head.SHA)
			w.move(q.Head.SHA, bob)
		}, []want{{change.MergedWithoutGreen, 1, "bob", 1, ""}}},
		{"each method on a base that moved in other paths", func(w *world) {
			p, q, r := w.pull(two...), w.pull(files{"c.txt": blob("c1")}, files{"d.txt": blob("d1")}), w.pull(files{"e.txt": blob("e1")})
			w.squash(r, nil)
			w.rebase(p, nil)
			w.merge(q, nil)
		}, nil},
		{"a removed file, and a mode", func(w *world) {
			p := w.pull(files{"README.md": {}, "base.txt": {Mode: change.ModeExecutable, Blob: blob("base").Blob}})
			w.squash(w.pull(files{"z.txt": blob("z")}), nil)
			w.squash(p, nil)
		}, nil},
		{"a queue's group, pushed at once", func(w *world) {
			p, q, r := w.pull(two...), w.pull(files{"c.txt": blob("c1")}), w.pull(files{"d.txt": blob("d1")}, files{"e.txt": blob("e1")})
			at := w.commit(w.onto(w.tip, p), bob, w.tip)
			w.landed(p, at)
			at = w.commit(w.onto(at, q), bob, at, q.Head.SHA)
			w.landed(q, at)
			for _, c := range w.own(r) {
				at = w.commit(w.with(at, w.changes(c.Parents[0], c.SHA)), bob, at)
			}
			w.landed(r, at)
			w.move(at, bob)
		}, nil},
		{"a queue's group of which one is not green", func(w *world) {
			p, q := w.pull(two...), w.pull(files{"c.txt": blob("c1")})
			p.Decision.Verdict = change.Failing
			at := w.commit(w.onto(w.tip, p), bob, w.tip)
			w.landed(p, at)
			at = w.commit(w.onto(at, q), bob, at)
			w.landed(q, at)
			w.move(at, bob)
		}, []want{{change.MergedWithoutGreen, 1, "bob", 1, "failing"}}},
		{"what the policy only observed", func(w *world) {
			p := w.pull(one)
			p.Decision.Verdict, p.Decision.Observing = change.Failing, true
			w.merge(p, nil)
		}, nil},
		{"a yellow check", func(w *world) {
			p := w.pull(two...)
			p.Decision.Verdict = change.Waiting
			p.Decision.Requirements = []change.Requirement{
				{State: change.Awaited, Short: change.Words("1 of 2 approvals")}, {State: change.Met, Short: change.Words("tests")},
				{State: change.Missing, Name: change.Words("Rollback plan")}, {State: change.Owed, Short: change.Words("owed")},
			}
			w.rebase(p, nil)
		}, []want{{change.MergedWithoutGreen, 1, "bob", 2, "1 of 2 approvals · Rollback plan."}}},
		{"merged by one and pushed by another", func(w *world) {
			p := w.pull(one)
			p.Decision = nil
			w.squash(p, nil)
			w.pushes[0].By = carol
		}, []want{{change.MergedWithoutGreen, 1, "bobcarol", 1, ""}}},
		{"merged by nobody knows whom, and when", func(w *world) {
			p := w.pull(one)
			p.Decision = nil
			w.squash(p, nil)
			p.MergedBy, p.MergedAt, w.pushes = change.Account{}, time.Time{}, nil
		}, []want{{change.MergedWithoutGreen, 1, "alice", 1, ""}}},
		{"a pull request that nothing is known of", func(w *world) {
			p := w.pull(one)
			p.Decision = nil
			w.squash(p, nil)
		}, []want{{change.MergedWithoutGreen, 1, "bob", 1, "Pull request #1 was merged into main without a green check: nothing had been decided about it."}}},
		{"another head than was decided", func(w *world) {
			p := w.pull(one)
			p.Head.SHA = w.commit(w.with(p.Head.SHA, two[1]), alice, p.Head.SHA)
			w.merge(p, nil)
		}, []want{{change.MergedWithoutGreen, 1, "bob", 1, "it had been decided at"}}},
		{"decided for another branch", func(w *world) {
			p := w.pull(one)
			p.Decision.Base = "next"
			w.merge(p, nil)
		}, []want{{change.MergedWithoutGreen, 1, "bob", 1, "for another branch, next"}}},
		{"more than was decided in a merge", func(w *world) { w.merge(w.pull(one), files{"evil.txt": blob("e")}) },
			[]want{{change.OtherContent, 1, "bob", 1, "evil.txt"}}},
		{"another blob in a squash", func(w *world) { w.squash(w.pull(one), files{"a.txt": blob("a2")}) },
			[]want{{change.OtherContent, 1, "bob", 1, "a.txt"}}},
		{"another mode in a squash", func(w *world) {
			p := w.pull(one)
			w.squash(w.pull(files{"z.txt": blob("z")}), nil)
			w.squash(p, files{"a.txt": {Mode: change.ModeExecutable, Blob: blob("a1").Blob}})
		}, []want{{change.OtherContent, 1, "bob", 1, "a.txt"}}},
		{"less than was decided", func(w *world) { w.squash(w.pull(two...), files{"b.txt": {}}) },
			[]want{{change.OtherContent, 1, "bob", 1, "b.txt"}}},
		{"more than was decided in a rebase", func(w *world) { w.rebase(w.pull(two...), files{"evil.txt": blob("e")}) },
			[]want{{change.OtherContent, 1, "bob", 2, "evil.txt"}}},
		{"a base that changed the same path", func(w *world) {
			p := w.pull(files{"base.txt": blob("theirs")})
			w.squash(w.pull(files{"base.txt": blob("ours")}), nil)
			w.squash(p, files{"base.txt": blob("both")})
		}, []want{{change.OtherContent, 1, "bob", 1, "base.txt"}}},
		{"a base that changed the same path into the same", func(w *world) {
			p := w.pull(files{"base.txt": blob("same"), "a.txt": blob("a")})
			w.squash(w.pull(files{"base.txt": blob("same")}), nil)
			w.squash(p, nil)
		}, nil},
		{"another policy", func(w *world) {
			p := w.pull(one)
			w.squash(w.pull(files{policyPath: blob("new policy")}), nil)
			w.squash(p, nil)
		}, []want{{change.OtherPolicy, 1, "bob", 1, "the policy had changed"}}},
		{"a policy that came after the decision", func(w *world) {
			p := w.pull(one)
			p.Decision.Policy = change.PolicyRef{Source: "the built-in default"}
			w.squash(p, nil)
		}, []want{{change.OtherPolicy, 1, "bob", 1, "no policy of its own"}}},
		{"a policy that was taken away", func(w *world) {
			p := w.pull(one)
			w.squash(w.pull(files{policyPath: {}}), nil)
			w.squash(p, nil)
		}, []want{{change.OtherPolicy, 1, "bob", 1, "was gone"}}},
		{"no policy before or after", func(w *world) {
			w.squash(w.pull(files{policyPath: {}}), nil)
			p := w.pull(one)
			p.Decision.Policy = change.PolicyRef{Source: "acme/.github/change-policy.yml", SHA: "f1"}
			w.squash(p, nil)
		}, nil},
		{"commits without a pull request", func(w *world) {
			w.direct(files{"x.txt": blob("x")})
			w.direct(files{"y.txt": blob("y")})
		}, []want{{change.NoPullRequest, 0, "carol", 1, "1 commit landed on main without a pull request."}, {change.NoPullRequest, 0, "carol", 1, ""}}},
		{"a commit that nobody knows who pushed", func(w *world) {
			w.direct(one)
			w.pushes[0].By = change.Account{}
		}, []want{{change.NoPullRequest, 0, "carol", 1, ""}}},
		{"a commit made on GitHub that nobody knows who pushed", func(w *world) {
			w.move(w.commit(w.with(w.tip, one), change.Account{ID: 4, Login: "web-flow", Kind: change.KindUser}, w.tip), change.Account{})
		}, []want{{change.NoPullRequest, 0, "", 1, ""}}},
		{"two that were pushed at once", func(w *world) {
			w.move(w.commit(w.with(w.tip, two[1]), alice, w.commit(w.with(w.tip, one), alice, w.tip)), carol)
		}, []want{{change.NoPullRequest, 0, "carol", 2, "2 commits"}}},
		{"a merge of a branch that has no pull request", func(w *world) {
			side := w.commit(w.with(w.tip, one), alice, w.tip)
			w.move(w.commit(w.with(side, nil), carol, w.tip, side), carol)
		}, []want{{change.NoPullRequest, 0, "carol", 1, ""}}},
		{"between two that are as decided", func(w *world) {
			p, q := w.pull(two...), w.pull(files{"c.txt": blob("c")}, files{"d.txt": blob("d")})
			w.squash(p, nil)
			w.direct(files{"x.txt": blob("x")})
			w.rebase(q, nil)
		}, []want{{change.NoPullRequest, 0, "carol", 1, ""}}},
		{"a part of a pull request that was pushed before it was squashed", func(w *world) {
			p := w.pull(two...)
			w.direct(two[0])
			w.squash(p, nil)
		}, []want{{change.NoPullRequest, 0, "carol", 1, ""}}},
		{"a commit of a pull request into another branch", func(w *world) {
			w.direct(one)
			w.brings[w.tip] = nil // the shell leaves out what was merged into another branch
		}, []want{{change.NoPullRequest, 0, "carol", 1, ""}}},
		{"the former side first", func(w *world) {
			side := w.commit(w.with(w.tip, one), carol, w.tip)
			w.squash(w.pull(files{"c.txt": blob("c")}), nil)
			w.move(w.commit(w.with(w.tip, one), carol, side, w.tip), carol)
		}, []want{{change.NoPullRequest, 0, "carol", 2, ""}}},
		{"a head that GitHub has lost", func(w *world) {
			p := w.pull(one)
			w.squash(p, nil)
			delete(w.commits, p.Head.SHA)
		}, []want{{change.OtherContent, 1, "bob", 1, "GitHub does not have both"}}},
		{"each method without a green check, where GitHub does not name the commit", func(w *world) {
			p := w.pull(two...)
			w.merge(p, nil)
			q := w.pull(files{"c.txt": blob("c")}, files{"d.txt": blob("d")})
			w.forward(q, nil)
			for _, p := range []*Merged{p, q} {
				p.MergeCommit, p.Decision.Verdict = "", change.Failing
			}
		}, []want{{change.MergedWithoutGreen, 1, "bob", 1, "failing"}, {change.MergedWithoutGreen, 2, "bob", 2, "failing"}}},
		{"a commit before more than was decided in a rebase", func(w *world) {
			p := w.pull(two...)
			w.direct(files{"x.txt": blob("x")})
			w.rebase(p, files{"evil.txt": blob("e")})
		}, []want{{change.NoPullRequest, 0, "carol", 1, ""}, {change.OtherContent, 1, "bob", 2, "evil.txt"}}},
		{"two pull requests with one head of which one is as decided", func(w *world) {
			p, q := w.pull(one), w.pull(one)
			q.Head.SHA, q.Decision = p.Head.SHA, nil
			w.merge(p, nil)
			w.landed(q, w.tip)
			slices.Reverse(w.brings[w.tip])
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld()
			row.land(w)
			found, _ := w.judged(w.pushes)
			if len(found) != len(row.want) {
				t.Fatalf("found %s, want %d", show(found), len(row.want))
			}
			keys := map[string]bool{}
			for i, want := range row.want {
				e := found[i]
				by := ""
				for _, a := range e.By {
					by += a.Login
				}
				if e.Kind != want.kind || e.Number != want.pull || by != want.by || len(e.Commits) != want.n || !strings.Contains(e.What.String(), want.words) {
					t.Errorf("found %s by %q with %d commits, want %+v", show(found[i:i+1]), by, len(e.Commits), want)
				}
				if e.Key == "" || keys[e.Key] || e.At.IsZero() || e.Branch != isMain || e.Repository != shop.ID || e.Before == "" || e.After == "" {
					t.Errorf("incomplete: %+v", e)
				}
				if len(e.Commits) > 0 && e.Before != w.commits[e.Commits[0]].onto() {
					t.Errorf("before its %d commits was not %s", len(e.Commits), e.Before)
				}
				keys[e.Key] = true
				pushed := slices.ContainsFunc(w.pushes, func(p Push) bool { return p.At.Equal(e.At) })
				if p := w.pulls[e.Number]; p != nil && !p.MergedAt.IsZero() && !e.At.Equal(p.MergedAt) || p == nil && !pushed {
					t.Errorf("it was at %v, which is neither a merge nor a push", e.At)
				}
			}
			again, _ := w.judged(w.pushes)
			if fmt.Sprint(found) != fmt.Sprint(again) {
				t.Errorf("judged again it is %s", show(again))
			}
		})
	}
}

// TestTouched: what a rename takes away is touched as well, and what a copy is made of is not.
func TestTouched(t *testing.T) {
	got := touched(change.Seen{Files: []change.File{
		{Path: "z", Status: change.FileRenamed, PreviousPath: "y"}, {Path: "c", Status: change.FileModified, PreviousPath: "d"}, {Path: "a", Status: change.FileRenamed},
		{Path: "b", Status: change.FileAdded},
	}})
	if want := []string{"a", "b", "c", "y", "z"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestKeysDiffer: an exception under the key of another one would be taken for it, and be asked about by nobody.
func TestKeysDiffer(t *testing.T) {
	keys := map[string]bool{}
	for _, kind := range []change.ExceptionKind{change.NoPullRequest, change.ForcedUpdate} {
		for _, repo := range []change.RepositoryID{7, 8} {
			for _, branch := range []string{"main", "next"} {
				keys[keyOf(kind, repo, branch, "a")] = true
				keys[keyOf(kind, repo, branch, "a", 1)] = true
			}
		}
	}
	if len(keys) != 16 {
		t.Errorf("16 exceptions have %d keys", len(keys))
	}
}

func show(found []change.Exception) string {
	var b strings.Builder
	for _, e := range found {
		fmt.Fprintf(&b, "[%s: %s]", e.Kind, e.What)
	}
	return b.String()
}

// TestWhoPushedUnknown has whoever made the commits not explain them, where nobody knows who pushed.
func TestWhoPushedUnknown(t *testing.T) {
	w := newWorld()
	w.direct(files{"x.txt": blob("x")})
	w.tip = w.commit(w.with(w.tip, files{"y.txt": blob("y")}), bob, w.tip)
	found, unexplained := w.judged(nil)
	if len(found) != 1 || fmt.Sprint(found[0].By) != fmt.Sprint([]change.Account{carol, bob}) || len(unexplained) != 2 {
		t.Errorf("%s by %v, %v", show(found), found[0].By, unexplained)
	}
}

// TestLimitsOfGitHub has what cannot be compared be an exception, unless it is plain that it is the same.
func TestLimitsOfGitHub(t *testing.T) {
	w := newWorld()
	p := w.pull(files{"a.txt": blob("a")})
	base := p.Base.SHA
	w.squash(p, nil)
	j := &judge{Walk: &Walk{Line: []Commit{w.commits[w.tip].Commit}, Trees: map[change.SHA]change.Tree{}}}
	decided := w.seen(change.View{Head: p.Head.SHA, Base: base})
	landed := w.seen(change.View{Head: w.tip, Base: base})
	regular, other := change.Tree{Entries: w.commits[w.tip].tree}, change.Tree{Entries: files{"a.txt": blob("other")}}
	for _, row := range []struct {
		name   string
		change func(decided, landed *change.Seen)
		trees  [2]change.Tree // what landed, and what was decided
		want   sameness
	}{
		{"equal trees on one base, cut as they are", func(decided, landed *change.Seen) { decided.FilesCut, landed.FilesCut = true, true }, [2]change.Tree{}, sameContent},
		{"equal trees on another base, cut as they are", func(decided, landed *change.Seen) {
			decided.FilesCut, landed.FilesCut, landed.MergeBase = true, true, "another"
		}, [2]change.Tree{}, tooLarge},
		{"what was decided is cut", func(decided, _ *change.Seen) { decided.Tree, decided.FilesCut = "other", true }, [2]change.Tree{regular, regular}, tooLarge},
		{"what landed is cut", func(decided, landed *change.Seen) { decided.Tree, landed.FilesCut = "other", true }, [2]change.Tree{regular, regular}, tooLarge},
		{"what was decided is gone", func(decided, _ *change.Seen) { decided.Tree, decided.Gone = "", true }, [2]change.Tree{regular, regular}, lost},
		{"what landed is gone", func(_, landed *change.Seen) { *landed = change.Seen{View: landed.View, Gone: true} }, [2]change.Tree{regular, regular}, lost},
		{"trees of which GitHub does not tell", func(decided, landed *change.Seen) { decided.Tree, landed.Tree = "", "" }, [2]change.Tree{other, regular}, otherContent},
		{"both trees are cut", func(decided, _ *change.Seen) { decided.Tree = "other" }, [2]change.Tree{{Cut: true}, {Cut: true}}, tooLarge},
		{"the tree of what landed is cut", func(decided, _ *change.Seen) { decided.Tree = "other" }, [2]change.Tree{{Cut: true}, regular}, tooLarge},
		{"the tree of what was decided is cut", func(decided, _ *change.Seen) { decided.Tree = "other" }, [2]change.Tree{regular, {Cut: true}}, tooLarge},
	} {
		decided, landed := decided, landed
		row.change(&decided, &landed)
		j.Seen = map[change.View]change.Seen{landed.View: landed}
		j.Trees = map[change.SHA]change.Tree{w.tip: row.trees[0], p.Head.SHA: row.trees[1]}
		if same, _, needs := j.compare(0, 0, decided); same != row.want || !needs.IsEmpty() {
			t.Errorf("%s: %v, %+v; want %v", row.name, same, needs, row.want)
		}
	}
	j.Line[0].Parents = nil
	if same, _, needs := j.compare(0, 0, decided); same != lost || !needs.IsEmpty() {
		t.Errorf("what began a history of its own: %v, %+v; want %v", same, needs, lost)
	}
}

// TestDecidedView: a decision says what its own head was compared with, and nothing about another one.
func TestDecidedView(t *testing.T) {
	pull := change.Pull{Head: change.Branch{SHA: "head"}, Base: change.Branch{SHA: "noted"}}
	for _, row := range []struct {
		name     string
		decision *change.Decision
		want     change.SHA
	}{
		{"of this head", &change.Decision{Head: "head", MergeBase: "decided"}, "decided"},
		{"of another head", &change.Decision{Head: "former", MergeBase: "decided"}, "noted"},
		{"without a merge base", &change.Decision{Head: "head"}, "noted"},
		{"none", nil, "noted"},
	} {
		if got, want := decidedView(Merged{pull, row.decision}), (change.View{Head: "head", Base: row.want}); got != want {
			t.Errorf("a decision %s: %+v, want %+v", row.name, got, want)
		}
	}
}

// TestLandings has random pull requests land as they were decided, by any method, on a base that moves in other paths meanwhile: there is no
// exception. Then something lands that was not decided so: there is one.
func TestLandings(t *testing.T) {
	names := slices.Sorted(maps.Keys(methods))
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		var open []*Merged
		path := 0
		fresh := func() files {
			path++
			return files{fmt.Sprintf("dir/%d.txt", path): blob(fmt.Sprint(path))}
		}
		begin := func() {
			var changes []files
			for range rapid.IntRange(1, 4).Draw(t, "commits") {
				changes = append(changes, fresh())
			}
			open = append(open, w.pull(changes...))
		}
		land := func(altered files) {
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			name := rapid.SampledFrom(names).Draw(t, "method")
			methods[name](w, open[i], altered)
			open = slices.Delete(open, i, i+1)
		}
		steps := func() {
			for range rapid.IntRange(1, 8).Draw(t, "steps") {
				if len(open) == 0 || len(open) < 4 && rapid.Bool().Draw(t, "opens") {
					begin()
					continue
				}
				land(nil)
			}
		}
		pushes := func() []Push {
			if rapid.Bool().Draw(t, "told") {
				return w.pushes
			}
			return nil
		}
		steps()
		if found, unexplained := w.judged(pushes()); len(found)+len(unexplained) > 0 {
			t.Fatalf("as decided, and found %s %v", show(found), unexplained)
		}
		if len(open) == 0 {
			begin()
		}
		injected := rapid.SampledFrom([]string{"direct", "more", "altered", "part before"}).Draw(t, "injected")
		switch injected {
		case "direct":
			w.direct(fresh())
		case "more":
			land(fresh())
		case "part before":
			w.direct(w.changes(open[0].Base.SHA, w.own(open[0])[0].SHA))
			land(nil)
		case "altered":
			diff := w.changes(open[0].Base.SHA, open[0].Head.SHA)
			touched := slices.Sorted(maps.Keys(diff))
			at := rapid.SampledFrom(touched).Draw(t, "path")
			altered := blob("altered")
			if rapid.Bool().Draw(t, "only the mode") {
				altered = change.Entry{Mode: change.ModeExecutable, Blob: diff[at].Blob}
			}
			open = open[:1]
			land(files{at: altered})
		}
		steps()
		told := w.pushes // without which a part that was pushed before looks like a rebase
		if injected != "part before" {
			told = pushes()
		}
		if found, _ := w.judged(told); len(found) == 0 {
			t.Fatal("something landed that was not decided, and nothing was found")
		}
	})
}

func TestMoved(t *testing.T) {
	push := func(before, after change.SHA, forced bool) Push {
		return Push{change.BranchPush{Before: before, After: after, By: carol, Forced: forced}, epoch}
	}
	for _, row := range []struct {
		name  string
		moved Moved
		want  []change.ExceptionKind
		by    int
	}{
		{"ahead", Moved{Known: "a", Tip: "b", Kept: true, Pushes: []Push{push("a", "b", false)}}, nil, 0},
		{"seen for the first time", Moved{Tip: "b", Kept: true}, nil, 0},
		{"diverged, and nobody told", Moved{Known: "a", Tip: "b"}, []change.ExceptionKind{change.ForcedUpdate}, 0},
		{"looked at anew, with a past", Moved{Known: "a", Tip: "c", Kept: true, Anew: true, Activity: []Push{push("a", "b", true), push("b", "c", false)}}, nil, 0},
		{"a forced push", Moved{Known: "a", Tip: "b", Pushes: []Push{push("a", "b", true)}}, []change.ExceptionKind{change.ForcedUpdate}, 1},
		{"forced away and back", Moved{Known: "a", Tip: "a", Kept: true, Pushes: []Push{push("a", "b", true), push("b", "a", true)}},
			[]change.ExceptionKind{change.ForcedUpdate, change.ForcedUpdate}, 2},
		{"deleted, as told", Moved{Known: "a", Pushes: []Push{push("a", "", false)}}, []change.ExceptionKind{change.BranchDeleted}, 1},
		{"gone, and nobody told", Moved{Known: "a"}, []change.ExceptionKind{change.BranchDeleted}, 0},
		{"gone still", Moved{Known: "a", Deleted: true}, nil, 0},
		{"deleted and made again", Moved{Known: "a", Tip: "b", Kept: true, Pushes: []Push{push("a", "", false), push("", "b", false)}},
			[]change.ExceptionKind{change.BranchDeleted}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.moved.Repository, row.moved.Branch, row.moved.Now = shop.ID, isMain, epoch
			found, _ := row.moved.Judge()
			by := 0
			var kinds []change.ExceptionKind
			for _, e := range found {
				kinds, by = append(kinds, e.Kind), by+len(e.By)
			}
			if !slices.Equal(kinds, row.want) || by != row.by {
				t.Errorf("found %s by %d people, want %v by %d", show(found), by, row.want, row.by)
			}
		})
	}
}

// TestOneMoveOnce has a move be one exception however often and in whatever order it is found and told of, and the same move at another time be
// another one.
func TestOneMoveOnce(t *testing.T) {
	push := func(after change.SHA, minutes int) Push {
		return Push{change.BranchPush{Before: "a", After: after, Forced: after != ""}, epoch.Add(time.Duration(minutes) * time.Minute)}
	}
	for _, after := range []change.SHA{"", "b"} {
		gone := Moved{Known: "a", Tip: after, Now: epoch}
		found, untold := gone.Judge()
		if len(found) != 1 || len(untold) != 1 {
			t.Fatalf("found %s, %v", show(found), untold)
		}
		keys := map[string]bool{found[0].Key: true}
		late := Moved{Known: after, Tip: after, Kept: true, Deleted: after == "", Pushes: []Push{push(after, 1)}, Untold: untold}
		for range 2 { // the second time is a walk that is done in parts
			if found, late.Untold = late.Judge(); len(found) != 0 {
				t.Errorf("told of late, it is found again: %s", show(found))
			}
		}
		again := Moved{Known: after, Tip: after, Kept: true, Deleted: after == "", Pushes: []Push{push(after, 2), push(after, 3)}, Untold: late.Untold}
		if found, _ = again.Judge(); len(found) != 2 {
			t.Fatalf("done again twice: %s", show(found))
		}
		for _, e := range found {
			keys[e.Key] = true
		}
		same, _ := again.Judge()
		for _, e := range same {
			keys[e.Key] = true
		}
		if len(keys) != 3 {
			t.Errorf("three moves have the keys %v", keys)
		}
	}
}
