package githubsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DeployWorkflowPath is where a Workflow's file is unless it says otherwise.
const DeployWorkflowPath = ".github/workflows/deploy.yml"

// actionsSlug is GitHub's own App that runs workflows.
const actionsSlug = "github-actions"

// Workflow is a workflow of one job that deploys, as much of one as there can be without running anything. It runs where the commit has
// its file (see File), on what it is to run on, and whenever somebody dispatches it.
//
// A run for a deployment posts that deployment's statuses, as its script would with its own token: those are github-actions[bot]'s. A job
// that names an environment is GitHub's to tell of: GitHub makes a deployment of it, whose creator, and that of its statuses, is whoever
// caused the run, by way of the App GitHub Actions.
type Workflow struct {
	Path         string // default: DeployWorkflowPath
	Name         string // default: Deploy
	OnDeployment bool
	OnPush       bool   // to the default branch
	Environment  string // the one that the job names, "": none
	NoDeployment bool   // GitHub makes no deployment for the environment
	// Outcome says what becomes of a job that is in progress when RunWorkflows looks at it: success, failure, cancelled, timed_out, or ""
	// to go on. It is called with the Sim's lock held and must not use it. Default: success.
	Outcome func(environment, sha string) string
	Timeout time.Duration // after which a job in progress has timed out; default: six hours
}

// File returns what a repository's file at the workflow's path says, for people to read.
func (w Workflow) File() string {
	w = w.withDefaults()
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\non:\n  workflow_dispatch:\n", w.Name)
	if w.OnDeployment {
		b.WriteString("  deployment:\n")
	}
	if w.OnPush {
		b.WriteString("  push:\n    branches: [main]\n")
	}
	b.WriteString("jobs:\n  deploy:\n    runs-on: ubuntu-latest\n    permissions: {contents: read, deployments: write, id-token: write}\n")
	if w.Environment != "" {
		fmt.Fprintf(&b, "    environment: %s\n", w.Environment)
	}
	b.WriteString("    steps:\n      - uses: actions/checkout@v4\n      - run: ./deploy\n")
	return b.String()
}

func (w Workflow) withDefaults() Workflow {
	if w.Path == "" {
		w.Path = DeployWorkflowPath
	}
	if w.Name == "" {
		w.Name = "Deploy"
	}
	if w.Outcome == nil {
		w.Outcome = func(string, string) string { return "success" }
	}
	if w.Timeout == 0 {
		w.Timeout = 6 * time.Hour
	}
	return w
}

// DeployWorkflow says what the repository's workflow at a path does from now on, whatever its file says. It writes no file: a commit
// without one has no such workflow.
func (s *Sim) DeployWorkflow(repo string, w Workflow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	w = w.withDefaults()
	for n := range r.deployers {
		if r.deployers[n].Path == w.Path {
			r.deployers[n] = &w
			return nil
		}
	}
	r.deployers = append(r.deployers, &w)
	return nil
}

// Run names a workflow run.
type Run struct {
	Repo string // owner/name
	ID   int64
}

// deployJob is the one job of a run of a Workflow.
type deployJob struct {
	Workflow
	ref         string      // in Git's words
	environment string      // "": none
	trigger     *deployment // what it runs for, or nil
	attempt     int
	status      string // queued, waiting, in_progress or completed
	conclusion  string
	since       time.Time // of the status
	check       *checkRun
	deployment  *deployment // the one that GitHub made of it, or nil
	gate        *jobGate    // what it waits for, or nil
	said        []RuleComment
	token       string // by which it asks for tokens while it is in progress
}

// state returns the run's status and conclusion.
func (w *workflowRun) state() (string, string) {
	if w.job != nil {
		return w.job.status, w.job.conclusion
	}
	return w.suite.state()
}

func (w *workflowRun) attempt() int {
	if w.job != nil {
		return w.job.attempt
	}
	return 1
}

// actions is the workflows' own bot.
func (s *Sim) actions() actor {
	a := s.apps[actionsSlug]
	return actor{account: a.bot, app: a}
}

// cause is whoever caused the run, by way of GitHub Actions.
func (s *Sim) cause(w *workflowRun) actor { return actor{account: w.actor, app: s.apps[actionsSlug]} }

// hasFile says whether the commit has the workflow's file.
func (r *repository) hasFile(sha, path string) bool {
	c, err := r.st.commit(sha)
	if err != nil {
		return false
	}
	files, err := r.st.flat(c.tree)
	return err == nil && files[path].sha != ""
}

// startDeployments starts the workflows that run on deployments.
func (s *Sim) startDeployments(d *deployment, by actor) {
	for _, w := range d.repo.deployers {
		if w.OnDeployment && d.repo.hasFile(d.sha, w.Path) {
			s.startRun(d.repo, d.sha, d.ref, by.account, "deployment", &deployJob{Workflow: *w, environment: w.Environment, trigger: d})
		}
	}
}

