package landing

import (
	"context"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// What follows walks a line in parts: a long one, and one of which GitHub has yet to say what a commit came through.

// part returns how many commits of a long line are judged in this run: so many that a pull request which was rebased is not cut in two.
func (r *run) part(ctx context.Context, w *Walk) (int, error) {
	if len(w.Line) <= maxLine {
		return len(w.Line), nil
	}
	last := w.Line[maxLine-1]
	if err := r.readPulls(ctx, w, []change.SHA{last.SHA}); err != nil {
		return 0, err
	}
	n := maxLine
	for _, p := range w.Pulls[last.SHA] {
		end := slices.IndexFunc(w.Line, func(c Commit) bool { return c.SHA == p.MergeCommit || c.SHA == p.Head.SHA })
		n = max(n, end+1)
	}
	return n, nil
}

// patience returns how many commits of a walk are judged, and how long to wait for GitHub to say which pull request the next one came through;
// 0: not any longer. Each commit has time of its own, but for what was pushed with those before it, and it notes since when.
func (r *run) patience(state *branchState, w *Walk, unexplained []change.SHA) (n int, wait time.Duration) {
	now, since := r.github.Now(), state.Waits
	state.Waits = map[change.SHA]time.Time{}
	j, goesOn := newJudge(w), w.Open != nil
	for i, c := range w.Line {
		if !slices.Contains(unexplained, c.SHA) {
			goesOn = false
			continue
		}
		from, ok := since[c.SHA]
		if goesOn = goesOn && j.pushOf(i) != nil && j.pushOf(i) == j.pushOf(0); !ok && goesOn {
			from, ok = since[w.Open.After] // they came together
		}
		if !ok {
			from = now
		}
		state.Waits[c.SHA] = from
		if left := from.Add(r.Patience).Sub(now); left > 0 && wait == 0 {
			n, wait = i, left
		}
	}
	if wait == 0 {
		n = len(w.Line)
	}
	return n, wait
}

// cut leaves all of the line but its first n commits for another run.
func (w *Walk) cut(n int) {
	var rest []change.SHA
	for _, c := range w.Line[n:] {
		rest = append(rest, c.SHA)
	}
	w.Line, w.Rest = w.Line[:n], append(rest, w.Rest...)
}

// goesOn takes from what was found the exception that may go on in the rest of the line: that of the last commits, if the next one was pushed with
// them. So what is pushed at once is one exception, told as the policy said before all of it. Where no push is known, what follows at once
// counts as pushed with it, but nothing is held back for what has to wait.
func (w *Walk) goesOn(found []change.Exception, unexplained []change.SHA, waits bool) (_ []change.Exception, open *change.Exception) {
	last := len(w.Line) - 1
	if len(w.Rest) == 0 || last < 0 || !slices.Contains(unexplained, w.Line[last].SHA) {
		return found, nil
	}
	j := newJudge(w)
	push := j.pushOf(last)
	if push != j.pushOf(last+1) || push == nil && waits {
		return found, nil
	}
	at := slices.IndexFunc(found, func(e change.Exception) bool { return e.Kind == change.NoPullRequest && e.After == w.Line[last].SHA })
	if at < 0 {
		return found, nil
	}
	open = &found[at]
	return slices.Delete(slices.Clone(found), at, at+1), open
}
