package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v62/github"
	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
)

// maxMembers is how many pages of a team's members are read before those who matter are looked up one by one.
const maxMembers = 3

// User reads the account that has a login now (users/get-by-username); a login that nobody has is a *NotFound, and a *Lacking if GitHub was never seen to
// have anybody.
func (s *Session) User(ctx context.Context, login string, since time.Time) (_ change.Account, err error) {
	defer wrap(&err, "reading the account %q", login)
	var u github.User
	whole := func() bool { return u.GetID() != 0 }
	err = s.read(ctx, getUser.general(login), since, &u, whole)
	if s.github.lacks(err, getUser) {
		err = &Lacking{err}
	}
	if err != nil {
		return change.Account{}, err
	}
	return account(&u), nil
}

// Collaborator reads the account that has a login now, as GitHub names it with its permission in the repository
// (repos/get-collaborator-permission-level). Where nobody is named who has this login, it is a *NotFound.
func (s *Session) Collaborator(ctx context.Context, repo change.Repository, login string, since time.Time) (_ change.Account, err error) {
	defer wrap(&err, "reading the account %q in %s", login, repo)
	var level struct {
		User *github.User `json:"user"`
	}
	if err := s.read(ctx, getPermission.of(repo, login), since, &level, nil); err != nil {
		return change.Account{}, err
	}
	if a := account(level.User); a.Known() && strings.EqualFold(a.Login, login) {
		return a, nil
	}
	return change.Account{}, &NotFound{Message: "GitHub's answer does not say whose it is"}
}

// Permission reads what an account may do in the repository (repos/get-collaborator-permission-level). Bots and nobody have none,
// without a call. Where the answer does not say whose it is, another tells whose the login is (users/get-by-username). An account that
// GitHub does not know by this login (404), or whose login belongs to another account by now, has a Problem.
func (s *Session) Permission(ctx context.Context, repo change.Repository, a change.Account, since time.Time) (_ change.Person, err error) {
	defer wrap(&err, "reading the permission of %s in %s", a.Login, repo)
	if !a.Known() || a.IsBot() {
		return change.Person{Account: a, ReadAt: s.github.now()}, nil
	}
	var level struct {
		Permission string       `json:"permission"`
		RoleName   string       `json:"role_name"`
		User       *github.User `json:"user"`
	}
	whole := func() bool { return level.Permission != "" }
	answer, err := s.get(ctx, getPermission.of(repo, a.Login), since, into(&level, whole))
	var missing *NotFound
	if answer != nil && errors.As(err, &missing) {
		problem := "GitHub knows no account of this name: it was renamed or deleted"
		if s.github.lacks(err, getPermission) {
			problem += ", or this GitHub never tells: " + missing.Call
		}
		return change.Person{Account: a, ReadAt: answer.sent, Problem: problem}, nil
	}
	if err != nil {
		return change.Person{}, err
	}
	person := change.Person{Account: a, ReadAt: answer.sent}
	id := change.AccountID(level.User.GetID())
	if level.User == nil {
		now, err := s.User(ctx, a.Login, since)
		if errors.As(err, &missing) {
			person.Problem = "GitHub's answer does not say whose it is, and GitHub knows no account of this name"
			return person, nil
		}
		if err != nil {
			return change.Person{}, err
		}
		id = now.ID
	}
	if id != a.ID {
		person.Problem = "this name belongs to another account by now"
		return person, nil
	}
	person.Permission, err = permission(level.Permission, level.RoleName)
	if err != nil {
		person.Problem = err.Error()
	}
	return person, nil
}

// permission joins GitHub's two answers: the base permission, in which maintain reads as write and triage as read, and the role's name,
// which is a word of the organization's own for a custom role. The name counts only where it refines the base.
func permission(base, role string) (change.Permission, error) {
	p, err := change.ParsePermission(base)
	if err != nil {
		return change.PermissionNone, err
	}
	switch refined, err := change.ParsePermission(role); {
	case err != nil:
		return p, nil
	case refined == change.PermissionMaintain && p == change.PermissionWrite, refined == change.PermissionTriage && p == change.PermissionRead:
		return refined, nil
	default:
		return p, nil
	}
}

