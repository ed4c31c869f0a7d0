package policy

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/record"
)

// layer is one of the policies that are decided side by side, with what it alone makes of the facts.
type layer struct {
	policy    *Policy
	record    record.Record
	history   []edition      // of the description, where it was edited
	triggered []change.Match // the security triggers among the matches
	contents  []fileContent  // by the place of the file
	doubtful  []string       // see doubtfulLabels; nil: no expression depends on them
}

// each makes each layer in turn the one that is looked at: in `for range q.each` each iteration makes one policy the current layer, and q.policy,
// q.record and q.triggered are then its own. Outside of it that is the floor, or the only one.
func (q *inquiry) each(yield func() bool) {
	before := q.layer
	for i := range q.layers {
		if q.layer = &q.layers[i]; !yield() {
			break
		}
	}
	q.layer = before
}

// any says whether something holds for any of the layers.
func (q *inquiry) any(holds func() bool) bool {
	for range q.each {
		if holds() {
			return true
		}
	}
	return false
}

// emergency returns how an emergency is declared and what it owes: one layer at most says so. Nil: there are none.
func (q *inquiry) emergency() *Emergency {
	for i := range q.layers {
		if e := q.layers[i].policy.Emergency; e != nil {
			return e
		}
	}
	return nil
}

// place says where something is written, for people who know the check run: "line 12 of the policy".
func (q *inquiry) place(p *Policy, line int) string {
	return q.layers[len(q.layers)-1].policy.place(p, line)
}

// rolePlace says where a role is defined.
func (q *inquiry) rolePlace(role *Role) string {
	i := slices.IndexFunc(q.layers, func(l layer) bool { return l.policy.Roles[role.Name] == role })
	return q.place(q.layers[max(i, 0)].policy, role.Line)
}
