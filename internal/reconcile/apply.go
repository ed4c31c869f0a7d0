package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/fence"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// Identities remembers which account a name was first resolved to; see store.Store.
type Identities interface {
	Identity(ctx context.Context, kind, scope, name string) (id int64, known bool, err error)
	RememberIdentity(ctx context.Context, kind, scope, name string, id int64) (kept int64, err error)
}

// result is what is kept of an effect that was done. It is stored: members may be added, not renamed.
type result struct {
	RunID   int64 `json:"run_id,omitempty"`
	Comment int64 `json:"comment,omitempty"`
}

// apply carries out effects in order. Each is intended in the store before GitHub hears of it and completed after, so that a crash
// between the two is found and nothing is done twice. A refusal ends its effect and not the run, where the run can do without. One that is too
// early does not keep the others from being carried out; it is the error that is returned after them.
func (r *run) apply(ctx context.Context, effects []plan.Effect) error {
	var later error
	for _, e := range effects {
		err := r.applyOne(ctx, e)
		if err != nil {
			err = fmt.Errorf("%s: %w", e.Kind, err)
		}
		if early := new(effect.Early); errors.As(err, &early) {
			later = cmp.Or(later, err)
		} else if err != nil {
			return err
		}
	}
	return later
}

func (r *run) applyOne(ctx context.Context, e plan.Effect) error {
	if e.Head != "" && r.lease.Name != store.HeadLease(e.Pull.Repository, e.Head) {
		return fmt.Errorf("it is about %s, and this run may write to %q only", e.Head.Short(), r.lease.Name)
	}
	intent := store.Intent{Key: e.Key, Kind: string(e.Kind), Pull: e.Pull, Head: e.Head, Body: e, Lease: r.lease}
	if !writesCheckRun(e.Kind) {
		return r.applyEffectOnce(ctx, intent, e)
	}
	known, _, err := r.Store.Intend(ctx, intent)
	if err != nil {
		return err
	}
	if known.State != store.EffectIntended {
		return nil
	}
	// If an earlier run intended it, that write was found not to have happened (see settle), and is done now. Another run may have taken over the
	// head meanwhile: that is asked now, and again just before the bytes leave, which may be later.
	ctx = fence.With(ctx, func(ctx context.Context) error { return r.Store.Attempt(ctx, e.Key, r.lease) })
	if err := fence.Ask(ctx); err != nil {
		return err
	}
	done, err := r.act(ctx, e)
	old := e.Head != r.main.work.Snapshot.Head.SHA
	if github.IsRefusal(err) && old { // its run is gone; asking again would not help
		r.log.Warn().Err(err).Stringer("effect", e).Msg("GitHub refused")
		return r.Store.FailEffect(ctx, e.Key, err.Error())
	}
	var completed *github.AlreadyCompleted
	if errors.As(err, &completed) {
		// Somebody or something else completed it. What GitHub has is what the next plan starts from: a new run.
		if err := r.Store.FailEffect(ctx, e.Key, err.Error()); err != nil {
			return err
		}
		return errors.Join(errMoved, r.Store.SaveCheckRun(ctx, found(e.Pull, completed.Run)))
	}
	if err != nil {
		return err
	}
	return r.complete(ctx, e, done)
}

// applyEffectOnce carries out an effect that does not write the check run. Only a comment is looked for before it is repeated: a reaction or a
// request for a review that is there already does no harm.
func (r *run) applyEffectOnce(ctx context.Context, intent store.Intent, e plan.Effect) error {
	do := effect.Action[result]{
		Do: func(ctx context.Context) (result, error) { return r.act(ctx, e) },
		// The team has no access to the repository, the plan has no team reviews, the comment was deleted. Asking again would not help; of a review
		// the next decision says that nobody was asked.
		Refused: github.IsRefusal,
	}
	if e.Kind == plan.Comment {
		do.Find = func(ctx context.Context, since time.Time) (result, bool, error) {
			id, found, err := r.github.FindComment(ctx, r.main.work.Repository, e.Pull.Number, github.Marker(e.Key), since)
			return result{Comment: id}, found, err
		}
	}
	_, err := effect.Once(ctx, r.Store, intent, do)
	if failed := new(effect.Failed); errors.As(err, &failed) {
		r.log.Warn().Err(err).Stringer("effect", e).Msg("GitHub refused")
		if e.Kind == plan.RequestReview {
			r.lookAt = r.github.Now()
		}
		return nil
	}
	return err
}

