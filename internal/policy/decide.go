package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changegate/changegate/internal/change"
)

// Decide returns what the policy makes of the facts. It is a pure function: equal facts give an equal decision, whatever the
// order of those facts that have none (files, checks, labels, a team's members).
//
// Every rule is evaluated and everything that is missing is reported. A fact that is not there (a person whose permission was not
// read, a check that is not known, a team that cannot be read) never helps the change.
func (p *Policy) Decide(f change.Facts) change.Decision {
	return newInquiry(&f, p.Layers()...).decide()
}

// Needs returns all that a decision on these facts rests on beyond the pull request and its content, whether the facts have it
// already or not. The shell reads what it does not hold, or holds for too long, and asks again until nothing is new.
//
// It is as little as will do. Needs and Decide are the same evaluation, so that a question which cannot change the outcome any
// more is not asked; a draft needs nobody; and the timeline is needed only once all that does not depend on people is there. So
// where the decision could be green, everything that it rests on is in Needs.
func (p *Policy) Needs(f change.Facts) change.Needs {
	q := newInquiry(&f, p.Layers()...)
	q.questions = &questions{}
	d := q.decide()
	if !d.Governed {
		return change.Needs{}
	}
	needs := q.questions.needs()
	needs.Timeline = q.any(q.relaxingLabel) || !q.facts.Pull.Draft && onlyPeopleAwaited(d)
	return needs
}

// onlyPeopleAwaited says whether reviews alone could turn the decision green, now or once a freeze has ended.
func onlyPeopleAwaited(d change.Decision) bool {
	for _, r := range d.Requirements {
		switch r.Kind {
		case change.KindApprovals, change.KindSecurityReview, change.KindChangesRequested, change.KindFreeze:
			continue
		}
		if r.State != change.Met && r.State != change.Owed {
			return false
		}
	}
	return true
}

// Governs says whether pull requests into the repository's branch are decided at all. It is the policy of the default branch that
// answers, with its owner's floor beside it; each is then decided by the policy at the tip of its own base.
func (p *Policy) Governs(r change.Repository, branch string) bool {
	if branch == r.DefaultBranch {
		return branch != ""
	}
	matches := func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, branch) }
	return slices.ContainsFunc(p.Branches, matches) || p.Floor != nil && slices.ContainsFunc(p.Floor.Branches, matches)
}

// decide evaluates everything. The order is that of dependence: the record may raise the category, the category says what is
// required, and who is asked depends on what is still open.
func (q *inquiry) decide() change.Decision {
	f := q.facts
	d := change.Decision{
		Pull:         change.PullKey{Repository: f.Repository.ID, Number: f.Pull.Number},
		Head:         f.Pull.Head.SHA,
		Policy:       q.layers[len(q.layers)-1].policy.Ref,
		Requirements: []change.Requirement{},
		Matches:      []change.Match{},
	}
	if len(q.layers) > 1 {
		d.Floor = q.layers[0].policy.Ref
	}
	if !f.Governed {
		d.Verdict = change.Undecided
		return d
	}
	d.Governed = true
	d.Observing = q.policy.Mode == Observe

	q.classify()
	for range q.each {
		q.findTriggers()
	}
	d.Category = q.category
	if q.declaration != nil {
		d.Category, d.Underlying, d.Declaration = change.Emergency, q.category, q.declaration
	}

	if q.merged {
		d.State = change.Merged
		q.considerReviews()
	} else {
		q.require(q.expressionRows()...)
		q.require(q.limitRows()...)
		q.require(q.draftRows()...)
		q.require(q.recordRows()...)
		q.require(q.rejectionRows()...)
		q.considerReviews()
		q.require(q.checkRows()...)
		for range q.each {
			q.freezes()
		}
	}

	q.remarkUnusable()
	d.Requirements = append(d.Requirements, q.requirements...)
	slices.SortStableFunc(d.Requirements, func(a, b change.Requirement) int { return cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)) })
	d.Matches = append(d.Matches, q.matches...)
	d.Opinions, d.Asks, d.Voids, d.Notes = q.opinions, q.asks, q.voids, q.remarks
	d.Verdict = verdict(d.Requirements, f.Pull.Draft)
	for _, r := range d.Requirements {
		if r.State == change.Owed {
			q.wakeAt(r.Due)
		}
	}
	d.RecheckAt = q.recheckAt
	d.Contributors, d.Declarers, d.Scheduled = q.contributorIDs(), q.seenDeclare, q.scheduled()
	return d
}

// wakeAt notes a time that may change the decision: the earliest of them counts.
func (q *inquiry) wakeAt(t time.Time) {
	if q.recheckAt.IsZero() || t.Before(q.recheckAt) {
		q.recheckAt = t
	}
}

func (q *inquiry) require(rows ...change.Requirement) {
	q.requirements = append(q.requirements, rows...)
}

// remark notes what a reader should know; once, however many rules come across it.
func (q *inquiry) remark(parts ...change.Text) {
	r := change.Say(parts...)
	if !slices.ContainsFunc(q.remarks, func(old change.Text) bool { return slices.Equal(old, r) }) {
		q.remarks = append(q.remarks, r)
	}
}