// Team reads a team of the repository's organization (teams/get-by-name) and, beside it, its members, child teams included
// (teams/list-members-in-org). Of a team with more than 300 members the first 300 are listed and Partial is set; each of lookFor who is not among
// them is looked up by name (teams/get-membership-for-user-in-org), and is then a member or Absent.
//
// A team that GitHub does not show the App (404), and any team of a user's own repository, is no error but Missing; one that the App may
// not read (403) has a Problem. It is an error if GitHub finds the team and not its members, or the other way round; but where a GitHub was never seen
// to show a team, the members are enough, and its ID is 0.
func (s *Session) Team(
	ctx context.Context, repo change.Repository, slug string, lookFor []change.Account, since time.Time,
) (team change.Team, err error) {
	defer wrap(&err, "reading the team %s/%s", repo.Owner, slug)
	team = change.Team{Slug: slug, ReadAt: s.github.now()}
	if repo.OwnerIsUser {
		team.Missing = true
		return team, nil
	}
	var itself github.Team
	var listed listing[*github.User]
	var errs [2]error
	var both sync.WaitGroup
	teamAt, membersAt := getTeam.ofTeams(repo.Owner, slug), listMembers.ofTeams(repo.Owner, slug)
	both.Go(func() {
		whole := func() bool { return itself.GetID() != 0 }
		errs[0] = s.read(ctx, teamAt, since, &itself, whole)
	})
	both.Go(func() {
		listed, errs[1] = readPages(ctx, s, membersAt, since, maxMembers, entries[github.User])
	})
	both.Wait()
	if errs[1] == nil && s.github.lacks(errs[0], getTeam) {
		errs[0] = nil
		s.drop(teamAt) // it is asked again
	}
	team.Missing, team.Problem, err = whyNoTeam(errs[:])
	if errors.Is(err, errHalfFound) {
		s.drop(teamAt)
		for n := range maxMembers {
			s.drop(membersAt.page(n + 1))
		}
	}
	if err != nil {
		return change.Team{}, err
	}
	if team.Missing || team.Problem != "" {
		return team, nil
	}
	for _, u := range listed.items {
		if a := account(u); a.Known() {
			team.Members = append(team.Members, a)
		}
	}
	team.ID, team.ReadAt, team.Partial = change.TeamID(itself.GetID()), listed.sent, listed.more
	if team.Partial {
		if err := s.lookUp(ctx, repo.Owner, &team, lookFor, since); err != nil {
			return change.Team{}, err
		}
	}
	slices.SortFunc(team.Members, func(a, b change.Account) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Login), strings.ToLower(b.Login)), cmp.Compare(a.ID, b.ID))
	})
	return team, nil
}

var errHalfFound = errors.New("GitHub finds the team or its members, and not both")

// whyNoTeam says why GitHub shows no team, by what became of the two questions, about the team and about its members. It is missing, so that
// others may stand in for it, only if GitHub finds neither and does not say that the App may not read them.
func whyNoTeam(errs []error) (isMissing bool, problem string, err error) {
	var missing *NotFound
	var forbidden *Forbidden
	answered := false
	for _, err := range errs {
		switch {
		case err == nil:
			answered = true
		case errors.As(err, &missing):
		case errors.As(err, &forbidden):
			problem = "the App may not read the organization's teams: grant it " + cmp.Or(forbidden.Needs, "members=read")
		default:
			return false, "", err
		}
	}
	switch {
	case forbidden != nil || missing == nil:
		return false, problem, nil
	case answered:
		return false, "", &Unavailable{Status: http.StatusOK, Err: fmt.Errorf("%w (%s)", errHalfFound, missing.Call)}
	default:
		return true, "", nil
	}
}

// lookUp asks for the membership of those who were not listed. GitHub's answer names no id, so a login that changed hands since it was
// read would speak for its new owner; logins come from answers of the same session.
func (s *Session) lookUp(ctx context.Context, org string, team *change.Team, lookFor []change.Account, since time.Time) error {
	key := org + "/" + team.Slug
	s.mu.Lock()
	ask := slices.Clone(s.lookFor[key])
	for _, a := range lookFor {
		same := func(b change.Account) bool { return a.ID == b.ID }
		if a.Known() && !slices.ContainsFunc(team.Members, same) && !slices.ContainsFunc(ask, same) {
			ask = append(ask, a)
		}
	}
	s.lookFor[key] = ask
	s.mu.Unlock()

	member := make([]bool, len(ask))
	group, gctx := errgroup.WithContext(ctx)
	for i, a := range ask {
		group.Go(func() error {
			var membership struct {
				State string `json:"state"` // active, or pending: invited
			}
			err := s.read(gctx, getMembership.ofTeams(org, team.Slug, a.Login), since, &membership, nil)
			var missing *NotFound
			if errors.As(err, &missing) {
				return nil
			}
			member[i] = membership.State == "active"
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, a := range ask {
		if member[i] {
			team.Members = append(team.Members, a)
		} else {
			team.Absent = append(team.Absent, a.ID)
		}
	}
	slices.Sort(team.Absent)
	return nil
}
