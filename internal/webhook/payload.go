package webhook

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changegate/changegate/internal/change"
)

// What follows is the part of GitHub's payloads that matters here, each field named as GitHub names it. Whatever GitHub may
// send as null is a pointer or has a zero value that says so. Absent objects are no error here: Parse checks what an event needs.

// envelope is what every event carries, as far as it applies.
type envelope struct {
	Action       string           `json:"action"`
	Installation *installationRef `json:"installation"`
	Repository   *repository      `json:"repository"`
	Sender       *account         `json:"sender"`
}

type installationRef struct {
	ID      change.InstallationID `json:"id"`
	Account *account              `json:"account"`
}

type account struct {
	ID    change.AccountID `json:"id"`
	Login string           `json:"login"`
	Type  string           `json:"type"`
}

// value returns the account; a deleted one is nobody. Whatever is called something else than a user is not a person; where nothing is said, a bot's
// login tells.
func (a *account) value() change.Account {
	if a == nil || a.ID == 0 {
		return change.Account{}
	}
	kind := change.KindBot
	if a.Type == "User" || a.Type == "" && !strings.HasSuffix(a.Login, "[bot]") {
		kind = change.KindUser
	}
	return change.Account{ID: a.ID, Login: a.Login, Kind: kind}
}

type repository struct {
	ID            change.RepositoryID `json:"id"`
	Name          string              `json:"name"`
	FullName      string              `json:"full_name"`
	Owner         *account            `json:"owner"`
	DefaultBranch string              `json:"default_branch"`
	UpdatedAt     jsontext.Value      `json:"updated_at"`
	PushedAt      jsontext.Value      `json:"pushed_at"`
}

// changedAt returns when the repository itself was last changed; zero if it is not said, or not as a time.
func (r *repository) changedAt() time.Time {
	if r == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, strings.Trim(string(r.UpdatedAt), `"`))
	if err != nil {
		return time.Time{}
	}
	return t
}

