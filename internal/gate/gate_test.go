package gate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

const production = `{"environment": "production"}`

func TestAJobIsWhatItsTokenSays(t *testing.T) {
	job := change.GateAsked{
		Key: "run/41/2/production/" + commit, Environment: "Production", SHA: commit, Ref: "refs/heads/main", Run: 41, Attempt: 2,
		Workflow: "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
		By:       change.Account{ID: 101, Login: "alice", Kind: change.KindUser}, Who: "alice", OnGitHub: true, At: start,
	}
	tests := map[string]struct {
		with map[string]any
		want func(*change.GateAsked)
		repo change.Repository
	}{
		"a job with an environment": {repo: shop, want: func(*change.GateAsked) {}},
		"a job without":             {map[string]any{"environment": nil}, func(a *change.GateAsked) { a.OnGitHub = false }, shop},
		"another repository":        {map[string]any{"repository_id": "8", "repository": "acme/shop"}, func(*change.GateAsked) {}, other},
		"a bot": {map[string]any{"actor": "renovate[bot]"}, func(a *change.GateAsked) {
			a.By.Login, a.By.Kind, a.Who = "renovate[bot]", change.KindBot, "renovate[bot]"
		}, shop},
		"nobody known":  {map[string]any{"actor_id": nil}, func(a *change.GateAsked) { a.By, a.Who = change.Account{}, "" }, shop},
		"nobody's name": {map[string]any{"actor": nil}, func(a *change.GateAsked) { a.By, a.Who = change.Account{}, "" }, shop},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			status, reply, _ := w.post(w.token(tt.with), `{"environment": "Production"}`)
			if want := (Reply{Answer: release.Go, Reason: "it ran in staging"}); status != 200 || reply != want {
				t.Fatalf("%d %+v, want 200 %+v", status, reply, want)
			}
			want := job
			tt.want(&want)
			if diff := cmp.Diff([]change.GateAsked{want}, w.asked); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if w.of[0] != tt.repo {
				t.Errorf("asked of %v, want %v", w.of[0], tt.repo)
			}
			if until := w.used["gate:"+w.issuer.URL+" id-1"]; until.Before(start.Add(5 * time.Minute)) {
				t.Errorf("the token is noted as used until %v, before it expires", until)
			}
		})
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	tests := map[string]struct {
		bearer func(*world) string
		status int
		reason string
	}{
		"signed by a stranger": {func(w *world) string { return signed(strangersKey(), oidc.RS256, w.claimsOf(nil)) }, 401, "the token is not valid"},
		"another algorithm":    {func(w *world) string { return signed(signingKey(), oidc.PS256, w.claimsOf(nil)) }, 401, "the token is not valid"},
		"no algorithm":         {func(w *world) string { return unsigned(w.claimsOf(nil)) }, 401, "the token is not valid"},
		"changed after signing": {func(w *world) string {
			return tampered(w.token(nil), w.claimsOf(map[string]any{"sha": strings.Repeat("f", 40)}))
		}, 401, "the token is not valid"},
		"another audience":         {func(w *world) string { return w.token(map[string]any{"aud": "https://elsewhere.example"}) }, 401, "the token is for another audience; ask for one for " + audience},
		"more audiences than ours": {func(w *world) string { return w.token(map[string]any{"aud": []string{audience, "b"}}) }, 401, "the token is for another audience"},
		"no audience":              {func(w *world) string { return w.token(map[string]any{"aud": nil}) }, 401, "the token is for another audience"},
		"expired":                  {func(w *world) string { return w.token(map[string]any{"exp": start.Unix() - 1}) }, 401, "the token has expired"},
		"never expiring":           {func(w *world) string { return w.token(map[string]any{"exp": nil}) }, 401, "the token has expired"},
		"of tomorrow":              {func(w *world) string { return w.token(map[string]any{"nbf": start.Add(time.Hour).Unix()}) }, 401, "the token is not valid"},
		"another issuer":           {func(w *world) string { return w.token(map[string]any{"iss": "https://evil.example"}) }, 401, "the token is from an issuer that this server does not know"},
		"no issuer":                {func(w *world) string { return w.token(map[string]any{"iss": nil}) }, 401, "the token is not known here"},
		"no token at all":          {func(*world) string { return "hunter2" }, 401, "the token is not known here"},
		"a long text":              {func(*world) string { return strings.Repeat("a", 64) }, 401, "the token is not known here"},
		"a very long text":         {func(*world) string { return strings.Repeat("a", maxTokenBytes+1) }, 401, "the header Authorization"},
		"nothing":                  {func(*world) string { return "" }, 401, "the header Authorization"},
		"without an id":            {func(w *world) string { return w.token(map[string]any{"jti": nil}) }, 401, "the token is not of a job of GitHub Actions: its claim jti"},
		"without a repository":     {func(w *world) string { return w.token(map[string]any{"repository_id": nil}) }, 401, "the token is not of a job of GitHub Actions: its claim repository_id"},
		"without a commit":         {func(w *world) string { return w.token(map[string]any{"sha": nil}) }, 401, "the token is not of a job of GitHub Actions: its claim sha"},
		"half a commit":            {func(w *world) string { return w.token(map[string]any{"sha": "0123456"}) }, 401, "the token is not of a job of GitHub Actions: its claim sha"},
		"with a long id":           {func(w *world) string { return w.token(map[string]any{"jti": strings.Repeat("a", maxTokenID+1)}) }, 401, "the token is not of a job of GitHub Actions: its claim jti"},
		"a commit in capitals":     {func(w *world) string { return w.token(map[string]any{"sha": strings.ToUpper(commit)}) }, 401, "the token is not of a job of GitHub Actions: its claim sha"},
		"without an attempt":       {func(w *world) string { return w.token(map[string]any{"run_attempt": nil}) }, 401, "the token is not of a job of GitHub Actions: its claim run_attempt"},
		"an attempt past all":      {func(w *world) string { return w.token(map[string]any{"run_attempt": "2147483648"}) }, 401, "the token is not of a job of GitHub Actions: its claim run_attempt"},
		"a run that is none":       {func(w *world) string { return w.token(map[string]any{"run_id": "x"}) }, 401, "the token is not of a job of GitHub Actions: its claim run_id"},
		"a run less than nothing":  {func(w *world) string { return w.token(map[string]any{"run_id": "-41"}) }, 401, "the token is not of a job of GitHub Actions: its claim run_id"},
		"without a run":            {func(w *world) string { return w.token(map[string]any{"run_id": "041"}) }, 401, "the token is not of a job of GitHub Actions: its claim run_id"},
		"a number as a number":     {func(w *world) string { return w.token(map[string]any{"run_attempt": 2}) }, 401, "the token's claims are not those of a job"},
		"of a fork":                {func(w *world) string { return w.token(map[string]any{"repository_id": "999"}) }, 403, "the App has no access to the job's repository, which may be a fork"},
		"for another environment":  {func(w *world) string { return w.token(map[string]any{"environment": "staging"}) }, 403, "the job is for another environment"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			status, reply, header := w.post(tt.bearer(w), production)
			if status != tt.status || reply.Answer != release.No || !strings.HasPrefix(reply.Reason, tt.reason) {
				t.Errorf("%d %+v, want %d %s", status, reply, tt.status, tt.reason)
			}
			if (header.Get("WWW-Authenticate") != "") != (status == 401) {
				t.Errorf("%d with WWW-Authenticate %q", status, header.Get("WWW-Authenticate"))
			}
			if len(w.asked) > 0 || len(w.used) > 0 {
				t.Errorf("it was asked (%v), or something was noted (%v)", w.asked, w.used)
			}
		})
	}
}

