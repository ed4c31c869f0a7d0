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
// 0: not any longer. Since are the commits that were waited for before, each with the time from which its patience counts; waits are those of this walk.
// A commit that was pushed together with what is open before the line has waited for as long as that.
func (r *run) patience(since map[change.SHA]time.Time, w *Walk, unexplained []change.SHA) (n int, wait time.Duration, waits map[change.SHA]time.Time) {
	now := r.github.Now()
	n, waits = len(w.Line), map[change.SHA]time.Time{}
	j, goesOn := newJudge(w), w.Open != nil
	for i, c := range w.Line {
		if !slices.Contains(unexplained, c.SHA) {
			goesOn = false
			continue
		}
		goesOn = goesOn && j.pushOf(i) != nil && j.pushOf(i) == j.pushOf(0)
		from, ok := since[c.SHA]
		if !ok && goesOn {
			from, ok = since[w.Open.After]
		}
		if !ok {
			from = now
		}
		waits[c.SHA] = from
		if left := from.Add(r.Patience).Sub(now); left > 0 && wait == 0 {
			n, wait = i, left
		}
	}
	return n, wait, waits
}

// cut leaves all of the line but its first n commits for another run.
func (w *Walk) cut(n int) {
	var rest []change.SHA
	for _, c := range w.Line[n:] {
		rest = append(rest, c.SHA)
	}
	w.Line, w.Rest = w.Line[:n], append(rest, w.Rest...)
}

// goesOn takes out of what was found the exception that may go on in the rest of the line: that of the last commits, if the next one was pushed
// with them. It is held open until the rest is judged, so that what was pushed at once is one exception, told as the policy said before all of it.
// Where no push is known, what follows counts as pushed together with it; but if the walk waits for what follows, nothing is held back until then.
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
