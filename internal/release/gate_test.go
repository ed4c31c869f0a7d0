package release

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// ruleOf has a protection rule ask.
func (s *scene) ruleOf(key, env string, n int) func(*Turn) {
	return func(t *Turn) {
		t.Rule(key, change.RuleAsked{Environment: env, SHA: sha(n), Callback: "https://api.github.com/repos/a/b/actions/runs/7/" + key, By: carol, At: s.now})
	}
}

func TestTokenAsksAgainAboutWhatWasDecided(t *testing.T) {
	const token = 0 // a static one names no run, so that it asks under the same key for ever
	ask := func(s *scene, env string, n int, want Answer) {
		s.Helper()
		s.later(time.Second)
		if got := s.gate("token/ci/"+env+"/"+string(sha(n)), env, n, token); got != want {
			s.Fatalf("the gate of %s says %s of %d, want %s", env, got, n, want)
		}
	}
	t.Run("after it was refused", func(t *testing.T) {
		s := play(t, Record, normal)
		ask(s, "production", 1, No)
		ask(s, "staging", 1, Go)
		s.does(bob, 1, "deployed", "staging")
		ask(s, "production", 1, Go)
	})
	t.Run("after it failed", func(t *testing.T) {
		s := play(t, Record, normal)
		ask(s, "staging", 1, Go)
		ask(s, "staging", 1, Go) // its answer may have been lost
		s.later(3*time.Hour).is("staging", 1, Failed)
		ask(s, "staging", 1, Go)
	})
	t.Run("after it was deployed", func(t *testing.T) {
		s := play(t, Record, normal, normal)
		for n := 1; n <= 2; n++ {
			ask(s, "staging", n, Go)
			s.does(bob, n, "deployed", "staging")
		}
		ask(s, "staging", 1, No) // an older version goes there by a rollback only
		ask(s, "staging", 2, Go)
	})
	t.Run("after it was deployed, in a freeze", func(t *testing.T) {
		s := play(t, Record, normal)
		ask(s, "staging", 1, Go)
		s.does(bob, 1, "deployed", "staging")
		s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) })
		ask(s, "staging", 1, NotYet)
	})
}

func TestJobThatWasLetThroughIsNotLetThroughForEver(t *testing.T) {
	s := play(t, Record, normal, normal)
	if a := s.gate("run/7/1", "staging", 1, 7); a != Go {
		t.Fatal(a)
	}
	s.does(bob, 1, "deployed", "staging")
	if a := s.gate("run/7/1", "staging", 1, 7); a != Go {
		t.Fatalf("another job of the run, of what is there: %s", a)
	}
	if a := s.gate("run/8/1", "staging", 2, 8); a != Go {
		t.Fatal(a)
	}
	if a := s.gate("run/7/1", "staging", 1, 7); a != No {
		t.Fatalf("while another is deployed: %s", a)
	}
	s.does(bob, 2, "deployed", "staging")
	if a := s.gate("run/7/1", "staging", 1, 7); a != No {
		t.Fatalf("after another was deployed: %s", a)
	}
}

func TestJobThatAsksKeepsItsPlace(t *testing.T) {
	s := play(t, Record, normal, normal, normal)
	asks := func(n int, want Answer) {
		s.Helper()
		if a := s.gate(fmt.Sprint("run/", n, "/1"), "staging", n, int64(n)); a != want {
			s.Fatalf("the gate says %s of %d, want %s", a, n, want)
		}
	}
	asks(1, Go)
	asks(2, NotYet)
	s.later(patience - time.Second)
	asks(2, NotYet)
	s.later(patience-time.Second).does(bob, 1, "deployed", "staging")
	asks(3, NotYet)
	asks(2, Go)
	// It gives the place up by not asking any more.
	s.later(patience).does(bob, 2, "deployed", "staging")
	asks(3, Go)
}

