package github

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// RangeStatus says how the head of a Range relates to its base, in GitHub's words.
type RangeStatus string

// The statuses of a range.
const (
	RangeIdentical RangeStatus = "identical" // they are one commit
	RangeAhead     RangeStatus = "ahead"     // the head holds all that the base does, and more
	RangeBehind    RangeStatus = "behind"    // the base holds all that the head does, and more
	RangeDiverged  RangeStatus = "diverged"  // each holds what the other does not
)

// Range is what a branch gained between two of its commits: the commits that are reachable from Head and not from Base. On a branch that
// was not forced, Base is the MergeBase; what a forced update took off is the Range in the other direction.
type Range struct {
	Base      change.SHA
	Head      change.SHA
	MergeBase change.SHA
	Status    RangeStatus
	Commits   []LandedCommit // in GitHub's order, oldest first; none of them is Base
	Files     []change.File  // from MergeBase to Head: Path, PreviousPath, Status and Blob only
	// CommitsCut says that there are more commits than are read (1,000), FilesCut that there are more files than a comparison lists (300).
	CommitsCut bool
	FilesCut   bool
}

// LandedCommit is a commit of a Range.
type LandedCommit struct {
	SHA       change.SHA
	Parents   []change.SHA
	Tree      change.SHA
	Author    change.Account // the zero Account: the address in the commit is nobody's
	Committer change.Account
	Title     string // the first line of the message, as somebody wrote it
}

// Range reads what is between two commits of a repository (repos/compare-commits-with-basehead): one call, and over 250 commits one more for
// each 100 up to 1,000. What is between two commits never changes, so that with a zero since an answer that is held is good for ever; with
// another since it is asked whose the commits' addresses are now.
//
// Where GitHub has one of the commits no more, or the two have nothing in common, it is a *NotFound, and a *Lacking where it compares no commits.
func (s *Session) Range(ctx context.Context, repo change.Repository, base, head change.SHA, since time.Time) (_ Range, err error) {
	defer wrap(&err, "comparing %s with %s in %s", base.Short(), head.Short(), repo)
	compared, err := s.compare(ctx, repo, base, head, since)
	if err == nil {
		err = isAgainst(compared, base)
	}
	if s.comparesNothing(ctx, repo, head, err) {
		err = &Lacking{err}
	}
	if err != nil {
		return Range{}, err
	}
	r := Range{
		Base: base, Head: head, MergeBase: mergeBaseOf(compared), Status: RangeStatus(compared.GetStatus()),
		FilesCut: len(compared.Files) >= comparedFiles,
	}
	switch r.Status {
	case RangeIdentical, RangeAhead, RangeBehind, RangeDiverged:
	default:
		return Range{}, unreadable(errors.New("GitHub's answer does not say how the commits relate"), false)
	}
	commits, cut, err := s.commits(ctx, comparisonOf(repo, base, head), compared, since)
	if err != nil {
		return Range{}, err
	}
	r.CommitsCut = cut
	for _, c := range commits {
		title, _, _ := strings.Cut(c.GetCommit().GetMessage(), "\n")
		landed := LandedCommit{
			SHA: change.SHA(c.GetSHA()), Tree: change.SHA(c.GetCommit().GetTree().GetSHA()), Author: account(c.Author),
			Committer: account(c.Committer), Title: strings.TrimSpace(title),
		}
		for _, p := range present(c.Parents) {
			landed.Parents = append(landed.Parents, change.SHA(p.GetSHA()))
		}
		r.Commits = append(r.Commits, landed)
	}
	r.Files = comparedVersions(compared)
	return r, nil
}

// IsAncestor says whether a commit is another one or is reachable from it, and so is on a branch whose tip that one is
// (repos/compare-commits-with-basehead). One call, and none for what is held, since how two commits relate never changes. A commit that GitHub does
// not have, or that has nothing in common with the other, is no ancestor; that is asked again in each session.
func (s *Session) IsAncestor(ctx context.Context, repo change.Repository, commit, of change.SHA) (_ bool, err error) {
	defer wrap(&err, "looking for %s behind %s in %s", commit.Short(), of.Short(), repo)
	// In this direction there is nothing to list if it is one.
	compared, err := s.compare(ctx, repo, of, commit, time.Time{})
	var missing *NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	if err == nil {
		err = isAgainst(compared, of)
	}
	if err != nil {
		return false, err
	}
	switch RangeStatus(compared.GetStatus()) {
	case RangeIdentical, RangeBehind:
		return true, nil
	case RangeAhead, RangeDiverged:
		return false, nil
	}
	return false, unreadable(errors.New("GitHub's answer does not say how the commits relate"), false)
}
