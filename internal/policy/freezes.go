package policy

import (
	"time"

	"github.com/changegate/changegate/internal/change"
)

// announced is how long before it begins a freeze of merging is noted.
const announced = 24 * time.Hour

// freezes requires that no freeze of the policy that is looked at holds merges up. An emergency passes them all. The decision is made anew
// when one begins, so that nothing stays green, and when it ends.
func (q *inquiry) freezes() {
	if q.declaration != nil {
		return
	}
	now := q.facts.Now
	for _, f := range q.policy.Freezes {
		if !f.Merging {
			continue
		}
		edge, ok := f.NextEdge(now)
		if ok {
			q.wakeAt(edge)
		}
		until, frozen := f.At(now)
		switch {
		case frozen:
			q.require(q.freezeRow(f, until))
		case ok && edge.Sub(now) <= announced:
			q.remark(change.Words("Merging is frozen from "+f.inZone(edge)+" on: "), change.Quote(f.Name), change.Words(" ("+q.place(q.policy, f.Line)+")."))
		}
	}
}

// freezeRow returns the requirement that a freeze be over; a zero until says that its end is not in sight.
func (q *inquiry) freezeRow(f *Freeze, until time.Time) change.Requirement {
	r := change.Requirement{
		Kind: change.KindFreeze, State: change.Awaited, Due: until,
		Name:  change.Words("No freeze"),
		Short: change.Say(change.Words("merging frozen ("), change.Quote(f.Name), change.Words(")")),
		Found: change.Say(change.Quote(f.Name), change.Words(", "+q.place(q.policy, f.Line)+", freezes merging")),
		Next:  change.Words("change the policy, or declare an emergency if it is one"),
	}
	if until.IsZero() {
		return r
	}
	end := f.inZone(until)
	r.Short = change.Say(change.Words("merging frozen until "+end+" ("), change.Quote(f.Name), change.Words(")"))
	if utc := until.UTC().Format("Mon 2 Jan 15:04 UTC"); utc != end {
		end += ", which is " + utc
	}
	r.Found = change.Say(r.Found, change.Words(" until "+end))
	r.Next = change.Words("it may merge from then on; an emergency passes a freeze")
	return r
}

// inZone shows a time as the clocks of the freeze's zone do.
func (f *Freeze) inZone(t time.Time) string { return t.In(f.Zone).Format("Mon 2 Jan 15:04 MST") }
