package release

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// polling is how often checks that are awaited are read, and rarely how often once watch and grace have passed without them.
const (
	polling = time.Minute
	rarely  = time.Hour
)

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// succeed notes that a deployment succeeded. Its watch begins, if there is one; where nothing is to be verified it is verified at once.
func (t *Turn) succeed(tr *Track, d *Deployment) {
	t.phase(d, Watching)
	t.noteThere(tr, d)
	t.watch(tr, d)
}

// noteThere notes that the version of a deployment is what runs in the environment from now on, whether or not it is to stay.
func (t *Turn) noteThere(tr *Track, d *Deployment) {
	t.state.Steps++
	d.SucceededStep, d.Ended = t.state.Steps, t.now
	t.moved = true
	t.entry("succeeded", tr, d, change.Account{}, "")
}

// watch moves on what was deployed: it is verified once its checks succeeded and somebody said that it works, where that is asked for. A check
// that failed is a failed verification. When the watch ends with nothing said, its deployer is asked; when grace has passed, it is an
// exception.
func (t *Turn) watch(tr *Track, d *Deployment) {
	e, _ := t.environment(tr)
	checked := true
	if len(e.Verify.Checks) > 0 {
		failed, awaited := t.verification(e, d)
		if failed != "" {
			t.fail(tr, d, FailedVerification, "the check "+failed+" failed")
			return
		}
		checked = !awaited
	}
	person := e.hasPerson()
	if checked && (!person || d.Verified != nil) {
		t.verified(tr, e, d)
		return
	}
	if !checked {
		if d.Phase == Watching {
			t.wakeAt(t.now.Add(polling))
		} else {
			t.wakeAt(t.now.Add(rarely))
		}
	}
	ends := d.watchEnds()
	t.wakeAt(ends)
	if person && d.Verified == nil && d.AskedToVerify.IsZero() && !t.now.Before(ends) {
		d.AskedToVerify = t.now
		t.askVerified(tr, e, d)
	}
	silent := d.silenceEnds(e)
	t.wakeAt(silent)
	if d.Phase == Watching && !t.now.Before(silent) {
		t.phase(d, Unverified)
		t.entry("not verified", tr, d, change.Account{}, "")
		what := change.Say(change.Words("nobody said in time that "), d.name(), change.Words(" works in "+tr.Environment))
		if !person || d.Verified != nil {
			what = change.Say(change.Words("the checks that verify "), d.name(), change.Words(" in "+tr.Environment+" did not succeed in time"))
		}
		// Its deployer was asked, and is not the one to explain why nothing was said.
		t.exception(d.ID, change.Exception{
			Kind: change.NotVerified, Environment: tr.Environment, After: d.Commit, Number: d.Number, At: t.now, By: []change.Account{d.Deployer}, What: what,
		})
	}
}

// askedLate is how long after a watch its deployer must have been asked for that to be more than the time that a run takes to come.
const askedLate = 5 * time.Minute

// silenceEnds is when it is an exception that nobody said that a deployment works: when grace has passed since its watch ended or, where its deployer
// was asked late because nobody was there to ask, since then.
func (d *Deployment) silenceEnds(e *Environment) time.Time {
	from := d.watchEnds()
	if d.AskedToVerify.Sub(from) > askedLate {
		from = d.AskedToVerify
	}
	return from.Add(e.Grace)
}

// hasPerson says whether somebody has to say that what was deployed works.
func (e *Environment) hasPerson() bool { return e.Watched || e.Verify.Role != "" }

// verification reads the checks of an environment: of the runs that count all of each name must have succeeded, and there must be some. Failed
// names one that ended otherwise. What has yet to be read is awaited.
func (t *Turn) verification(e *Environment, d *Deployment) (failed string, awaited bool) {
	all, read := t.checks(d.Commit)
	if !read {
		return "", true
	}
	for _, want := range e.Verify.Checks {
		runs := d.runsOf(want, all)
		for _, c := range runs {
			switch c.State {
			case change.CheckSuccess:
			case change.CheckPending:
				awaited = true
			default:
				return want.Name, false
			}
		}
		awaited = awaited || len(runs) == 0
	}
	return "", awaited
}

// runsOf returns the runs of a check that count for a deployment: those that began when it did or later, without those that a re-run replaced.
func (d *Deployment) runsOf(want Check, all []change.Check) []change.Check {
	began := d.Began.Truncate(time.Second) // GitHub's times are whole seconds
	return slices.DeleteFunc(change.LatestRuns(all), func(c change.Check) bool {
		return c.Name != want.Name || want.App != "" && c.App != want.App || cmp.Or(c.Started, c.At).Before(began)
	})
}