func TestWhatNobodyDeploysHoldsUpNobody(t *testing.T) {
	s := play(t, Record, normal, normal)
	s.does(bob, 1, "deploy", "staging", func(o *Order) { o.Commit = sha(1) }).is("staging", 1, Waiting)
	if a := s.gate("run/2/1", "staging", 2, 2); a != Go {
		t.Errorf("the gate says %s", a)
	}
}

func TestRunThatEndsLeavesTheOthersTheirPlaces(t *testing.T) {
	s := play(t, Record, normal)
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Minute) })
	asks := func(key string, run int64, want Answer) {
		s.Helper()
		if a := s.gate(key, "staging", 1, run); a != want {
			s.Fatalf("the gate says %s to %s, want %s", a, key, want)
		}
	}
	asks("run/7/1", 7, NotYet)
	asks("run/8/1", 8, NotYet)
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 7, Attempt: 1, Conclusion: "cancelled", At: s.now}) })
	asks("run/8/1", 8, NotYet)
	s.now = s.now.Add(time.Minute)
	asks("run/8/1", 8, Go)
	asks("run/8/1/other job", 8, Go)
	if n := len(s.state.Tracks["staging"].Deployments); n != 1 {
		t.Errorf("%d deployments", n)
	}
}

func TestGateThatWasAnsweredCarriesNothing(t *testing.T) {
	s := play(t, Record, normal)
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) })
	s.turn(s.ruleOf("a", "staging", 1)).does(bob, 1, "deploy", "staging", func(o *Order) { o.Commit = sha(1) })
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 7, Attempt: 1, Conclusion: "cancelled", At: s.now}) })
	s.later(time.Hour).waits("staging", 1, "nothing has asked to do so that is still there")
}

func TestOneClosedGateClosesNoOther(t *testing.T) {
	s := play(t, Record, normal)
	s.look(s.ruleOf("a", "Staging", 1), s.ruleOf("b", "Staging", 1))
	if len(s.out.Effects) != 2 {
		t.Fatalf("%+v", s.out.Effects)
	}
	s.state.GaveUp(s.out.Effects[0], "closed")
	s.look()
	if len(s.out.Effects) != 1 || s.out.Effects[0].Ask != "b" || s.out.Effects[0].Answer != Go {
		t.Fatalf("%+v", s.out.Effects)
	}
}

func TestGateThatTakesNoCommentGetsItsAnswer(t *testing.T) {
	s := play(t, Record, normal)
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) })
	s.look(s.ruleOf("a", "staging", 1))
	if len(s.out.Effects) != 1 || s.out.Effects[0].Answer != NotYet {
		t.Fatalf("%+v", s.out.Effects)
	}
	s.state.GaveUp(s.out.Effects[0], "too many comments")
	s.look()
	if len(s.out.Effects) != 0 {
		t.Fatalf("%+v", s.out.Effects)
	}
	s.now = s.now.Add(time.Hour)
	s.look()
	if len(s.out.Effects) != 1 || s.out.Effects[0].Answer != Go {
		t.Fatalf("%+v", s.out.Effects)
	}
}

func TestAnswersAGateInItsOwnSpelling(t *testing.T) {
	s := play(t, Record, normal)
	s.look(s.ruleOf("a", "STAGING", 1))
	if len(s.out.Effects) != 1 || s.out.Effects[0].Environment != "STAGING" {
		t.Fatalf("%+v", s.out.Effects)
	}
	if tr := s.state.Tracks["staging"]; tr == nil || tr.Environment != "staging" {
		t.Fatalf("%+v", tr)
	}
}

func TestForgetsEnvironmentsThatAnyJobCanAskOf(t *testing.T) {
	s := play(t, Record, normal)
	for i := range maxStrangers + 20 {
		s.now = s.now.Add(time.Second)
		if a := s.gate(fmt.Sprint("k", i), fmt.Sprint("env", i), 1, int64(i+1)); a != No {
			t.Fatal(a)
		}
	}
	if n := len(s.state.Tracks); n != maxStrangers {
		t.Fatalf("%d environments are remembered", n)
	}
}

