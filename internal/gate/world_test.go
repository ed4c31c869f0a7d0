package gate

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

const (
	audience = "https://gate.acme.example"
	commit   = "0123456789abcdef0123456789abcdef01234567"
	static   = "a static token of more than 32 characters"
)

var (
	start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	shop  = change.Repository{ID: 7, Owner: "acme", Name: "shop"}
	other = change.Repository{ID: 8, Owner: "acme", Name: "site"}
)

// signingKey is a key that is made once for all tests; strangersKey another, under the same key id.
var signingKey, strangersKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// world is a handler with all that is around it.
type world struct {
	*Handler
	issuer *httptest.Server
	keys   *oidctest.Server
	log    bytes.Buffer

	mu       sync.Mutex
	now      time.Time
	calls    []string // to the issuer
	down     bool     // the issuer
	keysAt   string   // what the issuer says instead of its own keys' address
	redirect string   // where the issuer sends whoever asks for something that keysAt does not replace
	used     map[string]time.Time
	onceErr  error
	repoErr  error
	asked    []change.GateAsked
	of       []change.Repository
	ask      func(context.Context) (release.Answer, change.Text, time.Time, error)
}

func newWorld(t *testing.T, adjust func(*Config)) *world {
	t.Helper()
	w := &world{now: start, used: map[string]time.Time{}}
	w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
		return release.Go, change.Words("it ran in staging"), time.Time{}, nil
	}
	w.keys = &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: signingKey().Public(), KeyID: "k", Algorithm: oidc.RS256}}}
	w.issuer = httptest.NewServer(http.HandlerFunc(w.serveIssuer))
	t.Cleanup(w.issuer.Close)
	w.keys.SetIssuer(w.issuer.URL)
	c := Config{
		Asker: w, Repositories: Among(w.repositories), Once: w.once, Audience: audience, Issuers: []string{w.issuer.URL}, Log: zerolog.New(zerolog.SyncWriter(&w.log)),
		Now: w.clock,
		Tokens: func() []Token {
			return []Token{
				{Name: "empty", Repository: "acme/shop", Environment: "production"},
				{Name: "jenkins", Repository: "Acme/shop", Environment: "Production", SHA256: sha256.Sum256([]byte(static))},
			}
		},
	}
	if adjust != nil {
		adjust(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.Handler = h
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) serveIssuer(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, r.URL.Path)
	switch {
	case w.down:
		http.Error(out, "down", http.StatusBadGateway)
	case w.keysAt != "" && strings.HasPrefix(r.URL.Path, "/.well-known/"):
		_ = json.NewEncoder(out).Encode(map[string]string{"issuer": w.issuer.URL, "jwks_uri": w.keysAt})
	case w.redirect != "":
		http.Redirect(out, r, w.redirect+r.URL.Path, http.StatusFound)
	default:
		w.keys.ServeHTTP(out, r)
	}
}

func (w *world) once(_ context.Context, key string, until time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onceErr != nil {
		return true, w.onceErr
	}
	_, known := w.used[key]
	w.used[key] = until
	return !known, nil
}

func (w *world) repositories(context.Context) ([]change.Repository, error) {
	return []change.Repository{{ID: 9, Owner: "evil", Name: "shop"}, other, shop}, w.repoErr
}

func (w *world) Ask(ctx context.Context, repo change.Repository, asked change.GateAsked) (release.Answer, change.Text, time.Time, error) {
	w.mu.Lock()
	w.asked, w.of = append(w.asked, asked), append(w.of, repo)
	w.mu.Unlock()
	return w.ask(ctx)
}

// claimsOf are those of a job, with what is changed; a nil takes a claim away.
func (w *world) claimsOf(with map[string]any) map[string]any {
	out := map[string]any{
		"iss": w.issuer.URL, "aud": audience, "sub": "repo:acme/shop:environment:production", "jti": "id-1",
		"exp": start.Add(5 * time.Minute).Unix(), "iat": start.Unix(), "nbf": start.Add(-5 * time.Minute).Unix(),
		"repository": "acme/shop", "repository_id": "7", "sha": commit, "ref": "refs/heads/main", "environment": "production",
		"run_id": "41", "run_attempt": "2", "workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
		"actor": "alice", "actor_id": "101",
	}
	for name, value := range with {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

func signed(key *rsa.PrivateKey, alg string, claims map[string]any) string {
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return oidctest.SignIDToken(key, "k", alg, string(text))
}

func (w *world) token(with map[string]any) string {
	return signed(signingKey(), oidc.RS256, w.claimsOf(with))
}

func (w *world) post(bearer, body string) (int, Reply, http.Header) {
	r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+bearer)
	return w.send(r)
}

func (w *world) send(r *http.Request) (int, Reply, http.Header) {
	out := httptest.NewRecorder()
	w.ServeHTTP(out, r)
	var reply Reply
	if err := json.Unmarshal(out.Body.Bytes(), &reply); err != nil || reply.Reason == "" {
		return out.Code, Reply{Reason: "not a reply: " + out.Body.String()}, out.Header()
	}
	return out.Code, reply, out.Header()
}
