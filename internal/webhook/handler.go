package webhook

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v62/github"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"github.com/changegate/changegate/internal/change"
)

// Config is what a Handler needs. Sink and Secrets must be set; everything else has a default.
type Config struct {
	Sink Sink
	// Secrets returns the secret that GitHub signs with, and the one before it while it is being replaced (empty: none). It is
	// called for each delivery, so that secrets can change while the server runs.
	Secrets func() (current, previous []byte)
	App     change.AppID // our own App; its check runs' events concern nobody
	Log     zerolog.Logger
	Metrics prometheus.Registerer // nil: no metrics
	Now     func() time.Time      // nil: time.Now

	MaxBody   int64         // bytes of a body; 0: 25 MB, GitHub's own limit
	MaxGroup  int           // deliveries in one commit; 0: 200
	MaxQueue  int           // deliveries waiting for their commit; 0: 2000
	ReadFor   time.Duration // how long a body may take to arrive; 0: 10 s, when GitHub stops listening
	CommitFor time.Duration // how long the commit of a group may take; 0: 8 s
	// CommitEvery is how long after one commit began the next one begins, unless many deliveries wait for it; 0: 10 ms.
	CommitEvery time.Duration
}

// The headers, spelt as GitHub's settings page spells them, because answers name them.
const (
	eventHeader     = "X-GitHub-Event"
	idHeader        = "X-GitHub-Delivery"
	signatureHeader = "X-Hub-Signature-256"
)

const (
	maxBody   = 25 << 20
	firstRead = 4 << 10   // as much as net/http has for each connection anyway
	smallBody = 64 << 10  // nearly all bodies are smaller than this
	maxBodies = 128 << 20 // what larger ones take at a time, so that strangers cannot fill the memory with unsigned bodies
	maxHeader = 128       // bytes of an event's name or a delivery's id
)

// Handler takes deliveries. It serves until Close; it is for POST requests on one path, which the caller chooses.
type Handler struct {
	config    Config
	committer *committer
	metrics   *metrics
	strangers zerolog.Logger      // for what anybody can cause: at most a few lines a second
	buffers   sync.Pool           // of *bytes.Buffer
	memory    *semaphore.Weighted // of the bytes of larger bodies
}

// New returns a Handler whose committer runs. It refuses a configuration without a sink or with an empty secret, because GitHub
// would then not be told from anybody else.
func New(c Config) (*Handler, error) {
	if c.Sink == nil || c.Secrets == nil {
		return nil, errors.New("webhook: no sink or no secrets")
	}
	if current, _ := c.Secrets(); len(current) == 0 {
		return nil, errors.New("webhook: the secret is empty: set the one of the App's settings, which every delivery is signed with")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	setDefault(&c.MaxBody, maxBody)
	setDefault(&c.MaxGroup, 200)
	setDefault(&c.MaxQueue, 2000)
	setDefault(&c.ReadFor, 10*time.Second)
	setDefault(&c.CommitFor, 8*time.Second)
	setDefault(&c.CommitEvery, 10*time.Millisecond)

	h := &Handler{
		config:    c,
		strangers: c.Log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second}),
		buffers:   sync.Pool{New: func() any { return new(bytes.Buffer) }},
		memory:    semaphore.NewWeighted(maxBodies),
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.committer = &committer{
		sink:   c.Sink,
		most:   c.MaxGroup,
		limit:  c.CommitFor,
		every:  c.CommitEvery,
		log:    c.Log,
		ctx:    ctx,
		cancel: cancel,
		queue:  make(chan *pending, c.MaxQueue),
		done:   make(chan struct{}),
	}
	m, err := newMetrics(c.Metrics, func() float64 { return float64(len(h.committer.queue)) })
	if err != nil {
		cancel()
		return nil, fmt.Errorf("webhook: register metrics: %w", err)
	}
	h.metrics, h.committer.observe = m, m.committed
	go h.committer.run()
	return h, nil
}

