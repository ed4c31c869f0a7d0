package landing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

func jsonInto(text []byte, v any) error { return json.Unmarshal(text, v) }

// started returns a rig whose main was looked at before.
func started(t *testing.T) *rig {
	r := newRig(t)
	r.told()
	return r
}

func (r *rig) known() change.SHA {
	r.t.Helper()
	return r.stateOf(isMain).Known
}

func (r *rig) stateOf(branch string) (s branchState) {
	r.t.Helper()
	w, err := r.store.BeginErrand(r.t.Context(), onBranch(branch))
	r.must(err)
	if w.State != nil {
		r.must(json.Unmarshal(w.State, &s))
	}
	return s
}

func (r *rig) want(kinds ...change.ExceptionKind) {
	r.t.Helper()
	if got := r.kinds(); !slices.Equal(got, kinds) {
		r.t.Errorf("found %q, want %q", got, kinds)
	}
	if n := len(r.errands(change.ErrandException)); n != len(kinds) {
		r.t.Errorf("%d exceptions were raised, want %d", n, len(kinds))
	}
}

func TestAsDecided(t *testing.T) {
	r := started(t)
	for name, land := range methods {
		p := r.pull(files{name + ".txt": blob(name)}, files{name + "2.txt": blob(name)})
		r.decide(p)
		land(r.world, p, nil)
	}
	r.told()
	r.want()
	if r.known() != r.tip {
		t.Error("the walk did not come to the tip")
	}
	r.calls = nil
	r.told()
	if fmt.Sprint(r.calls) != "[tip]" {
		t.Errorf("a sweep that finds nothing new calls %v", r.calls)
	}
}

// TestTheDecisionOfThatTime has a decision that came after the merge change nothing.
func TestTheDecisionOfThatTime(t *testing.T) {
	r := started(t)
	p := r.pull(files{"a.txt": blob("a")})
	p.Decision.Verdict = change.Waiting
	r.decide(p)
	r.squash(p, nil)
	r.now = r.now.Add(time.Minute)
	p.Decision.Verdict = change.Satisfied
	r.decide(p)
	q := r.pull(files{"b.txt": blob("b")})
	r.decide(q)
	r.squash(q, nil)
	r.now = r.now.Add(time.Minute)
	q.Decision.Verdict = change.Failing
	r.decide(q)
	r.told()
	r.want(change.MergedWithoutGreen)
	if e := r.found()[0]; e.Number != p.Number || fmt.Sprint(e.By) != fmt.Sprint([]change.Account{bob}) {
		t.Errorf("found %+v", e)
	}
}

func TestUndecided(t *testing.T) {
	r := started(t)
	r.squash(r.pull(files{"a.txt": blob("a")}), nil) // nothing is known of it here
	r.told()
	r.want(change.MergedWithoutGreen)
}

// TestDeploymentsAreToldOfWhatNobodyHeardOf has the repository's deployments told of a merge of which no delivery told, and of no other.
func TestDeploymentsAreToldOfWhatNobodyHeardOf(t *testing.T) {
	r := started(t)
	p := r.pull(files{"a.txt": blob("a")})
	r.decide(p)
	r.squash(p, nil)
	r.told()
	if n := len(r.errands(change.ErrandDeployments)); n != 0 {
		t.Errorf("deployments were raised %d times for what deliveries told", n)
	}
	q := r.pull(files{"b.txt": blob("b")})
	r.squash(q, nil)
	r.told()
	raised := r.errands(change.ErrandDeployments)
	if len(raised) != 1 || raised[0].Errand.Name != change.DeploymentsName {
		t.Fatalf("raised %v, want deployments", raised)
	}
	w, err := r.store.BeginErrand(t.Context(), raised[0].Errand)
	r.must(err)
	var note change.ReleaseNote
	if len(w.Notes) == 1 {
		r.must(json.Unmarshal(w.Notes[0].Body, &note))
	}
	if l := note.Landed; l == nil || l.Number != q.Number || l.Commit != r.tip || l.Branch != isMain {
		t.Errorf("told %+v, want that %d became %s", w.Notes, q.Number, r.tip)
	}
}

