package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changegate/changegate/internal/change"
)

// checkRules returns the automated tests that the change must pass, each once. An emergency waits only for those that it names itself.
func (q *inquiry) checkRules() (all []CheckRule) {
	add := func(rules []CheckRule) {
		for _, rule := range rules {
			if !slices.ContainsFunc(all, rule.same) {
				all = append(all, rule)
			}
		}
	}
	if q.declaration != nil {
		add(q.emergency().Checks)
		return all
	}
	for i := range q.layers {
		add(q.checkRulesOf(i))
	}
	return all
}

// checkRulesOf returns the automated tests that one of the policies asks for.
func (q *inquiry) checkRulesOf(layer int) []CheckRule {
	p := q.layers[layer].policy
	if c := p.Categories[q.category]; c != nil && len(c.Checks) > 0 {
		return slices.Concat(p.Checks, c.Checks)
	}
	return p.Checks
}

// same says whether two rules ask for the same, wherever they are written.
func (r CheckRule) same(other CheckRule) bool {
	return r.Name == other.Name && r.NoneFailing == other.NoneFailing && r.App == other.App && r.Workflow == other.Workflow &&
		slices.Equal(r.Accept, other.Accept)
}

// checkRows makes a requirement of each rule about checks.
func (q *inquiry) checkRows() []change.Requirement {
	rules := q.checkRules()
	if len(rules) == 0 {
		return nil
	}
	if q.questions != nil && !q.facts.Pull.Draft {
		q.questions.checks = true
		q.questions.workflows = slices.ContainsFunc(rules, func(r CheckRule) bool { return r.Workflow != "" })
	}
	rows := make([]change.Requirement, len(rules))
	for i := range rules {
		rows[i] = q.checkRow(&rules[i])
	}
	return rows
}

func (q *inquiry) checkRow(rule *CheckRule) change.Requirement {
	r := change.Requirement{Kind: change.KindChecks, State: change.Met}
	if rule.Name != "" {
		r.Name = change.Say(change.Words("Check "), change.Code(rule.Name))
	} else {
		r.Name = change.Say(change.Words("No failed check of "), change.Code(rule.NoneFailing))
	}
	if !q.facts.ChecksKnown {
		r.State, r.Found = change.Awaited, change.Words("not read yet")
		if q.facts.Pull.Draft {
			r.Found = change.Words("not looked at until this is ready for review")
		}
		r.Short = change.Say(change.Words("waiting for "), rule.title())
		return r
	}
	t := rule.tally(q.facts.Checks)
	switch {
	case len(t.failed) > 0:
		r.State = change.Failed
		r.Found = change.Join(", ", abridged(sortedTexts(t.failed), 5))
		r.Short, r.Next = q.failedCheck(rule, t.ended)
	case len(t.pending) > 0:
		r.State = change.Awaited
		r.Found = change.Words("running")
		if rule.Name == "" {
			r.Found = change.Say(change.Join(", ", abridged(sortedTexts(t.pending), 5)), change.Words(" running"))
		}
		r.Short = change.Say(rule.title(), change.Words(" running"))
	case t.passed == 0 && rule.Name != "":
		r.State = change.Awaited
		r.Short = change.Say(change.Words("waiting for "), rule.title())
		r.Strangers = t.byStranger && !t.byUnknown
		r.Found, r.Next = rule.missing(t)
	case t.passed == 0:
		r.Found = change.Words("none posted")
	case rule.Name != "":
		r.Found = change.Words("passed")
	default:
		r.Found = change.Words(grouped(t.passed) + " passed")
	}
	if r.State != change.Met {
		r.Checks = t.unmet
		if rule.Name != "" {
			r.Checks = []string{rule.Name}
		}
	}
	return r
}

// checkTally is what the checks that a rule is about come down to.
type checkTally struct {
	failed, pending []change.Text // how they are shown
	passed          int
	unmet           []string            // the names of those that failed or have not ended
	ended           []change.CheckState // how those ended that failed, each once
	byStranger      bool                // one of its names was posted by somebody else than the rule names
	byUnknown       bool                // one passed of which GitHub does not say yet by which workflow it was posted
}

func (r *CheckRule) tally(checks []change.Check) (t checkTally) {
	for _, c := range checks {
		if !r.names(c.Name) {
			continue
		}
		passes, mayBe := c.State == change.CheckSuccess || r.accepts(c.State), r.mayBeBy(c)
		switch {
		case !r.isBy(c) && !mayBe:
			t.byStranger = true
		case passes && mayBe:
			t.byUnknown = true
		case passes:
			t.passed++
		case c.State == change.CheckPending:
			t.pending, t.unmet = append(t.pending, change.Code(c.Name)), append(t.unmet, c.Name)
		default:
			t.failed, t.unmet = append(t.failed, change.Say(change.Code(c.Name), change.Words(" "+outcome(c.State)))), append(t.unmet, c.Name)
			if !slices.Contains(t.ended, c.State) {
				t.ended = append(t.ended, c.State)
			}
		}
	}
	return t
}

