package release

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// fail ends a deployment that failed, or was found not to work, and has people told. Where the policy rolls back by itself, and it is what the
// environment holds or was about to, it is rolled back; a rollback that failed is not, so that no two versions take turns.
func (t *Turn) fail(tr *Track, d *Deployment, class Class, why string) {
	e, named := t.environment(tr)
	holds := d.Phase == Deploying || d == tr.Current()
	t.end(tr, d, Failed, why, change.Account{})
	d.Class = class
	if !named {
		return
	}
	if holds && d.Undoes == "" && e.RollBack && tr.rollback() == nil {
		if to, older := t.goesBackTo(tr, d); to != nil {
			back, undone := t.rollBack(tr, wayBack{undo: d, to: to, class: class, why: why, by: d.Deployer, on: d.Number, beforeLastVerified: older, onGitHub: t.ours()})
			t.tellUndone(tr, d, back, undone)
			return
		}
		d.NothingToRollBackTo = true
	}
	t.tellFailed(tr, e, d)
}

// goesBackTo returns what a deployment is rolled back to: what was verified last, or where that is on no governed branch any more, so that it
// would never be let through, an older version. Nil: there is none.
func (t *Turn) goesBackTo(tr *Track, from *Deployment) (to *Deployment, older bool) {
	var gone []change.SHA
	for {
		to := tr.lastVerified(t, from, gone...)
		if to == nil {
			return nil, false
		}
		if c, read := t.commit(to.Commit); !read || c.Unread || c.Known {
			return to, len(gone) > 0
		}
		gone = append(gone, to.Commit)
	}
}

// lastVerified returns the newest that was verified before a deployment, of another commit, and if that is a rollback itself, of another commit
// than the one that it undid. A version that ran again since and failed is passed by, but for a rollback to it that came to nothing; so are those that
// are gone. Nil: there is none.
func (tr *Track) lastVerified(t *Turn, from *Deployment, gone ...change.SHA) *Deployment {
	var undone change.SHA
	if _, u := t.state.find(from.Undoes); u != nil {
		undone = u.Commit
	}
	var last *Deployment
	for _, d := range tr.Deployments {
		if d.Phase != Verified || d == from || d.Commit == from.Commit || d.Commit == undone || slices.Contains(gone, d.Commit) || last != nil && last.SucceededStep > d.SucceededStep {
			continue
		}
		ran := tr.newest(func(o *Deployment) bool { return o.Commit == d.Commit && !o.Began.IsZero() && !o.isVoid() })
		if ran.Phase != Failed {
			last = d
		}
	}
	return last
}

// wayBack is what an environment goes back from and to, and on whose word.
type wayBack struct {
	undo, to           *Deployment
	beforeLastVerified bool // to is older than what was verified last
	class              Class
	why                string
	by                 change.Account // who asked for it or, where the policy rolls back by itself, deployed what failed
	on                 change.Number  // the pull request on which it was asked for, or that came with what failed
	onGitHub           OnGitHub       // what stands for it there, or is to
}

// ours is what stands on GitHub for a deployment that we make where the policy has us deploy, and others elsewhere.
func (t *Turn) ours() OnGitHub { return OnGitHub{Own: t.rules.Mode == Create} }

// rollBack queues the deployment of an earlier version, before all else. What it takes off the environment has failed: the deployment that it
// undoes, and those since the earlier version that were not verified or that a rollback was to take off which came to nothing. Deployments that wait
// need their go-ahead again: people gave it while another version was there. It returns what it queued, and all that it takes off.
func (t *Turn) rollBack(tr *Track, way wayBack) (queued *Deployment, undone []*Deployment) {
	queued = t.add(tr, Deployment{
		Commit: way.to.Commit, Number: way.to.Number, Deployer: way.by, Why: way.why, Class: way.class,
		Shipment: Shipment{Changes: slices.Clone(way.to.Changes), Category: way.to.Category},
		Watch:    Watch{Monitor: way.undo.Monitor},
		Rollback: Rollback{Undoes: way.undo.ID, TakesOff: tr.since(way.to), AskedOn: way.on, BeforeLastVerified: way.beforeLastVerified},
		OnGitHub: way.onGitHub,
	})
	for _, o := range tr.Deployments {
		switch {
		case o == way.undo || tr.goesToo(o, way.to):
			if o.Phase != Failed {
				t.end(tr, o, Failed, way.why, way.by)
				o.Class = way.class
			}
			if !tr.isUndone(o) {
				o.UndoneBy = queued.ID
			}
			undone = append(undone, o)
		case o.Phase.waits() && o != queued && o.GoAhead != nil:
			o.GoAhead, o.Lapsed, o.Prompted = nil, o.GoAhead, false
		}
	}
	return queued, undone
}

