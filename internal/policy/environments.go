package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// The bounds of an environment's times.
const (
	leastWait = time.Minute
	mostWait  = 14 * 24 * time.Hour
)

// What a key can be that says whether something happens by itself, and what the queue lets go.
const (
	automatically = "automatically"
	byHand        = "by-hand"
	queueEach     = "each"
	queueNewest   = "newest"
)

// sameEnvironment says whether two names are one environment to GitHub, which folds their case.
func sameEnvironment(a, b string) bool { return strings.EqualFold(a, b) }

// environment returns the environment of a name that this policy alone defines, nil if it defines none.
func (p *Policy) environment(name string) *Environment { return findEnvironment(p.Environments, name) }

func findEnvironment(all []*Environment, name string) *Environment {
	i := slices.IndexFunc(all, func(e *Environment) bool { return sameEnvironment(e.Name, name) })
	if i < 0 {
		return nil
	}
	return all[i]
}

func environmentNames(es []*Environment) []string {
	var out []string
	for _, e := range es {
		if !slices.ContainsFunc(out, func(name string) bool { return sameEnvironment(name, e.Name) }) {
			out = append(out, e.Name)
		}
	}
	return out
}

// deployments reads what is done about deployments; empty where the policy does not say.
func (c *compiler) deployments(t text) string {
	if !t.present() {
		return ""
	}
	mode := c.oneOf(t, "deployments", string(release.Create), string(release.Record), string(release.Off))
	floor := c.policy.Floor
	if floor != nil && floor.Deployments == "" && len(floor.Environments) > 0 && mode == string(release.Off) {
		c.problem(t.at, fmt.Sprintf("only the owner's policy, %s, may turn the deployments to its environments off", floor.Ref.Source), "take it away, or change it there")
	}
	return mode
}

func (c *compiler) environments(n names[environmentShape]) []*Environment {
	if len(n.entries) > MaxEnvironments {
		c.problem(n.at, fmt.Sprintf("there are %d environments", len(n.entries)), fmt.Sprintf("keep it to %d", MaxEnvironments))
		return nil
	}
	var own []*Environment
	for _, e := range n.entries {
		if !c.goodName(e.name, "an environment") || !e.value.present() {
			continue
		}
		if other := findEnvironment(own, e.name.value); other != nil {
			c.problem(e.name.at, fmt.Sprintf("%q and %q are one environment to GitHub", e.name.value, other.Name), fmt.Sprintf("merge it with line %d", other.Line))
			continue
		}
		own = append(own, c.environment(e.name, e.value))
	}
	c.policy.Environments = own
	c.order(n)
	return own
}

func (c *compiler) environment(name text, s environmentShape) *Environment {
	e := &Environment{
		Name:     name.value,
		Verify:   c.verify(s.Verify),
		Creators: c.creators(name.value, s.Creators),
		Timeout:  c.duration(s.Timeout, "timeout", 0, leastWait, mostWait),
		Grace:    c.duration(s.Grace, "grace", 0, leastWait, mostWait),
		Line:     name.line,
	}
	c.hours(e, s)
	if s.Release.present() {
		e.Release = c.approvals(s.Release)
	}
	if s.Watched.present() {
		e.Watched = &s.Watched.value
	}
	if s.Rollback.present() {
		e.RollBack = c.oneOf(s.Rollback, "rollback", automatically, byHand)
	}
	if s.Queue.present() {
		e.Queue = c.oneOf(s.Queue, "queue", queueEach, queueNewest)
	}
	return e
}

// creators reads whose deployments to an environment count. Somebody's must, and of two policies both permit whom they count: nobody would
// mean that nothing there ever succeeds.
func (c *compiler) creators(environment string, l list[text]) []string {
	own := c.logins(l, "creators")
	if l.present() && len(l.items) == 0 {
		c.problem(l.at, "creators is an empty list", "name the App that deploys, or take the key away")
	}
	floor := c.policy.Floor
	if floor == nil || len(own) == 0 {
		return own
	}
	if theirs := floor.environment(environment); theirs != nil && len(permittedByBoth(theirs.creators(), own)) == 0 {
		c.problem(l.at, fmt.Sprintf("the owner's policy, %s, permits other creators", floor.Ref.Source), "name some of "+strings.Join(theirs.creators(), ", "))
	}
	return own
}

// creators returns whose deployments count, besides this App's, where only this policy says so.
func (e *Environment) creators() []string {
	if len(e.Creators) == 0 {
		return []string{gitHubActions}
	}
	return e.Creators
}

// permittedByBoth returns the logins that are in both lists, as the first writes them.
func permittedByBoth(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(login string) bool {
		return !slices.ContainsFunc(b, func(other string) bool { return strings.EqualFold(login, other) })
	})
}

// order reads which environment comes after which, of this policy and of its owner's floor, and reports rings: each of a ring's members
// would wait for the next.
func (c *compiler) order(n names[environmentShape]) {
	all := c.policy.allEnvironments()
	for _, s := range n.entries {
		e, after := c.policy.environment(s.name.value), s.value.After
		if e == nil || e.Line != s.name.line || !after.present() {
			continue
		}
		before := findEnvironment(all, after.value)
		if before == nil {
			c.problem(after.at, fmt.Sprintf("the environment %q is not defined", after.value), didYouMean(after.value, environmentNames(all)))
			continue
		}
		e.After = before.Name
	}
	for _, s := range n.entries {
		if s.value.After.present() && comesAfterItself(all, s.name.value) {
			c.problem(s.value.After.at, fmt.Sprintf("%q comes after itself", s.name.value), "break the ring")
		}
	}
}

