package release

import (
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// maxFreeze is how far ahead a command may freeze an environment.
const maxFreeze = 366 * 24 * time.Hour

// freeze freezes an environment until a time.
func (t *Turn) freeze(o Order, p *pending, tr *Track) {
	switch {
	case !o.Until.After(t.now):
		p.refuse("past", change.Words("The freeze would have ended "+t.stamp(o.Until)+" already."))
		return
	case o.Until.After(t.now.Add(maxFreeze)):
		p.refuse("too long", change.Words("A freeze by command lasts for a year at most. What lasts longer belongs in the policy."))
		return
	}
	tr.Freezes = append(tr.Freezes, ByCommand{Say: *t.said(o), Until: o.Until})
	t.trackEntry(Entry{Step: "frozen", Environment: tr.Environment, By: o.By, Says: o.Reason, Until: o.Until.UTC()})
	p.done("frozen", change.Words(tr.Environment+" is frozen until "+t.stamp(o.Until)+"."))
}

// thaw ends the freezes of an environment that were declared by command.
func (t *Turn) thaw(o Order, p *pending, tr *Track) {
	had := slices.ContainsFunc(tr.Freezes, func(f ByCommand) bool { return t.now.Before(f.Until) })
	if !had {
		p.refuse("not frozen", change.Words("No command has frozen "+tr.Environment+". A freeze of the policy is ended by changing it."))
		return
	}
	tr.Freezes = nil
	t.trackEntry(Entry{Step: "thawed", Environment: tr.Environment, By: o.By})
	p.done("thawed")
}

// trackEntry is evidence of a step of an environment as a whole.
func (t *Turn) trackEntry(e Entry) {
	t.moved = true
	t.out.Entries = append(t.out.Entries, e)
}