// unsigned returns a token of the algorithm that is none.
func unsigned(claims map[string]any) string {
	text, _ := json.Marshal(claims)
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part(text) + "."
}

// tampered returns a token with other claims under its signature.
func tampered(token string, claims map[string]any) string {
	parts := strings.Split(token, ".")
	text, _ := json.Marshal(claims)
	parts[1] = base64.RawURLEncoding.EncodeToString(text)
	return strings.Join(parts, ".")
}

func TestEachTokenIsTakenOnce(t *testing.T) {
	w := newWorld(t, nil)
	first := w.token(nil)
	if status, reply, _ := w.post(first, production); status != 200 {
		t.Fatalf("%d %+v", status, reply)
	}
	status, reply, _ := w.post(first, production)
	if status != 401 || reply.Answer != release.No || !strings.HasPrefix(reply.Reason, "the token was used before") {
		t.Errorf("again: %d %+v", status, reply)
	}
	if status, reply, _ = w.post(w.token(map[string]any{"jti": "id-2"}), production); status != 200 {
		t.Errorf("a fresh one: %d %+v", status, reply)
	}
	if len(w.asked) != 2 || w.asked[0].Key != w.asked[1].Key {
		t.Errorf("asked %v, want twice with the same key", w.asked)
	}
}

func TestWhatCannotBeDecidedIsNotYet(t *testing.T) {
	down := errors.New("the database is away")
	tests := map[string]func(*world){
		"the issuer is down":         func(w *world) { w.down = true },
		"its keys are elsewhere":     func(w *world) { w.keysAt = "https://evil.example/keys" },
		"its keys are nowhere":       func(w *world) { w.keysAt = "://" },
		"used tokens are not known":  func(w *world) { w.onceErr = down },
		"repositories are not known": func(w *world) { w.repoErr = down },
		"the decision fails": func(w *world) {
			w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
				return release.Go, nil, time.Time{}, down
			}
		},
		"the decision takes too long": func(w *world) {
			w.config.AskFor = time.Nanosecond
			w.ask = func(ctx context.Context) (release.Answer, change.Text, time.Time, error) {
				<-ctx.Done()
				return release.Go, nil, time.Time{}, ctx.Err()
			}
		},
		"the decision is none": func(w *world) {
			w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
				return "", nil, time.Time{}, nil
			}
		},
	}
	for name, adjust := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			adjust(w)
			status, reply, header := w.post(w.token(nil), production)
			if status != 503 || reply.Answer != release.NotYet || header.Get("Retry-After") == "" {
				t.Errorf("%d %+v with Retry-After %q, want 503, not yet, and one", status, reply, header.Get("Retry-After"))
			}
			if strings.Contains(reply.Reason, "database") || strings.Contains(reply.Reason, "evil") {
				t.Errorf("the reason gives something away: %s", reply.Reason)
			}
		})
	}
}

