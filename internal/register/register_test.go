package register_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/register"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gitHub is an Enterprise Server that makes an App of whatever manifest it is sent.
type gitHub struct {
	*httptest.Server
	key      string
	manifest map[string]any
	used     map[string]bool
}

func newGitHub(t *testing.T) *gitHub {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	g := &gitHub{used: map[string]bool{}, key: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /organizations/acme/settings/apps/new", func(w http.ResponseWriter, r *http.Request) {
		if err := json.Unmarshal([]byte(r.FormValue("manifest")), &g.manifest); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		back := g.manifest["redirect_url"].(string) + "?" + url.Values{"code": {"a1b2c3"}, "state": {r.FormValue("state")}}.Encode()
		http.Redirect(w, r, back, http.StatusFound)
	})
	mux.HandleFunc("POST /api/v3/app-manifests/{code}/conversions", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("code") != "a1b2c3" || g.used["a1b2c3"] {
			http.NotFound(w, r)
			return
		}
		g.used["a1b2c3"] = true
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"id": 42, "slug": "changegate-acme", "html_url": g.URL + "/apps/changegate-acme", "pem": g.key, "webhook_secret": "hush",
			"client_id": "Iv1", "client_secret": "x", "name": "changegate",
		})
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

func begin(t *testing.T, g *gitHub, dir string) (*register.Flow, chan error, chan *register.App) {
	t.Helper()
	f, err := register.Begin(register.Config{
		GitHubURL: g.URL, Organization: "acme", PublicURL: "https://changegate.acme.example/", Directory: dir,
	}, "127.0.0.1:0")
	must(t, err)
	ended, apps := make(chan error, 1), make(chan *register.App, 1)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		app, err := f.Wait(ctx)
		apps <- app
		ended <- err
	}()
	return f, ended, apps
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	r, err := http.Get(address)
	must(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	must(t, err)
	return r.StatusCode, string(body)
}

var (
	action = regexp.MustCompile(`action="([^"]+)"`)
	value  = regexp.MustCompile(`name="manifest" value="([^"]+)"`)
)

