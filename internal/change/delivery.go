package change

import "time"

// Concern is a set of the sources of facts that something may have changed. A webhook raises concerns. Where its delivery told all that
// there is to know (the pull request, a review, a check) the reconcile that follows goes by that; where it did not (the base moved,
// somebody's role changed) it reads the source. Before a green it reads them all.
type Concern uint

// The sources of facts.
const (
	// ConcernPull: title, description, labels, draft, state, base or head.
	ConcernPull Concern = 1 << iota
	// ConcernTimeline: reviews, dismissals, who set which label.
	ConcernTimeline
	// ConcernContent: the comparison of base and head, the policy at the base's tip.
	ConcernContent
	// ConcernChecks: check runs and statuses on the head.
	ConcernChecks
	// ConcernPeople: teams and permissions.
	ConcernPeople
	// ConcernVerify: everything is to be read again (a re-run, /change refresh, a sweep).
	ConcernVerify
	// ConcernAgain: someone pressed Re-run, so the check run is to be posted anew even if nothing has changed.
	ConcernAgain
	// ConcernFloor: the owner's policy.
	ConcernFloor
)

// Has says whether c includes all of d.
func (c Concern) Has(d Concern) bool { return c&d == d }

// Command is a comment that starts with /change.
type Command struct {
	Comment int64     `json:"comment"` // the comment's id; a command is carried out once a comment
	Pull    PullKey   `json:"pull"`
	By      Account   `json:"by"`
	Body    string    `json:"body"` // as the signed delivery carried it
	At      time.Time `json:"at"`
}

// Delivery is what one webhook delivery tells, in our own words: whose affair it is, which concerns it raises, and the facts that it
// carried, which are kept because some of them (who pushed, which head a label saw) cannot be read later.
//
// A delivery concerns the pull request in Key; or every open pull request whose head is Head (a check); or every open pull request
// into Base of the repository (a push to it); or nobody (zero Concerns), and is then only noted as seen.
type Delivery struct {
	ID           string         `json:"id"` // X-GitHub-Delivery; a redelivery keeps it
	Event        string         `json:"event"`
	Action       string         `json:"action,omitempty"`
	Installation InstallationID `json:"installation,omitempty"`
	Repository   Repository     `json:"repository,omitzero"`
	// RepositoryAt is when the repository itself, as it is shown here, was last changed; zero: it is not said.
	RepositoryAt time.Time `json:"repository_at,omitzero"`
	Sender       Account   `json:"sender,omitzero"`
	ReceivedAt   time.Time `json:"received_at"`

	Key      PullKey `json:"key,omitzero"`
	Head     SHA     `json:"head,omitempty"`
	Base     string  `json:"base,omitempty"` // a branch's name, or "*" for all open pull requests of the repository
	Concerns Concern `json:"concerns,omitempty"`

	Pull *Pull `json:"pull,omitempty"` // the pull request as the payload shows it
	Push *Push `json:"push,omitempty"` // a head arrived (opened, synchronize); whoever reopens pushes nothing
	// Arrival is a push to the branch Base. It brought what a pull request may be opened with later.
	Arrival *Push       `json:"arrival,omitempty"`
	Label   *LabelEvent `json:"label,omitempty"` // labeled, unlabeled
	// Description is what the pull request says since it was opened or edited.
	Description *Description `json:"description,omitempty"`
	Check       *Check       `json:"check,omitempty"`   // status, check_run: a check on Head
	Command     *Command     `json:"command,omitempty"` // issue_comment created
	Review      *Review      `json:"review,omitempty"`  // pull_request_review: a hint whose permission will be asked for
	// Raised are errands that it concerns, with what it leaves for them, whatever Concerns says.
	Raised []Raised `json:"raised,omitempty"`
	// Issue is the number of an issue, or of a pull request, that was closed, reopened, edited or commented on. If it is one of ours the
	// errand behind it is raised.
	Issue Number `json:"issue,omitempty"`
	// Floor says that the owner's policy may have changed, whatever Concerns says: every open pull request of the installation is to be
	// decided anew.
	Floor bool `json:"floor,omitempty"`
	// Gone says that the repository or the installation went away: its pull requests, whatever their state, are not ours until it comes back.
	// An installation that went away has no Repository here.
	Gone bool `json:"gone,omitempty"`
	// Added and Removed are the repositories that came to the installation or left it. They say so whatever Concerns says: the open
	// pull requests of the first are yet to be looked at, those of the others are no longer ours.
	Added   []Repository   `json:"added,omitempty"`
	Removed []RepositoryID `json:"removed,omitempty"`
}
