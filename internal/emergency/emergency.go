// Package emergency is the people's side of an emergency: it is announced where the policy says, it owes a retrospective, and whoever
// declared it is reminded of that. What an emergency lets past, and which reviews it owes, is the policy's to decide; this follows what was
// decided.
//
// The retrospective is an issue in the repository. It is opened when the emergency is declared, closed by people once its sections are written,
// and a debt of the declarer until then. Nothing is owed for an emergency that was withdrawn before anything went past the process.
//
// All that is decided here is decided by Next: from what is known and what is remembered it says which steps are to be taken. A Keeper reads
// the former, keeps the latter, and takes the steps. Each step has a key and is taken once, however often the process dies.
package emergency

import (
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// Facts is what is known when an emergency is looked at.
type Facts struct {
	Now        time.Time // GitHub's clock
	Repository change.Repository
	Pull       change.Pull
	Decision   *change.Decision // the last one; nil: none yet
	Pushes     []change.Push    // oldest first, for the time line
	Terms      Terms            // looked at when the emergency is declared, and remembered
	// Issue is the retrospective as it is on GitHub; nil if it was not opened, or need not be known.
	Issue *Issue
	// Lost says why GitHub does not find the retrospective that was opened, which may be a mistake; empty: it does.
	Lost string
}

// Terms is what a policy says of emergencies, with what the pull request says for itself. It is stored: members may be added, not renamed.
type Terms struct {
	Label         string   `json:"label"`
	Channels      []string `json:"channels,omitempty"`
	Justification string   `json:"justification,omitempty"` // empty: the description has none
}

// Issue is the retrospective's issue, with what its sections say.
type Issue struct {
	Open     bool
	ClosedBy change.Account
	ClosedAt time.Time
	Empty    []string // the titles of the sections that say nothing, in the order of the template
	Text     string   // what was written, as evidence
}

// Memory is what is remembered of an emergency between two looks. It is stored: members may be added, not renamed.
type Memory struct {
	Terms Terms `json:"terms"`
	// Episode counts how often it was declared: 0 never, and one more each time that it is declared anew.
	Episode     int                `json:"episode"`
	Declaration change.Declaration `json:"declaration"` // the last one
	Withdrawn   bool               `json:"withdrawn,omitempty"`
	// Merged says that it was merged as an emergency, which nothing takes back; Owing that reviews were owed then.
	Merged bool `json:"merged,omitempty"`
	Owing  bool `json:"owing,omitempty"`
	// Settled is when the retrospective's debt was settled, zero while it stands, and Overdue that it was late before.
	Settled time.Time `json:"settled,omitzero"`
	Overdue bool      `json:"overdue,omitempty"`

	// Opening says that an issue is to be opened, and perhaps was: its answer may have been lost.
	Opening  bool          `json:"opening,omitempty"`
	Issue    change.Number `json:"issue,omitempty"` // 0: there is none
	IssueURL string        `json:"issue_url,omitempty"`
	Missed   time.Time     `json:"missed,omitzero"`    // since when GitHub does not find it, which may be a mistake; zero: it does
	Issues   int           `json:"issues,omitempty"`   // how many were opened
	Attempts int           `json:"attempts,omitempty"` // how often GitHub refused to open one
	Refusal  string        `json:"refusal,omitempty"`  // why, the last time
	TryAt    time.Time     `json:"try_at,omitzero"`    // when to try again after a refusal
	Told     time.Time     `json:"told,omitzero"`      // up to when the issue tells the time line

	Done []string `json:"done,omitempty"` // the keys of all steps that were taken
}

// did says whether a step was taken.
func (m *Memory) did(key string) bool { return slices.Contains(m.Done, key) }

// owes says whether the retrospective is still to be written.
func (m *Memory) owes() bool { return m.Episode > 0 && m.Settled.IsZero() }

// awaitsReviews says whether it was merged and owes reviews.
func (m *Memory) awaitsReviews() bool { return m.Merged && m.Owing && !m.did("reviewed") }

// remindAt is when the declarer is reminded: after five sixths of the time that there is.
func (m *Memory) remindAt() time.Time {
	return m.Declaration.At.Add(m.Declaration.Due.Sub(m.Declaration.At) / 6 * 5)
}

// debt returns the retrospective as the declarer's debt; none if there was no emergency.
func (m *Memory) debt(pull change.PullKey) []change.Debt {
	if m.Episode == 0 {
		return nil
	}
	return []change.Debt{{
		Pull: pull, Kind: change.DebtRetrospective, Owner: m.Declaration.By.ID, Due: m.Declaration.Due, Settled: m.Settled,
	}}
}

// Step is one thing to do: something to announce or to record, which takes effect as it is remembered, or a write on GitHub.
type Step struct {
	Key      string // unique in the emergency
	Announce *change.Announcement
	Record   *ledger.Draft
	Write    *Write
}

// Write is what is to be changed on GitHub, in the order of its members.
type Write struct {
	Title   string     `json:"title,omitempty"` // of a new issue, which Body, the comment's text otherwise, describes
	Body    string     `json:"body,omitempty"`  // Markdown; empty: no comment
	State   IssueState `json:"state,omitempty"` // which the issue is to have then; empty: that which it has
	Assign  string     `json:"assign,omitempty"`
	Through time.Time  `json:"through,omitzero"` // up to when Body tells the time line; zero: it does not
}

// IssueState is a state that a Write gives to the issue.
type IssueState string

// The states that a write gives.
const (
	Reopened   IssueState = "reopened"
	NotPlanned IssueState = "not planned"
)
