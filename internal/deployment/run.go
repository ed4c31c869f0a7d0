package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/landing"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// maxRounds is how many times a run takes a turn because effects were done. What one effect leads to seldom takes more than two.
const maxRounds = 8

// state is what is remembered of a repository's deployments. It is stored: members may be added, not renamed.
type state struct {
	release.State
	// Comments are the pull requests' comments, as far as something of theirs is still remembered.
	Comments map[change.Number]posted `json:"comments,omitempty"`
	// Answers and Prompts are yet to be posted. They are kept because the notes that led to them are gone once they are taken.
	Answers []answer `json:"answers,omitempty"`
	Prompts []prompt `json:"prompts,omitempty"`
	// Heard is what the core was told of deployments on GitHub; nil: it is not kept yet.
	Heard *heard `json:"heard,omitempty"`
	// Unusable says that the policy could not be used when it was looked at last.
	Unusable bool `json:"unusable,omitempty"`
}

// remembered reads an errand's state, which is zero if there is none.
func remembered(w store.ErrandWork) (s state, err error) {
	if w.State == nil {
		return s, nil
	}
	if err := json.Unmarshal(w.State, &s); err != nil {
		return s, fmt.Errorf("reading the state of %s: %w", w.Errand, err)
	}
	return s, nil
}

// isNothing says whether there is nothing to see to.
func (s *state) isNothing() bool {
	return len(s.Tracks)+len(s.Answers)+len(s.Prompts)+len(s.Comments) == 0
}

// run is one run over a repository's errand.
type run struct {
	*Deployer
	errand change.Errand
	repo   change.Repository
	github GitHub
	work   store.ErrandWork
	lease  store.Lease
	rules  release.Rules
	state  state
	saved  []byte // the state as it is stored
	heard  *heard // what the core is told of, to be kept with what follows from it; nil: nothing is kept of that
	facts  release.Facts
	seen   seen
	again  time.Time // when the run is to be repeated whatever the core says, by our clock; zero: no need
	log    zerolog.Logger
}

// look takes what was left for the errand and sees to what follows.
func (r *run) look(ctx context.Context) (queue.Result, error) {
	notes, err := readNotes(r.work)
	if err != nil {
		return queue.Result{}, err
	}
	r.rules, err = r.Policies.Rules(ctx, r.repo)
	switch {
	case errors.Is(err, ErrUnusable):
		return r.unusable(ctx, notes)
	case github.IsRefusal(err):
		return r.refused(err), nil
	case err != nil:
		return queue.Result{}, err
	case r.rules.Mode == release.Off && r.state.isNothing() && !notes.wantAnswer():
		r.state.Unusable = false
		return queue.Result{}, r.save(ctx, store.ErrandSave{Taken: notes.ids()})
	}
	r.state.Unusable = false
	var out release.Outcome
	err = r.each(ctx,
		func(ctx context.Context) error {
			tells, err := r.everything(ctx, notes)
			if err == nil {
				out, err = r.advance(ctx, tells, notes.ids())
			}
			return err
		},
		r.postAnswers, r.postPrompts, r.postComments,
		func(ctx context.Context) error { return r.save(ctx, store.ErrandSave{}) },
	)
	if isNotShown(err) {
		return r.refused(err), nil
	}
	if !out.Wake.IsZero() {
		r.soon(out.Wake.Sub(r.github.Now())) // the core's times are GitHub's
	}
	return queue.Result{RecheckAt: r.again}, err
}

// refused has all wait for what GitHub refuses to show. Whatever happens there has it looked at too.
func (r *run) refused(err error) queue.Result {
	r.log.Warn().Err(err).Msg("GitHub refused, it is asked again later")
	return queue.Result{RecheckAt: r.Clock().Add(whileRefused)}
}

// unusable has everything wait for a policy that can be used, but people: they are told.
func (r *run) unusable(ctx context.Context, notes notes) (queue.Result, error) {
	r.log.Warn().Msg("the policy cannot be used, so that nothing is deployed")
	r.state.Unusable = true
	var taken []string
	for _, n := range notes {
		if c := n.body.Command; c != nil {
			r.keepAnswer(answer{Comment: c.Comment, Number: c.Pull.Number, Reaction: command.Refused, Says: change.Words(
				"The policy of the default branch cannot be used, so that nobody knows who may do this. Give the command again once it can be.")})
			taken = append(taken, n.id)
		}
	}
	r.soon(whileUnusable)
	err := r.each(ctx,
		func(ctx context.Context) error { return r.save(ctx, store.ErrandSave{Taken: taken}) },
		r.postAnswers, r.postPrompts,
		func(ctx context.Context) error { return r.save(ctx, store.ErrandSave{}) },
	)
	return queue.Result{RecheckAt: r.again}, err
}

