package scenario_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// sixChecks requires the six checks of a life to be green.
const sixChecks = `checks:
  - {name: "ci/lint"}
  - {name: "ci/deploy"}
  - {name: build}
  - {name: unit}
  - {name: integration}
  - {name: e2e}
`

// life is a world in which each act's calls are counted.
type life struct {
	*worldtest.World
	t      *testing.T
	pull   githubsim.Pull
	routes map[string]int
	acts   []string
	total  int
}

func newLife(t *testing.T, policy string) *life {
	w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: policy, Spec: true})
	w.Sim.Intercept(func(githubsim.Delivery) githubsim.Fate { return githubsim.Hold })
	return &life{World: w, t: t, routes: map[string]int{}}
}

// act does something, some minutes after the act before, and counts the calls that it causes.
func (l *life) act(name string, do func() error) int {
	l.t.Helper()
	l.Forward(7 * time.Minute)
	l.Sim.ResetCalls()
	if err := errors.Join(do(), l.oneByOne()); err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
	made := l.Calls()
	for _, c := range made {
		l.routes[c.Method+" "+c.Route]++
		l.acts = append(l.acts, fmt.Sprintf("%-28s %s %s: %d", name, c.Method, c.Path, c.Status))
	}
	l.total += len(made)
	return len(made)
}

// oneByOne delivers what was held, each delivery only after everything that the one before caused, so that how many deliveries one run
// happens to see changes no count.
func (l *life) oneByOne() error {
	for {
		if err := l.Quiet(); err != nil {
			return err
		}
		held := l.Sim.Held()
		if len(held) == 0 {
			return nil
		}
		l.Sim.Release(held[0])
	}
}

// ci has the six checks of a head report: two statuses and four check runs. None of them can change the decision but the last, and
// that only where all are required.
func (l *life) ci(required bool) {
	l.t.Helper()
	ci := l.Sim.As("sam")
	for _, context := range []string{"ci/lint", "ci/deploy"} {
		l.free("status "+context, func() error { return ci.PostStatus(l.Repo, l.pull.Head, context, "success", "") })
	}
	for _, name := range []string{"build", "unit", "integration", "e2e"} {
		post := func() error {
			_, err := l.Sim.PostCheckRun(l.Repo, l.pull.Head, githubsim.CheckRun{Name: name, Conclusion: "success"})
			return err
		}
		if required && name == "e2e" {
			l.act("check run "+name, post)
			continue
		}
		l.free("check run "+name, post)
	}
}

// free is act of what must cause no call.
func (l *life) free(name string, do func() error) {
	l.t.Helper()
	if n := l.act(name, do); n > 0 {
		l.t.Errorf("%s changes nothing and costs %d calls", name, n)
	}
}

// files are the twelve files of the pull request.
func files(dir string) map[string]string {
	all := map[string]string{}
	for i := range 12 {
		all[fmt.Sprintf("%s/file%02d.go", dir, i)] = fmt.Sprintf("package p // %d\n", i)
	}
	return all
}

// course is what may differ between the lives of pull requests.
type course struct {
	dir      string // of its files
	security bool   // a security review is asked for
	checks   bool   // four checks are required
}

// live is the life of one pull request: opened with 12 files, 6 CI events, approved by one, pushed, 6 CI events, approved by two one
// after the other (and by security where that is asked for), labelled, merged.
func (l *life) live(c course) {
	t := l.t
	t.Helper()
	l.act("opened", func() (err error) {
		l.pull, err = l.Sim.As("alice").OpenPull(l.Repo, githubsim.PullOptions{Title: "Change it", Body: worldtest.FullRecord, Branch: "topic", Files: files(c.dir)})
		return err
	})
	l.ci(c.checks)
	l.act("approved by bob", func() error { return l.Sim.As("bob").Approve(l.pull) })
	l.act("pushed", func() (err error) {
		l.pull, err = l.Sim.As("alice").Push(l.pull, githubsim.Commit{Files: map[string]string{c.dir + "/file00.go": "package p // again\n"}})
		return err
	})
	l.ci(c.checks)
	if c.security {
		l.act("approved by security", func() error { return l.Sim.As("sam").Approve(l.pull) })
	}
	l.act("approved by bob again", func() error { return l.Sim.As("bob").Approve(l.pull) })
	l.act("approved by carol", func() error { return l.Sim.As("carol").Approve(l.pull) })
	v, err := l.Sim.PullView(l.Repo, l.pull.Number)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
		t.Fatalf("the check should be green before it is merged\n%s", l.Whole(v))
	}
	l.free("labelled", func() error { return l.Sim.As("alice").AddLabel(l.pull, "enhancement") })
	l.act("merged", func() error { return l.Sim.As("alice").Merge(l.pull, githubsim.MergeOptions{}) })
	if v, err = l.Sim.PullView(l.Repo, l.pull.Number); err != nil || v.State != "merged" {
		t.Fatalf("it is %s, and not merged: %v", v.State, err)
	}
	if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
		t.Errorf("the check of what was merged should stay green\n%s", l.Whole(v))
	}
}

// table shows the calls by route, and what caused each.
func (l *life) table() string {
	var b strings.Builder
	for _, route := range slices.Sorted(maps.Keys(l.routes)) {
		fmt.Fprintf(&b, "%4d  %s\n", l.routes[route], route)
	}
	fmt.Fprintf(&b, "%4d  calls\n\n%s", l.total, strings.Join(l.acts, "\n"))
	return b.String()
}

// TestCallsOfALife states exactly how many calls of GitHub's API the life of a pull request costs, answers 304 included and the exchange
// of tokens left out. The limits are the promise; the exact numbers show what a change of the code does to them.
func TestCallsOfALife(t *testing.T) {
	for _, row := range []struct {
		name    string
		course  course
		exactly int
		limit   int
	}{
		{"normal", course{dir: "src/cart"}, 19, 20},
		{"normal with security review", course{dir: "src/auth", security: true}, 26, 26},
		{"normal with required checks", course{dir: "src/cart", checks: true}, 27, 30},
		{"normal with security review and required checks", course{dir: "src/auth", security: true, checks: true}, 34, 36},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			policy := worldtest.OwnPolicy
			if row.course.checks {
				policy += sixChecks
			}
			l := newLife(t, policy)
			l.live(row.course)
			t.Logf("%s\n%s", row.name, l.table())
			if l.total > row.limit {
				t.Errorf("%d calls, and %d are the limit", l.total, row.limit)
			}
			if l.total != row.exactly {
				t.Errorf("%d calls, expected exactly %d", l.total, row.exactly)
			}
		})
	}
}
