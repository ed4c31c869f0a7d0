package calendar

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hm reads a time of day, as in "09:30".
func hm(tb testing.TB, text string) Clock {
	tb.Helper()
	var hour, minute int
	if _, err := fmt.Sscanf(text, "%d:%d", &hour, &minute); err != nil {
		tb.Fatal(err)
	}
	return Clock(hour*60 + minute)
}

// window reads "Mon-Fri 09:00-16:00".
func window(tb testing.TB, text string) Window {
	tb.Helper()
	names := []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	return Window{
		First: time.Weekday(slices.Index(names, text[:3])), Last: time.Weekday(slices.Index(names, text[4:7])),
		From: hm(tb, text[8:13]), Until: hm(tb, text[14:]),
	}
}

func TestHours(t *testing.T) {
	const office, always = "Mon-Fri 09:00-16:00", "Mon-Sun 00:00-24:00"
	tests := []struct {
		name     string
		zone     string
		windows  []string
		holidays []Date
		at       string
		open     bool
		until    string // as shown
	}{
		{"before it opens", "Europe/Berlin", []string{office}, nil, "2026-03-04T07:59Z", false, "2026-03-04T09:00+01:00"},
		{"its first moment", "Europe/Berlin", []string{office}, nil, "2026-03-04T08:00Z", true, "2026-03-04T16:00+01:00"},
		{"its last minute", "Europe/Berlin", []string{office}, nil, "2026-03-04T14:59Z", true, "2026-03-04T16:00+01:00"},
		{"closed", "Europe/Berlin", []string{office}, nil, "2026-03-04T15:00Z", false, "2026-03-05T09:00+01:00"},
		{"over the weekend, in summer time by then", "Europe/Berlin", []string{office}, nil, "2026-03-27T15:00Z", false, "2026-03-30T09:00+02:00"},
		{"a holiday", "Europe/Berlin", []string{office}, []Date{{2026, 3, 5}, {2026, 3, 6}}, "2026-03-04T15:00Z", false, "2026-03-09T09:00+01:00"},
		{"a holiday is a day of the zone", "Australia/Lord_Howe", []string{always}, []Date{{2026, 6, 1}}, "2026-05-31T13:29Z", true, "2026-06-01T00:00+10:30"},
		{"until it ends there", "Australia/Lord_Howe", []string{always}, []Date{{2026, 6, 1}}, "2026-05-31T13:30Z", false, "2026-06-02T00:00+10:30"},
		{"always", "Europe/Berlin", []string{always}, nil, "2026-03-04T15:00Z", true, "for ever"},
		{"always, in two windows", "UTC", []string{"Mon-Sun 00:00-12:00", "Mon-Sun 12:00-24:00"}, nil, "2026-03-04T15:00Z", true, "for ever"},
		{"never", "UTC", nil, nil, "2026-03-04T15:00Z", false, "for ever"},
		{"a window that is none", "UTC", []string{"Mon-Sun 16:00-09:00"}, nil, "2026-03-04T10:00Z", false, "for ever"},
		{"two windows a day", "UTC", []string{"Mon-Fri 09:00-12:00", "Mon-Fri 13:00-16:00"}, nil, "2026-03-04T11:00Z", true, "2026-03-04T12:00Z"},
		{"windows that touch are one", "UTC", []string{"Mon-Fri 09:00-12:00", "Mon-Fri 12:00-16:00"}, nil, "2026-03-04T11:00Z", true, "2026-03-04T16:00Z"},
		{"across midnight, in two windows", "UTC", []string{"Mon-Mon 22:00-24:00", "Tue-Tue 00:00-06:00"}, nil, "2026-03-02T23:00Z", true, "2026-03-03T06:00Z"},
		{"round the end of the week", "UTC", []string{"Fri-Mon 09:00-16:00"}, nil, "2026-03-08T09:00Z", true, "2026-03-08T16:00Z"},
		{"and not in its midst", "UTC", []string{"Fri-Mon 09:00-16:00"}, nil, "2026-03-10T09:00Z", false, "2026-03-13T09:00Z"},

		{"a window that the clocks skip is lost", "Europe/Berlin", []string{"Sun-Sun 02:00-03:00"}, nil, "2026-03-29T00:59Z", false, "2026-04-05T02:00+02:00"},
		{"of one that is skipped in part the rest is left", "Europe/Berlin", []string{"Sun-Sun 02:30-04:00"}, nil, "2026-03-29T00:59Z", false, "2026-03-29T03:00+02:00"},
		{"an hour less", "Europe/Berlin", []string{"Sun-Sun 01:00-04:00"}, nil, "2026-03-29T00:00Z", true, "2026-03-29T04:00+02:00"},
		{"what is shown twice is open twice", "Europe/Berlin", []string{"Sun-Sun 02:15-02:45"}, nil, "2026-10-25T00:30Z", true, "2026-10-25T02:45+02:00"},
		{"with a time between", "Europe/Berlin", []string{"Sun-Sun 02:15-02:45"}, nil, "2026-10-25T00:45Z", false, "2026-10-25T02:15+01:00"},
		{"an hour more", "Europe/Berlin", []string{"Sun-Sun 01:00-04:00"}, nil, "2026-10-25T00:00Z", true, "2026-10-25T04:00+01:00"},
		{"it closes when the clocks are put back before it", "Europe/Berlin", []string{"Sun-Sun 02:30-04:00"}, nil, "2026-10-25T00:45Z", true, "2026-10-25T02:00+01:00"},
		{"a midnight that never comes", "Africa/Cairo", []string{"Fri-Fri 00:00-09:00"}, nil, "2026-04-23T21:00Z", false, "2026-04-24T01:00+03:00"},
		{"a day that a zone left out", "Pacific/Apia", []string{"Fri-Fri 09:00-16:00"}, nil, "2011-12-29T20:00Z", false, "2012-01-06T09:00+14:00"},
		{"seconds within a minute", "UTC", []string{office}, nil, "2026-03-04T15:59Z", true, "2026-03-04T16:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z := zone(t, tt.zone)
			h := Hours{Zone: z, Holidays: tt.holidays}
			for _, w := range tt.windows {
				h.Windows = append(h.Windows, window(t, w))
			}
			now := at(t, tt.at)
			for _, now := range []time.Time{now, now.Add(59*time.Second + 999)} {
				until, open := h.At(now)
				if got := shown(until, true, z); open != tt.open || got != tt.until {
					t.Errorf("At(%s) is %t until %s, want %t until %s", now, open, got, tt.open, tt.until)
				}
				opens, any := h.NextOpen(now)
				if want := until; tt.open && (!opens.Equal(now) || !any) || !tt.open && (!opens.Equal(want) || any == until.IsZero()) {
					t.Errorf("NextOpen(%s) is %s (%t)", now, opens, any)
				}
			}
		})
	}
	if until, open := (Hours{}).At(at(t, "0001-01-01T00:00Z")); open || !until.IsZero() {
		t.Errorf("the zero hours are open: %v until %v", open, until)
	}
}

