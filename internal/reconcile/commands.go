package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/report"
)

// answer is what becomes of a command.
type answer struct {
	reaction string      // in GitHub's words; empty: the comment is gone
	says     change.Text // why it was refused; empty: it was not
	outcome  string      // for the record
}

// The reactions to a command.
const (
	done     = "+1"
	refuses  = "-1"
	confused = "confused"
)

// commands carries out the commands that were not answered yet, as far as that is not the rest of the run's business, and answers them. It
// says whether one of them asks for the check run to be posted anew. Until the run has ended well a command counts as not answered, and
// all of this is done again by the next, which does no harm.
func (r *run) commands(ctx context.Context) (again bool, err error) {
	s := r.main
	w := &s.work
	again = w.Concerns.Has(change.ConcernAgain)
	for _, c := range w.Commands {
		asked, problem := command.Parse(c.Body)
		var a answer
		if problem != nil {
			a = answer{confused, change.Quote(problem.Error()), "not a command"}
		} else if a, err = r.carryOut(ctx, s, c, asked); err != nil {
			return false, fmt.Errorf("the command in comment %d: %w", c.Comment, err)
		}
		again = again || a.reaction == done && asked.Verb == command.Refresh
		r.outcomes = append(r.outcomes, a.outcome)
		if err := r.apply(ctx, answers(c, a)); err != nil {
			return false, err
		}
	}
	if again {
		w.Concerns |= change.ConcernVerify
	}
	return again, nil
}

// answers returns the effects that tell what became of a command: a reaction, and one short comment if it was refused.
func answers(c change.Command, a answer) []plan.Effect {
	var effects []plan.Effect
	if a.reaction != "" {
		effects = append(effects, plan.Effect{Kind: plan.React, Key: fmt.Sprintf("react:%d", c.Comment), Pull: c.Pull, Comment: c.Comment, Body: a.reaction})
	}
	if !a.says.IsEmpty() {
		effects = append(effects, plan.Effect{Kind: plan.Comment, Key: fmt.Sprintf("answer:%d", c.Comment), Pull: c.Pull, Comment: c.Comment, Body: report.Markdown(a.says)})
	}
	return effects
}

// carryOut does what a command asks for, if whoever asks may have it done now.
func (r *run) carryOut(ctx context.Context, s *subject, c change.Command, asked command.Command) (answer, error) {
	refused := func(outcome string, why ...change.Text) (answer, error) {
		return answer{refuses, change.Say(why...), outcome}, nil
	}
	comment, err := r.github.IssueComment(ctx, s.work.Repository, c.Comment, r.github.Began())
	var missing *github.NotFound
	switch {
	case errors.As(err, &missing):
		return answer{outcome: "its comment was deleted"}, nil
	case err != nil:
		return answer{}, err
	case comment.Body != c.Body || comment.Updated.After(comment.At) || comment.By.ID != c.By.ID || comment.Via != 0:
		return refused("its comment was edited", change.Words("This comment was edited after it was sent, so it commands nothing. Write it anew."))
	case asked.Verb == command.Explain:
		return refused("not on a pull request", change.Words("An exception is explained on the issue that asks for it."))
	case s.pull().State != change.Open && asked.Verb != command.Refresh:
		return refused("the pull request has ended", change.Words("The pull request is "+string(s.pull().State)+": this comes too late."))
	}
	if asked.Verb == command.Withdraw {
		return r.withdrawRejections(ctx, s, c)
	}
	may, err := r.authority(ctx, s, string(asked.Verb), c.By)
	if errors.Is(err, ErrUnusable) || err == nil && !may.May {
		return notPermitted(c, may, err), nil
	}
	if err != nil {
		return answer{}, err
	}
	if asked.Verb == command.Reject {
		s.reject(change.Rejection{Comment: c.Comment, By: c.By, Role: may.Role, At: c.At, Reason: asked.Reason})
	}
	return answer{reaction: done, outcome: string(asked.Verb)}, nil
}

// notPermitted says why somebody may not give a command, or that nobody can tell.
func notPermitted(c change.Command, may policy.Authority, err error) answer {
	switch {
	case err != nil:
		return answer{refuses, change.Words("The policy cannot be used, so that nobody knows who may do this. The check says what is wrong with it."), "the policy cannot be used"}
	case may.Unknown:
		return answer{refuses, change.Say(change.Words("Whether "), change.Login(c.By), change.Words(" may do this could not be read. It is for "), may.Who, change.Words(".")), "not known whether permitted"}
	default:
		return answer{refuses, change.Say(change.Words("This is for "), may.Who, change.Words(".")), "not permitted"}
	}
}

// withdrawRejections takes back each rejection that stood when the command was given, if whoever gave it may; all of them or none.
func (r *run) withdrawRejections(ctx context.Context, s *subject, c change.Command) (answer, error) {
	var standing []*change.Rejection
	s.work.Rejections = slices.Clone(s.work.Rejections)
	for i := range s.work.Rejections {
		// One that this very command withdrew, in a run that did not end, is withdrawn again.
		if k := &s.work.Rejections[i]; !k.At.After(c.At) && (k.Withdrawn.IsZero() || k.Withdrawn.Equal(c.At) && k.WithdrawnBy.ID == c.By.ID) {
			standing = append(standing, k)
		}
	}
	if len(standing) == 0 {
		return answer{confused, change.Words("There is no rejection to withdraw."), "nothing to withdraw"}, nil
	}
	for _, k := range standing {
		may, err := r.mayWithdraw(ctx, s, *k, c.By)
		if errors.Is(err, ErrUnusable) || err == nil && !may.May {
			return notPermitted(c, may, err), nil
		}
		if err != nil {
			return answer{}, err
		}
	}
	for _, k := range standing {
		k.Withdrawn, k.WithdrawnBy = c.At, c.By
		s.rejections = slices.DeleteFunc(s.rejections, func(same change.Rejection) bool { return same.Comment == k.Comment })
		s.rejections = append(s.rejections, *k)
	}
	return answer{reaction: done, outcome: string(command.Withdraw)}, nil
}

// reject notes a rejection, once a comment.
func (s *subject) reject(r change.Rejection) {
	known := func(k change.Rejection) bool { return k.Comment == r.Comment }
	if !slices.ContainsFunc(s.work.Rejections, known) {
		s.work.Rejections = append(slices.Clone(s.work.Rejections), r)
		s.rejections = append(s.rejections, r)
	}
}

// answered notes that the commands were carried out. A run that did not come this far leaves them to the next.
func (r *run) answered(ctx context.Context) error {
	for i, c := range r.main.work.Commands {
		if err := r.store.CommandDone(ctx, c.Comment, r.outcomes[i]); err != nil {
			return err
		}
	}
	return nil
}
