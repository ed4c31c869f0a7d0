package emergency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

// database is the store, with the pull request as the test has it.
type database struct {
	effecttest.Store
	world *world
}

func (d *database) Begin(context.Context, change.PullKey) (store.Work, error) {
	f := d.world.f
	w := store.Work{Repository: f.Repository, Pushes: f.Pushes}
	w.Key, w.Snapshot, w.Decision = change.PullKey{Repository: f.Repository.ID, Number: f.Pull.Number}, f.Pull, f.Decision
	w.Gone = d.world.gone
	return w, nil
}

// hub is a GitHub with issues of one repository.
type hub struct {
	*effecttest.Killer
	world    *world
	issues   []*github.Issue
	comments []comment
	// reactions are those to comments, in order.
	reactions []string
	refused   error // what opening an issue fails with
	hidden    bool  // the repository is not shown any more
}

type comment struct {
	github.IssueComment
	on change.Number
}

func (h *hub) Began() time.Time { return h.world.f.Now }
func (h *hub) Now() time.Time   { return h.world.f.Now }

func (h *hub) find(n change.Number) (*github.Issue, error) {
	for _, i := range h.issues {
		if i.Number == n && !h.hidden {
			return i, nil
		}
	}
	return nil, &github.NotFound{Message: "Not Found"}
}

func (h *hub) Pull(context.Context, change.Repository, change.Number, time.Time) (change.Pull, error) {
	if h.hidden {
		return change.Pull{}, &github.NotFound{Message: "Not Found"}
	}
	return h.world.f.Pull, nil
}

func (h *hub) Issue(_ context.Context, _ change.Repository, n change.Number, _ time.Time) (github.Issue, error) {
	i, err := h.find(n)
	if err != nil {
		return github.Issue{}, err
	}
	return *i, nil
}

func (h *hub) Comments(_ context.Context, _ change.Repository, n change.Number, _ time.Time) (list []github.IssueComment, err error) {
	for _, c := range h.comments {
		if c.on == n {
			list = append(list, c.IssueComment)
		}
	}
	return list, nil
}

func (h *hub) CreateIssue(_ context.Context, _ change.Repository, w github.IssueWrite) (made github.Issue, err error) {
	err = h.Do(func() error {
		if h.refused != nil {
			return h.refused
		}
		made = github.Issue{Number: change.Number(101 + len(h.issues)), Title: w.Title, Body: w.Body, State: github.IssueOpen, CreatedAt: h.Now()}
		made.URL = fmt.Sprintf("https://github.example/acme/shop/issues/%d", made.Number)
		h.assign(&made, w.Assignees)
		kept := made
		h.issues = append(h.issues, &kept)
		return nil
	})
	return made, err
}

func (h *hub) assign(i *github.Issue, logins []string) {
	for _, login := range logins {
		if a := (change.Account{Login: login}); !slices.Contains(i.Assignees, a) {
			i.Assignees = append(i.Assignees, a)
		}
	}
}

func (h *hub) EditIssue(_ context.Context, _ change.Repository, n change.Number, e github.IssueEdit) (edited github.Issue, err error) {
	err = h.Do(func() error {
		i, err := h.find(n)
		if err != nil {
			return err
		}
		i.State, i.StateReason = e.State, e.StateReason
		h.assign(i, e.AddAssignees)
		edited = *i
		return nil
	})
	return edited, err
}

func (h *hub) FindIssue(_ context.Context, _ change.Repository, marker string, since time.Time) (github.Issue, bool, error) {
	for _, i := range h.issues {
		if strings.Contains(i.Body, marker) && !i.CreatedAt.Before(since) {
			return *i, true, nil
		}
	}
	return github.Issue{}, false, nil
}

func (h *hub) Comment(_ context.Context, _ change.Repository, n change.Number, markdown string) (id int64, err error) {
	err = h.Do(func() error {
		if _, err := h.find(n); err != nil {
			return err
		}
		id = h.say(n, change.Account{ID: 99, Login: "changegate[bot]", Kind: change.KindBot}, markdown)
		return nil
	})
	return id, err
}