// each takes steps. One that fails does not keep the others from being taken, unless they would fail for the same reason.
func (r *run) each(ctx context.Context, steps ...func(context.Context) error) error {
	var failed []error
	for _, step := range steps {
		err := step(ctx)
		failed = append(failed, err)
		if isOver(ctx, err) {
			break
		}
	}
	return errors.Join(failed...)
}

// isOver says whether an error ends the run at once: its time or its lease is over, what it came to may not be kept, or GitHub takes no more calls,
// or not yet.
func isOver(ctx context.Context, err error) bool {
	var limited *github.RateLimited
	var unsaved *unsaved
	return ctx.Err() != nil || errors.Is(err, store.ErrFenced) || errors.As(err, &unsaved) || errors.As(err, &limited)
}

// unsaved says that it is not known whether what a run came to was kept. To save anything after that could keep the state without its evidence, or
// undo it.
type unsaved struct{ error }

// Unwrap returns what the store said.
func (e *unsaved) Unwrap() error { return e.error }

// advance takes a turn, keeps what follows from it, and does it, as long as what was done leads to more.
func (r *run) advance(ctx context.Context, tells []tell, taken []string) (out release.Outcome, err error) {
	var failed []error
	tried := map[string]bool{}
	for range maxRounds {
		if out, err = r.turn(ctx, tells); err != nil {
			return out, errors.Join(append(failed, err)...)
		}
		// From here on what was told is dealt with, and nothing that follows from it can be lost.
		if err := r.keep(ctx, out, taken); err != nil {
			return out, errors.Join(append(failed, err)...)
		}
		tells, taken = nil, nil
		moved := false
		for _, e := range out.Effects {
			if tried[e.Key] {
				continue
			}
			tried[e.Key] = true
			err := r.perform(ctx, e)
			if isOver(ctx, err) {
				return out, err
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", e.Kind, err))
				continue
			}
			moved = true
		}
		if !moved {
			return out, errors.Join(failed...)
		}
	}
	r.soon(0) // the rest is for another run
	return out, errors.Join(failed...)
}

// turn takes the core's turn, which is told the same again and again until it knows all that it must. That comes to an end: each time read
// learns something, or fails, and there are only so many commits and people to ask about.
func (r *run) turn(ctx context.Context, tells []tell) (release.Outcome, error) {
	for {
		t := release.Take(r.state.State, r.rules, r.facts, r.github.Now(), r.App)
		for _, tell := range tells {
			tell(t)
		}
		out := t.End()
		if out.Needs.IsEmpty() {
			return out, nil
		}
		if err := r.read(ctx, out.Needs); err != nil {
			return release.Outcome{}, err
		}
	}
}

// keep makes an outcome durable, all of it or nothing.
func (r *run) keep(ctx context.Context, out release.Outcome, taken []string) error {
	s := store.ErrandSave{Taken: taken}
	r.state.State = out.State
	if r.heard != nil {
		r.state.Heard = r.heard
	}
	for _, e := range out.Entries {
		s.Entries = append(s.Entries, ledger.Draft{
			Kind: ledger.DeploymentMoved, Body: e,
			Subject: ledger.Subject{Repository: int64(r.repo.ID), Number: int(e.Deployment.Number), SHA: string(e.Deployment.Commit)},
		})
	}
	for _, e := range out.Exceptions {
		e.Repository = r.repo.ID
		r.log.Warn().Str("kind", string(e.Kind)).Str("exception", e.Key).Bool("observed", r.rules.Observing).Msg("the policy was bypassed")
		draft, raised := landing.Found(e, r.rules.Observing)
		s.Entries, s.Raise = append(s.Entries, draft), append(s.Raise, raised...)
	}
	for _, reply := range out.Replies {
		r.keepAnswer(answerOf(reply))
	}
	for _, p := range out.Prompts {
		r.keepPrompt(p)
	}
	return r.save(ctx, s)
}

// save keeps what the run leaves, if anything is new.
func (r *run) save(ctx context.Context, s store.ErrandSave) error {
	state, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	if !bytes.Equal(state, r.saved) {
		s.State = json.RawMessage(state)
	}
	if s.State == nil && len(s.Taken)+len(s.Raise)+len(s.Entries) == 0 {
		return nil
	}
	s.Lease = r.lease
	if err := r.Store.SaveErrand(ctx, r.errand, s); err != nil {
		return &unsaved{err}
	}
	r.saved = state
	return nil
}

// soon has the run repeated after a time, or before.
func (r *run) soon(after time.Duration) {
	if at := r.Clock().Add(after); r.again.IsZero() || at.Before(r.again) {
		r.again = at
	}
}
