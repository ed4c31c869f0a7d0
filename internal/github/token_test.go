package github

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// What tokens are asked for.
const (
	ofShop     = `{"repository_ids":[1]}`
	ofTill     = `{"repository_ids":[2]}`
	ofTeams    = `{"permissions":{"metadata":"read","members":"read"}}`
	ofPolicies = `{"repositories":[".github"],"permissions":{"contents":"read","metadata":"read"}}`
	ofKnowing  = `{"permissions":{"metadata":"read"}}`
)

var till = change.Repository{ID: 2, Owner: "acme", Name: "till", DefaultBranch: "main", Installation: 5}

const (
	tillCall   = "GET /repos/acme/till/pulls/1"
	floorCall  = "GET /repos/acme/.github/contents/"
	notGranted = "There is at least one repository that does not exist or is not accessible to the parent installation."
)

func askedFor(t *testing.T, f *fake, want ...string) {
	t.Helper()
	if got := f.tookTokens(); !slices.Equal(got, want) {
		t.Errorf("tokens were asked for\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTokensReachNoMoreThanTheirCalls makes a call of each kind, and looks with which token it came.
func TestTokensReachNoMoreThanTheirCalls(t *testing.T) {
	f := newFake(t)
	s := f.client().Begin()
	by := map[string]string{}
	answer := func(call string, v any) {
		f.on(call, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			by[call] = f.asked[tokenNumber(t, r)-1]
			f.mu.Unlock()
			answerWith(200, v)(w, r)
		})
	}
	pull, team := m{"number": 1}, m{"id": 3}
	answer(pullCall, pull)
	answer(tillCall, pull)
	answer("POST /repos/acme/shop/issues/1/comments", m{"id": 9})
	answer("GET /orgs/acme/teams/leads", team)
	answer("GET /orgs/acme/teams/leads/members", []any{user(alice)})
	answer("GET /users/alice", user(alice))
	answer("GET /installation/repositories", m{"total_count": 0, "repositories": []any{}})
	answer(floorCall, []any{m{"name": "policy.yml", "type": "file", "sha": "f00d", "size": 1}})
	answer("GET /repos/acme/.github/git/blobs/f00d", m{"sha": "f00d", "content": "x", "encoding": "utf-8"})

	ctx, now := t.Context(), s.Began()
	_, err1 := s.Pull(ctx, shop, 1, now)
	_, err2 := s.Pull(ctx, till, 1, now)
	_, err3 := s.Comment(ctx, shop, 1, "hello")
	_, err4 := s.Team(ctx, shop, "leads", nil, now)
	_, err5 := s.User(ctx, "alice", now)
	_, err6 := s.Repositories(ctx, now)
	floor, err7 := s.OwnerPolicy(ctx, "acme", "policy.yml", now)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil || floor.Text != "x" {
		t.Fatal(err, floor)
	}
	for call, want := range map[string]string{
		pullCall: ofShop,
		tillCall: ofTill,
		"POST /repos/acme/shop/issues/1/comments": ofShop,
		"GET /orgs/acme/teams/leads":              ofTeams,
		"GET /orgs/acme/teams/leads/members":      ofTeams,
		"GET /users/alice":                        ofKnowing,
		"GET /installation/repositories":          ofKnowing,
		floorCall:                                 ofPolicies,
		"GET /repos/acme/.github/git/blobs/f00d":  ofPolicies,
	} {
		equal(t, call, by[call], want)
	}
	equal(t, "tokens", f.tokens, 5)
}

// tokenNumber returns which of the fake's tokens a call came with, from 1.
func tokenNumber(t *testing.T, r *http.Request) (n int) {
	if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "token ghs_%d", &n); err != nil {
		t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
		return 1
	}
	return n
}

// TestARepositoryWithoutAnIDIsReadByNoToken: none is made for whatever has the name.
func TestARepositoryWithoutAnIDIsReadByNoToken(t *testing.T) {
	f := newFake(t)
	f.json(pullCall, 403, m{"message": "Resource not accessible by integration"})
	nameless := shop
	nameless.ID = 0
	_, err := f.client().Begin().Pull(t.Context(), nameless, 1, time.Time{})
	var forbidden *Forbidden
	if !errors.As(err, &forbidden) {
		t.Errorf("got %v", err)
	}
	askedFor(t, f, ofKnowing)
}

func TestATokenLastsAnHour(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(pullCall, 200, m{"number": 1})
	for _, step := range []struct {
		later time.Duration
		want  []string
	}{{0, []string{ofShop}}, {58 * time.Minute, nil}, {time.Minute, []string{ofShop}}, {58 * time.Minute, nil}, {time.Hour, []string{ofShop}}} {
		f.clock.advance(step.later)
		read(t, c, verified)
		askedFor(t, f, step.want...)
	}
}

func TestManyCallsAskForOneToken(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(pullCall, 200, m{"number": 1})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			s := c.Begin()
			if _, err := s.Pull(t.Context(), shop, 1, s.Began()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	askedFor(t, f, ofShop)
}

// TestTokensOfManyRepositories: what is held of them is bounded.
func TestTokensOfManyRepositories(t *testing.T) {
	g := newFake(t).github()
	c := g.Installation(5)
	for id := range 50_000 {
		c.github.tokens.put(itoa(c.id)+" "+scope{repository: change.RepositoryID(id + 1)}.String(), &token{text: strings.Repeat("x", 40)}, 40)
	}
	if size := g.tokens.size(); size > maxTokens || size < maxTokens/2 {
		t.Errorf("%d bytes of tokens are held, of %d", size, maxTokens)
	}
}

// TestAnotherRepositoryOfTheNameHasNoAnswersOfTheFirst: the second one took over the name, and was not asked yet.
func TestAnotherRepositoryOfTheNameHasNoAnswersOfTheFirst(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.json(pullCall, 200, m{"number": 1, "title": "first"})
	read(t, c, held)
	f.json(pullCall, 200, m{"number": 1, "title": "second"})
	second := shop
	second.ID = 9
	p, err := c.Begin().Pull(t.Context(), second, 1, time.Time{})
	if err != nil || p.Title != "second" {
		t.Errorf("got %q, %v", p.Title, err)
	}
	askedFor(t, f, ofShop, `{"repository_ids":[9]}`)
}

// TestRefusalsOfAnOldTokenAreTriedAnew: a repository that came back to the installation, or a permission that was granted, may need a new one.
func TestRefusalsOfAnOldTokenAreTriedAnew(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		age    time.Duration
		tokens int
	}{
		"403, a fresh token":           {403, 59 * time.Second, 1},
		"403":                          {403, time.Minute, 2},
		"404, a token of some minutes": {404, 14 * time.Minute, 1},
		"404":                          {404, 15 * time.Minute, 2},
		"422":                          {422, 30 * time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c := f.client()
			f.json(pullCall, 200, m{"number": 1})
			read(t, c, verified)
			f.clock.advance(tt.age)
			acted := 0
			f.on("POST /repos/acme/shop/issues/1/comments", func(w http.ResponseWriter, r *http.Request) {
				if tokenNumber(t, r) == 1 {
					answerWith(tt.status, m{"message": "no"})(w, r)
					return
				}
				acted++
				answerWith(201, m{"id": 9})(w, r)
			})
			_, err := c.Comment(t.Context(), shop, 1, "hello")
			equal(t, "tokens", f.tokens, tt.tokens)
			equal(t, "acted", acted, tt.tokens-1)
			if (err == nil) != (tt.tokens == 2) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("once", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(pullCall, 200, m{"number": 1})
		read(t, c, verified)
		f.clock.advance(30 * time.Minute)
		f.json(pullCall, 404, m{"message": "Not Found"})
		f.took()
		for range 3 {
			s := c.Begin()
			var missing *NotFound
			if _, err := s.Pull(t.Context(), shop, 1, s.Began()); !errors.As(err, &missing) {
				t.Errorf("got %v", err)
			}
		}
		equal(t, "tokens", f.tokens, 2)
		equal(t, "calls", len(f.took()), 4)
	})
	t.Run("who or what is in no repository", func(t *testing.T) { // no new token reads more of those
		f := newFake(t)
		c := f.client()
		for range 2 {
			s := c.Begin()
			if team, err := s.Team(t.Context(), shop, "security", nil, s.Began()); err != nil || !team.Missing {
				t.Errorf("got %+v, %v", team, err)
			}
			var missing *NotFound
			if _, err := s.User(t.Context(), "bob", s.Began()); !errors.As(err, &missing) {
				t.Errorf("got %v", err)
			}
			f.clock.advance(30 * time.Minute)
		}
		equal(t, "tokens", f.tokens, 2)
		equal(t, "calls", len(f.took()), 6)
	})
	t.Run("a repository that left", func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		f.json(pullCall, 200, m{"number": 1})
		read(t, c, verified)
		f.clock.advance(30 * time.Minute)
		f.json(pullCall, 404, m{"message": "Not Found"})
		f.token = refuse(422, notGranted)
		s := c.Begin()
		var missing *NotFound
		if _, err := s.Pull(t.Context(), shop, 1, s.Began()); !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
	})
}

// TestAnOwnerWithoutPolicies: where .github is not in the installation its files are read as anybody may, and that it came is noticed.
func TestAnOwnerWithoutPolicies(t *testing.T) {
	f := newFake(t)
	c := f.client()
	var there bool
	f.token = func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n, asked := f.tokens, f.asked[len(f.asked)-1]
		f.mu.Unlock()
		if asked == ofPolicies && !there {
			refuse(422, notGranted)(w, r)
			return
		}
		answerWith(201, m{"token": fmt.Sprintf("ghs_%d", n)})(w, r)
	}
	floor := func() (bool, error) {
		s := c.Begin()
		file, err := s.OwnerPolicy(t.Context(), "acme", "policy.yml", s.Began())
		return file.Found, err
	}
	want := func(found bool, tokens ...string) {
		t.Helper()
		if got, err := floor(); err != nil || got != found {
			t.Errorf("found %v, %v, want %v", got, err, found)
		}
		askedFor(t, f, tokens...)
	}
	want(false, ofPolicies, ofKnowing)
	f.clock.advance(59 * time.Second)
	want(false)
	f.clock.advance(time.Second)
	want(false, ofPolicies)

	// What was borne out once is not asked about again where it is good enough as it is held.
	f.clock.advance(time.Hour)
	if file, err := c.Begin().OwnerPolicy(t.Context(), "acme", "policy.yml", time.Time{}); err != nil || file.Found {
		t.Errorf("got %v, %v", file, err)
	}
	askedFor(t, f)
	want(false, ofPolicies, ofKnowing)

	// It is there, and the token that stood in for its own may not read it.
	there = true
	listed := []any{m{"name": "policy.yml", "type": "file", "sha": "f00d", "size": 1}}
	f.json("GET /repos/acme/.github/git/blobs/f00d", 200, m{"sha": "f00d", "content": "x", "encoding": "utf-8"})
	f.on(floorCall, func(w http.ResponseWriter, r *http.Request) {
		if tokenNumber(t, r) < 6 {
			answerWith(403, m{"message": "Resource not accessible by integration"})(w, r)
			return
		}
		answerWith(200, listed)(w, r)
	})
	want(true, ofPolicies)
	f.clock.advance(time.Minute)
	want(true)
	if _, err := c.Begin().Repositories(t.Context(), time.Time{}); err == nil {
		t.Error("the fake lists no repositories")
	}
	askedFor(t, f) // the other token was good, and is there still
}

