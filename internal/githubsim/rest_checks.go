package githubsim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

func checkRoutes() []route {
	const runs = "/repos/{owner}/{repo}/check-runs"
	return []route{
		{"POST", runs, writes("checks"), createCheckRun},
		{"GET", runs + "/{check_run_id}", reads("checks"), onRun(func(c *call, run *checkRun) (any, error) { return c.runJSON(run), nil })},
		{"PATCH", runs + "/{check_run_id}", writes("checks"), onRun(updateCheckRun)},
		{"POST", runs + "/{check_run_id}/rerequest", writes("checks"), onRun(func(c *call, run *checkRun) (any, error) {
			c.emitCheckRun(run, "rerequested", c.by(), nil, run.suite.app)
			c.status = http.StatusCreated
			return obj{}, nil
		})},
		{"GET", runs + "/{check_run_id}/annotations", reads("checks"), onRun(func(c *call, run *checkRun) (any, error) {
			return each(paginate(c, run.annotations), func(a obj) obj {
				o := obj{"start_column": nil, "end_column": nil, "title": nil, "raw_details": nil}
				maps.Copy(o, a)
				o["blob_href"] = c.htmlURL("/%s/blob/%s/%v", c.repo.fullName(), run.suite.sha, a["path"])
				return o
			}), nil
		})},
		{"GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", reads("checks"), listCheckRuns},
		{"GET", "/repos/{owner}/{repo}/commits/{ref}/check-suites", reads("checks"), listCheckSuites},
		{"GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", reads("statuses"), listStatuses},
		{"GET", "/repos/{owner}/{repo}/commits/{ref}/status", reads("statuses"), combinedStatus},
		{"POST", "/repos/{owner}/{repo}/statuses/{sha}", writes("statuses"), createStatus},
		{"GET", "/repos/{owner}/{repo}/actions/runs", reads("actions"), listWorkflowRuns},
		{"GET", "/repos/{owner}/{repo}/actions/runs/{run_id}", reads("actions"), func(c *call) (any, error) {
			for _, w := range c.repo.workflows {
				if w.id == c.id("run_id") {
					return c.workflowJSON(w), nil
				}
			}
			return nil, errNotFound
		}},
	}
}

func onRun(f func(c *call, run *checkRun) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		run := c.runs[c.id("check_run_id")]
		if run == nil || run.suite.repo != c.repo {
			return nil, errNotFound
		}
		c.age(c.repo, run.suite.sha)
		return f(c, run)
	}
}

func createCheckRun(c *call) (any, error) {
	var ask runChange
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Name == nil || *ask.Name == "" || ask.HeadSHA == nil {
		return nil, unprocessable("Invalid request.\n\n\"name\" and \"head_sha\" weren't supplied.")
	}
	if err := ask.check(); err != nil {
		return nil, err
	}
	if _, err := c.repo.st.commit(*ask.HeadSHA); err != nil {
		return nil, unprocessable("No commit found for SHA: %s", *ask.HeadSHA)
	}
	c.status = http.StatusCreated
	return c.runJSON(c.createRun(c.repo, c.app, nil, &ask)), nil
}

func updateCheckRun(c *call, run *checkRun) (any, error) {
	if run.suite.app != c.app {
		return nil, &apiError{status: http.StatusForbidden, message: "Invalid app_id `" + strconv.FormatInt(c.app.id, 10) +
			"` - check run can only be modified by the GitHub App that created it."}
	}
	var ask runChange
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if err := ask.check(); err != nil {
		return nil, err
	}
	c.updateRun(run, &ask)
	return c.runJSON(run), nil
}

