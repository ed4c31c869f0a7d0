package release

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

const (
	normal    = change.Normal
	high      = change.HighRisk
	emergency = change.Emergency
)

func TestPromotesTheSameCommitOnceItIsVerified(t *testing.T) {
	s := play(t, Create, normal)
	s.env("staging").Verify = Verify{Role: "qa", Checks: []Check{{Name: "smoke", App: "github-actions"}}}
	s.land(1).succeed("staging", 1).is("staging", 1, Watching)
	s.refused("Only somebody in qa may say", bob, 1, "verified", "staging")
	s.does(bob, 1, "verified", "staging", holding("qa")).is("staging", 1, Watching)
	if w := s.at("staging", 1).Waits.For.String(); w != "the check smoke" {
		t.Errorf("it waits for %s", w)
	}
	old := change.Check{Name: "smoke", App: "github-actions", State: change.CheckSuccess, At: s.now.Add(-time.Minute)}
	other := change.Check{Name: "smoke", App: "mallory", State: change.CheckSuccess, At: s.now, Suite: 1}
	s.checks[sha(1)] = []change.Check{old, other}
	if s.later(time.Minute).is("staging", 1, Watching); s.has("production", 1) {
		t.Fatal("it went on with checks that prove nothing")
	}
	s.checks[sha(1)] = append(s.checks[sha(1)], change.Check{Name: "smoke", App: "github-actions", State: change.CheckSuccess, At: s.now, Suite: 2, RunID: 2})
	s.later(time.Minute).is("staging", 1, Verified).is("production", 1, Deploying)
	for _, e := range s.all.Entries {
		if e.Step == "verified" && !slices.Equal(e.Checks, s.checks[sha(1)][2:]) {
			t.Errorf("it was verified by %+v", e.Checks)
		}
	}
}

func TestFailedCheckIsAFailedVerification(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1)
	s.env("production").Verify.Checks = []Check{{Name: "smoke"}}
	s.land(2).verify("staging", 2).succeed("production", 2)
	s.checks[sha(2)] = []change.Check{{Name: "smoke", State: change.CheckFailure, At: s.now.Add(time.Minute)}}
	s.later(time.Minute).is("production", 2, Failed).is("production", 1, Deploying)
	if d := s.at("production", 2); d.Class != FailedVerification || d.UndoneBy != s.at("production", 1).ID {
		t.Fatalf("%+v", d)
	}
}

func TestShipsByHand(t *testing.T) {
	s := play(t, Create, high, normal)
	s.land(1).verify("staging", 1).waits("production", 1, "/change deploy production, because it holds #1 (high-risk)")
	s.land(2).verify("staging", 2).waits("production", 2, "#1 (high-risk)")
	s.does(bob, 2, "deploy", "production").is("production", 2, Deploying).is("production", 1, Waiting)
	s.succeed("production", 2).is("production", 1, Overtaken)
	if d := s.at("production", 2); d.Category != high || !d.High || d.Monitor != 2*time.Hour {
		t.Fatalf("what ships with it is not watched as the riskiest: %+v", d)
	}
}

func TestShipsByHandWhereNothingComesBefore(t *testing.T) {
	only := play(t, Create, high)
	only.rules.Environments = only.rules.Environments[1:]
	only.env("production").After = nil
	only.land(1).waits("production", 1, "/change deploy production, because it holds #1 (high-risk)")

	each := play(t, Create, high)
	each.env("production").After = nil
	each.land(1).waits("staging", 1, "/change deploy staging").waits("production", 1, "/change deploy production")
}

func TestNotDecidedGreenIsSaidEverywhere(t *testing.T) {
	s := play(t, Create, normal)
	s.changes[0].Green = false
	s.land(1).waits("staging", 1, "#1 (not decided green)").does(bob, 1, "deploy", "staging").is("staging", 1, Deploying)
}

func TestReleaseApprovals(t *testing.T) {
	s := play(t, Create, high)
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}, {Role: "qa", Count: 1}}
	s.land(1).verify("staging", 1).does(bob, 1, "deploy", "production").waits("production", 1, "release approval from rm and qa")
	s.refused("contributed to what ships", alice, 1, "accept", "production", holding("rm"))
	s.refused("asked for the deployment", bob, 1, "accept", "production", holding("rm"))
	s.refused("holds none of the roles", carol, 1, "accept", "production")
	s.does(carol, 1, "accept", "production", holding("rm", "qa")).waits("production", 1, "release approval from qa")
	s.refused("already", carol, 1, "accept", "production", holding("rm", "qa"))
	// Carol can be either: with somebody who is rm only she counts as qa.
	s.does(person(13, "dan"), 1, "accept", "production", holding("rm")).is("production", 1, Deploying)
}

func TestWhoSaysDeployLaterCannotHaveAccepted(t *testing.T) {
	s := play(t, Create, high)
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.land(1).verify("staging", 1).does(bob, 1, "accept", "production", holding("rm"))
	s.does(bob, 1, "deploy", "production").waits("production", 1, "release approval from rm")
	s.env("production").Release[0].Count = 2
	s.turn().waits("production", 1, "release approval from 2 people in rm: /change accept production")
}

func TestWhoMergesCannotAcceptWhatThatHasDeployed(t *testing.T) {
	s := play(t, Create, normal)
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.land(1).verify("staging", 1).refused("asked for the deployment by merging", merger, 1, "accept", "production", holding("rm"))
	// Once another asks, the merge does not.
	s.does(bob, 1, "deploy", "production").does(merger, 1, "accept", "production", holding("rm")).is("production", 1, Deploying)
}

func TestSayBeforeItsTimeDoesNotAskForTheDeployment(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Create, normal)
		s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
		return s.land(1).is("staging", 1, Deploying)
	}
	t.Run("a release approval counts later", func(t *testing.T) {
		begin(t).does(carol, 1, "accept", "production", holding("rm")).verify("staging", 1).is("production", 1, Deploying)
	})
	t.Run("whoever merged cannot give it", func(t *testing.T) {
		begin(t).refused("asked for the deployment by merging", merger, 1, "accept", "production", holding("rm"))
	})
	for _, verb := range []command.Verb{command.Override, command.Hold} {
		t.Run(string(verb)+" by another frees nobody who merged", func(t *testing.T) {
			s := begin(t).does(carol, 1, verb, "production")
			if verb == command.Hold {
				s.does(carol, 1, "start", "production")
			}
			s.verify("staging", 1).refused("asked for the deployment by merging", merger, 1, "accept", "production", holding("rm"))
			s.does(bob, 1, "accept", "production", holding("rm")).is("production", 1, Deploying)
		})
	}
	t.Run("nor where it landed so long ago that it is not remembered", func(t *testing.T) {
		s := play(t, Create, normal)
		s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
		landed := func(o *Order) { o.Commit, o.Merger = sha(1), merger }
		s.refused("asked for the deployment by merging", merger, 1, "accept", "production", holding("rm"), landed)
		s.does(carol, 1, "accept", "production", holding("rm"), landed)
		if by := s.at("production", 1).Deployer; by != merger {
			t.Errorf("%s asked for it", by.Login)
		}
	})
	t.Run("start in an environment before frees nobody who merged", func(t *testing.T) {
		s := begin(t).does(carol, 1, "cancel", "staging").does(carol, 1, "start", "staging").verify("staging", 1)
		s.refused("asked for the deployment by merging", merger, 1, "accept", "production", holding("rm"))
		s.does(carol, 1, "accept", "production", holding("rm")).is("production", 1, Deploying)
	})
	t.Run("what others deploy is asked for by the job", func(t *testing.T) {
		s := play(t, Record, normal)
		s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
		s.land(1).gate("run/1/1", "staging", 1, 1)
		s.does(bob, 1, "accept", "production", holding("rm")).does(bob, 1, "deployed", "staging")
		if a := s.gate("run/2/1", "production", 1, 2); a != Go || s.at("production", 1).Deployer != carol {
			t.Fatalf("%s, by %s", a, s.at("production", 1).Deployer.Login)
		}
	})
}

func TestWhoHasItQueuedAgainCannotAccept(t *testing.T) {
	s := play(t, Create, normal)
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.land(1).verify("staging", 1).does(bob, 1, "cancel", "production").does(bob, 1, "start", "production")
	s.refused("asked for the deployment", bob, 1, "accept", "production", holding("rm"))
	s.does(carol, 1, "accept", "production", holding("rm")).is("production", 1, Deploying)
}

func TestWhoseJobAsksCannotAccept(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Record, normal)
		s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
		if a := s.gate("run/1/1", "staging", 1, 1); a != Go {
			t.Fatal(a)
		}
		return s.does(bob, 1, "deployed", "staging")
	}
	asks := func(s *scene, want Answer) {
		s.Helper()
		if a := s.gate("run/2/1", "production", 1, 2); a != want {
			s.Fatalf("the gate says %s, want %s", a, want)
		}
	}
	t.Run("after it asked", func(t *testing.T) {
		s := begin(t)
		asks(s, NotYet)
		s.refused("asked for the deployment", carol, 1, "accept", "production", holding("rm"))
		s.does(bob, 1, "accept", "production", holding("rm"))
		asks(s, Go)
	})
	t.Run("nor before", func(t *testing.T) {
		s := begin(t).does(carol, 1, "accept", "production", holding("rm"))
		asks(s, NotYet)
		s.waits("production", 1, "release approval from rm")
	})
}

func TestReleaseApprovalsAreOfThoseWhoHoldTheRoleStill(t *testing.T) {
	s := play(t, Create, normal)
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.env("production").Hours = weekdays()
	s.now = time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)
	s.land(1).verify("staging", 1).does(carol, 1, "accept", "production", holding("rm")).waits("production", 1, "the hours of production")

	s.holders[carol.ID] = Holder{}
	s.now = time.Date(2026, 3, 3, 9, 0, 0, 0, time.UTC)
	s.turn().waits("production", 1, "release approval from rm")

	s.holders[carol.ID] = Holder{Unread: true}
	s.turn().waits("production", 1, "cannot be read just now")
	if want := s.now.Add(time.Minute); !s.out.Wake.Equal(want) {
		t.Fatalf("it wakes %s, want %s", s.out.Wake, want)
	}
	s.holders[carol.ID] = Holder{Roles: []string{"rm"}}
	s.turn().is("production", 1, Deploying)
}

func weekdays() []Hours {
	return []Hours{{Hours: calendar.Hours{Windows: []calendar.Window{{First: time.Monday, Last: time.Friday, From: 9 * 60, Until: 16 * 60}}}, Place: "line 12 of the policy"}}
}

func TestWaitsForHoursAndWakes(t *testing.T) {
	s := play(t, Create, normal)
	s.env("production").Hours = weekdays()
	s.now = time.Date(2026, 3, 6, 18, 0, 0, 0, time.UTC)
	s.land(1).verify("staging", 1).waits("production", 1, "the hours of production (line 12 of the policy)")
	monday := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
	if got := s.at("production", 1).Waits.Until; !got.Equal(monday) || !s.out.Wake.Equal(monday) {
		t.Fatalf("until %s, wakes %s", got, s.out.Wake)
	}
	s.now = monday
	s.turn().is("production", 1, Deploying)
}

func TestOverridePassesHoursAndFreezes(t *testing.T) {
	s := play(t, Create, normal, emergency, normal)
	s.does(bob, 1, "freeze", "production", func(o *Order) { o.Until = s.now.Add(30 * 24 * time.Hour) })
	s.land(1).verify("staging", 1).waits("production", 1, "the freeze by bob: “because”")
	s.does(bob, 1, "override", "production").verify("production", 1)
	s.land(2).verify("staging", 2).verify("production", 2) // an emergency passes
	s.land(3).verify("staging", 3).waits("production", 3, "the freeze by bob")
	s.does(bob, 3, "thaw", "production").is("production", 3, Deploying)
	s.refused("No command has frozen", bob, 3, "thaw", "production")
}

