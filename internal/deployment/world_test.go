package deployment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/report"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

// memory is the store, whose writes a killer may end.
type memory struct{ effecttest.Store }

func (m memory) RaiseErrands(ctx context.Context, raised []change.Raised) error {
	return m.Write(ctx, func(tx store.Tx) error { return m.Store.Store.RaiseErrands(ctx, tx, raised) })
}

// rules says what the policy says.
type rules struct {
	release.Rules
	unusable bool
	refused  error // GitHub's, when the policy is read
	governed []string
	roles    map[change.AccountID][]string
	unknown  bool
	unread   bool // who holds roles cannot be read, but whether somebody may give a command can
	reads    int
}

func (p *rules) For(verb string) string {
	switch verb {
	case "verified":
		return "qa"
	case "queue":
		return ""
	default:
		return "release-manager"
	}
}

type policies struct{ *rules }

func (p policies) Rules(context.Context, change.Repository) (release.Rules, error) {
	p.reads++
	if p.unusable {
		return release.Rules{}, ErrUnusable
	}
	if p.refused != nil {
		return release.Rules{}, p.refused
	}
	return p.rules.Rules, nil
}

func (p policies) Governed(_ context.Context, _ change.Repository, branch string) (bool, error) {
	return slices.Contains(p.governed, branch), nil
}

func (p policies) MayRelease(_ context.Context, _ change.Repository, verb command.Verb, _ string, by change.Account) (policy.Authority, error) {
	role := p.For(string(verb))
	a := policy.Authority{Role: role, Unknown: p.unknown, Who: change.Words("somebody of " + role)}
	a.May = !p.unknown && (role == "" || slices.Contains(p.roles[by.ID], role))
	return a, nil
}

func (p policies) HeldOf(_ context.Context, _ change.Repository, roles []string, by change.Account) (held []string, unknown bool, err error) {
	for _, role := range roles {
		if slices.Contains(p.roles[by.ID], role) {
			held = append(held, role)
		}
	}
	return held, p.unknown || p.unread, nil
}

// rig is a Deployer on a real store.
type rig struct {
	t *testing.T
	*hub
	store    *store.Store
	policies *rules
	*Deployer
	notes int
}

// usual are two environments: staging, which everything goes to, and production after it, which is watched.
func usual() release.Rules {
	always := func(name string) release.Environment {
		return release.Environment{
			Name: name, Creators: []string{actions}, Timeout: 2 * time.Hour, Grace: 2 * time.Hour, Place: "the policy",
			Hours: []release.Hours{{Hours: calendar.Hours{
				Windows: []calendar.Window{{First: time.Monday, Last: time.Sunday, From: 0, Until: 24 * 60}}, Zone: time.UTC,
			}, Place: "the policy"}},
		}
	}
	staging, production := always("staging"), always("production")
	production.After, production.Watched, production.RollBack = []string{"staging"}, true, true
	staging.Verify = release.Verify{}
	return release.Rules{
		Mode: release.Create, Environments: []release.Environment{staging, production},
		Ships: map[change.Category]release.Shipping{
			change.Standard: {Monitor: 30 * time.Minute}, change.Normal: {Monitor: 30 * time.Minute},
			change.HighRisk: {ByHand: true, Monitor: 2 * time.Hour, High: true},
		},
		Announce: []string{"slack:#engineering"},
	}
}

