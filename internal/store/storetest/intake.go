package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

func deliveredOnce(t *testing.T, f *fixture) {
	d := f.described(3, "h1", at(1))
	d.Push = &change.Push{After: "h1", By: alice(), At: at(1)}
	other := f.about(4)
	a := f.accept(t, d, d, other)
	equal(t, "accepted", a, store.Accepted{New: 2, Raised: []change.PullKey{key(3), key(4)}})
	equal(t, "accepted again", f.accept(t, d, other), store.Accepted{})

	noted := f.about(5)
	noted.Concerns = 0
	equal(t, "accepted without concerns", f.accept(t, noted), store.Accepted{New: 1})
	_, err := f.Pull(t.Context(), key(5))
	wantError(t, err, store.ErrNotFound)

	w := f.begin(t, 3)
	equal(t, "concerns", w.Concerns, change.ConcernPull)
	equal(t, "pushes", len(w.Pushes), 1)
	equal(t, "repository", w.Repository, shop)
	equal(t, "description", w.Snapshot, *d.Pull)
	n, err := f.CountUnsettled(t.Context())
	must(t, err)
	equal(t, "unsettled", n, 2)
}

func deliveredAfterFailure(t *testing.T, f *fixture) {
	d := f.described(3, "h1", at(1))
	lost := errors.New("the process was killed before the commit")
	err := f.Write(t.Context(), func(tx store.Tx) error {
		if _, err := f.Accept(t.Context(), tx, []change.Delivery{d}); err != nil {
			return err
		}
		return lost
	})
	wantError(t, err, lost)
	if _, err := f.Pull(t.Context(), key(3)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something of it was kept: %v", err)
	}
	equal(t, "redelivered", f.accept(t, d).New, 1)
}

func deliveryWithoutID(t *testing.T, f *fixture) {
	d := f.about(3)
	d.ID = ""
	err := f.Write(t.Context(), func(tx store.Tx) error {
		_, err := f.Accept(t.Context(), tx, []change.Delivery{d})
		return err
	})
	if err == nil {
		t.Error("it was accepted")
	}
	equal(t, "nothing to accept", f.accept(t), store.Accepted{})
}

func largeGroup(t *testing.T, f *fixture) {
	var group []change.Delivery
	for n := range 1000 {
		d := f.described(n+1, change.SHA(fmt.Sprintf("h%d", n+1)), at(1))
		// What people write holds everything that a database might take for its own.
		d.Pull.Title = "it's \"$1\" ?; \\u0000 \u0000 ☃ 𝄞"
		d.Pull.Labels = []string{"a'b", "c\u0000d"}
		group = append(group, d)
	}
	a := f.accept(t, group...)
	equal(t, "raised", len(a.Raised), 1000)
	equal(t, "description", f.begin(t, 1000).Snapshot, *group[999].Pull)
}

// newestDescription lets deliveries come in any order, grouped anyhow, some of them twice.
func newestDescription(t *testing.T, f *fixture) {
	pull := 0
	rapid.Check(t, func(r *rapid.T) {
		pull++
		story := []change.Delivery{f.described(pull, "h1", at(1)), f.described(pull, "h1", at(2)), f.described(pull, "h2", at(3)), f.described(pull, "h2", at(4))}
		story[1].Pull.Labels = []string{"urgent"}
		story[3].Pull.Title = "Add the right index"
		last := story[3].Pull
		if rapid.Bool().Draw(r, "merged") {
			end := f.described(pull, "h2", at(5))
			end.Pull.State, end.Pull.MergeCommit = change.Merged, "m"
			story, last = append(story, end), end.Pull
		}
		order := rapid.Permutation(append(story, story...)).Draw(r, "order")
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(r, "group")
			f.accept(t, order[:n]...)
			order = order[n:]
		}
		if diff := cmp.Diff(*last, f.begin(t, pull).Snapshot); diff != "" {
			r.Fatalf("the description that stands (-want +got):\n%s", diff)
		}
		open, err := f.PullsWithHead(t.Context(), shop.ID, "h2")
		must(t, err)
		has := slices.Contains(open, key(pull))
		if has != (last.State == change.Open) {
			r.Fatalf("among the open pull requests with its head: %t", has)
		}
	})
}

