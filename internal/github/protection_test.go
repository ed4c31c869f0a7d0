package github

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	rulesCall  = "GET /repos/acme/shop/rules/branches/main"
	branchCall = "GET /repos/acme/shop/branches/main"
)

// rule is a ruleset's rule that requires checks; the App's id is null where a check is not pinned.
func checksRule(checks ...m) m {
	return m{"type": "required_status_checks", "ruleset_source_type": "Organization", "ruleset_id": 1,
		"parameters": m{"strict_required_status_checks_policy": false, "required_status_checks": checks}}
}

func protectedBy(level string, contexts []string, checks ...m) http.HandlerFunc {
	return answerWith(200, m{"name": "main", "commit": m{"sha": baseSHA}, "protected": true, "protection": m{
		"enabled": true, "required_status_checks": m{"enforcement_level": level, "contexts": contexts, "checks": checks}}})
}

func TestRequiredCheck(t *testing.T) {
	const name = "Change policy"
	var (
		rules     = func(all ...m) http.HandlerFunc { return answerWith(200, all) }
		noRules   = answerWith(200, []m{})
		open      = answerWith(200, m{"name": "main", "protected": false, "protection": m{"enabled": false, "required_status_checks": m{"enforcement_level": "off", "contexts": []m{}, "checks": []m{}}}})
		forbidden = refuse(403, "Upgrade to GitHub Pro or make this repository public to enable this feature.")
		other     = m{"type": "pull_request", "parameters": m{"required_approving_review_count": 1}}
	)
	for what, tt := range map[string]struct {
		rules, branch http.HandlerFunc
		want          RequiredCheck
		problem       string // a part of it
	}{
		"nowhere":                 {noRules, open, RequiredCheck{}, ""},
		"only other checks":       {rules(other, checksRule(m{"context": "build", "integration_id": appID})), protectedBy("everyone", nil, m{"context": "change policy", "app_id": appID}), RequiredCheck{}, ""},
		"by a ruleset, pinned":    {rules(other, m{"type": "deletion"}, checksRule(m{"context": name, "integration_id": appID})), open, RequiredCheck{true, true, ByRuleset, ""}, ""},
		"by a ruleset, from any":  {rules(checksRule(m{"context": name})), open, RequiredCheck{true, false, ByRuleset, ""}, ""},
		"by a ruleset, another's": {rules(checksRule(m{"context": name, "integration_id": 8})), open, RequiredCheck{true, false, ByRuleset, ""}, ""},
		"two rulesets, one pinned": {rules(checksRule(m{"context": name}), checksRule(m{"context": name, "integration_id": appID})), open,
			RequiredCheck{true, true, ByRuleset, ""}, ""},
		"by protection, pinned":         {noRules, protectedBy("everyone", []string{name}, m{"context": name, "app_id": appID}), RequiredCheck{true, true, ByBranchProtection, ""}, ""},
		"by protection, from any":       {noRules, protectedBy("non_admins", []string{name}, m{"context": name, "app_id": nil}), RequiredCheck{true, false, ByBranchProtection, ""}, ""},
		"by protection that only names": {noRules, protectedBy("everyone", []string{name}), RequiredCheck{true, false, ByBranchProtection, ""}, ""},
		"by protection that is off":     {noRules, protectedBy("off", []string{name}, m{"context": name, "app_id": appID}), RequiredCheck{}, ""},
		"by both, pinned by protection": {rules(checksRule(m{"context": name})), protectedBy("everyone", nil, m{"context": name, "app_id": appID}),
			RequiredCheck{true, true, ByBranchProtection, ""}, ""},
		"by both, pinned by neither": {rules(checksRule(m{"context": name})), protectedBy("everyone", nil, m{"context": name, "app_id": -1}),
			RequiredCheck{true, false, ByRuleset, ""}, ""},
		"rulesets cannot be read":            {forbidden, open, RequiredCheck{}, "its rulesets cannot be read: GitHub refused: Upgrade"},
		"rulesets there are none here":       {refuse(404, "Not Found"), protectedBy("everyone", nil, m{"context": name}), RequiredCheck{true, false, ByBranchProtection, ""}, "its rulesets cannot be read"},
		"neither can be read":                {forbidden, refuse(404, "Branch not found"), RequiredCheck{}, "; its branch protection cannot be read: not found"},
		"it does not matter what cannot":     {forbidden, protectedBy("everyone", nil, m{"context": name, "app_id": appID}), RequiredCheck{true, true, ByBranchProtection, ""}, ""},
		"nothing is said of protection":      {noRules, answerWith(200, m{"name": "main", "protected": true}), RequiredCheck{}, "its branch protection cannot be read"},
		"a branch that has another name now": {noRules, answerWith(200, m{"name": "trunk", "protection": m{}}), RequiredCheck{}, "not found on GitHub: branch main"},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFake(t)
			f.on(rulesCall, tt.rules)
			f.on(branchCall, tt.branch)
			got, err := f.client().Begin().RequiredCheck(t.Context(), shop, "main", name, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.Problem, tt.problem) || (got.Problem == "") != (tt.problem == "") {
				t.Errorf("problem %q, want one with %q", got.Problem, tt.problem)
			}
			got.Problem = ""
			equal(t, "check", got, tt.want)
			calls(t, f, branchCall, rulesCall+"?per_page=100")
		})
	}
}

func TestRequiredCheckReadsEveryRule(t *testing.T) {
	const odd = "release/1.x"
	f := newFake(t)
	c := f.client()
	path := "/repos/acme/shop/rules/branches/release%2F1.x"
	f.pages("GET "+path, []any{many(100, func(int) any { return m{"type": "deletion"} }), []any{checksRule(m{"context": "x", "integration_id": appID})}}, true)
	f.json("GET /repos/acme/shop/branches/release%2F1.x", 200, m{"name": odd, "protection": m{"enabled": false}})
	read := func(since time.Time) RequiredCheck {
		t.Helper()
		got, err := c.Begin().RequiredCheck(t.Context(), shop, odd, "x", since)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	equal(t, "check", read(time.Time{}), RequiredCheck{true, true, ByRuleset, ""})
	equal(t, "calls", len(f.took()), 3)
	read(time.Time{})
	calls(t, f)
	read(f.clock.Now())
	equal(t, "calls that verify", len(f.took()), 3)
}

func TestRequiredCheckOfAGitHubThatIsDown(t *testing.T) {
	for _, call := range []string{rulesCall, branchCall} {
		f := newFake(t)
		f.json(rulesCall, 200, []m{})
		f.json(branchCall, 200, m{"name": "main", "protection": m{}})
		f.on(call, refuse(502, ""))
		if _, err := f.client().Begin().RequiredCheck(t.Context(), shop, "main", "x", time.Time{}); !Temporary(err) {
			t.Errorf("%s: %v", call, err)
		}
	}
	f := newFake(t)
	f.json(branchCall, 200, m{"name": "main", "protection": m{}})
	f.json(rulesCall, 200, []m{{"type": "required_status_checks", "parameters": 7}})
	if _, err := f.client().Begin().RequiredCheck(t.Context(), shop, "main", "x", time.Time{}); !Temporary(err) {
		t.Errorf("a rule without its parameters: %v", err)
	}
}
