package githubsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

type deployment struct {
	id                    int64
	repo                  *repository
	sha, ref, task        string
	environment, original string // as written; the first may be changed by a status
	description           string
	payload               json.RawMessage
	transient, production bool
	creator               *account
	app                   *app // by which it was made; nil: none
	created, updated      time.Time
	statuses              []*deploymentStatus // oldest first
	run                   *workflowRun        // the one whose job it is of; nil: it was made by a call
}

type deploymentStatus struct {
	id                     int64
	state, description     string
	environment            string
	logURL, environmentURL string
	creator                *account
	app                    *app
	at                     time.Time
}

// state returns the deployment's newest state, "" before there is one.
func (d *deployment) state() string {
	if len(d.statuses) == 0 {
		return ""
	}
	return d.statuses[len(d.statuses)-1].state
}

// deploymentAsk is what a request to create a deployment asks for; nil leaves a field to its default.
type deploymentAsk struct {
	Ref              string          `json:"ref"`
	Task             *string         `json:"task"`
	AutoMerge        *bool           `json:"auto_merge"`
	RequiredContexts *[]string       `json:"required_contexts"`
	Payload          json.RawMessage `json:"payload"`
	Environment      *string         `json:"environment"`
	Description      *string         `json:"description"`
	Transient        *bool           `json:"transient_environment"`
	Production       *bool           `json:"production_environment"`
}

const (
	maxDeploymentText  = 140 // characters of a deployment's or a status's description
	maxEnvironmentName = 255
)

// check returns what GitHub would refuse, whatever there is in the repository.
func (a *deploymentAsk) check() error {
	switch {
	case a.Ref == "":
		return unprocessable("Invalid request.\n\n\"ref\" wasn't supplied.")
	case a.Description != nil && len([]rune(*a.Description)) > maxDeploymentText:
		return invalid("Deployment", "description", "description is too long (maximum is 140 characters)")
	case a.Environment != nil && len([]rune(*a.Environment)) > maxEnvironmentName:
		return invalid("Deployment", "environment", "environment is too long (maximum is 255 characters)")
	}
	if len(a.Payload) > 0 {
		var payload any
		if json.Unmarshal(a.Payload, &payload) != nil {
			return unprocessable("Invalid request.")
		}
		switch payload.(type) {
		case nil, string, map[string]any:
		default:
			return unprocessable("Invalid request.\n\nFor 'payload', the value is neither an object nor a string.")
		}
	}
	return nil
}

func or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// createDeployment makes a deployment and starts the workflows that wait for one. Where GitHub merges the default branch into the ref
// instead, it returns none and what GitHub says.
func (s *Sim) createDeployment(r *repository, ask *deploymentAsk, by actor) (made *deployment, merged string, err error) {
	if err := ask.check(); err != nil {
		return nil, "", err
	}
	at, err := r.resolve(ask.Ref)
	if err != nil {
		return nil, "", unprocessable("No ref found for: %s", ask.Ref)
	}
	if or(ask.AutoMerge, true) && !r.st.reaches(at.sha, r.branches[r.defaultBranch]) {
		merged, err := s.mergeDefault(r, ask.Ref, at, by)
		return nil, merged, err
	}
	if err := s.requireContexts(r, at.sha, ask); err != nil {
		return nil, "", err
	}
	environment := or(ask.Environment, "production")
	if environment == "" {
		environment = "production"
	}
	d := &deployment{repo: r, sha: at.sha, ref: ask.Ref, task: or(ask.Task, "deploy"), environment: environment,
		description: or(ask.Description, ""), payload: ask.Payload, transient: or(ask.Transient, false),
		production: or(ask.Production, environment == "production"), creator: by.account, app: by.app}
	s.addDeployment(d)
	// What a workflow does with its own token starts no workflow.
	if by.app == nil || by.app != s.apps[actionsSlug] {
		s.startDeployments(d, by)
	}
	return d, "", nil
}

// addDeployment records a deployment, makes its environment if it is the first there, and tells.
func (s *Sim) addDeployment(d *deployment) {
	if len(d.payload) == 0 || string(d.payload) == "null" || string(d.payload) == `""` {
		d.payload = json.RawMessage("{}")
	}
	d.id, d.created, d.updated, d.original = s.nextID(), s.Now(), s.Now(), d.environment
	s.environmentOf(d.repo, d.environment)
	d.repo.deployments = append(d.repo.deployments, d)
	s.emitDeployment(d)
}

