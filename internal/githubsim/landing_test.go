package githubsim_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
)

// pushes returns what the push webhooks for the branch said, since it was asked last.
func (w *world) pushes(branch string) []m {
	w.t.Helper()
	w.flush()
	w.hooks.mu.Lock()
	defer w.hooks.mu.Unlock()
	var out []m
	for _, h := range w.hooks.got {
		var e m
		check(w.t, json.Unmarshal(h.body, &e))
		if h.event == "push" && e["ref"] == "refs/heads/"+branch {
			var ids []any
			for _, c := range e["commits"].([]any) {
				ids = append(ids, field(c, "id"))
			}
			out = append(out, m{"before": e["before"], "after": e["after"], "created": e["created"], "deleted": e["deleted"], "forced": e["forced"],
				"commits": ids, "pusher": field(e, "pusher", "name"), "sender": field(e, "sender", "login")})
		}
	}
	w.hooks.got = nil
	return out
}

func (w *world) tip(branch string) string {
	w.t.Helper()
	return must[string](w.t)(w.Tip("acme/app", branch))
}

// pullsOf returns the numbers of the pull requests that a commit is said to belong to.
func (w *world) pullsOf(sha string) []int64 {
	w.t.Helper()
	var out []int64
	for _, pr := range w.ok(w.api, "GET", "/repos/acme/app/commits/"+sha+"/pulls", nil).([]any) {
		out = append(out, number(field(pr, "number")))
	}
	return out
}

const noCommit = "0000000000000000000000000000000000000000"

func TestLanded_EveryMethod(t *testing.T) {
	w := start(t)
	for n, method := range []githubsim.MergeMethod{githubsim.MergeCommit, githubsim.Squash, githubsim.Rebase} {
		pr := w.open(githubsim.PullOptions{Branch: string(method), Commits: []githubsim.Commit{
			{Files: map[string]string{string(method) + "1": "x"}}, {Files: map[string]string{string(method) + "2": "x"}}}})
		must[string](t)(w.As("bob").PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"meanwhile": string(method)}}))
		before := w.tip("main")
		w.pushes("main")
		check(t, w.As("bob").Merge(pr, githubsim.MergeOptions{Method: method}))
		landed := w.ok(w.api, "GET", fmt.Sprintf("/repos/acme/app/compare/%s...%s", before, w.tip("main")), nil)
		var shas []any
		for _, c := range field(landed, "commits").([]any) {
			sha := field(c, "sha").(string)
			shas = append(shas, sha)
			if d := cmp.Diff([]int64{int64(n + 1)}, w.pullsOf(sha)); d != "" {
				t.Errorf("%s: %s does not come from the pull request: %s", method, sha, d)
			}
		}
		if want := map[githubsim.MergeMethod]int{githubsim.MergeCommit: 3, githubsim.Squash: 1, githubsim.Rebase: 2}[method]; len(shas) != want {
			t.Errorf("%s: %d commits landed", method, len(shas))
		}
		want := []m{{"before": before, "after": w.tip("main"), "created": false, "deleted": false, "forced": false, "commits": shas, "pusher": "bob", "sender": "bob"}}
		if d := cmp.Diff(want, w.pushes("main")); d != "" {
			t.Errorf("%s: %s", method, d)
		}
		got := w.ok(w.api, "GET", fmt.Sprintf("/repos/acme/app/pulls/%d", pr.Number), nil)
		if field(got, "merge_commit_sha") != w.tip("main") {
			t.Errorf("%s: merged as %v", method, field(got, "merge_commit_sha"))
		}
		// People may look at it afterwards.
		check(t, w.As("bob").Approve(pr), w.As("bob").AddLabel(pr, "bug"), w.As("bob").RemoveLabel(pr, "bug"), second(w.As("bob").Comment(pr, "x")))
		path := fmt.Sprintf("/repos/acme/app/pulls/%d/reviews", pr.Number)
		w.ok(w.api, "POST", path, m{"event": "COMMENT", "body": "Late", "commit_id": pr.Head})
		if reviews := w.ok(w.api, "GET", path, nil); field(reviews, 0, "state") != "APPROVED" || field(reviews, 1, "user", "login") != "changegate[bot]" {
			t.Errorf("%s: after the merge the reviews are %v", method, reviews)
		}
	}
}

func TestLanded_MergedElsewhere(t *testing.T) {
	w := start(t)
	for _, tt := range []struct {
		method githubsim.MergeMethod
		merged bool
	}{{githubsim.MergeCommit, true}, {githubsim.Squash, false}, {githubsim.Rebase, false}} {
		pr := w.open(githubsim.PullOptions{Branch: string(tt.method), Files: map[string]string{string(tt.method): "x"}})
		must[string](t)(w.As("bob").PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"meanwhile": string(tt.method)}}))
		tip := must[string](t)(w.As("bob").MergeLocally(pr, tt.method))
		got := w.ok(w.api, "GET", fmt.Sprintf("/repos/acme/app/pulls/%d", pr.Number), nil)
		if field(got, "merged") != tt.merged || tt.merged && (field(got, "merge_commit_sha") != tip || field(got, "merged_by", "login") != "bob") {
			t.Errorf("%s: merged %v as %v by %v", tt.method, field(got, "merged"), field(got, "merge_commit_sha"), field(got, "merged_by", "login"))
		}
		commit := w.ok(w.api, "GET", "/repos/acme/app/commits/"+tip, nil)
		if field(commit, "commit", "verification", "verified") != false || field(commit, "committer", "login") != "bob" {
			t.Errorf("%s: GitHub has a hand in %v", tt.method, field(commit, "commit"))
		}
		if from := w.pullsOf(tip); (len(from) == 1) != tt.merged {
			t.Errorf("%s: it comes from %v", tt.method, from)
		}
	}
}

