// Package landing finds what went past the policy: a merge without a green check, other content than was decided, commits through no pull
// request, a forced update, a deleted branch, a check that is no longer required. Each is an exception. It is recorded, announced, and
// somebody other than those who did it is asked to explain it.
//
// A governed branch is walked from the last commit known to its tip, whenever it is pushed to and by the sweep, because an event can be
// missing. Walk.Judge, a pure function of what was read, says what landed otherwise than it was decided. What GitHub cannot answer delays a
// walk, and the last commit known stays where it is: nothing passes because it could not be read.
//
// An exception is an errand of its own, with an issue that asks for the explanation. A protection is an errand too: whether our check is
// required on a branch, and can be posted by nobody else.
package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// defaultPatience is how long GitHub is given to say which pull request a commit came through.
const defaultPatience = 2 * time.Minute

// GitHub is what is read and written there; see github.Session for what each does and what it costs.
type GitHub interface {
	Began() time.Time
	Now() time.Time

	Tip(ctx context.Context, repo change.Repository, branch string, since time.Time) (change.SHA, error)
	Range(ctx context.Context, repo change.Repository, base, head change.SHA, since time.Time) (github.Range, error)
	CommitPulls(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) ([]change.Pull, error)
	Pull(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (change.Pull, error)
	Moves(ctx context.Context, repo change.Repository, branch string, since time.Time) ([]change.Push, error)
	Seen(ctx context.Context, repo change.Repository, v change.View, since time.Time) (change.Seen, error)
	Tree(ctx context.Context, repo change.Repository, commit change.SHA, paths []string) (map[string]github.TreeEntry, bool, error)
	PolicyFile(ctx context.Context, repo change.Repository, commit change.SHA, path string) (github.PolicyFile, error)
	RequiredCheck(ctx context.Context, repo change.Repository, branch, name string, since time.Time) (github.RequiredCheck, error)

	Issue(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (github.Issue, error)
	CreateIssue(ctx context.Context, repo change.Repository, w github.IssueWrite) (github.Issue, error)
	FindIssue(ctx context.Context, repo change.Repository, marker string, since time.Time) (github.Issue, bool, error)
	EditIssue(ctx context.Context, repo change.Repository, n change.Number, e github.IssueEdit) (github.Issue, error)
	IssueComment(ctx context.Context, repo change.Repository, id int64, since time.Time) (github.IssueComment, error)
	Comment(ctx context.Context, repo change.Repository, n change.Number, markdown string) (id int64, err error)
	FindComment(ctx context.Context, repo change.Repository, n change.Number, marker string, since time.Time) (id int64, found bool, err error)
	React(ctx context.Context, repo change.Repository, comment int64, content string) error
}

// Store is what is remembered; see store.Store, and queue.HandlerStore, with which what is raised has its jobs at once.
type Store interface {
	BeginErrand(ctx context.Context, e change.Errand) (store.ErrandWork, error)
	SaveErrand(ctx context.Context, e change.Errand, save store.ErrandSave) error
	ErrandsOf(ctx context.Context, kind change.ErrandKind, repo change.RepositoryID) ([]store.ErrandWork, error)
	Pull(ctx context.Context, key change.PullKey) (store.Pull, error)
	Ledger(ctx context.Context, p ledger.Page) ([]ledger.Entry, error)
	CommandDone(ctx context.Context, comment int64, outcome string) error

	errand.Store
	effect.Store
}

// Rules is what the policy of a branch says of what lands there.
type Rules struct {
	// Governed says that the branch is the default one, or that the default branch's policy or the owner's names it.
	Governed bool
	// Unusable says that the policy cannot be used, so that it observes nothing and announces nowhere. Whether a branch that is not the
	// default one is governed is not known then: it is as it was.
	Unusable bool
	// Observing says that it only observes: exceptions are recorded, and nobody is asked to explain them.
	Observing bool
	// Announce are the channels for exceptions.
	Announce []string
}

// Policies says what a policy says. All of its errors are GitHub's or the App's.
type Policies interface {
	// Rules returns those of a branch: as its policy was at a commit, or is at its present tip if the commit is empty. Whether it is
	// governed is what is true now either way. A branch that is not governed costs no call as long as the default branch's policy is held;
	// a governed one that is not there is a github.NotFound.
	Rules(ctx context.Context, repo change.Repository, branch string, commit change.SHA) (Rules, error)
	// MayCommand says whether somebody may give a command about a branch, by what they may do now. It is asked about nobody (the zero
	// Account) too, for who may. A branch that is not there is a github.NotFound.
	MayCommand(ctx context.Context, repo change.Repository, branch string, verb command.Verb, by change.Account) (policy.Authority, error)
}

// Config is what a Lander needs. All of it is required but Log, Patience and Settle.
type Config struct {
	Store Store
	// Session begins a session for an installation.
	Session  func(change.InstallationID) GitHub
	Policies Policies
	// PolicyPath is where a repository keeps its policy.
	PolicyPath string
	// CheckName is the name of our check run.
	CheckName string
	// Markdown renders a text for one line of Markdown; see report.Markdown.
	Markdown func(change.Text) string
	// Holder names this process in leases.
	Holder string
	Clock  func() time.Time
	// Patience is how long GitHub is given to say which pull request a commit came through, before it came through none; 0: two minutes.
	Patience time.Duration
	// Settle is how long a branch is left alone after a push to it: so that a train of merges is walked once, and what tells that its pull
	// requests were merged has come; 0: not at all.
	Settle time.Duration
	Log    zerolog.Logger
}

// Lander looks at branches, exceptions and protections. It is safe for many goroutines.
type Lander struct{ Config }

// New returns a Lander.
func New(c Config) *Lander {
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	return &Lander{c}
}

// run is one run over an errand.
type run struct {
	*Lander
	github GitHub
	work   store.ErrandWork
	lease  store.Lease
	// unheard tells the repository's deployments of the merges that a walk came across of pull requests on which nothing was ever decided: most
	// likely no delivery told of them at all.
	unheard []change.Raised
	// missed is since when GitHub does not find commits of the branch that are compared; see branchState.
	missed time.Time
	log    zerolog.Logger
}

// Branch looks at what landed on a branch (change.ErrandBranch).
func (l *Lander) Branch(ctx context.Context, e change.Errand) (queue.Result, error) {
	return l.look(ctx, e, (*run).branch)
}

// Exception sees to an exception's issue (change.ErrandException).
func (l *Lander) Exception(ctx context.Context, e change.Errand) (queue.Result, error) {
	return l.look(ctx, e, (*run).exception)
}

// Protection looks whether our check is required on a branch (change.ErrandProtection).
func (l *Lander) Protection(ctx context.Context, e change.Errand) (queue.Result, error) {
	return l.look(ctx, e, (*run).protection)
}

// look begins a run as the errand's one writer. An error says that GitHub or the App failed: the run is to be repeated. Waiting for a
// rate limit or for another run is no error but a Result with RetryAt.
func (l *Lander) look(ctx context.Context, e change.Errand, do func(*run, context.Context) (queue.Result, error)) (queue.Result, error) {
	r := &run{Lander: l, log: l.Log.With().Ctx(ctx).Stringer("errand", e).Logger()}
	result, err := errand.Alone(ctx, l.Store, e, l.Holder, func(lease store.Lease) (_ queue.Result, err error) {
		// What is remembered, which nobody else changes while the lease is held.
		r.lease = lease
		r.work, err = l.Store.BeginErrand(ctx, e)
		if errors.Is(err, store.ErrNotFound) {
			return queue.Result{}, nil // never heard of, or not ours any more
		}
		if err != nil {
			return queue.Result{}, err
		}
		r.github = l.Session(r.work.Repository.Installation)
		return do(r, ctx)
	})
	return errand.Outcome(result, err, l.Clock(), &r.log)
}

// save keeps what the run leaves.
func (r *run) save(ctx context.Context, s store.ErrandSave) error {
	s.Lease = r.lease
	return r.Store.SaveErrand(ctx, r.work.Errand, s)
}

// remembered reads the errand's state, which stays zero if there is none.
func (r *run) remembered(state any) error {
	if r.work.State == nil {
		return nil
	}
	if err := json.Unmarshal(r.work.State, state); err != nil {
		return fmt.Errorf("reading the state of %s: %w", r.work.Errand, err)
	}
	return nil
}

// notes reads what was left for the errand, and returns the notes' identifiers.
func notes[T any](r *run, each func(change.Note, T)) (ids []string, err error) {
	for _, n := range r.work.Notes {
		var body T
		if err := json.Unmarshal(n.Body, &body); err != nil {
			return nil, fmt.Errorf("reading note %s of %s: %w", n.ID, r.work.Errand, err)
		}
		each(n, body)
		ids = append(ids, n.ID)
	}
	return ids, nil
}

// exceptionBody is the body of the ledger's entries about exceptions. Members may be added; their names and meanings never change.
type exceptionBody struct {
	change.Exception
	// Observed says that the policy only observes, so that nobody is asked to explain it.
	Observed bool `json:"observed,omitempty"`
}

// exceptionNote is what is left for an exception's errand. It is stored: members may be added, not renamed.
type exceptionNote struct {
	change.Exception
	// Announce are the channels that the policy named before the exception, which may have changed it.
	Announce []string `json:"announce,omitempty"`
	// Also is who did it as well, as became known after it was found. Of the exception nothing is told then but its key.
	Also []change.Account `json:"also,omitempty"`
}

// Found returns what an exception leaves: the evidence, and the errand that asks for an explanation, unless the policy only observes. It is
// announced in these channels besides those that the policy names by then.
func Found(e change.Exception, observed bool, announce ...string) (ledger.Draft, []change.Raised) {
	draft := evidence(e, ledger.ExceptionFound, exceptionBody{e, observed})
	if observed {
		return draft, nil
	}
	return draft, []change.Raised{{
		Errand: change.Errand{Kind: change.ErrandException, Repository: e.Repository, Name: e.Key},
		Notes:  []change.Note{change.NewNote(e.Key, e.At, exceptionNote{Exception: e, Announce: announce})},
	}}
}

// evidence is a ledger entry about an exception.
func evidence(e change.Exception, kind ledger.Kind, body any) ledger.Draft {
	return ledger.Draft{
		Kind: kind, Body: body, Subject: ledger.Subject{Repository: int64(e.Repository), Number: int(e.Number), SHA: string(e.After)},
	}
}
