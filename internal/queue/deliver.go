package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// Deliver accepts a group of deliveries in one transaction, jobs included. When it returns nil, all of them are durable and those
// that concern someone will be acted on; if it returns an error, none of them is.
func (q *Queue) Deliver(ctx context.Context, group []change.Delivery) error {
	var t traces
	var more bool
	// GitHub waits for the answer, while the runs that would write before it can wait a little.
	err := q.Store.Write(store.First(ctx), func(tx store.Tx) error {
		accepted, err := q.Store.Accept(ctx, tx, group)
		if err != nil {
			return err
		}
		t, more, err = q.insertAccepted(ctx, tx, accepted)
		return err
	})
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	if more { // otherwise the workers were woken before, or the job is found when it is due
		q.engine.wake()
	}
	q.tell(group, t)
	q.signal() // a pull request that is gone needs no run any more
	return nil
}

// insertAccepted inserts the jobs of what deliveries asked for, except those that are known to be there. It returns the traces under which
// each delivery is dealt with, and whether there is more to be run now than before.
func (q *Queue) insertAccepted(ctx context.Context, tx store.Tx, a store.Accepted) (t traces, more bool, err error) {
	t = traces{}
	list := q.jobsFor(a, t)
	if len(list) == 0 {
		return t, false, nil
	}
	jobs := make([]insertion, len(list))
	for i, job := range list {
		jobs[i] = job.insertion
	}
	results, err := q.insert(ctx, tx, jobs)
	if err != nil {
		return nil, false, err
	}
	known := map[change.PullKey]store.Job{}
	for i, r := range results {
		trace := originOf(r.JobRow).Trace // that of the job which was there already, if one was
		t.follow(trace, list[i].causes)
		more = more || r.more
		if run, ok := list[i].args.(reconcileArgs); ok && !r.due.IsZero() {
			known[run.key()] = store.Job{Due: r.due, Trace: trace}
		}
	}
	return t, more, q.Store.SaveJobs(ctx, tx, known)
}

// causedJob is a job to be inserted because of deliveries.
type causedJob struct {
	insertion
	causes []string // the identifiers of the deliveries that asked for it
}

// jobsFor returns the jobs of what deliveries asked for. Of a pull request whose job is known to be there, and due as soon as it should be, it
// notes the trace instead.
func (q *Queue) jobsFor(a store.Accepted, t traces) (list []causedJob) {
	now := time.Now()
	add := func(args jobArgs, causes []string, u urgency, p patience) {
		opts := args.InsertOpts()
		opts.Metadata = origin{Raised: now.UnixMicro(), Trace: causes[0]}.metadata()
		list = append(list, causedJob{insertion{args, opts, u, p}, causes})
	}
	for _, id := range a.Added {
		add(discoverArgs{Repository: id}, a.By.Repositories[id], atOnce, patience{})
	}
	for _, f := range a.Floors {
		add(floorArgs{Installation: f.Installation, Delivery: f.Delivery}, []string{f.Delivery}, atOnce, patience{})
	}
	for _, key := range a.Raised {
		p := patienceOf(a.CanWait, key, q.Patience)
		if known := a.Jobs[key]; !known.Due.IsZero() && !known.Due.After(now.Add(p.most)) {
			t.follow(known.Trace, a.By.Pulls[key])
			continue
		}
		u := p.urgency()
		if a.Background[key] {
			u = inBackground
		}
		add(pullSubject(key), a.By.Pulls[key], u, p)
	}
	for _, e := range a.Errands {
		add(errandSubject(e), a.By.Errands[e], atOnce, patience{})
	}
	return list
}

// traces are those under which each delivery, named by its identifier, is dealt with.
type traces map[string][]string

// tracesShown is how many traces of one delivery are logged: a push to a branch may concern hundreds of pull requests.
const tracesShown = 20

// follow notes that deliveries are dealt with under a trace.
func (t traces) follow(trace string, deliveries []string) {
	for _, d := range deliveries {
		if trace != "" && !slices.Contains(t[d], trace) && len(t[d]) < tracesShown {
			t[d] = append(t[d], trace)
		}
	}
}

// tell logs what becomes of deliveries, which are durable now.
func (q *Queue) tell(group []change.Delivery, t traces) {
	for _, d := range group {
		log := q.Log.Debug() // nineteen in twenty concern nobody, or were taken before
		if len(t[d.ID]) > 0 {
			log = q.Log.Info()
		}
		log.Str("delivery", d.ID).Str("event", d.Event).Str("action", d.Action).Strs("traces", t[d.ID]).Msg("a delivery was taken")
	}
}
