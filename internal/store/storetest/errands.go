package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func errand(kind change.ErrandKind, name string) change.Errand {
	return change.Errand{Kind: kind, Repository: shop.ID, Name: name}
}

func note(id string, second int) change.Note {
	return change.NewNote(id, at(second), change.BranchPush{Branch: "main", After: change.SHA(id)})
}

// pushed returns a delivery that raises errands and concerns no pull request.
func (f *fixture) pushed(raised ...change.Raised) change.Delivery {
	d := f.about(0)
	d.Event, d.Action, d.Key, d.Concerns, d.Raised = "push", "", change.PullKey{}, 0, raised
	return d
}

func (f *fixture) raiseErrands(t testing.TB, raised ...change.Raised) {
	t.Helper()
	f.write(t, func(tx store.Tx) error { return f.RaiseErrands(context.Background(), tx, raised) })
}

func (f *fixture) saveErrand(t testing.TB, e change.Errand, save store.ErrandSave) {
	t.Helper()
	f.write(t, func(tx store.Tx) error { return f.SaveErrand(context.Background(), tx, e, save) })
}

func (f *fixture) beginErrand(t testing.TB, e change.Errand) store.ErrandWork {
	t.Helper()
	w, err := f.BeginErrand(context.Background(), e)
	must(t, err)
	return w
}

func (f *fixture) startErrand(t testing.TB, e change.Errand) store.Run {
	t.Helper()
	run, err := f.StartErrand(context.Background(), e)
	must(t, err)
	return run
}

func (f *fixture) unsettledErrands(t testing.TB) []change.Errand {
	t.Helper()
	list, err := f.UnsettledErrands(context.Background(), change.Errand{}, 10)
	must(t, err)
	_, counts, err := f.CountAllUnsettled(context.Background())
	must(t, err)
	n := 0
	for _, count := range counts {
		n += count
	}
	equal(t, "count of unsettled errands", n, len(list))
	return list
}

func ids(notes []change.Note) (list []string) {
	for _, n := range notes {
		list = append(list, n.ID)
	}
	return list
}

func errandsDelivered(t *testing.T, f *fixture) {
	main, release, thread := errand(change.ErrandBranch, "main"), errand(change.ErrandBranch, "release/1"), errand(change.ErrandAnnouncement, "pull/1")
	first := f.pushed(change.Raised{Errand: main, Notes: []change.Note{note("a", 2)}}, change.Raised{Errand: thread})
	second := f.pushed(change.Raised{Errand: release, Notes: []change.Note{note("r", 1)}}, change.Raised{Errand: main, Notes: []change.Note{note("b", 1)}})
	equal(t, "accepted", f.accept(t, first, second), store.Accepted{New: 2, Errands: []change.Errand{thread, main, release}})
	equal(t, "accepted again", f.accept(t, first), store.Accepted{})
	equal(t, "unsettled", f.unsettledErrands(t), []change.Errand{thread, main, release})
	equal(t, "work", f.beginErrand(t, main), store.ErrandWork{Errand: main, Repository: shop, Notes: []change.Note{note("b", 1), note("a", 2)}})
	equal(t, "work without a note", f.beginErrand(t, thread), store.ErrandWork{Errand: thread, Repository: shop})
	page, err := f.UnsettledErrands(t.Context(), main, 1)
	must(t, err)
	equal(t, "unsettled after one", page, []change.Errand{release})
	n, err := f.CountUnsettled(t.Context())
	must(t, err)
	equal(t, "unsettled pull requests", n, 0)

	_, err = f.BeginErrand(t.Context(), errand(change.ErrandGroup, "main"))
	wantError(t, err, store.ErrNotFound)
	_, err = f.StartErrand(t.Context(), errand(change.ErrandGroup, "main"))
	wantError(t, err, store.ErrNotFound)
}

