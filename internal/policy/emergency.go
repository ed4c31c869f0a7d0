package policy

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Settled says whether an emergency owes nothing any more: no approval, no security review, and no answer to an objection. What was never
// declared is not settled, nor is what could not be decided.
func Settled(d change.Decision) bool {
	return d.Declaration != nil && !slices.ContainsFunc(d.Requirements, func(r change.Requirement) bool { return isDebt(r) && r.State != change.Met })
}

// isDebt says whether an emergency may come to owe a requirement rather than wait for it.
func isDebt(r change.Requirement) bool {
	switch r.Kind {
	case change.KindApprovals, change.KindSecurityReview, change.KindChangesRequested:
		return true
	}
	return false
}

// findEmergency looks whether an emergency is declared: the label is there, it was last set by someone who holds the role and owed
// nothing overdue, on the very content that the head has, and the change touches nothing that is guarded. What is amiss is remarked, and
// then nothing is relaxed.
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
	if may == yes {
		q.sawDeclare(set.By)
	}
	debt, late := q.overdue(set)
	switch {
	case !ok || !set.By.Known():
		q.remark(label, change.Words(" is ignored: nobody is known to have added it. It counts once it is removed and added again by "), q.whoMay(e.DeclaredBy), change.Words("."))
		return
	case may == unknown:
		q.remark(label, change.Words(" is ignored so far: whether "), change.Login(set.By), change.Words(" may declare an emergency "), q.unknowable(declarer, set.By), change.Words("."))
		return
	case may == no:
		q.remark(label, change.Words(" is ignored: "), change.Login(set.By), change.Words(" added it, and may not declare an emergency. It counts once it is removed and added again by "),
			q.whoMay(e.DeclaredBy), change.Words("."))
		return
	case late:
		q.remark(label, change.Words(" is ignored: "), change.Login(set.By), change.Words(" added it, who owed "), q.owedFor(debt),
			change.Words(" since "+debt.Due.UTC().Format("2 January 2006 15:04 UTC")+". Anyone else who may declare an emergency can remove it and add it again now; "), change.Login(set.By), change.Words(" can once that is settled."))
		return
	case q.declaredOn(set).Head == "":
		q.remark(label, change.Words(" is ignored: which content "), change.Login(set.By), change.Words(" declared it on is not known. "), q.again(e))
		return
	case !q.sameContent(q.declaredOn(set)):
		q.remark(label, change.Words(" has ended: "), change.Login(set.By), change.Words(" declared it, and other content was pushed since. "), q.again(e))
		return
	}
	q.findDeclarers()
	first := set
	for _, event := range q.facts.LabelEvents {
		if event.Added && change.SameLabel(event.Label, e.Label) && event.At.Before(first.At) && q.holds(declarer, event.By) == yes {
			if _, late := q.overdue(event); !late {
				first = event
			}
		}
	}
	q.declaration = &change.Declaration{By: set.By, At: first.At, SHA: q.facts.Pull.Head.SHA, Due: q.firstDue(first.At.Add(e.Within)), Underlying: q.category}
}

// again says how an emergency is declared once more.
func (q *inquiry) again(e *Emergency) change.Text {
	return change.Say(change.Words("It counts again once it is removed and added again by "), q.whoMay(e.DeclaredBy), change.Words("."))
}

// keepDeclared takes the declaration under which it was merged for the one in force, whatever became since of the label, of what the record
// says and of who set it. The category beneath may rise with what comes to be known, and does not fall.
func (q *inquiry) keepDeclared() {
	d := *q.facts.Declared
	q.category = max(q.category, d.Underlying)
	d.Underlying = q.category
	q.declaration, q.declarers = &d, []change.Account{d.By}
	for range q.each {
		q.findDeclarers()
	}
}

