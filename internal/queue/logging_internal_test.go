package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestRiverLog(t *testing.T) {
	away := errors.New("the database is away")
	for _, tt := range []struct {
		name string
		args []any
		want string
	}{
		{"an error", []any{"err", away}, `"level":"error"`},
		{"one after which River tries again", []any{"err", away, "sleep_duration", "1s"}, `"level":"warn"`},
		{"what stopping interrupted", []any{"err", fmt.Errorf("elect: %w", context.Canceled)}, ""},
		{"what stopping interrupted, with more", []any{"error", context.Canceled.Error(), "attempt", 1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			riverLog(zerolog.New(&out)).Error("Elector: Error attempting to resign", tt.args...)
			if got := out.String(); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("logged %q, want %q", got, tt.want)
			}
		})
	}
}
