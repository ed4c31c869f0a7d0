package githubsim_test

import (
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
)

// TestRepositoriesThatAreEmptyOrArchived asks for what the first has not, and writes what the second does not take.
func TestRepositoriesThatAreEmptyOrArchived(t *testing.T) {
	w := start(t)
	check(t, w.AddRepository("acme", "empty", githubsim.RepoOptions{Empty: true}), w.AddRepository("acme", "old", githubsim.RepoOptions{}))
	head, err := w.Tip("acme/old", "main")
	check(t, err, w.SetArchived("acme/old", true))
	run := m{"name": "build", "head_sha": head}
	expect := func(method, path string, body any, want int) {
		t.Helper()
		if status, answer, _ := w.do(w.api, method, path, body); status != want {
			t.Errorf("%s %s: got %d %v, want %d", method, path, status, field(answer, "message"), want)
		}
	}
	const empty, old = "/repos/acme/empty", "/repos/acme/old"
	for path, want := range map[string]int{
		"": 200, "/branches": 200, "/pulls": 200, "/git/ref/heads/main": 409, "/git/trees/main": 409, "/commits": 409, "/commits/main": 409, "/contents/README.md": 404,
		"/compare/main...topic": 404,
	} {
		expect("GET", empty+path, nil, want)
	}
	_, err = w.As("erin").PushBranch("acme/empty", "main", githubsim.Commit{Message: "Begin", Files: map[string]string{"README.md": "# Begun\n"}})
	check(t, err)
	expect("GET", empty+"/git/ref/heads/main", nil, 200)

	expect("GET", old+"/contents/README.md", nil, 200)
	expect("POST", old+"/check-runs", run, 403)
	check(t, w.SetArchived("acme/old", false))
	expect("POST", old+"/check-runs", run, 201)
}
