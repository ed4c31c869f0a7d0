package queue

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// metrics are what operators see of the runs. Labels hold kinds and outcomes, and never names of repositories or people.
type metrics struct {
	runs     *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	lag      prometheus.Histogram
	recorded *prometheus.CounterVec
}

// pullKind is the kind of a run over a pull request, beside the kinds of errand.
const pullKind = "pull"

func newMetrics(r prometheus.Registerer, q *Queue) (*metrics, error) {
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_runs_total",
			Help: "Runs over pull requests and errands by kind and outcome (done, waiting, failed, stopped, superseded).",
		}, []string{"kind", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "changegate_run_duration_seconds",
			Help:    "Time that a run took, by kind.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"kind"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "changegate_check_lag_seconds",
			Help:    "Time from when a pull request was raised, by an event or a timer, until its check said what follows. Failures in between count, sweeps do not.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
		}),
		recorded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_recorded_total",
			Help: "What decisions and errands recorded in the ledger, by kind of entry.",
		}, []string{"kind"}),
	}
	// An alert on an increase notices the first of its kind only if there was a zero before.
	m.runs.WithLabelValues(pullKind, "done")
	m.runs.WithLabelValues(pullKind, "failed")
	for _, k := range []ledger.Kind{ledger.DecisionChanged, ledger.PullEnded, ledger.ExceptionFound, ledger.ExceptionExplained, ledger.ProtectionChanged, ledger.RetrospectiveOverdue} {
		m.recorded.WithLabelValues(string(k))
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.runs, m.seconds, m.lag, m.recorded, depth{q}} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ended counts a run whose end was written.
func (m *metrics) ended(s subject, job *rivertype.JobRow, o outcome, next store.Next, took time.Duration) {
	kind := s.kind()
	m.runs.WithLabelValues(kind, o.name(next)).Inc()
	m.seconds.WithLabelValues(kind).Observe(took.Seconds())
	if kind == pullKind && o.done && next != store.Stale && !isBackground(job) {
		if at := raisedAt(job); !at.IsZero() {
			m.lag.Observe(max(0, time.Since(at).Seconds()))
		}
	}
}

func (m *metrics) record(entries []ledger.Draft) {
	for _, e := range entries {
		m.recorded.WithLabelValues(string(e.Kind)).Inc()
	}
}

func (o outcome) name(next store.Next) string {
	switch {
	case next == store.Stale:
		return "superseded"
	case o.done:
		return "done"
	case o.problem != "":
		return "failed"
	case o.wait > 0:
		return "waiting"
	default:
		return "stopped"
	}
}

// depth collects how much there is to do, by asking the database, whenever the metrics are asked for.
type depth struct{ queue *Queue }

var (
	unsettledMetric = prometheus.NewDesc("changegate_queue_unsettled",
		"Pull requests and errands that were raised and are not yet dealt with, by kind; the same for all that share the database.", []string{"kind"}, nil)
	runningMetric = prometheus.NewDesc("changegate_queue_running", "Runs under way in this process.", nil, nil)
)

// depthTime is how long the database may take to answer, so that the other metrics come even if it does not.
const depthTime = 2 * time.Second

func (d depth) Describe(out chan<- *prometheus.Desc) {
	out <- unsettledMetric
	out <- runningMetric
}

func (d depth) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(runningMetric, prometheus.GaugeValue, float64(d.queue.running.Load()))
	ctx, cancel := context.WithTimeout(context.Background(), depthTime)
	defer cancel()
	pulls, errands, err := d.queue.Store.CountAllUnsettled(ctx)
	if err != nil {
		d.queue.Log.Warn().Err(err).Msg("how much there is to do cannot be counted, the metrics go without")
		return
	}
	out <- prometheus.MustNewConstMetric(unsettledMetric, prometheus.GaugeValue, float64(pulls), pullKind)
	for kind, n := range errands {
		out <- prometheus.MustNewConstMetric(unsettledMetric, prometheus.GaugeValue, float64(n), string(kind))
	}
}

func (a reconcileArgs) kind() string { return pullKind }
func (a errandArgs) kind() string    { return string(a.ErrandKind) }
