package deployment

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/release"
)

const callback = "https://api.github.example/runs/12"

func answer12(a release.Answer, says string) release.Effect {
	return release.Effect{
		Kind: release.AnswerRule, Key: "rule:" + string(a) + says, Deployment: "d1", Environment: "production", Commit: "abc", Callback: callback, Ask: "k",
		Answer: a, Says: change.Words(says),
	}
}

func TestRulesAreAnswered(t *testing.T) {
	r := newRig(t)
	r.runs[12] = github.WorkflowRun{ID: 12, Repository: shop.ID, Head: "abc"}
	run := r.begin()
	for _, e := range []release.Effect{
		answer12(release.NotYet, "hours open at 9"), answer12(release.NotYet, "hours open at 9"), answer12(release.Go, "it may go"), answer12(release.Go, "it may go"),
	} {
		r.must(run.perform(t.Context(), e))
	}
	want := callback + "  production: hours open at 9\n" + callback + " approved production: it may go"
	if got := strings.Join(r.gates, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := r.since(), "2 gate, 2 run"; got != want {
		t.Errorf("calls: %s, want %s", got, want)
	}
}

// TestOnlyTheRunThatAskedIsAnswered tries to have another one let through.
func TestOnlyTheRunThatAskedIsAnswered(t *testing.T) {
	r := newRig(t)
	r.runs[12] = github.WorkflowRun{ID: 12, Repository: shop.ID, Head: "another"}
	r.runs[13] = github.WorkflowRun{ID: 13, Repository: 8, Head: "abc"}
	run := r.begin()
	for i, to := range []string{callback, "https://api.github.example/runs/13", "https://api.github.example/runs/14", "https://evil.example/runs/12"} {
		e := answer12(release.Go, "")
		e.Callback, e.Key = to, string(rune('a'+i))
		err := run.perform(t.Context(), e)
		if early := new(effect.Early); errors.As(err, &early) { // a run that GitHub does not find may be there
			r.now = r.now.Add(time.Minute)
			err = run.perform(t.Context(), e)
		}
		r.must(err)
	}
	if len(r.gates) > 0 {
		t.Errorf("answered: %q", r.gates)
	}
}

// TestLostAnswers has GitHub's answer lost, or the process killed before it was asked.
func TestLostAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		effect release.Effect
		gates  int // how many there are in the end, if the write came through, and if it did not
		lost   int
	}{
		{"approved", answer12(release.Go, "it may go"), 1, 1},
		{"a progress comment", answer12(release.NotYet, "not yet"), 1, 0},
	} {
		for _, after := range []bool{true, false} {
			r := newRig(t)
			r.runs[12] = github.WorkflowRun{ID: 12, Repository: shop.ID, Head: "abc"}
			*r.Killer = effecttest.Killer{At: 3, After: after} // the first two write the intent and the attempt
			if err := r.begin().perform(t.Context(), tt.effect); !errors.Is(err, effecttest.ErrKilled) {
				t.Fatalf("%s: %v", tt.name, err)
			}
			*r.Killer = effecttest.Killer{}
			r.must(r.begin().perform(t.Context(), tt.effect))
			want := tt.lost
			if after {
				want = tt.gates
			}
			if len(r.gates) != want {
				t.Errorf("%s, after %v: %q", tt.name, after, r.gates)
			}
		}
	}
}

func TestRefusalsAreKept(t *testing.T) {
	r := newRig(t)
	r.refuse["create deployment"] = &github.Forbidden{Message: "no", Needs: "deployments=write"}
	e := release.Effect{Kind: release.CreateDeployment, Key: "create:d1", Deployment: "d1", Environment: "staging", Commit: "abc", Payload: []byte(`{"changegate":"d1"}`)}
	for range 2 {
		r.must(r.begin().perform(t.Context(), e))
	}
	if got, want := r.since(), "1 create deployment"; got != want {
		t.Errorf("calls: %s, want %s", got, want)
	}
	if err := r.begin().perform(t.Context(), release.Effect{Kind: "dance"}); err == nil {
		t.Error("an effect that is not known is passed over")
	}
	r.refuse["status"] = &github.Unavailable{Status: 502}
	if err := r.begin().perform(t.Context(), release.Effect{Kind: release.PostStatus, Key: "s", GitHub: 5, State: change.DeploymentSuccess}); err == nil {
		t.Error("what may work another time is given up")
	}
}

func TestMentions(t *testing.T) {
	r := newRig(t)
	evil := change.Account{ID: 8, Login: "x y](http://evil)", Kind: change.KindUser}
	says := change.Say(change.Login(alice), change.Words(" and "), change.Login(bob), change.Words(" deployed "), change.Quote("@all"), change.Words("."))
	for _, tt := range []struct {
		name string
		of   []change.Account
		want string
	}{
		{"one of two", []change.Account{alice}, "@alice and bob deployed &#64;\u200ball."},
		{"one who is not named", []change.Account{carol, bob}, "@carol alice and @bob deployed &#64;\u200ball."},
		{"a program", []change.Account{ci}, "alice and bob deployed &#64;\u200ball."},
		{"what is no login", []change.Account{evil}, "alice and bob deployed &#64;\u200ball."},
	} {
		if got := r.begin().mention(says, tt.of); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	twice := change.Say(change.Login(alice), change.Words(": say so to "), change.Login(bob), change.Words(" or "), change.Login(alice), change.Words("."))
	if got := r.begin().mention(twice, []change.Account{alice}); got != "@alice: say so to bob or alice." {
		t.Errorf("whoever is named twice: %q", got)
	}
}

func TestLines(t *testing.T) {
	r := newRig(t)
	text := change.Say(change.Words("staging holds "), change.Code("a\nb"), change.Words("\n1. x\n\nproduction"), change.Quote("a\n# b"), change.Words("\n"))
	if got, want := r.begin().lines(text), "staging holds `a b`\n1. x\n\nproductiona &#35;\u200b b\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinks(t *testing.T) {
	for address, want := range map[string]string{
		"https://ci.example/a?b=c#d":       "https://ci.example/a?b=c#d",
		"https://ci.example/a)[x](b |\n`c": "",
		"https://ci.example/(a)|<b>":       "https://ci.example/%28a%29%7C%3Cb%3E",
		"javascript:alert(1)":              "",
		"//ci.example":                     "",
		"https://user@ci.example/":         "",
		"":                                 "",
	} {
		if got := linkTo(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-12-24T17:00":          time.Date(2026, 12, 24, 17, 0, 0, 0, time.UTC),
		"2026-12-24":                time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC),
		"2026-12-24T17:00:00+01:00": time.Date(2026, 12, 24, 16, 0, 0, 0, time.UTC),
		"17:00":                     {},
		"2026-13-24":                {},
	} {
		if got, ok := parseTime(text, time.UTC); ok == want.IsZero() || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, ok)
		}
	}
}
