package landing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

const (
	// maxLine is about how many commits of a line are judged in one run. What is left is for the run that follows at once.
	maxLine = 40
	// retryHiddenRepository is how soon a repository is asked for again that GitHub does not show: it is empty, blocked, or hidden from us.
	retryHiddenRepository = time.Hour
	// toldWithin is how long after a move it may be told of late: GitHub can be asked for three days for a delivery that never came.
	toldWithin = 3 * 24 * time.Hour
)

// branchState is what is remembered of a branch between two looks. It is stored: members may be added, not renamed.
type branchState struct {
	Known   change.SHA `json:"known,omitempty"`   // all up to it was judged, or was there before our time
	Default bool       `json:"default,omitempty"` // it was the default branch
	Deleted bool       `json:"deleted,omitempty"` // it was gone, which was found to be an exception
	Left    bool       `json:"left,omitempty"`    // it was not governed any more
	// Waits are the commits after Known of which GitHub is given time to say which pull requests they came through, each with the time from
	// which that counts.
	Waits map[change.SHA]time.Time `json:"waits,omitempty"`
	// Found are the keys of exceptions that were found on the way, while the walk has not come to the tip. A move that a push told of is there under
	// the time that the push gave, too.
	Found []string `json:"found,omitempty"`
	// Open is an exception that is not told yet: the last commits up to Known came through no pull request, and what was pushed with them goes on
	// after Known. All that one push brought so is one exception.
	Open *change.Exception `json:"open,omitempty"`
	// Beside is Moved.Beside, while the walk has not come to the tip.
	Beside change.SHA `json:"beside,omitempty"`
	// Heading is where the branch's tip was when it was last looked at, or when it was deleted, while the walk has not come there.
	Heading change.SHA `json:"heading,omitempty"`
	// Untold are the moves that were found before a push told of them, kept for as long as one may.
	Untold []move `json:"untold,omitempty"`
	// UntoldEver is how many moves were found so, since the branch was looked at first.
	UntoldEver int `json:"unseen,omitempty"`
	// Missed is since when GitHub does not find commits that are compared, which may be a mistake; zero: it finds them, or they are known to be gone.
	Missed time.Time `json:"missed,omitzero"`
}

// isWalked says whether the branch was governed when it was looked at last, so that it is walked from Known.
func (s *branchState) isWalked() bool { return s.Known != "" && !s.Left }

// isSettled says whether a branch that is walked needs no look: nothing happened to it, and nothing was left over.
func (s *branchState) isSettled(m *Moved, isDefault bool) bool {
	return s.Known == m.Tip && len(m.Pushes) == 0 && !s.Deleted && s.Default == isDefault && s.Open == nil && s.Missed.IsZero()
}

// untold returns the moves that a push may tell of that comes late.
func (s *branchState) untold(now time.Time) []move {
	return slices.DeleteFunc(slices.Clone(s.Untold), func(m move) bool { return now.Sub(m.Found) > toldWithin })
}

// branch walks the branch from the last commit known to its tip. What it finds and where it stands are saved at once, so that a run that
// was killed is done again from where it began, and finds the same under the same keys.
func (r *run) branch(ctx context.Context) (queue.Result, error) {
	var state branchState
	if err := r.remembered(&state); err != nil {
		return queue.Result{}, err
	}
	r.missed = state.Missed
	result, err := r.branchFrom(ctx, state)
	var lacking *github.Lacking
	if errors.As(err, &lacking) {
		return r.refused(err), nil // what landed is not known, and nobody has to explain that
	}
	if !errors.Is(err, errMissed) {
		return result, err
	}
	now := r.github.Now()
	if state.Missed.IsZero() {
		state.Missed = now
		if err := r.save(ctx, store.ErrandSave{State: state}); err != nil {
			return queue.Result{}, err
		}
	}
	return queue.Result{RecheckAt: r.Clock().Add(state.Missed.Add(change.MissedFor).Sub(now))}, nil
}

// errMissed says that GitHub does not find commits that are compared, and may find them again.
var errMissed = errors.New("GitHub does not find commits that were there")

// isGone says whether an error is that GitHub did not find commits, and not that it compares none.
func isGone(err error) bool {
	var missing *github.NotFound
	var lacking *github.Lacking
	return errors.As(err, &missing) && !errors.As(err, &lacking)
}

// areGone returns errMissed until GitHub has not found commits for so long that they are taken for gone.
func (r *run) areGone() error {
	if r.missed.IsZero() || r.github.Now().Before(r.missed.Add(change.MissedFor)) {
		return errMissed
	}
	return nil
}

