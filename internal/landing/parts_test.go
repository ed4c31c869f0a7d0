package landing

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// manyOn returns the last of n commits after one, the first of which has the policy observe only.
func (r *rig) manyOn(from change.SHA, n int) change.SHA {
	r.t.Helper()
	watching := blob("mode: observe")
	r.policies.observing[watching.Blob] = true
	at := r.commit(r.with(from, files{policyPath: watching}), carol, from)
	for i := range n - 1 {
		at = r.commit(r.with(at, files{"many.txt": blob(fmt.Sprint(i))}), carol, at)
	}
	return at
}

// walked looks at a branch until nothing is left to be done now, and returns how often that was and when it is to be looked at again.
func (r *rig) walked(branch string, notes ...change.Note) (runs int, recheck time.Time) {
	r.t.Helper()
	result := r.branch(branch, notes...)
	for runs = 1; !result.RetryAt.IsZero(); runs++ {
		result = r.branch(branch)
	}
	return runs, result.RecheckAt
}

// TestALongPushIsOneException has a push that is judged in parts be one exception, which is told as the policy said before all of it.
func TestALongPushIsOneException(t *testing.T) {
	const n = 3*maxLine - 10
	for name, tell := range map[string]func(*rig, change.BranchPush) []change.Note{
		"told": func(_ *rig, p change.BranchPush) []change.Note {
			return []change.Note{change.NewNote("n", p.Pushed, p)}
		},
		"untold":        func(*rig, change.BranchPush) []change.Note { return nil },
		"nobody's push": func(r *rig, _ change.BranchPush) []change.Note { r.activity = nil; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := on(t, release1)
			start := r.tip
			p := r.pushed(release1, r.manyOn(start, n), bob)
			if runs, _ := r.walked(release1, tell(r, p)...); runs != 3 {
				t.Errorf("it was walked in %d parts", runs)
			}
			r.want(change.NoPullRequest)
			e := r.found()[0]
			if e.Observed || len(e.Commits) != n || e.Before != start || e.After != p.After || len(e.By) != 1 {
				t.Errorf("observed %t, %d commits from %s to %s, by %v", e.Observed, len(e.Commits), e.Before, e.After, e.By)
			}
			if s := r.stateOf(release1); s.Known != p.After || s.Open != nil {
				t.Errorf("%+v", s)
			}
			r.delivered(time.Hour, r.pushed(release1, r.commit(r.with(p.After, files{"x.txt": blob("x")}), carol, p.After), carol))
			if all := r.found(); len(all) != 2 || !all[1].Observed {
				t.Error("the next push does not go by what it found")
			}
		})
	}
}

// TestALongPushWaitsOnce has GitHub be given time once to say which pull request a push came through, however many parts it is judged in.
// TestWhatGoesOn is what came last, and nothing that was found beside it.
func TestWhatGoesOn(t *testing.T) {
	w := &Walk{Line: []Commit{{SHA: "x"}, {SHA: "y", Parents: []change.SHA{"x"}}}, Rest: []change.SHA{"z"}, Pushes: []Push{
		{BranchPush: change.BranchPush{After: "x"}}, {BranchPush: change.BranchPush{Before: "x", After: "z", Commits: []change.SHA{"y", "z"}}},
	}}
	all := []change.Exception{{Kind: change.ForcedUpdate, After: "y"}, {Kind: change.NoPullRequest, After: "x"}, {Kind: change.NoPullRequest, After: "y"}}
	found, open := w.goesOn(all, []change.SHA{"x", "y"}, false)
	if open == nil || open.Kind != change.NoPullRequest || open.After != "y" || len(found) != 2 {
		t.Errorf("found %v, and %v goes on", found, open)
	}
	if found, open := w.goesOn(all, []change.SHA{"x"}, false); open != nil || len(found) != 3 {
		t.Errorf("what came through a pull request goes on: %v", open)
	}
	w.Pushes = nil
	if found, open := w.goesOn(all, []change.SHA{"x", "y"}, true); open != nil || len(found) != 3 {
		t.Errorf("what nobody told of goes on while it waits: %v", open)
	}
}

