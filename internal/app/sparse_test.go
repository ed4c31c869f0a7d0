package app_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
)

// TestDeliveriesThatNameNoInstallation covers what stands in for GitHub and says of a repository no more than its id and its full name.
func TestDeliveriesThatNameNoInstallation(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.noSweeps = true
	w.sim.Intercept(func(githubsim.Delivery) githubsim.Fate { return githubsim.Lose }) // what tells of the installation
	w.serve(t)
	w.settle(t)
	w.sim.Intercept(nil)
	sparse := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body map[string]any
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(raw, &body)
		}
		if err != nil {
			t.Error(err)
			return
		}
		delete(body, "installation")
		repo := body["repository"].(map[string]any)
		body["repository"] = map[string]any{"id": repo["id"], "full_name": repo["full_name"]}
		raw, _ = json.Marshal(body)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(raw)
		r.Header.Set("X-Hub-Signature-256", fmt.Sprintf("sha256=%x", mac.Sum(nil)))
		to, _ := http.NewRequest(r.Method, w.base+"/api/github/hook", bytes.NewReader(raw))
		to.Header = r.Header
		resp, err := http.DefaultClient.Do(to)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		rw.WriteHeader(resp.StatusCode)
	}))
	t.Cleanup(sparse.Close)
	w.registered.SetWebhook(sparse.URL, secret)

	pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"}})
	must(t, err)
	w.settle(t)
	must(t, w.sim.As("bob").Approve(pull))
	w.settle(t)
	if runs := w.checkRuns(t, pull.Head); len(runs) != 1 || runs[0].Title != "Standard: approved by bob" {
		t.Fatalf("got %+v, want one that names bob", runs)
	}
}
