package policy

import (
	"github.com/changegate/changegate/internal/change"
)

// rejectionRows returns a requirement for each rejection that stands. None of them lapses with a push, and an emergency does not pass it.
func (q *inquiry) rejectionRows() []change.Requirement {
	var rows []change.Requirement
	for _, r := range q.facts.Rejections {
		if !r.Withdrawn.IsZero() {
			continue
		}
		by := change.Say(change.Words("rejected by "), change.Login(r.By))
		rows = append(rows, change.Requirement{
			Kind: change.KindRejection, State: change.Failed, By: []change.Account{r.By},
			Name: change.Words("No rejection"), Short: by,
			Found: change.Say(by, change.Words(": "), change.Quote(r.Reason)),
			Next:  change.Say(change.Login(r.By), change.Words(" or "), q.otherHolders(r.Role), change.Words(" comments "), change.Code("/change withdraw")),
		})
	}
	return rows
}
