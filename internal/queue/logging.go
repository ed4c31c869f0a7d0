package queue

import (
	"context"
	"log/slog"
	"strings"

	"github.com/rs/zerolog"
)

// riverLog is River's logger: warnings and errors only, and none of what it says of work that stopping interrupted.
func riverLog(log zerolog.Logger) *slog.Logger {
	log = log.Level(max(log.GetLevel(), zerolog.WarnLevel)).With().Str("part", "river").Logger()
	return slog.New(calm{zerolog.NewSlogHandler(log)})
}

// calm leaves out records whose error is that a context was cancelled.
type calm struct{ slog.Handler }

func (h calm) Handle(ctx context.Context, r slog.Record) error {
	cancelled := false
	r.Attrs(func(a slog.Attr) bool {
		cancelled = (a.Key == "err" || a.Key == "error") && strings.HasSuffix(a.Value.String(), context.Canceled.Error())
		return !cancelled
	})
	if cancelled {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h calm) WithAttrs(attrs []slog.Attr) slog.Handler { return calm{h.Handler.WithAttrs(attrs)} }
func (h calm) WithGroup(name string) slog.Handler       { return calm{h.Handler.WithGroup(name)} }
