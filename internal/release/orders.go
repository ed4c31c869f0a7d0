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

// lists answers with what an environment holds, and what waits there for what; nil: each environment.
func (p *pending) lists(only *Environment) {
	p.done("listed")
	p.list = true
	if only != nil {
		p.only = only.Name
	}
}

// waits completes the answer with what a deployment waits for then.
func (p *pending) waits(d *Deployment) { p.of = d }

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
		p.refuse("off", change.Words("By the policy of this repository nothing is done about deployments: it names no "), change.Code("environments"), change.Words(", or says "), change.Code("deployments: off"), change.Words("."))
		return
	}
	tr, e := t.meant(o, p)
	if p.reply.Outcome != "" {
		return
	}
	switch o.Verb {
	case command.Queue:
		p.lists(e)
	case command.Freeze:
		t.freeze(o, p, tr)
	case command.Thaw:
		t.thaw(o, p, tr)
	case command.Verified:
		t.sayVerified(o, p, tr, e)
	case command.Rollback:
		t.askRollback(o, p, tr)
	case command.Deploy:
		t.sayDeploy(o, p, tr)
	case command.Accept:
		t.accept(o, p, tr, e)
	case command.Override:
		t.override(o, p, tr)
	case command.Hold:
		t.hold(o, p, tr)
	case command.Deployed:
		t.sayDeployed(o, p, tr)
	case command.Start:
		t.startAgain(o, p, tr)
	case command.Cancel:
		t.cancel(o, p, tr)
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
func (t *Turn) meant(o Order, p *pending) (*Track, *Environment) {
	if o.Environment != "" {
		e, ok := t.rules.Find(o.Environment)
		if !ok {
			p.refuse("unknown environment", change.Words("The policy names no environment "), change.Code(o.Environment), change.Words(". It names "), t.environments(), change.Words("."))
			return nil, nil
		}
		return t.track(e.Name), e
	}
	if o.Verb == command.Queue {
		return nil, nil
	}
	var tracks []*Track
	for _, e := range t.rules.Environments {
		tr := t.state.Tracks[strings.ToLower(e.Name)]
		if tr == nil {
			continue
		}
		switch o.Verb {
		case command.Verified:
			if tr.toVerify(o.Pull.Number) != nil {
				tracks = append(tracks, tr)
			}
		case command.Rollback:
			if h := tr.head(); h != nil && h.isAbout(o.Pull.Number) {
				tracks = append(tracks, tr)
			}
		}
	}
	switch len(tracks) {
	case 1:
		e, _ := t.rules.Find(tracks[0].Environment)
		return tracks[0], e
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
