package githubsim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/uuid"

	"github.com/changegate/changegate/internal/githubsim/pathtree"
)

// apiError is an error answer of the REST API.
type apiError struct {
	status  int
	message string
	errors  []obj
}

func (e *apiError) Error() string { return e.message }

var (
	errNotFound  = &apiError{status: http.StatusNotFound, message: "Not Found"}
	errEmpty     = &apiError{status: http.StatusConflict, message: "Git Repository is empty."}
	errForbidden = &apiError{status: http.StatusForbidden, message: "Resource not accessible by integration"}
	errBadToken  = &apiError{status: http.StatusUnauthorized, message: "Bad credentials"}
)

func invalid(resource, field, message string) error {
	return &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed",
		errors: []obj{{"resource": resource, "field": field, "code": "custom", "message": message}}}
}

func unprocessable(format string, args ...any) error {
	return &apiError{status: http.StatusUnprocessableEntity, message: fmt.Sprintf(format, args...)}
}

// access says what a caller must hold for a route.
type access struct {
	jwt     bool     // the App itself, by its JWT
	perms   []string // one of these permissions; none: any token
	level   string
	graphQL bool // it is counted apart, and what is refused is told otherwise
}

func asApp() access { return access{jwt: true} }

func anyToken() access { return access{} }

func reads(perms ...string) access { return access{perms: perms, level: "read"} }

func writes(perms ...string) access { return access{perms: perms, level: "write"} }

// route is one operation of the API, under the name that GitHub's OpenAPI description gives it.
type route struct {
	method, template string
	access           access
	handle           func(c *call) (any, error)
}

// call is one call being answered, with the Sim's lock held.
type call struct {
	*Sim
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	status int
	app    *app
	in     *installation // nil for a JWT
	token  *token
	repo   *repository // where the route has one
}

func (c *call) by() actor { return actor{account: c.app.bot, app: c.app} }

func (c *call) path(name string) string { return c.r.PathValue(name) }

func (c *call) number(name string) int {
	n, err := strconv.Atoi(c.path(name))
	if err != nil {
		return 0
	}
	return n
}

func (c *call) id(name string) int64 { return int64(c.number(name)) }

func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }

// decode reads the request's JSON body.
func (c *call) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return unprocessable("Invalid request.\n\nFor '%s', %s is not a %s.", wrongType.Field, wrongType.Value, wrongType.Type)
		}
		return &apiError{status: http.StatusBadRequest, message: "Problems parsing JSON"}
	}
	return nil
}

const (
	defaultPage = 30
	maxPage     = 100
)

func (c *call) pageSize() (page, size int) {
	page, size = 1, defaultPage
	if n, err := strconv.Atoi(c.query("page")); err == nil && n > 0 {
		page = n
	}
	if n, err := strconv.Atoi(c.query("per_page")); err == nil && n > 0 {
		size = min(n, maxPage)
	}
	return page, size
}

// paginate returns the page of items that the call asks for, and links to the others.
func paginate[T any](c *call, items []T) []T {
	page, size := c.pageSize()
	last := max((len(items)+size-1)/size, 1)
	c.link(page, last)
	from := min((page-1)*size, len(items))
	return items[from:min(from+size, len(items))]
}

func (c *call) link(page, last int) {
	var links []string
	add := func(n int, rel string) {
		q := c.r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf(`<%s%s?%s>; rel="%s"`, c.url, c.r.URL.EscapedPath(), q.Encode(), rel))
	}
	if page > 1 {
		add(page-1, "prev")
	}
	if page < last {
		add(page+1, "next")
		add(last, "last")
	}
	if page > 1 {
		add(1, "first")
	}
	if len(links) > 0 {
		c.w.Header().Set("Link", strings.Join(links, ", "))
	}
}

// each renders a page of items; the result is never null.
func each[T any](items []T, render func(T) obj) []obj {
	out := make([]obj, 0, len(items))
	for _, item := range items {
		out = append(out, render(item))
	}
	return out
}

const apiPrefix = "/api/v3"

// ServeHTTP answers the REST API under /api/v3/, GraphQL and the issuer of jobs' tokens, and leaves the rest to the pages.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && (r.URL.Path == graphQLRoute || r.URL.Path == "/api"+graphQLRoute):
		s.graphQL.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, apiPrefix+"/"):
		s.api.ServeHTTP(w, s.byName(r))
	case strings.HasPrefix(r.URL.Path, issuerPath+"/"):
		s.serveTokens(w, r)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
	default:
		s.mu.Lock()
		pages := s.pages
		s.mu.Unlock()
		if pages == nil {
			pages = http.NotFoundHandler()
		}
		pages.ServeHTTP(w, r)
	}
}

