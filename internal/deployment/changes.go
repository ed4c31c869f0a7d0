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

// landed is what ends with a commit of a line: the changes of one pull request, seldom of more.
type landed struct {
	changes []release.Change
	// decided are the pull requests of those changes that were decided. A decision counts only if just what it was about landed.
	decided []landing.Merged
	// before is the commit that they landed on, empty where the line does not say, and after the one that they end with.
	before, after change.SHA
	by            []change.AccountID // who made that
}

// changes takes a line apart from its tip. Each commit is the end of what a pull request brought, or belongs to the one above it, as those
// of one that was rebased do, or came through none that is known.
func (r *run) changes(ctx context.Context, line []github.LandedCommit) ([]release.Change, error) {
	if err := r.readPulls(ctx, line); err != nil {
		return nil, err
	}
	var all []landed
	for _, c := range slices.Backward(line) {
		ends, err := r.endingAt(ctx, c)
		if err != nil {
			return nil, err
		}
		if len(ends.changes) == 0 {
			pulls, err := r.pullsOf(ctx, c.SHA)
			if err != nil {
				return nil, err
			}
			if n := len(all); n > 0 && all[n-1].brought(pulls) {
				all[n-1].before = parent(c)
				continue
			}
			ends.changes = []release.Change{{Commit: c.SHA, Title: c.Title, Category: change.HighRisk, Contributors: known(c.Author, c.Committer)}}
		}
		ends.before, ends.after, ends.by = parent(c), c.SHA, with(ends.by, known(c.Author, c.Committer))
		all = append(all, ends)
	}
	if err := r.compare(ctx, all); err != nil {
		return nil, err
	}
	var found []release.Change
	for _, l := range all {
		found = append(found, l.changes...)
	}
	slices.Reverse(found)
	return found, nil
}

// brought says whether one of the pull requests is among those that landed.
func (l *landed) brought(pulls []change.Pull) bool {
	return slices.ContainsFunc(pulls, func(p change.Pull) bool {
		return slices.ContainsFunc(l.changes, func(c release.Change) bool { return c.Number != 0 && c.Number == p.Number })
	})
}

// parent is the commit of the line before one; empty: it is not known, or there is none.
func parent(c github.LandedCommit) change.SHA {
	if len(c.Parents) == 0 {
		return ""
	}
	return c.Parents[0]
}

// compare finds what landed otherwise than it was decided: that ships as what nobody decided, and whoever made it contributed to it too. It
// looks at several at a time. The walk of the branch finds the same, but later, and holds nothing up.
func (r *run) compare(ctx context.Context, all []landed) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, l := range all {
		if len(l.decided) == 0 {
			continue
		}
		group.Go(func() error {
			same, err := r.isAsDecided(gctx, l)
			if err != nil || same {
				return err
			}
			for i := range l.changes {
				c := &l.changes[i]
				c.Category, c.Underlying, c.Green, c.Approvers = change.HighRisk, change.Uncategorized, false, nil
				c.Contributors = with(c.Contributors, l.by)
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *run) isAsDecided(ctx context.Context, l landed) (bool, error) {
	for _, p := range l.decided {
		before := l.before
		if before == "" {
			var err error
			if before, err = r.parentOf(ctx, l.after, p); err != nil {
				return false, err
			}
		}
		same, err := landing.AsDecided(ctx, r.github, r.repo, p, before, l.after)
		if err != nil || same {
			return same, err
		}
	}
	return false, nil
}

// parentOf reads what a commit landed on with which a pull request ends: what that began from is before it. Empty: it cannot be read.
func (r *run) parentOf(ctx context.Context, sha change.SHA, p landing.Merged) (change.SHA, error) {
	since, err := r.github.Range(ctx, r.repo, cmp.Or(p.Decision.MergeBase, p.Base.SHA), sha, time.Time{})
	if err != nil && !github.IsRefusal(err) {
		return "", err
	}
	for _, c := range since.Commits {
		if c.SHA == sha {
			return parent(c), nil
		}
	}
	return "", nil
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

// shipped returns the changes that are known to end with a commit because it was deployed somewhere before: what was decided of them at their
// merge never changes.
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
func (r *run) endingAt(ctx context.Context, c github.LandedCommit) (l landed, err error) {
	if known := r.shipped(c.SHA); len(known) > 0 {
		return landed{changes: known}, nil
	}
	if n := r.number(c.SHA); n != 0 {
		held, err := r.Store.Pull(ctx, r.pull(n))
		if err == nil && held.Snapshot.State == change.Merged && held.Snapshot.MergeCommit == c.SHA {
			err = r.change(ctx, &l, held.Snapshot, c.SHA)
			return l, err
		}
		// What the delivery told is all that is needed; where it is not held, GitHub is asked.
	}
	pulls, err := r.pullsOf(ctx, c.SHA)
	if err != nil {
		return l, err
	}
	pulls = slices.DeleteFunc(slices.Clone(pulls), func(p change.Pull) bool {
		return p.MergeCommit != c.SHA && p.Head.SHA != c.SHA && !(len(c.Parents) > 1 && slices.Contains(c.Parents[1:], p.Head.SHA))
	})
	slices.SortFunc(pulls, func(a, b change.Pull) int { return cmp.Compare(b.Number, a.Number) }) // the newest first, as the line is read
	for _, p := range pulls {
		if err := r.change(ctx, &l, p, c.SHA); err != nil {
			return l, err
		}
	}
	return l, nil
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

// with adds to IDs those that are not among them.
func with(ids, more []change.AccountID) []change.AccountID {
	for _, id := range more {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// change adds a merged pull request as what was decided of it says. One of which nothing had been decided ships as high-risk, and was
// contributed to by its author at least. So does one whose decision was on another head or for another base: who contributed to that, and for
// when it was scheduled, still counts.
func (r *run) change(ctx context.Context, l *landed, p change.Pull, at change.SHA) error {
	c := release.Change{Number: p.Number, Commit: at, Title: p.Title, Category: change.HighRisk, Contributors: known(p.Author)}
	// The entries were timed by our clock, the merge by GitHub's.
	d, err := landing.DecidedAt(ctx, r.Store, r.pull(p.Number), p.MergedAt, r.github.Now().Sub(r.Clock()))
	if err != nil {
		return err
	}
	if d != nil {
		c.Contributors = with(c.Contributors, d.Contributors)
		if d.Scheduled != "" {
			// A day: the zone of each environment says when it begins there.
			if c.Scheduled, err = time.Parse(time.DateOnly, d.Scheduled); err != nil {
				return fmt.Errorf("what #%d is scheduled for: %w", p.Number, err)
			}
		}
		if d.Head == p.Head.SHA && d.Base == p.Base.Name {
			isDecided(&c, d)
			l.decided = append(l.decided, landing.Merged{Pull: p, Decision: d})
			l.by = with(l.by, known(p.MergedBy))
		}
	}
	l.changes = append(l.changes, c)
	return nil
}

// isDecided notes in a change what was decided of just that.
func isDecided(c *release.Change, d *change.Decision) {
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
}
