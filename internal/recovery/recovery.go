// Package recovery finds what no delivery told of, because the server was down, GitHub was, or the network between them.
//
// GitHub keeps a log of the App's deliveries for three days and never repeats one by itself. A Deliveries reads that log, and has GitHub
// deliver again what is in it and was never accepted here, however GitHub recorded it: a database that was restored from a backup knows less
// than it once acknowledged. What the log cannot tell, because there is none or it does not reach back, is looked for on GitHub itself: by a
// Pulls, which compares the open pull requests that GitHub lists with those that are known, and by the sweeps of other packages.
//
// All of it is done with what is left of the rate limits when everybody else was served, and all of it may be done twice.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

const (
	// keptFor is how long GitHub keeps a delivery so that it can be had again. GitHub Enterprise Server keeps it longer.
	keptFor = 3 * 24 * time.Hour
	// overlap is how much of what was looked at is looked at again: deliveries appear in the log when they end, in another order than that in which
	// they began.
	overlap = 5 * time.Minute
	// underWay is how long an attempt to deliver that has no answer counts as still under way.
	underWay = time.Minute
	// maxPages is how much of the log one look reads; the next one goes on from there.
	maxPages = 100
	// firstWait is how long a delivery may take to come after it was asked for the first time. It may take twice as long each further time, up to
	// maxWait, for as long as GitHub keeps it.
	firstWait = 2 * time.Minute
	maxWait   = 2 * time.Hour
	// maxBatch is how many one look asks for.
	maxBatch = 500
)

// Log is the App's log of deliveries; see github.GitHub.
type Log interface {
	Now() time.Time
	Spare(id change.InstallationID) bool
	HookDeliveries(ctx context.Context, cursor string) (page []github.HookDelivery, next string, err error)
	Redeliver(ctx context.Context, attempt int64) error
}

// Store remembers what is missing; see store.Store.
type Store interface {
	LogPlace(ctx context.Context) (store.LogPlace, error)
	SaveListed(ctx context.Context, listed []store.Missing, p store.LogPlace) (found int, err error)
	Redeliverable(ctx context.Context, limit int) ([]store.Missing, error)
	Asked(ctx context.Context, id string, times int, due time.Time) error
	ForgetMissing(ctx context.Context, before time.Time) (came []string, lost int, err error)
	CountMissing(ctx context.Context) (int, error)
}

// Config is what a Deliveries needs. All of it is required but Reads, Behind, Moved, Logger and Metrics.
type Config struct {
	Log   Log
	Store Store
	Clock func() time.Time
	// Reads says whether deliveries of an event can concern anybody; nil: all can.
	Reads func(event string) bool
	// Behind is called when the log cannot tell what was missed: once after a start if the log cannot be read, and whenever it does not reach back to
	// where it was read before. It has everything looked at that can be looked at without the log. If it fails it is called again at the next look; a
	// process that ends before that does not remember, but after the next start Pulls compares all pull requests, and other sweeps see to the rest in
	// turn.
	Behind func(ctx context.Context) error
	// Moved is called when a delivery that tells which repositories the App has came late. Such deliveries do not say when that was so, and a newer
	// one may have come before. It compares what is known with what GitHub lists; see Installations. If it fails it is called again at the next look.
	Moved  func(ctx context.Context) error
	Logger zerolog.Logger
	// Metrics is what the metrics are registered with; nil: nothing.
	Metrics prometheus.Registerer
}

// Deliveries has GitHub deliver again what never arrived. It is safe for many goroutines; how far it has come is in the store, and one process
// at a time is to use it.
type Deliveries struct {
	Config
	metrics *metrics

	mu    sync.Mutex
	blind bool // the log could not be read; said once
	told  bool // and Behind was called because of that
	owed  bool // Behind is to be called, because the log does not reach back to where it was read before
	moved bool // and Moved, because of what came late
}

// New returns a Deliveries.
func New(c Config) (*Deliveries, error) {
	m, err := newMetrics(c)
	if err != nil {
		return nil, fmt.Errorf("recovery: register metrics: %w", err)
	}
	return &Deliveries{Config: c, metrics: m}, nil
}

