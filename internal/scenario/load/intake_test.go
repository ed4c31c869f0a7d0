//go:build linux

package load_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/server"
	"github.com/changegate/changegate/internal/store"
	hook "github.com/changegate/changegate/internal/webhook"
)

// intakeVariable has this program be a server that takes deliveries and does nothing else. It is the URL of a database, or nothing.
const (
	intakeVariable = "LOAD_INTAKE"
	nothing        = "nothing"
	intakeSecret   = "what both know"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(intakeVariable); url != "" {
		if err := take(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// pace has the Go runtime collect garbage as seldom as the program has it; see cli.boundMemory.
var pace = []string{"GOGC=400", "GOMEMLIMIT=80MiB"}

// take takes deliveries until it is told to end. The queue does not run, so that what is measured is the intake.
func take(url string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log, metrics := zerolog.New(os.Stderr), prometheus.NewRegistry()
	var sink hook.Sink = forgetful{}
	if url != nothing {
		s, err := store.Open(ctx, store.Config{URL: url})
		if err != nil {
			return err
		}
		defer s.Close()
		if sink, err = queue.New(queue.Config{Store: s, Metrics: metrics, Log: log}); err != nil {
			return err
		}
	}
	h, err := hook.New(hook.Config{
		Sink: sink, Secrets: func() (current, previous []byte) { return []byte(intakeSecret), nil }, App: 1, Log: log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	ready := server.Probe{Name: "always", Check: func(context.Context) error { return nil }}
	s, err := server.New(server.Config{Address: "127.0.0.1:0", Hook: h, Ready: []server.Probe{ready}, Metrics: metrics, Log: log})
	if err != nil {
		return err
	}
	if err := s.Serve(ctx); err != nil {
		return err
	}
	return h.Close(context.Background())
}

// forgetful is a sink that commits nothing.
type forgetful struct{}

func (forgetful) Deliver(context.Context, []change.Delivery) error { return nil }

// examples are payloads as GitHub sent them, made to be about two hundred pull requests: of labels, pushes, check runs and statuses.
func examples(b *testing.B) (all []webhook) {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", ".cache", "webhooks", "api.github.com.json"))
	if err != nil {
		b.Fatalf("make deps brings what is missing: %v", err)
	}
	var events []struct {
		Name     string
		Examples []json.RawMessage
	}
	must(b, json.Unmarshal(text, &events))
	find := func(event, action string) (found map[string]any) {
		for _, e := range events {
			for _, text := range e.Examples {
				var body map[string]any
				must(b, json.Unmarshal(text, &body))
				if e.Name == event && (action == "" || body["action"] == action) && body["repository"] != nil {
					return body
				}
			}
		}
		b.Fatalf("there is no example of %s %s", event, action)
		return nil
	}
	id := find("pull_request", "labeled")["repository"].(map[string]any)["id"]
	for n := range 200 {
		sha := fmt.Sprintf("%040x", n+1)
		for _, event := range [][2]string{{"pull_request", "labeled"}, {"pull_request", "synchronize"}, {"check_run", "completed"}, {"status", ""}} {
			body := find(event[0], event[1])
			body["repository"].(map[string]any)["id"] = id
			switch event[0] {
			case "pull_request":
				pull := body["pull_request"].(map[string]any)
				body["number"], pull["number"], pull["id"], pull["state"] = n+1, n+1, 1000+n, "open"
				pull["head"].(map[string]any)["sha"] = sha
			case "check_run":
				run := body["check_run"].(map[string]any)
				run["head_sha"], run["id"] = sha, 1000+n
			case "status":
				body["sha"] = sha
			}
			text, err := json.Marshal(body)
			must(b, err)
			all = append(all, sign(event[0], text, intakeSecret))
		}
	}
	return all
}

// intake is a server that takes deliveries, and what that took.
type intake struct {
	*process
	took, cpu time.Duration
}

// send sends deliveries from 32 connections, each the next as soon as the last was acknowledged.
func (s *intake) send(b *testing.B, all []webhook, n int64) {
	b.Helper()
	cpu, began := s.process.cpu(), time.Now()
	var next atomic.Int64
	connections(b, s.base, senders, func(w *wire) error {
		for i := next.Add(1); i <= n; i = next.Add(1) {
			if err := w.send(all[i%int64(len(all))]); err != nil {
				return err
			}
		}
		return nil
	})
	s.took += time.Since(began)
	s.cpu += s.process.cpu() - cpu
}

// BenchmarkIntake sends deliveries to a server that commits them on SQLite, with every commit synced, and to one that does all but the commit. An
// operation is 20,000 of each. They take turns, because the machine may be faster in one second than in the next.
func BenchmarkIntake(b *testing.B) {
	const turns, each = 20, 1000
	all := examples(b)
	serve := func(url string) *intake {
		s := &intake{process: start(b, os.Args[0], nil, append(pace, intakeVariable+"="+url))}
		s.send(b, all, int64(len(all))) // the pull requests are known from now on
		s.took, s.cpu = 0, 0
		return s
	}
	report := func(s *intake, unit string) (rate float64) {
		s.end()
		rate = turns * each / s.took.Seconds()
		b.ReportMetric(rate, unit+"/s")
		b.ReportMetric(float64(s.cpu.Microseconds())/(turns*each), unit+"-server-cpu-µs")
		return rate
	}
	others(b)
	for b.Loop() {
		durable, uncommitted := serve("sqlite:"+filepath.Join(b.TempDir(), "intake.db")), serve(nothing)
		for range turns {
			durable.send(b, all, each)
			uncommitted.send(b, all, each)
		}
		b.ReportMetric(report(durable, "durable")/report(uncommitted, "uncommitted"), "durable/uncommitted")
	}
	b.ReportMetric(0, "ns/op")
	others(b)
}