// TestAlwaysOpen looks ten years ahead and finds no end, also from the last day of a leap year, on which Go names a change of the clocks that
// is past.
func TestAlwaysOpen(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	h := Hours{Windows: []Window{{First: time.Monday, Last: time.Sunday, Until: midnight}}, Zone: berlin}
	for _, from := range []time.Time{time.Date(2090, 1, 5, 9, 0, 0, 0, berlin), time.Date(2088, 12, 31, 12, 0, 0, 0, berlin)} {
		if until, open := h.At(from); !open || !until.IsZero() {
			t.Errorf("from %s: open %v until %s", from, open, until)
		}
	}
}

func TestWhen(t *testing.T) {
	office := Hours{Windows: []Window{window(t, "Mon-Fri 09:00-16:00")}}
	late := Hours{Windows: []Window{window(t, "Mon-Sun 15:00-20:00")}}
	night := Hours{Windows: []Window{window(t, "Mon-Sun 20:00-24:00")}}
	yearEnd := Freeze{From: at(t, "2026-12-18T00:00Z"), Until: at(t, "2027-01-05T00:00Z")}
	quarter := Freeze{Rule: rule(t, "FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1"), Lasts: 24 * time.Hour}
	mornings := Freeze{Rule: rule(t, "FREQ=DAILY;BYHOUR=9"), Lasts: 7 * time.Hour}
	ever := Freeze{Rule: rule(t, "FREQ=DAILY"), Lasts: 25 * time.Hour}
	for _, tt := range []struct {
		name     string
		hours    []Hours
		freezes  []Freeze
		at       string
		when     string
		ok       bool
		changes  string
		changing bool
	}{
		{"nothing is said", nil, nil, "2026-03-04T12:00Z", "2026-03-04T12:00Z", true, "no", false},
		{"open", []Hours{office}, nil, "2026-03-04T12:00Z", "2026-03-04T12:00Z", true, "2026-03-04T16:00Z", true},
		{"closed", []Hours{office}, nil, "2026-03-06T16:00Z", "2026-03-09T09:00Z", true, "2026-03-09T09:00Z", true},
		{"both must be open", []Hours{office, late}, nil, "2026-03-04T12:00Z", "2026-03-04T15:00Z", true, "2026-03-04T15:00Z", true},
		{"the first that closes", []Hours{late, office}, nil, "2026-03-04T15:00Z", "2026-03-04T15:00Z", true, "2026-03-04T16:00Z", true},
		{"frozen", nil, []Freeze{yearEnd}, "2026-12-24T12:00Z", "2027-01-05T00:00Z", true, "2027-01-05T00:00Z", true},
		{"open until it is frozen", []Hours{office}, []Freeze{quarter}, "2026-03-30T15:00Z", "2026-03-30T15:00Z", true, "2026-03-30T16:00Z", true},
		{"frozen, and closed then", []Hours{office}, []Freeze{quarter, yearEnd}, "2026-12-17T16:00Z", "2027-01-05T09:00Z", true, "2027-01-05T09:00Z", true},
		{"it freezes soon", nil, []Freeze{quarter, yearEnd}, "2026-12-17T16:00Z", "2026-12-17T16:00Z", true, "2026-12-18T00:00Z", true},
		{"frozen for ever", []Hours{office}, []Freeze{ever}, "2026-03-04T12:00Z", "for ever", false, "no", false},
		{"frozen for longer than is looked", nil, []Freeze{{From: yearEnd.From, Until: at(t, "2037-01-05T00:00Z")}}, "2026-12-24T12:00Z", "for ever", false, "no", false},
		{"a freeze that is past", []Hours{office}, []Freeze{yearEnd}, "2027-02-03T12:00Z", "2027-02-03T12:00Z", true, "2027-02-03T16:00Z", true},
		{"never open", []Hours{office, {}}, nil, "2026-03-04T12:00Z", "for ever", false, "no", false},
		{"never both: as far as it is looked", []Hours{office, night}, nil, "2026-03-04T12:00Z", "2028-02-01T20:00Z", false, "2028-02-01T20:00Z", true},
		{"frozen whenever it is open", []Hours{office}, []Freeze{mornings}, "2026-03-04T12:00Z", "2028-02-01T16:00Z", false, "2028-02-01T16:00Z", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			when, ok := When(tt.hours, tt.freezes, at(t, tt.at))
			if got := shown(when, true, time.UTC); got != tt.when || ok != tt.ok {
				t.Errorf("When is %s (%t), want %s (%t)", got, ok, tt.when, tt.ok)
			}
			edge, any := NextChange(tt.hours, tt.freezes, at(t, tt.at))
			if got := shown(edge, any, time.UTC); got != tt.changes || any != tt.changing {
				t.Errorf("NextChange is %s, want %s", got, tt.changes)
			}
		})
	}
}

