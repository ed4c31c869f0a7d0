package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
)

// rereadAfter is how long it takes until something that could not be read is looked at again.
const rereadAfter = time.Minute

// verdict is what the policy says of a deployment now. The zero verdict lets it go.
type verdict struct {
	never    []change.Text // what waiting alone does not mend
	waits    []wait        // what it waits for
	until    time.Time     // when all of that is over; zero: when somebody does something
	endless  bool          // at least one of waits ends only when somebody does something
	goAheads int           // how many of waits are for nothing but somebody's go-ahead
}

// wait is something that is waited for.
type wait struct {
	what change.Text
	then string // what joins it to the time at which it ends by itself: "until", "which begin"; empty: that time is not worth telling
	at   time.Time
}

// no notes why the deployment cannot go, however long it waits.
func (v *verdict) no(why ...change.Text) { v.never = append(v.never, change.Say(why...)) }

// wait notes what is waited for until somebody does something.
func (v *verdict) wait(what ...change.Text) {
	v.waits = append(v.waits, wait{what: change.Say(what...)})
	v.endless = true
}

// waitForGoAhead is wait for nothing but somebody's go-ahead.
func (v *verdict) waitForGoAhead(what ...change.Text) {
	v.wait(what...)
	v.goAheads++
}

// waitUntil notes what is waited for until a time; then says what that does: see wait.
func (v *verdict) waitUntil(at time.Time, then string, what ...change.Text) {
	v.waits = append(v.waits, wait{change.Say(what...), then, at})
	if at.After(v.until) {
		v.until = at
	}
}

// lacksGoAheadOnly says whether nothing is missing but somebody's go-ahead.
func (v *verdict) lacksGoAheadOnly() bool {
	return len(v.never) == 0 && v.goAheads > 0 && v.goAheads == len(v.waits)
}

// answer is what a gate is told by the verdict.
func (v verdict) answer() Answer {
	switch {
	case len(v.never) > 0:
		return No
	case len(v.waits) > 0:
		return NotYet
	default:
		return Go
	}
}

// describe says what is waited for. If waiting is in vain it says only why. If any of it depends on somebody, it says of each part that
// ends by itself when that is.
func (t *Turn) describe(v verdict) Waits {
	if len(v.never) > 0 {
		return Waits{For: change.Join("; ", v.never), Never: true}
	}
	each := make([]change.Text, len(v.waits))
	for i, w := range v.waits {
		each[i] = w.what
		if v.endless && w.then != "" {
			each[i] = change.Say(w.what, change.Words(", "+w.then+" "+t.stamp(w.at)))
		}
	}
	w := Waits{For: change.Join("; ", each)}
	if !v.endless {
		w.Until = v.until
	}
	return w
}

// admit says whether a deployment may go now, leaving aside those before it in the queue.
func (t *Turn) admit(tr *Track, d *Deployment) verdict {
	var v verdict
	e, named := t.environment(tr)
	switch {
	case t.rules.Mode == Off || t.rules.Mode == "":
		v.no(change.Words("by the policy nothing is done about deployments"))
		return v
	case !named:
		v.no(change.Words("the policy names no environment "), change.Code(tr.Environment))
		return v
	}
	c, read := t.commit(d.Commit)
	switch {
	case !read:
	case c.Unread:
		t.wakeAt(t.now.Add(rereadAfter))
		v.waitUntil(t.now.Add(rereadAfter), "", change.Words("whether "), change.Code(d.Commit.Short()), change.Words(" is on a governed branch, which cannot be read just now"))
	case !c.Known:
		v.no(change.Code(d.Commit.Short()), change.Words(" is not reachable from a governed branch"))
	}
	if d.Phase == Held {
		v.wait(toBeStarted(e))
	}
	if d.Undoes != "" {
		t.admitRollback(&v, tr, e, d)
	} else {
		t.admitForward(&v, tr, e, d)
	}
	t.admitPlace(&v, tr, d)
	return v
}

