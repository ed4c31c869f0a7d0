package reconcile

import (
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// The bodies of ledger entries that the reconciler writes. Members may be added; their names and meanings never change.
type (
	approvalBody struct {
		By     change.Account     `json:"by"`
		Review int64              `json:"review"`
		SHA    change.SHA         `json:"sha"`
		State  change.ReviewState `json:"state"`
		Roles  []string           `json:"roles,omitempty"`
		Why    string             `json:"why,omitempty"`
		// Description is what the pull request said when an approval that counts was submitted.
		Description string `json:"description,omitempty"`
	}
	editBody struct {
		By          change.Account `json:"by"`
		At          time.Time      `json:"at"`
		Description string         `json:"description"` // what it says since
		Was         string         `json:"was"`
	}
	labelBody struct {
		Label string         `json:"label"`
		Added bool           `json:"added"`
		By    change.Account `json:"by"`
		At    string         `json:"at"` // RFC 3339, by GitHub's clock
	}
	endedBody struct {
		State       change.PullState `json:"state"`
		MergedBy    change.Account   `json:"merged_by,omitzero"`
		MergedAt    time.Time        `json:"merged_at,omitzero"`
		MergeCommit change.SHA       `json:"merge_commit,omitempty"`
		Base        string           `json:"base"`
		Category    change.Category  `json:"category"` // as last decided, for DecidedHead
		Verdict     change.Verdict   `json:"verdict"`
		DecidedHead change.SHA       `json:"decided_head"`
		Observing   bool             `json:"observing,omitempty"` // the verdict held nothing up
	}
)

// evidence returns what the ledger is to know of a decision that takes another's place: the decision itself, each approval that began or
// ceased to count, and the labels of consequence that were set or taken off since. Before is nil for the first decision.
func evidence(before *change.Decision, after change.Decision, labels []change.LabelEvent) []ledger.Draft {
	subject := subjectOf(after.Pull, after.Head)
	drafts := append([]ledger.Draft{{Kind: ledger.DecisionChanged, Subject: subject, Body: after}}, relabelled(after, labels)...)
	counted := map[int64]change.Opinion{}
	if before != nil {
		for _, o := range before.Opinions {
			if o.Counts {
				counted[o.Review] = o
			}
		}
	}
	for _, o := range after.Opinions {
		_, did := counted[o.Review]
		switch {
		case o.Counts && !did:
			drafts = append(drafts, approval(ledger.ApprovalCounted, subject, o, ""))
		case !o.Counts && did:
			drafts = append(drafts, approval(ledger.ApprovalVoided, subject, o, o.Why.String()))
		}
		delete(counted, o.Review)
	}
	if before != nil {
		// In the order of the earlier decision, so that the same change gives the same entries.
		for _, o := range before.Opinions {
			if gone, ok := counted[o.Review]; ok {
				drafts = append(drafts, approval(ledger.ApprovalVoided, subject, gone, whyGone(gone, after)))
			}
		}
	}
	return drafts
}

func relabelled(d change.Decision, labels []change.LabelEvent) (drafts []ledger.Draft) {
	for _, l := range labels {
		drafts = append(drafts, ledger.Draft{Kind: ledger.LabelOfConsequence, Subject: subjectOf(d.Pull, d.Head), Body: labelBody{
			Label: l.Label, Added: l.Added, By: l.By, At: l.At.UTC().Format("2006-01-02T15:04:05Z"),
		}})
	}
	return drafts
}

// whyGone says why an approval that counted is not among the opinions of a decision any more.
func whyGone(gone change.Opinion, after change.Decision) string {
	earlier := func(o change.Opinion) bool { return o.Counts && o.By.ID == gone.By.ID && o.At.Before(gone.At) }
	if slices.ContainsFunc(after.Opinions, earlier) {
		return "an earlier approval by the same person saw the present content"
	}
	return "the person has given another opinion since, or the review is gone"
}

// newLabels returns the label events of a decision that the one before did not have. GitHub's list and the deliveries time an event a
// little differently, so those within a minute of each other are one.
func newLabels(before *change.Decision, after change.Decision) []change.LabelEvent {
	if before == nil {
		return after.Labels
	}
	known := slices.Clone(before.Labels)
	var events []change.LabelEvent
	for _, l := range after.Labels {
		i := slices.IndexFunc(known, func(k change.LabelEvent) bool {
			return k.Added == l.Added && k.By.ID == l.By.ID && change.SameLabel(k.Label, l.Label) && apart(k.At, l.At) <= sameEvent
		})
		if i < 0 {
			events = append(events, l)
			continue
		}
		known = slices.Delete(known, i, i+1)
	}
	return events
}

func approval(kind ledger.Kind, subject ledger.Subject, o change.Opinion, why string) ledger.Draft {
	return ledger.Draft{Kind: kind, Subject: subject, Body: approvalBody{
		By: o.By, Review: o.Review, SHA: o.SHA, State: o.State, Roles: o.Roles, Why: why,
	}}
}

// newEdits returns the edits of the description that followed an approval and that the ledger does not have by the decision before. The delivery
// of the approval, or of an edit, may have come after that of a later edit.
func newEdits(before *change.Decision, f *change.Facts) []change.Description {
	first := 0
	var recorded []time.Time
	if before != nil {
		first, recorded = min(before.Descriptions, len(f.Descriptions)), slices.Clone(before.Edits)
	}
	var edits []change.Description
	for _, d := range f.Descriptions[first:] {
		approved := func(r change.Review) bool {
			return !r.At.After(d.At) && (r.State.Is(change.Approved) || r.Was.Is(change.Approved))
		}
		if i := slices.IndexFunc(recorded, d.At.Equal); i >= 0 {
			recorded = slices.Delete(recorded, i, i+1)
		} else if d.Was != nil && slices.ContainsFunc(f.Reviews, approved) {
			edits = append(edits, d)
		}
	}
	return edits
}

// noteEdits notes with a decision which edits the ledger will have: those that it has by the decision before, and the new ones.
func noteEdits(d *change.Decision, before *change.Decision, edits []change.Description) {
	if before != nil {
		d.Descriptions, d.Edits = before.Descriptions, slices.Clone(before.Edits)
	}
	for _, e := range edits {
		d.Edits = append(d.Edits, e.At)
	}
}

func edited(d change.Decision, edits []change.Description) []ledger.Draft {
	var drafts []ledger.Draft
	for _, e := range edits {
		drafts = append(drafts, ledger.Draft{Kind: ledger.RecordEdited, Subject: subjectOf(d.Pull, d.Head), Body: editBody{
			By: e.By, At: e.At, Description: e.Body, Was: *e.Was,
		}})
	}
	return drafts
}

// describe adds to the approvals that began to count what the pull request said when they were submitted.
func describe(drafts []ledger.Draft, f *change.Facts) {
	for i := range drafts {
		body, ok := drafts[i].Body.(approvalBody)
		if !ok || drafts[i].Kind != ledger.ApprovalCounted {
			continue
		}
		body.Description = f.Pull.Body
		at := slices.IndexFunc(f.Reviews, func(r change.Review) bool { return r.ID == body.Review })
		for _, d := range f.Descriptions {
			if at >= 0 && !d.At.After(f.Reviews[at].At) {
				body.Description = d.Body
			}
		}
		drafts[i].Body = body
	}
}

func subjectOf(pull change.PullKey, head change.SHA) ledger.Subject {
	return ledger.Subject{Repository: int64(pull.Repository), Number: int(pull.Number), SHA: string(head)}
}
