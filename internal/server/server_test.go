package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
}

func works(context.Context) error { return nil }

// newServer returns a server on a free port with a log; change may be nil.
func newServer(t *testing.T, change func(*Config)) (*Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := Config{
		Address: "127.0.0.1:0",
		Hook:    text("hook"),
		Ready:   []Probe{{"store", works}},
		Metrics: prometheus.NewRegistry(),
		Log:     zerolog.New(zerolog.SyncWriter(&log)),
	}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.listener.Close() })
	return s, &log
}

func get(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestRoutes(t *testing.T) {
	bare, _ := newServer(t, nil)
	full, _ := newServer(t, func(c *Config) { c.Pages, c.Gate = text("pages"), text("gate") })
	noGate, _ := newServer(t, func(c *Config) { c.Pages = text("pages") })
	tests := []struct {
		server       *Server
		method, path string
		status       int
		body         string
	}{
		{bare, "POST", "/api/github/hook", 200, "hook"},
		{bare, "GET", "/api/github/hook", 200, "hook"}, // the handler itself answers 405, and says why
		{bare, "GET", "/healthz", 200, "ok\n"},
		{bare, "HEAD", "/healthz", 200, "ok\n"}, // a recorder keeps what a real answer to HEAD leaves out
		{bare, "GET", "/readyz", 200, `{"ready":true}` + "\n"},
		{bare, "POST", "/nowhere", 404, "404 page not found\n"},
		{full, "GET", "/", 200, "pages"},
		{full, "POST", "/api/gate", 200, "gate"},
		{full, "GET", "/api/gate", 200, "gate"}, // the same
		{noGate, "POST", "/api/gate", 404, "404 page not found\n"},
		{full, "GET", "/api/github/hook/", 200, "pages"},
	}
	for _, tt := range tests {
		w := get(tt.server, tt.method, tt.path)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	var broken sync.Map // name → error
	var ended chan struct{}
	probe := func(name string) Probe {
		return Probe{name, func(ctx context.Context) error {
			err, ok := broken.Load(name)
			switch {
			case !ok:
				return nil
			case err == nil:
				<-ctx.Done()
				return ctx.Err()
			case err == "deaf":
				<-ended // and hears of nothing else
				return nil
			case err == "panic":
				panic("at the probe")
			}
			return err.(error)
		}}
	}
	synctest.Test(t, func(t *testing.T) {
		ended = make(chan struct{})
		defer close(ended)
		s, log := newServer(t, func(c *Config) { c.Ready = []Probe{probe("store"), probe("queue"), probe("private key")} })
		expect := func(status int, body string) {
			t.Helper()
			w := get(s, "GET", "/readyz")
			if w.Code != status || strings.TrimSpace(w.Body.String()) != body {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, body)
			}
		}
		expect(200, `{"ready":true}`)
		broken.Store("store", errors.New("dial 10.0.0.1: refused"))
		broken.Store("queue", nil) // hangs; time here is not real
		expect(503, `{"ready":false,"missing":["queue","store"]}`)
		expect(503, `{"ready":false,"missing":["queue","store"]}`)
		if n := strings.Count(log.String(), "dial 10.0.0.1: refused"); n != 1 {
			t.Errorf("the reason is logged %d times, want once:\n%s", n, log)
		}
		broken.Clear()
		broken.Store("store", any("deaf"))
		expect(503, `{"ready":false,"missing":["store"]}`)
		broken.Clear()
		broken.Store("private key", any("panic"))
		expect(503, `{"ready":false,"missing":["private key"]}`)
		broken.Clear()
		expect(200, `{"ready":true}`)
		if !strings.Contains(log.String(), "ready again") {
			t.Errorf("the log does not say that it is ready again:\n%s", log)
		}
		s.ending.Store(true)
		expect(503, `{"ready":false,"missing":["shutting down"]}`)
	})
}

func TestPanicBecomes500(t *testing.T) {
	s, log := newServer(t, func(c *Config) {
		c.Hook = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a nil map") })
		c.Pages = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	if w := get(s, "POST", HookPath); w.Code != 500 || w.Body.String() != "internal error\n" {
		t.Errorf("%d %q, want a 500 that gives nothing away", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "a nil map") || !strings.Contains(log.String(), "server_test.go") {
		t.Errorf("the log has no cause or no stack:\n%s", log)
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("an aborted handler was not left to net/http")
		}
	}()
	get(s, "GET", "/")
}

func TestMetrics(t *testing.T) {
	s, _ := newServer(t, nil)
	get(s, "POST", HookPath)
	get(s, "GET", "/some/path")
	get(s, "BREW", "/coffee")
	body := get(s, "GET", "/metrics").Body.String()
	for _, want := range []string{
		`changegate_http_requests_total{code="200",method="post",route="/api/github/hook"} 1`,
		`changegate_http_requests_total{code="404",method="get",route="/"} 1`,
		`changegate_http_requests_total{code="404",method="unknown",route="/"} 1`,
		`changegate_http_request_duration_seconds_count{route="/api/github/hook"} 1`,
		`changegate_http_panics_total 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, body)
		}
	}
}

// TestShutdownFinishesWhatIsUnderWay ends the server in the middle of a request, which is answered all the same.
func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, func(c *Config) {
		c.Hook = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-finish
			w.WriteHeader(http.StatusAccepted)
		})
	})
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	status := make(chan int, 1)
	go func() {
		response, err := http.Post("http://"+s.Addr()+HookPath, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	<-arrived
	end()
	select {
	case err := <-served:
		t.Fatalf("Serve returned with a request under way: %v", err)
	case <-status:
		t.Fatal("the request was cut off")
	default:
	}
	close(finish)
	if got := <-status; got != http.StatusAccepted {
		t.Errorf("status %d, want 202", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := http.Get("http://" + s.Addr() + "/healthz"); err == nil {
		t.Error("the server answers after it has ended")
	}
}

func TestShutdownGivesUp(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, func(c *Config) {
		c.ShutdownFor = 1 // a nanosecond
		c.Hook = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-finish })
	})
	ctx, end := context.WithCancel(t.Context())
	served, cut := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	go func() {
		_, err := http.Post("http://"+s.Addr()+HookPath, "application/json", strings.NewReader("{}"))
		cut <- err
	}()
	<-arrived
	end()
	if err := <-served; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve: %v, want that the time was up", err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered although its handler never ended")
	}
	close(finish)
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Config{Address: "127.0.0.1:0"}); err == nil {
		t.Error("New took a configuration without a hook")
	}
	first, _ := newServer(t, nil)
	_, err := New(Config{Address: first.Addr(), Hook: text(""), Ready: []Probe{{"store", works}}, Metrics: prometheus.NewRegistry()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("New: %v, want that the address is in use", err)
	}
}

func TestMendOf(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.EADDRINUSE:    "stop what listens there, or name another address in server.address",
		syscall.EADDRNOTAVAIL: "that is no address of this machine: ",
		syscall.EACCES:        "this user may not use that port, ",
	} {
		if got := mendOf(&net.OpError{Op: "listen", Net: "tcp", Err: cause}); !strings.HasPrefix(got, want) {
			t.Errorf("%v: %s, want %q", cause, got, want)
		}
	}
}
