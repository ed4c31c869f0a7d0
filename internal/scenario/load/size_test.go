//go:build linux

package load_test

import (
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store"
)

var (
	known   = flag.Int("pulls", 1000, "how many open pull requests BenchmarkKnown has the server know")
	entries = flag.Int("entries", 100_000, "how many entries the ledger has that BenchmarkStart starts with")
)

// BenchmarkKnown installs the App where there are many open pull requests, and measures how large the server is that has looked at them all.
func BenchmarkKnown(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		x := prepare(b, worldtest.OwnPolicy)
		pulls := make([]githubsim.Pull, *known)
		for n := range pulls {
			pulls[n] = open(b, x.World, n)
		}
		x.serve()
		others(b)
		b.StartTimer()

		began := time.Now()
		_, err := x.Gate.Install("acme")
		must(b, err)
		x.until("all have a check", func() bool { return x.outcome(pulls[len(pulls)-1]) != "" })
		x.settle()
		took := time.Since(began)

		b.StopTimer()
		for _, p := range pulls {
			if got := x.outcome(p); got != "in_progress" {
				b.Fatalf("%s is %q", p, got)
			}
		}
		now, most := x.server.memory()
		b.ReportMetric(float64(len(pulls)), "pulls")
		b.ReportMetric(now, "server-MB")
		b.ReportMetric(most, "server-peak-MB")
		b.ReportMetric(x.server.cpu().Seconds(), "server-cpu-s")
		b.ReportMetric(took.Seconds(), "all-looked-at-s")
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
	others(b)
}

// BenchmarkStart starts the server on a database whose ledger is long, until it says that it is ready.
func BenchmarkStart(b *testing.B) {
	x := prepare(b, worldtest.OwnPolicy)
	s, err := store.Open(b.Context(), store.Config{URL: x.Data.URL()})
	must(b, err)
	drafts := make([]ledger.Draft, 1000)
	for i := range drafts {
		drafts[i] = ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: i, SHA: strings.Repeat("a", 40)},
			Body: map[string]string{"category": "high-risk", "verdict": "waiting", "description": strings.Repeat("What was approved. ", 20)}}
	}
	for n := 0; n < *entries; n += len(drafts) {
		must(b, s.Append(b.Context(), drafts...))
	}
	must(b, s.Close())
	path := program(b)
	others(b)
	var took, cpu time.Duration
	for b.Loop() {
		began := time.Now()
		p := start(b, path, []string{"serve"}, x.Environment())
		for {
			if status, _ := p.get("/readyz"); status == http.StatusOK {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		took += time.Since(began)
		b.StopTimer()
		cpu += p.cpu()
		now, _ := p.memory()
		b.ReportMetric(now, "server-MB")
		p.end()
		b.StartTimer()
	}
	b.ReportMetric(float64(*entries), "entries")
	b.ReportMetric(took.Seconds()/float64(b.N), "ready-s")
	b.ReportMetric(cpu.Seconds()/float64(b.N), "server-cpu-s")
	b.ReportMetric(0, "ns/op")
	others(b)
}
