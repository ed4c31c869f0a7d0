package release

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// OnGitHub is what stands for a deployment on GitHub, as far as that is known: its primary counterpart, on which we post statuses, and others,
// because each job that carries it out may make one of itself.
type OnGitHub struct {
	// Of the primary counterpart:
	GitHub     int64                  `json:"github,omitempty"`   // its id; 0: there is none yet
	Own        bool                   `json:"own,omitempty"`      // it is ours to make or was made by us; else it was adopted, or GitHub makes it
	ForRecord  bool                   `json:"record,omitempty"`   // it is made for the record: nothing is to be started by it
	NotCreated string                 `json:"gave_up,omitempty"`  // why GitHub would not create it
	Shown      change.DeploymentState `json:"shown,omitempty"`    // the newest status on it that was told of or that we posted; empty: not known
	ShownAt    time.Time              `json:"shown_at,omitzero"`  // when that was posted, by GitHub's clock
	ShownID    int64                  `json:"shown_id,omitempty"` // its id
	// MaybeInactive says that we posted inactive on it, or may have, and do not know when, as GitHub tells nobody of it: what is told of later may
	// be older.
	MaybeInactive bool `json:"silent,omitempty"`

	Also          []Counterpart `json:"also,omitempty"` // the others
	CameToNothing []Counterpart `json:"dead,omitempty"` // those that were counterparts, and ended while the deployment waited

	Each     []Counterpart `json:"each,omitempty"`      // all of them with the newest status on each by others than us: their jobs end in any order
	StatusAt time.Time     `json:"status_at,omitzero"`  // of the newest of these statuses
	StatusID int64         `json:"status_id,omitempty"` // its id
	LogURL   string        `json:"log_url,omitempty"`   // where the log is, as the last of them that said so
}

// Counterpart is a deployment on GitHub that stands for one of ours, with the newest status on it that was told of.
type Counterpart struct {
	ID       int64                  `json:"id"`
	Shown    change.DeploymentState `json:"shown,omitempty"`
	StatusAt time.Time              `json:"status_at,omitzero"` // by GitHub's clock
	StatusID int64                  `json:"status_id,omitempty"`
	HasEnded bool                   `json:"ended,omitempty"` // of those by others: it ended once, as one of them or its workflow run said; it may run again
}

// IDs returns the counterparts that there are now, the primary one first.
func (g *OnGitHub) IDs() (ids []int64) {
	if g.GitHub != 0 {
		ids = append(ids, g.GitHub)
	}
	for _, c := range g.Also {
		ids = append(ids, c.ID)
	}
	return ids
}

// isOrWas says whether a deployment on GitHub is a counterpart, or was one.
func (g *OnGitHub) isOrWas(id int64) bool { return id != 0 && (g.GitHub == id || g.other(id) != nil) }

