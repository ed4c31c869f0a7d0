// Package release is the life of a repository's deployments as a state machine: what waits and for whom or until when, what deploys, what is
// watched, what is rolled back. It is pure: what happened is told to a Turn, what must be read is asked for, and what should be true on
// GitHub comes out as effects, which are asked for again until they are known to be done.
//
// An environment of a repository is a lane. At most one deployment of a lane is under way at a time; others wait in the order in which they
// came. A commit goes to an environment when
//
//   - it is reachable from a governed branch;
//   - it succeeded in each environment that comes before, its newest deployment there did not fail, and it was verified there as far as
//     the policy asks;
//   - somebody said so, where its category ships by hand, or where it holds commits that nobody decided green;
//   - release approvals are given, where the environment asks for some, by different people who neither contributed nor asked;
//   - hours are open and no freeze holds, unless it is an emergency or somebody overrode them with a reason;
//   - what a change is scheduled for has come;
//   - nothing else deploys there, nothing before it waits longer, no high-risk deployment is being watched, and nobody holds it.
//
// What ships with a commit is everything since the last commit that succeeded there, so the riskiest of that is what counts: by hand if any
// of it is by hand, watched for the longest time of any.
//
// A rollback to the version that was verified last needs none of it. An emergency passes hours, freezes, hands and release approvals, and
// no environment before: nothing runs in production that never ran in staging.
package release

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
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
	Ships    map[change.Category]Shipping
	Announce []string // where exceptions are announced
	Ref      change.PolicyRef
	Floor    change.PolicyRef
}

// Shipping is how changes of a category ship.
type Shipping struct {
	ByHand  bool          // somebody must say so, for each environment that comes after another
	Monitor time.Duration // how long what was deployed is watched at least
	High    bool          // while it is watched the next change waits
}

// Environment is what the policy says of one.
type Environment struct {
	Name     string
	After    []string // those that a commit must have been in before
	Hours    []Hours  // all of them must be open
	Freezes  []Freeze
	Creators []string // logins whose deployments and statuses count, besides those of this App and of GitHub Actions where the policy names none
	Verify   Verify
	Release  []Slot
	Watched  bool          // what was deployed is watched, and a person says that it works
	RollBack bool          // what failed is rolled back by itself
	Newest   bool          // of those that could go, the newest does, and those before go with it
	Timeout  time.Duration // after it a deployment that nobody heard of has failed; positive
	Grace    time.Duration // after the watch, before it is an exception that nobody said that it works; positive
	Place    string        // "line 12 of the policy"
}

// Hours are business hours with where the policy has them.
type Hours struct {
	calendar.Hours
	Place string
}

// Freeze is a freeze with where the policy has it.
type Freeze struct {
	calendar.Freeze
	Place string
}

