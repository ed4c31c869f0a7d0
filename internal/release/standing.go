package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Row is how a change stands in an environment.
type Row struct {
	Environment string
	Phase       Phase       // empty: nothing was ever begun there
	Says        change.Text // what it waits for, why it failed, by whom it was verified; a few words without a full stop
	Until       time.Time   // when what it waits for, or its watch, is over; zero: nobody knows
	Deployment  Deployment  // the zero Deployment: none
}

// Standing returns how the newest deployment that ships a pull request's change stands in each environment that the rules name, in their
// order. It is empty if there is none anywhere.
func Standing(s *State, r *Rules, number change.Number, now time.Time) []Row {
	var rows []Row
	any := false
	for _, e := range r.Environments {
		row := Row{Environment: e.Name}
		if tr := s.Tracks[strings.ToLower(e.Name)]; tr != nil && number != 0 {
			if d := tr.about(number); d != nil {
				any = true
				row.Phase, row.Deployment, row.Says = d.Phase, *d.clone(), d.says(tr, r.Mode, number, now)
				if d.Waits.Until.After(now) {
					row.Until = d.Waits.Until
				}
			}
		}
		rows = append(rows, row)
	}
	if !any {
		return nil
	}
	return rows
}

// about returns the newest deployment that tells how a pull request's change stands: its own, a rollback that was asked for on it or takes it off, or
// another's that brought the change along, since a change that failed or was rolled back comes with the next. Where there is none of these, it is the
// newest that was to bring it. What was overtaken, and a rollback that came to nothing, tell something only where nothing else does.
func (tr *Track) about(n change.Number) *Deployment {
	own := func(d *Deployment) bool {
		return d.Number == n || d.Undoes != "" && (d.AskedOn == n || slices.Contains(d.TakesOff, n))
	}
	if d := tr.newest(func(d *Deployment) bool {
		return d.Phase != Overtaken && (own(d) && (d.Undoes == "" || !d.isVoid()) || d.brings(n) && (d.Phase == Deploying || d.Phase.succeeded()))
	}); d != nil {
		return d
	}
	if d := tr.newest(func(d *Deployment) bool { return d.brings(n) && d.Phase != Overtaken }); d != nil {
		return d
	}
	return tr.newest(own)
}

// says says how a deployment stands to somebody who reads it on a pull request, in a few words.
func (d *Deployment) says(tr *Track, m Mode, on change.Number, now time.Time) change.Text {
	switch d.Phase {
	case Waiting, Held, Watching, Unverified:
		w := d.Waits
		w.Until = time.Time{} // a column of its own
		says := w.phrase(now)
		if d.Waits.Place > 1 {
			says = change.Say(change.Words(fmt.Sprintf("number %d in the queue, ", d.Waits.Place)), says)
		}
		return says
	case Deploying:
		if d.Undoes != "" {
			return change.Words("is being deployed again, to roll back what came after it")
		}
		return change.Words("is being deployed")
	case Verified:
		var says change.Text // without anybody's word its phase says it all
		if d.Verified != nil {
			says = change.Say(change.Words("verified by "), change.Login(d.Verified.By), change.Words(": "), quoted(d.Verified.Text))
		}
		switch {
		case d == tr.Current():
			return says
		case d.Verified == nil:
			return change.Words("nobody was to say that it works; replaced since")
		default:
			return change.Say(says, change.Words(", and replaced since"))
		}
	case Failed:
		why := change.Quote(strings.TrimRight(d.Why, "."))
		if tr.wasKept(d) && d == tr.head() && tr.rollback() == nil {
			became := change.Words("came to nothing")
			if back := tr.undoing(d); back.Phase == Failed {
				became = change.Say(change.Words("failed ("), change.Quote(strings.TrimRight(back.Why, ".")), change.Words(")"))
			}
			return change.Say(why, change.Words("; its rollback "), became, change.Words(": ask for it again with "),
				change.Code(`/change rollback `+tr.Environment+` "what went wrong"`))
		}
		if d.Undoes != "" {
			return d.saysAgain(tr, m, on)
		}
		if d.UndoneBy != "" || tr.rollback() != nil || !tr.isLast(d) {
			return change.Quote(d.Why)
		}
		return change.Say(why, change.Words(": fix it with another change, or "), tr.tryAgain(d, m))
	case Cancelled:
		return d.saysAgain(tr, m, on)
	case Refused:
		return d.Waits.For
	default:
		return change.Quote(d.Why)
	}
}

