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
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// judge judges a walk, reading what that needs. Of what came through no pull request the repository's activity says who pushed it where no
// delivery told, and when that was.
func (r *run) judge(ctx context.Context, w *Walk) (exceptions []change.Exception, unexplained []change.SHA, err error) {
	exceptions, unexplained, err = r.judged(ctx, w)
	if err != nil || len(unexplained) == 0 {
		return exceptions, unexplained, err
	}
	activity, err := r.activity(ctx, w.Branch)
	if err != nil {
		return nil, nil, err
	}
	// What was pushed before the branch was where the line begins did not bring the line, even if it was the same.
	if later, ok := since(activity, w.Line[0].onto()); ok {
		activity = later
	}
	w.Pushes = withActivity(w.Pushes, activity)
	return r.judged(ctx, w)
}

// moves judges how the branch's tip moved. What that finds is kept under the times at which the repository's activity says that it was, which
// says of what no delivery told who did it as well.
func (r *run) moves(ctx context.Context, moved *Moved) ([]change.Exception, error) {
	found, untold := moved.Judge()
	if len(found) > 0 {
		var err error
		if moved.Activity, err = r.activity(ctx, moved.Branch); err != nil {
			return nil, err
		}
		found, untold = moved.Judge()
	}
	moved.Named = moved.named(untold)
	moved.UntoldEver += len(untold) - len(moved.Untold)
	moved.Untold = untold
	return found, nil
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

func (r *run) read(ctx context.Context, w *Walk, needs Needs) error {
	repo := r.work.Repository
	if err := r.readPulls(ctx, w, w.ahead(needs.Pulls)); err != nil {
		return err
	}
	if err := w.readContent(ctx, r.github, repo, needs); err != nil {
		return err
	}
	if slices.ContainsFunc(needs.Seen, func(v change.View) bool { return w.Seen[v].Gone }) {
		if err := r.areGone(); err != nil {
			return err
		}
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
