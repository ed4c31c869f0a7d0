package storetest

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// onTopic returns the delivery of a push to the branch topic.
func (f *fixture) onTopic(before, after change.SHA, when time.Time) change.Delivery {
	d := f.about(0)
	d.Event, d.Action, d.Key, d.Base, d.Concerns = "push", "", change.PullKey{}, "topic", change.ConcernContent
	d.Arrival = &change.Push{Before: before, After: after, By: alice(), At: when, Forced: after == "c3"}
	return d
}

func origins(t *testing.T, f *fixture) {
	ctx := t.Context()
	opened := func(n int, from change.Branch) change.Delivery {
		d := f.described(n, from.SHA, at(30))
		d.Pull.Head, d.Pull.Base, d.Pull.CreatedAt = from, change.Branch{Repository: shop.ID, Name: "main"}, at(30)
		return d
	}
	topic := change.Branch{Repository: shop.ID, Name: "topic", SHA: "c3"}
	elsewhere := f.onTopic("", "x1", at(1))
	elsewhere.Base = "other"
	first, second, third := f.onTopic("", "c1", at(10)), f.onTopic("c1", "c2", at(20)), f.onTopic("c2", "c3", at(34).Add(999*time.Millisecond))
	later := f.onTopic("c3", "c4", at(35))

	// In any order, and once however often it is told.
	f.accept(t, later, opened(1, topic))
	f.accept(t, third, elsewhere, second)
	again := f.onTopic("c1", "c2", at(20))
	f.accept(t, first, again)
	want := []change.Push{*first.Arrival, *second.Arrival, *third.Arrival}
	equal(t, "pushes until it was opened, and a little later", f.begin(t, 1).Branch, want)
	equal(t, "pushes to it", len(f.begin(t, 1).Pushes), 0)

	f.accept(t, opened(2, change.Branch{Repository: 99, Name: "topic", SHA: "c3"}), opened(3, change.Branch{Repository: shop.ID, Name: "another", SHA: "c3"}))
	equal(t, "pushes to a fork's branch of that name", len(f.begin(t, 2).Branch), 0)
	equal(t, "pushes to another branch", len(f.begin(t, 3).Branch), 0)

	o := store.Origin{Pushes: want[:2], Roots: []store.OriginRoot{{Base: "main", SHA: "c0"}, {Base: "release", SHA: "c0"}}, Read: []store.OriginRead{{Base: "main", At: at(40)}}}
	must(t, f.SaveOrigin(ctx, key(1), o))
	must(t, f.SaveOrigin(ctx, key(1), o))
	more := store.Origin{Pushes: want, Read: []store.OriginRead{{Base: "main", At: at(50)}}}
	must(t, f.SaveOrigin(ctx, key(1), more))
	kept := store.Origin{Pushes: want, Roots: o.Roots, Read: append(o.Read, more.Read...)}
	w := f.begin(t, 1)
	equal(t, "what is kept", w.Origin, kept)
	equal(t, "what another base had", len(w.Origin.RootsOf("topic")), 0)
	equal(t, "whether deliveries are known to be missing", w.Untold, false)

	must(t, f.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO facts (repository, number, kind, id, at, arrived, body) VALUES ($1, 1, 'root', 'c9', 0, 0, '"c9"')`, shop.ID)
		return err
	}))
	equal(t, "what was kept of no base", f.begin(t, 1).Origin, kept)

	must(t, f.Prune(ctx))
	equal(t, "pushes, soon after", f.begin(t, 1).Branch, want)
	f.wait(100 * 24 * time.Hour)
	must(t, f.Prune(ctx))
	w = f.begin(t, 1)
	equal(t, "pushes, long after", len(w.Branch), 0)
	equal(t, "what is kept, long after", w.Origin, kept)
}
