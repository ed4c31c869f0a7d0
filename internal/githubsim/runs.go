package githubsim

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// RunWorkflows takes every run of a Workflow one step further: a queued job is in progress, one in progress meets its outcome, and one
// that waits and has waited long enough is queued. It says how many moved. Nothing runs by itself.
func (s *Sim) RunWorkflows() (moved int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range sortedIDs(s.repos) {
		r := s.repos[id]
		for _, w := range slices.Clone(r.workflows) {
			if w.job != nil && s.stepRun(w) {
				moved++
			}
		}
		if err := s.runQueues(r); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

func sortedIDs[V any](m map[int64]V) []int64 {
	var out []int64
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// stepRun says whether there was anything to do.
func (s *Sim) stepRun(w *workflowRun) bool {
	j := w.job
	switch j.status {
	case "waiting":
		return s.release(w)
	case "queued":
		s.moveJob(w, "in_progress")
		j.token = uuid.NewString()
		status := "in_progress"
		s.updateRun(j.check, &runChange{Status: &status})
		s.emitWorkflowRun(w, "in_progress")
		s.tell(w, "in_progress")
		s.script(w, "in_progress")
		return true
	case "in_progress":
		outcome := "timed_out"
		if s.Now().Sub(j.since) < j.Timeout {
			outcome = j.Outcome(w.deploysTo(), w.suite.sha)
		}
		if outcome == "" {
			return false
		}
		s.finish(w, outcome)
		return true
	}
	return false
}

// deploysTo returns the environment that the run is about.
func (w *workflowRun) deploysTo() string {
	if w.job.environment == "" && w.job.trigger != nil {
		return w.job.trigger.environment
	}
	return w.job.environment
}

// finish ends the run. A job that was stopped says nothing any more of the deployment that it ran for; of one that GitHub made, GitHub
// does.
func (s *Sim) finish(w *workflowRun, conclusion string) {
	s.moveJob(w, "completed")
	w.job.conclusion, w.job.gate, w.job.token = conclusion, nil, ""
	switch conclusion {
	case "success", "failure":
		s.script(w, conclusion)
		s.tell(w, conclusion)
	default:
		s.tell(w, "failure")
	}
	s.updateRun(w.job.check, &runChange{Conclusion: &conclusion})
	s.emitWorkflowRun(w, "completed")
}

var jobConclusions = []string{"success", "failure", "cancelled", "timed_out"}

// FinishRun ends a run that has not ended as told: success, failure, cancelled or timed_out.
func (s *Sim) FinishRun(run Run, conclusion string) error {
	if !slices.Contains(jobConclusions, conclusion) {
		return fmt.Errorf("%q is not one of %v", conclusion, jobConclusions)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(run.Repo)
	if err != nil {
		return err
	}
	w, err := r.jobRun(run.ID)
	if err != nil {
		return err
	}
	if w.job.status == "completed" {
		return refuse("Cannot cancel a workflow run that is completed.")
	}
	s.finish(w, conclusion)
	return s.runQueues(r)
}

// CancelRun cancels a run that has not ended.
func (p *Person) CancelRun(run Run) error {
	return p.onWorkflow(run, "cancel workflow runs", func(w *workflowRun, _ actor) error {
		if w.job.status == "completed" {
			return refuse("Cannot cancel a workflow run that is completed.")
		}
		p.sim.finish(w, "cancelled")
		return nil
	})
}

// Rerun runs a run that has ended again, on the same commit, as its next attempt.
func (p *Person) Rerun(run Run) error {
	return p.onWorkflow(run, "re-run workflows", func(w *workflowRun, _ actor) error {
		if w.job.status != "completed" {
			return refuse("This workflow is already running")
		}
		p.sim.startAttempt(w)
		return nil
	})
}

func (p *Person) onWorkflow(run Run, what string, f func(w *workflowRun, by actor) error) error {
	return p.act(run.Repo, Write, what, func(r *repository, by actor) error {
		w, err := r.jobRun(run.ID)
		if err != nil {
			return err
		}
		return f(w, by)
	})
}

// jobRun returns a run of a Workflow.
func (r *repository) jobRun(id int64) (*workflowRun, error) {
	for _, w := range r.workflows {
		if w.id == id && w.job != nil {
			return w, nil
		}
	}
	return nil, refuse("Not Found")
}
