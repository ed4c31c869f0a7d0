package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// notes are what was left for an errand, oldest first.
type notes []note

type note struct {
	id   string
	body change.ReleaseNote
}

func readNotes(w store.ErrandWork) (list notes, err error) {
	for _, n := range w.Notes {
		read := note{id: n.ID}
		if err := json.Unmarshal(n.Body, &read.body); err != nil {
			return nil, fmt.Errorf("reading note %s of %s: %w", n.ID, w.Errand, err)
		}
		list = append(list, read)
	}
	return list, nil
}

func (l notes) ids() (ids []string) {
	for _, n := range l {
		ids = append(ids, n.id)
	}
	return ids
}

// wantAnswer says whether anybody waits for an answer.
func (l notes) wantAnswer() bool {
	for _, n := range l {
		if n.body.Command != nil || n.body.Rule != nil || n.body.Gate != nil {
			return true
		}
	}
	return false
}

// tell tells a turn of something that happened.
type tell func(*release.Turn)

// tells returns what the core is told of the notes. A command that it is not told of is answered here.
func (r *run) tells(ctx context.Context, list notes) (tells []tell, err error) {
	for _, n := range list {
		if t, err := r.tell(ctx, n); err != nil {
			return nil, fmt.Errorf("note %s: %w", n.id, err)
		} else if t != nil {
			tells = append(tells, t)
		}
	}
	return tells, nil
}

func (r *run) tell(ctx context.Context, n note) (tell, error) {
	switch b := n.body; {
	case b.Landed != nil:
		governed, err := r.governed(ctx, b.Landed.Branch)
		if err != nil || !governed {
			return nil, err
		}
		r.seen.land(*b.Landed)
		return func(t *release.Turn) { t.Landed(*b.Landed) }, nil
	case b.Deployment != nil:
		if err := r.recognise(ctx, b.Deployment); err != nil {
			return nil, err
		}
		r.told(b.Deployment.ID, 0)
		return func(t *release.Turn) { t.Deployment(*b.Deployment) }, nil
	case b.Status != nil:
		if err := r.recognise(ctx, &b.Status.Deployment); err != nil {
			return nil, err
		}
		via, err := r.via(ctx, b.Status.By, b.Status.Via)
		if err != nil {
			return nil, err
		}
		b.Status.Via = via
		r.told(b.Status.Deployment.ID, b.Status.ID)
		return func(t *release.Turn) { t.Status(*b.Status) }, nil
	case b.Rule != nil:
		return func(t *release.Turn) { t.Rule(n.id, *b.Rule) }, nil
	case b.Gate != nil:
		return func(t *release.Turn) { t.Gate(*b.Gate) }, nil
	case b.Run != nil:
		return func(t *release.Turn) { t.Run(*b.Run) }, nil
	case b.Command != nil:
		o, err := r.order(ctx, *b.Command)
		if err != nil || o == nil {
			return nil, err
		}
		return func(t *release.Turn) { t.Order(*o) }, nil
	}
	return nil, nil // of a later version of ours
}

// recognise completes a deployment of ours.
func (r *run) recognise(ctx context.Context, d *change.Deployment) (err error) {
	d.Via, err = r.via(ctx, d.By, d.Via)
	return err
}

// actions is the account of GitHub Actions, which deploys most of what is deployed.
const actions = "github-actions[bot]"

// via returns the App by which an account deployed. GitHub names none in deliveries, so that ours is told by its account, whose name
// nobody else can have.
func (r *run) via(ctx context.Context, by change.Account, told change.AppID) (change.AppID, error) {
	if told != 0 || !by.IsBot() || by.Login == actions {
		return told, nil
	}
	bot, err := r.github.BotLogin(ctx)
	if err == nil && strings.EqualFold(bot, by.Login) {
		told = r.App
	}
	return told, err
}
