package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

// chapter is a part of the life of one pull request.
type chapter struct {
	proposal string // the ID of the one that it is about
	title    string
	steps    []step
	lesson   string // what it teaches
}

// step is one thing that somebody does, with what must follow from it.
type step struct {
	who, what string
	do        func(*scene) error // nil: nothing but time passes
	later     time.Duration      // how much time passes first, besides the minute that each step takes
	// refused is GitHub's message; "": it must not refuse.
	refused string
	// look is where what follows is seen. It must be of this state: success, failure or in_progress. What it says is exactly this, or starts
	// with it if it ends in an ellipsis.
	look        func(*scene) (seen, error)
	state, says string
	// note is a sentence of what is seen besides, without its markup, that is told too.
	note string
}

// scene is where a chapter plays.
type scene struct {
	sim      *githubsim.Sim
	proposal proposal
	pull     githubsim.Pull
}

func (s *scene) as(login string) *githubsim.Person { return s.sim.As(login) }

// The things that people do. Each is done by whom the step names.

func open(who string) step {
	return step{who: who, what: "opens the pull request", do: func(s *scene) (err error) {
		p := s.proposal
		s.pull, err = s.as(who).OpenPull(repo, githubsim.PullOptions{Title: p.Title, Body: p.Body, Branch: p.Branch, Files: p.Files})
		return err
	}}
}

func approve(who string) step {
	return step{who: who, what: "approves", do: func(s *scene) error { return s.as(who).Approve(s.pull) }}
}

func merge(who string) step {
	return step{who: who, what: "merges", look: merged, state: green, says: "merged …", do: func(s *scene) error {
		return s.as(who).Merge(s.pull, githubsim.MergeOptions{Method: githubsim.Squash, DeleteBranch: true})
	}}
}

func label(who, name string) step {
	return step{who: who, what: "adds the label " + name, do: func(s *scene) error { return s.as(who).AddLabel(s.pull, name) }}
}

func unlabel(who, name string) step {
	return step{who: who, what: "removes the label", do: func(s *scene) error { return s.as(who).RemoveLabel(s.pull, name) }}
}

// fillIn writes something in place of a part of the description.
func fillIn(who, what, placeholder, text string) step {
	return step{who: who, what: what, do: func(s *scene) error {
		return s.as(who).EditBody(s.pull, strings.Replace(s.proposal.Body, placeholder, text, 1))
	}}
}

func push(who, what string, commit githubsim.Commit) step {
	return step{who: who, what: what, do: func(s *scene) (err error) {
		s.pull, err = s.as(who).Push(s.pull, commit)
		return err
	}}
}

func tests() step {
	return step{who: "CI", what: "passes the tests", do: func(s *scene) error { return runTests(s.sim, s.pull) }}
}

// deploys has the workflow runs that are queued do their work.
func deploys(where string) step {
	return step{who: "CI", what: "deploys to " + where, do: func(s *scene) error {
		for range 2 { // from queued to in progress, and to its end
			if _, err := s.sim.RunWorkflows(); err != nil {
				return err
			}
		}
		return nil
	}}
}

// command has somebody give a command in a comment.
func command(who, what, text string) step {
	return step{who: who, what: what, do: func(s *scene) error {
		_, err := s.as(who).Comment(s.pull, text)
		return err
	}}
}

// dispatch runs the workflow by hand.
func dispatch(who, environment string) step {
	return step{who: who, what: "runs deploy.yml by hand", do: func(s *scene) error {
		_, err := s.as(who).Dispatch(repo, githubsim.Dispatch{Environment: environment})
		return err
	}}
}

func later(d time.Duration) step {
	n, unit := int(d/time.Minute), "minutes"
	if d >= time.Hour {
		n, unit = int(d/time.Hour), "hours"
	}
	return step{who: "…", what: fmt.Sprintf("%d %s later", n, unit), later: d}
}

// checks adds what the check run must say.
func (s step) checks(state, title string) step { return s.sees(checked, state, title) }

// ships adds how the change must stand in each environment.
func (s step) ships(state, says string) step { return s.sees(shipped, state, says) }

// answers adds what changegate must have answered.
func (s step) answers(says string) step { return s.sees(answered, said, says) }

// gates adds what the job that waits at the environment's rule must be told.
func (s step) gates(state, says string) step { return s.sees(gated, state, says) }

func (s step) sees(look func(*scene) (seen, error), state, says string) step {
	s.look, s.state, s.says = look, state, says
	return s
}

func (s step) noting(note string) step {
	s.note = note
	return s
}

func (s step) isRefused(message string) step {
	s.refused = message
	return s
}

func (s step) called(what string) step {
	s.what = what
	return s
}

const (
	green  = "success"
	red    = "failure"
	yellow = "in_progress"
	said   = "said" // neither good nor bad
)

// refusal returns GitHub's message, or "" and the error if it is another.
func refusal(err error) (string, error) {
	var refused *githubsim.Refused
	if errors.As(err, &refused) {
		return refused.Message, nil
	}
	return "", err
}
