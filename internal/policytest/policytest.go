// Package policytest runs a policy's own tests: a YAML file beside the policy has facts of pull requests, and what is expected of the decision
// on each. Nothing is read here but the file's text, and a test's result follows from it and the policy alone.
package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/report"
)

// The limits of a file of tests, so that reading one ends soon whatever its aliases stand for.
const (
	MaxBytes  = 1 << 20
	maxValues = 100_000
	maxDepth  = 32
)

// File is a file of tests, with at least one.
type File struct {
	Policy Path // the policy that is tested; without one the floor decides alone
	Floor  Path // the owner's policy that is decided beside it, if there is one
	Tests  []Test
}

// Place is where something is in the file; both numbers are from 1.
type Place struct{ Line, Column int }

// Path is a file that another file names, relative to its own directory and with slashes; empty: it names none.
type Path struct {
	Place
	Name string
}

// Test is a pull request and what is expected of the decision on it.
type Test struct {
	Place
	Name   string
	facts  change.Facts
	expect []expectation
}

// Result is how a test ended.
type Result struct {
	Test        Test
	Decision    change.Decision
	Differences []Difference // in the order of the file; none: the test passed
}

// Difference is an expectation that the decision does not meet.
type Difference struct {
	Place
	Text string // what was expected, and what was got
}

// Run decides on the pull request of each test. Its error is a policy.Problems with what no test of this policy can expect.
func (f *File) Run(p *policy.Policy) ([]Result, error) {
	v := vocabularyOf(p)
	if err := f.check(v); err != nil {
		return nil, err
	}
	results := make([]Result, len(f.Tests))
	for i, t := range f.Tests {
		// The policy of the file speaks for the default branch too.
		t.facts.Governed = t.facts.Governed || p.Governs(t.facts.Repository, t.facts.Pull.Base.Name)
		d := p.Decide(t.facts)
		results[i] = Result{Test: t, Decision: d, Differences: differences(d, t.expect, v)}
	}
	return results, nil
}

// Failed counts the tests that did not pass.
func Failed(results []Result) (n int) {
	for _, r := range results {
		if len(r.Differences) > 0 {
			n++
		}
	}
	return n
}

// Lines is how results are told to people: each difference with its place in the file of this name, and how many passed in the end. Told at
// length, there is a line for each test as well, and what was decided where one failed. What strangers wrote is in them as they wrote it.
func Lines(file string, results []Result, atLength bool) (lines []string) {
	for _, r := range results {
		for _, d := range r.Differences {
			lines = append(lines, fmt.Sprintf("%s:%d:%d: %s: %s", file, d.Line, d.Column, r.Test.Name, d.Text))
		}
		switch {
		case !atLength:
		case len(r.Differences) == 0:
			lines = append(lines, "ok    "+r.Test.Name)
		default:
			lines = append(lines, "FAIL  "+r.Test.Name)
			for line := range strings.Lines(report.Terminal(r.Decision)) {
				lines = append(lines, "      "+strings.TrimSuffix(line, "\n"))
			}
		}
	}
	all, failed := count(len(results)), Failed(results)
	if failed == 0 {
		return append(lines, fmt.Sprintf("ok    %s: %s", file, all))
	}
	return append(lines, fmt.Sprintf("FAIL  %s: %d of %s failed", file, failed, all))
}

func count(n int) string {
	if n == 1 {
		return "1 test"
	}
	return fmt.Sprintf("%d tests", n)
}

// expectation is one thing that a decision is to be.
type expectation struct {
	Place
	what string // a key of expect
	name string // of requirements, which
	want string
}

func differences(d change.Decision, expect []expectation, v vocabulary) (out []Difference) {
	for _, e := range expect {
		if text := e.differs(d, v); text != "" {
			out = append(out, Difference{e.Place, text})
		}
	}
	return out
}

// differs says what is otherwise than expected; nothing if all is as it should be.
func (e expectation) differs(d change.Decision, v vocabulary) string {
	var got string
	switch e.what {
	case "requirements":
		return e.requirement(d.Requirements, v)
	case "says":
		return e.says(d)
	case "governed":
		got = yesNo(d.Governed)
	case "observing":
		got = yesNo(d.Observing)
	case "category":
		got = d.Category.String()
	case "underlying":
		got = d.Underlying.String()
	case "verdict":
		got = d.Verdict.String()
	}
	if got == e.want {
		return ""
	}
	if !d.Governed && e.what != "governed" {
		got += ", as no policy governs the base branch"
	}
	return fmt.Sprintf("%s: expected %s, got %s", e.what, e.want, got)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// requirement compares the requirements that a name means: those that the check shows by that name, those of that kind, and those that ask for
// people of that role.
func (e expectation) requirement(all []change.Requirement, v vocabulary) string {
	var meant, others []string
	var known []string
	for _, r := range all {
		name := r.Name.String()
		known = append(known, name)
		if !v.shows(e.name, name) && string(r.Kind) != e.name && (r.Role == "" || r.Role != e.name) {
			continue
		}
		meant = append(meant, name)
		if string(r.State) != e.want {
			others = append(others, got(e.name, r))
		}
	}
	switch {
	case e.want == absent && len(meant) > 0, e.want != absent && len(others) > 0:
		return fmt.Sprintf("%s: expected %s, got %s", e.name, e.want, strings.Join(others, " and "))
	case e.want == absent || len(meant) > 0:
		return ""
	case len(known) == 0:
		return fmt.Sprintf("%s: expected %s, and nothing is required", e.name, e.want)
	}
	return fmt.Sprintf("%s: expected %s, and there is no such requirement: %s", e.name, e.want, didYouMean(e.name, known))
}

// got is a requirement's state with what is to be done, and with its name where another one was asked for.
func got(asked string, r change.Requirement) string {
	text := string(r.State)
	if name := r.Name.String(); !strings.EqualFold(name, asked) {
		text = name + " " + text
	}
	if !r.Next.IsEmpty() {
		text += " (" + r.Next.String() + ")"
	}
	return text
}

// says looks for words in the lines of a decision as `policy explain` shows it.
func (e expectation) says(d change.Decision) string {
	lines := strings.Split(report.Terminal(d), "\n")
	if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, e.want) }) {
		return ""
	}
	return fmt.Sprintf("says: expected %q, and no line of the decision says it", e.want)
}
