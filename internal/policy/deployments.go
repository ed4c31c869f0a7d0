package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// MayRelease asks whether somebody may give a command about deployments to an environment, whose name folds case; it may be empty, or one
// that the policy does not know. As with MayCommand, where the policy and its owner's floor both name a role both are needed, and where the
// floor names none what holds without one is:
//
//   - deploy, deployed, start, hold and cancel: `commands: deploy`, else maintain access;
//   - freeze and thaw: `commands: freeze`, else maintain access;
//   - rollback: `commands: rollback`, else write access;
//   - verified: the role of the environment's `verify`, else `commands: verify`, else write access;
//   - override: the role `override`, else nobody;
//   - queue: write access;
//   - accept: one of the roles of the environment's release approvals, and Role names those that are held; see HeldOf.
//
// A program may only what a role allows that names it. Nobody may give a command that is not known. It rests on who the people are.
func (p *Policy) MayRelease(verb command.Verb, environment string, by change.Account) Question[Authority] {
	return question(p, func(q *inquiry) Authority { return q.releaseAuthority(verb, environment, by) })
}

// Held says which of some roles somebody holds.
type Held struct {
	Roles   []string // those that are held, in the order in which they were asked about
	Unknown bool     // of another one it could not be read
}

// HeldOf asks which of the roles somebody holds. A role that the policy does not have is held by nobody.
func (p *Policy) HeldOf(roles []string, by change.Account) Question[Held] {
	return question(p, func(q *inquiry) Held { return q.heldOf(roles, by) })
}

func (q *inquiry) releaseAuthority(verb command.Verb, environment string, by change.Account) Authority {
	var roles []*Role
	if verb == command.Accept {
		return q.acceptor(environment, by)
	}
	for range q.each {
		name, fallback, known := q.policy.releaseRole(verb, environment)
		if !known {
			break
		}
		role := q.role(name)
		if role == nil {
			if q.policy.Floor != nil {
				continue // it has no opinion
			}
			if fallback == change.PermissionNone {
				return Authority{Who: nobody(verb)}
			}
			role = byPermission(fallback)
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return Authority{Who: nobody(verb)}
	}
	return q.asHolder(roles, by)
}

// nobody says of a command that nobody may give why that is, where it is for the policy to permit it.
func nobody(verb command.Verb) change.Text {
	if verb != command.Override {
		return change.Words("nobody")
	}
	return change.Say(change.Words("nobody: the policy names no "), change.Code("override"), change.Words(", which is the role that may, at its top level: "), change.Code("override: ROLE"))
}

// releaseRole returns the role that this policy alone names for a verb, and the permission that is enough where it names none: none is.
func (p *Policy) releaseRole(verb command.Verb, environment string) (name string, fallback change.Permission, known bool) {
	c := p.Commands
	switch verb {
	case command.Deploy, command.Deployed, command.Start, command.Hold, command.Cancel:
		return c.Deploy, change.PermissionMaintain, true
	case command.Freeze, command.Thaw:
		return c.Freeze, change.PermissionMaintain, true
	case command.Rollback:
		return c.Rollback, change.PermissionWrite, true
	case command.Verified:
		if e := p.environment(environment); e != nil && e.Verify.Role != "" {
			return e.Verify.Role, change.PermissionNone, true
		}
		return c.Verify, change.PermissionWrite, true
	case command.Override:
		return p.Override, change.PermissionNone, true
	case command.Queue:
		return "", change.PermissionWrite, true
	}
	return "", change.PermissionNone, false
}

// acceptor returns the authority of somebody who must hold one of the roles of an environment's release approvals.
func (q *inquiry) acceptor(environment string, by change.Account) Authority {
	var names []string
	var who []change.Text
	for _, l := range q.layers {
		e := l.policy.environment(environment)
		if e == nil {
			continue
		}
		for _, a := range e.Release {
			if !slices.Contains(names, a.Role) {
				names = append(names, a.Role)
				who = append(who, q.candidates(q.roleOfAny(a.Role)))
			}
		}
	}
	if len(names) == 0 {
		return Authority{Who: change.Say(change.Words("nobody: "), change.Code(environment), change.Words(" asks for no release approval"))}
	}
	held := q.heldOf(names, by)
	a := Authority{May: len(held.Roles) > 0, Who: change.Join(" or ", who)}
	if a.May {
		names = held.Roles
	} else {
		a.Unknown = held.Unknown
	}
	a.Role = strings.Join(names, roleSeparator)
	return a
}

func (q *inquiry) heldOf(roles []string, by change.Account) (held Held) {
	for _, name := range roles {
		switch q.holds(q.roleOfAny(name), by) {
		case yes:
			held.Roles = append(held.Roles, name)
		case unknown:
			held.Unknown = true
		}
	}
	return held
}

// roleOfAny returns the role of a name in any of the layers: a repository's policy has those of its floor. Nil: there is none.
func (q *inquiry) roleOfAny(name string) *Role { return q.layers[len(q.layers)-1].policy.Roles[name] }
