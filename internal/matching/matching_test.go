package matching

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The last place can be filled only if those who have others move.
func TestPeopleMoveForOneAnother(t *testing.T) {
	for name, row := range map[string]struct {
		fits [][]int // who fits which place
		want []int
	}{
		"each to the next place":          {[][]int{{0, 1}, {1, 2}, {0}}, []int{1, 2, 0}},
		"one who moved for another place": {[][]int{{2, 3}, {0, 1}, {0, 2}, {0}}, []int{3, 1, 2, 0}},
	} {
		got := Assign(len(row.fits), len(row.fits), func(place, person int) bool { return slices.Contains(row.fits[place], person) })
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

// As many places are filled as by trying every assignment.
func TestAsManyPlacesAsPossibleAreFilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places, people := rapid.IntRange(0, 5).Draw(t, "places"), rapid.IntRange(0, 5).Draw(t, "people")
		fits := make([][]bool, places)
		for i := range fits {
			fits[i] = rapid.SliceOfN(rapid.Bool(), people, people).Draw(t, "fits")
		}
		var best func(place int, taken []bool) int
		best = func(place int, taken []bool) int {
			if place == places {
				return 0
			}
			most := best(place+1, taken)
			for p := range people {
				if fits[place][p] && !taken[p] {
					taken[p] = true
					most = max(most, 1+best(place+1, taken))
					taken[p] = false
				}
			}
			return most
		}
		got := Assign(places, people, func(place, person int) bool { return fits[place][person] })
		if len(got) != places {
			t.Fatalf("%d places, and %v", places, got)
		}
		filled := 0
		for place, person := range got {
			if person < 0 {
				continue
			}
			filled++
			if !fits[place][person] || slices.Index(got, person) != place {
				t.Fatalf("%v: place %d is %d's, who does not fit or has another", got, place, person)
			}
		}
		if want := best(0, make([]bool, people)); filled != want {
			t.Fatalf("%d places filled of %d possible: %v", filled, want, got)
		}
	})
}
