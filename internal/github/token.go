package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

const (
	// tokenLife is how long a token is used. It lasts an hour (apps/create-installation-access-token): less than that by a minute, so that none
	// ends on its way, and counted from when it was asked for, because its end is told by GitHub's clock.
	tokenLife = 59 * time.Minute
	// absentFor is how long an owner has no .github in the installation without asking again.
	absentFor = time.Minute
	// A token that is refused and older than this is tried anew: what it did not reach may have come to the installation since. That something
	// is not there is most often true, and each doubt of it costs a call.
	doubtForbidden = time.Minute
	doubtMissing   = 15 * time.Minute
	// maxTokens is the memory for tokens, of all installations together: some 15,000.
	maxTokens = 4 << 20
)

// scope is what an installation's token is good for. What a token does not reach cannot be lost with it.
type scope struct {
	repository change.RepositoryID // 0: see kind
	kind       scopeKind
}

// scopeKind is what a token that is not a repository's is good for.
type scopeKind string

const (
	// knowing tells which repositories are in the installation, and reads nothing in them.
	knowing scopeKind = ""
	// members reads the organization's teams.
	members scopeKind = "members"
	// policies reads the files of the owner's repository .github. Where there is none in the installation, it is knowing.
	policies scopeKind = "policies"
)

// ownerRepository is where an owner keeps what holds for all of its repositories.
const ownerRepository = ".github"

// String names the scope among those of an installation.
func (s scope) String() string {
	if s.repository != 0 {
		return itoa(s.repository)
	}
	return string(s.kind)
}

// options are what GitHub is asked for. In one repository a token may do all that the App may: GitHub takes a list of permissions only if
// the owner has granted each of them, and some are optional.
func (s scope) options() *github.InstallationTokenOptions {
	read := github.String("read")
	switch {
	case s.repository != 0:
		return &github.InstallationTokenOptions{RepositoryIDs: []int64{int64(s.repository)}}
	case s.kind == members:
		return &github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Members: read, Metadata: read}}
	case s.kind == policies:
		return &github.InstallationTokenOptions{
			Repositories: []string{ownerRepository}, Permissions: &github.InstallationPermissions{Contents: read, Metadata: read},
		}
	default:
		return &github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Metadata: read}}
	}
}

// token is an installation's token. It is immutable.
type token struct {
	text    string
	made    time.Time // when it was asked for
	until   time.Time // when it is not used any more
	instead *token    // whose text it borrows, because GitHub gives none for the scope; nil: it is one of its own
	reaches []string  // the names of the repositories that GitHub said it is for, where it was asked to be for some
}

// doubts says whether GitHub might answer a new token otherwise than it answered this one.
func (t *token) doubts(s scope, status int, now time.Time) bool {
	age := now.Sub(t.made)
	switch {
	case status == http.StatusUnauthorized:
		return true
	case s == scope{}:
		return false
	case status == http.StatusForbidden:
		return age >= doubtForbidden || t.instead != nil // a borrowed one is refused so once what was not there has come
	case status == http.StatusNotFound:
		return age >= doubtMissing && s.kind != members
	default:
		return false
	}
}

// token returns a token of the scope: the one that is held, or a new one. Its errors are this package's, and nothing was sent of the call that
// the token is for.
func (c *Client) token(ctx context.Context, r *sending, s scope) (*token, error) {
	key := itoa(c.id) + " " + s.String()
	unlock, err := c.asking.lock(ctx, "token "+key) // so that many calls ask for one
	if err != nil {
		return nil, &Unavailable{Err: err}
	}
	defer unlock()
	if held, ok := c.github.tokens.get(key); ok && c.github.now().Before(held.until) {
		return held, nil
	}
	made, err := c.mint(ctx, r, s)
	if err != nil {
		return nil, err
	}
	c.github.tokens.put(key, made, len(made.text))
	return made, nil
}

// forget throws away a token that was refused, unless another took its place already.
func (c *Client) forget(s scope, refused *token) {
	key := itoa(c.id) + " " + s.String()
	if held, ok := c.github.tokens.get(key); ok && held == refused {
		c.github.tokens.remove(key)
	}
}

// mint has GitHub make a token (apps/create-installation-access-token).
func (c *Client) mint(ctx context.Context, r *sending, s scope) (*token, error) {
	conn, err := c.github.asItself(c.transport)
	if err != nil {
		return nil, &Unavailable{Err: err}
	}
	now := c.github.now()
	got, _, err := conn.Apps.CreateInstallationToken(withSending(ctx, &sending{route: createToken, tokenFor: r}), int64(c.id), s.options())
	if err != nil {
		err = c.refused(s, classify(err, false))
		var missing *NotFound
		if s.kind == policies && errors.As(err, &missing) {
			return c.withoutPolicies(ctx, r)
		}
		return nil, err
	}
	if got.GetToken() == "" {
		return nil, unreadable(errors.New("GitHub's answer holds no token"), false)
	}
	made := &token{text: got.GetToken(), made: now, until: now.Add(tokenLife)}
	for _, repo := range present(got.Repositories) {
		made.reaches = append(made.reaches, repo.GetName())
	}
	return made, nil
}

// withoutPolicies returns the token that takes the place of one for the owner's .github, for a minute: it reads a public one.
func (c *Client) withoutPolicies(ctx context.Context, r *sending) (*token, error) {
	known, err := c.token(ctx, r, scope{})
	var missing *NotFound
	if errors.As(err, &missing) {
		return nil, c.noInstallation()
	}
	if err != nil {
		return nil, err
	}
	now := c.github.now()
	return &token{text: known.text, made: now, until: now.Add(absentFor), instead: known}, nil
}

// noInstallation is the error of a call about the teams or the policies of an installation that is gone. It is no *NotFound: that there is no team,
// or no policy, is not what GitHub says.
func (c *Client) noInstallation() error {
	return &Unauthorized{Message: fmt.Sprintf("there is no installation %d of the App", c.id)}
}

// refused says why GitHub gives no token: 404 is of the installation, and 422 of what the token is to reach.
func (c *Client) refused(s scope, err error) error {
	var unauthorized *Unauthorized
	var missing *NotFound
	var rejected *Rejected
	switch {
	case errors.As(err, &unauthorized):
		return &Unauthorized{Message: "GitHub answered 401 to the App's request for a token"}
	case errors.As(err, &missing) && s.kind != knowing:
		return c.noInstallation()
	case errors.As(err, &missing):
		return &NotFound{Message: fmt.Sprintf("installation %d of the App", c.id)}
	case !errors.As(err, &rejected) || rejected.Status != http.StatusUnprocessableEntity:
		return err
	case s.repository != 0:
		return &NotFound{Message: fmt.Sprintf("repository %d in installation %d of the App", s.repository, c.id)}
	case s.kind == members:
		return &Forbidden{Message: rejected.Message, Needs: "members=read"}
	case s.kind == policies:
		return &NotFound{Message: "the owner's " + ownerRepository + " in the installation: " + rejected.Message}
	default:
		return err
	}
}
