package plan

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

var now = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func decision(v change.Verdict) change.Decision {
	return change.Decision{
		Pull: change.PullKey{Repository: 7, Number: 3}, Head: "abc", Governed: true, Category: change.Normal, Verdict: v,
		Requirements: []change.Requirement{{Kind: change.KindApprovals, Name: change.Words("1 reviewer"), State: change.Awaited}},
	}
}

func render(d change.Decision) (string, string, string) { return d.Verdict.String(), "summary", "" }

func posted(d change.Decision, id int64) *Posted {
	status, conclusion := Outcome(d)
	return &Posted{RunID: id, Status: status, Conclusion: conclusion, Digest: Digest(d), CreatedAt: now}
}

func TestCheckRunTransitions(t *testing.T) {
	observing := decision(change.Waiting)
	observing.Observing = true
	for _, row := range []struct {
		name    string
		run     *Posted
		d       change.Decision
		again   bool
		later   time.Duration
		want    Kind
		outcome Conclusion
	}{
		{name: "nothing there yet", d: decision(change.Waiting), want: CreateCheckRun},
		{name: "the same again", run: posted(decision(change.Waiting), 1), d: decision(change.Waiting)},
		{name: "yellow to green", run: posted(decision(change.Waiting), 1), d: decision(change.Satisfied), want: UpdateCheckRun, outcome: Success},
		{name: "red to green", run: posted(decision(change.Failing), 1), d: decision(change.Satisfied), want: UpdateCheckRun, outcome: Success},
		{name: "green to red", run: posted(decision(change.Satisfied), 1), d: decision(change.Failing), want: UpdateCheckRun, outcome: Failure},
		{name: "green to yellow needs a new run", run: posted(decision(change.Satisfied), 1), d: decision(change.Waiting), want: CreateCheckRun},
		{name: "red to yellow needs a new run", run: posted(decision(change.Failing), 1), d: decision(change.Waiting), want: CreateCheckRun},
		{name: "a re-run of a green one needs a new run", run: posted(decision(change.Satisfied), 1), d: decision(change.Satisfied), again: true, want: CreateCheckRun, outcome: Success},
		{name: "a refresh of a yellow one writes it again", run: posted(decision(change.Waiting), 1), d: decision(change.Waiting), again: true, want: UpdateCheckRun},
		{name: "yellow for nine days is left alone", run: posted(decision(change.Waiting), 1), d: decision(change.Waiting), later: 9 * 24 * time.Hour},
		{name: "yellow for ten days is posted anew, before GitHub calls it stale", run: posted(decision(change.Waiting), 1), d: decision(change.Waiting), later: 10 * 24 * time.Hour, want: CreateCheckRun},
		{name: "green for a year is left alone", run: posted(decision(change.Satisfied), 1), d: decision(change.Satisfied), later: 365 * 24 * time.Hour},
		{name: "observing is neutral whatever is missing", d: observing, want: CreateCheckRun, outcome: Neutral},
	} {
		t.Run(row.name, func(t *testing.T) {
			effects := Decided(row.d, nil, Present{Run: row.run, Again: row.again, Now: now.Add(row.later)}, render)
			if row.want == "" {
				if len(effects) != 0 {
					t.Fatalf("got %v, want nothing to do", effects)
				}
				return
			}
			if len(effects) != 1 || effects[0].Kind != row.want {
				t.Fatalf("got %v, want one %q", effects, row.want)
			}
			if got := effects[0].Output.Conclusion; got != row.outcome {
				t.Errorf("conclusion %q, want %q", got, row.outcome)
			}
			if (effects[0].Kind == UpdateCheckRun) != (effects[0].RunID != 0) {
				t.Errorf("%v names run %d", effects[0].Kind, effects[0].RunID)
			}
		})
	}
}

