package github

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// class is how urgent a call is. What is left of a budget is kept for the more urgent ones.
type class int

// The classes, the most urgent first.
const (
	writing    class = iota // it changes something: what was read for it would have to be read again
	going                   // of a run that has called before
	starting                // the first of a run: it had better not begin than not end
	background              // of what nobody waits for: see InBackground
)

// String is what metrics call it.
func (c class) String() string { return [...]string{"write", "going", "starting", "background"}[c] }

// hourly is how much of an hour's budget is kept for more urgent calls.
func (c class) hourly(limit int) int {
	switch c {
	case going:
		return limit / 100
	case starting:
		return limit / 25
	case background:
		return limit / 5
	}
	return 0
}

// minutely is the same of a minute's.
func (c class) minutely(limit int) int {
	switch c {
	case going:
		return limit / 10
	case starting:
		return limit / 4
	case background:
		return limit / 2
	}
	return 0
}

type backgroundKey struct{}

// InBackground returns a context whose reads nobody waits for, sweeps among them. They come after all others, and fail with *RateLimited
// where less than a fifth of the installation's hourly budget is left, or less than half of a minute's.
func InBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// classOf returns the class of a request on its way.
func classOf(ctx context.Context, s *sending) class {
	switch {
	case s.tokenFor != nil:
		return classOf(ctx, s.tokenFor)
	case s.route.writes():
		return writing
	case ctx.Value(backgroundKey{}) != nil:
		return background
	case s.first:
		return starting
	default:
		return going
	}
}

const (
	// pointsPerMinute and queriesPerMinute are what GitHub takes of an installation, whatever is left of the hour; a read costs 1 point, a
	// write 5 (docs: rate limits for the REST API, about secondary rate limits).
	pointsPerMinute  = 900
	queriesPerMinute = 2000
	// contentPerMinute and contentPerHour are how much that notifies people may be made.
	contentPerMinute = 80
	contentPerHour   = 500
	writePoints      = 5
)

// isPublic says whether an API is github.com's or a data-residency tenant's. A GitHub Enterprise Server has no limits unless its operators
// chose some, and then its answers tell.
func isPublic(api *url.URL) bool {
	host := api.Hostname()
	return host == "api.github.com" || strings.HasSuffix(host, ".ghe.com")
}

// budget is one of an installation's budgets: an hour's, as GitHub last told, and a minute's, which only we can count. It is guarded by its
// transport's lock.
type budget struct {
	limit    int       // of the hour; 0: GitHub has not told
	told     int       // what it said was left
	reset    time.Time // when the hour ends, by our clock
	underWay int       // calls that it has not told of
	minute   window
	said     said // for whoever looks at the metrics
}

// refuses returns the limit that keeps back a call of a class that costs so many points; nil: it may be made. Of what GitHub allows in a minute only
// a share is this process' own, because other processes have theirs.
func (b *budget) refuses(c class, points int, share func(int) int, now time.Time) *RateLimited {
	if b.isKnown(now) && b.left() <= c.hourly(b.limit) {
		return &RateLimited{Until: b.reset, Kept: true}
	}
	limit := share(b.minute.limit)
	if until, ok := b.minute.room(points, limit-c.minutely(limit), now); !ok {
		return &RateLimited{Until: until, Secondary: true, Kept: true}
	}
	return nil
}

// admit lets a call through that is not refused. It ends with done.
func (b *budget) admit(points int, now time.Time) {
	b.minute.spend(points, now)
	b.underWay++
}

func (b *budget) done() { b.underWay-- }

func (b *budget) isKnown(now time.Time) bool { return b.limit > 0 && now.Before(b.reset) }

func (b *budget) left() int { return b.told - b.underWay }

// learn notes what GitHub says is left. Answers overtake one another: within an hour the least that was heard stands.
func (b *budget) learn(limit, remaining int, reset, now time.Time) {
	const jitter = time.Minute // of the reset's time, which is told in seconds by GitHub's clock
	if b.isKnown(now) && reset.Before(b.reset.Add(jitter)) {
		remaining = min(remaining, b.told)
	}
	b.limit, b.told, b.reset = limit, remaining, reset
}

// isScarce says whether nothing is left for what nobody waits for.
func (b *budget) isScarce(now time.Time) bool {
	return b.isKnown(now) && b.left() <= background.hourly(b.limit)
}

// window counts what was spent in the last minute, or hour.
type window struct {
	limit  int // 0: there is none
	period time.Duration
	spent  []spending
	total  int
}

type spending struct {
	at     time.Time // to the second
	points int
}

// ends is when a spending counts no longer: after the period, and a second more because its time was cut to the second.
func (w *window) ends(s spending) time.Time { return s.at.Add(w.period + time.Second) }

// room says whether so many points may be spent now without more than most being spent within the period; if not, until is when they may.
func (w *window) room(points, most int, now time.Time) (until time.Time, ok bool) {
	if w.limit == 0 {
		return now, true
	}
	for len(w.spent) > 0 && !now.Before(w.ends(w.spent[0])) {
		w.total -= w.spent[0].points
		w.spent = w.spent[1:]
	}
	over := w.total + points - most
	if over <= 0 {
		return now, true
	}
	until = now.Add(time.Second)
	for _, s := range w.spent {
		until = w.ends(s)
		if over -= s.points; over <= 0 {
			break
		}
	}
	return until, false
}

func (w *window) spend(points int, now time.Time) {
	if w.limit == 0 {
		return
	}
	at := now.Truncate(time.Second)
	if n := len(w.spent); n > 0 && !at.After(w.spent[n-1].at) {
		w.spent[n-1].points += points
	} else {
		w.spent = append(w.spent, spending{at, points})
	}
	w.total += points
}

// notices counts what notifies people. It has no classes: all of it is writes.
type notices struct{ minute, hour window }

func (n *notices) refuses(share func(int) int, now time.Time) *RateLimited {
	for _, w := range []*window{&n.hour, &n.minute} {
		if until, ok := w.room(1, share(w.limit), now); !ok {
			return &RateLimited{Until: until, Secondary: true, Kept: true}
		}
	}
	return nil
}

func (n *notices) admit(now time.Time) {
	n.hour.spend(1, now)
	n.minute.spend(1, now)
}
