package deployment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/release"
)

const (
	// maxLine is how many commits of a line are looked at to find the changes that ship. Those of earlier environments cost nothing.
	maxLine = 100
	// atOnce is how many of GitHub's answers are awaited at a time.
	atOnce = 4
)

// batch finds what ships between two commits: what landed on the way from one to the other, along first parents, change by change.
func (r *run) batch(ctx context.Context, s release.Span) (b release.Batch, err error) {
	line := []github.LandedCommit{{SHA: s.To}}
	if s.From != "" {
		between, err := r.github.Range(ctx, r.repo, s.From, s.To, time.Time{})
		switch {
		case github.IsRefusal(err):
			// One of them is gone, or they have nothing in common: what is between them nobody can tell.
			b.Cut = true
		case err != nil:
			return b, err
		case between.Status == github.RangeIdentical, between.Status == github.RangeBehind:
			return release.Batch{Contained: true}, nil
		default:
			// Where the two went apart, what only the former has is taken away again, which nobody looked at.
			b.Cut = between.CommitsCut || between.Status != github.RangeAhead
			line = change.FirstParents(s.To, between.Commits, func(c github.LandedCommit) (change.SHA, []change.SHA) { return c.SHA, c.Parents })
		}
	}
	if len(line) > maxLine {
		line, b.Cut = line[len(line)-maxLine:], true
	}
	b.Changes, err = r.changes(ctx, line)
	return b, err
}

// changes takes a line apart from its tip. Each commit is the end of what a pull request brought, or belongs to the one above it, as those
// of one that was rebased do, or came through none that is known.
func (r *run) changes(ctx context.Context, line []github.LandedCommit) ([]release.Change, error) {
	if err := r.readPulls(ctx, line); err != nil {
		return nil, err
	}
	var found []release.Change
	var above []change.Number
	for _, c := range slices.Backward(line) {
		ends, err := r.endingAt(ctx, c)
		if err != nil {
			return nil, err
		}
		if len(ends) == 0 {
			pulls, err := r.pullsOf(ctx, c.SHA)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(pulls, func(p change.Pull) bool { return slices.Contains(above, p.Number) }) {
				continue
			}
			ends = []release.Change{{Commit: c.SHA, Title: c.Title, Category: change.HighRisk, Contributors: known(c.Author, c.Committer)}}
		}
		above = above[:0]
		for _, e := range ends {
			if e.Number != 0 {
				above = append(above, e.Number)
			}
		}
		found = append(found, ends...)
	}
	slices.Reverse(found)
	return found, nil
}

// readPulls reads the pull requests of those commits of which nothing is known yet, several at a time.
func (r *run) readPulls(ctx context.Context, line []github.LandedCommit) error {
	var mu sync.Mutex
	listed := map[change.SHA][]change.Pull{}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, c := range line {
		if _, ok := r.seen.pulls[c.SHA]; ok || r.number(c.SHA) != 0 || len(r.shipped(c.SHA)) > 0 {
			continue
		}
		group.Go(func() error {
			pulls, err := r.listPulls(gctx, c.SHA)
			mu.Lock()
			defer mu.Unlock()
			listed[c.SHA] = pulls
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for sha, pulls := range listed {
		if _, err := r.keepPulls(ctx, sha, pulls); err != nil {
			return err
		}
	}
	return nil
}

// shipped returns the changes that are known to end with a commit, because it was deployed somewhere before. What was decided of them when they
// were merged never changes.
func (r *run) shipped(sha change.SHA) (found []release.Change) {
	with := r.anyDeployment(func(d *release.Deployment) bool {
		return slices.ContainsFunc(d.Changes, func(c release.Change) bool { return c.Commit == sha && c.Number != 0 })
	})
	if with != nil {
		for _, c := range with.Changes {
			if c.Commit == sha && c.Number != 0 {
				found = append(found, c)
			}
		}
	}
	return found
}

// endingAt returns the changes of the pull requests whose last commit on the line is this one.
func (r *run) endingAt(ctx context.Context, c github.LandedCommit) ([]release.Change, error) {
	if known := r.shipped(c.SHA); len(known) > 0 {
		return known, nil
	}
	if n := r.number(c.SHA); n != 0 {
		held, err := r.Store.Pull(ctx, r.pull(n))
		if err == nil && held.Snapshot.State == change.Merged && held.Snapshot.MergeCommit == c.SHA {
			one, err := r.change(ctx, held.Snapshot, c.SHA)
			return []release.Change{one}, err
		}
		// What the delivery told is all that is needed; where it is not held, GitHub is asked.
	}
	pulls, err := r.pullsOf(ctx, c.SHA)
	if err != nil {
		return nil, err
	}
	pulls = slices.DeleteFunc(slices.Clone(pulls), func(p change.Pull) bool {
		return p.MergeCommit != c.SHA && p.Head.SHA != c.SHA && !(len(c.Parents) > 1 && slices.Contains(c.Parents[1:], p.Head.SHA))
	})
	slices.SortFunc(pulls, func(a, b change.Pull) int { return cmp.Compare(b.Number, a.Number) }) // the newest first, as the line is read
	var ends []release.Change
	for _, p := range pulls {
		one, err := r.change(ctx, p, c.SHA)
		if err != nil {
			return nil, err
		}
		ends = append(ends, one)
	}
	return ends, nil
}

// known returns the IDs of those accounts that are known.
func known(accounts ...change.Account) (ids []change.AccountID) {
	for _, a := range accounts {
		if a.Known() && !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// change returns a merged pull request as what was decided of it says. One of which nothing had been decided ships as high-risk, and was
// contributed to by its author at least. So does one whose decision was on another head or for another base: who contributed to that, and for
// when it was scheduled, still counts.
func (r *run) change(ctx context.Context, p change.Pull, at change.SHA) (release.Change, error) {
	c := release.Change{Number: p.Number, Commit: at, Title: p.Title, Category: change.HighRisk, Contributors: known(p.Author)}
	// The entries were timed by our clock, the merge by GitHub's.
	d, err := landing.DecidedAt(ctx, r.Store, r.pull(p.Number), p.MergedAt, r.github.Now().Sub(r.Clock()))
	if err != nil || d == nil {
		return c, err
	}
	for _, id := range d.Contributors {
		if !slices.Contains(c.Contributors, id) {
			c.Contributors = append(c.Contributors, id)
		}
	}
	if d.Scheduled != "" {
		// A day: the zone of each environment says when it begins there.
		if c.Scheduled, err = time.Parse(time.DateOnly, d.Scheduled); err != nil {
			return c, fmt.Errorf("what #%d is scheduled for: %w", p.Number, err)
		}
	}
	if d.Head != p.Head.SHA || d.Base != p.Base.Name {
		return c, nil
	}
	if d.Category != change.Uncategorized {
		c.Category = d.Category
	}
	c.Underlying = d.Underlying
	for _, o := range d.Opinions {
		if o.Counts && o.State == change.Approved {
			c.Approvers = append(c.Approvers, o.By.Login)
		}
	}
	c.Green = d.Verdict == change.Satisfied || d.Observing
	return c, nil
}
