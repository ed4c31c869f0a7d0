// Package pages shows an embedded GitHub in a browser: its repository, its pull requests, issues and people, as server-rendered pages on
// which one can act as any of the people. What GitHub refuses is shown in GitHub's words.
//
// There is no login: whoever reaches the pages is anybody. They are for the machine they run on, and so they answer only to names
// that nobody else can make to point here (see Options.Hosts), and take no form from another site.
package pages

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

//go:embed templates assets
var embedded embed.FS

// Options say what the pages offer.
type Options struct {
	Repo    string   // the repository, as owner/name
	Home    string   // who acts until somebody else is chosen
	Changes []Change // what "Open a pull request" offers
	Edits   []Edit   // what "Push a commit" offers
	// Settle waits until what was just done has had its effects, so that the next page shows them; nil: it does not wait. It is given
	// little time, and the pages go on without it.
	Settle func(context.Context) error
	// Pushed is called after a pull request got a new head; nil: nothing is. It stands for CI.
	Pushed func(githubsim.Pull) error
	// Later sets the time of this GitHub, and of whoever else lives by it, forward; nil: nobody can.
	Later func(context.Context, time.Duration) error
	// Server is the address of the App's own pages, to link to; "": none.
	Server string
	// Hosts are names under which the pages may be reached besides localhost and IP addresses, in lower case.
	Hosts []string
}

// Change is a pull request to open.
type Change struct {
	ID, Title, Note string
	Body            string // Markdown
	By              string // whose it is; "": that of whoever opens it
	Branch          string // a number is added if it is taken
	Files           map[string]string
}

// Edit is a commit to push to a pull request. Commit returns false where there is nothing that it could do.
type Edit struct {
	ID, Title string
	Commit    func(githubsim.PullView) (githubsim.Commit, bool)
}

const (
	settleTime = 2 * time.Second
	maxForm    = 1 << 20 // bytes: more than any description
)

// site serves the pages.
type site struct {
	Options
	sim       *githubsim.Sim
	templates *template.Template
	flashes   flashes
}

// New returns the pages of a Sim.
func New(sim *githubsim.Sim, o Options) http.Handler {
	s := &site{Options: o, sim: sim}
	s.templates = template.Must(template.New("").Funcs(s.functions()).ParseFS(embedded, "templates/*.html"))
	assets, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // it is embedded
	}

	mux := http.NewServeMux()
	home := "/" + o.Repo
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	mux.Handle("GET /{$}", http.RedirectHandler(home, http.StatusSeeOther))
	mux.Handle("GET "+home, s.page(s.repository))
	mux.Handle("GET "+home+"/people", s.page(s.people))
	mux.Handle("GET "+home+"/new", s.page(s.choose))
	mux.Handle("GET "+home+"/blob/{branch}/{path...}", s.page(s.file))
	mux.Handle("GET "+home+"/pull/{number}", s.page(s.pull))
	mux.Handle("GET "+home+"/pull/{number}/files", s.page(s.files))
	mux.Handle("GET "+home+"/pull/{number}/live", s.page(s.live))
	mux.Handle("GET "+home+"/pull/{number}/timeline", s.page(s.timeline))
	mux.Handle("GET "+home+"/issues", s.page(s.issues))
	mux.Handle("GET "+home+"/issues/{number}", s.page(s.issue))
	mux.Handle("GET "+home+"/issues/{number}/head", s.livePart("issuehead"))
	mux.Handle("GET "+home+"/issues/{number}/timeline", s.livePart("timeline"))
	mux.Handle("GET "+home+"/deployments", s.page(s.deployments))
	mux.Handle("GET "+home+"/deployments/live", s.page(s.liveDeployments))
	mux.Handle("GET "+home+"/deployments/activity_log", http.RedirectHandler(home+"/deployments", http.StatusSeeOther))
	mux.Handle("GET "+home+"/actions/runs/{run}", s.page(s.toRun))
	mux.Handle("POST /acting", s.page(s.choosePerson))
	mux.Handle("POST /time", s.page(s.later))
	mux.Handle("POST "+home+"/new", s.page(s.openPull))
	mux.Handle("POST "+home+"/pull/{number}/{action}", s.page(s.act))
	mux.Handle("POST "+home+"/issues/{number}/{action}", s.page(s.actOnIssue))
	mux.Handle("POST "+home+"/deployments/{action}", s.page(s.actOnRun))
	mux.Handle("/", s.page(func(http.ResponseWriter, *http.Request) error { return errNotFound }))

	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(s.page(func(http.ResponseWriter, *http.Request) error {
		return &pageError{http.StatusForbidden, "This form came from another site, and nothing was done."}
	}))
	return s.guard(sameOrigin.Handler(mux))
}

// guard answers only to names that lead to this machine: with any other name a page of somebody else's could read these.
func (s *site) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.isOurs(r.Host) {
			s.fail(w, r, &pageError{http.StatusMisdirectedRequest, "These pages are on this machine and do not answer to the name " + r.Host + ". Use localhost or an IP address."})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// isOurs says whether nobody else can have made the host's name point here.
func (s *site) isOurs(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil || slices.Contains(s.Hosts, host)
}

// pageError is an answer that is no page.
type pageError struct {
	status  int
	message string
}

func (e *pageError) Error() string { return e.message }

var errNotFound = &pageError{http.StatusNotFound, "There is no such page here."}

// page makes a handler of one that returns an error, which is shown here and nowhere else.
func (s *site) page(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, message := http.StatusInternalServerError, err.Error()
	var known *pageError
	var refused *githubsim.Refused
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		status = known.status
	case errors.As(err, &tooLarge):
		status, message = http.StatusRequestEntityTooLarge, "That is more text than a form here takes."
	case errors.As(err, &refused) && refused.Message == "Not Found":
		status, message = http.StatusNotFound, errNotFound.message
	}
	data := struct {
		frame
		Status  int
		Text    string
		Message string
	}{s.frame(r, http.StatusText(status)), status, http.StatusText(status), message}
	s.render(w, status, "error.html", data)
}

// render shows a template, whole or not at all.
func (s *site) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	b.WriteTo(w) //nolint:errcheck // whoever asked has gone
}

// settle gives the App a moment to answer what was just done.
func (s *site) settle(ctx context.Context) {
	if s.Settle == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	_ = s.Settle(ctx) // the page that follows shows what is there
}