func descriptionsOfOneSecond(t *testing.T, f *fixture) {
	first, second := f.described(1, "h1", at(1)), f.described(1, "h1", at(1))
	second.Pull.Labels = []string{"urgent"}
	f.accept(t, first)
	f.accept(t, second)
	w := f.begin(t, 1)
	equal(t, "labels", w.Snapshot.Labels, []string{"urgent"})
	equal(t, "unsure", w.Unsure, true)

	// A reading settles it, and says when it was made.
	f.wait(time.Second)
	held, err := f.SavePull(t.Context(), key(1), *second.Pull)
	must(t, err)
	equal(t, "held", held, *second.Pull)
	w = f.begin(t, 1)
	equal(t, "unsure", w.Unsure, false)
	equal(t, "read at", w.ReadAt, f.clock())

	// A reading that was overtaken by a delivery does not take its place.
	newer := f.described(1, "h2", at(2))
	f.accept(t, newer)
	held, err = f.SavePull(t.Context(), key(1), *second.Pull)
	must(t, err)
	equal(t, "held", held, *newer.Pull)
	equal(t, "read at", f.begin(t, 1).ReadAt, time.Time{})

	// Nothing but a reopening follows a closing within its second.
	closed, late, reopened := f.described(1, "h2", at(3)), f.described(1, "h2", at(3)), f.described(1, "h2", at(3))
	closed.Pull.State, reopened.Action = change.Closed, "reopened"
	f.accept(t, closed, late)
	equal(t, "state", f.begin(t, 1).Snapshot.State, change.Closed)
	f.accept(t, reopened)
	equal(t, "state", f.begin(t, 1).Snapshot.State, change.Open)

	// A payload without the number of files keeps what is known of the same content.
	without := f.described(1, "h2", at(4))
	without.Pull.ChangedFiles = 0
	f.accept(t, without)
	equal(t, "changed files", f.begin(t, 1).Snapshot.ChangedFiles, 3)
	without = f.described(1, "h3", at(5))
	without.Pull.ChangedFiles = 0
	f.accept(t, without)
	equal(t, "changed files of new content", f.begin(t, 1).Snapshot.ChangedFiles, 0)
}

func renamedRepository(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	d := f.about(1)
	d.Repository = change.Repository{ID: shop.ID, Owner: "acme", Name: "store"} // a payload may say no more
	f.accept(t, d)
	got, err := f.Repository(t.Context(), shop.ID)
	must(t, err)
	want := shop
	want.Name = "store"
	equal(t, "repository", got, want)
	want.DefaultBranch, want.Installation = "trunk", 71
	must(t, f.SaveRepository(t.Context(), want))
	list, err := f.Repositories(t.Context())
	must(t, err)
	equal(t, "repositories", list, []change.Repository{want})
	_, err = f.Repository(t.Context(), 99)
	wantError(t, err, store.ErrNotFound)
}

func lateOfARenamedRepository(t *testing.T, f *fixture) {
	told := func(n int, name, branch string, second int) change.Delivery {
		d := f.about(n)
		d.Repository.Name, d.Repository.DefaultBranch, d.RepositoryAt = name, branch, at(second)
		return d
	}
	want := func(name, branch string) {
		t.Helper()
		got, err := f.Repository(t.Context(), shop.ID)
		must(t, err)
		equal(t, "name and default branch", got.Name+" "+got.DefaultBranch, name+" "+branch)
	}
	f.accept(t, told(1, "shop", "main", 10))
	f.accept(t, told(1, "store", "trunk", 20), told(2, "shop", "main", 10)) // in one group, in either order
	want("store", "trunk")
	late := f.accept(t, told(3, "shop", "main", 19))
	equal(t, "what came late is acted on all the same", late.Raised, []change.PullKey{key(3)})
	want("store", "trunk")
	f.accept(t, told(1, "store", "main", 20)) // of the same second: the last one stands
	want("store", "main")
	f.accept(t, told(1, "shop", "main", 21))
	want("shop", "main")
}