// Look reads what is new in the log and asks for what is missing. It stops where a rate limit does, which is no error, and goes on from there the
// next time.
func (d *Deliveries) Look(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.read(ctx)
	var missing *github.NotFound
	var forbidden *github.Forbidden
	switch {
	case errors.As(err, &missing), errors.As(err, &forbidden):
		return d.cannotSee(ctx, err)
	case isLimited(err):
		d.Logger.Info().Err(err).Msg("the log of deliveries is read on later")
	case err != nil:
		return err
	default:
		d.blind, d.told = false, false
	}
	if err := d.ask(ctx); err != nil {
		return err
	}
	// Neither keeps the other from being looked at.
	return errors.Join(d.compareMoved(ctx), d.lookBehind(ctx))
}

func (d *Deliveries) compareMoved(ctx context.Context) error {
	if d.moved && d.Moved != nil {
		if err := d.Moved(ctx); err != nil {
			return fmt.Errorf("compare what the App has access to: %w", err)
		}
	}
	d.moved = false
	return nil
}

func (d *Deliveries) lookBehind(ctx context.Context) error {
	if d.owed {
		if err := d.behind(ctx); err != nil {
			return err
		}
	}
	d.owed = false
	return nil
}

// isPassing says whether an error tells of what GitHub does not show now and may show another time: it refuses, limits us, or has suspended the
// installation.
func isPassing(err error) bool {
	var suspended *github.Suspended
	return github.IsRefusal(err) || errors.As(err, &suspended) || isLimited(err)
}

func isLimited(err error) bool {
	var limited *github.RateLimited
	return errors.As(err, &limited)
}

// cannotSee is what to do where GitHub has no log for us.
func (d *Deliveries) cannotSee(ctx context.Context, cause error) error {
	if !d.blind {
		d.blind = true
		d.Logger.Warn().Err(cause).Msg("GitHub does not show the App its log of deliveries: what was missed is found by looking at pull requests, branches and deployments, which takes longer")
	}
	if d.told {
		return nil
	}
	if err := d.behind(ctx); err != nil {
		return err
	}
	d.told = true
	return nil
}

func (d *Deliveries) behind(ctx context.Context) error {
	if d.Behind == nil {
		return nil
	}
	if err := d.Behind(ctx); err != nil {
		return fmt.Errorf("look at what the log of deliveries cannot tell: %w", err)
	}
	return nil
}

// read reads the log, the newest first, down to where it was read before, and keeps what is missing page by page.
func (d *Deliveries) read(ctx context.Context) error {
	p, err := d.Store.LogPlace(ctx)
	if err != nil {
		return err
	}
	kept := d.Log.Now().Add(-keptFor)
	last := p.LookedTo
	if p.Cursor != "" {
		last = p.Top
	}
	if !last.IsZero() && last.Before(kept) {
		// The server was down for longer than GitHub remembers, or a backup was restored that is older.
		d.Logger.Warn().Time("until", kept).Msg("deliveries may have been missed that GitHub keeps no more")
		d.owed = true
		p = store.LogPlace{LookedTo: kept}
		if _, err := d.Store.SaveListed(ctx, nil, p); err != nil {
			return err
		}
	}
	if p.LookedTo.Before(kept) {
		p.LookedTo = kept
	}
	pages := maxPages
	if p.Cursor != "" {
		var rejected *github.Rejected
		err := d.pages(ctx, &p, &pages)
		switch {
		case errors.As(err, &rejected): // it takes that cursor no more
			p.Cursor = ""
		case err != nil || p.Cursor != "":
			return err
		}
	}
	p.Top = time.Time{}
	return d.pages(ctx, &p, &pages)
}

// pages reads from the place's cursor, or from the log's top, until it is where it was before; then the place has no cursor.
func (d *Deliveries) pages(ctx context.Context, p *store.LogPlace, left *int) error {
	floor := p.LookedTo.Add(-overlap)
	for ; *left > 0; *left-- {
		page, next, err := d.Log.HookDeliveries(ctx, p.Cursor)
		if err != nil {
			return err
		}
		if p.Top.IsZero() {
			p.Top = d.Log.Now() // as the answer told it
		}
		p.Cursor = next
		if len(page) == 0 || page[len(page)-1].At.Before(floor) {
			p.Cursor = ""
		}
		if p.Cursor == "" {
			// The next time begins at the top again, and ends where this one began.
			if p.Top.After(p.LookedTo) {
				p.LookedTo = p.Top
			}
			p.Top = time.Time{}
		}
		found, err := d.Store.SaveListed(ctx, d.list(page), *p)
		if err != nil {
			return err
		}
		if found > 0 {
			d.metrics.found.Add(float64(found))
			d.Logger.Warn().Int("deliveries", found).Msg("deliveries never arrived, they are asked for again")
		}
		if p.Cursor == "" {
			return nil
		}
	}
	return nil
}

