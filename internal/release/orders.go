package release

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// pending is a reply that is completed when it is known how a deployment stands.
type pending struct {
	reply Reply
	lane  *Lane
	of    *Deployment // nil: there is nothing to complete
	list  bool        // it is a list, of one environment or all
	only  string
}

// Order tells of a command. It is carried out or refused once: told again, it is answered alike and changes nothing.
func (t *Turn) Order(o Order) {
	said := func(r Reply) bool { return r.Comment == o.Comment }
	if i := slices.IndexFunc(t.state.Given, said); i >= 0 && o.Comment != 0 {
		t.pending = append(t.pending, &pending{reply: t.state.Given[i]})
		return
	}
	if o.Comment != 0 && slices.ContainsFunc(t.pending, func(p *pending) bool { return said(p.reply) }) {
		return
	}
	p := &pending{reply: Reply{Comment: o.Comment, Number: o.Pull.Number}}
	t.pending = append(t.pending, p)
	t.carryOut(o, p)
}

// answerOrders completes the replies, and remembers them. A list is not remembered: it says how things stand whenever it is asked for.
func (t *Turn) answerOrders() {
	for _, p := range t.pending {
		if p.list {
			p.reply.Says = t.listing(p.only)
		}
		if d := p.of; d != nil && d.Phase.waits() {
			says := "It still "
			if !p.reply.Says.IsEmpty() {
				says = " " + says
			}
			p.reply.Says = change.Say(p.reply.Says, change.Words(says), d.Waits.phrase(t.now), change.Words("."))
		}
		t.out.Replies = append(t.out.Replies, p.reply)
		known := slices.ContainsFunc(t.state.Given, func(r Reply) bool { return r.Comment == p.reply.Comment })
		if p.reply.Comment != 0 && !known && p.reply.Outcome != "listed" {
			t.state.Given = append(t.state.Given, p.reply)
		}
	}
}

// refuse answers that an order is not carried out, and why, in sentences.
func (p *pending) refuse(outcome string, says ...change.Text) {
	p.reply.Done, p.reply.Outcome, p.reply.Says = false, outcome, change.Say(says...)
}

// notPermitted answers whoever may not give an order.
func (p *pending) notPermitted(o Order) {
	p.refuse("may not", command.NotPermitted(orNobody(o.Who)).Says)
}

// done answers that an order was carried out; an empty text has the reaction say so.
func (p *pending) done(outcome string, says ...change.Text) {
	p.reply.Done, p.reply.Outcome, p.reply.Says = true, outcome, change.Say(says...)
}

// waits completes the answer with what a deployment waits for then.
func (p *pending) waits(l *Lane, d *Deployment) { p.lane, p.of = l, d }

// carryOut carries an order out. Whether somebody may is looked at before what they ask for, so that nobody learns by asking.
func (t *Turn) carryOut(o Order, p *pending) {
	if e, ok := t.rules.Find(o.Environment); ok && o.Verb == command.Accept && len(e.Release) == 0 {
		// Nobody may, because there is nothing that anybody could.
		p.refuse("not asked for", change.Words(e.Name+" asks for no release approval."))
		return
	}
	switch {
	case o.Unknown:
		p.refuse("authority unknown", command.PermissionUnknown(o.By, orNobody(o.Who)).Says)
		return
	case !o.May && !(o.Verb == command.Verified && len(o.Holds) > 0): // which environment's role it takes is known later
		p.notPermitted(o)
		return
	case t.rules.Mode == Off || t.rules.Mode == "" || len(t.rules.Environments) == 0:
		p.refuse("off", change.Words("The policy of this repository has nothing done about deployments."))
		return
	}
	l, e := t.meant(o, p)
	if p.reply.Outcome != "" {
		return
	}
	switch o.Verb {
	case command.Queue:
		t.list(o, p, e)
	case command.Freeze:
		t.freeze(o, p, l)
	case command.Thaw:
		t.thaw(o, p, l)
	case command.Verified:
		t.sayVerified(o, p, l, e)
	case command.Rollback:
		t.askRollback(o, p, l, e)
	case command.Deploy, command.Accept, command.Override, command.Hold, command.Start, command.Cancel, command.Deployed:
		t.orderOf(o, p, l, e)
	default:
		p.refuse("unknown", change.Code(string(o.Verb)), change.Words(" is no command about deployments."))
	}
}

func orNobody(who change.Text) change.Text {
	if who.IsEmpty() {
		return change.Words("nobody, as the policy stands")
	}
	return who
}

