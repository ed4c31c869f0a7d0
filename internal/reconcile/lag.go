package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

// longestLag is how long GitHub's list of what was done to a pull request, or of a commit's checks, may lack what a delivery told. What it lacks
// after that it is not going to show.
const longestLag = 10 * time.Minute

// withTold adds to what GitHub lists what deliveries told of and the list lacks, because it lags behind. A green rests on no review, on no
// dismissal and on nobody's label that GitHub does not show: of those, a verified load takes only what makes it stricter, and who set a label or took
// it off is nobody known. The time is that of the latest that was left out; zero if nothing was.
func withTold(listed github.Timeline, toldReviews []change.Review, toldLabels []change.LabelEvent, t trust, now time.Time) (
	reviews []change.Review, labels []change.LabelEvent, left time.Time,
) {
	reviews = slices.Clone(listed.Reviews)
	leave := func(at time.Time) {
		if at.After(left) {
			left = at
		}
	}
	for _, told := range foldReviews(toldReviews) {
		i := slices.IndexFunc(reviews, func(r change.Review) bool { return r.ID == told.ID })
		switch {
		case i < 0 && t == trustVerified && told.State.Is(change.Approved):
			leave(told.At)
		case i < 0 && t == trustVerified && told.Was.Is(change.ChangesRequested) && now.Sub(told.DismissedAt) < longestLag:
			leave(told.DismissedAt)
			told.State, told.Was, told.DismissedBy, told.DismissedAt = told.Was, "", change.Account{}, time.Time{}
			reviews = append(reviews, told)
		case i < 0:
			reviews = append(reviews, told)
		case !told.State.Is(change.Dismissed) || reviews[i].State.Is(change.Dismissed):
		case t == trustVerified && reviews[i].State.Is(change.ChangesRequested):
			leave(told.DismissedAt)
		default:
			r := &reviews[i]
			r.Was, r.State, r.DismissedBy, r.DismissedAt = r.State, told.State, told.DismissedBy, told.DismissedAt
		}
	}
	slices.SortStableFunc(reviews, func(a, b change.Review) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })

	labels = withHeads(listed.Labels, toldLabels)
	shown := sameLabelEvents(listed.Labels, toldLabels)
	for i, l := range toldLabels {
		// An older one has lost its like in the list, whose account or label is not what it was.
		if slices.Contains(shown, i) || now.Sub(l.At) >= longestLag {
			continue
		}
		if t == trustVerified {
			leave(l.At)
			l.By = change.Account{}
		}
		labels = append(labels, l)
	}
	slices.SortStableFunc(labels, func(a, b change.LabelEvent) int { return a.At.Compare(b.At) })
	return reviews, labels, left
}

// withToldChecks adds to the checks that GitHub lists what was told of them and the list lacks. A green rests on no check that GitHub does not
// show: in a verified load those count as running that did not fail. The time is that of the latest that was told to have ended so; zero if
// none was.
func withToldChecks(listed []change.Check, told []store.Told, t trust) (checks []change.Check, left time.Time) {
	checks = slices.Clone(listed)
	for _, c := range told {
		if isReplaced(c.Check, listed) {
			continue
		}
		if t == trustVerified && c.State != change.CheckFailure && c.State != change.CheckPending {
			c.State = change.CheckPending
			if c.Arrived.After(left) {
				left = c.Arrived
			}
		}
		if i := slices.IndexFunc(checks, func(l change.Check) bool { return isSameCheck(l, c.Check) }); i >= 0 {
			c.Workflow = cmp.Or(c.Workflow, checks[i].Workflow)
			checks[i] = c.Check
		} else {
			checks = append(checks, c.Check)
		}
	}
	slices.SortStableFunc(checks, func(a, b change.Check) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.RunID, b.RunID))
	})
	return change.LatestRuns(withWorkflows(checks)), left
}

// isReplaced says whether a check run is one that was run again since, or has another name by now.
func isReplaced(c change.Check, listed []change.Check) bool {
	return !c.Status && slices.ContainsFunc(listed, func(l change.Check) bool {
		again := l.Name == c.Name && l.Suite == c.Suite && l.RunID > c.RunID
		renamed := l.Name != c.Name && l.RunID == c.RunID && !l.At.Before(c.At)
		return !l.Status && (again || renamed)
	})
}

// isSameCheck says whether two tellings are of one check.
func isSameCheck(a, b change.Check) bool {
	if a.Status || b.Status {
		return a.Status && b.Status && a.Name == b.Name
	}
	return a.RunID == b.RunID && a.Name == b.Name
}

// caughtUp returns when to look again whether GitHub shows what a verified load had to leave out, and what was held says it would be green
// with: the longer it has not, the later, and not for ever. Zero says never.
func caughtUp(subjects []*subject, now time.Time) time.Time {
	var left time.Time
	for _, s := range subjects {
		if s.left.After(left) {
			left = s.left
		}
	}
	if age := now.Sub(left); age < longestLag {
		return now.Add(max(age, soonest))
	}
	return time.Time{}
}
