package emergency

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

var (
	alice = change.Account{ID: 1, Login: "alice", Kind: change.KindUser}
	bob   = change.Account{ID: 2, Login: "bob", Kind: change.KindUser}
	carol = change.Account{ID: 3, Login: "carol", Kind: change.KindUser}
	dave  = change.Account{ID: 4, Login: "dave", Kind: change.KindUser}
	sec   = change.Account{ID: 5, Login: "sec", Kind: change.KindUser}
)

// start is when the emergency is declared; it is due a day later.
var start = time.Date(2026, 1, 5, 14, 5, 0, 0, time.UTC)

// world is a pull request and its retrospective as a test has them, with all steps that were taken.
type world struct {
	f     Facts
	m     Memory
	issue *Issue // on GitHub
	text  []string
	// refuses says that GitHub refuses to open issues.
	refuses bool
	hidden  bool // GitHub does not find the issue, which is there
	gone    bool
	steps   []string
	said    map[string]change.Announcement
	wrote   map[string]Write
	opened  int
}

func newWorld() *world {
	w := &world{said: map[string]change.Announcement{}, wrote: map[string]Write{}}
	w.f = Facts{
		Now:        start.Add(-time.Hour),
		Repository: change.Repository{ID: 7, Owner: "acme", Name: "shop"},
		Pull: change.Pull{
			Number: 12, Title: "Stop the leak", URL: "https://github.example/acme/shop/pull/12", Author: alice, State: change.Open,
			Head: change.Branch{SHA: "aaaaaaaaaa"}, CreatedAt: start.Add(-time.Hour),
		},
		Terms: Terms{Label: "EMERGENCY", Channels: []string{"slack:#engineering"}, Justification: "Shop is down."},
	}
	w.decide(nil)
	return w
}

// decide sets the last decision, which keeps the pull request's state.
func (w *world) decide(d *change.Declaration, rows ...change.Requirement) {
	decision := change.Decision{
		Pull: change.PullKey{Repository: 7, Number: 12}, Head: w.f.Pull.Head.SHA, Governed: true, Category: change.HighRisk, Declaration: d, Requirements: rows,
	}
	if d != nil {
		decision.Category, decision.Underlying = change.Emergency, change.HighRisk
		decision.Matches = []change.Match{{
			Category: change.HighRisk, Rule: change.Code("**/db/migrate/**"), Subject: change.Code("db/migrate/1.rb"), Because: "schema",
		}}
	}
	if w.f.Pull.State != change.Open {
		decision.State = w.f.Pull.State
	}
	w.f.Decision = &decision
}

func declaration(by change.Account) *change.Declaration {
	return &change.Declaration{By: by, At: start, SHA: "aaaaaaaaaa", Due: start.Add(24 * time.Hour)}
}

func row(kind change.RequirementKind, short string, state change.RequirementState, by ...change.Account) change.Requirement {
	return change.Requirement{Kind: kind, Name: change.Words(short), Short: change.Words(short), State: state, By: by, Due: start.Add(24 * time.Hour)}
}

func owed() []change.Requirement {
	rows := []change.Requirement{row(change.KindApprovals, "1 approval", change.Owed), row(change.KindSecurityReview, "security review", change.Owed)}
	rows[1].Next = change.Say(change.TeamName("acme", "security"), change.Words(" is asked to review"))
	return rows
}

func given() []change.Requirement {
	return []change.Requirement{row(change.KindApprovals, "approved", change.Met, bob), row(change.KindSecurityReview, "security review", change.Met, sec)}
}

// failer is a test or a property.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// look takes all steps that are to be taken now, as a Keeper does.
func (w *world) look(t failer) {
	for range maxWrites {
		f := w.f
		f.Lost = ""
		if f.Issue = nil; w.m.Issue != 0 && w.issue != nil && !w.hidden {
			seen := *w.issue
			seen.Empty = Empty(w.text...)
			f.Issue = &seen
		} else if w.m.Issue != 0 {
			f.Lost = "this issue was deleted"
		}
		before := w.m
		m, steps := Next(f, w.m)
		if again, same := Next(f, before); cmp.Diff(m, again) != "" || cmp.Diff(steps, same) != "" {
			t.Fatal("equal facts gave other steps")
		}
		if at := m.RecheckAt(f.Now); !at.IsZero() && !at.After(f.Now) {
			t.Fatalf("a recheck at %s is asked for at %s", at, f.Now)
		}
		w.m = m
		var write *Step
		for _, s := range steps {
			switch {
			case s.Announce != nil:
				w.steps = append(w.steps, "announce "+s.Key)
				w.said[s.Key] = *s.Announce
			case s.Record != nil:
				w.steps = append(w.steps, "record "+string(s.Record.Kind))
			default:
				w.steps, w.wrote[s.Key] = append(w.steps, "write "+s.Key), *s.Write
				write = &s
			}
		}
		if write == nil {
			return
		}
		w.take(*write)
	}
	t.Fatal("the steps do not come to an end")
}

