package githubsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Delivery is one webhook as it is sent to one App, or was.
type Delivery struct {
	ID         int64
	GUID       string // the same for every redelivery of one event
	App        string // the App's slug
	Event      string
	Action     string // "" for events without one
	Redelivery bool
	At         time.Time
	Payload    []byte
	// StatusCode is what the App answered; 502 if it could not be reached, 504 if it did not answer within ten seconds, 0 before.
	StatusCode int
}

// Fate is what becomes of a delivery.
type Fate int

// The fates of a delivery.
const (
	Deliver   Fate = iota
	Lose           // never sent and in no log, as when GitHub throttles
	Fail           // not sent, and logged as failed
	Duplicate      // sent twice, with one GUID
	Hold           // kept until Release
)

type heldDelivery struct {
	app *app
	d   *delivery
}

// delivery is an entry of an App's log.
type delivery struct {
	Delivery
	installation, repository int64
	shared                   *payload // until Payload is made of it
	tail                     int64    // the installation to put at the payload's end
	requestHeaders           map[string]string
	responseHeaders          obj
	response                 string
	status                   string
	duration                 time.Duration
}

// payload is an event's body, encoded once for all Apps that get it and without the lock.
type payload struct {
	value obj
	once  sync.Once
	body  []byte
}

// with returns the body with the installation at its end, the one part that differs from App to App.
func (p *payload) with(in int64) []byte {
	p.once.Do(func() { p.body = encode(p.value) })
	if in == 0 {
		return p.body
	}
	tail := fmt.Appendf(nil, `,"installation":{"id":%d,"node_id":"%s"}}`, in, node("Installation", in))
	return append(bytes.TrimSuffix(slices.Clone(p.body), []byte("}")), tail...)
}

const (
	deliveryTimeout = 10 * time.Second
	deliveriesKept  = 10_000
	redeliverable   = 3 * 24 * time.Hour
)

// Intercept lets f decide about every delivery from now on; nil ends it. f is called where deliveries are sent, in order, and
// may use the Sim.
func (s *Sim) Intercept(f func(Delivery) Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// Held returns the deliveries that were held so far, in their order. Call Flush first to know that it is all of them.
func (s *Sim) Held() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Delivery
	for _, h := range s.held {
		out = append(out, h.d.Delivery)
	}
	return out
}

// Release sends held deliveries in the order given; without any, all of them in their own order.
func (s *Sim) Release(deliveries ...Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(deliveries) == 0 {
		for _, h := range s.held {
			h.app.sender.add(job{h.app, h.d, true})
		}
		s.held = nil
		return
	}
	for _, d := range deliveries {
		for n, h := range s.held {
			if h.d.ID == d.ID {
				h.app.sender.add(job{h.app, h.d, true})
				s.held = slices.Delete(s.held, n, n+1)
				break
			}
		}
	}
}

// Deliveries returns what was sent to the App, the oldest first.
func (a *App) Deliveries() []Delivery {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	var out []Delivery
	for _, d := range a.app.sender.log {
		out = append(out, d.Delivery)
	}
	return out
}

// Redeliver sends a delivery again, with its GUID.
func (a *App) Redeliver(id int64) error {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	return a.sim.redeliver(a.app, id)
}

func (s *Sim) redeliver(a *app, id int64) error {
	for _, d := range a.sender.log {
		if d.ID == id {
			again := &delivery{Delivery: d.Delivery, installation: d.installation, repository: d.repository}
			again.ID, again.Redelivery, again.StatusCode, again.At = s.nextID(), true, 0, s.Now()
			a.sender.add(job{a, again, false})
			return nil
		}
	}
	return errNoObject
}

type job struct {
	app   *app
	d     *delivery
	fixed bool // nobody is asked about its fate again
}

// sender sends one App's webhooks, in order if it has one worker. Its log is guarded by the Sim's lock.
type sender struct {
	sim    *Sim
	client *http.Client
	log    []*delivery

	mu      sync.Mutex
	changed *sync.Cond
	queue   []job
	busy    int
	closed  bool
	started int
	workers int
}

