package landing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

var pushed = change.Exception{
	Key: "no-pull-request-1", Kind: change.NoPullRequest, Repository: shop.ID, Branch: isMain, Commits: []change.SHA{"c0ffee1"},
	Before: "b0", After: "c0ffee1", By: []change.Account{bob}, At: epoch,
	What: change.Say(change.Words("1 commit landed on "), change.Code(isMain), change.Words(" without a pull request.")),
}

func errandOf(e change.Exception) change.Errand {
	return change.Errand{Kind: change.ErrandException, Repository: e.Repository, Name: e.Key}
}

// look leaves the exception, as whoever finds it does, and looks at it.
func (r *rig) explainable() error {
	r.t.Helper()
	r.raise(errandOf(pushed), change.NewNote(pushed.Key, pushed.At, pushed))
	_, err := r.Exception(r.t.Context(), errandOf(pushed))
	return err
}

func (r *rig) exceptionState() (s exceptionState) {
	r.t.Helper()
	w, err := r.store.BeginErrand(r.t.Context(), errandOf(pushed))
	r.must(err)
	r.must(json.Unmarshal(w.State, &s))
	return s
}

// write delivers a comment on the issue, and puts it on GitHub as it is then.
func (r *rig) write(id int64, by change.Account, body string, now github.IssueComment) {
	r.t.Helper()
	r.writeOn(100, id, by, body, now)
}

func (r *rig) writeOn(issue change.Number, id int64, by change.Account, body string, now github.IssueComment) {
	r.t.Helper()
	c := change.Command{Comment: id, Pull: change.PullKey{Repository: shop.ID, Number: issue}, By: by, Body: body, At: r.now}
	r.must(r.store.Write(r.t.Context(), func(tx store.Tx) error {
		_, err := r.store.Accept(r.t.Context(), tx, []change.Delivery{{
			ID: fmt.Sprint("comment ", id), Event: "issue_comment", Repository: shop, Installation: shop.Installation, ReceivedAt: r.now, Issue: issue, Command: &c,
		}})
		return err
	}))
	if now.ID == 0 {
		now = github.IssueComment{By: by, Body: body, At: r.now, Updated: r.now}
	}
	now.ID = id
	r.comments = append(r.comments, comment{now, issue})
}

func (r *rig) announced() (list []change.Announcement) {
	r.t.Helper()
	for _, e := range r.errands(change.ErrandAnnouncement) {
		w, err := r.store.BeginErrand(r.t.Context(), e.Errand)
		r.must(err)
		for _, n := range w.Notes {
			var a change.Announcement
			r.must(json.Unmarshal(n.Body, &a))
			list = append(list, a)
		}
	}
	return list
}

const explains = `/change explain "the build was broken and nobody was there"`

func TestExplained(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	i := r.issue(100)
	for _, words := range []string{
		"1 commit landed on main without a pull request.", "| Who | bob |", "| Commits | c0ffee1 |", "2026-01-05 09:00 UTC", "a tech lead, but not bob",
		`/change explain "`, github.Marker("exception:7:no-pull-request-1:issue"),
	} {
		if !strings.Contains(i.Body, words) {
			t.Errorf("the issue does not say %q:\n%s", words, i.Body)
		}
	}
	if i.Title != "Change policy exception: no pull request (c0ffee1)" {
		t.Errorf("its title is %q", i.Title)
	}
	if a := r.announced(); len(a) != 1 || !a[0].Opens || len(a[0].Links) != 1 || a[0].Channels[0] != "slack:#engineering" {
		t.Errorf("announced %+v", a)
	}

	r.now = r.now.Add(time.Hour)
	r.write(1, alice, explains, github.IssueComment{})
	r.must(r.explainable())
	if i := r.issue(100); i.State != github.IssueClosed || i.StateReason != "completed" || r.reacted[1] != "+1" {
		t.Errorf("the issue is %+v, the reaction %q", i, r.reacted[1])
	}
	if ours := r.ours(100); len(ours) != 1 || !strings.Contains(ours[0], "Explained by alice") {
		t.Errorf("we said %q", ours)
	}
	entries := r.entries(ledger.ExceptionExplained)
	if len(entries) != 1 {
		t.Fatalf("%d explanations are recorded", len(entries))
	}
	var x explanation
	r.must(json.Unmarshal(entries[0].Body, &x))
	if x.By != alice || x.Text != "the build was broken and nobody was there" || !x.At.Equal(r.now) || x.Role != "tech-lead" || x.Key != pushed.Key {
		t.Errorf("recorded %+v", x)
	}
	if a := r.announced(); len(a) != 2 || a[1].Opens || !strings.Contains(a[1].Text.String(), "Explained by alice: the build was broken") {
		t.Errorf("announced %+v", a)
	}

	r.issue(100).State = github.IssueOpen // somebody thinks it is not over
	r.must(r.explainable())
	if r.issue(100).State != github.IssueOpen || len(r.ours(100)) != 1 {
		t.Error("it is closed again, or commented on")
	}
}

