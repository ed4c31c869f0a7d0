package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

const (
	maxDeployments = 10  // pages of deployments, and of the statuses of one
	maxDescription = 140 // characters of a description (repos/create-deployment-status)
)

// deployment is a deployment as GitHub gives it; go-github's type lacks the App and the first environment.
type deployment struct {
	github.Deployment
	viaApp
	OriginalEnvironment string `json:"original_environment"` // a status can move a deployment to another
}

// value returns the deployment. Bot is the login of our own App's account.
func (d *deployment) value(g *GitHub, bot string) change.Deployment {
	return change.Deployment{
		ID: d.GetID(), SHA: change.SHA(d.GetSHA()), Ref: d.GetRef(), Task: d.GetTask(), Environment: d.GetEnvironment(), By: account(d.Creator),
		Via: d.of(g, d.Creator, bot), App: d.App.Slug, Payload: change.KeepPayload(d.Payload), At: at(d.CreatedAt),
	}
}

// deploymentStatus is a status of a deployment as GitHub gives it; go-github's type lacks the App.
type deploymentStatus struct {
	github.DeploymentStatus
	viaApp
}

func (s *deploymentStatus) value(g *GitHub, deployment int64, bot string) change.DeploymentStatus {
	return change.DeploymentStatus{
		ID: s.GetID(), Deployment: change.Deployment{ID: deployment, Environment: s.GetEnvironment()}, State: change.DeploymentState(s.GetState()),
		By: account(s.Creator), Via: s.of(g, s.Creator, bot), App: s.App.Slug, LogURL: cmp.Or(s.GetLogURL(), s.GetTargetURL()), At: at(s.CreatedAt),
	}
}

// of returns the App by which an account deployed. Ours is told by its account where GitHub names none.
func (v viaApp) of(g *GitHub, by *github.User, bot string) change.AppID {
	if v.App.ID == 0 && strings.EqualFold(by.GetLogin(), bot) {
		return g.AppID()
	}
	return v.App.ID
}

// DeploymentFilter says which deployments are wanted. The zero value wants all.
type DeploymentFilter struct {
	SHA         change.SHA
	Environment string    // as anybody wrote it: case is folded
	Since       time.Time // those made then or later, to the second
	Newest      bool      // of more than 1,000 the newest will do
}

// Deployments reads deployments, oldest first (repos/list-deployments): one call for each 100 back to the filter's time, of the commit alone if the
// filter names one. After ten calls it fails, unless the newest will do. Environments are compared here, because GitHub does not say whether its own
// filter folds case, as its environments do.
//
// Via of what our App deployed is the App, whether or not GitHub says so; see BotLogin.
func (s *Session) Deployments(ctx context.Context, repo change.Repository, f DeploymentFilter, since time.Time) (_ []change.Deployment, err error) {
	defer wrap(&err, "listing the deployments of %s", repo)
	listed, bot, err := s.deployments(ctx, repo, f, since)
	if err != nil {
		return nil, err
	}
	var out []change.Deployment
	for _, d := range listed {
		if f.Environment == "" || strings.EqualFold(d.GetEnvironment(), f.Environment) {
			out = append(out, d.value(s.github, bot))
		}
	}
	return out, nil
}

// deployments lists those of a filter's commit since its time, in whatever environment, oldest first.
func (s *Session) deployments(ctx context.Context, repo change.Repository, f DeploymentFilter, since time.Time) (_ []*deployment, bot string, err error) {
	if bot, err = s.BotLogin(ctx); err != nil {
		return nil, "", err
	}
	where := listDeployments.of(repo)
	if f.SHA != "" {
		where = where.with(values("sha", string(f.SHA)))
	}
	first := f.Since.Truncate(time.Second)
	isOlder := func(d *deployment) bool { return at(d.CreatedAt).Before(first) }
	var listed listing[*deployment]
	for pages := 1; ; pages = min(2*pages, maxDeployments) { // a page that was read is not asked for again
		listed, err = readPages(ctx, s, where, since, pages, entries[deployment])
		if err != nil {
			return nil, "", err
		}
		if !listed.more || f.Newest && pages == maxDeployments || slices.ContainsFunc(listed.items, isOlder) { // those that were not listed are older still
			break
		}
		if pages == maxDeployments {
			return nil, "", listed.tooMany("more than 1,000 deployments")
		}
	}
	newest := slices.DeleteFunc(listed.items, isOlder)
	slices.SortStableFunc(newest, func(a, b *deployment) int {
		return cmp.Or(at(a.CreatedAt).Compare(at(b.CreatedAt)), cmp.Compare(a.GetID(), b.GetID()))
	})
	return newest, bot, nil
}

