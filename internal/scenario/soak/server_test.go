//go:build unix

// Package soak_test runs the server as processes that are killed, stopped and restarted while people work on GitHub, which has its own
// troubles meanwhile. In the end every check run is what a fresh decision says, nothing was done twice, and the ledger holds.
//
// The processes are this test's own program, started again: one on SQLite, three on PostgreSQL. Time is everybody's.
package soak_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/ramtest"
)

const (
	nameVariable  = "SOAK_REPLICA" // names a process to those that it calls
	aheadVariable = "SOAK_AHEAD"   // how far its clock is ahead of everybody's
	newVariable   = "SOAK_NEW"     // if it is set, the process does not look for what it missed: it is to know nothing of what was before it
	nameHeader    = "Soak-Replica"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(nameVariable); name != "" {
		if err := serve(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ramtest.Main(m)
}

// sweepEvery is how often a process looks for what it missed. A server's minutes would be most of what these tests take.
const sweepEvery = 2 * time.Second

// serve is the server's process. It says where it listens on its standard output.
func serve(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := runOut(); err != nil {
		return err
	}
	ahead, err := time.ParseDuration(os.Getenv(aheadVariable))
	if err != nil {
		return err
	}
	c, err := config.Load("", os.LookupEnv)
	if err != nil {
		return err
	}
	a, err := app.New(ctx, c, zerolog.New(os.Stderr).With().Timestamp().Logger(), app.Options{
		Clock: func() time.Time { return time.Now().Add(ahead) }, Transport: named{name, http.DefaultTransport},
		NoSweeps: os.Getenv(newVariable) != "", SweepEvery: sweepEvery,
	})
	if err != nil {
		return err
	}
	fmt.Println(a.Addr())
	return a.Run(ctx)
}

// named says with each call which process makes it.
type named struct {
	name string
	next http.RoundTripper
}

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(nameHeader, n.name)
	return n.next.RoundTrip(r)
}
