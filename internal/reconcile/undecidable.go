package reconcile

import (
	"context"
	"errors"
	"net/http"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// tellLacking has the head's check say which call GitHub does not answer as it should, if that is what failed time and again while the pull request is
// there: a check that is missing for ever tells nobody why. A green is left as it is; what it rests on was read. The run is to be repeated all the
// same, because what is lacking may come.
func (r *run) tellLacking(ctx context.Context, head change.SHA, cause error, again bool) error {
	w := &r.main.work
	if w.Failures < tellsLacking || !isLacking(cause) {
		return nil
	}
	p, err := r.github.Pull(ctx, w.Repository, w.Key.Number, r.github.Began())
	if err != nil || p.State != change.Open || p.Head.SHA != head || p.Base.Name != w.Snapshot.Base.Name {
		return nil // the cause says enough, or it has moved on
	}
	posted, err := r.Store.CheckRun(ctx, w.Key.Repository, head)
	if err != nil || posted != nil && posted.IsGreen() {
		return err
	}
	d := unread(w.Key, head, change.Requirement{
		Short: change.Words("GitHub does not show all of the change"), Found: change.Quote(cause.Error()),
		Next: change.Say(change.Words("it is asked again each minute; if this stays, whoever runs the server finds out why GitHub does not answer this call, then comment "),
			change.Code("/change refresh")),
	})
	d.Base = w.Snapshot.Base.Name
	r.main.decision = keepKnown(d, w.Decision)
	_, err = r.show(ctx, head, []*subject{r.main}, again)
	return err
}

// isLacking says whether GitHub answered a read, but not with what was asked for.
func isLacking(err error) bool {
	var missing *github.NotFound
	var unavailable *github.Unavailable
	return errors.As(err, &missing) || errors.As(err, &unavailable) && unavailable.Status == http.StatusOK && !unavailable.MayHaveHappened
}

// undecidable returns the decision that says what GitHub refuses to show, if that is what the error means. Waiting alone does not mend it,
// unlike an outage, and a check that is missing for ever tells nobody why. It is not red, because the author cannot mend it.
func undecidable(err error, key change.PullKey, head change.SHA) (change.Decision, bool) {
	var forbidden *github.Forbidden
	var rejected *github.Rejected
	requirement := change.Requirement{Short: change.Words("GitHub refuses to show the change")}
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
	return unread(key, head, requirement), true
}

// unread returns a decision that waits for what could not be read.
func unread(key change.PullKey, head change.SHA, why change.Requirement) change.Decision {
	why.Kind, why.State, why.Name = change.KindLimits, change.Blocked, change.Words("Readable on GitHub")
	return change.Decision{
		Pull: key, Head: head, Governed: true, Verdict: change.Waiting, Requirements: []change.Requirement{why}, Matches: []change.Match{},
	}
}