// admitForward asks for all that is owed by a deployment that brings something new.
func (t *Turn) admitForward(v *verdict, tr *Track, e *Environment, d *Deployment) {
	for _, before := range e.After {
		t.admitAfter(v, before, d.Commit)
	}
	b, from, read := t.batch(tr, d)
	if !read {
		return
	}
	if b.Contained && from != d.Commit {
		v.no(change.Words(tr.Environment+" holds "), change.Code(from.Short()), change.Words(", which is newer: an older version goes there by "),
			change.Code("/change rollback "+tr.Environment+" "+d.Commit.Short()+` "reason"`))
		return
	}
	if why := t.whyByHand(tr, e, d, b); why != nil && d.GoAhead == nil {
		v.waitForGoAhead(t.whoMaySayDeploy(e), change.Words(", because it holds "), why)
	}
	if slices.ContainsFunc(b.Changes, func(c Change) bool { return c.Category != change.Emergency }) || b.Cut {
		t.admitApprovals(v, e, d, b.Changes)
	}
	if isEmergency(b, d.Commit) {
		return
	}
	if d.Override == nil {
		t.admitTime(v, tr, e)
	}
	t.admitScheduled(v, e, b)
}

// admitRollback asks for what a rollback owes: nothing, if it is to what was verified last; else what a high-risk change owes, but neither
// an environment before nor a time, because that version ran here.
func (t *Turn) admitRollback(v *verdict, tr *Track, e *Environment, d *Deployment) {
	if tr.newest(func(o *Deployment) bool { return o.Commit == d.Commit && o.SucceededStep > 0 }) == nil {
		v.no(change.Code(d.Commit.Short()), change.Words(" never ran in "+e.Name))
	}
	if !d.BeforeLastVerified {
		return
	}
	if d.GoAhead == nil {
		why := "goes further back than to what was verified last"
		switch ran := tr.ran(d.Commit); {
		case ran != nil && ran.Phase == Failed && !ran.isVoid() && (ran.UndoneBy == "" || ran.UndoneBy == d.ID):
			why = "failed there"
		case wasUndone(tr, d.Commit, d.Number):
			why = "was rolled back there"
		}
		v.waitForGoAhead(t.whoMaySayDeploy(e), change.Words(", because it "+why))
	}
	t.admitApprovals(v, e, d, d.Changes)
}

// admitPlace has a deployment wait for what occupies its environment. A rollback goes before all else, and waits for no watch; neither does an
// emergency, which may mend what is watched.
func (t *Turn) admitPlace(v *verdict, tr *Track, d *Deployment) {
	if o := tr.deploying(); o != nil && o != d {
		v.wait(change.Words("the deployment of "), o.name(), change.Words(", which is under way"))
	}
	if d.Undoes != "" {
		return
	}
	if o := tr.rollback(); o != nil && o.Phase == Waiting {
		v.wait(change.Words("the rollback to "), o.name(), change.Words(", which goes first"))
	}
	if c := tr.Current(); c != nil && c.High && c.Phase == Watching && c.Commit != d.Commit {
		if b, _, _ := t.batch(tr, d); isEmergency(b, d.Commit) {
			return
		}
		v.wait(change.Words("the verification of "), c.name(), change.Words(", which is high-risk and watched until "+t.stamp(c.watchEnds())+" at least"))
	}
}

// admitAfter asks that the newest deployment of the commit to an environment that comes before this one succeeded and was verified. While the commit
// waits or is under way there, that may yet be so; else waiting is in vain.
func (t *Turn) admitAfter(v *verdict, name string, commit change.SHA) {
	before := t.state.Tracks[strings.ToLower(name)]
	what := change.Say(change.Code(commit.Short()), change.Words(" in "+name))
	if before == nil {
		v.no(change.Code(commit.Short()), change.Words(" never ran in "+name))
		return
	}
	on := before.open(commit)
	ran := before.ran(commit)
	switch {
	case on != nil && (ran == nil || on.Phase == Deploying || !ran.Phase.succeeded()):
		v.wait(change.Words("the deployment of "), what)
	case ran == nil:
		v.no(change.Code(commit.Short()), change.Words(" never ran in "+name))
	case ran.Phase == Verified:
	case ran.Phase.succeeded():
		v.wait(change.Words("the verification of "), what)
	default:
		v.no(change.Code(commit.Short()), change.Words(" "+ended(ran.Phase)+" in "+name+": fix it, or try again with "), change.Code("/change start "+name))
	}
}

