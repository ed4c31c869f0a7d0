package github

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// maxComment is how many characters GitHub takes of a comment on a gate, ten of which it takes a deployment (docs: creating custom deployment
// protection rules).
const maxComment = 1024

// GateState is an answer to a custom deployment protection rule, in GitHub's words.
type GateState string

// The answers. A progress comment is none: the gate goes on waiting.
const (
	GateApproved GateState = "approved"
	GateRejected GateState = "rejected"
	GateProgress GateState = ""
)

// ParseCallback returns the workflow run that a deployment protection rule's callback is about. The callback must be exactly the address by
// which GitHub's API, as it is configured, takes the answer for a run of this repository; else it is a *BadCallback. Nothing is asked.
func (c *Client) ParseCallback(callback string, repo change.Repository) (run int64, err error) {
	u, err := url.Parse(callback)
	api := c.github.api
	switch {
	case err != nil:
		return 0, &BadCallback{Why: "it is no address"}
	case u.Scheme != api.Scheme || !strings.EqualFold(u.Host, api.Host):
		return 0, &BadCallback{Why: "it is not on the configured GitHub"}
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(callback, "#"):
		return 0, &BadCallback{Why: "it has more than a path"}
	}
	path, ok := strings.CutPrefix(u.EscapedPath(), strings.TrimSuffix(api.EscapedPath(), "/")+"/")
	parts := strings.Split(path, "/")
	if !ok || len(parts) != 7 || parts[0] != "repos" || parts[3] != "actions" || parts[4] != "runs" || parts[6] != "deployment_protection_rule" {
		return 0, &BadCallback{Why: "it is not the path of a run's gate"}
	}
	if !strings.EqualFold(parts[1], repo.Owner) || !strings.EqualFold(parts[2], repo.Name) {
		return 0, &BadCallback{Why: "it is another repository's"}
	}
	run, err = strconv.ParseInt(parts[5], 10, 64)
	if err != nil || run <= 0 || strconv.FormatInt(run, 10) != parts[5] {
		return 0, &BadCallback{Why: "it names no run"}
	}
	return run, nil
}

// ReviewGate answers a deployment protection rule of ours that a workflow run waits for at an environment, or with GateProgress comments on it
// (actions/review-custom-gates-for-run). The comment is Markdown, cut to 1,024 characters; without an answer there must be one, and GitHub
// takes ten for each deployment.
//
// A callback that does not pass ParseCallback is a *BadCallback, and nothing is sent. A gate that is not open is a *GateClosed. If it fails
// with MayHaveHappened, answer again: a gate that took the first one is closed.
func (c *Client) ReviewGate(
	ctx context.Context, repo change.Repository, callback, environment string, state GateState, comment string,
) (err error) {
	defer wrap(&err, "answering the gate of %s in %s", environment, repo)
	run, err := c.ParseCallback(callback, repo)
	if err != nil {
		return err
	}
	body := struct {
		Environment string    `json:"environment_name"`
		State       GateState `json:"state,omitempty"`
		Comment     string    `json:"comment,omitempty"`
	}{environment, state, cut(comment, maxComment)}
	err = c.write(ctx, reviewGate.of(repo, itoa(run)), body, nil)
	var rejected *Rejected
	var missing *NotFound
	if errors.As(err, &missing) || errors.As(err, &rejected) && (rejected.Status == http.StatusUnprocessableEntity || rejected.Status == http.StatusConflict) {
		return &GateClosed{Err: err}
	}
	return err
}

// WorkflowRun is a run of a workflow of GitHub Actions.
type WorkflowRun struct {
	ID         int64
	Attempt    int
	Repository change.RepositoryID
	Head       change.SHA
	Branch     string // that it ran on; empty: none
	Event      string // that it ran for: push, deployment, workflow_dispatch, pull_request, …
	Path       string // of its workflow file
	Status     string // queued, in_progress, waiting, completed, …
	Conclusion string // empty until it is completed
	By         change.Account
	URL        string
}

// WorkflowRun reads a run in its latest attempt (actions/get-workflow-run). One that was deleted is a *NotFound.
func (s *Session) WorkflowRun(ctx context.Context, repo change.Repository, id int64, since time.Time) (_ WorkflowRun, err error) {
	defer wrap(&err, "reading workflow run %d of %s", id, repo)
	var r struct {
		github.WorkflowRun
		Path string `json:"path"`
	}
	whole := func() bool { return r.GetID() == id && r.GetHeadSHA() != "" }
	if err := s.read(ctx, getWorkflowRun.of(repo, itoa(id)), since, &r, whole); err != nil {
		return WorkflowRun{}, err
	}
	by := r.TriggeringActor
	if by == nil {
		by = r.Actor
	}
	return WorkflowRun{
		ID: id, Attempt: r.GetRunAttempt(), Repository: change.RepositoryID(r.GetRepository().GetID()), Head: change.SHA(r.GetHeadSHA()),
		Branch: r.GetHeadBranch(), Event: r.GetEvent(), Path: workflowPath(r.Path), Status: r.GetStatus(), Conclusion: r.GetConclusion(),
		By: account(by), URL: r.GetHTMLURL(),
	}, nil
}
