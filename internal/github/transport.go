package github

import (
	"bytes"
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
)

// transport carries the calls of an installation, those for its tokens among them. It sends requests to the configured hosts only, a few at a
// time; none while GitHub limits the installation, and the less urgent ones only as long as enough is left for the others. It reads each answer
// whole, so that a connection lost half-way is an error of the call.
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

	sending.sent = true
	resp, body, err := t.exchange(req, r)
	if err != nil {
		return nil, err
	}
	t.github.learnClock(resp.Header.Get("Date"))
	if limited := t.learnLimits(r, readLimits(r, resp, body, t.github.Now())); limited != nil {
		t.tell(req.Context(), *limited)
		return nil, limited
	}
	if req.Method != http.MethodGet && redirectsToGet(resp.StatusCode) {
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

// exchange sends a request and reads the whole answer, with a line in the log and in the metrics.
func (t *transport) exchange(req *http.Request, r route) (resp *http.Response, body []byte, err error) {
	start := t.github.now()
	resp, err = t.github.base.RoundTrip(req)
	if err == nil {
		body, err = readAll(resp)
	}
	took := t.github.now().Sub(start)
	t.github.metrics.seconds.Observe(took.Seconds())
	log := t.github.log.Debug().Ctx(req.Context()).Str("route", string(r)).Int64("installation", int64(t.id)).Dur("took", took)
	if err != nil {
		t.github.metrics.requests.WithLabelValues(string(r), "error").Inc()
		log.Err(err).Msg("GitHub did not answer")
		return nil, nil, err
	}
	t.github.metrics.requests.WithLabelValues(string(r), strconv.Itoa(resp.StatusCode)).Inc()
	log.Int("status", resp.StatusCode).Msg("GitHub answered")
	return resp, body, nil
}

// redirectsToGet says whether an answer redirects, and has whatever was asked repeated as a GET.
func redirectsToGet(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
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
