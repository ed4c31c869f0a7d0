package github

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

// noticesBack is how many commits of a branch are looked at for the newest notice.
const noticesBack = 100

// PostNotice posts a check run of another name than our check's on a commit, completed with success: it says something to be kept, and
// nothing of a change (checks/create). Success is the only conclusion that no reader takes for a question: neutral and the others mark a
// commit as one on which something is open.
func (c *Client) PostNotice(ctx context.Context, repo change.Repository, head change.SHA, name, title, summary string) (err error) {
	defer wrap(&err, "posting %q on %s in %s", name, head.Short(), repo)
	body := c.checkRunBody(CheckRunWrite{Output: plan.Output{Status: plan.Completed, Conclusion: plan.Success, Title: title, Summary: summary}})
	body.Name, body.HeadSHA = name, string(head)
	var made checkRun
	if err := c.write(ctx, createCheckRun.of(repo), body, &made); err != nil {
		return err
	}
	c.expire(listCheckRuns.of(repo, string(head)))
	if made.ID == 0 {
		return unreadable(errors.New("GitHub's answer names no check run"), true)
	}
	return nil
}

// Notices reads the summaries of our check runs of a name, oldest first, on the newest commit of a branch that has any, as far as the last
// hundred commits go (repos/list-commits, checks/list-for-ref): one call, and one for each commit from the newest to that one.
func (s *Session) Notices(ctx context.Context, repo change.Repository, branch, name string, since time.Time) (summaries []string, err error) {
	defer wrap(&err, "reading %q on %s in %s", name, branch, repo)
	var commits []*github.RepositoryCommit
	where := listCommits.of(repo).with(values("sha", branch, "per_page", itoa(noticesBack)))
	if err := s.read(ctx, where, since, &commits, nil); err != nil {
		return nil, err
	}
	for _, c := range present(commits) {
		runs, err := s.runsNamed(ctx, repo, change.SHA(c.GetSHA()), name, since)
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Backward(runs) {
			summaries = append(summaries, r.Output.Summary)
		}
		if len(summaries) > 0 {
			return summaries, nil
		}
	}
	return nil, nil
}
