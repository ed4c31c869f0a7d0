package deployment

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/github"
)

const ourApp change.AppID = 99

var (
	alice = change.Account{ID: 1, Login: "alice", Kind: change.KindUser}
	bob   = change.Account{ID: 2, Login: "bob", Kind: change.KindUser}
	carol = change.Account{ID: 3, Login: "carol", Kind: change.KindUser}
	bot   = change.Account{ID: 4, Login: "changegate[bot]", Kind: change.KindBot}
	ci    = change.Account{ID: 5, Login: actions, Kind: change.KindBot}
	epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) // a Monday
	shop  = change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 5}
)

func sha(parts ...any) change.SHA {
	return change.SHA(fmt.Sprintf("%x", sha1.Sum(fmt.Append(nil, parts...))))
}

// hub is GitHub with one repository.
type hub struct {
	*effecttest.Killer
	t           *testing.T
	now         time.Time
	commits     map[change.SHA][]change.SHA // parents, the first before the others
	order       map[change.SHA]int
	edits       map[change.SHA]map[string]change.SHA // by commit, the files that it changed
	branches    map[string]change.SHA
	pulls       map[change.Number]change.Pull
	brings      map[change.SHA][]change.Number // what GitHub associates with a commit
	deployments []change.Deployment
	production  []string // the environments that end users see
	statuses    []change.DeploymentStatus
	gates       []string
	runs        map[int64]github.WorkflowRun
	checks      map[change.SHA][]change.Check
	comments    []comment
	reacted     map[int64]string
	edited      int
	refuse      map[string]error // by call
	limited     bool
	botKnown    bool
	calls       []string
}

type comment struct {
	github.IssueComment
	issue change.Number
}

func (h *hub) call(name string) error {
	h.calls = append(h.calls, name)
	if h.limited {
		return &github.RateLimited{Until: h.now.Add(time.Hour)}
	}
	return h.refuse[name]
}

// write is a call that changes something.
func (h *hub) write(name string, f func()) error {
	if err := h.call(name); err != nil {
		return err
	}
	return h.Do(func() error { f(); return nil })
}

// session is one session: what it has read it need not read again.
type session struct {
	*hub
	mu   sync.Mutex
	held map[change.SHA]bool
}

// view is what a view is held by.
func view(v change.View) change.SHA { return sha("view", v) }

func (h *hub) Began() time.Time { return h.now }
func (h *hub) Now() time.Time   { return h.now }

// BotLogin is asked for once, and held.
func (h *hub) BotLogin(context.Context) (string, error) {
	if h.botKnown {
		return bot.Login, nil
	}
	h.botKnown = true
	return bot.Login, h.call("bot")
}

func (h *hub) commit(parents ...change.SHA) change.SHA {
	c := sha("commit", len(h.commits))
	h.commits[c], h.order[c] = parents, len(h.commits)
	if len(parents) < 2 { // of a merge it is what it merges
		h.edits[c] = map[string]change.SHA{fmt.Sprintf("file %d", h.order[c]): c}
	}
	return c
}

// files returns what a commit holds.
func (h *hub) files(of change.SHA) map[string]change.SHA {
	files := map[string]change.SHA{}
	for _, c := range slices.SortedFunc(maps.Keys(h.reach(of)), func(a, b change.SHA) int { return h.order[a] - h.order[b] }) {
		maps.Copy(files, h.edits[c])
	}
	return files
}

func (s *session) Seen(_ context.Context, _ change.Repository, v change.View, _ time.Time) (seen change.Seen, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held[view(v)] {
		if err := s.call("seen"); err != nil {
			return seen, err
		}
		s.held[view(v)] = true
	}
	seen.View = v
	in, of := s.reach(v.Base), s.reach(v.Head)
	for c := range of {
		if in[c] && (seen.MergeBase == "" || s.order[c] > s.order[seen.MergeBase]) {
			seen.MergeBase = c
		}
	}
	if seen.Gone = seen.MergeBase == ""; seen.Gone {
		return seen, nil
	}
	was, is := s.files(seen.MergeBase), s.files(v.Head)
	for path, blob := range is {
		if was[path] != blob {
			seen.Files = append(seen.Files, change.File{Path: path, Blob: blob})
		}
	}
	seen.Tree = sha("tree", is)
	return seen, nil
}

func (s *session) Tree(_ context.Context, _ change.Repository, c change.SHA, paths []string) (map[string]github.TreeEntry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call("tree"); err != nil {
		return nil, false, err
	}
	entries := map[string]github.TreeEntry{}
	for path, blob := range s.files(c) {
		if slices.Contains(paths, path) {
			entries[path] = github.TreeEntry{Blob: blob}
		}
	}
	return entries, true, nil
}