// TestGitHubHasTime has a commit be held back until GitHub had time to say which pull request it came through.
func TestGitHubHasTime(t *testing.T) {
	r := started(t)
	before := r.known()
	p := r.pull(files{"a.txt": blob("a")})
	r.decide(p)
	r.squash(p, nil)
	brings := r.brings
	r.brings = map[change.SHA][]change.Number{}
	if result := r.told(); result.RecheckAt.IsZero() || r.known() != before {
		t.Errorf("it did not wait: %+v", result)
	}
	r.brings = brings
	r.told()
	r.want()
	if r.known() != r.tip {
		t.Error("the walk did not come to the tip")
	}

	r.direct(files{"x.txt": blob("x")})
	r.told()
	r.want()
	r.now = r.now.Add(defaultPatience)
	r.told()
	r.want(change.NoPullRequest)
	if e := r.found()[0]; len(e.By) != 1 || e.By[0].ID != carol.ID {
		t.Errorf("pushed by %v", e.By)
	}
}

// stillMissing looks at a branch again when GitHub has missed commits of it for long enough.
func (r *rig) stillMissing(branch string) {
	r.t.Helper()
	r.want()
	for range 2 { // a look in between does not begin the time anew
		r.now = r.now.Add(change.MissedFor / 2)
		r.branch(branch)
	}
}

// TestCommitsAreNotFoundOnce has commits that GitHub fails to find for a moment be taken neither for gone nor for another history.
func TestCommitsAreNotFoundOnce(t *testing.T) {
	const release = "release/1"
	for _, row := range []struct {
		name string
		land func(r *rig) (branch string, missing change.SHA, notes []change.Note)
		want []change.ExceptionKind
	}{
		{"the last commit known", func(r *rig) (string, change.SHA, []change.Note) {
			known := r.tip
			r.direct(files{"x.txt": blob("x")})
			r.pushes = nil
			return isMain, known, nil
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"what was decided", func(r *rig) (string, change.SHA, []change.Note) {
			p := r.pull(files{"a.txt": blob("a")})
			r.decide(p)
			r.squash(p, nil)
			r.pushes = nil
			return isMain, p.Head.SHA, nil
		}, nil},
		{"where another branch began", func(r *rig) (string, change.SHA, []change.Note) {
			known := r.tip
			r.branches[release] = r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			r.tip = r.commit(r.with(r.tip, files{"y.txt": blob("y")}), carol, r.tip)
			push := change.BranchPush{Branch: release, After: r.branches[release], By: carol}
			return release, known, []change.Note{change.NewNote("push", epoch, push)}
		}, []change.ExceptionKind{change.NoPullRequest}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := started(t)
			r.Patience = -1
			branch, missing, notes := row.land(r)
			c := r.commits[missing]
			delete(r.commits, missing)
			if result := r.branch(branch, notes...); !result.RecheckAt.Equal(r.now.Add(change.MissedFor)) {
				t.Errorf("looked at again %v", result.RecheckAt)
			}
			r.want()
			r.commits[missing], r.now = c, r.now.Add(change.MissedFor)
			r.branch(branch)
			r.want(row.want...)
			if s := r.stateOf(branch); !s.Missed.IsZero() || s.Known != cmp.Or(r.branches[branch], r.tip) {
				t.Errorf("then %+v", s)
			}
		})
	}
}

// TestEachCommitHasTime has a commit that came while GitHub was given time for another one be given as much, and the other one be found in time.
func TestEachCommitHasTime(t *testing.T) {
	r := started(t)
	r.Settle = time.Second
	r.direct(files{"x.txt": blob("x")})
	direct, due := r.tip, r.now.Add(defaultPatience)
	r.now = r.now.Add(time.Second)
	if result := r.told(); !result.RecheckAt.Equal(due.Add(time.Second)) {
		t.Errorf("%+v", result)
	}
	p := r.pull(files{"a.txt": blob("a")})
	r.decide(p)
	r.now = due
	r.squash(p, nil) // a minute later
	brings := r.brings
	r.brings = map[change.SHA][]change.Number{}
	r.now = r.now.Add(time.Second)
	if result := r.told(); !result.RecheckAt.Equal(r.now.Add(defaultPatience)) || r.known() != direct {
		t.Errorf("%+v, known %s", result, r.known())
	}
	r.want(change.NoPullRequest)
	w, err := r.store.BeginErrand(t.Context(), onBranch(isMain))
	r.must(err)
	if len(w.Notes) != 1 {
		t.Errorf("%d notes are left, want that of the merge", len(w.Notes))
	}

	r.brings = brings
	r.now = r.now.Add(defaultPatience)
	r.told()
	r.want(change.NoPullRequest)
	if s := r.stateOf(isMain); s.Known != r.tip || len(s.Waits) > 0 {
		t.Errorf("the walk did not come to the tip: %+v", s)
	}
}

