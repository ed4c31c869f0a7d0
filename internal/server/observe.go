package server

import (
	"bytes"
	stdlog "log"
	"net/http"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// metrics are those of every route. A route's label is the pattern and never the path, which strangers choose.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_http_requests_total",
			Help: "HTTP requests by route, method and status.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "changegate_http_request_duration_seconds",
			Help:    "Time to answer an HTTP request, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "changegate_http_panics_total",
			Help: "HTTP requests that ended in a panic.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.panics} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(route string, next http.Handler) http.Handler {
	label := prometheus.Labels{"route": route}
	return promhttp.InstrumentHandlerDuration(m.duration.MustCurryWith(label),
		promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(label), next))
}

// recovered answers 500 to a request whose handler panics, with a line in the log. http.ErrAbortHandler is no accident and passes.
func recovered(next http.Handler, route string, log zerolog.Logger, m *metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http compares it
				panic(cause)
			}
			m.panics.Inc()
			log.Error().Str("route", route).Interface("panic", cause).Bytes("stack", debug.Stack()).Msg("panic while answering a request")
			// If the answer has begun already this adds to it, which is the most that can be done.
			http.Error(w, "internal error", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// errorLog is where the standard library's HTTP code writes its complaints, which are of strangers' making more often than of ours.
func errorLog(log zerolog.Logger) *stdlog.Logger { return stdlog.New(complaints{log}, "", 0) }

type complaints struct{ log zerolog.Logger }

func (c complaints) Write(line []byte) (int, error) {
	c.log.Debug().Str("reason", string(bytes.TrimSpace(line))).Msg("http")
	return len(line), nil
}
