package app

import (
	"context"
	"errors"

	"github.com/changegate/changegate/internal/store"
)

// PublishAlone signs and publishes the ledger now. It is store.ErrHeld if somebody else is about to.
func (a *App) PublishAlone(ctx context.Context) error { return a.notary.Publish(ctx) }

// Publish is PublishAlone after everybody else.
func (a *App) Publish(ctx context.Context) error {
	for {
		if err := a.notary.Publish(ctx); !errors.Is(err, store.ErrHeld) {
			return err
		}
	}
}
