package github

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func stamp(minutes int) string {
	return noon.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339)
}

func diff(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestPull(t *testing.T) {
	end := func(ref string, sha change.SHA, repo any) m {
		return m{"ref": ref, "sha": sha, "repo": repo, "user": m{"login": "acme"}}
	}
	repo := m{"id": 1, "owner": m{"login": "acme"}}
	base := end("main", baseSHA, repo)
	for name, tt := range map[string]struct {
		answer m
		want   change.Pull
	}{
		"open": {
			m{"number": 1, "title": "t", "body": nil, "html_url": "https://github.com/acme/shop/pull/1", "user": user(alice), "state": "open", "draft": true,
				"head": end("fix", headSHA, repo), "base": base, "labels": []m{{"name": "high-risk"}}, "changed_files": 3,
				"requested_teams": []m{{"slug": "security"}}, "requested_reviewers": []m{user(bob)}, "created_at": stamp(0), "updated_at": stamp(1),
				"merged_at": nil, "merge_commit_sha": "cccc"},
			change.Pull{Number: 1, Title: "t", URL: "https://github.com/acme/shop/pull/1", Author: alice, State: change.Open, Draft: true,
				Head: change.Branch{Repository: 1, Owner: "acme", Name: "fix", SHA: headSHA}, Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA},
				Labels: []string{"high-risk"}, RequestedTeams: []string{"security"}, RequestedUsers: []change.Account{bob}, ChangedFiles: 3,
				CreatedAt: noon, UpdatedAt: noon.Add(time.Minute)},
		},
		"merged": {
			m{"number": 1, "user": user(alice), "state": "closed", "head": end("fix", headSHA, repo), "base": base, "merged_at": stamp(5),
				"merged_by": user(bob), "merge_commit_sha": "cccc"},
			change.Pull{Number: 1, Author: alice, State: change.Merged, MergedBy: bob, MergedAt: noon.Add(5 * time.Minute), MergeCommit: "cccc",
				Head: change.Branch{Repository: 1, Owner: "acme", Name: "fix", SHA: headSHA}, Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA}},
		},
		"author and fork are gone": {
			m{"number": 1, "user": nil, "state": "closed", "head": m{"ref": "fix", "sha": headSHA, "repo": nil, "user": nil}, "base": base},
			change.Pull{Number: 1, State: change.Closed, Head: change.Branch{Name: "fix", SHA: headSHA},
				Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA}},
		},
		"from a fork": {
			m{"number": 1, "user": user(alice), "state": "open", "head": m{"ref": "fix", "sha": headSHA, "user": user(bob), "repo": m{"id": 2, "owner": user(bob)}}, "base": base},
			change.Pull{Number: 1, Author: alice, State: change.Open, Head: change.Branch{Repository: 2, Owner: bob.Login, Name: "fix", SHA: headSHA}, HeadOwner: bob,
				Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA}},
		},
		"from an organization's fork": {
			m{"number": 1, "user": user(alice), "state": "open", "base": base,
				"head": m{"ref": "fix", "sha": headSHA, "repo": m{"id": 2, "owner": m{"id": 9, "login": "globex", "type": "Organization"}}}},
			change.Pull{Number: 1, Author: alice, State: change.Open, Head: change.Branch{Repository: 2, Owner: "globex", Name: "fix", SHA: headSHA},
				Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA}},
		},
		"the fork is gone": {
			m{"number": 1, "user": user(alice), "state": "open", "head": m{"ref": "fix", "sha": headSHA, "user": user(bob), "repo": nil}, "base": base},
			change.Pull{Number: 1, Author: alice, State: change.Open, Head: change.Branch{Owner: bob.Login, Name: "fix", SHA: headSHA}, HeadOwner: bob,
				Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA}},
		},
		"by a bot": {
			m{"number": 1, "user": m{"id": 49699333, "login": "dependabot[bot]", "type": "Bot"}, "state": "open", "base": base},
			change.Pull{Number: 1, Author: change.Account{ID: 49699333, Login: "dependabot[bot]", Kind: change.KindBot}, State: change.Open,
				Base: change.Branch{Repository: 1, Owner: "acme", Name: "main", SHA: baseSHA}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.json(pullCall, 200, tt.answer)
			got, err := f.client().Begin().Pull(t.Context(), shop, 1, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			diff(t, got, tt.want)
		})
	}
}

func TestPullsWithHead(t *testing.T) {
	f := newFake(t)
	route := "GET /repos/acme/shop/commits/" + string(headSHA) + "/pulls"
	p := func(n int, state string, sha change.SHA) m {
		return m{"number": n, "state": state, "head": m{"sha": sha}}
	}
	f.json(route, 200, []m{p(9, "open", headSHA), p(3, "open", baseSHA), p(4, "closed", headSHA), p(2, "open", headSHA)})
	c := f.client()
	got, err := c.Begin().PullsWithHead(t.Context(), shop, headSHA, time.Time{})
	if err != nil || len(got) != 2 || got[0].Number != 2 || got[1].Number != 9 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, status := range []int{404, 409, 422} {
		f.json(route, status, m{"message": "No commit found for SHA"})
		s := c.Begin()
		if got, err := s.PullsWithHead(t.Context(), shop, headSHA, s.Began()); len(got) != 0 || err != nil {
			t.Errorf("%d: got %v, %v", status, got, err)
		}
	}
	f.json(route, 500, m{})
	s := c.Begin()
	if _, err := s.PullsWithHead(t.Context(), shop, headSHA, s.Began()); !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestOpenPulls(t *testing.T) {
	f := newFake(t)
	f.pages("GET /repos/acme/shop/pulls", []any{
		many(100, func(i int) any { return m{"number": 1 + i, "state": "open"} }), many(5, func(i int) any { return m{"number": 200 + i, "state": "open"} }),
	}, true)
	s := f.client().Begin()
	var pages []string
	for page, err := range s.OpenPulls(t.Context(), shop, "release/1", time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, fmt.Sprintf("%d from %d", len(page), page[0].Number))
	}
	diff(t, pages, []string{"5 from 200", "100 from 1"})
	const list = "GET /repos/acme/shop/pulls?"
	calls(t, f, list+"base=release%2F1&direction=asc&page=2&per_page=100&sort=created&state=open",
		list+"base=release%2F1&direction=asc&per_page=100&sort=created&state=open", list+"base=release%2F1&direction=asc&per_page=100&sort=created&state=open 304")

	f.json("GET /repos/acme/shop/pulls", 502, m{})
	n := 0
	for page, err := range s.OpenPulls(t.Context(), shop, "", s.Began()) {
		if n++; page != nil || !Temporary(err) || !strings.Contains(err.Error(), "listing the open pull requests of acme/shop: ") {
			t.Errorf("%v, %v", page, err)
		}
	}
	if n != 1 {
		t.Errorf("an error comes %d times", n)
	}
}

