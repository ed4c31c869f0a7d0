package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// frozen freezes merging for three days from the morning's tenth hour in Berlin, and on the last day of each quarter.
const frozen = `
version: 1
roles: {reviewer: {permission: write}, incident: {teams: [on-call]}}
emergency: {declared_by: incident, record: []}
categories: {normal: {record: []}}
environments: {production: {}}
freezes:
  - {name: year end, from: "2026-03-02 10:00", until: 2026-03-04, timezone: Europe/Berlin, merging: true}
  - {name: quarter close, every: "RRULE:FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1", lasts: 24h, merging: true}
  - {name: deployments, from: 2026-01-01, until: 2026-12-31, environments: [production]}
`

func TestFreezes(t *testing.T) {
	at := func(day, hour int) edit {
		return func(f *change.Facts) { f.Now = time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	}
	a, ok, declared := files("a.go"), approved("bob"), label("EMERGENCY", "olga")
	row := "awaited No freeze [merging frozen until Thu 5 Mar 00:00 CET (year end)] year end, line 8 of the policy, freezes merging until Thu 5 Mar 00:00 CET, which is Wed 4 Mar 23:00 UTC" +
		" → it may merge from then on; emergencies are exempt from freezes"
	play(t, frozen, []scenario{
		{name: "days before it", facts: pullRequest(a, ok, at(1, 8)), want: []string{"normal, satisfied"}, never: []string{"freeze", "frozen"}},
		{name: "a day before it", facts: pullRequest(a, ok, at(2, 8)), want: []string{"normal, satisfied", "note: Merging is frozen from Mon 2 Mar 10:00 CET on: year end (line 8 of the policy)."}},
		{name: "the moment it begins", facts: pullRequest(a, ok, at(2, 9)), want: []string{"normal, waiting", row, "bob counts for reviewer"}, never: []string{"note"}},
		{name: "its last day", facts: pullRequest(a, ok, at(4, 22)), want: []string{"normal, waiting", row}},
		{name: "the moment it ends", facts: pullRequest(a, ok, at(4, 23)), want: []string{"normal, satisfied"}, never: []string{"freeze", "frozen"}},
		{name: "one that comes again, in UTC", facts: pullRequest(a, ok, at(31, 5)),
			want: []string{"normal, waiting", "quarter close, line 9 of the policy, freezes merging until Wed 1 Apr 00:00 UTC →"}},
		{name: "what else is missing is said as well", facts: pullRequest(a, at(3, 0)), want: []string{"normal, waiting", row, "awaited Reviewer"}},
		{name: "red stays red", facts: pullRequest(a, ok, objected("carol"), at(3, 0)), want: []string{"normal, failing", row}},
		{name: "an emergency passes", facts: pullRequest(a, ok, declared, at(3, 0)), want: []string{"emergency, satisfied"}, never: []string{"freeze", "frozen"}},
	})

	t.Run("decided again when it begins and when it ends", func(t *testing.T) {
		p := mustParse(t, frozen)
		begins, ends := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), time.Date(2026, 3, 4, 23, 0, 0, 0, time.UTC)
		for _, test := range []struct {
			facts change.Facts
			want  time.Time
		}{
			{pullRequest(a, ok, at(1, 8)), begins},
			{pullRequest(a, at(1, 8)), begins},
			{pullRequest(a, ok, at(2, 9)), ends},
			{pullRequest(a, ok, at(4, 23)), time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)},
			{pullRequest(a, declared, at(1, 8), merged("olga")), due},
			{pullRequest(a, declared, at(2, 10)), morning.Add(24*time.Hour + time.Minute)}, // the debt's
		} {
			if got := p.Decide(test.facts).RecheckAt; !got.Equal(test.want) {
				t.Errorf("at %s: again at %s, want %s", test.facts.Now, got, test.want)
			}
		}
	})

	t.Run("of both policies", func(t *testing.T) {
		floor := mustParse(t, frozen)
		own, err := ParseBeside(floor, "own", []byte("version: 1\nfreezes:\n  - {name: ours, from: 2026-03-03, until: 2026-03-09, merging: true}\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := lines(own.Decide(pullRequest(a, ok, at(3, 0))))
		for _, want := range []string{"year end, line 8 of the owner's policy, freezes merging", "ours, line 3 of the policy, freezes merging until Tue 10 Mar 00:00 UTC"} {
			if !strings.Contains(got, want) {
				t.Errorf("does not say %q:\n%s", want, got)
			}
		}
	})

	t.Run("that follow one another without a gap", func(t *testing.T) {
		follows := strings.Replace(frozen, "  - {name: quarter close", "  - {name: stocktaking, from: 2026-03-05, until: 2026-03-06, timezone: Europe/Berlin, merging: true}\n  - {name: quarter close", 1)
		at, end := now(time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)), time.Date(2026, 3, 6, 23, 0, 0, 0, time.UTC)
		d := mustParse(t, follows).Decide(pullRequest(a, ok, at))
		want := "awaited No freeze [merging frozen until Sat 7 Mar 00:00 CET (year end)] year end, line 8 of the policy, freezes merging until Thu 5 Mar 00:00 CET, which is Wed 4 Mar 23:00 UTC" +
			" → it may merge once the other freezes are over too, at Sat 7 Mar 00:00 CET, which is Fri 6 Mar 23:00 UTC; emergencies are exempt from freezes"
		if got := lines(d); !strings.Contains(got, want) || !d.Requirements[len(d.Requirements)-1].Due.Equal(end) || !d.RecheckAt.Equal(time.Date(2026, 3, 4, 23, 0, 0, 0, time.UTC)) {
			t.Errorf("does not say %q, again at %s:\n%s", want, d.RecheckAt, got)
		}

		own, err := ParseBeside(mustParse(t, frozen), "own", []byte("version: 1\nfreezes:\n  - {name: ours, every: FREQ=DAILY, lasts: 24h, merging: true}\n"))
		if err != nil {
			t.Fatal(err)
		}
		want = "year end, line 8 of the owner's policy, freezes merging until Thu 5 Mar 00:00 CET, which is Wed 4 Mar 23:00 UTC → change the policy, or declare an emergency if it is one"
		if got := lines(own.Decide(pullRequest(a, ok, at))); !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	})

	t.Run("without an end in sight", func(t *testing.T) {
		p := mustParse(t, strings.Replace(frozen, `from: "2026-03-02 10:00", until: 2026-03-04, timezone: Europe/Berlin`, "every: FREQ=DAILY, lasts: 24h", 1))
		d := p.Decide(pullRequest(a, ok, at(3, 0)))
		want := "[merging frozen (year end)] year end, line 8 of the policy, freezes merging → change the policy, or declare an emergency if it is one"
		if got := lines(d); !strings.Contains(got, want) || d.Verdict != change.Waiting {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	})
}
