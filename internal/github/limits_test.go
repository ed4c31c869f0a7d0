package github

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// refuse answers with a status, headers as name and value in turn, and a message.
func refuse(status int, message string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		answerWith(status, m{"message": message})(w, r)
	}
}

func TestRateLimits(t *testing.T) {
	f := newFake(t)
	start := f.clock.Now().Truncate(time.Second)
	in := func(d time.Duration) string { return strconv.FormatInt(start.Add(d).Unix(), 10) }
	const docs = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
	for name, tt := range map[string]struct {
		answer    http.HandlerFunc
		wait      time.Duration
		secondary bool
	}{
		"403, budget used up":          {refuse(403, "API rate limit exceeded for installation ID 5.", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(20*time.Minute)), 20 * time.Minute, false},
		"429, budget used up":          {refuse(429, "API rate limit exceeded", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(20*time.Minute)), 20 * time.Minute, false},
		"403, retry-after":             {refuse(403, docs, "Retry-After", "90", "X-RateLimit-Remaining", "4000"), 90 * time.Second, true},
		"429, retry-after":             {refuse(429, docs, "Retry-After", "90"), 90 * time.Second, true},
		"retry-after before the reset": {refuse(403, docs, "Retry-After", "30", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(time.Hour)), 30 * time.Second, true},
		"retry-after as a date":        {refuse(429, docs, "Retry-After", start.Add(2*time.Minute).UTC().Format(http.TimeFormat)), 2 * time.Minute, true},
		"403, words only":              {refuse(403, docs), time.Minute, true},
		"429, nothing at all":          {refuse(429, ""), time.Minute, true},
		"words, with budget left":      {refuse(403, docs, "X-RateLimit-Remaining", "4000", "X-RateLimit-Reset", in(time.Hour)), time.Minute, true},
		"an absurd wait":               {refuse(429, docs, "Retry-After", "999999999999"), time.Hour, true},
		"a reset that is over":         {refuse(403, "API rate limit exceeded", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(-time.Hour)), time.Second, false},
		"a reset that cannot be":       {refuse(403, "API rate limit exceeded", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "soon"), time.Minute, true},
		"retry-after that cannot be":   {refuse(429, docs, "Retry-After", "soon"), time.Minute, true},
		"the last call of the budget":  {refuse(200, "", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(20*time.Minute)), 20 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			f.clock.now = start
			f.took()
			c := f.client()
			f.on(pullCall, tt.answer)
			s := c.Begin()
			_, err := s.Pull(t.Context(), shop, 1, s.Began())
			if strings.HasPrefix(name, "the last call") {
				if err != nil && !Temporary(err) { // the answer is no pull request, and tells of the limit all the same
					t.Fatal(err)
				}
				s = c.Begin()
				_, err = s.Pull(t.Context(), shop, 1, s.Began())
			}
			var limited *RateLimited
			if !errors.As(err, &limited) {
				t.Fatalf("got %v", err)
			}
			equal(t, "wait", limited.Until.Sub(start), tt.wait)
			equal(t, "secondary", limited.Secondary, tt.secondary)
			equal(t, "temporary", Temporary(err), true)
			equal(t, "retry", RetryAt(err, start), limited.Until)
			equal(t, "calls", len(f.took()), 1)

			// Until then nothing is sent, reads or writes; what is held is still given.
			f.clock.advance(tt.wait - time.Millisecond)
			if err := c.React(t.Context(), shop, 3, "+1"); !errors.As(err, &limited) {
				t.Errorf("a write before the end: %v", err)
			}
			equal(t, "calls before the end", len(f.took()), 0)

			f.clock.advance(time.Millisecond)
			f.json(pullCall, 200, m{"number": 1})
			read(t, c, verified)
			equal(t, "calls after the end", len(f.took()), 1)
		})
	}
}

func TestRateLimitIsOneInstallations(t *testing.T) {
	f := newFake(t)
	g := f.github()
	f.on(pullCall, refuse(429, ""))
	if _, err := g.Installation(5).Begin().Pull(t.Context(), shop, 1, time.Time{}); err == nil {
		t.Fatal("no error")
	}
	f.json(pullCall, 200, m{"number": 1})
	read(t, g.Installation(6), held)
}

