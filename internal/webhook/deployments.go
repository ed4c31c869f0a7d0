package webhook

import (
	"cmp"
	"errors"

	"github.com/changegate/changegate/internal/change"
)

// What follows reads events about what is deployed. All of them raise a repository's one errand for that. What our own App deployed comes
// back to us too and is not told apart: GitHub does not name the App in it, and the errand finds in it what it knows already.

// raiseDeployments has the repository's deployments looked at, with a note.
func raiseDeployments(d *change.Delivery, n change.ReleaseNote) {
	raise(d, change.ErrandDeployments, change.DeploymentsName, note(d, n))
}

// raiseLanded tells of a pull request that was merged, once it is known what it became on its branch.
func raiseLanded(d *change.Delivery) {
	p := d.Pull
	if p.State != change.Merged || p.MergeCommit == "" {
		return
	}
	raiseDeployments(d, change.ReleaseNote{Landed: &change.Landed{
		Number: p.Number, Title: p.Title, Branch: p.Base.Name, Commit: p.MergeCommit, Author: p.Author, By: p.MergedBy,
		At: cmp.Or(p.MergedAt, d.ReceivedAt),
	}})
}

// raiseRun tells of the end of a workflow run that may have deployed. Those for pull requests and merge groups are on commits that are on no
// branch yet, and there are many of them.
func (e *workflowRunEvent) raiseRun(d *change.Delivery) {
	r := e.WorkflowRun
	switch r.Event {
	case "pull_request", "pull_request_target", "merge_group":
		return
	}
	if r.ID == 0 || r.HeadSHA == "" || d.Repository.ID == 0 {
		return
	}
	raiseDeployments(d, change.ReleaseNote{Run: &change.RunEnded{
		Run: r.ID, Attempt: r.RunAttempt, Conclusion: r.Conclusion, SHA: r.HeadSHA, At: cmp.Or(r.UpdatedAt, d.ReceivedAt),
	}})
}

func readDeployment(d *change.Delivery, e *deploymentEvent) error {
	if err := e.Deployment.check(d); err != nil {
		return err
	}
	if e.Action == "created" {
		made := e.Deployment.value(d.ReceivedAt)
		raiseDeployments(d, change.ReleaseNote{Deployment: &made})
	}
	return nil
}

func readDeploymentStatus(d *change.Delivery, e *deploymentStatusEvent) error {
	s := e.DeploymentStatus
	if err := e.Deployment.check(d); err != nil {
		return err
	}
	if s == nil || s.ID == 0 || s.State == "" {
		return errors.New("no deployment_status")
	}
	if e.Action == "created" {
		status := change.DeploymentStatus{
			ID: s.ID, Deployment: e.Deployment.value(d.ReceivedAt), State: change.DeploymentState(s.State), By: s.Creator.value(), Via: s.App.id(), App: s.App.slug(),
			LogURL: cmp.Or(s.LogURL, s.TargetURL), At: cmp.Or(s.CreatedAt, d.ReceivedAt),
		}
		status.Deployment.Environment = cmp.Or(s.Environment, status.Deployment.Environment) // a status can move a deployment
		raiseDeployments(d, change.ReleaseNote{Status: &status})
	}
	return nil
}

// check says what a deployment lacks that every one has.
func (d *deployment) check(in *change.Delivery) error {
	switch {
	case d == nil:
		return errors.New("no deployment")
	case in.Repository.ID == 0:
		return errors.New("no repository")
	case d.ID == 0 || d.SHA == "" || d.Environment == "":
		return errors.New("a deployment without id, commit or environment")
	}
	return nil
}

// readProtectionRule reads that a job waits for us. The deployment may be null: then the event itself says which commit.
func readProtectionRule(d *change.Delivery, e *protectionRuleEvent) error {
	asked := change.RuleAsked{
		Environment: e.Environment, SHA: e.SHA, Ref: e.Ref, Callback: e.Callback, By: d.Sender, At: d.ReceivedAt,
	}
	if job := e.Deployment; job != nil {
		asked.Deployment = job.ID
		asked.Environment = cmp.Or(asked.Environment, job.Environment)
		asked.SHA, asked.Ref = cmp.Or(asked.SHA, job.SHA), cmp.Or(asked.Ref, job.Ref)
	}
	switch {
	case e.Action != "requested":
		return nil
	case d.Repository.ID == 0:
		return errors.New("no repository")
	case asked.Environment == "" || asked.SHA == "" || asked.Callback == "":
		return errors.New("no environment, commit or callback")
	}
	raiseDeployments(d, change.ReleaseNote{Rule: &asked})
	return nil
}
