package change

import (
	"encoding/json"
	"fmt"
	"time"
)

// DeploymentsName is the name of a repository's one errand of the kind ErrandDeployments.
const DeploymentsName = "deployments"

// ReleaseNote is what happened that may concern a repository's deployments. One of its members is set.
type ReleaseNote struct {
	Landed     *Landed           `json:"landed,omitempty"`
	Deployment *Deployment       `json:"deployment,omitempty"`
	Status     *DeploymentStatus `json:"status,omitempty"`
	Rule       *RuleAsked        `json:"rule,omitempty"`
	Gate       *GateAsked        `json:"gate,omitempty"`
	Run        *RunEnded         `json:"run,omitempty"`
	Command    *Command          `json:"command,omitempty"`
}

// Landed is the merge of a pull request, as its delivery told.
type Landed struct {
	Number Number    `json:"number"`
	Title  string    `json:"title"` // as somebody wrote it
	Branch string    `json:"branch"`
	Commit SHA       `json:"commit"` // the one that it became on the branch
	Author Account   `json:"author"`
	By     Account   `json:"by"` // who merged it
	At     time.Time `json:"at"`
}

// RaiseLanded returns what tells a repository's deployments of a merge, as its delivery does: that one may never have come. They take it
// once. Nothing, unless the pull request was merged.
func RaiseLanded(key PullKey, p Pull) []Raised {
	if p.State != Merged || p.MergeCommit == "" {
		return nil
	}
	at := p.MergedAt
	if at.IsZero() {
		at = p.UpdatedAt
	}
	body := ReleaseNote{Landed: &Landed{
		Number: key.Number, Title: p.Title, Branch: p.Base.Name, Commit: p.MergeCommit, Author: p.Author, By: p.MergedBy, At: at,
	}}
	return []Raised{{
		Errand: Errand{Kind: ErrandDeployments, Repository: key.Repository, Name: DeploymentsName},
		Notes:  []Note{NewNote(fmt.Sprintf("landed/%d", key.Number), at, body)},
	}}
}

// Deployment is a deployment on GitHub.
type Deployment struct {
	ID          int64           `json:"id"`
	SHA         SHA             `json:"sha"`
	Ref         string          `json:"ref,omitempty"` // as it was asked for: a branch, a tag or a SHA
	Task        string          `json:"task,omitempty"`
	Environment string          `json:"environment"`       // as it was written; names are compared without regard to case
	By          Account         `json:"by"`                // its creator
	Via         AppID           `json:"via,omitempty"`     // the App that created it; 0: none, or GitHub does not say
	App         string          `json:"app,omitempty"`     // the slug of that App; empty: as for Via
	Payload     json.RawMessage `json:"payload,omitempty"` // at most 4 KB; nil if it is longer
	At          time.Time       `json:"at"`
}

// DeploymentState is the state of a deployment on GitHub, in its words.
type DeploymentState string

// The states of a deployment on GitHub.
const (
	DeploymentPending    DeploymentState = "pending"
	DeploymentQueued     DeploymentState = "queued"
	DeploymentInProgress DeploymentState = "in_progress"
	DeploymentSuccess    DeploymentState = "success"
	DeploymentFailure    DeploymentState = "failure"
	DeploymentErrored    DeploymentState = "error"
	DeploymentInactive   DeploymentState = "inactive"
)

// DeploymentStatus is a status that was posted on a deployment.
type DeploymentStatus struct {
	ID         int64           `json:"id"`
	Deployment Deployment      `json:"deployment"`
	State      DeploymentState `json:"state"`
	By         Account         `json:"by"`
	Via        AppID           `json:"via,omitempty"`
	App        string          `json:"app,omitempty"` // the slug of that App
	LogURL     string          `json:"log_url,omitempty"`
	At         time.Time       `json:"at"`
}

// IsAfter says whether a status came after another on the same deployment, of which its time, to the second, and its ID are known.
func (s DeploymentStatus) IsAfter(at time.Time, id int64) bool {
	return s.At.After(at) || s.At.Equal(at) && s.ID > id
}

// RuleAsked is a deployment protection rule that asks whether a job may go on.
type RuleAsked struct {
	Environment string    `json:"environment"`
	SHA         SHA       `json:"sha"`
	Ref         string    `json:"ref,omitempty"`
	Callback    string    `json:"callback"`             // the URL that the answer goes to; checked before it is used
	Deployment  int64     `json:"deployment,omitempty"` // the job's deployment on GitHub; 0: GitHub did not say
	By          Account   `json:"by"`                   // who caused the run
	At          time.Time `json:"at"`
}

// GateAsked is a job that asks by itself, over the server's gate.
type GateAsked struct {
	// Key is the same however often the same attempt of the same job asks for the same commit and environment.
	Key         string  `json:"key"`
	Environment string  `json:"environment"`
	SHA         SHA     `json:"sha"`
	Ref         string  `json:"ref,omitempty"`
	Run         int64   `json:"run,omitempty"` // the workflow run; 0: it is not known
	Attempt     int     `json:"attempt,omitempty"`
	Workflow    string  `json:"workflow,omitempty"`
	By          Account `json:"by,omitzero"`
	Who         string  `json:"who"` // who asks, for people: a login, or the name of a token
	// OnGitHub says that the job names the environment, so that GitHub itself makes a deployment of it.
	OnGitHub bool      `json:"on_github,omitempty"`
	At       time.Time `json:"at"`
}

// RunEnded is the end of a workflow run.
type RunEnded struct {
	Run        int64     `json:"run"`
	Attempt    int       `json:"attempt"`
	Conclusion string    `json:"conclusion"` // success, failure, cancelled, timed_out, …
	SHA        SHA       `json:"sha"`
	At         time.Time `json:"at"`
}
