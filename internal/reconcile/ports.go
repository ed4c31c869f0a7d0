package reconcile

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// GitHub is what a run reads and writes there; see github.Session for what each does and what it costs. A read's since says how old
// its answer may be: zero takes what is held, the session's beginning asks GitHub, or revalidates, in this run.
type GitHub interface {
	Began() time.Time
	Now() time.Time

	Described(ctx context.Context, repo change.Repository, since time.Time) (change.Repository, error)
	Pull(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (change.Pull, error)
	PullsWithHead(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) ([]change.Pull, error)
	Content(ctx context.Context, repo change.Repository, p change.Pull, since time.Time) (change.Content, error)
	ContentAt(ctx context.Context, repo change.Repository, p change.Pull, base change.SHA) (change.Content, error)
	Seen(ctx context.Context, repo change.Repository, v change.View, since time.Time) (change.Seen, error)
	Pushes(ctx context.Context, repo change.Repository, branch string, since time.Time) ([]change.Push, error)
	Tip(ctx context.Context, repo change.Repository, branch string, since time.Time) (change.SHA, error)
	InstallationOf(ctx context.Context, repo change.Repository) (change.InstallationID, error)
	HeldTip(repo change.Repository, branch string) (change.SHA, bool)
	PolicyFile(ctx context.Context, repo change.Repository, commit change.SHA, path string) (github.PolicyFile, error)
	OwnerPolicy(ctx context.Context, owner, path string, since time.Time) (github.PolicyFile, error)
	Timeline(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (github.Timeline, error)
	Checks(ctx context.Context, repo change.Repository, sha change.SHA, workflows bool, since time.Time) ([]change.Check, []github.CheckRun, error)
	OwnRuns(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) ([]github.CheckRun, error)
	Permission(ctx context.Context, repo change.Repository, a change.Account, since time.Time) (change.Person, error)
	Team(ctx context.Context, repo change.Repository, slug string, lookFor []change.Account, since time.Time) (change.Team, error)
	Collaborator(ctx context.Context, repo change.Repository, login string, since time.Time) (change.Account, error)
	User(ctx context.Context, login string, since time.Time) (change.Account, error)
	Tree(ctx context.Context, repo change.Repository, commit change.SHA, paths []string) (map[string]github.TreeEntry, bool, error)

	MergeQueue(ctx context.Context, repo change.Repository, branch string) ([]github.QueueEntry, error)
	IssueComment(ctx context.Context, repo change.Repository, id int64, since time.Time) (github.IssueComment, error)
	FindComment(ctx context.Context, repo change.Repository, n change.Number, marker string, since time.Time) (id int64, found bool, err error)

	CreateCheckRun(ctx context.Context, repo change.Repository, w github.CheckRunWrite) (github.CheckRun, error)
	UpdateCheckRun(ctx context.Context, repo change.Repository, id int64, w github.CheckRunWrite) (github.CheckRun, error)
	RequestReviewers(ctx context.Context, repo change.Repository, n change.Number, teams, users []string) error
	React(ctx context.Context, repo change.Repository, comment int64, content string) error
	Comment(ctx context.Context, repo change.Repository, n change.Number, markdown string) (id int64, err error)
}

// Store is what the loop remembers; see store.Store.
type Store interface {
	Begin(ctx context.Context, key change.PullKey) (store.Work, error)
	SaveRepository(ctx context.Context, r change.Repository) error
	PullsWithHead(ctx context.Context, repo change.RepositoryID, head change.SHA) ([]change.PullKey, error)
	SavePull(ctx context.Context, key change.PullKey, read change.Pull) (change.Pull, error)
	SaveGone(ctx context.Context, key change.PullKey) error
	SaveAwaited(ctx context.Context, d change.Decision, since time.Time) error
	SaveDecision(ctx context.Context, d change.Decision, digest string, c store.Consequences, entries ...ledger.Draft) error
	Debts(ctx context.Context, installation change.InstallationID, owners []change.AccountID) ([]change.Debt, error)
	BeginErrand(ctx context.Context, e change.Errand) (store.ErrandWork, error)
	SaveErrand(ctx context.Context, e change.Errand, s store.ErrandSave) error
	RaiseErrands(ctx context.Context, raised []change.Raised) error
	ErrandsOf(ctx context.Context, kind change.ErrandKind, repo change.RepositoryID) ([]store.ErrandWork, error)
	SavePushes(ctx context.Context, key change.PullKey, head change.SHA, pushes []change.Push) error
	SaveOrigin(ctx context.Context, key change.PullKey, o store.Origin) error
	SaveUntold(ctx context.Context, key change.PullKey) error
	SaveChecks(ctx context.Context, repo change.RepositoryID, sha change.SHA, list []change.Check, readAt, since time.Time) ([]store.Told, error)

	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error)
	Release(ctx context.Context, lease store.Lease) error

	CheckRun(ctx context.Context, repo change.RepositoryID, head change.SHA) (*store.CheckRun, error)
	CheckRunsOf(ctx context.Context, key change.PullKey) ([]store.CheckRun, error)
	SaveCheckRun(ctx context.Context, run store.CheckRun) error
	effect.Store
	CompleteCheckRun(ctx context.Context, key string, result any, run store.CheckRun) error
	EffectsOn(ctx context.Context, repo change.RepositoryID, head change.SHA, kinds ...string) (ended int, open []store.Effect, err error)
	OpenEffects(ctx context.Context, key change.PullKey) ([]store.Effect, error)
	EffectsOf(ctx context.Context, key change.PullKey) ([]store.Effect, error)
	CommandDone(ctx context.Context, comment int64, outcome string) error
}