func TestAwaitedChecksComingInChangeNothing(t *testing.T) {
	with := func(state change.RequirementState, found string) change.Decision {
		d := decision(change.Waiting)
		d.Requirements = append(d.Requirements, change.Requirement{Kind: change.KindChecks, State: state, Found: change.Words(found)})
		return d
	}
	if Digest(with(change.Awaited, "1 of 6")) != Digest(with(change.Awaited, "2 of 6")) {
		t.Error("progress of awaited checks writes the check run again")
	}
	both := func(first, second change.RequirementState) change.Decision {
		d := with(first, "")
		d.Requirements = append(d.Requirements, change.Requirement{Kind: change.KindChecks, State: second, Name: change.Words("other")})
		return d
	}
	if Digest(both(change.Awaited, change.Awaited)) != Digest(both(change.Met, change.Awaited)) {
		t.Error("one of two awaited checks writes the check run again")
	}
	if Digest(both(change.Met, change.Awaited)) == Digest(both(change.Met, change.Met)) {
		t.Error("the last of two checks does not show")
	}
	if Digest(both(change.Failed, change.Awaited)) == Digest(both(change.Awaited, change.Awaited)) {
		t.Error("a failed check among awaited ones does not show")
	}
	if Digest(with(change.Met, "2 passed")) != Digest(with(change.Met, "3 passed")) {
		t.Error("one more check that passed writes the check run again")
	}
	if Digest(with(change.Failed, "build")) == Digest(with(change.Failed, "build, test")) {
		t.Error("another failed check does not show")
	}
	strangers := with(change.Awaited, "posted by somebody else")
	strangers.Requirements[len(strangers.Requirements)-1].Strangers = true
	if Digest(with(change.Awaited, "has not reported")) == Digest(strangers) {
		t.Error("a check that others posted does not show")
	}
	if Digest(with(change.Awaited, "")) == Digest(with(change.Met, "")) {
		t.Error("the checks' end does not show")
	}
}

func TestAsksAreMadeOnceARound(t *testing.T) {
	pull := change.PullKey{Repository: 7, Number: 3}
	ask := change.Ask{Role: "security", Teams: []string{"security"}}
	asks := map[change.PullKey][]change.Ask{pull: {ask}}
	d := decision(change.Waiting)
	first := Decided(d, asks, Present{Run: posted(d, 1), Now: now}, render)
	if len(first) != 1 || first[0].Kind != RequestReview {
		t.Fatalf("got %v, want one request", first)
	}
	done := map[string]bool{first[0].Key: true}
	if again := Decided(d, asks, Present{Run: posted(d, 1), Done: done, Now: now}, render); len(again) != 0 {
		t.Errorf("asked twice: %v", again)
	}
	ask.Round++
	asks[pull] = []change.Ask{ask}
	if next := Decided(d, asks, Present{Run: posted(d, 1), Done: done, Now: now}, render); len(next) != 1 {
		t.Errorf("a new round asks %d times, want once", len(next))
	}
}

func TestWithdrawn(t *testing.T) {
	pull := change.PullKey{Repository: 7, Number: 3}
	if got := Withdrawn(pull, "abc", posted(decision(change.Satisfied), 9), 0); len(got) != 1 || got[0].Output.Conclusion != Cancelled || got[0].RunID != 9 {
		t.Errorf("a green that nobody's head carries stays: %v", got)
	}
	if got := Withdrawn(pull, "abc", posted(decision(change.Waiting), 9), 0); len(got) != 1 {
		t.Errorf("a yellow that nobody will decide stays: %v", got)
	}
	if got := Withdrawn(pull, "abc", posted(decision(change.Failing), 9), 0); len(got) != 0 {
		t.Errorf("a red is withdrawn: %v", got)
	}
	if got := Withdrawn(pull, "abc", nil, 0); len(got) != 0 {
		t.Errorf("nothing is withdrawn: %v", got)
	}
}

func TestTheSameWordsASecondTimeAreAnotherEffect(t *testing.T) {
	waiting, other := decision(change.Waiting), decision(change.Waiting)
	other.Notes = []change.Text{change.Words("something else")}
	run := posted(waiting, 1)
	seen := map[string]bool{}
	for writes, d := range []change.Decision{other, waiting, other, waiting} {
		effects := Decided(d, nil, Present{Run: run, Writes: writes, Now: now}, render)
		if len(effects) != 1 || seen[effects[0].Key] {
			t.Fatalf("write %d: %v, want one effect with a key of its own", writes, effects)
		}
		again := Decided(d, nil, Present{Run: run, Writes: writes, Now: now}, render)
		if again[0].Key != effects[0].Key {
			t.Fatalf("write %d planned again after a crash has another key", writes)
		}
		seen[effects[0].Key] = true
		run = posted(d, 1)
	}
}

func TestTakenBack(t *testing.T) {
	pull := change.PullKey{Repository: 7, Number: 3}
	got := TakenBack(pull, "abc", posted(decision(change.Satisfied), 9), 1)
	if len(got) != 1 || got[0].Kind != CreateCheckRun || got[0].Output.Status != InProgress {
		t.Errorf("a green that is about something else stays: %v", got)
	}
	if got := TakenBack(pull, "abc", posted(decision(change.Failing), 9), 1); len(got) != 0 {
		t.Errorf("a red is taken back: %v", got)
	}
}
