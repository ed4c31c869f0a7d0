package calendar

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// Rule says on which days something happens, and at what time of the day. It is immutable and may be shared.
type Rule struct {
	text    string
	monthly bool          // it is looked at a month at a time, else a year at a time
	option  rrule.ROption // without an end
	ends    time.Time     // the last instant, or wall-clock time, that an occurrence may begin at; zero: it has no end
	floats  bool          // ends is a wall-clock time, shown in UTC
}

// maxRule is how many bytes of a rule are read.
const maxRule = 500

// never is more than the years that rrule-go knows of: with it as the interval a rule is looked at for one period and no more.
const never = 10_000

// ParseRule reads an RFC 5545 recurrence rule, with or without "RRULE:" before it. There is no first occurrence to go by, and what a
// rule means must not depend on one: it names its days, at most one time of the day, and neither COUNT, INTERVAL nor DTSTART.
// It is daily or coarser, and there is at least one day that it names.
//
// The error is what may follow the rule in a sentence: "is finer than a day".
func ParseRule(text string) (*Rule, error) {
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "RRULE:")
	if len(text) > maxRule {
		return nil, fmt.Errorf("is longer than %d characters", maxRule)
	}
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("has more than one line")
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		key, value, _ := strings.Cut(part, "=")
		if _, twice := values[key]; twice {
			return nil, fmt.Errorf("says %s twice", key)
		}
		values[key] = value
	}
	o, err := rrule.StrToROption(text)
	if err != nil {
		return nil, fmt.Errorf("is not a recurrence rule: %w", err)
	}
	if err := check(o); err != nil {
		return nil, err
	}
	r := &Rule{text: text, option: *o, ends: o.Until}
	switch until := values["UNTIL"]; {
	case len(until) == len(rrule.DateFormat): // the whole day, as the clocks show it
		r.ends, r.floats = o.Until.Add(24*time.Hour-time.Second), true
	case until != "":
		r.floats = !strings.HasSuffix(until, "Z")
	}
	if _, err := rrule.NewRRule(*o); err != nil { // it looks at the bounds of the numbers
		return nil, fmt.Errorf("is not a recurrence rule: %w", err)
	}
	r.option.Until = time.Time{}
	if o.Freq == rrule.MONTHLY {
		r.monthly, r.option.Interval = true, 12*never
	} else {
		// Every day or every week, without positions and intervals, is every day of the year that the rest lets through.
		r.option.Freq, r.option.Interval = rrule.YEARLY, never
		if len(o.Bymonthday)+len(o.Byweekday)+len(o.Byyearday)+len(o.Byweekno) == 0 {
			for day := 1; day <= 31; day++ {
				r.option.Bymonthday = append(r.option.Bymonthday, day)
			}
		}
	}
	// As many years as any date on any day of the week needs to come again: what is not found there is nowhere.
	first := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	for range r.starts(first, first.AddDate(40, 0, 0), time.UTC) {
		return r, nil
	}
	return nil, errors.New("never happens")
}

// check says why a rule that can be read cannot be used.
func check(o *rrule.ROption) error {
	numbered := func(d rrule.Weekday) bool { return d.N() != 0 }
	perYear := o.Freq == rrule.YEARLY && len(o.Bymonth) == 0
	switch {
	case o.Freq > rrule.DAILY:
		return errors.New("is finer than a day")
	case len(o.Byhour) > 1, len(o.Byminute) > 1, len(o.Bysecond) > 0:
		return errors.New("is finer than a day: it may name one BYHOUR and one BYMINUTE")
	case len(o.Byminute) > 0 && len(o.Byhour) == 0:
		return errors.New("says BYMINUTE and no BYHOUR")
	case o.Count != 0 || o.Interval > 1:
		return errors.New("counts occurrences (COUNT or INTERVAL), and has no first one to count from")
	case !o.Dtstart.IsZero():
		return errors.New("says when it starts (DTSTART), and is to name its days by themselves")
	case o.Freq == rrule.WEEKLY && len(o.Byweekday) == 0,
		o.Freq == rrule.MONTHLY && len(o.Bymonthday)+len(o.Byweekday)+len(o.Byyearday) == 0,
		o.Freq == rrule.YEARLY && len(o.Bymonthday)+len(o.Byweekday)+len(o.Byyearday) == 0:
		return errors.New("does not say on which day (BYDAY or BYMONTHDAY)")
	case len(o.Byeaster) > 0:
		return errors.New("says BYEASTER, which RFC 5545 does not have")
	case len(o.Bysetpos) > 0 && o.Freq != rrule.MONTHLY && o.Freq != rrule.YEARLY:
		return errors.New("says BYSETPOS, which goes with FREQ=MONTHLY or YEARLY")
	case slices.ContainsFunc(o.Byweekday, numbered) && o.Freq != rrule.MONTHLY && o.Freq != rrule.YEARLY:
		return errors.New("numbers the days of BYDAY, which goes with FREQ=MONTHLY or YEARLY")
	}
	for _, d := range o.Byweekday {
		if numbered(d) != numbered(o.Byweekday[0]) {
			return errors.New("numbers some days of BYDAY and not all")
		}
		if n := d.N(); !perYear && (n > 5 || n < -5) {
			return errors.New("numbers a day of BYDAY beyond the fifth of a month")
		}
	}
	return nil
}

// String returns the rule as it was written, in capitals and without "RRULE:".
func (r *Rule) String() string { return r.text }

// starts yields the instants at which occurrences begin in a zone, in order: all from the one instant to the other, and some before
// and after those. Each period that has a part between them is looked at once.
func (r *Rule) starts(from, until time.Time, zone *time.Location) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		// The date in the zone can be another than in UTC, by less than two days.
		first, last := from.UTC().AddDate(0, 0, -2), until.UTC().AddDate(0, 0, 2)
		for period := r.period(first); !period.After(last); period = r.following(period) {
			for _, wall := range r.within(period) {
				start := Local(wall, zone)
				if r.over(wall, start) || !yield(start) {
					return
				}
			}
		}
	}
}

// period returns the first day of the period that t is in.
func (r *Rule) period(t time.Time) time.Time {
	month := time.January
	if r.monthly {
		month = t.Month()
	}
	return time.Date(t.Year(), month, 1, 0, 0, 0, 0, time.UTC)
}

func (r *Rule) following(period time.Time) time.Time {
	if r.monthly {
		return period.AddDate(0, 1, 0)
	}
	return period.AddDate(1, 0, 0)
}

// within returns the occurrences of a period as wall-clock times, shown in UTC.
func (r *Rule) within(period time.Time) []time.Time {
	if period.IsZero() {
		return nil // rrule-go would take it for none, and the present for it
	}
	o := r.option
	o.Dtstart = period
	rule, err := rrule.NewRRule(o)
	if err != nil {
		return nil // ParseRule has refused it
	}
	return rule.All()
}

// over says whether an occurrence comes after the rule's end.
func (r *Rule) over(wall, start time.Time) bool {
	switch {
	case r.ends.IsZero():
		return false
	case r.floats:
		return wall.After(r.ends)
	default:
		return start.After(r.ends)
	}
}