// Deployment reads one deployment (repos/get-deployment). One that was deleted is a *NotFound.
func (s *Session) Deployment(ctx context.Context, repo change.Repository, id int64, since time.Time) (_ change.Deployment, err error) {
	defer wrap(&err, "reading deployment %d of %s", id, repo)
	bot, err := s.BotLogin(ctx)
	if err != nil {
		return change.Deployment{}, err
	}
	var d deployment
	whole := func() bool { return d.GetID() == id }
	if err := s.read(ctx, getDeployment.of(repo, itoa(id)), since, &d, whole); err != nil {
		return change.Deployment{}, err
	}
	return d.value(s.github, bot), nil
}

// DeploymentWrite is what a new deployment is to be.
type DeploymentWrite struct {
	SHA         change.SHA
	Environment string          // 255 characters at most; GitHub makes one that there is not
	Payload     json.RawMessage // an object whose member changegate is the key that FindDeployment knows it by; over change.MaxPayload it is not read back
	Description string          // cut to 140 characters
	Task        string          // what the deployment is for, which workflows can tell; empty: deploy
	Production  bool            // end users see the environment
}

// CreateDeployment deploys a commit: it creates a deployment, which starts the workflows that run on deployments, and returns it as GitHub has
// it (repos/create-deployment). Nothing is merged for it and no check is waited for. GitHub's 409 (a check or a merge in the way) and its
// 202 (it merged instead of deploying) are a *Rejected, though neither should come of what is asked for, and so is a commit that it does not have.
//
// Creating it twice makes two: if it fails with MayHaveHappened, look for it with FindDeployment.
func (c *Client) CreateDeployment(ctx context.Context, repo change.Repository, w DeploymentWrite) (_ change.Deployment, err error) {
	defer wrap(&err, "deploying %s to %s in %s", w.SHA.Short(), w.Environment, repo)
	body := struct {
		Ref              change.SHA      `json:"ref"`
		Task             string          `json:"task"`
		AutoMerge        bool            `json:"auto_merge"`
		RequiredContexts []string        `json:"required_contexts"` // empty: none; missing, it would be all, our own check among them
		Payload          json.RawMessage `json:"payload,omitempty"`
		Environment      string          `json:"environment"`
		Description      string          `json:"description"`
		Transient        bool            `json:"transient_environment"`
		Production       bool            `json:"production_environment"`
	}{
		Ref: w.SHA, Task: cmp.Or(w.Task, "deploy"), RequiredContexts: []string{}, Payload: w.Payload, Environment: w.Environment,
		Description: cut(w.Description, maxDescription), Production: w.Production,
	}
	var made deployment
	err = c.write(ctx, createDeployment.of(repo), body, &made)
	var unavailable *Unavailable
	if errors.As(err, &unavailable) && unavailable.Status == http.StatusAccepted {
		return change.Deployment{}, &Rejected{Status: http.StatusAccepted, Message: "GitHub merged the default branch and deployed nothing"}
	}
	if err != nil {
		return change.Deployment{}, err
	}
	c.expire(listDeployments.of(repo))
	switch {
	case made.GetID() == 0:
		return change.Deployment{}, unreadable(errors.New("GitHub's answer names no deployment"), true)
	case change.SHA(made.GetSHA()) != w.SHA:
		return change.Deployment{}, &Rejected{Status: http.StatusCreated, Message: fmt.Sprintf("GitHub deployed %s instead", made.GetSHA())}
	}
	d := made.value(c.github, "")
	d.Via = c.github.AppID() // whether or not GitHub says so
	return d, nil
}

// FindDeployment looks for a deployment of a commit to an environment that this App created, not before since, whose payload has the key; the
// first of several. It always asks GitHub: one call for each 100 deployments of the commit (repos/list-deployments), and see BotLogin.
func (c *Client) FindDeployment(
	ctx context.Context, repo change.Repository, sha change.SHA, environment, key string, since time.Time,
) (_ change.Deployment, found bool, err error) {
	defer wrap(&err, "looking for our deployment of %s to %s in %s", sha.Short(), environment, repo)
	s := c.Begin() // of its own, because another may have listed them before the deployment was created
	listed, bot, err := s.deployments(ctx, repo, DeploymentFilter{SHA: sha, Since: since}, s.began)
	if err != nil {
		return change.Deployment{}, false, err
	}
	for _, d := range listed {
		in := cmp.Or(d.OriginalEnvironment, d.GetEnvironment())
		if isOwn(c, d.of(c.github, d.Creator, bot), d.Creator) && strings.EqualFold(in, environment) && change.PayloadKey(d.Payload) == key && key != "" {
			return d.value(c.github, bot), true, nil
		}
	}
	return change.Deployment{}, false, nil
}

