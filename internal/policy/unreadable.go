package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// unfillable says what is amiss with a role's teams and names, and what mends it; both are nil if nothing is. Others says whether somebody may
// hold the role all the same.
func (q *inquiry) unfillable(role *Role) (found, mend change.Text, others bool) {
	f := q.facts
	gone, renamed := q.namesAmiss(role)
	byName := role.Permission > change.PermissionNone || slices.ContainsFunc(role.Users, func(login string) bool { return !q.isNobody(login) })
	if gone != nil {
		renamed = change.Say(renamed, change.Words(", on "+q.rolePlace(role)))
	}
	if f.Repository.OwnerIsUser {
		others = byName || role.Fallback > change.PermissionNone || len(role.Teams) == 0 && len(role.Bots) > 0
		if others || gone != nil {
			return gone, renamed, others
		}
		return change.Say(change.Words("nobody can hold "), change.Quote(role.Name), change.Words(": a user's repository has no teams")),
			change.Words("give the role on " + q.rolePlace(role) + " users or a permission"), false
	}
	if role.Fallback > change.PermissionNone && q.knownWithoutTeams(role) {
		return gone, renamed, true
	}
	if len(role.Teams) == 0 && len(role.Users) == 0 && !byName && len(role.Bots) == 0 {
		return change.Say(change.Words("nobody can hold "), change.Quote(role.Name)),
			change.Words("give the role on " + q.rolePlace(role) + " teams, users or a permission"), false
	}
	found, mend, broken := q.teamsAmiss(role, q.brokenTeam)
	others = byName || broken < len(role.Teams) || len(role.Teams) == 0 && len(role.Bots) > 0
	switch {
	case gone == nil:
		return found, mend, others
	case found == nil:
		return gone, renamed, others
	}
	return change.Say(found, change.Words("; "), gone), change.Say(mend, change.Words("; "), renamed), others
}

// isNobody says whether a login that the policy names is known to be no account, or another than the one that the policy meant.
func (q *inquiry) isNobody(login string) bool {
	a, asked := q.facts.Users[strings.ToLower(login)]
	return asked && !a.Known()
}

// namesAmiss says which of a role's logins are nobody, and what mends that; both are nil if none is.
func (q *inquiry) namesAmiss(role *Role) (found, mend change.Text) {
	var names []change.Text
	for _, login := range role.Users {
		if q.isNobody(login) {
			names = append(names, change.Text{{Kind: change.PartLogin, Text: login}})
		}
	}
	what := " is not a GitHub account, or not the one that first had this name"
	switch len(names) {
	case 0:
		return nil, nil
	case 1:
	default:
		what = " are not GitHub accounts, or not those that first had these names"
	}
	return change.Say(enumerated(names, "and"), change.Words(what)), change.Words("write the new name of whoever was renamed, or name others")
}

// teamsAmiss says what is amiss with a role's teams, what mends it and on which line, and with how many of them something is; the texts are nil if that
// is none. Of says the first two of one team: it is one of the two functions below.
func (q *inquiry) teamsAmiss(role *Role, of func(slug string) (found, mend change.Text)) (found, mend change.Text, n int) {
	var all, mends []change.Text
	for _, slug := range role.Teams {
		if what, how := of(slug); what != nil {
			all, mends = append(all, what), append(mends, how)
		}
	}
	if len(all) == 0 {
		return nil, nil, 0
	}
	return change.Join("; ", all), change.Say(change.Join("; ", mends), change.Words(", on "+q.rolePlace(role))), len(all)
}

// brokenTeam says why nobody is known to be in a team, and what mends that; both are nil if the team was read, or nobody had to ask so far.
func (q *inquiry) brokenTeam(slug string) (found, mend change.Text) {
	team := q.facts.Teams[slug]
	name := change.TeamName(q.facts.Repository.Owner, slug)
	if team.Missing {
		return change.Say(name, change.Words(" does not exist")), change.Say(change.Words("create "), name, change.Words(", or name another team"))
	}
	return q.unreadTeam(slug)
}

// unreadTeam is brokenTeam for a team of which nobody can say who is in it: nobody is in one that does not exist.
func (q *inquiry) unreadTeam(slug string) (found, mend change.Text) {
	team := q.facts.Teams[slug]
	name := change.TeamName(q.facts.Repository.Owner, slug)
	switch {
	case team.Missing:
		return nil, nil
	case team.Replaced:
		return change.Say(name, change.Words(" is not the team that first had this name")),
			change.Words("if this team is meant, an owner of the organization removes the App and installs it again, which forgets the first; or name others")
	case team.Problem != "":
		return change.Say(name, change.Words(" cannot be read: "), change.Quote(team.Problem)),
			change.Say(change.Words("let the App read the members of "), name, change.Words(", or name others"))
	}
	return nil, nil
}

// unknowable says, where it is not known whether somebody holds a role, that it could not be read, why, and what mends that.
func (q *inquiry) unknowable(role *Role, a change.Account) change.Text {
	const unread = "could not be read"
	if found, mend, n := q.teamsAmiss(role, q.unreadTeam); n > 0 && !q.facts.Repository.OwnerIsUser {
		return change.Say(change.Words(unread+", because "), found, change.Words("; "), mend)
	}
	if p := q.facts.People[a.ID]; p.Problem != "" {
		return change.Say(change.Words(unread+": "), change.Quote(p.Problem))
	}
	return change.Words(unread)
}

// anyUnknowable is unknowable for all roles of the policy, and of its owner's floor.
func (q *inquiry) anyUnknowable(a change.Account) (text change.Text) {
	q.any(func() bool {
		for _, name := range q.roleNames() {
			role := q.role(name)
			text = q.unknowable(role, a)
			if _, _, n := q.teamsAmiss(role, q.unreadTeam); n > 0 {
				return true
			}
		}
		return false
	})
	return text
}
