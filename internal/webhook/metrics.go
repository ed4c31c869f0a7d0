package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the intake's. A nil registerer leaves them uncollected.
type metrics struct {
	deliveries *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	group      prometheus.Histogram
	failed     prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, waiting func() float64) (*metrics, error) {
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_webhook_deliveries_total",
			Help: "Webhook deliveries by event and by what became of them.",
		}, []string{"event", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "changegate_webhook_duration_seconds",
			Help:    "Time from a delivery's arrival to its answer; GitHub waits 10 seconds.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"outcome"}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "changegate_webhook_group_size",
			Help:    "Deliveries committed in one transaction.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200},
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "changegate_webhook_commit_failures_total",
			Help: "Transactions of deliveries that the store did not take.",
		}),
	}
	// An alert on an increase sees the first only if there was none before.
	for _, o := range []outcome{unsigned, crowded, busy, notCommitted} {
		m.deliveries.WithLabelValues(other, string(o))
		for event := range readers {
			m.deliveries.WithLabelValues(event, string(o))
		}
	}
	if registerer == nil {
		return m, nil
	}
	queue := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "changegate_webhook_waiting",
		Help: "Deliveries that wait for their commit.",
	}, waiting)
	for _, c := range []prometheus.Collector{m.deliveries, m.duration, m.group, m.failed, queue} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// other is the event of a delivery whose own means nothing to us.
const other = "other"

// answered counts a request. The event is a header, which the signature does not cover: names that mean nothing to us are
// counted together, so that nobody can make up series without end.
func (m *metrics) answered(event string, o outcome, took time.Duration) {
	if _, known := readers[event]; !known {
		event = other
	}
	m.deliveries.WithLabelValues(event, string(o)).Inc()
	m.duration.WithLabelValues(string(o)).Observe(took.Seconds())
}

func (m *metrics) committed(size int, err error) {
	if err != nil {
		m.failed.Inc()
		return
	}
	m.group.Observe(float64(size))
}
