package storytest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/githubsim"
)

// jobs say what becomes of the jobs of workflows that are in progress.
type jobs struct {
	sync.Mutex
	outcome string // of those that end
	ends    func(environment, sha string) bool
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
func (w *world) jobEnds(environment, sha string) string {
	w.jobs.Lock()
	defer w.jobs.Unlock()
	if w.jobs.ends == nil || !w.jobs.ends(environment, sha) {
		return ""
	}
	return w.jobs.outcome
}

// workflows: every job of a workflow starts and succeeds, and so do those that it leads to.
//
// workflows start: those that there are start.
//
// workflows OUTCOME [ENVIRONMENT]: those that there are, of all environments or of one, end in success, failure, as cancelled or timed_out.
// The others, and those that they lead to, start.
//
// Jobs that wait for a rule go on waiting.
func workflows(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	outcome, ends := "success", func(string, string) bool { return true }
	if len(args) > 0 {
		outcome = args[0]
		there := w.unfinished(ts)
		ends = func(environment, sha string) bool {
			of := len(args) < 2 || strings.EqualFold(args[1], environment)
			return outcome != "start" && of && there[strings.ToLower(environment)+sha]
		}
	}
	w.jobs.Lock()
	w.jobs.outcome, w.jobs.ends = outcome, ends
	w.jobs.Unlock()
	for moved := 1; moved > 0; {
		w.act(ts, func() (err error) {
			moved, err = w.Sim.RunWorkflows()
			return err
		})
	}
}

// unfinished returns the environments with the commits that jobs are about which have not ended.
func (w *world) unfinished(ts *testscript.TestScript) map[string]bool {
	there := map[string]bool{}
	for _, r := range w.runsAbout(ts) {
		if r.Status != "completed" {
			there[strings.ToLower(r.Environment)+r.SHA] = true
		}
	}
	return there
}

// runsAbout returns the runs of workflows, oldest first, each with the environment that it is about.
func (w *world) runsAbout(ts *testscript.TestScript) []githubsim.RunView {
	all, err := w.Sim.Runs(w.Repo)
	ts.Check(err)
	deployed, err := w.Sim.Deployments(w.Repo)
	ts.Check(err)
	about := map[int64]string{}
	for _, d := range deployed {
		about[d.ID] = d.Environment
	}
	for i, r := range all {
		if r.Environment == "" {
			all[i].Environment = about[r.Trigger]
		}
	}
	return all
}

// newestRun returns the newest workflow run about an environment.
func (w *world) newestRun(ts *testscript.TestScript, environment string) githubsim.RunView {
	for _, r := range slices.Backward(w.runsAbout(ts)) {
		if strings.EqualFold(r.Environment, environment) {
			return r
		}
	}
	ts.Fatalf("no run is about %s", environment)
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
