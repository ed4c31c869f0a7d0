package release

import (
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Turn is one look at a repository's deployments. What happened is told to it in the order in which it happened, as far as that is known; End
// then says what follows. A turn is taken once: when its Needs are read, it is taken again from the same state, told the same.
type Turn struct {
	state State
	rules Rules
	facts Facts
	now   time.Time
	app   change.AppID
	out   Outcome
}

// Take begins a turn. It changes nothing in state, rules and facts. App is our own: what it created on GitHub is known by that. Now may be
// before that of an earlier turn.
func Take(state State, rules Rules, facts Facts, now time.Time, app change.AppID) *Turn {
	return &Turn{state: state.clone(), rules: rules, facts: facts, now: now, app: app}
}

// Landed tells that a pull request was merged into a governed branch.
func (t *Turn) Landed(l change.Landed) {}

// Deployment tells that there is a deployment on GitHub.
func (t *Turn) Deployment(d change.Deployment) {}

// Status tells that a status was posted on a deployment on GitHub. It may be told in any order, and more than once.
func (t *Turn) Status(s change.DeploymentStatus) {}

// Rule tells that a deployment protection rule asks; key is unique for the request.
func (t *Turn) Rule(key string, r change.RuleAsked) {}

// Gate tells that a job asks at the gate.
func (t *Turn) Gate(g change.GateAsked) {}

// Run tells that a workflow run ended.
func (t *Turn) Run(r change.RunEnded) {}

// Order tells of a command.
func (t *Turn) Order(o Order) {}

// End advances all that time, rules and people permit, and says what should be true now. Nothing may be told afterwards.
func (t *Turn) End() Outcome {
	t.out.State = t.state
	return t.out
}
