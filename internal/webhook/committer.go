package webhook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
)

var (
	errFull   = errors.New("too many deliveries are waiting")
	errClosed = errors.New("the server is shutting down")
)

// committer commits deliveries in groups: a lone delivery at once, and in a burst whatever arrived since the last commit began, so that it costs
// few transactions.
type committer struct {
	sink    Sink
	most    int           // deliveries in a group
	every   time.Duration // how long after one commit began the next one begins, unless enough are waiting
	began   time.Time     // when the last one did; only run uses it
	limit   time.Duration // for one group, its second attempts included
	log     zerolog.Logger
	observe func(size int, err error)

	ctx    context.Context // of the commits; it ends only when close gives up waiting
	cancel context.CancelFunc
	queue  chan *pending
	done   chan struct{} // closed when run has returned

	mu     sync.RWMutex // held to write while the queue is closed, and to read while something is put into it
	closed bool
}

type pending struct {
	delivery change.Delivery
	result   chan error // has room for the one result, so that the committer never waits for whoever asked
}

// submit waits until the delivery is durable. It returns errFull or errClosed for one that was not taken. When ctx ends first, the
// delivery may become durable all the same, which does no harm: its redelivery is then a repetition.
func (c *committer) submit(ctx context.Context, d change.Delivery) error {
	p := &pending{delivery: d, result: make(chan error, 1)}
	if err := c.enqueue(p); err != nil {
		return err
	}
	select {
	case err := <-p.result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *committer) enqueue(p *pending) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return errClosed
	}
	select {
	case c.queue <- p:
		return nil
	default:
		return errFull
	}
}

// run commits until the queue is closed and empty.
func (c *committer) run() {
	defer close(c.done)
	for first := range c.queue {
		group := c.gather(first)
		c.began = time.Now()
		c.commit(group)
	}
}

// enough is how many deliveries are not kept waiting for more: what a transaction costs in itself is little for each of them.
const enough = 16

// gather takes what is waiting. Where the last commit has only just begun, it waits a little for more.
func (c *committer) gather(first *pending) []*pending {
	group := []*pending{first}
	for len(group) < c.most {
		var wait time.Duration
		if len(group) < enough {
			wait = time.Until(c.began.Add(c.every))
		}
		p := c.next(wait)
		if p == nil {
			break
		}
		group = append(group, p)
	}
	return group
}

// next returns the next delivery that is there already, or comes in time; nil: there is none, or the queue is closed.
func (c *committer) next(wait time.Duration) *pending {
	select {
	case p := <-c.queue:
		return p
	default:
	}
	if wait <= 0 {
		return nil
	}
	select {
	case p := <-c.queue:
		return p
	case <-time.After(wait):
		return nil
	}
}

// commit commits a group and answers each of it. If the group fails, each delivery is tried alone, so that one that the store
// refuses does not take its neighbours with it. One time limit holds for all of that: when the store is away, everybody hears
// so while GitHub still listens.
func (c *committer) commit(group []*pending) {
	ctx, cancel := context.WithTimeout(c.ctx, c.limit)
	defer cancel()

	err := c.deliver(ctx, group)
	if err == nil || len(group) == 1 {
		for _, p := range group {
			p.result <- err
		}
		return
	}
	c.log.Warn().Err(err).Int("deliveries", len(group)).Msg("a group of deliveries was not committed, trying each alone")
	for i, p := range group {
		if ctx.Err() != nil {
			for _, rest := range group[i:] {
				rest.result <- err
			}
			return
		}
		p.result <- c.deliver(ctx, group[i:i+1])
	}
}

// deliver commits once. A panic in the sink is that commit's error: it must not end the process, because the delivery that caused it
// will be sent again.
func (c *committer) deliver(ctx context.Context, group []*pending) (err error) {
	defer func() { c.observe(len(group), err) }()
	defer func() {
		if cause := recover(); cause != nil {
			c.log.Error().Bytes("stack", debug.Stack()).Msg("panic while committing deliveries")
			err = fmt.Errorf("commit %d deliveries: panic: %v", len(group), cause)
		}
	}()
	deliveries := make([]change.Delivery, len(group))
	for i, p := range group {
		deliveries[i] = p.delivery
	}
	if err := c.sink.Deliver(ctx, deliveries); err != nil {
		return fmt.Errorf("commit %d deliveries: %w", len(group), err)
	}
	return nil
}

// close refuses what comes from now on, and returns when everything taken so far is committed and answered. When ctx ends first,
// the commit under way is cancelled, and what waits is answered with an error.
func (c *committer) close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()

	select {
	case <-c.done:
		c.cancel()
		return nil
	case <-ctx.Done():
		c.cancel()
		return fmt.Errorf("commit the deliveries that are waiting: %w", context.Cause(ctx))
	}
}