// meant returns the environment that an order is about. One that is left out is the one where the pull request's change is, if that is one
// alone; of a list it is all.
func (t *Turn) meant(o Order, p *pending) (*Lane, *Environment) {
	if o.Environment != "" {
		e, ok := t.rules.Find(o.Environment)
		if !ok {
			p.refuse("unknown environment", change.Words("The policy names no environment "), change.Code(o.Environment), change.Words(". It names "), t.environments(), change.Words("."))
			return nil, nil
		}
		return t.lane(e.Name), e
	}
	if o.Verb == command.Queue {
		return nil, nil
	}
	var lanes []*Lane
	for _, e := range t.rules.Environments {
		l := t.state.Lanes[strings.ToLower(e.Name)]
		if l == nil {
			continue
		}
		switch o.Verb {
		case command.Verified:
			if l.toVerify(o.Pull.Number) != nil {
				lanes = append(lanes, l)
			}
		case command.Rollback:
			if h := l.head(); h != nil && h.brings(o.Pull.Number) {
				lanes = append(lanes, l)
			}
		}
	}
	switch len(lanes) {
	case 1:
		e, _ := t.rules.Find(lanes[0].Environment)
		return lanes[0], e
	case 0:
		if o.Verb == command.Verified {
			p.refuse("not deployed", change.Words("Nothing of this pull request waits to be verified anywhere."))
		} else {
			p.refuse("not deployed", change.Words("No environment holds this pull request's change as the last that was deployed. Name the environment: "), t.environments(), change.Words("."))
		}
	default:
		p.refuse("which environment", change.Words("More than one environment could be meant. Name it: "), t.environments(), change.Words("."))
	}
	return nil, nil
}