// TestRegistration does what a browser does, and starts with what was written.
func TestRegistration(t *testing.T) {
	g, dir := newGitHub(t), filepath.Join(t.TempDir(), "new")
	f, ended, apps := begin(t, g, dir)
	status, page := get(t, f.URL())
	if status != http.StatusOK {
		t.Fatalf("the page: %d %s", status, page)
	}
	sent := url.Values{"manifest": {html.UnescapeString(value.FindStringSubmatch(page)[1])}}
	r, err := http.PostForm(html.UnescapeString(action.FindStringSubmatch(page)[1]), sent)
	must(t, err)
	defer r.Body.Close()
	last, err := io.ReadAll(r.Body)
	must(t, err)
	if r.StatusCode != http.StatusOK || !strings.Contains(string(last), "/apps/changegate-acme/installations/new") || strings.Contains(string(last), "hush") {
		t.Errorf("at last: %d %s", r.StatusCode, last)
	}
	if app := <-apps; app == nil || app.ID != 42 {
		t.Errorf("made %+v", app)
	}
	must(t, <-ended)

	if hook := g.manifest["hook_attributes"].(map[string]any); hook["url"] != "https://changegate.acme.example/api/github/hook" || g.manifest["public"] != false {
		t.Errorf("the manifest is %v", g.manifest)
	}
	for _, name := range []string{"changegate.yml", "private-key.pem", "webhook-secret"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	c, err := config.Load(filepath.Join(dir, "changegate.yml"), func(string) (string, bool) { return "", false })
	must(t, err)
	if c.GitHub.App.IntegrationID != 42 || c.GitHub.App.WebhookSecret.Reveal() != "hush" || c.GitHub.App.PrivateKey.Reveal() != g.key ||
		c.GitHub.V3APIURL != g.URL+"/api/v3" || c.Server.PublicURL != "https://changegate.acme.example" {
		t.Errorf("the configuration is %+v", c)
	}
	if _, err := register.Begin(register.Config{GitHubURL: g.URL, PublicURL: "https://a.example", Directory: dir}, "127.0.0.1:0"); err == nil ||
		!strings.Contains(err.Error(), "is there already") {
		t.Errorf("once more into the same directory: %v", err)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	g, dir := newGitHub(t), t.TempDir()
	f, ended, _ := begin(t, g, dir)
	base, key := f.URL()[:strings.LastIndex(f.URL(), "/")], f.URL()[strings.LastIndex(f.URL(), "/")+1:]
	for path, want := range map[string]int{
		"/": 404, "/guess": 404, "/registered": 403, "/registered?code=a1b2c3&state=guess": 403,
		"/registered?state=" + key: 403, "/registered?code=..%2f..%2fuser&state=" + key: 403,
	} {
		if got, _ := get(t, base+path); got != want {
			t.Errorf("%s is answered %d, want %d", path, got, want)
		}
	}
	request, err := http.NewRequest(http.MethodGet, f.URL(), nil)
	must(t, err)
	request.Host = "evil.example"
	r, err := http.DefaultClient.Do(request)
	must(t, err)
	r.Body.Close()
	if r.StatusCode != http.StatusForbidden {
		t.Errorf("under another name the page is answered %d", r.StatusCode)
	}
	// A code that GitHub does not know ends it, and nothing is left.
	if got, body := get(t, base+"/registered?code=unknown&state="+key); got != http.StatusBadGateway {
		t.Errorf("%d %s", got, body)
	}
	err = <-ended
	for _, want := range []string{"exchange GitHub's code", g.URL + "/organizations/acme/settings/apps", "generate a private key", "or delete it and begin again"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it ended with %v, want %q", err, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// GitHub's code is exchanged also if the tab is closed, or the command is told to end, just when it has come: it is good for once.
func TestNobodyWaitsForTheCode(t *testing.T) {
	g, dir := newGitHub(t), filepath.Join(t.TempDir(), "new", "one")
	f, err := register.Begin(register.Config{GitHubURL: g.URL, PublicURL: "https://changegate.acme.example", Directory: dir}, "127.0.0.1:0")
	must(t, err)
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("before anything is written the directory is there: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	key := f.URL()[strings.LastIndex(f.URL(), "/")+1:]
	f.Registered(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/registered?code=a1b2c3&state="+key, nil))
	app, err := f.Wait(gone)
	if err != nil || app.ID != 42 {
		t.Fatalf("%+v, %v", app, err)
	}
	if pem, err := os.ReadFile(app.PrivateKey); err != nil || string(pem) != g.key {
		t.Errorf("the key is %.20q, %v", pem, err)
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "changegate.example.com", "ftp://a.example", "http://changegate.example.com", "https://u:p@a.example", "https://a.example/?x"} {
		if _, err := register.Manifest(address, ""); err == nil {
			t.Errorf("%q is taken", address)
		}
		if _, err := register.Begin(register.Config{GitHubURL: address, PublicURL: "https://a.example", Directory: t.TempDir()}, "127.0.0.1:0"); err == nil {
			t.Errorf("GitHub at %q is taken", address)
		}
	}
	text, err := register.Manifest("https://a.example/gate/", "gate-acme")
	if err != nil || !strings.Contains(string(text), `"https://a.example/gate/api/github/hook"`) || !strings.Contains(string(text), `"name": "gate-acme"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCheck(t *testing.T) {
	working := register.Config{PublicURL: "https://changegate.acme.example/", GitHubURL: "https://github.com/", Organization: "acme-inc"}
	c := working
	if err := c.Check(); err != nil || c.PublicURL != "https://changegate.acme.example" || c.GitHubURL != "https://github.com" {
		t.Errorf("%v, %+v", err, c)
	}
	for want, edit := range map[string]func(*register.Config){
		"--public-url is missing":                         func(c *register.Config) { c.PublicURL = "" },
		"--public-url: \"acme\" is no address":            func(c *register.Config) { c.PublicURL = "acme" },
		"--public-url: http://acme.example is plain http": func(c *register.Config) { c.PublicURL = "http://acme.example" },
		"https://127.0.0.1 is this machine":               func(c *register.Config) { c.PublicURL = "https://127.0.0.1" },
		"--github-url: \"\" is no address":                func(c *register.Config) { c.GitHubURL = "" },
		"--github-url: https://api.acme.ghe.com is not":   func(c *register.Config) { c.GitHubURL = "https://api.acme.ghe.com" },
		"--github-url: https://github.acme.example/api/v3 is not where people open GitHub: write it as https://github.acme.example": func(c *register.Config) {
			c.GitHubURL = "https://github.acme.example/api/v3"
		},
		"--github-url: https://acme.ghe.com/api/v3 is not": func(c *register.Config) { c.GitHubURL = "https://acme.ghe.com/api/v3" },
		"https://localhost is this machine": func(c *register.Config) {
			c.PublicURL, c.GitHubURL = "https://localhost", "https://acme.ghe.com"
		},
		`--organization: "bad org" is no name`: func(c *register.Config) { c.Organization = "bad org" },
		`--organization: "acme-" is no name`:   func(c *register.Config) { c.Organization = "acme-" },
		"is longer than the 34 characters":     func(c *register.Config) { c.Name = strings.Repeat("é", 35) },
	} {
		c := working
		edit(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	enterprise := register.Config{PublicURL: "https://localhost", GitHubURL: "https://github.acme.example"}
	if err := enterprise.Check(); err != nil {
		t.Errorf("a server beside an Enterprise Server: %v", err)
	}
}

// TestAPIs: an App's secrets come by the API, once, and what asks for them elsewhere loses them.
func TestAPIs(t *testing.T) {
	for web, want := range map[string]string{
		"https://GitHub.com/":         "https://api.github.com",
		"https://Acme.ghe.com":        "https://api.acme.ghe.com",
		"https://github.acme.example": "https://github.acme.example/api/v3",
		"https://acme-ghe.com":        "https://acme-ghe.com/api/v3",
	} {
		c := register.Config{PublicURL: "https://a.example", GitHubURL: web}
		if err := c.Check(); err != nil || register.APIURL(c.GitHubURL) != want {
			t.Errorf("%s: %s, %v, want %s", web, register.APIURL(c.GitHubURL), err, want)
		}
	}
}