func newSender(s *Sim, workers int) *sender {
	q := &sender{sim: s, workers: workers, client: &http.Client{
		Timeout:       deliveryTimeout,
		Transport:     &http.Transport{MaxIdleConnsPerHost: workers},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func (q *sender) add(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.started < q.workers {
		q.started++
		go q.work()
	}
	q.queue = append(q.queue, j)
	q.changed.Broadcast()
}

func (q *sender) work() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.queue) == 0 && !q.closed {
			q.changed.Wait()
		}
		if q.closed {
			return
		}
		j := q.queue[0]
		q.queue = q.queue[1:]
		q.busy++
		q.mu.Unlock()
		q.handle(j)
		q.mu.Lock()
		q.busy--
		q.changed.Broadcast()
	}
}

func (q *sender) handle(j job) {
	s := q.sim
	if j.d.shared != nil {
		j.d.Payload, j.d.shared = j.d.shared.with(j.d.tail), nil
	}
	s.mu.Lock()
	intercept := s.intercept
	s.mu.Unlock()
	fate := Deliver
	if intercept != nil && !j.fixed {
		fate = intercept(j.d.Delivery)
	}
	switch fate {
	case Lose:
	case Hold:
		s.mu.Lock()
		s.held = append(s.held, heldDelivery{j.app, j.d})
		s.mu.Unlock()
	case Fail:
		j.d.StatusCode, j.d.status = http.StatusBadGateway, "failed to connect to host"
		q.keep(j.d)
	case Duplicate:
		again := *j.d
		q.send(j.app, j.d)
		s.mu.Lock()
		again.ID = s.nextID()
		s.mu.Unlock()
		q.send(j.app, &again)
	default:
		q.send(j.app, j.d)
	}
}

func (q *sender) keep(d *delivery) {
	q.sim.mu.Lock()
	defer q.sim.mu.Unlock()
	q.log = append(q.log, d)
	if len(q.log) > deliveriesKept {
		q.log = slices.Delete(q.log, 0, len(q.log)-deliveriesKept)
	}
}

func sign(h func() hash.Hash, secret string, body []byte) string {
	m := hmac.New(h, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

func (q *sender) send(a *app, d *delivery) {
	defer q.keep(d)
	q.sim.mu.Lock()
	url, secret := a.url, a.secret
	q.sim.mu.Unlock()
	d.requestHeaders = map[string]string{
		"Accept": "*/*", "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/0000000",
		"X-GitHub-Delivery": d.GUID, "X-GitHub-Event": d.Event, "X-GitHub-Hook-ID": fmt.Sprint(a.id),
		"X-GitHub-Hook-Installation-Target-ID": fmt.Sprint(a.id), "X-GitHub-Hook-Installation-Target-Type": "integration",
	}
	if secret != "" {
		d.requestHeaders["X-Hub-Signature"] = "sha1=" + sign(sha1.New, secret, d.Payload)
		d.requestHeaders["X-Hub-Signature-256"] = "sha256=" + sign(sha256.New, secret, d.Payload)
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(d.Payload))
	if err != nil || url == "" {
		d.StatusCode, d.status = http.StatusBadGateway, "failed to connect to host"
		return
	}
	for name, value := range d.requestHeaders {
		req.Header[name] = []string{value}
	}
	begun := time.Now()
	resp, err := q.client.Do(req)
	d.duration = time.Since(begun)
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		d.StatusCode, d.status = http.StatusGatewayTimeout, "timed out"
		return
	case err != nil:
		d.StatusCode, d.status = http.StatusBadGateway, "failed to connect to host"
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	d.StatusCode, d.status = resp.StatusCode, http.StatusText(resp.StatusCode)
	if resp.StatusCode < 300 {
		d.status = "OK"
	}
	d.response, d.responseHeaders = string(body), obj{}
	for name := range resp.Header {
		d.responseHeaders[name] = resp.Header.Get(name)
	}
}

func (q *sender) flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for (len(q.queue) > 0 || q.busy > 0) && ctx.Err() == nil && !q.closed {
		q.changed.Wait()
	}
	return ctx.Err()
}

func (q *sender) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) == 0 && q.busy == 0
}