// isOwn says whether our App itself deployed, and not a person who uses the App.
func isOwn(c *Client, via change.AppID, by *github.User) bool {
	return via == c.github.AppID() && account(by).IsBot()
}

// DeploymentStatuses reads the statuses of a deployment, oldest first (repos/list-deployment-statuses): one call for each 100, ten at most,
// beyond which it fails. Of their Deployment only the ID is set, and the Environment that the status is for. A deployment that was deleted
// is a *NotFound. Via is as that of Deployments.
func (s *Session) DeploymentStatuses(
	ctx context.Context, repo change.Repository, id int64, since time.Time,
) (_ []change.DeploymentStatus, err error) {
	defer wrap(&err, "reading the statuses of deployment %d of %s", id, repo)
	bot, err := s.BotLogin(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := readPages(ctx, s, listDeployed.of(repo, itoa(id)), since, maxDeployments, entries[deploymentStatus])
	if err == nil {
		err = listed.tooMany("more than 1,000 statuses")
	}
	if err != nil {
		return nil, err
	}
	statuses := make([]change.DeploymentStatus, 0, len(listed.items))
	for _, status := range listed.items {
		statuses = append(statuses, status.value(s.github, id, bot))
	}
	slices.SortStableFunc(statuses, func(a, b change.DeploymentStatus) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return statuses, nil
}

// DeploymentStatusWrite is what a new status of a deployment is to say.
type DeploymentStatusWrite struct {
	State          change.DeploymentState
	Description    string // cut to 140 characters
	LogURL         string // empty: none
	Environment    string // empty: the one that the deployment is in
	EnvironmentURL string // empty: none
}

// CreateDeploymentStatus posts a status on a deployment and returns it as GitHub has it (repos/create-deployment-status). Other deployments
// keep the status that they have. A deployment that was deleted is a *NotFound.
//
// Posting it twice makes two: if it fails with MayHaveHappened, look for it with FindDeploymentStatus.
func (c *Client) CreateDeploymentStatus(
	ctx context.Context, repo change.Repository, id int64, w DeploymentStatusWrite,
) (_ change.DeploymentStatus, err error) {
	defer wrap(&err, "posting %s on deployment %d of %s", w.State, id, repo)
	body := struct {
		State          change.DeploymentState `json:"state"`
		Description    string                 `json:"description"`
		LogURL         string                 `json:"log_url,omitempty"`
		Environment    string                 `json:"environment,omitempty"`
		EnvironmentURL string                 `json:"environment_url,omitempty"`
		AutoInactive   bool                   `json:"auto_inactive"` // what becomes of those before is told by us, one by one
	}{w.State, cut(w.Description, maxDescription), w.LogURL, w.Environment, w.EnvironmentURL, false}
	var made deploymentStatus
	if err := c.write(ctx, createDeployed.of(repo, itoa(id)), body, &made); err != nil {
		return change.DeploymentStatus{}, err
	}
	c.expire(listDeployments.of(repo)) // it may have moved to another environment
	if made.GetID() == 0 {
		return change.DeploymentStatus{}, unreadable(errors.New("GitHub's answer names no status"), true)
	}
	status := made.value(c.github, id, "")
	status.Via = c.github.AppID() // whether or not GitHub says so
	return status, nil
}

// FindDeploymentStatus looks for a status that is wanted of those that this App posted on a deployment, not before since, to the second; the first
// of several. It always asks GitHub, as DeploymentStatuses does.
func (c *Client) FindDeploymentStatus(
	ctx context.Context, repo change.Repository, id int64, since time.Time, wanted func(change.DeploymentStatus) bool,
) (_ change.DeploymentStatus, found bool, err error) {
	s := c.Begin() // of its own, because another may have listed them before the status was posted
	statuses, err := s.DeploymentStatuses(ctx, repo, id, s.began)
	if err != nil {
		return change.DeploymentStatus{}, false, err
	}
	for _, status := range statuses {
		ours := status.Via == c.github.AppID() && status.By.IsBot()
		if ours && wanted(status) && !status.At.Before(since.Truncate(time.Second)) {
			return status, true, nil
		}
	}
	return change.DeploymentStatus{}, false, nil
}

// cut shortens a text to a number of characters, the last of which says so.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