func errandRuns(t *testing.T, f *fixture) {
	e := errand(change.ErrandBranch, "main")
	f.accept(t, f.pushed(change.Raised{Errand: e}))
	run := f.startErrand(t, e)
	f.raiseErrands(t, change.Raised{Errand: e})
	equal(t, "the first run", f.finish(t, run, time.Time{}), store.Again)
	run = f.startErrand(t, e)
	next, failures := f.fail(t, run, "GitHub answers 502")
	equal(t, "the run that failed", []any{next, failures}, []any{store.Settled, 1})
	slept := f.startErrand(t, e)
	next, failures = f.fail(t, slept, "") // it only had to wait
	equal(t, "the run that waits", []any{next, failures}, []any{store.Settled, 1})
	equal(t, "unsettled", f.unsettledErrands(t), []change.Errand{e})

	run = f.startErrand(t, e)
	equal(t, "one that slept", f.finish(t, slept, time.Time{}), store.Stale)
	equal(t, "the last run", f.finish(t, run, at(100)), store.Settled)
	equal(t, "unsettled afterwards", f.unsettledErrands(t), []change.Errand(nil))
	f.write(t, func(tx store.Tx) error {
		unsettled, err := f.IsErrandUnsettled(t.Context(), tx, e)
		equal(t, "unsettled", unsettled, false)
		return err
	})

	due := func(second int) (due bool) {
		f.write(t, func(tx store.Tx) (err error) {
			due, err = f.TakeErrandRecheck(t.Context(), tx, e, at(second))
			return err
		})
		return due
	}
	overdue := func() (list []change.Errand) {
		f.write(t, func(tx store.Tx) (err error) {
			list, err = f.OverdueErrands(t.Context(), tx)
			return err
		})
		return list
	}
	equal(t, "due at another time", due(99), false)
	f.wait(99 * time.Second)
	equal(t, "overdue before its time", overdue(), []change.Errand(nil))
	f.wait(time.Second)
	equal(t, "overdue", overdue(), []change.Errand{e})
	equal(t, "due, and due when it was taken", []bool{due(100), due(100)}, []bool{true, false})
	equal(t, "overdue when it was taken", overdue(), []change.Errand(nil))
	f.finish(t, f.startErrand(t, e), time.Time{})
	equal(t, "overdue when none is asked for", overdue(), []change.Errand(nil))
}

func errandsOfARepositoryThatIsGone(t *testing.T, f *fixture) {
	e := errand(change.ErrandBranch, "main")
	raised := change.Raised{Errand: e, Notes: []change.Note{note("a", 1)}}
	left := f.about(0)
	left.Key, left.Repository, left.Concerns, left.Removed = change.PullKey{}, change.Repository{}, 0, []change.RepositoryID{shop.ID}
	f.accept(t, f.pushed(raised))
	f.accept(t, left)
	equal(t, "unsettled", f.unsettledErrands(t), []change.Errand(nil))
	_, err := f.StartErrand(t.Context(), e)
	wantError(t, err, store.ErrNotFound)
	f.write(t, func(tx store.Tx) error {
		unsettled, err := f.IsErrandUnsettled(t.Context(), tx, e)
		equal(t, "unsettled", unsettled, false)
		return err
	})
	f.raiseErrands(t, change.Raised{Errand: e, Notes: []change.Note{note("b", 2)}})
	equal(t, "unsettled when raised", f.unsettledErrands(t), []change.Errand(nil))

	f.accept(t, f.pushed()) // it is ours again
	equal(t, "unsettled when it is back", f.unsettledErrands(t), []change.Errand{e})
	equal(t, "notes", ids(f.beginErrand(t, e).Notes), []string{"a", "b"})

	elsewhere := change.Errand{Kind: change.ErrandBranch, Repository: 99, Name: "main"}
	f.raiseErrands(t, change.Raised{Errand: elsewhere})
	equal(t, "unsettled in a repository never heard of", f.unsettledErrands(t), []change.Errand{e})
	_, err = f.BeginErrand(t.Context(), elsewhere)
	wantError(t, err, store.ErrNotFound)
}

