package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// longestLag is how long GitHub's list of what was done to a pull request may lack what a delivery told. What it lacks after that it is not
// going to show.
const longestLag = 10 * time.Minute

// withTold adds to what GitHub lists what deliveries told of and the list lacks, because it lags behind. A green rests on no review and on
// no dismissal that GitHub does not show: of those, a verified load takes only what makes it stricter. The time is that of the latest that
// was left out; zero if nothing was.
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
		case i < 0 && t == verified && isState(told, change.Approved):
			leave(told.At)
		case i < 0 && t == verified && strings.EqualFold(string(told.Was), string(change.ChangesRequested)) && now.Sub(told.DismissedAt) < longestLag:
			leave(told.DismissedAt)
			told.State, told.Was, told.DismissedBy, told.DismissedAt = told.Was, "", change.Account{}, time.Time{}
			reviews = append(reviews, told)
		case i < 0:
			reviews = append(reviews, told)
		case !isState(told, change.Dismissed) || isState(reviews[i], change.Dismissed):
		case t == verified && isState(reviews[i], change.ChangesRequested):
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
		if !slices.Contains(shown, i) && now.Sub(l.At) < longestLag {
			labels = append(labels, l)
		}
	}
	slices.SortStableFunc(labels, func(a, b change.LabelEvent) int { return a.At.Compare(b.At) })
	return reviews, labels, left
}

func isState(r change.Review, s change.ReviewState) bool {
	return strings.EqualFold(string(r.State), string(s))
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
