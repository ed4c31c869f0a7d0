package change

import (
	"fmt"
	"slices"
	"time"
)

// Category is the kind of a change, in the words of change management, in order of risk.
type Category int

// The categories, least risky first, so that the riskier of two is the greater.
const (
	Uncategorized Category = iota // not decided: the pull request is not governed, or its policy cannot be read
	Standard
	Normal
	HighRisk
	Emergency
)

var categoryNames = [...]string{"uncategorized", "standard", "normal", "high-risk", "emergency"}

// String returns the category's name as a policy writes it.
func (c Category) String() string {
	if c < 0 || int(c) >= len(categoryNames) {
		return fmt.Sprintf("Category(%d)", int(c))
	}
	return categoryNames[c]
}

// ParseCategory returns the category that a policy names.
func ParseCategory(name string) (Category, error) {
	for i, n := range categoryNames {
		if n == name {
			return Category(i), nil
		}
	}
	return Uncategorized, fmt.Errorf("unknown category %q: use standard, normal, high-risk or emergency", name)
}

// MarshalText writes the category's name.
func (c Category) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the category's name.
func (c *Category) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCategory(string(text))
	return err
}

// Verdict is the answer to "may this merge?", in order of strictness.
type Verdict int

// The verdicts, most lenient first, so that the stricter of two is the greater. The zero value is not a verdict.
const (
	Undecided Verdict = iota
	Satisfied         // green: all that the policy asks is there
	Waiting           // yellow: people or checks are awaited
	Failing           // red: something that waiting will not mend
)

var verdictNames = [...]string{"undecided", "satisfied", "waiting", "failing"}

// String returns the verdict's name.
func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictNames) {
		return fmt.Sprintf("Verdict(%d)", int(v))
	}
	return verdictNames[v]
}

// MarshalText writes the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the verdict's name.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, n := range verdictNames {
		if n == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q", text)
}

// RequirementState is how one requirement stands.
type RequirementState string

// The states of a requirement.
const (
	Met     RequirementState = "met"
	Awaited RequirementState = "awaited" // people or checks are awaited
	Missing RequirementState = "missing" // the author can mend it
	Failed  RequirementState = "failed"  // a check failed, or changes were requested
	Blocked RequirementState = "blocked" // it cannot be met as things are: a team that cannot be read, a limit of GitHub
	Owed    RequirementState = "owed"    // an emergency's debt: due later, holds nothing up now
)

// RequirementKind says what sort of thing is required.
type RequirementKind string

// The kinds of requirement, in the order in which a check run shows them.
const (
	KindPolicy           RequirementKind = "policy"            // the policy itself must be readable
	KindLimits           RequirementKind = "limits"            // GitHub must have shown all of the change
	KindDraft            RequirementKind = "draft"             // the author still works on it
	KindRecord           RequirementKind = "record"            // a section of the change record
	KindRejection        RequirementKind = "rejection"         // a no by command
	KindChangesRequested RequirementKind = "changes-requested" // a reviewer's objection
	KindAttribution      RequirementKind = "attribution"       // somebody unknown contributed
	KindApprovals        RequirementKind = "approvals"         // approvals by holders of a role
	KindSecurityReview   RequirementKind = "security-review"
	KindChecks           RequirementKind = "checks" // automated tests
	KindFreeze           RequirementKind = "freeze" // merging is frozen
)

// Requirement is one row of the check run's table.
type Requirement struct {
	Kind  RequirementKind  `json:"kind"`
	Name  Text             `json:"name"`           // what is required: "2 reviewers", "Rollback plan"
	Short Text             `json:"short"`          // the same in the title's few words: "1 of 2 approvals", "rollback plan missing"
	State RequirementState `json:"state"`          //
	Found Text             `json:"found"`          // what there is: who approved, what the section says
	Next  Text             `json:"next,omitempty"` // what to do, and who can: empty when met
	Role  string           `json:"role,omitempty"` // for approvals and security review
	Need  int              `json:"need,omitempty"` // how many people
	By    []Account        `json:"by,omitempty"`   // who fills it
	Due   time.Time        `json:"due,omitzero"`   // when it is owed by
	// Strangers says of a check that nobody posted it but others than the policy names.
	Strangers bool `json:"strangers,omitempty"`
	// Checks names those whose end may meet it: they run, failed, or have not reported. It is of use while the decision is fresh, and not kept.
	Checks []string `json:"-"`
}

// Match is one rule of the policy that matched, whether or not it decided the category.
type Match struct {
	Category Category `json:"category"`
	Rule     Text     `json:"rule"`              // the pattern, label or expression, as the policy writes it
	Subject  Text     `json:"subject"`           // what matched it: a path, a label
	Because  string   `json:"because,omitempty"` // the policy's own words
	Source   string   `json:"source"`            // the policy's file
	Line     int      `json:"line,omitempty"`
	More     int      `json:"more,omitempty"`    // how many other files matched the same rule
	Trigger  string   `json:"trigger,omitempty"` // the security trigger's name, if it is one
}

