package landing

import (
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
	// Kept says that Known is an ancestor of Tip, or Tip itself. Not looked at if one of them is empty.
	Kept    bool
	Deleted bool   // it was known before that the branch is gone
	Pushes  []Push // oldest first
	// Origin is the commit of the default branch, or of the former one, that a branch was compared with which is looked at for the first time;
	// empty: none. Orphan says that they have no history in common; Known is Tip then.
	Origin change.SHA
	Orphan bool
	// Beside says that what landed does not go on from Known along first parents: it was begun elsewhere, and then merged with it or put in its place.
	Beside bool
	// TooMany says that more commits landed since Known than GitHub lists.
	TooMany bool
	// Untold are moves that were found before a push told of them. The first push that tells of one is no other move.
	Untold []move
}

// move is a forced push or a deletion that was found before a push told of it. It is stored: members may be added, not renamed.
type move struct {
	Before change.SHA `json:"before"`
	After  change.SHA `json:"after,omitempty"` // empty: the branch was deleted
	Found  time.Time  `json:"found"`
	Told   time.Time  `json:"told,omitzero"` // by the push of this time; zero: by none yet
}

// is says whether it is the move that a push tells of.
func (m move) is(p Push) bool {
	return p.Before == m.Before && p.After == m.After && (p.Forced || p.After == "") && (m.Told.IsZero() || m.Told.Equal(p.At))
}

// Judge returns the exceptions: a history of its own, each forced push, each deletion, what no push told of, and more commits than GitHub lists.
// The moves among them that no push told of are added to those that were found before.
func (m *Moved) Judge() (found []change.Exception, untold []move) {
	forced, deleted := false, m.Deleted
	untold = slices.Clone(m.Untold)
	if m.Orphan {
		found = append(found, m.orphan())
	}
	for _, p := range m.Pushes {
		if i := slices.IndexFunc(untold, func(m move) bool { return m.is(p) }); i >= 0 {
			untold[i].Told = p.At
			continue
		}
		switch {
		case p.After == "":
			deleted = true
			found = append(found, m.deleted(p.Before, p.By, p.At))
		case p.Forced && p.Before != "":
			forced = true
			found = append(found, m.forced(p.Before, p.After, p.By, p.At))
		}
	}
	switch {
	case m.Known == "":
	case m.Tip == "" && !deleted:
		found = append(found, m.deleted(m.Known, change.Account{}, m.Now))
		untold = append(untold, move{Before: m.Known, Found: m.Now})
	case m.Tip != "" && !m.Kept && !forced:
		found = append(found, m.forced(m.Known, m.Tip, change.Account{}, m.Now))
		untold = append(untold, move{Before: m.Known, After: m.Tip, Found: m.Now})
	}
	if m.TooMany {
		found = append(found, m.tooMany())
	}
	return found, untold
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

// before is the commit whose policy says how an exception is told. What was begun elsewhere does not choose the one that it landed on.
func (m *Moved) before(e change.Exception) change.SHA {
	switch {
	case e.Before == "" && m.Orphan:
		return m.Origin
	case e.Before == "" || m.Beside && len(e.Commits) > 0:
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
	for i, p := range m.Pushes {
		if e.By = known(append(e.By, p.By)...); p.After == m.Tip {
			last = &m.Pushes[i]
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