// TestATokenThatStandsInIsRenewedToo: one that ended early is not handed out again in the place of another.
func TestATokenThatStandsInIsRenewedToo(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.token = func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n, asked := f.tokens, f.asked[len(f.asked)-1]
		f.mu.Unlock()
		if asked == ofPolicies {
			refuse(422, notGranted)(w, r)
			return
		}
		answerWith(201, m{"token": fmt.Sprintf("ghs_%d", n)})(w, r)
	}
	f.on(floorCall, func(w http.ResponseWriter, r *http.Request) {
		if tokenNumber(t, r) == 2 {
			answerWith(401, m{"message": "Bad credentials"})(w, r)
			return
		}
		answerWith(404, m{"message": "Not Found"})(w, r)
	})
	s := c.Begin()
	if file, err := s.OwnerPolicy(t.Context(), "acme", "policy.yml", s.Began()); err != nil || file.Found {
		t.Errorf("got %v, %v", file, err)
	}
	askedFor(t, f, ofPolicies, ofKnowing, ofPolicies, ofKnowing)
}

// TestNoTokenIsNoAnswer: that GitHub gives no token is not read as that there is no team, no policy or no such person.
func TestNoTokenIsNoAnswer(t *testing.T) {
	for status, answer := range map[int]http.HandlerFunc{404: refuse(404, "Not Found"), 500: refuse(500, "")} {
		f := newFake(t)
		f.token = answer
		s := f.client().Begin()
		if team, err := s.Team(t.Context(), shop, "leads", nil, s.Began()); err == nil {
			t.Errorf("%d: a team: %+v", status, team)
		}
		if file, err := s.OwnerPolicy(t.Context(), "acme", "policy.yml", s.Began()); err == nil {
			t.Errorf("%d: an owner's policy: %+v", status, file)
		}
		if person, err := s.Permission(t.Context(), shop, alice, s.Began()); err == nil {
			t.Errorf("%d: a permission: %+v", status, person)
		}
		calls(t, f)
	}
	for name, answers := range map[string]map[string]http.HandlerFunc{
		"of .github":            {ofPolicies: refuse(500, "")},
		"in place of .github's": {ofPolicies: refuse(422, notGranted), ofKnowing: refuse(500, "")},
	} {
		f := newFake(t)
		f.token = func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			answer := answers[f.asked[len(f.asked)-1]]
			f.mu.Unlock()
			if answer == nil {
				answer = answerWith(201, m{"token": "ghs_1"})
			}
			answer(w, r)
		}
		s := f.client().Begin()
		if file, err := s.OwnerPolicy(t.Context(), "acme", "policy.yml", s.Began()); !Temporary(err) {
			t.Errorf("no token %s: an owner's policy: %+v, %v", name, file, err)
		}
		calls(t, f)
	}
	f := newFake(t)
	f.token = refuse(422, "The permissions requested are not granted to this installation.")
	s := f.client().Begin()
	if team, err := s.Team(t.Context(), shop, "leads", nil, s.Began()); err != nil || team.Missing || !strings.Contains(team.Problem, "members=read") {
		t.Errorf("without the permission: %+v, %v", team, err)
	}
}