// pushedAt returns when the repository was last pushed to, as pushes say it: in seconds since 1970. It is zero where that is not said so.
func (r *repository) pushedAt() time.Time {
	if r == nil {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(string(r.PushedAt), 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func (r *repository) value(installation change.InstallationID) change.Repository {
	if r == nil {
		return change.Repository{}
	}
	out := change.Repository{ID: r.ID, DefaultBranch: r.DefaultBranch, Installation: installation}
	out.Owner, out.Name, _ = strings.Cut(r.FullName, "/") // the short form in installation events has no owner
	out.Name = cmp.Or(r.Name, out.Name)
	if r.Owner != nil {
		out.Owner, out.OwnerIsUser = cmp.Or(r.Owner.Login, out.Owner), r.Owner.Type == "User"
	}
	return out
}

type branch struct {
	Ref  string      `json:"ref"`
	SHA  change.SHA  `json:"sha"`
	User *account    `json:"user"`
	Repo *repository `json:"repo"`
}

func (b branch) value() change.Branch {
	out := change.Branch{Name: b.Ref, SHA: b.SHA}
	if b.User != nil {
		out.Owner = b.User.Login
	}
	if b.Repo != nil {
		out.Repository = b.Repo.ID
		if b.Repo.Owner != nil {
			out.Owner = b.Repo.Owner.Login
		}
	}
	return out
}

// ownedBy returns the user in whose repository the branch is; nobody if that is not a user's.
func (b branch) ownedBy() change.Account {
	owner := b.User
	if b.Repo != nil && b.Repo.Owner != nil {
		owner = b.Repo.Owner
	}
	if a := owner.value(); a.Kind == change.KindUser {
		return a
	}
	return change.Account{}
}

type pullRequest struct {
	Number             change.Number `json:"number"`
	Title              string        `json:"title"`
	Body               string        `json:"body"`
	HTMLURL            string        `json:"html_url"`
	User               *account      `json:"user"`
	State              string        `json:"state"`
	Draft              bool          `json:"draft"`
	Head               branch        `json:"head"`
	Base               branch        `json:"base"`
	Labels             []label       `json:"labels"`
	RequestedTeams     []team        `json:"requested_teams"`
	RequestedReviewers []*account    `json:"requested_reviewers"`
	ChangedFiles       int           `json:"changed_files"`
	CreatedAt          time.Time     `json:"created_at"`
	UpdatedAt          time.Time     `json:"updated_at"`
	Merged             bool          `json:"merged"`
	MergedAt           time.Time     `json:"merged_at"`
	MergedBy           *account      `json:"merged_by"`
	MergeCommitSHA     change.SHA    `json:"merge_commit_sha"`
}

type label struct {
	Name string `json:"name"`
}

type team struct {
	Slug string `json:"slug"`
}

func (p *pullRequest) value() change.Pull {
	out := change.Pull{
		Number:       p.Number,
		Title:        p.Title,
		Body:         p.Body,
		URL:          p.HTMLURL,
		Author:       p.User.value(),
		State:        change.Open,
		Draft:        p.Draft,
		Head:         p.Head.value(),
		Base:         p.Base.value(),
		ChangedFiles: p.ChangedFiles,
		CreatedAt:    p.CreatedAt,
		UpdatedAt:    p.UpdatedAt,
	}
	if out.FromFork() {
		out.HeadOwner = p.Head.ownedBy()
	}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, l.Name)
	}
	for _, t := range p.RequestedTeams {
		if t.Slug != "" {
			out.RequestedTeams = append(out.RequestedTeams, t.Slug)
		}
	}
	for _, a := range p.RequestedReviewers {
		// A team can be listed among the reviewers; it has no login.
		if by := a.value(); by.Login != "" {
			out.RequestedUsers = append(out.RequestedUsers, by)
		}
	}
	switch {
	case p.Merged || !p.MergedAt.IsZero(): // a review's pull request says merged_at only
		out.State = change.Merged
		out.MergedBy, out.MergedAt, out.MergeCommit = p.MergedBy.value(), p.MergedAt, p.MergeCommitSHA
	case p.State == "closed":
		// merge_commit_sha of a pull request that is not merged is GitHub's test merge, which is nobody's commit.
		out.State = change.Closed
	}
	return out
}

type from struct {
	From string `json:"from"`
}

// previously is the payload's changes member: what an edited thing was before.
type previously struct {
	Name          *from     `json:"name"`           // of a label
	DefaultBranch *from     `json:"default_branch"` // of a repository
	Base          *struct{} `json:"base"`           // of a pull request; what it was is of no account
	Repository    *renamed  `json:"repository"`     // of a repository that was renamed
	Body          *from     `json:"body"`           // of a pull request
}

type renamed struct {
	Name *from `json:"name"`
}

type pullRequestEvent struct {
	envelope
	PullRequest *pullRequest `json:"pull_request"`
	Before      change.SHA   `json:"before"`
	After       change.SHA   `json:"after"`
	Label       *label       `json:"label"`
	Changes     previously   `json:"changes"`
}

type review struct {
	ID          int64      `json:"id"`
	User        *account   `json:"user"`
	State       string     `json:"state"`
	CommitID    change.SHA `json:"commit_id"`
	SubmittedAt time.Time  `json:"submitted_at"`
}

type reviewEvent struct {
	envelope
	PullRequest *pullRequest `json:"pull_request"`
	Review      *review      `json:"review"`
}

type commentEvent struct {
	envelope
	Issue *struct {
		Number      change.Number `json:"number"`
		PullRequest *struct{}     `json:"pull_request"`
	} `json:"issue"`
	Comment *struct {
		ID        int64     `json:"id"`
		Body      string    `json:"body"`
		User      *account  `json:"user"`
		CreatedAt time.Time `json:"created_at"`
		App       *app      `json:"performed_via_github_app"`
	} `json:"comment"`
}

type labelEvent struct {
	envelope
	Changes previously `json:"changes"`
}

type repositoryEvent struct {
	envelope
	Changes previously `json:"changes"`
}

type pushEvent struct {
	envelope
	Ref     string     `json:"ref"`
	Before  change.SHA `json:"before"`
	After   change.SHA `json:"after"`
	Forced  bool       `json:"forced"`
	Commits []struct {
		ID change.SHA `json:"id"`
	} `json:"commits"`
}

type mergeGroupEvent struct {
	envelope
	MergeGroup *struct {
		HeadSHA change.SHA `json:"head_sha"`
		HeadRef string     `json:"head_ref"`
		BaseSHA change.SHA `json:"base_sha"`
		BaseRef string     `json:"base_ref"`
	} `json:"merge_group"`
	Reason string `json:"reason"` // destroyed: merged, invalidated or dequeued
}

type issueEvent struct {
	envelope
	Issue *struct {
		Number change.Number `json:"number"`
	} `json:"issue"`
}

type app struct {
	ID   change.AppID `json:"id"`
	Slug string       `json:"slug"`
}

func (a *app) id() change.AppID {
	if a == nil {
		return 0
	}
	return a.ID
}

func (a *app) slug() string {
	if a == nil {
		return ""
	}
	return a.Slug
}

type suite struct {
	ID      int64      `json:"id"`
	HeadSHA change.SHA `json:"head_sha"`
	App     *app       `json:"app"`
}

type checkRunEvent struct {
	envelope
	CheckRun *struct {
		ID          int64      `json:"id"`
		Name        string     `json:"name"`
		HeadSHA     change.SHA `json:"head_sha"`
		Status      string     `json:"status"`
		Conclusion  string     `json:"conclusion"`
		HTMLURL     string     `json:"html_url"`
		StartedAt   time.Time  `json:"started_at"`
		CompletedAt time.Time  `json:"completed_at"`
		App         *app       `json:"app"`
		CheckSuite  suite      `json:"check_suite"`
	} `json:"check_run"`
}

type checkSuiteEvent struct {
	envelope
	CheckSuite *suite `json:"check_suite"`
}

type workflowRunEvent struct {
	envelope
	WorkflowRun *struct {
		ID         int64      `json:"id"`
		RunAttempt int        `json:"run_attempt"`
		Event      string     `json:"event"`
		HeadSHA    change.SHA `json:"head_sha"`
		Conclusion string     `json:"conclusion"`
		UpdatedAt  time.Time  `json:"updated_at"`
	} `json:"workflow_run"`
}

type deployment struct {
	ID          int64          `json:"id"`
	SHA         change.SHA     `json:"sha"`
	Ref         string         `json:"ref"`
	Task        string         `json:"task"`
	Environment string         `json:"environment"`
	Creator     *account       `json:"creator"`
	App         *app           `json:"performed_via_github_app"`
	Payload     jsontext.Value `json:"payload"` // an object or a string, or whatever somebody sent
	CreatedAt   time.Time      `json:"created_at"`
}

// value returns the deployment. Received is when it was heard of, for one without a time.
func (d *deployment) value(received time.Time) change.Deployment {
	return change.Deployment{
		ID: d.ID, SHA: d.SHA, Ref: d.Ref, Task: d.Task, Environment: d.Environment, By: d.Creator.value(), Via: d.App.id(), App: d.App.slug(),
		Payload: change.KeepPayload(d.Payload), At: cmp.Or(d.CreatedAt, received),
	}
}

type deploymentEvent struct {
	envelope
	Deployment *deployment `json:"deployment"`
}

type deploymentStatusEvent struct {
	envelope
	Deployment       *deployment `json:"deployment"`
	DeploymentStatus *struct {
		ID          int64     `json:"id"`
		State       string    `json:"state"`
		Environment string    `json:"environment"`
		Creator     *account  `json:"creator"`
		App         *app      `json:"performed_via_github_app"`
		LogURL      string    `json:"log_url"`
		TargetURL   string    `json:"target_url"` // what log_url was before
		CreatedAt   time.Time `json:"created_at"`
	} `json:"deployment_status"`
}

type protectionRuleEvent struct {
	envelope
	Environment string      `json:"environment"`
	SHA         change.SHA  `json:"sha"`
	Ref         string      `json:"ref"`
	Callback    string      `json:"deployment_callback_url"`
	Deployment  *deployment `json:"deployment"`
}

type statusEvent struct {
	envelope
	ID        int64      `json:"id"`
	SHA       change.SHA `json:"sha"`
	Context   string     `json:"context"`
	State     string     `json:"state"`
	TargetURL string     `json:"target_url"`
	UpdatedAt time.Time  `json:"updated_at"`
}

type installationEvent struct {
	envelope
	Repositories        []repository `json:"repositories"`
	RepositoriesAdded   []repository `json:"repositories_added"`
	RepositoriesRemoved []repository `json:"repositories_removed"`
}