func (h *hub) say(n change.Number, by change.Account, body string) int64 {
	c := comment{on: n}
	c.ID, c.By, c.Body, c.At = int64(len(h.comments)+1), by, body, h.Now()
	h.comments = append(h.comments, c)
	return c.ID
}

func (h *hub) React(_ context.Context, _ change.Repository, comment int64, reaction string) error {
	return h.Do(func() error {
		h.reactions = append(h.reactions, fmt.Sprintf("%s on %d", reaction, comment))
		return nil
	})
}

func (h *hub) FindComment(_ context.Context, _ change.Repository, n change.Number, marker string, since time.Time) (int64, bool, error) {
	for _, c := range h.comments {
		if c.on == n && strings.Contains(c.Body, marker) && !c.At.Before(since) {
			return c.ID, true, nil
		}
	}
	return 0, false, nil
}

// service is a Keeper with all around it.
type service struct {
	*world
	*effecttest.Killer
	hub     *hub
	store   *store.Store
	keeper  *Keeper
	errand  change.Errand
	crashes int
}

const policyText = `version: 1
roles: {on-call: {permission: admin}, reviewer: {permission: write}}
emergency: {declared_by: on-call, announce: ["slack:#engineering"]}
`

func newService(t *testing.T) *service {
	return newServiceOn(t, filepath.Join(t.TempDir(), "test.db"))
}

