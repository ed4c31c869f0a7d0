package release

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// told holds the only prompt since the last time to its words, the pull request it is on and those it mentions.
func (s *scene) told(on int, want string, of ...change.Account) Prompt {
	s.Helper()
	all := s.all.Prompts
	s.all.Prompts = nil
	if len(all) != 1 {
		s.Fatalf("%d prompts, want one that says %q: %+v", len(all), want, all)
	}
	p := all[0]
	if got := p.Says.String(); got != want || p.Number != change.Number(on) || !slices.Equal(p.Of, of) {
		s.Fatalf("#%d, for %v, is told\n%s\nwant #%d, for %v\n%s", p.Number, p.Of, got, on, of, want)
	}
	return p
}

// quiet holds that nobody was told anything since the last time.
func (s *scene) quiet() *scene {
	s.Helper()
	if len(s.all.Prompts) > 0 {
		s.Fatalf("told %+v", s.all.Prompts)
	}
	return s
}

// accepts gives a command that a prompt names as it stands there: the one of a verb.
func (s *scene) accepts(p Prompt, on int, verb command.Verb) *scene {
	s.Helper()
	for _, part := range p.Says {
		c, err := command.Parse(part.Text)
		if part.Kind != change.PartCode || err != nil || c.Verb != verb {
			continue
		}
		return s.does(bob, on, verb, c.Args[0], func(o *Order) {
			if verb == command.Rollback && len(c.Args) > 1 {
				o.Version = c.Args[1]
			}
		})
	}
	s.Fatalf("%s is not in %q", verb, p.Says)
	return nil
}

func TestTellsOnceThatADeploymentFailed(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).quiet()
	s.turn(func(t *Turn) {
		d := change.Deployment{ID: s.at("staging", 1).GitHub, SHA: sha(1), Environment: "staging", By: actions}
		t.Status(change.DeploymentStatus{ID: 1, Deployment: d, State: change.DeploymentFailure, By: actions, LogURL: "https://ci.example/1", At: s.now})
	})
	p := s.told(1, "merle: 1111111 (#1) failed in staging: its status on GitHub is failure. Fix it with another change, or try it again with /change start staging.", merger)
	if p.LogURL != "https://ci.example/1" {
		t.Errorf("its log is %q", p.LogURL)
	}
	s.later(time.Hour).quiet()
	s.accepts(p, 1, "start").is("staging", 1, Deploying)
	// What fails again is another deployment.
	s.later(2*time.Hour).told(1, "bob: 1111111 (#1) failed in staging: nothing was heard of it for 2h. Fix it with another change, or try it again with /change start staging.", bob)
}

func TestTellsWhatGitHubWouldNotCreate(t *testing.T) {
	s := play(t, Create, normal)
	s.look(func(t *Turn) { t.Landed(change.Landed{Number: 1, Commit: sha(1), By: merger, At: s.now}) })
	s.state.GaveUp(s.out.Effects[0], "no such environment.")
	s.turn().told(1, "merle: 1111111 (#1) failed in staging: GitHub would not create it: no such environment. "+
		"Fix it with another change, or try it again with /change start staging.", merger)
}

// TestTellsOfARunThatFailedAgain has a job deploy what is there once more: to queue that would bring nothing.
func TestTellsOfARunThatFailedAgain(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1)
	s.all.Prompts = nil
	if a := s.gate("again", "staging", 1, 7); a != Go {
		t.Fatalf("the gate says %s", a)
	}
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 7, Attempt: 1, Conclusion: "failure", At: s.now}) })
	s.told(1, "carol: 1111111 (#1) failed in staging: its workflow run ended as failure. Fix it with another change, or have it deployed again.", carol)
}

// TestTellsWhoMerged has a program deploy, which nobody can tell anything.
func TestTellsWhoMerged(t *testing.T) {
	s := play(t, Record, normal)
	s.land(1)
	g := change.Deployment{ID: 9, SHA: sha(1), Environment: "staging", By: actions, At: s.now}
	s.turn(func(t *Turn) { t.Deployment(g) }, s.statusOf(g, change.DeploymentInProgress, actions)).later(5*time.Minute).is("staging", 1, Deploying)
	s.turn(s.statusOf(g, change.DeploymentFailure, actions))
	s.told(1, "merle: 1111111 (#1) failed in staging: its status on GitHub is failure. Fix it with another change, or have it deployed again.", merger)
}