// byName rewrites the address of a repository by its id, to which renamed ones redirect, to that by its name.
func (s *Sim) byName(r *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), apiPrefix+"/repositories/")
	if !ok {
		return r
	}
	id, tail, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(id, 10, 64)
	s.mu.Lock()
	repo := s.repos[n]
	s.mu.Unlock()
	if err != nil || repo == nil {
		return r
	}
	out := r.Clone(r.Context())
	raw := strings.TrimSuffix(apiPrefix+"/repos/"+repo.fullName()+"/"+tail, "/")
	out.URL.RawPath = raw
	if out.URL.Path, err = url.PathUnescape(raw); err != nil {
		return r
	}
	return out
}

// methods are the operations of one path template.
type methods map[string]http.Handler

func (s *Sim) routes() http.Handler {
	var tree pathtree.Tree[methods]
	for _, rt := range slices.Concat(appRoutes(), repoRoutes(), pullRoutes(), issueRoutes(), checkRoutes(), deploymentRoutes(), orgRoutes()) {
		m := tree.Add(rt.template)
		if *m == nil {
			*m = methods{}
		}
		if (*m)[rt.method] != nil {
			panic("two handlers of " + rt.method + " " + rt.template)
		}
		(*m)[rt.method] = s.serve(rt)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.EscapedPath(), apiPrefix)
		if found := tree.Find(path); found != nil && (*found.Value)[r.Method] != nil {
			for name, value := range found.Params {
				r.SetPathValue(name, value)
			}
			(*found.Value)[r.Method].ServeHTTP(w, r)
			return
		}
		s.answer(w, r, r.Method+" "+path, "", func(http.ResponseWriter, *Call) (int, any, error) { return 0, nil, errNotFound })
	})
}

func (s *Sim) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.answer(w, r, rt.method+" "+rt.template, rt.template, func(w http.ResponseWriter, log *Call) (int, any, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			c := &call{Sim: s, w: w, r: r, body: body, status: http.StatusOK}
			err := c.authorize(rt.access)
			if c.app != nil {
				log.App = c.app.slug
			}
			log.in = c.in
			if err != nil {
				return 0, nil, err
			}
			out, err := rt.handle(c)
			if c.repo != nil && r.Method != http.MethodGet {
				err = errors.Join(err, s.runQueues(c.repo))
			}
			return c.status, out, err
		})
	})
}

// action does what a call asks for, and returns the answer.
type action func(http.ResponseWriter, *Call) (status int, body any, err error)

// answer counts the call, lets go wrong what is to go wrong, and writes what act returns.
func (s *Sim) answer(w http.ResponseWriter, r *http.Request, key, template string, act action) {
	begun := time.Now()
	log := Call{At: s.Now(), Method: r.Method, Route: template, Path: r.URL.RequestURI()}
	f, wait := s.traffic.begin(r, key, template)
	log.Fault = f != nil
	// A call is in the log before its answer is sent, so that whoever has the answer finds it there.
	end := func(status int) {
		log.Status, log.Duration = status, time.Since(begun)
		s.traffic.end(log)
	}
	if !pause(r.Context(), wait) {
		end(0)
		return
	}
	if f != nil && f.Meanwhile != nil {
		f.Meanwhile()
	}
	h := w.Header()
	h.Set("Date", s.Now().Format(http.TimeFormat))
	h.Set("X-GitHub-Request-Id", uuid.NewString())
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
	status, body, lost := perform(f, w, act, &log)
	if lost {
		end(0)
		panic(http.ErrAbortHandler)
	}
	var sent []byte
	if body != nil {
		sent = s.render(h, body)
		if status == http.StatusOK && r.Method == http.MethodGet {
			if f != nil && f.Stale {
				sent = s.traffic.stale(f, r, h, sent)
			}
			status = s.conditional(r, h, sent, log.in)
		}
	}
	end(status)
	if status == http.StatusNotModified {
		sent = nil
		h.Del("Content-Type")
	} else if sent != nil {
		h.Set("Content-Length", strconv.Itoa(len(sent)))
	}
	w.WriteHeader(status)
	w.Write(sent)
}

