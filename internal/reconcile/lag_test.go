package reconcile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

func TestWhatGitHubDoesNotListYet(t *testing.T) {
	approval := change.Review{ID: 1, By: bob, State: "approved", SHA: "a1", At: at(1)}
	objection := change.Review{ID: 2, By: bob, State: "changes_requested", SHA: "a1", At: at(2)}
	lifted := change.Review{ID: 2, By: bob, State: "dismissed", SHA: "a1", At: at(2), DismissedBy: alice, DismissedAt: at(3)}
	withdrawn := change.Review{ID: 1, By: bob, State: "dismissed", SHA: "a1", At: at(1), DismissedBy: alice, DismissedAt: at(3)}
	listed := func(r change.Review, s change.ReviewState) change.Review {
		r.State = s
		return r
	}
	for _, row := range []struct {
		name     string
		listed   []change.Review
		told     []change.Review
		held     string // the states with a held load
		verified string // the same with a verified one
		left     time.Time
	}{
		{name: "an approval", told: []change.Review{approval}, held: "approved ", verified: "", left: at(1)},
		{name: "an objection", told: []change.Review{objection}, held: "changes_requested ", verified: "changes_requested "},
		{
			name: "an approval in an objection's place", listed: []change.Review{listed(objection, change.ChangesRequested)},
			told: []change.Review{objection, {ID: 3, By: bob, State: "approved", At: at(4)}},
			held: "CHANGES_REQUESTED approved ", verified: "CHANGES_REQUESTED ", left: at(4),
		},
		{
			name: "an objection in an approval's place", listed: []change.Review{listed(approval, change.Approved)}, told: []change.Review{approval, objection},
			held: "APPROVED changes_requested ", verified: "APPROVED changes_requested ",
		},
		{
			name: "the dismissal of an approval", listed: []change.Review{listed(approval, change.Approved)}, told: []change.Review{approval, withdrawn},
			held: "dismissed(APPROVED) ", verified: "dismissed(APPROVED) ",
		},
		{
			name: "the dismissal of an objection", listed: []change.Review{listed(objection, change.ChangesRequested)}, told: []change.Review{objection, lifted},
			held: "dismissed(CHANGES_REQUESTED) ", verified: "CHANGES_REQUESTED ", left: at(3),
		},
		{
			name: "an objection and its dismissal", told: []change.Review{objection, lifted},
			held: "dismissed(changes_requested) ", verified: "changes_requested ", left: at(3),
		},
		{
			name: "nothing", listed: []change.Review{listed(approval, change.Approved), listed(lifted, change.Dismissed)}, told: []change.Review{approval, objection, lifted},
			held: "APPROVED DISMISSED ", verified: "APPROVED DISMISSED ",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			for trust, want := range map[trust]string{held: row.held, verified: row.verified} {
				reviews, _, left := withTold(github.Timeline{Reviews: row.listed}, row.told, nil, trust, at(5))
				got := ""
				for _, r := range reviews {
					got += string(r.State)
					if r.Was != "" {
						got += "(" + string(r.Was) + ")"
					}
					got += " "
				}
				if got != want {
					t.Errorf("a load of trust %d sees %q, want %q", trust, got, want)
				}
				if trust == verified && !left.Equal(row.left) || trust == held && !left.IsZero() {
					t.Errorf("a load of trust %d left out what was done at %s", trust, left)
				}
			}
		})
	}
}

func TestALabelThatGitHubDoesNotListYet(t *testing.T) {
	on := change.LabelEvent{Label: "EMERGENCY", Added: true, By: alice, At: at(1), Head: "a1"}
	off := change.LabelEvent{Label: "EMERGENCY", By: alice, At: at(4), Head: "a2"}
	listed := github.Timeline{Labels: []change.LabelEvent{{Label: "EMERGENCY", Added: true, By: alice, At: at(1)}}}
	for name, row := range map[string]struct {
		now  time.Time
		want []change.LabelEvent
	}{
		"soon after":      {at(5), []change.LabelEvent{on, off}},
		"when it is late": {at(14), []change.LabelEvent{on}},
	} {
		_, got, _ := withTold(listed, nil, []change.LabelEvent{on, off}, verified, row.now)
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLookingAgainEnds(t *testing.T) {
	s := []*subject{{}, {left: at(0)}}
	now, looks := at(0), 0
	for ; looks < 20; looks++ {
		next := caughtUp(s, now)
		if next.IsZero() {
			break
		}
		if next.Sub(now) < soonest {
			t.Fatalf("again at %s, after %s", next, now)
		}
		now = next
	}
	if looks != 7 {
		t.Errorf("it is looked for %d times", looks)
	}
	if next := caughtUp([]*subject{{}}, at(0)); !next.IsZero() {
		t.Errorf("nothing was left out, and it is looked for at %s", next)
	}
}
