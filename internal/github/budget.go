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

// hourly is which part of an hour's budget is left to more urgent calls.
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
	// contentPerMinute is how much that notifies people may be made in a minute.
	contentPerMinute = 80
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
}

// admit lets a call through, or returns until when nothing is left for its class. Whoever is let through ends with done.
func (b *budget) admit(c class, points int, now time.Time) *RateLimited {
	if b.isKnown(now) && b.left() <= c.hourly(b.limit) {
		return &RateLimited{Until: b.reset, Kept: true}
	}
	if until, ok := b.minute.take(points, b.minute.limit-c.minutely(b.minute.limit), now); !ok {
		return &RateLimited{Until: until, Secondary: true, Kept: true}
	}
	b.underWay++
	return nil
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

// window counts what was spent in the last minute.
type window struct {
	limit int // 0: there is none
	spent []spending
	total int
}

type spending struct {
	at     time.Time // to the second
	points int
}

// perWindow is how long what was spent counts: a minute, and the second that its time was cut by.
const perWindow = 61 * time.Second

// take spends points if no more than most have been spent then, or says when that will be.
func (w *window) take(points, most int, now time.Time) (until time.Time, ok bool) {
	if w.limit == 0 {
		return now, true
	}
	for len(w.spent) > 0 && now.Sub(w.spent[0].at) >= perWindow {
		w.total -= w.spent[0].points
		w.spent = w.spent[1:]
	}
	if over := w.total + points - most; over > 0 {
		until = now.Add(time.Second)
		for _, s := range w.spent {
			if over -= s.points; over <= 0 {
				return s.at.Add(perWindow), false
			}
			until = s.at.Add(perWindow)
		}
		return until, false
	}
	at := now.Truncate(time.Second)
	if n := len(w.spent); n > 0 && !at.After(w.spent[n-1].at) {
		w.spent[n-1].points += points
	} else {
		w.spent = append(w.spent, spending{at, points})
	}
	w.total += points
	return now, true
}
