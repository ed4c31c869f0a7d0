//go:build linux

package load_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// BenchmarkAcknowledge sends five hundred deliveries a second to the whole server, which looks at the pull requests that they are about
// meanwhile: two hundred, of which it is told again and again that they were labelled and approved and how their checks are. How
// long an acknowledgement takes is counted from when the delivery was to be sent. An operation is thirty seconds of that.
func BenchmarkAcknowledge(b *testing.B) {
	const rate, pulls, deliveries = 500, 200, 15_000
	x := found(b, worldtest.OwnPolicy)
	for n := range pulls {
		p := open(b, x.World, n)
		must(b, x.Sim.As("alice").AddLabel(p, "high-risk"))
		must(b, x.Sim.As("bob").Approve(p))
		must(b, report{p, 0, true}.send(x.Sim))
		must(b, report{p, jobs, true}.send(x.Sim))
	}
	x.settle()
	var secret string
	for _, e := range x.Environment() {
		if value, ok := strings.CutPrefix(e, "GITHUB_APP_WEBHOOK_SECRET="); ok {
			secret = value
		}
	}
	var all []webhook
	for _, d := range x.Gate.Deliveries() {
		switch d.Event + " " + d.Action {
		case "pull_request labeled", "pull_request_review submitted", "status ", "check_run created", "check_run completed":
			all = append(all, sign(d.Event, d.Payload, secret))
		}
	}
	others(b)
	for b.Loop() {
		cpu := x.server.cpu()
		ended := x.server.metric("changegate_runs_total")
		x.Sim.ResetCalls()
		var next atomic.Int64
		var mu sync.Mutex
		took := make([]time.Duration, 0, deliveries)
		began := time.Now()
		connections(b, x.server.base, senders, func(w *wire) error {
			for i := next.Add(1) - 1; i < deliveries; i = next.Add(1) - 1 {
				at := began.Add(time.Duration(i) * time.Second / rate)
				time.Sleep(time.Until(at))
				if err := w.send(all[i%int64(len(all))]); err != nil {
					return err
				}
				mu.Lock()
				took = append(took, time.Since(at))
				mu.Unlock()
			}
			return nil
		})
		lasted := time.Since(began).Seconds()
		b.ReportMetric(deliveries/lasted, "deliveries/s")
		b.ReportMetric(percentile(took, 500), "p50-ms")
		b.ReportMetric(percentile(took, 990), "p99-ms")
		b.ReportMetric((x.server.metric("changegate_runs_total")-ended)/lasted, "runs/s")
		b.ReportMetric(float64(x.calls())/lasted, "github-calls/s")
		b.ReportMetric((x.server.cpu()-cpu).Seconds()/lasted, "server-cpus")
	}
	b.ReportMetric(0, "ns/op")
	others(b)
	x.settle()
}
