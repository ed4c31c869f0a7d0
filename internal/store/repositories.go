package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Repository returns a repository, or ErrNotFound.
func (s *Store) Repository(ctx context.Context, id change.RepositoryID) (r change.Repository, err error) {
	defer wrap(&err, "look up repository %d", id)
	err = s.Read(ctx, func(tx Tx) error {
		r, err = repository(ctx, tx, id)
		return err
	})
	return r, err
}

func repository(ctx context.Context, tx Tx, id change.RepositoryID) (change.Repository, error) {
	list, err := repositories(ctx, tx, `id = $1`, id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return change.Repository{}, err
	}
	return list[0], nil
}

func repositories(ctx context.Context, tx Tx, where string, args ...any) (list []change.Repository, err error) {
	err = tx.Query(ctx, `SELECT id, owner, name, default_branch, owner_is_user, installation FROM repositories WHERE `+where, args,
		func(scan func(...any) error) error {
			var r change.Repository
			var isUser int64
			err := scan(&r.ID, &r.Owner, &r.Name, &r.DefaultBranch, &isUser, &r.Installation)
			r.OwnerIsUser = isUser != 0
			list = append(list, r)
			return err
		})
	return list, err
}

// Repositories returns the repositories that the App has access to, as far as is known, ordered by owner and name.
func (s *Store) Repositories(ctx context.Context) (list []change.Repository, err error) {
	defer wrap(&err, "list repositories")
	err = s.Read(ctx, func(tx Tx) error {
		list, err = repositories(ctx, tx, `gone = 0 ORDER BY owner, name`)
		return err
	})
	return list, err
}

// InstallationsOf returns the installations of repositories, as far as they are known.
func (s *Store) InstallationsOf(ctx context.Context, tx Tx, repos []change.RepositoryID) (of map[change.RepositoryID]change.InstallationID, err error) {
	defer wrap(&err, "look up the installations of %d repositories", len(repos))
	of = make(map[change.RepositoryID]change.InstallationID)
	values := make([][]any, 0, len(repos))
	for _, id := range repos {
		if _, again := of[id]; !again {
			of[id] = 0
			values = append(values, []any{id})
		}
	}
	if len(values) == 0 {
		return of, nil
	}
	table, arg, err := s.rows([]column{{"id", integer}}, values)
	if err != nil {
		return nil, err
	}
	err = tx.Query(ctx, `SELECT r.id, r.installation FROM `+table+` AS asked JOIN repositories r ON r.id = asked.id`, []any{arg},
		func(scan func(...any) error) error {
			var repo change.RepositoryID
			var id change.InstallationID
			err := scan(&repo, &id)
			of[repo] = id
			return err
		})
	return of, err
}

// SaveRepository keeps a repository as it was just read from GitHub, under the name that it has now.
func (s *Store) SaveRepository(ctx context.Context, r change.Repository) (err error) {
	defer wrap(&err, "save repository %s", r)
	return s.Write(ctx, func(tx Tx) error { return s.saveRepositories(ctx, tx, []toldRepository{{Repository: r}}) })
}

// toldRepository is a repository as somebody showed it.
type toldRepository struct {
	change.Repository
	at time.Time // when it was last changed; zero: that is not said, and it counts as new
}

var repositoryColumns = []column{
	{"id", integer}, {"owner", text}, {"name", text}, {"default_branch", text}, {"owner_is_user", integer}, {"installation", integer}, {"told_at", integer},
}

// saveRepositories writes repositories, each of which is in the list once. What a source left empty stays as it was, and a row that nothing
// would change in is left alone. So is a row of which something newer is known: a delivery that comes late, or again, shows a repository as
// it was, which would then be looked for under an old name, or governed by the policy of an old default branch.
func (s *Store) saveRepositories(ctx context.Context, tx Tx, list []toldRepository) error {
	if len(list) == 0 {
		return nil
	}
	values := make([][]any, len(list))
	for i, r := range list {
		values[i] = []any{r.ID, r.Owner, r.Name, r.DefaultBranch, number(r.OwnerIsUser), r.Installation, micro(r.at)}
	}
	table, arg, err := s.rows(repositoryColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO repositories (id, owner, name, default_branch, owner_is_user, installation, told_at)
		SELECT id, owner, name, default_branch, owner_is_user, installation, told_at FROM `+table+` AS new WHERE true
		ON CONFLICT (id) DO UPDATE SET
			owner = coalesce(nullif(excluded.owner, ''), repositories.owner),
			name = coalesce(nullif(excluded.name, ''), repositories.name),
			default_branch = coalesce(nullif(excluded.default_branch, ''), repositories.default_branch),
			owner_is_user = excluded.owner_is_user,
			installation = coalesce(nullif(excluded.installation, 0), repositories.installation),
			told_at = CASE WHEN excluded.told_at > repositories.told_at THEN excluded.told_at ELSE repositories.told_at END,
			gone = 0
		WHERE (excluded.told_at = 0 OR excluded.told_at >= repositories.told_at) AND ((excluded.owner <> '' AND excluded.owner <> repositories.owner)
			OR (excluded.name <> '' AND excluded.name <> repositories.name)
			OR (excluded.default_branch <> '' AND excluded.default_branch <> repositories.default_branch)
			OR excluded.owner_is_user <> repositories.owner_is_user
			OR (excluded.installation <> 0 AND excluded.installation <> repositories.installation)
			OR repositories.gone <> 0 OR excluded.told_at > repositories.told_at)`, arg)
	return err
}

func toldRepositories(group []change.Delivery) []toldRepository {
	last := map[change.RepositoryID]toldRepository{}
	for _, d := range group {
		if r := d.Repository; r.ID != 0 && (d.RepositoryAt.IsZero() || !d.RepositoryAt.Before(last[r.ID].at)) {
			r.Installation = cmp.Or(r.Installation, d.Installation)
			last[r.ID] = toldRepository{r, d.RepositoryAt}
		}
		for _, r := range addedRepositories(d) {
			last[r.ID] = r
		}
	}
	list := make([]toldRepository, 0, len(last))
	for _, r := range last {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b toldRepository) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func addedRepositories(d change.Delivery) []toldRepository {
	list := make([]toldRepository, len(d.Added))
	for i, r := range d.Added {
		r.Installation = cmp.Or(r.Installation, d.Installation)
		list[i].Repository = r
	}
	return list
}