func TestOverrideIsEvidence(t *testing.T) {
	s := play(t, Create, normal)
	s.does(bob, 1, "freeze", "production", func(o *Order) { o.Until = s.now.Add(time.Hour) })
	s.refused("has not landed", bob, 1, "override", "production")
	s.land(1).is("staging", 1, Deploying)
	if says := s.say(bob, 1, "override", "production").Says.String(); !strings.Contains(says, "1111111 in staging") {
		t.Errorf("what it waits for now is not said: %s", says)
	}
	s.refused("bob did so already", carol, 1, "override", "production").evidence("overridden", "production", bob, "because")
}

func TestFreezeOfThePolicy(t *testing.T) {
	s := play(t, Create, normal, emergency)
	until := s.now.Add(48 * time.Hour)
	s.env("production").Freezes = []Freeze{{Freeze: calendar.Freeze{Name: "year end", From: s.now.Add(-time.Hour), Until: until}, Place: "line 20 of the policy"}}
	s.land(1).verify("staging", 1).waits("production", 1, "year end")
	if got := s.at("production", 1).Waits.Until; !got.Equal(until) || !s.out.Wake.Equal(until) {
		t.Fatalf("until %s, wakes %s", got, s.out.Wake)
	}
	s.land(2).verify("staging", 2).is("production", 2, Deploying)
}

func TestSaidToBeDeployedIsEvidence(t *testing.T) {
	play(t, Record, normal).land(1).does(bob, 1, "deployed", "staging", func(o *Order) { o.Commit = sha(1) }).evidence("said to be deployed", "staging", bob, "")
}

func TestWaitsForTheEnvironmentBefore(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).does(bob, 1, "deploy", "production").waits("production", 1, "the deployment of 1111111 in staging")
	s.report("staging", 1, change.DeploymentFailure)
	// What people want is kept, because they can do something about it.
	s.later(3*time.Hour).waits("production", 1, "1111111 failed in staging: fix it, or try again with /change start staging")
	if says := s.say(bob, 1, "queue", "production").Says.String(); !strings.Contains(says, "1. 1111111 (#1) cannot go: 1111111 failed in staging") {
		t.Error(says)
	}
}

func TestEmergencyPassesForItselfOnly(t *testing.T) {
	s := play(t, Create, high, emergency, emergency)
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.land(1).verify("staging", 1)
	s.land(2).verify("staging", 2).waits("production", 2, "#1 (high-risk); release approval from rm")
	s.does(bob, 2, "deploy", "production").does(carol, 2, "accept", "production", holding("rm")).verify("production", 2)
	s.land(3)
	if s.has("production", 3) {
		t.Fatal("an emergency went past staging")
	}
	s.verify("staging", 3).is("production", 3, Deploying)
}

func TestWaitsForTheDateItIsScheduledFor(t *testing.T) {
	s := play(t, Create, normal)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s.env("production").Hours = []Hours{{Hours: calendar.Hours{Windows: []calendar.Window{{First: time.Monday, Last: time.Sunday, From: 0, Until: 24 * 60}}, Zone: berlin}}}
	s.land(1)
	s.changes[0].Scheduled = time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	s.verify("staging", 1).waits("production", 1, "the date for which #1 is scheduled")
	if got, want := s.at("production", 1).Waits.Until, time.Date(2026, 3, 3, 23, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Fatalf("until %s", got)
	}
	s.now = s.at("production", 1).Waits.Until
	s.turn().is("production", 1, Deploying)
}

func TestIsWatchedUntilSomebodySaysThatItWorks(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1).succeed("production", 1).is("production", 1, Watching)
	s.later(29*time.Minute).refused("has to be watched until 2 March 10:30 UTC", bob, 1, "verified", "production")
	if s.later(time.Minute); len(s.out.Prompts) != 1 || !slices.Contains(s.out.Prompts[0].Of, merger) {
		t.Fatalf("nobody is asked: %+v", s.out.Prompts)
	}
	s.later(2*time.Hour).is("production", 1, Unverified).found(change.NotVerified, 1)
	s.does(bob, 1, "verified", "").is("production", 1, Verified)
	s.refused("Nothing of this pull request waits to be verified", bob, 1, "verified", "")
}

func TestWhoIsAskedLateHasTimeToAnswer(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1).succeed("production", 1).later(10*time.Hour).is("production", 1, Watching).found(change.NotVerified, 0)
	if says := s.out.Prompts[0].Says.String(); !strings.HasSuffix(says, "If nobody says so by 2 March 22:00 UTC, it becomes an exception.") {
		t.Error(says)
	}
	s.later(2*time.Hour).is("production", 1, Unverified).found(change.NotVerified, 1)
}

func TestWhatSucceededEndedThen(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1).succeed("production", 1)
	at := s.now
	s.later(10*time.Minute).report("production", 1, change.DeploymentFailure).is("production", 1, Failed)
	if d := s.at("production", 1); !d.Ended.Equal(at) {
		t.Errorf("it ended %s, want %s", d.Ended, at)
	}
}

func TestNextWaitsWhileHighRiskIsWatched(t *testing.T) {
	s := play(t, Create, high, normal)
	s.land(1).verify("staging", 1).does(bob, 1, "deploy", "production").succeed("production", 1)
	s.land(2).verify("staging", 2).waits("production", 2, "the verification of 1111111 (#1), which is high-risk")
	s.later(2*time.Hour).waits("production", 2, "the verification")
	s.does(bob, 1, "verified", "production").is("production", 2, Deploying)
}

func TestEmergencyWaitsForNoWatch(t *testing.T) {
	s := play(t, Create, high, normal, emergency)
	s.land(1).verify("staging", 1).does(bob, 1, "deploy", "production").succeed("production", 1)
	s.land(2).verify("staging", 2).waits("production", 2, "the verification of 1111111 (#1)")
	s.land(3).verify("staging", 3).is("production", 3, Deploying).is("production", 1, Watching)
}

func TestWhatIsSaidBeforeTheWatchEndsIsTooEarlyWheneverItIsHeard(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1).succeed("production", 1)
	said := s.now.Add(29 * time.Minute)
	s.later(40*time.Minute).refused("had been watched for long enough, at 2 March 10:30 UTC", bob, 1, "verified", "production", func(o *Order) { o.At = said })
	s.does(bob, 1, "verified", "production", func(o *Order) { o.At = said.Add(time.Minute) }).is("production", 1, Verified)
}

func TestRollsBackByItself(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1)
	s.land(2).verify("staging", 2).is("production", 2, Deploying).report("production", 2, change.DeploymentFailure)
	back := s.is("production", 2, Failed).is("production", 1, Deploying).at("production", 1)
	if back.Undoes != s.at("production", 2).ID || back.Class != FailedDeployment {
		t.Fatalf("%+v", back)
	}
	s.succeed("production", 1)
	// What is built on it is not let through without somebody's say.
	s.land(3).verify("staging", 3).waits("production", 3, "#2 (was rolled back there)")
	s.does(bob, 3, "deploy", "production").is("production", 3, Deploying)
}

func TestRollbackThatFailedIsNotRolledBack(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	for n := 1; n <= 2; n++ {
		s.land(n).verify("staging", n).verify("production", n)
	}
	s.land(3).verify("staging", 3).report("production", 3, change.DeploymentFailure).is("production", 2, Deploying)
	s.report("production", 2, change.DeploymentFailure).is("production", 2, Failed).is("production", 1, Verified)
	if r := s.state.Tracks["production"].rollback(); r != nil {
		t.Errorf("%s is on its way", r.Commit)
	}
}

func TestRollsBackToWhatIsOnItsBranchStill(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Create, normal, normal, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		s.land(3).verify("staging", 3)
		s.changes[1].Commit = "another" // the branch was forced
		return s
	}
	t.Run("by itself", func(t *testing.T) {
		s := begin(t).report("production", 3, change.DeploymentFailure).waits("production", 1, "because it goes further back")
		if says := s.out.Prompts[0].Says.String(); !strings.Contains(says, "production goes back to 1111111 (#1) once that was said and accepted: ") {
			t.Error(says)
		}
		s.does(bob, 3, "deploy", "production").is("production", 1, Deploying)
	})
	t.Run("by command", func(t *testing.T) {
		begin(t).does(bob, 3, "rollback", "production").waits("production", 1, "because it goes further back")
	})
}

func TestNothingToRollBackTo(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).verify("staging", 1).report("production", 1, change.DeploymentErrored).is("production", 1, Failed)
	if len(s.all.Prompts) != 1 || !strings.Contains(s.all.Prompts[0].Says.String(), "No earlier version") {
		t.Fatalf("%+v", s.all.Prompts)
	}
	s.refused("No earlier version", bob, 1, "rollback", "production")
	s.does(bob, 1, "start", "production").is("production", 1, Deploying)
}

func TestRollbackByCommand(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	for n := 1; n <= 3; n++ {
		s.land(n).verify("staging", n).verify("production", n)
	}
	s.does(bob, 1, "freeze", "production", func(o *Order) { o.Until = s.now.Add(time.Hour * 24) })
	s.refused("by now", bob, 1, "rollback", "production")
	s.refused("No version that ran", bob, 3, "rollback", "production", func(o *Order) { o.Version = "9999999" })
	s.refused("More than one environment", bob, 3, "rollback", "")
	s.does(bob, 3, "rollback", "production", func(o *Order) { o.Class = Security }).is("production", 3, Failed).is("production", 2, Deploying)
	if d := s.at("production", 3); d.Class != Security || d.Why != "because" {
		t.Fatalf("%+v", d)
	}
	s.refused("on its way", bob, 3, "rollback", "production", func(o *Order) { o.Version = "1111" })
	s.succeed("production", 2)
	// Rolling back the rollback goes neither to what it undid nor to where it went.
	s.does(bob, 3, "rollback", "production").is("production", 1, Deploying).succeed("production", 1)
	s.refused("No earlier version", bob, 3, "rollback", "production")
}

func TestRollbackThatCameToNothingCanBeAskedForAgain(t *testing.T) {
	version := func(n int) func(*Order) { return func(o *Order) { o.Version = string(sha(n)) } }
	for name, first := range map[string][]func(*Order){"that had begun": nil, "that waited": {version(1)}} {
		for how, again := range map[string][]func(*Order){"asked alike": nil, "asked by name": {version(2)}} {
			t.Run(name+", "+how, func(t *testing.T) {
				s := play(t, Create, normal, normal, normal)
				for n := 1; n <= 2; n++ {
					s.land(n).verify("staging", n).verify("production", n)
				}
				s.land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production", first...).does(carol, 3, "cancel", "production")
				row := Standing(&s.state, &s.rules, 3, s.now)[1]
				if says := row.Says.String(); row.Deployment.Commit != sha(3) || row.Phase != Failed || !strings.Contains(says, "its rollback came to nothing") {
					t.Errorf("it stands as %s: %s", row.Phase, says)
				}
				if row := Standing(&s.state, &s.rules, 2, s.now)[1]; row.Phase != Verified {
					t.Errorf("what it was to go back to stands as %s: %s", row.Phase, row.Says)
				}
				s.does(bob, 3, "rollback", "production", again...).is("production", 2, Deploying)
				if r := s.at("production", 2); !slices.Equal(r.TakesOff, []change.Number{3}) {
					t.Errorf("it takes off %v", r.TakesOff)
				}
				s.succeed("production", 2)
				if says := s.say(bob, 3, "queue", "production").Says.String(); !strings.Contains(says, "3333333 (#3) was rolled back") {
					t.Error(says)
				}
			})
		}
	}
}

