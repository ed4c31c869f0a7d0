package landing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

// hub is GitHub with one repository.
type hub struct {
	*world
	*effecttest.Killer
	branches map[string]change.SHA
	activity []change.Push
	required github.RequiredCheck
	issues   []github.Issue
	deleted  []change.Number // issues that are there no more
	comments []comment
	reacted  map[int64]string
	unfound  int // how many edits of issues GitHub does not find the issue for
	noIssues bool
	limited  bool
	lacking  bool  // it compares no commits
	blocked  error // how GitHub refuses what is read afresh
	failing  int   // which of the reads fails, from 1, as in an outage; 0: none
	reads    int   // how many were made, the database's too
	mu       sync.Mutex
	calls    []string
	together *meeting
}

type comment struct {
	github.IssueComment
	issue change.Number
}

// meeting keeps calls from returning until so many of them are under way.
type meeting struct {
	missing atomic.Int32
	all     chan struct{}
}

func meetingOf(n int) *meeting {
	m := &meeting{all: make(chan struct{})}
	m.missing.Store(int32(n))
	return m
}

func (m *meeting) join(ctx context.Context) error {
	if m.missing.Add(-1) == 0 {
		close(m.all)
	}
	select {
	case <-m.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errors.New("the others did not come")
	}
}

func (h *hub) call(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, name)
	if h.limited {
		return &github.RateLimited{Until: h.now.Add(time.Hour)}
	}
	return h.readLocked()
}

var errOutage = errors.New("an outage")

// read is a read of what is not GitHub's, or costs no call.
func (h *hub) read() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.readLocked()
}

func (h *hub) readLocked() error {
	if h.reads++; h.reads == h.failing {
		return errOutage
	}
	return nil
}

func (h *hub) Began() time.Time { return h.now }
func (h *hub) Now() time.Time   { return h.now }

func (h *hub) Tip(_ context.Context, _ change.Repository, branch string, _ time.Time) (change.SHA, error) {
	if err := h.call("tip"); err != nil {
		return "", err
	}
	if h.blocked != nil {
		return "", h.blocked
	}
	tip, ok := h.branches[branch]
	if branch == isMain && !ok {
		return h.tip, nil
	}
	if tip == "" {
		return "", &github.NotFound{Message: branch}
	}
	return tip, nil
}

func (h *hub) Range(_ context.Context, _ change.Repository, base, head change.SHA, _ time.Time) (github.Range, error) {
	if err := h.call("range"); err != nil {
		return github.Range{}, err
	}
	if h.lacking {
		return github.Range{}, &github.Lacking{Err: &github.NotFound{Message: "compare"}}
	}
	if h.commits[base] == nil || h.mergeBase(base, head) == "" {
		return github.Range{}, &github.NotFound{Message: string(base)}
	}
	r := github.Range{Base: base, Head: head, MergeBase: h.mergeBase(base, head), Status: h.status(base, head)}
	for _, c := range h.between(base, head) {
		l := github.LandedCommit{SHA: c.SHA, Parents: c.Parents}
		if len(c.By) > 0 {
			l.Author = c.By[0]
		}
		r.Commits = append(r.Commits, l)
	}
	if n := len(r.Commits); n > 1000 {
		r.Commits, r.CommitsCut = r.Commits[n-1000:], true
	}
	return r, nil
}

func (h *hub) CommitPulls(ctx context.Context, _ change.Repository, sha change.SHA, _ time.Time) (list []change.Pull, err error) {
	if err := h.call("pulls"); err != nil {
		return nil, err
	}
	if h.together != nil {
		if err := h.together.join(ctx); err != nil {
			return nil, err
		}
	}
	for _, n := range h.brings[sha] {
		p := h.pulls[n].Pull
		p.MergedBy = change.Account{}
		list = append(list, p)
	}
	return list, nil
}

func (h *hub) Pull(_ context.Context, _ change.Repository, n change.Number, _ time.Time) (change.Pull, error) {
	return h.pulls[n].Pull, h.call("pull")
}

func (h *hub) Moves(context.Context, change.Repository, string, time.Time) ([]change.Push, error) {
	if h.activity == nil {
		return nil, &github.Forbidden{Message: "activity"}
	}
	return h.activity, h.call("pushes")
}

func (h *hub) Seen(_ context.Context, _ change.Repository, v change.View, _ time.Time) (change.Seen, error) {
	return h.seen(v), h.call("seen")
}

func (h *hub) Tree(_ context.Context, _ change.Repository, c change.SHA, paths []string) (map[string]github.TreeEntry, bool, error) {
	entries := map[string]github.TreeEntry{}
	for _, p := range paths {
		if e, ok := h.commits[c].tree[p]; ok {
			entries[p] = github.TreeEntry{Mode: e.Mode, Blob: e.Blob}
		}
	}
	return entries, true, h.call("tree")
}

func (h *hub) PolicyFile(_ context.Context, _ change.Repository, c change.SHA, path string) (github.PolicyFile, error) {
	e, ok := h.commits[c].tree[path]
	return github.PolicyFile{Found: ok, Blob: e.Blob}, h.call("policy")
}

