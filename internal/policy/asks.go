package policy

import (
	"slices"
	"strings"
	"time"

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
// that are known to exist are asked, and only people who could approve. Whoever approved other content is asked again, for any role.
func (q *inquiry) ask(w asked) (ask change.Ask, ok bool) {
	f := q.facts
	open := f.Pull.State == change.Open || f.Pull.State == ""
	if f.Pull.Draft || !open || q.policy.Mode == Observe {
		return change.Ask{}, false
	}
	again, round := q.voided(w.role)
	again = slices.DeleteFunc(again, q.isCounted)
	all := q.isAskedFor(w)
	if !all {
		again = slices.DeleteFunc(again, q.isAskedOtherwise)
	}
	if !all && len(again) == 0 {
		return change.Ask{}, false
	}
	ask = change.Ask{Role: w.role.Name, Reason: q.reasonFor(w), Round: round}
	if all && !f.Repository.OwnerIsUser {
		for _, slug := range w.role.Teams {
			if t, known := q.team(slug); known && !t.Missing && t.Problem == "" {
				ask.Teams = append(ask.Teams, slug)
			}
		}
	}
	users := slices.DeleteFunc(again, func(a change.Account) bool {
		return slices.ContainsFunc(ask.Teams, func(slug string) bool { return f.Teams[slug].Has(a.ID) })
	})
	if all {
		for _, login := range w.role.Users {
			if a, known := q.user(login); known && !q.isCounted(a) {
				users = append(users, a)
			}
		}
	}
	for _, a := range users {
		if q.mayYetApprove(a) && len(ask.Users) < maxAskedUsers && !slices.Contains(ask.Users, a.Login) {
			ask.Users = append(ask.Users, a.Login)
		}
	}
	slices.Sort(ask.Teams)
	slices.SortFunc(ask.Users, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	if len(ask.Teams)+len(ask.Users) == 0 {
		return change.Ask{}, false
	}
	return ask, true
}

// isCounted says whether an approval by somebody counts, which may be one from before the latest.
func (q *inquiry) isCounted(a change.Account) bool {
	return slices.ContainsFunc(q.opinions, func(o change.Opinion) bool { return o.Counts && o.By.ID == a.ID })
}

// isAskedOtherwise says whether somebody holds a role that is short of people and whose holders are asked.
func (q *inquiry) isAskedOtherwise(a change.Account) bool {
	return slices.ContainsFunc(q.wants, func(w asked) bool { return w.short > 0 && q.isAskedFor(w) && q.holds(w.role, a) == yes })
}

// voided returns the holders of a role whose approval is not of the present content, and counts the reasons to ask anew: each review of
// a holder that was dismissed, that took the place of another of other content, or that a push made stale, and each approval that counted for the
// role by somebody who holds it no more. A push that leaves an approved head is a reason once, however many follow it. What was counted stays
// counted, whatever the head returns to and whatever becomes of the reviewer's role: an ask is made once a round.
func (q *inquiry) voided(role *Role) (people []change.Account, round int) {
	reviews := slices.SortedFunc(slices.Values(q.facts.Reviews), bySubmission)
	for i, r := range reviews {
		if !r.State.Is(change.Approved) && !r.State.Is(change.Dismissed) {
			continue
		}
		next, replaced := nextOpinion(reviews[i+1:], r.By)
		stale := !replaced && r.State.Is(change.Approved) && q.staleness(r) != nil
		n := 0
		if r.State.Is(change.Approved) || r.Was.Is(change.Approved) {
			n = q.departures(r, next.At)
		}
		counted := slices.Contains(r.Counted, role.Name)
		if stale || r.State.Is(change.Dismissed) || replaced && next.SHA != r.SHA {
			n = max(n, 1)
		}
		if n == 0 && !counted {
			continue
		}
		switch held := q.holds(role, r.By); {
		case held == yes:
			q.countVoid(role, r, n)
			if stale && !r.By.IsBot() && q.mayYetApprove(r.By) {
				people = append(people, r.By)
			}
		case held == no && counted:
			q.countVoid(role, r, max(n, 1))
		}
	}
	for _, v := range q.voids {
		if v.Role == role.Name {
			round += v.Times
		}
	}
	return people, round
}

// countVoid counts how many times a review was a reason to ask a role anew, which is never less than it was before.
func (q *inquiry) countVoid(role *Role, r change.Review, times int) {
	i := slices.IndexFunc(q.voids, func(v change.Void) bool { return v.Role == role.Name && v.Review == r.ID })
	switch {
	case i >= 0:
		q.voids[i].Times = max(q.voids[i].Times, times)
	case times > 0:
		q.voids = append(q.voids, change.Void{Role: role.Name, Review: r.ID, Times: times})
	}
}

// lapsed names those whose approval is of the present content and counted for a role that they hold no more.
func (q *inquiry) lapsed(role *Role) (who []change.Account) {
	if q.facts.Pull.Draft {
		return nil
	}
	for _, o := range q.opinions {
		if slices.Contains(o.Was, role.Name) && o.State.Is(change.Approved) && q.holds(role, o.By) == no && !q.isStale(o.Review) {
			who = append(who, o.By)
		}
	}
	return who
}

// isStale says whether a review is of other content than the present.
func (q *inquiry) isStale(id int64) bool {
	i := slices.IndexFunc(q.facts.Reviews, func(r change.Review) bool { return r.ID == id })
	return i >= 0 && q.staleness(q.facts.Reviews[i]) != nil
}

// nextOpinion returns the first review by somebody that is more than a comment.
func nextOpinion(reviews []change.Review, by change.Account) (change.Review, bool) {
	i := slices.IndexFunc(reviews, func(r change.Review) bool {
		return r.By.ID == by.ID && (r.State.Is(change.Approved) || r.State.Is(change.ChangesRequested) || r.State.Is(change.Dismissed))
	})
	if i < 0 {
		return change.Review{}, false
	}
	return reviews[i], true
}

// departures counts the pushes that left the head that a review saw for another, as long as the review stood: it was not dismissed, and its
// author had not said something else, which was at next unless that is zero.
func (q *inquiry) departures(r change.Review, next time.Time) int {
	ended := func(at time.Time) bool {
		return !next.IsZero() && !at.Before(next) || !r.DismissedAt.IsZero() && !at.Before(r.DismissedAt)
	}
	n := 0
	for _, p := range q.facts.Pushes {
		if p.Before == r.SHA && p.After != r.SHA && !p.At.Before(r.At) && !ended(p.At) {
			n++
		}
	}
	return n
}

// isRefused says whether GitHub refused to make an ask, so that nobody heard of it.
func (q *inquiry) isRefused(ask change.Ask) bool {
	round, refused := q.facts.AsksRefused[ask.Role]
	return refused && round == ask.Round
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
