package githubsim

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// EnvironmentOptions are the protection rules of an environment. They hold for jobs of workflows that name it and for nothing else: a
// deployment that is created by a call is not gated.
type EnvironmentOptions struct {
	// Apps are the slugs of the Apps whose custom rules are enabled, each of which must let a job through.
	Apps []string
	// Reviewers are people (logins) and teams (org/slug), one of whom must approve.
	Reviewers         []string
	PreventSelfReview bool          // whoever caused the run does not count
	WaitTimer         time.Duration // in whole minutes
	Branches          []string      // patterns of the branches whose runs may deploy; default: all
	NoBypass          bool          // administrators cannot start what waits
}

// maxRules is how many custom rules an environment has at most.
const maxRules = 6

// environment is one of a repository's environments. Its name is compared without regard to case.
type environment struct {
	id, waitID, reviewID, branchID int64
	name                           string
	created, updated               time.Time
	EnvironmentOptions
	rules []*customRule
}

// customRule is an App's rule on an environment.
type customRule struct {
	id  int64
	app *app
}

// Environment makes an environment or changes its rules to these.
func (s *Sim) Environment(repo, name string, o EnvironmentOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	if name == "" || len([]rune(name)) > maxEnvironmentName {
		return fmt.Errorf("%q is no name for an environment", name)
	}
	if len(o.Apps) > maxRules {
		return fmt.Errorf("an environment has at most %d custom rules", maxRules)
	}
	var rules []*customRule
	for _, slug := range o.Apps {
		a := s.apps[slug]
		if a == nil {
			return fmt.Errorf("there is no app %s", slug)
		}
		rules = append(rules, &customRule{id: s.nextID(), app: a})
	}
	for _, who := range o.Reviewers {
		if org, slug, isTeam := strings.Cut(who, "/"); isTeam {
			_, err = s.team(org, slug)
		} else {
			_, err = s.account(who)
		}
		if err != nil {
			return err
		}
	}
	e := s.environmentOf(r, name)
	e.EnvironmentOptions, e.rules, e.updated = o, rules, s.Now()
	return nil
}

// environmentOf returns the environment, which is made if it is not there, as GitHub does when one is first named.
func (s *Sim) environmentOf(r *repository, name string) *environment {
	if e := r.environment(name); e != nil {
		return e
	}
	e := &environment{id: s.nextID(), waitID: s.nextID(), reviewID: s.nextID(), branchID: s.nextID(), name: name, created: s.Now(), updated: s.Now()}
	r.environments = append(r.environments, e)
	return e
}

func (r *repository) environment(name string) *environment {
	for _, e := range r.environments {
		if strings.EqualFold(e.name, name) {
			return e
		}
	}
	return nil
}

// takes says whether runs on the branch may deploy to the environment.
func (e *environment) takes(branch string) bool {
	if len(e.Branches) == 0 {
		return true
	}
	for _, pattern := range e.Branches {
		if fits, err := path.Match(pattern, branch); err == nil && fits {
			return true
		}
	}
	return false
}

// protected says whether a job has anything to wait for.
func (e *environment) protected() bool {
	return len(e.rules) > 0 || len(e.Reviewers) > 0 || e.WaitTimer > 0
}

// ruleOf returns the App's rule, or nil.
func (e *environment) ruleOf(a *app) *customRule {
	for _, rule := range e.rules {
		if rule.app == a {
			return rule
		}
	}
	return nil
}

// mayReview says whether the account is one of the environment's reviewers.
func (s *Sim) mayReview(e *environment, a *account) bool {
	for _, who := range e.Reviewers {
		if org, slug, isTeam := strings.Cut(who, "/"); isTeam {
			if t, err := s.team(org, slug); err == nil {
				for _, member := range t.everyone() {
					if member == a {
						return true
					}
				}
			}
		} else if strings.EqualFold(who, a.login) {
			return true
		}
	}
	return false
}
