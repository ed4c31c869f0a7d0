package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/changegate/changegate/internal/change"
)

// metered is a GitHub that counts down an hour's budget.
type metered struct {
	*fake
	mu    sync.Mutex
	limit int
	used  int
	reset time.Time
}

func newMetered(t *testing.T, limit int) *metered {
	f := &metered{fake: newFake(t), limit: limit}
	f.clock.now = f.clock.now.Truncate(time.Second)
	f.reset = f.clock.Now().Add(30 * time.Minute)
	for n := 1; n <= 400; n++ {
		f.on(fmt.Sprintf("GET /repos/acme/shop/pulls/%d", n), f.spend(m{"number": n}))
	}
	f.on("POST /repos/acme/shop/issues/comments/3/reactions", f.spend(m{"id": 1}))
	return f
}

func (f *metered) spend(body any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		if !f.clock.Now().Before(f.reset) {
			f.used, f.reset = 0, f.clock.Now().Add(time.Hour)
		}
		f.used++
		left, reset := f.limit-f.used, f.reset
		f.mu.Unlock()
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(f.limit))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(left, 0)))
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
		if left < 0 {
			refuse(http.StatusForbidden, "API rate limit exceeded")(w, r)
			return
		}
		answerWith(http.StatusOK, body)(w, r)
	}
}

// until makes calls until one is kept back, and returns how many GitHub got and until when the last one is to wait.
func (f *metered) until(t *testing.T, call func(n change.Number) error) (got int, limited *RateLimited) {
	t.Helper()
	f.took()
	for n := change.Number(1); n <= 400; n++ {
		err := call(n)
		if errors.As(err, &limited) {
			return len(f.took()), limited
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("nothing was kept back")
	return 0, nil
}

// The kinds of call, each to read another pull request or to write.
func (f *metered) starting(t *testing.T, c *Client) func(change.Number) error {
	return func(n change.Number) error {
		s := c.Begin()
		_, err := s.Pull(t.Context(), shop, n, s.Began())
		return err
	}
}

func (f *metered) background(t *testing.T, c *Client) func(change.Number) error {
	return func(n change.Number) error {
		s := c.Begin()
		_, err := s.Pull(InBackground(t.Context()), shop, n, s.Began())
		return err
	}
}

func (f *metered) going(t *testing.T, s *Session) func(change.Number) error {
	return func(n change.Number) error {
		_, err := s.Pull(t.Context(), shop, n, s.Began())
		return err
	}
}

func (f *metered) writing(t *testing.T, c *Client) func(change.Number) error {
	return func(change.Number) error { return c.React(t.Context(), shop, 3, "+1") }
}

func TestWhatIsLeftOfAnHourIsForTheMoreUrgent(t *testing.T) {
	f := newMetered(t, 200)
	g := f.github()
	c := g.Installation(5)
	run := c.Begin()
	if err := f.going(t, run)(400); err != nil { // it began before anything was scarce
		t.Fatal(err)
	}
	equal(t, "to spare at first", g.Spare(5), true)
	for _, row := range []struct {
		name string
		call func(change.Number) error
		want int
	}{
		{"background", f.background(t, c), 159}, // 40 of 200 are left
		{"starting", f.starting(t, c), 32},      // 8 are
		{"going", f.going(t, run), 6},           // 2 are
		{"writing", f.writing(t, c), 2},
	} {
		got, limited := f.until(t, row.call)
		equal(t, row.name, got, row.want)
		equal(t, row.name+" waits until the reset", limited.Until.Equal(f.reset), true)
		equal(t, row.name+" is kept back", limited.Kept, row.name != "writing") // for then nothing is left for anybody
		equal(t, "to spare", g.Spare(5), false)
		equal(t, "room", g.Room(5), false)
	}
	equal(t, "used", f.used, 200)
	equal(t, "of another installation", g.Spare(6), true)
	if err := f.starting(t, g.Installation(6))(1); err == nil {
		equal(t, "used", f.used, 201)
	}

	f.clock.advance(30 * time.Minute)
	equal(t, "to spare after the reset", g.Spare(5), true)
	if err := f.background(t, c)(1); err != nil {
		t.Error(err)
	}
}

// TestWhatIsLeftIsShown has the metrics say what GitHub said, until its hour is over.
func TestWhatIsLeftIsShown(t *testing.T) {
	f := newMetered(t, 5000)
	config := f.config()
	registry := prometheus.NewRegistry()
	config.Registerer = registry
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(metric string) (values []float64) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, sample := range family.Metric {
				if family.GetName() == metric {
					values = append(values, sample.GetGauge().GetValue())
				}
			}
		}
		return values
	}
	equal(t, "at first", len(shown("changegate_github_rate_remaining")), 0)
	for n := range change.Number(3) {
		if err := f.background(t, g.Installation(5))(n + 1); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "left", fmt.Sprint(shown("changegate_github_rate_remaining")), "[4997]")
	equal(t, "of", fmt.Sprint(shown("changegate_github_rate_limit")), "[5000]")
	f.clock.advance(30 * time.Minute)
	equal(t, "left after the reset", fmt.Sprint(shown("changegate_github_rate_remaining")), "[5000]")
}