// found is a check run of ours as GitHub has it; what decision is behind it is not known.
func found(pull change.PullKey, c github.CheckRun) store.CheckRun {
	return store.CheckRun{
		Repository: pull.Repository, Head: c.Head, Number: pull.Number, ExternalID: c.ExternalID,
		Posted: plan.Posted{
			RunID: c.ID, Status: plan.Status(c.Status), Conclusion: plan.Conclusion(c.Conclusion), CreatedAt: c.StartedAt,
		},
	}
}

// writesCheckRun says whether an effect writes our check run.
func writesCheckRun(k plan.Kind) bool { return k == plan.CreateCheckRun || k == plan.UpdateCheckRun }

// complete notes that a check run was written, with what it is now.
func (r *run) complete(ctx context.Context, e plan.Effect, done result) error {
	created := r.github.Now()
	if before, err := r.Store.CheckRun(ctx, e.Pull.Repository, e.Head); err != nil {
		return err
	} else if before != nil && before.RunID == done.RunID {
		created = before.CreatedAt
	}
	return r.Store.CompleteCheckRun(ctx, e.Key, done, store.CheckRun{
		Repository: e.Pull.Repository, Head: e.Head, Number: e.Pull.Number, ExternalID: e.Key,
		Posted: plan.Posted{RunID: done.RunID, Status: e.Output.Status, Conclusion: e.Output.Conclusion, Digest: e.Digest, CreatedAt: created},
	})
}

// settle finds out what became of writes to a head's check run whose results were lost, in a crash or with GitHub's answer, so that the plan starts
// from what is there. It returns how many writes have ended. GitHub may still act on a write that it shows nothing of: such a write stays open
// until that can no longer happen, and the run is repeated then. Otherwise a late green could cover what is shown by that time, or a check run be
// left that never ends.
func (r *run) settle(ctx context.Context, head change.SHA) (writes int, err error) {
	key := r.main.work.Key
	ended, open, err := r.Store.EffectsOn(ctx, key.Repository, head, string(plan.CreateCheckRun), string(plan.UpdateCheckRun))
	if err != nil || len(open) == 0 {
		return ended, err
	}
	runs, err := r.github.OwnRuns(ctx, r.main.work.Repository, head, r.github.Began())
	if err != nil {
		return 0, err
	}
	// This comes first: once it is noted what became of the writes, nobody looks at the check runs any more.
	if len(runs) > 0 {
		if err := r.adopt(ctx, head, runs[0], open); err != nil {
			return 0, err
		}
	}
	if err := r.endBeside(ctx, head, runs); err != nil {
		return 0, err
	}
	for _, lost := range open {
		if err := r.settleWrite(ctx, lost, runs); err != nil {
			return 0, err
		}
	}
	return ended + len(open), nil
}

// settleWrite is settle for one write. Runs are our check runs on its head as GitHub lists them, newest first.
func (r *run) settleWrite(ctx context.Context, lost store.Effect, runs []github.CheckRun) error {
	var e plan.Effect
	if err := json.Unmarshal(lost.Body, &e); err != nil {
		return fmt.Errorf("reading the effect %s: %w", lost.Key, err)
	}
	// Each write leaves its key on the run, so that the run says which write was the last.
	i := slices.IndexFunc(runs, func(c github.CheckRun) bool { return c.ExternalID == e.Key })
	if i < 0 {
		written := later(lost.IntendedAt, lost.AttemptedAt)
		if until := written.Add(effect.MayActFor); r.began.Before(until) { // the list may miss what was acted on after the run began
			r.unsettled = later(r.unsettled, until)
			return nil
		}
		return r.Store.FailEffect(ctx, e.Key, "its answer was lost, and GitHub shows nothing of it")
	}
	done := result{RunID: runs[i].ID}
	switch {
	case i > 0: // another was made since, which is what people see
		return r.Store.Complete(ctx, e.Key, done)
	case shows(runs[i], e.Output.Status, e.Output.Conclusion):
		return r.complete(ctx, e, done)
	}
	// The check run was completed meanwhile, and GitHub kept it so.
	if err := r.Store.SaveCheckRun(ctx, found(r.main.work.Key, runs[i])); err != nil {
		return err
	}
	return r.Store.Complete(ctx, e.Key, done)
}

// shows says whether a check run is as it was written.
func shows(c github.CheckRun, status plan.Status, conclusion plan.Conclusion) bool {
	return c.Status == string(status) && c.Conclusion == string(conclusion)
}

// adopt saves the newest of our check runs on a head, which is the one that people see, if nothing is known of it: GitHub acted on the write when
// nobody waited for it any more. A check run that one of the open writes made is left to settle.
func (r *run) adopt(ctx context.Context, head change.SHA, newest github.CheckRun, open []store.Effect) error {
	if slices.ContainsFunc(open, func(e store.Effect) bool { return e.Key == newest.ExternalID }) {
		return nil
	}
	key := r.main.work.Key
	held, err := r.Store.CheckRun(ctx, key.Repository, head)
	if err != nil || held != nil && held.RunID >= newest.ID { // the list may be older than our last write
		return err
	}
	return r.Store.SaveCheckRun(ctx, found(key, newest))
}

