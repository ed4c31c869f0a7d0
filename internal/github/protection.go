package github

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
)

// maxRules is how many pages of a branch's rules are read.
const maxRules = 10

// RequiredBy says where a check is required.
type RequiredBy string

// The places where a check is required.
const (
	ByRuleset          RequiredBy = "ruleset"
	ByBranchProtection RequiredBy = "branch protection"
)

// RequiredCheck says whether a branch takes only what a check has passed. Rulesets and branch protection bind at once, so it is required
// where either requires it, and only our App can satisfy it where either says so.
type RequiredCheck struct {
	Required bool
	Pinned   bool       // our App must have posted it; without it anyone who may write commit statuses can satisfy the name
	By       RequiredBy // where it is pinned, or else required; empty: nowhere
	// Problem says what could not be read, so that it may be required or pinned there; empty: nothing that would change the answer.
	Problem string
}

// requirement is a check that is required, as rulesets (integration_id) and branch protection (app_id) write it.
type requirement struct {
	Context       string       `json:"context"`
	IntegrationID change.AppID `json:"integration_id"`
	AppID         change.AppID `json:"app_id"`
}

// RequiredCheck reads whether a check of this name is required on a branch: by active rulesets of whatever level (repos/get-branch-rules)
// and, beside them, by branch protection (repos/get-branch). Two calls, and one for each further 100 rules. What GitHub does not show (403,
// 404) is no error but a Problem.
func (s *Session) RequiredCheck(
	ctx context.Context, repo change.Repository, branch, name string, since time.Time,
) (_ RequiredCheck, err error) {
	defer wrap(&err, "reading whether %q is required on %s in %s", name, branch, repo)
	var ruled, protected []requirement
	var problems [2]string
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		ruled, err = s.rulesetChecks(gctx, repo, branch, since)
		problems[0], err = hidden(err, "its rulesets")
		return err
	})
	group.Go(func() (err error) {
		protected, err = s.protectionChecks(gctx, repo, branch, since)
		problems[1], err = hidden(err, "its branch protection")
		return err
	})
	if err := group.Wait(); err != nil {
		return RequiredCheck{}, err
	}
	var check RequiredCheck
	add := func(all []requirement, by RequiredBy) {
		for _, r := range all {
			if r.Context != name || check.Pinned {
				continue
			}
			pinned := r.IntegrationID == s.github.AppID() || r.AppID == s.github.AppID()
			if pinned || !check.Required {
				check = RequiredCheck{Required: true, Pinned: pinned, By: by}
			}
		}
	}
	add(ruled, ByRuleset)
	add(protected, ByBranchProtection)
	if !check.Pinned {
		check.Problem = strings.Join(slices.DeleteFunc(problems[:], func(p string) bool { return p == "" }), "; ")
	}
	return check, nil
}

// hidden makes a problem of an error that says that GitHub does not show something.
func hidden(err error, what string) (problem string, other error) {
	var forbidden *Forbidden
	var missing *NotFound
	if errors.As(err, &forbidden) || errors.As(err, &missing) {
		return what + " cannot be read: " + err.Error(), nil
	}
	return "", err
}

// rulesetChecks reads the checks that active rulesets require on a branch.
func (s *Session) rulesetChecks(ctx context.Context, repo change.Repository, branch string, since time.Time) ([]requirement, error) {
	type rule struct {
		Type       string          `json:"type"`
		Parameters json.RawMessage `json:"parameters"`
	}
	rules, err := readPages(ctx, s, getBranchRules.of(repo, branch), since, maxRules, itself[rule])
	if err != nil {
		return nil, err
	}
	var required []requirement
	for _, r := range rules.items {
		if r.Type != "required_status_checks" {
			continue
		}
		var parameters struct {
			Checks []requirement `json:"required_status_checks"`
		}
		if err := json.Unmarshal(r.Parameters, &parameters); err != nil {
			return nil, unreadable(err, false)
		}
		required = append(required, parameters.Checks...)
	}
	return required, rules.tooMany("more than 1,000 rules")
}

// protectionChecks reads the checks that branch protection requires on a branch. Of protection that an administrator may pass by, as of
// rulesets with actors who may, nothing is said here: what passed by is found where it landed.
func (s *Session) protectionChecks(ctx context.Context, repo change.Repository, branch string, since time.Time) ([]requirement, error) {
	var b struct {
		Name       string `json:"name"`
		Protection *struct {
			Enabled  bool `json:"enabled"`
			Required struct {
				Level    string        `json:"enforcement_level"`
				Contexts []string      `json:"contexts"`
				Checks   []requirement `json:"checks"`
			} `json:"required_status_checks"`
		} `json:"protection"`
	}
	whole := func() bool { return b.Name != "" }
	if err := s.read(ctx, getBranch.of(repo, branch), since, &b, whole); err != nil {
		return nil, err
	}
	if b.Name != branch { // the new name of a branch that was renamed
		return nil, &NotFound{Message: "branch " + branch}
	}
	if b.Protection == nil {
		return nil, &Forbidden{Message: "GitHub's answer says nothing of it"}
	}
	if !b.Protection.Enabled || b.Protection.Required.Level == "off" {
		return nil, nil
	}
	required := b.Protection.Required.Checks
	for _, c := range b.Protection.Required.Contexts { // all that an older GitHub says; it repeats the checks
		required = append(required, requirement{Context: c})
	}
	return required, nil
}
