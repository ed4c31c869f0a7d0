package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/release"
)

const (
	firstPause = 5 * time.Second // between questions; it doubles
	mostPause  = time.Minute
	maxReply   = 64 << 10
	maxReason  = 4 << 10
)

// ErrUnavailable is for a token source to return when a token may be had later.
var ErrUnavailable = errors.New("no token can be had now")

// Client asks a server's gate. All of its members must be set.
type Client struct {
	Server string                                    // as ServerURL returns it
	Token  func(ctx context.Context) (string, error) // a token for the next question: an OIDC token is taken once
	HTTP   *http.Client                              // it must not follow redirects, and should give up after a while
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error // returns early, with an error, when ctx ends
}

// ServerURL checks the address of a server, and returns it as questions and audiences use it: without a trailing slash, the host in lower
// case. Tokens travel over it, so that plain HTTP is for this very host only.
func ServerURL(text string) (string, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it is not the URL of a server: write it as https://HOST")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", errors.New("it is plain http: use https, because a token travels over it (http is for localhost only)")
	}
	u.Host = strings.ToLower(u.Host)
	return u.String(), nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Ask asks once. An error says that asking cannot work as things are, and how to mend that; that the server cannot be reached, or cannot
// decide, is a reply: not yet.
func (c *Client) Ask(ctx context.Context, q Question) (Reply, error) {
	reply, _, err := c.ask(ctx, q)
	return reply, err
}

// Wait asks until the answer is go or no, and for at most limit; then the last reply is returned. It pauses between questions, longer each
// time, and not past the time when the answer changes. Said is called with each reply that is not the last, and with the pause after it.
func (c *Client) Wait(ctx context.Context, q Question, limit time.Duration, said func(Reply, time.Duration)) (Reply, error) {
	deadline := c.Now().Add(limit)
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		reply, after, err := c.ask(ctx, q)
		if err != nil || reply.Answer != release.NotYet {
			return reply, err
		}
		now := c.Now()
		next := max(pause, after)
		if opens := reply.Until.Sub(now); opens > 0 {
			next = min(next, opens)
		}
		next = min(next, deadline.Sub(now))
		if next <= 0 {
			return reply, nil
		}
		said(reply, next)
		if err := c.Sleep(ctx, next); err != nil {
			return reply, nil //nolint:nilerr // it is known that it is not yet, and whoever ended the wait knows why
		}
	}
}

// ask returns too how long the server wants to be left alone.
func (c *Client) ask(ctx context.Context, q Question) (Reply, time.Duration, error) {
	notYet := func(format string, args ...any) (Reply, time.Duration, error) {
		return Reply{Answer: release.NotYet, Reason: fmt.Sprintf(format, args...)}, 0, nil
	}
	token, err := c.Token(ctx)
	switch {
	case errors.Is(err, ErrUnavailable):
		return notYet("%v", err)
	case err != nil:
		return Reply{}, 0, err
	}
	body, err := json.Marshal(q)
	if err != nil {
		return Reply{}, 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Server+Path, bytes.NewReader(body))
	if err != nil {
		return Reply{}, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return notYet("the server cannot be reached: %v", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return notYet("the server's answer did not arrive whole: %v", err)
	}
	reply, err := readReply(response, text)
	if err != nil {
		return Reply{}, 0, fmt.Errorf("ask %s: %w", c.Server+Path, err)
	}
	return reply, pauseOf(response), nil
}

// readReply reads what a server, or whatever stands before it, answered. Only an answer of ours with status 200 is ever "go".
func readReply(response *http.Response, text []byte) (Reply, error) {
	var reply Reply
	ours := json.Unmarshal(text, &reply) == nil && reply.Reason != ""
	if len(reply.Reason) > maxReason {
		reply.Reason = strings.ToValidUTF8(reply.Reason[:maxReason], "") + "…"
	}
	switch status := response.StatusCode; {
	case status == http.StatusOK && ours && (reply.Answer == release.Go || reply.Answer == release.No || reply.Answer == release.NotYet):
		return reply, nil
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		reply.Answer = release.NotYet
		if !ours {
			reply = Reply{Answer: release.NotYet, Reason: fmt.Sprintf("the server cannot decide now: it answered %d", status)}
		}
		return reply, nil
	case status >= 400 && ours:
		return Reply{Answer: release.No, Reason: reply.Reason}, nil
	case status >= 300 && status < 400:
		return Reply{}, fmt.Errorf("it answered with a redirect (%d), which is not followed because a token would be sent there: name the final address of the server", status)
	default:
		return Reply{}, fmt.Errorf("what answered (%d) is not changegate: check the address of the server, and that its proxy lets POST %s through", status, Path)
	}
}

// pauseOf reads Retry-After in seconds. What is longer than a pause of ours is cut.
func pauseOf(response *http.Response) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, mostPause)
}

// ActionsToken returns a source of OIDC tokens for an audience in a job of GitHub Actions, or an error that says how to give the job the
// permission. Env looks up the job's variables.
func ActionsToken(audience string, env func(string) string, client *http.Client) (func(context.Context) (string, error), error) {
	const elsewhere = "; outside of GitHub Actions, name a static token with --token-file"
	address, secret := env("ACTIONS_ID_TOKEN_REQUEST_URL"), env("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if address == "" || secret == "" {
		return nil, errors.New("no OIDC token can be had here: permissions: id-token: write is missing in the job" + elsewhere)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, errors.New("no OIDC token can be had here: ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL" + elsewhere)
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	return func(ctx context.Context) (string, error) { return fetchToken(ctx, u.String(), secret, client) }, nil
}

func fetchToken(ctx context.Context, address, secret string, client *http.Client) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w: GitHub cannot be reached: %w", ErrUnavailable, err)
	}
	defer response.Body.Close()
	var told struct {
		Value string `json:"value"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxReply)).Decode(&told)
	switch {
	case response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests:
		return "", fmt.Errorf("%w: GitHub answered %d", ErrUnavailable, response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("get an OIDC token: GitHub answered %d: check that the job has permissions: id-token: write, and that it still runs", response.StatusCode)
	case err != nil || told.Value == "":
		return "", fmt.Errorf("%w: GitHub's answer has no token in it", ErrUnavailable)
	}
	return told.Value, nil
}
