package queue

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestShare(t *testing.T) {
	for _, row := range []struct {
		name    string
		lanes   []lane
		workers int
		want    map[string]int
	}{
		{"nothing to do", nil, 3, map[string]int{}},
		{"one has all that there is", []lane{{name: "a", urgent: 5}}, 3, map[string]int{"a": 3}},
		{"no more than there is to do", []lane{{name: "a", urgent: 1}, {name: "b", urgent: 1}}, 3, map[string]int{"a": 1, "b": 1}},
		{"evenly", []lane{{name: "a", urgent: 9}, {name: "b", urgent: 9}}, 4, map[string]int{"a": 2, "b": 2}},
		{"what one does not need the others have", []lane{{name: "a", urgent: 9}, {name: "b", urgent: 1}}, 4, map[string]int{"a": 3, "b": 1}},
		{"the one that runs less", []lane{{name: "a", urgent: 9, running: 3}, {name: "b", urgent: 9, running: 1}}, 2, map[string]int{"b": 2}},
		{"the one that waited longer", []lane{{name: "a", urgent: 9, served: 7}, {name: "b", urgent: 9, served: 3}}, 1, map[string]int{"b": 1}},
		{"the urgent one, though it runs more", []lane{{name: "a", urgent: 1, running: 3}, {name: "b", background: 9}}, 2, map[string]int{"a": 1, "b": 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			order, given := share(row.lanes, row.workers)
			if fmt.Sprint(given) != fmt.Sprint(row.want) || len(order) != len(given) {
				t.Errorf("got %v in the order %v, want %v", given, order, row.want)
			}
		})
	}
}

// TestALaneWaitsForOneJobOfEachOther has lanes with more to do than ever ends, and any number of workers that become free in any order.
func TestALaneWaitsForOneJobOfEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const plenty = 1000
		workers := rapid.IntRange(1, 5).Draw(t, "workers")
		lanes := make([]lane, rapid.IntRange(1, 8).Draw(t, "lanes"))
		for i := range lanes {
			lanes[i] = lane{name: fmt.Sprint("lane", i), urgent: plenty}
		}
		var running []int       // by lane, of each worker that is busy
		waited := map[int]int{} // by lane that runs nothing: the jobs of others that began since
		var clock int64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(running) == workers {
				i := rapid.IntRange(0, workers-1).Draw(t, "ends")
				lanes[running[i]].running--
				running = slices.Delete(running, i, i+1)
			}
			order, _ := share(lanes, 1)
			next := slices.IndexFunc(lanes, func(l lane) bool { return l.name == order[0] })
			running = append(running, next)
			clock++
			lanes[next].running++
			lanes[next].served = clock
			waited[next] = 0
			for i, l := range lanes {
				if l.running > 0 {
					waited[i] = 0
				} else if waited[i]++; waited[i] > len(lanes)-1 {
					t.Fatalf("%s ran nothing while %d jobs of %d others began", l.name, waited[i], len(lanes)-1)
				}
			}
		}
	})
}

func TestLaneNames(t *testing.T) {
	for _, queue := range []string{runQueue, errandQueue, announcementQueue, timerQueue, sweepQueue} {
		if got := queueOf(laneOf(queue, 4711)); got != queue {
			t.Errorf("a lane of %s is one of %s", queue, got)
		}
		if got := queueOf(queue); got != queue {
			t.Errorf("what an earlier version inserted into %s is in one of %s", queue, got)
		}
	}
}
