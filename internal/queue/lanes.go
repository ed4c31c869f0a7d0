package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// The jobs of each installation wait in a lane of their own: "runs7" is where those of installation 7 wait for the workers of "runs". River
// takes the names of lanes for names of its queues; that a queue's workers take from all of its lanes, in turns, is ours. Lanes are stored
// in the rows of jobs: a job stays in the lane that it was inserted into.

// laneOf names the lane of an installation. The name of a queue ends in a letter, so that queueOf can tell where it ends; and digits sort
// before letters, whatever language a database sorts by.
func laneOf(queue string, id change.InstallationID) string {
	return queue + strconv.FormatInt(int64(id), 10)
}

// queueOf names the queue that a lane is of.
func queueOf(lane string) string { return strings.TrimRight(lane, "0123456789") }

// installationOf returns the installation that a lane is of; 0: it is not known.
func installationOf(lane string) change.InstallationID {
	id, err := strconv.ParseInt(strings.TrimPrefix(lane, queueOf(lane)), 10, 64)
	if err != nil {
		return 0 // an earlier version had no lanes
	}
	return change.InstallationID(id)
}

// lane is what there is to do in a lane.
type lane struct {
	name    string
	running int // in all processes
	// Jobs that could be run now, those of urgent runs apart; as many as there are workers to be given, at most.
	urgent, background int
	served             int64 // when it was last given a worker, by a count of these times; 0: never
}

// share gives workers to lanes, one at a time: each to the lane that runs the fewest jobs, and among those to the one that has waited
// longest for a worker. So a lane with nothing running waits for no more than one job of each other lane, however many wait there.
// Background runs get none while anything else waits. It returns the lanes that were given any, in that order, and for how many jobs each.
func share(lanes []lane, workers int) (order []string, given map[string]int) {
	lanes, given = slices.Clone(lanes), map[string]int{}
	var last int64
	for _, l := range lanes {
		last = max(last, l.served)
	}
	for range workers {
		lanes = slices.DeleteFunc(lanes, func(l lane) bool { return l.urgent+l.background == 0 })
		if len(lanes) == 0 {
			break
		}
		next := &lanes[0]
		for i := range lanes[1:] {
			if l := &lanes[i+1]; before(l, next) {
				next = l
			}
		}
		if next.urgent > 0 {
			next.urgent--
		} else {
			next.background--
		}
		if given[next.name] == 0 {
			order = append(order, next.name)
		}
		given[next.name]++
		next.running++
		last++
		next.served = last
	}
	return order, given
}

func before(a, b *lane) bool {
	return cmp.Or(
		-cmp.Compare(min(a.urgent, 1), min(b.urgent, 1)),
		cmp.Compare(a.running, b.running),
		cmp.Compare(a.served, b.served),
		cmp.Compare(a.name, b.name),
	) < 0
}

// turns remembers when each lane was last given a worker by this process, and lists what there is to do. It is safe for many goroutines.
type turns struct {
	store *store.Store
	now   string                              // the present in the database's SQL, as River writes it
	room  func(id change.InstallationID) bool // see Config; nil: always

	mu     sync.Mutex
	count  int64
	served map[string]int64 // an entry for each installation that ever had a job; they are few
}

func newTurns(c Config, now string) *turns {
	return &turns{store: c.Store, now: now, room: c.Room, served: map[string]int64{}}
}