// list returns a page's deliveries, each once by its newest attempt, without those that can concern nobody or are under way still.
func (d *Deliveries) list(page []github.HookDelivery) []store.Missing {
	now := d.Log.Now()
	place := map[string]int{}
	var list []store.Missing
	for _, a := range page {
		if d.Reads != nil && !d.Reads(a.Event) || now.Sub(a.At) > keptFor || a.StatusCode == 0 && now.Sub(a.At) < underWay {
			continue
		}
		i, again := place[a.GUID]
		if !again {
			i = len(list)
			place[a.GUID] = i
			list = append(list, store.Missing{ID: a.GUID, Event: a.Event, Action: a.Action, Rank: rank(a.Event, a.Action), At: a.At})
		}
		m := &list[i]
		m.Attempt = max(m.Attempt, a.ID)
		if a.At.Before(m.At) {
			m.At = a.At
		}
	}
	return list
}

// rank says which deliveries are asked for first: those that tell what cannot be read on GitHub, or what somebody waits for; then all others;
// and at last those of checks, of which there are most, and which are read on GitHub whenever one of them comes.
func rank(event, action string) int {
	switch event {
	case "installation", "installation_repositories", "repository", "pull_request", "pull_request_review", "issue_comment", "push", "merge_group",
		"deployment", "deployment_status", "deployment_protection_rule":
		return 0
	case "check_run", "check_suite":
		if action == "rerequested" || action == "requested_action" {
			return 0
		}
		return 2
	case "status", "workflow_run":
		return 2
	}
	return 1
}

// ask asks for what is missing and due.
func (d *Deliveries) ask(ctx context.Context) error {
	due, err := d.Store.Redeliverable(ctx, maxBatch)
	if err != nil {
		return err
	}
	for _, m := range due {
		if !d.Log.Spare(0) {
			d.Logger.Info().Msg("what is left of the App's rate limit is kept, deliveries are asked for later")
			break
		}
		// Counted before: whoever is killed in between has asked once less, not once more.
		if err := d.Store.Asked(ctx, m.ID, m.Asked+1, d.Clock().Add(wait(m.Asked))); err != nil {
			return err
		}
		if err := d.redeliver(ctx, m); err != nil {
			var unavailable *github.Unavailable
			if !errors.As(err, &unavailable) || !unavailable.MayHaveHappened {
				err = errors.Join(err, d.Store.Asked(context.WithoutCancel(ctx), m.ID, m.Asked, d.Clock()))
			}
			if isLimited(err) {
				break
			}
			return err // the others would fare no better
		}
	}
	came, lost, err := d.Store.ForgetMissing(ctx, d.Log.Now().Add(-keptFor))
	if err != nil {
		return err
	}
	d.moved = d.moved || slices.ContainsFunc(came, func(event string) bool { return event == "installation" || event == "installation_repositories" })
	if lost > 0 {
		d.metrics.lost.Add(float64(lost))
		d.Logger.Error().Int("deliveries", lost).Msg("deliveries never arrived and GitHub keeps them no more")
	}
	return nil
}

// redeliver asks for one delivery. GitHub's refusal of it is no error: others may still be had.
func (d *Deliveries) redeliver(ctx context.Context, m store.Missing) error {
	err := d.Log.Redeliver(ctx, m.Attempt)
	if github.Temporary(err) {
		return err
	}
	log := d.Logger.With().Str("delivery", m.ID).Str("event", m.Event).Str("action", m.Action).Int("asked", m.Asked+1).Logger()
	if err != nil {
		d.metrics.refused.Inc()
		log.Warn().Err(err).Msg("GitHub does not deliver it again")
		return nil
	}
	d.metrics.redelivered.Inc()
	log.Info().Msg("a delivery that never arrived was asked for")
	return nil
}

// wait is how long a delivery may take to come if it was asked for so often before.
func wait(asked int) time.Duration {
	w := firstWait
	for range asked {
		if w *= 2; w >= maxWait {
			return maxWait
		}
	}
	return w
}
