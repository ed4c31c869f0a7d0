package github

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// maxLookups is the most co-authors of a pull request's commits who are looked up.
const maxLookups = 20

// attributed reads who made the commits. GitHub says whose the authors' and committers' addresses are; co-authors are found by the
// addresses that it gives its users, which hold the account's id and login, by the addresses that it resolved in the same commits, or else
// by a look at GitHub: one call for an address, twenty at most, and again for one that was nobody's before since. Those who are left are
// Unresolved.
func (s *Session) attributed(
	ctx context.Context, repo change.Repository, listed []*github.RepositoryCommit, since time.Time,
) ([]change.Commit, error) {
	a := attribution{Session: s, repo: repo, since: since, known: map[string]change.Account{}}
	commits := make([]change.Commit, len(listed))
	for i, c := range listed {
		commits[i] = a.commit(c)
	}
	// Once all is known that GitHub resolved in them.
	for i := range commits {
		for j := range commits[i].CoAuthors {
			if err := a.resolve(ctx, &commits[i].CoAuthors[j]); err != nil {
				return nil, err
			}
		}
	}
	return commits, nil
}

// attribution finds whose the addresses in some commits are.
type attribution struct {
	*Session
	repo    change.Repository
	since   time.Time
	known   map[string]change.Account // by address in lower case; the zero Account: nobody's
	lookups int
}

// commit reads a commit, and notes whose the addresses are that GitHub resolved in it.
func (a *attribution) commit(c *github.RepositoryCommit) change.Commit {
	commit := change.Commit{
		SHA: change.SHA(c.GetSHA()), Author: signature(c.GetCommit().GetAuthor(), c.Author),
		Committer: signature(c.GetCommit().GetCommitter(), c.Committer), Verified: c.GetCommit().GetVerification().GetVerified(),
		CoAuthors: coAuthors(c.GetCommit().GetMessage()),
	}
	for _, parent := range c.Parents {
		commit.Parents = append(commit.Parents, change.SHA(parent.GetSHA()))
	}
	for _, by := range []change.Signature{commit.Author, commit.Committer} {
		if by.Account.Known() && by.Email != "" {
			a.known[strings.ToLower(by.Email)] = by.Account
		}
	}
	return commit
}

// resolve finds the account of a co-author, or says that there was no lookup left for it.
func (a *attribution) resolve(ctx context.Context, by *change.Signature) error {
	address := strings.ToLower(by.Email)
	if account, ok := a.known[address]; ok {
		by.Account = account
		return nil
	}
	account, login := a.github.noreplyAccount(by.Email)
	if !account.Known() && by.Email != "" {
		if a.lookups == maxLookups {
			by.Unresolved = true
			return nil
		}
		a.lookups++
		var err error
		if account, err = a.whose(ctx, a.repo, by.Email, login, a.since); err != nil {
			return err
		}
	}
	a.known[address], by.Account = account, account
	return nil
}

// whose looks for the account behind an address. Nobody is found where GitHub knows nobody, at since or later; then the zero Account.
func (s *Session) whose(ctx context.Context, repo change.Repository, email, login string, since time.Time) (change.Account, error) {
	var missing *NotFound
	var rejected *Rejected
	a, err := s.accountBehind(ctx, repo, email, login, time.Time{})
	if !since.IsZero() && (err == nil && !a.Known() || errors.As(err, &missing)) {
		a, err = s.accountBehind(ctx, repo, email, login, since)
	}
	if errors.As(err, &missing) || login == "" && errors.As(err, &rejected) {
		return change.Account{}, nil
	}
	return a, err
}

// accountBehind returns the account of the login that an address holds, or of the newest commit of the default branch whose author has the
// address (repos/list-commits); the zero Account where no commit has it.
func (s *Session) accountBehind(ctx context.Context, repo change.Repository, email, login string, since time.Time) (change.Account, error) {
	if login != "" {
		return s.User(ctx, login, since)
	}
	var commits []*github.RepositoryCommit
	where := listCommits.of(repo).with(values("author", email, "per_page", "1"))
	if err := s.read(ctx, where, since, &commits, nil); err != nil {
		return change.Account{}, err
	}
	for _, c := range present(commits) {
		if by := signature(c.GetCommit().GetAuthor(), c.Author); strings.EqualFold(by.Email, email) {
			return by.Account, nil
		}
	}
	return change.Account{}, nil
}

// signature joins what a commit says with whom GitHub says that is. GitHub gives null or an empty object for nobody.
func signature(in *github.CommitAuthor, u *github.User) change.Signature {
	return change.Signature{Name: in.GetName(), Email: in.GetEmail(), Account: account(u)}
}
