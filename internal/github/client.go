package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	json2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/google/go-github/v62/github"
	"github.com/palantir/go-githubapp/githubapp"
	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
)

// perPage is the largest page that GitHub gives.
const perPage = 100

// Client acts for one installation of the App. It is safe for many goroutines. Reads go through a Session.
type Client struct {
	github    *GitHub
	id        change.InstallationID
	transport *transport
	conn      *github.Client // without a token: each call has its own
	asking    *keyedLock

	noTimeline atomic.Bool // this GitHub has no timeline of issues
}

// Session is one run's view of GitHub: what was asked within it is not asked again. It is safe for many goroutines and is thrown away
// after the run.
type Session struct {
	*Client
	began time.Time
	calls atomic.Bool // it has asked GitHub for something

	mu      sync.Mutex
	asked   map[string]*answer
	lookFor map[string][]change.Account // by organization and team: those whose membership was looked up
}

// Begin starts a session.
func (c *Client) Begin() *Session {
	return &Session{Client: c, began: c.github.now(), asked: map[string]*answer{}, lookFor: map[string][]change.Account{}}
}

// Began returns when the session began. Given as a read's since, it asks for an answer that GitHub gave or revalidated within this session.
func (s *Session) Began() time.Time { return s.began }

// Now returns the time by GitHub's clock; see GitHub.Now.
func (c *Client) Now() time.Time { return c.github.Now() }

// newClient returns a client of an installation.
func newClient(g *GitHub, id change.InstallationID) *Client {
	c := &Client{github: g, id: id, transport: newTransport(g, id), asking: newKeyedLock()}
	c.conn = github.NewClient(&http.Client{Transport: c.transport, Timeout: g.timeout})
	c.conn.BaseURL = g.api.JoinPath("/")
	c.conn.UserAgent = fmt.Sprintf("%s (installation: %d)", userAgent, id)
	return c
}

// asItself returns a go-github client that signs its calls with the App's key, as it is now.
func (g *GitHub) asItself(t *transport) (*github.Client, error) {
	return githubapp.NewClientCreator(g.api.String(), "", g.app.App.IntegrationID, g.key(),
		githubapp.WithClientUserAgent(userAgent),
		githubapp.WithClientTimeout(g.timeout),
		githubapp.WithTransport(t)).NewAppClient()
}

// send makes one call with the token of the address's scope, and once more with a new token if GitHub may have refused because of the
// first one: a token ends early when an installation is suspended or its permissions change, and a repository may have come to the
// installation since. A refused call has done nothing. The answer's body is in memory; the errors are this package's, and with one of GitHub's
// there is an answer as well.
func (c *Client) send(ctx context.Context, r *sending, to address, body any, header http.Header) (*github.Response, error) {
	for first := true; ; first = false {
		token, err := c.token(ctx, r, to.scope)
		if err != nil {
			return nil, err
		}
		req, err := c.conn.NewRequest(to.route.method(), to.String(), body)
		if err != nil {
			return nil, &Unavailable{Err: err}
		}
		maps.Copy(req.Header, header)
		req.Header.Set("Authorization", "token "+token.text)
		resp, err := c.conn.BareDo(withSending(ctx, r), req)
		var refused *github.ErrorResponse
		if errors.As(err, &refused) && token.doubts(to.scope, refused.Response.StatusCode, c.github.now()) {
			c.forget(to.scope, token)
			if token.instead != nil && refused.Response.StatusCode == http.StatusUnauthorized {
				c.forget(scope{}, token.instead)
			}
			if first {
				continue
			}
		}
		return resp, classify(err, r.sent && r.route.writes())
	}
}

// done ends a call. An answer that is not read to its end would hold all of the call until the call's time is up.
func done(resp *github.Response) {
	if resp != nil && resp.Response != nil {
		_ = resp.Body.Close() // it is in memory
	}
}

// write makes a call that changes something, and reads its answer into v unless that is nil.
func (c *Client) write(ctx context.Context, to address, body, v any) error {
	resp, err := c.send(ctx, &sending{route: to.route}, to, body, nil)
	defer done(resp)
	if err != nil {
		return err
	}
	c.github.has.LoadOrStore(to.route, true)
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return unreadable(err, true)
	}
	return nil
}

// answer is what GitHub answered to a GET. It is immutable; revalidating one makes another.
type answer struct {
	sent     time.Time // when it was asked for: what changed before that is in it
	status   int       // 200 or 404
	body     []byte
	packer   *packer // what packed the body; nil: it is as GitHub sent it
	unpacked int     // how long the body is without that
	etag     string
	hasNext  bool
	lastPage int    // 0: GitHub did not say
	message  string // with a 404
	call     string // with a 404: what it was the answer to
}

