package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// GitHub tells nobody that a comment was edited. What somebody must know of or do something about is a prompt: a comment of its own, once.

// prompt asks some people for something that has to do with a deployment, on a pull request.
func (t *Turn) prompt(d *Deployment, what string, n change.Number, says change.Text, of ...change.Account) {
	p := Prompt{Key: fmt.Sprintf("prompt:%s:%s", d.ID, what), Number: n, Says: command.Sentence(says)}
	for _, a := range of {
		if isPerson(a) && !slices.Contains(p.Of, a) {
			p.Of = append(p.Of, a)
		}
	}
	if d.Phase == Failed {
		p.LogURL = d.LogURL
	}
	if n != 0 && !slices.ContainsFunc(t.out.Prompts, func(o Prompt) bool { return o.Key == p.Key }) {
		t.out.Prompts = append(t.out.Prompts, p)
	}
}

func isPerson(a change.Account) bool { return a.Known() && !a.IsBot() }

// deployer returns who is told what becomes of a deployment: who asked for it or caused it or, where that is no person, who merged its pull
// request. Where that is none either it is not known.
func (t *Turn) deployer(d *Deployment) change.Account {
	if isPerson(d.Deployer) {
		return d.Deployer
	}
	for _, l := range t.state.Landed {
		if l.Number == d.Number && isPerson(l.By) {
			return l.By
		}
	}
	return change.Account{}
}

// whom addresses the deployer.
func (t *Turn) whom(d *Deployment) change.Text {
	a := t.deployer(d)
	if !a.Known() {
		return nil
	}
	return change.Say(change.Login(a), change.Words(": "))
}

// askVerified asks whether what was deployed works. What was replaced since is owed an answer all the same: it is an exception if there is none.
func (t *Turn) askVerified(tr *Track, e *Environment, d *Deployment) {
	is := change.Words(" is in " + tr.Environment)
	if d.Monitor > 0 {
		is = change.Say(is, change.Words(", and has been watched for long enough"))
	}
	if c := tr.Current(); c != d {
		is = change.Say(change.Words(" was deployed to "+tr.Environment+", and runs on there as part of "), c.name())
	}
	var verifier change.Text
	if e.Verify.Role != "" {
		verifier = change.Say(change.Words(", which "), t.rules.holderOf(e.Verify.Role), change.Words(" has to do"))
	}
	t.prompt(d, "verify", d.Number, change.Say(t.whom(d), d.name(), is, change.Words(". Does it work? If so, comment "),
		change.Code(`/change verified `+tr.Environment+` "what was looked at"`), verifier, change.Words("; if not, "), t.takeBack(tr, d.Number),
		change.Words(". If nobody says so by "+t.stamp(d.silenceEnds(e))+", it becomes an exception.")), t.deployer(d))
}

// takeBack says what takes back what an environment holds, to somebody who reads it on a pull request: in words that can follow others.
func (t *Turn) takeBack(tr *Track, on change.Number) change.Text {
	undo := tr.head() // there is one: what can be taken back was deployed
	to := tr.lastVerified(t, undo)
	say := change.Code(`/change rollback ` + tr.Environment + ` "what went wrong"`)
	switch {
	case to == nil:
		return change.Words("fix it with another change: no earlier version was verified there")
	case undo.isAbout(on):
		return change.Say(change.Words("comment "), say)
	case undo.Number == 0:
		return change.Say(change.Words("comment "), change.Code(`/change rollback `+tr.Environment+` `+to.Commit.Short()+` "what went wrong"`))
	default:
		return change.Say(change.Words(fmt.Sprintf("comment on #%d ", undo.Number)), say)
	}
}

// failedIn says that a deployment failed in an environment, and why, without a full stop.
func (d *Deployment) failedIn(tr *Track) change.Text {
	return change.Say(d.name(), change.Words(" failed in "+tr.Environment+": "), change.Quote(strings.TrimRight(d.Why, ".")))
}

// tellFailed tells that a deployment failed which is not rolled back, and what can be done about it.
func (t *Turn) tellFailed(tr *Track, e *Environment, d *Deployment) {
	what := change.Say(d.failedIn(tr), change.Words(". "))
	c, r := tr.Current(), tr.rollback()
	switch {
	case d.Undoes != "":
		what = change.Say(change.Words("the rollback to "), what, change.Words("To try that again, comment "),
			change.Code(`/change rollback `+tr.Environment+` `+d.Commit.Short()+` "what went wrong"`))
	case r != nil:
		what = change.Say(what, change.Words("The rollback to "), r.name(), change.Words(" is on its way already"))
	case !tr.isLast(d):
		what = change.Say(what, change.Words(tr.Environment+" holds "), c.name(), change.Words(" by now. If that does not work either, "), t.takeBack(tr, d.Number))
	default:
		if d.NothingToRollBackTo {
			what = change.Say(what, change.Words("No earlier version was verified there, so there is nothing to roll back to. "))
		}
		what = change.Say(what, change.Words("Fix it with another change, or "), tr.tryAgain(d, t.rules.Mode))
		if to := tr.lastVerified(t, d); e.Watched && to != nil {
			what = change.Say(what, change.Words("; to go back to "), to.name(), change.Words(", "), t.takeBack(tr, cmp.Or(d.AskedOn, d.Number)))
		}
	}
	t.prompt(d, "failed", cmp.Or(d.AskedOn, d.Number), change.Say(t.whom(d), what, change.Words(".")), t.deployer(d))
}

