package calendar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func rule(tb testing.TB, text string) *Rule {
	tb.Helper()
	r, err := ParseRule(text)
	if err != nil {
		tb.Fatalf("ParseRule(%q): %v", text, err)
	}
	return r
}

func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	t, err := time.Parse("2006-01-02T15:04Z07:00", text)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func shown(t time.Time, ok bool, z *time.Location) string {
	switch {
	case !ok:
		return "no"
	case t.IsZero():
		return "for ever"
	default:
		return t.In(z).Format("2006-01-02T15:04Z07:00")
	}
}

func TestFreezes(t *testing.T) {
	const quarter = "RRULE:FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1"
	const day = 24 * time.Hour
	tests := []struct {
		name        string
		zone        string
		rule        string
		lasts       time.Duration
		at          string
		until, edge string // as shown
	}{
		{"before it", "UTC", quarter, day, "2026-03-30T23:59Z", "no", "2026-03-31T00:00Z"},
		{"its first moment", "UTC", quarter, day, "2026-03-31T00:00Z", "2026-04-01T00:00Z", "2026-04-01T00:00Z"},
		{"its last minute", "UTC", quarter, day, "2026-03-31T23:59Z", "2026-04-01T00:00Z", "2026-04-01T00:00Z"},
		{"after it", "UTC", quarter, day, "2026-04-01T00:00Z", "no", "2026-06-30T00:00Z"},

		{"the day begins where the team is", "Europe/Berlin", quarter, day, "2026-06-29T22:00Z", "2026-07-01T00:00+02:00", "2026-07-01T00:00+02:00"},
		{"a day of 23 hours: what lasts 24h ends in the next", "Europe/Berlin", quarter, day, "2024-03-31T12:00Z", "2024-04-01T01:00+02:00", "2024-04-01T01:00+02:00"},
		{"a day of 25 hours: what lasts 24h ends at 23:00", "Europe/Berlin", "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", day, "2026-10-25T12:00Z",
			"2026-10-25T23:00+01:00", "2026-10-25T23:00+01:00"},
		{"an hour that comes twice begins with the first", "Europe/Berlin", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", time.Hour, "2026-10-25T00:29Z", "no", "2026-10-25T02:30+02:00"},
		{"and is not frozen again", "Europe/Berlin", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", time.Hour, "2026-10-25T01:30Z", "no", "2026-10-26T02:30+01:00"},
		{"an hour that never comes is reckoned as before", "Europe/Berlin", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", time.Hour, "2026-03-29T00:00Z", "no", "2026-03-29T03:30+02:00"},
		{"a midnight that never comes: the day's first moment", "America/Sao_Paulo", "FREQ=WEEKLY;BYDAY=SU", day, "2018-11-04T02:59Z", "no", "2018-11-04T01:00-02:00"},
		{"a midnight that comes twice", "America/Sao_Paulo", "FREQ=WEEKLY;BYDAY=SU", day, "2019-02-17T02:59Z", "no", "2019-02-17T00:00-03:00"},
		{"half an hour forward", "Australia/Lord_Howe", "FREQ=DAILY;BYHOUR=2;BYMINUTE=15", 15 * time.Minute, "2026-10-03T15:00Z", "no", "2026-10-04T02:45+11:00"},
		{"half an hour back", "Australia/Lord_Howe", "FREQ=DAILY;BYHOUR=1;BYMINUTE=45", 15 * time.Minute, "2026-04-04T14:00Z", "no", "2026-04-05T01:45+11:00"},
		{"a day that a zone left out is the next", "Pacific/Apia", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=30", day, "2011-12-30T09:59Z", "no", "2011-12-31T00:00+14:00"},

		{"Friday at three until Monday", "UTC", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=15", 57 * time.Hour, "2026-03-08T12:00Z", "2026-03-09T00:00Z", "2026-03-09T00:00Z"},
		{"the last working day of the month", "UTC", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", day, "2026-05-28T00:00Z", "no", "2026-05-29T00:00Z"},
		{"occurrences that overlap are one", "UTC", "FREQ=WEEKLY;BYDAY=FR,SA", 36 * time.Hour, "2026-03-06T01:00Z", "2026-03-08T12:00Z", "2026-03-08T12:00Z"},
		{"those that touch as well", "UTC", "FREQ=WEEKLY;BYDAY=SA,SU", day, "2026-03-07T01:00Z", "2026-03-09T00:00Z", "2026-03-09T00:00Z"},
		{"without end", "UTC", "FREQ=DAILY", day, "2026-03-07T01:00Z", "for ever", "no"},
		{"every day, but for an hour in autumn", "Europe/Berlin", "FREQ=DAILY", day, "2026-03-07T01:00Z", "2026-10-25T23:00+01:00", "2026-10-25T23:00+01:00"},
		{"longer than between two", "UTC", "FREQ=MONTHLY;BYMONTHDAY=1", 90 * day, "2026-03-07T01:00Z", "for ever", "no"},

		{"until a day, which is in it", "UTC", "FREQ=DAILY;UNTIL=20260310", time.Hour, "2026-03-09T12:00Z", "no", "2026-03-10T00:00Z"},
		{"until a day in the zone", "America/Sao_Paulo", "FREQ=DAILY;BYHOUR=22;UNTIL=20260310", time.Hour, "2026-03-10T12:00Z", "no", "2026-03-10T22:00-03:00"},
		{"and no later", "UTC", "FREQ=DAILY;UNTIL=20260310", time.Hour, "2026-03-10T12:00Z", "no", "no"},
		{"until an instant", "America/Sao_Paulo", "FREQ=DAILY;UNTIL=20260310T025959Z", time.Hour, "2026-03-09T12:00Z", "no", "no"},
		{"until a time on the wall", "America/Sao_Paulo", "FREQ=DAILY;UNTIL=20260310T000000", time.Hour, "2026-03-09T12:00Z", "no", "2026-03-10T00:00-03:00"},
		{"the end cuts what follows on", "UTC", "FREQ=DAILY;UNTIL=20260310", day, "2026-03-09T12:00Z", "2026-03-11T00:00Z", "2026-03-11T00:00Z"},
		{"what comes in more than ten years does not come yet", "UTC", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", day, "2026-01-01T00:00Z", "no", "no"},
		{"what comes within ten does", "UTC", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU", day, "2026-01-01T00:00Z", "no", "2032-02-29T00:00Z"},
		{"it lasts for nothing", "UTC", "FREQ=DAILY", 0, "2026-03-09T00:00Z", "no", "no"},
		{"at no time at all", "UTC", "FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=1", day, "0001-01-01T00:00Z", "no", "0002-07-01T00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z := zone(t, tt.zone)
			f := Freeze{Rule: rule(t, tt.rule), Lasts: tt.lasts, Zone: z}
			now := at(t, tt.at)
			until, frozen := f.At(now)
			if got := shown(until, frozen, z); got != tt.until {
				t.Errorf("At(%s) is %s, want %s", tt.at, got, tt.until)
			}
			edge, any := f.NextEdge(now)
			if got := shown(edge, any, z); got != tt.edge {
				t.Errorf("NextEdge(%s) is %s, want %s", tt.at, got, tt.edge)
			}
		})
	}
}

func TestAFreezeThatHappensOnce(t *testing.T) {
	f := Freeze{From: at(t, "2026-12-18T00:00+01:00"), Until: at(t, "2027-01-05T00:00+01:00")}
	for now, want := range map[string][2]string{
		"2026-12-17T22:59Z": {"no", "2026-12-17T23:00Z"},
		"2026-12-17T23:00Z": {"2027-01-04T23:00Z", "2027-01-04T23:00Z"},
		"2027-01-04T22:59Z": {"2027-01-04T23:00Z", "2027-01-04T23:00Z"},
		"2027-01-04T23:00Z": {"no", "no"},
	} {
		until, frozen := f.At(at(t, now))
		edge, any := f.NextEdge(at(t, now))
		if got := [2]string{shown(until, frozen, time.UTC), shown(edge, any, time.UTC)}; got != want {
			t.Errorf("at %s: %v, want %v", now, got, want)
		}
	}
	for _, never := range []Freeze{{}, {From: f.Until, Until: f.From}, {From: f.From, Until: f.From}} {
		if _, frozen := never.At(f.From); frozen {
			t.Errorf("%v holds", never)
		}
		if edge, any := never.NextEdge(f.From.Add(-time.Hour)); any {
			t.Errorf("%v changes at %v", never, edge)
		}
	}
}

func TestFrozen(t *testing.T) {
	monday := at(t, "2026-03-02T00:00Z")
	once := func(from, until int) Freeze {
		return Freeze{From: monday.Add(time.Duration(from) * time.Hour), Until: monday.Add(time.Duration(until) * time.Hour)}
	}
	chain := make([]Freeze, 100)
	for i := range chain {
		chain[i] = once(99-i, 100-i)
	}
	tests := []struct {
		name    string
		freezes []Freeze
		which   string
		until   string
	}{
		{"none", nil, "[]", "no"},
		{"none holds now", []Freeze{once(1, 2)}, "[]", "no"},
		{"one holds", []Freeze{once(1, 2), once(-1, 1)}, "[1]", "2026-03-02T02:00Z"},
		{"two hold", []Freeze{once(0, 3), once(-1, 1), once(-1, 0)}, "[0 1]", "2026-03-02T03:00Z"},
		{"one after the other", []Freeze{once(2, 9), once(0, 1), once(1, 2)}, "[1]", "2026-03-02T09:00Z"},
		{"a gap", []Freeze{once(2, 9), once(0, 1)}, "[1]", "2026-03-02T01:00Z"},
		{"one has no end", []Freeze{once(0, 1), {Rule: rule(t, "FREQ=DAILY"), Lasts: 25 * time.Hour}}, "[0 1]", "for ever"},
		{"one that follows has no end", []Freeze{once(0, 4), {Rule: rule(t, "FREQ=DAILY;BYHOUR=3"), Lasts: 24 * time.Hour}}, "[0 1]", "for ever"},
		{"more than are put together", chain, "[99]", "2026-03-03T08:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			which, until := Frozen(tt.freezes, monday)
			if got := fmt.Sprint(which); got != tt.which {
				t.Errorf("which: %s, want %s", got, tt.which)
			}
			if got := shown(until, len(which) > 0, time.UTC); got != tt.until {
				t.Errorf("until %s, want %s", got, tt.until)
			}
		})
	}
}

// zones have what clocks do to people: an hour at night, at midnight (until 2019), half an hour, a day left out, nothing at all.
var zones = []string{"Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York", "UTC"}

// changes are days about which clocks are put forward or back in one of the zones.
var changes = []string{"2018-11-04", "2018-02-18", "2011-12-30", "2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04", "2026-03-08", "2024-02-29", "2026-12-31"}

var rules = []string{
	"FREQ=DAILY", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "FREQ=DAILY;BYHOUR=23;BYMINUTE=59", "FREQ=DAILY;BYMONTH=3,10,11;BYHOUR=1",
	"FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=15", "FREQ=WEEKLY;BYDAY=SU;BYMONTHDAY=1,2,3,4,5,6,7",
	"FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=4,25,29,30", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=MONTHLY;BYDAY=1SU,3SU",
	"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1",
	"FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=30,31", "FREQ=YEARLY;BYYEARDAY=-1,1", "FREQ=YEARLY;BYWEEKNO=1,52,53;BYDAY=MO,TH", "FREQ=YEARLY;BYDAY=1SU,-10WE",
	"FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU", "FREQ=YEARLY;BYMONTH=1,12;BYDAY=SU;BYSETPOS=1,-1",
}

// TestBruteForce compares At and NextEdge with every minute of some days, frozen by occurrences that rrule-go lists in one go and by clocks
// that are read minute by minute. They are asked at each change, just before and just after it, and now and then.
func TestBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.SampledFrom(rules).Draw(t, "rule")
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		lasts := time.Duration(rapid.SampledFrom([]int{1, 45, 60, 23 * 60, 24 * 60, 25 * 60, 3 * 24 * 60}).Draw(t, "minutes")) * time.Minute
		day, err := time.Parse(time.DateOnly, rapid.SampledFrom(changes).Draw(t, "day"))
		if err != nil {
			t.Fatal(err)
		}
		f := Freeze{Rule: r, Lasts: lasts, Zone: z}

		const days, minutes = 4, 4 * 24 * 60
		first := day.AddDate(0, 0, -2)
		frozen := make([]bool, minutes)
		for _, start := range listed(t, text, z, first.AddDate(0, 0, -6), first.AddDate(0, 0, days+2)) {
			for i := range frozen {
				if m := first.Add(time.Duration(i) * time.Minute); !m.Before(start) && m.Before(start.Add(lasts)) {
					frozen[i] = true
				}
			}
		}
		for i, want := range frozen {
			if i%311 != 0 && !slices.Contains(frozen[max(i-2, 0):min(i+2, minutes)], !want) {
				continue
			}
			m := first.Add(time.Duration(i) * time.Minute)
			until, got := f.At(m)
			if got != want {
				t.Fatalf("At(%v) is %t, want %t", m.In(z), got, want)
			}
			edge, any := f.NextEdge(m)
			if got && (!until.Equal(edge) || any == until.IsZero()) {
				t.Fatalf("At(%v) is until %v, and the next edge %v", m.In(z), until, edge)
			}
			next := slices.Index(frozen[i:], !want)
			if !any && next >= 0 || any && next >= 0 && !edge.Equal(m.Add(time.Duration(next)*time.Minute)) ||
				any && next < 0 && edge.Before(first.AddDate(0, 0, days)) {
				t.Fatalf("NextEdge(%v) is %v (%t), and it changes after %d minutes", m.In(z), edge, any, next)
			}
		}
	})
}

// listed returns the instants at which a rule's occurrences begin, the plain way.
func listed(t interface{ Fatal(...any) }, text string, z *time.Location, from, until time.Time) []time.Time {
	o, err := rrule.StrToROption(text)
	if err != nil {
		t.Fatal(err)
	}
	o.Dtstart = time.Date(from.Year()-1, 1, 1, 0, 0, 0, 0, time.UTC)
	all, err := rrule.NewRRule(*o)
	if err != nil {
		t.Fatal(err)
	}
	var out []time.Time
	for _, wall := range all.Between(from, until, true) {
		const face = "2006-01-02 15:04"
		begins, before := time.Time{}, time.Time{}
		for m := wall.Add(-15 * time.Hour); m.Before(wall.Add(15*time.Hour)) && begins.IsZero(); m = m.Add(time.Minute) {
			switch clock := m.In(z).Format(face); {
			case clock == wall.Format(face):
				begins = m
			case clock < wall.Format(face):
				before = m
			}
		}
		if begins.IsZero() { // skipped: as if the clocks still went as they did before
			_, offset := before.In(z).Zone()
			begins = wall.Add(-time.Duration(offset) * time.Second)
		}
		out = append(out, begins)
	}
	return out
}

func TestParseRule(t *testing.T) {
	for _, text := range append(rules, "RRULE:FREQ=DAILY", " rrule:freq=weekly;byday=mo ", "FREQ=DAILY;INTERVAL=1", "FREQ=DAILY;UNTIL=20301231T235959Z",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "FREQ=MONTHLY;BYDAY=5MO", "FREQ=MONTHLY;BYDAY=-5MO", "FREQ=YEARLY;BYDAY=53MO") {
		r, err := ParseRule(text)
		if err != nil {
			t.Errorf("ParseRule(%q): %v", text, err)
			continue
		}
		if again, err := ParseRule(r.String()); err != nil || again.String() != r.String() {
			t.Errorf("%q is written %q, which is not the same: %v", text, r, err)
		}
	}
	for text, want := range map[string]string{
		"":                         "is not a recurrence rule",
		"daily":                    "is not a recurrence rule",
		"BYDAY=MO":                 "is not a recurrence rule",
		"FREQ=SOMETIMES":           "is not a recurrence rule",
		"FREQ=DAILY;COLOUR=RED":    "is not a recurrence rule",
		"FREQ=DAILY;BYMONTH=13":    "is not a recurrence rule: bymonth must be between 1 and 12",
		"FREQ=DAILY;BYDAY=XX":      "is not a recurrence rule",
		"FREQ=DAILY;UNTIL=one day": "is not a recurrence rule",
		"FREQ=DAILY;FREQ=WEEKLY":   "says FREQ twice",
		"DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY":           "has more than one line",
		"FREQ=DAILY;DTSTART=20260101T000000Z":                  "says when it starts (DTSTART)",
		"FREQ=HOURLY":                                          "is finer than a day",
		"FREQ=SECONDLY":                                        "is finer than a day",
		"FREQ=DAILY;BYHOUR=1,2":                                "is finer than a day: it may name one BYHOUR",
		"FREQ=DAILY;BYHOUR=1;BYMINUTE=2,3":                     "is finer than a day: it may name one BYHOUR and one BYMINUTE",
		"FREQ=DAILY;BYHOUR=1;BYSECOND=3":                       "is finer than a day",
		"FREQ=DAILY;BYMINUTE=3":                                "says BYMINUTE and no BYHOUR",
		"FREQ=DAILY;COUNT=3":                                   "counts occurrences (COUNT or INTERVAL)",
		"FREQ=DAILY;COUNT=9223372036854775807":                 "counts occurrences (COUNT or INTERVAL)",
		"FREQ=WEEKLY;BYDAY=MO;INTERVAL=2":                      "counts occurrences (COUNT or INTERVAL)",
		"FREQ=DAILY;INTERVAL=9223372036854775807":              "counts occurrences (COUNT or INTERVAL)",
		"FREQ=WEEKLY;BYDAY=MO;INTERVAL=-1":                     "is not a recurrence rule",
		"FREQ=WEEKLY":                                          "does not say on which day",
		"FREQ=MONTHLY":                                         "does not say on which day",
		"FREQ=YEARLY;BYWEEKNO=51":                              "does not say on which day",
		"FREQ=YEARLY;BYMONTH=12":                               "does not say on which day",
		"FREQ=DAILY;BYEASTER=1":                                "says BYEASTER",
		"FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1":                   "says BYSETPOS",
		"FREQ=WEEKLY;BYDAY=1MO":                                "numbers the days of BYDAY",
		"FREQ=MONTHLY;BYDAY=1MO,TU":                            "numbers some days of BYDAY and not all",
		"FREQ=MONTHLY;BYDAY=6MO":                               "numbers a day of BYDAY beyond the fifth",
		"FREQ=MONTHLY;BYDAY=-6MO":                              "numbers a day of BYDAY beyond the fifth",
		"FREQ=MONTHLY;BYDAY=-53MO":                             "numbers a day of BYDAY beyond the fifth",
		"FREQ=YEARLY;BYMONTH=12;BYDAY=53MO":                    "numbers a day of BYDAY beyond the fifth",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31":                  "never happens",
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30":                   "never happens",
		"FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4":                 "never happens",
		"FREQ=DAILY;UNTIL=19981231":                            "never happens",
		"FREQ=DAILY;BYMONTHDAY=1" + strings.Repeat(",1", 1000): "is longer than 500 characters",
	} {
		if r, err := ParseRule(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseRule(%q): %v, %v, want %q", text, r, err, want)
		}
	}
}

// TestARuleCostsNoMoreThanItsHorizon counts the periods that are looked at, each of which is a year of days at most: whatever a rule
// says, and however seldom it happens.
func TestARuleCostsNoMoreThanItsHorizon(t *testing.T) {
	now := at(t, "2026-03-04T05:06Z")
	for _, text := range append(rules, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
		"FREQ=DAILY;UNTIL=20000101", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;UNTIL=99991231") {
		r := rule(t, text)
		last := now.AddDate(horizon, 0, 0)
		periods, days := 0, 0
		for p := r.period(now.AddDate(0, 0, -92)); !p.After(last); p = r.following(p) {
			periods++
			days += len(r.within(p))
		}
		if most := 12 * (horizon + 2); periods > most {
			t.Errorf("%s: %d periods", text, periods)
		}
		if most := 366 * (horizon + 2); days > most {
			t.Errorf("%s: %d occurrences", text, days)
		}
	}
}

// FuzzRule holds every rule that is taken to what callers rely on: it does not panic, it happens, and its edges are changes.
func FuzzRule(f *testing.F) {
	for _, text := range rules {
		f.Add(text, int64(1772600766), uint16(24*60))
	}
	f.Add("FREQ=YEARLY;BYWEEKNO=-53,53;BYDAY=-53MO,53SU;WKST=SU", int64(0), uint16(1))
	f.Add("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", int64(-62135596800), uint16(60))
	f.Fuzz(func(t *testing.T, text string, now int64, lasts uint16) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		z := zone(t, zones[len(text)%len(zones)])
		freeze := Freeze{Rule: r, Lasts: time.Duration(lasts) * time.Minute, Zone: z}
		at := time.Unix(now%(1<<36), 0)
		until, frozen := freeze.At(at)
		edge, any := freeze.NextEdge(at)
		if !frozen && !until.IsZero() || any && !edge.After(at) || frozen && !until.Equal(edge) {
			t.Fatalf("%q at %v: %v, %t; %v, %t", text, at, until, frozen, edge, any)
		}
		if any {
			if _, then := freeze.At(edge); then == frozen {
				t.Fatalf("%q at %v: nothing changes at %v", text, at, edge)
			}
		}
	})
}

func BenchmarkAt(b *testing.B) {
	now := at(b, "2026-03-04T05:06Z")
	for _, text := range []string{"FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", "FREQ=WEEKLY;BYDAY=SA", "FREQ=DAILY", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"} {
		b.Run(text, func(b *testing.B) {
			f := Freeze{Rule: rule(b, text), Lasts: 24 * time.Hour}
			for b.Loop() {
				f.At(now)
			}
		})
	}
}
