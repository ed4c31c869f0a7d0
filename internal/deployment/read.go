package deployment

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/release"
)

const (
	// patience is how long GitHub is given to show what was merged on its branch.
	patience = 2 * time.Minute
	// lookSoon is how soon it is looked at again meanwhile.
	lookSoon = 10 * time.Second
)

// seen is what a run has read already.
type seen struct {
	isGoverned map[string]bool // by branch
	others     []string        // the governed branches but the default one
	listed     bool            // others is known
	tips       map[string]change.SHA
	pulls      map[change.SHA][]change.Pull // those that were merged into a governed branch
	landed     map[change.SHA]change.Landed // as this run's notes tell
}

func (s *seen) land(l change.Landed) {
	if s.landed == nil {
		s.landed = map[change.SHA]change.Landed{}
	}
	s.landed[l.Commit] = l
}

// read reads what the core asks for. It fails if all of it was read already: the core would ask for that again and again.
func (r *run) read(ctx context.Context, needs release.Needs) error {
	f, news := &r.facts, false
	if f.Commits == nil {
		f.Commits, f.Batches, f.Checks = map[change.SHA]release.Commit{}, map[release.Span]release.Batch{}, map[change.SHA][]change.Check{}
		f.Holders = map[change.AccountID]release.Holder{}
	}
	for _, sha := range needs.Commits {
		if _, ok := f.Commits[sha]; ok {
			continue
		}
		c, err := r.commit(ctx, sha)
		if err != nil {
			return err
		}
		f.Commits[sha], news = c, true
	}
	for _, span := range needs.Batches {
		if _, ok := f.Batches[span]; ok {
			continue
		}
		b, err := r.batch(ctx, span)
		if err != nil {
			return err
		}
		f.Batches[span], news = b, true
	}
	for _, sha := range needs.Checks {
		if _, ok := f.Checks[sha]; ok {
			continue
		}
		checks, _, err := r.github.Checks(ctx, r.repo, sha, false, r.github.Began())
		if err != nil && !github.IsRefusal(err) { // of a commit that is gone no check has succeeded
			return err
		}
		f.Checks[sha], news = checks, true
	}
	for _, of := range needs.Holders {
		if _, ok := f.Holders[of.ID]; ok {
			continue
		}
		held, unread, err := r.Policies.HeldOf(ctx, r.repo, r.releaseRoles(), of)
		if err != nil {
			return err
		}
		f.Holders[of.ID], news = release.Holder{Roles: held, Unread: unread}, true
	}
	if !news {
		return errors.New("what is needed was read already")
	}
	return nil
}

// releaseRoles returns the roles that release approvals are asked of, in any environment.
func (r *run) releaseRoles() (roles []string) {
	for _, e := range r.rules.Environments {
		for _, s := range e.Release {
			if !slices.Contains(roles, s.Role) {
				roles = append(roles, s.Role)
			}
		}
	}
	return roles
}

// commit says whether a commit is reachable from a governed branch, and which pull request it came with.
func (r *run) commit(ctx context.Context, sha change.SHA) (c release.Commit, err error) {
	if c.Known, err = r.isOnGoverned(ctx, sha); err != nil {
		return c, err
	}
	if !c.Known {
		if c.Unread = r.landedJustNow(sha); c.Unread {
			r.soon(lookSoon)
		}
		return c, nil
	}
	if c.Number = r.number(sha); c.Number != 0 {
		return c, nil
	}
	pulls, err := r.pullsOf(ctx, sha)
	if err != nil {
		return c, err
	}
	for _, p := range pulls {
		if p.MergeCommit == sha || p.Head.SHA == sha {
			c.Number = p.Number
			break
		}
		c.Number = max(c.Number, p.Number)
	}
	return c, nil
}

// isOnGoverned says whether a commit is reachable from the default branch, or else from another that is governed.
func (r *run) isOnGoverned(ctx context.Context, sha change.SHA) (bool, error) {
	if found, err := r.isOn(ctx, sha, r.repo.DefaultBranch); err != nil || found {
		return found, err
	}
	if err := r.listOthers(ctx); err != nil {
		return false, err
	}
	for _, branch := range r.seen.others {
		if found, err := r.isOn(ctx, sha, branch); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// notShown says that GitHub refuses to show the default branch, and so all that there is to see to: the repository is blocked, or the App lost
// its access.
type notShown struct{ error }

// Unwrap returns what GitHub said.
func (e *notShown) Unwrap() error { return e.error }

// isNotShown says whether an error is that and nothing else.
func isNotShown(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return !isNotShown(err) })
	}
	_, ok := err.(*notShown)
	return ok
}

