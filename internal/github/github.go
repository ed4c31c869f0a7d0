package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
)

const (
	userAgent      = "changegate"
	defaultAPI     = "https://api.github.com/"
	defaultGraphQL = "https://api.github.com/graphql"
	defaultWeb     = "https://github.com"
	defaultTimeout = 10 * time.Second
	defaultCache   = 24 << 20
	// clockTolerance is how far GitHub's clock may be from ours before it counts as another: its Date header is cut to seconds.
	clockTolerance = 2 * time.Second
)

// Config is what a GitHub needs to work. Only App is required.
type Config struct {
	// App holds GitHub's addresses and the App's id and private key. V3APIURL defaults to github.com's, and must be https unless
	// it is this machine; V4APIURL is alike, but where only it is left out there is no GraphQL. WebURL is used to tell GitHub's own e-mail
	// addresses.
	App githubapp.Config
	// CheckName is the name of our check run; empty: change.CheckName.
	CheckName string
	// Key returns the App's private key in PEM form as it is now, so that it can be replaced while the server runs; nil: App's.
	Key func() []byte
	// Transport carries the requests; nil: a transport of its own with net/http's defaults.
	Transport http.RoundTripper
	// Now is the server's clock; nil: time.Now.
	Now func() time.Time
	// Logger gets a line a call on level debug, and rate limits on level warn. Neither holds names or secrets.
	Logger zerolog.Logger
	// Registerer gets the metrics, all named changegate_github_*; nil: nobody.
	Registerer prometheus.Registerer
	// CacheBytes bounds the memory for held answers, of all installations together; 0: 24 MiB, in which GitHub's JSON
	// takes a tenth of its length.
	CacheBytes int64
	// Timeout bounds one call; 0: 10 seconds.
	Timeout time.Duration
	// PointsPerMinute is what an installation may spend in a minute, where a read costs 1 and a write 5; 0: what github.com allows if that is
	// where V3APIURL is, else any; negative: any.
	PointsPerMinute int
	// Limits is what all processes that act for the App know of GitHub's limits; nil: each finds out for itself.
	Limits Limits
	// Processes is how many act for the App now. GitHub does not tell what is left of a minute; each process counts for itself, and takes an equal
	// share. nil: this one alone.
	Processes func() int
}

// Limits remembers until when GitHub takes no calls of an installation, so that neither another process nor the next one tries. See
// store.Store.
type Limits interface {
	SaveRateLimit(ctx context.Context, id change.InstallationID, until time.Time) error
	RateLimitedUntil(ctx context.Context, id change.InstallationID) (time.Time, error)
}

// GitHub is one GitHub (github.com or an Enterprise Server) as our App sees it. It is safe for many goroutines.
type GitHub struct {
	app       githubapp.Config
	key       func() []byte
	api       *url.URL
	graphql   *url.URL // nil: there is none
	noreply   []string // the domains of the e-mail addresses that GitHub gives its users
	checkName string
	base      http.RoundTripper
	now       func() time.Time
	log       zerolog.Logger
	metrics   *metrics
	timeout   time.Duration
	slots     *slots
	points    int // what a minute has for each installation; 0: any number
	limits    Limits
	processes func() int

	has     sync.Map      // of each route that was ever answered with what was asked for: what GitHub has it does not lack later
	itself  *transport    // for what the App asks about itself, with its key and not with an installation's token
	tokens  *lru[*token]  // by installation and scope
	answers *lru[*answer] // by installation, scope and URL: revalidated
	packer  *packer       // of their bodies
	objects *lru[any]     // by installation, repository and SHA: immutable

	mu      sync.Mutex
	clients map[change.InstallationID]*Client
	offset  time.Duration // GitHub's clock less ours
	bot     string        // see BotLogin
	botAt   time.Time     // when it was read
}

