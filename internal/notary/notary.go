// Package notary signs the ledger, publishes its checkpoints, and holds the database to what was published. A ledger that does not hold is
// still written to, so that nothing that happens is lost, but nothing of it is signed any more, and the server is not ready until somebody has
// looked.
package notary

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/github"
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
)

// VerifyEvery is how often VerifyAll is to be called, first when the server has started.
const VerifyEvery = 24 * time.Hour

// Config is what a notary needs. The two places to publish to may be empty.
type Config struct {
	Store             *store.Store
	Key               *ledger.Key   // what the ledger is signed with
	PublishFile       string        // the path of a file that checkpoints are appended to
	PublishRepository string        // OWNER/NAME of a repository where they are posted; the App is installed on it
	PublishEvery      time.Duration // how often
	GitHub            *github.GitHub
	Replica           string // names this process; see queue.Queue.Replica
	Clock             func() time.Time
	Log               zerolog.Logger
	Metrics           prometheus.Registerer
}

// Notary signs, publishes and verifies a ledger. It is safe for many goroutines.
type Notary struct {
	store  *store.Store
	key    *ledger.Key
	near   audit.Publisher // to what can be read at once, when the server starts
	all    audit.Publisher // also to what must be asked of GitHub
	every  time.Duration
	holder string // of the lease
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

// New returns a notary, and logs with which key it signs. If nothing of the ledger was signed yet, the file to publish to is created.
func New(ctx context.Context, c Config) (*Notary, error) {
	n := &Notary{
		store: c.Store, key: c.Key, every: c.PublishEvery, holder: c.Replica + " ledger", clock: c.Clock, log: c.Log,
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "changegate_ledger_broken", Help: "1 if the ledger was found not to hold: something in it was altered, or an old backup was restored.",
		}),
	}
	if err := c.Metrics.Register(n.gauge); err != nil {
		return nil, err
	}
	count, err := newPublications(c.Metrics)
	if err != nil {
		return nil, err
	}
	var near, all []audit.Sink
	if c.PublishFile != "" {
		file := audit.FileSink{Path: c.PublishFile}
		near = append(near, count.counted("file", file))
		if err := n.createFile(ctx, file); err != nil {
			return nil, err
		}
	}
	all = append(all, near...)
	if c.PublishRepository != "" {
		all = append(all, count.counted("github", checkRunSink{c.GitHub, c.Store.Repositories, c.PublishRepository}))
	}
	if len(all) == 0 {
		n.log.Warn().Msg("what is signed of the ledger is published nowhere, so that nobody can tell a restored backup: set ledger.publish_file or ledger.publish_repository")
	}
	n.near = audit.Publisher{Ledger: c.Store, Key: c.Key, Sinks: near}
	n.all = audit.Publisher{Ledger: c.Store, Key: c.Key, Sinks: all}
	return n, n.logSigner(ctx)
}

// createFile makes the file of published checkpoints for a ledger of which nothing was signed yet. For any other ledger a missing file stays
// missing and counts as unreadable: the disk that it is on may not be mounted, and a new file would not show that a backup was restored.
func (n *Notary) createFile(ctx context.Context, file audit.FileSink) error {
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
func (n *Notary) signedBefore(ctx context.Context) (keys []string, err error) {
	err = n.store.ReadLedger(ctx, func(tx ledger.Tx) (err error) {
		keys, err = ledger.Keys(ctx, tx)
		return err
	})
	return keys, err
}

// logSigner logs with which key the ledger is signed, and warns if it was signed with others only.
func (n *Notary) logSigner(ctx context.Context) error {
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

// Start verifies the end of the ledger and writes into it which server this is. Key is set by the notary. A ledger that does not hold is no error;
// see Ready.
func (n *Notary) Start(ctx context.Context, server ledger.Started) error {
	n.verify(ctx)
	server.Key = n.key.Public()
	err := n.store.Append(ctx, ledger.Draft{Kind: ledger.ServerStarted, Body: server})
	if err != nil && n.verdict() != nil {
		// What is broken may be so broken that nothing can be written to it. Deliveries are taken all the same.
		n.log.Error().Err(err).Msg("the ledger cannot be written to")
		return nil
	}
	return err
}

// verify checks the end of the ledger against what was published where it can be read at once.
func (n *Notary) verify(ctx context.Context) {
	_, err := n.near.Verify(ctx)
	if ctx.Err() == nil {
		n.recordVerdict(err)
	}
}

// VerifyAll reads the whole ledger. That may take a while, so a server does not wait for it to be ready. A ledger that does not hold is no
// error; see Ready.
func (n *Notary) VerifyAll(ctx context.Context) error {
	began := time.Now()
	head, err := audit.Check(ctx, n.store)
	if isBroken(err) {
		n.recordVerdict(err)
		return nil
	}
	if err == nil {
		n.log.Info().Ctx(ctx).Int64("entries", head.Size).Dur("took", time.Since(began)).Msg("the whole ledger was read, and holds")
	}
	return err
}

// recordVerdict remembers whether the ledger holds. That something was altered stays known until the server is started again.
func (n *Notary) recordVerdict(err error) {
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

func (n *Notary) verdict() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

func isBroken(err error) bool {
	var broken *audit.Broken
	return errors.As(err, &broken)
}

// Ready is the server's probe: it returns why the ledger was found not to hold, or could not be verified. In the latter case it is tried again,
// every ten seconds at most.
func (n *Notary) Ready(ctx context.Context) error {
	n.mu.Lock()
	err, at := n.err, n.at
	n.mu.Unlock()
	if err != nil && !isBroken(err) && n.clock().Sub(at) >= verifyAgain {
		n.verify(ctx)
		err = n.verdict()
	}
	return err
}

// Tick is how often PublishWhenDue is to be called.
func (n *Notary) Tick() time.Duration { return min(n.every, publishAgain) }

// PublishWhenDue publishes at the configured interval, and on the next call where that failed. Another replica that publishes at the moment does
// it for this one.
func (n *Notary) PublishWhenDue(ctx context.Context) error {
	now := n.clock()
	n.mu.Lock()
	due := !now.Before(n.due)
	n.mu.Unlock()
	if !due {
		return nil
	}
	if err := n.publishUnlessHeld(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	n.due = now.Add(n.every - n.Tick()/2) // the times of calls are not exact
	n.mu.Unlock()
	return nil
}

func (n *Notary) publishUnlessHeld(ctx context.Context) error {
	err := n.Publish(ctx)
	if errors.Is(err, store.ErrHeld) {
		return nil
	}
	return err
}

// Publish signs the ledger as it is now and publishes the checkpoint. A ledger that does not hold is not signed, which is no error; see Ready.
// store.ErrHeld says that another replica is about to publish.
func (n *Notary) Publish(ctx context.Context) error {
	if n.Ready(ctx) != nil {
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
		n.recordVerdict(err)
		return nil
	}
	return err
}

func (n *Notary) hasCompared() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.compared
}

// PublishAtEnd publishes what was appended since the last checkpoint, when the server ends. It takes three seconds at most, and logs if it could
// not.
func (n *Notary) PublishAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishLast)
	defer cancel()
	if err := n.publishUnlessHeld(ctx); err != nil {
		n.log.Warn().Err(err).Msg("the ledger's last checkpoint was not published")
	}
}
