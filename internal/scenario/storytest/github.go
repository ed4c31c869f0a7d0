package storytest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// deeds are what happens on GitHub, or to it, by nobody's hand. The arguments of each follow it in its comment.
func deeds() map[string]func(*scene) error {
	return map[string]func(*scene) error{
		"fails":        (*scene).fails,     // ROUTE STATUS [TIMES] [HEADER:VALUE…], ROUTE as in 'POST /repos/{owner}/{repo}/check-runs', or any
		"cuts":         (*scene).cuts,      // ROUTE [TIMES]: the connection, before the call is acted on
		"loses-answer": (*scene).losesSome, // ROUTE [TIMES]: the connection, after the call was acted on
		"acts-late":    (*scene).actsLate,  // ROUTE: the connection, and the call is acted on some seconds after everybody has looked for it
		"lags":         (*scene).lags,      // ROUTE: a read of it is answered as it is answered first from now on
		// ROUTE N OUTCOME WHO VERB…: before it acts on the next such call WHO does VERB, and our check on N shows OUTCOME because of it
		"dawdles":          (*scene).dawdles,
		"heals":            (*scene).heals,
		"posts":            (*scene).posts,            // NAME OUTCOME N [app:SLUG] [workflow:PATH]: a check run
		"posts-on":         (*scene).postsOn,          // HEAD NAME OUTCOME: a check run on a head that was remembered
		"loses":            fate(githubsim.Lose),      // [deliveries|EVENT]: all deliveries, or those of one event
		"doubles":          fate(githubsim.Duplicate), // the same
		"holds":            fate(githubsim.Hold),      // the same
		"delivers":         fate(githubsim.Deliver),   // the same, as ever
		"releases":         (*scene).releases,         // [backwards]: what was held
		"redelivers":       (*scene).redelivers,       // EVENT: every delivery of that event so far
		"deletes-account":  (*scene).deletesAccount,   // LOGIN
		"renames-account":  (*scene).renamesAccount,   // LOGIN TO
		"deletes-repo":     (*scene).deletesRepo,      // REPO
		"renames-repo":     (*scene).renamesRepo,      // REPO TO
		"archives":         (*scene).archives,         // REPO
		"unarchives":       (*scene).unarchives,       // REPO
		"makes-repo":       (*scene).makesRepo,        // OWNER/NAME [empty]
		"makes-app":        (*scene).makesApp,         // SLUG: one that may post checks
		"installs":         (*scene).installs,         // OWNER: our App
		"adds":             (*scene).adds,             // NAME: a repository, to our installation on acme
		"removes":          (*scene).removes,          // NAME
		"makes-team":       (*scene).makesTeam,        // SLUG LOGIN…
		"drops-team":       (*scene).dropsTeam,        // SLUG
		"shares":           (*scene).shares,           // SLUG ROLE: the repository with a team; none takes it away
		"joins":            (*scene).joins,            // LOGIN SLUG
		"leaves":           (*scene).leaves,           // LOGIN SLUG
		"permits":          (*scene).permits,          // LOGIN ROLE
		"takes-permission": (*scene).takesPermission,  // NAME: from our App
		"gives-permission": (*scene).givesPermission,  // NAME LEVEL
		"revokes-tokens":   (*scene).revokesTokens,
		"suspends":         (*scene).suspends,
		"unsuspends":       (*scene).unsuspends,
		"protects":         (*scene).protects,   // BRANCH [unpinned]: our check is required, of whoever posts it
		"unprotects":       (*scene).unprotects, // BRANCH
		"queues":           (*scene).queues,     // BRANCH [CHECK…]: it takes a merge queue to merge, and our check and others
		"lacks-graphql":    (*scene).lacksGraphQL,
		"deploys":          (*scene).hasWorkflow, // on-deployment|on-push|by-hand [ENVIRONMENT] [unseen]: has a workflow that does
		"guards":           (*scene).guards,      // ENVIRONMENT [REVIEWER…]: by our deployment protection rule
	}
}

