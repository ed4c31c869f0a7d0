package store

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

func TestFold(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 5, 9, 0, second, 0, time.UTC) }
	pull := func(state change.PullState, second int, labels ...string) change.Pull {
		return change.Pull{State: state, UpdatedAt: at(second), Labels: labels, Head: change.Branch{SHA: "h"}}
	}
	for _, row := range []struct {
		name          string
		held, arrived change.Pull
		reopened      bool
		newer, unsure bool
	}{
		{name: "the first", arrived: pull(change.Open, 1), newer: true},
		{name: "a later one", held: pull(change.Open, 1), arrived: pull(change.Open, 2, "x"), newer: true},
		{name: "an earlier one", held: pull(change.Open, 2), arrived: pull(change.Open, 1, "x")},
		{name: "the same again", held: pull(change.Open, 1, "x", "y"), arrived: pull(change.Open, 1, "y", "x"), newer: true},
		{name: "another of the same second", held: pull(change.Open, 1), arrived: pull(change.Open, 1, "x"), newer: true, unsure: true},
		{name: "closed in the second", held: pull(change.Open, 1), arrived: pull(change.Closed, 1), newer: true},
		{name: "open in the second of the closing", held: pull(change.Closed, 1), arrived: pull(change.Open, 1)},
		{name: "reopened in the second of the closing", held: pull(change.Closed, 1), arrived: pull(change.Open, 1), reopened: true, newer: true},
		{name: "reopened later", held: pull(change.Closed, 1), arrived: pull(change.Open, 2), newer: true},
		{name: "merged in the second of the closing", held: pull(change.Closed, 1), arrived: pull(change.Merged, 1), newer: true},
		{name: "nothing follows a merge", held: pull(change.Merged, 1), arrived: pull(change.Open, 2)},
		{name: "but what is told of the merged one", held: pull(change.Merged, 1), arrived: pull(change.Merged, 2, "x"), newer: true},
		{name: "raised by its number alone", held: change.Pull{Number: 3}, arrived: pull(change.Open, 0), newer: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			stands, newer, unsure := fold(row.held, row.arrived, row.reopened)
			if newer != row.newer || unsure != row.unsure {
				t.Errorf("newer %t, unsure %t, want %t, %t", newer, unsure, row.newer, row.unsure)
			}
			want := row.held
			if row.newer {
				want = row.arrived
			}
			if stands.State != want.State || len(stands.Labels) != len(want.Labels) || !stands.UpdatedAt.Equal(want.UpdatedAt) {
				t.Errorf("stands %+v, want %+v", stands, want)
			}
		})
	}
}

func TestKnownPushes(t *testing.T) {
	push := func(before, after change.SHA) change.Push { return change.Push{Before: before, After: after} }
	for _, row := range []struct {
		name   string
		pushes []change.Push
		head   change.SHA
		want   bool
	}{
		{name: "nothing", head: "a"},
		{name: "the opening", pushes: []change.Push{push("", "a")}, head: "a", want: true},
		{name: "no opening", pushes: []change.Push{push("a", "b")}, head: "b"},
		{name: "a chain", pushes: []change.Push{push("b", "c"), push("", "a"), push("a", "b")}, head: "c", want: true},
		{name: "a gap", pushes: []change.Push{push("", "a"), push("b", "c")}, head: "c"},
		{name: "a head behind the last push known", pushes: []change.Push{push("", "a"), push("a", "b")}, head: "a", want: true},
		{name: "forced back and on", pushes: []change.Push{push("", "a"), push("a", "b"), push("b", "a"), push("a", "c")}, head: "c", want: true},
		{name: "round in a circle", pushes: []change.Push{push("", "a"), push("a", "b"), push("b", "a")}, head: "z"},
		{name: "an unknown head", pushes: []change.Push{push("", "a")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := known(row.pushes, row.head); got != row.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