func TestTellsOnceThatADeploymentWasRolledBack(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1)
	s.land(2).verify("staging", 2).succeed("production", 2)
	s.land(3).verify("staging", 3)
	s.all.Prompts = nil
	s.report("production", 3, change.DeploymentFailure)
	s.told(3, "merle: 3333333 (#3) failed in production: its status on GitHub is failure. production goes back to 1111111 (#1), which was verified there last; "+
		"this also takes back 2222222 (#2).", merger)
	s.report("production", 1, change.DeploymentFailure)
	p := s.told(3, "merle: the rollback to 1111111 (#1) failed in production: its status on GitHub is failure. To try that again, comment "+
		`/change rollback production 1111111 "what went wrong".`, merger)
	s.accepts(p, 3, "rollback").is("production", 1, Deploying)
}

func TestTellsWhatIsNotRolledBackByItself(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.env("production").RollBack = false
	s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2)
	s.all.Prompts = nil
	s.report("production", 2, change.DeploymentFailure)
	p := s.told(2, "merle: 2222222 (#2) failed in production: its status on GitHub is failure. Fix it with another change, or try it again with /change start production; "+
		`to go back to 1111111 (#1), comment /change rollback production "what went wrong".`, merger)
	s.accepts(p, 2, "rollback").is("production", 1, Deploying)
}

func TestTellsOfAFailureOfWhatWasReplaced(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	for n := 1; n <= 3; n++ {
		s.land(n).verify("staging", n).succeed("production", n)
	}
	s.does(bob, 1, "verified", "production", func(o *Order) { s.now = s.now.Add(30 * time.Minute); o.At = s.now })
	s.all.Prompts = nil
	s.report("production", 2, change.DeploymentFailure)
	p := s.told(2, "merle: 2222222 (#2) failed in production: its status on GitHub is failure. production holds 3333333 (#3) by now. "+
		`If that does not work either, comment on #3 /change rollback production "what went wrong".`, merger)
	s.accepts(p, 3, "rollback").is("production", 1, Deploying)
}

// TestRollbackByCommandMentionsWhoseItTakesBack has the answer tell them: it is a comment of its own already.
func TestRollbackByCommandMentionsWhoseItTakesBack(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
	s.all.Prompts = nil
	r := s.say(bob, 2, "rollback", "production")
	if want := "production goes back to 1111111 (#1), from 2222222 (#2), which merle had deployed."; !r.Done || r.Says.String() != want || !slices.Equal(r.Of, []change.Account{merger}) {
		t.Errorf("%+v, want %s", r, want)
	}
	s.quiet().succeed("production", 1).later(30*time.Minute).does(carol, 1, "verified", "production")
}

// TestSaysWhereARollbackIsGivenUp has somebody ask for it on another pull request, where a command to cancel is about nothing.
func TestSaysWhereARollbackIsGivenUp(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1)
	for n := 2; n <= 3; n++ {
		s.land(n).verify("staging", n).succeed("production", n)
	}
	s.does(bob, 3, "rollback", "production")
	s.refused("is on its way already. To give it up: /change cancel production.", carol, 3, "rollback", "production")
	s.refused("is on its way already. To give it up, comment on #3: /change cancel production.", carol, 2, "rollback", "production")
	s.at("production", 1).AskedOn = 0 // by itself, of what came with no pull request
	s.refused("is on its way already. To give it up: /change cancel production.", carol, 2, "rollback", "production")
	s.at("production", 1).AskedOn = 3
	s.refused("Nothing of this pull request waits in production", carol, 2, "cancel", "production").does(carol, 3, "cancel", "production")
}

// TestNamesWhatIsTakenBackOnce has one commit deployed twice since the version that comes back.
func TestNamesWhatIsTakenBackOnce(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
	if a := s.gate("again", "production", 2, 7); a != Go {
		t.Fatalf("the gate says %s", a)
	}
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 7, Attempt: 1, Conclusion: "success", At: s.now}) })
	if says := s.say(carol, 2, "rollback", "production").Says.String(); says != "production goes back to 1111111 (#1), from 2222222 (#2), which merle had deployed." {
		t.Error(says)
	}
}

