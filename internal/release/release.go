// Package release is the life of a repository's deployments as a state machine: what waits and for whom or until when, what deploys, what is
// watched, what is rolled back. It is pure: what happened is told to a Turn, what must be read is asked for, and what should be true on
// GitHub comes out as effects, which are asked for again until they are known to be done.
//
// At most one deployment of an environment is under way at a time; others wait in the order in which they came. A commit goes to an environment
// when
//
//   - it is reachable from a governed branch;
//   - it succeeded in each environment that comes before, its newest deployment there did not fail, and it was verified there as far as
//     the policy asks;
//   - somebody said so, where its category ships by hand, or where it holds commits that nobody decided green;
//   - release approvals are given, where the environment asks for some, by different people who neither contributed nor asked;
//   - hours are open and no freeze holds, unless it is an emergency or somebody overrode them with a reason;
//   - the dates have come for which its changes are scheduled;
//   - nothing else deploys there, nothing that goes before it could go as well, no high-risk deployment is being watched, and nobody holds it.
//
// With a commit ships everything since the last commit that succeeded there, and the riskiest of that decides: it ships by hand if any of it
// does, and is watched for as long as any of it asks for.
//
// A rollback to the version that was verified last needs none of it. An emergency passes hours, freezes, hands, release approvals
// and the watch of what is there, and no environment before: nothing runs in production that never ran in staging.
package release

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

// Mode says what is done about deployments.
type Mode string

// The modes.
const (
	Off    Mode = "off"    // nothing
	Record Mode = "record" // the team's own automation deploys: what it does is followed and gated
	Create Mode = "create" // what lands is deployed by creating deployments on GitHub, which workflows carry out
)

// Rules is what the policy of the default branch says of deployments, the owner's floor included.
type Rules struct {
	Mode         Mode
	Observing    bool // nothing is held up and no exception asks for an explanation; all else is recorded alike
	Environments []Environment
	// Ships says how each category ships. One that is missing ships as high-risk does.
	Ships map[change.Category]Shipping
	// Deploys says who may give a deployment its go-ahead: whoever is every Sayer in it. Empty: the rules do not tell.
	Deploys []Sayer
	// Holders says by role who holds it, as far as the policy tells: "@acme/tech-leads". A role that is missing here is shown by its name alone.
	Holders  map[string]change.Text
	Announce []string // where exceptions are announced
	Ref      change.PolicyRef
	Floor    change.PolicyRef
}

// Sayer is who may give a command: the holders of Role or, where that is empty, whoever has Access to the repository ("write").
type Sayer struct{ Role, Access string }

// holderOf names somebody who holds every role of a list that is separated by commas.
func (r *Rules) holderOf(roles string) change.Text {
	var all []change.Text
	for name := range strings.SplitSeq(roles, ", ") {
		all = append(all, change.Say(change.Words("in "), r.who(name)))
	}
	return change.Say(change.Words("somebody "), change.Join(" and ", all))
}

// who names a role with who holds it, as far as that is known.
func (r *Rules) who(role string) change.Text {
	held := r.Holders[role]
	if held.IsEmpty() {
		return change.Words(role)
	}
	return change.Say(change.Words(role+" ("), held, change.Words(")"))
}

// Shipping is how changes of a category ship.
type Shipping struct {
	ByHand  bool          // somebody must say so, for each environment that comes after another
	Monitor time.Duration // how long what was deployed is watched at least
	High    bool          // while it is watched the next change waits
}

// Environment is what the policy says of one environment.
type Environment struct {
	Name     string
	After    []string // the environments that a commit must have been in before
	Hours    []Hours  // all of them must be open
	Freezes  []Freeze
	Creators []string // logins whose deployments and statuses count, besides those of this App and of GitHub Actions where the policy names none
	Verify   Verify
	Release  []Slot
	Watched  bool          // what was deployed is watched, and a person says that it works
	RollBack bool          // what failed is rolled back by itself
	Newest   bool          // of those that could go, the newest does, and those before go with it
	Timeout  time.Duration // a deployment of which nothing was heard for so long has failed; positive
	Grace    time.Duration // how long after the watch somebody may still say that it works, before silence is an exception; positive
	Place    string        // "line 12 of the policy"
}

// Hours are business hours with their place in the policy.
type Hours struct {
	calendar.Hours
	Place string
}

// Freeze is a freeze with its place in the policy.
type Freeze struct {
	calendar.Freeze
	Place string
}

// Verify says what must be true of a deployment that succeeded before the next environment takes its commit.
type Verify struct {
	Checks []Check // they must have succeeded on the commit, in runs that began after the deployment did
	Role   string  // a holder of it says that it works, with /change verified; empty: nobody has to, unless it is watched
}

// Check names a check.
type Check struct {
	Name string
	App  string // the slug of the App that must have posted it; empty: anyone
}

// Slot asks for Count different people who hold Role.
type Slot struct {
	Role  string
	Count int
}

// Find returns what the rules say of an environment; names fold case.
func (r *Rules) Find(name string) (*Environment, bool) {
	for i := range r.Environments {
		if strings.EqualFold(r.Environments[i].Name, name) {
			return &r.Environments[i], true
		}
	}
	return nil, false
}

// Commit is what is known of a commit that is to be deployed.
type Commit struct {
	Known  bool          // it is reachable from a governed branch
	Unread bool          // that could not be found out yet
	Number change.Number // the pull request that it came with; 0: none
}

// Span is what ships when To is deployed where From was before; an empty From: nothing was.
type Span struct{ From, To change.SHA }