func pushes(t *testing.T, f *fixture) {
	push := func(before, after change.SHA, second int) change.Delivery {
		d := f.described(1, after, at(second))
		d.Push = &change.Push{Before: before, After: after, By: alice(), At: at(second)}
		return d
	}
	f.accept(t, push("", "h1", 1))
	equal(t, "known at the opening", f.begin(t, 1).PushesKnown, true)
	missed := push("h1", "h2", 2)
	f.accept(t, push("h2", "h3", 3))
	equal(t, "known with one missing", f.begin(t, 1).PushesKnown, false)
	f.accept(t, missed)
	w := f.begin(t, 1)
	equal(t, "known when it has come", w.PushesKnown, true)
	equal(t, "pushes", []change.SHA{w.Pushes[0].After, w.Pushes[1].After, w.Pushes[2].After}, []change.SHA{"h1", "h2", "h3"})

	// Another is missed for good, and read from the repository's activity.
	f.accept(t, push("h4", "h5", 5))
	w = f.begin(t, 1)
	equal(t, "known with another missing", w.PushesKnown, false)
	equal(t, "whether deliveries are known to be missing", w.Untold, false)
	read := []change.Push{{Before: "h3", After: "h4", By: alice(), At: at(4)}}
	must(t, f.SavePushes(t.Context(), key(1), "h5", read))
	must(t, f.SavePushes(t.Context(), key(1), "h5", read))
	w = f.begin(t, 1)
	equal(t, "known when it was read", w.PushesKnown, true)
	equal(t, "pushes", len(w.Pushes), 5)
	equal(t, "whether it was read for the head", w.ActivityRead, true)
	f.accept(t, push("h5", "h6", 6))
	w = f.begin(t, 1)
	equal(t, "whether it was read for another", w.ActivityRead, false)
	equal(t, "whether deliveries are known to be missing", w.Untold, true)

	f.accept(t, f.described(2, "o1", at(6)))
	equal(t, "whether deliveries on another are known to be missing", f.begin(t, 2).Untold, false)
	must(t, f.SaveUntold(t.Context(), key(2)))
	must(t, f.SaveUntold(t.Context(), key(2)))
	equal(t, "whether deliveries on another are known to be missing", f.begin(t, 2).Untold, true)
}

func labelEvents(t *testing.T, f *fixture) {
	label := func(added bool, second int) change.Delivery {
		d := f.described(1, change.SHA(fmt.Sprintf("h%d", second)), at(second))
		d.Label = &change.LabelEvent{Label: "EMERGENCY", Added: added, By: alice(), At: at(second)}
		return d
	}
	one, two, three := label(true, 1), label(false, 2), label(true, 2)
	f.accept(t, two, three)
	f.accept(t, one)
	equal(t, "label events", f.begin(t, 1).LabelEvents, []change.LabelEvent{
		{Label: "EMERGENCY", Added: true, By: alice(), At: at(1), Head: "h1"},
		{Label: "EMERGENCY", Added: false, By: alice(), At: at(2), Head: "h2"},
		{Label: "EMERGENCY", Added: true, By: alice(), At: at(2), Head: "h2"},
	})
}

func reviews(t *testing.T, f *fixture) {
	review := func(r change.Review) change.Delivery {
		d := f.about(1)
		d.Event, d.Concerns, d.Review = "pull_request_review", change.ConcernTimeline, &r
		return d
	}
	approved := change.Review{ID: 5, By: alice(), State: change.Approved, SHA: "h1", At: at(1)}
	dismissed := approved
	dismissed.State, dismissed.DismissedBy, dismissed.DismissedAt = change.Dismissed, change.Account{ID: 2, Login: "bob"}, at(2)
	comment := review(change.Review{ID: 6, By: alice(), State: change.Commented, At: at(3)})
	comment.Concerns = 0
	f.accept(t, review(dismissed), review(approved), comment)
	equal(t, "reviews", f.begin(t, 1).Reviews, []change.Review{approved, dismissed})
}

