package webhook

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
)

const secret = "a-s3cret-of-the-webhook"

// memorySink keeps what was delivered, and checks what a Sink is promised.
type memorySink struct {
	mu     sync.Mutex
	groups [][]string // ids, a commit a line
	during func(ctx context.Context, ids []string) error
	busy   bool
}

func (s *memorySink) Deliver(ctx context.Context, deliveries []change.Delivery) error {
	s.mu.Lock()
	if s.busy || len(deliveries) == 0 || len(deliveries) > 200 {
		panic("a Sink is called by one goroutine at a time, with 1 to 200 deliveries")
	}
	s.busy = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy = false
	}()

	ids := make([]string, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID
	}
	if s.during != nil {
		if err := s.during(ctx, ids); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = append(s.groups, ids)
	return nil
}

func (s *memorySink) sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sizes []int
	for _, g := range s.groups {
		sizes = append(sizes, len(g))
	}
	return sizes
}

// newHandler returns a handler on the sink that is closed with the test; change may be nil.
func newHandler(tb testing.TB, sink Sink, edit func(*Config)) *Handler {
	tb.Helper()
	c := Config{
		Sink:    sink,
		Secrets: func() (current, previous []byte) { return []byte(secret), nil },
		App:     ours,
		Log:     zerolog.Nop(),
	}
	if edit != nil {
		edit(&c)
	}
	h, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = h.Close(context.Background()) })
	return h
}

func sign(body []byte, by string) string {
	mac := hmac.New(sha256.New, []byte(by))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// delivery is a signed request, as GitHub sends it.
func delivery(event, id string, body []byte) *http.Request {
	r := httptest.NewRequest("POST", "/api/github/hook", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-Hub-Signature-256", sign(body, secret))
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var ping = []byte(`{"zen":"Keep it logically awesome."}`)

func TestStatuses(t *testing.T) {
	opened := []byte(`{"action":"opened","number":12,"pull_request":` + pull + `,` + where + `}`)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del(name)
			if value != "" {
				r.Header.Set(name, value)
			}
		}
	}
	sha1Of := func(body []byte) string {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write(body)
		return "sha1=" + hex.EncodeToString(mac.Sum(nil))
	}
	tests := []struct {
		name   string
		event  string
		body   []byte
		edit   func(*http.Request)
		status int
		text   string
	}{
		{"a pull request", "pull_request", opened, nil, 202, "accepted"},
		{"an event that concerns nobody", "ping", ping, nil, 202, "accepted; concerns nobody"},
		{"a merge group", "merge_group", []byte(`{"action":"checks_requested","merge_group":{"head_sha":"a"},` + where + `}`), nil, 202, "accepted\n"},
		{"an issue", "issues", []byte(`{"action":"closed","issue":{"number":7},` + where + `}`), nil, 202, "accepted\n"},
		{"an unknown event", "merge_train", ping, nil, 202, "accepted; concerns nobody"},
		{"a content type with a charset", "ping", ping, header("Content-Type", "application/json; charset=utf-8"), 202, "accepted"},
		{"no JSON", "ping", []byte("zen"), nil, 400, "the body is not a payload of this event"},
		{"half of it", "pull_request", opened[:len(opened)/2], nil, 400, "the body is not a payload of this event"},
		{"nothing", "pull_request", nil, nil, 400, "the body is not a payload of this event"},
		{"no event", "ping", ping, header("X-GitHub-Event", ""), 400, "the header X-GitHub-Event is missing or too long"},
		{"no id", "ping", ping, header("X-GitHub-Delivery", ""), 400, "the header X-GitHub-Delivery is missing or too long"},
		{"an id without end", "ping", ping, header("X-GitHub-Delivery", strings.Repeat("x", 129)), 400, "the header X-GitHub-Delivery is missing or too long"},
		{"no signature", "ping", ping, header("X-Hub-Signature-256", ""), 401, "the header X-Hub-Signature-256 is missing or malformed"},
		{"SHA-1 only", "ping", ping, func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", sha1Of(ping))
		}, 401, "the header X-Hub-Signature-256 is missing or malformed"},
		{"SHA-1 in the place of SHA-256", "ping", ping, header("X-Hub-Signature-256", sha1Of(ping)), 401, "the header X-Hub-Signature-256 is missing or malformed"},
		{"SHA-512", "ping", ping, header("X-Hub-Signature-256", "sha512="+strings.Repeat("00", 64)), 401, "the header X-Hub-Signature-256 is missing or malformed"},
		{"no hexadecimal", "ping", ping, header("X-Hub-Signature-256", "sha256="+strings.Repeat("zz", 32)), 401, "the header X-Hub-Signature-256 is missing or malformed"},
		{"another secret", "ping", ping, header("X-Hub-Signature-256", sign(ping, "guess")), 401, "the signature does not match"},
		{"the empty secret", "ping", ping, header("X-Hub-Signature-256", sign(ping, "")), 401, "the signature does not match"},
		{"another body", "ping", ping, header("X-Hub-Signature-256", sign([]byte("{}"), secret)), 401, "the signature does not match"},
		{"a form", "ping", ping, header("Content-Type", "application/x-www-form-urlencoded"), 415, "the content type must be application/json"},
		{"no content type", "ping", ping, header("Content-Type", ""), 415, "the content type must be application/json"},
		{"GET", "ping", ping, func(r *http.Request) { r.Method = "GET" }, 405, "send webhook deliveries here, with POST"},
		{"too large, and says so", "ping", ping, func(r *http.Request) { r.ContentLength = 25<<20 + 1 }, 413, "the body is larger than 26214400 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			sink := &memorySink{}
			h := newHandler(t, sink, func(c *Config) { c.Log = zerolog.New(&log) })
			r := delivery(tt.event, "d-1", tt.body)
			if tt.edit != nil {
				tt.edit(r)
			}
			w := serve(h, r)
			if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.text) {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.text)
			}
			if committed := len(sink.groups) == 1; committed != (tt.status == 202) {
				t.Errorf("answered %d, committed %t", w.Code, committed)
			}
			if tt.status == 405 && w.Header().Get("Allow") != "POST" {
				t.Error("405 without Allow")
			}
			line := log.String()
			if tt.status == 202 && line != "" || tt.status != 202 && strings.Count(line, "\n") != 1 {
				t.Errorf("the log should have a line for each refusal and no other:\n%s", line)
			}
			if strings.Contains(line, "zen") || strings.Contains(line, secret) || strings.Contains(line, "schéma") {
				t.Errorf("the log shows the body or the secret:\n%s", line)
			}
			if tt.status == 400 && strings.Contains(tt.text, "payload") {
				for _, want := range []string{`"delivery":"d-1"`, `"event":"` + tt.event + `"`, `"reason":"read the payload of`, `"status":400`} {
					if !strings.Contains(line, want) {
						t.Errorf("the log lacks %s:\n%s", want, line)
					}
				}
			}
		})
	}
}