// endBeside ends those of our check runs on a head, newest first, that a newer one has replaced: nobody else would ever end them.
func (r *run) endBeside(ctx context.Context, head change.SHA, runs []github.CheckRun) error {
	for i, beside := range runs {
		if i == 0 || beside.Status == string(plan.Completed) {
			continue
		}
		if err := r.apply(ctx, []plan.Effect{plan.Replaced(r.main.work.Key, head, beside.ID)}); err != nil {
			return err
		}
	}
	return nil
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
	case plan.EndCheckRun: // which keeps the key of the write that made it
		made, err := r.github.UpdateCheckRun(ctx, repo, e.RunID, github.CheckRunWrite{Head: e.Head, Output: *e.Output})
		return result{RunID: made.ID}, err
	case plan.UpdateCheckRun:
		made, err := r.github.UpdateCheckRun(ctx, repo, e.RunID, write())
		var lacking *github.Lacking
		if errors.As(err, &lacking) { // nothing was written; of several of a name the newest is the one that counts
			made, err = r.github.CreateCheckRun(ctx, repo, write())
		}
		return result{RunID: made.ID}, err
	case plan.RequestReview:
		return result{}, r.github.RequestReviewers(ctx, repo, e.Pull.Number, e.Teams, e.Users)
	case plan.React:
		return result{}, r.github.React(ctx, repo, e.Comment, e.Body)
	case plan.Comment:
		id, err := r.github.Comment(ctx, repo, e.Pull.Number, e.Body+"\n\n"+github.Marker(e.Key))
		return result{Comment: id}, err
	default:
		return result{}, fmt.Errorf("no way to do %q", e.Kind)
	}
}

// posted returns our check run on a head: as the store has it, or as GitHub lists it where the store may have lost it, or where a sweep or a person
// asks.
func (r *run) posted(ctx context.Context, head change.SHA) (*plan.Posted, error) {
	w := &r.main.work
	held, err := r.Store.CheckRun(ctx, w.Key.Repository, head)
	if err != nil {
		return nil, err
	}
	// A database that was restored may be older than the check run, or than the last write to it.
	forgotten := !w.Doubt.IsZero() && (held == nil || held.UpdatedAt.Before(w.Doubt.Add(effect.ClockSkew)))
	// GitHub may have acted on a write when nobody waited for it any more. It need not list yet what was written just now.
	doubted := w.Concerns.Has(change.ConcernVerify) && held != nil && held.UpdatedAt.Add(effect.MayActFor).Before(r.began)
	switch {
	case forgotten, doubted:
	case held != nil:
		return &held.Posted, nil
	case !w.ActivityRead && slices.ContainsFunc(w.Pushes, func(p change.Push) bool { return p.After == head }):
		return nil, nil // it arrived under our eyes, so that what we did since is in the store
	}
	runs, err := r.ownRuns(ctx, head)
	var lacking *github.Lacking
	switch {
	case errors.As(err, &lacking) && held != nil:
		return &held.Posted, nil
	case errors.As(err, &lacking):
		return nil, nil // a new one takes the place of whatever is there
	case err != nil || len(runs) == 0:
		return nil, err
	}
	if err := r.endBeside(ctx, head, runs); err != nil {
		return nil, err
	}
	isHeld := held != nil && held.RunID == runs[0].ID && held.ExternalID == runs[0].ExternalID && shows(runs[0], held.Status, held.Conclusion)
	if isHeld && !forgotten {
		return &held.Posted, nil
	}
	// Saving it says that it was seen, so that it does not count as forgotten again. Of the one that is held the decision behind it is known as well.
	newest := found(w.Key, runs[0])
	if isHeld {
		newest = *held
	} else if doubted {
		r.log.Warn().Int64("check_run", newest.RunID).Str("status", string(newest.Status)).Str("conclusion", string(newest.Conclusion)).
			Msg("GitHub shows another check run than was written")
	}
	if err := r.Store.SaveCheckRun(ctx, newest); err != nil {
		return nil, err
	}
	return &newest.Posted, nil
}

// ownRuns returns our check runs on a head, newest first, as GitHub listed them in this run.
func (r *run) ownRuns(ctx context.Context, head change.SHA) ([]github.CheckRun, error) {
	if runs, ok := r.seen[head]; ok {
		return runs, nil
	}
	return r.github.OwnRuns(ctx, r.main.work.Repository, head, r.github.Began())
}