// TestOpenPullsWhileTheyAreClosed closes the oldest pull request before each page but the first is read, which moves all others one place to the front.
func TestOpenPullsWhileTheyAreClosed(t *testing.T) {
	for _, tt := range []struct {
		count  int
		linked bool // GitHub says how many pages there are
	}{{3, true}, {100, true}, {101, true}, {200, true}, {350, true}, {350, false}, {450, false}} {
		f, count := newFake(t), tt.count
		open, asked := many(count, func(i int) any { return m{"number": 1 + i, "state": "open"} }), 0
		f.on("GET /repos/acme/shop/pulls", func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked > 1 {
				open = open[1:]
			}
			answerPage(w, r, slices.Collect(slices.Chunk(open, 100)), tt.linked)
		})
		s, listed := f.client().Begin(), map[change.Number]bool{}
		for page, err := range s.OpenPulls(t.Context(), shop, "", s.Began()) {
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				listed[p.Number] = true
			}
		}
		for n := change.Number(asked); n <= change.Number(count); n++ {
			if !listed[n] {
				t.Errorf("of %d, linked %t, #%d is open all the time and is not listed", count, tt.linked, n)
			}
		}
	}
}

func TestRepositories(t *testing.T) {
	f := newFake(t)
	f.json("GET /installation/repositories", 200, m{"total_count": 1, "repositories": []m{
		{"id": 1, "name": "shop", "default_branch": "main", "owner": m{"login": "acme", "type": "Organization"}},
		{"id": 2, "name": "notes", "default_branch": "trunk", "owner": m{"login": "alice", "type": "User"}, "archived": true, "updated_at": stamp(3)},
	}})
	got, err := f.client().Begin().Repositories(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, []InstalledRepository{
		{shop, false, time.Time{}},
		{change.Repository{ID: 2, Owner: "alice", Name: "notes", DefaultBranch: "trunk", OwnerIsUser: true, Installation: 5}, true, noon.Add(3 * time.Minute)},
	})
}

// review is a reviewed event of a timeline.
func review(id int, by any, state string, minutes int) m {
	return m{"event": "reviewed", "id": id, "user": by, "state": state, "commit_id": headSHA, "submitted_at": stamp(minutes)}
}