// ended says how a deployment came to nothing.
func ended(p Phase) string {
	if p == Failed {
		return "failed"
	}
	return "was " + string(p)
}

// shipsByHand says whether anything ships by hand to an environment. To the first of several nothing does: what ships by hand must be tried somewhere
// before people say that it may go on.
func (t *Turn) shipsByHand(e *Environment) bool {
	return len(e.After) > 0 || !slices.ContainsFunc(t.rules.Environments, func(o Environment) bool {
		return slices.ContainsFunc(o.After, func(name string) bool { return strings.EqualFold(name, e.Name) })
	})
}

// whyByHand returns why a deployment needs somebody's go-ahead; nil: it needs none. It needs one for what ships by hand; for what was never decided
// green, in every environment; and for what was rolled back, which would come back with whatever is built on it.
func (t *Turn) whyByHand(tr *Track, e *Environment, d *Deployment, b Batch) change.Text {
	var why []change.Text
	byHand := t.shipsByHand(e)
	if byHand && b.Cut {
		why = append(why, change.Words("more than can be listed"))
	}
	for _, c := range b.Changes {
		switch {
		case !c.Green:
			why = append(why, change.Say(c.name(), change.Words(" (not decided green)")))
		case !byHand:
		case c.Category != change.Emergency && t.ships(c.Category).ByHand:
			why = append(why, change.Say(c.name(), change.Words(" ("+c.Category.String()+")")))
		case wasUndone(tr, c.Commit, c.Number):
			why = append(why, change.Say(c.name(), change.Words(" (was rolled back there)")))
		}
	}
	if byHand && len(why) == 0 && wasUndone(tr, d.Commit, d.Number) {
		why = append(why, change.Words("what was rolled back there"))
	}
	const most = 3
	if n := len(why); n > most {
		why = append(why[:most], change.Words(fmt.Sprintf("%d more", n-most)))
	}
	return change.Join(", ", why)
}

// wasUndone says whether a change was rolled back and did not come back since: its commit's newest deployment was, or it went with those after it
// or with another that brought it.
func wasUndone(tr *Track, commit change.SHA, n change.Number) bool {
	if d := tr.ran(commit); d != nil && d.Phase == Failed && d.UndoneBy != "" {
		return true
	}
	off, on := 0, 0
	for _, d := range tr.Deployments {
		switch {
		case !d.Began.IsZero() && n != 0 && slices.Contains(d.TakesOff, n):
			off = max(off, d.order())
		case d.SucceededStep > 0 && d.brings(n):
			on = max(on, d.order())
		}
	}
	return off > on
}

// whoMaySayDeploy says who is waited for where something ships by hand.
func (t *Turn) whoMaySayDeploy(e *Environment) change.Text {
	var is []change.Text
	for _, s := range t.rules.Deploys {
		if s.Role != "" {
			is = append(is, change.Say(change.Words("in "), t.rules.who(s.Role)))
		} else {
			is = append(is, change.Words("with "+s.Access+" access"))
		}
	}
	who := change.Words("somebody who may give the command ")
	if len(is) > 0 {
		who = change.Say(change.Words("somebody "), change.Join(" and ", is), change.Words(" to comment "))
	}
	return change.Say(who, change.Code("/change deploy "+e.Name))
}

// ships returns how a category ships. One that the rules leave out ships as high-risk does, and if they leave that out too, by hand and watched.
func (t *Turn) ships(c change.Category) Shipping {
	if s, ok := t.rules.Ships[c]; ok {
		return s
	}
	if s, ok := t.rules.Ships[change.HighRisk]; ok {
		return s
	}
	return Shipping{ByHand: true, Monitor: 2 * time.Hour, High: true}
}

// isEmergency says whether the commit itself came with an emergency: only that passes hours, freezes and watches, not what is built on it later.
func isEmergency(b Batch, commit change.SHA) bool {
	return slices.ContainsFunc(b.Changes, func(c Change) bool { return c.Commit == commit && c.Category == change.Emergency })
}

