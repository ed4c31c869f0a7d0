// Package report shows a decision to people: as the title, summary and text of a check run, and as a tree in a terminal.
//
// Whatever strangers wrote (paths, labels, logins, prose) reaches it in parts that say so (see change.Text), and is shown so that it
// can neither format, link nor ping. Equal decisions give equal output.
package report

import "github.com/changegate/changegate/internal/change"

// Limits of a check run's output. GitHub counts characters; the lengths here are bytes of UTF-8, which are never fewer.
const (
	MaxTitle   = 255
	MaxSummary = 65_535
	MaxText    = 65_535
)

// Title returns the decision in one line of at most MaxTitle bytes.
func Title(d change.Decision) string { return d.Category.String() + ": " + d.Verdict.String() }

// Summary returns the decision in Markdown of at most MaxSummary bytes: the requirements, and why the change is what it is.
func Summary(d change.Decision) string { return "" }

// Text returns the details in Markdown of at most MaxText bytes: every rule that matched and every review.
func Text(d change.Decision) string { return "" }

// Terminal returns the decision as a tree for a terminal.
func Terminal(d change.Decision) string { return "" }

// Render returns all three parts of a check run's output.
func Render(d change.Decision) (title, summary, text string) { return Title(d), Summary(d), Text(d) }