// saysAgain says why a deployment came to nothing and, where people can have that, how it is begun again.
func (d *Deployment) saysAgain(tr *Track, m Mode, on change.Number) change.Text {
	var again change.Text
	c, head := tr.Current(), tr.head()
	switch {
	case d.Undoes != "":
		if d.isVoid() && head != nil && head.ID == d.Undoes && tr.rollback() == nil {
			again = change.Say(change.Words("ask for it again with "), change.Code(`/change rollback `+tr.Environment+` `+d.Commit.Short()+` "what went wrong"`))
		}
	case c != nil && (c.Commit == d.Commit || c.brings(d.Number)), tr.open(d.Commit) != nil, m == Create && d.Number == 0:
	case m == Create && d.Number != on:
		again = change.Say(tr.tryAgain(d, m), change.Words(fmt.Sprintf(" on #%d", d.Number)))
	default:
		again = tr.tryAgain(d, m)
	}
	if again == nil {
		return change.Quote(d.Why)
	}
	return change.Say(change.Quote(strings.TrimRight(d.Why, ".")), change.Words(": "), again)
}

// quoted is what somebody said, in quotation marks.
func quoted(words string) change.Text {
	return change.Say(change.Words("“"), change.Quote(words), change.Words("”"))
}

// listing lists one environment, or all.
func (t *Turn) listing(only string) change.Text {
	var all []change.Text
	for _, e := range t.rules.Environments {
		if only != "" && !sameName(only, e.Name) {
			continue
		}
		tr := t.state.Tracks[strings.ToLower(e.Name)]
		if tr == nil {
			tr = &Track{Environment: e.Name}
		}
		all = append(all, t.listTrack(tr))
	}
	return change.Join("\n\n", all)
}

// maxListed is how many of a queue are listed.
const maxListed = 20

func (t *Turn) listTrack(tr *Track) change.Text {
	lines := []change.Text{nil}
	if d := tr.lastSucceeded(); d != nil {
		is := string(d.Phase)
		if d.Phase == Failed {
			is = "found not to work"
		}
		lines[0] = change.Say(change.Words(tr.Environment+" holds "), d.name(), change.Words(", since "+t.stamp(d.Ended)+", "+is))
	} else {
		lines[0] = change.Words(tr.Environment + " holds nothing that is known")
	}
	if d := tr.lastFailed(); d != nil {
		lines = append(lines, d.saysFailed(t))
	}
	if d := tr.deploying(); d != nil {
		lines = append(lines, change.Say(d.name(), change.Words(" is being deployed, since "+t.stamp(d.Began))))
	}
	for _, f := range tr.Freezes {
		if t.now.Before(f.Until) {
			lines = append(lines, change.Say(change.Words("frozen by "), change.Login(f.By), change.Words(" until "+t.stamp(f.Until)+": "), quoted(f.Text)))
		}
	}
	queue := tr.queue()
	for i, d := range queue {
		if i == maxListed {
			lines = append(lines, change.Words(fmt.Sprintf("and %d more", len(queue)-maxListed)))
			break
		}
		line := change.Say(change.Words(fmt.Sprintf("%d. ", i+1)), d.name(), change.Words(" "), d.Waits.phrase(t.now))
		lines = append(lines, line)
	}
	for _, d := range tr.Deployments {
		if d.Phase == Held {
			lines = append(lines, change.Say(d.name(), change.Words(" is held")))
		}
	}
	if len(queue) == 0 {
		lines = append(lines, change.Words("nothing waits"))
	}
	return change.Join("\n", lines)
}

// lastSucceeded returns what is there, as far as is known, whether or not it was found to be wrong since: nothing has replaced it. Nil: there is none.
func (tr *Track) lastSucceeded() *Deployment {
	var last *Deployment
	for _, d := range tr.Deployments {
		if d.SucceededStep > 0 && (last == nil || d.SucceededStep > last.SucceededStep) {
			last = d
		}
	}
	return last
}

// lastFailed returns the last deployment that failed since what the environment holds was deployed, or that this rolled back. Nil: there is none.
func (tr *Track) lastFailed() *Deployment {
	c := tr.Current()
	var last *Deployment
	for _, d := range tr.Deployments {
		since := tr.isLast(d) || c != nil && c.Undoes == d.ID
		if d.Phase == Failed && !d.Began.IsZero() && since && (last == nil || d.order() > last.order()) {
			last = d
		}
	}
	return last
}

// saysFailed says that a deployment failed, or was rolled back, when and why, as a line of a list.
func (d *Deployment) saysFailed(t *Turn) change.Text {
	what, became := d.name(), " failed "
	if d.Undoes != "" {
		what = change.Say(change.Words("the rollback to "), what)
	}
	if t.wasRolledBack(d) {
		became = " was rolled back "
	}
	return change.Say(what, change.Words(became+t.stamp(d.Since)+": "), quoted(d.Why))
}