// A rollback that failed before its version was there has told nothing of that version: it is tried again, and goes no further back unless that is asked for.
func TestRollbackThatFailedIsTriedAgain(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Create, normal, normal, normal, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		return s.land(3).verify("staging", 3)
	}
	version := func(n int) func(*Order) { return func(o *Order) { o.Version = string(sha(n)) } }
	t.Run("asked for alike", func(t *testing.T) {
		s := begin(t).succeed("production", 3).does(bob, 3, "rollback", "production").report("production", 2, change.DeploymentFailure)
		row := Standing(&s.state, &s.rules, 3, s.now)[1]
		if says := row.Says.String(); row.Deployment.Commit != sha(3) || !strings.Contains(says, "its rollback failed (its status on GitHub is failure): ask for it again with /change rollback production") {
			t.Errorf("it stands as %s: %s", row.Phase, says)
		}
		if row := Standing(&s.state, &s.rules, 2, s.now)[1]; row.Phase != Verified {
			t.Errorf("what it was to go back to stands as %s: %s", row.Phase, row.Says)
		}
		s.refused("More than one environment", bob, 3, "rollback", "")
		r := s.say(bob, 3, "rollback", "production")
		if want := "production goes back to 2222222 (#2), from 3333333 (#3), which merle had deployed."; r.Says.String() != want {
			t.Errorf("%s, want %s", r.Says, want)
		}
		if back := s.is("production", 2, Deploying).at("production", 2); !slices.Equal(back.TakesOff, []change.Number{3}) || back.BeforeLastVerified {
			t.Errorf("%+v", back.Rollback)
		}
		s.succeed("production", 2)
		if says := s.say(bob, 3, "queue", "production").Says.String(); !strings.Contains(says, "3333333 (#3) was rolled back") {
			t.Error(says)
		}
	})
	t.Run("by name", func(t *testing.T) {
		s := begin(t).report("production", 3, change.DeploymentFailure).report("production", 2, change.DeploymentFailure)
		s.does(bob, 4, "rollback", "production", version(2)).is("production", 2, Deploying)
	})
	t.Run("and a version before it is older", func(t *testing.T) {
		s := begin(t).report("production", 3, change.DeploymentFailure).report("production", 2, change.DeploymentFailure)
		s.does(bob, 3, "rollback", "production", version(1)).waits("production", 1, "goes further back")
	})
	t.Run("and to what goes further back it does", func(t *testing.T) {
		s := begin(t).succeed("production", 3)
		for range 2 { // it failed on its way, and not there
			s.does(bob, 3, "rollback", "production", version(1)).waits("production", 1, "because it goes further back")
			s.does(carol, 3, "deploy", "production").report("production", 1, change.DeploymentFailure)
		}
	})
	t.Run("without what was left before the version", func(t *testing.T) {
		s := play(t, Create, normal, normal, normal, normal)
		s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
		left := s.does(bob, 2, "rollback", "production").report("production", 1, change.DeploymentFailure).at("production", 1).ID
		s.land(3).verify("staging", 3).does(bob, 3, "deploy", "production").verify("production", 3)
		s.land(4).verify("staging", 4).succeed("production", 4).does(bob, 4, "rollback", "production").is("production", 3, Deploying)
		if by := s.at("production", 2).UndoneBy; by != left {
			t.Errorf("it is rolled back by %s", by)
		}
	})
	t.Run("from what came since", func(t *testing.T) {
		s := begin(t).report("production", 3, change.DeploymentFailure).report("production", 2, change.DeploymentFailure)
		s.land(4).verify("staging", 4).does(bob, 4, "deploy", "production").report("production", 4, change.DeploymentFailure).is("production", 2, Deploying)
	})
	t.Run("but not what ran again and did not work", func(t *testing.T) {
		s := begin(t).report("production", 3, change.DeploymentFailure).succeed("production", 2).report("production", 2, change.DeploymentFailure)
		s.does(bob, 3, "rollback", "production").is("production", 1, Deploying)
	})
}

// Whatever deploys a rollback is not stopped by cancelling it: what it does in the end is a rollback all the same, past the policy.
func TestRollbackThatSucceedsLateIsARollback(t *testing.T) {
	for how, give := range map[string]func(*scene){
		"after it was cancelled": func(s *scene) { s.does(carol, 3, "cancel", "production") },
		"after it failed":        func(s *scene) { s.report("production", 2, change.DeploymentFailure) },
	} {
		t.Run(how, func(t *testing.T) {
			s := play(t, Create, normal, normal, normal, normal)
			for n := 1; n <= 2; n++ {
				s.land(n).verify("staging", n).verify("production", n)
			}
			s.land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production", func(o *Order) { o.Class = Security })
			give(s)
			was := s.at("production", 2)
			s.all.Prompts, s.all.Exceptions = nil, nil
			s.report("production", 2, change.DeploymentSuccess).is("production", 2, Watching).found(change.DeployedPastPolicy, 1)
			back := s.at("production", 2)
			if back.ID == was.ID || back.Undoes != was.Undoes || !slices.Equal(back.TakesOff, []change.Number{3}) || back.AskedOn != 3 || back.Class != Security || back.Why != "because" {
				t.Errorf("%+v", back)
			}
			s.told(3, map[string]string{
				"after it was cancelled": "bob: the rollback to 2222222 (#2) was cancelled, and was carried out in production all the same. It takes back 3333333 (#3), which merle had deployed.",
				"after it failed":        "bob: the rollback to 2222222 (#2) failed, and was carried out in production all the same. It takes back 3333333 (#3), which merle had deployed.",
			}[how], merger, bob)
			if by := s.at("production", 3).UndoneBy; by != back.ID {
				t.Errorf("it is rolled back by %s", by)
			}
			if what := s.all.Exceptions[0].What.String(); !strings.HasPrefix(what, "the rollback to 2222222 (#2) was carried out in production past the policy, by which it cannot go: it ") {
				t.Error(what)
			}
			if row := Standing(&s.state, &s.rules, 3, s.now)[1]; row.Deployment.ID != back.ID || row.Phase != Watching {
				t.Errorf("it stands as %s: %s", row.Phase, row.Says)
			}
			if says := s.say(bob, 3, "queue", "production").Says.String(); !strings.Contains(says, "3333333 (#3) was rolled back") {
				t.Error(says)
			}
			s.later(back.Monitor).does(bob, 3, "verified", "production").is("production", 2, Verified)
			s.does(carol, 3, "start", "production").is("production", 3, Deploying)
		})
	}
	t.Run("after the next came", func(t *testing.T) {
		s := play(t, Create, normal, normal, normal)
		s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
		s.does(bob, 2, "rollback", "production").does(carol, 2, "cancel", "production")
		s.land(3).verify("staging", 3).does(carol, 3, "deploy", "production").verify("production", 3)
		s.all.Prompts = nil
		s.report("production", 1, change.DeploymentSuccess)
		s.told(2, "bob: the rollback to 1111111 (#1) was cancelled, and was carried out in production all the same. "+
			"It takes back 3333333 (#3), which merle had deployed, and 2222222 (#2), which merle had deployed.", merger, bob)
		if r := s.is("production", 1, Watching).at("production", 1); !slices.Equal(r.TakesOff, []change.Number{2, 3}) {
			t.Errorf("it takes off %v", r.TakesOff)
		}
		s.does(carol, 3, "start", "production").is("production", 3, Deploying)
	})
	t.Run("after another did the same", func(t *testing.T) {
		s := play(t, Create, normal, normal)
		s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
		first := s.does(bob, 2, "rollback", "production").does(carol, 2, "cancel", "production").at("production", 1)
		second := s.does(bob, 2, "rollback", "production").succeed("production", 1).at("production", 1)
		s.all.Prompts = nil
		g := change.Deployment{ID: first.GitHub, SHA: sha(1), Environment: "production", By: actions}
		s.turn(s.statusOf(g, change.DeploymentSuccess, actions)).is("production", 1, Watching).found(change.DeployedPastPolicy, 1)
		if by := s.at("production", 2).UndoneBy; len(s.all.Prompts) > 0 || by != second.ID {
			t.Errorf("it is rolled back by %s, and told: %+v", by, s.all.Prompts)
		}
	})
	t.Run("after another went further back", func(t *testing.T) {
		s := play(t, Create, normal, normal, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		s.land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production").does(carol, 3, "cancel", "production")
		s.does(bob, 3, "rollback", "production", func(o *Order) { o.Version = string(sha(1)) }).does(carol, 3, "deploy", "production").succeed("production", 1)
		s.all.Prompts = nil
		s.report("production", 2, change.DeploymentSuccess)
		s.told(3, "bob: the rollback to 2222222 (#2) was cancelled, and was carried out in production all the same. It takes back 1111111 (#1).", bob)
	})
	t.Run("while another is to go further back", func(t *testing.T) {
		version := func(o *Order) { o.Version = string(sha(1)) }
		for how, go1 := range map[string]func(*scene){"and waits": func(*scene) {}, "and is under way": func(s *scene) { s.does(carol, 4, "deploy", "production") }} {
			s := play(t, Create, normal, normal, normal, normal)
			for n := 1; n <= 2; n++ {
				s.land(n).verify("staging", n).verify("production", n)
			}
			for n := 3; n <= 4; n++ {
				s.land(n).verify("staging", n).succeed("production", n)
			}
			s.does(bob, 4, "rollback", "production").does(carol, 4, "cancel", "production").does(bob, 4, "rollback", "production", version)
			go1(s)
			s.report("production", 2, change.DeploymentSuccess)
			back := s.is("production", 2, Watching).at("production", 2)
			if a, b := s.at("production", 3).UndoneBy, s.at("production", 4).UndoneBy; a != back.ID || b != back.ID || !slices.Equal(back.TakesOff, []change.Number{3, 4}) {
				t.Errorf("%s: they are rolled back by %s and %s, and %s takes off %v", how, a, b, back.ID, back.TakesOff)
			}
		}
	})
	t.Run("of one that went further back", func(t *testing.T) {
		s := play(t, Create, normal, normal, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		s.land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production", func(o *Order) { o.Version = string(sha(1)) })
		s.does(carol, 3, "deploy", "production").does(carol, 3, "cancel", "production").report("production", 1, change.DeploymentSuccess)
		if back := s.is("production", 1, Watching).at("production", 1); !back.BeforeLastVerified {
			t.Errorf("%+v", back.Rollback)
		}
	})
	t.Run("but not one that had succeeded", func(t *testing.T) {
		s := play(t, Create, normal, normal, normal)
		s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
		back := s.does(bob, 2, "rollback", "production").succeed("production", 1).at("production", 1)
		s.land(3).verify("staging", 3).does(carol, 3, "deploy", "production").succeed("production", 3).later(time.Minute)
		g := change.Deployment{ID: back.GitHub, SHA: sha(1), Environment: "production", By: actions}
		s.turn(s.statusOf(g, change.DeploymentSuccess, actions)).found(change.DeployedPastPolicy, 1)
		if d := s.is("production", 1, Watching).at("production", 1); d.ID == back.ID || d.Undoes != "" {
			t.Errorf("%+v", d)
		}
	})
}

// A rollback that was asked for again is carried out by whatever does so first: what the first one began is not past the policy then, and nothing is left
// to be waited for.
func TestRollbackAskedForAgainIsCarriedOutByTheFirst(t *testing.T) {
	late := func(s *scene, first *Deployment, state change.DeploymentState) {
		s.turn(s.statusOf(change.Deployment{ID: first.IDs()[0], SHA: first.Commit, Environment: "production", By: actions}, state, actions))
	}
	t.Run("under way", func(t *testing.T) {
		s := play(t, Create, normal, normal)
		s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
		s.does(bob, 2, "rollback", "production").does(carol, 2, "cancel", "production")
		first := s.at("production", 1)
		s.does(bob, 2, "rollback", "production")
		back := s.is("production", 1, Deploying).at("production", 1)
		late(s, first, change.DeploymentSuccess)
		s.report("production", 1, change.DeploymentSuccess).is("production", 1, Watching).found(change.DeployedPastPolicy, 0)
		if now := s.at("production", 1); now.ID != back.ID || !slices.Equal(now.IDs(), []int64{back.GitHub, first.GitHub}) {
			t.Errorf("%s stands as %v, want %s", now.ID, now.IDs(), back.ID)
		}
		late(s, first, change.DeploymentFailure)
		s.is("production", 1, Failed)
	})
	t.Run("waiting for a job", func(t *testing.T) {
		s := play(t, Record, normal, normal)
		run := func(env string, n int) {
			job := int64(10*n + len(env))
			s.gate(env+string(sha(n)), env, n, job)
			s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: job, Attempt: 1, Conclusion: "success", At: s.now}) })
		}
		run("staging", 1)
		run("production", 1)
		s.later(30*time.Minute).does(bob, 1, "verified", "production")
		run("staging", 2)
		run("production", 2)
		s.does(bob, 2, "rollback", "production")
		g := change.Deployment{ID: 900, SHA: sha(1), Environment: "production", By: actions}
		s.turn(s.statusOf(g, change.DeploymentInProgress, actions)).is("production", 1, Deploying)
		first := s.does(carol, 2, "cancel", "production").at("production", 1)
		s.does(bob, 2, "rollback", "production").is("production", 1, Waiting)
		late(s, first, change.DeploymentSuccess)
		s.is("production", 1, Watching).found(change.DeployedPastPolicy, 0)
		if says := s.say(bob, 2, "queue", "production").Says.String(); !strings.HasSuffix(says, "2222222 (#2) was rolled back 2 March 10:30 UTC: “because”\nnothing waits") {
			t.Error(says)
		}
	})
}

