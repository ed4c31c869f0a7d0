//go:build unix

package soak_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// moment is when something becomes of a process that calls GitHub.
type moment int

const (
	never  moment = iota
	before        // GitHub hears nothing of the call
	after         // GitHub acted on the call, and the process hears nothing of that
)

// wire is between the processes and GitHub. It knows who wrote what, and may have something happen to whoever calls.
type wire struct {
	next http.Handler

	mu     sync.Mutex
	meet   func(replica string, r *http.Request) (moment, func()) // what is to happen to the caller; nil: nothing
	writes []write
}

// write is a call by which a process changes something.
type write struct {
	replica, method, path, body string
}

func (w *wire) set(meet func(replica string, r *http.Request) (moment, func())) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meet = meet
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	replica := r.Header.Get(nameHeader)
	when, strike := never, func() {}
	w.mu.Lock()
	meet := w.meet
	w.mu.Unlock()
	if replica != "" && meet != nil {
		when, strike = meet(replica, r)
	}
	if when == before {
		strike()
		panic(http.ErrAbortHandler)
	}
	if replica != "" && isWrite(r) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.mu.Lock()
		w.writes = append(w.writes, write{replica, r.Method, r.URL.Path, string(body)})
		w.mu.Unlock()
	}
	if when == after {
		w.next.ServeHTTP(httptest.NewRecorder(), r)
		strike()
		panic(http.ErrAbortHandler)
	}
	w.next.ServeHTTP(rw, r)
}

// isWrite says whether a call changes what people see.
func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/access_tokens") && !strings.HasSuffix(r.URL.Path, "/graphql")
}

// written returns the writes that fit.
func (w *wire) written(fits func(write) bool) (all []write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.writes {
		if fits(x) {
			all = append(all, x)
		}
	}
	return all
}
