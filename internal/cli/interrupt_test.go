package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// TestInterruptEndsWaitingForInput: a command that waits for standard input ends when it is interrupted, and says that it was.
func TestInterruptEndsWaitingForInput(t *testing.T) {
	for _, command := range []string{
		"policy lint -", "policy explain --facts -", "policy test -", "policy backtest -", "audit verify -", "audit reconcile --git . -",
	} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				typed, typist := io.Pipe() // who never types
				defer typist.Close()
				ctx, interrupt := context.WithCancelCause(t.Context())
				var out, err bytes.Buffer
				ended := make(chan int, 1)
				go func() { ended <- Run(ctx, strings.Fields(command), Streams{In: typed, Out: &out, Err: &err}) }()
				synctest.Wait()
				interrupt(errors.New("interrupt signal received"))
				if code := <-ended; code == exitOK || out.Len() > 0 || !strings.HasSuffix(err.String(), "interrupt signal received\n") {
					t.Errorf("exit code %d, out %q, err %q", code, &out, &err)
				}
			})
		})
	}
}
