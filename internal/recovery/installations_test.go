package recovery

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

func TestInstallationsAreCompared(t *testing.T) {
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	shop := change.Repository{ID: 1, Owner: "acme", Name: "shop", Installation: 5}
	owners := change.Repository{ID: 2, Owner: "acme", Name: ".github", Installation: 5}
	site := change.Repository{ID: 3, Owner: "bob", Name: "site", Installation: 6}
	moved := shop
	moved.Owner, moved.Installation = "bob", 6
	offline, refused := &github.Unavailable{Status: 502}, &github.Forbidden{Message: "not for you"}
	type of = map[change.InstallationID][]github.InstalledRepository
	in := func(list ...change.Repository) (all []github.InstalledRepository) {
		for _, r := range list {
			all = append(all, github.InstalledRepository{Repository: r})
		}
		return all
	}
	tells := func(list ...change.Delivery) []change.Delivery {
		for i := range list {
			if list[i].ReceivedAt = at; list[i].Event == "" {
				list[i].Event = "installation_repositories"
			}
		}
		return list
	}
	for name, row := range map[string]struct {
		known     []change.Repository
		installed []github.Installed
		has       of
		reached   map[change.InstallationID][]change.RepositoryID // 0: the installation itself
		listing   error
		reading   error
		reaching  error
		busy      []change.InstallationID
		strange   []change.InstallationID // were never listed as the App's
		want      []change.Delivery
		fails     error
	}{
		"nothing differs": {
			known: []change.Repository{shop, site}, installed: []github.Installed{{ID: 5}, {ID: 6}}, has: of{5: in(shop), 6: in(site)},
		},
		"one was installed before there was a server": {
			installed: []github.Installed{{ID: 5}}, has: of{5: in(shop)},
			want: tells(change.Delivery{Action: "added", Installation: 5, Added: []change.Repository{shop}}),
		},
		"the owner's policy came": {
			known: []change.Repository{shop}, installed: []github.Installed{{ID: 5}}, has: of{5: in(shop, owners)},
			want: tells(change.Delivery{Action: "added", Installation: 5, Added: []change.Repository{owners}, Floor: true}),
		},
		"a repository left": {
			known: []change.Repository{shop, owners}, installed: []github.Installed{{ID: 5}}, has: of{5: in(shop)}, reached: map[change.InstallationID][]change.RepositoryID{5: {0, 1}},
			want: tells(change.Delivery{Action: "removed", Installation: 5, Removed: []change.RepositoryID{2}, Floor: true}),
		},
		"a repository is missing in the list and is there": {
			known: []change.Repository{shop, owners}, installed: []github.Installed{{ID: 5}}, has: of{5: in(shop)}, reached: map[change.InstallationID][]change.RepositoryID{5: {0, 1, 2}},
		},
		"a repository has another owner": {
			known: []change.Repository{shop}, installed: []github.Installed{{ID: 5}, {ID: 6}}, has: of{6: in(moved)},
			want: tells(change.Delivery{Action: "added", Installation: 6, Added: []change.Repository{moved}}),
		},
		"a repository was archived": {
			known: []change.Repository{shop}, installed: []github.Installed{{ID: 5}}, has: of{5: {{Repository: shop, Archived: true, UpdatedAt: at}}}, reached: map[change.InstallationID][]change.RepositoryID{5: {0, 1}},
			want: tells(change.Delivery{Event: "repository", Action: "archived", Installation: 5, Repository: shop, RepositoryAt: at, Gone: true}),
		},
		"a repository is archived": {installed: []github.Installed{{ID: 5}}, has: of{5: {{Repository: shop, Archived: true}}}},
		"an installation was removed": {
			known: []change.Repository{shop, owners, site}, installed: []github.Installed{{ID: 6}}, has: of{6: in(site)},
			want: tells(change.Delivery{Action: "removed", Installation: 5, Removed: []change.RepositoryID{1, 2}, Floor: true}),
		},
		"the server is another App": {
			known: []change.Repository{shop, owners}, installed: []github.Installed{{ID: 6}}, has: of{6: in(site)}, strange: []change.InstallationID{5},
			want: tells(change.Delivery{Action: "added", Installation: 6, Added: []change.Repository{site}}),
		},
		"an installation is missing in the list and is there": {
			known: []change.Repository{shop, site}, installed: []github.Installed{{ID: 6}}, has: of{6: in(site)}, reached: map[change.InstallationID][]change.RepositoryID{5: {0}},
		},
		"an installation is missing in the list and GitHub does not say why": {
			known: []change.Repository{shop}, reaching: offline, fails: offline,
		},
		"an installation is missing in the list and refuses":        {known: []change.Repository{shop}, reaching: &github.Suspended{}},
		"an installation is suspended":                              {known: []change.Repository{shop}, installed: []github.Installed{{ID: 5, Suspended: true}}},
		"an installation has no calls to spare":                     {known: []change.Repository{shop}, installed: []github.Installed{{ID: 5}}, busy: []change.InstallationID{5}},
		"an installation refuses":                                   {known: []change.Repository{shop}, installed: []github.Installed{{ID: 5}}, reading: refused},
		"an installation cannot be read":                            {known: []change.Repository{shop}, installed: []github.Installed{{ID: 5}}, reading: offline, fails: offline},
		"GitHub has no such list":                                   {known: []change.Repository{shop}, listing: &github.NotFound{}},
		"GitHub limits the App":                                     {known: []change.Repository{shop}, listing: &github.RateLimited{}},
		"the App itself has no calls to spare":                      {known: []change.Repository{shop}, busy: []change.InstallationID{0}},
		"GitHub does not answer":                                    {known: []change.Repository{shop}, listing: offline, fails: offline},
		"of what no installation is known nothing can be found out": {known: []change.Repository{{ID: 9}}},
	} {
		t.Run(name, func(t *testing.T) {
			var told []change.Delivery
			var remembered, listed []change.InstallationID
			s := &Installations{
				Installed: func(context.Context) ([]github.Installed, error) { return row.installed, row.listing },
				Repositories: func(_ context.Context, id change.InstallationID) ([]github.InstalledRepository, error) {
					return row.has[id], row.reading
				},
				Reaches: func(_ context.Context, id change.InstallationID, repo change.RepositoryID) (bool, error) {
					return slices.Contains(row.reached[id], repo), row.reaching
				},
				Remember: func(_ context.Context, id change.InstallationID) error {
					remembered = append(remembered, id)
					return nil
				},
				IsOurs: func(_ context.Context, id change.InstallationID) (bool, error) {
					return !slices.Contains(row.strange, id), nil
				},
				Known: func(context.Context) ([]change.Repository, error) { return row.known, nil },
				Spare: func(id change.InstallationID) bool { return !slices.Contains(row.busy, id) },
				Deliver: func(_ context.Context, group []change.Delivery) error {
					told = append(told, group...)
					return nil
				},
				Clock: func() time.Time { return at }, Log: zerolog.Nop(),
			}
			if err := s.Sweep(t.Context()); !errors.Is(err, row.fails) {
				t.Errorf("got %v, want %v", err, row.fails)
			}
			if diff := cmp.Diff(row.want, told, cmpopts.IgnoreFields(change.Delivery{}, "ID")); diff != "" {
				t.Error(diff)
			}
			for _, in := range row.installed {
				listed = append(listed, in.ID)
			}
			if row.busy == nil && !slices.Equal(remembered, listed) {
				t.Errorf("remembered %v, want %v", remembered, listed)
			}
			ids := map[string]bool{}
			for _, d := range told {
				ids[d.ID] = true
			}
			if len(ids) != len(told) || ids[""] {
				t.Errorf("the identifiers are %v", ids)
			}
		})
	}
}