// TestExamplesAreAccepted sends all that GitHub's own collection has, as GitHub sends it.
func TestExamplesAreAccepted(t *testing.T) {
	sink := &memorySink{}
	server := httptest.NewServer(newHandler(t, sink, nil))
	defer server.Close()
	for i, e := range payloads(t) {
		r := delivery(e.event, "d-"+strconv.Itoa(i), e.body)
		request, err := http.NewRequest("POST", server.URL, bytes.NewReader(e.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = r.Header
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusAccepted {
			t.Errorf("%s, example %d: %d %s", e.event, i, response.StatusCode, text)
		}
	}
	if got, want := len(sink.groups), len(payloads(t)); got != want {
		t.Errorf("%d deliveries were committed, want %d", got, want)
	}
}

func TestTwoSecretsWhileOneIsReplaced(t *testing.T) {
	current, previous := "old", ""
	h := newHandler(t, &memorySink{}, func(c *Config) {
		c.Secrets = func() ([]byte, []byte) { return []byte(current), []byte(previous) }
	})
	try := func(by string) int {
		r := delivery("ping", "d-1", ping)
		r.Header.Set("X-Hub-Signature-256", sign(ping, by))
		return serve(h, r).Code
	}
	steps := []struct {
		current, previous string
		accepted, refused []string
	}{
		{"old", "", []string{"old"}, []string{"new", ""}},
		{"new", "old", []string{"old", "new"}, []string{"", "newer"}},
		{"new", "", []string{"new"}, []string{"old", ""}},
		{"", "", nil, []string{"new", "old", ""}}, // whatever went wrong, an empty secret opens nothing
	}
	for _, s := range steps {
		current, previous = s.current, s.previous
		for _, by := range s.accepted {
			if code := try(by); code != 202 {
				t.Errorf("with %q and %q, signed by %q: %d, want 202", current, previous, by, code)
			}
		}
		for _, by := range s.refused {
			if code := try(by); code != 401 {
				t.Errorf("with %q and %q, signed by %q: %d, want 401", current, previous, by, code)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Config{Sink: &memorySink{}, Secrets: func() ([]byte, []byte) { return []byte("x"), nil }}
	registry := prometheus.NewRegistry()
	for name, edit := range map[string]func(*Config){
		"no sink":         func(c *Config) { c.Sink = nil },
		"no secrets":      func(c *Config) { c.Secrets = nil },
		"an empty secret": func(c *Config) { c.Secrets = func() ([]byte, []byte) { return nil, []byte("previous") } },
		"metrics that are there already": func(c *Config) {
			registry.MustRegister(prometheus.NewCounterVec(prometheus.CounterOpts{Name: "changegate_webhook_deliveries_total", Help: "x"}, []string{"x"}))
			c.Metrics = registry
		},
	} {
		c := good
		edit(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New took a configuration with %s", name)
		}
	}
}

// push is a payload of about the given size.
func push(size int) []byte {
	body := []byte(`{"ref":"refs/heads/main",` + where + `,"commits":[{"message":"` + strings.Repeat("x", size))
	return append(body, `"}]}`...)
}

func TestLargeBodies(t *testing.T) {
	sink := &memorySink{}
	registry := prometheus.NewPedanticRegistry()
	h := newHandler(t, sink, func(c *Config) { c.Metrics = registry })
	chunked := func(body []byte) *http.Request {
		r := delivery("push", "d-1", body)
		r.ContentLength = -1
		r.Body = io.NopCloser(bytes.NewReader(body))
		return r
	}
	const most = 25 << 20
	exact := push(most - len(push(0)))
	for _, tt := range []struct {
		name    string
		request *http.Request
		status  int
	}{
		{"just under what is small", delivery("push", "d-1", push(smallBody-1000)), 202},
		{"as large as what is small", delivery("push", "d-1", push(smallBody-len(push(0)))), 202},
		{"just over it", delivery("push", "d-1", push(smallBody-len(push(0))+1)), 202},
		{"three", delivery("push", "d-1", push(3<<20)), 202},
		{"three, of unknown length", chunked(push(3 << 20)), 202},
		{"as large as may be", delivery("push", "d-1", exact), 202},
		{"as large as may be, of unknown length", chunked(exact), 202},
		{"one more", delivery("push", "d-1", append(slices.Clone(exact), ' ')), 413},
		{"one more, of unknown length", chunked(append(slices.Clone(exact), ' ')), 413},
	} {
		if w := serve(h, tt.request); w.Code != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.status)
		}
	}
	if !h.memory.TryAcquire(maxBodies) {
		t.Fatal("memory of large bodies is still held")
	}
	if w := serve(h, delivery("push", "d-1", push(3<<20))); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one large body too many: %d %s, want 503 with Retry-After", w.Code, w.Body)
	}
	// Nobody has looked at its signature: it says nothing of the database, which busy is about.
	if got := collect(registry); !strings.Contains(got, `{event="push",outcome="crowded"} 1`) || !strings.Contains(got, `{event="push",outcome="busy"} 0`) {
		t.Errorf("one large body too many is counted as\n%s", got)
	}
	if w := serve(h, delivery("ping", "d-1", ping)); w.Code != 202 {
		t.Errorf("a small one beside many large ones: %d, want 202", w.Code)
	}
}

// TestAClaimedLengthTakesNoMemory shows that what a stranger says of a body's length costs next to nothing before its bytes are there.
func TestAClaimedLengthTakesNoMemory(t *testing.T) {
	h := newHandler(t, &memorySink{}, nil)
	for _, claimed := range []int64{-1, 100, smallBody, maxBody} {
		for _, came := range []int{1, 3000, 20_000} {
			r := delivery("push", "d-1", bytes.Repeat([]byte("{"), came))
			r.ContentLength = claimed
			var buffer bytes.Buffer
			done, refused := h.read(httptest.NewRecorder(), r, &buffer)
			if refused != nil || buffer.Cap() > 2*(firstRead+came) {
				t.Errorf("%d claimed: %v, and %d bytes taken for %d", claimed, refused, buffer.Cap(), came)
			}
			if !h.memory.TryAcquire(maxBodies) {
				t.Fatal("memory of a large body is held for a small one")
			}
			h.memory.Release(maxBodies)
			done()
		}
	}
}

// TestSlowBody sends half a body and waits for the answer.
func TestSlowBody(t *testing.T) {
	sink := &memorySink{}
	server := httptest.NewServer(newHandler(t, sink, func(c *Config) { c.ReadFor = time.Millisecond }))
	defer server.Close()
	head := func(length int) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-GitHub-Event: ping\r\n"+
			"X-GitHub-Delivery: d-1\r\nX-Hub-Signature-256: %s\r\n\r\n", length, sign(ping, secret))
	}
	for _, tt := range []struct {
		name   string
		hangUp bool
		status int
	}{{"slow", false, 408}, {"cut off", true, 400}} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, head(len(ping)+1)+string(ping)); err != nil {
			t.Fatal(err)
		}
		if tt.hangUp {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		_ = response.Body.Close()
		// Under load the end of a body that was cut off may come after the time is up.
		if response.StatusCode != tt.status && response.StatusCode != 408 {
			t.Errorf("%s: %d, want %d", tt.name, response.StatusCode, tt.status)
		}
		_ = conn.Close()
	}
	if len(sink.groups) != 0 {
		t.Errorf("half a body was committed: %v", sink.groups)
	}
}

