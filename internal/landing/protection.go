package landing

import (
	"context"
	"errors"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// protectionEvery is how often it is looked whether our check is required.
const protectionEvery = 24 * time.Hour

// protectionState is what is remembered of whether our check is required on a branch. It is stored: members may be added, not renamed.
type protectionState struct {
	Required bool      `json:"required"`
	Pinned   bool      `json:"pinned"`
	Since    time.Time `json:"since"` // since when it is so
	// Problem is why it could not be read, the last time; the others are then as they were before. Empty: it was read.
	Problem string `json:"problem,omitempty"`
}

// holds says whether nothing could be merged without our check.
func (s protectionState) holds() bool { return s.Required && s.Pinned }

// look returns what is to be remembered after a look, and whether that differs from before. Lapsed says that our check was required and
// pinned, and is not any more: what was never so, and what cannot be read, is no exception.
func (s protectionState) look(seen github.RequiredCheck, now time.Time) (next protectionState, changed, lapsed bool) {
	is := protectionState{Required: seen.Required, Pinned: seen.Pinned, Since: now}
	if !is.holds() && seen.Problem != "" {
		next = s
		next.Problem = seen.Problem
		return next, s.Problem != seen.Problem, false
	}
	if !s.Since.IsZero() && s.Required == is.Required && s.Pinned == is.Pinned {
		is.Since = s.Since
		return is, s.Problem != "", false
	}
	return is, true, s.holds() && !is.holds()
}

// protectionBody is the body of the ledger's entries about protections. Members may be added; their names and meanings never change.
type protectionBody struct {
	Branch string `json:"branch"`
	protectionState
}

func (r *run) protection(ctx context.Context) (queue.Result, error) {
	repo, branch := r.work.Repository, r.work.Errand.Name
	var state protectionState
	if err := r.remembered(&state); err != nil {
		return queue.Result{}, err
	}
	rules, there, err := r.rules(ctx)
	if github.IsRefusal(err) {
		return r.refused(err), nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	if !rules.Governed && !rules.Unusable {
		return queue.Result{}, nil
	}
	again := queue.Result{RecheckAt: r.Clock().Add(protectionEvery)}
	if !there {
		return again, nil // that is another errand's affair
	}
	seen, err := r.github.RequiredCheck(ctx, repo, branch, r.CheckName, r.github.Began())
	var missing *github.NotFound
	if errors.As(err, &missing) {
		return again, nil // it went just now
	}
	if github.IsRefusal(err) {
		return r.refused(err), nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	next, changed, lapsed := state.look(seen, r.github.Now())
	if !changed {
		return again, nil
	}
	r.log.Info().Bool("required", next.Required).Bool("pinned", next.Pinned).Str("problem", next.Problem).Msg("whether the check is required")
	save := store.ErrandSave{State: next, Entries: []ledger.Draft{{
		Kind: ledger.ProtectionChanged, Subject: ledger.Subject{Repository: int64(repo.ID)}, Body: protectionBody{branch, next},
	}}}
	if lapsed {
		draft, raised := Found(r.unprotected(state, next), rules.Observing)
		save.Entries, save.Raise = append(save.Entries, draft), raised
	}
	return again, r.save(ctx, save)
}

// unprotected is the exception of a protection that lapsed: one for each time that it held.
func (r *run) unprotected(was, is protectionState) change.Exception {
	repo, branch := r.work.Repository, r.work.Errand.Name
	what := change.Say(change.Words("The check "), change.Code(r.CheckName), change.Words(" is no longer required on "), change.Code(branch),
		change.Words(": a pull request can be merged there without it."))
	if is.Required {
		what = change.Say(change.Words("The check "), change.Code(r.CheckName), change.Words(" is required on "), change.Code(branch),
			change.Words(", but no longer from this App alone: whoever may write commit statuses can post a green one."))
	}
	return change.Exception{
		Key:  keyOf(change.Unprotected, repo.ID, branch, was.Since.UnixMicro()),
		Kind: change.Unprotected, Repository: repo.ID, Branch: branch, At: is.Since, What: what,
	}
}
