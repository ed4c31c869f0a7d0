package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/config"
)

// TestLogOfAFileHasNoColors: what is for people is coloured on a terminal only.
func TestLogOfAFileHasNoColors(t *testing.T) {
	var file bytes.Buffer
	log := newLogger(config.Log{Format: "console"}, &file)
	log.Warn().Str("key", "value").Msg("a message")
	if text := file.String(); !strings.Contains(text, "WRN a message key=value\n") {
		t.Errorf("the log is %q", text)
	}
}
