package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/fence"
)

const (
	// inFlight is how many calls of one installation are under way at most. GitHub allows 100 and advises against many.
	inFlight = 8
	// allInFlight is the same of all installations together.
	allInFlight = 64
	// maxAnswer is how large an answer may be; the largest that GitHub documents is a recursive tree of 7 MB.
	maxAnswer = 32 << 20
	// minSecondaryWait is the least to wait after a secondary limit that names no time; it doubles each time, up to the maximum.
	minSecondaryWait = time.Minute
	maxSecondaryWait = 16 * time.Minute
	// maxLimitWait bounds what GitHub's headers may ask for: its budgets are hourly.
	maxLimitWait = time.Hour
)

// transport carries the calls of an installation, those for its tokens among them. It sends requests to
// the configured host only, a few at a time, none while GitHub limits the installation, the less urgent ones only as long as enough is left
// for the others, and reads each answer whole, so that a connection lost half-way is an error of the call.
type transport struct {
	github *GitHub
	id     change.InstallationID // 0: the App itself

	mu       sync.Mutex
	blocked  RateLimited // Until is in the past or zero while nothing is limited
	queries  RateLimited // the same of GraphQL's hourly budget, which is one of its own
	strikes  int         // secondary limits without a time, one after the other
	core     budget      // of REST
	graphQL  budget
	notices  notices
	recalled time.Time // when it was looked up what others know of limits
}

func newTransport(g *GitHub, id change.InstallationID) *transport {
	t := &transport{github: g, id: id}
	if g.points > 0 {
		t.core.minute = window{limit: g.points, period: time.Minute}
		t.graphQL.minute = window{limit: queriesPerMinute, period: time.Minute}
		t.notices.minute = window{limit: contentPerMinute, period: time.Minute}
		t.notices.hour = window{limit: contentPerHour, period: time.Hour}
	}
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(req)
	if err != nil && req.Body != nil {
		req.Body.Close()
	}
	return resp, err
}

func (t *transport) roundTrip(req *http.Request) (*http.Response, error) {
	if !t.github.isConfigured(req.URL) {
		return nil, &refusedError{fmt.Sprintf("a request to %q was refused: only the configured GitHub is called", req.URL.Host)}
	}
	sending := sendingOf(req.Context())
	r := sending.route
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", userAgent)
	}

	c := classOf(req.Context(), sending)
	giveBack, err := t.github.slots.take(req.Context(), t.id, c)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	t.recall(req.Context())
	done, limited := t.admit(r, c)
	if limited != nil {
		return nil, limited
	}
	defer done()
	if r.writes() {
		// There is nothing left to wait for.
		if err := fence.Ask(req.Context()); err != nil {
			return nil, err
		}
	}

	start := t.github.now()
	sending.sent = true
	resp, err := t.github.base.RoundTrip(req)
	var body []byte
	if err == nil {
		body, err = readAll(resp)
	}
	took := t.github.now().Sub(start)
	t.github.metrics.seconds.Observe(took.Seconds())
	log := t.github.log.Debug().Ctx(req.Context()).Str("route", string(r)).Int64("installation", int64(t.id)).Dur("took", took)
	if err != nil {
		t.github.metrics.requests.WithLabelValues(string(r), "error").Inc()
		log.Err(err).Msg("GitHub did not answer")
		return nil, err
	}
	t.github.metrics.requests.WithLabelValues(string(r), strconv.Itoa(resp.StatusCode)).Inc()
	log.Int("status", resp.StatusCode).Msg("GitHub answered")

	t.github.learnClock(resp.Header.Get("Date"))
	if limited := t.learnLimits(r, resp, body); limited != nil {
		t.tell(req.Context(), *limited)
		return nil, limited
	}
	if isRedirect(resp.StatusCode) && req.Method != http.MethodGet &&
		resp.StatusCode != http.StatusTemporaryRedirect && resp.StatusCode != http.StatusPermanentRedirect {
		// net/http would repeat the write as a GET and call its answer the write's.
		return nil, &refusedError{fmt.Sprintf("GitHub redirected a %s (%d): the repository may have moved", req.Method, resp.StatusCode)}
	}
	// go-github keeps a rate limit of its own by the wall clock and knows less of it than this transport.
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Ratelimit-") || name == "Retry-After" {
			resp.Header.Del(name)
		}
	}
	resp.Body = &readBody{*bytes.NewReader(body), body}
	return resp, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// readBody is the body of an answer that was read.
type readBody struct {
	bytes.Reader
	all []byte
}

func (b *readBody) Close() error { return nil }

// readAll reads the body of an answer, or returns the one that was read.
func readAll(resp *http.Response) ([]byte, error) {
	if b, ok := resp.Body.(*readBody); ok {
		return b.all, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, errors.New("GitHub's answer is larger than 32 MiB")
	}
	return body, nil
}

