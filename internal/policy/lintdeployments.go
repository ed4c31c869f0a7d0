package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/release"
)

// deployments warns of what is said of deployments and does nothing, or less than it seems to.
func (l *linter) deployments() {
	p, s := l.policy, l.shape
	all := p.allEnvironments()
	switch {
	case len(all) == 0 && s.Deployments.present() && p.Deployments != string(release.Off):
		l.warn(s.Deployments.at, fmt.Sprintf("deployments is %s, and there is no environment", p.Deployments), "define `environments`, or take it away")
	case p.Deployments != "" && p.Floor != nil && p.Floor.Deployments != "" && p.Floor.Deployments != p.Deployments:
		l.warn(s.Deployments.at, fmt.Sprintf("deployments is %s, which the owner's policy, %s, says", p.Floor.Deployments, p.Floor.Ref.Source), "take it away, or change it there")
	}
	if s.Override.present() && len(all) == 0 {
		l.warn(s.Override.at, "override is about hours and freezes of environments, and there are none", "define `environments`, or take it away")
	}
	comes := false // after another
	for _, e := range all {
		comes = comes || e.After != ""
	}
	for _, c := range []categoryShape{s.Categories.HighRisk, s.Categories.Normal, s.Categories.Standard} {
		if c.Ships.value == "after-staging" && len(all) > 0 && !comes {
			l.warn(c.Ships.at, "it ships after staging, and no environment comes after another", "write `production: {after: staging}`")
		}
	}
	rules := p.Release()
	for _, e := range s.Environment.entries {
		merged, ok := rules.Find(e.name.value)
		if ok {
			l.environment(e.name, e.value, merged, len(rules.Environments))
		}
	}
	l.holidays()
}

// holidays warns of an environment whose holidays are all over, so that nobody listed those to come.
func (l *linter) holidays() {
	for _, e := range l.shape.Environment.entries {
		i := slices.IndexFunc(l.policy.Environments, func(own *Environment) bool { return own.Name == e.name.value })
		if i < 0 || l.policy.Environments[i].Hours == nil || len(e.value.Holidays.items) == 0 {
			continue
		}
		hours := l.policy.Environments[i].Hours
		today := l.now.In(hours.Zone)
		if !slices.ContainsFunc(hours.Holidays, func(d calendar.Date) bool {
			return time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, hours.Zone).After(today)
		}) {
			l.warn(e.value.Holidays.at, fmt.Sprintf("all holidays of %s are over", e.name.value), "list those to come, or take them away")
		}
	}
}

// commandable is what a command can name.
var commandable = regexp.MustCompile(`^[A-Za-z0-9._:/+-]+$`)

func (l *linter) environment(name text, s environmentShape, merged *release.Environment, environments int) {
	if strings.EqualFold(name.value, "production") && len(merged.After) == 0 && environments > 1 {
		l.warn(name.at, fmt.Sprintf("%s takes what was in no environment before", name.value), "say what it comes `after`")
	}
	if !commandable.MatchString(name.value) {
		l.warn(name.at, fmt.Sprintf("no command can name the environment %q", name.value), "use letters of ASCII, digits and - _ / . + without spaces")
	}
	for _, t := range s.Creators.items {
		if !strings.HasSuffix(t.value, "[bot]") {
			l.warn(t.at, fmt.Sprintf("%s is a person, who can then record as deployed what never was", t.value), `name the App that deploys: "github-actions[bot]"`)
		}
	}
	if s.Rollback.value == automatically && !merged.RollBack {
		l.warn(s.Rollback.at, "it is rolled back by hand, which the owner's policy says", "take it away, or change it there")
	}
	if s.Queue.value == queueNewest && !merged.Newest {
		l.warn(s.Queue.at, "each change is deployed by itself, which the owner's policy says", "take it away, or change it there")
	}
}