// TestBodyCutOff is the same without a clock.
func TestBodyCutOff(t *testing.T) {
	r := delivery("ping", "d-1", ping)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(ping[:5]), failing{io.ErrUnexpectedEOF}))
	if w := serve(newHandler(t, &memorySink{}, nil), r); w.Code != 400 || w.Body.String() != "the body ended early\n" {
		t.Errorf("%d %q, want 400", w.Code, w.Body)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// client sends deliveries at once and collects the statuses of the answers. It runs in a bubble of synctest.
type client struct {
	h        *Handler
	mu       sync.Mutex
	statuses map[string]int
}

func (c *client) send(ids ...string) {
	for _, id := range ids {
		go func() {
			w := serve(c.h, delivery("push", id, push(0)))
			c.mu.Lock()
			defer c.mu.Unlock()
			c.statuses[id] = w.Code
		}()
		synctest.Wait() // one after the other, so that they arrive in their order
	}
}

// pause has time pass.
func (c *client) pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (c *client) count(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, s := range c.statuses {
		if s == status {
			n++
		}
	}
	return n
}

func ids(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = prefix + strconv.Itoa(i)
	}
	return out
}

// gate lets a sink's commits pass one at a time, when the test says so.
type gate chan error

func (g gate) during(ctx context.Context, _ []string) error {
	select {
	case err := <-g:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAnsweredOnlyWhenDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		sink := &memorySink{during: g.during}
		c := &client{h: newHandler(t, sink, nil), statuses: map[string]int{}}
		defer c.h.Close(context.Background())
		c.send("d-1")
		if len(c.statuses) != 0 {
			t.Fatalf("answered %v before the commit", c.statuses)
		}
		g <- nil
		synctest.Wait()
		if c.statuses["d-1"] != 202 || len(sink.groups) != 1 {
			t.Errorf("after the commit: %v, %v", c.statuses, sink.groups)
		}
		c.send("d-2")
		g <- errors.New("disk full")
		synctest.Wait()
		if c.statuses["d-2"] != 503 {
			t.Errorf("after a commit that failed: %v, want 503", c.statuses)
		}
	})
}

func TestWhatWaitsIsCommittedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		sink := &memorySink{during: g.during}
		c := &client{h: newHandler(t, sink, nil), statuses: map[string]int{}}
		defer c.h.Close(context.Background())
		c.send("first")
		c.send(ids("d", 450)...)
		for range 4 {
			g <- nil
			synctest.Wait()
		}
		if got, want := sink.sizes(), []int{1, 200, 200, 50}; !slices.Equal(got, want) {
			t.Errorf("groups of %v, want %v", got, want)
		}
		if got := slices.Concat(sink.groups...); !slices.Equal(got, append([]string{"first"}, ids("d", 450)...)) {
			t.Error("not in the order of arrival")
		}
		if c.count(202) != 451 {
			t.Errorf("%d of 451 were accepted", c.count(202))
		}
	})
}

func TestABurstIsCommittedInFewGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memorySink{}
		c := &client{h: newHandler(t, sink, nil), statuses: map[string]int{}}
		defer c.h.Close(context.Background())
		check := func(what string, want ...int) {
			t.Helper()
			if got := sink.sizes(); !slices.Equal(got, want) {
				t.Fatalf("%s: groups of %v, want %v", what, got, want)
			}
		}
		c.send("alone")
		check("one that comes alone", 1)
		c.send(ids("soon", 3)...)
		check("what comes right after it", 1)
		c.pause(9 * time.Millisecond)
		c.send("later")
		check("9 ms later", 1)
		c.pause(time.Millisecond)
		check("10 ms later", 1, 4)
		c.send(ids("many", 16)...)
		check("many", 1, 4, 16)
		c.pause(10 * time.Millisecond)
		c.send("alone again")
		check("10 ms after that", 1, 4, 16, 1)
		c.send("last")
		if err := c.h.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		check("closed", 1, 4, 16, 1, 1)
	})
}

