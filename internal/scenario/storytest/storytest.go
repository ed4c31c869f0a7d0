// Package storytest tells stories: scripts in which people, bots and GitHub itself act, and in which it is said what the check run then shows.
// The server is the real one; the GitHub is githubsim, over real HTTP, and every request and answer between the two is held to GitHub's
// OpenAPI description.
//
// A story has its own world, with the people and the repository that package worldtest describes. A file policy.yml in the script is the
// repository's policy; without one the built-in default holds. Files under repo/ are the repository's first commit.
//
// Time goes on by ten seconds with each act. After each act the script waits until there is nothing left to do now. The commands
// are described where they are defined: people's in people.go, those of GitHub in github.go, what deploys in deploys.go, what is
// expected in expect.go and deployed.go.
package storytest

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/cli"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// parallel is how many stories are told at a time unless the command line says: while one waits for the database or a connection, others go on.
func parallel() string { return strconv.Itoa(3 * runtime.GOMAXPROCS(0)) }

// Main runs the tests of a package that tells stories. It does not return.
func Main(m *testing.M) {
	ramtest.Use()
	if err := flag.Set("test.parallel", parallel()); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"changegate": func() {
			os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// Tell plays all stories of a directory, each as a test of its own on a database of its own; nil is what a world has if nothing is said.
func Tell(t *testing.T, dir string, database func(t testing.TB) worldtest.Database) {
	testscript.Run(t, testscript.Params{
		Dir:         dir,
		WorkdirRoot: t.TempDir(), // testscript leaves its own behind
		Cmds:        commands(),
		Setup:       func(env *testscript.Env) error { return setup(env, database) },
	})
}

// command is a command of testscript. It waits for nothing: act does.
type command = func(ts *testscript.TestScript, neg bool, args []string)

func commands() map[string]command {
	all := map[string]command{
		"github":    github,
		"after":     after,
		"at":        at,
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
		"queued":    queued,
		"harmless":  harmless,
		"state":     state,
		"logged":    logged,
		"recorded":  recorded,
		"slack":     slackSays,
		"issue":     issueIs,
		"issues":    issuesCount,
		"body":      bodySays,
		"said":      said,
		"reacted":   reacted,
		"workflows": workflows,
		"gate":      gateSays,
		"rule":      ruleSays,
		"job":       jobIs,
		"deploys":   deploysShow,
		"rollback":  rollbackShows,
		"payload":   payloadSays,
		"stands":    stands,
		"answered":  answered,
	}
	for name, login := range people() {
		all[name] = person(login)
	}
	return all
}

const worldKey = "world"

// world is a world with what only stories need.
type world struct {
	*worldtest.World
	written int          // files that were made up, so that no two are equal
	faults  []func()     // end the faults that were injected
	crashed func() error // whether the crash that was asked for has happened
	late    chan func()  // acts on a call of which the answer was lost before
	jobs    jobs
}

func setup(env *testscript.Env, database func(t testing.TB) worldtest.Database) error {
	files, err := readDir(env.WorkDir + "/repo")
	if err != nil {
		return err
	}
	policy, err := readFile(env.WorkDir + "/policy.yml")
	if err != nil {
		return err
	}
	t := env.T().(testing.TB)
	made, err := worldtest.New(worldtest.Options{Dir: env.WorkDir, Database: database(t), Files: files, Policy: policy, Spec: true})
	if err != nil {
		return err
	}
	w := &world{World: made, late: make(chan func(), 1)}
	env.Values[worldKey] = w
	env.Defer(func() {
		for _, problem := range w.Close() {
			t.Error(problem)
		}
		if err := os.RemoveAll(env.WorkDir); err != nil { // memory may be where it is
			t.Error(err)
		}
	})
	return nil
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey).(*world) }

// readDir returns the files under a directory by their slash-separated paths; none if there is no such directory.
func readDir(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return filepath.SkipAll
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	return files, err
}

// readFile returns a file's text; none if there is no such file.
func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
