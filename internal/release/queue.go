package release

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// advance moves the deployments of an environment on, as far as time and what was read permit.
func (t *Turn) advance(tr *Track) {
	_, named := t.environment(tr)
	for _, d := range tr.Deployments {
		switch {
		case d.Phase == Deploying:
			t.expire(tr, d)
		case d.Phase == Watching || d.Phase == Unverified:
			t.watch(tr, d)
		case d.Phase.waits() && !named:
			if t.rules.Observing && t.rules.Mode != Off && d.asks() {
				t.past(tr, d, nil)
				continue
			}
			d.Waits = t.describe(t.admit(tr, d))
			t.end(tr, d, Refused, "", change.Account{})
		}
	}
	if named {
		t.skip(tr)
		t.next(tr)
	}
}

// brief shows a duration to people: 2h, 1h30m.
func brief(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// expire ends what GitHub would not create, and what nothing was heard of for too long.
func (t *Turn) expire(tr *Track, d *Deployment) {
	e, named := t.environment(tr)
	if d.NotCreated != "" && d.Own && d.GitHub == 0 && !d.ForRecord {
		t.end(tr, d, Failed, "GitHub would not create it: "+d.NotCreated, change.Account{})
		d.Class = FailedDeployment
		if named {
			t.tellFailed(tr, e, d) // nothing was deployed that could be rolled back
		}
		return
	}
	late := d.LastHeard.Add(e.Timeout)
	if t.now.Before(late) {
		t.wakeAt(late)
		return
	}
	d.TimedOut = true
	t.fail(tr, d, FailedDeployment, "nothing was heard of it for "+brief(e.Timeout))
}

// skip takes out of the queue what the environment holds already. What somebody is deploying stays, because it is to be seen what becomes of it.
func (t *Turn) skip(tr *Track) {
	c := tr.Current()
	if c == nil {
		return
	}
	for _, d := range tr.Deployments {
		if !d.Phase.waits() || d.Undoes != "" || d.GitHub != 0 || d.Commit == c.Commit && d.asks() {
			continue
		}
		if b, read := t.between(c.Commit, d.Commit); read && b.Contained {
			t.end(tr, d, Overtaken, "it is contained in "+c.name().String()+", which is there", change.Account{})
		}
	}
}

// next lets the next deployment of an environment through, if one may go. Rollbacks go first, then emergencies, then the others in the order in
// which they came or, where the policy wants only the newest, that one. What may not go yet is passed over: whatever is built on it waits for the same
// anyway.
func (t *Turn) next(tr *Track) {
	if t.wentAhead(tr) {
		return
	}
	e, _ := t.environment(tr)
	var chosen *Deployment
	for _, d := range tr.queue() {
		v := t.admit(tr, d)
		answer := v.answer()
		d.Waits = t.describe(v)
		if answer == No {
			t.refuse(tr, d)
		}
		switch {
		case answer != Go && t.rules.Observing && d.asks() && t.carrier(d) == ready:
			t.past(tr, d, nil) // nothing is held up
			return
		case answer != Go, t.carrier(d) == nobody:
		case chosen == nil || t.before(tr, e, d, chosen):
			chosen = d
		}
	}
	if chosen != nil && t.carrier(chosen) == ready && t.out.Needs.IsEmpty() {
		t.start(tr, chosen)
	}
}

// wentAhead follows what was seen under way and did not ask in time, held or not, and says whether there is such a deployment.
func (t *Turn) wentAhead(tr *Track) bool {
	for _, d := range tr.waiting() {
		if d.SeenUnderWay.IsZero() || len(d.Asks) > 0 {
			continue
		}
		late := d.SeenUnderWay.Add(patience)
		if !t.now.Before(late) {
			t.past(tr, d, nil)
			return true
		}
		t.wakeAt(late)
	}
	return false
}

// before says whether d, which comes later in the queue, is to go before o.
func (t *Turn) before(tr *Track, e *Environment, d, o *Deployment) bool {
	if o.Undoes != "" {
		return false
	}
	a, _, _ := t.batch(tr, d)
	b, _, _ := t.batch(tr, o)
	if x, y := isEmergency(a, d.Commit), isEmergency(b, o.Commit); x != y {
		return x
	}
	return e.Newest
}

// refuse ends a deployment that cannot go however long it waits, unless people want it: they can do something about it. Its gates are told no.
func (t *Turn) refuse(tr *Track, d *Deployment) {
	if t.rules.Observing && d.asks() {
		return
	}
	c, read := t.commit(d.Commit)
	unknown := read && !c.Unread && !c.Known
	asked := len(d.Asks) > 0
	switch {
	case unknown && d.GitHub == 0, !d.isWanted() && asked:
		t.end(tr, d, Refused, "", change.Account{})
	case !d.isWanted() && d.SeenUnderWay.IsZero() && d.GitHub != 0:
		e, _ := t.environment(tr)
		if late := d.Since.Add(e.Timeout); t.now.Before(late) {
			t.wakeAt(late)
		} else {
			t.end(tr, d, Refused, "", change.Account{})
		}
	default:
		t.sayNo(d)
	}
}

// start lets a deployment through: what ships with it is settled, and the gates are told.
func (t *Turn) start(tr *Track, d *Deployment) {
	t.settle(tr, d)
	t.phase(d, Deploying)
	t.state.Steps++
	d.BeganStep, d.Began, d.LastHeard, d.SeenUnderWay = t.state.Steps, t.now, t.now, time.Time{}
	d.Policy, d.Floor = t.rules.Ref.Digest, t.rules.Floor.Digest
	if d.Own && d.GitHub == 0 && len(d.Also) > 0 {
		// Others made one of it while it waited: that is the one to follow.
		o := d.Also[0]
		d.Also, d.Own = d.Also[1:], false
		d.join(o)
	}
	ours := d.Own && t.rules.Mode == Create
	if ours && slices.ContainsFunc(d.Asks, t.asksStill) {
		// A job is there to deploy it: a deployment by us would have it deployed twice.
		ours, d.Own = false, false
	}
	if !ours {
		t.split(tr, d)
	}
	onGitHub := d.GitHub != 0
	for i := range d.Asks {
		a := &d.Asks[i]
		switch {
		case a.Answer != "":
		case t.isPast(d):
			a.Answer, a.Why = No, d.wentPast()
		case ours:
			a.Answer, a.Why = No, change.Say(d.name(), change.Words(" is being deployed by another job"))
		default:
			a.Answer = Go
		}
		onGitHub = onGitHub || a.OnGitHub
	}
	if !d.Own && !onGitHub && t.rules.Mode == Record {
		// What others deploy without telling GitHub is told there by us, for the record.
		d.Own, d.ForRecord = true, true
	}
	t.entry("let through", tr, d, d.Deployer, "")
}

// split gives a deployment that begins to one of the runs that wait to carry it out, and queues a deployment behind it for each of the others: one
// deploys at a time, even the same commit. A run whose own deployment on GitHub is under way or over stays with this one, because what was heard of
// that was taken to be about this one. If this one went past the policy, that is all that tells which run carries it out, and all others wait on.
func (t *Turn) split(tr *Track, d *Deployment) {
	carries := slices.IndexFunc(d.Asks, func(a Ask) bool { return a.Answer == "" && a.GitHub != 0 && a.GitHub == d.GitHub })
	if carries < 0 {
		carries = slices.IndexFunc(d.Asks, t.asksStill)
	}
	if t.isPast(d) {
		carries = -1
	} else if carries < 0 {
		return
	}
	var queued []*Deployment
	others := slices.Clone(d.Asks)
	d.Asks = nil
	for _, a := range others {
		if a.Answer != "" || carries >= 0 && a.isOfRun(others[carries]) || d.ranFor(a) {
			d.Asks = append(d.Asks, a)
			continue
		}
		i := slices.IndexFunc(queued, func(o *Deployment) bool { return a.isOfRun(o.Asks[0]) })
		if i < 0 {
			i = len(queued)
			queued = append(queued, t.add(tr, Deployment{Commit: d.Commit, Number: d.Number, Deployer: a.By, QueuedAt: d.QueuedAt}))
		}
		next := queued[i]
		next.Asks = append(next.Asks, a)
		if o, ok := d.leave(a.GitHub); ok {
			next.join(o)
		}
	}
}

// isPast says whether a deployment went past the policy, which is not to let anything through besides.
func (t *Turn) isPast(d *Deployment) bool { return d.BypassedPolicy && !t.rules.Observing }

// wentPast says to a job of what went past the policy that it is not let through, and how it goes on.
func (d *Deployment) wentPast() change.Text {
	return change.Say(d.name(), change.Words(" was seen to be deployed, or to be under way, past the policy: nothing had let it through. Have the job ask before all else, and start another run"))
}

// ranFor says whether a deployment was seen under way, or to have ended, as the job that asks: on GitHub, or in the run of its log.
func (d *Deployment) ranFor(a Ask) bool {
	return d.ranAs(a.GitHub) || a.GitHub == 0 && d.logIsOf(a.Run)
}

// settle fixes what ships with a deployment, how risky that is, and for how long it will be watched.
func (t *Turn) settle(tr *Track, d *Deployment) {
	e, _ := t.environment(tr)
	b, from, _ := t.batch(tr, d)
	d.From = from
	if d.Undoes != "" {
		return // it is watched for as long as what it undoes; see rollBack
	}
	d.Changes, d.Category, d.Monitor, d.High = b.Changes, 0, 0, false
	if c := tr.Current(); c != nil && c.Commit == d.Commit {
		d.Category, d.Monitor, d.High = c.Category, c.Monitor, c.High
	}
	risk := func(c change.Category) {
		s := t.ships(c)
		if e.Watched {
			d.Monitor, d.High = max(d.Monitor, s.Monitor), d.High || s.High
		}
	}
	for _, c := range b.Changes {
		d.Category = max(d.Category, c.Category)
		if c.Category == change.Emergency {
			risk(c.Underlying)
		} else {
			risk(c.Category)
		}
	}
	if b.Cut {
		d.Category = max(d.Category, change.HighRisk)
		risk(change.HighRisk)
	}
}

// describeTrack notes what each deployment that has not ended waits for, and its place in the queue.
func (t *Turn) describeTrack(tr *Track) {
	e, named := t.environment(tr)
	if !named {
		return
	}
	var first *Deployment
	for i, d := range tr.queue() {
		v := t.admit(tr, d)
		if v.lacksGoAheadOnly() && t.carrier(d) != nobody {
			t.promptGoAhead(tr, d, v)
		}
		if v.answer() == Go {
			switch {
			case t.carrier(d) == nobody:
				v.wait(t.forJob(d))
			case first == nil:
				first = d
				v.wait(t.forJob(d))
			default:
				v.wait(change.Words("its place in the queue, after "), first.name())
			}
		}
		d.Waits = t.describe(v)
		d.Waits.Place = i + 1
	}
	for _, d := range tr.Deployments {
		switch d.Phase {
		case Held:
			d.Waits = Waits{For: toBeStarted(e)}
		case Watching, Unverified:
			d.Waits = t.awaits(tr, d)
		}
	}
}

// toBeStarted says who is waited for where somebody holds a deployment.
func toBeStarted(e *Environment) change.Text {
	return change.Say(change.Words("somebody who may give the command "), change.Code("/change start "+e.Name))
}

// forJob says that a deployment waits for a job that carries it out to ask.
func (t *Turn) forJob(d *Deployment) change.Text {
	if d.Deployer.Known() {
		return change.Say(change.Login(d.Deployer), change.Words(" to have it deployed: nothing has asked to do so that is still there"))
	}
	return change.Words("whoever deploys it: nothing has asked to do so that is still there")
}

// promote queues what was verified where it may go next.
func (t *Turn) promote(tr *Track, d *Deployment) {
	if t.rules.Mode != Create || d.Undoes != "" {
		return
	}
	for _, e := range t.rules.Environments {
		var v verdict
		after := false
		for _, name := range e.After {
			t.admitAfter(&v, name, d.Commit)
			after = after || sameName(name, tr.Environment)
		}
		if after && v.answer() == Go {
			t.enqueue(e.Name, d.Commit, d.Number, cmp.Or(t.merger(d.Commit), d.Deployer), t.now)
		}
	}
}
