package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

const (
	issueCall      = "GET /repos/acme/shop/issues/7"
	issuesCall     = "GET /repos/acme/shop/issues"
	newIssueCall   = "POST /repos/acme/shop/issues"
	editIssueCall  = "PATCH /repos/acme/shop/issues/7"
	assignCall     = "POST /repos/acme/shop/issues/7/assignees"
	commentsCall   = "GET /repos/acme/shop/issues/1/comments"
	newCommentCall = "POST /repos/acme/shop/issues/1/comments"
)

var gate = change.Account{ID: 70, Login: "changegate[bot]", Kind: change.KindBot}

// made adds who made a thing through which App.
func made(thing m, by any, app int) m {
	thing["user"], thing["performed_via_github_app"] = by, nil
	if app != 0 {
		thing["performed_via_github_app"] = m{"id": app, "slug": "some-app"}
	}
	return thing
}

func TestIssue(t *testing.T) {
	for name, tt := range map[string]struct {
		answer m
		want   Issue
	}{
		"ours, closed": {
			made(m{"number": 7, "title": "t", "body": "b", "html_url": "https://github.com/acme/shop/issues/7", "state": "closed", "state_reason": "completed",
				"assignees": []any{user(alice), nil, user(bob)}, "labels": []m{{"name": "change-exception"}}, "locked": true,
				"created_at": stamp(0), "updated_at": stamp(2), "closed_at": stamp(1), "closed_by": user(carol)}, user(gate), appID),
			Issue{Number: 7, Title: "t", Body: "b", URL: "https://github.com/acme/shop/issues/7", State: IssueClosed, StateReason: "completed", Author: gate,
				Via: appID, Assignees: []change.Account{alice, bob}, Labels: []string{"change-exception"}, Locked: true,
				CreatedAt: noon, UpdatedAt: noon.Add(2 * time.Minute), ClosedAt: noon.Add(time.Minute), ClosedBy: carol},
		},
		"somebody's who is gone": {
			made(m{"number": 7, "title": "t", "body": nil, "state": "open", "state_reason": nil, "closed_at": nil, "closed_by": nil}, nil, 0),
			Issue{Number: 7, Title: "t", State: IssueOpen},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.json(issueCall, 200, tt.answer)
			c := f.client()
			for _, since := range []time.Time{{}, {}, f.clock.Now()} {
				got, err := c.Begin().Issue(t.Context(), shop, 7, since)
				if err != nil {
					t.Fatal(err)
				}
				diff(t, got, tt.want)
			}
			calls(t, f, issueCall, issueCall+" 304")
		})
	}
	var missing *NotFound
	for name, answer := range map[string]http.HandlerFunc{
		"deleted":     refuse(410, "This issue was deleted"),
		"there is no": refuse(404, "Not Found"),
		"transferred": answerWith(200, m{"number": 3, "html_url": "https://github.com/acme/other/issues/3"}),
	} {
		f := newFake(t)
		f.on(issueCall, answer)
		if _, err := f.client().Begin().Issue(t.Context(), shop, 7, time.Time{}); !errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateIssue(t *testing.T) {
	issue := IssueWrite{Title: "Explain", Body: "a <b>", Assignees: []string{"bob"}}
	whole := m{"title": "Explain", "body": "a <b>", "assignees": []any{"bob"}}
	t.Run("with its assignees", func(t *testing.T) {
		f := newFake(t)
		create, body := takes(201, m{"number": 7, "state": "open", "assignees": []m{user(bob)}})
		f.on(newIssueCall, create)
		got, err := f.client().CreateIssue(t.Context(), shop, issue)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, Issue{Number: 7, State: IssueOpen, Assignees: []change.Account{bob}})
		diff(t, *body, whole)
		calls(t, f, newIssueCall)
	})
	t.Run("without those who cannot be assigned", func(t *testing.T) {
		f := newFake(t)
		var bodies []m
		f.on(newIssueCall, func(w http.ResponseWriter, r *http.Request) {
			var body m
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			bodies = append(bodies, body)
			if body["assignees"] != nil {
				answerWith(422, m{"message": "Validation Failed", "errors": []m{{"resource": "Issue", "field": "assignees", "code": "invalid", "value": "bob"}}})(w, r)
				return
			}
			answerWith(201, m{"number": 7, "state": "open", "assignees": []m{}})(w, r)
		})
		got, err := f.client().CreateIssue(t.Context(), shop, issue)
		if err != nil || got.Number != 7 || len(got.Assignees) != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
		diff(t, bodies, []m{whole, {"title": "Explain", "body": "a <b>"}})
		calls(t, f, newIssueCall, newIssueCall)
	})
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
		calls  int
	}{
		"refused for something else": {refuse(422, "body is too long"), new(*Rejected), 2},
		"issues are turned off":      {refuse(410, "Issues are disabled for this repo"), new(*NotFound), 1},
		"the repository is hidden":   {refuse(404, "Not Found"), new(*NotFound), 1},
		"not for this App":           {refuse(403, "Resource not accessible by integration"), new(*Forbidden), 1},
		"the answer is lost":         {func(http.ResponseWriter, *http.Request) { panic(connectionCut(false)) }, new(*Unavailable), 1},
		"no number":                  {answerWith(201, "{}"), new(*Unavailable), 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(newIssueCall, tt.answer)
			_, err := f.client().CreateIssue(t.Context(), shop, issue)
			if !errors.As(err, tt.is) {
				t.Errorf("got %v", err)
			}
			var unavailable *Unavailable
			if errors.As(err, &unavailable) && !unavailable.MayHaveHappened {
				t.Error("it may have happened")
			}
			var missing *NotFound
			if errors.As(err, &missing) {
				equal(t, "may pass", missing.MayPass(), missing.Message == "Not Found")
			}
			equal(t, "calls", len(f.took()), tt.calls)
		})
	}
}

