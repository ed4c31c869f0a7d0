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

const (
	// longestLag is how long GitHub's list of what was done to a pull request, or of a commit's checks, may lack what a delivery told. What
	// it lacks after that it is not going to show.
	longestLag = 10 * time.Minute
	// underWay is how long a delivery may take to arrive.
	underWay = time.Minute
	// sameEvent is how far GitHub's time of an event and the time in the delivery that told of it may be apart.
	sameEvent = time.Minute
)

// withTold adds to GitHub's list of reviews and labels, which lags behind, what deliveries told and it does not show yet. No green may rest on
// that: a verified load takes only what makes it stricter, and takes a label to have been set or taken off by nobody known. Left is the time of the
// latest thing that was left out; zero if nothing was.
func withTold(listed github.Timeline, toldReviews []change.Review, toldLabels []change.LabelEvent, t trust, now time.Time) (
	reviews []change.Review, labels []change.LabelEvent, left time.Time,
) {
	reviews, left = withToldReviews(listed.Reviews, toldReviews, t, now)
	labels, unknown := withToldLabels(listed.Labels, toldLabels, t, now)
	return reviews, labels, later(left, unknown)
}

// withToldReviews is withTold for reviews.
func withToldReviews(listed, toldReviews []change.Review, t trust, now time.Time) (reviews []change.Review, left time.Time) {
	reviews = slices.Clone(listed)
	for _, told := range foldReviews(toldReviews) {
		i := slices.IndexFunc(reviews, func(r change.Review) bool { return r.ID == told.ID })
		if i >= 0 {
			listed := &reviews[i]
			switch {
			case !told.State.Is(change.Dismissed) || listed.State.Is(change.Dismissed): // nothing new was told
			case t == trustVerified && listed.State.Is(change.ChangesRequested): // to take it for dismissed would make green
				left = later(left, told.DismissedAt)
			default:
				listed.Was, listed.State, listed.DismissedBy, listed.DismissedAt = listed.State, told.State, told.DismissedBy, told.DismissedAt
			}
			continue
		}
		switch {
		case t == trustVerified && told.State.Is(change.Approved):
			left = later(left, told.At)
		case t == trustVerified && told.Was.Is(change.ChangesRequested) && now.Sub(told.DismissedAt) < longestLag:
			left = later(left, told.DismissedAt)
			reviews = append(reviews, beforeDismissal(told))
		default:
			reviews = append(reviews, told)
		}
	}
	slices.SortStableFunc(reviews, func(a, b change.Review) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return reviews, left
}

// beforeDismissal returns a dismissed review as it was.
func beforeDismissal(r change.Review) change.Review {
	r.State, r.Was, r.DismissedBy, r.DismissedAt = r.Was, "", change.Account{}, time.Time{}
	return r
}

// withToldLabels is withTold for labels. What is left out of one is who set it or took it off.
func withToldLabels(listed, toldLabels []change.LabelEvent, t trust, now time.Time) (labels []change.LabelEvent, left time.Time) {
	labels = withHeads(listed, toldLabels)
	shown := sameLabelEvents(listed, toldLabels)
	for i, l := range toldLabels {
		// One this old is listed by now, without its account or under another label.
		if slices.Contains(shown, i) || now.Sub(l.At) >= longestLag {
			continue
		}
		if t == trustVerified {
			left = later(left, l.At)
			l.By = change.Account{}
		}
		labels = append(labels, l)
	}
	slices.SortStableFunc(labels, func(a, b change.LabelEvent) int { return a.At.Compare(b.At) })
	return labels, left
}

// withDismissers says of reviews that GitHub lists as dismissed what deliveries told of that, where it does not say itself.
func withDismissers(listed, toldReviews []change.Review) []change.Review {
	listed = slices.Clone(listed)
	for _, told := range foldReviews(toldReviews) {
		for i := range listed {
			if r := &listed[i]; r.ID == told.ID && r.State.Is(change.Dismissed) && told.State.Is(change.Dismissed) {
				r.Was, r.DismissedBy, r.DismissedAt = told.Was, told.DismissedBy, told.DismissedAt
			}
		}
	}
	return listed
}

// withPresent returns the label events that deliveries told of a pull request, for a GitHub that lists none. Where the labels that it carries are
// others than these leave, and where the order of two is not known, nobody is known to have set or taken them off.
func withPresent(told []change.LabelEvent, p change.Pull) []change.LabelEvent {
	labels := slices.Clone(told)
	slices.SortStableFunc(labels, func(a, b change.LabelEvent) int { return a.At.Compare(b.At) })
	named := func(name string) []change.LabelEvent {
		return slices.DeleteFunc(slices.Clone(labels), func(l change.LabelEvent) bool { return !change.SameLabel(l.Label, name) })
	}
	for i := range labels {
		if !inOrder(named(labels[i].Label)) {
			labels[i].By = change.Account{}
		}
	}
	last := map[string]bool{}
	for _, l := range slices.Backward(labels) {
		name := strings.ToLower(l.Label)
		if _, later := last[name]; later {
			continue
		}
		last[name] = l.Added
		if l.Added != p.HasLabel(l.Label) {
			labels = append(labels, change.LabelEvent{Label: l.Label, Added: !l.Added, At: l.At})
		}
	}
	return labels
}

// asTold returns a label event for the record: by whom its delivery told it, where withTold left out who that was.
func asTold(l change.LabelEvent, told []change.LabelEvent) change.LabelEvent {
	i := slices.IndexFunc(told, func(t change.LabelEvent) bool {
		return t.Label == l.Label && t.Added == l.Added && t.At.Equal(l.At) && t.Head == l.Head
	})
	if !l.By.Known() && l.Head != "" && i >= 0 {
		l.By = told[i].By
	}
	return l
}

// withToldChecks adds to GitHub's list of checks what was told and it does not show yet. No green may rest on that: in a verified load such a check
// counts as running unless it failed. Left is when the latest of these was told of; zero if there is none.
func withToldChecks(listed []change.Check, told []store.Told, t trust) (checks []change.Check, left time.Time) {
	checks = slices.Clone(listed)
	for _, c := range told {
		if isReplaced(c.Check, listed) {
			continue
		}
		if t == trustVerified && c.State != change.CheckFailure && c.State != change.CheckPending {
			c.State = change.CheckPending
			left = later(left, c.Arrived)
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

// withoutWorkflow returns when the latest of those checks was posted of which GitHub does not say yet which workflow posted them; zero if it does
// of all.
func withoutWorkflow(checks []change.Check) (left time.Time) {
	for _, c := range checks {
		if lacksWorkflow(c) {
			left = later(left, c.At)
		}
	}
	return left
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

// withWorkflows fills in, in place, the workflow of the checks that deliveries told, which do not name it, from others of the same suite.
func withWorkflows(checks []change.Check) []change.Check {
	workflow := map[int64]string{}
	for _, c := range checks {
		if c.Workflow != "" {
			workflow[c.Suite] = c.Workflow
		}
	}
	for i := range checks {
		checks[i].Workflow = cmp.Or(checks[i].Workflow, workflow[checks[i].Suite])
	}
	return checks
}

// lacksWorkflow says whether a check is of GitHub Actions and it is not known which workflow posted it.
func lacksWorkflow(c change.Check) bool { return c.App == "github-actions" && c.Workflow == "" }

// foldReviews makes one review of a review and its dismissal, which deliveries tell as two.
func foldReviews(told []change.Review) []change.Review {
	var reviews []change.Review
	at := map[int64]int{}
	for _, review := range told {
		i, ok := at[review.ID]
		if !ok {
			at[review.ID] = len(reviews)
			reviews = append(reviews, review)
			continue
		}
		first := reviews[i]
		if first.State.Is(change.Dismissed) {
			continue // told in another order: nothing follows a dismissal
		}
		if review.State.Is(change.Dismissed) {
			review.Was, review.At, review.SHA, review.By = first.State, first.At, first.SHA, first.By
		}
		reviews[i] = review
	}
	slices.SortStableFunc(reviews, func(a, b change.Review) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return reviews
}

// inOrder says whether it is known in which order label events came: GitHub's times are to the second, and deliveries come in any order.
func inOrder(events []change.LabelEvent) bool {
	for i, e := range events {
		for _, later := range events[i+1:] {
			if later.At.Sub(e.At) >= time.Second {
				break
			}
			if change.SameLabel(later.Label, e.Label) {
				return false
			}
		}
	}
	return true
}

// lacks says whether GitHub lists a review, a dismissal or a label event of which no delivery told that would have arrived by now.
func lacks(w *store.Work, listed github.Timeline, now time.Time) bool {
	type opinion struct {
		id        int64
		dismissed bool
	}
	of := func(r change.Review) opinion { return opinion{r.ID, r.State.Is(change.Dismissed)} }
	due := now.Add(-underWay)
	told := map[opinion]bool{}
	for _, r := range w.Reviews {
		told[of(r)] = true
	}
	for _, r := range listed.Reviews {
		if r.At.Before(due) && r.DismissedAt.Before(due) && !told[of(r)] {
			return true
		}
	}
	for _, l := range withHeads(listed.Labels, w.LabelEvents) {
		if l.At.Before(due) && l.Head == "" {
			return true
		}
	}
	return false
}

// withHeads gives each label event that GitHub lists the head that the label saw, which only the signed delivery of that event knows.
// An event without a delivery keeps none, and so declares nothing.
func withHeads(listed, told []change.LabelEvent) []change.LabelEvent {
	same := sameLabelEvents(listed, told)
	listed = slices.Clone(listed)
	for i := range listed {
		if j := same[i]; j >= 0 {
			listed[i].Head, listed[i].Into, listed[i].Base = told[j].Head, told[j].Into, told[j].Base
		}
	}
	return listed
}

// sameLabelEvents returns for each label event that GitHub lists the index of the one that a delivery told of it; -1 for none.
func sameLabelEvents(listed, told []change.LabelEvent) []int {
	same := make([]int, len(listed))
	used := make([]bool, len(told))
	for i, l := range slices.Backward(listed) {
		best := -1
		for j, t := range told {
			if used[j] || t.Added != l.Added || !change.SameLabel(t.Label, l.Label) || t.By.ID != l.By.ID || apart(t.At, l.At) > sameEvent {
				continue
			}
			if best < 0 || apart(t.At, l.At) < apart(told[best].At, l.At) {
				best = j
			}
		}
		if same[i] = best; best >= 0 {
			used[best] = true
		}
	}
	return same
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

// caughtUp returns when to look again whether GitHub shows by now what a load left out and a green waits for, or which workflow posted a check: the
// longer it has not, the later, and not for ever. Zero says never.
func caughtUp(subjects []*subject, now time.Time) time.Time {
	var left time.Time
	for _, s := range subjects {
		left = later(left, s.left)
	}
	if age := now.Sub(left); age < longestLag {
		return now.Add(max(age, soonest))
	}
	return time.Time{}
}
