package github

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/plan"
)

// takes answers a write, and keeps its body.
func takes(status int, answer any) (http.HandlerFunc, *m) {
	body := new(m)
	return func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		*body = nil
		if err := json.Unmarshal(raw, body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answerWith(status, answer)(w, r)
	}, body
}

func TestCheckRuns(t *testing.T) {
	f := newFake(t)
	c := f.client()
	run := m{"id": 77, "head_sha": headSHA, "status": "in_progress", "conclusion": nil, "external_id": "1#1", "output": m{"title": "T"}}
	create, body := takes(201, run)
	f.on("POST /repos/acme/shop/check-runs", create)
	got, err := c.CreateCheckRun(t.Context(), shop, CheckRunWrite{
		Head: headSHA, ExternalID: "1#1", At: noon.Add(time.Millisecond),
		Output: plan.Output{Status: plan.InProgress, Title: "T", Summary: "a <b> & c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, CheckRun{ID: 77, Head: headSHA, Status: "in_progress", ExternalID: "1#1", Title: "T"})
	diff(t, *body, m{
		"name": "Change policy", "head_sha": string(headSHA), "external_id": "1#1", "status": "in_progress", "started_at": "2026-01-02T12:00:00Z",
		"output": m{"title": "T", "summary": "a <b> & c"}, "actions": []any{},
	})

	update, body := takes(200, m{"id": 77, "head_sha": headSHA, "status": "completed", "conclusion": "success"})
	f.on("PATCH /repos/acme/shop/check-runs/77", update)
	got, err = c.UpdateCheckRun(t.Context(), shop, 77, CheckRunWrite{
		Head: headSHA, At: noon,
		Output: plan.Output{Status: plan.Completed, Conclusion: plan.Success, Title: "T", Summary: "S", Text: "X"},
	})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, CheckRun{ID: 77, Head: headSHA, Status: "completed", Conclusion: "success"})
	diff(t, *body, m{
		"name": "Change policy", "status": "completed", "conclusion": "success",
		"completed_at": "2026-01-02T12:00:00Z", "output": m{"title": "T", "summary": "S", "text": "X"}, "actions": []any{},
	})
}

func TestWrittenRunsAreNotReadFromBefore(t *testing.T) {
	const runsCall = "GET /repos/acme/shop/commits/" + string(headSHA) + "/check-runs"
	f := newFake(t)
	c := f.client()
	f.json(runsCall, 200, m{"total_count": 0, "check_runs": []m{}})
	own := func() {
		t.Helper()
		if _, err := c.Begin().OwnRuns(t.Context(), shop, headSHA, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	own()
	own()
	equal(t, "calls before", len(f.took()), 1)
	create, _ := takes(201, m{"id": 77})
	f.on("POST /repos/acme/shop/check-runs", create)
	if _, err := c.CreateCheckRun(t.Context(), shop, CheckRunWrite{Head: headSHA}); err != nil {
		t.Fatal(err)
	}
	f.took()
	own()
	equal(t, "calls after", len(f.took()), 1)
}

func TestRequestReviewers(t *testing.T) {
	f := newFake(t)
	c := f.client()
	for _, tt := range []struct {
		teams, users []string
		want         m
	}{
		{[]string{"security"}, nil, m{"team_reviewers": []any{"security"}}},
		{nil, []string{"bob", "carol"}, m{"reviewers": []any{"bob", "carol"}}},
	} {
		handler, body := takes(201, m{"number": 1})
		f.on("POST /repos/acme/shop/pulls/1/requested_reviewers", handler)
		if err := c.RequestReviewers(t.Context(), shop, 1, tt.teams, tt.users); err != nil {
			t.Fatal(err)
		}
		diff(t, *body, tt.want)
	}
	f.json("POST /repos/acme/shop/pulls/1/requested_reviewers", 422, m{"message": "Review cannot be requested from pull request author."})
	err := c.RequestReviewers(t.Context(), shop, 1, nil, []string{"alice"})
	var rejected *Rejected
	if !errors.As(err, &rejected) || Temporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestCommentAndReaction(t *testing.T) {
	f := newFake(t)
	c := f.client()
	comment, body := takes(201, m{"id": 99})
	f.on("POST /repos/acme/shop/issues/1/comments", comment)
	id, err := c.Comment(t.Context(), shop, 1, "hello <b>")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "id", id, 99)
	diff(t, *body, m{"body": "hello <b>"})
	for _, status := range []int{200, 201} {
		reaction, body := takes(status, m{"id": 5})
		f.on("POST /repos/acme/shop/issues/comments/99/reactions", reaction)
		if err := c.React(t.Context(), shop, 99, "+1"); err != nil {
			t.Fatal(err)
		}
		diff(t, *body, m{"content": "+1"})
	}
}
