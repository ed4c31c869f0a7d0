package githubsim

import (
	"fmt"
)

func (s *Sim) appJSON(a *app) any {
	if a == nil {
		return nil
	}
	return obj{"id": a.id, "slug": a.slug, "node_id": node("App", a.id), "client_id": fmt.Sprintf("Iv1.%016x", a.id),
		"owner": s.userJSON(a.owner), "name": a.name, "description": "", "external_url": s.htmlURL("/%s", a.slug),
		"html_url": s.htmlURL("/apps/%s", a.slug), "created_at": stamp(a.created), "updated_at": stamp(a.created),
		"permissions": copyMap(a.permissions), "events": eventList(a)}
}

func eventList(a *app) []string { return append([]string{}, a.events...) }

func copyMap(m map[string]string) obj {
	o := obj{}
	for k, v := range m {
		o[k] = v
	}
	return o
}

func (s *Sim) installationJSON(in *installation) obj {
	selection := "selected"
	if in.all {
		selection = "all"
	}
	html := s.htmlURL("/settings/installations/%d", in.id)
	if in.account.kind == kindOrganization {
		html = s.htmlURL("/organizations/%s/settings/installations/%d", in.account.login, in.id)
	}
	return obj{"id": in.id, "account": s.userJSON(in.account), "repository_selection": selection,
		"access_tokens_url": s.apiURL("/app/installations/%d/access_tokens", in.id),
		"repositories_url":  s.apiURL("/installation/repositories"), "html_url": html, "app_id": in.app.id, "app_slug": in.app.slug,
		"client_id": fmt.Sprintf("Iv1.%016x", in.app.id), "target_id": in.account.id, "target_type": string(in.account.kind),
		"permissions": copyMap(in.permissions), "events": eventList(in.app), "created_at": stamp(in.created), "updated_at": stamp(in.updated),
		"single_file_name": nil, "has_multiple_single_files": false, "single_file_paths": []string{},
		"suspended_by": s.userJSON(in.suspendedBy), "suspended_at": stamp(in.suspended)}
}

func (s *Sim) suiteJSON(cs *checkSuite) obj {
	state, conclusion := cs.state()
	api := fmt.Sprintf("%s/check-suites/%d", s.repoAPI(cs.repo), cs.id)
	return obj{"id": cs.id, "node_id": node("CheckSuite", cs.id), "head_branch": orNull(cs.branch), "head_sha": cs.sha, "status": state,
		"conclusion": orNull(conclusion), "url": api, "before": orNull(cs.before), "after": cs.sha, "pull_requests": s.pullsAt(cs.repo, cs.sha),
		"app": s.appJSON(cs.app), "created_at": stamp(cs.created), "updated_at": stamp(cs.updated), "rerequestable": true,
		"runs_rerequestable": true, "latest_check_runs_count": len(cs.latest()), "check_runs_url": api + "/check-runs",
		"head_commit": s.simpleCommit(cs.repo.st.commits[cs.sha])}
}

func text(p *string) any {
	if p == nil {
		return nil
	}
	return *p
}

func (s *Sim) runJSON(run *checkRun) obj {
	cs := run.suite
	api := fmt.Sprintf("%s/check-runs/%d", s.repoAPI(cs.repo), run.id)
	return obj{"id": run.id, "node_id": node("CheckRun", run.id), "head_sha": cs.sha, "external_id": run.externalID, "url": api,
		"html_url": s.htmlURL("/%s/runs/%d", cs.repo.fullName(), run.id), "details_url": run.detailsURL, "status": run.status,
		"conclusion": orNull(run.conclusion), "started_at": stamp(run.started), "completed_at": stamp(run.completed), "name": run.name,
		"output": obj{"title": text(run.title), "summary": text(run.summary), "text": text(run.text),
			"annotations_count": len(run.annotations), "annotations_url": api + "/annotations"},
		"check_suite": obj{"id": cs.id}, "app": s.appJSON(cs.app), "pull_requests": s.pullsAt(cs.repo, cs.sha)}
}

func (s *Sim) statusJSON(r *repository, sha string, st *status) obj {
	o := s.simpleStatus(r, sha, st)
	o["creator"] = s.actorJSON(st.creator)
	return o
}

func (s *Sim) simpleStatus(r *repository, sha string, st *status) obj {
	avatar := any(nil)
	if st.creator != nil {
		avatar = s.htmlURL("/avatars/%d", st.creator.id)
	}
	return obj{"id": st.id, "node_id": node("Status", st.id), "url": s.repoAPI(r) + "/statuses/" + sha, "avatar_url": avatar,
		"state": st.state, "description": text(st.description), "target_url": text(st.url), "context": st.context,
		"created_at": stamp(st.at), "updated_at": stamp(st.at)}
}

func (s *Sim) workflowJSON(w *workflowRun) obj {
	cs, r := w.suite, w.suite.repo
	state, conclusion := w.state()
	previous := any(nil)
	if w.attempt() > 1 {
		previous = fmt.Sprintf("%s/actions/runs/%d/attempts/%d", s.repoAPI(r), w.id, w.attempt()-1)
	}
	api := fmt.Sprintf("%s/actions/runs/%d", s.repoAPI(r), w.id)
	head := s.simpleCommit(r.st.commits[cs.sha])
	return obj{"id": w.id, "node_id": node("WorkflowRun", w.id), "name": w.name, "path": w.path, "head_branch": orNull(cs.branch), "head_sha": cs.sha,
		"run_number": w.number, "run_attempt": w.attempt(), "event": w.event, "status": state, "conclusion": orNull(conclusion),
		"workflow_id": w.workflowID, "check_suite_id": cs.id, "check_suite_node_id": node("CheckSuite", cs.id), "url": api,
		"html_url": s.htmlURL("/%s/actions/runs/%d", r.fullName(), w.id), "pull_requests": s.pullsAt(r, cs.sha),
		"created_at": stamp(w.created), "updated_at": stamp(w.updated), "run_started_at": stamp(w.created), "jobs_url": api + "/jobs",
		"logs_url": api + "/logs", "check_suite_url": fmt.Sprintf("%s/check-suites/%d", s.repoAPI(r), cs.id),
		"artifacts_url": api + "/artifacts", "cancel_url": api + "/cancel", "rerun_url": api + "/rerun", "previous_attempt_url": previous,
		"workflow_url": fmt.Sprintf("%s/actions/workflows/%d", s.repoAPI(r), w.workflowID), "head_commit": head, "repository": s.repoJSON(r),
		"head_repository": s.repoJSON(r), "display_title": head["message"], "actor": s.userJSON(w.actor),
		"triggering_actor": s.userJSON(w.actor), "referenced_workflows": []obj{}}
}