// perWindow is how long what was spent counts for a minute.
const perWindow = time.Minute + time.Second

// alone is the share of a process that has no others beside it.
func alone(whole int) int { return whole }

func TestAnAnswerRevalidatedCostsNothing(t *testing.T) {
	var b budget
	now := time.Now()
	b.learn(5000, 100, now.Add(time.Hour), now)
	for range 50 {
		if limited := b.refuses(going, 1, alone, now); limited != nil {
			t.Fatal(limited)
		}
		b.admit(1, now)
		b.learn(5000, 100, now.Add(time.Hour+time.Second), now)
		b.done()
	}
	equal(t, "left", b.left(), 100)
	b.learn(5000, 90, now.Add(time.Hour), now)
	b.learn(5000, 95, now.Add(time.Hour), now) // which was sent before
	equal(t, "left", b.left(), 90)
	b.learn(5000, 4999, now.Add(2*time.Hour), now)
	equal(t, "left in the next hour", b.left(), 4999)
}

func TestWhatIsLeftOfAMinuteIsForTheMoreUrgent(t *testing.T) {
	f := newMetered(t, 15_000)
	config := f.config()
	config.PointsPerMinute = 100
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	start := f.clock.Now()
	c := g.Installation(5)
	run := c.Begin()
	if err := f.going(t, run)(400); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(10 * time.Second)
	equal(t, "room at first", g.Room(5), true)
	for _, row := range []struct {
		name string
		call func(change.Number) error
		want int
		wait time.Duration // since the start
	}{
		{"background", f.background(t, c), 49, perWindow}, // 50 points are left, when one is free
		{"starting", f.starting(t, c), 25, 10*time.Second + perWindow},
		{"going", f.going(t, run), 15, 10*time.Second + perWindow},
		{"writing", f.writing(t, c), 2, 10*time.Second + perWindow}, // of 5 points each
	} {
		got, limited := f.until(t, row.call)
		equal(t, row.name, got, row.want)
		equal(t, row.name+" is kept back", limited.Kept, true)
		equal(t, "room after "+row.name, g.Room(5), false)
		equal(t, "to spare after "+row.name, g.Spare(5), true)
		wait := limited.Until.Sub(start)
		if row.name == "background" {
			equal(t, row.name+" waits", wait, row.wait)
		} else if wait < perWindow || wait > row.wait {
			t.Errorf("%s waits %s", row.name, wait)
		}
	}
	f.clock.advance(10*time.Second + perWindow)
	equal(t, "room in the next minute", g.Room(5), true)
	if err := f.background(t, c)(1); err != nil {
		t.Error(err)
	}
	if f.used != 1+49+25+15+2+1 {
		t.Errorf("GitHub got %d calls", f.used)
	}
}