func TestNotExplained(t *testing.T) {
	bot := change.Account{ID: 9, Login: "helper[bot]", Kind: change.KindBot}
	at := epoch.Add(time.Hour)
	for _, row := range []struct {
		name     string
		by       change.Account
		body     string
		now      github.IssueComment // as GitHub has it; zero: as it was sent
		deleted  bool
		unknown  bool
		reaction string
		says     string
	}{
		{name: "by whoever pushed", by: bob, body: explains, reaction: "-1", says: "bob did this and cannot be the one who explains it. It is for a tech lead."},
		{name: "by somebody who may not", by: carol, body: explains, reaction: "-1", says: "Not permitted: this command is for a tech lead, but not bob."},
		{name: "where nobody knows who may", by: alice, body: explains, unknown: true, reaction: "-1", says: "could not be read"},
		{name: "by a program", by: bot, body: explains, reaction: "-1", says: "cannot come from an App"},
		{name: "through an App", by: alice, body: explains, now: github.IssueComment{ID: 1, By: alice, Via: 4, Body: explains, At: at, Updated: at}, reaction: "-1", says: "cannot come from an App"},
		{name: "edited into it", by: alice, body: explains, now: github.IssueComment{ID: 1, By: alice, Body: explains, At: at, Updated: at.Add(time.Second)}, reaction: "-1", says: "was edited"},
		{name: "edited after it", by: alice, body: explains, now: github.IssueComment{ID: 1, By: alice, Body: "nothing", At: at, Updated: at}, reaction: "-1", says: "was edited"},
		{name: "deleted", by: alice, body: explains, deleted: true},
		{name: "without a reason", by: alice, body: "/change explain", reaction: "confused", says: "needs a reason"},
		{name: "with another command", by: alice, body: "/change refresh", reaction: "confused", says: "/change explain"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			r.must(r.explainable())
			r.now = at
			r.policies.unknown = row.unknown
			r.write(1, row.by, row.body, row.now)
			if row.deleted {
				r.comments = nil
				if err := r.explainable(); err == nil {
					t.Error("a new comment that GitHub does not find is taken for deleted")
				}
				r.now = at.Add(time.Minute)
			}
			r.must(r.explainable())
			r.must(r.explainable())
			ours := r.ours(100)
			if r.reacted[1] != row.reaction || (row.says == "") != (len(ours) == 0) || len(ours) > 1 || len(ours) == 1 && !strings.Contains(ours[0], row.says) {
				t.Errorf("reaction %q, said %q; want %q, %q", r.reacted[1], ours, row.reaction, row.says)
			}
			if s := r.exceptionState(); s.Explained != nil || r.issue(100).State != github.IssueOpen || len(r.entries(ledger.ExceptionExplained)) > 0 {
				t.Errorf("it counts as explained: %+v", s)
			}
			w, err := r.store.BeginErrand(t.Context(), errandOf(pushed))
			r.must(err)
			if len(w.Commands) > 0 {
				t.Error("the command was not answered")
			}
		})
	}
}

// TestNotToldOnce has an explanation wait while GitHub does not tell for a moment what its author may do, and be refused if it does not for longer.
func TestNotToldOnce(t *testing.T) {
	for _, told := range []bool{true, false} {
		r := newRig(t)
		r.must(r.explainable())
		r.now = epoch.Add(time.Hour)
		r.write(1, alice, explains, github.IssueComment{})
		r.policies.untold = true
		if err := r.explainable(); err == nil || r.reacted[1] != "" {
			t.Errorf("%v, reacted %q", err, r.reacted[1])
		}
		r.policies.untold, r.now = !told, r.now.Add(time.Minute)
		r.must(r.explainable())
		if want := map[bool]string{true: "+1", false: "-1"}[told]; r.reacted[1] != want || (r.exceptionState().Explained != nil) != told {
			t.Errorf("told %t: reacted %q", told, r.reacted[1])
		}
	}
}

func TestExplainedOnce(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	r.write(1, alice, explains, github.IssueComment{})
	r.write(2, alice, `/change explain "and again"`, github.IssueComment{})
	r.must(r.explainable())
	if r.reacted[1] != "+1" || r.reacted[2] != "confused" || len(r.entries(ledger.ExceptionExplained)) != 1 {
		t.Errorf("reactions %v", r.reacted)
	}
}

