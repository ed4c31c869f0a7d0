package github

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/changegate/changegate/internal/change"
)

// metrics are what operators see of the calls to GitHub. Labels hold route templates and never names of repositories or people.
type metrics struct {
	requests  *prometheus.CounterVec
	held      *prometheus.CounterVec
	seconds   prometheus.Histogram
	remaining *prometheus.GaugeVec
	limit     *prometheus.GaugeVec
	limited   *prometheus.CounterVec
	keptBack  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_github_requests_total",
			Help: "Requests sent to GitHub by route and status; 304 is an answer revalidated, error is no answer.",
		}, []string{"route", "status"}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_github_held_answers_total",
			Help: "Reads answered from what was held, without a request, by route.",
		}, []string{"route"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "changegate_github_request_seconds",
			Help:    "Time from sending a request to GitHub to the end of its answer.",
			Buckets: []float64{.025, .05, .1, .2, .4, .8, 1.6, 3.2, 6.4, 12.8},
		}),
		remaining: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "changegate_github_rate_remaining",
			Help: "Calls left in the hour, by installation and resource (core, graphql), as GitHub last said. Installation 0 is the App itself.",
		}, []string{"installation", "resource"}),
		limit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "changegate_github_rate_limit",
			Help: "Calls that an hour has, by installation and resource.",
		}, []string{"installation", "resource"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_github_rate_limited_total",
			Help: "Times that GitHub limited an installation, by limit (primary, secondary).",
		}, []string{"limit"}),
		keptBack: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_github_kept_back_total",
			Help: "Calls that were put off because what is left of a budget is kept for more urgent ones, by class (write, going, starting, background).",
		}, []string{"class"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.held, m.seconds, m.remaining, m.limit, m.limited, m.keptBack} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) setRemaining(id change.InstallationID, resource string, left, limit int) {
	installation := strconv.FormatInt(int64(id), 10)
	m.remaining.WithLabelValues(installation, resource).Set(float64(left))
	if limit > 0 {
		m.limit.WithLabelValues(installation, resource).Set(float64(limit))
	}
}