func TestALongPushWaitsOnce(t *testing.T) {
	r := on(t, release1)
	p := r.pushed(release1, r.manyOn(r.tip, 3*maxLine), bob)
	r.Patience = defaultPatience
	if _, recheck := r.walked(release1); !recheck.Equal(r.now.Add(defaultPatience)) {
		t.Fatalf("again at %s", recheck)
	}
	r.now = r.now.Add(defaultPatience)
	if _, recheck := r.walked(release1); !recheck.IsZero() || r.stateOf(release1).Known != p.After {
		t.Errorf("it waits again, until %s", recheck)
	}
	r.want(change.NoPullRequest)
}

// TestWhatIsOpenIsFoundAllTheSame has what was found in a part of a walk be told if the walk does not go on.
func TestWhatIsOpenIsFoundAllTheSame(t *testing.T) {
	for _, row := range []struct {
		name string
		then func(r *rig, start change.SHA)
		want []change.ExceptionKind
	}{
		{"a pull request follows", func(r *rig, _ change.SHA) {
			tip := r.branches[release1]
			line := r.commits[tip]
			for range maxLine - 1 {
				line = r.commits[line.Parents[0]]
			}
			p := &Merged{Pull: change.Pull{
				Number: 1, Author: alice, State: change.Merged, Head: change.Branch{SHA: line.SHA}, Base: change.Branch{Name: release1, SHA: line.Parents[0]},
				MergedBy: bob, MergeCommit: line.SHA,
			}}
			r.pulls[1], r.brings[line.SHA] = p, []change.Number{1}
		}, []change.ExceptionKind{change.NoPullRequest, change.MergedWithoutGreen, change.NoPullRequest}},
		{"forced away", func(r *rig, start change.SHA) { r.pushed(release1, r.commit(r.with(start, nil), carol, start), carol) },
			[]change.ExceptionKind{change.ForcedUpdate, change.NoPullRequest, change.NoPullRequest}},
		{"moved back to where it was judged", func(r *rig, _ change.SHA) { r.branches[release1] = r.stateOf(release1).Known },
			[]change.ExceptionKind{change.NoPullRequest}},
		{"deleted", func(r *rig, _ change.SHA) { r.pushed(release1, "", carol) }, []change.ExceptionKind{change.BranchDeleted, change.NoPullRequest}},
		{"not governed any more", func(r *rig, _ change.SHA) { r.policies.now.Governed = false }, []change.ExceptionKind{change.NoPullRequest}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := on(t, release1)
			start := r.tip
			r.pushed(release1, r.manyOn(start, 2*maxLine), bob)
			r.branch(release1)
			r.want()
			row.then(r, start)
			r.walked(release1)
			if got := r.kinds(); !slices.Equal(got, row.want) {
				t.Errorf("found %q, want %q", got, row.want)
			}
			for _, e := range r.found() {
				if e.Before == start && e.Observed {
					t.Errorf("%s is only observed", e.Kind)
				}
			}
			if s := r.stateOf(release1); s.Open != nil {
				t.Errorf("%d commits are open still", len(s.Open.Commits))
			}
		})
	}
}

// TestForcedAwayBetweenParts has a branch that is moved by force while its walk is under way be moved from where it was, and not from where the walk
// was, so that whoever did it is known and a delivery that comes late tells of nothing else.
func TestForcedAwayBetweenParts(t *testing.T) {
	for _, shown := range []bool{true, false} {
		r := on(t, release1)
		if !shown {
			r.activity = nil
		}
		start := r.tip
		long := r.pushed(release1, r.manyOn(start, 2*maxLine), bob)
		r.branch(release1)
		forced := r.pushed(release1, r.commit(r.with(start, nil), carol, start), carol)
		r.walked(release1)
		for range 2 {
			want := []change.ExceptionKind{change.ForcedUpdate, change.NoPullRequest, change.NoPullRequest}
			if got := r.kinds(); !slices.Equal(got, want) {
				t.Fatalf("found %q, want %q", got, want)
			}
			if e := r.found()[0]; e.Before != long.After || e.After != forced.After || shown && (len(e.By) != 1 || e.By[0].ID != carol.ID) {
				t.Errorf("moved from %s to %s by %v", e.Before, e.After, e.By)
			}
			r.delivered(time.Hour, forced)
		}
	}
}