func listCheckRuns(c *call) (any, error) {
	at, err := c.commitAt(c.path("ref"))
	if err != nil {
		return nil, unprocessable("No commit found for SHA: %s", c.path("ref"))
	}
	filter := c.query("filter")
	if filter != "" && filter != "latest" && filter != "all" {
		return nil, invalid("CheckRun", "filter", "is not latest or all")
	}
	c.age(c.repo, at.sha)
	var list []*checkRun
	for _, cs := range c.repo.suites[at.sha] {
		if id := c.query("app_id"); id != "" && id != strconv.FormatInt(cs.app.id, 10) {
			continue
		}
		runs := cs.latest()
		if filter == "all" {
			runs = cs.runs
		}
		for _, run := range runs {
			if name := c.query("check_name"); name != "" && name != run.name {
				continue
			}
			if status := c.query("status"); status != "" && status != run.status {
				continue
			}
			list = append(list, run)
		}
	}
	slices.SortFunc(list, func(a, b *checkRun) int { return int(b.id - a.id) })
	return obj{"total_count": len(list), "check_runs": each(paginate(c, list), c.runJSON)}, nil
}

func listCheckSuites(c *call) (any, error) {
	at, err := c.commitAt(c.path("ref"))
	if err != nil {
		return nil, err
	}
	var list []*checkSuite
	for _, cs := range c.repo.suites[at.sha] {
		if id := c.query("app_id"); id != "" && id != strconv.FormatInt(cs.app.id, 10) {
			continue
		}
		list = append(list, cs)
	}
	return obj{"total_count": len(list), "check_suites": each(paginate(c, list), func(cs *checkSuite) obj {
		o := c.suiteJSON(cs)
		o["repository"] = c.repoJSON(cs.repo)
		return o
	})}, nil
}

func listStatuses(c *call) (any, error) {
	at, err := c.commitAt(c.path("ref"))
	if err != nil {
		return nil, err
	}
	return each(paginate(c, c.repo.statuses[at.sha]), func(st *status) obj { return c.statusJSON(c.repo, at.sha, st) }), nil
}

func combinedStatus(c *call) (any, error) {
	at, err := c.commitAt(c.path("ref"))
	if err != nil {
		return nil, err
	}
	latest := c.repo.latestStatuses(at.sha)
	state := "success"
	if len(latest) == 0 {
		state = "pending"
	}
	for _, st := range latest {
		switch st.state {
		case "failure", "error":
			state = "failure"
		case "pending":
			if state != "failure" {
				state = "pending"
			}
		}
	}
	api := c.repoAPI(c.repo) + "/commits/" + at.sha
	return obj{"state": state, "sha": at.sha, "total_count": len(latest), "repository": c.repoJSON(c.repo), "commit_url": api,
		"url": api + "/status", "statuses": each(paginate(c, latest), func(st *status) obj { return c.simpleStatus(c.repo, at.sha, st) })}, nil
}

func createStatus(c *call) (any, error) {
	var ask struct {
		State       string  `json:"state"`
		TargetURL   *string `json:"target_url"`
		Description *string `json:"description"`
		Context     string  `json:"context"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if !slices.Contains(statusStates, ask.State) {
		return nil, invalid("Status", "state", "is not included in the list")
	}
	if ask.Description != nil && len([]rune(*ask.Description)) > 140 {
		return nil, invalid("Status", "description", "is too long (maximum is 140 characters)")
	}
	if _, err := c.repo.st.commit(c.path("sha")); err != nil {
		return nil, unprocessable("No commit found for SHA: %s", c.path("sha"))
	}
	st := c.addStatus(c.repo, c.path("sha"), status{state: ask.State, context: ask.Context, description: ask.Description, url: ask.TargetURL}, c.by())
	c.status = http.StatusCreated
	return c.statusJSON(c.repo, c.path("sha"), st), nil
}

func listWorkflowRuns(c *call) (any, error) {
	var list []*workflowRun
	for _, w := range slices.Backward(c.repo.workflows) {
		if sha := c.query("head_sha"); sha != "" && sha != w.suite.sha {
			continue
		}
		if id := c.query("check_suite_id"); id != "" && id != strconv.FormatInt(w.suite.id, 10) {
			continue
		}
		if branch := c.query("branch"); branch != "" && branch != w.suite.branch {
			continue
		}
		if event := c.query("event"); event != "" && event != w.event {
			continue
		}
		list = append(list, w)
	}
	return obj{"total_count": len(list), "workflow_runs": each(paginate(c, list), c.workflowJSON)}, nil
}
