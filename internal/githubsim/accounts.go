package githubsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// Role is what someone may do in a repository; each role includes those before it.
type Role string

// The roles of a repository, weakest first.
const (
	None     Role = "none"
	Read     Role = "read"
	Triage   Role = "triage"
	Write    Role = "write"
	Maintain Role = "maintain"
	Admin    Role = "admin"
)

var roles = []Role{None, Read, Triage, Write, Maintain, Admin}

func (r Role) rank() int { return max(slices.Index(roles, r), 0) }

// AtLeast says whether the role includes another.
func (r Role) AtLeast(other Role) bool { return r.rank() >= other.rank() }

func (r Role) check() error {
	if !slices.Contains(roles, r) {
		return fmt.Errorf("unknown role %q: use one of %v", r, roles)
	}
	return nil
}

type accountKind string

const (
	kindUser         accountKind = "User"
	kindBot          accountKind = "Bot"
	kindOrganization accountKind = "Organization"
)

type account struct {
	id          int64
	login, name string
	kind        accountKind
	email       string
	deleted     bool
	created     time.Time
	json        json.RawMessage
}

type organization struct {
	account *account
	members map[*account]bool // true: an owner
	teams   map[string]*team  // by slug
	base    Role
}

type team struct {
	id         int64
	org        *organization
	name, slug string
	parent     *team
	members    map[*account]bool
	repos      map[*repository]Role
	created    time.Time
}

func (s *Sim) addAccount(id int64, login string, kind accountKind) *account {
	a := &account{id: id, login: login, name: login, kind: kind, created: s.Now(), email: strings.ToLower(login) + "@example.com"}
	noreply := strings.ToLower(fmt.Sprintf("%d+%s@users.noreply.github.com", id, login))
	if kind == kindBot {
		a.email = noreply
	}
	s.accounts[strings.ToLower(login)] = a
	s.byEmail[a.email], s.byEmail[noreply] = a, a
	return a
}

func (s *Sim) newAccount(login string, kind accountKind) (*account, error) {
	if login == "" || strings.ContainsAny(login, "/ ") {
		return nil, fmt.Errorf("%q is no login", login)
	}
	if s.accounts[strings.ToLower(login)] != nil {
		return nil, fmt.Errorf("the account %s exists already", login)
	}
	return s.addAccount(s.nextID(), login, kind), nil
}

func (s *Sim) account(login string) (*account, error) {
	if a := s.accounts[strings.ToLower(login)]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("there is no account %s", login)
}

// AddUser adds people. Their e-mail address is LOGIN@example.com, and GitHub's own for them (ID+LOGIN@users.noreply.github.com).
func (s *Sim) AddUser(logins ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, login := range logins {
		if _, err := s.newAccount(login, kindUser); err != nil {
			return err
		}
	}
	return nil
}

// AddBot adds the account of a program, such as "dependabot[bot]". It acts by As, as people do.
func (s *Sim) AddBot(login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.newAccount(login, kindBot)
	return err
}

// AddOrganization adds an organization and makes the accounts its owners. Its members can read all of its repositories.
func (s *Sim) AddOrganization(login string, owners ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.newAccount(login, kindOrganization)
	if err != nil {
		return err
	}
	org := &organization{account: a, members: map[*account]bool{}, teams: map[string]*team{}, base: Read}
	s.orgs[a] = org
	for _, o := range owners {
		owner, err := s.account(o)
		if err != nil {
			return err
		}
		org.members[owner] = true
	}
	return nil
}

func (s *Sim) organization(login string) (*organization, error) {
	a, err := s.account(login)
	if err != nil {
		return nil, err
	}
	if org := s.orgs[a]; org != nil {
		return org, nil
	}
	return nil, fmt.Errorf("%s is not an organization", login)
}

// SetBasePermission sets what every member of the organization may do in all of its repositories; Read to begin with.
func (s *Sim) SetBasePermission(org string, role Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organization(org)
	if err != nil {
		return err
	}
	o.base = role
	return role.check()
}

