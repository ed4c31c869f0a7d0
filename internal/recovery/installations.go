package recovery

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// Installations compares the repositories that the App has access to with those that are known, and tells of each that came or left what a
// delivery would have told: the App may have been installed before there was a server, or removed while there was none, and GitHub forgets deliveries
// after days. An archived repository is as one that left: it takes no check runs. It is safe for many goroutines.
type Installations struct {
	// Installed lists the App's installations, and Repositories the repositories of one; see github.GitHub and github.Session.
	Installed    func(ctx context.Context) ([]github.Installed, error)
	Repositories func(ctx context.Context, id change.InstallationID) ([]github.InstalledRepository, error)
	// Reaches says whether GitHub still gives a token for a repository, or for an installation (repository 0); see github.Client.
	Reaches func(ctx context.Context, id change.InstallationID, repo change.RepositoryID) (bool, error)
	// Remember keeps that an installation is the App's, and IsOurs says whether that was ever kept of one, here or by whoever was answered by it.
	// GitHub answers about another App's installation as about one that is gone, and the installations that are known are another App's if the server
	// was started as the wrong one.
	Remember func(ctx context.Context, id change.InstallationID) error
	IsOurs   func(ctx context.Context, id change.InstallationID) (bool, error)
	// Known lists the repositories that the App is known to have access to; see store.Store.
	Known func(ctx context.Context) ([]change.Repository, error)
	// Spare says whether an installation has calls to spare; it is passed over while it has not. 0 is the App itself.
	Spare func(id change.InstallationID) bool
	// Deliver takes deliveries as if GitHub had sent them; see queue.Queue.
	Deliver func(ctx context.Context, group []change.Delivery) error
	Clock   func() time.Time
	Log     zerolog.Logger

	mu sync.Mutex
}

// Sweep compares all of them once. An installation that cannot be read keeps no other from it. GitHub may leave out of a list what is there: a
// repository has left only if GitHub gives no token for it either. Of an installation that was never known as the App's nothing is given up.
func (s *Installations) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Spare(0) {
		return nil
	}
	// Before GitHub is asked: what a delivery tells meanwhile is newer than the lists.
	known, err := s.Known(ctx)
	if err != nil {
		return err
	}
	installed, err := s.Installed(ctx)
	var missing *github.NotFound
	var forbidden *github.Forbidden
	switch {
	case isLimited(err), errors.As(err, &missing), errors.As(err, &forbidden):
		s.Log.Debug().Err(err).Msg("the App's installations cannot be listed now")
		return nil
	case err != nil:
		return err
	}
	c := comparison{
		Installations: s,
		known:         map[change.RepositoryID]change.InstallationID{},
		listed:        map[change.RepositoryID]github.InstalledRepository{},
		standing:      map[change.InstallationID]standing{},
	}
	for _, r := range known {
		c.known[r.ID] = r.Installation
	}
	var failed []error
	for _, in := range installed {
		failed = append(failed, c.came(ctx, in))
	}
	return errors.Join(append(failed, c.left(ctx, known))...)
}

// standing is what GitHub says of an installation.
type standing string

const (
	notListed standing = "" // perhaps it is not there any more
	listed    standing = "listed"
	unread    standing = "unread" // suspended, refused, or without calls to spare: its repositories stay as they are known
	gone      standing = "gone"
)

// comparison is what one sweep knows.
type comparison struct {
	*Installations
	known    map[change.RepositoryID]change.InstallationID      // before the sweep
	listed   map[change.RepositoryID]github.InstalledRepository // by GitHub, in the installations that are listed
	standing map[change.InstallationID]standing
}

