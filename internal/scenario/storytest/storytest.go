// Package storytest tells stories: scripts in which people, bots and GitHub itself act, and in which it is said what the check run then shows.
// The server is the real one; the GitHub is githubsim, over real HTTP, and every request and answer between the two is held to GitHub's
// OpenAPI description.
//
// A story has its own world, with the people and the repository that package worldtest describes. A file policy.yml in the script is the
// repository's policy; without one the built-in default holds. Files under repo/ are the repository's first commit.
//
// Time goes on by ten seconds with each act. After each act the script waits until there is nothing left to do now. The function commands lists
// the commands with their arguments. They are described where they are defined: people's in people.go, those of GitHub in github.go, what
// deploys in deploys.go, what is expected in expect.go and deployed.go.
package storytest

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
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

// commands are what a script may say besides what people do. What each does is told where it is defined.
func commands() map[string]command {
	all := map[string]command{
		"github":    takes("DEED [ARGUMENT…]", github),
		"after":     takes("DURATION", after),
		"at":        takes("TIME", at),
		"restart":   takes("", restart),
		"forgotten": takes("", forgotten),
		"crashes":   takes("ROUTE", crashes),
		"recovered": takes("", recovered),
		"stopped":   takes("", stopped),
		"started":   takes("", started),
		"in":        takes("OWNER/NAME", in),
		"expect":    takes("N OUTCOME [TITLE]", expect),
		"summary":   takes("! N TEXT", summary),
		"details":   takes("! N TEXT", details),
		"asked":     takes("N [WHOM…]", asked),
		"runs":      takes("N COUNT [queued]", runs),
		"costs":     takes("COUNT [ROUTE]", costs),
		"merged":    takes("! N", merged),
		"queued":    takes("! N", queued),
		"harmless":  takes("N", harmless),
		"state":     takes("! N STATE", state),
		"logged":    takes("! TEXT", logged),
		"recorded":  takes("! N KIND [TEXT…]", recorded),
		"slack":     takes("! COUNT|N|down|up [TEXT]", slackSays),
		"issue":     takes("N STATE [TITLE]", issueIs),
		"issues":    takes("COUNT", issuesCount),
		"body":      takes("! N TEXT", bodySays),
		"said":      takes("! N TEXT", said),
		"reacted":   takes("N [CONTENT…]", reacted),
		"workflows": takes("[start|OUTCOME] [ENVIRONMENT]", workflows),
		"gate":      takes("ENVIRONMENT [N|HEAD] ANSWER [TEXT]", gateSays),
		"rule":      takes("ENVIRONMENT COUNT or ENVIRONMENT ANSWER TEXT", ruleSays),
		"job":       takes("! ENVIRONMENT STATE", jobIs),
		"deploys":   takes("! N|HEAD ENVIRONMENT [STATE…]", deploysShow),
		"rollback":  takes("N ENVIRONMENT [STATE…]", rollbackShows),
		"payload":   takes("! N|HEAD ENVIRONMENT TEXT", payloadSays),
		"stands":    takes("! N ENVIRONMENT TEXT or N none", stands),
		"answered":  takes("N REACTION [TEXT]", answered),
	}
	for name, login := range people() {
		all[name] = person(login)
	}
	return all
}

// takes returns a command that is called as its usage says, and fails the script otherwise.
func takes(usage string, do command) command {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if !fits(usage, neg, args) {
			ts.Fatalf("its arguments are: %s", usage)
		}
		do(ts, neg, args)
	}
}

// fits says whether a command is called in one of the ways that its usage joins by "or". Arguments in brackets may be left out, one with … may be several,
// one in small letters is that word, and ! may stand before the command where a way begins with it.
func fits(usage string, neg bool, args []string) bool {
	return slices.ContainsFunc(strings.Split(usage, " or "), func(way string) bool {
		wanted, negatable := strings.CutPrefix(way, "! ")
		arguments := strings.Fields(wanted)
		least := len(slices.DeleteFunc(slices.Clone(arguments), func(a string) bool { return strings.HasPrefix(a, "[") }))
		if neg && !negatable || len(args) < least || len(args) > len(arguments) && !strings.Contains(way, "…") {
			return false
		}
		for i, a := range arguments[:least] {
			if word := strings.Trim(a, "abcdefghijklmnopqrstuvwxyz") == ""; word && args[i] != a {
				return false
			}
		}
		return true
	})
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
