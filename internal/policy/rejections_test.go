package policy

import (
	"testing"

	"github.com/changegate/changegate/internal/change"
)

// rejected notes a rejection by the holder of a role.
func rejected(by, role, reason string) edit {
	return func(f *change.Facts) {
		f.Rejections = append(f.Rejections, change.Rejection{Comment: int64(900 + len(f.Rejections)), By: account(by), Role: role, At: later(f), Reason: reason})
	}
}

// withdrawn withdraws the last rejection.
func withdrawn(by string) edit {
	return func(f *change.Facts) {
		r := &f.Rejections[len(f.Rejections)-1]
		r.Withdrawn, r.WithdrawnBy = later(f), account(by)
	}
}

func TestRejections(t *testing.T) {
	a, ok := files("a.go"), approved("bob")
	no := rejected("lea", "tech-lead", "Not **before** the audit, @acme/all.")
	row := "failed No rejection [rejected by lea] rejected by lea: Not **before** the audit, @acme/all. → lea or another holder of tech-lead (anyone with maintain access) comments /change withdraw"
	play(t, brief, []scenario{
		{name: "one that stands", facts: pullRequest(a, ok, no), want: []string{"normal, failing", row}},
		{name: "in an emergency too", facts: pullRequest(a, label("EMERGENCY", "olga"), no), want: []string{"emergency, failing", row}},
		{name: "across pushes", facts: pullRequest(a, no, pushedBy("alice"), ok), want: []string{"normal, failing", row}},
		{name: "although its author holds no role any more", facts: pullRequest(a, ok, rejected("stranger", "tech-lead", "No.")), want: []string{"normal, failing", "rejected by stranger: No."}},
		{name: "although its author approved since", facts: pullRequest(a, rejected("bob", "reviewer", "No."), ok), want: []string{"normal, failing", "rejected by bob: No."}},
		{name: "withdrawn", facts: pullRequest(a, ok, no, withdrawn("lea")), want: []string{"normal, satisfied"}, never: []string{"reject"}},
		{name: "one of two withdrawn", facts: pullRequest(a, ok, rejected("dan", "tech-lead", "No."), withdrawn("dan"), no), want: []string{"normal, failing", row}, never: []string{"rejected by dan"}},
		{name: "two", facts: pullRequest(a, ok, rejected("dan", permissionPrefix+"maintain", "No."), no),
			want: []string{"normal, failing", row, "[rejected by dan] rejected by dan: No. → dan or anyone else with maintain access comments /change withdraw"}},
		{name: "by the roles of two policies", facts: pullRequest(a, ok, rejected("dan", "tech-lead, lead", "No.")),
			want: []string{"normal, failing", "dan or another holder of tech-lead (anyone with maintain access) and lead comments"}},
		{name: "a draft is told", facts: pullRequest(a, draft, no), want: []string{"normal, waiting", row}},
	})
}