func TestTimeline(t *testing.T) {
	labelled := func(event, name string, by any, minutes int) m {
		return m{"event": event, "actor": by, "label": m{"name": name}, "created_at": stamp(minutes)}
	}
	dismissed := func(id int, was string, by any, minutes int) m {
		return m{"event": "review_dismissed", "actor": by, "created_at": stamp(minutes), "dismissed_review": m{"review_id": id, "state": was}}
	}
	events := []m{
		{"event": "committed", "sha": headSHA, "author": m{"name": "a", "email": "b", "date": stamp(0)}},
		labelled("labeled", "EMERGENCY", user(alice), 1),
		review(1, user(bob), "approved", 2),
		review(2, user(carol), "changes_requested", 3),
		review(3, user(bob), "dismissed", 4),
		dismissed(3, "approved", user(carol), 5),
		review(4, nil, "commented", 6),
		review(5, user(bob), "PENDING", 7),
		review(6, user(bob), "novel", 7),
		{"event": "line-commented", "comments": []m{}},
		{"event": "unheard-of", "surprise": []int{1}},
		labelled("unlabeled", "EMERGENCY", nil, 8),
		review(7, user(carol), "approved", 9),
		dismissed(7, "approved", nil, 10),
	}
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	want := Timeline{
		Reviews: []change.Review{
			{ID: 1, By: bob, State: change.Approved, SHA: headSHA, At: at(2)},
			{ID: 2, By: carol, State: change.ChangesRequested, SHA: headSHA, At: at(3)},
			{ID: 3, By: bob, State: change.Dismissed, SHA: headSHA, At: at(4), DismissedBy: carol, DismissedAt: at(5), Was: change.Approved},
			{ID: 4, State: change.Commented, SHA: headSHA, At: at(6)},
			{ID: 6, By: bob, State: "NOVEL", SHA: headSHA, At: at(7)},
			{ID: 7, By: carol, State: change.Dismissed, SHA: headSHA, At: at(9), DismissedAt: at(10), Was: change.Approved},
		},
		Labels: []change.LabelEvent{
			{Label: "EMERGENCY", Added: true, By: alice, At: at(1)},
			{Label: "EMERGENCY", At: at(8)},
		},
	}
	t.Run("in one list", func(t *testing.T) {
		f := newFake(t)
		f.json("GET /repos/acme/shop/issues/1/timeline", 200, events)
		got, err := f.client().Begin().Timeline(t.Context(), shop, 1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
		calls(t, f, "GET /repos/acme/shop/issues/1/timeline?per_page=100")
	})
	t.Run("in two where there is no timeline", func(t *testing.T) {
		f := newFake(t)
		var reviews, others []m
		for _, e := range events {
			if e["event"] == "reviewed" {
				r := m{}
				for k, v := range e {
					if k != "event" {
						r[k] = v
					}
				}
				reviews = append(reviews, r)
			} else {
				others = append(others, e)
			}
		}
		f.json("GET /repos/acme/shop/pulls/1/reviews", 200, reviews)
		f.json("GET /repos/acme/shop/issues/1/events", 200, others)
		c := f.client()
		got, err := c.Begin().Timeline(t.Context(), shop, 1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
		equal(t, "calls", len(f.took()), 3)
		s := c.Begin()
		if _, err := s.Timeline(t.Context(), shop, 1, s.Began()); err != nil {
			t.Fatal(err)
		}
		equal(t, "calls, once that is known", len(f.took()), 2)
	})
	t.Run("of the reviews alone, where there is nothing else", func(t *testing.T) {
		f := newFake(t)
		f.json("GET /repos/acme/shop/pulls/1/reviews", 200, []m{review(1, user(bob), "approved", 2)})
		f.on("GET /repos/acme/shop/issues/1/timeline", refuse(501, ""))
		c := f.client()
		for range 2 { // it is looked for each time
			session := c.Begin()
			got, err := session.Timeline(t.Context(), shop, 1, session.Began())
			var missing *NotFound
			if err != nil || !errors.As(got.Unlisted, &missing) || missing.Call != "GET /repos/acme/shop/issues/1/events" {
				t.Fatalf("got %+v, %v", got, err)
			}
			got.Unlisted = nil
			diff(t, got, Timeline{Reviews: want.Reviews[:1]})
			equal(t, "calls", len(f.took()), 3)
			f.clock.advance(time.Hour)
		}
	})
	t.Run("of the reviews alone is an error, where there was more before", func(t *testing.T) {
		f := newFake(t)
		f.json("GET /repos/acme/shop/issues/2/timeline", 200, events)
		f.json("GET /repos/acme/shop/pulls/1/reviews", 200, []m{review(1, user(bob), "approved", 2)})
		s := f.client().Begin()
		if _, err := s.Timeline(t.Context(), shop, 2, s.Began()); err != nil {
			t.Fatal(err)
		}
		var missing *NotFound
		if got, err := s.Timeline(t.Context(), shop, 1, s.Began()); !errors.As(err, &missing) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("a pull request that is gone", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		_, err := c.Begin().Timeline(t.Context(), shop, 1, time.Time{})
		var missing *NotFound
		if !errors.As(err, &missing) || c.noTimeline.Load() {
			t.Errorf("got %v", err)
		}
	})
}

func TestDescribed(t *testing.T) {
	for name, tt := range map[string]struct {
		answer m
		want   string // its default branch; empty: an error
	}{
		"as it is":         {m{"id": 1, "name": "shop", "owner": m{"login": "acme", "type": "Organization"}, "default_branch": "trunk"}, "trunk"},
		"another by now":   {m{"id": 2, "name": "shop", "owner": m{"login": "acme"}, "default_branch": "trunk"}, ""},
		"without a branch": {m{"id": 1, "name": "shop", "owner": m{"login": "acme"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.json("GET /repos/acme/shop", 200, tt.answer)
			s := f.client().Begin()
			got, err := s.Described(t.Context(), shop, s.Began())
			if (err != nil) != (tt.want == "") || got.DefaultBranch != tt.want || err == nil && (got.ID != shop.ID || got.Installation != s.id || got.OwnerIsUser) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestPermission(t *testing.T) {
	const call = "GET /repos/acme/shop/collaborators/bob/permission"
	level := func(permission, role string, id change.AccountID) http.HandlerFunc {
		return answerWith(200, m{"permission": permission, "role_name": role, "user": m{"id": id, "login": "bob"}})
	}
	for name, tt := range map[string]struct {
		answer  http.HandlerFunc
		want    change.Permission
		problem string
	}{
		"admin":                              {level("admin", "admin", 12), change.PermissionAdmin, ""},
		"maintain reads as write":            {level("write", "maintain", 12), change.PermissionMaintain, ""},
		"write":                              {level("write", "write", 12), change.PermissionWrite, ""},
		"triage reads as read":               {level("read", "triage", 12), change.PermissionTriage, ""},
		"read":                               {level("read", "read", 12), change.PermissionRead, ""},
		"none":                               {level("none", "none", 12), change.PermissionNone, ""},
		"a custom role":                      {level("write", "release managers", 12), change.PermissionWrite, ""},
		"a custom role named like a greater": {level("read", "admin", 12), change.PermissionRead, ""},
		"one named like maintain, of less":   {level("read", "maintain", 12), change.PermissionRead, ""},
		"one named like triage, of less":     {level("none", "triage", 12), change.PermissionNone, ""},
		"one named like a smaller":           {level("write", "read", 12), change.PermissionWrite, ""},
		"no role, on an old server":          {level("write", "", 12), change.PermissionWrite, ""},
		"a permission that is new":           {level("super", "super", 12), change.PermissionNone, "unknown permission"},
		"the name is another's by now":       {level("admin", "admin", 99), change.PermissionNone, "another account"},
		"the account is null":                {answerWith(200, m{"permission": "admin", "role_name": "admin", "user": nil}), change.PermissionNone, "no account of this name"},
		"the name is nobody's":               {refuse(404, "bob is not a user"), change.PermissionNone, "renamed or deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(call, tt.answer)
			got, err := f.client().Begin().Permission(t.Context(), shop, bob, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "permission", got.Permission, tt.want)
			if !strings.Contains(got.Problem, tt.problem) || (tt.problem == "") != (got.Problem == "") {
				t.Errorf("problem %q", got.Problem)
			}
			if !got.ReadAt.Equal(f.clock.Now()) {
				t.Errorf("read at %v", got.ReadAt)
			}
		})
	}
	t.Run("whose it is, where the answer does not say", func(t *testing.T) {
		for id, want := range map[change.AccountID]change.Permission{12: change.PermissionWrite, 99: change.PermissionNone} {
			f := newFake(t)
			f.json(call, 200, m{"permission": "write"})
			f.json("GET /users/bob", 200, m{"id": id, "login": "bob"})
			got, err := f.client().Begin().Permission(t.Context(), shop, bob, time.Time{})
			if err != nil || got.Permission != want || (got.Problem == "") != (want == change.PermissionWrite) {
				t.Errorf("where %d has the login: %+v, %v", id, got, err)
			}
		}
	})
	t.Run("who has the login cannot be told", func(t *testing.T) {
		f := newFake(t)
		f.json(call, 200, m{"permission": "write"})
		f.on("GET /users/bob", refuse(503, ""))
		if got, err := f.client().Begin().Permission(t.Context(), shop, bob, time.Time{}); !Temporary(err) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("bots and nobody are not asked about", func(t *testing.T) {
		f := newFake(t)
		s := f.client().Begin()
		for _, a := range []change.Account{{}, {ID: 5, Login: "x[bot]", Kind: change.KindBot}} {
			if got, err := s.Permission(t.Context(), shop, a, s.Began()); err != nil || got.Permission != change.PermissionNone || got.Problem != "" {
				t.Errorf("got %v, %v", got, err)
			}
		}
		calls(t, f)
	})
	t.Run("no older than a minute", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.on(call, level("write", "write", 12))
		for _, step := range []time.Duration{0, 59 * time.Second, time.Second} {
			f.clock.advance(step)
			got, err := c.Begin().Permission(t.Context(), shop, bob, f.clock.Now().Add(-time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if age := f.clock.Now().Sub(got.ReadAt); age >= time.Minute {
				t.Errorf("%v old", age)
			}
		}
		calls(t, f, call, call+" 304")
	})
}

func TestCollaborator(t *testing.T) {
	for name, tt := range map[string]struct {
		answer any
		want   change.Account
	}{
		"named":            {m{"permission": "read", "user": m{"id": 12, "login": "Bob"}}, change.Account{ID: 12, Login: "Bob", Kind: change.KindUser}},
		"named otherwise":  {m{"permission": "read", "user": user(carol)}, change.Account{}},
		"named without id": {m{"permission": "read", "user": m{"login": "bob"}}, change.Account{}},
		"nobody is named":  {m{"permission": "admin"}, change.Account{}},
	} {
		f := newFake(t)
		f.json("GET /repos/acme/shop/collaborators/bob/permission", 200, tt.answer)
		got, err := f.client().Begin().Collaborator(t.Context(), shop, "bob", time.Time{})
		var missing *NotFound
		if got != tt.want || (err != nil) != (tt.want == change.Account{}) || err != nil && !errors.As(err, &missing) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	f := newFake(t)
	f.on("GET /repos/acme/shop/collaborators/bob/permission", refuse(503, ""))
	if got, err := f.client().Begin().Collaborator(t.Context(), shop, "bob", time.Time{}); !Temporary(err) {
		t.Errorf("while GitHub is down: got %+v, %v", got, err)
	}
}

// TestUserOfAGitHubWithoutUsers: that nobody has a login is told from that no login was ever found.
func TestUserOfAGitHubWithoutUsers(t *testing.T) {
	f := newFake(t)
	s := f.client().Begin()
	var lacking *Lacking
	var missing *NotFound
	if _, err := s.User(t.Context(), "bob", s.Began()); !errors.As(err, &lacking) || !errors.As(err, &missing) {
		t.Errorf("nobody was ever found: %v", err)
	}
	f.json("GET /users/alice", 200, user(alice))
	if got, err := s.User(t.Context(), "alice", s.Began()); err != nil || got != alice {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := s.User(t.Context(), "carol", s.Began()); errors.As(err, &lacking) || !errors.As(err, &missing) {
		t.Errorf("somebody was: %v", err)
	}
}

func TestTeam(t *testing.T) {
	const (
		itself = "GET /orgs/acme/teams/security"
		call   = itself + "/members"
	)
	described := m{"id": 77, "slug": "security", "name": "Security"}
	team := func(t *testing.T, f *fake, lookFor ...change.Account) change.Team {
		t.Helper()
		got, err := f.client().Begin().Team(t.Context(), shop, "security", lookFor, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("small", func(t *testing.T) {
		f := newFake(t)
		f.json(itself, 200, described)
		f.json(call, 200, []any{user(carol), nil, m{}, user(bob)})
		diff(t, team(t, f, alice), change.Team{ID: 77, Slug: "security", Members: []change.Account{bob, carol}, ReadAt: f.clock.Now()})
		calls(t, f, itself, call+"?per_page=100")
	})
	t.Run("large", func(t *testing.T) {
		f := newFake(t)
		f.json(itself, 200, described)
		page := func(first int) any {
			return many(100, func(i int) any { return m{"id": first + i, "login": fmt.Sprintf("m%d", first+i), "type": "User"} })
		}
		f.pages(call, []any{page(1000), page(1100), page(1200), page(1300)}, true)
		f.json("GET /orgs/acme/teams/security/memberships/bob", 200, m{"state": "active", "role": "member"})
		f.json("GET /orgs/acme/teams/security/memberships/carol", 200, m{"state": "pending", "role": "member"})
		listed := change.Account{ID: 1005, Login: "m1005", Kind: change.KindUser}
		s := f.client().Begin()
		got, err := s.Team(t.Context(), shop, "security", []change.Account{carol, bob, alice, listed, bob, {}}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "partial", got.Partial, true)
		equal(t, "members", len(got.Members), 301)
		equal(t, "bob", got.Has(bob.ID), true)
		diff(t, got.Absent, []change.AccountID{alice.ID, carol.ID})
		equal(t, "calls", len(f.took()), 1+3+3)
		again, err := s.Team(t.Context(), shop, "security", nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, again, got)
		calls(t, f)

		f.on("GET /orgs/acme/teams/security/memberships/bob", refuse(503, ""))
		s = f.client().Begin()
		if got, err := s.Team(t.Context(), shop, "security", []change.Account{alice, bob}, s.Began()); !Temporary(err) {
			t.Errorf("whose membership cannot be told: %+v, %v", got, err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		f := newFake(t)
		diff(t, team(t, f), change.Team{Slug: "security", Missing: true, ReadAt: f.clock.Now()})
	})
	t.Run("by its members, where no team was ever shown", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(call, 200, []m{user(bob)})
		for _, id := range []change.TeamID{0, 77} {
			got, err := c.Begin().Team(t.Context(), shop, "security", nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			diff(t, got, change.Team{ID: id, Slug: "security", Members: []change.Account{bob}, ReadAt: f.clock.Now()})
			f.json(itself, 200, described)
		}
	})
	t.Run("without an id", func(t *testing.T) {
		f := newFake(t)
		f.json(itself, 200, m{})
		f.json(call, 200, []m{user(bob)})
		if got, err := f.client().Begin().Team(t.Context(), shop, "security", nil, time.Time{}); !Temporary(err) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	for _, found := range []string{itself, call} {
		t.Run("found in part, for a moment", func(t *testing.T) {
			f := newFake(t)
			c := f.client()
			f.json("GET /orgs/acme/teams/leads", 200, m{"id": 78, "slug": "leads"})
			f.json("GET /orgs/acme/teams/leads/members", 200, []m{})
			if _, err := c.Begin().Team(t.Context(), shop, "leads", nil, time.Time{}); err != nil {
				t.Fatal(err)
			}
			answers := map[string]any{itself: described, call: []m{user(bob)}}
			f.json(found, 200, answers[found])
			s := c.Begin()
			if got, err := s.Team(t.Context(), shop, "security", nil, time.Time{}); !Temporary(err) {
				t.Errorf("got %+v, %v", got, err)
			}
			for route, answer := range answers {
				f.json(route, 200, answer)
			}
			for _, s := range []*Session{s, c.Begin()} {
				if got, err := s.Team(t.Context(), shop, "security", nil, time.Time{}); err != nil || !got.Has(bob.ID) {
					t.Errorf("the failure stuck: %+v, %v", got, err)
				}
			}
		})
	}
	for _, status := range []int{200, 404} {
		t.Run(fmt.Sprintf("forbidden, and itself %d", status), func(t *testing.T) {
			f := newFake(t)
			f.json(itself, status, described)
			f.on(call, refuse(403, "Resource not accessible by integration", "X-Accepted-GitHub-Permissions", "members=read"))
			got := team(t, f)
			equal(t, "problem", got.Problem, "the App may not read the organization's teams: grant it members=read")
			equal(t, "missing", got.Missing, false)
		})
	}
	t.Run("of a user", func(t *testing.T) {
		f := newFake(t)
		mine := shop
		mine.OwnerIsUser = true
		got, err := f.client().Begin().Team(t.Context(), mine, "security", nil, time.Time{})
		if err != nil || !got.Missing {
			t.Errorf("got %v, %v", got, err)
		}
		calls(t, f)
	})
	t.Run("GitHub is down", func(t *testing.T) {
		f := newFake(t)
		f.on(call, refuse(503, ""))
		if _, err := f.client().Begin().Team(t.Context(), shop, "security", nil, time.Time{}); !Temporary(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestChecksOfTooManySuites(t *testing.T) {
	for suites, readable := range map[int]bool{999: true, 1000: false} {
		f := newFake(t)
		var pages []any
		for start := 0; start <= suites; start += perPage { // after a full page there is another
			pages = append(pages, m{"total_count": suites, "check_runs": many(min(perPage, suites-start), func(i int) any {
				return m{"id": start + i + 1, "name": "build", "status": "completed", "conclusion": "success", "check_suite": m{"id": start + i + 1}}
			})})
		}
		f.pages("GET /repos/acme/shop/commits/"+string(headSHA)+"/check-runs", pages, true)
		f.json("GET /repos/acme/shop/commits/"+string(headSHA)+"/statuses", 200, []m{})
		checks, _, err := f.client().Begin().Checks(t.Context(), shop, headSHA, false, time.Time{})
		var rejected *Rejected
		if readable && (err != nil || len(checks) != suites) || !readable && !errors.As(err, &rejected) {
			t.Errorf("%d suites: %d checks, %v", suites, len(checks), err)
		}
	}
}

func TestChecks(t *testing.T) {
	const (
		runsCall     = "GET /repos/acme/shop/commits/" + string(headSHA) + "/check-runs"
		statusCall   = "GET /repos/acme/shop/commits/" + string(headSHA) + "/statuses"
		workflowCall = "GET /repos/acme/shop/actions/runs"
	)
	run := func(id int, name, app string, appID int, status string, conclusion any) m {
		return m{"id": id, "name": name, "status": status, "conclusion": conclusion, "app": m{"id": appID, "slug": app}, "check_suite": m{"id": id * 10},
			"head_sha": headSHA, "html_url": fmt.Sprint("https://x/", id), "started_at": stamp(0), "completed_at": nil}
	}
	f := newFake(t)
	orphan := run(9, "orphan", "", 0, "completed", "startup_failure")
	orphan["app"], orphan["check_suite"] = nil, nil
	f.json(runsCall, 200, m{"total_count": 9, "check_runs": []m{
		run(1, "build", "github-actions", 15368, "completed", "success"),
		run(2, "build", "other", 99, "completed", "failure"),
		run(3, "lint", "github-actions", 15368, "in_progress", nil),
		run(4, "docs", "github-actions", 15368, "completed", "skipped"),
		run(5, "docs", "other", 99, "completed", "neutral"),
		run(6, "e2e", "other", 99, "completed", "a new word"),
		run(7, "Change policy", "changegate", appID, "completed", "success"),
		run(8, "Change policy", "changegate", appID, "in_progress", nil),
		run(10, "Change policy", "other", 99, "completed", "success"),
		run(11, "another of ours", "changegate", appID, "completed", "failure"),
		orphan,
	}})
	f.json(statusCall, 200, []m{
		{"context": "ci/jenkins", "state": "success", "creator": user(bob), "updated_at": stamp(2), "target_url": "https://ci/2"},
		{"context": "ci/jenkins", "state": "failure", "creator": user(bob), "updated_at": stamp(1)},
		{"context": "ci/pending", "state": "pending", "creator": nil},
		{"context": "ci/error", "state": "error", "creator": nil},
	})
	f.json(workflowCall, 200, m{"total_count": 2, "workflow_runs": []m{
		{"check_suite_id": 10, "path": ".github/workflows/ci.yml@refs/heads/main"}, {"check_suite_id": 40, "path": "acme/other/.github/workflows/ci.yml@main"},
	}})
	c := f.client()
	checks, ours, err := c.Begin().Checks(t.Context(), shop, headSHA, true, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(id int64, name string, state change.CheckState, app string, appID change.AppID, workflow string) change.Check {
		return change.Check{Name: name, State: state, App: app, AppID: appID, Workflow: workflow, Suite: id * 10, RunID: id, URL: fmt.Sprint("https://x/", id), Started: noon, At: noon}
	}
	lost := check(9, "orphan", change.CheckFailure, "", 0, "")
	lost.Suite = 0
	diff(t, checks, []change.Check{
		check(10, "Change policy", change.CheckSuccess, "other", 99, ""),
		check(1, "build", change.CheckSuccess, "github-actions", 15368, ".github/workflows/ci.yml"),
		check(2, "build", change.CheckFailure, "other", 99, ""),
		{Name: "ci/error", State: change.CheckFailure, Status: true},
		{Name: "ci/jenkins", State: change.CheckSuccess, Status: true, Creator: bob, URL: "https://ci/2", At: noon.Add(2 * time.Minute)},
		{Name: "ci/pending", State: change.CheckPending, Status: true},
		check(4, "docs", change.CheckSkipped, "github-actions", 15368, "acme/other/.github/workflows/ci.yml@main"),
		check(5, "docs", change.CheckNeutral, "other", 99, ""),
		check(6, "e2e", change.CheckFailure, "other", 99, ""),
		check(3, "lint", change.CheckPending, "github-actions", 15368, ""),
		lost,
	})
	if len(ours) != 2 || ours[0].ID != 8 || ours[1].ID != 7 {
		t.Errorf("ours: %v", ours)
	}
	calls(t, f, workflowCall+"?head_sha="+string(headSHA)+"&per_page=100", runsCall+"?per_page=100", statusCall+"?per_page=100")

	t.Run("no workflows are asked for", func(t *testing.T) {
		s := c.Begin()
		if _, _, err := s.Checks(t.Context(), shop, headSHA, false, s.Began()); err != nil {
			t.Fatal(err)
		}
		calls(t, f, runsCall+"?per_page=100 304", statusCall+"?per_page=100 304")
	})
	t.Run("none of them is of Actions", func(t *testing.T) {
		f.json(runsCall, 200, m{"total_count": 0, "check_runs": []m{}})
		s := c.Begin()
		if _, _, err := s.Checks(t.Context(), shop, headSHA, true, s.Began()); err != nil {
			t.Fatal(err)
		}
		calls(t, f, runsCall+"?per_page=100", statusCall+"?per_page=100 304")
	})
	t.Run("our own", func(t *testing.T) {
		s := c.Begin()
		f.json(runsCall, 200, m{"total_count": 1, "check_runs": []m{run(7, "Change policy", "changegate", appID, "completed", "success")}})
		got, err := s.OwnRuns(t.Context(), shop, headSHA, s.Began())
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, []CheckRun{{ID: 7, Head: headSHA, Status: "completed", Conclusion: "success", URL: "https://x/7", StartedAt: noon}})
		calls(t, f, runsCall+"?app_id=7&check_name=Change+policy&filter=all&per_page=100")
	})
}

func TestOwnerPolicy(t *testing.T) {
	const list = "GET /repos/acme/.github/contents/"
	entry := m{"name": "change-policy.yml", "path": "change-policy.yml", "type": "file", "size": 11, "sha": "f00d", "git_url": "https://api.github.com/repos/acme/.github/git/blobs/f00d"}
	read := func(t *testing.T, c *Client, old bool) PolicyFile {
		t.Helper()
		s := c.Begin()
		since := s.Began()
		if old {
			since = time.Time{}
		}
		got, err := s.OwnerPolicy(t.Context(), "acme", "change-policy.yml", since)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("none", func(t *testing.T) {
		f := newFake(t)
		f.token = func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"repositories"`) {
				refuse(422, "There is at least one repository that does not exist")(w, r)
				return
			}
			answerWith(201, m{"token": "ghs_1"})(w, r)
		}
		c := f.client()
		for range 2 {
			diff(t, read(t, c, true), PolicyFile{})
		}
		calls(t, f, list)
		f.clock.advance(time.Second)
		diff(t, read(t, c, false), PolicyFile{}) // what a green rests on is asked for
		calls(t, f, list)
	})
	t.Run("there", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(list, 200, []m{entry})
		f.json("GET /repos/acme/.github/git/blobs/f00d", 200, m{"sha": "f00d", "encoding": "utf-8", "content": "version: 1\n"})
		want := PolicyFile{Found: true, Text: "version: 1\n", Blob: "f00d"}
		diff(t, read(t, c, true), want)
		calls(t, f, list, "GET /repos/acme/.github/git/blobs/f00d")
		f.clock.advance(time.Second)
		diff(t, read(t, c, false), want)
		calls(t, f, list+" 304")
		diff(t, read(t, c, true), want)
		calls(t, f)
	})
	t.Run("a symlink", func(t *testing.T) {
		f := newFake(t)
		f.json(list, 200, []m{{"name": "change-policy.yml", "type": "symlink", "sha": "f00d"}})
		if got := read(t, f.client(), true); !got.Found || got.Problem == "" {
			t.Errorf("got %+v", got)
		}
	})
	for _, repo := range []string{".github", ".GitHub"} {
		t.Run("not found, where GitHub gives a token for "+repo, func(t *testing.T) {
			f := newFake(t)
			f.token = answerWith(201, m{"token": "ghs_1", "repositories": []m{{"id": 3, "name": repo}}})
			c := f.client()
			if got, err := c.Begin().OwnerPolicy(t.Context(), "acme", "change-policy.yml", time.Time{}); !Temporary(err) {
				t.Errorf("got %+v, %v", got, err)
			}
			f.json(list, 200, []m{{"name": "README.md", "type": "file"}})
			diff(t, read(t, c, true), PolicyFile{})
		})
	}
	t.Run("not found, where a token is given for whatever is asked for", func(t *testing.T) {
		f := newFake(t)
		diff(t, read(t, f.client(), true), PolicyFile{})
	})
	t.Run("a GitHub that does not have the call", func(t *testing.T) {
		f := newFake(t)
		f.on(list, refuse(501, ""))
		diff(t, read(t, f.client(), true), PolicyFile{})
	})
	t.Run("empty", func(t *testing.T) {
		f := newFake(t)
		f.on(list, refuse(404, "This repository is empty."))
		diff(t, read(t, f.client(), true), PolicyFile{})
	})
	t.Run("refused is not missing", func(t *testing.T) {
		f := newFake(t)
		f.on(list, refuse(403, "Resource not accessible by integration"))
		_, err := f.client().Begin().OwnerPolicy(t.Context(), "acme", "change-policy.yml", time.Time{})
		var forbidden *Forbidden
		if !errors.As(err, &forbidden) || !strings.Contains(err.Error(), "acme/.github") {
			t.Errorf("got %v", err)
		}
	})
}

func TestPolicyFile(t *testing.T) {
	const (
		name    = ".github/change-policy.yml"
		dirCall = "GET /repos/acme/shop/contents/.github"
		text    = "version: 1\n"
		// rootCall lists what the commit has at its root.
		rootCall = "GET /repos/acme/shop/git/trees/" + string(baseSHA)
	)
	entry := func(kind string, size int) m {
		return m{"name": "change-policy.yml", "path": name, "type": kind, "size": size, "sha": "f00d", "git_url": "https://api.github.com/repos/acme/shop/git/blobs/f00d"}
	}
	blob := func(content string) m {
		encoded := base64.StdEncoding.EncodeToString([]byte(content))
		var lines strings.Builder
		for len(encoded) > 60 {
			lines.WriteString(encoded[:60] + "\n")
			encoded = encoded[60:]
		}
		return m{"sha": "f00d", "encoding": "base64", "content": lines.String() + encoded + "\n"}
	}
	root := func(names ...string) m {
		entries := []m{}
		for _, name := range names {
			entries = append(entries, m{"path": name, "type": "tree", "mode": "040000", "sha": "beef"})
		}
		return m{"sha": "5eed", "tree": entries}
	}
	unnamed := entry("file", 1)
	delete(unnamed, "git_url")
	submodule := entry("file", 0)
	submodule["git_url"] = "https://api.github.com/repos/acme/other/git/trees/f00d"
	for what, tt := range map[string]struct {
		dir     http.HandlerFunc
		blob    http.HandlerFunc
		want    PolicyFile
		problem string
	}{
		"there":                      {dir: answerWith(200, []m{{"name": "CODEOWNERS", "type": "file"}, entry("file", 11)}), blob: answerWith(200, blob(text)), want: PolicyFile{Found: true, Text: text, Blob: "f00d"}},
		"as large as allowed":        {dir: answerWith(200, []m{entry("file", maxPolicy)}), blob: answerWith(200, blob(strings.Repeat("#", maxPolicy))), want: PolicyFile{Found: true, Text: strings.Repeat("#", maxPolicy), Blob: "f00d"}},
		"not in the directory":       {dir: answerWith(200, []m{{"name": "CODEOWNERS", "type": "file"}})},
		"no directory":               {dir: refuse(404, "Not Found")},
		"an empty repository":        {dir: refuse(404, "This repository is empty.")},
		"a symlink":                  {dir: answerWith(200, []m{entry("symlink", 11)}), want: PolicyFile{Found: true, Blob: "f00d"}, problem: "a symlink"},
		"a directory":                {dir: answerWith(200, []m{entry("dir", 0)}), want: PolicyFile{Found: true, Blob: "f00d"}, problem: "a dir"},
		"a submodule":                {dir: answerWith(200, []m{submodule}), want: PolicyFile{Found: true, Blob: "f00d"}, problem: "a submodule"},
		"too large":                  {dir: answerWith(200, []m{entry("file", maxPolicy+1)}), want: PolicyFile{Found: true, Blob: "f00d"}, problem: "262145 bytes"},
		"larger than it says":        {dir: answerWith(200, []m{entry("file", 1)}), blob: answerWith(200, blob(strings.Repeat("#", maxPolicy+1))), want: PolicyFile{Found: true, Blob: "f00d"}, problem: "262145 bytes"},
		"no blob":                    {dir: answerWith(200, []m{unnamed}), blob: refuse(404, "Not Found"), want: PolicyFile{Found: true, Blob: "f00d"}, problem: "no such file content"},
		"its directory is a symlink": {dir: answerWith(200, m{"name": ".github", "type": "symlink"}), want: PolicyFile{Found: true}, problem: "not a directory"},
		"a listing that is cut":      {dir: answerWith(200, many(1000, func(i int) any { return m{"name": fmt.Sprint(i)} })), want: PolicyFile{Found: true}, problem: "1,000 files"},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFake(t)
			f.on(dirCall, tt.dir)
			f.json(rootCall, 200, root("src"))
			if tt.blob != nil {
				f.on("GET /repos/acme/shop/git/blobs/f00d", tt.blob)
			}
			got, err := f.client().Begin().PolicyFile(t.Context(), shop, baseSHA, name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.Problem, tt.problem) || (tt.problem == "") != (got.Problem == "") {
				t.Errorf("problem %q", got.Problem)
			}
			if (got.Mend == "") != (got.Problem == "") {
				t.Errorf("the mend of %q is %q", got.Problem, got.Mend)
			}
			got.Problem, got.Mend = "", ""
			diff(t, got, tt.want)
		})
	}

	t.Run("calls", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(dirCall, 200, []m{entry("file", 11)})
		f.json("GET /repos/acme/shop/git/blobs/f00d", 200, blob(text))
		get := func(commit change.SHA, repo change.Repository) {
			t.Helper()
			if got, err := c.Begin().PolicyFile(t.Context(), repo, commit, name); err != nil || got.Text != text {
				t.Errorf("got %v, %v", got, err)
			}
		}
		get(baseSHA, shop)
		calls(t, f, dirCall+"?ref="+string(baseSHA), "GET /repos/acme/shop/git/blobs/f00d")
		get(headSHA, shop)
		calls(t, f, dirCall+"?ref="+string(headSHA))
		f.clock.advance(24 * time.Hour)
		get(baseSHA, shop)
		get(headSHA, shop)
		calls(t, f)
		other := shop
		other.ID = 2
		get(baseSHA, other) // what one repository holds is not given for another
		equal(t, "calls", len(f.took()), 2)
	})
	t.Run("a missing directory is looked for in the list of what is there", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(rootCall, 200, root("src"))
		for _, step := range []time.Duration{0, 24 * time.Hour} {
			f.clock.advance(step)
			if got, err := c.Begin().PolicyFile(t.Context(), shop, baseSHA, name); err != nil || got.Found {
				t.Errorf("got %v, %v", got, err)
			}
		}
		calls(t, f, dirCall+"?ref="+string(baseSHA), rootCall)
	})
	t.Run("by its name, where GitHub lists no directory and has no blobs", func(t *testing.T) {
		const fileCall = "GET /repos/acme/shop/contents/.github/change-policy.yml"
		whole := m{"type": "file", "sha": "f00d", "size": 11, "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(text))}
		other := maps.Clone(whole)
		other["sha"] = "beef"
		link := m{"type": "symlink", "sha": "f00d"}
		for what, tt := range map[string]struct {
			dir, file http.HandlerFunc
			want      PolicyFile
			problem   string
		}{
			"there":                     {nil, answerWith(200, whole), PolicyFile{Found: true, Text: text, Blob: "f00d"}, ""},
			"listed":                    {answerWith(200, []m{unnamed}), answerWith(200, whole), PolicyFile{Found: true, Text: text, Blob: "f00d"}, ""},
			"listed as another":         {answerWith(200, []m{unnamed}), answerWith(200, other), PolicyFile{Found: true, Blob: "f00d"}, "no such file content"},
			"a symlink":                 {nil, answerWith(200, link), PolicyFile{Found: true, Blob: "f00d"}, "a symlink"},
			"not there, at a known one": {nil, refuse(404, "Not Found"), PolicyFile{}, ""},
		} {
			f := newFake(t)
			f.json("GET /repos/acme/shop/commits/"+string(baseSHA)+"/check-runs", 200, m{"total_count": 0, "check_runs": []m{}})
			f.on(fileCall, tt.file)
			if tt.dir != nil {
				f.on(dirCall, tt.dir)
			}
			got, err := f.client().Begin().PolicyFile(t.Context(), shop, baseSHA, name)
			if err != nil || !strings.Contains(got.Problem, tt.problem) || (tt.problem == "") != (got.Problem == "") {
				t.Errorf("%s: problem %q, %v", what, got.Problem, err)
			}
			got.Problem, got.Mend = "", ""
			diff(t, got, tt.want)
		}
	})
	t.Run("there is none at the tip of the default branch, where no check runs are listed", func(t *testing.T) {
		s := newFake(t).client().Begin()
		if got, err := s.PolicyFile(t.Context(), shop, baseSHA, name); err != nil || got.Found {
			t.Errorf("got %+v, %v", got, err)
		}
		if got, err := s.PolicyFile(t.Context(), shop, headSHA, name); err == nil {
			t.Errorf("another commit: got %+v", got)
		}
	})
	t.Run("nothing is found by its name where there were trees before", func(t *testing.T) {
		f := newFake(t)
		f.json("GET /repos/acme/shop/commits/"+string(baseSHA)+"/check-runs", 200, m{"total_count": 0, "check_runs": []m{}})
		f.json("GET /repos/acme/shop/git/trees/"+string(headSHA), 200, root("src"))
		s := f.client().Begin()
		if got, err := s.PolicyFile(t.Context(), shop, headSHA, name); err != nil || got.Found {
			t.Errorf("got %+v, %v", got, err)
		}
		if got, err := s.PolicyFile(t.Context(), shop, baseSHA, name); err == nil {
			t.Errorf("got %+v", got)
		}
	})
	for what, broken := range map[string]func(f *fake){
		"a directory that GitHub does not find, and lists": func(f *fake) { f.json(rootCall, 200, root("src", ".github")) },
		"nothing is found for a while":                     func(f *fake) { f.json(tipCall, 404, m{"message": "Not Found"}) },
		"a list of nothing": func(f *fake) {
			f.json(dirCall, 200, []m{})
			f.json(rootCall, 200, root(".github"))
		},
		"a file that GitHub lists, and does not find": func(f *fake) { f.json(dirCall, 200, []m{entry("file", 11)}) },
	} {
		t.Run(what, func(t *testing.T) {
			f := newFake(t)
			c := f.client()
			broken(f)
			if got, err := c.Begin().PolicyFile(t.Context(), shop, baseSHA, name); err == nil {
				t.Errorf("got %+v", got)
			}
			f.json(dirCall, 200, []m{entry("file", 11)})
			f.json(rootCall, 200, root("src", ".github"))
			f.json("GET /repos/acme/shop/git/blobs/f00d", 200, blob(text))
			f.clock.advance(time.Second)
			if got, err := c.Begin().PolicyFile(t.Context(), shop, baseSHA, name); err != nil || got.Text != text {
				t.Errorf("the failure stuck: %+v, %v", got, err)
			}
		})
	}
	t.Run("a commit that GitHub does not know is no missing policy", func(t *testing.T) {
		f := newFake(t)
		f.on(dirCall, refuse(404, "No commit found for the ref "+string(baseSHA)))
		_, err := f.client().Begin().PolicyFile(t.Context(), shop, baseSHA, name)
		var missing *NotFound
		if !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("GitHub is down", func(t *testing.T) {
		f := newFake(t)
		f.json(dirCall, 200, []m{entry("file", 11)})
		f.on("GET /repos/acme/shop/git/blobs/f00d", refuse(502, ""))
		c := f.client()
		if _, err := c.Begin().PolicyFile(t.Context(), shop, baseSHA, name); !Temporary(err) {
			t.Errorf("got %v", err)
		}
		f.json("GET /repos/acme/shop/git/blobs/f00d", 200, blob(text))
		if got, err := c.Begin().PolicyFile(t.Context(), shop, baseSHA, name); err != nil || got.Text != text {
			t.Errorf("the failure stuck: %v, %v", got, err)
		}
	})
	t.Run("at the root", func(t *testing.T) {
		f := newFake(t)
		f.json("GET /repos/acme/shop/contents/", 200, []m{})
		if got, err := f.client().Begin().PolicyFile(t.Context(), shop, baseSHA, "change-policy.yml"); err != nil || got.Found {
			t.Errorf("got %v, %v", got, err)
		}
		calls(t, f, "GET /repos/acme/shop/contents/?ref="+string(baseSHA))
	})
}

func TestTree(t *testing.T) {
	tree := "GET /repos/acme/shop/git/trees/"
	blob := func(path, mode, sha string) m { return m{"path": path, "mode": mode, "type": "blob", "sha": sha} }
	dir := func(path, sha string) m { return m{"path": path, "mode": "040000", "type": "tree", "sha": sha} }
	link := m{"path": "lib", "mode": "160000", "type": "commit", "sha": "5ab"}
	want := map[string]TreeEntry{
		"a.go": {change.ModeRegular, "a1"}, "x/run": {change.ModeExecutable, "a2"}, "x/y/link": {change.ModeSymlink, "a3"}, "lib": {change.ModeSubmodule, "5ab"},
	}
	paths := []string{"a.go", "x/run", "x/y/link", "lib", "x/gone", "nodir/gone"}
	whole := []m{blob("a.go", "100644", "a1"), dir("x", "d1"), blob("x/run", "100755", "a2"), dir("x/y", "d2"), blob("x/y/link", "120000", "a3"), link, blob("other", "100644", "a9")}

	t.Run("whole", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(tree+string(headSHA), 200, m{"sha": "t", "truncated": false, "tree": whole})
		for range 2 {
			got, complete, err := c.Begin().Tree(t.Context(), shop, headSHA, paths)
			if err != nil || !complete {
				t.Fatal(complete, err)
			}
			diff(t, got, want)
		}
		calls(t, f, tree+string(headSHA)+"?recursive=1")
	})
	t.Run("cut", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.on(tree+string(headSHA), func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" {
				answerWith(200, m{"sha": "t", "truncated": true, "tree": whole[:1]})(w, r)
				return
			}
			answerWith(200, m{"sha": "t", "truncated": false, "tree": []m{whole[0], whole[1], link}})(w, r)
		})
		f.json(tree+"d1", 200, m{"sha": "t", "tree": []m{blob("run", "100755", "a2"), dir("y", "d2")}})
		f.json(tree+"d2", 200, m{"sha": "t", "tree": []m{blob("link", "120000", "a3")}})
		for range 2 {
			got, complete, err := c.Begin().Tree(t.Context(), shop, headSHA, paths)
			if err != nil || !complete {
				t.Fatal(complete, err)
			}
			diff(t, got, want)
		}
		calls(t, f, tree+string(headSHA), tree+string(headSHA)+"?recursive=1", tree+"d1", tree+"d2")
	})
	t.Run("cut, and too many directories", func(t *testing.T) {
		f := newFake(t)
		var dirs []m
		var wide []string
		for i := range maxTrees + 5 {
			dirs = append(dirs, dir(fmt.Sprintf("d%03d", i), fmt.Sprint("d", i)))
			wide = append(wide, fmt.Sprintf("d%03d/f", i))
			f.json(tree+fmt.Sprint("d", i), 200, m{"sha": "t", "tree": []m{blob("f", "100644", "a1")}})
		}
		f.on(tree+string(headSHA), func(w http.ResponseWriter, r *http.Request) {
			answerWith(200, m{"sha": "t", "truncated": r.URL.RawQuery != "", "tree": dirs})(w, r)
		})
		got, complete, err := f.client().Begin().Tree(t.Context(), shop, headSHA, wide)
		if err != nil || complete || len(got) != maxTrees-1 {
			t.Errorf("got %d, %v, %v", len(got), complete, err)
		}
		equal(t, "calls", len(f.took()), 1+maxTrees)
	})
	t.Run("no commits", func(t *testing.T) {
		f := newFake(t)
		f.on(tree+string(headSHA), refuse(409, "Git Repository is empty."))
		_, _, err := f.client().Begin().Tree(t.Context(), shop, headSHA, paths)
		var missing *NotFound
		if !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWorkflowPath(t *testing.T) {
	for path, want := range map[string]string{
		".github/workflows/ci.yml":                            ".github/workflows/ci.yml",
		".github/workflows/ci.yml@refs/heads/main":            ".github/workflows/ci.yml",
		".github/workflows/ci.yml@refs/heads/x.yml":           ".github/workflows/ci.yml",
		".github/workflows/ci.yaml@main":                      ".github/workflows/ci.yaml",
		".github/workflows/ci.yml@x.yml":                      ".github/workflows/ci.yml@x.yml",
		".github/workflows/ci.yml@x.YAML":                     ".github/workflows/ci.yml@x.YAML",
		".github/workflows/ci.yml@x.yml@main":                 ".github/workflows/ci.yml@x.yml",
		".github/workflows/ci.yml@x.yml@refs/heads/main":      ".github/workflows/ci.yml@x.yml",
		"acme/other/.github/workflows/ci.yml@refs/heads/main": "acme/other/.github/workflows/ci.yml@refs/heads/main",
		"dynamic/github-code-scanning/codeql":                 "dynamic/github-code-scanning/codeql",
		"":                                                    "",
	} {
		if got := workflowPath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