func TestClosedByHand(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	i := r.issue(100)
	i.State = github.IssueClosed
	r.must(r.explainable())
	if i.State != github.IssueOpen || len(r.ours(100)) != 1 {
		t.Fatalf("the issue is %s, and we said %q", i.State, r.ours(100))
	}
	i.State = github.IssueClosed
	r.must(r.explainable())
	if i.State != github.IssueClosed || len(r.ours(100)) != 1 || r.exceptionState().Explained != nil {
		t.Error("a second time it is left as people leave it")
	}
	r.write(1, alice, explains, github.IssueComment{})
	r.must(r.explainable())
	if s := r.exceptionState(); s.Explained == nil || !s.Closed {
		t.Errorf("explained at last: %+v", s)
	}
}

func TestWithoutIssues(t *testing.T) {
	r := newRig(t)
	r.noIssues = true
	r.must(r.explainable())
	r.must(r.explainable())
	if s := r.exceptionState(); !strings.Contains(s.NoIssue, "disabled") || len(r.issues) > 0 {
		t.Errorf("%+v", s)
	}
	if a := r.announced(); len(a) != 1 || !strings.Contains(fmt.Sprint(a[0].Details), "disabled") {
		t.Errorf("announced %+v", a)
	}
}

// lose deletes the exception's issue, and looks at it.
func (r *rig) lose() queue.Result {
	r.t.Helper()
	r.deleted = append(r.deleted, r.exceptionState().Issue)
	_, err := r.Exception(r.t.Context(), errandOf(pushed))
	r.must(err)
	r.now = r.now.Add(change.MissedFor)
	result, err := r.Exception(r.t.Context(), errandOf(pushed))
	r.must(err)
	return result
}

// TestTheIssueIsGone has the question be asked again when somebody deletes it: at once, from then on once a day.
func TestTheIssueIsGone(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	r.lose()
	if s := r.exceptionState(); s.Lost || s.Issue != 101 || len(r.issues) != 2 || len(r.entries(ledger.ExceptionLost)) != 1 {
		t.Fatalf("%+v, %d recorded", s, len(r.entries(ledger.ExceptionLost)))
	}
	if a := r.announced(); len(a) != 3 || !strings.Contains(a[1].Text.String(), "deleted or moved") || len(a[1].Links) != 0 ||
		!strings.Contains(a[2].Text.String(), "Issue #101") || len(a[2].Links) != 1 || a[2].Opens {
		t.Errorf("announced %+v", a)
	}
	result := r.lose()
	later := r.now.Add(tryAgain)
	if !result.RecheckAt.Equal(later) || len(r.issues) != 2 || len(r.entries(ledger.ExceptionLost)) != 2 {
		t.Errorf("%+v, %d issues, %d recorded", result, len(r.issues), len(r.entries(ledger.ExceptionLost)))
	}
	r.now = later
	r.must(r.explainable())
	if s := r.exceptionState(); s.Issue != 102 || len(r.issues) != 3 || len(r.announced()) != 5 {
		t.Errorf("%+v, %d issues, announced %d", s, len(r.issues), len(r.announced()))
	}
	r.writeOn(102, 1, alice, explains, github.IssueComment{})
	r.must(r.explainable())
	if s := r.exceptionState(); s.Explained == nil || !s.Closed || r.issue(102).State != github.IssueClosed {
		t.Errorf("explained at last: %+v", s)
	}
}

// TestTheIssueIsNotFoundOnce has an issue that GitHub fails to find for a moment be neither recorded as lost nor asked for again.
func TestTheIssueIsNotFoundOnce(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	for range 2 {
		r.deleted = []change.Number{100}
		result, err := r.Exception(t.Context(), errandOf(pushed))
		r.must(err)
		if !result.RecheckAt.Equal(r.now.Add(change.MissedFor)) {
			t.Errorf("looked for again %v", result.RecheckAt)
		}
		r.deleted, r.now = nil, r.now.Add(change.MissedFor)
		r.must(r.explainable())
	}
	if s := r.exceptionState(); s.Lost || !s.Missed.IsZero() || len(r.issues) != 1 || len(r.entries(ledger.ExceptionLost)) != 0 {
		t.Errorf("%+v, %d issues", s, len(r.issues))
	}
	r.write(1, alice, explains, github.IssueComment{})
	r.deleted = []change.Number{100}
	r.must(r.explainable())
	r.deleted, r.now = nil, r.now.Add(change.MissedFor)
	r.must(r.explainable())
	if s := r.exceptionState(); !s.Closed || r.issue(100).State != github.IssueClosed {
		t.Errorf("explained meanwhile: %+v", s)
	}
}