func checks(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	run := func(id int64, state change.CheckState, second int) change.Check {
		return change.Check{Name: "build", State: state, App: "github-actions", AppID: 15368, RunID: id, At: at(second)}
	}
	status := func(id int64, state change.CheckState, second int) change.Check {
		return change.Check{Name: "ci/lint", State: state, Status: true, Creator: alice(), RunID: id, At: at(second)}
	}
	told := []change.Check{
		run(10, change.CheckSuccess, 3), run(10, change.CheckPending, 2), // in the wrong order
		run(11, change.CheckPending, 3), run(11, change.CheckFailure, 3), // within a second
		run(12, change.CheckSuccess, 4), run(12, change.CheckPending, 4), // the same in the wrong order
		status(20, change.CheckPending, 2), status(22, change.CheckSuccess, 3), status(21, change.CheckPending, 3), // ids of their own
	}
	want := []change.Check{run(10, change.CheckSuccess, 3), run(11, change.CheckFailure, 3), run(12, change.CheckSuccess, 4), status(22, change.CheckSuccess, 3)}
	var group []change.Delivery
	for _, c := range told {
		group = append(group, f.onHead("h1", c))
	}
	equal(t, "raised", f.accept(t, group...).Raised, []change.PullKey{key(1)})
	w := f.begin(t, 1)
	equal(t, "checks, told in one group", w.Checks, want)
	equal(t, "read at", w.ChecksReadAt, time.Time{})
	equal(t, "concerns", w.Concerns, change.ConcernPull|change.ConcernChecks)

	f.accept(t, f.described(2, "h2", at(1)))
	for _, c := range told {
		f.accept(t, f.onHead("h2", c))
	}
	equal(t, "checks, told one by one", f.begin(t, 2).Checks, want)
}

func checksElsewhere(t *testing.T, f *fixture) {
	closed := f.described(2, "h2", at(1))
	closed.Pull.State = change.Closed
	f.accept(t, f.described(1, "h1", at(1)), closed)
	check := change.Check{Name: "build", State: change.CheckSuccess, RunID: 1, At: at(2)}
	equal(t, "accepted", f.accept(t, f.onHead("h0", check), f.onHead("h2", check)), store.Accepted{New: 2})
	f.accept(t, f.described(2, "h2", at(3))) // reopened: what was told meanwhile was dropped, so it is to be read
	w := f.begin(t, 2)
	equal(t, "checks", len(w.Checks), 0)
	equal(t, "read at", w.ChecksReadAt, time.Time{})

	// The head and its check may come in one group, the check first.
	equal(t, "raised", f.accept(t, f.onHead("h3", check), f.described(3, "h3", at(3))).Raised, []change.PullKey{key(3)})
	equal(t, "checks", len(f.begin(t, 3).Checks), 1)

	// Two pull requests with one head are both concerned.
	f.accept(t, f.described(4, "h3", at(3)))
	equal(t, "raised", f.accept(t, f.onHead("h3", check)).Raised, []change.PullKey{key(3), key(4)})
}

