package openapitest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/githubsim/openapitest"
)

// TestChecker is the check on the check: what is wrong must be seen, or every other test of the contract means nothing.
func TestChecker(t *testing.T) {
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(status)
			w.Write([]byte(body))
		})
	}
	const ref = `{"ref":"refs/heads/main","node_id":"x","url":"https://x.example/y","object":{"type":"commit","sha":"0123456789012345678901234567890123456789","url":"https://x.example/z"}}`
	for _, tt := range []struct {
		name, method, path, body string
		next                     http.Handler
		want                     string // "" for no violation
	}{
		{"right", "GET", "/api/v3/repos/a/b/git/ref/heads/main", "", answer(200, ref), ""},
		{"not ours", "GET", "/elsewhere", "", answer(200, `nonsense`), ""},
		{"no such operation", "GET", "/api/v3/repos/a/b/nonsense", "", answer(404, `{"message":"Not Found"}`), "no such operation"},
		{"property missing", "GET", "/api/v3/repos/a/b/git/ref/heads/main", "", answer(200, `{"ref":"x"}`), `property "node_id" is missing`},
		{"wrong type", "GET", "/api/v3/repos/a/b/git/ref/heads/main", "", answer(200, strings.Replace(ref, `"x"`, `7`, 1)), "must be a string"},
		{"unknown status", "GET", "/api/v3/repos/a/b/git/ref/heads/main", "", answer(204, ``), "knows no answer 204"},
		{"error without message", "GET", "/api/v3/repos/a/b/git/ref/heads/main", "", answer(403, `[]`), "JSON object with a message"},
		{"not even JSON", "GET", "/api/v3/repos/a/b/git/ref/heads/main", "", answer(200, `{`), "unexpected end"},
		{"wrong request", "POST", "/api/v3/repos/a/b/issues/1/comments", `{"text":"x"}`, answer(404, `{"message":"Not Found"}`), `property "body" is missing`},
		{"wrong parameter", "GET", "/api/v3/repos/a/b/pulls/one", "", answer(404, `{"message":"Not Found"}`), "pull_number"},
		{"wrong query", "GET", "/api/v3/repos/a/b/pulls?state=odd", "", answer(200, `[]`), "state"},
		{"server's fault", "GET", "/api/v3/repos/a/b/pulls", "", answer(502, `<html>`), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := spec.Middleware(tt.next, "/api/v3")
			c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
			got := strings.Join(c.Violations(), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want one with %q", got, tt.want)
			}
		})
	}
}

// TestWebhookExamples holds GitHub's own examples of the events that matter to its own description, so that a difference of ours
// means something.
func TestWebhookExamples(t *testing.T) {
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	root, err := openapitest.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(root, ".cache", "webhooks", "api.github.com.json"))
	if err != nil {
		t.Fatalf("GitHub's examples are not there: run make test, which fetches them (%v)", err)
	}
	var all []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	known, fit := 0, 0
	for _, event := range all {
		for _, example := range event.Examples {
			var head struct {
				Action string `json:"action"`
			}
			if err := json.Unmarshal(example, &head); err != nil {
				t.Fatal(err)
			}
			known++
			if spec.Webhook(event.Name, head.Action, example) == nil {
				fit++
			}
		}
	}
	// The examples are older than the description, so not all of them can fit; a checker that let all pass would be none.
	if fit == 0 || fit == known {
		t.Errorf("%d of %d examples fit", fit, known)
	}
	t.Logf("%d of %d examples fit", fit, known)
	if err := spec.Webhook("push", "", []byte(`{"ref":"refs/heads/main"}`)); err == nil {
		t.Error("a push of nothing but a ref was accepted")
	}
	if err := spec.Webhook("pull_request", "nonsense", []byte(`{}`)); err == nil {
		t.Error("an action that there is not was accepted")
	}
}