func newRig(t *testing.T) *rig {
	k := &effecttest.Killer{}
	h := &hub{
		t: t, Killer: k, now: epoch, commits: map[change.SHA][]change.SHA{}, order: map[change.SHA]int{}, edits: map[change.SHA]map[string]change.SHA{}, branches: map[string]change.SHA{},
		pulls: map[change.Number]change.Pull{}, brings: map[change.SHA][]change.Number{}, runs: map[int64]github.WorkflowRun{},
		checks: map[change.SHA][]change.Check{}, reacted: map[int64]string{}, refuse: map[string]error{},
	}
	h.branches["main"] = h.commit()
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + storetest.File(t), Clock: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.SaveRepository(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	p := &rules{Rules: usual(), governed: []string{"main"}, roles: map[change.AccountID][]string{
		bob.ID: {"release-manager", "qa"}, carol.ID: {"release-manager"},
	}}
	r := &rig{t: t, hub: h, store: s, policies: p}
	r.Deployer = New(Config{
		Store: memory{effecttest.Store{Store: s, Killer: k}}, Policies: policies{p}, App: ourApp, Web: "https://github.example", Markdown: report.Markdown, Holder: "test",
		Session: func(change.InstallationID) GitHub { return &session{hub: h, held: map[change.SHA]bool{}} },
		Clock:   func() time.Time { return h.now },
		Wait: func(ctx context.Context, d time.Duration) error {
			h.now = h.now.Add(d)
			return ctx.Err()
		},
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) errand() change.Errand { return errandOf(shop.ID) }

// leave leaves notes for the errand.
func (r *rig) leave(bodies ...change.ReleaseNote) {
	r.t.Helper()
	var list []change.Note
	for _, b := range bodies {
		r.notes++
		list = append(list, change.NewNote(fmt.Sprint("note ", r.notes), r.now, b))
	}
	r.must(r.store.Write(r.t.Context(), func(tx store.Tx) error {
		return r.store.RaiseErrands(r.t.Context(), tx, []change.Raised{{Errand: r.errand(), Notes: list}})
	}))
}

func (r *rig) run() queue.Result {
	r.t.Helper()
	result, err := r.Run(r.t.Context(), r.errand())
	r.must(err)
	return result
}

// told leaves notes and looks.
func (r *rig) told(bodies ...change.ReleaseNote) queue.Result {
	r.t.Helper()
	r.leave(bodies...)
	return r.run()
}

// merge merges a pull request that was decided satisfied, and returns it with what tells of it.
func (r *rig) merge(category change.Category) (change.Pull, change.ReleaseNote) {
	r.t.Helper()
	head := r.commit(r.branches["main"])
	as := r.commit(r.branches["main"], head)
	return r.mergeAs(category, head, as)
}

func (r *rig) mergeAs(category change.Category, head, as change.SHA) (change.Pull, change.ReleaseNote) {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	n := change.Number(len(r.pulls) + 1)
	p := change.Pull{
		Number: n, Title: fmt.Sprintf("Change %d <!-- @all -->", n), Author: alice, State: change.Merged, Head: change.Branch{Repository: shop.ID, Name: "topic", SHA: head},
		Base: change.Branch{Repository: shop.ID, Name: "main"}, MergedBy: alice, MergedAt: r.now, MergeCommit: as,
	}
	if category != change.Uncategorized {
		r.decide(p, change.Decision{Category: category, Verdict: change.Satisfied})
	}
	r.pulls[n], r.branches["main"] = p, as
	r.brings[as] = append(r.brings[as], n)
	_, err := r.store.SavePull(r.t.Context(), change.PullKey{Repository: shop.ID, Number: n}, p)
	r.must(err)
	return p, change.ReleaseNote{Landed: &change.Landed{
		Number: n, Title: p.Title, Branch: "main", Commit: as, Author: alice, By: alice, At: r.now,
	}}
}

// decide records a pull request's decision, as the reconciler does.
func (r *rig) decide(p change.Pull, d change.Decision) {
	r.t.Helper()
	key := change.PullKey{Repository: shop.ID, Number: p.Number}
	_, err := r.store.SavePull(r.t.Context(), key, p)
	r.must(err)
	d.Pull, d.Head, d.Base, d.Governed = key, cmp.Or(d.Head, p.Head.SHA), cmp.Or(d.Base, p.Base.Name), true
	d.MergeBase, d.Contributors = r.commits[p.Head.SHA][0], []change.AccountID{alice.ID}
	r.must(r.store.SaveDecision(r.t.Context(), d, fmt.Sprint("digest ", p.Number), store.Consequences{}, ledger.Draft{
		Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: int64(shop.ID), Number: int(p.Number), SHA: string(p.Head.SHA)}, Body: d,
	}))
}

// command comments on a pull request, and returns what tells of it.
func (r *rig) command(n change.Number, by change.Account, body string) (int64, change.ReleaseNote) {
	id := int64(1000 + len(r.comments))
	r.comments = append(r.comments, comment{github.IssueComment{ID: id, By: by, Body: body, At: r.now, Updated: r.now}, n})
	return id, change.ReleaseNote{Command: &change.Command{Comment: id, Pull: change.PullKey{Repository: shop.ID, Number: n}, By: by, Body: body, At: r.now}}
}

// reports has GitHub Actions post a status on the newest deployment to an environment.
func (r *rig) reports(environment string, state change.DeploymentState) change.ReleaseNote {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	for _, d := range slices.Backward(r.deployments) {
		if d.Environment == environment {
			s := change.DeploymentStatus{
				ID: int64(7000 + len(r.statuses)), Deployment: d, State: state, By: ci, LogURL: "https://ci.example/log?(1)", At: r.now,
			}
			r.statuses = append(r.statuses, s)
			return change.ReleaseNote{Status: &s}
		}
	}
	r.t.Fatalf("nothing is deployed to %s", environment)
	return change.ReleaseNote{}
}

// since returns the calls since the last time that it was asked, counted by their names.
func (h *hub) since() string {
	count := map[string]int{}
	for _, c := range h.calls {
		count[c]++
	}
	h.calls = nil
	var all []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		all = append(all, fmt.Sprintf("%d %s", count[name], name))
	}
	return strings.Join(all, ", ")
}

func (r *rig) held() state {
	r.t.Helper()
	w, err := r.store.BeginErrand(r.t.Context(), r.errand())
	r.must(err)
	s, err := remembered(w)
	r.must(err)
	return s
}

// left returns how many notes are not dealt with.
func (r *rig) left() int {
	r.t.Helper()
	w, err := r.store.BeginErrand(r.t.Context(), r.errand())
	r.must(err)
	return len(w.Notes)
}

func (r *rig) entries(kind ledger.Kind) []ledger.Entry {
	r.t.Helper()
	all, err := r.store.Ledger(r.t.Context(), ledger.Page{Limit: 10_000})
	r.must(err)
	return slices.DeleteFunc(all, func(e ledger.Entry) bool { return e.Kind != kind })
}

// phase returns where the newest deployment to an environment is.
func (r *rig) phase(environment string) release.Phase {
	r.t.Helper()
	s := r.held()
	tr := s.Tracks[environment]
	if tr == nil || len(tr.Deployments) == 0 {
		return ""
	}
	return tr.Deployments[len(tr.Deployments)-1].Phase
}
