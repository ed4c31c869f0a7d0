package release

import (
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Phase is where a deployment is in its life. Phases are stored and recorded: a phase's name or meaning never changes.
type Phase string

// The phases. In the first two a deployment has not begun; in the next three it is under way or watched; the others are final.
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

// Deployment is one deployment of one commit to one environment: what goes there, how far it is, and what it waits for. Its parts say the rest.
// Its JSON is flat and stored: members may be added, never renamed.
type Deployment struct {
	ID       string         `json:"id"` // ours: unique in the repository, never reused; the key of its effects
	Commit   change.SHA     `json:"commit"`
	Number   change.Number  `json:"number,omitempty"`  // the pull request that the commit came with; 0: none is known
	Deployer change.Account `json:"deployer,omitzero"` // who asked for it or caused it, if anybody did
	Phase    Phase          `json:"phase"`
	Since    time.Time      `json:"since"`           // when the phase began
	Why      string         `json:"why,omitempty"`   // the reason of a rollback, a failure, a cancellation, in somebody's words or ours
	Class    Class          `json:"class,omitempty"` // of a rollback and of what failed, what kind of reason that is
	QueuedAt time.Time      `json:"queued_at"`       // its place in the queue
	Waits    Waits          `json:"waits,omitzero"`  // while it waits or is watched; of a refused one, why
	Asks     []Ask          `json:"asks,omitempty"`  // the gates that wait for it, or were answered
	Shipment
	Consent
	Course
	Watch
	Rollback
	OnGitHub
	Posts
}

// Shipment is what ships with a deployment, as of when it was let through.
type Shipment struct {
	Changes  []Change        `json:"changes,omitempty"` // since the commit before
	From     change.SHA      `json:"from,omitempty"`    // the commit before; empty: it is the first
	Category change.Category `json:"category,omitzero"` // the riskiest of them
}

// Consent is what people said of a deployment that was to go.
type Consent struct {
	GoAhead  *Say  `json:"say,omitempty"`      // somebody said that it may go: /change deploy
	Lapsed   *Say  `json:"lapsed,omitempty"`   // the last say of that kind which a rollback took away
	Started  *Say  `json:"started,omitempty"`  // somebody had it queued again: /change start
	Accepted []Say `json:"accepted,omitempty"` // release approvals, one a person
	Override *Say  `json:"override,omitempty"` // of hours and freezes
	Prompted bool  `json:"called,omitempty"`   // people were told that nothing but their say is missing
}

// Course is how a deployment was let through, and how it went.
type Course struct {
	Began          time.Time `json:"began,omitzero"`      // let through
	Policy         string    `json:"policy,omitempty"`    // the digest of the policy by which it was let through
	Floor          string    `json:"floor,omitempty"`     // the same of the owner's
	BypassedPolicy bool      `json:"past,omitempty"`      // it was deployed past the policy
	SeenUnderWay   time.Time `json:"moved,omitzero"`      // when it was first seen under way without having been let through
	LastHeard      time.Time `json:"heard,omitzero"`      // when something was heard of it last
	TimedOut       bool      `json:"timed_out,omitempty"` // nothing was heard of it for too long
	Ended          time.Time `json:"ended,omitzero"`      // succeeded or failed
	BeganStep      int       `json:"step,omitempty"`      // its place among all that began or succeeded in the repository; 0: it did not begin
	SucceededStep  int       `json:"success,omitempty"`   // the same of its success; 0: it did not succeed
}

// Watch is how it is found out whether what was deployed works.
type Watch struct {
	Monitor       time.Duration `json:"monitor,omitempty"`  // how long it is watched at least, from its success on
	High          bool          `json:"high,omitempty"`     // while it is watched the next one waits
	AskedToVerify time.Time     `json:"asked,omitzero"`     // when its deployer was asked whether it works
	Verified      *Say          `json:"verified,omitempty"` // somebody said that it works
}

// Rollback is what a deployment takes back, and what takes it back.
type Rollback struct {
	Undoes             string          `json:"undoes,omitempty"`    // the ID of the deployment that it rolls back; empty: it is no rollback
	TakesOff           []change.Number `json:"takes_off,omitempty"` // the pull requests whose changes it takes off, so that it is evidence about each
	AskedOn            change.Number   `json:"on,omitempty"`        // the pull request on which it was asked for, or that came with what failed
	BeforeLastVerified bool            `json:"old,omitempty"`       // it goes further back than to what was verified last: it must be said and accepted

	UndoneBy            string `json:"undone_by,omitempty"` // the ID of the rollback of this one
	NothingToRollBackTo bool   `json:"stuck,omitempty"`     // it failed, and no earlier version was verified
}

// Posts is what became of the statuses that we post on a deployment.
type Posts struct {
	TakesNoStatus bool                   `json:"mute,omitempty"`     // GitHub refuses them
	PostsDone     int                    `json:"posts,omitempty"`    // how many were to be posted, and are done with
	Posting       change.DeploymentState `json:"posting,omitempty"`  // the one that is to be posted: it may have been, without anybody knowing
	PostKey       string                 `json:"post_key,omitempty"` // that of the effect which is to post it
}

// Class is how a deployment failed, or why it is rolled back.
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
	Roles   []string       `json:"roles,omitempty"` // of a release approval: what it could count for then; it counts for what is held when it is needed
}

// Ask is a job that waits at a gate.
type Ask struct {
	Key      string         `json:"key"`                // unique for the ask
	Callback string         `json:"callback,omitempty"` // of a protection rule; empty: the job asks again by itself
	Named    string         `json:"named,omitempty"`    // of a protection rule: the environment, as GitHub writes it
	GitHub   int64          `json:"github,omitempty"`   // the job's deployment on GitHub; 0: none, or GitHub did not say
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
	Never bool        `json:"never,omitempty"` // waiting alone does not bring it: For says why it cannot go
}

// phrase says what is waited for, or why waiting is in vain, as the end of a sentence about a deployment.
func (w Waits) phrase(now time.Time) change.Text {
	says := change.Say(change.Words("waits for "), w.For)
	if w.Never {
		says = change.Say(change.Words("cannot go: "), w.For)
	}
	if !w.Until.IsZero() {
		says = change.Say(says, change.Words(", until "+change.Moment(w.Until, now)))
	}
	return says
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
	Approvers    []string           `json:"approvers,omitempty"` // the logins of those whose approvals counted when it was merged
}

// State is all that is remembered of a repository's deployments. Its JSON is stored: members are added, never renamed.
type State struct {
	Tracks map[string]*Track `json:"lanes,omitempty"` // by the environment's name in lower case
	Last   int               `json:"last,omitempty"`  // the number that made the last ID
	// Steps counts the beginnings and successes of deployments, which are ordered by it: clocks may go back.
	Steps int `json:"steps,omitempty"`
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

// Track is an environment as it was deployed to: what waits for it, is under way, is there, and came before.
type Track struct {
	Environment string        `json:"environment"` // as the policy, or whoever deployed to it, writes it
	Deployments []*Deployment `json:"deployments"` // oldest first; of those that ended long ago only what may be needed is kept
	Freezes     []ByCommand   `json:"freezes,omitempty"`
}

// ByCommand is a freeze that somebody declared.
type ByCommand struct {
	Say
	Until time.Time `json:"until"`
}