// failedCheck says how the checks of a rule failed that did, and what to do. Running again what was skipped skips it again.
func (q *inquiry) failedCheck(rule *CheckRule, ended []change.CheckState) (short, next change.Text) {
	s := ended[0]
	if len(ended) > 1 || s == change.CheckFailure {
		return change.Say(rule.title(), change.Words(" failed")), change.Words("fix it, or run it again")
	}
	return change.Say(rule.title(), change.Words(" "+outcome(s))),
		change.Say(change.Words("it must run and succeed on this commit: only "), change.Code("accept: ["+string(s)+"]"), change.Words(" on "+q.checkPlace(rule)+" would let it pass like this"))
}

// missing says that nobody posted a check whom the rule names, though perhaps somebody else did, and what to do.
func (r *CheckRule) missing(t checkTally) (found, next change.Text) {
	switch {
	case t.byUnknown:
		return change.Words("passed, and GitHub does not say yet which workflow posted it"), nil
	case t.byStranger:
		return change.Words("posted by someone other than the policy names"),
			change.Say(change.Words("it must come from "), r.poster(), change.Words(": have that run on this commit"))
	}
	return change.Words("has not reported"), change.Say(change.Words("if it does not start by itself, have "), r.poster(), change.Words(" run on this commit"))
}

// title names a rule in few words.
func (r *CheckRule) title() change.Text {
	return change.Code(cmp.Or(r.Name, r.NoneFailing))
}

// poster names who posts a check, as far as the rule says it.
func (r *CheckRule) poster() change.Text {
	switch {
	case r.Workflow != "":
		return change.Say(change.Words("the workflow "), change.Code(r.Workflow))
	case r.App != "":
		return change.Say(change.Words("the App "), change.Code(r.App))
	}
	return change.Say(change.Words("what posts "), change.Code(r.Name))
}

// checkPlace says where a rule about checks is written.
func (q *inquiry) checkPlace(rule *CheckRule) string {
	is := func(r CheckRule) bool { return r.Line == rule.Line && r.same(*rule) }
	i := slices.IndexFunc(q.layers, func(l layer) bool {
		p := l.policy
		c := p.Categories[q.category]
		return slices.ContainsFunc(p.Checks, is) || c != nil && slices.ContainsFunc(c.Checks, is) || p.Emergency != nil && slices.ContainsFunc(p.Emergency.Checks, is)
	})
	return q.place(q.layers[max(i, 0)].policy, rule.Line)
}

// names says whether the rule is about checks of a name.
func (r *CheckRule) names(name string) bool {
	if r.Name != "" {
		return r.Name == name
	}
	return doublestar.MatchUnvalidated(r.NoneFailing, name)
}

// isBy says whether a check was posted by whom the rule names.
func (r *CheckRule) isBy(c change.Check) bool {
	if r.App != "" && !strings.EqualFold(r.App, c.App) {
		return false
	}
	return r.Workflow == "" || r.Workflow == c.Workflow
}

// mayBeBy says whether the workflow that the rule names may have posted a check, because GitHub does not say yet which workflow did. Such a check
// counts against the rule and never for it.
func (r *CheckRule) mayBeBy(c change.Check) bool {
	return r.Workflow != "" && c.Workflow == "" && c.App == "github-actions" && (r.App == "" || strings.EqualFold(r.App, c.App))
}

func (r *CheckRule) accepts(s change.CheckState) bool { return slices.Contains(r.Accept, string(s)) }

// outcome says how a check ended.
func outcome(s change.CheckState) string {
	switch s {
	case change.CheckSkipped:
		return "was skipped"
	case change.CheckNeutral:
		return "was neutral"
	}
	return "failed"
}

func sortedTexts(texts []change.Text) []change.Text {
	slices.SortFunc(texts, func(a, b change.Text) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(texts, func(a, b change.Text) bool { return a.String() == b.String() })
}

// CaresAboutCheck says whether a check can change a decision of this policy, or of its owner's floor. What is not known of it (the workflow that posted it)
// is no reason to say no.
func (p *Policy) CaresAboutCheck(c change.Check) bool {
	if p.Floor != nil && p.Floor.CaresAboutCheck(c) {
		return true
	}
	cares := func(rules []CheckRule) bool {
		return slices.ContainsFunc(rules, func(r CheckRule) bool {
			return r.names(c.Name) && (r.App == "" || c.App == "" && !c.Status || strings.EqualFold(r.App, c.App))
		})
	}
	if cares(p.Checks) || p.Emergency != nil && cares(p.Emergency.Checks) {
		return true
	}
	for _, category := range p.Categories {
		if cares(category.Checks) {
			return true
		}
	}
	return false
}