// Batch is what is in a Span.
type Batch struct {
	// Contained says that To is From or an ancestor of it: there is nothing to ship.
	Contained bool
	Changes   []Change // oldest first
	Cut       bool     // there are more than can be listed, or how the two relate is not known: it ships as high-risk, by hand
}

// Facts is what was read of what earlier Needs asked for. A key that is missing was not read yet.
type Facts struct {
	Commits map[change.SHA]Commit
	Batches map[Span]Batch
	Checks  map[change.SHA][]change.Check
	Holders map[change.AccountID]Holder
}

// Holder is which roles somebody holds now, of those that any environment asks release approvals of.
type Holder struct {
	Roles  []string
	Unread bool // whether they hold others of them could not be found out
}

// Needs is what must be read before a turn can go on. The shell reads it and takes the turn again from the start.
type Needs struct {
	Commits []change.SHA
	Batches []Span
	Checks  []change.SHA
	Holders []change.Account
}

// IsEmpty says whether nothing more need be read.
func (n Needs) IsEmpty() bool { return len(n.Commits)+len(n.Batches)+len(n.Checks)+len(n.Holders) == 0 }

// Order is a command about deployments. The shell has confirmed that its comment is as it was sent.
type Order struct {
	change.Command
	Verb        command.Verb // one of those about deployments
	Environment string       // empty where the command may leave it out and did
	Version     string       // of rollback: the beginning of a commit's name; empty: the last verified
	Class       Class        // of rollback; empty: errors
	Until       time.Time    // of freeze
	Reason      string
	May         bool        // whoever gave it is permitted to
	Unknown     bool        // whether they are permitted to could not be found out
	Role        string      // by which it counts
	Who         change.Text // who is permitted to
	// Holds are the roles in question that whoever gave it holds: for accept, those that the environment asks release approvals of; for verified, the
	// role of its verification. A verified that names no environment has those of all environments; one of them is enough even if May is false.
	Holds []string
	// Commit is what the pull request became on its branch; empty: it has not landed, or Landed has told of it.
	Commit change.SHA
	// Merger is who merged it as that; nobody: it is not known.
	Merger change.Account
}

// Reply is what becomes of an order.
type Reply struct {
	Comment int64         `json:"comment"`
	Number  change.Number `json:"number"` // where it was given
	Done    bool          `json:"done,omitempty"`
	Says    change.Text   `json:"says"`              // why not, or what was asked for, in sentences; empty: the reaction says it all
	Outcome string        `json:"outcome,omitempty"` // for the record
	// Of are the people concerned besides who asked: the shell mentions them where Says names them.
	Of []change.Account `json:"of,omitempty"`
}

// EffectKind says what an effect does.
type EffectKind string

// The kinds of effect.
const (
	CreateDeployment EffectKind = "create deployment"
	PostStatus       EffectKind = "post deployment status"
	AnswerRule       EffectKind = "answer protection rule"
)

// Effect is something that should be true on GitHub and is not yet known to be.
type Effect struct {
	Kind EffectKind
	// Key is unique for what is to be done: the same effect has the same key however often it is asked for, and one that was done is
	// never asked for again with another.
	Key         string
	Deployment  string // its ID
	Environment string // as the rules write it; of AnswerRule as GitHub does
	Commit      change.SHA
	Payload     json.RawMessage        // of CreateDeployment: an object whose member changegate is the deployment's ID
	Task        string                 // of CreateDeployment: TaskDeploy, or TaskRecord
	GitHub      int64                  // of PostStatus
	State       change.DeploymentState // of PostStatus
	After       Newest                 // of PostStatus: the newest status known; this one, if it was posted already, is newer
	Says        change.Text            // the description, 140 characters; or the rule's comment, 1,024
	Number      change.Number          // the pull request that a log URL may lead to
	Callback    string                 // of AnswerRule
	Ask         string                 // of AnswerRule: the ask's key
	Answer      Answer                 // of AnswerRule; NotYet is a progress comment
}

// Newest is the newest status of a deployment that is known.
type Newest struct {
	ID int64     // 0: none is known
	At time.Time // by GitHub's clock
}

// The tasks with which deployments are created on GitHub.
const (
	TaskDeploy = "deploy"
	// TaskRecord is that of a deployment which something else carries out, or did: workflows that are started by deployments leave it alone.
	TaskRecord = "changegate:record"
)

// Entry is evidence of a step.
type Entry struct {
	Step        string         `json:"step"`                // "queued", "let through", "succeeded", "verified", …
	Deployment  Deployment     `json:"deployment,omitzero"` // of a step of an environment as a whole: none
	Environment string         `json:"environment"`
	By          change.Account `json:"by,omitzero"`
	Says        string         `json:"says,omitempty"`
	Until       time.Time      `json:"until,omitzero"`   // of a freeze
	Checks      []change.Check `json:"checks,omitempty"` // of "verified": the runs of the checks that verify it
}

// Prompt asks somebody for something, or tells them what they must know of, in a comment of its own on a pull request.
type Prompt struct {
	Key    string
	Number change.Number
	Says   change.Text      // names whom it asks as change.Login; the shell mentions them
	Of     []change.Account // the people concerned
	LogURL string           // where the log of what it is about is, as a stranger said; empty: nowhere
}

// Outcome is what a turn comes to.
type Outcome struct {
	State State
	// Needs must be read before the turn can be taken to its end. If there are any, nothing else in the outcome counts.
	Needs      Needs
	Effects    []Effect
	Replies    []Reply
	Entries    []Entry
	Exceptions []change.Exception
	Prompts    []Prompt
	// Wake is when time alone changes something; zero: never.
	Wake time.Time
}
