package policy

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// What stands for a rule that matched because what it looks at cannot be read.
var (
	unreadContent  = change.Words("anything, with a diff that cannot be read")
	unreadManifest = change.Words("a new dependency, with a diff that cannot be read")
)

// maxReasons is how many triggers of a review are named in one sentence; the details list all.
const maxReasons = 5

// reasonFor says why a role's review is needed, empty where the category's name says it all.
func (q *inquiry) reasonFor(w asked) change.Text {
	if w.kind != change.KindSecurityReview {
		return nil
	}
	switch {
	case len(w.triggered) > 0:
		return q.reasons(w.triggered)
	case q.isUnseen():
		return change.Words("not all of it could be looked at")
	}
	return change.Words("it is " + q.category.String())
}

// reasons names the triggers that fired, each once, with the first file behind it. Those that a file may match which cannot be read are named
// together, with what exempts such files.
func (q *inquiry) reasons(triggered []change.Match) change.Text {
	var certain []change.Text
	var unread []suspicion
	var exempted *change.Match
	named := map[string]bool{}
	for i := range triggered {
		m := &triggered[i]
		if named[m.Trigger] {
			continue
		}
		named[m.Trigger] = true
		isContent := slices.Equal(m.Rule, unreadContent)
		switch {
		case len(named) > maxReasons:
		case isContent || slices.Equal(m.Rule, unreadManifest):
			unread = suspect(unread, m)
			if isContent && exempted == nil {
				exempted = m
			}
		default:
			certain = append(certain, change.Say(m.Subject, change.Words(" matches "), change.Quote(m.Trigger)))
		}
	}
	for _, s := range unread {
		certain = append(certain, change.Say(change.Words("the diff of "), s.file, change.Words(" cannot be read, so it may be about "), enumerated(s.triggers, "or")))
	}
	reason := enumerated(certain, "and")
	if n := len(named) - maxReasons; n > 0 {
		reason = change.Say(change.Join(", ", certain), change.Words(", and "+plural(n, "other reason", "other reasons")))
	}
	if exempted != nil {
		reason = change.Say(reason, change.Words("; "), change.Code("unread"), change.Words(" ("+q.unreadPlace(exempted)+") exempts such files"))
	}
	return reason
}

// suspicion is a file that cannot be read, with the triggers that it may match.
type suspicion struct {
	file     change.Text
	triggers []change.Text
}

func suspect(all []suspicion, m *change.Match) []suspicion {
	i := slices.IndexFunc(all, func(s suspicion) bool { return slices.Equal(s.file, m.Subject) })
	if i < 0 {
		i, all = len(all), append(all, suspicion{file: m.Subject})
	}
	all[i].triggers = append(all[i].triggers, change.Quote(m.Trigger))
	return all
}

// unreadPlace says where the policy whose trigger fired lists the files that cannot be read and need not be.
func (q *inquiry) unreadPlace(m *change.Match) string {
	i := slices.IndexFunc(q.layers, func(l layer) bool { return l.policy.Ref.Source == m.Source })
	p := q.layers[max(i, 0)].policy
	if p.Security.Unread != nil {
		return q.place(p, p.Security.Unread.Line(0))
	}
	return "under " + q.place(p, p.Security.Line)
}
