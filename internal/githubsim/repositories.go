package githubsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// RepoOptions describe a repository to add.
type RepoOptions struct {
	Private       bool
	DefaultBranch string // default: main
	Description   string
	Files         map[string]string // the first commit; default: a README.md
	Labels        []string          // besides bug, documentation and enhancement
}

// Protection is what a branch asks of those who change it. It binds administrators too unless they say that they bypass it.
type Protection struct {
	RequiredChecks []RequiredCheck
	Strict         bool // the head must contain the base's tip before it is merged
	// RequiredApprovals is how many people with write access must approve before a merge.
	RequiredApprovals int
	// EnforceAdmins takes the bypass from administrators.
	EnforceAdmins    bool
	AllowForcePushes bool
	AllowDeletions   bool
}

// RequiredCheck is a check or commit status that must be success, neutral or skipped on the head.
type RequiredCheck struct {
	Context string
	AppID   int64 // the App that must have posted it; 0: anyone
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
	labels                   map[string]*label // by name in lower case
	issues                   []*issue          // by number, from 1
	protections              map[string]*Protection
	suites                   map[string][]*checkSuite // by head SHA
	statuses                 map[string][]*status     // by SHA, newest first
	activities               []*activity              // oldest first
	workflows                []*workflowRun           // oldest first
	deleted                  bool
	json                     json.RawMessage
}

type label struct {
	id                       int64
	name, color, description string
	deleted                  bool
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
		protections:   map[string]*Protection{},
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

// AddRepository adds a repository with one commit on its default branch, made by its owner. Apps that are installed on all of
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
	c, err := s.makeCommit(r, "", a, Commit{Message: "Initial commit", Files: opts.Files})
	if err != nil {
		return err
	}
	if err := s.writeRef(r, r.defaultBranch, c.sha); err != nil {
		return err
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
	r.name, r.json = to, nil
	s.repoNames[key] = r
	s.emitRepository(r, "renamed", r.owner, obj{"changes": obj{"repository": obj{"name": obj{"from": old}}}})
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

// Protect sets what the branch asks for, in place of what it asked before; the zero Protection still forbids forced pushes and
// deletion.
func (s *Sim) Protect(repo, branch string, p Protection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	r.protections[branch] = &p
	return nil
}

// Unprotect ends the branch's protection.
func (s *Sim) Unprotect(repo, branch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	delete(r.protections, branch)
	return nil
}

// Tip returns the commit that the branch points to.
func (s *Sim) Tip(repo, branch string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return "", err
	}
	if sha := r.branches[branch]; sha != "" {
		return sha, nil
	}
	return "", fmt.Errorf("%s has no branch %s", repo, branch)
}

// FileAt returns a file's content at a branch, tag-less ref or SHA.
func (s *Sim) FileAt(repo, ref, path string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return "", err
	}
	c, err := r.resolve(ref)
	if err != nil {
		return "", err
	}
	files, err := r.st.flat(c.tree)
	if err != nil {
		return "", err
	}
	f, ok := files[path]
	if !ok {
		return "", fmt.Errorf("%s has no file %s at %s", repo, path, ref)
	}
	b, err := r.st.blob(f.sha)
	return string(b), err
}

// resolve finds the commit of a branch's name, of a ref (with or without "refs/"), of "" (the default branch), or of a SHA or the
// first seven or more of its characters.
func (r *repository) resolve(ref string) (*commit, error) {
	if ref == "" || ref == "HEAD" {
		ref = r.defaultBranch
	}
	name := strings.TrimPrefix(strings.TrimPrefix(ref, "refs/"), "heads/")
	if sha := r.branches[name]; sha != "" {
		return r.st.commit(sha)
	}
	var number int
	var end string
	if n, _ := fmt.Sscanf(strings.TrimPrefix(ref, "refs/"), "pull/%d/%s", &number, &end); n == 2 && end == "head" {
		if i := r.issue(number); i != nil && i.pull != nil {
			return r.st.commit(i.pull.head)
		}
	}
	if isSHA(ref) {
		return r.st.commit(ref)
	}
	if len(ref) >= 7 && strings.Trim(ref, "0123456789abcdef") == "" {
		for sha, c := range r.st.commits {
			if strings.HasPrefix(sha, ref) {
				return c, nil
			}
		}
	}
	return nil, errNoObject
}

func (r *repository) issue(number int) *issue {
	if number < 1 || number > len(r.issues) {
		return nil
	}
	return r.issues[number-1]
}

func validBranch(name string) error {
	bad := name == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") ||
		strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") ||
		strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' })
	for _, part := range strings.Split(name, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return fmt.Errorf("%q is not a valid branch name", name)
	}
	return nil
}

