package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

const (
	// publishLease names the lease of the one replica that publishes.
	publishLease = "ledger checkpoint"
	publishTime  = time.Minute     // how long publishing may take
	publishAgain = 5 * time.Minute // how soon it is tried again, at the latest, where it failed
	publishLast  = 3 * time.Second
	// verifyAgain is how soon a ledger that could not be verified is tried again, when anybody asks.
	verifyAgain = 10 * time.Second
	// verifyEvery is how often all of the ledger is read, first when the server has started.
	verifyEvery = 24 * time.Hour
)

// notary signs the ledger, publishes what it signed, and holds the ledger to what was published. A ledger that does not hold is written on,
// because nothing that happens is to be lost, and nothing of it is signed any more; the server is not ready until somebody looked.
type notary struct {
	store  *store.Store
	key    *ledger.Key
	near   audit.Publisher // what can be read at once, when the server starts
	all    audit.Publisher // with what must be asked of GitHub
	holder string
	clock  func() time.Time
	log    zerolog.Logger
	gauge  prometheus.Gauge

	mu  sync.Mutex
	err error     // why the ledger was found not to hold, or could not be verified; nil: it holds
	at  time.Time // when that was found
	// compared says that the ledger was held to all that was published since this process started. From then on a place that cannot be
	// read holds nothing up: no database takes the place of another while it is in use.
	compared bool
	due      time.Time // when to publish again
}

// newNotary loads the key, or makes it.
func newNotary(ctx context.Context, c *config.Config, a *App, clock func() time.Time, metrics prometheus.Registerer) (*notary, error) {
	key, err := signingKey(c, a.log)
	if err != nil {
		return nil, err
	}
	n := &notary{store: a.store, key: key, holder: a.queue.Replica() + " ledger", clock: clock, log: a.log, gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "changegate_ledger_broken", Help: "1 if the ledger was found not to hold: something in it was altered, or an old backup was restored.",
	})}
	if err := metrics.Register(n.gauge); err != nil {
		return nil, err
	}
	count, err := newPublications(metrics)
	if err != nil {
		return nil, err
	}
	var near, all []audit.Sink
	if path := c.Ledger.PublishFile; path != "" {
		file := audit.FileSink{Path: path}
		near = append(near, count.counted("file", file))
		if err := n.begin(ctx, file); err != nil {
			return nil, err
		}
	}
	all = append(all, near...)
	if name := c.Ledger.PublishRepository; name != "" {
		all = append(all, count.counted("github", checkRunSink{a.github, a.store.Repositories, name}))
	}
	if len(all) == 0 {
		n.log.Warn().Msg("what is signed of the ledger is published nowhere, so that nobody can tell a restored backup: set ledger.publish_file or ledger.publish_repository")
	}
	n.near = audit.Publisher{Ledger: a.store, Key: key, Sinks: near}
	n.all = audit.Publisher{Ledger: a.store, Key: key, Sinks: all}
	return n, n.introduce(ctx)
}

func signingKey(c *config.Config, log zerolog.Logger) (*ledger.Key, error) {
	if text := c.Ledger.Key; !text.IsEmpty() {
		key, err := ledger.ParseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("ledger.key: %w", err)
		}
		return key, nil
	}
	key, made, err := ledger.LoadKey(c.Ledger.KeyFile, ledger.KeyName(c.Server.PublicURL))
	if err != nil {
		return nil, fmt.Errorf("ledger.key_file: %w", err)
	}
	if made {
		log.Info().Str("file", c.Ledger.KeyFile).Msg("made the ledger's key")
	}
	return key, nil
}

// begin makes the file of published checkpoints for a ledger of which nothing was signed yet. For any other it is left missing, and cannot be read: what
// it is on may not be mounted, and in a new one nothing would show that a backup was restored.
func (n *notary) begin(ctx context.Context, file audit.FileSink) error {
	before, err := n.signedBefore(ctx)
	if err != nil || len(before) > 0 {
		return err
	}
	if err := file.Begin(); err != nil {
		n.log.Error().Err(err).Msg("the file of ledger.publish_file cannot be made")
	}
	return nil
}

// signedBefore returns the public keys that the ledger was signed with; none: it never was.
func (n *notary) signedBefore(ctx context.Context) (keys []string, err error) {
	err = n.store.ReadLedger(ctx, func(tx ledger.Tx) (err error) {
		keys, err = ledger.Keys(ctx, tx)
		return err
	})
	return keys, err
}

