package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// How many pages of pull requests are read, of one commit and of one repository.
const (
	maxPulls     = 50
	maxOpenPulls = 1000
)

// Pull reads a pull request (pulls/get).
func (s *Session) Pull(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (_ change.Pull, err error) {
	defer wrap(&err, "reading %s#%d", repo, n)
	var p github.PullRequest
	whole := func() bool { return p.GetNumber() == int(n) }
	if err := s.read(ctx, getPull.of(repo, itoa(n)), since, &p, whole); err != nil {
		return change.Pull{}, err
	}
	return pull(&p), nil
}

// PullsWithHead reads the open pull requests whose head is sha (repos/list-pull-requests-associated-with-commit), ordered by number.
// ChangedFiles and MergedBy are not said there.
//
// GitHub associates commits by branches of the repository, so a pull request from a fork may be missing, and a commit that
// is in the default branch lists only merged ones: that a pull request is missing proves nothing, ask Pull.
func (s *Session) PullsWithHead(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) ([]change.Pull, error) {
	pulls, err := s.CommitPulls(ctx, repo, sha, since)
	return slices.DeleteFunc(pulls, func(p change.Pull) bool { return p.State != change.Open || p.Head.SHA != sha }), err
}

// CommitPulls reads the pull requests that GitHub associates with a commit, in whatever state, ordered by number: for a commit of the
// default branch the merged one that brought it there, for any other those, open or merged, that hold it
// (repos/list-pull-requests-associated-with-commit). A commit that GitHub does not know has none. ChangedFiles and MergedBy are not said
// there.
//
// It is GitHub's opinion: a commit that was pushed is associated with a pull request that held it too, and somebody else's that was merged
// into another branch may be listed. Compare MergeCommit and Base.
func (s *Session) CommitPulls(ctx context.Context, repo change.Repository, sha change.SHA, since time.Time) (_ []change.Pull, err error) {
	defer wrap(&err, "reading the pull requests of %s in %s", sha.Short(), repo)
	listed, err := readPages(ctx, s, listPullsOf.of(repo, string(sha)), since, maxPulls, entries[github.PullRequest])
	var missing *NotFound
	var rejected *Rejected
	if errors.As(err, &missing) || errors.As(err, &rejected) {
		// 422 and 409: no such commit in the repository, or no commits at all.
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := listed.tooMany("more than 5,000 pull requests hold this commit"); err != nil {
		return nil, err
	}
	found := pulls(listed.items)
	slices.SortFunc(found, func(a, b change.Pull) int { return cmp.Compare(a.Number, b.Number) })
	return found, nil
}

// OpenPulls reads the open pull requests of a repository (pulls/list) page by page, so that nobody has to hold a list of ten thousand; if base is not
// empty, only those into it. After an error there is nothing more. ChangedFiles is not said there.
//
// They are listed in the order in which they were opened, and the pages are read from the last to the first: one that is closed meanwhile moves those
// after it towards the front, onto a page that is still to be read. So one may come twice, but none is missing that was open all the time, unless an
// older one is reopened meanwhile. That costs one call more, and where GitHub does not say how many pages there are, a second call for each page.
func (s *Session) OpenPulls(ctx context.Context, repo change.Repository, base string, since time.Time) iter.Seq2[[]change.Pull, error] {
	list := listPulls.of(repo).with(values("state", "open", "sort", "created", "direction", "asc"))
	if base != "" {
		list = list.with(values("base", base))
	}
	return func(yield func([]change.Pull, error) bool) {
		// Each with a session of its own, which remembers one page and not all.
		read := func(one *Session, since time.Time, n int) (page[*github.PullRequest], error) {
			p, err := readPage(ctx, one, list, since, n, entries[github.PullRequest])
			if err == nil && (p.last > maxOpenPulls || p.more && n == maxOpenPulls) {
				err = &Rejected{Status: http.StatusOK, Message: "more than 100,000 pull requests are open: too many to read"}
			}
			if err != nil {
				yield(nil, fmt.Errorf("listing the open pull requests of %s: %w", repo, err))
			}
			return p, err
		}
		first, err := read(s.Begin(), since, 1)
		if err != nil {
			return
		}
		if !first.more {
			yield(pulls(first.items), nil)
			return
		}
		show := func(n int) (more, ok bool) {
			one := s.Begin()
			p, err := read(one, one.Began(), n)
			return p.more, err == nil && yield(pulls(p.items), nil)
		}
		last := max(first.last, 2)
		for ; ; last++ { // others are opened meanwhile, or the first page did not say how many there are
			more, ok := show(last)
			if !ok {
				return
			}
			if !more {
				break
			}
		}
		for n := last - 1; n > 0; n-- {
			if _, ok := show(n); !ok {
				return
			}
		}
	}
}

// pulls reads the pull requests of a list, without what has no number.
func pulls(listed []*github.PullRequest) []change.Pull {
	read := make([]change.Pull, 0, len(listed))
	for _, p := range listed {
		if p.GetNumber() != 0 {
			read = append(read, pull(p))
		}
	}
	return read
}

// InstalledRepository is a repository of an installation.
type InstalledRepository struct {
	change.Repository
	Archived  bool      // it can be read and not written to
	UpdatedAt time.Time // when the repository itself, as it is listed, was last changed; zero: it is not said
}

// Repositories reads the repositories that the installation may see (apps/list-repos-accessible-to-installation).
func (s *Session) Repositories(ctx context.Context, since time.Time) (_ []InstalledRepository, err error) {
	defer wrap(&err, "listing the repositories of installation %d", s.id)
	type page struct {
		Total        *int                 `json:"total_count"`
		Repositories []*github.Repository `json:"repositories"`
	}
	listed, err := readPages(ctx, s, listRepositories.general(), since, 1000,
		func(p page) ([]*github.Repository, bool) { return present(p.Repositories), p.Total != nil })
	if err != nil {
		return nil, err
	}
	if err := listed.tooMany("more than 100,000 repositories"); err != nil {
		return nil, err
	}
	repos := make([]InstalledRepository, 0, len(listed.items))
	for _, r := range listed.items {
		repos = append(repos, InstalledRepository{s.repository(r), r.GetArchived(), r.GetUpdatedAt().Time})
	}
	return repos, nil
}

// Described reads a repository as it is now (repos/get), by its name: what is another one there is a *NotFound.
func (s *Session) Described(ctx context.Context, repo change.Repository, since time.Time) (_ change.Repository, err error) {
	defer wrap(&err, "reading %s", repo)
	var r github.Repository
	whole := func() bool { return r.GetID() != 0 && r.GetName() != "" && r.GetDefaultBranch() != "" }
	if err := s.read(ctx, getRepository.of(repo), since, &r, whole); err != nil {
		return change.Repository{}, err
	}
	if change.RepositoryID(r.GetID()) != repo.ID {
		return change.Repository{}, &NotFound{Message: "the repository of this name is another by now"}
	}
	return s.repository(&r), nil
}

// repository returns what GitHub says of a repository of the installation.
func (s *Session) repository(r *github.Repository) change.Repository {
	return change.Repository{
		ID: change.RepositoryID(r.GetID()), Owner: r.GetOwner().GetLogin(), Name: r.GetName(), DefaultBranch: r.GetDefaultBranch(),
		OwnerIsUser: r.GetOwner().GetType() == "User", Installation: s.id,
	}
}

func pull(p *github.PullRequest) change.Pull {
	out := change.Pull{
		Number: change.Number(p.GetNumber()), Title: p.GetTitle(), Body: p.GetBody(), URL: p.GetHTMLURL(), Author: account(p.User),
		State: change.PullState(p.GetState()), Draft: p.GetDraft(), Head: branch(p.Head), Base: branch(p.Base),
		ChangedFiles: p.GetChangedFiles(), CreatedAt: p.GetCreatedAt().Time, UpdatedAt: p.GetUpdatedAt().Time,
	}
	if out.FromFork() {
		out.HeadOwner = ownerOf(p.Head)
	}
	if p.MergedAt != nil {
		out.State, out.MergedAt, out.MergedBy = change.Merged, p.GetMergedAt().Time, account(p.MergedBy)
		out.MergeCommit = change.SHA(p.GetMergeCommitSHA()) // before the merge it names a test merge
	}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, l.GetName())
	}
	for _, t := range p.RequestedTeams {
		out.RequestedTeams = append(out.RequestedTeams, t.GetSlug())
	}
	for _, u := range p.RequestedReviewers {
		out.RequestedUsers = append(out.RequestedUsers, account(u))
	}
	return out
}

