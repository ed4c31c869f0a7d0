package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Turn is one look at a repository's deployments. What happened is told to it in the order in which it happened, as far as that is known; End
// then says what follows. A turn is taken once: when its Needs are read, it is taken again from the same state, told the same.
type Turn struct {
	state State
	rules Rules
	facts Facts
	now   time.Time
	app   change.AppID
	out   Outcome

	polled  map[string]bool // the jobs that asked by themselves in this turn, by their keys
	pending []*pending      // replies that say how a deployment stands in the end
	moved   bool            // something moved since this was last set to false
}

// Take begins a turn. It changes nothing in state, rules and facts. App is our own: what it created on GitHub is known by that.
//
// Now may be before that of an earlier turn: what began later than now counts as if it began now, so that a clock that once was far ahead
// makes nobody wait for it.
func Take(state State, rules Rules, facts Facts, now time.Time, app change.AppID) *Turn {
	t := &Turn{state: state.clone(), rules: rules, facts: facts, now: now, app: app, polled: map[string]bool{}}
	for _, tr := range t.state.Tracks {
		for _, d := range tr.Deployments {
			t.rebase(d)
		}
	}
	return t
}

// rebase moves those times of a deployment that are after now to now.
func (t *Turn) rebase(d *Deployment) {
	for _, at := range []*time.Time{&d.Since, &d.Began, &d.Ended, &d.LastHeard, &d.SeenUnderWay, &d.AskedToVerify} {
		if at.After(t.now) {
			*at = t.now
		}
	}
	for i := range d.Asks {
		if d.Asks[i].At.After(t.now) {
			d.Asks[i].At = t.now
		}
	}
}

// End advances all that time, rules and people permit, and says what should be true now. Nothing may be told afterwards.
func (t *Turn) End() Outcome {
	for {
		t.moved = false
		for _, name := range t.tracks() {
			t.advance(t.state.Tracks[name])
		}
		if !t.moved {
			break
		}
	}
	for _, name := range t.tracks() {
		t.describeTrack(t.state.Tracks[name])
	}
	t.answerOrders()
	if !t.out.Needs.IsEmpty() {
		return Outcome{Needs: t.out.Needs}
	}
	t.act()
	t.prune()
	t.out.State = t.state
	return t.out
}