// findDeclarers notes everyone who declared the emergency, now or at an earlier time, or may have. Whoever was seen to hold the role then
// declared it, whatever became of that person's roles since.
func (q *inquiry) findDeclarers() {
	e := q.policy.Emergency
	if e != nil {
		for _, event := range q.facts.LabelEvents {
			if !event.Added || !change.SameLabel(event.Label, e.Label) || q.declared(event.By) {
				continue
			}
			switch q.holds(q.role(e.DeclaredBy), event.By) {
			case yes:
				q.sawDeclare(event.By)
			case unknown:
				q.declarers = append(q.declarers, event.By)
			}
		}
	}
	for _, a := range q.seenDeclare {
		if !q.declared(a) {
			q.declarers = append(q.declarers, a)
		}
	}
}

// sawDeclare remembers that someone declared an emergency who might.
func (q *inquiry) sawDeclare(a change.Account) {
	if !slices.ContainsFunc(q.seenDeclare, func(d change.Account) bool { return d.ID == a.ID }) {
		q.seenDeclare = append(q.seenDeclare, a)
	}
}

// declared says whether someone declared the emergency, now or at an earlier time, or may have.
func (q *inquiry) declared(a change.Account) bool {
	return slices.ContainsFunc(q.declarers, func(d change.Account) bool { return d.ID == a.ID })
}

// overdue returns the debt that whoever set a label had been late with for the longest at that time; late is false if there was none.
func (q *inquiry) overdue(set change.LabelEvent) (worst change.Debt, late bool) {
	for _, d := range q.facts.Debts {
		if d.Owner != set.By.ID || !d.OverdueAt(set.At) {
			continue
		}
		if !late || compareDebts(d, worst) < 0 {
			worst, late = d, true
		}
	}
	return worst, late
}

func compareDebts(a, b change.Debt) int {
	return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Pull.Repository, b.Pull.Repository), cmp.Compare(a.Pull.Number, b.Pull.Number), cmp.Compare(a.Kind, b.Kind))
}

// owedFor names a debt, as in "the retrospective of #12". Of another repository only the id is known.
func (q *inquiry) owedFor(d change.Debt) change.Text {
	what := "the approval of #"
	if d.Kind == change.DebtRetrospective {
		what = "the retrospective of #"
	}
	what += strconv.Itoa(int(d.Pull.Number))
	if d.Pull.Repository != q.facts.Repository.ID {
		what += " in another repository (" + strconv.FormatInt(int64(d.Pull.Repository), 10) + ")"
	}
	return change.Words(what)
}

// firstDue returns the deadline of the emergency: that of an earlier declaration of the same pull request stays, even where whoever made it
// holds the role no more.
func (q *inquiry) firstDue(due time.Time) time.Time {
	this := change.PullKey{Repository: q.facts.Repository.ID, Number: q.facts.Pull.Number}
	for _, d := range q.facts.Debts {
		if d.Pull == this && d.Due.Before(due) {
			due = d.Due
		}
	}
	return due
}

// declaredOn returns what a label was set on; its head is empty if that is not known for certain. Times are GitHub's, to the second, so a
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

// due returns by when an emergency's debts are to be settled; zero if there is no emergency.
func (q *inquiry) due() time.Time {
	if q.declaration == nil {
		return time.Time{}
	}
	return q.declaration.Due
}

// owed returns the state of an emergency's requirement that is not met yet: owed until it is overdue, and awaited from then on.
func (q *inquiry) owed() change.RequirementState {
	if q.declaration == nil || !q.facts.Now.Before(q.declaration.Due) {
		return change.Awaited
	}
	return change.Owed
}

// isUnseen says whether a merged change was not seen as a whole, or a rule about it could not be evaluated: it may have needed what nothing
// asks for.
func (q *inquiry) isUnseen() bool {
	f := q.facts
	return q.merged && (f.Content.Head != f.Pull.Head.SHA || f.Content.FilesCut || f.Pull.ChangedFiles > len(f.Content.Files) || len(q.broken) > 0)
}
