package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
)

// absent is the state of a requirement that there is none of.
const absent = "absent"

var kinds = []string{
	string(change.KindPolicy), string(change.KindLimits), string(change.KindDraft), string(change.KindRecord), string(change.KindRejection),
	string(change.KindChangesRequested), string(change.KindAttribution), string(change.KindApprovals), string(change.KindSecurityReview),
	string(change.KindChecks), string(change.KindFreeze),
}

// vocabulary has the names by which a policy can be said to lack a requirement.
type vocabulary struct {
	exact []string // kinds, and the roles of the policy and its floor
	shown []string // the fields of the record and the checks of both, as a check run shows them, whatever their case
	// titles are what the fields are called, by their names. One that both ask for is shown once, if it is there: by what either calls it.
	titles map[string][]string
}

func vocabularyOf(p *policy.Policy) vocabulary {
	v := vocabulary{exact: slices.Clone(kinds), titles: map[string][]string{}}
	for _, layer := range p.Layers() {
		v.exact = append(v.exact, slices.Sorted(maps.Keys(layer.Roles))...)
		for _, f := range layer.Fields {
			v.shown, v.titles[f.Name] = append(v.shown, f.Title), append(v.titles[f.Name], f.Title)
		}
		rules := slices.Clone(layer.Checks)
		for _, category := range slices.Sorted(maps.Keys(layer.Categories)) {
			rules = append(rules, layer.Categories[category].Checks...)
		}
		if e := layer.Emergency; e != nil {
			rules = append(rules, e.Checks...)
		}
		for _, rule := range rules {
			if rule.Name != "" {
				v.shown = append(v.shown, "Check "+rule.Name)
			} else {
				v.shown = append(v.shown, "No failed check of "+rule.NoneFailing)
			}
		}
	}
	return v
}

func (v vocabulary) has(name string) bool {
	return slices.Contains(v.exact, name) || slices.ContainsFunc(v.shown, fold(name))
}

// shows says whether what a check run calls something is what a name means: that, or what one of the policies calls the same field.
func (v vocabulary) shows(name, shown string) bool {
	for _, titles := range v.titles {
		if slices.ContainsFunc(titles, fold(name)) && slices.ContainsFunc(titles, fold(shown)) {
			return true
		}
	}
	return strings.EqualFold(name, shown)
}

// fold returns what says whether a name is another but for its case.
func fold(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}

// check refuses what is to be absent by a name that is not the policy's: it would be absent whatever the policy asks for. A name with a number of people
// is none, because nothing has it once the number is another.
func (f *File) check(v vocabulary) error {
	var problems policy.Problems
	for _, t := range f.Tests {
		for _, e := range t.expect {
			if e.what == "requirements" && e.want == absent && !v.has(e.name) {
				known := append(slices.Clone(v.exact), v.shown...)
				slices.Sort(known)
				problems = append(problems, policy.Problem{
					Line: e.Line, Column: e.Column, Severity: policy.Error, Mend: didYouMean(e.name, slices.Compact(known)),
					Message: fmt.Sprintf("%q is to be absent, and is no kind of requirement, and no role, field or check of the policy", e.name),
				})
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}
