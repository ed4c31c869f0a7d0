// Package register makes a GitHub App of changegate's manifest, by GitHub's own flow: a page on this machine sends the browser to GitHub with
// the manifest, GitHub shows what the App may do and lets a person confirm it, and sends the browser back with a code. The code is
// exchanged for the App's id, private key and webhook secret, once and within an hour, and these are written to files.
package register

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/deploy"
)

// Config says which App to make, and where.
type Config struct {
	GitHubURL    string // https://github.com, https://NAME.ghe.com, or https://HOST of Enterprise Server
	Organization string // that is to own the App; empty: whoever confirms it
	PublicURL    string // where GitHub will reach the server
	Name         string // of the App, which is unique on GitHub; empty: changegate
	Directory    string // where to write to; it is made if it is not there
}

// Manifest returns the App's manifest for a server at publicURL.
func Manifest(publicURL, name string) ([]byte, error) {
	m, err := manifest(publicURL, name)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(m, "", "  ")
}

// manifest keeps all that the file says but for what is the server's own.
func manifest(publicURL, name string) (map[string]any, error) {
	base, err := own(publicURL, name)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(deploy.AppManifest(), &m); err != nil {
		return nil, fmt.Errorf("the built-in manifest: %w", err)
	}
	m["url"] = base
	m["hook_attributes"] = map[string]any{"url": base + "/api/github/hook", "active": true}
	if name != "" {
		m["name"] = name
	}
	return m, nil
}

// own checks what is the server's own, and returns its address without a trailing slash. The name may be empty.
func own(publicURL, name string) (string, error) {
	if publicURL == "" {
		return "", errors.New("--public-url is missing: where GitHub will reach the server, as https://HOST")
	}
	if utf8.RuneCountInString(name) > maxName {
		return "", fmt.Errorf("--name: %q is longer than the %d characters that an App's name may have", name, maxName)
	}
	base, err := checked(publicURL)
	if err != nil {
		return "", fmt.Errorf("--public-url: %w", err)
	}
	return base, nil
}

// checked returns an address without a trailing slash. Secrets travel over it, so that plain HTTP is for this very machine only.
func checked(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "", fmt.Errorf("%q is no address of a server: write it as https://HOST", address)
	case u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		return "", fmt.Errorf("%s is plain http: use https, because secrets travel over it", address)
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimSuffix(u.String(), "/"), nil
}

// GitHub's own limits, which it would tell only after everything is filled in.
const maxName = 34

var organization = regexp.MustCompile(`^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$`)

// Check says what GitHub would refuse of the configuration, or what is missing, and takes the slash off the ends of the addresses.
func (c *Config) Check() error {
	public, err := own(c.PublicURL, c.Name)
	if err != nil {
		return err
	}
	web, err := checked(c.GitHubURL)
	if err != nil {
		return fmt.Errorf("--github-url: %w", err)
	}
	host, err := url.Parse(public)
	site, path, _ := strings.Cut(strings.TrimPrefix(web, "https://"), "/")
	switch {
	case err != nil:
		return err
	case strings.HasSuffix(site, tenants) && !tenant.MatchString(web):
		return fmt.Errorf("--github-url: %s is not where people open GHE.com: write it as https://NAME.ghe.com", web)
	case strings.HasPrefix(web, "https://") && path != "":
		return fmt.Errorf("--github-url: %s is not where people open GitHub: write it as https://%s", web, site)
	case isCloud(web) && (host.Hostname() == "localhost" || net.ParseIP(host.Hostname()).IsLoopback()):
		return fmt.Errorf("--public-url: %s is this machine, which GitHub cannot reach: name the address of the proxy before the server", public)
	case c.Organization != "" && (!organization.MatchString(c.Organization) || len(c.Organization) > 39):
		return fmt.Errorf("--organization: %q is no name that an organization can have: write it as in https://github.com/NAME", c.Organization)
	}
	c.PublicURL, c.GitHubURL = public, web
	return nil
}

// gitHub is where GitHub itself is.
const gitHub = "https://github.com"

// tenants is how the hosts of GitHub Enterprise Cloud with data residency end.
const tenants = ".ghe.com"

var tenant = regexp.MustCompile(`^https://[a-z0-9-]+\.ghe\.com$`)

// isCloud says whether GitHub runs a GitHub itself: no Enterprise Server.
func isCloud(web string) bool { return web == gitHub || tenant.MatchString(web) }

// Flow is one registration. It serves a page on this machine until the App is there.
type Flow struct {
	config   Config
	files    *files
	github   *github.Client
	listener net.Listener
	key      string // that only whoever was shown the address knows, and that GitHub sends back
	manifest string
	answered atomic.Bool // the code was taken, and is good for once
	done     chan result
}

type result struct {
	app *App
	err error
}

// App is an App that was made, and where what belongs to it was written.
type App struct {
	ID            int64
	Slug          string
	InstallURL    string // where it is installed
	Configuration string // the files that were written
	PrivateKey    string
	WebhookSecret string
}

