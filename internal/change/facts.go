package change

import "time"

// Facts is all that a decision rests on. It is complete when it is decided: a policy says what it needs (see
// policy.Needs), the shell reads it, and nothing is fetched while deciding.
type Facts struct {
	Now        time.Time  `json:"now"` // GitHub's clock where it is known, else the server's
	Repository Repository `json:"repository"`
	Pull       Pull       `json:"pull"`
	Content    Content    `json:"content"`
	// Governed says that the default branch's policy governs the base, whatever the policy at the base's own tip says of it.
	Governed bool `json:"governed,omitempty"`

	// Pushes are the arrivals of heads, oldest first, after those pushes, by others than the opener, that brought what it was opened with.
	// PushesKnown says that they form an unbroken chain from the opening to the present head, and that it is known who brought what it was
	// opened with; if not, someone unknown may have pushed.
	Pushes      []Push `json:"pushes,omitempty"`
	PushesKnown bool   `json:"pushes_known,omitempty"`

	// Descriptions are those that the pull request has had, oldest first, as deliveries carried them. Where they are not known, only
	// the present one is judged.
	Descriptions []Description `json:"descriptions,omitempty"`

	// Retargeted is when the pull request last got another base branch; zero: it never did. What somebody saw who submitted a review before that is not
	// known, unless the review says so.
	Retargeted time.Time `json:"retargeted,omitzero"`
	// Seen is what the views show, and Trees has the entries of trees, that policy.Needs asked for.
	Seen  []Seen       `json:"seen,omitempty"`
	Trees map[SHA]Tree `json:"trees,omitempty"`

	LabelEvents []LabelEvent `json:"label_events,omitempty"` // oldest first
	Reviews     []Review     `json:"reviews,omitempty"`      // submitted ones, oldest first
	Checks      []Check      `json:"checks,omitempty"`       // on the head, ours left out
	// ChecksKnown says that Checks were read: without it no required check has succeeded.
	ChecksKnown bool `json:"checks_known,omitempty"`

	// Declared is the declaration under which it was merged: what it owes stays owed, whatever becomes of the label. Nil while it is open,
	// and where it was merged as anything else.
	Declared *Declaration `json:"declared,omitempty"`
	// Declarers are those of the decision before.
	Declarers []Account `json:"declarers,omitempty"`
	// Voids are those of the decision before.
	Voids []Void `json:"voids,omitempty"`
	// Debts are those of whoever set the emergency's label, settled ones included: who had an overdue one then could not declare.
	Debts []Debt `json:"debts,omitempty"`
	// Rejections are those by command, oldest first, withdrawn ones included.
	Rejections []Rejection `json:"rejections,omitempty"`
	// Unusable are the policy files that nothing could be decided by, as the pull request leaves them.
	Unusable []UnusablePolicy `json:"unusable,omitempty"`
	// AsksRefused are the asks of the decision before that GitHub refused to make: by role the round.
	AsksRefused map[string]int `json:"asks_refused,omitempty"`

	// Users are the accounts behind the logins that the policy names, by login in lower case, as they were first resolved: an
	// account that took over a name later is another one. A name that is nobody's any more has the zero Account.
	Users  map[string]Account   `json:"users,omitempty"`
	People map[AccountID]Person `json:"people,omitempty"` // those whose permission matters
	Teams  map[string]Team      `json:"teams,omitempty"`  // by slug, those that the policy names
}

// UnusablePolicy is a policy file that cannot be used.
type UnusablePolicy struct {
	Path     string   `json:"path"`
	Problems []string `json:"problems"` // each with its line and how to fix it
}

// Needs is what a policy must know of the world beyond the pull request itself before it can decide. The shell reads it and
// asks again until nothing is new, because one answer may raise another question.
type Needs struct {
	People    []Account    // whose permission in the repository
	Teams     []string     // whose members, by slug
	Members   []Membership // whose membership of a team that was listed in part
	Users     []string     // whose accounts, by login
	Timeline  bool         // reviews and label events
	Checks    bool         // check runs and commit statuses of the head
	Workflows bool         // which workflow posted each check run
	Modes     bool         // the modes of changed files at the head
	Blobs     bool         // the merge base's blobs of renamed files, to tell a pure rename
	Seen      []View       // what they show
	Trees     []TreePaths  // entries of trees
}

// SeenIn returns what a view shows; false if that was not read.
func (f *Facts) SeenIn(v View) (Seen, bool) {
	for _, s := range f.Seen {
		if s.View == v {
			return s, true
		}
	}
	return Seen{}, false
}

// Membership asks whether an account is in a team. The answer goes into the team's Members or Absent.
type Membership struct {
	Team    string
	Account Account
}