// mergeDefault merges the default branch into the branch that is to be deployed, as GitHub does where the branch is behind.
func (s *Sim) mergeDefault(r *repository, ref string, at *commit, by actor) (string, error) {
	tip := r.branches[r.defaultBranch]
	conflict := &apiError{status: http.StatusConflict, message: "Conflict merging " + r.defaultBranch + " into " + ref + "."}
	branch := strings.TrimPrefix(strings.TrimPrefix(ref, "refs/"), "heads/")
	base := r.st.mergeBase(tip, at.sha)
	if r.branches[branch] == "" || base == "" {
		return "", conflict
	}
	tree, err := r.st.merge(r.st.commits[base].tree, r.st.commits[at.sha].tree, r.st.commits[tip].tree)
	if err != nil {
		return "", conflict
	}
	message := "Auto-merged " + r.defaultBranch + " into " + branch + " on deployment."
	c, err := s.webCommit(r, tree, []string{at.sha, tip}, by.account, message)
	if err != nil {
		return "", err
	}
	if err := s.pushTo(r, branch, c.sha, by); err != nil {
		return "", conflict
	}
	return message, nil
}

// requireContexts returns GitHub's refusal where a required check or status of the commit is not green: all that there are, unless the
// request names some.
func (s *Sim) requireContexts(r *repository, sha string, ask *deploymentAsk) error {
	var contexts []string
	if ask.RequiredContexts != nil {
		contexts = *ask.RequiredContexts
	} else {
		for _, cs := range r.suites[sha] {
			for _, run := range cs.latest() {
				contexts = append(contexts, run.name)
			}
		}
		for _, st := range r.latestStatuses(sha) {
			contexts = append(contexts, st.context)
		}
		slices.Sort(contexts)
		contexts = slices.Compact(contexts)
	}
	bad := []obj{}
	for _, name := range contexts {
		state := s.checkState(r, sha, RequiredCheck{Context: name})
		if state == "success" {
			continue
		}
		if state == "" {
			state = "pending"
		}
		bad = append(bad, obj{"context": name, "state": state})
	}
	if len(bad) == 0 {
		return nil
	}
	return &apiError{status: http.StatusConflict, message: "Conflict: Commit status checks failed for " + ask.Ref + ".",
		errors: []obj{{"contexts": bad, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}}}
}

// statusAsk is what a request to create a deployment status asks for.
type statusAsk struct {
	State          string  `json:"state"`
	TargetURL      string  `json:"target_url"`
	LogURL         string  `json:"log_url"`
	Description    string  `json:"description"`
	Environment    *string `json:"environment"`
	EnvironmentURL string  `json:"environment_url"`
	AutoInactive   *bool   `json:"auto_inactive"`
}

var deploymentStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}

func (a *statusAsk) check() error {
	bad := func(field, message string) error { return invalid("DeploymentStatus", field, message) }
	switch {
	case !slices.Contains(deploymentStates, a.State):
		return bad("state", "state is not included in the list")
	case len([]rune(a.Description)) > maxDeploymentText:
		return bad("description", "description is too long (maximum is 140 characters)")
	case a.Environment != nil && len([]rune(*a.Environment)) > maxEnvironmentName:
		return bad("environment", "environment is too long (maximum is 255 characters)")
	}
	for field, link := range map[string]string{"target_url": a.TargetURL, "log_url": a.LogURL, "environment_url": a.EnvironmentURL} {
		if u, err := url.Parse(link); link != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https") {
			return bad(field, field+" must use http(s) scheme")
		}
	}
	return nil
}

// addDeploymentStatus posts a status, whatever its state, and lets follow from it what does: a deployment that succeeds ends those
// before it in the same environment.
func (s *Sim) addDeploymentStatus(d *deployment, ask *statusAsk, by actor) *deploymentStatus {
	if ask.LogURL == "" {
		ask.LogURL = ask.TargetURL
	}
	if ask.Environment != nil && *ask.Environment != "" {
		d.environment = *ask.Environment
		s.environmentOf(d.repo, d.environment)
	}
	st := &deploymentStatus{id: s.nextID(), state: ask.State, description: ask.Description, environment: d.environment, logURL: ask.LogURL,
		environmentURL: ask.EnvironmentURL, creator: by.account, app: by.app, at: s.Now()}
	d.statuses, d.updated = append(d.statuses, st), st.at
	if st.state == "success" && or(ask.AutoInactive, true) {
		s.deactivate(d, by)
	}
	if st.state != "inactive" { // of which GitHub tells nobody
		s.emitDeploymentStatus(d, st, by)
	}
	return st
}

// deactivate ends the successful deployments that were made before d in its environment, those of production excepted.
func (s *Sim) deactivate(d *deployment, by actor) {
	for _, other := range d.repo.deployments {
		if other.id >= d.id || other.transient || other.production || other.state() != "success" || !strings.EqualFold(other.environment, d.environment) {
			continue
		}
		other.updated = s.Now()
		other.statuses = append(other.statuses, &deploymentStatus{id: s.nextID(), state: "inactive", environment: other.environment,
			creator: by.account, app: by.app, at: other.updated})
	}
}

