package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
)

func options(t *testing.T, out *bytes.Buffer) Options {
	return Options{Out: out, Dir: t.TempDir(), Address: "127.0.0.1:0", GitHubAddress: "127.0.0.1:0"}
}

func TestOnce(t *testing.T) {
	var out bytes.Buffer
	o := options(t, &out)
	o.Once = true
	if err := Run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log("\n" + out.String())
	for _, want := range []string{
		"✓ Standard: approved by bob",
		`✗ GitHub: Required status check "Change policy" is in progress.`,
		"EMERGENCY is ignored: sam set it",
		"✓ Emergency: approved by dave",
		"every step as expected",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story lacks %q", want)
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.ContainsRune(line, '\x1b') {
			t.Errorf("colour where none was asked for: %q", line)
		}
	}
	kept, err := filepath.Glob(filepath.Join(o.Dir, "*", "changegate.db"))
	if err != nil || len(kept) != 1 {
		t.Errorf("kept databases: %v, %v, want one", kept, err)
	}
}

// until cancels when a text has been written.
type until struct {
	bytes.Buffer
	text string
	then func()
}

func (u *until) Write(b []byte) (int, error) {
	n, err := u.Buffer.Write(b)
	if strings.Contains(u.String(), u.text) {
		u.then()
	}
	return n, err
}

func TestStaysUntilItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &until{text: "Ctrl-C ends both", then: cancel}
	t.Setenv("TMPDIR", t.TempDir())
	if err := Run(ctx, Options{Out: out, Color: true, Address: "127.0.0.1:0", GitHubAddress: "127.0.0.1:0"}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "/acme/shop") || !strings.Contains(out.String(), "\x1b[32m✓\x1b[0m") {
		t.Errorf("no address or no colour:\n%s", out.String())
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for flag, set := range map[string]func(*Options){
		"--address":        func(o *Options) { o.Address = l.Addr().String() },
		"--github-address": func(o *Options) { o.GitHubAddress = l.Addr().String() },
	} {
		var out bytes.Buffer
		o := options(t, &out)
		set(&o)
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "choose another with "+flag+" ") {
			t.Errorf("error %v, want one that names %s", err, flag)
		}
	}
}

// TestUnexpected plays a chapter on a GitHub without the App: whatever is expected of its check does not come.
func TestUnexpected(t *testing.T) {
	sim, err := githubsim.New(githubsim.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	if err := build(sim, newWorkflow()); err != nil {
		t.Fatal(err)
	}
	for n, test := range []struct {
		name          string
		step          step
		expected, got string
	}{
		{"no check", approve("bob").checks(green, "Standard: approved by bob"), "✓ Standard: approved by bob", "(missing) "},
		{"not refused", approve("bob").isRefused("No."), "GitHub to refuse: No.", "it was not refused"},
		{"refused in other words", approve("alice").isRefused("No."), "GitHub to refuse: No.", "GitHub refuses: Can not approve your own pull request"},
		{"refused", approve("alice").checks(green, ""), "GitHub not to refuse it", "GitHub refuses: Can not approve your own pull request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			c := chapter{proposal: "story-1-docs", title: "A chapter", lesson: "None.", steps: []step{test.step}}
			c.steps[0].do = func(s *scene) error {
				s.proposal.Branch = fmt.Sprint("branch-", n)
				if err := open("alice").do(s); err != nil {
					t.Fatal(err)
				}
				return test.step.do(s)
			}
			nothing := func(context.Context) error { return nil }
			teller := &teller{sim: sim, clock: newClock(begins), elapse: nothing, idle: nothing, story: []chapter{c}, out: &out}
			var failed *StepError
			if err := teller.play(t.Context()); !errors.As(err, &failed) {
				t.Fatalf("error %v, want a StepError", err)
			}
			if failed.Expected != test.expected || failed.Got != test.got {
				t.Errorf("expected %q, got %q; want %q and %q", failed.Expected, failed.Got, test.expected, test.got)
			}
			if !strings.Contains(out.String(), "This step did not end as it should") {
				t.Errorf("nobody was told:\n%s", out.String())
			}
		})
	}
}