// other returns what is known of a counterpart besides the primary one, or of what was one; nil: it is none of those.
func (g *OnGitHub) other(id int64) *Counterpart {
	for _, list := range [...][]Counterpart{g.Also, g.CameToNothing} {
		if i := slices.IndexFunc(list, func(c Counterpart) bool { return c.ID == id }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// primary returns the primary counterpart in the form of the others; its ID is 0 if there is none.
func (g *OnGitHub) primary() Counterpart {
	return Counterpart{ID: g.GitHub, Shown: g.Shown, StatusAt: g.ShownAt, StatusID: g.ShownID}
}

// setPrimary makes a deployment on GitHub the primary counterpart; the zero Counterpart: there is none any more.
func (g *OnGitHub) setPrimary(c Counterpart) {
	g.GitHub, g.Shown, g.ShownAt, g.ShownID = c.ID, c.Shown, c.StatusAt, c.StatusID
}

// adopt takes a deployment that others made on GitHub for a counterpart. Where we create the primary one, the job that carries it out may make
// another of itself.
func (g *OnGitHub) adopt(id int64) {
	if g.GitHub == 0 && !g.Own {
		g.GitHub = id
	} else {
		g.Also = append(g.Also, Counterpart{ID: id})
	}
}

// join adds a counterpart, which is the primary one if there is none.
func (g *OnGitHub) join(c Counterpart) {
	if g.GitHub != 0 {
		g.Also = append(g.Also, c)
		return
	}
	g.setPrimary(c)
}

// leave takes a counterpart away, and returns what is known of it; false: it is none. If it was the primary one, the first of the others is that from
// now on.
func (g *OnGitHub) leave(id int64) (Counterpart, bool) {
	if i := slices.IndexFunc(g.Also, func(c Counterpart) bool { return c.ID == id }); i >= 0 {
		c := g.Also[i]
		g.Also = slices.Delete(g.Also, i, i+1)
		return c, true
	}
	if id == 0 || id != g.GitHub {
		return Counterpart{}, false
	}
	c := g.primary()
	g.setPrimary(Counterpart{})
	if len(g.Also) > 0 {
		first := g.Also[0]
		g.Also = slices.Delete(g.Also, 0, 1)
		g.join(first)
	}
	return c, true
}

// handOver takes away what is or was a counterpart, on which a status was posted, and returns it as the primary one of another deployment.
func (d *Deployment) handOver(id int64, s change.DeploymentStatus) OnGitHub {
	to := OnGitHub{GitHub: id, LogURL: d.LogURL, StatusAt: s.At, StatusID: s.ID}
	if o := d.other(id); o != nil {
		to.setPrimary(*o)
		is := func(o Counterpart) bool { return o.ID == id }
		d.Also, d.CameToNothing = slices.DeleteFunc(d.Also, is), slices.DeleteFunc(d.CameToNothing, is)
		return to
	}
	// What we posted on it in the meantime may have come later. Where it is not known what GitHub shows, it is told once more.
	to.ShownAt, to.ShownID = d.ShownAt, d.ShownID
	to.MaybeInactive = d.MaybeInactive || d.Posting == change.DeploymentInactive
	if d.Posting == "" && !d.MaybeInactive {
		to.Shown = d.Shown
	}
	d.GitHub, d.Own = 0, false
	return to
}

// takeOver adds what another deployment handed over, which a status of others was posted on last.
func (g *OnGitHub) takeOver(from OnGitHub, s change.DeploymentStatus) {
	g.MaybeInactive = g.MaybeInactive || g.GitHub == 0 && from.MaybeInactive
	g.join(from.primary())
	g.noteFromOthers(from.GitHub, s)
	if s.IsAfter(g.StatusAt, g.StatusID) {
		g.StatusAt, g.StatusID, g.LogURL = s.At, s.ID, from.LogURL
	}
}

// allCameToNothing ends all counterparts: there is none any more.
func (g *OnGitHub) allCameToNothing() {
	if g.GitHub != 0 {
		g.CameToNothing = append(g.CameToNothing, g.primary())
	}
	g.CameToNothing = append(g.CameToNothing, g.Also...)
	g.setPrimary(Counterpart{})
	g.Also = nil
}

// noteShown notes a status by anybody on a counterpart.
func (g *OnGitHub) noteShown(id int64, s change.DeploymentStatus) {
	switch c := g.other(id); {
	case c != nil && s.IsAfter(c.StatusAt, c.StatusID):
		c.Shown, c.StatusAt, c.StatusID = s.State, s.At, s.ID
	case c == nil && g.GitHub == id && s.IsAfter(g.ShownAt, g.ShownID):
		g.Shown, g.ShownAt, g.ShownID = s.State, s.At, s.ID
		if g.MaybeInactive {
			g.Shown = ""
		}
	}
}

// noteFromOthers notes a status by others on a counterpart, and returns the newest of those before.
func (g *OnGitHub) noteFromOthers(id int64, s change.DeploymentStatus) (was Counterpart) {
	i := slices.IndexFunc(g.Each, func(c Counterpart) bool { return c.ID == id })
	switch {
	case i >= 0:
		was = g.Each[i]
	case len(g.Each) == 0: // an older version of ours kept no more, nor does what was handed over
		was = Counterpart{ID: id, StatusAt: g.StatusAt, StatusID: g.StatusID, HasEnded: g.StatusID != 0}
	}
	if s.IsAfter(was.StatusAt, was.StatusID) {
		now := Counterpart{ID: id, Shown: s.State, StatusAt: s.At, StatusID: s.ID, HasEnded: was.HasEnded || isEnd(s.State)}
		if i >= 0 {
			g.Each[i] = now
		} else {
			g.Each = append(g.Each, now)
		}
	}
	return was
}

// noteEnd notes that the workflow run which carries it out did not end well: what is posted on its counterparts later is by another attempt.
func (g *OnGitHub) noteEnd() {
	for i := range g.Each {
		g.Each[i].HasEnded = true
	}
}

// succeededSince returns a counterpart that succeeded after a status was posted, and shows that still; nil: there is none.
func (g *OnGitHub) succeededSince(s change.DeploymentStatus) *Counterpart {
	i := slices.IndexFunc(g.Each, func(c Counterpart) bool {
		shown := change.DeploymentStatus{State: c.Shown, At: c.StatusAt, ID: c.StatusID}
		return shown.State == change.DeploymentSuccess && shown.IsAfter(s.At, s.ID) && g.isOrWas(c.ID)
	})
	if i < 0 {
		return nil
	}
	return &g.Each[i]
}

// anotherFailed says whether another counterpart than the given one failed.
func (g *OnGitHub) anotherFailed(id int64) bool {
	ids := g.IDs()
	return slices.ContainsFunc(g.Each, func(c Counterpart) bool { return c.ID != id && hasFailed(c.Shown) && slices.Contains(ids, c.ID) })
}

// ranAs says whether a counterpart, or what was one, was seen under way, or to have ended.
func (g *OnGitHub) ranAs(id int64) bool {
	var shown change.DeploymentState
	if c := g.other(id); c != nil {
		shown = c.Shown
	} else if id != 0 && id == g.GitHub {
		shown = g.Shown
	}
	return shown != "" && shown != change.DeploymentPending && shown != change.DeploymentQueued && shown != "waiting"
}

// logIsOf says whether the log is that of a workflow run.
func (g *OnGitHub) logIsOf(run int64) bool { return run != 0 && runIn(g.LogURL) == run }

// runIn returns the workflow run that is named by the address of its page, or of what is below: …/actions/runs/ID; 0: none is.
func runIn(address string) int64 {
	_, id, _ := strings.Cut(address, "/actions/runs/")
	id, _, _ = strings.Cut(id, "/")
	run, err := strconv.ParseUint(id, 10, 63)
	if err != nil {
		return 0
	}
	return int64(run)
}

// hasFailed says whether a state is one of GitHub's two for what failed.
func hasFailed(s change.DeploymentState) bool {
	return s == change.DeploymentFailure || s == change.DeploymentErrored
}

// isEnd says whether nothing is under way any more in a state.
func isEnd(s change.DeploymentState) bool {
	return s == change.DeploymentSuccess || s == change.DeploymentInactive || hasFailed(s)
}
