package emergency

import (
	"context"
	"errors"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

// opened is what is kept of an issue that was opened. It is stored: members may be added, not renamed.
type opened struct {
	Number change.Number `json:"number"`
	URL    string        `json:"url"`
}

// take does one write on GitHub, and returns what is then remembered and known of the issue. What GitHub refuses is given up: the record
// says so.
func (r *run) take(ctx context.Context, m Memory, s Step, issue *Issue) (Memory, *Issue, error) {
	w := s.Write
	in := store.Intent{
		Key: "retrospective:" + r.pull.Key.String() + ":" + s.Key, Kind: "retrospective " + kind(w), Pull: r.pull.Key,
		Head: r.pull.Snapshot.Head.SHA, Body: w, Lease: r.lease,
	}
	if w.Title != "" {
		made, err := effect.Once(ctx, r.Store, in, r.open(w, github.Marker(in.Key)))
		var failed *effect.Failed
		if errors.As(err, &failed) {
			r.log.Warn().Str("why", failed.Why).Msg("GitHub refused to open the retrospective")
			return m.Refused(s, failed.Why, r.github.Now()), nil, nil
		}
		if err != nil {
			return m, nil, err
		}
		return m.Wrote(s, made.Number, made.URL), &Issue{Open: true, Empty: Empty(w.Body)}, nil
	}
	// The comment goes first: whoever is told that the issue was reopened or closed finds the reason there.
	if w.Body != "" {
		if err := r.speaker().Comment(ctx, m.Issue, in, w.Body); r.given(err) != nil {
			return m, nil, err
		}
	}
	if w.State != "" {
		in.Key += ":state"
		if _, err := effect.Once(ctx, r.Store, in, r.edit(m.Issue, w)); r.given(err) != nil {
			return m, nil, err
		}
		if issue != nil {
			changed := *issue
			changed.Open = w.State == Reopened
			issue = &changed
		}
	}
	return m.Wrote(s, 0, ""), issue, nil
}

// kind names a write in the record.
func kind(w *Write) string {
	switch {
	case w.Title != "":
		return "opened"
	case w.State != "":
		return string(w.State)
	}
	return "comment"
}

func (r *run) speaker() errand.Speaker {
	return errand.Speaker{Store: r.Store, GitHub: r.github, Repository: r.pull.Repository, Lease: r.lease, Log: &r.log}
}

// given returns the error of an effect, unless it was given up for good: the run goes on without it.
func (r *run) given(err error) error {
	var failed *effect.Failed
	if errors.As(err, &failed) {
		r.log.Warn().Str("why", failed.Why).Msg("GitHub refused a write on the retrospective")
		return nil
	}
	return err
}

func (r *run) open(w *Write, marker string) effect.Action[opened] {
	repo := r.pull.Repository
	return effect.Action[opened]{
		Find: func(ctx context.Context, since time.Time) (opened, bool, error) {
			i, found, err := r.github.FindIssue(ctx, repo, marker, since)
			return opened{i.Number, i.URL}, found, err
		},
		Do: func(ctx context.Context) (opened, error) {
			issue := github.IssueWrite{Title: w.Title, Body: marker + "\n" + w.Body}
			if w.Assign != "" {
				issue.Assignees = []string{w.Assign}
			}
			i, err := r.github.CreateIssue(ctx, repo, issue)
			return opened{i.Number, i.URL}, err
		},
		Refused: github.IsRefusal,
	}
}

// edit gives the issue its state and whom it is assigned to, which is harmless to repeat.
func (r *run) edit(n change.Number, w *Write) effect.Action[struct{}] {
	e := github.IssueEdit{State: github.IssueOpen, StateReason: "reopened"}
	if w.State == NotPlanned {
		e = github.IssueEdit{State: github.IssueClosed, StateReason: "not_planned"}
	}
	if w.Assign != "" {
		e.AddAssignees = []string{w.Assign}
	}
	return effect.Action[struct{}]{
		Do: func(ctx context.Context) (struct{}, error) {
			_, err := r.github.EditIssue(ctx, r.pull.Repository, n, e)
			return struct{}{}, err
		},
		Refused: github.IsRefusal,
	}
}
