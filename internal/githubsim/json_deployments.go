package githubsim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (s *Sim) deploymentAPI(d *deployment) string {
	return fmt.Sprintf("%s/deployments/%d", s.repoAPI(d.repo), d.id)
}

func (s *Sim) deploymentJSON(d *deployment) obj {
	api := s.deploymentAPI(d)
	return obj{"url": api, "id": d.id, "node_id": node("Deployment", d.id), "sha": d.sha, "ref": d.ref, "task": d.task, "payload": d.payload,
		"original_environment": d.original, "environment": d.environment, "description": orNull(d.description), "creator": s.userJSON(d.creator),
		"created_at": stamp(d.created), "updated_at": stamp(d.updated), "statuses_url": api + "/statuses", "repository_url": s.repoAPI(d.repo),
		"transient_environment": d.transient, "production_environment": d.production, "performed_via_github_app": s.appJSON(d.app)}
}

func (s *Sim) deploymentStatusJSON(d *deployment, st *deploymentStatus) obj {
	api := s.deploymentAPI(d)
	return obj{"url": fmt.Sprintf("%s/statuses/%d", api, st.id), "id": st.id, "node_id": node("DeploymentStatus", st.id), "state": st.state,
		"creator": s.userJSON(st.creator), "description": st.description, "environment": st.environment, "target_url": st.logURL,
		"log_url": st.logURL, "environment_url": st.environmentURL, "created_at": stamp(st.at), "updated_at": stamp(st.at),
		"deployment_url": api, "repository_url": s.repoAPI(d.repo), "performed_via_github_app": s.appJSON(st.app)}
}

func (s *Sim) environmentJSON(r *repository, e *environment) obj {
	rule := func(id int64, kind string, extra obj) obj {
		o := obj{"id": id, "node_id": node("Gate", id), "type": kind}
		maps.Copy(o, extra)
		return o
	}
	rules := []obj{}
	if e.WaitTimer > 0 {
		rules = append(rules, rule(e.waitID, "wait_timer", obj{"wait_timer": int(e.WaitTimer / time.Minute)}))
	}
	if len(e.Reviewers) > 0 {
		reviewers := []obj{}
		for _, who := range e.Reviewers {
			if org, slug, isTeam := strings.Cut(who, "/"); isTeam {
				if t, err := s.team(org, slug); err == nil {
					reviewers = append(reviewers, obj{"type": "Team", "reviewer": s.teamJSON(t)})
				}
			} else if a, err := s.account(who); err == nil {
				reviewers = append(reviewers, obj{"type": "User", "reviewer": s.userJSON(a)})
			}
		}
		rules = append(rules, rule(e.reviewID, "required_reviewers", obj{"prevent_self_review": e.PreventSelfReview, "reviewers": reviewers}))
	}
	policy := any(nil)
	if len(e.Branches) > 0 {
		rules = append(rules, rule(e.branchID, "branch_policy", nil))
		policy = obj{"protected_branches": false, "custom_branch_policies": true}
	}
	return obj{"id": e.id, "node_id": node("Environment", e.id), "name": e.name, "url": s.repoAPI(r) + "/environments/" + url.PathEscape(e.name),
		"html_url":   s.htmlURL("/%s/deployments/activity_log?environments_filter=%s", r.fullName(), url.QueryEscape(e.name)),
		"created_at": stamp(e.created), "updated_at": stamp(e.updated), "can_admins_bypass": !e.NoBypass, "protection_rules": rules,
		"deployment_branch_policy": policy}
}

func (s *Sim) customRuleJSON(rule *customRule) obj {
	return obj{"id": rule.id, "node_id": node("Gate", rule.id), "enabled": true, "app": obj{"id": rule.app.id, "slug": rule.app.slug,
		"integration_url": s.apiURL("/apps/%s", rule.app.slug), "node_id": node("App", rule.app.id)}}
}

// startedBy adds to a payload about a deployment the workflow and the run whose job it is of; null for one that a call made.
func (s *Sim) startedBy(d *deployment, body obj) obj {
	body["workflow"], body["workflow_run"] = nil, nil
	if d.run != nil {
		run := s.workflowJSON(d.run)
		run["head_branch"] = d.run.suite.branch // never null in these
		body["workflow"], body["workflow_run"] = s.workflowFile(d.run), run
	}
	return body
}

func (s *Sim) emitDeployment(d *deployment) {
	s.emit(d.repo, "deployment", "created", s.startedBy(d, obj{"deployment": s.deploymentJSON(d)}), d.creator)
}

func (s *Sim) emitDeploymentStatus(d *deployment, st *deploymentStatus, by actor) {
	body := s.startedBy(d, obj{"deployment_status": s.deploymentStatusJSON(d, st), "deployment": s.deploymentJSON(d), "check_run": nil})
	if d.run != nil {
		check := s.runJSON(d.run.job.check)
		for _, key := range []string{"output", "check_suite", "app", "pull_requests"} { // which this one leaves out
			delete(check, key)
		}
		body["check_run"] = check
	}
	s.emit(d.repo, "deployment_status", "created", body, by.account)
}

// emitProtectionRule asks the App that has a rule on the environment of a job, if it listens.
func (s *Sim) emitProtectionRule(w *workflowRun, a *app) {
	r, j := w.suite.repo, w.job
	if !slices.Contains(a.events, "deployment_protection_rule") {
		return
	}
	pulls := []obj{}
	for _, i := range r.issues {
		if i.pull != nil && i.state == "open" && i.pull.head == w.suite.sha {
			pulls = append(pulls, s.pullJSON(i, true))
		}
	}
	body := obj{"environment": j.environment, "event": w.event, "sha": w.suite.sha, "ref": j.ref, "deployment": nil, "pull_requests": pulls,
		"deployment_callback_url": fmt.Sprintf("%s/actions/runs/%d/deployment_protection_rule", s.repoAPI(r), w.id)}
	if j.deployment != nil {
		body["deployment"] = s.deploymentJSON(j.deployment)
	}
	s.emitTo(a, r, "deployment_protection_rule", "requested", body, w.actor)
}
