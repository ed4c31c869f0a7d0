package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

var now = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func decision(v change.Verdict) change.Decision {
	return change.Decision{
		Pull: change.PullKey{Repository: 7, Number: 3}, Head: "abc", Governed: true, Category: change.Normal, Verdict: v,
		Requirements: []change.Requirement{{Kind: change.KindApprovals, Name: change.Words("1 reviewer"), State: change.Awaited}},
	}
}

func render(d change.Decision) (string, string, string) { return d.Verdict.String(), "summary", "text" }

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
			want := Effect{
				Kind: row.want, Key: "check:7:abc:1", Pull: row.d.Pull, Head: "abc", Digest: Digest(row.d),
				Output: &Output{Status: Completed, Conclusion: row.outcome, Title: row.d.Verdict.String(), Summary: "summary", Text: "text"},
			}
			if row.outcome == "" {
				want.Output.Status = InProgress
			}
			if row.want == UpdateCheckRun {
				want.RunID = row.run.RunID
			}
			if diff := cmp.Diff(want, effects[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
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

// TestOnlyWhatAReaderSeesWritesTheCheckRun: each write is a call, and one that is left out leaves people with what is not true any more.
func TestOnlyWhatAReaderSeesWritesTheCheckRun(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*change.Decision)
		writes bool
	}{
		{"another time to look again", func(d *change.Decision) { d.RecheckAt = now }, false},
		{"another ask", func(d *change.Decision) { d.Asks = []change.Ask{{Role: "security"}} }, false},
		{"a label's event", func(d *change.Decision) { d.Labels = []change.LabelEvent{{}} }, false},
		{"the base went on", func(d *change.Decision) { d.BaseTip = "def" }, false},
		{"an edit of the description", func(d *change.Decision) { d.Edits = []time.Time{now} }, false},
		{"the count of descriptions that earlier versions kept", func(d *change.Decision) { d.Descriptions = 3 }, false},
		{"one of two approvals", func(d *change.Decision) { d.Requirements[0].Found = change.Words("1 of 2") }, true},
		{"the last approval", func(d *change.Decision) { d.Requirements[0].State = change.Met }, true},
		{"another category", func(d *change.Decision) { d.Category = change.HighRisk }, true},
		{"a note", func(d *change.Decision) { d.Notes = []change.Text{change.Words("a label is ignored")} }, true},
	} {
		before := decision(change.Waiting)
		before.Requirements = append(before.Requirements, change.Requirement{Kind: change.KindChecks, State: change.Awaited, Found: change.Words("1 of 6")})
		after := before
		after.Requirements = slices.Clone(before.Requirements)
		row.change(&after)
		if writes := Digest(before) != Digest(after); writes != row.writes {
			t.Errorf("%s: writes the check run: %v", row.name, writes)
		}
		if found := before.Requirements[1].Found.String(); found != "1 of 6" {
			t.Fatalf("to tell decisions apart changes what is said of them: %q", found)
		}
	}
}