func (a *answer) size() int { return len(a.body) + len(a.etag) + len(a.message) + len(a.call) }

// packed returns the answer as it is held.
func (a *answer) packed(p *packer) *answer {
	if a.packer != nil || len(a.body) < packedFrom {
		return a
	}
	held := *a
	held.body, held.packer, held.unpacked = p.pack(a.body), p, len(a.body)
	return &held
}

// text returns the body as GitHub sent it.
func (a *answer) text() ([]byte, error) {
	if a.packer == nil {
		return a.body, nil
	}
	return a.packer.unpack(a.body, a.unpacked)
}

// open takes the answer apart, or says that there is none.
func (a *answer) open(accept func(*answer) error) error {
	if a.status == http.StatusNotFound {
		return &NotFound{Message: a.message, Call: a.call}
	}
	return accept(a)
}

// get returns the answer to a GET: one that was asked for after since or in this session, or any that is held if since is zero, else
// what GitHub answers now. Accept takes it apart; an answer that it does not accept is not held, so that it is asked for again and
// not revalidated. A 404 is an answer as well, and held like one: then both results are set, and accept is not called.
func (s *Session) get(ctx context.Context, to address, since time.Time, accept func(*answer) error) (*answer, error) {
	key := s.answerKey(to)
	unlock, err := s.asking.lock(ctx, key)
	if err != nil {
		return nil, &Unavailable{Err: err}
	}
	defer unlock()

	s.mu.Lock()
	asked := s.asked[key]
	s.mu.Unlock()
	if asked != nil {
		return asked, asked.open(accept)
	}
	held, _ := s.held(to)
	if held != nil && held.sent.After(since) {
		s.github.metrics.held.WithLabelValues(string(to.route)).Inc()
		return held, held.open(accept)
	}

	fresh, err := s.ask(ctx, &sending{route: to.route, first: !s.calls.Swap(true)}, to, held)
	if err != nil {
		return nil, err
	}
	err = fresh.open(accept)
	if err != nil && fresh.status != http.StatusNotFound {
		return nil, fmt.Errorf("%w (%s /%s)", err, to.route.method(), to.path)
	}
	held = fresh.packed(s.github.packer)
	s.github.answers.put(key, held, held.size())
	s.mu.Lock()
	s.asked[key] = fresh
	s.mu.Unlock()
	return fresh, err
}

// answerKey names the answer to a GET of the installation. What a token of one scope was told is no answer to those of another.
func (c *Client) answerKey(to address) string {
	return itoa(c.id) + " " + to.scope.String() + " " + to.String()
}

// held returns the answer to a GET that is held, if any.
func (c *Client) held(to address) (*answer, bool) { return c.github.answers.get(c.answerKey(to)) }

// drop forgets what is held of a GET that cannot be true.
func (s *Session) drop(to address) {
	key := s.answerKey(to)
	s.github.answers.remove(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asked, key)
}

// ask sends the GET, conditionally if an answer is held.
func (c *Client) ask(ctx context.Context, r *sending, to address, held *answer) (*answer, error) {
	header := http.Header{}
	if held != nil && held.etag != "" {
		header.Set("If-None-Match", held.etag)
	}
	a := &answer{sent: c.github.now(), status: http.StatusOK}
	resp, err := c.send(ctx, r, to, nil, header)
	defer done(resp)
	if resp != nil && resp.Response != nil && held != nil && resp.StatusCode == http.StatusNotModified {
		again := *held
		again.sent = a.sent
		if resp.Header.Get("Link") != "" {
			again.hasNext, again.lastPage = resp.NextPage != 0, resp.LastPage
		}
		return &again, nil
	}
	if err != nil {
		var missing *NotFound
		if errors.As(err, &missing) && resp != nil && resp.Response != nil {
			a.status, a.message, a.call = http.StatusNotFound, missing.Message, missing.Call
			return a, nil
		}
		return nil, err
	}
	if a.body, err = readAll(resp.Response); err != nil {
		return nil, unreadable(err, false)
	}
	c.github.has.LoadOrStore(r.route, true)
	a.etag = resp.Header.Get("ETag")
	a.hasNext, a.lastPage = resp.NextPage != 0, resp.LastPage
	return a, nil
}

// read is get, with the answer read into v. Whole is asked afterwards whether v holds what every such answer has, because any JSON object can
// be read into it; nil: whatever it holds will do.
func (s *Session) read(ctx context.Context, to address, since time.Time, v any, whole func() bool) error {
	_, err := s.get(ctx, to, since, into(v, whole))
	return err
}

