// Package notify posts announcements to Slack: one post for each, however often the process dies or an answer is lost, in the order in
// which they were left, those of an errand in one thread a channel.
//
// An announcement is an effect for each of its channels (see package effect). Its key goes along with the post, as metadata that nobody
// sees, and an attempt whose answer was lost is looked for in the channel's history. Where Slack does not let it be read, nothing is
// posted again and the record says that it is uncertain.
//
// What will not mend by itself is recorded as failed, with what an operator should do, and the next announcement has its turn. While Slack
// is away, or says wait, the announcements wait and nothing else does.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

const (
	leaseTime = 30 * time.Second // longer than a run may last
	held      = time.Second      // until another run's lease is asked for again
	maxRetry  = time.Minute      // the queue waits no longer for a run that is not done
)

// Store is what is remembered of announcements; see store.Store.
type Store interface {
	effect.Store
	BeginErrand(ctx context.Context, e change.Errand) (store.ErrandWork, error)
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error)
	Release(ctx context.Context, lease store.Lease) error
}

// Config is what an Announcer needs.
type Config struct {
	Store Store
	// Save keeps what a run leaves; see queue.Queue.SaveErrand.
	Save func(ctx context.Context, e change.Errand, s store.ErrandSave) error
	// Token returns the bot's token as it is now; empty: there is none, and announcements are recorded as failed.
	Token func() string
	// APIURL is where Slack's methods are called, without a trailing slash. It is used with a token only.
	APIURL string
	// Transport carries the calls; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Holder names this process in leases.
	Holder  string
	Clock   func() time.Time // nil: time.Now
	Log     zerolog.Logger
	Metrics prometheus.Registerer // nil: none
}

// Announcer posts announcements. It is safe for many goroutines.
type Announcer struct {
	Config
	client   *http.Client
	outcomes *prometheus.CounterVec

	mu    sync.Mutex
	until map[string]time.Time // when a channel, or Slack at all, may be called again
}

// New returns an Announcer.
func New(c Config) (*Announcer, error) {
	if c.Store == nil || c.Save == nil || c.Token == nil {
		return nil, errors.New("notify: the store, what saves and the token must be given")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	a := &Announcer{Config: c, client: newClient(c.Transport), until: map[string]time.Time{}}
	a.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "changegate_announcements_total",
		Help: "Attempts to post to Slack by outcome (posted, found after a lost answer, delayed, failed, uncertain).",
	}, []string{"outcome"})
	// An alert on an increase sees the first only if there was none before.
	for _, outcome := range []string{"failed", "uncertain"} {
		a.outcomes.WithLabelValues(outcome)
	}
	if c.Metrics != nil {
		if err := c.Metrics.Register(a.outcomes); err != nil {
			return nil, fmt.Errorf("notify: %w", err)
		}
	}
	return a, nil
}

// Run posts what was left for an errand of kind change.ErrandAnnouncement and has not been posted yet. It is a handler of package queue.
// An error is one of the store; trouble with Slack is none, but a Result that says when to try again.
func (a *Announcer) Run(ctx context.Context, e change.Errand) (queue.Result, error) {
	lease, err := a.Store.Acquire(ctx, store.ErrandLease(e), a.Holder, leaseTime)
	if errors.Is(err, store.ErrHeld) {
		return queue.Result{RetryAt: a.Clock().Add(held)}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	defer a.release(ctx, lease)
	work, err := a.Store.BeginErrand(ctx, e)
	if errors.Is(err, store.ErrNotFound) {
		return queue.Result{}, nil // its repository is gone, and with it who would want to know
	}
	if err != nil {
		return queue.Result{}, err
	}
	if len(work.Notes) == 0 {
		return queue.Result{}, nil
	}
	r, err := a.begin(ctx, work, lease)
	if err != nil {
		return queue.Result{}, err
	}
	taken, err := r.announce(ctx, work.Notes)
	if err == nil {
		// A crash before this is no harm: the effects say what was posted, and where.
		err = r.save(ctx, taken)
	}
	if errors.Is(err, store.ErrFenced) {
		return queue.Result{RetryAt: a.Clock().Add(held)}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	return r.result(), nil
}

func (a *Announcer) begin(ctx context.Context, work store.ErrandWork, lease store.Lease) (*run, error) {
	r := &run{
		Announcer: a, errand: work.Errand, lease: lease, waits: map[string]bool{}, broken: map[string]bool{},
		log: a.Log.With().Ctx(ctx).Stringer("errand", work.Errand).Logger(),
	}
	if work.State != nil {
		if err := json.Unmarshal(work.State, &r.state); err != nil {
			return nil, fmt.Errorf("read the state of errand %s: %w", work.Errand, err)
		}
	}
	if token := a.Token(); token != "" {
		r.api = slack.New(token, slack.OptionAPIURL(a.APIURL+"/"), slack.OptionHTTPClient(a.client))
	}
	return r, nil
}

func (a *Announcer) release(ctx context.Context, lease store.Lease) {
	if err := a.Store.Release(context.WithoutCancel(ctx), lease); err != nil {
		a.Log.Debug().Err(err).Msg("a lease was not given back, it will end by itself")
	}
}

// everywhere stands for all channels.
const everywhere = ""

// pause has all errands leave a channel alone for a while.
func (a *Announcer) pause(channel string, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.until[channel] = until
}

// pausedUntil returns when a channel may be called again; zero: now.
func (a *Announcer) pausedUntil(channel string) (until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Clock()
	for _, c := range []string{everywhere, channel} {
		switch at := a.until[c]; {
		case !at.After(now):
			delete(a.until, c)
		case at.After(until):
			until = at
		}
	}
	return until
}
