package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/typo"
)

// Severity tells what makes a policy unusable from what is probably not meant.
type Severity string

// The severities. A policy with an error decides nothing; a warning holds nothing up.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing that is wrong with a policy file.
type Problem struct {
	Line     int      `json:"line"`   // 1-based; 0: the file as a whole
	Column   int      `json:"column"` // 1-based, in characters
	Severity Severity `json:"severity"`
	Message  string   `json:"message"` // what is wrong
	Mend     string   `json:"mend"`    // what to do about it
}

// String returns the problem in one line, without the file's name.
func (p Problem) String() string {
	text := p.Message
	if p.Mend != "" {
		text += ": " + p.Mend
	}
	if p.Line == 0 {
		return text
	}
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, text)
}

// Problems is all that is wrong with a policy file, in the order of the file. It is the error of Parse.
type Problems []Problem

// Error returns one line a problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Errors returns those that make the policy unusable.
func (ps Problems) Errors() Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == Error {
			out = append(out, p)
		}
	}
	return out
}

// sorted returns the problems in the order of the file, each once.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// didYouMean returns the mend for a name that is not one of the known: the nearest if it is near, else all of them.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return "there is none yet"
	}
	return "use one of " + strings.Join(known, ", ")
}

// nearest returns the known name that the given one begins, or is a typing error or two away from; empty if none is.
func nearest(name string, known []string) string {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	best, distance := "", 1+max(1, utf8.RuneCountInString(name)/3)
	for _, k := range known {
		if len(name) > 2 && strings.HasPrefix(plain(k), plain(name)) {
			return k
		}
		if d := typo.Distance(plain(name), plain(k)); d < distance {
			best, distance = k, d
		}
	}
	return best
}