// into returns a function for get and answer.open that reads an answer into v as read does.
func into(v any, whole func() bool) func(*answer) error {
	return func(a *answer) error {
		body, err := a.text()
		if err != nil {
			return unreadable(err, false)
		}
		// The lists of a head's checks are long. This reads them as encoding/json would, in half the time.
		if err := json2.Unmarshal(body, v, jsonv1.DefaultOptionsV1()); err != nil {
			return unreadable(fmt.Errorf("GitHub's answer cannot be read: %w", err), false)
		}
		if bytes.Equal(bytes.TrimSpace(body), []byte("null")) || whole != nil && !whole() {
			return unreadable(errors.New("GitHub's answer lacks what was asked for"), false)
		}
		return nil
	}
}

// listing is what readPages read.
type listing[T any] struct {
	items []T
	more  bool      // the limit on pages was reached first
	sent  time.Time // when the oldest of the pages was asked for; with a NotFound, when that was
}

// page is one page of a list.
type page[T any] struct {
	items []T
	more  bool      // there may be another after it
	last  int       // how many pages there are; 0: GitHub does not say
	sent  time.Time // when it was asked for; with a NotFound too
}

// readPage reads the nth page of a list, from 1. Items takes it apart.
//
// A page that is full may have one after it even if GitHub does not link to it: the answer may be one that was held and
// revalidated, and an ETag covers the body only.
func readPage[P, T any](
	ctx context.Context, s *Session, list address, since time.Time, n int, items func(P) (_ []T, whole bool),
) (p page[T], err error) {
	var body P
	a, err := s.get(ctx, list.page(n), since, into(&body, func() (whole bool) {
		p.items, whole = items(body)
		return whole
	}))
	if a != nil {
		p.sent = a.sent
	}
	if err != nil {
		return p, err
	}
	p.more, p.last = a.hasNext || len(p.items) >= perPage, a.lastPage
	return p, nil
}

// readPages reads a list of pages to its end, or to limit pages.
func readPages[P, T any](
	ctx context.Context, s *Session, list address, since time.Time, limit int, items func(P) (_ []T, whole bool),
) (listing[T], error) {
	read := func(ctx context.Context, n int) (page[T], error) {
		return readPage(ctx, s, list, since, n, items)
	}
	first, err := read(ctx, 1)
	if err != nil {
		return listing[T]{sent: first.sent}, err
	}
	pages := []page[T]{first}
	// Where the first page tells how many there are, they are read side by side.
	if last := min(first.last, limit); last > 1 {
		pages = append(pages, make([]page[T], last-1)...)
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(inFlight)
		for n := 2; n <= last; n++ {
			group.Go(func() (err error) {
				pages[n-1], err = read(gctx, n)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return listing[T]{}, err
		}
	}
	for pages[len(pages)-1].more && len(pages) < limit {
		next, err := read(ctx, len(pages)+1)
		if err != nil {
			return listing[T]{}, err
		}
		pages = append(pages, next)
	}
	out := listing[T]{more: pages[len(pages)-1].more, sent: first.sent}
	for _, p := range pages {
		out.items = append(out.items, p.items...)
		if p.sent.Before(out.sent) {
			out.sent = p.sent
		}
	}
	return out, nil
}

// tooMany is the error of a list that is longer than it can be on a GitHub that works as documented, or than is sane to read.
func (l listing[T]) tooMany(what string) error {
	if !l.more {
		return nil
	}
	return tooMany(what)
}

func tooMany(what string) error {
	return &Rejected{Status: http.StatusOK, Message: what + ": too many to read"}
}

// itself is the items of a page that is a list of values, entries of one that is a list of pointers.
func itself[T any](page []T) ([]T, bool) { return page, true }

func entries[T any](page []*T) ([]*T, bool) { return present(page), true }

// present leaves out what is null in a list.
func present[T any](list []*T) []*T {
	return slices.DeleteFunc(list, func(p *T) bool { return p == nil })
}

// expire makes held answers at an address, and below it, stale, so that what was just written is not answered from before.
func (c *Client) expire(at address) { c.github.answers.dropPrefix(c.answerKey(at)) }

// objectKey is the key of something immutable. It holds the installation and the repository, so that nobody is shown what
// only others may read.
func (c *Client) objectKey(kind string, repo change.Repository, parts ...string) string {
	return fmt.Sprintf("%s %d %d %s", kind, c.id, repo.ID, strings.Join(parts, "\x00"))
}

// wrap names the operation and its subject, once.
func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		v.Set(pair[0], pair[1])
	}
	return v
}
