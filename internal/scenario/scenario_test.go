// Package scenario_test tells stories: scripts in testdata in which people, bots and GitHub itself act, and in which it is said what
// the check run then shows. The server is the real one, on SQLite; the GitHub is githubsim, over real HTTP, and every request and
// answer between the two is held to GitHub's OpenAPI description.
//
// A story has its own world: the organization acme with the repository acme/shop, whose branch main requires the check "Change
// policy". alice, bob and carol may write there, dave maintain, erin administer, frank triage, and mallory and trent only read. dave is
// in the team tech-leads, erin and sam in security, carol and erin in on-call. A file policy.yml in the script is the repository's
// policy; without one the built-in default holds. Files under repo/ are the repository's first commit.
//
// Time goes on by ten seconds with each act. After each act the script waits until there is nothing left to do now. The commands
// are described where they are defined: people's in people_test.go, those of GitHub in github_test.go, what is expected in
// expect_test.go.
package scenario_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:      "testdata",
		Cmds:     commands(),
		Setup:    setup,
		TestWork: false,
	})
}

// command is a command of testscript. It waits for nothing: act does.
type command = func(ts *testscript.TestScript, neg bool, args []string)

func commands() map[string]command {
	all := map[string]command{
		"github":    github,
		"after":     after,
		"restart":   restart,
		"forgotten": forgotten,
		"crashes":   crashes,
		"recovered": recovered,
		"stopped":   stopped,
		"started":   started,
		"in":        in,
		"expect":    expect,
		"summary":   summary,
		"details":   details,
		"asked":     asked,
		"runs":      runs,
		"costs":     costs,
		"merged":    merged,
		"harmless":  harmless,
		"state":     state,
		"logged":    logged,
		"slack":     slackSays,
		"issue":     issueIs,
		"issues":    issuesCount,
		"body":      bodySays,
		"said":      said,
		"reacted":   reacted,
	}
	for name, login := range people() {
		all[name] = person(login)
	}
	return all
}

const worldKey = "world"

func setup(env *testscript.Env) error {
	files, err := readDir(env.WorkDir + "/repo")
	if err != nil {
		return err
	}
	policy, err := readFile(env.WorkDir + "/policy.yml")
	if err != nil {
		return err
	}
	t := env.T().(testing.TB)
	w, err := newWorld(options{dir: env.WorkDir, files: files, policy: policy, spec: true})
	if err != nil {
		return err
	}
	env.Values[worldKey] = w
	env.Defer(func() {
		for _, problem := range w.close() {
			t.Error(problem)
		}
	})
	return nil
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey).(*world) }
