package release

import (
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// patience is how long after its last question a job that asks by itself is taken to be waiting, and how long a job has to ask once it was seen
// under way.
const patience = 5 * time.Minute

// Rule tells that a deployment protection rule asks; key is unique for the request. It is answered once, and until then told what
// its job waits for.
func (t *Turn) Rule(key string, r change.RuleAsked) {
	at := r.At
	if at.IsZero() || at.After(t.now) {
		at = t.now
	}
	t.ask(r.Environment, r.SHA, r.Deployment, r.By, Ask{Key: key, Callback: r.Callback, Named: r.Environment, Run: runIn(r.Callback), By: r.By, OnGitHub: true, At: at})
}

// Gate tells that a job asks at the gate. It asks again for as long as it waits, and is let through only when it does, because otherwise
// nobody might be left to deploy. For 5 minutes after it asked it keeps its place.
//
// The key of an attempt of a job is answered once. A key that names no run stands for whoever asks with it, however often: an answer to it that
// is over is forgotten when it is asked again.
func (t *Turn) Gate(g change.GateAsked) {
	t.polled[g.Key] = true
	if _, d, a := t.state.ask(g.Key); a != nil {
		over := a.Answer == No || a.Answer == Go && d.Phase != Deploying
		if g.Run != 0 || !over || !g.At.After(a.At) {
			a.At = t.now
			if d.Phase == Deploying {
				d.LastHeard = t.now
			}
			return
		}
		d.Asks = slices.DeleteFunc(d.Asks, func(a Ask) bool { return a.Key == g.Key })
	}
	t.ask(g.Environment, g.SHA, 0, g.By, Ask{Key: g.Key, Run: g.Run, Attempt: g.Attempt, By: g.By, OnGitHub: g.OnGitHub, At: t.now})
}

// ask takes a gate's question to the deployment that it is about.
func (t *Turn) ask(environment string, commit change.SHA, github int64, by change.Account, a Ask) {
	if _, _, known := t.state.ask(a.Key); known != nil {
		return
	}
	a.GitHub = github
	tr := t.track(environment)
	t.moved = true
	d := t.askedAbout(tr, commit, a)
	if d == nil {
		d = t.add(tr, Deployment{Commit: commit, Deployer: by})
	}
	if !d.Deployer.Known() {
		d.Deployer = by
	}
	_, named := t.environment(tr)
	if _, o := t.state.onGitHub(github); named && github != 0 && o == nil {
		d.adopt(github)
	}
	switch {
	case d.Phase != Deploying:
	case t.isPast(d):
		a.Answer, a.Why, d.LastHeard = No, d.wentPast(), t.now
	default:
		a.Answer, d.LastHeard = Go, t.now
	}
	d.Asks = append(d.Asks, a)
	for _, r := range t.state.Ended {
		if a.isOf(r) {
			t.runEnded(tr, d, r)
		}
	}
}

// askedAbout returns the deployment of a commit that a job asks about: what is under way if the same run carries it out, else what waits, a
// rollback first; nil: a new one. What is deployed can be deployed again, in its turn. What is under way past the policy lets no job through: not
// its own, which asks too late, and others wait for their turn.
func (t *Turn) askedAbout(tr *Track, commit change.SHA, a Ask) *Deployment {
	newest := func(is func(*Deployment) bool) *Deployment {
		return tr.newest(func(d *Deployment) bool { return d.Commit == commit && is(d) })
	}
	d := newest(func(d *Deployment) bool {
		return d.isOrWas(a.GitHub) && d.isOpen()
	})
	if d == nil {
		d = newest(func(d *Deployment) bool { return d.Phase == Deploying && d.isOf(a) })
	}
	if d != nil && d.Phase == Deploying && t.isPast(d) && !d.ranFor(a) {
		d.leave(a.GitHub)
		d = nil
	}
	if d == nil {
		d = newest(func(d *Deployment) bool { return d.Phase.waits() && d.Undoes != "" })
	}
	if d == nil {
		d = newest(func(d *Deployment) bool { return d.Phase.waits() })
	}
	return d
}

// isOf says whether a job may be one of the run that carries a deployment out.
func (d *Deployment) isOf(a Ask) bool {
	return !slices.ContainsFunc(d.Asks, func(o Ask) bool { return o.Answer == Go && !o.isOfRun(a) })
}

// isOfRun says whether two jobs are of one run. One that names none is a run of its own.
func (a *Ask) isOfRun(o Ask) bool { return a.Key == o.Key || a.Run != 0 && a.Run == o.Run }

// carrier says who would deploy something if it were let through.
type carrier int

const (
	nobody carrier = iota // it waits for a job that asks
	later                 // a job that asked lately, and will again
	ready
)

// carrier returns who would carry a deployment out now.
func (t *Turn) carrier(d *Deployment) carrier {
	if d.Own && !d.ForRecord && t.rules.Mode == Create || d.GitHub != 0 && len(d.Asks) == 0 {
		return ready
	}
	c := nobody
	for _, a := range d.Asks {
		switch {
		case a.Answer != "":
		case a.Callback != "" || t.polled[a.Key]:
			return ready
		case t.now.Sub(a.At) < patience:
			c = later
			t.wakeAt(a.At.Add(patience))
		}
	}
	return c
}

// asksStill says whether a job waits for its answer and is still there to take it.
func (t *Turn) asksStill(a Ask) bool {
	return a.Answer == "" && (a.Callback != "" || t.polled[a.Key] || t.now.Sub(a.At) < patience)
}

// Answer returns what a gate says to an ask now, by its key, with why. False: no such ask is known. Go holds only for as long as the
// deployment is under way, or is what the environment holds and nothing else is under way there.
func (s *State) Answer(ask string) (Answer, change.Text, bool) {
	tr, d, a := s.ask(ask)
	if a == nil {
		return "", nil, false
	}
	return d.answers(tr, a)
}

func (d *Deployment) answers(tr *Track, a *Ask) (Answer, change.Text, bool) {
	switch {
	case a.Answer == Go && (d.Phase == Deploying || d == tr.Current() && tr.deploying() == nil):
		return Go, change.Say(d.name(), change.Words(" may go to "), change.Code(tr.Environment)), true
	case a.Answer == "" && d.Phase.waits():
		return NotYet, d.Waits.For, true
	}
	if !a.Why.IsEmpty() {
		return No, a.Why, true
	}
	return No, d.whyNot(), true
}

// whyNot says why a deployment that has ended will not go.
func (d *Deployment) whyNot() change.Text {
	switch {
	case d.Phase.succeeded():
		return change.Say(d.name(), change.Words(" was deployed before, and something else came since: start another run to have it deployed again"))
	case !d.Waits.For.IsEmpty():
		return d.Waits.For
	case d.Why != "":
		return change.Say(d.name(), change.Words(" "+ended(d.Phase)+": "), change.Quote(d.Why))
	default:
		return change.Say(d.name(), change.Words(" "+ended(d.Phase)))
	}
}
