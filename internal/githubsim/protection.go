package githubsim

import (
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Protection is what a branch asks of those who change it. It binds administrators too unless they say that they bypass it.
type Protection struct {
	// Ruleset says that a ruleset asks for it, and not the classic protection of a branch: it is read at other addresses and told of
	// by other webhooks, and whoever passes a ruleset by may force-push and delete as well.
	Ruleset        bool
	RequiredChecks []RequiredCheck
	Strict         bool // the head must contain the base's tip before it is merged; a merge queue sees to that itself
	// RequiredApprovals is how many people with write access must approve before a merge.
	RequiredApprovals int
	// EnforceAdmins takes the bypass from administrators.
	EnforceAdmins    bool
	Bypass           []string // logins of those whom it does not bind, besides administrators
	AllowForcePushes bool
	AllowDeletions   bool
	MergeQueue       *MergeQueue // nil: none is required
}

// RequiredCheck is a check or commit status that must be success, neutral or skipped on the head.
type RequiredCheck struct {
	Context string
	AppID   int64 // the App that must have posted it; 0: anyone
}

// protection is a Protection that is in force.
type protection struct {
	Protection
	id               int64
	pattern          string
	created, updated time.Time
}

// Protect sets what the branch asks for, in place of what it asked before; the zero Protection still forbids forced pushes and
// deletion. A branch may be a pattern ("release/*"), which stands back behind a branch's own name. The Apps that may read the
// repository's administration are told.
func (s *Sim) Protect(repo, branch string, p Protection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	now := s.Now()
	next := &protection{Protection: p, id: s.nextID(), pattern: branch, created: now, updated: now}
	before := r.protections[branch]
	switch {
	case before != nil && before.Ruleset == p.Ruleset:
		next.id, next.created = before.id, before.created
		r.protections[branch] = next
		if !reflect.DeepEqual(before.Protection, p) {
			s.emitProtection(r, next, "edited", before)
		}
	default:
		if before != nil {
			s.emitProtection(r, before, "deleted", nil)
		}
		r.protections[branch] = next
		s.emitProtection(r, next, "created", nil)
	}
	return s.runQueues(r)
}

// Unprotect ends the branch's protection, and empties its merge queue if it had one.
func (s *Sim) Unprotect(repo, branch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	if before := r.protections[branch]; before != nil {
		delete(r.protections, branch)
		s.emitProtection(r, before, "deleted", nil)
	}
	return s.runQueues(r)
}

// protection returns what protects the branch, or nil.
func (r *repository) protection(branch string) *protection {
	if p := r.protections[branch]; p != nil {
		return p
	}
	for _, pattern := range sortedKeys(r.protections) {
		if fits, err := path.Match(pattern, branch); err == nil && fits {
			return r.protections[pattern]
		}
	}
	return nil
}

// queueOf returns the merge queue that the branch requires, or nil.
func (r *repository) queueOf(branch string) *MergeQueue {
	if p := r.protection(branch); p != nil {
		return p.MergeQueue
	}
	return nil
}

// bypasses says whether the protection does not bind the account.
func (s *Sim) bypasses(r *repository, p *protection, a *account) bool {
	if s.role(r, a) == Admin && !p.EnforceAdmins {
		return true
	}
	return slices.ContainsFunc(p.Bypass, func(login string) bool { return strings.EqualFold(login, a.login) })
}

// allowsPush returns why the protection refuses that the branch is pointed to another commit by a push, or nil.
func (s *Sim) allowsPush(r *repository, p *protection, branch, before, to string, by *account) error {
	no := func(why string) error {
		return refuse("GH006: Protected branch update failed for refs/heads/%s. %s", branch, why)
	}
	bypass := s.bypasses(r, p, by)
	if p.Ruleset && bypass {
		return nil
	}
	switch {
	case to == "" && !p.AllowDeletions:
		return no("Cannot delete a protected branch.")
	case to != "" && !r.st.reaches(to, before) && !p.AllowForcePushes:
		return no("Cannot force-push to a protected branch.")
	case to == "" || bypass:
		return nil
	}
	if err := s.checksBlock(r, p, to); err != nil {
		return no(err.Error())
	}
	if p.RequiredApprovals > 0 {
		return no("Changes must be made through a pull request.")
	}
	if p.MergeQueue != nil {
		return no("Changes must be made through the merge queue.")
	}
	return nil
}

// level is how GitHub says whom a classic rule binds.
func (p *protection) level(on bool) string {
	switch {
	case !on:
		return "off"
	case p.EnforceAdmins:
		return "everyone"
	}
	return "non_admins"
}

func (p *protection) contexts() []string {
	out := []string{}
	for _, need := range p.RequiredChecks {
		out = append(out, need.Context)
	}
	return out
}

// emitProtection tells of a change by the webhook of its kind. Before is what was edited.
func (s *Sim) emitProtection(r *repository, p *protection, action string, before *protection) {
	by := r.owner
	if org := s.orgs[r.owner]; org != nil {
		by = s.someOwner(org)
	}
	if p.Ruleset {
		body := obj{"repository_ruleset": s.rulesetJSON(r, p)}
		if before != nil {
			body["changes"] = rulesetChanges(before, p)
		}
		s.emit(r, "repository_ruleset", action, body, by)
		return
	}
	body := obj{"rule": ruleJSON(r, p)}
	if before != nil {
		body["changes"] = ruleChanges(before, p)
	}
	s.emit(r, "branch_protection_rule", action, body, by)
}
