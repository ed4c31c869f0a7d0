package queue

import (
	"context"
	"log/slog"
	"strings"

	"github.com/rs/zerolog"
)

// riverLog is River's logger: warnings and errors only, none of what it says of work that stopping interrupted, and as a warning what River
// itself tries again a little later.
func riverLog(log zerolog.Logger) *slog.Logger {
	log = log.Level(max(log.GetLevel(), zerolog.WarnLevel)).With().Str("part", "river").Logger()
	return slog.New(calm{zerolog.NewSlogHandler(log)})
}

// calm leaves out records whose error is that a context was cancelled, and has those be warnings that say when it is tried again.
type calm struct{ slog.Handler }

func (h calm) Handle(ctx context.Context, r slog.Record) error {
	cancelled := false
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "err", "error":
			cancelled = cancelled || strings.HasSuffix(a.Value.String(), context.Canceled.Error())
		case "sleep_duration":
			r.Level = min(r.Level, slog.LevelWarn)
		}
		return true
	})
	if cancelled {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h calm) WithAttrs(attrs []slog.Attr) slog.Handler { return calm{h.Handler.WithAttrs(attrs)} }
func (h calm) WithGroup(name string) slog.Handler       { return calm{h.Handler.WithGroup(name)} }
