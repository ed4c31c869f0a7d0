package githubsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// One function an event, each of which builds the payload that GitHub documents for it. What every payload has (action, sender,
// repository, organization, installation) is added by emit.

func (s *Sim) emitPull(i *issue, action string, by actor, extra obj) {
	body := obj{"number": i.number, "pull_request": s.pullJSON(i, true)}
	maps.Copy(body, extra)
	s.emit(i.repo, "pull_request", action, body, by.account)
}

func (s *Sim) emitReview(i *issue, rv *review, action string, by actor, extra obj) {
	r := s.reviewJSON(i, rv)
	r["state"] = strings.ToLower(rv.state) // payloads write it otherwise than the REST API
	r["body"] = orNull(rv.body)
	r["updated_at"] = r["submitted_at"]
	body := obj{"review": r, "pull_request": s.pullJSON(i, false)}
	maps.Copy(body, extra)
	s.emit(i.repo, "pull_request_review", action, body, by.account)
}

func (s *Sim) emitComment(c *comment, action string, by actor, extra obj) {
	body := obj{"issue": s.issueJSON(c.issue), "comment": s.commentJSON(c)}
	maps.Copy(body, extra)
	s.emit(c.issue.repo, "issue_comment", action, body, by.account)
}

func (s *Sim) emitIssue(i *issue, action string, by actor, extra obj) {
	body := obj{"issue": s.issueJSON(i)}
	maps.Copy(body, extra)
	s.emit(i.repo, "issues", action, body, by.account)
}

func (s *Sim) emitMergeGroup(q *queue, g *mergeGroup, action string, extra obj, by actor) {
	r := q.repo
	body := obj{"merge_group": obj{"head_sha": g.head, "head_ref": "refs/heads/" + g.branch, "base_sha": g.base,
		"base_ref": "refs/heads/" + q.branch, "head_commit": s.simpleCommit(r.st.commits[g.head])}}
	maps.Copy(body, extra)
	s.emit(r, "merge_group", action, body, by.account)
}

func (s *Sim) emitLabel(r *repository, l *label, action string, by *account, extra obj) {
	body := obj{"label": s.labelJSON(r, l)}
	maps.Copy(body, extra)
	s.emit(r, "label", action, body, by)
}

// pushedCommits is how many commits a push event carries at most.
const pushedCommits = 2048

func (s *Sim) emitPush(r *repository, branch, before, after string, forced bool, by actor) {
	commits := []obj{}
	head := any(nil)
	if after != "" {
		var made []*commit
		if before != "" {
			made = r.st.between(before, after)
		} else if tip := r.branches[r.defaultBranch]; tip != after {
			made = r.st.between(tip, after)
		}
		for _, c := range made[:min(len(made), pushedCommits)] {
			commits = append(commits, s.pushedCommit(r, c))
		}
		head = s.pushedCommit(r, r.st.commits[after])
	}
	repo := s.repo(r)
	// The one payload in which GitHub writes a repository's times as numbers, and its owner with a name.
	repo["created_at"], repo["pushed_at"] = r.created.Unix(), r.pushed.Unix()
	repo["stargazers"], repo["master_branch"] = 0, r.defaultBranch
	owner := s.user(r.owner)
	owner["name"], owner["email"] = r.owner.login, nil
	repo["owner"] = owner
	pusher := orGhost(s, by.account)
	s.emit(r, "push", "", obj{
		"ref": "refs/heads/" + branch, "before": orZero(before), "after": orZero(after), "created": before == "", "deleted": after == "",
		"forced": forced, "base_ref": nil, "compare": s.htmlURL("/%s/compare/%.12s...%.12s", r.fullName(), orZero(before), orZero(after)),
		"commits": commits, "head_commit": head, "repository": repo, "pusher": obj{"name": pusher.login, "email": pusher.email},
	}, by.account)
}

