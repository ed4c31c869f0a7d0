package release

import (
	"slices"
	"time"
)

// maxEnded is how many ended deployments of an environment are remembered, besides those that are needed for something.
const maxEnded = 50

// forgetAfter is how long something is kept after it is over: until then it could matter again if a wrong clock is put right.
const forgetAfter = 60 * 24 * time.Hour

// maxAsks is how many of a deployment's answered gates are remembered.
const maxAsks = 50

// maxStrangers is how many environments that the policy does not name are remembered: a job can ask about any name.
const maxStrangers = 50

// maxGiven is how many commands are kept with their answers.
const maxGiven = 200

// prune forgets what ended long ago. It keeps all that is open, all that GitHub is yet to be told of, what an environment holds and would be
// rolled back to, and what decides whether something that waits elsewhere may go.
func (t *Turn) prune() {
	pending := map[string]bool{}
	for _, e := range t.out.Effects {
		pending[e.Deployment] = true
	}
	for _, name := range t.state.names() {
		tr := t.state.Tracks[name]
		t.pruneTrack(tr, pending)
		if _, named := t.rules.Find(tr.Environment); !named && t.isOver(tr, pending) {
			delete(t.state.Tracks, name)
		}
	}
	t.pruneStrangers(pending)
	t.state.Given = t.state.Given[max(0, len(t.state.Given)-maxGiven):]
}

// pruneTrack forgets freezes, deployments and gates of an environment that are over. Pending are the IDs of the deployments that GitHub is yet to
// be told of.
func (t *Turn) pruneTrack(tr *Track, pending map[string]bool) {
	// Not at once: the clock may be ahead.
	tr.Freezes = slices.DeleteFunc(tr.Freezes, func(f ByCommand) bool { return t.now.Sub(f.Until) > forgetAfter })
	needed := t.needed(tr)
	ended := 0
	var keep []*Deployment
	for _, d := range slices.Backward(tr.Deployments) {
		if d.Phase.IsFinal() {
			ended++
		}
		d.pruneAsks()
		if !d.Phase.IsFinal() || ended <= maxEnded || needed[d.ID] || pending[d.ID] {
			keep = append(keep, d)
		}
	}
	slices.Reverse(keep)
	tr.Deployments = keep
}

// pruneAsks forgets all but the latest of the gates that were answered.
func (d *Deployment) pruneAsks() {
	n := len(d.Asks) - maxAsks
	if n <= 0 {
		return
	}
	old := slices.DeleteFunc(slices.Clone(d.Asks[:n]), func(a Ask) bool { return a.Answer != "" && (a.Callback == "" || a.Answered) })
	d.Asks = append(old, d.Asks[n:]...)
}

// isOver says whether nothing is open in an environment, and nothing has happened there lately.
func (t *Turn) isOver(tr *Track, pending map[string]bool) bool {
	lately := func(at time.Time) bool { return t.now.Sub(at) < forgetAfter }
	return len(tr.Freezes) == 0 && !slices.ContainsFunc(tr.Deployments, func(d *Deployment) bool {
		return !d.Phase.IsFinal() || pending[d.ID] || lately(d.Since) || slices.ContainsFunc(d.Asks, func(a Ask) bool { return lately(a.At) })
	})
}

// pruneStrangers forgets all but the latest of the environments that the policy does not name, where nothing is open there.
func (t *Turn) pruneStrangers(pending map[string]bool) {
	var over []string
	last := func(name string) time.Time {
		d := t.state.Tracks[name].Deployments
		return d[len(d)-1].Since
	}
	for _, name := range t.state.names() {
		tr := t.state.Tracks[name]
		open := func(d *Deployment) bool { return !d.Phase.IsFinal() || pending[d.ID] }
		if _, named := t.rules.Find(tr.Environment); !named && len(tr.Deployments) > 0 && len(tr.Freezes) == 0 && !slices.ContainsFunc(tr.Deployments, open) {
			over = append(over, name)
		}
	}
	slices.SortStableFunc(over, func(a, b string) int { return last(a).Compare(last(b)) })
	for _, name := range over[:max(0, len(over)-maxStrangers)] {
		delete(t.state.Tracks, name)
	}
}

// needed returns what must be remembered of what ended in an environment.
func (t *Turn) needed(tr *Track) map[string]bool {
	needed := map[string]bool{}
	need := func(d *Deployment) {
		if d != nil {
			needed[d.ID] = true
		}
	}
	c := tr.Current()
	need(c)
	if c != nil {
		last := tr.lastVerified(t, c)
		need(last)
		if last != nil {
			need(tr.lastVerified(t, last))
		}
	}
	for _, other := range t.state.Tracks {
		for _, d := range other.Deployments {
			if d.Phase.IsFinal() {
				continue
			}
			need(tr.ran(d.Commit))
			if o, undone := t.state.find(d.Undoes); o == tr {
				need(undone)
			}
		}
	}
	return needed
}
