package release

import (
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// fail ends a deployment that failed, or was found not to work. Where the policy rolls back by itself, and it is what the lane holds or was
// about to, it is rolled back; a rollback that failed is not, so that no two versions take turns.
func (t *Turn) fail(l *Lane, d *Deployment, class Class, why string) {
	e, named := t.environment(l)
	holds := d.Phase == Deploying || d == l.current()
	t.end(l, d, Failed, why, change.Account{})
	d.Class = class
	if !named || !holds || d.Undoes != "" || !e.RollBack || l.rollback() != nil {
		return
	}
	to := l.lastVerified(t, d)
	if to == nil {
		d.Stuck = true
		t.prompt(d, "stuck", d.Number, change.Say(t.whom(d), d.name(), change.Words(" failed in "+l.Environment+" ("), change.Quote(why),
			change.Words("). There is no earlier version that was verified there to roll back to: it takes another change, or "), change.Code("/change start "+l.Environment), change.Words(".")))
		return
	}
	t.rollBack(l, d, to, class, why, d.Deployer, d.Number, false)
}

// lastVerified returns what is rolled back to from a deployment: the newest that was verified, of another commit, and of another than what it
// undid if it is a rollback itself. What ran again since and failed is passed by. Nil: there is none.
func (l *Lane) lastVerified(t *Turn, from *Deployment) *Deployment {
	var undone change.SHA
	if _, u := t.state.find(from.Undoes); u != nil {
		undone = u.Commit
	}
	var last *Deployment
	for _, d := range l.Deployments {
		if d.Phase != Verified || d == from || d.Commit == from.Commit || d.Commit == undone || last != nil && last.Success > d.Success {
			continue
		}
		if ran := l.ran(d.Commit); ran.Phase != Failed {
			last = d
		}
	}
	return last
}

// rollBack queues the deployment of an earlier version, before all else. What it takes off the lane has failed: the deployment that it undoes,
// and those since the earlier version that were not verified. What was said before of others that wait is said of another lane than they
// will find, and must be said again.
func (t *Turn) rollBack(l *Lane, undo, to *Deployment, class Class, why string, by change.Account, on change.Number, old bool) *Deployment {
	d := t.add(l, Deployment{
		Commit: to.Commit, Number: to.Number, Deployer: by, Own: t.rules.Mode == Create, Undoes: undo.ID, Why: why, Class: class, On: on, Old: old,
		Changes: slices.Clone(to.Changes), Category: to.Category, Monitor: undo.Monitor,
	})
	for _, o := range l.Deployments {
		switch {
		case o == undo || (o.Phase == Watching || o.Phase == Unverified) && o.Success > to.Success && o.Commit != to.Commit:
			if o.Phase != Failed {
				t.end(l, o, Failed, why, by)
				o.Class = class
			}
			if o.UndoneBy == "" {
				o.UndoneBy = d.ID
			}
		case o.Phase.waits() && o != d:
			o.Say = nil
		}
	}
	if t.rules.Mode == Record {
		t.prompt(d, "run", on, change.Say(t.whom(d), change.Words("have "), d.name(), change.Words(" deployed to "+l.Environment+", to roll back "), undo.name(),
			change.Words(" (the policy has us follow deployments, not make them). It goes before all else"+approvals(d.Old)+".")))
	}
	return d
}

func approvals(old bool) string {
	if old {
		return ", once it was said and accepted"
	}
	return " and is let through"
}

// Version finds what a lane held before, by the beginning of a commit's name.
func (l *Lane) version(prefix string) (*Deployment, change.Text) {
	const least = 4
	if len(prefix) < least {
		return nil, change.Words(fmt.Sprintf("A version is named by the first %d characters of its commit at least.", least))
	}
	var found *Deployment
	for _, d := range l.Deployments {
		if d.Success == 0 || len(d.Commit) < len(prefix) || !sameName(string(d.Commit[:len(prefix)]), prefix) {
			continue
		}
		if found != nil && found.Commit != d.Commit {
			return nil, change.Say(change.Words("More than one version that ran in "+l.Environment+" begins with "), change.Code(prefix), change.Words("."))
		}
		found = d
	}
	if found == nil {
		return nil, change.Say(change.Words("No version that ran in "+l.Environment+" begins with "), change.Code(prefix), change.Words("."))
	}
	return found, nil
}