// goesToo says whether going back to an earlier version takes off a deployment for which nobody has spoken: it came after that version, with another
// commit, and was not verified, or was to be taken off before.
func (tr *Track) goesToo(d, to *Deployment) bool {
	if d.SucceededStep <= to.SucceededStep || d.Commit == to.Commit {
		return false
	}
	return d.Phase == Watching || d.Phase == Unverified || tr.wasKept(d)
}

// carriedOutLate begins a rollback for one that came to nothing, as far as was known, and was carried out in the end by a deployment on GitHub. It takes
// off what is there by now, and those who asked for it and whose it takes off are told. Nil: it is not known any more what it was to take off, or for what,
// or another rollback went back to the same version, which is still there.
func (t *Turn) carriedOutLate(tr *Track, was *Deployment, as OnGitHub) *Deployment {
	_, undo := t.state.find(was.Undoes)
	to := tr.newest(func(d *Deployment) bool { return d.Commit == was.Commit && d.SucceededStep > 0 })
	if undo == nil || to == nil {
		return nil
	}
	there, gone := tr.lastSucceeded(), t.wasRolledBack(undo)
	if gone && there.Commit == was.Commit {
		return nil
	}
	for _, o := range tr.Deployments {
		if another := tr.undoing(o); another != nil && another.isOpen() {
			o.UndoneBy = was.ID // it is this one that took it off
		}
	}
	// Why it was asked for gave way to why it ended, and is kept by what it was to take off.
	d, undone := t.rollBack(tr, wayBack{
		undo: undo, to: to, class: undo.Class, why: undo.Why, by: was.Deployer, on: was.AskedOn, beforeLastVerified: was.BeforeLastVerified, onGitHub: as,
	})
	undone = slices.DeleteFunc(undone, func(o *Deployment) bool { return gone && o == undo })
	if there.Commit != d.Commit && !slices.Contains(undone, there) {
		undone = append(undone, there)
	}
	what, of := t.undone(undone, t.deployer(d))
	says := change.Say(t.whom(d), change.Words("the rollback to "), d.name(), change.Words(" "+ended(was.Phase)+", and was carried out in "+tr.Environment+
		" all the same. It takes back "), what, change.Words("."))
	t.prompt(d, "late", d.AskedOn, says, append(of, t.deployer(d))...)
	return d
}

// since returns the pull requests that came to the environment after an earlier version and go with it when that comes back, in order: not what was
// taken off before, nor what that version has itself.
func (tr *Track) since(to *Deployment) []change.Number {
	had, came := map[change.Number]bool{0: true}, map[change.Number]bool{}
	add := func(list map[change.Number]bool, d *Deployment) {
		list[d.Number] = true
		for _, c := range d.Changes {
			list[c.Number] = true
		}
	}
	for _, d := range tr.Deployments {
		switch {
		case d == to:
			add(had, d)
		case d.Began.IsZero(), tr.isUndone(d): // it was never there, or is not any more
		case d.order() > to.order():
			add(came, d)
		case d.Phase.succeeded():
			add(had, d)
		}
	}
	maps.DeleteFunc(came, func(n change.Number, _ bool) bool { return had[n] })
	return slices.Sorted(maps.Keys(came))
}

// version finds what an environment held before, by the beginning of a commit's name.
func (tr *Track) version(prefix string) (*Deployment, change.Text) {
	const least = 4
	if len(prefix) < least {
		return nil, change.Words(fmt.Sprintf("A version is named by the first %d characters of its commit at least.", least))
	}
	var found *Deployment
	for _, d := range tr.Deployments {
		if d.SucceededStep == 0 || len(d.Commit) < len(prefix) || !sameName(string(d.Commit[:len(prefix)]), prefix) {
			continue
		}
		if found != nil && found.Commit != d.Commit {
			return nil, change.Say(change.Words("More than one version that ran in "+tr.Environment+" begins with "), change.Code(prefix), change.Words("."))
		}
		found = d
	}
	if found == nil {
		return nil, change.Say(change.Words("No version that ran in "+tr.Environment+" begins with "), change.Code(prefix), change.Words("."))
	}
	return found, nil
}

// head is what a rollback of an environment undoes: what is under way, or else what was there last, whether or not it works. A rollback that came to
// nothing left there what it was to take off.
func (tr *Track) head() *Deployment {
	if d := tr.deploying(); d != nil {
		return d
	}
	var last *Deployment
	for _, d := range tr.Deployments {
		if !d.Began.IsZero() && (d.Phase.succeeded() || d.Phase == Failed && !d.isVoid() && !tr.isUndone(d)) && (last == nil || d.order() > last.order()) {
			last = d
		}
	}
	return last
}