// What the first rollback began may have succeeded before that came which the second is to take off: it is this that is there, whenever it is told.
func TestRollbackAskedForAgainIsNotCarriedOutByThePast(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).succeed("production", 2)
	first := s.does(bob, 2, "rollback", "production").does(carol, 2, "cancel", "production").at("production", 1)
	past := s.statusOf(change.Deployment{ID: first.GitHub, SHA: sha(1), Environment: "production", By: actions}, change.DeploymentSuccess, actions)
	s.later(time.Minute).land(3).verify("staging", 3).does(carol, 3, "deploy", "production").succeed("production", 3)
	s.does(bob, 3, "rollback", "production").is("production", 1, Deploying).turn(past).found(change.DeployedPastPolicy, 1)
	if c := s.state.Tracks["production"].Current(); c.Commit != sha(3) {
		t.Errorf("it holds %s", c.Commit)
	}
	s.later(time.Minute).report("production", 1, change.DeploymentSuccess)
	if c := s.state.Tracks["production"].Current(); c.Commit != sha(1) {
		t.Errorf("after the rollback it holds %s", c.Commit)
	}
}

// What is being deployed is not stopped by asking for its rollback: it is there, as the policy had let it, until the rollback is done.
func TestSuccessWhileARollbackIsOnItsWayIsInPassing(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Create, normal, normal, normal)
		return s.land(1).verify("staging", 1).verify("production", 1).land(2).verify("staging", 2).report("production", 2, change.DeploymentInProgress)
	}
	t.Run("asked for by somebody", func(t *testing.T) {
		s := begin(t).does(bob, 2, "rollback", "production").report("production", 2, change.DeploymentSuccess)
		s.is("production", 2, Failed).is("production", 1, Deploying)
		if says := s.say(bob, 2, "queue", "production").Says.String(); !strings.HasPrefix(says, "production holds 2222222 (#2), since 2 March 10:30 UTC, found not to work") {
			t.Error(says)
		}
		if row := Standing(&s.state, &s.rules, 2, s.now)[1]; row.Phase != Deploying || row.Deployment.Commit != sha(1) {
			t.Errorf("it stands as %s: %s", row.Phase, row.Says)
		}
		s.succeed("production", 1).found(change.DeployedPastPolicy, 0)
		if back := s.at("production", 1); !slices.Equal(back.TakesOff, []change.Number{2}) || s.at("production", 2).UndoneBy != back.ID {
			t.Errorf("%+v", back.Rollback)
		}
		s.does(carol, 2, "start", "production").is("production", 2, Deploying)
	})
	t.Run("and is given up", func(t *testing.T) {
		s := begin(t).does(bob, 2, "rollback", "production").report("production", 2, change.DeploymentSuccess).does(carol, 2, "cancel", "production")
		s.does(bob, 2, "rollback", "production").is("production", 1, Deploying).found(change.DeployedPastPolicy, 0)
	})
	t.Run("because nothing was heard of it", func(t *testing.T) {
		s := begin(t).later(2*time.Hour).is("production", 1, Deploying)
		s.report("production", 2, change.DeploymentSuccess).is("production", 1, Deploying).found(change.DeployedPastPolicy, 0)
	})
	t.Run("run again after it had failed", func(t *testing.T) {
		s := begin(t).report("production", 2, change.DeploymentFailure).is("production", 1, Deploying)
		s.report("production", 2, change.DeploymentSuccess).is("production", 1, Cancelled).found(change.DeployedPastPolicy, 1)
	})
	again := func(s *scene) {
		s.Helper()
		s.report("production", 2, change.DeploymentInProgress).report("production", 2, change.DeploymentSuccess).is("production", 2, Watching).found(change.DeployedPastPolicy, 1)
	}
	t.Run("seen to run again after it had failed", func(t *testing.T) {
		again(begin(t).report("production", 2, change.DeploymentFailure).is("production", 1, Deploying))
	})
	t.Run("seen to run again after it failed on the way", func(t *testing.T) {
		again(begin(t).does(bob, 2, "rollback", "production").report("production", 2, change.DeploymentFailure))
	})
	t.Run("seen to run again after its workflow run had failed", func(t *testing.T) {
		s := begin(t)
		s.at("production", 2).LogURL = "https://github.com/octo/shop/actions/runs/77/job/1"
		s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 77, Attempt: 1, Conclusion: "failure", At: s.now}) }).is("production", 1, Deploying)
		again(s)
	})
	t.Run("as far as an earlier version of ours kept it", func(t *testing.T) {
		s := begin(t).report("production", 2, change.DeploymentFailure)
		s.at("production", 2).Each = nil
		s.report("production", 2, change.DeploymentSuccess).found(change.DeployedPastPolicy, 1)
	})
	// The two workflows ran side by side, and what GitHub told of them came in another order than it happened.
	late := func(s *scene, n int) func(*Turn) {
		d := s.at("production", n)
		success := s.statusOf(change.Deployment{ID: d.GitHub, SHA: d.Commit, Environment: "production", By: actions}, change.DeploymentSuccess, actions)
		s.later(time.Minute)
		return success
	}
	t.Run("after the rollback, which is told late", func(t *testing.T) {
		s := begin(t).does(bob, 2, "rollback", "production")
		back := late(s, 1)
		s.report("production", 2, change.DeploymentSuccess).found(change.DeployedPastPolicy, 0)
		s.turn(back).is("production", 2, Watching).found(change.DeployedPastPolicy, 1)
		if c := s.state.Tracks["production"].Current(); c.Commit != sha(2) {
			t.Errorf("it holds %s", c.Commit)
		}
		s.does(bob, 2, "rollback", "production").is("production", 1, Deploying)
	})
	t.Run("before the rollback, and told late", func(t *testing.T) {
		s := begin(t).does(bob, 2, "rollback", "production")
		passing := late(s, 2)
		s.succeed("production", 1).turn(passing).is("production", 2, Failed).is("production", 1, Watching).found(change.DeployedPastPolicy, 0)
	})
	t.Run("done already", func(t *testing.T) {
		s := begin(t).does(bob, 2, "rollback", "production").succeed("production", 1)
		s.report("production", 2, change.DeploymentSuccess).is("production", 2, Watching).found(change.DeployedPastPolicy, 1)
	})
}

// Of several that a rollback was to take off, only what the environment was left with can be rolled back by a command without a version.
func TestOnlyTheLastIsToldToBeRolledBackAgain(t *testing.T) {
	s := play(t, Create, normal, normal, normal, normal)
	for n := 1; n <= 2; n++ {
		s.land(n).verify("staging", n).verify("production", n)
	}
	for n := 3; n <= 4; n++ {
		s.land(n).verify("staging", n).succeed("production", n)
	}
	s.does(bob, 4, "rollback", "production").does(carol, 4, "cancel", "production")
	for n := change.Number(3); n <= 4; n++ {
		row := Standing(&s.state, &s.rules, n, s.now)[1]
		asks := strings.Contains(row.Says.String(), "ask for it again with /change rollback production")
		if row.Phase != Failed || asks != (n == 4) {
			t.Errorf("#%d stands as %s: %s", n, row.Phase, row.Says)
		}
	}
	s.refused("production holds 4444444 (#4) by now", bob, 3, "rollback", "production")
	s.does(bob, 4, "rollback", "production")
	for n := 3; n <= 4; n++ {
		if by := s.at("production", n).UndoneBy; by != s.at("production", 2).ID {
			t.Errorf("#%d is rolled back by %s", n, by)
		}
	}
}

// A rollback that came to nothing is all that tells of an environment to a pull request which never went there: its comment would say for ever that the
// rollback is under way.
func TestRollbackThatCameToNothingIsToldWhereItWasAskedFor(t *testing.T) {
	s := play(t, Create, normal, normal, normal, normal)
	for n := 1; n <= 3; n++ {
		s.land(n).verify("staging", n).verify("production", n)
	}
	s.land(4).does(bob, 4, "rollback", "production", func(o *Order) { o.Version = string(sha(2)) }).does(carol, 4, "cancel", "production")
	row := Standing(&s.state, &s.rules, 4, s.now)[1]
	if says := row.Says.String(); row.Deployment.Commit != sha(2) || row.Phase != Cancelled || says != `because: ask for it again with /change rollback production 2222222 "what went wrong"` {
		t.Errorf("it stands as %s: %s", row.Phase, says)
	}
	s.does(bob, 4, "rollback", "production", func(o *Order) { o.Version = string(sha(2)) }).report("production", 2, change.DeploymentFailure)
	row = Standing(&s.state, &s.rules, 4, s.now)[1]
	if says := row.Says.String(); says != `its status on GitHub is failure: ask for it again with /change rollback production 2222222 "what went wrong"` {
		t.Errorf("it stands as %s: %s", row.Phase, says)
	}
	s.does(bob, 3, "rollback", "production", func(o *Order) { o.Version = string(sha(2)) }).succeed("production", 2)
	if row := Standing(&s.state, &s.rules, 4, s.now)[1]; strings.Contains(row.Says.String(), "ask for it again") {
		t.Errorf("it was done since, and stands as %s: %s", row.Phase, row.Says)
	}
}

// What was cancelled says how it is begun again, where it is not there by now, and of what came with another on whose pull request.
func TestCancelledSaysHowToStartItAgain(t *testing.T) {
	says := func(s *scene, n, of int, want string) {
		t.Helper()
		if got := Standing(&s.state, &s.rules, change.Number(n), s.now)[of].Says.String(); got != want {
			t.Errorf("#%d: %q, want %q", n, got, want)
		}
	}
	s := play(t, Create, normal, normal, normal)
	s.land(1).does(carol, 1, "cancel", "staging")
	says(s, 1, 0, "because: try it again with /change start staging")
	s.does(carol, 1, "start", "staging").verify("staging", 1).verify("production", 1)
	s.land(2).report("staging", 2, change.DeploymentFailure).land(3).verify("staging", 3).is("production", 3, Deploying).does(carol, 3, "cancel", "production")
	says(s, 2, 1, "because: try it again with /change start production on #3")
	says(s, 3, 1, "because: try it again with /change start production")
	s.does(carol, 3, "start", "production").does(carol, 3, "cancel", "production").report("production", 3, change.DeploymentSuccess)
	s.does(bob, 3, "rollback", "production").succeed("production", 1).does(carol, 3, "start", "production").does(carol, 3, "cancel", "production")
	says(s, 3, 1, "because: try it again with /change start production")
	s = play(t, Record, normal)
	s.gate("first", "staging", 1, 1)
	s.does(carol, 1, "cancel", "staging")
	says(s, 1, 0, "because: have it deployed again")
	s.gate("second", "staging", 1, 2)
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 2, Attempt: 1, Conclusion: "success", At: s.now}) })
	s.gate("third", "staging", 1, 3)
	s.does(carol, 1, "cancel", "staging")
	says(s, 1, 0, "because")
}

func TestRollbackNamesWhatItTakesOff(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Create, normal, normal, normal, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		s.land(3).does(bob, 3, "hold", "production").verify("staging", 3)
		return s.land(4).verify("staging", 4).succeed("production", 4)
	}
	back := func(s *scene, on int, to string, want ...change.Number) *scene {
		s.Helper()
		s.does(bob, on, "rollback", "production", func(o *Order) { o.Version = to })
		r := s.state.Tracks["production"].rollback()
		if !slices.Equal(r.TakesOff, want) {
			s.Errorf("back to %s it takes off %v, want %v", r.Commit, r.TakesOff, want)
		}
		for _, e := range s.all.Entries {
			if e.Deployment.ID == r.ID && !slices.Equal(e.Deployment.TakesOff, want) {
				s.Errorf("%s names %v", e.Step, e.Deployment.TakesOff)
			}
		}
		if r.Phase == Waiting {
			s.does(carol, on, "deploy", "production")
		}
		return s.succeed("production", int(r.Number))
	}
	t.Run("what came with another", func(t *testing.T) { back(begin(t), 4, "", 3, 4) })
	t.Run("and only what is there still", func(t *testing.T) { back(back(begin(t), 4, "", 3, 4), 4, "", 2) })
	t.Run("what was verified since too", func(t *testing.T) { back(begin(t), 4, string(sha(1)), 2, 3, 4) })
	t.Run("nothing that comes back", func(t *testing.T) { back(back(begin(t), 4, "", 3, 4), 4, string(sha(4))) })
}

