package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
		`✗ GitHub: Required status check "Change policy" is in`,
		"EMERGENCY is ignored: sam added it",
		"✓ Emergency: approved by dave",
		"it begins on Tuesday, 17 November 2026, at 10:00 UTC",
		"● staging verified · production watching until 10:37",
		"because it holds #3",
		"» production is frozen until 17 November 16:00 UTC.",
		"● staging verified · production waiting until 16:00",
		"● Waiting for the end of the freeze by dave",
		"✗ staging verified · production rolled back",
		"because it holds #6",
		"every step as expected",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story lacks %q", want)
		}
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("a line of %d characters: %q", n, line)
		}
		if strings.ContainsRune(line, '\x1b') {
			t.Errorf("colour where none was asked for: %q", line)
		}
	}
	if shown := readme(t); !strings.Contains(unnamed(out.String()), unnamed(shown)) {
		t.Errorf("README.md shows another story:\n%s", shown)
	}
	kept, err := filepath.Glob(filepath.Join(o.Dir, "*", "changegate.db"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept databases: %v, %v, want one", kept, err)
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(kept[0]), "changegate.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"level":"error"`) {
			t.Errorf("whoever opens the log finds an error: %s", line)
		}
	}
}

// readme returns what README.md shows of the story.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "Here is one of its eight chapters:\n\n```\n")
	shown, _, _ := strings.Cut(rest, "```")
	if n := len(story()); !found || n != 8 {
		t.Fatalf("README.md shows nothing of the story, or does not say that it has %d chapters", n)
	}
	return shown
}

// unnamed takes out the names of commits, which are others when a machine is slow.
func unnamed(text string) string {
	return regexp.MustCompile(`\b[0-9a-f]{7}\b`).ReplaceAllString(text, "0000000")
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		expected, says string
		want           bool
	}{
		{"merged", "merged", true},
		{"merged", "merged #1", false},
		{"merged …", "merged #1", true},
		{"…", "anything", true},
		{"… (#4).", "back to 1234567 (#4).", true},
		{"back to … (#4).", "back to 1234567 (#4).", true},
		{"back to … (#4).", "back to 1234567 (#5).", false},
		{"back to …", "going back to 1", false},
		{"a … a", "a", false},
		{"a … b … c", "a 1 b 2 c", true},
		{"", "", true},
		{"", "anything", false},
	} {
		if got := matches(test.expected, test.says); got != test.want {
			t.Errorf("matches(%q, %q) = %t", test.expected, test.says, got)
		}
	}
}

func TestClock(t *testing.T) {
	c := newClock(begins)
	if got := c.Now().Truncate(time.Minute); !got.Equal(begins) {
		t.Errorf("it begins at %s", got)
	}
	c.forward(30 * time.Minute)
	c.nextMinute()
	if got := c.Now().Truncate(time.Minute); !got.Equal(begins.Add(31 * time.Minute)) {
		t.Errorf("31 minutes later it is %s", got)
	}
}

func TestWorkflowTakesAMoment(t *testing.T) {
	w := newWorkflow()
	if got := w.outcome("staging", "1"); got != "success" {
		t.Errorf("at first a job ends with %q", got)
	}
	w.slowDown(2)
	for range 2 {
		var got []string
		for range 3 {
			got = append(got, w.outcome("staging", "1"))
		}
		if strings.Join(got, ",") != ",,success" {
			t.Errorf("a slow job's outcomes are %q", got)
		}
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
	if !strings.Contains(out.String(), "/acme/shop"+retrospective+" ") || !strings.Contains(out.String(), "\x1b[32m✓\x1b[0m") {
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