func TestPoisonHarmsNobodyElse(t *testing.T) {
	for name, poisoned := range map[string]func() error{
		"refused": func() error { return errors.New("invalid byte sequence") },
		"panic":   func() error { panic("index out of range") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := make(gate)
				sink := &memorySink{}
				first := true
				sink.during = func(ctx context.Context, ids []string) error {
					if first {
						first = false
						return g.during(ctx, ids)
					}
					if slices.Contains(ids, "poison") {
						return poisoned()
					}
					return nil
				}
				c := &client{h: newHandler(t, sink, nil), statuses: map[string]int{}}
				defer c.h.Close(context.Background())
				c.send("first")
				c.send("a", "poison", "b")
				g <- nil
				c.pause(time.Second)
				if c.count(202) != 3 || c.statuses["poison"] != 503 {
					t.Errorf("answers: %v, want 503 for the poison only", c.statuses)
				}
				if got := slices.Concat(sink.groups...); !slices.Equal(got, []string{"first", "a", "b"}) {
					t.Errorf("committed %v", got)
				}
			})
		})
	}
}

// TestStoreThatHangs has everybody answered when the time for a group is up, whether or not the store ever comes back.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		sink := &memorySink{during: func(ctx context.Context, _ []string) error {
			calls++
			<-ctx.Done()
			return ctx.Err()
		}}
		c := &client{h: newHandler(t, sink, func(c *Config) { c.CommitFor = 8 * time.Second }), statuses: map[string]int{}}
		defer c.h.Close(context.Background())
		start := time.Now()
		c.send("first")
		c.send(ids("d", 100)...)
		time.Sleep(16 * time.Second) // of the bubble's clock: two groups
		synctest.Wait()
		if c.count(503) != 101 {
			t.Errorf("%d of 101 were answered 503 after %v", c.count(503), time.Since(start))
		}
		if calls != 2 {
			t.Errorf("the store was asked %d times, want once a group: there was no time to ask for each", calls)
		}
	})
}

func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		registry := prometheus.NewPedanticRegistry()
		sink := &memorySink{during: g.during}
		h := newHandler(t, sink, func(c *Config) { c.MaxQueue, c.Metrics = 3, registry })
		c := &client{h: h, statuses: map[string]int{}}
		defer h.Close(context.Background())
		c.send("first")
		c.send(ids("d", 3)...)
		w := serve(h, delivery("push", "one too many", push(0)))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%d with Retry-After %q, want 503 and when to come again", w.Code, w.Header().Get("Retry-After"))
		}
		if got := collect(registry); !strings.Contains(got, "\nchangegate_webhook_waiting 3\n") {
			t.Errorf("metrics do not say that 3 are waiting:\n%s", got)
		}
		g <- nil
		g <- nil
		synctest.Wait()
		if c.count(202) != 4 {
			t.Errorf("answers: %v, want that those who waited were accepted", c.statuses)
		}
	})
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		sink := &memorySink{during: g.during}
		c := &client{h: newHandler(t, sink, nil), statuses: map[string]int{}}
		c.send("first")
		c.send(ids("d", 5)...)
		closed := make(chan error, 1)
		go func() { closed <- c.h.Close(context.Background()) }()
		synctest.Wait()
		if w := serve(c.h, delivery("push", "late", push(0))); w.Code != 503 {
			t.Errorf("while closing: %d, want 503", w.Code)
		}
		select {
		case <-closed:
			t.Fatal("Close returned before what waits was committed")
		default:
		}
		g <- nil
		g <- nil
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if got, want := sink.sizes(), []int{1, 5}; !slices.Equal(got, want) || c.count(202) != 6 {
			t.Errorf("groups of %v, answers %v", got, c.statuses)
		}
		if err := c.h.Close(context.Background()); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memorySink{during: make(gate).during} // which never opens
		c := &client{h: newHandler(t, sink, nil), statuses: map[string]int{}}
		c.send("first")
		c.send(ids("d", 5)...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.h.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want that the time was up", err)
		}
		synctest.Wait()
		if c.count(503) != 6 || len(sink.groups) != 0 {
			t.Errorf("answers %v, committed %v, want that nobody was told 202", c.statuses, sink.groups)
		}
	})
}