func errandSaves(t *testing.T, f *fixture) {
	ctx := t.Context()
	e, other := errand(change.ErrandException, "k1"), errand(change.ErrandAnnouncement, "exception/k1")
	f.accept(t, f.pushed(change.Raised{Errand: e, Notes: []change.Note{note("a", 1), note("b", 2)}}))
	lease, err := f.Acquire(ctx, store.ErrandLease(e), "one", time.Minute)
	must(t, err)
	debt := change.Debt{Pull: key(1), Kind: change.DebtRetrospective, Owner: 5, Due: at(60)}
	save := store.ErrandSave{
		Lease: lease, State: map[string]int{"step": 1}, Taken: []string{"a", "unknown"}, Issue: 40, Debts: []change.Debt{debt},
		Raise:   []change.Raised{{Errand: other, Notes: []change.Note{note("x", 3)}}, {Errand: other}},
		Entries: []ledger.Draft{{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7}, Body: "opened"}},
	}
	f.saveErrand(t, e, save)
	w := f.beginErrand(t, e)
	want := store.ErrandWork{Errand: e, Repository: shop, State: json.RawMessage(`{"step":1}`), Notes: []change.Note{note("b", 2)}, Issue: 40}
	equal(t, "work", w, want)
	equal(t, "notes of the other", ids(f.beginErrand(t, other).Notes), []string{"x"})
	equal(t, "unsettled", f.unsettledErrands(t), []change.Errand{other, e})

	f.saveErrand(t, e, store.ErrandSave{Taken: []string{"b"}})
	want.Notes = nil
	equal(t, "what is left alone", f.beginErrand(t, e), want)
	all, err := f.ErrandsOf(ctx, change.ErrandException, shop.ID)
	must(t, err)
	equal(t, "of its kind", all, []store.ErrandWork{want})

	// Whoever lost the lease leaves nothing.
	f.wait(time.Minute)
	late := save
	late.State, late.Issue, late.Raise = map[string]int{"step": 9}, 41, []change.Raised{{Errand: other, Notes: []change.Note{note("y", 3)}}}
	wantError(t, f.Write(ctx, func(tx store.Tx) error { return f.SaveErrand(ctx, tx, e, late) }), store.ErrFenced)
	equal(t, "after a late one", f.beginErrand(t, e), want)
	equal(t, "notes of the other", ids(f.beginErrand(t, other).Notes), []string{"x"})
	entries, err := f.Ledger(ctx, ledger.Page{})
	must(t, err)
	equal(t, "entries", len(entries), 1)

	f.saveErrand(t, e, store.ErrandSave{State: json.RawMessage("null")})
	equal(t, "state when there is nothing to remember", f.beginErrand(t, e).State, json.RawMessage(nil))
	unknown := errand(change.ErrandException, "k2")
	wantError(t, f.Write(ctx, func(tx store.Tx) error { return f.SaveErrand(ctx, tx, unknown, store.ErrandSave{State: 1}) }), store.ErrNotFound)
}

func errandIssues(t *testing.T, f *fixture) {
	e, other := errand(change.ErrandException, "k1"), errand(change.ErrandRetrospective, "3")
	f.accept(t, f.pushed(change.Raised{Errand: e}, change.Raised{Errand: other}))
	f.saveErrand(t, e, store.ErrandSave{Issue: 40})
	f.saveErrand(t, other, store.ErrandSave{Issue: 41})

	on := func(issue change.Number, comment int64) change.Delivery {
		d := f.pushed()
		d.Event, d.Issue = "issue_comment", issue
		if comment != 0 {
			d.Command = &change.Command{Comment: comment, Pull: key(int(issue)), By: alice(), Body: "/change explain", At: at(int(comment))}
		}
		return d
	}
	explained := on(40, 10)
	alone := on(40, 11)
	alone.Issue = 0
	equal(t, "accepted", f.accept(t, explained, on(40, 0), on(39, 12)), store.Accepted{New: 3, Errands: []change.Errand{e}})
	equal(t, "accepted without the issue", f.accept(t, alone).Errands, []change.Errand{e})
	equal(t, "commands", f.beginErrand(t, e).Commands, []change.Command{*explained.Command, *alone.Command})
	equal(t, "commands of the other", f.beginErrand(t, other).Commands, []change.Command(nil))
	must(t, f.CommandDone(t.Context(), 10, "explained"))
	equal(t, "commands, one answered", f.beginErrand(t, e).Commands, []change.Command{*alone.Command})

	// One on an issue that was nobody's is not kept, also when the issue is somebody's later.
	f.saveErrand(t, other, store.ErrandSave{Issue: 39})
	equal(t, "commands that were nobody's", f.beginErrand(t, other).Commands, []change.Command(nil))

	// The number of a pull request raises the errand about it besides.
	merged := f.described(41, "h1", at(1))
	merged.Issue = 39
	a := f.accept(t, merged)
	equal(t, "raised", a.Raised, []change.PullKey{key(41)})
	equal(t, "errands", a.Errands, []change.Errand{other})
}