// TestNoOtherHostIsCalled has an issuer send us to another host, by what it says and by redirects.
func TestNoOtherHostIsCalled(t *testing.T) {
	called := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	t.Cleanup(elsewhere.Close)
	for name, adjust := range map[string]func(*world){
		"its keys are elsewhere":          func(w *world) { w.keysAt = elsewhere.URL + "/keys" },
		"it redirects":                    func(w *world) { w.redirect = elsewhere.URL },
		"its keys are where it redirects": func(w *world) { w.redirect, w.keysAt = elsewhere.URL, w.issuer.URL+"/keys" },
	} {
		w := newWorld(t, nil)
		adjust(w)
		if status, reply, _ := w.post(w.token(nil), production); status != 503 || called > 0 {
			t.Errorf("%s: %d %+v, the other host was called %d times", name, status, reply, called)
		}
	}
}

func TestTooManyAtOnce(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxAsks = 1 })
	asking, finish := make(chan struct{}), make(chan struct{})
	w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
		close(asking)
		<-finish
		return release.No, change.Words("no"), time.Time{}, nil
	}
	done := make(chan int)
	body := `{"environment": "production", "commit": "` + commit + `"}`
	go func() { status, _, _ := w.post(static, body); done <- status }()
	<-asking
	status, reply, header := w.post(static, body)
	if status != 429 || reply.Answer != release.NotYet || header.Get("Retry-After") == "" {
		t.Errorf("%d %+v, want 429, not yet", status, reply)
	}
	close(finish)
	if got := <-done; got != 200 {
		t.Errorf("the first got %d", got)
	}
	asking = make(chan struct{})
	if status, reply, _ = w.post(static, body); status != 200 {
		t.Errorf("once the first was answered: %d %+v", status, reply)
	}
}

