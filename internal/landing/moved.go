package landing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Moved is how a branch's tip came from the last commit known to where it is. Walk judges the commits that landed on the way; Judge judges the moves, which
// may have taken commits off: forced pushes and deletions. A delivery tells of a push, and the repository's activity shows it. A move of which neither
// knows is seen by where the branch is.
type Moved struct {
	Repository change.RepositoryID
	Branch     string
	Now        time.Time

	// What is remembered; see branchState.

	Known change.SHA // the last commit known; empty: there is none
	Anew  bool       // it is walked for the first time, or was not governed for a while: it need not have been at Known
	// Heading is where the tip was in the part of a walk before this one, which came as far as Known, or when the branch was deleted; empty: it was at Known.
	Heading change.SHA
	Deleted bool // it was known before that the branch is gone
	// Judged are the keys of the moves that earlier parts of this walk judged, made with the times that the pushes gave which told of them.
	Judged []string
	// Untold are moves that were found before a push told of them. The first push that tells of one later is not another move.
	Untold []move
	// UntoldEver is how many moves were found before a push told of them, since the branch was looked at first.
	UntoldEver int

	// What is told and read.

	Pushes []Push     // those that were told of, oldest first
	Tip    change.SHA // empty: the branch is gone
	// Kept says that Known is an ancestor of Tip, or Tip itself. Not looked at if one of them is empty.
	Kept bool
	// Activity is what the repository's activity shows of the branch, oldest first. It is read if something is found.
	Activity []Push
	// Origin is the commit of the default branch, or of the former one, that the branch was compared with when it was looked at for the first time;
	// empty: none. Orphan says that the two have no history in common; Known is Tip then.
	Origin change.SHA
	Orphan bool
	// Elsewhere says that what landed does not go on from Known along first parents: it was begun elsewhere, and then merged with it or put in its place.
	Elsewhere bool
	// TooMany says that more commits landed since Known than GitHub lists.
	TooMany bool

	// What comes of it.

	// Beside is the commit whose policy says how commits that were begun elsewhere are reported; empty: there are none. See noteBeside.
	Beside change.SHA
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

// is says whether it is the move that a push tells of: one between the same commits, for which the times speak.
//
//	a push told of it before                it is that push, told of once more
//	the push does not say when it was       it is the move
//	both say when they were                 it is the move if that was at the same time
//	only the push does                      it is the move unless it came after that was found
func (m move) is(p Push) bool {
	switch {
	case !p.isMove() || p.Before != m.Before || p.After != m.After:
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

// Judge returns the exceptions: a history of its own, each move, and more commits than GitHub lists. Untold are the moves that were found before, with those
// of them noted that a push told of now, and the new ones that no push told of: those that the activity shows, and if these do not explain where the branch
// is either, one that is seen. The activity of a branch that is walked anew is not looked at for more than to explain that.
func (m *Moved) Judge() (found []change.Exception, untold []move) {
	untold = slices.Clone(m.Untold)
	if m.Orphan {
		found = append(found, m.orphan())
	}
	for _, p := range m.Pushes {
		if !p.isMove() || slices.Contains(m.Judged, m.exception(p, p.At).Key) {
			continue // Known is beyond what was judged
		}
		if i := slices.IndexFunc(untold, func(before move) bool { return before.is(p) }); i >= 0 {
			untold[i].Told = p.At
			if p.By.Known() {
				untold[i].By = p.By
			}
			continue
		}
		found = append(found, m.exception(p, p.when(m.Activity)))
	}
	lose := func(p Push, e change.Exception) {
		found = append(found, e)
		untold = append(untold, move{Before: p.Before, After: p.After, Found: m.Now, Pushed: p.Pushed, By: p.By, Key: e.Key})
	}
	if !m.Anew || !m.isExplained(found) {
		for _, p := range m.shown() {
			if p.isMove() {
				lose(p, m.exception(p, p.At))
			}
		}
	}
	if !m.isExplained(found) {
		lose(m.seen())
	}
	if m.TooMany {
		found = append(found, m.tooMany())
	}
	return found, untold
}

// isExplained says whether the branch can be where it is with no more moves than were found.
//
//	Known is in the tip's history   without any
//	it is not                       after a forced push
//	the branch is gone              after a deletion, found now or before
func (m *Moved) isExplained(found []change.Exception) bool {
	has := func(kind change.ExceptionKind) bool {
		return slices.ContainsFunc(found, func(e change.Exception) bool { return e.Kind == kind })
	}
	switch {
	case m.Known == "":
		return true
	case m.Tip == "":
		return m.Deleted || has(change.BranchDeleted)
	default:
		return m.Kept || has(change.ForcedUpdate)
	}
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

// left is where the branch was when it was deleted, as far as is known.
func (m *Moved) left() change.SHA {
	for _, p := range slices.Backward(withActivity(m.Pushes, m.way())) {
		if p.After == "" {
			return p.Before
		}
	}
	return m.last()
}

// toldKeys returns the keys of the moves that pushes told of, made with the times that these gave: so they are the same whatever the activity shows.
func (m *Moved) toldKeys() (keys []string) {
	for _, p := range m.Pushes {
		if p.isMove() {
			keys = append(keys, m.exception(p, p.At).Key)
		}
	}
	return keys
}

// way returns what the activity shows of how the branch came from where it was last to the tip. What comes after that was pushed since the tip was read,
// and is for the walk that follows.
func (m *Moved) way() []Push {
	activity, _ := since(m.Activity, m.last())
	for i, p := range slices.Backward(activity) {
		if p.After == m.Tip {
			return activity[:i+1]
		}
	}
	return activity
}

// shown returns the pushes that only the activity shows, since the branch was where it was last.
func (m *Moved) shown() []Push {
	activity := m.way()
	if m.Deleted { // what there was up to the deletion was found
		activity = activity[1+slices.IndexFunc(activity, func(p Push) bool { return p.After == "" }):]
	}
	return slices.DeleteFunc(slices.Clone(activity), func(p Push) bool {
		return slices.ContainsFunc(m.Pushes, func(told Push) bool { return told.is(p) })
	})
}

// exception returns that of a push which is a move.
func (m *Moved) exception(p Push, at time.Time) change.Exception {
	if p.After == "" {
		return m.deleted(p.Before, p.By, at)
	}
	return m.forced(p.Before, p.After, p.By, at)
}

// seen returns a move that is seen by where the branch is, and its exception: nobody told of it, or the branch was deleted and made again elsewhere, and then
// it is by whoever made it. Where it is not known when that was, what tells the move from another one like it is how many were found so before.
func (m *Moved) seen() (Push, change.Exception) {
	p := Push{change.BranchPush{Branch: m.Branch, Before: m.last(), After: m.Tip, Forced: m.Tip != ""}, m.Now}
	at := m.Tip
	for _, last := range slices.Backward(withActivity(m.Pushes, m.way())) {
		if last.After != at || at == "" {
			continue
		}
		if last.Before == "" || last.Forced {
			p.After, p.By, p.At, p.Pushed = last.After, last.By, last.At, last.Pushed
			break
		}
		at = last.Before // what was pushed onto it was not what moved it
	}
	e := m.exception(p, p.At)
	if p.Pushed.IsZero() {
		e.Key = keyOf(e.Kind, m.Repository, m.Branch, p.Before, p.After, "unseen", m.UntoldEver+1)
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

// noteBeside notes the commit whose policy says how commits that were begun elsewhere are reported: the last one that was known before what is open, or
// before this walk. An earlier part of the walk may have noted it.
func (m *Moved) noteBeside(state *branchState) {
	m.Beside = state.Beside
	if !m.Elsewhere || m.Beside != "" {
		return
	}
	m.Beside = m.Known
	if state.Open != nil {
		m.Beside = cmp.Or(state.Open.Before, m.Known)
	}
}

// before is the commit whose policy says how an exception is reported. Commits that were begun elsewhere have no say in which one that is.
func (m *Moved) before(e change.Exception) change.SHA {
	switch {
	case e.Before == "" && m.Orphan:
		return m.Origin
	case m.Beside != "" && len(e.Commits) > 0:
		return m.Beside
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
	pushes := withActivity(m.Pushes, m.way())
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