func TestActivityTellsWhoPushed(t *testing.T) {
	r := started(t)
	r.Patience = time.Nanosecond
	before := r.tip
	r.direct(files{"x.txt": blob("x")})
	r.pushes = nil
	r.activity = []change.Push{{Before: before, After: r.tip, By: bob, At: r.now}}
	r.told()
	r.now = r.now.Add(time.Second)
	r.told()
	r.want(change.NoPullRequest)
	if e := r.found()[0]; len(e.By) != 1 || e.By[0].ID != bob.ID {
		t.Errorf("pushed by %v", e.By)
	}
}

func TestForcedAndDeleted(t *testing.T) {
	r := started(t)
	r.Patience = time.Nanosecond
	start := r.tip
	p := r.pull(files{"a.txt": blob("a")})
	r.decide(p)
	r.squash(p, nil)
	r.told()
	r.move(r.commit(r.with(start, files{"x.txt": blob("x")}), carol, start), carol)
	r.told()
	r.now = r.now.Add(time.Second)
	r.told()
	r.want(change.ForcedUpdate, change.NoPullRequest)

	r.move(start, carol) // behind
	r.pushes = nil
	r.told()
	r.want(change.ForcedUpdate, change.NoPullRequest, change.ForcedUpdate)

	name := "release/1"
	r.branches[name] = r.tip
	r.branch(name)
	delete(r.branches, name)
	r.branch(name)
	r.branch(name)
	if s := r.stateOf(name); !s.Deleted || s.Known != r.tip || len(r.found()) != 4 {
		t.Errorf("deleted: %+v, %v", s, r.kinds())
	}
	r.branches[name] = r.commit(r.with(r.tip, files{"y.txt": blob("y")}), carol, r.tip)
	r.branch(name)
	r.now = r.now.Add(time.Second)
	r.branch(name)
	want := []change.ExceptionKind{change.ForcedUpdate, change.NoPullRequest, change.ForcedUpdate, change.BranchDeleted, change.NoPullRequest}
	r.want(want...)
	if s := r.stateOf(name); s.Deleted {
		t.Error("it is there again")
	}
}

// TestTheSameOnceMore has what is done a second time, in the same way, be another exception, however it becomes known.
func TestTheSameOnceMore(t *testing.T) {
	name := "release/1"
	r := newRig(t)
	r.Patience = -1
	n := 0
	told := func(before, after change.SHA, forced bool) {
		n++
		if r.branches[name] = after; after == "" {
			delete(r.branches, name)
		}
		r.now = r.now.Add(time.Minute)
		push := change.BranchPush{Branch: name, Before: before, After: after, By: carol, Forced: forced, Pushed: r.now}
		r.branch(name, change.NewNote(fmt.Sprint("push ", n), r.now, push))
	}
	a := r.tip
	b := r.commit(r.with(a, files{"x.txt": blob("x")}), carol, a)
	r.branches[name] = a
	r.branch(name)
	var want []change.ExceptionKind
	for range 2 {
		told(a, b, false)
		told(b, a, true)
		told(a, "", false)
		told("", a, false)
		want = append(want, change.NoPullRequest, change.ForcedUpdate, change.BranchDeleted)
		r.want(want...)
	}

	for range 2 {
		delete(r.branches, name)
		r.now = r.now.Add(time.Minute)
		r.branch(name) // a sweep comes before the delivery
		told(a, "", false)
		told("", a, false)
		want = append(want, change.BranchDeleted)
		r.want(want...)
	}
}

func TestTheDefaultBranchIsNotShown(t *testing.T) {
	r := started(t)
	r.direct(files{"x.txt": blob("x")})
	r.branches[isMain] = ""
	if result := r.told(); result.RecheckAt.IsZero() || r.stateOf(isMain).Deleted {
		t.Errorf("taken for deleted: %+v", result)
	}
	r.want()
	// It was renamed, for all that a delivery tells.
	r.branch(isMain, change.NewNote("deleted", r.now, change.BranchPush{Branch: isMain, Before: r.tip, By: carol, Pushed: r.now}))
	r.want(change.BranchDeleted)
}