func TestLanded_PastProtection(t *testing.T) {
	w := start(t)
	alice, carol := w.As("alice"), w.As("carol")
	rule := githubsim.Protection{Ruleset: true, RequiredApprovals: 1, Bypass: []string{"carol"}}
	check(t, w.Protect("acme/app", "main", rule), w.Protect("acme/app", "release/*", rule))
	first := w.tip("main")
	refused(t, second(alice.PushBranch("acme/app", "main", githubsim.Commit{})), "through a pull request")
	pushed := must[string](t)(carol.PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"a": "1"}}))
	refused(t, alice.PushRef("acme/app", "main", first), "Cannot force-push")
	check(t, carol.PushRef("acme/app", "main", first))
	if d := cmp.Diff([]m{
		{"before": first, "after": pushed, "created": false, "deleted": false, "forced": false, "commits": []any{pushed}, "pusher": "carol", "sender": "carol"},
		{"before": pushed, "after": first, "created": false, "deleted": false, "forced": true, "commits": []any(nil), "pusher": "carol", "sender": "carol"},
	}, w.pushes("main")); d != "" {
		t.Error(d)
	}
	refused(t, carol.PushRef("acme/app", "main", ""), "refusing to delete the current branch")

	check(t, alice.PushRef("acme/app", "release/1", pushed))
	refused(t, alice.PushRef("acme/app", "release/1", ""), "Cannot delete")
	check(t, carol.PushRef("acme/app", "release/1", ""))
	if d := cmp.Diff([]m{
		{"before": noCommit, "after": pushed, "created": true, "deleted": false, "forced": false, "commits": []any{pushed}, "pusher": "alice", "sender": "alice"},
		{"before": pushed, "after": noCommit, "created": false, "deleted": true, "forced": false, "commits": []any(nil), "pusher": "carol", "sender": "carol"},
	}, w.pushes("release/1")); d != "" {
		t.Error(d)
	}

	// The classic protection of a branch lets nobody force-push or delete, an administrator included.
	check(t, w.Protect("acme/app", "main", githubsim.Protection{RequiredApprovals: 1}))
	check(t, second(w.As("erin").PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"b": "1"}})))
	refused(t, w.As("erin").PushRef("acme/app", "main", first), "Cannot force-push")
}

func TestCompare_AllOfALongHistory(t *testing.T) {
	w := start(t)
	first := w.tip("main")
	var commits []githubsim.Commit
	for n := range 260 {
		commits = append(commits, githubsim.Commit{Message: fmt.Sprint(n), Files: map[string]string{"n": fmt.Sprint(n)}})
	}
	must[string](t)(w.As("bob").PushBranch("acme/app", "main", commits...))
	must[string](t)(w.As("bob").PushBranch("acme/app", "side", githubsim.Commit{Files: map[string]string{"s": "1"}}))
	must[string](t)(w.As("bob").PushBranch("acme/app", "main", githubsim.Commit{Files: map[string]string{"m": "1"}}))
	path := "/repos/acme/app/compare/" + first + "...main"
	if got := w.ok(w.api, "GET", path, nil); len(field(got, "commits").([]any)) != 250 || number(field(got, "total_commits")) != 261 {
		t.Errorf("%d of %v commits without pages", len(field(got, "commits").([]any)), field(got, "total_commits"))
	}
	last := first
	for page := 1; page <= 3; page++ {
		got := w.ok(w.api, "GET", fmt.Sprintf("%s?per_page=100&page=%d", path, page), nil)
		if _, has := got.(m)["files"]; has != (page == 1) {
			t.Errorf("page %d has files: %v", page, has)
		}
		for _, c := range field(got, "commits").([]any) {
			if field(c, "parents", 0, "sha") != last {
				t.Fatalf("page %d: %v does not follow on %s", page, field(c, "sha"), last)
			}
			last = field(c, "sha").(string)
		}
	}
	if last != w.tip("main") {
		t.Errorf("the pages end with %s", last)
	}
	for ends, want := range map[string]string{first + "...main": "ahead", "main..." + first: "behind", "main...side": "diverged", "main...main": "identical"} {
		if got := w.ok(w.api, "GET", "/repos/acme/app/compare/"+ends, nil); field(got, "status") != want {
			t.Errorf("%s is %v", ends, field(got, "status"))
		}
	}
}