// tracks returns the keys of the tracks, in the order of the rules, and then those that the rules do not name.
func (t *Turn) tracks() []string {
	var names []string
	for _, e := range t.rules.Environments {
		if name := strings.ToLower(e.Name); t.state.Tracks[name] != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range t.state.names() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// track returns the track of an environment, which it makes if there is none.
func (t *Turn) track(environment string) *Track {
	name := strings.ToLower(environment)
	tr := t.state.Tracks[name]
	if tr == nil {
		tr = &Track{Environment: environment}
		t.state.Tracks[name] = tr
	}
	if e, ok := t.rules.Find(environment); ok {
		tr.Environment = e.Name
	}
	return tr
}

// unnamedTimeout is the timeout, and the grace, of deployments to an environment that the policy no longer names.
const unnamedTimeout = 2 * time.Hour

// environment returns what the rules say of an environment. One that they do not name asks for nothing, and nothing new goes there.
func (t *Turn) environment(tr *Track) (e *Environment, named bool) {
	if e, ok := t.rules.Find(tr.Environment); ok && t.rules.Mode != Off {
		return e, true
	}
	return &Environment{Name: tr.Environment, Timeout: unnamedTimeout, Grace: unnamedTimeout}, false
}

// add begins a deployment.
func (t *Turn) add(tr *Track, d Deployment) *Deployment {
	t.state.Last++
	d.ID = fmt.Sprintf("d%d", t.state.Last)
	d.Phase, d.Since = Waiting, t.now
	if d.QueuedAt.IsZero() || d.QueuedAt.After(t.now) {
		d.QueuedAt = t.now
	}
	if d.Number == 0 {
		c, _ := t.commit(d.Commit)
		d.Number = c.Number
	}
	added := &d
	tr.Deployments = append(tr.Deployments, added)
	t.entry("queued", tr, added, d.Deployer, d.Why)
	t.moved = true
	return added
}

// phase moves a deployment on.
func (t *Turn) phase(d *Deployment, p Phase) {
	d.Phase, d.Since, d.Waits = p, t.now, Waits{}
	t.moved = true
}

// end ends a deployment that did not succeed, and tells the gates that wait for it.
func (t *Turn) end(tr *Track, d *Deployment, p Phase, why string, by change.Account) {
	waits := d.Waits.For
	t.phase(d, p)
	if p == Refused {
		d.Waits.For = waits
	}
	if why != "" {
		d.Why = why
	}
	if !d.Began.IsZero() && d.Ended.IsZero() {
		d.Ended = t.now
	}
	t.sayNo(d)
	t.entry(string(p), tr, d, by, d.Why)
}

// sayNo has the gates that wait for a deployment told that it will not go, and why.
func (t *Turn) sayNo(d *Deployment) {
	for i := range d.Asks {
		if a := &d.Asks[i]; a.Answer == "" {
			a.Answer, a.Why = No, d.whyNot()
			t.moved = true
		}
	}
}

// entry adds evidence of a step.
func (t *Turn) entry(step string, tr *Track, d *Deployment, by change.Account, says string) {
	t.out.Entries = append(t.out.Entries, Entry{Step: step, Deployment: *d.clone(), Environment: tr.Environment, By: by, Says: says})
}

// wakeAt has the turn taken again at a time, if that is to come.
func (t *Turn) wakeAt(at time.Time) {
	if at.After(t.now) && (t.out.Wake.IsZero() || at.Before(t.out.Wake)) {
		t.out.Wake = at
	}
}

// exception reports what went past the policy, once however often the turn comes across it. Key tells it from others of its kind, and is made of
// ids, so that it is the same in every turn. By may name unknown accounts, which are left out; an At that is zero becomes now.
func (t *Turn) exception(key string, e change.Exception) {
	e.Key = strings.ReplaceAll(string(e.Kind), " ", "-") + ":" + key
	if slices.ContainsFunc(t.out.Exceptions, func(o change.Exception) bool { return o.Key == e.Key }) {
		return
	}
	e.Commits = []change.SHA{e.After}
	e.By = slices.DeleteFunc(e.By, func(a change.Account) bool { return !a.Known() })
	if e.At.IsZero() {
		e.At = t.now
	}
	t.out.Exceptions = append(t.out.Exceptions, e)
}

// commit returns what is known of a commit; false: it must be read first.
func (t *Turn) commit(sha change.SHA) (Commit, bool) {
	c, ok := t.facts.Commits[sha]
	if !ok && !slices.Contains(t.out.Needs.Commits, sha) {
		t.out.Needs.Commits = append(t.out.Needs.Commits, sha)
	}
	return c, ok
}

// between returns what ships from one commit to another; false: it must be read first.
func (t *Turn) between(from, to change.SHA) (Batch, bool) {
	if from == to {
		return Batch{Contained: true}, true
	}
	span := Span{From: from, To: to}
	b, ok := t.facts.Batches[span]
	if !ok && !slices.Contains(t.out.Needs.Batches, span) {
		t.out.Needs.Batches = append(t.out.Needs.Batches, span)
	}
	return b, ok
}

// batch returns what ships with a deployment, given what its environment holds, and the commit that it is compared with; false: it must be read
// first. Where the same commit went past the policy, what shipped with it counts as shipping now: what that owes was not asked for yet.
func (t *Turn) batch(tr *Track, d *Deployment) (Batch, change.SHA, bool) {
	from := change.SHA("")
	switch c := tr.Current(); {
	case c == nil || c == d:
	case c.Commit == d.Commit && t.isPast(c):
		from = c.From
	default:
		from = c.Commit
	}
	b, ok := t.between(from, d.Commit)
	return b, from, ok
}

// holder returns what somebody holds now; false: it must be read first.
func (t *Turn) holder(of change.Account) (Holder, bool) {
	h, ok := t.facts.Holders[of.ID]
	if !ok && !slices.ContainsFunc(t.out.Needs.Holders, func(a change.Account) bool { return a.ID == of.ID }) {
		t.out.Needs.Holders = append(t.out.Needs.Holders, of)
	}
	return h, ok
}

// checks returns the checks of a commit; false: they must be read first.
func (t *Turn) checks(sha change.SHA) ([]change.Check, bool) {
	c, ok := t.facts.Checks[sha]
	if !ok && !slices.Contains(t.out.Needs.Checks, sha) {
		t.out.Needs.Checks = append(t.out.Needs.Checks, sha)
	}
	return c, ok
}