// oracle is what TestThreeYears compares with: for each minute, what the clocks of the zone show.
type oracle struct {
	zone     *time.Location
	windows  []string
	holidays []string
	spans    []span // frozen
}

func (o oracle) open(m time.Time) bool {
	for _, s := range o.spans {
		if !m.Before(s.start) && m.Before(s.end) {
			return false
		}
	}
	var days = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	wall := m.In(o.zone)
	hour, minute, _ := wall.Clock()
	clock := [5]byte{byte('0' + hour/10), byte('0' + hour%10), ':', byte('0' + minute/10), byte('0' + minute%10)}
	day := wall.Weekday().String()[:3]
	for _, w := range o.windows {
		if string(clock[:]) < w[8:13] || string(clock[:]) >= w[14:] {
			continue
		}
		first := slices.Index(days[:], w[:3])
		last := first + slices.Index(days[first:], w[4:7])
		if slices.Contains(days[first:last+1], day) {
			return len(o.holidays) == 0 || !slices.Contains(o.holidays, wall.Format(time.DateOnly))
		}
	}
	return false
}

// TestThreeYears goes from one change to the next through 2025, 2026 and 2027, and compares with every minute of them.
func TestThreeYears(t *testing.T) {
	freezes := []struct {
		rule  string
		lasts time.Duration
	}{
		{"FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", 24 * time.Hour},
		{"FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=1;BYMINUTE=30", 2 * time.Hour},
		{"FREQ=MONTHLY;BYDAY=1FR;BYHOUR=15", 57 * time.Hour},
	}
	tests := []struct {
		name     string
		windows  []string
		holidays []string
		freeze   int // how many of the freezes
		once     [2]string
	}{
		{"office hours", []string{"Mon-Thu 09:00-16:00", "Fri-Fri 09:00-12:00"}, []string{"2025-12-25", "2026-01-01", "2026-05-01", "2027-03-29"}, 2,
			[2]string{"2026-12-18", "2027-01-05"}},
		{"at night", []string{"Sat-Mon 00:30-02:15", "Sun-Sun 02:45-03:30", "Thu-Fri 23:15-24:00", "Fri-Fri 00:00-00:45"}, []string{"2026-03-29", "2027-04-04"}, 3,
			[2]string{"2027-03-28", "2027-03-28"}},
		{"all of the week", []string{"Wed-Tue 00:00-24:00"}, []string{"2025-10-26", "2026-03-29", "2026-03-30", "2026-10-04", "2026-10-30", "2027-04-30"}, 1,
			[2]string{"2026-04-05", "2026-04-06"}},
	}
	begin, end := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, name := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"} {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				z := zone(t, name)
				o := oracle{zone: z, windows: tt.windows, holidays: tt.holidays}
				h := Hours{Zone: z}
				for _, w := range tt.windows {
					h.Windows = append(h.Windows, window(t, w))
				}
				for _, d := range tt.holidays {
					day := at(t, d+"T00:00Z")
					h.Holidays = append(h.Holidays, Date{day.Year(), day.Month(), day.Day()})
				}
				from, until := at(t, tt.once[0]+"T05:00Z"), at(t, tt.once[1]+"T05:17Z")
				all := []Freeze{{From: from, Until: until}}
				o.spans = []span{{from, until}}
				for _, f := range freezes[:tt.freeze] {
					all = append(all, Freeze{Rule: rule(t, f.rule), Lasts: f.lasts, Zone: z})
					for _, start := range listed(t, f.rule, z, begin.AddDate(0, 0, -7), end.AddDate(0, 0, 7)) {
						o.spans = append(o.spans, span{start, start.Add(f.lasts)})
					}
				}
				agrees(t, o, []Hours{h}, all, begin, end, i)
			})
		}
	}
}

