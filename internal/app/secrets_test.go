package app_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

func TestAShortWebhookSecret(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.env["GITHUB_APP_WEBHOOK_SECRET"] = "hunter2"
	w.serve(t)
	w.settle(t)
	if text := w.log.String(); !strings.Contains(text, "the webhook secret is so short") || strings.Contains(text, "hunter2") {
		t.Errorf("logged: %s", text)
	}
}

// TestThePrivateKeyIsReplacedWhileTheServerRuns gives the App a second key, puts it into the file, and takes the first one away. Then somebody
// breaks the file.
func TestThePrivateKeyIsReplacedWhileTheServerRuns(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	file := filepath.Join(t.TempDir(), "private-key.pem")
	replace := func(text []byte) { must(t, os.WriteFile(file, text, 0o600)) }
	replace(w.registered.PrivateKey)
	delete(w.env, "GITHUB_APP_PRIVATE_KEY")
	w.env["CHANGEGATE_SERVER_PRIVATE_KEY_FILE"] = file
	var ahead atomic.Int64
	w.clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w.serve(t)

	works := func(when string) {
		t.Helper()
		w.registered.RevokeTokens() // so that the key is needed
		pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{Title: when, Files: map[string]string{when + ".md": "Hello\n"}})
		must(t, err)
		w.settle(t)
		view, err := w.sim.PullView("acme/shop", pull.Number)
		must(t, err)
		if len(view.Checks) != 1 || view.Checks[0].Status != "in_progress" {
			t.Errorf("%s: the checks are %+v", when, view.Checks)
		}
		if status, text := w.get(t, "/readyz"); status != http.StatusOK {
			t.Errorf("%s: %d %s", when, status, text)
		}
	}
	later := func() { ahead.Add(int64(6 * time.Second)) }
	works("at-first")

	second, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	replacement := w.registered.AddKey(second)
	replace(replacement)
	works("both-hold")
	later()
	block, _ := pem.Decode(w.registered.PrivateKey)
	first, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	must(t, err)
	w.registered.DeleteKey(first)
	works("the-second-alone")

	unusable := func(want string) {
		t.Helper()
		if _, text := w.get(t, "/metrics"); !strings.Contains(text, "\nchangegate_secret_files_unusable "+want+"\n") {
			t.Errorf("the metrics do not say %s", want)
		}
	}
	unusable("0")
	replace([]byte("-----BEGIN RSA PRIVATE KEY-----\nhalf of it"))
	later()
	works("broken")
	unusable("1")
	if log := w.log.String(); strings.Count(log, " is not an RSA private key of 2048 bits or more in PEM form; download one from the App's settings page, under Private keys; what it held before stays in use") != 1 ||
		strings.Count(log, "stays") != 1 || strings.Contains(log, "half of it") {
		t.Errorf("the log is to say once what is wrong with the file, and not what it holds:\n%s", log)
	}
	replace(replacement)
	later()
	works("mended")
	unusable("0")
}

// get reads one of the server's own pages.
func (w *world) get(t *testing.T, path string) (status int, text string) {
	t.Helper()
	response, err := http.Get(w.base + path)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(body)
}
