package github

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-github/v62/github"
	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
)

const (
	comparedFiles = 300  // the most files that a comparison lists (repos/compare-commits-with-basehead)
	maxFiles      = 3000 // the most files that a pull request lists (pulls/list-files)
	maxCommits    = 1000 // the most commits that are read; a change with more is cut
)

// Content reads what the pull request would change: the comparison from the merge base of the tip of its base branch and its head. One
// call for the tip (see Tip) and, once for the two SHAs, one for their comparison (repos/compare-commits-with-basehead); more for large
// changes: 300 files and more are listed by pages (pulls/list-files), over 250 commits by pages of the comparison. At GitHub's limit of 3,000
// files, and beyond 1,000 commits, FilesCut and CommitsCut say that there may be more. A co-author whose address is neither GitHub's own nor
// an author's of the same commits costs a call, the first time. A GitHub that compares no commits at all is asked what the pull request lists; see
// listedContent.
//
// Since is about the tip, and about authors whom GitHub could not name: with a zero since the tip that is held is taken even if the base branch has
// moved, and an address that was nobody's when it was read still is. Modes and PreviousBlob are not read; see Tree.
func (s *Session) Content(ctx context.Context, repo change.Repository, p change.Pull, since time.Time) (_ change.Content, err error) {
	defer wrap(&err, "comparing %s#%d with its base", repo, p.Number)
	tip, err := s.tipOf(ctx, repo, p, since)
	if err != nil {
		return change.Content{}, err
	}
	content, _, err := s.content(ctx, repo, p, tip, since)
	return content, err
}

// ContentAt is Content against a commit that the base branch had, and not against its tip: for a pull request that was merged, against the
// one that its decision went by. One call less than Content, since there is no tip to read; what is asked again is asked in this session.
//
// 300 files and more are listed as the pull request has them (pulls/list-files). Where that list is not of the same comparison, because GitHub
// has it against another commit, FilesCut says that they are not known.
func (s *Session) ContentAt(ctx context.Context, repo change.Repository, p change.Pull, base change.SHA) (_ change.Content, err error) {
	defer wrap(&err, "comparing %s#%d with %s", repo, p.Number, base.Short())
	content, compared, err := s.content(ctx, repo, p, base, s.began)
	if err == nil && !holdsAll(content.Files, compared) {
		content.FilesCut = true
	}
	return content, err
}

// holdsAll says whether the files hold each of those that were compared, as it is.
func holdsAll(files []change.File, compared []*github.CommitFile) bool {
	type version struct{ path, previous, status, blob string }
	held := map[version]bool{}
	for _, f := range files {
		held[version{f.Path, f.PreviousPath, string(f.Status), string(f.Blob)}] = true
	}
	return !slices.ContainsFunc(compared, func(f *github.CommitFile) bool {
		return !held[version{f.GetFilename(), f.GetPreviousFilename(), f.GetStatus(), f.GetSHA()}]
	})
}

// content compares the head with a commit of the base branch, and returns the files that the comparison lists as well.
func (s *Session) content(
	ctx context.Context, repo change.Repository, p change.Pull, base change.SHA, since time.Time,
) (content change.Content, listed []*github.CommitFile, err error) {
	compared, err := s.compare(ctx, repo, base, p.Head.SHA, time.Time{})
	if err == nil && !since.IsZero() && slices.ContainsFunc(compared.Commits, hasStranger) {
		// What two commits differ in never changes, but whose an address is does: somebody may have added it to their account since.
		compared, err = s.compare(ctx, repo, base, p.Head.SHA, since)
	}
	if s.comparesNothing(ctx, repo, base, err) {
		content, listed, listedErr := s.listedContent(ctx, repo, p, base)
		if missing := (*NotFound)(nil); !errors.As(listedErr, &missing) {
			return content, listed, listedErr
		}
	}
	if err == nil {
		err = isAgainst(compared, base)
	}
	if err != nil {
		return change.Content{}, nil, err
	}
	content = change.Content{Head: p.Head.SHA, BaseTip: base, MergeBase: mergeBaseOf(compared), Tree: treeOf(compared, p.Head.SHA)}
	var commits []*github.RepositoryCommit
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		content.Files, content.FilesCut, err = s.files(gctx, repo, p, compared.Files, since)
		return err
	})
	group.Go(func() (err error) {
		commits, content.CommitsCut, err = s.commits(gctx, comparisonOf(repo, base, p.Head.SHA), compared, since)
		return err
	})
	if err := group.Wait(); err != nil {
		return change.Content{}, nil, err
	}
	content.Commits, err = s.attributed(ctx, repo, commits, since)
	return content, present(compared.Files), err
}