func checksRead(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	build := change.Check{Name: "build", State: change.CheckPending, RunID: 1, At: at(2)}
	lint := change.Check{Name: "lint", State: change.CheckSuccess, RunID: 2, At: at(2)}
	test := change.Check{Name: "test", State: change.CheckSuccess, RunID: 3, At: at(2)}
	f.accept(t, f.onHead("h1", lint))
	f.wait(time.Second)
	began := f.clock()
	f.wait(time.Second)
	built := build
	built.State, built.At = change.CheckSuccess, at(9)
	f.accept(t, f.onHead("h1", built), f.onHead("h1", test)) // while the reading goes on
	save := func(since time.Time, list ...change.Check) (told []change.Check) {
		t.Helper()
		lacks, err := f.SaveChecks(t.Context(), shop.ID, "h1", list, began, since)
		must(t, err)
		for _, c := range lacks {
			if c.Arrived.Before(since) {
				t.Errorf("%s arrived at %s, before %s", c.Name, c.Arrived, since)
			}
			told = append(told, c.Check)
		}
		return told
	}
	equal(t, "told, and not in the list so", save(began.Add(-time.Minute), build), []change.Check{built, lint, test})
	equal(t, "checks", f.begin(t, 1).Checks, []change.Check{built, lint, test})
	equal(t, "told, and not in a list with one of them", save(began.Add(-time.Minute), built, lint), []change.Check{test})
	lint.State, lint.At = change.CheckFailure, at(8)
	f.accept(t, f.onHead("h1", lint))
	equal(t, "told, where the list goes back", save(began, build), []change.Check{built, lint, test})
	equal(t, "told before, and not in the list", len(save(began.Add(time.Hour), build)), 0)
	equal(t, "checks", f.begin(t, 1).Checks, []change.Check{build})
	f.accept(t, f.onHead("h1", built), f.onHead("h1", test))
	w := f.begin(t, 1)
	equal(t, "checks", w.Checks, []change.Check{built, test})
	equal(t, "read at", w.ChecksReadAt, began)

	// What is read as it is held is kept as long as what was read anew.
	f.wait(time.Second)
	again := f.clock()
	for _, c := range []struct {
		what          string
		readAt, since time.Time
		list, told    []change.Check
	}{
		{"as it is held", again, again.Add(-time.Minute), []change.Check{test, built}, nil},
		{"without what was read before", again.Add(time.Second), again, []change.Check{built}, []change.Check{test}},
		{"without what was read too long before", again.Add(time.Second), again.Add(time.Microsecond), []change.Check{built}, nil},
		{"as another holds it", again.Add(time.Second), again, []change.Check{test}, []change.Check{built}},
		{"as it is held, and one more", again.Add(time.Second), again, []change.Check{built, test, lint}, nil},
	} {
		lacks, err := f.SaveChecks(t.Context(), shop.ID, "h1", c.list, c.readAt, c.since)
		must(t, err)
		var told []change.Check
		for _, l := range lacks {
			told = append(told, l.Check)
		}
		equal(t, "told of a list "+c.what, told, c.told)
	}
	w = f.begin(t, 1)
	equal(t, "checks", w.Checks, []change.Check{built, lint, test})
	equal(t, "read at", w.ChecksReadAt, again.Add(time.Second))

	// A commit that stops being a head and becomes one again is to be read again: nothing was kept of it meanwhile.
	f.accept(t, f.described(1, "h2", at(3)))
	equal(t, "read at, of another head", f.begin(t, 1).ChecksReadAt, time.Time{})
	f.accept(t, f.described(1, "h1", at(4)))
	equal(t, "read at, of the head that came back", f.begin(t, 1).ChecksReadAt, time.Time{})
}

func bases(t *testing.T, f *fixture) {
	release, closed, gone := f.described(2, "h2", at(1)), f.described(3, "h3", at(1)), f.described(4, "h4", at(1))
	release.Pull.Base.Name = "release/1"
	closed.Pull.State = change.Closed
	f.accept(t, f.described(1, "h1", at(1)), release, closed, gone)
	left := f.about(4)
	left.Gone, left.Concerns = true, 0
	f.accept(t, left)
	for base, want := range map[string][]change.PullKey{"main": {key(1)}, "release/1": {key(2)}, "*": {key(1), key(2)}, "other": nil} {
		d := f.about(0)
		d.Key, d.Base, d.Concerns = change.PullKey{}, base, change.ConcernContent
		equal(t, base, f.accept(t, d).Raised, want)
	}
	equal(t, "concerns", f.begin(t, 2).Concerns, change.ConcernPull|change.ConcernContent)
}

