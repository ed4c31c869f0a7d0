package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

func TestParse(t *testing.T) {
	why := strings.Repeat("ü", 500)
	tests := []struct {
		name string
		body string
		want Command
	}{
		{"refresh", "/change refresh", Command{Verb: Refresh}},
		{"blank lines after it", "/change refresh \t\r\n\r\n  \n", Command{Verb: Refresh}},
		{"more space", "/change \t refresh", Command{Verb: Refresh}},
		{"a reason", `/change explain "the queue was stuck"`, Command{Verb: Explain, Reason: "the queue was stuck"}},
		{"at once after the verb's space", `/change reject   "no"`, Command{Verb: Reject, Reason: "no"}},
		{"curly marks", `/change reject “no rollback”`, Command{Verb: Reject, Reason: "no rollback"}},
		{"curly marks of another language", `/change reject „kein Rückweg“`, Command{Verb: Reject, Reason: "kein Rückweg"}},
		{"curly marks the wrong way", `/change reject ”no”`, Command{Verb: Reject, Reason: "no"}},
		{"a mark within", `/change reject "the \"fix\" is none"`, Command{Verb: Reject, Reason: `the "fix" is none`}},
		{"a curly mark within", `/change reject “the \“fix\” is none”`, Command{Verb: Reject, Reason: "the “fix” is none"}},
		{"marks of the other sort within", `/change reject "the “fix” is none"`, Command{Verb: Reject, Reason: "the “fix” is none"}},
		{"and the other way round", `/change reject “the "fix" is none”`, Command{Verb: Reject, Reason: `the "fix" is none`}},
		{"a backslash", `/change reject "C:\\ is \\\\ gone"`, Command{Verb: Reject, Reason: `C:\ is \\ gone`}},
		{"space around a reason", `/change reject "  no  "`, Command{Verb: Reject, Reason: "no"}},
		{"as long as can be", `/change reject " ` + why + ` "`, Command{Verb: Reject, Reason: why}},
		{"Markdown and mentions are text", "/change reject \"@acme/all `x` </table> 👩‍💻\"", Command{Verb: Reject, Reason: "@acme/all `x` </table> 👩‍💻"}},
		{"no reason where none is needed", "/change withdraw", Command{Verb: Withdraw}},
		{"and one", `/change withdraw "it has a way back now"`, Command{Verb: Withdraw, Reason: "it has a way back now"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const all = "write /change with one of refresh, explain, reject, withdraw, deploy, accept, verified, rollback, queue, hold, start, cancel, " +
		"deployed, override, freeze, thaw"
	tests := []struct{ name, body, want string }{
		{"nothing", "", "a command starts with /change, in small letters and with nothing before it"},
		{"another word", "/changelog", "a command starts with /change, in small letters and with nothing before it"},
		{"a quoted one", "> /change refresh", "a command starts with /change, in small letters and with nothing before it"},
		{"space before it", " /change refresh", "a command starts with /change, in small letters and with nothing before it"},
		{"in code", "`/change refresh`", "a command starts with /change, in small letters and with nothing before it"},
		{"in capitals", "/Change refresh", "a command starts with /change, in small letters and with nothing before it"},
		{"no verb", "/change", "the command is missing: " + all},
		{"no verb on its line", "/change\nrefresh", "a command is a comment of its own, on one line: leave the other lines out"},
		{"another line", "/change refresh\nplease", "a command is a comment of its own, on one line: leave the other lines out"},
		{"what it answers, quoted", "/change refresh\n\n> what now?", "a command is a comment of its own, on one line: leave the other lines out"},
		{"two commands", "/change refresh\r\n/change refresh", "a command is a comment of its own, on one line: leave the other lines out"},
		{"a reason on two lines", "/change reject \"no\nno\"", "a command is a comment of its own, on one line: leave the other lines out"},
		{"half a character", "/change reject \"\xff\"", "the comment is not text in UTF-8"},

		{"a verb mistyped", `/change explian "x"`, "unknown command explian: did you mean explain?"},
		{"a letter in three mistyped", "/change cencal", "unknown command cencal: did you mean cancel?"},
		{"more than that", "/change hard", "unknown command hard: " + all},
		{"a verb begun", "/change ref", "unknown command ref: did you mean refresh?"},
		{"a verb hardly begun", "/change re", "unknown command re: " + all},
		{"a verb in capitals", "/change REFRESH", "unknown command REFRESH: did you mean refresh?"},
		{"a verb of its own", "/change merge", "unknown command merge: " + all},
		{"a verb that runs into its reason", `/change reject"no"`, `unknown command reject"no": ` + all},
		{"a verb without end", "/change " + strings.Repeat("ü", 100), "unknown command " + strings.Repeat("ü", 20) + "…: " + all},
		{"another space", "/change\u00a0refresh", "a command starts with /change, in small letters and with nothing before it"},

		{"more than is wanted", `/change refresh "now"`, "nothing may follow: write /change refresh"},
		{"a word more", "/change refresh now", "nothing may follow: write /change refresh"},
		{"no reason", "/change explain", `explain needs a reason: write /change explain "why it happened"`},
		{"no marks", "/change explain because", `the reason goes in quotation marks: write /change explain "why it happened"`},
		{"single marks", "/change explain 'because'", `the reason goes in quotation marks: write /change explain "why it happened"`},
		{"not closed", `/change explain "because`, `the reason is not closed: end it with "`},
		{"closed by another sort", `/change explain “because"`, "the reason is not closed: end it with ”"},
		{"its end escaped", `/change explain "because\"`, `the reason is not closed: end it with "`},
		{"ending in half an escape", `/change explain "because\`, `the reason is not closed: end it with "`},
		{"text after it", `/change explain "because" of it`, `the reason ends at its second quotation mark, and more follows: write a mark within it as \"`},
		{"a mark within, not escaped", `/change explain “a “b” c”`, `the reason ends at its second quotation mark, and more follows: write a mark within it as \”`},
		{"an unknown escape", `/change explain "a\nb"`, `a backslash in the reason is written \\, a quotation mark \"`},
		{"empty", `/change explain ""`, "the reason is empty: say why"},
		{"blank", "/change explain \" \u00a0 \"", "the reason is empty: say why"},
		{"too long", `/change explain "` + strings.Repeat("ü", 501) + `"`, "the reason has more than 500 characters: shorten it, and link to what is longer"},
		{"a tab", "/change explain \"a\tb\"", "the reason holds a character that cannot be seen (U+0009): leave it out"},
		{"NUL", "/change explain \"a\x00b\"", "the reason holds a character that cannot be seen (U+0000): leave it out"},
		{"a line of its own kind", "/change explain \"a\u2028b\"", "the reason holds a character that cannot be seen (U+2028): leave it out"},
		{"the other direction", "/change explain \"a\u202eb\"", "the reason holds a character that cannot be seen (U+202E): leave it out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.body)
			if err == nil || err.Error() != tt.want {
				t.Errorf("Parse(%q): %v, %v\nwant %s", tt.body, got, err, tt.want)
			}
			if diff := cmp.Diff(Command{}, got); diff != "" {
				t.Errorf("an error and a command: %s", diff)
			}
		})
	}
}

// TestWhatAStrangerWroteIsKeptApart holds the sentences that people are shown to what escapes them.
func TestWhatAStrangerWroteIsKeptApart(t *testing.T) {
	for _, body := range []string{"/change @acme/everyone", "/change [x](javascript:y)", "/change explain @acme/everyone", "/change <img>"} {
		_, err := Parse(body)
		var p *Problem
		if !errors.As(err, &p) {
			t.Fatalf("Parse(%q): %v", body, err)
		}
		for _, part := range p.Text {
			if part.Kind == change.PartWords && strings.ContainsAny(part.Text, "@<[") {
				t.Errorf("Parse(%q): %q is among our own words", body, part.Text)
			}
		}
	}
}

// Verbs to come take arguments: the grammar has them already.
var release = []Usage{
	{Verb: "hold", Args: []string{"ENVIRONMENT", "UNTIL"}, Reason: MustReason, Ask: "why"},
	{Verb: "ship", Args: []string{"ENVIRONMENT"}, Reason: MayReason, Ask: "why now"},
	{Verb: "undo", Args: []string{"[ENVIRONMENT]", "[COMMIT]"}, Reason: MustReason, Ask: "why"},
	{Verb: "wait", Args: []string{"ENVIRONMENT", "until", "TIME"}, Reason: NoReason},
}

func TestArguments(t *testing.T) {
	tests := []struct {
		body string
		want string // the command, or the problem
	}{
		{`/change hold production 2026-12-18T17:00 "year end"`, `/change hold production 2026-12-18T17:00 "year end"`},
		{"/change  ship\tstaging/eu-1 ", "/change ship staging/eu-1"},
		{`/change ship staging “now”`, `/change ship staging "now"`},
		{`/change undo "it is slow"`, `/change undo "it is slow"`},
		{`/change undo production "it is slow"`, `/change undo production "it is slow"`},
		{`/change undo production 3f2c1aa "it is slow"`, `/change undo production 3f2c1aa "it is slow"`},
		{`/change undo a b c "it is slow"`, `the reason goes in quotation marks: write /change undo [ENVIRONMENT] [COMMIT] "why"`},
		{"/change undo production", `undo needs a reason: write /change undo [ENVIRONMENT] [COMMIT] "why"`},
		{"/change wait staging until 17:00", "/change wait staging until 17:00"},
		{"/change wait staging till 17:00", "after staging comes until: write /change wait ENVIRONMENT until TIME"},
		{"/change wait staging until", "wait needs TIME: write /change wait ENVIRONMENT until TIME"},
		{"/change ship", `ship needs ENVIRONMENT: write /change ship ENVIRONMENT ["why now"]`},
		{`/change ship "now"`, `ship needs ENVIRONMENT: write /change ship ENVIRONMENT ["why now"]`},
		{`/change hold production "now"`, `hold needs UNTIL: write /change hold ENVIRONMENT UNTIL "why"`},
		{"/change ship @acme/all", `@acme/all cannot be ENVIRONMENT: write /change ship ENVIRONMENT ["why now"]`},
		{"/change ship " + strings.Repeat("x", 100), "/change ship " + strings.Repeat("x", 100)},
		{"/change ship " + strings.Repeat("x", 101), strings.Repeat("x", 40) + `… cannot be ENVIRONMENT: write /change ship ENVIRONMENT ["why now"]`},
		{"/change ship staging production", `the reason goes in quotation marks: write /change ship ENVIRONMENT ["why now"]`},
	}
	for _, tt := range tests {
		c, err := parse(release, tt.body)
		got := c.String()
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.body, got, tt.want)
		}
	}
}

// TestUsagesAreCommands gives each command as its own line shows it.
func TestUsagesAreCommands(t *testing.T) {
	for _, u := range Verbs() {
		line := strings.NewReplacer("[", "", "]", "").Replace(u.Line())
		if c, err := Parse(line); err != nil || c.Verb != u.Verb || c.Reason != u.Ask {
			t.Errorf("Parse(%q): %v, %v", line, c, err)
		}
		if u.Does == "" || (u.Ask == "") != (u.Reason == NoReason) {
			t.Errorf("%s does not say what it does or asks for", u.Verb)
		}
		if takes := len(u.Args) > 0 && strings.Trim(u.Args[0], "[]") == environment; takes != u.Verb.IsAboutDeployments() {
			t.Errorf("%s takes an environment: %v; it is about deployments: %v", u.Verb, takes, !takes)
		}
	}
}

// FuzzParse holds what Parse takes to what is printed: it is a comment of one line that reads as the same command; and what it refuses to
// a sentence of some length.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/change refresh", "/change refresh\r\n", `/change explain "the \"queue\" was \\ stuck"`, "/change reject “no way „back“”", "/change withdraw",
		"/change withdraw \"\u202e\"", "/change explian", "/change", "/changelog", "/change refresh\n> /change refresh", "/change hold production 17:00 \"x\"",
		"/change ship a", "/change reject \"" + strings.Repeat("x", 501) + "\"", "/change \xff", "/change reject '@acme/all'",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, usages := range [][]Usage{Verbs(), release} {
			c, err := parse(usages, body)
			if err != nil {
				if p := (*Problem)(nil); !errors.As(err, &p) || p.Text.IsEmpty() || len(err.Error()) > 400 {
					t.Fatalf("%q is refused with %q", body, err)
				}
				continue
			}
			if !strings.HasPrefix(body, "/change") || strings.ContainsAny(c.String(), "\r\n") {
				t.Fatalf("%q is %q", body, c)
			}
			again, err := parse(usages, c.String())
			if diff := cmp.Diff(c, again); err != nil || diff != "" {
				t.Fatalf("%q is %q, which reads as another (%v):\n%s", body, c, err, diff)
			}
		}
	})
}