// AddMember makes the account a member of the organization, or with owner an owner of it.
func (s *Sim) AddMember(org, login string, owner bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organization(org)
	if err != nil {
		return err
	}
	a, err := s.account(login)
	if err != nil {
		return err
	}
	_, was := o.members[a]
	o.members[a] = owner
	if !was {
		s.emitOrganization(o, "member_added", a)
	}
	return nil
}

// RemoveMember takes the account out of the organization and its teams.
func (s *Sim) RemoveMember(org, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organization(org)
	if err != nil {
		return err
	}
	a, err := s.account(login)
	if err != nil {
		return err
	}
	for _, t := range o.teams {
		delete(t.members, a)
	}
	if _, was := o.members[a]; was {
		delete(o.members, a)
		s.emitOrganization(o, "member_removed", a)
	}
	return nil
}

// AddTeam adds a team with its members, who become members of the organization. A slug "parent/child" makes a child of a team
// that exists; GitHub counts a child's members as the parent's.
func (s *Sim) AddTeam(org, slug string, members ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.organization(org)
	if err != nil {
		return err
	}
	var parent *team
	if above, below, nested := strings.Cut(slug, "/"); nested {
		if parent = o.teams[above]; parent == nil {
			return fmt.Errorf("%s has no team %s", org, above)
		}
		slug = below
	}
	if o.teams[slug] != nil {
		return fmt.Errorf("%s has a team %s already", org, slug)
	}
	t := &team{id: s.nextID(), org: o, name: slug, slug: slug, parent: parent,
		members: map[*account]bool{}, repos: map[*repository]Role{}, created: s.Now()}
	o.teams[slug] = t
	s.emitTeam(t, "created", nil, nil)
	for _, m := range members {
		if err := s.addToTeam(t, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sim) team(org, slug string) (*team, error) {
	o, err := s.organization(org)
	if err != nil {
		return nil, err
	}
	if t := o.teams[slug]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%s has no team %s", org, slug)
}

func (s *Sim) addToTeam(t *team, login string) error {
	a, err := s.account(login)
	if err != nil {
		return err
	}
	if _, member := t.org.members[a]; !member {
		t.org.members[a] = false
		s.emitOrganization(t.org, "member_added", a)
	}
	if !t.members[a] {
		t.members[a] = true
		s.emitMembership(t, "added", a)
	}
	return nil
}

// AddToTeam makes the account a member of the team, and of its organization.
func (s *Sim) AddToTeam(org, slug, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.team(org, slug)
	if err != nil {
		return err
	}
	return s.addToTeam(t, login)
}

// RemoveFromTeam ends the account's membership of the team.
func (s *Sim) RemoveFromTeam(org, slug, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.team(org, slug)
	if err != nil {
		return err
	}
	a, err := s.account(login)
	if err != nil {
		return err
	}
	if t.members[a] {
		delete(t.members, a)
		s.emitMembership(t, "removed", a)
	}
	return nil
}

// RenameTeam gives the team another slug; its id stays.
func (s *Sim) RenameTeam(org, slug, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.team(org, slug)
	if err != nil {
		return err
	}
	if t.org.teams[to] != nil {
		return fmt.Errorf("%s has a team %s already", org, to)
	}
	old := t.name
	delete(t.org.teams, slug)
	t.slug, t.name = to, to
	t.org.teams[to] = t
	s.emitTeam(t, "edited", nil, obj{"changes": obj{"name": obj{"from": old}}})
	return nil
}

// RemoveTeam deletes the team and, as GitHub does, its children.
func (s *Sim) RemoveTeam(org, slug string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.team(org, slug)
	if err != nil {
		return err
	}
	s.removeTeam(t)
	return nil
}

func (s *Sim) removeTeam(t *team) {
	for _, child := range t.org.teams {
		if child.parent == t {
			s.removeTeam(child)
		}
	}
	delete(t.org.teams, t.slug)
	s.emitTeam(t, "deleted", nil, nil)
}

// SetTeamPermission gives the team a role in a repository of its organization; None takes the repository away from it.
func (s *Sim) SetTeamPermission(repo, slug string, role Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := role.check(); err != nil {
		return err
	}
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	t, err := s.team(r.owner.login, slug)
	if err != nil {
		return err
	}
	if role == None {
		delete(t.repos, r)
		s.emitTeam(t, "removed_from_repository", r, nil)
		return nil
	}
	_, had := t.repos[r]
	t.repos[r] = role
	if !had {
		s.emitTeam(t, "added_to_repository", r, nil)
	}
	return nil
}

// SetPermission makes the account a collaborator with the role; None ends it. Membership and teams may still give more.
func (s *Sim) SetPermission(repo, login string, role Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := role.check(); err != nil {
		return err
	}
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	a, err := s.account(login)
	if err != nil {
		return err
	}
	was, had := r.collaborators[a]
	switch {
	case role == None:
		delete(r.collaborators, a)
		if had {
			s.emitMember(r, "removed", a, nil)
		}
	case !had:
		r.collaborators[a] = role
		s.emitMember(r, "added", a, obj{"permission": obj{"to": legacyRole(role)}, "role_name": obj{"to": string(role)}})
	case was != role:
		r.collaborators[a] = role
		s.emitMember(r, "edited", a, obj{"permission": obj{"from": legacyRole(was), "to": legacyRole(role)}})
	}
	return nil
}

// legacyRole folds a role into the three that GitHub's permission field knows.
func legacyRole(r Role) string {
	switch r {
	case Triage:
		return string(Read)
	case Maintain:
		return string(Write)
	}
	return string(r)
}

// Permission returns what the account may do in the repository, by any way.
func (s *Sim) Permission(repo, login string) (Role, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return None, err
	}
	a, err := s.account(login)
	if err != nil {
		return None, err
	}
	return s.role(r, a), nil
}

func (s *Sim) role(r *repository, a *account) Role {
	if a == nil || a.deleted || a == s.ghost {
		return None
	}
	best := None
	raise := func(to Role) {
		if to.rank() > best.rank() {
			best = to
		}
	}
	if !r.private {
		raise(Read)
	}
	if r.owner == a {
		return Admin
	}
	raise(r.collaborators[a])
	if org := s.orgs[r.owner]; org != nil {
		if owner, member := org.members[a]; owner {
			return Admin
		} else if member {
			raise(org.base)
		}
		for _, t := range org.teams {
			if !t.has(a) {
				continue
			}
			// A child team inherits what its parents may do.
			for at := t; at != nil; at = at.parent {
				raise(at.repos[r])
			}
		}
	}
	return best
}

// has says whether the account is a direct member.
func (t *team) has(a *account) bool { return t.members[a] }

// everyone returns the members of the team and of its children, by login.
func (t *team) everyone() []*account {
	all := map[*account]bool{}
	for _, other := range t.org.teams {
		for at := other; at != nil; at = at.parent {
			if at == t {
				maps.Copy(all, other.members)
				break
			}
		}
	}
	out := slices.Collect(maps.Keys(all))
	sort.Slice(out, func(i, j int) bool { return out[i].login < out[j].login })
	return out
}

// RenameAccount gives the account another login; its id, repositories and memberships stay. The old login is free for anyone.
func (s *Sim) RenameAccount(login, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(login)
	if err != nil {
		return err
	}
	if other := s.accounts[strings.ToLower(to)]; other != nil && other != a {
		return fmt.Errorf("the account %s exists already", to)
	}
	delete(s.accounts, strings.ToLower(a.login))
	a.login = to
	s.accounts[strings.ToLower(to)] = a
	a.json = nil
	for _, r := range s.repos {
		r.json = nil
		if r.owner == a {
			s.repoNames[strings.ToLower(r.fullName())] = r
		}
	}
	return nil
}

// DeleteAccount deletes a user or bot. What it wrote stays, and belongs to "ghost" or to nobody (null), as GitHub shows it.
func (s *Sim) DeleteAccount(login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(login)
	if err != nil {
		return err
	}
	if a.kind == kindOrganization {
		return fmt.Errorf("%s is an organization", login)
	}
	a.deleted = true
	delete(s.accounts, strings.ToLower(a.login))
	delete(s.byEmail, a.email)
	for _, o := range s.orgs {
		delete(o.members, a)
		for _, t := range o.teams {
			delete(t.members, a)
		}
	}
	for _, r := range s.repos {
		delete(r.collaborators, a)
		if r.owner == a {
			s.deleteRepository(r)
		}
	}
	return nil
}
