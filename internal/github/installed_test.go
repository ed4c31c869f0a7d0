package github_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/githubsim"
)

func TestWhatTheAppReaches(t *testing.T) {
	w := start(t)
	check(t, w.AddRepository("acme", "second", githubsim.RepoOptions{}), w.AddRepository("bob", "own", githubsim.RepoOptions{}))
	acme := w.repo.Installation
	bob := change.InstallationID(must[int64](t)(w.app.Install("bob")))
	reaches := func(id change.InstallationID, repo change.RepositoryID) bool {
		t.Helper()
		return must[bool](t)(w.github.Installation(id).Reaches(t.Context(), repo))
	}
	listed := func(want ...github.Installed) {
		t.Helper()
		if diff := cmp.Diff(want, must[[]github.Installed](t)(w.github.Installations(t.Context()))); diff != "" {
			t.Error(diff)
		}
	}
	listed(github.Installed{ID: acme}, github.Installed{ID: bob})
	if !reaches(acme, 0) || !reaches(acme, w.repo.ID) {
		t.Error("it is said not to reach what it is installed on")
	}

	check(t, w.app.RemoveRepositories("acme", "shop"), w.app.Uninstall("bob"))
	listed(github.Installed{ID: acme})
	if !reaches(acme, w.repo.ID) {
		t.Error("the token that is held is not used")
	}
	w.anew() // holds no token
	if !reaches(acme, 0) || reaches(acme, w.repo.ID) || reaches(bob, 0) {
		t.Error("it is said to reach what it was taken from, or not what was left")
	}

	check(t, w.app.Suspend("acme"))
	listed(github.Installed{ID: acme, Suspended: true})
	w.anew()
	if ok, err := w.github.Installation(acme).Reaches(t.Context(), 0); ok || err == nil {
		t.Errorf("of a suspended one nothing is known: %v, %v", ok, err)
	}
}
