package change

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	at := time.Date(2026, time.November, 20, 9, 0, 0, 0, berlin)
	for _, row := range []struct {
		t, now time.Time
		want   string
	}{
		{at, at, "20 November 08:00 UTC"},
		{at, at.AddDate(0, 11, 0), "20 November 2026 08:00 UTC"},
		{at.AddDate(1, 0, 0), at, "20 November 2027 08:00 UTC"},
		{at, time.Date(2027, time.January, 1, 0, 30, 0, 0, berlin), "20 November 08:00 UTC"}, // in UTC it is still 2026
	} {
		if got := Moment(row.t, row.now); got != row.want {
			t.Errorf("%s at %s: %s, want %s", row.t, row.now, got, row.want)
		}
	}
}
