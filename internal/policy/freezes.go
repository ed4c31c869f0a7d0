package policy

import (
	"time"

	"github.com/changegate/changegate/internal/calendar"
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

// thaws returns when none of the policies freezes merging any more, whatever follows on the heels of what; zero: no end is in sight.
func (q *inquiry) thaws() time.Time {
	var all []calendar.Freeze
	for _, l := range q.layers {
		for _, f := range l.policy.Freezes {
			if f.Merging {
				all = append(all, f.Freeze)
			}
		}
	}
	_, until := calendar.Frozen(all, q.facts.Now)
	return until
}

// freezeRow returns the requirement that a freeze be over, which ends by itself at until, and that nothing that follows it freezes merging
// either. Zero until says that its end is not in sight.
func (q *inquiry) freezeRow(f *Freeze, until time.Time) change.Requirement {
	thaws := q.thaws()
	r := change.Requirement{
		Kind: change.KindFreeze, State: change.Awaited, Due: thaws,
		Name:  change.Words("No freeze"),
		Short: change.Say(change.Words("merging frozen ("), change.Quote(f.Name), change.Words(")")),
		Found: change.Say(change.Quote(f.Name), change.Words(", "+q.place(q.policy, f.Line)+", freezes merging")),
		Next:  change.Words("change the policy, or declare an emergency if it is one"),
	}
	if !until.IsZero() {
		r.Found = change.Say(r.Found, change.Words(" until "+f.inZoneAndUTC(until)))
	}
	if thaws.IsZero() {
		return r
	}
	r.Short = change.Say(change.Words("merging frozen until "+f.inZone(thaws)+" ("), change.Quote(f.Name), change.Words(")"))
	when := "from then on"
	if !thaws.Equal(until) {
		when = "once the other freezes are over too, at " + f.inZoneAndUTC(thaws)
	}
	r.Next = change.Words("it may merge " + when + "; emergencies are exempt from freezes")
	return r
}

// inZoneAndUTC is inZone, and the same in UTC where that is another.
func (f *Freeze) inZoneAndUTC(t time.Time) string {
	shown := f.inZone(t)
	if utc := t.UTC().Format("Mon 2 Jan 15:04 UTC"); utc != shown {
		shown += ", which is " + utc
	}
	return shown
}

// inZone shows a time as the clocks of the freeze's zone do.
func (f *Freeze) inZone(t time.Time) string { return t.In(f.Zone).Format("Mon 2 Jan 15:04 MST") }
