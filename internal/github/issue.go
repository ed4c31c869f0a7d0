package github

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// maxIssues is how many pages of issues are searched for one of ours.
const maxIssues = 10

// IssueState says whether an issue is open, in GitHub's words.
type IssueState string

// The states of an issue.
const (
	IssueOpen   IssueState = "open"
	IssueClosed IssueState = "closed"
)

// Issue is an issue, as GitHub has it. Title, Body and Labels may have been written by anyone.
type Issue struct {
	Number      change.Number
	Title       string
	Body        string
	URL         string
	State       IssueState
	StateReason string // completed, not_planned, reopened, duplicate; empty: GitHub gives none
	Author      change.Account
	Via         change.AppID // the App that opened it, or that a person opened it through; 0: none
	Assignees   []change.Account
	Labels      []string
	Locked      bool
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ClosedAt    time.Time      // zero: it is open
	ClosedBy    change.Account // the zero Account: it is open, or nobody known closed it
}

// issue is an issue as GitHub gives it; go-github's type lacks the App.
type issue struct {
	github.Issue
	viaApp
}

func (i *issue) value() Issue {
	out := Issue{
		Number: change.Number(i.GetNumber()), Title: i.GetTitle(), Body: i.GetBody(), URL: i.GetHTMLURL(), State: IssueState(i.GetState()),
		StateReason: i.GetStateReason(), Author: account(i.User), Via: i.App.ID, Locked: i.GetLocked(),
		CreatedAt: at(i.CreatedAt), UpdatedAt: at(i.UpdatedAt), ClosedAt: at(i.ClosedAt), ClosedBy: account(i.ClosedBy),
	}
	for _, u := range present(i.Assignees) {
		out.Assignees = append(out.Assignees, account(u))
	}
	for _, l := range present(i.Labels) {
		out.Labels = append(out.Labels, l.GetName())
	}
	return out
}

// IssueWrite is what a new issue is to say.
type IssueWrite struct {
	Title     string   `json:"title"`
	Body      string   `json:"body,omitempty"`      // Markdown, 65,536 characters at most
	Assignees []string `json:"assignees,omitempty"` // logins
}

// IssueEdit is what is to change about an issue. An empty field leaves what is there.
type IssueEdit struct {
	State        IssueState `json:"state,omitempty"`
	StateReason  string     `json:"state_reason,omitempty"` // completed, not_planned, reopened; GitHub ignores it where State changes nothing
	Title        string     `json:"title,omitempty"`
	Body         string     `json:"body,omitempty"`
	AddAssignees []string   `json:"-"` // logins, ten at most
}

// Issue reads an issue (issues/get). One that was deleted, or transferred to another repository, is a *NotFound, and so is every issue
// where issues are turned off.
func (s *Session) Issue(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (_ Issue, err error) {
	defer wrap(&err, "reading issue %s#%d", repo, n)
	var i issue
	whole := func() bool { return i.GetNumber() != 0 }
	if err := s.read(ctx, getIssue.of(repo, itoa(n)), since, &i, whole); err != nil {
		return Issue{}, err
	}
	if change.Number(i.GetNumber()) != n { // a redirect was followed to where it is now
		return Issue{}, &NotFound{Message: "the issue was moved to " + i.GetHTMLURL()}
	}
	return i.value(), nil
}

// CreateIssue opens an issue and returns it as GitHub has it (issues/create). GitHub drops assignees who cannot be assigned, or refuses the
// whole issue because of them; then it is opened without any, in a second call. Either way the Assignees of what is returned are those who
// were assigned. A repository whose issues are turned off is a *NotFound.
//
// Opening it twice makes two: if it fails with MayHaveHappened, look for it with FindIssue.
func (c *Client) CreateIssue(ctx context.Context, repo change.Repository, w IssueWrite) (_ Issue, err error) {
	defer wrap(&err, "opening an issue in %s", repo)
	var made issue
	err = c.write(ctx, createIssue.of(repo), w, &made)
	var rejected *Rejected
	if errors.As(err, &rejected) && len(w.Assignees) > 0 {
		w.Assignees = nil
		err = c.write(ctx, createIssue.of(repo), w, &made)
	}
	if err != nil {
		return Issue{}, err
	}
	if made.GetNumber() == 0 {
		return Issue{}, unreadable(errors.New("GitHub's answer names no issue"), true)
	}
	return made.value(), nil
}

// EditIssue changes an issue and returns it as GitHub has it then (issues/update, and before it issues/add-assignees if there is somebody
// to assign; whoever cannot be assigned is not among its Assignees). Repeating an edit is harmless. A session that has read the issue goes
// on seeing it as it was.
func (c *Client) EditIssue(ctx context.Context, repo change.Repository, n change.Number, e IssueEdit) (_ Issue, err error) {
	defer wrap(&err, "editing issue %s#%d", repo, n)
	defer c.expire(getIssue.of(repo, itoa(n)))
	var edited issue
	if len(e.AddAssignees) > 0 {
		body := map[string][]string{"assignees": e.AddAssignees}
		if err := c.write(ctx, addAssignees.of(repo, itoa(n)), body, &edited); err != nil {
			return Issue{}, err
		}
	}
	assigned := e.State == "" && e.StateReason == "" && e.Title == "" && e.Body == "" && edited.GetNumber() != 0
	if !assigned {
		edited = issue{}
		if err := c.write(ctx, updateIssue.of(repo, itoa(n)), e, &edited); err != nil {
			return Issue{}, err
		}
	}
	if change.Number(edited.GetNumber()) != n {
		return Issue{}, unreadable(errors.New("GitHub's answer is of another issue"), true)
	}
	return edited.value(), nil
}

// FindIssue looks for an issue that this App opened, not before since, whose body holds the marker; the newest of several. It always asks
// GitHub: one call for each 100 issues and pull requests that changed after since (issues/list-for-repo), ten at most.
func (c *Client) FindIssue(ctx context.Context, repo change.Repository, marker string, since time.Time) (_ Issue, found bool, err error) {
	defer wrap(&err, "looking for our issue in %s", repo)
	s := c.Begin() // of its own, because another may have listed them before the issue was opened
	where := listIssues.of(repo).with(values("state", "all", "sort", "created", "direction", "desc", "since", timestamp(since)))
	listed, err := readPages(ctx, s, where, s.began, maxIssues, entries[issue])
	if err != nil {
		return Issue{}, false, err
	}
	for _, i := range listed.items {
		if !i.IsPullRequest() && i.isOurs(c, i.User) && strings.Contains(i.GetBody(), marker) {
			return i.value(), true, nil
		}
	}
	if slices.ContainsFunc(listed.items, func(i *issue) bool { return at(i.CreatedAt).Before(since) }) {
		return Issue{}, false, nil // those that were not listed are older still
	}
	return Issue{}, false, listed.tooMany("more than 1,000 new issues")
}