// lanes lists the lanes of a queue in which something could be run now. Background runs for which there is no room are left out.
func (t *turns) lanes(ctx context.Context, queue string, workers int) (list []lane, err error) {
	const ready = `(SELECT count(*) FROM (SELECT 1 FROM river_job WHERE state = 'available' AND queue = lanes.name AND `
	// The names are found one after the other, each in one step into an index, which SQL's min() would not always take.
	const first = `SELECT queue FROM river_job WHERE state = 'available' AND `
	query := `WITH RECURSIVE lanes (name) AS (
			SELECT (` + first + `queue >= $1 AND queue < $2 ORDER BY queue LIMIT 1)
			UNION ALL SELECT (` + first + `queue > lanes.name AND queue < $2 ORDER BY queue LIMIT 1) FROM lanes WHERE name IS NOT NULL)
		SELECT name, (SELECT count(*) FROM river_job WHERE state = 'running' AND queue = lanes.name),
			` + ready + `priority < $3 AND scheduled_at <= ` + t.now + ` LIMIT $4) AS urgent),
			` + ready + `priority >= $3 AND scheduled_at <= ` + t.now + ` LIMIT $4) AS background)
		FROM lanes WHERE name IS NOT NULL`
	args := []any{queue, queue + "a", backgroundPriority, workers}
	err = t.store.Read(ctx, func(tx store.Tx) error {
		list = nil
		return tx.Query(ctx, query, args, func(scan func(...any) error) error {
			var l lane
			err := scan(&l.name, &l.running, &l.urgent, &l.background)
			list = append(list, l)
			return err
		})
	})
	for i, l := range list {
		if id := installationOf(l.name); l.background > 0 && id != 0 && t.room != nil && !t.room(id) {
			list[i].background = 0
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range list {
		list[i].served = t.served[list[i].name]
	}
	return list, err
}

// gave notes that a lane was given a worker.
func (t *turns) gave(lane string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	t.served[lane] = t.count
}

// fairDriver is a driver of River with which a queue's workers take from its lanes in turns. T is the driver's transaction.
type fairDriver[T any] struct {
	riverdriver.Driver[T]
	turns *turns
}

func (d fairDriver[T]) GetExecutor() riverdriver.Executor {
	return fairExecutor{d.Driver.GetExecutor(), d.turns}
}

func (d fairDriver[T]) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return laneListener{d.Driver.GetListener(p)}
}

type fairExecutor struct {
	riverdriver.Executor
	turns *turns
}

// JobGetAvailable takes jobs from the lanes of a queue. Jobs that were taken are returned even if taking others failed: they count as
// running.
func (e fairExecutor) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) ([]*rivertype.JobRow, error) {
	var taken []*rivertype.JobRow
	locked := map[string]bool{} // lanes whose ready jobs others have locked or just taken
	for len(taken) < p.MaxToLock {
		left := p.MaxToLock - len(taken)
		lanes, err := e.turns.lanes(ctx, p.Queue, left)
		if err != nil {
			return taken, unlessAny(taken, err)
		}
		order, given := share(slices.DeleteFunc(lanes, func(l lane) bool { return locked[l.name] }), left)
		asked, got := 0, 0
		for _, name := range order {
			one := *p
			one.Queue, one.MaxToLock = name, given[name]
			jobs, err := e.Executor.JobGetAvailable(ctx, &one)
			if err != nil {
				return taken, unlessAny(taken, err)
			}
			if len(jobs) == 0 {
				locked[name] = true // it keeps its turn
			} else {
				e.turns.gave(name)
			}
			taken = append(taken, jobs...)
			asked, got = asked+one.MaxToLock, got+len(jobs)
		}
		if got == asked {
			break // otherwise the workers that are left go to the other lanes
		}
	}
	return taken, nil
}

func unlessAny(taken []*rivertype.JobRow, err error) error {
	if len(taken) > 0 {
		return nil
	}
	return err
}

// laneListener passes to the workers of a queue what is announced for one of its lanes.
type laneListener struct{ riverdriver.Listener }

func (l laneListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	n, err := l.Listener.WaitForNotification(ctx)
	if err != nil {
		return n, err
	}
	var told map[string]json.RawMessage
	var lane string
	if json.Unmarshal([]byte(n.Payload), &told) != nil || json.Unmarshal(told["queue"], &lane) != nil {
		return n, nil // it is about no queue
	}
	told["queue"] = json.RawMessage(strconv.Quote(queueOf(lane)))
	payload, err := json.Marshal(told)
	if err != nil {
		return nil, err
	}
	return &riverdriver.Notification{Topic: n.Topic, Payload: string(payload)}, nil
}