func setDefault[T int | int64 | time.Duration](value *T, to T) {
	if *value == 0 {
		*value = to
	}
}

// Close refuses deliveries from now on and returns when all that were taken are committed and answered. When ctx ends first, those
// that are not yet committed are answered 503 and Close returns an error. Shut the HTTP server down first.
func (h *Handler) Close(ctx context.Context) error { return h.committer.close(ctx) }

// outcome is what became of a request, as metrics name it.
type outcome string

const (
	accepted     outcome = "accepted"      // durable, and somebody's affair
	ignored      outcome = "ignored"       // durable, and nobody's affair
	unsupported  outcome = "unsupported"   // not a POST of JSON with GitHub's headers
	unsigned     outcome = "unsigned"      // no signature, or not by a secret of ours
	tooLarge     outcome = "too_large"     // over MaxBody
	interrupted  outcome = "interrupted"   // the body did not arrive whole
	malformed    outcome = "malformed"     // signed, and not what GitHub sends
	crowded      outcome = "crowded"       // too many larger bodies at once, whoever they are of
	busy         outcome = "busy"          // too much is waiting
	notCommitted outcome = "not_committed" // the store did not take it
)

// answer is the response to a request. Its text is for whoever reads the App's recent deliveries on GitHub.
type answer struct {
	outcome outcome
	status  int
	text    string
	err     error // the reason, for the log; never the body or a secret
}

// ServeHTTP takes one delivery. The statuses: 202 durable; 400 headers missing, or a body that is no event; 401 the signature;
// 405 not a POST; 408 the body came too slowly; 413 too large; 415 not application/json; 503 not durable, try again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.config.Now()
	event, id := r.Header.Get(eventHeader), r.Header.Get(idHeader)
	a := h.take(w, r, event, id, start)

	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	switch a.status {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", "5")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text+"\n") // whoever hung up needs no answer

	h.metrics.answered(event, a.outcome, h.config.Now().Sub(start))
	if a.status != http.StatusAccepted {
		log := &h.strangers // until the signature is verified, anybody can cause a line
		switch a.outcome {
		case malformed, notCommitted:
			log = &h.config.Log
		}
		log.Warn().Str("delivery", shorten(id)).Str("event", shorten(event)).Int("status", a.status).AnErr("reason", a.err).
			Msg("delivery refused")
	}
}

func refuse(o outcome, status int, text string) answer {
	return answer{o, status, text, errors.New(text)}
}

// take does the work of ServeHTTP. What costs little is checked first: no byte of the body is read for a request that
// could not be a delivery.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, event, id string, received time.Time) answer {
	if r.Method != http.MethodPost {
		return refuse(unsupported, http.StatusMethodNotAllowed, "send webhook deliveries here, with POST")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refuse(unsupported, http.StatusUnsupportedMediaType, "the content type must be application/json: choose it in the webhook's settings")
	}
	for _, h := range [...]struct{ name, value string }{{eventHeader, event}, {idHeader, id}} {
		if h.value == "" || len(h.value) > maxHeader {
			return refuse(unsupported, http.StatusBadRequest, "the header "+h.name+" is missing or too long")
		}
	}
	signature := r.Header.Get(signatureHeader)
	if !isSHA256(signature) {
		return refuse(unsigned, http.StatusUnauthorized, "the header "+signatureHeader+
			" is missing or malformed: set the webhook's secret (SHA-1 is not accepted)")
	}

	delivery, refused := h.receive(w, r, event, id, signature, received)
	if refused != nil {
		return *refused
	}
	switch err := h.committer.submit(r.Context(), delivery); {
	case err == nil && concernsNobody(delivery):
		return answer{ignored, http.StatusAccepted, "accepted; concerns nobody", nil}
	case err == nil:
		return answer{accepted, http.StatusAccepted, "accepted", nil}
	case errors.Is(err, errFull) || errors.Is(err, errClosed):
		return answer{busy, http.StatusServiceUnavailable, "not accepted: " + err.Error(), err}
	default:
		return answer{notCommitted, http.StatusServiceUnavailable, "not accepted: it could not be stored", err}
	}
}

