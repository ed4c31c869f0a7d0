package github

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A notice is a check run of its own name that is completed with success, so that it marks no commit as one on which something is open.
func TestPostNotice(t *testing.T) {
	f := newFake(t)
	create, body := takes(201, m{"id": 77, "head_sha": headSHA})
	f.on("POST /repos/acme/shop/check-runs", create)
	if err := f.client().PostNotice(t.Context(), shop, headSHA, "Ledger", "3 entries", "```\nacme\n3\n```\n"); err != nil {
		t.Fatal(err)
	}
	// Nothing is told of when it began or ended: GitHub says that by its own clock.
	diff(t, *body, m{
		"name": "Ledger", "head_sha": string(headSHA), "status": "completed", "conclusion": "success",
		"output": m{"title": "3 entries", "summary": "```\nacme\n3\n```\n"}, "actions": []any{},
	})

	for _, row := range []struct {
		name   string
		status int
		answer any
		want   string
	}{
		{"refused", 403, m{"message": "Resource not accessible by integration"}, `posting "Ledger" on aaaaaaa in acme/shop: `},
		{"an answer that names none", 201, m{}, "names no check run"},
		{"no answer", 502, m{}, `posting "Ledger" on aaaaaaa in acme/shop: `},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFake(t)
			f.json("POST /repos/acme/shop/check-runs", row.status, row.answer)
			err := f.client().PostNotice(t.Context(), shop, headSHA, "Ledger", "3 entries", "…")
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

// What was posted just now is seen, though the list before is held.
func TestNoticesAfterOne(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json("GET /repos/acme/shop/commits", 200, []m{{"sha": headSHA}})
	f.json("GET /repos/acme/shop/commits/"+string(headSHA)+"/check-runs", 200, m{"total_count": 0, "check_runs": []m{}})
	notices := func() []string {
		t.Helper()
		list, err := c.Begin().Notices(t.Context(), shop, "main", "Ledger", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := notices(); got != nil {
		t.Fatalf("before any: %q", got)
	}
	f.json("POST /repos/acme/shop/check-runs", 201, m{"id": 77})
	f.json("GET /repos/acme/shop/commits/"+string(headSHA)+"/check-runs", 200, m{"total_count": 1, "check_runs": []m{notice(77, appID, "Ledger", "one")}})
	if err := c.PostNotice(t.Context(), shop, headSHA, "Ledger", "1 entry", "one"); err != nil {
		t.Fatal(err)
	}
	diff(t, notices(), []string{"one"})
}

func notice(id, app int64, name, summary string) m {
	return m{"id": id, "name": name, "app": m{"id": app}, "status": "completed", "conclusion": "success", "output": m{"summary": summary}}
}

func TestNotices(t *testing.T) {
	commit := func(n int) string { return fmt.Sprintf("%040d", n) }
	for _, row := range []struct {
		name string
		runs map[int][]m // by commit, the newest being 1
		want []string
		read int // commits whose check runs are read
	}{
		{"none", nil, nil, 3},
		{"on the newest commit, oldest first", map[int][]m{1: {notice(8, appID, "Ledger", "two"), notice(5, appID, "Ledger", "one")}}, []string{"one", "two"}, 1},
		{"on an older commit, of which the newest that has any counts", map[int][]m{
			2: {notice(9, appID, "Ledger", "three")}, 3: {notice(5, appID, "Ledger", "one")},
		}, []string{"three"}, 2},
		{"of others, or of another name", map[int][]m{
			1: {notice(8, 15368, "Ledger", "forged"), notice(9, appID, "Change policy", "a check")}, 3: {notice(5, appID, "Ledger", "one")},
		}, []string{"one"}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFake(t)
			var commits []m
			for n := range 3 {
				commits = append(commits, m{"sha": commit(n + 1)})
				f.json("GET /repos/acme/shop/commits/"+commit(n+1)+"/check-runs", 200, m{"total_count": len(row.runs[n+1]), "check_runs": row.runs[n+1]})
			}
			f.json("GET /repos/acme/shop/commits", 200, commits)
			s := f.client().Begin()
			got, err := s.Notices(t.Context(), shop, "main", "Ledger", s.Began())
			if err != nil {
				t.Fatal(err)
			}
			diff(t, got, row.want)
			var want []string
			for n := range row.read {
				want = append(want, "GET /repos/acme/shop/commits/"+commit(n+1)+"/check-runs?app_id=7&check_name=Ledger&filter=all&per_page=100")
			}
			calls(t, f, append(want, "GET /repos/acme/shop/commits?per_page=100&sha=main")...)
		})
	}

	// What cannot be read is not taken for none: who publishes would not find what contradicts it.
	f := newFake(t)
	f.json("GET /repos/acme/shop/commits", 200, []m{{"sha": commit(1)}})
	f.json("GET /repos/acme/shop/commits/"+commit(1)+"/check-runs", 502, m{})
	s := f.client().Begin()
	if _, err := s.Notices(t.Context(), shop, "main", "Ledger", s.Began()); err == nil || !strings.Contains(err.Error(), `reading "Ledger" on main in acme/shop: `) {
		t.Errorf("got %v", err)
	}
}
