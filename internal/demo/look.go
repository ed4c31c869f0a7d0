package demo

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

// seen is what somebody who looks at GitHub sees.
type seen struct {
	state string // success, failure, in_progress, said, or as GitHub calls another
	says  string
	more  string // Markdown that says why
}

// checked looks at the check run that protection requires of the pull request.
func checked(s *scene) (seen, error) {
	v, err := s.sim.PullView(s.pull.Repo, s.pull.Number)
	if err != nil {
		return seen{}, err
	}
	c := required(v)
	return seen{c.State(), c.Title, c.Summary}, nil
}

// merged looks whether the pull request is.
func merged(s *scene) (seen, error) {
	v, err := s.sim.PullView(s.pull.Repo, s.pull.Number)
	if err != nil {
		return seen{}, err
	}
	if v.State != "merged" {
		return seen{state: red, says: "it is " + v.State}, nil
	}
	return seen{state: green, says: fmt.Sprintf("merged #%d into %s", v.Number, v.Base)}, nil
}

// deploymentsHead is what the App's comment on a pull request's deployments begins with.
const deploymentsHead = "**Deployments**"

// comments returns the App's comments on the pull request, oldest first: the one on its deployments, and the others.
func comments(s *scene) (deployments string, others []string, err error) {
	v, err := s.sim.PullView(s.pull.Repo, s.pull.Number)
	if err != nil {
		return "", nil, err
	}
	for _, e := range v.Events {
		switch {
		case e.Kind != "commented" || e.Actor != appSlug+"[bot]":
		case strings.HasPrefix(e.Body, deploymentsHead):
			deployments = e.Body
		default:
			others = append(others, e.Body)
		}
	}
	return deployments, others, nil
}

var (
	row  = regexp.MustCompile("^\\| `([^`]+)` \\| (?:\\S+ )?(.+?) \\| .* \\| (.*) \\|$")
	ends = regexp.MustCompile(`until .* (\d\d:\d\d) UTC`)
)

// shipped looks at the App's comment on the pull request's deployments.
func shipped(s *scene) (seen, error) {
	table, _, err := comments(s)
	if err != nil {
		return seen{}, err
	}
	v := seen{state: green}
	var says, more []string
	for line := range strings.Lines(table) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		says = append(says, m[1]+" "+m[2])
		if t := ends.FindStringSubmatch(m[3]); t != nil && m[2] != "rolled back" {
			says[len(says)-1] += " until " + t[1]
		}
		switch m[2] {
		case "verified":
		case "failed", "refused", "rolled back":
			v.state = red
		default:
			v.state = yellow
		}
		more = append(more, m[3])
	}
	if says == nil {
		return seen{state: "nothing"}, nil
	}
	v.says, v.more = strings.Join(says, " · "), strings.Join(more, "\n")
	return v, nil
}

// answered looks at what the App wrote last.
func answered(s *scene) (seen, error) {
	_, others, err := comments(s)
	if err != nil || len(others) == 0 {
		return seen{state: "nothing"}, err
	}
	text, _, _ := strings.Cut(others[len(others)-1], "\n<!--")
	return seen{state: said, says: strings.TrimSpace(unmarked(text))}, nil
}

// gated looks at what the App told the last job that named an environment.
func gated(s *scene) (seen, error) {
	runs, err := s.sim.Runs(s.pull.Repo)
	if err != nil || len(runs) == 0 {
		return seen{state: "nothing"}, err
	}
	told := runs[len(runs)-1].Comments
	if len(told) == 0 {
		return seen{state: "nothing"}, nil
	}
	last := told[len(told)-1]
	states := map[string]string{"": yellow, "approved": green, "rejected": red}
	return seen{state: states[last.State], says: unmarked(last.Text)}, nil
}

// required returns the check run that protection requires of the pull request.
func required(v githubsim.PullView) checkRun {
	for _, c := range v.Checks {
		if c.Name == checkName && c.Required {
			return checkRun{c}
		}
	}
	return checkRun{}
}

type checkRun struct{ githubsim.CheckView }

// State is the conclusion, or the status while there is none; "missing" where there is no run.
func (c checkRun) State() string {
	switch {
	case c.ID == 0:
		return "missing"
	case c.Conclusion != "":
		return c.Conclusion
	}
	return c.Status
}

// matches says whether what is seen is what was expected, in which an ellipsis stands for anything.
func matches(expected, says string) bool {
	parts := strings.Split(expected, "…")
	for i, part := range parts {
		at := strings.Index(says, part)
		if i == len(parts)-1 {
			at = len(says) - len(part)
		}
		if at < 0 || i == 0 && at > 0 || !strings.HasPrefix(says[at:], part) {
			return false
		}
		says = says[at+len(part):]
	}
	return len(parts) > 1 || says == ""
}

// unmarked takes out what Markdown and our escaping add to a sentence.
func unmarked(markdown string) string {
	return strings.NewReplacer("`", "", "\u200b", "", "&#64;", "@", "&#47;", "/", "&#45;", "-", "&#40;", "(", "&#41;", ")", "&#58;", ":").Replace(markdown)
}

func mark(state string) string {
	switch state {
	case green:
		return "✓"
	case red:
		return "✗"
	case yellow:
		return "●"
	case said:
		return "»"
	}
	return "(" + state + ")"
}