// TestALongForcedPushIsToldOnce has a forced push that is judged in parts be one exception though the activity shows it to a later part only, and what
// was done in the same way between the parts be another one.
func TestALongForcedPushIsToldOnce(t *testing.T) {
	r := on(t, release1)
	start := r.tip
	r.delivered(0, r.pushed(release1, r.commit(r.with(start, files{"x.txt": blob("x")}), carol, start), carol))
	forced := r.pushed(release1, r.manyOn(start, 3*maxLine), bob)
	shown := r.activity
	r.activity = nil
	r.branch(release1, change.NewNote("forced", forced.Pushed, forced))
	r.activity = shown
	r.activity[len(shown)-1].At = forced.Pushed.Add(time.Second)
	r.branch(release1)
	want := []change.ExceptionKind{change.NoPullRequest, change.ForcedUpdate}
	if got := r.kinds(); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	again := r.pushed(release1, r.commit(r.with(start, files{"y.txt": blob("y")}), carol, start), carol)
	r.walked(release1)
	want = append(want, change.ForcedUpdate, change.NoPullRequest, change.NoPullRequest)
	if got := r.kinds(); !slices.Equal(got, want) {
		t.Fatalf("found %q, want %q", got, want)
	}
	if e := r.found()[2]; e.Before != forced.After || e.After != again.After || len(e.By) != 1 || e.By[0].ID != carol.ID {
		t.Errorf("moved again from %s to %s by %v", e.Before, e.After, e.By)
	}
}

// begunElsewhere returns a rig whose release/1 was merged into a long line that was begun where the policy only observed.
func begunElsewhere(t *testing.T) (r *rig, once change.SHA) {
	r = newRig(t)
	r.Patience = -1
	once = r.manyOn(r.tip, 1)
	known := r.commit(r.with(once, files{policyPath: blob("policy")}), alice, once)
	r.branches[release1] = known
	r.branch(release1)
	at := once
	for i := range 2 * maxLine {
		at = r.commit(r.with(at, files{"many.txt": blob(fmt.Sprint(i))}), carol, at)
	}
	r.branches[release1] = r.commit(r.with(at, nil), carol, at, known)
	return r, once
}

// TestALongLineBegunElsewhere has what was begun where the policy only observed once, and is merged with what is there, be told as the branch's policy
// says, in each part.
func TestALongLineBegunElsewhere(t *testing.T) {
	r, _ := begunElsewhere(t)
	r.walked(release1)
	r.want(change.NoPullRequest)
	if e := r.found()[0]; e.Observed || len(e.Commits) != 2*maxLine+1 {
		t.Errorf("observed %t, %d commits", e.Observed, len(e.Commits))
	}
	if s := r.stateOf(release1); s.Known != r.branches[release1] || s.Beside != "" {
		t.Errorf("%+v", s)
	}
}

// TestALongLineBegunElsewhereIsTakenBack has the same be told so if the branch is moved back to where the line began before all of it was judged.
func TestALongLineBegunElsewhereIsTakenBack(t *testing.T) {
	r, once := begunElsewhere(t)
	r.branch(release1)
	r.branches[release1] = once
	r.walked(release1)
	all := r.found()
	if len(all) != 2 || all[1].Kind != change.NoPullRequest || all[1].Observed {
		t.Errorf("found %+v", all)
	}
}