// TestTheKeyIsReadForEachToken: what signs is the key as it is now.
func TestTheKeyIsReadForEachToken(t *testing.T) {
	f := newFake(t)
	config := f.config()
	key := "no key at all"
	config.Key = func() []byte { return []byte(key) }
	if _, err := New(config); err == nil || !strings.Contains(err.Error(), "private_key") {
		t.Errorf("a key that is none: %v", err)
	}
	key, config.Registerer = privateKey(), nil
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	f.json(pullCall, 200, m{"number": 1})
	key = "broken"
	_, err = g.Installation(5).Begin().Pull(t.Context(), shop, 1, time.Time{})
	if !Temporary(err) || strings.Contains(err.Error(), "broken") {
		t.Errorf("with a broken key: %v", err)
	}
	key = privateKey()
	read(t, g.Installation(5), verified)
}

// TestAnInstallationThatGoesAwayHasNoPolicyToTell: GitHub gives no token for .github, and by the time that another is asked for there is no
// installation. That says nothing of the owner's policy.
func TestAnInstallationThatGoesAwayHasNoPolicyToTell(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.token = func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		asked := f.asked[len(f.asked)-1]
		f.mu.Unlock()
		if asked == ofPolicies {
			refuse(422, notGranted)(w, r)
			return
		}
		refuse(404, "Not Found")(w, r)
	}
	file, err := c.Begin().OwnerPolicy(t.Context(), "acme", "policy.yml", time.Time{})
	var unauthorized *Unauthorized
	if !errors.As(err, &unauthorized) {
		t.Errorf("got %+v, %v", file, err)
	}
}