func TestWhatWentWithARollbackComesBackByHand(t *testing.T) {
	s := play(t, Record, normal, normal, normal)
	ships := func(n int, env string) {
		s.Helper()
		if a := s.gate(fmt.Sprint(env, n), env, n, 0); a != Go {
			t.Fatalf("%d to %s: %s", n, env, a)
		}
		s.does(bob, n, "deployed", env)
	}
	for n := 1; n <= 3; n++ {
		s.land(n)
		ships(n, "staging")
		ships(n, "production")
		s.later(30*time.Minute).does(bob, n, "verified", "production")
	}
	s.does(bob, 3, "rollback", "production", func(o *Order) { o.Version = string(sha(1)) }).does(carol, 3, "deploy", "production")
	s.gate("back", "production", 1, 0)
	s.does(bob, 3, "deployed", "production").is("production", 1, Watching)
	if rows := Standing(&s.state, &s.rules, 2, s.now); rows[1].Deployment.Commit != sha(1) {
		t.Errorf("of what was taken off it is said: %s %s", rows[1].Phase, rows[1].Says)
	}
	if a := s.gate("again", "production", 2, 0); a != NotYet {
		t.Fatalf("what was taken off may come back: %s", a)
	}
	s.waits("production", 2, "#2 (was rolled back there)")

	// Nor does what was there before them bring them back, when it is deployed once more.
	if a := s.gate("once more", "production", 1, 0); a != Go {
		t.Fatalf("what was gone back to: %s", a)
	}
	s.does(bob, 1, "deployed", "production").turn().waits("production", 2, "#2 (was rolled back there)")
}

// TestStartBringsBackWhatBegan has one command bring back what was let through once and is not there: whoever gives it says that it may go, too. What
// people never let go waits for that as before.
func TestStartBringsBackWhatBegan(t *testing.T) {
	version := func(n int) func(*Order) { return func(o *Order) { o.Version = string(sha(n)) } }
	begin := func(t *testing.T, third change.Category) *scene {
		s := play(t, Create, normal, normal, third, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		return s
	}
	t.Run("rolled back", func(t *testing.T) {
		s := begin(t, normal).land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production").succeed("production", 2)
		s.refused("3333333 (#3) was rolled back in production. To bring it back: /change start production.", carol, 3, "deploy", "production")
		s.does(carol, 3, "start", "production").is("production", 3, Deploying)
		if say := s.at("production", 3).GoAhead; say == nil || say.By != carol {
			t.Errorf("%+v", say)
		}
	})
	t.Run("taken off though it was verified", func(t *testing.T) {
		s := begin(t, normal).land(3).verify("staging", 3).verify("production", 3)
		s.does(bob, 3, "rollback", "production", version(1)).does(carol, 3, "deploy", "production").succeed("production", 1)
		s.does(carol, 2, "start", "production").is("production", 2, Deploying)
	})
	t.Run("overtaken by what was rolled back", func(t *testing.T) {
		s := begin(t, normal).land(3).does(bob, 3, "hold", "production").verify("staging", 3).land(4).verify("staging", 4).succeed("production", 4).is("production", 3, Overtaken)
		s.refused("3333333 is contained in 4444444 (#4), which is in production.", carol, 3, "start", "production")
		s.does(bob, 4, "rollback", "production").succeed("production", 2)
		s.does(carol, 3, "start", "production").is("production", 3, Deploying)
	})
	t.Run("failed by hand", func(t *testing.T) {
		s := begin(t, high).land(3).verify("staging", 3)
		s.env("production").RollBack = false
		s.does(carol, 3, "deploy", "production").report("production", 3, change.DeploymentFailure)
		s.does(carol, 3, "start", "production").is("production", 3, Deploying)
	})
	t.Run("never let go", func(t *testing.T) {
		s := begin(t, high).land(3).verify("staging", 3).does(carol, 3, "cancel", "production")
		s.does(carol, 3, "start", "production").waits("production", 3, "because it holds #3 (high-risk)")
	})
	t.Run("went past the policy", func(t *testing.T) {
		s := begin(t, high)
		s.env("production").RollBack = false
		g := change.Deployment{ID: 900, SHA: sha(3), Environment: "production", By: actions}
		s.land(3).verify("staging", 3).turn(s.statusOf(g, change.DeploymentSuccess, actions)).turn(s.statusOf(g, change.DeploymentFailure, actions))
		s.found(change.DeployedPastPolicy, 1).does(carol, 3, "start", "production").waits("production", 3, "because it holds #3 (high-risk)")
	})
	t.Run("gone though its rollback failed", func(t *testing.T) {
		s := begin(t, normal).land(3).verify("staging", 3).succeed("production", 3).report("production", 3, change.DeploymentFailure).report("production", 2, change.DeploymentFailure)
		goes := `2222222 (#2) is what production goes back to from 3333333 (#3), which is there and was found not to work: /change rollback production 2222222 "what went wrong".`
		s.refused(goes, carol, 2, "start", "production").refused(goes, carol, 2, "deploy", "production")
		s.does(bob, 2, "rollback", "production", version(2)).is("production", 2, Deploying)
	})
	t.Run("gone while a rollback goes further back", func(t *testing.T) {
		s := begin(t, normal).land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production", version(1))
		on := "production goes back to 1111111 (#1) just now. Once that has ended, say it again."
		s.refused(on, carol, 2, "start", "production").refused(on, carol, 2, "deploy", "production")
		s.does(carol, 3, "deploy", "production").succeed("production", 1).does(carol, 2, "start", "production")
	})
	t.Run("there though its rollback failed", func(t *testing.T) {
		s := begin(t, normal).land(3).verify("staging", 3).report("production", 3, change.DeploymentFailure).report("production", 2, change.DeploymentFailure)
		s.refused("2222222 is in production already.", carol, 2, "start", "production")
	})
}

func TestOlderVersionNeedsWhatHighRiskNeeds(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	for n := 1; n <= 3; n++ {
		s.land(n).verify("staging", n).verify("production", n)
	}
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.does(bob, 3, "rollback", "production", func(o *Order) { o.Version = "1111" })
	s.waits("production", 1, "/change deploy production, because it goes further back")
	s.does(carol, 3, "deploy", "production").waits("production", 1, "release approval from rm")
	s.refused("asked for", bob, 3, "accept", "production", holding("rm"))
	s.does(person(13, "dan"), 3, "accept", "production", holding("rm")).is("production", 1, Deploying)
}

// A version that is named can be one that was taken off, or failed: whoever is to say that it may go has to know.
func TestRollbackToWhatDidNotWorkSaysSo(t *testing.T) {
	version := func(n int) func(*Order) { return func(o *Order) { o.Version = string(sha(n)) } }
	begin := func(t *testing.T) *scene {
		s := play(t, Create, normal, normal, normal)
		for n := 1; n <= 2; n++ {
			s.land(n).verify("staging", n).verify("production", n)
		}
		return s.land(3).verify("staging", 3).succeed("production", 3).does(bob, 3, "rollback", "production").succeed("production", 2)
	}
	t.Run("was rolled back", func(t *testing.T) {
		begin(t).does(bob, 3, "rollback", "production", version(3)).waits("production", 3, "/change deploy production, because it was rolled back there")
	})
	t.Run("failed", func(t *testing.T) {
		s := begin(t).report("production", 2, change.DeploymentFailure)
		s.does(bob, 3, "rollback", "production", version(2)).waits("production", 2, "/change deploy production, because it failed there")
	})
}

func TestRollbackInRecordModeWaitsForAJob(t *testing.T) {
	s := play(t, Record, normal, normal)
	for n := 1; n <= 2; n++ {
		s.land(n).does(bob, n, "deployed", "staging").does(bob, n, "deployed", "production").later(30 * time.Minute)
		s.does(bob, n, "verified", "production")
	}
	s.found(change.DeployedPastPolicy, 0)
	s.does(bob, 2, "rollback", "production").is("production", 1, Waiting)
	if len(s.out.Prompts) != 1 {
		t.Fatalf("%+v", s.out.Prompts)
	}
	if a := s.gate("k", "production", 1, 5); a != Go {
		t.Fatalf("the gate says %s: %s", a, s.at("production", 1).Waits.For)
	}
	s.is("production", 1, Deploying).turn(func(t *Turn) { t.Run(change.RunEnded{Run: 5, Attempt: 1, Conclusion: "success", At: s.now}) }).is("production", 1, Watching)
	for _, e := range s.all.Effects {
		if e.Kind == CreateDeployment && e.Task != TaskRecord {
			t.Fatalf("the team's automation is started: %+v", e)
		}
	}
}

func TestWhatShipsAgain(t *testing.T) {
	begin := func(t *testing.T) *scene {
		s := play(t, Record, normal, high).land(1).land(2)
		for n := 1; n <= 2; n++ {
			if a := s.gate(fmt.Sprint("run/", n, "/1"), "staging", n, int64(n)); a != Go {
				t.Fatal(a)
			}
			s.does(bob, n, "deployed", "staging")
		}
		return s.does(bob, 1, "deployed", "production")
	}
	t.Run("is watched as it was", func(t *testing.T) {
		s := begin(t)
		if a := s.gate("run/3/1", "production", 1, 3); a != Go {
			t.Fatal(a)
		}
		if d := s.at("production", 1); d.Category != normal || d.High || d.Monitor != 30*time.Minute {
			t.Errorf("%s, high %t, watched for %s", d.Category, d.High, d.Monitor)
		}
	})
	t.Run("after it went past the policy needs what it owed", func(t *testing.T) {
		s := begin(t).does(bob, 2, "deployed", "production").found(change.DeployedPastPolicy, 1)
		if d := s.at("production", 2); d.From != sha(1) {
			t.Errorf("before it was %q", d.From)
		}
		if a := s.gate("run/3/1", "production", 2, 3); a != NotYet {
			t.Fatal(a)
		}
		s.waits("production", 2, "because it holds #2 (high-risk)").does(bob, 2, "deploy", "production")
		if a := s.gate("run/3/1", "production", 2, 3); a != Go {
			t.Fatal(a)
		}
		if d := s.at("production", 2); len(d.Changes) != 1 || d.Changes[0].Number != 2 {
			t.Errorf("%+v ship with it", d.Changes)
		}
	})
}

func TestOneAtATimeInOrder(t *testing.T) {
	s := play(t, Create, normal, normal, normal, normal)
	for n := 1; n <= 4; n++ {
		s.land(n)
	}
	s.is("staging", 1, Deploying).waits("staging", 2, "under way").waits("staging", 3, "under way")
	if s.at("staging", 2).Waits.Place != 1 || s.at("staging", 4).Waits.Place != 3 {
		t.Fatal("the places are wrong")
	}
	s.report("staging", 1, change.DeploymentFailure).is("staging", 1, Failed).is("staging", 2, Deploying)
	if r := s.say(bob, 2, "cancel", "staging"); r.Says.String() != "Other deployments no longer wait for it. Whatever is deploying it is not stopped by this." {
		t.Fatal(r.Says)
	}
	s.is("staging", 2, Cancelled).is("staging", 3, Deploying)
	s.later(2*time.Hour).is("staging", 3, Failed).is("staging", 4, Deploying)
	if d := s.at("staging", 3); d.Shown != change.DeploymentErrored {
		t.Fatalf("what timed out shows %s", d.Shown)
	}
	if s.has("production", 1) {
		t.Fatal("what failed in staging went on")
	}
}

func TestNewestTakesTheOthersAlong(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.env("staging").Newest = true
	for n := 1; n <= 3; n++ {
		s.land(n)
	}
	s.succeed("staging", 1).is("staging", 3, Deploying).is("staging", 2, Waiting).succeed("staging", 3).is("staging", 2, Overtaken)
}

func TestHeldIsPassedBy(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.does(bob, 1, "hold", "staging", func(o *Order) { o.Commit = sha(1) }).is("staging", 1, Held)
	s.refused("is held already", carol, 1, "hold", "staging")
	s.land(1).is("staging", 1, Held).land(2).is("staging", 2, Deploying)
	s.does(bob, 1, "start", "staging").waits("staging", 1, "under way")
	if d := s.at("staging", 1); d.Why != "" {
		t.Errorf("it goes on, and why it was held is its reason still: %s", d.Why)
	}
}

func TestWhatIsDeployedThoughItIsHeldWentPastThePolicy(t *testing.T) {
	begin := func(t *testing.T) (*scene, change.Deployment) {
		s := play(t, Record, normal).does(bob, 1, "hold", "staging", func(o *Order) { o.Commit = sha(1) })
		g := change.Deployment{ID: 77, SHA: sha(1), Environment: "staging", By: actions, At: s.now}
		return s.turn(func(t *Turn) { t.Deployment(g) }).is("staging", 1, Held).found(change.DeployedPastPolicy, 0), g
	}
	t.Run("as its success says", func(t *testing.T) {
		s, g := begin(t)
		s.turn(s.statusOf(g, change.DeploymentSuccess, actions)).is("staging", 1, Verified).found(change.DeployedPastPolicy, 1)
		if what := s.out.Exceptions[0].What.String(); !strings.HasSuffix(what, "by which it waits for somebody who may give the command /change start staging") {
			t.Error(what)
		}
	})
	t.Run("as somebody says", func(t *testing.T) {
		s, _ := begin(t)
		s.does(bob, 1, "deployed", "staging").is("staging", 1, Verified).found(change.DeployedPastPolicy, 1)
	})
	t.Run("as it is seen under way and does not ask", func(t *testing.T) {
		s, g := begin(t)
		s.turn(s.statusOf(g, change.DeploymentInProgress, actions)).is("staging", 1, Held)
		s.later(patience).is("staging", 1, Deploying).found(change.DeployedPastPolicy, 1)
	})
}

func TestReplacedIsMadeInactive(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).verify("staging", 1).land(2).succeed("staging", 2)
	if got := s.at("staging", 1).Shown; got != change.DeploymentInactive {
		t.Fatalf("it shows %s", got)
	}
}