func wideBases(t *testing.T, f *fixture) {
	const many = 120
	var all []change.Delivery
	for n := range many {
		all = append(all, f.described(n+1, change.SHA(fmt.Sprint("h", n+1)), at(1)))
	}
	few := f.described(many+1, "few", at(1))
	few.Pull.Base.Name = "release/1"
	f.accept(t, append(all, few)...)
	must(t, f.SaveCheckRun(t.Context(), store.CheckRun{
		Repository: shop.ID, Head: "h7", Number: 7, Posted: plan.Posted{RunID: 9, Status: plan.Completed, Conclusion: plan.Success},
	}))
	moved := func(base string) change.Delivery {
		d := f.about(0)
		d.Key, d.Base, d.Concerns = change.PullKey{}, base, change.ConcernContent
		return d
	}
	a := f.acceptBy(t, moved("main"), f.about(8), f.onHead("h9", change.Check{Name: "build", State: change.CheckSuccess, RunID: 1, At: at(2)}))
	equal(t, "raised", len(a.Raised), many)
	equal(t, "that nobody waits for", len(a.Background), many-3)
	for _, n := range []int{7, 8, 9} { // a green one, and those that something else was told of
		equal(t, fmt.Sprint("that is waited for: ", n), a.Background[key(n)], false)
	}
	equal(t, "of a branch with few", len(f.acceptBy(t, moved("release/1")).Background), 0)

	gone := f.about(many + 1)
	gone.Gone = true
	a = f.acceptBy(t, moved("main"), gone, f.about(8)) // the group is cut
	equal(t, "that nobody waits for, of a group that is cut", len(a.Background), many-2)
}

func endedInstallations(t *testing.T, f *fixture) {
	installation := func(id change.InstallationID, action string) change.Delivery {
		d := f.about(0)
		d.Event, d.Action, d.Installation, d.Repository, d.Key, d.Concerns = "installation", action, id, change.Repository{}, change.PullKey{}, 0
		if d.Gone = action == "deleted"; !d.Gone {
			d.Added = []change.Repository{{ID: shop.ID, Owner: shop.Owner, Name: shop.Name}}
		}
		return d
	}
	wants := func(when string, ids ...change.InstallationID) {
		t.Helper()
		list, err := f.Repositories(t.Context())
		must(t, err)
		var got []change.InstallationID
		for _, r := range list {
			got = append(got, r.Installation)
		}
		equal(t, "the installations of repositories "+when, got, ids)
	}
	created, late, more := installation(shop.Installation, "created"), f.described(1, "h1", at(1)), f.described(2, "h2", at(1))
	more.Repository.Installation = 0 // as in most payloads
	f.accept(t, f.described(3, "h3", at(1)))
	wants("to begin with", shop.Installation)

	a := f.accept(t, installation(shop.Installation, "deleted"), late)
	equal(t, "raised after it, in the same group", len(a.Raised), 0)
	wants("when it is deleted")
	a = f.accept(t, created, more)
	equal(t, "raised by what came late", len(a.Raised)+len(a.Added), 0)
	equal(t, "accepted all the same", a.New, 2)
	wants("after what came late")

	f.accept(t, installation(71, "created"))
	wants("when it is installed again", 71)
	lateAgain := f.described(2, "h3", at(3))
	a = f.accept(t, lateAgain)
	equal(t, "raised by what came late", len(a.Raised), 0)
	wants("after what came late from the first", 71)
	living := f.described(2, "h3", at(3))
	living.Installation, living.Repository.Installation = 71, 71
	equal(t, "raised by the second", f.accept(t, living).Raised, []change.PullKey{key(2)})
}

func gone(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)), f.described(2, "h2", at(1)))
	archived := f.about(0)
	archived.Key, archived.Gone, archived.Concerns = change.PullKey{}, true, 0
	f.accept(t, archived)
	equal(t, "gone", f.begin(t, 1).Gone, true)
	n, err := f.CountUnsettled(t.Context())
	must(t, err)
	equal(t, "unsettled", n, 0)
	list, err := f.Repositories(t.Context())
	must(t, err)
	equal(t, "repositories", len(list), 0)
	equal(t, "raised by a check", f.accept(t, f.onHead("h1", change.Check{Name: "build", RunID: 1})).Raised, []change.PullKey(nil))

	back := f.about(0)
	back.Key, back.Base, back.Concerns = change.PullKey{}, "*", change.ConcernVerify
	equal(t, "raised by its return", f.accept(t, back).Raised, []change.PullKey{key(1), key(2)})
	equal(t, "gone", f.begin(t, 1).Gone, false)

	must(t, f.SaveGone(t.Context(), key(1)))
	equal(t, "gone", f.begin(t, 1).Gone, true)
	open, err := f.PullsWithHead(t.Context(), shop.ID, "h1")
	must(t, err)
	equal(t, "open with its head", len(open), 0)
	_, err = f.SavePull(t.Context(), key(1), *f.described(1, "h1", at(2)).Pull)
	must(t, err)
	equal(t, "gone", f.begin(t, 1).Gone, false)

	// What went away and came back within a group is as its last delivery says.
	equal(t, "raised", f.accept(t, archived, f.about(2)).Raised, []change.PullKey{key(2)})
	archived.ID += "-2"
	f.accept(t, f.about(2), archived)
	equal(t, "gone", f.begin(t, 2).Gone, true)
}

