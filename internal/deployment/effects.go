package deployment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// perform does an effect, unless it was done before, and notes in the state that it was. A refusal is noted there too, and is no error.
func (r *run) perform(ctx context.Context, e release.Effect) (err error) {
	switch e.Kind {
	case release.CreateDeployment:
		err = r.createDeployment(ctx, e)
	case release.PostStatus:
		err = r.postStatus(ctx, e)
	case release.AnswerRule:
		err = r.answerRule(ctx, e)
	default:
		return fmt.Errorf("an effect of an unknown kind")
	}
	var failed *effect.Failed
	if errors.As(err, &failed) {
		r.log.Warn().Err(err).Str("effect", e.Key).Msg("GitHub refused")
		r.state.GaveUp(e, failed.Why)
		return nil
	}
	return err
}

// created is what is kept of a deployment, or of a status, that was created. It is stored: members may be added, not renamed.
type created struct {
	ID int64     `json:"id"`
	At time.Time `json:"at,omitzero"` // of a status
}

func (r *run) createDeployment(ctx context.Context, e release.Effect) error {
	w := github.DeploymentWrite{
		SHA: e.Commit, Environment: e.Environment, Payload: e.Payload, Description: e.Says.String(), Task: e.Task,
		Production: r.isProduction(e.Environment),
	}
	made, err := effect.Once(ctx, r.Store, r.intent(e, w), effect.Action[created]{
		Find: func(ctx context.Context, since time.Time) (created, bool, error) {
			d, found, err := r.github.FindDeployment(ctx, r.repo, e.Commit, e.Environment, change.PayloadKey(e.Payload), since)
			return created{ID: d.ID}, found, err
		},
		Do: func(ctx context.Context) (created, error) {
			d, err := r.github.CreateDeployment(ctx, r.repo, w)
			return created{ID: d.ID}, err
		},
		Refused: github.IsRefusal,
	})
	if err == nil {
		r.state.Created(e.Deployment, made.ID)
	}
	return err
}

// isProduction says whether an environment is one that nothing comes after.
func (r *run) isProduction(name string) bool {
	return !slices.ContainsFunc(r.rules.Environments, func(e release.Environment) bool {
		return slices.ContainsFunc(e.After, func(before string) bool { return strings.EqualFold(before, name) })
	})
}

func (r *run) postStatus(ctx context.Context, e release.Effect) error {
	w := github.DeploymentStatusWrite{State: e.State, Description: e.Says.String(), LogURL: r.page(e)}
	note := r.state.WasPosted
	made, err := effect.Once(ctx, r.Store, r.intent(e, w), effect.Action[created]{
		Find: func(ctx context.Context, since time.Time) (created, bool, error) {
			s, found, err := r.github.FindDeploymentStatus(ctx, r.repo, e.GitHub, since, func(s change.DeploymentStatus) bool {
				return s.State == e.State && s.IsAfter(e.After.At, e.After.ID)
			})
			return created{s.ID, s.At}, found, err
		},
		Do: func(ctx context.Context) (created, error) {
			note = r.state.Posted
			s, err := r.github.CreateDeploymentStatus(ctx, r.repo, e.GitHub, w)
			return created{s.ID, s.At}, err
		},
		Refused: github.IsRefusal,
	})
	if err == nil {
		note(e.Deployment, change.DeploymentStatus{ID: made.ID, State: e.State, At: made.At})
	}
	return err
}

// page is where people find out about a deployment: its pull request, which has a comment that says how it stands, or else its commit.
func (r *run) page(e release.Effect) string {
	if e.Number == 0 {
		return fmt.Sprintf("%s/%s/commit/%s", r.Web, r.repo, e.Commit)
	}
	return fmt.Sprintf("%s/%s/pull/%d", r.Web, r.repo, e.Number)
}

// answerRule answers a deployment protection rule, or says there what its job waits for.
func (r *run) answerRule(ctx context.Context, e release.Effect) error {
	state := github.GateRejected
	switch e.Answer {
	case release.Go:
		state = github.GateApproved
	case release.NotYet:
		state = github.GateProgress
	}
	send := func(ctx context.Context) (bool, error) {
		if err := r.checkCallback(ctx, e); err != nil {
			return false, err
		}
		err := r.github.ReviewGate(ctx, r.repo, e.Callback, e.Environment, state, r.Markdown(e.Says))
		return err == nil, err
	}
	uncertain := false
	body := map[string]any{"environment": e.Environment, "callback": e.Callback, "answer": e.Answer, "says": e.Says.String()}
	_, err := effect.Once(ctx, r.Store, r.intent(e, body), effect.Action[bool]{
		Find: func(ctx context.Context, _ time.Time) (bool, bool, error) {
			if state == github.GateProgress {
				// GitHub lists them nowhere, and takes ten.
				uncertain = true
				return false, false, effect.ErrUncertain
			}
			// A gate that took the first attempt is closed, and takes no other.
			told, err := send(ctx)
			var closed *github.GateClosed
			if errors.As(err, &closed) {
				return true, true, nil
			}
			return told, err == nil, err
		},
		Do: send,
		Refused: func(err error) bool {
			var bad *github.BadCallback
			return errors.As(err, &bad) || github.IsRefusal(err)
		},
	})
	var failed *effect.Failed
	if err == nil || uncertain && errors.As(err, &failed) {
		r.state.Told(e.Deployment, e.Ask, e.Answer, e.Says.String())
		return nil
	}
	return err
}

// checkCallback makes sure that an answer goes to the run that asked: one of this repository, on the commit that the answer is about. Whoever
// could have another run answered would have it let through by what was decided of this one.
func (r *run) checkCallback(ctx context.Context, e release.Effect) error {
	id, err := r.github.ParseCallback(e.Callback, r.repo)
	if err != nil {
		return err
	}
	of, err := r.github.WorkflowRun(ctx, r.repo, id, r.github.Began())
	switch {
	case err != nil:
		return err
	case of.Repository != r.repo.ID:
		return &github.BadCallback{Why: "its run is another repository's"}
	case of.Head != e.Commit:
		return &github.BadCallback{Why: fmt.Sprintf("its run is of %s, and what asked is of %s", of.Head.Short(), e.Commit.Short())}
	}
	return nil
}

// intent is what is about to be done. The core's keys are unique in the repository.
func (r *run) intent(e release.Effect, body any) store.Intent {
	return store.Intent{
		Key: fmt.Sprintf("deployments:%d:%s", r.repo.ID, e.Key), Kind: string(e.Kind), Pull: r.pull(e.Number), Head: e.Commit, Body: body, Lease: r.lease,
	}
}
