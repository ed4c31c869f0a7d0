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

// MissedFor is how long GitHub must have failed to find something, or to tell of it, before that is believed: for a moment it may be a mistake.
const MissedFor = time.Minute