func TestAsksAreMadeOnceARound(t *testing.T) {
	pull := change.PullKey{Repository: 7, Number: 3}
	ask := change.Ask{Role: "security", Teams: []string{"security"}, Users: []string{"carol"}}
	asks := map[change.PullKey][]change.Ask{pull: {ask}}
	d := decision(change.Waiting)
	first := Decided(d, asks, Present{Run: posted(d, 1), Now: now}, render)
	want := []Effect{{Kind: RequestReview, Pull: pull, Key: AskKey(pull, ask), Teams: ask.Teams, Users: ask.Users}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	asked := map[string]Asked{AskKey(pull, ask): {Teams: ask.Teams, Users: ask.Users, Ended: 1}}
	if again := Decided(d, asks, Present{Run: posted(d, 1), Asked: asked, Now: now}, render); len(again) != 0 {
		t.Errorf("asked twice: %v", again)
	}
	ask.Round++
	asks[pull] = []change.Ask{ask}
	if next := Decided(d, asks, Present{Run: posted(d, 1), Asked: asked, Now: now}, render); len(next) != 1 {
		t.Errorf("a new round asks %d times, want once", len(next))
	}
	for n := range change.Number(20) {
		asks[change.PullKey{Repository: 7, Number: n}] = []change.Ask{ask}
	}
	var order []change.Number
	for _, e := range Decided(d, asks, Present{Run: posted(d, 1), Now: now}, render) {
		order = append(order, e.Pull.Number)
	}
	if len(order) != 20 || !slices.IsSorted(order) {
		t.Errorf("the pull requests of one head ask in the order %v", order)
	}
}

// TestOnlyThoseAreAskedWhoWereNot has a round of a role ask others than before, or have GitHub refuse.
func TestOnlyThoseAreAskedWhoWereNot(t *testing.T) {
	pull := change.PullKey{Repository: 7, Number: 3}
	refused := func(teams ...string) *Effect { return &Effect{Teams: teams} }
	for _, row := range []struct {
		name  string
		asked Asked
		teams []string
		want  string // the key's end, and who is asked; "": nobody
	}{
		{"nobody was", Asked{}, []string{"a", "b"}, ":0 a b"},
		{"all were", Asked{Teams: []string{"a", "b"}, Ended: 1}, []string{"a", "b"}, ""},
		{"one more", Asked{Teams: []string{"a"}, Ended: 1}, []string{"a", "b"}, ":0:2 b"},
		{"one less", Asked{Teams: []string{"a", "b"}, Ended: 1}, []string{"b"}, ""},
		{"another", Asked{Teams: []string{"a", "b"}, Ended: 2}, []string{"c"}, ":0:3 c"},
		{"it was refused", Asked{Ended: 1, Refused: refused("a", "b")}, []string{"a", "b"}, ""},
		{"it was refused, and there is news", Asked{Ended: 1, Refused: refused("a", "b"), Again: true}, []string{"a", "b"}, ":0:2 a b"},
		{"it was refused of others", Asked{Ended: 1, Refused: refused("a", "b")}, []string{"b"}, ":0:2 b"},
		{"it was refused of one more", Asked{Teams: []string{"a"}, Ended: 2, Refused: refused("b")}, []string{"a", "b"}, ""},
	} {
		ask := change.Ask{Role: "security", Teams: row.teams}
		got := ""
		for _, e := range Decided(change.Decision{}, map[change.PullKey][]change.Ask{pull: {ask}}, Present{Asked: map[string]Asked{AskKey(pull, ask): row.asked}}, render) {
			if e.Kind == RequestReview {
				got += strings.Join(append([]string{strings.TrimPrefix(e.Key, fmt.Sprintf("ask:%s:security", pull))}, e.Teams...), " ")
			}
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// TestWhatIsPostedForAnotherReason has a check run that is there written though nothing was decided anew.
func TestWhatIsPostedForAnotherReason(t *testing.T) {
	pull := change.PullKey{Repository: 7, Number: 3}
	observing := decision(change.Failing)
	observing.Observing = true
	for _, row := range []struct {
		name                 string
		run                  *Posted
		takenBack, withdrawn bool
	}{
		{"green", posted(decision(change.Satisfied), 9), true, true},
		{"neutral, which lets merge too", posted(observing, 9), true, true},
		{"yellow", posted(decision(change.Waiting), 9), false, true},
		{"red", posted(decision(change.Failing), 9), false, false},
		{"cancelled", &Posted{RunID: 9, Status: Completed, Conclusion: Cancelled}, false, false},
		{"none", nil, false, false},
	} {
		// The words are for people.
		short := func(effects []Effect) (list []Effect) {
			for _, e := range effects {
				e.Output = &Output{Status: e.Output.Status, Conclusion: e.Output.Conclusion}
				list = append(list, e)
			}
			return list
		}
		var takenBack, withdrawn []Effect
		if row.takenBack {
			takenBack = []Effect{{Kind: CreateCheckRun, Key: "check:7:abc:2", Pull: pull, Head: "abc", Output: &Output{Status: InProgress}}}
		}
		if row.withdrawn {
			withdrawn = []Effect{{Kind: UpdateCheckRun, Key: "check:7:abc:2", Pull: pull, Head: "abc", RunID: 9, Output: &Output{Status: Completed, Conclusion: Cancelled}}}
		}
		if diff := cmp.Diff(takenBack, short(TakenBack(pull, "abc", row.run, 1))); diff != "" {
			t.Errorf("%s, and a pull request that it was not about appears (-want +got):\n%s", row.name, diff)
		}
		if diff := cmp.Diff(withdrawn, short(Withdrawn(pull, "abc", row.run, 1))); diff != "" {
			t.Errorf("%s, and it is no pull request's head any more (-want +got):\n%s", row.name, diff)
		}
	}
	if at := RefreshAt(*posted(decision(change.Satisfied), 9)); !at.IsZero() {
		t.Errorf("a green one is to be looked at again at %s, which GitHub never calls stale", at)
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