func TestSecondaryWaitsDouble(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.on(pullCall, refuse(403, "You have exceeded a secondary rate limit"))
	wait := func() time.Duration {
		_, err := c.Begin().Pull(t.Context(), shop, 1, f.clock.Now())
		var limited *RateLimited
		if !errors.As(err, &limited) {
			t.Fatal(err)
		}
		d := limited.Until.Sub(f.clock.Now())
		f.clock.advance(d)
		return d
	}
	for _, minutes := range []time.Duration{1, 2, 4, 8, 16, 16} {
		equal(t, "wait", wait(), minutes*time.Minute)
	}
	f.json(pullCall, 200, m{"number": 1})
	read(t, c, verified)
	f.on(pullCall, refuse(403, "You have exceeded a secondary rate limit"))
	equal(t, "wait after a success", wait(), time.Minute)
}

func TestRateLimitOfTokens(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.token = refuse(403, "API rate limit exceeded", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset",
		strconv.FormatInt(f.clock.Now().Add(time.Minute).Unix(), 10))
	_, err := c.Begin().Pull(t.Context(), shop, 1, time.Time{})
	var limited *RateLimited
	if !errors.As(err, &limited) {
		t.Errorf("got %v", err)
	}
}

func TestErrors(t *testing.T) {
	as := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	unavailable := func(status int) func(error) bool {
		return func(err error) bool {
			var e *Unavailable
			return errors.As(err, &e) && e.Status == status && !e.MayHaveHappened
		}
	}
	for name, tt := range map[string]struct {
		answer    http.HandlerFunc
		is        func(error) bool
		temporary bool
		says      string
	}{
		"404":           {refuse(404, "Not Found"), as(new(*NotFound)), false, "reading acme/shop#1: not found on GitHub: Not Found"},
		"410":           {refuse(410, "This issue was deleted"), as(new(*NotFound)), false, "deleted"},
		"403":           {refuse(403, "Resource not accessible by integration", "X-Accepted-GitHub-Permissions", "pull_requests=read"), as(new(*Forbidden)), false, "(the App needs pull_requests=read)"},
		"403 suspended": {refuse(403, "This installation has been suspended"), as(new(*Suspended)), true, "suspended"},
		"451":           {refuse(451, "Repository access blocked"), as(new(*Forbidden)), false, "blocked"},
		"422":           {answerWith(422, m{"message": "Validation Failed", "errors": []any{m{"message": "too long"}, m{"resource": "Pull", "field": "base", "code": "invalid"}, "plain words"}}), as(new(*Rejected)), false, "Validation Failed; too long; invalid error caused by base field on Pull resource; plain words"},
		"409":           {refuse(409, "Git Repository is empty."), as(new(*Rejected)), false, "409: Git Repository is empty."},
		"422 of a name": {refuse(422, "alice is suspended"), as(new(*Rejected)), false, "422: alice is suspended"},
		"422, a diff":   {refuse(422, "Server Error: Sorry, this diff is taking too long to generate."), unavailable(422), true, "GitHub answered 422"},
		"304, of none":  {refuse(304, ""), unavailable(304), true, "redirected"},
		"408":           {refuse(408, ""), unavailable(408), true, "GitHub answered 408"},
		"500":           {refuse(500, "Server Error"), unavailable(500), true, "GitHub answered 500"},
		"502, HTML":     {answerWith(502, "<html>Bad Gateway</html>"), unavailable(502), true, "GitHub answered 502"},
		"503":           {refuse(503, "Unicorn"), unavailable(503), true, ""},
		"504":           {refuse(504, ""), unavailable(504), true, ""},
		"202":           {answerWith(202, "{}"), unavailable(202), true, "still computing"},
		"not JSON":      {answerWith(200, "<html>captive portal</html>"), unavailable(200), true, "cannot be read"},
		"other JSON":    {answerWith(200, `["a"]`), unavailable(200), true, "cannot be read"},
		"nothing":       {answerWith(200, ""), unavailable(200), true, ""},
		"cut off":       {func(http.ResponseWriter, *http.Request) { panic(connectionCut(false)) }, unavailable(0), true, ""},
		"cut in half":   {func(http.ResponseWriter, *http.Request) { panic(connectionCut(true)) }, unavailable(0), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(pullCall, tt.answer)
			_, err := f.client().Begin().Pull(t.Context(), shop, 1, time.Time{})
			if err == nil || !tt.is(err) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %T %v", err, err)
			}
			equal(t, "temporary", Temporary(err), tt.temporary)
			now := f.clock.Now()
			equal(t, "retry", RetryAt(err, now).Sub(now), 30*time.Second)
			if strings.Contains(err.Error(), "ghs_") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestTokenErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		is     any
	}{
		"a wrong key":               {refuse(401, "A JSON web token could not be decoded"), new(*Unauthorized)},
		"a wrong App":               {refuse(404, "Integration not found"), new(*Unauthorized)},
		"suspended":                 {refuse(403, "This installation has been suspended"), new(*Suspended)},
		"an address that is barred": {refuse(403, "the IP address is not permitted"), new(*Forbidden)},
		"uninstalled":               {refuse(404, "Not Found"), new(*NotFound)},
		"GitHub is down":            {refuse(500, ""), new(*Unavailable)},
		"a repository that left":    {refuse(422, "There is at least one repository that does not exist or is not accessible to the parent installation."), new(*NotFound)},
		"GitHub refuses otherwise":  {refuse(409, "Conflict"), new(*Rejected)},
		"no token":                  {answerWith(201, "{}"), new(*Unavailable)},
		"not JSON":                  {answerWith(201, "<html>"), new(*Unavailable)},
		"the connection is cut":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, new(*Unavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.token = tt.answer
			_, err := f.client().Comment(t.Context(), shop, 1, "hello")
			if !errors.As(err, tt.is) {
				t.Fatalf("got %T %v", err, err)
			}
			var unavailable *Unavailable
			if errors.As(err, &unavailable) && unavailable.MayHaveHappened {
				t.Error("nothing was sent, and yet it may have happened")
			}
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Error("the error shows the key")
			}
			calls(t, f)
		})
	}
}

