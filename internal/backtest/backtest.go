// Package backtest answers a policy author's first question: what would this policy have done to the changes that we really
// merged? It classifies each by the code that decides, from what is known of a merged change: the names and sizes of its
// files, and whether a bot made it. Rules on anything else (contents, labels, approvals) stay unmeasured and are said to.
//
// Reading files is apart (see Read); all else is a function of a policy and of pull requests, and gives equal output for equal
// input.
package backtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
)

// Categories are the categories that a merged change can have been in, riskiest first. Emergencies are declared, and nothing
// of a declaration is known here.
var Categories = [...]change.Category{change.HighRisk, change.Normal, change.Standard}

// Outcome is what a policy makes of one pull request.
type Outcome struct {
	Repository     string          `json:"repository"`
	Number         change.Number   `json:"number"`
	Title          string          `json:"title"`
	Category       change.Category `json:"category"`
	SecurityReview bool            `json:"security_review"`
	Matches        []change.Match  `json:"matches"`
	Problems       []string        `json:"problems,omitempty"` // expressions that failed: the check would be red
}

// Key names the pull request as people do.
func (o Outcome) Key() string { return fmt.Sprintf("%s#%d", o.Repository, o.Number) }

// Classify returns what the policy makes of a pull request.
func Classify(p *policy.Policy, pull Pull) Outcome {
	c := p.Classify(facts(pull), policy.PathsOnly)
	o := Outcome{
		Repository: pull.Repository, Number: pull.Number, Title: pull.Title,
		Category: c.Category, Matches: c.Matches, Problems: c.Problems,
	}
	if o.Matches == nil {
		o.Matches = []change.Match{}
	}
	if rules := p.Categories[c.Category]; rules != nil && rules.SecurityReview {
		o.SecurityReview = true
	}
	for _, m := range c.Matches {
		o.SecurityReview = o.SecurityReview || m.Trigger != ""
	}
	return o
}

// facts tells a pull request in the form that a policy decides.
func facts(p Pull) change.Facts {
	owner, name, _ := strings.Cut(p.Repository, "/")
	author := change.Account{ID: 1, Login: "author", Kind: change.KindUser}
	if p.AuthorIsBot {
		author = change.Account{ID: 2, Login: "a trusted bot", Kind: change.KindBot}
	}
	return change.Facts{
		Repository: change.Repository{ID: 1, Owner: owner, Name: name, DefaultBranch: "main"},
		Pull: change.Pull{
			Number: p.Number, Title: p.Title, Author: author, State: change.Merged, ChangedFiles: len(p.Files),
			Base: change.Branch{Repository: 1, Owner: owner, Name: "main"},
			Head: change.Branch{Repository: 1, Owner: owner, Name: "change"},
		},
		Content: change.Content{Files: p.Files},
	}
}

// Count is how many pull requests of a repository are in each category and have a security review.
type Count struct {
	Repository     string                  `json:"repository"`
	Pulls          int                     `json:"pulls"`
	Categories     map[change.Category]int `json:"categories"`
	SecurityReview int                     `json:"security_review"`
}

// Fired is a rule or trigger of the policy and how often it matched.
type Fired struct {
	Category change.Category // of a rule
	Trigger  string          // of a trigger; empty for a rule
	Line     int             // 0 for rules that are built in
	Name     string          // the policy's own words for it, or what it asks for
	Count    int             // pull requests, each once
	Examples []Example       // the first few
	// Unmeasured names the conditions that cannot be known from names and sizes; empty if the rule was measured whole.
	Unmeasured []string
}

// Example is a pull request that a rule matched, with what matched.
type Example struct {
	Key, Title string
	Match      change.Match
}

// maxExamples bounds the examples of one rule.
const maxExamples = 3

// Report is what a policy makes of many pull requests.
type Report struct {
	Repositories []Count  // by name
	Total        Count    // of all of them
	Rules        []*Fired // in the order of the policy: by category, riskiest first, then triggers; built-in rules first
	Problems     []string // pull requests for which an expression failed
}

// Summarize counts outcomes.
func Summarize(p *policy.Policy, outcomes []Outcome) *Report {
	r := &Report{Total: Count{Categories: map[change.Category]int{}}}
	index := newIndex(p)
	byRepository := map[string]*Count{}
	for _, o := range outcomes {
		c := byRepository[o.Repository]
		if c == nil {
			c = &Count{Repository: o.Repository, Categories: map[change.Category]int{}}
			byRepository[o.Repository] = c
		}
		for _, c := range [...]*Count{c, &r.Total} {
			c.Pulls++
			c.Categories[o.Category]++
			if o.SecurityReview {
				c.SecurityReview++
			}
		}
		index.add(o)
		for _, problem := range o.Problems {
			r.Problems = append(r.Problems, o.Key()+": "+problem)
		}
	}
	for _, c := range byRepository {
		r.Repositories = append(r.Repositories, *c)
	}
	slices.SortFunc(r.Repositories, func(a, b Count) int { return cmp.Compare(a.Repository, b.Repository) })
	r.Rules = append(index.builtIn, index.rules...)
	return r
}

