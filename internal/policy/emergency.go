package policy

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// findEmergency looks whether an emergency is declared: the label is there, it was last set by someone who holds the role, on the
// very content that the head has, and the change touches nothing that is guarded. What is amiss is remarked, and then nothing is
// relaxed.
func (q *inquiry) findEmergency() {
	e := q.policy.Emergency
	if e == nil || !q.facts.Pull.HasLabel(e.Label) || q.measure == PathsOnly {
		return
	}
	label := change.Code(e.Label)
	if q.guarded {
		q.remark(label, change.Words(" is ignored: a change of the policy, of who must review, or of a submodule is never an emergency."))
		return
	}
	set, ok := q.lastSet(e.Label)
	declarer := q.role(e.DeclaredBy)
	may := q.holds(declarer, set.By)
	switch {
	case !ok || !set.By.Known():
		q.remark(label, change.Words(" is ignored: nobody is known to have set it. It counts if it is set by "), q.whoMay(e.DeclaredBy), change.Words("."))
		return
	case may == unknown:
		q.remark(label, change.Words(" is ignored so far: whether "), change.Login(set.By), change.Words(" may declare an emergency could not be read."))
		return
	case may == no:
		q.remark(label, change.Words(" is ignored: "), change.Login(set.By), change.Words(" set it, and only "), q.whoMay(e.DeclaredBy), change.Words(" may declare an emergency."))
		return
	case q.declaredOn(set).Head == "":
		q.remark(label, change.Words(" is ignored: which content "), change.Login(set.By), change.Words(" declared it on is not known. Whoever may declare it takes it off and sets it again."))
		return
	case !q.sameContent(q.declaredOn(set)):
		q.remark(label, change.Words(" has ended: "), change.Login(set.By), change.Words(" declared it before the present content was pushed. Whoever may declare it takes it off and sets it again."))
		return
	}
	first := set
	for _, event := range q.facts.LabelEvents {
		if !event.Added || !change.SameLabel(event.Label, e.Label) {
			continue
		}
		held := q.holds(declarer, event.By)
		if held == yes && event.At.Before(first.At) {
			first = event
		}
		if held != no && !q.declared(event.By) {
			q.declarers = append(q.declarers, event.By)
		}
	}
	q.declaration = &change.Declaration{By: set.By, At: first.At, SHA: q.facts.Pull.Head.SHA, Due: first.At.Add(e.Within)}
}

// declared says whether someone declared the emergency, now or at an earlier time, or may have.
func (q *inquiry) declared(a change.Account) bool {
	return slices.ContainsFunc(q.declarers, func(d change.Account) bool { return d.ID == a.ID })
}

// declaredOn returns what a label was set on; without a head if that is not known for certain. Times are GitHub's, to the second, so a
// push or a change of the base branch in the same second may have come after.
func (q *inquiry) declaredOn(set change.LabelEvent) view {
	v := viewOf(set.Head, set.Base, set.MergeBase)
	if set.Base == "" && set.MergeBase == "" && !set.At.After(q.facts.Retargeted) {
		return view{}
	}
	if v.Head != "" || !q.facts.PushesKnown {
		return v
	}
	for _, p := range q.facts.Pushes {
		if !p.At.Before(set.At) {
			return view{}
		}
		v = viewOf(p.After, p.Base, p.MergeBase)
	}
	return v
}

// owed returns the state of an emergency's requirement that is not met yet: owed until it is overdue, and awaited from then on.
func (q *inquiry) owed() change.RequirementState {
	if q.declaration == nil || !q.facts.Now.Before(q.declaration.Due) {
		return change.Awaited
	}
	return change.Owed
}
