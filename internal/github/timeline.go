package github

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"
	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
)

// maxTimeline is how many pages of events are read.
const maxTimeline = 100

// Timeline is what happened to a pull request: opinions and labels, oldest first.
type Timeline struct {
	Reviews []change.Review     // submitted ones; a dismissed one keeps its place
	Labels  []change.LabelEvent // Head is not known here
	// Retargeted is when the base branch was last changed, zero if it was not.
	Retargeted time.Time
	// Unlisted is why there is nothing here but the reviews, without who dismissed them: this GitHub has no list of the rest. It is a *NotFound, or nil.
	Unlisted error
}

// event is an entry of a timeline or of an issue's events, with the fields of the kinds that matter here; go-github's type lacks
// the dismissed review.
type event struct {
	Event       string            `json:"event"`
	ID          int64             `json:"id"`
	Actor       *github.User      `json:"actor"`
	User        *github.User      `json:"user"` // of reviewed
	State       string            `json:"state"`
	CommitID    string            `json:"commit_id"`
	CreatedAt   *github.Timestamp `json:"created_at"`
	SubmittedAt *github.Timestamp `json:"submitted_at"`
	Label       struct {
		Name string `json:"name"`
	} `json:"label"`
	DismissedReview struct {
		State    string `json:"state"`
		ReviewID int64  `json:"review_id"`
	} `json:"dismissed_review"`
}

// Timeline reads the reviews of a pull request and who dismissed them, who set and took off which label, and when the base branch was last changed:
// from one list (issues/list-events-for-timeline), or from two where a GitHub has no such route (pulls/list-reviews and issues/list-events). Where it
// has but the reviews, and was never seen to have more, the Timeline says so. One call for each 100 events.
func (s *Session) Timeline(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (_ Timeline, err error) {
	defer wrap(&err, "reading the timeline of %s#%d", repo, n)
	if !s.noTimeline.Load() {
		events, err := s.events(ctx, listTimeline, repo, n, since)
		var missing *NotFound
		if !errors.As(err, &missing) {
			return timeline(events), err
		}
	}
	var reviews, events []event
	var unlisted error
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		reviews, err = s.events(gctx, listReviews, repo, n, since)
		return err
	})
	group.Go(func() (err error) {
		events, err = s.events(gctx, listEvents, repo, n, since)
		if s.github.lacks(err, listTimeline, listEvents) {
			unlisted = err
			return nil
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return Timeline{}, err
	}
	if unlisted == nil {
		s.noTimeline.Store(true) // the pull request exists, so it is the route that is missing
	}
	for i := range reviews {
		reviews[i].Event = "reviewed"
	}
	t := timeline(slices.Concat(reviews, events))
	t.Unlisted = unlisted
	return t, nil
}

func (s *Session) events(ctx context.Context, r route, repo change.Repository, n change.Number, since time.Time) ([]event, error) {
	events, err := readPages(ctx, s, r.of(repo, itoa(n)), since, maxTimeline, itself[event])
	if err != nil {
		return nil, err
	}
	return events.items, events.tooMany("more than 10,000 events")
}

func timeline(events []event) Timeline {
	var t Timeline
	dismissals := map[int64]event{}
	for _, e := range events {
		switch e.Event {
		case "reviewed":
			state := change.ReviewState(strings.ToUpper(e.State))
			if state == "PENDING" {
				continue // not submitted: only its author sees it
			}
			t.Reviews = append(t.Reviews, change.Review{
				ID: e.ID, By: account(e.User), State: state, SHA: change.SHA(e.CommitID), At: at(e.SubmittedAt),
			})
		case "review_dismissed":
			dismissals[e.DismissedReview.ReviewID] = e
		case "labeled", "unlabeled":
			t.Labels = append(t.Labels, change.LabelEvent{
				Label: e.Label.Name, Added: e.Event == "labeled", By: account(e.Actor), At: at(e.CreatedAt),
			})
		case "base_ref_changed", "automatic_base_change_succeeded":
			if when := at(e.CreatedAt); when.After(t.Retargeted) {
				t.Retargeted = when
			}
		}
	}
	for i := range t.Reviews {
		r := &t.Reviews[i]
		if e, ok := dismissals[r.ID]; ok {
			r.State = change.Dismissed // the list may have been read a moment before it was dismissed
			r.DismissedBy, r.DismissedAt = account(e.Actor), at(e.CreatedAt)
			r.Was = change.ReviewState(strings.ToUpper(e.DismissedReview.State))
		}
	}
	slices.SortStableFunc(t.Reviews, func(a, b change.Review) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(t.Labels, func(a, b change.LabelEvent) int { return a.At.Compare(b.At) })
	return t
}

// at reads a time; null is the zero time.
func at(t *github.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