// TestWhatNotifiesPeopleIsCountedAnHour has GitHub never hear of more than 80 comments in a minute, and 500 in an hour.
func TestWhatNotifiesPeopleIsCountedAnHour(t *testing.T) {
	f := newMetered(t, 15_000)
	config := f.config()
	config.PointsPerMinute = pointsPerMinute
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	comment := func(change.Number) error {
		_, err := g.Installation(5).Begin().Comment(t.Context(), shop, 1, "hello")
		return err
	}
	f.on("POST /repos/acme/shop/issues/1/comments", f.spend(m{"id": 1}))
	start, sent := f.clock.Now(), 0
	for range 6 {
		got, limited := f.until(t, comment)
		equal(t, "in a minute", got, contentPerMinute)
		equal(t, "waits a minute", limited.Until.Sub(f.clock.Now()), perWindow)
		sent += got
		f.clock.advance(perWindow)
	}
	got, limited := f.until(t, comment)
	equal(t, "in an hour", sent+got, contentPerHour)
	equal(t, "waits for the hour", limited.Until, start.Add(time.Hour+time.Second))
	equal(t, "is kept back", limited.Kept, true)
	if err := f.going(t, g.Installation(5).Begin())(400); err != nil {
		t.Errorf("reads wait as well: %v", err)
	}
	f.clock.advance(time.Hour)
	if err := comment(0); err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

// TestProcessesShareWhatGitHubDoesNotTell has each of several processes take no more than its part of a minute.
func TestProcessesShareWhatGitHubDoesNotTell(t *testing.T) {
	f := newMetered(t, 15_000)
	processes := 4
	config := f.config()
	config.PointsPerMinute, config.Processes = 400, func() int { return processes }
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	run := g.Installation(5).Begin()
	got, _ := f.until(t, f.going(t, run))
	equal(t, "of 400 points for four processes, a tenth kept back", got, 90)
	processes = 2
	got, _ = f.until(t, f.going(t, run))
	equal(t, "when two of them are gone, more", got, 90)
	processes = 1000
	f.clock.advance(perWindow)
	if got, _ = f.until(t, f.writing(t, g.Installation(5))); got == 0 {
		t.Error("with so many processes nobody may write at all")
	}
}

// Whatever comes when, no more than the limit is spent in any minute, and one that waits as long as it was told is let through if nobody else
// came.
func TestNoMinuteIsOverspent(t *testing.T) {
	const limit = 30
	w := window{limit: limit, period: time.Minute}
	take := func(now time.Time) (time.Time, bool) {
		until, ok := w.room(5, limit, now)
		if ok {
			w.spend(5, now)
		}
		return until, ok
	}
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	var spent []time.Time
	for i := range 500 {
		now = now.Add(time.Duration(i*7919%2300) * time.Millisecond)
		until, ok := take(now)
		if !ok {
			now = until
			if _, ok = take(now); !ok {
				t.Fatalf("after a wait until %s it is to wait again", until)
			}
		}
		spent = append(spent, now)
		points := 0
		for _, at := range spent {
			if now.Sub(at) < time.Minute {
				points += 5
			}
		}
		if points > limit {
			t.Fatalf("%d points in a minute", points)
		}
	}
}

func TestOnlyThePublicGitHubHasPointsUnasked(t *testing.T) {
	f := newFake(t)
	for address, want := range map[string]int{
		"": pointsPerMinute, "https://api.acme.ghe.com/": pointsPerMinute, "https://github.acme.example/api/v3/": 0,
	} {
		config := f.config()
		config.App.V3APIURL, config.Registerer = address, nil
		g, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, address, g.Installation(5).transport.core.minute.limit, want)
	}
}

// shared is what processes know together.
type shared map[change.InstallationID]time.Time

func (s shared) SaveRateLimit(_ context.Context, id change.InstallationID, until time.Time) error {
	s[id] = until
	return nil
}

func (s shared) RateLimitedUntil(_ context.Context, id change.InstallationID) (time.Time, error) {
	return s[id], nil
}

func TestALimitIsKnownToOtherProcesses(t *testing.T) {
	f := newFake(t)
	know := shared{}
	process := func() *GitHub {
		config := f.config()
		config.Limits = know
		g, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	one, other := process(), process()
	f.json(pullCall, 200, m{"number": 1})
	read(t, one.Installation(5), held)
	read(t, other.Installation(5), held)
	f.on(pullCall, refuse(http.StatusTooManyRequests, "", "Retry-After", "90"))
	limited := func(g *GitHub) (r *RateLimited) {
		t.Helper()
		s := g.Installation(5).Begin()
		if _, err := s.Pull(t.Context(), shop, 1, s.Began()); !errors.As(err, &r) {
			t.Fatalf("got %v", err)
		}
		return r
	}
	f.took()
	first := limited(one)
	equal(t, "calls", len(f.took()), 1)
	f.clock.advance(recallEvery)
	for name, g := range map[string]*GitHub{"the other process": other, "the next one": process()} {
		equal(t, name, limited(g).Until, first.Until)
	}
	equal(t, "calls of the others", len(f.took()), 0)
	f.clock.advance(90 * time.Second)
	f.json(pullCall, 200, m{"number": 1})
	read(t, other.Installation(5), verified)
}
