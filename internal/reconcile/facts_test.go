package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

var (
	alice = change.Account{ID: 1, Login: "alice", Kind: change.KindUser}
	bob   = change.Account{ID: 2, Login: "bob", Kind: change.KindUser}
	nine  = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
)

func at(minutes float64) time.Time { return nine.Add(time.Duration(minutes * float64(time.Minute))) }

func TestAReviewAndItsDismissalAreOneReview(t *testing.T) {
	approved := change.Review{ID: 7, By: bob, State: change.Approved, SHA: "a1", At: at(1)}
	dismissed := change.Review{ID: 7, By: bob, State: "dismissed", SHA: "a1", At: at(1), DismissedBy: alice, DismissedAt: at(5)}
	later := change.Review{ID: 8, By: alice, State: change.Commented, SHA: "a1", At: at(2)}
	for name, told := range map[string][]change.Review{
		"in order":     {approved, later, dismissed},
		"out of order": {dismissed, later, approved},
	} {
		got := foldReviews(told)
		if len(got) != 2 || got[0].ID != 7 || got[0].State != "dismissed" || got[0].DismissedBy != alice || got[1].ID != 8 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := foldReviews([]change.Review{approved, dismissed}); got[0].Was != change.Approved {
		t.Errorf("what was dismissed is not known any more: %+v", got[0])
	}
}

func TestALabelsHeadComesFromItsOwnDelivery(t *testing.T) {
	set := func(by change.Account, when float64, head change.SHA) change.LabelEvent {
		return change.LabelEvent{Label: "EMERGENCY", Added: true, By: by, At: at(when), Head: head}
	}
	off := change.LabelEvent{Label: "EMERGENCY", By: alice, At: at(5)}
	for _, row := range []struct {
		name         string
		listed, told []change.LabelEvent
		heads        []change.SHA
	}{
		{"one", []change.LabelEvent{set(alice, 1, "")}, []change.LabelEvent{set(alice, 1.02, "h1")}, []change.SHA{"h1"}},
		{"its delivery was lost", []change.LabelEvent{set(alice, 1, "")}, nil, []change.SHA{""}},
		{"told of somebody else", []change.LabelEvent{set(alice, 1, "")}, []change.LabelEvent{set(bob, 1, "h1")}, []change.SHA{""}},
		{"told of another day", []change.LabelEvent{set(alice, 1, "")}, []change.LabelEvent{set(alice, 99, "h1")}, []change.SHA{""}},
		{
			"set, taken off and set again within a minute",
			[]change.LabelEvent{set(alice, 1, ""), off, set(alice, 1.5, "")},
			[]change.LabelEvent{set(alice, 1.01, "h1"), off, set(alice, 1.51, "h2")},
			[]change.SHA{"h1", "", "h2"},
		},
		{
			"of two, one delivery was lost: the nearer keeps its head",
			[]change.LabelEvent{set(alice, 1, ""), off, set(alice, 1.5, "")},
			[]change.LabelEvent{off, set(alice, 1.5, "h2")},
			[]change.SHA{"", "", "h2"},
		},
		{"case", []change.LabelEvent{{Label: "emergency", Added: true, By: alice, At: at(1)}}, []change.LabelEvent{set(alice, 1, "h1")}, []change.SHA{"h1"}},
	} {
		var heads []change.SHA
		for _, e := range withHeads(row.listed, row.told) {
			heads = append(heads, e.Head)
		}
		if diff := cmp.Diff(row.heads, heads); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

func TestAWorkflowIsKnownByItsSuite(t *testing.T) {
	read := change.Check{Name: "build", App: "github-actions", Suite: 5, Workflow: ".github/workflows/ci.yml"}
	told := change.Check{Name: "test", App: "github-actions", Suite: 5}
	other := change.Check{Name: "lint", App: "github-actions", Suite: 6}
	got := withWorkflows([]change.Check{read, told, other})
	if got[1].Workflow != read.Workflow || got[2].Workflow != "" {
		t.Errorf("got %+v", got)
	}
	if slices.ContainsFunc(got[:2], lacksWorkflow) || !slices.ContainsFunc(got, lacksWorkflow) {
		t.Error("what is not known is not noticed, or what is known is asked for")
	}
}

func TestEvidenceTellsWhatChanged(t *testing.T) {
	opinion := func(review int64, by change.Account, counts bool) change.Opinion {
		o := change.Opinion{Review: review, By: by, State: change.Approved, Counts: counts}
		if !counts {
			o.Why = change.Words("stale")
		}
		return o
	}
	decided := func(opinions ...change.Opinion) change.Decision {
		return change.Decision{Pull: change.PullKey{Repository: 1, Number: 2}, Head: "h", Opinions: opinions}
	}
	before := func(opinions ...change.Opinion) *change.Decision { d := decided(opinions...); return &d }
	for _, row := range []struct {
		name   string
		before *change.Decision
		now    change.Decision
		labels []change.LabelEvent
		want   []ledger.Kind
	}{
		{"the first decision", nil, decided(), nil, []ledger.Kind{ledger.DecisionChanged}},
		{"an approval", before(), decided(opinion(7, bob, true)), nil, []ledger.Kind{ledger.DecisionChanged, ledger.ApprovalCounted}},
		{"an approval that does not count", before(), decided(opinion(7, bob, false)), nil, []ledger.Kind{ledger.DecisionChanged}},
		{"an approval that still counts", before(opinion(7, bob, true)), decided(opinion(7, bob, true)), nil, []ledger.Kind{ledger.DecisionChanged}},
		{"one made stale", before(opinion(7, bob, true)), decided(opinion(7, bob, false)), nil, []ledger.Kind{ledger.DecisionChanged, ledger.ApprovalVoided}},
		{"one taken back", before(opinion(7, bob, true)), decided(), nil, []ledger.Kind{ledger.DecisionChanged, ledger.ApprovalVoided}},
		{"a new one of the same person", before(opinion(7, bob, true)), decided(opinion(9, bob, true)), nil,
			[]ledger.Kind{ledger.DecisionChanged, ledger.ApprovalCounted, ledger.ApprovalVoided}},
		{"a label", nil, decided(), []change.LabelEvent{{Label: "EMERGENCY", Added: true, By: alice, At: nine}},
			[]ledger.Kind{ledger.DecisionChanged, ledger.LabelOfConsequence}},
	} {
		var kinds []ledger.Kind
		for _, d := range evidence(row.before, row.now, row.labels) {
			kinds = append(kinds, d.Kind)
			if d.Subject.Repository != 1 || d.Subject.Number != 2 || d.Subject.SHA != "h" {
				t.Errorf("%s: about %+v", row.name, d.Subject)
			}
		}
		if diff := cmp.Diff(row.want, kinds); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

func TestWhyAnApprovalIsGone(t *testing.T) {
	first := change.Opinion{By: bob, Review: 1, State: change.Approved, SHA: "a1", At: at(1), Counts: true}
	second := change.Opinion{By: bob, Review: 2, State: change.Approved, SHA: "a2", At: at(2), Counts: true}
	objects := change.Opinion{By: bob, Review: 3, State: change.ChangesRequested, SHA: "a1", At: at(3)}
	another := change.Opinion{By: alice, Review: 1, State: change.Approved, SHA: "a1", At: at(1), Counts: true}
	of := func(o ...change.Opinion) change.Decision { return change.Decision{Opinions: o} }
	const earlier, since = "an earlier approval by the same person saw the present content", "the person has given another opinion since, or the review is gone"
	for name, row := range map[string]struct {
		before, now change.Decision
		want        string
	}{
		"an earlier one counts":         {of(second), of(first), earlier},
		"a later one counts":            {of(first), of(second), since},
		"another opinion":               {of(second), of(objects), since},
		"somebody else's earlier":       {of(second), of(another), since},
		"it is not there any more":      {of(second), of(), since},
		"an earlier one does not count": {of(second), of(change.Opinion{By: bob, Review: 1, At: at(1)}), since},
	} {
		var got []string
		for _, d := range evidence(&row.before, row.now, nil) {
			if d.Kind == ledger.ApprovalVoided {
				got = append(got, d.Body.(approvalBody).Why)
			}
		}
		if diff := cmp.Diff([]string{row.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
