package webhook

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// What follows reads events that raise errands. Those of issues come back to us for what we ourselves write there (an issue that we
// open, edit or close, a comment of ours): they are not told apart, because an errand that is raised looks at what is there and finds
// nothing to do.

// raise has an errand of the delivery's repository looked at, with notes for it if there are any.
func raise(d *change.Delivery, kind change.ErrandKind, name string, notes ...change.Note) {
	d.Raised = append(d.Raised, change.Raised{
		Errand: change.Errand{Kind: kind, Repository: d.Repository.ID, Name: name},
		Notes:  notes,
	})
}

// note is what the delivery tells. Its ID is the delivery's, so that a redelivery leaves the same note.
func note(d *change.Delivery, body any) change.Note { return change.NewNote(d.ID, d.ReceivedAt, body) }

// maxCommits is how many commits GitHub names in a push.
const maxCommits = 2048

// isQueue says whether a branch is one that a merge queue makes: a group, which tells of itself as merge_group.
func isQueue(branch string) bool { return strings.HasPrefix(branch, "gh-readonly-queue/") }

// branchPush returns what a push to a branch tells.
func (e *pushEvent) branchPush(branch string, by change.Account) change.BranchPush {
	p := change.BranchPush{Branch: branch, Before: existing(e.Before), After: existing(e.After), By: by, Forced: e.Forced, Pushed: e.Repository.pushedAt()}
	for _, c := range e.Commits[:min(len(e.Commits), maxCommits)] {
		if c.ID != "" {
			p.Commits = append(p.Commits, c.ID)
		}
	}
	return p
}

// arrival returns the push as what it brought to the branch; nil if the branch was deleted.
func (e *pushEvent) arrival(p change.BranchPush, received time.Time) *change.Push {
	if p.After == "" {
		return nil
	}
	return &change.Push{Before: p.Before, After: p.After, By: p.By, At: cmp.Or(p.Pushed, received), Forced: p.Forced}
}

// existing returns a commit's name; that of no commit, which is all zeros, is empty.
func existing(name change.SHA) change.SHA {
	if strings.Trim(string(name), "0") == "" {
		return ""
	}
	return name
}

func readMergeGroup(d *change.Delivery, e *mergeGroupEvent) error {
	g := e.MergeGroup
	switch {
	case g == nil:
		return errors.New("no merge_group")
	case d.Repository.ID == 0 || g.HeadSHA == "":
		return errors.New("no repository or no commit")
	}
	group := change.MergeGroup{Head: g.HeadSHA, HeadRef: g.HeadRef, Base: g.BaseSHA, BaseRef: g.BaseRef}
	switch e.Action {
	case "checks_requested":
	case "destroyed":
		if group.Destroyed = e.Reason; group.Destroyed == "" {
			group.Destroyed = "destroyed" // GitHub gives a reason, and one without it is gone no less
		}
	default:
		return nil
	}
	raise(d, change.ErrandGroup, string(g.HeadSHA), note(d, change.GroupNote{MergeGroup: group}))
	return nil
}

func readIssue(d *change.Delivery, e *issueEvent) error {
	if e.Issue == nil {
		return errors.New("no issue")
	}
	switch e.Action {
	case "closed", "reopened", "edited", "assigned", "unassigned", "deleted", "transferred":
		return setIssue(d, e.Issue.Number)
	}
	return nil
}

// setIssue makes the delivery that of one issue: whichever errand has it is raised.
func setIssue(d *change.Delivery, number change.Number) error {
	if d.Repository.ID == 0 || number <= 0 {
		return errors.New("no repository or no number of an issue")
	}
	d.Issue = number
	return nil
}

// readProtection reads events that change what a branch requires. Which branches a ruleset is about is a matter of patterns; the default
// branch is looked at for all of them, and the others in their daily turn.
func readProtection(d *change.Delivery, _ *envelope) error {
	if d.Repository.ID != 0 && d.Repository.DefaultBranch != "" { // an organization's ruleset names no repository
		raise(d, change.ErrandProtection, d.Repository.DefaultBranch)
	}
	return nil
}