// comesAfterItself says whether an environment is among those that come before it.
func comesAfterItself(all []*Environment, name string) bool {
	before := []string{name}
	for i := 0; i < len(before); i++ {
		for _, e := range all {
			switch {
			case e.After == "" || !sameEnvironment(e.Name, before[i]):
			case sameEnvironment(e.After, name):
				return true
			case !slices.Contains(before, e.After):
				before = append(before, e.After)
			}
		}
	}
	return false
}

func (c *compiler) verify(s verifyShape) release.Verify {
	v := release.Verify{Role: c.role(s.Role)}
	if s.present() && !s.Role.stated() && !s.Checks.unread && len(s.Checks.items) == 0 {
		c.problem(s.at, "verify asks for nothing", "give it `checks` or a `role`")
	}
	for _, check := range s.Checks.items {
		if !check.present() {
			continue
		}
		c.requires(check.at, check.Name, "this check", "name")
		switch {
		case check.Name.value == change.CheckName:
			c.problem(check.Name.at, fmt.Sprintf("%q is this policy's own check", change.CheckName), "take it away: it says nothing of a deployment")
		case check.App.present() && !slugForm.MatchString(check.App.value):
			c.problem(check.App.at, fmt.Sprintf("%q is not an App's slug", check.App.value), "write it as in the App's address: github-actions")
		}
		v.Checks = append(v.Checks, release.Check{Name: check.Name.value, App: check.App.value})
	}
	return v
}

// hours reads when an environment is open.
func (c *compiler) hours(e *Environment, s environmentShape) {
	zone, holidays := c.zone(s.Timezone), c.holidays(s.Holidays)
	if s.Hours.unread {
		return
	}
	if !s.Hours.present() {
		if s.Timezone.present() {
			c.problem(s.Timezone.at, "there is a timezone and no hours", "add `hours`, or take it away")
		}
		if s.Holidays.present() {
			c.problem(s.Holidays.at, "there are holidays and no hours", `add hours: "Mon-Sun 00:00-24:00" is always`)
		}
		return
	}
	windows, err := parseHours(s.Hours.value)
	if err != nil {
		c.problem(s.Hours.at, fmt.Sprintf("hours is %q, and %v", s.Hours.value, err), `write "Mon-Fri 09:00-16:00", several with commas`)
	}
	e.Hours = &calendar.Hours{Windows: windows, Zone: zone, Holidays: holidays}
	e.HoursLine = s.Hours.line
}

func (c *compiler) holidays(l list[text]) []calendar.Date {
	if len(l.items) > MaxHolidays {
		c.problem(l.at, fmt.Sprintf("there are %d holidays", len(l.items)), fmt.Sprintf("keep it to %d: leave out those that are over", MaxHolidays))
		return nil
	}
	var out []calendar.Date
	for _, t := range l.items {
		if !t.present() {
			continue
		}
		day, err := time.Parse(time.DateOnly, t.value)
		if err != nil {
			c.problem(t.at, fmt.Sprintf("%q is not a day", t.value), "write 2026-12-25")
			continue
		}
		out = append(out, calendar.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()})
	}
	return out
}

var hoursForm = regexp.MustCompile(`^([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? (\d{2}:\d{2})-(\d{2}:\d{2})$`)

// parseHours reads "Mon-Fri 09:00-16:00", or several such with commas, and says why it is none. A window ends on the day it begins.
func parseHours(hours string) ([]calendar.Window, error) {
	days := []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	weekday := func(i int) time.Weekday { return time.Weekday((i + 1) % 7) }
	var out []calendar.Window
	for window := range strings.SplitSeq(hours, ",") {
		m := hoursForm.FindStringSubmatch(strings.TrimSpace(window))
		if m == nil {
			return nil, fmt.Errorf("%q is not days and times", strings.TrimSpace(window))
		}
		first, last := slices.Index(days, m[1]), slices.Index(days, m[2])
		if m[2] == "" {
			last = first
		}
		if first < 0 || last < 0 {
			return nil, fmt.Errorf("the days are %s", strings.Join(days, " "))
		}
		if first > last {
			return nil, fmt.Errorf("%s comes before %s in a week", m[2], m[1])
		}
		from, okFrom := minutes(m[3])
		until, okUntil := minutes(m[4])
		if !okFrom || !okUntil {
			return nil, fmt.Errorf("times run from 00:00 to 24:00")
		}
		if from >= until {
			return nil, fmt.Errorf("%s is not before %s", m[3], m[4])
		}
		if out = append(out, calendar.Window{First: weekday(first), Last: weekday(last), From: from, Until: until}); len(out) > MaxWindows {
			return nil, fmt.Errorf("there are more than %d times", MaxWindows)
		}
	}
	return out, nil
}

func minutes(clock string) (calendar.Clock, bool) {
	h, errHour := strconv.Atoi(clock[:2])
	m, errMinute := strconv.Atoi(clock[3:])
	total := h*60 + m
	return calendar.Clock(total), errHour == nil && errMinute == nil && m < 60 && total <= 24*60
}
