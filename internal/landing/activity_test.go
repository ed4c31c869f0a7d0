package landing

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// TestWhichPushItIs has a push that was told of be found in the activity by what it did and when.
func TestWhichPushItIs(t *testing.T) {
	push := func(before, after change.SHA, pushed time.Time) Push {
		return Push{change.BranchPush{Before: before, After: after, Pushed: pushed}, epoch.Add(time.Hour)}
	}
	known := Push{change.BranchPush{Before: "a", After: "b", Pushed: epoch}, epoch}
	for _, row := range []struct {
		name string
		told Push
		is   bool
		when time.Time
	}{
		{"the same", push("a", "b", epoch), true, epoch},
		{"the same, a minute apart", push("a", "b", epoch.Add(sameEvent)), true, epoch},
		{"the same done later", push("a", "b", epoch.Add(sameEvent+1)), false, epoch.Add(time.Hour)},
		{"the same done before", push("a", "b", epoch.Add(-sameEvent-1)), false, epoch.Add(time.Hour)},
		{"one that does not say when it was", push("a", "b", time.Time{}), true, epoch.Add(time.Hour)},
		{"from elsewhere", push("c", "b", epoch), false, epoch.Add(time.Hour)},
		{"to elsewhere", push("a", "c", epoch), false, epoch.Add(time.Hour)},
	} {
		if is, when := row.told.is(known), row.told.when([]Push{known}); is != row.is || !when.Equal(row.when) {
			t.Errorf("%s: %v, at %v; want %v, at %v", row.name, is, when, row.is, row.when)
		}
	}
	nearer := Push{known.BranchPush, epoch.Add(40 * time.Second)}
	if when := push("a", "b", epoch.Add(30*time.Second)).when([]Push{known, nearer, known}); !when.Equal(nearer.At) {
		t.Errorf("of two like it, it is the one at %v; want %v", when, nearer.At)
	}
}

// TestSince has the part of an activity be found that follows a commit, by the push that led there or the one that went on from it.
func TestSince(t *testing.T) {
	push := func(before, after change.SHA) Push {
		return Push{change.BranchPush{Before: before, After: after}, epoch}
	}
	activity := []Push{push("a", "b"), push("b", "c"), push("c", "b"), push("b", "d")}
	for _, row := range []struct {
		at    change.SHA
		first int // of what follows; -1: it is not shown
	}{{"a", 0}, {"b", 3}, {"c", 2}, {"d", 4}, {"e", -1}, {"", -1}} {
		later, ok := since(activity, row.at)
		if ok != (row.first >= 0) || ok && len(later) != len(activity)-row.first {
			t.Errorf("since %q: %v, %v; want from %d", row.at, later, ok, row.first)
		}
	}
}