// TestTheIssueIsHidden has nothing be taken for gone while GitHub shows nothing of the repository, nor stay so once it is there again.
func TestTheIssueIsHidden(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	r.branches[isMain] = ""
	if result := r.lose(); !result.RecheckAt.Equal(r.now.Add(retryHiddenRepository)) || r.exceptionState().Lost {
		t.Errorf("%+v, %+v", result, r.exceptionState())
	}
	delete(r.branches, isMain)
	r.deleted = nil
	r.must(r.explainable())
	if len(r.issues) != 1 || len(r.announced()) != 1 || len(r.entries(ledger.ExceptionLost)) != 0 {
		t.Errorf("%d issues, announced %+v", len(r.issues), r.announced())
	}

	// What an older version gave up, and what comes back before another is opened, is seen to again.
	s := r.exceptionState()
	s.Lost = true
	r.must(r.store.Write(t.Context(), func(tx store.Tx) error {
		return r.store.SaveErrand(t.Context(), tx, errandOf(pushed), store.ErrandSave{State: s})
	}))
	r.write(1, alice, explains, github.IssueComment{})
	r.must(r.explainable())
	if s := r.exceptionState(); s.Lost || !s.Closed || r.issue(100).State != github.IssueClosed {
		t.Errorf("%+v", s)
	}
}

// TestIssuesAreTurnedOff has another issue be tried once a day where the one before is gone, and be told of once.
func TestIssuesAreTurnedOff(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	r.noIssues = true
	result := r.lose()
	for range 2 {
		if s := r.exceptionState(); !result.RecheckAt.Equal(r.now.Add(tryAgain)) || !s.Lost || !strings.Contains(s.NoIssue, "disabled") {
			t.Errorf("%+v, %+v", result, s)
		}
		r.now = result.RecheckAt
		result, _ = r.Exception(t.Context(), errandOf(pushed))
	}
	if a := r.announced(); len(a) != 3 || !strings.Contains(a[2].Text.String(), "disabled") || len(r.entries(ledger.ExceptionLost)) != 1 {
		t.Errorf("announced %+v", a)
	}
	r.noIssues = false
	r.now = result.RecheckAt
	r.must(r.explainable())
	if s := r.exceptionState(); s.Lost || s.Issue != 101 || s.NoIssue != "" || len(r.announced()) != 4 {
		t.Errorf("%+v", s)
	}
}

// TestANewIssueIsNotRead has an issue that was opened just now not be taken for gone by what does not show it yet.
func TestANewIssueIsNotRead(t *testing.T) {
	r := newRig(t)
	r.must(r.explainable())
	if slices.Contains(r.calls, "issue") {
		t.Errorf("calls %v", r.calls)
	}
}

func TestNobodyToTell(t *testing.T) {
	r := newRig(t)
	r.policies.now.Announce = nil
	r.must(r.explainable())
	if len(r.announced()) > 0 || len(r.issues) != 1 {
		t.Error("announced where the policy names no channel")
	}
}

// TestNobodyIsLeftUnnamed has an issue name who did it, and be open again where one of them had explained it, though GitHub does not find it for a moment.
// Both are effects, of which the record has the end.
func TestNobodyIsLeftUnnamed(t *testing.T) {
	for _, theirs := range []bool{false, true} {
		r := newRig(t)
		r.must(r.explainable())
		if theirs {
			r.write(1, alice, explains, github.IssueComment{})
			r.must(r.explainable())
		}
		r.raise(errandOf(pushed), named(shop.ID, pushed.Key, alice, r.now).Notes...)
		r.unfound = 1
		result, err := r.Exception(t.Context(), errandOf(pushed))
		r.must(err)
		if !result.RetryAt.After(r.now) {
			t.Errorf("explained by them %v: it is tried again %v", theirs, result.RetryAt)
		}
		r.now = r.now.Add(30 * time.Second)
		r.must(r.explainable())
		r.must(r.explainable())
		i := r.issue(100)
		if !strings.Contains(i.Body, "| Who | bob, alice |") || i.State != github.IssueOpen || len(r.entries(ledger.ExceptionNamed)) != 1 {
			t.Errorf("explained by them %v: it is %s, with %d named:\n%s", theirs, i.State, len(r.entries(ledger.ExceptionNamed)), i.Body)
		}
		if begun, ended := len(r.entries(ledger.EffectIntended)), len(r.entries(ledger.EffectDone)); begun != ended {
			t.Errorf("explained by them %v: %d effects were intended, %d ended", theirs, begun, ended)
		}
	}
}

