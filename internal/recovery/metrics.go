package recovery

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// metrics are what operators see of deliveries that never arrived.
type metrics struct {
	found       prometheus.Counter
	redelivered prometheus.Counter
	refused     prometheus.Counter
	lost        prometheus.Counter
}

func newMetrics(c Config) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "changegate_deliveries_" + name, Help: help})
	}
	m := &metrics{
		found:       counter("found_missing_total", "Deliveries that GitHub's log lists and that never arrived."),
		redelivered: counter("redelivered_total", "Times that GitHub was asked to deliver one again, and will."),
		refused:     counter("redelivery_refused_total", "Times that it refused to."),
		lost:        counter("lost_total", "Deliveries that never arrived before GitHub forgot them."),
	}
	if c.Metrics == nil {
		return m, nil
	}
	for _, collector := range []prometheus.Collector{m.found, m.redelivered, m.refused, m.lost, waiting{c.Store, c.Logger}} {
		if err := c.Metrics.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// waiting collects how many deliveries are missing, which the database knows, when it is asked for: one process at a time reads the log.
type waiting struct {
	store Store
	log   zerolog.Logger
}

var missingMetric = prometheus.NewDesc("changegate_deliveries_missing",
	"Deliveries in GitHub's log that have not arrived yet; the same for all that share the database.", nil, nil)

// countTime is how long the database may take to say, so that the other metrics come even if it does not.
const countTime = 2 * time.Second

func (w waiting) Describe(out chan<- *prometheus.Desc) { out <- missingMetric }

func (w waiting) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTime)
	defer cancel()
	n, err := w.store.CountMissing(ctx)
	if err != nil {
		w.log.Warn().Err(err).Msg("the missing deliveries cannot be counted, the metrics go without")
		return
	}
	out <- prometheus.MustNewConstMetric(missingMetric, prometheus.GaugeValue, float64(n))
}
