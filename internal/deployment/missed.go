package deployment

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/release"
)

const (
	// lookBack is how much of what was listed is listed again: GitHub need not show at once what it was told.
	lookBack = time.Hour
	// listStale is how old the last list may be before any run has another one made.
	listStale = 15 * time.Minute
	// heardKept is how many deployments, and statuses, are remembered to have been told of.
	heardKept = 500
)

// heard is which of GitHub's deployments the core was told of, by deliveries or by a list, so that the next list tells it only what is new. It
// is stored: members may be added, not renamed.
type heard struct {
	// From is when it began to be kept: of deployments before that it is not known whether the core was told.
	From        time.Time `json:"from"`
	To          time.Time `json:"to"` // up to when they were listed
	Deployments []int64   `json:"deployments,omitempty"`
	Statuses    []int64   `json:"statuses,omitempty"`
}

// remember remembers an ID and says whether it is new.
func remember(list *[]int64, id int64) bool {
	if slices.Contains(*list, id) {
		return false
	}
	*list = append(*list, id)
	*list = slices.Clone((*list)[max(0, len(*list)-heardKept):])
	return true
}

// hear begins to keep what the core is told of. Until the turn is kept that follows from it nothing counts as told: see keep.
func (r *run) hear() {
	r.heard = &heard{From: r.github.Now(), To: r.github.Now()}
	if r.state.Heard != nil {
		*r.heard = *r.state.Heard
	}
}

// told remembers that the core is told of a deployment, and of a status if that is not 0.
func (r *run) told(deployment, status int64) {
	if r.heard == nil {
		return
	}
	remember(&r.heard.Deployments, deployment)
	if status != 0 {
		remember(&r.heard.Statuses, status)
	}
}

// everything returns what the core is told: what was left for the run, and what it finds by itself, if it is there to look.
func (r *run) everything(ctx context.Context, list notes) (tells []tell, err error) {
	if r.rules.Mode == release.Off {
		return r.tells(ctx, list)
	}
	r.hear()
	if tells, err = r.tells(ctx, list); err != nil || !r.isToLook(ctx) {
		return tells, err
	}
	missed, err := r.missed(ctx)
	return append(tells, missed...), err
}

// isToLook says whether the run is to find out by itself what happened: where a sweep alone has it look; or where nobody looked for long, because
// a sweep that comes together with a delivery is not seen, and while the server was away none came. Else what happened meanwhile and no delivery
// told of would count as if it had not: what succeeded would have failed for its timeout, and be rolled back.
func (r *run) isToLook(ctx context.Context) bool {
	return queue.IsBackground(ctx) || r.github.Now().Sub(r.heard.To) > listStale
}

// event is something that happened at a time by GitHub's clock.
type event struct {
	at   time.Time
	tell tell
}

// missed lists what happened on GitHub since it was listed last, and tells what no delivery did, in the order in which it happened: deployments and
// their statuses; and then the ends of the runs that jobs wait in. What our own App did is known.
func (r *run) missed(ctx context.Context) (tells []tell, err error) {
	h, now := r.heard, r.github.Now()
	since := h.To.Add(-lookBack)
	if since.Before(h.From) {
		since = h.From
	}
	// Of very many the newest have to do: if none were taken, there would only be more to list the next time.
	listed, err := r.github.Deployments(ctx, r.repo, github.DeploymentFilter{Since: since, Newest: true}, r.github.Began())
	if github.IsRefusal(err) {
		r.log.Warn().Err(err).Msg("deployments cannot be listed, what no delivery tells of them is missed")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var events []event
	for _, d := range r.openOnGitHub() {
		if events, err = r.missedStatuses(ctx, events, d); err != nil {
			return nil, err
		}
	}
	for _, d := range listed {
		if d.Via == r.App || !remember(&h.Deployments, d.ID) {
			continue
		}
		events = append(events, event{d.At, func(t *release.Turn) { t.Deployment(d) }})
		if _, named := r.rules.Find(d.Environment); !named {
			continue // how it ended is nothing to the policy
		}
		if events, err = r.missedStatuses(ctx, events, d); err != nil {
			return nil, err
		}
	}
	// Within a second what was there before comes first.
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		tells = append(tells, e.tell)
	}
	h.To = now
	ends, err := r.missedEnds(ctx)
	if len(tells)+len(ends) > 0 {
		r.log.Info().Int("events", len(tells)+len(ends)).Msg("no delivery told of what happened to deployments")
	}
	return append(tells, ends...), err
}

