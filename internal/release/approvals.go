package release

import (
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/matching"
)

// admitApprovals asks for release approvals: for each slot another person who holds its role now, none of them a contributor of what ships,
// nor whoever asks for the deployment: by a command, by the job that waits for it or, where nobody did, by the merge that has it deployed.
func (t *Turn) admitApprovals(v *verdict, e *Environment, d *Deployment, ships []Change) {
	var roles []string
	for _, s := range e.Release {
		for range s.Count {
			roles = append(roles, s.Role)
		}
	}
	var accepted [][]string
	unread := ""
	for _, s := range d.Accepted {
		if len(roles) == 0 || barred(d, ships, s.By) != "" {
			continue
		}
		h, read := t.holder(s.By)
		if !read {
			continue
		}
		accepted = append(accepted, h.Roles)
		if h.Unread {
			t.wakeAt(t.now.Add(rereadAfter))
			unread = " (which roles are held by those who gave some cannot be read just now)"
		}
	}
	missing := unfilled(roles, accepted)
	if len(missing) == 0 {
		return
	}
	what := change.Say(change.Words("release approval from "), t.rules.roles(missing), change.Words(unread))
	if unread != "" {
		v.wait(what)
		return
	}
	v.waitForGoAhead(what, change.Words(": "), change.Code("/change accept "+e.Name))
}

// barred returns why somebody's release approval does not count; empty: it does.
func barred(d *Deployment, ships []Change, by change.Account) string {
	switch {
	case !by.Known():
		return "nobody known"
	case d.GoAhead != nil && d.GoAhead.By.ID == by.ID, d.Started != nil && d.Started.By.ID == by.ID, d.Undoes != "" && d.Deployer.ID == by.ID,
		slices.ContainsFunc(d.Asks, func(a Ask) bool { return a.By.ID == by.ID }):
		return "asked for the deployment"
	case d.Own && d.GoAhead == nil && d.Started == nil && d.Deployer.ID == by.ID:
		return "asked for the deployment by merging"
	case slices.ContainsFunc(ships, func(c Change) bool { return slices.Contains(c.Contributors, by.ID) }):
		return "contributed to what ships"
	}
	return ""
}

// unfilled returns the roles that are left when as many as possible are filled by different people, of each of whom people has the roles that they hold.
func unfilled(roles []string, people [][]string) []string {
	var left []string
	for i, by := range matching.Assign(len(roles), len(people), func(role, person int) bool { return slices.Contains(people[person], roles[role]) }) {
		if by < 0 {
			left = append(left, roles[i])
		}
	}
	return left
}

// roles lists roles, each once with how many of it and who holds it.
func (r *Rules) roles(roles []string) change.Text {
	var all []change.Text
	for i, role := range roles {
		if slices.Index(roles, role) != i {
			continue
		}
		n := 0
		for _, o := range roles {
			if o == role {
				n++
			}
		}
		if n == 1 {
			all = append(all, r.who(role))
		} else {
			all = append(all, change.Say(change.Words(fmt.Sprintf("%d people in ", n)), r.who(role)))
		}
	}
	return change.Join(" and ", all)
}
