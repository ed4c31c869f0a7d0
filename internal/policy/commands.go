package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// Commands names the roles that may give commands by comment; for what an empty one means see MayCommand and MayRelease.
type Commands struct {
	Refresh, Reject, Explain         string
	Deploy, Verify, Rollback, Freeze string
	Line                             int
}

// Exceptions says what is done about what went past the policy.
type Exceptions struct {
	Announce []string // "slack:#channel"
	Line     int
}

// Authority says whether somebody may give a command, and who may.
type Authority struct {
	May bool
	// Unknown says that what decides it could not be read, so that nobody knows; May is false then.
	Unknown bool
	// Untold says that it is Unknown because GitHub does not tell what that person may do, which may be over a little later.
	Untold bool
	// Role is that by which the command counts, for Rejection.Role: the name of a role or of several, or the permission where no role is named.
	Role string
	Who  change.Text // who may
}

// MayCommand asks whether somebody may give a command (refresh, reject, explain): whoever holds the role that the policy names for it, and
// that of its owner's floor if both name one. Where none is named the author and anyone with write access refresh, and
// whoever has maintain access does the rest. It rests on who the people are, and of the pull request on its author only. Nobody may give a
// command that is not known.
func (p *Policy) MayCommand(verb command.Verb, by change.Account) Question[Authority] {
	return question(p, func(q *inquiry) Authority { return q.authority(verb, by) })
}

// MayWithdraw asks whether somebody may withdraw a rejection: whoever holds the role by which it counts, and did not contribute or rejected it.
// Where the policy has that role no more it is for those who may reject. Unlike MayCommand it rests on the content, the pushes and what
// they show; without the content of the head it is not known who contributed.
func (p *Policy) MayWithdraw(r change.Rejection, by change.Account) Question[Authority] {
	return question(p, func(q *inquiry) Authority { return q.withdrawal(r, by) })
}

// AnnounceEmergency returns where emergencies are announced, as in "slack:#engineering".
func (p *Policy) AnnounceEmergency() []string {
	return p.places(func(p *Policy) []string {
		if p.Emergency == nil {
			return nil
		}
		return p.Emergency.Announce
	})
}

// AnnounceExceptions returns where it is announced that something went past the policy: all places that it and its owner's floor name.
func (p *Policy) AnnounceExceptions() []string {
	return p.places(func(p *Policy) []string { return p.Exceptions.Announce })
}

// places returns what the layers name, each once.
func (p *Policy) places(of func(*Policy) []string) []string {
	var all []string
	for _, l := range p.Layers() {
		for _, place := range of(l) {
			if !slices.Contains(all, place) {
				all = append(all, place)
			}
		}
	}
	return all
}

// permissionPrefix stands before a permission in place of a role's name, which has no colon; roleSeparator between the names of several,
// which have no comma.
const (
	permissionPrefix = "permission:"
	roleSeparator    = ", "
)

func byPermission(p change.Permission) *Role {
	return &Role{Name: permissionPrefix + p.String(), Permission: p}
}

// commandRoles returns the roles of which one must hold all to give a command. A policy beside a floor that names none has no opinion:
// the floor's is enough, and so is what holds where the floor names none either.
func (q *inquiry) commandRoles(verb command.Verb) (roles []*Role, authorToo bool) {
	for range q.each {
		c := q.policy.Commands
		name, fallback := "", change.PermissionMaintain
		switch verb {
		case command.Refresh:
			name, fallback = c.Refresh, change.PermissionWrite
		case command.Reject:
			name = c.Reject
		case command.Explain:
			name = c.Explain
		default:
			return nil, false
		}
		role := q.role(name)
		if role == nil {
			if q.policy.Floor != nil {
				continue
			}
			role, authorToo = byPermission(fallback), verb == command.Refresh
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, authorToo && len(roles) == 1
}

func (q *inquiry) authority(verb command.Verb, by change.Account) Authority {
	roles, authorToo := q.commandRoles(verb)
	if len(roles) == 0 {
		return Authority{Who: change.Words("nobody")}
	}
	author := q.facts.Pull.Author
	if !authorToo || !author.Known() {
		return q.asHolder(roles, by)
	}
	isAuthor := by.ID == author.ID
	if isAuthor {
		by = change.Account{} // nobody need ask what the author may do besides
	}
	a := q.asHolder(roles, by)
	a.May = a.May || isAuthor
	a.Who = change.Say(change.Login(author), change.Words(" or "), a.Who)
	return a
}

// asHolder returns the authority of somebody who must hold all of the roles.
func (q *inquiry) asHolder(roles []*Role, by change.Account) Authority {
	held := yes
	var who []change.Text
	for _, role := range roles {
		if held != no {
			held = min(held, q.holds(role, by))
		}
	}
	for _, role := range roles {
		who = append(who, q.candidates(role))
	}
	untold := held == unknown && q.facts.People[by.ID].Problem != ""
	return Authority{May: held == yes, Unknown: held == unknown, Untold: untold, Role: rolesName(roles), Who: change.Join(" who is also ", who)}
}

func (q *inquiry) withdrawal(r change.Rejection, by change.Account) Authority {
	a := q.asHolder(q.rejectionRoles(r), by)
	if by.Known() && by.ID == r.By.ID {
		return a
	}
	a.Who = change.Say(a.Who, change.Words(", except those who contributed"))
	if !a.May {
		return a
	}
	if q.facts.Content.Head != q.facts.Pull.Head.SHA {
		a.May, a.Unknown = false, true
		return a
	}
	q.findContributors()
	_, contributed := q.contributors[by.ID]
	a.May = !contributed
	return a
}

// rejectionRoles returns the roles by which a rejection counts.
func (q *inquiry) rejectionRoles(r change.Rejection) []*Role {
	var roles []*Role
	for name := range strings.SplitSeq(r.Role, roleSeparator) {
		role := q.roleOfAny(name)
		if permission, ok := strings.CutPrefix(name, permissionPrefix); ok {
			if p, err := change.ParsePermission(permission); err == nil {
				role = byPermission(p)
			}
		}
		if role == nil {
			roles, _ = q.commandRoles(command.Reject)
			return roles
		}
		roles = append(roles, role)
	}
	return roles
}

func rolesName(roles []*Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.Name
	}
	return strings.Join(names, roleSeparator)
}

// otherHolders names those besides somebody who hold the roles of a rejection, and says of each role who that is.
func (q *inquiry) otherHolders(roles string) change.Text {
	var names []change.Text
	access := ""
	for name := range strings.SplitSeq(roles, roleSeparator) {
		if permission, ok := strings.CutPrefix(name, permissionPrefix); ok {
			access = " with " + permission + " access"
		} else {
			of := change.Quote(name)
			if role := q.roleOfAny(name); role != nil {
				of = change.Say(of, change.Words(" ("), q.candidates(role), change.Words(")"))
			}
			names = append(names, of)
		}
	}
	if len(names) == 0 {
		return change.Words("anyone else" + access)
	}
	return change.Say(change.Words("another holder of "), enumerated(names, "and"), change.Words(access))
}
