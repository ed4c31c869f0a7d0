package change

import "time"

// CheckState is how a check run or commit status stands.
type CheckState string

// The states of a check. Everything that GitHub may say and that is not listed here is read as CheckFailure once it has
// ended and as CheckPending before.
const (
	CheckPending CheckState = "pending"
	CheckSuccess CheckState = "success"
	CheckNeutral CheckState = "neutral"
	CheckSkipped CheckState = "skipped"
	CheckFailure CheckState = "failure" // failure, error, cancelled, timed_out, action_required, startup_failure, stale
)

// Check is one check run or commit status on a head SHA, never one of ours.
type Check struct {
	Name     string     `json:"name"` // a check run's name, or a commit status' context
	State    CheckState `json:"state"`
	App      string     `json:"app,omitempty"` // the slug of the App that posted the check run; empty for a commit status
	AppID    AppID      `json:"app_id,omitempty"`
	Status   bool       `json:"status,omitempty"` // a commit status and not a check run
	Creator  Account    `json:"creator,omitzero"` // who posted a commit status
	Workflow string     `json:"workflow,omitempty"`
	Suite    int64      `json:"suite,omitempty"` // the check suite's id, 0 for a commit status
	RunID    int64      `json:"run_id,omitempty"`
	URL      string     `json:"url,omitempty"`
	At       time.Time  `json:"at,omitzero"`
}