func TestGate(t *testing.T) {
	s := play(t, Record, high, normal)
	s.land(1)
	if a := s.gate("p0", "production", 1, 1); a != No {
		t.Fatalf("what never was in staging: %s", a)
	}
	if a := s.gate("s1", "staging", 1, 2); a != Go {
		t.Fatalf("staging: %s", a)
	}
	if a := s.gate("s2", "staging", 2, 3); a != NotYet {
		t.Fatalf("two at once: %s", a)
	}
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 2, Attempt: 1, Conclusion: "success", At: s.now}) }).is("staging", 1, Verified)
	if a, _, _ := s.state.Answer("s2"); a != NotYet {
		t.Fatalf("a job that does not ask just now: %s", a)
	}
	if a := s.gate("s2", "staging", 2, 3); a != Go {
		t.Fatalf("its turn: %s", a)
	}
	if a := s.gate("p1", "production", 1, 4); a != NotYet {
		t.Fatalf("by hand: %s", a)
	}
	s.does(bob, 1, "deploy", "production")
	if a := s.gate("p1", "production", 1, 4); a != Go {
		t.Fatalf("said: %s", a)
	}
	if a := s.gate("x", "production", 9, 5); a != No {
		t.Fatalf("unknown: %s", a)
	}
	if a := s.gate("y", "elsewhere", 1, 5); a != No {
		t.Fatalf("no such environment: %s", a)
	}
	s.turn(func(t *Turn) { t.Run(change.RunEnded{Run: 3, Attempt: 1, Conclusion: "failure", At: s.now}) }).is("staging", 2, Failed)
	if a := s.gate("p2", "production", 2, 6); a != No {
		t.Fatalf("it failed in staging: %s", a)
	}
	if _, _, ok := s.state.Answer("nobody"); ok {
		t.Fatal("an answer to nobody")
	}
}

func TestProtectionRule(t *testing.T) {
	s := play(t, Record, normal)
	s.env("staging").Hours = weekdays()
	s.now = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	g := change.Deployment{ID: 5, SHA: sha(1), Environment: "STAGING", By: actions}
	asked := change.RuleAsked{Environment: "staging", SHA: sha(1), Callback: "https://api.example/repos/o/r/actions/runs/77/deployment_protection_rule", Deployment: 5, By: carol, At: s.now}
	s.turn(func(t *Turn) { t.Deployment(g) }, func(t *Turn) { t.Rule("r", asked) }).later(time.Minute)
	if len(s.all.Effects) != 1 || s.all.Effects[0].Answer != NotYet || !strings.Contains(s.all.Effects[0].Says.String(), "until 2 March 09:00 UTC") {
		t.Fatalf("%+v", s.all.Effects)
	}
	s.later(59*time.Minute).is("staging", 1, Deploying)
	if n := len(s.all.Effects); n != 2 || s.all.Effects[1].Answer != Go {
		t.Fatalf("%+v", s.all.Effects)
	}
	s.succeed("staging", 1).found(change.DeployedPastPolicy, 0)
	if len(s.all.Effects) != 2 {
		t.Fatalf("GitHub knows already: %+v", s.all.Effects[2:])
	}
}

func TestProgressLeavesRoomForTheAnswer(t *testing.T) {
	s := play(t, Record, normal)
	asked := change.RuleAsked{Environment: "staging", SHA: sha(1), Callback: "https://x/actions/runs/77/y", By: carol, At: s.now}
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) }).turn(func(t *Turn) { t.Rule("r", asked) })
	for i := range 20 {
		s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Duration(i+2) * time.Hour) })
	}
	s.does(bob, 1, "thaw", "staging").is("staging", 1, Deploying)
	told := 0
	for _, e := range s.all.Effects {
		if e.Kind == AnswerRule {
			told++
		}
	}
	if told != maxProgress+1 {
		t.Fatalf("%d comments", told)
	}
}

func TestAdoptsWhatOthersDeploy(t *testing.T) {
	s := play(t, Record, normal, normal)
	deploy := func(id int64, env string, n int, by change.Account) change.Deployment {
		g := change.Deployment{ID: id, SHA: sha(n), Environment: env, By: by, At: s.now}
		s.turn(func(t *Turn) { t.Deployment(g) })
		return g
	}
	g := deploy(1, "Staging", 1, actions)
	s.is("staging", 1, Deploying).turn(s.statusOf(g, change.DeploymentSuccess, actions)).is("staging", 1, Verified).found(change.DeployedPastPolicy, 0)
	// Straight to production.
	g = deploy(2, "production", 2, actions)
	s.waits("production", 2, "never ran").turn(s.statusOf(g, change.DeploymentInProgress, actions)).found(change.DeployedPastPolicy, 0)
	s.later(patience).found(change.DeployedPastPolicy, 1).is("production", 2, Deploying)
	s.turn(s.statusOf(g, change.DeploymentSuccess, actions)).is("production", 2, Watching).found(change.DeployedPastPolicy, 1)
	// By others, and to elsewhere.
	g = deploy(3, "production", 1, alice)
	s.found(change.UnknownDeployer, 1).turn(s.statusOf(g, change.DeploymentSuccess, alice)).found(change.UnknownDeployer, 2)
	if a, b := s.all.Exceptions[len(s.all.Exceptions)-2], s.all.Exceptions[len(s.all.Exceptions)-1]; a.Key != b.Key {
		t.Errorf("what %s deployed is an exception twice: %s and %s", alice.Login, a.What, b.What)
	}
	s.turn(s.statusOf(g, change.DeploymentSuccess, bob)).found(change.UnknownDeployer, 4) // what somebody else says of it is another
	if s.has("production", 1) {
		t.Fatal("a stranger's deployment counts")
	}
	deploy(4, "prod", 1, actions)
	s.found(change.UnknownEnvironment, 1)
	if s.out.Exceptions[0].Key != "unknown-environment:4" {
		t.Fatalf("%+v", s.out.Exceptions[0])
	}
}

func TestWhatWasSaidToBeDeployedIsNotDoubled(t *testing.T) {
	s := play(t, Create, normal)
	s.does(bob, 1, "deployed", "staging", func(o *Order) { o.Commit = sha(1) })
	g := change.Deployment{ID: 70, SHA: sha(1), Environment: "staging", By: actions, At: s.now}
	s.turn(func(t *Turn) { t.Deployment(g) }, s.statusOf(g, change.DeploymentSuccess, actions)).found(change.DeployedPastPolicy, 0)
	if d := s.at("staging", 1); d.GitHub != 70 || len(s.state.Tracks["staging"].Deployments) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestWhatNeverAsksAndMayNotGoIsRefusedInTheEnd(t *testing.T) {
	s := play(t, Record, normal)
	s.turn(func(t *Turn) {
		t.Deployment(change.Deployment{ID: 77, SHA: sha(1), Environment: "production", By: actions, At: s.now})
	})
	s.waits("production", 1, "never ran in staging")
	if want := s.now.Add(2 * time.Hour); !s.out.Wake.Equal(want) {
		t.Errorf("it wakes %s, want %s", s.out.Wake, want)
	}
	s.later(2*time.Hour).is("production", 1, Refused)
}

func TestStatusThatTurnsOutToHaveBeenPosted(t *testing.T) {
	newest := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name   string
		status change.DeploymentStatus
		want   change.DeploymentState
		silent bool
	}{
		{"later than what is known", change.DeploymentStatus{ID: 8, State: change.DeploymentSuccess, At: newest.Add(time.Second)}, change.DeploymentSuccess, false},
		{"in the same second", change.DeploymentStatus{ID: 8, State: change.DeploymentSuccess, At: newest}, change.DeploymentSuccess, false},
		{"earlier than what is known", change.DeploymentStatus{ID: 6, State: change.DeploymentSuccess, At: newest}, change.DeploymentInProgress, false},
		{"inactive, nobody knows when", change.DeploymentStatus{State: change.DeploymentInactive}, change.DeploymentInactive, true},
		{"something else, nobody knows when", change.DeploymentStatus{State: change.DeploymentSuccess}, change.DeploymentSuccess, false},
	} {
		d := &Deployment{ID: "d1", OnGitHub: OnGitHub{GitHub: 1, Shown: change.DeploymentInProgress, ShownAt: newest, ShownID: 7}, Posts: Posts{Posting: change.DeploymentSuccess}}
		s := State{Tracks: map[string]*Track{"staging": {Environment: "staging", Deployments: []*Deployment{d}}}}
		s.WasPosted("d1", row.status)
		if d.Shown != row.want || d.MaybeInactive != row.silent || d.Posting != "" || d.PostsDone != 1 {
			t.Errorf("%s: %+v %+v", row.name, d.OnGitHub, d.Posts)
		}
	}
}

func TestJobsOwnDeploymentIsNotDoubled(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).is("staging", 1, Deploying)
	g := change.Deployment{ID: 50, SHA: sha(1), Environment: "staging", By: actions}
	s.turn(func(t *Turn) { t.Deployment(g) }).turn(s.statusOf(g, change.DeploymentSuccess, actions)).is("staging", 1, Verified)
	if n := len(s.state.Tracks["staging"].Deployments); n != 1 {
		t.Fatalf("%d deployments", n)
	}
	if d := s.at("staging", 1); d.Shown != change.DeploymentSuccess || d.GitHub == 50 {
		t.Fatalf("%+v", d)
	}
	s.found(change.DeployedPastPolicy, 0)
}

