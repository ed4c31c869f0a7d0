package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/matching"
)

// standing is what one person thinks of the change: the latest review that says so.
type standing struct {
	review    change.Review
	earlier   []change.Review // approvals by the same person that nothing came between, the newest first
	objects   bool            // changes requested, and not lifted
	dismisser change.Account  // who dismissed the objection in vain
	doubt     change.Text     // why it is not known whether that person might; nil: it is known
}

// standings returns the latest opinion of each person, oldest first. A comment is no opinion, and leaves the one before it as it is.
func (q *inquiry) standings() []standing {
	reviews := q.facts.Reviews
	if len(reviews) == 0 {
		return nil
	}
	if !slices.IsSortedFunc(reviews, bySubmission) {
		reviews = slices.Clone(reviews)
		slices.SortFunc(reviews, bySubmission)
	}
	var latest []standing
	for _, r := range reviews {
		s, ok := q.opinionIn(r)
		if !ok {
			continue
		}
		if !r.By.Known() {
			// The account is gone, and nobody can answer for it: what it approved is void, what it objected to is yet to be settled.
			if s.objects {
				latest = append(latest, s)
			}
			continue
		}
		if i := slices.IndexFunc(latest, func(old standing) bool { return old.review.By.ID == r.By.ID }); i >= 0 {
			if old := latest[i]; !old.objects && r.State.Is(change.Approved) {
				s.earlier = slices.Concat([]change.Review{old.review}, old.earlier)
			}
			latest = slices.Delete(latest, i, i+1)
		}
		if s.objects || r.State.Is(change.Approved) {
			latest = append(latest, s)
		}
	}
	return latest
}

// opinionIn returns what a review says; ok is false if that is no opinion. A dismissed review says nothing any more, unless it was an objection, or
// may have been, and whoever dismissed it may not lift it.
func (q *inquiry) opinionIn(r change.Review) (s standing, ok bool) {
	s.review = r
	switch {
	case r.State.Is(change.Approved):
	case r.State.Is(change.ChangesRequested):
		s.objects = true
	case r.State.Is(change.Dismissed):
		if r.Was.Is(change.Approved) || r.Was.Is(change.Commented) {
			return s, true
		}
		if may, doubt := q.mayLift(r); may != yes {
			s.objects, s.dismisser, s.doubt = true, r.DismissedBy, doubt
		}
	default:
		return s, false
	}
	return s, true
}

func bySubmission(a, b change.Review) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
}

// mayLift says whether a dismissal lifts an objection: the objector's own does, and that of a holder of the role that the policy
// names, of each of them if there are two, unless that person contributed. Where that is not known, doubt says why.
func (q *inquiry) mayLift(r change.Review) (may answer, doubt change.Text) {
	by := r.DismissedBy
	if !by.Known() {
		return no, nil
	}
	if by.ID == r.By.ID {
		return yes, nil
	}
	if _, contributed := q.contributors[by.ID]; contributed {
		return no, nil
	}
	for range q.each {
		role := q.role(q.policy.DismissedBy)
		switch q.holds(role, by) {
		case no:
			return no, nil
		case unknown:
			return unknown, q.unknowable(role, by)
		}
	}
	return yes, nil
}

// holdsAny says whether someone holds any role of the policy, or of its owner's floor. Those that cost nothing more to look up are asked
// first.
func (q *inquiry) holdsAny(a change.Account) answer {
	held := no
	for _, teams := range [...]bool{false, true} {
		for range q.each {
			for _, name := range q.roleNames() {
				if role := q.role(name); (len(role.Teams) > 0) == teams {
					held = max(held, q.holds(role, a))
				}
				if held == yes {
					return yes
				}
			}
		}
		if held == unknown {
			break // what was asked so far may settle it
		}
	}
	return held
}

// disqualified says why a person's approval cannot count, whatever roles that person holds; empty if it can.
func (q *inquiry) disqualified(r change.Review, slots []slot) change.Text {
	by := r.By
	if i, ok := q.contributors[by.ID]; ok {
		if i.how == isAuthor {
			return change.Words("the author cannot approve")
		}
		return change.Say(i.text(), change.Words(", and contributors cannot approve"))
	}
	if q.declared(by) {
		return change.Words("declared the emergency, and cannot approve it")
	}
	if by.IsBot() && !slices.ContainsFunc(slots, func(s slot) bool { return q.named(s.role.Bots, by) == yes }) {
		return change.Words("a bot that no role names")
	}
	if why := q.staleness(r); why != nil {
		return why
	}
	var why change.Text
	q.any(func() bool {
		why = q.emptiedSince(r)
		return why != nil
	})
	return why
}

// maxEarlier bounds how many earlier approvals by one person are looked at: each may have to be compared with the present content.
const maxEarlier = 10

