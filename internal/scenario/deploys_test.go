package scenario_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/githubsim"
)

// jobs say what becomes of the jobs that workflows are about to run.
type jobs struct {
	sync.Mutex
	outcome     string // "": they go on
	environment string // of those that it is about; "": all
}

// hasWorkflow: the repository's workflow that deploys is started by deployments, by pushes to main, or by hand only; see githubsim.Workflow. What
// becomes of its jobs is said by workflows. It runs only where a commit has its file, .github/workflows/deploy.yml.
func (s *scene) hasWorkflow() error {
	w := githubsim.Workflow{Outcome: s.world.jobEnds}
	switch on := s.next("what starts it"); on {
	case "on-deployment":
		w.OnDeployment = true
	case "on-push":
		w.OnPush = true
	case "by-hand":
	default:
		s.ts.Fatalf("a workflow starts on-deployment, on-push or by-hand, not %q", on)
	}
	for _, a := range s.args {
		switch a {
		case "unseen":
			w.NoDeployment = true
		default:
			w.Environment = a
		}
	}
	return s.Sim.DeployWorkflow(s.Repo, w)
}

// guards: jobs that name the environment wait for our rule, and for whoever else is named.
func (s *scene) guards() error {
	name := s.next("the environment")
	o := githubsim.EnvironmentOptions{Apps: []string{s.Gate.Slug}}
	o.Reviewers = append(o.Reviewers, s.args...)
	return s.Sim.Environment(s.Repo, name, o)
}

// jobEnds is what becomes of a job in progress.
func (w *world) jobEnds(environment, _ string) string {
	w.jobs.Lock()
	defer w.jobs.Unlock()
	if w.jobs.environment != "" && !strings.EqualFold(w.jobs.environment, environment) {
		return ""
	}
	return w.jobs.outcome
}

// workflows [start|OUTCOME [ENVIRONMENT]]: every job of a workflow starts and ends, in success unless it is said how: failure, cancelled
// or timed_out; with an environment, those for others only start. With start they all only start. Those that wait for a rule go on
// waiting.
func workflows(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	outcome, environment := "success", ""
	switch {
	case neg || len(args) > 2:
		ts.Fatalf("usage: workflows [start|OUTCOME [ENVIRONMENT]]")
	case len(args) == 2:
		outcome, environment = args[0], args[1]
	case len(args) == 1:
		outcome = args[0]
	}
	if outcome == "start" {
		outcome = ""
	}
	w.jobs.Lock()
	w.jobs.outcome, w.jobs.environment = outcome, environment
	w.jobs.Unlock()
	for moved := 1; moved > 0; {
		w.act(ts, func() (err error) {
			moved, err = w.Sim.RunWorkflows()
			return err
		})
	}
}

// newestRun returns the newest workflow run about an environment.
func (w *world) newestRun(ts *testscript.TestScript, environment string) githubsim.RunView {
	all, err := w.Sim.Runs(w.Repo)
	ts.Check(err)
	deployed, err := w.Sim.Deployments(w.Repo)
	ts.Check(err)
	about := map[int64]string{}
	for _, d := range deployed {
		about[d.ID] = d.Environment
	}
	for i := len(all) - 1; i >= 0; i-- {
		if strings.EqualFold(all[i].Environment, environment) || all[i].Environment == "" && strings.EqualFold(about[all[i].Trigger], environment) {
			return all[i]
		}
	}
	ts.Fatalf("no run is about %s: %+v", environment, all)
	return githubsim.RunView{}
}

// landedAs returns the commit that a pull request became, or the head that was remembered under a name.
func (w *world) landedAs(ts *testscript.TestScript, what string) string {
	if _, err := strconv.Atoi(what); err != nil {
		sha := ts.Getenv(what)
		if sha == "" {
			ts.Fatalf("no head was remembered as %q", what)
		}
		return sha
	}
	v := w.view(ts, what)
	for _, e := range v.Events {
		if e.Kind == "merged" {
			return e.SHA
		}
	}
	ts.Fatalf("#%s was not merged\n%s", what, w.Whole(v))
	return ""
}

// deploymentsOf returns the deployments on GitHub of a commit to an environment, oldest first.
func (w *world) deploymentsOf(ts *testscript.TestScript, environment, sha string) []githubsim.DeploymentView {
	all, err := w.Sim.Deployments(w.Repo)
	ts.Check(err)
	var found []githubsim.DeploymentView
	for _, d := range all {
		if strings.EqualFold(d.Environment, environment) && d.SHA == sha {
			found = append(found, d)
		}
	}
	return found
}

func (s *scene) runsWorkflow() error {
	o := githubsim.Dispatch{Environment: s.next("the environment")}
	if len(s.args) > 0 {
		o.Ref = s.landedAs(s.ts, s.args[0])
	}
	_, err := s.who.Dispatch(s.Repo, o)
	return err
}

func (s *scene) cancelsRun() error {
	return s.who.CancelRun(s.newestRun(s.ts, s.next("the environment")).Run)
}

func (s *scene) rerunsJob() error {
	return s.who.Rerun(s.newestRun(s.ts, s.next("the environment")).Run)
}

func (s *scene) bypasses() error {
	return s.who.BypassRules(s.newestRun(s.ts, s.next("the environment")).Run)
}

func (s *scene) deploys() error {
	sha := s.landedAs(s.ts, s.next("the pull request or the head"))
	_, err := s.who.CreateDeployment(s.Repo, githubsim.DeploymentOptions{Ref: sha, Environment: s.next("the environment")})
	return err
}

func (s *scene) marks() error {
	sha, environment := s.landedAs(s.ts, s.next("the pull request or the head")), s.next("the environment")
	found := s.deploymentsOf(s.ts, environment, sha)
	if len(found) == 0 {
		return fmt.Errorf("nothing deploys %s to %s", sha, environment)
	}
	st := githubsim.DeploymentStatus{State: s.next("the state"), LogURL: "https://ci.example.com/runs/1"}
	return s.who.PostDeploymentStatus(s.Repo, found[len(found)-1].ID, st)
}