// TestAGitHubThatComparesNothing has what landed stay unknown, however long that lasts.
func TestAGitHubThatComparesNothing(t *testing.T) {
	r := started(t)
	known := r.known()
	r.direct(files{"x.txt": blob("x")})
	r.lacking = true
	for range 3 {
		if result := r.told(); !result.RecheckAt.Equal(r.now.Add(retryHiddenRepository)) || r.known() != known {
			t.Errorf("%+v, known %s", result, r.known())
		}
		r.now = r.now.Add(change.MissedFor)
	}
	r.want()
	r.Patience, r.lacking = -1, false
	r.told()
	r.want(change.NoPullRequest)
}

// TestWhatIsSettled: a branch is looked at again for each single thing that happened to it, or was left over.
func TestWhatIsSettled(t *testing.T) {
	for name, differ := range map[string]func(*branchState, *Moved){
		"it went on":                       func(_ *branchState, m *Moved) { m.Tip = "b" },
		"it was moved away and back":       func(_ *branchState, m *Moved) { m.Pushes = []Push{{}} },
		"it is there again":                func(s *branchState, _ *Moved) { s.Deleted = true },
		"it is the default one by now":     func(s *branchState, _ *Moved) { s.Default = false },
		"what landed last may go on":       func(s *branchState, _ *Moved) { s.Open = &change.Exception{} },
		"GitHub did not find commits once": func(s *branchState, _ *Moved) { s.Missed = epoch },
	} {
		state, moved := branchState{Known: "a", Default: true}, Moved{Tip: "a"}
		if !state.isSettled(&moved, true) {
			t.Fatal("nothing happened, and it is looked at")
		}
		if differ(&state, &moved); state.isSettled(&moved, true) {
			t.Errorf("%s, and it is not looked at", name)
		}
	}
}

// TestWhatCannotBeReadBack: what is remembered and cannot be read is not taken for nothing, with which a walk would begin at the tip.
func TestWhatCannotBeReadBack(t *testing.T) {
	for _, e := range []change.Errand{
		onBranch(isMain), errandOf(pushed), {Kind: change.ErrandProtection, Repository: shop.ID, Name: isMain},
	} {
		look := func(r *rig) error {
			_, err := map[change.ErrandKind]func(context.Context, change.Errand) (queue.Result, error){
				change.ErrandBranch: r.Branch, change.ErrandException: r.Exception, change.ErrandProtection: r.Protection,
			}[e.Kind](t.Context(), e)
			return err
		}
		r := started(t)
		r.raise(e)
		r.must(r.store.Write(t.Context(), func(tx store.Tx) error {
			return r.store.SaveErrand(t.Context(), tx, e, store.ErrandSave{State: "no object"})
		}))
		if err := look(r); err == nil {
			t.Errorf("%s: its state cannot be read, and it goes on", e)
		}
		if e.Kind == change.ErrandProtection {
			continue // nothing is left for it
		}
		r = started(t)
		r.raise(e, change.NewNote("n", r.now, "no object"))
		if err := look(r); err == nil {
			t.Errorf("%s: a note cannot be read, and it goes on", e)
		}
	}
}

func TestWhatGitHubRefusesIsReadAgainLater(t *testing.T) {
	r := started(t)
	r.policies.refused = &github.Forbidden{} // the repository is blocked
	later := r.now.Add(retryHiddenRepository)
	if result := r.told(); !result.RecheckAt.Equal(later) {
		t.Errorf("the branch: %+v", result)
	}
	e := change.Errand{Kind: change.ErrandProtection, Repository: shop.ID, Name: isMain}
	r.raise(e)
	if result, err := r.Protection(t.Context(), e); err != nil || !result.RecheckAt.Equal(later) {
		t.Errorf("its protection: %+v, %v", result, err)
	}
}

