package release

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// clone returns a copy that shares nothing that changes.
func (s State) clone() State {
	tracks := make(map[string]*Track, len(s.Tracks))
	for name, tr := range s.Tracks {
		c := *tr
		c.Deployments, c.Freezes = slices.Clone(tr.Deployments), slices.Clone(tr.Freezes)
		for i, d := range c.Deployments {
			c.Deployments[i] = d.clone()
		}
		tracks[name] = &c
	}
	s.Tracks = tracks
	s.Landed, s.Given, s.Ended = slices.Clone(s.Landed), slices.Clone(s.Given), slices.Clone(s.Ended)
	return s
}

// clone returns a copy that shares nothing that changes.
func (d *Deployment) clone() *Deployment {
	c := *d
	c.Changes, c.Accepted, c.Asks = slices.Clone(d.Changes), slices.Clone(d.Accepted), slices.Clone(d.Asks)
	c.Also, c.CameToNothing, c.Each, c.TakesOff = slices.Clone(d.Also), slices.Clone(d.CameToNothing), slices.Clone(d.Each), slices.Clone(d.TakesOff)
	for i := range c.Asks {
		c.Asks[i].Told = slices.Clone(c.Asks[i].Told)
	}
	for _, say := range []**Say{&c.GoAhead, &c.Lapsed, &c.Started, &c.Override, &c.Verified} {
		if *say != nil {
			copied := **say
			*say = &copied
		}
	}
	return &c
}

// names returns the keys of the tracks in order.
func (s *State) names() []string {
	names := make([]string, 0, len(s.Tracks))
	for name := range s.Tracks {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// find returns the deployment with an ID, with its track.
func (s *State) find(id string) (*Track, *Deployment) {
	return s.where(func(d *Deployment) bool { return d.ID == id })
}

// onGitHub returns the deployment that one on GitHub stands for, or stood for; nil: it is not known.
func (s *State) onGitHub(id int64) (*Track, *Deployment) {
	return s.where(func(d *Deployment) bool { return d.isOrWas(id) })
}

// where returns the newest deployment that is as asked for, in the first track that has one, with that track.
func (s *State) where(is func(*Deployment) bool) (*Track, *Deployment) {
	for _, name := range s.names() {
		if d := s.Tracks[name].newest(is); d != nil {
			return s.Tracks[name], d
		}
	}
	return nil, nil
}

// ask returns an ask by its key, with whose it is.
func (s *State) ask(key string) (*Track, *Deployment, *Ask) {
	tr, d := s.where(func(d *Deployment) bool { return d.ask(key) != nil })
	if d == nil {
		return nil, nil, nil
	}
	return tr, d, d.ask(key)
}

// newest returns the latest deployment of the environment that is as asked for.
func (tr *Track) newest(is func(*Deployment) bool) *Deployment {
	for _, d := range slices.Backward(tr.Deployments) {
		if is(d) {
			return d
		}
	}
	return nil
}

// Current returns what the environment holds: the last deployment that succeeded and was not found to be wrong since. Nil: nothing is known to be
// there.
func (tr *Track) Current() *Deployment {
	var last *Deployment
	for _, d := range tr.Deployments {
		if d.Phase.succeeded() && (last == nil || d.SucceededStep > last.SucceededStep) {
			last = d
		}
	}
	return last
}

// deploying returns what is under way in the environment.
func (tr *Track) deploying() *Deployment {
	return tr.newest(func(d *Deployment) bool { return d.Phase == Deploying })
}

// rollback returns the rollback that waits or is under way in the environment.
func (tr *Track) rollback() *Deployment {
	return tr.newest(func(d *Deployment) bool { return d.Undoes != "" && d.isOpen() })
}

// ran returns the newest deployment of a commit that was let through or found under way in the environment.
func (tr *Track) ran(commit change.SHA) *Deployment {
	return tr.newest(func(d *Deployment) bool { return d.Commit == commit && !d.Began.IsZero() })
}

// open returns the deployment of a commit that has not ended in the environment; a rollback before others.
func (tr *Track) open(commit change.SHA) *Deployment {
	is := func(d *Deployment) bool { return d.Commit == commit && d.isOpen() }
	if d := tr.newest(func(d *Deployment) bool { return is(d) && d.Undoes != "" }); d != nil {
		return d
	}
	return tr.newest(is)
}

// queue returns those that wait and are not held, in order.
func (tr *Track) queue() []*Deployment {
	return slices.DeleteFunc(tr.waiting(), func(d *Deployment) bool { return d.Phase == Held })
}

// waiting returns those that wait, in order: rollbacks first, then as they came.
func (tr *Track) waiting() []*Deployment {
	var q []*Deployment
	for _, d := range tr.Deployments {
		if d.Phase.waits() {
			q = append(q, d)
		}
	}
	slices.SortStableFunc(q, func(a, b *Deployment) int {
		switch {
		case (a.Undoes != "") != (b.Undoes != ""):
			if a.Undoes != "" {
				return -1
			}
			return 1
		case !a.QueuedAt.Equal(b.QueuedAt):
			return a.QueuedAt.Compare(b.QueuedAt)
		default:
			return a.serial() - b.serial()
		}
	})
	return q
}

// serial returns the number in the deployment's ID.
func (d *Deployment) serial() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(d.ID, "d")) // all are made by Turn.add
	return n
}

// ask returns an ask by its key.
func (d *Deployment) ask(key string) *Ask {
	for i := range d.Asks {
		if d.Asks[i].Key == key {
			return &d.Asks[i]
		}
	}
	return nil
}

// asks says whether a gate waits for its answer.
func (d *Deployment) asks() bool {
	return slices.ContainsFunc(d.Asks, func(a Ask) bool { return a.Answer == "" })
}

// isWanted says whether people said something about it, which outlives the jobs that asked for it.
func (d *Deployment) isWanted() bool {
	return d.Own || d.GoAhead != nil || len(d.Accepted) > 0 || d.Override != nil || d.Undoes != "" || d.Phase == Held
}

// brings says whether a pull request's change ships with it.
func (d *Deployment) brings(n change.Number) bool {
	return n != 0 && (d.Number == n || slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Number == n }))
}

// isAbout says whether a pull request is one on which people speak of a deployment as its own: its change ships with it, or it is a rollback that was
// asked for there.
func (d *Deployment) isAbout(n change.Number) bool { return d.brings(n) || n != 0 && d.AskedOn == n }

// watchEnds is when it was watched for long enough.
func (d *Deployment) watchEnds() time.Time { return d.Ended.Add(d.Monitor) }

// isOpen says whether a deployment waits or is under way.
func (d *Deployment) isOpen() bool { return d.Phase.waits() || d.Phase == Deploying }

// waits says whether a deployment of the phase has not begun.
func (p Phase) waits() bool { return p == Waiting || p == Held }

// succeeded says whether a deployment of the phase was made and not found to be wrong.
func (p Phase) succeeded() bool { return p == Watching || p == Unverified || p == Verified }

// IsFinal says whether nothing more is done about a deployment of the phase. A verified one can still be found to be wrong.
func (p Phase) IsFinal() bool {
	switch p {
	case Verified, Failed, Cancelled, Refused, Overtaken:
		return true
	}
	return false
}