// TestWhoeverHangsUp takes no place in the queue from anybody: the delivery is committed or not, and nothing waits for its sender.
func TestWhoeverHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		sink := &memorySink{during: g.during}
		h := newHandler(t, sink, nil)
		defer h.Close(context.Background())
		ctx, hangUp := context.WithCancel(t.Context())
		answered := make(chan int, 1)
		go func() { answered <- serve(h, delivery("push", "d-1", push(0)).WithContext(ctx)).Code }()
		synctest.Wait()
		hangUp()
		if code := <-answered; code != 503 {
			t.Errorf("%d, want that nobody is told of a commit that was not seen", code)
		}
		g <- nil
		synctest.Wait()
		if got := sink.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("groups of %v, want the one delivery", got)
		}
	})
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	h := newHandler(t, &memorySink{}, func(c *Config) { c.Metrics = registry })
	serve(h, delivery("push", "d-1", push(0)))
	serve(h, delivery("ping", "d-1", ping))
	serve(h, delivery("made-up-1", "d-1", ping))
	serve(h, delivery("made-up-2", "d-1", ping))
	serve(h, delivery("push", "d-1", ping[1:]))
	unsigned := delivery("push", "d-1", push(0))
	unsigned.Header.Del("X-Hub-Signature-256")
	serve(h, unsigned)
	got := collect(registry)
	for _, want := range []string{
		`changegate_webhook_deliveries_total{event="other",outcome="ignored"} 3`,
		`changegate_webhook_deliveries_total{event="push",outcome="accepted"} 1`,
		`changegate_webhook_deliveries_total{event="push",outcome="malformed"} 1`,
		`changegate_webhook_deliveries_total{event="push",outcome="unsigned"} 1`,
		`changegate_webhook_duration_seconds_count{outcome="accepted"} 1`,
		`changegate_webhook_group_size_count 4`,
		`changegate_webhook_commit_failures_total 0`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(got, "made-up") {
		t.Error("a stranger's header made a series")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// collect returns the metrics as Prometheus reads them.
func collect(registry *prometheus.Registry) string {
	return serve(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), httptest.NewRequest("GET", "/metrics", nil)).Body.String()
}

// compactPull is a pull_request payload as GitHub sends it, 25 KB.
func compactPull(b *testing.B) []byte {
	b.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, payload(b, "pull_request", "labeled")); err != nil {
		b.Fatal(err)
	}
	return compact.Bytes()
}

// BenchmarkHandler measures signature, parsing and commit into nothing, without a network.
func BenchmarkHandler(b *testing.B) {
	body := compactPull(b)
	h := newHandler(b, &memorySink{}, nil)
	request := delivery("pull_request", "d-1", body)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		request.Body = io.NopCloser(bytes.NewReader(body))
		if w := serve(h, request); w.Code != http.StatusAccepted {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkConnections measures the same over 32 connections at once, client included.
func BenchmarkConnections(b *testing.B) {
	const connections = 32
	body := compactPull(b)
	sink := &memorySink{}
	server := httptest.NewServer(newHandler(b, sink, nil))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	header := delivery("pull_request", "d-1", body).Header
	b.SetBytes(int64(len(body)))
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for range work {
				request, _ := http.NewRequest("POST", server.URL, bytes.NewReader(body))
				request.Header = header
				response, err := client.Do(request)
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode != http.StatusAccepted {
					b.Error(response.Status)
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(b.N)/float64(max(len(sink.groups), 1)), "deliveries/commit")
}