// TestARepositoryThatIsBlockedIsReadAgainLater has GitHub refuse what is read afresh, while the policy is held.
func TestARepositoryThatIsBlockedIsReadAgainLater(t *testing.T) {
	for _, refusal := range []error{&github.Forbidden{}, &github.Rejected{Status: 451}} {
		r := started(t)
		r.must(r.explainable())
		r.direct(files{"x.txt": blob("x")})
		r.blocked = refusal
		later := r.now.Add(retryHiddenRepository)
		if result := r.told(); !result.RecheckAt.Equal(later) {
			t.Errorf("the branch: %+v", result)
		}
		if result := r.branch("release/2", change.NewNote("n", r.now, change.BranchPush{Branch: "release/2"})); !result.RecheckAt.Equal(later) {
			t.Errorf("another branch: %+v", result)
		}
		e := change.Errand{Kind: change.ErrandProtection, Repository: shop.ID, Name: isMain}
		r.raise(e)
		if result, err := r.Protection(t.Context(), e); err != nil || !result.RecheckAt.Equal(later) {
			t.Errorf("its protection: %+v, %v", result, err)
		}
		if result, err := r.Exception(t.Context(), errandOf(pushed)); err != nil || !result.RecheckAt.Equal(later) {
			t.Errorf("an exception: %+v, %v", result, err)
		}
		if r.blocked = nil; !r.told().RecheckAt.IsZero() && r.known() == r.tip {
			t.Error("it is not looked at again")
		}
	}
}

