package calendar

import (
	"slices"
	"time"
)

// Hours are the times of a week at which something may be done, but for holidays. The zero Hours are never open.
//
// They are what the clocks of Zone show and nothing else: a time is in them if the day and the time of day that are shown then are in one
// of the windows. So where clocks are put forward, what they skip of a window is lost, and where they are put back, what they show twice
// counts twice; a window that is open before and after such a change stays open.
type Hours struct {
	Windows  []Window
	Zone     *time.Location // nil: UTC
	Holidays []Date         // days in Zone that are closed all day
}

// Window is the same time of day on one or more days of the week that follow one another: it opens at From and closes at Until, which is
// not in it. First to Last may go round the end of the week. One that closes no later than it opens is never open.
type Window struct {
	First, Last time.Weekday
	From, Until Clock
}

// Clock is a time of day as clocks show it, in minutes since midnight; 24:00 is the end of the day.
type Clock int

// midnight is the end of a day, whatever its length.
const midnight Clock = 24 * 60

// Date is a day of the calendar, without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// At says whether it is open at t, and until when that is so: the first instant at which it is otherwise. A zero until says that no such
// instant is in sight: none comes within ten years.
func (h Hours) At(t time.Time) (until time.Time, open bool) {
	t = t.In(h.zone())
	open = h.open(t)
	last := t.AddDate(horizon, 0, 0)
	for at := h.next(t); !at.After(last); at = h.next(at) {
		if h.open(at) != open {
			return at, open
		}
	}
	return time.Time{}, open
}

// NextOpen returns the first instant not before t at which it is open. False: it is not within the next ten years.
func (h Hours) NextOpen(t time.Time) (time.Time, bool) {
	if h.open(t.In(h.zone())) {
		return t, true
	}
	opens, _ := h.At(t)
	return opens, !opens.IsZero()
}

func (h Hours) zone() *time.Location {
	if h.Zone == nil {
		return time.UTC
	}
	return h.Zone
}

// open says whether it is open at a time in the zone.
func (h Hours) open(t time.Time) bool {
	hour, minute, _ := t.Clock()
	clock := Clock(hour*60 + minute)
	if !slices.ContainsFunc(h.Windows, func(w Window) bool { return w.on(t.Weekday()) && w.From <= clock && clock < w.Until }) {
		return false
	}
	year, month, day := t.Date()
	return !slices.Contains(h.Holidays, Date{year, month, day})
}

// on says whether the window is on a day of the week.
func (w Window) on(day time.Weekday) bool {
	const week = 7
	return (day-w.First+week)%week <= (w.Last-w.First+week)%week
}

// next returns the first instant after t, in the zone, at which it may be otherwise: the next time of day at which a window opens or closes,
// the next midnight, or the next change of the clocks, whichever comes first.
func (h Hours) next(t time.Time) time.Time {
	hour, minute, second := t.Clock()
	clock := Clock(hour*60 + minute)
	edge := midnight
	for _, w := range h.Windows {
		for _, e := range [...]Clock{w.From, w.Until} {
			if clock < e && e < edge {
				edge = e
			}
		}
	}
	// Until the clocks change they show what elapses.
	at := t.Add(time.Duration(edge-clock)*time.Minute - time.Duration(second)*time.Second - time.Duration(t.Nanosecond()))
	// In the last hours of a leap year ZoneBounds names an instant that is past, because it counts 365 days to the year's end.
	if _, changes := t.ZoneBounds(); changes.After(t) && changes.Before(at) {
		return changes
	}
	return at
}