func (h *hub) RequiredCheck(context.Context, change.Repository, string, string, time.Time) (github.RequiredCheck, error) {
	return h.required, cmp.Or(h.call("required"), h.blocked)
}

func (h *hub) Issue(_ context.Context, _ change.Repository, n change.Number, _ time.Time) (github.Issue, error) {
	i := h.issue(n)
	if i == nil || slices.Contains(h.deleted, n) {
		return github.Issue{}, &github.NotFound{Message: "issue"}
	}
	return *i, cmp.Or(h.call("issue"), h.blocked)
}

func (h *hub) issue(n change.Number) *github.Issue {
	i := slices.IndexFunc(h.issues, func(i github.Issue) bool { return i.Number == n })
	if i < 0 {
		return nil
	}
	return &h.issues[i]
}

func (h *hub) CreateIssue(_ context.Context, _ change.Repository, w github.IssueWrite) (i github.Issue, err error) {
	if h.noIssues {
		return i, &github.NotFound{Message: "Issues are disabled for this repo", Gone: true}
	}
	err = h.Do(func() error {
		i = github.Issue{Number: change.Number(100 + len(h.issues)), Title: w.Title, Body: w.Body, State: github.IssueOpen, URL: "https://github.example/acme/shop/issues/100"}
		h.issues = append(h.issues, i)
		return nil
	})
	return i, err
}

func (h *hub) FindIssue(_ context.Context, _ change.Repository, marker string, _ time.Time) (github.Issue, bool, error) {
	if err := h.read(); err != nil {
		return github.Issue{}, false, err
	}
	for _, i := range h.issues {
		if strings.Contains(i.Body, marker) {
			return i, true, nil
		}
	}
	return github.Issue{}, false, nil
}

func (h *hub) EditIssue(_ context.Context, _ change.Repository, n change.Number, e github.IssueEdit) (github.Issue, error) {
	i := h.issue(n)
	return *i, h.Do(func() error {
		if h.unfound > 0 {
			h.unfound--
			return &github.NotFound{Message: "issue"}
		}
		if e.State != "" {
			i.State, i.StateReason = e.State, e.StateReason
		}
		i.Body = cmp.Or(e.Body, i.Body)
		return nil
	})
}

func (h *hub) IssueComment(_ context.Context, _ change.Repository, id int64, _ time.Time) (github.IssueComment, error) {
	for _, c := range h.comments {
		if c.ID == id {
			return c.IssueComment, h.call("comment")
		}
	}
	return github.IssueComment{}, &github.NotFound{Message: "comment"}
}

func (h *hub) Comment(_ context.Context, _ change.Repository, n change.Number, markdown string) (id int64, err error) {
	id = int64(1000 + len(h.comments))
	return id, h.Do(func() error {
		h.comments = append(h.comments, comment{github.IssueComment{ID: id, Via: 1, Body: markdown}, n})
		return nil
	})
}

func (h *hub) FindComment(_ context.Context, _ change.Repository, n change.Number, marker string, _ time.Time) (int64, bool, error) {
	if err := h.read(); err != nil {
		return 0, false, err
	}
	for _, c := range h.comments {
		if c.issue == n && strings.Contains(c.Body, marker) {
			return c.ID, true, nil
		}
	}
	return 0, false, nil
}

func (h *hub) React(_ context.Context, _ change.Repository, id int64, content string) error {
	return h.Do(func() error {
		h.reacted[id] = content
		return nil
	})
}

// ours returns what we said on an issue.
func (h *hub) ours(n change.Number) (bodies []string) {
	for _, c := range h.comments {
		if c.issue == n && c.Via == 1 {
			bodies = append(bodies, c.Body)
		}
	}
	return bodies
}

// memory is the store, whose writes a killer may end, and whose reads an outage.
type memory struct {
	effecttest.Store
	read func() error
}

func (m memory) ErrandsOf(ctx context.Context, kind change.ErrandKind, repo change.RepositoryID) ([]store.ErrandWork, error) {
	list, err := m.Store.ErrandsOf(ctx, kind, repo)
	return list, cmp.Or(err, m.read())
}

func (m memory) Pull(ctx context.Context, key change.PullKey) (store.Pull, error) {
	if err := m.read(); err != nil {
		return store.Pull{}, err
	}
	return m.Store.Pull(ctx, key)
}

func (m memory) Ledger(ctx context.Context, p ledger.Page) ([]ledger.Entry, error) {
	list, err := m.Store.Ledger(ctx, p)
	return list, cmp.Or(err, m.read())
}

// rules says what policies say: main is governed, and release/*, until said otherwise.
type rules struct {
	w         *world
	branches  map[string]change.SHA // the hub's
	now       Rules
	observing map[change.SHA]bool     // by the blob of the policy file
	announce  map[change.SHA][]string // the same, where it says another thing than now
	unknown   bool
	untold    bool  // unknown because GitHub does not tell what the person may do
	refused   error // GitHub's, when the policy is read
	read      func() error
}

