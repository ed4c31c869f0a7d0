package emergency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/record"
	"github.com/changegate/changegate/internal/store"
)

const (
	// retryHiddenRepository is how soon an issue is looked for again whose whole repository GitHub does not show.
	retryHiddenRepository = time.Minute
	// lookForGone is how soon it is looked again whether a pull request that is gone, and owes something, has come back.
	lookForGone = time.Hour
	// maxWrites is how many writes one run makes. More than three never follow one another.
	maxWrites = 8
)

// Store is what is remembered; see store.Store, and queue.HandlerStore, which has what SaveErrand raises looked at.
type Store interface {
	errand.Store
	effect.Store
	Begin(ctx context.Context, key change.PullKey) (store.Work, error)
	BeginErrand(ctx context.Context, e change.Errand) (store.ErrandWork, error)
	SaveErrand(ctx context.Context, e change.Errand, s store.ErrandSave) error
	CommandDone(ctx context.Context, comment int64, outcome string) error
}

// GitHub is what a run reads and writes there; see github.Session.
type GitHub interface {
	Began() time.Time
	Now() time.Time
	Pull(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (change.Pull, error)
	Issue(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (github.Issue, error)
	Comments(ctx context.Context, repo change.Repository, n change.Number, since time.Time) ([]github.IssueComment, error)

	CreateIssue(ctx context.Context, repo change.Repository, w github.IssueWrite) (github.Issue, error)
	EditIssue(ctx context.Context, repo change.Repository, n change.Number, e github.IssueEdit) (github.Issue, error)
	FindIssue(ctx context.Context, repo change.Repository, marker string, since time.Time) (github.Issue, bool, error)
	Comment(ctx context.Context, repo change.Repository, n change.Number, markdown string) (int64, error)
	FindComment(ctx context.Context, repo change.Repository, n change.Number, marker string, since time.Time) (int64, bool, error)
	React(ctx context.Context, repo change.Repository, comment int64, reaction string) error
}

// Config is what a Keeper needs. All of it is required but Log.
type Config struct {
	Store Store
	// Session begins a session for an installation.
	Session func(change.InstallationID) GitHub
	// Policy returns the policy that is in force for a base branch, with the owner's beside it.
	Policy func(ctx context.Context, repo change.Repository, branch string) (*policy.Policy, error)
	// Holder names this process in leases.
	Holder string
	Clock  func() time.Time
	Log    zerolog.Logger
}

// Keeper follows emergencies. It is safe for many goroutines.
type Keeper struct{ Config }

// New returns a Keeper.
func New(c Config) *Keeper { return &Keeper{c} }

// run is one run: the state of one Run call.
type run struct {
	*Keeper
	errand change.Errand
	github GitHub
	pull   store.Work
	lease  store.Lease
	saved  []byte // the memory as it is stored
	log    zerolog.Logger
}

// Run looks at the emergency of the pull request that an ErrandRetrospective names, and takes the steps that are to be taken. What it
// announces and records is durable before anything is written on GitHub, so that GitHub's troubles delay the issue and nothing else. An
// error says that the run is to be repeated; waiting is no error but a Result with RetryAt.
func (k *Keeper) Run(ctx context.Context, e change.Errand) (queue.Result, error) {
	n, err := strconv.Atoi(e.Name)
	if err != nil || e.Kind != change.ErrandRetrospective {
		return queue.Result{}, fmt.Errorf("follow an emergency: %s is none", e)
	}
	r := &run{Keeper: k, errand: e, log: k.Log.With().Ctx(ctx).Stringer("errand", e).Logger()}
	result, err := errand.Alone(ctx, k.Store, e, k.Holder, func(lease store.Lease) (queue.Result, error) {
		r.lease = lease
		return r.run(ctx, change.PullKey{Repository: e.Repository, Number: change.Number(n)})
	})
	if errors.Is(err, store.ErrNotFound) {
		return queue.Result{}, nil // never heard of, or not ours any more
	}
	if result, err = errand.Outcome(result, err, k.Clock(), &r.log); err != nil {
		return queue.Result{}, fmt.Errorf("follow the emergency %s: %w", e, err)
	}
	return result, nil
}

// run reads what is known and remembered, which nobody else changes while the lease is held, and follows it.
func (r *run) run(ctx context.Context, key change.PullKey) (_ queue.Result, err error) {
	if r.pull, err = r.Store.Begin(ctx, key); err != nil {
		return queue.Result{}, err
	}
	work, err := r.Store.BeginErrand(ctx, r.errand)
	if err != nil {
		return queue.Result{}, err
	}
	var m Memory
	if r.saved = work.State; r.saved != nil {
		if err := json.Unmarshal(r.saved, &m); err != nil {
			return queue.Result{}, fmt.Errorf("reading what is remembered: %w", err)
		}
	}
	if r.pull.Gone {
		return r.away(m), nil
	}
	r.github = r.Session(r.pull.Repository.Installation)
	result, err := r.follow(ctx, m)
	if err != nil {
		return result, err
	}
	for _, c := range work.Commands {
		if err := r.answer(ctx, c); err != nil {
			return queue.Result{}, err
		}
	}
	return result, nil
}

// away asks GitHub nothing about a pull request that is gone. What is owed is looked at again all the same: the pull request may come back, and
// this run may have been the one that time called for.
func (r *run) away(m Memory) queue.Result {
	if m.owes() || m.awaitsReviews() {
		return queue.Result{RecheckAt: r.Clock().Add(lookForGone)}
	}
	return queue.Result{}
}

func (r *run) follow(ctx context.Context, m Memory) (queue.Result, error) {
	f, err := r.facts(ctx, m)
	if errors.Is(err, errHidden) {
		return queue.Result{RetryAt: r.Clock().Add(retryHiddenRepository)}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	for range maxWrites {
		var steps []Step
		m, steps = Next(f, m)
		if err := r.save(ctx, m, steps); err != nil {
			return queue.Result{}, err
		}
		i := slices.IndexFunc(steps, func(s Step) bool { return s.Write != nil })
		if i < 0 {
			return queue.Result{RecheckAt: m.RecheckAt(f.Now)}, nil
		}
		if m, f.Issue, err = r.take(ctx, m, steps[i], f.Issue); err != nil {
			return queue.Result{}, err
		}
		f.Lost = ""
	}
	return queue.Result{}, errors.New("its steps do not come to an end")
}

// errHidden says that GitHub shows neither the issue nor the pull request: it is the repository that is gone, or the App's access to it.
var errHidden = errors.New("the pull request is not to be seen")

func (r *run) facts(ctx context.Context, m Memory) (Facts, error) {
	p := &r.pull
	f := Facts{Repository: p.Repository, Pull: p.Snapshot, Decision: p.Decision, Pushes: p.Pushes}
	stands := f.Decision != nil && f.Decision.Declaration != nil
	if stands && m.Episode == 0 {
		in, err := r.Policy(ctx, p.Repository, p.Snapshot.Base.Name)
		if err != nil {
			return f, fmt.Errorf("reading the policy: %w", err)
		}
		f.Terms = terms(in, p.Snapshot.Body)
	}
	if m.Issue != 0 && (m.owes() || m.Withdrawn && stands) {
		if err := r.issue(ctx, &f, m.Issue); err != nil {
			return f, err
		}
	}
	f.Now = r.github.Now() // after GitHub was asked, which is how its clock is known
	return f, nil
}

// issue reads the retrospective.
func (r *run) issue(ctx context.Context, f *Facts, n change.Number) error {
	repo, since := f.Repository, r.github.Began()
	issue, err := r.github.Issue(ctx, repo, n, since)
	var missing *github.NotFound
	if errors.As(err, &missing) {
		// GitHub does not tell what is gone from what the App may not see any more.
		if _, err := r.github.Pull(ctx, repo, f.Pull.Number, since); errors.As(err, &missing) {
			return errHidden
		} else if err != nil {
			return err
		}
		f.Lost = missing.Message
		return nil
	}
	if err != nil {
		return err
	}
	texts := []string{issue.Body}
	if len(Empty(issue.Body)) > 0 {
		comments, err := r.github.Comments(ctx, repo, n, since)
		if err != nil {
			return err
		}
		for _, c := range comments {
			if c.By.Known() && !c.By.IsBot() && len(Empty(c.Body)) < len(sections()) {
				texts = append(texts, c.Body)
			}
		}
	}
	f.Issue = &Issue{
		Open: issue.State != github.IssueClosed, ClosedBy: issue.ClosedBy, ClosedAt: issue.ClosedAt, Empty: Empty(texts...),
		Text: evidence(texts),
	}
	return nil
}

// maxText is how much of a retrospective the ledger keeps, in bytes: four descriptions of the greatest length.
const maxText = 4 * 65_536

func evidence(texts []string) string {
	text := strings.Join(texts, "\n\n")
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// save makes the memory durable, and with it what is announced, recorded and owed.
func (r *run) save(ctx context.Context, m Memory, steps []Step) error {
	state, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if m.Episode == 0 || string(state) == string(r.saved) {
		return nil
	}
	s := store.ErrandSave{Lease: r.lease, State: json.RawMessage(state), Issue: m.Issue, Debts: m.debt(r.pull.Key)}
	thread := change.Raised{Errand: change.Errand{
		Kind: change.ErrandAnnouncement, Repository: r.errand.Repository, Name: "pull/" + r.errand.Name,
	}}
	for _, step := range steps {
		if a := step.Announce; a != nil {
			thread.Notes = append(thread.Notes, change.NewNote(a.Key, a.At, a))
		}
		if step.Record != nil {
			s.Entries = append(s.Entries, *step.Record)
		}
	}
	if len(thread.Notes) > 0 {
		s.Raise = []change.Raised{thread}
	}
	if err := r.Store.SaveErrand(ctx, r.errand, s); err != nil {
		return err
	}
	r.saved = state
	return nil
}

// terms returns what a policy says of emergencies, and what a description says in its justification.
func terms(p *policy.Policy, body string) Terms {
	t := Terms{Channels: p.AnnounceEmergency()}
	for _, layer := range p.Layers() {
		if e := layer.Emergency; e != nil && t.Label == "" {
			t.Label = e.Label
		}
		for _, f := range layer.Fields {
			if f.Name != "justification" || t.Justification != "" {
				continue
			}
			field := record.Field{Name: f.Name, Headings: f.Headings}
			if v := record.Parse(body, []record.Field{field}).Get(f.Name); v.State == record.Present {
				t.Justification = v.Text
			}
		}
	}
	return t
}
