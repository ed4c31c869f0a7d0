package policy

import "regexp/syntax"

// The limits of regular expressions, in the steps that their repetitions come to when they are written out: RE2 takes each at most once for
// each letter that it reads, and no more.
const (
	MaxRegexpSteps  = 2_000  // of one
	MaxRegexpsSteps = 20_000 // of all that a policy looks for in changed lines
)

// regexpSteps returns how many steps a regular expression comes to, cut at more than the limit of one; 0 if it is none.
func regexpSteps(source string) int {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return 0
	}
	return stepsIn(tree)
}

func stepsIn(tree *syntax.Regexp) int {
	n := max(1, len(tree.Rune))
	switch {
	case tree.Op == syntax.OpCharClass:
		n = 1
	case tree.Op == syntax.OpRepeat && tree.Min == tree.Max:
		n = 0 // nothing is decided between what is repeated
	}
	for _, sub := range tree.Sub {
		n = min(n+stepsIn(sub), MaxRegexpSteps+1)
	}
	if tree.Op == syntax.OpRepeat {
		n *= max(1, tree.Min, tree.Max)
	}
	return min(n, MaxRegexpSteps+1)
}
