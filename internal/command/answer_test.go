package command

import (
	"errors"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

func TestCheck(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	alice, bob := change.Account{ID: 1, Login: "alice", Kind: change.KindUser}, change.Account{ID: 2, Login: "bob", Kind: change.KindUser}
	bot := change.Account{ID: 3, Login: "helper[bot]", Kind: change.KindBot}
	given := func(by change.Account) change.Command {
		return change.Command{Comment: 1, By: by, Body: "/change refresh", At: at}
	}
	for _, row := range []struct {
		name string
		by   change.Account
		now  Shown
		want string // the outcome of the refusal; empty: it stands
	}{
		{"as it was sent", alice, Shown{By: alice, Body: "/change refresh", At: at, Updated: at}, ""},
		{"in another zone", alice, Shown{By: alice, Body: "/change refresh", At: at, Updated: at.In(time.FixedZone("", 3600))}, ""},
		{"another text", alice, Shown{By: alice, Body: "/change reject", At: at, Updated: at}, "its comment was edited"},
		{"edited, and back", alice, Shown{By: alice, Body: "/change refresh", At: at, Updated: at.Add(time.Second)}, "its comment was edited"},
		{"somebody else's", alice, Shown{By: bob, Body: "/change refresh", At: at, Updated: at}, "its comment was edited"},
		{"through an App", alice, Shown{By: alice, Via: 7, Body: "/change refresh", At: at, Updated: at}, "through an App"},
		{"by a bot", bot, Shown{By: bot, Body: "/change refresh", At: at, Updated: at}, "through an App"},
		{"by nobody known", change.Account{}, Shown{Body: "/change refresh", At: at, Updated: at}, "through an App"},
	} {
		t.Run(row.name, func(t *testing.T) {
			refusal, ok := Check(given(row.by), row.now)
			if ok != (row.want == "") || refusal.Outcome != row.want || ok != refusal.Says.IsEmpty() {
				t.Errorf("%v %+v, want %q", ok, refusal, row.want)
			}
		})
	}
}

// TestMisread holds what is said of no command to sentences: with a capital where our own words begin it, and one mark at the end.
func TestMisread(t *testing.T) {
	for body, want := range map[string]string{
		"/change explain":     `explain needs a reason: write /change explain "why it happened".`,
		"/change ref":         "Unknown command ref: did you mean refresh?",
		"/change refresh now": "Nothing may follow: write /change refresh.",
		"/changes":            "A command starts with /change, in small letters and with nothing before it.",
	} {
		_, err := Parse(body)
		if a := Misread(err); a.Reaction != Confused || a.Says.String() != want {
			t.Errorf("%s: %s %q, want %q", body, a.Reaction, a.Says, want)
		}
	}
	if a := Misread(errors.New("other")); a.Reaction != Confused || a.Says.String() != "other." {
		t.Errorf("%+v", a)
	}
}

func TestSentence(t *testing.T) {
	for _, row := range []struct {
		words change.Text
		want  string
	}{
		{nil, ""},
		{change.Words("it is so"), "It is so."},
		{change.Words("is it so?"), "Is it so?"},
		{change.Words("it is so."), "It is so."},
		{change.Words("über alles"), "Über alles."},
		{change.Say(change.Code("a"), change.Words(" or "), change.Code("b?")), "a or b?."}, // of a stranger's mark nobody knows what it ends
	} {
		before := row.words.String()
		if got := Sentence(row.words).String(); got != row.want || row.words.String() != before {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
