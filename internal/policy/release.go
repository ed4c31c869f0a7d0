package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/release"
)

// What holds of an environment of which no policy says it.
const (
	defaultTimeout = 2 * time.Hour
	defaultGrace   = 2 * time.Hour
	gitHubActions  = "github-actions[bot]"
)

// Release returns what the policy says of deployments, with its owner's floor beside it: nothing that the floor says, or that holds because
// it leaves it out, is loosened by the other.
//
//   - Environments are those of both, and of one that both define all hours must be open, no freeze of either may hold, a commit must have been
//     in each that it comes after, all checks and roles verify it, and for one role the larger count of release approvals is owed.
//   - Creators are those that both permit, GitHub Actions being permitted where a policy names nobody. There is always one.
//   - It is watched, or deployed change by change, if either says so. Timeout and grace are the smaller ones.
//   - What the floor says of `deployments` and of an environment's `rollback` holds.
//   - Verify.Role names all of the roles that are needed: see MayRelease.
//
// An emergency has no entry in Ships: it ships as what it would have been without.
func (p *Policy) Release() release.Rules {
	mode := p.releaseMode()
	r := release.Rules{Mode: mode, Observing: p.Mode == Observe, Ships: map[change.Category]release.Shipping{}, Deploys: p.deploys(), Announce: p.AnnounceExceptions(), Ref: p.Ref}
	if p.Floor != nil {
		r.Floor = p.Floor.Ref
	}
	for category, c := range p.Categories {
		r.Ships[category] = release.Shipping{ByHand: c.Ships == byHand, Monitor: c.Monitor, High: category == change.HighRisk}
	}
	for _, name := range environmentNames(p.allEnvironments()) {
		r.Environments = append(r.Environments, p.releaseTo(name))
	}
	return r
}

// deploys says whose it is to say /change deploy, as MayRelease has it.
func (p *Policy) deploys() []release.Sayer {
	var who []release.Sayer
	for _, l := range p.Layers() {
		name, fallback, _ := l.releaseRole(command.Deploy, "")
		one := release.Sayer{Role: name}
		if name == "" {
			one.Access = fallback.String()
		}
		if (name != "" || l.Floor == nil) && !slices.Contains(who, one) {
			who = append(who, one)
		}
	}
	return who
}

// Holders says of each role who holds it in a repository, as far as the policy tells. Of many it names some, because they stand before what is asked
// of them, and GitHub takes but so many characters.
func (p *Policy) Holders(repo change.Repository) map[string]change.Text {
	q := newInquiry(&change.Facts{Repository: repo}, p.Layers()...)
	all := make(map[string]change.Text, len(p.Roles))
	for name, role := range p.Roles {
		all[name] = enumerated(abridged(q.eachCandidate(role), 3), "or")
	}
	return all
}

// releaseMode returns what is done about deployments: what the floor says, else what the policy says. Without environments it is nothing,
// else every deployment would be one that the policy does not know.
func (p *Policy) releaseMode() release.Mode {
	if len(p.allEnvironments()) == 0 {
		return release.Off
	}
	for _, l := range p.Layers() {
		if l.Deployments != "" {
			return release.Mode(l.Deployments)
		}
	}
	return release.Record
}

// allEnvironments returns those of each layer.
func (p *Policy) allEnvironments() []*Environment {
	var all []*Environment
	for _, l := range p.Layers() {
		all = append(all, l.Environments...)
	}
	return all
}

// releaseTo merges what the layers say of an environment. The first that defines it brings the defaults of what it leaves out; the other
// one adds what it says.
func (p *Policy) releaseTo(name string) release.Environment {
	var e release.Environment
	for _, l := range p.Layers() {
		d := l.environment(name)
		if d == nil {
			continue
		}
		if e.Name == "" {
			e = release.Environment{
				Name: d.Name, Place: p.place(l, d.Line), Creators: d.creators(), Newest: d.Queue == queueNewest,
				Timeout: cmp.Or(d.Timeout, defaultTimeout), Grace: cmp.Or(d.Grace, defaultGrace),
			}
		} else {
			tighten(&e, d)
		}
		if d.After != "" && !slices.ContainsFunc(e.After, func(after string) bool { return sameEnvironment(after, d.After) }) {
			e.After = append(e.After, d.After)
		}
		if d.Hours != nil {
			e.Hours = append(e.Hours, release.Hours{Hours: *d.Hours, Place: p.place(l, d.HoursLine)})
		}
		e.Verify = verifiedByBoth(e.Verify, d.Verify)
		for _, a := range d.Release {
			e.Release = withSlot(e.Release, release.Slot{Role: a.Role, Count: a.Count})
		}
	}
	for _, l := range p.Layers() {
		for _, f := range l.Freezes {
			if f.freezes(name) {
				e.Freezes = append(e.Freezes, release.Freeze{Freeze: f.Freeze, Place: p.place(l, f.Line)})
			}
		}
	}
	e.Watched = p.watches(name)
	e.RollBack = p.rollsBack(name)
	return e
}

