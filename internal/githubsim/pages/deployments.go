package pages

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

// shownRuns is how many runs the page shows, the newest.
const shownRuns = 20

// rollouts is the part of the page of deployments that changes by itself.
type rollouts struct {
	Repo         string
	Acting       string
	Environments []githubsim.EnvironmentView
	Runs         []githubsim.RunView // newest first
	Moving       bool                // a run has not ended and does not wait
	Version      string
}

// runForm is a button that does something to a run.
type runForm struct {
	Repo                string
	ID                  int64
	Action, Text, Class string
}

func (s *site) rollouts(acting string) (rollouts, error) {
	environments, err := s.sim.Environments(s.Repo)
	if err != nil {
		return rollouts{}, err
	}
	runs, err := s.sim.Runs(s.Repo)
	if err != nil {
		return rollouts{}, err
	}
	slices.Reverse(runs)
	v := rollouts{Repo: s.Repo, Acting: acting, Environments: environments, Runs: runs[:min(len(runs), shownRuns)]}
	v.Moving = slices.ContainsFunc(runs, func(r githubsim.RunView) bool { return r.Status == "queued" || r.Status == "in_progress" })
	v.Version = fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, v.Environments, v.Runs)))[:16]
	return v, nil
}

func (s *site) deployments(w http.ResponseWriter, r *http.Request) error {
	f := s.frame(r, "Deployments")
	f.Section, f.Flash = "deployments", s.flashes.take(r)
	v, err := s.rollouts(f.Acting.Login)
	if err != nil {
		return err
	}
	workflows, err := s.sim.Workflows(s.Repo)
	if err != nil {
		return err
	}
	data := struct {
		frame
		Live      rollouts
		Workflows []githubsim.Workflow
	}{f, v, workflows}
	s.render(w, http.StatusOK, "deployments.html", data)
	return nil
}

func (s *site) liveDeployments(w http.ResponseWriter, r *http.Request) error {
	v, err := s.rollouts(s.frame(r, "").Acting.Login)
	if err != nil {
		return err
	}
	w.Header().Set("X-Version", v.Version)
	s.render(w, http.StatusOK, "rollouts", v)
	return nil
}

// toRun leads the address that GitHub gives a run to where it is shown.
func (s *site) toRun(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("run"), 10, 64)
	if err != nil {
		return errNotFound
	}
	http.Redirect(w, r, fmt.Sprintf("/%s/deployments#run-%d", s.Repo, id), http.StatusSeeOther)
	return nil
}

// runDeeds are the actions of the forms about workflow runs.
func (s *site) runDeeds() map[string]func(who *githubsim.Person, run githubsim.Run, form url.Values) error {
	finish := func(conclusion string) func(*githubsim.Person, githubsim.Run, url.Values) error {
		return func(_ *githubsim.Person, run githubsim.Run, _ url.Values) error {
			return s.sim.FinishRun(run, conclusion)
		}
	}
	return map[string]func(*githubsim.Person, githubsim.Run, url.Values) error{
		"dispatch": func(who *githubsim.Person, _ githubsim.Run, form url.Values) error {
			_, err := who.Dispatch(s.Repo, githubsim.Dispatch{Path: form.Get("workflow"), Environment: strings.TrimSpace(form.Get("environment"))})
			return err
		},
		"step": func(*githubsim.Person, githubsim.Run, url.Values) error {
			_, err := s.sim.RunWorkflows()
			return err
		},
		"succeed": finish("success"),
		"fail":    finish("failure"),
		"cancel":  func(who *githubsim.Person, run githubsim.Run, _ url.Values) error { return who.CancelRun(run) },
		"rerun":   func(who *githubsim.Person, run githubsim.Run, _ url.Values) error { return who.Rerun(run) },
		"approve": func(who *githubsim.Person, run githubsim.Run, _ url.Values) error {
			return who.ReviewDeployment(run, true)
		},
		"reject": func(who *githubsim.Person, run githubsim.Run, _ url.Values) error {
			return who.ReviewDeployment(run, false)
		},
		"bypass": func(who *githubsim.Person, run githubsim.Run, _ url.Values) error { return who.BypassRules(run) },
	}
}

// actOnRun does what a form about workflow runs asks for, and shows the deployments again.
func (s *site) actOnRun(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	action := r.PathValue("action")
	do := s.runDeeds()[action]
	if do == nil {
		return errNotFound
	}
	who, err := s.person(r)
	if err != nil {
		return err
	}
	run, back := githubsim.Run{Repo: s.Repo}, "/"+s.Repo+"/deployments"
	if id := r.PostForm.Get("run"); id != "" {
		if run.ID, err = strconv.ParseInt(id, 10, 64); err != nil {
			return &pageError{http.StatusBadRequest, "The form names no run."}
		}
	}
	message, err := refusal(do(who, run, r.PostForm))
	if err != nil {
		return err
	}
	if message != "" {
		s.flashes.set(w, flash{Message: message, Refused: true, Field: action})
	} else if run.ID != 0 {
		back += fmt.Sprintf("#run-%d", run.ID)
	}
	s.settle(r.Context())
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}
