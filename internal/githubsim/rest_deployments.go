package githubsim

import (
	"net/http"
	"slices"
	"strings"
)

func deploymentRoutes() []route {
	const all = "/repos/{owner}/{repo}/deployments"
	const one, statuses = all + "/{deployment_id}", all + "/{deployment_id}/statuses"
	const environments = "/repos/{owner}/{repo}/environments"
	return []route{
		{"GET", all, reads("deployments"), listDeployments},
		{"POST", all, writes("deployments"), createDeployment},
		{"GET", one, reads("deployments"), onDeployment(func(c *call, d *deployment) (any, error) { return c.deploymentJSON(d), nil })},
		{"DELETE", one, writes("deployments"), onDeployment(func(c *call, d *deployment) (any, error) {
			c.status = http.StatusNoContent
			return nil, c.deleteDeployment(d)
		})},
		{"GET", statuses, reads("deployments"), onDeployment(func(c *call, d *deployment) (any, error) {
			newest := slices.Clone(d.statuses)
			slices.Reverse(newest)
			return each(paginate(c, newest), func(st *deploymentStatus) obj { return c.deploymentStatusJSON(d, st) }), nil
		})},
		{"POST", statuses, writes("deployments"), onDeployment(createDeploymentStatus)},
		{"GET", statuses + "/{status_id}", reads("deployments"), onDeployment(func(c *call, d *deployment) (any, error) {
			for _, st := range d.statuses {
				if st.id == c.id("status_id") {
					return c.deploymentStatusJSON(d, st), nil
				}
			}
			return nil, errNotFound
		})},
		{"GET", environments, reads("actions"), func(c *call) (any, error) {
			return obj{"total_count": len(c.repo.environments), "environments": each(paginate(c, c.repo.environments),
				func(e *environment) obj { return c.environmentJSON(c.repo, e) })}, nil
		}},
		{"GET", environments + "/{environment_name}", reads("actions"), onEnvironment(func(c *call, e *environment) (any, error) {
			return c.environmentJSON(c.repo, e), nil
		})},
		{"GET", environments + "/{environment_name}/deployment_protection_rules", reads("actions"), onEnvironment(func(c *call, e *environment) (any, error) {
			return obj{"total_count": len(e.rules), "custom_deployment_protection_rules": each(e.rules, c.customRuleJSON)}, nil
		})},
		{"POST", "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule", writes("deployments"), answerRule},
	}
}

func onDeployment(f func(c *call, d *deployment) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		d := c.repo.deployment(c.id("deployment_id"))
		if d == nil {
			return nil, errNotFound
		}
		return f(c, d)
	}
}

func onEnvironment(f func(c *call, e *environment) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		e := c.repo.environment(c.path("environment_name"))
		if e == nil {
			return nil, errNotFound
		}
		return f(c, e)
	}
}

func listDeployments(c *call) (any, error) {
	fits := func(name, have string) bool {
		want := c.query(name)
		return want == "" || want == have
	}
	var list []*deployment
	for _, d := range slices.Backward(c.repo.deployments) {
		environment := c.query("environment")
		if fits("sha", d.sha) && fits("ref", d.ref) && fits("task", d.task) && (environment == "" || strings.EqualFold(environment, d.environment)) {
			list = append(list, d)
		}
	}
	return each(paginate(c, list), c.deploymentJSON), nil
}

func createDeployment(c *call) (any, error) {
	var ask deploymentAsk
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	d, merged, err := c.createDeployment(c.repo, &ask, c.by())
	if err != nil {
		return nil, err
	}
	if d == nil {
		c.status = http.StatusAccepted
		return obj{"message": merged}, nil
	}
	c.status = http.StatusCreated
	return c.deploymentJSON(d), nil
}

func createDeploymentStatus(c *call, d *deployment) (any, error) {
	var ask statusAsk
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if err := ask.check(); err != nil {
		return nil, err
	}
	c.status = http.StatusCreated
	return c.deploymentStatusJSON(d, c.addDeploymentStatus(d, &ask, c.by())), nil
}

// answerRule lets an App answer a job that waits for its rule.
func answerRule(c *call) (any, error) {
	var answer ruleAnswer
	if err := c.decode(&answer); err != nil {
		return nil, err
	}
	for _, w := range c.repo.workflows {
		if w.id == c.id("run_id") {
			c.status = http.StatusNoContent
			return nil, c.answerRule(w, c.app, &answer)
		}
	}
	return nil, errNotFound
}
