package change

import "time"

// Moment shows a time to people as the check run does, in UTC: 2 January 15:04 UTC. The year is there only if it is not now's.
func Moment(t, now time.Time) string {
	t = t.UTC()
	if t.Year() != now.UTC().Year() {
		return t.Format("2 January 2006 15:04 UTC")
	}
	return t.Format("2 January 15:04 UTC")
}

// MissedFor is how long GitHub must not find something, or not tell of it, until that is believed: it may be a mistake for a moment.
const MissedFor = time.Minute