func TestStaticTokens(t *testing.T) {
	tests := map[string]struct {
		body   string
		status int
		reason string
	}{
		"enough":                       {`{"environment": "production", "commit": "` + strings.ToUpper(commit) + `"}`, 200, "it ran in staging"},
		"its repository by name":       {`{"environment": "PRODUCTION", "commit": "` + commit + `", "repository": "acme/Shop"}`, 200, "it ran in staging"},
		"its repository by id":         {`{"environment": "production", "commit": "` + commit + `", "repository": "7"}`, 200, "it ran in staging"},
		"a commit of SHA-256":          {`{"environment": "production", "commit": "` + commit + commit[:24] + `"}`, 200, "it ran in staging"},
		"another repository":           {`{"environment": "production", "commit": "` + commit + `", "repository": "acme/site"}`, 403, "the token is for another repository"},
		"another environment":          {`{"environment": "staging", "commit": "` + commit + `"}`, 403, "the token is for another environment"},
		"no commit":                    {production, 400, "commit is missing"},
		"half a commit":                {`{"environment": "production", "commit": "0123456"}`, 400, "commit is missing or not the whole name"},
		"no commit's name":             {`{"environment": "production", "commit": "` + strings.Repeat("g", 40) + `"}`, 400, "commit is missing or not the whole name"},
		"no environment":               {`{"commit": "` + commit + `"}`, 400, "environment is missing"},
		"an environment with a blank":  {`{"environment": "production ", "commit": "` + commit + `"}`, 400, "environment is missing"},
		"an environment without end":   {`{"environment": "` + strings.Repeat("é", maxEnvironment+1) + `", "commit": "` + commit + `"}`, 400, "environment is missing"},
		"the longest environment":      {`{"environment": "` + strings.Repeat("é", maxEnvironment) + `", "commit": "` + commit + `"}`, 403, "the token is for another environment"},
		"an environment of two lines":  {`{"environment": "prod\nuction", "commit": "` + commit + `"}`, 400, "environment is missing"},
		"a key that is not known":      {`{"environment": "production", "commit": "` + commit + `", "ref": "main"}`, 400, "the body is not JSON of the form"},
		"a key twice":                  {`{"environment": "staging", "environment": "production", "commit": "` + commit + `"}`, 400, "the body is not JSON of the form"},
		"a key in another case":        {`{"Environment": "production", "commit": "` + commit + `"}`, 400, "the body is not JSON of the form"},
		"something after it":           {`{"environment": "production", "commit": "` + commit + `"}{}`, 400, "the body is not JSON of the form"},
		"an environment that is none":  {`{"environment": 1, "commit": "` + commit + `"}`, 400, "the body is not JSON of the form"},
		"a body that is none":          {``, 400, "the body is not JSON of the form"},
		"a body that is too large":     {`{"environment": "` + strings.Repeat("a", maxBody) + `"}`, 413, "the body is larger than"},
		"bytes that are no characters": {"{\"environment\": \"\xff\", \"commit\": \"" + commit + "\"}", 400, "the body is not JSON of the form"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			status, reply, _ := w.post(static, tt.body)
			if status != tt.status || !strings.HasPrefix(reply.Reason, tt.reason) || (reply.Answer == release.Go) != (status == 200) {
				t.Fatalf("%d %+v, want %d %s", status, reply, tt.status, tt.reason)
			}
			if (len(w.asked) == 1) != (status == 200) || len(w.calls) > 0 {
				t.Errorf("asked %v, the issuer was called at %v", w.asked, w.calls)
			}
		})
	}
	w := newWorld(t, nil)
	body := `{"environment": "production", "commit": "` + commit + `"}`
	w.repoErr = errors.New("the database is away")
	if status, reply, _ := w.post(static, body); status != 503 || reply.Answer != release.NotYet {
		t.Errorf("while repositories are not known: %d %+v, want 503, not yet", status, reply)
	}
	w.repoErr = nil
	w.config.Repositories = Among(func(context.Context) ([]change.Repository, error) { return []change.Repository{other}, nil })
	if status, reply, _ := w.post(static, body); status != 403 || !strings.HasPrefix(reply.Reason, "the App has no access to the token's repository") {
		t.Errorf("of a repository that the App has no access to: %d %+v, want 403", status, reply)
	}
	w.config.Repositories = Among(w.repositories)
	w.post(static, body)
	want := []change.GateAsked{{
		Key: "token/jenkins/production/" + commit, Environment: "Production", SHA: commit, Who: "jenkins", At: start,
	}}
	if diff := cmp.Diff(want, w.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStaticTokensThatCouldBeGuessed: the configuration holds a token's digest, which does not tell how long it is.
func TestStaticTokensThatCouldBeGuessed(t *testing.T) {
	body := `{"environment": "production", "commit": "` + commit + `"}`
	for bearer, want := range map[string]int{strings.Repeat("a", 31): 401, strings.Repeat("a", 32): 200} {
		w := newWorld(t, func(c *Config) {
			c.Tokens = func() []Token {
				return []Token{{Name: "jenkins", Repository: "acme/shop", Environment: "production", SHA256: sha256.Sum256([]byte(bearer))}}
			}
		})
		if status, reply, _ := w.post(bearer, body); status != want || (len(w.asked) == 1) != (want == 200) {
			t.Errorf("%d characters: %d %+v, want %d", len(bearer), status, reply, want)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	w := newWorld(t, nil)
	request := func(method, contentType, authorization string) *http.Request {
		r := httptest.NewRequest(method, Path, strings.NewReader(production))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", authorization)
		return r
	}
	tests := map[string]struct {
		request *http.Request
		status  int
	}{
		"a GET":             {request("GET", "application/json", "Bearer x"), 405},
		"a form":            {request("POST", "application/x-www-form-urlencoded", "Bearer x"), 415},
		"no content type":   {request("POST", "", "Bearer x"), 415},
		"no authorization":  {request("POST", "application/json", ""), 401},
		"another scheme":    {request("POST", "application/json", "Basic "+w.token(nil)), 401},
		"a job's own words": {request("POST", "application/json", "Bearer "+w.token(nil)), 200},
	}
	for name, tt := range tests {
		status, reply, header := w.send(tt.request)
		if status != tt.status || (reply.Answer == release.Go) != (status == 200) {
			t.Errorf("%s: %d %+v, want %d", name, status, reply, tt.status)
		}
		if header.Get("Cache-Control") != "no-store" || (header.Get("Allow") == "POST") != (status == 405) {
			t.Errorf("%s: with %v", name, header)
		}
	}
	for _, member := range []string{`"commit": "` + commit + `"`, `"repository": "acme/site"`} {
		if status, _, _ := w.post(w.token(map[string]any{"jti": "id-2"}), `{"environment": "production", `+member+`}`); status != 400 {
			t.Errorf("a job that says %s: %d, want 400", member, status)
		}
	}
	quiet := newWorld(t, func(c *Config) { c.Audience = "" })
	status, reply, _ := quiet.post(quiet.token(nil), production)
	if status != 401 || !strings.HasPrefix(reply.Reason, "this server takes no OIDC tokens") || len(quiet.calls) > 0 {
		t.Errorf("without an audience: %d %+v after calls %v", status, reply, quiet.calls)
	}
}

func TestNotYetSaysUntilWhen(t *testing.T) {
	w := newWorld(t, nil)
	until := time.Date(2026, 1, 5, 10, 0, 0, 0, time.FixedZone("", 3600))
	w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
		return release.NotYet, change.Say(change.Words("hours of "), change.Code("production")), until, nil
	}
	out := httptest.NewRecorder()
	r := httptest.NewRequest("POST", Path, strings.NewReader(production))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+w.token(nil))
	w.ServeHTTP(out, r)
	if want := `{"answer":"not yet","reason":"hours of production","until":"2026-01-05T09:00:00Z"}`; strings.TrimSpace(out.Body.String()) != want {
		t.Errorf("%s, want %s", out.Body, want)
	}
}

// TestIssuersAreCalledSeldom has strangers make up tokens, which must not become as many calls to the issuer.
func TestIssuersAreCalledSeldom(t *testing.T) {
	w := newWorld(t, nil)
	discovery, keys := "/.well-known/openid-configuration", "/keys"
	expect := func(when string, want ...string) {
		t.Helper()
		if !slices.Equal(w.calls, want) {
			t.Errorf("%s: the issuer was called at %v, want %v", when, w.calls, want)
		}
		w.calls = nil
	}
	w.down = true
	for range 20 {
		w.post(w.token(nil), production)
	}
	expect("while it is down", discovery)
	w.down = false
	w.pass(keepFailure)
	for i := range 20 {
		w.post(signed(strangersKey(), oidc.RS256, w.claimsOf(nil)), production)
		if status, reply, _ := w.post(w.token(map[string]any{"jti": fmt.Sprint("id-", i)}), production); status != 200 {
			t.Fatalf("%d %+v", status, reply)
		}
	}
	expect("when it is back", discovery, keys)
	w.pass(keepAnswer - time.Second)
	w.post(signed(strangersKey(), oidc.RS256, w.claimsOf(nil)), production)
	expect("while the answers are remembered")

	// Another key is seen when the first ones are no longer remembered.
	w.keys.PublicKeys[0].PublicKey = strangersKey().Public()
	renewed := signed(strangersKey(), oidc.RS256, w.claimsOf(map[string]any{"jti": "renewed"}))
	if status, _, _ := w.post(renewed, production); status != 401 {
		t.Errorf("the new key counts at once: %d", status)
	}
	w.pass(keepAnswer)
	status, reply, _ := w.post(renewed, production)
	for more := 1000; status != 200 && more > 0; more-- { // go-oidc has who asks at the very end of a fetch share its keys: those from before
		status, reply, _ = w.post(renewed, production)
	}
	if status != 200 {
		t.Errorf("the new key: %d %+v", status, reply)
	}
	expect("when the key changed", keys)
}

func TestNothingLogsAToken(t *testing.T) {
	w := newWorld(t, nil)
	good, bad := w.token(nil), signed(strangersKey(), oidc.RS256, w.claimsOf(nil))
	for _, bearer := range []string{good, bad, good, static, "hunter2hunter2hunter2hunter2hunter2"} {
		w.post(bearer, production)
	}
	for _, secret := range []string{good, bad, static, "hunter2", strings.Split(good, ".")[2]} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log shows a token:\n%s", &w.log)
		}
	}
	if !strings.Contains(w.log.String(), `"answer":"go"`) || !strings.Contains(w.log.String(), `"status":401`) {
		t.Errorf("the log says nothing:\n%s", &w.log)
	}
}