// startPushed starts the workflows that run on pushes to the default branch.
func (s *Sim) startPushed(r *repository, branch, sha string, by actor) {
	if branch != r.defaultBranch || by.app == s.apps[actionsSlug] {
		return
	}
	for _, w := range r.deployers {
		if w.OnPush && r.hasFile(sha, w.Path) {
			s.startRun(r, sha, branch, by.account, "push", &deployJob{Workflow: *w, environment: w.Environment})
		}
	}
}

// Dispatch says what to run by hand.
type Dispatch struct {
	Path        string // the workflow's; default: DeployWorkflowPath
	Ref         string // a branch; default: the default one. A SHA stands for a tag on it
	Environment string // default: what the workflow names; "-" for none
}

// Dispatch runs a workflow by hand, which whoever may write may.
func (p *Person) Dispatch(repo string, o Dispatch) (Run, error) {
	var run Run
	err := p.act(repo, Write, "run workflows", func(r *repository, by actor) error {
		if o.Path == "" {
			o.Path = DeployWorkflowPath
		}
		if o.Ref == "" {
			o.Ref = r.defaultBranch
		}
		at, err := r.resolve(o.Ref)
		if err != nil {
			return refuse("No ref found for: %s", o.Ref)
		}
		n := slices.IndexFunc(r.deployers, func(w *Workflow) bool { return w.Path == o.Path })
		if n < 0 || !r.hasFile(at.sha, o.Path) {
			return refuse("Workflow %s does not exist at %s", o.Path, o.Ref)
		}
		w := *r.deployers[n]
		if o.Environment != "" {
			w.Environment = strings.TrimPrefix(o.Environment, "-")
		}
		made := p.sim.startRun(r, at.sha, o.Ref, by.account, "workflow_dispatch", &deployJob{Workflow: w, environment: w.Environment})
		run = Run{r.fullName(), made.id}
		return nil
	})
	return run, err
}

// startRun makes a run, and has its job queued or wait for its environment's rules.
func (s *Sim) startRun(r *repository, sha, ref string, who *account, event string, j *deployJob) *workflowRun {
	cs := s.newSuite(r, sha, s.apps[actionsSlug])
	switch {
	case r.branches[ref] != "":
		cs.branch, j.ref = ref, "refs/heads/"+ref
	case event == "deployment": // of a commit without a name
		cs.branch = ""
	default:
		cs.branch, j.ref = ref[:min(7, len(ref))], "refs/tags/"+ref[:min(7, len(ref))]
	}
	w := &workflowRun{id: s.nextID(), number: 1, name: j.Name, path: j.Path, suite: cs, event: event, actor: who,
		created: s.Now(), updated: s.Now(), job: j}
	for _, other := range r.workflows {
		if other.path == w.path {
			w.workflowID, w.number = other.workflowID, max(w.number, other.number+1)
		}
	}
	if w.workflowID == 0 {
		w.workflowID = s.nextID()
	}
	cs.workflow = w
	r.workflows = append(r.workflows, w)
	s.startAttempt(w)
	return w
}

func (s *Sim) startAttempt(w *workflowRun) {
	j, r := w.job, w.suite.repo
	j.attempt++
	j.conclusion, j.deployment, j.gate, j.said, j.token = "", nil, nil, nil, ""
	s.moveJob(w, "queued")
	name, status := "deploy", "queued"
	s.emitWorkflowRun(w, "requested")
	j.check = s.createRun(r, s.apps[actionsSlug], w.suite, &runChange{Name: &name, Status: &status})
	j.check.detailsURL = s.runURL(w)
	if j.environment == "" {
		return
	}
	e := s.environmentOf(r, j.environment)
	if !e.takes(w.suite.branch) {
		s.finish(w, "failure")
		return
	}
	if !j.NoDeployment {
		j.deployment = &deployment{repo: r, sha: w.suite.sha, ref: w.suite.branch, task: "deploy", environment: j.environment,
			creator: w.actor, app: s.apps[actionsSlug], run: w}
		if j.deployment.ref == "" {
			j.deployment.ref = w.suite.sha
		}
		s.addDeployment(j.deployment)
	}
	if e.protected() {
		s.hold(w, e)
		return
	}
	s.tell(w, "queued")
}

func (s *Sim) moveJob(w *workflowRun, status string) {
	w.job.status, w.job.since, w.updated = status, s.Now(), s.Now()
}

func (s *Sim) runURL(w *workflowRun) string {
	return s.htmlURL("/%s/actions/runs/%d", w.suite.repo.fullName(), w.id)
}

// tell posts a state on the deployment that GitHub made of the job.
func (s *Sim) tell(w *workflowRun, state string) {
	if d := w.job.deployment; d != nil {
		s.addDeploymentStatus(d, &statusAsk{State: state, LogURL: s.runURL(w)}, s.cause(w))
	}
}

// script posts a state on the deployment that the run is for, as its steps would.
func (s *Sim) script(w *workflowRun, state string) {
	if d := w.job.trigger; d != nil && slices.Contains(w.suite.repo.deployments, d) {
		s.addDeploymentStatus(d, &statusAsk{State: state, LogURL: s.runURL(w)}, s.actions())
	}
}
