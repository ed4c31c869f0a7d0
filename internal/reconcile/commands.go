package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/report"
	"github.com/changegate/changegate/internal/store"
)

// commands carries out the commands that were not answered yet, and answers them. It returns true if one of them asks for the check run to be
// posted anew, which is left to the rest of the run. Until the run has ended well its commands count as not answered, and the next run does all of
// this again, which does no harm. One that cannot be answered now holds up nothing but a green.
func (r *run) commands(ctx context.Context) (again bool, err error) {
	w := &r.main.work
	again = w.Concerns.Has(change.ConcernAgain)
	for _, c := range w.Commands {
		a, refresh, err := r.command(ctx, c)
		if err == nil {
			err = r.apply(ctx, answers(c, a))
		}
		if early := new(effect.Early); errors.As(err, &early) { // it was carried out, and only its answer is left
			r.unsaid, a.Outcome = errors.Join(r.unsaid, err), ""
		} else if err != nil {
			err = fmt.Errorf("the command in comment %d: %w", c.Comment, err)
			if endsRun(err) {
				return false, err
			}
			r.unanswered, a, refresh = errors.Join(r.unanswered, err), command.Answer{}, false
		}
		again = again || refresh
		r.outcomes = append(r.outcomes, a.Outcome)
	}
	if again {
		w.Concerns |= change.ConcernVerify
	}
	return again, nil
}

// errUnanswered says that a command which may be a rejection waits for a run of its own pull request.
var errUnanswered = errors.New("a rejection was not answered yet")

// mayBeRejected says whether somebody rejected one of the subjects in a command that this run does not answer, because it is a run about another
// pull request or a merge group.
func (r *run) mayBeRejected(subjects []*subject) bool {
	rejects := func(c change.Command) bool {
		asked, problem := command.Parse(c.Body)
		return problem == nil && asked.Verb == command.Reject
	}
	return slices.ContainsFunc(subjects, func(s *subject) bool {
		answered := s == r.main && r.outcomes != nil
		return !answered && slices.ContainsFunc(s.work.Commands, rejects)
	})
}

// endsRun says whether an error ends a run wherever it is met, because it is about the run and not about what the run asked for.
func endsRun(err error) bool {
	var limited *github.RateLimited
	return errors.Is(err, errMoved) || errors.Is(err, store.ErrHeld) || errors.Is(err, store.ErrFenced) || errors.As(err, &limited)
}

// command carries out a command and says whether it asks for the check run to be posted anew.
func (r *run) command(ctx context.Context, c change.Command) (a command.Answer, refresh bool, err error) {
	asked, problem := command.Parse(c.Body)
	switch {
	case problem != nil:
		return command.Misread(problem), false, nil
	case asked.Verb.IsAboutDeployments():
		return command.Answer{Outcome: "passed on to deployments"}, false, r.passOn(ctx, c)
	}
	a, err = r.carryOut(ctx, r.main, c, asked)
	var missing *github.NotFound
	if errors.As(err, &missing) && !command.IsSettled(c, r.github.Now()) {
		return command.Answer{}, false, command.NotTold(c)
	}
	if github.IsRefusal(err) {
		r.log.Warn().Err(err).Int64("comment", c.Comment).Msg("what a command needs cannot be read")
		a, err = command.Refuse("cannot be read", change.Words("GitHub refuses to show what tells whether you may do this. Give the command again once that is fixed.")), nil
	}
	return a, a.Reaction == command.Done && asked.Verb == command.Refresh, err
}

// passOn leaves a command to the repository's deployments, which answer it. Leaving it twice does no harm.
func (r *run) passOn(ctx context.Context, c change.Command) error {
	return r.Store.RaiseErrands(ctx, []change.Raised{{
		Errand: change.Errand{Kind: change.ErrandDeployments, Repository: c.Pull.Repository, Name: change.DeploymentsName},
		Notes:  []change.Note{change.NewNote(fmt.Sprintf("command:%d", c.Comment), c.At, change.ReleaseNote{Command: &c})},
	}})
}

// answers returns the effects that tell what became of a command: a reaction, and one short comment if it was refused.
func answers(c change.Command, a command.Answer) []plan.Effect {
	var effects []plan.Effect
	if a.Reaction != "" {
		effects = append(effects, plan.Effect{Kind: plan.React, Key: fmt.Sprintf("react:%d", c.Comment), Pull: c.Pull, Comment: c.Comment, Body: string(a.Reaction)})
	}
	if !a.Says.IsEmpty() {
		effects = append(effects, plan.Effect{Kind: plan.Comment, Key: fmt.Sprintf("answer:%d", c.Comment), Pull: c.Pull, Comment: c.Comment, Body: report.Markdown(a.Says)})
	}
	return effects
}

