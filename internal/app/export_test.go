package app

import "context"

// Publish signs and publishes the ledger now.
func (a *App) Publish(ctx context.Context) error { return a.notary.publish(ctx) }
