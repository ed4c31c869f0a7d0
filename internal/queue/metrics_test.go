package queue_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// TestMetrics has one pull request fail once, and be recorded when it goes well.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	s := open(t, time.Now)
	q, err := queue.New(queue.Config{Store: s, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	var failedAt atomic.Int64
	start(t, q, func(ctx context.Context, key change.PullKey) (queue.Result, error) {
		if runs.Add(1) == 1 {
			failedAt.Store(time.Now().UnixMicro())
			return queue.Result{}, errors.New("GitHub answers 502")
		}
		entry := ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: 1}, Body: map[string]string{}}
		return queue.Result{}, q.SaveDecision(ctx, change.Decision{Pull: key}, "d", store.Consequences{}, entry)
	})
	deliver(t, q, labeled("1", pull(1)))
	idle(t, q)
	doneAt := time.Now().UnixMicro()

	want := `
# HELP changegate_queue_running Runs under way in this process.
# TYPE changegate_queue_running gauge
changegate_queue_running 0
# HELP changegate_queue_unsettled Pull requests and errands that were raised and are not yet dealt with, by kind; the same for all that share the database.
# TYPE changegate_queue_unsettled gauge
changegate_queue_unsettled{kind="pull"} 0
# HELP changegate_recorded_total What decisions and errands recorded in the ledger, by kind of entry.
# TYPE changegate_recorded_total counter
changegate_recorded_total{kind="decision changed"} 1
changegate_recorded_total{kind="exception explained"} 0
changegate_recorded_total{kind="exception found"} 0
changegate_recorded_total{kind="protection changed"} 0
changegate_recorded_total{kind="pull request ended"} 0
changegate_recorded_total{kind="retrospective overdue"} 0
# HELP changegate_runs_total Runs over pull requests and errands by kind and outcome (done, waiting, failed, stopped, superseded).
# TYPE changegate_runs_total counter
changegate_runs_total{kind="pull",outcome="done"} 1
changegate_runs_total{kind="pull",outcome="failed"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "changegate_queue_running", "changegate_queue_unsettled",
		"changegate_recorded_total", "changegate_runs_total"); err != nil {
		t.Error(err)
	}
	// The lag is counted from the delivery, and not from the second run, which alone was quick.
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "changegate_check_lag_seconds" {
			continue
		}
		lag := f.GetMetric()[0].GetHistogram()
		least := time.Duration(doneAt-failedAt.Load()) * time.Microsecond / 2 // idle was told a little after the end
		if lag.GetSampleCount() != 1 || lag.GetSampleSum() < least.Seconds() {
			t.Errorf("a lag of %v s in %d runs, want one of %v at least", lag.GetSampleSum(), lag.GetSampleCount(), least)
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