// introduce tells who signs.
func (n *notary) introduce(ctx context.Context) error {
	before, err := n.signedBefore(ctx)
	if err != nil {
		return err
	}
	n.log.Info().Str("key", n.key.Public()).Msg("the ledger is signed with")
	known := len(before) == 0
	for _, key := range before {
		known = known || key == n.key.Public()
	}
	if !known {
		n.log.Warn().Strs("before", before).Msg("the ledger was signed with another key before; every server must have the same")
	}
	return nil
}

// start verifies the ledger and writes into it what server this is.
func (n *notary) start(ctx context.Context, version string, c *config.Config, replica string) error {
	n.verify(ctx)
	digest, err := c.Digest()
	if err != nil {
		return err
	}
	err = n.store.Append(ctx, ledger.Draft{Kind: ledger.ServerStarted, Body: ledger.Started{
		Version: version, Configuration: digest, Replica: replica, Key: n.key.Public(),
	}})
	if err != nil && n.found() != nil {
		// What is broken may be so broken that nothing can be written to it. Deliveries are taken all the same.
		n.log.Error().Err(err).Msg("the ledger cannot be written to")
		return nil
	}
	return err
}

// verify looks at the end of the ledger and at what can be read at once of what was published.
func (n *notary) verify(ctx context.Context) {
	_, err := n.near.Verify(ctx)
	if ctx.Err() == nil {
		n.note(err)
	}
}

// verifyAll reads the whole ledger. It takes a while where that is long, so that a server does not wait for it to be ready.
func (n *notary) verifyAll(ctx context.Context) error {
	began := time.Now()
	head, err := audit.Check(ctx, n.store)
	if isBroken(err) {
		n.note(err)
		return nil
	}
	if err == nil {
		n.log.Info().Ctx(ctx).Int64("entries", head.Size).Dur("took", time.Since(began)).Msg("the whole ledger was read, and holds")
	}
	return err
}

// note notes what was found. That something was altered stays known until the server is started again.
func (n *notary) note(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = n.clock()
	if isBroken(n.err) {
		return
	}
	n.err = err
	if err == nil {
		return
	}
	if isBroken(err) {
		n.gauge.Set(1)
	}
	n.log.Error().Err(err).Msg("the ledger does not hold, or cannot be verified: nothing of it is signed any more")
}

func (n *notary) found() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

func isBroken(err error) bool {
	var broken *audit.Broken
	return errors.As(err, &broken)
}

// ready is the probe. What could only not be verified is tried again.
func (n *notary) ready(ctx context.Context) error {
	n.mu.Lock()
	err, at := n.err, n.at
	n.mu.Unlock()
	if err != nil && !isBroken(err) && n.clock().Sub(at) >= verifyAgain {
		n.verify(ctx)
		err = n.found()
	}
	return err
}

// regularly returns what publishes at an interval, and sooner where it failed, when it is called often enough: how often that is it returns too.
func (n *notary) regularly(every time.Duration) (time.Duration, func(context.Context) error) {
	tick := min(every, publishAgain)
	return tick, func(ctx context.Context) error {
		now := n.clock()
		n.mu.Lock()
		due := !now.Before(n.due)
		n.mu.Unlock()
		if !due {
			return nil
		}
		if err := n.publish(ctx); err != nil {
			return err
		}
		n.mu.Lock()
		n.due = now.Add(every - tick/2) // its times are not exact
		n.mu.Unlock()
		return nil
	}
}

// publish signs what the ledger comes to and publishes it, unless another replica does.
func (n *notary) publish(ctx context.Context) error {
	err := n.publishAlone(ctx)
	if errors.Is(err, store.ErrHeld) {
		return nil
	}
	return err
}

func (n *notary) publishAlone(ctx context.Context) error {
	if n.ready(ctx) != nil {
		return nil // it was said why
	}
	lease, err := n.store.Acquire(ctx, publishLease, n.holder, publishTime)
	if err != nil {
		return err
	}
	defer func() { _ = n.store.Release(context.WithoutCancel(ctx), lease) }()
	// Before anything is signed, because what was published may contradict it.
	_, err = n.all.Verify(ctx)
	if err == nil || n.hasCompared() && !isBroken(err) {
		n.mu.Lock()
		n.compared = true
		n.mu.Unlock()
		_, err = n.all.Publish(ctx)
	}
	if isBroken(err) {
		n.note(err)
		return nil
	}
	return err
}

func (n *notary) hasCompared() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.compared
}

// publishAtEnd publishes what was appended since, when the server ends.
func (n *notary) publishAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishLast)
	defer cancel()
	if err := n.publish(ctx); err != nil {
		n.log.Warn().Err(err).Msg("the ledger's last checkpoint was not published")
	}
}
