package report

import (
	"fmt"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// maxNumbers is how many pull requests a group's title names: GitHub puts up to a hundred into one, and what is amiss must fit beside them.
const maxNumbers = 5

// Group returns all three parts of the output of a merge group's check run.
func Group(d change.GroupDecision) (title, summary, text string) {
	p := page{limit: MaxSummary}
	if d.Observing {
		p.add(block{head: observes})
	}
	rows := make([]string, len(d.Members))
	numbers := make([]string, len(d.Members))
	headline := ""
	for i, m := range d.Members {
		numbers[i] = fmt.Sprintf("#%d", m.Number)
		// The number is ours to write, so that GitHub links it.
		rows[i] = fmt.Sprintf("| %s | #%d | %s |\n", verdictMarks[m.Verdict], m.Number, markdown(change.Quote(m.Title)))
		if headline == "" && m.Verdict != change.Satisfied {
			headline = m.Title
			if len(d.Members) > 1 {
				headline = numbers[i] + ": " + headline
			}
		}
	}
	if len(rows) > 0 {
		p.add(block{head: "| | Pull request | Its check |\n|---|---|---|\n", rows: rows, tail: "\n", more: func(n int) string { return fmt.Sprintf("| | … and %d more | |\n", n) }})
	}
	problems := make([]string, len(d.Problems))
	for i, t := range d.Problems {
		problems[i] = markdown(t)
	}
	p.add(bullets("**What is amiss with the group:**\n\n", problems))
	p.add(block{head: "A group merges only if every pull request in it may merge, and if it changes nothing else than was decided of them.\n"})

	switch {
	case len(d.Problems) > 0:
		headline = d.Problems[0].String()
	case headline != "":
	case d.Verdict == change.Satisfied:
		headline = "every pull request in it may merge"
	default:
		headline = "the group that it was built on is not decided"
	}
	title = "Merge group"
	if n := len(numbers); n > maxNumbers {
		title += " of " + strings.Join(numbers[:maxNumbers], ", ") + fmt.Sprintf(" and %d more", n-maxNumbers)
	} else if n > 0 {
		title += " of " + strings.Join(numbers, ", ")
	}
	if d.Observing {
		title = "Observing: " + title
	}
	return change.Shorten(change.Visible(title+": "+headline), MaxTitle), p.String(), ""
}

var verdictMarks = map[change.Verdict]string{change.Satisfied: "✅", change.Waiting: "⏳", change.Failing: "❌"}
