package release

import (
	"cmp"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// target is what an order on a pull request is about, in one environment.
type target struct {
	track  *Track
	open   *Deployment // what waits or is under way; nil: nothing does
	commit change.SHA  // what the pull request became; empty: nothing yet, and open is the rollback that was asked for on it
}

// isThere says whether the environment holds the commit, and nothing is begun to deploy it again.
func (g target) isThere() bool {
	c := g.track.Current()
	return g.open == nil && c != nil && c.Commit == g.commit
}

// target returns what an order is about: the rollback that was asked for on its pull request, or else the deployment of the commit that
// this became. If it is about nothing that is refused, unless something must be read first.
func (t *Turn) target(o Order, p *pending, tr *Track) (target, bool) {
	n := o.Pull.Number
	g := target{track: tr, commit: t.commitOf(o)}
	g.open = tr.newest(func(d *Deployment) bool {
		return d.Undoes != "" && d.AskedOn == n && n != 0 && d.isOpen()
	})
	if g.open != nil {
		return g, true
	}
	if g.commit == "" {
		p.refuse("not landed", change.Words("This pull request has not landed, so there is no commit to deploy."))
		return g, false
	}
	g.open = tr.open(g.commit)
	return g, g.open != nil || !t.isUnknown(g.commit, p)
}

// commitOf returns what a pull request became on its branch; empty: it has not landed, as far as is known.
func (t *Turn) commitOf(o Order) change.SHA {
	if o.Commit != "" {
		return o.Commit
	}
	for _, l := range t.state.Landed {
		if l.Number == o.Pull.Number {
			return l.Commit
		}
	}
	_, d := t.state.where(func(d *Deployment) bool { return d.Number == o.Pull.Number && d.Number != 0 && d.Undoes == "" })
	if d != nil {
		return d.Commit
	}
	return ""
}

// mayBegin says whether an order can have a say in a deployment, or begin one. It cannot, which is answered, about what is there or under way, about
// what ended, and about what is contained in something newer; but whoever says that it was deployed knows better than the last two.
func (t *Turn) mayBegin(o Order, p *pending, g target) bool {
	in, commit := g.track.Environment, g.commit
	switch d := g.open; {
	case g.isThere():
		p.isThere(g)
		return false
	case d != nil && d.Phase == Deploying:
		p.refuse("under way", d.name(), change.Words(" is being deployed to "+in+" already."))
		return false
	case d != nil:
		return true
	}
	happened := o.Verb == command.Deployed
	if ran := g.track.ran(commit); ran != nil && (ran.Phase == Failed || ran.Phase == Cancelled) && !happened {
		says := " " + ended(ran.Phase) + " in " + in + ". To try again: "
		if t.wasRolledBack(ran) {
			says = " was rolled back in " + in + ". To bring it back: "
		}
		p.refuse("ended", ran.name(), change.Words(says), change.Code("/change start "+in), change.Words("."))
		return false
	}
	return happened || t.isNew(p, g)
}

// isNew says whether an environment does not hold yet what an order is about. What is contained in something newer is refused, unless that must be
// read first.
func (t *Turn) isNew(p *pending, g target) bool {
	current := g.track.Current()
	if current == nil {
		return true
	}
	b, read := t.between(current.Commit, g.commit)
	if read && b.Contained {
		p.refuse("overtaken", change.Code(g.commit.Short()), change.Words(" is contained in "), current.name(), change.Words(", which is in "+g.track.Environment+"."))
		return false
	}
	return read
}

// isThere refuses an order because its environment holds what it is about, or would if what came after it had been rolled back, which may be under way.
func (p *pending) isThere(g target) {
	in, last, back := g.track.Environment, g.track.lastSucceeded(), g.track.rollback()
	switch {
	case last.Commit == g.commit:
		p.refuse("already there", change.Code(g.commit.Short()), change.Words(" is in "+in+" already."))
	case back != nil:
		p.refuse("rolling back", change.Words(in+" goes back to "), back.name(), change.Words(" just now. Once that has ended, say it again."))
	default:
		p.refuse("to be rolled back", g.track.Current().name(), change.Words(" is what "+in+" goes back to from "), last.name(), change.Words(", which is there and was found not to work: "),
			change.Code("/change rollback "+in+" "+g.commit.Short()+` "what went wrong"`), change.Words("."))
	}
}

// draft returns the deployment that an order is about. One that the order begins is in no environment yet: see begin.
func (t *Turn) draft(o Order, g target) *Deployment {
	if g.open != nil {
		return g.open
	}
	return &Deployment{Commit: g.commit, Number: o.Pull.Number, Deployer: t.requester(o, g.commit), OnGitHub: t.ours()}
}

// begin returns the deployment that an order is about, which is begun if there is none.
func (t *Turn) begin(o Order, g target) *Deployment {
	d := t.draft(o, g)
	if g.open == nil {
		d = t.add(g.track, *d)
	}
	return d
}

// requester returns who counts as having requested a deployment that a command begins: whoever says deploy or deployed; else, where we deploy,
// whoever merged; else nobody yet.
func (t *Turn) requester(o Order, commit change.SHA) change.Account {
	switch {
	case o.Verb == command.Deploy || o.Verb == command.Deployed:
		return o.By
	case t.rules.Mode == Create && commit == o.Commit:
		return cmp.Or(t.merger(commit), o.Merger) // of what landed long ago nothing is remembered here
	case t.rules.Mode == Create:
		return t.merger(commit)
	default:
		return change.Account{}
	}
}

// merger returns who merged the pull request that became a commit, if that is known.
func (t *Turn) merger(commit change.SHA) change.Account {
	for _, l := range t.state.Landed {
		if l.Commit == commit {
			return l.By
		}
	}
	return change.Account{}
}

// isUnknown says whether a commit is not known to be on a governed branch. The order about it is refused then, unless that must be read first.
func (t *Turn) isUnknown(commit change.SHA, p *pending) bool {
	c, read := t.commit(commit)
	switch {
	case !read:
		return true
	case c.Unread:
		p.refuse("unread", change.Words("Whether "), change.Code(commit.Short()), change.Words(" is on a governed branch cannot be read just now. Try again."))
		return true
	case !c.Known:
		p.refuse("unknown commit", change.Code(commit.Short()), change.Words(" is not reachable from a governed branch."))
		return true
	}
	return false
}

// said is what an order says, by whoever gave it.
func (t *Turn) said(o Order) *Say {
	return &Say{By: o.By, Role: o.Role, At: t.now, Text: o.Reason, Comment: o.Comment}
}

// sayDeploy notes that somebody says that a deployment may go.
func (t *Turn) sayDeploy(o Order, p *pending, tr *Track) {
	g, ok := t.target(o, p, tr)
	if !ok || !t.mayBegin(o, p, g) {
		return
	}
	d := t.begin(o, g)
	switch {
	case d.Phase == Held:
		p.refuse("held", d.name(), change.Words(" is held. To let it go on: "), change.Code("/change start "+tr.Environment), change.Words("."))
		return
	case d.GoAhead != nil:
		p.refuse("said before", change.Login(d.GoAhead.By), change.Words(" said so already."))
	default:
		d.GoAhead = t.said(o)
		t.step("said", tr, d, o)
		p.done("said")
	}
	p.waits(d)
}

// accept gives a release approval.
func (t *Turn) accept(o Order, p *pending, tr *Track, e *Environment) {
	g, ok := t.target(o, p, tr)
	if !ok || !t.mayBegin(o, p, g) || !t.mayAccept(o, p, tr, e, t.draft(o, g)) {
		return
	}
	d := t.begin(o, g)
	say := t.said(o)
	say.Roles = rolesOf(e, o.Holds)
	say.Role = strings.Join(say.Roles, ", ")
	d.Accepted = append(d.Accepted, *say)
	t.step("accepted", tr, d, o)
	p.done("accepted")
	p.waits(d)
}

// mayAccept says whether a release approval can be given by whoever gives it.
func (t *Turn) mayAccept(o Order, p *pending, tr *Track, e *Environment, d *Deployment) bool {
	if len(rolesOf(e, o.Holds)) == 0 {
		var roles []string
		for _, s := range e.Release {
			roles = append(roles, s.Role)
		}
		p.refuse("no role", change.Login(o.By), change.Words(" holds none of the roles whose release approval "+e.Name+" asks for: "), t.rules.roles(roles), change.Words("."))
		return false
	}
	if slices.ContainsFunc(d.Accepted, func(s Say) bool { return s.By.ID == o.By.ID }) {
		p.refuse("accepted before", change.Login(o.By), change.Words(" accepted it already."))
		return false
	}
	ships := d.Changes
	if d.Undoes == "" {
		b, _, read := t.batch(tr, d)
		if !read {
			return false
		}
		ships = b.Changes
	}
	if why := barred(d, ships, o.By); why != "" {
		p.refuse("barred", change.Login(o.By), change.Words(" "+why+", and cannot be the one who accepts it."))
		return false
	}
	return true
}

// rolesOf returns which of somebody's roles an environment's release approvals ask for.
func rolesOf(e *Environment, holds []string) []string {
	var roles []string
	for _, s := range e.Release {
		if slices.Contains(holds, s.Role) && !slices.Contains(roles, s.Role) {
			roles = append(roles, s.Role)
		}
	}
	return roles
}

// override has a deployment pass hours and freezes.
func (t *Turn) override(o Order, p *pending, tr *Track) {
	g, ok := t.target(o, p, tr)
	if !ok || !t.mayBegin(o, p, g) {
		return
	}
	d := t.begin(o, g)
	if d.Override != nil {
		p.refuse("overridden before", change.Login(d.Override.By), change.Words(" did so already."))
	} else {
		d.Override = t.said(o)
		t.step("overridden", tr, d, o)
		p.done("overridden")
	}
	p.waits(d)
}

// hold takes a deployment out of the queue until somebody starts it again.
func (t *Turn) hold(o Order, p *pending, tr *Track) {
	g, ok := t.target(o, p, tr)
	if !ok || !t.mayBegin(o, p, g) {
		return
	}
	d := t.begin(o, g)
	if d.Phase == Held {
		p.refuse("held before", d.name(), change.Words(" is held already."))
		return
	}
	t.phase(d, Held)
	d.Why = o.Reason
	t.step("held", tr, d, o)
	p.done("held", d.name(), change.Words(" is held. To let it go on: "), change.Code("/change start "+tr.Environment), change.Words("."))
}

// step adds evidence that an order changed something about a deployment.
func (t *Turn) step(name string, tr *Track, d *Deployment, o Order) {
	t.moved = true
	t.entry(name, tr, d, o.By, o.Reason)
}

// sayDeployed notes that something deployed it which does not tell GitHub.
func (t *Turn) sayDeployed(o Order, p *pending, tr *Track) {
	g, ok := t.target(o, p, tr)
	if !ok {
		return
	}
	d := g.open
	if d == nil || d.Phase != Deploying {
		if !t.mayBegin(o, p, g) {
			return
		}
		d = t.begin(o, g)
		d.Deployer = o.By
		t.past(tr, d, nil)
		if t.rules.Mode == Create && d.GitHub == 0 {
			d.Own = false // a deployment on GitHub would have it deployed again
		}
	}
	t.entry("said to be deployed", tr, d, o.By, "")
	t.succeed(tr, d)
	p.done("deployed")
}

// startAgain lets go on what was held, and queues again what came to nothing or was taken off. If it was let through before, or taken off, whoever
// has that done says that it may go, too: there is nothing else that they could mean. What people never let go waits for that as before.
func (t *Turn) startAgain(o Order, p *pending, tr *Track) {
	g, ok := t.target(o, p, tr)
	if !ok {
		return
	}
	if d := g.open; d != nil {
		switch d.Phase {
		case Held:
			t.phase(d, Waiting)
			d.Why = ""
			t.entry("started", tr, d, o.By, "")
			p.done("started")
			p.waits(d)
		case Deploying:
			p.refuse("under way", d.name(), change.Words(" is being deployed to "+tr.Environment+" already."))
		default:
			p.refuse("not held", d.name(), change.Words(" is not held."))
			p.waits(d)
		}
		return
	}
	was := tr.newest(func(d *Deployment) bool { return d.Commit == g.commit })
	switch {
	case was == nil:
		p.refuse("not begun", change.Words("Nothing of this pull request was held, cancelled or failed in "+tr.Environment+"."))
	case g.isThere():
		p.isThere(g)
	case t.isNew(p, g):
		d := t.add(tr, Deployment{
			Commit: g.commit, Number: was.Number, Deployer: o.By, OnGitHub: t.ours(),
			Consent: Consent{Started: t.said(o)},
		})
		wasLet := func(d *Deployment) bool { return d.Commit == g.commit && !d.Began.IsZero() && !d.BypassedPolicy }
		if tr.newest(wasLet) != nil || wasUndone(tr, g.commit, was.Number) {
			d.GoAhead = t.said(o)
		}
		t.entry("started", tr, d, o.By, "")
		p.done("started")
		p.waits(d)
	}
}

// cancel takes something out of the queue, or gives up what is under way; whatever deploys it is not stopped by that.
func (t *Turn) cancel(o Order, p *pending, tr *Track) {
	g, ok := t.target(o, p, tr)
	d := g.open
	switch {
	case !ok:
		return
	case g.isThere():
		p.refuse("already there", change.Words("It is in "+tr.Environment+" already: take it back with "), change.Code(`/change rollback `+tr.Environment+` "what went wrong"`), change.Words("."))
		return
	case d == nil:
		p.refuse("not waiting", change.Words("Nothing of this pull request waits in "+tr.Environment+", or is under way there."))
		return
	}
	why := "cancelled by " + o.By.Login
	if o.Reason != "" {
		why = o.Reason
	}
	under := d.Phase == Deploying
	t.end(tr, d, Cancelled, why, o.By)
	if under {
		p.done("cancelled", change.Words("Other deployments no longer wait for it. Whatever is deploying it is not stopped by this."))
		return
	}
	p.done("cancelled")
}
