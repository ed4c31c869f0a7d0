package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/matching"
)

// holders returns everyone who is known to hold a role; closed is false where others may hold it too: by a permission, as a program, or in
// a team that was not read to its end. It asks nothing.
func (q *inquiry) holders(role *Role) (all []change.Account, closed bool) {
	f := q.facts
	if role.Permission > change.PermissionNone || len(role.Bots) > 0 || role.Fallback > change.PermissionNone && q.knownWithoutTeams(role) {
		return nil, false
	}
	for _, login := range role.Users {
		a, known := f.Users[strings.ToLower(login)]
		if !known {
			return nil, false
		}
		all = append(all, a)
	}
	if !f.Repository.OwnerIsUser {
		for _, slug := range role.Teams {
			t, known := f.Teams[slug]
			if !known || t.Problem != "" || t.Partial {
				return nil, false
			}
			all = append(all, t.Members...)
		}
	}
	return slices.DeleteFunc(all, func(a change.Account) bool { return !a.Known() || a.IsBot() }), true
}

// mayYetApprove says whether someone's approval can count, now or later.
func (q *inquiry) mayYetApprove(a change.Account) bool {
	_, contributed := q.contributors[a.ID]
	return !contributed && !q.declared(a)
}

// stuck says, by row, of which requirements for people some place would stay empty even if everyone approved who still can. All of them are matched to
// the places as their approvals would be, and to places that are filled already first.
func (q *inquiry) stuck(slots []slot) map[int]bool {
	if q.facts.Pull.Draft {
		return nil
	}
	var places []slot
	var people []change.Account
	open := false
	for _, s := range slots {
		all, closed := q.holders(s.role)
		if !closed {
			continue
		}
		places, open = append(places, s), open || !s.by.Known()
		for _, a := range all {
			if q.mayYetApprove(a) && !slices.ContainsFunc(people, func(p change.Account) bool { return p.ID == a.ID }) {
				people = append(people, a)
			}
		}
	}
	if !open {
		return nil
	}
	slices.SortStableFunc(places, func(a, b slot) int { return compareBool(!a.by.Known(), !b.by.Known()) })
	rows := map[int]bool{}
	for i, person := range matching.Assign(len(places), len(people), func(s, p int) bool { return q.knownMember(places[s].role, people[p]) }) {
		if person < 0 && !places[i].by.Known() {
			rows[places[i].row] = true
		}
	}
	return rows
}

// nobodyLeft says why a role's places cannot be filled, and what would mend it.
func (q *inquiry) nobodyLeft(w asked) (found, mend change.Text) {
	left, barred, trailers := q.leftOf(w.role)
	found = tooFew(w, left, left+len(barred))
	switch who := enumerated(abridged(barred, 5), "and"); {
	case len(barred) == 0:
	case left == 0:
		found = change.Say(found, change.Words(": "), who)
	default:
		found = change.Say(found, change.Words("; "), who, change.Words(" cannot"))
	}
	mend = change.Words("name others, who did not contribute, in the role on " + q.rolePlace(w.role))
	if gone, renamed := q.namesAmiss(w.role); gone != nil {
		found = change.Say(found, change.Words("; "), gone)
		mend = change.Say(renamed, change.Words(" who did not contribute, in the role on "+q.rolePlace(w.role)))
	}
	if teams := q.teamsOf(w.role); len(teams) > 0 {
		mend = change.Say(change.Words("add people to "), enumerated(teams, "or"), change.Words(" who did not contribute, or change the role on "+q.rolePlace(w.role)))
	}
	if trailers {
		mend = change.Say(mend, change.Words("; or push the commits without the trailers that name people who did not write them"))
	}
	return found, mend
}

// leftOf returns how many of those who are known to hold a role can still approve, and who cannot, with why. Trailers says that
// one of these cannot because a commit's trailer names them as a co-author.
func (q *inquiry) leftOf(role *Role) (left int, barred []change.Text, trailers bool) {
	all, _ := q.holders(role)
	seen := map[change.AccountID]bool{}
	for _, a := range all {
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		i, contributed := q.contributors[a.ID]
		switch {
		case contributed:
			trailers = trailers || i.how == coauthored
			barred = append(barred, change.Say(change.Login(a), change.Words(" ("), i.text(), q.broughtBy(i), change.Words(")")))
		case q.declared(a):
			barred = append(barred, change.Say(change.Login(a), change.Words(" (declared it)")))
		default:
			left++
		}
	}
	return left, barred, trailers
}

// tooFew says that a role's places cannot be filled by those who hold it, of whom so many can still approve.
func tooFew(w asked, left, holders int) change.Text {
	role, of, count := change.Quote(w.role.Name), strconv.Itoa(holders), strconv.Itoa(w.count)
	switch {
	case holders == 0:
		return change.Say(change.Words("nobody holds "), role)
	case left >= w.count:
		return change.Say(change.Words("enough people in "), role, change.Words(" can approve, but other roles need the same people, and nobody counts for two"))
	case left == holders:
		return change.Say(change.Words("only "+plural(left, "person is", "people are")+" in "), role, change.Words(", and "+count+" must approve"))
	case left > 0:
		return change.Say(change.Words("only "+strconv.Itoa(left)+" of "+of+" people in "), role, change.Words(" can approve, and "+count+" must"))
	case holders == 1:
		return change.Say(change.Words("the only person in "), role, change.Words(" cannot approve"))
	}
	return change.Say(change.Words("none of the "+of+" people in "), role, change.Words(" can approve"))
}

// broughtBy says who pushed the commit by which someone contributed, where that is known: whoever pushed the first head, at the commit or
// after it.
func (q *inquiry) broughtBy(i involvement) change.Text {
	if i.how == isAuthor || i.how == pushed {
		return nil
	}
	commits := q.facts.Content.Commits
	at := slices.IndexFunc(commits, func(c change.Commit) bool { return c.SHA == i.sha })
	for ; at >= 0 && at < len(commits); at++ {
		for _, p := range q.facts.Pushes {
			if p.After == commits[at].SHA && p.By.Known() {
				return change.Say(change.Words(", pushed by "), change.Login(p.By))
			}
		}
	}
	return nil
}