func (r *run) isOn(ctx context.Context, sha change.SHA, branch string) (bool, error) {
	tip, ok := r.seen.tips[branch]
	if !ok {
		var err error
		tip, err = r.github.Tip(ctx, r.repo, branch, r.github.Began())
		if github.IsRefusal(err) && branch != r.repo.DefaultBranch {
			tip, err = "", nil // deleted since
		}
		if github.IsRefusal(err) {
			// A default branch that is not shown is no reason to refuse what was on it: the App's access is amiss.
			return false, &notShown{err}
		}
		if err != nil {
			return false, err
		}
		if r.seen.tips == nil {
			r.seen.tips = map[string]change.SHA{}
		}
		r.seen.tips[branch] = tip
	}
	if tip == "" || tip == sha {
		return tip == sha, nil
	}
	found, err := r.github.IsAncestor(ctx, r.repo, sha, tip)
	if github.IsRefusal(err) {
		return false, nil // it is no commit
	}
	return found, err
}

// listOthers finds the governed branches: those that are walked for what lands on them, and are governed still.
func (r *run) listOthers(ctx context.Context) error {
	if r.seen.listed {
		return nil
	}
	walks, err := r.Store.ErrandsOf(ctx, change.ErrandBranch, r.repo.ID)
	if err != nil {
		return err
	}
	walked, err := landing.Walked(walks)
	if err != nil {
		return err
	}
	for _, branch := range walked {
		if branch == r.repo.DefaultBranch {
			continue
		}
		governed, err := r.governed(ctx, branch)
		if err != nil {
			return err
		}
		if governed {
			r.seen.others = append(r.seen.others, branch)
		}
	}
	r.seen.listed = true
	return nil
}

// governed says whether a branch is governed now. The default one always is.
func (r *run) governed(ctx context.Context, branch string) (is bool, err error) {
	if branch == r.repo.DefaultBranch {
		return true, nil
	}
	is, ok := r.seen.isGoverned[branch]
	if ok {
		return is, nil
	}
	if is, err = r.Policies.Governed(ctx, r.repo, branch); err != nil {
		return false, err
	}
	if r.seen.isGoverned == nil {
		r.seen.isGoverned = map[string]bool{}
	}
	r.seen.isGoverned[branch] = is
	return is, nil
}

// landedJustNow says whether a delivery told that a commit landed on a governed branch so short a time ago that GitHub may not show it there
// everywhere yet.
func (r *run) landedJustNow(sha change.SHA) bool {
	recent := r.github.Now().Add(-patience)
	if l, ok := r.seen.landed[sha]; ok && l.At.After(recent) {
		return true
	}
	return r.anyDeployment(func(d *release.Deployment) bool { return d.Commit == sha && d.Number != 0 && d.QueuedAt.After(recent) }) != nil
}

// number returns the pull request that a commit is known to have come with; 0: none is.
func (r *run) number(sha change.SHA) change.Number {
	if l, ok := r.seen.landed[sha]; ok {
		return l.Number
	}
	for _, l := range r.state.Landed {
		if l.Commit == sha {
			return l.Number
		}
	}
	if d := r.anyDeployment(func(d *release.Deployment) bool { return d.Commit == sha && d.Number != 0 }); d != nil {
		return d.Number
	}
	return 0
}

func (r *run) anyDeployment(is func(*release.Deployment) bool) *release.Deployment {
	for _, tr := range r.state.Tracks {
		for _, d := range tr.Deployments {
			if is(d) {
				return d
			}
		}
	}
	return nil
}

// pullsOf reads the pull requests that GitHub associates with a commit and that were merged into a governed branch.
func (r *run) pullsOf(ctx context.Context, sha change.SHA) ([]change.Pull, error) {
	if pulls, ok := r.seen.pulls[sha]; ok {
		return pulls, nil
	}
	listed, err := r.listPulls(ctx, sha)
	if err != nil {
		return nil, err
	}
	return r.keepPulls(ctx, sha, listed)
}

// listPulls asks GitHub for a commit's pull requests. That one was merged is true for ever, so what is held may say so; that none was, may
// not be true any more.
func (r *run) listPulls(ctx context.Context, sha change.SHA) ([]change.Pull, error) {
	for _, since := range []time.Time{{}, r.github.Began()} {
		listed, err := r.github.CommitPulls(ctx, r.repo, sha, since)
		if err != nil {
			return nil, err
		}
		for _, p := range listed {
			if p.State == change.Merged {
				return listed, nil
			}
		}
	}
	return nil, nil
}

func (r *run) keepPulls(ctx context.Context, sha change.SHA, listed []change.Pull) ([]change.Pull, error) {
	merged := []change.Pull{}
	for _, p := range listed {
		if p.State != change.Merged {
			continue
		}
		governed, err := r.governed(ctx, p.Base.Name)
		if err != nil {
			return nil, err
		}
		if governed {
			merged = append(merged, p)
		}
	}
	if r.seen.pulls == nil {
		r.seen.pulls = map[change.SHA][]change.Pull{}
	}
	r.seen.pulls[sha] = merged
	return merged, nil
}