// admit lets a call through now, or returns the limit that keeps it back. Nothing was sent then.
func (t *transport) admit(r route, c class) (done func(), _ *RateLimited) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.github.now()
	limited := t.blocked
	if r == queryGraphQL && t.queries.Until.After(limited.Until) {
		limited = t.queries
	}
	if now.Before(limited.Until) {
		return nil, &limited
	}
	if r == createToken { // which the App pays for
		return func() {}, nil
	}
	b, points := &t.core, 1
	switch {
	case r == queryGraphQL:
		b = &t.graphQL
	case r.writes():
		points = writePoints
	}
	share := t.github.share
	if limited := b.refuses(c, points, share, now); limited != nil {
		return nil, t.keptBack(c, limited)
	}
	if r.notifies() {
		if limited := t.notices.refuses(share, now); limited != nil {
			return nil, t.keptBack(c, limited)
		}
		t.notices.admit(now)
	}
	b.admit(points, now)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		b.done()
	}, nil
}

func (t *transport) keptBack(c class, limited *RateLimited) *RateLimited {
	t.github.metrics.keptBack.WithLabelValues(c.String()).Inc()
	return limited
}

// isScarce says whether nothing is left for what nobody waits for.
func (t *transport) isScarce() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.github.now()
	return now.Before(t.blocked.Until) || t.core.isScarce(now)
}

// admits says whether a read would be let through now.
func (t *transport) admits(c class) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.github.now()
	return !now.Before(t.blocked.Until) && t.core.refuses(c, 1, t.github.share, now) == nil
}

// recallEvery is how often it is looked up what other processes, or this one before it was started again, heard of an installation's limits.
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

// tell tells other processes of a limit of all calls.
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

// learnLimits notes what an answer says of the installation's rate limits, and returns the limit if the answer is a refusal because of
// one. GitHub answers 403 or 429, with retry-after; or else with x-ratelimit-remaining 0 and the reset's time; or else with
// words only, and then a minute is the least to wait (docs: rate limits for the REST API). To GraphQL it may answer 200 and say so among the
// errors (docs: rate limits for the GraphQL API).
func (t *transport) learnLimits(r route, resp *http.Response, body []byte) *RateLimited {
	now := t.github.now()
	remaining, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Remaining"))
	known := err == nil
	spent := r == queryGraphQL && resp.StatusCode == http.StatusOK && isLimited(body)
	refused := spent || resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusTooManyRequests
	retry, hasRetry := t.retryAfter(resp.Header.Get("Retry-After"))
	reset, hasReset := t.untilReset(resp.Header.Get("X-RateLimit-Reset"))
	says := func(words string) bool { return refused && bytes.Contains(bytes.ToLower(body), []byte(words)) }
	secondary := says("secondary rate limit") || says("secondary-rate-limits") || says("abuse detection")

	t.mu.Lock()
	defer t.mu.Unlock()
	budget, hour := &t.blocked, &t.core
	if r == queryGraphQL {
		budget, hour = &t.queries, &t.graphQL
	}
	limit, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Limit"))
	if known && err == nil && hasReset && r != createToken { // the App pays for tokens
		hour.learn(limit, remaining, now.Add(reset), now)
		remaining = hour.told
	}
	if known && r != createToken {
		hour.said = said{true, remaining, limit}
	}
	switch {
	case !refused:
		if resp.StatusCode < 400 {
			t.strikes = 0
		}
		if known && remaining == 0 && hasReset && r != createToken {
			// The next call would be refused, and calls past the limit may get the App banned.
			t.block(budget, now.Add(reset), false)
		}
		return nil
	case hasRetry:
		return t.block(&t.blocked, now.Add(retry), secondary || !known || remaining > 0)
	case known && remaining == 0 && hasReset:
		return t.block(budget, now.Add(reset), false)
	case spent || secondary || resp.StatusCode == http.StatusTooManyRequests || says("rate limit exceeded"):
		if now.Before(t.blocked.Until) {
			limited := t.blocked // the same limit, told to another call that was under way
			return &limited
		}
		wait := min(minSecondaryWait<<min(t.strikes, 10), maxSecondaryWait)
		t.strikes++
		return t.block(&t.blocked, now.Add(wait), true)
	default:
		return nil // forbidden, and no limit
	}
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

// retryAfter reads a Retry-After header: seconds, or a date by GitHub's clock.
func (t *transport) retryAfter(value string) (time.Duration, bool) {
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		return clampWait(time.Duration(min(seconds, int(maxLimitWait/time.Second))) * time.Second), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return clampWait(at.Sub(t.github.Now())), true
	}
	return 0, false
}

// untilReset reads an X-RateLimit-Reset header: seconds since 1970 by GitHub's clock.
func (t *transport) untilReset(value string) (time.Duration, bool) {
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds <= 0 {
		return 0, false
	}
	return clampWait(time.Unix(seconds, 0).Sub(t.github.Now())), true
}

// clampWait keeps a wait between a second, because GitHub's times are cut to seconds, and an hour.
func clampWait(d time.Duration) time.Duration { return max(time.Second, min(d, maxLimitWait)) }
