//go:build unix

package soak_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// moment is when something becomes of a process that calls GitHub.
type moment int

const (
	never  moment = iota
	before        // GitHub hears nothing of the call
	after         // GitHub acted on the call, and the process hears nothing of that
	late          // GitHub acts on the call only afterwards
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

	begun, ended time.Time // when GitHub was told, and when it had acted; zero: never
	heard        bool      // the process was still there to hear of it
	late         bool
}

func (w write) String() string {
	return fmt.Sprintf("%s %s by %s (from %s to %s, heard: %t): %s",
		w.method, w.path, w.replica, w.begun.Format(time.StampMicro), w.ended.Format(time.StampMicro), w.heard, w.body)
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
		n := len(w.writes)
		w.writes = append(w.writes, write{replica: replica, method: r.Method, path: r.URL.Path, body: string(body), begun: time.Now(), late: when == late})
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.writes[n].ended, w.writes[n].heard = time.Now(), when == never && r.Context().Err() == nil
		}()
	}
	switch when {
	case late:
		strike()
		fallthrough
	case after:
		w.next.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		if when == after {
			strike()
		}
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