// qualified returns the newest of a person's approvals that can count: the latest, or an earlier one whose content is the present again. Else
// it says why the latest cannot.
func (q *inquiry) qualified(s standing, slots []slot) (change.Review, change.Text) {
	why := q.disqualified(s.review, slots)
	if why == nil {
		return s.review, nil
	}
	for _, r := range s.earlier[:min(len(s.earlier), maxEarlier)] {
		if q.disqualified(r, slots) == nil {
			return r, nil
		}
	}
	return s.review, why
}

// considerReviews makes opinions of the reviews, and requirements of what they leave open: objections to settle, contributors to
// name, approvals to give, the security review.
func (q *inquiry) considerReviews() {
	q.findContributors()
	standings := q.standings()
	q.objections(standings)
	q.attribution()

	slots := q.slots()
	opinions, approvals := q.weigh(standings, slots)
	q.fill(slots, approvals, opinions)
	if len(opinions) > 0 {
		q.opinions = opinions
	}
	q.approvalRows(slots)
}

// weigh makes an opinion of what each person thinks, and returns with them the approvals that nothing disqualifies.
func (q *inquiry) weigh(standings []standing, slots []slot) (opinions []change.Opinion, approvals []change.Review) {
	opinions = make([]change.Opinion, 0, len(standings))
	for _, s := range standings {
		o := change.Opinion{By: s.review.By, Review: s.review.ID, State: s.review.State, SHA: s.review.SHA, At: s.review.At, Held: s.review.Held, Was: s.review.Counted}
		if s.objects {
			o.Held, o.Why = q.objectionHolds(s)
			opinions = append(opinions, o)
			continue
		}
		review, why := q.qualified(s, slots)
		switch {
		case q.facts.Pull.Draft:
			o.Why = change.Words("not considered until this is ready for review")
		case why != nil:
			o.Why = why
		default:
			o.Review, o.SHA, o.At, o.Was = review.ID, review.SHA, review.At, review.Counted
			approvals = append(approvals, review)
		}
		opinions = append(opinions, o)
	}
	return opinions, approvals
}

// fill has the approvals fill as many slots as they can, and notes with their opinions which those are, or why an approval fills none. It puts
// the slots in order: first those that nobody could fill any more but who has approved.
func (q *inquiry) fill(slots []slot, approvals []change.Review, opinions []change.Opinion) {
	others := make([]bool, len(q.wants))
	for row, w := range q.wants {
		others[row] = q.othersMayFill(w.role, approvals)
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return compareBool(others[a.row], others[b.row]) })
	filled := matching.Assign(len(slots), len(approvals), func(s, a int) bool { return q.fills(slots[s], approvals[a].By) == yes })
	for a := range approvals {
		i := slices.IndexFunc(opinions, func(o change.Opinion) bool { return o.Review == approvals[a].ID && o.By.ID == approvals[a].By.ID })
		o := &opinions[i]
		for s, by := range filled {
			if by == a {
				slots[s].by = o.By
				o.Counts, o.Held = true, true
				o.Roles = append(o.Roles, slots[s].role.Name)
			}
		}
		o.Was = without(o.Was, o.Roles)
		if !o.Counts {
			o.Why = q.whyUnused(slots, o.By)
		}
	}
}

// without returns the names that are not among some; nil if there are none.
func without(names, some []string) (left []string) {
	for _, name := range names {
		if !slices.Contains(some, name) {
			left = append(left, name)
		}
	}
	return left
}

// othersMayFill says whether somebody who has yet to approve may fill a role's places, as far as that is known without asking. Where nobody may,
// those who approved fill them first, so that what is left open is asked of people who can still give it.
func (q *inquiry) othersMayFill(role *Role, approvals []change.Review) bool {
	all, closed := q.holders(role)
	return !closed || slices.ContainsFunc(all, func(a change.Account) bool {
		return q.mayYetApprove(a) && !slices.ContainsFunc(approvals, func(r change.Review) bool { return r.By.ID == a.ID })
	})
}

// objectionHolds says whether an objection counts: its author holds a role of the policy, or was seen to hold one. Where that cannot
// be known it counts.
func (q *inquiry) objectionHolds(s standing) (held bool, why change.Text) {
	if s.review.Held {
		return true, nil
	}
	if q.facts.Pull.Draft || !s.review.By.Known() {
		return false, nil
	}
	switch q.holdsAny(s.review.By) {
	case yes:
		return true, nil
	case no:
		return false, change.Words("holds no role of the policy")
	}
	return false, nil
}

// objections requires that those who requested changes are satisfied.
func (q *inquiry) objections(standings []standing) {
	var left objectors
	var notes []change.Text
	var by []change.Account
	for _, s := range standings {
		if !s.objects {
			continue
		}
		held, why := q.objectionHolds(s)
		if why != nil {
			continue
		}
		if s.review.By.Known() {
			by = append(by, s.review.By)
		}
		left.add(s.review)
		notes = append(notes, q.notesOn(s, held)...)
	}
	if len(left.all) == 0 {
		return
	}
	state, due := change.Failed, time.Time{}
	short := change.Say(change.Words("changes requested by "), change.Join(", ", abridged(left.all, 3)))
	if q.merged { // it is too late to hold anything up, and what was asked for is still to be settled
		state, due = q.owed(), q.due()
		short = change.Say(change.Words("what "), enumerated(abridged(left.all, 3), "and"), change.Words(" asked for"))
	}
	q.require(change.Requirement{
		Kind: change.KindChangesRequested, State: state, Due: due, By: by,
		Name:  change.Words("No changes requested"),
		Short: short,
		Found: change.Say(change.Words("requested by "), change.Join(", ", left.all), change.Words(withPrefix("; ", notes)), change.Join("; ", notes)),
		Next:  q.lifting(left),
	})
}