// Begin listens on the address, as HOST:PORT of this machine, and prepares the directory. It is an error if the files are there already,
// because a code can be exchanged once only: whatever can be wrong is to be found out before.
func Begin(c Config, address string) (_ *Flow, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	f := &Flow{config: c, key: rand.Text(), done: make(chan result, 1)}
	m, err := manifest(c.PublicURL, c.Name)
	if err != nil {
		return nil, err
	}
	f.github = github.NewClient(&http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }})
	if f.github.BaseURL, err = url.Parse(apiURL(c.GitHubURL) + "/"); err != nil {
		return nil, err
	}
	if f.files, err = prepare(c.Directory); err != nil {
		return nil, err
	}
	if f.listener, err = net.Listen("tcp", address); err != nil {
		return nil, fmt.Errorf("listen for GitHub's answer: %w: name a free port of this machine with --listen", err)
	}
	m["redirect_url"] = "http://" + f.listener.Addr().String() + "/registered"
	text, err := json.Marshal(m)
	if err != nil {
		return nil, errors.Join(err, f.listener.Close())
	}
	f.manifest = string(text)
	return f, nil
}

// apiURL returns where the REST API of a GitHub is.
func apiURL(web string) string {
	if isCloud(web) {
		return "https://api." + strings.TrimPrefix(web, "https://")
	}
	return web + "/api/v3"
}

// URL is the page to open in a browser on this machine.
func (f *Flow) URL() string { return "http://" + f.listener.Addr().String() + "/" + f.key }

// Wait serves the page until the App was made and its files are written, or ctx ends.
func (f *Flow) Wait(ctx context.Context) (*App, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{key}", f.begin)
	mux.HandleFunc("GET /registered", f.registered)
	server := &http.Server{Handler: f.guard(mux), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(f.listener) }()
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(limit) // the answer to the browser is under way
	}()
	select {
	case r := <-f.done:
		return r.app, r.err
	case err := <-served:
		return nil, err
	case <-ctx.Done():
		if f.answered.Load() {
			r := <-f.done // the code is being exchanged, which has a limit
			return r.app, r.err
		}
		return nil, errors.New("nobody confirmed the App; nothing was written")
	}
}

// guard refuses what another site has the browser send here under a name of its own.
func (f *Flow) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action "+f.config.GitHubURL)
		if r.Host != f.listener.Addr().String() {
			http.Error(w, "this is not the address that was printed", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (f *Flow) isKey(text string) bool {
	return subtle.ConstantTimeCompare([]byte(text), []byte(f.key)) == 1
}

//go:embed page.html
var pageSource string

func (f *Flow) begin(w http.ResponseWriter, r *http.Request) {
	if !f.isKey(r.PathValue("key")) {
		http.NotFound(w, r)
		return
	}
	f.show(w, map[string]any{"Action": f.apps() + "/new?state=" + f.key, "Manifest": f.manifest, "Public": f.config.PublicURL})
}

// apps is GitHub's page of the Apps that whoever is to own this one has.
func (f *Flow) apps() string {
	owner := f.config.GitHubURL
	if f.config.Organization != "" {
		owner += "/organizations/" + url.PathEscape(f.config.Organization)
	}
	return owner + "/settings/apps"
}

// byHand says what is left to do where the App may be there and its secrets did not come.
func (f *Flow) byHand() string {
	return "the App may be registered: look at " + f.apps() + ", and generate a private key and set a webhook secret on its page, or delete it and begin again"
}

// code is what GitHub's codes look like. It becomes a part of a path.
var code = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

func (f *Flow) registered(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !f.isKey(q.Get("state")) || !code.MatchString(q.Get("code")) {
		http.Error(w, "this is not GitHub's answer to what was begun here", http.StatusForbidden)
		return
	}
	if !f.answered.CompareAndSwap(false, true) {
		http.Error(w, "GitHub's answer was taken before", http.StatusConflict)
		return
	}
	// The code is good for once, also if nobody waits for the page any more. The client has a limit of its own.
	app, err := f.complete(context.WithoutCancel(r.Context()), q.Get("code"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	} else {
		f.show(w, map[string]any{"App": app})
	}
	f.done <- result{app, err}
}

// complete exchanges the code. From then on the App is there, so that an error says what is left to do by hand.
func (f *Flow) complete(ctx context.Context, code string) (*App, error) {
	made, _, err := f.github.Apps.CompleteAppManifest(ctx, code)
	if err != nil {
		return nil, fmt.Errorf("exchange GitHub's code for the App's key: %w: %s", err, f.byHand())
	}
	app := &App{ID: made.GetID(), Slug: made.GetSlug(), InstallURL: made.GetHTMLURL() + "/installations/new"}
	if app.ID == 0 || made.GetPEM() == "" || made.GetWebhookSecret() == "" {
		return nil, fmt.Errorf("GitHub's answer has no id, no private key or no webhook secret: %s", f.byHand())
	}
	if err := f.files.write(f.config, app, made.GetPEM(), made.GetWebhookSecret()); err != nil {
		return nil, fmt.Errorf("the App %s is registered, and its secrets could not be written: make new ones on its page, %s: %w", app.Slug, made.GetHTMLURL(), err)
	}
	return app, nil
}

func (f *Flow) show(w http.ResponseWriter, data any) {
	page, err := template.New("page").Parse(pageSource)
	var b bytes.Buffer
	if err == nil {
		err = page.Execute(&b, data)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}