// missedStatuses adds to events a deployment's statuses that are new and not our own.
func (r *run) missedStatuses(ctx context.Context, events []event, d change.Deployment) ([]event, error) {
	statuses, err := r.github.DeploymentStatuses(ctx, r.repo, d.ID, r.github.Began())
	if err != nil && !github.IsRefusal(err) { // it may have been deleted
		return nil, err
	}
	for _, s := range statuses {
		if s.Via == r.App || s.At.Before(r.heard.From.Truncate(time.Second)) || !remember(&r.heard.Statuses, s.ID) {
			continue
		}
		in := s.Deployment.Environment
		if s.Deployment = d; in != "" {
			s.Deployment.Environment = in // a status can move a deployment
		}
		events = append(events, event{s.At, func(t *release.Turn) { t.Status(s) }})
	}
	return events, nil
}

// openOnGitHub returns the deployments on GitHub whose statuses matter still: of what is not at its end, and of what each environment holds.
func (r *run) openOnGitHub() (list []change.Deployment) {
	for _, tr := range r.state.Tracks {
		current := tr.Current()
		for _, d := range tr.Deployments {
			if d.Phase.IsFinal() && d != current {
				continue
			}
			for _, id := range d.IDs() {
				list = append(list, change.Deployment{ID: id, SHA: d.Commit, Environment: tr.Environment, By: d.Deployer, At: d.QueuedAt})
			}
		}
	}
	slices.SortFunc(list, func(a, b change.Deployment) int { return int(a.ID - b.ID) })
	return list
}

// missedEnds tells of workflow runs that ended while jobs of theirs wait or deploy, as far as is known.
func (r *run) missedEnds(ctx context.Context) (tells []tell, err error) {
	asked := map[int64]bool{}
	for _, a := range r.openAsks() {
		if asked[a.Run] {
			continue
		}
		asked[a.Run] = true
		w, err := r.github.WorkflowRun(ctx, r.repo, a.Run, r.github.Began())
		var missing *github.NotFound
		if errors.As(err, &missing) || github.IsRefusal(err) {
			continue // nothing can be said of it
		}
		if err != nil {
			return nil, err
		}
		if w.Status != "completed" || a.Attempt != 0 && a.Attempt != w.Attempt || r.isEnded(w) {
			continue
		}
		end := change.RunEnded{Run: w.ID, Attempt: w.Attempt, Conclusion: w.Conclusion, SHA: w.Head, At: r.github.Now()}
		tells = append(tells, func(t *release.Turn) { t.Run(end) })
	}
	return tells, nil
}

// openAsks returns what jobs of workflow runs asked that wait or deploy.
func (r *run) openAsks() (asks []release.Ask) {
	for _, tr := range r.state.Tracks {
		for _, d := range tr.Deployments {
			if d.Phase.IsFinal() {
				continue
			}
			for _, a := range d.Asks {
				if a.Run != 0 && a.Answer != release.No {
					asks = append(asks, a)
				}
			}
		}
	}
	return asks
}

// isEnded says whether the core was told of the end of a run.
func (r *run) isEnded(w github.WorkflowRun) bool {
	return slices.ContainsFunc(r.state.Ended, func(e change.RunEnded) bool { return e.Run == w.ID && e.Attempt == w.Attempt })
}
