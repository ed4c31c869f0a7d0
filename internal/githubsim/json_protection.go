package githubsim

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// ruleJSON returns a branch's classic protection as its webhook shows it.
func ruleJSON(r *repository, p *protection) obj {
	return obj{
		"id": p.id, "repository_id": r.id, "name": p.pattern, "created_at": stamp(p.created), "updated_at": stamp(p.updated),
		"pull_request_reviews_enforcement_level": p.level(p.RequiredApprovals > 0), "required_approving_review_count": p.RequiredApprovals,
		"dismiss_stale_reviews_on_push": false, "require_code_owner_review": false, "authorized_dismissal_actors_only": false,
		"ignore_approvals_from_contributors": false, "require_last_push_approval": false, "required_status_checks": p.contexts(),
		"required_status_checks_enforcement_level": p.level(len(p.RequiredChecks) > 0), "strict_required_status_checks_policy": p.Strict,
		"signature_requirement_enforcement_level": "off", "linear_history_requirement_enforcement_level": "off",
		"admin_enforced": p.EnforceAdmins, "create_protected": false,
		"allow_force_pushes_enforcement_level": allowed(p.AllowForcePushes), "allow_deletions_enforcement_level": allowed(p.AllowDeletions),
		"merge_queue_enforcement_level": p.level(p.MergeQueue != nil), "required_deployments_enforcement_level": "off",
		"required_conversation_resolution_level": "off", "lock_branch_enforcement_level": "off", "lock_allows_fork_sync": false,
		"authorized_actors_only": false, "authorized_actor_names": []string{},
	}
}

func allowed(yes bool) string {
	if yes {
		return "everyone"
	}
	return "off"
}

// ruleChanges returns what differs between two versions of a rule. GitHub tells of a check that was added or removed, and not of
// one that another App must post now.
func ruleChanges(from, to *protection) obj {
	changes := obj{}
	note := func(name string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			changes[name] = obj{"from": was}
		}
	}
	note("required_status_checks", from.contexts(), to.contexts())
	note("required_status_checks_enforcement_level", from.level(len(from.RequiredChecks) > 0), to.level(len(to.RequiredChecks) > 0))
	note("pull_request_reviews_enforcement_level", from.level(from.RequiredApprovals > 0), to.level(to.RequiredApprovals > 0))
	note("admin_enforced", from.EnforceAdmins, to.EnforceAdmins)
	return changes
}

// rules returns the protection as a ruleset's rules.
func (p *protection) rules() []obj {
	rules := []obj{}
	add := func(kind string, parameters obj) {
		o := obj{"type": kind}
		if parameters != nil {
			o["parameters"] = parameters
		}
		rules = append(rules, o)
	}
	if !p.AllowDeletions {
		add("deletion", nil)
	}
	if !p.AllowForcePushes {
		add("non_fast_forward", nil)
	}
	if len(p.RequiredChecks) > 0 {
		checks := []obj{}
		for _, need := range p.RequiredChecks {
			check := obj{"context": need.Context}
			if need.AppID != 0 {
				check["integration_id"] = need.AppID
			}
			checks = append(checks, check)
		}
		add("required_status_checks", obj{"required_status_checks": checks, "strict_required_status_checks_policy": p.Strict})
	}
	if p.RequiredApprovals > 0 {
		add("pull_request", obj{"required_approving_review_count": p.RequiredApprovals, "dismiss_stale_reviews_on_push": false,
			"require_code_owner_review": false, "require_last_push_approval": false, "required_review_thread_resolution": false})
	}
	if p.MergeQueue != nil {
		q := p.MergeQueue.withDefaults()
		strategy := "ALLGREEN"
		if q.HeadGreen {
			strategy = "HEADGREEN"
		}
		add("merge_queue", obj{"merge_method": strings.ToUpper(string(q.Method)), "grouping_strategy": strategy,
			"max_entries_to_build": q.MaxBuild, "min_entries_to_merge": q.MinGroup, "max_entries_to_merge": q.MaxGroup,
			"min_entries_to_merge_wait_minutes": int(q.MinWait.Minutes()), "check_response_timeout_minutes": int(q.CheckTimeout.Minutes())})
	}
	return rules
}

