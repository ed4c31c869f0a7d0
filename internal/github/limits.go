package github

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// minSecondaryWait is the least to wait after a secondary limit that names no time; it doubles each time, up to the maximum.
	minSecondaryWait = time.Minute
	maxSecondaryWait = 16 * time.Minute
	// maxLimitWait bounds what GitHub's headers may ask for: its budgets are hourly.
	maxLimitWait = time.Hour
)

// saidOfLimits is what an answer says of rate limits.
type saidOfLimits struct {
	failed    bool // the call did, for whatever reason
	counted   bool // it is said how many calls are left of the hour
	remaining int
	limit     int            // of the hour; 0: not said
	reset     *time.Duration // until the hour ends
	// The answer may be a refusal because of a limit, by its status. It is one if it also says how long to wait, or that no call is left, or, as
	// refuses has it, that a limit is the reason.
	mayRefuse bool
	retry     *time.Duration // until the call may be repeated
	refuses   bool           // it says by its words or its status that it is one
	secondary bool           // because of one of the secondary limits
}

// readLimits reads what an answer says of rate limits. GitHub refuses by 403 or 429, with retry-after; or else with x-ratelimit-remaining 0 and
// the reset's time; or else with words only (docs: rate limits for the REST API). To GraphQL it may answer 200 and say so among the errors
// (docs: rate limits for the GraphQL API). Now is by GitHub's clock.
func readLimits(r route, resp *http.Response, body []byte, now time.Time) saidOfLimits {
	a := saidOfLimits{failed: resp.StatusCode >= 400}
	if n, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Remaining")); err == nil {
		a.counted, a.remaining = true, n
	}
	if n, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Limit")); err == nil {
		a.limit = n
	}
	a.reset = untilReset(resp.Header.Get("X-RateLimit-Reset"), now)
	a.retry = untilRetry(resp.Header.Get("Retry-After"), now)

	exhausted := r == queryGraphQL && resp.StatusCode == http.StatusOK && isLimited(body)
	tooMany := resp.StatusCode == http.StatusTooManyRequests
	a.mayRefuse = exhausted || tooMany || resp.StatusCode == http.StatusForbidden
	if a.mayRefuse {
		words := bytes.ToLower(body)
		says := func(some string) bool { return bytes.Contains(words, []byte(some)) }
		a.secondary = says("secondary rate limit") || says("secondary-rate-limits") || says("abuse detection")
		a.refuses = exhausted || tooMany || a.secondary || says("rate limit exceeded")
	}
	return a
}

// untilRetry reads a Retry-After header: seconds, or a date by GitHub's clock. It returns nil where neither is said.
func untilRetry(value string, now time.Time) *time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		return new(clampWait(time.Duration(min(seconds, int(maxLimitWait/time.Second))) * time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return new(clampWait(at.Sub(now)))
	}
	return nil
}

// untilReset reads an X-RateLimit-Reset header: seconds since 1970 by GitHub's clock. It returns nil where that is not said.
func untilReset(value string, now time.Time) *time.Duration {
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds <= 0 {
		return nil
	}
	return new(clampWait(time.Unix(seconds, 0).Sub(now)))
}

// clampWait keeps a wait between a second, because GitHub's times are cut to seconds, and an hour.
func clampWait(d time.Duration) time.Duration { return max(time.Second, min(d, maxLimitWait)) }

// learnLimits notes what an answer says of the installation's rate limits, and returns the limit if the answer is a refusal because of one.
func (t *transport) learnLimits(r route, a saidOfLimits) *RateLimited {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.github.now()
	blocked, hour := &t.blocked, &t.core
	if r == queryGraphQL {
		blocked, hour = &t.queries, &t.graphQL
	}
	if a.counted && r != createToken { // the App pays for tokens
		if a.limit > 0 && a.reset != nil {
			hour.learn(a.limit, a.remaining, now.Add(*a.reset), now)
			a.remaining = hour.told
		}
		hour.said = said{true, a.remaining, a.limit}
	}
	spent := a.counted && a.remaining == 0 && a.reset != nil
	switch {
	case a.mayRefuse && a.retry != nil:
		return t.block(&t.blocked, now.Add(*a.retry), a.secondary || !a.counted || a.remaining > 0)
	case a.mayRefuse && spent:
		return t.block(blocked, now.Add(*a.reset), false)
	case a.refuses:
		return t.strike(now)
	case spent && !a.mayRefuse && r != createToken:
		// The next call would be refused, and calls past the limit may get the App banned.
		t.block(blocked, now.Add(*a.reset), false)
	}
	if !a.failed {
		t.strikes = 0
	}
	return nil
}

// strike notes a secondary limit that names no time, with mu held: a minute is the least to wait then.
func (t *transport) strike(now time.Time) *RateLimited {
	if now.Before(t.blocked.Until) {
		limited := t.blocked // the same limit, told to another call that was under way
		return &limited
	}
	wait := min(minSecondaryWait<<min(t.strikes, 10), maxSecondaryWait)
	t.strikes++
	return t.block(&t.blocked, now.Add(wait), true)
}

// block notes a limit of all calls, or of a budget's, with mu held. One that holds longer already stays.
func (t *transport) block(what *RateLimited, until time.Time, secondary bool) *RateLimited {
	if until.After(what.Until) {
		*what = RateLimited{Until: until, Secondary: secondary}
		limit := "primary"
		if secondary {
			limit = "secondary"
		}
		t.github.metrics.limited.WithLabelValues(limit).Inc()
		t.github.log.Warn().Int64("installation", int64(t.id)).Str("limit", limit).Time("until", until).Msg("GitHub limits the installation")
	}
	limited := *what
	return &limited
}

// tell lets other processes know of a limit on all calls of the installation. A limit on one of its budgets they find out for themselves.
func (t *transport) tell(ctx context.Context, limited RateLimited) {
	if t.github.limits == nil || t.id == 0 {
		return
	}
	t.mu.Lock()
	all := t.blocked == limited
	t.mu.Unlock()
	if !all {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	if err := t.github.limits.SaveRateLimit(ctx, t.id, limited.Until); err != nil {
		t.github.log.Warn().Ctx(ctx).Int64("installation", int64(t.id)).Err(err).Msg("a rate limit cannot be noted, other processes will find out for themselves")
	}
}

const tellTime = 2 * time.Second

// recallEvery is how often the limits of an installation are looked up that other processes, or this one before a restart, were told of.
const recallEvery = 5 * time.Second

func (t *transport) recall(ctx context.Context) {
	limits, now := t.github.limits, t.github.now()
	t.mu.Lock()
	due := limits != nil && t.id != 0 && now.Sub(t.recalled) >= recallEvery
	if due {
		t.recalled = now
	}
	t.mu.Unlock()
	if !due {
		return
	}
	until, err := limits.RateLimitedUntil(ctx, t.id)
	if err != nil {
		// The next answer tells as well.
		t.github.log.Warn().Ctx(ctx).Int64("installation", int64(t.id)).Err(err).Msg("what was heard of rate limits cannot be looked up")
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if until.After(t.blocked.Until) {
		t.blocked = RateLimited{Until: until, Secondary: true}
	}
}
