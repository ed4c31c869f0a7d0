package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// TestStoppedPolicyTests: to be stopped before all files were run is no success, and tells which one is left.
func TestStoppedPolicyTests(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("somebody stopped it"))
	var out, problems bytes.Buffer
	code := Run(ctx, []string{"policy", "test", "../../policies/default_test.yml"}, Streams{In: strings.NewReader(""), Out: &out, Err: &problems})
	const want = "changegate: the tests in ../../policies/default_test.yml were not run: somebody stopped it\n"
	if code != exitBad || out.Len() > 0 || problems.String() != want {
		t.Errorf("the exit code is %d, and it says %q and %q", code, out.String(), problems.String())
	}
}
