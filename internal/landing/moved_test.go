package landing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
)

const release1 = "release/1"

// on returns a rig that knows a branch beside main, which is where main is.
func on(t *testing.T, branch string) *rig {
	r := newRig(t)
	r.Patience = -1
	r.activity = []change.Push{}
	r.branches[branch] = r.tip
	r.branch(branch)
	return r
}

// pushed has somebody move a branch, which its repository's activity shows, and returns the push as a delivery tells of it.
func (r *rig) pushed(branch string, to change.SHA, by change.Account) change.BranchPush {
	r.t.Helper()
	r.n++ // of all that happens, so that it is at the same time however long looking took
	r.now = epoch.Add(time.Duration(r.n) * 2 * time.Hour)
	p := change.BranchPush{Branch: branch, Before: r.branches[branch], After: to, By: by, Pushed: r.now}
	p.Forced = p.Before != "" && to != "" && !r.reach(to)[p.Before]
	if r.branches[branch] = to; to == "" {
		delete(r.branches, branch)
	}
	if r.activity != nil {
		r.activity = append(r.activity, change.Push{Before: p.Before, After: p.After, By: by, At: p.Pushed, Forced: p.Forced})
	}
	return p
}

// delivered tells of pushes to a branch so long after them.
func (r *rig) delivered(after time.Duration, pushes ...change.BranchPush) {
	r.t.Helper()
	var notes []change.Note
	for i, p := range pushes {
		if came := p.Pushed.Add(after); came.After(r.now) {
			r.now = came
		}
		notes = append(notes, change.NewNote(fmt.Sprint("delivery ", p.Pushed, after, i), p.Pushed.Add(after), p))
	}
	r.branch(pushes[0].Branch, notes...)
}

func (r *rig) keys() (keys []string) {
	r.t.Helper()
	for _, e := range r.found() {
		keys = append(keys, e.Key)
	}
	return keys
}

// TestWhichMoveAPushTellsOf has a push be another move than the one that was found, unless it can be that.
func TestWhichMoveAPushTellsOf(t *testing.T) {
	found, at := epoch.Add(time.Hour), epoch.Add(2*time.Hour)
	told := func(before, after change.SHA, forced bool, pushed time.Time) Push {
		return Push{change.BranchPush{Before: before, After: after, Forced: forced, Pushed: pushed}, at}
	}
	for _, row := range []struct {
		name string
		move move
		push Push
		want bool
	}{
		{"of no time", move{}, told("a", "b", true, time.Time{}), true},
		{"of no time, where the activity has one", move{Pushed: epoch}, told("a", "b", true, time.Time{}), true},
		{"not forced", move{}, told("a", "b", false, time.Time{}), false},
		{"from elsewhere", move{}, told("c", "b", true, time.Time{}), false},
		{"to elsewhere", move{}, told("a", "c", true, time.Time{}), false},
		{"a deletion", move{}, told("a", "", false, time.Time{}), false},
		{"told of once more", move{Told: at}, told("a", "b", true, epoch), true},
		{"told of before by another", move{Told: at.Add(-1)}, told("a", "b", true, time.Time{}), false},
		{"at the same time", move{Pushed: epoch}, told("a", "b", true, epoch.Add(-time.Minute)), true},
		{"at another time", move{Pushed: epoch}, told("a", "b", true, epoch.Add(time.Minute+1)), false},
		{"before it was found", move{}, told("a", "b", true, found.Add(time.Minute)), true},
		{"after it was found", move{}, told("a", "b", true, found.Add(time.Minute+1)), false},
	} {
		row.move.Before, row.move.After, row.move.Found = "a", "b", found
		if got := row.move.is(row.push); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}

	// Whose it was is not forgotten where the push does not say.
	m := Moved{Known: "b", Tip: "b", Kept: true, Pushes: []Push{told("a", "b", true, epoch)}, Untold: []move{{Before: "a", After: "b", Found: found, By: carol}}}
	if again, untold := m.Judge(); len(again) != 0 || untold[0].By != carol || !untold[0].Told.Equal(at) {
		t.Errorf("found %s, and %+v", show(again), untold)
	}
}

