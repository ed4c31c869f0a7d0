package github

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what operators see of the calls to GitHub. Labels hold route templates and never names of repositories or people.
type metrics struct {
	requests *prometheus.CounterVec
	held     *prometheus.CounterVec
	seconds  prometheus.Histogram
	limited  *prometheus.CounterVec
	keptBack *prometheus.CounterVec
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
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_github_rate_limited_total",
			Help: "Times that GitHub limited an installation, by limit (primary, secondary).",
		}, []string{"limit"}),
		keptBack: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_github_kept_back_total",
			Help: "Calls that were put off because what is left of a budget is kept for more urgent ones, by class (write, going, starting, background).",
		}, []string{"class"}),
	}
	// An alert on an increase sees the first only if there was none before.
	for _, limit := range []string{"primary", "secondary"} {
		m.limited.WithLabelValues(limit)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.held, m.seconds, m.limited, m.keptBack} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// rates collects what is left of the hourly budgets when it is asked for. A budget whose hour has ended is whole again until GitHub says otherwise.
type rates struct{ github *GitHub }

var (
	remainingMetric = prometheus.NewDesc("changegate_github_rate_remaining",
		"Calls left in the hour, by installation and resource (core, graphql), as GitHub last said. Installation 0 is the App itself.", []string{"installation", "resource"}, nil)
	limitMetric = prometheus.NewDesc("changegate_github_rate_limit", "Calls that an hour has, by installation and resource.", []string{"installation", "resource"}, nil)
)

func (r rates) Describe(out chan<- *prometheus.Desc) {
	out <- remainingMetric
	out <- limitMetric
}

func (r rates) Collect(out chan<- prometheus.Metric) {
	g := r.github
	g.mu.Lock()
	transports := []*transport{g.itself}
	for _, c := range g.clients {
		transports = append(transports, c.transport)
	}
	g.mu.Unlock()
	for _, t := range transports {
		installation := strconv.FormatInt(int64(t.id), 10)
		gauge := func(desc *prometheus.Desc, value int, resource string) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), installation, resource)
		}
		core, graphQL := t.said(g.now())
		for resource, s := range map[string]said{"core": core, "graphql": graphQL} {
			if s.known {
				gauge(remainingMetric, s.left, resource)
			}
			if s.limit > 0 {
				gauge(limitMetric, s.limit, resource)
			}
		}
	}
}

// said is what GitHub said of a budget.
type said struct {
	known       bool
	left, limit int
}

func (t *transport) said(now time.Time) (core, graphQL said) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.core.lastSaid(now), t.graphQL.lastSaid(now)
}

func (b *budget) lastSaid(now time.Time) said {
	s := b.said
	if b.limit > 0 && !b.isKnown(now) {
		s.left = b.limit
	}
	return s
}
