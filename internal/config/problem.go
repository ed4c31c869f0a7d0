package config

import (
	"fmt"
	"math"
	"strings"

	"github.com/changegate/changegate/internal/typo"
)

// Problem is one thing that is wrong with a configuration. It never quotes a value, because a value may be a secret in the wrong place,
// but for the path of a file that is there.
type Problem struct {
	Key    string // "github.app.private_key", or a variable that is no key's; empty where none is to blame
	Text   string // what is wrong, and after a semicolon the mend
	Source string // the file, or the environment variable; empty where nothing was said
	Line   int    // 1-based, in the file; 0 elsewhere
	Column int
}

// String returns the problem in one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	switch {
	case p.Line > 0:
		fmt.Fprintf(&b, " (%s:%d:%d)", p.Source, p.Line, p.Column)
	case p.Source != "":
		fmt.Fprintf(&b, " (%s)", p.Source)
	}
	return b.String()
}

// line orders what is wrong with the file before what is wrong elsewhere or missing.
func (p Problem) line() int {
	if p.Line == 0 {
		return math.MaxInt
	}
	return p.Line
}

// Problems is all that is wrong with a configuration, in the order of the file and then of the keys.
type Problems []Problem

// Error returns a line a problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	if len(lines) == 1 {
		return "configuration: " + lines[0]
	}
	return fmt.Sprintf("configuration: %d problems:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// nearest returns the known key that an unknown one most likely means, or nothing. A right name in the wrong place is found too.
func nearest(key string, known []string) string {
	best, least := "", len(key)/3+2
	for _, k := range known {
		d := typo.Distance(key, k)
		if last(k) == last(key) {
			d = min(d, 1)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
