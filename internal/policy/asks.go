package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// maxAskedUsers is how many people GitHub takes in one request for reviews.
const maxAskedUsers = 15

// isAskedFor says whether those who hold a role are asked to review: security, and those whom only riskier changes than normal
// need. Anybody can find a reviewer; whoever is asked on every change stops reading. A policy that only observes asks nobody.
func (q *inquiry) isAskedFor(w asked) bool {
	if q.policy.Mode == Observe {
		return false
	}
	if w.kind == change.KindSecurityReview {
		return true
	}
	if q.category != change.HighRisk || q.declaration != nil || w.role.Permission > change.PermissionNone {
		return false
	}
	return !slices.ContainsFunc(q.layers, func(l layer) bool {
		c := l.policy.Categories[change.Normal]
		return c != nil && slices.ContainsFunc(c.Approvals, func(a Approvals) bool { return a.Role == w.role.Name })
	})
}

// ask returns the reviews to request for a requirement that is short of people; ok is false if nobody is to be asked now. Only teams
// that are known to exist are asked, and only people who could approve.
func (q *inquiry) ask(w asked) (ask change.Ask, ok bool) {
	f := q.facts
	open := f.Pull.State == change.Open || f.Pull.State == "" || q.declaration != nil
	if f.Pull.Draft || !open || !q.isAskedFor(w) {
		return change.Ask{}, false
	}
	ask = change.Ask{Role: w.role.Name, Reason: q.reasonFor(w)}
	if !f.Repository.OwnerIsUser {
		for _, slug := range w.role.Teams {
			if t, known := q.team(slug); known && !t.Missing && t.Problem == "" {
				ask.Teams = append(ask.Teams, slug)
			}
		}
	}
	for _, login := range w.role.Users {
		a, known := q.user(login)
		if _, contributed := q.contributors[a.ID]; !known || contributed || len(ask.Users) == maxAskedUsers {
			continue
		}
		ask.Users = append(ask.Users, a.Login)
	}
	slices.Sort(ask.Teams)
	slices.SortFunc(ask.Users, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	if len(ask.Teams)+len(ask.Users) == 0 {
		return change.Ask{}, false
	}
	ask.Round = q.voided(w.role)
	return ask, true
}

// voided counts the reviews by holders of a role that were dismissed, or approved content that is not the present one: each is a
// reason to ask anew.
func (q *inquiry) voided(role *Role) int {
	n := 0
	for _, r := range q.facts.Reviews {
		stale := is(r.State, change.Approved) && !q.sameContent(r.SHA)
		if (stale || is(r.State, change.Dismissed)) && q.holds(role, r.By) == yes {
			n++
		}
	}
	return n
}

// askedNames names those who are asked.
func (q *inquiry) askedNames(a change.Ask) []change.Text {
	var who []change.Text
	for _, slug := range a.Teams {
		who = append(who, change.TeamName(q.facts.Repository.Owner, slug))
	}
	for _, login := range a.Users {
		who = append(who, change.Text{{Kind: change.PartLogin, Text: login}})
	}
	return who
}

// reasonFor says why a role's review is needed, empty where the category's name says it all.
func (q *inquiry) reasonFor(w asked) change.Text {
	if w.kind != change.KindSecurityReview {
		return nil
	}
	if len(w.triggered) == 0 {
		return change.Words("it is " + q.category.String())
	}
	m := w.triggered[0]
	reason := change.Say(m.Subject, change.Words(" matches "), change.Quote(m.Trigger))
	others := map[string]bool{}
	for _, t := range w.triggered {
		others[t.Trigger] = true
	}
	if n := len(others) - 1; n > 0 {
		reason = change.Say(reason, change.Words(", and "+plural(n, "other reason", "other reasons")))
	}
	return reason
}
