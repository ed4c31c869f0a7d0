package storytest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// slack N TEXT: the Nth post in #engineering contains the text, or matches /a regular expression/; later ones are replies in the first's
// thread. slack COUNT is how many posts there are. slack down and slack up say whether Slack answers.
func slackSays(ts *testscript.TestScript, neg bool, args []string) {
	channel := worldOf(ts).Slack
	posts := channel.Posts()
	switch {
	case len(args) == 1 && (args[0] == "down" || args[0] == "up"):
		channel.SetDown(args[0] == "down")
		return
	case len(args) == 1:
		if got := fmt.Sprint(len(posts)); got != args[0] {
			ts.Fatalf("there are %s posts, expected %s: %q", got, args[0], posts)
		}
		return
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	if n < 1 || n > len(posts) {
		ts.Fatalf("there are only %d posts: %q", len(posts), posts)
	}
	p := posts[n-1]
	found := strings.Contains(p.Text, args[1])
	if strings.HasPrefix(args[1], "/") {
		found = matches(ts, args[1], p.Text)
	}
	if found == neg || (n > 1) != (p.Thread != "") {
		ts.Fatalf("post %d is %q in thread %q", n, p.Text, p.Thread)
	}
}