// branchFrom is branch, from what is remembered. It returns errMissed, and has saved nothing, where GitHub may be mistaken.
func (r *run) branchFrom(ctx context.Context, state branchState) (queue.Result, error) {
	repo, name := r.work.Repository, r.work.Errand.Name
	var pushes []Push
	taken, err := notes(r, func(n change.Note, p change.BranchPush) { pushes = append(pushes, Push{p, cmp.Or(p.Pushed, n.At)}) })
	if err != nil {
		return queue.Result{}, err
	}
	// The first push counts, or a branch that is pushed to without pause would never be walked.
	if len(pushes) > 0 {
		if settled := r.work.Notes[0].At.Add(r.Settle); settled.After(r.Clock()) {
			return queue.Result{RecheckAt: settled}, nil
		}
	}
	rules, _, err := r.rules(ctx)
	if github.IsRefusal(err) {
		return r.refused(err), nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	isDefault := name == repo.DefaultBranch
	if !rules.Governed && !(rules.Unusable && (isDefault || state.isWalked())) {
		return queue.Result{}, r.leave(ctx, state, taken)
	}

	moved, err := r.locate(ctx, state, pushes)
	switch {
	case github.IsRefusal(err):
		return r.refused(err), nil
	case err != nil:
		return queue.Result{}, err
	case moved.Tip == "":
		return r.gone(ctx, state, moved, taken)
	case state.isWalked() && state.isSettled(moved, isDefault):
		return queue.Result{}, nil
	}
	return r.walk(ctx, state, moved, taken)
}

// locate returns where the branch is, empty if it is not there, and from which commit it is walked.
func (r *run) locate(ctx context.Context, state branchState, pushes []Push) (*Moved, error) {
	repo, name, now := r.work.Repository, r.work.Errand.Name, r.github.Now()
	m := &Moved{
		Repository: repo.ID, Branch: name, Now: now, Pushes: pushes, Known: state.Known, Anew: !state.isWalked(), Heading: state.Heading,
		Deleted: state.Deleted, Judged: state.Found, Untold: state.untold(now), UntoldEver: state.UntoldEver,
	}
	var err error
	m.Tip, err = r.github.Tip(ctx, repo, name, r.github.Began())
	var missing *github.NotFound
	if errors.As(err, &missing) {
		m.Tip = ""
		return m, nil
	}
	if err != nil || !m.Anew {
		return m, err
	}
	if m.Known, err = r.start(ctx, m, state.Left); err == nil && m.Known == "" {
		m.Orphan, m.Known = true, m.Tip
	}
	return m, err
}

// walk judges what landed, and keeps what is found of it and where the walk stands.
func (r *run) walk(ctx context.Context, state branchState, moved *Moved, taken []string) (result queue.Result, err error) {
	walk, whole, err := r.ahead(ctx, moved)
	if err != nil {
		return queue.Result{}, err
	}
	walk.Open = state.Open
	landed, unexplained, err := r.judge(ctx, walk)
	if err != nil {
		return queue.Result{}, err
	}
	n, wait, waits := r.patience(state.Waits, walk, unexplained)
	if wait > 0 {
		result.RecheckAt = r.Clock().Add(wait)
		if n == 0 {
			// Nothing of this walk is kept but since when it waits.
			state.Missed, state.Waits = time.Time{}, waits
			return result, r.save(ctx, store.ErrandSave{State: state})
		}
		walk.cut(n)
		whole = false
		if landed, unexplained, err = r.judged(ctx, walk); err != nil {
			return queue.Result{}, err
		}
	} else if !whole {
		result.RetryAt = r.Clock()
	}
	landed, open := walk.goesOn(landed, unexplained, wait > 0)
	moved.noteBeside(&state)
	moves, err := r.moves(ctx, moved)
	if err != nil {
		return queue.Result{}, err
	}
	save, err := r.leaving(ctx, moved, append(slices.Clone(moves), landed...))
	if err != nil {
		return queue.Result{}, err
	}
	save.Raise = append(save.Raise, r.unheard...)
	next := branchState{Known: moved.Tip, Default: moved.Branch == r.work.Repository.DefaultBranch, Untold: moved.Untold, UntoldEver: moved.UntoldEver}
	if !whole {
		// The other notes tell who pushed what is still to come; what they told of the branch itself is not to be found again.
		taken = moved.behind(walk, taken)
		next.Known, next.Waits, next.Open, next.Beside, next.Heading = walk.Line[n-1].SHA, waits, open, moved.Beside, moved.Tip
		next.Found = moved.toldKeys()
		for _, e := range moves {
			next.Found = append(next.Found, e.Key)
		}
	}
	save.State, save.Taken = next, taken
	return result, r.save(ctx, save)
}

// rules returns those of the errand's branch as it is now. One that is governed and is not there has no policy.
func (r *run) rules(ctx context.Context) (_ Rules, there bool, err error) {
	rules, err := r.Policies.Rules(ctx, r.work.Repository, r.work.Errand.Name, "")
	var missing *github.NotFound
	if errors.As(err, &missing) {
		return Rules{Governed: true}, false, nil
	}
	return rules, true, err
}

// refused has the errand looked at again later: its repository is blocked, or not shown to us. Whatever happens there has it looked at too.
func (r *run) refused(err error) queue.Result {
	r.log.Warn().Err(err).Msg("GitHub refused, it is asked again later")
	return queue.Result{RecheckAt: r.Clock().Add(retryHiddenRepository)}
}

// leave forgets what was left for a branch that is not governed. Should it be governed again, what it holds that the default branch does not
// is judged.
func (r *run) leave(ctx context.Context, state branchState, taken []string) error {
	var save store.ErrandSave
	if state.isWalked() {
		if state.Open != nil { // what was found already is told all the same
			moved := &Moved{Branch: r.work.Errand.Name, Known: state.Known, Judged: state.Found, Beside: state.Beside}
			var err error
			if save, err = r.leaving(ctx, moved, []change.Exception{*state.Open}); err != nil {
				return err
			}
		}
		save.State = branchState{
			Known: state.Known, Default: state.Default, Left: true, Deleted: state.Deleted, Untold: state.Untold, UntoldEver: state.UntoldEver,
		}
	}
	save.Taken = taken
	if len(taken) == 0 && save.State == nil {
		return nil
	}
	return r.save(ctx, save)
}

// gone deals with a branch that is not there. Where it stood is remembered: should it be made again, it is walked from there.
func (r *run) gone(ctx context.Context, state branchState, moved *Moved, taken []string) (queue.Result, error) {
	told := slices.ContainsFunc(moved.Pushes, func(p Push) bool { return p.After == "" })
	if !told && r.work.Errand.Name == r.work.Repository.DefaultBranch {
		// GitHub lets nobody delete a default branch: it is the repository that is empty, or not shown to us.
		r.log.Warn().Msg("the default branch is not shown")
		return queue.Result{RecheckAt: r.Clock().Add(retryHiddenRepository)}, nil
	}
	exceptions, err := r.moves(ctx, moved)
	if err != nil {
		return queue.Result{}, err
	}
	if moved.Beside = state.Beside; state.Open != nil {
		exceptions = append(exceptions, *state.Open)
	}
	save, err := r.leaving(ctx, moved, exceptions)
	if err != nil {
		return queue.Result{}, err
	}
	save.Taken = taken
	save.State = branchState{
		Known: state.Known, Default: state.Default, Left: state.Left, Deleted: true, Heading: moved.left(), Untold: moved.Untold, UntoldEver: moved.UntoldEver,
	}
	return queue.Result{}, r.save(ctx, save)
}

// start returns the commit from which a branch is walked that is looked at for the first time, or is governed again. Empty: it has no history
// in common with the default branch, the commit of which it notes.
//
//   - The default branch: where the former default branch was known to be, if another one was; so nothing comes in by making another branch
//     the default one. Otherwise where it was before the first push told of, or its tip.
//   - Any other: where it was before the first push told of. If that made it, or it was not governed for a while, what it has in common with
//     the default branch. If no push was told of, its tip: what it holds was there before our time.
func (r *run) start(ctx context.Context, moved *Moved, left bool) (change.SHA, error) {
	repo, first := r.work.Repository, moved.first()
	if moved.Branch == repo.DefaultBranch {
		former, err := r.formerDefault(ctx)
		switch moved.Origin = former; {
		case err != nil:
			return "", err
		case former != "":
			return r.inCommon(ctx, former, moved.Tip)
		case first.Before != "":
			return first.Before, nil
		case first.After != "":
			return first.After, nil
		}
		return moved.Tip, nil
	}
	switch {
	case !left && len(moved.Pushes) == 0:
		return moved.Tip, nil
	case !left && first.Before != "":
		return first.Before, nil
	}
	tip, err := r.github.Tip(ctx, repo, repo.DefaultBranch, r.github.Began())
	if err != nil {
		return "", err
	}
	moved.Origin = tip
	return r.inCommon(ctx, tip, moved.Tip)
}

// inCommon returns the merge base of two commits, empty if there is none.
func (r *run) inCommon(ctx context.Context, a, b change.SHA) (change.SHA, error) {
	between, err := r.github.Range(ctx, r.work.Repository, a, b, time.Time{})
	if isGone(err) {
		return "", r.areGone()
	}
	return between.MergeBase, err
}

// formerDefault returns the last commit known of the branch that was the default one before; empty if none is known. One that is governed
// still, or was not looked at since, tells it best.
func (r *run) formerDefault(ctx context.Context) (former change.SHA, err error) {
	others, err := r.Store.ErrandsOf(ctx, change.ErrandBranch, r.work.Repository.ID)
	if err != nil {
		return "", err
	}
	for _, o := range others {
		var s branchState
		if o.State == nil {
			continue
		}
		if err := json.Unmarshal(o.State, &s); err != nil {
			return "", err
		}
		if s.Default && s.Known != "" && (former == "" || !s.Left) {
			former = s.Known
		}
	}
	return former, nil
}

// Walked returns the branches of errands (change.ErrandBranch) that were governed when they were looked at last, and were there.
func Walked(errands []store.ErrandWork) (branches []string, err error) {
	for _, w := range errands {
		var s branchState
		if w.State == nil {
			continue
		}
		if err := json.Unmarshal(w.State, &s); err != nil {
			return nil, fmt.Errorf("reading the state of %s: %w", w.Errand, err)
		}
		if s.isWalked() && !s.Deleted {
			branches = append(branches, w.Errand.Name)
		}
	}
	return branches, nil
}

// ahead returns the walk from the last commit known to the tip, or the first part of it, and notes how the tip came there.
func (r *run) ahead(ctx context.Context, moved *Moved) (walk *Walk, whole bool, err error) {
	repo := r.work.Repository
	walk = &Walk{
		Repository: repo.ID, Branch: moved.Branch, Now: moved.Now, PolicyPath: r.PolicyPath, Pushes: moved.Pushes,
		Pulls: map[change.SHA][]Merged{}, Seen: map[change.View]change.Seen{}, Trees: map[change.SHA]change.Tree{},
		Policies: map[change.SHA]change.SHA{},
	}
	if moved.Known == moved.Tip {
		moved.Kept = true
		return walk, true, nil
	}
	between, err := r.github.Range(ctx, repo, moved.Known, moved.Tip, time.Time{})
	if isGone(err) {
		// The last commit known is gone, or the branch was put onto another history: what landed since cannot be told. Not kept says so.
		return walk, true, r.areGone()
	}
	if err != nil {
		return nil, false, err
	}
	moved.Kept = between.Status == github.RangeAhead || between.Status == github.RangeIdentical
	if moved.TooMany = between.CommitsCut; moved.TooMany {
		return walk, true, nil
	}
	commits := make([]Commit, len(between.Commits))
	for i, c := range between.Commits {
		commits[i] = Commit{SHA: c.SHA, Parents: c.Parents, By: known(c.Author, c.Committer)}
	}
	walk.Line = change.FirstParents(moved.Tip, commits, Commit.line)
	moved.Elsewhere = len(walk.Line) > 0 && walk.Line[0].onto() != moved.Known
	n, err := r.part(ctx, walk)
	if err != nil {
		return nil, false, err
	}
	walk.cut(n)
	return walk, len(walk.Rest) == 0, nil
}

// leaving returns what is saved of the exceptions that were not saved before on this walk. Whether the policy only observes, and where it
// announces, is taken from the policy before the exception: what somebody brings past the policy has no say in how that is told.
func (r *run) leaving(ctx context.Context, moved *Moved, exceptions []change.Exception) (save store.ErrandSave, err error) {
	save.Raise = moved.Named
	for _, e := range exceptions {
		if slices.Contains(moved.Judged, e.Key) {
			continue
		}
		if len(e.Commits) > 0 {
			e.Beside = moved.Beside
		}
		rules := Rules{}
		if before := moved.before(e); before != "" {
			rules, err = r.Policies.Rules(ctx, r.work.Repository, moved.Branch, before)
			var missing *github.NotFound
			if errors.As(err, &missing) {
				rules, err = Rules{}, nil
			}
			if err != nil {
				return save, err
			}
		}
		r.log.Warn().Str("kind", string(e.Kind)).Str("exception", e.Key).Bool("observed", rules.Observing).Msg("the policy was bypassed")
		moved.noteObserved(e.Key, rules.Observing)
		draft, raised := Found(e, rules.Observing, rules.Announce...)
		save.Entries, save.Raise = append(save.Entries, draft), append(save.Raise, raised...)
	}
	return save, nil
}