func TestLostWrites(t *testing.T) {
	const call = "POST /repos/acme/shop/issues/1/comments"
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   bool
	}{
		"the answer is lost":        {func(http.ResponseWriter, *http.Request) { panic(connectionCut(false)) }, true},
		"the answer is cut in half": {func(http.ResponseWriter, *http.Request) { panic(connectionCut(true)) }, true},
		"the answer is an error":    {refuse(502, ""), true},
		"the answer cannot be read": {answerWith(201, "<html>"), true},
		"GitHub has accepted it":    {answerWith(202, "{}"), true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(call, tt.answer)
			_, err := f.client().Comment(t.Context(), shop, 1, "hello")
			var unavailable *Unavailable
			if !errors.As(err, &unavailable) || unavailable.MayHaveHappened != tt.want {
				t.Errorf("got %#v", err)
			}
			calls(t, f, call) // and never again by itself
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		f := newFake(t)
		config, network := f.config(), &http.Transport{}
		config.Transport = network
		g, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		c := g.Installation(5)
		f.json(pullCall, 200, m{"number": 1})
		read(t, c, held) // for a token
		f.server.Close()
		network.CloseIdleConnections()
		_, err = c.Comment(t.Context(), shop, 1, "hello")
		var unavailable *Unavailable
		if !errors.As(err, &unavailable) || unavailable.MayHaveHappened {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the connection is reset", func(t *testing.T) {
		f := newFake(t)
		config := f.config()
		config.Transport = resetting{http.MethodPost + " /repos/"}
		g, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Installation(5).Comment(t.Context(), shop, 1, "hello")
		var unavailable *Unavailable
		if !errors.As(err, &unavailable) || !unavailable.MayHaveHappened {
			t.Errorf("got %#v", err)
		}
	})
	for name, answer := range map[string]http.HandlerFunc{
		"a refusal is one":       refuse(422, "Validation Failed"),
		"what GitHub has not is": refuse(501, ""),
		"a limit is one":         refuse(403, "You have exceeded a secondary rate limit"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(call, answer)
			_, err := f.client().Comment(t.Context(), shop, 1, "hello")
			var rejected *Rejected
			var limited *RateLimited
			var unavailable *Unavailable
			if !errors.As(err, &rejected) && !errors.As(err, &limited) || errors.As(err, &unavailable) {
				t.Errorf("got %#v", err)
			}
		})
	}
}

// resetting is a network that resets the connection once a request was sent whose method and path begin so.
type resetting struct{ call string }

func (r resetting) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(req.Method+" "+req.URL.Path, r.call) {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return http.DefaultTransport.RoundTrip(req)
}

func TestALimitThatEndedIsNotWaitedFor(t *testing.T) {
	now := time.Now()
	for until, want := range map[time.Duration]time.Duration{-time.Second: 30 * time.Second, 0: 30 * time.Second, time.Second: time.Second} {
		equal(t, "retry", RetryAt(&RateLimited{Until: now.Add(until)}, now).Sub(now), want)
	}
}

func TestTooLargeAnswer(t *testing.T) {
	f := newFake(t)
	f.on(pullCall, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"body":%q}`, strings.Repeat("a", maxAnswer))
	})
	_, err := f.client().Begin().Pull(t.Context(), shop, 1, time.Time{})
	if err == nil || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("got %v", err)
	}
}