// writeRef points a branch to a commit, or deletes it where sha is empty, on disk and in memory, and says nothing to anyone.
func (s *Sim) writeRef(r *repository, branch, sha string) error {
	if err := validBranch(branch); err != nil {
		return err
	}
	dir := filepath.Join(r.st.dir, "refs", "heads")
	if r.parent != nil { // a fork's refs live beside those of the repository whose objects it shares
		dir = filepath.Join(r.st.dir, "refs", "forks", fmt.Sprint(r.id), "heads")
	}
	path := filepath.Join(dir, filepath.FromSlash(branch))
	if sha == "" {
		delete(r.branches, branch)
		return os.Remove(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("branch %s: %w", branch, err)
	}
	if err := os.WriteFile(path, []byte(sha+"\n"), 0o644); err != nil {
		return fmt.Errorf("branch %s: %w", branch, err)
	}
	r.branches[branch] = sha
	return nil
}

func (s *Sim) newLabel(r *repository, name, color string) *label {
	l := &label{id: s.nextID(), name: name, color: color}
	r.labels[strings.ToLower(name)] = l
	return l
}

// AddLabel adds a label to the repository.
func (s *Sim) AddLabel(repo, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return err
	}
	if r.labels[strings.ToLower(name)] != nil {
		return fmt.Errorf("%s has a label %s already", repo, name)
	}
	s.emitLabel(r, s.newLabel(r, name, "ededed"), "created", r.owner, nil)
	return nil
}

// makeCommit writes a commit on top of parent ("": the first one) and does not point any branch to it.
func (s *Sim) makeCommit(r *repository, parent string, by *account, c Commit) (*commit, error) {
	files := map[string]leaf{}
	var parents []string
	if parent != "" {
		p, err := r.st.commit(parent)
		if err != nil {
			return nil, err
		}
		before, err := r.st.flat(p.tree)
		if err != nil {
			return nil, err
		}
		files, parents = maps.Clone(before), []string{parent}
	}
	for _, from := range slices.Sorted(maps.Keys(c.Rename)) {
		f, ok := files[from]
		if !ok {
			return nil, fmt.Errorf("%s is not there to be renamed", from)
		}
		delete(files, from)
		files[c.Rename[from]] = f
	}
	for _, path := range c.Delete {
		if _, ok := files[path]; !ok {
			return nil, fmt.Errorf("%s is not there to be deleted", path)
		}
		delete(files, path)
	}
	for path, content := range c.Files {
		if err := validPath(path); err != nil {
			return nil, err
		}
		mode := c.Modes[path]
		if mode == modeSubmodule {
			files[path] = leaf{mode, content}
			continue
		}
		if mode == "" {
			if mode = files[path].mode; mode == "" || mode == modeSubmodule {
				mode = modeFile
			}
		}
		sha, err := r.st.writeBlob([]byte(content))
		if err != nil {
			return nil, err
		}
		files[path] = leaf{mode, sha}
	}
	for path, mode := range c.Modes {
		f, ok := files[path]
		if !ok {
			return nil, fmt.Errorf("%s is not there to change its mode", path)
		}
		files[path] = leaf{mode, f.sha}
	}
	tree, err := r.st.writeTree(files)
	if err != nil {
		return nil, err
	}
	parents = append(parents, c.Parents...)
	now := s.Now()
	out := commit{tree: tree, parents: parents, message: s.message(c), signed: c.Signed,
		author: s.signature(by, now), committer: s.signature(by, now)}
	if c.Author != nil {
		out.author = signature{c.Author.Name, c.Author.Email, now}
	}
	if c.Committer != nil {
		out.committer = signature{c.Committer.Name, c.Committer.Email, now}
	}
	return r.st.writeCommit(out)
}

func validPath(path string) error {
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." || part == ".git" || strings.ContainsRune(part, 0) {
			return fmt.Errorf("%q is not a valid path", path)
		}
	}
	return nil
}

func (s *Sim) signature(a *account, at time.Time) signature {
	if a == nil {
		a = s.ghost
	}
	return signature{a.name, a.email, at}
}

func (s *Sim) message(c Commit) string {
	m := strings.TrimRight(c.Message, "\n")
	if m == "" {
		m = "Update"
	}
	if len(c.CoAuthors) > 0 {
		m += "\n"
	}
	for _, who := range c.CoAuthors {
		if a := s.accounts[strings.ToLower(who)]; a != nil {
			who = fmt.Sprintf("%s <%s>", a.name, a.email)
		}
		m += "\nCo-authored-by: " + who
	}
	return m + "\n"
}

// webCommit writes a commit as GitHub's own pages and merges do: committed by web-flow and signed.
func (s *Sim) webCommit(r *repository, tree string, parents []string, by *account, message string) (*commit, error) {
	now := s.Now()
	return r.st.writeCommit(commit{tree: tree, parents: parents, author: s.signature(by, now),
		committer: signature{"GitHub", "noreply@github.com", now}, message: strings.TrimRight(message, "\n") + "\n", signed: true})
}

// accountOf returns whom GitHub takes a signature to be, or nil.
func (s *Sim) accountOf(sig signature) *account {
	if a := s.byEmail[strings.ToLower(sig.email)]; a != nil && !a.deleted {
		return a
	}
	return nil
}
