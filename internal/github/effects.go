package github

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

// CheckRunWrite is what a check run is to say. GitHub takes 65,535 characters of Summary, and as many of Text.
type CheckRunWrite struct {
	Head       change.SHA
	Output     plan.Output
	ExternalID string
	At         time.Time // when it started or, if it is completed, when it ended; zero: now, by GitHub's clock
}

// checkRunBody is the body of both operations. go-github's options can neither set when a run that exists started nor take its buttons away.
type checkRunBody struct {
	Name        string                 `json:"name"`
	HeadSHA     string                 `json:"head_sha,omitempty"`
	ExternalID  string                 `json:"external_id,omitempty"`
	Status      plan.Status            `json:"status"`
	StartedAt   *github.Timestamp      `json:"started_at,omitempty"`
	Conclusion  plan.Conclusion        `json:"conclusion,omitempty"`
	CompletedAt *github.Timestamp      `json:"completed_at,omitempty"`
	Output      *github.CheckRunOutput `json:"output"`
	Actions     [0]struct{}            `json:"actions"` // no buttons
}

func (c *Client) checkRunBody(w CheckRunWrite) checkRunBody {
	body := checkRunBody{
		Name: c.github.checkName, ExternalID: w.ExternalID, Status: w.Output.Status, Conclusion: w.Output.Conclusion,
		Output: &github.CheckRunOutput{Title: &w.Output.Title, Summary: &w.Output.Summary},
	}
	if w.Output.Text != "" {
		body.Output.Text = &w.Output.Text
	}
	if !w.At.IsZero() {
		stamp := &github.Timestamp{Time: w.At.UTC().Truncate(time.Second)}
		if w.Output.Status == plan.Completed {
			body.CompletedAt = stamp
		} else {
			body.StartedAt = stamp
		}
	}
	return body
}

// CreateCheckRun posts a new check run on a commit and returns it as GitHub has it (checks/create). If it fails with
// MayHaveHappened, the run may exist: OwnRuns finds it.
func (c *Client) CreateCheckRun(ctx context.Context, repo change.Repository, w CheckRunWrite) (_ CheckRun, err error) {
	defer wrap(&err, "creating the check run on %s in %s", w.Head.Short(), repo)
	body := c.checkRunBody(w)
	body.HeadSHA = string(w.Head)
	var made checkRun
	if err := c.write(ctx, createCheckRun.of(repo), body, &made); err != nil {
		return CheckRun{}, err
	}
	c.expire(listCheckRuns.of(repo, string(w.Head)))
	if made.ID == 0 {
		return CheckRun{}, unreadable(errors.New("GitHub's answer names no check run"), true)
	}
	return made.value(), nil
}

// UpdateCheckRun changes a check run and returns it as GitHub has it then (checks/update). A completed run stays completed: GitHub
// accepts an update that would take that back and does nothing, which is an *AlreadyCompleted here. A run that is not found by a GitHub that never
// changed one is a *Lacking.
func (c *Client) UpdateCheckRun(ctx context.Context, repo change.Repository, id int64, w CheckRunWrite) (_ CheckRun, err error) {
	defer wrap(&err, "updating check run %d in %s", id, repo)
	var made checkRun
	err = c.write(ctx, updateCheckRun.of(repo, itoa(id)), c.checkRunBody(w), &made)
	if c.github.lacks(err, updateCheckRun) {
		err = &Lacking{err}
	}
	if err != nil {
		return CheckRun{}, err
	}
	c.expire(listCheckRuns.of(repo, string(w.Head)))
	if run := made.value(); w.Output.Status != plan.Completed && run.Status == string(plan.Completed) {
		return run, &AlreadyCompleted{Run: run}
	}
	return made.value(), nil
}

// RequestReviewers asks teams (slugs) and users (logins) to review (pulls/request-reviewers). GitHub refuses all of them (*Rejected) if
// one is the author, is no collaborator, or is a team without access to the repository; it takes 15 users at most. Asking nobody does
// nothing.
func (c *Client) RequestReviewers(ctx context.Context, repo change.Repository, n change.Number, teams, users []string) (err error) {
	defer wrap(&err, "requesting reviews of %s#%d", repo, n)
	if len(teams)+len(users) == 0 {
		return nil
	}
	body := github.ReviewersRequest{Reviewers: users, TeamReviewers: teams}
	return c.write(ctx, requestReviewers.of(repo, itoa(n)), body, nil)
}

// React adds a reaction to a comment: +1, -1, laugh, confused, heart, hooray, rocket or eyes (reactions/create-for-issue-comment).
// Reacting twice is reacting once.
func (c *Client) React(ctx context.Context, repo change.Repository, comment int64, content string) (err error) {
	defer wrap(&err, "reacting to comment %d in %s", comment, repo)
	body := github.Reaction{Content: &content}
	return c.write(ctx, createReaction.of(repo, itoa(comment)), body, nil)
}
