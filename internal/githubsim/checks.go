package githubsim

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

type checkSuite struct {
	id               int64
	app              *app
	repo             *repository
	sha, branch      string
	before           string
	created, updated time.Time
	runs             []*checkRun // oldest first
	workflow         *workflowRun
}

type checkRun struct {
	id                   int64
	suite                *checkSuite
	name, externalID     string
	detailsURL           string
	status, conclusion   string
	created              time.Time
	started, completed   time.Time
	title, summary, text *string
	annotations          []obj
	actions              []obj
}

type status struct {
	id               int64
	state, context   string
	description, url *string
	creator          *account
	at               time.Time
}

type workflowRun struct {
	id, workflowID   int64
	number           int
	name, path       string
	suite            *checkSuite
	event            string
	actor            *account
	created, updated time.Time
	job              *deployJob // nil: the run is what others post of it
}

// state returns the suite's status and conclusion, which follow from its latest runs.
func (cs *checkSuite) state() (string, string) {
	latest := cs.latest()
	if len(latest) == 0 {
		return "queued", ""
	}
	conclusion := "success"
	for _, run := range latest {
		if run.status != "completed" {
			return "in_progress", ""
		}
		switch run.conclusion {
		case "success":
		case "neutral", "skipped":
			if conclusion == "success" && len(latest) == 1 {
				conclusion = run.conclusion
			}
		default:
			conclusion = run.conclusion
		}
	}
	return "completed", conclusion
}

// staleAfter is how long a check run may take before GitHub gives it up.
const staleAfter = 14 * 24 * time.Hour

// age gives up the runs on a commit that have taken too long. GitHub does so by itself; here it is seen when somebody looks.
func (s *Sim) age(r *repository, sha string) {
	now := s.Now()
	for _, cs := range r.suites[sha] {
		for _, run := range cs.runs {
			if run.status != "completed" && now.Sub(run.created) > staleAfter {
				run.status, run.conclusion, run.completed = "completed", "stale", run.created.Add(staleAfter)
			}
		}
	}
}

// latest returns the newest run of each name.
func (cs *checkSuite) latest() []*checkRun {
	seen := map[string]bool{}
	var out []*checkRun
	for _, run := range slices.Backward(cs.runs) {
		if !seen[run.name] {
			seen[run.name] = true
			out = append(out, run)
		}
	}
	slices.Reverse(out)
	return out
}

// requestSuites makes a check suite for every App that may write checks and tells it so, as GitHub does on every push.
func (s *Sim) requestSuites(r *repository, branch, before, sha string) {
	for _, in := range s.sortedInstallations() {
		if !in.has(r) || !allows(in.permissions, "checks", "write") || !in.suspended.IsZero() {
			continue
		}
		if s.suiteOf(r, sha, in.app) != nil {
			continue
		}
		cs := s.newSuite(r, sha, in.app)
		cs.branch, cs.before = branch, before
		s.emitCheckSuite(cs, "requested", actor{account: s.pusher(r)}, in.app)
	}
}

func (s *Sim) pusher(r *repository) *account {
	if n := len(r.activities); n > 0 {
		return r.activities[n-1].actor
	}
	return r.owner
}

