package matching

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

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