// github is what happens on GitHub, or to it.
func github(ts *testscript.TestScript, neg bool, args []string) {
	do := deeds()[args[0]]
	if do == nil {
		ts.Fatalf("GitHub does not do %q", args)
	}
	w := worldOf(ts)
	s := &scene{world: w, ts: ts, args: args[1:]}
	w.act(ts, func() error { return do(s) })
}

// route splits a route into its method and its template; "any" is every call.
func (s *scene) route() (method, template string) {
	r := s.next("the route")
	if r == "any" {
		return "", ""
	}
	method, template, ok := strings.Cut(r, " ")
	if !ok {
		s.ts.Fatalf("%q is no route", r)
	}
	return method, template
}

func (s *scene) number(ifNone int) int {
	if len(s.args) == 0 {
		return ifNone
	}
	n, err := strconv.Atoi(s.args[0])
	if err != nil {
		return ifNone
	}
	s.args = s.args[1:]
	return n
}

func (s *scene) inject(f githubsim.Fault) error {
	s.faults = append(s.faults, s.Sim.Inject(f))
	return nil
}

func (s *scene) fails() error {
	f := githubsim.Fault{Header: http.Header{}}
	f.Method, f.Route = s.route()
	f.Status, f.Times = s.number(http.StatusBadGateway), s.number(1)
	for _, a := range s.args {
		name, value, _ := strings.Cut(a, ":")
		if name == "body" {
			f.Body = value
			continue
		}
		f.Header.Set(name, value)
	}
	return s.inject(f)
}

func (s *scene) cuts() error {
	f := githubsim.Fault{CutConnection: true}
	f.Method, f.Route = s.route()
	f.Times = s.number(1)
	return s.inject(f)
}

func (s *scene) losesSome() error {
	f := githubsim.Fault{ActThenLose: true}
	f.Method, f.Route = s.route()
	f.Times = s.number(1)
	return s.inject(f)
}

func (s *scene) actsLate() error {
	f := githubsim.Fault{LoseThenAct: func(act func()) { s.late <- act }}
	f.Method, f.Route = s.route()
	return s.inject(f)
}

func (s *scene) lags() error {
	f := githubsim.Fault{Stale: true, Times: -1}
	f.Method, f.Route = s.route()
	return s.inject(f)
}

// enough is how long a story waits for what is to happen while a call is under way.
const enough = time.Minute

func (s *scene) dawdles() error {
	f := githubsim.Fault{}
	f.Method, f.Route = s.route()
	number, outcome := s.next("the pull request's number"), s.next("what its check is to show")
	login, do := people()[s.next("who")], verbs()[s.next("what they do")]
	if login == "" || do == nil {
		s.ts.Fatalf("who does what meanwhile?")
	}
	n := s.view(s.ts, number).Number
	s.who = s.Sim.As(login)
	f.Meanwhile = func() {
		if err := do(s); err != nil {
			return // the story expects what comes of it
		}
		for end := time.Now().Add(enough); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			v, err := s.Sim.PullView(s.Repo, n)
			if c, _ := worldtest.OurCheck(v); err != nil || worldtest.Outcome(c) == outcome {
				return
			}
		}
	}
	return s.inject(f)
}

func (s *scene) heals() error {
	for _, remove := range s.faults {
		remove()
	}
	s.world.faults = nil
	return nil
}

func (s *scene) posts() error {
	c := githubsim.CheckRun{Name: s.next("the check's name")}
	switch result := s.next("how it ended"); result {
	case "queued", "in_progress":
		c.Status = result
	default:
		c.Conclusion = result
	}
	pr := s.pull()
	for _, a := range s.args {
		name, value, _ := strings.Cut(a, ":")
		switch name {
		case "app":
			c.App = value
		case "workflow":
			c.Workflow = value
		default:
			s.ts.Fatalf("what is %q?", a)
		}
	}
	_, err := s.Sim.PostCheckRun(s.Repo, pr.Head, c)
	return err
}

func (s *scene) postsOn() error {
	sha := s.landedAs(s.ts, s.next("the head"))
	c := githubsim.CheckRun{Name: s.next("the check's name"), Conclusion: s.next("how it ended")}
	_, err := s.Sim.PostCheckRun(s.Repo, sha, c)
	return err
}