// deleteDeployment deletes an inactive deployment, or the only one there is.
func (s *Sim) deleteDeployment(d *deployment) error {
	if len(d.repo.deployments) > 1 && (len(d.statuses) == 0 || d.state() == "success") {
		return unprocessable("We cannot delete an active deployment unless it is the only deployment in a given environment.")
	}
	d.repo.deployments = slices.DeleteFunc(d.repo.deployments, func(other *deployment) bool { return other == d })
	return nil
}

func (r *repository) deployment(id int64) *deployment {
	for _, d := range r.deployments {
		if d.id == id {
			return d
		}
	}
	return nil
}

// DeploymentOptions describe a deployment that a person, or a program with a person's token, creates.
type DeploymentOptions struct {
	Ref         string // a branch or a SHA; default: the default branch
	Environment string // default: production
	Task        string // default: deploy
	Description string
	Payload     any   // an object or a string, in JSON
	Transient   bool  // the environment will be gone some day
	Production  *bool // default: whether the environment is "production"
	// AllContexts has GitHub refuse it unless all checks of the commit are green, and AutoMerge has the default branch merged into
	// a ref that is behind. GitHub does both where a request says nothing of them, and scripts switch both off.
	AllContexts, AutoMerge bool
}

// DeploymentStatus describes a status to post on a deployment.
type DeploymentStatus struct {
	State          string // error, failure, inactive, in_progress, queued, pending or success
	Description    string
	LogURL         string
	Environment    string // default: the deployment's
	EnvironmentURL string
	KeepOthers     bool // a success does not make the environment's other deployments inactive
}

// CreateDeployment creates a deployment and returns its id: whoever may write may. Nothing gates it, and it starts the workflows that
// run on deployments; only the Actions bot's, which acts with a workflow's own token, starts none.
func (p *Person) CreateDeployment(repo string, o DeploymentOptions) (int64, error) {
	ask := &deploymentAsk{Ref: o.Ref, AutoMerge: &o.AutoMerge, Production: o.Production, Transient: &o.Transient, Description: &o.Description}
	if !o.AllContexts {
		ask.RequiredContexts = &[]string{}
	}
	if o.Environment != "" {
		ask.Environment = &o.Environment
	}
	if o.Task != "" {
		ask.Task = &o.Task
	}
	if o.Payload != nil {
		ask.Payload = encode(o.Payload)
	}
	var id int64
	err := p.deploys(repo, func(r *repository, by actor) error {
		if ask.Ref == "" {
			ask.Ref = r.defaultBranch
		}
		d, merged, err := p.sim.createDeployment(r, ask, by)
		if err == nil && d == nil {
			err = refuse("%s", merged)
		}
		if d != nil {
			id = d.id
		}
		return err
	})
	return id, err
}

// PostDeploymentStatus posts a status on a deployment, whoever made it: whoever may write may.
func (p *Person) PostDeploymentStatus(repo string, id int64, st DeploymentStatus) error {
	autoInactive := !st.KeepOthers
	ask := &statusAsk{State: st.State, Description: st.Description, LogURL: st.LogURL, EnvironmentURL: st.EnvironmentURL, AutoInactive: &autoInactive}
	if st.Environment != "" {
		ask.Environment = &st.Environment
	}
	return p.deploys(repo, func(r *repository, by actor) error {
		d := r.deployment(id)
		if d == nil {
			return refuse("Not Found")
		}
		if err := ask.check(); err != nil {
			return err
		}
		p.sim.addDeploymentStatus(d, ask, by)
		return nil
	})
}

// DeleteDeployment deletes a deployment that is inactive, or the repository's only one.
func (p *Person) DeleteDeployment(repo string, id int64) error {
	return p.deploys(repo, func(r *repository, _ actor) error {
		d := r.deployment(id)
		if d == nil {
			return refuse("Not Found")
		}
		return p.sim.deleteDeployment(d)
	})
}

// deploys is act for what needs write access, which the workflows' own bot has in every repository. What the API answers becomes what
// GitHub says to a person.
func (p *Person) deploys(repo string, f func(r *repository, by actor) error) error {
	if !strings.EqualFold(p.login, actionsSlug+"[bot]") {
		return said(p.act(repo, Write, "deploy", f))
	}
	s := p.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	return said(errors.Join(f(r, s.actions()), s.runQueues(r)))
}

// said turns an answer of the API into what GitHub says to a person.
func said(err error) error {
	var api *apiError
	if !errors.As(err, &api) {
		return err
	}
	message := api.message
	for _, e := range api.errors {
		if more, ok := e["message"].(string); ok {
			message += ": " + more
		}
	}
	return refuse("%s", message)
}