// came tells of the repositories of an installation that were not known to be in it.
func (c *comparison) came(ctx context.Context, in github.Installed) error {
	c.standing[in.ID] = unread
	if err := c.Remember(ctx, in.ID); err != nil {
		return err
	}
	if in.Suspended || !c.Spare(in.ID) {
		return nil
	}
	repos, err := c.Repositories(ctx, in.ID)
	if err != nil {
		return c.unlessPassing(err)
	}
	c.standing[in.ID] = listed
	d := change.Delivery{Event: "installation_repositories", Action: "added", Installation: in.ID}
	for _, r := range repos {
		c.listed[r.ID] = r
		if c.known[r.ID] != in.ID && !r.Archived {
			d.Added, d.Floor = append(d.Added, r.Repository), d.Floor || change.HoldsOwnerPolicy(r.Name)
		}
	}
	if len(d.Added) == 0 {
		return nil
	}
	return c.tell(ctx, d)
}

// left tells of those among the known repositories that are archived or out of the App's reach, once it is known what came.
func (c *comparison) left(ctx context.Context, known []change.Repository) error {
	var failed []error
	removed := map[change.InstallationID]change.Delivery{}
	for _, r := range known {
		if now, ok := c.listed[r.ID]; ok && now.Archived {
			failed = append(failed, c.tell(ctx, archived(now)))
			continue
		}
		gone, err := c.isOutOfReach(ctx, r)
		if err != nil {
			failed = append(failed, err)
		}
		if gone {
			d := removed[r.Installation]
			d.Removed, d.Floor = append(d.Removed, r.ID), d.Floor || change.HoldsOwnerPolicy(r.Name)
			removed[r.Installation] = d
		}
	}
	for id, d := range removed {
		d.Installation, d.Event, d.Action = id, "installation_repositories", "removed"
		failed = append(failed, c.tell(ctx, d))
	}
	return errors.Join(failed...)
}

// isOutOfReach says whether a repository that was known is out of the App's reach.
func (c *comparison) isOutOfReach(ctx context.Context, r change.Repository) (bool, error) {
	if _, ok := c.listed[r.ID]; ok || r.Installation == 0 {
		return false, nil
	}
	switch c.standing[r.Installation] {
	case gone:
		return true, nil
	case unread:
		return false, nil
	case listed:
		reached, err := c.Reaches(ctx, r.Installation, r.ID)
		return err == nil && !reached, c.unlessPassing(err)
	}
	c.standing[r.Installation] = unread
	if ours, err := c.IsOurs(ctx, r.Installation); err != nil || !ours {
		if err == nil {
			c.Log.Warn().Int64("installation", int64(r.Installation)).Stringer("repository", r).
				Msg("an installation is not this App's and never was, as far as is known: its repositories are kept; see whether github.app is the App that the database was made for")
		}
		return false, err
	}
	reached, err := c.Reaches(ctx, r.Installation, 0)
	if err == nil && !reached {
		c.standing[r.Installation] = gone
	}
	return err == nil && !reached, c.unlessPassing(err)
}

// archived is what a delivery would have told of a repository that is listed as archived. The list may be minutes old: with the repository's time, what
// was told of it since stands.
func archived(r github.InstalledRepository) change.Delivery {
	return change.Delivery{
		Event: "repository", Action: "archived", Installation: r.Installation, Repository: r.Repository, RepositoryAt: r.UpdatedAt, Gone: true,
		Floor: change.HoldsOwnerPolicy(r.Name),
	}
}

// unlessPassing returns an error, or nil for one that the next sweep may find gone.
func (c *comparison) unlessPassing(err error) error {
	if !isPassing(err) {
		return err
	}
	c.Log.Debug().Err(err).Msg("an installation cannot be read now")
	return nil
}

// tell has it taken as a delivery of repositories that came or left, each time under a new ID: the same may happen again.
func (s *Installations) tell(ctx context.Context, d change.Delivery) error {
	d.ID, d.ReceivedAt = "found-"+rand.Text(), s.Clock()
	left := len(d.Removed)
	if d.Gone {
		left = 1
	}
	s.Log.Info().Str("delivery", d.ID).Int64("installation", int64(d.Installation)).Int("came", len(d.Added)).Int("left", left).
		Msg("repositories came to the App or left it, and no delivery told of it")
	return s.Deliver(ctx, []change.Delivery{d})
}
