package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"
)

// A trace is what each line of the log about one cause has in common, from a delivery to all that was done because of it: GitHub's
// identifier of the delivery, or one made up where there is no delivery. It goes with the job, to the runs that follow it, and to what
// those raise. A delivery about something that is waiting already, or is being looked at, is dealt with under the trace that that has.

type traceKey struct{}

// Trace returns the trace that a handler's context is of; empty: of none.
func Trace(ctx context.Context) string {
	trace, _ := ctx.Value(traceKey{}).(string)
	return trace
}

func withTrace(ctx context.Context, trace string) context.Context {
	return context.WithValue(ctx, traceKey{}, trace)
}

// newTrace makes up the trace of what no delivery is behind.
func newTrace() string { return rand.Text() }

// TraceHook adds the trace to each event of a log that has a context with one.
type TraceHook struct{}

// Run implements zerolog.Hook.
func (TraceHook) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	if trace := Trace(e.GetCtx()); trace != "" {
		e.Str("trace", trace)
	}
}

// origin is what the metadata of a job says: when what it deals with was raised, by River's clock, and under which trace. It outlives the
// job where a run did not get done and another follows it. It is stored: members may be added, not renamed.
type origin struct {
	Raised int64  `json:"raised,omitempty"` // microseconds since 1970
	Trace  string `json:"trace,omitempty"`
}

// raisedNow is the origin of what is raised now, under the trace of whoever raises it.
func raisedNow(ctx context.Context) origin {
	return origin{time.Now().UnixMicro(), cmp.Or(Trace(ctx), newTrace())}
}

func (o origin) metadata() []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // a number and a string
	}
	return text
}

// originOf returns the origin of a job. An earlier version may have left parts of it out.
func originOf(job *rivertype.JobRow) (o origin) {
	_ = json.Unmarshal(job.Metadata, &o)
	return o
}

// raisedAt returns when what a job deals with was raised; zero: it is not known.
func raisedAt(job *rivertype.JobRow) time.Time {
	o := originOf(job)
	if o.Raised == 0 {
		return time.Time{}
	}
	return time.UnixMicro(o.Raised)
}