// newServiceOn returns a service on a database file, which is made if it is not there.
func newServiceOn(t *testing.T, file string) *service {
	t.Helper()
	p, err := policy.Parse("test", []byte(policyText))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{world: newWorld(), Killer: &effecttest.Killer{}, errand: change.Errand{Kind: change.ErrandRetrospective, Repository: 7, Name: "12"}}
	s.f.Pull.Body = "## Impact\nHalf of the orders.\n\n## Risk\nLow.\n\n## Rollback plan\nRevert.\n\n## Justification\nShop is down."
	s.f.Terms = Terms{}
	s.hub = &hub{Killer: s.Killer, world: s.world}
	clock := func() time.Time { return s.f.Now }
	s.store, err = store.Open(t.Context(), store.Config{URL: "sqlite:" + file, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	if err := s.store.SaveRepository(t.Context(), s.f.Repository); err != nil {
		t.Fatal(err)
	}
	raised := []change.Raised{{Errand: s.errand}}
	if err := s.store.Write(t.Context(), func(tx store.Tx) error { return s.store.RaiseErrands(t.Context(), tx, raised) }); err != nil {
		t.Fatal(err)
	}
	s.keeper = New(Config{
		Store: &database{effecttest.Store{Store: s.store, Killer: s.Killer}, s.world}, Session: func(change.InstallationID) GitHub { return s.hub }, Clock: clock, Holder: "test",
		Policy: func(context.Context, change.Repository, string) (*policy.Policy, error) { return p, nil },
	})
	return s
}

// run runs the errand as the queue does: again after each failure.
func (s *service) run(t *testing.T) queue.Result {
	t.Helper()
	for range 3 {
		result, err := s.keeper.Run(t.Context(), s.errand)
		if err == nil {
			return result
		}
		if !errors.Is(err, effecttest.ErrKilled) {
			t.Fatal(err)
		}
		s.crashes++
		*s.Killer = effecttest.Killer{}
	}
	t.Fatal("the run goes on failing")
	return queue.Result{}
}

func (s *service) memory(t *testing.T) (m Memory) {
	t.Helper()
	w, err := s.store.BeginErrand(t.Context(), s.errand)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(w.State, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// outcome is all that people and auditors see of an emergency, as lines.
func (s *service) outcome(t *testing.T) (lines []string) {
	t.Helper()
	for _, i := range s.hub.issues {
		lines = append(lines, fmt.Sprintf("issue %d %s %s of %v", i.Number, i.State, i.StateReason, i.Assignees))
	}
	for _, c := range s.hub.comments {
		lines = append(lines, fmt.Sprintf("comment by %s on %d: %s", c.By.Login, c.on, c.Body))
	}
	thread := change.Errand{Kind: change.ErrandAnnouncement, Repository: 7, Name: "pull/12"}
	notes, err := s.store.BeginErrand(t.Context(), thread)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes.Notes {
		var a change.Announcement
		if err := json.Unmarshal(n.Body, &a); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("announced %s: %s", a.Key, a.Text))
	}
	slices.Sort(lines) // notes of one moment have no order of their own
	debts, err := s.store.Debts(t.Context(), s.f.Repository.Installation, []change.AccountID{carol.ID, dave.ID})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range debts {
		lines = append(lines, fmt.Sprintf("%s debt of %d, settled %s", d.Kind, d.Owner, d.Settled.Format(time.RFC3339)))
	}
	entries, err := s.store.Ledger(t.Context(), ledger.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind != ledger.EffectIntended && e.Kind != ledger.EffectDone {
			lines = append(lines, "recorded "+string(e.Kind))
		}
	}
	return lines
}

// close closes the newest issue as a person does.
func (s *service) close() {
	i := s.hub.issues[len(s.hub.issues)-1]
	i.State, i.StateReason, i.ClosedAt, i.ClosedBy = github.IssueClosed, "completed", s.f.Now, dave
}

// stories are lives of emergencies, a run after each act.
func stories() map[string][]func(s *service) {
	does := func(acts ...act) func(*service) {
		return func(s *service) {
			for _, a := range acts {
				a(s.world)
			}
		}
	}
	fill := func(s *service) { s.hub.say(s.hub.issues[0].Number, carol, written) }
	return map[string][]func(s *service){
		"merged, reopened, late and written": {
			does(at(0), declare(carol)), does(at(1), merge), does(at(2), review), (*service).close, does(at(20)), does(at(24)),
			func(s *service) { at(25)(s.world); fill(s); s.close() },
		},
		"withdrawn and declared again": {does(at(0), declare(carol)), does(at(1), unlabel), does(at(2), declare(dave)), fill, (*service).close},
		"deleted and refused": {
			does(at(0), declare(carol)),
			func(s *service) {
				at(1)(s.world)
				s.hub.issues[0].Number = -1
				s.hub.refused = &github.Rejected{Status: 410, Message: "Issues are disabled"}
			},
			func(s *service) { at(26)(s.world); s.hub.refused = nil },
		},
	}
}

// emptyDatabase returns a database's file: making its tables takes longer than all that a test does with it.
func emptyDatabase(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "empty.db")
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A process that is killed at any write, before or after it took effect, leaves one issue, one comment, one announcement and one entry of each.
func TestKilledAtEachStep(t *testing.T) {
	empty := emptyDatabase(t)
	for name, story := range stories() {
		t.Run(name, func(t *testing.T) {
			play := func(k effecttest.Killer) (*service, []string) {
				file := filepath.Join(t.TempDir(), "test.db")
				if err := os.WriteFile(file, empty, 0o600); err != nil {
					t.Fatal(err)
				}
				s := newServiceOn(t, file)
				*s.Killer = k
				for _, act := range story {
					act(s)
					s.run(t)
				}
				return s, s.outcome(t)
			}
			whole, want := play(effecttest.Killer{})
			if whole.Steps < 6 {
				t.Fatalf("%d writes: %q", whole.Steps, want)
			}
			for n := 1; n <= whole.Steps; n++ {
				for _, after := range []bool{false, true} {
					s, got := play(effecttest.Killer{At: n, After: after})
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("killed at write %d, done %t:\n%s", n, after, diff)
					}
					if s.crashes != 1 {
						t.Errorf("killed %d times at write %d", s.crashes, n)
					}
				}
			}
		})
	}
}

func TestRun(t *testing.T) {
	s := newService(t)
	if got := s.run(t); got != (queue.Result{}) {
		t.Errorf("without an emergency the run ends with %+v", got)
	}
	at(0)(s.world)
	declare(carol)(s.world)
	if got := s.run(t); !got.RecheckAt.Equal(start.Add(20 * time.Hour)) {
		t.Errorf("looked at again at %s", got.RecheckAt)
	}
	issue := s.hub.issues[0]
	if !strings.HasPrefix(issue.Body, github.Marker("retrospective:7#12:open:1")+"\n") || issue.Assignees[0].Login != "carol" {
		t.Errorf("opened as %+v", issue)
	}
	work, err := s.store.BeginErrand(t.Context(), s.errand)
	if err != nil || work.Issue != issue.Number {
		t.Errorf("the errand's issue is %d: %v", work.Issue, err)
	}
	if m := s.memory(t); m.Terms.Justification != "Shop is down." || m.Terms.Label != "EMERGENCY" || len(m.Terms.Channels) != 1 {
		t.Errorf("the policy says %+v", m.Terms)
	}
	at(20)(s.world)
	if got := s.run(t); !got.RecheckAt.Equal(start.Add(24 * time.Hour)) {
		t.Errorf("looked at again at %s", got.RecheckAt)
	}
	at(21)(s.world)
	issue.Body = written
	s.close()
	if got := s.run(t); !got.RecheckAt.IsZero() {
		t.Errorf("looked at again at %s", got.RecheckAt)
	}
	before := s.Steps
	if s.run(t); s.Steps != before {
		t.Error("something is written once all is done")
	}
}

// What our own comments and other programs say fills in nothing.
func TestWhoWrites(t *testing.T) {
	for _, r := range []struct {
		by      change.Account
		settles bool
	}{
		{bob, true},
		{change.Account{ID: 99, Login: "helper[bot]", Kind: change.KindBot}, false},
		{change.Account{}, false}, // a deleted account
	} {
		s := newService(t)
		at(0)(s.world)
		declare(carol)(s.world)
		s.run(t)
		s.hub.say(101, r.by, written)
		s.close()
		s.run(t)
		if m := s.memory(t); m.Settled.IsZero() == r.settles {
			t.Errorf("written by %q: settled is %t", r.by.Login, !m.Settled.IsZero())
		}
	}
}

// TestCommandIsAnswered: a retrospective takes no command, and says so to whoever gives one, once.
func TestCommandIsAnswered(t *testing.T) {
	for body, want := range map[string]string{
		`/change explain "why it happened"`: "A retrospective takes no commands: fill in its sections, ",
		"/change explain":                   "Explain needs a reason",
	} {
		s := newService(t)
		at(0)(s.world)
		declare(carol)(s.world)
		s.run(t)
		id := s.hub.say(101, carol, body)
		given := change.Delivery{
			ID: "d1", Event: "issue_comment", ReceivedAt: s.f.Now, Repository: s.f.Repository, Issue: 101,
			Command: &change.Command{Comment: id, Pull: change.PullKey{Repository: 7, Number: 101}, By: carol, Body: body, At: s.f.Now},
		}
		err := s.store.Write(t.Context(), func(tx store.Tx) error {
			_, err := s.store.Accept(t.Context(), tx, []change.Delivery{given})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.run(t)
		s.run(t)
		if diff := cmp.Diff([]string{fmt.Sprintf("confused on %d", id)}, s.hub.reactions); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
		if said := s.hub.comments[1:]; len(said) != 1 || !strings.Contains(strings.ReplaceAll(said[0].Body, "`explain`", "Explain"), want) {
			t.Errorf("%s: answered %v, want %q", body, said, want)
		}
	}
}

func TestTroubles(t *testing.T) {
	begun := func(t *testing.T) *service {
		s := newService(t)
		at(0)(s.world)
		declare(carol)(s.world)
		return s
	}
	t.Run("GitHub is down: it is announced and owed all the same", func(t *testing.T) {
		s := begun(t)
		s.hub.refused = &github.Unavailable{Status: 502}
		if _, err := s.keeper.Run(t.Context(), s.errand); err == nil {
			t.Error("no error")
		}
		want := []string{
			"announced emergency:7#12:declared: EMERGENCY declared by carol for #12 “Stop the leak” in acme/shop: Shop is down.",
			"retrospective debt of 3, settled 0001-01-01T00:00:00Z",
		}
		if diff := cmp.Diff(want, s.outcome(t)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a rate limit is waited for", func(t *testing.T) {
		s := begun(t)
		s.hub.refused = &github.RateLimited{Until: start.Add(time.Minute)}
		if got := s.run(t); !got.RetryAt.Equal(start.Add(time.Minute)) {
			t.Errorf("tried again at %s", got.RetryAt)
		}
	})
	t.Run("another is at work", func(t *testing.T) {
		s := begun(t)
		if _, err := s.store.Acquire(t.Context(), store.ErrandLease(s.errand), "another", time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := s.run(t); !got.RetryAt.Equal(start.Add(errand.HeldElsewhere)) || len(s.hub.issues) != 0 {
			t.Errorf("tried again at %s", got.RetryAt)
		}
	})
	t.Run("the repository is hidden: the issue is not lost", func(t *testing.T) {
		s := begun(t)
		s.run(t)
		s.hub.hidden = true
		if got := s.run(t); got.RetryAt.IsZero() || s.memory(t).Issue != 101 {
			t.Errorf("ended with %+v", got)
		}
	})
	t.Run("the issue is not found once: it is not lost", func(t *testing.T) {
		s := begun(t)
		s.run(t)
		there := s.hub.issues
		s.hub.issues = nil
		if got := s.run(t); !got.RecheckAt.Equal(s.f.Now.Add(change.MissedFor)) {
			t.Errorf("looked for again %s", got.RecheckAt)
		}
		s.hub.issues = there
		later(s.world)
		s.run(t)
		if m := s.memory(t); m.Issue != 101 || !m.Missed.IsZero() || len(s.hub.issues) != 1 {
			t.Errorf("remembered %+v, %d issues", m, len(s.hub.issues))
		}
	})
	t.Run("the repository is gone", func(t *testing.T) {
		s := begun(t)
		s.world.gone = true
		if got := s.run(t); got != (queue.Result{}) || s.Steps != 0 {
			t.Errorf("ended with %+v", got)
		}
	})
	t.Run("the pull request is gone, and its retrospective is owed", func(t *testing.T) {
		s := begun(t)
		s.run(t)
		s.world.gone, s.hub.hidden = true, true
		s.f.Now = start.Add(25 * time.Hour)
		steps := s.Steps
		if got := s.run(t); !got.RecheckAt.Equal(s.f.Now.Add(lookForGone)) || s.Steps != steps {
			t.Errorf("ended with %+v", got)
		}
		s.world.gone, s.hub.hidden = false, false
		if s.run(t); !s.memory(t).Overdue {
			t.Error("when it is back, it is not overdue")
		}
	})
	t.Run("the policy cannot be read: nothing is announced halfway", func(t *testing.T) {
		s := begun(t)
		s.keeper.Policy = func(context.Context, change.Repository, string) (*policy.Policy, error) {
			return nil, effecttest.ErrKilled
		}
		if _, err := s.keeper.Run(t.Context(), s.errand); !errors.Is(err, effecttest.ErrKilled) || s.Steps != 0 {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("no emergency's errand", func(t *testing.T) {
		s := newService(t)
		if _, err := s.keeper.Run(t.Context(), change.Errand{Kind: change.ErrandRetrospective, Repository: 7, Name: "x"}); err == nil {
			t.Error("no error")
		}
	})
}
