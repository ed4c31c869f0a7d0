package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// healthy answers as long as the process can answer. It looks at nothing else, because whoever asks restarts the process when the
// answer is no, and a restart mends no database.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readiness tells whether a delivery that came now would be taken and acted upon.
type readiness struct {
	probes []Probe
	limit  time.Duration
	ending *atomic.Bool
	log    zerolog.Logger

	mu   sync.Mutex
	said string // what was not ready when it was last logged
}

// readyAnswer is the body of an answer of /readyz.
type readyAnswer struct {
	Ready   bool     `json:"ready"`
	Missing []string `json:"missing,omitempty"` // names of probes, ordered
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	missing := r.missing(request.Context())
	status := http.StatusOK
	if len(missing) > 0 {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(readyAnswer{Ready: len(missing) == 0, Missing: missing})
}

// missing asks all probes at once and returns the names of those that failed or took too long.
func (r *readiness) missing(ctx context.Context) []string {
	if r.ending.Load() {
		return []string{"shutting down"}
	}
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	errs := make([]error, len(r.probes))
	var wg sync.WaitGroup
	for i, p := range r.probes {
		wg.Go(func() { errs[i] = probe(ctx, p) })
	}
	wg.Wait()

	var names, reasons []string
	for i, err := range errs {
		if err != nil {
			names = append(names, r.probes[i].Name)
			reasons = append(reasons, r.probes[i].Name+": "+err.Error())
		}
	}
	slices.Sort(names)
	// Whoever asks and hangs up makes every probe fail; that says nothing about us.
	if context.Cause(ctx) != context.Canceled {
		r.say(names, reasons)
	}
	return names
}

// probe asks a probe, and waits no longer for it than the context allows, which it may not hear of: SQLite waits ten seconds for a lock.
func probe(ctx context.Context, p Probe) error {
	found := make(chan error, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				found <- fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
			}
		}()
		found <- p.Check(ctx)
	}()
	select {
	case err := <-found:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer in time: %w", context.Cause(ctx))
	}
}

// say logs a change of readiness, once, and not each of the many times that somebody asks.
func (r *readiness) say(names, reasons []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := strings.Join(names, ", ")
	switch {
	case now == r.said:
	case now == "":
		r.log.Info().Msg("ready again")
	default:
		r.log.Warn().Strs("reasons", reasons).Msg("not ready")
	}
	r.said = now
}
