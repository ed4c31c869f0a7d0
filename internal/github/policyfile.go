package github

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

const (
	maxPolicy = 256 << 10 // the largest policy file
	// maxListing is how many entries of a directory GitHub lists (repos/get-content).
	maxListing = 1000
	// emptyRepository is how GitHub says that a repository has no files.
	emptyRepository = "This repository is empty"
)

// PolicyFile is a policy file at a commit.
type PolicyFile struct {
	Found   bool
	Text    string
	Blob    change.SHA
	Problem string // why a file that is there cannot be used; then there is no Text
	Mend    string // what to do about the problem
}

// PolicyFile reads a file at a commit (repos/get-content, git/get-blob). It must be a regular file of at most 256 KB: the directory is
// listed first, because reading a file by its name follows symlinks. What is no such file has a Problem; only what is not there at
// all is not Found.
//
// Two calls for a commit seen for the first time, one if the file is the same as at another commit, none otherwise. A commit without the
// directory costs two: that GitHub does not find it may be a mistake, and another policy would hold in place of the one that is there, so
// that what the commit has at its root is listed too.
func (s *Session) PolicyFile(ctx context.Context, repo change.Repository, commit change.SHA, name string) (_ PolicyFile, err error) {
	defer wrap(&err, "reading %s of %s at %s", name, repo, commit.Short())
	key := s.objectKey("policy", repo, string(commit), name)
	unlock, err := s.asking.lock(ctx, key)
	if err != nil {
		return PolicyFile{}, &Unavailable{Err: err}
	}
	defer unlock()
	if held, ok := s.github.objects.get(key); ok {
		return held.(PolicyFile), nil
	}
	file, listed, err := s.policyFile(ctx, repo, scope{repository: repo.ID}, values("ref", string(commit)), name, s.began)
	if err != nil {
		return PolicyFile{}, err
	}
	if listed { // what a commit holds never changes
		s.github.objects.put(key, file, len(file.Text)+len(file.Problem)+len(file.Mend))
	}
	return file, nil
}

// OwnerPolicy reads a file at the tip of the default branch of the owner's repository .github, as strictly as PolicyFile does
// (repos/get-content without a ref, git/get-blob). One call where the file is as it was or is not there, two where it is new.
//
// GitHub says of a repository that does not exist, and of one that the App may not read, that it is not found; both are not Found. An App
// that is installed on all of the owner's repositories reads each, and any reads a public one, so what stays unread is a private .github
// that was not selected for the App. Whoever can take it from the App, or make it private or rename it, could as well change the file:
// nobody gains by it. What GitHub refuses in any other way is an error.
func (s *Session) OwnerPolicy(ctx context.Context, owner, name string, since time.Time) (_ PolicyFile, err error) {
	repo := change.Repository{Owner: owner, Name: ownerRepository}
	defer wrap(&err, "reading %s of %s", name, repo)
	file, _, err := s.policyFile(ctx, repo, scope{kind: policies}, nil, name, since)
	return file, err
}

// policyFile lists the file's directory and reads it, with tokens of a scope. Listed says that the directory is there.
func (s *Session) policyFile(
	ctx context.Context, repo change.Repository, with scope, at url.Values, name string, since time.Time,
) (file PolicyFile, listed bool, err error) {
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	var entries []*github.RepositoryContent
	isDir := true
	to := getContents.of(repo, dir).scoped(with).with(at)
	told, err := s.get(ctx, to, since, func(a *answer) error {
		var one github.RepositoryContent
		if into(&one, func() bool { return one.GetType() != "" })(a) == nil {
			isDir = false
			return nil
		}
		// Git knows no directory without anything in it, but for the root.
		return into(&entries, func() bool {
			return dir == "" || slices.ContainsFunc(present(entries), func(e *github.RepositoryContent) bool { return e.GetName() != "" })
		})(a)
	})
	var missing *NotFound
	if errors.As(err, &missing) {
		switch {
		case strings.HasPrefix(missing.Message, "No commit found"):
			return PolicyFile{}, false, err
		case strings.HasPrefix(missing.Message, emptyRepository):
			return PolicyFile{}, false, nil
		case dir == "" && told.sent.Before(s.began): // it was borne out when it was asked for
			return PolicyFile{}, false, nil
		}
		lacks := false
		if dir == "" {
			err = s.lacksRepository(ctx, with)
		} else {
			lacks, err = s.lacksDirectory(ctx, repo, with, at.Get("ref"), dir, since)
		}
		if err != nil {
			s.drop(to) // it is asked again
		}
		return PolicyFile{}, lacks, err
	}
	if err != nil {
		return PolicyFile{}, false, err
	}
	if !isDir {
		return PolicyFile{
			Found: true, Problem: fmt.Sprintf("%s is not a directory, so %s cannot be a regular file", dir, name),
			Mend: fmt.Sprintf("make %s a directory, with a regular file %s in it", dir, path.Base(name)),
		}, true, nil
	}
	for _, e := range present(entries) {
		if e.GetName() != path.Base(name) {
			continue
		}
		file, err := s.regularFile(ctx, repo, with, e)
		return file, err == nil, err
	}
	if len(entries) >= maxListing {
		return PolicyFile{
			Found: true, Problem: fmt.Sprintf("%s has 1,000 files or more: GitHub does not list them all", cmp.Or(dir, "its directory")),
			Mend: "keep fewer than 1,000 there",
		}, true, nil
	}
	return PolicyFile{}, true, nil
}