// TestExceptionIsKilled ends the run at each of its steps, before the step or after it, from the opening of the issue to the end, with the
// same outcome: one issue, one comment, one explanation, each announcement once.
func TestExceptionIsKilled(t *testing.T) {
	explain := func(r *rig) { r.write(1, alice, explains, github.IssueComment{}) }
	closeIt := func(r *rig) { r.issue(100).State = github.IssueClosed }
	theirs := func(r *rig) {
		explain(r)
		r.must(r.explainable())
		r.raise(errandOf(pushed), named(shop.ID, pushed.Key, alice, r.now).Notes...)
	}
	for _, row := range []struct {
		name      string
		happens   func(*rig)
		state     github.IssueState
		comments  int
		explained int
		announced int
	}{
		{"opened", func(*rig) {}, github.IssueOpen, 0, 0, 1},
		{"explained", explain, github.IssueClosed, 1, 1, 2},
		{"closed by hand", closeIt, github.IssueOpen, 1, 0, 1},
		{"explained by who did it", theirs, github.IssueOpen, 2, 1, 3},
	} {
		for _, after := range []bool{false, true} {
			for at := 1; ; at++ {
				r := newRig(t)
				if row.name != "opened" {
					r.must(r.explainable())
				}
				row.happens(r)
				r.Killer.At, r.Killer.After, r.Killer.Steps = at, after, 0
				err := r.explainable()
				killed := r.Killed()
				if killed == (err == nil) {
					t.Fatalf("%s: killed %v at %d, and the error is %v", row.name, killed, at, err)
				}
				r.Killer.At = 0
				r.must(r.explainable())
				r.must(r.explainable())
				if len(r.issues) != 1 || r.issue(100).State != row.state || len(r.ours(100)) != row.comments ||
					len(r.entries(ledger.ExceptionExplained)) != row.explained || len(r.announced()) != row.announced {
					t.Errorf("%s, killed at %d (after it: %v): %d issues, %s, comments %q, announced %d", row.name, at, after, len(r.issues),
						r.issue(100).State, r.ours(100), len(r.announced()))
				}
				if !killed {
					break
				}
			}
		}
	}
}

// TestEachReadOfAnExceptionFails ends the run at each of its reads, with the same outcome after the next ones: nothing is said, lost or counted twice,
// and nobody's explanation counts before it is known whether they may give it.
func TestEachReadOfAnExceptionFails(t *testing.T) {
	explain := func(r *rig) { r.write(1, alice, explains, github.IssueComment{}) }
	for _, row := range []struct {
		name      string
		happens   func(*rig)
		state     github.IssueState // of the last issue
		issues    int
		explained int
	}{
		{"opened", func(*rig) {}, github.IssueOpen, 1, 0},
		{"explained", explain, github.IssueClosed, 1, 1},
		{"explained by somebody who may not", func(r *rig) { r.write(1, carol, explains, github.IssueComment{}) }, github.IssueOpen, 1, 0},
		{"closed by hand", func(r *rig) { r.issue(100).State = github.IssueClosed }, github.IssueOpen, 1, 0},
		{"explained by who did it", func(r *rig) {
			explain(r)
			r.must(r.explainable())
			r.raise(errandOf(pushed), named(shop.ID, pushed.Key, alice, r.now).Notes...)
		}, github.IssueOpen, 1, 1},
		{"gone", func(r *rig) {
			r.deleted = append(r.deleted, 100)
			r.must(r.explainable())
			r.now = r.now.Add(change.MissedFor)
		}, github.IssueOpen, 2, 0},
	} {
		for at := 1; ; at++ {
			r := newRig(t)
			if row.name != "opened" {
				r.must(r.explainable())
			}
			row.happens(r)
			r.failing, r.reads = at, 0
			err := r.explainable()
			failed := r.reads >= at
			if failed != (err != nil) {
				t.Fatalf("%s: read %d failed: %v, and the error is %v", row.name, at, failed, err)
			}
			r.failing = 0
			r.must(r.explainable())
			r.must(r.explainable())
			last := r.issues[len(r.issues)-1]
			if len(r.issues) != row.issues || last.State != row.state || len(r.entries(ledger.ExceptionExplained)) != row.explained {
				t.Errorf("%s, read %d failed: %d issues, %s, comments %q", row.name, at, len(r.issues), last.State, r.ours(last.Number))
			}
			if !failed {
				break
			}
		}
	}
}
