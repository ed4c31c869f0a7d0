package release

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// scene is a repository with a linear history of pull requests, the n-th of which became commit sha(n), and a GitHub that does as it is asked.
type scene struct {
	*testing.T
	rules   Rules
	state   State
	now     time.Time
	changes []Change
	checks  map[change.SHA][]change.Check
	holders map[change.AccountID]Holder
	unread  bool // GitHub does not say whether commits are on a governed branch
	github  int64
	status  int64
	comment int64
	out     Outcome // of the last turn
	all     Outcome // entries, exceptions, prompts and effects of all turns
}

func sha(n int) change.SHA { return change.SHA(strings.Repeat(fmt.Sprint(n), 10)) }

func person(id change.AccountID, login string) change.Account {
	return change.Account{ID: id, Login: login, Kind: change.KindUser}
}

var (
	alice  = person(10, "alice") // contributes to all
	bob    = person(11, "bob")
	carol  = person(12, "carol")
	merger = person(14, "merle")
)

// play begins a scene on a Monday at ten, with staging and production, and as many changes as categories are given.
func play(t *testing.T, mode Mode, categories ...change.Category) *scene {
	s := &scene{
		T: t, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), checks: map[change.SHA][]change.Check{}, holders: map[change.AccountID]Holder{},
		rules: Rules{
			Mode: mode,
			Environments: []Environment{
				{Name: "staging", Timeout: 2 * time.Hour, Grace: 2 * time.Hour},
				{Name: "production", After: []string{"staging"}, Watched: true, RollBack: mode == Create, Timeout: 2 * time.Hour, Grace: 2 * time.Hour},
			},
			Ships: map[change.Category]Shipping{
				change.Standard: {Monitor: 30 * time.Minute}, change.Normal: {Monitor: 30 * time.Minute}, change.HighRisk: {ByHand: true, Monitor: 2 * time.Hour, High: true},
			},
		},
	}
	for i, c := range categories {
		s.changes = append(s.changes, Change{Number: change.Number(i + 1), Commit: sha(i + 1), Category: c, Underlying: change.Normal, Green: true, Contributors: []change.AccountID{alice.ID}})
	}
	return s
}

func (s *scene) env(name string) *Environment {
	e, ok := s.rules.Find(name)
	if !ok {
		s.Fatalf("no environment %s", name)
	}
	return e
}

// turn takes a turn, and has what it asks for done.
func (s *scene) turn(tells ...func(*Turn)) *scene {
	s.Helper()
	s.look(tells...)
	for _, e := range s.out.Effects {
		switch e.Kind {
		case CreateDeployment:
			s.github++
			s.state.Created(e.Deployment, s.github)
		case PostStatus:
			s.github++
			s.state.Posted(e.Deployment, change.DeploymentStatus{ID: s.github, State: e.State, At: s.now})
		case AnswerRule:
			s.state.Told(e.Deployment, e.Ask, e.Answer, e.Says.String())
		}
	}
	if len(s.out.Effects) > 0 {
		last := s.out
		s.turn()
		s.out.Replies, s.out.Exceptions, s.out.Prompts = last.Replies, last.Exceptions, last.Prompts
	}
	return s
}

// look takes a turn, of which nothing is done.
func (s *scene) look(tells ...func(*Turn)) {
	s.Helper()
	f := Facts{Commits: map[change.SHA]Commit{}, Batches: map[Span]Batch{}, Checks: map[change.SHA][]change.Check{}, Holders: s.holders}
	number := func(c change.SHA) int {
		return slices.IndexFunc(s.changes, func(o Change) bool { return o.Commit == c })
	}
	for range 20 {
		t := Take(s.state, s.rules, f, s.now, ourApp)
		for _, tell := range tells {
			tell(t)
		}
		s.out = t.End()
		n := s.out.Needs
		if n.IsEmpty() {
			s.state = s.out.State
			s.all.Effects = append(s.all.Effects, s.out.Effects...)
			s.all.Entries = append(s.all.Entries, s.out.Entries...)
			s.all.Exceptions = append(s.all.Exceptions, s.out.Exceptions...)
			s.all.Prompts = append(s.all.Prompts, s.out.Prompts...)
			return
		}
		for _, c := range n.Commits {
			i := number(c)
			f.Commits[c] = Commit{Known: i >= 0 && !s.unread, Unread: s.unread, Number: change.Number(i + 1)}
		}
		for _, span := range n.Batches {
			from, to := number(span.From), number(span.To)
			switch {
			case to < 0 || span.From != "" && from < 0:
				f.Batches[span] = Batch{Cut: true}
			case to <= from:
				f.Batches[span] = Batch{Contained: true}
			default:
				f.Batches[span] = Batch{Changes: s.changes[from+1 : to+1]}
			}
		}
		for _, c := range n.Checks {
			f.Checks[c] = s.checks[c]
		}
		for _, a := range n.Holders {
			s.Fatalf("%s holds nothing", a.Login)
		}
	}
	s.Fatal("it needs ever more")
}

func (s *scene) land(n int) *scene {
	s.Helper()
	return s.turn(func(t *Turn) {
		t.Landed(change.Landed{Number: change.Number(n), Commit: sha(n), By: merger, At: s.now})
	})
}

