// Package matching says who fills which place, where several people could fill several: the approvals that a change needs, and those of a release.
// The result follows from the order of places and people and from who fits where, and from nothing else.
package matching

// Assign gives places to people, so that as many places as possible are taken and nobody has two. It returns who has each place,
// -1 for nobody. Places are served in order: one that is once taken stays taken, perhaps by somebody else.
//
// Fits says whether a person may have a place. It is asked only where the answer matters, and must answer the same each time. Assign grows one
// augmenting path a place (Kuhn's algorithm): it asks at most places · people · (people+1) times.
func Assign(places, people int, fits func(place, person int) bool) []int {
	has := make([]int, places)
	for i := range has {
		has[i] = -1
	}
	holder := make([]int, people) // the place that a person has
	for i := range holder {
		holder[i] = -1
	}
	tried := make([]bool, people) // of those who have a place: whether they were asked to move for the one that is served
	var seat func(place int) bool
	seat = func(place int) bool {
		// Whoever has no place yet is asked first: what the others hold besides the place that they have need not be known then.
		for person := range people {
			if holder[person] < 0 && fits(place, person) {
				holder[person], has[place] = place, person
				return true
			}
		}
		for person := range people {
			if tried[person] || holder[person] < 0 || !fits(place, person) {
				continue
			}
			tried[person] = true
			if seat(holder[person]) {
				holder[person], has[place] = place, person
				return true
			}
		}
		return false
	}
	for place := range places {
		clear(tried)
		seat(place)
	}
	return has
}