// lateLeaving lets a repository leave and come back, and the deliveries of both come in either order.
func lateLeaving(t *testing.T, f *fixture) {
	told := func(action string, by change.InstallationID, second int) change.Delivery {
		d := change.Delivery{Event: "repository", Action: action, Installation: by, Repository: shop, RepositoryAt: at(second)}
		if d.Gone = action != "unarchived"; !d.Gone {
			d.Base, d.Concerns = "*", change.ConcernPull|change.ConcernVerify
		}
		if action == "transferred" {
			d.Repository.Owner, d.Repository.Installation = "bmce", by
		}
		return d
	}
	removed := change.Delivery{Event: "installation_repositories", Installation: shop.Installation, Removed: []change.RepositoryID{shop.ID}}
	added := change.Delivery{Event: "installation_repositories", Installation: 71, Added: []change.Repository{{ID: shop.ID, Owner: "bmce", Name: "shop"}}}
	repo := shop.ID
	for _, row := range []struct {
		name          string
		first, second change.Delivery
		gone          bool
	}{
		{"archived, then back", told("archived", 70, 2), told("unarchived", 70, 3), false},
		{"back, then archived", told("unarchived", 70, 2), told("archived", 70, 3), true},
		{"removed, then added to another installation", removed, added, false},
		{"transferred, as the former owner's installation was told, then added", told("transferred", 70, 2), added, false},
		{"transferred, as the new owner's installation was told, then added", told("transferred", 71, 2), added, false},
	} {
		for _, order := range [][]change.Delivery{{row.first, row.second}, {row.second, row.first}} {
			repo++
			open := f.described(1, "h1", at(1))
			open.Repository.ID, open.Key.Repository = repo, repo
			f.accept(t, open)
			for _, d := range order {
				f.deliveries++
				d.ID, d.ReceivedAt = fmt.Sprintf("guid-%d", f.deliveries), f.clock()
				switch {
				case d.Removed != nil:
					d.Removed = []change.RepositoryID{repo}
				case d.Added != nil:
					d.Added = []change.Repository{{ID: repo, Owner: "bmce", Name: "shop"}}
				default:
					d.Repository.ID = repo
				}
				f.accept(t, d)
			}
			list, err := f.Repositories(t.Context())
			must(t, err)
			has := slices.ContainsFunc(list, func(r change.Repository) bool { return r.ID == repo })
			equal(t, row.name+", the first to come "+order[0].Action+": gone", !has, row.gone)
			if row.second.Added != nil {
				continue // its pull requests are listed before they are ours again
			}
			p, err := f.Pull(t.Context(), open.Key)
			must(t, err)
			equal(t, row.name+", the first to come "+order[0].Action+": gone with it", p.Gone, row.gone)
		}
	}
}

func addedAndRemoved(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	d := f.about(0)
	d.Key, d.Repository, d.Concerns = change.PullKey{}, change.Repository{}, 0
	d.Removed = []change.RepositoryID{shop.ID}
	d.Added = []change.Repository{{ID: 8, Owner: "acme", Name: "till"}}
	a := f.accept(t, d)
	equal(t, "added", a.Added, []change.RepositoryID{8})
	equal(t, "gone", f.begin(t, 1).Gone, true)
	list, err := f.Repositories(t.Context())
	must(t, err)
	equal(t, "repositories", list, []change.Repository{{ID: 8, Owner: "acme", Name: "till", Installation: shop.Installation}})
	equal(t, "added again", f.accept(t, d), store.Accepted{})
}

