package githubsim

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault is something that goes wrong with calls to the API. It applies to calls that Method, Route and Match all fit.
type Fault struct {
	Method string // "": any
	// Route is a route as GitHub's OpenAPI description names it ("/repos/{owner}/{repo}/pulls/{pull_number}"); "": any.
	Route string
	Match func(*http.Request) bool // nil: any; it must not use the Sim
	After int                      // how many fitting calls to let through first
	Times int                      // how many calls it strikes; 0: one, negative: all

	Latency time.Duration // how long to wait first
	Status  int           // answer this instead of acting
	Header  http.Header
	Body    string // default: an object with a message
	// CutConnection closes the connection without acting or answering, ActThenLose after acting.
	CutConnection, ActThenLose bool
	// LoseThenAct closes the connection, and is given what acts on the call, to be called once, whenever that is to be.
	LoseThenAct func(act func())
	// Stale answers a GET as the same GET was answered first since the fault was added, as a copy does that lags behind.
	Stale bool
	// Meanwhile is called first; it may use the Sim.
	Meanwhile func()
}

// Call is one call to the API.
type Call struct {
	At       time.Time
	Method   string
	Route    string // as GitHub's OpenAPI description names it; "" if there is no such route
	Path     string // with its query
	Status   int    // 0: the connection was cut
	App      string // the slug of the App that called, "" if it did not say
	Fault    bool   // a Fault struck it
	Duration time.Duration

	in *installation
}

const callsKept = 20_000

type fault struct {
	Fault
	seen, struck int
	first        map[string]answered // of a Stale one, by path and query
}

// answered is what an answer said.
type answered struct {
	body []byte
	link string
}

// traffic counts the calls and holds what is to go wrong with them.
type traffic struct {
	mu      sync.Mutex
	counts  map[string]int
	log     []Call
	faults  []*fault
	latency time.Duration
}

func (t *traffic) reset() { t.counts, t.log = map[string]int{}, nil }

// Inject adds a fault. Faults are tried in the order in which they were added, and one at most strikes a call. The function
// returned removes it.
func (s *Sim) Inject(f Fault) (remove func()) {
	if f.Times == 0 {
		f.Times = 1
	}
	added := &fault{Fault: f, first: map[string]answered{}}
	t := &s.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, added)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.faults = slices.DeleteFunc(t.faults, func(x *fault) bool { return x == added })
	}
}

// SetLatency has every call to the API take so much longer.
func (s *Sim) SetLatency(d time.Duration) {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	s.traffic.latency = d
}

// Calls returns how often each route was called since the last ResetCalls, whatever was answered, as in
// "GET /repos/{owner}/{repo}/pulls/{pull_number}". Unknown routes are counted under their path.
func (s *Sim) Calls() map[string]int {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	return maps.Clone(s.traffic.counts)
}

// TokenRoute is the route of the token exchange in Calls.
const TokenRoute = "POST /app/installations/{installation_id}/access_tokens"

// ResetCalls sets all counts to zero and empties the log.
func (s *Sim) ResetCalls() {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	s.traffic.reset()
}

// CallLog returns the last calls that were answered, the oldest first, up to 20,000.
func (s *Sim) CallLog() []Call {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	return slices.Clone(s.traffic.log)
}

// begin counts a call and returns what is to go wrong with it, or nil, and how long it takes in any case.
func (t *traffic) begin(r *http.Request, key, route string) (*fault, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[key]++
	for _, f := range t.faults {
		if (f.Method != "" && f.Method != r.Method) || (f.Route != "" && f.Route != route) || (f.Match != nil && !f.Match(r)) {
			continue
		}
		f.seen++
		if f.seen <= f.After || (f.Times > 0 && f.struck >= f.Times) {
			continue
		}
		f.struck++
		return f, t.latency + f.Latency
	}
	return nil, t.latency
}

// stale returns how a Stale fault has a GET answered that would be answered so now, and sets the header that goes with it.
func (t *traffic) stale(f *fault, r *http.Request, h http.Header, body []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, ok := f.first[r.URL.RequestURI()]
	if !ok {
		first = answered{body, h.Get("Link")}
		f.first[r.URL.RequestURI()] = first
	}
	h.Del("Link")
	if first.link != "" {
		h.Set("Link", first.link)
	}
	return first.body
}

func (t *traffic) end(c Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, c)
	if len(t.log) > callsKept {
		t.log = slices.Delete(t.log, 0, callsKept/10)
	}
}