// verified notes that a deployment was verified as far as the policy asks. If somebody said that it works, that counts for the deployments before it
// as well that nobody has spoken for and that were watched for long enough.
func (t *Turn) verified(tr *Track, e *Environment, d *Deployment) {
	t.phase(d, Verified)
	var by change.Account
	says := ""
	if d.Verified != nil {
		by, says = d.Verified.By, d.Verified.Text
		for _, o := range tr.Deployments {
			if (o.Phase == Watching || o.Phase == Unverified) && o.Verified == nil && o.SucceededStep < d.SucceededStep && !t.now.Before(o.watchEnds()) {
				said := *d.Verified
				o.Verified = &said
			}
		}
	}
	t.entry("verified", tr, d, by, says)
	for _, want := range e.Verify.Checks {
		all, _ := t.checks(d.Commit) // they were read to find that it is verified
		entry := &t.out.Entries[len(t.out.Entries)-1]
		entry.Checks = append(entry.Checks, d.runsOf(want, all)...)
	}
	t.promote(tr, d)
}

// awaits says what is missing until a deployment is verified.
func (t *Turn) awaits(tr *Track, d *Deployment) Waits {
	e, _ := t.environment(tr)
	var what []change.Text
	if e.hasPerson() && d.Verified == nil {
		who := change.Words("somebody who may give the command ")
		if e.Verify.Role != "" {
			who = change.Say(t.rules.holderOf(e.Verify.Role), change.Words(" to comment "))
		}
		what = append(what, change.Say(who, change.Code("/change verified "+e.Name)))
	}
	if len(e.Verify.Checks) > 0 {
		if _, awaited := t.verification(e, d); awaited {
			names := make([]change.Text, len(e.Verify.Checks))
			for i, c := range e.Verify.Checks {
				names[i] = change.Code(c.Name)
			}
			the := "the check "
			if len(names) > 1 {
				the = "the checks "
			}
			what = append(what, change.Say(change.Words(the), change.Join(", ", names)))
		}
	}
	if len(what) == 0 {
		what = append(what, change.Words("its verification"))
	}
	w := Waits{For: change.Join(" and ", what)}
	if ends := d.watchEnds(); ends.After(t.now) {
		w.Until = ends
	}
	return w
}

// toVerify returns what ships a pull request's change and is watched.
func (tr *Track) toVerify(n change.Number) *Deployment {
	is := func(d *Deployment) bool { return d.Phase == Watching || d.Phase == Unverified }
	if d := tr.newest(func(d *Deployment) bool { return is(d) && n != 0 && (d.Number == n || d.AskedOn == n) }); d != nil {
		return d
	}
	return tr.newest(func(d *Deployment) bool { return is(d) && d.brings(n) })
}

// sayVerified notes that somebody says that what was deployed works, which nobody can before it was watched for long enough.
func (t *Turn) sayVerified(o Order, p *pending, tr *Track, e *Environment) {
	d := tr.toVerify(o.Pull.Number)
	isVerifier := o.May && o.Role == e.Verify.Role || slices.Contains(o.Holds, e.Verify.Role)
	switch {
	case d == nil:
		p.refuse("nothing to verify", change.Words("Nothing of this pull request waits to be verified in "+tr.Environment+"."))
		return
	case !e.hasPerson():
		p.refuse("not asked for", change.Words(tr.Environment+" is verified by its checks alone."))
		return
	case d.Verified != nil:
		p.refuse("verified before", change.Login(d.Verified.By), change.Words(" said so already."))
		return
	case e.Verify.Role != "" && !isVerifier:
		p.refuse("no role", change.Words("Only "), t.rules.holderOf(e.Verify.Role), change.Words(" may say that something works in "+tr.Environment+"."))
		return
	case e.Verify.Role == "" && !o.May:
		p.notPermitted(o)
		return
	case t.now.Before(d.watchEnds()):
		p.refuse("too early", d.name(), change.Words(" has to be watched until "+t.stamp(d.watchEnds())+". Say so after that."))
		return
	case !o.At.IsZero() && o.At.Before(d.watchEnds().Truncate(time.Second)): // GitHub's times are whole seconds
		p.refuse("too early", change.Words("That was said before "), d.name(), change.Words(" had been watched for long enough, at "+t.stamp(d.watchEnds())+". If it works, say so again."))
		return
	}
	d.Verified = &Say{By: o.By, Role: cmp.Or(e.Verify.Role, o.Role), At: t.now, Text: o.Reason, Comment: o.Comment}
	t.watch(tr, d)
	if d.Phase.succeeded() && d.Phase != Verified {
		p.done("verified", change.Words("It still waits for its checks."))
		return
	}
	p.done("verified")
}