func TestEditIssue(t *testing.T) {
	for name, tt := range map[string]struct {
		edit   IssueEdit
		want   m // the body of the update; nil: none
		assign m
	}{
		"close":              {IssueEdit{State: IssueClosed, StateReason: "completed"}, m{"state": "closed", "state_reason": "completed"}, nil},
		"reopen and rewrite": {IssueEdit{State: IssueOpen, Title: "t", Body: "b"}, m{"state": "open", "title": "t", "body": "b"}, nil},
		"assign":             {IssueEdit{AddAssignees: []string{"bob"}}, nil, m{"assignees": []any{"bob"}}},
		"both":               {IssueEdit{State: IssueOpen, AddAssignees: []string{"bob"}}, m{"state": "open"}, m{"assignees": []any{"bob"}}},
		"nothing":            {IssueEdit{}, m{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c := f.client()
			f.json(issueCall, 200, m{"number": 7, "state": "closed"})
			if _, err := c.Begin().Issue(t.Context(), shop, 7, time.Time{}); err != nil {
				t.Fatal(err)
			}
			f.took()
			update, updated := takes(200, m{"number": 7, "state": "open"})
			assign, assigned := takes(201, m{"number": 7, "state": "open"})
			f.on(editIssueCall, update)
			f.on(assignCall, assign)
			got, err := c.EditIssue(t.Context(), shop, 7, tt.edit)
			if err != nil || got.Number != 7 || got.State != IssueOpen {
				t.Errorf("got %+v, %v", got, err)
			}
			diff(t, *updated, tt.want)
			diff(t, *assigned, tt.assign)
			f.took()
			c.Begin().Issue(t.Context(), shop, 7, time.Time{})
			equal(t, "reads of what was edited", len(f.took()), 1)
		})
	}
	f := newFake(t)
	f.json(editIssueCall, 200, m{"number": 8})
	if _, err := f.client().EditIssue(t.Context(), shop, 7, IssueEdit{State: IssueOpen}); !Temporary(err) {
		t.Errorf("another issue: %v", err)
	}
}

func TestFindIssue(t *testing.T) {
	marker := Marker("exception 1")
	issue := func(n int, body string, by any, app int) m {
		return made(m{"number": n, "body": body, "state": "closed", "created_at": stamp(n)}, by, app)
	}
	pull := issue(6, marker, user(gate), appID)
	pull["pull_request"] = m{"url": "x"}
	f := newFake(t)
	c := f.client()
	f.json(issuesCall, 200, []any{
		nil, issue(9, "> "+marker, user(bob), 0), issue(8, marker, user(bob), appID), issue(7, marker, user(gate), 8), pull,
		issue(5, Marker("exception 10"), user(gate), appID), issue(4, "Explain\n"+marker, user(gate), appID), issue(3, marker, user(gate), appID),
	})
	const query = "?direction=desc&per_page=100&since=2026-01-02T12%3A00%3A00Z&sort=created&state=all"
	s := c.Begin()
	for range 2 { // asked again, because it may have been opened since
		got, found, err := s.FindIssue(t.Context(), shop, marker, noon.Add(time.Millisecond))
		if err != nil || !found || got.Number != 4 || got.Author != gate {
			t.Errorf("got %+v, %v, %v", got, found, err)
		}
	}
	calls(t, f, issuesCall+query, issuesCall+query+" 304")
	if _, found, err := c.FindIssue(t.Context(), shop, Marker("exception 2"), noon); found || err != nil {
		t.Errorf("found another: %v", err)
	}

	for name, tt := range map[string]struct {
		since  time.Time
		refuse bool
	}{"all that are new were listed": {noon.Add(time.Hour), false}, "there are more": {noon, true}} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			var pages []any
			for range maxIssues + 1 {
				pages = append(pages, many(100, func(int) any { return issue(30, "", user(bob), 0) }))
			}
			f.pages(issuesCall, pages, true)
			_, found, err := f.client().FindIssue(t.Context(), shop, marker, tt.since)
			var rejected *Rejected
			if found || errors.As(err, &rejected) != tt.refuse {
				t.Errorf("got %v, %v", found, err)
			}
			equal(t, "calls", len(f.took()), maxIssues)
		})
	}
}

