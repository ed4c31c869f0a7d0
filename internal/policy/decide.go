package policy

import "github.com/changegate/changegate/internal/change"

// Decide returns what the policy makes of the facts.
func (p *Policy) Decide(f change.Facts) change.Decision {
	return change.Decision{Pull: change.PullKey{Repository: f.Repository.ID, Number: f.Pull.Number}, Head: f.Pull.Head.SHA, Policy: p.Ref}
}

// Needs returns what the policy must know beyond the facts that it is given, and what it used of those that it has.
func (p *Policy) Needs(f change.Facts) change.Needs { return change.Needs{} }

// Measure says which facts there are to classify by.
type Measure int

// The measures.
const (
	Everything Measure = iota // what is missing counts against the change
	PathsOnly                 // contents, modes and people are not known: rules on them stay unmeasured
)

// Classification is the kind of a change and the rules that say so.
type Classification struct {
	Category change.Category
	Matches  []change.Match
}

// Classify returns the kind of a change, without asking who approves it.
func (p *Policy) Classify(f change.Facts, m Measure) Classification { return Classification{} }

// CaresAboutLabel says whether the label may change a decision.
func (p *Policy) CaresAboutLabel(name string) bool { return true }

// CaresAboutCheck says whether the check may change a decision.
func (p *Policy) CaresAboutCheck(c change.Check) bool { return true }

// Strictest returns the verdict over all open pull requests that share a head.
func Strictest(decisions []change.Decision) change.Decision { return decisions[0] }
