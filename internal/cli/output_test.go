package cli

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestOutputThatCannotBeWritten: whatever a command was asked for is there when its exit code is 0.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Setenv("CHANGEGATE_DATABASE_URL", "")
	key := filepath.Join(t.TempDir(), "key")
	for _, command := range []string{
		"", "--help", "--version", "version", "help", "help policy lint", "serve --help", "completion bash",
		"policy lint ../../policies/default.yml", "policy schema", "policy default", "policy test ../../policies/default_test.yml",
		"policy test --verbose ../../policies/default_test.yml",
		"setup manifest --public-url https://changegate.acme.example", "audit key " + key,
	} {
		t.Run(command, func(t *testing.T) {
			var problems bytes.Buffer
			code := Run(t.Context(), strings.Fields(command), Streams{In: strings.NewReader(""), Out: full{}, Err: &problems})
			if want := "changegate: the output is not complete: no space left\n"; code != exitBad || problems.String() != want {
				t.Errorf("exit code %d, with %q, want %d with %q", code, &problems, exitBad, want)
			}
		})
	}
}
