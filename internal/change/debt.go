package change

import "time"

// DebtKind says what an emergency still owes.
type DebtKind string

// The kinds of debt. They are stored.
const (
	DebtReview        DebtKind = "review"        // approvals and security review
	DebtRetrospective DebtKind = "retrospective" // the look back
)

// Debt is what the declarer of an emergency owes. One that was overdue bars its owner from declaring another until it is settled.
type Debt struct {
	Pull    PullKey   `json:"pull"`
	Kind    DebtKind  `json:"kind"`
	Owner   AccountID `json:"owner"` // the declarer
	Due     time.Time `json:"due"`
	Settled time.Time `json:"settled,omitzero"` // zero: not yet
}

// OverdueAt says whether the debt was overdue at a time, and not settled before it.
func (d Debt) OverdueAt(t time.Time) bool {
	return d.Due.Before(t) && (d.Settled.IsZero() || d.Settled.After(t))
}

// Rejection is a person's no to a change, by a command. It stands until it is withdrawn by a holder of the same role.
type Rejection struct {
	Comment   int64     `json:"comment"` // the command's
	By        Account   `json:"by"`
	Role      string    `json:"role"` // by which it counts
	At        time.Time `json:"at"`
	Reason    string    `json:"reason"`
	Withdrawn time.Time `json:"withdrawn,omitzero"` // zero: it stands
	// WithdrawnBy is who withdrew it.
	WithdrawnBy Account `json:"withdrawn_by,omitzero"`
}
