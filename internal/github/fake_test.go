package github

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/changegate/changegate/internal/change"
)

const (
	appID   = 7
	headSHA = change.SHA("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	baseSHA = change.SHA("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

var (
	shop  = change.Repository{ID: 1, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 5}
	alice = change.Account{ID: 11, Login: "alice", Kind: change.KindUser}
	bob   = change.Account{ID: 12, Login: "bob", Kind: change.KindUser}
	carol = change.Account{ID: 13, Login: "carol", Kind: change.KindUser}
)

var privateKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
})

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fake is a server that answers in GitHub's shape what a test wrote down. It answers conditional requests and counts.
type fake struct {
	t      *testing.T
	server *httptest.Server
	clock  *clock

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // by method and escaped path
	calls    []string                    // METHOD PATH?QUERY, and " 304" for an answer revalidated; tokens left out
	tokens   int
	asked    []string         // what each of the tokens was asked for
	token    http.HandlerFunc // in place of an issued token
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, clock: &clock{now: time.Now()}, handlers: map[string]http.HandlerFunc{}}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	f.json(tipCall, 200, m{"ref": "refs/heads/main", "object": m{"sha": baseSHA}})
	return f
}

// tipCall reads the tip of main.
const tipCall = "GET /repos/acme/shop/git/ref/heads/main"

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/access_tokens") {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.mu.Lock()
		f.tokens++
		f.asked = append(f.asked, strings.TrimSpace(string(body)))
		n, handler := f.tokens, f.token
		f.mu.Unlock()
		if handler != nil {
			handler(w, r)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":"ghs_%d","expires_at":%q}`, n, time.Now().Add(time.Hour).Format(time.RFC3339))
		return
	}
	call := r.Method + " " + r.URL.EscapedPath()
	f.mu.Lock()
	handler := f.handlers[call]
	f.mu.Unlock()
	if r.URL.RawQuery != "" {
		call += "?" + r.URL.RawQuery
	}
	recorder := httptest.NewRecorder()
	if handler == nil {
		recorder.WriteHeader(http.StatusNotFound)
		recorder.WriteString(`{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}`)
	} else if cut, ok := handlerCuts(handler, w, r, recorder); ok {
		f.record(call)
		cut()
		return
	}
	for name, v := range recorder.Header() {
		w.Header()[name] = v
	}
	body := recorder.Body.Bytes()
	if r.Method == http.MethodGet && recorder.Code == http.StatusOK {
		etag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(body))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			f.record(call + " 304")
			w.Header().Del("Link") // as strict a reading as a server may take
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	f.record(call)
	w.WriteHeader(recorder.Code)
	w.Write(body)
}

// handlerCuts runs the handler, which may ask by a panic that the connection be cut instead of an answer.
func handlerCuts(h http.HandlerFunc, w http.ResponseWriter, r *http.Request, recorder *httptest.ResponseRecorder) (cut func(), cuts bool) {
	defer func() {
		if p := recover(); p != nil {
			half, ok := p.(connectionCut)
			if !ok {
				panic(p)
			}
			cuts = true
			cut = func() {
				if half {
					w.Header().Set("Content-Length", "1000")
					io.WriteString(w, `{"number":`)
				}
				panic(http.ErrAbortHandler)
			}
		}
	}()
	h(recorder, r)
	return nil, false
}

// connectionCut cuts the connection: before any answer, or half-way through it.
type connectionCut bool

func (f *fake) record(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

// on answers a route with a handler, from now on.
func (f *fake) on(call string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[call] = h
}

// json answers a route with JSON; a string is sent as it is.
func (f *fake) json(call string, status int, v any) {
	f.on(call, answerWith(status, v))
}

func answerWith(status int, v any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		if s, ok := v.(string); ok {
			io.WriteString(w, s)
			return
		}
		json.NewEncoder(w).Encode(v)
	}
}

// pages answers a route with pages of a list, linked as GitHub links them if link is set.
func (f *fake) pages(call string, pages []any, linked bool) {
	f.on(call, func(w http.ResponseWriter, r *http.Request) { answerPage(w, r, pages, linked) })
}

// answerPage answers with the page that was asked for.
func answerPage[P any](w http.ResponseWriter, r *http.Request, pages []P, linked bool) {
	n := 1
	fmt.Sscan(r.URL.Query().Get("page"), &n)
	if linked && n < len(pages) {
		q := r.URL.Query()
		q.Set("page", fmt.Sprint(n+1))
		next := q.Encode()
		q.Set("page", fmt.Sprint(len(pages)))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next", <http://%s%s?%s>; rel="last"`,
			r.Host, r.URL.EscapedPath(), next, r.Host, r.URL.EscapedPath(), q.Encode()))
	}
	if n > len(pages) {
		io.WriteString(w, "[]")
		return
	}
	json.NewEncoder(w).Encode(pages[n-1])
}

// took returns the calls since it was last asked, in order of their names, since some are made side by side.
func (f *fake) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	slices.Sort(calls)
	return calls
}

func (f *fake) config() Config {
	var app githubapp.Config
	app.V3APIURL, app.WebURL = f.server.URL+"/", "https://github.com"
	app.App.IntegrationID, app.App.PrivateKey = appID, privateKey()
	return Config{App: app, CheckName: "Change policy", Now: f.clock.Now, Registerer: prometheus.NewRegistry()}
}

func (f *fake) github() *GitHub {
	f.t.Helper()
	g, err := New(f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

func (f *fake) client() *Client { return f.github().Installation(5) }

// tookTokens returns what tokens were asked for since it was last asked.
func (f *fake) tookTokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// m is a JSON object.
type m = map[string]any

func user(a change.Account) m {
	return m{"id": a.ID, "login": a.Login, "type": string(a.Kind)}
}

// many makes n items of a list.
func many(n int, item func(i int) any) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = item(i)
	}
	return out
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func calls(t *testing.T, f *fake, want ...string) {
	t.Helper()
	if got := f.took(); !slices.Equal(got, want) {
		t.Errorf("calls:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
