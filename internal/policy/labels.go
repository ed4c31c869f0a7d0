package policy

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// relaxes says whether a rule of the category lowers the risk of what it matches, so that it needs authority.
func relaxes(category change.Category) bool { return category == change.Standard }

// matchLabels says whether the change carries one of the rule's labels, with the authority that the category's effect needs.
func (q *inquiry) matchLabels(r *Rule, category change.Category) (condition, bool) {
	if len(r.Labels) == 0 {
		return condition{}, true
	}
	for _, label := range r.Labels {
		ok := false
		if relaxes(category) {
			ok = q.measure == Everything && q.mayRelax(label)
		} else {
			ok = q.facts.Pull.HasLabel(label) || q.heldOn(label)
		}
		if ok {
			return condition{rule: change.Code(label), subject: change.Words("a label")}, true
		}
	}
	return condition{}, false
}

// heldOn says whether a label that raises the risk still counts although it is gone, and remarks why.
func (q *inquiry) heldOn(label string) bool {
	_, on := q.takenOffInVain(label)
	if on {
		q.remarkHeldOn(label)
	}
	return on
}

// takenOffInVain says whether whoever took a label off had not set it and does not hold the role that the policy names, and returns that
// event. One that was taken off without having been set came by a rename: nobody set it.
func (q *inquiry) takenOffInVain(label string) (stuck change.LabelEvent, on bool) {
	var setter change.Account
	for _, e := range q.facts.LabelEvents {
		if !change.SameLabel(e.Label, label) {
			continue
		}
		switch {
		case !e.Added:
			mine := e.By.Known() && e.By.ID == setter.ID
			if mine || q.holds(q.role(q.policy.Labels.LoweredBy), e.By) == yes {
				on, setter = false, change.Account{}
			} else {
				on, stuck = true, e
			}
		case !on:
			on, setter = true, e.By
		}
	}
	return stuck, on
}

func (q *inquiry) remarkHeldOn(label string) {
	stuck, _ := q.takenOffInVain(label)
	lowerer := q.role(q.policy.Labels.LoweredBy)
	name := change.Say(change.Words("The label "), change.Code(label), change.Words(" still counts"))
	switch {
	case !stuck.By.Known():
		q.remark(name, change.Words(": it was added, and nobody is known to have removed it. That ends once it is added again and removed by whoever added it first"),
			q.orLowerer(), change.Words("."))
	case q.holds(lowerer, stuck.By) == unknown:
		q.remark(name, change.Words(" so far: whether "), change.Login(stuck.By), change.Words(", who removed it and had not added it, may lower the risk "),
			q.unknowable(lowerer, stuck.By), change.Words("."))
	default:
		q.remark(name, change.Words(": "), change.Login(stuck.By),
			change.Words(" removed it, who neither added it nor may lower the risk: "), q.onlyLowerer())
	}
}

// onlyLowerer says who may lower the risk, in a clause that ends a sentence.
func (q *inquiry) onlyLowerer() change.Text {
	if q.role(q.policy.Labels.LoweredBy) == nil {
		return change.Say(change.Words("the policy names no role under "), change.Code("labels"), change.Words(" that may."))
	}
	return change.Say(change.Words("only "), q.whoMay(q.policy.Labels.LoweredBy), change.Words(" may."))
}

// orLowerer adds whoever may lower the risk to somebody else, if the policy lets anyone.
func (q *inquiry) orLowerer() change.Text {
	if q.role(q.policy.Labels.LoweredBy) == nil {
		return nil
	}
	return change.Say(change.Words(", or by "), q.whoMay(q.policy.Labels.LoweredBy))
}

// mayRelax says whether the change carries a label that lowers its risk, set by someone who may, and remarks who set it if not.
func (q *inquiry) mayRelax(label string) bool {
	if !q.facts.Pull.HasLabel(label) {
		return false
	}
	may := q.setWithAuthority(label)
	if !may {
		q.remarkPowerless(label)
	}
	return may
}

// setWithAuthority says whether a label that the change carries was set by someone who may lower the risk.
func (q *inquiry) setWithAuthority(label string) bool {
	set, ok := q.lastSet(label)
	return ok && q.holds(q.role(q.policy.Labels.LoweredBy), set.By) == yes
}