func consequences(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.accept(t, f.described(1, "h1", at(1)))
	d := change.Decision{Pull: key(1), Head: "h1", Governed: true}
	debt := change.Debt{Pull: key(1), Kind: change.DebtReview, Owner: 5, Due: at(60)}
	no := change.Rejection{Comment: 31, By: alice(), Role: "tech-lead", At: at(2), Reason: "not on a Friday"}
	thread := errand(change.ErrandAnnouncement, "pull/1")
	c := store.Consequences{
		Debts: []change.Debt{debt}, Rejections: []change.Rejection{no}, Raise: []change.Raised{{Errand: thread, Notes: []change.Note{note("x", 3)}}},
	}
	must(t, f.SaveDecision(ctx, d, "digest", c))
	equal(t, "rejections", f.begin(t, 1).Rejections, []change.Rejection{no})
	equal(t, "raised", f.unsettledErrands(t), []change.Errand{thread})
	equal(t, "notes", ids(f.beginErrand(t, thread).Notes), []string{"x"})

	no.Withdrawn, no.WithdrawnBy = at(9), change.Account{ID: 2, Login: "bob"}
	later := change.Rejection{Comment: 30, By: alice(), Role: "tech-lead", At: at(20), Reason: "nor on a Monday"}
	debt.Settled = at(50)
	must(t, f.SaveDecision(ctx, d, "digest", store.Consequences{Debts: []change.Debt{debt}, Rejections: []change.Rejection{later, no}}))
	equal(t, "rejections, one withdrawn", f.begin(t, 1).Rejections, []change.Rejection{no, later})
	debts, err := f.Debts(ctx, shop.Installation, []change.AccountID{5})
	must(t, err)
	equal(t, "debts", debts, []change.Debt{debt})

	// What belongs to a decision that is not saved is not saved either.
	d.Pull, c.Debts[0].Settled = key(99), at(51)
	wantError(t, f.SaveDecision(ctx, d, "digest", c), store.ErrNotFound)
	debts, err = f.Debts(ctx, shop.Installation, []change.AccountID{5})
	must(t, err)
	equal(t, "debts afterwards", debts, []change.Debt{debt})
}

func debts(t *testing.T, f *fixture) {
	ctx := t.Context()
	e := errand(change.ErrandRetrospective, "1")
	d := f.pushed(change.Raised{Errand: e})
	d.Added = []change.Repository{{ID: 8, Owner: "acme", Name: "till"}, {ID: 9, Owner: "bmce", Name: "shop", Installation: 80}, {ID: 10, Owner: "acme", Name: "old"}}
	f.accept(t, d)
	owed := func(repo change.RepositoryID, n int, kind change.DebtKind, owner change.AccountID, due int) change.Debt {
		return change.Debt{Pull: change.PullKey{Repository: repo, Number: change.Number(n)}, Kind: kind, Owner: owner, Due: at(due)}
	}
	first, second, third := owed(7, 1, change.DebtReview, 5, 10), owed(8, 1, change.DebtReview, 6, 20), owed(7, 1, change.DebtRetrospective, 5, 30)
	f.saveErrand(t, e, store.ErrandSave{Debts: []change.Debt{
		third, second, first, owed(9, 1, change.DebtReview, 5, 10), owed(7, 2, change.DebtReview, 7, 10), owed(10, 1, change.DebtReview, 5, 5),
	}})
	left := f.about(0)
	left.Key, left.Repository, left.Concerns, left.Removed = change.PullKey{}, change.Repository{}, 0, []change.RepositoryID{10}
	f.accept(t, left)
	for _, row := range []struct {
		name   string
		owners []change.AccountID
		want   []change.Debt
	}{
		{"nobody's", nil, nil},
		{"those of who owes none", []change.AccountID{1}, nil},
		{"of one", []change.AccountID{5}, []change.Debt{first, third}},
		{"of two", []change.AccountID{6, 5}, []change.Debt{first, second, third}},
	} {
		got, err := f.Debts(ctx, shop.Installation, row.owners)
		must(t, err)
		equal(t, row.name, got, row.want)
	}
	third.Due, third.Owner = at(40), 6
	f.saveErrand(t, e, store.ErrandSave{Debts: []change.Debt{third}})
	got, err := f.Debts(ctx, shop.Installation, []change.AccountID{6})
	must(t, err)
	equal(t, "as it stands now", got, []change.Debt{second, third})
}

// notesAreDealtWithOnce leaves notes in any order and any number of times, by deliveries and by runs, while runs take some of them: what a
// run is given is what was left and not yet taken, the oldest first, and what was raised after a run began is seen at its end.
func notesAreDealtWithOnce(t *testing.T, f *fixture) {
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		o := notesModel{fixture: f, t: t, r: r, errand: errand(change.ErrandBranch, fmt.Sprint("b", n)), left: map[string]bool{}, meanwhile: true}
		f.accept(t, f.pushed(change.Raised{Errand: o.errand}))
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			o.step()
			if got := ids(f.beginErrand(t, o.errand).Notes); !slices.Equal(got, o.waiting) {
				r.Fatalf("the notes are %q, want %q", got, o.waiting)
			}
			f.write(t, func(tx store.Tx) error {
				unsettled, err := f.IsErrandUnsettled(t.Context(), tx, o.errand)
				if unsettled != (o.business || o.meanwhile) {
					r.Fatalf("unsettled: %t", unsettled)
				}
				return err
			})
		}
	})
}