func (q *sender) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.queue = nil
	q.changed.Broadcast()
	q.client.CloseIdleConnections()
}

// eventNeeds names the permissions of which an App needs one to hear of an event.
var eventNeeds = map[string][]string{
	"pull_request": {"pull_requests"}, "pull_request_review": {"pull_requests"}, "issue_comment": {"issues", "pull_requests"},
	"issues": {"issues"}, "label": {"metadata"}, "repository": {"metadata"}, "push": {"contents"}, "create": {"contents"},
	"delete": {"contents"}, "status": {"statuses"}, "workflow_run": {"actions"}, "check_run": {"checks"}, "check_suite": {"checks"},
	"team": {"members"}, "membership": {"members"}, "organization": {"members"}, "member": {"members"},
	"deployment": {"deployments"}, "deployment_status": {"deployments"}, "deployment_protection_rule": {"deployments"},
	"merge_group": {"merge_queues"}, "branch_protection_rule": {"administration"}, "repository_ruleset": {"administration"},
}

// emit sends an event of a repository to the Apps that subscribed to it. Body is what only this event tells; action may be empty.
func (s *Sim) emit(r *repository, event, action string, body obj, by *account) {
	s.emitTo(nil, r, event, action, body, by)
}

// emitTo is emit for one App, which need not have subscribed; nil: for all that did.
func (s *Sim) emitTo(only *app, r *repository, event, action string, body obj, by *account) {
	s.announce(happening{r.owner, r, event, action, by, only}, body)
}

// emitIn is emit for an event of an organization that is about none of its repositories.
func (s *Sim) emitIn(o *organization, event, action string, body obj, by *account) {
	s.announce(happening{o.account, nil, event, action, by, nil}, body)
}

// happening is an event and who hears of it.
type happening struct {
	account       *account    // whose installations hear of it
	repo          *repository // nil: it is about none
	event, action string
	by            *account // nil: somebody who is gone
	only          *app     // the one App that hears of it, subscribed or not; nil: all that subscribed
}

// isHeardBy says whether an installation gets webhooks of it.
func (h happening) isHeardBy(in *installation) bool {
	if in.account != h.account || h.repo != nil && !in.has(h.repo) || !in.suspended.IsZero() {
		return false
	}
	if h.only != nil && h.only != in.app || h.only == nil && !slices.Contains(in.app.events, h.event) {
		return false
	}
	return slices.ContainsFunc(eventNeeds[h.event], func(name string) bool { return allows(in.permissions, name, "read") })
}

// announce sends webhooks of what happened to all who hear of it. The payload is made if anybody does.
func (s *Sim) announce(h happening, body obj) {
	var p *payload
	for _, in := range s.sortedInstallations() {
		if !h.isHeardBy(in) {
			continue
		}
		if p == nil {
			if h.action != "" {
				body["action"] = h.action
			}
			body["sender"] = s.userJSON(orGhost(s, h.by))
			if h.repo != nil && body["repository"] == nil {
				body["repository"] = s.repoJSON(h.repo)
			}
			if h.account.kind == kindOrganization {
				body["organization"] = s.orgJSON(h.account)
			}
			p = &payload{value: body}
		}
		s.enqueue(in, h.repo, h.event, h.action, p)
	}
}

func orGhost(s *Sim, a *account) *account {
	if a == nil {
		return s.ghost
	}
	return a
}

// enqueue has a webhook sent to an installation's App.
func (s *Sim) enqueue(in *installation, r *repository, event, action string, p *payload) {
	guid := uuid.Must(uuid.NewUUID()).String() // of the time, like those of GitHub's examples
	d := &delivery{Delivery: Delivery{ID: s.nextID(), GUID: guid, App: in.app.slug, Event: event, Action: action, At: s.Now()},
		installation: in.id}
	if r != nil {
		d.repository = r.id
	}
	d.shared = p
	if _, own := p.value["installation"]; !own {
		d.tail = in.id
	}
	in.app.sender.add(job{app: in.app, d: d})
}