// lacksDirectory says whether a commit has no such directory, which GitHub did not find, by what it lists at the commit's root; false: the list
// does not tell. If the directory is there, it is an error.
func (s *Session) lacksDirectory(ctx context.Context, repo change.Repository, with scope, commit, dir string, since time.Time) (bool, error) {
	var root github.Tree
	if err := s.read(ctx, getTree.of(repo, commit).scoped(with), since, &root, func() bool { return root.GetSHA() != "" }); err != nil {
		return false, noCommits(err)
	}
	first, _, nested := strings.Cut(dir, "/")
	for _, e := range root.Entries {
		if e.GetPath() == first {
			if nested {
				return false, nil
			}
			return false, &Unavailable{Err: fmt.Errorf("GitHub does not find %s, and lists it", dir)}
		}
	}
	return !root.GetTruncated(), nil
}

// lacksRepository returns an error if a repository that GitHub did not find is one that it gives tokens for: then it is there. Of what only the
// installation's other tokens could read, nothing tells.
func (s *Session) lacksRepository(ctx context.Context, with scope) error {
	if with.kind != policies {
		return nil
	}
	why := &sending{route: getContents}
	refused, err := s.token(ctx, why, with)
	if err != nil || refused.instead != nil {
		return err
	}
	s.forget(with, refused)
	again, err := s.token(ctx, why, with)
	if err == nil && again.instead == nil {
		err = &Unavailable{Err: errors.New("GitHub does not find the repository, and gives a token for it")}
	}
	return err
}

func (s *Session) regularFile(ctx context.Context, repo change.Repository, with scope, e *github.RepositoryContent) (PolicyFile, error) {
	file := PolicyFile{Found: true, Blob: change.SHA(e.GetSHA())}
	irregular := func(what string) {
		file.Problem, file.Mend = what+" and must be a regular file", "put a regular file in its place"
	}
	tooLarge := func(size int) {
		file.Problem, file.Mend = fmt.Sprintf("it has %d bytes; 256 KB (262,144 bytes) is the most", size), "make it shorter"
	}
	switch kind := e.GetType(); {
	case kind != "file":
		irregular("it is a " + kind)
	case e.GitURL != nil && !strings.HasSuffix(e.GetGitURL(), "/git/blobs/"+e.GetSHA()):
		irregular("it is a submodule") // a listing calls submodules files
	case e.GetSize() > maxPolicy:
		tooLarge(e.GetSize())
	}
	if file.Problem != "" {
		return file, nil
	}
	text, err := s.blob(ctx, repo, with, file.Blob)
	var missing *NotFound
	switch {
	case errors.As(err, &missing) && e.GitURL != nil:
		return PolicyFile{}, &Unavailable{Err: errors.New("GitHub lists the file, and does not find its content")}
	case errors.As(err, &missing):
		irregular("GitHub has no such file content: it may be a submodule")
	case err != nil:
		return PolicyFile{}, err
	case len(text) > maxPolicy:
		tooLarge(len(text))
	default:
		file.Text = text
	}
	return file, nil
}

// blob reads a blob's content. It is held for as long as memory allows: its name is its content's.
func (s *Session) blob(ctx context.Context, repo change.Repository, with scope, sha change.SHA) (string, error) {
	key := s.objectKey("blob", repo, string(sha))
	if held, ok := s.github.objects.get(key); ok {
		return held.(string), nil
	}
	a, err := s.ask(ctx, &sending{route: getBlob}, getBlob.of(repo, string(sha)).scoped(with), nil)
	if err != nil {
		return "", err
	}
	var blob github.Blob
	if err := a.open(into(&blob, func() bool { return blob.GetSHA() == string(sha) })); err != nil {
		return "", err
	}
	text := blob.GetContent()
	if blob.GetEncoding() == "base64" {
		raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
		if err != nil {
			return "", unreadable(fmt.Errorf("the content of blob %s: %w", sha.Short(), err), false)
		}
		text = string(raw)
	}
	s.github.objects.put(key, text, len(text))
	return text, nil
}
