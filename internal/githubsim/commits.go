package githubsim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Signature is a name and an e-mail address in a commit. GitHub takes it to be the account that has the address.
type Signature struct {
	Name, Email string
}

// Commit is one commit to make. Its author and committer are the person who makes it unless it says otherwise; nobody checks such
// a claim, as nobody does on GitHub.
type Commit struct {
	Message string            // default: "Update"
	Files   map[string]string // contents to write by path: a symlink's is its target, a submodule's the commit
	Delete  []string
	Rename  map[string]string // from old path to new
	Modes   map[string]string // by path, in Git's words: 100755, 120000 for a symlink, 160000 for a submodule
	// CoAuthors become Co-authored-by trailers: logins, or "Name <address>".
	CoAuthors         []string
	Author, Committer *Signature
	Parents           []string // further parents: the commit is a merge
	// Signed has GitHub verify a signature. Web makes the commit as GitHub's pages do: committed by web-flow and signed.
	Signed, Web bool
}

// FileAt returns a file's content at a branch, tag-less ref or SHA.
func (s *Sim) FileAt(repo, ref, path string) (string, error) {
	return look(s, repo, func(r *repository) (string, error) {
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
	})
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
	if err := c.change(files, r.st); err != nil {
		return nil, err
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

// change makes of the files of its parent, by path, those of the commit.
func (c Commit) change(files map[string]leaf, st *store) error {
	for _, from := range slices.Sorted(maps.Keys(c.Rename)) {
		f, ok := files[from]
		if !ok {
			return fmt.Errorf("%s is not there to be renamed", from)
		}
		delete(files, from)
		files[c.Rename[from]] = f
	}
	for _, path := range c.Delete {
		if _, ok := files[path]; !ok {
			return fmt.Errorf("%s is not there to be deleted", path)
		}
		delete(files, path)
	}
	for path, content := range c.Files {
		if err := validPath(path); err != nil {
			return err
		}
		if c.Modes[path] == modeSubmodule {
			files[path] = leaf{modeSubmodule, content}
			continue
		}
		sha, err := st.writeBlob([]byte(content))
		if err != nil {
			return err
		}
		mode := cmp.Or(c.Modes[path], files[path].mode, modeFile)
		if mode == modeSubmodule { // it was one, and is a file by now
			mode = modeFile
		}
		files[path] = leaf{mode, sha}
	}
	for path, mode := range c.Modes {
		f, ok := files[path]
		if !ok {
			return fmt.Errorf("%s is not there to change its mode", path)
		}
		files[path] = leaf{mode, f.sha}
	}
	return nil
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

// stack makes commits on top of start and returns the last of them.
func (s *Sim) stack(r *repository, start string, commits []Commit, by actor) (string, error) {
	for _, c := range commits {
		if c.Web {
			c.Signed, c.Committer = true, &Signature{"GitHub", "noreply@github.com"}
		}
		made, err := s.makeCommit(r, start, by.account, c)
		if err != nil {
			return "", err
		}
		start = made.sha
	}
	return start, nil
}
