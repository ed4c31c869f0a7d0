package landing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Moved is how a branch's tip came to be where it is, as far as that is not about single commits.
type Moved struct {
	Repository change.RepositoryID
	Branch     string
	Now        time.Time
	Known      change.SHA // the last commit known; empty: there is none
	Tip        change.SHA // empty: the branch is gone
	// Heading is where the tip was in the part of a walk before this one, which came as far as Known; empty: that came to the tip.
	Heading change.SHA
	// Kept says that Known is an ancestor of Tip, or Tip itself. Not looked at if one of them is empty.
	Kept    bool
	Deleted bool   // it was known before that the branch is gone
	Pushes  []Push // those that were told of, oldest first
	// Judged are the keys of the moves that earlier parts of this walk judged, made with the times that the pushes gave which told of them.
	Judged []string
	// Activity is what the repository's activity shows of the branch, oldest first. It is read if something is found.
	Activity []Push
	// Origin is the commit of the default branch, or of the former one, that the branch was compared with when it was looked at for the first time;
	// empty: none. Orphan says that the two have no history in common; Known is Tip then.
	Origin change.SHA
	Orphan bool
	// Beside says that what landed does not go on from Known along first parents: it was begun elsewhere, and then merged with it or put in its place.
	Beside bool
	// Base is the commit whose policy says how commits that were begun elsewhere are reported; empty: there are none.
	Base change.SHA
	// TooMany says that more commits landed since Known than GitHub lists.
	TooMany bool
	// Untold are moves that were found before a push told of them. The first push that tells of one later is not another move.
	Untold []move
	// Unseen is how many moves were found before a push told of them, since the branch was looked at first.
	Unseen int
	// Named is what is left for exceptions that were found before it was known who did them: by now it is.
	Named []change.Raised
}

// move is a forced push or a deletion that was found before a push told of it. It is stored: members may be added, not renamed.
type move struct {
	Before change.SHA `json:"before"`
	After  change.SHA `json:"after,omitempty"` // empty: the branch was deleted
	Found  time.Time  `json:"found"`
	Told   time.Time  `json:"told,omitzero"` // by the push of this time; zero: by none yet
	// Pushed is when the activity says that it was; zero: it does not say. By is who did it, as far as is known.
	Pushed time.Time      `json:"pushed,omitzero"`
	By     change.Account `json:"by,omitzero"`
	// Key is that of its exception; empty: it is not kept. Observed says that nobody is asked to explain that.
	Key      string `json:"key,omitempty"`
	Observed bool   `json:"observed,omitempty"`
}

// is says whether it is the move that a push tells of.
func (m move) is(p Push) bool {
	switch {
	case p.Before != m.Before || p.After != m.After || !p.Forced && p.After != "":
		return false
	case !m.Told.IsZero():
		return m.Told.Equal(p.At)
	case p.Pushed.IsZero():
		return true
	case !m.Pushed.IsZero():
		return p.Pushed.Sub(m.Pushed).Abs() <= sameEvent
	}
	return !p.Pushed.After(m.Found.Add(sameEvent))
}

// Judge returns the exceptions: a history of its own, each forced push, each deletion, what no push told of, and more commits than GitHub lists.
// Untold are the moves that were found before, with those of them noted that a push told of now, and the new ones that no push told of.
func (m *Moved) Judge() (found []change.Exception, untold []move) {
	forced, deleted := false, m.Deleted
	untold = slices.Clone(m.Untold)
	if m.Orphan {
		found = append(found, m.orphan())
	}
	for _, p := range m.Pushes {
		if e, is := m.moved(p, p.At); is && slices.Contains(m.Judged, e.Key) {
			continue // and Known is beyond it
		}
		if i := slices.IndexFunc(untold, func(m move) bool { return m.is(p) }); i >= 0 {
			untold[i].Told = p.At
			if p.By.Known() {
				untold[i].By = p.By
			}
			continue
		}
		if e, is := m.moved(p, p.when(m.Activity)); is {
			forced, deleted = forced || p.After != "", deleted || p.After == ""
			found = append(found, e)
		}
	}
	isLost := func() bool {
		return m.Known != "" && (m.Tip == "" && !deleted || m.Tip != "" && !m.Kept && !forced)
	}
	lose := func(p Push, e change.Exception) {
		found = append(found, e)
		untold = append(untold, move{Before: p.Before, After: p.After, Found: m.Now, Pushed: p.Pushed, By: p.By, Key: e.Key})
	}
	if isLost() {
		for _, p := range m.missed() {
			if e, is := m.moved(p, p.At); is {
				forced, deleted = forced || p.After != "", deleted || p.After == ""
				lose(p, e)
			}
		}
	}
	if isLost() {
		lose(m.unseen())
	}
	if m.TooMany {
		found = append(found, m.tooMany())
	}
	return found, untold
}