// setDefaults sets what is left out. What a minute has depends on the address.
func (c *Config) setDefaults() {
	if c.App.V3APIURL == "" {
		c.App.V3APIURL = defaultAPI
		c.App.V4APIURL = cmp.Or(c.App.V4APIURL, defaultGraphQL)
	}
	c.App.WebURL = cmp.Or(c.App.WebURL, defaultWeb)
	c.CheckName = cmp.Or(c.CheckName, change.CheckName)
	if c.Key == nil {
		key := []byte(c.App.App.PrivateKey)
		c.Key = func() []byte { return key }
	}
	if c.Transport == nil {
		base := http.DefaultTransport.(*http.Transport).Clone()
		base.MaxIdleConnsPerHost = 4 * inFlight
		c.Transport = base
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.CacheBytes <= 0 {
		c.CacheBytes = defaultCache
	}
}

// New checks the configuration and returns a GitHub. Nothing is sent. Its errors name the key that is wrong.
func New(c Config) (*GitHub, error) {
	c.setDefaults()
	api, err := parseAddress("v3_api_url", c.App.V3APIURL, "https://api.github.com/ or https://HOST/api/v3/")
	if err != nil {
		return nil, err
	}
	var graphql *url.URL
	if c.App.V4APIURL != "" {
		if graphql, err = parseAddress("v4_api_url", c.App.V4APIURL, "https://api.github.com/graphql or https://HOST/api/graphql"); err != nil {
			return nil, err
		}
	}
	web, err := url.Parse(c.App.WebURL)
	if err != nil || web.Host == "" {
		return nil, fmt.Errorf("github.web_url: %q is not an address: use https://github.com or https://HOST", c.App.WebURL)
	}
	if c.App.App.IntegrationID <= 0 {
		return nil, errors.New("github.app.integration_id: missing: it is the App ID on the App's settings page")
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	points := max(c.PointsPerMinute, 0)
	if c.PointsPerMinute == 0 && isPublic(api) {
		points = pointsPerMinute
	}
	noreply := []string{"users.noreply." + web.Hostname()}
	if isLoopback(web.Hostname()) {
		noreply = append(noreply, "users.noreply.github.com")
	}
	g := &GitHub{
		app: c.App, key: c.Key, api: api, graphql: graphql, noreply: noreply, checkName: c.CheckName,
		base: c.Transport, now: c.Now, log: c.Logger, metrics: m, timeout: c.Timeout,
		slots: newSlots(allInFlight, inFlight), points: points, limits: c.Limits, processes: c.Processes,
		tokens: newLRU[*token](maxTokens), answers: newLRU[*answer](c.CacheBytes - c.CacheBytes/4), packer: newPacker(), objects: newLRU[any](c.CacheBytes / 4),
		clients: map[change.InstallationID]*Client{},
	}
	g.itself = newTransport(g, 0)
	if _, err := g.asItself(g.itself); err != nil {
		// The only thing left that can be wrong; the error quotes nothing of the key.
		return nil, errors.New("github.app.private_key: not a private key in PEM form: give the .pem file that GitHub made for the App")
	}
	if c.Registerer != nil {
		if err := c.Registerer.Register(rates{g}); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return g, nil
}

// parseAddress reads an address that tokens are sent to.
func parseAddress(key, value, use string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("github.%s: %q is not an address: use %s", key, value, use)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("github.%s: %q is not encrypted: use https", key, value)
	}
	return u, nil
}

// isConfigured says whether an address is on one of the hosts that the configuration names for the API.
func (g *GitHub) isConfigured(u *url.URL) bool {
	is := func(api *url.URL) bool { return api != nil && u.Host == api.Host && u.Scheme == api.Scheme }
	return is(g.api) || is(g.graphql)
}

// lacks says whether an error is that GitHub did not find something, where it was never seen to have one of some routes: it may have none of them.
func (g *GitHub) lacks(err error, routes ...route) bool {
	var missing *NotFound
	return errors.As(err, &missing) && !slices.ContainsFunc(routes, func(r route) bool {
		_, has := g.has.Load(r)
		return has
	})
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Installation returns the client of an installation, always the same one.
func (g *GitHub) Installation(id change.InstallationID) *Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.clients[id]
	if c == nil {
		c = newClient(g, id)
		g.clients[id] = c
	}
	return c
}

// share is this process' part of what the App may spend.
func (g *GitHub) share(whole int) int {
	if g.processes == nil {
		return whole
	}
	return max(whole/max(g.processes(), 1), min(whole, writePoints))
}

// Spare says whether an installation has calls to spare for what nobody waits for: no limit holds, and as far as GitHub told, a fifth of
// what the hour has is left. Installation 0 is the App itself.
func (g *GitHub) Spare(id change.InstallationID) bool {
	if id == 0 {
		return !g.itself.isScarce()
	}
	return !g.Installation(id).transport.isScarce()
}

// Room says whether a call of an installation that nobody waits for would be let through now. Unlike Spare it looks at the minute's budget too.
func (g *GitHub) Room(id change.InstallationID) bool {
	return g.Installation(id).transport.admits(background)
}

// AppID returns the App's id.
func (g *GitHub) AppID() change.AppID { return change.AppID(g.app.App.IntegrationID) }

// Now returns the time by GitHub's clock, as its last answer told it; the server's clock until then, and while they agree to two
// seconds, which is as well as an answer tells it.
func (g *GitHub) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now().Add(g.offset)
}

func (g *GitHub) learnClock(date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offset = at.Sub(g.now())
	if g.offset.Abs() <= clockTolerance {
		g.offset = 0
	}
}
