package reconcile

import (
	"errors"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// undecidable returns the decision that says what GitHub refuses to show, if that is what the error means. Waiting alone does not mend it,
// unlike an outage, and a check that is missing for ever tells nobody why. It is not red, because the author cannot mend it.
func undecidable(err error, key change.PullKey, head change.SHA) (change.Decision, bool) {
	var forbidden *github.Forbidden
	var rejected *github.Rejected
	requirement := change.Requirement{
		Kind: change.KindLimits, State: change.Blocked, Name: change.Words("Readable on GitHub"), Short: change.Words("GitHub refuses to show the change"),
	}
	switch {
	case errors.As(err, &forbidden):
		requirement.Found = change.Quote(err.Error())
		requirement.Next = change.Say(change.Words("an owner of the organization grants the App what its settings ask for"),
			change.Words(", then comment "), change.Code("/change refresh"))
	case errors.As(err, &rejected):
		requirement.Found = change.Quote(err.Error())
		requirement.Next = change.Say(change.Words("fix what GitHub names, then comment "), change.Code("/change refresh"))
	default:
		return change.Decision{}, false
	}
	return change.Decision{
		Pull: key, Head: head, Governed: true, Verdict: change.Waiting,
		Requirements: []change.Requirement{requirement}, Matches: []change.Match{},
	}, true
}