func (p *protection) rulesetName() string { return "Protect " + p.pattern }

func (s *Sim) rulesetJSON(r *repository, p *protection) obj {
	return obj{"id": p.id, "node_id": node("Ruleset", p.id), "name": p.rulesetName(), "target": "branch", "source_type": "Repository",
		"source": r.fullName(), "enforcement": "active", "created_at": stamp(p.created), "updated_at": stamp(p.updated),
		"conditions": obj{"ref_name": obj{"include": []string{"refs/heads/" + p.pattern}, "exclude": []string{}}}, "rules": p.rules(),
		"_links": obj{"self": obj{"href": fmt.Sprintf("%s/rulesets/%d", s.repoAPI(r), p.id)},
			"html": obj{"href": s.htmlURL("/%s/rules/%d", r.fullName(), p.id)}}}
}

// rulesetChanges returns what differs between two versions of a ruleset, by the type of rule.
func rulesetChanges(from, to *protection) obj {
	index := func(p *protection) map[string]obj {
		out := map[string]obj{}
		for _, rule := range p.rules() {
			out[rule["type"].(string)] = rule
		}
		return out
	}
	before, after := index(from), index(to)
	added, deleted, updated := []obj{}, []obj{}, []obj{}
	for _, kind := range sortedKeys(after) {
		switch was, had := before[kind]; {
		case !had:
			added = append(added, after[kind])
		case !reflect.DeepEqual(was, after[kind]):
			updated = append(updated, obj{"rule": after[kind], "changes": obj{"configuration": obj{"from": string(encode(was["parameters"]))}}})
		}
	}
	for _, kind := range sortedKeys(before) {
		if _, has := after[kind]; !has {
			deleted = append(deleted, before[kind])
		}
	}
	return obj{"rules": obj{"added": added, "deleted": deleted, "updated": updated}}
}

// checkList returns the required checks with the Apps that they are pinned to.
func (p *protection) checkList() []obj {
	out := []obj{}
	for _, need := range p.RequiredChecks {
		check := obj{"context": need.Context, "app_id": nil}
		if need.AppID != 0 {
			check["app_id"] = need.AppID
		}
		out = append(out, check)
	}
	return out
}

// protectionJSON returns a branch's classic protection as whoever administers the repository reads it.
func (s *Sim) protectionJSON(r *repository, branch string, p *protection) obj {
	api := s.repoAPI(r) + "/branches/" + branch + "/protection"
	on := func(yes bool) obj { return obj{"enabled": yes} }
	linked := func(part string, yes bool) obj { return obj{"url": api + part, "enabled": yes} }
	o := obj{"url": api, "enforce_admins": linked("/enforce_admins", p.EnforceAdmins), "required_signatures": linked("/required_signatures", false),
		"required_linear_history": on(false), "allow_force_pushes": on(p.AllowForcePushes), "allow_deletions": on(p.AllowDeletions),
		"block_creations": on(false), "required_conversation_resolution": on(false), "lock_branch": on(false), "allow_fork_syncing": on(false)}
	if len(p.RequiredChecks) > 0 {
		o["required_status_checks"] = obj{"url": api + "/required_status_checks", "contexts_url": api + "/required_status_checks/contexts",
			"strict": p.Strict, "contexts": p.contexts(), "checks": p.checkList()}
	}
	if p.RequiredApprovals > 0 {
		o["required_pull_request_reviews"] = obj{"url": api + "/required_pull_request_reviews", "dismiss_stale_reviews": false,
			"require_code_owner_reviews": false, "require_last_push_approval": false, "required_approving_review_count": p.RequiredApprovals}
	}
	return o
}

// detailed adds to a rule which ruleset it is of.
func detailed(r *repository, p *protection, rule obj) obj {
	o := maps.Clone(rule)
	o["ruleset_source_type"], o["ruleset_source"], o["ruleset_id"] = "Repository", r.fullName(), p.id
	return o
}
