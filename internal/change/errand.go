package change

import (
	"encoding/json"
	"fmt"
	"time"
)

// ErrandKind says what an errand looks at. Kinds are stored: a kind's name or meaning never changes.
type ErrandKind string

// The kinds of errand, with what their Name is.
const (
	ErrandBranch        ErrandKind = "branch"        // a branch's name: what landed on it; its notes are BranchPush
	ErrandGroup         ErrandKind = "merge group"   // a merge group's head SHA: its check; its notes are GroupNote
	ErrandProtection    ErrandKind = "protection"    // a branch's name: whether our check is required there and pinned to this App
	ErrandException     ErrandKind = "exception"     // an exception's key: the issue that asks for an explanation; its notes are Exception, with what the policy said before it
	ErrandRetrospective ErrandKind = "retrospective" // a pull request's number: the issue of its emergency
	ErrandAnnouncement  ErrandKind = "announcement"  // a thread's name: what is posted to Slack; its notes are Announcement
	ErrandDeployments   ErrandKind = "deployments"   // DeploymentsName: all environments of a repository; its notes are ReleaseNote
)

// Errand names something to look at that is not a pull request. Like a pull request it is raised, and then looked at level-triggered: a
// run is told what to look at and nothing of why.
type Errand struct {
	Kind       ErrandKind   `json:"kind"`
	Repository RepositoryID `json:"repository"`
	Name       string       `json:"name"`
}

// String returns the errand as KIND REPOSITORY NAME, for logs and unique keys.
func (e Errand) String() string { return fmt.Sprintf("%s %d %s", e.Kind, e.Repository, e.Name) }

// Note is what a delivery, or a run of something else, leaves for an errand, because it cannot be read later. It is kept until the errand
// says that it dealt with it.
type Note struct {
	ID   string          `json:"id"` // unique in its errand; a note that is left twice is one
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"` // of the type that the errand's kind says
}

// NewNote returns a note. The body is one of the types that ErrandKind lists, all of which marshal.
func NewNote(id string, at time.Time, body any) Note {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("note %s: %v", id, err)) // none of the types can fail to marshal
	}
	return Note{ID: id, At: at, Body: text}
}

// Raised is an errand that is to be looked at, with the notes that are left for it.
type Raised struct {
	Errand Errand `json:"errand"`
	Notes  []Note `json:"notes,omitempty"`
}

// BranchPush is a push to a branch, as its delivery told.
type BranchPush struct {
	Branch  string  `json:"branch"`
	Before  SHA     `json:"before,omitempty"` // empty: the branch was made
	After   SHA     `json:"after,omitempty"`  // empty: it was deleted
	By      Account `json:"by"`
	Forced  bool    `json:"forced,omitempty"`
	Commits []SHA   `json:"commits,omitempty"` // those that GitHub named, oldest first; 2,048 at most
	// Pushed is when it was pushed, as GitHub tells, in whole seconds: the same however often the delivery comes. Zero: that is not said.
	Pushed time.Time `json:"pushed,omitzero"`
}

// MergeGroup is a group of a merge queue, as a delivery told.
type MergeGroup struct {
	Head      SHA    `json:"head"`
	HeadRef   string `json:"head_ref"` // refs/heads/gh-readonly-queue/BASE/pr-N-SHA
	Base      SHA    `json:"base"`     // the commit that it was built on
	BaseRef   string `json:"base_ref"` // refs/heads/BASE
	Destroyed string `json:"destroyed,omitempty"`
}

// GroupNote is what a delivery leaves for a merge group: the group as it told, or that somebody wants its check posted anew (a re-run), and then
// nothing else.
type GroupNote struct {
	MergeGroup
	Again bool `json:"again,omitempty"`
}

// ExceptionKind says what went past the policy.
type ExceptionKind string

// The kinds of exception. They are recorded: a kind's name or meaning never changes.
const (
	MergedWithoutGreen ExceptionKind = "merged without green"     // a pull request whose check was not green for this head, base and policy
	OtherContent       ExceptionKind = "other content"            // what landed is not what was decided
	OtherPolicy        ExceptionKind = "other policy"             // it was decided by a policy that was not in force when it landed
	NoPullRequest      ExceptionKind = "no pull request"          // commits that came through none
	ForcedUpdate       ExceptionKind = "forced update"            // commits were taken off a governed branch
	BranchDeleted      ExceptionKind = "branch deleted"           // a governed branch
	TooManyCommits     ExceptionKind = "too many commits"         // more at once than can be looked at
	Unprotected        ExceptionKind = "check no longer required" // or not of this App any more
	DeployedPastPolicy ExceptionKind = "deployed past the policy" // what the policy would not have let through, or not yet
	UnknownEnvironment ExceptionKind = "unknown environment"      // a deployment to one that the policy does not name
	UnknownDeployer    ExceptionKind = "unknown deployer"         // a deployment or its status by an account that the policy does not name for it
	NotVerified        ExceptionKind = "not verified"             // nobody said in time that what was deployed works
)

// Exception is something that happened on a governed branch, or was deployed, and that the policy did not allow.
type Exception struct {
	// Key is unique for what happened, so that it is one exception however often it is found.
	Key         string        `json:"key"`
	Kind        ExceptionKind `json:"kind"`
	Repository  RepositoryID  `json:"repository"`
	Branch      string        `json:"branch,omitempty"`
	Number      Number        `json:"number,omitempty"` // of the pull request, if one is behind it
	Commits     []SHA         `json:"commits,omitempty"`
	Environment string        `json:"environment,omitempty"` // of a deployment
	Before      SHA           `json:"before,omitempty"`
	Beside      SHA           `json:"beside,omitempty"` // what the branch was, where the commits go on from elsewhere by their first parents
	After       SHA           `json:"after,omitempty"`
	By          []Account     `json:"by,omitempty"` // who merged or pushed: none of them may explain it
	At          time.Time     `json:"at"`           // when it happened, as far as is known, else when it was found
	What        Text          `json:"what"`         // what happened, in a sentence
}

// Announcement is something to say to people in a channel, once.
type Announcement struct {
	// Key is unique for what is announced. It goes along with the post, so that it is recognised there.
	Key       string    `json:"key"`
	Channels  []string  `json:"channels"`            // as the policy names them: slack:#engineering
	Text      Text      `json:"text"`                // a sentence or two
	Details   []Text    `json:"details,omitempty"`   // one below the other
	Links     []Link    `json:"links,omitempty"`     //
	At        time.Time `json:"at"`                  // when what it tells of happened
	Pull      PullKey   `json:"pull,omitzero"`       // zero: about none
	Subject   string    `json:"subject,omitempty"`   // what the thread is about, in a few words, for a reply that finds no thread
	Opens     bool      `json:"opens,omitempty"`     // it begins the thread; the others follow it there
	Broadcast bool      `json:"broadcast,omitempty"` // a reply that the whole channel is to see as well
}

// Link is a page with what it is called.
type Link struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}
