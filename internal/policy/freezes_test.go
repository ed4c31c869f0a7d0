package policy

import (
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

func TestAFreezeThatHoldsNothingUpIsRemarked(t *testing.T) {
	const head = "version: 1\nroles: {reviewer: {permission: write}}\ncategories: {normal: {approvals: [{role: reviewer, count: 1}]}, " +
		"high-risk: {approvals: [{role: reviewer, count: 2}]}}\nfreezes:\n"
	for freeze, want := range map[string]bool{
		"  - {name: year end, from: 2026-12-18, until: 2027-01-04, merging: true}\n":              true,
		"  - {name: year end, from: 2026-12-18, until: 2027-01-04, environments: [production]}\n": false,
	} {
		p, err := Parse("policy.yml", []byte(head+freeze+"environments: {production: {}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		d := p.Decide(change.Facts{Governed: true, Repository: change.Repository{ID: 1, DefaultBranch: "main"}})
		got := false
		for _, note := range d.Notes {
			got = got || strings.Contains(note.String(), "The freeze year end on line 5 of the policy holds no merge up")
		}
		if got != want {
			t.Errorf("%s: notes %v", freeze, d.Notes)
		}
	}
}