// pause waits, and says whether whoever calls did so too.
func pause(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// perform acts, unless f, which may be nil, has it go wrong: then the answer is another, or is lost, whether or not anything was done.
func perform(f *fault, w http.ResponseWriter, act action, log *Call) (status int, body any, lost bool) {
	switch {
	case f == nil:
	case f.CutConnection:
		return 0, nil, true
	case f.ActThenLose:
		act(discard{}, log) //nolint:errcheck // whatever became of it, nobody hears
		return 0, nil, true
	case f.LoseThenAct != nil:
		late := *log
		f.LoseThenAct(func() { act(discard{}, &late) }) //nolint:errcheck // whatever became of it, nobody hears
		return 0, nil, true
	case f.Status != 0:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		if f.Body == "" {
			return f.Status, obj{"message": http.StatusText(f.Status), "documentation_url": docs}, false
		}
		return f.Status, raw{jsonType, []byte(f.Body)}, false
	}
	status, body, err := act(w, log)
	if err != nil {
		status, body = failure(err)
	}
	return status, body, false
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

const docs = "https://docs.github.com/rest"

// raw is a body that is not JSON.
type raw struct {
	contentType string
	body        []byte
}

const jsonType = "application/json; charset=utf-8"

// render returns a body as it is sent, and sets its type.
func (s *Sim) render(h http.Header, body any) []byte {
	if plain, ok := body.(raw); ok {
		h.Set("Content-Type", plain.contentType)
		return plain.body
	}
	h.Set("Content-Type", jsonType)
	return encode(body)
}

// conditional tags an answer and returns 304 if the caller has it already.
func (s *Sim) conditional(r *http.Request, h http.Header, body []byte, in *installation) int {
	tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(body))
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, max-age=60, s-maxage=60")
	h.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, Accept, X-Requested-With")
	for _, known := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == strings.TrimPrefix(tag, "W/") {
			if in != nil {
				s.refund(in, h)
			}
			return http.StatusNotModified
		}
	}
	return http.StatusOK
}

// failure returns an error as an answer.
func failure(err error) (status int, body any) {
	var api *apiError
	var refused *Refused
	var gql *gqlError
	switch {
	case errors.As(err, &gql):
		return http.StatusOK, obj{"errors": []obj{{"type": gql.kind, "message": gql.message}}}
	case errors.As(err, &api):
	case errors.As(err, &refused):
		api = &apiError{status: http.StatusUnprocessableEntity, message: refused.Message}
	case errors.Is(err, errNoObject):
		api = errNotFound
	default:
		api = &apiError{status: http.StatusInternalServerError, message: "Server Error: " + err.Error()}
	}
	o := obj{"message": api.message, "documentation_url": docs, "status": strconv.Itoa(api.status)}
	if api.errors != nil {
		o["errors"] = api.errors
	}
	return api.status, o
}

// authorize finds out who calls and whether they may, and the repository that the call is about.
func (c *call) authorize(need access) error {
	scheme, credential, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if credential == "" {
		return &apiError{status: http.StatusUnauthorized, message: "Requires authentication"}
	}
	if need.jwt {
		if !strings.EqualFold(scheme, "bearer") {
			return &apiError{status: http.StatusUnauthorized, message: "A JSON web token could not be decoded"}
		}
		return c.byJWT(credential)
	}
	t := c.tokens[credential]
	if t == nil || c.installations[t.installation.id] == nil || !c.cfg.WallClock().Before(t.expires) {
		return errBadToken
	}
	c.token, c.in, c.app = t, t.installation, t.installation.app
	spend := c.spend
	if need.graphQL {
		spend = c.spendGraphQL
	}
	if err := spend(); err != nil {
		return err
	}
	if !c.in.suspended.IsZero() {
		return &apiError{status: http.StatusForbidden, message: "This installation has been suspended"}
	}
	if owner := c.path("owner"); owner != "" {
		name := owner + "/" + c.path("repo")
		r := c.repoNames[strings.ToLower(name)]
		if r == nil || r.deleted || !c.sees(r) {
			return errNotFound
		}
		if !strings.EqualFold(r.fullName(), name) {
			return c.moved(r)
		}
		c.repo = r
	}
	if len(need.perms) > 0 && !slices.ContainsFunc(need.perms, func(p string) bool { return c.may(p, need.level) }) {
		return errForbidden
	}
	if c.repo != nil && c.repo.archived && need.level == "write" {
		return &apiError{status: http.StatusForbidden, message: "Repository was archived so is read-only."}
	}
	return nil
}