func TestRunsOfOneCommitDeployOneAtATime(t *testing.T) {
	s := play(t, Record, normal)
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Minute) })
	run := func(run, github int64) func(*Turn) {
		return func(t *Turn) {
			t.Rule(fmt.Sprint(github), change.RuleAsked{
				Environment: "staging", SHA: sha(1), Callback: fmt.Sprintf("https://api.github.com/repos/a/b/actions/runs/%d/x", run), Deployment: github, By: carol, At: s.now,
			})
		}
	}
	// Two jobs of one run, and one of another.
	s.turn(run(7, 70), run(8, 80), run(7, 71))
	s.later(time.Minute)
	answers := func() string {
		var list []string
		for _, key := range []string{"70", "71", "80"} {
			a, _, _ := s.state.Answer(key)
			list = append(list, string(a))
		}
		return fmt.Sprint(list)
	}
	if got := answers(); got != "[go go not yet]" {
		t.Fatal(got)
	}
	s.waits("staging", 1, "the deployment of "+string(sha(1).Short()))
	report := func(id int64, state change.DeploymentState) {
		s.turn(s.statusOf(change.Deployment{ID: id, SHA: sha(1), Environment: "staging", By: actions}, state, actions))
	}
	report(70, change.DeploymentSuccess)
	if got := answers(); got != "[no no go]" {
		t.Fatal(got)
	}
	report(80, change.DeploymentFailure)
	s.is("staging", 1, Failed).found(change.DeployedPastPolicy, 0)
	if c := s.state.Tracks["staging"].Current(); c == nil || c.GitHub != 70 {
		t.Fatalf("%+v", c)
	}
}

func TestJobThatEndsLeavesTheOthersTheirAnswers(t *testing.T) {
	frozen := func(t *testing.T, mode Mode) *scene {
		s := play(t, mode, normal)
		s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) })
		return s
	}
	asks := func(s *scene, run, github int64) {
		s.turn(func(t *Turn) {
			t.Rule(fmt.Sprint(github), change.RuleAsked{
				Environment: "staging", SHA: sha(1), Callback: fmt.Sprintf("https://api.github.com/repos/a/b/actions/runs/%d/x", run), Deployment: github, By: carol, At: s.now,
			})
		})
	}
	says := func(s *scene, id int64, state change.DeploymentState) {
		s.turn(s.statusOf(change.Deployment{ID: id, SHA: sha(1), Environment: "staging", By: actions}, state, actions))
	}
	for _, first := range []int64{70, 80} {
		t.Run(fmt.Sprint("of two runs ", first), func(t *testing.T) {
			s := frozen(t, Record)
			asks(s, 7, 70)
			asks(s, 8, 80)
			says(s, first, change.DeploymentFailure)
			says(s, first, change.DeploymentInactive)
			s.waits("staging", 1, "the end of the freeze")
			other := 150 - first
			s.later(time.Hour).opened(fmt.Sprint(other))
			if d := s.at("staging", 1); d.GitHub != other {
				t.Fatalf("it follows %d", d.GitHub)
			}
			says(s, other, change.DeploymentSuccess)
			s.is("staging", 1, Verified).found(change.DeployedPastPolicy, 0)
		})
	}
	t.Run("the last one", func(t *testing.T) {
		s := frozen(t, Record)
		asks(s, 7, 70)
		asks(s, 8, 80)
		says(s, 80, change.DeploymentFailure)
		says(s, 70, change.DeploymentFailure)
		s.is("staging", 1, Cancelled)
	})
	t.Run("beside what we deploy", func(t *testing.T) {
		s := frozen(t, Create).land(1)
		asks(s, 7, 70)
		asks(s, 8, 80)
		says(s, 80, change.DeploymentFailure)
		s.later(time.Hour).opened("70")
	})
	t.Run("an attempt before", func(t *testing.T) {
		s := frozen(t, Record)
		g := change.Deployment{ID: 70, SHA: sha(1), Environment: "staging", By: actions, At: s.now}
		s.turn(func(t *Turn) { t.Deployment(g) })
		late := s.statusOf(g, change.DeploymentFailure, actions)
		s.later(time.Minute)
		if a := s.gate("run/7/2", "staging", 1, 7); a != NotYet {
			t.Fatal(a)
		}
		s.turn(late)
		s.later(59 * time.Minute)
		if a := s.gate("run/7/2", "staging", 1, 7); a != Go {
			t.Fatal(a)
		}
	})
}

