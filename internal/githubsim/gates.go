package githubsim

import (
	"slices"
	"strings"
	"time"
)

// jobGate is what a job waits for before it may deploy to its environment.
type jobGate struct {
	env      *environment
	asked    []*askedRule
	reviewed bool // there are no reviewers, or one of them has approved
	until    time.Time
}

// askedRule is an App's rule, of which the job awaits the answer.
type askedRule struct {
	app     *app
	state   string // "", approved or rejected
	reports int    // the comments that decided nothing
}

// RuleComment is what an App said of a job that asked its rule.
type RuleComment struct {
	App   string // the slug
	State string // approved, rejected, or "" for a report
	Text  string // Markdown
	At    time.Time
}

const (
	maxRuleComment = 1024 // characters
	maxReports     = 10
	// waitsAtMost is how long a job waits for its environment's rules before it fails.
	waitsAtMost = 30 * 24 * time.Hour
)

// hold has a job wait, and asks the Apps whose rules its environment has.
func (s *Sim) hold(w *workflowRun, e *environment) {
	s.moveJob(w, "waiting")
	g := &jobGate{env: e, reviewed: len(e.Reviewers) == 0, until: s.Now().Add(e.WaitTimer)}
	w.job.gate = g
	s.tell(w, "waiting")
	for _, rule := range e.rules {
		g.asked = append(g.asked, &askedRule{app: rule.app})
		s.emitProtectionRule(w, rule.app)
	}
}

// release queues a job that has nothing left to wait for, or fails it where it has waited for too long, and says whether it did either.
func (s *Sim) release(w *workflowRun) bool {
	g := w.job.gate
	open := slices.ContainsFunc(g.asked, func(a *askedRule) bool { return a.state != "approved" })
	switch {
	case slices.ContainsFunc(g.asked, func(a *askedRule) bool { return a.state == "rejected" }):
		s.finish(w, "failure")
	case !open && g.reviewed && !s.Now().Before(g.until):
		w.job.gate = nil
		s.moveJob(w, "queued")
		s.tell(w, "queued")
	case s.Now().Sub(w.job.since) >= waitsAtMost:
		s.finish(w, "failure")
	default:
		return false
	}
	return true
}

// ruleAnswer is what an App answers about a job that waits.
type ruleAnswer struct {
	Environment string  `json:"environment_name"`
	State       *string `json:"state"`
	Comment     *string `json:"comment"`
}

// answerRule takes an App's answer: a decision, which stands, or a report, of which there are so many at most.
func (s *Sim) answerRule(w *workflowRun, a *app, answer *ruleAnswer) error {
	comment := strings.TrimSpace(or(answer.Comment, ""))
	switch {
	case answer.Environment == "":
		return unprocessable("Invalid request.\n\n\"environment_name\" wasn't supplied.")
	case answer.State == nil && comment == "":
		return unprocessable("Invalid request.\n\nNo subschema in \"anyOf\" matched.")
	case answer.State != nil && *answer.State != "approved" && *answer.State != "rejected":
		return unprocessable("Invalid request.\n\n%s is not a member of [\"approved\", \"rejected\"].", *answer.State)
	case len([]rune(comment)) > maxRuleComment:
		return unprocessable("Comment is too long (maximum is %d characters)", maxRuleComment)
	}
	e := w.suite.repo.environment(answer.Environment)
	if w.job == nil || e == nil || e != w.suite.repo.environment(w.job.environment) {
		return unprocessable("The environment %s is not one that the run deploys to", answer.Environment)
	}
	if e.ruleOf(a) == nil {
		return errForbidden
	}
	none := unprocessable("There are no pending custom deployment protection rules to approve or reject")
	if w.job.gate == nil {
		return none
	}
	for _, asked := range w.job.gate.asked {
		if asked.app != a {
			continue
		}
		if asked.state != "" {
			return none
		}
		if answer.State == nil {
			if asked.reports == maxReports {
				return unprocessable("There are too many comments (maximum is %d)", maxReports)
			}
			asked.reports++
		}
		asked.state = or(answer.State, "")
		w.job.said = append(w.job.said, RuleComment{App: a.slug, State: asked.state, Text: comment, At: s.Now()})
		if asked.state != "" {
			s.release(w)
		}
		return nil
	}
	return none
}

// ReviewDeployment approves or rejects a job that waits for a reviewer, as one of its environment's.
func (p *Person) ReviewDeployment(run Run, approve bool) error {
	return p.waiting(run, Read, func(w *workflowRun, by actor) error {
		g := w.job.gate
		switch {
		case g.reviewed || !p.sim.mayReview(g.env, by.account):
			return refuse("There are no pending deployment requests to approve or reject")
		case g.env.PreventSelfReview && by.account == w.actor:
			return refuse("You cannot review your own deployment to %s", g.env.name)
		case !approve:
			p.sim.finish(w, "failure")
			return nil
		}
		g.reviewed = true
		p.sim.release(w)
		return nil
	})
}

// BypassRules starts a job that waits without waiting for anything, which an administrator may unless the environment forbids it.
func (p *Person) BypassRules(run Run) error {
	return p.waiting(run, Admin, func(w *workflowRun, _ actor) error {
		if w.job.gate.env.NoBypass {
			return refuse("The rules of %s cannot be bypassed", w.job.gate.env.name)
		}
		w.job.gate = nil
		p.sim.moveJob(w, "queued")
		p.sim.tell(w, "queued")
		return nil
	})
}

func (p *Person) waiting(run Run, need Role, f func(w *workflowRun, by actor) error) error {
	return p.act(run.Repo, need, "let jobs through", func(r *repository, by actor) error {
		w, err := r.jobRun(run.ID)
		if err != nil {
			return err
		}
		if w.job.gate == nil {
			return refuse("The run does not wait for anything")
		}
		return f(w, by)
	})
}
