package githubsim

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says how a Sim is made. The zero value works.
type Config struct {
	// Clock gives GitHub's time: what it stamps on everything that happens. Default: time.Now. GitHub stamps whole seconds, and
	// so does the Sim.
	Clock func() time.Time
	// WallClock is the time by which App JWTs, installation tokens and rate limits are judged. Default: time.Now, because the
	// libraries that sign and renew them read the machine's clock whatever Clock says.
	WallClock func() time.Time
	// Dir holds the Git repositories. Default: a temporary directory, which Close removes.
	Dir string
	// URL is the address under which clients reach the Sim, without a slash at the end. Listen sets it; SetURL too.
	URL string
	// RateLimit is how many calls an hour an installation has; 0 means 15,000 in the headers and no end to them.
	RateLimit int
	// DeliveryWorkers is how many webhooks are sent to one App at the same time. Default: 1, so that they arrive in order.
	DeliveryWorkers int
	// TokenKey signs the tokens by which workflows' jobs say who they are. Default: a new one, made when it is first needed.
	TokenKey *rsa.PrivateKey
}

// Sim is a GitHub. It is an http.Handler: the REST API is under /api/v3/. All methods may be called by many goroutines.
type Sim struct {
	cfg     Config
	ownsDir bool
	api     http.Handler
	graphQL http.Handler
	server  *http.Server
	// tokenKey signs jobs' tokens. It takes a moment to make, and few need it.
	tokenKey func() (*rsa.PrivateKey, error)

	mu            sync.Mutex // guards everything below
	url           string
	lastID        int64
	accounts      map[string]*account // by login in lower case; old logins are gone
	byEmail       map[string]*account
	orgs          map[*account]*organization
	ghost         *account
	webFlow       *account
	mergeQueue    *account
	repos         map[int64]*repository
	repoNames     map[string]*repository // by owner/name in lower case, names of the past included
	apps          map[string]*app        // by slug
	installations map[int64]*installation
	tokens        map[string]*token
	minted        []Minted
	suites        map[int64]*checkSuite
	runs          map[int64]*checkRun
	intercept     func(Delivery) Fate
	held          []heldDelivery

	treeLimit      int
	noGraphQL      bool
	graphQLFailure string // "": none

	traffic traffic
	pages   http.Handler
}

// New makes an empty GitHub: no accounts but GitHub's own, and the App github-actions.
func New(cfg Config) (*Sim, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.WallClock == nil {
		cfg.WallClock = time.Now
	}
	cfg.DeliveryWorkers = max(cfg.DeliveryWorkers, 1)
	s := &Sim{
		cfg:           cfg,
		url:           cfg.URL,
		lastID:        1000,
		accounts:      map[string]*account{},
		byEmail:       map[string]*account{},
		orgs:          map[*account]*organization{},
		repos:         map[int64]*repository{},
		repoNames:     map[string]*repository{},
		apps:          map[string]*app{},
		installations: map[int64]*installation{},
		tokens:        map[string]*token{},
		suites:        map[int64]*checkSuite{},
		runs:          map[int64]*checkRun{},
	}
	s.tokenKey = sync.OnceValues(newKey)
	if cfg.TokenKey != nil {
		s.tokenKey = func() (*rsa.PrivateKey, error) { return cfg.TokenKey, nil }
	}
	s.traffic.reset()
	if s.url == "" {
		s.url = "http://github.invalid"
	}
	if cfg.Dir == "" {
		dir, err := os.MkdirTemp("", "githubsim-")
		if err != nil {
			return nil, fmt.Errorf("githubsim: %w", err)
		}
		s.cfg.Dir, s.ownsDir = dir, true
	}
	s.ghost = s.addAccount(10137, "ghost", kindUser)
	s.webFlow = s.addAccount(19864447, "web-flow", kindUser)
	s.webFlow.email = "noreply@github.com"
	s.byEmail[s.webFlow.email] = s.webFlow
	s.mergeQueue = s.addAccount(118344674, "github-merge-queue[bot]", kindBot)
	s.addAccount(9919, "github", kindOrganization)
	s.addApp(15368, AppOptions{Slug: actionsSlug, Name: "GitHub Actions", Owner: "github",
		Permissions: map[string]string{"actions": "write", "checks": "write", "contents": "write", "deployments": "write", "statuses": "write", "metadata": "read"}}, nil)
	s.api = s.routes()
	s.graphQL = s.serve(route{"POST", graphQLRoute, access{graphQL: true}, answerQuery})
	return s, nil
}

// Close stops the listener and the sending of webhooks, and removes the temporary directory.
func (s *Sim) Close() error {
	var err error
	if s.server != nil {
		err = s.server.Close()
	}
	s.mu.Lock()
	apps := slices.Collect(maps.Values(s.apps))
	s.mu.Unlock()
	for _, a := range apps {
		a.sender.close()
	}
	if s.ownsDir {
		err = errors.Join(err, os.RemoveAll(s.cfg.Dir))
	}
	return err
}

// Listen serves the Sim on addr ("127.0.0.1:0" for any free port) and returns its base URL.
func (s *Sim) Listen(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("githubsim: %w", err)
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(l) //nolint:errcheck // it ends with Close
	url := "http://" + l.Addr().String()
	s.SetURL(url)
	return url, nil
}

// SetURL tells the Sim under which address clients reach it, for the links in its answers.
func (s *Sim) SetURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = strings.TrimSuffix(url, "/")
	for _, a := range s.accounts {
		a.json = nil
	}
	for _, r := range s.repos {
		r.json = nil
	}
}

// URL returns the base URL; the REST API is at URL()+"/api/v3/".
func (s *Sim) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// SetTreeLimit has recursive trees cut off after so many entries, as GitHub does after 100,000; 0 restores that.
func (s *Sim) SetTreeLimit(entries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.treeLimit = entries
}

// HandlePages lets h answer everything that is not the API, such as pages for a browser.
func (s *Sim) HandlePages(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = h
}

// Now returns the Sim's time, in UTC and whole seconds.
func (s *Sim) Now() time.Time { return s.cfg.Clock().UTC().Truncate(time.Second) }

// nextID returns an id that nothing else has, of any kind: an id used for the wrong thing is never found.
func (s *Sim) nextID() int64 {
	s.lastID++
	return s.lastID
}

func (s *Sim) apiURL(format string, args ...any) string {
	return s.url + "/api/v3" + fmt.Sprintf(format, args...)
}

func (s *Sim) htmlURL(format string, args ...any) string {
	return s.url + fmt.Sprintf(format, args...)
}

func (s *Sim) repoDir(id int64) string { return filepath.Join(s.cfg.Dir, fmt.Sprintf("%d.git", id)) }

// Refused is GitHub's answer to a person who may not do something, or to something that cannot be done as things stand. Message is
// what GitHub would show.
type Refused struct {
	Message string
}

func (r *Refused) Error() string { return r.Message }

func refuse(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// Flush waits until every webhook that was not held has been sent and answered, those included that an App caused before it
// answered. What an App does later, Flush does not know of.
func (s *Sim) Flush(ctx context.Context) error {
	for {
		s.mu.Lock()
		apps := slices.Collect(maps.Values(s.apps))
		s.mu.Unlock()
		for _, a := range apps {
			if err := a.sender.flush(ctx); err != nil {
				return fmt.Errorf("waiting for deliveries to %s: %w", a.slug, err)
			}
		}
		if s.Idle() {
			return nil
		}
	}
}

// Idle says whether no webhook is waiting or being sent.
func (s *Sim) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if !a.sender.idle() {
			return false
		}
	}
	return true
}