// may says whether both the token and the installation as it is now hold the permission.
func (c *call) may(permission, level string) bool {
	return allows(c.token.permissions, permission, level) && allows(c.in.permissions, permission, level)
}

// sees says whether the token is good for the repository.
func (c *call) sees(r *repository) bool {
	return c.in.has(r) && (c.token.repos == nil || c.token.repos[r])
}

// moved answers a call to a repository's old name as GitHub does, with its address by id.
func (c *call) moved(r *repository) error {
	rest := strings.SplitN(strings.TrimPrefix(c.r.URL.EscapedPath(), apiPrefix+"/repos/"), "/", 3)
	to := c.apiURL("/repositories/%d", r.id)
	if len(rest) == 3 {
		to += "/" + rest[2]
	}
	if c.r.URL.RawQuery != "" {
		to += "?" + c.r.URL.RawQuery
	}
	c.w.Header().Set("Location", to)
	status := http.StatusMovedPermanently
	if c.r.Method != http.MethodGet {
		status = http.StatusTemporaryRedirect
	}
	return &apiError{status: status, message: "Moved Permanently"}
}

// maxJWTLife is how far in the future an App's JWT may expire, with a minute for clocks that differ.
const maxJWTLife = 11 * time.Minute

func (c *call) byJWT(signed string) error {
	refuse := func(message string) error { return &apiError{status: http.StatusUnauthorized, message: message} }
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	_, _, err := parser.ParseUnverified(signed, &claims)
	var found *app
	for _, a := range c.apps {
		if strconv.FormatInt(a.id, 10) == claims.Issuer && a.keys != nil {
			found = a
		}
	}
	unknown := err == nil && found == nil
	if found != nil {
		err = errors.New("no key of the App's has signed it")
		for _, key := range found.keys {
			if _, wrong := parser.ParseWithClaims(signed, &claims, func(*jwt.Token) (any, error) { return key, nil }); wrong == nil {
				err = nil
			}
		}
	}
	now := c.cfg.WallClock()
	switch {
	case unknown:
		return &apiError{status: http.StatusNotFound, message: "Integration not found"}
	case err != nil:
		return refuse("A JSON web token could not be decoded")
	case claims.ExpiresAt == nil || !now.Before(claims.ExpiresAt.Time):
		return refuse("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case claims.ExpiresAt.Sub(now) > maxJWTLife:
		return refuse("'Expiration time' claim ('exp') is too far in the future")
	case claims.IssuedAt == nil || claims.IssuedAt.After(now.Add(time.Minute)):
		return refuse("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	}
	c.app = found
	return nil
}

const shownLimit = 15_000

// budget is the calls of one kind in the window that ends at reset.
type budget struct {
	calls int
	reset time.Time
}

// spend takes one call from the installation's hourly limit.
func (c *call) spend() error {
	if c.take(&c.in.core, "core") {
		return nil
	}
	return &apiError{status: http.StatusForbidden, message: exhausted(c.in)}
}

// spendGraphQL is spend for the limit of GraphQL, which says in an answer of 200 that there is no more.
func (c *call) spendGraphQL() error {
	if c.take(&c.in.graphQL, "graphql") {
		return nil
	}
	return &gqlError{"RATE_LIMITED", exhausted(c.in)}
}

func exhausted(in *installation) string {
	return "API rate limit exceeded for installation ID " + strconv.FormatInt(in.id, 10) + "."
}

// take takes one call from a budget and says whether there was one.
func (c *call) take(b *budget, resource string) bool {
	now := c.cfg.WallClock()
	if !now.Before(b.reset) {
		b.reset, b.calls = now.Add(time.Hour), 0
	}
	b.calls++
	limit := c.cfg.RateLimit
	if limit == 0 {
		limit = shownLimit
	}
	remaining := limit - b.calls
	h := c.w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(remaining, 0)))
	h.Set("X-RateLimit-Used", strconv.Itoa(b.calls))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(b.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", resource)
	return remaining >= 0 || c.cfg.RateLimit == 0
}

// refund gives back the call of a 304, which costs nothing.
func (s *Sim) refund(in *installation, h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.core.calls--
	h.Set("X-RateLimit-Used", strconv.Itoa(in.core.calls))
	if left, err := strconv.Atoi(h.Get("X-RateLimit-Remaining")); err == nil {
		h.Set("X-RateLimit-Remaining", strconv.Itoa(left+1))
	}
}