func (t *Turn) environments() change.Text {
	names := make([]change.Text, len(t.rules.Environments))
	for i, e := range t.rules.Environments {
		names[i] = change.Code(e.Name)
	}
	return change.Join(", ", names)
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

// orderOf carries out an order about the deployment of the pull request's commit, or about the rollback that was asked for on it.
func (t *Turn) orderOf(o Order, p *pending, l *Lane, e *Environment) {
	n := o.Pull.Number
	d := l.newest(func(d *Deployment) bool {
		return d.Undoes != "" && d.On == n && n != 0 && (d.Phase.waits() || d.Phase == Deploying)
	})
	commit := t.commitOf(o)
	if d == nil && commit == "" {
		p.refuse("not landed", change.Words("This pull request has not landed, so that there is no commit to deploy."))
		return
	}
	if d == nil {
		d = l.open(commit)
	}
	if d == nil && t.isUnknown(commit, p) {
		return
	}
	current := l.current()
	there := current != nil && d == nil && current.Commit == commit
	switch o.Verb {
	case command.Start:
		t.startAgain(o, p, l, d, commit)
		return
	case command.Cancel:
		t.cancel(o, p, l, d, there)
		return
	}
	switch {
	case there:
		p.refuse("already there", change.Code(commit.Short()), change.Words(" is in "+l.Environment+" already."))
		return
	case d != nil && d.Phase == Deploying && o.Verb == command.Deployed:
		t.deployed(o, p, l, d)
		return
	case d != nil && d.Phase == Deploying:
		p.refuse("under way", d.name(), change.Words(" is being deployed to "+l.Environment+" already."))
		return
	case d == nil:
		if ran := l.ran(commit); ran != nil && (ran.Phase == Failed || ran.Phase == Cancelled) && o.Verb != command.Deployed {
			p.refuse("ended", ran.name(), change.Words(" "+ended(ran.Phase)+" in "+l.Environment+". To try again: "), change.Code("/change start "+l.Environment), change.Words("."))
			return
		}
		b, read := Batch{}, true
		if current != nil {
			b, read = t.between(current.Commit, commit)
		}
		if !read {
			return
		}
		if b.Contained && o.Verb != command.Deployed {
			p.refuse("overtaken", change.Code(commit.Short()), change.Words(" is contained in "), current.name(), change.Words(", which is in "+l.Environment+"."))
			return
		}
	}
	begins := d == nil
	if begins {
		d = &Deployment{Commit: commit, Number: n, Deployer: t.asksFor(o, commit), Own: t.rules.Mode == Create}
	}
	if o.Verb == command.Accept && !t.mayAccept(o, p, l, e, d) {
		return
	}
	if begins {
		d = t.add(l, *d)
	}
	say := &Say{By: o.By, Role: o.Role, At: t.now, Text: o.Reason, Comment: o.Comment}
	step := ""
	switch o.Verb {
	case command.Deploy:
		switch {
		case d.Phase == Held:
			p.refuse("held", d.name(), change.Words(" is held. To let it go on: "), change.Code("/change start "+l.Environment), change.Words("."))
			return
		case d.Say != nil:
			p.refuse("said before", change.Login(d.Say.By), change.Words(" said so already."))
		default:
			d.Say, step = say, "said"
			p.done("said")
		}
	case command.Accept:
		say.Roles = rolesOf(e, o.Holds)
		say.Role = strings.Join(say.Roles, ", ")
		d.Accepted, step = append(d.Accepted, *say), "accepted"
		p.done("accepted")
	case command.Override:
		if d.Override != nil {
			p.refuse("overridden before", change.Login(d.Override.By), change.Words(" did so already."))
			break
		}
		d.Override, step = say, "overridden"
		p.done("overridden")
	case command.Hold:
		if d.Phase == Held {
			p.refuse("held before", d.name(), change.Words(" is held already."))
			return
		}
		t.phase(d, Held)
		d.Why = o.Reason
		step = "held"
		p.done("held", d.name(), change.Words(" is held. To let it go on: "), change.Code("/change start "+l.Environment), change.Words("."))
		t.entry(step, l, d, o.By, o.Reason)
		return
	case command.Deployed:
		t.deployed(o, p, l, d)
		return
	}
	if step != "" {
		t.moved = true
		t.entry(step, l, d, o.By, o.Reason)
	}
	p.waits(l, d)
}

// asksFor returns who asks for a deployment that an order begins. Whoever only has a say in it does not: what we deploy is asked for by who
// merged it, and what others deploy by whoever causes the job.
func (t *Turn) asksFor(o Order, commit change.SHA) change.Account {
	switch {
	case o.Verb == command.Deploy || o.Verb == command.Deployed:
		return o.By
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

// isUnknown refuses what is said of a commit that is not on a governed branch.
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

// mayAccept says whether a release approval can be given by whoever gives it.
func (t *Turn) mayAccept(o Order, p *pending, l *Lane, e *Environment, d *Deployment) bool {
	if len(rolesOf(e, o.Holds)) == 0 {
		var roles []string
		for _, s := range e.Release {
			roles = append(roles, s.Role)
		}
		p.refuse("no role", change.Login(o.By), change.Words(" holds none of the roles whose release approval "+e.Name+" asks for: "), roleNames(roles), change.Words("."))
		return false
	}
	if slices.ContainsFunc(d.Accepted, func(s Say) bool { return s.By.ID == o.By.ID }) {
		p.refuse("accepted before", change.Login(o.By), change.Words(" accepted it already."))
		return false
	}
	ships := d.Changes
	if d.Undoes == "" {
		b, _, read := t.batch(l, d)
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

// deployed notes that something deployed it which does not tell GitHub.
func (t *Turn) deployed(o Order, p *pending, l *Lane, d *Deployment) {
	if d.Phase != Deploying {
		d.Deployer = o.By
		t.past(l, d, nil)
		if t.rules.Mode == Create && d.GitHub == 0 {
			d.Own = false // a deployment on GitHub would have it deployed again
		}
	}
	t.entry("said to be deployed", l, d, o.By, "")
	t.succeed(l, d)
	p.done("deployed")
}

// startAgain lets go on what was held, and queues again what came to nothing.
func (t *Turn) startAgain(o Order, p *pending, l *Lane, d *Deployment, commit change.SHA) {
	if d != nil {
		switch d.Phase {
		case Held:
			t.phase(d, Waiting)
			d.Why = ""
			t.entry("started", l, d, o.By, "")
			p.done("started")
			p.waits(l, d)
		case Deploying:
			p.refuse("under way", d.name(), change.Words(" is being deployed to "+l.Environment+" already."))
		default:
			p.refuse("not held", d.name(), change.Words(" is not held."))
			p.waits(l, d)
		}
		return
	}
	was := l.newest(func(d *Deployment) bool { return d.Commit == commit })
	switch {
	case was == nil:
		p.refuse("not begun", change.Words("Nothing of this pull request was held, cancelled or failed in "+l.Environment+"."))
	case was.Phase.succeeded():
		p.refuse("already there", was.name(), change.Words(" was deployed to "+l.Environment+"."))
	case was.Phase == Overtaken:
		p.refuse("overtaken", was.name(), change.Words(": "), change.Quote(was.Why), change.Words("."))
	default:
		d := t.add(l, Deployment{
			Commit: commit, Number: was.Number, Deployer: o.By, Own: t.rules.Mode == Create, Started: &Say{By: o.By, Role: o.Role, At: t.now, Comment: o.Comment},
		})
		t.entry("started", l, d, o.By, "")
		p.done("started")
		p.waits(l, d)
	}
}

// cancel takes something out of the queue, or gives up what is under way; whatever deploys it is not stopped by that.
func (t *Turn) cancel(o Order, p *pending, l *Lane, d *Deployment, there bool) {
	if d == nil {
		if there {
			p.refuse("already there", change.Words("It is in "+l.Environment+" already: take it back with "), change.Code(`/change rollback `+l.Environment+` "what went wrong"`), change.Words("."))
			return
		}
		p.refuse("not waiting", change.Words("Nothing of this pull request waits in "+l.Environment+", or is under way there."))
		return
	}
	why := "cancelled by " + o.By.Login
	if o.Reason != "" {
		why = o.Reason
	}
	under := d.Phase == Deploying
	t.end(l, d, Cancelled, why, o.By)
	if under {
		p.done("cancelled", change.Words("Its place is free. What deploys it is not stopped by this."))
		return
	}
	p.done("cancelled")
}