func (w *world) take(s Step) {
	switch {
	case s.Write.Title != "" && w.refuses:
		w.m = w.m.Refused(s, "Issues are disabled for this repo", w.f.Now)
		return
	case s.Write.Title != "":
		w.opened++
		w.issue, w.text = &Issue{Open: true}, []string{s.Write.Body}
		w.m = w.m.Wrote(s, change.Number(100+w.opened), "https://github.example/acme/shop/issues/101")
		return
	case s.Write.State != "" && w.issue != nil:
		w.issue.Open = s.Write.State == Reopened
	}
	w.m = w.m.Wrote(s, 0, "")
}

// An act changes the world.
type act func(w *world)

func declare(by change.Account) act {
	return func(w *world) {
		w.f.Pull.Labels = []string{"emergency"}
		w.decide(declaration(by), owed()...)
	}
}

func declareApproved(w *world) {
	declare(carol)(w)
	w.decide(declaration(carol), given()...)
}

func push(w *world) {
	w.f.Pull.Head.SHA = "bbbbbbbbbb"
	w.decide(nil)
}

func unlabel(w *world) {
	w.f.Pull.Labels = nil
	w.decide(nil)
}

func merge(w *world) {
	w.f.Pull.State, w.f.Pull.MergedBy, w.f.Pull.MergedAt, w.f.Pull.MergeCommit = change.Merged, dave, w.f.Now, "cccccccccc"
	w.f.Decision.State = change.Merged
}

func closePull(w *world) { w.f.Pull.State, w.f.Decision.State = change.Closed, change.Closed }

func reopenPull(w *world) {
	w.f.Pull.State = change.Open
	w.f.Decision.State = ""
}

func review(w *world) { w.decide(w.f.Decision.Declaration, given()...) }

func unreadable(w *world) {
	w.f.Decision = &change.Decision{Pull: w.f.Decision.Pull, Head: w.f.Decision.Head, Governed: true, State: w.f.Decision.State}
}

func ungovern(w *world) {
	w.f.Decision = &change.Decision{Pull: w.f.Decision.Pull, Head: w.f.Decision.Head}
}

// declareFor declares it for so many hours.
func declareFor(by change.Account, hours int) act {
	return func(w *world) {
		declare(by)(w)
		w.f.Decision.Declaration.Due = start.Add(time.Duration(hours) * time.Hour)
	}
}

// at moves time to so many hours after the declaration.
func at(hours float64) act {
	return func(w *world) { w.f.Now = start.Add(time.Duration(hours * float64(time.Hour))) }
}

func closeIssue(w *world) {
	if w.issue != nil {
		w.issue.Open, w.issue.ClosedAt, w.issue.ClosedBy = false, w.f.Now, dave
	}
}

func deleteIssue(w *world) { w.issue, w.text = nil, nil }

// later moves time to when what is missed is taken for lost.
func later(w *world) { w.f.Now = w.f.Now.Add(change.MissedFor) }

func hideIssue(w *world) { w.hidden = true }

func showIssue(w *world) { w.hidden = false }

const written = "## What happened\nThe pool leaked.\n## Impact\nHalf of the orders failed.\n" +
	"## Why the normal process did not serve\nStaging takes an hour.\n## Follow-ups\nbob adds an alert, #33."

func write(w *world) { w.text = append(w.text, written) }

func writePart(w *world) {
	w.text = append(w.text, "## What happened\nThe pool leaked.\n## Impact\nn/a")
}

func refuse(w *world) { w.refuses = true }

func allow(w *world) { w.refuses = false }