// index finds the rule behind a match.
type index struct {
	source  string
	rules   []*Fired
	builtIn []*Fired // as they are met, then by name
}

func newIndex(p *policy.Policy) *index {
	x := &index{source: p.Ref.Source}
	for _, category := range Categories {
		c := p.Categories[category]
		if c == nil {
			continue
		}
		for _, rule := range c.When {
			x.rules = append(x.rules, &Fired{Category: category, Line: rule.Line, Name: ruleName(rule), Unmeasured: unmeasured(rule)})
		}
	}
	if p.Security != nil {
		for _, t := range p.Security.Triggers {
			f := &Fired{Trigger: t.Name, Line: t.Line, Name: t.Name}
			if len(t.Content) > 0 {
				f.Unmeasured = append(f.Unmeasured, "content")
			}
			if t.NewDependencies != nil {
				f.Unmeasured = append(f.Unmeasured, "new_dependencies")
			}
			x.rules = append(x.rules, f)
		}
	}
	return x
}

// ruleName is what people call a rule: its reason, else its first condition.
func ruleName(r *policy.Rule) string {
	switch {
	case r.Because != "":
		return r.Because
	case r.Paths != nil:
		return "paths: " + shorten(r.Paths.Patterns())
	case r.OnlyPaths != nil:
		return "only_paths: " + shorten(r.OnlyPaths.Patterns())
	case len(r.Labels) > 0:
		return "labels: " + shorten(r.Labels)
	case r.ChangedLines != nil:
		return "changed_lines: " + r.ChangedLines.String()
	case r.ChangedFiles != nil:
		return "changed_files: " + r.ChangedFiles.String()
	case r.Expression != nil:
		return "expression: " + r.Expression.Source()
	case len(r.Authors) > 0:
		return "authors: " + shorten(r.Authors)
	default:
		return "bumps_only"
	}
}

func shorten(list []string) string {
	if len(list) > 1 {
		return fmt.Sprintf("%s and %d more", list[0], len(list)-1)
	}
	return strings.Join(list, "")
}

// unmeasured names the conditions of a rule that names and sizes say nothing of.
func unmeasured(r *policy.Rule) []string {
	var out []string
	if len(r.Labels) > 0 {
		out = append(out, "labels")
	}
	if r.BumpsOnly || r.Unless != nil && r.Unless.BumpsOnly {
		out = append(out, "bumps_only")
	}
	return out
}

// add counts the rules behind an outcome's matches, each once.
func (x *index) add(o Outcome) {
	counted := map[*Fired]bool{}
	for _, m := range o.Matches {
		f := x.behind(m)
		if f == nil || counted[f] {
			continue
		}
		counted[f] = true
		f.Count++
		if len(f.Examples) < maxExamples {
			f.Examples = append(f.Examples, Example{o.Key(), o.Title, m})
		}
	}
}

// behind returns the rule that a match is of. A match names the line of the pattern where it can, which is at its rule's line or
// below it, and above the next rule's.
func (x *index) behind(m change.Match) *Fired {
	if m.Source != x.source {
		return x.builtInRule(m)
	}
	var found *Fired
	for _, f := range x.rules {
		switch {
		case m.Trigger != "" || f.Trigger != "":
			if f.Trigger == m.Trigger {
				return f
			}
		case f.Category == m.Category && f.Line <= m.Line && (found == nil || f.Line >= found.Line):
			found = f
		}
	}
	return found
}

func (x *index) builtInRule(m change.Match) *Fired {
	name := cmp.Or(m.Because, m.Rule.String())
	for _, f := range x.builtIn {
		if f.Category == m.Category && f.Name == name {
			return f
		}
	}
	f := &Fired{Category: m.Category, Name: name}
	x.builtIn = append(x.builtIn, f)
	slices.SortFunc(x.builtIn, func(a, b *Fired) int { return cmp.Compare(a.Name, b.Name) })
	return f
}

// Difference is a pull request of which two policies make something else.
type Difference struct {
	Outcome         // of the policy
	Against Outcome // of the other one
}

// Agrees says whether another policy's outcome for the same pull request is the same category and security review.
func (o Outcome) Agrees(other Outcome) bool {
	return o.Category == other.Category && o.SecurityReview == other.SecurityReview
}

// Compare returns the pull requests of which the other policy makes something else (see Agrees), in their order. The outcomes
// must be of the same pull requests.
func Compare(outcomes, against []Outcome) []Difference {
	var out []Difference
	for i, o := range outcomes {
		if !o.Agrees(against[i]) {
			out = append(out, Difference{o, against[i]})
		}
	}
	return out
}