func (s *Sim) sortedInstallations() []*installation {
	var out []*installation
	for _, in := range s.installations {
		out = append(out, in)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

func (s *Sim) newSuite(r *repository, sha string, a *app) *checkSuite {
	now := s.Now()
	cs := &checkSuite{id: s.nextID(), app: a, repo: r, sha: sha, created: now, updated: now}
	for name, tip := range r.branches {
		if tip == sha && (cs.branch == "" || name < cs.branch) {
			cs.branch = name
		}
	}
	r.suites[sha] = append(r.suites[sha], cs)
	s.suites[cs.id] = cs
	return cs
}

// suiteOf returns the App's suite on the commit that belongs to no workflow, or nil.
func (s *Sim) suiteOf(r *repository, sha string, a *app) *checkSuite {
	for _, cs := range r.suites[sha] {
		if cs.app == a && cs.workflow == nil {
			return cs
		}
	}
	return nil
}

// runChange is what a request to create or update a check run asks for; nil leaves a field as it is.
type runChange struct {
	Name        *string    `json:"name"`
	HeadSHA     *string    `json:"head_sha"`
	DetailsURL  *string    `json:"details_url"`
	ExternalID  *string    `json:"external_id"`
	Status      *string    `json:"status"`
	Conclusion  *string    `json:"conclusion"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *runOutput `json:"output"`
	Actions     []obj      `json:"actions"`
}

type runOutput struct {
	Title       *string `json:"title"`
	Summary     *string `json:"summary"`
	Text        *string `json:"text"`
	Annotations []obj   `json:"annotations"`
}

var (
	runStatuses    = []string{"queued", "in_progress", "completed"}
	runConclusions = []string{"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"}
)

const maxOutput = 65_535

// check returns what GitHub would refuse.
func (c *runChange) check() error {
	bad := func(field, format string, args ...any) error {
		return invalid("CheckRun", field, fmt.Sprintf(format, args...))
	}
	if c.Status != nil && !slices.Contains(runStatuses, *c.Status) {
		return bad("status", "%q is not a member of %v", *c.Status, runStatuses)
	}
	if c.Conclusion != nil && !slices.Contains(runConclusions, *c.Conclusion) {
		return bad("conclusion", "%q is not a member of %v", *c.Conclusion, runConclusions)
	}
	if c.Status != nil && *c.Status == "completed" && c.Conclusion == nil {
		return bad("conclusion", "is required when status is completed")
	}
	if o := c.Output; o != nil {
		if o.Title == nil || o.Summary == nil {
			return bad("output", "needs a title and a summary")
		}
		for field, text := range map[string]*string{"summary": o.Summary, "text": o.Text} {
			// GitHub counts characters and not bytes.
			if text != nil && len([]rune(*text)) > maxOutput {
				return bad(field, "is too long (maximum is %d characters)", maxOutput)
			}
		}
		if len(o.Annotations) > 50 {
			return bad("annotations", "has too many items (maximum is 50)")
		}
	}
	if len(c.Actions) > 3 {
		return bad("actions", "has too many items (maximum is 3)")
	}
	for _, a := range c.Actions {
		for field, limit := range map[string]int{"label": 20, "description": 40, "identifier": 20} {
			text, _ := a[field].(string)
			if n := len([]rune(text)); n == 0 || n > limit {
				return bad("actions."+field, "is missing or too long (maximum is %d characters)", limit)
			}
		}
	}
	return nil
}

func (run *checkRun) apply(c *runChange, now time.Time) {
	if c.Name != nil {
		run.name = *c.Name
	}
	if c.DetailsURL != nil {
		run.detailsURL = *c.DetailsURL
	}
	if c.ExternalID != nil {
		run.externalID = *c.ExternalID
	}
	if c.StartedAt != nil {
		run.started = c.StartedAt.UTC()
	}
	if o := c.Output; o != nil {
		run.title, run.summary = o.Title, o.Summary
		run.text = o.Text
		run.annotations = append(run.annotations, o.Annotations...)
	}
	if c.Actions != nil {
		run.actions = c.Actions
	}
	if c.Conclusion != nil {
		run.status, run.conclusion = "completed", *c.Conclusion
		if run.completed = now; c.CompletedAt != nil {
			run.completed = c.CompletedAt.UTC()
		}
		return
	}
	// A completed run stays completed: GitHub accepts the wish and does not grant it.
	if c.Status != nil && run.status != "completed" {
		run.status = *c.Status
	}
}

func (s *Sim) createRun(r *repository, a *app, cs *checkSuite, c *runChange) *checkRun {
	if cs == nil {
		if cs = s.suiteOf(r, *c.HeadSHA, a); cs == nil {
			cs = s.newSuite(r, *c.HeadSHA, a)
		}
	}
	now := s.Now()
	run := &checkRun{id: s.nextID(), suite: cs, status: "queued", created: now, started: now, detailsURL: s.htmlURL("/apps/%s", a.slug)}
	run.apply(c, now)
	cs.runs = append(cs.runs, run)
	cs.updated = now
	s.runs[run.id] = run
	by := actor{account: a.bot, app: a}
	s.emitCheckRun(run, "created", by, nil, nil)
	if run.status == "completed" {
		s.emitCheckRun(run, "completed", by, nil, nil)
		s.completeSuite(cs, by)
	}
	return run
}

func (s *Sim) updateRun(run *checkRun, c *runChange) {
	before := run.status
	run.apply(c, s.Now())
	run.suite.updated = s.Now()
	by := actor{account: run.suite.app.bot, app: run.suite.app}
	if run.status == "completed" && before != "completed" {
		s.emitCheckRun(run, "completed", by, nil, nil)
		s.completeSuite(run.suite, by)
	}
}

func (s *Sim) completeSuite(cs *checkSuite, by actor) {
	if state, _ := cs.state(); state == "completed" {
		s.emitCheckSuite(cs, "completed", by, nil)
	}
}

// checkState says how the required check stands on the commit: success, failure, pending or "" if nobody has posted it.
func (s *Sim) checkState(r *repository, sha string, need RequiredCheck) string {
	s.age(r, sha)
	result := ""
	worst := func(state string) {
		order := []string{"", "success", "pending", "failure"}
		if slices.Index(order, state) > slices.Index(order, result) {
			result = state
		}
	}
	for _, cs := range r.suites[sha] {
		if need.AppID != 0 && cs.app.id != need.AppID {
			continue
		}
		for _, run := range cs.latest() {
			switch {
			case run.name != need.Context:
			case run.status != "completed":
				worst("pending")
			case slices.Contains([]string{"success", "neutral", "skipped"}, run.conclusion):
				worst("success")
			default:
				worst("failure")
			}
		}
	}
	if need.AppID != 0 {
		return result
	}
	for _, st := range r.latestStatuses(sha) {
		if st.context == need.Context {
			worst(map[string]string{"success": "success", "pending": "pending"}[st.state])
			if st.state == "failure" || st.state == "error" {
				worst("failure")
			}
		}
	}
	return result
}

// latestStatuses returns the newest commit status of each context, the newest first.
func (r *repository) latestStatuses(sha string) []*status {
	seen := map[string]bool{}
	var out []*status
	for _, st := range r.statuses[sha] {
		if !seen[st.context] {
			seen[st.context] = true
			out = append(out, st)
		}
	}
	return out
}

func (s *Sim) addStatus(r *repository, sha string, st status, by actor) *status {
	st.id, st.creator, st.at = s.nextID(), by.account, s.Now()
	if st.context == "" {
		st.context = "default"
	}
	r.statuses[sha] = append([]*status{&st}, r.statuses[sha]...)
	s.emitStatus(r, sha, &st, by)
	return &st
}

// CheckRun describes a check run that an App other than the one under test posts.
type CheckRun struct {
	App        string // the App's slug; default: github-actions
	Name       string
	Status     string // queued, in_progress or completed; default: completed if there is a Conclusion, else in_progress
	Conclusion string
	Title      string
	Summary    string
	// Workflow is the path of the workflow that posted it (".github/workflows/ci.yml"), which makes a workflow run. Only
	// github-actions has any.
	Workflow string
}

// PostCheckRun posts a check run on a commit as the App, and returns its id. A run of the same name that has not completed is
// updated; otherwise it is a new one. A workflow's runs share one workflow run a commit.
func (s *Sim) PostCheckRun(repo, sha string, c CheckRun) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return 0, err
	}
	if _, err := r.st.commit(sha); err != nil {
		return 0, fmt.Errorf("%s has no commit %s", repo, sha)
	}
	if c.App == "" {
		c.App = "github-actions"
	}
	a := s.apps[c.App]
	if a == nil {
		return 0, fmt.Errorf("there is no app %s", c.App)
	}
	if c.Status == "" && c.Conclusion == "" {
		c.Status = "in_progress"
	}
	change := &runChange{Name: &c.Name, HeadSHA: &sha}
	if c.Status != "" {
		change.Status = &c.Status
	}
	if c.Conclusion != "" {
		change.Conclusion = &c.Conclusion
	}
	if c.Title != "" {
		change.Output = &runOutput{Title: &c.Title, Summary: &c.Summary}
	}
	if err := change.check(); err != nil {
		return 0, err
	}
	var cs *checkSuite
	if c.Workflow != "" {
		cs = s.workflowSuite(r, sha, a, c.Workflow)
	} else {
		cs = s.suiteOf(r, sha, a)
	}
	if cs != nil {
		for _, run := range cs.runs {
			if run.name == c.Name && run.status != "completed" {
				s.updateRun(run, change)
				s.workflowMoved(cs)
				return run.id, s.runQueues(r)
			}
		}
	}
	run := s.createRun(r, a, cs, change)
	if cs != nil {
		s.workflowMoved(cs)
	}
	return run.id, s.runQueues(r)
}

func (s *Sim) workflowSuite(r *repository, sha string, a *app, path string) *checkSuite {
	for _, cs := range r.suites[sha] {
		if cs.app == a && cs.workflow != nil && cs.workflow.path == path {
			return cs
		}
	}
	cs := s.newSuite(r, sha, a)
	w := &workflowRun{id: s.nextID(), number: len(r.workflows) + 1, path: path, suite: cs, event: "pull_request",
		actor: s.pusher(r), created: s.Now(), updated: s.Now()}
	w.name = strings.TrimSuffix(path[strings.LastIndex(path, "/")+1:], ".yml")
	for _, other := range r.workflows {
		if other.path == path {
			w.workflowID = other.workflowID
		}
	}
	if w.workflowID == 0 {
		w.workflowID = s.nextID()
	}
	cs.workflow = w
	r.workflows = append(r.workflows, w)
	s.emitWorkflowRun(w, "requested")
	return cs
}

func (s *Sim) workflowMoved(cs *checkSuite) {
	if cs.workflow == nil {
		return
	}
	cs.workflow.updated = s.Now()
	if state, _ := cs.state(); state == "completed" {
		s.emitWorkflowRun(cs.workflow, "completed")
	}
}

// PostStatus posts a commit status as the account, which must have write access.
func (p *Person) PostStatus(repo, sha, context, state, description string) error {
	return p.act(repo, Write, "post a commit status", func(r *repository, by actor) error {
		if _, err := r.st.commit(sha); err != nil {
			return refuse("No commit found for SHA: %s", sha)
		}
		if !slices.Contains(statusStates, state) {
			return refuse("Validation Failed: state must be one of %v", statusStates)
		}
		p.sim.addStatus(r, sha, status{state: state, context: context, description: &description}, by)
		return nil
	})
}

var statusStates = []string{"error", "failure", "pending", "success"}

// RerequestCheckRun presses a completed check run's button "Re-run". Only the App that owns the run hears of it, and nothing else
// happens by itself.
func (p *Person) RerequestCheckRun(repo string, run int64) error {
	return p.onRun(repo, run, func(run *checkRun, by actor) error {
		p.sim.emitCheckRun(run, "rerequested", by, nil, run.suite.app)
		return nil
	})
}

// RerequestChecks presses "Re-run all checks" for the runs of one App on a commit. Only that App hears of it.
func (p *Person) RerequestChecks(repo, sha, app string) error {
	return p.act(repo, Write, "re-run checks", func(r *repository, by actor) error {
		for _, cs := range r.suites[sha] {
			if cs.app.slug == app {
				p.sim.emitCheckSuite(cs, "rerequested", by, cs.app)
				return nil
			}
		}
		return refuse("Not Found")
	})
}

// RequestedAction presses one of the buttons that the check run's App gave it.
func (p *Person) RequestedAction(repo string, run int64, identifier string) error {
	return p.onRun(repo, run, func(run *checkRun, by actor) error {
		if !slices.ContainsFunc(run.actions, func(a obj) bool { return a["identifier"] == identifier }) {
			return refuse("The check run has no action %q", identifier)
		}
		p.sim.emitCheckRun(run, "requested_action", by, obj{"requested_action": obj{"identifier": identifier}}, run.suite.app)
		return nil
	})
}

func (p *Person) onRun(repo string, id int64, f func(run *checkRun, by actor) error) error {
	return p.act(repo, Write, "re-run checks", func(r *repository, by actor) error {
		run := p.sim.runs[id]
		if run == nil || run.suite.repo != r {
			return refuse("Not Found")
		}
		if run.status != "completed" {
			return refuse("The check run has not completed yet")
		}
		return f(run, by)
	})
}
