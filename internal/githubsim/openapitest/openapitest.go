// Package openapitest holds HTTP traffic to GitHub's published OpenAPI description: a middleware that checks each request and
// each response of whatever handler it wraps, and remembers what did not fit. It is for tests.
package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/changegate/changegate/internal/githubsim/pathtree"
)

// Spec is GitHub's description, ready to check against. It takes more than a second to load, so load it once a test binary. It
// may be used by many goroutines.
type Spec struct {
	doc  *openapi3.T
	tree pathtree.Tree[map[string]operation] // by method
}

// operation is one operation with the path that describes it: some paths differ only in the names of their parameters.
type operation struct {
	*openapi3.Operation
	template string
	item     *openapi3.PathItem
}

// file is where `make deps` puts the description, from the root of the module.
const file = ".cache/openapi/api.github.com.json"

// Load reads the description from the module's cache.
func Load() (*Spec, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(root, filepath.FromSlash(file))
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("GitHub's OpenAPI description is not there: run make test, which fetches it (%w)", err)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", path, err)
	}
	s := &Spec{doc: doc}
	for template, item := range doc.Paths.Map() {
		if strings.HasSuffix(template, "/compare/{base}...{head}") { // the old name of {basehead}
			continue
		}
		at := s.tree.Add(template)
		if *at == nil {
			*at = map[string]operation{}
		}
		for method, op := range item.Operations() {
			if other, twice := (*at)[method]; twice {
				return nil, fmt.Errorf("%s %s and %s cannot be told apart", method, template, other.template)
			}
			(*at)[method] = operation{op, template, item}
		}
	}
	return s, nil
}

// ModuleRoot returns the nearest directory upwards that holds go.mod.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
	}
}

// Exception is a place where the description is known not to be what GitHub does.
type Exception struct {
	Operation string // as in "GET /repos/{owner}/{repo}/issues/{issue_number}/events", or "webhook"; "": any operation
	Part      string // "request", "response" or "payload"
	Says      string // what the violation's text contains
	Because   string
}

// Exceptions are the places where GitHub's description of itself is known to be wrong or to say less than GitHub does.
func Exceptions() []Exception {
	return []Exception{
		{"POST /app/installations/{installation_id}/access_tokens", "request", "Value is not nullable",
			"ghinstallation sends null where it has no options, and GitHub takes it for none"},
		{"GET /repos/{owner}/{repo}/contents/{path}", "request", `parameter "path" in path has an error: value is required but missing`,
			"the root of a repository has no path"},
		{"GET /app/installations", "response", `/account/name: property "name" is missing`,
			"an account is a user or an enterprise, and is described as both at once"},
		{"", "response", "/head/repo: Value is not nullable", "a fork that was deleted leaves null, and only some schemas say so"},
		{"webhook", "payload", "/head/repo: Value is not nullable", "as in responses"},
		{"webhook", "payload", "/events/", "an App may subscribe to events that this list of them lacks, such as repository_ruleset"},
		{"", "response", `/conclusion: value is not one of the allowed values ["success","failure","neutral","cancelled","skipped","timed_out","action_required"]`,
			"a check run that GitHub gives up is stale, as the description itself says elsewhere"},
		{"", "response", `/state: value is not one of the allowed values ["error","failure","inactive","pending","success","queued","in_progress"]`,
			"the deployment of a job that waits for its environment's rules is waiting, as the webhooks that GitHub sends of it show"},
		{"", "response", "/description: Value is not nullable", "labels without a description have null, and only some schemas say so"},
	}
}

// Middleware wraps next and checks all that goes through it.
func (s *Spec) Middleware(next http.Handler, prefix string) *Checker {
	return &Checker{spec: s, next: next, prefix: prefix, operations: map[string]int{}}
}

// Checker is an http.Handler that checks the traffic of another. Only paths under the prefix are looked at.
type Checker struct {
	spec   *Spec
	next   http.Handler
	prefix string

	mu         sync.Mutex
	violations []string
	operations map[string]int
}

// Violations returns what did not fit the description, in the order in which it happened.
func (c *Checker) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.violations)
}

// Operations returns how often each operation was checked, as "GET /repos/{owner}/{repo}".
func (c *Checker) Operations() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{}
	for k, v := range c.operations {
		out[k] = v
	}
	return out
}

// excused says whether a violation is one of the Exceptions.
func excused(operation, part, text string) bool {
	return slices.ContainsFunc(Exceptions(), func(e Exception) bool {
		return e.Part == part && (e.Operation == "" || e.Operation == operation) && strings.Contains(text, e.Says)
	})
}

func (c *Checker) violate(operation, part, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if excused(operation, part, text) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.violations = append(c.violations, operation+": "+part+" "+text)
}