// receive reads, verifies and parses the body, and holds its memory no longer than that.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, event, id, signature string, received time.Time) (change.Delivery, *answer) {
	buffer := h.buffers.Get().(*bytes.Buffer)
	defer func() {
		if buffer.Cap() <= 2*smallBody { // keeping one that a rare body made large would hold memory for nothing
			buffer.Reset()
			h.buffers.Put(buffer)
		}
	}()
	done, refused := h.read(w, r, buffer)
	defer done()
	if refused != nil {
		return change.Delivery{}, refused
	}
	if !h.isSigned(signature, buffer.Bytes()) {
		a := refuse(unsigned, http.StatusUnauthorized, "the signature does not match: the webhook's secret is not the one that this server has")
		return change.Delivery{}, &a
	}
	delivery, err := Parse(event, id, buffer.Bytes(), received, h.config.App)
	if err != nil {
		return change.Delivery{}, &answer{malformed, http.StatusBadRequest, "the body is not a payload of this event", err}
	}
	return delivery, nil
}

func concernsNobody(d change.Delivery) bool {
	return d.Concerns == 0 && !d.Gone && len(d.Added) == 0 && len(d.Removed) == 0 && len(d.Raised) == 0 && d.Issue == 0
}

// read reads the body into the buffer, or returns why not. Call done when the buffer is no longer needed.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, into *bytes.Buffer) (done func(), refused *answer) {
	done = func() {}
	large := refuse(tooLarge, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", h.config.MaxBody))
	if r.ContentLength > h.config.MaxBody {
		return done, &large
	}
	// A connection that cannot have a deadline (a test's recorder) does not need one. The deadline is lifted when the whole body is
	// here, because it would else end the request while its delivery is being committed; and only then, because net/http
	// reads on after a refusal, and would wait for the rest of a body that never comes.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(h.config.ReadFor))

	// A length that is only claimed costs next to nothing: memory is taken as bytes arrive, each time for as many again as are here.
	body := http.MaxBytesReader(w, r.Body, h.config.MaxBody)
	into.Grow(firstRead)
	step, held := int64(smallBody), int64(0)
	done = func() { h.memory.Release(held) }
	n, err := into.ReadFrom(io.LimitReader(body, step))
	for err == nil && n == step {
		if step = int64(into.Len()); !h.memory.TryAcquire(step) {
			a := refuse(crowded, http.StatusServiceUnavailable, "too many large deliveries at once")
			return done, &a
		}
		held += step
		n, err = into.ReadFrom(io.LimitReader(body, step))
	}
	var tooMuch *http.MaxBytesError
	switch {
	case err == nil:
		_ = conn.SetReadDeadline(time.Time{})
		return done, nil
	case errors.As(err, &tooMuch):
		return done, &large
	case errors.Is(err, os.ErrDeadlineExceeded):
		return done, &answer{interrupted, http.StatusRequestTimeout, "the body came too slowly", err}
	default:
		return done, &answer{interrupted, http.StatusBadRequest, "the body ended early", err}
	}
}

// isSHA256 says whether a signature has the one form that is accepted.
func isSHA256(signature string) bool {
	digest, ok := strings.CutPrefix(signature, "sha256=")
	if !ok || len(digest) != 64 {
		return false
	}
	_, err := hex.DecodeString(digest)
	return err == nil
}

// isSigned verifies the signature by the current secret or the previous one. An empty secret verifies nothing, whatever a
// reload may have made of it.
func (h *Handler) isSigned(signature string, body []byte) bool {
	current, previous := h.config.Secrets()
	for _, secret := range [][]byte{current, previous} {
		if len(secret) > 0 && github.ValidateSignature(signature, body, secret) == nil {
			return true
		}
	}
	return false
}
