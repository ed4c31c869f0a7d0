package report

import (
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

func TestGroupTitles(t *testing.T) {
	standing := func(n change.Number, v change.Verdict, title string) change.GroupStanding {
		return change.GroupStanding{Number: n, Verdict: v, Title: title}
	}
	var many []change.GroupStanding
	for n := range 100 {
		many = append(many, standing(change.Number(10_001+n), change.Satisfied, "Normal: approved by bob"))
	}
	many[99] = standing(10_100, change.Failing, "Normal: rejected by dave")
	for _, row := range []struct {
		d    change.GroupDecision
		want string
	}{
		{change.GroupDecision{Verdict: change.Satisfied, Members: []change.GroupStanding{standing(1, change.Satisfied, "Normal: approved by bob")}},
			"Merge group of #1: every pull request in it may merge"},
		{change.GroupDecision{Verdict: change.Failing, Members: []change.GroupStanding{standing(1, change.Failing, "Normal: rejected by dave")}},
			"Merge group of #1: Normal: rejected by dave"},
		{change.GroupDecision{Verdict: change.Failing, Members: []change.GroupStanding{
			standing(1, change.Satisfied, "Normal: approved by bob"), standing(2, change.Failing, "Normal: rejected by dave"),
		}}, "Merge group of #1, #2: #2: Normal: rejected by dave"},
		{change.GroupDecision{Verdict: change.Failing, Members: many},
			"Merge group of #10001, #10002, #10003, #10004, #10005 and 95 more: #10100: Normal: rejected by dave"},
		{change.GroupDecision{Verdict: change.Waiting, Observing: true, Members: []change.GroupStanding{standing(1, change.Satisfied, "")}},
			"Observing: Merge group of #1: waiting for the group ahead of it"},
	} {
		title, summary, _ := Group(row.d)
		if title != row.want || strings.HasPrefix(summary, observes) != row.d.Observing {
			t.Errorf("%q, want %q:\n%s", title, row.want, summary)
		}
	}
	if _, summary, _ := Group(change.GroupDecision{Members: many}); strings.Count(summary, "\n| ") != len(many) {
		t.Errorf("not all are in the summary:\n%s", summary)
	}
}
