package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/fence"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// state is an errand's. It is stored: members may be added, not renamed.
type state struct {
	// Threads are the posts that opened a thread, by channel as the policy names it.
	Threads map[string]posted `json:"threads,omitempty"`
	// Open are the attempts that came to nothing yet, by the effect's key.
	Open map[string]attempt `json:"open,omitempty"`
}

// attempt is how far an announcement has come in a channel.
type attempt struct {
	// Since is when somebody's mending was waited for first, in trying it or behind one that was tried.
	Since time.Time `json:"since,omitzero"`
}

// run is one run of an errand.
type run struct {
	*Announcer
	errand  change.Errand
	lease   store.Lease
	api     *slack.Client // nil: there is no token
	state   state
	waits   map[string]bool // channels in which nothing more is posted in this run
	broken  map[string]bool // those of them where somebody is to mend something
	retryAt time.Time       // zero: nothing waits
	log     zerolog.Logger
}

func (r *run) save(ctx context.Context, taken []string) error {
	return r.Save(ctx, r.errand, store.ErrandSave{Lease: r.lease, State: r.state, Taken: taken})
}

// result says when what waits is tried again.
func (r *run) result() queue.Result {
	switch {
	case r.retryAt.IsZero():
		return queue.Result{}
	case r.retryAt.Sub(r.Clock()) > maxRetry:
		return queue.Result{RecheckAt: r.retryAt}
	default:
		return queue.Result{RetryAt: r.retryAt}
	}
}

// announce posts what the notes say, in their order, and returns those that are dealt with. What waits in one channel holds up only what
// follows it there.
func (r *run) announce(ctx context.Context, notes []change.Note) (taken []string, err error) {
	for _, n := range notes {
		var a change.Announcement
		if err := json.Unmarshal(n.Body, &a); err != nil {
			r.log.Error().Str("note", n.ID).Err(err).Msg("what was left is no announcement, it is dropped")
			taken = append(taken, n.ID)
			continue
		}
		done := true
		for _, channel := range a.Channels {
			ended, err := r.announceIn(ctx, channel, a)
			if err != nil {
				return nil, err
			}
			done = done && ended
		}
		if done {
			taken = append(taken, n.ID)
		}
	}
	return taken, nil
}

// announceIn posts an announcement in a channel, and says whether it is done with, posted or given up.
func (r *run) announceIn(ctx context.Context, channel string, a change.Announcement) (ended bool, err error) {
	if until := r.pausedUntil(channel); !until.IsZero() {
		r.wait(channel, until)
	}
	key := channel + ":" + a.Key
	if r.waits[channel] {
		if r.broken[channel] {
			r.since(key)
		}
		return false, nil
	}
	in := store.Intent{Key: key, Kind: "announce", Pull: a.Pull, Body: intended{Channel: channel, Announcement: a}, Lease: r.lease}
	at, err := effect.Once(ctx, r.Store, in, r.action(key, channel, a))

	var failed *effect.Failed
	var early *effect.Early
	var t *trouble
	switch {
	case err == nil:
		delete(r.state.Open, key)
		r.follow(channel, at, a)
		return true, nil
	case errors.As(err, &failed):
		delete(r.state.Open, key)
		if errors.Is(failed, effect.ErrUncertain) {
			r.outcomes.WithLabelValues("uncertain").Inc()
		}
		r.log.Error().Str("channel", channel).Str("key", a.Key).Str("why", failed.Why).Msg("an announcement was given up")
		return true, nil
	case errors.As(err, &early):
		r.wait(channel, early.Until)
		return false, nil
	case ctx.Err() != nil: // the answer to a call that we cut off ourselves
		return false, context.Cause(ctx)
	case errors.As(err, &t):
		r.outcomes.WithLabelValues("delayed").Inc()
		r.log.Warn().Str("channel", channel).Str("key", a.Key).Err(err).Msg("an announcement waits")
		until := r.Clock().Add(t.after)
		r.wait(channel, until)
		r.broken[channel] = t.remedy == untilMended
		switch {
		case t.everywhere:
			r.pause(everywhere, until)
		case t.remedy == untilBack:
			r.pause(channel, until)
		}
		return false, nil
	default:
		return false, err
	}
}

// intended is what the ledger says of a post.
type intended struct {
	Channel      string              `json:"channel"`
	Announcement change.Announcement `json:"announcement"`
}

// follow remembers the thread that those that come later are to follow.
func (r *run) follow(channel string, at posted, a change.Announcement) {
	if r.state.Threads[channel].TS != "" && at.Thread == "" {
		delete(r.state.Threads, channel) // the post that opened it is gone
	}
	if a.Opens && r.state.Threads[channel].TS == "" {
		if r.state.Threads == nil {
			r.state.Threads = map[string]posted{}
		}
		r.state.Threads[channel] = at
	}
}

// action is how an announcement is posted in a channel. Every error that it returns is a *trouble, or uncertain, or that of a lost lease.
func (r *run) action(key, channel string, a change.Announcement) effect.Action[posted] {
	to, impossible := target(channel)
	if impossible == nil && r.api == nil {
		impossible = &trouble{cause: errors.New("no Slack token is configured"), mend: "set slack.token or slack.token_file"}
	}
	thread := r.state.Threads[channel]
	return effect.Action[posted]{
		Do: func(ctx context.Context) (posted, error) {
			if impossible != nil {
				return posted{}, impossible
			}
			p, err := post(ctx, r.api, to, thread, a)
			if stopped, ok := errors.AsType[*fence.Error](err); ok {
				return p, stopped // which is no trouble with Slack
			}
			if err != nil {
				return p, r.judge(key, judge(err))
			}
			r.outcomes.WithLabelValues("posted").Inc()
			return p, nil
		},
		Find: func(ctx context.Context, since time.Time) (p posted, found bool, err error) {
			switch {
			case impossible != nil:
				err = errUnreadable("an attempt had no answer", impossible)
			default:
				p, found, err = find(ctx, r.api, to, thread, a.Key, since)
			}
			if err != nil && !errors.Is(err, effect.ErrUncertain) {
				t := r.judge(key, judge(err))
				if err = t; t.remedy == giveUp {
					err = errUnreadable("an attempt had no answer", t)
				}
			}
			if found {
				r.outcomes.WithLabelValues("found").Inc()
			}
			return p, found, err
		},
		Refused: func(err error) bool {
			t, ok := errors.AsType[*trouble](err)
			final := ok && t.remedy == giveUp
			if final {
				r.outcomes.WithLabelValues("failed").Inc()
			}
			return final
		},
	}
}

// judge gives up what nobody mended for a day.
func (r *run) judge(key string, t *trouble) *trouble {
	if t.remedy != untilMended || r.Clock().Sub(r.since(key)) < patience {
		return t
	}
	return &trouble{cause: fmt.Errorf("for a day: %w", t.cause), mend: t.mend}
}

// since returns when somebody's mending was waited for first for an announcement in a channel: now, if it was not. Each has its own day, and
// not one after the other, or the last would be posted when nobody can use it any more.
func (r *run) since(key string) time.Time {
	last := r.state.Open[key]
	if last.Since.IsZero() {
		last.Since = r.Clock().UTC()
		if r.state.Open == nil {
			r.state.Open = map[string]attempt{}
		}
		r.state.Open[key] = last
	}
	return last.Since
}

// wait has nothing more posted in a channel in this run.
func (r *run) wait(channel string, until time.Time) {
	r.waits[channel] = true
	if r.retryAt.IsZero() || until.Before(r.retryAt) {
		r.retryAt = until
	}
}
