package change

import (
	"slices"
	"time"
)

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

// RunState reads a check run's status and conclusion, in GitHub's words, strictly: what is not known to be harmless has failed.
func RunState(status, conclusion string) CheckState {
	if status != "completed" {
		return CheckPending
	}
	switch conclusion {
	case "success":
		return CheckSuccess
	case "neutral":
		return CheckNeutral
	case "skipped":
		return CheckSkipped
	default:
		return CheckFailure
	}
}

// StatusState reads a commit status' state, in GitHub's words, as strictly: failure, error, and whatever else there may be one day.
func StatusState(state string) CheckState {
	switch state {
	case "success":
		return CheckSuccess
	case "pending":
		return CheckPending
	default:
		return CheckFailure
	}
}

// LatestRuns leaves out the check runs that a re-run replaced: of one name in one suite only the latest counts, as for GitHub's own
// required checks. Commit statuses stay as they are.
func LatestRuns(checks []Check) []Check {
	type place struct {
		name  string
		suite int64
	}
	latest := map[place]int64{}
	for _, c := range checks {
		if p := (place{c.Name, c.Suite}); !c.Status {
			latest[p] = max(latest[p], c.RunID)
		}
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool {
		return !c.Status && c.RunID < latest[place{c.Name, c.Suite}]
	})
}

// Check is one check run or commit status on a head SHA, never one of ours.
type Check struct {
	Name     string     `json:"name"` // a check run's name, or a commit status' context
	State    CheckState `json:"state"`
	App      string     `json:"app,omitempty"` // the slug of the App that posted the check run; empty for a commit status
	AppID    AppID      `json:"app_id,omitempty"`
	Status   bool       `json:"status,omitempty"`   // a commit status and not a check run
	Creator  Account    `json:"creator,omitzero"`   // who posted a commit status
	Workflow string     `json:"workflow,omitempty"` // the path of the workflow file that posted it, without a ref; empty where none did or it is not known
	Suite    int64      `json:"suite,omitempty"`    // the check suite's id, 0 for a commit status
	RunID    int64      `json:"run_id,omitempty"`
	URL      string     `json:"url,omitempty"`
	At       time.Time  `json:"at,omitzero"`
	Started  time.Time  `json:"started,omitzero"` // when the check run began; zero: that is not known
}