func TestAnswersAreCounted(t *testing.T) {
	metrics := prometheus.NewRegistry()
	w := newWorld(t, func(c *Config) { c.Metrics = metrics })
	for id, answer := range []release.Answer{release.Go, release.No, release.NotYet, release.NotYet, "none"} {
		w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
			return answer, change.Words("so"), time.Time{}, nil
		}
		w.post(w.token(map[string]any{"jti": fmt.Sprint("id-", id)}), production)
	}
	w.post("hunter2", production)
	const want = `
# HELP changegate_gate_answers_total Answers to jobs that asked whether they may deploy: go, no, not yet, refused or undecided.
# TYPE changegate_gate_answers_total counter
changegate_gate_answers_total{answer="go"} 1
changegate_gate_answers_total{answer="no"} 1
changegate_gate_answers_total{answer="not yet"} 2
changegate_gate_answers_total{answer="refused"} 1
changegate_gate_answers_total{answer="undecided"} 1
`
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t, nil)
	good := Config{Asker: w, Repositories: Among(w.repositories), Once: w.once, Audience: audience}
	for name, spoil := range map[string]func(*Config){
		"nobody to ask":       func(c *Config) { c.Asker = nil },
		"no repositories":     func(c *Config) { c.Repositories = nil },
		"no memory":           func(c *Config) { c.Once = nil },
		"an issuer's name":    func(c *Config) { c.Issuers = []string{"github"} },
		"an issuer's nothing": func(c *Config) { c.Issuers = []string{""} },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New took a configuration with %s", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("New: %v", err)
	}
	good.Audience, good.Once = "", nil
	if _, err := New(good); err != nil {
		t.Errorf("New, for static tokens alone: %v", err)
	}
}
