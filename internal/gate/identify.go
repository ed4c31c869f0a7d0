package gate

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/changegate/changegate/internal/change"
)

// Token is a static token, which lets its bearer ask about one environment of one repository.
type Token struct {
	Name        string // unique; for people, and for telling one asker from another
	Repository  string // owner/name
	Environment string
	SHA256      [sha256.Size]byte // of the token itself, which is kept nowhere
}

// minToken is how long a static token must be: what is shorter could be guessed from its digest.
const minToken = 32

// identify finds out who asks, about what. An error is of type *refusal.
func (h *Handler) identify(ctx context.Context, bearer string, q Question) (change.Repository, change.GateAsked, error) {
	if t, ok := h.static(bearer); ok {
		return h.byToken(ctx, t, q)
	}
	if issuerOf(bearer) == "" {
		return change.Repository{}, change.GateAsked{}, refuse(http.StatusUnauthorized, "the token is not known here; it is neither an OIDC token nor one of the configuration's gate.tokens")
	}
	return h.byJob(ctx, bearer, q)
}

// static returns the static token that a bearer showed. All are compared, each in a time that tells nothing.
func (h *Handler) static(bearer string) (found Token, ok bool) {
	if len(bearer) < minToken {
		return Token{}, false
	}
	digest := sha256.Sum256([]byte(bearer))
	for _, t := range h.config.Tokens() {
		if subtle.ConstantTimeCompare(digest[:], t.SHA256[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

func (h *Handler) byToken(ctx context.Context, t Token, q Question) (repo change.Repository, asked change.GateAsked, err error) {
	if !strings.EqualFold(t.Environment, q.Environment) {
		return repo, asked, refuse(http.StatusForbidden, "the token is for another environment than the one that is asked about")
	}
	commit := strings.ToLower(q.Commit)
	if !isCommit(commit) {
		return repo, asked, refuse(http.StatusBadRequest, "commit is missing or not the whole name of a commit; send its 40 or 64 hexadecimal digits")
	}
	owner, name, _ := strings.Cut(t.Repository, "/")
	repo, found, err := h.config.Repositories.RepositoryNamed(ctx, owner, name)
	switch {
	case err != nil:
		return repo, asked, undecided("the repository could not be looked up", err)
	case !found:
		return repo, asked, refuse(http.StatusForbidden, "the App has no access to the token's repository; install it there")
	case q.Repository != "" && !strings.EqualFold(q.Repository, repo.String()) && q.Repository != strconv.FormatInt(int64(repo.ID), 10):
		return repo, asked, refuse(http.StatusForbidden, "the token is for another repository than the one that is asked about")
	}
	return repo, change.GateAsked{
		Key:         fmt.Sprintf("token/%s/%s/%s", t.Name, strings.ToLower(t.Environment), commit),
		Environment: t.Environment,
		SHA:         change.SHA(commit),
		Who:         t.Name,
		At:          h.config.Now(),
	}, nil
}

// claims are what a token of GitHub Actions says of its job. Numbers are texts there.
type claims struct {
	ID           string `json:"jti"`
	RepositoryID string `json:"repository_id"`
	SHA          string `json:"sha"`
	Ref          string `json:"ref"`
	Environment  string `json:"environment"` // empty: the job names none
	RunID        string `json:"run_id"`
	RunAttempt   string `json:"run_attempt"`
	WorkflowRef  string `json:"workflow_ref"`
	ActorID      string `json:"actor_id"`
	Actor        string `json:"actor"`
}

func (h *Handler) byJob(ctx context.Context, raw string, q Question) (repo change.Repository, asked change.GateAsked, err error) {
	if q.Commit != "" || q.Repository != "" {
		return repo, asked, refuse(http.StatusBadRequest, "commit and repository are what the OIDC token says; send the environment only")
	}
	token, c, err := h.verify(ctx, raw)
	if err != nil {
		return repo, asked, err
	}
	if asked, err = c.asked(q.Environment); err != nil {
		return repo, asked, err
	}
	if c.Environment != "" && !strings.EqualFold(c.Environment, q.Environment) {
		return repo, asked, refuse(http.StatusForbidden, "the job is for another environment than the one that is asked about; ask about the one that the job names")
	}
	asked.At = h.config.Now()
	repo, found, err := h.config.Repositories.Repository(ctx, change.RepositoryID(number(c.RepositoryID)))
	switch {
	case err != nil:
		return repo, asked, undecided("the repository could not be looked up", err)
	case !found:
		return repo, asked, refuse(http.StatusForbidden, "the App has no access to the job's repository, which may be a fork; install it there")
	}
	// Last, so that nobody but jobs of known repositories has something noted.
	fresh, err := h.config.Once(ctx, "gate:"+token.Issuer+" "+c.ID, token.Expiry.Add(time.Minute))
	switch {
	case err != nil:
		return repo, asked, undecided("whether the token was used before could not be found out", err)
	case !fresh:
		return repo, asked, refuse(http.StatusUnauthorized, "the token was used before; get a fresh one for each question")
	}
	return repo, asked, nil
}

// verify returns a token that an issuer of the configuration signed for this server, and its claims.
func (h *Handler) verify(ctx context.Context, raw string) (*oidc.IDToken, claims, error) {
	var c claims
	if h.config.Audience == "" {
		return nil, c, refuse(http.StatusUnauthorized, "this server takes no OIDC tokens; set gate.audience or server.public_url in its configuration")
	}
	from, ok := h.issuers[issuerOf(raw)]
	if !ok {
		return nil, c, refuse(http.StatusUnauthorized, "the token is from an issuer that this server does not know; its configuration names them in gate.issuers")
	}
	token, err := from.verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.Is(err, errIssuer):
		return nil, c, undecided("the keys of the token's issuer cannot be had now", err)
	case errors.As(err, &expired):
		return nil, c, refuse(http.StatusUnauthorized, "the token has expired; get a fresh one for each question")
	case err != nil:
		return nil, c, &refusal{http.StatusUnauthorized, "the token is not valid: its signature, its form or its time is wrong", err}
	case len(token.Audience) != 1 || token.Audience[0] != h.config.Audience:
		return nil, c, refuse(http.StatusUnauthorized, "the token is for another audience; ask for one for "+h.config.Audience+" and nothing else")
	}
	if err := token.Claims(&c); err != nil {
		return nil, c, &refusal{http.StatusUnauthorized, "the token's claims are not those of a job of GitHub Actions", err}
	}
	return token, c, nil
}

// asked is what a job asks about an environment, by its claims and nothing else.
func (c *claims) asked(environment string) (change.GateAsked, error) {
	for _, missing := range []struct {
		name string
		is   bool
	}{
		{"jti", c.ID == "" || len(c.ID) > maxTokenID},
		{"repository_id", number(c.RepositoryID) == 0},
		{"sha", !isCommit(c.SHA)},
		{"run_id", number(c.RunID) == 0},
		{"run_attempt", number(c.RunAttempt) == 0 || number(c.RunAttempt) > 1<<30},
	} {
		if missing.is {
			return change.GateAsked{}, refuse(http.StatusUnauthorized, "the token is not of a job of GitHub Actions: its claim "+missing.name+" is missing or malformed")
		}
	}
	by := change.Account{ID: change.AccountID(number(c.ActorID)), Login: c.Actor, Kind: change.KindUser}
	if strings.HasSuffix(c.Actor, "[bot]") {
		by.Kind = change.KindBot
	}
	if !by.Known() || by.Login == "" {
		by = change.Account{}
	}
	return change.GateAsked{
		Key:         fmt.Sprintf("run/%s/%s/%s/%s", c.RunID, c.RunAttempt, strings.ToLower(environment), c.SHA),
		Environment: environment,
		SHA:         change.SHA(c.SHA),
		Ref:         c.Ref,
		Run:         number(c.RunID),
		Attempt:     int(number(c.RunAttempt)),
		Workflow:    c.WorkflowRef,
		By:          by,
		Who:         by.Login,
		OnGitHub:    c.Environment != "",
	}, nil
}

// number reads a positive number as GitHub writes it; 0: it is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != s {
		return 0
	}
	return n
}