// isUndone says whether a rollback took a deployment off, or is about to.
func (tr *Track) isUndone(d *Deployment) bool {
	return d.UndoneBy != "" && !tr.wasKept(d)
}

// wasKept says whether the rollback that was to take a deployment off came to nothing, so that it can be asked for again.
func (tr *Track) wasKept(d *Deployment) bool {
	back := tr.undoing(d)
	return back != nil && back.isVoid()
}

// undoing returns the last rollback that took a deployment off, or was to; nil: there was none, or it is not known any more.
func (tr *Track) undoing(d *Deployment) *Deployment {
	return tr.newest(func(o *Deployment) bool { return o.ID == d.UndoneBy })
}

// wasRolledBack says whether a rollback took a deployment off, and what it went back to was not found to be wrong since.
func (t *Turn) wasRolledBack(d *Deployment) bool {
	_, by := t.state.find(d.UndoneBy)
	return by != nil && by.Phase.succeeded()
}

// isVoid says whether a deployment ended without having been carried out to its end; of a rollback, without its version having been there again.
func (d *Deployment) isVoid() bool {
	switch d.Phase {
	case Cancelled, Refused, Overtaken:
		return true
	case Failed:
		return d.Undoes != "" && d.SucceededStep == 0
	default:
		return false
	}
}

// order is a deployment's place among those that began or succeeded.
func (d *Deployment) order() int { return max(d.BeganStep, d.SucceededStep) }

// askRollback rolls back by command.
func (t *Turn) askRollback(o Order, p *pending, tr *Track) {
	undo := tr.head()
	if undo == nil {
		p.refuse("not deployed", change.Words("Nothing was deployed to "+tr.Environment+" yet, so there is nothing to roll back."))
		return
	}
	if r := tr.rollback(); r != nil {
		// Two who say the same at the same time mean one rollback.
		where := ""
		if r.AskedOn != o.Pull.Number && r.AskedOn != 0 {
			where = fmt.Sprintf(", comment on #%d", r.AskedOn)
		}
		p.refuse("rolling back", change.Words("The rollback to "), r.name(), change.Words(" is on its way already. To give it up"+where+": "), change.Code("/change cancel "+tr.Environment), change.Words("."))
		return
	}
	to, beforeLastVerified := t.asksBackTo(o, p, tr, undo)
	if to == nil || t.isUnknown(to.Commit, p) {
		return
	}
	d, undone := t.rollBack(tr, wayBack{
		undo: undo, to: to, class: cmp.Or(o.Class, Errors), why: o.Reason, by: o.By, on: o.Pull.Number, beforeLastVerified: beforeLastVerified, onGitHub: t.ours(),
	})
	t.entry("rollback asked for", tr, d, o.By, o.Reason)
	from, of := t.undone(undone, o.By)
	p.done("rolling back", change.Words(tr.Environment+" goes back to "), d.name(), change.Words(", from "), from, change.Words("."))
	p.reply.Of = of
	if t.rules.Mode == Record {
		t.prompt(d, "run", o.Pull.Number, change.Say(t.whom(d), t.haveRun(tr, d)), t.deployer(d))
	}
	p.waits(d)
}

// asksBackTo returns the version that a command is to roll back to: the one that it names, or else what was verified last. Nil: there is none, which
// is answered.
func (t *Turn) asksBackTo(o Order, p *pending, tr *Track, undo *Deployment) (to *Deployment, beforeLastVerified bool) {
	byName := change.Code(`/change rollback ` + tr.Environment + ` COMMIT "what went wrong"`)
	last, older := t.goesBackTo(tr, undo)
	switch {
	case o.Version != "":
		named, why := tr.version(o.Version)
		if named == nil {
			p.refuse("no such version", why)
			return nil, false
		}
		if named.Commit == undo.Commit && undo.Phase != Failed {
			p.refuse("already there", named.name(), change.Words(" is what "+tr.Environment+" holds."))
			return nil, false
		}
		return named, older || last == nil || named.Commit != last.Commit
	case !undo.isAbout(o.Pull.Number):
		p.refuse("not the last", change.Words(tr.Environment+" holds "), undo.name(),
			change.Words(" by now. Say it on that pull request, or name the version: "), byName, change.Words("."))
		return nil, false
	case last == nil:
		p.refuse("no earlier version", change.Words("No earlier version was verified in "+tr.Environment+
			". Fix it with another change, or name a version that ran there: "), byName, change.Words("."))
		return nil, false
	}
	return last, older
}
