package policy

import (
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// DecideGroup says whether a merge group may merge: only if every pull request in it may, each at the head that the queue took, and if what
// the group changes is nothing else than what was decided of them. Title makes the words for a member's decision.
//
// A group that cannot merge as things are fails, so that the queue goes on without it; it waits only for what ends by itself, the checks of
// a member or the decision on the group ahead.
func DecideGroup(g change.Group, title func(change.Decision) string) change.GroupDecision {
	d := change.GroupDecision{Group: g.MergeGroup, Verdict: change.Satisfied, Observing: len(g.Members) > 0}
	for _, m := range g.Members {
		s := change.GroupStanding{Number: m.Number, Verdict: memberVerdict(m.Decision), Title: title(m.Decision)}
		switch {
		case m.Queued != "" && m.Decision.Head != m.Queued:
			s.Verdict, s.Title = change.Failing, fmt.Sprintf("its head is now %s, and the queue took %s: queue it again", m.Decision.Head.Short(), m.Queued.Short())
		case !m.Decision.Governed && (m.Decision.State == change.Merged || m.Decision.State == change.Closed):
			s.Title = "it is already " + string(m.Decision.State) + ", so nothing was decided about it for this group"
		}
		d.Members = append(d.Members, s)
		d.Verdict = max(d.Verdict, s.Verdict)
		d.Observing = d.Observing && m.Decision.Observing
	}
	if len(g.Members) == 0 {
		d.Problems = append(d.Problems, change.Words("GitHub does not say which pull requests are in this group. Queue them again; if that recurs, give the App permission to read merge queues."))
	}
	d.Problems = append(d.Problems, foreign(g)...)
	if len(d.Problems) > 0 {
		d.Verdict = change.Failing
	}
	d.Verdict = max(d.Verdict, g.Ahead)
	return d
}

// memberVerdict is what a pull request's decision means for its group: people and freezes are not waited for, or the queue would stand still.
func memberVerdict(d change.Decision) change.Verdict {
	switch {
	case !d.Governed || d.Verdict == change.Undecided:
		return change.Failing
	case d.Verdict != change.Waiting:
		return d.Verdict
	}
	awaited := func(r change.Requirement) bool { return r.State == change.Awaited && r.Kind != change.KindChecks }
	if slices.ContainsFunc(d.Requirements, awaited) {
		return change.Failing
	}
	return change.Waiting
}

// foreign returns what a group changes that was not decided so for any of its members. Where two of them change one file, the group
// has a third content of it, which nobody has seen.
func foreign(g change.Group) []change.Text {
	smaller := "Merge its pull requests one at a time."
	if g.MembersKnown && len(g.Members) == 1 {
		smaller = "Split its pull request."
	}
	switch {
	case g.Content.Gone:
		return []change.Text{change.Words("GitHub does not show what this group changes. Queue its pull requests again; if that recurs, merge them one at a time.")}
	case g.Content.FilesCut:
		return []change.Text{change.Words("This group changes so many files that GitHub does not list them all. " + smaller)}
	case !g.ModesKnown && len(g.Members) > 0:
		return []change.Text{change.Words(
			"GitHub does not show the modes of all the files that this group changes, because the repository has so many. " + smaller)}
	}
	var problems []change.Text
	for _, f := range g.Content.Files {
		var in []change.GroupMember
		same := false
		for _, m := range g.Members {
			i := slices.IndexFunc(m.Files, func(d change.File) bool { return d.Path == f.Path })
			if i < 0 {
				continue
			}
			in = append(in, m)
			same = same || m.Files[i].Blob == f.Blob && m.Files[i].Mode == f.Mode &&
				(m.Files[i].Status == change.FileRemoved) == (f.Status == change.FileRemoved)
		}
		switch {
		case same:
		case len(in) > 1:
			problems = append(problems, change.Say(change.Code(f.Path), change.Words(fmt.Sprintf(
				" is changed by #%d and by #%d: nobody has seen what both together make of it. Let one merge, update the other and have it approved again.",
				in[0].Number, in[1].Number))))
		case len(in) == 1:
			problems = append(problems, change.Say(change.Code(f.Path), change.Words(fmt.Sprintf(
				" is not what was decided for #%d: the branch has changed it too. Update the pull request and have it approved again.", in[0].Number))))
		case !g.MembersKnown:
			problems = append(problems, change.Say(change.Code(f.Path), change.Words(
				" is changed by another pull request, and GitHub does not say which are in this group. Let groups hold one pull request, or give the App permission to read merge queues.")))
		default:
			problems = append(problems, change.Say(change.Code(f.Path), change.Words(" is changed by no pull request of this group. Queue its pull requests again.")))
		}
		if len(problems) == maxForeign {
			return append(problems, change.Words("There may be more of these."))
		}
	}
	return problems
}

// maxForeign is how many files are named that a group should not change.
const maxForeign = 10