// carryOut does what a command asks for, if whoever asks may have it done now.
func (r *run) carryOut(ctx context.Context, s *subject, c change.Command, asked command.Command) (command.Answer, error) {
	if refusal, stands, err := errand.Confirm(ctx, r.github, s.work.Repository, c); err != nil || !stands {
		return refusal, err
	}
	switch {
	case asked.Verb == command.Explain:
		return command.Refuse("not on a pull request", change.Words("An exception is explained on the issue that asks for it.")), nil
	case s.pull().State != change.Open && asked.Verb != command.Refresh:
		return command.Refuse("the pull request has ended", change.Words("The pull request is "+string(s.pull().State)+": this comes too late.")), nil
	}
	if asked.Verb == command.Withdraw {
		return r.withdrawRejections(ctx, s, c)
	}
	may, err := r.authority(ctx, s, asked.Verb, c.By)
	if errors.Is(err, ErrUnusable) || err == nil && !may.May {
		return r.notPermitted(c, may, err)
	}
	if err != nil {
		return command.Answer{}, err
	}
	if asked.Verb == command.Reject {
		s.reject(change.Rejection{Comment: c.Comment, By: c.By, Role: may.Role, At: c.At, Reason: asked.Reason})
	}
	return command.Obeyed(asked.Verb), nil
}

// notPermitted says why somebody may not give a command, or that nobody can tell. Of one that is new, that is an error: it may be told yet.
func (r *run) notPermitted(c change.Command, may policy.Authority, err error) (command.Answer, error) {
	switch {
	case err != nil:
		return command.Refuse("the policy cannot be used",
			change.Words("The policy cannot be used, so that nobody knows who may do this. The check says what is wrong with it.")), nil
	case may.Untold && !command.IsSettled(c, r.github.Now()):
		return command.Answer{}, command.NotTold(c)
	case may.Unknown:
		return command.PermissionUnknown(c.By, may.Who), nil
	default:
		return command.NotPermitted(may.Who), nil
	}
}

// withdrawRejections takes back each rejection that stood when the command was given, if whoever gave it may; all of them or none.
func (r *run) withdrawRejections(ctx context.Context, s *subject, c change.Command) (command.Answer, error) {
	var standing []*change.Rejection
	s.work.Rejections = slices.Clone(s.work.Rejections)
	for i := range s.work.Rejections {
		// One that this very command withdrew, in a run that did not end, is withdrawn again.
		if k := &s.work.Rejections[i]; !k.At.After(c.At) && (k.Withdrawn.IsZero() || k.Withdrawn.Equal(c.At) && k.WithdrawnBy.ID == c.By.ID) {
			standing = append(standing, k)
		}
	}
	if len(standing) == 0 {
		return command.Misplaced("nothing to withdraw", change.Words("There is no rejection to withdraw.")), nil
	}
	for _, k := range standing {
		may, err := r.mayWithdraw(ctx, s, *k, c.By)
		if errors.Is(err, ErrUnusable) || err == nil && !may.May {
			return r.notPermitted(c, may, err)
		}
		if err != nil {
			return command.Answer{}, err
		}
	}
	for _, k := range standing {
		k.Withdrawn, k.WithdrawnBy = c.At, c.By
		s.rejections = slices.DeleteFunc(s.rejections, func(same change.Rejection) bool { return same.Comment == k.Comment })
		s.rejections = append(s.rejections, *k)
	}
	return command.Obeyed(command.Withdraw), nil
}

// reject notes a rejection, once a comment.
func (s *subject) reject(r change.Rejection) {
	known := func(k change.Rejection) bool { return k.Comment == r.Comment }
	if !slices.ContainsFunc(s.work.Rejections, known) {
		s.work.Rejections = append(slices.Clone(s.work.Rejections), r)
		s.rejections = append(s.rejections, r)
	}
}

// answered notes that the commands were carried out. A run that does not come this far leaves all of them to the next. Those that could not be
// answered are left as well, and are the run's error.
func (r *run) answered(ctx context.Context) error {
	for i, c := range r.main.work.Commands {
		if r.outcomes[i] == "" {
			continue
		}
		if err := r.Store.CommandDone(ctx, c.Comment, r.outcomes[i]); err != nil {
			return err
		}
	}
	return errors.Join(r.unanswered, r.unsaid)
}