// recorder passes an answer on and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// ServeHTTP passes the call on. A handler that panics to cut the connection does so here too, and its answer is not looked at.
func (c *Checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), c.prefix+"/")
	if !ok {
		c.next.ServeHTTP(w, r)
		return
	}
	found := c.spec.tree.Find(path)
	var op operation
	if found != nil {
		op = (*found.Value)[r.Method]
	}
	if op.Operation == nil {
		if !strings.HasPrefix(path, "repositories/") { // the documented redirect of renamed repositories, which has no route
			c.violate(r.Method+" /"+path, "request", "has no such operation in GitHub's description")
		}
		c.next.ServeHTTP(w, r)
		return
	}
	name := r.Method + " " + op.template
	c.mu.Lock()
	c.operations[name]++
	c.mu.Unlock()

	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.violate(name, "request", "cannot be read: %v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	input := c.request(r, op, found.Params, body)
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
		c.violate(name, "request", "%s: %s", r.URL.RequestURI(), brief(err))
	}
	rec := &recorder{ResponseWriter: w}
	c.next.ServeHTTP(rec, r)
	if rec.status == 0 || rec.status >= 500 || rec.status == http.StatusNotModified { // given up, broken or nothing to look at
		return
	}
	if err := c.response(op, rec); err != nil {
		c.violate(name, "response", "%d to %s: %s", rec.status, r.URL.RequestURI(), brief(err))
	}
}

func (c *Checker) request(r *http.Request, op operation, params map[string]string, body []byte) *openapi3filter.RequestValidationInput {
	clone := r.Clone(context.Background())
	clone.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > 0 && !strings.HasPrefix(clone.Header.Get("Content-Type"), "application/json") {
		clone.Header.Set("Content-Type", "application/json")
	}
	return &openapi3filter.RequestValidationInput{
		Request:    clone,
		PathParams: params,
		Route:      &routers.Route{Spec: c.spec.doc, Path: op.template, PathItem: op.item, Method: r.Method, Operation: op.Operation},
		Options: &openapi3filter.Options{
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: false,
			SkipSettingDefaults:   true,
		},
	}
}

// response checks what was answered. Redirects and the refusals that any call may meet are not described for every operation, so
// they are held to the one shape that errors have.
func (c *Checker) response(op operation, rec *recorder) error {
	described := op.Responses.Status(rec.status)
	if described == nil {
		if rec.status < 300 {
			return fmt.Errorf("the description knows no answer %d", rec.status)
		}
		return c.plainError(rec)
	}
	content := rec.Header().Get("Content-Type")
	if rec.body.Len() == 0 || !strings.HasPrefix(content, "application/json") {
		return nil
	}
	media := described.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		if rec.status >= 300 {
			return c.plainError(rec)
		}
		return nil
	}
	var value any
	if err := json.Unmarshal(rec.body.Bytes(), &value); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation())
}

func (c *Checker) plainError(rec *recorder) error {
	var e struct {
		Message *string `json:"message"`
	}
	if err := json.Unmarshal(rec.body.Bytes(), &e); err != nil || e.Message == nil {
		return errors.New("an error answer is a JSON object with a message")
	}
	return nil
}

// Webhook checks a payload against the description of the event; action is "" for events without one.
func (s *Spec) Webhook(event, action string, payload []byte) error {
	name := "webhook-" + strings.ReplaceAll(event, "_", "-")
	ref := s.doc.Components.Schemas[name]
	if action != "" {
		ref = s.doc.Components.Schemas[name+"-"+strings.ReplaceAll(action, "_", "-")]
	}
	if ref == nil {
		return fmt.Errorf("GitHub's description has no webhook %s %s", event, action)
	}
	var value any
	if err := json.Unmarshal(payload, &value); err != nil {
		return err
	}
	err := ref.Value.VisitJSON(value, openapi3.VisitAsRequest())
	if err == nil || excused("webhook", "payload", brief(err)) {
		return nil
	}
	return errors.New(brief(err))
}

// brief returns the first lines of an error that would otherwise quote whole schemas.
func brief(err error) string {
	var schema *openapi3.SchemaError
	if errors.As(err, &schema) {
		deepest := schema
		for {
			var inner *openapi3.SchemaError
			if deepest.Origin == nil || !errors.As(deepest.Origin, &inner) {
				break
			}
			deepest = inner
		}
		return fmt.Sprintf("at /%s: %s", strings.Join(deepest.JSONPointer(), "/"), deepest.Reason)
	}
	text := err.Error()
	if len(text) > 600 {
		text = text[:600] + "…"
	}
	return text
}