// at returns the newest deployment of a commit in an environment.
func (s *scene) at(env string, n int) *Deployment {
	s.Helper()
	if tr := s.state.Tracks[env]; tr != nil {
		if d := tr.newest(func(d *Deployment) bool { return d.Commit == sha(n) }); d != nil {
			return d
		}
	}
	s.Fatalf("%d was never in %s", n, env)
	return nil
}

func (s *scene) has(env string, n int) bool {
	tr := s.state.Tracks[env]
	return tr != nil && tr.newest(func(d *Deployment) bool { return d.Commit == sha(n) }) != nil
}

// is holds a deployment to a phase.
func (s *scene) is(env string, n int, want Phase) *scene {
	s.Helper()
	if d := s.at(env, n); d.Phase != want {
		s.Fatalf("%d is %s in %s (%s%s), want %s", n, d.Phase, env, d.Waits.For, d.Why, want)
	}
	return s
}

// waits holds what a deployment waits for to some words.
func (s *scene) waits(env string, n int, words string) *scene {
	s.Helper()
	s.is(env, n, Waiting)
	if got := s.at(env, n).Waits.For.String(); !strings.Contains(got, words) {
		s.Fatalf("%d waits in %s for %q, want %q", n, env, got, words)
	}
	return s
}

// report posts a status on the deployment on GitHub.
func (s *scene) report(env string, n int, state change.DeploymentState) *scene {
	s.Helper()
	d := s.at(env, n)
	return s.turn(s.statusOf(change.Deployment{ID: d.GitHub, SHA: d.Commit, Environment: env, By: actions}, state, actions))
}

func (s *scene) statusOf(g change.Deployment, state change.DeploymentState, by change.Account) func(*Turn) {
	s.status++
	st := change.DeploymentStatus{ID: s.status, Deployment: g, State: state, By: by, At: s.now.Add(time.Duration(s.status) * time.Millisecond)}
	return func(t *Turn) { t.Status(st) }
}

func (s *scene) succeed(env string, n int) *scene {
	s.Helper()
	s.is(env, n, Deploying)
	return s.report(env, n, change.DeploymentSuccess)
}

// later lets time pass.
func (s *scene) later(d time.Duration) *scene {
	s.Helper()
	s.now = s.now.Add(d)
	return s.turn()
}

// say gives a command on a pull request, and returns the answer.
func (s *scene) say(by change.Account, n int, verb command.Verb, env string, more ...func(*Order)) Reply {
	s.Helper()
	s.comment++
	o := Order{Command: change.Command{Comment: s.comment, By: by, At: s.now, Pull: change.PullKey{Number: change.Number(n)}}, Verb: verb, Environment: env, May: true, Reason: "because"}
	for _, m := range more {
		m(&o)
	}
	if verb == command.Accept {
		s.holders[by.ID] = Holder{Roles: o.Holds}
	}
	s.turn(func(t *Turn) { t.Order(o) })
	if len(s.out.Replies) != 1 {
		s.Fatalf("%d replies to %s", len(s.out.Replies), verb)
	}
	return s.out.Replies[0]
}

// does gives a command that is carried out, refused one that is refused with some words.
func (s *scene) does(by change.Account, n int, verb command.Verb, env string, more ...func(*Order)) *scene {
	s.Helper()
	if r := s.say(by, n, verb, env, more...); !r.Done {
		s.Fatalf("%s %s on #%d: %s", verb, env, n, r.Says)
	}
	return s
}

func (s *scene) refused(words string, by change.Account, n int, verb command.Verb, env string, more ...func(*Order)) *scene {
	s.Helper()
	if r := s.say(by, n, verb, env, more...); r.Done || !strings.Contains(r.Says.String(), words) {
		s.Fatalf("%s %s on #%d: done %t, %q, want %q", verb, env, n, r.Done, r.Says, words)
	}
	return s
}

// verify brings a change through an environment.
func (s *scene) verify(env string, n int) *scene {
	s.Helper()
	s.succeed(env, n)
	if s.at(env, n).Phase == Watching {
		s.later(s.at(env, n).Monitor)
		s.does(bob, n, "verified", env)
	}
	return s.is(env, n, Verified)
}

// gate has a job ask by itself.
func (s *scene) gate(key, env string, n int, run int64) Answer {
	s.Helper()
	s.turn(func(t *Turn) {
		t.Gate(change.GateAsked{Key: key, Environment: env, SHA: sha(n), Run: run, Attempt: 1, By: carol, At: s.now})
	})
	a, says, ok := s.state.Answer(key)
	if !ok || says.IsEmpty() {
		s.Fatalf("no answer to %s", key)
	}
	return a
}

func (s *scene) found(kind change.ExceptionKind, times int) *scene {
	s.Helper()
	n := 0
	for _, e := range s.all.Exceptions {
		if e.Kind == kind {
			n++
		}
	}
	if n != times {
		s.Fatalf("%d of %q, want %d", n, kind, times)
	}
	return s
}

// evidence holds the entries of a step to one, by somebody in their words.
func (s *scene) evidence(step, env string, by change.Account, says string) *scene {
	s.Helper()
	var found []Entry
	for _, e := range s.all.Entries {
		if e.Step == step {
			found = append(found, e)
		}
	}
	if len(found) != 1 || found[0].Environment != env || found[0].By != by || found[0].Says != says || found[0].Deployment.ID == "" {
		s.Fatalf("%q: %+v", step, found)
	}
	return s
}

func holding(roles ...string) func(*Order) { return func(o *Order) { o.Holds = roles } }