func (q *inquiry) remarkPowerless(label string) {
	name := change.Say(change.Words("The label "), change.Code(label), change.Words(" does not lower the risk"))
	if q.role(q.policy.Labels.LoweredBy) == nil {
		q.remark(name, change.Words(": the policy names no role under "), change.Code("labels"), change.Words(" that may lower the risk."))
		return
	}
	by := change.Words(": nobody is known to have added it, and it")
	if set, ok := q.lastSet(label); ok && set.By.Known() {
		who := change.Login(set.By)
		by = change.Say(change.Words(": it was added by "), who, change.Words(", and"))
		if lowerer := q.role(q.policy.Labels.LoweredBy); q.holds(lowerer, set.By) == unknown {
			q.remark(name, change.Words(" so far: whether "), who, change.Words(", who added it, may lower the risk "), q.unknowable(lowerer, set.By), change.Words("."))
			return
		}
	}
	q.remark(name, by, change.Words(" counts only once it is removed and added again by "), q.whoMay(q.policy.Labels.LoweredBy), change.Words("."))
}

// lastSet returns the event that set a label which the change carries. A label that was renamed or made anew has none: events keep the
// names that labels had then, so whoever takes one off that nobody set by its name may have taken off this one.
func (q *inquiry) lastSet(label string) (set change.LabelEvent, ok bool) {
	for i, e := range q.facts.LabelEvents {
		switch {
		case change.SameLabel(e.Label, label):
			set, ok = e, e.Added
		case !e.Added && !wasOn(q.facts.LabelEvents[:i], e.Label):
			set, ok = change.LabelEvent{}, false
		}
	}
	return set, ok
}

// wasOn says whether a label was on after the events, by their names.
func wasOn(events []change.LabelEvent, label string) bool {
	for _, e := range slices.Backward(events) {
		if change.SameLabel(e.Label, label) {
			return e.Added
		}
	}
	return false
}

// whoMay names those who hold a role, by the role's name.
func (q *inquiry) whoMay(role string) change.Text {
	r := q.role(role)
	if r == nil {
		return change.Words("nobody: the policy names no role for it")
	}
	return q.candidates(r)
}

// doubtfulLabels returns the labels that an expression may depend on and that were set by somebody who may not lower the risk, or taken off in
// vain.
func (q *inquiry) doubtfulLabels(e *Expression) []string {
	if q.doubtful == nil {
		labels := slices.DeleteFunc(append([]string{}, q.facts.Pull.Labels...), q.setWithAuthority)
		for _, event := range q.facts.LabelEvents {
			if _, on := q.takenOffInVain(event.Label); on && !q.facts.Pull.HasLabel(event.Label) && !contains(labels, event.Label) {
				labels = append(labels, event.Label)
			}
		}
		slices.Sort(labels)
		q.doubtful = labels
	}
	return slices.DeleteFunc(slices.Clone(q.doubtful), func(label string) bool { return !e.mindsLabel(label) })
}

// turned returns the labels without one that is among them, or with one that is not.
func turned(labels []string, label string) []string {
	if contains(labels, label) {
		return slices.DeleteFunc(labels, func(l string) bool { return change.SameLabel(l, label) })
	}
	return append(labels, label)
}

func contains(labels []string, label string) bool {
	return slices.ContainsFunc(labels, func(l string) bool { return change.SameLabel(l, label) })
}

// remarkDoubtful says why it does not count that a label is there, or is gone.
func (q *inquiry) remarkDoubtful(label string) {
	if q.facts.Pull.HasLabel(label) {
		q.remarkPowerless(label)
	} else {
		q.remarkHeldOn(label)
	}
}

// relaxingLabel says whether the change carries a label that would relax something, so that it matters who set it.
func (q *inquiry) relaxingLabel() bool {
	p := q.policy
	if p.Emergency != nil && q.facts.Pull.HasLabel(p.Emergency.Label) {
		return true
	}
	if q.doubtful != nil && len(q.facts.Pull.Labels) > 0 {
		return true
	}
	if c := p.Categories[change.Standard]; c != nil {
		for _, r := range c.When {
			if slices.ContainsFunc(r.Labels, q.facts.Pull.HasLabel) {
				return true
			}
		}
	}
	return false
}

// CaresAboutLabel says whether setting or taking off a label can change a decision of this policy, or of its owner's floor.
func (p *Policy) CaresAboutLabel(name string) bool {
	if p.Floor != nil && p.Floor.CaresAboutLabel(name) {
		return true
	}
	if p.Emergency != nil && change.SameLabel(p.Emergency.Label, name) {
		return true
	}
	for _, c := range p.Categories {
		for _, r := range c.When {
			if slices.ContainsFunc(r.Labels, func(l string) bool { return change.SameLabel(l, name) }) {
				return true
			}
			if r.Expression != nil && r.Expression.readsLabels() {
				return true
			}
		}
	}
	return false
}
