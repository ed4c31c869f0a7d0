// Package change is the vocabulary of changegate: the facts of a pull request as GitHub tells them, and the decision that
// a policy makes of them. It holds values only: nothing here reads, waits, logs or knows of HTTP, SQL or YAML.
//
// Facts go in one direction and decisions in the other. What could not be read is said in the facts (a team's Problem, a
// Content's truncation) and never left out, because a missing fact must not read as a harmless one.
//
// The JSON form of Facts and Decision is what `changegate policy explain` reads and prints; names in it are stable.
package change

import (
	"fmt"
	"strings"
	"time"
)

const (
	// CheckName is the name of the one check run that changegate posts on a head. Rulesets and branch protection refer to it.
	CheckName = "Change policy"
	// PolicyPath is where a repository keeps its policy.
	PolicyPath = ".github/change-policy.yml"
	// OwnerPolicyPath is where an owner keeps the policy that every repository must satisfy besides its own, in the repository .github.
	OwnerPolicyPath = "change-policy.yml"
)

// Identifiers that GitHub gives. They survive renames, so they are what is remembered and compared; names are for people.
type (
	// RepositoryID is GitHub's numeric id of a repository; 0 means a repository that is gone (a deleted fork).
	RepositoryID int64
	// AccountID is GitHub's numeric id of a user, bot or organization; 0 means nobody known.
	AccountID int64
	// TeamID is GitHub's numeric id of an organization's team; 0 means that it is not known.
	TeamID int64
	// InstallationID is GitHub's numeric id of the App's installation on one account.
	InstallationID int64
	// AppID is GitHub's numeric id of a GitHub App; 0 means no App.
	AppID int64
	// Number is a pull request's number in its repository.
	Number int
	// SHA is a Git object's name in hexadecimal, of a commit unless said otherwise.
	SHA string
)

// Short returns the first seven characters, as Git and GitHub show a commit to people.
func (s SHA) Short() string {
	if len(s) > 7 {
		return string(s[:7])
	}
	return string(s)
}

// PullKey identifies a pull request for as long as it exists: it survives a rename of the repository.
type PullKey struct {
	Repository RepositoryID `json:"repository"`
	Number     Number       `json:"number"`
}

// String returns the key as REPOSITORY#NUMBER, for logs and unique keys.
func (k PullKey) String() string { return fmt.Sprintf("%d#%d", k.Repository, k.Number) }

// Repository is a repository that the App is installed on.
type Repository struct {
	ID            RepositoryID   `json:"id"`
	Owner         string         `json:"owner"`
	Name          string         `json:"name"`
	DefaultBranch string         `json:"default_branch"`
	OwnerIsUser   bool           `json:"owner_is_user,omitempty"` // a user's own repository has no teams
	Installation  InstallationID `json:"installation,omitempty"`
}

// String returns owner/name.
func (r Repository) String() string { return r.Owner + "/" + r.Name }

// HoldsOwnerPolicy says whether a repository of this name holds its owner's policy. GitHub does not tell its letters' case apart.
func HoldsOwnerPolicy(name string) bool { return strings.EqualFold(name, ".github") }

// AccountKind tells people from programs.
type AccountKind string

// The kinds of account that act on pull requests.
const (
	KindUser AccountKind = "User"
	KindBot  AccountKind = "Bot" // an App's own account, or one that GitHub marks as a bot
)

// Account is who did something. The zero value is nobody known: a deleted account, or an e-mail address that belongs to no account.
type Account struct {
	ID    AccountID   `json:"id"`
	Login string      `json:"login"`
	Kind  AccountKind `json:"kind,omitempty"`
}

// Known says whether GitHub named an account.
func (a Account) Known() bool { return a.ID != 0 }

// IsBot says whether the account is a program's.
func (a Account) IsBot() bool { return a.Kind == KindBot }

// PullState is where a pull request is in its life.
type PullState string

// The states of a pull request. GitHub says closed for both ends; they differ in all that follows.
const (
	Open   PullState = "open"
	Closed PullState = "closed"
	Merged PullState = "merged"
)

// Branch is one end of a pull request.
type Branch struct {
	Repository RepositoryID `json:"repository,omitempty"` // 0: the fork is gone
	Owner      string       `json:"owner,omitempty"`
	Name       string       `json:"name"`
	SHA        SHA          `json:"sha"` // for a base this is what GitHub noted at the last push of the head, not the tip
}