func TestComments(t *testing.T) {
	f := newFake(t)
	answer := []m{
		made(m{"id": 3, "body": "hello", "created_at": stamp(0), "updated_at": stamp(1)}, user(bob), 0),
		made(m{"id": 4, "body": "x"}, nil, 8),
	}
	f.json(commentsCall, 200, answer)
	f.json("GET /repos/acme/shop/issues/comments/3", 200, answer[0])
	want := []IssueComment{{ID: 3, By: bob, Body: "hello", At: noon, Updated: noon.Add(time.Minute)}, {ID: 4, Via: 8, Body: "x"}}
	s := f.client().Begin()
	got, err := s.Comments(t.Context(), shop, 1, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, want)
	for range 2 {
		one, err := s.IssueComment(t.Context(), shop, 3, s.Began())
		if err != nil {
			t.Fatal(err)
		}
		diff(t, one, want[0])
	}
	calls(t, f, commentsCall+"?per_page=100", "GET /repos/acme/shop/issues/comments/3")
	var missing *NotFound
	if _, err := s.IssueComment(t.Context(), shop, 4, s.Began()); !errors.As(err, &missing) {
		t.Errorf("a deleted comment: %v", err)
	}
}

func TestFindComment(t *testing.T) {
	marker := Marker("answer 1")
	comment := func(id int, body string, by any, app int) any { return made(m{"id": id, "body": body}, by, app) }
	f := newFake(t)
	c := f.client()
	f.pages(commentsCall, []any{
		many(100, func(i int) any { return comment(i+1, marker, user(bob), 0) }),
		[]any{comment(200, marker, user(bob), appID), comment(201, marker, nil, appID), comment(202, "no\n"+marker, user(gate), appID), comment(203, marker, user(gate), appID)},
	}, true)
	s := c.Begin()
	id, found, err := s.FindComment(t.Context(), shop, 1, marker, noon)
	if err != nil || !found || id != 202 {
		t.Errorf("got %d, %v, %v", id, found, err)
	}
	calls(t, f, commentsCall+"?page=2&per_page=100&since=2026-01-02T12%3A00%3A00Z", commentsCall+"?per_page=100&since=2026-01-02T12%3A00%3A00Z")
	if _, found, err := s.FindComment(t.Context(), shop, 1, Marker("answer 2"), noon); found || err != nil {
		t.Errorf("found another: %v", err)
	}
	equal(t, "calls", len(f.took()), 2)
	f.on(commentsCall, refuse(502, ""))
	if _, _, err := s.FindComment(t.Context(), shop, 1, marker, noon); !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestMarker(t *testing.T) {
	for key, want := range map[string]string{
		"check 1:aaaa":        "<!-- changegate check 1:aaaa -->",
		"exception 5/main":    "<!-- changegate exception 5/main -->",
		"a-b":                 "<!-- changegate a-b -->",
		"x --> @bob <b>\r\n%": "<!-- changegate x -%2D%3E %40bob %3Cb%3E%0D%0A%25 -->",
		"-":                   "<!-- changegate %2D -->",
		"":                    "<!-- changegate  -->",
		"ü":                   "<!-- changegate %C3%BC -->",
	} {
		equal(t, fmt.Sprintf("marker of %q", key), Marker(key), want)
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.StringMatching(`[-> <!%a]{0,8}`), rapid.String())
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		inside := strings.TrimSuffix(strings.TrimPrefix(Marker(a), "<!--"), "-->")
		if strings.ContainsAny(inside, "<>@\n\r") || strings.Contains(inside, "--") {
			t.Errorf("the comment ends early: %s", Marker(a))
		}
		if a != b && strings.Contains(Marker(a), Marker(b)) {
			t.Errorf("%q is found by %q", a, b)
		}
	})
}
