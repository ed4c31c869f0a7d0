package calendar

import "time"

// Local returns the instant at which a zone's clocks show a date and time; of wall only those count, not its own zone. What the clocks
// show twice is the first of the two. What they skip is reckoned as if they had not been put forward, as RFC 5545 asks: a day
// whose midnight is skipped begins with the first moment that it has.
func Local(wall time.Time, zone *time.Location) time.Time {
	shown := asShown(wall)
	// No zone is further from UTC than a day, so one offset holds before the instant and the other after it.
	before, after := offset(shown.Add(-24*time.Hour), zone), offset(shown.Add(24*time.Hour), zone)
	for _, t := range [...]time.Time{shown.Add(-before), shown.Add(-after)} {
		if asShown(t.In(zone)).Equal(shown) {
			return t.In(zone)
		}
	}
	return shown.Add(-before).In(zone)
}

// asShown returns a time that shows in UTC what t shows in its own zone.
func asShown(t time.Time) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, t.Nanosecond(), time.UTC)
}

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
