package recovery

import "github.com/prometheus/client_golang/prometheus"

// metrics are what operators see of deliveries that never arrived.
type metrics struct {
	found       prometheus.Counter
	redelivered prometheus.Counter
	refused     prometheus.Counter
	lost        prometheus.Counter
	waiting     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "changegate_deliveries_" + name, Help: help})
	}
	m := &metrics{
		found:       counter("found_missing_total", "Deliveries that GitHub's log lists and that never arrived."),
		redelivered: counter("redelivered_total", "Times that GitHub was asked to deliver one again, and will."),
		refused:     counter("redelivery_refused_total", "Times that it refused to."),
		lost:        counter("lost_total", "Deliveries that never arrived before GitHub forgot them."),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "changegate_deliveries_missing", Help: "Deliveries that have not arrived yet, as of the last look at the log.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.found, m.redelivered, m.refused, m.lost, m.waiting} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
