package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// Identities remembers which account a name was first resolved to; see store.Store.
type Identities interface {
	RememberIdentity(ctx context.Context, kind, scope, name string, id int64) (kept int64, err error)
}

// result is what is kept of an effect that was done. It is stored: members may be added, not renamed.
type result struct {
	RunID int64 `json:"run_id,omitempty"`
}

// apply carries out effects in order. Each is intended in the store before GitHub hears of it and completed after, so that a crash
// between the two is found and nothing is done twice. A refusal ends its effect and not the run, where the run can do without.
func (r *run) apply(ctx context.Context, effects []plan.Effect) error {
	for _, e := range effects {
		if err := r.applyOne(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.Kind, err)
		}
	}
	return nil
}

func (r *run) applyOne(ctx context.Context, e plan.Effect) error {
	known, fresh, err := r.store.Intend(ctx, store.Intent{Key: e.Key, Kind: string(e.Kind), Pull: e.Pull, Head: e.Head, Body: e, Lease: r.lease})
	if err != nil {
		return err
	}
	var done result
	switch known.State {
	case store.EffectDone:
		// Done before a crash that lost only what follows from it.
		if err := json.Unmarshal(known.Result, &done); err != nil {
			return err
		}
		return r.after(ctx, e, done)
	case store.EffectFailed:
		return nil
	}
	if !fresh {
		before, err := r.find(ctx, e)
		if err != nil {
			return err
		}
		if before != nil {
			return r.complete(ctx, e, *before)
		}
	}
	// The last moment to notice that another has taken over.
	if err := r.store.Check(ctx, r.lease); err != nil {
		return err
	}
	done, err = r.act(ctx, e)
	if refused(err) && (e.Kind == plan.RequestReview || e.Kind == plan.React) {
		// The team has no access to the repository, the plan has no team reviews, the comment was deleted. The check run says
		// what is needed all the same; asking again would not help.
		r.log.Warn().Err(err).Stringer("effect", e).Msg("GitHub refused")
		return r.store.FailEffect(ctx, e.Key, err.Error())
	}
	var completed *github.AlreadyCompleted
	if errors.As(err, &completed) {
		// Somebody or something else completed it. What GitHub has is what the next plan starts from: a new run.
		if err := r.store.FailEffect(ctx, e.Key, err.Error()); err != nil {
			return err
		}
		return errors.Join(errMoved, r.store.SaveCheckRun(ctx, found(e.Pull, completed.Run)))
	}
	if err != nil {
		return err
	}
	return r.complete(ctx, e, done)
}

// found is a check run of ours as GitHub has it; what decision is behind it is not known.
func found(pull change.PullKey, c github.CheckRun) store.CheckRun {
	return store.CheckRun{
		Repository: pull.Repository, Head: c.Head, Number: pull.Number, ExternalID: c.ExternalID,
		Posted: plan.Posted{
			RunID: c.ID, Status: plan.Status(c.Status), Conclusion: plan.Conclusion(c.Conclusion), CreatedAt: c.StartedAt, Written: c.ExternalID,
		},
	}
}

// refused says whether GitHub understood and will not, now or later.
func refused(err error) bool {
	var rejected *github.Rejected
	var forbidden *github.Forbidden
	var missing *github.NotFound
	return errors.As(err, &rejected) || errors.As(err, &forbidden) || errors.As(err, &missing)
}

func (r *run) complete(ctx context.Context, e plan.Effect, done result) error {
	if err := r.store.Complete(ctx, e.Key, done); err != nil {
		return err
	}
	return r.after(ctx, e, done)
}

// after keeps what follows from an effect that was done.
func (r *run) after(ctx context.Context, e plan.Effect, done result) error {
	if e.Kind != plan.CreateCheckRun && e.Kind != plan.UpdateCheckRun {
		return nil
	}
	created := r.github.Now()
	if before, err := r.store.CheckRun(ctx, e.Pull.Repository, e.Head); err != nil {
		return err
	} else if before != nil && before.RunID == done.RunID {
		created = before.CreatedAt
	}
	return r.store.SaveCheckRun(ctx, store.CheckRun{
		Repository: e.Pull.Repository, Head: e.Head, Number: e.Pull.Number, ExternalID: e.Key,
		Posted: plan.Posted{
			RunID: done.RunID, Status: e.Output.Status, Conclusion: e.Output.Conclusion, Digest: e.Digest, CreatedAt: created, Written: e.Key,
		},
	})
}

// act makes the call. The GitHub client is the only one who knows how.
func (r *run) act(ctx context.Context, e plan.Effect) (result, error) {
	repo := r.main.work.Repository
	write := func() github.CheckRunWrite {
		return github.CheckRunWrite{Head: e.Head, Output: *e.Output, ExternalID: e.Key}
	}
	switch e.Kind {
	case plan.CreateCheckRun:
		made, err := r.github.CreateCheckRun(ctx, repo, write())
		return result{RunID: made.ID}, err
	case plan.UpdateCheckRun:
		made, err := r.github.UpdateCheckRun(ctx, repo, e.RunID, write())
		return result{RunID: made.ID}, err
	case plan.RequestReview:
		return result{}, r.github.RequestReviewers(ctx, repo, e.Pull.Number, e.Teams, e.Users)
	case plan.React:
		return result{}, r.github.React(ctx, repo, e.Comment, e.Body)
	default:
		return result{}, fmt.Errorf("no way to do %q", e.Kind)
	}
}

// find looks whether an effect whose result was lost has happened. What may be done twice without harm is not looked for: an update
// that says the same, a reaction that is there already, a request that is still open.
func (r *run) find(ctx context.Context, e plan.Effect) (*result, error) {
	if e.Kind != plan.CreateCheckRun {
		return nil, nil
	}
	runs, err := r.github.OwnRuns(ctx, r.main.work.Repository, e.Head, r.github.Began())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(runs, func(c github.CheckRun) bool { return c.ExternalID == e.Key })
	if i < 0 {
		return nil, nil
	}
	return &result{RunID: runs[i].ID}, nil
}

// posted returns our check run on a head: as the store has it, or as GitHub lists it where the store may have lost it.
func (r *run) posted(ctx context.Context, head change.SHA) (*plan.Posted, error) {
	w := &r.main.work
	held, err := r.store.CheckRun(ctx, w.Key.Repository, head)
	if err != nil {
		return nil, err
	}
	if held != nil {
		return asPosted(held), nil
	}
	if slices.ContainsFunc(w.Pushes, func(p change.Push) bool { return p.After == head }) {
		return nil, nil // it arrived under our eyes, so that what we did since is in the store
	}
	runs, ok := r.seen[head]
	if !ok {
		if runs, err = r.github.OwnRuns(ctx, w.Repository, head, r.github.Began()); err != nil {
			return nil, err
		}
	}
	if len(runs) == 0 {
		return nil, nil
	}
	newest := found(w.Key, runs[0])
	if err := r.store.SaveCheckRun(ctx, newest); err != nil {
		return nil, err
	}
	return &newest.Posted, nil
}

func asPosted(c *store.CheckRun) *plan.Posted {
	p := c.Posted
	p.Written = c.ExternalID
	return &p
}