// remarkUnusable warns of a policy that would fail every pull request once it is merged, even the one that fixes it.
func (q *inquiry) remarkUnusable() {
	if q.facts.Pull.State == change.Merged {
		return
	}
	for _, u := range q.facts.Unusable {
		if len(u.Problems) == 0 {
			continue
		}
		more := "”."
		if n := len(u.Problems) - 1; n > 0 {
			more = fmt.Sprintf("”, and %d more.", n)
		}
		q.remark(change.Words("Do not merge this yet: with it "), change.Code(u.Path), change.Words(" cannot be used, and every check would fail, even that of the pull request "+
			"that fixes it. “"), change.Quote(u.Problems[0]), change.Words(more+" "), change.Code("changegate policy lint"), change.Words(" lists all."))
	}
}

// kinds are the kinds of requirement in the order in which they are shown.
var kinds = [...]change.RequirementKind{
	change.KindPolicy, change.KindLimits, change.KindDraft, change.KindRecord, change.KindRejection, change.KindChangesRequested,
	change.KindAttribution, change.KindApprovals, change.KindSecurityReview, change.KindChecks, change.KindFreeze,
}

func kindOrder(k change.RequirementKind) int { return slices.Index(kinds[:], k) }

// verdict is the strictest of what the requirements ask for. A draft waits, whatever else it lacks.
func verdict(requirements []change.Requirement, draft bool) change.Verdict {
	if draft {
		return change.Waiting
	}
	v := change.Satisfied
	for _, r := range requirements {
		switch r.State {
		case change.Met, change.Owed:
		case change.Awaited:
			v = max(v, change.Waiting)
		default:
			v = change.Failing
		}
	}
	return v
}

// draftRows returns the requirement that a draft be made ready.
func (q *inquiry) draftRows() []change.Requirement {
	if !q.facts.Pull.Draft {
		return nil
	}
	return []change.Requirement{{
		Kind: change.KindDraft, Name: change.Words("Ready for review"), Short: change.Words("draft"), State: change.Awaited,
		Found: change.Words("draft"), Next: change.Words("mark it ready for review: nobody is asked to review it before"),
	}}
}

// limitRows returns what GitHub did not show of the change. Nothing that was not seen may be green.
func (q *inquiry) limitRows() []change.Requirement {
	f := q.facts
	row := func(state change.RequirementState, short, found, next string) []change.Requirement {
		return []change.Requirement{{
			Kind: change.KindLimits, Name: change.Words("The whole change"), Short: change.Words(short), State: state,
			Found: change.Words(found), Next: change.Words(next),
		}}
	}
	switch c := f.Content; {
	case c.Head != f.Pull.Head.SHA:
		return row(change.Awaited, "waiting for the comparison", "GitHub has not compared "+f.Pull.Head.SHA.Short()+" with the base yet", "nothing to do: it is decided as soon as GitHub has compared it")
	case c.FilesCut:
		return row(change.Blocked, "too many files", "GitHub lists "+plural(len(c.Files), "file", "files")+" of this change, and there may be more", "split it into smaller pull requests")
	case c.CommitsCut:
		return row(change.Blocked, "too many commits", "not every commit could be read, so who contributed is not known", "split it, or squash its commits")
	case f.Pull.ChangedFiles > len(c.Files):
		return row(change.Blocked, "files missing", fmt.Sprintf("GitHub counts %s and listed %d", plural(f.Pull.ChangedFiles, "file", "files"), len(c.Files)), "split it into smaller pull requests")
	}
	// A submodule makes the change high-risk, and an emergency impossible: where that is so or cannot be, nobody needs to know.
	if q.modesMissing > 0 && (q.category < change.HighRisk || q.declaration != nil) {
		if q.questions != nil {
			q.questions.modes = true
		}
		return row(change.Awaited, "waiting for file modes", "whether "+plural(q.modesMissing, "file", "files")+" without a diff may be a submodule is not known", "nothing to do: it is decided as soon as GitHub tells the modes")
	}
	return nil
}

// expressionRows returns the expressions that could not be evaluated: they failed, which is not the same as not to match.
func (q *inquiry) expressionRows() []change.Requirement {
	var rows []change.Requirement
	for _, b := range q.broken {
		source := b.policy.Ref.Source
		where := change.Say(change.Words(" on "), change.Code(q.facts.Pull.Base.Name), change.Words(": a pull request's own copy is not read"))
		if strings.HasPrefix(source, q.facts.Repository.Owner+"/.github/") {
			where = change.Words(" on its default branch")
		}
		rows = append(rows, change.Requirement{
			Kind: change.KindPolicy, State: change.Failed,
			Name:  change.Words("Expression on " + q.place(b.policy, b.line)),
			Short: change.Words("expression on " + q.place(b.policy, b.line) + " failed"),
			Found: change.Quote(b.err.Error()),
			Next:  change.Say(change.Words("fix line "+strconv.Itoa(b.line)+" of "), change.Code(source), where),
		})
	}
	return rows
}

// plural returns the number with the noun that goes with it, digits in groups of three.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return grouped(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