// branch reads one end of a pull request. A fork that is gone leaves a repository of null.
func branch(b *github.PullRequestBranch) change.Branch {
	if b == nil {
		return change.Branch{}
	}
	out := change.Branch{Repository: change.RepositoryID(b.GetRepo().GetID()), Name: b.GetRef(), SHA: change.SHA(b.GetSHA())}
	if out.Owner = b.GetRepo().GetOwner().GetLogin(); out.Owner == "" {
		out.Owner = b.GetUser().GetLogin()
	}
	return out
}

// ownerOf reads the user in whose repository a branch is; nobody if that is not a user's.
func ownerOf(b *github.PullRequestBranch) change.Account {
	owner := b.GetRepo().GetOwner()
	if owner == nil {
		owner = b.GetUser()
	}
	if a := account(owner); a.Kind == change.KindUser {
		return a
	}
	return change.Account{}
}

// account reads a user. A deleted one is null, and nobody.
func account(u *github.User) change.Account { return accountOf(u.GetID(), u.GetLogin(), u.GetType()) }

func accountOf(id int64, login, kind string) change.Account {
	if id == 0 {
		return change.Account{}
	}
	a := change.Account{ID: change.AccountID(id), Login: login, Kind: change.AccountKind(kind)}
	if a.Kind == "" {
		a.Kind = change.KindUser
	}
	if strings.HasSuffix(a.Login, "[bot]") {
		a.Kind = change.KindBot
	}
	return a
}

func itoa[N ~int | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }
