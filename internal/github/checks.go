package github

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
)

const (
	maxChecks       = 20   // pages of check runs, and of commit statuses: GitHub keeps 1,000 statuses of a context
	maxSuites       = 1000 // of the newest check suites GitHub lists the check runs (checks/list-for-ref)
	maxWorkflowRuns = 10   // pages of workflow runs: GitHub lists 1,000
)

// CheckRun is one of our own check runs, as GitHub has it.
type CheckRun struct {
	ID          int64
	Head        change.SHA
	Status      string // queued, in_progress, completed
	Conclusion  string // empty until it is completed
	ExternalID  string
	Title       string
	URL         string
	StartedAt   time.Time
	CompletedAt time.Time
}

// Checks reads the check runs and commit statuses on a commit, ours apart (checks/list-for-ref, repos/list-commit-statuses-for-ref). Two
// calls, and one for each further 100; a third (actions/list-workflow-runs-for-repo) where withWorkflows is set and GitHub Actions
// posted any.
//
// Of runs with one name in one suite the latest is given, as for GitHub's own required checks: a re-run replaces what it repeats. Runs of
// that name in other suites, whoever posted them, are all given. Of statuses the latest of each context is given. What ended in a way
// that is not known is a failure. Everything our App posted is left out; ours holds what has our check's name, newest first. Where there are
// more than can be read, or than GitHub lists, it is a *Rejected.
func (s *Session) Checks(
	ctx context.Context, repo change.Repository, sha change.SHA, withWorkflows bool, since time.Time,
) (checks []change.Check, ours []CheckRun, err error) {
	defer wrap(&err, "reading the checks on %s in %s", sha.Short(), repo)
	var runs []*checkRun
	var statuses []*commitStatus
	workflows := map[int64]string{}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if runs, err = s.checkRuns(gctx, repo, sha, since); err != nil || !withWorkflows {
			return err
		}
		byActions := func(r *checkRun) bool { return r.App.Slug == "github-actions" }
		if slices.ContainsFunc(runs, byActions) {
			workflows, err = s.workflows(gctx, repo, sha, since)
		}
		return err
	})
	group.Go(func() (err error) {
		statuses, err = s.statuses(gctx, repo, sha, since)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for _, r := range runs {
		switch {
		case r.App.ID != s.github.AppID():
			checks = append(checks, r.check(workflows[r.Suite.ID]))
		case r.Name == s.github.checkName:
			ours = append(ours, r.value())
		}
	}
	seen := map[string]bool{}
	for _, st := range statuses { // newest first
		if !seen[st.Context] {
			seen[st.Context] = true
			checks = append(checks, st.check())
		}
	}
	slices.SortStableFunc(checks, func(a, b change.Check) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.RunID, b.RunID))
	})
	slices.SortFunc(ours, func(a, b CheckRun) int { return cmp.Compare(b.ID, a.ID) })
	return checks, ours, nil
}

// check returns a check run of another App as a check; the workflow is that of its suite.
func (r *checkRun) check(workflow string) change.Check {
	return change.Check{
		Name: r.Name, State: change.RunState(r.Status, r.Conclusion), App: r.App.Slug, AppID: r.App.ID,
		Workflow: workflow, Suite: r.Suite.ID, RunID: r.ID, URL: r.URL, Started: r.StartedAt, At: cmp.Or(r.CompletedAt, r.StartedAt),
	}
}

// check returns a commit status as a check.
func (st *commitStatus) check() change.Check {
	return change.Check{
		Name: st.Context, State: change.StatusState(st.State), Status: true, RunID: st.ID, URL: st.TargetURL, At: st.UpdatedAt,
		Creator: accountOf(st.Creator.ID, st.Creator.Login, st.Creator.Type),
	}
}

// OwnRuns reads our check runs on a commit, newest first, completed and replaced ones too (checks/list-for-ref). If GitHub, which was never seen to
// list any, does not find them, it is a *Lacking.
func (s *Session) OwnRuns(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) (_ []CheckRun, err error) {
	defer wrap(&err, "reading our check runs on %s in %s", sha.Short(), repo)
	runs, err := s.runsNamed(ctx, repo, sha, s.github.checkName, since)
	if s.github.lacks(err, listCheckRuns) {
		err = &Lacking{err}
	}
	if err != nil {
		return nil, err
	}
	var ours []CheckRun
	for _, r := range runs {
		ours = append(ours, r.value())
	}
	return ours, nil
}

// runsNamed reads our check runs of a name on a commit, newest first, replaced ones too.
func (s *Session) runsNamed(ctx context.Context, repo change.Repository, sha change.SHA, name string, since time.Time) ([]*checkRun, error) {
	runs, err := s.checkRuns(ctx, repo, sha, since, "app_id", itoa(s.github.AppID()), "check_name", name, "filter", "all")
	runs = slices.DeleteFunc(runs, func(r *checkRun) bool { return r.App.ID != s.github.AppID() || r.Name != name })
	slices.SortFunc(runs, func(a, b *checkRun) int { return cmp.Compare(b.ID, a.ID) })
	return runs, err
}

// checkRun is what is read of a check run. A busy head has hundreds, and go-github's type, which holds the App and the pull requests of
// each, takes several times as long to read.
type checkRun struct {
	ID          int64      `json:"id"`
	Head        change.SHA `json:"head_sha"`
	Name        string     `json:"name"`
	Status      string     `json:"status"`
	Conclusion  string     `json:"conclusion"`
	ExternalID  string     `json:"external_id"`
	URL         string     `json:"html_url"`
	StartedAt   time.Time  `json:"started_at"`
	CompletedAt time.Time  `json:"completed_at"`
	App         struct {
		ID   change.AppID `json:"id"`
		Slug string       `json:"slug"`
	} `json:"app"`
	Suite struct {
		ID int64 `json:"id"`
	} `json:"check_suite"`
	Output struct {
		Title   string `json:"title"`
		Summary string `json:"summary"`
	} `json:"output"`
}

func (r *checkRun) value() CheckRun {
	return CheckRun{
		ID: r.ID, Head: r.Head, Status: r.Status, Conclusion: r.Conclusion, ExternalID: r.ExternalID,
		Title: r.Output.Title, URL: r.URL, StartedAt: r.StartedAt, CompletedAt: r.CompletedAt,
	}
}

// commitStatus is what is read of a commit status, for the same reason.
type commitStatus struct {
	ID        int64     `json:"id"`
	Context   string    `json:"context"`
	State     string    `json:"state"`
	TargetURL string    `json:"target_url"`
	UpdatedAt time.Time `json:"updated_at"`
	Creator   struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"creator"`
}

func (s *Session) checkRuns(
	ctx context.Context, repo change.Repository, sha change.SHA, since time.Time, filters ...string,
) ([]*checkRun, error) {
	type page struct {
		Total *int        `json:"total_count"`
		Runs  []*checkRun `json:"check_runs"`
	}
	where := listCheckRuns.of(repo, string(sha)).with(values(filters...))
	runs, err := readPages(ctx, s, where, since, maxChecks,
		func(p page) ([]*checkRun, bool) { return present(p.Runs), p.Total != nil })
	if err != nil {
		return nil, err
	}
	suites := map[int64]bool{}
	for _, r := range runs.items {
		suites[r.Suite.ID] = true
	}
	if len(suites) >= maxSuites {
		return nil, tooMany("check runs of 1,000 check suites or more")
	}
	return runs.items, runs.tooMany("more than 2,000 check runs")
}

func (s *Session) statuses(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) ([]*commitStatus, error) {
	statuses, err := readPages(ctx, s, listStatuses.of(repo, string(sha)), since, maxChecks, entries[commitStatus])
	if err != nil {
		return nil, err
	}
	return statuses.items, statuses.tooMany("more than 2,000 commit statuses")
}

// workflows reads which workflow file made each check suite on a commit. A GitHub without Actions (404) has none.
func (s *Session) workflows(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) (map[int64]string, error) {
	type run struct {
		Suite int64  `json:"check_suite_id"`
		Path  string `json:"path"`
	}
	type page struct {
		Total *int  `json:"total_count"`
		Runs  []run `json:"workflow_runs"`
	}
	where := listWorkflowRuns.of(repo).with(values("head_sha", string(sha)))
	runs, err := readPages(ctx, s, where, since, maxWorkflowRuns,
		func(p page) ([]run, bool) { return p.Runs, p.Total != nil })
	var missing *NotFound
	if err != nil && !errors.As(err, &missing) {
		return nil, err
	}
	paths := map[int64]string{} // what is over the limit has no workflow, and satisfies no rule that pins one
	for _, r := range runs.items {
		paths[r.Suite] = workflowPath(r.Path)
	}
	return paths, nil
}

// workflowPath cuts the ref that GitHub may add to the path of a workflow file of the repository itself: PATH@refs/heads/main, or PATH@main in
// its reference. The name of a file may hold an "@" too, so what ends as a workflow file does is one. The path of another repository's
// (OWNER/REPO/PATH@REF) stays as it is, so that it never passes for one of this repository.
func workflowPath(path string) string {
	if !strings.HasPrefix(path, ".github/") {
		return path
	}
	if file, _, ok := strings.Cut(path, "@refs/"); ok { // no workflow is in a folder of a folder
		return file
	}
	name := strings.ToLower(path)
	if at := strings.LastIndex(path, "@"); at >= 0 && !strings.HasSuffix(name, ".yml") && !strings.HasSuffix(name, ".yaml") {
		return path[:at]
	}
	return path
}
