package policy

import (
	"github.com/changegate/changegate/internal/change"
)

// needsSecurityReview says whether the category or a trigger of the policy that is looked at asks for it. An emergency owes what the change underneath would need.
func (q *inquiry) needsSecurityReview() bool {
	if len(q.triggered) > 0 || q.policy.Security != nil && q.isUnseen() {
		return true
	}
	c := q.policy.Categories[q.category]
	return c != nil && c.SecurityReview
}

// findTriggers evaluates every trigger of the policy that is looked at. All that match are reported: by path, by content and by new
// dependencies.
func (q *inquiry) findTriggers() {
	s := q.policy.Security
	if s == nil {
		return
	}
	start := len(q.matches)
	for _, t := range s.Triggers {
		add := func(c condition) {
			m := change.Match{Rule: c.rule, Subject: c.subject, Because: t.Because, Source: q.policy.Ref.Source, Line: t.Line, More: c.more, Trigger: t.Name}
			if c.line > 0 {
				m.Line = c.line
			}
			q.matches = append(q.matches, m)
		}
		if t.Paths != nil {
			if c, ok := q.anyPath(t.Paths); ok {
				add(c)
			}
		}
		if q.measure == PathsOnly {
			continue
		}
		if len(t.Content) > 0 {
			for _, c := range q.anyContent(t) {
				add(c)
			}
		}
		if t.NewDependencies != nil {
			for _, c := range q.anyNewDependency(t.NewDependencies) {
				add(c)
			}
		}
	}
	q.triggered = q.matches[start:]
}