// admitTime asks that hours are open and nothing is frozen.
func (t *Turn) admitTime(v *verdict, tr *Track, e *Environment) {
	opens := t.opens(tr, e)
	if opens.Equal(t.now) {
		return
	}
	what, then := t.closedBy(tr, e)
	if opens.IsZero() {
		v.wait(what, change.Words(", of which no end is in sight"))
		return
	}
	v.waitUntil(opens, then, what)
}

// opens returns the first time from now on at which hours are open and nothing is frozen, or the time up to which calendar.When looked for it; zero:
// none is in sight. It has the turn taken again then, and at the next edge of each of them, which alone changes what is waited for.
func (t *Turn) opens(tr *Track, e *Environment) time.Time {
	var hours []calendar.Hours
	for _, h := range e.Hours {
		hours = append(hours, h.Hours)
	}
	var freezes []calendar.Freeze
	for _, f := range e.Freezes {
		freezes = append(freezes, f.Freeze)
	}
	for _, f := range tr.Freezes {
		freezes = append(freezes, calendar.Freeze{Until: f.Until})
	}
	for _, h := range hours {
		edge, _ := h.At(t.now)
		t.wakeAt(edge)
	}
	for _, f := range freezes {
		edge, _ := f.NextEdge(t.now)
		t.wakeAt(edge)
	}
	at, _ := calendar.When(hours, freezes, t.now)
	t.wakeAt(at)
	return at
}

// closedBy names the hours and freezes that keep an environment closed now, and what joins them to the time of their end; see wait.
func (t *Turn) closedBy(tr *Track, e *Environment) (what change.Text, then string) {
	var all []change.Text
	then = "which begin"
	for _, h := range e.Hours {
		if _, open := h.At(t.now); !open {
			all = append(all, change.Words("the hours of "+e.Name+in(h.Place)))
		}
	}
	for _, f := range e.Freezes {
		if _, frozen := f.At(t.now); frozen {
			all, then = append(all, change.Say(change.Words("the end of the freeze "), quoted(f.Name), change.Words(in(f.Place)))), "until"
		}
	}
	for _, f := range tr.Freezes {
		if t.now.Before(f.Until) {
			all, then = append(all, change.Say(change.Words("the end of the freeze by "), change.Login(f.By), change.Words(": "), quoted(f.Text))), "until"
		}
	}
	if len(all) == 0 {
		all = append(all, change.Words("the hours of "+e.Name))
	}
	return change.Join(" and ", all), then
}

// in returns a place of the policy in parentheses, after a space; nothing if it is not known.
func in(place string) string {
	if place == "" {
		return ""
	}
	return " (" + place + ")"
}

// admitScheduled asks that the dates have come for which changes are scheduled: their first moment in the zone of the environment's first
// hours, or else in UTC. Emergencies are for now.
func (t *Turn) admitScheduled(v *verdict, e *Environment, b Batch) {
	zone := time.UTC
	if len(e.Hours) > 0 && e.Hours[0].Zone != nil {
		zone = e.Hours[0].Zone
	}
	for _, c := range b.Changes {
		if c.Scheduled.IsZero() || c.Category == change.Emergency {
			continue
		}
		year, month, day := c.Scheduled.Date()
		if at := calendar.Local(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), zone); at.After(t.now) {
			t.wakeAt(at)
			v.waitUntil(at, "until", change.Words("the date for which "), c.name(), change.Words(" is scheduled"))
		}
	}
}

// name names a change for people.
func (c Change) name() change.Text {
	if c.Number != 0 {
		return change.Words(fmt.Sprintf("#%d", c.Number))
	}
	return change.Code(c.Commit.Short())
}

// name names a deployment for people, by its commit and pull request.
func (d *Deployment) name() change.Text {
	if d.Number == 0 {
		return change.Code(d.Commit.Short())
	}
	return change.Say(change.Code(d.Commit.Short()), change.Words(fmt.Sprintf(" (#%d)", d.Number)))
}

// stamp shows a time to people.
func (t *Turn) stamp(at time.Time) string { return change.Moment(at, t.now) }
