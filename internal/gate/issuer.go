package gate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	fetchFor      = 5 * time.Second  // how long an issuer may take to answer
	keepAnswer    = 30 * time.Second // an issuer is not asked the same again within it, however many tokens strangers make up
	keepFailure   = 5 * time.Second
	maxFetched    = 1 << 20
	maxTokenID    = 256
	maxTokenBytes = 16 << 10
)

// errIssuer says that an issuer's keys could not be had, which says nothing about the token.
var errIssuer = errors.New("the issuer's keys cannot be had now")

// issuer verifies the tokens that one issuer signed.
type issuer struct {
	url    string
	client *http.Client // calls the issuer's own host only
	now    func() time.Time

	mu  sync.Mutex
	set oidc.KeySet // nil until the issuer told where its keys are
}

func newIssuer(address string, transport http.RoundTripper, now func() time.Time) (*issuer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("gate: the issuer %q is not a URL with a host", address)
	}
	return &issuer{url: address, now: now, client: &http.Client{
		Transport:     &narrow{origin: origin(u), next: transport, now: now, known: map[string]memory{}},
		Timeout:       fetchFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

// keys returns the issuer's keys, of which it asks the issuer when it is called first. An error is errIssuer.
func (i *issuer) keys(ctx context.Context) (oidc.KeySet, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.set != nil {
		return i.set, nil
	}
	// Whoever asked first may hang up; others wait for the same.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), i.client)
	provider, err := oidc.NewProvider(ctx, i.url)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuer, err)
	}
	var told struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&told); err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuer, err)
	}
	at, err := url.Parse(told.Keys)
	if err != nil || !strings.HasPrefix(i.url+"/", origin(at)+"/") {
		return nil, fmt.Errorf("%w: it says that they are on another host, which is not asked", errIssuer)
	}
	i.set = oidc.NewRemoteKeySet(ctx, told.Keys)
	return i.set, nil
}

// verify returns a token whose signature, issuer and times are right. Its audience is not looked at. An error is errIssuer, or says what
// is wrong with the token.
func (i *issuer) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	set, err := i.keys(ctx)
	if err != nil {
		return nil, err
	}
	// RS256 is what GitHub signs with. That the algorithm is ours to name is what keeps out "none", and a public key used as a secret.
	watched := &watchedKeys{KeySet: set}
	verifier := oidc.NewVerifier(i.url, watched, &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: []string{oidc.RS256}, Now: i.now})
	token, err := verifier.Verify(ctx, raw)
	if watched.failed != nil {
		return nil, fmt.Errorf("%w: %w", errIssuer, watched.failed)
	}
	return token, err
}

// watchedKeys tells keys that could not be fetched from a signature that is wrong, which the verifier's error does not.
type watchedKeys struct {
	oidc.KeySet
	failed error
}

func (k *watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	var fetch *url.Error
	if errors.As(err, &fetch) || err != nil && ctx.Err() != nil {
		k.failed = err
	}
	return payload, err
}

// issuerOf returns who a token says that it is from, which is not verified. It is empty for what is no token.
func issuerOf(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// narrow carries requests to one origin and to no other, and remembers the answers for a while. Answers that are not JSON of a sensible
// size with status 200 are errors.
type narrow struct {
	origin string
	next   http.RoundTripper
	now    func() time.Time

	mu    sync.Mutex // held while a request is under way: the next one most likely wants the same
	known map[string]memory
}

type memory struct {
	body  []byte
	err   error
	until time.Time
}

func (n *narrow) RoundTrip(r *http.Request) (*http.Response, error) {
	if origin(r.URL) != n.origin || r.Method != http.MethodGet {
		return nil, fmt.Errorf("%s is not on the issuer's host", r.URL.Redacted())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.known[r.URL.String()]
	if now := n.now(); !now.Before(m.until) {
		m.body, m.err = n.fetch(r)
		m.until = now.Add(keepAnswer)
		if m.err != nil {
			m.until = now.Add(keepFailure)
		}
		n.known[r.URL.String()] = m // two addresses at most are ever asked for
	}
	if m.err != nil {
		return nil, m.err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(m.body)), ContentLength: int64(len(m.body)),
	}, nil
}

func (n *narrow) fetch(r *http.Request) ([]byte, error) {
	response, err := n.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFetched+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxFetched:
		return nil, errors.New("the issuer's answer is too large")
	case !json.Valid(body):
		return nil, errors.New("the issuer's answer is not JSON")
	}
	return body, nil
}
