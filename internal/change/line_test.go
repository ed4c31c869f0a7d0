package change

import (
	"slices"
	"testing"
)

func TestFirstParents(t *testing.T) {
	type commit struct {
		sha     SHA
		parents []SHA
	}
	of := func(c commit) (SHA, []SHA) { return c.sha, c.parents }
	history := []commit{{"a", nil}, {"b", []SHA{"a"}}, {"side", []SHA{"a"}}, {"m", []SHA{"b", "side"}}, {"cut", []SHA{"gone"}}, {"x", []SHA{"y"}}, {"y", []SHA{"x"}}}
	for tip, want := range map[SHA][]SHA{
		"m": {"a", "b", "m"}, "side": {"a", "side"}, "a": {"a"}, "cut": {"cut"}, "none": nil, "x": {"y", "x"},
	} {
		var got []SHA
		for _, c := range FirstParents(tip, history, of) {
			got = append(got, c.sha)
		}
		if !slices.Equal(got, want) {
			t.Errorf("to %s: %v, want %v", tip, got, want)
		}
	}
}