func (p *rules) Rules(_ context.Context, _ change.Repository, branch string, c change.SHA) (Rules, error) {
	if err := cmp.Or(p.refused, p.read()); err != nil {
		return Rules{}, err
	}
	r := p.now
	if p.isGone(branch) && c == "" {
		return Rules{}, &github.NotFound{}
	}
	r.Governed = r.Governed && (branch == shop.DefaultBranch || strings.HasPrefix(branch, "release/"))
	at := c
	if at == "" && branch == isMain {
		at = p.w.tip
	}
	if p.w.commits[at] == nil {
		return r, nil
	}
	blob := p.w.commits[at].tree[policyPath].Blob
	if c != "" {
		r.Observing = p.observing[blob]
	}
	if channels, ok := p.announce[blob]; ok {
		r.Announce = channels
	}
	return r, nil
}

func (p *rules) isGone(branch string) bool {
	return strings.HasPrefix(branch, "release/") && p.branches[branch] == ""
}

func (p *rules) MayCommand(_ context.Context, _ change.Repository, branch string, verb command.Verb, by change.Account) (policy.Authority, error) {
	if err := p.read(); err != nil {
		return policy.Authority{}, err
	}
	if p.isGone(branch) {
		return policy.Authority{}, &github.NotFound{}
	}
	return policy.Authority{
		May:     verb == "explain" && !p.unknown && !p.untold && (by.ID == alice.ID || by.ID == bob.ID),
		Unknown: p.unknown || p.untold, Untold: p.untold, Role: "tech-lead", Who: change.Words("a tech lead"),
	}, nil
}

// rig is a Lander on a real store.
type rig struct {
	t *testing.T
	*hub
	store    *store.Store
	policies *rules
	*Lander
}

func newRig(t *testing.T) *rig {
	w := newWorld()
	k := &effecttest.Killer{}
	h := &hub{world: w, Killer: k, branches: map[string]change.SHA{}, reacted: map[int64]string{}}
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + storetest.File(t), Clock: func() time.Time { return w.now }})
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
	p := &rules{w: w, branches: h.branches, now: Rules{Governed: true, Announce: []string{"slack:#engineering"}}, observing: map[change.SHA]bool{}, announce: map[change.SHA][]string{}, read: h.read}
	return &rig{t: t, hub: h, store: s, policies: p, Lander: New(Config{
		Store: memory{effecttest.Store{Store: s, Killer: k}, h.read}, Session: func(change.InstallationID) GitHub { return h }, Policies: p, PolicyPath: policyPath,
		CheckName: "Change policy", Markdown: change.Text.String, Holder: "test", Clock: func() time.Time { return w.now },
	})}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) raise(e change.Errand, notes ...change.Note) {
	r.t.Helper()
	r.must(r.store.Write(r.t.Context(), func(tx store.Tx) error {
		return r.store.RaiseErrands(r.t.Context(), tx, []change.Raised{{Errand: e, Notes: notes}})
	}))
}

func onBranch(name string) change.Errand {
	return change.Errand{Kind: change.ErrandBranch, Repository: shop.ID, Name: name}
}

// told delivers the pushes to main since the last call and looks at it.
func (r *rig) told() queue.Result {
	r.t.Helper()
	var notes []change.Note
	for i, p := range r.pushes {
		notes = append(notes, change.NewNote(fmt.Sprint(p.After, i), p.At, p.BranchPush))
	}
	r.pushes = nil
	return r.branch(isMain, notes...)
}

func (r *rig) branch(name string, notes ...change.Note) queue.Result {
	r.t.Helper()
	r.raise(onBranch(name), notes...)
	result, err := r.Branch(r.t.Context(), onBranch(name))
	r.must(err)
	return result
}

// decide records a pull request's decision, as the reconciler does.
func (r *rig) decide(p *Merged) {
	r.t.Helper()
	key := change.PullKey{Repository: shop.ID, Number: p.Number}
	_, err := r.store.SavePull(r.t.Context(), key, p.Pull)
	r.must(err)
	r.must(r.store.SaveDecision(r.t.Context(), *p.Decision, "digest", store.Consequences{}, ledger.Draft{
		Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: int64(shop.ID), Number: int(p.Number), SHA: string(p.Head.SHA)}, Body: p.Decision,
	}))
}

// found returns the exceptions that were raised, in the order of the record.
func (r *rig) found() (list []exceptionBody) {
	r.t.Helper()
	for _, e := range r.entries(ledger.ExceptionFound) {
		var body exceptionBody
		r.must(jsonInto(e.Body, &body))
		list = append(list, body)
	}
	return list
}

func (r *rig) kinds() (kinds []change.ExceptionKind) {
	r.t.Helper()
	for _, e := range r.found() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (r *rig) entries(kind ledger.Kind) []ledger.Entry {
	r.t.Helper()
	all, err := r.store.Ledger(r.t.Context(), ledger.Page{Limit: 10_000})
	r.must(err)
	return slices.DeleteFunc(all, func(e ledger.Entry) bool { return e.Kind != kind })
}

func (r *rig) errands(kind change.ErrandKind) []store.ErrandWork {
	r.t.Helper()
	list, err := r.store.ErrandsOf(r.t.Context(), kind, shop.ID)
	r.must(err)
	return list
}
