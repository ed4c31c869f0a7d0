package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
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
			for trust, want := range map[trust]string{trustHeld: row.held, trustVerified: row.verified} {
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
				if trust == trustVerified && !left.Equal(row.left) || trust == trustHeld && !left.IsZero() {
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
	byNobody := off
	byNobody.By = change.Account{}
	for name, row := range map[string]struct {
		trust trust
		now   time.Time
		want  []change.LabelEvent
		left  time.Time
	}{
		"soon after":                   {trustHeld, at(5), []change.LabelEvent{on, off}, time.Time{}},
		"soon after, to be verified":   {trustVerified, at(5), []change.LabelEvent{on, byNobody}, at(4)},
		"when it is late":              {trustHeld, at(14), []change.LabelEvent{on}, time.Time{}},
		"when it is late, and then on": {trustVerified, at(14), []change.LabelEvent{on}, time.Time{}},
	} {
		_, got, left := withTold(listed, nil, []change.LabelEvent{on, off}, row.trust, row.now)
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !left.Equal(row.left) {
			t.Errorf("%s, what was done at %s was left out", name, left)
		}
	}
}

func TestLabelsOfAGitHubThatListsNoEvents(t *testing.T) {
	event := func(added bool, by change.Account, minute float64) change.LabelEvent {
		return change.LabelEvent{Label: "EMERGENCY", Added: added, By: by, At: at(minute)}
	}
	nobody := change.Account{}
	for name, row := range map[string]struct {
		told    []change.LabelEvent
		carries []string
		want    []change.LabelEvent
	}{
		"as they were told":            {[]change.LabelEvent{event(true, alice, 1)}, []string{"emergency"}, []change.LabelEvent{event(true, alice, 1)}},
		"in their order":               {[]change.LabelEvent{event(false, bob, 2), event(true, alice, 1)}, nil, []change.LabelEvent{event(true, alice, 1), event(false, bob, 2)}},
		"taken off, and nobody told":   {[]change.LabelEvent{event(true, alice, 1)}, nil, []change.LabelEvent{event(true, alice, 1), event(false, nobody, 1)}},
		"set again, and nobody told":   {[]change.LabelEvent{event(true, alice, 1), event(false, bob, 2)}, []string{"EMERGENCY"}, []change.LabelEvent{event(true, alice, 1), event(false, bob, 2), event(true, nobody, 2)}},
		"in an order that is not told": {[]change.LabelEvent{event(false, bob, 1), event(true, alice, 1)}, []string{"EMERGENCY"}, []change.LabelEvent{event(false, nobody, 1), event(true, nobody, 1)}},
		"of which nothing was told":    {nil, []string{"EMERGENCY"}, nil},
	} {
		if diff := cmp.Diff(row.want, withPresent(row.told, change.Pull{Labels: row.carries})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestALabelIsRecordedAsItWasTold(t *testing.T) {
	on := change.LabelEvent{Label: "EMERGENCY", Added: true, By: alice, At: at(1), Head: "a1"}
	told := []change.LabelEvent{on}
	_, cleared, _ := withTold(github.Timeline{}, nil, told, trustVerified, at(2))
	gone := change.LabelEvent{Label: "EMERGENCY", Added: true, At: at(1)} // as GitHub lists one whose account is gone
	byBob := gone
	byBob.By = bob
	for name, row := range map[string]struct{ have, want change.LabelEvent }{
		"not listed yet":            {cleared[0], on},
		"listed":                    {on, on},
		"listed, by nobody":         {gone, gone},
		"listed, by another":        {byBob, byBob},
		"of which nothing was told": {change.LabelEvent{Label: "routine", At: at(1), Head: "a1"}, change.LabelEvent{Label: "routine", At: at(1), Head: "a1"}},
	} {
		if diff := cmp.Diff(row.want, asTold(row.have, told)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestChecksThatGitHubDoesNotListYet(t *testing.T) {
	run := func(id int64, state change.CheckState) change.Check {
		return change.Check{Name: "build", App: "github-actions", Suite: 5, RunID: id, State: state, At: at(1)}
	}
	status := func(id int64, state change.CheckState) change.Check {
		return change.Check{Name: "ci", Status: true, RunID: id, State: state, At: at(1)}
	}
	of := func(suite int64, c change.Check) change.Check {
		c.Suite = suite
		return c
	}
	renamed := run(1, change.CheckPending)
	renamed.Name = "compile"
	by := run(1, change.CheckSuccess)
	by.Workflow = "ci.yml"
	list := func(c ...change.Check) []change.Check { return c }
	for _, row := range []struct {
		name         string
		listed, told []change.Check
		held         string
		verified     string
		left         bool
	}{
		{name: "a failure", told: list(run(1, change.CheckFailure)), held: "build 1 failure", verified: "build 1 failure"},
		{name: "a success", told: list(run(1, change.CheckSuccess)), held: "build 1 success", verified: "build 1 pending", left: true},
		{name: "a skipped one", told: list(run(1, change.CheckSkipped)), held: "build 1 skipped", verified: "build 1 pending", left: true},
		{
			name: "the end of what runs", listed: list(run(1, change.CheckPending)), told: list(run(1, change.CheckSuccess)),
			held: "build 1 success", verified: "build 1 pending", left: true,
		},
		{
			name: "a run that failed again", listed: list(run(1, change.CheckSuccess)), told: list(run(2, change.CheckFailure)),
			held: "build 2 failure", verified: "build 2 failure",
		},
		{
			name: "a run that began again", listed: list(run(1, change.CheckSuccess)), told: list(run(2, change.CheckPending)),
			held: "build 2 pending", verified: "build 2 pending",
		},
		{
			name: "a run of another suite", listed: list(run(1, change.CheckSuccess)), told: list(of(6, run(2, change.CheckFailure))),
			held: "build 1 success, build 2 failure", verified: "build 1 success, build 2 failure",
		},
		{
			name: "a run that was repeated", listed: list(run(2, change.CheckSuccess)), told: list(run(1, change.CheckFailure)),
			held: "build 2 success", verified: "build 2 success",
		},
		{
			name: "a run by another name", listed: list(run(1, change.CheckSuccess)), told: list(renamed),
			held: "build 1 success", verified: "build 1 success",
		},
		{
			name: "a run of a workflow", listed: list(by), told: list(run(1, change.CheckFailure)),
			held: "build 1 failure of ci.yml", verified: "build 1 failure of ci.yml",
		},
		{
			name: "a run of a workflow, again", listed: list(by), told: list(run(2, change.CheckFailure)),
			held: "build 2 failure of ci.yml", verified: "build 2 failure of ci.yml",
		},
		{
			name: "a status", listed: list(status(1, change.CheckSuccess)), told: list(status(2, change.CheckFailure)),
			held: "ci 2 failure", verified: "ci 2 failure",
		},
		{
			name: "a status of success", listed: list(status(1, change.CheckFailure)), told: list(status(2, change.CheckSuccess)),
			held: "ci 2 success", verified: "ci 2 pending", left: true,
		},
		{name: "nothing", listed: list(run(1, change.CheckSuccess)), held: "build 1 success", verified: "build 1 success"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var told []store.Told
			for _, c := range row.told {
				told = append(told, store.Told{Check: c, Arrived: at(2)})
			}
			for trust, want := range map[trust]string{trustHeld: row.held, trustVerified: row.verified} {
				checks, left := withToldChecks(row.listed, told, trust)
				var got []string
				for _, c := range checks {
					seen := fmt.Sprint(c.Name, " ", c.RunID, " ", c.State)
					if c.Workflow != "" {
						seen += " of " + c.Workflow
					}
					got = append(got, seen)
				}
				if got := strings.Join(got, ", "); got != want {
					t.Errorf("a load of trust %d sees %q, want %q", trust, got, want)
				}
				if wait := trust == trustVerified && row.left; wait != left.Equal(at(2)) || !wait && !left.IsZero() {
					t.Errorf("a load of trust %d left out what was told at %s", trust, left)
				}
			}
		})
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