// isAgainst is the error of a comparison with another commit than base.
func isAgainst(compared *github.CommitsComparison, base change.SHA) error {
	if got := compared.GetBaseCommit().GetSHA(); got != string(base) {
		return unreadable(fmt.Errorf("GitHub compared with %s and not with %s", got, base), false)
	}
	return nil
}

func mergeBaseOf(compared *github.CommitsComparison) change.SHA {
	return change.SHA(compared.GetMergeBaseCommit().GetSHA())
}

// hasStranger says whether a commit names somebody who has no account.
func hasStranger(c *github.RepositoryCommit) bool {
	return c.GetAuthor().GetID() == 0 || c.GetCommitter().GetID() == 0
}

// tipOf reads the tip of the base branch. Where no tip is held, the base that the pull request notes is compared at the same time,
// because it most often is the tip still.
func (s *Session) tipOf(ctx context.Context, repo change.Repository, p change.Pull, since time.Time) (tip change.SHA, err error) {
	group, gctx := errgroup.WithContext(ctx)
	if _, held := s.HeldTip(repo, p.Base.Name); !held && p.Base.SHA != "" {
		group.Go(func() error {
			_, err := s.compare(gctx, repo, p.Base.SHA, p.Head.SHA, time.Time{})
			var missing *NotFound
			if errors.As(err, &missing) {
				return nil // a base that was thrown away
			}
			return err
		})
	}
	group.Go(func() (err error) {
		tip, err = s.Tip(gctx, repo, p.Base.Name, since)
		return err
	})
	return tip, group.Wait()
}

func comparisonOf(repo change.Repository, base, head change.SHA) address {
	return compare.of(repo, string(base)+"..."+string(head))
}

// compare compares two commits. Branches are not named in it, because a tag of a branch's name, which anyone with write access may make,
// could come before it; and what two commits differ in never changes, so that with a zero since an answer that is held is good for ever.
func (s *Session) compare(ctx context.Context, repo change.Repository, base, head change.SHA, since time.Time) (*github.CommitsComparison, error) {
	compared, err := s.comparison(ctx, repo, base, head, since)
	var missing *NotFound
	if errors.As(err, &missing) {
		return s.comparison(ctx, repo, base, head, s.began) // a commit that was not there may have come since
	}
	return compared, err
}

// comparison is compare without its second look: a commit that GitHub did not find at since or later is a *NotFound.
func (s *Session) comparison(ctx context.Context, repo change.Repository, base, head change.SHA, since time.Time) (*github.CommitsComparison, error) {
	compared := new(github.CommitsComparison)
	err := s.read(ctx, comparisonOf(repo, base, head), since, compared, func() bool {
		return compared.GetBaseCommit().GetSHA() != "" && compared.GetMergeBaseCommit().GetSHA() != "" &&
			compared.TotalCommits != nil && compared.Files != nil
	})
	return compared, err
}

// comparesNothing says whether an error is that a GitHub did not find a comparison which was never seen to have one, and has none of a commit with
// itself either.
func (s *Session) comparesNothing(ctx context.Context, repo change.Repository, commit change.SHA, err error) bool {
	if s.github.lacks(err, compare) {
		_, err = s.comparison(ctx, repo, commit, commit, time.Time{})
	}
	return s.github.lacks(err, compare)
}

// treeOf returns the tree of the head, which is one of the commits that are compared, or the merge base if there are none.
func treeOf(compared *github.CommitsComparison, head change.SHA) change.SHA {
	if base := compared.GetMergeBaseCommit(); base.GetSHA() == string(head) {
		return change.SHA(base.GetCommit().GetTree().GetSHA())
	}
	for _, c := range present(compared.Commits) {
		if c.GetSHA() == string(head) {
			return change.SHA(c.GetCommit().GetTree().GetSHA())
		}
	}
	return ""
}

// Seen reads what a view shows, in one call that is never made twice; a view without a base is not for it. It is the comparison that
// Content makes, so that what was the head before costs nothing. Of more than 300 files or 250 commits it says that they are cut.
//
// Gone says that GitHub did not have one of the commits, at since or later.
func (s *Session) Seen(ctx context.Context, repo change.Repository, v change.View, since time.Time) (_ change.Seen, err error) {
	defer wrap(&err, "comparing %s with %s in %s", v.Head.Short(), v.Base.Short(), repo)
	seen := change.Seen{View: v}
	compared, err := s.comparison(ctx, repo, v.Base, v.Head, time.Time{})
	var missing *NotFound
	var rejected *Rejected
	if errors.As(err, &missing) && !since.IsZero() {
		compared, err = s.comparison(ctx, repo, v.Base, v.Head, since)
	}
	if errors.As(err, &missing) || errors.As(err, &rejected) {
		seen.Gone = true
		return seen, nil
	}
	if err != nil {
		return seen, err
	}
	commits := present(compared.Commits)
	seen.MergeBase, seen.Tree = mergeBaseOf(compared), treeOf(compared, v.Head)
	seen.FilesCut, seen.CommitsCut = len(compared.Files) >= comparedFiles, len(commits) < compared.GetTotalCommits()
	seen.Files = comparedVersions(compared)
	for _, c := range commits {
		seen.Commits = append(seen.Commits, change.SHA(c.GetSHA()))
	}
	return seen, nil
}

