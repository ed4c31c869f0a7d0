package githubsim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/uuid"
)

// issuerPath is where the issuer of jobs' tokens is, as on a GitHub of one's own.
const issuerPath = "/_services/token"

// jobTokenLife is how long a job's token is good for. It is valid from a little before it was made.
const (
	jobTokenLife = 5 * time.Minute
	jobTokenSlip = 10 * time.Minute
)

// Issuer returns the issuer of the tokens by which jobs say who they are, an OpenID provider: its keys are found as OpenID Connect
// Discovery has it.
func (s *Sim) Issuer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url + issuerPath
}

// newKey makes a key that signs tokens.
func newKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

func keyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(key.N.Bytes())
	return hex.EncodeToString(sum[:16])
}

// TokenRequest returns what a job finds in ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN: GET the URL with
// &audience=… and the token as its bearer, and the answer's value is a token of the job. Only a run that is in progress has any.
func (s *Sim) TokenRequest(run Run) (requestURL, token string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(run.Repo)
	if err != nil {
		return "", "", err
	}
	w, err := r.jobRun(run.ID)
	if err != nil {
		return "", "", err
	}
	if w.job.token == "" {
		return "", "", fmt.Errorf("run %d is %s: only a job in progress can ask for tokens", run.ID, w.job.status)
	}
	return fmt.Sprintf("%s%s/%d/idtoken?api-version=2.0", s.url, issuerPath, w.id), w.job.token, nil
}

// TokenOptions say how a token differs from those that GitHub makes.
type TokenOptions struct {
	Audience string // default: the URL of the repository's owner
	// Claims replace claims or, where the value is nil, take them out.
	Claims map[string]any
	Key    *rsa.PrivateKey // default: the issuer's own
}

// JobToken makes a token of a run's job, whatever the run's state, such as nobody but a test would have: with other claims, expired, or
// signed by somebody else.
func (s *Sim) JobToken(run Run, o TokenOptions) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(run.Repo)
	if err != nil {
		return "", err
	}
	w, err := r.jobRun(run.ID)
	if err != nil {
		return "", err
	}
	claims := s.claims(w, o.Audience)
	maps.Copy(claims, o.Claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return s.sign(claims, o.Key)
}

func (s *Sim) sign(claims jwt.MapClaims, key *rsa.PrivateKey) (string, error) {
	own, err := s.tokenKey()
	if err != nil {
		return "", err
	}
	if key == nil {
		key = own
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = keyID(&own.PublicKey) // which somebody else would claim too
	return t.SignedString(key)
}

// claims returns what GitHub says of the job in a token made now.
func (s *Sim) claims(w *workflowRun, audience string) jwt.MapClaims {
	r, j, now := w.suite.repo, w.job, s.Now()
	if audience == "" {
		audience = s.htmlURL("/%s", r.owner.login)
	}
	visibility, kind := "public", "branch"
	if r.private {
		visibility = "private"
	}
	if strings.HasPrefix(j.ref, "refs/tags/") {
		kind = "tag"
	}
	subject := "ref:" + j.ref
	if j.environment != "" {
		subject = "environment:" + strings.ReplaceAll(url.QueryEscape(j.environment), "+", "%20")
	}
	// The workflow is read at the run's ref, or where that has none at its commit.
	file := r.fullName() + "/" + w.path + "@" + j.ref
	if j.ref == "" {
		file += w.suite.sha
	}
	id := func(n int64) string { return strconv.FormatInt(n, 10) }
	c := jwt.MapClaims{"iss": s.url + issuerPath, "aud": audience, "sub": "repo:" + r.fullName() + ":" + subject, "jti": uuid.NewString(),
		"iat": now.Unix(), "nbf": now.Add(-jobTokenSlip).Unix(), "exp": now.Add(jobTokenLife).Unix(),
		"repository": r.fullName(), "repository_id": id(r.id), "repository_owner": r.owner.login, "repository_owner_id": id(r.owner.id),
		"repository_visibility": visibility, "actor": w.actor.login, "actor_id": id(w.actor.id), "event_name": w.event,
		"sha": w.suite.sha, "ref": j.ref, "ref_type": kind, "ref_protected": strconv.FormatBool(r.protection(w.suite.branch) != nil),
		"head_ref": "", "base_ref": "", "workflow": w.name, "workflow_ref": file, "workflow_sha": w.suite.sha, "job_workflow_ref": file,
		"job_workflow_sha": w.suite.sha, "run_id": id(w.id), "run_number": strconv.Itoa(w.number), "run_attempt": strconv.Itoa(j.attempt),
		"runner_environment": "github-hosted"}
	if j.environment != "" {
		c["environment"] = j.environment
	}
	return c
}

// serveTokens answers as the issuer: its description, its keys, and the jobs that ask for a token.
func (s *Sim) serveTokens(w http.ResponseWriter, r *http.Request) {
	status, body := http.StatusOK, obj{}
	issuer := s.Issuer()
	switch path := strings.TrimPrefix(r.URL.Path, issuerPath); {
	case r.Method != http.MethodGet:
		status = http.StatusMethodNotAllowed
	case path == "/.well-known/openid-configuration":
		body = obj{"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks", "subject_types_supported": []string{"public", "pairwise"},
			"response_types_supported": []string{"id_token"}, "id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported": []string{"openid"}}
	case path == "/.well-known/jwks":
		key, err := s.tokenKey()
		if err != nil {
			status = http.StatusInternalServerError
			break
		}
		number := base64.RawURLEncoding.EncodeToString
		body = obj{"keys": []obj{{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID(&key.PublicKey), "n": number(key.N.Bytes()),
			"e": number(big.NewInt(int64(key.E)).Bytes())}}}
	default:
		token, err := s.issue(strings.TrimPrefix(path, "/"), r)
		if err != nil {
			status, body = http.StatusUnauthorized, obj{"message": err.Error()}
			break
		}
		body = obj{"count": len(token), "value": token}
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	w.Write(encode(body))
}

// issue makes a token for the job that asks by its bearer.
func (s *Sim) issue(path string, r *http.Request) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := strings.CutSuffix(path, "/idtoken")
	bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, repo := range s.repos {
		for _, w := range repo.workflows {
			if isBearer && w.job != nil && w.job.token != "" && w.job.token == bearer && strconv.FormatInt(w.id, 10) == id {
				return s.sign(s.claims(w, r.URL.Query().Get("audience")), nil)
			}
		}
	}
	return "", fmt.Errorf("the job has ended, or this is not its token")
}
