package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/store"
)

func missingDeliveries(t *testing.T, f *fixture) {
	came := f.about(1)
	came.ID = "came"
	f.accept(t, came)

	p, err := f.LogPlace(t.Context())
	must(t, err)
	equal(t, "the place at first", p, store.LogPlace{})

	listed := func(id string, attempt int64, rank, second int) store.Missing {
		return store.Missing{ID: id, Attempt: attempt, Event: "push", Action: "", Rank: rank, At: at(second)}
	}
	save := func(want int, p store.LogPlace, list ...store.Missing) {
		t.Helper()
		found, err := f.SaveListed(t.Context(), list, p)
		must(t, err)
		equal(t, "found", found, want)
	}
	place := store.LogPlace{LookedTo: at(1), Top: at(9), Cursor: "v1_2"}
	save(3, place, listed("came", 1, 0, 3), listed("late", 5, 1, 1), listed("young", 4, 0, 3), listed("old", 3, 0, 2))
	got, err := f.LogPlace(t.Context())
	must(t, err)
	equal(t, "the place", got, place)

	due := func(want ...string) []store.Missing {
		t.Helper()
		list, err := f.Redeliverable(t.Context(), 10)
		must(t, err)
		var ids []string
		for _, m := range list {
			ids = append(ids, m.ID)
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
		return list
	}
	due("old", "young", "late")
	save(0, store.LogPlace{LookedTo: at(9)}, listed("old", 8, 0, 4), listed("young", 2, 0, 1))
	list := due("old", "young", "late")
	equal(t, "the newest attempt at the old one", list[0].Attempt, int64(8))
	equal(t, "the newest attempt at the young one", list[1].Attempt, int64(4))
	equal(t, "when it was attempted first", list[0].At, at(2))

	must(t, f.Asked(t.Context(), "old", 1, f.clock().Add(time.Minute)))
	due("young", "late")
	f.wait(time.Minute)
	equal(t, "asked", due("old", "young", "late")[0].Asked, 1)
	must(t, f.Asked(t.Context(), "old", 2, f.clock().Add(time.Hour)))
	due("young", "late")
	events, lost, err := f.ForgetMissing(t.Context(), at(1))
	must(t, err)
	equal(t, "lost", lost, 0)
	equal(t, "events that have come", strings.Join(events, " "), "")
	due("young", "late") // none has come

	came.ID = "young"
	f.accept(t, came)
	due("late")
	missing := func(want int) {
		t.Helper()
		n, err := f.CountMissing(t.Context())
		must(t, err)
		equal(t, "missing", n, want)
	}
	missing(2)
	events, lost, err = f.ForgetMissing(t.Context(), at(2))
	must(t, err)
	equal(t, "events that have come", strings.Join(events, " "), "push")
	equal(t, "lost", lost, 1) // the late one, of the first second
	missing(1)
	due("old") // one has come
	must(t, f.Asked(t.Context(), "old", 3, f.clock().Add(time.Hour)))
	save(1, store.LogPlace{}, listed("late", 5, 1, 1), listed("young", 4, 0, 3), listed("old", 8, 0, 4))
	due("late")
}
