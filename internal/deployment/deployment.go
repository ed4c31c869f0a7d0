// Package deployment carries out what package release decides: it is the imperative shell around the life of a repository's deployments.
//
// A repository has one errand for all of its environments (change.ErrandDeployments). A run of it takes what deliveries, commands and gates
// left, reads what the core asks for, and keeps in one transaction what follows: the state, the evidence, the exceptions, and what people are
// still to be told. Only then is anything written on GitHub, each effect once by its key, and noted as done. A run that was killed is repeated:
// it asks for the same effects under the same keys, and does none of them twice.
//
// A run that is there because of a sweep alone, or the first one after long, lists what happened on GitHub since it was listed last, and goes by
// that as if deliveries had told: one may never have come, and nothing counts as not having happened because nobody was there to hear of it.
//
// A policy that cannot be used lets nothing through: what happened is kept until it can be, jobs at the gate are told to wait, and whoever
// commands something meanwhile is told why nothing comes of it.
package deployment

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
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

const (
	// whileUnusable is how often a policy is looked at again that cannot be used. Whatever happens meanwhile has it looked at too.
	whileUnusable = 5 * time.Minute
	// whileRefused is how often GitHub is asked again for what it refuses: the repository is empty, blocked, or not shown to us.
	whileRefused = time.Hour
	// defaultInterval is how often Ask looks for its answer.
	defaultInterval = 200 * time.Millisecond
)

// ErrUnusable is for Policies to return: the default branch's policy cannot be used.
var ErrUnusable = errors.New("the policy of the default branch cannot be used")

// ErrUndecided says that a gate's question was not answered in time, or can have no answer. Nothing may go on by it.
var ErrUndecided = errors.New("nothing was decided of it")

// GitHub is what is read and written there; see github.Session for what each does and what it costs.
type GitHub interface {
	Began() time.Time
	Now() time.Time
	BotLogin(ctx context.Context) (string, error)

	Tip(ctx context.Context, repo change.Repository, branch string, since time.Time) (change.SHA, error)
	IsAncestor(ctx context.Context, repo change.Repository, commit, of change.SHA) (bool, error)
	Range(ctx context.Context, repo change.Repository, base, head change.SHA, since time.Time) (github.Range, error)
	Seen(ctx context.Context, repo change.Repository, v change.View, since time.Time) (change.Seen, error)
	Tree(ctx context.Context, repo change.Repository, commit change.SHA, paths []string) (map[string]github.TreeEntry, bool, error)
	CommitPulls(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) ([]change.Pull, error)
	Checks(ctx context.Context, repo change.Repository, sha change.SHA, withWorkflows bool, since time.Time) ([]change.Check, []github.CheckRun, error)
	IssueComment(ctx context.Context, repo change.Repository, id int64, since time.Time) (github.IssueComment, error)
	WorkflowRun(ctx context.Context, repo change.Repository, id int64, since time.Time) (github.WorkflowRun, error)
	Deployments(ctx context.Context, repo change.Repository, f github.DeploymentFilter, since time.Time) ([]change.Deployment, error)
	DeploymentStatuses(ctx context.Context, repo change.Repository, id int64, since time.Time) ([]change.DeploymentStatus, error)
	ParseCallback(callback string, repo change.Repository) (run int64, err error)

	CreateDeployment(ctx context.Context, repo change.Repository, w github.DeploymentWrite) (change.Deployment, error)
	FindDeployment(ctx context.Context, repo change.Repository, sha change.SHA, environment, key string, since time.Time) (change.Deployment, bool, error)
	CreateDeploymentStatus(ctx context.Context, repo change.Repository, id int64, w github.DeploymentStatusWrite) (change.DeploymentStatus, error)
	FindDeploymentStatus(
		ctx context.Context, repo change.Repository, id int64, since time.Time, wanted func(change.DeploymentStatus) bool,
	) (change.DeploymentStatus, bool, error)
	ReviewGate(ctx context.Context, repo change.Repository, callback, environment string, state github.GateState, comment string) error
	Comment(ctx context.Context, repo change.Repository, n change.Number, markdown string) (id int64, err error)
	EditComment(ctx context.Context, repo change.Repository, id int64, markdown string) error
	FindComment(ctx context.Context, repo change.Repository, n change.Number, marker string, since time.Time) (id int64, found bool, err error)
	React(ctx context.Context, repo change.Repository, comment int64, content string) error
}