func TestNext(t *testing.T) {
	declared := []string{"announce declared", "write open:1"}
	overdue := []string{"record retrospective overdue", "announce overdue:1"}
	closed := []string{"record retrospective closed", "announce closed:1"}
	withdrawn := []string{"record emergency withdrawn", "announce withdrawn:1", "write withdraw:1"}
	for _, r := range []struct {
		name string
		acts []act // with a look after each
		want [][]string
	}{
		{"no emergency", []act{push, unlabel, merge}, nil},
		{"declared", []act{at(0), declare(carol)}, [][]string{declared}},
		{"looked at again and again", []act{at(0), declare(carol), at(1), at(2), at(19.9)}, [][]string{declared}},
		{"merged, reviewed, written", []act{at(0), declare(carol), at(1), merge, at(2), review, at(3), write, closeIssue, at(30)},
			[][]string{declared, {"announce merged", "write tell"}, {"announce reviewed"}, closed}},
		{"reviewed before the merge: that is not told again", []act{at(0), declareApproved, at(1), merge, at(30)},
			[][]string{declared, {"announce merged", "write tell"}, {"record retrospective overdue", "announce overdue:1", "write remind"}}},
		{"reminded, then late", []act{at(0), declare(carol), at(20), at(23.9), at(24), at(50)}, [][]string{declared, {"write remind"}, overdue}},
		{"reviews are late", []act{at(0), declare(carol), at(1), merge, at(2), write, closeIssue, at(24), at(25), review},
			[][]string{declared, {"announce merged", "write tell"}, closed, {"announce reviews-overdue"}, {"announce reviewed"}}},
		{"unmerged, no review is late", []act{at(0), declare(carol), write, closeIssue, at(25)}, [][]string{declared, closed}},
		{"closed late", []act{at(0), declare(carol), at(20), at(25), write, closeIssue, at(48)}, [][]string{declared, {"write remind"}, overdue, closed}},
		{"closed in time, seen late", []act{at(0), declare(carol), at(3), func(w *world) { write(w); closeIssue(w); at(30)(w) }}, [][]string{declared, closed}},
		{"written and not closed", []act{at(0), declare(carol), write, at(20), at(24)}, [][]string{declared, {"write remind"}, overdue}},
		{"closed with the template only: reopened once", []act{at(0), declare(carol), at(1), closeIssue, at(2), closeIssue, at(3), at(24)},
			[][]string{declared, {"write reopen"}, {"record retrospective closed", "announce empty"}, overdue}},
		{"closed with a part", []act{at(0), declare(carol), at(1), writePart, closeIssue, at(2), write, closeIssue}, [][]string{declared, {"write reopen"}, closed}},
		{"written after it was closed empty twice", []act{at(0), declare(carol), closeIssue, closeIssue, at(5), write, at(30)},
			[][]string{declared, {"write reopen"}, {"record retrospective closed", "announce empty"}, closed}},
		{"no reminder of what was closed empty twice", []act{at(0), declare(carol), closeIssue, closeIssue, at(20)},
			[][]string{declared, {"write reopen"}, {"record retrospective closed", "announce empty"}}},
		{"withdrawn by the label", []act{at(0), declare(carol), at(1), unlabel, at(30)}, [][]string{declared, withdrawn}},
		{"withdrawn by closing", []act{at(0), declare(carol), at(1), closePull, at(30)}, [][]string{declared, withdrawn}},
		{"a push leaves things as they are", []act{at(0), declare(carol), at(1), push, at(20)}, [][]string{declared, {"write remind"}}},
		{"a push, then declared again", []act{at(0), declare(carol), at(1), push, at(2), declare(carol)}, [][]string{declared}},
		{"a push, then declared by another", []act{at(0), declare(carol), at(1), push, at(2), declare(dave)},
			[][]string{declared, {"announce declared:2", "write resume:2"}}},
		{"a push, then merged as another change", []act{at(0), declare(carol), at(1), push, at(2), merge}, [][]string{declared, withdrawn}},
		{"a push, then the label goes", []act{at(0), declare(carol), at(1), push, at(2), unlabel}, [][]string{declared, withdrawn}},
		{"withdrawn and declared again", []act{at(0), declare(carol), at(1), unlabel, at(2), declare(dave), at(20), at(24)},
			[][]string{declared, withdrawn, {"announce declared:2", "write resume:2"}, {"write remind"}, {"record retrospective overdue", "announce overdue:2"}}},
		{"no policy governs its new base branch", []act{at(0), declare(carol), at(1), ungovern}, [][]string{declared, withdrawn}},
		{"written before the merge, which the issue is not told of then", []act{at(0), declare(carol), write, closeIssue, at(1), merge, review},
			[][]string{declared, closed, {"announce merged"}, {"announce reviewed"}}},
		{"deleted when it was withdrawn: opened anew, and not resumed", []act{at(0), declare(carol), at(1), unlabel, deleteIssue, at(2), declare(dave), later},
			[][]string{declared, withdrawn, {"announce declared:2"}, {"record retrospective lost", "announce lost:1", "write open:2"}}},
		{"closed, reopened, and still declared", []act{at(0), declare(carol), at(1), closePull, at(2), reopenPull},
			[][]string{declared, withdrawn, {"announce declared:2", "write resume:2"}}},
		{"declared again when it was late already", []act{at(0), declare(carol), at(1), unlabel, at(30), declare(carol)},
			[][]string{declared, withdrawn, {"announce declared:2", "record retrospective overdue", "announce overdue:2", "write resume:2", "write remind"}}},
		{"what is overdue is not handed on", []act{at(0), declare(carol), at(20), at(24), declare(dave)}, [][]string{declared, {"write remind"}, overdue}},
		{"written, then withdrawn: it stays closed", []act{at(0), declare(carol), write, closeIssue, unlabel},
			[][]string{declared, closed, {"record emergency withdrawn", "announce withdrawn:1"}}},
		{"after the merge nothing withdraws it", []act{at(0), declare(carol), at(1), merge, unlabel, unreadable},
			[][]string{declared, {"announce merged", "write tell"}}},
		{"a decision that could not be made settles nothing", []act{at(0), declare(carol), at(1), unreadable, merge}, [][]string{declared}},
		{"deleted: opened anew, from then on once a day", []act{at(0), declare(carol), deleteIssue, later, at(1), deleteIssue, later, at(2), at(26)},
			[][]string{declared, {"record retrospective lost", "announce lost:1", "write open:2"}, {"record retrospective lost", "announce lost:2"},
				{"record retrospective overdue", "announce overdue:1", "write open:3", "write remind"}}},
		{"not found for a moment, twice", []act{at(0), declare(carol), hideIssue, showIssue, at(1), hideIssue, showIssue, later},
			[][]string{declared}},
		{"the one that was opened anew is not found for a moment", []act{at(0), declare(carol), deleteIssue, func(w *world) { hideIssue(w); later(w) }, showIssue, at(1)},
			[][]string{declared, {"record retrospective lost", "announce lost:1", "write open:2"}}},
		{"closed in time, and not found when it is due", []act{at(0), declare(carol), at(1), func(w *world) { write(w); closeIssue(w); hideIssue(w); at(24)(w) }, showIssue},
			[][]string{declared, closed}},
		{"issues are turned off, and on again", []act{refuse, at(0), declare(carol), at(1), at(23), allow, at(24)},
			[][]string{{"announce declared", "write open:1", "record retrospective lost", "announce refused"},
				{"record retrospective overdue", "announce overdue:1", "write open:2", "write remind"}}},
		{"announced nowhere", []act{func(w *world) { w.f.Terms.Channels = nil }, at(0), declare(carol), at(24)},
			[][]string{{"write open:1"}, {"record retrospective overdue", "write remind"}}},
		{"first seen when it was merged and late", []act{func(w *world) { declare(carol)(w); merge(w); at(25)(w) }},
			[][]string{{"announce declared", "announce merged", "announce reviews-overdue", "record retrospective overdue", "announce overdue:1", "write open:1", "write remind"}}},
	} {
		t.Run(r.name, func(t *testing.T) {
			w := newWorld()
			var got [][]string
			for _, a := range r.acts {
				w.steps = nil
				a(w)
				if w.look(t); w.steps != nil {
					got = append(got, w.steps)
				}
			}
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnOpeningThatWasBegunIsFinished: after a crash the issue may be there, and is to be closed.
func TestAnOpeningThatWasBegunIsFinished(t *testing.T) {
	w := newWorld()
	at(0)(w)
	declare(carol)(w)
	w.m, _ = Next(w.f, w.m)
	unlabel(w)
	w.look(t)
	if want := []string{"record emergency withdrawn", "announce withdrawn:1", "write open:1", "write withdraw:1"}; !slices.Equal(w.steps, want) {
		t.Errorf("steps %q, want %q", w.steps, want)
	}
}

// TestTheTimeThatIsDueIsLookedAt has an emergency looked at when something is due that nothing else would tell of.
func TestTheTimeThatIsDueIsLookedAt(t *testing.T) {
	for _, r := range []struct {
		name string
		acts []act
		want float64 // hours after the declaration; 0: never
	}{
		{"the retrospective is owed", []act{at(0), declare(carol)}, 20},
		{"the declarer was reminded", []act{at(0), declare(carol), at(20)}, 24},
		{"declared again for longer", []act{at(0), declare(carol), at(1), push, at(2), declareFor(carol, 36)}, 30},
		{"the issue is not found", []act{at(0), declare(carol), func(w *world) { at(1)(w); hideIssue(w) }}, 1 + change.MissedFor.Hours()},
		{"GitHub refuses to open the issue", []act{refuse, func(w *world) { declare(carol)(w); at(1)(w) }, at(24)}, 25},
		{"merged and written, reviews are owed", []act{at(0), declare(carol), at(1), merge, at(2), write, closeIssue}, 24},
		{"merged, reviewed and written", []act{at(0), declareApproved, at(1), merge, at(2), write, closeIssue}, 0},
		{"reviewed after the merge, and written", []act{at(0), declare(carol), at(1), merge, at(2), write, closeIssue, review}, 0},
		{"not merged, and written", []act{at(0), declare(carol), at(2), write, closeIssue}, 0},
		{"all is late", []act{at(0), declare(carol), at(1), merge, at(25)}, 0},
	} {
		w := newWorld()
		for _, a := range r.acts {
			a(w)
			w.look(t)
		}
		var want time.Time
		if r.want > 0 {
			want = start.Add(time.Duration(r.want * float64(time.Hour)))
		}
		if got := w.m.RecheckAt(w.f.Now); !got.Equal(want) {
			t.Errorf("%s: looked at again at %s, want %s", r.name, got, want)
		}
	}
}

// TestMergedPastItsDeclaration has an emergency that ended before the merge be called normal only if what was merged was decided green, or by a
// policy that observes.
func TestMergedPastItsDeclaration(t *testing.T) {
	normal, red, elsewhere := "under the normal process", "without a green check", "into another branch"
	for _, r := range []struct {
		name string
		is   func(d *change.Decision)
		want string
	}{
		{"green", func(d *change.Decision) { d.Verdict = change.Satisfied }, normal},
		{"observed", func(d *change.Decision) { d.Verdict, d.Observing = change.Failing, true }, normal},
		{"yellow", func(d *change.Decision) { d.Verdict = change.Waiting }, red},
		{"red", func(d *change.Decision) { d.Verdict = change.Failing }, red},
		{"green for another head", func(d *change.Decision) { d.Verdict, d.Head = change.Satisfied, "dddddddddd" }, red},
		{"green for another branch", func(d *change.Decision) { d.Verdict, d.Base = change.Satisfied, "next" }, elsewhere},
	} {
		t.Run(r.name, func(t *testing.T) {
			w := newWorld()
			for _, a := range []act{at(0), declare(carol), at(1), push, func(w *world) { merge(w); r.is(w.f.Decision) }} {
				a(w)
				w.look(t)
			}
			said, told := w.said["withdrawn:1"].Text.String(), w.wrote["withdraw:1"].Body
			if isNormal := r.want == normal; !strings.Contains(said, r.want) || isNormal != strings.Contains(said, "Nothing went past the process") ||
				isNormal != strings.Contains(told, "nothing of #12 went past") || !isNormal && !strings.Contains(told, r.want) {
				t.Errorf("announced: %s\nthe issue says: %s", said, told)
			}
			if w.m.owes() {
				t.Error("it owes a retrospective")
			}
		})
	}
}

func TestDebt(t *testing.T) {
	key := change.PullKey{Repository: 7, Number: 12}
	for _, r := range []struct {
		name    string
		acts    []act
		owner   change.AccountID
		settled time.Time
		overdue bool // an hour after it was due
	}{
		{"declared", []act{at(0), declare(carol)}, carol.ID, time.Time{}, true},
		{"closed in time and seen late", []act{at(0), declare(carol), at(3), func(w *world) { write(w); closeIssue(w); at(30)(w) }}, carol.ID, start.Add(3 * time.Hour), false},
		{"written late, in an issue that was closed empty in time", []act{at(0), declare(carol), closeIssue, closeIssue, at(24.5), write}, carol.ID, start.Add(24*time.Hour + 30*time.Minute), false},
		{"withdrawn", []act{at(0), declare(carol), at(2), unlabel}, carol.ID, start.Add(2 * time.Hour), false},
		{"declared again by another", []act{at(0), declare(carol), at(2), unlabel, declare(dave)}, dave.ID, time.Time{}, true},
		{"overdue stays whose it is", []act{at(0), declare(carol), at(24), declare(dave)}, carol.ID, time.Time{}, true},
		{"deleting the issue settles nothing", []act{at(0), declare(carol), deleteIssue, later, deleteIssue, later, at(24)}, carol.ID, time.Time{}, true},
	} {
		t.Run(r.name, func(t *testing.T) {
			w := newWorld()
			if w.m.debt(key) != nil {
				t.Error("a debt without an emergency")
			}
			for _, a := range r.acts {
				a(w)
				w.look(t)
			}
			got := w.m.debt(key)
			want := []change.Debt{{Pull: key, Kind: change.DebtRetrospective, Owner: r.owner, Due: start.Add(24 * time.Hour), Settled: r.settled}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if late := got[0].OverdueAt(start.Add(25 * time.Hour)); late != r.overdue {
				t.Errorf("overdue an hour later is %t", late)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	w := newWorld()
	at(0)(w)
	declare(carol)(w)
	w.look(t)
	all := []string{"What happened", "Impact", "Why the normal process did not serve", "Follow-ups"}
	template := w.text[0]
	filled := template
	for i, s := range sections() {
		filled = strings.Replace(filled, "<!-- "+s.asks+" -->", []string{"It broke.", "All.", "Too slow.", "- [ ] #33"}[i], 1)
	}
	for _, r := range []struct {
		name  string
		texts []string
		want  []string
	}{
		{"nothing", nil, all},
		{"the template", []string{template}, all},
		{"the template, filled in", []string{filled}, nil},
		{"a comment", []string{template, written}, nil},
		{"n/a and placeholders", []string{"## What happened\nn/a\n## Impact\nTBD\n## Why the normal process did not serve\n...\n## Follow-ups\nnone"}, all},
		{"in two parts", []string{"## Impact\nAll.\n## What happened\nIt broke.", "### Follow-ups:\n- #33\n### why the normal process did not serve\nToo slow."}, nil},
		{"quoted headings count for nothing", []string{"> ## Impact\n> All."}, all},
		{"hidden in a comment", []string{"<!--\n" + written + "\n-->"}, all},
		{"cleared", []string{""}, all},
	} {
		t.Run(r.name, func(t *testing.T) {
			if diff := cmp.Diff(r.want, Empty(r.texts...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever strangers wrote, it pings nobody, hides nothing and fills in nothing.
func TestStrangersWords(t *testing.T) {
	w := newWorld()
	w.f.Pull.Title = "@everyone \u202e --> ## Impact\n## Impact\nall " + strings.Repeat("x", 300)
	w.f.Terms.Justification = "<!-- @acme/all\n## Impact\nall"
	w.f.Pull.Author.Login, w.f.Pull.MergedBy.Login = "@alice", "x"
	at(0)(w)
	declare(carol)(w)
	w.look(t)
	at(20)(w)
	w.look(t)
	open, remind := w.wrote["open:1"], w.wrote["remind"]
	if len(Empty(open.Body)) != len(sections()) {
		t.Errorf("sections are filled in:\n%s", open.Body)
	}
	if n := len([]rune(open.Title)); n > 256 || strings.ContainsAny(open.Title, "\n\u202e") {
		t.Errorf("the title is %q", open.Title)
	}
	if at := slices.IndexFunc(strings.Fields(open.Body), func(s string) bool { return strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "@\u200b") }); at >= 0 {
		t.Errorf("somebody is mentioned:\n%s", open.Body)
	}
	if strings.Count(remind.Body, "@") != 1 || !strings.HasPrefix(remind.Body, "@carol,") {
		t.Errorf("the reminder mentions another than who is asked:\n%s", remind.Body)
	}
}
