package github

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// maxListedCommits is the most commits that a pull request lists (pulls/list-commits).
const maxListedCommits = 250

// listedContent is content of a GitHub that compares no commits: what the pull request lists as its own (pulls/list-files,
// pulls/list-commits) is what the comparison of its head with its base would. The commits are listed after the files and have to end with the head, or
// the files may be of another one. Where there are 250, CommitsCut is set.
func (s *Session) listedContent(ctx context.Context, repo change.Repository, p change.Pull, base change.SHA) (change.Content, []*github.CommitFile, error) {
	files, err := s.pullFiles(ctx, repo, p, s.began)
	if err != nil {
		return change.Content{}, nil, err
	}
	listed, err := readPages(ctx, s, listPullCommits.of(repo, itoa(p.Number)), s.began, maxListedCommits/perPage+1, entries[github.RepositoryCommit])
	if err != nil {
		return change.Content{}, nil, err
	}
	content := change.Content{
		Head: p.Head.SHA, BaseTip: base, Files: changedFiles(files), FilesCut: len(files) >= maxFiles, CommitsCut: len(listed.items) >= maxListedCommits,
	}
	if content.CommitsCut {
		return content, files, nil // nothing is decided of it
	}
	head, ok := lastOf(listed.items)
	if !ok || head.GetSHA() != string(p.Head.SHA) {
		return change.Content{}, nil, unreadable(fmt.Errorf("GitHub does not list %s as the last commit of the pull request", p.Head.SHA.Short()), false)
	}
	content.Tree = change.SHA(head.GetCommit().GetTree().GetSHA())
	if content.Commits, err = s.attributed(ctx, repo, listed.items, s.began); err != nil {
		return change.Content{}, nil, err
	}
	content.MergeBase, err = beneath(content, p.Base.SHA)
	return content, files, err
}

// lastOf returns the commit that is no other's parent; where none tells its parents, the one that is listed last.
func lastOf(commits []*github.RepositoryCommit) (*github.RepositoryCommit, bool) {
	below := map[string]bool{}
	for _, c := range commits {
		for _, p := range present(c.Parents) {
			below[p.GetSHA()] = true
		}
	}
	for _, c := range slices.Backward(commits) {
		if !below[c.GetSHA()] {
			return c, true
		}
	}
	return nil, false
}

// beneath returns the merge base of a content whose commits are all listed: what they are built on, if that is one commit or the base's tip is
// among it. A GitHub that tells no commit's parents is believed that it is the base that the pull request notes.
func beneath(c change.Content, noted change.SHA) (change.SHA, error) {
	own := map[change.SHA]bool{}
	for i := range c.Commits {
		own[c.Commits[i].SHA] = true
	}
	var below []change.SHA
	roots := 0
	for i := range c.Commits {
		parents := c.Commits[i].Parents
		if len(parents) == 0 {
			roots++
		}
		for _, p := range parents {
			if !own[p] && !slices.Contains(below, p) {
				below = append(below, p)
			}
		}
	}
	switch {
	case roots == len(c.Commits) && len(c.Files) > 0 && noted != "":
		return noted, nil
	case roots > 0:
	case slices.Contains(below, c.BaseTip):
		return c.BaseTip, nil
	case len(below) == 1:
		return below[0], nil
	}
	return "", unreadable(errors.New("the commits of the pull request do not tell on which commit of its base they are built"), false)
}