// comparedVersions returns the files of a comparison, each with which version of it the head has.
func comparedVersions(compared *github.CommitsComparison) (files []change.File) {
	for _, f := range present(compared.Files) {
		files = append(files, change.File{
			Path: f.GetFilename(), PreviousPath: f.GetPreviousFilename(), Status: change.FileStatus(f.GetStatus()), Blob: change.SHA(f.GetSHA()),
		})
	}
	return files
}

func (s *Session) files(
	ctx context.Context, repo change.Repository, p change.Pull, compared []*github.CommitFile, since time.Time,
) (files []change.File, cut bool, err error) {
	listed := present(compared)
	if len(compared) >= comparedFiles { // how many the pull request says it has may be from before it had more
		if listed, err = s.pullFiles(ctx, repo, p, since); err != nil {
			return nil, false, err
		}
		cut = len(listed) >= maxFiles || len(listed) < max(len(compared), p.ChangedFiles)
	}
	return changedFiles(listed), cut, nil
}

// pullFiles lists the files of a pull request (pulls/list-files). The list belongs to it and not to a SHA, so that one that is held may be of another
// head: then it is listed anew.
func (s *Session) pullFiles(ctx context.Context, repo change.Repository, p change.Pull, since time.Time) ([]*github.CommitFile, error) {
	list := func(since time.Time) (all listing[*github.CommitFile], moved bool, err error) {
		all, err = readPages(ctx, s, listFiles.of(repo, itoa(p.Number)), since, maxFiles/perPage, entries[github.CommitFile])
		return all, slices.ContainsFunc(all.items, func(f *github.CommitFile) bool { return !isAt(f, p.Head.SHA) }), err
	}
	all, moved, err := list(since)
	if err == nil && moved && since.Before(s.began) {
		all, moved, err = list(s.began)
	}
	if err == nil && moved {
		err = &Unavailable{Err: errors.New("the pull request moved while its files were listed")}
	}
	return all.items, err
}

// changedFiles reads files as GitHub lists them.
func changedFiles(listed []*github.CommitFile) []change.File {
	files := make([]change.File, 0, len(listed))
	for _, f := range listed {
		files = append(files, change.File{
			Path: f.GetFilename(), PreviousPath: f.GetPreviousFilename(), Status: change.FileStatus(f.GetStatus()),
			Additions: f.GetAdditions(), Deletions: f.GetDeletions(), Blob: change.SHA(f.GetSHA()), Patch: f.GetPatch(),
		})
	}
	return files
}

// isAt says whether a listed file is of the commit: its address on the API ends in ?ref=SHA. A file without an address passes, and one that
// was removed, because that has the address that it had at the merge base.
func isAt(f *github.CommitFile, head change.SHA) bool {
	if change.FileStatus(f.GetStatus()) == change.FileRemoved {
		return true
	}
	u, err := url.Parse(f.GetContentsURL())
	return err == nil && (u.Query().Get("ref") == "" || u.Query().Get("ref") == string(head))
}

func (s *Session) commits(
	ctx context.Context, comparison address, compared *github.CommitsComparison, since time.Time,
) (commits []*github.RepositoryCommit, cut bool, err error) {
	total := compared.GetTotalCommits()
	compared.Commits = present(compared.Commits)
	if len(compared.Commits) >= total {
		return compared.Commits, false, nil
	}
	pages := (min(total, maxCommits) + perPage - 1) / perPage
	list := func(since time.Time) (listing[*github.RepositoryCommit], error) {
		return readPages(ctx, s, comparison, since, pages, func(c github.CommitsComparison) ([]*github.RepositoryCommit, bool) {
			return present(c.Commits), c.TotalCommits != nil
		})
	}
	listed, err := list(time.Time{})
	if err == nil && !since.IsZero() && slices.ContainsFunc(listed.items, hasStranger) {
		listed, err = list(since)
	}
	if err != nil {
		return nil, false, err
	}
	seen := map[string]bool{}
	for _, c := range slices.Concat(listed.items, compared.Commits) {
		if !seen[c.GetSHA()] {
			seen[c.GetSHA()] = true
			commits = append(commits, c)
		}
	}
	return commits, len(commits) < total, nil
}
