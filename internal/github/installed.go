package github

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// maxInstallations is how many installations are read, in pages.
const maxInstallations = 1000

// Installed is an installation of the App, as GitHub lists it.
type Installed struct {
	ID        change.InstallationID
	Suspended bool // GitHub gives no token for it
}

// Installations reads where the App is installed (apps/list-installations). While some are deleted, another may be missing in the list: ask
// Reaches. A GitHub that has no such list is a *NotFound.
//
// It is the App that asks, so that neither call nor limit is an installation's.
func (g *GitHub) Installations(ctx context.Context) (list []Installed, err error) {
	defer wrap(&err, "listing the App's installations")
	for page := 1; page != 0; {
		if page > maxInstallations {
			return nil, &Rejected{Status: http.StatusOK, Message: "more than 100,000 installations"}
		}
		if list, page, err = g.installations(ctx, list, page); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// installations adds a page to a list, and returns the number of the next; 0: there is none.
func (g *GitHub) installations(ctx context.Context, list []Installed, page int) ([]Installed, int, error) {
	var listed []*github.Installation
	resp, err := g.readAsApp(ctx, listInstalled.general().with(values("per_page", itoa(perPage), "page", itoa(page))), &listed)
	if err != nil {
		return nil, 0, err
	}
	for _, in := range present(listed) {
		if in.GetID() == 0 {
			return nil, 0, unreadable(errors.New("GitHub's answer has an installation without an id"), false)
		}
		list = append(list, Installed{change.InstallationID(in.GetID()), in.SuspendedAt != nil})
	}
	return list, resp.NextPage, nil
}

// InstallationOf reads which installation of the App a repository is in (apps/get-repo-installation), by its name. It is asked for where no delivery
// said it, by the App and not by an installation. None is a *NotFound.
func (s *Session) InstallationOf(ctx context.Context, repo change.Repository) (_ change.InstallationID, err error) {
	defer wrap(&err, "looking for the installation of %s", repo)
	var in github.Installation
	if _, err := s.github.readAsApp(ctx, getInstalled.of(repo), &in); err != nil {
		return 0, err
	}
	if in.GetID() == 0 {
		return 0, unreadable(errors.New("GitHub's answer has no id"), false)
	}
	return change.InstallationID(in.GetID()), nil
}

// Reaches says whether GitHub gives the App a token for a repository of the installation, which it has to be in; with 0, whether there is
// the installation. One that is held from before is as good: what it says is less than an hour old.
func (c *Client) Reaches(ctx context.Context, repo change.RepositoryID) (bool, error) {
	_, err := c.token(ctx, nil, scope{repository: repo})
	var missing *NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	wrap(&err, "looking whether the App still reaches repository %d of installation %d", repo, c.id)
	return err == nil, err
}
