package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that a policy means the same on a machine without time zones

	"github.com/changegate/changegate/internal/calendar"
)

const durationMend = "write a time: 30m, 24h, 2d"

// duration reads "30m", "24h" or "2d"; fallback where it is absent or wrong.
func (c *compiler) duration(t text, what string, fallback, least, most time.Duration) time.Duration {
	if !t.present() {
		return fallback
	}
	d, err := parseDuration(t.value)
	switch {
	case err != nil:
		c.problem(t.at, fmt.Sprintf("%s is %q", what, t.value), durationMend)
	case d < least:
		c.problem(t.at, fmt.Sprintf("%s is %s", what, t.value), fmt.Sprintf("make it %s or more", shortDuration(least)))
	case d > most:
		c.problem(t.at, fmt.Sprintf("%s is %s", what, t.value), fmt.Sprintf("make it %s or less", shortDuration(most)))
	default:
		return d
	}
	return fallback
}

// parseDuration is time.ParseDuration with whole days.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func shortDuration(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// zone reads an IANA time zone: UTC where it is absent or wrong.
func (c *compiler) zone(t text) *time.Location {
	if !t.present() {
		return time.UTC
	}
	location, err := time.LoadLocation(t.value)
	if err != nil || t.value == "Local" || strings.TrimSpace(t.value) == "" {
		c.problem(t.at, fmt.Sprintf("%q is not a time zone", t.value), "use a name of the IANA database: Europe/Berlin")
		return time.UTC
	}
	return location
}

func (c *compiler) freezes(l list[freezeShape]) []*Freeze {
	if len(l.items) > MaxFreezes {
		c.problem(l.at, fmt.Sprintf("there are %d freezes", len(l.items)), fmt.Sprintf("keep it to %d: one can come again and again", MaxFreezes))
		return nil
	}
	known := environmentNames(c.policy.allEnvironments())
	var out []*Freeze
	for _, s := range l.items {
		if !s.present() {
			continue
		}
		c.requires(s.at, s.Name, "a freeze", "name")
		zone := c.zone(s.Timezone)
		f := &Freeze{
			Freeze:       calendar.Freeze{Name: s.Name.value, Zone: zone},
			Environments: values(s.Environments), Merging: s.Merging.value, Line: s.line,
		}
		for _, t := range s.Environments.items {
			if t.present() && !slices.ContainsFunc(known, func(name string) bool { return sameEnvironment(name, t.value) }) {
				c.problem(t.at, fmt.Sprintf("the environment %q is not defined", t.value), didYouMean(t.value, known))
			}
		}
		if len(f.Environments) == 0 && !f.Merging && len(known) == 0 {
			c.problem(s.at, "the freeze freezes nothing", "define `environments`, or write `merging: true`")
		}
		if s.Every.present() {
			c.recurring(f, s)
		} else {
			c.single(f, s)
		}
		out = append(out, f)
	}
	return out
}

// single reads a freeze that happens once. Until a day means until its end.
func (c *compiler) single(f *Freeze, s freezeShape) {
	if s.Lasts.present() {
		c.problem(s.Lasts.at, "lasts goes with every", "write `until`")
	}
	if s.From.unread || s.Until.unread {
		return
	}
	if !s.From.present() || !s.Until.present() {
		c.problem(s.at, "the freeze does not say when it is", "write `from` and `until`, or `every` and `lasts`")
		return
	}
	var okFrom, okUntil bool
	f.From, okFrom = c.moment(s.From, f.Zone, 0)
	f.Until, okUntil = c.moment(s.Until, f.Zone, 1)
	switch {
	case !okFrom || !okUntil || f.From.Before(f.Until):
	case !wall(s.From).IsZero() && wall(s.From).Before(wall(s.Until)):
		c.problem(s.From.at, fmt.Sprintf("the clocks of %s skip the time from %s to %s", f.Zone, s.From.value, s.Until.value), "begin before that hour, or end after it")
	case f.From.Equal(f.Until):
		c.problem(s.Until.at, fmt.Sprintf("the freeze ends when it begins (%s)", s.Until.value), "let it end later; a day as `until` is frozen to its end")
	default:
		c.problem(s.Until.at, fmt.Sprintf("the freeze ends (%s) before it begins (%s)", s.Until.value, s.From.value), "swap them, or correct the year")
	}
}

// wallForm is a time of a day as clocks show it.
const wallForm = "2006-01-02 15:04"

// wall returns what clocks show; the zero time for what is no time of a day.
func wall(t text) time.Time {
	m, _ := time.Parse(wallForm, t.value)
	return m
}

// moment reads a day or a time of a day; a day is its first moment, plus so many days.
func (c *compiler) moment(t text, zone *time.Location, days int) (time.Time, bool) {
	if d, err := time.Parse(time.DateOnly, t.value); err == nil {
		return calendar.Local(d.AddDate(0, 0, days), zone), true
	}
	if m, err := time.Parse(wallForm, t.value); err == nil {
		return calendar.Local(m, zone), true
	}
	if m, err := time.Parse(time.RFC3339, t.value); err == nil {
		return m, true
	}
	c.problem(t.at, fmt.Sprintf("%q is not a date", t.value), "write 2026-12-18, or 2026-12-18 17:00")
	return time.Time{}, false
}

// recurring reads a freeze that happens again and again.
func (c *compiler) recurring(f *Freeze, s freezeShape) {
	if s.From.present() || s.Until.present() {
		c.problem(s.Every.at, "the freeze has every and from or until", `make two of it, or write ";UNTIL=20271231T000000Z" into the rule`)
	}
	c.requires(s.at, s.Lasts, "a freeze with every", "lasts")
	f.Lasts = c.duration(s.Lasts, "lasts", 0, time.Hour, 90*24*time.Hour)
	var err error
	if f.Rule, err = calendar.ParseRule(s.Every.value); err != nil {
		c.problem(s.Every.at, fmt.Sprintf("%q %v", s.Every.value, err), `write an RFC 5545 rule, daily or coarser: "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1"`)
	}
}
