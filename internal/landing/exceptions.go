package landing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// keyOf is the key of an exception: equal for what happened, whenever and however often it is found, and another one when the same is done
// again. It holds nothing that a stranger wrote.
func keyOf(kind change.ExceptionKind, repo change.RepositoryID, branch string, parts ...any) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00%s", kind, repo, branch)
	for _, p := range parts {
		fmt.Fprintf(h, "\x00%v", p)
	}
	return strings.ReplaceAll(string(kind), " ", "-") + "-" + hex.EncodeToString(h.Sum(nil))[:20]
}

// timed adds the push's time to the parts of a key, so that a push which does the same at another time has another key. Where no push is known
// there is none to add.
func (p *Push) timed(parts ...any) []any {
	if p == nil {
		return parts
	}
	return append(parts, p.At.UnixMicro())
}

// exception says what is wrong with what a pull request brought, nil if nothing is. What is not green is not looked at any further.
func (j *judge) exception(u unit) (*change.Exception, Needs) {
	p, before := u.pull, j.before(u.start)
	e := change.Exception{
		Repository: j.Repository, Branch: j.Branch, Number: p.Number, Before: before, After: j.Line[u.end].SHA, At: p.MergedAt,
	}
	for _, c := range j.Line[u.start : u.end+1] {
		e.Commits = append(e.Commits, c.SHA)
	}
	landed := change.Say(change.Words(fmt.Sprintf("pull request #%d was merged into ", p.Number)), change.Code(j.Branch))
	switch why := notGreen(p, j.Branch); {
	case !why.IsEmpty():
		e.Kind, e.What = change.MergedWithoutGreen, change.Say(landed, change.Words(" without a green check: "), why)
	case !u.same.isDecided():
		e.Kind, e.What = change.OtherContent, change.Say(landed, change.Words(" with other content than was decided: "), u.why())
	default:
		blob, ok := j.Policies[before]
		if !ok {
			return nil, Needs{Policies: []change.SHA{before}}
		}
		if why := j.otherPolicy(p.Decision.Policy, blob); !why.IsEmpty() {
			e.Kind, e.What = change.OtherPolicy, change.Say(landed, change.Words(" by another policy than was in force: "), why)
		}
	}
	if e.Kind == "" {
		return nil, Needs{}
	}
	e.What = command.Sentence(e.What)
	e.Key = keyOf(e.Kind, j.Repository, j.Branch, p.Number, e.After)
	e.By = known(p.MergedBy)
	if push := j.pushOf(u.end); push != nil {
		e.By = known(append(e.By, push.By)...)
	}
	if len(e.By) == 0 {
		e.By = known(p.Author)
	}
	if e.At.IsZero() {
		e.At = j.Now
	}
	return &e, Needs{}
}

// notGreen says why a pull request's check was not green when it was merged; empty if it was, or the policy only observed.
func notGreen(p Merged, branch string) change.Text {
	d := p.Decision
	switch {
	case d == nil:
		return change.Words("nothing had been decided of it")
	case d.Head != p.Head.SHA:
		return change.Words(fmt.Sprintf("what had been decided is of %s, and its last commit is %s", d.Head.Short(), p.Head.SHA.Short()))
	case d.Base != branch:
		return change.Say(change.Words("it had been decided for another branch, "), change.Code(d.Base))
	case d.Verdict == change.Satisfied || d.Observing:
		return nil
	}
	var open []change.Text
	for _, r := range d.Requirements {
		if r.State == change.Met || r.State == change.Owed {
			continue
		}
		if short := r.Short; !short.IsEmpty() {
			open = append(open, short)
		} else {
			open = append(open, r.Name)
		}
	}
	if len(open) == 0 {
		return change.Words("it was " + d.Verdict.String())
	}
	return change.Join(" · ", open)
}

// maxPaths is how many paths are named where the content differs.
const maxPaths = 5

// why says how a unit's content differs from what was decided.
func (u unit) why() change.Text {
	switch u.same {
	case tooLarge:
		return change.Words("GitHub does not list so many files, so that the two cannot be compared")
	case lost:
		return change.Words("GitHub does not have both any more, so that they cannot be compared")
	}
	var paths []change.Text
	for i, p := range u.paths {
		if i == maxPaths {
			paths = append(paths, change.Words(fmt.Sprintf("and %d more", len(u.paths)-maxPaths)))
			break
		}
		paths = append(paths, change.Code(p))
	}
	return change.Join(", ", paths)
}

// otherPolicy says how the policy that decided differs from the file that was on the branch right before; empty: not at all. What is compared
// is the repository's own file. The owner's is not on the branch, and what it was then nobody can read.
func (w *Walk) otherPolicy(decided change.PolicyRef, blob change.SHA) change.Text {
	var own change.SHA
	if decided.Source == w.PolicyPath {
		own = decided.SHA
	}
	switch {
	case own == blob:
		return nil
	case blob == "":
		return change.Words("the repository's policy, which decided it, was gone")
	case own == "":
		return change.Words("the repository had no policy of its own when it was decided")
	default:
		return change.Words("the policy had changed")
	}
}

// noPullRequest is the exception of the commits from start to end, which came through no pull request.
func (j *judge) noPullRequest(start, end int, push *Push) change.Exception {
	e := change.Exception{
		Kind: change.NoPullRequest, Repository: j.Repository, Branch: j.Branch, Before: j.before(start), After: j.Line[end].SHA, At: j.Now,
	}
	for i := start; i <= end; i++ {
		e.Commits = append(e.Commits, j.Line[i].SHA)
		if push == nil || !push.By.Known() {
			// Nobody knows who pushed. Whoever made the commits is the next best guess at who may not explain them.
			e.By = known(append(e.By, j.Line[i].By...)...)
		}
	}
	if push != nil {
		e.At = push.At
		e.By = known(append(e.By, push.By)...)
	}
	e.Key = keyOf(e.Kind, j.Repository, j.Branch, push.timed(e.After)...)
	e.What = change.Say(change.Words(count(len(e.Commits), "commit", "commits")+" landed on "), change.Code(j.Branch),
		change.Words(" without a pull request."))
	return e
}

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

// before is the commit whose policy says how an exception is told. Commits that were begun elsewhere have no say in which one that is.
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

// known returns the accounts that are somebody, each once. GitHub's own committer is nobody.
func known(accounts ...change.Account) []change.Account {
	var out []change.Account
	for _, a := range accounts {
		if a.Known() && a.Login != "web-flow" && !slices.ContainsFunc(out, func(b change.Account) bool { return a.ID == b.ID }) {
			out = append(out, a)
		}
	}
	return out
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
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
