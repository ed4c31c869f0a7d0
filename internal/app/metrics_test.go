package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/changegate/changegate/internal/githubsim"
)

// TestMetrics reads /metrics after a pull request went through every part, and holds the names to Prometheus' conventions.
func TestMetrics(t *testing.T) {
	w := start(t)
	_, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"}})
	must(t, err)
	w.settle(t)
	response, err := http.Get(w.base + "/metrics")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	for _, want := range []string{
		`changegate_webhook_deliveries_total{event="pull_request",outcome="accepted"} `, `changegate_runs_total{kind="pull",outcome="done"} `,
		"\nchangegate_check_lag_seconds_count ", `changegate_queue_unsettled{kind="pull"} 0`, "\nchangegate_ledger_entries ",
		`changegate_github_requests_total{route="`, `changegate_github_rate_remaining{installation="`, `changegate_recorded_total{kind="exception found"} 0`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s in:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "\nchangegate_ledger_entries 0\n") {
		t.Error("nothing was recorded")
	}
	problems, err := promlint.New(strings.NewReader(string(text))).Lint()
	must(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "changegate_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestMetricsAtTheStart: what an alert looks for the increase of is there before the first happens. Prometheus sees no increase in a series that
// begins with 1.
func TestMetricsAtTheStart(t *testing.T) {
	w := start(t)
	for _, series := range []string{
		`changegate_webhook_deliveries_total{event="push",outcome="busy"}`,
		`changegate_webhook_deliveries_total{event="push",outcome="not_committed"}`,
		`changegate_webhook_deliveries_total{event="push",outcome="crowded"}`,
		`changegate_webhook_deliveries_total{event="push",outcome="unsigned"}`,
		`changegate_webhook_deliveries_total{event="other",outcome="unsigned"}`,
		`changegate_webhook_commit_failures_total`,
		`changegate_runs_total{kind="pull",outcome="failed"}`,
		`changegate_runs_total{kind="branch",outcome="failed"}`,
		`changegate_github_rate_limited_total{limit="primary"}`,
		`changegate_github_rate_limited_total{limit="secondary"}`,
		`changegate_recorded_total{kind="exception found"}`,
		`changegate_announcements_total{outcome="failed"}`,
		`changegate_announcements_total{outcome="uncertain"}`,
		`changegate_gate_answers_total{answer="refused"}`,
		`changegate_http_panics_total`,
	} {
		w.mustMeasure(t, series+" 0")
	}
}