// Opinion is one person's standing review with what the decision made of it.
type Opinion struct {
	By     Account     `json:"by"`
	Review int64       `json:"review"`
	State  ReviewState `json:"state"`
	SHA    SHA         `json:"sha"`
	At     time.Time   `json:"at"`
	Counts bool        `json:"counts"`
	Held   bool        `json:"held,omitempty"`  // the person holds a role of the policy: to be remembered in Review.Held
	Roles  []string    `json:"roles,omitempty"` // the slots that it fills
	Was    []string    `json:"was,omitempty"`   // the roles whose slots it filled before and does not now: to be remembered in Review.Counted
	Why    Text        `json:"why,omitempty"`   // why it does not count
}

// Ask is a review to request from people.
type Ask struct {
	Role   string   `json:"role"`
	Teams  []string `json:"teams,omitempty"`
	Users  []string `json:"users,omitempty"`
	Reason Text     `json:"reason"`
	// Round counts the times that it must be asked anew because a review was dismissed or became stale: an ask is made once a round.
	Round int `json:"round"`
}

// Void is a review for which a role must be asked anew, and how many times; see Ask.Round.
type Void struct {
	Role   string `json:"role"`
	Review int64  `json:"review"`
	Times  int    `json:"times"`
}

// Declaration is an emergency as it was declared.
type Declaration struct {
	By  Account   `json:"by"`
	At  time.Time `json:"at"`
	SHA SHA       `json:"sha"` // the content that it saw
	Due time.Time `json:"due"` // by when approvals and the retrospective are owed
	// Underlying is what the change would have been without it. Once it is merged, what is owed is never less than this asks for.
	Underlying Category `json:"underlying,omitzero"`
}

// PolicyRef says which policy decided.
type PolicyRef struct {
	Source string `json:"source"` // where a reader finds it: a path in the repository, or "the built-in default"
	SHA    SHA    `json:"sha,omitempty"`
	Digest string `json:"digest"` // SHA-256 of its text, in hexadecimal
}

// Decision is what a policy makes of the facts. It is a pure function of both: equal facts give an equal decision, byte for byte
// in JSON.
type Decision struct {
	Pull PullKey `json:"pull"`
	Head SHA     `json:"head"`
	// Base is the branch that it would be merged into, BaseTip the tip of it that the head was compared with, and MergeBase what the two
	// have in common; the last two are empty where it was not compared.
	Base      string `json:"base,omitempty"`
	BaseTip   SHA    `json:"base_tip,omitempty"`
	MergeBase SHA    `json:"merge_base,omitempty"`
	// Edits are the times of those edits of the description that the ledger has: the ones that followed an approval, as far as was known.
	Edits []time.Time `json:"edits,omitempty"`
	// Descriptions counts descriptions, from the first, whose edits the ledger has too: a decision of earlier versions had this count in the place of
	// Edits, and it is carried over from there.
	Descriptions int `json:"descriptions,omitempty"`

	Policy PolicyRef `json:"policy"`
	// Floor is the owner's policy that was decided beside it; zero: there is none, or it alone decided and is Policy.
	Floor PolicyRef `json:"floor,omitzero"`
	// State is how the pull request ended, noted on its last decision; empty while it is open.
	State        PullState     `json:"state,omitempty"`
	Governed     bool          `json:"governed"` // false: the policy does not apply to this base, and nothing is posted
	Observing    bool          `json:"observing,omitempty"`
	Category     Category      `json:"category"`
	Underlying   Category      `json:"underlying,omitzero"` // what an emergency would have been
	Verdict      Verdict       `json:"verdict"`
	Requirements []Requirement `json:"requirements"`
	Matches      []Match       `json:"matches"`
	Opinions     []Opinion     `json:"opinions,omitempty"`
	Labels       []LabelEvent  `json:"labels,omitempty"` // the events of labels that may matter, oldest first
	Notes        []Text        `json:"notes,omitempty"`  // what a reader should know and nobody needs to do: an ignored label
	Asks         []Ask         `json:"asks,omitempty"`
	// Voids are the reasons by which rounds of asking were counted so far. They are carried from one decision to the next: were one of them forgotten
	// with its reviewer's role, the next one would be taken for it, and nobody be asked.
	Voids       []Void       `json:"voids,omitempty"`
	Declaration *Declaration `json:"declaration,omitempty"`
	// Declarers are all who were seen to declare an emergency while they might, now or at an earlier decision. They are carried from one
	// to the next, those without a declaration included: who declared one cannot approve the next.
	Declarers []Account `json:"declarers,omitempty"`
	// Contributors are all who had a hand in the content, in the order of their numbers: who they are outlives the merge, for release approvals.
	Contributors []AccountID `json:"contributors,omitempty"`
	// Scheduled is the day before which the record says that it is not to be deployed, as 2006-01-02; empty: none.
	Scheduled string `json:"scheduled,omitempty"`
	// RecheckAt is when time alone may change the decision (a deadline, an edge of a freeze); zero: never.
	RecheckAt time.Time `json:"recheck_at,omitzero"`
}

// AwaitedChecks names the checks whose end may change the decision, each once, in order.
func (d *Decision) AwaitedChecks() []string {
	var names []string
	for _, r := range d.Requirements {
		names = append(names, r.Checks...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
