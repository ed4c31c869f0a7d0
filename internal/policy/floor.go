package policy

import (
	"fmt"

	"github.com/changegate/changegate/internal/change"
)

// ParseBeside is Parse for a repository's policy where its owner has a floor; without a floor (nil) it is Parse. What comes back decides
// with the floor: each of the two is evaluated on all facts, as if it were alone, and a change must satisfy both. So a repository's
// policy can only add, and nobody has to prove that it does not loosen.
//
//   - Rules of both are looked at and the riskiest that matches wins; a policy of which no rule matches has no opinion.
//   - Requirements of both are owed, each once: for one role the larger count. Different people fill them, over both policies.
//   - What a policy permits (a trusted bot, an accepted suggestion, a dismissal, a lowered risk) counts where both permit it.
//   - Only the floor defines `standard`, `emergency`, `ships` and `mode`. What standard changes and emergencies owe is the floor's to
//     say, besides the security triggers of both, the checks that a policy asks of every category, and a section of the record that
//     names the category in `required_in`.
//   - A role that the floor defines is the same one here, by its name, and cannot be redefined.
//
// What belongs to the floor is an error with its place and mend, as is all else that Parse refuses.
func ParseBeside(floor *Policy, source string, text []byte) (*Policy, error) {
	p, _, problems := parse(floor, source, text)
	if errs := problems.Errors(); len(errs) > 0 {
		return nil, errs
	}
	return p, nil
}

// Layers returns the policies that are decided side by side: the owner's floor, if there is one, and p.
func (p *Policy) Layers() []*Policy {
	if p.Floor != nil {
		return []*Policy{p.Floor, p}
	}
	return []*Policy{p}
}

// reserved reports what only the owner's floor may define.
func (c *compiler) reserved(where at, what string) {
	if c.policy.Floor != nil && where.present() {
		c.problem(where, fmt.Sprintf("only the owner's policy, %s, may define %s", c.policy.Floor.Ref.Source, what), "take it away, or change it there")
	}
}

// reservedKeys reports all that only the owner's floor may define.
func (c *compiler) reservedKeys(s *policyShape) {
	c.reserved(s.Mode.at, "`mode`")
	c.reserved(s.Emergency.at, "`emergency`")
	c.reserved(s.Categories.Standard.at, "`standard`")
	c.reserved(s.Categories.HighRisk.Ships.at, "`ships`")
	c.reserved(s.Categories.Normal.Ships.at, "`ships`")
}

// ownersRoles gives the policy the floor's roles, and reports those that it would redefine. One that the floor leaves to a default
// may be written out, if it says the same.
func (c *compiler) ownersRoles(roles map[string]*Role) {
	floor := c.policy.Floor
	if floor == nil {
		return
	}
	for name, theirs := range floor.Roles {
		mine := roles[name]
		switch {
		case mine == nil:
			roles[name] = theirs
		case theirs.isImplied() && mine.Permission == theirs.Permission && len(mine.Teams)+len(mine.Users)+len(mine.Bots) == 0:
		default:
			c.problem(c.rolePlace[name], fmt.Sprintf("the role %q is that of the owner's policy, %s", name, floor.Ref.Source), "take it away, or give yours another name")
		}
	}
}

// besideFloor leaves to the floor what is the floor's, in categories that were compiled with their defaults.
func (c *compiler) besideFloor(categories map[change.Category]*Category) {
	floor := c.policy.Floor
	if floor == nil {
		return
	}
	categories[change.Standard] = &Category{Category: change.Standard, Approvals: []Approvals{}, Record: []string{}, Unattributed: "warn"}
	for category, mine := range categories {
		theirs := floor.Categories[category]
		mine.Ships, mine.Monitor = theirs.Ships, max(mine.Monitor, theirs.Monitor)
	}
}