// tighten adds what a second policy says of an environment, as far as it says anything.
func tighten(e *release.Environment, d *Environment) {
	if len(d.Creators) > 0 {
		e.Creators = permittedByBoth(e.Creators, d.Creators)
	}
	if d.Timeout > 0 {
		e.Timeout = min(e.Timeout, d.Timeout)
	}
	if d.Grace > 0 {
		e.Grace = min(e.Grace, d.Grace)
	}
	e.Newest = e.Newest && d.Queue != queueEach
}

func verifiedByBoth(a, b release.Verify) release.Verify {
	for _, check := range b.Checks {
		if !slices.Contains(a.Checks, check) {
			a.Checks = append(slices.Clip(a.Checks), check)
		}
	}
	switch {
	case a.Role == "":
		a.Role = b.Role
	case b.Role != "" && b.Role != a.Role:
		a.Role += roleSeparator + b.Role
	}
	return a
}

// withSlot returns the slots with one more, for one role the larger count.
func withSlot(slots []release.Slot, s release.Slot) []release.Slot {
	for i := range slots {
		if slots[i].Role == s.Role {
			slots[i].Count = max(slots[i].Count, s.Count)
			return slots
		}
	}
	return append(slots, s)
}

// freezes says whether an environment takes no deployment while the freeze holds.
func (f *Freeze) freezes(environment string) bool {
	if len(f.Environments) == 0 {
		return !f.Merging
	}
	return slices.ContainsFunc(f.Environments, func(name string) bool { return sameEnvironment(name, environment) })
}

// watches says whether what was deployed to an environment is watched: if one of the layers says so, or if that is the default where they
// leave it open. What holds under the floor alone holds beside it.
func (p *Policy) watches(name string) bool {
	said := false
	for _, l := range p.Layers() {
		d := l.environment(name)
		if d == nil {
			continue
		}
		if d.Watched != nil {
			said = true
		}
		if d.Watched != nil && *d.Watched || d.Watched == nil && l == p.Floor && l.isLast(name) {
			return true
		}
	}
	return !said && p.isLast(name)
}

// isLast says whether nothing comes after an environment that comes after another, or is the only one.
func (p *Policy) isLast(name string) bool {
	all := p.allEnvironments()
	follows := func(e *Environment) bool { return sameEnvironment(e.Name, name) && e.After != "" }
	isFollowed := func(e *Environment) bool { return sameEnvironment(e.After, name) }
	return !slices.ContainsFunc(all, isFollowed) && (slices.ContainsFunc(all, follows) || len(environmentNames(all)) == 1)
}

// rollsBack says whether what failed in an environment is rolled back by itself. What the floor says holds; where it would be rolled back
// under the floor alone, no other policy prevents it.
func (p *Policy) rollsBack(name string) bool {
	if p.Floor != nil {
		switch d := p.Floor.environment(name); {
		case d == nil:
		case d.RollBack != "":
			return d.RollBack == automatically
		case p.Floor.rollsBack(name):
			return true
		}
	}
	if d := p.environment(name); d != nil && d.RollBack != "" {
		return d.RollBack == automatically
	}
	return p.releaseMode() == release.Create && p.watches(name)
}

// place says where something is written, for people: "line 12 of the policy".
func (p *Policy) place(layer *Policy, line int) string {
	if layer == p.Floor {
		return fmt.Sprintf("line %d of the owner's policy", line)
	}
	return fmt.Sprintf("line %d of the policy", line)
}
