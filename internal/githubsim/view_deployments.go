package githubsim

import (
	"encoding/json"
	"slices"
	"time"
)

// DeploymentView is a deployment as it is now.
type DeploymentView struct {
	ID                    int64
	SHA, Ref, Task        string
	Subject               string // the commit's first line
	Environment           string // as written, the last status's where that changed it
	Description           string
	Payload               json.RawMessage
	Creator               string
	App                   string // the slug of the App by which it was made; "": none
	Transient, Production bool
	Created               time.Time
	State                 string                 // of the newest status; "" before there is one
	Statuses              []DeploymentStatusView // oldest first
	Run                   int64                  // the workflow run whose job it is of; 0: it was made by a call
}

// DeploymentStatusView is a status of a deployment.
type DeploymentStatusView struct {
	ID                                           int64
	State, Description, LogURL, Environment, App string
	Creator                                      string
	At                                           time.Time
}

// RunView is a run of a Workflow as it is now.
type RunView struct {
	Run
	Name, Path, Event  string
	SHA, Ref           string // the ref is Git's; "" where the deployment was made by SHA
	Subject            string // the commit's first line
	Actor              string
	Environment        string // the one that the job names; "": none
	DeploysTo          string // that, or the one of the deployment that it runs for
	Status, Conclusion string // queued, waiting, in_progress or completed
	Number, Attempt    int
	Trigger            int64         // the deployment that it runs for, or 0
	Deployment         int64         // the one that GitHub made of its job, or 0
	Asked              []string      // the slugs of the Apps whose answer it waits for
	Reviewers          []string      // who could let it through, where one of them must
	Until              time.Time     // what its wait timer makes it wait for, where it waits
	Comments           []RuleComment // what Apps said of its present attempt
	Created, Updated   time.Time
}

// EnvironmentView is an environment as it is now.
type EnvironmentView struct {
	Name string
	EnvironmentOptions
	Deployments []DeploymentView // newest first
}

// Live returns the newest deployment that has succeeded and was not ended since, nil if there is none.
func (e EnvironmentView) Live() *DeploymentView {
	for n := range e.Deployments {
		if e.Deployments[n].State == "success" {
			return &e.Deployments[n]
		}
	}
	return nil
}

func (s *Sim) viewDeployment(d *deployment) DeploymentView {
	slug := func(a *app) string {
		if a == nil {
			return ""
		}
		return a.slug
	}
	v := DeploymentView{ID: d.id, SHA: d.sha, Ref: d.ref, Task: d.task, Environment: d.environment, Description: d.description,
		Payload: slices.Clone(d.payload), Creator: viewName(d.creator), App: slug(d.app), Transient: d.transient, Production: d.production,
		Created: d.created, State: d.state(), Subject: s.commitView(d.repo.st.commits[d.sha]).Subject}
	for _, st := range d.statuses {
		v.Statuses = append(v.Statuses, DeploymentStatusView{ID: st.id, State: st.state, Description: st.description, LogURL: st.logURL,
			Environment: st.environment, Creator: viewName(st.creator), App: slug(st.app), At: st.at})
	}
	if d.run != nil {
		v.Run = d.run.id
	}
	return v
}

// Deployments returns the repository's deployments, oldest first.
func (s *Sim) Deployments(repo string) ([]DeploymentView, error) {
	return look(s, repo, func(r *repository) ([]DeploymentView, error) {
		var out []DeploymentView
		for _, d := range r.deployments {
			out = append(out, s.viewDeployment(d))
		}
		return out, nil
	})
}

// Environments returns the repository's environments in the order in which they came to be.
func (s *Sim) Environments(repo string) ([]EnvironmentView, error) {
	return look(s, repo, func(r *repository) ([]EnvironmentView, error) {
		var out []EnvironmentView
		for _, e := range r.environments {
			v := EnvironmentView{Name: e.name, EnvironmentOptions: e.EnvironmentOptions}
			for _, d := range slices.Backward(r.deployments) {
				if r.environment(d.environment) == e {
					v.Deployments = append(v.Deployments, s.viewDeployment(d))
				}
			}
			out = append(out, v)
		}
		return out, nil
	})
}

// Runs returns the repository's runs of Workflows, oldest first. Those that PostCheckRun makes are not among them.
func (s *Sim) Runs(repo string) ([]RunView, error) {
	return look(s, repo, func(r *repository) ([]RunView, error) {
		var out []RunView
		for _, w := range r.workflows {
			if w.job != nil {
				out = append(out, s.viewRun(w))
			}
		}
		return out, nil
	})
}

func (s *Sim) viewRun(w *workflowRun) RunView {
	j := w.job
	v := RunView{Run: Run{w.suite.repo.fullName(), w.id}, Name: w.name, Path: w.path, Event: w.event, SHA: w.suite.sha, Ref: j.ref,
		Actor: viewName(w.actor), Environment: j.environment, DeploysTo: w.deploysTo(), Status: j.status, Conclusion: j.conclusion, Number: w.number, Attempt: j.attempt,
		Comments: slices.Clone(j.said), Created: w.created, Updated: w.updated, Subject: s.commitView(w.suite.repo.st.commits[w.suite.sha]).Subject}
	if j.trigger != nil {
		v.Trigger = j.trigger.id
	}
	if j.deployment != nil {
		v.Deployment = j.deployment.id
	}
	if g := j.gate; g != nil {
		v.Until = g.until
		for _, a := range g.asked {
			if a.state == "" {
				v.Asked = append(v.Asked, a.app.slug)
			}
		}
		if !g.reviewed {
			v.Reviewers = slices.Clone(g.env.Reviewers)
		}
	}
	return v
}

// Workflows returns the repository's Workflows, whether or not there is a commit with their files.
func (s *Sim) Workflows(repo string) ([]Workflow, error) {
	return look(s, repo, func(r *repository) ([]Workflow, error) {
		var out []Workflow
		for _, w := range r.deployers {
			out = append(out, *w)
		}
		return out, nil
	})
}