func TestWhereAWalkBegins(t *testing.T) {
	push := func(before, after change.SHA) change.Note {
		return change.NewNote("push "+string(after), epoch, change.BranchPush{Branch: "x", Before: before, After: after, By: carol})
	}
	release := "release/1"
	for _, row := range []struct {
		name string
		look func(r *rig)
		want []change.ExceptionKind
	}{
		{"the sweep takes what is there", func(r *rig) {
			r.direct(files{"x.txt": blob("x")})
			r.pushes = nil
			r.told()
		}, nil},
		{"a push told of judges what it brought", func(r *rig) {
			r.direct(files{"x.txt": blob("x")})
			r.told()
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"a new branch is judged from what it has in common with the default one", func(r *rig) {
			r.branches[release] = r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			r.branch(release, push("", r.branches[release]))
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"pushes that were told of in another order", func(r *rig) {
			r.direct(files{"x.txt": blob("x")})
			r.direct(files{"y.txt": blob("y")})
			slices.Reverse(r.pushes)
			for i := range r.pushes {
				r.pushes[i].At = epoch.Add(time.Duration(i) * time.Second) // when that was
			}
			r.told()
		}, []change.ExceptionKind{change.NoPullRequest, change.NoPullRequest}},
		{"a new branch that was pushed to, which was told of first", func(r *rig) {
			made := r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			r.branches[release] = r.commit(r.with(made, files{"y.txt": blob("y")}), carol, made)
			r.branch(release, push(made, r.branches[release]), push("", made))
		}, []change.ExceptionKind{change.NoPullRequest, change.NoPullRequest}},
		{"pushes in a circle", func(r *rig) {
			made := r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			back := push(made, r.tip)
			r.branches[release] = r.tip
			r.branch(release, push(r.tip, made), back)
		}, nil},
		{"a new branch at a commit of the default one", func(r *rig) {
			r.branches[release] = r.tip
			r.branch(release, push("", r.tip))
		}, nil},
		{"a new branch with a history of its own", func(r *rig) {
			r.branches[release] = r.commit(files{"x.txt": blob("x")}, carol)
			r.branch(release, push("", r.branches[release]))
			r.stillMissing(release)
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"a new branch with a history of its own, which would only observe", func(r *rig) {
			r.policies.observing[blob("mode: observe").Blob] = true
			r.branches[release] = r.commit(files{policyPath: blob("mode: observe")}, carol)
			r.branch(release, push("", r.branches[release]))
			r.stillMissing(release)
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"another default branch with a history of its own, which would only observe", func(r *rig) {
			r.told()
			r.policies.observing[blob("mode: observe").Blob] = true
			r.branches["trunk"] = r.commit(files{policyPath: blob("mode: observe")}, carol)
			renamed := shop
			renamed.DefaultBranch = "trunk"
			r.must(r.store.SaveRepository(r.t.Context(), renamed))
			r.policies.now.Unusable, r.policies.now.Governed = true, false
			r.branch("trunk")
			r.stillMissing("trunk")
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"what was begun where the policy only observed once, and merged with what is there", func(r *rig) {
			r.policies.observing[blob("mode: observe").Blob] = true
			once := r.commit(r.with(r.tip, files{policyPath: blob("mode: observe")}), alice, r.tip)
			r.tip = r.commit(r.with(once, files{policyPath: blob("policy")}), alice, once)
			r.told()
			own := r.commit(r.with(once, files{"x.txt": blob("x")}), carol, once)
			r.move(r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, own, r.tip), carol)
			r.told()
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"a branch that was not governed for a while", func(r *rig) {
			r.branches[release] = r.tip
			r.branch(release)
			r.policies.now.Governed = false
			r.branch(release)
			r.branches[release] = r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			r.branch(release)
			r.policies.now.Governed = true
			r.branch(release)
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"a branch that was not governed for a while, in which it took what the default one has", func(r *rig) {
			r.branches[release] = r.tip
			r.branch(release)
			r.policies.now.Governed = false
			r.direct(files{"x.txt": blob("x")})
			r.branches[release] = r.tip
			r.branch(release)
			r.policies.now.Governed = true
			r.branch(release)
		}, nil},
		{"another default branch, beside one that has its commits and never was the default one", func(r *rig) {
			r.told()
			r.branches[release] = r.tip
			r.branch(release)
			r.branches[release] = r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			r.branch(release)
			r.branches["trunk"] = r.branches[release]
			renamed := shop
			renamed.DefaultBranch = "trunk"
			r.must(r.store.SaveRepository(r.t.Context(), renamed))
			r.policies.now.Unusable, r.policies.now.Governed = true, false
			r.branch("trunk")
		}, []change.ExceptionKind{change.NoPullRequest, change.NoPullRequest}},
		{"another default branch", func(r *rig) {
			r.told()
			r.branches["trunk"] = r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			renamed := shop
			renamed.DefaultBranch = "trunk"
			r.must(r.store.SaveRepository(r.t.Context(), renamed))
			r.policies.now.Unusable = true // the fake knows main as the default branch only
			r.policies.now.Governed = false
			r.branch("trunk")
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"a commit that GitHub has no more", func(r *rig) {
			r.told()
			known := r.tip
			r.move(r.commit(files{"x.txt": blob("x")}, carol), carol)
			delete(r.commits, known)
			r.pushes = nil
			r.told()
			r.stillMissing(isMain)
		}, []change.ExceptionKind{change.ForcedUpdate}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			r.Patience = -1
			row.look(r)
			r.want(row.want...)
		})
	}
}

// lateLease is a store whose lease is had only after another run did something.
type lateLease struct {
	Store
	meanwhile func()
}

func (l *lateLease) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error) {
	if do := l.meanwhile; do != nil {
		l.meanwhile = nil
		do()
	}
	return l.Store.Acquire(ctx, name, holder, ttl)
}

// TestARunThatCameLate has a run go by what the run before it left, whose end it had to wait for.
func TestARunThatCameLate(t *testing.T) {
	r := on(t, release1)
	p := r.pushed(release1, r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip), bob)
	r.raise(onBranch(release1), change.NewNote("n", p.Pushed, p))
	var next change.BranchPush
	late := &lateLease{Store: r.Store, meanwhile: func() {
		r.branch(release1)
		next = r.pushed(release1, r.commit(r.with(p.After, files{"y.txt": blob("y")}), carol, p.After), alice)
		r.raise(onBranch(release1), change.NewNote("next", next.Pushed, next))
	}}
	r.Store = late
	_, err := r.Branch(t.Context(), onBranch(release1))
	r.must(err)
	r.want(change.NoPullRequest, change.NoPullRequest)
	if s := r.stateOf(release1); s.Known != next.After {
		t.Errorf("known is %s, want %s", s.Known, next.After)
	}
}

func TestNotGoverned(t *testing.T) {
	r := newRig(t)
	r.branch("topic", change.NewNote("n", epoch, change.BranchPush{Branch: "topic", After: r.tip, By: alice}))
	w, err := r.store.BeginErrand(t.Context(), onBranch("topic"))
	r.must(err)
	if len(w.Notes) > 0 || w.State != nil || len(r.calls) > 0 {
		t.Errorf("notes %v, state %s, calls %v", w.Notes, w.State, r.calls)
	}
}

// TestObserving has what the policy observed before the exception count, and not what the exception made of it.
func TestObserving(t *testing.T) {
	r := started(t)
	r.Patience = -1
	watching := blob("mode: observe")
	r.policies.observing[watching.Blob] = true
	r.direct(files{policyPath: watching})
	r.told()
	r.direct(files{"x.txt": blob("x")})
	r.told()
	all := r.found()
	if len(all) != 2 || all[0].Observed || !all[1].Observed {
		t.Errorf("found %+v", all)
	}
	if n := len(r.errands(change.ErrandException)); n != 1 {
		t.Errorf("%d are to be explained", n)
	}
}

// TestAnnouncedAsItWasBefore has an exception be announced where the policy said so before it, even if it broke the policy or names no place
// any more, and where it says so now.
func TestAnnouncedAsItWasBefore(t *testing.T) {
	r := started(t)
	r.Patience = -1
	silent, other := blob("announces nowhere"), blob("announces elsewhere")
	r.policies.announce[silent.Blob], r.policies.announce[other.Blob] = nil, []string{"slack:#audit"}
	for i, want := range [][]string{{"slack:#engineering"}, {"slack:#audit"}, {"slack:#audit"}} {
		r.direct(files{policyPath: []change.Entry{silent, other, silent}[i]})
		r.told()
		all := r.found()
		_, err := r.Exception(t.Context(), errandOf(all[i].Exception))
		r.must(err)
		said := r.announced()
		if len(said) != i+1 {
			t.Fatalf("%d of %d are announced", len(said), i+1)
		}
		at := slices.IndexFunc(said, func(a change.Announcement) bool { return strings.Contains(a.Key, all[i].Key) })
		if at < 0 || !slices.Equal(said[at].Channels, want) {
			t.Errorf("exception %d: announced %+v, want in %v", i, said, want)
		}
	}
}

func TestLongWalks(t *testing.T) {
	r := started(t)
	for i := range maxLine - 1 {
		p := r.pull(files{fmt.Sprintf("%d.txt", i): blob("x")})
		r.decide(p)
		r.squash(p, nil)
	}
	long := r.pull(files{"a.txt": blob("a")}, files{"b.txt": blob("b")}, files{"c.txt": blob("c")})
	r.decide(long)
	r.rebase(long, nil) // the first part ends within it
	last := r.pull(files{"d.txt": blob("d")})
	r.decide(last)
	r.squash(last, nil)
	if result := r.told(); result.RetryAt.IsZero() {
		t.Error("nothing is left for another run")
	}
	if r.known() != long.MergeCommit {
		t.Error("a pull request was cut in two")
	}
	r.branch(isMain)
	r.want()
	if r.known() != r.tip {
		t.Error("the walk did not come to the tip")
	}

	for i := range 1001 {
		r.direct(files{fmt.Sprintf("many/%d.txt", i%7): blob(fmt.Sprint(i))})
	}
	r.pushes = nil
	r.told()
	r.want(change.TooManyCommits)
	if r.known() != r.tip {
		t.Error("the walk did not come to the tip")
	}
}

// TestBranchIsKilled ends a run at each of its writes, and has the next one find the same, once.
func TestBranchIsKilled(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			r := started(t)
			r.Patience = -1
			r.direct(files{"x.txt": blob("x")})
			r.Killer.At, r.Killer.After, r.Killer.Steps = at, after, 0
			notes := []change.Note{change.NewNote("push", r.now, r.pushes[0].BranchPush)}
			r.raise(onBranch(isMain), notes...)
			_, err := r.Branch(t.Context(), onBranch(isMain))
			killed := r.Killed()
			if killed == (err == nil) {
				t.Fatalf("killed %v, and the error is %v", killed, err)
			}
			r.Killer.At = 0
			r.branch(isMain, notes...)
			r.want(change.NoPullRequest)
			if !killed {
				break
			}
		}
	}
}

// TestEachReadFails ends a run at each of its reads: nothing is known then that was not before, and the next run finds all of it.
func TestEachReadFails(t *testing.T) {
	for _, row := range []struct {
		name    string
		happens func(r *rig) (branch string, pushes []change.BranchPush)
		want    []change.ExceptionKind
	}{
		{"merged, and pushed past it", func(r *rig) (string, []change.BranchPush) {
			p, q := r.pull(files{"a.txt": blob("a")}), r.pull(files{"b.txt": blob("b")})
			r.decide(p)
			r.squash(q, nil)
			r.squash(p, nil) // onto another base, so that the trees are read
			r.direct(files{"x.txt": blob("x")})
			return isMain, []change.BranchPush{r.pushes[2].BranchPush}
		}, []change.ExceptionKind{change.MergedWithoutGreen, change.NoPullRequest}},
		{"moved by force", func(r *rig) (string, []change.BranchPush) {
			r.move(r.commit(r.with(r.start, files{"x.txt": blob("x")}), carol, r.start), carol)
			r.move(r.commit(r.with(r.start, files{"y.txt": blob("y")}), carol, r.start), carol)
			return isMain, []change.BranchPush{r.pushes[0].BranchPush, r.pushes[1].BranchPush}
		}, []change.ExceptionKind{change.ForcedUpdate, change.NoPullRequest}},
		{"a new branch", func(r *rig) (string, []change.BranchPush) {
			return release1, []change.BranchPush{r.pushed(release1, r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip), carol)}
		}, []change.ExceptionKind{change.NoPullRequest}},
		{"a branch that is gone", func(r *rig) (string, []change.BranchPush) {
			r.branches[release1] = r.tip
			r.branch(release1)
			return release1, []change.BranchPush{r.pushed(release1, "", carol)}
		}, []change.ExceptionKind{change.BranchDeleted}},
		{"another default branch", func(r *rig) (string, []change.BranchPush) {
			r.branches["trunk"] = r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			renamed := shop
			renamed.DefaultBranch = "trunk"
			r.must(r.store.SaveRepository(r.t.Context(), renamed))
			r.policies.now.Unusable, r.policies.now.Governed = true, false // the fake knows main as the default branch only
			return "trunk", nil
		}, []change.ExceptionKind{change.NoPullRequest}},
	} {
		for at := 1; ; at++ {
			r := started(t)
			r.Patience = -1
			r.activity = []change.Push{}
			branch, pushes := row.happens(r)
			var notes []change.Note
			for i, p := range pushes {
				notes = append(notes, change.NewNote(fmt.Sprint("push ", i), p.Pushed, p))
			}
			r.raise(onBranch(branch), notes...)
			before := r.stateOf(branch)
			r.failing, r.reads = at, 0
			_, err := r.Branch(t.Context(), onBranch(branch))
			failed := r.reads >= at
			if failed != (err != nil) {
				t.Fatalf("%s: read %d failed: %v, and the error is %v", row.name, at, failed, err)
			}
			if failed {
				r.want()
				if after := r.stateOf(branch); fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("%s: read %d failed, and what is known went from %+v to %+v", row.name, at, before, after)
				}
			}
			r.failing = 0
			r.branch(branch)
			r.want(row.want...)
			if !failed {
				break
			}
		}
	}
}

