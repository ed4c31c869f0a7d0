package demo

import (
	"errors"
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

// chapter is the life of one pull request.
type chapter struct {
	proposal string // the ID of the one that it is about
	title    string
	steps    []step
	lesson   string // what it teaches
}

// step is one thing that somebody does, with what must follow from it.
type step struct {
	who, what string
	do        func(*scene) error
	// refused is GitHub's message; "": it must not refuse.
	refused string
	// check is how the check run stands afterwards, unless it is refused or merges: success, failure or in_progress. Its title is exactly this, or
	// starts with it if it ends in an ellipsis.
	check, title string
	// merges says that the pull request must be merged now.
	merges bool
	// note is a sentence of the check run's summary, without its markup, that is told too.
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
	return step{who: who, what: "merges", merges: true, do: func(s *scene) error {
		return s.as(who).Merge(s.pull, githubsim.MergeOptions{Method: githubsim.Squash, DeleteBranch: true})
	}}
}

func label(who, name string) step {
	return step{who: who, what: "adds the label " + name, do: func(s *scene) error { return s.as(who).AddLabel(s.pull, name) }}
}

func unlabel(who, name string) step {
	return step{who: who, what: "takes the label off", do: func(s *scene) error { return s.as(who).RemoveLabel(s.pull, name) }}
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

// says adds what the check run must say.
func (s step) says(check, title string) step {
	s.check, s.title = check, title
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
)

// refusal returns GitHub's message, or "" and the error if it is another.
func refusal(err error) (string, error) {
	var refused *githubsim.Refused
	if errors.As(err, &refused) {
		return refused.Message, nil
	}
	return "", err
}

// story is what the demo tells.
func story() []chapter {
	return []chapter{
		{
			proposal: "story-1-docs", title: "A line of documentation",
			steps: []step{
				open("alice").says(yellow, "Standard: 0 of 1 approval · test awaited"),
				tests().says(yellow, "Standard: 0 of 1 approval"),
				merge("alice").called("tries to merge").isRefused(`Required status check "Change policy" is in progress.`),
				approve("bob").says(green, "Standard: approved by bob"),
				merge("alice"),
			},
			lesson: "Low risk by a pattern that was agreed on: one approval, no paperwork. GitHub itself holds the merge back until the check is green.",
		},
		{
			proposal: "story-2-code", title: "A change of code",
			steps: []step{
				open("alice").says(red, "Normal: 0 of 1 approval · rollback plan missing · test awaited"),
				fillIn("alice", "adds a rollback plan", "<!-- How do we get back to before? -->", "Revert and deploy: nothing is stored.").
					says(yellow, "Normal: 0 of 1 approval · test awaited"),
				tests().says(yellow, "Normal: 0 of 1 approval"),
				approve("bob").says(green, "Normal: approved by bob"),
				push("alice", "pushes one more commit", githubsim.Commit{
					Message: "Say what half even means",
					Files:   map[string]string{"docs/prices.md": "# Prices\n\nHalf a cent is rounded to the even cent, as banks do.\n"},
				}).says(yellow, "Normal: 0 of 1 approval · test awaited"),
				tests().says(yellow, "Normal: 0 of 1 approval"),
				approve("frank").says(green, "Normal: approved by frank"),
				merge("alice"),
			},
			lesson: "Red is what the author can mend, yellow waits for others. An approval counts for the content that it saw, and a push ends it.",
		},
		{
			proposal: "story-3-migration", title: "A database migration",
			steps: []step{
				open("bob").says(yellow, "High-risk: 0 of 2 approvals · tech lead · security review · test awaited"),
				tests().says(yellow, "High-risk: 0 of 2 approvals · tech lead · security review"),
				label("sam", emergency).called("sets EMERGENCY to save time").
					says(yellow, "High-risk: 0 of 2 approvals · tech lead · security review").
					noting("EMERGENCY is ignored: sam set it, and only @acme/on-call may declare an emergency."),
				unlabel("sam", emergency).says(yellow, "High-risk: 0 of 2 approvals · tech lead · security review"),
				approve("alice").says(yellow, "High-risk: 1 of 2 approvals · tech lead · security review"),
				approve("erin").called("of security approves").says(yellow, "High-risk: 1 of 2 approvals · tech lead"),
				approve("dave").called("the tech lead approves").says(yellow, "High-risk: 1 of 2 approvals"),
				approve("frank").says(green, "High-risk: approved by alice, frank, dave, erin"),
				merge("bob"),
			},
			lesson: "Four roles are four people, and the author is none of them. Their teams were asked without anyone's doing. A label relaxes something only if " +
				"it was set by someone who may.",
		},
		{
			proposal: "story-4-incident", title: "An incident at night",
			steps: []step{
				open("carol").says(red, "Normal: 0 of 1 approval · risk missing · rollback plan missing · testing missing · test awaited"),
				label("carol", emergency).called("is on call: sets EMERGENCY").says(green, "Emergency: 1 approval due by …"),
				approve("dave").called("is awake, and approves").says(green, "Emergency: approved by dave"),
				merge("carol"),
			},
			lesson: "Who is on call may ship at once: it was green before anyone had reviewed it. The approval is owed within a day, and it is " +
				"recorded who declared the emergency, when, and on what content.",
		},
	}
}
