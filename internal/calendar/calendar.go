// Package calendar says when something is open or frozen, until when, and when that changes next. It is a pure function of the hours, the
// freezes and the time that it is given.
//
// What recurs is found with github.com/teambition/rrule-go, but only ever within one year or month at a time and on dates without a zone:
// so no rule costs more than its horizon, and what daylight saving makes of a date is decided here (see Local).
package calendar

import "time"

// horizon is how many years ahead of the time in question are looked at. A freeze that begins later does not begin, one that goes on
// for longer has no end: whoever asks again before then is told better.
const horizon = 10

// Freeze is a time, or a time that comes again and again, in which something must not be done. The zero Freeze never holds.
type Freeze struct {
	Name string
	// From and Until are a freeze that happens once: it holds from the one until just before the other.
	From, Until time.Time
	// Rule makes it happen again and again, in place of From and Until. On each day that it names the freeze begins at the rule's time
	// of day in Zone, midnight unless it says otherwise, and lasts for Lasts: elapsed time, so that 24h from midnight end
	// at 23:00 on a day of 25 hours. One that lasts for nothing never holds. Work grows with Lasts / 24h.
	Rule  *Rule
	Lasts time.Duration
	Zone  *time.Location // nil: UTC
}

// At says whether the freeze holds at t, and until when: the first instant at which it does not, where occurrences that overlap or
// touch are one. A zero until with frozen says that no end is in sight.
func (f Freeze) At(t time.Time) (until time.Time, frozen bool) {
	if s, ok := f.next(t); ok && !t.Before(s.start) {
		return s.end, true
	}
	return time.Time{}, false
}

// NextEdge returns the first instant after t at which At says something else of whether the freeze holds. False: there is none, or none
// within the next ten years.
func (f Freeze) NextEdge(t time.Time) (time.Time, bool) {
	s, ok := f.next(t)
	switch {
	case !ok:
		return time.Time{}, false
	case t.Before(s.start):
		return s.start, true
	default:
		return s.end, !s.end.IsZero()
	}
}

// joins is how many freezes, one after the other, Frozen puts together.
const joins = 32

// Frozen says which of the freezes hold at t, by their indexes, and the first instant at which none does, whatever follows on the heels
// of what. Where more than 32 follow one another it is an instant before that: ask again then. Zero with one that holds says that
// no end is in sight.
func Frozen(freezes []Freeze, t time.Time) (which []int, until time.Time) {
	for i, f := range freezes {
		if _, frozen := f.At(t); frozen {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return nil, time.Time{}
	}
	until = t
	for range joins {
		later, found := step(nil, freezes, until)
		switch {
		case !found:
			return which, time.Time{}
		case later.Equal(until):
			return which, until
		}
		until = later
	}
	return which, until
}

// span is a time from start until just before end; a zero end is none in sight.
type span struct{ start, end time.Time }

// next returns the first span that ends after t, with all that follows it without a gap. Its start is right where that is after t;
// else it is some instant no later than t.
func (f Freeze) next(t time.Time) (span, bool) {
	if f.Rule == nil {
		return span{f.From, f.Until}, f.From.Before(f.Until) && t.Before(f.Until)
	}
	if f.Lasts <= 0 {
		return span{}, false
	}
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	var s span
	found := false
	last := t.AddDate(horizon, 0, 0)
	for start := range f.Rule.starts(t.Add(-f.Lasts), last, zone) {
		end := start.Add(f.Lasts)
		switch {
		case found && start.After(s.end):
			return s.upTo(last), true
		case found:
			s.end = end
		case start.After(last):
			return span{}, false
		case end.After(t):
			s, found = span{start, end}, true
		}
	}
	return s.upTo(last), found
}

// upTo returns the span without its end where that comes later than was looked.
func (s span) upTo(last time.Time) span {
	if s.end.After(last) {
		s.end = time.Time{}
	}
	return s
}
