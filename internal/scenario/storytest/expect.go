package storytest

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// matches compares with an exact text, or with /a regular expression/.
func matches(ts *testscript.TestScript, want, got string) bool {
	if len(want) > 1 && strings.HasPrefix(want, "/") && strings.HasSuffix(want, "/") {
		re, err := regexp.Compile(want[1 : len(want)-1])
		ts.Check(err)
		return re.MatchString(got)
	}
	return want == got
}

// expect N OUTCOME [TITLE]: the check on the pull request's head, as its page shows it. OUTCOME is success, failure, neutral, cancelled,
// in_progress or none; TITLE is exact, or /a regular expression/.
func expect(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	v := w.view(ts, args[0])
	c, ok := worldtest.OurCheck(v)
	got := "none"
	if ok {
		got = worldtest.Outcome(c)
	}
	if got != args[1] || len(args) == 3 && !matches(ts, args[2], c.Title) {
		ts.Fatalf("expected %s\n%s", strings.Join(args[1:], ": "), w.Whole(v))
	}
}

// summary N TEXT: the check's summary contains the text, or matches /a regular expression/; with ! it does not.
func summary(ts *testscript.TestScript, neg bool, args []string) {
	contains(ts, neg, args, func(c githubsim.CheckView) string { return c.Summary })
}

// details N TEXT: the same of the check's text.
func details(ts *testscript.TestScript, neg bool, args []string) {
	contains(ts, neg, args, func(c githubsim.CheckView) string { return c.Text })
}

func contains(ts *testscript.TestScript, neg bool, args []string, part func(githubsim.CheckView) string) {
	w := worldOf(ts)
	v := w.view(ts, args[0])
	c, _ := worldtest.OurCheck(v)
	text := part(c)
	// What is shown may be written with entities; what must not be there must not be there in either form.
	found := strings.Contains(text, args[1]) || strings.Contains(html.UnescapeString(text), args[1])
	if len(args[1]) > 1 && args[1][0] == '/' {
		found = matches(ts, args[1], html.UnescapeString(text))
	}
	if found == neg {
		ts.Fatalf("expected %q in it to be %v\n%s", args[1], !neg, w.Whole(v))
	}
}

// asked N [WHOM…]: the reviews that were ever requested, in their order, each as often as it was.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	v := w.view(ts, args[0])
	var who []string
	for _, e := range v.Events {
		if e.Kind == "review_requested" {
			who = append(who, e.Subject)
		}
	}
	if !slices.Equal(who, args[1:]) {
		ts.Fatalf("asked were %v, expected %v\n%s", who, args[1:], w.Whole(v))
	}
}

// runs N COUNT [queued]: how many check runs of ours the pull request's head has, or its merge group, those among them that newer ones replaced.
func runs(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	v := w.view(ts, args[0])
	var all []*gh.CheckRun
	if len(args) == 3 {
		all = w.groupRuns(ts, v)
	} else {
		var err error
		all, err = w.CheckRuns(v.Repo, v.Head)
		ts.Check(err)
	}
	if n := len(all); strconv.Itoa(n) != args[1] {
		ts.Fatalf("there are %d check runs, expected %s\n%s", n, args[1], w.Whole(v))
	}
}

// groupRuns returns the check runs of ours on the merge group that a pull request is in.
func (w *world) groupRuns(ts *testscript.TestScript, v githubsim.PullView) []*gh.CheckRun {
	entries, err := w.Sim.MergeQueue(w.Repo, v.Base)
	ts.Check(err)
	i := slices.IndexFunc(entries, func(e githubsim.QueueEntry) bool { return e.Pull.Number == v.Number })
	if i < 0 || entries[i].Group == "" {
		ts.Fatalf("it is in no merge group: %+v\n%s", entries, w.Whole(v))
	}
	all, err := w.CheckRuns(w.Repo, entries[i].Group)
	ts.Check(err)
	return all
}

// costs COUNT [ROUTE]: how many calls the last act made the server make, as in 'POST /repos/{owner}/{repo}/check-runs'.
func costs(ts *testscript.TestScript, neg bool, args []string) {
	var made []string
	n := 0
	for _, c := range worldOf(ts).Calls() {
		route := c.Method + " " + c.Route
		made = append(made, fmt.Sprintf("%s %s: %d", c.Method, c.Path, c.Status))
		if len(args) == 1 || route == args[1] {
			n++
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("it cost %d calls, expected %s:\n%s", n, args[0], strings.Join(made, "\n"))
	}
}

// merged N: the pull request was merged.
func merged(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if v := w.view(ts, args[0]); (v.State == "merged") == neg {
		ts.Fatalf("it is %s\n%s", v.State, w.Whole(v))
	}
}

// queued N: the pull request is in the merge queue of its base.
func queued(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	v := w.view(ts, args[0])
	entries, err := w.Sim.MergeQueue(w.Repo, v.Base)
	ts.Check(err)
	if slices.ContainsFunc(entries, func(e githubsim.QueueEntry) bool { return e.Pull.Number == v.Number }) == neg {
		ts.Fatalf("the queue is %+v\n%s", entries, w.Whole(v))
	}
}

// state N STATE: open, closed or merged.
func state(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if v := w.view(ts, args[0]); (v.State == args[1]) == neg {
		ts.Fatalf("it is %s\n%s", v.State, w.Whole(v))
	}
}

// logged TEXT: the server's log contains the text; with ! it does not.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if strings.Contains(w.Log.String(), args[0]) == neg {
		ts.Fatalf("the server logged:\n%s", w.Log.String())
	}
}

// recorded N KIND [TEXT…]: the ledger has an entry of that kind about the pull request whose body, which is JSON, contains all the texts; with !
// it has none.
func recorded(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	entries, err := w.Ledger(w.view(ts, args[0]).Number)
	ts.Check(err)
	var kinds, bodies []string
	found := false
	for _, e := range entries {
		kinds = append(kinds, string(e.Kind))
		if string(e.Kind) != args[1] {
			continue
		}
		body := string(e.Body)
		bodies = append(bodies, body)
		found = found || !slices.ContainsFunc(args[2:], func(text string) bool { return !strings.Contains(body, text) })
	}
	if found == neg {
		ts.Fatalf("of it are recorded %q, and of that kind:\n%s", kinds, strings.Join(bodies, "\n"))
	}
}
