package storytest

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/githubsim"
)

// issueView returns an issue by its number.
func (w *world) issueView(ts *testscript.TestScript, number string) githubsim.IssueView {
	all, err := w.Sim.Issues(w.Repo)
	ts.Check(err)
	i := slices.IndexFunc(all, func(v githubsim.IssueView) bool { return fmt.Sprint(v.Number) == number })
	if i < 0 {
		ts.Fatalf("there is no issue %s, only %v", number, all)
	}
	return all[i]
}

// issue N STATE [TITLE]: the issue is open, completed or not_planned; TITLE is exact, or /a regular expression/.
func issueIs(ts *testscript.TestScript, neg bool, args []string) {
	v := worldOf(ts).issueView(ts, args[0])
	got := v.State
	if got == "closed" {
		got = v.StateReason
	}
	if got != args[1] || len(args) == 3 && !matches(ts, args[2], v.Title) {
		ts.Fatalf("it is %s: %s, by %s for %v\n%s\n%v", got, v.Title, v.Author, v.Assignees, v.Body, v.Comments)
	}
}

// issues COUNT: how many issues there are that are no pull requests.
func issuesCount(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	all, err := w.Sim.Issues(w.Repo)
	ts.Check(err)
	if fmt.Sprint(len(all)) != args[0] {
		ts.Fatalf("there are %d issues: %v\n%s", len(all), all, strings.Join(w.Log.Lines("warn"), "\n"))
	}
}

// body N TEXT: the issue's description contains the text; with ! it does not.
func bodySays(ts *testscript.TestScript, neg bool, args []string) {
	v := worldOf(ts).issueView(ts, args[0])
	if strings.Contains(html.UnescapeString(v.Body), args[1]) == neg {
		ts.Fatalf("it says:\n%s", v.Body)
	}
}

// said N TEXT: the last comment on the issue or pull request contains the text; with ! it does not. said N none: there is none.
func said(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	all, err := w.Sim.Comments(w.numbered(ts, args[0]))
	ts.Check(err)
	last := ""
	if len(all) > 0 {
		last = html.UnescapeString(all[len(all)-1].Body)
	}
	if strings.Contains(last, args[1]) == neg {
		ts.Fatalf("the last of %d comments says:\n%s", len(all), last)
	}
}

// reacted N CONTENT…: our reactions to the comments on an issue or pull request, in their order.
func reacted(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	all, err := w.Sim.Comments(w.numbered(ts, args[0]))
	ts.Check(err)
	var got []string
	for _, c := range all {
		for _, r := range c.Reactions {
			got = append(got, r.Content)
		}
	}
	if !slices.Equal(got, args[1:]) {
		ts.Fatalf("the reactions are %v, expected %v; %v", got, args[1:], all)
	}
}

// numbered returns an issue or a pull request by its number.
func (w *world) numbered(ts *testscript.TestScript, number string) githubsim.Pull {
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil {
		ts.Fatalf("%q is not a number", number)
	}
	return githubsim.Pull{Repo: w.Repo, Number: n}
}