// TestWhoIsNamedLater names those who are known by now, where somebody is asked to explain.
func TestWhoIsNamedLater(t *testing.T) {
	m := Moved{Untold: []move{{Key: "asked"}, {Key: "observed"}, {}, {Key: "known", By: carol}}}
	m.noteObserved("observed", true)
	now := slices.Clone(m.Untold)
	for i := range now {
		now[i].By = carol
	}
	raised := m.named(append(now, move{Key: "found now", By: carol}))
	if len(raised) != 1 || raised[0].Errand.Name != "asked" {
		t.Errorf("raised %+v", raised)
	}
}

// TestWhosePolicyReports: what was begun elsewhere has no say in it.
func TestWhosePolicyReports(t *testing.T) {
	commits := []change.SHA{"c"}
	for _, row := range []struct {
		name  string
		moved Moved
		found change.Exception
		want  change.SHA
	}{
		{"commits", Moved{}, change.Exception{Before: "b", Commits: commits}, "b"},
		{"commits that began a history", Moved{}, change.Exception{Commits: commits}, "known"},
		{"commits of a branch with a history of its own", Moved{Orphan: true}, change.Exception{Commits: commits}, "origin"},
		{"a move of such a branch", Moved{Orphan: true}, change.Exception{Before: "b"}, "b"},
		{"commits begun elsewhere", Moved{Beside: "beside"}, change.Exception{Before: "b", Commits: commits}, "beside"},
		{"a move onto them", Moved{Beside: "beside"}, change.Exception{Before: "b"}, "b"},
	} {
		row.moved.Known, row.moved.Origin = "known", "origin"
		if got := row.moved.before(row.found); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// TestNotesOfAPartOfAWalk are taken as far as they told of its commits: a forced push told of a move as well.
func TestNotesOfAPartOfAWalk(t *testing.T) {
	m := Moved{}
	for _, p := range []change.BranchPush{{After: "a"}, {After: "b", Forced: true}, {After: "c"}} {
		m.Pushes = append(m.Pushes, Push{BranchPush: p})
	}
	if got := m.behind(&Walk{Line: []Commit{{SHA: "a"}, {SHA: "b"}}}, []string{"1", "2", "3"}); !slices.Equal(got, []string{"1"}) {
		t.Errorf("taken %v", got)
	}
}

// TestTheSameOnceMoreOfWhichNobodyTold has the sweep find what is done a second time, in the same way, as another exception, by who did it then.
func TestTheSameOnceMoreOfWhichNobodyTold(t *testing.T) {
	r := on(t, release1)
	a := r.tip
	b := r.commit(r.with(a, files{"x.txt": blob("x")}), alice, a)
	var want []change.ExceptionKind
	for _, by := range []change.Account{carol, bob} {
		for _, to := range []change.SHA{b, a, "", a} {
			r.pushed(release1, to, by)
			r.branch(release1)
		}
		want = append(want, change.NoPullRequest, change.ForcedUpdate, change.BranchDeleted)
		r.want(want...)
		for _, e := range r.found()[len(want)-3:] {
			if len(e.By) != 1 || e.By[0].ID != by.ID {
				t.Errorf("%s by %v, want %s", e.Kind, e.By, by.Login)
			}
		}
	}
}

// TestOneKeyHoweverItIsFound has what happened be one exception though a database forgot it: whether a delivery tells of it, the same one again,
// or the sweep finds it, and by whichever of its times.
func TestOneKeyHoweverItIsFound(t *testing.T) {
	story := func(look func(r *rig, p change.BranchPush)) *rig {
		r := on(t, release1)
		a := r.tip
		b := r.commit(r.with(a, files{"x.txt": blob("x")}), alice, a)
		for _, to := range []change.SHA{b, a, "", a} {
			p := r.pushed(release1, to, carol)
			r.activity[len(r.activity)-1].At = p.Pushed.Add(time.Second)
			look(r, p)
		}
		r.want(change.NoPullRequest, change.ForcedUpdate, change.BranchDeleted)
		return r
	}
	want := story(func(r *rig, p change.BranchPush) { r.delivered(time.Second, p) }).keys()
	for name, look := range map[string]func(*rig, change.BranchPush){
		"redelivered": func(r *rig, p change.BranchPush) { r.delivered(time.Hour, p) },
		"swept":       func(r *rig, _ change.BranchPush) { r.branch(release1) },
		"both":        func(r *rig, p change.BranchPush) { r.branch(release1); r.delivered(time.Hour, p) },
	} {
		if keys := story(look).keys(); !slices.Equal(keys, want) {
			t.Errorf("%s: found %v, want %v", name, keys, want)
		}
	}

	// Without an activity it is the deliveries that have the time, and otherwise it counts which move it is.
	story = func(look func(r *rig, p change.BranchPush)) *rig {
		r := on(t, release1)
		r.activity = nil
		b := r.commit(r.with(r.tip, files{"x.txt": blob("x")}), alice, r.tip)
		for _, to := range []change.SHA{b, r.tip, ""} {
			look(r, r.pushed(release1, to, carol))
		}
		return r
	}
	for name, looks := range map[string][2]func(*rig, change.BranchPush){
		"told":   {func(r *rig, p change.BranchPush) { r.delivered(0, p) }, func(r *rig, p change.BranchPush) { r.delivered(time.Hour, p) }},
		"untold": {func(r *rig, _ change.BranchPush) { r.branch(release1) }, func(r *rig, _ change.BranchPush) { r.now = r.now.Add(time.Minute); r.branch(release1) }},
	} {
		if a, b := story(looks[0]).keys(), story(looks[1]).keys(); len(a) != 3 || !slices.Equal(a, b) {
			t.Errorf("%s, without an activity: found %v, then %v", name, a, b)
		}
	}
}

// TestForcedAndThenMergedInto has the one who moved a branch by force be told from who merged into it after that, and nothing be found twice when
// the deliveries come.
func TestForcedAndThenMergedInto(t *testing.T) {
	r := on(t, release1)
	a := r.tip
	b := r.commit(r.with(a, files{"x.txt": blob("x")}), alice, a)
	r.delivered(0, r.pushed(release1, b, alice))
	forced := r.pushed(release1, r.commit(r.with(a, files{"y.txt": blob("y")}), carol, a), carol)
	merged := r.pushed(release1, r.commit(r.with(forced.After, files{"z.txt": blob("z")}), bob, forced.After), bob)
	r.branch(release1)
	r.want(change.NoPullRequest, change.ForcedUpdate, change.NoPullRequest, change.NoPullRequest)
	e := r.found()[1]
	if len(e.By) != 1 || e.By[0].ID != carol.ID || e.After != forced.After || !e.At.Equal(forced.Pushed) {
		t.Errorf("forced by %v at %s to %s", e.By, e.At, e.After)
	}
	r.delivered(time.Hour, forced, merged)
	r.want(change.NoPullRequest, change.ForcedUpdate, change.NoPullRequest, change.NoPullRequest)
}

// TestForcedTwiceAndToldOnce has a forced push of which nobody told be found beside another one that was told of, and not again when its delivery comes.
func TestForcedTwiceAndToldOnce(t *testing.T) {
	for told, name := range []string{"of the first", "of the second"} {
		t.Run(name, func(t *testing.T) {
			r := on(t, release1)
			a := r.tip
			r.delivered(0, r.pushed(release1, r.commit(r.with(a, files{"x.txt": blob("x")}), alice, a), alice))
			pushes := []change.BranchPush{
				r.pushed(release1, r.commit(r.with(a, files{"y.txt": blob("y")}), bob, a), bob),
				r.pushed(release1, r.commit(r.with(a, files{"z.txt": blob("z")}), carol, a), carol),
			}
			r.delivered(2*time.Hour+time.Second, pushes[told])
			want := []change.ExceptionKind{change.NoPullRequest, change.ForcedUpdate, change.ForcedUpdate, change.NoPullRequest}
			r.want(want...)
			if e := r.found()[2]; e.Before != pushes[1-told].Before || len(e.By) != 1 || e.By[0].ID != pushes[1-told].By.ID {
				t.Errorf("the one that nobody told of is from %s by %v", e.Before, e.By)
			}
			r.delivered(3*time.Hour, pushes[1-told])
			r.want(want...)
		})
	}
}

// TestMovedAgainDuringTheWalk has a move be found once that is made after a walk read where the branch is, though the activity shows it that walk already.
func TestMovedAgainDuringTheWalk(t *testing.T) {
	for name, look := range map[string]func(*rig, change.BranchPush){
		"told":  func(r *rig, p change.BranchPush) { r.delivered(time.Second, p) },
		"swept": func(r *rig, _ change.BranchPush) { r.branch(release1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := on(t, release1)
			a := r.tip
			r.delivered(0, r.pushed(release1, r.commit(r.with(a, files{"x.txt": blob("x")}), alice, a), alice))
			first := r.pushed(release1, r.commit(r.with(a, files{"y.txt": blob("y")}), bob, a), bob)
			second := r.pushed(release1, r.commit(r.with(a, files{"z.txt": blob("z")}), carol, a), carol)
			r.branches[release1] = first.After
			r.branch(release1)
			r.want(change.NoPullRequest, change.ForcedUpdate, change.NoPullRequest)
			r.branches[release1] = second.After
			look(r, second)
			r.want(change.NoPullRequest, change.ForcedUpdate, change.NoPullRequest, change.ForcedUpdate, change.NoPullRequest)
			if e := r.found()[3]; e.Before != first.After || len(e.By) != 1 || e.By[0].ID != carol.ID {
				t.Errorf("the second is from %s by %v", e.Before, e.By)
			}
		})
	}
}

// TestMergedIntoSomethingElse has an exception tell what the branch was, where the merge that was pushed has another first parent.
func TestMergedIntoSomethingElse(t *testing.T) {
	r := on(t, release1)
	base := r.tip
	direct := r.commit(r.with(base, files{"x.txt": blob("x")}), carol, base)
	r.delivered(0, r.pushed(release1, direct, carol))
	own := r.commit(r.with(base, files{"y.txt": blob("y")}), alice, base)
	merge := r.commit(r.with(direct, files{"y.txt": blob("y")}), alice, own, direct)
	r.delivered(0, r.pushed(release1, merge, alice))
	r.want(change.NoPullRequest, change.NoPullRequest)
	if e := r.found()[0]; e.Before != base || e.Beside != "" {
		t.Errorf("on its own: before %s, beside %s", e.Before, e.Beside)
	}
	if e := r.found()[1]; e.After != merge || e.Before != base || e.Beside != direct {
		t.Errorf("the merge: before %s, beside %s", e.Before, e.Beside)
	}
}

// TestDeletedAndMadeElsewhere has a branch that was deleted and made again with another history be moved by whoever made it, and not by who merged
// into it after that, however it becomes known.
func TestDeletedAndMadeElsewhere(t *testing.T) {
	for name, look := range map[string]func(*rig, ...change.BranchPush){
		"told":                       func(r *rig, p ...change.BranchPush) { r.delivered(0, p...) },
		"told, without an activity":  func(r *rig, p ...change.BranchPush) { r.activity = nil; r.delivered(0, p...) },
		"the making is not told":     func(r *rig, p ...change.BranchPush) { r.delivered(0, p[0]) },
		"swept, and then told of it": func(r *rig, p ...change.BranchPush) { r.branch(release1); r.delivered(time.Hour, p...) },
	} {
		t.Run(name, func(t *testing.T) {
			r := on(t, release1)
			elsewhere := r.commit(r.with(r.tip, files{"x.txt": blob("x")}), carol, r.tip)
			a := r.commit(r.with(r.tip, files{"a.txt": blob("a")}), alice, r.tip)
			r.delivered(0, r.pushed(release1, a, alice))
			gone, made := r.pushed(release1, "", carol), r.pushed(release1, elsewhere, carol)
			look(r, gone, made, r.pushed(release1, r.commit(r.with(elsewhere, files{"y.txt": blob("y")}), bob, elsewhere), bob))
			r.want(change.NoPullRequest, change.BranchDeleted, change.ForcedUpdate, change.NoPullRequest, change.NoPullRequest)
			for _, e := range r.found()[1:4] {
				if len(e.By) != 1 || e.By[0].ID != carol.ID {
					t.Errorf("%s by %v, want carol", e.Kind, e.By)
				}
			}
			if e := r.found()[2]; e.Before != a || e.After != elsewhere || !e.At.Equal(made.Pushed) {
				t.Errorf("moved from %s to %s at %s", e.Before, e.After, e.At)
			}
		})
	}
}

// TestDeletedWithWhatWasPushedLast has what was pushed last and the deletion, which were looked at together, be found no second time when the branch is made
// elsewhere, and the move be from where it was when it was deleted.
func TestDeletedWithWhatWasPushedLast(t *testing.T) {
	for name, look := range map[string]struct {
		gone, made func(*rig, ...change.BranchPush)
	}{
		"told": {
			func(r *rig, p ...change.BranchPush) { r.delivered(time.Second, p...) },
			func(r *rig, p ...change.BranchPush) { r.delivered(time.Second, p...) },
		},
		"told, and then swept": {
			func(r *rig, p ...change.BranchPush) { r.delivered(time.Second, p...) },
			func(r *rig, _ ...change.BranchPush) { r.branch(release1) },
		},
		"swept": {
			func(r *rig, _ ...change.BranchPush) { r.branch(release1) },
			func(r *rig, _ ...change.BranchPush) { r.branch(release1) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := on(t, release1)
			a := r.tip
			r.delivered(0, r.pushed(release1, r.commit(r.with(a, files{"x.txt": blob("x")}), alice, a), alice))
			forced := r.pushed(release1, r.commit(r.with(a, files{"y.txt": blob("y")}), bob, a), bob)
			look.gone(r, forced, r.pushed(release1, "", bob))
			r.want(change.NoPullRequest, change.ForcedUpdate, change.BranchDeleted)
			made := r.pushed(release1, r.commit(r.with(a, files{"z.txt": blob("z")}), carol, a), carol)
			look.made(r, made)
			r.want(change.NoPullRequest, change.ForcedUpdate, change.BranchDeleted, change.ForcedUpdate, change.NoPullRequest)
			if e := r.found()[3]; e.Before != forced.After || e.After != made.After || len(e.By) != 1 || e.By[0].ID != carol.ID {
				t.Errorf("moved from %s to %s by %v", e.Before, e.After, e.By)
			}
		})
	}
}

// wantNamed says who did something, as the record says that it became known after it was found.
func (r *rig) wantNamed(e change.Exception, by ...change.Account) {
	r.t.Helper()
	var got []change.Account
	for _, entry := range r.entries(ledger.ExceptionNamed) {
		var body naming
		r.must(jsonInto(entry.Body, &body))
		if got = append(got, body.By...); body.Key != e.Key || body.Kind != e.Kind || body.At.IsZero() || entry.Subject.Repository != int64(shop.ID) {
			r.t.Errorf("recorded %+v about %+v", body, entry.Subject)
		}
	}
	if !slices.Equal(got, by) {
		r.t.Errorf("recorded that it was %v, want %v", got, by)
	}
}

// TestWhoDidItIsToldWhileTheIssueIsOpened has whoever did something be named by its issue though that was opened by a run that did not know it, and
// was killed before it kept that.
func TestWhoDidItIsToldWhileTheIssueIsOpened(t *testing.T) {
	r := on(t, release1)
	r.activity = nil
	gone := r.pushed(release1, "", bob)
	r.branch(release1)
	e := r.found()[0]
	for r.Killer.At = 1; len(r.issues) == 0; r.Killer.At++ {
		r.Killer.After, r.Killer.Steps = true, 0
		if _, err := r.Exception(t.Context(), errandOf(e.Exception)); err == nil {
			t.Fatal("the run was not killed")
		}
	}
	r.Killer.At = 0
	r.delivered(time.Hour, gone)
	_, err := r.Exception(t.Context(), errandOf(e.Exception))
	r.must(err)
	r.wantNamed(e.Exception, bob)
	if len(r.issues) != 1 || !strings.Contains(r.issue(100).Body, "| Who | bob |") {
		t.Errorf("the issue: %+v", r.issues)
	}
}

// TestWhoDidItIsToldLate has whoever did something, as a delivery tells that comes late, be named by its issue and not be the one who explains it.
func TestWhoDidItIsToldLate(t *testing.T) {
	r := on(t, release1)
	r.activity = nil
	gone := r.pushed(release1, "", bob)
	r.branch(release1)
	r.want(change.BranchDeleted)
	e := r.found()[0]
	look := func() {
		t.Helper()
		_, err := r.Exception(t.Context(), errandOf(e.Exception))
		r.must(err)
	}
	look()
	if i := r.issue(100); !strings.Contains(i.Body, "| Who | not known |") {
		t.Fatalf("the issue knows already: %s", i.Body)
	}
	r.delivered(time.Hour, gone)
	r.want(change.BranchDeleted)
	r.write(1, bob, explains, github.IssueComment{})
	look()
	r.wantNamed(e.Exception, bob)
	if i := r.issue(100); i.State != github.IssueOpen || !strings.Contains(i.Body, "| Who | bob |") || !strings.Contains(i.Body, github.Marker("exception:7:"+e.Key+":issue")) {
		t.Errorf("the issue is %s: %s", i.State, i.Body)
	}
	if ours := r.ours(100); len(ours) != 1 || !strings.Contains(ours[0], "bob did this and cannot be the one who explains it") {
		t.Errorf("we said %q", ours)
	}
	r.write(2, alice, explains, github.IssueComment{})
	look()
	if i := r.issue(100); i.State != github.IssueClosed {
		t.Error("alice could not explain it")
	}
}

// TestWhoDidItIsToldAfterTheirExplanation has an explanation by whoever did something, as a delivery tells that comes late, count no more: it is for
// somebody else then, who may turn out to have done it too.
func TestWhoDidItIsToldAfterTheirExplanation(t *testing.T) {
	r := on(t, release1)
	r.activity = nil
	gone := r.pushed(release1, "", bob)
	r.branch(release1)
	e := r.found()[0].Exception
	look := func() {
		t.Helper()
		for {
			result, err := r.Exception(t.Context(), errandOf(e))
			if r.must(err); result.RetryAt.IsZero() {
				return
			}
		}
	}
	want := func(state github.IssueState, ours, announced int, says string) {
		t.Helper()
		said, all := r.ours(100), r.announced()
		if i := r.issue(100); i.State != state || len(r.issues) != 1 || len(said) != ours || !strings.Contains(said[ours-1], says) || len(all) != announced {
			t.Errorf("the issue is %s, we said %q, announced %+v", i.State, said, all)
		}
	}
	look()
	r.write(1, bob, explains, github.IssueComment{})
	look()
	want(github.IssueClosed, 1, 2, "Explained by bob")

	r.delivered(time.Hour, gone)
	look()
	r.wantNamed(e, bob)
	want(github.IssueOpen, 2, 3, "bob did this, as became known after bob explained it, so that explanation does not count.")
	if i := r.issue(100); i.StateReason != "reopened" || !strings.Contains(i.Body, "| Who | bob |") {
		t.Errorf("the issue: %+v", i)
	}
	r.write(2, bob, explains, github.IssueComment{})
	look()
	want(github.IssueOpen, 3, 3, "bob did this and cannot be the one who explains it")
	r.write(3, alice, explains, github.IssueComment{})
	look()
	want(github.IssueClosed, 4, 4, "Explained by alice")

	r.raise(errandOf(e), named(shop.ID, e.Key, alice, r.now).Notes...)
	look()
	r.wantNamed(e, bob, alice)
	want(github.IssueOpen, 5, 5, "alice did this")
}