// TestNamesEachRoleOfTwoPolicies has a person hold both, and says who holds either.
func TestNamesEachRoleOfTwoPolicies(t *testing.T) {
	s := play(t, Create, normal)
	s.rules.Holders = map[string]change.Text{"qa": change.TeamName("acme", "qa")}
	s.env("staging").Verify = Verify{Role: "qa, crew"}
	s.land(1).succeed("staging", 1)
	if says := s.at("staging", 1).Waits.For.String(); says != "somebody in qa (@acme/qa) and in crew to comment /change verified staging" {
		t.Error(says)
	}
	s.told(1, "merle: 1111111 (#1) is in staging. Does it work? If so, comment "+
		`/change verified staging "what was looked at", which somebody in qa (@acme/qa) and in crew has to do; if not, `+
		"fix it with another change: no earlier version was verified there. If nobody says so by 2 March 12:00 UTC, it becomes an exception.", merger)
	s.refused("Only somebody in qa (@acme/qa) and in crew may say that something works in staging.", carol, 1, "verified", "staging", holding("qa"))
}

func TestCallsForASayWhenNothingElseIsMissing(t *testing.T) {
	s := play(t, Create, high, normal)
	s.rules.Deploys = []Sayer{{Role: "tech-lead"}, {Access: "maintain"}}
	s.rules.Holders = map[string]change.Text{"tech-lead": change.TeamName("acme", "tech-leads"), "rm": change.Words("anyone with admin access")}
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.env("production").Hours = weekdays()
	s.now = time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)
	s.land(1).verify("staging", 1).quiet()
	const hands = "somebody in tech-lead (@acme/tech-leads) and with maintain access to comment /change deploy production, because it holds #1 (high-risk); " +
		"release approval from rm (anyone with admin access): /change accept production"
	// The hours have an end, whatever else it waits for.
	s.waits("production", 1, hands+"; the hours of production (line 12 of the policy), which begin 3 March 09:00 UTC")
	s.does(bob, 1, "freeze", "production", func(o *Order) { o.Until = s.now.Add(48 * time.Hour) })
	s.waits("production", 1, hands+"; the hours of production (line 12 of the policy) and the end of the freeze by bob: “because”, until 5 March 09:00 UTC")
	s.does(bob, 1, "thaw", "production").quiet()
	if !s.at("production", 1).Waits.Until.IsZero() {
		t.Error("somebody knows when it goes")
	}

	s.now = time.Date(2026, 3, 3, 9, 0, 0, 0, time.UTC)
	p := s.turn().told(1, "merle: 1111111 (#1) can go to production once people say so. It waits for "+hands+".", merger)
	s.later(time.Hour).quiet().accepts(p, 1, "deploy").quiet()
	s.does(carol, 1, "accept", "production", holding("rm")).is("production", 1, Deploying)
}

// TestCallsNobodyWhoWasToldJustNow has the answer to a command say it.
func TestCallsNobodyWhoWasToldJustNow(t *testing.T) {
	s := play(t, Create, high)
	s.land(1).verify("staging", 1).does(bob, 1, "cancel", "production")
	s.all.Prompts = nil
	if r := s.say(bob, 1, "start", "production"); !strings.Contains(r.Says.String(), "It still waits for somebody who may give the command /change deploy production") {
		t.Fatalf("%+v", r)
	}
	s.later(time.Hour).quiet()
}

