package githubsim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

func TestIssues_OfTheApp(t *testing.T) {
	w := start(t)
	number1 := number(field(w.ok(w.api, "POST", "/repos/acme/app/issues", m{"title": "Look back", "body": "What happened?", "labels": []string{"retrospective"},
		"assignees": []string{"alice", "nobody", "mallory"}}), "number"))
	path := fmt.Sprintf("/repos/acme/app/issues/%d", number1)
	theirs := must[githubsim.Pull](t)(w.As("bob").OpenIssue("acme/app", "Something else", "x"))
	w.open(githubsim.PullOptions{})
	is := must[[]githubsim.IssueView](t)(w.Issues("acme/app"))
	if len(is) != 2 {
		t.Fatalf("there are %d issues", len(is))
	}
	if d := cmp.Diff([]string{"alice"}, is[0].Assignees); d != "" {
		t.Errorf("who cannot be assigned is passed over: %s", d)
	}
	ours := is[0].Pull
	alice := w.As("alice")
	check(t, alice.EditBody(ours, "It broke."), alice.Close(ours), w.As("dave").Assign(ours, "bob"), w.As("dave").Unassign(ours, "alice"))
	got := w.ok(w.api, "GET", path, nil)
	if field(got, "state_reason") != "completed" || field(got, "body") != "It broke." || field(got, "assignees", 0, "login") != "bob" ||
		field(got, "performed_via_github_app", "slug") != "changegate" || field(got, "closed_by", "login") != "alice" {
		t.Errorf("the issue is %v", got)
	}
	w.ok(w.api, "PATCH", path, m{"state": "open", "assignees": []string{"carol"}, "body": "Say why."})
	is = must[[]githubsim.IssueView](t)(w.Issues("acme/app"))
	if is[0].State != "open" || is[0].StateReason != "reopened" || is[0].Body != "Say why." || is[0].ClosedBy != "" {
		t.Errorf("reopened, the issue is %+v", is[0])
	}
	if d := cmp.Diff([]string{"carol"}, is[0].Assignees); d != "" {
		t.Error(d)
	}
	for query, want := range map[string][]int64{
		"creator=changegate%5Bbot%5D&state=all": {number1}, "labels=retrospective": {number1}, "assignee=none": {int64(theirs.Number) + 1, int64(theirs.Number)},
		"sort=updated&direction=desc&per_page=1": {number1}, "creator=bob&direction=asc": {int64(theirs.Number)},
		"state=all&since=2027-01-01T00:00:00Z": nil, "state=closed": nil,
	} {
		var found []int64
		for _, i := range w.ok(w.api, "GET", "/repos/acme/app/issues?"+query, nil).([]any) {
			found = append(found, number(field(i, "number")))
		}
		if d := cmp.Diff(want, found); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
	w.flush()
	var senders []string
	for _, d := range w.app.Deliveries() {
		if d.Event == "issues" && (d.Action == "opened" || d.Action == "closed" || d.Action == "reopened") {
			senders = append(senders, d.Action)
		}
	}
	if d := cmp.Diff([]string{"opened", "opened", "closed", "reopened"}, senders); d != "" {
		t.Error(d)
	}
}

func TestComments_EditedOrNot(t *testing.T) {
	w := start(t)
	issue := must[githubsim.Pull](t)(w.As("bob").OpenIssue("acme/app", "Why?", "x"))
	kept := must[int64](t)(w.As("bob").Comment(issue, `/change explain "a"`))
	edited := must[int64](t)(w.As("bob").Comment(issue, "x"))
	check(t, w.As("bob").EditComment(issue, edited, `/change explain "b"`))
	w.ok(w.api, "POST", fmt.Sprintf("/repos/acme/app/issues/comments/%d/reactions", kept), m{"content": "+1"})
	for id, want := range map[int64]bool{kept: false, edited: true} {
		got := w.ok(w.api, "GET", fmt.Sprintf("/repos/acme/app/issues/comments/%d", id), nil)
		if was := field(got, "updated_at") != field(got, "created_at"); was != want {
			t.Errorf("comment %d was edited: %v", id, was)
		}
	}
	views := must[[]githubsim.CommentView](t)(w.Comments(issue))
	if d := cmp.Diff([]githubsim.ReactionView{{Author: "changegate[bot]", Content: "+1"}}, views[0].Reactions); d != "" {
		t.Error(d)
	}
	since := views[1].Updated.Format(time.RFC3339)
	for _, path := range []string{fmt.Sprintf("/repos/acme/app/issues/%d/comments?since=%s", issue.Number, since), "/repos/acme/app/issues/comments?since=" + since} {
		if got, _ := w.ok(w.api, "GET", path, nil).([]any); len(got) != 1 || number(field(got, 0, "id")) != edited {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestIssueView(t *testing.T) {
	w := start(t)
	issue := must[githubsim.Pull](t)(w.As("bob").OpenIssue("acme/app", "Why?", "x"))
	check(t, w.As("bob").EditTitle(issue, "Why not?"), w.As("dave").Assign(issue, "alice"))
	must[int64](t)(w.As("alice").Comment(issue, "Because."))
	check(t, w.As("alice").Close(issue))
	v := must[githubsim.IssueView](t)(w.IssueView("acme/app", issue.Number))
	var events []string
	for _, e := range v.Events {
		events = append(events, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Actor, e.Kind, e.Subject, e.Body)))
	}
	if d := cmp.Diff([]string{"bob renamed Why? Why not?", "dave assigned alice", "alice commented  Because.", "alice closed"}, events); d != "" {
		t.Error(d)
	}
	_, err := w.IssueView("acme/app", w.open(githubsim.PullOptions{}).Number)
	refused(t, err, "Not Found")
}
