package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	strict "github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// Config is what a Handler needs. Asker and Repositories must be set, and Once where there is an Audience.
type Config struct {
	Asker        Asker
	Repositories Repositories
	Once         Once
	Audience     string         // what OIDC tokens must be for, and nothing else; empty: OIDC tokens are refused
	Issuers      []string       // whose OIDC tokens are taken: URLs, exactly as they call themselves; no other host is called
	Tokens       func() []Token // the static tokens as they are now; nil: none
	Transport    http.RoundTripper
	Now          func() time.Time // nil: time.Now
	Log          zerolog.Logger
	Metrics      prometheus.Registerer // nil: no metrics

	AskFor  time.Duration // how long a decision may take; 0: 8 s, less than a server that ends waits for what is under way
	MaxAsks int           // questions being decided at once; 0: 64
}

const (
	maxBody    = 4 << 10
	readFor    = 5 * time.Second
	retryAfter = 5 // seconds
)

// Handler answers questions. It is for POST requests on one path, which the caller chooses.
type Handler struct {
	config    Config
	issuers   map[string]*issuer
	answers   *prometheus.CounterVec
	asks      chan struct{}
	strangers zerolog.Logger // for what anybody can cause: at most a few lines a second
}

// New returns a Handler. It calls nobody; an issuer is asked for its keys when its first token comes.
func New(c Config) (*Handler, error) {
	if c.Asker == nil || c.Repositories == nil || c.Audience != "" && c.Once == nil {
		return nil, errors.New("gate: nobody to ask, no repositories, or nothing that notes used tokens")
	}
	if c.Tokens == nil {
		c.Tokens = func() []Token { return nil }
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.AskFor == 0 {
		c.AskFor = 8 * time.Second
	}
	if c.MaxAsks == 0 {
		c.MaxAsks = 64
	}
	h := &Handler{
		config:  c,
		issuers: map[string]*issuer{},
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "changegate_gate_answers_total",
			Help: "Answers to jobs that asked whether they may deploy: go, no, not yet, refused or undecided.",
		}, []string{"answer"}),
		asks:      make(chan struct{}, c.MaxAsks),
		strangers: c.Log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second}),
	}
	for _, address := range c.Issuers {
		i, err := newIssuer(address, c.Transport, c.Now)
		if err != nil {
			return nil, err
		}
		h.issuers[address] = i
	}
	h.answers.WithLabelValues("refused") // an alert on an increase sees the first only if there was none before
	if c.Metrics != nil {
		if err := c.Metrics.Register(h.answers); err != nil {
			return nil, fmt.Errorf("gate: register metrics: %w", err)
		}
	}
	return h, nil
}

// refusal is why a question is not answered. Its text goes to whoever asked.
type refusal struct {
	status int
	text   string
	cause  error // for the log; never a token
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.text
	}
	return r.text + ": " + r.cause.Error()
}

func refuse(status int, text string) *refusal { return &refusal{status, text, nil} }

// undecided is a refusal that says nothing about the question: it may be asked again.
func undecided(text string, cause error) *refusal {
	return &refusal{http.StatusServiceUnavailable, text + "; ask again", cause}
}

func (r *refusal) isUndecided() bool {
	return r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests
}

// ServeHTTP answers one question with a Reply. The statuses: 200 decided; 400 the body; 401 the token; 403 the token is not for that; 405
// not a POST; 413 too large; 415 not application/json; 429 or 503 not decided, ask again after Retry-After.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, refused := h.answer(w, r)
	status := http.StatusOK
	header := w.Header()
	if refused == nil {
		h.answers.WithLabelValues(string(reply.Answer)).Inc()
	} else {
		status = refused.status
		outcome := "refused"
		reply = Reply{Answer: release.No, Reason: refused.text}
		if refused.isUndecided() {
			outcome, reply.Answer = "undecided", release.NotYet
			header.Set("Retry-After", strconv.Itoa(retryAfter))
		}
		h.answers.WithLabelValues(outcome).Inc()
		h.strangers.Warn().Int("status", status).Err(refused).Msg("a question at the gate was not answered")
	}
	switch status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply) // whoever hung up needs no answer
}

// answer does the work of ServeHTTP. What costs little is checked first, and nobody is asked anything for a stranger.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (Reply, *refusal) {
	if r.Method != http.MethodPost {
		return Reply{}, refuse(http.StatusMethodNotAllowed, "ask with POST")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return Reply{}, refuse(http.StatusUnsupportedMediaType, "the content type must be application/json")
	}
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" || len(bearer) > maxTokenBytes {
		return Reply{}, refuse(http.StatusUnauthorized, "the header Authorization is missing or malformed; send Bearer and a token")
	}
	q, err := readQuestion(w, r)
	if err != nil {
		return Reply{}, asRefusal(err)
	}
	repo, asked, err := h.identify(r.Context(), bearer, q)
	if err != nil {
		return Reply{}, asRefusal(err)
	}
	select {
	case h.asks <- struct{}{}:
		defer func() { <-h.asks }()
	default:
		return Reply{}, refuse(http.StatusTooManyRequests, "too many jobs ask at once; ask again")
	}
	return h.ask(r.Context(), repo, asked)
}

func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return undecided("it could not be decided", err)
}

func readQuestion(w http.ResponseWriter, r *http.Request) (q Question, err error) {
	// A connection that cannot have a deadline (a test's recorder) does not need one. It is lifted again, because it would else end the
	// request while it is being decided.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(readFor))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooMuch *http.MaxBytesError
	switch {
	case errors.As(err, &tooMuch):
		return q, refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody))
	case err != nil:
		return q, &refusal{http.StatusBadRequest, "the body did not arrive whole", err}
	}
	_ = conn.SetReadDeadline(time.Time{})
	if err := strict.Unmarshal(body, &q, strict.RejectUnknownMembers(true)); err != nil {
		return q, &refusal{http.StatusBadRequest, `the body is not JSON of the form {"environment": "…"}, with commit and repository for static tokens only`, err}
	}
	if !isEnvironment(q.Environment) {
		return q, refuse(http.StatusBadRequest, "environment is missing, too long or malformed; send the name of one")
	}
	return q, nil
}

func (h *Handler) ask(ctx context.Context, repo change.Repository, asked change.GateAsked) (Reply, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, h.config.AskFor)
	defer cancel()
	answer, reason, until, err := h.config.Asker.Ask(ctx, repo, asked)
	if err != nil {
		return Reply{}, undecided("it could not be decided in time", err)
	}
	reply := Reply{Answer: answer, Reason: reason.String()}
	switch answer {
	case release.Go, release.No:
	case release.NotYet:
		reply.Until = until.UTC()
	default:
		return Reply{}, undecided("it could not be decided", fmt.Errorf("the answer %q is not known", answer))
	}
	h.config.Log.Info().Int64("repository", int64(repo.ID)).Str("environment", asked.Environment).Str("commit", string(asked.SHA)).
		Int64("run", asked.Run).Str("answer", string(answer)).Msg("a job asked at the gate")
	return reply, nil
}