// Store is what is remembered; see store.Store, and queue.HandlerStore, with which what is raised has its jobs at once.
type Store interface {
	errand.Store
	effect.Store
	BeginErrand(ctx context.Context, e change.Errand) (store.ErrandWork, error)
	SaveErrand(ctx context.Context, e change.Errand, save store.ErrandSave) error
	RaiseErrands(ctx context.Context, raised []change.Raised) error
	ErrandsOf(ctx context.Context, kind change.ErrandKind, repo change.RepositoryID) ([]store.ErrandWork, error)
	Pull(ctx context.Context, key change.PullKey) (store.Pull, error)
	Ledger(ctx context.Context, p ledger.Page) ([]ledger.Entry, error)
}

// Policies says what the default branch's policy says, the owner's beside it. All other errors than ErrUnusable are GitHub's or the App's.
type Policies interface {
	// Rules returns what it says of deployments; ErrUnusable if it cannot be used. It is asked in each run, so it should cost no call
	// as long as the policy is held.
	Rules(ctx context.Context, repo change.Repository) (release.Rules, error)
	// Governed says whether a branch is governed now.
	Governed(ctx context.Context, repo change.Repository, branch string) (bool, error)
	// MayRelease says whether somebody may give a command about an environment, by what they may do now. An empty environment asks
	// about the command as such.
	MayRelease(ctx context.Context, repo change.Repository, verb command.Verb, environment string, by change.Account) (policy.Authority, error)
	// HeldOf returns those of the roles that somebody holds now. Unknown says that of another one it could not be read.
	HeldOf(ctx context.Context, repo change.Repository, roles []string, by change.Account) (held []string, unknown bool, err error)
}

// Config is what a Deployer needs. All of it is required but Interval, Wait and Log.
type Config struct {
	Store Store
	// Session begins a session for an installation.
	Session  func(change.InstallationID) GitHub
	Policies Policies
	// App is our own, by which what it deployed is known.
	App change.AppID
	// Web is GitHub's address for people, without a slash at its end: https://github.com.
	Web string
	// Markdown renders a text for one line of Markdown, a table's cell too; see report.Markdown.
	Markdown func(change.Text) string
	// Holder names this process in leases.
	Holder string
	Clock  func() time.Time
	// Wait returns after a time, or with the context's error once that ends; nil: by a timer.
	Wait func(context.Context, time.Duration) error
	// Interval is how often Ask looks for its answer; 0: 200 milliseconds.
	Interval time.Duration
	Log      zerolog.Logger
}

// Deployer sees to deployments. It is safe for many goroutines.
type Deployer struct{ Config }

// New returns a Deployer.
func New(c Config) *Deployer {
	if c.Interval == 0 {
		c.Interval = defaultInterval
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	return &Deployer{c}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// errandOf is a repository's errand.
func errandOf(repo change.RepositoryID) change.Errand {
	return change.Errand{Kind: change.ErrandDeployments, Repository: repo, Name: change.DeploymentsName}
}

// Run looks at a repository's deployments (change.ErrandDeployments). An error says that GitHub or the App failed: the run is to be repeated.
// Waiting for a rate limit or for another run is no error but a Result with RetryAt.
func (d *Deployer) Run(ctx context.Context, e change.Errand) (queue.Result, error) {
	r := &run{Deployer: d, errand: e, log: d.Log.With().Ctx(ctx).Stringer("errand", e).Logger()}
	result, err := errand.Alone(ctx, d.Store, e, d.Holder, func(lease store.Lease) (queue.Result, error) {
		r.lease = lease
		return r.begin(ctx)
	})
	if errors.Is(err, store.ErrNotFound) {
		return queue.Result{}, nil // never heard of, or not ours any more
	}
	if result, err = errand.Outcome(result, err, d.Clock(), &r.log); err != nil {
		return queue.Result{}, fmt.Errorf("see to the deployments of repository %d: %w", e.Repository, err)
	}
	return result, nil
}

// begin reads what is remembered, which nobody else changes while the lease is held, and looks.
func (r *run) begin(ctx context.Context) (_ queue.Result, err error) {
	if r.work, err = r.Store.BeginErrand(ctx, r.errand); err != nil {
		return queue.Result{}, err
	}
	if r.state, err = remembered(r.work); err != nil {
		return queue.Result{}, err
	}
	if r.saved, err = json.Marshal(r.state); err != nil {
		return queue.Result{}, err
	}
	r.repo, r.github = r.work.Repository, r.Session(r.work.Repository.Installation)
	return r.look(ctx)
}
