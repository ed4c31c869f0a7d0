// Package gate is where a job asks whether it may deploy, in plans of GitHub that have no deployment protection rules. The job sends the
// name of an environment to the server, and proves which job of which repository it is:
//
//   - by its OIDC token, which GitHub Actions signs. The commit, the repository and the run are what the token says and never what the
//     job says; each token is taken once;
//   - or by a static token, for what runs elsewhere. It is bound to one repository and one environment, and its bearer says which
//     commit it is about.
//
// The answer is go, no or not yet, with the reason. Whatever cannot be verified or decided is never answered with go.
//
// Handler is the server's side. Client is the job's, as `changegate gate` uses it.
package gate

import (
	"context"
	"encoding/hex"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// Path is where the server takes questions.
const Path = "/api/gate"

// Question is what is asked: the body of a request, as JSON.
type Question struct {
	Environment string `json:"environment"`
	// Commit and Repository go with a static token only; an OIDC token says both. Repository, if it is there, must be what the token is
	// bound to: owner/name, or the repository's id on GitHub.
	Commit     string `json:"commit,omitempty"`
	Repository string `json:"repository,omitempty"`
}

// Reply is the answer to a question, as JSON. It comes with status 200 if it was decided; with 429 or 503 it is "not yet", because it could
// not be decided in time; with any other status the question itself was refused, and it is "no".
type Reply struct {
	Answer release.Answer `json:"answer"`
	Reason string         `json:"reason"`         // in plain words; it may quote strangers, and is to be escaped where it is shown
	Until  time.Time      `json:"until,omitzero"` // of "not yet": when time alone changes it; zero: not known
}

// Asker decides. It is called by many goroutines.
type Asker interface {
	// Ask returns the answer to a job, its reason, and for NotYet when time alone changes it (zero: not known). The same key may be asked
	// again and again. An error, that of ctx among them, says that it could not be decided.
	Ask(ctx context.Context, repo change.Repository, asked change.GateAsked) (release.Answer, change.Text, time.Time, error)
}

// Repositories knows the repositories that the App has access to now. What it does not find is answered with a refusal.
type Repositories interface {
	Repository(ctx context.Context, id change.RepositoryID) (repo change.Repository, found bool, err error)
	// RepositoryNamed finds a repository by the name that it has now; case is folded.
	RepositoryNamed(ctx context.Context, owner, name string) (repo change.Repository, found bool, err error)
}

// Once notes a key until a time, and says whether it was not noted before. Of any number of calls with one key, in this process or another,
// one is fresh. An error notes nothing that could be relied on.
type Once func(ctx context.Context, key string, until time.Time) (fresh bool, err error)

const maxEnvironment = 255 // characters; GitHub's limit

func isEnvironment(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= maxEnvironment && name == strings.TrimSpace(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// isCommit says whether s is the whole name of a commit, in lower case.
func isCommit(s string) bool {
	if len(s) != 40 && len(s) != 64 || s != strings.ToLower(s) {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}