// fate is what becomes of deliveries from now on: of those of the event that is named, or of all.
func fate(is githubsim.Fate) func(*scene) error {
	return func(s *scene) error {
		event := s.rest()
		s.Sim.Intercept(func(d githubsim.Delivery) githubsim.Fate {
			if event == "" || event == "deliveries" || d.Event == event {
				return is
			}
			return githubsim.Deliver
		})
		return nil
	}
}

func (s *scene) releases() error {
	s.Sim.Intercept(nil)
	held := s.Sim.Held()
	if s.rest() == "backwards" {
		slices.Reverse(held)
	}
	if len(held) > 0 {
		s.Sim.Release(held...)
	}
	return nil
}

func (s *scene) redelivers() error {
	event := s.next("the event")
	for _, d := range s.Gate.Deliveries() {
		if d.Event == event && !d.Redelivery {
			if err := s.Gate.Redeliver(d.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scene) deletesAccount() error { return s.Sim.DeleteAccount(s.next("the login")) }

func (s *scene) renamesAccount() error {
	from := s.next("the login")
	return s.Sim.RenameAccount(from, s.next("the new login"))
}

func (s *scene) deletesRepo() error { return s.Sim.DeleteRepository(s.next("the repository")) }

func (s *scene) archives() error   { return s.Sim.SetArchived(s.next("the repository"), true) }
func (s *scene) unarchives() error { return s.Sim.SetArchived(s.next("the repository"), false) }

func (s *scene) renamesRepo() error {
	from := s.next("the repository")
	return s.Sim.RenameRepository(from, s.next("its new name"))
}

func (s *scene) makesRepo() error {
	owner, name, _ := strings.Cut(s.next("the repository"), "/")
	files := map[string]string{"README.md": "# " + name + "\n"}
	if s.rest() == "empty" {
		files = nil
	}
	return s.AddRepository(owner, name, files)
}

func (s *scene) makesApp() error {
	k, err := worldtest.Key()
	if err != nil {
		return err
	}
	a, err := s.Sim.RegisterApp(githubsim.AppOptions{Slug: s.next("the App's slug"), Permissions: map[string]string{"checks": "write"}, Key: k})
	if err != nil {
		return err
	}
	_, err = a.Install("acme")
	return err
}

func (s *scene) installs() error {
	_, err := s.Gate.Install(s.next("the owner"))
	return err
}

func (s *scene) adds() error    { return s.Gate.AddRepositories("acme", s.next("the repository")) }
func (s *scene) removes() error { return s.Gate.RemoveRepositories("acme", s.next("the repository")) }

func (s *scene) makesTeam() error {
	slug := s.next("the team")
	if err := s.Sim.AddTeam("acme", slug, s.args...); err != nil {
		return err
	}
	return s.Sim.SetTeamPermission(s.Repo, slug, githubsim.Write)
}

func (s *scene) dropsTeam() error { return s.Sim.RemoveTeam("acme", s.next("the team")) }

func (s *scene) shares() error {
	slug := s.next("the team")
	return s.Sim.SetTeamPermission(s.Repo, slug, githubsim.Role(s.next("the role")))
}

func (s *scene) joins() error {
	login := s.next("the login")
	return s.Sim.AddToTeam("acme", s.next("the team"), login)
}

func (s *scene) leaves() error {
	login := s.next("the login")
	return s.Sim.RemoveFromTeam("acme", s.next("the team"), login)
}

func (s *scene) permits() error {
	login := s.next("the login")
	return s.Sim.SetPermission(s.Repo, login, githubsim.Role(s.next("the role")))
}

func (s *scene) takesPermission() error {
	return s.Gate.AcceptPermissions("acme", map[string]string{s.next("the permission"): ""})
}

func (s *scene) givesPermission() error {
	name := s.next("the permission")
	return s.Gate.AcceptPermissions("acme", map[string]string{name: s.next("the level")})
}

func (s *scene) revokesTokens() error {
	s.Gate.RevokeTokens()
	return nil
}

func (s *scene) suspends() error   { return s.Gate.Suspend("acme") }
func (s *scene) unsuspends() error { return s.Gate.Unsuspend("acme") }

func (s *scene) protects() error {
	branch := s.next("the branch")
	check := githubsim.RequiredCheck{Context: worldtest.CheckName, AppID: s.Gate.ID}
	if s.rest() == "unpinned" {
		check.AppID = 0
	}
	return s.Sim.Protect(s.Repo, branch, githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{check}})
}

func (s *scene) unprotects() error { return s.Sim.Unprotect(s.Repo, s.next("the branch")) }

// after DURATION: so much time goes by, and what was to happen meanwhile happens.
func after(ts *testscript.TestScript, neg bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	worldOf(ts).elapse(ts, d)
}

// at TIME: it becomes as late as that, such as 2090-01-01T00:00:00Z, and what was to happen meanwhile happens.
func at(ts *testscript.TestScript, neg bool, args []string) {
	then, err := time.Parse(time.RFC3339, args[0])
	ts.Check(err)
	w := worldOf(ts)
	d := then.Sub(w.Now())
	if d < 0 {
		ts.Fatalf("it is %s already", w.Now())
	}
	w.elapse(ts, d)
}

func (w *world) elapse(ts *testscript.TestScript, d time.Duration) {
	w.act(ts, func() error {
		w.Forward(d)
		if w.Server == nil {
			return nil
		}
		return w.Server.Elapse(context.Background())
	})
}

// restart ends the server and starts it again on the same database.
func restart(ts *testscript.TestScript, neg bool, args []string) {
	stopped(ts, neg, args)
	started(ts, neg, args)
}

// stopped ends the server: deliveries fail until it is started.
func stopped(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	w.act(ts, w.Stop)
}

// started starts the server again.
func started(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	w.act(ts, w.Start)
}

// forgotten restarts the server with an empty database.
func forgotten(ts *testscript.TestScript, neg bool, args []string) {
	stopped(ts, neg, args)
	ts.Check(worldOf(ts).Data.Forget())
	started(ts, neg, args)
}

// crashes ROUTE: at the next such call the process dies. GitHub acts on the call and nobody hears its answer; what follows is as it
// was in the database at that moment, once the server has recovered.
func crashes(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	s := &scene{world: w, ts: ts, args: args}
	method, template := s.route()
	var dead atomic.Bool
	var kept error
	w.faults = append(w.faults,
		w.Sim.Inject(githubsim.Fault{Times: -1, CutConnection: true, Match: func(*http.Request) bool { return dead.Load() }}),
		w.Sim.Inject(githubsim.Fault{Method: method, Route: template, ActThenLose: true, Match: func(*http.Request) bool {
			if dead.CompareAndSwap(false, true) {
				w.Slack.SetDown(true) // it hears of a dead process no more than GitHub does
				kept = w.Data.Keep()
				return true
			}
			return false
		}}))
	w.crashed = func() error {
		if !dead.Load() {
			return errors.New("there was no such call, and no crash")
		}
		return kept
	}
}

// recovered starts a new server after a crash.
func recovered(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	ts.Check(w.crashed())
	s := &scene{world: w, ts: ts}
	w.act(ts, func() error {
		// The old process, of which nothing is to be left, is ended in good order here.
		if err := errors.Join(w.Stop(), s.heals()); err != nil {
			return err
		}
		w.Slack.SetDown(false)
		return errors.Join(w.Data.Restore(), w.Start())
	})
}

// in OWNER/NAME: what follows happens in this repository.
func in(ts *testscript.TestScript, neg bool, args []string) {
	worldOf(ts).Repo = args[0]
}

func (s *scene) queues() error {
	p := githubsim.Protection{Ruleset: true, MergeQueue: &githubsim.MergeQueue{}, RequiredChecks: []githubsim.RequiredCheck{{Context: worldtest.CheckName, AppID: s.Gate.ID}}}
	branch := s.next("the branch")
	for _, name := range s.args {
		p.RequiredChecks = append(p.RequiredChecks, githubsim.RequiredCheck{Context: name})
	}
	return s.Sim.Protect(s.Repo, branch, p)
}

func (s *scene) lacksGraphQL() error {
	s.Sim.NoGraphQL()
	return nil
}