func TestJobThatNamesNoRunIsOneOfItsOwn(t *testing.T) {
	const token = 0 // a static one
	ask := func(s *scene, key string, run int64, want Answer) {
		s.Helper()
		if got := s.gate(key, "staging", 1, run); got != want {
			s.Fatalf("the gate says %s to %s, want %s", got, key, want)
		}
	}
	t.Run("beside one of a run", func(t *testing.T) {
		s := play(t, Record, normal)
		ask(s, "run/7/1", 7, Go)
		ask(s, "token/jenkins", token, NotYet)
		ask(s, "run/7/1/other job", 7, Go)
		s.does(bob, 1, "deployed", "staging")
		ask(s, "token/jenkins", token, Go)
	})
	t.Run("beside another", func(t *testing.T) {
		s := play(t, Record, normal)
		ask(s, "token/jenkins", token, Go)
		ask(s, "token/teamcity", token, NotYet)
		ask(s, "run/7/1", 7, NotYet)
		ask(s, "token/jenkins", token, Go)
	})
	t.Run("that waited with others", func(t *testing.T) {
		s := play(t, Record, normal)
		s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Minute) })
		ask(s, "token/jenkins", token, NotYet)
		ask(s, "token/teamcity", token, NotYet)
		ask(s, "run/7/1", 7, NotYet)
		s.now = s.now.Add(time.Minute)
		ask(s, "token/jenkins", token, Go)
		ask(s, "token/teamcity", token, NotYet)
		ask(s, "run/7/1", 7, NotYet)
	})
}

func TestRunThatDidNotWaitIsNotQueuedAgain(t *testing.T) {
	s := play(t, Record, normal)
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) })
	asks := func(run, github int64) func(*Turn) {
		return func(t *Turn) {
			t.Deployment(change.Deployment{ID: github, SHA: sha(1), Environment: "staging", By: actions, At: s.now})
			t.Rule(fmt.Sprint(github), change.RuleAsked{
				Environment: "staging", SHA: sha(1), Callback: fmt.Sprintf("https://api.github.com/repos/a/b/actions/runs/%d/x", run), Deployment: github, By: carol, At: s.now,
			})
		}
	}
	s.turn(asks(7, 70), asks(8, 80))
	s.turn(s.statusOf(change.Deployment{ID: 80, SHA: sha(1), Environment: "staging", By: actions}, change.DeploymentSuccess, actions))
	s.found(change.DeployedPastPolicy, 1)
	for _, d := range s.state.Tracks["staging"].Deployments {
		if d.GitHub == 80 && d.Phase == Waiting {
			t.Errorf("%s waits, and succeeded", d.ID)
		}
	}
	if a, _, _ := s.state.Answer("80"); a != No {
		t.Errorf("the gate that run 8 went past says %s", a)
	}
	s.opened()
	// What becomes of the run that waits says nothing of the one that went past.
	s.later(time.Hour).opened("70")
	s.turn(s.statusOf(change.Deployment{ID: 70, SHA: sha(1), Environment: "staging", By: actions}, change.DeploymentFailure, actions))
	if c := s.state.Tracks["staging"].Current(); c == nil || c.GitHub != 80 || !c.BypassedPolicy {
		t.Errorf("staging holds %+v", c)
	}
}