// notesModel is an errand, with what there should be of it.
type notesModel struct {
	*fixture
	t         *testing.T
	r         *rapid.T
	errand    change.Errand
	run       *store.Run      // nil: none is under way
	left      map[string]bool // the notes that were ever left
	waiting   []string        // those that were not taken, in order
	meanwhile bool            // it was raised since the last run began
	business  bool            // it was raised before that, and not dealt with
}

func (o *notesModel) step() {
	switch step := rapid.SampledFrom([]string{"deliver", "raise", "start", "take", "finish", "prune"}).Draw(o.r, "step"); {
	case step == "deliver":
		o.accept(o.t, o.pushed(o.raised()))
		o.meanwhile = true
	case step == "raise":
		o.raiseErrands(o.t, o.raised())
		o.meanwhile = true
	case step == "start":
		started := o.startErrand(o.t, o.errand)
		o.run, o.business, o.meanwhile = &started, o.business || o.meanwhile, false
	case step == "take" && o.run != nil && len(o.waiting) > 0:
		taken := rapid.SliceOfDistinct(rapid.SampledFrom(o.waiting), rapid.ID).Draw(o.r, "taken")
		o.saveErrand(o.t, o.errand, store.ErrandSave{Taken: taken})
		o.waiting = slices.DeleteFunc(o.waiting, func(id string) bool { return slices.Contains(taken, id) })
	case step == "finish" && o.run != nil:
		want := store.Settled
		if o.meanwhile {
			want = store.Again
		}
		if next := o.finish(o.t, *o.run, time.Time{}); next != want {
			o.r.Fatalf("after the run comes %v, want %v", next, want)
		}
		o.run, o.business = nil, false
	case step == "prune":
		o.wait(time.Hour)
		must(o.t, o.Prune(o.t.Context()))
	}
}

// raised returns the errand with some notes, which may have been left before.
func (o *notesModel) raised() change.Raised {
	raised := change.Raised{Errand: o.errand}
	for _, second := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 4).Draw(o.r, "notes") {
		id := fmt.Sprint("n", second)
		raised.Notes = append(raised.Notes, note(id, second))
		if !o.left[id] {
			o.left[id] = true
			o.waiting = append(o.waiting, id)
		}
	}
	slices.Sort(o.waiting)
	return raised
}

func pruneErrands(t *testing.T, f *fixture) {
	ctx := t.Context()
	idle, waits, remembers, rechecks := errand(change.ErrandBranch, "idle"), errand(change.ErrandBranch, "waits"), errand(change.ErrandBranch, "remembers"), errand(change.ErrandBranch, "rechecks")
	issue, noted := errand(change.ErrandException, "issue"), errand(change.ErrandException, "noted")
	left := note("a", 1)
	for _, e := range []change.Errand{idle, waits, remembers, rechecks, issue, noted} {
		f.accept(t, f.pushed(change.Raised{Errand: e, Notes: []change.Note{left}}))
		save := store.ErrandSave{Taken: []string{left.ID}}
		var recheckAt time.Time
		switch e {
		case waits:
			continue
		case remembers:
			save.State = 1
		case rechecks:
			recheckAt = at(1)
		case issue:
			save.Issue = 40
		case noted:
			save.Taken = nil
		}
		f.saveErrand(t, e, save)
		f.finish(t, f.startErrand(t, e), recheckAt)
	}
	f.wait(10 * 24 * time.Hour)
	must(t, f.Prune(ctx))
	f.raiseErrands(t, change.Raised{Errand: idle, Notes: []change.Note{left}}) // a redelivery
	equal(t, "notes, soon after", f.beginErrand(t, idle).Notes, []change.Note(nil))
	f.finish(t, f.startErrand(t, idle), time.Time{})

	f.wait(30 * 24 * time.Hour)
	must(t, f.Prune(ctx))
	_, err := f.BeginErrand(ctx, idle)
	wantError(t, err, store.ErrNotFound)
	for _, e := range []change.Errand{waits, remembers, rechecks, issue, noted} {
		f.beginErrand(t, e)
	}
	equal(t, "notes that nobody took", []int{len(f.beginErrand(t, waits).Notes), len(f.beginErrand(t, noted).Notes)}, []int{1, 1})
	f.raiseErrands(t, change.Raised{Errand: remembers, Notes: []change.Note{left}})
	equal(t, "notes, long after", len(f.beginErrand(t, remembers).Notes), 1)
}