func TestGitHubLimits(t *testing.T) {
	r := started(t)
	r.direct(files{"x.txt": blob("x")})
	r.limited = true
	if result := r.told(); !result.RetryAt.Equal(r.now.Add(time.Hour)) {
		t.Errorf("%+v", result)
	}
	r.want()
}

// TestSettle has a branch be left alone for a while after a push, and be walked by a run without one.
func TestSettle(t *testing.T) {
	r := started(t)
	r.Settle = 10 * time.Second
	p := r.pull(files{"a.txt": blob("a")})
	r.decide(p)
	r.squash(p, nil)
	pushed := r.now
	r.calls = nil
	if result := r.told(); !result.RecheckAt.Equal(pushed.Add(r.Settle)) || len(r.calls) > 0 {
		t.Errorf("%+v, calls %v", result, r.calls)
	}
	r.now = pushed.Add(r.Settle)
	r.told()
	r.want()
	if r.known() != r.tip {
		t.Error("the walk did not come to the tip")
	}
}

// TestALongLineIsReadSeveralAtATime shows that a line is read in the time that a run has, however slow GitHub is.
func TestALongLineIsReadSeveralAtATime(t *testing.T) {
	r := started(t)
	for i := range atOnce + 1 {
		p := r.pull(files{fmt.Sprintf("%d.txt", i): blob("x")})
		r.decide(p)
		r.squash(p, nil)
	}
	r.together = meetingOf(atOnce)
	r.told()
	if r.known() != r.tip {
		t.Error("the walk did not come to the tip")
	}
}