// TestCallsAgainWhenARollbackTookTheGoAhead has people know that their say is gone: they gave it when they were told that it is missing, and would wait
// for ever.
func TestCallsAgainWhenARollbackTookTheGoAhead(t *testing.T) {
	s := play(t, Create, normal, high, high)
	s.land(1).verify("staging", 1).verify("production", 1)
	const waits = " can go to production once people say so. It waits for somebody who may give the command /change deploy production, because it holds "
	s.all.Prompts = nil
	s.land(2).verify("staging", 2).told(2, "merle: 2222222 (#2)"+waits+"#2 (high-risk).", merger)
	s.land(3).verify("staging", 3)
	first := s.told(3, "merle: 3333333 (#3)"+waits+"#2 (high-risk), #3 (high-risk).", merger)
	s.does(bob, 2, "deploy", "production").does(carol, 3, "deploy", "production").succeed("production", 2).waits("production", 3, "the verification of 2222222 (#2)")
	s.all.Prompts = nil
	s.report("production", 2, change.DeploymentFailure)
	s.all.Prompts = nil // of the rollback
	s.succeed("production", 1).waits("production", 3, "/change deploy production")
	again := s.told(3, "merle: 3333333 (#3) can go to production once people say so again: carol said so before the last rollback there. "+
		"It waits for somebody who may give the command /change deploy production, because it holds #2 (high-risk), #3 (high-risk).", merger, carol)
	if again.Key == first.Key {
		t.Errorf("%s was posted before, and would not be again", again.Key)
	}
	s.later(time.Minute).quiet().does(carol, 3, "deploy", "production").is("production", 3, Deploying)
}

// A rollback that was cancelled took the go-ahead too, and rolled nothing back.
func TestCallsAgainWhenACancelledRollbackTookTheGoAhead(t *testing.T) {
	s := play(t, Create, normal, high, high)
	s.land(1).verify("staging", 1).verify("production", 1)
	s.land(2).verify("staging", 2)
	s.land(3).verify("staging", 3)
	s.does(bob, 2, "deploy", "production").does(carol, 3, "deploy", "production").succeed("production", 2)
	s.does(bob, 2, "rollback", "production")
	s.all.Prompts = nil
	s.does(bob, 2, "cancel", "production")
	s.told(3, "merle: 3333333 (#3) can go to production once people say so again: carol said so before the last rollback there. "+
		"It waits for somebody who may give the command /change deploy production, because it holds #2 (high-risk), #3 (high-risk).", merger, carol)
}

func TestNobodyIsCalledWhereNobodyNeedSayAnything(t *testing.T) {
	s := play(t, Create, normal, change.Standard)
	for n := 1; n <= 2; n++ {
		s.land(n).verify("staging", n).succeed("production", n).quiet().later(29 * time.Minute).quiet()
		s.now = s.now.Add(time.Minute)
		s.does(bob, n, "verified", "production")
		s.all.Prompts = nil // whether it works
	}
}

func TestAsksOfWhatIsStillThereWhetherItWorks(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).succeed("production", 1).later(30 * time.Minute)
	s.told(1, "merle: 1111111 (#1) is in production, and has been watched for long enough. Does it work? If so, comment "+
		`/change verified production "what was looked at"; if not, fix it with another change: no earlier version was verified there. `+
		"If nobody says so by 2 March 12:30 UTC, it becomes an exception.", merger)
	s.refused("No earlier version", bob, 1, "rollback", "production")
	s.does(bob, 1, "verified", "production")

	s.land(2).verify("staging", 2).succeed("production", 2).later(10 * time.Minute)
	s.land(3).verify("staging", 3).succeed("production", 3).quiet().later(20 * time.Minute)
	p := s.told(2, "merle: 2222222 (#2) was deployed to production, and runs on there as part of 3333333 (#3). Does it work? If so, comment "+
		`/change verified production "what was looked at"; if not, comment on #3 /change rollback production "what went wrong". `+
		"If nobody says so by 2 March 13:00 UTC, it becomes an exception.", merger)
	s.refused("by now", bob, 2, "rollback", "production")
	state := s.state
	s.accepts(p, 2, "verified").is("production", 2, Verified)
	s.state = state
	s.accepts(p, 3, "rollback").is("production", 1, Deploying)
}

