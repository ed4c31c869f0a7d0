package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpFitsATerminal: no help has a line that a terminal of helpWidth columns would break, but for what cobra has one type to a shell.
func TestHelpFitsATerminal(t *testing.T) {
	t.Setenv("CHANGEGATE_SERVER_PUBLIC_URL", "")
	var all []string
	var collect func(*cobra.Command)
	collect = func(cmd *cobra.Command) {
		all = append(all, cmd.CommandPath())
		for _, below := range cmd.Commands() {
			collect(below)
		}
	}
	collect(newRoot(realTime{}, Streams{}))
	if len(all) < 20 {
		t.Errorf("there are %d commands", len(all))
	}
	for _, path := range all {
		var out, problems bytes.Buffer
		args := append(strings.Fields(path)[1:], "--help")
		if code := Run(t.Context(), args, Streams{In: strings.NewReader(""), Out: &out, Err: &problems}); code != exitOK || problems.Len() > 0 {
			t.Errorf("%s --help: exit code %d, with %q", path, code, &problems)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth && !strings.HasPrefix(line, "\tchangegate completion ") {
				t.Errorf("%s --help: %d columns: %s", path, n, line)
			}
		}
	}
}
