package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// judge judges a walk, reading what that needs. Where commits came through no pull request, and no push is known that brought them, the
// repository's activity says who pushed them.
func (r *run) judge(ctx context.Context, w *Walk) (exceptions []change.Exception, unexplained []change.SHA, err error) {
	exceptions, unexplained, err = r.judged(ctx, w)
	if err != nil || len(unexplained) == 0 {
		return exceptions, unexplained, err
	}
	if w.Pushes, err = r.learnPushes(ctx, w.Branch, w.Pushes); err != nil {
		return nil, nil, err
	}
	return r.judged(ctx, w)
}

// judged judges a walk, reading what that needs, by the pushes that are known.
func (r *run) judged(ctx context.Context, w *Walk) (exceptions []change.Exception, unexplained []change.SHA, err error) {
	for {
		exceptions, unexplained, needs := w.Judge()
		if needs.IsEmpty() {
			return exceptions, unexplained, nil
		}
		if err := r.read(ctx, w, needs); err != nil {
			return nil, nil, err
		}
	}
}

// learnPushes adds to the pushes that were told of those that the repository's activity knows. A GitHub without activities, or one that does
// not show them to us, leaves them as they are.
func (r *run) learnPushes(ctx context.Context, branch string, told []Push) ([]Push, error) {
	listed, err := r.github.Pushes(ctx, r.work.Repository, branch, r.github.Began())
	if github.IsRefusal(err) {
		r.log.Warn().Err(err).Msg("who pushed cannot be read")
		return told, nil
	}
	if err != nil {
		return nil, err
	}
	pushes := slices.Clone(told)
	for _, p := range listed {
		if !slices.ContainsFunc(told, func(t Push) bool { return t.Before == p.Before && t.After == p.After }) {
			pushes = append(pushes, Push{BranchPush: change.BranchPush{Branch: branch, Before: p.Before, After: p.After, By: p.By}, At: p.At})
		}
	}
	slices.SortStableFunc(pushes, func(a, b Push) int { return a.At.Compare(b.At) })
	return pushes, nil
}

// whoPushed looks in the repository's activity for who moved a branch by force, where no push told of it.
func (r *run) whoPushed(ctx context.Context, e *change.Exception, moved *Moved) error {
	if e.Kind != change.ForcedUpdate || len(e.By) > 0 {
		return nil
	}
	pushes, err := r.learnPushes(ctx, moved.Branch, moved.Pushes)
	for _, p := range slices.Backward(pushes) {
		if p.After == e.After {
			e.By, e.At = known(p.By), p.At
			break
		}
	}
	return err
}

func (r *run) read(ctx context.Context, w *Walk, needs Needs) error {
	repo := r.work.Repository
	if err := r.readPulls(ctx, w, w.ahead(needs.Pulls)); err != nil {
		return err
	}
	if err := w.readContent(ctx, r.github, repo, needs); err != nil {
		return err
	}
	for _, commit := range needs.Policies {
		if commit == "" { // before the first commit there was no policy
			w.Policies[commit] = ""
			continue
		}
		file, err := r.github.PolicyFile(ctx, repo, commit, w.PolicyPath)
		if err != nil {
			return err
		}
		w.Policies[commit] = file.Blob
	}
	return nil
}

// atOnce is how many commits' pull requests are asked for at a time where the line is longer than that, so that it is read in the time that a
// run has.
const atOnce = 8

// ahead adds to the commits that are asked about those of a long line which will be next.
func (w *Walk) ahead(asked []change.SHA) []change.SHA {
	if len(asked) != 1 || len(w.Line) <= atOnce {
		return asked
	}
	end := slices.IndexFunc(w.Line, func(c Commit) bool { return c.SHA == asked[0] }) + 1
	var next []change.SHA
	for _, c := range w.Line[max(0, end-atOnce):end] {
		if _, ok := w.Pulls[c.SHA]; !ok {
			next = append(next, c.SHA)
		}
	}
	return next
}

// readPulls reads the pull requests that GitHub associates with commits and that were merged into the branch, with the decisions that stood
// when they were.
func (r *run) readPulls(ctx context.Context, w *Walk, commits []change.SHA) error {
	listed := make([][]change.Pull, len(commits))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, sha := range commits {
		group.Go(func() (err error) {
			listed[i], err = r.github.CommitPulls(gctx, r.work.Repository, sha, r.github.Began())
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, sha := range commits {
		merged := []Merged{}
		for _, p := range listed[i] {
			if p.State != change.Merged || p.Base.Name != w.Branch {
				continue
			}
			m, err := r.merged(ctx, p)
			if err != nil {
				return err
			}
			merged = append(merged, m)
		}
		w.Pulls[sha] = merged
	}
	return nil
}

// merged completes a pull request, of which a list does not say who merged it.
func (r *run) merged(ctx context.Context, p change.Pull) (m Merged, err error) {
	key := change.PullKey{Repository: r.work.Repository.ID, Number: p.Number}
	held, err := r.Store.Pull(ctx, key)
	unheard := errors.Is(err, store.ErrNotFound) || err == nil && held.Decision == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return m, err
	case err == nil && held.Snapshot.State == change.Merged && held.Snapshot.Head.SHA == p.Head.SHA && held.Snapshot.MergedBy.Known():
		m.Pull = held.Snapshot
	default:
		// The delivery of its end may be on its way still. What was decided before its end is known already.
		if m.Pull, err = r.github.Pull(ctx, r.work.Repository, p.Number, r.github.Began()); err != nil {
			return m, err
		}
	}
	if unheard {
		r.unheard = append(r.unheard, change.RaiseLanded(key, m.Pull)...)
	}
	// The entries were timed by our clock, the merge by GitHub's.
	m.Decision, err = DecidedAt(ctx, r.Store, key, m.MergedAt, r.github.Now().Sub(r.Clock()))
	return m, err
}

// clockTolerance is how much later than a merge the decision may seem to be that it went by: GitHub's times are cut to seconds, and so is what
// is known of its clock.
const clockTolerance = 2 * time.Second

// Record is where decisions are kept; see store.Store.
type Record interface {
	Ledger(ctx context.Context, p ledger.Page) ([]ledger.Entry, error)
}

// DecidedAt returns the decision on a pull request that stood at a time by GitHub's clock, nil if none did. Ahead is how far that is ahead of
// ours. It is the ledger that knows: a decision is recorded there before the check run shows it, and what is recorded after the merge, such
// as an approval that came too late, changes nothing.
func DecidedAt(ctx context.Context, in Record, key change.PullKey, at time.Time, ahead time.Duration) (last *change.Decision, err error) {
	const page = 200
	next := ledger.Page{Repository: int64(key.Repository), Number: int(key.Number), Limit: page}
	for {
		entries, err := in.Ledger(ctx, next)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Kind != ledger.DecisionChanged || e.At.Add(ahead).After(at.Add(clockTolerance)) {
				continue
			}
			last = new(change.Decision)
			if err := json.Unmarshal(e.Body, last); err != nil {
				return nil, fmt.Errorf("reading the ledger's entry %d: %w", e.Seq, err)
			}
		}
		if len(entries) < page {
			return last, nil
		}
		next.From = entries[page-1].Seq + 1
	}
}