func TestWhatGitHubCreatedTwiceIsFollowedTwice(t *testing.T) {
	begin := func(t *testing.T) (*scene, change.Deployment) {
		s := play(t, Create, normal, normal).land(1)
		late := change.Deployment{ID: 900, SHA: sha(1), Environment: "staging", Via: ourApp, Payload: s.at("staging", 1).payload(), At: s.now}
		return s.turn(func(t *Turn) { t.Deployment(late) }).succeed("staging", 1), late
	}
	t.Run("it failed", func(t *testing.T) {
		s, late := begin(t)
		s.turn(s.statusOf(late, change.DeploymentFailure, actions)).is("staging", 1, Failed)
	})
	t.Run("it is deployed once more, after what came since", func(t *testing.T) {
		s, late := begin(t)
		s.land(2).succeed("staging", 2)
		s.turn(s.statusOf(late, change.DeploymentSuccess, actions)).found(change.DeployedPastPolicy, 1)
		if c := s.state.Tracks["staging"].Current(); c.Commit != sha(1) {
			t.Errorf("staging holds %s", c.Commit)
		}
	})
}

func TestEndOfTheRunThatCarriesADeploymentOut(t *testing.T) {
	for _, tt := range []struct {
		name, log, conclusion string
		want                  Phase
	}{
		{"cancelled", "https://github.com/acme/shop/actions/runs/7", "cancelled", Cancelled},
		{"died, with its job's page", "https://github.com/acme/shop/actions/runs/7/job/3", "timed_out", Failed},
		{"ended well, which does not say that the deployment did", "https://github.com/acme/shop/actions/runs/7", "success", Deploying},
		{"another run", "https://github.com/acme/shop/actions/runs/77", "cancelled", Deploying},
		{"a log elsewhere", "https://ci.example/7", "cancelled", Deploying},
		{"no log", "", "cancelled", Deploying},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, Create, normal).land(1)
			s.turn(func(turn *Turn) {
				d := s.at("staging", 1)
				turn.Status(change.DeploymentStatus{
					ID: 900, Deployment: change.Deployment{ID: d.GitHub, SHA: d.Commit, Environment: "staging"}, State: change.DeploymentInProgress,
					By: actions, LogURL: tt.log, At: s.now,
				})
			})
			s.turn(func(turn *Turn) { turn.Run(change.RunEnded{Run: 7, Attempt: 1, Conclusion: tt.conclusion, At: s.now}) }).is("staging", 1, tt.want)
		})
	}
}

func TestSuccessAfterItFailedIsAnotherDeployment(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1).report("staging", 1, change.DeploymentFailure).is("staging", 1, Failed)
	s.report("staging", 1, change.DeploymentSuccess).found(change.DeployedPastPolicy, 1).is("staging", 1, Verified)
	if n := len(s.state.Tracks["staging"].Deployments); n != 2 {
		t.Fatalf("%d deployments", n)
	}
}

func TestStatusesComeInAnyOrder(t *testing.T) {
	s := play(t, Create, normal)
	s.land(1)
	g := change.Deployment{ID: s.at("staging", 1).GitHub, SHA: sha(1), Environment: "staging", By: actions}
	progress := s.statusOf(g, change.DeploymentInProgress, actions)
	success := s.statusOf(g, change.DeploymentSuccess, actions)
	s.turn(success).turn(progress).turn(success).is("staging", 1, Verified)
	if d := s.at("staging", 1); d.Shown != change.DeploymentSuccess {
		t.Fatalf("it shows %s", d.Shown)
	}
}

// TestOneOfSeveralJobsFails has two jobs of one run deploy a commit at once, each with a deployment of its own on GitHub, of which one fails: that
// counts in whatever order it is told, and the other's success is no deployment of its own.
func TestOneOfSeveralJobsFails(t *testing.T) {
	for _, first := range []string{"failure first", "success first"} {
		for _, told := range []string{"in order", "out of order", "in order, each twice", "out of order, each twice"} {
			for _, fails := range []int64{50, 51} {
				t.Run(fmt.Sprintf("%s, told %s, of %d", first, told, fails), func(t *testing.T) {
					s := play(t, Record, normal)
					s.gate("one", "staging", 1, 7)
					s.gate("two", "staging", 1, 7)
					var statuses []func(*Turn)
					jobs := []change.Deployment{{ID: 50, SHA: sha(1), Environment: "staging", By: actions}, {ID: 51, SHA: sha(1), Environment: "staging", By: actions}}
					for _, g := range jobs {
						s.turn(func(t *Turn) { t.Deployment(g) }).turn(s.statusOf(g, change.DeploymentInProgress, actions))
					}
					bad, good := jobs[fails-50], jobs[51-fails]
					if first == "failure first" {
						statuses = append(statuses, s.statusOf(bad, change.DeploymentFailure, actions), s.statusOf(good, change.DeploymentSuccess, actions))
					} else {
						statuses = append(statuses, s.statusOf(good, change.DeploymentSuccess, actions), s.statusOf(bad, change.DeploymentFailure, actions))
					}
					if strings.HasPrefix(told, "out") {
						slices.Reverse(statuses)
					}
					if strings.HasSuffix(told, "twice") {
						statuses = append(statuses, statuses...)
					}
					for _, told := range statuses {
						s.turn(told)
					}
					s.is("staging", 1, Failed).found(change.DeployedPastPolicy, 0)
				})
			}
		}
	}
}

func TestWhatIsUnderWayIsNotQueuedAgain(t *testing.T) {
	s := play(t, Create, normal)
	s.look(func(turn *Turn) { turn.Landed(change.Landed{Number: 1, Commit: sha(1), By: merger, At: s.now}) })
	s.state.Created(s.out.Effects[0].Deployment, 1)
	s.look() // the process dies before it is noted that the status was posted, or before it is
	s.report("staging", 1, change.DeploymentInProgress).succeed("staging", 1)
	var posted []change.DeploymentState
	for _, e := range s.all.Effects {
		if e.Kind == PostStatus && e.Environment == "staging" {
			posted = append(posted, e.State)
		}
	}
	if !slices.Equal(posted, []change.DeploymentState{change.DeploymentQueued}) {
		t.Errorf("these statuses were asked for: %v", posted)
	}
}

func TestRefusals(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.refused("Not permitted: this command is for nobody, as the policy stands.", bob, 1, "deploy", "production", func(o *Order) { o.May = false })
	s.refused("Whether bob may give this command could not be read. It is for nobody, as the policy stands. Try again later.", bob, 1, "deploy", "production", func(o *Order) { o.Unknown = true })
	s.refused("It names staging, production", bob, 1, "deploy", "prodution")
	s.refused("has not landed", bob, 1, "deploy", "staging")
	s.refused("would have ended", bob, 1, "freeze", "staging")
	s.refused("a year at most", bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.AddDate(2, 0, 0) })
	s.land(1)
	s.refused("already", bob, 1, "deploy", "staging")
	s.refused("is being deployed to staging already", bob, 1, "start", "staging")
	s.refused("Nothing of this pull request was held", bob, 1, "start", "production")
	s.refused("asks for no release approval", bob, 1, "accept", "production", holding("rm"))
	s.verify("staging", 1)
	s.refused("is in staging already", bob, 1, "deploy", "staging")
	s.refused("roll", bob, 1, "cancel", "staging")
	s.refused("1111111 is in staging already", bob, 1, "start", "staging")
	s.refused("by now", bob, 2, "rollback", "production")
	s.refused("No environment holds", bob, 2, "rollback", "")
	s.rules.Mode = Off
	s.refused("nothing is done about deployments", bob, 1, "deploy", "staging")
}

func TestRefusesASayInWhatIsOver(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).report("staging", 1, change.DeploymentFailure)
	s.refused("1111111 (#1) failed in staging. To try again: /change start staging", bob, 1, "deploy", "staging")
	s.land(2).does(bob, 2, "cancel", "staging").refused("2222222 (#2) was cancelled in staging. To try again", bob, 2, "hold", "staging")
	s.land(3).verify("staging", 3).verify("production", 3)
	s.refused("1111111 is contained in 3333333 (#3), which is in production", bob, 1, "hold", "production")
	// Whoever says that it was deployed knows better.
	s.does(bob, 2, "deployed", "staging").is("staging", 2, Verified)
}

func TestSameCommandTwiceIsAnsweredAlike(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).land(2).does(bob, 2, "cancel", "staging").does(bob, 2, "start", "staging")
	s.comment -= 2
	s.does(bob, 2, "cancel", "staging").is("staging", 2, Waiting)
}

func TestListsTheQueue(t *testing.T) {
	s := play(t, Create, normal, high)
	s.land(1).verify("staging", 1).succeed("production", 1).land(2)
	says := s.say(bob, 1, "queue", "").Says.String()
	for _, want := range []string{"staging holds 1111111 (#1)", "2222222 (#2) is being deployed", "production holds 1111111 (#1), since 2 March 10:00 UTC, watching"} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is not in\n%s", want, says)
		}
	}
	s.verify("staging", 2)
	if says := s.say(bob, 1, "queue", "production").Says.String(); !strings.Contains(says, "1. 2222222 (#2) waits for somebody who may give the command /change deploy production") {
		t.Error(says)
	}
}

func TestStanding(t *testing.T) {
	s := play(t, Create, normal, high)
	if rows := Standing(&s.state, &s.rules, 1, s.now); rows != nil {
		t.Fatalf("%+v", rows)
	}
	s.land(1).verify("staging", 1).succeed("production", 1).land(2).verify("staging", 2)
	rows := Standing(&s.state, &s.rules, 2, s.now)
	if len(rows) != 2 || rows[0].Phase != Verified || rows[1].Phase != Waiting || !strings.Contains(rows[1].Says.String(), "waits for somebody") {
		t.Fatalf("%+v", rows)
	}
	s.does(bob, 2, "deploy", "production").succeed("production", 2).later(3 * time.Hour)
	if rows = Standing(&s.state, &s.rules, 1, s.now); rows[1].Phase != Watching && rows[1].Phase != Unverified {
		t.Fatalf("%+v", rows)
	}
}

func TestStandingOfWhatComesAgain(t *testing.T) {
	s := play(t, Create, normal, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1)
	s.land(2).verify("staging", 2).report("production", 2, change.DeploymentFailure).succeed("production", 1)
	stands := func(n int, phase Phase, undoes bool) {
		t.Helper()
		d := Standing(&s.state, &s.rules, 2, s.now)[1].Deployment
		if d.Commit != sha(n) || d.Phase != phase || (d.Undoes != "") != undoes {
			t.Fatalf("%+v", d)
		}
	}
	stands(1, Watching, true)
	s.land(3).verify("staging", 3)
	stands(1, Watching, true)
	s.does(bob, 3, "deploy", "production")
	stands(3, Deploying, false)
	s.verify("production", 3)
	stands(3, Verified, false)
}

func TestWhatGitHubWillNotCreateHasFailed(t *testing.T) {
	s := play(t, Create, normal)
	s.look(func(t *Turn) { t.Landed(change.Landed{Number: 1, Commit: sha(1), By: carol, At: s.now}) })
	s.state.GaveUp(s.out.Effects[0], "422")
	s.turn().is("staging", 1, Failed)
	if class := s.at("staging", 1).Class; class != FailedDeployment {
		t.Errorf("it is of the class %q", class)
	}
}

func TestForgetsWhatIsNotNeeded(t *testing.T) {
	s := play(t, Create)
	s.rules.Environments = s.rules.Environments[:1]
	for i := range 80 {
		c := change.SHA(strings.Repeat(string(rune('a'+i%26)), 8) + strings.Repeat(string(rune('a'+i/26)), 2))
		s.changes = append(s.changes, Change{Number: change.Number(i + 1), Commit: c, Category: normal, Green: true})
		s.turn(func(t *Turn) { t.Landed(change.Landed{Number: change.Number(i + 1), Commit: c, By: carol, At: s.now}) })
		d := s.state.Tracks["staging"].deploying()
		s.turn(s.statusOf(change.Deployment{ID: d.GitHub, SHA: c, Environment: "staging", By: actions}, change.DeploymentSuccess, actions))
	}
	if n := len(s.state.Tracks["staging"].Deployments); n < maxEnded || n > maxEnded+20 {
		t.Fatalf("%d of 80 are remembered", n)
	}
}

