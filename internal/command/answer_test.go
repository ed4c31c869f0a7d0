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

func TestMisread(t *testing.T) {
	_, err := Parse("/change explain")
	a := Misread(err)
	if s := a.Says.String(); a.Reaction != Confused || s == "" || s[len(s)-1] != '.' {
		t.Errorf("%+v", a)
	}
	if a := Misread(errors.New("other")); a.Reaction != Confused || a.Says.IsEmpty() {
		t.Errorf("%+v", a)
	}
}