// first returns the first of the pushes, in whatever order they were told of: the one that began where no other had led. The zero Push: there is none.
func (m *Moved) first() (first Push) {
	found := false
	for _, p := range m.Pushes {
		led := slices.ContainsFunc(m.Pushes, func(o Push) bool { return o.After == p.Before })
		if !led && (!found || p.At.Before(first.At)) {
			first, found = p, true
		}
	}
	if !found && len(m.Pushes) > 0 { // it was moved in a circle
		first = m.Pushes[0]
	}
	return first
}

// last is where the branch was last, as far as is known.
func (m *Moved) last() change.SHA { return cmp.Or(m.Heading, m.Known) }

// told returns the keys of the moves that pushes told of, made with the times that these gave: so they are the same whatever the activity shows.
func (m *Moved) told() (keys []string) {
	for _, p := range m.Pushes {
		if e, is := m.moved(p, p.At); is {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// missed returns the pushes of the activity, since the branch was where it was last, of which nobody told.
func (m *Moved) missed() []Push {
	activity, _ := since(m.Activity, m.last())
	if m.Deleted && len(activity) > 0 && activity[0].After == "" {
		activity = activity[1:] // that was found
	}
	return slices.DeleteFunc(slices.Clone(activity), func(p Push) bool {
		return slices.ContainsFunc(m.Pushes, func(told Push) bool { return told.is(p) })
	})
}

// moved returns the exception of a push that is a forced one or a deletion.
func (m *Moved) moved(p Push, at time.Time) (e change.Exception, is bool) {
	switch {
	case p.After == "":
		return m.deleted(p.Before, p.By, at), true
	case p.Forced && p.Before != "":
		return m.forced(p.Before, p.After, p.By, at), true
	}
	return e, false
}

// unseen returns the exception of a move that is seen by where the branch is: nobody told of it, or it was deleted and made again elsewhere. Then
// it is by whoever made it. Where it is not known when that was, what tells the move from another one like it is how many were found so before.
func (m *Moved) unseen() (Push, change.Exception) {
	p := Push{change.BranchPush{Branch: m.Branch, Before: m.last(), After: m.Tip, Forced: m.Tip != ""}, m.Now}
	activity, _ := since(m.Activity, m.last())
	at := m.Tip
	for _, last := range slices.Backward(withActivity(m.Pushes, activity)) {
		if last.After != at || at == "" {
			continue
		}
		if last.Before == "" || last.Forced {
			p.After, p.By, p.At, p.Pushed = last.After, last.By, last.At, last.Pushed
			break
		}
		at = last.Before // what was pushed onto it was not what moved it
	}
	e, _ := m.moved(p, p.At)
	if p.Pushed.IsZero() {
		e.Key = keyOf(e.Kind, m.Repository, m.Branch, p.Before, p.After, "unseen", m.Unseen+1)
	}
	return p, e
}

// named returns what is left for the exceptions of moves that were found before it was known who did it.
func (m *Moved) named(untold []move) (raised []change.Raised) {
	for i, is := range untold[:len(m.Untold)] {
		if is.By.ID != m.Untold[i].By.ID && is.Key != "" && !is.Observed {
			raised = append(raised, named(m.Repository, is.Key, is.By, m.Now))
		}
	}
	return raised
}

// noteObserved notes whether the exception of a move that no push told of is only observed.
func (m *Moved) noteObserved(key string, is bool) {
	for i := range m.Untold {
		if m.Untold[i].Key == key {
			m.Untold[i].Observed = is
		}
	}
}

// behind returns the notes of the pushes that told of nothing but what was judged in a part of a walk. Notes are in the order of the pushes.
func (m *Moved) behind(w *Walk, notes []string) (taken []string) {
	for i, p := range m.Pushes {
		if !p.Forced && slices.ContainsFunc(w.Line, func(c Commit) bool { return c.SHA == p.After }) {
			taken = append(taken, notes[i])
		}
	}
	return taken
}

// begunElsewhere notes the commit whose policy says how commits that were begun elsewhere are reported: the last one known. In a later part of a walk that is the
// last one that was known before it began, or before what is open.
func (m *Moved) begunElsewhere(state *branchState) {
	switch {
	case m.Beside && state.Open != nil:
		m.Base = cmp.Or(state.Beside, state.Open.Before, m.Known)
	case m.Beside:
		m.Base = cmp.Or(state.Beside, m.Known)
	default:
		m.Base = state.Beside
	}
}

// before is the commit whose policy says how an exception is reported. Commits that were begun elsewhere have no say in which one that is.
func (m *Moved) before(e change.Exception) change.SHA {
	switch {
	case e.Before == "" && m.Orphan:
		return m.Origin
	case m.Base != "" && len(e.Commits) > 0:
		return m.Base
	case e.Before == "":
		return m.Known
	}
	return e.Before
}

func (m *Moved) forced(before, after change.SHA, by change.Account, at time.Time) change.Exception {
	return change.Exception{
		Key:  keyOf(change.ForcedUpdate, m.Repository, m.Branch, before, after, at.UnixMicro()),
		Kind: change.ForcedUpdate, Repository: m.Repository, Branch: m.Branch, Before: before, After: after, By: known(by), At: at,
		What: change.Say(change.Code(m.Branch), change.Words(fmt.Sprintf(
			" was moved by force from %s to %s, which may have taken commits off it.", before.Short(), after.Short()))),
	}
}

func (m *Moved) deleted(before change.SHA, by change.Account, at time.Time) change.Exception {
	return change.Exception{
		Key:  keyOf(change.BranchDeleted, m.Repository, m.Branch, before, at.UnixMicro()),
		Kind: change.BranchDeleted, Repository: m.Repository, Branch: m.Branch, Before: before, By: known(by), At: at,
		What: change.Say(change.Code(m.Branch), change.Words(fmt.Sprintf(" was deleted at %s.", before.Short()))),
	}
}

// tooMany is the exception of more commits than GitHub lists.
func (m *Moved) tooMany() change.Exception {
	e := change.Exception{
		Kind: change.TooManyCommits, Repository: m.Repository, Branch: m.Branch, Before: m.Known, After: m.Tip, At: m.Now,
		What: change.Say(change.Words("More than 1,000 commits landed on "), change.Code(m.Branch),
			change.Words(fmt.Sprintf(" at once, from %s to %s. They were not compared with what was decided.", m.Known.Short(), m.Tip.Short()))),
	}
	var last *Push
	missed, _ := since(m.Activity, m.last())
	pushes := withActivity(m.Pushes, missed)
	for i, p := range pushes {
		if e.By = known(append(e.By, p.By)...); p.After == m.Tip {
			last = &pushes[i]
		}
	}
	e.Key = keyOf(e.Kind, m.Repository, m.Branch, last.timed(m.Known, m.Tip)...)
	return e
}

// orphan is the exception of a branch that was begun with a history of its own.
func (m *Moved) orphan() change.Exception {
	e := change.Exception{
		Key:  keyOf(change.NoPullRequest, m.Repository, m.Branch, m.Tip),
		Kind: change.NoPullRequest, Repository: m.Repository, Branch: m.Branch, Commits: []change.SHA{m.Tip}, After: m.Tip, At: m.Now,
		What: change.Say(change.Code(m.Branch), change.Words(fmt.Sprintf(
			" was begun with a history of its own, up to %s, which came through no pull request.", m.Tip.Short()))),
	}
	for _, p := range m.Pushes {
		e.By, e.At = known(append(e.By, p.By)...), p.At
	}
	return e
}
