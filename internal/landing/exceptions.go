package landing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

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

// timed adds the push's time to the parts of a key, which tells it from one that does the same at another time: GitHub's, so that it is the same
// however often we are told, and even if the database was put back meanwhile. What no push is known of has none.
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
		return change.Words("nothing had been decided about it")
	case d.Head != p.Head.SHA:
		return change.Words(fmt.Sprintf("it had been decided at %s, and its last commit is %s", d.Head.Short(), p.Head.SHA.Short()))
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

// noPullRequest is the exception of the commits from start to end, which came through no pull request, and of those before them that are open still.
func (j *judge) noPullRequest(start, end int, push *Push, open *change.Exception) change.Exception {
	e := change.Exception{
		Kind: change.NoPullRequest, Repository: j.Repository, Branch: j.Branch, Before: j.before(start), After: j.Line[end].SHA, At: j.Now,
	}
	if open != nil {
		e.Before, e.Commits, e.By = open.Before, slices.Clone(open.Commits), slices.Clone(open.By)
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