func (s *Sim) pushedCommit(r *repository, c *commit) obj {
	who := func(sig signature) obj {
		o := obj{"name": sig.name, "email": sig.email, "date": stamp(sig.at)}
		if a := s.accountOf(sig); a != nil {
			o["username"] = a.login
		}
		return o
	}
	added, removed, modified := []string{}, []string{}, []string{}
	after, err := r.st.flat(c.tree)
	before := map[string]leaf{}
	if err == nil && len(c.parents) > 0 {
		before, err = r.st.flat(r.st.commits[c.parents[0]].tree)
	}
	if err == nil {
		for path, f := range after {
			if was, had := before[path]; !had {
				added = append(added, path)
			} else if was != f {
				modified = append(modified, path)
			}
		}
		for path := range before {
			if _, has := after[path]; !has {
				removed = append(removed, path)
			}
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	slices.Sort(modified)
	return obj{"id": c.sha, "tree_id": c.tree, "distinct": true, "message": strings.TrimRight(c.message, "\n"),
		"timestamp": stamp(c.committer.at), "url": s.htmlURL("/%s/commit/%s", r.fullName(), c.sha), "author": who(c.author),
		"committer": who(c.committer), "added": added, "removed": removed, "modified": modified}
}

// emitRef sends create or delete.
func (s *Sim) emitRef(r *repository, event, branch string, by actor) {
	body := obj{"ref": branch, "ref_type": "branch", "pusher_type": "user"}
	if event == "create" {
		body["master_branch"], body["description"] = r.defaultBranch, orNull(r.description)
	}
	s.emit(r, event, "", body, by.account)
}

// emitCheckRun sends to all who subscribed, or to one App only.
func (s *Sim) emitCheckRun(run *checkRun, action string, by actor, extra obj, only *app) {
	o := s.runJSON(run)
	suite := s.suiteJSON(run.suite)
	delete(suite, "head_commit")
	o["check_suite"] = suite
	body := obj{"check_run": o}
	maps.Copy(body, extra)
	s.emitTo(only, run.suite.repo, "check_run", action, body, by.account)
}

func (s *Sim) emitCheckSuite(cs *checkSuite, action string, by actor, only *app) {
	s.emitTo(only, cs.repo, "check_suite", action, obj{"check_suite": s.suiteJSON(cs)}, by.account)
}

func (s *Sim) emitStatus(r *repository, sha string, st *status, by actor) {
	c := r.st.commits[sha]
	branches := []obj{}
	for _, name := range sortedKeys(r.branches) {
		if r.branches[name] == sha {
			branches = append(branches, obj{"name": name, "protected": r.protection(name) != nil,
				"commit": obj{"sha": sha, "url": s.repoAPI(r) + "/commits/" + sha}})
		}
	}
	s.emit(r, "status", "", obj{
		"id": st.id, "sha": sha, "name": r.fullName(), "state": st.state, "description": text(st.description), "target_url": text(st.url),
		"context": st.context, "created_at": stamp(st.at), "updated_at": stamp(st.at), "commit": s.commitJSON(r, c), "branches": branches,
		"avatar_url": s.htmlURL("/avatars/%d", orGhost(s, st.creator).id),
	}, by.account)
}

func (s *Sim) emitWorkflowRun(w *workflowRun, action string) {
	r := w.suite.repo
	s.emit(r, "workflow_run", action, obj{"workflow_run": s.workflowJSON(w), "workflow": s.workflowFile(w)}, w.actor)
}

// workflowFile returns the workflow that a run is of.
func (s *Sim) workflowFile(w *workflowRun) obj {
	r := w.suite.repo
	return obj{"id": w.workflowID, "node_id": node("Workflow", w.workflowID), "name": w.name, "path": w.path, "state": "active",
		"created_at": stamp(w.created), "updated_at": stamp(w.created), "url": fmt.Sprintf("%s/actions/workflows/%d", s.repoAPI(r), w.workflowID),
		"html_url":  s.htmlURL("/%s/blob/%s/%s", r.fullName(), r.defaultBranch, w.path),
		"badge_url": s.htmlURL("/%s/workflows/%s/badge.svg", r.fullName(), w.name)}
}

func (s *Sim) emitRepository(r *repository, action string, by *account, extra obj) {
	body := obj{}
	maps.Copy(body, extra)
	s.emit(r, "repository", action, body, by)
}

func (s *Sim) emitOrganization(o *organization, action string, who *account) {
	role := "member"
	if o.members[who] {
		role = "admin"
	}
	membership := obj{"url": s.apiURL("/orgs/%s/memberships/%s", o.account.login, who.login), "state": "active", "role": role,
		"organization_url": s.apiURL("/orgs/%s", o.account.login), "user": s.userJSON(who)}
	s.emitIn(o, "organization", action, obj{"membership": membership}, s.someOwner(o))
}

// someOwner stands for whoever changed the organization.
func (s *Sim) someOwner(o *organization) *account {
	var owner *account
	for a, isOwner := range o.members {
		if isOwner && (owner == nil || a.id < owner.id) {
			owner = a
		}
	}
	if owner == nil {
		return o.account
	}
	return owner
}

func (s *Sim) emitTeam(t *team, action string, r *repository, extra obj) {
	body := obj{"team": s.teamJSON(t)}
	if r != nil {
		body["repository"] = s.repoJSON(r)
	}
	maps.Copy(body, extra)
	s.emitIn(t.org, "team", action, body, s.someOwner(t.org))
}

func (s *Sim) emitMembership(t *team, action string, who *account) {
	s.emitIn(t.org, "membership", action, obj{"scope": "team", "team": s.teamJSON(t), "member": s.userJSON(who)}, s.someOwner(t.org))
}

func (s *Sim) emitMember(r *repository, action string, who *account, changes obj) {
	body := obj{"member": s.userJSON(who)}
	if changes != nil {
		body["changes"] = changes
	}
	s.emit(r, "member", action, body, r.owner)
}

// Events about an installation go to its App only, whatever it subscribed to and even while it is suspended.

func (s *Sim) emitInstallation(in *installation, action string) {
	body := obj{"action": action, "installation": s.installationJSON(in), "sender": s.userJSON(s.installer(in))}
	if action == "created" || action == "deleted" || action == "new_permissions_accepted" {
		body["repositories"] = s.installedRepos(s.reposOf(in))
		body["requester"] = nil
	}
	s.enqueue(in, nil, "installation", action, &payload{value: body})
}

func (s *Sim) emitInstallationChange(in *installation, action string, changed []*repository) {
	added, removed := []obj{}, []obj{}
	if action == "added" {
		added = s.installedRepos(changed)
	} else {
		removed = s.installedRepos(changed)
	}
	o := s.installationJSON(in)
	s.enqueue(in, nil, "installation_repositories", action, &payload{value: obj{
		"action": action, "installation": o, "repository_selection": o["repository_selection"], "repositories_added": added,
		"repositories_removed": removed, "requester": nil, "sender": s.userJSON(s.installer(in)),
	}})
}

// emitInstallationRepositories tells the Apps that are installed on all of the owner's repositories of a new one.
func (s *Sim) emitInstallationRepositories(r *repository, action string) {
	for _, in := range s.sortedInstallations() {
		if in.account == r.owner && in.all {
			s.emitInstallationChange(in, action, []*repository{r})
		}
	}
}

func (s *Sim) installer(in *installation) *account {
	if org := s.orgs[in.account]; org != nil {
		return s.someOwner(org)
	}
	return in.account
}

// reposOf returns the repositories of an installation in the order of their ids.
func (s *Sim) reposOf(in *installation) []*repository {
	var out []*repository
	for _, r := range s.repos {
		if in.has(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *repository) int { return int(a.id - b.id) })
	return out
}

func (s *Sim) installedRepos(repos []*repository) []obj {
	out := []obj{}
	for _, r := range repos {
		out = append(out, obj{"id": r.id, "node_id": node("Repository", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private})
	}
	return out
}