// opened holds the protection rules that were told to let their jobs through to their keys.
func (s *scene) opened(want ...string) {
	s.Helper()
	var got []string
	for _, e := range s.all.Effects {
		if e.Kind == AnswerRule && e.Answer == Go {
			got = append(got, e.Ask)
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		s.Fatalf("the gates %v are open, want %v", got, want)
	}
}

func TestWhatGoesPastThePolicyOpensNoGate(t *testing.T) {
	g := change.Deployment{ID: 70, SHA: sha(1), Environment: "production", By: actions}
	begin := func(t *testing.T) *scene {
		s := play(t, Record, change.HighRisk)
		s.env("production").Release = []Slot{{Role: "release-manager", Count: 1}}
		if a := s.gate("run/1/1", "staging", 1, 1); a != Go {
			t.Fatal(a)
		}
		return s.does(bob, 1, "deployed", "staging").is("staging", 1, Verified)
	}
	asks := func(s *scene, key string, run, github int64) *scene {
		return s.turn(func(t *Turn) {
			t.Rule(key, change.RuleAsked{
				Environment: "production", SHA: sha(1), Callback: fmt.Sprintf("https://api.github.com/repos/a/b/actions/runs/%d/x", run), Deployment: github, By: carol, At: s.now,
			})
		})
	}
	t.Run("somebody says that it was deployed", func(t *testing.T) {
		s := asks(begin(t), "70", 7, 70)
		s.does(bob, 1, "deployed", "production").found(change.DeployedPastPolicy, 1)
		if c := s.state.Tracks["production"].Current(); c == nil || c.GitHub == 70 {
			t.Fatalf("production holds %+v", c)
		}
		// Neither is it let through as one that is there already: nobody said that it may be.
		s.waits("production", 1, "/change accept production").opened()
		asks(s, "71", 8, 71).opened()
		s.does(bob, 1, "deploy", "production").opened()
		s.does(merger, 1, "accept", "production", holding("release-manager")).opened("70")
	})
	t.Run("a workflow says so of a job that waits", func(t *testing.T) {
		s := asks(begin(t), "70", 7, 70)
		s.turn(s.statusOf(g, change.DeploymentSuccess, actions)).found(change.DeployedPastPolicy, 1).opened()
		if a, _, _ := s.state.Answer("70"); a != No {
			t.Fatal(a)
		}
	})
	t.Run("a job asks too late", func(t *testing.T) {
		s := begin(t)
		g.By = actions
		status := s.statusOf(g, change.DeploymentInProgress, actions)
		s.turn(func(turn *Turn) { turn.Deployment(g) }, status).later(patience).is("production", 1, Deploying).found(change.DeployedPastPolicy, 1)
		asks(s, "70", 7, 70).opened()
		if a, why, _ := s.state.Answer("70"); a != No || !strings.Contains(why.String(), "ask before all else") {
			t.Fatal(a, why)
		}
		// Another job waits until it is known what became of that one, and for all that it owes itself.
		asks(s, "80", 8, 80).opened()
		if a, why, _ := s.state.Answer("80"); a != NotYet || !strings.Contains(why.String(), "which is under way") {
			t.Fatal(a, why)
		}
		s.turn(s.statusOf(g, change.DeploymentFailure, actions)).waits("production", 1, "/change deploy production").opened()
	})
	t.Run("a job asks too late by itself", func(t *testing.T) {
		s := begin(t)
		s.status++
		st := change.DeploymentStatus{ID: s.status, Deployment: g, State: change.DeploymentInProgress, By: actions, At: s.now, LogURL: "https://github.com/a/b/actions/runs/7/job/3"}
		s.turn(func(turn *Turn) { turn.Status(st) }).later(patience).is("production", 1, Deploying)
		if a := s.gate("run/7/1", "production", 1, 7); a != No {
			t.Fatal(a)
		}
		if a := s.gate("run/8/1", "production", 1, 8); a != NotYet {
			t.Fatal(a)
		}
	})
}
