package reconcile

import (
	"context"
	"errors"
	"slices"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

// learnPushes reads from the repository's activity who pushed to the pull request's branch, where a delivery that told of a push was
// lost or came before our time; once for a head, and again when somebody asks for all to be verified. GitHub keeps no activity of
// others' forks for us, so their pushes stay unknown.
func (r *run) learnPushes(ctx context.Context, s *subject) error {
	w := &s.work
	p := w.Snapshot
	if w.PushesKnown || p.FromFork() || p.Head.Name == "" || w.ActivityRead && !w.Concerns.Has(change.ConcernVerify) {
		return nil
	}
	read, err := r.activity(ctx, w)
	if err != nil {
		return err
	}
	if err := r.Store.SavePushes(ctx, w.Key, p.Head.SHA, missed(w.Pushes, read, p)); err != nil {
		return err
	}
	again, err := r.Store.Begin(ctx, w.Key)
	if err != nil {
		return err
	}
	if again.Snapshot.Head.SHA != p.Head.SHA {
		return errMoved
	}
	w.Pushes, w.PushesKnown, w.ActivityRead, w.Untold = again.Pushes, again.PushesKnown, again.ActivityRead, again.Untold
	return nil
}

// activity returns who pushed to the pull request's branch, oldest first; nobody where GitHub does not tell: it stays unknown, and is decided so.
func (r *run) activity(ctx context.Context, w *store.Work) ([]change.Push, error) {
	read, err := r.github.Pushes(ctx, w.Repository, w.Snapshot.Head.Name, r.github.Began())
	var missing *github.NotFound
	var forbidden *github.Forbidden
	var rejected *github.Rejected
	if errors.As(err, &missing) || errors.As(err, &forbidden) || errors.As(err, &rejected) {
		// A GitHub without activities, or one that does not show them to us.
		r.log.Warn().Err(err).Msg("who pushed cannot be read")
		return nil, nil
	}
	return read, err
}

// missed returns the pushes of a branch that belong to the pull request and that no delivery told of. What was pushed in the second in
// which it was opened may have come before or after, and is taken for a push to it.
func missed(told, branch []change.Push, p change.Pull) []change.Push {
	if p.CreatedAt.IsZero() {
		return nil
	}
	later := slices.IndexFunc(branch, func(b change.Push) bool { return !b.At.Before(p.CreatedAt) })
	if later < 0 {
		later = len(branch)
	}
	var found []change.Push
	opened := slices.ContainsFunc(told, func(t change.Push) bool { return t.Before == "" })
	if !opened && later > 0 {
		found = append(found, change.Push{After: branch[later-1].After, By: p.Author, At: p.CreatedAt})
	}
	for i, b := range branch[later:] {
		if b.Before == "" && (opened || later > 0 || i > 0) {
			continue // the branch was deleted and made anew: what came before is not what it started from
		}
		known := func(t change.Push) bool {
			return t.Before == b.Before && t.After == b.After && apart(t.At, b.At) < sameEvent
		}
		if !slices.ContainsFunc(told, known) {
			found = append(found, b)
		}
	}
	return found
}
