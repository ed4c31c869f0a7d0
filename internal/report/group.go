package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// maxNumbers is how many pull requests a group's title names: GitHub puts up to a hundred into one, and what is amiss must fit beside them.
const maxNumbers = 5

// Group returns all three parts of the output of a merge group's check run: the title as plain text of at most MaxTitle bytes, the summary as
// Markdown of at most MaxSummary, and no text.
func Group(d change.GroupDecision) (title, summary, text string) {
	p := page{limit: MaxSummary}
	if d.Observing {
		p.add(block{head: observes})
	}
	rows := make([]string, len(d.Members))
	for i, m := range d.Members {
		// The number is ours to write, so that GitHub links it.
		rows[i] = fmt.Sprintf("| %s | #%d | %s |\n", verdictMarks[m.Verdict], m.Number, markdown(change.Quote(m.Title)))
	}
	if len(rows) > 0 {
		p.add(block{head: "| | Pull request | Its check |\n|---|---|---|\n", rows: rows, tail: "\n", more: func(n int) string { return fmt.Sprintf("| | … and %d more | |\n", n) }})
	}
	problems := make([]string, len(d.Problems))
	for i, t := range d.Problems {
		problems[i] = markdown(t)
	}
	p.add(bullets("**What is wrong with the group:**\n\n", problems))
	p.add(block{head: "A group merges only if every pull request in it may merge, and if it changes nothing beyond what was decided for them.\n"})
	return groupTitle(d), p.String(), ""
}

// groupTitle names the group by its pull requests, and says what holds it up first of all.
func groupTitle(d change.GroupDecision) string {
	title := "Merge group"
	if d.Observing {
		title = "Observing: " + title
	}
	numbers := make([]string, len(d.Members))
	for i, m := range d.Members {
		numbers[i] = fmt.Sprintf("#%d", m.Number)
	}
	if n := len(numbers); n > maxNumbers {
		title += " of " + strings.Join(numbers[:maxNumbers], ", ") + fmt.Sprintf(" and %d more", n-maxNumbers)
	} else if n > 0 {
		title += " of " + strings.Join(numbers, ", ")
	}
	return change.Shorten(change.Visible(title+": "+groupHeadline(d)), MaxTitle)
}

// groupHeadline says what is wrong with a group, or with the first of its pull requests that may not merge.
func groupHeadline(d change.GroupDecision) string {
	if len(d.Problems) > 0 {
		return d.Problems[0].String()
	}
	held := slices.IndexFunc(d.Members, func(m change.GroupStanding) bool { return m.Verdict != change.Satisfied })
	switch {
	case held >= 0 && len(d.Members) > 1:
		return fmt.Sprintf("#%d: %s", d.Members[held].Number, d.Members[held].Title)
	case held >= 0:
		return d.Members[held].Title
	case d.Verdict == change.Satisfied:
		return "every pull request in it may merge"
	default:
		return "waiting for the group ahead of it"
	}
}

var verdictMarks = map[change.Verdict]string{change.Satisfied: "✅", change.Waiting: "⏳", change.Failing: "❌"}
