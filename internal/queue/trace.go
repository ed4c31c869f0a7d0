package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
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

// tracesShown is how many traces of one delivery are logged: a push to a branch may concern hundreds of pull requests.
const tracesShown = 20

// insertAccepted inserts the jobs of what deliveries asked for, except those that are known to be there. It returns the traces under which
// each delivery is dealt with, and whether there is more to be run now than before.
func (q *Queue) insertAccepted(ctx context.Context, tx store.Tx, a store.Accepted) (traces map[string][]string, more bool, err error) {
	traces = map[string][]string{}
	follow := func(trace string, deliveries []string) {
		for _, d := range deliveries {
			if trace != "" && !slices.Contains(traces[d], trace) && len(traces[d]) < tracesShown {
				traces[d] = append(traces[d], trace)
			}
		}
	}
	var jobs []insertion
	var causes [][]string
	now := time.Now()
	insert := func(args jobArgs, deliveries []string, u urgency, p patience) {
		opts := args.InsertOpts()
		opts.Metadata = origin{Raised: now.UnixMicro(), Trace: deliveries[0]}.metadata()
		if u == inBackground {
			opts.Priority = backgroundPriority
		}
		jobs, causes = append(jobs, insertion{args, opts, u, p}), append(causes, deliveries)
	}
	add := func(args jobArgs, deliveries []string) { insert(args, deliveries, atOnce, patience{}) }
	for _, id := range a.Added {
		add(discoverArgs{Repository: id}, a.By.Repositories[id])
	}
	for _, f := range a.Floors {
		add(floorArgs{Installation: f.Installation, Delivery: f.Delivery}, []string{f.Delivery})
	}
	for _, key := range a.Raised {
		p := patienceOf(a.CanWait, key, q.Patience)
		if known := a.Jobs[key]; !known.Due.IsZero() && !known.Due.After(now.Add(p.most)) {
			follow(known.Trace, a.By.Pulls[key])
			continue
		}
		u := p.urgency()
		if a.Background[key] {
			u = inBackground
		}
		insert(pulls([]change.PullKey{key})[0], a.By.Pulls[key], u, p)
	}
	for _, e := range a.Errands {
		add(errands([]change.Errand{e})[0], a.By.Errands[e])
	}
	if len(jobs) == 0 {
		return traces, false, nil
	}
	results, err := q.insert(ctx, tx, jobs)
	if err != nil {
		return nil, false, err
	}
	known := map[change.PullKey]store.Job{}
	for i, r := range results {
		trace := originOf(r.JobRow).Trace // that of the job which was there already, if one was
		follow(trace, causes[i])
		more = more || r.more
		if run, ok := jobs[i].args.(reconcileArgs); ok && !r.due.IsZero() {
			known[run.key()] = store.Job{Due: r.due, Trace: trace}
		}
	}
	return traces, more, q.Store.SaveJobs(ctx, tx, known)
}

// tell logs what becomes of deliveries, which are durable now.
func (q *Queue) tell(group []change.Delivery, traces map[string][]string) {
	for _, d := range group {
		log := q.Log.Debug() // nineteen in twenty concern nobody, or were taken before
		if len(traces[d.ID]) > 0 {
			log = q.Log.Info()
		}
		log.Str("delivery", d.ID).Str("event", d.Event).Str("action", d.Action).Strs("traces", traces[d.ID]).Msg("a delivery was taken")
	}
}