// agrees compares every minute with the oracle, and asks When at each change and now and then.
func agrees(t interface{ Fatalf(string, ...any) }, o oracle, hours []Hours, freezes []Freeze, begin, end time.Time, seed int) {
	when, ok := When(hours, freezes, begin)
	open := ok && when.Equal(begin)
	edge, any := NextChange(hours, freezes, begin)
	for i, m := seed, begin; m.Before(end); i, m = i+1, m.Add(time.Minute) {
		changed := any && !m.Before(edge)
		if changed {
			if !m.Equal(edge) {
				t.Fatalf("it changes at %v, which is no minute", edge.In(o.zone))
			}
			open = !open
			edge, any = NextChange(hours, freezes, m)
		}
		if want := o.open(m); open != want {
			t.Fatalf("at %v it is open: %t, and should be %t", m.In(o.zone), open, want)
		}
		if !changed && i%4999 != 0 {
			continue
		}
		switch when, ok := When(hours, freezes, m); {
		case !ok, open && !when.Equal(m), !open && !when.Equal(edge):
			t.Fatalf("at %v it is open at %v (%t), and changes at %v", m.In(o.zone), when.In(o.zone), ok, edge.In(o.zone))
		}
	}
}

// TestAnyHours compares random windows with every minute about the days on which clocks are changed.
func TestAnyHours(t *testing.T) {
	days := []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	rapid.Check(t, func(rt *rapid.T) {
		z := zone(t, rapid.SampledFrom(append(zones, "Africa/Cairo", "America/St_Johns")).Draw(rt, "zone"))
		day := at(t, rapid.SampledFrom(append(changes, "2026-04-24", "2026-10-30")).Draw(rt, "day")+"T00:00Z")
		o, h := oracle{zone: z}, Hours{Zone: z}
		for range rapid.IntRange(1, 4).Draw(rt, "windows") {
			from := rapid.IntRange(0, 95).Draw(rt, "from")
			until := rapid.IntRange(from+1, 96).Draw(rt, "until")
			w := fmt.Sprintf("%s-%s %02d:%02d-%02d:%02d", rapid.SampledFrom(days).Draw(rt, "first"), rapid.SampledFrom(days).Draw(rt, "last"),
				from/4, from%4*15, until/4, until%4*15)
			o.windows, h.Windows = append(o.windows, w), append(h.Windows, window(t, w))
		}
		if rapid.Bool().Draw(rt, "holiday") {
			o.holidays, h.Holidays = []string{day.Format(time.DateOnly)}, []Date{{day.Year(), day.Month(), day.Day()}}
		}
		agrees(rt, o, []Hours{h}, nil, day.AddDate(0, 0, -2), day.AddDate(0, 0, 3), 0)
	})
}

func BenchmarkWhen(b *testing.B) {
	now := at(b, "2026-03-06T17:06Z")
	office := Hours{Windows: []Window{window(b, "Mon-Fri 09:00-16:00")}, Zone: zone(b, "Europe/Berlin")}
	for name, f := range map[string]Freeze{
		"seldom":               {Rule: rule(b, "FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1"), Lasts: 24 * time.Hour},
		"whenever it is open":  {Rule: rule(b, "FREQ=DAILY;BYHOUR=9"), Lasts: 8 * time.Hour, Zone: office.Zone},
		"for all of ten years": {Rule: rule(b, "FREQ=DAILY"), Lasts: 25 * time.Hour},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				When([]Hours{office}, []Freeze{f}, now)
			}
		})
	}
}
