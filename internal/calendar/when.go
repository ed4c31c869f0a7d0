package calendar

import "time"

// tries is how often When looks past something that is closed or frozen.
const tries = 500

// When returns the first instant not before t at which all hours are open and no freeze holds. False: there is none within the next ten years,
// or none up to the instant that is returned, which comes after 500 times at which some were open and others not: ask again then.
// The time that it takes is bounded, whatever the hours and freezes are.
func When(hours []Hours, freezes []Freeze, t time.Time) (at time.Time, ok bool) {
	last := t.AddDate(horizon, 0, 0)
	at = t
	for range tries {
		later, found := step(hours, freezes, at)
		switch {
		case !found, later.After(last):
			return time.Time{}, false
		case later.Equal(at):
			return at, true
		}
		at = later
	}
	return at, false
}

// step returns the first instant not before t that neither one of the hours nor one of the freezes rules out, each taken for itself and in
// turn. It is t where nothing does. False: there is none in sight.
func step(hours []Hours, freezes []Freeze, t time.Time) (time.Time, bool) {
	for _, h := range hours {
		opens, ok := h.NextOpen(t)
		if !ok {
			return time.Time{}, false
		}
		t = opens
	}
	for _, f := range freezes {
		if ends, frozen := f.At(t); frozen {
			if ends.IsZero() {
				return time.Time{}, false
			}
			t = ends
		}
	}
	return t, true
}

// NextChange returns the first instant after t at which it is otherwise whether all hours are open and no freeze holds. Where When gives up
// it is the instant up to which that looked: ask again then. False: there is none within the next ten years.
func NextChange(hours []Hours, freezes []Freeze, t time.Time) (time.Time, bool) {
	if at, ok := When(hours, freezes, t); !ok || at.After(t) {
		return at, !at.IsZero()
	}
	var first time.Time
	earlier := func(edge time.Time) {
		if !edge.IsZero() && (first.IsZero() || edge.Before(first)) {
			first = edge
		}
	}
	for _, h := range hours {
		closes, _ := h.At(t)
		earlier(closes)
	}
	for _, f := range freezes {
		begins, _ := f.NextEdge(t)
		earlier(begins)
	}
	return first, !first.IsZero()
}
