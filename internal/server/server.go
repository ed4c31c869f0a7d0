// Package server is the HTTP server: it routes to the handlers that it is given, says whether the process lives and whether it is
// ready, shows metrics, and ends without cutting off what is under way.
//
//	POST /api/github/hook   GitHub's deliveries
//	POST /api/gate          jobs that ask whether they may deploy
//	GET  /healthz           200 while the process serves at all
//	GET  /readyz            200 when everything that a delivery needs works; else 503 and what does not
//	GET  /metrics           Prometheus
//	/                       whatever Config.Pages has, which is one page that says what this is
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

const (
	HookPath = "/api/github/hook" // where GitHub sends deliveries to
	GatePath = "/api/gate"        // where jobs ask whether they may deploy
)

// Registry is what metrics are registered with and collected from; a *prometheus.Registry is one.
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// Config is what a Server needs. Hook, Ready and Metrics must be set.
type Config struct {
	Address string       // HOST:PORT; port 0 takes a free one, which Addr tells
	Hook    http.Handler // takes deliveries, and refuses other methods than POST itself
	Gate    http.Handler // takes what jobs ask, and refuses other methods than POST itself; nil: 404
	Pages   http.Handler // everything else; nil: 404
	Ready   []Probe
	Metrics Registry
	Log     zerolog.Logger

	ProbeFor    time.Duration // how long the probes may take; 0: 2 s
	ShutdownFor time.Duration // how long requests under way may take when the server ends; 0: 10 s
}

// Probe is one thing that must work for the server to be ready. Check returns why it does not, or nil; nobody waits for it
// once its context has ended, and it is called by many goroutines. The reason goes to the log; the name is shown to whoever asks.
type Probe struct {
	Name  string // "store", "queue", "private key"
	Check func(context.Context) error
}

// Server is an HTTP server. It listens from New on, and serves while Serve runs.
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server
	ready    *readiness
	ending   atomic.Bool
}

// New listens on the address and returns a server that does not serve yet. Connections made meanwhile wait.
func New(c Config) (*Server, error) {
	if c.Hook == nil || c.Metrics == nil || len(c.Ready) == 0 {
		return nil, errors.New("server: no hook, no metrics or nothing to be ready")
	}
	if c.ProbeFor == 0 {
		c.ProbeFor = 2 * time.Second
	}
	if c.ShutdownFor == 0 {
		c.ShutdownFor = 10 * time.Second
	}
	s := &Server{config: c}
	s.ready = &readiness{probes: c.Ready, limit: c.ProbeFor, ending: &s.ending, log: c.Log}
	handler, err := s.routes()
	if err != nil {
		return nil, err
	}
	s.listener, err = net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("server: listen: %w: %s", err, mendOf(err))
	}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      45 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          errorLog(c.Log),
	}
	return s, nil
}

// mendOf says what to do where nothing can listen.
func mendOf(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "that is no address of this machine: name one that is in server.address, or :PORT for all of them"
	case errors.Is(err, syscall.EACCES):
		return "this user may not use that port, as it is with those below 1024: name another in server.address, and have the proxy send there"
	}
	return "stop what listens there, or name another address in server.address"
}

// Addr is the address that the server listens on, as HOST:PORT.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve serves until ctx ends. Then it takes no new connections, says that it is not ready, and returns when the requests under way
// are answered, or with an error when that takes longer than ShutdownFor. It closes the listener, and can be called once.
func (s *Server) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	s.config.Log.Info().Str("address", s.Addr()).Msg("serving")

	select {
	case err := <-served:
		return fmt.Errorf("server: serve: %w", err)
	case <-ctx.Done():
	}
	s.ending.Store(true)
	s.config.Log.Info().Msg("shutting down, finishing what is under way")
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownFor)
	defer cancel()
	if err := s.http.Shutdown(limit); err != nil {
		_ = s.http.Close() // what is still under way is cut off now
		<-served
		return fmt.Errorf("server: finish the requests under way: %w", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("server: serve: %w", err)
	}
	return nil
}

// ServeHTTP serves one request as Serve would, for tests and for whoever has a listener of their own.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

func (s *Server) routes() (http.Handler, error) {
	m, err := newMetrics(s.config.Metrics)
	if err != nil {
		return nil, fmt.Errorf("server: register metrics: %w", err)
	}
	mux := http.NewServeMux()
	handle := func(pattern, route string, h http.Handler) {
		mux.Handle(pattern, m.observe(route, recovered(h, route, s.config.Log, m)))
	}
	handle(HookPath, HookPath, s.config.Hook)
	gate := s.config.Gate
	if gate == nil {
		gate = http.NotFoundHandler() // and not Pages, which would answer a job with something to read
	}
	handle(GatePath, GatePath, gate)
	handle("GET /healthz", "/healthz", http.HandlerFunc(healthy))
	handle("GET /readyz", "/readyz", s.ready)
	handle("GET /metrics", "/metrics", promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{ErrorLog: errorLog(s.config.Log)}))
	pages := s.config.Pages
	if pages == nil {
		pages = http.NotFoundHandler()
	}
	handle("/", "/", pages)
	return mux, nil
}