func TestRemembersWhatIsNeededElsewhere(t *testing.T) {
	s := play(t, Create, high)
	s.land(1).verify("staging", 1).waits("production", 1, "/change deploy production")
	for i := range maxEnded + 20 {
		c := change.SHA(fmt.Sprintf("a%09d", i))
		s.changes = append(s.changes, Change{Number: change.Number(i + 2), Commit: c, Category: high, Green: true})
		s.turn(func(t *Turn) { t.Landed(change.Landed{Number: change.Number(i + 2), Commit: c, By: carol, At: s.now}) })
		d := s.state.Tracks["staging"].deploying()
		s.turn(s.statusOf(change.Deployment{ID: d.GitHub, SHA: c, Environment: "staging", By: actions}, change.DeploymentSuccess, actions))
	}
	s.is("staging", 1, Verified).waits("production", 1, "/change deploy production")
}

func TestModeOffEndsWhatWaits(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).land(2)
	s.rules.Mode = Off
	s.turn().is("staging", 2, Refused)
	if a := s.gate("k", "staging", 2, 1); a != No {
		t.Fatalf("the gate says %s", a)
	}
}

func TestMatchesPeopleToRoles(t *testing.T) {
	hold := func(roles ...string) []string { return roles }
	for name, c := range map[string]struct {
		roles  []string
		people [][]string
		left   int
	}{
		"nobody":         {[]string{"a"}, nil, 1},
		"one for two":    {[]string{"a", "b"}, [][]string{hold("a", "b")}, 1},
		"makes room":     {[]string{"a", "b"}, [][]string{hold("a", "b"), hold("a")}, 0},
		"a chain":        {[]string{"a", "b", "c"}, [][]string{hold("a", "b"), hold("b", "c"), hold("a")}, 0},
		"of another one": {[]string{"a"}, [][]string{hold("b")}, 1},
	} {
		if left := unfilled(c.roles, c.people); len(left) != c.left {
			t.Errorf("%s: %v are left", name, left)
		}
	}
}

func TestObservingHoldsNothingUp(t *testing.T) {
	s := play(t, Record, high)
	s.rules.Observing = true
	if a := s.gate("k", "production", 1, 1); a != Go {
		t.Fatalf("it says %s", a)
	}
	s.found(change.DeployedPastPolicy, 1)
}

func TestStatusThatMovesADeploymentSaysNothingOfIt(t *testing.T) {
	s := play(t, Create, normal)
	deployer := change.Account{ID: 40, Login: "deployer[bot]", Kind: change.KindBot}
	s.env("production").Creators = []string{deployer.Login}
	s.land(1).verify("staging", 1).is("production", 1, Deploying)
	d := s.at("production", 1)
	g := change.Deployment{ID: d.GitHub, SHA: d.Commit, Environment: "staging", By: actions}
	// Whose statuses count in staging does not make them count in production.
	s.turn(s.statusOf(g, change.DeploymentSuccess, actions)).is("production", 1, Deploying).found(change.UnknownDeployer, 1)
	s.turn(s.statusOf(g, change.DeploymentSuccess, deployer)).is("production", 1, Deploying).found(change.DeployedPastPolicy, 1)
	g.Environment = "Production"
	s.turn(s.statusOf(g, change.DeploymentSuccess, deployer)).is("production", 1, Watching)
}

func TestVerifiedWithoutAnEnvironmentTakesTheRoleOfTheOneThatIsMeant(t *testing.T) {
	for _, c := range []struct {
		name  string
		env   string // whose verification asks for qa
		order func(*Order)
		want  string // empty: it counts
	}{
		{"by the role of the environment, without that of the command", "staging", func(o *Order) { o.May, o.Role, o.Holds = false, "reviewer", []string{"qa"} }, ""},
		{"by the role of another environment", "production", func(o *Order) { o.May, o.Role, o.Holds = false, "reviewer", []string{"qa"} }, "Not permitted: this command is for nobody"},
		{"by neither", "staging", func(o *Order) { o.May, o.Role = false, "qa" }, "Not permitted: this command is for nobody"},
		{"by the role of the command", "staging", func(o *Order) { o.Role = "reviewer" }, "Only somebody in qa may say"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, Create, normal)
			s.env("staging").Watched = true
			s.env(c.env).Verify.Role = "qa"
			s.land(1).succeed("staging", 1).later(time.Hour)
			if c.want != "" {
				s.refused(c.want, bob, 1, "verified", "", c.order)
				return
			}
			s.does(bob, 1, "verified", "", c.order).is("staging", 1, Verified)
			if says := s.at("staging", 1).Verified; says.Role != "qa" {
				t.Fatalf("%+v", says)
			}
		})
	}
}

func TestWhatCannotBeReadIsNotRefused(t *testing.T) {
	s := play(t, Record, normal)
	s.unread = true
	if a := s.gate("run/1/1", "staging", 1, 1); a != NotYet {
		t.Fatalf("while it is not known whether the commit landed, the gate says %s", a)
	}
	s.waits("staging", 1, "which cannot be read just now")
	if want := s.now.Add(time.Minute); !s.out.Wake.Equal(want) {
		t.Errorf("it wakes %s, want %s", s.out.Wake, want)
	}
	s.unread = false
	if s.later(time.Minute); s.gate("run/1/1", "staging", 1, 1) != Go {
		t.Error("it does not go once that is known")
	}
}

func TestNothingGoesThatThePolicyDoesNotNameAnyMore(t *testing.T) {
	for name, change := range map[string]func(*scene){
		"the environment": func(s *scene) { s.rules.Environments = s.rules.Environments[:1] },
		"deployments":     func(s *scene) { s.rules.Mode = "" },
		"off":             func(s *scene) { s.rules.Mode = Off },
	} {
		for _, mode := range []Mode{Create, Record} {
			s := play(t, mode, normal)
			s.does(bob, 1, "freeze", "production", func(o *Order) { o.Until = s.now.Add(time.Hour) })
			if mode == Create {
				s.land(1).verify("staging", 1)
			} else {
				s.land(1).gate("run/1/1", "staging", 1, 1)
				s.does(bob, 1, "deployed", "staging").gate("run/2/1", "production", 1, 2)
			}
			s.waits("production", 1, "the freeze by bob")
			change(s)
			s.later(2 * time.Hour)
			if mode == Record && s.gate("run/3/1", "production", 1, 3) == Go {
				t.Errorf("%s: a gate says go", name)
			}
			if d := s.at("production", 1); !d.Began.IsZero() || d.Phase.waits() && !d.Waits.Never {
				t.Errorf("%s: it is %s, and waits for %s", name, d.Phase, d.Waits.For)
			}
		}
	}
}

func TestWhereThePolicyObservesAnUnnamedEnvironmentIsAnException(t *testing.T) {
	s := play(t, Record, normal)
	s.rules.Observing = true
	s.land(1).gate("run/1/1", "elsewhere", 1, 1)
	s.found(change.DeployedPastPolicy, 1)
	if what := s.all.Exceptions[0].What.String(); !strings.Contains(what, "the policy names no environment elsewhere") {
		t.Errorf("it says %s", what)
	}
}

func TestWhatIsOnNoGovernedBranchIsRefused(t *testing.T) {
	s := play(t, Record, normal)
	if a := s.gate("run/1/1", "staging", 9, 1); a != No {
		t.Fatalf("the gate says %s", a)
	}
	if _, why, _ := s.state.Answer("run/1/1"); !strings.Contains(why.String(), "not reachable from a governed branch") {
		t.Errorf("it says %s", why)
	}
}

func TestAnOlderVersionGoesByRollbackOnly(t *testing.T) {
	s := play(t, Record, normal, normal)
	s.gate("run/1/1", "staging", 2, 1)
	s.does(bob, 2, "deployed", "staging")
	if a := s.gate("run/2/1", "staging", 1, 2); a != No {
		t.Fatalf("the gate says %s", a)
	}
	s.refused("is contained in 2222222 (#2), which is in staging", bob, 1, "deploy", "staging", func(o *Order) { o.Commit = sha(1) })
}

// TestWhatCannotBeListedNeedsAllThatAnythingMay: it may be anything.
func TestWhatCannotBeListedNeedsAllThatAnythingMay(t *testing.T) {
	s := play(t, Create, normal, normal)
	s.land(1).verify("staging", 1).verify("production", 1)
	s.changes[0].Commit = "gone"
	s.env("production").Release = []Slot{{Role: "rm", Count: 1}}
	s.land(2).verify("staging", 2).waits("production", 2, "more than can be listed").waits("production", 2, "release approval from rm")
}

// TestWaitsForWhatHappensInTheEnvironmentBefore: that the commit was there is not enough while it is deployed there anew or watched,
// and that it never was is not in vain while it waits there.
func TestWaitsForWhatHappensInTheEnvironmentBefore(t *testing.T) {
	s := play(t, Record, normal)
	s.gate("run/1/1", "staging", 1, 1)
	s.does(bob, 1, "deployed", "staging").is("staging", 1, Verified)
	if a := s.gate("run/2/1", "staging", 1, 2); a != Go {
		t.Fatalf("again: %s", a)
	}
	s.gate("run/3/1", "production", 1, 3)
	s.waits("production", 1, "the deployment of 1111111 in staging")

	s = play(t, Create, normal)
	s.env("staging").Watched = true
	s.land(1).succeed("staging", 1).is("staging", 1, Watching)
	s.does(bob, 1, "deploy", "production").waits("production", 1, "the verification of 1111111 in staging")

	s = play(t, Create, normal)
	s.does(bob, 1, "freeze", "staging", func(o *Order) { o.Until = s.now.Add(time.Hour) }).land(1).waits("staging", 1, "the freeze by bob")
	s.does(bob, 1, "deploy", "production").waits("production", 1, "the deployment of 1111111 in staging")
}

// TestShipsByHandBetweenOthers: only to the first environment does nothing ship by hand.
func TestShipsByHandBetweenOthers(t *testing.T) {
	s := play(t, Create, high)
	s.rules.Environments = append(s.rules.Environments, Environment{Name: "canary", After: []string{"staging"}, Timeout: 2 * time.Hour, Grace: 2 * time.Hour})
	s.env("production").After = []string{"canary"}
	s.land(1).verify("staging", 1).waits("canary", 1, "/change deploy canary")
}

func TestARollbackThatWaitsGoesFirst(t *testing.T) {
	s := play(t, Record, normal, normal, normal)
	for n := 1; n <= 2; n++ {
		for i, env := range []string{"staging", "production"} {
			s.gate(fmt.Sprintf("run/%d/1", 10*n+i), env, n, int64(10*n+i))
			s.does(bob, n, "deployed", env)
		}
		s.later(30*time.Minute).does(bob, n, "verified", "production")
	}
	s.does(bob, 2, "rollback", "production").waits("production", 1, "")
	s.gate("run/30/1", "staging", 3, 30)
	s.does(bob, 3, "deployed", "staging")
	if a := s.gate("run/31/1", "production", 3, 31); a != NotYet {
		t.Fatalf("the gate says %s", a)
	}
	s.waits("production", 3, "the rollback to 1111111 (#1), which goes first")
}

// TestATurnLeavesWhatItWasGivenAsItWas, because that is still the state if what comes of the turn cannot be saved.
func TestATurnLeavesWhatItWasGivenAsItWas(t *testing.T) {
	s := play(t, Record, normal, normal)
	s.env("production").Release = []Slot{{Role: "rm", Count: 2}}
	s.gate("run/1/1", "staging", 1, 1)
	s.does(bob, 1, "deployed", "staging").does(bob, 1, "accept", "production", holding("rm")).does(carol, 1, "deploy", "production")
	s.gate("run/2/1", "production", 1, 2)
	before, err := json.Marshal(s.state)
	if err != nil {
		t.Fatal(err)
	}
	given := s.state
	s.now = s.now.Add(time.Minute)
	s.gate("run/2/1", "production", 1, 2)
	s.does(merger, 1, "accept", "production", holding("rm")).does(carol, 1, "cancel", "production")
	s.land(2).turn(func(t *Turn) { t.Run(change.RunEnded{Run: 2, Attempt: 1, Conclusion: "failure", At: s.now}) })
	if after, err := json.Marshal(given); err != nil || string(after) != string(before) {
		t.Errorf("it was\n%s\nand is\n%s, %v", before, after, err)
	}
}