// Pull is a pull request as GitHub describes it, in an answer or in a webhook's payload.
type Pull struct {
	Number         Number    `json:"number"`
	Title          string    `json:"title"`
	Body           string    `json:"body"`
	URL            string    `json:"url,omitempty"`
	Author         Account   `json:"author"`
	State          PullState `json:"state"`
	Draft          bool      `json:"draft,omitempty"`
	Head           Branch    `json:"head"`
	HeadOwner      Account   `json:"head_owner,omitzero"` // the user in whose fork the head is; nobody: it is in no fork, or in an organization's
	Base           Branch    `json:"base"`
	Labels         []string  `json:"labels,omitempty"`
	RequestedTeams []string  `json:"requested_teams,omitempty"` // slugs
	RequestedUsers []Account `json:"requested_users,omitempty"`
	ChangedFiles   int       `json:"changed_files,omitempty"` // 0 where the source did not say
	CreatedAt      time.Time `json:"created_at,omitzero"`
	UpdatedAt      time.Time `json:"updated_at,omitzero"`
	MergedBy       Account   `json:"merged_by,omitzero"`
	MergedAt       time.Time `json:"merged_at,omitzero"`
	MergeCommit    SHA       `json:"merge_commit,omitempty"`
}

// FromFork says whether the head is in another repository than the base, or in one that is gone.
func (p Pull) FromFork() bool { return p.Head.Repository != p.Base.Repository }

// HasLabel says whether the pull request carries the label; GitHub folds the case of labels, and so does this.
func (p Pull) HasLabel(name string) bool {
	for _, l := range p.Labels {
		if SameLabel(l, name) {
			return true
		}
	}
	return false
}

// Push is one arrival of a head SHA at a pull request: its opening, a push to its branch before that, or one afterwards.
type Push struct {
	// Before is the commit that After took the place of. It is empty for what a pull request was opened with: at the opening, and for the pushes that
	// had brought that to the branch. For a push to a branch it is empty if that made the branch.
	Before SHA       `json:"before,omitempty"`
	After  SHA       `json:"after"`
	By     Account   `json:"by"`
	At     time.Time `json:"at"`
	// Forced says that After lacks something that Before had. It is known of pushes to a branch only.
	Forced bool `json:"forced,omitempty"`
	// Base is a commit of the base branch when After was looked at first, MergeBase what After had in common with it; empty: not known.
	Base      SHA `json:"base,omitempty"`
	MergeBase SHA `json:"merge_base,omitempty"`
}

// Description is a pull request's description since it was written or edited.
type Description struct {
	Body string    `json:"body"`
	By   Account   `json:"by"` // the zero Account: nobody known
	At   time.Time `json:"at"`
	Was  *string   `json:"was,omitempty"` // what it said before, as the delivery of an edit tells; nil: it was written at the opening
}

// LabelEvent is a label set or taken off, as GitHub's issue events record it.
type LabelEvent struct {
	Label string    `json:"label"`
	Added bool      `json:"added"`
	By    Account   `json:"by"` // the zero Account: nobody known, which gives no authority
	At    time.Time `json:"at"`
	Head  SHA       `json:"head,omitempty"` // the head when it was set, from the signed delivery; empty: not known
	// Into, Base and MergeBase are as those of a Review.
	Into      string `json:"into,omitempty"`
	Base      SHA    `json:"base,omitempty"`
	MergeBase SHA    `json:"merge_base,omitempty"`
}

// ReviewState is the state of a review, in the words of GitHub's REST API.
type ReviewState string

// The states of a submitted review. Compare them with Is: their case differs between payloads.
const (
	Approved         ReviewState = "APPROVED"
	ChangesRequested ReviewState = "CHANGES_REQUESTED"
	Commented        ReviewState = "COMMENTED"
	Dismissed        ReviewState = "DISMISSED"
)

// Is says whether two states are the same, in any case of letters.
func (s ReviewState) Is(other ReviewState) bool { return strings.EqualFold(string(s), string(other)) }

// Review is one submitted review. A dismissed one keeps its place in time, says who dismissed it where that is known, and does
// not revive an older one.
type Review struct {
	ID          int64       `json:"id"`
	By          Account     `json:"by"`
	State       ReviewState `json:"state"`
	SHA         SHA         `json:"sha"` // the commit it was submitted on; empty if GitHub no longer has it
	At          time.Time   `json:"at"`
	DismissedBy Account     `json:"dismissed_by,omitzero"`
	DismissedAt time.Time   `json:"dismissed_at,omitzero"`
	Was         ReviewState `json:"was,omitempty"` // the state before it was dismissed, where known
	// Held says that the reviewer was seen to hold a role of the policy while this review stood (see Opinion.Held), so that an
	// objection outlives the objector's role. False: not seen so far.
	Held bool `json:"held,omitempty"`
	// Counted are the roles that this approval was seen to count for (see Opinion.Roles and Opinion.Was), in order.
	Counted []string `json:"counted,omitempty"`
	// Into is the base branch when it was submitted, from the signed delivery, and Base a commit of it at that time; MergeBase is what
	// SHA had in common with the branch. Empty: not known.
	Into      string `json:"into,omitempty"`
	Base      SHA    `json:"base,omitempty"`
	MergeBase SHA    `json:"merge_base,omitempty"`
}
