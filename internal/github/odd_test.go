package github

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// TestOddAnswers covers answers that are JSON and not what the API promises. None may crash a read, or pass for facts that would let
// a change through.
func TestOddAnswers(t *testing.T) {
	const head = "/repos/acme/shop/commits/" + string(headSHA)
	reads := map[string]struct {
		routes []string
		read   func(*Session) error
		// empty lists the answers that mean that there is nothing.
		empty []string
	}{
		"pull": {[]string{pullCall}, func(s *Session) error {
			_, err := s.Pull(t.Context(), shop, 1, s.Began())
			return err
		}, nil},
		"content": {[]string{compareCall(string(baseSHA))}, func(s *Session) error {
			_, err := s.Content(t.Context(), shop, fix, s.Began())
			return err
		}, nil},
		"timeline": {[]string{"GET /repos/acme/shop/issues/1/timeline"}, func(s *Session) error {
			_, err := s.Timeline(t.Context(), shop, 1, s.Began())
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"check runs": {[]string{"GET " + head + "/check-runs"}, func(s *Session) error {
			_, err := s.OwnRuns(t.Context(), shop, headSHA, s.Began())
			return err
		}, nil},
		"statuses": {[]string{"GET " + head + "/statuses"}, func(s *Session) error {
			_, err := s.statuses(t.Context(), shop, headSHA, s.Began())
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"workflows": {[]string{"GET /repos/acme/shop/actions/runs"}, func(s *Session) error {
			_, err := s.workflows(t.Context(), shop, headSHA, s.Began())
			return err
		}, nil},
		"team": {[]string{"GET /orgs/acme/teams/security", "GET /orgs/acme/teams/security/members"}, func(s *Session) error {
			_, err := s.Team(t.Context(), shop, "security", nil, s.Began())
			return err
		}, nil},
		"permission": {[]string{"GET /repos/acme/shop/collaborators/bob/permission"}, func(s *Session) error {
			_, err := s.Permission(t.Context(), shop, bob, s.Began())
			return err
		}, nil},
		"user": {[]string{"GET /users/bob"}, func(s *Session) error {
			_, err := s.User(t.Context(), "bob", s.Began())
			return err
		}, nil},
		"policy": {[]string{"GET /repos/acme/shop/contents/.github"}, func(s *Session) error {
			file, err := s.PolicyFile(t.Context(), shop, baseSHA, ".github/change-policy.yml")
			if file.Text != "" {
				t.Errorf("text %q", file.Text)
			}
			return err
		}, nil},
		"blob": {[]string{"GET /repos/acme/shop/git/blobs/f00d"}, func(s *Session) error {
			_, err := fileReader{s, shop, scope{repository: shop.ID}, ""}.blob(t.Context(), "f00d")
			return err
		}, nil},
		"tree": {[]string{"GET /repos/acme/shop/git/trees/" + string(headSHA)}, func(s *Session) error {
			_, _, err := s.Tree(t.Context(), shop, headSHA, []string{"a"})
			return err
		}, nil},
		"tip": {[]string{"GET /repos/acme/shop/git/ref/heads/main"}, func(s *Session) error {
			_, err := s.Tip(t.Context(), shop, "main", s.Began())
			return err
		}, nil},
		"pulls with head": {[]string{"GET " + head + "/pulls"}, func(s *Session) error {
			_, err := s.PullsWithHead(t.Context(), shop, headSHA, s.Began())
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"commit's pulls": {[]string{"GET " + head + "/pulls"}, func(s *Session) error {
			pulls, err := s.CommitPulls(t.Context(), shop, headSHA, s.Began())
			if len(pulls) != 0 {
				t.Errorf("pulls %v", pulls)
			}
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"range": {[]string{compareCall(string(baseSHA))}, func(s *Session) error {
			_, err := s.Range(t.Context(), shop, baseSHA, headSHA, s.Began())
			return err
		}, nil},
		"issue": {[]string{issueCall}, func(s *Session) error {
			_, err := s.Issue(t.Context(), shop, 7, s.Began())
			return err
		}, nil},
		"our issue": {[]string{issuesCall}, func(s *Session) error {
			_, found, err := s.FindIssue(t.Context(), shop, Marker("x"), noon)
			if found {
				t.Error("found one")
			}
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"our comment": {[]string{commentsCall}, func(s *Session) error {
			_, found, err := s.FindComment(t.Context(), shop, 1, Marker("x"), noon)
			if found {
				t.Error("found one")
			}
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"comment": {[]string{"GET /repos/acme/shop/issues/comments/3"}, func(s *Session) error {
			_, err := s.IssueComment(t.Context(), shop, 3, s.Began())
			return err
		}, nil},
		"branch's rules": {[]string{rulesCall}, func(s *Session) error {
			_, err := s.rulesetChecks(t.Context(), shop, "main", s.Began())
			return err
		}, []string{"[]", "[null]", "[{}]"}},
		"branch protection": {[]string{branchCall}, func(s *Session) error {
			_, err := s.protectionChecks(t.Context(), shop, "main", s.Began())
			return err
		}, nil},
	}
	// Those that pass for a listing come last: what a commit lists is never asked again.
	odd := []string{"null", "{}", `"text"`, "7", "true", "[[]]", `{"sha":7}`, "{", "", "[]", "[null]", "[{}]"}
	for name, tt := range reads {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c := f.client()
			for _, body := range odd {
				for _, route := range tt.routes {
					f.json(route, 200, body)
				}
				err := tt.read(c.Begin())
				empty := false
				for _, e := range tt.empty {
					empty = empty || e == body
				}
				if empty != (err == nil) {
					t.Errorf("%q: %v", body, err)
				}
			}
		})
	}

	t.Run("they are not held", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(pullCall, 200, "{}")
		for range 2 {
			if _, err := c.Begin().Pull(t.Context(), shop, 1, time.Time{}); !Temporary(err) {
				t.Fatalf("got %v", err)
			}
		}
		f.json(pullCall, 200, m{"number": 1})
		read(t, c, held)
		calls(t, f, pullCall, pullCall, pullCall)
	})
	t.Run("lists of nothing inside", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(compareCall(string(baseSHA)), 200, comparison([]any{nil, m{}}, []any{nil, m{}}, 2))
		got, err := c.Begin().Content(t.Context(), shop, fix, f.clock.Now())
		if err != nil || len(got.Files) != 1 || !got.CommitsCut {
			t.Errorf("got %+v, %v", got, err)
		}
		f.json("GET "+head+"/check-runs", 200, m{"total_count": 1, "check_runs": []any{nil, m{}}})
		f.json("GET "+head+"/statuses", 200, []any{})
		checks, _, err := c.Begin().Checks(t.Context(), shop, headSHA, true, f.clock.Now())
		if err != nil || len(checks) != 1 || checks[0].State != change.CheckPending {
			t.Errorf("got %+v, %v", checks, err)
		}
	})
	t.Run("a check run without an id", func(t *testing.T) {
		f := newFake(t)
		f.json("POST /repos/acme/shop/check-runs", 201, "{}")
		if _, err := f.client().CreateCheckRun(t.Context(), shop, CheckRunWrite{Head: headSHA}); !Temporary(err) {
			t.Errorf("got %v", err)
		}
	})
}
