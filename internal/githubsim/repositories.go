package githubsim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// RepoOptions describe a repository to add.
type RepoOptions struct {
	Private       bool
	DefaultBranch string // default: main
	Description   string
	Files         map[string]string // the first commit; default: a README.md
	Empty         bool              // there is no first commit yet
	Labels        []string          // besides bug, documentation and enhancement
}

type repository struct {
	id                       int64
	owner                    *account
	name, description        string
	private                  bool
	defaultBranch            string
	created, pushed, updated time.Time
	collaborators            map[*account]Role
	parent                   *repository // what it is a fork of
	st                       *store      // shared by a repository and its forks
	branches                 map[string]string
	labels                   map[string]*label        // by name in lower case
	issues                   []*issue                 // by number, from 1
	protections              map[string]*protection   // by branch or pattern
	queues                   map[string]*queue        // by branch
	suites                   map[string][]*checkSuite // by head SHA
	statuses                 map[string][]*status     // by SHA, newest first
	activities               []*activity              // oldest first
	workflows                []*workflowRun           // oldest first
	deployments              []*deployment            // oldest first
	environments             []*environment           // oldest first
	deployers                []*Workflow              // what runs, of which each run has a copy
	archived, deleted        bool
	json                     json.RawMessage
}

type activity struct {
	id                       int64
	before, after, ref, kind string
	at                       time.Time
	actor                    *account
}

func (r *repository) fullName() string { return r.owner.login + "/" + r.name }

func (s *Sim) repository(fullName string) (*repository, error) {
	if r := s.repoNames[strings.ToLower(fullName)]; r != nil && !r.deleted {
		return r, nil
	}
	return nil, fmt.Errorf("there is no repository %s", fullName)
}

func (s *Sim) newRepository(owner *account, name string, opts RepoOptions, parent *repository) (*repository, error) {
	key := strings.ToLower(owner.login + "/" + name)
	if old := s.repoNames[key]; old != nil && !old.deleted && strings.EqualFold(old.fullName(), key) {
		return nil, fmt.Errorf("the repository %s exists already", key)
	}
	if name == "" || strings.ContainsAny(name, "/ ") {
		return nil, fmt.Errorf("%q is no name for a repository", name)
	}
	now := s.Now()
	r := &repository{
		id: s.nextID(), owner: owner, name: name, description: opts.Description, private: opts.Private,
		defaultBranch: opts.DefaultBranch, created: now, pushed: now, updated: now, parent: parent,
		collaborators: map[*account]Role{},
		branches:      map[string]string{},
		labels:        map[string]*label{},
		protections:   map[string]*protection{},
		queues:        map[string]*queue{},
		suites:        map[string][]*checkSuite{},
		statuses:      map[string][]*status{},
	}
	if r.defaultBranch == "" {
		r.defaultBranch = "main"
	}
	if parent != nil {
		r.st = parent.st
	} else {
		st, err := newStore(s.repoDir(r.id))
		if err != nil {
			return nil, fmt.Errorf("repository %s: %w", key, err)
		}
		r.st = st
	}
	for _, l := range append([]string{"bug", "documentation", "enhancement"}, opts.Labels...) {
		s.newLabel(r, l, "ededed")
	}
	s.repos[r.id] = r
	s.repoNames[key] = r
	return r, nil
}

// AddRepository adds a repository with one commit on its default branch, made by its owner, or with none. Apps that are installed on all of
// the owner's repositories are installed on it.
func (s *Sim) AddRepository(owner, name string, opts RepoOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(owner)
	if err != nil {
		return err
	}
	r, err := s.newRepository(a, name, opts, nil)
	if err != nil {
		return err
	}
	if opts.Files == nil {
		opts.Files = map[string]string{"README.md": "# " + name + "\n"}
	}
	if !opts.Empty {
		c, err := s.makeCommit(r, "", a, Commit{Message: "Initial commit", Files: opts.Files})
		if err != nil {
			return err
		}
		if err := s.writeRef(r, r.defaultBranch, c.sha); err != nil {
			return err
		}
	}
	s.emitRepository(r, "created", a, nil)
	s.emitInstallationRepositories(r, "added")
	return nil
}

// RenameRepository gives the repository another name; its id stays, and the API redirects from the old one.
func (s *Sim) RenameRepository(repo, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	key := strings.ToLower(r.owner.login + "/" + to)
	if other := s.repoNames[key]; other != nil && other != r && strings.EqualFold(other.fullName(), key) {
		return fmt.Errorf("the repository %s exists already", key)
	}
	old := r.name
	r.name, r.updated, r.json = to, s.Now(), nil
	s.repoNames[key] = r
	s.emitRepository(r, "renamed", r.owner, obj{"changes": obj{"repository": obj{"name": obj{"from": old}}}})
	return nil
}

// SetArchived archives the repository, which refuses all writes then, or takes it out of the archive.
func (s *Sim) SetArchived(repo string, archived bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	if r.archived == archived {
		return fmt.Errorf("the repository %s is so already", repo)
	}
	r.archived, r.updated, r.json = archived, s.Now(), nil
	s.emitRepository(r, map[bool]string{true: "archived", false: "unarchived"}[archived], r.owner, nil)
	return nil
}

// DeleteRepository deletes the repository. Pull requests from it keep their commits and lose their head repository.
func (s *Sim) DeleteRepository(repo string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	s.emitRepository(r, "deleted", r.owner, nil)
	s.deleteRepository(r)
	return nil
}

func (s *Sim) deleteRepository(r *repository) {
	r.deleted = true
	delete(s.repos, r.id)
	for _, in := range s.installations {
		delete(in.repos, r)
	}
	for _, other := range s.repos {
		for _, i := range other.issues {
			if i.pull != nil && i.pull.headRepo == r {
				i.pull.headRepo = nil
			}
		}
	}
}

func (r *repository) issue(number int) *issue {
	if number < 1 || number > len(r.issues) {
		return nil
	}
	return r.issues[number-1]
}