// tryAgain says how what failed is tried again, in words that can follow others. What the environment holds by an earlier deployment is not
// queued again.
func (tr *Track) tryAgain(d *Deployment, m Mode) change.Text {
	if c := tr.Current(); m == Create && (c == nil || c.Commit != d.Commit) {
		return change.Say(change.Words("try it again with "), change.Code("/change start "+tr.Environment))
	}
	return change.Words("have it deployed again")
}

// isLast says whether nothing succeeded in the environment since a deployment began or succeeded.
func (tr *Track) isLast(d *Deployment) bool {
	c := tr.Current()
	return c == nil || c == d || c.order() < d.order()
}

// tellUndone tells that a deployment failed and is rolled back by itself, and what goes with it.
func (t *Turn) tellUndone(tr *Track, d, back *Deployment, undone []*Deployment) {
	of := []change.Account{t.deployer(d)}
	which := ", which was verified there last"
	if back.BeforeLastVerified {
		which = " once that was said and accepted: what was verified there last is on no governed branch any more"
	}
	says := change.Say(t.whom(d), d.failedIn(tr), change.Words(". "+tr.Environment+" goes back to "), back.name(), change.Words(which))
	if others := slices.DeleteFunc(undone, func(o *Deployment) bool { return o == d }); len(others) > 0 {
		with, theirs := t.undone(others, t.deployer(d))
		says, of = change.Say(says, change.Words("; this also takes back "), with), append(of, theirs...)
	}
	says = change.Say(says, change.Words("."))
	if t.rules.Mode == Record {
		says = change.Say(says, change.Words(" "), command.Sentence(t.haveRun(tr, back)))
	}
	t.prompt(d, "undone", d.Number, says, of...)
}

// maxUndone is how many of those are named that a rollback takes off.
const maxUndone = 5

// undone names what a rollback takes off, each commit once, and those of others than by who had it deployed.
func (t *Turn) undone(all []*Deployment, by change.Account) (names change.Text, of []change.Account) {
	var commits []change.SHA
	for _, d := range slices.Backward(all) {
		if !slices.Contains(commits, d.Commit) {
			commits = append(commits, d.Commit)
		}
	}
	var each []change.Text
	for i, commit := range commits {
		if i == maxUndone {
			each = append(each, change.Words(fmt.Sprintf("%d more", len(commits)-i)))
			break
		}
		var name change.Text
		var theirs []change.Account
		for _, d := range slices.Backward(all) {
			if d.Commit != commit {
				continue
			}
			name = d.name()
			if a := t.deployer(d); a.Known() && a.ID != by.ID && !slices.Contains(theirs, a) {
				theirs = append(theirs, a)
			}
		}
		if len(theirs) > 0 {
			name = change.Say(name, change.Words(", which "), change.Join(" and ", logins(theirs)), change.Words(" had deployed"))
		}
		each, of = append(each, name), append(of, theirs...)
	}
	return change.Join(", and ", each), of
}

func logins(all []change.Account) []change.Text {
	names := make([]change.Text, len(all))
	for i, a := range all {
		names[i] = change.Login(a)
	}
	return names
}

// haveRun asks to have a rollback deployed, where that is not for us to do.
func (t *Turn) haveRun(tr *Track, d *Deployment) change.Text {
	_, undo := t.state.find(d.Undoes)
	goes := " and is let through"
	if d.BeforeLastVerified {
		goes = ", once it was said and accepted"
	}
	return change.Say(change.Words("have "), d.name(), change.Words(" deployed to "+tr.Environment+", to roll back "), undo.name(),
		change.Words(" (the policy has us follow deployments, not make them). It goes before all else"+goes+"."))
}

// promptGoAhead tells once that nothing is missing but that somebody says that a deployment may go; once more, and who said so before as well, if a
// rollback took that away. Whoever said something of it just now is told so by the answer, on the same pull request.
func (t *Turn) promptGoAhead(tr *Track, d *Deployment, v verdict) {
	if d.Prompted {
		return
	}
	d.Prompted = true
	if slices.ContainsFunc(t.pending, func(p *pending) bool { return p.of == d }) {
		return
	}
	key, of := "hands", []change.Account{t.deployer(d)}
	again := change.Words(". ")
	if d.Lapsed != nil {
		key = fmt.Sprintf("hands:%d", d.Lapsed.Comment)
		if d.GoAhead == nil {
			again = change.Say(change.Words(" again: "), change.Login(d.Lapsed.By), change.Words(" said so before the last rollback there. "))
			of = append(of, d.Lapsed.By)
		}
	}
	t.prompt(d, key, cmp.Or(d.AskedOn, d.Number), change.Say(t.whom(d), d.name(), change.Words(" can go to "+tr.Environment+" once people say so"), again,
		change.Words("It waits for "), t.describe(v).For, change.Words(".")), of...)
}
