package cli

import (
	"context"
	"time"
)

// clock is time as commands that wait know it.
type clock interface {
	Now() time.Time
	// Sleep returns after d, or with an error when ctx ends before.
	Sleep(ctx context.Context, d time.Duration) error
}

type realTime struct{}

func (realTime) Now() time.Time { return time.Now() }

func (realTime) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