func TestListsTheLastFailure(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1).land(2)
	s.report("staging", 2, change.DeploymentFailure)
	list := func(env, want string) {
		t.Helper()
		if got := s.say(bob, 1, "queue", env).Says.String(); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	list("staging", "staging holds 1111111 (#1), since 2 March 10:00 UTC, verified\n2222222 (#2) failed 2 March 10:30 UTC: “its status on GitHub is failure”\nnothing waits")
	s.does(bob, 2, "start", "staging").verify("staging", 2)
	list("staging", "staging holds 2222222 (#2), since 2 March 10:30 UTC, verified\nnothing waits")

	s.report("production", 2, change.DeploymentErrored)
	list("production", "production holds 1111111 (#1), since 2 March 10:00 UTC, verified\n2222222 (#2) failed 2 March 10:30 UTC: “its status on GitHub is error”\n"+
		"1111111 (#1) is being deployed, since 2 March 10:30 UTC\nnothing waits")
	s.succeed("production", 1)
	list("production", "production holds 1111111 (#1), since 2 March 10:30 UTC, watching\n2222222 (#2) was rolled back 2 March 10:30 UTC: “its status on GitHub is error”\nnothing waits")
	s.land(3).verify("staging", 3).does(bob, 3, "deploy", "production").succeed("production", 3)
	list("production", "production holds 3333333 (#3), since 2 March 10:30 UTC, watching\nnothing waits")

	// What a rollback is to take off is there until that is done.
	s.does(bob, 3, "rollback", "production")
	list("production", "production holds 3333333 (#3), since 2 March 10:30 UTC, found not to work\n3333333 (#3) failed 2 March 10:30 UTC: “because”\n"+
		"1111111 (#1) is being deployed, since 2 March 10:30 UTC\nnothing waits")
	s.report("production", 1, change.DeploymentFailure)
	list("production", "production holds 3333333 (#3), since 2 March 10:30 UTC, found not to work\n"+
		"the rollback to 1111111 (#1) failed 2 March 10:30 UTC: “its status on GitHub is failure”\nnothing waits")
	s.does(bob, 3, "rollback", "production").succeed("production", 1)
	list("production", "production holds 1111111 (#1), since 2 March 10:30 UTC, watching\n3333333 (#3) was rolled back 2 March 10:30 UTC: “because”\nnothing waits")
}

func TestRowsSayWhoVerifiedAndWhatIsNext(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	row := func(n, of int, want string) {
		t.Helper()
		if got := Standing(&s.state, &s.rules, change.Number(n), s.now)[of].Says.String(); got != want {
			t.Errorf("#%d: %q, want %q", n, got, want)
		}
	}
	s.land(1).verify("staging", 1).verify("production", 1)
	row(1, 0, "")
	row(1, 1, "verified by bob: “because”")
	s.land(2).verify("staging", 2).verify("production", 2)
	row(1, 0, "nobody was to say that it works; replaced since")
	row(1, 1, "verified by bob: “because”, and replaced since")
	s.land(3).report("staging", 3, change.DeploymentFailure)
	row(3, 0, "its status on GitHub is failure: fix it with another change, or try it again with /change start staging")
	s.does(bob, 3, "start", "staging").verify("staging", 3).report("production", 3, change.DeploymentFailure)
	row(3, 1, "is being deployed again, to roll back what came after it")
}

func TestRefusalsHaveOneForm(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1)
	mayNot := func(who string) func(*Order) {
		return func(o *Order) { o.May, o.Who = false, change.Words(who) }
	}
	for _, row := range []struct {
		verb      command.Verb
		who, want string
	}{
		{"accept", "nobody", "production asks for no release approval."},
		{"deploy", "dan", "Not permitted: this command is for dan."},
		{"override", "nobody: the policy names no override", "Not permitted: this command is for nobody: the policy names no override."},
	} {
		if r := s.say(alice, 1, row.verb, "production", mayNot(row.who)); r.Done || r.Says.String() != row.want {
			t.Errorf("%s: %q, want %q", row.verb, r.Says, row.want)
		}
	}
}

// TestStepsOfAnEnvironmentAreOfNoDeployment keeps what a zero Deployment says, and the year 1, out of the evidence.
func TestStepsOfAnEnvironmentAreOfNoDeployment(t *testing.T) {
	s := play(t, Create, normal)
	for _, verb := range []command.Verb{command.Freeze, command.Thaw} {
		s.does(bob, 1, verb, "production", func(o *Order) { o.Until = s.now.Add(time.Hour) })
	}
	s.land(1)
	var got []string
	for _, e := range s.all.Entries {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %t %t", e.Step, members["deployment"] != nil, strings.Contains(string(text), "0001-01-01")))
	}
	if want := []string{"frozen false false", "thawed false false", "queued true false", "let through true false"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if frozen := s.all.Entries[0]; !frozen.Until.Equal(s.now.Add(time.Hour)) {
		t.Errorf("it is frozen until %s", frozen.Until)
	}
}
