package scenario_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// TestNoTokenReachesTwoRepositories has pull requests live in two repositories of an owner who has a policy of its own, and lists what the
// tokens reach that the server asked for meanwhile: one repository each, the files of .github, the teams, or no more than which repositories
// there are.
func TestNoTokenReachesTwoRepositories(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: worldtest.OwnPolicy, Spec: true})
	must(w.AddRepository("acme", ".github", map[string]string{"change-policy.yml": "version: 1\n"}))
	must(w.AddRepository("acme", "web", map[string]string{worldtest.PolicyPath: worldtest.OwnPolicy}))
	must(w.Quiet())
	for _, repo := range []string{"acme/shop", "acme/web"} {
		pull, err := w.Sim.As("alice").OpenPull(repo, githubsim.PullOptions{
			Title: "Change it", Body: worldtest.FullRecord, Branch: "topic", Files: files("src/auth"),
		})
		must(err)
		must(w.Quiet())
		for _, login := range []string{"sam", "bob", "carol"} {
			must(w.Sim.As(login).Approve(pull))
			must(w.Quiet())
		}
		v, err := w.Sim.PullView(repo, pull.Number)
		must(err)
		if c, _ := worldtest.OurCheck(v); !strings.Contains(c.Summary, "acme/.github") {
			t.Fatalf("%s: the owner's policy should decide too\n%s", repo, w.Whole(v))
		}
	}

	reached := map[string]int{}
	for _, m := range w.Sim.Minted() {
		if m.App != w.Gate.Slug {
			continue
		}
		what := strings.Join(m.Repositories, " ")
		if len(m.Permissions) <= 2 {
			what = strings.TrimSpace(fmt.Sprintf("%s %v", what, m.Permissions))
		}
		reached[what]++
	}
	want := []string{
		"acme/.github", // where a pull request could be
		"acme/.github map[contents:read metadata:read]", // the owner's policy
		"acme/shop", "acme/web",
		"map[members:read metadata:read]", "map[metadata:read]",
	}
	if got := slices.Sorted(maps.Keys(reached)); !slices.Equal(slices.Sorted(slices.Values(want)), got) {
		t.Errorf("the tokens reach\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for what, n := range reached {
		if n != 1 {
			t.Errorf("%d tokens of %s in less than an hour", n, what)
		}
	}
}