func floors(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)), f.described(2, "h2", at(1)), f.described(3, "h3", at(1)))
	elsewhere := f.about(1)
	elsewhere.Installation = 80
	elsewhere.Repository = change.Repository{ID: 9, Owner: "bmce", Name: "shop", DefaultBranch: "main", Installation: 80}
	elsewhere.Key.Repository = 9
	closed := f.described(2, "h2", at(2))
	closed.Pull.State = change.Closed
	f.accept(t, elsewhere, closed)

	d := f.about(0)
	d.Key, d.Concerns, d.Floor = change.PullKey{}, 0, true
	d.Repository.ID, d.Repository.Name = 10, ".github"
	a := f.accept(t, d)
	equal(t, "floors", a.Floors, []store.Floor{{Installation: shop.Installation, Delivery: d.ID}})
	equal(t, "raised", len(a.Raised), 0)
	equal(t, "floors again", f.accept(t, d), store.Accepted{})

	first, err := f.OpenPullsOf(t.Context(), shop.Installation, change.PullKey{}, 1)
	must(t, err)
	equal(t, "first", first, []change.PullKey{key(1)})
	rest, err := f.OpenPullsOf(t.Context(), shop.Installation, key(1), 10)
	must(t, err)
	equal(t, "rest", rest, []change.PullKey{key(3)})
}

func installationGone(t *testing.T, f *fixture) {
	f.accept(t, f.described(1, "h1", at(1)))
	other := f.about(1)
	other.Installation = 80
	other.Repository = change.Repository{ID: 9, Owner: "bmce", Name: "shop", DefaultBranch: "main", Installation: 80}
	other.Key.Repository = 9
	f.accept(t, other)
	d := f.about(0)
	d.Key, d.Repository, d.Concerns, d.Gone = change.PullKey{}, change.Repository{}, 0, true
	f.accept(t, d)
	equal(t, "gone", f.begin(t, 1).Gone, true)
	p, err := f.Pull(t.Context(), other.Key)
	must(t, err)
	equal(t, "gone elsewhere", p.Gone, false)
}

func commands(t *testing.T, f *fixture) {
	command := func(comment int64, second int) change.Delivery {
		d := f.about(1)
		d.Event, d.Concerns = "issue_comment", change.ConcernVerify
		d.Command = &change.Command{Comment: comment, Pull: d.Key, By: alice(), Body: "/change refresh", At: at(second)}
		return d
	}
	one, two := command(10, 1), command(11, 2)
	again := one
	again.ID = "another delivery of the same comment"
	f.accept(t, two, one, again)
	equal(t, "commands", f.begin(t, 1).Commands, []change.Command{*one.Command, *two.Command})
	must(t, f.CommandDone(context.Background(), 10, "refreshed"))
	equal(t, "commands", f.begin(t, 1).Commands, []change.Command{*two.Command})
	again.ID = "and another, later"
	f.accept(t, again)
	equal(t, "commands", f.begin(t, 1).Commands, []change.Command{*two.Command})
}

// Whoever looks for what became of a delivery is told what it asked for, whichever way it names that.
func causes(t *testing.T, f *fixture) {
	one, two := f.described(1, "h1", at(1)), f.described(2, "h1", at(1))
	pushed := f.about(0)
	pushed.Key, pushed.Base = change.PullKey{}, "main"
	pushed.Added = []change.Repository{{ID: 8, Owner: "acme", Name: "till"}}
	pushed.Raised = []change.Raised{{Errand: change.Errand{Kind: change.ErrandBranch, Repository: shop.ID, Name: "main"}}}
	checked := f.onHead("h1", change.Check{Name: "build", State: change.CheckSuccess, RunID: 1, At: at(2)})
	again := f.about(2)
	a := f.acceptBy(t, one, two, pushed, checked, again)
	equal(t, "pull requests", a.By.Pulls, map[change.PullKey][]string{
		key(1): {one.ID, checked.ID, pushed.ID}, key(2): {two.ID, again.ID, checked.ID, pushed.ID},
	})
	equal(t, "errands", a.By.Errands, map[change.Errand][]string{pushed.Raised[0].Errand: {pushed.ID}})
	equal(t, "repositories", a.By.Repositories, map[change.RepositoryID][]string{8: {pushed.ID}})
}