// reach returns the commits that are reachable from one.
func (h *hub) reach(from change.SHA) map[change.SHA]bool {
	seen := map[change.SHA]bool{}
	todo := []change.SHA{from}
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		if _, ok := h.commits[c]; !ok || seen[c] {
			continue
		}
		seen[c] = true
		todo = append(todo, h.commits[c]...)
	}
	return seen
}

func (h *hub) Tip(_ context.Context, _ change.Repository, branch string, _ time.Time) (change.SHA, error) {
	if err := h.call("tip"); err != nil {
		return "", err
	}
	tip, ok := h.branches[branch]
	if !ok {
		return "", &github.NotFound{Message: branch}
	}
	return tip, nil
}

func (h *hub) IsAncestor(_ context.Context, _ change.Repository, c, of change.SHA) (bool, error) {
	return h.reach(of)[c], h.call("ancestor")
}

func (h *hub) Range(_ context.Context, _ change.Repository, base, head change.SHA, _ time.Time) (github.Range, error) {
	if err := h.call("range"); err != nil {
		return github.Range{}, err
	}
	r := github.Range{Base: base, Head: head, Status: github.RangeDiverged}
	in, of := h.reach(base), h.reach(head)
	switch {
	case len(in) == 0 || len(of) == 0:
		return github.Range{}, &github.NotFound{Message: string(base)}
	case base == head:
		r.Status = github.RangeIdentical
	case of[base]:
		r.Status = github.RangeAhead
	case in[head]:
		r.Status = github.RangeBehind
	}
	for c := range of {
		if !in[c] {
			r.Commits = append(r.Commits, github.LandedCommit{SHA: c, Parents: h.commits[c], Author: carol, Title: fmt.Sprintf("commit %d", h.order[c])})
		}
	}
	slices.SortFunc(r.Commits, func(a, b github.LandedCommit) int { return h.order[a.SHA] - h.order[b.SHA] })
	return r, nil
}

func (s *session) CommitPulls(_ context.Context, _ change.Repository, c change.SHA, _ time.Time) (list []change.Pull, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held[c] {
		if err := s.call("pulls"); err != nil {
			return nil, err
		}
		s.held[c] = true
	}
	for _, n := range s.brings[c] {
		p := s.pulls[n]
		p.MergedBy = change.Account{}
		list = append(list, p)
	}
	return list, nil
}

func (h *hub) Checks(_ context.Context, _ change.Repository, c change.SHA, _ bool, _ time.Time) ([]change.Check, []github.CheckRun, error) {
	return h.checks[c], nil, h.call("checks")
}

func (h *hub) WorkflowRun(_ context.Context, _ change.Repository, id int64, _ time.Time) (github.WorkflowRun, error) {
	run, ok := h.runs[id]
	if !ok {
		return run, &github.NotFound{Message: "run"}
	}
	return run, h.call("run")
}

func (h *hub) Deployments(_ context.Context, _ change.Repository, f github.DeploymentFilter, _ time.Time) (list []change.Deployment, err error) {
	for _, d := range h.deployments {
		if d.At.Before(f.Since.Truncate(time.Second)) {
			continue
		}
		if d.By == bot {
			d.Via = ourApp
		}
		list = append(list, d)
	}
	return list, h.call("list deployments")
}

func (h *hub) DeploymentStatuses(_ context.Context, _ change.Repository, id int64, _ time.Time) (list []change.DeploymentStatus, err error) {
	for _, s := range h.statuses {
		if s.Deployment.ID != id {
			continue
		}
		s.Deployment = change.Deployment{ID: id, Environment: s.Deployment.Environment}
		if s.By == bot {
			s.Via = ourApp
		}
		list = append(list, s)
	}
	return list, h.call("list statuses")
}

func (h *hub) ParseCallback(callback string, _ change.Repository) (run int64, err error) {
	if _, err := fmt.Sscanf(callback, "https://api.github.example/runs/%d", &run); err != nil {
		return 0, &github.BadCallback{Why: "it is not on the configured GitHub"}
	}
	return run, nil
}

func (h *hub) CreateDeployment(_ context.Context, _ change.Repository, w github.DeploymentWrite) (d change.Deployment, err error) {
	err = h.write("create deployment", func() {
		for _, other := range h.deployments {
			if change.PayloadKey(other.Payload) == change.PayloadKey(w.Payload) {
				h.t.Errorf("%s is deployed to %s twice", w.SHA.Short(), w.Environment)
			}
		}
		d = change.Deployment{
			ID: int64(500 + len(h.deployments)), SHA: w.SHA, Ref: string(w.SHA), Task: w.Task, Environment: w.Environment, By: bot, Payload: w.Payload, At: h.now,
		}
		h.deployments = append(h.deployments, d)
		if w.Production {
			h.production = append(h.production, w.Environment)
		}
	})
	d.Via = ourApp
	return d, err
}