// notesOn says what a reader should know of an objection that counts. Held is what objectionHolds says of it.
func (q *inquiry) notesOn(s standing, held bool) (notes []change.Text) {
	name := objector(s.review)
	if q.facts.Pull.Draft && !s.review.Held {
		notes = append(notes, change.Say(change.Words("whether the request of "), name, change.Words(" counts is decided once this is ready for review")))
	}
	if !held && !q.facts.Pull.Draft && s.review.By.Known() {
		notes = append(notes, change.Say(change.Words("it counts, because whether "), name, change.Words(" holds a role "), q.anyUnknowable(s.review.By)))
	}
	if s.dismisser.Known() {
		may := change.Words(", and may not")
		if s.doubt != nil {
			may = change.Say(change.Words("; whether "), change.Login(s.dismisser), change.Words(" may "), s.doubt)
		}
		notes = append(notes, change.Say(change.Login(s.dismisser), change.Words(" dismissed what "), name, change.Words(" asked for"), may))
	}
	return notes
}

// objector names who submitted a review that objects.
func objector(r change.Review) change.Text {
	if !r.By.Known() {
		return change.Words("an account that is gone")
	}
	return change.Login(r.By)
}

// objectors are those whose objections count, by what can still lift them: an approval of their own, unless the account is gone, and a dismissal,
// unless the review was dismissed in vain, because GitHub lets nobody dismiss a review twice.
type objectors struct {
	all         []change.Text // everyone, in order
	byEither    []change.Text
	byApproval  []change.Text // by nothing else
	byDismissal bool          // there is one that nothing else lifts
	byNothing   bool          // there is one that nothing lifts
}

func (o *objectors) add(r change.Review) {
	name := objector(r)
	o.all = append(o.all, name)
	switch known, dismissed := r.By.Known(), r.State.Is(change.Dismissed); {
	case known && dismissed:
		o.byApproval = append(o.byApproval, name)
	case known:
		o.byEither = append(o.byEither, name)
	case dismissed:
		o.byNothing = true
	default:
		o.byDismissal = true
	}
}

// lifting says what lifts objections: an approval by each objector or, where the policy names a role for it, a dismissal.
func (q *inquiry) lifting(left objectors) change.Text {
	var ways []change.Text
	if len(left.byEither) > 0 || left.byDismissal {
		ways = append(ways, q.approvalOrDismissal(left.byEither, left.byDismissal))
	}
	if len(left.byApproval) > 0 {
		ways = append(ways, change.Say(change.Words("an approval from "), change.Join(" and ", left.byApproval), change.Words(", because GitHub lets nobody dismiss a review twice")))
	}
	if left.byNothing {
		ways = append(ways, change.Words("another pull request in the place of this one, because the account that is gone cannot approve, and GitHub lets nobody dismiss a review twice"))
	}
	return change.Join("; ", ways)
}

// approvalOrDismissal says what lifts objections of which nobody dismissed the review. Gone says that one is by an account that is gone.
func (q *inquiry) approvalOrDismissal(approvers []change.Text, gone bool) change.Text {
	var dismissal change.Text
	if lifters := q.lifters(); len(lifters) > 0 {
		dismissal = change.Say(change.Words("a dismissal by "), change.Join(" who is also ", lifters), change.Words(" who did not contribute"))
	} else if gone {
		dismissal = change.Say(change.Words("a dismissal by a holder of a role that the policy names under "), change.Code("dismissals"), change.Words(", which it does not so far"))
	}
	if len(approvers) == 0 {
		return dismissal
	}
	approval := change.Say(change.Words("an approval from "), change.Join(" and ", approvers))
	switch {
	case gone:
		return change.Say(approval, change.Words(", and for the account that is gone "), dismissal)
	case dismissal != nil:
		return change.Say(approval, change.Words(", or "), dismissal)
	}
	return approval
}

// lifters names those who may dismiss someone else's objection, of whom one must be all; none if nobody may.
func (q *inquiry) lifters() (all []change.Text) {
	for range q.each {
		role := q.role(q.policy.DismissedBy)
		if role == nil {
			return nil
		}
		who := q.candidates(role)
		if !slices.ContainsFunc(all, func(t change.Text) bool { return slices.Equal(t, who) }) {
			all = append(all, who)
		}
	}
	return all
}

func withPrefix(prefix string, texts []change.Text) string {
	if len(texts) == 0 {
		return ""
	}
	return prefix
}
