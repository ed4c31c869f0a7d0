package policy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/changegate/changegate/internal/change"
)

// Unreadable returns the decision where the policy file on a branch cannot be used: the check fails with every problem, its line and its
// mend. There is no other policy to fall back to, because then a broken file would be a way to loosen it.
func Unreadable(ref change.PolicyRef, branch string, key change.PullKey, head change.SHA, problems Problems) change.Decision {
	d := cannotUse(key, head, "the policy", problems)
	d.Policy, d.Notes = ref, mendedOn(change.Code(branch))
	return d
}

// UnreadableFloor is Unreadable for the owner's policy. It names the file, which is in another repository than the pull request.
func UnreadableFloor(ref change.PolicyRef, key change.PullKey, head change.SHA, problems Problems) change.Decision {
	d := cannotUse(key, head, "the owner's policy", problems)
	d.Policy = ref
	d.Notes = mendedOn(change.Say(change.Words("the default branch of "), change.Code(path.Dir(ref.Source))))
	for i := range d.Requirements {
		r := &d.Requirements[i]
		r.Next = change.Say(r.Next, change.Words(" (in "), change.Code(ref.Source), change.Words(")"))
	}
	return d
}

// mendedOn says where a file that cannot be used is mended and by whom: a pull request that mends it is judged by the broken one.
func mendedOn(branch change.Text) []change.Text {
	return []change.Text{change.Say(change.Words("The file is read on "), branch, change.Words(", so no pull request passes until it is fixed there, "+
		"not even the one that fixes it: an administrator has to merge that one past this check or, where the check binds administrators too, stop requiring it for that one merge."))}
}

// maxProposedProblems is how many problems of a file the note about it quotes.
const maxProposedProblems = 5

// TellProposed has the decision where a policy file cannot be used say first of all whether the pull request's own version of it can be, which is
// what those must know who would merge it past the check. Problems are what is wrong with that; empty: it can be used.
func TellProposed(d *change.Decision, file string, problems Problems) {
	note := change.Say(change.Words("This pull request's own "), change.Code(file), change.Words(" can be used: once that is merged, pull requests are decided again."))
	if n := len(problems); n > 0 {
		quoted := make([]change.Text, min(n, maxProposedProblems))
		for i := range quoted {
			quoted[i] = change.Say(change.Words("“"), change.Quote(problems[i].String()), change.Words("”"))
		}
		more := ". "
		if n > len(quoted) {
			more = fmt.Sprintf("; and %d more. ", n-len(quoted))
		}
		note = change.Say(change.Words("This pull request's own "), change.Code(file), change.Words(" cannot be used either: "), change.Join("; ", quoted),
			change.Words(more), change.Code("changegate policy lint"), change.Words(" lists all before it is pushed."))
	}
	d.Notes = slices.Concat([]change.Text{note}, d.Notes)
}

// TellRemoved is TellProposed where the pull request takes the file away.
func TellRemoved(d *change.Decision, file string) {
	note := change.Say(change.Words("This pull request takes "), change.Code(file), change.Words(" away: once that is merged, pull requests are decided again, without it."))
	d.Notes = slices.Concat([]change.Text{note}, d.Notes)
}

// cannotUse makes a requirement of each problem. File is what people call the file.
func cannotUse(key change.PullKey, head change.SHA, file string, problems Problems) change.Decision {
	d := change.Decision{
		Pull: key, Head: head, Governed: true, Verdict: change.Failing,
		Requirements: []change.Requirement{}, Matches: []change.Match{},
	}
	for _, p := range problems.Errors() {
		where := file
		if p.Line > 0 {
			where = "line " + strconv.Itoa(p.Line) + " of " + file
		}
		d.Requirements = append(d.Requirements, change.Requirement{
			Kind: change.KindPolicy, State: change.Failed,
			Name: change.Words(capitalized(where)), Short: change.Words(where + " cannot be read"), Found: change.Quote(p.Message), Next: change.Quote(p.Mend),
		})
	}
	if len(d.Requirements) == 0 {
		d.Requirements = append(d.Requirements, change.Requirement{
			Kind: change.KindPolicy, State: change.Failed,
			Name: change.Words(capitalized(file)), Short: change.Words(file + " cannot be read"), Found: change.Words("cannot be read"),
		})
	}
	return d
}

// Strictest returns the decision that a head SHA's one check run shows: the strictest of those of all open pull requests with that
// head, with a note that names the others. What only observes is shown if nothing else is there. Decisions that do not govern do
// not count; without any that does, the result is not governed either.
func Strictest(decisions []change.Decision) change.Decision {
	governed := slices.DeleteFunc(slices.Clone(decisions), func(d change.Decision) bool { return !d.Governed })
	if len(governed) == 0 {
		return change.Decision{Requirements: []change.Requirement{}, Matches: []change.Match{}}
	}
	slices.SortStableFunc(governed, func(a, b change.Decision) int {
		return cmp.Or(
			compareBool(a.Observing, b.Observing),
			-cmp.Compare(a.Verdict, b.Verdict),
			-cmp.Compare(a.Category, b.Category),
			cmp.Compare(a.Pull.Repository, b.Pull.Repository),
			cmp.Compare(a.Pull.Number, b.Pull.Number),
		)
	})
	d := governed[0]
	if len(governed) == 1 {
		return d
	}
	d.Notes = slices.Clone(d.Notes)
	for _, other := range governed[1:] {
		d.Notes = append(d.Notes, change.Words("Pull request #"+strconv.Itoa(int(other.Pull.Number))+" has the same head and is "+
			other.Verdict.String()+" ("+other.Category.String()+"). One commit has one check, so this shows the strictest, that of #"+strconv.Itoa(int(d.Pull.Number))+"."))
		if !other.RecheckAt.IsZero() && (d.RecheckAt.IsZero() || other.RecheckAt.Before(d.RecheckAt)) {
			d.RecheckAt = other.RecheckAt
		}
	}
	return d
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
