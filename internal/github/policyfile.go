package github

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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
// that what the commit has at its root is listed too. Where a GitHub lists neither, and was never seen to have trees, the file is read by its name; it is not
// there if GitHub does not find that either, and knows the commit.
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
	file, proven, err := fileReader{s, repo, scope{repository: repo.ID}, commit}.file(ctx, name, s.began)
	if err != nil {
		return PolicyFile{}, err
	}
	if proven { // what a commit holds never changes
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
	file, _, err := fileReader{s, repo, scope{kind: policies}, ""}.file(ctx, name, since)
	return file, err
}

// fileReader reads regular files of a repository.
type fileReader struct {
	*Session
	repo   change.Repository
	scope  scope      // of the tokens that it is read with
	commit change.SHA // empty: the tip of the default branch
}

// file lists the file's directory, on an answer since a time, and reads the file. Proven says that a listing of GitHub's bears out what is
// returned, so that of a commit it holds for good.
func (r fileReader) file(ctx context.Context, name string, since time.Time) (_ PolicyFile, proven bool, err error) {
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	var entries []*github.RepositoryContent
	isDir := true
	told, err := r.get(ctx, r.contents(dir), since, func(a *answer) error {
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
	switch {
	case errors.As(err, &missing):
		return r.lacks(ctx, name, dir, told, missing, since)
	case err != nil:
		return PolicyFile{}, false, err
	case !isDir:
		return PolicyFile{
			Found: true, Problem: fmt.Sprintf("%s is not a directory, so %s cannot be a regular file", dir, name),
			Mend: fmt.Sprintf("make %s a directory, with a regular file %s in it", dir, path.Base(name)),
		}, true, nil
	}
	for _, e := range present(entries) {
		if e.GetName() == path.Base(name) {
			file, err := r.regularFile(ctx, e, name)
			return file, err == nil, err
		}
	}
	if len(entries) >= maxListing {
		return PolicyFile{
			Found: true, Problem: fmt.Sprintf("%s has 1,000 files or more: GitHub does not list them all", cmp.Or(dir, "its directory")),
			Mend: "keep fewer than 1,000 there",
		}, true, nil
	}
	return PolicyFile{}, true, nil
}

// contents is the address of a directory's listing.
func (r fileReader) contents(dir string) address {
	to := getContents.of(r.repo, dir).scoped(r.scope)
	if r.commit != "" {
		to = to.with(values("ref", string(r.commit)))
	}
	return to
}

// lacks says what follows where GitHub told that it does not find a file's directory: that there is no file, or an error if the directory is known
// to be there. Where nothing tells, because this GitHub was never seen to have trees, the file is looked for by its name.
func (r fileReader) lacks(ctx context.Context, name, dir string, told *answer, missing *NotFound, since time.Time) (file PolicyFile, proven bool, err error) {
	switch {
	case strings.HasPrefix(missing.Message, "No commit found"):
		return PolicyFile{}, false, missing
	case strings.HasPrefix(missing.Message, emptyRepository):
		return PolicyFile{}, false, nil
	case dir == "" && told.sent.Before(r.began): // it was borne out when it was asked for
		return PolicyFile{}, false, nil
	case dir == "":
		err = r.lacksRepository(ctx)
	default:
		proven, err = r.lacksDirectory(ctx, dir, since)
		if r.github.lacks(err, getTree) {
			file, err = r.byName(ctx, name, since)
		}
	}
	if err != nil {
		r.drop(r.contents(dir)) // it is asked again
	}
	return file, proven, err
}

// lacksDirectory says whether what GitHub lists at the commit's root bears out that the commit has no such directory; false: the list does not
// tell. If the directory is in the list, it is an error.
func (r fileReader) lacksDirectory(ctx context.Context, dir string, since time.Time) (bool, error) {
	var root github.Tree
	if err := r.read(ctx, getTree.of(r.repo, string(r.commit)).scoped(r.scope), since, &root, func() bool { return root.GetSHA() != "" }); err != nil {
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

// lacksRepository returns an error if the owner's .github, which GitHub did not find, is what it gives a token for, and says so: then it is there.
// Whether one is there that only the installation's other tokens could read, nothing tells, nor does a token that is for whatever was asked for.
func (r fileReader) lacksRepository(ctx context.Context) error {
	if r.scope.kind != policies {
		return nil
	}
	why := &sending{route: getContents}
	refused, err := r.token(ctx, why, r.scope)
	if err != nil || refused.instead != nil {
		return err
	}
	r.forget(r.scope, refused)
	again, err := r.token(ctx, why, r.scope)
	if err == nil && slices.ContainsFunc(again.reaches, change.HoldsOwnerPolicy) {
		err = &Unavailable{Err: errors.New("GitHub does not find the repository, and gives a token for it")}
	}
	return err
}

// byName reads a file of a commit where GitHub lists neither its directory nor the commit's root. That there is none is believed of a
// commit that GitHub knows: it lists its check runs or, where it was never seen to list any, names it as the tip of the default branch.
func (r fileReader) byName(ctx context.Context, name string, since time.Time) (PolicyFile, error) {
	var e github.RepositoryContent
	err := r.read(ctx, r.contents(name), since, &e, func() bool { return e.GetType() != "" && e.GetSHA() != "" })
	var missing *NotFound
	if errors.As(err, &missing) {
		if _, err = r.checkRuns(ctx, r.repo, r.commit, since); r.github.lacks(err, listCheckRuns) && r.repo.DefaultBranch != "" {
			if tip, tipErr := r.Tip(ctx, r.repo, r.repo.DefaultBranch, since); tipErr != nil || tip == r.commit {
				err = tipErr
			}
		}
		return PolicyFile{}, err
	}
	if err != nil {
		return PolicyFile{}, err
	}
	return r.regularFile(ctx, &e, name)
}

// regularFile reads the file that GitHub listed as e, if it is a regular file.
func (r fileReader) regularFile(ctx context.Context, e *github.RepositoryContent, name string) (PolicyFile, error) {
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
	text, err := r.blob(ctx, file.Blob)
	var missing *NotFound
	if errors.As(err, &missing) {
		if same, ok := r.contentOf(ctx, name, file.Blob); ok {
			text, err = same, nil
		}
	}
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

// contentOf reads a file by its name where GitHub does not find its blob: ok if that is what it has there.
func (r fileReader) contentOf(ctx context.Context, name string, blob change.SHA) (text string, ok bool) {
	var e github.RepositoryContent
	err := r.read(ctx, r.contents(name), r.began, &e, func() bool { return e.GetType() == "file" })
	if err != nil || e.GetSHA() != string(blob) {
		return "", false
	}
	text, err = e.GetContent()
	return text, err == nil && (e.Size == nil || len(text) == e.GetSize())
}

// blob reads a blob's content. It is held for as long as memory allows: its name is its content's.
func (r fileReader) blob(ctx context.Context, sha change.SHA) (string, error) {
	key := r.objectKey("blob", r.repo, string(sha))
	if held, ok := r.github.objects.get(key); ok {
		return held.(string), nil
	}
	a, err := r.ask(ctx, &sending{route: getBlob}, getBlob.of(r.repo, string(sha)).scoped(r.scope), nil)
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
	r.github.objects.put(key, text, len(text))
	return text, nil
}
