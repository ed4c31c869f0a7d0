package githubsim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

func TestProtection_WhereItIsRead(t *testing.T) {
	w := start(t)
	pinned := githubsim.Protection{RequiredChecks: []githubsim.RequiredCheck{{Context: "Change policy", AppID: w.app.ID}, {Context: "ci"}}}
	const branch = "/repos/acme/app/branches/main"
	rules := func() []any {
		t.Helper()
		return w.ok(w.api, "GET", "/repos/acme/app/rules/branches/main", nil).([]any)
	}

	check(t, w.Protect("acme/app", "main", pinned))
	for path, at := range map[string][]any{branch: {"protection", "required_status_checks", "checks"}, branch + "/protection": {"required_status_checks", "checks"}} {
		want := []any{m{"context": "Change policy", "app_id": float64(w.app.ID)}, m{"context": "ci", "app_id": nil}}
		if d := cmp.Diff(any(want), field(w.ok(w.api, "GET", path, nil), at...)); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
	if got := rules(); len(got) != 0 {
		t.Errorf("classic protection is shown as rules: %v", got)
	}

	pinned.Ruleset = true
	check(t, w.Protect("acme/app", "main", pinned))
	if status, _, _ := w.do(w.api, "GET", branch+"/protection", nil); status != 404 {
		t.Errorf("a ruleset is shown as classic protection: %d", status)
	}
	if got := w.ok(w.api, "GET", branch, nil); field(got, "protected") != true || field(got, "protection", "enabled") != false {
		t.Errorf("the branch is %v", field(got, "protection"))
	}
	found := false
	for _, rule := range rules() {
		if field(rule, "type") == "required_status_checks" {
			found = true
			want := []any{m{"context": "Change policy", "integration_id": float64(w.app.ID)}, m{"context": "ci"}}
			if d := cmp.Diff(any(want), field(rule, "parameters", "required_status_checks")); d != "" {
				t.Error(d)
			}
		}
	}
	if !found {
		t.Error("the rules require no checks")
	}

	check(t, w.Protect("acme/app", "main", pinned)) // nothing changes, and nobody is told
	pinned.RequiredChecks = pinned.RequiredChecks[1:]
	check(t, w.Protect("acme/app", "main", pinned), w.Unprotect("acme/app", "main"), w.Unprotect("acme/app", "main"))
	w.flush()
	var told []string
	for _, d := range w.app.Deliveries() {
		if d.Event == "branch_protection_rule" || d.Event == "repository_ruleset" {
			told = append(told, d.Event+" "+d.Action)
		}
	}
	want := []string{"branch_protection_rule created", "branch_protection_rule deleted", "repository_ruleset created", "repository_ruleset edited", "repository_ruleset deleted"}
	if d := cmp.Diff(want, told); d != "" {
		t.Error(d)
	}

	check(t, w.app.AcceptPermissions("acme", map[string]string{"administration": ""}), w.Protect("acme/app", "main", githubsim.Protection{}))
	w.flush()
	if status, _, _ := w.do(w.api, "GET", branch+"/protection", nil); status != 403 {
		t.Errorf("who may not read the administration is answered %d", status)
	}
	if n := len(w.app.Deliveries()); w.app.Deliveries()[n-1].Event == "branch_protection_rule" {
		t.Error("who may not read the administration is told")
	}
}
