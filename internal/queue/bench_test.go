package queue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
)

// BenchmarkDeliver accepts deliveries in groups of 200, as a burst comes in: label events with the pull request's description, pushes,
// check runs on heads and on other commits, over 200 pull requests whose jobs wait. An operation is one group.
func BenchmarkDeliver(b *testing.B) {
	const size = 200
	s := open(b, time.Now)
	q := newQueue(b, s)
	n := 0
	for b.Loop() {
		group := make([]change.Delivery, size)
		for i := range group {
			group[i] = mixed(n, i)
		}
		n++
		deliver(b, q, group...)
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "deliveries/s")
}

func mixed(n, i int) change.Delivery {
	d := labeled(fmt.Sprintf("%d-%d", n, i), pull(i%200+1))
	head := change.SHA(fmt.Sprintf("%040x", i%200))
	switch i % 4 {
	case 0:
		d.Pull = described(d.Key, head, d.ReceivedAt)
		d.Label = &change.LabelEvent{Label: "urgent", Added: true, By: change.Account{ID: 1, Login: "alice"}, At: d.ReceivedAt}
	case 1:
		d.Action = "synchronize"
		d.Pull = described(d.Key, head, d.ReceivedAt)
		d.Push = &change.Push{Before: "1", After: head, By: change.Account{ID: 1, Login: "alice"}, At: d.ReceivedAt}
	default:
		d.Event, d.Action, d.Key, d.Head, d.Concerns = "check_run", "completed", change.PullKey{}, head, change.ConcernChecks
		if i%4 == 3 {
			d.Head = change.SHA(fmt.Sprintf("%039xf", n))
		}
		d.Check = &change.Check{Name: "build", State: change.CheckSuccess, App: "github-actions", RunID: int64(n + i), At: d.ReceivedAt}
	}
	return d
}

func described(key change.PullKey, head change.SHA, at time.Time) *change.Pull {
	return &change.Pull{
		Number: key.Number, Title: "Add an index", Body: fmt.Sprintf("%01500d", 0), State: change.Open, Author: change.Account{ID: 1, Login: "alice"},
		Head: change.Branch{Repository: key.Repository, Name: "topic", SHA: head}, Base: change.Branch{Repository: key.Repository, Name: "main"},
		Labels: []string{"urgent"}, CreatedAt: at, UpdatedAt: at,
	}
}

// BenchmarkPickUp measures how long after Deliver returned, which is when GitHub gets its answer, a run begins, one at a time.
func BenchmarkPickUp(b *testing.B) {
	s := open(b, time.Now)
	q := newQueue(b, s)
	began := make(chan time.Time, 1)
	start(b, q, func(context.Context, change.PullKey) (queue.Result, error) {
		began <- time.Now()
		return queue.Result{}, nil
	})
	var waits []time.Duration
	n := 0
	for b.Loop() {
		n++
		deliver(b, q, labeled(fmt.Sprint(n), pull(n%50+1)))
		delivered := time.Now()
		waits = append(waits, max((<-began).Sub(delivered), 0))
		idle(b, q)
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
}
