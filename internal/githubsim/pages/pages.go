// Package pages shows an embedded GitHub in a browser: its repository, its pull requests and its people, as server-rendered pages on
// which one can act as any of the people. What GitHub refuses is shown in GitHub's words.
//
// There is no login: whoever reaches the pages is anybody. They are for this machine only, and so they answer only to names that
// cannot be made to point here (see Options.Hosts), and take no form from another site.
package pages

import (
	"context"
	"net/http"

	"github.com/changegate/changegate/internal/githubsim"
)

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
	// Server is the address of the App's own pages, to link to; "": none.
	Server string
	// Hosts are names under which the pages may be reached besides localhost and IP addresses.
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

// Edit is a commit to push to a pull request.
type Edit struct {
	ID, Title string
	Commit    func(githubsim.PullView) githubsim.Commit
}

// New returns the pages of a Sim.
func New(sim *githubsim.Sim, o Options) http.Handler { return http.NotFoundHandler() }
