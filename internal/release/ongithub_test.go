package release

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// What another deployment hands over does not make older what is known, and what may be shown on it stays unknown.
func TestTakeOver(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	status := change.DeploymentStatus{ID: 5, State: change.DeploymentSuccess, At: at}
	from := Deployment{OnGitHub: OnGitHub{GitHub: 7, Own: true, LogURL: "http://ci.example/7"}, Posts: Posts{Posting: change.DeploymentInactive}}
	given := from.handOver(7, status)
	if from.GitHub != 0 || !given.MaybeInactive || given.Shown != "" {
		t.Errorf("%+v is left of it, and given %+v", from.OnGitHub, given)
	}
	var first OnGitHub
	first.takeOver(given, status)
	if first.GitHub != 7 || !first.MaybeInactive || first.StatusID != 5 || first.LogURL != "http://ci.example/7" || len(first.Each) != 1 {
		t.Errorf("it is the only one: %+v", first)
	}
	second := OnGitHub{GitHub: 8, LogURL: "http://ci.example/8", StatusAt: at.Add(time.Minute), StatusID: 6}
	second.takeOver(given, status)
	if second.GitHub != 8 || second.MaybeInactive || second.StatusID != 6 || second.LogURL != "http://ci.example/8" || second.other(7) == nil {
		t.Errorf("it is one of two: %+v", second)
	}
}

func TestRunInAnAddress(t *testing.T) {
	for address, want := range map[string]int64{
		"https://github.com/acme/shop/actions/runs/17":                                            17,
		"https://github.com/acme/shop/actions/runs/17/job/3":                                      17,
		"https://api.github.com/repos/acme/shop/actions/runs/17/deployment_protection_rule":       17,
		"https://api.github.com/repos/acme/shop/actions/runs/9223372036854775808/deployment_rule": 0,
		"https://github.com/acme/shop/actions/runs/-17":                                           0,
		"https://github.com/acme/shop/actions/runs/":                                              0,
		"https://ci.example/17": 0,
		"":                      0,
	} {
		if got := runIn(address); got != want {
			t.Errorf("%q: %d, want %d", address, got, want)
		}
		if is := (&OnGitHub{LogURL: address}).logIsOf(0); is {
			t.Errorf("%q is the log of a job that names no run", address)
		}
	}
}