func (h *hub) FindDeployment(
	_ context.Context, _ change.Repository, c change.SHA, environment, key string, _ time.Time,
) (change.Deployment, bool, error) {
	for _, d := range h.deployments {
		if d.SHA == c && strings.EqualFold(d.Environment, environment) && change.PayloadKey(d.Payload) == key && d.By == bot {
			return d, true, h.call("find deployment")
		}
	}
	return change.Deployment{}, false, h.call("find deployment")
}

func (h *hub) CreateDeploymentStatus(
	_ context.Context, _ change.Repository, id int64, w github.DeploymentStatusWrite,
) (s change.DeploymentStatus, err error) {
	err = h.write("status", func() {
		i := slices.IndexFunc(h.deployments, func(d change.Deployment) bool { return d.ID == id })
		if i < 0 {
			h.t.Errorf("a status on deployment %d, which is not there", id)
			return
		}
		s = change.DeploymentStatus{ID: int64(7000 + len(h.statuses)), Deployment: h.deployments[i], State: w.State, By: bot, LogURL: w.LogURL, At: h.now}
		if last := h.last(id); last == w.State {
			h.t.Errorf("%s is posted on deployment %d twice", w.State, id)
		}
		h.statuses = append(h.statuses, s)
	})
	return s, err
}

// last returns the last status of a deployment.
func (h *hub) last(id int64) (state change.DeploymentState) {
	for _, s := range h.statuses {
		if s.Deployment.ID == id {
			state = s.State
		}
	}
	return state
}

func (h *hub) FindDeploymentStatus(
	_ context.Context, _ change.Repository, id int64, _ time.Time, wanted func(change.DeploymentStatus) bool,
) (change.DeploymentStatus, bool, error) {
	for _, s := range h.statuses {
		if s.Deployment.ID == id && s.By == bot && wanted(s) {
			return s, true, h.call("find status")
		}
	}
	return change.DeploymentStatus{}, false, h.call("find status")
}

func (h *hub) ReviewGate(_ context.Context, _ change.Repository, callback, environment string, state github.GateState, says string) error {
	if slices.ContainsFunc(h.gates, func(g string) bool {
		return strings.HasPrefix(g, callback+" approved") || strings.HasPrefix(g, callback+" rejected")
	}) {
		return errors.Join(h.call("gate"), &github.GateClosed{Err: &github.Rejected{Status: 422}})
	}
	return h.write("gate", func() { h.gates = append(h.gates, fmt.Sprintf("%s %s %s: %s", callback, state, environment, says)) })
}

func (h *hub) IssueComment(_ context.Context, _ change.Repository, id int64, _ time.Time) (github.IssueComment, error) {
	for _, c := range h.comments {
		if c.ID == id {
			return c.IssueComment, h.call("comment")
		}
	}
	return github.IssueComment{}, errors.Join(h.call("comment"), &github.NotFound{Message: "comment"})
}

func (h *hub) Comment(_ context.Context, _ change.Repository, n change.Number, markdown string) (id int64, err error) {
	err = h.write("say", func() {
		_, marker, _ := strings.Cut(markdown, "<!-- changegate ")
		for _, c := range h.comments {
			if c.issue == n && strings.HasSuffix(c.Body, marker) && c.Via == ourApp {
				h.t.Errorf("said twice on #%d: %s", n, markdown)
			}
		}
		id = int64(1000 + len(h.comments))
		h.comments = append(h.comments, comment{github.IssueComment{ID: id, By: bot, Via: ourApp, Body: markdown}, n})
	})
	return id, err
}

func (h *hub) EditComment(_ context.Context, _ change.Repository, id int64, markdown string) error {
	return h.write("edit", func() {
		i := slices.IndexFunc(h.comments, func(c comment) bool { return c.ID == id })
		if i < 0 {
			h.t.Errorf("comment %d is not there to be edited", id)
			return
		}
		h.comments[i].Body = markdown
		h.edited++
	})
}

func (h *hub) FindComment(_ context.Context, _ change.Repository, n change.Number, marker string, _ time.Time) (int64, bool, error) {
	for _, c := range h.comments {
		if c.issue == n && c.Via == ourApp && strings.Contains(c.Body, marker) {
			return c.ID, true, h.call("find comment")
		}
	}
	return 0, false, h.call("find comment")
}

func (h *hub) React(_ context.Context, _ change.Repository, id int64, content string) error {
	return h.write("react", func() { h.reacted[id] = content })
}

// said returns what we said on a pull request.
func (h *hub) said(n change.Number) (bodies []string) {
	for _, c := range h.comments {
		if c.issue == n && c.Via == ourApp {
			bodies = append(bodies, c.Body)
		}
	}
	return bodies
}

// sticky returns the comments on a pull request that say how its deployments stand.
func (h *hub) sticky(n change.Number) (bodies []string) {
	return slices.DeleteFunc(h.said(n), func(b string) bool { return !strings.Contains(b, "**Deployments**") })
}