// Verify says what must be true of a deployment that succeeded before the next environment takes its commit.
type Verify struct {
	Checks []Check // they must have succeeded on the commit, in runs that began after the deployment did
	Role   string  // somebody of it says so with /change verified; empty: nobody need, unless it is watched
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

// Phase is where a deployment is in its life. Phases are stored and recorded: a phase's name or meaning never changes.
type Phase string

// The phases. A deployment of the first two has not begun, one of the next three holds its lane or its watch, the others are final.
const (
	Waiting    Phase = "waiting"    // for a person or a time; see Deployment.Waits
	Held       Phase = "held"       // somebody holds it; others pass it by
	Deploying  Phase = "deploying"  // let through; it is under way, or about to be
	Watching   Phase = "watching"   // it succeeded and is watched, or its verification is awaited
	Unverified Phase = "unverified" // the same, after watch and grace passed and nobody said that it works
	Verified   Phase = "verified"   // it succeeded, and was verified as far as the policy asks
	Failed     Phase = "failed"     // it failed, timed out, or was found not to work
	Cancelled  Phase = "cancelled"
	Refused    Phase = "refused"   // the policy will not have it there
	Overtaken  Phase = "overtaken" // a later deployment brought what it would have brought
)

// Deployment is one deployment of one commit to one environment.
type Deployment struct {
	ID       string                 `json:"id"` // ours: unique in the repository, never reused; the key of its effects
	Commit   change.SHA             `json:"commit"`
	Number   change.Number          `json:"number,omitempty"` // the pull request that the commit came with; 0: none is known
	Phase    Phase                  `json:"phase"`
	Since    time.Time              `json:"since"`             // when the phase began
	QueuedAt time.Time              `json:"queued_at"`         // its place in the queue
	GitHub   int64                  `json:"github,omitempty"`  // the deployment there; 0: none yet
	Own      bool                   `json:"own,omitempty"`     // the deployment there is ours to make or was made by us; else it was adopted, or GitHub makes it
	Shown    change.DeploymentState `json:"shown,omitempty"`   // the last status known there
	LogURL   string                 `json:"log_url,omitempty"` // where its log is, as the last status that said so
	Deployer change.Account         `json:"deployer,omitzero"` // who asked for it or caused it, if anybody did
	Began    time.Time              `json:"began,omitzero"`    // let through
	Ended    time.Time              `json:"ended,omitzero"`    // succeeded or failed
	Changes  []Change               `json:"changes,omitempty"` // what ships with it: since the commit before; as of when it was let through
	From     change.SHA             `json:"from,omitempty"`    // the commit before; empty: it is the first
	Category change.Category        `json:"category,omitzero"` // the riskiest of them
	Monitor  time.Duration          `json:"monitor,omitempty"`
	High     bool                   `json:"high,omitempty"` // while it is watched the next one waits

	Say      *Say          `json:"say,omitempty"`      // somebody said that it may go: /change deploy
	Accepted []Say         `json:"accepted,omitempty"` // release approvals, one a person
	Override *Say          `json:"override,omitempty"` // of hours and freezes
	Asks     []Ask         `json:"asks,omitempty"`     // the gates that wait for it, or were answered
	Verified *Say          `json:"verified,omitempty"` // somebody said that it works
	Asked    time.Time     `json:"asked,omitzero"`     // when its deployer was asked whether it works
	Undoes   string        `json:"undoes,omitempty"`   // the ID of the deployment that it rolls back
	UndoneBy string        `json:"undone_by,omitempty"`
	Why      string        `json:"why,omitempty"`   // the reason of a rollback, a failure, a cancellation, in somebody's words or ours
	Class    Class         `json:"class,omitempty"` // of a rollback and of what it undoes
	Waits    Waits         `json:"waits,omitzero"`  // while it waits or is watched; of a refused one, why
	On       change.Number `json:"on,omitempty"`    // of a rollback, the pull request on which it was asked for
	Old      bool          `json:"old,omitempty"`   // a rollback further back than to what was verified last: it must be said and accepted

	Also     []int64                `json:"also,omitempty"`      // other deployments on GitHub that are this one: those that jobs make of themselves
	Dead     []int64                `json:"dead,omitempty"`      // those on GitHub that were this one, and came to nothing while it waited
	StatusAt time.Time              `json:"status_at,omitzero"`  // of the newest status by others that is known, by GitHub's clock
	StatusID int64                  `json:"status_id,omitempty"` // its id
	ShownAt  time.Time              `json:"shown_at,omitzero"`   // of the newest status by anybody, us included, that was told of
	ShownID  int64                  `json:"shown_id,omitempty"`
	Heard    time.Time              `json:"heard,omitzero"`    // when something was heard of it last
	Moved    time.Time              `json:"moved,omitzero"`    // when it was first seen under way without having been let through
	Success  int                    `json:"success,omitempty"` // its place among all that succeeded in the repository; 0: it did not
	Past     bool                   `json:"past,omitempty"`    // it was deployed past the policy
	Policy   string                 `json:"policy,omitempty"`  // the digest of the policy by which it was let through
	Floor    string                 `json:"floor,omitempty"`
	Record   bool                   `json:"record,omitempty"`    // the deployment on GitHub is made for the record: nothing is to be started by it
	TimedOut bool                   `json:"timed_out,omitempty"` // nothing was heard of it for too long
	GaveUp   string                 `json:"gave_up,omitempty"`   // why GitHub would not create it
	Mute     bool                   `json:"mute,omitempty"`      // GitHub takes no status for it
	Posts    int                    `json:"posts,omitempty"`     // how many statuses were to be posted on it by us, and are done with
	Posting  change.DeploymentState `json:"posting,omitempty"`   // the one that is to be posted: it may have been, without anybody knowing
	Silent   bool                   `json:"silent,omitempty"`    // the last that we posted was inactive, of which GitHub tells nobody: what is told of later may be older
	Stuck    bool                   `json:"stuck,omitempty"`     // it failed, and there was nothing to roll back to
}

// Class is why something is rolled back.
type Class string

// The classes. They are recorded: a class's name or meaning never changes.
const (
	Errors             Class = "errors"
	Degradation        Class = "degradation"
	Security           Class = "security"
	FailedVerification Class = "failed-verification"
	FailedDeployment   Class = "failed-deployment"
)

// Say is something that a person said by a command, or by a review of a gate.
type Say struct {
	By      change.Account `json:"by"`
	Role    string         `json:"role,omitempty"` // by which it counts
	At      time.Time      `json:"at"`
	Text    string         `json:"text,omitempty"`
	Comment int64          `json:"comment,omitempty"`
	Roles   []string       `json:"roles,omitempty"` // of a release approval: all that it can count for
}

// Ask is a job that waits at a gate.
type Ask struct {
	Key      string         `json:"key"`                // unique for the ask
	Callback string         `json:"callback,omitempty"` // of a protection rule; empty: the job asks again by itself
	Run      int64          `json:"run,omitempty"`
	Attempt  int            `json:"attempt,omitempty"`
	By       change.Account `json:"by,omitzero"`         // who caused the job
	OnGitHub bool           `json:"on_github,omitempty"` // GitHub itself makes a deployment of the job
	Told     []string       `json:"told,omitempty"`      // progress comments that a protection rule was sent or is to be: 9 at most
	Sent     int            `json:"sent,omitempty"`      // how many of them are done with
	Answer   Answer         `json:"answer,omitempty"`    // Go or No; empty: not yet
	Why      change.Text    `json:"why,omitempty"`       // of No: why, as it was then
	Answered bool           `json:"answered,omitempty"`  // GitHub took the answer
	At       time.Time      `json:"at"`                  // when it asked, of a job that asks by itself: last
}

// Answer is what a gate says.
type Answer string

// The answers.
const (
	Go     Answer = "go"
	No     Answer = "no"
	NotYet Answer = "not yet"
)

// Waits says what a deployment waits for.
type Waits struct {
	For   change.Text `json:"for"`             // a few words for people: "hours of production, line 12 of the policy", "somebody of release-manager"
	Until time.Time   `json:"until,omitzero"`  // when that is over; zero: when somebody does something
	Place int         `json:"place,omitempty"` // in the queue, 1 being next; 0: not queued
}

// Change is a change that ships.
type Change struct {
	Number       change.Number      `json:"number,omitempty"` // 0: a commit of no pull request that is known
	Commit       change.SHA         `json:"commit"`
	Title        string             `json:"title,omitempty"` // as somebody wrote it
	Category     change.Category    `json:"category,omitzero"`
	Underlying   change.Category    `json:"underlying,omitzero"` // of an emergency
	Green        bool               `json:"green"`               // it was merged with a green check, or its policy only observed
	Scheduled    time.Time          `json:"scheduled,omitzero"`  // not before
	Contributors []change.AccountID `json:"contributors,omitempty"`
}

// State is all that is remembered of a repository's deployments. Its JSON is stored: members are added, never renamed.
type State struct {
	Lanes map[string]*Lane `json:"lanes,omitempty"` // by the environment's name in lower case
	Last  int              `json:"last,omitempty"`  // the number that made the last ID
	// Successes counts the deployments that succeeded.
	Successes int `json:"successes,omitempty"`
	// Landed are the pull requests that landed last, oldest first: what a command on one of them is about.
	Landed []Landing `json:"landed,omitempty"`
	// Given are the commands that were carried out or refused last, oldest first, so that one that is told again is answered alike.
	Given []Reply `json:"given,omitempty"`
	// Ended are the workflow runs that ended last, oldest first.
	Ended []change.RunEnded `json:"ended,omitempty"`
}

// Landing is a pull request that landed.
type Landing struct {
	Number change.Number  `json:"number"`
	Commit change.SHA     `json:"commit"`
	By     change.Account `json:"by"`
}

// Lane is an environment.
type Lane struct {
	Environment string        `json:"environment"` // as the policy, or whoever deployed to it, writes it
	Deployments []*Deployment `json:"deployments"` // oldest first; of those that ended long ago only what may be needed is kept
	Freezes     []ByCommand   `json:"freezes,omitempty"`
}

// ByCommand is a freeze that somebody declared.
type ByCommand struct {
	Say
	Until time.Time `json:"until"`
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

// Facts is what was read.
type Facts struct {
	Commits map[change.SHA]Commit
	Batches map[Span]Batch
	Checks  map[change.SHA][]change.Check
}

// Needs is what must be read before a turn can go on. The shell reads it and takes the turn again from the start.
type Needs struct {
	Commits []change.SHA
	Batches []Span
	Checks  []change.SHA
}

// IsEmpty says whether nothing more need be read.
func (n Needs) IsEmpty() bool { return len(n.Commits)+len(n.Batches)+len(n.Checks) == 0 }

// Order is a command about deployments, by somebody whose comment is as it was sent.
type Order struct {
	change.Command
	Verb        string    // deploy, deployed, accept, override, freeze, thaw, verified, rollback, queue, hold, cancel, start
	Environment string    // empty where the command may leave it out and did
	Version     string    // of rollback: the beginning of a commit's name; empty: the last verified
	Class       Class     // of rollback; empty: errors
	Until       time.Time // of freeze
	Reason      string
	May         bool        // whoever gave it may
	Unknown     bool        // whether they may could not be found out
	Role        string      // by which it counts
	Who         change.Text // who may
	// Holds are, of accept, the roles of the environment's release approvals that they hold; of verified, the role of its verification if
	// they hold that. With verified and no environment: those of all environments.
	Holds []string
	// Commit is what the pull request became on its branch; empty: it has not landed, or that is left to what was told with Landed.
	Commit change.SHA
}

// Reply is what becomes of an order.
type Reply struct {
	Comment int64         `json:"comment"`
	Number  change.Number `json:"number"` // where it was given
	Done    bool          `json:"done,omitempty"`
	Says    change.Text   `json:"says"`              // why not, or what was asked for, in sentences; empty: the reaction says it all
	Outcome string        `json:"outcome,omitempty"` // for the record
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
	Environment string
	Commit      change.SHA
	Payload     json.RawMessage        // of CreateDeployment: an object whose member changegate is the deployment's ID
	Task        string                 // of CreateDeployment: TaskDeploy, or TaskRecord
	GitHub      int64                  // of PostStatus
	State       change.DeploymentState // of PostStatus
	Says        change.Text            // the description, 140 characters; or the rule's comment, 1,024
	Number      change.Number          // the pull request that a log URL may lead to
	Callback    string                 // of AnswerRule
	Ask         string                 // of AnswerRule: the ask's key
	Answer      Answer                 // of AnswerRule; NotYet is a progress comment
}

// The tasks with which deployments are created on GitHub.
const (
	TaskDeploy = "deploy"
	// TaskRecord is that of a deployment which something else carries out, or did: workflows that are started by deployments leave it alone.
	TaskRecord = "changegate:record"
)

// Entry is evidence of a step.
type Entry struct {
	Step        string         `json:"step"` // "queued", "let through", "succeeded", "verified", …
	Deployment  Deployment     `json:"deployment"`
	Environment string         `json:"environment"`
	By          change.Account `json:"by,omitzero"`
	Says        string         `json:"says,omitempty"`
}

// Prompt asks somebody for something, in a comment on a pull request.
type Prompt struct {
	Key    string
	Number change.Number
	Says   change.Text // names whom it asks as change.Login; the shell mentions them
	Of     []change.Account
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
